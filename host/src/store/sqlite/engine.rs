//! SQLite as an engine of [`crate::store::sql`].

use rusqlite::types::{ToSqlOutput, ValueRef as Stored};
use rusqlite::{Connection, ToSql, params_from_iter};

use crate::store::sql::{Cells, Engine, Row, ValueRef};
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
        Ok(match self.get_ref(column)? {
            Stored::Null => ValueRef::Null,
            Stored::Integer(number) => ValueRef::Integer(number),
            Stored::Blob(bytes) => ValueRef::Blob(bytes),
            Stored::Text(text) => match std::str::from_utf8(text) {
                Ok(text) => ValueRef::Text(text),
                // Whoever wrote that into the file: it is no text.
                Err(_) => ValueRef::Blob(text),
            },
            Stored::Real(number) => return Err(StoreError::Corrupt(format!("{number} in column {column}"))),
        })
    }
}
