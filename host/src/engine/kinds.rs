//! Errors by kind: what stands in review or was rejected, grouped by its cause, whichever records it is about.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::sandbox::digest_of;
use crate::store::{Event, EventState, Millis, Search, Store, StoreError};

/// Events that are looked at, the newest.
pub const SCANNED: u32 = 5_000;
/// Letters of the words of a kind.
const LONGEST: usize = 400;
/// Letters of a parameter that is short enough to be a part of any word.
const SHORT: usize = 2;

/// What records differ in: texts in quotes, ids of the org, keys and numbers of B1, times.
const PLACES: &str = r#""[^"]*"|\b(?:[A-Za-z0-9]{15}|[A-Za-z0-9]{18})\b|\b[A-Z]{0,3}\d[\w.,:-]*"#;

/// One cause, of many records.
#[derive(Clone, Debug, PartialEq)]
pub struct Kind {
    /// By which all of it is asked for.
    pub id: String,
    /// The flow.
    pub flow: String,
    /// What is said, with … where records differ.
    pub words: String,
    /// How many records.
    pub count: u64,
    /// When the first was taken in.
    pub first: Millis,
    /// When the last was.
    pub last: Millis,
    /// The newest event of it.
    pub example: i64,
    /// Review or rejected.
    pub state: EventState,
    /// The same words without any parameter at all: fit for whom the records are no business of.
    pub bare: String,
}

/// The newest events that stand in review or were rejected; `flows`: of these, none for all.
pub async fn wrong(store: &dyn Store, flows: Option<Vec<String>>) -> Result<Vec<Event>, StoreError> {
    let states = vec![EventState::Review, EventState::Rejected];
    store.find(Search { flows, states, without_payloads: true, limit: SCANNED, ..Search::default() }).await
}

/// Events of one cause, newest first.
pub struct Cause<'a> {
    /// By which all of it is asked for.
    pub id: String,
    /// What is said, with … where records differ.
    pub words: String,
    /// At least one.
    pub events: Vec<&'a Event>,
}

/// Events that come newest first, by their cause.
pub fn by_cause(events: &[Event]) -> Vec<Cause<'_>> {
    let mut found: BTreeMap<String, Cause<'_>> = BTreeMap::new();
    for event in events {
        let words = words(event);
        let id = id_with(event, &words);
        let cause = found.entry(id.clone()).or_insert_with(|| Cause { id, words, events: Vec::new() });
        cause.events.push(event);
    }
    found.into_values().collect()
}

/// Kinds of events that come newest first.
pub fn grouped(events: &[Event]) -> Vec<Kind> {
    let kind = |Cause { id, words, events }: Cause<'_>| {
        let newest = events.first()?;
        Some(Kind {
            id,
            flow: newest.flow.clone(),
            words,
            count: events.len() as u64,
            first: events.iter().map(|event| event.created_at).min()?,
            last: newest.created_at,
            example: newest.id.0,
            state: newest.state,
            bare: bare(newest),
        })
    };
    by_cause(events).into_iter().filter_map(kind).collect()
}

/// The id of an event's kind: by it all of its cause is asked for.
pub fn id_of(event: &Event) -> String {
    id_with(event, &words(event))
}

/// The same, of one whose words are known.
fn id_with(event: &Event, words: &str) -> String {
    digest_of(format!("{}\n{}\n{words}", event.flow, event.state.word()).as_bytes())[..16].to_owned()
}

/// What is said, whichever record it is about: where the flow says its parameters, without them; else without what looks like one.
pub fn words(event: &Event) -> String {
    // A cause that is told within is said itself.
    without(event, |name| !matches!(name, "why" | "what" | "error"), &[])
}

/// Without any parameter, and without what may be an address of a person.
fn bare(event: &Event) -> String {
    static ADDRESS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\S+@\S+").ok());
    without(event, |_| true, &[&ADDRESS])
}

fn without(event: &Event, is_place: impl Fn(&str) -> bool, more: &[&LazyLock<Option<Regex>>]) -> String {
    static FOUND: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(PLACES).ok());
    let mut words = event.reason.clone().unwrap_or_default();
    let detail: Value = serde_json::from_str(&event.detail).unwrap_or_default();
    let said = detail["said"].as_array().into_iter().flatten();
    let with = said.flat_map(|said| said["with"].as_object().into_iter().flatten());
    let mut values: Vec<&str> =
        with.filter(|(name, _)| is_place(name)).filter_map(|(_, value)| value.as_str()).collect();
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    for value in values.into_iter().filter(|value| value.chars().count() > SHORT) {
        words = words.replace(value, "…");
    }
    for place in more.iter().copied().chain([&FOUND]).filter_map(|place| place.as_ref()) {
        words = place.replace_all(&words, "…").into_owned();
    }
    words.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::{EventId, Kept};

    fn event(id: i64, reason: &str, detail: Value) -> Event {
        Event {
            id: EventId(id),
            flow: "orders".into(),
            topic: "salesforce.Opportunity".into(),
            key: format!("K{id}"),
            payload: String::new(),
            trace: String::new(),
            state: EventState::Review,
            due_at: 0,
            attempts: 1,
            created_at: id * 1_000,
            finished_at: None,
            reason: Some(reason.into()),
            choices: Vec::new(),
            detail: detail.to_string(),
            resolution: None,
            kept: Kept::Whole,
        }
    }

    #[test]
    fn one_cause_is_one_kind_whichever_record_and_customer_it_is_about() {
        let said = |name: &str, why: &str| {
            let with = json!({ "customer": name, "why": why });
            json!({ "said": [{ "key": "x", "with": with }] })
        };
        let events = [
            event(
                3,
                "Erika Muster is over the limit: B1 says no to Erika",
                said("Erika Muster", "B1 says no to Erika"),
            ),
            event(2, "Max Muster is over the limit: B1 says no to Erika", said("Max Muster", "B1 says no to Erika")),
            event(1, "order \"4711\" of erika@example.com at 10:15 is closed", Value::Null),
        ];
        let kinds = grouped(&events);
        assert_eq!(kinds.len(), 2);
        let limit = kinds.iter().find(|kind| kind.count == 2).unwrap();
        assert_eq!(limit.words, "… is over the limit: … says no to Erika");
        assert_eq!(limit.bare, "… is over the limit: …", "what goes out of the house names nobody");
        assert_eq!((limit.example, limit.first, limit.last), (3, 2_000, 3_000));
        let closed = kinds.iter().find(|kind| kind.count == 1).unwrap();
        assert_eq!(closed.bare, "order … of … at … is closed");
        assert_eq!(id_of(&events[2]), closed.id);
    }
}
