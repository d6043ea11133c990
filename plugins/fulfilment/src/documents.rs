//! From events to whole orders: each with all its deliveries and returns, and the opportunity it came from.

use std::collections::BTreeMap;

use tandem_sdk::b1::{self, Read, code};
use tandem_sdk::{Batch, Error, Link, Outcomes, Side, Value, links};

use crate::describe::Settings;

/// An order with what became of it.
pub struct Order {
    pub document: Value,
    pub link: Link,
    pub deliveries: Vec<Value>,
    pub returns: Vec<Value>,
    /// Places of the events it is looked at for.
    pub events: Vec<usize>,
}

const SHIPMENT: &str =
    "DocEntry,DocNum,CardCode,DocDate,DocumentStatus,Cancelled,TransportationCode,TrackingNumber,DocumentLines";
const ORDER: &str = "DocEntry,DocNum,CardCode,DocDate,DocumentStatus,Cancelled,DocumentLines";

/// Reads the orders that events touch. Orders without an opportunity are nobody's business here.
pub fn read(batch: &Batch, settings: &Settings, outcomes: &mut Outcomes) -> Result<Vec<Order>, Error> {
    let mut orders: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    let mut shipments: BTreeMap<&str, BTreeMap<i64, Vec<usize>>> = BTreeMap::new();
    for (place, event, payload) in outcomes.open(batch) {
        let Some(entry) = payload["DocEntry"].as_i64() else { continue };
        match event.topic.as_str() {
            "b1.Orders" => orders.entry(entry).or_default().push(place),
            "b1.DeliveryNotes" => shipments.entry("DeliveryNotes").or_default().entry(entry).or_default().push(place),
            "b1.Returns" => shipments.entry("Returns").or_default().entry(entry).or_default().push(place),
            _ => {}
        }
    }
    let select = shipment_fields(settings);
    // Shipments that were told are kept: they may be dated before their order.
    let mut told: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    // A return names its delivery, a delivery its order.
    for (set, kind) in [("Returns", code::DELIVERY), ("DeliveryNotes", code::ORDER)] {
        let Some(entries) = shipments.remove(set) else { continue };
        let numbers: Vec<i64> = entries.keys().copied().collect();
        for row in b1::read(Read::numbers(set, "DocEntry", &numbers, select.as_str()))? {
            let events = row["DocEntry"].as_i64().and_then(|entry| entries.get(&entry)).cloned().unwrap_or_default();
            for base in bases(&row, kind) {
                let target = match set {
                    "Returns" => shipments.entry("DeliveryNotes").or_default(),
                    _ => &mut orders,
                };
                target.entry(base).or_default().extend(&events);
            }
            told.entry(set).or_default().push(row);
        }
    }
    let entries: Vec<String> = orders.keys().map(i64::to_string).collect();
    let linked: BTreeMap<i64, Link> = orders
        .keys()
        .copied()
        .zip(links::find_all("order", Side::B1, &entries))
        .filter_map(|(entry, link)| Some((entry, link?)))
        .collect();
    for (entry, events) in &orders {
        if !linked.contains_key(entry) {
            outcomes.note_all(events, &format!("order {entry} did not come from an opportunity"));
        }
    }
    let numbers: Vec<i64> = linked.keys().copied().collect();
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let documents = b1::by_key(b1::read(Read::numbers("Orders", "DocEntry", &numbers, ORDER))?, "DocEntry");
    let customers: Vec<String> = documents.values().map(|order| b1::key_text(&order["CardCode"])).collect();
    // A customer of many years has shipped much: only what is not older than the orders in question is read.
    let oldest = documents.values().filter_map(|order| order["DocDate"].as_str()?.get(..10)).min().unwrap_or_default();
    let since = format!("DocDate ge '{oldest}'");
    let mut found = b1::read_all(&[
        Read::texts("DeliveryNotes", "CardCode", &customers, select.as_str()).and(&since),
        Read::texts("Returns", "CardCode", &customers, select.as_str()).and(&since),
    ])?;
    for (rows, set) in found.iter_mut().zip(["DeliveryNotes", "Returns"]) {
        for row in told.remove(set).into_iter().flatten() {
            if !rows.iter().any(|other| other["DocEntry"] == row["DocEntry"]) {
                rows.push(row);
            }
        }
    }
    let mut whole = Vec::new();
    for (entry, link) in linked {
        let Some(document) = documents.get(&entry.to_string()) else { continue };
        let deliveries: Vec<Value> =
            found[0].iter().filter(|row| bases(row, code::ORDER).contains(&entry)).cloned().collect();
        let numbers: Vec<i64> = deliveries.iter().filter_map(|row| row["DocEntry"].as_i64()).collect();
        let returned = |row: &&Value| bases(row, code::DELIVERY).iter().any(|base| numbers.contains(base));
        let returns = found[1].iter().filter(returned).cloned().collect();
        let events = orders.get(&entry).cloned().unwrap_or_default();
        whole.push(Order { document: document.clone(), link, deliveries, returns, events });
    }
    Ok(whole)
}

fn shipment_fields(settings: &Settings) -> String {
    match &settings.delivered {
        Some((field, _)) => format!("{SHIPMENT},{field}"),
        None => SHIPMENT.to_owned(),
    }
}

/// Base documents of one kind, each once.
pub fn bases(document: &Value, kind: i64) -> Vec<i64> {
    let lines = b1::lines(document).iter().filter(|line| line["BaseType"].as_i64() == Some(kind));
    let mut entries: Vec<i64> = lines.filter_map(|line| line["BaseEntry"].as_i64()).collect();
    entries.sort_unstable();
    entries.dedup();
    entries
}
