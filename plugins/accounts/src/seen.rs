//! What a question showed: an answer decides only what the person who gave it has seen. Values that came later, and other fields
//! of the record, are asked about anew.

use std::collections::{BTreeMap, BTreeSet};

use tandem_sdk::mirror::same;
use tandem_sdk::{Batch, Map, Side, Value, from_json, json, storage};

use crate::gather::Subject;

/// Answers to a conflict of fields; about a person who is gone on one side see [`crate::left`].
pub const KEEP_B1: &str = "keep B1's";
pub const KEEP_SALESFORCE: &str = "keep Salesforce's";

/// Where it is kept, by `CardCode`: by the event's id what was shown, B1's value and Salesforce's.
const PREFIX: &str = "seen:";

/// What the open questions of a batch's partners have shown, and what is shown now.
pub struct Questions {
    open: BTreeMap<String, Map<String, Value>>,
    asked: BTreeSet<String>,
}

impl Questions {
    /// As they are kept.
    pub fn read() -> Self {
        /// More questions than a person answers.
        const MOST: u32 = 10_000;
        let entries = storage::scan(PREFIX, MOST).into_iter();
        let open = entries.map(|entry| {
            let shown = from_json(&entry.value).as_object().cloned().unwrap_or_default();
            (entry.key[PREFIX.len()..].to_owned(), shown)
        });
        Self { open: open.collect(), asked: BTreeSet::new() }
    }

    /// What a person has answered about a subject, with what he had seen.
    pub fn answer(&self, batch: &Batch, subject: &Subject) -> Answer {
        let chosen = |place: &usize| {
            let event = &batch.events[*place];
            let choice = event.resolution.clone()?;
            let shown = self.open.get(subject.card_code()).and_then(|shown| shown.get(&event.id.to_string()));
            let seen = shown.and_then(Value::as_object).cloned().unwrap_or_default();
            Some(Answer { choice: Some(choice), seen })
        };
        subject.events.iter().find_map(chosen).unwrap_or_default()
    }

    /// Keeps what is shown of a record (`account`, or a contact employee's number) with the question about it: fields with B1's value
    /// and Salesforce's.
    pub fn show(&mut self, batch: &Batch, subject: &Subject, record: &str, conflicts: &[(String, Value, Value)]) {
        let code = subject.card_code();
        let shown: Map<String, Value> =
            conflicts.iter().map(|(field, b1, other)| (name(record, field), json!([b1, other]))).collect();
        let open = self.open.entry(code.to_owned()).or_default();
        for place in &subject.events {
            open.insert(batch.events[*place].id.to_string(), Value::Object(shown.clone()));
        }
        self.asked.insert(code.to_owned());
        // Where the storage is full the answer finds nothing seen, and the question comes again.
        let _ = storage::set(&format!("{PREFIX}{code}"), &Value::Object(open.clone()).to_string());
    }

    /// The partner is in step: nothing is asked any more, unless it was just now.
    pub fn end(&mut self, code: &str) {
        if !self.asked.contains(code) && self.open.remove(code).is_some() {
            storage::delete(&format!("{PREFIX}{code}"));
        }
    }
}

/// See [`Questions::answer`]; nothing where nobody has answered.
#[derive(Default)]
pub struct Answer {
    choice: Option<String>,
    seen: Map<String, Value>,
}

impl Answer {
    /// The side whose values are kept, where just these were shown.
    pub fn decides(&self, record: &str, conflicts: &[(String, Value, Value)]) -> Option<Side> {
        match self.about(record, conflicts)? {
            KEEP_B1 => Some(Side::B1),
            KEEP_SALESFORCE => Some(Side::Salesforce),
            _ => None,
        }
    }

    /// What was chosen, where just these were shown.
    pub fn about(&self, record: &str, conflicts: &[(String, Value, Value)]) -> Option<&str> {
        let shown = |(field, b1, other): &(String, Value, Value)| {
            self.seen.get(&name(record, field)).is_some_and(|seen| same(&seen[0], b1) && same(&seen[1], other))
        };
        self.choice.as_deref().filter(|_| conflicts.iter().all(shown))
    }
}

fn name(record: &str, field: &str) -> String {
    format!("{record}: {field}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_decides_what_was_shown_and_nothing_else() {
        let seen = tandem_sdk::fields(json!({ "account: Phone1 / Phone": ["1", "2"] }));
        let answer = Answer { choice: Some(KEEP_B1.into()), seen };
        let field = |name: &str, b1: &str, other: &str| (name.to_owned(), json!(b1), json!(other));
        let phone = field("Phone1 / Phone", "1", "2");
        assert_eq!(answer.decides("account", std::slice::from_ref(&phone)), Some(Side::B1));
        assert_eq!(answer.decides("account", &[field("Phone1 / Phone", "1", "3")]), None);
        assert_eq!(answer.decides("account", &[phone.clone(), field("Website / Website", "a", "b")]), None);
        assert_eq!(answer.decides("7", std::slice::from_ref(&phone)), None);
        assert_eq!(Answer::default().decides("account", &[phone]), None);
    }
}
