//! Writes accounts and contacts, and makes those that are missing.

use tandem_sdk::mirror::segment;
use tandem_sdk::refused::{self, Sent};
use tandem_sdk::{Method, Outcomes, Side, Value, body_of, request, say, text};

use crate::describe::Settings;
use crate::duplicates::{self, Write};
use crate::left_out::{self, Refused};
use crate::to_b1::of;
use crate::write::Work;

/// Accounts of which something is to be written, or that are to be made.
pub fn accounts(settings: &Settings, work: &mut [Work], outcomes: &mut Outcomes) {
    let mut places = Vec::new();
    let mut requests = Vec::new();
    for (place, w) in work.iter_mut().enumerate().filter(|(_, w)| !w.failed) {
        let mut fields = w.plan.to_salesforce.clone();
        let path = if w.made_in_salesforce {
            fields.remove("Tandem_Card_Code__c");
            format!("/sobjects/Account/Tandem_Card_Code__c/{}", segment(&settings.keys.carried(&w.card_code)))
        } else if fields.is_empty() {
            w.in_salesforce = true;
            continue;
        } else {
            format!("/sobjects/Account/{}", w.account_id)
        };
        fields.insert("Tandem_Synced_At__c".into(), tandem_sdk::salesforce::now());
        let mut request = request("salesforce", Method::Patch, path, Some(&Value::Object(fields)), &w.card_code);
        duplicates::pass(w.subject.choice.as_deref(), &mut request);
        places.push(place);
        requests.push(request);
    }
    let sent = refused::send_all(&requests, |_, field| left_out::may_of_salesforce(field));
    for (place, Sent { answer, left_out }) in places.into_iter().zip(sent) {
        let w = &mut work[place];
        match answer {
            Ok(response) => {
                w.in_salesforce = true;
                let old = w.old();
                left_out::in_salesforce(&mut w.plan.base, &old, &w.plan.decided, &left_out);
                w.refused.extend(Refused::of(
                    say("accounts.the_account", "the account of {customer}", of(&w.card_code)),
                    Side::B1,
                    left_out,
                ));
                if w.made_in_salesforce {
                    w.account_id = text(&body_of(&response), "id").to_owned();
                }
                let verb = if w.made_in_salesforce { "made" } else { "changed" };
                outcomes.note_all(&w.subject.events, &format!("account of {} {verb}", w.card_code));
            }
            Err(error) => {
                w.failed = true;
                let what = say("accounts.writing_account", "writing the account of {customer}", of(&w.card_code));
                let write = if w.made_in_salesforce { Write::NewAccount } else { Write::Change };
                duplicates::fail(outcomes, &w.subject.events, &error, what, write, w.subject.choice.as_deref());
            }
        }
    }
}

/// The same of their contacts.
pub fn contacts(settings: &Settings, work: &mut [Work], outcomes: &mut Outcomes) {
    let mut places = Vec::new();
    let mut requests = Vec::new();
    for (place, w) in work.iter().enumerate().filter(|(_, w)| !w.failed) {
        for (own, person) in w.persons.iter().enumerate() {
            let Some(code) = &person.code else { continue };
            let key = crate::contacts::key(&w.card_code, code);
            let mut fields = person.contact.clone();
            let path = match &person.id {
                Some(_) if fields.is_empty() => continue,
                Some(id) => format!("/sobjects/Contact/{id}"),
                None => {
                    fields.insert("AccountId".into(), w.account_id.as_str().into());
                    format!("/sobjects/Contact/Tandem_Contact_Key__c/{}", segment(&settings.keys.carried(&key)))
                }
            };
            let mut request = request("salesforce", Method::Patch, path, Some(&Value::Object(fields)), &w.card_code);
            duplicates::pass(w.subject.choice.as_deref(), &mut request);
            places.push((place, own));
            requests.push(request);
        }
    }
    let sent = refused::send_all(&requests, |_, field| left_out::may_of_salesforce(field));
    for ((place, own), Sent { answer, left_out }) in places.into_iter().zip(sent) {
        let w = &mut work[place];
        let person = &mut w.persons[own];
        match answer {
            Ok(response) => {
                left_out::in_salesforce(&mut person.base, &person.old, &person.decided, &left_out);
                let with = [("contact", person.name.as_str().into()), ("customer", w.card_code.as_str().into())];
                let record = say("accounts.the_contact", "the contact {contact} of {customer}", with);
                w.refused.extend(Refused::of(record, Side::B1, left_out));
                if person.id.is_none() {
                    person.id = body_of(&response)["id"].as_str().map(str::to_owned);
                }
                outcomes.note_all(&w.subject.events, &format!("contact {} written", person.name));
            }
            Err(error) => {
                // The account itself is in step; the person comes again.
                person.refused = true;
                let with = [("contact", person.name.as_str().into()), ("customer", w.card_code.as_str().into())];
                let what = say("accounts.writing_contact", "writing the contact {contact} of {customer}", with);
                let write = if person.id.is_none() { Write::NewContact } else { Write::Change };
                duplicates::fail(outcomes, &w.subject.events, &error, what, write, w.subject.choice.as_deref());
            }
        }
    }
}
