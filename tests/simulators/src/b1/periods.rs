//! Hold periods of partners and items: `Frozen` and `Valid` count within their days, where they have any.

use serde_json::Value;

use super::database::Record;

/// True when documents of that day (`2026-01-31`) may name the record.
pub fn is_in_use(record: &Record, day: &str) -> bool {
    let flag = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
    let limit = |name: &str| record.get(name).and_then(Value::as_str).and_then(|text| text.get(..10));
    let within =
        |from: &str, to: &str| limit(from).is_none_or(|from| from <= day) && limit(to).is_none_or(|to| day <= to);
    let dated = |from: &str, to: &str| limit(from).is_some() || limit(to).is_some();
    if flag("Frozen") == "tYES" {
        if within("FrozenFrom", "FrozenTo") {
            return false;
        }
        // Outside its period the hold says nothing, nor does the flag that goes with it.
        return flag("Valid") != "tYES" || within("ValidFrom", "ValidTo");
    }
    match flag("Valid") {
        "tNO" => dated("ValidFrom", "ValidTo") && !within("ValidFrom", "ValidTo"),
        _ => within("ValidFrom", "ValidTo"),
    }
}
