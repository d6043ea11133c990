//! Brings subjects in step: B1 first, since a new account carries its partner's `CardCode`; then accounts, then contacts.

use std::collections::{BTreeMap, BTreeSet};

use tandem_sdk::{Batch, Link, Map, Outcomes, Said, Side, Value, json, links, tell, text};

use crate::contacts::{self, Person};
use crate::describe::Settings;
use crate::fields::Plan;
use crate::gather::{MEETING, Subject};
use crate::left_out::{self, Refused};
use crate::plan::{Turn, planned};
use crate::{look, questions, relink, to_b1, to_salesforce};

/// A subject on its way.
pub struct Work {
    pub subject: Subject,
    pub plan: Plan,
    pub persons: Vec<Person>,
    /// Known, or learnt when the partner is made.
    pub card_code: String,
    /// Known, or learnt when the account is made.
    pub account_id: String,
    pub made_in_b1: bool,
    pub made_in_salesforce: bool,
    pub failed: bool,
    /// B1 has taken all that was to be written there.
    pub in_b1: bool,
    /// So has Salesforce, for the account itself.
    pub in_salesforce: bool,
    /// What the systems did not take of it.
    pub refused: Vec<Refused>,
}

impl Work {
    /// What was last in step; empty while nothing was.
    pub fn old(&self) -> Map<String, Value> {
        self.subject.base.clone().unwrap_or_default()
    }
}

/// See the module's words. Gives the accounts that are in step but for what was refused, with what they are to show.
pub fn in_step(
    batch: &Batch,
    settings: &Settings,
    subjects: Vec<Subject>,
    outcomes: &mut Outcomes,
) -> BTreeMap<String, Said> {
    let mut turn = Turn::new(batch, settings, &subjects);
    let mut work: Vec<Work> =
        subjects.into_iter().filter_map(|subject| planned(&mut turn, subject, outcomes)).collect();
    to_b1::partners(batch, settings, &mut work, outcomes);
    to_b1::learn(&mut work, outcomes);
    to_salesforce::accounts(settings, &mut work, outcomes);
    to_salesforce::contacts(settings, &mut work, outcomes);
    let mut shown = BTreeMap::new();
    let let_go = part(&turn, &work);
    for w in &mut work {
        if w.in_b1 {
            contacts::awake(&w.card_code, &w.persons);
        }
        if w.failed {
            keep_taken(w);
            continue;
        }
        let old = w.old();
        let asked = left_out::ask(batch, &w.refused, &old, &mut w.plan.base, &w.subject.events, outcomes);
        shown.extend(asked.map(|reason| (w.account_id.clone(), reason)));
        keep(w, &let_go);
        if w.subject.is_fresh() && relink::are_parted(&w.account_id, &w.card_code) {
            relink::forget(&w.account_id);
        }
        turn.questions.end(&w.card_code);
    }
    shown
}

/// Ends the links of people who are with their partner no more: the ids of their contacts. One that has moved is told of to its new
/// account, which may have been looked at before.
fn part(turn: &Turn<'_>, work: &[Work]) -> BTreeSet<String> {
    let mut let_go = BTreeSet::new();
    for person in work.iter().filter(|w| !w.failed).flat_map(|w| &w.persons).filter(|person| !person.refused) {
        let Some(id) = &person.unlinks else { continue };
        links::delete("contact", id);
        let_go.insert(id.clone());
        if let Some(account) = person.goes_to.as_ref().filter(|account| !turn.accounts.contains(*account)) {
            look::at(account, id);
        }
    }
    let_go
}

/// Of what failed on one side the bases keep what the other side has taken.
fn keep_taken(w: &Work) {
    let taken = |side: Side| if side == Side::B1 { w.in_b1 } else { w.in_salesforce };
    let (Some(old), false) = (&w.subject.base, w.card_code.is_empty() || w.account_id.is_empty()) else { return };
    let mut base = w.plan.kept(old, taken);
    // In a first meeting the links that led to the account before go with the pair's own.
    let leaves = |person: &&Person| person.unlinks.is_none() || w.subject.is_fresh() && person.goes_to.is_none();
    let stays = |person: &&Person| person.changed && person.comes_from.is_none() && leaves(person);
    let people: Vec<&Person> = w.persons.iter().filter(stays).collect();
    if w.subject.is_fresh() {
        let met = people.iter().filter_map(|person| person.id.as_ref().and(person.code.as_ref()));
        let met: BTreeSet<String> = met.map(|code| contacts::key(&w.card_code, code)).collect();
        let met: BTreeSet<&str> = met.iter().map(String::as_str).chain(w.subject.met()).collect();
        if !base.is_empty() || !met.is_empty() {
            base.insert(MEETING.into(), json!(met));
        }
    }
    if base != *old {
        put_link(w, base);
    }
    for person in people.into_iter().filter(|person| person.id.is_some() && person.code.is_some()) {
        if let Some(id) = &person.unlinks {
            links::delete("contact", id);
        }
        contacts::put_link(&w.card_code, person, |side| side == Side::B1 && w.in_b1);
    }
}

fn put_link(w: &Work, base: Map<String, Value>) {
    links::put(&Link {
        kind: "account".into(),
        b1_id: w.card_code.clone(),
        salesforce_id: w.account_id.clone(),
        base: Value::Object(base).to_string(),
    });
}

/// Keeps the links, and tells other flows of a customer that has an account now. `let_go` are contacts whose links have ended.
fn keep(w: &Work, let_go: &BTreeSet<String>) {
    if w.card_code.is_empty() || w.account_id.is_empty() {
        return;
    }
    // Also one that has another account than it had.
    let fresh = w.subject.is_fresh();
    let mut base = w.plan.base.clone();
    base.remove(MEETING);
    if let Some(code) = w.plan.to_salesforce.get("Tandem_Card_Code__c") {
        base.insert("Tandem_Card_Code__c".into(), code.clone());
    }
    // A partner belongs to one account: the link with one that is gone ends.
    let before = if fresh { links::find("account", Side::B1, &w.card_code) } else { None };
    if let Some(before) = before.filter(|own| own.salesforce_id != w.account_id) {
        links::delete("account", &before.salesforce_id);
    }
    if fresh || w.subject.base.as_ref() != Some(&base) {
        put_link(w, base);
    }
    for person in w.persons.iter().filter(|person| person.changed) {
        let free = person.comes_from.as_ref().is_none_or(|code| {
            person.id.as_ref().is_some_and(|id| let_go.contains(id)) || links::find("account", Side::B1, code).is_none()
        });
        // One that is still somebody else's comes again.
        if free {
            contacts::put_link(&w.card_code, person, |side| side == Side::B1 || !person.refused);
        }
    }
    // A question may have been about whose the account is, and so may a link that has moved; one that was ignored has left no *Synced*.
    let state = text(&w.subject.account, "Tandem_Sync_State__c");
    if state == "Review" || w.subject.base.is_some() && (fresh || state != "Synced") {
        questions::decided(&w.account_id);
    }
    if fresh {
        // Unlinked and linked again it is news again.
        let dedup = format!("{}:{}:{}", w.card_code, w.account_id, tandem_sdk::clock::now());
        tell(
            "account.linked",
            &w.card_code,
            &dedup,
            &json!({ "record": "b1.BusinessPartners", "CardCode": w.card_code }),
        );
    }
}
