//! An order that was there already: it gets its ledger row and its link, and is brought in step like any other.

use tandem_sdk::{Error, Method, Value, b1, http, json, outcome_of, request, say};

use crate::change::Change;
use crate::describe::Settings;
use crate::linked::Linked;
use crate::plan::Order;
use crate::{Step, Work, approval, total};

/// The row of the ledger whose key makes a second order impossible, even for a host that has lost its memory.
pub fn ledger_row(flow: &str, w: &Work, generation: u64) -> String {
    let purpose = if w.makes_new() { format!("order-e{}", w.event.id) } else { format!("order-{generation}") };
    let code = format!("{flow}:{}:{purpose}", w.id());
    json!({ "Code": code, "Name": code }).to_string()
}

/// Takes an order that B1 has for the opportunity as its own.
pub fn take_over(w: &mut Work, order: Order, document: &Value, generation: u64) {
    let Some(linked) = Linked::found(document, &order, generation.max(1)) else {
        return w.finish(tandem_sdk::retry(2_000, "B1 did not tell the number of the order that is there"));
    };
    let how = if approval::is_awaited(w.id()) { "approved in B1" } else { "was there already: linked" };
    w.adopted = Some(format!("order {} {how}", linked.doc_num));
    w.document = document.clone();
    w.step = Step::Update(order, Box::new(linked));
}

/// Writes what was taken over into the ledger: an order that went through an approval has no row there, since B1 rolled
/// it back with the order. Then the link.
pub fn note(flow: &str, work: &mut [Work]) {
    let mut places = Vec::new();
    let mut requests = Vec::new();
    for (place, w) in work.iter().enumerate().filter(|(_, w)| w.adopted.is_some()) {
        let (Step::Update(_, linked) | Step::Cancel(linked)) = &w.step else { continue };
        let mut row = request("b1", Method::Post, "/U_TANDEM", None, w.id());
        row.body = Some(ledger_row(flow, w, linked.generation));
        requests.push(row);
        places.push(place);
    }
    if requests.is_empty() {
        return;
    }
    for (place, answer) in places.into_iter().zip(http::send_all(&requests)) {
        let w = &mut work[place];
        match answer {
            Err(error) if !matches!(&error, Error::Remote(remote) if remote.code == "-2035") => {
                w.finish(outcome_of(&error, say("orders.noting", "noting the order in B1's ledger", [])));
            }
            _ => {
                approval::forget(w.id());
                if let Step::Update(_, linked) | Step::Cancel(linked) = &w.step {
                    linked.put(w.id());
                }
            }
        }
    }
}

/// What is in step ends here.
pub fn compare(settings: &Settings, work: &mut [Work]) {
    for w in work.iter_mut() {
        let Step::Update(order, linked) = &w.step else { continue };
        let change = Change::between(settings, w, order, linked);
        if !change.is_nothing() {
            w.change = Some(change);
            continue;
        }
        let mut linked = change.linked;
        linked.put(w.id());
        let difference = total::is_asked(w, &linked).then(|| total::difference(&w.document, order)).flatten();
        let message = w.adopted.take().unwrap_or_else(|| format!("order {} is up to date", linked.doc_num));
        total::tell(settings, w, &mut linked, vec![message], difference);
    }
}

/// Orders as B1 has them now, by `DocEntry`.
pub fn read_again(entries: &[i64]) -> Result<Vec<Value>, Error> {
    b1::read(b1::Read::numbers(
        "Orders",
        "DocEntry",
        entries,
        "DocEntry,DocNum,DocumentStatus,Cancelled,DocTotal,VatSum,DocTotalFc,VatSumFc,DocumentLines",
    ))
}
