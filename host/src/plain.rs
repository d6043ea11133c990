//! What plugins and files say, made fit to be read: by people, on terminals, line by line, and no longer than anyone reads.

use std::borrow::Cow;

/// Letters of a text that says why something cannot be used.
const MOST_CAUSE: usize = 600;

/// True for what writes no line of its own, moves no cursor and turns no text around.
pub fn is_plain(c: char) -> bool {
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !c.is_control() && !turns && !matches!(c, '\u{2028}' | '\u{2029}')
}

/// One line.
pub fn one_line(text: &str) -> Cow<'_, str> {
    escaped(text, |c| if c == '\t' { Some(' ') } else { is_plain(c).then_some(c) })
}

/// A text of lines, cut off after so many bytes.
pub fn readable(text: String, most: usize) -> String {
    let kept = |c: char| (is_plain(c) || matches!(c, '\n' | '\t')).then_some(c);
    let (begin, cut) = beginning(&text, most);
    match escaped(begin, kept) {
        Cow::Borrowed(_) if !cut => text,
        plain => ended(plain, cut),
    }
}

/// The known name that was probably meant.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', ' '], "_");
    let (name, most) = (plain(name), (name.chars().count() / 3).max(1));
    let distance = |known: &&'a str| (strsim::osa_distance(&name, &plain(known)), *known);
    known.iter().map(distance).filter(|(distance, _)| *distance <= most).min().map(|(_, known)| known)
}

/// What a failure inside a plugin, or on its way in, is told as.
pub fn cause(error: &impl std::fmt::Display) -> String {
    // Causes come in more than one line, and name functions as the plugin does.
    let text = format!("{error:#}");
    let (begin, cut) = beginning(&text, MOST_CAUSE);
    let words: Vec<&str> = begin.split_whitespace().collect();
    ended(one_line(&words.join(" ")), cut)
}

fn beginning(text: &str, most: usize) -> (&str, bool) {
    let end = text.floor_char_boundary(most);
    (&text[..end], end < text.len())
}

fn ended(text: Cow<'_, str>, cut: bool) -> String {
    let mut text = text.into_owned();
    if cut {
        text.push('…');
    }
    text
}

/// What `kept` gives for each letter, and its escape where it gives none.
fn escaped(text: &str, kept: impl Fn(char) -> Option<char>) -> Cow<'_, str> {
    if text.chars().all(|c| kept(c) == Some(c)) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match kept(letter) {
            Some(c) => plain.push(c),
            None => plain.extend(letter.escape_unicode()),
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugins_words_are_one_line_without_escapes() {
        assert_eq!(one_line("Grüße, 3\t4"), "Grüße, 3 4");
        assert_eq!(
            one_line("a\n2026 ERROR forged\r\u{1b}[2J\u{2028}\u{202e}b"),
            "a\\u{a}2026 ERROR forged\\u{d}\\u{1b}[2J\\u{2028}\\u{202e}b"
        );
    }

    #[test]
    fn a_text_keeps_its_lines_and_is_cut_between_letters() {
        assert_eq!(readable("two\nlines".into(), 100), "two\nlines");
        assert_eq!(readable("a\u{0}b\u{1b}c".into(), 100), "a\\u{0}b\\u{1b}c");
        assert_eq!(readable("üüü".into(), 3), "ü…");
    }
}
