//! The protocol's own clients, in two languages and of several versions, against the host's tools. What each looks at stands in its own file beside this folder.

use anyhow::{Context, Result};
use serde_json::Value;
use tandem_conformance::{node, python_of};
use tandem_e2e::console::with_admin;
use tandem_e2e::mcp::Mcp;
use tandem_e2e::{ALL, Setup, World, programs};

async fn asked() -> Result<(World, Vec<(&'static str, String)>)> {
    let more = "[agents]\nmcp = true\ncalls_a_minute = 1000\n".into();
    let (world, admin) = with_admin(Setup { plugins: ALL.into(), more, ..Setup::default() }).await?;
    let mcp = Mcp::new(&world, &admin, "conformance", "reviewer", Value::Null).await?;
    let items = world.b1_records("Items").await?;
    let item = items.iter().find(|item| item["InventoryItem"] != "tNO").and_then(|item| item["ItemCode"].as_str());
    let environment = vec![
        ("MCP", format!("{}/mcp", world.console)),
        ("TOKEN", mcp.token),
        ("ITEM", item.context("an item")?.to_owned()),
        ("OPPORTUNITY", world.opportunities(1).await?.remove(0)),
        ("TANDEM", programs().join("tandem").display().to_string()),
        ("CONFIG", world.folder().join("tandem.toml").display().to_string()),
    ];
    Ok((world, environment))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_client_finds_and_calls_tools() -> Result<()> {
    let (_world, environment) = asked().await?;
    let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    python_of("mcp", "test_mcp.py", &environment).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_typescript_client_finds_and_calls_tools() -> Result<()> {
    let (_world, environment) = asked().await?;
    let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    node("mcp.mjs", &environment).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_protocols_public_suite_finds_nothing_wrong() -> Result<()> {
    let (_world, environment) = asked().await?;
    let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    node("mcp-suite.mjs", &environment).await
}
