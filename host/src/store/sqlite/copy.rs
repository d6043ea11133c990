//! Copies of the database: made while others read and write, looked at without a change, and made fit to go on from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::{MIGRATIONS, lock_beside, migrate};
use crate::disk::folder_of;
use crate::store::sql::events::{self, RESTORED};
use crate::store::sql::{Keys, sealing, trail};
use crate::store::trail::{Found, Head, Page};
use crate::store::{Count, EventState, Millis, Result, StoreError};

/// Names that the store keeps of itself and that are no keys: by this one a host goes on being the same in its orgs.
const HOST_ID: &str = "host-id";
/// What a host keeps of itself as it is now, and that no older state may bring back: what it told of what is wrong, and when it last made a backup and compared.
const OF_NOW: [&str; 3] = ["alerts", "backup", "reconcile"];
/// Numbers that are left out where it is not known how many were given since: what an org or a person wrote down by number is never another event.
const GAP: i64 = 1_000_000;

/// The first format in which the audit trail has a chain.
pub const CHAINED: i64 = trail::FORMAT;

/// The newest format that this binary knows.
pub fn format() -> i64 {
    MIGRATIONS.len() as i64
}

/// So long a command may have a database open that is to be put aside.
const PATIENCE: Duration = Duration::from_secs(3);

/// Holds a database, there or not, against hosts until it is dropped.
pub struct Held {
    _lock: std::fs::File,
}

/// Keeps hosts from a database; refused where one has it.
pub fn hold(path: &Path) -> Result<Held> {
    lock_beside(path).map(|lock| Held { _lock: lock })
}

/// Writes what the database holds at one moment into a file that is there and empty. Nobody is signed in there, and its keys are left out,
/// not even as bytes that are free.
pub(super) fn copy(from: &Path, into: &Path) -> Result<()> {
    let source = super::open_reader(from, &Keys::none())?;
    source.execute("VACUUM INTO ?1", [text_of(into)?])?;
    drop(source);
    let copy = Connection::open(into)?;
    copy.execute_batch("PRAGMA secure_delete=ON; PRAGMA synchronous=FULL;")?;
    copy.execute("DELETE FROM sessions", [])?;
    copy.execute("DELETE FROM secrets WHERE name <> ?1", [HOST_ID])?;
    close(copy)
}

/// A database file that nobody changes.
pub struct Look {
    connection: Connection,
    /// Its format.
    pub format: i64,
}

/// A position that a source kept, and when.
pub struct Kept {
    /// The source.
    pub source: String,
    /// In its own words.
    pub position: String,
    /// By this server's clock of then.
    pub at: Millis,
}

/// What another database of the same host has come to since.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Since {
    /// Events taken in, by flow.
    pub taken_in: BTreeMap<String, u64>,
    /// Pairs of records linked.
    pub links: u64,
    /// Questions answered, or over.
    pub questions: u64,
}

impl Look {
    /// Opens it to look; a file that is no database of Tandem is an error.
    pub fn at(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Err(StoreError::Missing);
        }
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        let format: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if format < 1 {
            return Err(StoreError::Corrupt("it is no database of Tandem".into()));
        }
        Ok(Self { connection, format })
    }

    /// An error where the file is damaged anywhere.
    pub fn check(&self) -> Result<()> {
        let said: String = self.connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        if said == "ok" { Ok(()) } else { Err(StoreError::Corrupt(said)) }
    }

    /// How many events stand where.
    pub fn counts(&self) -> Result<Vec<Count>> {
        let mut select = self
            .connection
            .prepare("SELECT flow, state, count(*) FROM events GROUP BY flow, state ORDER BY flow, state")?;
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        events::counted(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// How many pairs of records are linked.
    pub fn links(&self) -> Result<u64> {
        self.number("SELECT count(*) FROM links")
    }

    /// Ids of the keys that its values are sealed with.
    pub fn keys(&self) -> Result<Vec<String>> {
        // Before format 10 nothing was sealed.
        if self.format < 10 { Ok(Vec::new()) } else { sealing::noted(&self.connection) }
    }

    /// The audit trail as it is hashed, oldest first: at most so many lines behind one. Before format 12 nothing of it was hashed.
    pub fn trail(&self, after: i64, limit: u32) -> Result<Page> {
        trail::page(&self.connection, after, limit)
    }

    /// The line of the audit trail before one.
    pub fn trail_before(&self, line: i64) -> Result<Option<Found>> {
        trail::before(&self.connection, line)
    }

    /// Numbers of the first line of the audit trail that was written since, and of the last one until then; none where there is no such line.
    pub fn lines_between(&self, since: Millis, until: Millis) -> Result<Option<(i64, i64)>> {
        trail::between(&self.connection, since, until)
    }

    /// The newest line of the audit trail that has a hash.
    pub fn trail_head(&self) -> Result<Option<Head>> {
        if self.format < trail::FORMAT { Ok(None) } else { trail::head(&self.connection) }
    }

    /// Tells the databases of one host from those of others, and names none; none where it was never asked for.
    pub fn host(&self) -> Option<String> {
        let id = host_id(&self.connection, "main")?;
        let digest = ring::digest::digest(&ring::digest::SHA256, &id);
        Some(digest.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Runs that were under way.
    pub fn open_runs(&self) -> Result<u64> {
        self.number("SELECT count(*) FROM runs WHERE finished_at IS NULL")
    }

    /// Records that a source knew.
    pub fn seen(&self, source: &str) -> Result<u64> {
        // Before format 4 they stood in the source's position.
        let counted =
            self.connection.query_row("SELECT count(*) FROM seen WHERE source = ?1", [source], |row| row.get(0));
        Ok(counted.map_or(0, |count: i64| count.unsigned_abs()))
    }

    /// Where each source stood.
    pub fn positions(&self) -> Result<Vec<Kept>> {
        let mut select = self.connection.prepare("SELECT source, position, at FROM positions ORDER BY source")?;
        let rows =
            select.query_map([], |row| Ok(Kept { source: row.get(0)?, position: row.get(1)?, at: row.get(2)? }))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// What `present` has come to since; none where it cannot be read, or is that of another host.
    pub fn since(&self, present: &Path) -> Option<Since> {
        let other = Self::at(present).ok()?;
        if other.format != self.format || host_id(&self.connection, "main")? != host_id(&other.connection, "main")? {
            return None;
        }
        drop(other);
        self.connection.execute("ATTACH ?1 AS present", [text_of(present).ok()?]).ok()?;
        let since = self.compared();
        let _ = self.connection.execute("DETACH present", []);
        since.ok()
    }

    fn compared(&self) -> Result<Since> {
        let mut select = self.connection.prepare(
            "SELECT flow, count(*) FROM present.events WHERE id > (SELECT coalesce(max(id), 0) FROM main.events) GROUP BY flow",
        )?;
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
        let taken_in = rows.collect::<rusqlite::Result<_>>()?;
        let links = self.number(
            "SELECT count(*) FROM present.links AS now WHERE NOT EXISTS (SELECT 1 FROM main.links AS own \
             WHERE own.scope = now.scope AND own.kind = now.kind AND own.salesforce_id = now.salesforce_id)",
        )?;
        let review = EventState::Review as i64;
        let questions = self.number(&format!(
            "SELECT count(*) FROM main.events AS own JOIN present.events AS now ON now.id = own.id \
             WHERE own.state = {review} AND now.state <> {review}"
        ))?;
        Ok(Since { taken_in, links, questions })
    }

    fn number(&self, sql: &str) -> Result<u64> {
        Ok(self.connection.query_row(sql, [], |row| row.get::<_, i64>(0))?.unsigned_abs())
    }
}

/// Brings the database of a backup to this binary's format, and makes it fit to go on from. Nobody is signed in. All that is unfinished, and what
/// is told again for some days, counts as tried before: where it may have been done, that is looked up first. Where `present` is of the same host
/// and can be read, who may use the console, its keys and the audit trail stay as they are there (true): what was taken from somebody
/// is not given back.
pub fn make_fit(copy: &Path, present: &Path, now: Millis) -> Result<bool> {
    let mut connection = Connection::open(copy)?;
    connection.execute_batch("PRAGMA synchronous=FULL;")?;
    migrate(&mut connection)?;
    connection.execute_batch(
        "BEGIN IMMEDIATE; DELETE FROM sessions; \
         UPDATE events SET ran = 1 WHERE state < 3;",
    )?;
    connection.execute(
        "INSERT OR REPLACE INTO positions (source, position, at) VALUES (?1, 'true', ?2)",
        params![RESTORED, now],
    )?;
    for source in OF_NOW {
        connection.execute("DELETE FROM positions WHERE source = ?1", [source])?;
    }
    connection.execute_batch("COMMIT")?;
    let stays = keep_what_was_given(&connection, copy, present);
    if !stays {
        for table in ["events", "runs"] {
            give_no_number_twice(&connection, table, GAP)?;
        }
    }
    close(connection)?;
    Ok(stays)
}

/// Whether who may use the console, its keys and the audit trail stay as they are in `present`: see [`make_fit`].
pub fn access_stays(copy: &Path, present: &Path) -> bool {
    let host = |path: &Path| Look::at(path).ok().filter(|look| look.format <= format()).and_then(|look| look.host());
    let own = host(copy);
    own.is_some() && own == host(present)
}

/// See [`make_fit`]; false, and nothing is changed, where it cannot be.
fn keep_what_was_given(connection: &Connection, copy: &Path, present: &Path) -> bool {
    access_stays(copy, present) && from_present(connection, copy, present).unwrap_or(false)
}

fn from_present(connection: &Connection, copy: &Path, present: &Path) -> Result<bool> {
    // Of an older program: a copy of it is brought to this one's format, and it stays as it is.
    let older = with_ending(copy, "-present");
    let present = if Look::at(present)?.format < format() {
        let _ = std::fs::remove_file(&older);
        Look::at(present)?.connection.execute("VACUUM INTO ?1", [text_of(&older)?])?;
        let mut brought = Connection::open(&older)?;
        migrate(&mut brought)?;
        close(brought)?;
        older.as_path()
    } else {
        present
    };
    connection.execute("ATTACH ?1 AS present", [text_of(present)?])?;
    let taken = take_over(connection);
    if taken.is_err() {
        let _ = connection.execute_batch("ROLLBACK");
    }
    let _ = connection.execute("DETACH present", []);
    let _ = std::fs::remove_file(&older);
    Ok(taken.is_ok())
}

fn take_over(connection: &Connection) -> Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    for table in ["accounts", "tokens", "secrets", "acts"] {
        connection.execute_batch(&format!(
            "DELETE FROM main.{table}; INSERT INTO main.{table} SELECT * FROM present.{table};"
        ))?;
    }
    for source in OF_NOW {
        connection.execute(
            "INSERT OR REPLACE INTO main.positions SELECT * FROM present.positions WHERE source = ?1",
            [source],
        )?;
    }
    for table in ["events", "runs", "activations", "acts"] {
        let given: Option<i64> = connection
            .query_row("SELECT seq FROM present.sqlite_sequence WHERE name = ?1", [table], |row| row.get(0))
            .optional()?;
        let own = last_number(connection, table)?;
        give_no_number_twice(connection, table, (given.unwrap_or(0) - own).max(0))?;
    }
    connection.execute_batch("COMMIT")?;
    Ok(())
}

fn last_number(connection: &Connection, table: &str) -> Result<i64> {
    let last = connection
        .query_row("SELECT seq FROM main.sqlite_sequence WHERE name = ?1", [table], |row| row.get(0))
        .optional()?;
    Ok(last.unwrap_or(0))
}

/// The next row has a number that is larger by so much and one.
fn give_no_number_twice(connection: &Connection, table: &str, more: i64) -> Result<()> {
    let next = last_number(connection, table)? + more;
    connection.execute("DELETE FROM main.sqlite_sequence WHERE name = ?1", [table])?;
    connection.execute("INSERT INTO main.sqlite_sequence (name, seq) VALUES (?1, ?2)", params![table, next])?;
    Ok(())
}

fn host_id(connection: &Connection, database: &str) -> Option<Vec<u8>> {
    let sql = format!("SELECT value FROM {database}.secrets WHERE name = ?1");
    connection.query_row(&sql, [HOST_ID], |row| row.get(0)).optional().ok().flatten()
}

/// Puts a database in the place of another, which lies at `kept` from then on, with what SQLite keeps beside it: at any moment one of both is
/// there whole. Hosts are held off; what else has it open is told.
pub fn swap(fresh: &Path, place: &Path, kept: &Path) -> Result<()> {
    let failed = |path: &Path, error: std::io::Error| StoreError::Database(format!("{}: {error}", path.display()));
    settle(place)?;
    // Another database would take them for its own.
    let part = || {
        for ending in ["-wal", "-shm", "-journal"] {
            let beside = with_ending(place, ending);
            if beside.exists() {
                std::fs::rename(&beside, with_ending(kept, ending)).map_err(|error| failed(&beside, error))?;
            }
        }
        Ok::<_, StoreError>(())
    };
    part()?;
    if place.exists() {
        // Not every file system has hard links.
        let linked = std::fs::hard_link(place, kept);
        linked.or_else(|_| std::fs::copy(place, kept).map(|_| ())).map_err(|error| failed(kept, error))?;
    }
    // Whoever has looked into it meanwhile has made new ones.
    part()?;
    std::fs::rename(fresh, place).map_err(|error| failed(place, error))?;
    sync_folder(place);
    Ok(())
}

/// Takes the log of a database that can be read into it; an error where somebody has it open for long.
pub fn settle(place: &Path) -> Result<()> {
    if Look::at(place).is_ok() { make_one_file(place) } else { Ok(()) }
}

/// Takes the log into the database; an error where somebody has it open for long.
fn make_one_file(path: &Path) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let mode = connection.query_row("PRAGMA journal_mode=DELETE", [], |row| row.get::<_, String>(0));
        match mode {
            Ok(mode) if mode != "wal" => return close(connection),
            Err(error) if error.sqlite_error_code() != Some(rusqlite::ErrorCode::DatabaseBusy) => {
                return Err(error.into());
            }
            _ if Instant::now() > until => return Err(in_use(path)),
            _ => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

fn in_use(path: &Path) -> StoreError {
    StoreError::InUse(path.display().to_string())
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// What was renamed in a folder survives a power cut. Windows has no such call, and needs none.
pub fn sync_folder(path: &Path) {
    if cfg!(unix) {
        let _ = std::fs::File::open(folder_of(path)).and_then(|folder| folder.sync_all());
    }
}

fn text_of(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| StoreError::Database(format!("{}: the path is no text", path.display())))
}

fn close(connection: Connection) -> Result<()> {
    connection.close().map_err(|(_, error)| error.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::SqliteStore;
    use crate::store::{
        Access, Account, Durability, Finish, Haste, Intake, JournalEntry, NewEvent, People, Role, Session, Store,
        Token, Verdict,
    };

    fn event(key: &str) -> NewEvent {
        NewEvent {
            kind: "salesforce.Opportunity".into(),
            flow: "orders".into(),
            topic: "salesforce.Opportunity".into(),
            key: key.into(),
            dedup: key.into(),
            payload: "{}".into(),
            trace: "0".repeat(32),
            haste: Haste::AtOnce,
            held: None,
        }
    }

    async fn take(store: &SqliteStore, key: &str) {
        store.append(Intake { events: vec![event(key)], ..Intake::default() }).await.unwrap();
    }

    async fn stands(store: &SqliteStore, source: &str, position: &str) {
        store.append(Intake { position: Some((source.into(), position.into())), ..Intake::default() }).await.unwrap();
    }

    async fn run(store: &SqliteStore) -> (i64, bool) {
        let run = store.lease("orders", "digest", 1, crate::time::now()).await.unwrap().run().unwrap();
        let verdicts = run.events.iter().map(|event| (event.id, Verdict::Done("ok".into()))).collect();
        let (id, repeated) = (run.events[0].id.0, run.repeated);
        store.finish(run.id, Finish { verdicts, ..Finish::default() }).await.unwrap();
        (id, repeated)
    }

    fn token(name: &str) -> Token {
        Token {
            purpose: crate::store::Purpose::Api,
            id: name.into(),
            name: name.into(),
            digest: name.into(),
            role: Role::Viewer,
            flows: None,
            by: "admin".into(),
            made_at: 1,
            expires_at: i64::MAX,
            last_used: None,
        }
    }

    async fn copied(store: &SqliteStore, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::File::create(&path).unwrap();
        store.copy(&path).await.unwrap();
        path
    }

    fn open(path: &Path) -> SqliteStore {
        SqliteStore::open(path, Access::Host).unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_copy_is_of_one_moment_while_others_write_and_has_no_keys() {
        let folder = tempfile::tempdir().unwrap();
        let store = std::sync::Arc::new(open(&folder.path().join("tandem.db")));
        let key = store.secret("compiled-plugins").await.unwrap();
        store.secret(HOST_ID).await.unwrap();
        let session = Session {
            id: "session-of-somebody".into(),
            account: "admin".into(),
            csrf: "csrf-of-somebody".into(),
            since: 1,
            last_seen: 1,
            ends_at: i64::MAX,
            address: "127.0.0.1".into(),
            agent: "x".into(),
        };
        store.session_begin(session).await.unwrap();
        take(&store, "first").await;
        let run = store.lease("orders", "digest", 1, crate::time::now()).await.unwrap().run().unwrap();
        let writing = {
            let store = store.clone();
            tokio::spawn(async move {
                for n in 0..400 {
                    let entry = JournalEntry {
                        seq: n,
                        item: 0,
                        kind: "http".into(),
                        subject: String::new(),
                        state: crate::store::CallState::Done,
                        at: 1,
                        request: "x".repeat(5_000),
                        response: "y".repeat(5_000),
                        took: None,
                    };
                    store.journal_write(run.id, vec![entry], Durability::WithNextCommit).await.unwrap();
                    take(&store, &n.to_string()).await;
                }
            })
        };
        for n in 0..4 {
            let path = copied(&store, folder.path(), &format!("copy-{n}.db")).await;
            let look = Look::at(&path).unwrap();
            look.check().unwrap();
            assert_eq!(look.format, format());
            // Each event was taken in behind its entry.
            let entries = look.number("SELECT count(*) FROM journal").unwrap();
            let events = look.number("SELECT count(*) FROM events").unwrap() - 1;
            assert!(entries == events || entries == events + 1, "{entries} entries, {events} events");
            let bytes = std::fs::read(&path).unwrap();
            for gone in [&key[..], b"session-of-somebody", b"csrf-of-somebody"] {
                assert!(!bytes.windows(gone.len()).any(|part| part == gone));
            }
        }
        writing.await.unwrap();
    }

    #[tokio::test]
    async fn what_goes_on_from_a_copy_looks_up_what_may_be_done_and_gives_nothing_back_that_was_taken() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("tandem.db");
        let store = open(&place);
        store.secret(HOST_ID).await.unwrap();
        let key = store.secret("compiled-plugins").await.unwrap();
        store.token_put(token("taken back since")).await.unwrap();
        stands(&store, "alerts", "of then").await;
        stands(&store, "backup", "of then").await;
        take(&store, "waits").await;
        let copy = copied(&store, folder.path(), "copy.db").await;
        assert_eq!(run(&store).await, (1, false));
        take(&store, "since").await;
        run(&store).await;
        store.token_remove("taken back since").await.unwrap();
        store.token_put(token("given since")).await.unwrap();
        stands(&store, "alerts", "of now").await;
        let since = Look::at(&copy).unwrap().since(&place).unwrap();
        assert_eq!(since, Since { taken_in: BTreeMap::from([("orders".into(), 1)]), links: 0, questions: 0 });
        drop(store);

        assert!(make_fit(&copy, &place, crate::time::now()).unwrap());
        let kept = folder.path().join("kept.db");
        swap(&copy, &place, &kept).unwrap();
        let store = open(&place);
        assert_eq!(run(&store).await, (1, true), "it may have been done since");
        take(&store, "told again").await;
        assert_eq!(run(&store).await, (3, true), "another number than any since, and looked up, too");
        let tokens: Vec<String> = store.tokens().await.unwrap().into_iter().map(|token| token.name).collect();
        assert_eq!(tokens, ["given since"]);
        assert_eq!(store.position("alerts").await.unwrap().unwrap(), "of now");
        assert_eq!(store.secret("compiled-plugins").await.unwrap(), key);
        assert_eq!(open(&kept).counts().await.unwrap()[0].events, 2);
    }

    #[tokio::test]
    async fn beside_another_hosts_database_a_copy_keeps_its_own_people_and_leaves_numbers_out() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder.path().join("old.db"));
        store.secret(HOST_ID).await.unwrap();
        let account = Account {
            name: "anna".into(),
            role: Role::Admin,
            flows: None,
            password: Some("hash".into()),
            outside: None,
            made_at: 1,
            last_seen: None,
        };
        store.account_put(account, None).await.unwrap();
        stands(&store, "alerts", "of then").await;
        take(&store, "one").await;
        let copy = copied(&store, folder.path(), "copy.db").await;
        let place = folder.path().join("tandem.db");
        open(&place).secret(HOST_ID).await.unwrap();
        assert_eq!(Look::at(&copy).unwrap().since(&place), None);
        assert!(!make_fit(&copy, &place, crate::time::now()).unwrap());
        swap(&copy, &place, &folder.path().join("kept.db")).unwrap();
        let store = open(&place);
        assert_eq!(store.accounts().await.unwrap().len(), 1);
        assert_eq!(store.position("alerts").await.unwrap(), None);
        take(&store, "two").await;
        run(&store).await;
        assert_eq!(run(&store).await.0, 1 + GAP + 1);
    }

    #[tokio::test]
    async fn a_database_that_cannot_be_read_and_a_log_without_one_are_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let store = open(&path("old.db"));
        take(&store, "one").await;
        let copy = copied(&store, folder.path(), "copy.db").await;
        std::fs::write(path("tandem.db"), "no database at all".repeat(1_000)).unwrap();
        std::fs::write(path("tandem.db-wal"), "of another one").unwrap();
        make_fit(&copy, &path("tandem.db"), 1).unwrap();
        swap(&copy, &path("tandem.db"), &path("kept.db")).unwrap();
        assert_eq!(open(&path("tandem.db")).counts().await.unwrap()[0].events, 1);
        assert!(std::fs::read(path("kept.db")).unwrap().starts_with(b"no database"));
        assert_eq!(std::fs::read(path("kept.db-wal")).unwrap(), b"of another one");
    }

    #[tokio::test]
    async fn one_that_somebody_has_open_stays_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("tandem.db");
        let store = open(&place);
        take(&store, "one").await;
        let copy = copied(&store, folder.path(), "copy.db").await;
        assert!(matches!(hold(&place), Err(StoreError::InUse(_))));
        assert!(matches!(swap(&copy, &place, &folder.path().join("kept.db")), Err(StoreError::InUse(_))));
        assert!(copy.exists() && !folder.path().join("kept.db").exists());
        take(&store, "two").await;
    }
}
