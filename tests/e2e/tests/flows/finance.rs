//! What finance and operations see: stock, credit, invoices, payments, deliveries, from one order through to its payment.

use anyhow::Result;
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

const FAST: &str = "poll_seconds = 1\nstock_scan_seconds = 1\nprice_scan_seconds = 1\ntime_zone = \"Europe/Berlin\"";

async fn world(plugins: &[&'static str]) -> Result<World> {
    let setup = Setup { plugins: plugins.to_vec(), b1: FAST.into(), ..Setup::default() };
    let mut world = World::with(setup).await?;
    world.up().await?;
    Ok(world)
}

async fn ordered(world: &World) -> Result<(String, Value)> {
    // The third has several lines.
    let id = world.opportunities(3).await?.remove(2);
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    Ok((id.clone(), world.orders_of(&id).await?.remove(0)))
}

/// A clerk's button on the simulator.
async fn clerk(world: &World, action: &str) -> Result<()> {
    let (status, body) = world.send("POST", &format!("{}/admin/{action}", world.b1), &json!({})).await?;
    anyhow::ensure!(status < 300, "{action}: {status} {body}");
    Ok(())
}

async fn newest(world: &World, set: &str) -> Result<Value> {
    let all = world.b1_records(set).await?;
    Ok(all.into_iter().max_by_key(|record| record["DocEntry"].as_i64()).unwrap_or_default())
}

#[tokio::test]
async fn an_order_shows_stock_delivery_invoice_and_payment() -> Result<()> {
    let world = world(&["orders", "inventory", "fulfilment", "invoices", "credit"]).await?;
    let (id, order) = ordered(&world).await?;
    let line = &order["DocumentLines"][0];
    let (item, quantity) = (line["ItemCode"].as_str().unwrap_or_default().to_owned(), line["Quantity"].clone());

    // Committed stock, on the product and in the warehouse, at once.
    let is_item = |product: &Value| product["ProductCode"] == item.as_str();
    let product = world
        .until_record("Product2", "committed stock", |product| {
            is_item(product) && product["Tandem_Committed__c"] == quantity
        })
        .await?;
    let number = |name: &str| product[name].as_f64().unwrap_or_default();
    assert_eq!(number("Tandem_Available__c"), number("Tandem_In_Stock__c") - number("Tandem_Committed__c"));
    let mine = |stock: &Value| stock["Tandem_Product__c"] == product["Id"] && stock["Tandem_Committed__c"] == quantity;
    world.until_record("Tandem_Stock__c", "the warehouse", mine).await?;

    // Why does the product show that? By its id, and by B1's key; told once the run that wrote it has ended.
    world.settled().await?;
    for record in [product["Id"].as_str().unwrap_or_default(), item.as_str()] {
        let told = world.tandem_json(&["explain", record, "Tandem_Committed__c"]).await?;
        let call = &told["calls"][0];
        assert_eq!((&call["flow"], &call["wrote"]["values"][0]["value"]), (&json!("inventory"), &quantity), "{told}");
    }

    // Partly shipped, shipped.
    let entry = order["DocEntry"].clone();
    clerk(&world, &format!("deliver/{entry}?partly=true")).await?;
    let state = |word: &'static str| {
        let id = id.clone();
        move |record: &Value| record["Id"] == id.as_str() && record["Tandem_Delivery_State__c"] == word
    };
    world.until_record("Opportunity", "partly shipped", state("Partly shipped")).await?;
    clerk(&world, &format!("deliver/{entry}")).await?;
    world.until_record("Opportunity", "shipped", state("Shipped")).await?;
    let delivery = newest(&world, "DeliveryNotes").await?;
    world
        .b1_patch(
            &format!("/DeliveryNotes({})", delivery["DocEntry"]),
            json!({ "TrackingNumber": "1Z 999", "TransportationCode": 3 }),
        )
        .await?;
    world
        .until_record("Opportunity", "tracking", |record| {
            record["Id"] == id.as_str() && record["Tandem_Tracking_Number__c"] == "1Z 999"
        })
        .await?;
    world
        .until_record("Tandem_Delivery__c", "its record", |record| {
            record["Tandem_Tracking_Number__c"] == "1Z 999" && record["Tandem_Opportunity__c"] == id.as_str()
        })
        .await?;
    world
        .until_record("OpportunityLineItem", "the line", |record| {
            record["OpportunityId"] == id.as_str() && record["Tandem_Line_Status__c"] == "Shipped"
        })
        .await?;

    // Invoiced, by the chain delivery → order under the opportunity; then paid.
    clerk(&world, &format!("invoice/{entry}")).await?;
    let invoice = world
        .until_record("Tandem_Invoice__c", "the invoice", |record| record["Tandem_Opportunity__c"] == id.as_str())
        .await?;
    assert_eq!(invoice["Tandem_Status__c"], "Open");
    let account = invoice["Tandem_Account__c"].clone();
    world
        .until_record("Account", "open amount", |record| {
            record["Id"] == account && record["Tandem_Open_Amount__c"] == invoice["Tandem_Open__c"]
        })
        .await?;
    let made = newest(&world, "Invoices").await?;
    clerk(&world, &format!("pay/{}", made["DocEntry"])).await?;
    world
        .until_record("Tandem_Invoice__c", "paid", |record| {
            record["Id"] == invoice["Id"] && record["Tandem_Status__c"] == "Paid"
        })
        .await?;
    let payment = world
        .until_record("Tandem_Payment__c", "the payment", |record| record["Tandem_Invoice__c"] == invoice["Id"])
        .await?;
    assert_eq!(payment["Tandem_Amount__c"], invoice["Tandem_Total__c"]);
    world
        .until_record("Opportunity", "paid", |record| {
            record["Id"] == id.as_str() && record["Tandem_Paid__c"] == invoice["Tandem_Total__c"]
        })
        .await?;
    world
        .until_record("Account", "nothing open", |record| {
            record["Id"] == account && record["Tandem_Open_Amount__c"] == 0
        })
        .await?;

    // The payment is cancelled: open again.
    let paid = newest(&world, "IncomingPayments").await?;
    world.b1_call("POST", &format!("/IncomingPayments({})/Cancel", paid["DocEntry"]), Value::Null).await?;
    world
        .until_record("Tandem_Invoice__c", "open again", |record| {
            record["Id"] == invoice["Id"] && record["Tandem_Status__c"] == "Open"
        })
        .await?;
    world
        .until_record("Tandem_Payment__c", "cancelled", |record| {
            record["Id"] == payment["Id"] && record["Tandem_Cancelled__c"] == true
        })
        .await?;
    world.settled().await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

#[tokio::test]
async fn a_crossing_of_the_credit_limit_is_told_once() -> Result<()> {
    let world = world(&["credit"]).await?;
    let order = async |quantity: i64| {
        let body = json!({ "CardCode": "C00007", "DocDueDate": "2027-01-31", "DocumentLines": [{ "ItemCode": "A00001", "Quantity": quantity, "UnitPrice": 100 }] });
        world.b1_post("/Orders", body).await
    };
    let first = order(3).await?;
    let of = |state: &'static str| {
        move |record: &Value| record["Tandem_Card_Code__c"] == "C00007" && record["Tandem_Credit_State__c"] == state
    };
    world.until_record("Account", "ok", of("ok")).await?;
    let second = order(1).await?;
    let account = world.until_record("Account", "near", of("near")).await?;
    assert_eq!(account["Tandem_Credit_Limit__c"], 500);
    let third = order(2).await?;
    let account = world.until_record("Account", "exceeded", of("exceeded")).await?;
    assert!(account["Tandem_Headroom__c"].as_f64().unwrap_or_default() < 0.0, "{account}");
    world.settled().await?;
    let subjects = |tasks: Vec<Value>| {
        tasks
            .iter()
            .map(|task| task["Subject"].as_str().unwrap_or_default().chars().take(18).collect::<String>())
            .collect::<Vec<_>>()
    };
    let told = subjects(world.records("Task").await?);
    assert_eq!(told.len(), 2, "one task per crossing: {told:?}");
    // Back to ok, and across again: told again.
    for made in [&third, &second, &first] {
        world.b1_call("POST", &format!("/Orders({})/Cancel", made["DocEntry"]), Value::Null).await?;
    }
    world.until_record("Account", "ok again", of("ok")).await?;
    order(6).await?;
    world.until_record("Account", "exceeded again", of("exceeded")).await?;
    world.settled().await?;
    assert_eq!(world.records("Task").await?.len(), 3);
    Ok(())
}

#[tokio::test]
async fn stock_is_written_only_where_it_changed_and_open_lines_show_availability() -> Result<()> {
    let mut world = world(&["inventory"]).await?;
    world.tandem(&["backfill", "inventory", "--yes"]).await?;
    let id = world.opportunities(1).await?.remove(0);
    let line = world.lines(&id).await?.remove(0);
    world.change("Opportunity", &id, json!({ "Tandem_PO_Number__c": "look" })).await?;
    world
        .until_record("OpportunityLineItem", "availability", |record| {
            record["Id"] == line["Id"] && record["Tandem_Availability__c"] == "Enough"
        })
        .await?;
    world.settled().await?;
    let before = world.calls(&world.salesforce).await?;
    // Somebody else orders all there is.
    let code = line["ProductCode"].as_str().unwrap_or_default();
    let body = json!({ "CardCode": "C00001", "DocDueDate": "2027-01-31", "DocumentLines": [{ "ItemCode": code, "Quantity": 100_000, "UnitPrice": 1 }] });
    world.b1_post("/Orders", body).await?;
    world
        .until_record("OpportunityLineItem", "short", |record| {
            record["Id"] == line["Id"] && record["Tandem_Availability__c"] == "Short"
        })
        .await?;
    world.settled().await?;
    let after = world.calls(&world.salesforce).await?;
    let total =
        |calls: &Value| calls.as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum::<u64>();
    assert!(total(&after) - total(&before) <= 12, "one item's change costs one item's calls:\n{before}\n{after}");
    // A vendor will deliver: expected on that day.
    let coming = json!({ "CardCode": "C00001", "DocDueDate": "2027-03-15", "DocumentLines": [{ "ItemCode": code, "Quantity": 200_000, "UnitPrice": 1 }] });
    world.b1_post("/PurchaseOrders", coming).await?;
    let expected = |record: &Value| record["Id"] == line["Id"] && record["Tandem_Availability__c"] == "Expected";
    let record = world.until_record("OpportunityLineItem", "expected", expected).await?;
    assert_eq!(record["Tandem_Expected_Date__c"], "2027-03-15");
    world.kill().await?;
    Ok(())
}

#[tokio::test]
async fn overdue_amounts_stand_by_age_and_a_credit_memo_lowers_what_is_open() -> Result<()> {
    let world = world(&["invoices"]).await?;
    let invoice = async |due: &str, price: i64| {
        let line = json!({ "ItemCode": "A00001", "Quantity": 1, "UnitPrice": price });
        let body = json!({ "CardCode": "C00011", "DocDate": due, "DocDueDate": due, "DocumentLines": [line] });
        world.b1_post("/Invoices", body).await
    };
    // Far in the past whatever the day: over ninety days; and one that is not due.
    let old = invoice("2020-01-31", 100).await?;
    let new = invoice("2099-01-31", 50).await?;
    let total = |record: &Value| record["DocTotal"].as_f64().unwrap_or_default();
    let of = |record: &Value| record["Tandem_Card_Code__c"] == "C00011";
    let near = |value: &Value, wanted: f64| value.as_f64().is_some_and(|own| (own - wanted).abs() < 0.005);
    let both = total(&old) + total(&new);
    let account = world
        .until_record("Account", "both open", |record| of(record) && near(&record["Tandem_Open_Amount__c"], both))
        .await?;
    assert!(near(&account["Tandem_Overdue__c"], total(&old)), "{account}");
    assert!(near(&account["Tandem_Ageing_Over_90__c"], total(&old)), "{account}");
    assert!(near(&account["Tandem_Ageing_30__c"], 0.0), "{account}");
    let memo =
        json!({ "CardCode": "C00011", "DocumentLines": [{ "ItemCode": "A00001", "Quantity": 1, "UnitPrice": 20 }] });
    let memo = world.b1_post("/CreditNotes", memo).await?;
    let less = both - total(&memo);
    world.until_record("Account", "less", |record| of(record) && near(&record["Tandem_Open_Amount__c"], less)).await?;
    let credited =
        |record: &Value| record["Tandem_Type__c"] == "Credit memo" && near(&record["Tandem_Total__c"], -total(&memo));
    world.until_record("Tandem_Invoice__c", "the credit memo gives back", credited).await?;
    Ok(())
}

#[tokio::test]
async fn what_comes_back_is_told_on_the_opportunity_and_on_its_case() -> Result<()> {
    let world = world(&["orders", "fulfilment"]).await?;
    let (id, order) = ordered(&world).await?;
    let case = world.create("Case", json!({ "Subject": "Where is it?", "Tandem_Opportunity__c": id })).await?;
    clerk(&world, &format!("deliver/{}", order["DocEntry"])).await?;
    let told = |object: &'static str, key: String, word: &'static str| {
        let world = &world;
        async move {
            let holds = |record: &Value| record["Id"] == key.as_str() && record["Tandem_Delivery_State__c"] == word;
            world.until_record(object, word, holds).await
        }
    };
    told("Opportunity", id.clone(), "Shipped").await?;
    told("Case", case.clone(), "Shipped").await?;
    let delivery = newest(&world, "DeliveryNotes").await?;
    let lines: Vec<Value> = delivery["DocumentLines"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|line| json!({ "BaseType": 15, "BaseEntry": delivery["DocEntry"], "BaseLine": line["LineNum"] }))
        .collect();
    world.b1_post("/Returns", json!({ "CardCode": order["CardCode"], "DocumentLines": lines })).await?;
    told("Opportunity", id.clone(), "Returned").await?;
    told("Case", case, "Returned").await?;
    world.until_record("Tandem_Delivery__c", "the return", |record| record["Tandem_Type__c"] == "Return").await?;
    Ok(())
}
