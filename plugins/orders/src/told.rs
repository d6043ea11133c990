//! What B1 tells of orders: one whose status is not what its opportunity shows is looked at under the opportunity's own
//! key, in turn with whatever else happens to it.

use tandem_sdk::{Outcome, Side, b1, clock, from_json, links, outcome_of, say, schedule, text};

use crate::linked::{Linked, status_of};
use crate::{Work, approval};

/// The topic of orders in B1.
pub const TOPIC: &str = "b1.Orders";

/// Wakes the opportunities of orders whose status has changed.
pub fn orders(work: &mut [Work]) {
    let told = |w: &Work| w.is_open() && w.event.topic == TOPIC;
    let entry = |w: &Work| from_json(&w.event.payload)["DocEntry"].as_i64();
    let entries: Vec<i64> = work.iter().filter(|w| told(w)).filter_map(entry).collect();
    if entries.is_empty() {
        return;
    }
    let read = b1::Read::numbers("Orders", "DocEntry", &entries, "DocEntry,DocumentStatus,Cancelled,U_SF_Id");
    let documents = match b1::read(read) {
        Ok(rows) => b1::by_key(rows, "DocEntry"),
        Err(error) => {
            let outcome = outcome_of(&error, say("orders.reading_changed", "reading orders that changed in B1", []));
            return work.iter_mut().filter(|w| told(w)).for_each(|w| w.finish(outcome.clone()));
        }
    };
    let keys: Vec<String> = entries.iter().map(i64::to_string).collect();
    let linked = keys.iter().cloned().zip(links::find_all("order", Side::B1, &keys));
    let linked: std::collections::BTreeMap<String, _> = linked.collect();
    for w in work.iter_mut().filter(|w| told(w)) {
        let key = entry(w).map(|entry| entry.to_string()).unwrap_or_default();
        let document = documents.get(&key).cloned().unwrap_or_default();
        let status = status_of(&document);
        let message = match linked.get(&key).and_then(Option::as_ref) {
            _ if document.is_null() => format!("order {key} is gone"),
            Some(link) if Linked::read(&link.b1_id, &link.base).status == status => {
                format!("{status}, as its opportunity shows")
            }
            Some(link) => {
                schedule::wake(clock::now(), &link.salesforce_id, "{}");
                format!("now {status}: its opportunity is looked at")
            }
            None if approval::is_awaited(text(&document, "U_SF_Id")) => {
                schedule::wake(clock::now(), text(&document, "U_SF_Id"), "{}");
                "approved: its opportunity is looked at".into()
            }
            None => "not an order of an opportunity".into(),
        };
        w.finish(Outcome::Done(message));
    }
}
