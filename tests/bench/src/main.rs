//! Timings, printed as one table beside the *bare loop*: a small program that makes the same HTTP calls in the same order
//! with no durability and no sandbox. `make bench`; bounded, and on this machine only.

mod bare;
mod budgets;
mod console;
mod day;
mod figures;
mod hostile;
mod instance;
mod mappers;
mod neighbours;
mod reconcile;
mod scale;
mod simulators;
mod store;
mod tools;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Parser;
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

use self::bare::Bare;
use self::figures::{Figures, median, percentile};

#[derive(Parser)]
struct Options {
    /// Events of the latency measurement, 20 a second.
    #[arg(long, default_value_t = 400)]
    latency_events: usize,
    /// Opportunities of the throughput measurement; a second one has ten times as many.
    #[arg(long, default_value_t = 2_500)]
    orders: usize,
    /// Leave out the run with ten times the orders.
    #[arg(long)]
    short: bool,
    /// Only the call budgets.
    #[arg(long)]
    budgets: bool,
    /// Only orders a second, so many times in turn with the bare loop.
    #[arg(long, default_value_t = 0)]
    throughput: usize,
    /// Only the store with a million events.
    #[arg(long)]
    store: bool,
    /// Only the console over a million events.
    #[arg(long)]
    console: bool,
    /// Only what looping plugins cost the others.
    #[arg(long)]
    neighbours: bool,
    /// Only what a hostile plugin costs the others.
    #[arg(long)]
    hostile: bool,
    /// Only mapping plugins in each language: fetches and builds them.
    #[arg(long)]
    mappers: bool,
    /// Only the calls of mixed changes.
    #[arg(long)]
    mixed: bool,
    /// Milliseconds by which Salesforce answers each of those later.
    #[arg(long, default_value_t = 0)]
    mixed_delay: u64,
    /// Only so many minutes of 20 changes a second, with faults.
    #[arg(long, default_value_t = 0)]
    day: u64,
    /// Only the comparison of both sides, of so many customers.
    #[arg(long, default_value_t = 0)]
    reconcile: usize,
    /// Only calls of tools.
    #[arg(long)]
    tools: bool,
    /// Only the first load of a whole company.
    #[arg(long)]
    scale: bool,
    #[command(flatten)]
    size: scale::Size,
}

/// Who makes the orders.
enum Maker {
    Tandem,
    Bare,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let options = Options::parse();
    let mut figures = Figures::default();
    if options.budgets {
        budgets::all(&mut figures).await.context("call budgets")?;
        println!("{figures}");
        return Ok(());
    }

    if options.throughput > 0 {
        let (mut bare, mut own) = (Vec::new(), Vec::new());
        for _ in 0..options.throughput {
            bare.push(throughput(&Maker::Bare, options.orders).await.context("throughput of the bare loop")?.0);
            own.push(throughput(&Maker::Tandem, options.orders).await.context("throughput")?.0);
        }
        figures.add("orders a second, durable, median", "1/s", median(&own), Some(median(&bare)), "> 500, ratio 0.8");
        println!("{figures}");
        return Ok(());
    }
    if options.store {
        store::all(&mut figures).await.context("the store")?;
        println!("{figures}");
        return Ok(());
    }
    if options.console {
        console::all(&mut figures).await.context("the console")?;
        println!("{figures}");
        return Ok(());
    }
    if options.neighbours {
        neighbours::all(&mut figures).await.context("neighbours")?;
        println!("{figures}");
        return Ok(());
    }
    if options.hostile {
        hostile::all(&mut figures).await.context("a hostile plugin")?;
        println!("{figures}");
        return Ok(());
    }
    if options.mappers {
        mappers::all(&mut figures).await.context("mapping plugins")?;
        println!("{figures}");
        return Ok(());
    }
    if options.mixed {
        budgets::mixed(&mut figures, options.mixed_delay).await.context("mixed changes")?;
        println!("{figures}");
        return Ok(());
    }
    if options.day > 0 {
        day::all(&mut figures, options.day).await.context("a long day")?;
        println!("{figures}");
        return Ok(());
    }
    if options.reconcile > 0 {
        reconcile::all(&mut figures, options.reconcile).await.context("both sides compared")?;
        println!("{figures}");
        return Ok(());
    }
    if options.tools {
        tools::all(&mut figures).await.context("tools")?;
        println!("{figures}");
        return Ok(());
    }
    if options.scale {
        scale::all(&mut figures, options.size).await.context("a whole company")?;
        println!("{figures}");
        return Ok(());
    }

    let bare = latency(&Maker::Bare, options.latency_events, 0).await.context("latency of the bare loop")?;
    let own = latency(&Maker::Tandem, options.latency_events, 0).await.context("latency")?;
    figures.add("event to number written back, median", "ms", median(&own), Some(median(&bare)), "< 50, ratio 1.2");
    figures.add(
        "event to number written back, p99",
        "ms",
        percentile(&own, 0.99),
        Some(percentile(&bare, 0.99)),
        "< 250, ratio 1.2",
    );

    let bare = latency(&Maker::Bare, options.latency_events / 4, 30).await.context("the bare loop, slow systems")?;
    let own = latency(&Maker::Tandem, options.latency_events / 4, 30).await.context("latency, slow systems")?;
    figures.add(
        "the same, median, where each call takes 30 ms as real ones do",
        "ms",
        median(&own),
        Some(median(&bare)),
        "ratio 1.2",
    );

    let (bare, _) = throughput(&Maker::Bare, options.orders).await.context("throughput of the bare loop")?;
    let (own, memory) = throughput(&Maker::Tandem, options.orders).await.context("throughput")?;
    figures.add("orders a second, durable", "1/s", own, Some(bare), "> 500, ratio 0.8");
    figures.add(&format!("memory of the host after {} orders", options.orders), "MB", memory, None, "< 150");
    if !options.short {
        let many = options.orders * 10;
        let (own, memory) = throughput(&Maker::Tandem, many).await.context("ten times the orders")?;
        figures.add(&format!("orders a second over {many}"), "1/s", own, Some(bare), "> 500");
        figures.add(&format!("memory of the host after {many} orders"), "MB", memory, None, "the same");
    }

    let times = instance::times().await.context("plugin instances")?;
    figures.add("plugin instance made and called with an empty batch, median", "µs", median(&times), None, "< 50");
    figures.add("the same, p99", "µs", percentile(&times, 0.99), None, "");

    for (name, rate) in simulators::rates().await.context("simulators")? {
        figures.add(
            &format!("{name} simulator: simple requests for each second of one core"),
            "1/s",
            rate,
            None,
            "> 2000",
        );
    }

    budgets::all(&mut figures).await.context("call budgets")?;
    budgets::mixed(&mut figures, 0).await.context("mixed changes")?;
    tools::all(&mut figures).await.context("tools")?;
    neighbours::all(&mut figures).await.context("neighbours")?;
    store::all(&mut figures).await.context("the store")?;

    let starts = host_starts().await.context("host start")?;
    figures.add("host start to ready, warm cache, median", "ms", median(&starts), None, "< 300");

    println!("{figures}");
    Ok(())
}

async fn world() -> Result<World> {
    World::with(Setup { b1: "sessions = 4\n".into(), ..Setup::default() }).await
}

async fn start(maker: &Maker, world: &mut World) -> Result<Option<Bare>> {
    match maker {
        Maker::Tandem => {
            world.up().await?;
            Ok(None)
        }
        Maker::Bare => Ok(Some(Bare::start(world).await?)),
    }
}

/// Milliseconds from the moment an event is published to the moment its order number stands in Salesforce, at 20 events
/// a second, with simulators that take so many milliseconds for each call. Both moments are taken by the simulator.
async fn latency(maker: &Maker, count: usize, delay: u64) -> Result<Vec<f64>> {
    let mut world = world().await?;
    let ids = world.opportunities(count + 20).await?;
    let _bare = start(maker, &mut world).await?;
    let (warm_up, measured) = ids.split_at(20);
    for id in warm_up {
        world.win(id).await?;
    }
    world.until_all_told(warm_up, Duration::from_secs(30)).await?;
    if delay > 0 {
        world.b1_faults(json!([{ "path": "/b1s/v2", "kind": { "latency": delay } }])).await?;
        world.salesforce_faults(json!([{ "path": "/services/data", "kind": { "latency": delay } }])).await?;
    }
    let writes = format!("{}/admin/writes", world.salesforce);
    world.send("PUT", &writes, &json!({})).await?;
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    for id in measured {
        tick.tick().await;
        world.win(id).await?;
    }
    world.until_all_told(measured, Duration::from_secs(60)).await?;
    let times = waits(&world.get(&writes).await?);
    if times.len() != measured.len() {
        bail!("{} of {} events were answered", times.len(), measured.len());
    }
    Ok(times)
}

/// Milliseconds from the moment a record was changed by a person to the moment the host wrote to it, of each such pair, as
/// the simulator of Salesforce recorded its writes.
fn waits(writes: &Value) -> Vec<f64> {
    let mut changed: HashMap<&str, i64> = HashMap::new();
    let mut times = Vec::new();
    for write in writes.as_array().into_iter().flatten() {
        let (Some(id), Some(at)) = (write["id"].as_str(), write["at"].as_i64()) else { continue };
        if write["silent"] != true {
            changed.insert(id, at);
        } else if let Some(start) = changed.remove(id) {
            times.push((at - start) as f64 / 1000.0);
        }
    }
    times
}

/// Orders a second from the first opportunity won to the last number written back, and the host's memory after, in MB.
async fn throughput(maker: &Maker, count: usize) -> Result<(f64, f64)> {
    let mut world = world().await?;
    let ids = world.opportunities(count).await?;
    let _bare = start(maker, &mut world).await?;
    let token = person(&world).await?;
    let writes = format!("{}/admin/writes", world.salesforce);
    world.send("PUT", &writes, &json!({})).await?;
    let started = Instant::now();
    for chunk in ids.chunks(200) {
        close(&world, &token, chunk).await?;
    }
    println!("{count} opportunities won in {:.1} s", started.elapsed().as_secs_f64());
    let until = started + Duration::from_secs(60 + count as u64 / 100);
    let counted = format!("{}/admin/count/Opportunity/Tandem_Order_Number__c", world.salesforce);
    while world.get(&counted).await?.as_u64().unwrap_or(0) < count as u64 {
        if Instant::now() > until {
            bail!("not all orders were made:\n{}", world.log_tail());
        }
        // Seldom: looking costs the simulator time too.
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let writes = world.get(&writes).await?;
    let times: Vec<i64> = writes.as_array().into_iter().flatten().filter_map(|write| write["at"].as_i64()).collect();
    let span = times.iter().max().unwrap_or(&0) - times.iter().min().unwrap_or(&0);
    world.assert_exactly_once(&ids).await?;
    let memory = world.host_id().map_or(0.0, memory_mb);
    Ok((count as f64 / (span as f64 / 1e6), memory))
}

/// A person's token: what a data loader would use.
async fn person(world: &World) -> Result<String> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let form =
        "grant_type=password&client_id=tandem&client_secret=tandem-secret&username=sales%40example.org&password=x";
    let response = client.post(format!("{}/services/oauth2/token", world.salesforce)).body(form).send().await?;
    let body: Value = serde_json::from_str(&response.text().await?)?;
    Ok(body["access_token"].as_str().context("no token")?.to_owned())
}

async fn close(world: &World, token: &str, ids: &[String]) -> Result<()> {
    let records: Vec<Value> = ids
        .iter()
        .map(|id| json!({ "attributes": { "type": "Opportunity" }, "id": id, "StageName": "Closed Won" }))
        .collect();
    let body = json!({ "allOrNone": false, "records": records });
    let client = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("{}/services/data/v64.0/composite/sobjects", world.salesforce);
    let response = client.patch(url).bearer_auth(token).body(body.to_string()).send().await?;
    if !response.status().is_success() {
        bail!("winning: {}", response.text().await?);
    }
    Ok(())
}

/// The most memory a process ever had, in MB; 0 where the system does not tell.
fn peak_megabytes(process: Option<u32>) -> f64 {
    process.map_or(0.0, |process| status_mb(process, "VmHWM:"))
}

/// Resident memory of a process, in MB; 0 where the system does not tell it so.
fn memory_mb(process: u32) -> f64 {
    status_mb(process, "VmRSS:")
}

fn status_mb(process: u32, name: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<f64>().ok()).map_or(0.0, |kb| kb / 1000.0)
}

/// Milliseconds from the process's start until `/readyz` says so, with compiled plugins in the cache.
async fn host_starts() -> Result<Vec<f64>> {
    let mut world = world().await?;
    world.up().await?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("{}/readyz", world.console);
    let mut times = Vec::new();
    for _ in 0..7 {
        world.kill().await?;
        let started = Instant::now();
        world.start()?;
        loop {
            let ready = client.get(&url).send().await.is_ok_and(|response| response.status().is_success());
            if ready {
                break;
            }
            if started.elapsed() > Duration::from_secs(20) {
                bail!("not ready after 20 s");
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        times.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(times)
}
