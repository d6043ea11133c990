//! Whether two values are the same to people, however a system writes them down.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde_json::Value;

/// B1 keeps six decimals.
const NEAR: f64 = 0.000_000_5;

/// Numbers are compared as numbers, a date with a moment as days. Null, absent and empty are alike: what is emptied is read back as null.
pub fn same(one: &Value, other: &Value) -> bool {
    match (filled(one), filled(other)) {
        (None, None) => true,
        (Some(one), Some(other)) => alike(one, other),
        _ => false,
    }
}

/// A value that is no object and no list.
pub fn is_plain(value: &Value) -> bool {
    !value.is_object() && !value.is_array()
}

fn filled(value: &Value) -> Option<&Value> {
    let empty = value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty());
    (!empty).then_some(value)
}

fn alike(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(one), Value::String(other)) => {
            text(one) == text(other)
                || Moment::of(one).zip(Moment::of(other)).is_some_and(|(one, other)| one.is_same(&other))
        }
        // A field of text holds a number as text.
        (Value::Number(_), _) | (_, Value::Number(_)) => {
            number(one).zip(number(other)).is_some_and(|(one, other)| (one - other).abs() < NEAR)
        }
        _ => one == other,
    }
}

/// Neither system keeps blanks around a text, and each has its own ends of lines.
fn text(text: &str) -> String {
    text.trim().replace("\r\n", "\n").replace('\r', "\n")
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

/// A date, or a time of one.
enum Moment {
    Day(NaiveDate),
    Time(NaiveDate, DateTime<Utc>),
}

impl Moment {
    fn of(text: &str) -> Option<Self> {
        let day: NaiveDate = text.get(..10)?.parse().ok()?;
        if text.len() == 10 {
            return Some(Self::Day(day));
        }
        let zoned =
            || DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"));
        let bare = || text.parse::<NaiveDateTime>().map(|time| time.and_utc());
        zoned().map(|time| time.to_utc()).or_else(|_| bare()).ok().map(|time| Self::Time(day, time))
    }

    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Time(_, one), Self::Time(_, other)) => one == other,
            (Self::Day(one) | Self::Time(one, _), Self::Day(other) | Self::Time(other, _)) => one == other,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_system_writes_otherwise_is_the_same() {
        for (one, other) in [
            (json!(null), json!("")),
            (json!(null), json!(null)),
            (json!(12), json!(12.0)),
            (json!(12.5), json!("12.50")),
            (json!(0.300_000_000_000_000_04), json!(0.3)),
            (json!("2026-11-27"), json!("2026-11-27T00:00:00Z")),
            (json!("2026-11-27T14:00:00Z"), json!("2026-11-27T15:00:00.000+0100")),
            (json!("2026-11-27T00:00:00"), json!("2026-11-27T00:00:00Z")),
            (json!("two\nlines "), json!("two\r\nlines")),
            (json!(true), json!(true)),
        ] {
            assert!(same(&one, &other) && same(&other, &one), "{one} {other}");
        }
    }

    #[test]
    fn what_says_something_else_is_not() {
        for (one, other) in [
            (json!(null), json!(0)),
            (json!(null), json!(false)),
            (json!("north"), json!("North")),
            (json!("007"), json!("7")),
            (json!(1_000_000_001), json!(1_000_000_002)),
            (json!(12), json!("12 pieces")),
            (json!("2026-11-27"), json!("2026-11-28T00:00:00Z")),
            (json!("2026-11-27T10:00:00Z"), json!("2026-11-27T11:00:00Z")),
            (json!(true), json!("true")),
        ] {
            assert!(!same(&one, &other) && !same(&other, &one), "{one} {other}");
        }
    }
}
