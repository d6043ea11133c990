//! Errors by kind: what stands in review or was rejected, grouped by its cause, whichever records it is about.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::bare;
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

/// One cause, of many records, in words that are fit for whom the records are no business of.
#[derive(Clone, Debug, PartialEq)]
pub struct BareKind {
    /// By which it is known again.
    pub id: String,
    /// The flow.
    pub flow: String,
    /// What is said without any parameter; of free text only words that everybody uses.
    pub bare: String,
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

/// Kinds of events that come newest first, by what may be told to everybody: what a plugin says in free text is one kind whomever it names.
pub fn bare_kinds(events: &[Event]) -> Vec<BareKind> {
    let mut found: BTreeMap<String, BareKind> = BTreeMap::new();
    for event in events {
        let bare = bare(event);
        let id = id_with(event, &bare);
        let kind = found.entry(id.clone()).or_insert_with(|| BareKind {
            id,
            flow: event.flow.clone(),
            bare,
            count: 0,
            first: event.created_at,
            last: event.created_at,
            example: event.id.0,
            state: event.state,
        });
        kind.count += 1;
        kind.first = kind.first.min(event.created_at);
    }
    found.into_values().collect()
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
    let said = said(event);
    let with = said.iter().flat_map(|said| said["with"].as_object().into_iter().flatten());
    // A cause that is told within is said itself.
    let with = with.filter(|(name, _)| !matches!(name.as_str(), "why" | "what" | "error"));
    without(event, with.filter_map(|(_, value)| value.as_str()).collect(), &[])
}

/// Without any parameter, and without what may be an address of a person. What is not said by a key is somebody's free text, and may name anybody.
fn bare(event: &Event) -> String {
    static ADDRESS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\S+@\S+").ok());
    let said = said(event);
    let has_key = |said: &Value| said["key"].as_str().is_some_and(|key| !key.is_empty());
    if said.is_empty() || !said.iter().all(has_key) {
        let words = bare::words(event.reason.as_deref().unwrap_or_default());
        return words.chars().take(LONGEST).collect();
    }
    let mut values = Vec::new();
    for own in &said {
        texts(&own["with"], &mut values);
    }
    let short: Vec<&str> = values.iter().copied().filter(|value| value.chars().count() <= SHORT).collect();
    let words = without(event, values, &[&ADDRESS]);
    // What may be a part of any word is taken where it is one.
    let is_short = |token: &str| short.contains(&token.trim_matches(|c: char| c.is_ascii_punctuation()));
    let words = words.split(' ').map(|token| if is_short(token) { "…" } else { token });
    words.collect::<Vec<_>>().join(" ")
}

/// What the flow says beside its reason: keys and their parameters.
fn said(event: &Event) -> Vec<Value> {
    let mut detail: Value = serde_json::from_str(&event.detail).unwrap_or_default();
    match detail["said"].take() {
        Value::Array(said) => said,
        _ => Vec::new(),
    }
}

/// Every text within a parameter but keys: lists, and reasons within reasons.
fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(all) => all.iter().for_each(|own| texts(own, found)),
        Value::Object(all) => all.iter().filter(|(name, _)| *name != "key").for_each(|(_, own)| texts(own, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn without(event: &Event, mut values: Vec<&str>, more: &[&LazyLock<Option<Regex>>]) -> String {
    static FOUND: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(PLACES).ok());
    let mut words = event.reason.clone().unwrap_or_default();
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
        let causes = by_cause(&events);
        assert_eq!(causes.len(), 2);
        let limit = causes.iter().find(|cause| cause.events.len() == 2).unwrap();
        assert_eq!(limit.words, "… is over the limit: … says no to Erika");
        let kinds = bare_kinds(&events);
        let limit = kinds.iter().find(|kind| kind.count == 2).unwrap();
        assert_eq!(limit.bare, "… is over the limit: …", "what goes out of the house names nobody");
        assert_eq!((limit.example, limit.first, limit.last), (3, 2_000, 3_000));
        let closed = kinds.iter().find(|kind| kind.count == 1).unwrap();
        assert_eq!(closed.bare, "order … of … at … is closed");
    }

    #[test]
    fn free_text_of_a_plugin_is_one_kind_and_names_nobody_whatever_it_says() {
        let part = |text: &str| json!({ "said": [{ "key": "orders.gone", "with": {} }, { "text": text }] });
        let kinds = bare_kinds(&[
            event(4, "Customer Max Meier is inactive", Value::Null),
            event(3, "Customer Anna Schmidt is inactive", json!({ "b1": { "CardCode": "C1" } })),
            event(2, "Order not found; Anna Schmidt says no", part("Anna Schmidt says no")),
        ]);
        let told: Vec<(&str, u64)> = kinds.iter().map(|kind| (kind.bare.as_str(), kind.count)).collect();
        assert!(told.contains(&("Customer … is inactive", 2)), "{told:?}");
        assert!(!format!("{told:?}").contains("Schmidt"), "{told:?}");
    }

    #[test]
    fn what_is_said_within_lists_and_reasons_within_reasons_names_nobody() {
        let inner = json!({ "said": [{ "key": "orders.who", "with": { "who": "Anna Schmidt" } }] });
        let with = json!({ "names": ["Max Meier", "Li", { "said": [{ "text": "Bernd Bauer" }] }], "why": inner });
        let detail = json!({ "said": [{ "key": "orders.names", "with": with }] });
        let kinds =
            bare_kinds(&[event(1, "Max Meier, Li, Bernd Bauer are not known: Anna Schmidt is no Linux", detail)]);
        assert_eq!(kinds[0].bare, "…, … … are not known: … is no Linux");
    }
}
