//! A change told by Salesforce, however it was told: platform event, webhook, or found by query.

use serde_json::{Value, json};

use super::Route;
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
    /// 18-character id; the ordering key.
    pub record_id: String,
    /// Identifies the telling, not the record: a later change of the same record has another.
    pub dedup: String,
    /// 32 hex digits.
    pub trace: String,
    /// The record of `Tandem_Outbox__c` it was told again from.
    pub outbox: Option<String>,
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
    if !is_salesforce_id(record_id) {
        return Err(format!("Record_Id__c = {record_id:?} is not a Salesforce id"));
    }
    Ok(Change {
        object: text("Object__c")?.to_owned(),
        record_id: record_id.to_owned(),
        dedup: dedup.to_owned(),
        trace: trace.to_owned(),
        outbox: payload["Outbox_Id__c"].as_str().filter(|id| is_salesforce_id(id)).map(str::to_owned),
        payload: payload.clone(),
    })
}

fn is_salesforce_id(text: &str) -> bool {
    matches!(text.len(), 15 | 18) && text.chars().all(|c| c.is_ascii_alphanumeric())
}

/// One event for each flow that takes it.
pub fn route(routes: &[Route], connection: &str, change: &Change) -> Vec<NewEvent> {
    let topic = format!("salesforce.{}", change.object);
    let payload = change.payload.to_string();
    routes
        .iter()
        .filter(|route| route.takes(connection, &topic))
        .map(|route| NewEvent {
            kind: topic.clone(),
            flow: route.flow.clone(),
            topic: topic.clone(),
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
