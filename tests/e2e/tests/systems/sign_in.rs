//! A sign-in that is refused is an outage that needs a person: told, tried few times, and over by itself once it is mended.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

const PATIENCE: Duration = Duration::from_secs(60);

async fn ready(world: &World) -> Result<Value> {
    // Also the answer of a host that is not ready is a body to read.
    Ok(world.send("GET", &format!("{}/readyz", world.console), &Value::Null).await?.1)
}

async fn until_refused(world: &World, connection: &str) -> Result<String> {
    let look = async |world: &World| Ok(ready(world).await?["refused"][connection].as_str().map(str::to_owned));
    world.until(&format!("/readyz to name {connection}"), PATIENCE, look).await
}

async fn logins(world: &World, side: &str) -> Result<u64> {
    Ok(world.calls(side).await?["LOGIN"].as_u64().unwrap_or_default())
}

async fn reviews(world: &World) -> Result<usize> {
    Ok(world.tandem_json(&["review", "list"]).await?.as_array().map_or(0, Vec::len))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_b1_password_is_told_and_locks_nobody_out_and_work_goes_on_with_the_new_one() -> Result<()> {
    let mut world = World::new().await?;
    let ids = world.opportunities(5).await?;
    world.up().await?;
    world.b1_settings(json!({ "password": "changed" })).await?;
    let before = logins(&world, &world.b1).await?;
    for id in &ids {
        world.win(id).await?;
    }
    let why = until_refused(&world, "erp").await?;
    assert!(why.contains("-304"), "{why}");
    let health = |own: &Value| {
        let message = own["Tandem_Message__c"].as_str().unwrap_or_default();
        own["Tandem_State__c"] == "Not ready" && message.contains("connection erp: the sign-in is refused")
    };
    world.until_record("Tandem_Health__c", "names the refused connection", health).await?;
    assert_eq!(logins(&world, &world.b1).await? - before, 1, "a wrong password is not repeated");
    assert_eq!(reviews(&world).await?, 0, "no record is to blame");
    std::fs::write(world.folder().join("b1.password"), "changed\n")?;
    world.until_all_told(&ids, PATIENCE).await?;
    world.ready(PATIENCE).await?;
    assert_eq!(reviews(&world).await?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_of_b1_that_is_down_and_a_frozen_user_are_waited_for() -> Result<()> {
    let mut world = World::new().await?;
    let ids = world.opportunities(3).await?;
    world.up().await?;
    world.b1_settings(json!({ "sign_in_refused": true })).await?;
    world.salesforce_settings(json!({ "sign_in_refused": true })).await?;
    let before = logins(&world, &world.salesforce).await?;
    for id in &ids {
        world.win(id).await?;
    }
    let why = until_refused(&world, "crm").await?;
    assert!(why.contains("user is frozen"), "{why}");
    assert!(logins(&world, &world.salesforce).await? - before <= 2, "tried few times");
    world.salesforce_settings(json!({})).await?;
    until_refused(&world, "erp").await?;
    world.b1_settings(json!({})).await?;
    world.until_all_told(&ids, PATIENCE).await?;
    world.ready(PATIENCE).await?;
    assert_eq!(reviews(&world).await?, 0, "no record is to blame");
    Ok(())
}

/// Lines of the host's log of a level, by words of theirs.
fn lines(world: &World, words: &str, level: &str) -> Vec<Value> {
    let log = world.log();
    let told = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    told.filter(|line| line["level"] == level && line["message"].to_string().contains(words)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_cannot_be_opened_is_one_line_of_the_log_however_often_it_is_tried() -> Result<()> {
    let mut world = World::new().await?;
    std::fs::write(world.folder().join("salesforce.secret"), "wrong")?;
    world.start()?;
    let begun = async |world: &World| Ok(lines(world, "subscription broken", "WARN").pop());
    world.until("its beginning to be told", PATIENCE, begun).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    std::fs::write(world.folder().join("salesforce.secret"), "tandem-secret")?;
    world.ready(PATIENCE).await?;
    let broken = lines(&world, "subscription broken", "WARN");
    let streams: BTreeSet<String> = broken.iter().map(|line| line["topic"].to_string()).collect();
    assert_eq!(broken.len(), streams.len(), "{broken:?}");
    let subscribed = lines(&world, "subscribed", "INFO");
    let failed = subscribed.iter().filter_map(|line| line["failed_before"].as_u64()).max();
    assert!(failed.is_some_and(|failed| failed > 2), "{subscribed:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_sign_in_is_one_line_of_the_log_for_all_watches_and_one_when_it_is_over() -> Result<()> {
    // Many watches, looked at often.
    let b1 = "poll_seconds = 1\nstock_scan_seconds = 1\nprice_scan_seconds = 1\n".to_owned();
    let plugins = tandem_e2e::ALL.to_vec();
    let flows = vec![("accounts", "settings = { series = 11 }")];
    let mut world = World::with(Setup { b1, plugins, flows, ..Setup::default() }).await?;
    world.up().await?;
    world.b1_settings(json!({ "password": "changed" })).await?;
    until_refused(&world, "erp").await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let begun = lines(&world, "cannot look for changes", "WARN");
    assert_eq!(begun.len(), 1, "{begun:?}");
    assert!(begun[0]["error"].to_string().contains("the sign-in was refused"), "{begun:?}");
    std::fs::write(world.folder().join("b1.password"), "changed\n")?;
    world.ready(PATIENCE).await?;
    let over = async |world: &World| Ok(lines(world, "are looked for again", "INFO").pop());
    let over = world.until("its end to be told", PATIENCE, over).await?;
    assert!(over["looks"].as_u64().is_some_and(|looks| looks > 5), "{over}");
    assert_eq!(lines(&world, "cannot look for changes", "WARN").len(), 1);
    Ok(())
}
