//! A text that others wrote, or that tells of records, without whatever it may say of anybody.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Words that say nothing of anybody: of free text these alone are shown.
const WORDS: &str = include_str!("bare-words.txt");
/// Digits of a number that is shown: statuses and counts, no telephone numbers, codes or dates.
const DIGITS: usize = 3;

static KNOWN: LazyLock<HashSet<&str>> = LazyLock::new(|| WORDS.split_whitespace().collect());

/// Only words that everybody uses, codes of errors and small numbers.
pub fn words(text: &str) -> String {
    let mut shown: Vec<String> = Vec::new();
    for token in text.split_whitespace() {
        let core = token.trim_matches(|c: char| c.is_ascii_punctuation() && !matches!(c, '-' | '_'));
        let word = if core.is_empty() { None } else { known(core) };
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

fn known(core: &str) -> Option<&str> {
    let is_number = |text: &str, most: usize| {
        let begins = text == "0" || text.starts_with(|c: char| matches!(c, '1'..='9'));
        begins && text.len() <= most && text.bytes().all(|b| b.is_ascii_digit())
    };
    // B1's codes are negative.
    let is_code = core.strip_prefix('-').is_some_and(|code| is_number(code, 7));
    let is_word = KNOWN.contains(core) || KNOWN.contains(decapitalised(core).as_str());
    (is_word || is_code || is_number(core, DIGITS)).then_some(core)
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
    use super::words;

    #[test]
    fn only_words_that_everybody_uses_are_left() {
        assert_eq!(words("Customer Anna Schmidt (030 1234567) is inactive: -5002"), "Customer … is inactive: -5002");
        assert_eq!(
            words("FIELD_CUSTOM_VALIDATION_EXCEPTION: anna schmidt has no tax number"),
            "FIELD_CUSTOM_VALIDATION_EXCEPTION: … has no tax number"
        );
        assert_eq!(words("The connection was refused, 503"), "The connection was refused, 503");
        assert_eq!(words("C_MUELLER"), "…");
    }
}
