//! Matching before creating. The code that an account carries says it by itself and is asked for first, many in one query.
//! Only what is left over is looked for by tax id, name with postcode, and e-mail domain, among records that carry no code,
//! with the few fields that tell companies apart. One strong match links; an ambiguous or weak one is asked about, with the
//! candidates side by side.

use std::collections::{BTreeMap, BTreeSet};

use tandem_sdk::{
    Error, Map, Outcomes, Said, Side, Told, Value, are_twins, b1, json, links, salesforce, say, text, twin_words,
};

use crate::describe::Settings;
use crate::duplicates;
use crate::gather::{self, Subject};
use crate::judge::{self, CARRIED, Candidate, Known, MADE_FOR, judged};
use crate::search;

/// Finds the other side of everything that is not linked.
pub fn counterparts(settings: &Settings, subjects: &mut [Subject], outcomes: &mut Outcomes) -> Result<(), Error> {
    accounts_of_partners(settings, subjects, outcomes)?;
    partners_of_accounts(settings, subjects, outcomes)
}

fn accounts_of_partners(settings: &Settings, subjects: &mut [Subject], outcomes: &mut Outcomes) -> Result<(), Error> {
    let looks = |own: &Subject| own.base.is_none() && !own.partner.is_null() && own.partner["CardType"] != "cSupplier";
    let seekers: Vec<usize> = (0..subjects.len()).filter(|place| looks(&subjects[*place])).collect();
    let codes: Vec<String> = seekers.iter().map(|place| subjects[*place].card_code().to_owned()).collect();
    let carriers = search::accounts_carrying(settings, &codes)?;
    let twins = twins(settings, &codes, &carriers)?;
    let carriers = Known::accounts(carriers);
    let mut rest: Vec<(usize, Vec<Candidate>)> = Vec::new();
    for place in seekers {
        let subject = &subjects[place];
        if let Some(twin) = twins.get(subject.card_code()) {
            outcomes.hold(&subject.events, twin_words(subject.card_code(), twin));
            continue;
        }
        let carrying = judged(settings, Side::Salesforce, &Known::partner(&subject.partner), &carriers);
        match carrying.as_slice() {
            [one] if one.taken.is_none() && subject.choice.is_none() => {
                let account = one.record.clone();
                adopt(subjects, place, account);
            }
            _ => rest.push((place, carrying)),
        }
    }
    let partners: Vec<&Value> = rest.iter().map(|(place, _)| &subjects[*place].partner).collect();
    let alike = Known::accounts(search::accounts_like(settings, &partners)?);
    let mut found: Vec<(usize, Value)> = Vec::new();
    for (place, mut candidates) in rest {
        candidates.extend(judged(settings, Side::Salesforce, &Known::partner(&subjects[place].partner), &alike));
        match decide(settings, &subjects[place], candidates, "Id", outcomes) {
            Found::One(account) => found.push((place, account)),
            Found::Asked(accounts) => subjects[place].about = accounts,
            Found::None => {}
        }
    }
    // Another partner that fits the same account as well: nobody but a human can say which.
    let claimed: Vec<&Value> = found.iter().map(|(_, account)| account).collect();
    let rivals = Known::partners(search::partners_like(&claimed)?);
    // Found by a part of its fields: from here on all of them count.
    let ids: Vec<String> = claimed.iter().map(|account| text(account, "Id").to_owned()).collect();
    let mut whole = gather::read_accounts(settings, &ids)?;
    for (place, account) in found {
        let judged = judged(settings, Side::B1, &Known::account(&account), &rivals);
        match contested(settings, &subjects[place], judged, "CardCode", &account, outcomes) {
            Some(accounts) => subjects[place].about = accounts,
            // Gone since: as if it had not been found.
            None => {
                if let Some(account) = whole.remove(text(&account, "Id")) {
                    adopt(subjects, place, account);
                }
            }
        }
    }
    Ok(())
}

/// Codes of unlinked partners whose account another partner has, or is about to have, since its code differs in capitals only.
fn twins(settings: &Settings, codes: &[String], carriers: &[Value]) -> Result<BTreeMap<String, String>, Error> {
    let carried = |account: &Value| settings.keys.own(text(account, "Tandem_Card_Code__c")).map(str::to_owned);
    let carried: Vec<String> = carriers.iter().filter_map(carried).collect();
    let others: Vec<String> = carried.iter().filter(|code| !codes.contains(code)).cloned().collect();
    let others = b1::spelt_so("BusinessPartners", "CardCode", &others)?;
    let owners: Vec<&String> = carried.iter().filter(|code| codes.contains(code) || others.contains(*code)).collect();
    let first = b1::distinct(codes);
    let twin = |code: &String| {
        let owner = owners.iter().find(|owner| **owner == code || are_twins(owner, code)).copied();
        let owner = owner.or_else(|| first.iter().find(|other| *other == code || are_twins(other, code)))?;
        (owner != code).then(|| (code.clone(), owner.clone()))
    };
    Ok(first.iter().filter_map(twin).collect())
}

fn partners_of_accounts(settings: &Settings, subjects: &mut [Subject], outcomes: &mut Outcomes) -> Result<(), Error> {
    let looks = |own: &Subject| {
        let live = !own.account.is_null() && own.account["IsDeleted"] != true;
        // Another company's finds nobody here, unless it carries a code of ours.
        let ours =
            settings.only.holds(&own.account) || settings.keys.own(text(&own.account, "Tandem_Card_Code__c")).is_some();
        own.base.is_none() && own.partner.is_null() && live && ours
    };
    let seekers: Vec<usize> = (0..subjects.len()).filter(|place| looks(&subjects[*place])).collect();
    let code_of = |account: &Value| settings.keys.own(text(account, "Tandem_Card_Code__c")).map(str::to_owned);
    let codes: Vec<String> = seekers.iter().filter_map(|place| code_of(&subjects[*place].account)).collect();
    let mut whole = gather::read_partners(&codes)?;
    let named = Known::partners(whole.values().cloned().collect());
    // One that carries a code fits no partner of another.
    let without_code = |place: &&usize| text(&subjects[**place].account, "Tandem_Card_Code__c").is_empty();
    let accounts: Vec<&Value> = seekers.iter().filter(without_code).map(|place| &subjects[*place].account).collect();
    let alike = Known::partners(search::partners_like(&accounts)?);
    let fits = |place: &usize| {
        let account = &subjects[*place].account;
        let partners = if text(account, "Tandem_Card_Code__c").is_empty() { &alike } else { &named };
        judged(settings, Side::B1, &Known::account(account), partners)
    };
    let mut candidates: Vec<Vec<Candidate>> = seekers.iter().map(fits).collect();
    let_go(&mut candidates)?;
    let mut found: Vec<(usize, Value)> = Vec::new();
    for (place, candidates) in seekers.into_iter().zip(candidates) {
        if let Found::One(partner) = decide(settings, &subjects[place], candidates, "CardCode", outcomes) {
            found.push((place, partner));
        }
    }
    let claimed: Vec<String> = found.iter().map(|(_, partner)| text(partner, "CardCode").to_owned()).collect();
    let unread: Vec<String> = claimed.iter().filter(|code| !whole.contains_key(*code)).cloned().collect();
    whole.extend(gather::read_partners(&unread)?);
    let mut rivals = search::accounts_carrying(settings, &claimed)?;
    let by_weak: Vec<&Value> = found
        .iter()
        .filter(|(place, _)| text(&subjects[*place].account, "Tandem_Card_Code__c").is_empty())
        .map(|(_, partner)| partner)
        .collect();
    rivals.extend(search::accounts_like(settings, &by_weak)?);
    let rivals = Known::accounts(rivals);
    for (place, partner) in found {
        let judged = judged(settings, Side::Salesforce, &Known::partner(&partner), &rivals);
        match contested(settings, &subjects[place], judged, "Id", &partner, outcomes) {
            Some(accounts) => subjects[place].about = accounts,
            None => subjects[place].partner = whole.get(text(&partner, "CardCode")).cloned().unwrap_or_default(),
        }
    }
    Ok(())
}

/// A partner whose account was deleted is free for the one that was made in its place; one whose account is only not to be seen is not.
fn let_go(candidates: &mut [Vec<Candidate>]) -> Result<(), Error> {
    let taken: Vec<String> = candidates.iter().flatten().filter_map(|one| one.taken.clone()).collect();
    let rows = salesforce::query_all_in("Id,IsDeleted,MasterRecordId", "Account", "Id", &taken)?;
    let deleted = rows.iter().filter(|row| row["IsDeleted"] == true && text(row, "MasterRecordId").is_empty());
    let deleted: BTreeSet<&str> = deleted.map(|row| text(row, "Id")).collect();
    for one in candidates.iter_mut().flatten() {
        one.taken.take_if(|id| deleted.contains(id.as_str()));
    }
    Ok(())
}

/// When another record of the subject's own side fits what it is to be linked with, too, a human is asked: the accounts that
/// the question is about. `key` is that of the subject's side.
fn contested(
    settings: &Settings,
    subject: &Subject,
    judged: Vec<Candidate>,
    key: &str,
    chosen: &Value,
    outcomes: &mut Outcomes,
) -> Option<Vec<String>> {
    // A human has said it already.
    if subject.choice.as_deref().is_some_and(|choice| choice.starts_with("link with ")) {
        return None;
    }
    // So has the code on the account, unless another account carries it, too.
    let own = if key == "Id" { &subject.account } else { &subject.partner };
    let says = |one: &Candidate| one.reasons.contains(&CARRIED) || one.reasons.contains(&MADE_FOR);
    let said = judged.iter().any(|one| one.record[key] == own[key] && says(one));
    let rivals: Vec<Candidate> = judged
        .into_iter()
        .filter(|one| one.record[key] != own[key] && one.taken.is_none() && one.score >= *settings.weights.link_from)
        .filter(|one| !said || says(one))
        .collect();
    if rivals.is_empty() {
        return None;
    }
    let (other, side, mine) = if key == "Id" { ("CardCode", "b1", "salesforce") } else { ("Id", "salesforce", "b1") };
    let names: Vec<String> = rivals.iter().map(|one| called(&one.record, key)).collect();
    let target = b1::key_text(&chosen[other]);
    let reason = say(
        "accounts.contested",
        "{record} fits {target}, and so does {others}; choose, or make one record of them",
        [("record", called(own, key).into()), ("target", called(chosen, other).into()), ("others", names.into())],
    );
    let mut detail = json!({ side: short(chosen), mine: short(own) });
    detail["candidates"] = rivals.iter().map(|one| short(&one.record)).collect();
    let link = format!("link with {target}");
    outcomes.ask(&subject.events, reason, &[link.as_str(), "create", "retry", "ignore"], &detail);
    let accounts: Vec<&Value> = if key == "Id" { rivals.iter().map(|one| &one.record).collect() } else { vec![chosen] };
    Some(accounts.into_iter().map(|account| text(account, "Id").to_owned()).collect())
}

/// The partner's subject takes over the account, and the account's own subject, if there is one, becomes part of it.
fn adopt(subjects: &mut [Subject], place: usize, account: Value) {
    let id = text(&account, "Id").to_owned();
    subjects[place].account = account;
    let own = subjects.iter().position(|other| other.partner.is_null() && other.account_id() == id);
    if let Some(own) = own {
        let events = std::mem::take(&mut subjects[own].events);
        let wanted = subjects[own].wanted;
        subjects[place].events.extend(events);
        subjects[place].wanted |= wanted;
        // Nothing is left to do for it.
        subjects[own].account = Value::Null;
    }
}

/// What looking on the other side has given.
enum Found {
    /// The one to link with.
    One(Value),
    /// None: one is to be made.
    None,
    /// A human is asked, about these accounts where it is accounts that were found.
    Asked(Vec<String>),
}

fn decide(
    settings: &Settings,
    subject: &Subject,
    mut candidates: Vec<Candidate>,
    key: &str,
    outcomes: &mut Outcomes,
) -> Found {
    // Our own create, whose end was lost: nothing else is to be made or asked.
    let mut own = candidates.iter().filter(|one| one.taken.is_none() && one.reasons.contains(&MADE_FOR));
    if let (Some(one), None) = (own.next(), own.next()) {
        return Found::One(one.record.clone());
    }
    let chosen = subject.choice.as_deref();
    if matches!(chosen, Some("create" | duplicates::CREATE)) {
        return Found::None;
    }
    if let Some(id) = chosen.and_then(|choice| choice.strip_prefix("link with ")) {
        if let Some(candidate) =
            candidates.iter().find(|candidate| candidate.record[key] == id && candidate.taken.is_none())
        {
            return Found::One(candidate.record.clone());
        }
        // One that only the org's duplicate rule has named.
        if key == "Id"
            && links::find("account", Side::Salesforce, id).is_none()
            && let Ok(mut accounts) = gather::read_accounts(settings, &[id.to_owned()])
            && let Some(account) = accounts.remove(id).filter(|account| account["IsDeleted"] != true)
        {
            return Found::One(account);
        }
        outcomes.hold(
            &subject.events,
            say(
                "accounts.no_candidate",
                "{record} is no longer a candidate: it is gone, or linked with another record",
                [("record", id.into())],
            ),
        );
        return Found::Asked(Vec::new());
    }
    candidates.retain(|candidate| candidate.score >= *settings.weights.ask_from);
    candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.score));
    let strong: Vec<&Candidate> =
        candidates.iter().filter(|candidate| candidate.score >= *settings.weights.link_from).collect();
    match strong.as_slice() {
        [one] if one.taken.is_none() => return Found::One(one.record.clone()),
        [] if candidates.is_empty() => return Found::None,
        _ => {}
    }
    ask(subject, &candidates, key, outcomes);
    let free = candidates.iter().filter(|candidate| key == "Id" && candidate.taken.is_none());
    Found::Asked(free.map(|candidate| text(&candidate.record, "Id").to_owned()).collect())
}

fn ask(subject: &Subject, candidates: &[Candidate], key: &str, outcomes: &mut Outcomes) {
    /// Candidates shown.
    const SHOWN: usize = 5;
    let shown = &candidates[..candidates.len().min(SHOWN)];
    let (own, name) = if key == "Id" {
        (json!({ "b1": short(&subject.partner) }), text(&subject.partner, "CardName"))
    } else {
        (json!({ "salesforce": short(&subject.account) }), text(&subject.account, "Name"))
    };
    let mut detail = own;
    detail["candidates"] = shown
        .iter()
        .map(|candidate| {
            let mut record = short(&candidate.record);
            record["match"] = candidate.reasons.join(", ").into();
            if let Some(taken) = &candidate.taken {
                record["linked with"] = taken.as_str().into();
            }
            record
        })
        .collect();
    let why = |candidate: &Candidate| -> Told {
        let mut why: Vec<Said> = candidate.reasons.iter().map(|reason| judge::said(reason)).collect();
        why.extend(
            candidate
                .taken
                .as_deref()
                .map(|id| say("accounts.linked_already", "linked with {record} already", [("record", id.into())])),
        );
        let record = called(&candidate.record, key);
        say("accounts.candidate", "{record} ({why})", [("record", record.into()), ("why", why.into())]).into()
    };
    let with = [("name", name.into()), ("candidates", Told::List(shown.iter().map(why).collect()))];
    let reason = if candidates.iter().all(|candidate| candidate.taken.is_some()) {
        say(
            "accounts.maybe_same_taken",
            "{name} may be the same as {candidates}; make one record of the two, or let a new one be made",
            with,
        )
    } else {
        say(
            "accounts.maybe_same",
            "{name} may be the same as {candidates}; choose which, or let a new one be made",
            with,
        )
    };
    let mut choices: Vec<String> = shown
        .iter()
        .filter(|candidate| candidate.taken.is_none())
        .map(|candidate| format!("link with {}", b1::key_text(&candidate.record[key])))
        .collect();
    choices.extend(["create", "retry", "ignore"].map(str::to_owned));
    let choices: Vec<&str> = choices.iter().map(String::as_str).collect();
    outcomes.ask(&subject.events, reason, &choices, &detail);
}

/// A record as a person knows it: `Maxi-Teq, C20000`.
fn called(record: &Value, key: &str) -> String {
    let code = b1::key_text(&record[key]);
    match text(record, if key == "Id" { "Name" } else { "CardName" }) {
        "" => code,
        name => format!("{name}, {code}"),
    }
}

/// What tells one company from another.
fn short(record: &Value) -> Value {
    let names = [
        "CardCode",
        "CardName",
        "CardType",
        "FederalTaxID",
        "EmailAddress",
        "Id",
        "Name",
        "Tandem_Card_Code__c",
        "Tandem_Tax_Id__c",
        "Tandem_Email__c",
        "Website",
        "BillingPostalCode",
    ];
    let mut shown: Map<String, Value> = names
        .iter()
        .filter(|name| !record[**name].is_null())
        .map(|name| ((*name).to_owned(), record[*name].clone()))
        .collect();
    if !record["BillTo"].is_null() {
        shown.insert("ZipCode".into(), record["BillTo"]["ZipCode"].clone());
    }
    Value::Object(shown)
}
