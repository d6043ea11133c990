//! Units of measure: an item of a group is sold in any unit of the group; one without (group -1, *Manual*) in its sales unit
//! of `SalesItemsPerUnit` pieces. Rows are in units, stock is in pieces.

use rust_decimal::Decimal;
use serde_json::Value;

use super::Refusal;
use super::database::{Database, Key, Record};
use super::odata::{decimal, number_value};

/// No group: units are written by hand.
const MANUAL: i64 = -1;

/// Gives a row its unit, and its quantity in pieces.
pub fn settle(db: &Database, set: &str, item: &Record, line: &mut Record, quantity: Decimal) -> Result<(), Refusal> {
    let number = |record: &Record, name: &str| record.get(name).and_then(Value::as_i64);
    let in_pieces = line.get("UseBaseUnits").is_some_and(|value| value == "tYES");
    let group = number(item, "UoMGroupEntry").unwrap_or(MANUAL);
    let given = number(line, "UoMEntry").filter(|entry| *entry != MANUAL);
    let (per_unit, entry) = if group == MANUAL {
        if given.is_some() {
            return Err(refused("Specify a valid UoM: the item has no UoM group [RDR1.UomEntry]"));
        }
        let name = if set == "PurchaseOrders" { "PurchaseItemsPerUnit" } else { "SalesItemsPerUnit" };
        let pieces = item.get(name).and_then(decimal).filter(|pieces| !pieces.is_zero()).unwrap_or(Decimal::ONE);
        (if in_pieces { Decimal::ONE } else { pieces }, MANUAL)
    } else {
        let group = db
            .get("UnitOfMeasurementGroups", &Key::Number(group))
            .ok_or_else(|| refused("No matching records found (ODBC -2028) [OUGP]"))?;
        let base = number(group, "BaseUoM").unwrap_or_default();
        let usual = number(item, "DefaultSalesUoMEntry").filter(|_| set != "PurchaseOrders").unwrap_or(base);
        let entry = if in_pieces { base } else { given.unwrap_or(usual) };
        let units = group.get("UoMGroupDefinitionCollection").and_then(Value::as_array).into_iter().flatten();
        let pieces = units
            .into_iter()
            .find(|unit| unit["AlternateUoM"].as_i64() == Some(entry))
            .and_then(|unit| decimal(&unit["BaseQuantity"])?.checked_div(decimal(&unit["AlternateQuantity"])?))
            .or_else(|| (entry == base).then_some(Decimal::ONE))
            .ok_or_else(|| refused("Specify a valid UoM: it is not of the item's UoM group [RDR1.UomEntry]"))?;
        (pieces, entry)
    };
    line.insert("UoMEntry".into(), entry.into());
    line.entry("UseBaseUnits").or_insert("tNO".into());
    line.insert("UnitsOfMeasurment".into(), number_value(per_unit));
    line.insert("InventoryQuantity".into(), number_value((quantity * per_unit).round_dp(6)));
    Ok(())
}

/// Pieces of a row's quantity.
pub fn pieces(line: &Value, property: &str) -> Decimal {
    let per_unit = decimal(&line["UnitsOfMeasurment"]).unwrap_or(Decimal::ONE);
    decimal(&line[property]).unwrap_or_default() * per_unit
}

fn refused(why: &str) -> Refusal {
    Refusal::new(400, -5002, why.to_owned())
}
