//! Special price → `Tandem_Special_Price__c`: a price of one item for one customer, which a price book cannot hold.

use std::collections::BTreeMap;

use tandem_sdk::b1::{self, Read};
use tandem_sdk::mirror::{self, Row};
use tandem_sdk::{Batch, Error, Map, Outcomes, Value, clock, connection, is_within, json, salesforce, text};

use crate::describe::Settings;

const SELECT: &str = "CardCode,ItemCode,Price,Currency,DiscountPercent,Valid,ValidFrom,ValidTo";

/// Brings the special prices of all events about them in step.
pub fn keep(batch: &Batch, settings: &Settings, outcomes: &mut Outcomes) {
    let mut wanted: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
    for (place, event, payload) in outcomes.open(batch) {
        if event.topic == "b1.SpecialPrices" {
            let key = (text(&payload, "CardCode").to_owned(), text(&payload, "ItemCode").to_owned());
            wanted.entry(key).or_default().push(place);
        }
    }
    if wanted.is_empty() {
        return;
    }
    let rows = match rows(batch, settings, &wanted, outcomes) {
        Ok(rows) => rows,
        Err(error) => {
            let all: Vec<usize> = wanted.into_values().flatten().collect();
            return outcomes.fail(&all, &error, "reading special prices");
        }
    };
    mirror::write(&rows, outcomes, &BTreeMap::new());
}

fn rows(
    batch: &Batch,
    settings: &Settings,
    wanted: &BTreeMap<(String, String), Vec<usize>>,
    outcomes: &mut Outcomes,
) -> Result<Vec<Row>, Error> {
    let card_codes: Vec<String> = wanted.keys().map(|(card, _)| card.clone()).collect();
    let item_codes: Vec<String> = wanted.keys().map(|(_, item)| item.clone()).collect();
    let found = b1::read(Read::texts("SpecialPrices", "CardCode", &card_codes, SELECT))?;
    let accounts = salesforce::accounts(&card_codes, &settings.keys)?;
    let products = salesforce::products(&item_codes, &settings.keys)?;
    let today = clock::today("b1");
    let mut rows = Vec::new();
    for ((card, item), events) in wanted {
        let key = format!("{}:{card}:{item}", connection(batch, "b1"));
        let price = found.iter().find(|row| row["CardCode"] == card.as_str() && row["ItemCode"] == item.as_str());
        let fields = match (price, accounts.ids.get(card), products.get(item)) {
            (None, ..) if mirror::linked("special-price", std::slice::from_ref(&key)).is_empty() => {
                outcomes.note_all(events, "the special price is gone and was never shown");
                continue;
            }
            (None, ..) => json!({ "Tandem_Active__c": false }),
            (Some(price), Some(account), Some(product)) => shown(settings, price, account, product, &today)?,
            (Some(_), None, _) => {
                outcomes.note_all(events, &format!("no account carries the CardCode {card}: not shown"));
                continue;
            }
            (Some(_), _, None) => {
                outcomes.note_all(events, &format!("no product carries the ItemCode {item}: not shown"));
                continue;
            }
        };
        let fields: Map<String, Value> = fields.as_object().cloned().unwrap_or_default();
        rows.push(
            Row::new("special-price", &key, "Tandem_Special_Price__c", fields)
                .external("Tandem_Key__c", &key)
                .whole()
                .serving(events),
        );
    }
    Ok(rows)
}

fn shown(settings: &Settings, price: &Value, account: &str, product: &str, today: &str) -> Result<Value, Error> {
    let (from, to) = (b1::day(&price["ValidFrom"]), b1::day(&price["ValidTo"]));
    let currency = text(price, "Currency");
    let currency = if currency.is_empty() { settings.currency.clone() } else { settings.currencies.iso(currency)? };
    Ok(json!({
        "Name": format!("{} {}", text(price, "CardCode"), text(price, "ItemCode")),
        "Tandem_Account__c": account, "Tandem_Product__c": product, "Tandem_Price__c": price["Price"],
        "Tandem_Currency__c": currency,
        "Tandem_Discount__c": price["DiscountPercent"], "Tandem_Valid_From__c": from.clone(), "Tandem_Valid_To__c": to.clone(),
        "Tandem_Active__c": price["Valid"] != "tNO" && is_within(price, "ValidFrom", "ValidTo", today),
    }))
}
