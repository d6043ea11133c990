//! What is the same record, and what is not: codes that differ in capitals only, ids of 15 letters, lists of many ids.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

fn reviews(events: &Value) -> Vec<&str> {
    events.as_array().into_iter().flatten().filter_map(|event| event["reason"].as_str()).collect()
}

async fn held(world: &World) -> Result<Value> {
    world.tandem_json(&["events", "list", "--state", "review"]).await
}

#[tokio::test]
async fn items_whose_codes_differ_in_capitals_only_never_share_a_product() -> Result<()> {
    let setup = Setup { plugins: vec!["catalogue"], b1: "poll_seconds = 1".into(), ..Setup::default() };
    let mut world = World::with(setup).await?;
    for (code, price) in [("PUMP-x1", 10), ("PUMP-X1", 99)] {
        let item = json!({ "ItemCode": code, "ItemName": code, "SalesItem": "tYES", "ItemPrices": [{ "PriceList": 1, "Price": price, "Currency": "EUR" }] });
        world.b1_post("/Items", item).await?;
    }
    world.up().await?;
    world.tandem(&["backfill", "catalogue", "--yes"]).await?;
    world.settled().await?;
    let product =
        |record: &&Value| record["Tandem_Item_Code__c"].as_str().is_some_and(|c| c.eq_ignore_ascii_case("pump-x1"));
    let products = world.records("Product2").await?;
    let products: Vec<&Value> = products.iter().filter(product).collect();
    assert_eq!(products.len(), 1, "{products:?}");
    let (code, price) = if products[0]["Tandem_Item_Code__c"] == "PUMP-x1" { ("PUMP-x1", 10) } else { ("PUMP-X1", 99) };
    assert_eq!(products[0]["Name"], code);
    let entries = world.records("PricebookEntry").await?;
    let of_product = |entry: &&Value| entry["Product2Id"] == products[0]["Id"];
    assert!(entries.iter().filter(of_product).all(|entry| entry["UnitPrice"] == price), "{entries:?}");
    let questions = held(&world).await?;
    let questions = reviews(&questions);
    assert!(
        questions.len() == 1 && questions[0].contains("PUMP-x1") && questions[0].contains("PUMP-X1"),
        "{questions:?}"
    );

    // The other one's later change leaves the product as it is, too.
    let other = if code == "PUMP-x1" { "PUMP-X1" } else { "PUMP-x1" };
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    world.b1_patch(&format!("/Items('{other}')"), json!({ "ItemName": "another thing" })).await?;
    world.b1_patch("/Items('A00001')", json!({ "ItemName": "looked at since" })).await?;
    world.until_record("Product2", "the newest look", |record| record["Name"] == "looked at since").await?;
    world.settled().await?;
    assert!(!world.records("Product2").await?.iter().any(|record| record["Name"] == "another thing"));
    Ok(())
}

#[tokio::test]
async fn partners_whose_codes_differ_in_capitals_only_never_share_an_account() -> Result<()> {
    let setup = Setup { plugins: vec!["accounts"], b1: "poll_seconds = 1".into(), ..Setup::default() };
    let mut world = World::with(setup).await?;
    for (code, name) in [("kn-a", "Kleine Nord GmbH"), ("KN-A", "Andere Firma AG")] {
        world
            .b1_post("/BusinessPartners", json!({ "CardCode": code, "CardName": name, "CardType": "cCustomer" }))
            .await?;
    }
    world.up().await?;
    world.tandem(&["backfill", "accounts", "--yes"]).await?;
    world.settled().await?;
    let accounts = world.records("Account").await?;
    let own = |record: &&Value| record["Tandem_Card_Code__c"].as_str().is_some_and(|c| c.eq_ignore_ascii_case("kn-a"));
    let own: Vec<&Value> = accounts.iter().filter(own).collect();
    assert_eq!(own.len(), 1, "{own:?}");
    let right = if own[0]["Tandem_Card_Code__c"] == "kn-a" { "Kleine Nord GmbH" } else { "Andere Firma AG" };
    assert_eq!(own[0]["Name"], right);
    let questions = held(&world).await?;
    let questions: Vec<&str> = reviews(&questions).into_iter().filter(|reason| reason.contains("kn-a")).collect();
    assert!(questions.len() == 1 && questions[0].contains("KN-A"), "{questions:?}");
    Ok(())
}

#[tokio::test]
async fn an_item_code_that_a_person_spelt_in_other_capitals_is_the_items_own() -> Result<()> {
    let setup = Setup { plugins: vec!["catalogue"], b1: "poll_seconds = 1".into(), ..Setup::default() };
    let mut world = World::with(setup).await?;
    world.b1_post("/Items", json!({ "ItemCode": "Valve-7", "ItemName": "Valve", "SalesItem": "tYES" })).await?;
    let id = world.create("Product2", json!({ "Name": "V", "Tandem_Item_Code__c": "VALVE-7" })).await?;
    world.up().await?;
    world.tandem(&["backfill", "catalogue", "--yes"]).await?;
    let linked = |record: &Value| record["Id"] == id.as_str() && record["Name"] == "Valve";
    let product = world.until_record("Product2", "the item's", linked).await?;
    assert_eq!(product["Tandem_Item_Code__c"], "Valve-7");
    Ok(())
}

#[tokio::test]
async fn a_batch_of_any_size_is_read_in_queries_that_fit() -> Result<()> {
    let setup = Setup { flow: "batch = 2000".into(), opportunities: 900, ..Setup::default() };
    let mut world = World::with(setup).await?;
    // Told at once: one batch.
    world.up().await?;
    let ids: Vec<String> = world
        .records("Opportunity")
        .await?
        .iter()
        .filter(|record| record["IsClosed"] != true)
        .filter_map(|record| record["Id"].as_str().map(str::to_owned))
        .collect();
    world.kill().await?;
    for id in &ids {
        world.win(id).await?;
    }
    world.up().await?;
    world.until_all_told(&ids, Duration::from_secs(120)).await?;
    world.assert_exactly_once(&ids).await
}
