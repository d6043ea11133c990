//! A partner that is deleted leaves no trace in polling: every night all linked partners are asked for by their keys, a slice at a time,
//! so that the day's work goes on between two. Those that are missing are looked at like any other change.

use std::collections::BTreeSet;

use tandem_sdk::b1::{self, Read};
use tandem_sdk::{
    Error, Outcomes, Side, Timer, Value, clock, json, links, salesforce, say, schedule, storage, tell, text,
};

use crate::gone::MARK;

/// The topic of accounts that are to be looked at.
pub const TOPIC: &str = "accounts.look";
/// That of the night's first slice; each wakes the next.
pub const NIGHT: &str = "timer.partners";
/// That of the others.
pub const NEXT: &str = "timer.wake";

/// In the payload of an account that needs a partner.
const WANTED: &str = "wanted";
/// Accounts of a slice: twenty reads of B1 and one of Salesforce.
const SLICE: usize = 500;
/// Milliseconds between two slices.
const PAUSE: u64 = 1_000;
/// Where partners stand that were missing when they were last asked for: told once.
const MISSING: &str = "missing:";

/// When all are asked for.
pub fn timer() -> Timer {
    Timer { name: "partners".into(), cron: "40 2 * * *".into() }
}

/// Has an account looked at, for a reason that is told once a moment.
pub fn at(account: &str, why: &str) {
    // The flow takes its own topic; a chain of looks that has no end is broken off by the host.
    tell(
        TOPIC,
        account,
        &format!("{account}:{why}:{}", clock::now()),
        &json!({ "record": "salesforce.Account", "AccountId": account }),
    );
}

/// Has an account looked at next as one that needs a partner.
pub fn wanted(account: &str) {
    schedule::wake(clock::now(), account, &json!({ WANTED: true }).to_string());
}

/// Whether that is what an event is.
pub fn is_wanted(topic: &str, payload: &Value) -> bool {
    topic == NEXT && payload[WANTED] == true
}

/// Asks for one slice of the linked partners, those whose accounts' ids come after the payload's `after`.
pub fn slice(place: usize, payload: &Value, choice: Option<&str>, outcomes: &mut Outcomes) {
    match sweep(place, text(payload, "after"), choice, outcomes) {
        Ok(Some(last)) => schedule::wake(clock::now() + PAUSE, "partners", &json!({ "after": last }).to_string()),
        Ok(None) => {}
        Err(error) => {
            outcomes.fail(&[place], &error, say("accounts.looking", "looking for the record on the other side", []));
        }
    }
}

/// The id behind which the next slice begins.
fn sweep(place: usize, after: &str, choice: Option<&str>, outcomes: &mut Outcomes) -> Result<Option<String>, Error> {
    let more = if after.is_empty() { String::new() } else { format!(" AND Id > {}", salesforce::quote(after)) };
    let soql = format!("SELECT Id FROM Account WHERE Tandem_Card_Code__c != null{more} ORDER BY Id LIMIT {SLICE}");
    let rows = salesforce::query("salesforce", &soql)?;
    let ids: Vec<String> = rows.iter().map(|row| text(row, "Id").to_owned()).collect();
    let next = ids.last().filter(|_| ids.len() == SLICE).cloned();
    let linked: Vec<_> = links::find_all("account", Side::Salesforce, &ids).into_iter().flatten().collect();
    let codes: Vec<String> = linked.iter().map(|link| link.b1_id.clone()).collect();
    // A read that is not whole is an error: nothing is taken for missing by it.
    let found = b1::read(Read::texts("BusinessPartners", "CardCode", &codes, "CardCode"))?;
    let found: BTreeSet<String> = found.iter().map(|row| text(row, "CardCode").to_lowercase()).collect();
    let known = storage::scan(MISSING, u32::MAX).into_iter().map(|entry| entry.key[MISSING.len()..].to_owned());
    let known: BTreeSet<String> = known.collect();
    let (there, missing): (Vec<_>, Vec<_>) = linked.iter().partition(|link| found.contains(&link.b1_id.to_lowercase()));
    there
        .iter()
        .filter(|link| known.contains(&link.b1_id))
        .for_each(|link| storage::delete(&format!("{MISSING}{}", link.b1_id)));
    let fresh: Vec<_> = missing.into_iter().filter(|link| !known.contains(&link.b1_id)).collect();
    if choice != Some(MARK) && are_too_many(fresh.len(), linked.len()) {
        let reason = say(
            "accounts.many_missing",
            "B1 does not show {missing} of {asked} linked partners any more: mark their accounts if they were deleted; if not, the user of Tandem lacks a right in B1",
            [("missing", fresh.len().to_string().into()), ("asked", linked.len().to_string().into())],
        );
        outcomes.ask(&[place], reason, &[MARK, "retry", "ignore"], &Value::Null);
        return Ok(next);
    }
    for link in &fresh {
        // Where the storage is full it is told again.
        let _ = storage::set(&format!("{MISSING}{}", link.b1_id), "true");
        at(&link.salesforce_id, &link.b1_id);
    }
    outcomes.note(place, format!("{} linked partners asked for, {} missing", linked.len(), fresh.len()));
    Ok(next)
}

/// Nobody deletes half of the customers in a day: rather a right was taken from the user.
fn are_too_many(missing: usize, asked: usize) -> bool {
    /// So few may all have been deleted.
    const FEW: usize = 10;
    missing > FEW && missing * 2 > asked
}
