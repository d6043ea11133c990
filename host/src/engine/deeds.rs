//! What a run did or would do, as one list that can be compared: calls that change something, links, emitted events, what it stored, and what
//! became of each event.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::connections::reads;
use crate::sandbox::{Outcome, RunReport, was_denied};
use crate::store::{JournalEntry, LinkWrite, StorageWrite};

/// One effect, ready to compare.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
pub struct Effect {
    /// The record it is about.
    pub subject: String,
    /// `POST b1 /Orders`, `link order`, `event order.linked`
    pub call: String,
    /// The body's fields.
    pub body: Value,
}

/// One field that differs.
#[derive(Clone, Debug, Serialize, PartialEq)]
pub struct Difference {
    /// The record it is about.
    pub subject: String,
    /// See [`Effect::call`]; `outcome` for what became of an event.
    pub call: String,
    /// Path in the body; empty for an effect that only one of the two has.
    pub field: String,
    /// What it was; none for what was not, which is another thing than a null that was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What it would be; none for what would not be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// The calls among journal entries that change something, or would have: not those that the host denied.
pub fn effects_of(entries: &[JournalEntry]) -> Vec<Effect> {
    let sent = |entry: &&JournalEntry| entry.kind == "http" && !was_denied(&entry.response);
    entries.iter().filter(sent).filter_map(effect).collect()
}

fn effect(entry: &JournalEntry) -> Option<Effect> {
    let request: Value = serde_json::from_str(&entry.request).ok()?;
    let method = request["method"].as_str()?;
    let path = request["path"].as_str().unwrap_or_default();
    let parts = request["atomic_with"].as_array().filter(|parts| !parts.is_empty());
    if reads(method, path) && parts.is_none() {
        return None;
    }
    let parsed = |body: &Value| body.as_str().map(|text| serde_json::from_str(text).unwrap_or_else(|_| text.into()));
    let body = parsed(&request["body"]).unwrap_or_default();
    // What goes with the body stands beside its fields, under names that no field has.
    let mut beside = serde_json::Map::new();
    for header in request["headers"].as_array().into_iter().flatten() {
        let name = header[0].as_str().unwrap_or_default().to_ascii_lowercase();
        beside.insert(format!("(header {name})"), header[1].clone());
    }
    if let Some(parts) = parts {
        let with =
            |part: &Value| json!({ "method": part["method"], "path": part["path"], "body": parsed(&part["body"]) });
        beside.insert("(with it)".into(), parts.iter().map(with).collect());
    }
    let body = match body {
        body if beside.is_empty() => body,
        Value::Object(fields) => fields.into_iter().chain(beside).collect(),
        Value::Null => Value::Object(beside),
        other => Some(("(body)".to_owned(), other)).into_iter().chain(beside).collect(),
    };
    let slot = request["slot"].as_str().unwrap_or_default();
    Some(Effect { subject: entry.subject.clone(), call: format!("{method} {slot} {path}"), body })
}

/// All that a rehearsed run would leave behind.
pub fn deeds_of(report: &RunReport) -> Vec<Effect> {
    let json = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
    let mut deeds = effects_of(&report.captured);
    deeds.extend(report.links.iter().map(|write| match write {
        LinkWrite::Put(link) => Effect {
            subject: link.salesforce_id.clone(),
            call: format!("link {}", link.kind),
            body: json!({ "b1": link.b1_id, "salesforce": link.salesforce_id, "base": json(&link.base) }),
        },
        LinkWrite::Delete(_, kind, id) => {
            Effect { subject: id.clone(), call: format!("unlink {kind}"), body: Value::Null }
        }
    }));
    deeds.extend(report.emitted.iter().map(|event| Effect {
        subject: event.key.clone(),
        call: format!("event {} for {}", event.topic, event.flow),
        body: json(&event.payload),
    }));
    deeds.extend(report.storage.iter().map(|write| match write {
        StorageWrite::Set(key, value) => {
            Effect { subject: key.clone(), call: "store".into(), body: json!({ "value": json(value) }) }
        }
        StorageWrite::Delete(key) => Effect { subject: key.clone(), call: "forget".into(), body: Value::Null },
    }));
    deeds.extend(report.wakes.iter().map(|wake| Effect {
        subject: wake.key.clone(),
        call: "wake".into(),
        body: json!({ "at": wake.at, "payload": json(&wake.payload) }),
    }));
    deeds
}

/// Field by field what differs between two lists of effects. Those on one record by one call are compared in their order; where nothing else
/// differs of a record, so is the order of all that is done to it.
pub fn differences(before: &[Effect], after: &[Effect]) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut left: Vec<Option<&Effect>> = before.iter().map(Some).collect();
    for new in after {
        let same = |old: &Option<&Effect>| old.is_some_and(|old| old.call == new.call && old.subject == new.subject);
        match left.iter().position(same).and_then(|place| left[place].take()) {
            Some(old) => diff(new, "", Some(&old.body), Some(&new.body), &mut found),
            None => found.push(whole(new, None, Some(&new.body))),
        }
    }
    found.extend(left.into_iter().flatten().map(|old| whole(old, Some(&old.body), None)));
    let (was, is) = (calls_by_record(before), calls_by_record(after));
    for (subject, calls) in is {
        let told = found.iter().any(|difference| difference.subject == subject);
        match was.get(subject) {
            Some(before) if !told && *before != calls => found.push(Difference {
                subject: subject.to_owned(),
                call: "order of calls".into(),
                field: String::new(),
                before: Some(before.iter().copied().collect()),
                after: Some(calls.into_iter().collect()),
            }),
            _ => {}
        }
    }
    found
}

/// What is done to each record, one after the other.
fn calls_by_record(effects: &[Effect]) -> BTreeMap<&str, Vec<&str>> {
    let mut calls: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for effect in effects {
        calls.entry(&effect.subject).or_default().push(&effect.call);
    }
    calls
}

/// An effect that only one of the two has.
fn whole(effect: &Effect, before: Option<&Value>, after: Option<&Value>) -> Difference {
    Difference {
        subject: effect.subject.clone(),
        call: effect.call.clone(),
        field: String::new(),
        before: before.cloned(),
        after: after.cloned(),
    }
}

fn diff(effect: &Effect, path: &str, old: Option<&Value>, new: Option<&Value>, found: &mut Vec<Difference>) {
    match (old, new) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                diff(effect, &below, before.get(key), after.get(key), found);
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) if before.len() == after.len() => {
            for (index, (old, new)) in before.iter().zip(after).enumerate() {
                diff(effect, &format!("{path}[{index}]"), Some(old), Some(new), found);
            }
        }
        _ if old == new => {}
        _ => found.push(Difference {
            field: if path.is_empty() { "(body)".into() } else { path.to_owned() },
            ..whole(effect, old, new)
        }),
    }
}

/// What became of an event, in words.
pub fn words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done(what) => format!("done: {what}"),
        Outcome::Retry(after, why) => format!("retry after {after} ms: {why}"),
        Outcome::Wait(kind, side, id, deadline) => {
            format!("waits at most {deadline} ms for the {kind} link of {id} ({})", side.word())
        }
        Outcome::Review(question) => format!("review: {} [{}]", question.reason, question.choices.join(", ")),
        Outcome::Reject(why) => format!("rejected: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect(subject: &str, call: &str, body: Value) -> Effect {
        Effect { subject: subject.into(), call: call.into(), body }
    }

    #[test]
    fn a_difference_names_the_field_and_only_what_differs_is_one() {
        let before = [
            effect("006A", "POST b1 /Orders", json!({ "Comments": "a", "DocumentLines": [{ "Price": 1 }] })),
            effect("006A", "PATCH s /x", json!({ "n": 1 })),
            effect("006A", "PATCH s /x", json!({ "n": 2 })),
        ];
        assert!(differences(&before, &before).is_empty());
        let after = [
            effect("006A", "PATCH s /x", json!({ "n": 1 })),
            effect(
                "006A",
                "POST b1 /Orders",
                json!({ "Comments": "a", "DocumentLines": [{ "Price": 2 }], "U_R": "N" }),
            ),
            effect("006B", "PATCH s /x", json!({ "n": 2 })),
        ];
        assert_eq!(
            told(&before, &after),
            [
                of("006A", "DocumentLines[0].Price", Some(json!(1)), Some(json!(2))),
                of("006A", "U_R", None, Some(json!("N"))),
                of("006B", "", None, Some(json!({ "n": 2 }))),
                of("006A", "", Some(json!({ "n": 2 })), None),
            ]
        );
    }

    type Told = (String, String, Option<Value>, Option<Value>);

    fn told(before: &[Effect], after: &[Effect]) -> Vec<Told> {
        differences(before, after).into_iter().map(|d| (d.subject, d.field, d.before, d.after)).collect()
    }

    fn of(subject: &str, field: &str, before: Option<Value>, after: Option<Value>) -> Told {
        (subject.into(), field.into(), before, after)
    }

    #[test]
    fn a_null_that_is_written_is_no_field_that_is_left_alone() {
        let before = [effect("006A", "PATCH s /x", json!({ "a": 1 }))];
        let after = [effect("006A", "PATCH s /x", json!({ "a": 1, "b": null }))];
        assert_eq!(told(&before, &after), [of("006A", "b", None, Some(Value::Null))]);
        assert_eq!(serde_json::to_string(&differences(&before, &after)[0]).unwrap().matches("null").count(), 1);
    }

    #[test]
    fn what_is_done_to_a_record_in_another_order_is_a_difference() {
        let (make, cancel) =
            (effect("006A", "POST b1 /Orders", json!({})), effect("006A", "POST b1 /Orders(1)/Cancel", Value::Null));
        let other = effect("006B", "POST b1 /Orders", json!({}));
        let before = [make.clone(), cancel.clone(), other.clone()];
        let found = differences(&before, &[cancel.clone(), make.clone(), other.clone()]);
        assert_eq!((found.len(), found[0].call.as_str()), (1, "order of calls"), "{found:?}");
        assert!(differences(&before, &[other, make, cancel]).is_empty(), "records have nothing to do with each other");
    }

    #[test]
    fn headers_and_parts_belong_to_a_call_and_what_the_host_denied_is_none() {
        let entry = |request: Value, response: &str| JournalEntry {
            seq: 0,
            item: 0,
            kind: "http".into(),
            subject: "006A".into(),
            request: request.to_string(),
            response: response.into(),
            state: crate::store::CallState::Done,
            at: 0,
            took: None,
        };
        let call = |headers: Value, parts: Value| {
            let request = json!({ "slot": "b1", "method": "POST", "path": "/Orders(1)/Close", "headers": headers, "atomic_with": parts });
            effects_of(&[entry(request, "")])
        };
        let part = |method: &str| json!([{ "method": method, "path": "/U_T", "body": "{\"a\":1}" }]);
        let plain = call(json!([]), json!([]));
        assert_ne!(plain, call(json!([["B1S-ReplaceCollectionsOnPatch", "true"]]), json!([])));
        assert_ne!(plain, call(json!([]), part("POST")));
        assert_ne!(call(json!([]), part("PATCH")), call(json!([]), part("POST")));
        let request = json!({ "slot": "b1", "method": "POST", "path": "/Orders", "body": "{}" });
        let denied = [entry(request, r#"{"denied":"not granted"}"#)];
        assert!(effects_of(&denied).is_empty());
    }
}
