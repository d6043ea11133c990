//! What may be removed, and what goes with it. The codes and words of the refusals are assumed.

use rust_decimal::Decimal;
use serde_json::Value;

use super::Refusal;
use super::database::{Database, Key, Record};
use super::documents::{self, DOCUMENTS};
use super::odata::decimal;

/// Refuses what others stand on; takes a warehouse or a price list away from all items.
pub fn prepare(db: &mut Database, set: &str, key: &Key) -> Result<(), Refusal> {
    let refused = |why: &str| Err(Refusal::new(400, -5002, why.to_owned()));
    match (set, key) {
        ("BusinessPartners", _) if documents::is_used(db, key) => {
            refused("Business partner cannot be removed: it has transactions [OCRD.CardCode]")
        }
        ("Warehouses", Key::Text(code)) => {
            if has_stock(db, code) || has_rows(db, code) {
                return refused("Warehouse cannot be removed: it has stock or transactions [OWHS.WhsCode]");
            }
            take_from_items(db, "ItemWarehouseInfoCollection", |row| row["WarehouseCode"] == code.as_str());
            Ok(())
        }
        ("PriceLists", Key::Number(number)) => {
            let names = |set: &str, property: &str| {
                let mut records = db.tables[set].records.iter().filter(|(own, _)| set != "PriceLists" || *own != key);
                records.any(|(_, record)| record.get(property).and_then(Value::as_i64) == Some(*number))
            };
            if names("BusinessPartners", "PriceListNum") || names("PriceLists", "BasePriceList") {
                return refused("Price list cannot be removed: it is in use [OPLN.ListNum]");
            }
            take_from_items(db, "ItemPrices", |row| row["PriceList"].as_i64() == Some(*number));
            Ok(())
        }
        _ => Ok(()),
    }
}

fn has_stock(db: &Database, warehouse: &str) -> bool {
    let quantities = ["InStock", "Committed", "Ordered"];
    let is_some = |row: &Value, name: &str| decimal(&row[name]).is_some_and(|quantity| quantity != Decimal::ZERO);
    some_row(db, "Items", "ItemWarehouseInfoCollection", |row| {
        row["WarehouseCode"] == warehouse && quantities.iter().any(|name| is_some(row, name))
    })
}

fn has_rows(db: &Database, warehouse: &str) -> bool {
    DOCUMENTS.iter().any(|(set, ..)| some_row(db, set, "DocumentLines", |row| row["WarehouseCode"] == warehouse))
}

fn some_row(db: &Database, set: &str, collection: &str, is_so: impl Fn(&Value) -> bool) -> bool {
    let mut records = db.tables[set].records.values();
    records.any(|record| record.get(collection).and_then(Value::as_array).into_iter().flatten().any(&is_so))
}

/// An item's own day of change stays, as with all that changes its rows from outside.
fn take_from_items(db: &mut Database, collection: &str, is_gone: impl Fn(&Value) -> bool) {
    let rows = |item: &Record| item.get(collection).and_then(Value::as_array).cloned().unwrap_or_default();
    let touched = db.tables["Items"].records.iter().filter(|(_, item)| rows(item).iter().any(&is_gone));
    let touched: Vec<(Key, Record)> = touched.map(|(key, item)| (key.clone(), item.into_owned())).collect();
    for (key, mut item) in touched {
        let kept: Vec<Value> = rows(&item).into_iter().filter(|row| !is_gone(row)).collect();
        item.insert(collection.to_owned(), kept.into());
        db.put("Items", key, item);
    }
}
