//! What is shown of stock: only of what is kept in stock, only in warehouses that count, at once where a product is linked, and of very
//! many warehouses in few calls.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

const SELDOM: &str = "poll_seconds = 3600\nprice_scan_seconds = 3600\nstock_scan_seconds = 3600";
/// Documents and items are looked at, quantities are not.
const NO_SCAN: &str =
    "poll_seconds = 1\nprice_scan_seconds = 1\nstock_scan_seconds = 3600\ntime_zone = \"Europe/Berlin\"";

/// An item with so many pieces in a warehouse.
async fn stocked(world: &World, code: &str, warehouse: &str, pieces: u32) -> Result<()> {
    let back = json!({ "ItemCode": code, "Quantity": pieces, "UnitPrice": 0, "WarehouseCode": warehouse });
    world.b1_post("/Returns", json!({ "CardCode": "C00001", "DocumentLines": [back] })).await?;
    Ok(())
}

/// An open opportunity with one line of each product; the lines' ids.
async fn lines(world: &World, products: &[Value], quantity: u32) -> Result<Vec<Value>> {
    let account = world.records("Account").await?.remove(0)["Id"].clone();
    let books = world.records("Pricebook2").await?;
    let standard = books.iter().find(|book| book["IsStandard"] == true).context("a standard book")?["Id"].clone();
    let opportunity = json!({ "Name": "Look", "StageName": "Prospecting", "CloseDate": "2027-03-01", "AccountId": account,
        "CurrencyIsoCode": "EUR", "Pricebook2Id": standard });
    let id = world.create("Opportunity", opportunity).await?;
    for product in products {
        let entry = json!({ "Pricebook2Id": standard, "Product2Id": product["Id"], "UnitPrice": 5, "IsActive": true, "CurrencyIsoCode": "EUR" });
        let there = world.records("PricebookEntry").await?.into_iter().find(|own| {
            own["Product2Id"] == product["Id"] && own["Pricebook2Id"] == standard && own["CurrencyIsoCode"] == "EUR"
        });
        let entry = match there {
            Some(entry) => entry["Id"].clone(),
            None => world.create("PricebookEntry", entry).await?.into(),
        };
        let line = json!({ "OpportunityId": id, "PricebookEntryId": entry, "Quantity": quantity, "UnitPrice": 5,
            "Tandem_Availability__c": "Expected" });
        world.create("OpportunityLineItem", line).await?;
    }
    world.change("Opportunity", &id, json!({ "Tandem_PO_Number__c": "look" })).await?;
    Ok(world.lines(&id).await?.into_iter().map(|line| line["Id"].clone()).collect())
}

async fn until_line(world: &World, line: &Value, state: Value) -> Result<Value> {
    let holds = |own: &Value| own["Id"] == *line && own["Tandem_Availability__c"] == state;
    world.until_record("OpportunityLineItem", &format!("{state}"), holds).await
}

#[tokio::test]
async fn a_service_and_a_product_that_b1_does_not_know_are_neither_there_nor_short() -> Result<()> {
    let setup = Setup { plugins: vec!["catalogue", "inventory"], b1: NO_SCAN.into(), ..Setup::default() };
    let mut world = World::with(setup).await?;
    for (code, kept) in [("SVC", "tNO"), ("KEPT", "tYES")] {
        let body = json!({ "ItemCode": code, "ItemName": code, "SalesItem": "tYES", "InventoryItem": kept });
        world.b1_post("/Items", body).await?;
    }
    world.up().await?;
    world.tandem(&["backfill", "catalogue", "--yes"]).await?;
    world.tandem(&["backfill", "inventory", "--yes"]).await?;
    let own = world.create("Product2", json!({ "Name": "Ours", "ProductCode": "OURS", "IsActive": true })).await?;
    let mut products = vec![json!({ "Id": own })];
    for code in ["SVC", "KEPT"] {
        products.push(world.until_record("Product2", code, |own| own["Tandem_Item_Code__c"] == code).await?);
    }
    let lines = lines(&world, &products, 1).await?;
    for (line, product) in lines.iter().zip(["OURS", "SVC", "KEPT"]) {
        let state = if product == "KEPT" { json!("Short") } else { Value::Null };
        until_line(&world, line, state).await.context(product)?;
    }
    let service = world.until_record("Product2", "SVC", |own| own["Tandem_Item_Code__c"] == "SVC").await?;
    assert_eq!(service["Tandem_In_Stock__c"], Value::Null);
    Ok(())
}

#[tokio::test]
async fn a_warehouse_that_no_longer_counts_has_nothing_and_what_comes_there_is_not_expected() -> Result<()> {
    let setup = Setup {
        plugins: vec!["inventory"],
        b1: NO_SCAN.into(),
        flows: vec![("inventory", "settings = { warehouses = [\"01\", \"02\"] }")],
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    stocked(&world, "A00001", "01", 5).await?;
    stocked(&world, "A00001", "02", 7).await?;
    world.up().await?;
    world.tandem(&["backfill", "inventory", "--yes"]).await?;
    let items = world.b1_records("Items").await?;
    let item = items.iter().find(|item| item["ItemCode"] == "A00001").context("the item")?;
    let rows = item["ItemWarehouseInfoCollection"].as_array().cloned().unwrap_or_default();
    let in_stock = |code: &str| {
        let row = rows.iter().find(|row| row["WarehouseCode"] == code);
        row.and_then(|row| row["InStock"].as_f64()).unwrap_or_default()
    };
    let record = |warehouse: &'static str, pieces: f64| {
        move |own: &Value| own["Name"] == format!("A00001 {warehouse}") && own["Tandem_In_Stock__c"] == pieces
    };
    world.until_record("Tandem_Stock__c", "02", record("02", in_stock("02"))).await?;

    world.stop().await?;
    let file = world.folder().join("tandem.toml");
    let config = std::fs::read_to_string(&file)?.replace("[\"01\", \"02\"]", "[\"01\"]");
    std::fs::write(&file, config)?;
    world.up().await?;
    world.tandem(&["backfill", "inventory", "--yes"]).await?;
    world.until_record("Tandem_Stock__c", "02 counts no longer", record("02", 0.0)).await?;
    world.until_record("Tandem_Stock__c", "01 does", record("01", in_stock("01"))).await?;
    let total = |own: &Value| own["ProductCode"] == "A00001" && own["Tandem_In_Stock__c"] == in_stock("01");
    let product = world.until_record("Product2", "the first alone", total).await?;

    let line = lines(&world, &[product], 100_000).await?.remove(0);
    until_line(&world, &line, "Short".into()).await?;
    for (warehouse, state) in [("02", "Short"), ("01", "Expected")] {
        let row = json!({ "ItemCode": "A00001", "Quantity": 200_000, "UnitPrice": 1, "WarehouseCode": warehouse });
        let order = json!({ "CardCode": "C00001", "DocDueDate": "2027-03-15", "DocumentLines": [row] });
        world.b1_post("/PurchaseOrders", order).await?;
        let ordered = |own: &Value| {
            let there = own["Tandem_On_Order__c"].as_f64() >= Some(200_000.0);
            own["ProductCode"] == "A00001" && there == (warehouse == "01")
        };
        world.until_record("Product2", warehouse, ordered).await?;
        world.settled().await?;
        until_line(&world, &line, state.into()).await.with_context(|| warehouse.to_owned())?;
    }
    Ok(())
}

/// A line that is saved saves its opportunity, whose rules may refuse it: whose that is stands in the question, and nobody else's lines wait.
#[tokio::test]
async fn an_opportunity_that_refuses_to_be_saved_keeps_the_lines_of_no_other() -> Result<()> {
    let setup = Setup { plugins: vec!["catalogue", "inventory"], b1: NO_SCAN.into(), ..Setup::default() };
    let mut world = World::with(setup).await?;
    let item = json!({ "ItemCode": "KEPT", "ItemName": "Kept", "SalesItem": "tYES", "InventoryItem": "tYES" });
    world.b1_post("/Items", item).await?;
    world.up().await?;
    world.tandem(&["backfill", "catalogue", "--yes"]).await?;
    world.tandem(&["backfill", "inventory", "--yes"]).await?;
    let product = world.until_record("Product2", "it", |own| own["Tandem_Item_Code__c"] == "KEPT").await?;
    let refusing = lines(&world, std::slice::from_ref(&product), 2).await?.remove(0);
    let other = lines(&world, std::slice::from_ref(&product), 2).await?.remove(0);
    for line in [&refusing, &other] {
        until_line(&world, line, json!("Short")).await?;
    }
    world.settled().await?;
    let line = world.records("OpportunityLineItem").await?.into_iter().find(|own| own["Id"] == refusing);
    let opportunity = line.context("the line")?["OpportunityId"].as_str().unwrap_or_default().to_owned();
    let rule = json!({ "object": "Opportunity", "condition": format!("Id = '{opportunity}'"), "message": "A next step is missing" });
    let rules = format!("{}/admin/rules", world.salesforce);
    world.send("PUT", &rules, &json!({ "validations": [rule] })).await?;
    stocked(&world, "KEPT", "01", 5).await?;
    until_line(&world, &other, json!("Enough")).await?;
    let asked = world
        .until("the question", Duration::from_secs(30), async |world: &World| {
            let list = world.tandem_json(&["review", "list"]).await?;
            Ok(list.as_array().and_then(|all| all.first().cloned()))
        })
        .await?;
    let reason = asked["reason"].as_str().unwrap_or_default();
    assert!(reason.contains(&opportunity) && reason.contains("A next step is missing"), "{reason}");
    until_line(&world, &refusing, json!("Short")).await?;
    world.settled().await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?.as_array().map(Vec::len), Some(1));
    world.send("PUT", &rules, &json!({})).await?;
    world.tandem(&["review", "resolve", "--choose", "retry", &asked["id"].to_string()]).await?;
    until_line(&world, &refusing, json!("Enough")).await?;
    Ok(())
}

#[tokio::test]
async fn a_product_that_is_linked_after_a_question_has_its_stock_at_once() -> Result<()> {
    let setup = Setup { plugins: vec!["catalogue", "inventory"], b1: NO_SCAN.into(), ..Setup::default() };
    let mut world = World::with(setup).await?;
    let mut ids = Vec::new();
    for name in ["Pump", "Pump (old)"] {
        ids.push(world.create("Product2", json!({ "Name": name, "ProductCode": "P-1" })).await?);
    }
    world.up().await?;
    world.b1_post("/Items", json!({ "ItemCode": "P-1", "ItemName": "Pump", "SalesItem": "tYES" })).await?;
    let asked = async |world: &World| {
        let list = world.tandem_json(&["review", "list"]).await?;
        Ok(list.as_array().and_then(|all| all.iter().find(|own| own["key"] == "P-1").cloned()))
    };
    let question = world.until("the question", Duration::from_secs(30), asked).await?;
    stocked(&world, "P-1", "01", 7).await?;
    world.settled().await?;
    world.change("Product2", &ids[1], json!({ "ProductCode": "P-1-OLD" })).await?;
    world.tandem(&["review", "resolve", &question["id"].to_string(), "--choose", "retry"]).await?;
    let shown = |own: &Value| own["Id"] == ids[0].as_str() && own["Tandem_In_Stock__c"] == 7.0;
    world.until_record("Product2", "its stock", shown).await?;
    Ok(())
}

#[tokio::test]
async fn stock_of_a_product_that_is_gone_is_shown_nowhere_and_asks_nobody() -> Result<()> {
    let setup = Setup { plugins: vec!["catalogue", "inventory"], b1: NO_SCAN.into(), ..Setup::default() };
    let mut world = World::with(setup).await?;
    world.up().await?;
    world.tandem(&["backfill", "catalogue", "--yes"]).await?;
    world.tandem(&["backfill", "inventory", "--yes"]).await?;
    world.settled().await?;
    let product = world.until_record("Product2", "it", |own| own["Tandem_Item_Code__c"] == "A00001").await?;
    let url = format!("{}/admin/delete/Product2/{}", world.salesforce, product["Id"].as_str().unwrap_or_default());
    world.send("POST", &url, &json!({})).await?;
    let products = world.records("Product2").await?.len();
    // Its row of the warehouse goes on; the product is another flow's.
    let order = json!({ "CardCode": "C00001", "DocDueDate": "2027-01-31", "DocumentLines": [{ "ItemCode": "A00001", "Quantity": 3, "UnitPrice": 1 }] });
    let order = world.b1_post("/Orders", order).await?;
    let key = format!("Orders({})", order["DocEntry"]);
    let looked = async |world: &World| {
        let done = world.tandem_json(&["events", "list", "--state", "done", "--limit", "50"]).await?;
        let own = done.as_array().and_then(|all| all.iter().find(|own| own["key"] == key.as_str()).cloned());
        Ok(own)
    };
    let event = world.until("the order to be looked at", Duration::from_secs(30), looked).await?;
    assert!(event["reason"].as_str().unwrap_or_default().contains("no longer there"), "{event}");
    assert_eq!(world.records("Product2").await?.len(), products, "nothing is made in its place");
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

/// Two companies share an org, and both have an item A00001.
#[tokio::test]
async fn stock_never_stands_on_another_companys_product_of_the_same_product_code() -> Result<()> {
    let flows = vec![("inventory", "settings = { key_prefix = \"us:\" }")];
    let setup = Setup { plugins: vec!["inventory"], flows, b1: SELDOM.into(), ..Setup::default() };
    let mut world = World::with(setup).await?;
    let products = world.records("Product2").await?;
    let of = |code: &str| {
        products.iter().find(|own| own["ProductCode"] == code).context("a product").map(|own| own["Id"].clone())
    };
    let (german, given) = (of("A00001")?, of("A00002")?);
    let id = |id: &Value| id.as_str().unwrap_or_default().to_owned();
    world.change("Product2", &id(&german), json!({ "Tandem_Item_Code__c": "A00001" })).await?;
    world.change("Product2", &id(&given), json!({ "ProductCode": "us:A00002" })).await?;
    world.up().await?;
    world.tandem(&["backfill", "inventory", "--yes"]).await?;
    world.until_record("Product2", "stock", |own| own["Id"] == given && own["Tandem_In_Stock__c"].is_number()).await?;
    world.settled().await?;
    let german = world.records("Product2").await?.into_iter().find(|own| own["Id"] == german).unwrap_or_default();
    assert_eq!(german["Tandem_In_Stock__c"], Value::Null);
    let line = lines(&world, &[german], 1).await?.remove(0);
    until_line(&world, &line, Value::Null).await?;
    Ok(())
}

#[tokio::test]
async fn a_thousand_items_in_sixty_warehouses_are_one_run() -> Result<()> {
    let many = ["--items", "1000"].map(str::to_owned).to_vec();
    let setup = Setup {
        plugins: vec!["inventory"],
        b1_arguments: many.clone(),
        salesforce_arguments: many,
        b1: SELDOM.into(),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    let address = format!("{}/admin/snapshot", world.b1);
    let mut snapshot = world.get(&address).await?;
    for item in snapshot["tables"]["Items"].as_array_mut().context("the items")? {
        let rows = item["ItemWarehouseInfoCollection"].as_array_mut().context("the warehouses")?;
        let empty =
            |number| json!({ "WarehouseCode": format!("W{number}"), "InStock": 0, "Committed": 0, "Ordered": 0 });
        rows.extend((0..57).map(empty));
    }
    world.send("PUT", &address, &snapshot).await?;
    world.up().await?;
    world.tandem(&["backfill", "inventory", "--yes"]).await?;
    assert!(world.records("Tandem_Stock__c").await?.len() > 1_000);
    assert!(!world.log().contains("host_calls"), "{}", world.log_tail());
    Ok(())
}
