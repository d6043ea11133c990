//! Journal entries made by hand: they move a partner's balance and leave its `UpdateDate` alone.

use rust_decimal::Decimal;
use serde_json::Value;

use super::Refusal;
use super::database::{Database, Key, Record};
use super::documents::{Rules, change_partner};
use super::odata::decimal;
use super::schema;

/// `POST JournalEntries`.
pub fn create(db: &mut Database, rules: &Rules, body: &Record) -> Result<Key, Refusal> {
    let mut entry = schema::check(db, "JournalEntry", "", body)?;
    let lines = entry.get("JournalEntryLines").and_then(Value::as_array).cloned().unwrap_or_default();
    let moved =
        |line: &Value| decimal(&line["Debit"]).unwrap_or_default() - decimal(&line["Credit"]).unwrap_or_default();
    if lines.is_empty() || !lines.iter().map(moved).sum::<Decimal>().is_zero() {
        return Err(Refusal::new(400, -5002, "Unbalanced Transaction [OJDT]".into()));
    }
    for line in &lines {
        // A row of an account names that; one of a partner names the partner.
        let name = line["ShortName"].as_str().unwrap_or_default();
        change_partner(db, &Key::Text(name.to_owned()), "CurrentAccountBalance", moved(line));
    }
    let number = db.number("journal entries", 1);
    entry.insert("JdtNum".into(), number.into());
    entry.entry("ReferenceDate").or_insert(format!("{}T00:00:00Z", rules.today).into());
    let key = Key::Number(number);
    db.put("JournalEntries", key.clone(), entry);
    Ok(key)
}
