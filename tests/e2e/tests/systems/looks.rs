//! How changes in B1 are looked for where there are very many records, and where a look fails.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

const CUSTOMERS: usize = 1_700;
const DAY_MS: u64 = 86_400_000;

async fn partners_read(world: &World) -> Result<u64> {
    Ok(world.calls(&world.b1).await?["GET /BusinessPartners"].as_u64().unwrap_or_default())
}

/// A company that was filled yesterday, all at once, is not read to find out that nothing changed; what changes all at once is told whole.
#[tokio::test]
async fn a_first_look_reads_nothing_old_and_a_mass_change_of_many_pages_is_told_whole() -> Result<()> {
    let customers = ["--customers", &CUSTOMERS.to_string(), "--orders", "0"].map(str::to_owned).to_vec();
    let setup =
        Setup { plugins: vec!["credit"], b1: "poll_seconds = 2\n".into(), b1_arguments: customers, ..Setup::default() };
    let mut world = World::with(setup).await?;
    world.send("PUT", &format!("{}/admin/clock", world.b1), &json!({ "offset_ms": DAY_MS })).await?;
    world.up().await?;
    let looked = async |world: &World| Ok((partners_read(world).await? >= 2).then_some(()));
    world.until("a first look", Duration::from_secs(20), looked).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let calls = partners_read(&world).await?;
    ensure!(calls <= 4, "{calls} reads of partners of which none changed");

    let touched = json!({ "CardCode": "STAMP", "CardName": "Stamp", "CardType": "cCustomer" });
    let touched = world.b1_post("/BusinessPartners", touched).await?;
    let mut snapshot = world.get(&format!("{}/admin/snapshot", world.b1)).await?;
    for partner in snapshot["tables"]["BusinessPartners"].as_array_mut().into_iter().flatten() {
        for stamp in ["UpdateDate", "UpdateTime"] {
            partner[stamp] = touched[stamp].clone();
        }
    }
    ensure!(world.send("PUT", &format!("{}/admin/snapshot", world.b1), &snapshot).await?.0 < 300);
    let told = async |world: &World| {
        let events = world.tandem_json(&["events", "list", "--limit", "10000"]).await?;
        let keys: BTreeSet<&str> =
            events.as_array().into_iter().flatten().filter_map(|own| own["key"].as_str()).collect();
        Ok((keys.len() > CUSTOMERS).then_some(()))
    };
    world.until("all partners to be told", Duration::from_secs(60), told).await?;
    Ok(())
}

/// The host is ready once it has looked at B1: whatever is made from then on is told, also where the first look failed.
#[tokio::test]
async fn a_first_look_that_fails_loses_no_payment() -> Result<()> {
    let setup = Setup {
        plugins: vec!["invoices"],
        b1: "poll_seconds = 8\n".into(),
        b1_arguments: ["--orders", "0"].map(str::to_owned).to_vec(),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    world
        .b1_faults(json!([{ "path": "/IncomingPayments", "method": "GET", "kind": "server-error", "times": 1 }]))
        .await?;
    world.up().await?;
    let line = json!({ "ItemCode": "A00001", "Quantity": 1, "UnitPrice": 100 });
    let invoice = world.b1_post("/Invoices", json!({ "CardCode": "C00001", "DocumentLines": [line] })).await?;
    let pay = format!("{}/admin/pay/{}", world.b1, invoice["DocEntry"]);
    ensure!(world.send("POST", &pay, &Value::Null).await?.0 == 201, "paid");
    world.until_record("Tandem_Payment__c", "what was paid", |_| true).await?;
    Ok(())
}
