//! Item → `Product2`.

use std::collections::{BTreeMap, BTreeSet};

use tandem_sdk::b1::{self, Read};
use tandem_sdk::mirror::{self, Row};
use tandem_sdk::{
    Batch, Deleted, Error, Link, Map, Outcomes, PERIODS, Said, Side, Value, again, are_twins, clock, counterpart,
    from_json, in_use, json, links, mapping, of_mapping, say, text, twin_words,
};

use crate::describe::Settings;
use crate::terms::Terms;

const ITEM: [&str; 3] = ["ItemName", "SalesItem", "ItemPrices"];

/// A product in step with its item.
pub struct Product {
    pub item_code: String,
    pub id: String,
    pub created: bool,
    /// It was linked or made just now, or perhaps in an earlier try whose rest failed.
    pub linked: bool,
    /// The item as B1 has it.
    pub item: Value,
    /// Places of the events it was looked at for.
    pub events: Vec<usize>,
    /// Compare with what Salesforce has, and not with what was written last.
    pub verify: bool,
}

/// Brings the products of all item events in step.
pub fn keep(batch: &Batch, settings: &Settings, outcomes: &mut Outcomes) -> Vec<Product> {
    let mut wanted: BTreeMap<String, (Vec<usize>, bool)> = BTreeMap::new();
    for (place, event, payload) in outcomes.open(batch) {
        if matches!(again::topic(event, &payload), "b1.Items" | "b1.ItemPrices") {
            let own = wanted.entry(text(&payload, "ItemCode").to_owned()).or_default();
            own.0.push(place);
            own.1 |= again::verifies(event, &payload);
        }
    }
    let codes: Vec<String> = wanted.keys().cloned().collect();
    if codes.is_empty() {
        return Vec::new();
    }
    let all: Vec<usize> = wanted.values().flat_map(|(events, _)| events.clone()).collect();
    let items = match read_items(&codes) {
        Ok(items) => items,
        Err(error) => {
            outcomes.fail(&all, &error, say("catalogue.reading_items", "reading items", []));
            return Vec::new();
        }
    };
    let verified: Vec<String> =
        wanted.iter().filter(|(_, (_, verify))| *verify).map(|(code, _)| code.clone()).collect();
    let before = mirror::linked("product", &codes);
    let today = clock::today("b1");
    let mut made: BTreeMap<&String, Result<Map<String, Value>, Said>> =
        items.iter().map(|(code, item)| (code, product(settings, item, &today))).collect();
    let targets: BTreeSet<String> = made.values().flatten().flat_map(Map::keys).cloned().collect();
    let targets: Vec<String> = targets.into_iter().chain(GONE.map(str::to_owned)).collect();
    let found = mirror::as_they_are("product", &verified, "Product2", &targets)
        .and_then(|there| find_unlinked(settings, &codes, &wanted, outcomes).map(|()| there));
    let there = match found {
        Ok(there) => there,
        Err(error) => {
            outcomes.fail(&all, &error, say("catalogue.reading_products", "reading products", []));
            return Vec::new();
        }
    };
    let mut rows = Vec::new();
    for (code, (events, _)) in &wanted {
        if !events.iter().all(|event| outcomes.is_open(*event)) {
            continue;
        }
        match made.remove(code) {
            Some(fields) => match fields {
                Ok(fields) => rows.push(
                    Row::new("product", code, "Product2", fields)
                        .external("Tandem_Item_Code__c", settings.keys.carried(code))
                        .serving(events),
                ),
                Err(why) => outcomes.hold(events, why),
            },
            None => rows.extend(discontinue(settings, code, events, outcomes)),
        }
    }
    let rows = mirror::joined(rows);
    let written = mirror::write(&rows, outcomes, &there);
    let again = |events: &[usize]| events.iter().any(|place| batch.events[*place].attempt > 1);
    rows.into_iter()
        .zip(written)
        .filter_map(|(row, written)| {
            Some(Product {
                id: written.id?,
                created: written.created,
                linked: written.created || !before.contains_key(&row.b1_id) || again(&row.events),
                item: items.get(&row.b1_id)?.clone(),
                verify: wanted.get(&row.b1_id).is_some_and(|(_, verify)| *verify),
                item_code: row.b1_id,
                events: row.events,
            })
        })
        .collect()
}

/// What is read of an item.
pub fn selected() -> Vec<String> {
    let mut select: Vec<String> = ITEM.iter().map(|field| (*field).to_owned()).collect();
    select.extend(PERIODS.split(',').chain(Terms::properties()).map(str::to_owned));
    select.extend(mapping::source_fields("product"));
    select.sort();
    select.dedup();
    select
}

fn read_items(codes: &[String]) -> Result<BTreeMap<String, Value>, Error> {
    Ok(b1::by_key(b1::read(Read::texts("Items", "ItemCode", codes, selected().join(",")))?, "ItemCode"))
}

/// Links items with products that are there already: by item code, then by product code. One strong match links, several
/// go to review.
fn find_unlinked(
    settings: &Settings,
    codes: &[String],
    wanted: &BTreeMap<String, (Vec<usize>, bool)>,
    outcomes: &mut Outcomes,
) -> Result<(), Error> {
    let linked = mirror::linked("product", codes);
    let unlinked: Vec<String> = codes.iter().filter(|code| !linked.contains_key(*code)).cloned().collect();
    if unlinked.is_empty() {
        return Ok(());
    }
    let mut candidates: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut spelt: Vec<(String, Value)> = Vec::new();
    for (code, row) in counterpart::products_carrying(&unlinked, &settings.keys, "Id,Name,IsActive")? {
        if text(&row, "Tandem_Item_Code__c").is_empty() || unlinked.contains(&code) {
            candidates.entry(code).or_default().push(row);
        } else {
            spelt.push((code, row));
        }
    }
    by_another_spelling(spelt, &unlinked, wanted, &mut candidates, outcomes)?;
    for (code, rows) in candidates {
        let Some((events, _)) = wanted.get(&code) else { continue };
        if let [row] = rows.as_slice() {
            let base = json!({ "Tandem_Item_Code__c": row["Tandem_Item_Code__c"] });
            links::put(&Link {
                kind: "product".into(),
                b1_id: code.clone(),
                salesforce_id: text(row, "Id").into(),
                base: base.to_string(),
            });
            outcomes.note_all(events, &format!("linked with the product {}", text(row, "Name")));
            continue;
        }
        let reason = say(
            "catalogue.several_products",
            "several products carry the code {code}; keep one of them, or put {code} into B1 Item Code of the right one",
            [("code", code.as_str().into())],
        );
        let detail = json!({ "b1": { "ItemCode": code }, "candidates": rows });
        outcomes.ask(events, reason, &["retry", "ignore"], &detail);
    }
    Ok(())
}

/// Products whose item code is another's in other capitals. Where B1 has an item of that code, too, they are two, and one
/// product cannot be both; where it has none, a person has spelt it so.
fn by_another_spelling(
    found: Vec<(String, Value)>,
    unlinked: &[String],
    wanted: &BTreeMap<String, (Vec<usize>, bool)>,
    candidates: &mut BTreeMap<String, Vec<Value>>,
    outcomes: &mut Outcomes,
) -> Result<(), Error> {
    let codes: Vec<String> = found.iter().map(|(code, _)| code.clone()).collect();
    let others = b1::spelt_so("Items", "ItemCode", &codes)?;
    for (carried, row) in found {
        for code in unlinked.iter().filter(|code| are_twins(code, &carried)) {
            if !others.contains(&carried) {
                candidates.entry(code.clone()).or_default().push(row.clone());
            } else if let Some((events, _)) = wanted.get(code) {
                outcomes.hold(events, twin_words(code, &carried));
            }
        }
    }
    Ok(())
}

/// Fields that say an item is gone: see [`discontinue`].
pub const GONE: [&str; 2] = ["IsActive", "Tandem_Discontinued__c"];

/// The product of an item, as Salesforce should have it.
pub fn product(settings: &Settings, item: &Value, today: &str) -> Result<Map<String, Value>, Said> {
    let mapped = mapping::apply("product", &item.to_string()).map_err(|e| {
        of_mapping(e, |field, why| {
            say("catalogue.mapping", "the mapping [product] {field}: {why}", [("field", field), ("why", why)])
        })
    })?;
    let mut fields: Map<String, Value> =
        mapping::target_fields("product").into_iter().map(|field| (field, Value::Null)).collect();
    fields.extend(from_json(&mapped).as_object().cloned().unwrap_or_default());
    let usable = in_use(item, today);
    fields.insert("Tandem_Item_Code__c".into(), settings.keys.carried(text(item, "ItemCode")).into());
    fields.insert("IsActive".into(), (usable && b1::yes(item, "SalesItem")).into());
    fields.insert("Tandem_Discontinued__c".into(), (!usable).into());
    Ok(fields)
}

/// The product of an item that is gone.
fn discontinue(settings: &Settings, code: &str, events: &[usize], outcomes: &mut Outcomes) -> Option<Row> {
    if links::find("product", Side::B1, code).is_none() {
        outcomes.note_all(events, "the item is gone and never had a product");
        return None;
    }
    if settings.deleted == Deleted::Review {
        let reason = say(
            "catalogue.item_deleted",
            "the item {code} was deleted in B1: deactivate its product in Salesforce, or keep it, and answer with ignore",
            [("code", code.into())],
        );
        outcomes.hold(events, reason);
        return None;
    }
    let fields = json!({ "IsActive": false, "Tandem_Discontinued__c": true });
    outcomes.note_all(events, "the item was deleted in B1: the product is deactivated");
    Some(Row::new("product", code, "Product2", fields.as_object().cloned().unwrap_or_default()).serving(events))
}
