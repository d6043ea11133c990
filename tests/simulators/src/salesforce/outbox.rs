//! How the package tells: publishes within the transaction's limits, keeps as `Tandem_Outbox__c` what cannot be published until the host
//! takes it, and leaves to a job what has no room. Mirrors the classes `TandemChangePublisher` and `TandemOutbox`.

use serde_json::json;

use super::Simulator;
use super::governor::{CHUNK, Left};
use super::triggers::Published;

const OBJECT: &str = "Tandem_Outbox__c";

impl Simulator {
    /// Publishes what the triggers made of a transaction. A save whose publish is refused is a save all the same.
    pub fn tell(&self, events: &[Published]) {
        let mut left = self.settings().left;
        for chunk in events.chunks(CHUNK) {
            self.tell_within(chunk, &mut left);
        }
    }

    fn tell_within(&self, events: &[Published], left: &mut Left) {
        if !left.spend(events.len()) {
            return self.tell_later(events, left);
        }
        let refused: Vec<(Published, &str)> = {
            let mut bus = self.bus();
            events.iter().filter_map(|event| Some((event.clone(), bus.publish(event).err()?))).collect()
        };
        if refused.is_empty() {
            return;
        }
        if !left.spend(refused.len()) {
            let events: Vec<Published> = refused.into_iter().map(|(event, _)| event).collect();
            return self.tell_later(&events, left);
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

    /// In a transaction of its own, which runs at once here.
    fn tell_later(&self, events: &[Published], left: &mut Left) {
        if left.enqueue() {
            self.tell_within(events, &mut Left::of_a_job());
        }
    }
}
