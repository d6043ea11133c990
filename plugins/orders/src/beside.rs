//! Orders in B1 that carry an opportunity's id and are not its own, as a person has said: a clerk's duplicates. They are left alone, whatever is
//! looked for, and asked about no more.

use tandem_sdk::{Value, from_json, json, storage};

fn key(id: &str) -> String {
    format!("beside:{id}")
}

fn named_key(id: &str) -> String {
    format!("named:{id}")
}

/// `DocEntry` of orders.
fn entries(key: &str) -> Vec<i64> {
    let kept = storage::get(key).map(|kept| from_json(&kept)).unwrap_or_default();
    kept.as_array().into_iter().flatten().filter_map(Value::as_i64).collect()
}

fn put(key: &str, order: &Value) {
    let mut all = entries(key);
    if let Some(entry) = order["DocEntry"].as_i64().filter(|entry| !all.contains(entry)) {
        all.push(entry);
        // Not kept it is asked again.
        let _ = storage::set(key, &json!(all).to_string());
    }
}

/// A person is asked about this order by its number: what he answers is about it, too.
pub fn name(id: &str, order: &Value) {
    put(&named_key(id), order);
}

/// A person was asked about it.
pub fn is_named(id: &str, order: &Value) -> bool {
    order["DocEntry"].as_i64().is_some_and(|entry| entries(&named_key(id)).contains(&entry))
}

/// A person said so of this order.
pub fn add(id: &str, order: &Value) {
    put(&key(id), order);
}

/// Takes them out of what B1 shows of an opportunity; what is left may be its own. Their `DocEntry`.
pub fn without(id: &str, orders: &mut Vec<Value>) -> Vec<i64> {
    if orders.is_empty() {
        return Vec::new();
    }
    let all = entries(&key(id));
    orders.retain(|order| order["DocEntry"].as_i64().is_none_or(|entry| !all.contains(&entry)));
    all
}
