//! What a call of a tool adds to the calls that it makes, and what very many programs at once cost the host.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tandem_e2e::mcp::Mcp;
use tandem_e2e::{Setup, World, console};

use crate::figures::{Figures, median, percentile};

/// Calls one after the other.
const CALLS: usize = 300;
/// Programs at once, and calls of each.
const PROGRAMS: usize = 200;
const EACH: usize = 10;

/// One read of B1 each.
pub async fn all(figures: &mut Figures) -> Result<()> {
    let more = "[agents]\nmcp = true\ncalls_a_minute = 100000\ncalls_a_day = 1000000\n".into();
    let setup = Setup { plugins: vec!["inventory", "credit"], more, ..Setup::default() };
    let mut world = World::with(setup).await?;
    world.up().await?;
    let admin = console::admin(&world).await?;
    let item = world.b1_records("Items").await?.remove(0)["ItemCode"].as_str().context("an item")?.to_owned();
    let code =
        world.b1_records("BusinessPartners").await?.remove(0)["CardCode"].as_str().context("a customer")?.to_owned();
    let mcp = Mcp::new(&world, &admin, "one", "reviewer", Value::Null).await?;
    for (tool, input) in
        [("inventory_stock-of", json!({ "item_code": item })), ("credit_credit-of", json!({ "card_code": code }))]
    {
        // What is read once a day is read before.
        mcp.got(tool, input.clone()).await?;
        let (mut whole, mut over) = (Vec::new(), Vec::new());
        for _ in 0..CALLS {
            let began = Instant::now();
            let answer = mcp.call(tool, input.clone()).await?;
            let took = began.elapsed().as_secs_f64() * 1_000.0;
            ensure!(answer["isError"] != true, "{tool}: {answer}");
            let away = answer["_meta"]["tandem/awayMs"].as_f64().context("what the calls took")?;
            whole.push(took);
            over.push(took - away);
        }
        figures.add(&format!("{tool} over MCP, median"), "ms", median(&whole), None, "");
        figures.add("the same without its calls to B1, median", "ms", median(&over), None, "< 5");
        figures.add("the same, p99", "ms", percentile(&over, 0.99), None, "");
    }
    let mut programs = Vec::with_capacity(PROGRAMS);
    for number in 0..PROGRAMS {
        programs.push(Mcp::new(&world, &admin, &format!("program-{number}"), "reviewer", Value::Null).await?);
    }
    let host = world.host_id().context("no host")?;
    // The most that it has from now on.
    std::fs::write(format!("/proc/{host}/clear_refs"), "5").context("forgetting the host's peak")?;
    let began = Instant::now();
    let calls = programs.into_iter().map(|program| {
        let item = item.clone();
        tokio::spawn(async move {
            let mut times = Vec::with_capacity(EACH);
            for _ in 0..EACH {
                let began = Instant::now();
                program.got("inventory_stock-of", json!({ "item_code": item })).await?;
                times.push(began.elapsed().as_secs_f64() * 1_000.0);
            }
            Ok::<_, anyhow::Error>(times)
        })
    });
    let calls: Vec<_> = calls.collect();
    let mut times = Vec::new();
    for call in calls {
        times.extend(tokio::time::timeout(Duration::from_secs(300), call).await???);
    }
    let seconds = began.elapsed().as_secs_f64();
    let what = format!("{PROGRAMS} programs at once, {EACH} calls each: calls a second");
    figures.add(&what, "1/s", times.len() as f64 / seconds, None, "");
    figures.add("the same: a call's median", "ms", median(&times), None, "");
    figures.add("the same: memory of the host at its peak", "MB", super::peak_megabytes(Some(host)), None, "< 300");
    Ok(())
}
