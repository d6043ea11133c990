//! Very many writes of one kind go as a Bulk API job; refusals and faults are still told record by record.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tandem_e2e::{Setup, World, programs};
use tokio::process::Command;

/// A thousand items in two warehouses.
async fn stocked() -> Result<World> {
    let items = ["--items", "1000"].map(str::to_owned).to_vec();
    let setup = Setup {
        plugins: vec!["inventory"],
        b1_arguments: items.clone(),
        salesforce_arguments: items,
        b1: "poll_seconds = 3600\nstock_scan_seconds = 3600".into(),
        ..Setup::default()
    };
    World::with(setup).await
}

/// How each job of the org stands.
async fn jobs(world: &World) -> Result<Vec<String>> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let form = "grant_type=client_credentials&client_id=tandem&client_secret=tandem-secret";
    let signed_in = client
        .post(format!("{}/services/oauth2/token", world.salesforce))
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(form)
        .send()
        .await?;
    let signed_in: Value = serde_json::from_str(&signed_in.text().await?)?;
    let token = signed_in["access_token"].as_str().context("a token")?;
    let url = format!("{}/services/data/v64.0/jobs/ingest", world.salesforce);
    let listed: Value = serde_json::from_str(&client.get(url).bearer_auth(token).send().await?.text().await?)?;
    let states = listed["records"].as_array().into_iter().flatten();
    Ok(states.map(|job| job["state"].as_str().unwrap_or_default().to_owned()).collect())
}

/// The org queues a job, and the network goes, or the host: what the job holds is old by the time that it would run.
#[tokio::test]
async fn a_job_that_nobody_waits_for_any_more_writes_nothing() -> Result<()> {
    for is_killed in [false, true] {
        let mut world = stocked().await?;
        world.salesforce_settings(json!({ "job_delay_ms": 4_000 })).await?;
        if !is_killed {
            let away = json!([{ "path": "/jobs/ingest/750", "method": "GET", "kind": "reset-before", "times": 4 }]);
            world.salesforce_faults(away).await?;
        }
        world.up().await?;
        let mut loading = Command::new(programs().join("tandem"));
        loading.arg("--config").arg(world.folder().join("tandem.toml")).args(["backfill", "inventory", "--yes"]);
        let _loading =
            loading.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn()?;
        let queued = async |world: &World| Ok(jobs(world).await?.contains(&"UploadComplete".to_owned()).then_some(()));
        world.until("a job in the queue", Duration::from_secs(60), queued).await?;
        if is_killed {
            world.kill().await?;
            world.up().await?;
        }
        let aborted = async |world: &World| Ok(jobs(world).await?.contains(&"Aborted".to_owned()).then_some(()));
        world.until("the job to be taken back", Duration::from_secs(60), aborted).await?;
        world.salesforce_settings(json!({})).await?;
        // In another job, or in as many requests as it takes.
        let done = async |world: &World| Ok((world.records("Tandem_Stock__c").await?.len() >= 1_000).then_some(()));
        world.until("the stock", Duration::from_secs(120), done).await?;
        world.settled().await?;
        assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    }
    Ok(())
}

#[tokio::test]
async fn thousands_of_rows_are_one_job_and_each_refusal_is_its_own() -> Result<()> {
    let mut world = stocked().await?;
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
