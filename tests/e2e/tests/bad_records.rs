//! Records that are not as they should be: nothing is lost, nothing is made up, and what needs a human says so.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

const FAST: &str = "poll_seconds = 1\nstock_scan_seconds = 1\nprice_scan_seconds = 1\ntime_zone = \"Europe/Berlin\"";

async fn world(plugins: &[&'static str], flows: Vec<(&'static str, &'static str)>) -> Result<World> {
    let setup = Setup { plugins: plugins.to_vec(), flows, b1: FAST.into(), ..Setup::default() };
    let mut world = World::with(setup).await?;
    world.up().await?;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    Ok(world)
}

async fn questions(world: &World, count: usize) -> Result<Vec<Value>> {
    let look = async |world: &World| {
        let items = world.tandem_json(&["review", "list"]).await?;
        let items = items.as_array().cloned().unwrap_or_default();
        Ok((items.len() >= count).then_some(items))
    };
    world.until(&format!("{count} questions"), Duration::from_secs(30), look).await
}

fn reason(item: &Value) -> &str {
    item["reason"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn of_two_hundred_records_three_are_refused_and_the_others_go_through() -> Result<()> {
    let mut world = World::with(Setup { plugins: vec!["catalogue"], ..Setup::default() }).await?;
    let refused = ["A00010", "A00020", "A00030"];
    let condition = format!("ProductCode IN ('{}')", refused.join("','"));
    let rule = json!({ "validations": [{ "object": "Product2", "condition": condition, "message": "Ask the product manager first", "field": "Name" }] });
    let (status, body) = world.send("PUT", &format!("{}/admin/rules", world.salesforce), &rule).await?;
    assert!(status < 300, "{body}");
    world.up().await?;
    world.tandem(&["backfill", "catalogue", "--yes"]).await?;
    let items = questions(&world, 3).await?;
    assert_eq!(items.len(), 3, "{items:?}");
    for item in &items {
        assert!(refused.contains(&item["key"].as_str().unwrap_or_default()));
        assert!(reason(item).contains("Ask the product manager first"), "Salesforce's own words: {item}");
    }
    let told =
        world.records("Product2").await?.iter().filter(|record| record["Tandem_Item_Code__c"].is_string()).count();
    assert_eq!(told, 297);
    // The rule is mended: the same records, again.
    world.send("PUT", &format!("{}/admin/rules", world.salesforce), &json!({})).await?;
    let ids: Vec<String> = items.iter().map(|item| item["id"].to_string()).collect();
    let mut command = vec!["review", "resolve", "--choose", "retry"];
    command.extend(ids.iter().map(String::as_str));
    world.tandem(&command).await?;
    world.settled().await?;
    let told =
        world.records("Product2").await?.iter().filter(|record| record["Tandem_Item_Code__c"].is_string()).count();
    assert_eq!(told, 300);
    Ok(())
}

#[tokio::test]
async fn a_locked_record_is_written_when_the_lock_is_gone() -> Result<()> {
    let world = world(&["accounts"], Vec::new()).await?;
    world.tandem(&["backfill", "accounts", "--yes"]).await?;
    let account = world.until_record("Account", "C00005", |record| record["Tandem_Card_Code__c"] == "C00005").await?;
    world.send("PUT", &format!("{}/admin/rules", world.salesforce), &json!({ "locked": [account["Id"]] })).await?;
    world.b1_patch("/BusinessPartners('C00005')", json!({ "Phone1": "+1 locked" })).await?;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]), "a lock passes");
    world.send("PUT", &format!("{}/admin/rules", world.salesforce), &json!({})).await?;
    world
        .until_record("Account", "the phone", |record| record["Id"] == account["Id"] && record["Phone"] == "+1 locked")
        .await?;
    Ok(())
}

#[tokio::test]
async fn partners_with_faults_are_asked_about_and_their_neighbours_go_through() -> Result<()> {
    let world = world(&["accounts"], Vec::new()).await?;
    let contact = |name: &str, last: Value| json!([{ "Name": name, "FirstName": "", "LastName": last }]);
    // Longer than Salesforce's field: its own message, with the field's name.
    world.b1_post("/BusinessPartners", json!({ "CardCode": "L1", "CardName": "Long city", "BPAddresses": [{ "AddressName": "a", "AddressType": "bo_BillTo", "City": "x".repeat(60) }] })).await?;
    // No country, and a contact employee without a last name of its own.
    world.b1_post("/BusinessPartners", json!({ "CardCode": "L2", "CardName": "No country", "BPAddresses": [{ "AddressName": "a", "AddressType": "bo_BillTo", "City": "Kyiv" }], "ContactEmployees": contact("Олена", Value::Null) })).await?;
    // A supplier is nobody's account.
    world
        .b1_post("/BusinessPartners", json!({ "CardCode": "L3", "CardName": "A supplier", "CardType": "cSupplier" }))
        .await?;
    world
        .until_record("Account", "the neighbour", |record| {
            record["Tandem_Card_Code__c"] == "L2" && record["BillingCity"] == "Kyiv"
        })
        .await?;
    world.until_record("Contact", "the last name", |record| record["LastName"] == "Олена").await?;
    let items = questions(&world, 1).await?;
    assert_eq!(items.len(), 1, "{items:?}");
    assert!(items[0]["key"] == "L1" && reason(&items[0]).contains("STRING_TOO_LONG"), "{items:?}");
    assert!(world.records("Account").await?.iter().all(|record| record["Tandem_Card_Code__c"] != "L3"));
    world
        .b1_patch(
            "/BusinessPartners('L1')",
            json!({ "BPAddresses": [{ "AddressName": "a", "AddressType": "bo_BillTo", "City": "Short" }] }),
        )
        .await?;
    world
        .until_record("Account", "mended", |record| {
            record["Tandem_Card_Code__c"] == "L1" && record["BillingCity"] == "Short"
        })
        .await?;
    world.settled().await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]), "mending the record answers the question");
    Ok(())
}

#[tokio::test]
async fn one_card_code_on_two_accounts_is_asked_about() -> Result<()> {
    let world = world(&["accounts", "invoices", "credit"], Vec::new()).await?;
    // Only an import that went around the package's unique field makes such a pair: fresh accounts, linked by nobody yet.
    let twin = async |name: &str| world.create("Account", json!({ "Name": name })).await;
    let (first, second) = (twin("Twin one").await?, twin("Twin two").await?);
    world.settled().await?;
    world
        .b1_post("/BusinessPartners", json!({ "CardCode": "W1", "CardName": "Twin", "CardType": "cSupplier" }))
        .await?;
    for id in [&first, &second] {
        let (status, body) = world
            .send(
                "POST",
                &format!("{}/admin/update/Account/{id}", world.salesforce),
                &json!({ "Tandem_Card_Code__c": "W1" }),
            )
            .await?;
        if status >= 300 {
            // The org holds the field unique: nothing to ask.
            assert!(body.to_string().contains("DUPLICATE"), "{status} {body}");
            return Ok(());
        }
    }
    world.b1_patch("/BusinessPartners('W1')", json!({ "CardType": "cCustomer" })).await?;
    let items = questions(&world, 1).await?;
    assert!(
        items.iter().any(|item| reason(item).contains("may be the same") || reason(item).contains("W1")),
        "{items:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_currency_the_org_does_not_have_is_asked_about() -> Result<()> {
    let world = world(&["catalogue"], Vec::new()).await?;
    let rule = json!({ "validations": [{ "object": "PricebookEntry", "condition": "CurrencyIsoCode = 'USD' AND UnitPrice = 77", "message": "Currency USD is not active", "field": "CurrencyIsoCode" }] });
    world.send("PUT", &format!("{}/admin/rules", world.salesforce), &rule).await?;
    world
        .b1_patch("/Items('A00001')", json!({ "ItemPrices": [{ "PriceList": 4, "Price": 77, "Currency": "USD" }] }))
        .await?;
    let items = questions(&world, 1).await?;
    assert!(reason(&items[0]).contains("Currency USD is not active"), "{items:?}");
    Ok(())
}

#[tokio::test]
async fn an_item_deleted_between_look_and_write_is_marked() -> Result<()> {
    let mut world = world(&["catalogue"], Vec::new()).await?;
    world.b1_post("/Items", json!({ "ItemCode": "GONE", "ItemName": "Short life", "SalesItem": "tYES" })).await?;
    let product = world.until_record("Product2", "it", |record| record["Tandem_Item_Code__c"] == "GONE").await?;
    // Told while the host is down, gone when it looks.
    world.kill().await?;
    world.b1_patch("/Items('GONE')", json!({ "ItemName": "Shorter life" })).await?;
    world.b1_faults(json!([{ "path": "/b1s/v2/Items", "kind": { "latency": 600 } }])).await?;
    world.start()?;
    tokio::time::sleep(Duration::from_millis(900)).await;
    world.b1_faults(json!([])).await?;
    world.b1_call("DELETE", "/Items('GONE')", Value::Null).await?;
    world.ready(Duration::from_secs(30)).await?;
    let marked = |record: &Value| {
        record["Id"] == product["Id"] && record["Tandem_Discontinued__c"] == true && record["IsActive"] == false
    };
    world.until_record("Product2", "marked", marked).await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}
