//! What B1 tells of orders, and what is found when they are looked at again: one whose number or status is not what its opportunity
//! shows is looked at under the opportunity's own key, in turn with whatever else happens to it.

use std::collections::{BTreeMap, BTreeSet};

use tandem_sdk::b1::{self, Read, code};
use tandem_sdk::chain::{self, Chain, Name};
use tandem_sdk::{
    Error, Link, Outcome, Side, Value, again, clock, from_json, json, links, outcome_of, salesforce, say, schedule,
    text,
};

use crate::linked::{Linked, status_of};
use crate::{Work, adopt, own, plan};

/// The topic of orders in B1.
pub const TOPIC: &str = "b1.Orders";

/// Topics of documents that follow an order. Deliveries and invoices close it with what is open of it, and their cancellation opens it
/// again: the order's own stamp need not show that (no source says that it does; the simulator's stays).
pub const DRAWN: [&str; 3] = ["b1.DeliveryNotes", "b1.Invoices", "b1.DownPayments"];

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
    let name = |place: usize| -> Option<Name> {
        let entry = from_json(&work[place].event.payload)["DocEntry"].as_i64()?;
        Some((chain::kind_of(&work[place].topic()).unwrap_or(code::ORDER), entry))
    };
    let names: Vec<Name> = told.iter().filter_map(|place| name(*place)).collect();
    let mut chain = Chain::default();
    chain.take(&chain::documents(&names, |_| chain::FIELDS.to_owned())?);
    // What cancels another leads to that one's order.
    chain.read()?;
    let orders = |(kind, entry): Name| match kind {
        code::ORDER => BTreeSet::from([entry]),
        _ => chain.orders(kind, entry),
    };
    Ok(told.iter().map(|place| (*place, name(*place).map(orders).unwrap_or_default())).collect())
}

/// Orders as both sides have them.
struct Seen {
    documents: ByKey,
    linked: BTreeMap<String, Link>,
    /// Orders of which a document that follows them tells.
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
        let linked = chain::linked(entries.iter().copied());
        let linked: BTreeMap<String, Link> =
            linked.into_iter().map(|(entry, link)| (entry.to_string(), link)).collect();
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
                if !self.carried.contains(id) || (again && !own::may_be_there(id)) {
                    return format!(
                        "{status}: an order that was not made for an opportunity, or for one that has another"
                    );
                }
                // Made or approved, and perhaps being taken over just now: what its opportunity is told then was read before this change.
                (id, format!("{status}, and not linked: the opportunity whose id it carries is looked at"))
            }
        };
        if woken.insert(entry) {
            let mut seen = json!({ "order": key, "status": status });
            seen["changed"] =
                self.linked.get(&key).is_some_and(|link| status != Linked::read(&key, &link.base).status).into();
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
    let is_over = |link: &Link| plan::is_over(&Linked::read(&link.b1_id, &link.base));
    ids.into_iter().zip(found).filter(|(_, link)| link.as_ref().is_none_or(is_over)).map(|(id, _)| id).collect()
}

/// Woken for a status that is known by now, or because the opportunity shows another: what there was to ask about it has been asked.
pub fn is_known(w: &Work, linked: &Linked) -> bool {
    let seen = from_json(&w.event.payload);
    let is_wake = w.event.topic == "timer.wake" && w.event.resolution.is_none();
    // Tried again, a change was made known by the first try.
    let is_first = seen["changed"] != true || w.event.attempt == 1;
    is_wake && is_first && text(&seen, "order") == linked.doc_entry && text(&seen, "status") == linked.status
}

/// Keeps the status for which [`orders`] woke the opportunity, whatever its look ends with: where that is a question, the same status
/// does not ask it again. Where what follows it was told before the order was linked, it is now, and flows are told of it.
pub fn keep_status(w: &Work, linked: &mut Linked) {
    let seen = from_json(&w.event.payload);
    let status = text(&seen, "status");
    let is_news =
        w.event.topic == "timer.wake" && w.event.resolution.is_none() && text(&seen, "order") == linked.doc_entry;
    if is_news && seen["followed"].is_object() {
        adopt::tell_linked(w, &seen["followed"]);
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
