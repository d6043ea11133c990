//! Words by which events are found: two vectors of lexemes, as they are, and indexes over them.

use std::ops::Range;

use crate::store::Result;
use crate::store::sql::{Connection, Sought, Words, params};

/// Longer ones are no words that anybody types; PostgreSQL takes none of 2,048 bytes.
const LONGEST: usize = 200;

/// In place of those of before.
pub fn put(db: &Connection, event: i64, words: &Words<'_>) -> Result<()> {
    db.prepare(
        "INSERT INTO words (id, said, told) VALUES (?1, CAST(?2 AS TSVECTOR), CAST(?3 AS TSVECTOR)) \
         ON CONFLICT (id) DO UPDATE SET said = excluded.said, told = excluded.told",
    )
    .execute(params![event, vector(words.said), vector(words.told)])?;
    Ok(())
}

/// See [`crate::store::sql::Engine::with_words`].
pub fn find(db: &Connection, words: &[Sought], in_told: bool, range: Range<i64>, limit: u32) -> Result<Vec<i64>> {
    let searched = if in_told { "(said || told)" } else { "said" };
    db.prepare(format!(
        "SELECT id FROM words WHERE {searched} @@ CAST(?1 AS TSQUERY) AND id < ?2 AND id >= ?3 ORDER BY id DESC LIMIT ?4"
    ))
    .all(params![query(words), range.end, range.start, limit], |row| row.get(0))
}

/// Events that have words, `limit` at most after one.
pub fn events(db: &Connection, after: i64, limit: u32) -> Result<Vec<i64>> {
    db.prepare("SELECT id FROM words WHERE id > ?1 ORDER BY id LIMIT ?2").all(params![after, limit], |row| row.get(0))
}

/// Letters and digits between quotes need no other sign.
fn vector(text: &str) -> String {
    let mut words: Vec<String> = text.split(|c: char| !c.is_alphanumeric()).filter_map(folded).collect();
    words.sort_unstable();
    words.dedup();
    words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ")
}

fn query(words: &[Sought]) -> String {
    let all = words.iter().map(|word| {
        let ending = if word.begins { ":*" } else { "" };
        let any: Vec<String> =
            word.any.iter().filter_map(|one| folded(one)).map(|one| format!("'{one}'{ending}")).collect();
        format!("({})", any.join(" | "))
    });
    all.filter(|one| one != "()").collect::<Vec<_>>().join(" & ")
}

/// In small letters and without their marks, as far as Latin goes; none for nothing.
fn folded(word: &str) -> Option<String> {
    let mut folded = String::with_capacity(word.len());
    for letter in word.chars().flat_map(char::to_lowercase) {
        // A mark that stands apart.
        if ('\u{300}'..='\u{36f}').contains(&letter) {
            continue;
        }
        if folded.len() + letter.len_utf8() > LONGEST {
            break;
        }
        folded.push(plain(letter));
    }
    (!folded.is_empty()).then_some(folded)
}

/// A Latin letter without its mark.
fn plain(letter: char) -> char {
    const PLAIN: [(char, &str); 15] = [
        ('a', "àáâãäåāăą"),
        ('c', "çćĉċč"),
        ('d', "ď"),
        ('e', "èéêëēĕėęě"),
        ('g', "ĝğġģ"),
        ('i', "ìíîïĩīĭį"),
        ('l', "ĺļľ"),
        ('n', "ñńņň"),
        ('o', "òóôõöōŏő"),
        ('r', "ŕŗř"),
        ('s', "śŝşšș"),
        ('t', "ţťț"),
        ('u', "ùúûüũūŭůűų"),
        ('y', "ýÿŷ"),
        ('z', "źżž"),
    ];
    if letter.is_ascii() {
        return letter;
    }
    PLAIN.iter().find(|(_, marked)| marked.contains(letter)).map_or(letter, |(plain, _)| *plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sql::{Keys, search::sought};

    #[test]
    fn whatever_is_typed_is_no_syntax_and_marks_do_not_count() {
        let query = |typed: &str| query(&sought(typed, &Keys::none()));
        assert_eq!(query("Müller & Co. 'x"), "('muller':*) & ('co':*) & ('x')");
        assert_eq!(query("a\\ | !b:*"), "('a') & ('b')");
        assert_eq!(vector("Žižkov, Müller-Lüdenscheidt müller"), "'ludenscheidt' 'muller' 'zizkov'");
    }
}
