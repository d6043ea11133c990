//! Sales regions by postal code, which no expression says well; and an order without a purchase order number is asked about.
//!
//! It sees the source record and the fields that the mapping file gave, and returns the final ones. It can reach nothing but
//! the log. A field that it reads and no rule does is named under `[read]` in the mapping file.

use serde_json::{Map, Value};

wit_bindgen::generate!({ path: "../../../wit", world: "mapper" });

struct Mine;

impl Guest for Mine {
    /// Called for each record of each section. `source` and `mapped` are JSON; what it returns is all fields of the record.
    fn map(section: String, source: String, mapped: String) -> Result<String, String> {
        if section != "header" {
            return Ok(mapped);
        }
        let source: Value = serde_json::from_str(&source).map_err(|e| e.to_string())?;
        // The feature `arbitrary_precision` keeps every digit of a price.
        let mut order: Map<String, Value> = serde_json::from_str(&mapped).map_err(|e| e.to_string())?;
        if order.get("NumAtCard").is_none_or(Value::is_null) {
            // `Err` sends the record to review with this text.
            return Err("fill in the PO number: our customers must name their purchase order".into());
        }
        let postal_code = source["Account"]["BillingPostalCode"].as_str().unwrap_or_default();
        order.insert("U_Region".into(), region(postal_code).into());
        Ok(Value::Object(order).to_string())
    }
}

fn region(postal_code: &str) -> &'static str {
    match postal_code.as_bytes().first() {
        Some(b'0'..=b'3') => "North",
        Some(b'4'..=b'6') => "West",
        Some(b'7'..=b'9') => "South",
        _ => "Abroad",
    }
}

export!(Mine);
