//! Items of SAP Business One become products, price lists become price books, item prices their entries. What a price book
//! cannot hold (a price agreed with one customer) becomes a record of its own.

mod books;
mod describe;
mod entries;
mod prices;
mod products;
mod reconcile;
mod special;
mod terms;
mod tools;

use tandem_sdk::again::{self, Walk, Which};
use tandem_sdk::settings::Settings as _;
use tandem_sdk::{Batch, Description, Outcome, Outcomes, Plugin, json, say};

use crate::products::Product;

struct Catalogue;

/// What is looked at though no event tells of it.
const WALKS: [Walk; 4] = [
    Walk { which: Which::PERIODS, ..ITEMS },
    Walk { which: Which::Due(&["ValidFrom", "ValidTo"]), ..SPECIAL_PRICES },
    ITEMS,
    SPECIAL_PRICES,
];
const ITEMS: Walk = Walk::in_turn("b1.Items", "Items", &["ItemCode"]);
const SPECIAL_PRICES: Walk = Walk::in_turn("b1.SpecialPrices", "SpecialPrices", &["CardCode", "ItemCode"]);

impl Plugin for Catalogue {
    fn describe() -> Description {
        describe::description()
    }

    fn handle(batch: Batch) -> Vec<Outcome> {
        let settings = match describe::Settings::of(&batch) {
            Ok(settings) => settings,
            Err(outcomes) => return outcomes,
        };
        let mut outcomes = Outcomes::new(&batch);
        let books = match books::keep(&batch, &settings, &mut outcomes) {
            Ok(books) => books,
            Err(error) => {
                let all: Vec<usize> = (0..batch.events.len()).collect();
                outcomes.fail(&all, &error, say("catalogue.reading_books", "reading price lists and price books", []));
                return outcomes.into_vec();
            }
        };
        let products = products::keep(&batch, &settings, &mut outcomes);
        prices::keep(&settings, &books, &products, &mut outcomes);
        let linked: Vec<&Product> = products.iter().filter(|product| product.linked).collect();
        special::keep(&batch, &settings, &books, &linked, &mut outcomes);
        linked.into_iter().for_each(tell);
        again::keep(&batch, &WALKS, settings.look_again, &mut outcomes);
        outcomes.into_vec()
    }
}

/// A product that was linked or made: what other flows show on it is shown at once.
fn tell(product: &Product) {
    let dedup = format!("{}:{}", product.item_code, product.id);
    tandem_sdk::tell(
        "product.linked",
        &product.item_code,
        &dedup,
        &json!({ "record": "b1.Items", "ItemCode": product.item_code }),
    );
}

tandem_sdk::export!(Catalogue with_types_in tandem_sdk::bindings);
#[cfg(target_arch = "wasm32")]
tandem_sdk::export_reconciling!(Catalogue with_types_in tandem_sdk::reconcile::bindings);
#[cfg(target_arch = "wasm32")]
tandem_sdk::export_tooling!(Catalogue with_types_in tandem_sdk::tools::bindings);
