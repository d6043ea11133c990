//! How the package tells: publishes what had room in the transaction's limits, and keeps as `Tandem_Outbox__c` what cannot be published until the
//! host takes it. Mirrors the classes `TandemChangePublisher` and `TandemOutbox`.

use std::collections::BTreeSet;

use serde_json::json;

use super::Simulator;
use super::governor::Left;
use super::triggers::Published;

const OBJECT: &str = "Tandem_Outbox__c";

impl Simulator {
    /// Publishes what the triggers made of a transaction, whose limits leave so much. A save whose publish is refused is a save all the same.
    pub fn tell(&self, events: &[Published], mut left: Left) {
        let refused: Vec<(Published, &str)> = {
            let mut bus = self.bus();
            events.iter().filter_map(|event| Some((event.clone(), bus.publish(event).err()?))).collect()
        };
        if refused.is_empty() {
            return;
        }
        if !left.spend(refused.len()) {
            let objects: BTreeSet<String> = refused.into_iter().map(|(event, _)| event.object).collect();
            return self.ask(&objects.into_iter().collect::<Vec<_>>());
        }
        let mut org = self.org();
        for (event, why) in refused {
            let row = json!({
                "Tandem_Record_Id__c": event.record_id, "Tandem_Object__c": event.object,
                "Tandem_Operation__c": event.operation, "Tandem_Error__c": why,
            });
            org.store(OBJECT, row.as_object().cloned().unwrap_or_default());
        }
    }
}
