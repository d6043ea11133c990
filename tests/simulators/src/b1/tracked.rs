//! Items managed by batches or serial numbers: an order goes without them, what moves stock does not. Source: shared facts ("needed
//! on deliveries, not on orders"); the number -4014 and its words are believed, from the DI API.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::Refusal;
use super::database::{Database, Key, Record};
use super::odata::{decimal, number_value};

fn is_managed(db: &Database, item: &str, by: &str) -> bool {
    db.get("Items", &Key::Text(item.to_owned())).is_some_and(|item| item[by] == "tYES")
}

/// Every row of a document that moves stock names batches or serial numbers for all of its quantity.
pub fn check(db: &Database, set: &str, lines: &[Value]) -> Result<(), Refusal> {
    // An invoice of a delivery moves nothing any more.
    let moves = |line: &Value| match set {
        "DeliveryNotes" | "Returns" | "CreditNotes" => true,
        "Invoices" => line["BaseType"] != 15,
        _ => false,
    };
    for (number, line) in lines.iter().enumerate().filter(|(_, line)| moves(line)) {
        let item = line["ItemCode"].as_str().unwrap_or_default();
        let quantity = decimal(&line["Quantity"]).unwrap_or_default();
        let sum = |rows: &str, of: fn(&Value) -> Decimal| -> Decimal {
            line[rows].as_array().into_iter().flatten().map(of).sum()
        };
        let batches = || sum("BatchNumbers", |row| decimal(&row["Quantity"]).unwrap_or_default());
        let serials = || sum("SerialNumbers", |_| Decimal::ONE);
        let lacking = is_managed(db, item, "ManageBatchNumbers") && batches() != quantity
            || is_managed(db, item, "ManageSerialNumbers") && serials() != quantity;
        if lacking {
            let row = number + 1;
            let why = format!(
                "Cannot add row without complete selection of batch/serial numbers [DLN1.ItemCode][line: {row}]"
            );
            return Err(Refusal::new(400, -4014, why));
        }
    }
    Ok(())
}

/// Under `$select` a document's rows come without them: the collections are empty.
pub fn leave_out(selected: &mut Record) {
    for line in selected.get_mut("DocumentLines").and_then(Value::as_array_mut).into_iter().flatten() {
        for rows in ["BatchNumbers", "SerialNumbers"] {
            if !line[rows].is_null() {
                line[rows] = json!([]);
            }
        }
    }
}

/// What a clerk in the warehouse scans for that quantity of a row's item.
pub fn pick(db: &Database, item: &str, quantity: Decimal, line: &mut Value) {
    if is_managed(db, item, "ManageBatchNumbers") {
        line["BatchNumbers"] = json!([{ "BatchNumber": "B-1", "Quantity": number_value(quantity) }]);
    }
    if is_managed(db, item, "ManageSerialNumbers") {
        let each = (1..).take_while(|n| Decimal::from(*n) <= quantity);
        let serials: Vec<Value> =
            each.map(|n: i64| json!({ "InternalSerialNumber": format!("{item}-{n}"), "Quantity": 1 })).collect();
        line["SerialNumbers"] = serials.into();
    }
}
