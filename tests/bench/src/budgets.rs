//! What the flows ask of the two systems, counted by the simulators.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};
use tandem_e2e::{ALL, Setup, World};

use crate::figures::{Figures, median, percentile};

/// What, unit, figure, aim.
type Budget = (String, &'static str, f64, &'static str);

const ITEMS: usize = 10_000;
const MANY: usize = 100_000;
const ACCOUNTS: usize = 1_000;

/// All budgets.
pub async fn all(figures: &mut Figures) -> Result<()> {
    add(figures, changed_items().await?);
    add(figures, new_accounts().await?);
    add(figures, idle_hour().await?);
    add(figures, large_backfill().await?);
    Ok(())
}

/// Twenty mixed changes a second on both sides, all flows at work: what one of them costs in Salesforce, whose answers take so
/// many milliseconds longer.
pub async fn mixed(figures: &mut Figures, delay: u64) -> Result<()> {
    const SECONDS: usize = 30;
    const EACH: u64 = 50;
    let setup = Setup { plugins: ALL.to_vec(), b1: "poll_seconds = 1\n".into(), ..Setup::default() };
    let mut world = World::with(setup).await?;
    let ids = world.opportunities(SECONDS * 5).await?;
    world.up().await?;
    for flow in ["accounts", "catalogue", "inventory", "credit"] {
        world.tandem(&["backfill", flow, "--yes"]).await?;
    }
    quiet(&world).await?;
    let accounts = world.records("Account").await?;
    let items = world.b1_records("Items").await?;
    if delay > 0 {
        world
            .salesforce_faults(serde_json::json!([{ "path": "/services/data", "kind": { "latency": delay } }]))
            .await?;
    }
    let before = world.calls(&world.salesforce).await?;
    let writes = format!("{}/admin/writes", world.salesforce);
    world.send("PUT", &writes, &json!({})).await?;
    let mut tick = tokio::time::interval(Duration::from_millis(EACH));
    for (n, id) in ids.iter().enumerate() {
        for kind in 0..4 {
            tick.tick().await;
            let item = items[n % items.len()]["ItemCode"].as_str().unwrap_or_default();
            let account = &accounts[n % accounts.len()];
            match kind {
                0 => world.win(id).await?,
                1 => world.b1_patch(&format!("/Items('{item}')"), json!({ "ItemName": format!("Item {n}") })).await?,
                2 => {
                    let code = account["Tandem_Card_Code__c"].as_str().unwrap_or("C00001");
                    world.b1_patch(&format!("/BusinessPartners('{code}')"), json!({ "Phone2": n.to_string() })).await?
                }
                _ => {
                    let id = account["Id"].as_str().unwrap_or_default();
                    world.change("Account", id, json!({ "Phone": format!("+49 40 {n}") })).await?
                }
            }
        }
    }
    quiet(&world).await?;
    let after = world.calls(&world.salesforce).await?;
    let changes = (ids.len() * 4) as f64;
    for (kind, count) in after.as_object().into_iter().flatten() {
        let own = count.as_f64().unwrap_or(0.0) - before[kind].as_f64().unwrap_or(0.0);
        if own > 0.0 {
            println!("{own:>6} {kind}");
        }
    }
    let calls = (total(&after) - total(&before)) / changes * 100.0;
    figures.add(
        "20 mixed changes a second, all flows: Salesforce calls for a hundred changes",
        "",
        calls,
        None,
        "<= 50",
    );
    let mut writes = world.get(&writes).await?;
    if let Some(writes) = writes.as_array_mut() {
        writes.retain(|write| write["id"].as_str().is_some_and(|id| ids.iter().any(|own| own == id)));
    }
    let waits = super::waits(&writes);
    if waits.len() != ids.len() {
        bail!("{} of {} opportunities got their number", waits.len(), ids.len());
    }
    figures.add("the same: won to number written back, median", "ms", median(&waits), None, "");
    figures.add("the same, p95", "ms", percentile(&waits, 0.95), None, "");
    // Journals are packed within seconds; a stop leaves one file.
    tokio::time::sleep(Duration::from_secs(8)).await;
    let events = world.tandem_json(&["events", "list", "--limit", "1000000"]).await?;
    let events = events.as_array().map_or(1, Vec::len) as f64;
    world.stop().await?;
    let bytes = std::fs::metadata(world.folder().join("data/tandem.db"))?.len() as f64;
    figures.add(
        "the store, for a thousand events of the first load and of these changes",
        "MB",
        bytes / 1e3 / events,
        None,
        "3",
    );
    let log = std::fs::metadata(world.folder().join("host.log"))?.len() as f64;
    figures.add("the log, for a thousand changes", "MB", log / 1e3 / changes, None, "");
    Ok(())
}

fn add(figures: &mut Figures, budgets: Vec<Budget>) {
    for (what, unit, own, aim) in budgets {
        figures.add(&what, unit, own, None, aim);
    }
}

fn sized(items: usize) -> (Vec<String>, Vec<String>) {
    let items = items.to_string();
    let b1 = vec!["--items".to_owned(), items.clone()];
    (b1.clone(), b1)
}

pub fn total(calls: &Value) -> f64 {
    let kinds = calls.as_object().into_iter().flatten();
    kinds.filter(|(name, _)| !matches!(name.as_str(), "HTTP" | "TOKEN")).filter_map(|(_, count)| count.as_f64()).sum()
}

/// Calls that change something; a batch counts by what is in it.
pub fn writes(calls: &Value) -> f64 {
    let kinds = calls.as_object().into_iter().flatten();
    let writes = kinds.filter(|(name, _)| ["POST", "PATCH", "PUT", "DELETE"].iter().any(|verb| name.starts_with(verb)));
    writes.filter(|(name, _)| !name.contains("$batch")).filter_map(|(_, count)| count.as_f64()).sum()
}

fn count(calls: &Value, kind: &str) -> f64 {
    calls[kind].as_f64().unwrap_or(0.0)
}

/// Waits until nothing is on its way and nothing has come for a while.
pub async fn quiet(world: &World) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(900);
    let mut still = 0;
    while still < 3 {
        let mut open = 0;
        for state in ["ready", "leased"] {
            let events = world.tandem_json(&["events", "list", "--state", state, "--limit", "1"]).await?;
            open += events.as_array().map_or(0, Vec::len);
        }
        still = if open == 0 { still + 1 } else { 0 };
        if Instant::now() > until {
            bail!("the queue is not empty after 15 minutes\n{}", world.log_tail());
        }
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    Ok(())
}

/// 10,000 items renamed, and the stock of 10,000 changed.
async fn changed_items() -> Result<Vec<Budget>> {
    let (b1_arguments, salesforce_arguments) = sized(ITEMS);
    let setup = Setup {
        plugins: vec!["catalogue", "inventory"],
        b1: "poll_seconds = 5\nstock_scan_seconds = 5\nprice_scan_seconds = 3600\n".into(),
        b1_arguments,
        salesforce_arguments,
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    world.up().await?;
    for flow in ["catalogue", "inventory"] {
        world.tandem(&["backfill", flow, "--yes"]).await?;
    }
    quiet(&world).await?;
    let snapshot = world.get(&format!("{}/admin/snapshot", world.b1)).await?;
    let before = world.calls(&world.salesforce).await?;
    let (renamed, stamp) = renamed(snapshot, &world).await?;
    world.send("PUT", &format!("{}/admin/snapshot", world.b1), &renamed).await?;
    tokio::time::sleep(Duration::from_secs(8)).await;
    quiet(&world).await?;
    let after = world.calls(&world.salesforce).await?;
    let told = world
        .records("Product2")
        .await?
        .iter()
        .filter(|record| record["Name"].as_str().is_some_and(|name| name.ends_with(&stamp)))
        .count();
    if told != ITEMS {
        bail!("only {told} of {ITEMS} items were renamed in Salesforce");
    }
    let mut budgets = vec![(
        "10,000 items renamed in B1: Salesforce REST calls".to_owned(),
        "",
        total(&after) - total(&before),
        "<= 60",
    )];

    let before = after;
    let snapshot = world.get(&format!("{}/admin/snapshot", world.b1)).await?;
    world.send("PUT", &format!("{}/admin/snapshot", world.b1), &restocked(snapshot)).await?;
    tokio::time::sleep(Duration::from_secs(8)).await;
    quiet(&world).await?;
    let after = world.calls(&world.salesforce).await?;
    budgets.push((
        "stock of 10,000 items changed, product and one warehouse each: Salesforce REST calls".to_owned(),
        "",
        total(&after) - total(&before),
        "100 at least: two records each",
    ));
    Ok(budgets)
}

fn rows<'a>(snapshot: &'a mut Value, set: &str) -> Vec<&'a mut Value> {
    match &mut snapshot["tables"][set] {
        Value::Array(rows) => rows.iter_mut().collect(),
        Value::Object(rows) => rows.values_mut().collect(),
        _ => Vec::new(),
    }
}

/// All items with another name, stamped with B1's time of now.
async fn renamed(mut snapshot: Value, world: &World) -> Result<(Value, String)> {
    let touched = world.b1_post("/Items", json!({ "ItemCode": "STAMP", "ItemName": "Stamp" })).await?;
    let mark = " (new)".to_owned();
    for item in rows(&mut snapshot, "Items") {
        let name = format!("{}{mark}", item["ItemName"].as_str().unwrap_or_default());
        item["ItemName"] = name.into();
        item["UpdateDate"] = touched["UpdateDate"].clone();
        item["UpdateTime"] = touched["UpdateTime"].clone();
    }
    Ok((snapshot, mark))
}

fn restocked(mut snapshot: Value) -> Value {
    for item in rows(&mut snapshot, "Items") {
        let warehouse = &mut item["ItemWarehouseInfoCollection"][0];
        let stock = warehouse["InStock"].as_f64().unwrap_or(0.0) + 1.0;
        warehouse["InStock"] = json!(stock as i64);
    }
    snapshot
}

/// 1,000 accounts that B1 does not know.
async fn new_accounts() -> Result<Vec<Budget>> {
    let setup = Setup {
        plugins: vec!["accounts"],
        flows: vec![("accounts", "settings = { create_in_b1 = \"all\", series = 11 }")],
        b1: "poll_seconds = 3600\n".into(),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    world.up().await?;
    quiet(&world).await?;
    world.kill().await?;
    for n in 0..ACCOUNTS {
        let fields = json!({ "Name": format!("Newcomer {n} {}", n * 7919), "BillingPostalCode": format!("{:05}", 10_000 + n), "BillingCity": "Kiel" });
        world.create("Account", fields).await?;
    }
    let before = world.calls(&world.b1).await?;
    let known = world.b1_records("BusinessPartners").await?.len();
    world.up().await?;
    quiet(&world).await?;
    let after = world.calls(&world.b1).await?;
    let made = world.b1_records("BusinessPartners").await?.len() - known;
    if made != ACCOUNTS {
        bail!("{made} of {ACCOUNTS} partners were made");
    }
    let writes = count(&after, "POST /BusinessPartners") - count(&before, "POST /BusinessPartners");
    let requests = count(&after, "HTTP") - count(&before, "HTTP");
    Ok(vec![
        ("1,000 new accounts into B1: partners written".to_owned(), "", writes, "<= 1,000"),
        ("1,000 new accounts into B1: HTTP requests".to_owned(), "", requests, "<= 100"),
    ])
}

/// An hour at sixty times its speed: all flows, nothing happens.
async fn idle_hour() -> Result<Vec<Budget>> {
    let setup = Setup {
        plugins: ALL.to_vec(),
        b1: "poll_seconds = 1\nstock_scan_seconds = 10\nprice_scan_seconds = 60\n".into(),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    world.up().await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    quiet(&world).await?;
    let before = (world.calls(&world.salesforce).await?, world.calls(&world.b1).await?);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let after = (world.calls(&world.salesforce).await?, world.calls(&world.b1).await?);
    Ok(vec![
        ("an idle hour, all flows: Salesforce calls".to_owned(), "", total(&after.0) - total(&before.0), "<= 400"),
        ("an idle hour, all flows: B1 calls".to_owned(), "", total(&after.1) - total(&before.1), "<= 1,500"),
    ])
}

/// 100,000 items for the first time: all are there already, and linked.
async fn large_backfill() -> Result<Vec<Budget>> {
    let (b1_arguments, salesforce_arguments) = sized(MANY);
    let setup = Setup {
        plugins: vec!["inventory"],
        flows: vec![("inventory", "settings = { per_warehouse = false, opportunity_lines = false }")],
        b1: "poll_seconds = 3600\nstock_scan_seconds = 86400\nprice_scan_seconds = 86400\n".into(),
        b1_arguments,
        salesforce_arguments,
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    world.up().await?;
    let started = Instant::now();
    world.tandem(&["backfill", "inventory", "--yes"]).await?;
    let seconds = started.elapsed().as_secs_f64();
    let memory = super::peak_megabytes(world.host_id());
    let calls = total(&world.calls(&world.salesforce).await?);
    Ok(vec![
        ("backfill of 100,000 items: memory of the host at its peak".to_owned(), "MB", memory, "< 200"),
        ("backfill of 100,000 items: records a second".to_owned(), "1/s", MANY as f64 / seconds, ""),
        ("backfill of 100,000 items: Salesforce REST calls".to_owned(), "", calls, ""),
    ])
}
