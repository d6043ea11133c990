//! What plugins that mean harm cost the others: orders a second beside a flow that is told, one event after the other, to do all it should
//! not, and the host's memory at its peak.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::json;
use tandem_e2e::{Setup, World};

use crate::figures::Figures;

const ORDERS: usize = 5_000;

/// What `tests/plugins/hostile` does with most of the machine: processor, memory, texts, calls, events, storage, links.
const DEEDS: [&str; 16] = [
    "loop",
    "bloat",
    "recurse",
    "trap",
    "calls",
    "log",
    "emit",
    "chain",
    "hoard",
    "journal",
    "many values",
    "store",
    "fan",
    "wake",
    "long text",
    "many calls",
];

/// Without, then with.
pub async fn all(figures: &mut Figures) -> Result<()> {
    let (alone, quiet) = orders_a_second(false).await?;
    let (beside, memory) = orders_a_second(true).await?;
    figures.add("orders a second, nobody hostile", "1/s", alone, None, "");
    figures.add("the same beside a hostile flow", "1/s", beside, None, "");
    figures.add("which is", "%", beside / alone * 100.0, None, ">= 95");
    figures.add("the host's memory at its peak, nobody hostile", "MB", quiet, None, "");
    figures.add("the same beside a hostile flow", "MB", memory, None, "< 300");
    Ok(())
}

/// Orders a second, and the host's memory at its peak in MB.
async fn orders_a_second(hostile: bool) -> Result<(f64, f64)> {
    let setup = Setup {
        plugins: vec!["orders", "hostile"],
        b1: "sessions = 4\n".into(),
        more: "[flows.hostile]\nplugin = \"hostile\"\nconnections = { b1 = \"erp\", s = \"crm\" }\n".into(),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    let ids = world.opportunities(ORDERS).await?;
    world.up().await?;
    let token = super::person(&world).await?;
    let started = Instant::now();
    for (n, chunk) in ids.chunks(200).enumerate() {
        if hostile {
            let deeds = DEEDS.iter().enumerate().map(|(deed, what)| {
                let id = format!("006DEED{:011}", n * 100 + deed);
                json!({ "Record_Id__c": id, "Object__c": "Opportunity", "Event_Id__c": format!("d{n}-{deed}"), "do": what })
            });
            if world.webhook(&deeds.collect()).await? != 202 {
                bail!("the host took no deed");
            }
        }
        super::close(&world, &token, chunk).await?;
    }
    let counted = format!("{}/admin/count/Opportunity/Tandem_Order_Number__c", world.salesforce);
    while world.get(&counted).await?.as_u64().unwrap_or(0) < ORDERS as u64 {
        if started.elapsed() > Duration::from_secs(300) {
            bail!("not all orders were made:\n{}", world.log_tail());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let seconds = started.elapsed().as_secs_f64();
    let status = std::fs::read_to_string(format!("/proc/{}/status", world.host_id().unwrap_or_default()));
    let peak = status.unwrap_or_default().lines().find_map(|line| line.strip_prefix("VmHWM:").map(str::to_owned));
    let kilobytes = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse::<f64>().ok());
    Ok((ORDERS as f64 / seconds, kilobytes.map_or(f64::NAN, |kilobytes| kilobytes / 1024.0)))
}
