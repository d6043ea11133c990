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

/// Compares customers and what they owe, items, stock by warehouse, invoices, payments, deliveries and what opportunities and their
/// lines show of their orders. `phones` says what must stand on both sides by `CardCode`.
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
    owed(&accounts, &invoices, &all)?;
    payments(world, &invoices).await?;
    warehouses(world, &products).await?;
    invoiced(world).await?;
    orders(world).await?;
    shipped(world).await?;
    prices(world, &products).await?;
    special_prices(world, &accounts, &products).await?;
    let deliveries = by(world, "Tandem_Delivery__c", "Tandem_Key__c").await?;
    ensure!(!invoices.is_empty() && !deliveries.is_empty(), "something was shipped and invoiced");
    // Tandem's own comparison sees it likewise.
    let (code, report) = crate::reconcile::reconcile(world, &[]).await?;
    let comparisons = report["flows"].as_array().into_iter().flatten();
    let comparisons = comparisons.flat_map(|own| own["comparisons"].as_array().into_iter().flatten());
    for own in comparisons {
        ensure!(own["not_whole"].is_null() && own["unexplained"] == 0, "{}: {own:#}", own["name"]);
    }
    ensure!(code == 0, "reconcile ended with {code}: {report:#}");
    Ok(())
}

fn amount(record: &Value, name: &str) -> f64 {
    record[name].as_f64().unwrap_or_default()
}

fn near(one: f64, other: f64, what: &Value) -> Result<()> {
    ensure!((one - other).abs() < 0.005, "{one} and {other}: {what}");
    Ok(())
}

/// Every price that a list has in its own currency stands in that list's book, where there is one.
async fn prices(world: &World, products: &BTreeMap<String, Value>) -> Result<()> {
    let lists = world.b1_records("PriceLists").await?;
    let books = by(world, "Pricebook2", "Name").await?;
    let mut entries: BTreeMap<[String; 3], Value> = BTreeMap::new();
    for entry in world.records("PricebookEntry").await? {
        let key = ["Pricebook2Id", "Product2Id", "CurrencyIsoCode"].map(|name| text(&entry, name).to_owned());
        entries.insert(key, entry);
    }
    for item in world.b1_records("Items").await? {
        let product = text(&products[text(&item, "ItemCode")], "Id");
        for price in item["ItemPrices"].as_array().into_iter().flatten() {
            let list = lists.iter().find(|list| list["PriceListNo"] == price["PriceList"]);
            let book = list.and_then(|list| books.get(text(list, "PriceListName")));
            // A gross list's book has net prices, and an item that is sold by the box the box's.
            let simple = list.is_some_and(|list| list["IsGrossPrice"] != "tYES")
                && item["SalesItemsPerUnit"].as_f64().is_none_or(|pieces| pieces == 1.0)
                && item["UoMGroupEntry"].as_i64().is_none_or(|group| group == -1);
            let (Some(book), true, true) = (book, simple, amount(price, "Price") > 0.0) else { continue };
            let key = [text(book, "Id"), product, text(price, "Currency")].map(str::to_owned);
            let Some(entry) = entries.get(&key) else { anyhow::bail!("no entry for {price} of {product}") };
            near(amount(entry, "UnitPrice"), amount(price, "Price"), entry)?;
        }
    }
    Ok(())
}

/// Every special price of a customer that has an account is shown there.
async fn special_prices(
    world: &World,
    accounts: &BTreeMap<String, Value>,
    products: &BTreeMap<String, Value>,
) -> Result<()> {
    let mut shown: BTreeMap<[String; 2], Value> = BTreeMap::new();
    for own in by(world, "Tandem_Special_Price__c", "Tandem_Key__c").await?.into_values() {
        let key = ["Tandem_Account__c", "Tandem_Product__c"].map(|name| text(&own, name).to_owned());
        shown.insert(key, own);
    }
    for special in world.b1_records("SpecialPrices").await? {
        let account = accounts.get(text(&special, "CardCode")).map(|own| text(own, "Id"));
        let (Some(account), Some(product)) = (account, products.get(text(&special, "ItemCode"))) else { continue };
        let own = shown.get(&[account.to_owned(), text(product, "Id").to_owned()]);
        let Some(own) = own else { anyhow::bail!("not shown: {special}") };
        near(amount(own, "Tandem_Price__c"), amount(&special, "Price"), own)?;
    }
    Ok(())
}

/// Every opportunity that has an order shows its number and its state.
async fn orders(world: &World) -> Result<()> {
    let orders = world.b1_records("Orders").await?;
    for opportunity in world.records("Opportunity").await? {
        let entry: Option<i64> = text(&opportunity, "Tandem_Order_Doc_Entry__c").parse().ok();
        let Some(order) = orders.iter().find(|order| entry.is_some() && order["DocEntry"].as_i64() == entry) else {
            continue;
        };
        let status = match (text(order, "Cancelled"), text(order, "DocumentStatus")) {
            ("tYES", _) => "Cancelled",
            (_, "bost_Close") => "Closed",
            _ => "Open",
        };
        let shown = (text(&opportunity, "Tandem_Order_Number__c"), text(&opportunity, "Tandem_Order_Status__c"));
        ensure!(shown == (order["DocNum"].to_string().as_str(), status), "{opportunity} of {order}");
    }
    Ok(())
}

/// What has left of an order's line and what came back, in pieces, reckoned from B1's live documents.
#[derive(Clone, Copy, Default)]
struct Moved {
    shipped: f64,
    returned: f64,
}

/// Every opportunity that has an order shows how far it is, by the rules of `docs/flows/fulfilment.md`, and so does each of its lines.
async fn shipped(world: &World) -> Result<()> {
    let moved = moved(world).await?;
    let orders = world.b1_records("Orders").await?;
    let lines = world.records("OpportunityLineItem").await?;
    for opportunity in world.records("Opportunity").await? {
        let entry: Option<i64> = text(&opportunity, "Tandem_Order_Doc_Entry__c").parse().ok();
        let Some(order) = orders.iter().find(|order| entry.is_some() && order["DocEntry"].as_i64() == entry) else {
            continue;
        };
        let mut words = BTreeSet::new();
        for row in order["DocumentLines"].as_array().into_iter().flatten() {
            let own = row["LineNum"].as_i64().zip(entry).and_then(|(number, entry)| moved.get(&(entry, number)));
            let word = line_state(order, row, own.copied().unwrap_or_default());
            words.insert(word);
            let line = lines.iter().find(|line| text(line, "Id") == text(row, "U_SF_LineId"));
            if let Some(line) = line.filter(|line| line["IsDeleted"] != true) {
                let shown = text(line, "Tandem_Line_Status__c");
                ensure!(shown == word, "{shown:?} is shown, {word} is the row: {line} of {row}");
            }
        }
        let (shown, word) = (text(&opportunity, "Tandem_Delivery_State__c"), order_state(&words));
        ensure!(shown == word, "{shown:?} is shown, {word} is the order: {opportunity} of {order}");
    }
    Ok(())
}

/// By the order's `DocEntry` and the row's `LineNum`. Of a document that comes from a delivery or an invoice only what it takes back
/// counts: what it is about has left already.
async fn moved(world: &World) -> Result<BTreeMap<(i64, i64), Moved>> {
    let mut bases: BTreeMap<[i64; 3], Value> = BTreeMap::new();
    let mut live: Vec<(i64, [i64; 3])> = Vec::new();
    for (set, kind) in [("DeliveryNotes", 15), ("Invoices", 13), ("Returns", 16), ("CreditNotes", 14)] {
        for document in world.b1_records(set).await? {
            for row in document["DocumentLines"].as_array().into_iter().flatten() {
                let key = [
                    kind,
                    document["DocEntry"].as_i64().unwrap_or_default(),
                    row["LineNum"].as_i64().unwrap_or_default(),
                ];
                bases.insert(key, row.clone());
                if document["CancelStatus"] == "csNo" && document["ReserveInvoice"] != "tYES" {
                    live.push((kind, key));
                }
            }
        }
    }
    let base = |row: &Value| ["BaseType", "BaseEntry", "BaseLine"].map(|name| row[name].as_i64().unwrap_or_default());
    let mut moved: BTreeMap<(i64, i64), Moved> = BTreeMap::new();
    for (kind, key) in live {
        let (mut at, mut through) = (base(&bases[&key]), Vec::new());
        while let Some(row) = bases.get(&at) {
            through.push(at[0]);
            at = base(row);
        }
        if at[0] != 17 {
            continue;
        }
        let own = moved.entry((at[1], at[2])).or_default();
        match kind {
            13 | 15 if through.is_empty() => own.shipped += amount(&bases[&key], "Quantity"),
            14 | 16 if !through.iter().any(|kind| matches!(kind, 14 | 16)) => {
                own.returned += amount(&bases[&key], "Quantity")
            }
            _ => {}
        }
    }
    Ok(moved)
}

fn line_state(order: &Value, row: &Value, moved: Moved) -> &'static str {
    let (ordered, closed) = (amount(row, "Quantity"), row["LineStatus"] == "bost_Close");
    match moved {
        _ if order["Cancelled"] == "tYES" => "Cancelled",
        Moved { shipped, returned } if shipped > 0.0 && returned >= shipped => "Returned",
        Moved { shipped, .. } if shipped > 0.0 && shipped >= ordered => "Shipped",
        _ if closed => "Closed",
        Moved { shipped, .. } if shipped > 0.0 => "Partly shipped",
        _ => "Open",
    }
}

/// All lines together.
fn order_state(words: &BTreeSet<&'static str>) -> &'static str {
    let among = |known: &[&str]| words.iter().all(|word| known.contains(word));
    match words.first() {
        Some(one) if words.len() == 1 => one,
        None => "Open",
        _ if among(&["Returned", "Shipped"]) => "Shipped",
        _ if among(&["Closed", "Returned"]) => "Returned",
        _ if among(&["Closed", "Returned", "Shipped"]) => "Closed",
        _ if among(&["Closed", "Open"]) => "Open",
        _ => "Partly shipped",
    }
}

/// Every account under which an invoice stands shows what its open invoices come to, and what of it is overdue, by age.
fn owed(accounts: &BTreeMap<String, Value>, shown: &BTreeMap<String, Value>, invoices: &[Value]) -> Result<()> {
    const AGES: [(i64, &str); 4] = [
        (30, "Tandem_Ageing_30__c"),
        (60, "Tandem_Ageing_60__c"),
        (90, "Tandem_Ageing_90__c"),
        (i64::MAX, "Tandem_Ageing_Over_90__c"),
    ];
    let today = chrono::Utc::now().date_naive();
    let with_invoice: BTreeSet<&str> = shown.values().map(|invoice| text(invoice, "Tandem_Account__c")).collect();
    for (code, account) in accounts.iter().filter(|(_, account)| with_invoice.contains(text(account, "Id"))) {
        let own = invoices.iter().filter(|own| text(own, "CardCode") == code && own["CancelStatus"] == "csNo");
        let (mut open, mut overdue, mut ages) = (0.0, 0.0, [0.0; 4]);
        for invoice in own {
            let left = amount(invoice, "DocTotal") - amount(invoice, "PaidToDate");
            let due: chrono::NaiveDate = text(invoice, "DocDueDate").get(..10).unwrap_or_default().parse()?;
            let days = (today - due).num_days();
            open += left;
            if days > 0 {
                overdue += left;
                let age = AGES.iter().position(|(end, _)| days <= *end).unwrap_or(3);
                ages[age] += left;
            }
        }
        ensure!(account["Tandem_Open_Amount__c"].is_number(), "nothing is shown as owed: {account}");
        near(amount(account, "Tandem_Open_Amount__c"), open, account)?;
        near(amount(account, "Tandem_Overdue__c"), overdue, account)?;
        for ((_, field), left) in AGES.iter().zip(ages) {
            near(amount(account, field), left, account)?;
        }
    }
    Ok(())
}

/// The payments of every invoice come to what is paid of it, and none stands elsewhere.
async fn payments(world: &World, invoices: &BTreeMap<String, Value>) -> Result<()> {
    let mut paid: BTreeMap<String, f64> = BTreeMap::new();
    for payment in by(world, "Tandem_Payment__c", "Tandem_Key__c").await?.values() {
        if payment["Tandem_Cancelled__c"] != true {
            *paid.entry(text(payment, "Tandem_Invoice__c").to_owned()).or_default() +=
                amount(payment, "Tandem_Amount__c");
        }
    }
    for invoice in invoices.values() {
        let own = paid.remove(text(invoice, "Id")).unwrap_or_default();
        if invoice["Tandem_Status__c"] != "Cancelled" {
            near(own, amount(invoice, "Tandem_Paid__c"), invoice)?;
        }
    }
    ensure!(paid.is_empty(), "payments of no invoice: {paid:?}");
    Ok(())
}

/// Every item of which one warehouse is shown shows what B1 has in each.
async fn warehouses(world: &World, products: &BTreeMap<String, Value>) -> Result<()> {
    let mut shown: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
    for stock in by(world, "Tandem_Stock__c", "Tandem_Key__c").await?.into_values() {
        let (product, warehouse) =
            (text(&stock, "Tandem_Product__c").to_owned(), text(&stock, "Tandem_Warehouse__c").to_owned());
        shown.entry(product).or_default().insert(warehouse, stock);
    }
    for item in world.b1_records("Items").await? {
        let Some(mut own) = products.get(text(&item, "ItemCode")).and_then(|product| shown.remove(text(product, "Id")))
        else {
            continue;
        };
        for row in item["ItemWarehouseInfoCollection"].as_array().into_iter().flatten() {
            let stock = own.remove(text(row, "WarehouseCode")).unwrap_or_default();
            let parts = [("Tandem_In_Stock__c", "InStock"), ("Tandem_Committed__c", "Committed")];
            ensure!(!stock.is_null() || parts.iter().all(|(_, b1)| amount(row, b1) == 0.0), "not shown: {row}");
            for (field, b1) in parts {
                near(amount(&stock, field), amount(row, b1), &stock)?;
            }
        }
        ensure!(own.is_empty(), "B1 has no such stock: {own:?}");
    }
    ensure!(shown.is_empty(), "stock of no item: {shown:?}");
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
