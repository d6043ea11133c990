//! The console over a store with a million events: how soon each page of the API answers, and what fifty people cost who watch it live.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tandem::store::{Access, sqlite::SqliteStore};
use tandem::store::{Event, Finish, Haste, Intake, NewEvent, Question, Run, Store, Verdict};
use tandem::time::now;
use tandem_e2e::World;
use tandem_e2e::console::admin;

use crate::figures::{Figures, percentile};

const EVENTS: usize = 1_000_000;
/// In one transaction, as a backfill does.
const AT_ONCE: usize = 2_000;
/// One of so many is left to a person, and one of so many was rejected.
const ASKED: usize = 200;
const REJECTED: usize = 1_000;
/// Requests of each page.
const TRIES: usize = 40;
const VIEWERS: usize = 50;
/// While fifty watch, and while nobody does, by turns; opportunities won in each second of it.
const WATCHED: Duration = Duration::from_secs(20);
const WON: usize = 5;
const ROUNDS: usize = 3;
/// What a host uses of a core, in percent, that has nothing to do.
const IDLE: f64 = 4.0;

/// Fills the store of a host before it starts, asks each page, then watches.
pub async fn all(figures: &mut Figures) -> Result<()> {
    let mut world = World::new().await?;
    fill(&SqliteStore::open(&world.folder().join("data/tandem.db"), Access::Host)?).await?;
    world.up().await?;
    let admin = admin(&world).await?;
    let key = id(EVENTS / 2);
    let event = admin.get(&format!("/events?q={key}")).await?["events"][0]["id"].to_string();
    let asked = admin.get("/reviews").await?["reviews"][0]["event"]["id"].to_string();
    let release = admin.get("/flows").await?["flows"][0]["live"].as_str().context("a live release")?.to_owned();
    for path in [
        "/overview",
        "/rates?range=day",
        "/events",
        "/events?state=review",
        &format!("/events?q={key}"),
        "/events?q=price",
        "/events?flow=orders&state=done&q=order%20made",
        &format!("/events/{event}"),
        "/kinds",
        "/reviews",
        &format!("/reviews/{asked}"),
        &format!("/explain?record={key}"),
        "/flows",
        "/flows/orders/releases",
        &format!("/flows/orders/releases/{release}"),
        "/flows/orders/mapping",
        "/audit",
        "/views",
        "/accounts",
    ] {
        let mut times = Vec::new();
        for _ in 0..TRIES {
            let started = Instant::now();
            admin.get(path).await?;
            times.push(started.elapsed().as_secs_f64() * 1_000.0);
        }
        let shown = path.replace(&release, "…");
        figures.add(&format!("1,000,000 events: GET {shown}, p95"), "ms", percentile(&times, 0.95), None, "< 200");
    }

    settled(&world).await?;
    let (mut alone, mut watched) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        alone.push(share_of_a_core(&world).await?);
        let mut viewers = tokio::task::JoinSet::new();
        for _ in 0..VIEWERS {
            let request = admin.request(reqwest::Method::GET, "/live").timeout(Duration::from_secs(600));
            viewers.spawn(async move {
                if let Ok(mut answer) = request.send().await {
                    while let Ok(Some(_)) = answer.chunk().await {}
                }
            });
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        ensure!(viewers.len() == VIEWERS && viewers.try_join_next().is_none(), "not all viewers stay");
        watched.push(share_of_a_core(&world).await?);
        viewers.abort_all();
    }
    let (alone, watched) = (percentile(&alone, 0.5), percentile(&watched, 0.5));
    figures.add("5 orders a second, nobody watches: of a core", "%", alone, None, "");
    figures.add("50 watch them live: of a core more", "%", watched - alone, None, "< 5");
    Ok(())
}

/// Waits until the host is done with what it makes of a store that was filled behind its back.
async fn settled(world: &World) -> Result<()> {
    let host = world.host_id().context("the host runs")?;
    let begun = Instant::now();
    loop {
        let used = processor_seconds(host)?;
        tokio::time::sleep(Duration::from_secs(10)).await;
        let share = (processor_seconds(host)? - used) * 10.0;
        if share < IDLE {
            return Ok(());
        }
        ensure!(begun.elapsed() < Duration::from_secs(1_200), "the host still uses {share:.1} % of a core");
    }
}

/// What the host uses while opportunities are won.
async fn share_of_a_core(world: &World) -> Result<f64> {
    let ids = world.opportunities(WON * WATCHED.as_secs() as usize).await?;
    let host = world.host_id().context("the host runs")?;
    let token = super::person(world).await?;
    let (started, used) = (Instant::now(), processor_seconds(host)?);
    for chunk in ids.chunks(WON) {
        let due = tokio::time::sleep(Duration::from_secs(1));
        super::close(world, &token, chunk).await?;
        due.await;
    }
    Ok((processor_seconds(host)? - used) / started.elapsed().as_secs_f64() * 100.0)
}

/// Of a process, user and system, by `/proc`; a hundred ticks are a second on every Linux of today.
fn processor_seconds(process: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let behind = stat.rsplit_once(')').context("stat")?.1;
    let ticks = |place: usize| -> Result<f64> {
        Ok(behind.split_whitespace().nth(place).context("ticks")?.parse::<u32>().map(f64::from)?)
    };
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}

fn id(n: usize) -> String {
    format!("006{n:015}")
}

async fn fill(store: &SqliteStore) -> Result<()> {
    for chunk in 0..EVENTS / AT_ONCE {
        let events = (0..AT_ONCE).map(|n| {
            let n = chunk * AT_ONCE + n;
            NewEvent {
                kind: String::new(),
                flow: "orders".into(),
                topic: "salesforce.Opportunity".into(),
                key: id(n),
                dedup: n.to_string(),
                payload: format!(
                    "{{\"Record_Id__c\":\"{}\",\"Object__c\":\"Opportunity\",\"Changed_At__c\":\"2026-01-31T10:00:00Z\"}}",
                    id(n)
                ),
                trace: format!("{n:032x}"),
                haste: Haste::AtOnce,
                held: None,
            }
        });
        store.append(Intake { events: events.collect(), ..Intake::default() }).await?;
        while let Some(run) = store.lease("orders", "digest", AT_ONCE as u32, now()).await?.run() {
            store.finish(run.id, verdicts(&run)).await?;
        }
    }
    Ok(())
}

fn verdicts(run: &Run) -> Finish {
    let verdict = |event: &Event| {
        let n = usize::try_from(event.id.0).unwrap_or_default();
        let verdict = if n % REJECTED == 0 {
            Verdict::Reject(format!("item A{n:05} is not known in B1"))
        } else if n % ASKED == 0 {
            Verdict::Review(Question::retry_or_ignore(format!("the price of item A{n:05} differs: {n}.50 EUR in B1")))
        } else {
            Verdict::Done("order made".into())
        };
        (event.id, verdict)
    };
    Finish { verdicts: run.events.iter().map(verdict).collect(), ..Finish::default() }
}
