//! What B1 tells of orders, and what is found when they are looked at again: one whose number or status is not what its opportunity
//! shows is looked at under the opportunity's own key, in turn with whatever else happens to it.

use std::collections::BTreeMap;

use tandem_sdk::again::{self, Walk, Which};
use tandem_sdk::{
    Error, Link, Outcome, Side, Value, b1, clock, from_json, json, links, outcome_of, salesforce, say, schedule, text,
};

use crate::linked::{Linked, status_of};
use crate::{Work, approval};

/// Orders of opportunities that may not show them any more.
pub const WALKS: [Walk; 1] =
    [Walk { topic: TOPIC, set: "Orders", keys: &["DocEntry"], which: Which::InTurn, only: Some("U_SF_Id ne null") }];

/// The topic of orders in B1.
pub const TOPIC: &str = "b1.Orders";

/// Wakes the opportunities of orders whose status has changed.
pub fn orders(work: &mut [Work]) {
    let told = |w: &Work| w.is_open() && w.topic() == TOPIC;
    let entry = |w: &Work| from_json(&w.event.payload)["DocEntry"].as_i64();
    let entries: Vec<i64> = work.iter().filter(|w| told(w)).filter_map(entry).collect();
    if entries.is_empty() {
        return;
    }
    let keys: Vec<String> = entries.iter().map(i64::to_string).collect();
    let linked = keys.iter().cloned().zip(links::find_all("order", Side::B1, &keys));
    let linked: BTreeMap<String, Link> = linked.filter_map(|(key, link)| Some((key, link?))).collect();
    let again: Vec<&Link> = work
        .iter()
        .filter(|w| told(w) && again::verifies(&w.event, &from_json(&w.event.payload)))
        .filter_map(|w| linked.get(&entry(w)?.to_string()))
        .collect();
    let (documents, shown) = match read(&entries, &again) {
        Ok(found) => found,
        Err(error) => {
            let outcome = outcome_of(&error, say("orders.reading_changed", "reading orders that changed in B1", []));
            return work.iter_mut().filter(|w| told(w)).for_each(|w| w.finish(outcome.clone()));
        }
    };
    for w in work.iter_mut().filter(|w| told(w)) {
        let key = entry(w).map(|entry| entry.to_string()).unwrap_or_default();
        let document = documents.get(&key).cloned().unwrap_or_default();
        let status = status_of(&document);
        let message = match linked.get(&key) {
            _ if document.is_null() => format!("order {key} is gone"),
            Some(link) if is_shown(link, status, shown.get(&link.salesforce_id)) => {
                format!("{status}, as its opportunity shows")
            }
            Some(link) => {
                let seen = json!({ "order": link.b1_id, "status": status });
                schedule::wake(clock::now(), &link.salesforce_id, &seen.to_string());
                format!("now {status}: its opportunity is looked at")
            }
            None if approval::is_awaited(text(&document, "U_SF_Id")) => {
                schedule::wake(clock::now(), text(&document, "U_SF_Id"), "{}");
                "approved: its opportunity is looked at".into()
            }
            // Made, and perhaps being taken over just now: what its opportunity is told then was read before this change.
            None if !text(&document, "U_SF_Id").is_empty() => {
                let seen = json!({ "order": key, "status": status });
                schedule::wake(clock::now(), text(&document, "U_SF_Id"), &seen.to_string());
                "not linked: the opportunity whose id it carries is looked at".into()
            }
            None => "not an order of an opportunity".into(),
        };
        w.finish(Outcome::Done(message));
    }
}

/// Keeps the status for which [`orders`] woke the opportunity, whatever its look ends with: where that is a question, the same status
/// does not ask it again.
pub fn keep_status(w: &Work, linked: &mut Linked) {
    let seen = from_json(&w.event.payload);
    let status = text(&seen, "status");
    let is_news =
        w.event.topic == "timer.wake" && w.event.resolution.is_none() && text(&seen, "order") == linked.doc_entry;
    if is_news && status != linked.status {
        linked.status = status.to_owned();
        linked.put(w.id());
    }
}

type ByKey = BTreeMap<String, Value>;

/// Orders by `DocEntry`, and what the opportunities of some of them show, by id.
fn read(entries: &[i64], again: &[&Link]) -> Result<(ByKey, ByKey), Error> {
    let orders = b1::Read::numbers("Orders", "DocEntry", entries, "DocEntry,DocumentStatus,Cancelled,U_SF_Id");
    let documents = b1::by_key(b1::read(orders)?, "DocEntry");
    let ids: Vec<String> = again.iter().map(|link| link.salesforce_id.clone()).collect();
    let fields = "Id,Tandem_Order_Number__c,Tandem_Order_Doc_Entry__c,Tandem_Order_Status__c";
    let shown = salesforce::query_in(fields, "Opportunity", "Id", &ids, "")?;
    Ok((documents, b1::by_key(shown, "Id")))
}

/// By what the opportunity shows, where that was read; else by what it was told last.
fn is_shown(link: &Link, status: &str, shown: Option<&Value>) -> bool {
    let linked = Linked::read(&link.b1_id, &link.base);
    let there = |shown: &Value| {
        let shows = |field: &str, value: &str| text(shown, field) == value;
        shows("Tandem_Order_Number__c", &linked.doc_num)
            && shows("Tandem_Order_Doc_Entry__c", &linked.doc_entry)
            && shows("Tandem_Order_Status__c", status)
    };
    linked.status == status && shown.is_none_or(there)
}
