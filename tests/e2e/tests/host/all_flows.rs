//! All seven flows at once: with every kind of fault on both sides and the host killed in between, each record ends once
//! and in step. `TANDEM_SEED` replays a failure's timing as far as the machine allows.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tandem_e2e::in_step::{by, entries, in_step, text};
use tandem_e2e::{ALL, Setup, World};

/// How often the host is killed, unless a long run is asked for.
const KILLS: u64 = 6;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_flows_survive_faults_and_kills() -> Result<()> {
    let seed = number("TANDEM_SEED", fastrand::u64(1..1_000_000));
    println!("TANDEM_SEED={seed}");
    let mut chance = fastrand::Rng::with_seed(seed);
    let setup = Setup {
        seed,
        plugins: ALL.to_vec(),
        flows: vec![("accounts", "settings = { series = 11 }")],
        b1: "poll_seconds = 1\nstock_scan_seconds = 1\nprice_scan_seconds = 1\ntime_zone = \"Europe/Berlin\"".into(),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    world.up().await?;
    for flow in ["accounts", "catalogue"] {
        world.tandem(&["backfill", flow, "--yes"]).await?;
    }
    let accounts = by(&world, "Account", "Tandem_Card_Code__c").await?;
    let before = (world.records("Account").await?.len(), world.b1_records("BusinessPartners").await?.len());
    let kills = number("TANDEM_SOAK_KILLS", KILLS);
    let ids = world.opportunities(kills as usize * 4).await?;
    world.strike(0.02).await?;
    let mut phones: BTreeMap<String, String> = BTreeMap::new();
    for (round, won) in ids.chunks(4).enumerate() {
        for id in won {
            world.win(id).await?;
        }
        // Always from the same side.
        let code = format!("C{:05}", 20 + round % 30);
        let phone = format!("+49 {round}");
        if round % 2 == 0 {
            world.change("Account", text(&accounts[&code], "Id"), json!({ "Phone": phone })).await?;
        } else {
            world.b1_patch(&format!("/BusinessPartners('{code}')"), json!({ "Phone1": phone })).await?;
        }
        phones.insert(code, phone);
        world
            .b1_patch(&format!("/Items('A{:05}')", round % 250 + 1), json!({ "ItemName": format!("Renamed {round}") }))
            .await?;
        // A price list's price, which does not touch the item's stamp, and now and then a customer's own.
        let price = json!({ "PriceList": 2, "Price": 100 + round, "Currency": "EUR" });
        world.b1_patch(&format!("/Items('A{:05}')", round % 240 + 10), json!({ "ItemPrices": [price] })).await?;
        if round % 3 == 0 {
            let item = format!("A{:05}", round / 3 % 250 + 1);
            let special = json!({ "CardCode": "C00001", "ItemCode": item, "Price": 50 + round, "Currency": "EUR" });
            // Another round of a long run may have made it.
            let _ = world.b1_call("POST", "/SpecialPrices", special).await;
        }
        for entry in entries(&world, "Orders").await?.into_iter().rev().take(2) {
            for action in ["deliver", "invoice"] {
                world.send("POST", &format!("{}/admin/{action}/{entry}", world.b1), &json!({})).await?;
            }
        }
        if let Some(invoice) = entries(&world, "Invoices").await?.last() {
            // Now and then it is not paid but cancelled, and now and then refused, as the last one was a cancellation.
            let (cancel, pay) = (format!("/Invoices({invoice})/Cancel"), format!("{}/admin/pay/{invoice}", world.b1));
            if round % 3 == 2 {
                let _ = world.b1_call("POST", &cancel, Value::Null).await;
            } else {
                world.send("POST", &pay, &json!({})).await?;
            }
        }
        tokio::time::sleep(Duration::from_millis(chance.u64(200..1_500))).await;
        world.kill().await?;
        world.start()?;
    }
    world.b1_faults(json!([])).await?;
    world.salesforce_faults(json!([])).await?;
    world.ready(Duration::from_secs(60)).await?;
    world.until_all_told(&ids, Duration::from_secs(600)).await?;
    // The polls look once more at everything.
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.settled().await?;
    world.assert_exactly_once(&ids).await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]), "faults send nothing to review");
    println!("{kills} kills, {} opportunities", ids.len());
    let after = (world.records("Account").await?.len(), world.b1_records("BusinessPartners").await?.len());
    assert_eq!(before, after, "no customer is made twice");
    in_step(&world, &phones).await
}

#[tokio::test]
async fn a_run_taken_up_after_a_crash_does_not_overwrite_what_is_newer() -> Result<()> {
    let setup = Setup {
        plugins: vec!["inventory"],
        flows: vec![("inventory", "settings = { per_warehouse = false, opportunity_lines = false }")],
        // One look at each start, and none that would mend it later.
        b1: "poll_seconds = 3600\nstock_scan_seconds = 3600".into(),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    world.up().await?;
    world.tandem(&["backfill", "inventory", "--yes"]).await?;
    world.kill().await?;
    // Old enough at the next look not to be looked at twice: the second one is newer.
    let ordered = async |world: &World, item: &str| {
        let line = json!({ "ItemCode": item, "Quantity": 5, "UnitPrice": 1 });
        let order = json!({ "CardCode": "C00001", "DocDueDate": "2027-01-31", "DocumentLines": [line] });
        world.b1_post("/Orders", order).await
    };
    ordered(&world, "A00009").await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    ordered(&world, "A00010").await?;
    // The first run's write is slow: before the crash, and when it is taken up.
    let slow = json!([{ "path": "/composite/sobjects", "kind": { "latency": 6000 }, "times": 2 }]);
    world.salesforce_faults(slow).await?;
    world.start()?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.kill().await?;
    // Told at the next start, under a key of its own: no older event holds it back.
    ordered(&world, "A00009").await?;
    world.up().await?;
    tokio::time::sleep(Duration::from_secs(9)).await;
    world.settled().await?;
    let product = |record: &Value| record["ProductCode"] == "A00009";
    let shown = world.records("Product2").await?.into_iter().find(product).expect("the product");
    assert_eq!(shown["Tandem_Committed__c"].as_f64(), Some(10.0), "{shown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_follows_shares_calls_and_won_opportunities_do_not_wait_for_it() -> Result<()> {
    const ROUNDS: usize = 20;
    let setup = Setup {
        plugins: ALL.to_vec(),
        b1: "poll_seconds = 1\nstock_scan_seconds = 1\nprice_scan_seconds = 3600\ntime_zone = \"Europe/Berlin\"".into(),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    world.up().await?;
    for flow in ["accounts", "catalogue", "inventory", "credit"] {
        world.tandem(&["backfill", flow, "--yes"]).await?;
    }
    world.settled().await?;
    let ids = world.opportunities(ROUNDS).await?;
    let accounts = world.records("Account").await?;
    let items = world.b1_records("Items").await?;
    let before = (world.calls(&world.salesforce).await?, world.asked(&world.salesforce).await?);
    for (n, id) in ids.iter().enumerate() {
        let account = &accounts[n];
        world.win(id).await?;
        world
            .b1_patch(&format!("/Items('{}')", text(&items[n], "ItemCode")), json!({ "ItemName": format!("Item {n}") }))
            .await?;
        world.change("Account", text(account, "Id"), json!({ "Phone": format!("+49 40 {n}") })).await?;
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    world.until_all_told(&ids, Duration::from_secs(60)).await?;
    let last = format!("Item {}", ROUNDS - 1);
    world.until_record("Product2", "the last item's name", |record| record["Name"] == last.as_str()).await?;
    world.settled().await?;
    world.assert_exactly_once(&ids).await?;
    let products = by(&world, "Product2", "ProductCode").await?;
    for (n, item) in items.iter().enumerate().take(ROUNDS) {
        let product = products.get(text(item, "ItemCode"));
        ensure!(product.is_some_and(|product| product["Name"] == format!("Item {n}").as_str()), "{item} {product:?}");
    }
    let after = (world.calls(&world.salesforce).await?, world.asked(&world.salesforce).await?);
    let calls =
        |calls: &Value| calls.as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum::<u64>();
    let asked = |asked: &BTreeMap<String, u64>| asked.values().sum::<u64>();
    let (calls, asked) = (calls(&after.0) - calls(&before.0), asked(&after.1) - asked(&before.1));
    println!("{calls} calls for {asked} requests of {} changes", 3 * ROUNDS);
    // Two of each order are its own; a machine that is slow gathers more of the rest, not less.
    ensure!(calls < 3 * ROUNDS as u64, "{calls} calls for {asked} requests:\n{:?}\n{:?}", before.0, after.0);
    ensure!(asked > calls + ROUNDS as u64 / 2, "what follows was asked for in shared calls: {calls} for {asked}");
    Ok(())
}

/// Two flows' calls wait for each other and go out together; the host is killed while they wait, while they are under way, or after.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_shares_a_call_is_in_step_after_a_kill_at_any_moment() -> Result<()> {
    let setup = Setup {
        plugins: vec!["accounts", "catalogue", "inventory"],
        flows: vec![("accounts", "settings = { series = 11 }")],
        b1: "poll_seconds = 1\nstock_scan_seconds = 1\nprice_scan_seconds = 3600\ntime_zone = \"Europe/Berlin\"".into(),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    world.up().await?;
    for flow in ["accounts", "catalogue", "inventory"] {
        world.tandem(&["backfill", flow, "--yes"]).await?;
    }
    world.settled().await?;
    // Each way that a host knows of losing an answer to all of a shared request, and of being slow with one.
    world
        .salesforce_faults(json!([
            { "path": "/composite", "method": "POST", "kind": { "latency": 700 } },
            { "path": "/composite", "method": "POST", "kind": "reset-after", "rate": 0.3 },
            { "path": "/composite", "method": "POST", "kind": "truncate", "rate": 0.2 },
        ]))
        .await?;
    let mut last = BTreeMap::new();
    for round in 0..8 {
        for n in 0..3 {
            let code = format!("C{:05}", 20 + n);
            let (phone, name) = (format!("+49 40 {round}{n}"), format!("Item {round}.{n}"));
            world.b1_patch(&format!("/BusinessPartners('{code}')"), json!({ "Phone1": phone })).await?;
            world.b1_patch(&format!("/Items('A{:05}')", n + 1), json!({ "ItemName": name })).await?;
            last.insert(code, phone);
            last.insert(format!("A{:05}", n + 1), name);
        }
        // Within the second in which the poll finds it, that in which its events gather, and that in which calls wait and go.
        tokio::time::sleep(Duration::from_millis(1_200 + 250 * round)).await;
        world.kill().await?;
        world.start()?;
    }
    world.salesforce_faults(json!([])).await?;
    world.ready(Duration::from_secs(60)).await?;
    for (object, key, field) in
        [("Account", "Tandem_Card_Code__c", "Phone"), ("Product2", "Tandem_Item_Code__c", "Name")]
    {
        for n in 0..3 {
            let code = if object == "Account" { format!("C{:05}", 20 + n) } else { format!("A{:05}", n + 1) };
            let there = |record: &Value| record[key] == code.as_str() && record[field] == last[&code].as_str();
            world.until_record(object, &code, there).await?;
        }
    }
    world.settled().await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]), "nothing is sent to review");
    let accounts = by(&world, "Account", "Tandem_Card_Code__c").await?;
    let products = by(&world, "Product2", "Tandem_Item_Code__c").await?;
    for (code, value) in &last {
        let shown = accounts.get(code).map(|a| text(a, "Phone")).or(products.get(code).map(|p| text(p, "Name")));
        assert_eq!(shown, Some(value.as_str()), "{code}: nothing older comes after it");
    }
    let log = world.get(&format!("{}/admin/log", world.salesforce)).await?;
    ensure!(log["subrequests"].as_object().is_some_and(|kinds| !kinds.is_empty()), "calls were shared: {log}");
    Ok(())
}
