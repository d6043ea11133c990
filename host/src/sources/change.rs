//! A change told by Salesforce, however it was told: platform event, webhook, or found by query.

use serde_json::{Value, json};

use super::Route;
use crate::store::{NewEvent, Question};

/// Payloads above this are not stored whole.
pub const MOST_PAYLOAD: usize = 1 << 20;

/// One change of one record.
#[derive(Clone, Debug)]
pub struct Change {
    /// sObject type, such as `Opportunity`.
    pub object: String,
    /// 18-character id; the ordering key.
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
    let well_formed = matches!(record_id.len(), 15 | 18) && record_id.chars().all(|c| c.is_ascii_alphanumeric());
    if !well_formed {
        return Err(format!("Record_Id__c = {record_id:?} is not a Salesforce id"));
    }
    Ok(Change {
        object: text("Object__c")?.to_owned(),
        record_id: record_id.to_owned(),
        dedup: dedup.to_owned(),
        trace: trace.to_owned(),
        payload: payload.clone(),
    })
}

/// One event for each flow that takes it.
pub fn route(routes: &[Route], connection: &str, change: &Change) -> Vec<NewEvent> {
    let topic = format!("salesforce.{}", change.object);
    let payload = change.payload.to_string();
    routes
        .iter()
        .filter(|route| route.takes(connection, &topic))
        .map(|route| NewEvent {
            flow: route.flow.clone(),
            topic: topic.clone(),
            key: change.record_id.clone(),
            dedup: change.dedup.clone(),
            payload: payload.clone(),
            trace: change.trace.clone(),
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
            flow: route.flow.clone(),
            topic: "salesforce.unreadable".into(),
            key: dedup.to_owned(),
            dedup: dedup.to_owned(),
            payload: json!({ "beginning": shown, "bytes": raw.len() }).to_string(),
            trace: trace.to_owned(),
            held: Some(Question { reason: why.to_owned(), choices: vec!["ignore".into()], detail: String::new() }),
        })
        .collect()
}
