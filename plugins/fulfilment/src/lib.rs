//! Deliveries and returns of SAP Business One: as records, and as the state of the opportunity, of its lines, and of cases
//! that are linked with it.

mod cases;
mod describe;
mod documents;
mod reconcile;
mod state;
mod tell;
mod tools;

use tandem_sdk::settings::Settings as _;
use tandem_sdk::{Batch, Description, Outcome, Outcomes, Plugin, again, say};

struct Fulfilment;

impl Plugin for Fulfilment {
    fn describe() -> Description {
        describe::description()
    }

    fn handle(batch: Batch) -> Vec<Outcome> {
        let settings = match describe::Settings::of(&batch) {
            Ok(settings) => settings,
            Err(outcomes) => return outcomes,
        };
        let mut outcomes = Outcomes::new(&batch);
        let all: Vec<usize> = (0..batch.events.len()).collect();
        again::keep(&batch, &[again::ORDERS], settings.look_again, &mut outcomes);
        let told = documents::read(&batch, &settings, &mut outcomes)
            .and_then(|orders| tell::keep(&batch, &settings, &orders, &mut outcomes));
        if let Err(error) = told {
            outcomes.fail(&all, &error, say("fulfilment.reading_deliveries", "reading deliveries", []));
        }
        if settings.cases {
            cases::tell(&batch, &mut outcomes);
        }
        outcomes.into_vec()
    }
}

tandem_sdk::export!(Fulfilment with_types_in tandem_sdk::bindings);
#[cfg(target_arch = "wasm32")]
tandem_sdk::export_reconciling!(Fulfilment with_types_in tandem_sdk::reconcile::bindings);
#[cfg(target_arch = "wasm32")]
tandem_sdk::export_tooling!(Fulfilment with_types_in tandem_sdk::tools::bindings);
