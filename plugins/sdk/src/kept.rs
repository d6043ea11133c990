//! What a system said once and is not asked again for a while: kept in the plugin's storage with the time at which it was said.

use crate::{Value, clock, from_json, json, storage};

/// What was kept under this key within so many milliseconds; null where nothing was, or longer ago.
pub fn within(key: &str, ms: u64) -> Value {
    let mut kept = storage::get(key).map(|text| from_json(&text)).unwrap_or_default();
    let fresh = kept["at"].as_u64().is_some_and(|at| clock::now().saturating_sub(at) < ms);
    if fresh { kept["value"].take() } else { Value::Null }
}

/// Keeps it from now on. What cannot be kept is asked again.
pub fn keep(key: &str, value: &Value) {
    let _ = storage::set(key, &json!({ "at": clock::now(), "value": value }).to_string());
}
