//! What plugins that loop cost the others: orders a second beside two loops for each core, and how soon the host answers.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::json;
use tandem_e2e::{Setup, World};

use crate::figures::{Figures, percentile};

const ORDERS: usize = 5_000;
/// Simulators and bench share the cores with the host: one pair alone is off by a tenth either way.
const PAIRS: usize = 5;
/// After this long each loop has used more than what counts as short.
const SETTLED: Duration = Duration::from_secs(4);

/// Alone and beside the loops by turns; medians of all, and of what each pair says.
pub async fn all(figures: &mut Figures) -> Result<()> {
    let loops = 2 * std::thread::available_parallelism().map_or(2, usize::from);
    let (mut alone, mut beside, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        // Whoever comes first in a pair comes second in the next.
        let (quiet, busy) = if pair % 2 == 0 {
            let quiet = orders_a_second(0).await?;
            (quiet, orders_a_second(loops).await?)
        } else {
            let busy = orders_a_second(loops).await?;
            (orders_a_second(0).await?, busy)
        };
        shares.push(busy.0 / quiet.0 * 100.0);
        println!("  pair {}: {:.0} alone, {:.0} beside, {:.1} %", pair + 1, quiet.0, busy.0, busy.0 / quiet.0 * 100.0);
        alone.push(quiet);
        beside.push(busy);
    }
    let median =
        |of: &[(f64, f64)], part: fn(&(f64, f64)) -> f64| percentile(&of.iter().map(part).collect::<Vec<_>>(), 0.5);
    figures.add("orders a second, no plugin loops", "1/s", median(&alone, |own| own.0), None, "");
    figures.add(&format!("the same beside {loops} plugins that loop"), "1/s", median(&beside, |own| own.0), None, "");
    figures.add(&format!("which is (median of {PAIRS} pairs)"), "%", percentile(&shares, 0.5), None, ">= 95");
    figures.add("/healthz, p99, no plugin loops", "ms", median(&alone, |own| own.1), None, "< 50");
    figures.add("/healthz, p99, beside the loops", "ms", median(&beside, |own| own.1), None, "< 50");
    Ok(())
}

/// Orders a second, and the p99 of `/healthz` meanwhile in ms.
async fn orders_a_second(loops: usize) -> Result<(f64, f64)> {
    let setup = Setup {
        plugins: vec!["orders", "hostile"],
        b1: "sessions = 4\n".into(),
        more: format!(
            "[flows.hostile]\nplugin = \"hostile\"\nconnections = {{ b1 = \"erp\", s = \"crm\" }}\nbatch = 1\nconcurrency = {}\n\
             limits = {{ cpu_ms = 300000, fuel_millions = 100000000, run_seconds = 300 }}\n",
            loops.max(1)
        ),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    let ids = world.opportunities(ORDERS).await?;
    world.up().await?;
    for n in 0..loops {
        let id = format!("006LOOP{n:011}");
        let event =
            json!({ "Record_Id__c": id, "Object__c": "Opportunity", "Event_Id__c": format!("l{n}"), "do": "loop" });
        if world.webhook(&event).await? != 202 {
            bail!("the host took no loop");
        }
    }
    tokio::time::sleep(SETTLED).await;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("{}/healthz", world.console);
    let times = Cell::new(Vec::new());
    let asking = async {
        loop {
            let started = Instant::now();
            let well = client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success());
            let mut all = times.take();
            all.push(if well { started.elapsed().as_secs_f64() * 1_000.0 } else { f64::INFINITY });
            times.set(all);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let token = super::person(&world).await?;
    let started = Instant::now();
    let orders = async {
        for chunk in ids.chunks(200) {
            super::close(&world, &token, chunk).await?;
        }
        let counted = format!("{}/admin/count/Opportunity/Tandem_Order_Number__c", world.salesforce);
        while world.get(&counted).await?.as_u64().unwrap_or(0) < ORDERS as u64 {
            if started.elapsed() > Duration::from_secs(120) {
                bail!("not all orders were made:\n{}", world.log_tail());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(started.elapsed().as_secs_f64())
    };
    let seconds = tokio::select! { seconds = orders => seconds?, () = asking => 0.0 };
    Ok((ORDERS as f64 / seconds, percentile(&times.take(), 0.99)))
}
