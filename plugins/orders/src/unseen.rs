//! An opportunity that a query does not give is deleted, perhaps by mistake, or only not to be seen by the integration user: its owner
//! made it private, a sharing rule was changed. A person says what becomes of its order; of a deleted one the setting may.

use std::collections::BTreeSet;

use tandem_sdk::{Outcome, Value, from_json, outcome_of, salesforce, say, storage, text};

use crate::describe::{Deleted, Settings};
use crate::linked::Linked;
use crate::{Work, own, plan};

/// What a person may choose about the order of an opportunity that is not to be seen.
pub const CANCEL: &str = "cancel the order";

/// Sets apart the deleted ones: the recycle bin has them, their deletion was told, or a person says so.
pub fn tell_apart(work: &mut [Work]) {
    let missing = |w: &Work| w.is_open() && w.opportunity.is_null();
    let ids: Vec<String> = work.iter().filter(|w| missing(w)).map(|w| w.id().to_owned()).collect();
    if ids.is_empty() {
        return;
    }
    let binned: Result<BTreeSet<String>, Outcome> = salesforce::query_all_in("Id,IsDeleted", "Opportunity", "Id", &ids)
        .map(|rows| rows.iter().filter(|row| row["IsDeleted"] == true).map(|row| text(row, "Id").to_owned()).collect())
        .map_err(|error| {
            outcome_of(&error, say("orders.looking_bin", "looking for the opportunity in the recycle bin", []))
        });
    for w in work.iter_mut().filter(|w| missing(w)) {
        match &binned {
            Err(outcome) => w.finish(outcome.clone()),
            Ok(binned) => w.deleted = binned.contains(w.id()) || is_told(w),
        }
    }
}

fn is_told(w: &Work) -> bool {
    let payload: Value = from_json(&w.event.payload);
    payload["Operation__c"] == "DELETE" || w.event.resolution.as_deref() == Some(CANCEL)
}

fn key(id: &str) -> String {
    format!("cancel:{id}")
}

/// It has an order and was not seen: what comes of that order is not shown on it.
fn unseen(id: &str) -> String {
    format!("unseen:{id}")
}

/// It was not seen, or is said to be restored: what came of its order meanwhile is still to be shown on it.
pub fn was_missed(w: &Work) -> bool {
    from_json(&w.event.payload)["Operation__c"] == "UNDELETE" || storage::get(&unseen(w.id())).is_some()
}

/// It is seen again, and all is told that is to be shown on it.
pub fn is_back(id: &str) {
    storage::delete(&unseen(id));
}

/// What was decided could not be done yet: it holds for whatever B1 makes of it.
pub fn decide(w: &Work) {
    if w.opportunity.is_null() {
        let _ = storage::set(&key(w.id()), "true");
    }
}

/// It is done, or the opportunity is there again.
pub fn forget(id: &str) {
    storage::delete(&key(id));
}

/// Asks about the order of one that is not seen; true where there is something to ask about.
pub fn ask(settings: &Settings, w: &mut Work, link: Option<&Linked>) -> bool {
    if !w.opportunity.is_null() {
        // With an order that stands nothing is left of what was decided.
        if link.is_none_or(plan::is_over) {
            forget(w.id());
        }
        return false;
    }
    if link.is_some_and(|link| !plan::is_over(link)) {
        let _ = storage::set(&unseen(w.id()), "true");
    }
    let decided = w.event.resolution.as_deref() == Some(CANCEL)
        || (w.deleted && settings.deleted == Deleted::Cancel)
        || storage::get(&key(w.id())).is_some();
    if decided {
        return false;
    }
    let what = match link {
        Some(link) if plan::is_over(link) && !own::may_be_there(w.id()) => return false,
        Some(link) if !plan::is_over(link) => {
            say("orders.order", "order {number}", [("number", link.doc_num.as_str().into())])
        }
        _ if own::is_awaited(w.id()) => say("orders.awaiting", "an order that awaits approval", []),
        _ if own::is_left(w.id()) => {
            say("orders.draft_left", "an order that was refused, and may still be approved", [])
        }
        _ if own::may_be_there(w.id()) => {
            say("orders.unanswered", "an order whose answer was lost, and that B1 may have made", [])
        }
        _ => return false,
    };
    let with = [("order", what.into()), ("opportunity", w.id().into())];
    let reason = if w.deleted {
        say(
            "orders.deleted",
            "{order}: its opportunity {opportunity} was deleted; restore it, or cancel the order",
            with,
        )
    } else {
        say(
            "orders.unseen",
            "{order}: its opportunity {opportunity} is deleted for good, or the integration user may no longer see it; share it with that user, or cancel the order",
            with,
        )
    };
    w.hold(reason, &["retry", CANCEL, "ignore"]);
    true
}
