//! Orders that an approval procedure keeps as drafts: waited for, and taken back when the opportunity is no longer won.

use tandem_sdk::{Error, Method, Outcome, Request, Response, Said, Value, b1, outcome_of, passing, request, say, text};

use crate::describe::Settings;
use crate::linked::Linked;
use crate::plan::Order;
use crate::{News, Step, Work, adopt, aside, beside, ledger, look, own, unseen};

/// What is read of drafts.
pub const DRAFT: &str = "DocEntry,U_SF_Id,DocObjectCode,DocumentStatus,AuthorizationStatus";

/// A draft that B1 keeps of an opportunity's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draft {
    pub entry: i64,
    stand: Stand,
    /// No order was made of another draft of the opportunity.
    is_first: bool,
}

/// Where its approval stands, the nearest to an order first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stand {
    /// Its author, or whoever approved it, is still to add it.
    Approved,
    Awaited,
    /// Refused or called off: B1 keeps it, and it may be approved all the same.
    Refused,
}

impl Stand {
    /// By `DocumentAuthorizationStatusEnum`; `None` for a draft of which the order was made: B1 keeps it closed.
    fn of(draft: &Value) -> Option<Self> {
        match text(draft, "AuthorizationStatus") {
            _ if text(draft, "DocumentStatus") == "bost_Close" => None,
            "dasGenerated" | "dasGeneratedbyAuthorizer" => None,
            "dasApproved" => Some(Self::Approved),
            "dasRejected" | "dasCancelled" => Some(Self::Refused),
            _ => Some(Self::Awaited),
        }
    }
}

impl Draft {
    /// That which the opportunity's own order became, where it is known; else any of its id that is not known to be a clerk's.
    pub fn own(drafts: &[Value], id: &str) -> Option<Self> {
        if drafts.is_empty() {
            return None;
        }
        let (own, beside) = (own::draft(id), beside::drafts(id));
        let may_be = |draft: &&Value| match own {
            Some(own) => draft["DocEntry"] == own,
            None => draft["DocEntry"].as_i64().is_none_or(|entry| !beside.contains(&entry)),
        };
        Self::of(drafts.iter().filter(may_be), id)
    }

    /// An order was made of the opportunity's own: B1 keeps it, closed.
    pub fn was_added(drafts: &[Value], id: &str) -> bool {
        let own = own::draft(id);
        drafts.iter().any(|draft| own.is_some_and(|own| draft["DocEntry"] == own) && Stand::of(draft).is_none())
    }

    /// What is there beside the opportunity's own is a clerk's, also once its own is gone.
    pub fn note_others(drafts: &[Value], id: &str) {
        let Some(own) = own::draft(id) else { return };
        let is_other = |draft: &&Value| draft["DocEntry"] != own && text(draft, "U_SF_Id") == id && is_order(draft);
        drafts.iter().filter(is_other).for_each(|draft| beside::add_draft(id, draft));
    }

    /// It is known to be the opportunity's own: a clerk may have another with its id.
    pub fn is_own(&self, id: &str) -> bool {
        own::draft(id) == Some(self.entry)
    }

    /// An approver has the opportunity's own order: what is there is another. Where it is not known which draft is its own, that of which an order was
    /// made is.
    pub fn is_out(&self, id: &str) -> bool {
        !self.is_refused() && (self.is_first || self.is_own(id))
    }

    /// The opportunity shows that its order is with an approver; or that this one was refused.
    pub fn is_shown(&self, w: &Work) -> bool {
        is_shown(w) || Said::of_record(&w.opportunity).has(REFUSED, "draft", &self.entry.to_string())
    }

    /// An approver has said no, or its author has called it off: it is nobody's order unless he thinks better of it.
    pub fn is_refused(&self) -> bool {
        self.stand == Stand::Refused
    }

    /// That of an opportunity's order, among drafts of all kinds.
    pub fn of<'a>(drafts: impl IntoIterator<Item = &'a Value>, id: &str) -> Option<Self> {
        let own = |draft: &&Value| text(draft, "U_SF_Id") == id && is_order(draft);
        let drafts: Vec<&Value> = drafts.into_iter().filter(own).collect();
        let is_first = drafts.iter().all(|draft| Stand::of(draft).is_some());
        let read =
            |draft: &Value| Some(Self { entry: draft["DocEntry"].as_i64()?, stand: Stand::of(draft)?, is_first });
        drafts.into_iter().filter_map(read).min_by_key(|draft| draft.stand)
    }
}

const AWAITING: &str = "Awaiting approval";

const REFUSED: &str = "orders.draft_refused";

/// B1 may have something for an opportunity that has no link, also one that this host has forgotten.
pub fn may_be_there(w: &Work) -> bool {
    let is_told = || Said::of_record(&w.opportunity).says(REFUSED);
    own::may_be_there(w.id()) || is_shown(w) || is_told() || text(&w.opportunity, "Tandem_Order_Status__c") == "Open"
}

fn is_shown(w: &Work) -> bool {
    text(&w.opportunity, "Tandem_Order_Status__c") == AWAITING
}

/// There is no order beside it: it is the opportunity's own.
pub fn wait_for_own(settings: &Settings, w: &mut Work, draft: Draft) {
    own::keep(w.id(), draft.entry);
    wait(settings, w, draft);
}

/// What was found of an order whose answer was lost is the draft as which B1 keeps it, or the order.
pub fn note_kept(id: &str, found: &Value) {
    let is_draft = found["AuthorizationStatus"].is_string() && is_order(found);
    if let Some(entry) = found["DocEntry"].as_i64().filter(|_| is_draft) {
        own::keep(id, entry);
    }
}

/// A draft stands for the order: it is looked at again later, or a person is asked about one that was refused.
pub fn wait(settings: &Settings, w: &mut Work, draft: Draft) {
    let entry = draft.entry;
    let (state, message) = match draft.stand {
        Stand::Refused => return refused(w, entry),
        Stand::Awaited => (
            "Synced",
            say(
                "orders.awaits_approval",
                "the order awaits approval in B1; what is changed meanwhile follows when it is approved",
                [],
            ),
        ),
        Stand::Approved => (
            "Waiting",
            say(
                "orders.awaits_adding",
                "the order is approved in B1, and draft {draft} is still to be added there",
                [("draft", entry.to_string().into())],
            ),
        ),
    };
    own::look_later(w.id(), settings.approval_poll_minutes);
    w.news = Some(News::of(AWAITING, state, &message));
    w.finish(Outcome::Done(format!("{message} (draft {entry})")));
}

/// An approver has its draft at this moment: what was read of that was read before the orders.
pub fn is_out(id: &str) -> bool {
    let draft = find_drafts(id).map(|drafts| Draft::own(&drafts, id));
    matches!(draft, Ok(Some(draft)) if !draft.is_refused())
}

/// An approver said no. Whoever changes his mind in B1 makes the order there, and it is taken over; whoever wants another one here
/// has the draft removed first, so that there are never two.
fn refused(w: &mut Work, draft: i64) {
    if w.makes_new {
        w.step = Step::Remove(draft);
        return;
    }
    if aside::leaves(w) {
        return;
    }
    let reason = say(
        "orders.draft_refused",
        "the order was refused by its approver in B1 (draft {draft}): change the opportunity and create a new order, or ask the approver",
        [("draft", draft.to_string().into())],
    );
    // Beside one that was cancelled there is no making it by hand unasked: it stays cancelled, or there is a new one.
    w.hold(reason, &["retry", look::MAKE_NEW, if w.is_orderless { "ignore" } else { look::LEAVE }]);
    if let Some(news) = &mut w.news {
        news.status = Some(String::new());
    }
}

/// The draft is gone, and there was no order: it was refused, or approved between the two reads. Only an order that is
/// looked for after the draft was gone can tell.
pub fn after_the_draft(w: &mut Work) {
    match find_order(w.id()) {
        Ok(Some(_)) => w.finish(tandem_sdk::retry(100, "the order was approved in B1 just now: taking it over")),
        // Its step is to make one.
        Ok(None) if w.makes_new => own::forget(w.id()),
        Ok(None) if aside::leaves(w) => own::forget(w.id()),
        Ok(None) => {
            own::forget(w.id());
            let reason =
                say("orders.refused", "the order awaited approval in B1, and its draft is gone: it was refused", []);
            if w.is_orderless {
                w.hold(reason, &["retry", "ignore"]);
            } else {
                w.hold(reason, &[look::MAKE_NEW, look::LEAVE]);
            }
            if let Some(news) = &mut w.news {
                news.status = Some(String::new());
            }
        }
        Err(error) => w.finish(outcome_of(&error, looking())),
    }
}

/// B1 answered that it did not find something: missing master data, or the trap, a draft that it stored.
pub fn stored_or_refused(settings: &Settings, w: &mut Work, order: &Order, refused: &Error) {
    let found = new_draft(w.id(), &order.drafts).and_then(|draft| Ok((draft, find_order(w.id())?)));
    if let Ok((Some(draft), _)) = &found {
        own::keep(w.id(), draft.entry);
    }
    match found {
        Ok((_, Some(_))) => w.finish(tandem_sdk::retry(100, "the order was approved in B1 just now: taking it over")),
        Ok((Some(draft), None)) => wait(settings, w, draft),
        Ok((None, None)) => {
            own::forget(w.id());
            let reason =
                say("orders.not_taken", "B1 refused the order: {why}", [("why", Said::of_error(refused).into())]);
            w.hold(reason, &["retry", "ignore"]);
        }
        Err(error) => w.finish(outcome_of(&error, looking())),
    }
}

fn looking() -> Said {
    say("orders.looking_approval", "looking for what awaits approval", [])
}

/// What came of an order that was sent just now is none of those that were there before.
fn new_draft(id: &str, before: &[i64]) -> Result<Option<Draft>, Error> {
    let mut rows = find_drafts(id)?;
    rows.retain(|draft| draft["DocEntry"].as_i64().is_none_or(|entry| !before.contains(&entry)));
    Ok(Draft::of(&rows, id))
}

fn find_drafts(id: &str) -> Result<Vec<Value>, Error> {
    b1::read(b1::Read::texts("Drafts", "U_SF_Id", &[id.to_owned()], DRAFT))
}

/// A draft of a delivery or an invoice carries its order's fields, too. Whether the kind is told as a number or as a name is not
/// documented.
fn is_order(draft: &Value) -> bool {
    matches!(b1::key_text(&draft["DocObjectCode"]).as_str(), "17" | "oOrders" | "")
}

/// The live order made for an opportunity.
pub fn find_order(id: &str) -> Result<Option<Value>, Error> {
    Ok(find_orders(id)?.into_iter().next())
}

fn find_orders(id: &str) -> Result<Vec<Value>, Error> {
    let select = "DocEntry,DocNum,DocumentStatus,Cancelled,CardCode,CreationDate";
    let read = b1::Read::texts("Orders", "U_SF_Id", &[id.to_owned()], select);
    let mut found = b1::read(read.and("Cancelled eq 'tNO'"))?;
    beside::without(id, &mut found);
    Ok(found)
}

/// The opportunity is not won (any more): what there is of it in B1 is taken back.
pub fn settle_withdrawal(w: &mut Work, order: Option<Value>, draft: Option<Draft>, generation: u64) {
    let order = match (order, draft) {
        // Approved between the two reads.
        (None, None) => match find_order(w.id()) {
            Ok(order) => order,
            Err(error) => return w.finish(outcome_of(&error, looking())),
        },
        (order, _) => order,
    };
    w.document = order.unwrap_or_default();
    match (Linked::empty(&w.document, generation), draft) {
        (Some(linked), _) => {
            w.adopted = Some(adopt::was_there(&linked.doc_num));
            // It may still be approved.
            w.replaced = draft.map(|draft| draft.entry);
            w.step = Step::Cancel(Box::new(linked));
        }
        (None, Some(draft)) => w.step = Step::Remove(draft.entry),
        // What B1 kept as a draft it is not at any more.
        (None, None) if !own::is_kept(w.id()) && ledger::is_under_way(w) => {}
        (None, None) => {
            unseen::decide(w);
            let message = say("orders.nothing_there", "not won, and B1 has neither draft nor order of it", []);
            let was_expected = own::is_kept(w.id()) || is_shown(w);
            if was_expected || own::may_have_row(w.id()) {
                // The order that it had before, which is over, is still its own.
                let before = look::link_of(w.id());
                w.news =
                    Some(before.map_or_else(|| News::of("", "Synced", &message), |link| News::synced(&link, &message)));
            }
            // That an answer was lost stays known: the ledger may have the order's row.
            if was_expected {
                own::forget(w.id());
            }
            w.done(message);
        }
    }
}

/// Takes a draft away.
pub fn remove(w: &Work, draft: i64) -> Request {
    request("b1", Method::Delete, format!("/Drafts({draft})"), None, w.id())
}

/// What is tried then.
pub fn removing() -> Said {
    say("orders.removing_draft", "removing the draft", [])
}

/// In its place an order is taken over: one that was approved just before has become an order, too, and one that B1 does not let go may yet.
pub fn replaced(w: &mut Work, answer: Result<Response, Error>) {
    let draft = w.replaced.unwrap_or_default();
    match answer {
        Err(error) if passing::pause(&error).is_some() => w.finish(outcome_of(&error, removing())),
        Err(error) if !matches!(&error, Error::Remote(remote) if remote.status == 404) => {
            unseen::decide(w);
            w.hold(kept(draft, &error), &["retry", "ignore"]);
        }
        _ => _ = has_become_order(w),
    }
}

/// A draft is gone that may have been approved just before: an order that is there and was not is looked at.
fn has_become_order(w: &mut Work) -> bool {
    let is_known = |order: &Value| {
        order["DocEntry"] == w.document["DocEntry"] || w.others.iter().any(|other| order["DocEntry"] == *other)
    };
    match find_orders(w.id()) {
        Ok(found) if found.iter().all(is_known) => return false,
        Ok(_) => w.finish(tandem_sdk::retry(100, "the draft was approved in B1 just now: looking at its order")),
        Err(error) => w.finish(outcome_of(&error, looking())),
    }
    true
}

fn kept(draft: i64, why: &Error) -> Said {
    let with = [("draft", draft.to_string().into()), ("why", Said::of_error(why).into())];
    say("orders.draft_kept", "B1 keeps draft {draft}: {why}. Remove it there, and try again", with)
}

/// A draft was to be taken away. Whether B1 lets a draft go whose approval is under way is not documented: where it does not,
/// the order that is made of it is cancelled.
pub fn removed(settings: &Settings, w: &mut Work, draft: i64, answer: Result<Response, Error>) {
    match answer {
        Ok(_) if has_become_order(w) => {}
        Ok(_) => gone(w, draft),
        // Approved or removed just now.
        Err(Error::Remote(remote)) if remote.status == 404 => {
            w.finish(tandem_sdk::retry(100, "the draft is gone: looking what became of it"));
        }
        Err(error) => match outcome_of(&error, removing()) {
            Outcome::Review(_) if w.makes_new => {
                w.hold(kept(draft, &error), &[look::MAKE_NEW, "ignore"]);
            }
            Outcome::Review(_) => {
                unseen::decide(w);
                own::look_later(w.id(), settings.approval_poll_minutes);
                let message = say(
                    "orders.draft_stays",
                    "the opportunity is no longer won, but B1 keeps draft {draft}: {why}. Refuse it there; an order made of it is cancelled",
                    [("draft", draft.to_string().into()), ("why", Said::of_error(&error).into())],
                );
                w.news = Some(News::of(AWAITING, "Review", &message));
                w.done(message);
            }
            other => w.finish(other),
        },
    }
}

/// A draft is taken away, and no order was made of it.
fn gone(w: &mut Work, draft: i64) {
    own::forget(w.id());
    if w.makes_new {
        return w.finish(tandem_sdk::retry(100, format!("draft {draft} was removed: the order is made anew")));
    }
    let message = say(
        "orders.draft_removed",
        "the opportunity is no longer won: draft {draft} of its order was removed",
        [("draft", draft.to_string().into())],
    );
    w.news = Some(News::of("", "Synced", &message));
    w.done(message);
}

#[cfg(test)]
mod tests {
    use tandem_sdk::json;

    use super::*;

    #[test]
    fn a_draft_is_told_by_its_approval_and_one_that_is_over_is_none() {
        let draft = |entry: i64, status: &str, closed: bool| {
            let document = if closed { "bost_Close" } else { "bost_Open" };
            json!({ "DocEntry": entry, "U_SF_Id": "006", "DocObjectCode": "17", "AuthorizationStatus": status, "DocumentStatus": document })
        };
        let found = |drafts: &[Value]| Draft::of(drafts, "006").map(|draft| (draft.entry, draft.stand));
        assert_eq!(found(&[draft(1, "dasPending", false)]), Some((1, Stand::Awaited)));
        assert_eq!(found(&[draft(1, "dasGenerated", false), draft(2, "dasPending", true)]), None);
        let two = [draft(1, "dasRejected", false), draft(2, "dasPending", false)];
        assert_eq!(found(&two), Some((2, Stand::Awaited)));
        assert_eq!(found(&two[..1]), Some((1, Stand::Refused)));
        assert_eq!(found(&[draft(3, "dasApproved", false)]), Some((3, Stand::Approved)));
        assert_eq!(Draft::of(&two, "007"), None);
        let mut invoice = draft(4, "dasPending", false);
        invoice["DocObjectCode"] = json!("13");
        assert_eq!(found(&[invoice]), None);
    }
}
