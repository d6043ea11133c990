//! What B1's money looks like in Salesforce: in whose currency, with or without tax, and what is owed at all.

use anyhow::Result;
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

const FAST: &str = "poll_seconds = 1\nstock_scan_seconds = 1\nprice_scan_seconds = 1\ntime_zone = \"Europe/Berlin\"";

async fn world(plugins: &[&'static str]) -> Result<World> {
    let setup = Setup {
        plugins: plugins.to_vec(),
        b1: FAST.into(),
        b1_arguments: ["--orders", "0"].map(str::to_owned).to_vec(),
        ..Setup::default()
    };
    World::with(setup).await
}

fn num(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

async fn account(world: &World, card_code: &str) -> Result<Value> {
    world.until_record("Account", "the customer", |own| own["Tandem_Card_Code__c"] == card_code).await
}

#[tokio::test]
async fn an_opportunity_in_dollars_shows_dollars_of_what_was_invoiced() -> Result<()> {
    let mut world = world(&["orders", "invoices"]).await?;
    world.up().await?;
    // Every tenth customer trades in dollars.
    let ids = world.opportunities(9).await?;
    let mut dollars = None;
    for id in ids {
        if world.opportunity(&id).await?["CurrencyIsoCode"] == "USD" {
            dollars = Some(id);
        }
    }
    let id = dollars.expect("an opportunity in dollars");
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    let order = world.orders_of(&id).await?.remove(0);
    let (status, body) =
        world.send("POST", &format!("{}/admin/invoice/{}", world.b1, order["DocEntry"]), &json!({})).await?;
    assert_eq!(status, 201, "{body}");
    let shown = world
        .until_record("Opportunity", "what was invoiced", |own| {
            own["Id"] == id.as_str() && own["Tandem_Invoiced__c"].is_number()
        })
        .await?;
    assert_eq!(num(&shown["Tandem_Invoiced__c"]), num(&order["DocTotalFc"]), "{shown}");
    assert!(num(&order["DocTotal"]) < num(&order["DocTotalFc"]));
    let invoice =
        world.until_record("Tandem_Invoice__c", "it", |own| own["Tandem_Opportunity__c"] == id.as_str()).await?;
    assert_eq!(
        (num(&invoice["Tandem_Total__c"]), &invoice["Tandem_Currency__c"]),
        (num(&order["DocTotal"]), &json!("USD"))
    );
    Ok(())
}

#[tokio::test]
async fn a_down_payment_that_is_only_asked_for_is_owed_by_nobody() -> Result<()> {
    let mut world = world(&["invoices"]).await?;
    world.up().await?;
    let line = json!({ "ItemCode": "A00001", "Quantity": 1, "UnitPrice": 100 });
    for kind in ["dptRequest", "dptInvoice"] {
        let body = json!({ "CardCode": "C00001", "DownPaymentType": kind, "DocumentLines": [line] });
        world.b1_post("/DownPayments", body).await?;
    }
    let customer = account(&world, "C00001").await?["Id"].clone();
    for word in ["Down payment request", "Down payment"] {
        world
            .until_record("Tandem_Invoice__c", word, |own| {
                own["Tandem_Account__c"] == customer && own["Tandem_Type__c"] == word
            })
            .await?;
    }
    world.settled().await?;
    assert_eq!(num(&account(&world, "C00001").await?["Tandem_Open_Amount__c"]), 119.0);
    Ok(())
}

#[tokio::test]
async fn an_entry_that_a_bookkeeper_makes_by_hand_shows_in_the_customers_credit() -> Result<()> {
    let mut world = world(&["credit"]).await?;
    world.up().await?;
    let show = |card_code: &'static str, field: &'static str, amount: f64| {
        move |own: &Value| own["Tandem_Card_Code__c"] == card_code && num(&own[field]) == amount
    };
    // Another partner's change of an hour later: nothing of this one is looked at again because of its stamp.
    world.send("PUT", &format!("{}/admin/clock", world.b1), &json!({ "offset_ms": 3_600_000 })).await?;
    world.b1_patch("/BusinessPartners('C00002')", json!({ "CreditLimit": 1000 })).await?;
    world.until_record("Account", "the other's limit", show("C00002", "Tandem_Credit_Limit__c", 1000.0)).await?;
    world.settled().await?;
    let lines = json!([
        { "ShortName": "C00001", "AccountCode": "140000", "Debit": 250.5 },
        { "ShortName": "480000", "AccountCode": "480000", "Credit": 250.5 },
    ]);
    world.b1_post("/JournalEntries", json!({ "Memo": "interest", "JournalEntryLines": lines })).await?;
    world.until_record("Account", "the balance", show("C00001", "Tandem_Balance__c", 250.5)).await?;
    Ok(())
}

#[tokio::test]
async fn prices_of_a_gross_list_stand_net_in_its_price_book() -> Result<()> {
    let mut world = world(&["catalogue"]).await?;
    world.b1_patch("/PriceLists(2)", json!({ "IsGrossPrice": "tYES" })).await?;
    world
        .b1_patch("/Items('A00001')", json!({ "ItemPrices": [{ "PriceList": 2, "Price": 119, "Currency": "EUR" }] }))
        .await?;
    world.up().await?;
    world.tandem(&["backfill", "catalogue", "--yes"]).await?;
    let book = world.until_record("Pricebook2", "the list's book", |own| own["Name"] == "Wholesale").await?;
    let product = world.until_record("Product2", "the item's", |own| own["ProductCode"] == "A00001").await?;
    world
        .until_record("PricebookEntry", "the net price", |own| {
            own["Pricebook2Id"] == book["Id"] && own["Product2Id"] == product["Id"] && num(&own["UnitPrice"]) == 100.0
        })
        .await?;
    Ok(())
}

/// A currency field is shown in the currency of its record, whatever stands in it: the company's amounts are numbers that say their own.
#[tokio::test]
async fn what_a_customer_owes_says_its_currency_whatever_the_account_is_kept_in() -> Result<()> {
    // Three currencies: the org's, the company's, the account's.
    let setup = Setup {
        plugins: vec!["credit", "invoices"],
        b1: FAST.into(),
        b1_arguments: ["--orders", "0"].map(str::to_owned).to_vec(),
        salesforce_arguments: ["--corporate-currency", "GBP"].map(str::to_owned).to_vec(),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    world.b1_settings(json!({ "local_currency": "CHF" })).await?;
    world.up().await?;
    let customer = account(&world, "C00001").await?["Id"].as_str().unwrap_or_default().to_owned();
    world.change("Account", &customer, json!({ "CurrencyIsoCode": "USD" })).await?;
    world.b1_patch("/BusinessPartners('C00001')", json!({ "Currency": "##" })).await?;
    let line = json!({ "ItemCode": "A00001", "Quantity": 1, "UnitPrice": 100, "Currency": "CHF" });
    let body = json!({ "CardCode": "C00001", "DocCurrency": "CHF", "DocumentLines": [line] });
    let invoice = world.b1_post("/Invoices", body).await?;
    let (status, body) =
        world.send("POST", &format!("{}/admin/pay/{}", world.b1, invoice["DocEntry"]), &json!({})).await?;
    assert_eq!(status, 201, "{body}");
    world.tandem(&["backfill", "credit", "--yes"]).await?;
    let in_francs = |field: &'static str| move |own: &Value| own[field] == "CHF";
    let owing = world.until_record("Account", "its credit", in_francs("Tandem_Currency__c")).await?;
    assert_eq!(owing["Id"], customer.as_str());
    assert_eq!(owing["CurrencyIsoCode"], "USD", "the account's own stays");
    let shown = world.until_record("Tandem_Invoice__c", "it", in_francs("Tandem_Company_Currency__c")).await?;
    assert_eq!(num(&shown["Tandem_Total__c"]), num(&invoice["DocTotal"]));
    world.until_record("Tandem_Payment__c", "what was paid", in_francs("Tandem_Currency__c")).await?;
    world.settled().await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

/// What stood on an account of its customer in B1 is nobody's once the customer has another account, or none: a wrong limit is worse than none.
#[tokio::test]
async fn an_account_that_loses_its_customer_shows_nothing_of_it_any_more() -> Result<()> {
    let mut world = world(&["credit", "invoices"]).await?;
    world.up().await?;
    let move_money = async |world: &World| {
        let line = json!({ "ItemCode": "A00001", "Quantity": 1, "UnitPrice": 100 });
        world.b1_post("/Invoices", json!({ "CardCode": "C00001", "DocumentLines": [line] })).await
    };
    move_money(&world).await?;
    let shows = |id: &Value| {
        let id = id.clone();
        move |own: &Value| {
            own["Id"] == id && num(&own["Tandem_Exposure__c"]) > 0.0 && num(&own["Tandem_Open_Amount__c"]) > 0.0
        }
    };
    let empty = |id: &Value| {
        let id = id.clone();
        let fields = ["Tandem_Exposure__c", "Tandem_Credit_State__c", "Tandem_Open_Amount__c", "Tandem_Currency__c"];
        move |own: &Value| own["Id"] == id && fields.iter().all(|field| own[*field].is_null())
    };
    let (first, second) =
        (account(&world, "C00001").await?["Id"].clone(), account(&world, "C00002").await?["Id"].clone());
    world.until_record("Account", "what it owes", shows(&first)).await?;
    world.settled().await?;
    let carry = async |world: &World, id: &Value, code: Value| {
        world.change("Account", id.as_str().unwrap_or_default(), json!({ "Tandem_Card_Code__c": code })).await
    };
    carry(&world, &first, Value::Null).await?;
    carry(&world, &second, json!("C00001")).await?;
    move_money(&world).await?;
    world.until_record("Account", "what it owes", shows(&second)).await?;
    world.until_record("Account", "nothing of a customer that is another's", empty(&first)).await?;
    world.settled().await?;
    // It is shown once, and nothing of where it was is looked at again.
    let links = rusqlite::Connection::open(world.folder().join("data/tandem.db"))?;
    let count = "SELECT count(*) FROM links WHERE b1_id = 'C00001' AND kind IN ('credit', 'receivables')";
    assert_eq!(links.query_row(count, [], |row| row.get::<_, i64>(0))?, 2);
    carry(&world, &second, Value::Null).await?;
    move_money(&world).await?;
    world.until_record("Account", "nothing of a customer that has no account", empty(&second)).await?;
    world.settled().await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}
