//! Matching before creating: external id, tax id, name with postcode, e-mail domain. One strong match links; an ambiguous
//! or weak one is asked about, with the candidates side by side.

use std::collections::BTreeMap;

use tandem_sdk::b1;
use tandem_sdk::{
    Decimal, Error, Map, Method, Outcomes, Side, Value, http, json, links, matching, request, salesforce, text,
};

use crate::describe::Settings;
use crate::gather::{self, Subject};

/// The reason that needs no other.
const CARRIED: &str = "B1 Card Code";

/// A candidate of the other side.
#[derive(Clone)]
struct Candidate {
    record: Value,
    score: Decimal,
    reasons: Vec<&'static str>,
    /// It belongs to another record already.
    taken: Option<String>,
}

/// Finds the other side of everything that is not linked.
pub fn counterparts(settings: &Settings, subjects: &mut [Subject], outcomes: &mut Outcomes) -> Result<(), Error> {
    let unlinked: Vec<&Value> = subjects.iter().filter(|own| own.base.is_none()).map(|own| &own.partner).collect();
    let accounts = accounts_like(settings, &unlinked)?;
    let mut found: Vec<(usize, Value)> = Vec::new();
    let mut about: Vec<(usize, Vec<String>)> = Vec::new();
    for (place, subject) in subjects.iter().enumerate() {
        if subject.base.is_some() || subject.partner.is_null() || subject.partner["CardType"] == "cSupplier" {
            continue;
        }
        let judged = accounts.iter().filter_map(|account| judge(settings, &subject.partner, account, Side::Salesforce));
        match decide(settings, subject, judged.collect(), "Id", outcomes) {
            Found::One(account) => found.push((place, account)),
            Found::Asked(accounts) => about.push((place, accounts)),
            Found::None => {}
        }
    }
    // Another partner that fits the same account as well: nobody but a human can say which.
    let claimed: Vec<&Value> = found.iter().map(|(_, account)| account).collect();
    let rivals = partners_like(settings, &claimed)?;
    for (place, account) in found {
        let subject = &subjects[place];
        let judged = rivals.iter().filter_map(|partner| judge(settings, partner, &account, Side::B1));
        match contested(settings, subject, judged.collect(), "CardCode", &account, outcomes) {
            Some(accounts) => about.push((place, accounts)),
            None => adopt(subjects, place, account),
        }
    }
    for (place, accounts) in about {
        subjects[place].about = accounts;
    }
    let unlinked = subjects.iter().filter(|own| own.base.is_none() && own.partner.is_null());
    let unlinked: Vec<&Value> = unlinked.map(|own| &own.account).collect();
    let partners = partners_like(settings, &unlinked)?;
    let mut found: Vec<(usize, Value)> = Vec::new();
    for (place, subject) in subjects.iter().enumerate() {
        let live = !subject.account.is_null() && subject.account["IsDeleted"] != true;
        if subject.base.is_some() || !subject.partner.is_null() || !live {
            continue;
        }
        let judged = partners.iter().filter_map(|partner| judge(settings, partner, &subject.account, Side::B1));
        if let Found::One(partner) = decide(settings, subject, judged.collect(), "CardCode", outcomes) {
            found.push((place, partner));
        }
    }
    let claimed: Vec<&Value> = found.iter().map(|(_, partner)| partner).collect();
    let rivals = accounts_like(settings, &claimed)?;
    for (place, partner) in found {
        let subject = &subjects[place];
        let judged = rivals.iter().filter_map(|account| judge(settings, &partner, account, Side::Salesforce));
        match contested(settings, subject, judged.collect(), "Id", &partner, outcomes) {
            Some(accounts) => subjects[place].about = accounts,
            None => subjects[place].partner = partner,
        }
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
    // The code on the account, or a human, has said it already.
    let own = if key == "Id" { &subject.account } else { &subject.partner };
    let said = judged.iter().any(|one| one.record[key] == own[key] && one.reasons.contains(&CARRIED));
    if said || subject.choice.as_deref().is_some_and(|choice| choice.starts_with("link with ")) {
        return None;
    }
    let rivals: Vec<Candidate> = judged
        .into_iter()
        .filter(|one| one.record[key] != own[key] && one.taken.is_none() && one.score >= settings.weights.link_from)
        .collect();
    if rivals.is_empty() {
        return None;
    }
    let (other, side, mine) = if key == "Id" { ("CardCode", "b1", "salesforce") } else { ("Id", "salesforce", "b1") };
    let names: Vec<String> = rivals.iter().map(|one| b1::key_text(&one.record[key])).collect();
    let target = b1::key_text(&chosen[other]);
    let reason = format!(
        "{} fits {target}, and so does {}; choose, or make one record of them",
        b1::key_text(&own[key]),
        names.join(", ")
    );
    let mut detail = json!({ side: short(chosen), mine: short(own) });
    detail["candidates"] = rivals.iter().map(|one| short(&one.record)).collect();
    let link = format!("link with {target}");
    outcomes.ask(&subject.events, &reason, &[link.as_str(), "create", "retry", "ignore"], &detail);
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
    let chosen = subject.choice.as_deref();
    if chosen == Some("create") {
        return Found::None;
    }
    if let Some(id) = chosen.and_then(|choice| choice.strip_prefix("link with ")) {
        if let Some(candidate) =
            candidates.iter().find(|candidate| candidate.record[key] == id && candidate.taken.is_none())
        {
            return Found::One(candidate.record.clone());
        }
        outcomes.hold(
            &subject.events,
            &format!("{id} is no longer a candidate: it is gone, or linked with another record"),
        );
        return Found::Asked(Vec::new());
    }
    candidates.retain(|candidate| candidate.score >= settings.weights.ask_from);
    candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.score));
    let strong: Vec<&Candidate> =
        candidates.iter().filter(|candidate| candidate.score >= settings.weights.link_from).collect();
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
    let why = |candidate: &Candidate| {
        let taken = candidate.taken.as_ref().map(|id| format!(", linked with {id} already")).unwrap_or_default();
        format!("{} ({}{taken})", b1::key_text(&candidate.record[key]), candidate.reasons.join(", "))
    };
    let reason = format!(
        "{name} may be the same as {}; choose which, or let a new one be made",
        shown.iter().map(why).collect::<Vec<_>>().join("; ")
    );
    let mut choices: Vec<String> = shown
        .iter()
        .filter(|candidate| candidate.taken.is_none())
        .map(|candidate| format!("link with {}", b1::key_text(&candidate.record[key])))
        .collect();
    choices.extend(["create", "retry", "ignore"].map(str::to_owned));
    let choices: Vec<&str> = choices.iter().map(String::as_str).collect();
    outcomes.ask(&subject.events, &reason, &choices, &detail);
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

/// How much speaks for these two being the same; `None` for nothing. `side` is the side the candidate is on.
fn judge(settings: &Settings, partner: &Value, account: &Value, side: Side) -> Option<Candidate> {
    let code = text(partner, "CardCode");
    let carried = text(account, "Tandem_Card_Code__c");
    let ours = settings.keys.own(carried);
    let weights = &settings.weights;
    if partner["CardType"] == "cSupplier"
        || (!carried.is_empty() && !ours.is_some_and(|own| own.eq_ignore_ascii_case(code)))
    {
        return None;
    }
    let mut score = Decimal::ZERO;
    let mut reasons = Vec::new();
    let mut add = |holds: bool, weight: Decimal, reason| {
        if holds {
            score += weight;
            reasons.push(reason);
        }
    };
    add(!carried.is_empty(), weights.link_from, CARRIED);
    let both = |a: &str, b: &str| !a.is_empty() && a == b;
    let tax = (matching::tax_id(text(partner, "FederalTaxID")), matching::tax_id(text(account, "Tandem_Tax_Id__c")));
    add(both(&tax.0, &tax.1), weights.tax_id, "tax id");
    let name = both(&matching::name(text(partner, "CardName")), &matching::name(text(account, "Name")));
    let codes = ["BillingPostalCode", "ShippingPostalCode"].map(|field| matching::postcode(text(account, field)));
    let near = partner["BPAddresses"].as_array().into_iter().flatten().any(|address| {
        let own = matching::postcode(text(address, "ZipCode"));
        codes.iter().any(|code| both(code, &own))
    });
    add(name && near, weights.name_postcode, "name and postcode");
    let domains = |record: &Value, fields: [&str; 2]| fields.map(|field| matching::domain(text(record, field)));
    let theirs = domains(account, ["Tandem_Email__c", "Website"]);
    let ours = domains(partner, ["EmailAddress", "Website"]);
    add(ours.iter().any(|own| theirs.iter().any(|other| both(own, other))), weights.email_domain, "e-mail domain");
    if reasons.is_empty() {
        return None;
    }
    let (record, taken) = match side {
        Side::Salesforce => {
            let link = links::find("account", Side::Salesforce, text(account, "Id"));
            (account, link.map(|link| link.b1_id).filter(|other| other != code))
        }
        Side::B1 => {
            let link = links::find("account", Side::B1, code);
            (partner, link.map(|link| link.salesforce_id).filter(|other| other != text(account, "Id")))
        }
    };
    Some(Candidate { record: record.clone(), score, reasons, taken })
}

/// Accounts that may be those of these partners.
fn accounts_like(settings: &Settings, partners: &[&Value]) -> Result<Vec<Value>, Error> {
    /// Conditions of one query.
    const CONDITIONS: usize = 60;
    let mut conditions: Vec<String> = Vec::new();
    for partner in partners.iter().filter(|partner| !partner.is_null()) {
        conditions.push(format!(
            "Tandem_Card_Code__c = {}",
            salesforce::quote(&settings.keys.carried(text(partner, "CardCode")))
        ));
        let tax = matching::longest_run(text(partner, "FederalTaxID"));
        if !tax.is_empty() {
            conditions.push(format!("Tandem_Tax_Id__c LIKE {}", like(tax)));
        }
        // A name may be spelt in another way; a postcode is not.
        let codes = partner["BPAddresses"].as_array().into_iter().flatten().map(|row| text(row, "ZipCode"));
        let mut codes: Vec<&str> = codes.filter(|code| !code.is_empty()).collect();
        codes.sort_unstable();
        codes.dedup();
        for code in codes {
            conditions.push(format!("BillingPostalCode = {0} OR ShippingPostalCode = {0}", salesforce::quote(code)));
        }
        for pattern in patterns(partner, "CardName", ["EmailAddress", "Website"]) {
            conditions.push(match pattern {
                Pattern::Name(word) => format!("Name LIKE {}", like(&word)),
                Pattern::Domain(domain) => {
                    format!("Tandem_Email__c LIKE {0} OR Website LIKE {0}", like(&domain))
                }
            });
        }
    }
    let mut found: BTreeMap<String, Value> = BTreeMap::new();
    let fields = gather::account_fields(settings);
    for chunk in conditions.chunks(CONDITIONS) {
        let soql = format!("SELECT {fields} FROM Account WHERE {}", chunk.join(" OR "));
        found.extend(salesforce::query("salesforce", &soql)?.into_iter().map(|row| (text(&row, "Id").to_owned(), row)));
    }
    Ok(found.into_values().collect())
}

/// Partners that may be those of these accounts.
fn partners_like(settings: &Settings, accounts: &[&Value]) -> Result<Vec<Value>, Error> {
    /// Conditions of one filter: keeps the address below 2,000 characters.
    const CONDITIONS: usize = 6;
    let mut conditions: Vec<String> = Vec::new();
    for account in accounts.iter().filter(|account| !account.is_null()) {
        if let Some(code) = settings.keys.own(text(account, "Tandem_Card_Code__c")) {
            conditions.push(format!("CardCode eq {}", b1::quote(code)));
        }
        let tax = matching::longest_run(text(account, "Tandem_Tax_Id__c"));
        if !tax.is_empty() {
            conditions.push(format!("contains(FederalTaxID,{})", b1::quote(tax)));
        }
        for pattern in patterns(account, "Name", ["Tandem_Email__c", "Website"]) {
            conditions.push(match pattern {
                // Whether B1 tells capitals apart depends on its database.
                Pattern::Name(word) => spellings(&word)
                    .iter()
                    .map(|word| format!("contains(CardName,{})", b1::quote(word)))
                    .collect::<Vec<_>>()
                    .join(" or "),
                Pattern::Domain(domain) => format!(
                    "endswith(EmailAddress,{}) or contains(Website,{})",
                    b1::quote(&format!("@{domain}")),
                    b1::quote(&domain)
                ),
            });
        }
    }
    conditions.sort();
    conditions.dedup();
    let select = gather::partner_fields();
    let requests: Vec<_> = conditions
        .chunks(CONDITIONS)
        .map(|chunk| {
            let filter = b1::encode(&chunk.join(" or "));
            let mut request =
                request("b1", Method::Get, format!("/BusinessPartners?$filter={filter}&$select={select}"), None, "");
            request.headers.push(tandem_sdk::Header { name: "Prefer".into(), value: "odata.maxpagesize=0".into() });
            request
        })
        .collect();
    let mut found: BTreeMap<String, Value> = BTreeMap::new();
    if !requests.is_empty() {
        for answer in http::send_all(&requests) {
            let rows = b1::rows(answer)?.into_iter().map(gather::flat);
            found.extend(rows.map(|row| (text(&row, "CardCode").to_owned(), row)));
        }
    }
    Ok(found.into_values().collect())
}

enum Pattern {
    Name(String),
    Domain(String),
}

fn patterns(record: &Value, name: &str, addresses: [&str; 2]) -> Vec<Pattern> {
    let mut patterns = Vec::new();
    patterns.extend(matching::search_words(text(record, name)).into_iter().map(Pattern::Name));
    let mut domains: Vec<String> = addresses.iter().map(|field| matching::domain(text(record, field))).collect();
    domains.sort();
    domains.dedup();
    patterns.extend(domains.into_iter().filter(|domain| !domain.is_empty()).map(Pattern::Domain));
    patterns
}

/// As written, in capitals, and with a capital at its head.
fn spellings(word: &str) -> Vec<String> {
    let mut letters = word.chars();
    let head: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    let capital = format!("{head}{}", letters.as_str().to_lowercase());
    let mut all = vec![word.to_owned(), word.to_uppercase(), capital];
    all.sort();
    all.dedup();
    all
}

fn like(word: &str) -> String {
    let escaped = word.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("'%{}%'", escaped.replace('\'', "\\'"))
}
