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
        let is_common = |value: &String| COMMON.contains(&value.to_lowercase().as_str());
        // A secret may have lines; in a text each stands by itself.
        let lines =
            hidden.into_iter().flat_map(|value| value.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>());
        let mut hidden: Vec<String> = lines.filter(|line| line.chars().count() > 2 && !is_common(line)).collect();
        hidden.sort_by_key(|value| std::cmp::Reverse(value.len()));
        hidden.dedup();
        let email = Regex::new(r"[\w.+%'-]+@[\w-]+(?:\.[\w-]+)*")?;
        Ok(Self { hidden, email })
    }

    /// A text of the host's own, without secrets, names and addresses that are known as such.
    pub fn text(&self, text: &str) -> String {
        let mut shown = text.to_owned();
        for value in &self.hidden {
            shown = shown.replace(value.as_str(), DOTS);
        }
        self.email.replace_all(&shown, DOTS).into_owned()
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
    fn a_cause_is_the_key_of_what_was_said() {
        let detail = r#"{"said":[{"key":"orders.over_limit","with":{"customer":"Schmidt"}},{"key":"host.gave_up","with":{"why":"Schmidt: timed out"}}]}"#;
        assert_eq!(mask().cause("Schmidt is over the limit", detail), "orders.over_limit + host.gave_up: … timed out");
        assert_eq!(mask().cause("Schmidt is not found", "{}"), "… is not found");
        assert_eq!(mask().cause("Schmidt", r#"{"said":[{"key":"Hans Schmidt"}]}"#), "…");
    }
}
