//! Words by which events are found: an index of FTS5.

use std::ops::Range;

use crate::store::Result;
use crate::store::sql::{Connection, Sought, Words, params};

/// In place of those of before.
pub fn put(db: &Connection, event: i64, words: &Words<'_>) -> Result<()> {
    db.prepare("INSERT OR REPLACE INTO words (rowid, said, told) VALUES (?1, ?2, ?3)")
        .execute(params![event, words.said, words.told])?;
    Ok(())
}

/// See [`crate::store::sql::Engine::with_words`].
pub fn find(db: &Connection, words: &[Sought], in_told: bool, range: Range<i64>, limit: u32) -> Result<Vec<i64>> {
    let select = db.prepare(
        "SELECT rowid FROM words WHERE words MATCH ?1 AND rowid < ?2 AND rowid >= ?3 ORDER BY rowid DESC LIMIT ?4",
    );
    match select.all(params![as_query(words, in_told), range.end, range.start, limit], |row| row.get(0)) {
        // Signs that SQLite takes for the end of a word, and we do not.
        Err(error) if error.to_string().contains("phrase queries") => Ok(Vec::new()),
        found => found,
    }
}

/// Events that have words, `limit` at most after one.
pub fn events(db: &Connection, after: i64, limit: u32) -> Result<Vec<i64>> {
    db.prepare("SELECT id FROM words_docsize WHERE id > ?1 ORDER BY id LIMIT ?2")
        .all(params![after, limit], |row| row.get(0))
}

/// As FTS5 reads it.
fn as_query(words: &[Sought], in_told: bool) -> String {
    let all: Vec<String> = words
        .iter()
        .map(|word| {
            let star = if word.begins { "*" } else { "" };
            let any: Vec<String> = word.any.iter().map(|one| format!("\"{one}\"{star}")).collect();
            match any.as_slice() {
                [one] => one.clone(),
                any => format!("({})", any.join(" OR ")),
            }
        })
        .collect();
    let all = all.join(" AND ");
    if in_told { all } else { format!("{{said}} : ({all})") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sql::{Keys, search::sought};

    #[test]
    fn whatever_is_typed_is_no_syntax() {
        let query = |typed: &str, in_told| as_query(&sought(typed, &Keys::none()), in_told);
        assert_eq!(query("Meier GmbH & Co. KG", true), r#""Meier"* AND "GmbH"* AND "Co"* AND "KG"*"#);
        assert_eq!(query("a\" OR text:x*", false), r#"{said} : ("a" AND "OR"* AND "text"* AND "x")"#);
        assert!(sought(" -\"*", &Keys::none()).is_empty());
    }
}
