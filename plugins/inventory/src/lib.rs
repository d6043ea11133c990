//! Stock of SAP Business One: on the product, per warehouse, and as availability on the lines of open opportunities. Looked
//! at when a scan finds other quantities, and at once when a document moves or commits an item.

mod describe;
mod lines;
mod stock;

use std::collections::BTreeMap;

use tandem_sdk::b1::{self, Read};
use tandem_sdk::{Batch, Description, Error, Outcome, Outcomes, Plugin, text};

struct Inventory;

impl Plugin for Inventory {
    fn describe() -> Description {
        describe::description()
    }

    fn handle(batch: Batch) -> Vec<Outcome> {
        let settings = describe::Settings::read(&batch.settings);
        let mut outcomes = Outcomes::new(&batch);
        match items(&batch, &mut outcomes) {
            Ok(items) => {
                let stocks = stock::keep(&batch, &settings, &items, &mut outcomes);
                if settings.opportunity_lines {
                    lines::keep(&batch, &stocks, &settings, &mut outcomes);
                }
            }
            Err(error) => {
                let all: Vec<usize> = (0..batch.events.len()).collect();
                outcomes.fail(&all, &error, "reading the documents that changed");
            }
        }
        outcomes.into_vec()
    }
}

tandem_sdk::export!(Inventory with_types_in tandem_sdk::bindings);

/// The items that events are about, with the events' places: their own, or those on the lines of a document.
fn items(batch: &Batch, outcomes: &mut Outcomes) -> Result<BTreeMap<String, Vec<usize>>, Error> {
    let mut items: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut documents: BTreeMap<&str, BTreeMap<i64, Vec<usize>>> = BTreeMap::new();
    for (place, event, payload) in outcomes.open(batch) {
        match (text(&payload, "ItemCode"), payload["DocEntry"].as_i64()) {
            (code, _) if !code.is_empty() => items.entry(code.to_owned()).or_default().push(place),
            (_, Some(entry)) => {
                let set = event.topic.strip_prefix("b1.").unwrap_or_default();
                documents.entry(set).or_default().entry(entry).or_default().push(place);
            }
            _ => {}
        }
    }
    let reads: Vec<Read<'_>> = documents
        .iter()
        .map(|(set, entries)| {
            let entries: Vec<i64> = entries.keys().copied().collect();
            Read::numbers(set, "DocEntry", &entries, "DocEntry,DocumentLines")
        })
        .collect();
    for ((_, entries), rows) in documents.iter().zip(b1::read_all(&reads)?) {
        for row in rows {
            let events = row["DocEntry"].as_i64().and_then(|entry| entries.get(&entry));
            for line in b1::lines(&row) {
                let code = text(line, "ItemCode");
                if !code.is_empty() {
                    items.entry(code.to_owned()).or_default().extend(events.into_iter().flatten());
                }
            }
        }
    }
    for events in items.values_mut() {
        events.sort_unstable();
        events.dedup();
    }
    Ok(items)
}
