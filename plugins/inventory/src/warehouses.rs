//! An item in a warehouse → `Tandem_Stock__c`. Which records an item has is a set: one of a warehouse that counts no longer, or that is
//! gone, says that there is nothing.

use std::collections::{BTreeMap, BTreeSet};

use tandem_sdk::desired::{Desired, Keys};
use tandem_sdk::mirror::{self, Row, Written};
use tandem_sdk::{Batch, Error, Map, Outcomes, Value, b1, connection, kept, salesforce, text};

use crate::describe::Settings;
use crate::stock::{FIELDS, Quantities, Stock};

/// The link of what is shown on an item's product keeps which records stand.
const WAREHOUSES: Desired = Desired { owners: "stock", rows: "warehouse-stock" };

/// Records of items in warehouses.
pub struct Records {
    /// What Salesforce has, where it was asked: by record id.
    pub there: BTreeMap<String, Value>,
    /// What it should have; [`Records::keep`] has to be told of them in this order.
    pub rows: Vec<Row>,
    /// Which records stand, by item.
    standing: BTreeMap<String, Keys>,
    /// Items of the rows.
    items: Vec<String>,
}

impl Records {
    /// Finds what is to be written. Salesforce is asked for the records of items that are to be compared, and of those of which it is not
    /// known what stands.
    pub fn read(batch: &Batch, settings: &Settings, stocks: &[Stock]) -> Result<Self, Error> {
        let codes: Vec<String> = stocks.iter().map(|stock| stock.item_code.clone()).collect();
        let mut standing = WAREHOUSES.standing(&codes);
        let asked: BTreeMap<&str, &str> = stocks
            .iter()
            .filter(|stock| stock.verify || !standing.contains_key(&stock.item_code))
            .map(|stock| (stock.product.as_str(), stock.item_code.as_str()))
            .collect();
        let there = records_below(asked.keys())?;
        let ids: Vec<String> = there.keys().cloned().collect();
        standing.extend(asked.values().map(|code| ((*code).to_owned(), Keys::new())));
        for (id, key) in WAREHOUSES.of_records(&ids) {
            let owner = there.get(&id).and_then(|record| asked.get(text(record, "Tandem_Product__c")));
            if let Some(stands) = owner.and_then(|owner| standing.get_mut(*owner)) {
                stands.insert(key);
            }
        }
        let names = names(stocks.iter().flat_map(|stock| &stock.warehouses).map(|(code, _)| code))?;
        let (mut rows, mut items, mut compared) = (Vec::new(), Vec::new(), Vec::new());
        for stock in stocks {
            let stands = standing.entry(stock.item_code.clone()).or_default();
            let wanted: Vec<Row> = match settings.per_warehouse {
                true => wanted(batch, settings, stock, stands, &names),
                false => Vec::new(),
            };
            let kept: BTreeSet<&str> = wanted.iter().map(|row| row.b1_id.as_str()).collect();
            let ended = stands.iter().filter(|key| !kept.contains(key.as_str()));
            let ended: Vec<Row> = ended.map(|key| ended_row(settings, key, stock)).collect();
            if asked.contains_key(stock.product.as_str()) {
                compared.extend(wanted.iter().map(|row| row.b1_id.clone()));
            }
            items.extend(std::iter::repeat_n(stock.item_code.clone(), wanted.len() + ended.len()));
            rows.extend(wanted.into_iter().chain(ended));
        }
        mirror::forget_missing(mirror::linked("warehouse-stock", &compared).values(), &there);
        Ok(Self { there, rows, standing, items })
    }

    /// Keeps what stands after the rows were written.
    pub fn keep(mut self, rows: &[Row], written: &[Written], outcomes: &Outcomes) {
        for ((row, written), item) in rows.iter().zip(written).zip(&self.items) {
            let Some(stands) = self.standing.get_mut(item) else { continue };
            // One that could not be written is tried again.
            let done = written.id.is_some() || row.events.iter().all(|event| outcomes.is_open(*event));
            match row.is_switched_off() {
                true if done => _ = stands.remove(&row.b1_id),
                false if written.id.is_some() => _ = stands.insert(row.b1_id.clone()),
                _ => {}
            }
        }
        WAREHOUSES.keep(&self.standing);
    }
}

/// The records below these products, by id.
fn records_below<'a>(products: impl Iterator<Item = &'a &'a str>) -> Result<BTreeMap<String, Value>, Error> {
    let products: Vec<String> = products.map(|id| (*id).to_owned()).collect();
    let fields = format!("Id,Name,Tandem_Product__c,Tandem_Warehouse__c,Tandem_Warehouse_Name__c,{}", FIELDS.join(","));
    Ok(b1::by_key(salesforce::query_in(&fields, "Tandem_Stock__c", "Tandem_Product__c", &products, "")?, "Id"))
}

/// `WarehouseName` by `WarehouseCode`, as B1 had it within a day.
pub fn names<'a>(codes: impl Iterator<Item = &'a String>) -> Result<Map<String, Value>, Error> {
    const KEY: &str = "warehouse-names";
    const DAY_MS: u64 = 86_400_000;
    let mut names = kept::within(KEY, DAY_MS).as_object().cloned().unwrap_or_default();
    let codes: Vec<String> = codes.filter(|code| !names.contains_key(*code)).cloned().collect();
    let rows = b1::read(b1::Read::texts("Warehouses", "WarehouseCode", &codes, "WarehouseCode,WarehouseName"))?;
    if !rows.is_empty() {
        names.extend(rows.iter().map(|row| (b1::key_text(&row["WarehouseCode"]), row["WarehouseName"].clone())));
        kept::keep(KEY, &names.clone().into());
    }
    Ok(names)
}

/// One row for each warehouse that has, or had, the item.
fn wanted(batch: &Batch, settings: &Settings, stock: &Stock, stands: &Keys, names: &Map<String, Value>) -> Vec<Row> {
    let code = &stock.item_code;
    let key = |warehouse: &str| format!("{}:{code}:{warehouse}", connection(batch, "b1"));
    let has =
        |(warehouse, own): &&(String, Quantities)| *own != Quantities::default() || stands.contains(&key(warehouse));
    let row = |(warehouse, own): &(String, Quantities)| {
        let mut fields = own.fields(settings);
        fields.insert("Name".into(), format!("{code} {warehouse}").into());
        fields.insert("Tandem_Product__c".into(), stock.product.as_str().into());
        fields.insert("Tandem_Warehouse__c".into(), warehouse.as_str().into());
        fields.insert("Tandem_Warehouse_Name__c".into(), names.get(warehouse).cloned().unwrap_or_default());
        let key = key(warehouse);
        Row::new("warehouse-stock", &key, "Tandem_Stock__c", fields)
            .external("Tandem_Key__c", &key)
            .serving(&stock.events)
    };
    stock.warehouses.iter().filter(has).map(row).collect()
}

fn ended_row(settings: &Settings, key: &str, stock: &Stock) -> Row {
    let nothing = Quantities::default().fields(settings);
    Row::new("warehouse-stock", key, "Tandem_Stock__c", nothing).switched_off().serving(&stock.events)
}
