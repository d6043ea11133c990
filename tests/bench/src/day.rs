//! Many changes over a long time, with faults on both sides: what the host needs at the end, and whether anything differs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tandem_e2e::in_step::{in_step, text};
use tandem_e2e::{ALL, Setup, World};

use crate::budgets::quiet;
use crate::figures::Figures;

/// Changes a second: a won opportunity, an item, a partner's phone and an account's in turn.
const RATE: u64 = 20;
/// Of calls of the host that each kind of fault strikes.
const FAULTS: f64 = 0.01;
/// Of the won opportunities one in so many is delivered, invoiced and paid.
const FULFILLED: usize = 10;

/// Runs for so many minutes.
pub async fn all(figures: &mut Figures, minutes: u64) -> Result<()> {
    let setup = Setup {
        plugins: ALL.to_vec(),
        flows: vec![("accounts", "settings = { series = 11 }")],
        b1: "poll_seconds = 1\nstock_scan_seconds = 60\nprice_scan_seconds = 3600\ntime_zone = \"Europe/Berlin\""
            .into(),
        more: "[store]\nmax_megabytes = 64\n".into(),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    let ids = world.opportunities((minutes * 60 * RATE / 4) as usize).await?;
    world.up().await?;
    for flow in ["accounts", "catalogue", "inventory", "credit"] {
        world.tandem(&["backfill", flow, "--yes"]).await?;
    }
    quiet(&world).await?;
    let accounts = linked(&world).await?;
    let items = world.b1_records("Items").await?;
    world.strike(FAULTS).await?;

    let mut phones = BTreeMap::new();
    let mut sizes = Vec::new();
    let mut tick = tokio::time::interval(Duration::from_millis(1_000 / RATE));
    let started = Instant::now();
    for (n, id) in ids.iter().enumerate() {
        tick.tick().await;
        world.win(id).await?;
        tick.tick().await;
        let item = text(&items[n % items.len()], "ItemCode");
        world.b1_patch(&format!("/Items('{item}')"), json!({ "ItemName": format!("Item {n}") })).await?;
        // Each customer's phone changes on one side: what two people type at once is decided by a rule, not compared here.
        for side in 0..2 {
            tick.tick().await;
            let (code, account) = &accounts[(2 * n + side) % (accounts.len() & !1)];
            let phone = format!("+49 40 {n}");
            if side == 0 {
                world.b1_patch(&format!("/BusinessPartners('{code}')"), json!({ "Phone1": phone })).await?;
            } else {
                world.change("Account", account, json!({ "Phone": phone })).await?;
            }
            phones.insert(code.clone(), phone);
        }
        if n % FULFILLED == FULFILLED - 1 {
            fulfil(&world).await?;
        }
        if started.elapsed().as_secs() / 60 > sizes.len() as u64 {
            sizes.push(size(&world));
            println!("after {} minutes: {}", sizes.len(), told(&sizes[sizes.len() - 1]));
        }
    }
    let behind = Instant::now();
    world.b1_faults(json!([])).await?;
    world.salesforce_faults(json!([])).await?;
    // An order that B1 may still be at is looked for again after five minutes.
    world.until_all_told(&ids, Duration::from_secs(900)).await?;
    quiet(&world).await?;
    let behind = behind.elapsed().as_secs_f64();
    // The scan of the stock looks once more.
    tokio::time::sleep(Duration::from_secs(65)).await;
    quiet(&world).await?;
    world.assert_exactly_once(&ids).await?;
    ensure!(world.tandem_json(&["review", "list"]).await? == json!([]), "faults send nothing to review");
    in_step(&world, &phones).await?;

    let changes = ids.len() * 4;
    let last = size(&world);
    println!("{changes} changes in {minutes} minutes, no difference; at the end {}", told(&last));
    let early = sizes.get(sizes.len() / 4).copied().unwrap_or(last);
    figures.add(
        &format!("{changes} changes, {RATE} a second, with faults: until all was quiet"),
        "s",
        behind,
        None,
        "",
    );
    figures.add("the same: memory of the host after a quarter", "MB", early.0, None, "");
    figures.add("the same: memory of the host at the end", "MB", last.0, None, "the same");
    figures.add("the same: the store at the end, of 64 MB allowed", "MB", last.1, None, "");
    figures.add("the same: the log", "MB", last.2, None, "");
    Ok(())
}

/// `CardCode` and account of all customers that are linked.
async fn linked(world: &World) -> Result<Vec<(String, String)>> {
    let accounts = world.records("Account").await?;
    let all = accounts.iter().map(|own| (text(own, "Tandem_Card_Code__c").to_owned(), text(own, "Id").to_owned()));
    Ok(all.filter(|(code, _)| !code.is_empty()).collect())
}

/// The newest order goes out, is invoiced and paid.
async fn fulfil(world: &World) -> Result<()> {
    let newest = async |set: &str| -> Result<Option<i64>> {
        let path = format!("/{set}?$select=DocEntry&$orderby=DocEntry desc&$top=1");
        Ok(world.b1_call("GET", &path, Value::Null).await?["value"][0]["DocEntry"].as_i64())
    };
    if let Some(order) = newest("Orders").await? {
        for action in ["deliver", "invoice"] {
            world.send("POST", &format!("{}/admin/{action}/{order}", world.b1), &Value::Null).await?;
        }
    }
    if let Some(invoice) = newest("Invoices").await? {
        world.send("POST", &format!("{}/admin/pay/{invoice}", world.b1), &Value::Null).await?;
    }
    Ok(())
}

/// MB of memory, store and log.
fn size(world: &World) -> (f64, f64, f64) {
    let file = |name: &str| std::fs::metadata(world.folder().join(name)).map_or(0.0, |data| data.len() as f64 / 1e6);
    (
        world.host_id().map_or(0.0, super::memory_mb),
        file("data/tandem.db") + file("data/tandem.db-wal"),
        file("host.log"),
    )
}

fn told((memory, store, log): &(f64, f64, f64)) -> String {
    format!("memory {memory:.0} MB, store {store:.0} MB, log {log:.1} MB")
}
