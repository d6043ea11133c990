//! Business partners and accounts, contact employees and contacts, both ways: matched before anything is made, merged
//! field by field against what was last in step, and never deleted.

mod contacts;
mod describe;
mod duplicates;
mod fields;
mod find;
mod gather;
mod gone;
mod judge;
mod left;
mod left_out;
mod look;
mod meet;
mod newcomers;
mod org;
mod person;
mod plan;
mod questions;
mod reconcile;
mod relink;
mod search;
mod seen;
mod to_b1;
mod to_salesforce;
mod tools;
mod whereabouts;
mod write;

use tandem_sdk::settings::Settings as _;
use tandem_sdk::{Batch, Description, Outcome, Outcomes, Plugin, say};

struct Accounts;

impl Plugin for Accounts {
    fn describe() -> Description {
        describe::description()
    }

    fn handle(batch: Batch) -> Vec<Outcome> {
        let mut settings = match describe::Settings::of(&batch) {
            Ok(settings) => settings,
            Err(outcomes) => return outcomes,
        };
        let mut outcomes = Outcomes::new(&batch);
        let all: Vec<usize> = (0..batch.events.len()).collect();
        match org::Org::look() {
            Ok(org) => settings.org = org,
            Err(error) => {
                outcomes.fail(&all, &error, say("accounts.looking_org", "looking what the org has", []));
                return outcomes.into_vec();
            }
        }
        let mut subjects = match gather::subjects(&batch, &settings, &mut outcomes) {
            Ok(subjects) => subjects,
            Err(error) => {
                settings.org.failed(
                    &error,
                    &all,
                    say("accounts.reading", "reading partners and accounts", []),
                    &mut outcomes,
                );
                return outcomes.into_vec();
            }
        };
        if let Err(error) = find::counterparts(&settings, &mut subjects, &mut outcomes) {
            let open: Vec<usize> = all.into_iter().filter(|place| outcomes.is_open(*place)).collect();
            settings.org.failed(
                &error,
                &open,
                say("accounts.looking", "looking for the record on the other side", []),
                &mut outcomes,
            );
            return outcomes.into_vec();
        }
        let askers: Vec<questions::Asker> = subjects.iter().map(questions::Asker::of).collect();
        let shown = write::in_step(&batch, &settings, subjects, &mut outcomes);
        questions::tell(&batch, &askers, &outcomes, shown);
        outcomes.into_vec()
    }
}

tandem_sdk::export!(Accounts with_types_in tandem_sdk::bindings);
#[cfg(target_arch = "wasm32")]
tandem_sdk::export_reconciling!(Accounts with_types_in tandem_sdk::reconcile::bindings);
#[cfg(target_arch = "wasm32")]
tandem_sdk::export_tooling!(Accounts with_types_in tandem_sdk::tools::bindings);
