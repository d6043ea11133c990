//! What SQLite promises beside the promises of every store: about its file, its formats, its log and its room.

use proptest::prelude::*;

use super::*;
use crate::store::sql::NONE;
use crate::store::sql::promises::{append, done, each, event, lease, on_sqlite as store, take, waits};
use crate::store::*;

/// Room for so many pages more, as on a disk that is nearly full.
async fn room(store: &SqliteStore, pages: i64) {
    let limit = move |db: &Connection| {
        let used: i64 = db.prepare("PRAGMA page_count").one(NONE, |row| row.get(0))?;
        db.prepare(format!("PRAGMA max_page_count={}", used + pages)).one(NONE, |row| row.get::<i64>(0))?;
        Ok(())
    };
    store.write(limit).await.unwrap();
}

/// Keeps the writing thread busy until `job` and those after it stand in its queue, so that they make one group.
async fn hold(store: &Arc<SqliteStore>) -> std::sync::mpsc::Sender<()> {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let (begun, ready) = tokio::sync::oneshot::channel();
    let own = store.clone();
    let runtime = tokio::runtime::Handle::current();
    std::thread::spawn(move || {
        let busy = own.write(move |_| {
            let _ = begun.send(());
            let _ = wait.recv();
            Ok(())
        });
        runtime.block_on(busy)
    });
    ready.await.unwrap();
    go
}

#[tokio::test]
async fn a_crash_leaves_the_run_open_with_its_journal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tandem.db");
    let run = {
        let store = SqliteStore::open(&path, Access::Host).unwrap();
        append(&store, &[("A", "1")]).await;
        let run = lease(&store, 10).await.unwrap();
        let entry = JournalEntry {
            seq: 0,
            item: 0,
            kind: "http".into(),
            subject: "A".into(),
            request: "{}".into(),
            response: String::new(),
            state: CallState::Intended,
            at: 1,
            took: None,
        };
        store.journal_write(run.id, vec![entry], Durability::Now).await.unwrap();
        run
    };
    let store = SqliteStore::open(&path, Access::Host).unwrap();
    let abandoned = store.abandoned(Whose::Flows, true).await.unwrap();
    assert_eq!(abandoned.len(), 1);
    assert_eq!((abandoned[0].id, abandoned[0].release.as_str()), (run.id, "digest"));
    assert_eq!(store.journal_read(run.id).await.unwrap()[0].state, CallState::Intended);
}

#[tokio::test]
async fn a_second_host_on_the_same_file_is_refused() {
    let (folder, _store) = store();
    let second = SqliteStore::open(&folder.path().join("tandem.db"), Access::Host);
    assert!(matches!(second, Err(StoreError::InUse(_))));
    SqliteStore::open(&folder.path().join("tandem.db"), Access::Tool).unwrap();
}

#[tokio::test]
async fn a_file_of_a_newer_tandem_is_refused_with_the_mend() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tandem.db");
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = SqliteStore::open(&path, Access::Host).err().unwrap().to_string();
    assert!(error.contains("newer tandem"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever comes in and whatever becomes of it: per key, events start in the order they came.
    #[test]
    fn order_per_key_holds(keys in prop::collection::vec(0u8..5, 1..40), batch in 1u32..6, retries in prop::collection::vec(any::<bool>(), 80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (_folder, store) = store();
            for (n, key) in keys.iter().enumerate() {
                append(&store, &[(&key.to_string(), &n.to_string())]).await;
            }
            let mut finished: Vec<(String, EventId)> = Vec::new();
            let mut coins = retries.into_iter().chain(std::iter::repeat(false));
            while let Some(run) = lease(&store, batch).await {
                let mut seen: Vec<&str> = run.events.iter().map(|e| e.key.as_str()).collect();
                seen.sort_unstable();
                seen.dedup();
                assert_eq!(seen.len(), run.events.len(), "one event per key in a batch");
                let verdicts = run.events.iter().map(|e| {
                    let verdict = if coins.next() == Some(true) {
                        Verdict::Retry { due_at: 0, why: String::new(), counts: true, batch_max: None }
                    } else {
                        finished.push((e.key.clone(), e.id));
                        Verdict::Done(String::new())
                    };
                    (e.id, verdict)
                }).collect();
                store.finish(run.id, Finish { verdicts, ..Finish::default() }).await.unwrap();
            }
            assert_eq!(finished.len(), keys.len());
            for key in 0u8..5 {
                let ids: Vec<EventId> = finished.iter().filter(|(k, _)| *k == key.to_string()).map(|(_, id)| *id).collect();
                assert!(ids.is_sorted(), "{ids:?}");
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_full_disk_fails_its_whole_group_and_no_caller_is_told_otherwise() {
    let (_folder, store) = store();
    append(&store, &[("A", "1")]).await;
    let run = lease(&store, 1).await.unwrap();
    append(&store, &[("B", "2")]).await;
    room(&store, 3).await;
    let go = hold(&store).await;
    let mut large = event("C", "3");
    large.payload = "x".repeat(200_000);
    let jobs = [vec![event("D", "4")], vec![large], vec![event("E", "5")]].map(|events| {
        let store = store.clone();
        tokio::spawn(async move { take(&store, events).await })
    });
    let (leasing, finishing) = (store.clone(), store.clone());
    let outage = Verdict::Retry { due_at: 0, why: "outage".into(), counts: false, batch_max: None };
    let finish = each(&run, &outage);
    let own = finish.clone();
    let leased = tokio::spawn(async move { leasing.lease("orders", "digest", 1, crate::time::now()).await });
    let finished = tokio::spawn(async move { finishing.finish(run.id, own).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    go.send(()).unwrap();
    let told: Vec<bool> = vec![leased.await.unwrap().is_ok(), finished.await.unwrap().is_ok()];
    let mut kept = 0;
    for job in jobs {
        kept += u64::from(job.await.unwrap().is_ok());
    }
    // Whoever was told that it was kept finds it kept; the rest is as before.
    let counts = store.counts().await.unwrap();
    let number = |state| counts.iter().find(|count| count.state == state).map_or(0, |count| count.events);
    let all: u64 = counts.iter().map(|count| count.events).sum();
    assert_eq!(all, 2 + kept, "{counts:?}");
    assert_eq!(number(EventState::Leased), u64::from(!told[1]) + u64::from(told[0]), "{told:?} {counts:?}");
    // There is room again: everything goes on.
    room(&store, 1_000_000).await;
    store.finish(run.id, finish.clone()).await.unwrap();
    store.finish(run.id, finish).await.unwrap();
    let again = lease(&store, 10).await.unwrap();
    assert!(again.events.iter().all(|event| event.attempts == 1), "{:?}", again.events);
    assert_eq!(store.trouble().await, None);
}

#[tokio::test]
async fn a_store_that_hangs_is_not_waited_for_and_asked_nothing_more_until_it_answers() {
    let (_folder, store) = store();
    let patient = Patient::new(store.clone());
    let go = hold(&store).await;
    let begun = std::time::Instant::now();
    let append = |store: Arc<dyn Store>| async move { store.append(Intake::default()).await };
    assert!(matches!(patient.ask(append).await, Err(Unanswered::Hangs)));
    let waited = begun.elapsed();
    assert!(matches!(patient.ask(|store| async move { store.counts().await }).await, Err(Unanswered::Hangs)));
    assert!(
        waited < std::time::Duration::from_secs(30) && begun.elapsed() - waited < waited,
        "the second asks nothing"
    );
    go.send(()).unwrap();
    while patient.ask(|store| async move { store.counts().await }).await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// As if the host had done all it did so far by a clock that was so far ahead.
async fn done_ahead(store: &SqliteStore, by: i64) {
    let ahead = [
        "UPDATE events SET created_at = created_at + ?1, planned_at = planned_at + ?1, due_at = due_at + ?1",
        "UPDATE wakes SET at = at + ?1, planned_at = planned_at + ?1",
        "UPDATE runs SET started_at = started_at + ?1, finished_at = finished_at + ?1",
    ];
    let set = move |db: &Connection| ahead.iter().try_for_each(|sql| db.prepare(*sql).execute([by]).map(|_| ()));
    store.write(set).await.unwrap();
}

#[tokio::test]
async fn a_clock_set_back_while_the_host_was_off_holds_nothing_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tandem.db");
    let open = || SqliteStore::open(&path, Access::Host).unwrap();
    // Each life by another wrong clock, the later ones less wrong: each counts by itself.
    for (life, hours) in [10, 2, 5, 1].into_iter().enumerate() {
        let store = open();
        append(&store, &[(&format!("A{life}"), &life.to_string())]).await;
        done_ahead(&store, hours * 3_600_000).await;
        drop(store);
        let store = open();
        let run = lease(&store, 1).await.expect("ready is ready");
        store.finish(run.id, each(&run, &Verdict::Done("done".into()))).await.unwrap();
    }
}

#[tokio::test]
async fn a_deadline_keeps_its_distance_over_a_clock_that_is_set() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tandem.db");
    let open = || SqliteStore::open(&path, Access::Host).unwrap();
    let store = open();
    append(&store, &[("A", "1")]).await;
    let run = lease(&store, 1).await.unwrap();
    let wake = Wake { at: crate::time::now() + 60_000, key: "K".into(), payload: "{}".into() };
    store.finish(run.id, Finish { wakes: vec![wake], ..each(&run, &waits("001X")) }).await.unwrap();
    let planned = store.event(run.events[0].id).await.unwrap().unwrap().due_at;
    let wake_at = async |store: &SqliteStore| {
        store.read(|db| db.prepare("SELECT at FROM wakes").one(NONE, |row| row.get::<i64>(0))).await.unwrap()
    };
    let woken = wake_at(&store).await;
    done_ahead(&store, 7_200_000).await;
    drop(store);
    for _ in 0..3 {
        let store = open();
        let deadline = store.event(run.events[0].id).await.unwrap().unwrap().due_at;
        assert!((deadline - planned).abs() < 5_000, "{} off", deadline - planned);
        assert!((wake_at(&store).await - woken).abs() < 5_000);
    }
}

#[tokio::test]
async fn what_was_removed_leaves_the_file() {
    let (_folder, store) = store();
    for n in 0..20 {
        let mut own = event(&format!("k{n}"), &n.to_string());
        own.payload = "x".repeat(200_000);
        take(&store, vec![own]).await.unwrap();
    }
    while let Some(run) = lease(&store, 50).await {
        store.finish(run.id, done(&run)).await.unwrap();
    }
    let pruned = store.prune(&Retention::of(crate::time::now() + 1_000, u64::MAX)).await.unwrap();
    assert_eq!(pruned.events, 20);
    let pages = |name: &'static str| {
        store.read(move |db| db.prepare(format!("PRAGMA {name}")).one(NONE, |row| row.get::<i64>(0)))
    };
    assert_eq!(pages("freelist_count").await.unwrap(), 0);
    assert!(pages("page_count").await.unwrap() < 100);
}

#[tokio::test]
async fn a_store_of_the_format_before_is_taken_over_with_what_was_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tandem.db");
    let old = rusqlite::Connection::open(&path).unwrap();
    for step in &MIGRATIONS[..2] {
        old.execute_batch(step).unwrap();
    }
    old.execute_batch(
        "PRAGMA user_version = 2;
         INSERT INTO events (flow, topic, key, dedup, payload, trace, state, due_at, attempts, created_at) VALUES
           ('orders', 't', 'A', '1', '{}', '', 1, 0, 2, 1), ('orders', 't', 'A', '2', '{}', '', 0, 0, 0, 2),
           ('orders', 't', 'B', '3', '{}', '', 0, 0, 1, 3), ('orders', 't', 'C', '4', '{}', '', 4, 0, 1, 4);
         INSERT INTO runs (flow, digest, started_at, finished_at) VALUES ('orders', 'd', 1, 2), ('orders', 'd', 3, NULL);
         INSERT INTO run_events VALUES (1, 1), (1, 4), (1, 3), (2, 1);",
    )
    .unwrap();
    drop(old);
    let store = SqliteStore::open(&path, Access::Host).unwrap();
    let open = store.abandoned(Whose::Flows, true).await.unwrap();
    assert_eq!((open.len(), open[0].events[0].attempts, open[0].repeated), (1, 2, true));
    let ready = lease(&store, 10).await.unwrap();
    assert_eq!(ready.events.iter().map(|event| event.id.0).collect::<Vec<_>>(), [3], "A is under way");
    assert!(ready.repeated);
    store.finish(open[0].id, done(&open[0])).await.unwrap();
    let next = lease(&store, 10).await.unwrap();
    assert_eq!((next.events[0].id.0, next.repeated), (2, false));
    let counts = store.counts().await.unwrap();
    assert_eq!(counts.iter().map(|count| count.events).collect::<Vec<_>>(), [2, 2], "{counts:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_but_its_user_reads_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tandem.db");
    std::fs::write(&path, "").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let store = SqliteStore::open(&path, Access::Host).unwrap();
    append(&store, &[("A", "1")]).await;
    for name in ["tandem.db", "tandem.db-wal"] {
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

/// The folder of the process that the test below starts; nothing anywhere else.
const DOOMED: &str = "TANDEM_TEST_DOOMED_STORE";

#[tokio::test]
async fn doomed_process() {
    let Some(folder) = std::env::var_os(DOOMED) else { return };
    let store = SqliteStore::open(&std::path::Path::new(&folder).join("tandem.db"), Access::Host).unwrap();
    append(&store, &[("kept", "1")]).await;
    let half = |db: &Connection| -> Result<()> {
        db.prepare("DELETE FROM events").execute(NONE)?;
        panic!("a fault of our own")
    };
    let _ = store.write(half).await;
    // Nobody gets far here: it is not known what state the writing thread was in.
    std::thread::sleep(Duration::from_secs(10));
    std::process::exit(0);
}

#[tokio::test]
async fn a_panic_of_the_writing_thread_ends_the_process_and_what_was_kept_is_there_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let own = std::env::current_exe().unwrap();
    let arguments = ["--exact", "store::sqlite::tests::doomed_process", "--nocapture"];
    let ended = std::process::Command::new(own).args(arguments).env(DOOMED, folder.path()).output().unwrap();
    assert_eq!(ended.status.code(), Some(crate::ending::DIED), "{}", String::from_utf8_lossy(&ended.stderr));
    let store = SqliteStore::open(&folder.path().join("tandem.db"), Access::Host).unwrap();
    let run = lease(&store, 10).await.expect("what was told to be kept");
    assert_eq!(run.events[0].key, "kept");
}

#[test]
fn who_only_looks_makes_no_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/tandem.db");
    assert!(matches!(SqliteStore::open(&path, Access::Tool), Err(StoreError::Missing)));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nor a folder for it");
    drop(SqliteStore::open(&path, Access::Maker).unwrap());
    SqliteStore::open(&path, Access::Tool).unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn a_database_that_is_deleted_or_replaced_takes_no_new_work_and_says_so() {
    let disturb: [fn(&Path); 3] = [
        |path| std::fs::remove_file(path).unwrap(),
        |path| std::fs::remove_file(path.with_extension("db-wal")).unwrap(),
        |path| {
            std::fs::copy(path, path.with_extension("old")).unwrap();
            std::fs::rename(path.with_extension("old"), path).unwrap();
        },
    ];
    for (place, disturb) in disturb.iter().enumerate() {
        let (folder, store) = store();
        append(&store, &[("A", "1"), ("B", "2")]).await;
        let under_way = lease(&store, 1).await.unwrap();
        assert_eq!(store.trouble().await, None);
        disturb(&folder.path().join("tandem.db"));
        assert!(matches!(store.trouble().await, Some(StoreTrouble::Gone(_))), "{place}");
        let more = Intake { events: vec![event("C", "3")], ..Intake::default() };
        assert!(matches!(store.append(more).await, Err(StoreError::Gone(_))), "its source must tell it again");
        let leased = store.lease("orders", "digest", 1, crate::time::now()).await;
        assert!(matches!(leased, Err(StoreError::Gone(_))));
        store.finish(under_way.id, done(&under_way)).await.expect("what is under way may end");
    }
}

#[tokio::test]
async fn what_a_scan_of_the_format_before_had_seen_is_not_taken_for_new() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tandem.db");
    let old = rusqlite::Connection::open(&path).unwrap();
    for step in &MIGRATIONS[..3] {
        old.execute_batch(step).unwrap();
    }
    let key = r#"{"CardCode":"C\"1\\ü","ItemCode":"A/1"}"#;
    let seen = serde_json::json!({ key: "0123456789abcdef", r#"{"ItemCode":"A2"}"#: "fedcba9876543210" }).to_string();
    old.execute("INSERT INTO positions (source, position, at) VALUES ('b1:erp:ItemPrices:scan', ?1, 1)", [&seen])
        .unwrap();
    old.execute("INSERT INTO positions (source, position, at) VALUES ('b1:erp:JournalEntries:append', '17', 1)", [])
        .unwrap();
    old.execute_batch("PRAGMA user_version = 3;").unwrap();
    drop(old);
    let store = SqliteStore::open(&path, Access::Host).unwrap();
    let digests = store.seen("b1:erp:ItemPrices:scan", vec![key.into(), r#"{"ItemCode":"A2"}"#.into()]).await.unwrap();
    assert_eq!(digests, [Some("0123456789abcdef".to_owned()), Some("fedcba9876543210".into())]);
    assert_eq!(store.seen_count("b1:erp:ItemPrices:scan").await.unwrap(), 2);
    assert_eq!(store.position("b1:erp:ItemPrices:scan").await.unwrap().as_deref(), Some("true"));
    assert_eq!(store.position("b1:erp:JournalEntries:append").await.unwrap().as_deref(), Some("17"));
}
