//! What a run may keep, capability by capability.

use std::sync::Arc;

use super::bindings::v0_1::flow::tandem::plugin as contract;
use super::run::{Outcome, RawOutcome, RunState, Taker, waits_of};
use super::{Bound, Grants, Journal, Permission, RunError};
use crate::config::Limits;
use crate::connections::Pace;
use crate::store::{Access, sqlite::SqliteStore};
use crate::store::{
    Activation, Event, EventId, EventState, Finish, Haste, Intake, Kept, Leased, Link, LinkWrite, Memory, NewEvent,
    ReleaseRow, Run, RunId, StorageWrite, Store,
};

fn other() -> Taker {
    Taker { flow: "other".into(), haste: Haste::WithOthers }
}

fn store_in(folder: &tempfile::TempDir) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open(&folder.path().join("t.db"), Access::Host).unwrap())
}

fn bound(folder: &tempfile::TempDir, haste: Haste) -> Bound {
    bound_to(store_in(folder), haste)
}

fn bound_to(store: Arc<dyn Memory>, haste: Haste) -> Bound {
    Bound {
        flow: "f".into(),
        grants: Grants::new("p", Permission::unasked()),
        slots: Default::default(),
        named: Default::default(),
        zones: Default::default(),
        scope: "a|b".into(),
        mapping: Arc::new(crate::mapping::Mapping::parse("").unwrap()),
        mapper: None,
        settings: "{}".into(),
        limits: Limits { host_calls: 100, ..Limits::default() },
        haste,
        topics: [("b1.Items".to_owned(), vec![other()]), ("news".to_owned(), vec![other()])].into(),
        store,
    }
}

fn state(folder: &tempfile::TempDir) -> RunState {
    let bound = bound(folder, Haste::AtOnce);
    let limits = bound.limits.clone();
    let store = SqliteStore::open(&folder.path().join("journal.db"), Access::Host).unwrap();
    RunState::new(Some(Arc::new(bound)), Journal::live(RunId(1), Arc::new(store), Vec::new()), &limits)
}

fn limit_of<T>(result: wasmtime::Result<T>) -> Option<&'static str> {
    match result.err()?.downcast::<RunError>().ok()? {
        RunError::Limit { limit, .. } => Some(limit),
        _ => None,
    }
}

fn large() -> String {
    format!("\"{}\"", "x".repeat(20 << 20))
}

#[tokio::test]
async fn texts_of_every_kind_share_one_budget() {
    let folder = tempfile::tempdir().unwrap();
    let emission =
        || contract::events::Emission { topic: "news".into(), key: "k".into(), dedup: "d".into(), payload: large() };
    let link =
        || contract::links::Link { kind: "k".into(), b1_id: "1".into(), salesforce_id: "2".into(), base: large() };
    let mut state = self::state(&folder);
    assert!(contract::links::Host::put(&mut state, link()).await.is_ok());
    assert_eq!(limit_of(contract::links::Host::put(&mut state, link()).await), Some("run_bytes"));
    let record = format!("\"{}\"", "x".repeat(1_000_000));
    let mapped = contract::mapping::Host::apply_all(&mut state, "s".into(), vec![record; 13]).await;
    assert_eq!(limit_of(mapped), Some("run_bytes"));
    let mapped = contract::mapping::Host::apply(&mut state, "s".into(), large()).await.unwrap();
    assert!(mapped.is_err_and(|error| error.message.contains("larger than")), "what is no record is not read as one");
    assert_eq!(limit_of(contract::events::Host::emit(&mut state, emission()).await), Some("run_bytes"));
    assert_eq!(limit_of(contract::schedule::Host::wake(&mut state, 1, "k".into(), large()).await), Some("run_bytes"));
    let set = contract::storage::Host::set(&mut state, "k".into(), large()).await;
    assert_eq!(limit_of(set), Some("run_bytes"));
    let question = contract::types::ReviewRequest { reason: large(), detail: "null".into(), choices: Vec::new() };
    assert_eq!(limit_of(contract::review::Host::raise(&mut state, "s".into(), question).await), Some("run_bytes"));
}

#[tokio::test]
async fn a_refused_request_is_kept_as_a_digest() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = self::state(&folder);
    for _ in 0..10 {
        let request = contract::http::Request {
            connection: "b1".into(),
            method: contract::http::Method::Post,
            path: "/nowhere?$filter=CardName eq 'Miller'".into(),
            headers: vec![],
            body: Some(large()),
            atomic_with: vec![],
            probe: None,
            subject: String::new(),
        };
        let refused = contract::http::Host::send(&mut state, request).await.unwrap();
        assert!(matches!(&refused, Err(contract::http::Error::Denied(why)) if !why.contains("Miller")), "{refused:?}");
    }
    let told = state.journal.told().take();
    assert!(!told.iter().any(|entry| format!("{}{}", entry.request, entry.response).contains("Miller")), "path only");
    let kept: usize = told.iter().map(|entry| entry.request.len() + entry.response.len()).sum();
    assert!(kept < 10_000, "{kept}");
}

#[tokio::test]
async fn each_id_looked_up_is_a_call() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = self::state(&folder);
    let find = |ids: usize| (0..ids).map(|id| id.to_string()).collect::<Vec<_>>();
    let b1 = contract::types::Side::B1;
    assert!(contract::links::Host::find_all(&mut state, "k".into(), b1, find(100)).await.is_ok());
    let more = contract::links::Host::find_all(&mut state, "k".into(), b1, find(1)).await;
    assert_eq!(limit_of(more), Some("host_calls"));
}

#[tokio::test]
async fn an_emission_carries_its_emitter_and_is_no_sources_event() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = self::state(&folder);
    let emission = |topic: &str| contract::events::Emission {
        topic: topic.into(),
        key: "k".into(),
        dedup: "erp:A1@2026-11-25 10:00:00".into(),
        payload: "{}".into(),
    };
    let forged = contract::events::Host::emit(&mut state, emission("b1.Items")).await.unwrap_err().to_string();
    assert!(forged.contains("told by the host's own sources"), "{forged}");
    assert!(contract::events::Host::emit(&mut state, emission("news")).await.unwrap().is_ok());
    assert_eq!(state.emitted[0].dedup, "f:erp:A1@2026-11-25 10:00:00");
}

#[tokio::test]
async fn what_a_run_emits_gathers_with_others_unless_the_run_waits_for_it() {
    let emitted = async |outcome: RawOutcome| {
        let folder = tempfile::tempdir().unwrap();
        let mut state = state(&folder);
        let emission = contract::events::Emission {
            topic: "news".into(),
            key: "k".into(),
            dedup: "d".into(),
            payload: "{}".into(),
        };
        assert!(contract::events::Host::emit(&mut state, emission).await.unwrap().is_ok());
        state.report(vec![outcome]).unwrap().emitted[0].haste
    };
    assert_eq!(emitted(RawOutcome::Done("told".into())).await, Haste::WithOthers);
    let wait = contract::types::LinkQuery {
        kind: "account".into(),
        side: contract::types::Side::Salesforce,
        id: "001".into(),
        deadline_ms: 1,
    };
    assert_eq!(emitted(RawOutcome::Wait(wait)).await, Haste::AtOnce);
}

#[tokio::test]
async fn what_an_event_brings_about_is_shared_by_what_it_emits_and_comes_to_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = self::state(&folder);
    state.trace = "0af7651916cd43dd8448eb211c80319c-1.7".into();
    state.may_emit = 7;
    let emission = |n: u32| contract::events::Emission {
        topic: "news".into(),
        key: "k".into(),
        dedup: n.to_string(),
        payload: "{}".into(),
    };
    for n in 0..3 {
        assert!(contract::events::Host::emit(&mut state, emission(n)).await.unwrap().is_ok());
    }
    let report = state.report(vec![RawOutcome::Done(String::new())]).unwrap();
    let traces: Vec<&str> = report.emitted.iter().map(|event| event.trace.as_str()).collect();
    assert_eq!(traces, ["0af7651916cd43dd8448eb211c80319c-2.1"; 3], "of seven three are there, and each may make one");
    let folder = tempfile::tempdir().unwrap();
    let mut last = self::state(&folder);
    last.may_emit = 0;
    let refused = contract::events::Host::emit(&mut last, emission(1)).await;
    assert_eq!(limit_of(refused), Some("brought_about"));
}

#[tokio::test]
async fn what_the_store_gives_is_counted_before_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(&folder);
    let bound = bound_to(store.clone(), Haste::AtOnce);
    let value = format!("\"{}\"", "x".repeat(1 << 20));
    let link = Link {
        scope: bound.scope.clone(),
        kind: "k".into(),
        b1_id: "1".into(),
        salesforce_id: "2".into(),
        base: value.clone(),
    };
    let run = stored_run(store.as_ref()).await;
    let storage = (0..40).map(|n| StorageWrite::Set(format!("k{n:02}"), value.clone())).collect();
    let finish = Finish { storage, links: vec![LinkWrite::Put(link)], ..Finish::default() };
    store.finish(run, finish).await.unwrap();
    let limits = bound.limits.clone();
    let mut state = RunState::new(Some(Arc::new(bound)), Journal::live(RunId(9), store, Vec::new()), &limits);
    let scanned = contract::storage::Host::scan(&mut state, "k".into(), 100).await;
    assert_eq!(limit_of(scanned), Some("run_bytes"));
    // The same link again and again is read again and again.
    let ids = vec!["1".to_owned(); 90];
    let found = contract::links::Host::find_all(&mut state, "k".into(), contract::types::Side::B1, ids).await;
    assert_eq!(limit_of(found), Some("run_bytes"));
    assert_eq!(contract::storage::Host::scan(&mut state, "k0".into(), 5).await.unwrap().len(), 5);
}

/// An open run, as the engine would have it.
async fn stored_run(store: &dyn Store) -> RunId {
    let release = ReleaseRow {
        flow: "f".into(),
        digest: "r".into(),
        manifest: "{}".into(),
        origin: String::new(),
        made_at: 0,
        signed_by: None,
    };
    store.release_put(release, Vec::new()).await.unwrap();
    let (flow, release, who, why) = ("f".into(), "r".into(), String::new(), String::new());
    let live = Activation { id: 0, flow, release, who, why, at: 0, back: None };
    store.activate(live, None).await.unwrap();
    let event = NewEvent {
        kind: String::new(),
        flow: "f".into(),
        topic: "t".into(),
        key: "k".into(),
        dedup: "d".into(),
        payload: "{}".into(),
        trace: String::new(),
        haste: Haste::AtOnce,
        held: None,
    };
    store.append(Intake { events: vec![event], ..Intake::default() }).await.unwrap();
    match store.lease("f", "r", 1, crate::time::now()).await.unwrap() {
        Leased::Run(run) => run.id,
        _ => panic!("there is an event"),
    }
}

#[tokio::test]
async fn what_people_are_shown_is_short_and_plain() {
    let folder = tempfile::tempdir().unwrap();
    let ask = |reason: &str, detail: String, choices: Vec<String>| {
        RawOutcome::Review(contract::types::ReviewRequest { reason: reason.into(), detail, choices })
    };
    let told = |outcome: RawOutcome| state(&folder).report(vec![outcome]).map(|report| report.outcomes);
    let long = told(RawOutcome::Done("ü".repeat(100_000))).unwrap();
    assert!(matches!(&long[0], Outcome::Done(text) if text.len() < 4_010), "cut off");
    let strange = told(RawOutcome::Reject("a\u{0}b\u{1b}[2J".into())).unwrap();
    assert_eq!(strange[0], Outcome::Reject("a\\u{0}b\\u{1b}[2J".into()));
    let large = told(ask("look", format!("\"{}\"", "x".repeat(1 << 20)), vec!["retry".into()])).unwrap();
    assert!(matches!(&large[0], Outcome::Review(question) if question.detail.is_empty()), "no room for it");
    assert!(told(ask("which", "null".into(), vec!["a".into(); 10_000])).is_err());
    assert!(told(ask("which", "null".into(), vec!["\u{1b}[2J".into()])).is_err());
}

#[tokio::test]
async fn wake_ups_that_are_planned_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(&folder);
    let mut bound = bound_to(store.clone(), Haste::AtOnce);
    bound.limits.wakes = 3;
    let limits = bound.limits.clone();
    let mut state = RunState::new(Some(Arc::new(bound)), Journal::live(RunId(1), store, Vec::new()), &limits);
    for _ in 0..3 {
        assert!(contract::schedule::Host::wake(&mut state, u64::MAX, "k".into(), "{}".into()).await.is_ok());
    }
    let more = contract::schedule::Host::wake(&mut state, 0, "k".into(), "{}".into()).await;
    assert_eq!(limit_of(more), Some("wakes"));
}

#[tokio::test]
async fn calls_wait_only_where_few_events_gathered_and_a_few_times_only() {
    let folders = [(); 4].map(|()| tempfile::tempdir().unwrap());
    let (follows, hurries) = (bound(&folders[0], Haste::WithOthers), bound(&folders[1], Haste::AtOnce));
    let gathered = run_of(&[(1, 1_000)]);
    assert!(waits_of(&follows, &gathered) > 0);
    assert_eq!(waits_of(&hurries, &gathered), 0, "a flow whose events are not to wait");
    assert_eq!(waits_of(&follows, &run_of(&[(1, 1_000), (7, 7)])), 0, "one of them was due at once");
    assert_eq!(waits_of(&follows, &run_of(&[(1, 1_000); 200])), 0, "many share their calls already");
    let mut brief = bound(&folders[2], Haste::WithOthers);
    brief.limits.run_seconds = 8;
    assert_eq!(waits_of(&brief, &gathered), 2, "a tenth of what a run may take");
    let mut state = state(&folders[3]);
    state.waits = 2;
    assert_eq!([state.pace(), state.pace(), state.pace()], [Pace::WithOthers, Pace::WithOthers, Pace::AtOnce]);
}

/// Events by the times at which they came and were due.
fn run_of(events: &[(i64, i64)]) -> Run {
    let event = |(created_at, due_at): &(i64, i64)| Event {
        id: EventId(1),
        flow: "f".into(),
        topic: "b1.Items".into(),
        key: "A1".into(),
        payload: "{}".into(),
        trace: String::new(),
        state: EventState::Leased,
        due_at: *due_at,
        attempts: 1,
        created_at: *created_at,
        finished_at: None,
        reason: None,
        choices: Vec::new(),
        detail: String::new(),
        resolution: None,
        kept: Kept::Whole,
    };
    let events = events.iter().map(event).collect();
    Run { id: RunId(1), flow: "f".into(), release: String::new(), events, repeated: false, kept: Kept::Whole }
}
