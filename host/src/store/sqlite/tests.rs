//! The embedded store's promises: order per key, one lease each, all or nothing, nothing twice.

use proptest::prelude::*;

use super::*;

fn store() -> (tempfile::TempDir, Arc<SqliteStore>) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("tandem.db"), Access::Host).unwrap();
    (folder, Arc::new(store))
}

fn event(key: &str, dedup: &str) -> NewEvent {
    NewEvent {
        flow: "orders".into(),
        topic: "salesforce.Opportunity".into(),
        key: key.into(),
        dedup: dedup.into(),
        payload: "{}".into(),
        trace: "0".repeat(32),
        held: None,
    }
}

async fn append(store: &SqliteStore, events: &[(&str, &str)]) -> u64 {
    let events = events.iter().map(|(key, dedup)| event(key, dedup)).collect();
    store.append(Intake { events, ..Intake::default() }).await.unwrap()
}

fn done(run: &Run) -> Finish {
    Finish { verdicts: run.events.iter().map(|e| (e.id, Verdict::Done("ok".into()))).collect(), ..Finish::default() }
}

async fn lease(store: &SqliteStore, max: u32) -> Option<Run> {
    store.lease("orders", "digest", max, crate::time::now()).await.unwrap()
}

fn link(salesforce_id: &str) -> Link {
    Link {
        scope: "erp|crm".into(),
        kind: "account".into(),
        b1_id: "C1".into(),
        salesforce_id: salesforce_id.into(),
        base: "{}".into(),
    }
}

fn waits(id: &str) -> Verdict {
    Verdict::Wait {
        scope: "erp|crm".into(),
        kind: "account".into(),
        side: Side::Salesforce,
        id: id.into(),
        deadline: crate::time::now() + 60_000,
    }
}

#[tokio::test]
async fn the_same_event_told_twice_is_taken_once_and_a_later_change_again() {
    let (_folder, store) = store();
    assert_eq!(append(&store, &[("006A", "e1"), ("006A", "e1"), ("006A", "e2")]).await, 2);
    assert_eq!(append(&store, &[("006A", "e1")]).await, 0);
}

#[tokio::test]
async fn two_events_of_one_record_are_never_under_way_at_once() {
    let (_folder, store) = store();
    append(&store, &[("A", "1"), ("A", "2"), ("B", "3")]).await;
    let first = lease(&store, 10).await.unwrap();
    assert_eq!(first.events.iter().map(|e| e.key.as_str()).collect::<Vec<_>>(), ["A", "B"]);
    assert!(lease(&store, 10).await.is_none(), "the second event of A waits for the first");
    store.finish(first.id, done(&first)).await.unwrap();
    assert_eq!(lease(&store, 10).await.unwrap().events[0].dedup_of(&store).await, "2");
}

impl Event {
    async fn dedup_of(&self, store: &SqliteStore) -> String {
        let id = self.id.0;
        store
            .read(move |db| Ok(db.query_row("SELECT dedup FROM events WHERE id = ?1", [id], |row| row.get(0))?))
            .await
            .unwrap()
    }
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
        };
        store.journal_write(run.id, vec![entry], Durability::Now).await.unwrap();
        run
    };
    let store = SqliteStore::open(&path, Access::Host).unwrap();
    let abandoned = store.abandoned().await.unwrap();
    assert_eq!(abandoned.len(), 1);
    assert_eq!((abandoned[0].id, abandoned[0].digest.as_str()), (run.id, "digest"));
    assert_eq!(store.journal_read(run.id).await.unwrap()[0].state, CallState::Intended);
}

#[tokio::test]
async fn a_waiting_event_is_woken_by_its_link_and_not_by_another() {
    let (_folder, store) = store();
    append(&store, &[("A", "1")]).await;
    let run = lease(&store, 10).await.unwrap();
    let wait = Finish { verdicts: vec![(run.events[0].id, waits("001X"))], ..Finish::default() };
    store.finish(run.id, wait).await.unwrap();
    assert!(lease(&store, 10).await.is_none());
    for (dedup, id, wakes) in [("2", "001Y", false), ("3", "001X", true)] {
        append(&store, &[(dedup, dedup)]).await;
        let other = lease(&store, 1).await.unwrap();
        let finish = Finish { links: vec![LinkWrite::Put(link(id))], ..done(&other) };
        store.finish(other.id, finish).await.unwrap();
        assert_eq!(store.event(run.events[0].id).await.unwrap().unwrap().state == EventState::Ready, wakes);
    }
}

#[tokio::test]
async fn a_link_put_between_the_look_and_the_wait_is_not_missed() {
    let (_folder, store) = store();
    append(&store, &[("A", "1"), ("B", "2")]).await;
    let run = lease(&store, 10).await.unwrap();
    let verdicts = vec![(run.events[0].id, waits("001X")), (run.events[1].id, Verdict::Done("ok".into()))];
    let finish = Finish { verdicts, links: vec![LinkWrite::Put(link("001X"))], ..Finish::default() };
    store.finish(run.id, finish).await.unwrap();
    assert_eq!(store.event(run.events[0].id).await.unwrap().unwrap().state, EventState::Ready);
}

#[tokio::test]
async fn a_review_item_does_not_hold_up_the_record_and_ends_when_a_later_event_is_done() {
    let (_folder, store) = store();
    append(&store, &[("A", "1")]).await;
    let run = lease(&store, 1).await.unwrap();
    let held = Verdict::Review(Question::retry_or_ignore("no price".into()));
    store.finish(run.id, Finish { verdicts: vec![(run.events[0].id, held)], ..Finish::default() }).await.unwrap();
    append(&store, &[("A", "2")]).await;
    let second = lease(&store, 1).await.unwrap();
    store.finish(second.id, done(&second)).await.unwrap();
    assert_eq!(store.event(run.events[0].id).await.unwrap().unwrap().state, EventState::Superseded);
}

#[tokio::test]
async fn a_batch_that_trapped_comes_back_in_halves() {
    let (_folder, store) = store();
    append(&store, &[("A", "1"), ("B", "2"), ("C", "3"), ("D", "4"), ("E", "5")]).await;
    let run = lease(&store, 4).await.unwrap();
    let half = |e: &Event| {
        let why = "trap".to_owned();
        (e.id, Verdict::Retry { due_at: 0, why, counts: false, batch_max: Some(2) })
    };
    let finish = Finish { verdicts: run.events.iter().map(half).collect(), ..Finish::default() };
    store.finish(run.id, finish).await.unwrap();
    let sizes = [lease(&store, 50).await.unwrap().events.len(), lease(&store, 50).await.unwrap().events.len()];
    assert_eq!(sizes, [2, 2], "the halves, apart from the fresh event");
    let fresh = lease(&store, 50).await.unwrap();
    assert!(!fresh.repeated);
    assert_eq!(fresh.events[0].key, "E");
}

#[tokio::test]
async fn outcomes_storage_links_and_emitted_events_are_committed_together() {
    let (_folder, store) = store();
    append(&store, &[("A", "1")]).await;
    let run = lease(&store, 1).await.unwrap();
    let finish = Finish {
        storage: vec![StorageWrite::Set("k".into(), "1".into())],
        links: vec![LinkWrite::Put(link("001X"))],
        emitted: vec![NewEvent { flow: "accounts".into(), ..event("001X", "x") }],
        ..done(&run)
    };
    let touched = store.finish(run.id, finish).await.unwrap();
    assert_eq!(touched, ["accounts", "orders"]);
    assert_eq!(store.storage_get("orders", "k").await.unwrap().as_deref(), Some("1"));
    assert_eq!(store.links_of("C1").await.unwrap().len(), 1);
    assert!(store.lease("accounts", "d", 1, crate::time::now()).await.unwrap().is_some());
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
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = SqliteStore::open(&path, Access::Host).err().unwrap().to_string();
    assert!(error.contains("newer tandem"), "{error}");
}

#[tokio::test]
async fn retention_goes_by_age_and_leaves_what_is_unfinished() {
    let (_folder, store) = store();
    append(&store, &[("A", "1"), ("B", "2")]).await;
    let run = lease(&store, 1).await.unwrap();
    store.finish(run.id, done(&run)).await.unwrap();
    let later = crate::time::now() + 1_000;
    let pruned = store.prune(later, u64::MAX).await.unwrap();
    assert_eq!(pruned, Pruned { runs: 1, events: 1 });
    assert!(lease(&store, 1).await.is_some(), "the unfinished event is still there");
}

#[tokio::test]
async fn retention_keeps_the_runs_of_an_event_that_may_run_again() {
    let (_folder, store) = store();
    append(&store, &[("A", "1")]).await;
    let run = lease(&store, 1).await.unwrap();
    let verdict = Verdict::Retry { due_at: 0, why: "down".into(), counts: true, batch_max: None };
    store.finish(run.id, Finish { verdicts: vec![(run.events[0].id, verdict)], ..Finish::default() }).await.unwrap();
    let later = crate::time::now() + 1_000;
    assert_eq!(store.prune(later, 0).await.unwrap(), Pruned::default());
    assert!(lease(&store, 1).await.unwrap().repeated, "else its effects would be sent again without a probe");
}

#[tokio::test]
async fn retention_goes_by_size() {
    let (_folder, store) = store();
    for n in 0..20 {
        let name = n.to_string();
        append(&store, &[(&name, &name)]).await;
        let run = lease(&store, 1).await.unwrap();
        let entry = JournalEntry {
            seq: 0,
            item: 0,
            kind: "http".into(),
            subject: String::new(),
            request: "x".repeat(100_000),
            response: String::new(),
            state: CallState::Done,
            at: 1,
        };
        store.finish(run.id, Finish { journal: vec![entry], ..done(&run) }).await.unwrap();
    }
    let pruned = store.prune(0, 1 << 20).await.unwrap();
    assert!(pruned.runs > 0, "{pruned:?}");
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
