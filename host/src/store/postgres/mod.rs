//! The shared store: a database of PostgreSQL, 14 or newer. One process at a time writes, whichever it is (a lock of the database says whose turn it is);
//! one host at a time runs on it.
//!
//! The library waits for the server where it is called. So the session that writes has a thread of its own, and reads go to the runtime's
//! blocking threads.

mod address;
mod dialect;
mod engine;
mod session;
mod words;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

pub use self::address::Address;
use self::engine::Wire;
use self::session::Session;
use super::sql::{Base, Connection, Keys, NONE, STEP, SqlStore, Writer, events, params};
use super::{Access, Durability, Result, StoreError, StoreTrouble};

/// What a new database becomes.
const SCHEMA: &str = include_str!("schema.sql");
/// Its format: those of SQLite have the same number where they hold the same.
const FORMAT: i64 = 12;
/// Whose turn it is to write, and who is the database's host: names of locks, apart for each schema.
const WRITES: &str = "1413566030, hashtext(current_schema() || ' writes')";
const HOST: &str = "1413566030, hashtext(current_schema() || ' host')";
/// Idle sessions kept for reading.
const READERS: usize = 4;

/// A store in a database of PostgreSQL.
pub type PostgresStore = SqlStore<Postgres>;

/// See the module's words.
pub struct Postgres {
    address: Address,
    writer: Writer,
    readers: Readers,
}

/// Sessions that nobody uses now.
#[derive(Default)]
struct Idle(Mutex<Vec<Wire>>);

#[derive(Clone, Default)]
struct Readers(Arc<Idle>);

impl PostgresStore {
    /// Opens the database and brings it to this binary's format. Waits for the server: not for who must answer at once.
    pub fn open_at(address: Address, access: Access) -> Result<Self> {
        let wire = Wire::new(address.clone());
        wire.reach()?;
        prepare(&wire, access)?;
        if access == Access::Host {
            events::clock_went_back(&wire, crate::time::now(), STEP)?;
        }
        let session = Session::open(wire, access == Access::Host).map_err(|error| match error {
            StoreError::InUse(_) => StoreError::InUse(address.words()),
            other => other,
        })?;
        let writer = Writer::start(session).map_err(|e| StoreError::Database(e.to_string()))?;
        Ok(Self::over(Postgres { address, writer, readers: Readers::default() }, access, Keys::none()))
    }
}

/// Brings a database to this binary's format.
fn prepare(wire: &Wire, access: Access) -> Result<()> {
    wire.batch(&format!("BEGIN; SELECT pg_advisory_xact_lock({WRITES})"))?;
    let prepared = bring(wire, access);
    wire.batch(if prepared.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    prepared
}

fn bring(db: &Wire, access: Access) -> Result<()> {
    let said: &Connection = db;
    let there: bool = said.prepare("SELECT to_regclass('format') IS NOT NULL").one(NONE, |row| row.get(0))?;
    if !there {
        if access == Access::Tool {
            return Err(StoreError::Missing);
        }
        if access == Access::Host {
            tracing::warn!("the database was empty: its tables are made, which know of nothing that was done before");
        }
        db.batch(SCHEMA)?;
        db.batch("CREATE TABLE format (one BIGINT PRIMARY KEY CHECK (one = 1), number BIGINT NOT NULL)")?;
        said.prepare("INSERT INTO format (one, number) VALUES (1, ?1)").execute(params![FORMAT])?;
        return Ok(());
    }
    let found: i64 = said.prepare("SELECT number FROM format").one(NONE, |row| row.get(0))?;
    if found > FORMAT { Err(StoreError::Newer { found, known: FORMAT }) } else { Ok(()) }
}

/// What the library says, as the store says it.
fn failed(error: postgres::Error) -> StoreError {
    use postgres::error::SqlState;
    let words = match error.as_db_error() {
        // Its words may show values.
        Some(told) => format!("{} ({})", told.message(), told.code().code()),
        None => match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    };
    match error.code() {
        Some(code) if *code == SqlState::DISK_FULL => StoreError::NoRoom(words),
        _ => StoreError::Database(words),
    }
}

impl Readers {
    fn take(&self) -> Option<Wire> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn give(&self, wire: Wire) {
        let mut idle = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < READERS && wire.is_open() {
            idle.push(wire);
        }
    }
}

/// Ends its sessions on a thread of their own: the library waits there, which it must not where others are waited for.
impl Drop for Idle {
    fn drop(&mut self) {
        let wires = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if !wires.is_empty() {
            let _ = std::thread::Builder::new().name("store-end".into()).spawn(move || drop(wires));
        }
    }
}

/// However many statements look at the store, they see one moment of it.
fn begun(address: &Address, readers: &Readers) -> Result<Wire> {
    const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    // One that was idle may have lost its server meanwhile.
    while let Some(wire) = readers.take() {
        if wire.batch(BEGIN).is_ok() {
            return Ok(wire);
        }
    }
    let wire = Wire::new(address.clone());
    wire.reach()?;
    wire.batch(BEGIN)?;
    Ok(wire)
}

impl Base for Postgres {
    async fn read<T: Send + 'static>(&self, read: impl FnOnce(&Connection) -> Result<T> + Send + 'static) -> Result<T> {
        let (address, readers) = (self.address.clone(), self.readers.clone());
        let work = move || {
            let wire = begun(&address, &readers)?;
            let result = read(&wire);
            if wire.batch(if result.is_ok() { "COMMIT" } else { "ROLLBACK" }).is_ok() {
                readers.give(wire);
            }
            result
        };
        tokio::task::spawn_blocking(work).await.map_err(|e| StoreError::Database(e.to_string()))?
    }

    async fn write<T: Send + 'static>(
        &self,
        durability: Durability,
        write: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.writer.run_with(durability, write).await
    }

    async fn overwrite(&self) -> Result<()> {
        Ok(())
    }

    /// What lies in the server's files is its own until its vacuum, and in its logs as long as they are kept.
    async fn wipe(&self) -> Result<bool> {
        Ok(false)
    }

    async fn copy(&self, _: &Path) -> Result<()> {
        Err(StoreError::Database(
            "a database of PostgreSQL is backed up by its server's own means, such as pg_dump".into(),
        ))
    }

    async fn trouble(&self) -> Option<StoreTrouble> {
        if !self.writer.is_failing() {
            return None;
        }
        let write = |db: &Connection| {
            let put = "INSERT INTO positions (source, position, at) VALUES ('health', '', ?1) \
                ON CONFLICT (source) DO UPDATE SET position = '', at = ?1";
            db.prepare(put).execute(params![crate::time::now()])?;
            Ok(())
        };
        let well = self.writer.run(write).await.is_ok();
        if well {
            self.writer.is_well();
        }
        (!well).then_some(StoreTrouble::TakesNoWrites)
    }

    async fn has_host(&self) -> Result<bool> {
        let held = format!(
            "SELECT EXISTS (SELECT 1 FROM pg_locks, (SELECT ARRAY[{HOST}]::bigint[] AS own) AS named WHERE locktype = 'advisory' \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
             AND classid::bigint = own[1] AND objid::bigint = own[2] & 4294967295)"
        );
        self.read(move |db| db.prepare(held).one(NONE, |row| row.get(0))).await
    }
}

#[cfg(all(test, unix))]
mod tests;
