//! What must not leave the house: secrets, names, addresses of people, and whatever a text that others wrote may say of them.

use regex::Regex;
use serde_json::Value;

use crate::bare;

/// In place of what is left out.
pub const DOTS: &str = "•••";
/// A name that everybody has says nothing, and stands in every line.
const COMMON: [&str; 2] = ["admin", "tandem"];

/// See the module's words.
pub struct Mask {
    /// Secrets, and names of people, the longest first.
    hidden: Vec<String>,
    email: Regex,
}

impl Mask {
    /// That hides these values wherever they stand.
    pub fn new(hidden: impl IntoIterator<Item = String>) -> Result<Self, regex::Error> {
        let email = Regex::new(r"[\w.+%'-]+@[\w-]+(?:\.[\w-]+)*")?;
        Ok(Self { hidden: Vec::new(), email }.and(hidden))
    }

    /// This one, which hides these values, too.
    pub fn and(&self, hidden: impl IntoIterator<Item = String>) -> Self {
        let mut hidden: Vec<String> = self.hidden.iter().cloned().chain(lines_of(hidden)).collect();
        hidden.sort_by_key(|value| std::cmp::Reverse(value.len()));
        hidden.dedup();
        Self { hidden, email: self.email.clone() }
    }

    /// A text of the host's own, without secrets, names and addresses that are known as such.
    pub fn text(&self, text: &str) -> String {
        let mut shown = text.to_owned();
        for value in &self.hidden {
            shown = shown.replace(value.as_str(), DOTS);
        }
        self.email.replace_all(&shown, DOTS).into_owned()
    }

    /// What is given as JSON, each text by itself: how JSON writes a letter hides nothing from the mask.
    pub fn json(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => items.iter().map(|item| self.json(item)).collect(),
            Value::Object(fields) => fields
                .iter()
                .map(|(name, value)| (self.text(name), self.json(value)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            plain => plain.clone(),
        }
    }

    /// A text that others wrote, or that tells of records: only words that everybody uses, codes of errors and small numbers.
    pub fn words(&self, text: &str) -> String {
        bare::words(&self.text(text))
    }

    /// Why an event is where it is, whichever record it is about: the keys of what its flow says, else the words that everybody uses.
    pub fn cause(&self, reason: &str, detail: &str) -> String {
        let detail: Value = serde_json::from_str(detail).unwrap_or_default();
        let said: Vec<String> =
            detail["said"].as_array().into_iter().flatten().filter_map(|said| self.said(said)).collect();
        if said.is_empty() { self.words(reason) } else { said.join(" + ") }
    }

    fn said(&self, said: &Value) -> Option<String> {
        let key = said["key"].as_str().filter(|key| is_key(key))?;
        let why = ["why", "error", "what"].iter().find_map(|name| said["with"][*name].as_str());
        Some(why.map_or_else(|| key.to_owned(), |why| format!("{key}: {}", self.words(why))))
    }
}

/// A secret may have lines; in a text each stands by itself.
fn lines_of(hidden: impl IntoIterator<Item = String>) -> Vec<String> {
    let is_told = |line: &str| line.chars().count() <= 2 || COMMON.contains(&line.to_lowercase().as_str());
    let texts: Vec<String> = hidden.into_iter().collect();
    texts.iter().flat_map(|text| text.lines().map(str::trim)).filter(|line| !is_told(line)).map(str::to_owned).collect()
}

fn is_key(text: &str) -> bool {
    text.contains('.') && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask() -> Mask {
        Mask::new(["S3cr3t!".into(), "first line\nsecond-line-of-a-key".into(), "hmueller".into(), "tandem".into()])
            .unwrap()
    }

    #[test]
    fn secrets_names_and_addresses_are_dots_wherever_they_stand() {
        let told = mask()
            .text("user hmueller, key second-line-of-a-key, pw=S3cr3t!x, h.mueller+b1@example.co.uk; tandem runs");
        for gone in ["hmueller", "second-line", "S3cr3t", "example.co.uk"] {
            assert!(!told.contains(gone), "{gone}: {told}");
        }
        assert!(told.ends_with("tandem runs"), "{told}");
    }

    #[test]
    fn json_is_masked_before_it_is_written() {
        let mask = Mask::new(["a\"b\\c".to_owned()]).unwrap();
        let told = mask.json(&serde_json::json!({ "x": ["it is a\"b\\c", 3], "a\"b\\c": true })).to_string();
        assert_eq!(told, format!("{{\"x\":[\"it is {DOTS}\",3],\"{DOTS}\":true}}"));
    }

    #[test]
    fn a_cause_is_the_key_of_what_was_said() {
        let detail = r#"{"said":[{"key":"orders.over_limit","with":{"customer":"Schmidt"}},{"key":"host.gave_up","with":{"why":"Schmidt: timed out"}}]}"#;
        assert_eq!(mask().cause("Schmidt is over the limit", detail), "orders.over_limit + host.gave_up: … timed out");
        assert_eq!(mask().cause("Schmidt is not found", "{}"), "… is not found");
        assert_eq!(mask().cause("Schmidt", r#"{"said":[{"key":"Hans Schmidt"}]}"#), "…");
    }
}
