//! One refused field does not hold up its record: what a system names as refused is left out and asked about, and the rest is
//! written.

use crate::{Error, Map, Method, Outcomes, Request, Response, Said, Side, Value, Via, http, json, say};

/// Salesforce checks lengths and types first, then the org's rules, then what flows and triggers change: each may name
/// other fields of a record.
const ROUNDS: usize = 3;

/// Codes by which Salesforce refuses a value of a field and not the record. `REQUIRED_FIELD_MISSING` is none of them: what
/// is missing cannot be left out.
const CODES: [&str; 9] = [
    "STRING_TOO_LONG",
    "INVALID_EMAIL_ADDRESS",
    "FIELD_INTEGRITY_EXCEPTION",
    "FIELD_FILTER_VALIDATION_EXCEPTION",
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
    "INVALID_TYPE_ON_FIELD_IN_RECORD",
    "FIELD_CUSTOM_VALIDATION_EXCEPTION",
    "NUMBER_OUTSIDE_VALID_RANGE",
    "INVALID_FIELD_FOR_INSERT_UPDATE",
];

/// B1's codes by which it refuses a property: -1000 and, for what is no valid value of it, -10.
const B1_CODES: [&str; 2] = ["1000", "10"];

/// How the host puts a refusal's fields behind its words; `host/src/connections/salesforce/error.rs` writes it.
const MENTION: &str = " [fields: ";

/// By these a row of a B1 collection is known.
const ROW_KEYS: [&str; 5] = ["InternalCode", "RowNum", "Name", "AddressName", "AddressType"];

/// A value that a system did not take.
#[derive(Clone, Debug, PartialEq)]
pub struct LeftOut {
    /// The field's API name; in B1 a property, or `ContactEmployees.Position` of a collection's rows, or a whole `BPAddresses`.
    pub field: String,
    /// What was to be written.
    pub value: Value,
    /// The system's words, with its code.
    pub words: String,
}

/// What became of a write.
pub struct Sent {
    /// As from [`http::send_all`], of what was taken. Refused altogether: the first refusal.
    pub answer: Result<Response, Error>,
    /// What was not taken; empty when nothing was, or all.
    pub left_out: Vec<LeftOut>,
}

/// Sends all, if any; a write of which fields are refused is sent again without them. `may` says whether a field (of the request at
/// that place) can be left out: never a key, nor one part of what means something only as a whole.
pub fn send_all(requests: &[Request], may: impl Fn(usize, &str) -> bool) -> Vec<Sent> {
    send_by(http::send_all, requests, may)
}

fn send_by(
    send: impl Fn(&[Request]) -> Vec<Result<Response, Error>>,
    requests: &[Request],
    may: impl Fn(usize, &str) -> bool,
) -> Vec<Sent> {
    if requests.is_empty() {
        return Vec::new();
    }
    let mut sent: Vec<Sent> = send(requests).into_iter().map(|answer| Sent { answer, left_out: Vec::new() }).collect();
    // The request as it was sent last, and what the system said first.
    let mut open: Vec<(usize, Request, Error)> = Vec::new();
    for (place, own) in sent.iter().enumerate() {
        if let Err(error) = &own.answer {
            open.push((place, requests[place].clone(), error.clone()));
        }
    }
    for _ in 0..ROUNDS {
        let mut again: Vec<(usize, Request, Error)> = Vec::new();
        for (place, request, first) in open {
            let Err(error) = &sent[place].answer else { continue };
            match without(&request, error, |field| may(place, field)) {
                Some((request, left_out)) => {
                    sent[place].left_out.extend(left_out);
                    match request.body {
                        Some(_) => again.push((place, request, first)),
                        None => sent[place].answer = Ok(nothing_left()),
                    }
                }
                None => give_up(&mut sent[place], first),
            }
        }
        if again.is_empty() {
            return sent;
        }
        let answers = send(&again.iter().map(|(_, request, _)| request.clone()).collect::<Vec<_>>());
        for ((place, ..), answer) in again.iter().zip(answers) {
            sent[*place].answer = answer;
        }
        open = again;
    }
    for (place, _, first) in open {
        if sent[place].answer.is_err() {
            give_up(&mut sent[place], first);
        }
    }
    sent
}

/// All that was to be written is left out: the record is as it was.
fn nothing_left() -> Response {
    Response { status: 204, headers: Vec::new(), body: String::new(), via: Via::Sent }
}

/// Nothing was written: what passes is tried again, and what was refused is told as it was told first.
fn give_up(sent: &mut Sent, first: Error) {
    sent.left_out.clear();
    if sent.answer.as_ref().is_err_and(|error| crate::passing::pause(error).is_none()) {
        sent.answer = Err(first);
    }
}

/// The fields that Salesforce names in a refusal, where it refuses values of them.
pub fn fields(error: &Error) -> Vec<&str> {
    match error {
        Error::Remote(remote) if CODES.contains(&remote.code.as_str()) => {
            let named = remote.message.rsplit_once(MENTION).and_then(|(_, rest)| rest.strip_suffix(']'));
            named.into_iter().flat_map(|names| names.split(", ")).collect()
        }
        _ => Vec::new(),
    }
}

/// The system's words without the mention of fields, with its code.
pub fn words(error: &Error) -> String {
    let Error::Remote(remote) = error else { return crate::words(error) };
    let own = match remote.message.rsplit_once(MENTION) {
        Some((own, _)) if !fields(error).is_empty() => own,
        _ => remote.message.as_str(),
    };
    format!("{own} ({})", remote.code)
}

/// The request without what the refusal names, and without a body where nothing more is to be written of a record that is there; `None` when
/// it names nothing that can be left out, or nothing else would remain. What a message says in keys goes without saying so.
fn without(request: &Request, error: &Error, may: impl Fn(&str) -> bool) -> Option<(Request, Vec<LeftOut>)> {
    let Ok(Value::Object(mut body)) = serde_json::from_str(request.body.as_deref()?) else { return None };
    if Said::is_unknown(error) && Said::english_alone(&mut body) {
        return Some((Request { body: Some(Value::Object(body).to_string()), ..request.clone() }, Vec::new()));
    }
    let there = changes_what_is_there(request);
    let out = match error {
        Error::Remote(remote) if B1_CODES.contains(&remote.code.trim_start_matches('-')) => {
            take_property(&mut body, &remote.message, there, &may)
        }
        _ => take_fields(&mut body, &fields(error), there, &may),
    };
    if out.is_empty() || (body.is_empty() && !there) {
        return None;
    }
    let left = (!body.is_empty()).then(|| Value::Object(body).to_string());
    let words = words(error);
    let left_out = out.into_iter().map(|(field, value)| LeftOut { field, value, words: words.clone() }).collect();
    Some((Request { body: left, ..request.clone() }, left_out))
}

/// A record that has values already, of which a part would be mixed with new ones: `PATCH /sobjects/Account/001…`, while
/// `PATCH /sobjects/Account/Key__c/…` makes one.
fn changes_what_is_there(request: &Request) -> bool {
    request.method == Method::Patch && !(request.path.starts_with("/sobjects/") && request.path.split('/').count() > 4)
}

fn take_fields(
    body: &mut Map<String, Value>,
    named: &[&str],
    there: bool,
    may: &impl Fn(&str) -> bool,
) -> Vec<(String, Value)> {
    let with = |field: &str| {
        named.iter().any(|own| *own == field || (there && whole(own).is_some() && whole(own) == whole(field)))
    };
    let out: Vec<String> = body.keys().filter(|field| with(field)).cloned().collect();
    if !named.iter().any(|own| body.contains_key(*own)) || out.iter().any(|field| is_currency(field) || !may(field)) {
        return Vec::new();
    }
    out.into_iter().filter_map(|field| body.remove_entry(&field)).collect()
}

/// An amount without its currency is another amount.
fn is_currency(field: &str) -> bool {
    field.contains("Currency")
}

/// The compound that a field of Salesforce is a part of: a street of one address and the city of another are no address.
fn whole(field: &str) -> Option<&'static str> {
    const ADDRESSES: [&str; 6] = ["Billing", "Shipping", "Mailing", "Other", "PersonMailing", "PersonOther"];
    const PARTS: [&str; 7] = ["Street", "City", "PostalCode", "State", "Country", "StateCode", "CountryCode"];
    const NAME: [&str; 5] = ["Salutation", "FirstName", "MiddleName", "LastName", "Suffix"];
    if NAME.contains(&field) {
        return Some("Name");
    }
    ADDRESSES.into_iter().find(|address| field.strip_prefix(address).is_some_and(|part| PARTS.contains(&part)))
}

/// B1 names a property and its entity in quotes, in words of the company's language:
/// `Value too long in property 'Phone1' of 'BusinessPartner'`.
fn take_property(
    body: &mut Map<String, Value>,
    message: &str,
    there: bool,
    may: &impl Fn(&str) -> bool,
) -> Vec<(String, Value)> {
    let mut quoted = message.split('\'').skip(1).step_by(2);
    let (Some(property), entity) = (quoted.next(), quoted.next().unwrap_or_default()) else { return Vec::new() };
    let collection =
        body.iter().find(|(name, value)| value.is_array() && !entity.is_empty() && name.starts_with(entity));
    let Some(collection) = collection.map(|(name, _)| name.clone()) else {
        return match body.get(property) {
            Some(value) if !value.is_array() && may(property) => body.remove_entry(property).into_iter().collect(),
            _ => Vec::new(),
        };
    };
    if ROW_KEYS.contains(&property) || !may(&collection) {
        return Vec::new();
    }
    let rows = body.get_mut(&collection).and_then(Value::as_array_mut).into_iter().flatten();
    let out: Vec<Value> =
        rows.filter_map(Value::as_object_mut).filter_map(|row| row.remove(property)).filter(|v| !v.is_null()).collect();
    if out.is_empty() {
        return Vec::new();
    }
    if there && collection == "BPAddresses" {
        return body.remove_entry(&collection).into_iter().collect();
    }
    // A row that is there and of which only its key is left says nothing; B1 would stamp its record all the same, which would be looked
    // at for ever.
    if let Some(rows) = body.get_mut(&collection).and_then(Value::as_array_mut) {
        let is_there = |row: &Map<String, Value>| row.contains_key("InternalCode") || row.contains_key("RowNum");
        let says = |row: &Map<String, Value>| row.keys().any(|name| !ROW_KEYS.contains(&name.as_str()));
        rows.retain(|row| row.as_object().is_none_or(|row| says(row) || !is_there(row)));
        if rows.is_empty() {
            body.remove(&collection);
        }
    }
    let value = if let [one] = out.as_slice() { one.clone() } else { Value::Array(out) };
    vec![(format!("{collection}.{property}"), value)]
}

/// Asks about what was left out of a record (`the account of C00005`); `from` is the side that has the values.
pub fn ask(outcomes: &mut Outcomes, events: &[usize], record: impl Into<Said>, from: Side, left_out: &[LeftOut]) {
    if left_out.is_empty() {
        return;
    }
    let values: Map<String, Value> = left_out.iter().map(|own| (own.field.clone(), own.value.clone())).collect();
    let side = if from == Side::B1 { "b1" } else { "salesforce" };
    outcomes.ask_too(events, reason(record, left_out), &["retry", "ignore"], &json!({ side: values }));
}

/// `the account of C00005 is written without Phone +49 x1: A phone has digits (FIELD_CUSTOM_VALIDATION_EXCEPTION)`
pub fn reason(record: impl Into<Said>, left_out: &[LeftOut]) -> Said {
    /// Letters of a value that are told.
    const SHOWN: usize = 60;
    let shown = |own: &LeftOut| {
        let value = own.value.as_str().map_or_else(|| own.value.to_string(), str::to_owned);
        let cut = if value.chars().count() > SHOWN { "…" } else { "" };
        format!("{} {}{cut}", own.field, value.chars().take(SHOWN).collect::<String>())
    };
    let mut parts: Vec<(Vec<String>, &str)> = Vec::new();
    for own in left_out {
        match parts.last_mut() {
            Some((fields, words)) if *words == own.words => fields.push(shown(own)),
            _ => parts.push((vec![shown(own)], &own.words)),
        }
    }
    let record = record.into();
    Said::all(parts.into_iter().map(|(fields, words)| {
        let with = [("record", record.clone().into()), ("fields", fields.into()), ("why", words.into())];
        say("shared.left_out", "{record} is written without {fields}: {why}", with)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RemoteError, from_json, request};

    fn remote(code: &str, message: &str) -> Error {
        Error::Remote(RemoteError { status: 400, code: code.into(), message: message.into() })
    }

    fn write(path: &str, body: &str) -> Request {
        request("any", Method::Patch, path, Some(&from_json(body)), "")
    }

    fn rest(path: &str, body: &str, error: &Error) -> Option<(Value, Vec<String>)> {
        let (request, out) = without(&write(path, body), error, |field| field != "CardName")?;
        Some((from_json(&request.body.unwrap_or_default()), out.into_iter().map(|own| own.field).collect()))
    }

    #[test]
    fn fields_are_read_out_of_the_words() {
        let error = remote("STRING_TOO_LONG", "Phone: data value too large [fields: Phone, Fax]");
        assert_eq!(fields(&error), ["Phone", "Fax"]);
        assert_eq!(words(&error), "Phone: data value too large (STRING_TOO_LONG)");
        assert!(fields(&remote("REQUIRED_FIELD_MISSING", "Required [fields: Name]")).is_empty());
        assert!(fields(&remote("STRING_TOO_LONG", "too large")).is_empty());
    }

    #[test]
    fn what_is_named_is_left_out_and_nothing_is_mixed() {
        let error = remote("STRING_TOO_LONG", "x [fields: BillingCity]");
        let body = r#"{"Name":"N","BillingCity":"C","BillingStreet":"S"}"#;
        let (left, out) = rest("/sobjects/Account/001", body, &error).expect("a name remains");
        assert_eq!((left, out.len()), (json!({ "Name": "N" }), 2));
        let (left, _) = rest("/sobjects/Account/Key__c/1", body, &error).expect("nothing there to mix with");
        assert_eq!(left, json!({ "Name": "N", "BillingStreet": "S" }));
        let alone = r#"{"BillingCity":"C"}"#;
        let (left, out) = rest("/sobjects/Contact/003", alone, &error).expect("a contact that is there stays as it is");
        assert_eq!((left, out.len()), (Value::Null, 1), "nothing is sent");
        assert!(rest("/sobjects/Account/Key__c/1", alone, &error).is_none(), "nothing remains to make one of");
        assert!(rest("/sobjects/Account/001", r#"{"Name":"C","BillingStreet":"S"}"#, &error).is_none(), "not ours");
        let error = remote("FIELD_CUSTOM_VALIDATION_EXCEPTION", "x [fields: CurrencyIsoCode]");
        assert!(rest("/sobjects/A/001", r#"{"UnitPrice":7,"CurrencyIsoCode":"USD"}"#, &error).is_none());
    }

    #[test]
    fn a_property_of_b1_is_found_in_words_of_any_language() {
        let body = r#"{"CardName":"N","Phone1":"1","BPAddresses":[{"RowNum":1,"City":"C"}],"ContactEmployees":[{"InternalCode":7,"Phone1":"2"}]}"#;
        let named = |words: &str, path: &str| rest(path, body, &remote("-1000", words)).map(|(_, out)| out);
        let there = "/BusinessPartners('C1')";
        assert_eq!(named("Wert zu lang: 'Phone1', 'BusinessPartner'", there), Some(vec!["Phone1".into()]));
        assert_eq!(
            named("too long in property 'Phone1' of 'ContactEmployee'", there),
            Some(vec!["ContactEmployees.Phone1".into()])
        );
        assert_eq!(named("too long in property 'City' of 'BPAddress'", there), Some(vec!["BPAddresses".into()]));
        assert_eq!(named("too long in property 'CardName' of 'BusinessPartner'", there), None, "a key of ours");
        assert_eq!(named("Invalid session", there), None);
    }

    #[test]
    fn a_row_that_says_nothing_any_more_is_not_written_for_its_key() {
        let error = remote("-1000", "too long in property 'Phone1' of 'ContactEmployee'");
        let left = |body: &str| rest("/BusinessPartners('C1')", body, &error).map(|(left, _)| left);
        let one = r#"{"InternalCode":7,"Name":"P","Phone1":"2"}"#;
        assert_eq!(left(&format!(r#"{{"Phone1":"1","ContactEmployees":[{one}]}}"#)), Some(json!({ "Phone1": "1" })));
        assert_eq!(left(&format!(r#"{{"ContactEmployees":[{one}]}}"#)), Some(Value::Null), "nothing is sent");
        // One that is new is there for its name alone.
        let new = r#"{"ContactEmployees":[{"Name":"P","Phone1":"2"}]}"#;
        assert_eq!(left(new), Some(json!({ "ContactEmployees": [{ "Name": "P" }] })));
    }

    fn taken() -> Result<Response, Error> {
        Ok(Response { status: 204, headers: Vec::new(), body: String::new(), via: Via::Sent })
    }

    #[test]
    fn an_org_that_has_no_field_for_keys_gets_the_english() {
        let error = remote("INVALID_FIELD", "No such column 'Tandem_Sync_Said__c' on sobject of type Account");
        let body = r#"{"Tandem_Sync_Message__c":"asks","Tandem_Sync_Said__c":"{}"}"#;
        let left = rest("/sobjects/Account/001", body, &error);
        assert_eq!(left, Some((json!({ "Tandem_Sync_Message__c": "asks" }), Vec::new())));
        assert_eq!(rest("/sobjects/Account/001", r#"{"Name":"N"}"#, &error), None);
        let another =
            remote("INVALID_FIELD", "Tandem_Sync_Said__c,A__c ^ No such column 'A__c' on sobject of type Account");
        assert_eq!(rest("/sobjects/Account/001", body, &another), None);
    }

    #[test]
    fn a_partner_of_which_nothing_is_taken_holds_up_nothing() {
        for (body, entity, field) in [
            (r#"{"ContactEmployees":[{"InternalCode":7,"Phone1":"2"}]}"#, "ContactEmployee", "ContactEmployees.Phone1"),
            (r#"{"Phone1":"2"}"#, "BusinessPartner", "Phone1"),
            (r#"{"BPAddresses":[{"RowNum":1,"Phone1":"2"}]}"#, "BPAddress", "BPAddresses"),
        ] {
            let words = format!("'Phone1' of '{entity}'");
            let refuses =
                |requests: &[Request]| requests.iter().map(|_| Err(remote("-1000", &words))).collect::<Vec<_>>();
            let sent = send_by(refuses, &[write("/BusinessPartners('C1')", body)], |_, _| true).remove(0);
            assert!(sent.answer.is_ok());
            assert_eq!(sent.left_out[0].field, field);
        }
    }

    /// Refuses the fields in turn: too long first, then by a rule.
    fn org(requests: &[Request]) -> Vec<Result<Response, Error>> {
        let answer = |request: &Request| {
            let body = from_json(request.body.as_deref().unwrap_or_default());
            match (body["Phone"].is_string(), body["Fax"].is_string(), body["Name"].is_string()) {
                (true, ..) => Err(remote("STRING_TOO_LONG", "too long [fields: Phone]")),
                (_, true, _) => Err(remote("FIELD_CUSTOM_VALIDATION_EXCEPTION", "no fax [fields: Fax]")),
                (.., false) => Err(remote("REQUIRED_FIELD_MISSING", "Required [fields: Name]")),
                _ => taken(),
            }
        };
        requests.iter().map(answer).collect()
    }

    #[test]
    fn each_check_of_the_system_has_its_say() {
        let account = |body: &str| write("/sobjects/Account/001", body);
        let requests = [
            account(r#"{"Name":"N","Phone":"1","Fax":"2"}"#),
            account(r#"{"Name":"N"}"#),
            account(r#"{"Site":"S","Phone":"1"}"#),
        ];
        let sent = send_by(org, &requests, |_, _| true);
        let out = |place: usize| sent[place].left_out.iter().map(|own| own.field.as_str()).collect::<Vec<_>>();
        assert!(sent[0].answer.is_ok() && sent[1].answer.is_ok());
        assert_eq!((out(0), out(1)), (vec!["Phone", "Fax"], vec![]));
        let Err(error) = &sent[2].answer else { panic!("a name is missing") };
        assert!(out(2).is_empty() && words(error).contains("too long"), "told as it was told first");
        let told = reason("the account of C1", &sent[0].left_out);
        assert_eq!(
            told.english(),
            "the account of C1 is written without Phone 1: too long (STRING_TOO_LONG); the account of C1 is written without Fax 2: no fax (FIELD_CUSTOM_VALIDATION_EXCEPTION)"
        );
    }
}
