//! Both engines, driven with the same random history, come to the same.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::promises::{event, link, on_postgres, on_sqlite};
use super::{Base, SqlStore};
use crate::store::*;

/// One thing that is done to a store.
#[derive(Clone, Debug)]
enum Step {
    /// An event of a key, by a dedup id, on a lane.
    Take(u8, u8, bool),
    /// A run of so many events at most.
    Lease(u8),
    /// The open run of that place ends: how, and with a link or without.
    Finish(u8, How, bool),
    /// An event of that place is offered again.
    Retry(u8, bool),
    /// All that is due is woken, so long after now.
    Sweep(u8),
    Keep(u8, Option<u8>),
    Note(u8),
    Seen(u8, bool),
    Pack,
    Prune,
}

#[derive(Clone, Copy, Debug)]
enum How {
    Done,
    Reject,
    Review(u8),
    Retry(bool),
    Wait(u8),
    Emit(u8),
    Wake(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let how = prop_oneof![
        Just(How::Done),
        Just(How::Reject),
        (0..2_u8).prop_map(How::Review),
        any::<bool>().prop_map(How::Retry),
        (0..4_u8).prop_map(How::Wait),
        (0..6_u8).prop_map(How::Emit),
        (0..6_u8).prop_map(How::Wake),
    ];
    prop_oneof![
        4 => (0..6_u8, 0..40_u8, any::<bool>()).prop_map(|(key, dedup, lane)| Step::Take(key, dedup, lane)),
        4 => (1..5_u8).prop_map(Step::Lease),
        6 => (0..3_u8, how, any::<bool>()).prop_map(|(run, how, linked)| Step::Finish(run, how, linked)),
        2 => (0..40_u8, any::<bool>()).prop_map(|(event, answered)| Step::Retry(event, answered)),
        1 => (0..3_u8).prop_map(Step::Sweep),
        1 => (0..4_u8, proptest::option::of(0..9_u8)).prop_map(|(key, value)| Step::Keep(key, value)),
        1 => (0..9_u8).prop_map(Step::Note),
        1 => (0..9_u8, any::<bool>()).prop_map(|(key, there)| Step::Seen(key, there)),
        1 => Just(Step::Pack),
        1 => Just(Step::Prune),
    ]
}

/// What a store says after each step, and what is in it at the end.
async fn history(store: &SqlStore<impl Base>, steps: &[Step]) -> Vec<String> {
    let mut said = Vec::new();
    let mut open: Vec<Run> = Vec::new();
    for step in steps {
        // What is due first goes by the millisecond.
        tokio::time::sleep(Duration::from_millis(2)).await;
        said.push(match step {
            Step::Take(key, dedup, backfill) => {
                let lane = if *backfill { Lane::Backfill } else { Lane::Live };
                let events = vec![NewEvent {
                    payload: format!("{{\"n\":{dedup}}}"),
                    ..event(&key.to_string(), &dedup.to_string())
                }];
                let position = Some(("source".to_owned(), dedup.to_string()));
                format!("{:?}", store.append(Intake { events, lane, position, ..Intake::default() }).await)
            }
            Step::Lease(most) => {
                // Later than any clock says that things were taken in.
                let leased = store.lease("orders", "digest", (*most).into(), i64::MAX / 2).await.unwrap().run();
                let told = leased.as_ref().map(|run| (run.id, run.repeated, ids(&run.events)));
                open.extend(leased);
                format!("{told:?}")
            }
            Step::Finish(run, how, linked) => {
                if open.is_empty() {
                    continue;
                }
                let run = open.remove(usize::from(*run) % open.len());
                format!("{:?}", store.finish(run.id, ended(&run, *how, *linked)).await)
            }
            Step::Retry(event, answered) => {
                let answer = answered.then(|| "retry".to_owned());
                format!("{:?}", store.retry(EventId(i64::from(*event) + 1), answer, crate::time::now()).await)
            }
            Step::Sweep(hours) => {
                format!("{:?}", store.sweep(i64::from(*hours) * 3_600_000 + crate::time::now()).await)
            }
            Step::Keep(key, value) => {
                let key = key.to_string();
                let write = match value {
                    Some(value) => StorageWrite::Set(key, "ä".repeat((*value).into())),
                    None => StorageWrite::Delete(key),
                };
                let Some(run) = open.pop() else { continue };
                let finish = Finish { storage: vec![write], ..ended(&run, How::Done, false) };
                let finished = store.finish(run.id, finish).await;
                format!("{finished:?} {:?}", store.storage_size("orders").await)
            }
            Step::Note(event) => {
                let note = Note { note: Some(format!("note {event}")), ..Note::default() };
                format!("{:?}", store.note_put(EventId(i64::from(*event) + 1), note).await)
            }
            Step::Seen(key, there) => {
                let seen = vec![Sighting { key: key.to_string(), digest: there.then(|| "d".to_owned()) }];
                let seen = Intake { seen: Some(("b1".into(), seen)), ..Intake::default() };
                format!("{:?} {:?}", store.append(seen).await, store.seen_count("b1").await)
            }
            Step::Pack => format!("{:?}", store.pack(&BTreeMap::new()).await),
            Step::Prune => format!("{:?}", store.prune(&Retention::of(i64::MAX / 4, u64::MAX)).await),
        });
    }
    said.push(format!("{:?}", store.counts().await));
    said.push(format!("{:?}", store.counts_of_backfill("orders").await));
    said.push(format!("{:?}", store.questions_revision().await));
    said.push(format!("{:?}", store.position("source").await));
    said.push(format!("{:?}", store.seen_keys("b1", "", 100).await));
    said.push(format!("{:?}", store.storage_scan("orders", "", 100, u64::MAX).await));
    said.push(format!("{:?}", store.wakes_planned("orders").await));
    said.push(format!("{:?}", store.runs_last("orders", 100).await));
    let found =
        |words: &str, in_payloads| Search { words: Some(words.into()), in_payloads, limit: 100, ..Search::default() };
    for search in [Search { limit: 100, ..Search::default() }, found("ok", false), found("3", true)] {
        said.push(format!("{:?}", store.find(search).await.unwrap().iter().map(told).collect::<Vec<_>>()));
    }
    for run in store.abandoned(Whose::Flows, true).await.unwrap() {
        said.push(format!("{:?} {:?}", run.id, store.journal_read(run.id).await));
    }
    said.push(format!("{:?}", store.journal_about("subject", 100).await));
    said
}

fn ids(events: &[Event]) -> Vec<EventId> {
    events.iter().map(|event| event.id).collect()
}

/// An event, without what the clock said.
fn told(event: &Event) -> String {
    let Event { id, state, attempts, reason, resolution, detail, choices, payload, .. } = event;
    let detail = detail.split("\"at\":").next().unwrap_or_default();
    format!("{id:?} {state:?} {attempts} {reason:?} {resolution:?} {detail} {choices:?} {payload}")
}

fn ended(run: &Run, how: How, linked: bool) -> Finish {
    let verdict = match how {
        How::Done | How::Emit(_) | How::Wake(_) => Verdict::Done("ok".into()),
        How::Reject => Verdict::Reject("no".into()),
        How::Review(reason) => Verdict::Review(Question::retry_or_ignore(format!("why {reason}?"))),
        How::Retry(counts) => Verdict::Retry { due_at: 0, why: "down".into(), counts, batch_max: Some(2) },
        How::Wait(id) => Verdict::Wait {
            scope: "erp|crm".into(),
            kind: "account".into(),
            side: Side::Salesforce,
            id: id.to_string(),
            deadline: i64::MAX / 4,
            there_at: 0,
            tired: false,
        },
    };
    let entry = JournalEntry {
        seq: 0,
        item: 0,
        kind: "http".into(),
        subject: "subject".into(),
        state: CallState::Done,
        at: 1,
        request: "{}".into(),
        response: "a \0 in an answer".into(),
        took: Some(1),
    };
    Finish {
        verdicts: run.events.iter().map(|event| (event.id, verdict.clone())).collect(),
        journal: vec![entry],
        links: if linked { vec![LinkWrite::Put(link(&(run.id.0 % 4).to_string()))] } else { Vec::new() },
        emitted: match how {
            How::Emit(key) => vec![event(&key.to_string(), &format!("of {}", run.id.0))],
            _ => Vec::new(),
        },
        wakes: match how {
            How::Wake(key) => vec![Wake { at: 1, key: key.to_string(), payload: "{}".into() }],
            _ => Vec::new(),
        },
        ..Finish::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_same_history_comes_to_the_same_on_both(steps in proptest::collection::vec(step(), 1..120)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (one, other) = runtime.block_on(async {
            let (_folder, sqlite) = on_sqlite();
            (history(&sqlite, &steps).await, history(&on_postgres().await as &SqlStore<_>, &steps).await)
        });
        prop_assert_eq!(one, other);
    }
}
