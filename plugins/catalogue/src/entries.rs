//! Entries of price books as Salesforce has them.

use std::collections::{BTreeMap, BTreeSet};

use tandem_sdk::desired::Keys;
use tandem_sdk::mirror::{self, Row};
use tandem_sdk::{Error, Link, Value, b1, json, links, salesforce, text};

use crate::describe::Settings;
use crate::prices::{PRICES, item_of};
use crate::products::Product;

/// What Salesforce has of these products' prices, where it has to be asked: entries by id. And which prices stand, by item.
pub type Entries = (BTreeMap<String, Value>, BTreeMap<String, Keys>);

/// Asks for the entries of products that are to be compared, of which it is not known what stands, or that have a price without an entry:
/// one that is there already is linked, and one that is there no longer is forgotten.
pub fn read(settings: &Settings, rows: &[Row], products: &[&Product]) -> Result<Entries, Error> {
    let codes: Vec<String> = products.iter().map(|product| product.item_code.clone()).collect();
    let mut standing = PRICES.standing(&codes);
    let keys: Vec<String> = rows.iter().map(|row| row.b1_id.clone()).collect();
    let mut linked = mirror::linked("price", &keys);
    let open: BTreeSet<&str> = keys.iter().filter(|key| !linked.contains_key(*key)).map(|key| item_of(key)).collect();
    let is_asked = |product: &&&Product| {
        let code = product.item_code.as_str();
        product.verify || product.created || !standing.contains_key(code) || open.contains(code)
    };
    let asked: Vec<&&Product> = products.iter().filter(is_asked).collect();
    // A product that was made just now has none.
    let ids: Vec<String> = asked.iter().filter(|product| !product.created).map(|product| product.id.clone()).collect();
    let currency = if settings.multi_currency { ",CurrencyIsoCode" } else { "" };
    let fields = format!("Id,Pricebook2Id,Product2Id,UnitPrice,IsActive{currency}");
    let found = b1::by_key(salesforce::query_in(&fields, "PricebookEntry", "Product2Id", &ids, "")?, "Id");
    let asked: BTreeSet<&str> = asked.iter().map(|product| product.item_code.as_str()).collect();
    linked.retain(|key, _| asked.contains(item_of(key)));
    mirror::forget_missing(linked.values(), &found);
    linked.retain(|_, link| found.contains_key(&link.salesforce_id));
    let rows = rows.iter().filter(|row| asked.contains(item_of(&row.b1_id)) && !linked.contains_key(&row.b1_id));
    adopt(rows, &found);
    let active = found.iter().filter(|(_, entry)| entry["IsActive"] == true).map(|(id, _)| id.clone());
    standing.extend(asked.iter().map(|code| ((*code).to_owned(), Keys::new())));
    for key in PRICES.of_records(&active.collect::<Vec<_>>()).into_values() {
        if let Some(stands) = standing.get_mut(item_of(&key)) {
            stands.insert(key);
        }
    }
    Ok((found, standing))
}

/// Links prices with entries that are there already.
fn adopt<'a>(rows: impl Iterator<Item = &'a Row>, found: &BTreeMap<String, Value>) {
    let mut entries: BTreeMap<[String; 3], &Value> = BTreeMap::new();
    const PARTS: [&str; 3] = ["Pricebook2Id", "Product2Id", "CurrencyIsoCode"];
    for entry in found.values() {
        entries.insert(PARTS.map(|name| text(entry, name).to_owned()), entry);
    }
    for row in rows {
        let parts = PARTS.map(|name| row.on_create.get(name).map(b1::key_text).unwrap_or_default());
        let Some(entry) = entries.get(&parts) else { continue };
        links::put(&Link {
            kind: "price".into(),
            b1_id: row.b1_id.clone(),
            salesforce_id: text(entry, "Id").into(),
            base: json!({ "UnitPrice": entry["UnitPrice"], "IsActive": entry["IsActive"] }).to_string(),
        });
    }
}
