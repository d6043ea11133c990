//! The embedded store: one SQLite file in WAL mode with `synchronous=FULL`, so that a commit survives a power cut.

pub mod copy;
mod engine;
mod events;
mod forgetting;
mod packing;
mod people;
mod place;
mod reducing;
mod releases;
mod resealing;
mod retention;
mod room;
mod runs;
pub(super) mod sealing;
mod search;
mod sightings;
mod trail;
mod values;
mod wiping;
mod writer;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use ring::rand::SecureRandom;
use rusqlite::config::DbConfig;
use rusqlite::{Connection as Sqlite, OpenFlags};

use self::place::Place;
use self::room::Room;
pub use self::sealing::{KeyId, Keys, fresh_key};
use self::writer::Writer;
use super::sql::{Connection, NONE, Row, params};
use super::*;

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

/// Finished events are kept at least so long, however full the store is: a source may tell one again.
const TOLD_AGAIN: Millis = 3_600_000;
/// A clock that differs by so much from what was expected was set: a correction by less is no step.
const STEP: Millis = 5_000;

/// Statements that a connection keeps parsed: all that a busy host says.
const STATEMENTS: usize = 256;

/// Idle reading connections kept open.
const READERS: usize = 4;

/// See the module's words.
pub struct SqliteStore {
    place: Place,
    access: Access,
    /// What values are sealed with.
    keys: Keys,
    writer: Writer,
    /// How much must fit until it takes writes again.
    room: Mutex<Room>,
    readers: Arc<Mutex<Vec<Sqlite>>>,
    /// When the last sweep was; 0 before the first.
    swept: AtomicI64,
    /// Until when what finished was looked at whether less of it is to be kept, by flow.
    reduced: Mutex<BTreeMap<String, reducing::Looked>>,
    /// Held as long as the store lives: a second host on the same file is refused.
    _lock: Option<File>,
}

/// How a process means to use the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Runs flows: one process at a time. Makes the file where there is none.
    Host,
    /// Grants, before the first run or beside a running host. Makes the file where there is none.
    Maker,
    /// Looks and retries. Where there is no file, nothing is known of anything.
    Tool,
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
        sealing::check(&connection, &keys.ids(), crate::time::now())?;
        if access == Access::Host {
            events::clock_went_back(&connection, crate::time::now(), STEP)?;
            sealing::hold(&connection, keys.current(), crate::time::now())?;
        }
        let writer = Writer::start(connection).map_err(|e| StoreError::Database(e.to_string()))?;
        let place = Place::opened(path);
        Ok(Self {
            place,
            access,
            keys,
            writer,
            room: Mutex::new(Room::new()),
            readers: Arc::default(),
            swept: AtomicI64::new(0),
            reduced: Mutex::default(),
            _lock: lock,
        })
    }

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
}

/// However many statements look at the store, they see one moment of it.
fn at_one_moment<T>(connection: &Sqlite, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    execute(connection, "BEGIN")?;
    let result = read(connection);
    execute(connection, "COMMIT")?;
    result
}

/// A statement that is parsed once.
fn execute(connection: &Connection, sql: &str) -> Result<()> {
    connection.prepare(sql).execute(NONE)?;
    Ok(())
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
    sealing::register(connection, keys)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// Whether a host has this database open.
pub fn has_host(path: &Path) -> bool {
    let Ok(file) = File::open(path.with_extension("lock")) else { return false };
    file.try_lock_shared().is_err()
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

#[async_trait]
impl Memory for SqliteStore {
    async fn storage_get(&self, flow: &str, key: &str) -> Result<Option<String>> {
        let (flow, key) = (flow.to_owned(), key.to_owned());
        self.read(move |db| {
            db.prepare("SELECT unseal('storage', flow, key, value) FROM storage WHERE flow = ?1 AND key = ?2")
                .first([flow, key], |row| row.get(0))
        })
        .await
    }

    async fn storage_scan(
        &self,
        flow: &str,
        prefix: &str,
        limit: u32,
        most: u64,
    ) -> Result<Option<Vec<(String, String)>>> {
        let (flow, prefix) = (flow.to_owned(), prefix.to_owned());
        self.read(move |db| {
            let select = db.prepare(
                "SELECT key, unseal('storage', flow, key, value) FROM storage WHERE flow = ?1 AND key >= ?2 \
                 AND substr(key, 1, length(?2)) = ?2 ORDER BY key LIMIT ?3",
            );
            let (mut entries, mut bytes) = (Vec::new(), 0);
            select.each(params![flow, prefix, limit], |row| {
                let (key, value): (String, String) = (row.get(0)?, row.get(1)?);
                bytes += (key.len() + value.len()) as u64;
                entries.push((key, value));
                Ok(bytes <= most)
            })?;
            Ok((bytes <= most).then_some(entries))
        })
        .await
    }

    async fn storage_size(&self, flow: &str) -> Result<u64> {
        let flow = flow.to_owned();
        self.read(move |db| {
            let size: Option<i64> =
                db.prepare("SELECT bytes FROM storage_bytes WHERE flow = ?1").first([flow], |row| row.get(0))?;
            Ok(size.unwrap_or_default().unsigned_abs())
        })
        .await
    }

    async fn links_find(
        &self,
        scope: &str,
        kind: &str,
        side: Side,
        ids: &[String],
        most: u64,
    ) -> Result<Option<Vec<Option<Link>>>> {
        let (scope, kind, ids) = (scope.to_owned(), kind.to_owned(), ids.to_vec());
        self.read(move |db| {
            let (mut links, mut bytes) = (Vec::with_capacity(ids.len()), 0);
            for id in &ids {
                let link = runs::find_link(db, &scope, &kind, side, id)?;
                bytes += link.as_ref().map_or(0, |link| link.base.len() + link.b1_id.len() + link.salesforce_id.len());
                if bytes as u64 > most {
                    return Ok(None);
                }
                links.push(link);
            }
            Ok(Some(links))
        })
        .await
    }

    async fn wakes_planned(&self, flow: &str) -> Result<u64> {
        let flow = flow.to_owned();
        self.read(move |db| {
            let count = db.prepare("SELECT count(*) FROM wakes WHERE flow = ?1");
            Ok(count.one([flow], |row| row.get::<i64>(0))?.unsigned_abs())
        })
        .await
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn append(&self, intake: Intake) -> Result<u64> {
        let place = self.place.clone();
        self.writer
            .run_with(intake.durability, move |db| {
                place.check()?;
                let now = crate::time::now();
                let mut fresh = 0;
                for event in &intake.events {
                    fresh += u64::from(events::insert(db, event, intake.lane, now)?.is_some());
                }
                if let Some((source, position)) = &intake.position {
                    db.prepare(
                        "INSERT INTO positions (source, position, at) VALUES (?1, ?2, ?3) \
                         ON CONFLICT (source) DO UPDATE SET position = ?2, at = ?3",
                    )
                    .execute(params![source, position, now])?;
                }
                if let Some((source, seen)) = &intake.seen {
                    sightings::note(db, source, seen)?;
                }
                Ok(fresh)
            })
            .await
    }

    async fn position(&self, source: &str) -> Result<Option<String>> {
        let source = source.to_owned();
        self.read(move |db| {
            db.prepare("SELECT position FROM positions WHERE source = ?1").first([source], |row| row.get(0))
        })
        .await
    }

    async fn seen(&self, source: &str, keys: Vec<String>) -> Result<Vec<Option<String>>> {
        let source = source.to_owned();
        self.read(move |db| sightings::of(db, &source, &keys)).await
    }

    async fn seen_count(&self, source: &str) -> Result<u64> {
        let source = source.to_owned();
        self.read(move |db| sightings::count(db, &source)).await
    }

    async fn seen_keys(&self, source: &str, after: &str, limit: u32) -> Result<Vec<String>> {
        let (source, after) = (source.to_owned(), after.to_owned());
        self.read(move |db| sightings::keys(db, &source, &after, limit)).await
    }

    async fn lease(&self, flow: &str, release: &str, max: u32, now: Millis) -> Result<Leased> {
        let (flow, release) = (flow.to_owned(), release.to_owned());
        let place = self.place.clone();
        let lease = move |db: &Connection| {
            place.check()?;
            if releases::live(db, &flow)?.is_some_and(|live| live != release) {
                return Ok(Leased::NotLive);
            }
            Ok(events::lease(db, flow, release, max, now)?.map_or(Leased::Nothing, Leased::Run))
        };
        self.writer.run_with(Durability::WithNextCommit, lease).await
    }

    async fn abandoned(&self) -> Result<Vec<Run>> {
        self.read(|db| {
            let ids: Vec<i64> =
                db.prepare("SELECT id FROM runs WHERE finished_at IS NULL ORDER BY id").all(NONE, |row| row.get(0))?;
            ids.into_iter().filter_map(|id| runs::run(db, RunId(id)).transpose()).collect()
        })
        .await
    }

    async fn next_due(&self, flow: &str) -> Result<Option<Millis>> {
        let flow = flow.to_owned();
        self.read(move |db| events::next_due(db, &flow)).await
    }

    async fn sweep(&self, now: Millis) -> Result<Vec<String>> {
        self.take_up_keys(now).await?;
        let before = self.swept.load(Ordering::Relaxed);
        // Sweeps follow each other within a second; a longer way is that of a clock that was set, or of a machine that slept.
        let stepped = if before > 0 { now - before } else { 0 };
        let sweep = move |db: &Connection| {
            if stepped > STEP {
                events::clock_went_forward(db, stepped)?;
            } else if stepped < -STEP {
                events::clock_went_back(db, now, STEP)?;
            }
            events::sweep(db, now)
        };
        let touched = self.writer.run(sweep).await?;
        self.swept.store(now, Ordering::Relaxed);
        Ok(touched)
    }

    async fn journal_write(&self, run: RunId, entries: Vec<JournalEntry>, durability: Durability) -> Result<()> {
        self.writer.run_with(durability, move |db| runs::write_journal(db, run, &entries)).await
    }

    async fn journal_read(&self, run: RunId) -> Result<Vec<JournalEntry>> {
        self.read(move |db| packing::journal(db, run)).await
    }

    async fn pack(&self, keeps: &BTreeMap<String, Kept>) -> Result<u64> {
        let mut total = 0;
        loop {
            let packed = self.read(packing::unpacked).await?;
            if packed.is_empty() {
                break;
            }
            let (keeps, keys) = (keeps.clone(), self.keys.clone());
            total += self
                .writer
                .run_with(Durability::WithNextCommit, move |db| packing::keep(db, &packed, &keeps, &keys))
                .await?;
        }
        for (flow, kept) in keeps.iter().filter(|(_, kept)| !kept.is_whole()) {
            self.reduce(flow, *kept).await?;
        }
        Ok(total)
    }

    async fn unpacked(&self) -> Result<u64> {
        self.read(|db| {
            let count: i64 = db
                .prepare(
                    "SELECT count(*) FROM runs INDEXED BY runs_unpacked WHERE packed = 0 AND finished_at IS NOT NULL",
                )
                .one(NONE, |row| row.get(0))?;
            Ok(count.unsigned_abs())
        })
        .await
    }

    async fn finish(&self, run: RunId, finish: Finish) -> Result<Vec<String>> {
        self.writer.run(move |db| runs::finish(db, run, finish)).await
    }

    async fn keep_read(&self, read: PastRead) -> Result<EventId> {
        let place = self.place.clone();
        self.writer
            .run(move |db| {
                place.check()?;
                runs::keep_read(db, read)
            })
            .await
    }

    async fn links_of(&self, id: &str) -> Result<Vec<Link>> {
        let id = id.to_owned();
        self.read(move |db| {
            db.prepare(format!("SELECT {} FROM links WHERE b1_id = ?1 OR salesforce_id = ?1", runs::LINK_COLUMNS))
                .all([id], runs::link)
        })
        .await
    }

    async fn linked_ids(&self, salesforce: &str, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>> {
        let (scope, from, to) = (format!("|{salesforce}"), after.max(prefix).to_owned(), format!("{prefix}~"));
        self.read(move |db| {
            db.prepare(
                "SELECT DISTINCT salesforce_id FROM links WHERE salesforce_id > ?1 AND salesforce_id < ?2 \
                     AND substr(scope, -length(?3)) = ?3 ORDER BY salesforce_id LIMIT ?4",
            )
            .all(params![from, to, scope, limit], |row| row.get(0))
        })
        .await
    }

    async fn events(&self, filter: EventFilter) -> Result<Vec<Event>> {
        self.read(move |db| events::list(db, &filter)).await
    }

    async fn event(&self, id: EventId) -> Result<Option<Event>> {
        self.read(move |db| {
            db.prepare(format!("SELECT {} FROM events WHERE id = ?1", events::EVENT_COLUMNS))
                .first([id.0], events::event)
        })
        .await
    }

    async fn runs_of(&self, event: EventId) -> Result<Vec<RunRecord>> {
        self.read(move |db| {
            db.prepare(
                "SELECT r.id, r.flow, r.release, r.started_at, r.finished_at, unseal('runs.error', r.id, r.error), \
                     (SELECT count(*) FROM run_events n WHERE n.run = r.id), r.kept \
                     FROM run_events e JOIN runs r ON r.id = e.run WHERE e.event = ?1 ORDER BY r.id",
            )
            .all([event.0], |row| {
                Ok(RunRecord {
                    id: RunId(row.get(0)?),
                    flow: row.get(1)?,
                    release: row.get(2)?,
                    started_at: row.get(3)?,
                    finished_at: row.get(4)?,
                    error: row.get(5)?,
                    events: row.get(6)?,
                    kept: events::kept(row, 7)?,
                })
            })
        })
        .await
    }

    async fn run(&self, id: RunId) -> Result<Option<Run>> {
        self.read(move |db| runs::run(db, id)).await
    }

    async fn runs_last(&self, flow: &str, events: u32) -> Result<Vec<RunId>> {
        let flow = flow.to_owned();
        self.read(move |db| runs::last(db, &flow, events)).await
    }

    async fn journal_about(&self, subject: &str, limit: u32) -> Result<Vec<(RunId, JournalEntry)>> {
        let subject = subject.to_owned();
        self.read(move |db| packing::about(db, &subject, limit)).await
    }

    async fn retry(&self, event: EventId, resolution: Option<String>, now: Millis) -> Result<bool> {
        self.writer.run(move |db| events::retry(db, event, resolution, now)).await
    }

    async fn answer(&self, event: EventId, choice: &str, now: Millis) -> Result<Answered> {
        let choice = choice.to_owned();
        self.writer.run(move |db| events::answer(db, event, choice, now)).await
    }

    async fn answer_by(
        &self,
        event: EventId,
        choices: &[String],
        answer: &str,
        other: NewEvent,
        now: Millis,
    ) -> Result<Answered> {
        let (choices, answer, place) = (choices.to_vec(), answer.to_owned(), self.place.clone());
        self.writer
            .run_with(Durability::Now, move |db| {
                place.check()?;
                events::answer_by(db, event, &choices, answer, &other, now)
            })
            .await
    }

    async fn counts(&self) -> Result<Vec<Count>> {
        self.read(events::counts).await
    }

    async fn counts_of_backfill(&self, flow: &str) -> Result<Vec<Count>> {
        let flow = flow.to_owned();
        self.read(move |db| events::counts_of_backfill(db, &flow)).await
    }

    async fn questions_revision(&self) -> Result<u64> {
        self.read(|db| {
            let number: i64 =
                db.prepare("SELECT number FROM revisions WHERE name = 'review'").one(NONE, |row| row.get(0))?;
            Ok(number.unsigned_abs())
        })
        .await
    }

    async fn release_put(&self, release: ReleaseRow, contents: Vec<Content>) -> Result<()> {
        let packed = move || contents.into_iter().map(releases::packed).collect::<Result<Vec<_>>>();
        let packed = tokio::task::spawn_blocking(packed).await.map_err(|e| StoreError::Database(e.to_string()))??;
        self.writer.run(move |db| releases::put(db, &release, &packed)).await
    }

    async fn release(&self, flow: &str, digest: &str) -> Result<Option<ReleaseRow>> {
        let (flow, digest) = (flow.to_owned(), digest.to_owned());
        self.read(move |db| releases::one(db, &flow, &digest)).await
    }

    async fn releases(&self, flow: &str) -> Result<Vec<ReleaseRow>> {
        let flow = flow.to_owned();
        self.read(move |db| releases::of_flow(db, &flow)).await
    }

    async fn content(&self, digest: &str) -> Result<Option<Vec<u8>>> {
        let digest = digest.to_owned();
        self.read(move |db| releases::content(db, &digest)).await
    }

    async fn activations(&self, flow: &str, limit: u32) -> Result<Vec<Activation>> {
        let flow = flow.to_owned();
        self.read(move |db| releases::activations(db, &flow, limit)).await
    }

    async fn activate(&self, activation: Activation, instead_of: Option<i64>) -> Result<bool> {
        self.writer.run(move |db| releases::activate(db, &activation, instead_of)).await
    }

    async fn candidate(&self, flow: &str) -> Result<Option<Candidate>> {
        let flow = flow.to_owned();
        self.read(move |db| releases::candidate(db, &flow)).await
    }

    async fn candidate_put(&self, candidate: Candidate) -> Result<()> {
        self.writer.run(move |db| releases::put_candidate(db, &candidate)).await
    }

    async fn grant(&self, grant: Grant) -> Result<()> {
        self.writer
            .run(move |db| {
                db.prepare(
                    "INSERT OR REPLACE INTO grants (digest, plugin, permissions, granted_at) VALUES (?1, ?2, ?3, ?4)",
                )
                .execute(params![grant.digest, grant.plugin, grant.permissions, grant.granted_at])?;
                Ok(())
            })
            .await
    }

    async fn granted(&self, digest: &str) -> Result<Option<Grant>> {
        let digest = digest.to_owned();
        self.read(move |db| {
            db.prepare("SELECT digest, plugin, permissions, granted_at FROM grants WHERE digest = ?1")
                .first([digest], grant)
        })
        .await
    }

    async fn last_grant(&self, plugin: &str) -> Result<Option<Grant>> {
        let plugin = plugin.to_owned();
        self.read(move |db| {
            db.prepare(
                "SELECT digest, plugin, permissions, granted_at FROM grants WHERE plugin = ?1 \
                     ORDER BY granted_at DESC LIMIT 1",
            )
            .first([plugin], grant)
        })
        .await
    }

    async fn secret(&self, name: &str) -> Result<Vec<u8>> {
        let name = name.to_owned();
        self.writer
            .run(move |db| {
                let mut fresh = vec![0; 32];
                ring::rand::SystemRandom::new()
                    .fill(&mut fresh)
                    .map_err(|_| StoreError::Database("the system gives no random bytes".into()))?;
                db.prepare("INSERT OR IGNORE INTO secrets (name, value) VALUES (?1, ?2)")
                    .execute(params![name, fresh])?;
                db.prepare("SELECT value FROM secrets WHERE name = ?1").one([name], |row| row.get(0))
            })
            .await
    }

    async fn prune(&self, retention: &Retention) -> Result<Pruned> {
        // What to remove is looked up beside the work; removed in bites, so that the work waits behind no long write.
        let mut total = Pruned::default();
        let mut after = 0;
        loop {
            let own = retention.clone();
            let runs = self.read(move |db| retention::finished_runs(db, after, &until(db, own, Millis::MAX)?)).await?;
            if runs.is_empty() {
                break;
            }
            let (removed, last) = self
                .writer
                .run(move |db| {
                    let removed = retention::remove_runs(db, &runs)?;
                    Ok((removed, runs[..removed].last().copied()))
                })
                .await?;
            total.runs += removed as u64;
            after = last.unwrap_or(after);
        }
        let mut after = 0;
        loop {
            let own = retention.clone();
            let newest = crate::time::now() - TOLD_AGAIN;
            let old = self.read(move |db| retention::finished_events(db, after, &until(db, own, newest)?)).await?;
            if old.is_empty() {
                break;
            }
            let (removed, last) = self
                .writer
                .run(move |db| {
                    let ids: Vec<i64> = old.iter().map(|(id, _)| *id).collect();
                    let removed = retention::remove_events(db, &ids)?;
                    Ok((removed, old[..removed].last().map(|(_, at)| *at)))
                })
                .await?;
            total.events += removed as u64;
            after = last.unwrap_or(after);
        }
        let before = retention.before.min(retention.of_flows.values().copied().min().unwrap_or(retention.before));
        self.writer.run(move |db| releases::prune(db, before)).await?;
        self.writer.run(search::forget_rates).await?;
        while self.writer.run(retention::give_back).await? {}
        Ok(total)
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
}

/// As it is asked for; where the store holds too much, what ended before `full` goes, too.
fn until(db: &Connection, mut retention: Retention, full: Millis) -> Result<Retention> {
    if retention::used_bytes(db)? > retention.max_bytes {
        retention.before = retention.before.max(full);
        retention.of_flows.retain(|_, before| *before > full);
    }
    Ok(retention)
}

fn grant(row: &Row<'_>) -> Result<Grant> {
    Ok(Grant { digest: row.get(0)?, plugin: row.get(1)?, permissions: row.get(2)?, granted_at: row.get(3)? })
}

#[cfg(test)]
mod protection_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod trail_tests;
