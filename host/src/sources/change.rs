//! A change told by Salesforce, however it was told: platform event, webhook, or found by query.

use serde_json::{Value, json};

use super::Route;
use crate::connections::salesforce::full_id;
use crate::store::{Haste, NewEvent, Question};

/// The object in which people answer what the host asks: its changes are the host's own business, no flow's.
pub const REVIEW: &str = "Tandem_Review__c";

/// Payloads above this are not stored whole.
pub const MOST_PAYLOAD: usize = 1 << 20;

/// One change of one record.
#[derive(Clone, Debug)]
pub struct Change {
    /// sObject type, such as `Opportunity`.
    pub object: String,
    /// In its 18 letters, however it was told; the ordering key.
    pub record_id: String,
    /// Identifies the telling, not the record: a later change of the same record has another.
    pub dedup: String,
    /// 32 hex digits.
    pub trace: String,
    /// The source's payload.
    pub payload: Value,
}

/// Reads the fields of `Tandem_Change__e`. The text of an error goes to review with the event.
pub fn read(payload: &Value, dedup: &str, trace: &str) -> Result<Change, String> {
    let text = |name: &str| {
        payload[name].as_str().filter(|text| !text.is_empty()).ok_or_else(|| {
            format!("the event has no {name}; it comes from a package of another version: install the one that goes with this tandem")
        })
    };
    let record_id = text("Record_Id__c")?;
    let record_id = full_id(record_id).ok_or_else(|| format!("Record_Id__c = {record_id:?} is not a Salesforce id"))?;
    let object = text("Object__c")?.trim().to_owned();
    let mut payload = payload.clone();
    payload["Record_Id__c"] = record_id.as_str().into();
    payload["Object__c"] = object.as_str().into();
    Ok(Change { object, record_id, dedup: dedup.to_owned(), trace: trace.to_owned(), payload })
}

impl Change {
    /// A person answered a question of the host: its own business, no flow's.
    pub fn is_answer(&self) -> bool {
        is_review(&self.object)
    }
}

/// Whether people answer in records of this object. A packaged object's own name carries the package's namespace.
pub fn is_review(object: &str) -> bool {
    object.get(object.len().saturating_sub(REVIEW.len())..).is_some_and(|own| own.eq_ignore_ascii_case(REVIEW))
}

/// One event for each flow that takes it.
pub fn route(routes: &[Route], connection: &str, change: &Change) -> Vec<NewEvent> {
    let topic = format!("salesforce.{}", change.object);
    let payload = change.payload.to_string();
    routes
        .iter()
        .filter_map(|route| Some((route, route.own_topic(connection, &topic)?)))
        .map(|(route, topic)| NewEvent {
            kind: topic.clone(),
            flow: route.flow.clone(),
            topic,
            key: change.record_id.clone(),
            dedup: change.dedup.clone(),
            payload: payload.clone(),
            trace: change.trace.clone(),
            haste: route.haste,
            held: None,
        })
        .collect()
}

/// An event nobody can read is not dropped: every flow of the connection gets it as a review item.
pub fn unreadable(routes: &[Route], connection: &str, dedup: &str, trace: &str, raw: &str, why: &str) -> Vec<NewEvent> {
    let shown: String = raw.chars().take(2_000).collect();
    routes
        .iter()
        .filter(|route| route.connections.iter().any(|bound| bound == connection))
        .map(|route| NewEvent {
            kind: String::new(),
            flow: route.flow.clone(),
            topic: "salesforce.unreadable".into(),
            key: dedup.to_owned(),
            dedup: dedup.to_owned(),
            payload: json!({ "beginning": shown, "bytes": raw.len() }).to_string(),
            trace: trace.to_owned(),
            haste: Haste::AtOnce,
            held: Some(Question { reason: why.to_owned(), choices: vec!["ignore".into()], detail: String::new() }),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(object: &str, record: &str) -> Vec<NewEvent> {
        let payload = json!({ "Object__c": object, "Record_Id__c": record });
        let flow = Route {
            flow: "orders".into(),
            connections: vec!["crm".into()],
            topics: Some(vec!["salesforce.Opportunity".into()]),
            haste: Haste::AtOnce,
        };
        route(&[flow], "crm", &read(&payload, "d", "t").unwrap())
    }

    #[test]
    fn an_id_of_15_letters_is_the_same_record_as_its_18() {
        assert_eq!(full_id("001D000000IRFma").as_deref(), Some("001D000000IRFmaIAH"));
        assert_eq!(full_id("001D000000IRFmaIAH").as_deref(), Some("001D000000IRFmaIAH"));
        for no_id in ["", "001D000000IRFm", "001D000000IRFmaI", "001D000000IRF-a", "001D000000IRFmä"] {
            assert_eq!(full_id(no_id), None, "{no_id}");
        }
        let event = told("Opportunity", "006D000000IRFma").remove(0);
        let payload: Value = serde_json::from_str(&event.payload).unwrap();
        assert_eq!((event.key.len(), payload["Record_Id__c"].as_str()), (18, Some(event.key.as_str())));
    }

    #[test]
    fn objects_are_named_as_salesforce_reads_names() {
        for name in ["Opportunity", "opportunity", "OPPORTUNITY", " Opportunity "] {
            let events = told(name, "006D000000IRFma");
            assert_eq!(events.first().map(|event| event.topic.as_str()), Some("salesforce.Opportunity"), "{name}");
        }
        assert!(told("Opportunities", "006D000000IRFma").is_empty());
    }
}
