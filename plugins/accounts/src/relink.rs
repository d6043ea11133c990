//! Links that people move or end: an account that was merged into another, and a B1 Card Code that somebody has typed into a linked
//! account, or emptied there.

use std::collections::BTreeMap;

use tandem_sdk::{Error, Link, Map, Outcomes, Said, Side, Value, json, links, matching, say, storage, text};

use crate::describe::Settings;
use crate::gather::{self, Pair};
use crate::{look, questions};

/// Answer: account and partner belong together no more.
const UNLINK: &str = "unlink";

/// Where it stands, by the account's id, from which partner a person has parted it. Read where it counts: a batch may itself part two.
const PARTED: &str = "parted:";

/// A person has parted the two: only a code that is typed brings them together again.
pub fn are_parted(account: &str, code: &str) -> bool {
    storage::get(&format!("{PARTED}{account}")).is_some_and(|from| from == code)
}

/// Ends the link of an account, which then has nothing to show of it. It is looked at once more, as one that nobody has a claim on.
fn part(account: &str, code: &str) {
    links::delete("account", account);
    // Where the storage is full they may be found to be the same again.
    let _ = storage::set(&format!("{PARTED}{account}"), code);
    questions::leave(account);
    questions::decided(account);
}

/// The account is linked again.
pub fn forget(account: &str) {
    storage::delete(&format!("{PARTED}{account}"));
}

/// An account that was merged into another hands its partner on to the one that is left.
pub fn follow_merges(pairs: &mut [Pair], accounts: &BTreeMap<String, Value>) {
    for pair in pairs {
        let Some(account) = pair.id.as_ref().and_then(|id| accounts.get(id)) else { continue };
        let master = text(account, "MasterRecordId");
        if master.is_empty() {
            continue;
        }
        match (&pair.code, links::find("account", Side::Salesforce, master)) {
            // Nobody has a claim on the one that is left: the link moves.
            (Some(code), None) => {
                links::delete("account", text(account, "Id"));
                put(code, master);
                (pair.base, pair.moved) = (Some(Map::new()), true);
                pair.id = Some(master.to_owned());
            }
            (Some(_), Some(_)) => {}
            // The link has moved, with a try that failed behind that; or the one that is left had a partner all the time.
            (None, Some(link)) => *pair = Pair::linked(link, std::mem::take(&mut pair.events)),
            // The loser was nobody's; the one that is left is told by an event of its own.
            (None, None) => pair.id = Some(master.to_owned()),
        }
    }
}

/// The partner that somebody has named in the *B1 Card Code* of a linked account becomes the account's, where it is free; else a
/// human is asked, as where somebody has emptied it. What Tandem itself has not brought there yet is nobody's word.
pub fn follow_codes(
    settings: &Settings,
    pairs: &mut [Pair],
    accounts: &BTreeMap<String, Value>,
    partners: &mut BTreeMap<String, Value>,
    choice: impl Fn(&[usize]) -> Option<String>,
    outcomes: &mut Outcomes,
) -> Result<(), Error> {
    let changed: Vec<(usize, String, String)> = pairs
        .iter()
        .enumerate()
        .filter_map(|(place, pair)| {
            let (code, account) = (pair.code.as_ref()?, accounts.get(pair.id.as_ref()?)?);
            let (carried, own) = (text(account, "Tandem_Card_Code__c"), settings.keys.carried(code));
            let was_own = pair.base.as_ref()?.get("Tandem_Card_Code__c") == Some(&own.as_str().into());
            let changed = was_own && account["IsDeleted"] != true;
            (changed && !carried.eq_ignore_ascii_case(&own)).then(|| (place, code.clone(), carried.to_owned()))
        })
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    let own = |carried: &String| settings.keys.own(carried).map(str::to_owned);
    let codes: Vec<String> = changed.iter().filter_map(|(_, _, carried)| own(carried)).collect();
    let named = gather::read_partners(&codes)?;
    for (place, code, carried) in changed {
        let pair = &mut pairs[place];
        let back = format!("link with {code}");
        if choice(&pair.events).as_deref() == Some(&back) {
            // Written anew, as if it had never been there.
            pair.base.iter_mut().for_each(|base| drop(base.remove("Tandem_Card_Code__c")));
            continue;
        }
        let account = pair.id.as_ref().and_then(|id| accounts.get(id)).cloned().unwrap_or_default();
        if carried.is_empty() {
            if choice(&pair.events).as_deref() == Some(UNLINK) {
                part(text(&account, "Id"), &code);
                outcomes.note_all(&pair.events, &format!("linked with {code} no more, as a person has decided"));
                (pair.code, pair.base) = (None, None);
            } else {
                let with = [("account", text(&account, "Name").into()), ("customer", code.as_str().into())];
                let emptied = say(
                    "accounts.code_emptied",
                    "the B1 Card Code of {account} was emptied; it is linked with {customer}: link it again, or unlink the two",
                    with,
                );
                outcomes.ask(&pair.events, emptied, &[back.as_str(), UNLINK, "retry", "ignore"], &Value::Null);
            }
            continue;
        }
        let partner = own(&carried).and_then(|new| named.values().find(|own| is(own, &new)));
        match free(settings, &account, partner, &carried, &code)? {
            // A slip of the hand would write one company over another.
            Ok(partner) if is_another(partner, &account) && !is_onto(choice(&pair.events), partner) => {
                let with = [
                    ("account", text(&account, "Name").into()),
                    ("code", carried.as_str().into()),
                    ("other", text(partner, "CardName").into()),
                    ("customer", code.as_str().into()),
                ];
                let why = say(
                    "accounts.code_of_another",
                    "{account} carries the B1 Card Code {code}, and the tax id of {other} there is another; it is linked with {customer}: which of the two is it?",
                    with,
                );
                let sides = json!({ "salesforce": account, "b1": partner });
                outcomes.ask(&pair.events, why, &[onto(partner).as_str(), back.as_str(), "retry", "ignore"], &sides);
            }
            Ok(partner) => {
                let new = text(partner, "CardCode").to_owned();
                if let Some(other) = links::find("account", Side::B1, &new) {
                    part(&other.salesforce_id, &new);
                    look::at(&other.salesforce_id, &new);
                }
                links::delete("account", text(&account, "Id"));
                put(&new, text(&account, "Id"));
                outcomes.note_all(
                    &pair.events,
                    &format!("linked with {new} in the place of {code}, as somebody has typed"),
                );
                partners.insert(new.clone(), partner.clone());
                pair.code = Some(new);
                (pair.base, pair.moved) = (Some(Map::new()), true);
            }
            Err(why) => outcomes.ask(&pair.events, why, &[back.as_str(), "retry", "ignore"], &Value::Null),
        }
    }
    Ok(())
}

/// The partner, when no other account has it; else what is to be asked.
fn free<'a>(
    settings: &Settings,
    account: &Value,
    partner: Option<&'a Value>,
    carried: &str,
    code: &str,
) -> Result<Result<&'a Value, Said>, Error> {
    let with = || {
        let name = text(account, "Name");
        [("account", name.into()), ("code", carried.into()), ("customer", code.into())]
    };
    let Some(partner) = partner.filter(|partner| partner["CardType"] != "cSupplier") else {
        return Ok(Err(say(
            "accounts.code_unknown",
            "{account} carries the B1 Card Code {code}, which is no customer of B1; it is linked with {customer}",
            with(),
        )));
    };
    let other = links::find("account", Side::B1, text(partner, "CardCode"))
        .map(|link| link.salesforce_id)
        .filter(|id| id != text(account, "Id"));
    let Some(other) = other else { return Ok(Ok(partner)) };
    let others = gather::read_accounts(settings, std::slice::from_ref(&other))?;
    // Let go by a deletion, or by a person who has emptied the field.
    let lets_go = |other: &Value| other["IsDeleted"] == true || !is_carried(other, carried);
    if others.get(&other).is_some_and(lets_go) {
        return Ok(Ok(partner));
    }
    Ok(Err(say(
        "accounts.code_taken",
        "{account} carries the B1 Card Code {code}, which belongs to another account; it is linked with {customer}",
        with(),
    )))
}

/// Their tax ids are known, and differ.
fn is_another(partner: &Value, account: &Value) -> bool {
    let (there, here) = (text(partner, "FederalTaxID"), text(account, "Tandem_Tax_Id__c"));
    matching::tax_ids_differ(&matching::tax_id(there), &matching::tax_id(here))
}

fn onto(partner: &Value) -> String {
    format!("link with {}", text(partner, "CardCode"))
}

fn is_onto(choice: Option<String>, partner: &Value) -> bool {
    choice == Some(onto(partner))
}

fn is(partner: &Value, code: &str) -> bool {
    text(partner, "CardCode").eq_ignore_ascii_case(code)
}

fn is_carried(account: &Value, carried: &str) -> bool {
    text(account, "Tandem_Card_Code__c").eq_ignore_ascii_case(carried)
}

fn put(code: &str, account: &str) {
    links::put(&Link { kind: "account".into(), b1_id: code.into(), salesforce_id: account.into(), base: "{}".into() });
}
