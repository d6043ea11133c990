//! What plugin authors use. A plugin is a type that implements [`Plugin`] and one line, `tandem_sdk::export!(Type with_types_in tandem_sdk::bindings)`.
//!
//! Everything a plugin sees of the world comes through the host, which records it: on a replay the same calls give the
//! same answers. So keep no state outside [`storage`] and [`links`], and take time and chance from [`clock`] and
//! [`random`].

pub mod again;
pub mod b1;
pub mod chain;
pub mod counterpart;
pub mod desired;
mod documents;
pub mod kept;
mod keys;
pub mod lists;
pub mod matching;
pub mod merge;
pub mod mirror;
pub mod money;
mod outcomes;
pub mod passing;
mod periods;
pub mod reconcile;
pub mod refused;
mod row;
mod said;
pub mod salesforce;
pub mod settings;
pub mod tools;
pub mod units;

/// The generated side of the contract. Use the names above it instead.
#[doc(hidden)]
#[allow(missing_docs, clippy::all)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit/0.1.0",
        world: "flow",
        pub_export_macro: true,
        default_bindings_module: "tandem_sdk::bindings",
        export_macro_name: "export",
    });
}

pub use self::documents::{Document, Documents};
pub use self::keys::{Keys, Only, are_twins, twin_words};
pub use self::money::Currencies;
pub use self::outcomes::{Outcomes, forget_asked, is_asked_here, keep_asked, keep_ignored};
pub use self::periods::{PERIODS, in_use, is_within};
pub use self::said::{Said, Told, of_mapping, say};
pub use self::settings::{Deleted, Number};
pub use self::units::Units;
pub use bindings::Guest as Plugin;
#[doc(hidden)]
pub use bindings::export;
pub use bindings::tandem::plugin::clock;
pub use bindings::tandem::plugin::description::{Description, Permission, Section, Slot, Timer, Way};
pub use bindings::tandem::plugin::events;
pub use bindings::tandem::plugin::http::{
    self, Error, Header, Method, Part, Probe, RemoteError, Request, Response, Via,
};
pub use bindings::tandem::plugin::links::{self, Link};
pub use bindings::tandem::plugin::log;
pub use bindings::tandem::plugin::mapping;
pub use bindings::tandem::plugin::random;
pub use bindings::tandem::plugin::review;
pub use bindings::tandem::plugin::schedule;
pub use bindings::tandem::plugin::storage;
pub use bindings::tandem::plugin::types::{Batch, Binding, Event, LinkQuery, Outcome, Retry, ReviewRequest, Side};
#[doc(hidden)]
pub use reconcile::bindings::export_reconciling;
pub use rust_decimal::{Decimal, RoundingStrategy};
pub use schemars::{self, JsonSchema};
pub use serde::{self, Deserialize, Serialize};
pub use serde_json::{Map, Value, json};
#[doc(hidden)]
pub use tools::bindings::export_tooling;

/// An exact decimal of a JSON number or numeric text.
pub fn decimal(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(number) => {
            let text = number.to_string();
            text.parse().ok().or_else(|| Decimal::from_scientific(&text).ok())
        }
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Days from one day (`2026-01-31`) to another; `None` for what is no day.
pub fn days_between(from: &str, to: &str) -> Option<i64> {
    let day = |text: &str| text.parse::<chrono::NaiveDate>().ok();
    Some((day(to)? - day(from)?).num_days())
}

/// The fields of an object, as in `fields(json!({ "Name": "A" }))`; none for what is no object.
pub fn fields(object: Value) -> Map<String, Value> {
    if let Value::Object(fields) = object { fields } else { Map::new() }
}

/// Text of a field; empty when it is null or missing.
pub fn text<'a>(record: &'a Value, field: &str) -> &'a str {
    record[field].as_str().unwrap_or_default()
}

/// A description with the slots `b1` and `salesforce` that asks for nothing yet: the end of a plugin's own, as
/// `..tandem_sdk::described("stock", env!("CARGO_PKG_VERSION"), "Stock on products")`.
pub fn described(name: &str, version: &str, title: &str) -> Description {
    let slot = |name: &str| Slot { name: name.into(), kind: name.into() };
    Description {
        name: name.into(),
        version: version.into(),
        title: title.into(),
        slots: vec![slot("b1"), slot("salesforce")],
        permissions: Vec::new(),
        topics: Vec::new(),
        backfill: Vec::new(),
        batch: 0,
        concurrency: 0,
        timers: Vec::new(),
        settings_schema: "{}".into(),
        default_mapping: String::new(),
        sections: Vec::new(),
        tools: Vec::new(),
    }
}

/// A permission to ask for.
pub fn permission(slot: &str, method: Method, path: &str, reason: &str) -> Permission {
    Permission { slot: slot.into(), method, path: path.into(), reason: reason.into() }
}

/// Asks to emit events of a topic; those of the sources (`b1.…`, `salesforce.…`, `timer.…`) are the host's alone.
pub fn may_emit(topic: &str, reason: &str) -> Permission {
    permission("tandem", Method::Post, &format!("/events/{topic}"), reason)
}

/// Asks to read, put and delete links of a kind.
pub fn may_link(kind: &str, reason: &str) -> Permission {
    permission("tandem", Method::Put, &format!("/links/{kind}"), reason)
}

/// Asks to read links of a kind that another flow puts.
pub fn may_see_links(kind: &str, reason: &str) -> Permission {
    permission("tandem", Method::Get, &format!("/links/{kind}"), reason)
}

/// A section of the mapping: `b1` is an entity set, or a collection within it (`Orders/DocumentLines`).
pub fn section(name: &str, way: Way, b1: &str, salesforce: &str) -> Section {
    Section { name: name.into(), way, b1: b1.into(), salesforce: salesforce.into() }
}

/// Held for a human.
pub fn review(reason: impl Into<Said>, choices: &[&str]) -> Outcome {
    review_with(reason, choices, &Value::Null)
}

/// Held for a human, with what to decide by: an object such as `{"b1": {…}, "salesforce": {…}, "candidates": [{…}]}`.
pub fn review_with(reason: impl Into<Said>, choices: &[&str], detail: &Value) -> Outcome {
    Outcome::Review(reason.into().ask(choices, detail))
}

/// Tells flows that want to know; false where none does. Of one thing that happened `dedup` is the same.
pub fn tell(topic: &str, key: &str, dedup: &str, payload: &Value) -> bool {
    let emission =
        events::Emission { topic: topic.into(), key: key.into(), dedup: dedup.into(), payload: payload.to_string() };
    events::emit(&emission).is_ok()
}

/// The connection bound to a slot: part of the keys of records that several companies may have.
pub fn connection<'a>(batch: &'a Batch, slot: &str) -> &'a str {
    let bound = batch.connections.iter().find(|binding| binding.slot == slot);
    bound.map_or("", |binding| binding.connection.as_str())
}

/// Again, later.
pub fn retry(after_ms: u64, why: impl Into<String>) -> Outcome {
    Outcome::Retry(Retry { after_ms, why: why.into() })
}

/// A call without headers, probe or company.
pub fn request(
    connection: &str,
    method: Method,
    path: impl Into<String>,
    body: Option<&Value>,
    subject: &str,
) -> Request {
    Request {
        connection: connection.into(),
        method,
        path: path.into(),
        headers: Vec::new(),
        body: body.map(Value::to_string),
        atomic_with: Vec::new(),
        probe: None,
        subject: subject.into(),
    }
}

/// The JSON of a response; null when it has none.
pub fn body_of(response: &Response) -> Value {
    serde_json::from_str(&response.body).unwrap_or_default()
}

/// The rows of a read. An answer without them, or one that goes on, is an error and not an empty list: what is absent there
/// is not known to be absent.
fn list_of(response: &Response, name: &str) -> Result<Vec<Value>, Error> {
    let mut body = body_of(response);
    match body.get_mut(name).map(Value::take) {
        Some(Value::Array(rows)) if body["done"] != false => Ok(rows),
        _ => Err(Error::Unreachable(format!("the answer to a read holds no whole list {name}"))),
    }
}

/// What to do about a call that failed, when the plugin has no better idea: wait out what passes, show a human the rest.
pub fn outcome_of(error: &Error, what: impl Into<Said>) -> Outcome {
    let failed = Said::failed(what, error);
    match passing::pause(error) {
        Some(after) => retry(after, failed),
        None => review(failed, &["retry", "ignore"]),
    }
}

/// An error in words for people, in English: [`Said::of_error`] for any language.
pub fn words(error: &Error) -> String {
    Said::of_error(error).into()
}

/// Reads JSON text; null when it is not JSON.
pub fn from_json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_rows_is_not_an_empty_list() {
        let list = |body: &str| {
            let response = Response { status: 200, headers: Vec::new(), body: body.into(), via: Via::Sent };
            list_of(&response, "records").map(|rows| rows.len())
        };
        assert_eq!(list(r#"{"done":true,"records":[{"Id":"1"}]}"#).ok(), Some(1));
        assert_eq!(list(r#"{"records":[]}"#).ok(), Some(0));
        for no_answer in ["", "[]", "{}", r#"{"records":[{"Id"#, r#"{"done":false,"records":[{"Id":"1"}]}"#] {
            assert!(list(no_answer).is_err(), "{no_answer}");
        }
    }

    #[test]
    fn numbers_of_any_spelling_are_read() {
        for (text, value) in [("1.0E7", "10000000"), ("1.441209288E7", "14412092.88"), ("1e-2", "0.01"), ("5", "5")] {
            assert_eq!(decimal(&from_json(text)), value.parse().ok(), "{text}");
        }
    }

    #[test]
    fn days_are_counted_through_months_and_leap_years() {
        assert_eq!(days_between("2026-02-28", "2026-03-01"), Some(1));
        assert_eq!(days_between("2028-02-28", "2028-03-01"), Some(2));
        assert_eq!(days_between("2026-06-30", "2026-06-01"), Some(-29));
        assert_eq!(days_between("", "2026-06-01"), None);
    }
}
