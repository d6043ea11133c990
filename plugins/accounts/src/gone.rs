//! One side of a pair is gone: the other is marked, or a human is asked; never is anything deleted.

use tandem_sdk::counterpart::PARTED;
use tandem_sdk::{Deleted, Link, Outcomes, Side, Value, json, links, say};

use crate::describe::Settings;
use crate::fields::Plan;
use crate::gather::Subject;
use crate::write::Work;

/// Answer: the account is marked as that of a deleted partner.
pub const MARK: &str = "mark";

/// The account was deleted in Salesforce: the partner stays, which is told, or asked.
pub fn account(settings: &Settings, subject: &Subject, outcomes: &mut Outcomes) {
    let known = subject.base.as_ref().is_some_and(|base| base.get(PARTED).is_some_and(|gone| gone == true));
    let customer = [("customer", subject.card_code().into())];
    let what = if subject.account.is_null() {
        say(
            "accounts.account_unseen",
            "the account of the partner {customer} is not to be seen any more: deleted for good, or not shared with the integration user",
            customer,
        )
    } else {
        say("accounts.account_deleted", "the account of the partner {customer} was deleted in Salesforce", customer)
    };
    match subject.choice.as_deref() {
        Some("keep in B1") => put_gone(subject),
        _ if settings.deleted == Deleted::Review && !known => {
            let detail = json!({ "b1": { "CardCode": subject.card_code(), "CardName": subject.partner["CardName"] } });
            outcomes.ask(&subject.events, what, &["keep in B1", "retry", "ignore"], &detail);
            return;
        }
        // What is only not to be seen may be there.
        _ if !known && subject.account["IsDeleted"] == true => put_gone(subject),
        _ => {}
    }
    outcomes.note_all(&subject.events, &format!("{what}; the partner stays"));
}

/// Remembers that nobody needs to be asked again.
fn put_gone(subject: &Subject) {
    let mut base = subject.base.clone().unwrap_or_default();
    base.insert(PARTED.into(), true.into());
    if let Some(link) = links::find("account", Side::B1, subject.card_code()) {
        links::put(&Link { base: Value::Object(base).to_string(), ..link });
    }
}

/// The partner was deleted in B1: the account is marked, or a human is asked.
pub fn partner(settings: &Settings, subject: Subject, outcomes: &mut Outcomes) -> Option<Work> {
    let what = "the partner of this account was deleted in B1";
    if settings.deleted == Deleted::Review && subject.choice.as_deref() != Some(MARK) && !is_marked(&subject) {
        let asked = say(
            "accounts.partner_deleted",
            "the partner of this account was deleted in B1; what should become of the account?",
            [],
        );
        let account = json!({ "salesforce": { "Id": subject.account["Id"], "Name": subject.account["Name"] } });
        outcomes.ask(&subject.events, asked, &[MARK, "retry", "ignore"], &account);
        return None;
    }
    outcomes.note_all(&subject.events, what);
    let mut base = subject.base.clone().unwrap_or_default();
    let mut plan = Plan::default();
    for (name, value) in [(TYPE, json!(DELETED)), ("Tandem_Blocked__c", json!(true))] {
        if base.get(name) != Some(&value) {
            plan.to_salesforce.insert(name.into(), value.clone());
            plan.written.insert(name.into(), Side::Salesforce);
        }
        base.insert(name.into(), value);
    }
    plan.base = base;
    let link = links::find("account", Side::Salesforce, subject.account_id());
    Some(Work {
        card_code: link.map(|link| link.b1_id).unwrap_or_default(),
        account_id: subject.account_id().to_owned(),
        made_in_b1: false,
        made_in_salesforce: false,
        failed: false,
        in_b1: false,
        in_salesforce: false,
        refused: Vec::new(),
        plan,
        persons: Vec::new(),
        subject,
    })
}

/// The account is marked already.
pub fn is_marked(subject: &Subject) -> bool {
    subject.base.as_ref().is_some_and(|base| base.get(TYPE) == Some(&json!(DELETED)))
}

/// The account's field that says of what kind its partner is, and what it says of one that was deleted.
pub const TYPE: &str = "Tandem_Partner_Type__c";
pub const DELETED: &str = "deleted";
