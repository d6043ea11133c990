//! The embedded store with a million events in it, and 100,000 open ones of one key: what the host asks it all day.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tandem::store::{Access, sqlite::SqliteStore};
use tandem::store::{EventFilter, EventState, Finish, Haste, Intake, NewEvent, Retention, Store, Verdict};
use tandem::time::now;

use crate::figures::{Figures, median};

const EVENTS: usize = 1_000_000;
const HOT: usize = 100_000;
const AT_ONCE: usize = 10_000;

/// Fills a store and times each question, in ms; then lets it shrink.
pub async fn all(figures: &mut Figures) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("tandem.db");
    let store = SqliteStore::open(&path, Access::Host)?;
    let started = Instant::now();
    fill(&store).await?;
    println!("{EVENTS} events taken in and run in {:.0} s", started.elapsed().as_secs_f64());
    let megabytes = |path: &std::path::Path| std::fs::metadata(path).map_or(0.0, |data| data.len() as f64 / 1e6);

    let review = EventFilter { state: Some(EventState::Review), limit: 1_000, ..EventFilter::default() };
    let newest = EventFilter { limit: 50, ..EventFilter::default() };
    let of_key = EventFilter { key: Some("hot".into()), limit: 50, ..EventFilter::default() };
    let of_flow = EventFilter { flow: Some("credit".into()), limit: 1, ..EventFilter::default() };
    for (what, filter) in [
        ("all questions", review),
        ("the newest 50 events", newest),
        ("the newest 50 of a key with 100,000", of_key),
        ("the newest of a flow without any", of_flow),
    ] {
        let time = timed(|| store.events(filter.clone())).await?;
        figures.add(&format!("1,000,000 events: {what}"), "ms", time, None, "< 10");
    }
    figures.add("1,000,000 events: counts", "ms", timed(|| store.counts()).await?, None, "< 10");
    figures.add("1,000,000 events: next due", "ms", timed(|| store.next_due("orders")).await?, None, "< 10");
    figures.add("1,000,000 events: sweep", "ms", timed(|| store.sweep(now())).await?, None, "< 10");

    let mut times = Vec::new();
    for _ in 0..20 {
        let started = Instant::now();
        let run = store.lease("orders", "digest", 50, now()).await?.run().context("nothing to lease")?;
        times.push(started.elapsed().as_secs_f64() * 1_000.0);
        store.finish(run.id, done(&run)).await?;
    }
    figures.add("100,000 open events of one key: lease", "ms", median(&times), None, "< 10");

    let before = megabytes(&path);
    let started = Instant::now();
    let longest = Cell::new(0.0_f64);
    let beside = async {
        loop {
            let started = Instant::now();
            let dedup = fastrand::u64(..).to_string();
            store.append(Intake { events: vec![event("orders", "beside", &dedup)], ..Intake::default() }).await?;
            longest.set(longest.get().max(started.elapsed().as_secs_f64() * 1_000.0));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let retention = Retention::of(now() + 1_000, u64::MAX);
    tokio::select! {
        pruned = store.prune(&retention) => { pruned?; }
        failed = beside => return failed,
    }
    println!(
        "pruned in {:.0} s, {before:.0} MB before, {:.0} MB after",
        started.elapsed().as_secs_f64(),
        megabytes(&path)
    );
    figures.add("the longest wait of an event taken in while a million are pruned", "ms", longest.get(), None, "< 50");
    figures.add(
        "file after a million events were pruned, of what it was",
        "%",
        megabytes(&path) / before * 100.0,
        None,
        "",
    );
    Ok(())
}

/// The median of some tries, in ms.
async fn timed<T, F>(ask: impl Fn() -> F) -> Result<f64>
where
    F: Future<Output = tandem::store::Result<T>>,
{
    let mut times = Vec::new();
    for _ in 0..9 {
        let started = Instant::now();
        ask().await?;
        times.push(started.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok(median(&times))
}

async fn fill(store: &SqliteStore) -> Result<()> {
    for chunk in 0..EVENTS / AT_ONCE {
        let events = (0..AT_ONCE).map(|n| {
            let n = chunk * AT_ONCE + n;
            event("orders", &format!("006{n:015}"), &n.to_string())
        });
        store.append(Intake { events: events.collect(), ..Intake::default() }).await?;
        while let Some(run) = store.lease("orders", "digest", AT_ONCE as u32, now()).await?.run() {
            store.finish(run.id, done(&run)).await?;
        }
    }
    for chunk in 0..HOT / AT_ONCE {
        let events = (0..AT_ONCE).map(|n| event("orders", "hot", &format!("hot{chunk}.{n}")));
        store.append(Intake { events: events.collect(), ..Intake::default() }).await?;
    }
    Ok(())
}

fn done(run: &tandem::store::Run) -> Finish {
    let verdicts = run.events.iter().map(|event| (event.id, Verdict::Done("order made".into()))).collect();
    Finish { verdicts, ..Finish::default() }
}

fn event(flow: &str, key: &str, dedup: &str) -> NewEvent {
    NewEvent {
        kind: String::new(),
        flow: flow.into(),
        topic: "salesforce.Opportunity".into(),
        key: key.into(),
        dedup: dedup.into(),
        payload: format!(
            "{{\"Record_Id__c\":\"{key}\",\"Object__c\":\"Opportunity\",\"Changed_At__c\":\"2026-01-31T10:00:00Z\"}}"
        ),
        trace: "0".repeat(32),
        haste: Haste::AtOnce,
        held: None,
    }
}
