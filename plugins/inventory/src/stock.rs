//! Quantities → `Product2` and `Tandem_Stock__c`.

use std::collections::BTreeMap;

use tandem_sdk::b1::{self, Read};
use tandem_sdk::mirror::{self, Row};
use tandem_sdk::units::{self, Unit, Units};
use tandem_sdk::{Batch, Decimal, Error, Map, Outcomes, Value, again, counterpart, from_json, say, text};

use crate::describe::Settings;
use crate::lines;
use crate::warehouses::Records;

/// What is shown of quantities, on a product and in a warehouse's record.
pub const FIELDS: [&str; 4] =
    ["Tandem_In_Stock__c", "Tandem_Committed__c", "Tandem_On_Order__c", "Tandem_Available__c"];

/// Quantities of one item in one warehouse, or in all, in its sales unit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quantities {
    pub in_stock: Decimal,
    pub committed: Decimal,
    pub ordered: Decimal,
}

impl Quantities {
    /// In pieces.
    pub fn of(row: &Value) -> Self {
        Self {
            in_stock: b1::amount(row, "InStock"),
            committed: b1::amount(row, "Committed"),
            ordered: b1::amount(row, "Ordered"),
        }
    }

    /// Of pieces; what is promised is rounded up, so that no more is offered than there is.
    pub fn in_units(self, unit: &Unit) -> Self {
        Self {
            in_stock: unit.of_pieces(self.in_stock),
            committed: -unit.of_pieces(-self.committed),
            ordered: unit.of_pieces(self.ordered),
        }
    }

    /// Those of an item's warehouses that count, in pieces.
    pub fn counted<'a>(settings: &Settings, warehouses: impl Iterator<Item = &'a Value>) -> Self {
        let mut total = Self::default();
        let own = warehouses.filter(|row| settings.counts(&b1::key_text(&row["WarehouseCode"])));
        own.for_each(|row| total.add(Self::of(row)));
        total
    }

    pub fn add(&mut self, other: Self) {
        self.in_stock += other.in_stock;
        self.committed += other.committed;
        self.ordered += other.ordered;
    }

    /// What can be promised.
    pub fn available(&self, settings: &Settings) -> Decimal {
        self.in_stock - self.committed + if settings.count_ordered { self.ordered } else { Decimal::ZERO }
    }

    /// As Salesforce shows them.
    pub fn fields(&self, settings: &Settings) -> Map<String, Value> {
        let values = [self.in_stock, self.committed, self.ordered, self.available(settings)];
        FIELDS.into_iter().zip(values).map(|(name, value)| (name.to_owned(), b1::number(value))).collect()
    }
}

/// An item's stock, as its product shows it now.
pub struct Stock {
    pub item_code: String,
    pub product: String,
    /// None for what is not kept in stock: a service, an item that is gone.
    pub total: Option<Quantities>,
    /// By `WarehouseCode`, of those that count.
    pub warehouses: Vec<(String, Quantities)>,
    /// In which it is sold.
    pub unit: Unit,
    /// Lines of opportunities have to be looked at.
    pub changed: bool,
    /// Compare with what Salesforce has, and not with what was written last.
    pub verify: bool,
    pub events: Vec<usize>,
}

/// Brings products and warehouse records in step.
pub fn keep(
    batch: &Batch,
    settings: &Settings,
    items: &BTreeMap<String, Vec<usize>>,
    outcomes: &mut Outcomes,
) -> Vec<Stock> {
    let all: Vec<usize> = items.values().flatten().copied().collect();
    let kept = read(batch, settings, items, outcomes).and_then(|mut stocks| {
        write(batch, settings, &mut stocks, outcomes)?;
        Ok(stocks)
    });
    kept.unwrap_or_else(|error| {
        outcomes.fail(&all, &error, say("inventory.reading_stock", "reading stock", []));
        Vec::new()
    })
}

fn read(
    batch: &Batch,
    settings: &Settings,
    items: &BTreeMap<String, Vec<usize>>,
    outcomes: &mut Outcomes,
) -> Result<Vec<Stock>, Error> {
    let codes: Vec<String> = items.keys().cloned().collect();
    let select = format!("ItemCode,InventoryItem,ItemWarehouseInfoCollection,{}", units::UNITS);
    let rows = b1::by_key(b1::read(Read::texts("Items", "ItemCode", &codes, select))?, "ItemCode");
    let units = Units::read(rows.values())?;
    let products = counterpart::products(&codes, &settings.keys)?;
    let mut stocks = Vec::new();
    for (code, events) in items {
        let Some(product) = products.get(code) else {
            outcomes.note_all(events, &format!("no product carries the item code {code}: not shown"));
            continue;
        };
        // An item that is gone has no stock: the catalogue flow says what becomes of its product.
        let item = rows.get(code).filter(|item| text(item, "InventoryItem") != "tNO");
        let told = item.map(|item| item["ItemWarehouseInfoCollection"].as_array());
        if told == Some(None) {
            // Warehouses that were not told are not known to be gone.
            outcomes.note_all(events, "B1 told no warehouses of it: its stock is left as it is");
            continue;
        }
        let unit = units.of(code);
        let mut pieces = Quantities::default();
        let mut warehouses = Vec::new();
        for row in told.flatten().into_iter().flatten() {
            let warehouse = b1::key_text(&row["WarehouseCode"]);
            if settings.counts(&warehouse) {
                let own = Quantities::of(row);
                pieces.add(own);
                warehouses.push((warehouse, own.in_units(&unit)));
            }
        }
        let event = |place: &usize| &batch.events[*place];
        stocks.push(Stock {
            item_code: code.clone(),
            product: product.clone(),
            total: item.map(|_| pieces.in_units(&unit)),
            warehouses,
            unit,
            // What vendors will deliver may come at another day, in the same quantity.
            changed: events.iter().any(|place| event(place).topic == "b1.PurchaseOrders") || lines::are_open(code),
            verify: events.iter().any(|place| again::verifies(event(place), &from_json(&event(place).payload))),
            events: events.clone(),
        });
    }
    Ok(stocks)
}

fn write(batch: &Batch, settings: &Settings, stocks: &mut [Stock], outcomes: &mut Outcomes) -> Result<(), Error> {
    let mut records = Records::read(batch, settings, stocks)?;
    let verified: Vec<String> =
        stocks.iter().filter(|stock| stock.verify).map(|stock| stock.item_code.clone()).collect();
    let mut there = mirror::as_they_are("stock", &verified, "Product2", &FIELDS.map(str::to_owned))?;
    there.append(&mut records.there);
    let product = |stock: &Stock| {
        let unknown = || FIELDS.map(|name| (name.to_owned(), Value::Null)).into_iter().collect();
        let fields = stock.total.map_or_else(unknown, |total| total.fields(settings));
        Row::shown_on("stock", &stock.item_code, "Product2", &stock.product, fields).serving(&stock.events)
    };
    let mut rows: Vec<Row> = stocks.iter().map(product).collect();
    rows.append(&mut records.rows);
    let written = mirror::write(&rows, outcomes, &there);
    let (products, warehouses) = written.split_at(stocks.len());
    for (stock, written) in stocks.iter_mut().zip(products) {
        stock.changed |= !written.unchanged;
    }
    records.keep(&rows[stocks.len()..], warehouses, outcomes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_vendors_will_deliver_counts_only_where_the_setting_says_so() {
        let quantities = Quantities { in_stock: 5.into(), committed: 7.into(), ordered: 4.into() };
        assert_eq!(quantities.available(&Settings::default()), Decimal::from(-2));
        assert_eq!(quantities.available(&Settings { count_ordered: true, ..Settings::default() }), Decimal::from(2));
    }
}
