//! Whether both systems say the same at the end, over all that the flows show.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::World;

/// A record's text; empty where it has none.
pub fn text<'a>(record: &'a Value, name: &str) -> &'a str {
    record[name].as_str().unwrap_or_default()
}

/// Live records by a field; fails when two share a value.
pub async fn by(world: &World, object: &str, field: &str) -> Result<BTreeMap<String, Value>> {
    let mut found = BTreeMap::new();
    for record in world.records(object).await? {
        let key = text(&record, field).to_owned();
        if !key.is_empty() && record["IsDeleted"] != true {
            ensure!(found.insert(key.clone(), record).is_none(), "two {object} with {field} = {key}");
        }
    }
    Ok(found)
}

/// `DocEntry` of all documents of a kind, in order.
pub async fn entries(world: &World, set: &str) -> Result<Vec<i64>> {
    let mut entries: Vec<i64> =
        world.b1_records(set).await?.iter().filter_map(|record| record["DocEntry"].as_i64()).collect();
    entries.sort_unstable();
    Ok(entries)
}

/// Compares customers, items, stock, invoices, deliveries, payments and what opportunities show as invoiced. `phones` says what must
/// stand on both sides by `CardCode`.
pub async fn in_step(world: &World, phones: &BTreeMap<String, String>) -> Result<()> {
    let accounts = by(world, "Account", "Tandem_Card_Code__c").await?;
    let partners = world.b1_records("BusinessPartners").await?;
    for partner in &partners {
        let code = text(partner, "CardCode");
        let account = &accounts[code];
        assert_eq!(text(partner, "Phone1"), text(account, "Phone"), "{code}");
        if let Some(phone) = phones.get(code) {
            assert_eq!(text(account, "Phone"), phone, "{code}");
        }
        if account["Tandem_Balance__c"].is_number() {
            let same = |b1: &str, sf: &str| assert_eq!(partner[b1].as_f64(), account[sf].as_f64(), "{code} {b1}");
            same("CurrentAccountBalance", "Tandem_Balance__c");
            same("OpenOrdersBalance", "Tandem_Open_Orders__c");
        }
    }
    let products = by(world, "Product2", "Tandem_Item_Code__c").await?;
    for item in world.b1_records("Items").await? {
        let product = &products[text(&item, "ItemCode")];
        assert_eq!(text(&item, "ItemName"), text(product, "Name"));
        if product["Tandem_Committed__c"].is_number() {
            let same = |b1: &str, sf: &str| assert_eq!(item[b1].as_f64(), product[sf].as_f64(), "{item} {sf}");
            same("QuantityOnStock", "Tandem_In_Stock__c");
            same("QuantityOrderedByCustomers", "Tandem_Committed__c");
        }
    }
    let invoices = by(world, "Tandem_Invoice__c", "Tandem_Key__c").await?;
    let all = world.b1_records("Invoices").await?;
    for invoice in invoices.values() {
        let mine = |record: &&Value| record["DocNum"].as_i64() == text(invoice, "Tandem_Number__c").parse().ok();
        let record = all.iter().find(mine).expect("an invoice of B1");
        let void = record["CancelStatus"] != "csNo";
        let paid = if void { Some(0.0) } else { record["PaidToDate"].as_f64() };
        assert_eq!(
            (paid, void),
            (invoice["Tandem_Paid__c"].as_f64(), invoice["Tandem_Status__c"] == "Cancelled"),
            "{invoice}"
        );
    }
    invoiced(world).await?;
    let deliveries = by(world, "Tandem_Delivery__c", "Tandem_Key__c").await?;
    ensure!(!invoices.is_empty() && !deliveries.is_empty(), "something was shipped and invoiced");
    by(world, "Tandem_Payment__c", "Tandem_Key__c").await?;
    by(world, "Tandem_Stock__c", "Tandem_Key__c").await?;
    Ok(())
}

/// Every opportunity shows what the live invoices of its order come to, reckoned from B1's documents.
async fn invoiced(world: &World) -> Result<()> {
    let lines = |document: &Value| document["DocumentLines"].as_array().cloned().unwrap_or_default();
    let number = |value: &Value| value.as_i64().unwrap_or_default();
    let deliveries = world.b1_records("DeliveryNotes").await?;
    let orders_of = |document: &Value| -> BTreeSet<i64> {
        let through = |entry: i64| -> Vec<i64> {
            let own = deliveries.iter().find(|own| number(&own["DocEntry"]) == entry).map(lines).unwrap_or_default();
            own.iter().map(|line| number(&line["BaseEntry"])).collect()
        };
        let of_line = |line: Value| match number(&line["BaseType"]) {
            17 => vec![number(&line["BaseEntry"])],
            15 => through(number(&line["BaseEntry"])),
            _ => Vec::new(),
        };
        lines(document).into_iter().flat_map(of_line).collect()
    };
    let mut invoiced: BTreeMap<i64, f64> = BTreeMap::new();
    for invoice in world.b1_records("Invoices").await?.iter().filter(|own| own["CancelStatus"] == "csNo") {
        let orders = orders_of(invoice);
        ensure!(orders.len() < 2, "an invoice of one order: {invoice}");
        for order in orders {
            *invoiced.entry(order).or_default() +=
                invoice["DocTotalFc"].as_f64().filter(|fc| *fc != 0.0).or(invoice["DocTotal"].as_f64()).unwrap_or(0.0);
        }
    }
    for opportunity in world.records("Opportunity").await? {
        let shown = opportunity["Tandem_Invoiced__c"].as_f64().unwrap_or_default();
        let order = text(&opportunity, "Tandem_Order_Doc_Entry__c").parse().unwrap_or_default();
        let wanted = invoiced.remove(&order).unwrap_or_default();
        ensure!((shown - wanted).abs() < 0.005, "{shown} is shown, {wanted} was invoiced: {opportunity}");
    }
    Ok(())
}
