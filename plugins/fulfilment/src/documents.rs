//! From events to whole orders: each with all that was made of it, and the opportunity it came from.

use std::collections::{BTreeMap, BTreeSet};

use tandem_sdk::b1::{self, Read, code};
use tandem_sdk::chain::{self, Chain, Line, Moved};
use tandem_sdk::{Batch, Error, Link, Outcomes, Side, Value, links, text};

use crate::describe::Settings;

/// An order with what became of it.
pub struct Order {
    pub document: Value,
    pub link: Link,
    /// What became of its lines, by `LineNum`.
    pub moved: BTreeMap<i64, Moved>,
    pub deliveries: Vec<Shipment>,
    pub returns: Vec<Shipment>,
    /// Places of the events it is looked at for.
    pub events: Vec<usize>,
}

/// A delivery or return.
pub struct Shipment {
    pub document: Value,
    /// The opportunity it stands under: of several the one that has the most of it.
    pub opportunity: String,
}

/// What moves goods: entity set and object code.
const SETS: [(&str, i64); 4] = [
    ("DeliveryNotes", code::DELIVERY),
    ("Returns", code::RETURN),
    ("Invoices", code::INVOICE),
    ("CreditNotes", code::CREDIT_MEMO),
];

const SHIPMENT: &str = "DocNum,CardCode,DocDate,DocumentStatus,TransportationCode,TrackingNumber";
const ORDER: &str = "DocEntry,DocNum,CardCode,CreationDate,DocumentStatus,Cancelled,DocumentLines";

/// Documents by object code and `DocEntry`.
type Rows = BTreeMap<(i64, i64), Value>;

/// Reads the orders that events touch. Orders without an opportunity are nobody's business here.
pub fn read(batch: &Batch, settings: &Settings, outcomes: &mut Outcomes) -> Result<Vec<Order>, Error> {
    let mut orders: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    let mut told: BTreeMap<(i64, i64), Vec<usize>> = BTreeMap::new();
    for (place, event, payload) in outcomes.open(batch) {
        let Some(entry) = payload["DocEntry"].as_i64() else { continue };
        match event.topic.strip_prefix("b1.") {
            Some("Orders") => orders.entry(entry).or_default().push(place),
            Some(set) => {
                let kind = SETS.iter().find(|(own, _)| *own == set).map(|(_, kind)| *kind);
                told.entry((kind.unwrap_or_default(), entry)).or_default().push(place);
            }
            None => {}
        }
    }
    let mut chain = Chain::default();
    let mut rows = Rows::new();
    let entries = |kind: i64| -> Vec<i64> { told.keys().filter(|(own, _)| *own == kind).map(|(_, e)| *e).collect() };
    let reads = SETS.map(|(set, kind)| Read::numbers(set, "DocEntry", &entries(kind), fields(settings, kind)));
    take(&mut rows, &mut chain, &reads)?;
    chain.read()?;
    for ((kind, entry), events) in told {
        for order in chain.orders(kind, entry) {
            orders.entry(order).or_default().extend(&events);
        }
    }
    let linked = linked(orders.keys().copied());
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
    // A customer of many years has shipped much: only what was made after the orders in question is read, whatever its date.
    let made = |order: &Value| order["CreationDate"].as_str()?.get(..10).map(str::to_owned);
    let since = format!("CreationDate ge '{}'", documents.values().filter_map(made).min().unwrap_or_default());
    let reads = SETS.map(|(set, kind)| Read::texts(set, "CardCode", &customers, fields(settings, kind)).and(&since));
    take(&mut rows, &mut chain, &reads)?;
    chain.read()?;
    let moved = chain.moved();
    let shipments = shipments(&chain, rows, &linked);
    let mut whole = Vec::new();
    for (entry, link) in linked {
        let Some(document) = documents.get(&entry.to_string()) else { continue };
        let from = |number: i64| Line { kind: code::ORDER, entry, number };
        let of_kind = |kind: i64| -> Vec<Shipment> {
            let own = shipments
                .iter()
                .filter(|((own, number), _)| *own == kind && chain.orders(kind, *number).contains(&entry));
            own.map(|(_, (document, opportunity))| Shipment {
                document: document.clone(),
                opportunity: opportunity.clone().unwrap_or_else(|| link.salesforce_id.clone()),
            })
            .collect()
        };
        whole.push(Order {
            document: document.clone(),
            moved: moved.range(from(i64::MIN)..=from(i64::MAX)).map(|(line, moved)| (line.number, *moved)).collect(),
            deliveries: of_kind(code::DELIVERY),
            returns: of_kind(code::RETURN),
            events: orders.get(&entry).cloned().unwrap_or_default(),
            link,
        });
    }
    Ok(whole)
}

/// Reads documents, and adds them to what was read.
fn take(rows: &mut Rows, chain: &mut Chain, reads: &[Read<'_>]) -> Result<(), Error> {
    for ((_, kind), found) in SETS.iter().zip(b1::read_all(reads)?) {
        chain.add(*kind, &found);
        rows.extend(found.into_iter().filter_map(|row| Some(((*kind, row["DocEntry"].as_i64()?), row))));
    }
    Ok(())
}

/// Links of those orders that have one.
fn linked(orders: impl Iterator<Item = i64>) -> BTreeMap<i64, Link> {
    let orders: Vec<i64> = orders.collect();
    let keys: Vec<String> = orders.iter().map(i64::to_string).collect();
    let found = links::find_all("order", Side::B1, &keys);
    orders.into_iter().zip(found).filter_map(|(entry, link)| Some((entry, link?))).collect()
}

/// Deliveries and returns that lead to linked orders, with the opportunity each stands under: that with the greatest share, where
/// it is of several.
fn shipments(chain: &Chain, rows: Rows, known: &BTreeMap<i64, Link>) -> BTreeMap<(i64, i64), (Value, Option<String>)> {
    let is_shipment = |kind: i64| matches!(kind, code::DELIVERY | code::RETURN);
    let of = |(kind, entry): (i64, i64)| chain.orders(kind, entry);
    let is_ours = |key: &(i64, i64)| is_shipment(key.0) && of(*key).iter().any(|order| known.contains_key(order));
    let ours: Rows = rows.into_iter().filter(|(key, _)| is_ours(key)).collect();
    let others: BTreeSet<i64> =
        ours.keys().flat_map(|key| of(*key)).filter(|order| !known.contains_key(order)).collect();
    let others = linked(others.into_iter());
    let opportunity =
        |order: &i64| known.get(order).or_else(|| others.get(order)).map(|link| link.salesforce_id.clone());
    let under = |key: (i64, i64)| {
        let (shares, _) = chain.shares(key.0, key.1);
        let most =
            shares.iter().rev().filter(|(order, _)| opportunity(order).is_some()).max_by_key(|(_, own)| own.value);
        most.and_then(|(order, _)| opportunity(order)).or_else(|| of(key).iter().find_map(opportunity))
    };
    ours.into_iter().map(|(key, row)| (key, (row, under(key)))).collect()
}

fn fields(settings: &Settings, kind: i64) -> String {
    match (kind, &settings.delivered) {
        (code::DELIVERY, Some((field, _))) => format!("{},{SHIPMENT},{field}", chain::FIELDS),
        (code::DELIVERY | code::RETURN, _) => format!("{},{SHIPMENT}", chain::FIELDS),
        _ => chain::FIELDS.to_owned(),
    }
}

impl Shipment {
    /// It counts: neither cancelled nor a cancellation.
    pub fn is_live(&self) -> bool {
        !chain::is_void(&self.document)
    }

    /// `Open`, `Closed`, `Cancelled`.
    pub fn status(&self) -> &'static str {
        match (self.is_live(), text(&self.document, "DocumentStatus")) {
            (false, _) => "Cancelled",
            (true, "bost_Close") => "Closed",
            (true, _) => "Open",
        }
    }
}
