//! Writes partners with their contact employees, and makes those that are missing.

use tandem_sdk::mirror::segment;
use tandem_sdk::refused::{self, Sent};
use tandem_sdk::{
    Batch, Error, Map, Method, Outcomes, Part, Probe, Request, Response, Said, Side, Told, Value, Via, b1, body_of,
    from_json, http, json, mapping, of_mapping, request, say, text,
};

use crate::describe::Settings;
use crate::left_out::{self, Refused};
use crate::write::Work;
use crate::{contacts, fields, gather};

/// Partners of which something is to be written, or that are to be made.
pub fn partners(batch: &Batch, settings: &Settings, work: &mut [Work], outcomes: &mut Outcomes) {
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
                    // What a person has chosen need not be chosen again.
                    let again = w.subject.choice.as_deref().unwrap_or("retry");
                    outcomes.ask(&w.subject.events, why, &[again, "ignore"], &Value::Null);
                    continue;
                }
            }
        } else if body.is_empty() {
            w.in_b1 = true;
            continue;
        } else {
            let path = format!("/BusinessPartners({})", segment_of_key(&w.card_code));
            request("b1", Method::Patch, path, Some(&Value::Object(body)), &w.card_code)
        };
        places.push(place);
        requests.push(request);
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
            w.in_b1 = true;
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
        of_mapping(e, |field, why| {
            let with = [("field", field), ("why", why)];
            say("accounts.mapping_new_partner", "the mapping [new_partner] {field}: {why}", with)
        })
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
    body.entry("CardType").or_insert_with(|| settings.new_partners.card_type().into());
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
pub fn learn(work: &mut [Work], outcomes: &mut Outcomes) {
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

/// The parameter of what is said of a partner.
pub fn of(card_code: &str) -> [(&'static str, Told); 1] {
    [("customer", card_code.into())]
}
