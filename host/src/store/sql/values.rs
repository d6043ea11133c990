//! Everywhere in the database where values of records lie: one list, for those who go through all of them.

use super::statement::{Connection, NONE};
use super::value::Value;
use crate::store::Result;

/// A column with values of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Column {
    pub table: &'static str,
    pub column: &'static str,
    /// What its values are sealed as.
    name: &'static str,
    /// The columns that they are sealed with.
    row: &'static [&'static str],
    /// The columns by which its rows are gone through.
    pub key: &'static [&'static str],
}

const fn column(
    table: &'static str,
    column: &'static str,
    name: &'static str,
    row: &'static [&'static str],
    key: &'static [&'static str],
) -> Column {
    Column { table, column, name, row, key }
}

const EVENT: &[&str] = &["flow", "topic", "dedup"];
const CALL: &[&str] = &["run", "seq", "item"];

pub(in crate::store) const PAYLOADS: Column = column("events", "payload", "events.payload", EVENT, &["id"]);
pub(in crate::store) const REASONS: Column = column("events", "reason", "events.reason", EVENT, &["id"]);
pub(in crate::store) const DETAILS: Column = column("events", "detail", "events.detail", EVENT, &["id"]);
pub(in crate::store) const REQUESTS: Column = column("journal", "request", "journal.request", CALL, CALL);
pub(in crate::store) const RESPONSES: Column = column("journal", "response", "journal.response", CALL, CALL);
pub(in crate::store) const PACKED: Column = column("packed", "entries", "packed", &["run"], &["run"]);
pub(in crate::store) const BASES: Column =
    column("links", "base", "links", &["scope", "kind", "salesforce_id"], &["scope", "kind", "salesforce_id"]);
pub(in crate::store) const STORAGE: Column = column("storage", "value", "storage", &["flow", "key"], &["flow", "key"]);
pub(in crate::store) const WAKES: Column = column("wakes", "payload", "wakes", &["flow", "key"], &["id"]);
pub(in crate::store) const NOTES: Column = column("notes", "note", "notes", &["event"], &["event"]);

pub(in crate::store) const ERRORS: Column = column("runs", "error", "runs.error", &["id"], &["id"]);

/// All of them.
pub(in crate::store) const ALL: [Column; 11] =
    [PAYLOADS, REASONS, DETAILS, REQUESTS, RESPONSES, PACKED, BASES, STORAGE, WAKES, NOTES, ERRORS];

/// Where a row stands.
pub(in crate::store) type Key = Vec<Value>;

impl Column {
    /// Before the first row.
    pub fn start(&self) -> Key {
        let first = |name: &&str| match *name {
            "id" | "run" | "seq" | "item" | "event" => Value::Integer(-1),
            _ => Value::Text(String::new()),
        };
        self.key.iter().map(first).collect()
    }

    fn opened(&self) -> String {
        format!("unseal('{}', {}, {})", self.name, self.row.join(", "), self.column)
    }

    fn is_row(&self, from: usize) -> String {
        let terms = self.key.iter().enumerate().map(|(place, name)| format!("{name} = ?{}", place + from));
        terms.collect::<Vec<_>>().join(" AND ")
    }

    /// Rows that have a value, after one, in their order: opened.
    pub fn page(&self, db: &Connection, after: &Key, limit: u32) -> Result<Vec<(Key, Value)>> {
        let columns = self.key.join(", ");
        let after_row: Vec<String> = (1..=self.key.len()).map(|place| format!("?{place}")).collect();
        let sql = format!(
            "SELECT {columns}, {} FROM {} WHERE ({columns}) > ({}) AND {} IS NOT NULL ORDER BY {columns} LIMIT {limit}",
            self.opened(),
            self.table,
            after_row.join(", "),
            self.column,
        );
        let width = self.key.len();
        let select = db.prepare(&sql);
        let rows = select.all::<_, Vec<_>>(after, |row| {
            let key = (0..width).map(|place| row.get(place)).collect::<Result<Key>>()?;
            Ok((key, row.get(width)?))
        })?;
        Ok(rows)
    }

    /// One row's value, opened.
    pub fn get(&self, db: &Connection, key: &Key) -> Result<Option<Value>> {
        let sql = format!("SELECT {} FROM {} WHERE {}", self.opened(), self.table, self.is_row(1));
        db.prepare(&sql).first(key, |row| row.get(0))
    }

    /// Puts another value there, sealed; false where the row is gone.
    pub fn put(&self, db: &Connection, key: &Key, value: Value) -> Result<bool> {
        let sql = format!(
            "UPDATE {} SET {} = seal('{}', {}, ?1) WHERE {}",
            self.table,
            self.column,
            self.name,
            self.row.join(", "),
            self.is_row(2)
        );
        let with: Key = std::iter::once(&value).chain(key).cloned().collect();
        Ok(db.prepare(&sql).execute(&with)? > 0)
    }

    /// Rows after one that are not sealed with this key, in their order; the last one that was looked at.
    pub fn unsealed(&self, db: &Connection, current: &str, after: &Key, limit: u32) -> Result<Vec<Key>> {
        let columns = self.key.join(", ");
        let width = self.key.len();
        let after_row: Vec<String> = (1..=width).map(|place| format!("?{place}")).collect();
        let sql = format!(
            "SELECT {columns} FROM {} WHERE ({columns}) > ({}) AND {} IS NOT NULL AND sealed_by({}) IS DISTINCT FROM ?{} \
             ORDER BY {columns} LIMIT {limit}",
            self.table,
            after_row.join(", "),
            self.column,
            self.column,
            width + 1
        );
        let current = Value::Text(current.to_owned());
        let with: Key = after.iter().chain(std::iter::once(&current)).cloned().collect();
        let select = db.prepare(&sql);
        let rows =
            select.all::<_, Vec<_>>(&with, |row| (0..width).map(|place| row.get(place)).collect::<Result<Key>>())?;
        Ok(rows)
    }

    /// Seals a row's value anew, with the key that seals now.
    pub fn reseal(&self, db: &Connection, key: &Key) -> Result<()> {
        let sql = format!(
            "UPDATE {} SET {} = seal('{}', {}, {}) WHERE {}",
            self.table,
            self.column,
            self.name,
            self.row.join(", "),
            self.opened(),
            self.is_row(1)
        );
        db.prepare(&sql).execute(key)?;
        Ok(())
    }

    /// How many rows there are.
    pub fn rows(&self, db: &Connection) -> Result<u64> {
        let count: i64 = db.prepare(format!("SELECT count(*) FROM {}", self.table)).one(NONE, |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }
}
