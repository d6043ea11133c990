//! What was built against a published version of the contract loads for ever: the very files of then, kept as they were built.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use tandem_e2e::{Setup, World, root};

/// The file of contract 0.2.0 and its SHA-256: never built anew.
const SECOND: (&str, &str) = ("region-mapper", "e85fc91baa24f46401793e713317df9507e846a6e175c08647a956a2db8f7e73");

/// The files of contract 0.1.0 and their SHA-256: never built anew.
const FIRST: [(&str, &str); 3] = [
    ("hostile", "4ed7a12f8cb3ea6000b3720251de4499dd95a7f3ca99ce224d1f4da47c23e0c4"),
    ("orders", "132877d15cf13e0b8a0e740f06b8e27d0b0457aa4547bb371bd2923442b59ff0"),
    ("region-mapper", "5da16f37c1559095b352eaad83ab20ca7a28d248c69b28aec1fe73f8e2cc09f3"),
];

/// A file as it was built then.
fn kept(version: &str, (name, digest): (&str, &str)) -> Result<Vec<u8>> {
    let code = std::fs::read(root().join(format!("tests/e2e/fixtures/contract-{version}/{name}.wasm")))?;
    let found = ring::digest::digest(&ring::digest::SHA256, &code);
    let found: String = found.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(found, digest, "{name} is not the file of then");
    Ok(code)
}

#[tokio::test]
async fn a_mapping_plugin_built_against_contract_0_2_0_reads_and_sets_what_it_says() -> Result<()> {
    let flow = "mapper = \"mappers/region-mapper.wasm\"".into();
    let mut world = World::with(Setup { flow, ..Setup::default() }).await?;
    std::fs::create_dir(world.folder().join("mappers"))?;
    std::fs::write(world.folder().join("mappers/region-mapper.wasm"), kept("0.2.0", SECOND)?)?;
    world.tandem(&["plugin", "grant", "region-mapper", "--yes"]).await?;
    world.b1_user_field("ORDR", "Region").await?;
    world.up().await?;
    let ids = world.opportunities(5).await?;
    let accounts = world.records("Account").await?;
    for id in &ids {
        world.win(id).await?;
    }
    for id in &ids {
        world.until_state(id, "Synced").await?;
        let account = world.opportunity(id).await?["AccountId"].clone();
        let account = accounts.iter().find(|own| own["Id"] == account).context("account")?;
        let region = match account["BillingPostalCode"].as_str().and_then(|code| code.bytes().next()) {
            Some(b'0'..=b'3') => "North",
            Some(b'4'..=b'6') => "West",
            Some(b'7'..=b'9') => "South",
            _ => "Abroad",
        };
        assert_eq!(world.orders_of(id).await?.remove(0)["U_Region"], region, "no [read] names the postal code");
    }
    let told = world.tandem_json(&["explain", &ids[0], "U_Region"]).await?.to_string();
    assert!(told.contains("set by the mapping plugin region-mapper 0.1.0"), "{told}");
    Ok(())
}

#[tokio::test]
async fn plugins_built_against_contract_0_1_0_make_orders_and_are_fenced_in_as_ever() -> Result<()> {
    let more = "[flows.hostile]\nplugin = \"hostile\"\nconnections = { b1 = \"erp\", s = \"crm\" }\n".into();
    let mut world = World::with(Setup { plugins: Vec::new(), more, ..Setup::default() }).await?;
    let config = world.folder().join("tandem.toml");
    let orders = "[flows.orders]\nplugin = \"orders\"\nconnections = { b1 = \"erp\", salesforce = \"crm\" }\n\
                  mapper = \"mappers/region-mapper.wasm\"\n";
    std::fs::write(&config, format!("{}\n{orders}", std::fs::read_to_string(&config)?))?;
    std::fs::create_dir(world.folder().join("mappers"))?;
    for (name, digest) in FIRST {
        let code = kept("0.1.0", (name, digest))?;
        let folder = if name.ends_with("mapper") { "mappers" } else { "plugins" };
        std::fs::write(world.folder().join(folder).join(format!("{name}.wasm")), code)?;
        world.tandem(&["plugin", "grant", name, "--yes"]).await?;
    }
    // The plugin of then reads it; whether an org secures it is not documented, and who runs that plugin there gives it.
    world.grant(&["OpportunityLineItem.ProductCode"]).await?;
    world.up().await?;
    world.b1_user_field("ORDR", "Region").await?;
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    let order = world.orders_of(&id).await?.remove(0);
    assert!(order["U_Region"].is_string(), "the mapping plugin had its say: {order}");
    world.assert_exactly_once(&[id]).await?;
    let loops =
        json!({ "Record_Id__c": "006CONTRACT0000001", "Object__c": "Opportunity", "Event_Id__c": "c1", "do": "trap" });
    assert_eq!(world.webhook(&loops).await?, 202);
    let asked = async |world: &World| {
        let list = ["events", "list", "--flow", "hostile", "--state", "review"];
        Ok(world.tandem_json(&list).await?[0]["reason"].as_str().map(str::to_owned))
    };
    let why = world.until("its event in review", Duration::from_secs(30), asked).await?;
    assert!(why.contains("trapped"), "{why}");
    Ok(())
}
