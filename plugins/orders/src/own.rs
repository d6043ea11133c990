//! What of an opportunity may stand in B1 that is its own and has no link yet: an order that was sent and whose answer was lost; the draft as which
//! B1 keeps it, which is awaited; or that draft refused, and left so by a person, since somebody may still approve it.

use tandem_sdk::{clock, json, schedule, storage};

use crate::linked::Linked;
use crate::plan::{self, Order};
use crate::{beside, unseen};

/// So long B1 may still be at an order whose answer was lost, in milliseconds: the longest that a proxy before it waits.
const UNDER_WAY: u64 = 5 * 60_000;

/// What was sent, and it is not known what became of it.
const SENT: &str = "sent";
/// Since when B1 was seen not to have that. Kept alone: it was never made, but the ledger may have its row.
const MISSED: &str = "alone";
/// `DocEntry` of its draft.
const DRAFT: &str = "drafted";
/// That is awaited, and looked at next at this moment.
const NEXT: &str = "draft";

fn get(what: &str, id: &str) -> Option<String> {
    storage::get(&format!("{what}:{id}"))
}

/// What cannot be kept is looked for by the opportunity's id alone.
fn put(what: &str, id: &str, value: &str) {
    let _ = storage::set(&format!("{what}:{id}"), value);
}

fn delete(what: &str, id: &str) {
    storage::delete(&format!("{what}:{id}"));
}

/// An order was sent: when it is found, what B1 has else than this is a clerk's. None of the drafts that were there before is what B1 keeps of it.
pub fn send(id: &str, order: &Order) {
    [MISSED, DRAFT, NEXT].iter().for_each(|what| delete(what, id));
    put(SENT, id, &Linked::sent(order));
    order.drafts.iter().for_each(|draft| beside::add_draft(id, &json!({ "DocEntry": draft })));
}

/// B1 keeps it as this draft.
pub fn keep(id: &str, draft: i64) {
    put(DRAFT, id, &draft.to_string());
    if !is_awaited(id) {
        put(NEXT, id, "0");
    }
}

/// A person wants no order: nothing is awaited, and what is left is the draft that was refused.
pub fn leave(id: &str, draft: Option<i64>) {
    forget(id);
    if let Some(draft) = draft {
        put(DRAFT, id, &draft.to_string());
    }
}

/// It is known what became of it.
pub fn forget(id: &str) {
    [SENT, MISSED, DRAFT, NEXT].iter().for_each(|what| delete(what, id));
    unseen::forget(id);
    plan::forget(id);
}

/// Something of its own may be there.
pub fn may_be_there(id: &str) -> bool {
    get(SENT, id).is_some() || is_kept(id)
}

/// An order or draft that turns up is its own, where nothing says else: what was sent is expected until a look after B1 can be at it no more has
/// found nothing of it.
pub fn is_expected(id: &str) -> bool {
    is_awaited(id) || get(SENT, id).is_some()
}

/// A draft of it is awaited, or asked about, and it is not known what became of it.
pub fn is_awaited(id: &str) -> bool {
    get(NEXT, id).is_some()
}

/// B1 keeps it as a draft, or did.
pub fn is_kept(id: &str) -> bool {
    is_awaited(id) || draft(id).is_some()
}

/// Its draft was refused, and a person has left it so.
pub fn is_left(id: &str) -> bool {
    draft(id).is_some() && !is_awaited(id) && get(SENT, id).is_none()
}

/// `DocEntry` of the draft that is its own, where it is known.
pub fn draft(id: &str) -> Option<i64> {
    get(DRAFT, id)?.parse().ok()
}

/// The draft is looked at again. However often that is asked for, one look is due at a time.
pub fn look_later(id: &str, minutes: u32) {
    let now = clock::now();
    if get(NEXT, id).and_then(|due| due.parse::<u64>().ok()).is_some_and(|due| due > now) {
        return;
    }
    let due = now + u64::from(minutes) * 60_000;
    put(NEXT, id, &due.to_string());
    schedule::wake(due, id, "{}");
}

/// What was sent, where it is not known what became of it.
pub fn sent(id: &str) -> Option<String> {
    get(SENT, id)
}

/// The ledger may have the row of an order that was sent, and B1 no order.
pub fn may_have_row(id: &str) -> bool {
    get(SENT, id).or_else(|| get(MISSED, id)).is_some()
}

/// What was sent was looked for and is not there: until when B1 may still be at it. After that it was never made.
pub fn missed(id: &str) -> Option<u64> {
    get(SENT, id)?;
    let now = clock::now();
    let since = get(MISSED, id).and_then(|since| since.parse::<u64>().ok()).unwrap_or_else(|| {
        put(MISSED, id, &now.to_string());
        now
    });
    let due = since + UNDER_WAY;
    if now >= due {
        delete(SENT, id);
        return None;
    }
    Some(due)
}
