//! From events to whole orders: each with all that was made of it, and the opportunity it came from.

use std::collections::{BTreeMap, BTreeSet};

use tandem_sdk::again;
use tandem_sdk::b1::{self, Read, code};
use tandem_sdk::chain::{self, Chain, Line, Moved, Name, ORDER_LINKED, Rows};
use tandem_sdk::{Batch, Error, Link, Outcomes, Value, clock, from_json, json, storage, text};

use crate::describe::Settings;

/// An order with what became of it.
pub struct Order {
    pub document: Value,
    pub link: Link,
    /// What became of its lines, by `LineNum`.
    pub moved: BTreeMap<i64, Moved>,
    pub deliveries: Vec<Shipment>,
    pub returns: Vec<Shipment>,
    /// All that was made of it.
    pub made: BTreeSet<Name>,
    /// When it, or one of these, was changed last, in milliseconds since 1970 UTC; none where B1 does not say.
    pub changed: Option<u64>,
    /// Places of the events it is looked at for.
    pub events: Vec<usize>,
}

/// A delivery or return.
pub struct Shipment {
    pub document: Value,
    /// The opportunity it stands under: of several the one that has the most of it.
    pub opportunity: String,
}

/// What moves goods.
pub const KINDS: [i64; 4] = [code::DELIVERY, code::RETURN, code::INVOICE, code::CREDIT_MEMO];

const SHIPMENT: &str = "DocNum,CardCode,DocDate,DocumentStatus,TransportationCode,TrackingNumber";
const STAMP: &str = "UpdateDate,UpdateTime";

/// What is read of an order.
pub fn order_fields() -> String {
    format!("DocEntry,DocNum,CardCode,CreationDate,DocumentStatus,Cancelled,DocumentLines,{STAMP}")
}

/// Reads the orders that events touch. Orders without an opportunity are nobody's business here.
pub fn read(batch: &Batch, settings: &Settings, outcomes: &mut Outcomes) -> Result<Vec<Order>, Error> {
    let mut orders: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    let mut told: BTreeMap<Name, Vec<usize>> = BTreeMap::new();
    for (place, event, payload) in outcomes.open(batch) {
        let Some(entry) = payload["DocEntry"].as_i64() else { continue };
        match again::topic(event, &payload) {
            "b1.Orders" | ORDER_LINKED => orders.entry(entry).or_default().push(place),
            topic => {
                if let Some(kind) = chain::kind_of(topic) {
                    told.entry((kind, entry)).or_default().push(place);
                }
            }
        }
    }
    let mut chain = Chain::default();
    let rows = chain::documents(told.keys(), |kind| fields(settings, kind))?;
    chain.take(&rows);
    chain.read()?;
    for ((kind, entry), events) in told {
        for order in chain.orders(kind, entry) {
            orders.entry(order).or_default().extend(&events);
        }
    }
    let linked = chain::linked(orders.keys().copied());
    for (entry, events) in &orders {
        if !linked.contains_key(entry) {
            outcomes.note_all(events, &format!("order {entry} did not come from an opportunity"));
        }
    }
    let numbers: Vec<i64> = linked.keys().copied().collect();
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let documents = b1::read(Read::numbers("Orders", "DocEntry", &numbers, order_fields()))?;
    let mut whole = whole(settings, documents, linked, rows, chain)?;
    for order in &mut whole {
        let entry = order.document["DocEntry"].as_i64();
        order.events = entry.and_then(|entry| orders.remove(&entry)).unwrap_or_default();
    }
    Ok(whole)
}

/// Orders with all that was made of them. `rows` and `chain`: what was read of that.
pub fn whole(
    settings: &Settings,
    documents: Vec<Value>,
    linked: BTreeMap<i64, Link>,
    mut rows: Rows,
    mut chain: Chain,
) -> Result<Vec<Order>, Error> {
    let documents = b1::by_key(documents, "DocEntry");
    read_made(settings, &documents, &mut rows, &mut chain)?;
    let whole = together(&documents, linked, rows, &chain);
    for order in &whole {
        let pairs: Vec<[i64; 2]> = order.made.iter().map(|(kind, entry)| [*kind, *entry]).collect();
        let _ = storage::set(&made(&order.document["DocEntry"]), &json!(pairs).to_string());
    }
    Ok(whole)
}

/// Orders with all that was made of them, of which nothing more is read.
pub fn together(
    documents: &BTreeMap<String, Value>,
    linked: BTreeMap<i64, Link>,
    rows: Rows,
    chain: &Chain,
) -> Vec<Order> {
    let stamps: BTreeMap<Name, Option<u64>> = rows.iter().map(|(name, row)| (*name, stamp(row))).collect();
    let (moved, made_of) = (chain.moved(), chain.made_of());
    let shipments = shipments(chain, rows, &linked);
    let mut whole = Vec::new();
    for (entry, link) in linked {
        let Some(document) = documents.get(&entry.to_string()) else { continue };
        let from = |number: i64| Line { kind: code::ORDER, entry, number };
        let own = made_of.get(&entry).cloned().unwrap_or_default();
        let of_kind = |kind: i64| -> Vec<Shipment> {
            let own = own.iter().filter(|(own, _)| *own == kind).filter_map(|key| shipments.get(key));
            own.map(|(document, opportunity)| Shipment {
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
            changed: own.iter().filter_map(|name| *stamps.get(name)?).chain(stamp(document)).max(),
            made: own,
            events: Vec::new(),
            link,
        });
    }
    whole
}

/// When B1 changed a document last.
pub fn stamp(document: &Value) -> Option<u64> {
    clock::company_time("b1", text(document, "UpdateDate"), text(document, "UpdateTime"))
}

/// Reads all that was made of orders, by `DocEntry`.
fn read_made(
    settings: &Settings,
    orders: &BTreeMap<String, Value>,
    rows: &mut Rows,
    chain: &mut Chain,
) -> Result<(), Error> {
    // Of an order that was looked at before it is known what was made of it, and events tell what is since.
    let mut known: BTreeSet<Name> = BTreeSet::new();
    let mut new = Vec::new();
    for (entry, document) in orders {
        match noted(entry) {
            Some(noted) => known.extend(noted),
            None => new.push(document),
        }
    }
    known.retain(|key| !rows.contains_key(key));
    let fields = |kind: i64| fields(settings, kind);
    rows.extend(chain::documents(&known, fields)?);
    // Of others all is looked through that their customers had since.
    let customers: Vec<String> = new.iter().map(|order| b1::key_text(&order["CardCode"])).collect();
    let day = |order: &&Value| order["CreationDate"].as_str()?.get(..10).map(str::to_owned);
    rows.extend(chain::since(&new.iter().filter_map(day).min().unwrap_or_default(), &customers, &KINDS, fields)?);
    chain.take(rows);
    chain.read()
}

/// Where it is noted which documents were made of an order, by its `DocEntry`.
fn made(order: impl std::fmt::Display) -> String {
    format!("made:{order}")
}

/// What is noted of that; none of an order that was not looked at yet.
pub fn noted(order: impl std::fmt::Display) -> Option<Vec<Name>> {
    storage::get(&made(order)).map(|noted| pairs(&from_json(&noted)))
}

fn pairs(noted: &Value) -> Vec<Name> {
    let pair = |pair: &Value| Some((pair[0].as_i64()?, pair[1].as_i64()?));
    noted.as_array().into_iter().flatten().filter_map(pair).collect()
}

/// Deliveries and returns that lead to linked orders, with the opportunity each stands under: that with the greatest share, where
/// it is of several.
pub fn shipments(chain: &Chain, rows: Rows, known: &BTreeMap<i64, Link>) -> BTreeMap<Name, (Value, Option<String>)> {
    let of = |(kind, entry): Name| chain.orders(kind, entry);
    let is_ours = |key: &Name| {
        matches!(key.0, code::DELIVERY | code::RETURN) && of(*key).iter().any(|order| known.contains_key(order))
    };
    let ours: Rows = rows.into_iter().filter(|(key, _)| is_ours(key)).collect();
    let others: BTreeSet<i64> =
        ours.keys().flat_map(|key| of(*key)).filter(|order| !known.contains_key(order)).collect();
    let others = chain::linked(others);
    let opportunity =
        |order: &i64| known.get(order).or_else(|| others.get(order)).map(|link| link.salesforce_id.clone());
    let under = |key: Name| {
        let (shares, _) = chain.shares(key.0, key.1);
        let most =
            shares.iter().rev().filter(|(order, _)| opportunity(order).is_some()).max_by_key(|(_, own)| own.value);
        most.and_then(|(order, _)| opportunity(order)).or_else(|| of(key).iter().find_map(opportunity))
    };
    ours.into_iter().map(|(key, row)| (key, (row, under(key)))).collect()
}

/// What is read of a document.
pub fn fields(settings: &Settings, kind: i64) -> String {
    match (kind, &settings.delivered_field) {
        (code::DELIVERY, Some(field)) => format!("{},{STAMP},{SHIPMENT},{field}", chain::FIELDS),
        (code::DELIVERY | code::RETURN, _) => format!("{},{STAMP},{SHIPMENT}", chain::FIELDS),
        _ => format!("{},{STAMP}", chain::FIELDS),
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
