//! Looks into B1, in one read for the whole batch: customers and items, orders and drafts that are there already, and the
//! orders that are to be changed. What is there already is taken over, never made again.

use std::collections::{BTreeMap, BTreeSet};

use tandem_sdk::b1::{self, Read};
use tandem_sdk::{Error, PERIODS, Said, Side, Units, Value, links, passing, say, text, units};

use crate::approval::Draft;
use crate::check::{self, field, order_of};
use crate::complete::is_live;
use crate::describe::Settings;
use crate::linked::{Linked, status_of};
use crate::plan::Order;
use crate::{News, Step, Work, adopt, approval, aside, beside, complete, facts, ledger, own, unseen};

/// What a person may choose about an order that was cancelled in B1.
pub const MAKE_NEW: &str = "create a new order";
pub const LEAVE: &str = "leave it cancelled";

const PARTNER: &str = "CardCode,CardName,CardType,Currency,VatGroup,CreditLimit,CurrentAccountBalance,OpenOrdersBalance,OpenDeliveryNotesBalance";

const ITEM: &str = "ItemCode,SalesItem,SalesVATGroup";

/// What B1 has.
#[derive(Default)]
pub struct There {
    pub partners: BTreeMap<String, Value>,
    pub items: BTreeMap<String, Value>,
    /// In which items are sold.
    pub units: Units,
    /// Orders of the opportunities in question, and those that are linked with them.
    orders: Vec<Value>,
    pub drafts: Vec<Value>,
    /// Opportunities of which all orders are here that carry their id.
    named: BTreeSet<String>,
    /// `DocEntry` of those that are left out: see [`beside`].
    beside: BTreeMap<String, Vec<i64>>,
}

/// Reads B1's side of all that is to be done, and settles what is there already.
pub fn look(flow: &str, settings: &Settings, work: &mut [Work]) {
    let places: Vec<usize> = (0..work.len()).filter(|place| asks(&work[*place])).collect();
    if places.is_empty() {
        return;
    }
    let mut there = There::default();
    match there.read(work, &places) {
        Ok(()) => {}
        // One record's value that cannot be asked for concerns that record alone.
        Err(error) if passing::pause(&error).is_none() && places.len() > 1 => {
            for place in places {
                if let Err(error) = there.read(work, &[place]) {
                    work[place].fail(&error, reading());
                }
            }
        }
        Err(error) => {
            for place in places {
                work[place].fail(&error, reading());
            }
        }
    }
    if let Err(error) = there.read_replacements(work) {
        work.iter_mut().filter(|w| there.was_cancelled(w)).for_each(|w| w.fail(&error, reading()));
    }
    complete::orders(settings, work, &there);
    for w in work.iter_mut() {
        if !there.drafts.is_empty() && there.named.contains(w.id()) {
            Draft::note_others(&there.drafts, w.id());
        }
        settle(flow, settings, w, &there);
    }
    adopt::note(flow, work);
    adopt::compare(settings, work);
    check::check_master_data(settings, work, &there);
}

fn reading() -> Said {
    say("orders.reading", "reading customer, items and order from B1", [])
}

fn reading_ledger() -> Said {
    say("orders.reading_ledger", "reading B1's ledger", [])
}

fn asks(w: &Work) -> bool {
    matches!(w.step, Step::Create(_) | Step::Update(..) | Step::Withdraw)
}

impl There {
    fn read(&mut self, work: &[Work], places: &[usize]) -> Result<(), Error> {
        let asking = || places.iter().map(|place| &work[*place]);
        let made_for =
            |w: &Work| matches!(w.step, Step::Create(_) | Step::Withdraw) || w.makes_new || own::may_be_there(w.id());
        let ids: Vec<String> = asking().filter(|w| made_for(w)).map(|w| w.id().to_owned()).collect();
        let entries: Vec<i64> = asking()
            .filter_map(|w| match &w.step {
                Step::Update(_, linked) => linked.doc_entry.parse().ok(),
                _ => None,
            })
            .collect();
        let orders: Vec<&Order> = asking().filter_map(order_of).collect();
        let card_codes: Vec<String> = orders.iter().map(|order| field(&order.header, "CardCode")).collect();
        let lines = orders.iter().flat_map(|order| &order.lines);
        let item_codes: Vec<String> = lines.map(|(_, line)| field(line, "ItemCode")).collect();
        let select = order_fields(&orders);
        self.named.extend(ids.iter().cloned());
        // The draft first: one of which an order is made meanwhile is there as that, too.
        let mut rows = b1::read_all(&[
            Read::texts("Drafts", "U_SF_Id", &ids, approval::DRAFT),
            Read::texts("Orders", "U_SF_Id", &ids, select.as_str()),
            Read::numbers("Orders", "DocEntry", &entries, select.as_str()),
            Read::texts("BusinessPartners", "CardCode", &card_codes, format!("{PARTNER},{PERIODS}")),
            Read::texts("Items", "ItemCode", &item_codes, format!("{ITEM},{PERIODS},{}", units::UNITS)),
        ])?
        .into_iter();
        let mut next = || rows.next().unwrap_or_default();
        self.drafts.extend(next());
        self.add_orders(next());
        self.add_orders(next());
        self.leave_out(&ids);
        self.partners.extend(b1::by_key(next(), "CardCode"));
        let items = b1::by_key(next(), "ItemCode");
        self.units.extend(Units::read(items.values())?);
        self.items.extend(items);
        Ok(())
    }

    /// Of opportunities whose order was cancelled, what else carries their id: a clerk may have put another one in its place.
    fn read_replacements(&mut self, work: &[Work]) -> Result<(), Error> {
        let ids: Vec<String> = work.iter().filter(|w| self.was_cancelled(w)).map(|w| w.id().to_owned()).collect();
        let ids: Vec<String> = ids.into_iter().filter(|id| !self.named.contains(id)).collect();
        if ids.is_empty() {
            return Ok(());
        }
        // One that is linked is compared with all that the opportunity asks for.
        let orders: Vec<&Order> = work.iter().filter(|w| self.was_cancelled(w)).filter_map(order_of).collect();
        let found = b1::read(Read::texts("Orders", "U_SF_Id", &ids, order_fields(&orders).as_str()))?;
        self.add_orders(found);
        self.leave_out(&ids);
        Ok(())
    }

    fn was_cancelled(&self, w: &Work) -> bool {
        match &w.step {
            Step::Update(_, linked) => self.linked(linked).is_some_and(|order| !is_live(order)),
            _ => false,
        }
    }

    /// What a person has said is not an opportunity's own is not seen, and not looked for.
    fn leave_out(&mut self, ids: &[String]) {
        for id in ids {
            let (mut own, others): (Vec<Value>, Vec<Value>) =
                std::mem::take(&mut self.orders).into_iter().partition(|order| text(order, "U_SF_Id") == id);
            let beside = beside::without(id, &mut own);
            self.orders = others;
            self.orders.extend(own);
            if !beside.is_empty() {
                self.beside.insert(id.clone(), beside);
            }
        }
    }

    /// What is linked may carry the id, too: it is there once, and counts once.
    fn add_orders(&mut self, orders: Vec<Value>) {
        for order in orders {
            if !self.orders.iter().any(|own| own["DocEntry"] == order["DocEntry"]) {
                self.orders.push(order);
            }
        }
    }

    /// Orders of an opportunity, cancelled ones among them.
    pub fn made_for<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Value> {
        self.orders.iter().filter(move |order| text(order, "U_SF_Id") == id)
    }

    /// How many orders B1 has that were made for an opportunity, those that are not its own among them.
    fn made(&self, id: &str) -> u64 {
        (self.made_for(id).count() + self.beside.get(id).map_or(0, Vec::len)) as u64
    }

    /// An order that is to be made beside what is there and is not the opportunity's.
    fn beside(&self, order: Order, id: &str) -> Order {
        let beside = self.beside.get(id).cloned().unwrap_or_default();
        let drafts = self.drafts.iter().filter(|draft| text(draft, "U_SF_Id") == id);
        Order { beside, drafts: drafts.filter_map(|draft| draft["DocEntry"].as_i64()).collect(), ..order }
    }

    /// The order of a link.
    pub fn linked(&self, linked: &Linked) -> Option<&Value> {
        self.orders.iter().find(|order| b1::key_text(&order["DocEntry"]) == linked.doc_entry)
    }

    /// The opportunity's own. Where it had an order before, and none is expected, a draft that carries its id is a clerk's.
    pub fn draft(&self, w: &Work) -> Option<Draft> {
        let may_be = |draft: &Draft| {
            draft.is_own(w.id()) || own::is_expected(w.id()) || draft.is_shown(w) || link_of(w.id()).is_none()
        };
        Draft::own(&self.drafts, w.id()).filter(may_be)
    }
}

/// What is read of an order: itself, and what the mapping sets.
fn order_fields(orders: &[&Order]) -> String {
    let mut names: Vec<&str> = vec!["DocEntry", "DocNum", "DocumentStatus", "Cancelled", "U_SF_Id", "DocumentLines"];
    names.extend(["CardCode", "CreationDate", "DocDate", "DocTotal", "VatSum", "DocTotalFc", "VatSumFc"]);
    names.extend(orders.iter().flat_map(|order| order.header.keys()).map(String::as_str));
    names.sort_unstable();
    names.dedup();
    names.join(",")
}

fn settle(flow: &str, settings: &Settings, w: &mut Work, there: &There) {
    match std::mem::replace(&mut w.step, Step::Open) {
        Step::Create(order) => settle_new(flow, settings, w, order, there),
        Step::Update(order, linked) => settle_linked(flow, settings, w, order, linked, there),
        Step::Withdraw => withdraw(flow, w, there),
        other => w.step = other,
    }
}

/// Not won (any more): what B1 has of it is taken back, and of what is not known to be its own a person is told.
fn withdraw(flow: &str, w: &mut Work, there: &There) {
    let id = w.id().to_owned();
    // The order that it had before, which is over.
    let mut link = link_of(&id);
    let was_known = link.as_ref().is_some_and(|link| link.cancelled);
    // Whether one that is gone is to have a new one is asked when it is there again.
    if let Some(link) = link.as_mut().filter(|link| !link.cancelled && !w.opportunity.is_null()) {
        link.cancelled = true;
        link.put(&id);
    }
    let is_there = |link: &Linked| there.made_for(&id).any(|order| b1::key_text(&order["DocEntry"]) == link.doc_entry);
    let orders = there.made_for(&id).count() as u64 + u64::from(link.as_ref().is_some_and(|link| !is_there(link)));
    let draft = there.draft(w);
    // One that is delivered is its own, too: that it cannot be cancelled any more is for a person to know.
    let live: Vec<&Value> = there.made_for(&id).filter(|order| is_live(order)).collect();
    let ours = match (live.as_slice(), draft, link) {
        ([], None, Some(link)) if !own::may_be_there(&id) => return was_cancelled(w, &link, was_known),
        ([], ..) => Ok(true),
        ([one], ..) => adopt::is_ours(flow, w, there, one, orders),
        (_, Some(draft), _) if !draft.is_refused() => Ok(false),
        // One that was refused goes after them.
        (many, ..) => return ask_about_open_ones(w, many),
    };
    match ours {
        Ok(true) => approval::settle_withdrawal(w, live.first().map(|one| (*one).clone()), draft, orders.max(1)),
        // Its draft goes; the others are not its own, and nobody asks about them now.
        Ok(false) if draft.is_some_and(|draft| !draft.is_refused()) => {
            if !approval::is_out(&id) {
                return w.finish(tandem_sdk::retry(100, "what became of the draft is looked at"));
            }
            if draft.is_some_and(|draft| draft.is_own(&id)) {
                live.iter().for_each(|one| beside::add(&id, one));
            }
            w.others = live.iter().filter_map(|one| one["DocEntry"].as_i64()).collect();
            approval::settle_withdrawal(w, None, draft, orders.max(1));
        }
        Ok(false) => ask_about_open_copy(w, live.first().map(|one| b1::key_text(&one["DocNum"])).unwrap_or_default()),
        Err(error) => w.fail(&error, reading_ledger()),
    }
}

/// Nothing but an order that is over; `was_known`: for long.
fn was_cancelled(w: &mut Work, link: &Linked, was_known: bool) {
    let number = [("number", link.doc_num.as_str().into())];
    let message = match was_known {
        true => say("orders.cancelled_already", "not won, and order {number} is cancelled already", number),
        false => say("orders.cancelled_there", "not won, and order {number} was cancelled in B1", number),
    };
    w.news = Some(News::synced(link, &message));
    w.done(message);
}

/// An order that would be made: unless there is one.
fn settle_new(flow: &str, settings: &Settings, w: &mut Work, order: Order, there: &There) {
    let id = w.id().to_owned();
    let (live, mut over): (Vec<&Value>, Vec<&Value>) = there.made_for(&id).partition(|order| is_live(order));
    over.sort_by_key(|order| order["DocEntry"].as_i64());
    let mut order = there.beside(order, &id);
    // Each that was made has used up a key of the ledger; those that are not its own are counted with them.
    let used = there.made(&id);
    match live.as_slice() {
        [] => match (there.draft(w), was_made_since(flow, w, over.last().copied(), used)) {
            (Some(draft), _) => approval::wait_for_own(settings, w, draft),
            (None, Err(error)) => w.fail(&error, reading_ledger()),
            (None, Ok(Some(cancelled))) => settle_cancelled(w, &order, cancelled, used),
            (None, Ok(None)) if own::is_awaited(&id) => {
                w.step = Step::Create(order);
                approval::after_the_draft(w);
            }
            (None, Ok(None)) => {
                own::missed(&id);
                if !aside::holds(w) {
                    order.generation = order.generation.max(used + 1);
                    w.step = Step::Create(order);
                }
            }
        },
        live => settle_live(flow, settings, w, order, live, there),
    }
}

/// What it is linked with, over or not.
pub fn link_of(id: &str) -> Option<Linked> {
    links::find("order", Side::Salesforce, id).map(|link| Linked::read(&link.b1_id, &link.base))
}

/// The order that this opportunity is to have was made, and cancelled in B1. One that came after an order of before, that nobody waited for and that
/// has no row in the ledger was a clerk's; where a person is asked about that, what he says holds no more.
fn was_made_since<'a>(flow: &str, w: &Work, last: Option<&'a Value>, used: u64) -> Result<Option<&'a Value>, Error> {
    let id = w.id();
    let Some(last) = last.filter(|last| !w.makes_new && is_after_its_last(id, last)) else { return Ok(None) };
    let keys = ["orders.copy", "orders.several", "orders.cancelled"];
    let is_asked = beside::is_known(id, last) && aside::asks_any(id, &keys);
    let is_its = link_of(id).is_none() || own::is_expected(id) || is_asked || ledger::rows(flow, id)? >= used;
    Ok(is_its.then_some(last))
}

/// It was made after the order that the opportunity had last: B1 numbers documents as they come.
pub fn is_after_its_last(id: &str, order: &Value) -> bool {
    let last = link_of(id).and_then(|link| link.doc_entry.parse::<i64>().ok());
    last.is_none_or(|last| order["DocEntry"].as_i64().is_some_and(|entry| entry > last))
}

/// Live orders that carry the opportunity's id, and are not linked with it.
fn settle_live(flow: &str, settings: &Settings, w: &mut Work, order: Order, live: &[&Value], there: &There) {
    let id = w.id().to_owned();
    let (orders, used, draft) = (there.made_for(&id).count() as u64, there.made(&id), there.draft(w));
    let all_are = |is: fn(&str, &Value) -> bool| live.iter().all(|order| is(&id, order));
    let is_its = match live {
        [one] => adopt::is_ours(flow, w, there, one, orders).map(|is_its| is_its.then_some(*one)),
        // What came since he was asked he knows nothing of.
        many if all_are(beside::is_known) => Ok(many.iter().copied().find(|order| adopt::is_answer(w, order))),
        _ => Ok(None),
    };
    match (is_its, draft) {
        (Err(error), _) => w.fail(&error, reading_ledger()),
        (Ok(Some(its)), _) => {
            live.iter().filter(|order| **order != its).for_each(|order| beside::add(&id, order));
            w.replaced = draft.filter(|draft| draft.is_own(&id)).map(|draft| draft.entry);
            adopt::take_over(w, order, its, used);
        }
        // Its own is with an approver.
        (Ok(None), Some(draft)) if !draft.is_refused() => {
            if draft.is_own(&id) && approval::is_out(&id) {
                live.iter().for_each(|order| beside::add(&id, order));
            }
            approval::wait(settings, w, draft);
        }
        // He was asked about these very ones, and wants another.
        (Ok(None), _) if w.makes_new && all_are(if live.len() == 1 { beside::is_named } else { beside::is_known }) => {
            live.iter().for_each(|order| beside::add(&id, order));
            match draft {
                Some(refused) => w.step = Step::Remove(refused.entry),
                // As if those had never been there.
                None => w.finish(tandem_sdk::retry(100, "what else is there is left alone: a new one is made")),
            }
        }
        // It was asked, and ignored.
        (Ok(None), _) if all_are(beside::is_left) && aside::leaves(w) => {}
        (Ok(None), draft) => match live {
            [one] => ask_about_copy(w, one),
            many => ask_about_several(w, many, draft),
        },
    }
}

/// As many orders are offered by their numbers.
const OFFERED: usize = 5;

fn ask_about_several(w: &mut Work, many: &[&Value], draft: Option<Draft>) {
    let numbers: Vec<String> = many.iter().map(|order| b1::key_text(&order["DocNum"])).collect();
    let mut choices = vec!["retry".to_owned()];
    choices.extend(numbers.iter().take(OFFERED).map(|number| format!("{}{number}", adopt::LINK)));
    // One of them may be that which was sent and whose answer was lost, or be made of its draft.
    if !own::may_be_there(w.id()) || draft.is_some_and(|draft| draft.is_own(w.id()) && draft.is_refused()) {
        choices.push(MAKE_NEW.to_owned());
    }
    // Beside one that was cancelled they may all be right.
    choices.push(if w.is_orderless { "ignore" } else { LEAVE }.to_owned());
    let reason = say(
        "orders.several",
        "B1 has several orders for this opportunity: {numbers}; cancel all but one there, or say which is its own",
        [("numbers", numbers.into())],
    );
    many.iter().for_each(|order| beside::tell(w.id(), order));
    w.hold(reason, &choices.iter().map(String::as_str).collect::<Vec<_>>());
}

/// An order that is linked, as B1 has it now.
fn settle_linked(flow: &str, settings: &Settings, w: &mut Work, order: Order, mut linked: Box<Linked>, there: &There) {
    w.b1 = facts::of_order(&linked);
    let Some(document) = there.linked(&linked) else {
        let number = [("number", linked.doc_num.as_str().into())];
        w.hold(say("orders.gone", "B1 has no order {number} any more", number), &["retry", "ignore"]);
        return;
    };
    linked.status = status_of(document).to_owned();
    if linked.status != "Cancelled" {
        linked.left = false;
        w.document = document.clone();
        // What was delivered or invoiced while it was not to be seen is shown on it now.
        if unseen::was_missed(w) {
            adopt::tell_linked(w, &adopt::told(document));
            unseen::is_back(w.id());
        }
        w.step = Step::Update(order, linked);
        return;
    }
    unseen::is_back(w.id());
    // What its total was is no question any more.
    linked.question = Said::default();
    let id = w.id().to_owned();
    let draft = there.draft(w);
    let live: Vec<&Value> = there.made_for(&id).filter(|order| is_live(order)).collect();
    if draft.is_none() && live.is_empty() {
        own::missed(&id);
    }
    let is_refused = draft.is_none_or(|draft| draft.is_refused());
    // What he was not told of he has not left so, nor a draft that somebody has thought better of.
    let is_left = leaves(w) && is_refused && live.iter().all(|order| beside::is_known(&id, order));
    let is_awaited = own::is_awaited(&id) || draft.is_some_and(|draft| !draft.is_refused() || !own::is_left(&id));
    if is_left {
        live.iter().for_each(|order| beside::add(&id, order));
    } else if w.makes_new || is_awaited || !live.is_empty() {
        let generation = (linked.generation + 1).max(there.made(&id) + 1);
        let order = Order { generation, ..there.beside(order, &id) };
        return match (draft, live.as_slice()) {
            // The new one is under way: an approver has it, and no order that is there is the one made of it.
            (Some(draft), []) => approval::wait_for_own(settings, w, draft),
            (None, []) => {
                w.step = Step::Create(order);
                if own::is_awaited(&id) {
                    approval::after_the_draft(w);
                }
            }
            (_, live) => settle_live(flow, settings, w, order, live, there),
        };
    }
    if is_left || own::is_left(&id) {
        // It goes when it is wanted no more: somebody may still approve it.
        own::leave(&id, draft.map(|draft| draft.entry));
    }
    linked.left |= is_left;
    linked.put(w.id());
    if linked.left {
        stays_cancelled(w, &linked);
    } else {
        ask_about_cancelled(w, &linked.doc_num);
        w.shows(&linked);
    }
}

/// An order that was cancelled in B1 before it was linked.
fn settle_cancelled(w: &mut Work, order: &Order, cancelled: &Value, generation: u64) {
    match Linked::found(cancelled, order, generation) {
        Some(linked) if leaves(w) => {
            let linked = Linked { left: true, ..linked };
            own::forget(w.id());
            linked.put(w.id());
            w.has_order();
            stays_cancelled(w, &linked);
        }
        _ => ask_about_cancelled(w, &b1::key_text(&cancelled["DocNum"])),
    }
}

fn leaves(w: &Work) -> bool {
    w.event.resolution.as_deref() == Some(LEAVE)
}

fn stays_cancelled(w: &mut Work, linked: &Linked) {
    let message = linked.stays_cancelled();
    w.news = Some(News::synced(linked, &message));
    w.done(message);
}

/// An order that carries the opportunity's id and was not made of it.
fn ask_about_copy(w: &mut Work, order: &Value) {
    let doc_num = &b1::key_text(&order["DocNum"]);
    beside::name(w.id(), order);
    let reason = say(
        "orders.copy",
        "order {number} in B1 carries this opportunity's id and was not made of it, such as a duplicate of its order: is it the opportunity's, or is a new one wanted?",
        [("number", doc_num.as_str().into())],
    );
    let link = format!("{}{doc_num}", adopt::LINK);
    // Beside one that was cancelled nothing more may be wanted, and that is to be known.
    w.hold(reason, &[MAKE_NEW, &link, if w.is_orderless { "ignore" } else { LEAVE }]);
}

/// The same of one that is not won: a clerk's order is not cancelled for it.
fn ask_about_open_copy(w: &mut Work, doc_num: String) {
    let reason = say(
        "orders.copy_open",
        "the opportunity is not won, and order {number} in B1 carries its id and was not made of it: cancel it there if it is the opportunity's",
        [("number", doc_num.into())],
    );
    w.hold(reason, &["retry", "ignore"]);
}

/// The same of several, one of which may be its own: which, nobody here knows.
fn ask_about_open_ones(w: &mut Work, many: &[&Value]) {
    let numbers: Vec<String> = many.iter().map(|order| b1::key_text(&order["DocNum"])).collect();
    // The one that is left when the others are cancelled is not the opportunity's for that.
    many.iter().for_each(|order| beside::name(w.id(), order));
    let reason = say(
        "orders.several_open",
        "the opportunity is not won, and B1 has several orders that carry its id: {numbers}; cancel there what is the opportunity's",
        [("numbers", numbers.into())],
    );
    w.hold(reason, &["retry", "ignore"]);
}

/// A won opportunity without a live order.
fn ask_about_cancelled(w: &mut Work, doc_num: &str) {
    let reason = say(
        "orders.cancelled",
        "order {number} was cancelled in B1, and the opportunity is won: is a new one wanted?",
        [("number", doc_num.into())],
    );
    w.hold(reason, &[MAKE_NEW, LEAVE]);
    if let Some(news) = &mut w.news {
        news.status = Some("Cancelled".into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tandem_sdk::json;

    #[test]
    fn an_order_that_is_linked_and_carries_the_id_counts_once() {
        let own = |entry: u64| json!({ "DocEntry": entry, "U_SF_Id": "006" });
        let mut there = There::default();
        there.add_orders(vec![own(1), own(2)]);
        there.add_orders(vec![own(1), json!({ "DocEntry": 3, "U_SF_Id": "007" })]);
        assert_eq!((there.made_for("006").count(), there.made_for("007").count()), (2, 1));
    }
}
