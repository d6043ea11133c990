//! Very many writes of one kind go as a Bulk API job; refusals and faults are still told record by record.

use anyhow::Result;
use serde_json::json;
use tandem_e2e::{Setup, World};

#[tokio::test]
async fn thousands_of_rows_are_one_job_and_each_refusal_is_its_own() -> Result<()> {
    let items = ["--items", "1000"].map(str::to_owned).to_vec();
    let setup = Setup {
        plugins: vec!["inventory"],
        b1_arguments: items.clone(),
        salesforce_arguments: items,
        b1: "poll_seconds = 3600\nstock_scan_seconds = 3600".into(),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    let rule = json!({ "validations": [{ "object": "Tandem_Stock__c", "condition": "Name = 'A00500 02'", "message": "Not this one" }] });
    world.send("PUT", &format!("{}/admin/rules", world.salesforce), &rule).await?;
    // One answer is lost at each step of a job.
    world
        .salesforce_faults(json!([{ "path": "/jobs/ingest", "kind": "reset-after", "rate": 0.2, "times": 4 }]))
        .await?;
    world.up().await?;
    world.tandem(&["backfill", "inventory", "--yes"]).await?;
    let stock = world.records("Tandem_Stock__c").await?;
    let mut keys: Vec<&str> = stock.iter().filter_map(|record| record["Tandem_Key__c"].as_str()).collect();
    let all = keys.len();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), all, "no row twice");
    // A warehouse that never had an item has no record.
    let held = world.b1_records("Items").await?;
    let rows: usize = held
        .iter()
        .map(|item| {
            item["ItemWarehouseInfoCollection"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|row| row["InStock"].as_f64() > Some(0.0))
                .count()
        })
        .sum();
    assert_eq!(all, rows - 1);
    let items = world.tandem_json(&["review", "list"]).await?;
    assert_eq!(items.as_array().map(Vec::len), Some(1), "{items}");
    assert_eq!(items[0]["key"], "A00500");
    assert!(items[0]["reason"].as_str().unwrap_or_default().contains("Not this one"), "{items}");
    let calls = world.get(&format!("{}/admin/log", world.salesforce)).await?["calls"].clone();
    assert!(calls.to_string().contains("jobs"), "{calls}");
    Ok(())
}
