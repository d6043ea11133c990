//! An org whose package carries a namespace: all flows work as in any other, by one line of the configuration.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tandem_e2e::{ALL, Setup, World};

fn setup(namespace: &str) -> Setup {
    Setup {
        plugins: ALL.to_vec(),
        b1: "poll_seconds = 1\nstock_scan_seconds = 1\nprice_scan_seconds = 1\ntime_zone = \"Europe/Berlin\"".into(),
        salesforce: format!(
            "client_secret = {{ file = \"salesforce.secret\" }}\nwebhook_key = {{ file = \"webhook.key\" }}\nnamespace = \"{namespace}\"\n"
        ),
        salesforce_arguments: ["--namespace", "tndm"].map(str::to_owned).to_vec(),
        ..Setup::default()
    }
}

#[tokio::test]
async fn every_flow_works_where_the_package_carries_a_namespace() -> Result<()> {
    let mut world = World::with(setup("tndm")).await?;
    world.up().await?;
    for flow in ["accounts", "catalogue", "inventory", "credit"] {
        world.tandem(&["backfill", flow, "--yes"]).await?;
    }
    world.settled().await?;
    let ids = world.opportunities(2).await?;
    for id in &ids {
        world.win(id).await?;
    }
    world.until_all_told(&ids, Duration::from_secs(60)).await?;
    let order = world.orders_of(&ids[0]).await?.remove(0);
    for action in ["deliver", "invoice"] {
        world.send("POST", &format!("{}/admin/{action}/{}", world.b1, order["DocEntry"]), &json!({})).await?;
    }
    let invoice = world
        .until_record("Tandem_Invoice__c", "the invoice", |own| own["Tandem_Opportunity__c"] == ids[0].as_str())
        .await?;
    assert_eq!(invoice["Tandem_Total__c"].as_f64(), order["DocTotal"].as_f64());
    let shipped =
        |own: &serde_json::Value| own["Id"] == ids[0].as_str() && own["Tandem_Delivery_State__c"] == "Shipped";
    world.until_record("Opportunity", "shipped", shipped).await?;
    world
        .until_record("Tandem_Delivery__c", "its delivery", |own| own["Tandem_Opportunity__c"] == ids[0].as_str())
        .await?;
    world.until_record("Account", "credit", |own| own["Tandem_Balance__c"].is_number()).await?;
    world.until_record("Tandem_Stock__c", "stock", |own| own["Tandem_In_Stock__c"].is_number()).await?;
    world.until_record("Tandem_Health__c", "the host is well", |own| own["Tandem_State__c"] == "Ready").await?;
    // A question is asked and answered in the org.
    let account = world.opportunity(&ids[1]).await?["AccountId"].as_str().unwrap_or_default().to_owned();
    world.change("Opportunity", &ids[1], json!({ "StageName": "Prospecting", "AccountId": account })).await?;
    world.settled().await?;
    world.assert_exactly_once(&ids).await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

#[tokio::test]
async fn check_says_which_namespace_the_package_carries() -> Result<()> {
    let world = World::with(setup("")).await?;
    let (code, said, _) = world.tandem_raw(&["check"]).await?;
    assert!(code != 0 && said.contains("set namespace = \"tndm\""), "{said}");
    let none = Setup { salesforce_arguments: Vec::new(), ..setup("tndm") };
    let world = World::with(none).await?;
    let (code, said, _) = world.tandem_raw(&["check"]).await?;
    assert!(code != 0 && said.contains("does the package carry the namespace"), "{said}");
    let world = World::with(setup("tndm")).await?;
    let (code, said, _) = world.tandem_raw(&["check"]).await?;
    assert_eq!(code, 0, "{said}");
    Ok(())
}
