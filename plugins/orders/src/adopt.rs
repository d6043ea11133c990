//! An order that was there already: it gets its ledger row and its link, and is brought in step like any other.

use tandem_sdk::chain::ORDER_LINKED;
use tandem_sdk::{Error, Method, Request, Response, Said, Value, b1, http, json, outcome_of, request, say};

use crate::approval::Draft;
use crate::change::Change;
use crate::complete::is_live;
use crate::describe::Settings;
use crate::linked::{Linked, status_of};
use crate::look::There;
use crate::plan::{Order, is_asked};
use crate::{Step, Work, approval, beside, ledger, look, own, total};

/// What a person may choose about an order that was not made here: this, and its number.
pub const LINK: &str = "link with order ";

/// Whether an order that carries the opportunity's id was made of it. B1's *Duplicate* copies the id, too: only one that is alone, expected, or has its
/// row in the ledger is taken over unasked. While a draft is with its approver no order is made of that yet: what is there is somebody's who did not
/// wait for it. One that a person was asked about is not what came of a draft that is gone.
/// It is the one live order of so many that carry the id.
pub fn is_ours(flow: &str, w: &Work, there: &There, order: &Value, orders: u64) -> Result<bool, Error> {
    let (id, draft) = (w.id(), there.draft(w));
    if is_answer(w, order) {
        return Ok(true);
    }
    if draft.is_some_and(|draft| draft.is_own(id) && !draft.is_refused()) {
        return Ok(false);
    }
    let is_first = || !w.makes_new && look::link_of(id).is_none();
    let is_alone = orders == 1 && !draft.is_some_and(|draft| draft.is_out(id)) && is_first();
    // Where it is known which draft is its own, only what was made of that.
    let is_expected = || own::draft(id).is_none() && own::is_expected(id) && !beside::is_named(id, order);
    // Unless another one, which is over, came of that; of several a person was told to cancel all but that one.
    let is_other = |other: &Value| !is_live(other) && look::is_after_its_last(id, other);
    let was_added = || {
        let is_added = Draft::was_added(&there.drafts, id) && !beside::is_named(id, order);
        is_added && (beside::is_known(id, order) || !there.made_for(id).any(is_other))
    };
    if is_alone || (draft.is_none() && (was_added() || is_expected())) {
        return Ok(true);
    }
    Ok(ledger::rows(flow, id)? >= orders)
}

/// A person has said that it is the opportunity's.
pub fn is_answer(w: &Work, order: &Value) -> bool {
    let answer = w.event.resolution.as_deref().and_then(|answer| answer.strip_prefix(LINK));
    answer == Some(&b1::key_text(&order["DocNum"]))
}

/// Takes an order that B1 has for the opportunity as its own.
pub fn take_over(w: &mut Work, order: Order, document: &Value, generation: u64) {
    let found = match own::sent(w.id()) {
        Some(sent) => Linked::found_as_sent(document, &sent, generation.max(1)),
        None => Linked::found(document, &order, generation.max(1)),
    };
    let Some(mut linked) = found else {
        return w.finish(tandem_sdk::retry(2_000, "B1 did not tell the number of the order that is there"));
    };
    linked.awaited = own::may_be_there(w.id());
    let number = linked.doc_num.as_str();
    w.adopted = Some(if own::is_kept(w.id()) && !is_answer(w, document) {
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
/// it back with the order. Then the link. Its draft goes first that another order stands for now: with the link it is forgotten, and somebody may
/// still approve it.
pub fn note(flow: &str, work: &mut [Work]) {
    let draft = |w: &Work| w.adopted.as_ref().and(w.replaced).map(|draft| approval::remove(w, draft));
    send_for(work, draft, approval::replaced);
    let row = |w: &Work| {
        let (Step::Update(_, linked) | Step::Cancel(linked)) = &w.step else { return None };
        let mut row = request("b1", Method::Post, "/U_TANDEM", None, w.id());
        row.body = Some(ledger::row(flow, w, linked.generation));
        w.adopted.as_ref().map(|_| row)
    };
    send_for(work, row, |w, answer| match answer {
        Err(error) if !matches!(&error, Error::Remote(remote) if remote.code == "-2035") => {
            w.finish(outcome_of(&error, say("orders.noting", "noting the order in B1's ledger", [])));
        }
        _ => {
            own::forget(w.id());
            w.has_order();
            if let Step::Update(_, linked) | Step::Cancel(linked) = &w.step {
                linked.put(w.id());
                tell_linked(w, &told(&w.document));
            }
        }
    });
}

/// Sends what some of them need, all at once.
fn send_for(
    work: &mut [Work],
    request: impl Fn(&Work) -> Option<Request>,
    answered: impl Fn(&mut Work, Result<Response, Error>),
) {
    let needed = work.iter().enumerate().filter_map(|(place, w)| Some((place, request(w)?)));
    let (places, requests): (Vec<usize>, Vec<Request>) = needed.unzip();
    if requests.is_empty() {
        return;
    }
    for (place, answer) in places.into_iter().zip(http::send_all(&requests)) {
        answered(&mut work[place], answer);
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
