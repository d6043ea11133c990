//! Items, price lists and special prices of B1 as products and price books.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

const FAST: &str = "poll_seconds = 1\nprice_scan_seconds = 1\nstock_scan_seconds = 1\ntime_zone = \"Europe/Berlin\"";

/// Only what is asked for is looked at: no change found meanwhile does a backfill's work before it.
const SELDOM: &str = "poll_seconds = 3600\nprice_scan_seconds = 3600\nstock_scan_seconds = 3600";

async fn world() -> Result<World> {
    looking(FAST).await
}

async fn looking(b1: &str) -> Result<World> {
    World::with(Setup { plugins: vec!["catalogue"], b1: b1.into(), ..Setup::default() }).await
}

fn code(product: &Value) -> &str {
    product["Tandem_Item_Code__c"].as_str().unwrap_or_default()
}

async fn entries(world: &World, product: &Value) -> Result<Vec<Value>> {
    let all = world.records("PricebookEntry").await?;
    Ok(all.into_iter().filter(|entry| entry["Product2Id"] == product["Id"] && entry["IsDeleted"] != true).collect())
}

#[tokio::test]
async fn a_first_load_links_what_is_there_and_a_second_writes_nothing() -> Result<()> {
    let mut world = looking(SELDOM).await?;
    world.up().await?;
    let products = world.records("Product2").await?.len();
    let report = world.tandem_json(&["backfill", "catalogue", "--dry-run"]).await?;
    assert_eq!(report["links"]["product"], 300, "{report}");
    assert!(report["effects"]["make Product2"].is_null(), "all of them are there: {report}");
    assert!(
        world.records("Product2").await?.iter().all(|product| code(product).is_empty()),
        "a rehearsal writes nothing"
    );
    world.tandem(&["backfill", "catalogue", "--yes"]).await?;
    assert_eq!(world.records("Product2").await?.len(), products, "none is made twice");
    assert!(world.records("Product2").await?.iter().all(|product| !code(product).is_empty()));
    let before = world.asked(&world.salesforce).await?;
    world.tandem(&["backfill", "catalogue", "--yes"]).await?;
    let after = world.asked(&world.salesforce).await?;
    // A sign-in or a subscription that was cut off is made again.
    let is_write = |name: &str| ["POST", "PATCH", "DELETE"].iter().any(|method| name.starts_with(method));
    let writes = |asked: &BTreeMap<String, u64>| -> u64 {
        asked.iter().filter(|(name, _)| is_write(name)).map(|(_, count)| count).sum()
    };
    assert_eq!(writes(&before), writes(&after), "what is in step costs no write\n{before:?}\n{after:?}");
    Ok(())
}

#[tokio::test]
async fn new_changed_repriced_and_discontinued_items_show_up() -> Result<()> {
    let mut world = world().await?;
    world.up().await?;
    let item = json!({
        "ItemCode": "N 1/ü", "ItemName": "Насос 泵 🛠", "SalesUnit": "pcs", "SalesItem": "tYES",
        "ItemPrices": [
            { "PriceList": 1, "Price": 12.345678, "Currency": "EUR" }, { "PriceList": 4, "Price": 20, "Currency": "USD" },
        ],
    });
    world.b1_post("/Items", item).await?;
    let product = world.until_record("Product2", "the new item", |product| code(product) == "N 1/ü").await?;
    assert_eq!((product["Name"].as_str(), &product["IsActive"]), (Some("Насос 泵 🛠"), &json!(true)));
    world.settled().await?;
    let entries_of = entries(&world, &product).await?;
    // List 1 in its own book and in the standard one, list 4 in its own; its currency needs a standard price, too.
    assert_eq!(entries_of.len(), 4, "{entries_of:?}");
    assert!(entries_of.iter().all(|entry| entry["CurrencyIsoCode"] != "EUR" || entry["UnitPrice"] == 12.35));
    assert_eq!(entries_of.iter().filter(|entry| entry["CurrencyIsoCode"] == "USD").count(), 2);

    world
        .b1_patch(
            "/Items('N%201%2F%C3%BC')",
            json!({ "ItemPrices": [{ "PriceList": 1, "Price": 15, "Currency": "EUR" }] }),
        )
        .await?;
    world
        .until("the new price", std::time::Duration::from_secs(20), async |world: &World| {
            let entries = entries(world, &product).await?;
            let eur =
                entries.iter().filter(|entry| entry["CurrencyIsoCode"] == "EUR").all(|entry| entry["UnitPrice"] == 15);
            Ok(eur.then_some(()))
        })
        .await?;

    world.b1_patch("/Items('N%201%2F%C3%BC')", json!({ "Frozen": "tYES" })).await?;
    world
        .until_record("Product2", "discontinued", |product| {
            code(product) == "N 1/ü" && product["Tandem_Discontinued__c"] == true
        })
        .await?;
    // Gone between two looks: the scan of prices misses it.
    world.b1_call("DELETE", "/Items('A00003')", Value::Null).await?;
    world.settled().await?;
    Ok(())
}

#[tokio::test]
async fn a_negative_price_goes_to_review_and_a_zero_price_ends_the_entry() -> Result<()> {
    let mut world = world().await?;
    world.up().await?;
    world
        .b1_patch("/Items('A00001')", json!({ "ItemPrices": [{ "PriceList": 1, "Price": -5, "Currency": "EUR" }] }))
        .await?;
    let review = async |world: &World| {
        let items = world.tandem_json(&["review", "list"]).await?;
        let found = items.as_array().into_iter().flatten().find(|item| item["key"] == "A00001").cloned();
        Ok(found)
    };
    let item = world.until("a review item", std::time::Duration::from_secs(20), review).await?;
    assert!(item["reason"].as_str().unwrap_or_default().contains("negative"), "{item}");
    world
        .b1_patch("/Items('A00001')", json!({ "ItemPrices": [{ "PriceList": 1, "Price": 0, "Currency": "EUR" }] }))
        .await?;
    let product = world.until_record("Product2", "linked", |product| code(product) == "A00001").await?;
    world
        .until("the entry to end", std::time::Duration::from_secs(20), async |world: &World| {
            let entries = entries(world, &product).await?;
            let ended = entries.iter().filter(|entry| entry["IsActive"] == false).count();
            Ok((ended >= 1).then_some(()))
        })
        .await?;
    world.settled().await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]), "mending the price answers the question");
    Ok(())
}

#[tokio::test]
async fn a_price_for_one_customer_becomes_a_record_of_its_own() -> Result<()> {
    let mut world = world().await?;
    world.up().await?;
    world.settled().await?;
    let price = json!({ "CardCode": "C00001", "ItemCode": "A00002", "Price": 9.5, "Currency": "EUR", "DiscountPercent": 5, "ValidTo": "2031-12-31" });
    world
        .until("the first scan", std::time::Duration::from_secs(10), async |world: &World| {
            let log = world.get(&format!("{}/admin/log", world.b1)).await?["calls"].clone();
            Ok(log
                .as_object()
                .is_some_and(|calls| calls.keys().any(|name| name.contains("SpecialPrices")))
                .then_some(()))
        })
        .await?;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    world.b1_post("/SpecialPrices", price).await?;
    let record = world.until_record("Tandem_Special_Price__c", "the price", |_| true).await?;
    assert_eq!(record["Tandem_Price__c"].to_string(), "9.5");
    assert_eq!((&record["Tandem_Valid_To__c"], &record["Tandem_Active__c"]), (&json!("2031-12-31"), &json!(true)));
    Ok(())
}

/// Whatever an org with one currency would call its own.
#[tokio::test]
async fn a_price_without_a_currency_is_in_the_companys_own() -> Result<()> {
    let mut world = world().await?;
    world.b1_settings(json!({ "local_currency": "USD" })).await?;
    world.b1_post("/SpecialPrices", json!({ "CardCode": "C00001", "ItemCode": "A00002", "Price": 9.5 })).await?;
    let bare = json!({ "ItemPrices": [{ "PriceList": 1, "Price": 5, "Currency": "" }] });
    world.b1_patch("/Items('A00001')", bare).await?;
    world.b1_patch("/PriceLists(1)", json!({ "DefaultPrimeCurrency": "" })).await?;
    world.up().await?;
    world.tandem(&["backfill", "catalogue", "--yes"]).await?;
    let record = world.until_record("Tandem_Special_Price__c", "the price", |_| true).await?;
    assert_eq!(record["Tandem_Currency__c"], "USD", "{record}");
    let product = world.until_record("Product2", "the item", |product| code(product) == "A00001").await?;
    world
        .until("its price in dollars", std::time::Duration::from_secs(20), async |world: &World| {
            let entries = entries(world, &product).await?;
            let own = |entry: &&Value| entry["UnitPrice"].as_f64() == Some(5.0) && entry["CurrencyIsoCode"] == "USD";
            Ok(entries.iter().find(own).map(|_| ()))
        })
        .await?;
    Ok(())
}

/// The Service Layer's user may not ask for the company's settings: a price without a currency is one that nobody can show, and none that
/// is gone. Once B1 has told, that stays known.
#[tokio::test]
async fn a_price_whose_currency_b1_does_not_tell_is_not_shown_and_what_stands_is_left() -> Result<()> {
    let mut world = looking(SELDOM).await?;
    let refused = json!({ "refuse": { "status": 403, "code": "-1", "message": "no authorization" } });
    let refused = json!([{ "path": "CompanyService_GetAdminInfo", "kind": refused }]);
    world.b1_faults(refused.clone()).await?;
    let standing = json!({ "CardCode": "C00001", "ItemCode": "A00002", "Price": 9.5, "Currency": "EUR" });
    world.b1_post("/SpecialPrices", standing).await?;
    world.up().await?;
    world.tandem(&["backfill", "catalogue", "--yes"]).await?;
    let special = |item: &str| {
        let key = format!("C00001:{item}");
        move |own: &Value| own["Tandem_Key__c"].as_str().is_some_and(|own| own.ends_with(&key))
    };
    let shown = world.until_record("Tandem_Special_Price__c", "the price", special("A00002")).await?;
    let product = world.until_record("Product2", "the item", |product| code(product) == "A00001").await?;
    let before = entries(&world, &product).await?;
    assert!(before.len() > 1 && before.iter().all(|entry| entry["IsActive"] == true), "{before:?}");

    world.b1_patch("/PriceLists(1)", json!({ "DefaultPrimeCurrency": "" })).await?;
    let bare = json!({ "ItemPrices": [{ "PriceList": 1, "Price": 5, "Currency": "" }] });
    world.b1_patch("/Items('A00001')", bare).await?;
    world
        .b1_patch("/SpecialPrices(CardCode='C00001',ItemCode='A00002')", json!({ "Price": 8, "Currency": "" }))
        .await?;
    world.b1_post("/SpecialPrices", json!({ "CardCode": "C00001", "ItemCode": "A00003", "Price": 7 })).await?;
    world.tandem(&["backfill", "catalogue", "--yes"]).await?;
    world.settled().await?;
    let prices = |entries: &[Value]| -> BTreeMap<String, (Value, Value)> {
        let of = |entry: &Value| (entry["UnitPrice"].clone(), entry["IsActive"].clone());
        entries.iter().map(|entry| (entry["Id"].to_string(), of(entry))).collect()
    };
    assert_eq!(prices(&entries(&world, &product).await?), prices(&before), "what stands is left as it is");
    let all = world.records("Tandem_Special_Price__c").await?;
    let one = all.iter().find(|own| special("A00002")(own));
    assert_eq!(one.map(|own| own["Tandem_Price__c"].clone()), Some(shown["Tandem_Price__c"].clone()), "{all:?}");
    assert!(!all.iter().any(special("A00003")), "one without a currency is not shown: {all:?}");
    let done = world.tandem_json(&["events", "list", "--state", "done", "--limit", "5000"]).await?;
    let reasons = || done.as_array().into_iter().flatten().filter_map(|own| own["reason"].as_str());
    for told in ["a price of price list", "special price of A00002", "special price of A00003"] {
        let why = "B1 does not tell the company's own";
        assert!(reasons().any(|reason| reason.contains(told) && reason.contains(why)), "{told}");
    }

    // One that holds no longer needs no currency to be switched off.
    world.b1_patch("/SpecialPrices(CardCode='C00001',ItemCode='A00002')", json!({ "Valid": "tNO" })).await?;
    world.tandem(&["backfill", "catalogue", "--yes"]).await?;
    world
        .until_record("Tandem_Special_Price__c", "switched off", |own| {
            special("A00002")(own) && own["Tandem_Active__c"] == false
        })
        .await?;

    // B1 tells once, and refuses again.
    world.b1_faults(json!([])).await?;
    world.tandem(&["backfill", "catalogue", "--yes"]).await?;
    world.until_record("Tandem_Special_Price__c", "in euros", special("A00003")).await?;
    world.b1_faults(refused).await?;
    world.b1_patch("/SpecialPrices(CardCode='C00001',ItemCode='A00003')", json!({ "Price": 6 })).await?;
    world.tandem(&["backfill", "catalogue", "--yes"]).await?;
    let record = world
        .until_record("Tandem_Special_Price__c", "the new price", |own| {
            special("A00003")(own) && own["Tandem_Price__c"].as_f64() == Some(6.0)
        })
        .await?;
    assert_eq!((&record["Tandem_Currency__c"], &record["Tandem_Active__c"]), (&json!("EUR"), &json!(true)));
    let own = entries(&world, &product).await?;
    assert!(own.iter().any(|entry| entry["UnitPrice"].as_f64() == Some(5.0)), "{own:?}");
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

#[tokio::test]
async fn two_products_with_one_code_are_asked_about_and_both_are_shown() -> Result<()> {
    let mut world = world().await?;
    for name in ["Pump", "Pump (old)"] {
        world.create("Product2", json!({ "Name": name, "ProductCode": "P-1" })).await?;
    }
    world.up().await?;
    world.b1_post("/Items", json!({ "ItemCode": "P-1", "ItemName": "Pump", "SalesItem": "tYES" })).await?;
    let waiting = world
        .until("the question", Duration::from_secs(20), async |world: &World| {
            let list = world.tandem_json(&["review", "list"]).await?;
            Ok(list.as_array().and_then(|all| all.first().cloned()))
        })
        .await?;
    let shown = world.tandem_json(&["review", "show", &waiting["id"].to_string()]).await?;
    assert_eq!(shown["detail"]["candidates"].as_array().map(Vec::len), Some(2), "{shown}");
    Ok(())
}

/// The host is killed between two pages of a look: what it had seen and changed since is told, and nothing is gone but what is.
#[tokio::test]
async fn a_look_of_several_pages_that_is_cut_off_loses_no_change_and_no_record() -> Result<()> {
    let setup = Setup {
        plugins: vec!["catalogue"],
        b1: FAST.into(),
        b1_arguments: vec!["--items".into(), "1200".into()],
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    let price = async |world: &World, item: &str, price: i64| {
        let rows = json!([{ "PriceList": 1, "Price": price, "Currency": "EUR" }]);
        world.b1_patch(&format!("/Items('{item}')"), json!({ "ItemPrices": rows })).await
    };
    let told = async |world: &World, item: &str| -> Result<Vec<String>> {
        let events = world.tandem_json(&["events", "list", "--key", item]).await?;
        let own = events.as_array().into_iter().flatten().filter(|event| event["topic"] == "b1.ItemPrices");
        Ok(own.map(|event| event["payload"].to_string()).collect())
    };
    let is_told = |item: &'static str, times: usize| {
        async move |world: &World| Ok((told(world, item).await?.len() == times).then_some(()))
    };
    let slow = json!([{ "path": "/b1s/v2/Items", "method": "GET", "kind": { "latency": 1_500 } }]);
    let second_page = async |world: &World| {
        let calls = world.get(&format!("{}/admin/log", world.b1)).await?["recent"].clone();
        let mut pages = calls.as_array().into_iter().flatten().filter_map(|call| call["path"].as_str());
        Ok(pages.any(|path| path.contains("ItemPrices&") && path.contains("A00500")).then_some(()))
    };
    // Twice: the first look of all, and one that compares.
    for (round, changes) in [(0, 1), (1, 2)] {
        world.b1_faults(slow.clone()).await?;
        world.send("DELETE", &format!("{}/admin/log", world.b1), &Value::Null).await?;
        world.up().await?;
        world.until("the second page", Duration::from_secs(40), second_page).await?;
        world.kill().await?;
        world.b1_faults(json!([])).await?;
        price(&world, "A00007", 7 + round).await?;
        if round == 1 {
            price(&world, "A01100", 9).await?;
            world.b1_call("DELETE", "/Items('A01150')", Value::Null).await?;
        }
        world.up().await?;
        world.until("what is on the first page", Duration::from_secs(40), is_told("A00007", changes)).await?;
        world.settled().await?;
        if round == 1 {
            world.until("what is on the last page", Duration::from_secs(40), is_told("A01100", 1)).await?;
            world.until("what is gone", Duration::from_secs(40), is_told("A01150", 1)).await?;
            assert!(told(&world, "A01150").await?[0].contains("deleted"));
        } else {
            world.kill().await?;
        }
    }
    world.b1_post("/Items", json!({ "ItemCode": "A01150", "ItemName": "Again", "SalesItem": "tYES" })).await?;
    world.until("what is back", Duration::from_secs(40), is_told("A01150", 2)).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    for (item, times) in [("A00007", 2), ("A01100", 1), ("A01150", 2), ("A00001", 0), ("A00600", 0)] {
        assert_eq!(told(&world, item).await?.len(), times, "{item}");
    }
    Ok(())
}
