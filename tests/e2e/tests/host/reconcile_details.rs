//! What hangs on customers, items and invoices is compared as they are: contacts, prices, payments.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tandem_e2e::in_step::text;
use tandem_e2e::reconcile::{about, comparison, reconcile};
use tandem_e2e::{Setup, World};

const PATIENCE: Duration = Duration::from_secs(60);

fn setup(plugins: &[&'static str]) -> Setup {
    Setup {
        plugins: plugins.to_vec(),
        more: "[reconcile]\ngrace_minutes = 0\n".into(),
        b1: "poll_seconds = 1\nprice_scan_seconds = 1\ntime_zone = \"Europe/Berlin\"".into(),
        ..Setup::default()
    }
}

/// Both sides agree on it, of so many pairs that there are some.
fn agrees(report: &Value, flow: &str, name: &str) -> Result<u64> {
    let own = comparison(report, flow, name);
    assert!(own["not_whole"].is_null() && own["differences"] == json!([]), "{name}: {own:#}");
    own["in_step"].as_u64().filter(|count| *count > 0).with_context(|| format!("{name}: {report:#}"))
}

async fn delete(world: &World, object: &str, id: &str) -> Result<()> {
    let (status, answer) =
        world.send("POST", &format!("{}/admin/delete/{object}/{id}", world.salesforce), &json!({})).await?;
    anyhow::ensure!(status < 300, "{status} {answer}");
    Ok(())
}

fn fields(difference: &Value) -> Vec<(&str, &str, &str)> {
    let all = difference["fields"].as_array().into_iter().flatten();
    all.map(|own| (text(own, "field"), text(own, "salesforce"), text(own, "b1"))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_price_of_a_list_and_a_customer_is_compared_with_its_entry() -> Result<()> {
    let mut world = World::with(setup(&["accounts", "catalogue"])).await?;
    let special =
        json!({ "CardCode": "C00001", "ItemCode": "A00002", "Price": 9.5, "Currency": "EUR", "DiscountPercent": 5 });
    world.b1_post("/SpecialPrices", special).await?;
    world.up().await?;
    world.tandem(&["backfill", "accounts", "--yes"]).await?;
    world.tandem(&["backfill", "catalogue", "--yes"]).await?;
    let record = world.until_record("Tandem_Special_Price__c", "the special price", |_| true).await?;
    world.settled().await?;
    let (code, report) = reconcile(&world, &["catalogue"]).await?;
    let prices = agrees(&report, "catalogue", "prices")?;
    assert_eq!((code, agrees(&report, "catalogue", "special-prices")?), (0, 1), "{report:#}");
    let whole = comparison(&report, "catalogue", "prices")["alone"].as_u64();
    world.stop().await?;

    let products = world.records("Product2").await?;
    let entries = world.records("PricebookEntry").await?;
    let of_item = |code: &str| -> Result<Vec<&Value>> {
        let product = products.iter().find(|own| own["Tandem_Item_Code__c"] == code).context("a product")?;
        Ok(entries.iter().filter(|own| own["Product2Id"] == product["Id"] && own["IsActive"] == true).collect())
    };
    // A wrong price, one that was switched off, one that is gone, and one that B1 has given up.
    let (wrong, off) = (of_item("A00003")?[0], of_item("A00004")?[0]);
    world.change("PricebookEntry", text(wrong, "Id"), json!({ "UnitPrice": 0.99 })).await?;
    world.change("PricebookEntry", text(off, "Id"), json!({ "IsActive": false })).await?;
    let gone = of_item("A00005")?;
    let gone = gone.iter().find(|own| own["Pricebook2Id"] != wrong["Pricebook2Id"]).unwrap_or(&gone[0]);
    delete(&world, "PricebookEntry", text(gone, "Id")).await?;
    let ended: Vec<&Value> = of_item("A00006")?;
    let none: Vec<Value> = (1..=10)
        .map(|list| json!({ "PriceList": list, "Price": 0, "AdditionalPrice1": 0, "AdditionalPrice2": 0 }))
        .collect();
    world.b1_patch("/Items('A00006')", json!({ "ItemPrices": none })).await?;
    // A person's own entry is nobody's business.
    let own = json!({ "Pricebook2Id": wrong["Pricebook2Id"], "Product2Id": wrong["Product2Id"], "UnitPrice": 1, "CurrencyIsoCode": "CHF", "IsActive": true });
    world.create("PricebookEntry", own).await?;
    world.change("Tandem_Special_Price__c", text(&record, "Id"), json!({ "Tandem_Price__c": 8 })).await?;

    let (_, report) = reconcile(&world, &["catalogue"]).await?;
    let own = comparison(&report, "catalogue", "prices");
    let differs = about(own, text(wrong, "Id")).with_context(|| format!("{own:#}"))?;
    assert_eq!(fields(differs), [("UnitPrice", "0.99", &*wrong["UnitPrice"].to_string())], "{differs}");
    let differs = about(own, text(off, "Id")).with_context(|| format!("{own:#}"))?;
    assert_eq!(fields(differs), [("IsActive", "false", "true")], "{differs}");
    assert!(text(differs, "label").starts_with("A00004, "), "{differs}");
    let lost = about(own, text(gone, "Id")).with_context(|| format!("{own:#}"))?;
    assert_eq!(lost["kind"], "missing-in-salesforce", "{lost}");
    for entry in &ended {
        let stale = about(own, text(entry, "Id")).with_context(|| format!("{own:#}"))?;
        assert_eq!(stale["kind"], "missing-in-b1", "{stale}");
    }
    let left = prices - 3 - ended.len() as u64;
    assert_eq!((own["in_step"].as_u64(), own["alone"].as_u64()), (Some(left), whole.map(|own| own + 1)), "{own:#}");
    let special = comparison(&report, "catalogue", "special-prices");
    let differs = about(special, text(&record, "Id")).with_context(|| format!("{special:#}"))?;
    assert_eq!(fields(differs), [("Tandem_Price__c", "8", "9.5")], "{differs}");

    // What was asked about since a day is compared as a whole: B1 does not say when a price was changed.
    let (_, since) = reconcile(&world, &["catalogue", "--since", "2999-01-01"]).await.unwrap_or_default();
    assert!(since.is_null(), "a day that has not come is refused: {since}");
    let (_, since) = reconcile(&world, &["catalogue", "--since", "2026-01-01"]).await?;
    assert_eq!(comparison(&since, "catalogue", "prices")["in_step"], own["in_step"]);

    // In step by itself, once the items are looked at.
    world.up().await?;
    world.tandem(&["backfill", "catalogue", "--yes"]).await?;
    world.settled().await?;
    let (code, report) = reconcile(&world, &["catalogue"]).await?;
    agrees(&report, "catalogue", "prices")?;
    agrees(&report, "catalogue", "special-prices")?;
    assert_eq!(code, 0, "{report:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_paid_of_each_invoice_is_compared_with_its_record() -> Result<()> {
    let mut world = World::with(setup(&["orders", "invoices"])).await?;
    let ids = world.opportunities(2).await?;
    world.up().await?;
    for id in &ids {
        world.win(id).await?;
    }
    world.until_all_told(&ids, PATIENCE).await?;
    for id in &ids {
        let entry = world.orders_of(id).await?.remove(0)["DocEntry"].clone();
        world.send("POST", &format!("{}/admin/deliver/{entry}", world.b1), &json!({})).await?;
        world.send("POST", &format!("{}/admin/invoice/{entry}", world.b1), &json!({})).await?;
    }
    let mut made = world.b1_records("Invoices").await?;
    made.sort_by_key(|own| -own["DocEntry"].as_i64().unwrap_or_default());
    for invoice in &made[..2] {
        world.send("POST", &format!("{}/admin/pay/{}", world.b1, invoice["DocEntry"]), &json!({})).await?;
    }
    let paid = async |world: &World| Ok((world.records("Tandem_Payment__c").await?.len() >= 2).then_some(()));
    world.until("payments to be shown", PATIENCE, paid).await?;
    world.tandem(&["backfill", "invoices", "--yes"]).await?;
    world.settled().await?;
    let (code, report) = reconcile(&world, &["invoices"]).await?;
    let count = agrees(&report, "invoices", "payments")?;
    assert_eq!(code, 0, "{report:#}");
    let sums = comparison(&report, "invoices", "payments")["sums"].clone();
    assert!(
        sums[0]["what"] == "paid" && sums[0]["currency"] == "EUR" && sums[0]["b1"] == sums[0]["salesforce"],
        "{sums}"
    );
    world.stop().await?;

    let records = world.records("Tandem_Payment__c").await?;
    let entry_of = |record: &Value| text(record, "Tandem_Key__c").split(':').nth(1).unwrap_or_default().to_owned();
    let [cancelled, typed] = [&records[0], &records[1]];
    world.b1_call("POST", &format!("/IncomingPayments({})/Cancel", entry_of(cancelled)), Value::Null).await?;
    world.change("Tandem_Payment__c", text(typed, "Id"), json!({ "Tandem_Amount__c": 0.01 })).await?;
    for more in [&["invoices"][..], &["invoices", "--since", "2026-01-01"]] {
        let (_, report) = reconcile(&world, more).await?;
        let own = comparison(&report, "invoices", "payments");
        let differs = about(own, text(cancelled, "Id")).with_context(|| format!("{report:#}"))?;
        assert_eq!(fields(differs), [("Tandem_Cancelled__c", "false", "true")], "{differs}");
        let differs = about(own, text(typed, "Id")).with_context(|| format!("{report:#}"))?;
        assert!(fields(differs)[0].0.starts_with("paid"), "{differs}");
        assert_eq!(own["in_step"].as_u64(), Some(count - 2), "{own:#}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_contact_is_compared_with_its_employee() -> Result<()> {
    let mut world = World::with(setup(&["accounts"])).await?;
    // One whose last name stands in the name alone, and one who has left.
    let people = json!([{ "Name": "Ada Byron King", "FirstName": "Ada" }, { "Name": "Gone Before", "Active": "tNO" }]);
    world.b1_patch("/BusinessPartners('C00001')", json!({ "ContactEmployees": people })).await?;
    world.up().await?;
    world.tandem(&["backfill", "accounts", "--yes"]).await?;
    world.settled().await?;
    let (code, report) = reconcile(&world, &["accounts"]).await?;
    let count = agrees(&report, "accounts", "contacts")?;
    assert_eq!(code, 0, "{report:#}");
    let alone = comparison(&report, "accounts", "contacts")["alone"].as_u64();
    world.stop().await?;

    let partners = world.b1_records("BusinessPartners").await?;
    let of = |code: &str| partners.iter().find(|own| own["CardCode"] == code).context("a partner");
    let ada = of("C00001")?["ContactEmployees"].as_array().into_iter().flatten().find(|own| own["FirstName"] == "Ada");
    let ada = ada.context("Ada")?;
    let row = json!({ "InternalCode": ada["InternalCode"], "Name": ada["Name"], "Phone1": "+44 20 1815" });
    world.b1_patch("/BusinessPartners('C00001')", json!({ "ContactEmployees": [row] })).await?;
    let contacts = world.records("Contact").await?;
    let [contact] = contacts.iter().filter(|own| own["LastName"] == "King").collect::<Vec<_>>()[..] else {
        anyhow::bail!("one contact of Ada's: {contacts:?}");
    };
    let newcomer = json!({ "LastName": "Newcomer", "AccountId": contact["AccountId"] });
    let newcomer = world.create("Contact", newcomer).await?;
    let other = contacts.iter().find(|own| own["AccountId"] != contact["AccountId"] && own["AccountId"].is_string());
    let other = other.context("somebody else's contact")?;
    delete(&world, "Contact", text(other, "Id")).await?;
    // Somebody who is with another customer now, without anything else of his being another.
    let moved = contacts.iter().find(|own| {
        own["AccountId"].is_string() && ![&contact["AccountId"], &other["AccountId"]].contains(&&own["AccountId"])
    });
    let moved = moved.context("a third one's contact")?;
    world.change("Contact", text(moved, "Id"), json!({ "AccountId": contact["AccountId"] })).await?;
    let (_, report) = reconcile(&world, &["accounts"]).await?;
    let own = comparison(&report, "accounts", "contacts");
    let differs = about(own, text(moved, "Id")).with_context(|| format!("{own:#}"))?;
    let [("CardCode", "C00001", from)] = fields(differs)[..] else { anyhow::bail!("{differs}") };
    assert_ne!(from, "C00001", "{differs}");
    let differs = about(own, text(contact, "Id")).with_context(|| format!("{own:#}"))?;
    assert_eq!(fields(differs), [("Phone1 / Phone", "", "+44 20 1815")], "{differs}");
    let new = about(own, &newcomer).with_context(|| format!("{own:#}"))?;
    assert!(new["kind"] == "missing-in-b1" && text(new, "label").starts_with("Newcomer, of C00001"), "{new}");
    let gone = about(own, text(other, "Id")).with_context(|| format!("{own:#}"))?;
    assert_eq!(gone["kind"], "missing-in-salesforce", "{gone}");
    assert_eq!((own["in_step"].as_u64(), own["alone"].as_u64()), (Some(count - 3), alone), "{own:#}");

    // In step by itself once the host runs: who was deleted, or is with another customer, is made inactive, and is nobody's lack.
    world.up().await?;
    world.tandem(&["backfill", "accounts", "--yes"]).await?;
    world.settled().await?;
    let (code, report) = reconcile(&world, &["accounts"]).await?;
    agrees(&report, "accounts", "contacts")?;
    assert_eq!((code, comparison(&report, "accounts", "contacts")["alone"].as_u64()), (0, alone.map(|own| own + 2)));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_gone_for_good_on_one_side_is_nobodys_lack() -> Result<()> {
    let mut world = World::with(setup(&["accounts"])).await?;
    let partner = json!({ "CardCode": "SHORT", "CardName": "Short Ltd", "CardType": "cCustomer" });
    world.b1_post("/BusinessPartners", partner).await?;
    world.up().await?;
    world.tandem(&["backfill", "accounts", "--yes"]).await?;
    world.settled().await?;
    let accounts = world.records("Account").await?;
    let of = |code: &str| accounts.iter().find(|own| own["Tandem_Card_Code__c"] == code).context("an account");
    delete(&world, "Account", text(of("C00004")?, "Id")).await?;
    world.b1_call("DELETE", "/BusinessPartners('SHORT')", Value::Null).await?;
    let told = async |world: &World| {
        let events = world.tandem_json(&["events", "list", "--key", text(of("C00004")?, "Id")]).await?;
        Ok(events.to_string().contains("the partner stays").then_some(()))
    };
    world.until("the deletion to be told", PATIENCE, told).await?;
    let id = text(of("SHORT")?, "Id").to_owned();
    let marked = |own: &Value| own["Id"] == id.as_str() && own["Tandem_Partner_Type__c"] == "deleted";
    // B1 tells of no deletion: somebody looks at the account.
    world.change("Account", &id, json!({ "Phone": "+49 1" })).await?;
    world.until_record("Account", "the partner that is gone", marked).await?;
    world.settled().await?;
    let (code, report) = reconcile(&world, &["accounts"]).await?;
    agrees(&report, "accounts", "accounts")?;
    agrees(&report, "accounts", "contacts")?;
    let left = &comparison(&report, "accounts", "accounts")["left_out"];
    assert!(left.to_string().contains("deleted in Salesforce") && left.to_string().contains("deleted in B1"), "{left}");
    assert_eq!(code, 0, "{report:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_clerk_made_for_himself_is_no_second_order_and_freight_is_nothing_that_was_sold() -> Result<()> {
    let mut world = World::with(setup(&["orders"])).await?;
    let ids = world.opportunities(2).await?;
    world.up().await?;
    for id in &ids {
        world.win(id).await?;
    }
    world.until_all_told(&ids, PATIENCE).await?;
    let order = world.orders_of(&ids[0]).await?.remove(0);
    let freight = json!({ "DocumentAdditionalExpenses": [{ "ExpenseCode": 1, "LineTotal": 20 }] });
    world.b1_patch(&format!("/Orders({})", order["DocEntry"]), freight).await?;
    // Its own order is cancelled, and a duplicate of it left: a person says that the duplicate is none of its.
    let order = world.orders_of(&ids[1]).await?.remove(0);
    let line = &order["DocumentLines"][0];
    let twin = json!({ "CardCode": order["CardCode"], "DocDueDate": order["DocDueDate"], "U_SF_Id": ids[1],
        "DocumentLines": [{ "ItemCode": line["ItemCode"], "Quantity": 1, "UnitPrice": 1 }] });
    let twin = world.b1_post("/Orders", twin).await?;
    world.b1_call("POST", &format!("/Orders({})/Cancel", order["DocEntry"]), Value::Null).await?;
    world.until_state(&ids[1], "Review").await?;
    let asked = async |world: &World| {
        let items = world.tandem_json(&["review", "list"]).await?;
        let item = items.as_array().into_iter().flatten().find(|item| item["key"] == ids[1].as_str()).cloned();
        let is_new = |item: &Value| {
            item["choices"].as_array().is_some_and(|all| all.iter().any(|own| own == "create a new order"))
        };
        Ok(item.filter(is_new))
    };
    let item = world.until("a question whether a new one is wanted", PATIENCE, asked).await?;
    world.tandem(&["review", "resolve", &item["id"].to_string(), "--choose", "create a new order"]).await?;
    let made = async |world: &World| {
        let own = world.orders_of(&ids[1]).await?;
        let live = own.iter().filter(|own| own["Cancelled"] == "tNO" && own["DocEntry"] != twin["DocEntry"]);
        Ok((live.count() == 1).then_some(()))
    };
    world.until("a new order beside the clerk's", PATIENCE, made).await?;
    world.settled().await?;
    let (code, report) = reconcile(&world, &["orders"]).await?;
    assert_eq!(agrees(&report, "orders", "orders")?, 2, "{report:#}");
    let own = comparison(&report, "orders", "orders");
    assert_eq!((own["alone"].as_u64(), own["b1"].as_u64()), (Some(1), Some(3)), "{own:#}");
    assert_eq!(code, 0, "{report:#}");
    Ok(())
}
