//! Money, units and days: what an order is worth in B1, in which currency and unit, and on which day it may be made.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

const FAST: &str = "poll_seconds = 1\nstock_scan_seconds = 1\nprice_scan_seconds = 1\ntime_zone = \"Europe/Berlin\"";
const PATIENCE: Duration = Duration::from_secs(20);

fn num(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

/// No orders of the past: nobody owes anything.
fn no_past() -> Vec<String> {
    ["--orders", "0"].map(str::to_owned).to_vec()
}

async fn world(flow: &str) -> Result<World> {
    let mut world =
        World::with(Setup { flow: flow.into(), b1: FAST.into(), b1_arguments: no_past(), ..Setup::default() }).await?;
    world.up().await?;
    Ok(world)
}

async fn customer_of(world: &World, id: &str) -> Result<String> {
    let account = world.opportunity(id).await?["AccountId"].clone();
    let account = world.records("Account").await?.into_iter().find(|own| own["Id"] == account).unwrap_or_default();
    Ok(account["Tandem_Card_Code__c"].as_str().unwrap_or_default().to_owned())
}

fn message(opportunity: &Value) -> &str {
    opportunity["Tandem_Sync_Message__c"].as_str().unwrap_or_default()
}

/// An open opportunity of the n-th customer with one line at that price, in a currency for which the first item has an entry.
async fn opportunity(world: &World, card_code: &str, currency: &str, price: f64) -> Result<String> {
    let account = world.until_record("Account", "the customer", |own| own["Tandem_Card_Code__c"] == card_code).await?;
    let standard = world.until_record("Pricebook2", "the standard book", |own| own["IsStandard"] == true).await?;
    let entry = world
        .until_record("PricebookEntry", "an entry", |own| {
            own["CurrencyIsoCode"] == currency && own["Pricebook2Id"] != standard["Id"]
        })
        .await?;
    let id = world
        .create(
            "Opportunity",
            json!({ "Name": format!("{price} {currency}"), "StageName": "Prospecting", "CloseDate": "2027-03-01",
                "AccountId": account["Id"], "CurrencyIsoCode": currency, "Pricebook2Id": entry["Pricebook2Id"] }),
        )
        .await?;
    let line = json!({ "OpportunityId": id, "PricebookEntryId": entry["Id"], "Quantity": 1, "UnitPrice": price, "SortOrder": 1 });
    world.create("OpportunityLineItem", line).await?;
    Ok(id)
}

#[tokio::test]
async fn a_customers_standing_discount_does_not_make_the_order_cheaper_than_the_opportunity() -> Result<()> {
    let world = world("").await?;
    let id = world.opportunities(2).await?.remove(1);
    let customer = customer_of(&world, &id).await?;
    world.b1_patch(&format!("/BusinessPartners('{customer}')"), json!({ "DiscountPercent": 5 })).await?;
    world.win(&id).await?;
    let shown = world.until_state(&id, "Synced").await?;
    let order = world.orders_of(&id).await?.remove(0);
    assert_eq!(num(&order["DiscountPercent"]), 0.0);
    let net = num(&order["DocTotal"]) - num(&order["VatSum"]);
    assert!((net - num(&shown["Amount"])).abs() < 0.02, "{net} {}", shown["Amount"]);
    assert!(!message(&shown).contains("total"), "{shown}");
    Ok(())
}

#[tokio::test]
async fn a_total_that_b1_makes_another_is_told_and_asked_about_from_the_amount_set() -> Result<()> {
    let world = world("settings = { total_difference = 50 }").await?;
    world.b1_settings(json!({ "forced_discount": 10 })).await?;
    let told = opportunity(&world, "C00001", "EUR", 100.0).await?;
    world.win(&told).await?;
    let shown = world.until_state(&told, "Synced").await?;
    assert!(message(&shown).contains("B1's total before tax is 90.00 EUR, the opportunity's 100.00 EUR"), "{shown}");
    let asked = opportunity(&world, "C00001", "EUR", 1000.0).await?;
    world.win(&asked).await?;
    let shown = world.until_state(&asked, "Review").await?;
    let order = world.orders_of(&asked).await?.remove(0);
    assert_eq!(shown["Tandem_Order_Number__c"].as_str().unwrap(), order["DocNum"].to_string(), "the order is there");
    let reviews = world.tandem_json(&["review", "list"]).await?;
    let (reason, number) = (reviews[0]["reason"].as_str().unwrap_or_default(), reviews[0]["id"].to_string());
    assert!(reason.contains("900.00 EUR") && reason.contains("1,000.00 EUR"), "{reason}");
    world.tandem(&["review", "resolve", "--choose", "keep it so", &number]).await?;
    world.until_state(&asked, "Synced").await?;
    assert_eq!(world.orders_of(&asked).await?.len(), 1);
    // An echo asks nothing anew.
    world.settled().await?;
    assert_eq!(world.opportunity(&asked).await?["Tandem_Sync_State__c"], "Synced");
    Ok(())
}

#[tokio::test]
async fn an_order_in_dollars_is_held_against_a_limit_in_euros_by_the_rate_of_the_day_and_with_tax() -> Result<()> {
    let world = world("").await?;
    world
        .b1_patch(
            "/BusinessPartners('C00010')",
            json!({ "Currency": "##", "CreditLimit": 50000, "MaxCommitment": 50000 }),
        )
        .await?;
    // 49,000 USD are 41,650 EUR, and 49,563.50 EUR with tax.
    let fits = opportunity(&world, "C00010", "USD", 49_000.0).await?;
    world.win(&fits).await?;
    world.until_state(&fits, "Synced").await?;
    let order = world.orders_of(&fits).await?.remove(0);
    assert_eq!((num(&order["DocTotal"]), num(&order["DocTotalFc"])), (49_563.5, 58_310.0));
    let more = opportunity(&world, "C00010", "USD", 1_000.0).await?;
    world.win(&more).await?;
    let shown = world.until_state(&more, "Review").await?;
    for part in ["limit of 50,000.00 EUR", "49,563.50 EUR used", "1,011.50 EUR with tax", "in USD"] {
        assert!(message(&shown).contains(part), "{part}: {shown}");
    }
    assert!(world.orders_of(&more).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_currency_without_a_rate_today_is_said_and_nothing_is_made_up() -> Result<()> {
    let world = world("").await?;
    world.b1_patch("/BusinessPartners('C00010')", json!({ "Currency": "##", "CreditLimit": 50 })).await?;
    world.b1_settings(json!({ "rates": {} })).await?;
    let id = opportunity(&world, "C00010", "USD", 49_000.0).await?;
    world.win(&id).await?;
    let shown = world.until_state(&id, "Review").await?;
    assert!(message(&shown).contains("exchange rate") && message(&shown).contains("USD"), "{shown}");
    assert!(world.orders_of(&id).await?.is_empty());
    Ok(())
}

/// The order goes its way, whatever it is worth; the reason told is the one there is.
#[tokio::test]
async fn where_b1_does_not_tell_its_own_currency_credit_is_not_checked_and_that_is_said() -> Result<()> {
    let world = world("").await?;
    let refused = json!({ "refuse": { "status": 403, "code": "-1", "message": "no authorization" } });
    world.b1_faults(json!([{ "path": "CompanyService_GetAdminInfo", "kind": refused }])).await?;
    world.b1_patch("/BusinessPartners('C00010')", json!({ "Currency": "##", "CreditLimit": 50 })).await?;
    for currency in ["EUR", "USD"] {
        let id = opportunity(&world, "C00010", currency, 1_000.0).await?;
        world.win(&id).await?;
        let shown = world.until_state(&id, "Synced").await?;
        for part in ["credit was not checked", "the company's own currency", "CompanyService_GetAdminInfo"] {
            assert!(message(&shown).contains(part), "{part}: {shown}");
        }
        assert!(!message(&shown).contains("rate for"), "{shown}");
    }
    Ok(())
}

#[tokio::test]
async fn an_order_that_grows_beyond_the_limit_is_held_and_stays_what_it_was() -> Result<()> {
    let world = world("").await?;
    world.b1_patch("/BusinessPartners('C00001')", json!({ "CreditLimit": 5000 })).await?;
    let id = opportunity(&world, "C00001", "EUR", 1_000.0).await?;
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    let line = world.lines(&id).await?[0]["Id"].as_str().unwrap_or_default().to_owned();
    world.change("OpportunityLineItem", &line, json!({ "Quantity": 9000 })).await?;
    world.change("Opportunity", &id, json!({ "Tandem_Order_Notes__c": "much more" })).await?;
    let shown = world.until_state(&id, "Review").await?;
    assert!(message(&shown).contains("this change adds"), "{shown}");
    assert_eq!(num(&world.orders_of(&id).await?[0]["DocumentLines"][0]["Quantity"]), 1.0);
    // What makes it smaller is no question of credit.
    world.change("OpportunityLineItem", &line, json!({ "Quantity": 1, "UnitPrice": 900 })).await?;
    world.change("Opportunity", &id, json!({ "Tandem_Order_Notes__c": "less" })).await?;
    let smaller = async |world: &World| {
        Ok((num(&world.orders_of(&id).await?[0]["DocumentLines"][0]["UnitPrice"]) == 900.0).then_some(()))
    };
    world.until("the smaller order", PATIENCE, smaller).await
}

#[tokio::test]
async fn an_opportunity_in_usd_becomes_an_order_in_b1s_own_code_of_it() -> Result<()> {
    let setup = Setup { b1: FAST.into(), plugins: vec!["orders", "catalogue"], ..Setup::default() };
    let mut world = World::with(setup).await?;
    world.b1_settings(json!({ "rates": { "$": 0.85 } })).await?;
    let dollar = json!({ "Code": "$", "Name": "US Dollar", "DocumentsCode": "USD" });
    world.b1_post("/Currencies", dollar).await?;
    world.b1_patch("/BusinessPartners('C00001')", json!({ "Currency": "$" })).await?;
    world
        .b1_patch("/Items('A00001')", json!({ "ItemPrices": [{ "PriceList": 1, "Price": 99.5, "Currency": "$" }] }))
        .await?;
    world.up().await?;
    world.tandem(&["backfill", "catalogue", "--yes"]).await?;
    // The price in the price book, in the org's code.
    let entry = world
        .until_record("PricebookEntry", "the price in USD", |own| {
            own["UnitPrice"] == 99.5 && own["CurrencyIsoCode"] == "USD"
        })
        .await?;
    assert_eq!(entry["IsActive"], true);
    let id = opportunity(&world, "C00001", "USD", 250.0).await?;
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    let order = world.orders_of(&id).await?.remove(0);
    assert_eq!((&order["DocCurrency"], &order["DocumentLines"][0]["Currency"]), (&json!("$"), &json!("$")));
    world.settled().await?;
    // An echo changes nothing, and a change does not touch the currency.
    world.change("Opportunity", &id, json!({ "Tandem_PO_Number__c": "PO-9" })).await?;
    let changed = async |world: &World| {
        let order = world.orders_of(&id).await?.remove(0);
        Ok((order["NumAtCard"] == "PO-9" && order["DocCurrency"] == "$").then_some(()))
    };
    world.until("the change", PATIENCE, changed).await
}

#[tokio::test]
async fn five_boxes_of_twelve_are_short_of_fifty_pieces_and_are_ordered_as_boxes() -> Result<()> {
    let setup = Setup { b1: FAST.into(), plugins: vec!["orders", "catalogue", "inventory"], ..Setup::default() };
    let mut world = World::with(setup).await?;
    // One in boxes by hand, one in boxes of a group.
    world
        .b1_post("/UnitOfMeasurementGroups", json!({ "AbsEntry": 3, "Code": "Boxes", "BaseUoM": 1, "UoMGroupDefinitionCollection": [
            { "AlternateUoM": 1, "AlternateQuantity": 1, "BaseQuantity": 1 }, { "AlternateUoM": 7, "AlternateQuantity": 1, "BaseQuantity": 12 } ] }))
        .await?;
    let by_hand = json!({ "SalesItemsPerUnit": 12 });
    let by_group = json!({ "UoMGroupEntry": 3, "DefaultSalesUoMEntry": 7, "PricingUnit": 7 });
    for (code, unit) in [("BOX", &by_hand), ("GROUP", &by_group)] {
        let mut item = json!({ "ItemCode": code, "ItemName": code, "SalesUnit": "box", "InventoryUOM": "pcs",
            "ItemPrices": [{ "PriceList": 1, "Price": 10, "Currency": "EUR" }] });
        item.as_object_mut().unwrap().extend(unit.as_object().cloned().unwrap());
        world.b1_post("/Items", item).await?;
        // Fifty pieces come back to the shelf.
        let back =
            json!({ "ItemCode": code, "Quantity": 50, "UnitPrice": 0, "WarehouseCode": "01", "UseBaseUnits": "tYES" });
        world.b1_post("/Returns", json!({ "CardCode": "C00001", "DocumentLines": [back] })).await?;
    }
    world.up().await?;
    world.tandem(&["backfill", "catalogue", "--yes"]).await?;
    for code in ["BOX", "GROUP"] {
        let product = world
            .until_record("Product2", "the stock in boxes", |own| {
                own["Tandem_Item_Code__c"] == code && own["Tandem_In_Stock__c"].is_number()
            })
            .await?;
        assert_eq!(num(&product["Tandem_In_Stock__c"]), 4.166666, "{product}");
        let entry = world
            .until_record("PricebookEntry", "its price", |own| {
                own["Product2Id"] == product["Id"] && own["CurrencyIsoCode"] == "EUR"
            })
            .await?;
        assert_eq!(num(&entry["UnitPrice"]), 10.0, "of a box");
        let account = world.records("Account").await?.remove(0)["Id"].clone();
        let id = world
            .create(
                "Opportunity",
                json!({ "Name": code, "StageName": "Prospecting", "CloseDate": "2027-03-01", "AccountId": account,
                "CurrencyIsoCode": "EUR", "Pricebook2Id": entry["Pricebook2Id"] }),
            )
            .await?;
        for quantity in [5, 4] {
            let line = json!({ "OpportunityId": id, "PricebookEntryId": entry["Id"], "Quantity": quantity, "UnitPrice": 10, "SortOrder": quantity });
            world.create("OpportunityLineItem", line).await?;
        }
        for (quantity, state) in [(5, "Short"), (4, "Enough")] {
            world
                .until_record("OpportunityLineItem", state, |own| {
                    own["OpportunityId"] == id.as_str()
                        && own["Quantity"] == quantity
                        && own["Tandem_Availability__c"] == state
                })
                .await?;
        }
        world.win(&id).await?;
        world.until_state(&id, "Synced").await?;
        let order = world.orders_of(&id).await?.remove(0);
        for line in order["DocumentLines"].as_array().unwrap() {
            assert_eq!(num(&line["InventoryQuantity"]), num(&line["Quantity"]) * 12.0, "{line}");
            let entry = if code == "GROUP" { json!(7) } else { json!(-1) };
            assert_eq!((&line["UoMEntry"], &line["UseBaseUnits"]), (&entry, &json!("tNO")), "{line}");
        }
        assert_eq!(num(&order["DocTotal"]) - num(&order["VatSum"]), 90.0);
        let item = world.b1_records("Items").await?.into_iter().find(|item| item["ItemCode"] == code).unwrap();
        assert_eq!(num(&item["QuantityOrderedByCustomers"]), 108.0);
    }
    Ok(())
}

#[tokio::test]
async fn a_hold_that_is_to_come_keeps_no_order_and_one_of_today_does() -> Result<()> {
    let world = world("").await?;
    let ids = world.opportunities(3).await?;
    let hold = |from: &str| json!({ "Frozen": "tYES", "FrozenFrom": from });
    let customer = customer_of(&world, &ids[0]).await?;
    world.b1_patch(&format!("/BusinessPartners('{customer}')"), hold("2031-01-01")).await?;
    let item = world.lines(&ids[1]).await?[0]["ProductCode"].as_str().unwrap_or_default().to_owned();
    world
        .b1_patch(&format!("/Items('{item}')"), json!({ "Valid": "tNO", "Frozen": "tYES", "FrozenFrom": "2031-01-01" }))
        .await?;
    let other = customer_of(&world, &ids[2]).await?;
    world.b1_patch(&format!("/BusinessPartners('{other}')"), hold("2020-01-01")).await?;
    for id in &ids {
        world.win(id).await?;
    }
    world.until_state(&ids[0], "Synced").await?;
    world.until_state(&ids[1], "Synced").await?;
    let held = world.until_state(&ids[2], "Review").await?;
    assert!(message(&held).contains("inactive or frozen"), "{held}");
    Ok(())
}

#[tokio::test]
async fn a_close_date_in_the_past_becomes_a_due_date_of_today_and_is_told() -> Result<()> {
    let world = world("").await?;
    let id = world.opportunities(1).await?.remove(0);
    world.change("Opportunity", &id, json!({ "CloseDate": "2020-11-01" })).await?;
    world.win(&id).await?;
    let shown = world.until_state(&id, "Synced").await?;
    let order = world.orders_of(&id).await?.remove(0);
    assert_eq!(order["DocDueDate"], order["DocDate"]);
    assert!(message(&shown).contains("2020-11-01 is past"), "{shown}");
    // The day goes on being past: that is no change.
    world.change("Opportunity", &id, json!({ "Tandem_PO_Number__c": "PO-7" })).await?;
    let changed = async |world: &World| {
        let own = world.orders_of(&id).await?.remove(0);
        Ok((own["NumAtCard"] == "PO-7" && own["DocDueDate"] == order["DocDueDate"]).then_some(()))
    };
    world.until("the change", PATIENCE, changed).await
}

#[tokio::test]
async fn an_order_made_anew_is_due_by_its_own_day_and_not_by_that_of_the_cancelled_one() -> Result<()> {
    let world = world("").await?;
    let id = world.opportunities(1).await?.remove(0);
    world.change("Opportunity", &id, json!({ "CloseDate": "2020-11-01" })).await?;
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    let order = world.orders_of(&id).await?.remove(0);
    let address = format!("/Orders({})", order["DocEntry"]);
    world.b1_patch(&address, json!({ "DocDate": "2020-10-01", "DocDueDate": "2020-10-01" })).await?;
    world.b1_call("POST", &format!("{address}/Cancel"), Value::Null).await?;
    let question = async |world: &World| {
        let reviews = world.tandem_json(&["review", "list"]).await?;
        let own =
            reviews.as_array().into_iter().flatten().find(|own| own["choices"][0] == "create a new order").cloned();
        Ok(own)
    };
    let question = world.until("the question", PATIENCE, question).await?;
    world.tandem(&["review", "resolve", "--choose", "create a new order", &question["id"].to_string()]).await?;
    let made = async |world: &World| Ok(world.orders_of(&id).await?.into_iter().find(|own| own["Cancelled"] == "tNO"));
    let made = world.until("the new order", PATIENCE, made).await?;
    assert_eq!((&made["DocDate"], &made["DocDueDate"]), (&order["DocDate"], &order["DocDate"]));
    Ok(())
}
