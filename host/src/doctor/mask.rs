//! What must not leave the house: secrets, names, addresses of people, and whatever a text that others wrote may say of them.

use std::collections::HashSet;

use regex::Regex;
use serde_json::Value;

/// In place of what is left out.
pub const DOTS: &str = "•••";
/// Words that say nothing of anybody: of free text these alone are shown.
const WORDS: &str = include_str!("words.txt");
/// A name that everybody has says nothing, and stands in every line.
const COMMON: [&str; 2] = ["admin", "tandem"];
/// Digits of a number that is shown: statuses and counts, no telephone numbers, codes or dates.
const DIGITS: usize = 3;

/// See the module's words.
pub struct Mask {
    /// Secrets, and names of people, the longest first.
    hidden: Vec<String>,
    email: Regex,
    words: HashSet<&'static str>,
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
        Ok(Self { hidden, email, words: WORDS.split_whitespace().collect() })
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
        let mut shown: Vec<String> = Vec::new();
        for token in self.text(text).split_whitespace() {
            let core = token.trim_matches(|c: char| c.is_ascii_punctuation() && !matches!(c, '-' | '_'));
            let word = if core.is_empty() { None } else { self.known(core) };
            match word {
                Some(word) => {
                    let end = if token.ends_with([':', ',', ';', '.']) { &token[token.len() - 1..] } else { "" };
                    shown.push(format!("{word}{end}"));
                }
                None if shown.last().is_some_and(|last| last == "…") => {}
                None => shown.push("…".into()),
            }
        }
        shown.join(" ")
    }

    fn known<'a>(&self, core: &'a str) -> Option<&'a str> {
        let is_number = |text: &str, most: usize| {
            let begins = text == "0" || text.starts_with(|c: char| matches!(c, '1'..='9'));
            begins && text.len() <= most && text.bytes().all(|b| b.is_ascii_digit())
        };
        // B1's codes are negative.
        let is_code = core.strip_prefix('-').is_some_and(|code| is_number(code, 7));
        let is_word = self.words.contains(core) || self.words.contains(decapitalised(core).as_str());
        (is_word || is_code || is_number(core, DIGITS)).then_some(core)
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

/// As within a sentence; what has other capitals stays as it is.
fn decapitalised(word: &str) -> String {
    let mut letters = word.chars();
    match letters.next() {
        Some(first) if letters.as_str().chars().all(|c| !c.is_uppercase()) => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => match word {
            "B1" | "HTTP" | "HTTPS" | "TLS" | "DNS" | "JSON" | "SQL" | "URL" | "API" => word.to_lowercase(),
            _ => word.to_owned(),
        },
    }
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
    fn of_what_others_wrote_only_words_that_everybody_uses_are_left() {
        let of = |text: &str| mask().words(text);
        assert_eq!(of("Customer Anna Schmidt (030 1234567) is inactive: -5002"), "Customer … is inactive: -5002");
        assert_eq!(
            of("FIELD_CUSTOM_VALIDATION_EXCEPTION: anna schmidt has no tax number"),
            "FIELD_CUSTOM_VALIDATION_EXCEPTION: … has no tax number"
        );
        assert_eq!(of("The connection was refused, 503"), "The connection was refused, 503");
        assert_eq!(of("C_MUELLER"), "…");
    }

    #[test]
    fn a_cause_is_the_key_of_what_was_said() {
        let detail = r#"{"said":[{"key":"orders.over_limit","with":{"customer":"Schmidt"}},{"key":"host.gave_up","with":{"why":"Schmidt: timed out"}}]}"#;
        assert_eq!(mask().cause("Schmidt is over the limit", detail), "orders.over_limit + host.gave_up: … timed out");
        assert_eq!(mask().cause("Schmidt is not found", "{}"), "… is not found");
        assert_eq!(mask().cause("Schmidt", r#"{"said":[{"key":"Hans Schmidt"}]}"#), "…");
    }
}
