//! Statements, said to whichever engine keeps the store. An engine knows how to run one ([`Engine`]); what is said and what is made of the rows stands once
//! for all of them.

use super::value::{FromSql, ToSql, Value, ValueRef};
use crate::store::{Result, StoreError};

/// A connection within a transaction.
pub type Connection = dyn Engine;

/// What an engine does for a connection. Parameters stand as `?1`, `?2`, … in a statement. What is said is what all engines understand alike; the rest
/// has a method of its own.
pub trait Engine {
    /// Runs a statement that gives no rows; how many it touched.
    fn run(&self, sql: &str, with: &[ValueRef<'_>]) -> Result<usize>;
    /// Runs a statement and hands over its rows, one after the other, until it is told that this is enough (`false`).
    fn rows(&self, sql: &str, with: &[ValueRef<'_>], take: &mut dyn FnMut(&Row<'_>) -> Result<bool>) -> Result<()>;

    /// The last number that was given to a line of the audit trail, whether it is there still; 0 before the first.
    fn last_line(&self) -> Result<i64>;
    /// Keeps the words by which an event is found, in place of those of before.
    fn put_words(&self, event: i64, words: &Words<'_>) -> Result<()>;
    /// Events with all of these words and with ids in `range`, newest first, `limit` at most. `in_told`: also by what was told.
    fn with_words(&self, words: &[Sought], in_told: bool, range: std::ops::Range<i64>, limit: u32) -> Result<Vec<i64>>;
    /// Events that have words, `limit` at most after one.
    fn worded(&self, after: i64, limit: u32) -> Result<Vec<i64>>;
    /// Bytes that hold something; 0 where whoever runs the database watches that.
    fn used_bytes(&self) -> Result<u64>;
    /// Gives free room back, as much as one bite takes; true while there is more.
    fn give_back(&self) -> Result<bool>;
}

/// Words of an event.
pub struct Words<'a> {
    /// Its key and what became of it.
    pub said: &'a str,
    /// Short texts of what was told.
    pub told: &'a str,
}

/// A word that is looked for.
pub struct Sought {
    /// One of these is there: letters and digits.
    pub any: Vec<String>,
    /// It may go on behind them.
    pub begins: bool,
}

/// A row, as its engine has it.
pub trait Cells {
    /// Where the column of that name stands, from 0 on.
    fn place(&self, name: &str) -> Result<usize>;
    /// The value in a column.
    fn cell(&self, column: usize) -> Result<ValueRef<'_>>;
}

/// A column: its place, from 0 on, or its name.
pub trait Column {
    /// Its place in that row.
    fn place(self, row: &Row<'_>) -> Result<usize>;
}

impl Column for usize {
    fn place(self, _: &Row<'_>) -> Result<usize> {
        Ok(self)
    }
}

impl Column for &str {
    fn place(self, row: &Row<'_>) -> Result<usize> {
        row.0.place(self)
    }
}

/// A row.
pub struct Row<'a>(&'a dyn Cells);

impl<'a> Row<'a> {
    /// Of an engine.
    pub fn of(cells: &'a dyn Cells) -> Self {
        Self(cells)
    }

    /// The value in a column.
    pub fn get<T: FromSql>(&self, column: impl Column) -> Result<T> {
        let column = column.place(self)?;
        let value = self.0.cell(column)?;
        T::from_sql(value).ok_or_else(|| StoreError::Corrupt(format!("{value:?} in column {column}")))
    }
}

/// No parameters.
pub const NONE: [i64; 0] = [];

/// Parameters of different types.
macro_rules! params {
    ($($value:expr),* $(,)?) => { &[$(&$value as &dyn $crate::store::sql::ToSql),*] as &[&dyn $crate::store::sql::ToSql] };
}
pub(crate) use params;

/// What stands for `?1`, `?2`, …
pub trait Params {
    /// In their order.
    fn values(&self) -> Vec<ValueRef<'_>>;
}

impl Params for &[&dyn ToSql] {
    fn values(&self) -> Vec<ValueRef<'_>> {
        self.iter().map(|own| own.to_sql()).collect()
    }
}

impl<T: ToSql, const N: usize> Params for [T; N] {
    fn values(&self) -> Vec<ValueRef<'_>> {
        self.iter().map(ToSql::to_sql).collect()
    }
}

impl Params for &Vec<Value> {
    fn values(&self) -> Vec<ValueRef<'_>> {
        self.iter().map(ToSql::to_sql).collect()
    }
}

/// A statement; an engine parses it once.
pub struct Statement<'a> {
    engine: &'a dyn Engine,
    sql: std::borrow::Cow<'a, str>,
}

impl dyn Engine {
    /// A statement that is said more than once.
    pub fn prepare<'a>(&'a self, sql: impl Into<std::borrow::Cow<'a, str>>) -> Statement<'a> {
        Statement { engine: self, sql: sql.into() }
    }
}

impl Statement<'_> {
    /// Runs it; how many rows it touched.
    pub fn execute(&self, with: impl Params) -> Result<usize> {
        self.engine.run(&self.sql, &with.values())
    }

    /// Each row, until `take` has enough.
    pub fn each(&self, with: impl Params, mut take: impl FnMut(&Row<'_>) -> Result<bool>) -> Result<()> {
        self.engine.rows(&self.sql, &with.values(), &mut take)
    }

    /// What is made of its rows.
    pub fn all<T, C: FromIterator<T>>(
        &self,
        with: impl Params,
        mut make: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<C> {
        let mut made = Vec::new();
        self.each(with, |row| {
            made.push(make(row)?);
            Ok(true)
        })?;
        Ok(made.into_iter().collect())
    }

    /// What is made of its first row, where it has one.
    pub fn first<T>(&self, with: impl Params, make: impl FnOnce(&Row<'_>) -> Result<T>) -> Result<Option<T>> {
        let (mut make, mut made) = (Some(make), None);
        self.each(with, |row| {
            made = make.take().map(|make| make(row)).transpose()?;
            Ok(false)
        })?;
        Ok(made)
    }

    /// What is made of its one row.
    pub fn one<T>(&self, with: impl Params, make: impl FnOnce(&Row<'_>) -> Result<T>) -> Result<T> {
        self.first(with, make)?.ok_or_else(|| StoreError::Database(format!("no row: {}", self.sql)))
    }
}
