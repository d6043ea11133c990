//! From a document back to the opportunity: by the base documents of its lines (invoice → delivery → order) and the link
//! of the order, or by `U_SF_Id`.

use std::collections::BTreeMap;

use tandem_sdk::b1::{self, Read, code};
use tandem_sdk::{Error, Side, Value, links, text};

/// The opportunity of each document, in order.
pub fn opportunities(documents: &[&Value]) -> Result<Vec<Option<String>>, Error> {
    let deliveries: Vec<i64> = documents.iter().flat_map(|document| bases(document, code::DELIVERY)).collect();
    let read = Read::numbers("DeliveryNotes", "DocEntry", &deliveries, "DocEntry,DocumentLines");
    let deliveries: BTreeMap<String, Value> = b1::by_key(b1::read(read)?, "DocEntry");
    // A credit memo comes from an invoice.
    let invoices: Vec<i64> = documents.iter().flat_map(|document| bases(document, code::INVOICE)).collect();
    let read = Read::numbers("Invoices", "DocEntry", &invoices, "DocEntry,DocumentLines");
    let invoices: BTreeMap<String, Value> = b1::by_key(b1::read(read)?, "DocEntry");
    let orders: Vec<Option<i64>> =
        documents.iter().map(|document| order_of(document, &deliveries, &invoices)).collect();
    by_orders(&orders)
}

/// The opportunities of orders.
fn by_orders(orders: &[Option<i64>]) -> Result<Vec<Option<String>>, Error> {
    let entries: Vec<String> = orders.iter().flatten().map(i64::to_string).collect();
    let mut known: BTreeMap<String, String> = entries
        .iter()
        .zip(links::find_all("order", Side::B1, &entries))
        .filter_map(|(entry, link)| Some((entry.clone(), link?.salesforce_id)))
        .collect();
    let unknown: Vec<i64> =
        orders.iter().flatten().filter(|entry| !known.contains_key(&entry.to_string())).copied().collect();
    for order in b1::read(Read::numbers("Orders", "DocEntry", &unknown, "DocEntry,U_SF_Id"))? {
        let id = text(&order, "U_SF_Id");
        if !id.is_empty() {
            known.insert(b1::key_text(&order["DocEntry"]), id.to_owned());
        }
    }
    Ok(orders.iter().map(|order| known.get(&order.as_ref()?.to_string()).cloned()).collect())
}

fn order_of(document: &Value, deliveries: &BTreeMap<String, Value>, invoices: &BTreeMap<String, Value>) -> Option<i64> {
    let direct = || bases(document, code::ORDER).into_iter().next();
    let through = |kind, known: &BTreeMap<String, Value>| {
        bases(document, kind)
            .iter()
            .filter_map(|entry| known.get(&entry.to_string()))
            .find_map(|base| order_of(base, deliveries, invoices))
    };
    direct().or_else(|| through(code::DELIVERY, deliveries)).or_else(|| through(code::INVOICE, invoices))
}

/// Base documents of one kind.
fn bases(document: &Value, kind: i64) -> Vec<i64> {
    b1::lines(document)
        .iter()
        .filter(|line| line["BaseType"].as_i64() == Some(kind))
        .filter_map(|line| line["BaseEntry"].as_i64())
        .collect()
}
