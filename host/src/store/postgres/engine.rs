//! PostgreSQL as an engine of [`crate::store::sql`].

use std::borrow::Cow;
use std::cell::{Cell as Mark, RefCell};
use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use bytes::BytesMut;
use postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use postgres::{Client, Statement};

use super::address::Address;
use super::dialect::translated;
use super::{failed, words};
use crate::store::sql::{Cells, Connection, Engine, NONE, Row, Sought, Value, ValueRef, Words};
use crate::store::{Result, StoreError};

/// Statements that a session keeps parsed.
const STATEMENTS: usize = 512;
/// PostgreSQL keeps no zero byte in a text: it stands as this sign, which is no letter, and `0`; the sign itself twice.
const SIGN: char = '\u{10FFFE}';

/// A session with the server, opened when it is needed.
pub struct Wire {
    address: Address,
    open: RefCell<Option<Open>>,
    /// A statement failed: of what is under way nothing more is kept, whoever looked away.
    failed: Mark<bool>,
}

struct Open {
    client: Client,
    parsed: HashMap<String, Statement>,
}

impl Wire {
    /// Reaches nobody yet.
    pub fn new(address: Address) -> Self {
        Self { address, open: RefCell::default(), failed: Mark::new(false) }
    }

    /// There is a session, and nobody has seen its end.
    pub fn is_open(&self) -> bool {
        self.open.borrow().as_ref().is_some_and(|open| !open.client.is_closed())
    }

    /// A session, a new one where there is none; true where it is new.
    pub fn reach(&self) -> Result<bool> {
        if self.is_open() {
            return Ok(false);
        }
        let client = self.address.open()?;
        *self.open.borrow_mut() = Some(Open { client, parsed: HashMap::new() });
        Ok(true)
    }

    /// Ends the session; it must not be ended where others are waited for.
    pub fn hang_up(&self) {
        *self.open.borrow_mut() = None;
    }

    /// Whether a statement failed since [`Wire::begin_anew`].
    pub fn has_failed(&self) -> bool {
        self.failed.get()
    }

    /// What failed was taken back.
    pub fn begin_anew(&self) {
        self.failed.set(false);
    }

    /// Several statements without parameters, as they are, in one go.
    pub fn batch(&self, sql: &str) -> Result<()> {
        self.with(|open| open.client.batch_execute(sql).map_err(failed))
    }

    /// The same; the first column of the last row that they give.
    pub fn last_of_batch(&self, sql: &str) -> Result<Option<String>> {
        self.with(|open| {
            let said = open.client.simple_query(sql).map_err(failed)?;
            Ok(said.iter().rev().find_map(|message| match message {
                postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            }))
        })
    }

    /// What others told by `NOTIFY`, after a wait of that length at most; none where there is no session.
    pub fn told(&self, wait: Duration) -> Option<Vec<String>> {
        use postgres::fallible_iterator::FallibleIterator;
        let mut open = self.open.borrow_mut();
        let client = &mut open.as_mut().filter(|open| !open.client.is_closed())?.client;
        let mut told = Vec::new();
        let mut notes = client.notifications();
        let first = notes.timeout_iter(wait).next();
        if let Ok(Some(first)) = first {
            told.push(first.payload().to_owned());
            let mut more = notes.iter();
            while let Ok(Some(next)) = more.next() {
                told.push(next.payload().to_owned());
            }
        }
        Some(told)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Open) -> Result<T>) -> Result<T> {
        let mut open = self.open.borrow_mut();
        let open = open.as_mut().ok_or_else(|| StoreError::Database("the server was not reached".into()))?;
        work(open).inspect_err(|_| self.failed.set(true))
    }
}

impl Open {
    /// A statement for parameters of these types. Of one that is null the server finds the type.
    fn parsed(&mut self, sql: &str, with: &[ValueRef<'_>]) -> Result<Statement> {
        let (mut types, mut name) = (Vec::with_capacity(with.len()), String::with_capacity(sql.len() + with.len()));
        for value in with {
            let (kind, sign) = match value {
                ValueRef::Null => (Type::UNKNOWN, '-'),
                ValueRef::Integer(_) => (Type::INT8, 'i'),
                ValueRef::Text(_) => (Type::TEXT, 't'),
                ValueRef::Blob(_) => (Type::BYTEA, 'b'),
            };
            types.push(kind);
            name.push(sign);
        }
        name.push_str(sql);
        if let Some(parsed) = self.parsed.get(&name) {
            return Ok(parsed.clone());
        }
        let parsed = self.client.prepare_typed(&translated(sql), &types).map_err(failed)?;
        if self.parsed.len() >= STATEMENTS {
            self.parsed.clear();
        }
        self.parsed.insert(name, parsed.clone());
        Ok(parsed)
    }
}

impl Engine for Wire {
    fn run(&self, sql: &str, with: &[ValueRef<'_>]) -> Result<usize> {
        self.with(|open| {
            let parsed = open.parsed(sql, with)?;
            let bound: Vec<Bound<'_>> = with.iter().copied().map(Bound).collect();
            let bound: Vec<&(dyn ToSql + Sync)> = bound.iter().map(|one| one as _).collect();
            let touched = open.client.execute(&parsed, &bound).map_err(failed)?;
            Ok(usize::try_from(touched).unwrap_or(usize::MAX))
        })
    }

    fn rows(&self, sql: &str, with: &[ValueRef<'_>], take: &mut dyn FnMut(&Row<'_>) -> Result<bool>) -> Result<()> {
        let rows = self.with(|open| {
            let parsed = open.parsed(sql, with)?;
            let bound: Vec<Bound<'_>> = with.iter().copied().map(Bound).collect();
            let bound: Vec<&(dyn ToSql + Sync)> = bound.iter().map(|one| one as _).collect();
            open.client.query(&parsed, &bound).map_err(failed)
        })?;
        for row in &rows {
            if !take(&Row::of(&Read::of(row)?))? {
                break;
            }
        }
        Ok(())
    }

    fn last_line(&self) -> Result<i64> {
        let select = said(self).prepare("SELECT number FROM given WHERE name = 'acts'");
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

    /// About: what the server's files take does not shrink when rows go. Rows are counted, the newest of them measured, and as much is taken for indexes.
    fn used_bytes(&self) -> Result<u64> {
        let measured = |rows: &str, table: &str, newest: &str| {
            format!(
                "({rows}) * (SELECT coalesce(avg(pg_column_size(own.*)), 0) FROM \
                 (SELECT * FROM {table} ORDER BY {newest} DESC LIMIT 200) AS own)"
            )
        };
        let all = [
            measured("SELECT coalesce(sum(events), 0) FROM counts", "events", "id"),
            measured("SELECT count(*) FROM packed", "packed", "run"),
            measured("SELECT count(*) FROM journal", "journal", "run"),
        ];
        let sql = format!("SELECT CAST(2 * ({}) AS BIGINT)", all.join(" + "));
        Ok(said(self).prepare(sql).one(NONE, |row| row.get::<i64>(0))?.unsigned_abs())
    }

    /// The server's own vacuum does that.
    fn give_back(&self) -> Result<bool> {
        Ok(false)
    }
}

pub(super) fn said(wire: &Wire) -> &Connection {
    wire
}

/// A parameter.
#[derive(Debug)]
struct Bound<'a>(ValueRef<'a>);

impl ToSql for Bound<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self.0 {
            ValueRef::Null => Ok(IsNull::Yes),
            ValueRef::Integer(number) => number.to_sql(kind, out),
            ValueRef::Text(text) => without_zero(text).as_ref().to_sql(kind, out),
            ValueRef::Blob(bytes) => bytes.to_sql(kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn without_zero(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', SIGN]) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len() + 8);
    for sign in text.chars() {
        match sign {
            '\0' => kept.extend([SIGN, '0']),
            SIGN => kept.extend([SIGN, SIGN]),
            other => kept.push(other),
        }
    }
    Cow::Owned(kept)
}

fn with_zero(kept: &str) -> String {
    if !kept.contains(SIGN) {
        return kept.to_owned();
    }
    let (mut text, mut signs) = (String::with_capacity(kept.len()), kept.chars());
    while let Some(sign) = signs.next() {
        match sign {
            SIGN => text.push(if signs.next() == Some('0') { '\0' } else { SIGN }),
            other => text.push(other),
        }
    }
    text
}

/// A row, read.
struct Read<'a> {
    row: &'a postgres::Row,
    cells: Vec<Value>,
}

impl<'a> Read<'a> {
    fn of(row: &'a postgres::Row) -> Result<Self> {
        let cells = (0..row.len()).map(|column| row.try_get::<_, Cell>(column).map(|cell| cell.0).map_err(failed));
        Ok(Self { row, cells: cells.collect::<Result<_>>()? })
    }
}

impl Cells for Read<'_> {
    fn place(&self, name: &str) -> Result<usize> {
        let place = self.row.columns().iter().position(|column| column.name() == name);
        place.ok_or_else(|| StoreError::Database(format!("no column {name}")))
    }

    fn cell(&self, column: usize) -> Result<ValueRef<'_>> {
        let cell = self.cells.get(column).ok_or_else(|| StoreError::Database(format!("no column {column}")))?;
        Ok(crate::store::sql::ToSql::to_sql(cell))
    }
}

/// A value, whatever its type.
struct Cell(Value);

impl FromSql<'_> for Cell {
    fn from_sql(kind: &Type, bytes: &[u8]) -> std::result::Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(match *kind {
            Type::INT8 => Value::Integer(i64::from_sql(kind, bytes)?),
            Type::INT4 => Value::Integer(i32::from_sql(kind, bytes)?.into()),
            Type::INT2 => Value::Integer(i16::from_sql(kind, bytes)?.into()),
            Type::BOOL => Value::Integer(bool::from_sql(kind, bytes)?.into()),
            Type::BYTEA => Value::Blob(bytes.to_vec()),
            Type::TEXT | Type::VARCHAR | Type::NAME | Type::UNKNOWN => {
                Value::Text(with_zero(std::str::from_utf8(bytes)?))
            }
            ref other => return Err(format!("a value of the type {other}").into()),
        }))
    }

    fn from_sql_null(_: &Type) -> std::result::Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(Value::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_with_zero_bytes_comes_back_as_it_was() {
        for text in ["", "plain", "a\0b", "\0", "\0\0", "a\u{10FFFE}", "\u{10FFFE}0", "\u{10FFFE}\0\u{10FFFE}"] {
            let kept = without_zero(text).into_owned();
            assert!(!kept.contains('\0'));
            assert_eq!(with_zero(&kept), text);
        }
    }
}
