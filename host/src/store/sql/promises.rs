//! The store's promises, on each engine: order per key, one lease each, all or nothing, nothing twice.

use std::sync::Arc;
#[cfg(unix)]
use std::sync::LazyLock;

#[cfg(unix)]
use tandem_test_postgres::Server;

use super::{Base, NONE, SqlStore};
#[cfg(unix)]
use crate::store::postgres::{Address, PostgresStore};
use crate::store::sqlite::SqliteStore;
use crate::store::*;

/// Of SQLite, in a folder of its own.
pub(in crate::store) fn on_sqlite() -> (tempfile::TempDir, Arc<SqliteStore>) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("tandem.db"), Access::Host).unwrap();
    (folder, Arc::new(store))
}

/// One server for all tests of this process.
#[cfg(unix)]
pub(in crate::store) static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start().unwrap());

/// Of PostgreSQL, in a database of its own.
#[cfg(unix)]
pub(in crate::store) async fn on_postgres() -> Arc<PostgresStore> {
    let open = || {
        let url = SERVER.database().unwrap();
        let address = Address::of(&url, Some(SERVER.password().into()), || Err("no TLS".into())).unwrap();
        PostgresStore::open_at(address, Access::Host).unwrap()
    };
    let store = tokio::task::spawn_blocking(open).await.unwrap();
    store.take_turns();
    store.among().wait_for(|among| among.turn).await.unwrap();
    Arc::new(store)
}

macro_rules! on_each {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                let (_folder, store) = super::on_sqlite();
                super::$name(store).await;
            })*
        }
        #[cfg(unix)]
        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::on_postgres().await).await;
            })*
        }
    };
}
on_each!(
    the_same_event_told_twice_is_taken_once_and_a_later_change_again,
    two_events_of_one_record_are_never_under_way_at_once,
    a_waiting_event_is_woken_by_its_link_and_not_by_another,
    a_link_put_between_the_look_and_the_wait_is_not_missed,
    a_review_item_does_not_hold_up_the_record_and_ends_when_a_later_event_is_done,
    a_batch_that_trapped_comes_back_in_halves,
    outcomes_storage_links_and_emitted_events_are_committed_together,
    linked_ids_are_paged_by_connection_and_kind_of_record,
    retention_goes_by_age_and_leaves_what_is_unfinished,
    retention_keeps_the_runs_of_an_event_that_may_run_again,
    retention_goes_by_size,
    an_answered_question_never_runs_beside_a_newer_event_of_its_record,
    a_finish_that_is_repeated_after_a_lost_commit_happens_once,
    a_question_about_an_item_is_not_answered_by_a_price_list_of_the_same_number,
    a_record_has_one_open_question_however_often_and_for_whatever_it_is_refused,
    the_oldest_open_question_is_known_however_many_came_after_it,
    who_shows_the_questions_hears_of_one_that_is_told_anew_with_other_choices,
    what_a_run_raised_beside_its_events_is_no_event_to_run_again,
    what_would_ask_while_the_answer_to_the_same_question_is_on_its_way_runs_behind_it,
    what_an_answer_has_led_to_is_asked_beside_what_the_record_asks_and_settles_it,
    ready_is_ready_whatever_the_clock_says,
    a_batch_that_was_cut_in_one_lane_starves_no_other,
    a_plugin_that_waits_for_a_link_that_is_there_is_slowed_down_and_counted,
    that_an_event_ran_is_known_longer_than_what_it_did,
    a_backfill_and_what_happens_now_share_the_runs,
    who_shows_the_questions_learns_that_they_changed,
    a_packed_journal_says_what_it_said_and_takes_less_room,
    what_a_source_saw_is_kept_with_what_it_tells_and_found_again_page_by_page,
    how_much_a_flow_has_stored_is_known_without_adding_it_up,
    nothing_begins_under_a_release_that_is_not_live_and_of_two_who_change_it_at_once_one_is_told,
    a_release_goes_with_its_parts_when_no_run_that_is_kept_may_have_run_under_it,
    the_last_runs_of_a_flow_are_of_each_of_its_topics,
    a_call_of_a_tool_answers_no_question_of_its_record_and_none_answers_it
);

pub(in crate::store) fn event(key: &str, dedup: &str) -> NewEvent {
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

pub(in crate::store) async fn append(store: &SqlStore<impl Base>, events: &[(&str, &str)]) -> u64 {
    let events = events.iter().map(|(key, dedup)| event(key, dedup)).collect();
    store.append(Intake { events, ..Intake::default() }).await.unwrap()
}

pub(in crate::store) fn done(run: &Run) -> Finish {
    Finish { verdicts: run.events.iter().map(|e| (e.id, Verdict::Done("ok".into()))).collect(), ..Finish::default() }
}

pub(in crate::store) async fn lease(store: &SqlStore<impl Base>, max: u32) -> Option<Run> {
    store.lease("orders", "digest", max, crate::time::now()).await.unwrap().run()
}

pub(in crate::store) fn link(salesforce_id: &str) -> Link {
    Link {
        scope: "erp|crm".into(),
        kind: "account".into(),
        b1_id: "C1".into(),
        salesforce_id: salesforce_id.into(),
        base: "{}".into(),
    }
}

pub(in crate::store) fn waits(id: &str) -> Verdict {
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

pub(in crate::store) fn each(run: &Run, verdict: &Verdict) -> Finish {
    Finish { verdicts: run.events.iter().map(|event| (event.id, verdict.clone())).collect(), ..Finish::default() }
}

pub(in crate::store) fn asks(reason: &str) -> Verdict {
    Verdict::Review(Question::retry_or_ignore(reason.into()))
}

pub(in crate::store) fn of(topic: &str, key: &str, dedup: &str) -> NewEvent {
    let kind = if topic == "b1.ItemPrices" { "b1.Items" } else { topic };
    NewEvent { topic: topic.into(), kind: kind.into(), ..event(key, dedup) }
}

pub(in crate::store) async fn take(store: &SqlStore<impl Base>, events: Vec<NewEvent>) -> Result<u64> {
    store.append(Intake { events, ..Intake::default() }).await
}

pub(in crate::store) async fn state(store: &SqlStore<impl Base>, id: EventId) -> EventState {
    store.event(id).await.unwrap().unwrap().state
}

impl Event {
    async fn dedup_of(&self, store: &SqlStore<impl Base>) -> String {
        let id = self.id.0;
        store
            .read(move |db| db.prepare("SELECT dedup FROM events WHERE id = ?1").one([id], |row| row.get(0)))
            .await
            .unwrap()
    }
}

pub(in crate::store) fn release(digest: &str, made_at: Millis) -> ReleaseRow {
    ReleaseRow {
        flow: "orders".into(),
        digest: digest.into(),
        manifest: "{}".into(),
        origin: "test".into(),
        made_at,
        signed_by: None,
    }
}

pub(in crate::store) fn content(text: &str) -> Content {
    Content { digest: format!("of {text}"), bytes: text.as_bytes().to_vec() }
}

/// Where `instead_of` is what is live.
pub(in crate::store) async fn live(
    store: &SqlStore<impl Base>,
    digest: &str,
    instead_of: Option<&str>,
    at: Millis,
) -> bool {
    let acts = store.activations("orders", u32::MAX).await.unwrap();
    let back = instead_of.and_then(|before| acts.iter().find(|act| act.release == before)).map(|act| act.id);
    let (flow, release, who, why) = ("orders".into(), digest.into(), "test".into(), "test".into());
    store.activate(Activation { id: 0, flow, release, who, why, at, back }, back).await.unwrap()
}

async fn the_same_event_told_twice_is_taken_once_and_a_later_change_again(store: Arc<SqlStore<impl Base>>) {
    assert_eq!(append(&store, &[("006A", "e1"), ("006A", "e1"), ("006A", "e2")]).await, 2);
    assert_eq!(append(&store, &[("006A", "e1")]).await, 0);
}

async fn two_events_of_one_record_are_never_under_way_at_once(store: Arc<SqlStore<impl Base>>) {
    append(&store, &[("A", "1"), ("A", "2"), ("B", "3")]).await;
    let first = lease(&store, 10).await.unwrap();
    assert_eq!(first.events.iter().map(|e| e.key.as_str()).collect::<Vec<_>>(), ["A", "B"]);
    assert!(lease(&store, 10).await.is_none(), "the second event of A waits for the first");
    store.finish(first.id, done(&first)).await.unwrap();
    assert_eq!(lease(&store, 10).await.unwrap().events[0].dedup_of(&store).await, "2");
}

async fn a_waiting_event_is_woken_by_its_link_and_not_by_another(store: Arc<SqlStore<impl Base>>) {
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

async fn a_link_put_between_the_look_and_the_wait_is_not_missed(store: Arc<SqlStore<impl Base>>) {
    append(&store, &[("A", "1"), ("B", "2")]).await;
    let run = lease(&store, 10).await.unwrap();
    let verdicts = vec![(run.events[0].id, waits("001X")), (run.events[1].id, Verdict::Done("ok".into()))];
    let finish = Finish { verdicts, links: vec![LinkWrite::Put(link("001X"))], ..Finish::default() };
    store.finish(run.id, finish).await.unwrap();
    assert_eq!(store.event(run.events[0].id).await.unwrap().unwrap().state, EventState::Ready);
}

async fn a_review_item_does_not_hold_up_the_record_and_ends_when_a_later_event_is_done(
    store: Arc<SqlStore<impl Base>>,
) {
    append(&store, &[("A", "1")]).await;
    let run = lease(&store, 1).await.unwrap();
    let held = Verdict::Review(Question::retry_or_ignore("no price".into()));
    store.finish(run.id, Finish { verdicts: vec![(run.events[0].id, held)], ..Finish::default() }).await.unwrap();
    append(&store, &[("A", "2")]).await;
    let second = lease(&store, 1).await.unwrap();
    store.finish(second.id, done(&second)).await.unwrap();
    assert_eq!(store.event(run.events[0].id).await.unwrap().unwrap().state, EventState::Superseded);
}

async fn a_batch_that_trapped_comes_back_in_halves(store: Arc<SqlStore<impl Base>>) {
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

async fn outcomes_storage_links_and_emitted_events_are_committed_together(store: Arc<SqlStore<impl Base>>) {
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

async fn linked_ids_are_paged_by_connection_and_kind_of_record(store: Arc<SqlStore<impl Base>>) {
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

async fn retention_goes_by_age_and_leaves_what_is_unfinished(store: Arc<SqlStore<impl Base>>) {
    append(&store, &[("A", "1"), ("B", "2")]).await;
    let run = lease(&store, 1).await.unwrap();
    store.finish(run.id, done(&run)).await.unwrap();
    let later = crate::time::now() + 1_000;
    let pruned = store.prune(&Retention::of(later, u64::MAX)).await.unwrap();
    assert_eq!(pruned, Pruned { runs: 1, events: 1 });
    assert!(lease(&store, 1).await.is_some(), "the unfinished event is still there");
}

async fn retention_keeps_the_runs_of_an_event_that_may_run_again(store: Arc<SqlStore<impl Base>>) {
    append(&store, &[("A", "1")]).await;
    let run = lease(&store, 1).await.unwrap();
    let verdict = Verdict::Retry { due_at: 0, why: "down".into(), counts: true, batch_max: None };
    store.finish(run.id, Finish { verdicts: vec![(run.events[0].id, verdict)], ..Finish::default() }).await.unwrap();
    let later = crate::time::now() + 1_000;
    assert_eq!(store.prune(&Retention::of(later, 0)).await.unwrap(), Pruned::default());
    assert!(lease(&store, 1).await.unwrap().repeated, "else its effects would be sent again without a probe");
}

async fn retention_goes_by_size(store: Arc<SqlStore<impl Base>>) {
    for n in 0..20 {
        let name = n.to_string();
        append(&store, &[(&name, &name)]).await;
        let run = lease(&store, 1).await.unwrap();
        let entry = JournalEntry {
            seq: 0,
            item: 0,
            kind: "http".into(),
            subject: String::new(),
            request: std::iter::repeat_with(fastrand::alphanumeric).take(100_000).collect(),
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

async fn an_answered_question_never_runs_beside_a_newer_event_of_its_record(store: Arc<SqlStore<impl Base>>) {
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

async fn a_finish_that_is_repeated_after_a_lost_commit_happens_once(store: Arc<SqlStore<impl Base>>) {
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

async fn a_question_about_an_item_is_not_answered_by_a_price_list_of_the_same_number(store: Arc<SqlStore<impl Base>>) {
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

async fn a_record_has_one_open_question_however_often_and_for_whatever_it_is_refused(store: Arc<SqlStore<impl Base>>) {
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

async fn the_oldest_open_question_is_known_however_many_came_after_it(store: Arc<SqlStore<impl Base>>) {
    append(&store, &[("A", "1"), ("B", "1")]).await;
    assert_eq!(store.oldest_questions().await.unwrap(), []);
    let run = lease(&store, 2).await.unwrap();
    store.finish(run.id, each(&run, &asks("no price"))).await.unwrap();
    let first = store.event(EventId(1)).await.unwrap().unwrap().created_at;
    assert_eq!(store.oldest_questions().await.unwrap(), [("orders".to_owned(), first)]);
    assert_eq!(store.oldest().await.unwrap(), [], "a question does not wait to run");
}

async fn who_shows_the_questions_hears_of_one_that_is_told_anew_with_other_choices(store: Arc<SqlStore<impl Base>>) {
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

async fn what_a_run_raised_beside_its_events_is_no_event_to_run_again(store: Arc<SqlStore<impl Base>>) {
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

async fn what_would_ask_while_the_answer_to_the_same_question_is_on_its_way_runs_behind_it(
    store: Arc<SqlStore<impl Base>>,
) {
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

async fn what_an_answer_has_led_to_is_asked_beside_what_the_record_asks_and_settles_it(
    store: Arc<SqlStore<impl Base>>,
) {
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

async fn ready_is_ready_whatever_the_clock_says(store: Arc<SqlStore<impl Base>>) {
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

async fn a_batch_that_was_cut_in_one_lane_starves_no_other(store: Arc<SqlStore<impl Base>>) {
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

async fn a_plugin_that_waits_for_a_link_that_is_there_is_slowed_down_and_counted(store: Arc<SqlStore<impl Base>>) {
    append(&store, &[("A", "1")]).await;
    let first = lease(&store, 1).await.unwrap();
    let there = Finish { links: vec![LinkWrite::Put(link("001X"))], ..each(&first, &waits("001X")) };
    store.finish(first.id, there).await.unwrap();
    assert!(lease(&store, 1).await.is_none(), "not before the time that the engine gave");
    let event = store.event(EventId(1)).await.unwrap().unwrap();
    assert_eq!((event.state, event.attempts), (EventState::Ready, 1));
}

async fn that_an_event_ran_is_known_longer_than_what_it_did(store: Arc<SqlStore<impl Base>>) {
    append(&store, &[("A", "1")]).await;
    let run = lease(&store, 1).await.unwrap();
    store.finish(run.id, each(&run, &Verdict::Reject("no".into()))).await.unwrap();
    assert_eq!(store.prune(&Retention::of(0, 0)).await.unwrap(), Pruned { runs: 1, events: 0 });
    assert!(store.retry(run.events[0].id, None, crate::time::now()).await.unwrap());
    assert!(lease(&store, 1).await.unwrap().repeated, "its probes are asked");
}

async fn a_backfill_and_what_happens_now_share_the_runs(store: Arc<SqlStore<impl Base>>) {
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

async fn who_shows_the_questions_learns_that_they_changed(store: Arc<SqlStore<impl Base>>) {
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

async fn a_packed_journal_says_what_it_said_and_takes_less_room(store: Arc<SqlStore<impl Base>>) {
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

async fn what_a_source_saw_is_kept_with_what_it_tells_and_found_again_page_by_page(store: Arc<SqlStore<impl Base>>) {
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

async fn how_much_a_flow_has_stored_is_known_without_adding_it_up(store: Arc<SqlStore<impl Base>>) {
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

async fn nothing_begins_under_a_release_that_is_not_live_and_of_two_who_change_it_at_once_one_is_told(
    store: Arc<SqlStore<impl Base>>,
) {
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

async fn a_release_goes_with_its_parts_when_no_run_that_is_kept_may_have_run_under_it(store: Arc<SqlStore<impl Base>>) {
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

async fn the_last_runs_of_a_flow_are_of_each_of_its_topics(store: Arc<SqlStore<impl Base>>) {
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

async fn a_call_of_a_tool_answers_no_question_of_its_record_and_none_answers_it(store: Arc<SqlStore<impl Base>>) {
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
