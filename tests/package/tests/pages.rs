//! The components as a rep sees them: in headless Chromium, against the org of a host at work.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tandem_e2e::{ALL, Setup, World, root};
use tandem_package_tests::run;

fn id(record: &Value) -> String {
    record["Id"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn every_component_shows_what_b1_has_and_a_rep_answers_on_the_record() -> Result<()> {
    let setup = Setup {
        plugins: ALL.to_vec(),
        b1: "poll_seconds = 1\nstock_scan_seconds = 1\nprice_scan_seconds = 1".into(),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    world.up().await?;
    let mut ids = world.opportunities(4).await?;
    let (delivered, asking, open) = (ids.remove(2), ids.remove(0), ids.remove(0));
    // Ordered, delivered, invoiced.
    world.win(&delivered).await?;
    world.until_state(&delivered, "Synced").await?;
    let order = world.orders_of(&delivered).await?.remove(0);
    for action in ["deliver", "invoice"] {
        let url = format!("{}/admin/{action}/{}", world.b1, order["DocEntry"]);
        let (status, body) = world.send("POST", &url, &json!({})).await?;
        anyhow::ensure!(status < 300, "{action}: {status} {body}");
    }
    // One over its customer's limit, won; one that will be, not yet won.
    let accounts = world.records("Account").await?;
    let narrow = accounts.iter().find(|one| one["Tandem_Card_Code__c"] == "C00007").map(id).context("no C00007")?;
    for deal in [&asking, &open] {
        world.change("Opportunity", deal, json!({ "AccountId": narrow })).await?;
        let line = id(&world.lines(deal).await?[0]);
        world.change("OpportunityLineItem", &line, json!({ "Quantity": 1_000 })).await?;
    }
    world.win(&asking).await?;
    world.until_state(&asking, "Review").await?;
    world.tandem(&["backfill", "credit", "--yes"]).await?;
    world.tandem(&["backfill", "inventory", "--yes"]).await?;
    let invoiced = |row: &Value| id(row) == delivered && row["Tandem_Invoiced__c"].is_number();
    world.until_record("Opportunity", "the invoice", invoiced).await?;
    let shipped = |row: &Value| id(row) == delivered && row["Tandem_Delivery_State__c"] == "Shipped";
    world.until_record("Opportunity", "the delivery", shipped).await?;
    world.until_record("Account", "credit", |row| id(row) == narrow && row["Tandem_Headroom__c"].is_number()).await?;
    let customer = world.opportunity(&delivered).await?["AccountId"].as_str().unwrap_or_default().to_owned();
    world
        .until_record("Account", "open invoices", |row| id(row) == customer && row["Tandem_Overdue__c"].is_number())
        .await?;
    world.until_record("Tandem_Review__c", "the question", |row| row["Tandem_Record_Id__c"] == asking.as_str()).await?;
    world.until_record("Tandem_Health__c", "ready", |row| row["Tandem_State__c"] == "Ready").await?;
    let product = world.lines(&delivered).await?[0]["Product2Id"].as_str().unwrap_or_default().to_owned();
    tokio::time::sleep(Duration::from_millis(500)).await;

    // An account that may be either of two partners.
    for code in ["T1", "T2"] {
        let partner = json!({ "CardCode": code, "CardName": format!("Tax twin {code}"), "CardType": "cLid", "FederalTaxID": "ATU 12345678" });
        world.b1_post("/BusinessPartners", partner).await?;
    }
    world.until_record("Account", "both twins", |row| row["Tandem_Card_Code__c"] == "T2").await?;
    world.until_record("Account", "both twins", |row| row["Tandem_Card_Code__c"] == "T1").await?;
    let doubtful = world.create("Account", json!({ "Name": "Somebody", "Tandem_Tax_Id__c": "ATU-12345678" })).await?;
    let asked = |row: &Value| row["Tandem_Record_Id__c"] == doubtful.as_str();
    let question = id(&world.until_record("Tandem_Review__c", "who it is", asked).await?);

    let pictures = root().join("target/pictures").display().to_string();
    let environment = [
        ("SALESFORCE", world.salesforce.as_str()),
        ("PICTURES", &pictures),
        ("ACCOUNT", &customer),
        ("DOUBTFUL", &doubtful),
        ("QUESTION", &question),
        ("DELIVERED", &delivered),
        ("ASKING", &asking),
        ("OPEN", &open),
        ("PRODUCT", &product),
    ];
    let said = run("node", &["--no-deprecation", "checks/browser/pages.mjs"], &environment).await?;
    println!("{said}");
    assert_eq!(said.matches("ok - ").count(), 13, "{said}");
    world.until_state(&asking, "Synced").await?;
    let closed = |row: &Value| id(row) == question && row["Tandem_State__c"] == "Closed";
    let left = world.until_record("Tandem_Review__c", "the answer", closed).await?;
    assert_eq!(left["Tandem_Answer__c"], "ignore");
    world.assert_exactly_once(&[delivered, asking]).await
}
