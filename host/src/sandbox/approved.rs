//! What a person approved: the calls that a rehearsal would have made, in their order. The run that follows may make these and no others, whatever its plugin
//! makes of what it reads by then.

use std::collections::{BTreeSet, VecDeque};

use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::RunError;
use super::capabilities::NO_RECORD;
use crate::store::JournalEntry;

/// Where an answer tells what a call made: by what later calls name it, and its number on paper.
const ENTRIES: [&str; 5] = ["DocEntry", "AbsoluteEntry", "Code", "id", "Id"];
const NUMBER: &str = "DocNum";

/// See the module's words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Approved {
    calls: VecDeque<Value>,
    /// What calls of this run made, where the rehearsal could only imagine a number or an id.
    made: BTreeSet<String>,
    numbers: BTreeSet<String>,
}

impl Approved {
    /// The calls that a rehearsal kept.
    pub fn of(captured: &[JournalEntry]) -> Self {
        let parsed = |entry: &JournalEntry| serde_json::from_str(&entry.request).unwrap_or_default();
        Self {
            calls: captured.iter().filter(|entry| entry.kind == "http").map(parsed).collect(),
            made: BTreeSet::new(),
            numbers: BTreeSet::new(),
        }
    }

    /// Takes the next call: an error for one that is not what was approved to be next.
    pub(super) fn take(&mut self, request: &str) -> Result<(), RunError> {
        let wanted: Value = serde_json::from_str(request).unwrap_or_default();
        let what = || {
            format!("{} {}", wanted["method"].as_str().unwrap_or_default(), wanted["path"].as_str().unwrap_or_default())
        };
        let Some(next) = self.calls.pop_front() else {
            return Err(RunError::NotApproved(format!("{} is one call more", super::paths::shown(&what()))));
        };
        if self.fits("", &next, &wanted) {
            return Ok(());
        }
        Err(RunError::NotApproved(format!("{} is not what was approved to be next", super::paths::shown(&what()))))
    }

    /// What came of a call: the numbers and ids by which later ones name what it made.
    pub(super) fn came(&mut self, body: &str) {
        let Ok(Value::Object(mut fields)) = serde_json::from_str::<Value>(body) else { return };
        // What was found by a probe stands in a list.
        for list in ["value", "records"] {
            if let Some(Value::Object(first)) = fields.get(list).and_then(|rows| rows.get(0)) {
                fields = first.clone();
            }
        }
        let text = |name: &&str| match fields.get(*name)? {
            Value::Number(number) => Some(number.to_string()),
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            _ => None,
        };
        self.made.extend(ENTRIES.iter().filter_map(text));
        self.numbers.extend(text(&NUMBER));
    }

    /// So many approved calls were not made.
    pub(super) fn left(&self) -> usize {
        self.calls.len()
    }

    /// The same, but for what the rehearsal had to imagine. `name`: of the field that it is.
    fn fits(&self, name: &str, approved: &Value, wanted: &Value) -> bool {
        match (approved, wanted) {
            (Value::Object(approved), Value::Object(wanted)) => {
                approved.len() == wanted.len()
                    && approved.iter().all(|(name, own)| wanted.get(name).is_some_and(|now| self.fits(name, own, now)))
            }
            (Value::Array(approved), Value::Array(wanted)) => {
                approved.len() == wanted.len()
                    && approved.iter().zip(wanted).all(|(own, now)| self.fits(name, own, now))
            }
            (Value::Number(own), Value::Number(now)) => {
                let made = match name {
                    _ if name.ends_with("Entry") => self.made.contains(&now.to_string()),
                    _ if name.ends_with(NUMBER) => self.numbers.contains(&now.to_string()),
                    _ => false,
                };
                own == now || own.as_i64() == Some(0) && made
            }
            (Value::String(own), Value::String(now)) => own == now || self.text_fits(name, own, now),
            (own, now) => own == now,
        }
    }

    fn text_fits(&self, name: &str, own: &str, now: &str) -> bool {
        // The body of a request is JSON within its JSON.
        if let (Ok(own @ (Value::Object(_) | Value::Array(_))), Ok(now)) =
            (serde_json::from_str(own), serde_json::from_str(now))
        {
            return self.fits(name, &own, &now);
        }
        // Made by an earlier call of this very run, and named as the rehearsal named it.
        let renamed =
            |made: &String| own.replace(NO_RECORD, made) == now || own.replacen("(0)", &format!("({made})"), 1) == now;
        self.made.iter().any(renamed)
    }
}

/// Whether an object of a JSON text has a name twice: who reads it may take the one or the other, so that what was seen of it need not be what is done.
pub(super) fn says_twice(text: &str) -> bool {
    struct Once;
    impl<'de> Deserialize<'de> for Once {
        fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
            reader.deserialize_any(Once)
        }
    }
    impl<'de> Visitor<'de> for Once {
        type Value = Self;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("JSON without a name that stands twice")
        }
        fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
            Ok(self)
        }
        fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
            Ok(self)
        }
        fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
            Ok(self)
        }
        fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
            Ok(self)
        }
        fn visit_str<E>(self, _: &str) -> Result<Self, E> {
            Ok(self)
        }
        fn visit_unit<E>(self) -> Result<Self, E> {
            Ok(self)
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Self, A::Error> {
            while rows.next_element::<Once>()?.is_some() {}
            Ok(self)
        }
        fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self, A::Error> {
            let mut names = BTreeSet::new();
            while let Some(name) = fields.next_key::<String>()? {
                // How serde_json hands over a number whose digits are kept.
                let is_number = name == "$serde_json::private::Number";
                if !names.insert(name) {
                    return Err(A::Error::custom("twice"));
                }
                if is_number {
                    fields.next_value::<String>()?;
                } else {
                    fields.next_value::<Once>()?;
                }
            }
            Ok(self)
        }
    }
    serde_json::from_str::<Once>(text).is_err()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::CallState;

    fn request(method: &str, path: &str, body: Value) -> String {
        json!({ "slot": "b1", "method": method, "path": path, "headers": [], "body": body.to_string() }).to_string()
    }

    fn approved(requests: &[String]) -> Approved {
        let entry = |request: &String| JournalEntry {
            seq: 0,
            item: 0,
            kind: "http".into(),
            subject: String::new(),
            request: request.clone(),
            response: String::new(),
            state: CallState::Intended,
            at: 0,
            took: None,
        };
        Approved::of(&requests.iter().map(entry).collect::<Vec<_>>())
    }

    #[test]
    fn only_what_was_approved_is_sent_and_in_that_order() {
        let (first, second) = (
            request("PATCH", "/Orders(7)", json!({ "Comments": "a" })),
            request("POST", "/Orders(7)/Close", Value::Null),
        );
        let mut own = approved(&[first.clone(), second.clone()]);
        assert!(own.clone().take(&second).is_err(), "not yet");
        assert!(own.clone().take(&request("PATCH", "/Orders(7)", json!({ "Comments": "b" }))).is_err());
        assert!(own.clone().take(&request("PATCH", "/Orders(8)", json!({ "Comments": "a" }))).is_err());
        assert!(
            own.clone().take(&request("PATCH", "/Orders(7)", json!({ "Comments": "a", "NumAtCard": "x" }))).is_err()
        );
        own.take(&first).unwrap();
        own.take(&second).unwrap();
        let why = own.take(&second).unwrap_err().to_string();
        assert!(why.contains("one call more"), "{why}");
    }

    #[test]
    fn what_a_call_makes_is_named_by_the_next_and_nothing_else_is() {
        let made = request("POST", "/Orders", json!({ "CardCode": "C1" }));
        let then = request("POST", "/Orders(0)/Close", json!({ "BaseEntry": 0 }));
        let told = |id: i64| request("POST", &format!("/Orders({id})/Close"), json!({ "BaseEntry": id }));
        let mut own = approved(&[made.clone(), then]);
        own.take(&made).unwrap();
        assert!(own.clone().take(&told(77)).is_err(), "nobody knows of it");
        own.came(r#"{"DocEntry":77,"DocNum":5}"#);
        assert!(own.clone().take(&told(78)).is_err(), "another one's");
        own.take(&told(77)).unwrap();
        // An id of Salesforce stands wherever it was imagined.
        let id = "0065g0000000001AAA";
        let link = |id: &str| request("PATCH", &format!("/sobjects/Account/{id}"), json!({ "Parent__c": id }));
        let mut own = approved(&[link(NO_RECORD)]);
        own.came(&json!({ "id": id }).to_string());
        own.take(&link(id)).unwrap();
    }

    #[test]
    fn a_number_that_was_made_stands_only_where_numbers_of_records_stand() {
        let mut own = approved(&[request("PATCH", "/Orders(7)", json!({ "LineNum": 0, "BaseEntry": 0, "Ref": 0 }))]);
        own.came(r#"{"DocEntry":77,"DocNum":5}"#);
        let told = |line: i64, base: i64| {
            request("PATCH", "/Orders(7)", json!({ "LineNum": line, "BaseEntry": base, "Ref": 0 }))
        };
        assert!(own.clone().take(&told(77, 77)).is_err() && own.clone().take(&told(0, 5)).is_err());
        own.take(&told(0, 77)).unwrap();
        assert_eq!(own.left(), 0);
    }

    #[test]
    fn a_name_that_stands_twice_is_found_at_any_depth() {
        for once in ["{}", "[]", "1", "1.50", "null", r#"{"a":{"b":1},"c":[{"b":1},{"b":2.5e3}]}"#] {
            assert!(!says_twice(once), "{once}");
        }
        for twice in [r#"{"a":1,"a":1}"#, r#"{"x":[{"a":1,"\u0061":2}]}"#] {
            assert!(says_twice(twice), "{twice}");
        }
    }
}
