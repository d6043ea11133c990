//! Invoices, credit memos, down payments and incoming payments of SAP Business One: as records under the account, by the
//! chain of base documents under the opportunity, and summed up on both.

mod describe;
mod documents;
mod open;
mod payments;
mod receivables;
mod reconcile;
mod shares;
mod tools;
mod wanted;

use tandem_sdk::settings::Settings as _;
use tandem_sdk::{Batch, Description, Outcome, Outcomes, Plugin, again, say};

struct Invoices;

impl Plugin for Invoices {
    fn describe() -> Description {
        describe::description()
    }

    fn handle(batch: Batch) -> Vec<Outcome> {
        let mut settings = match describe::Settings::of(&batch) {
            Ok(settings) => settings,
            Err(outcomes) => return outcomes,
        };
        let mut outcomes = Outcomes::new(&batch);
        if let Err(error) = settings.ask() {
            let all: Vec<usize> = outcomes.open(&batch).into_iter().map(|(place, ..)| place).collect();
            outcomes.fail(&all, &error, say("invoices.company_currency", "asking B1 for the company's currency", []));
            return outcomes.into_vec();
        }
        again::keep(&batch, &wanted::WALKS, settings.look_again, &mut outcomes);
        let mut wanted = wanted::Wanted::of(&batch, &mut outcomes);
        let paid = payments::read(&mut wanted, &mut outcomes);
        let looked_at = receivables::LookedAt::of(&batch, &outcomes);
        let events = wanted.documents(paid.documents());
        let written = documents::keep(&batch, &settings, looked_at.customers.clone(), events, &mut outcomes);
        payments::keep(&batch, &settings, &paid, &written, &mut outcomes);
        receivables::keep(&batch, &settings, &written, &mut outcomes);
        wanted::seen(&batch, &outcomes);
        looked_at.go_on(&outcomes);
        outcomes.into_vec()
    }
}

tandem_sdk::export!(Invoices with_types_in tandem_sdk::bindings);
#[cfg(target_arch = "wasm32")]
tandem_sdk::export_reconciling!(Invoices with_types_in tandem_sdk::reconcile::bindings);
#[cfg(target_arch = "wasm32")]
tandem_sdk::export_tooling!(Invoices with_types_in tandem_sdk::tools::bindings);
