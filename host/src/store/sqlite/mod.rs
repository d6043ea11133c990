//! The embedded store: one SQLite file in WAL mode with `synchronous=FULL`, so that a commit survives a power cut.

pub mod copy;
mod engine;
mod functions;
mod place;
mod room;
mod session;
mod wiping;
mod words;

use std::cell::Cell;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection as Sqlite, OpenFlags};

use self::place::Place;
use self::room::Room;
use self::session::{Session, execute};
use super::among::{HostSeen, Whose};
use super::sql::{Base, Connection, Keys, NONE, SqlStore, Writer, events, params, sealing, trail};
use super::{Access, Durability, Millis, Result, RunId, StoreError, StoreTrouble};

/// One entry per format: entry n brings format n to n+1. Published entries never change.
const MIGRATIONS: &[&str] = &[
    include_str!("schema.sql"),
    include_str!("review-detail.sql"),
    include_str!("scale.sql"),
    include_str!("sightings.sql"),
    include_str!("storage-bytes.sql"),
    include_str!("releases.sql"),
    include_str!("wakes.sql"),
    include_str!("console.sql"),
    include_str!("outside.sql"),
    include_str!("protect.sql"),
    include_str!("tools.sql"),
    include_str!("trail.sql"),
];

/// Statements that a connection keeps parsed: all that a busy host says.
const STATEMENTS: usize = 256;

/// Idle reading connections kept open.
const READERS: usize = 4;

/// A store in a file of SQLite.
pub type SqliteStore = SqlStore<SqliteFile>;

/// See the module's words.
pub struct SqliteFile {
    place: Place,
    /// What values are sealed with.
    keys: Keys,
    writer: Writer,
    /// How much must fit until it takes writes again.
    room: Mutex<Room>,
    readers: Arc<Mutex<Vec<Sqlite>>>,
    /// Held as long as the store lives: a second host on the same file is refused.
    _lock: Option<File>,
}

impl SqliteStore {
    /// Opens or makes the file and brings it to this binary's format; nothing in it is sealed.
    pub fn open(path: &Path, access: Access) -> Result<Self> {
        Self::open_sealed(path, access, Keys::none())
    }

    /// The same, of one whose values are sealed with these keys.
    pub fn open_sealed(path: &Path, access: Access, keys: Keys) -> Result<Self> {
        let there = path.exists();
        if !there && access == Access::Tool {
            return Err(StoreError::Missing);
        }
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)
                .map_err(|e| StoreError::Database(format!("cannot make {}: {e}", parent.display())))?;
        }
        let lock = match access {
            Access::Host => Some(lock_beside(path)?),
            Access::Maker | Access::Tool => None,
        };
        if !there && access == Access::Host {
            tracing::warn!(path = %path.display(), "there was no database: a new one is made, which knows of nothing that was done before");
        }
        for_its_user_alone(path)?;
        let mut connection = Sqlite::open(path)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.execute_batch(
            "PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; \
             PRAGMA temp_store=MEMORY; PRAGMA secure_delete=FAST; PRAGMA cache_size=-8192; PRAGMA wal_autocheckpoint=4000;",
        )?;
        prepare(&connection, &keys)?;
        migrate(&mut connection)?;
        let now = crate::time::now();
        sealing::check(&connection, &keys.ids(), now)?;
        if access == Access::Host {
            events::clock_went_back(&connection, now, crate::store::sql::STEP)?;
            sealing::hold(&connection, keys.current(), now)?;
        }
        let writer = Writer::start(Session::of(connection)).map_err(|e| StoreError::Database(e.to_string()))?;
        let base = SqliteFile {
            place: Place::opened(path),
            keys: keys.clone(),
            writer,
            room: Mutex::new(Room::new()),
            readers: Arc::default(),
            _lock: lock,
        };
        Ok(Self::over(base, access, keys))
    }
}

impl Base for SqliteFile {
    async fn read<T: Send + 'static>(&self, read: impl FnOnce(&Connection) -> Result<T> + Send + 'static) -> Result<T> {
        let (place, keys) = (self.place.clone(), self.keys.clone());
        let readers = self.readers.clone();
        let work = move || {
            let idle = readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = match idle {
                Some(connection) => connection,
                None => open_reader(place.path(), &keys)?,
            };
            let result = at_one_moment(&connection, read);
            let mut idle = readers.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < READERS && connection.is_autocommit() {
                idle.push(connection);
            }
            result
        };
        if READS_HERE.get() {
            return work();
        }
        tokio::task::spawn_blocking(work).await.map_err(|e| StoreError::Database(e.to_string()))?
    }

    async fn write<T: Send + 'static>(
        &self,
        durability: Durability,
        write: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.writer.run_with(durability, write).await
    }

    async fn take_in<T: Send + 'static>(
        &self,
        durability: Durability,
        write: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let place = self.place.clone();
        let checked = move |db: &Connection| {
            place.check()?;
            write(db)
        };
        self.writer.run_with(durability, checked).await
    }

    async fn overwrite(&self) -> Result<()> {
        wiping::overwrite(&self.writer).await
    }

    async fn wipe(&self) -> Result<bool> {
        wiping::wipe(&self.writer, self.place.path()).await
    }

    async fn copy(&self, into: &Path) -> Result<()> {
        self.place.check()?;
        let (from, into) = (self.place.path().to_owned(), into.to_owned());
        let copied = tokio::task::spawn_blocking(move || copy::copy(&from, &into));
        copied.await.map_err(|e| StoreError::Database(e.to_string()))?
    }

    async fn trouble(&self) -> Option<StoreTrouble> {
        if self.place.check().is_err() {
            return Some(StoreTrouble::Gone(self.place.path().display().to_string()));
        }
        if !self.writer.is_failing() {
            return None;
        }
        // A write of its own tells whether there is room again: as large as a run's, since a small one may fit where no run does.
        let write = |bytes: usize| {
            move |db: &Connection| {
                let (now, text) = (crate::time::now(), " ".repeat(bytes));
                let put = "INSERT OR REPLACE INTO positions (source, position, at) VALUES ('health', ?1, ?2)";
                db.prepare(put).execute(params![text, now])?;
                Ok(())
            }
        };
        let room = || self.room.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = room().wanted(Instant::now());
        let well = self.writer.run_alone(write(wanted)).await.is_ok() && self.writer.run(write(0)).await.is_ok();
        if well {
            self.writer.is_well();
            room().found(Instant::now());
        }
        (!well).then_some(StoreTrouble::TakesNoWrites)
    }

    async fn hosts(&self) -> Result<Vec<HostSeen>> {
        let Some(since) = host_since(self.place.path()) else { return Ok(Vec::new()) };
        let runs = self.read(|db| {
            db.prepare("SELECT count(*) FROM runs WHERE finished_at IS NULL").one(NONE, |row| row.get::<i64>(0))
        });
        Ok(vec![HostSeen {
            id: String::new(),
            machine: whoami::hostname().unwrap_or_else(|_| "host".into()),
            version: env!("CARGO_PKG_VERSION").into(),
            since,
            seen: crate::time::now(),
            turn_since: Some(since),
            runs: runs.await?.unsigned_abs(),
        }])
    }

    fn take_over(db: &Connection, whose: Whose, at_start: bool) -> Result<Vec<RunId>> {
        let theirs = whose.condition();
        let open = format!("SELECT id FROM runs WHERE finished_at IS NULL AND {theirs} AND ?1 ORDER BY id");
        db.prepare(open).all([at_start], |row| Ok(RunId(row.get(0)?)))
    }
}

/// However many statements look at the store, they see one moment of it.
fn at_one_moment<T>(connection: &Sqlite, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    execute(connection, "BEGIN")?;
    let result = read(connection);
    execute(connection, "COMMIT")?;
    result
}

thread_local! {
    static READS_HERE: Cell<bool> = const { Cell::new(false) };
}

/// This thread may wait for the disk, since it serves nothing that must answer at once: what it reads of a store it reads itself, and
/// wakes no other thread for a few microseconds of work.
pub fn reads_here() {
    READS_HERE.set(true);
}

/// Makes the file, which holds keys, so that nobody but its user reads it; SQLite makes those beside it like it.
#[cfg(unix)]
fn for_its_user_alone(path: &Path) -> Result<()> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let cannot = |e: std::io::Error| StoreError::Database(format!("{}: {e}", path.display()));
    let file = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path).map_err(cannot)?;
    let open_to_others = file.metadata().map_err(cannot)?.permissions().mode() & 0o077 != 0;
    if open_to_others && let Err(error) = file.set_permissions(std::fs::Permissions::from_mode(0o600)) {
        tracing::warn!(%error, path = %path.display(), "others may read the database, which holds keys");
    }
    Ok(())
}

/// On Windows a file has the rights of its folder: the operator guide says which.
#[cfg(not(unix))]
fn for_its_user_alone(_: &Path) -> Result<()> {
    Ok(())
}

fn open_reader(path: &Path, keys: &Keys) -> Result<Sqlite> {
    let connection = Sqlite::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.execute_batch("PRAGMA cache_size=-4096;")?;
    prepare(&connection, keys)?;
    Ok(connection)
}

/// Statements are parsed once, and keep their plans whatever is bound to them; they seal and open values.
fn prepare(connection: &Sqlite, keys: &Keys) -> Result<()> {
    functions::register(connection, keys)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// Whether a host has this database open.
pub fn has_host(path: &Path) -> bool {
    host_since(path).is_some()
}

/// Since when a host has it open; none where none has.
fn host_since(path: &Path) -> Option<Millis> {
    let lock = File::open(path.with_extension("lock")).ok()?;
    lock.try_lock_shared().err()?;
    let taken = lock.metadata().and_then(|file| file.modified()).ok();
    let since = taken.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    Some(since.and_then(|since| Millis::try_from(since.as_millis()).ok()).unwrap_or_default())
}

fn lock_beside(path: &Path) -> Result<File> {
    let lock_path = path.with_extension("lock");
    let file = File::create(&lock_path)
        .map_err(|e| StoreError::Database(format!("cannot make {}: {e}", lock_path.display())))?;
    file.try_lock().map_err(|_| StoreError::InUse(path.display().to_string()))?;
    Ok(file)
}

fn migrate(connection: &mut Sqlite) -> Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let found: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = MIGRATIONS.len() as i64;
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    for step in &MIGRATIONS[found as usize..] {
        transaction.execute_batch(step)?;
    }
    if found < trail::FORMAT {
        trail::chain_old(&*transaction)?;
    }
    transaction.pragma_update(None, "user_version", known)?;
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod protection_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod trail_tests;
