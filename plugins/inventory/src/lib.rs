//! Stock of SAP Business One: on the product, per warehouse, and as availability on the lines of open opportunities. Looked
//! at when a scan finds other quantities, and at once when a document moves or commits an item.

mod describe;
mod lines;
mod reconcile;
mod stock;
mod tools;
mod warehouses;

use std::collections::BTreeMap;

use tandem_sdk::again::{self, Walk};
use tandem_sdk::settings::Settings as _;
use tandem_sdk::{Batch, Description, Documents, Error, Outcome, Outcomes, Plugin, b1, say, text};

struct Inventory;

impl Plugin for Inventory {
    fn describe() -> Description {
        describe::description()
    }

    fn handle(batch: Batch) -> Vec<Outcome> {
        let settings = match describe::Settings::of(&batch) {
            Ok(settings) => settings,
            Err(outcomes) => return outcomes,
        };
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
                outcomes.fail(
                    &all,
                    &error,
                    say("inventory.reading_documents_that_changed", "reading the documents that changed", []),
                );
            }
        }
        again::keep(&batch, &WALKS, settings.look_again, &mut outcomes);
        outcomes.into_vec()
    }
}

/// What is looked at though no event tells of it.
const WALKS: [Walk; 1] = [Walk::in_turn("b1.ItemStock", "Items", &["ItemCode"])];

tandem_sdk::export!(Inventory with_types_in tandem_sdk::bindings);
#[cfg(target_arch = "wasm32")]
tandem_sdk::export_reconciling!(Inventory with_types_in tandem_sdk::reconcile::bindings);
#[cfg(target_arch = "wasm32")]
tandem_sdk::export_tooling!(Inventory with_types_in tandem_sdk::tools::bindings);

/// Documents that move or commit stock.
pub const DOCUMENTS: [&str; 6] = ["Orders", "DeliveryNotes", "Returns", "Invoices", "CreditNotes", "PurchaseOrders"];

/// The items that events are about, with the events' places: their own, or those on the lines of a document.
fn items(batch: &Batch, outcomes: &mut Outcomes) -> Result<BTreeMap<String, Vec<usize>>, Error> {
    let mut items: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (place, _, payload) in outcomes.open(batch) {
        let code = text(&payload, "ItemCode");
        if !code.is_empty() {
            items.entry(code.to_owned()).or_default().push(place);
        }
    }
    for document in Documents::told(batch, outcomes, &DOCUMENTS).read("DocEntry,DocumentLines")? {
        for line in b1::lines(&document.row) {
            let code = text(line, "ItemCode");
            if !code.is_empty() {
                items.entry(code.to_owned()).or_default().extend(&document.events);
            }
        }
    }
    for events in items.values_mut() {
        events.sort_unstable();
        events.dedup();
    }
    Ok(items)
}
