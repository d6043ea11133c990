//! Where a record is read, as the journal tells: by the calls about it, by the section of a mapping that is between its kind and the other's, by what
//! was told of it.

use serde_json::{Map, Value};

use super::fields::Between;
use super::same::is_plain;
use crate::connections::{Place, reads};
use crate::engine::explain::{Outcome, Told};
use crate::sources::b1::WATCHES;
use crate::store::Event;

/// A connection: its name and kind.
pub type Bound<'a> = (&'a str, &'static str);

/// One request of the journal, with what it said of which records.
pub struct Step<'a> {
    /// The flow that made it.
    pub flow: &'a str,
    /// The connection's name.
    pub connection: &'a str,
    /// What the plugin said it is about.
    pub subject: &'a str,
    /// The call itself, then what was committed with it, the last first.
    pub said: Vec<Said>,
    /// What it wrote is not there: it was refused.
    pub refused: bool,
    /// Whether it wrote is not known.
    pub unknown: bool,
}

/// What a request said of a record.
pub struct Said {
    /// The record, where it is told.
    pub place: Option<Place>,
    /// Values of its own fields; none of a read.
    pub fields: Map<String, Value>,
}

/// The calls of a journal to connections that are known.
pub fn steps<'a>(calls: &'a [Told], bound: impl Fn(&str, &str) -> Option<Bound<'a>>) -> Vec<Step<'a>> {
    calls.iter().filter(|own| own.entry.kind == "http").filter_map(|own| step(own, &bound)).collect()
}

fn step<'a>(own: &'a Told, bound: impl Fn(&str, &str) -> Option<Bound<'a>>) -> Option<Step<'a>> {
    let request: Value = serde_json::from_str(&own.entry.request).ok()?;
    let (connection, kind) = bound(&own.flow, request["slot"].as_str()?)?;
    let outcome = Outcome::of(&own.entry);
    if matches!(outcome, Outcome::Kept(_)) {
        return None;
    }
    let parts = request["atomic_with"].as_array().map(Vec::as_slice).unwrap_or_default();
    let said = std::iter::once((&request, outcome.answer())).chain(parts.iter().rev().map(|part| (part, None)));
    let said = said.filter_map(|(part, answer)| {
        let (method, path) = (part["method"].as_str()?, part["path"].as_str()?);
        let body = part["body"].as_str().filter(|_| !reads(method, path));
        let body: Option<Value> = body.and_then(|text| serde_json::from_str(text).ok());
        let fields = match body {
            Some(Value::Object(fields)) => fields.into_iter().filter(|(_, value)| is_plain(value)).collect(),
            _ => Map::new(),
        };
        Some(Said { place: Place::of_call(kind, method, path, answer), fields })
    });
    Some(Step {
        flow: &own.flow,
        connection,
        subject: &own.entry.subject,
        said: said.collect(),
        refused: outcome.is_refused(),
        unknown: !(outcome.is_refused() || outcome.answer().is_some() && own.kept.is_whole()),
    })
}

/// A record that is to be read.
#[derive(Clone, Copy)]
pub struct Sought<'a> {
    /// Its connection.
    pub on: Bound<'a>,
    /// Its key or id.
    pub id: &'a str,
    /// The id of the one it is linked with, empty where there is none.
    pub other: &'a str,
}

/// By the calls about it: those first that are about the other one, whose id is no other record's.
pub fn by_calls(sought: Sought<'_>, steps: &[&Step<'_>]) -> Option<Place> {
    let of = |subject: &str| {
        let about = steps.iter().filter(|step| step.connection == sought.on.0 && step.subject == subject);
        let mut places = about.flat_map(|step| &step.said).filter_map(|said| said.place.as_ref());
        places.find(|place| place.id == sought.id).cloned()
    };
    of(sought.other).or_else(|| of(sought.id))
}

/// By what a mapping keeps in step with the other one: entity set and sObject type.
pub fn by_sections(sought: Sought<'_>, other: &Place, sections: &[Between]) -> Option<Place> {
    match sought.on.1 {
        "b1" => {
            let own = sections.iter().find(|own| own.on.0 == sought.on.0 && own.of.1 == other.object)?;
            Some(Place::b1(&own.of.0, sought.id))
        }
        _ => {
            let own = sections.iter().find(|own| own.on.1 == sought.on.0 && own.of.0 == other.object)?;
            Place::salesforce(&own.of.1, sought.id)
        }
    }
}

/// By what the sources told of it.
pub fn by_events<'a>(sought: Sought<'_>, events: impl IntoIterator<Item = &'a Event>) -> Option<Place> {
    events.into_iter().filter(|event| event.key == sought.id).find_map(|event| {
        // `Orders(7)`: documents are told so.
        if let Some(place) = Place::in_b1(&format!("/{}", sought.id)).filter(|_| sought.on.1 == "b1") {
            return Some(place);
        }
        let topic = event.topic.strip_prefix(sought.on.1)?.strip_prefix('.')?;
        match sought.on.1 {
            "b1" => {
                let watch = WATCHES.iter().find(|watch| watch.topic == topic && watch.keys.len() == 1)?;
                Some(Place::b1(watch.set, &event.key))
            }
            _ => Place::salesforce(topic, &event.key),
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::connections::CallError;
    use crate::store::{CallState, EventId, EventState, JournalEntry, Kept};

    const ID: &str = "0065g00000ABCdeAAG";
    const ERP: Bound<'static> = ("erp", "b1");
    const CRM: Bound<'static> = ("crm", "salesforce");

    fn told(subject: &str, request: Value, response: Value) -> Told {
        let state = if response.is_null() { CallState::Intended } else { CallState::Done };
        let entry = JournalEntry {
            seq: 0,
            item: 0,
            kind: "http".into(),
            subject: subject.into(),
            request: request.to_string(),
            response: if response.is_null() { String::new() } else { response.to_string() },
            state,
            at: 0,
            took: None,
        };
        Told { flow: "orders".into(), entry, kept: Kept::Whole }
    }

    fn call(slot: &str, method: &str, path: &str, body: Value) -> Value {
        json!({ "slot": slot, "method": method, "path": path, "body": body.to_string() })
    }

    fn sent(status: u16, body: &Value) -> Value {
        json!({ "sent": { "status": status, "body": if body.is_null() { String::new() } else { body.to_string() } } })
    }

    fn bound<'a>(_: &str, slot: &str) -> Option<Bound<'a>> {
        [("b1", ERP), ("salesforce", CRM)].into_iter().find(|(name, _)| *name == slot).map(|(_, bound)| bound)
    }

    fn event(key: &str, topic: &str) -> Event {
        Event {
            id: EventId(1),
            flow: "orders".into(),
            topic: topic.into(),
            key: key.into(),
            payload: "{}".into(),
            trace: String::new(),
            state: EventState::Done,
            due_at: 0,
            attempts: 1,
            created_at: 0,
            finished_at: None,
            reason: None,
            choices: Vec::new(),
            detail: String::new(),
            resolution: None,
            kept: Kept::Whole,
        }
    }

    fn found(sought: Sought<'_>, calls: &[Told]) -> Option<Place> {
        let all = steps(calls, bound);
        by_calls(sought, &all.iter().collect::<Vec<_>>())
    }

    fn order() -> Sought<'static> {
        Sought { on: ERP, id: "7", other: ID }
    }

    #[test]
    fn a_record_is_found_by_what_made_it_changed_it_or_read_it() {
        let mut made = call("b1", "POST", "/Orders", json!({ "NumAtCard": "PO 1" }));
        made["atomic_with"] = json!([{ "method": "POST", "path": "/U_TANDEM", "body": "{\"Code\":\"7\"}" }]);
        let made = told(ID, made, sent(201, &json!({ "DocEntry": 7, "DocNum": 1042 })));
        let changed = told(ID, call("b1", "PATCH", "/Orders(7)", json!({ "Comments": "x" })), sent(204, &json!(null)));
        let read = told("7", call("b1", "GET", "/Orders(7)?$select=DocNum", json!(null)), sent(200, &json!({})));
        for calls in [[made], [changed], [read]] {
            let path = found(order(), &calls).map(|place| place.path);
            assert_eq!(path.as_deref(), Some("/Orders(7)"));
        }
        let told_back = told(
            ID,
            call("salesforce", "PATCH", &format!("/sobjects/Opportunity/{ID}"), json!({})),
            sent(204, &json!(null)),
        );
        let opportunity = Sought { on: CRM, id: ID, other: "7" };
        let object = found(opportunity, &[told_back]).map(|place| place.object);
        assert_eq!(object.as_deref(), Some("Opportunity"));
    }

    #[test]
    fn the_record_of_another_kind_or_company_with_the_same_number_is_not_taken_for_it() {
        let write = |path: &str| call("b1", "PATCH", path, json!({}));
        let calls = [
            told("7", write("/Invoices(7)"), sent(204, &json!(null))),
            told(ID, write("/Orders(8)"), sent(204, &json!(null))),
            told(ID, write("/Orders(7)"), sent(204, &json!(null))),
        ];
        let first = found(order(), &calls).map(|place| place.object);
        assert_eq!(first.as_deref(), Some("Orders"), "what is about the opportunity comes first");
        let elsewhere = Sought { on: ("other", "b1"), ..order() };
        assert_eq!(found(elsewhere, &calls), None);
        let denied = told(ID, write("/Orders(7)"), json!({ "denied": "not granted" }));
        assert_eq!(found(order(), &[denied]), None);
    }

    #[test]
    fn what_no_call_tells_a_section_or_an_event_does() {
        let (on, of) = (("erp".to_owned(), "crm".to_owned()), ("Orders".to_owned(), "Opportunity".to_owned()));
        let sections = [Between { on, of }];
        let opportunity = Place::salesforce("Opportunity", ID).unwrap();
        assert_eq!(
            by_sections(order(), &opportunity, &sections).map(|place| place.path).as_deref(),
            Some("/Orders(7)")
        );
        let account = Place::salesforce("Account", ID).unwrap();
        assert_eq!(by_sections(order(), &account, &sections), None);
        let elsewhere = Sought { on: ("other", "b1"), ..order() };
        assert_eq!(by_sections(elsewhere, &opportunity, &sections), None, "another company's");
        let other_way = Sought { on: CRM, id: ID, other: "7" };
        let found = by_sections(other_way, &Place::b1("Orders", "7"), &sections);
        assert_eq!(found.map(|place| place.object).as_deref(), Some("Opportunity"));

        let item = Sought { on: ERP, id: "A1", other: "" };
        let told = [event("A2", "b1.Warehouses"), event("A1", "orders.wanted"), event("A1", "b1.ItemStock")];
        assert_eq!(by_events(item, &told).map(|place| place.path).as_deref(), Some("/Items('A1')"));
        let found = by_events(Sought { on: CRM, id: ID, other: "" }, &[event(ID, "salesforce.Opportunity")]);
        assert_eq!(found.map(|place| place.object).as_deref(), Some("Opportunity"));
        let invoice = Sought { on: ERP, id: "Invoices(7)", other: "" };
        let told = [event("Invoices(7)", "b1.Invoices")];
        assert_eq!(by_events(invoice, &told).map(|place| place.path).as_deref(), Some("/Invoices(7)"));
        assert_eq!(by_events(invoice, &[]), None, "nobody told of it here");
    }

    #[test]
    fn what_was_refused_or_perhaps_written_is_told_apart_from_what_was_written() {
        let write = || call("b1", "PATCH", "/Orders(7)", json!({ "Comments": "x", "DocumentLines": [{}] }));
        let failed = |error: CallError| json!({ "failed": error });
        let refusal = CallError::Remote { status: 400, code: "-1".into(), message: "no".into() };
        let calls = [
            told(ID, write(), sent(204, &json!(null))),
            told(ID, write(), failed(refusal)),
            told(ID, write(), failed(CallError::Ambiguous("lost".into()))),
            told(ID, write(), json!(null)),
        ];
        let steps = steps(&calls, bound);
        let known: Vec<_> = steps.iter().map(|step| (step.refused, step.unknown)).collect();
        assert_eq!(known, [(false, false), (true, false), (false, true), (false, true)]);
        assert_eq!(steps[0].said[0].fields.keys().collect::<Vec<_>>(), ["Comments"], "rows are records of their own");
    }
}
