//! An order that was there already: it gets its ledger row and its link, and is brought in step like any other.

use tandem_sdk::chain::ORDER_LINKED;
use tandem_sdk::{Error, Method, Said, Value, b1, http, json, outcome_of, request, say, storage};

use crate::approval::Draft;
use crate::change::Change;
use crate::describe::Settings;
use crate::linked::{Linked, status_of};
use crate::plan::{self, Order, is_asked};
use crate::{Step, Work, approval, beside, ledger, total, unseen};

/// What a person may choose about an order that was not made here: this, and its number.
pub const LINK: &str = "link with order ";

/// The one live order that carries an opportunity's id.
pub struct Found<'a> {
    pub order: &'a Value,
    /// Of the order that the opportunity is to have.
    pub generation: u64,
    /// So many have carried the id so far, over or not.
    pub orders: u64,
    /// The opportunity's own draft.
    pub draft: Option<Draft>,
    /// An order was made of that.
    pub was_added: bool,
}

/// Whether an order that carries the opportunity's id was made of it. B1's *Duplicate* copies the id, too: only one that is alone, awaited, or has its
/// row in the ledger is taken over unasked. While a draft is with its approver no order is made of that yet: what is there is somebody's who did not
/// wait for it. One that a person was asked about is not what came of a draft that is gone.
pub fn is_ours(flow: &str, w: &Work, found: &Found) -> Result<bool, Error> {
    let is_out = found.draft.is_some_and(|draft| draft.is_out(w.id()));
    let is_alone = found.generation == 1 && found.orders == 1 && !w.makes_new && !is_out;
    let is_awaited = || {
        let may_be = found.draft.is_none() && is_awaited(w.id());
        may_be && (found.was_added || !beside::is_named(w.id(), found.order))
    };
    if is_answer(w, found.order) || is_alone || is_awaited() {
        return Ok(true);
    }
    Ok(ledger::rows(flow, w.id())? >= found.orders)
}

/// A person has said that it is the opportunity's.
pub fn is_answer(w: &Work, order: &Value) -> bool {
    let answer = w.event.resolution.as_deref().and_then(|answer| answer.strip_prefix(LINK));
    answer == Some(&b1::key_text(&order["DocNum"]))
}

/// A draft, or an order whose answer was lost.
pub fn is_awaited(id: &str) -> bool {
    approval::is_awaited(id) || is_sent(id)
}

/// See [`remember`].
pub fn is_sent(id: &str) -> bool {
    storage::get(&sent_key(id)).is_some()
}

fn sent_key(id: &str) -> String {
    format!("sent:{id}")
}

/// An order was sent, and it is not known what became of it: when it is found, what B1 has else than this is a clerk's.
pub fn remember(id: &str, order: &Order) {
    // Not remembered it is taken over as it is.
    let _ = storage::set(&sent_key(id), &Linked::sent(order));
    // None of the drafts that were there before is what B1 keeps of it.
    order.drafts.iter().for_each(|draft| beside::add_draft(id, &json!({ "DocEntry": draft })));
}

/// It is known.
pub fn forget(id: &str) {
    storage::delete(&sent_key(id));
    ledger::forget(id);
    unseen::forget(id);
    plan::forget(id);
    approval::forget(id);
}

/// Takes an order that B1 has for the opportunity as its own.
pub fn take_over(w: &mut Work, order: Order, document: &Value, generation: u64) {
    let found = match storage::get(&sent_key(w.id())) {
        Some(sent) => Linked::found_as_sent(document, &sent, generation.max(1)),
        None => Linked::found(document, &order, generation.max(1)),
    };
    let Some(mut linked) = found else {
        return w.finish(tandem_sdk::retry(2_000, "B1 did not tell the number of the order that is there"));
    };
    linked.awaited = is_awaited(w.id());
    let number = linked.doc_num.as_str();
    w.adopted = Some(if approval::is_awaited(w.id()) {
        say("orders.approved", "order {number} approved in B1", [("number", number.into())])
    } else {
        was_there(number)
    });
    w.document = document.clone();
    w.step = Step::Update(order, Box::new(linked));
}

/// How an order is found that nobody waited for.
pub fn was_there(doc_num: &str) -> Said {
    say("orders.was_there", "order {number} was there already: linked", [("number", doc_num.into())])
}

/// Writes what was taken over into the ledger: an order that went through an approval has no row there, since B1 rolled
/// it back with the order. Then the link. Its draft goes that another order stands for now: somebody may still approve it.
pub fn note(flow: &str, work: &mut [Work]) {
    let mut places = Vec::new();
    let mut requests = Vec::new();
    for (place, w) in work.iter().enumerate().filter(|(_, w)| w.adopted.is_some()) {
        let (Step::Update(_, linked) | Step::Cancel(linked)) = &w.step else { continue };
        let mut row = request("b1", Method::Post, "/U_TANDEM", None, w.id());
        row.body = Some(ledger::row(flow, w, linked.generation));
        // The draft first: with the link it is forgotten.
        if let Some(draft) = w.replaced {
            requests.push(approval::remove(w, draft));
            places.push((place, true));
        }
        requests.push(row);
        places.push((place, false));
    }
    if requests.is_empty() {
        return;
    }
    for ((place, is_draft), answer) in places.into_iter().zip(http::send_all(&requests)) {
        let w = &mut work[place];
        match answer {
            answer if is_draft => approval::replaced(w, w.replaced.unwrap_or_default(), answer),
            _ if matches!(w.step, Step::Finished(_)) => {}
            Err(error) if !matches!(&error, Error::Remote(remote) if remote.code == "-2035") => {
                w.finish(outcome_of(&error, say("orders.noting", "noting the order in B1's ledger", [])));
            }
            _ => {
                forget(w.id());
                if w.keeps_draft {
                    unseen::decide(w);
                    approval::look_soon(w.id());
                }
                w.has_order();
                if let Step::Update(_, linked) | Step::Cancel(linked) = &w.step {
                    linked.put(w.id());
                    tell_linked(w, &told(&w.document));
                }
            }
        }
    }
}

/// What flows are told of an order: the customer is B1's, since the opportunity may have another account by now.
pub fn told(document: &Value) -> Value {
    json!({ "record": "b1.Orders", "DocEntry": document["DocEntry"], "CardCode": document["CardCode"], "CreationDate": b1::day(&document["CreationDate"]) })
}

/// What followed the order before it was linked is shown on the opportunity, where flows want it: also of one that is to be cancelled,
/// which B1 may refuse for just that.
pub fn tell_linked(w: &Work, told: &Value) {
    let key = b1::key_text(&told["DocEntry"]);
    tandem_sdk::tell(ORDER_LINKED, &key, &format!("{key}:{}", w.event.id), told);
}

/// What is in step ends here.
pub fn compare(settings: &Settings, work: &mut [Work]) {
    for w in work.iter_mut() {
        let Step::Update(order, linked) = &w.step else { continue };
        let mut change = Change::between(settings, w, order, linked);
        // A question that is open stays. What was changed while its order was awaited was promised to follow; of one that was found and not
        // awaited nobody knows what it was when both were last in step.
        let is_quiet = w.is_look() && !linked.awaited && !is_asked(w);
        if !change.is_nothing() && is_quiet && status_of(&w.document) == "Closed" {
            change = change.stays_closed(linked);
        }
        if !change.is_nothing() {
            w.change = Some(change);
            continue;
        }
        let mut linked = change.linked;
        linked.put(w.id());
        let difference = total::is_asked(w, &linked).then(|| total::difference(&w.document, order)).flatten();
        let message = w.adopted.take().unwrap_or_else(|| linked.up_to_date());
        let told = std::iter::once(message).chain(change.notes).collect();
        total::tell(settings, w, &mut linked, told, difference);
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
