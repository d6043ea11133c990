//! The embedded store's promises: order per key, one lease each, all or nothing, nothing twice.

use proptest::prelude::*;

use super::*;
use crate::store::sql::NONE;
use crate::store::*;

fn store() -> (tempfile::TempDir, Arc<SqliteStore>) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("tandem.db"), Access::Host).unwrap();
    (folder, Arc::new(store))
}

fn event(key: &str, dedup: &str) -> NewEvent {
    NewEvent {
        kind: "salesforce.Opportunity".into(),
        flow: "orders".into(),
        topic: "salesforce.Opportunity".into(),
        key: key.into(),
        dedup: dedup.into(),
        payload: "{}".into(),
        trace: "0".repeat(32),
        haste: Haste::AtOnce,
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
    store.lease("orders", "digest", max, crate::time::now()).await.unwrap().run()
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
        there_at: crate::time::now() + 30_000,
        tired: false,
    }
}

fn each(run: &Run, verdict: &Verdict) -> Finish {
    Finish { verdicts: run.events.iter().map(|event| (event.id, verdict.clone())).collect(), ..Finish::default() }
}

fn asks(reason: &str) -> Verdict {
    Verdict::Review(Question::retry_or_ignore(reason.into()))
}

fn of(topic: &str, key: &str, dedup: &str) -> NewEvent {
    let kind = if topic == "b1.ItemPrices" { "b1.Items" } else { topic };
    NewEvent { topic: topic.into(), kind: kind.into(), ..event(key, dedup) }
}

async fn take(store: &SqliteStore, events: Vec<NewEvent>) -> Result<u64> {
    store.append(Intake { events, ..Intake::default() }).await
}

async fn state(store: &SqliteStore, id: EventId) -> EventState {
    store.event(id).await.unwrap().unwrap().state
}

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
            .read(move |db| db.prepare("SELECT dedup FROM events WHERE id = ?1").one([id], |row| row.get(0)))
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
            took: None,
        };
        store.journal_write(run.id, vec![entry], Durability::Now).await.unwrap();
        run
    };
    let store = SqliteStore::open(&path, Access::Host).unwrap();
    let abandoned = store.abandoned().await.unwrap();
    assert_eq!(abandoned.len(), 1);
    assert_eq!((abandoned[0].id, abandoned[0].release.as_str()), (run.id, "digest"));
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
    assert!(store.lease("accounts", "d", 1, crate::time::now()).await.unwrap().run().is_some());
}

#[tokio::test]
async fn linked_ids_are_paged_by_connection_and_kind_of_record() {
    let (_folder, store) = store();
    append(&store, &[("A", "1")]).await;
    let run = lease(&store, 1).await.unwrap();
    let in_other = |id: &str| Link { scope: "erp|other-crm".into(), ..link(id) };
    let links =
        [link("001B"), link("001A"), in_other("001C"), link("006A"), Link { kind: "twin".into(), ..link("001B") }];
    let finish = Finish { links: links.map(LinkWrite::Put).to_vec(), ..done(&run) };
    store.finish(run.id, finish).await.unwrap();
    let salesforce = link("001A").scope.split_once('|').map(|(_, name)| name.to_owned()).unwrap();
    assert_eq!(store.linked_ids(&salesforce, "001", "", 1).await.unwrap(), ["001A"]);
    assert_eq!(store.linked_ids(&salesforce, "001", "001A", 9).await.unwrap(), ["001B"]);
    assert_eq!(store.linked_ids(&salesforce, "006", "", 9).await.unwrap(), ["006A"]);
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

#[tokio::test]
async fn retention_goes_by_age_and_leaves_what_is_unfinished() {
    let (_folder, store) = store();
    append(&store, &[("A", "1"), ("B", "2")]).await;
    let run = lease(&store, 1).await.unwrap();
    store.finish(run.id, done(&run)).await.unwrap();
    let later = crate::time::now() + 1_000;
    let pruned = store.prune(&Retention::of(later, u64::MAX)).await.unwrap();
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
    assert_eq!(store.prune(&Retention::of(later, 0)).await.unwrap(), Pruned::default());
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
            took: None,
        };
        store.finish(run.id, Finish { journal: vec![entry], ..done(&run) }).await.unwrap();
    }
    let pruned = store.prune(&Retention::of(0, 1 << 20)).await.unwrap();
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

#[tokio::test]
async fn an_answered_question_never_runs_beside_a_newer_event_of_its_record() {
    let (_folder, store) = store();
    append(&store, &[("A", "1")]).await;
    let older = lease(&store, 1).await.unwrap();
    store.finish(older.id, each(&older, &asks("which?"))).await.unwrap();
    append(&store, &[("A", "2"), ("A", "3")]).await;
    let newer = lease(&store, 1).await.unwrap();
    assert!(store.retry(older.events[0].id, Some("retry".into()), crate::time::now()).await.unwrap());
    assert!(lease(&store, 10).await.is_none(), "the newer event is under way");
    store.finish(newer.id, done(&newer)).await.unwrap();
    assert_eq!(lease(&store, 10).await.unwrap().events[0].id, older.events[0].id, "then the oldest");
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
async fn a_finish_that_is_repeated_after_a_lost_commit_happens_once() {
    let (_folder, store) = store();
    append(&store, &[("A", "1")]).await;
    let run = lease(&store, 1).await.unwrap();
    let retry = Verdict::Retry { due_at: 0, why: "outage".into(), counts: false, batch_max: None };
    let wake = Wake { at: 0, key: "w".into(), payload: "{}".into() };
    let finish = Finish { wakes: vec![wake], ..each(&run, &retry) };
    store.finish(run.id, finish.clone()).await.unwrap();
    store.finish(run.id, finish).await.unwrap();
    store.sweep(crate::time::now()).await.unwrap();
    let leased = lease(&store, 10).await.unwrap();
    assert_eq!(leased.events.len(), 2, "the event and one wake-up");
    assert_eq!(leased.events[0].attempts, 1, "an outage wears nothing out");
}

#[tokio::test]
async fn a_question_about_an_item_is_not_answered_by_a_price_list_of_the_same_number() {
    let (_folder, store) = store();
    take(&store, vec![of("b1.PriceLists", "1", "1")]).await.unwrap();
    let list = lease(&store, 1).await.unwrap();
    store.finish(list.id, each(&list, &asks("which price book?"))).await.unwrap();
    take(&store, vec![of("b1.Items", "1", "2")]).await.unwrap();
    let item = lease(&store, 1).await.unwrap();
    store.finish(item.id, done(&item)).await.unwrap();
    assert_eq!(state(&store, list.events[0].id).await, EventState::Review);
    take(&store, vec![of("b1.ItemPrices", "1", "4")]).await.unwrap();
    let prices = lease(&store, 1).await.unwrap();
    store.finish(prices.id, each(&prices, &asks("the price is negative"))).await.unwrap();
    take(&store, vec![of("b1.Items", "1", "5")]).await.unwrap();
    let mended = lease(&store, 1).await.unwrap();
    store.finish(mended.id, done(&mended)).await.unwrap();
    assert_eq!(state(&store, prices.events[0].id).await, EventState::Superseded, "prices are the item's");
    take(&store, vec![of("b1.PriceLists", "1", "3")]).await.unwrap();
    let list_again = lease(&store, 1).await.unwrap();
    store.finish(list_again.id, done(&list_again)).await.unwrap();
    assert_eq!(state(&store, list.events[0].id).await, EventState::Superseded);
}

#[tokio::test]
async fn a_record_has_one_open_question_however_often_and_for_whatever_it_is_refused() {
    let (_folder, store) = store();
    for round in 0..5 {
        append(&store, &[("A", &round.to_string())]).await;
        let run = lease(&store, 1).await.unwrap();
        store.finish(run.id, each(&run, &asks("the credit limit is passed"))).await.unwrap();
    }
    let open = async || {
        let filter = EventFilter { state: Some(EventState::Review), limit: 100, ..EventFilter::default() };
        let open = store.events(filter).await.unwrap();
        open.into_iter().map(|event| (event.id, event.reason.unwrap_or_default())).collect::<Vec<_>>()
    };
    let first = (EventId(1), "the credit limit is passed".to_owned());
    assert_eq!(open().await, [first], "under the number it had when a person saw it first");
    append(&store, &[("A", "other"), ("B", "another")]).await;
    for reason in ["the item is inactive", "no customer"] {
        let run = lease(&store, 1).await.unwrap();
        store.finish(run.id, each(&run, &asks(reason))).await.unwrap();
    }
    let now = open().await;
    assert_eq!(now[1], (EventId(6), "the item is inactive".into()), "what was found last");
    assert_eq!((now.len(), now[0].1.as_str()), (2, "no customer"), "of another record");
}

#[tokio::test]
async fn the_oldest_open_question_is_known_however_many_came_after_it() {
    let (_folder, store) = store();
    append(&store, &[("A", "1"), ("B", "1")]).await;
    assert_eq!(store.oldest_questions().await.unwrap(), []);
    let run = lease(&store, 2).await.unwrap();
    store.finish(run.id, each(&run, &asks("no price"))).await.unwrap();
    let first = store.event(EventId(1)).await.unwrap().unwrap().created_at;
    assert_eq!(store.oldest_questions().await.unwrap(), [("orders".to_owned(), first)]);
    assert_eq!(store.oldest().await.unwrap(), [], "a question does not wait to run");
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

#[tokio::test]
async fn who_shows_the_questions_hears_of_one_that_is_told_anew_with_other_choices() {
    let (_folder, store) = store();
    let ask = async |dedup: &str, choice: &str| {
        append(&store, &[("A", dedup)]).await;
        let run = lease(&store, 1).await.unwrap();
        let question = Question { choices: vec![choice.into()], ..Question::retry_or_ignore("which?".into()) };
        store.finish(run.id, each(&run, &Verdict::Review(question))).await.unwrap();
        store.questions_revision().await.unwrap()
    };
    let first = ask("1", "link with C1").await;
    let same = ask("2", "link with C1").await;
    assert_eq!(same, first, "nothing to show");
    assert!(ask("3", "link with C2").await > first);
    assert_eq!(store.event(EventId(1)).await.unwrap().unwrap().choices, ["link with C2"]);
}

#[tokio::test]
async fn what_a_run_raised_beside_its_events_is_no_event_to_run_again() {
    let (_folder, store) = store();
    append(&store, &[("A", "1"), ("A", "2")]).await;
    let run = lease(&store, 1).await.unwrap();
    let held = Some(Question::retry_or_ignore("a contract ends".into()));
    let raised = NewEvent { kind: String::new(), topic: "review.raised".into(), held, ..event("A", "raised") };
    store.finish(run.id, Finish { emitted: vec![raised], ..done(&run) }).await.unwrap();
    let run = lease(&store, 1).await.unwrap();
    store.finish(run.id, done(&run)).await.unwrap();
    assert_eq!(state(&store, EventId(3)).await, EventState::Review, "nobody has answered");
    assert!(lease(&store, 1).await.is_none());
}

#[tokio::test]
async fn what_would_ask_while_the_answer_to_the_same_question_is_on_its_way_runs_behind_it() {
    let (_folder, store) = store();
    append(&store, &[("A", "1")]).await;
    let first = lease(&store, 1).await.unwrap();
    store.finish(first.id, each(&first, &asks("cancel the order?"))).await.unwrap();
    append(&store, &[("A", "2")]).await;
    let second = lease(&store, 1).await.unwrap();
    let asked = first.events[0].id;
    // Answered while the second is under way.
    assert!(store.retry(asked, Some("yes".into()), crate::time::now()).await.unwrap());
    store.finish(second.id, each(&second, &asks("cancel the order?"))).await.unwrap();
    let run = lease(&store, 2).await.unwrap();
    assert_eq!(run.events.iter().map(|event| event.id).collect::<Vec<_>>(), [asked], "the answer first");
    store.finish(run.id, done(&run)).await.unwrap();
    let run = lease(&store, 2).await.unwrap();
    assert_eq!(run.events[0].id, second.events[0].id);
    // Answered it is over: asked again, it is a question again.
    store.finish(run.id, each(&run, &asks("cancel the order?"))).await.unwrap();
    assert_eq!(state(&store, second.events[0].id).await, EventState::Review);
}

#[tokio::test]
async fn what_an_answer_has_led_to_is_asked_beside_what_the_record_asks_and_settles_it() {
    let (_folder, store) = store();
    append(&store, &[("A", "1")]).await;
    let run = lease(&store, 1).await.unwrap();
    let first = run.events[0].id;
    store.finish(run.id, each(&run, &asks("is it the same?"))).await.unwrap();
    assert!(store.retry(first, Some("no".into()), crate::time::now()).await.unwrap());
    let run = lease(&store, 1).await.unwrap();
    store.finish(run.id, each(&run, &asks("a rule forbids it"))).await.unwrap();
    append(&store, &[("A", "2")]).await;
    let run = lease(&store, 1).await.unwrap();
    let second = run.events[0].id;
    store.finish(run.id, each(&run, &asks("is it the same?"))).await.unwrap();
    for open in [first, second] {
        assert_eq!(state(&store, open).await, EventState::Review, "{open}");
    }
    assert!(store.retry(first, Some("take it".into()), crate::time::now()).await.unwrap());
    let run = lease(&store, 2).await.unwrap();
    store.finish(run.id, done(&run)).await.unwrap();
    assert_eq!(lease(&store, 2).await.unwrap().events[0].id, second, "what was asked before the answer looks again");
}

#[tokio::test]
async fn ready_is_ready_whatever_the_clock_says() {
    let (_folder, store) = store();
    let now = crate::time::now();
    append(&store, &[("A", "1"), ("B", "2")]).await;
    let waiting = lease(&store, 1).await.unwrap();
    store.finish(waiting.id, each(&waiting, &waits("001X"))).await.unwrap();
    store.sweep(now).await.unwrap();
    // An hour back.
    let earlier = now - 3_600_000;
    store.sweep(earlier).await.unwrap();
    assert!(store.lease("orders", "digest", 1, earlier + 1_000).await.unwrap().run().is_some());
    // A day forward: the deadline of one that waits was a minute away, and still is.
    store.sweep(now + 86_400_000).await.unwrap();
    assert_eq!(state(&store, waiting.events[0].id).await, EventState::Waiting);
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
async fn a_batch_that_was_cut_in_one_lane_starves_no_other() {
    let (_folder, store) = store();
    let many = |lane: &str| (0..40).map(|n| event(&format!("{lane}{n}"), &format!("{lane}{n}"))).collect::<Vec<_>>();
    store.append(Intake { events: many("old"), lane: Lane::Backfill, ..Intake::default() }).await.unwrap();
    let cut = store.lease("orders", "digest", 40, crate::time::now()).await.unwrap().run().unwrap();
    let halves = Verdict::Retry { due_at: 0, why: "too large".into(), counts: false, batch_max: Some(20) };
    store.finish(cut.id, each(&cut, &halves)).await.unwrap();
    store.append(Intake { events: many("new"), ..Intake::default() }).await.unwrap();
    let mut lanes = std::collections::BTreeSet::new();
    let even = crate::time::now() / 2 * 2 + 2;
    for now in even..even + 2 {
        let run = store.lease("orders", "digest", 10, now).await.unwrap().run().unwrap();
        lanes.extend(run.events.iter().map(|event| event.key[..3].to_owned()));
    }
    assert_eq!(lanes.into_iter().collect::<Vec<_>>(), ["new", "old"]);
}

#[tokio::test]
async fn a_plugin_that_waits_for_a_link_that_is_there_is_slowed_down_and_counted() {
    let (_folder, store) = store();
    append(&store, &[("A", "1")]).await;
    let first = lease(&store, 1).await.unwrap();
    let there = Finish { links: vec![LinkWrite::Put(link("001X"))], ..each(&first, &waits("001X")) };
    store.finish(first.id, there).await.unwrap();
    assert!(lease(&store, 1).await.is_none(), "not before the time that the engine gave");
    let event = store.event(EventId(1)).await.unwrap().unwrap();
    assert_eq!((event.state, event.attempts), (EventState::Ready, 1));
}

#[tokio::test]
async fn that_an_event_ran_is_known_longer_than_what_it_did() {
    let (_folder, store) = store();
    append(&store, &[("A", "1")]).await;
    let run = lease(&store, 1).await.unwrap();
    store.finish(run.id, each(&run, &Verdict::Reject("no".into()))).await.unwrap();
    assert_eq!(store.prune(&Retention::of(0, 0)).await.unwrap(), Pruned { runs: 1, events: 0 });
    assert!(store.retry(run.events[0].id, None, crate::time::now()).await.unwrap());
    assert!(lease(&store, 1).await.unwrap().repeated, "its probes are asked");
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
async fn a_backfill_and_what_happens_now_share_the_runs() {
    let (_folder, store) = store();
    let many = |lane: &str| (0..100).map(|n| event(&format!("{lane}{n}"), &format!("{lane}{n}"))).collect::<Vec<_>>();
    store.append(Intake { events: many("old"), lane: Lane::Backfill, ..Intake::default() }).await.unwrap();
    store.append(Intake { events: many("new"), ..Intake::default() }).await.unwrap();
    for _ in 0..4 {
        let run = lease(&store, 20).await.unwrap();
        let live = run.events.iter().filter(|event| event.key.starts_with("new")).count();
        assert_eq!((run.events.len(), live), (20, 10));
    }
    append(&store, &[("one", "one")]).await;
    while let Some(run) = lease(&store, 20).await {
        assert!(!run.events.is_empty());
    }
    let counts = store.counts().await.unwrap();
    assert_eq!(
        counts,
        [Count { flow: "orders".into(), state: EventState::Leased, events: 201 }],
        "and nothing is left"
    );
}

#[tokio::test]
async fn who_shows_the_questions_learns_that_they_changed() {
    let (_folder, store) = store();
    append(&store, &[("A", "1"), ("B", "2")]).await;
    let before = store.questions_revision().await.unwrap();
    let run = lease(&store, 1).await.unwrap();
    assert_eq!(store.questions_revision().await.unwrap(), before);
    store.finish(run.id, each(&run, &asks("which?"))).await.unwrap();
    let asked = store.questions_revision().await.unwrap();
    assert!(asked > before);
    store.retry(run.events[0].id, None, crate::time::now()).await.unwrap();
    assert!(store.questions_revision().await.unwrap() > asked);
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
    let open = store.abandoned().await.unwrap();
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

#[tokio::test]
async fn a_packed_journal_says_what_it_said_and_takes_less_room() {
    let (_folder, store) = store();
    append(&store, &[("A", "1")]).await;
    let run = lease(&store, 1).await.unwrap();
    let entry = |seq: u32, subject: &str, method: &str| JournalEntry {
        seq,
        item: 0,
        kind: "http".into(),
        subject: subject.into(),
        request: serde_json::json!({ "slot": "b1", "method": method, "path": "/Orders" }).to_string(),
        response: "{\"DocEntry\":7,\"Comments\":\"für Müller\"}".repeat(20),
        state: CallState::Done,
        at: seq.into(),
        took: None,
    };
    let early = vec![entry(0, "A", "GET"), entry(1, "A", "POST")];
    store.journal_write(run.id, early.clone(), Durability::Now).await.unwrap();
    assert_eq!(store.pack(&BTreeMap::new()).await.unwrap(), 0, "an open run is not packed");
    let late = vec![entry(2, "B", "PATCH")];
    store.finish(run.id, Finish { journal: late.clone(), ..done(&run) }).await.unwrap();
    let all = [early, late].concat();
    assert_eq!(store.journal_read(run.id).await.unwrap(), all);
    assert_eq!(store.pack(&BTreeMap::new()).await.unwrap(), 1);
    assert_eq!(store.journal_read(run.id).await.unwrap(), all);
    assert_eq!(store.journal_about("B", 9).await.unwrap(), [(run.id, all[2].clone())]);
    assert_eq!(store.journal_about("A", 1).await.unwrap(), [(run.id, all[1].clone())]);
    let size = |sql: &'static str| store.read(move |db| db.prepare(sql).one(NONE, |row| row.get::<i64>(0)));
    assert_eq!(size("SELECT count(*) FROM journal").await.unwrap(), 0);
    assert!(size("SELECT sum(length(entries)) FROM packed").await.unwrap() < 500);
    store.prune(&Retention::of(crate::time::now() + 1_000, u64::MAX)).await.unwrap();
    assert_eq!(
        size("SELECT count(*) FROM packed").await.unwrap()
            + size("SELECT count(*) FROM packed_subjects").await.unwrap(),
        0
    );
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
async fn what_a_source_saw_is_kept_with_what_it_tells_and_found_again_page_by_page() {
    let (_folder, store) = store();
    let sighting = |key: &str, digest: Option<&str>| Sighting { key: key.into(), digest: digest.map(str::to_owned) };
    let note = async |source: &str, seen| {
        let seen = Some((source.to_owned(), seen));
        store.append(Intake { events: vec![event("A1", source)], seen, ..Intake::default() }).await.unwrap()
    };
    note("stock", vec![sighting("A1", Some("1")), sighting("A2", Some("1")), sighting("A3", Some("1"))]).await;
    note("prices", vec![sighting("A1", Some("9"))]).await;
    note("stock", vec![sighting("A2", Some("2")), sighting("A3", None)]).await;
    let keys = vec!["A3".to_owned(), "A2".into(), "A1".into()];
    let digests = store.seen("stock", keys).await.unwrap();
    assert_eq!(digests, [None, Some("2".to_owned()), Some("1".into())]);
    assert_eq!(store.seen_count("stock").await.unwrap(), 2);
    assert_eq!(store.seen_keys("stock", "", 1).await.unwrap(), ["A1"]);
    assert_eq!(store.seen_keys("stock", "A1", 9).await.unwrap(), ["A2"]);
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

#[tokio::test]
async fn how_much_a_flow_has_stored_is_known_without_adding_it_up() {
    let (_folder, store) = store();
    let size = async |writes: Vec<StorageWrite>| {
        append(&store, &[("A", &format!("{writes:?}"))]).await;
        let run = lease(&store, 1).await.unwrap();
        store.finish(run.id, Finish { storage: writes, ..done(&run) }).await.unwrap();
        store.storage_size("orders").await.unwrap()
    };
    let set = |key: &str, value: &str| StorageWrite::Set(key.into(), value.into());
    assert_eq!(store.storage_size("orders").await.unwrap(), 0);
    assert_eq!(size(vec![set("ä", "12"), set("b", "")]).await, 5);
    assert_eq!(size(vec![set("b", "1234"), StorageWrite::Delete("none".into())]).await, 9);
    assert_eq!(size(vec![StorageWrite::Delete("ä".into())]).await, 5);
    assert_eq!(store.storage_size("invoices").await.unwrap(), 0);
}

fn release(digest: &str, made_at: Millis) -> ReleaseRow {
    ReleaseRow {
        flow: "orders".into(),
        digest: digest.into(),
        manifest: "{}".into(),
        origin: "test".into(),
        made_at,
        signed_by: None,
    }
}

fn content(text: &str) -> Content {
    Content { digest: format!("of {text}"), bytes: text.as_bytes().to_vec() }
}

/// Where `instead_of` is what is live.
async fn live(store: &SqliteStore, digest: &str, instead_of: Option<&str>, at: Millis) -> bool {
    let acts = store.activations("orders", u32::MAX).await.unwrap();
    let back = instead_of.and_then(|before| acts.iter().find(|act| act.release == before)).map(|act| act.id);
    let (flow, release, who, why) = ("orders".into(), digest.into(), "test".into(), "test".into());
    store.activate(Activation { id: 0, flow, release, who, why, at, back }, back).await.unwrap()
}

#[tokio::test]
async fn nothing_begins_under_a_release_that_is_not_live_and_of_two_who_change_it_at_once_one_is_told() {
    let (_folder, store) = store();
    let now = crate::time::now();
    for digest in ["a", "b"] {
        store.release_put(release(digest, now), vec![content(digest), content("shared")]).await.unwrap();
    }
    take(&store, vec![event("1", "1"), event("2", "2")]).await.unwrap();
    assert!(live(&store, "a", None, now).await);
    let run = store.lease("orders", "a", 1, crate::time::now()).await.unwrap().run().unwrap();
    assert_eq!(run.release, "a");
    assert!(live(&store, "b", Some("a"), now).await);
    let offered = |held: Option<&str>| Candidate {
        flow: "orders".into(),
        release: "a".into(),
        at: now,
        held: held.map(str::to_owned),
    };
    store.candidate_put(offered(Some("waits"))).await.unwrap();
    assert!(!live(&store, "a", Some("a"), now).await, "somebody else was faster");
    assert_eq!(store.candidate("orders").await.unwrap(), Some(offered(Some("waits"))), "and it waits as before");
    assert!(!live(&store, "nowhere", Some("b"), now).await, "there is no such release");
    assert!(matches!(store.lease("orders", "a", 1, crate::time::now()).await.unwrap(), Leased::NotLive));
    assert_eq!(store.lease("orders", "b", 1, crate::time::now()).await.unwrap().run().unwrap().release, "b");
    assert_eq!(store.content("of shared").await.unwrap().as_deref(), Some("shared".as_bytes()));
    store.finish(run.id, done(&run)).await.unwrap();
    assert_eq!(store.runs_of(run.events[0].id).await.unwrap()[0].release, "a");
}

#[tokio::test]
async fn a_release_goes_with_its_parts_when_no_run_that_is_kept_may_have_run_under_it() {
    let (_folder, store) = store();
    let (day, now) = (86_400_000, crate::time::now());
    let old = now - 100 * day;
    let names: Vec<String> = (0..15).map(|n| format!("r{n:02}")).collect();
    for (n, name) in names.iter().enumerate() {
        store.release_put(release(name, old + n as i64), vec![content(name), content("shared")]).await.unwrap();
        let before = n.checked_sub(1).map(|before| names[before].as_str());
        assert!(live(&store, name, before, old + n as i64).await);
    }
    store.release_put(release("never", old), vec![content("never")]).await.unwrap();
    store.release_put(release("offered", old), vec![content("offered")]).await.unwrap();
    let held = Some("waits".to_owned());
    let candidate = Candidate { flow: "orders".into(), release: "offered".into(), at: old, held };
    store.candidate_put(candidate.clone()).await.unwrap();
    // A question may stay open for longer than anything else is kept: its run is, and so is what it ran under.
    append(&store, &[("A", "1")]).await;
    let asked = store.lease("orders", "r14", 1, crate::time::now()).await.unwrap().run().unwrap();
    store.finish(asked.id, each(&asked, &Verdict::Reject("no".into()))).await.unwrap();
    let moved = store.write(move |db| db.prepare("UPDATE runs SET release = 'r01'").execute(NONE)).await.unwrap();
    assert_eq!(moved, 1);
    assert_eq!(store.candidate("orders").await.unwrap(), Some(candidate));
    store.prune(&Retention::of(now - 30 * day, u64::MAX)).await.unwrap();
    let mut kept: Vec<String> = store.releases("orders").await.unwrap().into_iter().map(|row| row.digest).collect();
    kept.sort();
    // The last ten, what the oldest of those goes back to, what waits, and what a run that is kept ran under.
    assert_eq!(kept, [&["offered".to_owned(), "r01".to_owned()][..], &names[4..]].concat());
    assert!(store.content("of r03").await.unwrap().is_none() && store.content("of never").await.unwrap().is_none());
    assert!(store.content("of shared").await.unwrap().is_some() && store.content("of r04").await.unwrap().is_some());
}

#[tokio::test]
async fn the_last_runs_of_a_flow_are_of_each_of_its_topics() {
    let (_folder, store) = store();
    let of = |topic: &str, n: usize| NewEvent { topic: topic.into(), ..event(&format!("{topic}{n}"), &n.to_string()) };
    take(&store, (0..3).map(|n| of("salesforce.Opportunity", n)).collect()).await.unwrap();
    while let Some(run) = lease(&store, 1).await {
        store.finish(run.id, done(&run)).await.unwrap();
    }
    take(&store, (0..40).map(|n| of("b1.Orders", n)).collect()).await.unwrap();
    while let Some(run) = lease(&store, 1).await {
        store.finish(run.id, done(&run)).await.unwrap();
    }
    let last = store.runs_last("orders", 10).await.unwrap();
    assert_eq!(last.len(), 10);
    assert_eq!(last.iter().filter(|run| run.0 <= 3).count(), 3, "the echoes are many: {last:?}");
    assert!(last.is_sorted_by(|a, b| a.0 > b.0), "newest first: {last:?}");
    assert_eq!(store.runs_last("orders", 1_000).await.unwrap().len(), 43);
    // What was asked of its tools since, more often than is looked back, is none of it.
    for number in 0..60 {
        let topic = format!("{TOOL}orders-of");
        let asked = NewEvent { topic, ..event(&format!("call:{number}"), &format!("c{number}")) };
        let verdict = Verdict::Done("asked".into());
        let (release, journal) = ("r".into(), Vec::new());
        let read = PastRead { event: asked, release, started_at: 1, verdict, journal, error: None };
        store.keep_read(read).await.unwrap();
    }
    assert_eq!(store.runs_last("orders", 2).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_call_of_a_tool_answers_no_question_of_its_record_and_none_answers_it() {
    let (_folder, store) = store();
    let call = |dedup: &str| NewEvent { kind: format!("tandem.call.{dedup}"), ..of(&format!("{TOOL}do"), "A", dedup) };
    // A question of something that has no kind, and behind it two calls: each a run of its own, though both are due.
    take(&store, vec![NewEvent { kind: String::new(), ..event("A", "1") }]).await.unwrap();
    let asked = lease(&store, 10).await.unwrap();
    store.finish(asked.id, each(&asked, &asks("which?"))).await.unwrap();
    take(&store, vec![call("2"), call("3"), NewEvent { key: "B".into(), ..call("4") }]).await.unwrap();
    let first = lease(&store, 10).await.unwrap();
    assert_eq!(first.events.len(), 1, "alone");
    store.finish(first.id, each(&first, &asks("approve it?"))).await.unwrap();
    let other = lease(&store, 10).await.unwrap();
    assert_eq!(other.events.len(), 1);
    store.finish(other.id, done(&other)).await.unwrap();
    let second = lease(&store, 10).await.unwrap();
    store.finish(second.id, done(&second)).await.unwrap();
    let question = asked.events[0].id;
    assert_eq!(state(&store, question).await, EventState::Review, "a call that is done has not looked at it");
    assert_eq!(state(&store, first.events[0].id).await, EventState::Review);
    // And what happens to the record leaves the call where it is.
    take(&store, vec![NewEvent { kind: String::new(), ..event("A", "5") }]).await.unwrap();
    let later = lease(&store, 10).await.unwrap();
    store.finish(later.id, done(&later)).await.unwrap();
    assert_eq!(state(&store, question).await, EventState::Superseded);
    assert_eq!(state(&store, first.events[0].id).await, EventState::Review);
}
