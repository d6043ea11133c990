//! SQLite as an engine of [`crate::store::sql`].

use std::ops::Range;
use std::time::Instant;

use rusqlite::types::{ToSqlOutput, ValueRef as Stored};
use rusqlite::{Connection, ToSql, params_from_iter};

use super::words;
use crate::store::sql::retention::BITE;
use crate::store::sql::{Cells, Engine, NONE, Row, Sought, Value, ValueRef, Words};
use crate::store::{Result, StoreError};

impl Engine for Connection {
    fn run(&self, sql: &str, with: &[ValueRef<'_>]) -> Result<usize> {
        Ok(self.prepare_cached(sql)?.execute(params_from_iter(with.iter().map(Bound)))?)
    }

    fn rows(&self, sql: &str, with: &[ValueRef<'_>], take: &mut dyn FnMut(&Row<'_>) -> Result<bool>) -> Result<()> {
        let mut statement = self.prepare_cached(sql)?;
        let mut rows = statement.query(params_from_iter(with.iter().map(Bound)))?;
        while let Some(row) = rows.next()? {
            if !take(&Row::of(row))? {
                break;
            }
        }
        Ok(())
    }

    fn last_line(&self) -> Result<i64> {
        let select = said(self).prepare("SELECT seq FROM sqlite_sequence WHERE name = 'acts'");
        Ok(select.first(NONE, |row| row.get(0))?.unwrap_or(0))
    }

    fn put_words(&self, event: i64, own: &Words<'_>) -> Result<()> {
        words::put(said(self), event, own)
    }

    fn with_words(&self, sought: &[Sought], in_told: bool, range: Range<i64>, limit: u32) -> Result<Vec<i64>> {
        words::find(said(self), sought, in_told, range, limit)
    }

    fn worded(&self, after: i64, limit: u32) -> Result<Vec<i64>> {
        words::events(said(self), after, limit)
    }

    /// Of all tables and indexes.
    fn used_bytes(&self) -> Result<u64> {
        let pragma = |name: &str| said(self).prepare(format!("PRAGMA {name}")).one(NONE, |row| row.get::<i64>(0));
        let used = (pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?;
        Ok(used.unsigned_abs())
    }

    /// Free pages, to the file system.
    fn give_back(&self) -> Result<bool> {
        let started = Instant::now();
        // A page a step: the statement must be stepped to its end.
        let mut is_more = false;
        said(self).prepare("PRAGMA incremental_vacuum").each(NONE, |_| {
            is_more = started.elapsed() >= BITE;
            Ok(!is_more)
        })?;
        Ok(is_more)
    }
}

fn said(connection: &Connection) -> &crate::store::sql::Connection {
    connection
}

/// A parameter.
struct Bound<'a>(&'a ValueRef<'a>);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self.0 {
            ValueRef::Null => Stored::Null,
            ValueRef::Integer(number) => Stored::Integer(number),
            ValueRef::Text(text) => Stored::Text(text.as_bytes()),
            ValueRef::Blob(bytes) => Stored::Blob(bytes),
        }))
    }
}

impl Cells for rusqlite::Row<'_> {
    fn place(&self, name: &str) -> Result<usize> {
        Ok(self.as_ref().column_index(name)?)
    }

    fn cell(&self, column: usize) -> Result<ValueRef<'_>> {
        as_value(self.get_ref(column)?)
    }
}

/// A value as all engines know it.
pub fn as_value(stored: Stored<'_>) -> Result<ValueRef<'_>> {
    Ok(match stored {
        Stored::Null => ValueRef::Null,
        Stored::Integer(number) => ValueRef::Integer(number),
        Stored::Blob(bytes) => ValueRef::Blob(bytes),
        Stored::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => ValueRef::Text(text),
            // Whoever wrote that into the file: it is no text.
            Err(_) => ValueRef::Blob(text),
        },
        Stored::Real(number) => return Err(StoreError::Corrupt(format!("{number} in a column of whole numbers"))),
    })
}

/// A value as SQLite knows it.
pub fn into_value(value: Value) -> rusqlite::types::Value {
    match value {
        Value::Null => rusqlite::types::Value::Null,
        Value::Integer(number) => rusqlite::types::Value::Integer(number),
        Value::Text(text) => rusqlite::types::Value::Text(text),
        Value::Blob(bytes) => rusqlite::types::Value::Blob(bytes),
    }
}
