//! What Salesforce shows is what B1 has, and no more: prices that are no longer told, warehouses that no longer count, records that somebody
//! deleted, days that pass.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

const FAST: &str = "poll_seconds = 1\nprice_scan_seconds = 1\nstock_scan_seconds = 1\ntime_zone = \"Etc/GMT+12\"";
/// Only what is asked for is looked at, in a company where the day is the earliest.
const SELDOM: &str =
    "poll_seconds = 3600\nprice_scan_seconds = 3600\nstock_scan_seconds = 3600\ntime_zone = \"Etc/GMT+12\"";
const PATIENCE: Duration = Duration::from_secs(30);

async fn world(plugins: &[&'static str], b1: &str) -> Result<World> {
    let b1_arguments = ["--time-zone", "Etc/GMT+12"].map(str::to_owned).to_vec();
    World::with(Setup { plugins: plugins.to_vec(), b1: b1.into(), b1_arguments, ..Setup::default() }).await
}

fn item(code: &str, prices: Value) -> Value {
    json!({ "ItemCode": code, "ItemName": code, "SalesItem": "tYES", "ItemPrices": prices })
}

fn price(list: i64, amount: i64, currency: &str) -> Value {
    json!({ "PriceList": list, "Price": amount, "Currency": currency })
}

async fn product(world: &World, code: &str) -> Result<Value> {
    world.until_record("Product2", code, |own| own["Tandem_Item_Code__c"] == code && own["IsDeleted"] != true).await
}

/// Active entries as `book currency price`, sorted.
async fn prices(world: &World, product: &Value) -> Result<Vec<String>> {
    let books = world.records("Pricebook2").await?;
    let name = |id: &Value| {
        let book = books.iter().find(|book| book["Id"] == *id);
        book.map(|book| book["Name"].as_str().unwrap_or_default().to_owned()).unwrap_or_default()
    };
    let entries = world.records("PricebookEntry").await?;
    let active = |entry: &&Value| {
        entry["Product2Id"] == product["Id"] && entry["IsActive"] == true && entry["IsDeleted"] != true
    };
    let told = |entry: &Value| {
        let currency = entry["CurrencyIsoCode"].as_str().unwrap_or_default();
        format!("{} {currency} {}", name(&entry["Pricebook2Id"]), entry["UnitPrice"].as_f64().unwrap_or(f64::NAN))
    };
    let mut prices: Vec<String> = entries.iter().filter(active).map(told).collect();
    prices.sort();
    Ok(prices)
}

async fn until_prices(world: &World, product: &Value, wanted: &[&str]) -> Result<()> {
    let look = async |world: &World| Ok((prices(world, product).await? == wanted).then_some(()));
    let seen = world.until("the prices", PATIENCE, look).await;
    seen.with_context(|| format!("wanted {wanted:?}"))?;
    Ok(())
}

/// Another day begins: the company moves to where it is 26 hours later, and the host finds at its start that timers are due.
async fn another_day(world: &mut World, flows: &[&str]) -> Result<()> {
    world.stop().await?;
    let file = world.folder().join("tandem.toml");
    let config = std::fs::read_to_string(&file)?.replace("Etc/GMT+12", "Pacific/Kiritimati");
    std::fs::write(&file, config)?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis();
    let hours_ago = (now - 3 * 3_600_000).to_string();
    for flow in flows {
        let source = format!("timer:{flow}:look-again");
        let back = format!("UPDATE positions SET position = '{hours_ago}' WHERE source = '{source}'");
        let changed = world.database.change(&back)?;
        anyhow::ensure!(changed == 1, "{flow} has no such timer");
    }
    world.up().await
}

/// The company's day.
async fn today(world: &World) -> Result<String> {
    let clock = world.get(&format!("{}/admin/clock", world.b1)).await?;
    Ok(clock["local"].as_str().unwrap_or_default()[..10].to_owned())
}

async fn delete(world: &World, object: &str, id: &Value) -> Result<()> {
    let url = format!("{}/admin/delete/{object}/{}", world.salesforce, id.as_str().unwrap_or_default());
    let (status, body) = world.send("POST", &url, &json!({})).await?;
    anyhow::ensure!(status < 300, "deleting {object}: {status} {body}");
    Ok(())
}

#[tokio::test]
async fn a_price_that_b1_no_longer_has_ends_whether_its_currency_changed_or_its_list_is_gone() -> Result<()> {
    let mut world = world(&["catalogue"], FAST).await?;
    world.b1_post("/PriceLists", json!({ "PriceListNo": 9, "PriceListName": "Trade fair" })).await?;
    world.up().await?;
    world.b1_post("/Items", item("X1", json!([price(1, 10, "EUR"), price(2, 8, "EUR"), price(9, 7, "EUR")]))).await?;
    let own = product(&world, "X1").await?;
    let all = world.until("prices", PATIENCE, async |world: &World| {
        let prices = prices(world, &own).await?;
        Ok((prices.len() == 4).then_some(prices))
    });
    let all = all.await?;
    let of_first: Vec<&str> = all.iter().map(String::as_str).filter(|own| own.ends_with("EUR 10")).collect();
    assert!(of_first.len() == 2 && all.contains(&"Wholesale EUR 8".into()), "{all:?}");
    let with = |others: &[&'static str]| {
        let mut all: Vec<&str> = of_first.iter().copied().chain(others.iter().copied()).collect();
        all.sort_unstable();
        all
    };
    let standard = of_first.iter().find(|own| own.starts_with("Standard")).copied().unwrap_or_default();
    let standard_usd = standard.replace("EUR 10", "USD 9");

    world.b1_patch("/Items('X1')", json!({ "ItemPrices": [price(2, 9, "USD")] })).await?;
    let mut wanted = with(&["Trade fair EUR 7", "Wholesale USD 9"]);
    wanted.push(&standard_usd);
    wanted.sort_unstable();
    until_prices(&world, &own, &wanted).await?;

    let emptied = json!({ "PriceList": 2, "Price": 0, "Currency": null });
    world.b1_patch("/Items('X1')", json!({ "ItemPrices": [emptied] })).await?;
    until_prices(&world, &own, &with(&["Trade fair EUR 7"])).await?;

    world.b1_call("DELETE", "/PriceLists(9)", Value::Null).await?;
    until_prices(&world, &own, &with(&[])).await?;
    let ended = |own: &Value| own["Name"] == "Trade fair" && own["IsActive"] == false;
    world.until_record("Pricebook2", "the list is gone", ended).await?;
    world.settled().await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

#[tokio::test]
async fn an_item_that_the_standard_list_gives_away_has_its_other_price() -> Result<()> {
    let mut world = world(&["catalogue"], FAST).await?;
    world.up().await?;
    world.b1_post("/Items", item("X3", json!([price(1, 0, "EUR"), price(2, 8, "EUR")]))).await?;
    let own = product(&world, "X3").await?;
    let both = async |world: &World| Ok((prices(world, &own).await?.len() == 2).then_some(()));
    world.until("both entries", PATIENCE, both).await?;
    assert!(prices(&world, &own).await?.iter().all(|own| own.ends_with(" EUR 8")));
    world.settled().await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

fn is_wholesale(own: &Value) -> bool {
    own["Name"] == "Wholesale" && own["IsDeleted"] != true
}

#[tokio::test]
async fn what_somebody_deleted_in_salesforce_is_made_again_by_a_backfill_and_in_turn_each_day() -> Result<()> {
    let mut world = world(&["catalogue", "inventory"], SELDOM).await?;
    let special = json!({ "CardCode": "C00001", "ItemCode": "A00003", "Price": 9, "Currency": "EUR" });
    world.b1_post("/SpecialPrices", special).await?;
    world.up().await?;
    world.tandem(&["backfill", "catalogue", "--yes"]).await?;
    world.tandem(&["backfill", "inventory", "--yes"]).await?;
    world.settled().await?;
    let is_there = |own: &Value| own["IsDeleted"] != true;
    for by_itself in [false, true] {
        let code = if by_itself { "A00011" } else { "A00001" };
        let first = product(&world, code).await?;
        let second = product(&world, "A00002").await?;
        let (before, of_second) = (prices(&world, &first).await?, prices(&world, &second).await?);
        delete(&world, "Product2", &first["Id"]).await?;
        let book = world.until_record("Pricebook2", "a book", is_wholesale).await?;
        delete(&world, "Pricebook2", &book["Id"]).await?;
        let entries = world.records("PricebookEntry").await?;
        let books = world.records("Pricebook2").await?;
        let is_standard = |id: &Value| books.iter().any(|book| book["Id"] == *id && book["IsStandard"] == true);
        let entry = entries.iter().find(|entry| {
            entry["Product2Id"] == second["Id"] && !is_standard(&entry["Pricebook2Id"]) && entry["IsDeleted"] != true
        });
        delete(&world, "PricebookEntry", &entry.context("an entry")?["Id"]).await?;
        let of_product = |own: &Value| own["Tandem_Product__c"] == second["Id"] && own["IsDeleted"] != true;
        let stock = world.until_record("Tandem_Stock__c", "stock", of_product).await?;
        delete(&world, "Tandem_Stock__c", &stock["Id"]).await?;
        let special = world.until_record("Tandem_Special_Price__c", "it", is_there).await?;
        delete(&world, "Tandem_Special_Price__c", &special["Id"]).await?;
        if by_itself {
            another_day(&mut world, &["catalogue", "inventory"]).await?;
        } else {
            world.tandem(&["backfill", "catalogue", "--yes"]).await?;
            world.tandem(&["backfill", "inventory", "--yes"]).await?;
        }
        let again = product(&world, code).await?;
        let before: Vec<&str> = before.iter().map(String::as_str).collect();
        until_prices(&world, &again, &before).await?;
        until_prices(&world, &second, &of_second.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        let key = stock["Tandem_Key__c"].clone();
        let remade = |own: &Value| own["Tandem_Key__c"] == key && own["IsDeleted"] != true;
        world.until_record("Tandem_Stock__c", "made again", remade).await?;
        world.until_record("Tandem_Special_Price__c", "made again", is_there).await?;
        let shown = |own: &Value| own["Id"] == again["Id"] && own["Tandem_In_Stock__c"].is_number();
        world.until_record("Product2", "stock of the product made again", shown).await?;
        let of_it = |own: &Value| own["Tandem_Product__c"] == again["Id"];
        world.until_record("Tandem_Stock__c", "below the product made again", of_it).await?;
    }
    world.settled().await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

#[tokio::test]
async fn the_last_day_of_an_item_and_of_a_special_price_passes_and_nobody_changes_them() -> Result<()> {
    let mut world = World::with(Setup {
        plugins: vec!["catalogue"],
        b1: SELDOM.into(),
        b1_arguments: ["--time-zone", "Etc/GMT+12"].map(str::to_owned).to_vec(),
        // By its day alone, and not in its turn.
        flows: vec![("catalogue", "settings = { look_again = 0 }")],
        ..Setup::default()
    })
    .await?;
    let today = today(&world).await?;
    let mut old = item("V1", json!([price(1, 10, "EUR")]));
    old["ValidTo"] = json!(format!("{today}T00:00:00Z"));
    world.b1_post("/Items", old).await?;
    let special = json!({ "CardCode": "C00001", "ItemCode": "V1", "Price": 9, "Currency": "EUR", "ValidTo": today });
    world.b1_post("/SpecialPrices", special).await?;
    world.up().await?;
    world.tandem(&["backfill", "catalogue", "--yes"]).await?;
    assert_eq!(product(&world, "V1").await?["IsActive"], true);
    let is_active = |active: bool| move |own: &Value| own["Tandem_Active__c"] == active;
    world.until_record("Tandem_Special_Price__c", "the price", is_active(true)).await?;
    another_day(&mut world, &["catalogue"]).await?;
    let ended = |own: &Value| own["Tandem_Item_Code__c"] == "V1" && own["Tandem_Discontinued__c"] == true;
    world.until_record("Product2", "its last day has passed", ended).await?;
    world.until_record("Tandem_Special_Price__c", "its last day has passed", is_active(false)).await?;
    Ok(())
}

#[tokio::test]
async fn a_special_price_is_of_the_unit_and_net_as_prices_and_orders_are() -> Result<()> {
    let mut world = world(&["catalogue"], SELDOM).await?;
    world.b1_patch("/PriceLists(2)", json!({ "IsGrossPrice": "tYES" })).await?;
    let units = json!([
        { "AlternateUoM": 1, "AlternateQuantity": 1, "BaseQuantity": 1 },
        { "AlternateUoM": 7, "AlternateQuantity": 1, "BaseQuantity": 12 },
    ]);
    let group = json!({ "AbsEntry": 3, "Code": "Boxes", "BaseUoM": 1, "UoMGroupDefinitionCollection": units });
    world.b1_post("/UnitOfMeasurementGroups", group).await?;
    // Sold in boxes of twelve, priced by the piece.
    let mut boxed = item("GROUP", json!([price(1, 10, "EUR"), price(2, 1190, "EUR")]));
    for (name, value) in [("UoMGroupEntry", 3), ("DefaultSalesUoMEntry", 7), ("PricingUnit", 1)] {
        boxed[name] = value.into();
    }
    boxed["SalesVATGroup"] = "A1".into();
    world.b1_post("/Items", boxed).await?;
    for (card, list, price) in [("C00001", 1, 9.0), ("C00002", 2, 11.9)] {
        let special =
            json!({ "CardCode": card, "ItemCode": "GROUP", "Price": price, "Currency": "EUR", "PriceListNum": list });
        world.b1_post("/SpecialPrices", special).await?;
    }
    world.up().await?;
    world.tandem(&["backfill", "catalogue", "--yes"]).await?;
    let own = product(&world, "GROUP").await?;
    assert!(prices(&world, &own).await?.iter().any(|own| own.ends_with("EUR 120")), "the list's price is of a box");
    for (card, wanted) in [("C00001", 108.0), ("C00002", 120.0)] {
        let name = format!("{card} GROUP");
        let shown = world.until_record("Tandem_Special_Price__c", card, |own| own["Name"] == name.as_str()).await?;
        assert_eq!(shown["Tandem_Price__c"].as_f64(), Some(wanted), "{shown}");
    }
    Ok(())
}

#[tokio::test]
async fn what_somebody_deleted_or_changed_of_an_order_and_what_followed_it_is_made_good_the_next_day() -> Result<()> {
    let flows = ["orders", "invoices", "fulfilment", "credit"];
    let mut world = world(&flows, SELDOM).await?;
    world.up().await?;
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    let order = world.orders_of(&id).await?.remove(0);
    for action in ["deliver", "invoice"] {
        clerk(&world, &format!("{action}/{}", order["DocEntry"])).await?;
    }
    let invoice = world.b1_records("Invoices").await?.into_iter().max_by_key(|own| own["DocEntry"].as_i64());
    clerk(&world, &format!("pay/{}", invoice.context("an invoice")?["DocEntry"])).await?;
    for flow in ["invoices", "fulfilment", "credit"] {
        world.tandem(&["backfill", flow, "--yes"]).await?;
    }
    world.settled().await?;
    let objects = ["Tandem_Delivery__c", "Tandem_Invoice__c", "Tandem_Payment__c"];
    let of_it = |own: &Value| own["Tandem_Opportunity__c"] == id.as_str() && own["IsDeleted"] != true;
    let mut keys = Vec::new();
    for object in objects {
        let own = match object {
            "Tandem_Payment__c" => world.until_record(object, "it", |own| own["IsDeleted"] != true).await?,
            _ => world.until_record(object, "it", of_it).await?,
        };
        keys.push(own["Tandem_Key__c"].clone());
        delete(&world, object, &own["Id"]).await?;
    }
    let before = world.opportunity(&id).await?;
    let account = before["AccountId"].as_str().unwrap_or_default().to_owned();
    let is_its = |own: &Value| own["Id"] == account.as_str() && own["Tandem_Exposure__c"].is_number();
    let credit = world.until_record("Account", "its credit", is_its).await?;
    let told = ["Tandem_Delivery_State__c", "Tandem_Invoiced__c", "Tandem_Order_Number__c"];
    anyhow::ensure!(told.iter().all(|name| !before[*name].is_null()), "{before}");
    // What the org does not tell the host of.
    world.stop().await?;
    for name in told {
        world.change("Opportunity", &id, json!({ name: null })).await?;
    }
    world.change("Account", &account, json!({ "Tandem_Exposure__c": 1 })).await?;
    world.up().await?;
    world.settled().await?;

    another_day(&mut world, &flows).await?;
    for (object, key) in objects.into_iter().zip(&keys) {
        let again = |own: &Value| own["IsDeleted"] != true && own["Tandem_Key__c"] == *key;
        world.until_record(object, "it again", again).await?;
    }
    let as_before = |own: &Value| own["Id"] == id.as_str() && told.iter().all(|name| own[*name] == before[*name]);
    world.until_record("Opportunity", "what it showed", as_before).await?;
    let as_it_was =
        |own: &Value| own["Id"] == account.as_str() && own["Tandem_Exposure__c"] == credit["Tandem_Exposure__c"];
    world.until_record("Account", "what it showed", as_it_was).await?;
    world.settled().await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    assert_eq!(world.orders_of(&id).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_status_is_shown_beside_a_question_and_what_a_person_ignored_is_not_asked_again_each_day() -> Result<()> {
    let mut world = world(&["orders"], FAST).await?;
    world.up().await?;
    let ignore = async |world: &World| {
        let one = async |world: &World| {
            let asked = world.tandem_json(&["review", "list"]).await?;
            Ok((asked.as_array().map(Vec::len) == Some(1)).then_some(asked))
        };
        let asked = world.until("one question", PATIENCE, one).await?;
        world.tandem(&["review", "resolve", "--choose", "ignore", &asked[0]["id"].to_string()]).await?;
        world.settled().await
    };
    let id = world.opportunities(1).await?.remove(0);
    let line = world.lines(&id).await?.remove(0);
    world.change("OpportunityLineItem", line["Id"].as_str().context("an id")?, json!({ "Quantity": 10 })).await?;
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    let entry = world.orders_of(&id).await?[0]["DocEntry"].clone();
    // B1 cancels no order that is delivered in part, nor one that is closed.
    clerk(&world, &format!("deliver/{entry}?partly")).await?;
    world.change("Opportunity", &id, json!({ "StageName": "Prospecting" })).await?;
    world.until_state(&id, "Review").await?;
    ignore(&world).await?;
    world.b1_call("POST", &format!("/Orders({entry})/Close"), Value::Null).await?;
    let closed = |own: &Value| own["Id"] == id.as_str() && own["Tandem_Order_Status__c"] == "Closed";
    world.until_record("Opportunity", "the order's status", closed).await?;
    ignore(&world).await?;
    another_day(&mut world, &["orders"]).await?;
    let looked = async |world: &World| {
        let events = world.tandem_json(&["events", "list", "--flow", "orders"]).await?;
        Ok(events.to_string().contains("to be looked at again").then_some(()))
    };
    world.until("the orders to be looked at", PATIENCE, looked).await?;
    world.settled().await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

#[tokio::test]
async fn a_days_look_is_made_up_for_when_b1_could_not_be_asked_as_the_day_began() -> Result<()> {
    let mut world = world(&["orders"], SELDOM).await?;
    world.up().await?;
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    world.settled().await?;
    world.stop().await?;
    world.change("Opportunity", &id, json!({ "Tandem_Order_Number__c": null })).await?;
    world.up().await?;
    world.settled().await?;
    world.b1_faults(json!([{ "path": "/b1s/v2/Orders", "method": "GET", "kind": "html-before" }])).await?;
    another_day(&mut world, &["orders"]).await?;
    let asked = async |world: &World| {
        let events = world.tandem_json(&["events", "list", "--flow", "orders"]).await?;
        Ok(events.to_string().contains("looking for what is to be looked at again").then_some(()))
    };
    world.until("B1 to be asked in vain", PATIENCE, asked).await?;
    world.b1_faults(json!([])).await?;
    let shown = |own: &Value| own["Id"] == id.as_str() && own["Tandem_Order_Number__c"].is_string();
    world.until_record("Opportunity", "its order", shown).await?;
    Ok(())
}

#[tokio::test]
async fn a_refused_field_that_a_person_ignored_is_not_asked_about_again_each_day() -> Result<()> {
    let mut world = world(&["orders", "fulfilment"], FAST).await?;
    world.up().await?;
    let rule = json!({ "object": "Tandem_Delivery__c", "condition": "Tandem_Tracking_Number__c LIKE '%x%'", "message": "A tracking number has digits", "field": "Tandem_Tracking_Number__c" });
    let (status, body) =
        world.send("PUT", &format!("{}/admin/rules", world.salesforce), &json!({ "validations": [rule] })).await?;
    anyhow::ensure!(status < 300, "{body}");
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    let entry = world.orders_of(&id).await?[0]["DocEntry"].clone();
    clerk(&world, &format!("deliver/{entry}")).await?;
    let delivery = world.b1_records("DeliveryNotes").await?.pop().context("the delivery")?["DocEntry"].clone();
    world.b1_patch(&format!("/DeliveryNotes({delivery})"), json!({ "TrackingNumber": "x1" })).await?;
    let open = async |world: &World| -> Result<Vec<Value>> {
        Ok(world.tandem_json(&["review", "list"]).await?.as_array().cloned().unwrap_or_default())
    };
    let one = async |world: &World| Ok((!open(world).await?.is_empty()).then_some(()));
    world.until("the question", PATIENCE, one).await?;
    // What was stamped just now B1 is asked for once more.
    tokio::time::sleep(Duration::from_secs(4)).await;
    world.settled().await?;
    for asked in open(&world).await? {
        anyhow::ensure!(asked["reason"].as_str().is_some_and(|why| why.contains("digits")), "{asked}");
        world.tandem(&["review", "resolve", "--choose", "ignore", &asked["id"].to_string()]).await?;
    }
    world.settled().await?;
    another_day(&mut world, &["orders", "fulfilment"]).await?;
    let looked = async |world: &World| {
        let events = world.tandem_json(&["events", "list", "--flow", "fulfilment"]).await?;
        let again = events
            .as_array()
            .into_iter()
            .flatten()
            .find(|own| own["topic"] == "timer.wake" && own["key"] == format!("Orders({entry})").as_str());
        Ok(again.filter(|own| own["state"] != "ready" && own["state"] != "leased").cloned())
    };
    let again = world.until("the order to be looked at again", PATIENCE, looked).await?;
    world.settled().await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]), "{again}");
    Ok(())
}

/// A clerk's button on the simulator.
async fn clerk(world: &World, action: &str) -> Result<()> {
    let (status, body) = world.send("POST", &format!("{}/admin/{action}", world.b1), &json!({})).await?;
    anyhow::ensure!(status < 300, "{action}: {status} {body}");
    Ok(())
}
