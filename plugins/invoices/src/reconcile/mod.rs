//! What both sides show of invoices and of what was paid of them.

mod documents;
mod payments;

use tandem_sdk::Error;
use tandem_sdk::reconcile::{Asked, Comparison, Needs, Page, Reconciles, comparison};

use crate::Invoices;
use crate::describe::Settings;

const INVOICES: &str = "invoices";
const PAYMENTS: &str = "payments";

impl Reconciles for Invoices {
    type Settings = Settings;

    fn plan(_: &Settings) -> Vec<Comparison> {
        let title = "Invoices, credit memos and down payments, and the records that show them";
        vec![
            comparison(INVOICES, title, Some("invoice"), Needs::Both),
            comparison(PAYMENTS, "Incoming payments, and the records that show them", Some("payment"), Needs::Both),
        ]
    }

    fn rows(asked: &Asked<'_, Settings>) -> Result<Page, Error> {
        match asked.comparison {
            PAYMENTS => payments::rows(asked),
            _ => documents::rows(asked),
        }
    }
}
