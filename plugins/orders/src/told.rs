//! What B1 tells of orders, and what is found when they are looked at again: one whose number or status is not what its opportunity
//! shows is looked at under the opportunity's own key, in turn with whatever else happens to it.

use std::collections::{BTreeMap, BTreeSet};

use tandem_sdk::again::{self, Walk, Which};
use tandem_sdk::b1::{self, Read, code};
use tandem_sdk::{
    Error, Link, Outcome, Side, Value, clock, from_json, json, links, outcome_of, salesforce, say, schedule, text,
};

use crate::linked::{Linked, status_of};
use crate::{Work, adopt, approval};

/// Orders of opportunities that may not show them any more.
pub const WALKS: [Walk; 1] =
    [Walk { topic: TOPIC, set: "Orders", keys: &["DocEntry"], which: Which::InTurn, only: Some("U_SF_Id ne null") }];

/// The topic of orders in B1.
pub const TOPIC: &str = "b1.Orders";

/// Topics of documents that close an order with what is open of it, and with their cancellation open it again: the order's own
/// stamp need not show that (no source says that it does; the simulator's stays).
pub const DRAWN: [&str; 2] = ["b1.DeliveryNotes", "b1.Invoices"];

const ORDER: &str = "DocEntry,DocumentStatus,Cancelled,U_SF_Id,CardCode,CreationDate";

/// Wakes the opportunities of orders whose status has changed.
pub fn orders(work: &mut [Work]) {
    let told: Vec<usize> = (0..work.len()).filter(|place| work[*place].is_open() && is_told(&work[*place])).collect();
    if told.is_empty() {
        return;
    }
    let looked = touched(work, &told).and_then(|touched| Ok((Seen::read(work, &touched)?, touched)));
    let (seen, touched) = match looked {
        Ok(looked) => looked,
        Err(error) => {
            let outcome = outcome_of(&error, say("orders.reading_changed", "reading orders that changed in B1", []));
            return told.into_iter().for_each(|place| work[place].finish(outcome.clone()));
        }
    };
    let mut woken = BTreeSet::new();
    for (place, entries) in touched {
        let again = from_json(&work[place].event.payload)["backfill"] == true;
        let told: Vec<String> = entries.iter().map(|entry| seen.tell(*entry, again, &mut woken)).collect();
        let told = if told.is_empty() { "of no order".to_owned() } else { told.join("; ") };
        work[place].finish(Outcome::Done(told));
    }
}

fn is_told(w: &Work) -> bool {
    let topic = w.topic();
    topic == TOPIC || DRAWN.contains(&topic.as_str())
}

/// Which orders each event is about.
fn touched(work: &[Work], told: &[usize]) -> Result<Vec<(usize, BTreeSet<i64>)>, Error> {
    let entry = |place: usize| from_json(&work[place].event.payload)["DocEntry"].as_i64();
    let of = |topic: &str| -> Vec<i64> {
        told.iter().filter(|place| work[**place].topic() == topic).filter_map(|place| entry(*place)).collect()
    };
    let reads = DRAWN.map(|topic| {
        let set = topic.trim_start_matches("b1.");
        Read::numbers(set, "DocEntry", &of(topic), "DocEntry,DocumentLines")
    });
    let documents: BTreeMap<&str, ByKey> =
        DRAWN.into_iter().zip(b1::read_all(&reads)?.into_iter().map(|rows| b1::by_key(rows, "DocEntry"))).collect();
    let orders = |place: usize| -> BTreeSet<i64> {
        let Some(entry) = entry(place) else { return BTreeSet::new() };
        match documents.get(work[place].topic().as_str()) {
            None => BTreeSet::from([entry]),
            Some(rows) => rows.get(&entry.to_string()).map(drawn_from).unwrap_or_default(),
        }
    };
    Ok(told.iter().map(|place| (*place, orders(*place))).collect())
}

/// The orders that a document's rows come from.
fn drawn_from(document: &Value) -> BTreeSet<i64> {
    let of_order = |row: &&Value| row["BaseType"].as_i64() == Some(code::ORDER);
    b1::lines(document).iter().filter(of_order).filter_map(|row| row["BaseEntry"].as_i64()).collect()
}

/// Orders as both sides have them.
struct Seen {
    documents: ByKey,
    linked: BTreeMap<String, Link>,
    /// Orders of which deliveries or invoices tell.
    drawn: BTreeSet<i64>,
    /// Opportunities that orders without a link may be of.
    carried: BTreeSet<String>,
    /// What opportunities show, by id, of those that are to be compared with it.
    shown: ByKey,
}

impl Seen {
    fn read(work: &[Work], touched: &[(usize, BTreeSet<i64>)]) -> Result<Self, Error> {
        let entries: BTreeSet<i64> = touched.iter().flat_map(|(_, entries)| entries).copied().collect();
        let entries: Vec<i64> = entries.into_iter().collect();
        let keys: Vec<String> = entries.iter().map(i64::to_string).collect();
        let linked = keys.iter().cloned().zip(links::find_all("order", Side::B1, &keys));
        let linked: BTreeMap<String, Link> = linked.filter_map(|(key, link)| Some((key, link?))).collect();
        let orders = Read::numbers("Orders", "DocEntry", &entries, ORDER);
        let documents = b1::by_key(b1::read(orders)?, "DocEntry");
        let carried = carried(documents.iter().filter(|(key, _)| !linked.contains_key(*key)).map(|(_, order)| order));
        let again = touched.iter().filter(|(place, _)| {
            let event = &work[*place].event;
            again::verifies(event, &from_json(&event.payload))
        });
        let again = again.flat_map(|(_, entries)| entries).filter_map(|entry| linked.get(&entry.to_string()));
        let ids: Vec<String> = again.map(|link| link.salesforce_id.clone()).collect();
        let fields = "Id,Tandem_Order_Number__c,Tandem_Order_Doc_Entry__c,Tandem_Order_Status__c";
        let shown = b1::by_key(salesforce::query_in(fields, "Opportunity", "Id", &ids, "")?, "Id");
        let drawn = touched.iter().filter(|(place, _)| work[*place].topic() != TOPIC);
        let drawn = drawn.flat_map(|(_, entries)| entries).copied().collect();
        Ok(Self { documents, linked, drawn, carried, shown })
    }

    /// Wakes the order's opportunity where it may show something else, once for each status, and says what was found.
    /// Of one without a link nothing is new that is only looked at `again`, unless it is waited for.
    fn tell(&self, entry: i64, again: bool, woken: &mut BTreeSet<i64>) -> String {
        let key = entry.to_string();
        let Some(document) = self.documents.get(&key) else { return format!("order {key} is gone") };
        let status = status_of(document);
        let (id, message) = match self.linked.get(&key) {
            Some(link) if is_shown(link, status, self.shown.get(&link.salesforce_id)) => {
                return format!("{status}, as its opportunity shows");
            }
            Some(link) => (link.salesforce_id.as_str(), format!("now {status}: its opportunity is looked at")),
            None => {
                let id = text(document, "U_SF_Id");
                if !self.carried.contains(id) || (again && !approval::is_awaited(id)) {
                    return format!("{status}, and not an order of an opportunity that has none");
                }
                // Made or approved, and perhaps being taken over just now: what its opportunity is told then was read before this change.
                (id, format!("{status}, and not linked: the opportunity whose id it carries is looked at"))
            }
        };
        if woken.insert(entry) {
            let mut seen = json!({ "order": key, "status": status });
            if !self.linked.contains_key(&key) && self.drawn.contains(&entry) {
                seen["followed"] = adopt::told(document);
            }
            schedule::wake(clock::now(), id, &seen.to_string());
        }
        message
    }
}

/// The opportunities that orders without a link may be of: not those that have another order, which is not over: of that this is a
/// clerk's duplicate, or one before it; nor what a person has written where an id stands.
fn carried<'a>(orders: impl Iterator<Item = &'a Value>) -> BTreeSet<String> {
    let ids: Vec<String> = orders.map(|order| text(order, "U_SF_Id").to_owned()).collect();
    let ids: Vec<String> = b1::distinct(&ids).into_iter().filter(|id| salesforce::is_id(id)).collect();
    let found = links::find_all("order", Side::Salesforce, &ids);
    let is_over = |link: &Link| {
        let linked = Linked::read(&link.b1_id, &link.base);
        linked.cancelled || linked.status == "Cancelled"
    };
    ids.into_iter().zip(found).filter(|(_, link)| link.as_ref().is_none_or(is_over)).map(|(id, _)| id).collect()
}

/// Keeps the status for which [`orders`] woke the opportunity, whatever its look ends with: where that is a question, the same status
/// does not ask it again. Where deliveries or invoices were told before the order was linked, it is now, and flows are told of it.
pub fn keep_status(w: &Work, linked: &mut Linked) {
    let seen = from_json(&w.event.payload);
    let status = text(&seen, "status");
    let is_news =
        w.event.topic == "timer.wake" && w.event.resolution.is_none() && text(&seen, "order") == linked.doc_entry;
    if is_news && seen["followed"].is_object() {
        adopt::tell_flows(w, &seen["followed"]);
    }
    if is_news && status != linked.status {
        linked.status = status.to_owned();
        linked.put(w.id());
    }
}

type ByKey = BTreeMap<String, Value>;

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
