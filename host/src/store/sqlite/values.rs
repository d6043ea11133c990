//! Everywhere in the database where values of records lie: one list, for those who go through all of them.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::store::Result;

/// A column with values of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Column {
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

pub(super) const PAYLOADS: Column = column("events", "payload", "events.payload", EVENT, &["id"]);
pub(super) const REASONS: Column = column("events", "reason", "events.reason", EVENT, &["id"]);
pub(super) const DETAILS: Column = column("events", "detail", "events.detail", EVENT, &["id"]);
pub(super) const REQUESTS: Column = column("journal", "request", "journal.request", CALL, CALL);
pub(super) const RESPONSES: Column = column("journal", "response", "journal.response", CALL, CALL);
pub(super) const PACKED: Column = column("packed", "entries", "packed", &["run"], &["run"]);
pub(super) const BASES: Column =
    column("links", "base", "links", &["scope", "kind", "salesforce_id"], &["scope", "kind", "salesforce_id"]);
pub(super) const STORAGE: Column = column("storage", "value", "storage", &["flow", "key"], &["flow", "key"]);
pub(super) const WAKES: Column = column("wakes", "payload", "wakes", &["flow", "key"], &["id"]);
pub(super) const NOTES: Column = column("notes", "note", "notes", &["event"], &["event"]);

pub(super) const ERRORS: Column = column("runs", "error", "runs.error", &["id"], &["id"]);

/// All of them.
pub(super) const ALL: [Column; 11] =
    [PAYLOADS, REASONS, DETAILS, REQUESTS, RESPONSES, PACKED, BASES, STORAGE, WAKES, NOTES, ERRORS];

/// Where a row stands.
pub(super) type Key = Vec<Value>;

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
        let mut select = db.prepare_cached(&sql)?;
        let rows = select.query_map(params_from_iter(after), |row| {
            let key = (0..width).map(|place| row.get(place)).collect::<rusqlite::Result<Key>>()?;
            Ok((key, row.get(width)?))
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// One row's value, opened.
    pub fn get(&self, db: &Connection, key: &Key) -> Result<Option<Value>> {
        use rusqlite::OptionalExtension;
        let sql = format!("SELECT {} FROM {} WHERE {}", self.opened(), self.table, self.is_row(1));
        let value = db.prepare_cached(&sql)?.query_row(params_from_iter(key), |row| row.get(0)).optional()?;
        Ok(value)
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
        let with = std::iter::once(&value).chain(key);
        Ok(db.prepare_cached(&sql)?.execute(params_from_iter(with))? > 0)
    }

    /// Rows after one that are not sealed with this key, in their order; the last one that was looked at.
    pub fn unsealed(&self, db: &Connection, current: &str, after: &Key, limit: u32) -> Result<Vec<Key>> {
        let columns = self.key.join(", ");
        let width = self.key.len();
        let after_row: Vec<String> = (1..=width).map(|place| format!("?{place}")).collect();
        let sql = format!(
            "SELECT {columns} FROM {} WHERE ({columns}) > ({}) AND {} IS NOT NULL AND sealed_by({}) IS NOT ?{} \
             ORDER BY {columns} LIMIT {limit}",
            self.table,
            after_row.join(", "),
            self.column,
            self.column,
            width + 1
        );
        let current = Value::Text(current.to_owned());
        let with = after.iter().chain(std::iter::once(&current));
        let mut select = db.prepare_cached(&sql)?;
        let rows = select.query_map(params_from_iter(with), |row| {
            (0..width).map(|place| row.get(place)).collect::<rusqlite::Result<Key>>()
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
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
        db.prepare_cached(&sql)?.execute(params_from_iter(key))?;
        Ok(())
    }

    /// How many rows there are.
    pub fn rows(&self, db: &Connection) -> Result<u64> {
        let count: i64 = db.query_row(&format!("SELECT count(*) FROM {}", self.table), [], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }
}
