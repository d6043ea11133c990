//! What a past run was told, for a rehearsal: the answers of its journal by what was asked, each given once.

use std::collections::{HashMap, HashSet, VecDeque};

use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::connections::reads;
use crate::store::{CallState, JournalEntry};

/// See the module's words.
#[derive(Default)]
pub struct Past {
    answers: Vec<Option<String>>,
    by_request: HashMap<String, VecDeque<usize>>,
    /// Effects by what they were done to: one that writes other values is answered as the one that was sent was.
    by_effect: HashMap<String, VecDeque<usize>>,
    /// Reads by what they were of, whatever fields they asked for.
    by_read: HashMap<String, VecDeque<usize>>,
    /// The fields that all of them asked for.
    fields: HashMap<String, HashSet<String>>,
    /// Those of each read, by the place of its answer.
    asked: HashMap<usize, HashSet<String>>,
}

impl Past {
    /// Of a run's journal.
    pub fn of(entries: &[JournalEntry]) -> Self {
        let mut past = Self::default();
        for entry in entries.iter().filter(|entry| entry.state == CallState::Done) {
            let place = past.answers.len();
            past.answers.push(Some(entry.response.clone()));
            past.by_request.entry(request_key(&entry.kind, &entry.request)).or_default().push_back(place);
            if let Some(key) = effect_key(entry) {
                past.by_effect.entry(key).or_default().push_back(place);
            } else if let Some(Read { of, fields }) = Read::of(entry) {
                past.fields.entry(of.clone()).or_default().extend(fields.iter().cloned());
                past.asked.insert(place, fields.into_iter().collect());
                past.by_read.entry(of).or_default().push_back(place);
            }
        }
        past
    }

    /// The answer to the very same question.
    pub fn answer(&mut self, kind: &str, request: &str) -> Option<String> {
        let places = self.by_request.get_mut(&request_key(kind, request))?;
        next(&mut self.answers, places)
    }

    /// The answer to an effect on the same record that wrote something else.
    pub fn answer_like(&mut self, effect: &JournalEntry) -> Option<String> {
        let places = self.by_effect.get_mut(&effect_key(effect)?)?;
        next(&mut self.answers, places)
    }

    /// The answer to a read of the same records that asked for other fields.
    pub fn answer_about(&mut self, read: &JournalEntry) -> Option<String> {
        let places = self.by_read.get_mut(&Read::of(read)?.of)?;
        next(&mut self.answers, places)
    }

    /// The answer to a read of the same records that asked for these fields and others.
    pub fn answer_wider(&mut self, read: &JournalEntry) -> Option<String> {
        let Read { of, fields } = Read::of(read)?;
        let holds =
            |place: &&usize| self.asked.get(place).is_some_and(|own| fields.iter().all(|one| own.contains(one)));
        let free = |place: &&usize| self.answers.get(**place).is_some_and(Option::is_some);
        let place = *self.by_read.get(&of)?.iter().filter(free).find(holds)?;
        self.answers.get_mut(place)?.take()
    }

    /// The fields of a read that no read of the same records asked for; none where these records were not read at all.
    pub fn fields_not_read(&self, read: &JournalEntry) -> Vec<String> {
        let Some(Read { of, fields }) = Read::of(read) else { return Vec::new() };
        let Some(known) = self.fields.get(&of) else { return Vec::new() };
        fields.into_iter().filter(|field| !known.contains(field)).collect()
    }
}

/// What was read then, with the fields that only the answer of now has: of records that were not there then nothing, and of fields that were read
/// then what they were. Rows are the same by their keys; of one that has none, or shares it, nothing more is known.
pub fn with_more_fields(then: &Value, now: &Value) -> Value {
    match (then, now) {
        (Value::Object(then), Value::Object(now)) => {
            let mut merged: serde_json::Map<String, Value> = then.clone();
            for (name, value) in now {
                let value = then.get(name).map_or_else(|| value.clone(), |before| with_more_fields(before, value));
                merged.insert(name.clone(), value);
            }
            Value::Object(merged)
        }
        (Value::Array(then), Value::Array(now)) => {
            let same = |before: &Value| {
                let key = KEYS.into_iter().find(|key| before.get(key).is_some_and(|key| !key.is_null()))?;
                let alone = |rows: &[Value]| rows.iter().filter(|row| row.get(key) == before.get(key)).count() == 1;
                let now = (alone(then) && alone(now)).then_some(now)?;
                now.iter().find(|row| row.get(key) == before.get(key))
            };
            let merged =
                |before: &Value| same(before).map_or_else(|| before.clone(), |now| with_more_fields(before, now));
            then.iter().map(merged).collect()
        }
        _ => then.clone(),
    }
}

/// What tells rows apart: Salesforce's records, B1's documents and their lines, its master data and what belongs to it.
const KEYS: [&str; 13] = [
    "Id",
    "LineNum",
    "RowNum",
    "DocEntry",
    "AbsEntry",
    "InternalCode",
    "AddressName",
    "PriceList",
    "WarehouseCode",
    "BPCode",
    "CardCode",
    "ItemCode",
    "Code",
];

fn next(answers: &mut [Option<String>], places: &mut VecDeque<usize>) -> Option<String> {
    while let Some(place) = places.pop_front() {
        if let Some(answer) = answers.get_mut(place).and_then(Option::take) {
            return Some(answer);
        }
    }
    None
}

fn request_key(kind: &str, request: &str) -> String {
    format!("{kind}\n{request}")
}

/// Method, path and subject of a call that changes something.
fn effect_key(entry: &JournalEntry) -> Option<String> {
    if entry.kind != "http" {
        return None;
    }
    let request: Value = serde_json::from_str(&entry.request).ok()?;
    let (method, path) = (request["method"].as_str()?, request["path"].as_str()?);
    (!reads(method, path)).then(|| format!("{method} {} {path} {}", request["slot"], entry.subject))
}

/// A read: of what, and which fields.
struct Read {
    /// SOQL behind its list of fields, an address without `$select`.
    of: String,
    /// Those of a sub-query behind its relationship: `OpportunityLineItems.Quantity`.
    fields: Vec<String>,
}

impl Read {
    fn of(entry: &JournalEntry) -> Option<Self> {
        if entry.kind != "http" {
            return None;
        }
        let request: Value = serde_json::from_str(&entry.request).ok()?;
        let (method, path) = (request["method"].as_str()?, request["path"].as_str()?);
        if method != "GET" {
            return None;
        }
        let (bare, query) = path.split_once('?')?;
        let (of, fields) = match query.strip_prefix("q=") {
            Some(soql) => {
                let soql = percent_decode_str(&soql.replace('+', " ")).decode_utf8().ok()?.into_owned();
                let (fields, behind) = split_at_from(&soql)?;
                (behind.to_owned(), fields_of(fields))
            }
            None => {
                let (selects, others): (Vec<&str>, Vec<&str>) =
                    query.split('&').partition(|option| option.starts_with("$select="));
                let named = selects.iter().filter_map(|select| select.strip_prefix("$select="));
                (others.join("&"), named.flat_map(|names| names.split(',')).map(str::to_owned).collect())
            }
        };
        Some(Self { of: format!("{} {bare} {of}", request["slot"]), fields })
    }
}

/// A SOQL query before and from its own `FROM` on; those of its sub-queries stand in brackets.
fn split_at_from(soql: &str) -> Option<(&str, &str)> {
    let mut before = 0;
    for part in outside(soql, ' ') {
        let rest = soql.get(before + part.len() + 1..)?;
        if rest.get(..5).is_some_and(|word| word.eq_ignore_ascii_case("FROM ")) {
            return Some((soql.get(..before + part.len())?, rest));
        }
        before += part.len() + 1;
    }
    None
}

/// The fields between `SELECT` and `FROM`.
fn fields_of(select: &str) -> Vec<String> {
    let list = select.trim_start().get(6..).unwrap_or_default();
    let of = |part: &str| -> Vec<String> {
        let part = part.trim();
        match part.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).and_then(split_at_from) {
            Some((inner, from)) => {
                let name = from.split(' ').nth(1).unwrap_or_default();
                fields_of(inner).into_iter().map(|field| format!("{name}.{field}")).collect()
            }
            None => vec![part.to_owned()],
        }
    };
    outside(list, ',').into_iter().flat_map(of).collect()
}

/// The parts of a SOQL text between separators that stand neither in brackets nor in quotes.
fn outside(text: &str, separator: char) -> Vec<&str> {
    let (mut depth, mut quoted, mut escaped) = (0_u32, false, false);
    text.split(|letter| {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '\'' => quoted = !quoted,
            _ if quoted => {}
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            other => return depth == 0 && other == separator,
        }
        false
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(request: &str, response: &str, subject: &str) -> JournalEntry {
        JournalEntry {
            seq: 0,
            item: 0,
            kind: "http".into(),
            subject: subject.into(),
            request: request.into(),
            response: response.into(),
            state: CallState::Done,
            at: 0,
            took: None,
        }
    }

    #[test]
    fn an_answer_is_given_once_and_an_effect_with_other_values_gets_that_of_its_record() {
        let read = r#"{"slot":"b1","method":"GET","path":"/Items"}"#;
        let first = r#"{"slot":"b1","method":"POST","path":"/Orders","body":"1"}"#;
        let other = r#"{"slot":"b1","method":"POST","path":"/Orders","body":"2"}"#;
        let mut past =
            Past::of(&[entry(read, "read", ""), entry(first, "made A", "006A"), entry(first, "made B", "006B")]);
        assert_eq!(past.answer("http", read).as_deref(), Some("read"));
        assert_eq!(past.answer("http", read), None, "once");
        assert_eq!(past.answer_like(&entry(other, "", "006B")).as_deref(), Some("made B"));
        assert_eq!(past.answer("http", first).as_deref(), Some("made A"));
        assert_eq!(past.answer("http", first), None, "given already, to the other effect");
        assert_eq!(past.answer_like(&entry(other, "", "006C")), None);
        assert_eq!(past.answer_like(&entry(r#"{"slot":"b1","method":"GET","path":"/Orders"}"#, "", "006B")), None);
    }

    #[test]
    fn a_read_of_the_same_records_with_more_fields_adds_these_and_changes_nothing_else() {
        let ask = |path: &str| json!({ "slot": "s", "method": "GET", "path": path }).to_string();
        let then = ask("/query?q=SELECT+Id,(SELECT+Id+FROM+Lines)+FROM+Opportunity+WHERE+Name%3D'a+FROM+b'");
        let now = ask("/query?q=SELECT+Id,NextStep,(SELECT+Id,X+FROM+Lines)+FROM+Opportunity+WHERE+Name%3D'a+FROM+b'");
        let other = ask("/query?q=SELECT+Id+FROM+Opportunity+WHERE+Name%3D'c'");
        let mut past = Past::of(&[entry(&then, "then", "")]);
        assert_eq!(past.answer_about(&entry(&other, "", "")), None);
        assert_eq!(past.fields_not_read(&entry(&other, "", "")), [""; 0], "not those records");
        assert_eq!(past.fields_not_read(&entry(&now, "", "")), ["NextStep", "Lines.X"]);
        assert_eq!(past.answer_about(&entry(&now, "", "")).as_deref(), Some("then"));
        // What reads less finds its fields in what was read.
        let mut past = Past::of(&[entry(&then, "then", ""), entry(&now, "now", "")]);
        let fewer = ask("/query?q=SELECT+NextStep+FROM+Opportunity+WHERE+Name%3D'a+FROM+b'");
        assert_eq!(past.answer_wider(&entry(&fewer, "", "")).as_deref(), Some("now"));
        assert_eq!(past.answer_wider(&entry(&fewer, "", "")), None, "once, and not from one without it");
        let (one, more) = (ask("/Items('A')?$select=ItemCode"), ask("/Items('A')?$select=ItemCode,U_X"));
        assert_eq!(Past::of(&[entry(&one, "it", "")]).answer_about(&entry(&more, "", "")).as_deref(), Some("it"));

        let then =
            json!({ "records": [{ "Id": "1", "Name": "old", "Lines": { "records": [{ "Id": "l", "Q": 1 }] } }] });
        let now = json!({ "records": [
            { "Id": "2", "Name": "new" },
            { "Id": "1", "Name": "changed", "NextStep": "call", "Lines": { "records": [{ "Id": "l", "Q": 2, "X": 3 }] } },
        ] });
        assert_eq!(
            with_more_fields(&then, &now),
            json!({ "records": [
                { "Id": "1", "Name": "old", "Lines": { "records": [{ "Id": "l", "Q": 1, "X": 3 }] }, "NextStep": "call" },
            ] })
        );
        // A line that was put in before the others moves none of them.
        let then = json!([{ "LineNum": 0, "ItemCode": "A" }, { "LineNum": 1, "ItemCode": "A" }, { "Text": "x" }]);
        let now = json!([{ "LineNum": 1, "U_X": 1 }, { "LineNum": 0, "U_X": 0 }, { "Text": "y", "U_X": 2 }]);
        assert_eq!(
            with_more_fields(&then, &now),
            json!([{ "LineNum": 0, "ItemCode": "A", "U_X": 0 }, { "LineNum": 1, "ItemCode": "A", "U_X": 1 }, { "Text": "x" }])
        );
    }
}
