//! Quantities → `Product2` and `Tandem_Stock__c`.

use std::collections::BTreeMap;

use tandem_sdk::b1::{self, Read};
use tandem_sdk::mirror::{self, Row};
use tandem_sdk::units::{self, Unit, Units};
use tandem_sdk::{Batch, Decimal, Map, Outcomes, Side, Value, connection, json, links, salesforce};

use crate::describe::Settings;

/// Quantities of one item in one warehouse, or in all, in its sales unit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quantities {
    pub in_stock: Decimal,
    pub committed: Decimal,
    pub ordered: Decimal,
}

impl Quantities {
    /// In pieces.
    fn of(row: &Value) -> Self {
        Self {
            in_stock: b1::amount(row, "InStock"),
            committed: b1::amount(row, "Committed"),
            ordered: b1::amount(row, "Ordered"),
        }
    }

    /// Of pieces; what is promised is rounded up, so that no more is offered than there is.
    fn in_units(self, unit: &Unit) -> Self {
        Self {
            in_stock: unit.of_pieces(self.in_stock),
            committed: -unit.of_pieces(-self.committed),
            ordered: unit.of_pieces(self.ordered),
        }
    }

    fn add(&mut self, other: Self) {
        self.in_stock += other.in_stock;
        self.committed += other.committed;
        self.ordered += other.ordered;
    }

    /// What can be promised.
    pub fn available(&self, settings: &Settings) -> Decimal {
        self.in_stock - self.committed + if settings.count_ordered { self.ordered } else { Decimal::ZERO }
    }

    fn fields(&self, settings: &Settings) -> Map<String, Value> {
        [
            ("Tandem_In_Stock__c", self.in_stock),
            ("Tandem_Committed__c", self.committed),
            ("Tandem_On_Order__c", self.ordered),
            ("Tandem_Available__c", self.available(settings)),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), b1::number(value)))
        .collect()
    }
}

/// An item's stock, as its product shows it now.
pub struct Stock {
    pub item_code: String,
    pub product: String,
    pub total: Quantities,
    /// In which it is sold.
    pub unit: Unit,
    /// Lines of opportunities have to be looked at.
    pub changed: bool,
    pub events: Vec<usize>,
}

/// Brings products and warehouse records in step.
pub fn keep(
    batch: &Batch,
    settings: &Settings,
    items: &BTreeMap<String, Vec<usize>>,
    outcomes: &mut Outcomes,
) -> Vec<Stock> {
    let codes: Vec<String> = items.keys().cloned().collect();
    let all: Vec<usize> = items.values().flatten().copied().collect();
    let select = format!("ItemCode,InventoryItem,ItemWarehouseInfoCollection,{}", units::UNITS);
    let found = b1::read(Read::texts("Items", "ItemCode", &codes, select)).and_then(|rows| {
        let units = Units::read(rows.iter())?;
        Ok((b1::by_key(rows, "ItemCode"), units, salesforce::products(&codes, &settings.keys)?))
    });
    let (rows, units, products) = match found {
        Ok(found) => found,
        Err(error) => {
            outcomes.fail(&all, &error, "reading stock");
            return Vec::new();
        }
    };
    let mut stocks = Vec::new();
    let mut targets = Vec::new();
    for (code, events) in items {
        let Some(product) = products.get(code) else {
            outcomes.note_all(events, &format!("no product carries the item code {code}: not shown"));
            continue;
        };
        // An item that is gone has no stock: the catalogue flow says what becomes of its product.
        let gone = json!({});
        let item = rows.get(code).unwrap_or(&gone);
        let unit = units.of(code);
        let mut pieces = Quantities::default();
        for row in item["ItemWarehouseInfoCollection"].as_array().into_iter().flatten() {
            let warehouse = b1::key_text(&row["WarehouseCode"]);
            if settings.warehouses.as_ref().is_some_and(|counted| !counted.contains(&warehouse)) {
                continue;
            }
            let own = Quantities::of(row);
            pieces.add(own);
            if settings.per_warehouse {
                targets.extend(warehouse_row(batch, settings, code, product, &warehouse, own.in_units(&unit), events));
            }
        }
        let total = pieces.in_units(&unit);
        mirror::shown_on("stock", code, product);
        targets.push(Row::new("stock", code, "Product2", total.fields(settings)).serving(events));
        stocks.push(Stock {
            item_code: code.clone(),
            product: product.clone(),
            total,
            unit,
            // What vendors will deliver may come at another day, in the same quantity.
            changed: events.iter().any(|place| batch.events[*place].topic == "b1.PurchaseOrders"),
            events: events.clone(),
        });
    }
    let written = mirror::write(&targets, outcomes, &BTreeMap::new());
    for (row, written) in targets.iter().zip(written) {
        if let Some(stock) = stocks.iter_mut().find(|stock| row.kind == "stock" && stock.item_code == row.b1_id) {
            stock.changed |= !written.unchanged;
        }
    }
    stocks
}

fn warehouse_row(
    batch: &Batch,
    settings: &Settings,
    code: &str,
    product: &str,
    warehouse: &str,
    own: Quantities,
    events: &[usize],
) -> Option<Row> {
    let key = format!("{}:{code}:{warehouse}", connection(batch, "b1"));
    // A warehouse that never had the item gets no record.
    if own == Quantities::default() && links::find("warehouse-stock", Side::B1, &key).is_none() {
        return None;
    }
    let mut fields = own.fields(settings);
    fields.insert("Name".into(), format!("{code} {warehouse}").into());
    fields.insert("Tandem_Product__c".into(), product.into());
    fields.insert("Tandem_Warehouse__c".into(), warehouse.into());
    let row = Row::new("warehouse-stock", &key, "Tandem_Stock__c", fields);
    Some(row.external("Tandem_Key__c", &key).serving(events))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_vendors_will_deliver_counts_only_where_the_setting_says_so() {
        let quantities = Quantities { in_stock: 5.into(), committed: 7.into(), ordered: 4.into() };
        assert_eq!(quantities.available(&Settings::read("{}")), Decimal::from(-2));
        assert_eq!(quantities.available(&Settings::read(r#"{"count_ordered":true}"#)), Decimal::from(2));
    }
}
