//! Orders and drafts in B1 that carry an opportunity's id and are not its own: a clerk's duplicates, as a person has said, or as was seen beside
//! its own. They are left alone, whatever is looked for, and asked about no more.

use tandem_sdk::{Value, from_json, json, storage};

/// A person has said so of these orders.
const BESIDE: &str = "beside";
/// A person was asked whether these are the opportunity's.
const NAMED: &str = "named";
/// A person was told of these among several.
const TOLD: &str = "told";
/// A person has ignored what was asked about these.
const LEFT: &str = "left";
/// Drafts that were seen beside the opportunity's own.
const DRAFTS: &str = "beside-drafts";

fn key(list: &str, id: &str) -> String {
    format!("{list}:{id}")
}

/// `DocEntry` of documents.
fn entries(key: &str) -> Vec<i64> {
    let kept = storage::get(key).map(|kept| from_json(&kept)).unwrap_or_default();
    kept.as_array().into_iter().flatten().filter_map(Value::as_i64).collect()
}

fn put(key: &str, document: &Value) {
    let mut all = entries(key);
    if let Some(entry) = document["DocEntry"].as_i64().filter(|entry| !all.contains(entry)) {
        all.push(entry);
        // Not kept it is asked again.
        let _ = storage::set(key, &json!(all).to_string());
    }
}

/// A person is asked about this order by its number: what he answers is about it, too.
pub fn name(id: &str, order: &Value) {
    put(&key(NAMED, id), order);
}

/// A person is told of this order among several, one of which may be the opportunity's own.
pub fn tell(id: &str, order: &Value) {
    put(&key(TOLD, id), order);
}

/// A person knows that it is there.
pub fn is_known(id: &str, order: &Value) -> bool {
    is_named(id, order) || is_among(&key(TOLD, id), order)
}

/// A person was asked whether it is the opportunity's.
pub fn is_named(id: &str, order: &Value) -> bool {
    is_among(&key(NAMED, id), order)
}

fn is_among(key: &str, order: &Value) -> bool {
    order["DocEntry"].as_i64().is_some_and(|entry| entries(key).contains(&entry))
}

/// What was asked of those that are known is ignored: of others it is not.
pub fn leave(id: &str) {
    let known: Vec<i64> = [NAMED, TOLD].iter().flat_map(|list| entries(&key(list, id))).collect();
    if !known.is_empty() {
        let _ = storage::set(&key(LEFT, id), &json!(known).to_string());
    }
}

/// A person has ignored what was asked about it.
pub fn is_left(id: &str, order: &Value) -> bool {
    is_among(&key(LEFT, id), order)
}

/// Why it is neither the opportunity's order nor a second one, where a person has said so or leaves it as it is.
pub fn put_aside(id: &str, order: &Value) -> Option<&'static str> {
    match is_among(&key(BESIDE, id), order) {
        true => Some("a person said that it is not its opportunity's order"),
        false => is_left(id, order).then_some("a person left it so when asked whose it is"),
    }
}

/// It was there beside the opportunity's own draft.
pub fn add_draft(id: &str, draft: &Value) {
    put(&key(DRAFTS, id), draft);
}

/// `DocEntry` of such drafts.
pub fn drafts(id: &str) -> Vec<i64> {
    entries(&key(DRAFTS, id))
}

/// A person said so of this order.
pub fn add(id: &str, order: &Value) {
    put(&key(BESIDE, id), order);
}

/// Takes them out of what B1 shows of an opportunity; what is left may be its own. Their `DocEntry`.
pub fn without(id: &str, orders: &mut Vec<Value>) -> Vec<i64> {
    if orders.is_empty() {
        return Vec::new();
    }
    let all = entries(&key(BESIDE, id));
    orders.retain(|order| order["DocEntry"].as_i64().is_none_or(|entry| !all.contains(&entry)));
    all
}
