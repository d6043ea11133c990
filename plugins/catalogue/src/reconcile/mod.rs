//! What both sides show of the catalogue: what is compared is what would be written.

mod prices;
mod products;
mod special;

use tandem_sdk::Error;
use tandem_sdk::reconcile::{Asked, Comparison, Needs, Page, Reconciles, comparison};

use crate::Catalogue;
use crate::describe::Settings;

const PRODUCTS: &str = "products";
const PRICES: &str = "prices";
const SPECIAL_PRICES: &str = "special-prices";

impl Reconciles for Catalogue {
    type Settings = Settings;

    fn plan(_: &Settings) -> Vec<Comparison> {
        vec![
            comparison(PRODUCTS, "Items and products", Some("product"), Needs::B1),
            comparison(PRICES, "Item prices and price book entries", Some("price"), Needs::Both),
            comparison(
                SPECIAL_PRICES,
                "Special prices, and the records that show them",
                Some("special-price"),
                Needs::Both,
            ),
        ]
    }

    fn rows(asked: &Asked<'_, Settings>) -> Result<Page, Error> {
        match asked.comparison {
            PRICES => prices::rows(asked),
            SPECIAL_PRICES => special::rows(asked),
            _ => products::rows(asked),
        }
    }
}
