//! Items of SAP Business One become products, price lists become price books, item prices their entries. What a price book
//! cannot hold (a price agreed with one customer) becomes a record of its own.

mod books;
mod describe;
mod prices;
mod products;
mod special;

use tandem_sdk::{Batch, Description, Outcome, Outcomes, Plugin, events, json};

struct Catalogue;

impl Plugin for Catalogue {
    fn describe() -> Description {
        describe::description()
    }

    fn handle(batch: Batch) -> Vec<Outcome> {
        let settings = describe::Settings::read(&batch.settings);
        let mut outcomes = Outcomes::new(&batch);
        let books = match books::keep(&batch, &settings, &mut outcomes) {
            Ok(books) => books,
            Err(error) => {
                let all: Vec<usize> = (0..batch.events.len()).collect();
                outcomes.fail(&all, &error, "reading price lists and price books");
                return outcomes.into_vec();
            }
        };
        let products = products::keep(&batch, &settings, &mut outcomes);
        prices::keep(&settings, &books, &products, &mut outcomes);
        special::keep(&batch, &settings, &mut outcomes);
        // Stock of what is new is shown at once, where a flow wants it.
        for product in products.iter().filter(|product| product.created) {
            let emission = events::Emission {
                topic: "stock.wanted".into(),
                key: product.item_code.clone(),
                dedup: format!("{}:{}", product.item_code, product.id),
                payload: json!({ "ItemCode": product.item_code }).to_string(),
            };
            let _ = events::emit(&emission);
        }
        outcomes.into_vec()
    }
}

tandem_sdk::export!(Catalogue with_types_in tandem_sdk::bindings);
