//! A field that a system refuses is asked about, and holds up neither the rest of its record nor other records.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

const FAST: &str = "poll_seconds = 1\ntime_zone = \"Europe/Berlin\"";

async fn world(plugin: &'static str) -> Result<World> {
    let mut world = World::with(Setup { plugins: vec![plugin], b1: FAST.into(), ..Setup::default() }).await?;
    world.up().await?;
    Ok(world)
}

async fn rules(world: &World, rules: Value) -> Result<()> {
    let (status, body) = world.send("PUT", &format!("{}/admin/rules", world.salesforce), &rules).await?;
    assert!(status < 300, "{body}");
    Ok(())
}

/// The one question; waits for it.
async fn question(world: &World) -> Result<Value> {
    let look = async |world: &World| {
        let items = world.tandem_json(&["review", "list"]).await?;
        let items = items.as_array().cloned().unwrap_or_default();
        assert!(items.len() < 2, "{items:?}");
        Ok(items.into_iter().next())
    };
    world.until("a question", Duration::from_secs(30), look).await
}

async fn nothing_asked(world: &World) -> Result<()> {
    let look = async |world: &World| Ok((world.tandem_json(&["review", "list"]).await? == json!([])).then_some(()));
    world.until("the question to end", Duration::from_secs(30), look).await
}

fn assert_names(question: &Value, words: &[&str]) {
    let reason = question["reason"].as_str().unwrap_or_default();
    for word in words {
        assert!(reason.contains(word), "{word} in: {reason}");
    }
}

async fn until_partner(world: &World, code: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
    let look = async |world: &World| {
        let partners = world.b1_records("BusinessPartners").await?;
        Ok(partners.into_iter().find(|partner| partner["CardCode"] == code && holds(partner)))
    };
    world.until(&format!("the partner {code}"), Duration::from_secs(30), look).await
}

#[tokio::test]
async fn a_phone_that_a_rule_refuses_holds_up_no_new_name() -> Result<()> {
    let world = world("accounts").await?;
    world.tandem(&["backfill", "accounts", "--yes"]).await?;
    world.settled().await?;
    let rule = json!({ "object": "Account", "condition": "Phone LIKE '%x%'", "message": "A phone has digits", "field": "Phone" });
    rules(&world, json!({ "validations": [rule] })).await?;
    let change = json!({ "CardName": "Renamed Ltd", "Phone1": "+49 x1" });
    world.b1_patch("/BusinessPartners('C00005')", change).await?;
    let named = |record: &Value| record["Tandem_Card_Code__c"] == "C00005" && record["Name"] == "Renamed Ltd";
    let account = world.until_record("Account", "the new name", named).await?;
    assert_ne!(account["Phone"], "+49 x1");
    assert!(account["Tandem_Synced_At__c"].is_string(), "{account}");
    let asked = question(&world).await?;
    assert_names(&asked, &["C00005", "Phone", "+49 x1", "A phone has digits"]);
    // The refused value is no echo: the old one of the org does not come back to B1.
    world
        .change("Account", account["Id"].as_str().unwrap_or_default(), json!({ "Website": "https://c5.example" }))
        .await?;
    let there = until_partner(&world, "C00005", |partner| partner["Website"] == "https://c5.example").await?;
    assert_eq!(there["Phone1"], "+49 x1");
    // Mended in B1: both are in step, and nothing is asked any more.
    world.b1_patch("/BusinessPartners('C00005')", json!({ "Phone1": "+49 1" })).await?;
    world
        .until_record("Account", "the phone", |record| {
            record["Id"] == account["Id"] && record["Phone"] == "+49 1" && record["Tandem_Sync_State__c"] == "Synced"
        })
        .await?;
    nothing_asked(&world).await
}

#[tokio::test]
async fn a_phone_that_is_too_long_for_b1_holds_up_no_new_name() -> Result<()> {
    let world = world("accounts").await?;
    world.tandem(&["backfill", "accounts", "--yes"]).await?;
    world.settled().await?;
    let carries = |record: &Value| record["Tandem_Card_Code__c"] == "C00006";
    let account = world.until_record("Account", "C00006", carries).await?;
    let id = account["Id"].as_str().unwrap_or_default();
    let long = "+49 40 555 666 777 ext 12345";
    world.change("Account", id, json!({ "Name": "Renamed Inc", "Phone": long })).await?;
    let partner = until_partner(&world, "C00006", |partner| partner["CardName"] == "Renamed Inc").await?;
    assert_ne!(partner["Phone1"], long);
    let asked = question(&world).await?;
    assert_names(&asked, &["C00006", "Phone1", long, "too long"]);
    // What changes in B1 meanwhile arrives, though of the account B1 takes nothing; it is asked about once.
    world.b1_patch("/BusinessPartners('C00006')", json!({ "Website": "https://c6.example" })).await?;
    let arrived = |record: &Value| record["Id"] == account["Id"] && record["Website"] == "https://c6.example";
    assert_eq!(world.until_record("Account", "the site", arrived).await?["Phone"], long);
    world.settled().await?;
    question(&world).await?;
    world.change("Account", id, json!({ "Phone": "+49 40 1" })).await?;
    until_partner(&world, "C00006", |partner| partner["Phone1"] == "+49 40 1").await?;
    nothing_asked(&world).await
}

#[tokio::test]
async fn a_new_account_is_made_without_what_its_field_does_not_hold() -> Result<()> {
    let world = world("accounts").await?;
    let city = "x".repeat(60);
    let bill_to =
        |city: &str| json!([{ "AddressName": "a", "AddressType": "bo_BillTo", "City": city, "Street": "1 Way" }]);
    let contact = json!([{ "Name": "Ann Bo", "FirstName": "Ann", "LastName": "Bo", "Position": "Boss" }]);
    let rule =
        json!({ "object": "Contact", "condition": "Title = 'Boss'", "message": "Not a title", "field": "Title" });
    rules(&world, json!({ "validations": [rule] })).await?;
    let partner = json!({ "CardCode": "L1", "CardName": "Long city", "BPAddresses": bill_to(&city), "ContactEmployees": contact });
    world.b1_post("/BusinessPartners", partner).await?;
    let account = world.until_record("Account", "made", |record| record["Tandem_Card_Code__c"] == "L1").await?;
    assert_eq!((&account["BillingStreet"], &account["BillingCity"]), (&json!("1 Way"), &Value::Null));
    world.until_record("Contact", "made", |record| record["LastName"] == "Bo" && record["Title"].is_null()).await?;
    let asked = question(&world).await?;
    assert_names(&asked, &["L1", "BillingCity", "data value too large", "Ann Bo", "Title", "Not a title"]);
    // Mended: the rest is written, and the question has ended.
    rules(&world, json!({})).await?;
    world.b1_patch("/BusinessPartners('L1')", json!({ "BPAddresses": bill_to("Short") })).await?;
    world
        .until_record("Account", "mended", |record| record["Id"] == account["Id"] && record["BillingCity"] == "Short")
        .await?;
    world.until_record("Contact", "mended", |record| record["LastName"] == "Bo" && record["Title"] == "Boss").await?;
    nothing_asked(&world).await?;
    // Of an address that is there nothing is mixed with a new one.
    let moved = json!([{ "AddressName": "a", "AddressType": "bo_BillTo", "City": city, "Street": "2 Way" }]);
    world.b1_patch("/BusinessPartners('L1')", json!({ "CardName": "Moved", "BPAddresses": moved })).await?;
    let account = world.until_record("Account", "renamed", |record| record["Name"] == "Moved").await?;
    assert_eq!((&account["BillingStreet"], &account["BillingCity"]), (&json!("1 Way"), &json!("Short")));
    assert_names(&question(&world).await?, &["BillingStreet", "BillingCity"]);
    Ok(())
}

#[tokio::test]
async fn of_many_products_in_one_call_one_is_written_without_its_refused_field() -> Result<()> {
    let mut world = World::with(Setup { plugins: vec!["catalogue"], b1: FAST.into(), ..Setup::default() }).await?;
    world.up().await?;
    world.tandem(&["backfill", "catalogue", "--yes"]).await?;
    world.settled().await?;
    let rule = json!({ "object": "Product2", "condition": "QuantityUnitOfMeasure = 'Barrel'", "message": "No barrels", "field": "QuantityUnitOfMeasure" });
    rules(&world, json!({ "validations": [rule] })).await?;
    world.kill().await?;
    for code in ["A00001", "A00002", "A00003"] {
        let unit = if code == "A00002" { "Barrel" } else { "Box" };
        world
            .b1_patch(&format!("/Items('{code}')"), json!({ "ItemName": format!("New {code}"), "SalesUnit": unit }))
            .await?;
    }
    world.up().await?;
    for code in ["A00001", "A00002", "A00003"] {
        let product =
            world.until_record("Product2", code, |record| record["Name"] == format!("New {code}").as_str()).await?;
        assert_eq!(product["QuantityUnitOfMeasure"] == "Box", code != "A00002", "{product}");
    }
    let asked = question(&world).await?;
    assert_names(&asked, &["A00002", "QuantityUnitOfMeasure", "Barrel", "No barrels"]);
    world.b1_patch("/Items('A00002')", json!({ "SalesUnit": "Box" })).await?;
    world
        .until_record("Product2", "mended", |record| {
            record["Name"] == "New A00002" && record["QuantityUnitOfMeasure"] == "Box"
        })
        .await?;
    nothing_asked(&world).await
}

#[tokio::test]
async fn a_price_is_taken_whole_or_not_at_all() -> Result<()> {
    let world = world("catalogue").await?;
    world.tandem(&["backfill", "catalogue", "--yes"]).await?;
    world.settled().await?;
    let rule = json!({ "object": "PricebookEntry", "condition": "CurrencyIsoCode = 'USD' AND UnitPrice = 77", "message": "No dollars", "field": "CurrencyIsoCode" });
    rules(&world, json!({ "validations": [rule] })).await?;
    let prices = json!([{ "PriceList": 4, "Price": 77, "Currency": "USD" }]);
    world.b1_patch("/Items('A00001')", json!({ "ItemPrices": prices })).await?;
    assert_names(&question(&world).await?, &["No dollars"]);
    let entries = world.records("PricebookEntry").await?;
    assert!(entries.iter().all(|entry| entry["UnitPrice"] != 77 && entry["UnitPrice"] != 77.0), "no other currency");
    Ok(())
}
