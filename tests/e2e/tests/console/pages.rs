//! The console in a browser, with a real host and both simulators behind it: `host/console/tests/host` says what is done there.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tandem_e2e::console::empty;
use tandem_e2e::{Setup, World, root};
use tokio::process::Command;

async fn account(world: &World, name: &str, role: &str) -> Result<String> {
    let made = world.tandem_json(&["account", "add", name, "--role", role]).await?;
    made["password"].as_str().map(str::to_owned).context("a password")
}

/// Stories of `host/console/tests/host`.
fn browser(world: &World, stories: &[&str]) -> Command {
    let config = "playwright.host.config.ts";
    let mut command = Command::new("node");
    command
        .args(["node_modules/@playwright/test/cli.js", "test", "--config", config])
        .args(stories)
        .current_dir(root().join("host/console"))
        .env("TANDEM", &world.console)
        .stdin(Stdio::null());
    command
}

async fn passed(tests: &mut Command) -> Result<()> {
    let output = tests.output().await.context("node; `make setup-tests` installs it")?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{said}");
    ensure!(output.status.success(), "the browser's tests failed");
    Ok(())
}

#[tokio::test]
async fn set_up_from_nothing_in_a_browser() -> Result<()> {
    let (world, password) = empty(&["accounts", "orders"]).await?;
    let mut tests = browser(&world, &["setup.test"]);
    let tests = tests.env("ADMIN", &password).env("B1", &world.b1);
    passed(tests.env("SALESFORCE", &world.salesforce).env("PUBSUB", &world.pubsub)).await?;
    let linked = world.records("Account").await?;
    ensure!(linked.iter().any(|own| own["Tandem_Card_Code__c"].is_string()), "customers have their codes");
    Ok(())
}

#[tokio::test]
async fn a_day_in_a_browser_with_a_real_host() -> Result<()> {
    let mut world = World::with(Setup { b1: "poll_seconds = 1".into(), ..Setup::default() }).await?;
    world.up().await?;
    for name in ["Next", "Stage", "Close", "Money", "About", "Carrier", "Status", "Delivery", "Sync", "Kind"] {
        ensure!(world.b1_user_field("ORDR", name).await?.0 == 201, "no user field {name}");
    }
    let ids = world.opportunities(2).await?;
    let (good, bad) = (&ids[0], &ids[1]);
    let account_id = world.opportunity(bad).await?["AccountId"].as_str().context("an account")?.to_owned();
    let code =
        world.until_record("Account", "it", |own| own["Id"] == account_id.as_str()).await?["Tandem_Card_Code__c"]
            .clone();
    world.change("Account", &account_id, json!({ "Tandem_Card_Code__c": "NOBODY" })).await?;
    world.win(good).await?;
    world.win(bad).await?;
    let shown = world.until_state(good, "Synced").await?;
    world.until_state(bad, "Review").await?;
    // Mended by somebody else, before the question is answered.
    world.change("Account", &account_id, json!({ "Tandem_Card_Code__c": code })).await?;
    let number = shown["Tandem_Order_Number__c"].as_str().context("a number")?;
    // Words are found once the run is packed away.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let mut tests = browser(&world, &["day", "mapping"]);
    let tests = tests
        .env("OPERATOR", account(&world, "op-desk", "operator").await?)
        .env("VIEWER", account(&world, "look-only", "viewer").await?)
        .env("ADMIN", account(&world, "boss", "admin").await?)
        .env("PLUGIN", tandem_e2e::wasm("region_mapper"))
        .env("GOOD", good)
        .env("NUMBER", number);
    passed(tests).await?;
    world.until_state(bad, "Synced").await?;
    world.assert_exactly_once(&[good.clone(), bad.clone()]).await
}
