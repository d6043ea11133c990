//! What a run did or would do, as one list that can be compared: calls that change something, links, emitted events, what it stored, and what
//! became of each event.

use serde::Serialize;
use serde_json::{Value, json};

use crate::connections::reads;
use crate::sandbox::{Outcome, RunReport};
use crate::store::{JournalEntry, LinkWrite, StorageWrite};

/// One effect, ready to compare.
#[derive(Clone, Debug, Serialize, PartialEq)]
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
    /// What it was; null for what was not.
    pub before: Value,
    /// What it would be; null for what would not be.
    pub after: Value,
}

/// The calls among journal entries that change something.
pub fn effects_of(entries: &[JournalEntry]) -> Vec<Effect> {
    entries.iter().filter(|entry| entry.kind == "http").filter_map(effect).collect()
}

fn effect(entry: &JournalEntry) -> Option<Effect> {
    let request: Value = serde_json::from_str(&entry.request).ok()?;
    let method = request["method"].as_str()?;
    let path = request["path"].as_str().unwrap_or_default();
    let parts = request["atomic_with"].as_array().filter(|parts| !parts.is_empty());
    if reads(method, path) && parts.is_none() {
        return None;
    }
    let parsed = |body: &Value| body.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let mut body: Value = parsed(&request["body"]);
    if let (Some(parts), Some(fields)) = (parts, body.as_object_mut()) {
        let with = |part: &Value| json!({ "path": part["path"], "body": parsed(&part["body"]) });
        fields.insert("(with it)".into(), parts.iter().map(with).collect());
    }
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

/// Field by field what differs between two lists of effects. Those on one record by one call are compared in their order.
pub fn differences(before: &[Effect], after: &[Effect]) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut left: Vec<Option<&Effect>> = before.iter().map(Some).collect();
    for new in after {
        let same = |old: &Option<&Effect>| old.is_some_and(|old| old.call == new.call && old.subject == new.subject);
        match left.iter().position(same).and_then(|place| left[place].take()) {
            Some(old) => diff(new, "", &old.body, &new.body, &mut found),
            None => found.push(Difference {
                subject: new.subject.clone(),
                call: new.call.clone(),
                field: String::new(),
                before: Value::Null,
                after: new.body.clone(),
            }),
        }
    }
    found.extend(left.into_iter().flatten().map(|old| Difference {
        subject: old.subject.clone(),
        call: old.call.clone(),
        field: String::new(),
        before: old.body.clone(),
        after: Value::Null,
    }));
    found
}

fn diff(effect: &Effect, path: &str, old: &Value, new: &Value, found: &mut Vec<Difference>) {
    match (old, new) {
        (Value::Object(before), Value::Object(after)) => {
            let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let value = |of: &serde_json::Map<String, Value>| of.get(key).cloned().unwrap_or_default();
                diff(effect, &below, &value(before), &value(after), found);
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (index, (old, new)) in before.iter().zip(after).enumerate() {
                diff(effect, &format!("{path}[{index}]"), old, new, found);
            }
        }
        _ if old == new => {}
        _ => found.push(Difference {
            subject: effect.subject.clone(),
            call: effect.call.clone(),
            field: if path.is_empty() { "(body)".into() } else { path.to_owned() },
            before: old.clone(),
            after: new.clone(),
        }),
    }
}

/// What became of an event, in words.
pub fn words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done(what) => format!("done: {what}"),
        Outcome::Retry(after, why) => format!("retry after {after} ms: {why}"),
        Outcome::Wait(kind, side, id, _) => format!("waits for the {kind} link of {id} ({})", side.word()),
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
        let told: Vec<(String, String, Value, Value)> =
            differences(&before, &after).into_iter().map(|d| (d.subject, d.field, d.before, d.after)).collect();
        let of = |subject: &str, field: &str, before, after| (subject.into(), field.into(), before, after);
        assert_eq!(
            told,
            [
                of("006A", "DocumentLines[0].Price", json!(1), json!(2)),
                of("006A", "U_R", Value::Null, json!("N")),
                of("006B", "", Value::Null, json!({ "n": 2 })),
                of("006A", "", json!({ "n": 2 }), Value::Null),
            ]
        );
    }
}
