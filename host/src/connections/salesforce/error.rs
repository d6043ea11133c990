//! What Salesforce's refusals mean.

use serde_json::Value;

use super::rights;
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
    /// The org's own word that it failed: down, or only over this very record.
    Broken,
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
    let (code, mut message) = told(body.as_array().map_or(std::slice::from_ref(&body), Vec::as_slice));
    let class = match (raw.status, code.as_str()) {
        (401, _) | (_, "INVALID_SESSION_ID") => Class::Session,
        (_, "REQUEST_LIMIT_EXCEEDED") | (429, _) => Class::Limit,
        (500.., "" | "SERVER_UNAVAILABLE") => Class::Unavailable,
        (500.., _) => Class::Broken,
        _ => Class::Refused,
    };
    if raw.status == SEVERAL_MATCH {
        message = "several records match this external id".into();
    } else if message.is_empty() {
        message = format!("Salesforce answered {} without an explanation", raw.status);
    }
    (class, CallError::Remote { status: raw.status, code, message })
}

/// Code of the first of a record's errors, and the words of all, with what they name beside: the records that it is like,
/// ` (like 001…, 001…)`, and the fields that are refused, ` [fields: Phone, Fax]`, where every error names some.
/// `plugins/sdk/src/refused.rs` reads the fields out again.
pub fn told(errors: &[Value]) -> (String, String) {
    let code = |error: &Value| {
        let own = ["errorCode", "statusCode", "error"].into_iter().find_map(|name| error[name].as_str());
        own.unwrap_or_default().to_owned()
    };
    let words = |error: &Value| {
        let own = rights::with_mend(&code(error), error["message"].as_str().unwrap_or_default());
        duplicates(error).map_or(own.clone(), |like| format!("{own} (like {like})"))
    };
    let mut message = String::new();
    for (place, error) in errors.iter().enumerate() {
        match place {
            0 => message.push_str(&words(error)),
            _ => message.push_str(&format!("; {} ({})", words(error), code(error))),
        }
    }
    if let Some(fields) = errors.iter().map(fields).collect::<Option<Vec<_>>>().map(|fields| fields.concat())
        && !fields.is_empty()
    {
        message.push_str(&format!(" [fields: {}]", fields.join(", ")));
    }
    (errors.first().map(code).unwrap_or_default(), message)
}

/// The fields that an error names; `None` when it concerns the whole record.
fn fields(error: &Value) -> Option<Vec<&str>> {
    let fields: Vec<&str> = error["fields"].as_array()?.iter().filter_map(Value::as_str).collect();
    (!fields.is_empty()).then_some(fields)
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_fields_that_are_refused_stand_beside_the_words() {
        let long = json!({ "errorCode": "STRING_TOO_LONG", "message": "too large", "fields": ["Phone"] });
        let rule = json!({ "statusCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "No fax", "fields": ["Fax"] });
        let whole =
            json!({ "statusCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "Not on Sundays", "fields": [] });
        let of = |errors: &[&Value]| told(&errors.iter().map(|error| (*error).clone()).collect::<Vec<_>>());
        assert_eq!(of(&[&long]), ("STRING_TOO_LONG".into(), "too large [fields: Phone]".into()));
        let both = "too large; No fax (FIELD_CUSTOM_VALIDATION_EXCEPTION) [fields: Phone, Fax]";
        assert_eq!(of(&[&long, &rule]).1, both);
        assert!(!of(&[&long, &whole]).1.contains("[fields"), "the record as a whole is refused");
        assert_eq!(of(&[]), (String::new(), String::new()));
    }

    #[test]
    fn the_records_that_a_duplicate_rule_names_stand_beside_the_words() {
        let records = json!([{ "matchRecords": [{ "record": { "Id": "0015g0000000004AAA" } }] }]);
        let error = json!({ "statusCode": "DUPLICATES_DETECTED", "message": "Use one of these records?", "fields": [],
            "duplicateResult": { "matchResults": records } });
        assert_eq!(told(&[error]).1, "Use one of these records? (like 0015g0000000004AAA)");
    }
}
