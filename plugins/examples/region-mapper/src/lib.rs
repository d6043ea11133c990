//! Sales regions by postal code, which no expression says well; and an order without a purchase order number is asked about.
//!
//! It sees the source record and the fields that the mapping file gave, and has the last word on those that it says it sets. It can reach nothing but
//! the log.

use serde_json::{Value, json};
use tandem::plugin::mapper_description::Section;

wit_bindgen::generate!({ path: "../../../wit/0.2.0", world: "mapper" });

struct Mine;

impl Guest for Mine {
    /// What people consent to, and what the host holds it to.
    fn describe() -> Description {
        let header = Section {
            name: "header".into(),
            // Queried for it, through lookups too.
            reads: vec!["Account.BillingPostalCode".into()],
            sets: vec!["U_Region".into()],
        };
        Description {
            name: env!("CARGO_PKG_NAME").into(),
            version: env!("CARGO_PKG_VERSION").into(),
            title: "Sales regions by postal code; an order needs a purchase order number".into(),
            sections: vec![header],
        }
    }

    /// Called for each record of each section that it names. `source` and `mapped` are JSON; what it returns is the fields that it sets.
    fn map(_section: String, source: String, mapped: String) -> Result<String, String> {
        let source: Value = serde_json::from_str(&source).map_err(|e| e.to_string())?;
        // The feature `arbitrary_precision` keeps every digit of a price.
        let mapped: Value = serde_json::from_str(&mapped).map_err(|e| e.to_string())?;
        if mapped["NumAtCard"].is_null() {
            // `Err` sends the record to review with this text.
            return Err("fill in the PO number: our customers must name their purchase order".into());
        }
        let postal_code = source["Account"]["BillingPostalCode"].as_str().unwrap_or_default();
        Ok(json!({ "U_Region": region(postal_code) }).to_string())
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
