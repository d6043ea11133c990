//! Brings subjects in step: B1 first, since a new account carries its partner's `CardCode`; then accounts, then contacts.

use std::borrow::Cow;
use std::collections::BTreeMap;

use tandem_sdk::mirror::segment;
use tandem_sdk::refused::{self, Sent};
use tandem_sdk::{
    Batch, Error, Link, Map, Method, Outcomes, Part, Probe, Request, Response, Said, Side, Told, Value, Via, b1,
    body_of, clock, events, from_json, http, json, links, mapping, request, salesforce, say, text,
};

use crate::contacts::{self, Person};
use crate::describe::{Create, Settings};
use crate::duplicates::{self, Write};
use crate::fields::{self, Plan};
use crate::gather::{self, Subject};
use crate::left_out::{self, Refused};
use crate::person;

/// A subject on its way.
struct Work {
    subject: Subject,
    plan: Plan,
    persons: Vec<Person>,
    /// Known, or learnt when the partner is made.
    card_code: String,
    /// Known, or learnt when the account is made.
    account_id: String,
    made_in_b1: bool,
    made_in_salesforce: bool,
    failed: bool,
    /// What the systems did not take of it.
    refused: Vec<Refused>,
}

impl Work {
    /// What was last in step; empty while nothing was.
    fn old(&self) -> Map<String, Value> {
        self.subject.base.clone().unwrap_or_default()
    }
}

/// See the module's words. Gives the accounts that are in step but for what was refused, with what they are to show.
pub fn in_step(
    batch: &Batch,
    settings: &Settings,
    subjects: Vec<Subject>,
    outcomes: &mut Outcomes,
) -> BTreeMap<String, String> {
    let mut work: Vec<Work> = subjects.into_iter().filter_map(|subject| planned(settings, subject, outcomes)).collect();
    to_b1(batch, settings, &mut work, outcomes);
    learn(&mut work, outcomes);
    to_accounts(settings, &mut work, outcomes);
    to_contacts(settings, &mut work, outcomes);
    let mut shown = BTreeMap::new();
    for w in work.iter_mut().filter(|w| !w.failed) {
        let old = w.old();
        let asked = left_out::ask(batch, &w.refused, &old, &mut w.plan.base, &w.subject.events, outcomes);
        shown.extend(asked.map(|reason| (w.account_id.clone(), reason)));
        keep(w);
    }
    shown
}

/// What a subject needs; `None` when it is decided.
fn planned(settings: &Settings, subject: Subject, outcomes: &mut Outcomes) -> Option<Work> {
    if subject.events.is_empty() || !subject.events.iter().all(|place| outcomes.is_open(*place)) {
        return None;
    }
    let tell = |outcomes: &mut Outcomes, what: &str| outcomes.note_all(&subject.events, what);
    let account_gone = subject.account.is_null() || subject.account["IsDeleted"] == true;
    match (subject.partner.is_null(), account_gone) {
        (true, true) => {
            tell(outcomes, "gone on both sides, or never there");
            return None;
        }
        (true, false) if subject.base.is_some() => return partner_gone(settings, subject, outcomes),
        (true, false) if !settings.only.holds(&subject.account) => {
            tell(outcomes, "an account of another company");
            return None;
        }
        (true, false) => {
            let wanted = subject.choice.as_deref() == Some("create")
                || settings.create_in_b1 == Create::All
                || (settings.create_in_b1 == Create::Wanted && subject.wanted);
            if !wanted {
                tell(outcomes, "no partner matches, and none is needed yet");
                return None;
            }
        }
        (false, true) if subject.base.is_some() && !text(&subject.account, "MasterRecordId").is_empty() => {
            // The one that is left has a partner of its own.
            let what = say(
                "accounts.merged",
                "the account of the partner {customer} was merged into {account}, which is linked with another partner; make one partner of the two in B1",
                [
                    ("customer", subject.card_code().into()),
                    ("account", text(&subject.account, "MasterRecordId").into()),
                ],
            );
            outcomes.hold(&subject.events, what);
            return None;
        }
        (false, true) if subject.base.is_some() => {
            let known = subject.base.as_ref().is_some_and(|base| base.get("gone").is_some_and(|gone| gone == true));
            let customer = [("customer", subject.card_code().into())];
            let what = if subject.account.is_null() {
                say(
                    "accounts.account_unseen",
                    "the account of the partner {customer} is not to be seen any more: deleted for good, or not shared with the integration user",
                    customer,
                )
            } else {
                say(
                    "accounts.account_deleted",
                    "the account of the partner {customer} was deleted in Salesforce",
                    customer,
                )
            };
            match subject.choice.as_deref() {
                Some("keep in B1") => put_gone(&subject),
                _ if settings.review_deleted && !known => {
                    let detail =
                        json!({ "b1": { "CardCode": subject.card_code(), "CardName": subject.partner["CardName"] } });
                    outcomes.ask(&subject.events, what, &["keep in B1", "retry", "ignore"], &detail);
                    return None;
                }
                _ => {}
            }
            tell(outcomes, &format!("{what}; the partner stays"));
            return None;
        }
        (false, true) => {
            if subject.partner["CardType"] == "cSupplier" {
                tell(outcomes, "a supplier: no account");
                return None;
            }
            if !settings.create_in_salesforce {
                tell(outcomes, "no account matches, and none is to be made");
                return None;
            }
        }
        (false, false) => {}
    }
    let newest = newest(&subject);
    let base = subject.base.clone().unwrap_or_default();
    let sections = settings.org.sections();
    let of_person = person::is(&subject.account);
    let partner =
        if of_person { Cow::Owned(person::partner(&subject.partner)) } else { Cow::Borrowed(&subject.partner) };
    let plan = match (subject.partner.is_null(), account_gone) {
        (true, _) => fields::for_new(&sections, Side::B1, &subject.account),
        (_, true) => fields::for_new(&sections, Side::Salesforce, &subject.partner),
        _ => fields::merged(&sections, &partner, &subject.account, &base, newest, subject.choice.as_deref()),
    };
    let mut plan = match plan {
        Ok(plan) => plan,
        Err(why) => {
            let code = if subject.partner.is_null() { subject.account_id() } else { subject.card_code() };
            let names = [text(&subject.partner, "CardName"), text(&subject.account, "Name")];
            let name = names.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
            let with = [("name", name.into()), ("code", code.into()), ("why", why.into())];
            outcomes.hold(&subject.events, say("accounts.of", "{name} ({code}): {why}", with));
            return None;
        }
    };
    if of_person && !account_gone {
        person::put_names(&mut plan.to_salesforce, &subject.partner, &subject.account);
    }
    if !plan.conflicts.is_empty() {
        let (reason, detail) = fields::question(text(&subject.partner, "CardName"), &plan.conflicts);
        outcomes.ask(&subject.events, reason, &["keep B1's", "keep Salesforce's", "retry", "ignore"], &detail);
        return None;
    }
    if !subject.partner.is_null() {
        shown_of(settings, &subject, &base, &mut plan);
    }
    // What an earlier question left there.
    if subject.account["Tandem_Sync_State__c"] != "Synced" {
        plan.to_salesforce.insert("Tandem_Sync_State__c".into(), "Synced".into());
        plan.to_salesforce.insert("Tandem_Sync_Message__c".into(), Value::Null);
    }
    if subject.wanted && settings.convert_leads && subject.partner["CardType"] == "cLid" {
        plan.to_b1.insert("CardType".into(), "cCustomer".into());
        plan.to_salesforce.insert("Tandem_Partner_Type__c".into(), "customer".into());
        plan.base.insert("Tandem_Partner_Type__c".into(), "customer".into());
        tell(outcomes, "the lead became a customer: an order needs it");
    }
    // A question about one person holds up neither the account nor its other people.
    let persons = contacts::plan(settings, &subject, newest, outcomes);
    Some(Work {
        card_code: subject.card_code().to_owned(),
        account_id: if account_gone { String::new() } else { subject.account_id().to_owned() },
        made_in_b1: subject.partner.is_null(),
        made_in_salesforce: account_gone,
        failed: false,
        refused: Vec::new(),
        subject,
        plan,
        persons,
    })
}

/// What the account shows of its partner besides the mapped fields.
fn shown_of(settings: &Settings, subject: &Subject, base: &Map<String, Value>, plan: &mut Plan) {
    let partner = &subject.partner;
    let kind = if partner["CardType"] == "cLid" { "lead" } else { "customer" };
    let own: [(&str, Value); 3] = [
        ("Tandem_Card_Code__c", settings.keys.carried(text(partner, "CardCode")).into()),
        ("Tandem_Partner_Type__c", kind.into()),
        ("Tandem_Blocked__c", subject.blocked.into()),
    ];
    for (name, value) in own {
        if base.get(name) != Some(&value) {
            plan.to_salesforce.insert(name.into(), value.clone());
        }
        plan.base.insert(name.into(), value);
    }
}

fn newest(subject: &Subject) -> Side {
    let partner = &subject.partner;
    let b1 = clock::company_time("b1", text(partner, "UpdateDate"), text(partner, "UpdateTime")).unwrap_or(0);
    if b1 >= salesforce::moment(&subject.account["LastModifiedDate"]) { Side::B1 } else { Side::Salesforce }
}

/// The parameter of what is said of a partner.
fn of(card_code: &str) -> [(&'static str, Told); 1] {
    [("customer", card_code.into())]
}

/// Remembers that nobody needs to be asked again.
fn put_gone(subject: &Subject) {
    let mut base = subject.base.clone().unwrap_or_default();
    base.insert("gone".into(), true.into());
    if let Some(link) = links::find("account", Side::B1, subject.card_code()) {
        links::put(&Link { base: Value::Object(base).to_string(), ..link });
    }
}

/// The partner was deleted in B1: the account is marked, or a human is asked.
fn partner_gone(settings: &Settings, subject: Subject, outcomes: &mut Outcomes) -> Option<Work> {
    let what = "the partner of this account was deleted in B1";
    if settings.review_deleted {
        let asked = say(
            "accounts.partner_deleted",
            "the partner of this account was deleted in B1: delete the account in Salesforce, or keep it, and answer with ignore",
            [],
        );
        outcomes.hold(&subject.events, asked);
        return None;
    }
    outcomes.note_all(&subject.events, what);
    let mut base = subject.base.clone().unwrap_or_default();
    let mut plan = Plan::default();
    for (name, value) in [("Tandem_Partner_Type__c", json!("deleted")), ("Tandem_Blocked__c", json!(true))] {
        if base.get(name) != Some(&value) {
            plan.to_salesforce.insert(name.into(), value.clone());
        }
        base.insert(name.into(), value);
    }
    plan.base = base;
    let link = links::find("account", Side::Salesforce, subject.account_id());
    Some(Work {
        card_code: link.map(|link| link.b1_id).unwrap_or_default(),
        account_id: subject.account_id().to_owned(),
        made_in_b1: false,
        made_in_salesforce: false,
        failed: false,
        refused: Vec::new(),
        plan,
        persons: Vec::new(),
        subject,
    })
}

fn to_b1(batch: &Batch, settings: &Settings, work: &mut [Work], outcomes: &mut Outcomes) {
    let mut places = Vec::new();
    let mut requests = Vec::new();
    for (place, w) in work.iter_mut().enumerate() {
        let rows: Vec<Value> = w
            .persons
            .iter()
            .filter(|person| !person.row.is_empty())
            .map(|person| Value::Object(person.row.clone()))
            .collect();
        let mut body = fields::partner_body(&w.plan.to_b1, &w.subject.partner);
        if !rows.is_empty() {
            body.insert("ContactEmployees".into(), Value::Array(rows));
        }
        let request = if w.made_in_b1 {
            match create(batch, settings, w, body) {
                Ok(request) => request,
                Err(why) => {
                    w.failed = true;
                    outcomes.hold(&w.subject.events, why);
                    continue;
                }
            }
        } else if body.is_empty() {
            continue;
        } else {
            let path = format!("/BusinessPartners({})", segment_of_key(&w.card_code));
            request("b1", Method::Patch, path, Some(&Value::Object(body)), &w.card_code)
        };
        places.push(place);
        requests.push(request);
    }
    if requests.is_empty() {
        return;
    }
    let made: Vec<bool> = places.iter().map(|place| work[*place].made_in_b1).collect();
    let sent = refused::send_all(&requests, |at, property| left_out::may_of_b1(made[at], property));
    for (place, Sent { answer, left_out }) in places.into_iter().zip(sent) {
        let w = &mut work[place];
        if let Err(why) = answered(settings, w, answer, outcomes) {
            w.failed = true;
            outcomes.fail(
                &w.subject.events,
                &why,
                say("accounts.writing_partner", "writing the partner {customer}", of(&w.card_code)),
            );
        } else {
            let old = w.old();
            left_out::in_b1(&mut w.plan, &old, &mut w.persons, &left_out);
            w.refused.extend(Refused::of(
                say("accounts.the_partner", "the partner {customer}", of(&w.card_code)),
                Side::Salesforce,
                left_out,
            ));
        }
    }
}

fn answered(
    settings: &Settings,
    w: &mut Work,
    answer: Result<Response, Error>,
    outcomes: &mut Outcomes,
) -> Result<(), Error> {
    let events = w.subject.events.clone();
    let made = match answer {
        Ok(_) if !w.made_in_b1 => {
            outcomes.note_all(&events, &format!("partner {} changed", w.card_code));
            return Ok(());
        }
        Ok(response) if response.via == Via::Sent => body_of(&response),
        // Made in an earlier try, of what the account was then: it is found by its account's id, and merged like any other.
        Ok(_) => {
            made_before(w, outcomes);
            return Ok(());
        }
        // The ledger has its row: the partner was made before. Or somebody else has the code.
        Err(Error::Remote(remote)) if w.made_in_b1 && remote.code == "-2035" => {
            let own = request("b1", Method::Get, by_salesforce_id(w.subject.account_id()), None, "");
            let found = b1::rows(http::send(&own))?;
            match found.as_slice() {
                [] => return Err(Error::Remote(remote)),
                [_] => made_before(w, outcomes),
                many => {
                    w.failed = true;
                    let codes: Vec<String> = many.iter().map(|row| text(row, "CardCode").to_owned()).collect();
                    let reason = say(
                        "accounts.several_made",
                        "B1 has several partners for {account}: {customers}; write the CardCode of the right one into B1 Card Code",
                        [("account", text(&w.subject.account, "Name").into()), ("customers", codes.into())],
                    );
                    outcomes.hold(&events, reason);
                }
            }
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    w.card_code = text(&made, "CardCode").to_owned();
    outcomes.note_all(&events, &format!("partner {} made", w.card_code));
    let carried = settings.keys.carried(&w.card_code);
    if w.subject.account["Tandem_Card_Code__c"] != carried.as_str() {
        w.plan.to_salesforce.insert("Tandem_Card_Code__c".into(), carried.into());
    }
    Ok(())
}

fn made_before(w: &mut Work, outcomes: &mut Outcomes) {
    w.failed = true;
    for place in &w.subject.events {
        outcomes.decide(*place, tandem_sdk::retry(100, "the partner was there already: taking it over"));
    }
}

fn by_salesforce_id(id: &str) -> String {
    let filter = b1::encode(&format!("U_SF_Id eq {}", b1::quote(id)));
    format!("/BusinessPartners?$filter={filter}&$select=CardCode")
}

/// A key in a path: quoted and escaped.
fn segment_of_key(code: &str) -> String {
    format!("'{}'", segment(&code.replace('\'', "''")))
}

fn create(batch: &Batch, settings: &Settings, w: &Work, mut body: Map<String, Value>) -> Result<Request, Said> {
    let account = &w.subject.account;
    let mapped = mapping::apply("new_partner", &account.to_string()).map_err(|e| {
        let with = [("field", e.field.into()), ("why", e.message.into())];
        say("accounts.mapping_new_partner", "the mapping [new_partner] {field}: {why}", with)
    })?;
    body.extend(from_json(&mapped).as_object().cloned().unwrap_or_default());
    match settings.series {
        Some(series) => {
            body.insert("Series".into(), series.into());
        }
        None if body.get("CardCode").is_none_or(Value::is_null) => {
            return Err(say(
                "accounts.no_card_code",
                "{account} needs a CardCode in B1: set `series` to a numbering series of business partners, or give CardCode in the mapping [new_partner]",
                [("account", text(account, "Name").into())],
            ));
        }
        None => {}
    }
    body.entry("CardType").or_insert_with(|| settings.new_type.as_str().into());
    body.insert("U_SF_Id".into(), account["Id"].clone());
    if settings.multi_currency && body.get("Currency").is_none() {
        // All currencies: the account's opportunities may have others than its own.
        body.insert("Currency".into(), "##".into());
    }
    let id = w.subject.account_id();
    let mut request = request("b1", Method::Post, "/BusinessPartners", Some(&Value::Object(body)), id);
    let code = format!("{}:{id}:partner", batch.flow);
    request.atomic_with.push(Part {
        method: Method::Post,
        path: "/U_TANDEM".into(),
        body: Some(json!({ "Code": code, "Name": code }).to_string()),
    });
    request.probe = Some(Probe { path: by_salesforce_id(id), found: "/value/0".into() });
    Ok(request)
}

/// Learns the codes of employees that were made.
fn learn(work: &mut [Work], outcomes: &mut Outcomes) {
    let new = |w: &&mut Work| !w.failed && w.persons.iter().any(|person| person.code.is_none());
    let codes: Vec<String> = work.iter_mut().filter(new).map(|w| w.card_code.clone()).collect();
    if codes.is_empty() {
        return;
    }
    match gather::read_partners(&codes) {
        Ok(partners) => {
            for w in work.iter_mut() {
                if let Some(partner) = partners.get(&w.card_code) {
                    contacts::learn_codes(&mut w.persons, partner);
                }
            }
        }
        Err(error) => {
            for w in work.iter_mut().filter(|w| codes.contains(&w.card_code)) {
                w.failed = true;
                outcomes.fail(
                    &w.subject.events,
                    &error,
                    say("accounts.reading_employees", "reading the contact employees that were made", []),
                );
            }
        }
    }
}

fn to_accounts(settings: &Settings, work: &mut [Work], outcomes: &mut Outcomes) {
    let mut places = Vec::new();
    let mut requests = Vec::new();
    for (place, w) in work.iter().enumerate().filter(|(_, w)| !w.failed) {
        let mut fields = w.plan.to_salesforce.clone();
        let path = if w.made_in_salesforce {
            fields.remove("Tandem_Card_Code__c");
            format!("/sobjects/Account/Tandem_Card_Code__c/{}", segment(&settings.keys.carried(&w.card_code)))
        } else if fields.is_empty() {
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
    if requests.is_empty() {
        return;
    }
    let sent = refused::send_all(&requests, |_, field| left_out::may_of_salesforce(field));
    for (place, Sent { answer, left_out }) in places.into_iter().zip(sent) {
        let w = &mut work[place];
        match answer {
            Ok(response) => {
                let old = w.old();
                left_out::in_salesforce(&mut w.plan.base, &old, &left_out);
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

fn to_contacts(settings: &Settings, work: &mut [Work], outcomes: &mut Outcomes) {
    let mut places = Vec::new();
    let mut requests = Vec::new();
    for (place, w) in work.iter().enumerate().filter(|(_, w)| !w.failed) {
        for (own, person) in w.persons.iter().enumerate() {
            let Some(code) = &person.code else { continue };
            let key = contacts::key(&w.card_code, code);
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
    if requests.is_empty() {
        return;
    }
    let sent = refused::send_all(&requests, |_, field| left_out::may_of_salesforce(field));
    for ((place, own), Sent { answer, left_out }) in places.into_iter().zip(sent) {
        let w = &mut work[place];
        let person = &mut w.persons[own];
        match answer {
            Ok(response) => {
                left_out::in_salesforce(&mut person.base, &person.old, &left_out);
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
                person.changed = false;
                let with = [("contact", person.name.as_str().into()), ("customer", w.card_code.as_str().into())];
                let what = say("accounts.writing_contact", "writing the contact {contact} of {customer}", with);
                let write = if person.id.is_none() { Write::NewContact } else { Write::Change };
                duplicates::fail(outcomes, &w.subject.events, &error, what, write, w.subject.choice.as_deref());
            }
        }
    }
}

/// Keeps the links, and tells other flows of a customer that has an account now.
fn keep(w: &Work) {
    if w.card_code.is_empty() || w.account_id.is_empty() {
        return;
    }
    let fresh = w.subject.base.is_none();
    let mut base = w.plan.base.clone();
    if let Some(code) = w.plan.to_salesforce.get("Tandem_Card_Code__c") {
        base.insert("Tandem_Card_Code__c".into(), code.clone());
    }
    if fresh || w.subject.base.as_ref() != Some(&base) {
        links::put(&Link {
            kind: "account".into(),
            b1_id: w.card_code.clone(),
            salesforce_id: w.account_id.clone(),
            base: Value::Object(base).to_string(),
        });
    }
    for person in w.persons.iter().filter(|person| person.changed) {
        contacts::put_link(&w.card_code, person);
    }
    if fresh {
        let emission = events::Emission {
            topic: "account.linked".into(),
            key: w.card_code.clone(),
            dedup: format!("{}:{}", w.card_code, w.account_id),
            payload: json!({ "CardCode": w.card_code }).to_string(),
        };
        let _ = events::emit(&emission);
    }
}
