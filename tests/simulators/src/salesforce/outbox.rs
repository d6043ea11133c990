//! The package's outbox: what cannot be published is kept as `Tandem_Outbox__c` until the host takes it. Mirrors the class
//! `TandemOutbox`.

use serde_json::json;

use super::Simulator;
use super::triggers::Published;

const OBJECT: &str = "Tandem_Outbox__c";

impl Simulator {
    /// Publishes what the triggers made of a transaction. A save whose publish is refused is a save all the same.
    pub fn tell(&self, events: &[Published]) {
        let mut refused = Vec::new();
        {
            let mut bus = self.bus();
            for event in events {
                if let Err(why) = bus.publish(event) {
                    refused.push((event, why));
                }
            }
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
