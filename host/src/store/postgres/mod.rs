//! The shared store: a database of PostgreSQL, 14 or newer. One process at a time writes, whichever it is (a lock of the database says whose turn it is);
//! several hosts may run on it (lease.rs).
//!
//! The library waits for the server where it is called. So the session that writes has a thread of its own, and reads go to the runtime's
//! blocking threads.

mod address;
mod dialect;
mod engine;
mod lease;
mod session;
mod words;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::{Semaphore, watch};

pub use self::address::Address;
use self::engine::{Wire, said};
use self::lease::Lease;
use self::session::Session;
use super::among::{self, Among, Fence, Heard, HostSeen, Whose};
use super::sql::{Base, Connection, Keys, NONE, STEP, SqlStore, Writer, events, params};
use super::{Access, Durability, Result, RunId, StoreError, StoreTrouble};

/// What a new database becomes.
const SCHEMA: &str = include_str!("schema.sql");
/// Its format: format 12 of SQLite, and what many hosts need.
const FORMAT: i64 = 13;
/// Whose turn it is to write: the name of a lock, apart for each schema.
const WRITES: &str = "1413566030, hashtext(current_schema() || ' writes')";
/// The server's clock, in milliseconds since 1970 UTC.
const NOW: &str = "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)";
/// A host that was heard of within this time runs, as far as commands can tell; in milliseconds.
const HEARD: i64 = 10_000;
/// Idle sessions kept for reading.
const READERS: usize = 4;
/// Sessions that read at once: a server has a hundred for all its clients, unless it is told otherwise.
const MOST_READERS: usize = 12;

/// A store in a database of PostgreSQL.
pub type PostgresStore = SqlStore<Postgres>;

/// See the module's words.
pub struct Postgres {
    address: Address,
    writer: Writer,
    readers: Readers,
    /// Of a host.
    lease: Option<Lease>,
}

/// As sessions of a host are named, which ends them where it is taken for dead.
fn named(host: &str) -> String {
    format!("tandem {host}")
}

/// Sessions that nobody uses now.
#[derive(Default)]
struct Idle(Mutex<Vec<Wire>>);

#[derive(Clone)]
struct Readers {
    idle: Arc<Idle>,
    places: Arc<Semaphore>,
}

impl Default for Readers {
    fn default() -> Self {
        Self { idle: Arc::default(), places: Arc::new(Semaphore::new(MOST_READERS)) }
    }
}

impl PostgresStore {
    /// Opens the database and brings it to this binary's format. Waits for the server: not for who must answer at once.
    pub fn open_at(address: Address, access: Access) -> Result<Self> {
        let wire = Wire::new(address.clone());
        wire.reach()?;
        prepare(&wire, access)?;
        let clock = format!("SELECT {NOW}");
        crate::time::follow(said(&wire).prepare(clock).one(NONE, |row| row.get(0))?, Instant::now());
        let (mut lease, mut host) = (None, None);
        if access == Access::Host {
            let id = format!("{:016x}", fastrand::u64(..));
            lease = Some(Lease::take(Wire::new(address.clone()), &id)?);
            host = Some(id);
            events::clock_went_back(&wire, crate::time::now(), STEP)?;
        }
        drop(wire);
        let session = Session::new(Wire::new(address.clone()), host);
        let writer = Writer::start(session).map_err(|e| StoreError::Database(e.to_string()))?;
        Ok(Self::over(Postgres { address, writer, readers: Readers::default(), lease }, access, Keys::none()))
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
    // Of sessions that ended long ago.
    let old = format!(
        "DELETE FROM commits WHERE at < {NOW} - 86400000 AND NOT EXISTS (SELECT 1 FROM hosts WHERE hosts.id = commits.id)"
    );
    let found: i64 = said.prepare("SELECT number FROM format").one(NONE, |row| row.get(0))?;
    if found > FORMAT {
        return Err(StoreError::Newer { found, known: FORMAT });
    }
    said.prepare(old).execute(NONE)?;
    Ok(())
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
        self.idle.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn give(&self, wire: Wire) {
        let mut idle = self.idle.0.lock().unwrap_or_else(PoisonError::into_inner);
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
        let place = readers.places.clone().acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let work = move || {
            let _place = place;
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
        if self.lease.as_ref().is_some_and(|lease| lease.fence().is_lost()) {
            return Some(StoreTrouble::Lost);
        }
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

    async fn hosts(&self) -> Result<Vec<HostSeen>> {
        self.read(|db| {
            let select = format!(
                "SELECT id, machine, version, hosts.since, seen, holds.since, \
                (SELECT count(*) FROM runs WHERE finished_at IS NULL AND runs.host = hosts.id) \
                FROM hosts LEFT JOIN holds ON holds.host = hosts.id \
                WHERE seen > {NOW} - ?1 ORDER BY hosts.since, id"
            );
            db.prepare(select).all([HEARD], |row| {
                Ok(HostSeen {
                    id: row.get(0)?,
                    machine: row.get(1)?,
                    version: row.get(2)?,
                    since: row.get(3)?,
                    seen: row.get(4)?,
                    turn_since: row.get(5)?,
                    runs: row.get::<i64>(6)?.unsigned_abs(),
                })
            })
        })
        .await
    }

    fn take_over(db: &Connection, whose: Whose, at_start: bool) -> Result<Vec<RunId>> {
        let own = "coalesce(current_setting('tandem.host', true), '')";
        let open = format!("finished_at IS NULL AND {}", whose.condition());
        let of_gone = "NOT EXISTS (SELECT 1 FROM hosts WHERE id = runs.host)";
        let take = format!("UPDATE runs SET host = {own} WHERE {open} AND {of_gone} RETURNING id");
        let taken: Vec<i64> = db.prepare(take).all(NONE, |row| row.get(0))?;
        let open = format!("SELECT id FROM runs WHERE {open} AND host = {own} ORDER BY id");
        let open: Vec<i64> = db.prepare(open).all(NONE, |row| row.get(0))?;
        Ok(open.into_iter().filter(|id| at_start || taken.contains(id)).map(RunId).collect())
    }

    fn among(&self) -> watch::Receiver<Among> {
        self.lease.as_ref().map_or_else(among::alone, Lease::among)
    }

    fn fence(&self) -> Fence {
        self.lease.as_ref().map(Lease::fence).unwrap_or_default()
    }

    fn take_turns(&self) {
        self.lease.iter().for_each(Lease::take_turns);
    }

    fn tell(&self, flows: &[String]) {
        self.lease.iter().for_each(|lease| lease.tell(flows));
    }

    fn heard(&self) -> Option<Heard> {
        self.lease.as_ref().map(Lease::heard)
    }

    async fn leave(&self) {
        if let Some(lease) = &self.lease {
            lease.leave().await;
        }
    }
}

#[cfg(all(test, unix))]
mod tests;
