//! What Salesforce's refusals mean.

use serde_json::Value;

use crate::connections::{CallError, transport::Raw};

/// How a refusal is to be treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Sign in again and repeat.
    Session,
    /// Daily or concurrent limit.
    Limit,
    /// No word from the org itself: down, or a redirect to somewhere else.
    Unavailable,
    /// The org has decided.
    Refused,
}

/// Several records match an external id: the one status below 400 by which the org refuses.
pub const SEVERAL_MATCH: u16 = 300;

/// Reads a response that is not 2xx.
pub fn read(raw: &Raw) -> (Class, CallError) {
    if let Some(message) = raw.astray().filter(|_| raw.status != SEVERAL_MATCH) {
        return (Class::Unavailable, CallError::Remote { status: raw.status, code: String::new(), message });
    }
    let body: Value = serde_json::from_str(&raw.body).unwrap_or_default();
    let first = body.get(0).unwrap_or(&body);
    let code = first["errorCode"].as_str().or_else(|| first["error"].as_str()).unwrap_or_default().to_owned();
    let mut message = first["message"].as_str().unwrap_or_default().to_owned();
    let class = match (raw.status, code.as_str()) {
        (401, _) | (_, "INVALID_SESSION_ID") => Class::Session,
        (_, "REQUEST_LIMIT_EXCEEDED") | (429, _) => Class::Limit,
        (500.., _) => Class::Unavailable,
        _ => Class::Refused,
    };
    if raw.status == SEVERAL_MATCH {
        message = "several records match this external id".into();
    } else if let Some(like) = duplicates(first) {
        message = format!("{message} (like {like})");
    } else if message.is_empty() {
        message = format!("Salesforce answered {} without an explanation", raw.status);
    }
    (class, CallError::Remote { status: raw.status, code, message })
}

/// Ids of the records that a duplicate rule names in its `duplicateResult`, so that a person can choose one.
fn duplicates(error: &Value) -> Option<String> {
    let results = error["duplicateResult"]["matchResults"].as_array()?;
    let records = results.iter().filter_map(|result| result["matchRecords"].as_array()).flatten();
    let ids: Vec<&str> = records.filter_map(|one| one["record"]["Id"].as_str()).collect();
    (!ids.is_empty()).then(|| ids.join(", "))
}

/// A record that another transaction holds, or a system that is busy for a moment: nothing was changed, try again.
pub fn is_passing(code: &str) -> bool {
    matches!(code, "UNABLE_TO_LOCK_ROW" | "SERVER_UNAVAILABLE")
}
