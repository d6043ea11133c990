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
    let count = "SELECT count(*) FROM links WHERE b1_id = 'C00001' AND kind IN ('credit', 'receivables')";
    assert_eq!(world.database.number(count)?, 2);
    carry(&world, &second, Value::Null).await?;
    move_money(&world).await?;
    world.until_record("Account", "nothing of a customer that has no account", empty(&second)).await?;
    world.settled().await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

/// What the credit flow and the invoices flow show on an account.
const CREDIT: [&str; 8] = [
    "Tandem_Credit_Limit__c",
    "Tandem_Balance__c",
    "Tandem_Open_Orders__c",
    "Tandem_Open_Deliveries__c",
    "Tandem_Exposure__c",
    "Tandem_Headroom__c",
    "Tandem_Credit_State__c",
    "Tandem_Currency__c",
];
const RECEIVABLES: [&str; 6] = [
    "Tandem_Open_Amount__c",
    "Tandem_Overdue__c",
    "Tandem_Ageing_30__c",
    "Tandem_Ageing_60__c",
    "Tandem_Ageing_90__c",
    "Tandem_Ageing_Over_90__c",
];

/// All that is shown on an account.
fn figures(own: &Value) -> Vec<Value> {
    let shown = |field: &&str| own[*field].as_f64().map_or_else(|| own[*field].clone(), Value::from);
    CREDIT.iter().chain(&RECEIVABLES).map(shown).collect()
}

async fn of(world: &World, id: &Value) -> Result<Value> {
    world.until_record("Account", "itself", |own| own["Id"] == *id).await
}

async fn until_figures(world: &World, what: &str, id: &Value, wanted: &[Value]) -> Result<()> {
    let look = async |world: &World| Ok((figures(&of(world, id).await?) == wanted).then_some(()));
    let shown = world.until(what, std::time::Duration::from_secs(30), look).await;
    let now = figures(&of(world, id).await?);
    shown.map_err(|error| error.context(format!("{now:?} and not {wanted:?}")))
}

async fn carry(world: &World, id: &Value, code: Value) -> Result<()> {
    world.change("Account", id.as_str().unwrap_or_default(), json!({ "Tandem_Card_Code__c": code })).await
}

async fn invoice(world: &World, code: &str, price: f64) -> Result<Value> {
    let line = json!({ "ItemCode": "A00001", "Quantity": 1, "UnitPrice": price });
    world.b1_post("/Invoices", json!({ "CardCode": code, "DocumentLines": [line] })).await
}

/// A world in which these flows have shown what two customers owe: the second has a limit, the first none. Their accounts.
async fn two_customers(world: &mut World) -> Result<[Value; 2]> {
    world.b1_patch("/BusinessPartners('C00001')", json!({ "CreditLimit": 0 })).await?;
    world.b1_patch("/BusinessPartners('C00002')", json!({ "CreditLimit": 1000 })).await?;
    world.up().await?;
    let ids = [account(world, "C00001").await?["Id"].clone(), account(world, "C00002").await?["Id"].clone()];
    for (code, id, price) in [("C00001", &ids[0], 100.0), ("C00002", &ids[1], 50.0)] {
        invoice(world, code, price).await?;
        let owes = |own: &Value| {
            own["Id"] == *id
                && [&own["Tandem_Open_Amount__c"], &own["Tandem_Balance__c"]].iter().all(|own| num(own) > price)
        };
        world.until_record("Account", "what it owes", owes).await?;
    }
    world.settled().await?;
    Ok(ids)
}

/// Rows that take each other's places in one batch: none takes for standing what another has just left.
#[tokio::test]
async fn two_customers_that_change_places_at_once_show_all_of_their_own() -> Result<()> {
    let mut world = world(&["credit", "invoices"]).await?;
    let [first, second] = two_customers(&mut world).await?;
    let (one, two) = (figures(&of(&world, &first).await?), figures(&of(&world, &second).await?));
    assert!(
        one.iter().filter(|own| own.is_null()).count() == 2 && two.iter().all(|own| !own.is_null()),
        "{one:?} {two:?}"
    );
    let swap = async |world: &World, one: &str, two: &str| -> Result<()> {
        carry(world, &second, Value::Null).await?;
        carry(world, &first, json!(two)).await?;
        carry(world, &second, json!(one)).await
    };
    // Compared with what Salesforce has.
    swap(&world, "C00001", "C00002").await?;
    world.tandem(&["backfill", "credit", "--yes"]).await?;
    world.tandem(&["backfill", "invoices", "--yes"]).await?;
    until_figures(&world, "the second's on the first's", &first, &two).await?;
    until_figures(&world, "the first's on the second's", &second, &one).await?;
    world.settled().await?;
    // And told by what happens in B1, one after an outage.
    world.stop().await?;
    swap(&world, "C00002", "C00001").await?;
    for code in ["C00001", "C00002"] {
        let (invoice, memo) =
            (invoice(&world, code, 10.0).await?, json!({ "ItemCode": "A00001", "Quantity": 1, "UnitPrice": 10 }));
        assert!(invoice["DocEntry"].is_number());
        world.b1_post("/CreditNotes", json!({ "CardCode": code, "DocumentLines": [memo] })).await?;
    }
    world.up().await?;
    until_figures(&world, "the first's again", &first, &one).await?;
    until_figures(&world, "the second's again", &second, &two).await?;
    // Unlinked, and linked again: all of it.
    carry(&world, &first, Value::Null).await?;
    world.tandem(&["backfill", "credit", "--yes"]).await?;
    world.tandem(&["backfill", "invoices", "--yes"]).await?;
    until_figures(&world, "nothing", &first, &vec![Value::Null; one.len()]).await?;
    carry(&world, &first, json!("C00001")).await?;
    world.tandem(&["backfill", "credit", "--yes"]).await?;
    world.tandem(&["backfill", "invoices", "--yes"]).await?;
    until_figures(&world, "all of it", &first, &one).await?;
    world.settled().await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

/// Salesforce keeps two decimal places of an amount, a company may keep six.
#[tokio::test]
async fn amounts_with_more_decimal_places_than_the_account_keeps_go_with_their_customer() -> Result<()> {
    let mut world = world(&["credit"]).await?;
    world.up().await?;
    world.b1_patch("/BusinessPartners('C00001')", json!({ "CreditLimit": 100.125 })).await?;
    let rounded = |own: &Value| num(&own["Tandem_Credit_Limit__c"]) == 100.13;
    let id = world.until_record("Account", "the limit as Salesforce keeps it", rounded).await?["Id"].clone();
    world.settled().await?;
    let written = of(&world, &id).await?["LastModifiedDate"].clone();
    world.tandem(&["backfill", "credit", "--yes"]).await?;
    world.settled().await?;
    assert_eq!(of(&world, &id).await?["LastModifiedDate"], written, "it is in step");
    carry(&world, &id, Value::Null).await?;
    world.b1_patch("/BusinessPartners('C00001')", json!({ "CreditLimit": 200.375 })).await?;
    let empty = |own: &Value| own["Id"] == id && CREDIT.iter().all(|field| own[*field].is_null());
    world.until_record("Account", "nothing of a customer that left", empty).await?;
    Ok(())
}

/// What another company's flow shows on the account is whole, also where some of it is what this one has shown.
#[tokio::test]
async fn an_account_that_another_company_has_taken_keeps_all_that_this_shows() -> Result<()> {
    let mut world = world(&["credit", "invoices"]).await?;
    let [_, second] = two_customers(&mut world).await?;
    let mut theirs = of(&world, &second).await?;
    for (field, value) in [("Tandem_Credit_Limit__c", json!(5000)), ("Tandem_Open_Amount__c", json!(7.5))] {
        theirs[field] = value;
    }
    let shown = json!({ "Tandem_Card_Code__c": "us:C9", "Tandem_Credit_Limit__c": 5000, "Tandem_Open_Amount__c": 7.5 });
    world.change("Account", second.as_str().unwrap_or_default(), shown).await?;
    invoice(&world, "C00002", 10.0).await?;
    let told = async |world: &World| {
        let done = world.tandem(&["events", "list", "--limit", "20"]).await?;
        Ok((done.matches("no account carries the CardCode C00002").count() >= 2).then_some(()))
    };
    world.until("both flows to find it gone", std::time::Duration::from_secs(30), told).await?;
    world.settled().await?;
    until_figures(&world, "all of theirs", &second, &figures(&theirs)).await
}

/// One task a crossing, whichever account shows it and whatever stood there before.
#[tokio::test]
async fn a_crossing_is_told_once_also_where_its_customer_moves_and_the_write_fails() -> Result<()> {
    let mut world = world(&["credit"]).await?;
    for code in ["C00001", "C00002"] {
        world.b1_patch(&format!("/BusinessPartners('{code}')"), json!({ "CreditLimit": 1000 })).await?;
    }
    world.up().await?;
    let [first, second] =
        [account(&world, "C00001").await?["Id"].clone(), account(&world, "C00002").await?["Id"].clone()];
    let shows = |id: &Value, state: &'static str| {
        let id = id.clone();
        move |own: &Value| own["Id"] == id && own["Tandem_Credit_State__c"] == state
    };
    let tasks = async |world: &World| -> Result<Vec<(Value, Value)>> {
        world.settled().await?;
        let all = world.records("Task").await?;
        Ok(all.iter().map(|own| (own["WhatId"].clone(), own["Description"].clone())).collect())
    };
    invoice(&world, "C00002", 1_000.0).await?;
    world.until_record("Account", "it is exceeded", shows(&second, "exceeded")).await?;
    invoice(&world, "C00001", 10.0).await?;
    world.until_record("Account", "it is well", shows(&first, "ok")).await?;
    assert_eq!(tasks(&world).await?.len(), 1);
    // It moves to an account on which another's crossing was told, while its own is new, and the write fails for some time.
    let fails = async |world: &World, id: &Value| {
        let path = format!("/sobjects/Account/{}", id.as_str().unwrap_or_default());
        world
            .salesforce_faults(json!([
                { "path": path, "method": "PATCH", "kind": "server-error", "for_ms": 2_500 },
                { "path": "/composite", "kind": "server-error", "for_ms": 2_500 },
            ]))
            .await
    };
    let third = account(&world, "C00003").await?["Id"].clone();
    // None is without an account while anybody looks.
    world.stop().await?;
    for (id, code) in
        [(&first, Value::Null), (&third, Value::Null), (&second, json!("C00001")), (&third, json!("C00002"))]
    {
        carry(&world, id, code).await?;
    }
    world.up().await?;
    fails(&world, &second).await?;
    invoice(&world, "C00001", 1_000.0).await?;
    let exposed = |own: &Value| own["Id"] == second && num(&own["Tandem_Balance__c"]) > 1_200.0;
    world.until_record("Account", "the other's exposure", exposed).await?;
    let told = tasks(&world).await?;
    assert_eq!(told.len(), 2, "its own crossing is told: {told:?}");
    // The one that had the account is exceeded still, and told already.
    fails(&world, &third).await?;
    invoice(&world, "C00002", 10.0).await?;
    world.until_record("Account", "it is exceeded", shows(&third, "exceeded")).await?;
    // So is one that moves on to an account on which nothing stands.
    world.stop().await?;
    carry(&world, &second, Value::Null).await?;
    carry(&world, &first, json!("C00001")).await?;
    world.up().await?;
    fails(&world, &first).await?;
    invoice(&world, "C00001", 10.0).await?;
    world.until_record("Account", "it is exceeded", shows(&first, "exceeded")).await?;
    let told = tasks(&world).await?;
    assert_eq!(told.len(), 2, "nothing is told twice: {told:?}");
    Ok(())
}

/// Where a customer's figures are shown for the first time, what another company has left there goes.
#[tokio::test]
async fn a_customer_without_a_limit_shows_none_where_another_company_had_one() -> Result<()> {
    let mut world = world(&["credit"]).await?;
    world.b1_patch("/BusinessPartners('C00001')", json!({ "CreditLimit": 0 })).await?;
    let id = account(&world, "C00001").await?["Id"].clone();
    let theirs = json!({ "Tandem_Credit_Limit__c": 5000, "Tandem_Headroom__c": 10, "Tandem_Balance__c": 4990 });
    world.change("Account", id.as_str().unwrap_or_default(), theirs).await?;
    world.up().await?;
    invoice(&world, "C00001", 100.0).await?;
    let own = |own: &Value| {
        own["Id"] == id
            && num(&own["Tandem_Balance__c"]) < 1_000.0
            && own["Tandem_Credit_Limit__c"].is_null()
            && own["Tandem_Headroom__c"].is_null()
    };
    world.until_record("Account", "nothing of another's", own).await?;
    Ok(())
}

async fn rules(world: &World, validations: Value) -> Result<()> {
    let rules = json!({ "validations": validations });
    let (status, body) = world.send("PUT", &format!("{}/admin/rules", world.salesforce), &rules).await?;
    anyhow::ensure!(status < 300, "{body}");
    Ok(())
}

async fn until_told(world: &World, words: &str) -> Result<()> {
    let told = async |world: &World| Ok(world.tandem(&["events", "list"]).await?.contains(words).then_some(()));
    world.until(words, std::time::Duration::from_secs(30), told).await
}

/// Figures that no link has, since those of another customer were refused in their place, go with that one.
#[tokio::test]
async fn figures_that_were_to_be_written_over_go_with_the_customer_that_took_their_account() -> Result<()> {
    let mut world = world(&["credit"]).await?;
    world.up().await?;
    let [first, second] =
        [account(&world, "C00001").await?["Id"].clone(), account(&world, "C00002").await?["Id"].clone()];
    invoice(&world, "C00001", 100.0).await?;
    world.until_record("Account", "it owes", |own| own["Id"] == first && num(&own["Tandem_Balance__c"]) > 0.0).await?;
    world.settled().await?;
    world.stop().await?;
    carry(&world, &second, Value::Null).await?;
    carry(&world, &first, json!("C00002")).await?;
    let refuses = json!({ "object": "Account", "condition": "Tandem_Card_Code__c = 'C00002'", "message": "not yet", "field": "Name" });
    rules(&world, json!([refuses])).await?;
    world.up().await?;
    invoice(&world, "C00002", 50.0).await?;
    until_told(&world, "not yet").await?;
    world.settled().await?;
    rules(&world, json!([])).await?;
    carry(&world, &first, Value::Null).await?;
    invoice(&world, "C00002", 50.0).await?;
    until_figures(&world, "nothing of either", &first, &vec![Value::Null; CREDIT.len() + RECEIVABLES.len()]).await
}

/// What was written and not answered goes with its customer, too.
#[tokio::test]
async fn figures_whose_answer_was_lost_go_with_their_customer() -> Result<()> {
    let mut world = world(&["credit"]).await?;
    world.up().await?;
    let id = account(&world, "C00001").await?["Id"].clone();
    let owes = |more: f64| {
        let id = id.clone();
        move |own: &Value| own["Id"] == id && num(&own["Tandem_Balance__c"]) > more
    };
    invoice(&world, "C00001", 100.0).await?;
    world.until_record("Account", "it owes", owes(0.0)).await?;
    world.settled().await?;
    let lost = |path: &str| json!({ "path": path, "method": "PATCH", "kind": "reset-after" });
    world.salesforce_faults(json!([lost("/sobjects/Account"), lost("/composite")])).await?;
    invoice(&world, "C00001", 10_000.0).await?;
    world.until_record("Account", "it owes more", owes(10_000.0)).await?;
    until_told(&world, "writing Account C00001").await?;
    world.stop().await?;
    world.salesforce_faults(json!([])).await?;
    carry(&world, &id, Value::Null).await?;
    world.up().await?;
    until_figures(&world, "nothing of it", &id, &vec![Value::Null; CREDIT.len() + RECEIVABLES.len()]).await
}

/// A task that was made and not answered is found, also where its customer has another account by then.
#[tokio::test]
async fn a_crossing_whose_answer_was_lost_is_told_once_though_its_customer_moves() -> Result<()> {
    let mut world = world(&["credit"]).await?;
    world.b1_patch("/BusinessPartners('C00001')", json!({ "CreditLimit": 1000 })).await?;
    let [first, second] =
        [account(&world, "C00001").await?["Id"].clone(), account(&world, "C00002").await?["Id"].clone()];
    world
        .salesforce_faults(json!([
            { "path": "/sobjects/Task", "method": "POST", "kind": "reset-after" },
            { "path": "Task", "method": "GET", "kind": "server-error" },
        ]))
        .await?;
    world.up().await?;
    invoice(&world, "C00001", 1_000.0).await?;
    world.until_record("Task", "the crossing", |_| true).await?;
    until_told(&world, "writing the credit alert").await?;
    world.stop().await?;
    world.salesforce_faults(json!([])).await?;
    assert_eq!(world.records("Task").await?.len(), 1);
    carry(&world, &first, Value::Null).await?;
    carry(&world, &second, json!("C00001")).await?;
    world.up().await?;
    let exceeded = |own: &Value| own["Id"] == second && own["Tandem_Credit_State__c"] == "exceeded";
    world.until_record("Account", "it is exceeded", exceeded).await?;
    world.settled().await?;
    assert_eq!(world.records("Task").await?.len(), 1, "told once");
    Ok(())
}

/// Also by another event of the customer, which comes before the first is tried again.
#[tokio::test]
async fn a_crossing_whose_answer_was_lost_is_told_once_though_something_else_happens() -> Result<()> {
    let mut world = world(&["credit"]).await?;
    world.b1_patch("/BusinessPartners('C00001')", json!({ "CreditLimit": 1000 })).await?;
    world
        .salesforce_faults(json!([
            { "path": "/sobjects/Task", "method": "POST", "kind": "reset-after", "times": 1 },
            { "path": "Task", "method": "GET", "kind": "server-error" },
        ]))
        .await?;
    world.up().await?;
    invoice(&world, "C00001", 1_000.0).await?;
    world.until_record("Task", "the crossing", |_| true).await?;
    until_told(&world, "writing the credit alert").await?;
    let before = num(&account(&world, "C00001").await?["Tandem_Exposure__c"]);
    invoice(&world, "C00001", 100.0).await?;
    let more = |own: &Value| num(&own["Tandem_Exposure__c"]) > before + 50.0 && own["Tandem_Card_Code__c"] == "C00001";
    world.until_record("Account", "what else happened", more).await?;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    world.salesforce_faults(json!([])).await?;
    world.settled().await?;
    assert_eq!(world.records("Task").await?.len(), 1, "told once");
    Ok(())
}

async fn subjects(world: &World) -> Result<Vec<String>> {
    world.settled().await?;
    let tasks = world.records("Task").await?;
    Ok(tasks.iter().filter_map(|own| own["Subject"].as_str().map(str::to_owned)).collect())
}

/// While one crossing cannot be told the customer goes beyond its limit: that is what somebody must hear of.
#[tokio::test]
async fn a_graver_crossing_is_told_in_the_place_of_one_that_could_not_be_told_yet() -> Result<()> {
    let mut world = world(&["credit"]).await?;
    world.b1_patch("/BusinessPartners('C00001')", json!({ "CreditLimit": 1000 })).await?;
    let id = account(&world, "C00001").await?["Id"].clone();
    let shows = |state: &'static str| {
        let id = id.clone();
        move |own: &Value| own["Id"] == id && own["Tandem_Credit_State__c"] == state
    };
    let refuses =
        json!({ "object": "Task", "condition": "Subject LIKE 'Credit%'", "message": "not yet", "field": "Subject" });
    rules(&world, json!([refuses])).await?;
    world.up().await?;
    invoice(&world, "C00001", 700.0).await?;
    world.until_record("Account", "it is near", shows("near")).await?;
    until_told(&world, "writing the credit alert").await?;
    invoice(&world, "C00001", 400.0).await?;
    world.until_record("Account", "it is exceeded", shows("exceeded")).await?;
    assert_eq!(subjects(&world).await?, [""; 0]);
    rules(&world, json!([])).await?;
    invoice(&world, "C00001", 1.0).await?;
    world.until_record("Task", "the crossing", |_| true).await?;
    let told = subjects(&world).await?;
    assert!(told.len() == 1 && told[0].starts_with("Credit exceeded"), "{told:?}");
    Ok(())
}

/// Nobody is told late of what is over.
#[tokio::test]
async fn a_crossing_that_is_over_before_it_can_be_told_is_not_told() -> Result<()> {
    let mut world = world(&["credit"]).await?;
    let limit = async |world: &World, limit: i64| {
        world.b1_patch("/BusinessPartners('C00001')", json!({ "CreditLimit": limit })).await
    };
    limit(&world, 1_000).await?;
    let id = account(&world, "C00001").await?["Id"].clone();
    let shows = |state: &'static str| {
        let id = id.clone();
        move |own: &Value| own["Id"] == id && own["Tandem_Credit_State__c"] == state
    };
    let refuses =
        json!({ "object": "Task", "condition": "Subject LIKE 'Credit%'", "message": "not yet", "field": "Subject" });
    rules(&world, json!([refuses])).await?;
    world.up().await?;
    invoice(&world, "C00001", 1_100.0).await?;
    world.until_record("Account", "it is exceeded", shows("exceeded")).await?;
    until_told(&world, "writing the credit alert").await?;
    limit(&world, 100_000).await?;
    world.until_record("Account", "it is well", shows("ok")).await?;
    world.settled().await?;
    rules(&world, json!([])).await?;
    let before = num(&account(&world, "C00001").await?["Tandem_Exposure__c"]);
    invoice(&world, "C00001", 100.0).await?;
    let more = |own: &Value| own["Id"] == id && num(&own["Tandem_Exposure__c"]) > before + 50.0;
    world.until_record("Account", "what came later", more).await?;
    assert_eq!(subjects(&world).await?, [""; 0], "it is over");
    // The next one is.
    limit(&world, 1_000).await?;
    world.until_record("Account", "it is exceeded again", shows("exceeded")).await?;
    world.until_record("Task", "the crossing", |_| true).await?;
    assert_eq!(subjects(&world).await?.len(), 1);
    Ok(())
}

/// It was beyond its limit before anybody could be told, and is near it still: that is what somebody must hear of.
#[tokio::test]
async fn a_crossing_that_fell_back_half_the_way_is_told_as_it_is() -> Result<()> {
    let mut world = world(&["credit"]).await?;
    let limit = async |world: &World, limit: f64| {
        world.b1_patch("/BusinessPartners('C00001')", json!({ "CreditLimit": limit })).await
    };
    limit(&world, 1_000_000.0).await?;
    let id = account(&world, "C00001").await?["Id"].clone();
    let shows = |state: &'static str| {
        let id = id.clone();
        move |own: &Value| own["Id"] == id && own["Tandem_Credit_State__c"] == state
    };
    world.up().await?;
    invoice(&world, "C00001", 1_000.0).await?;
    let shown = world.until_record("Account", "it is well", shows("ok")).await?;
    world.settled().await?;
    let exposure = num(&of(&world, &id).await?["Tandem_Exposure__c"]).max(num(&shown["Tandem_Exposure__c"]));
    let refuses =
        json!({ "object": "Task", "condition": "Subject LIKE 'Credit%'", "message": "not yet", "field": "Subject" });
    rules(&world, json!([refuses])).await?;
    limit(&world, (exposure / 1.2).round()).await?;
    world.until_record("Account", "it is exceeded", shows("exceeded")).await?;
    until_told(&world, "writing the credit alert").await?;
    limit(&world, (exposure / 0.88).round()).await?;
    world.until_record("Account", "it is near", shows("near")).await?;
    rules(&world, json!([])).await?;
    invoice(&world, "C00001", 1.0).await?;
    world.until_record("Task", "the crossing", |_| true).await?;
    let told = subjects(&world).await?;
    assert!(told.len() == 1 && told[0].starts_with("Credit near"), "{told:?}");
    Ok(())
}

/// What the account does not show is known all the same.
#[tokio::test]
async fn a_crossing_is_told_once_also_where_the_org_does_not_take_the_state() -> Result<()> {
    let mut world = world(&["credit"]).await?;
    world.b1_patch("/BusinessPartners('C00001')", json!({ "CreditLimit": 1000 })).await?;
    let field = "Tandem_Credit_State__c";
    let refuses =
        json!({ "object": "Account", "condition": format!("{field} = 'exceeded'"), "message": "no", "field": field });
    rules(&world, json!([refuses])).await?;
    world.up().await?;
    for count in [1, 2, 3] {
        invoice(&world, "C00001", 1_000.0).await?;
        let owes = |own: &Value| {
            own["Tandem_Card_Code__c"] == "C00001" && num(&own["Tandem_Balance__c"]) > f64::from(count) * 1_000.0
        };
        let shown = world.until_record("Account", "what it owes", owes).await?;
        assert_ne!(shown[field], "exceeded");
        world.until_record("Task", "the crossing", |_| true).await?;
        let told = subjects(&world).await?;
        assert_eq!(told.len(), 1, "{told:?}");
    }
    Ok(())
}

/// Who cannot be read just now is not gone.
#[tokio::test]
async fn a_read_that_fails_takes_nothing_from_an_account() -> Result<()> {
    let mut world = world(&["credit", "invoices"]).await?;
    let [first, _] = two_customers(&mut world).await?;
    let fails = |path: &str| json!({ "path": path, "kind": "server-error", "for_ms": 4_000 });
    world.salesforce_faults(json!([fails("/query"), fails("/composite")])).await?;
    invoice(&world, "C00001", 100.0).await?;
    let until = std::time::Instant::now() + std::time::Duration::from_secs(3);
    while std::time::Instant::now() < until {
        let now = of(&world, &first).await?;
        assert!(num(&now["Tandem_Open_Amount__c"]) > 100.0 && num(&now["Tandem_Balance__c"]) > 100.0, "{now}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let owes = |own: &Value| {
        own["Id"] == first
            && [&own["Tandem_Open_Amount__c"], &own["Tandem_Balance__c"]].iter().all(|own| num(own) > 200.0)
    };
    world.until_record("Account", "what it owes now", owes).await?;
    Ok(())
}
