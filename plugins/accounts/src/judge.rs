//! How much speaks for a partner and an account being the same company.

use tandem_sdk::{Decimal, Said, Side, Value, links, matching, say, text};

use crate::describe::Settings;
use crate::relink;

/// The reason that needs no other.
pub const CARRIED: &str = "B1 Card Code";

/// A reason in the reader's language.
pub fn said(reason: &str) -> Said {
    match reason {
        "tax id" => say("accounts.tax_id", "tax id", []),
        "name and postcode" => say("accounts.name_postcode", "name and postcode", []),
        "e-mail domain" => say("accounts.email_domain", "e-mail domain", []),
        "legal forms differ" => say("accounts.legal_forms_differ", "legal forms differ", []),
        MADE_FOR => say("accounts.made_for", "made for it", []),
        "tax ids differ" => say("accounts.tax_ids_differ", "tax ids differ", []),
        other => other.into(),
    }
}

/// The partner says itself that it was made for the account: a create whose end was lost.
pub const MADE_FOR: &str = "made for it";

/// A candidate of the other side.
#[derive(Clone)]
pub struct Candidate {
    pub record: Value,
    pub score: Decimal,
    pub reasons: Vec<&'static str>,
    /// It belongs to another record already.
    pub taken: Option<String>,
}

/// A record with what tells companies apart, in the form that is compared: read once, compared with many.
pub struct Known {
    record: Value,
    /// `CardCode` of a partner; *B1 Card Code* of an account.
    code: String,
    /// `U_SF_Id` of a partner; `Id` of an account.
    account_id: String,
    supplier: bool,
    tax: String,
    name: String,
    postcodes: Vec<String>,
    domains: Vec<String>,
}

impl Known {
    pub fn partners(records: Vec<Value>) -> Vec<Self> {
        records.iter().map(Self::partner).collect()
    }

    pub fn accounts(records: Vec<Value>) -> Vec<Self> {
        records.iter().map(Self::account).collect()
    }

    pub fn partner(record: &Value) -> Self {
        let addresses = record["BPAddresses"].as_array().into_iter().flatten();
        Self {
            code: text(record, "CardCode").to_owned(),
            account_id: text(record, "U_SF_Id").to_owned(),
            supplier: record["CardType"] == "cSupplier",
            tax: matching::tax_id(text(record, "FederalTaxID")),
            name: matching::name(text(record, "CardName")),
            postcodes: filled(addresses.map(|address| matching::postcode(text(address, "ZipCode")))),
            domains: filled(["EmailAddress", "Website"].map(|field| matching::domain(text(record, field)))),
            record: record.clone(),
        }
    }

    pub fn account(record: &Value) -> Self {
        let postcode = |field| matching::postcode(text(record, field));
        Self {
            code: text(record, "Tandem_Card_Code__c").to_owned(),
            account_id: text(record, "Id").to_owned(),
            supplier: false,
            tax: matching::tax_id(text(record, "Tandem_Tax_Id__c")),
            name: matching::name(text(record, "Name")),
            postcodes: filled(["BillingPostalCode", "ShippingPostalCode"].map(postcode)),
            domains: filled(["Tandem_Email__c", "Website"].map(|field| matching::domain(text(record, field)))),
            record: record.clone(),
        }
    }
}

fn filled(texts: impl IntoIterator<Item = String>) -> Vec<String> {
    texts.into_iter().filter(|text| !text.is_empty()).collect()
}

/// What of `records`, of this side, may be the same as a record of the other side.
pub fn judged(settings: &Settings, side: Side, of: &Known, records: &[Known]) -> Vec<Candidate> {
    let fits = |known: &Known| {
        let (partner, account) = if side == Side::B1 { (known, of) } else { (of, known) };
        let (score, reasons) = judge(settings, partner, account)?;
        if !reasons.contains(&CARRIED) && relink::are_parted(&account.account_id, &partner.code) {
            return None;
        }
        Some(Candidate { record: known.record.clone(), score, reasons, taken: None })
    };
    let mut candidates: Vec<Candidate> = records.iter().filter_map(fits).collect();
    let (key, other) = if side == Side::B1 { ("CardCode", "Id") } else { ("Id", "CardCode") };
    let keys: Vec<String> = candidates.iter().map(|one| text(&one.record, key).to_owned()).collect();
    for (candidate, link) in candidates.iter_mut().zip(links::find_all("account", side, &keys)) {
        let linked = link.map(|link| if side == Side::B1 { link.salesforce_id } else { link.b1_id });
        candidate.taken = linked.filter(|linked| linked != text(&of.record, other));
    }
    candidates
}

fn forms_differ(partner: &Known, account: &Known) -> bool {
    matching::forms_differ(text(&partner.record, "CardName"), text(&account.record, "Name"))
}

/// How much speaks for these two being the same, and what; `None` for nothing.
fn judge(settings: &Settings, partner: &Known, account: &Known) -> Option<(Decimal, Vec<&'static str>)> {
    let carried = !account.code.is_empty();
    let ours = settings.keys.own(&account.code).is_some_and(|own| own.eq_ignore_ascii_case(&partner.code));
    if partner.supplier || (carried && !ours) {
        return None;
    }
    let weights = &settings.weights;
    let shared = |a: &[String], b: &[String]| a.iter().any(|one| b.contains(one));
    let same = |a: &str, b: &str| !a.is_empty() && a == b;
    let made_for = same(&partner.account_id, &account.account_id);
    let near = shared(&partner.postcodes, &account.postcodes);
    let rules = [
        (carried, weights.link_from, CARRIED),
        (made_for, weights.link_from, MADE_FOR),
        (same(&partner.tax, &account.tax), weights.tax_id, "tax id"),
        (near && same(&partner.name, &account.name), weights.name_postcode, "name and postcode"),
        (shared(&partner.domains, &account.domains), weights.email_domain, "e-mail domain"),
    ];
    let held = || rules.iter().filter(|(holds, ..)| *holds);
    let mut reasons: Vec<&'static str> = held().map(|(.., reason)| *reason).collect();
    if reasons.is_empty() {
        return None;
    }
    let mut score: Decimal = held().map(|(_, weight, _)| **weight).sum();
    // A company and its general partner share name and house.
    let apart = [
        (matching::tax_ids_differ(&partner.tax, &account.tax), "tax ids differ"),
        (!same(&partner.tax, &account.tax) && forms_differ(partner, account), "legal forms differ"),
    ];
    if !carried && !made_for && score >= *weights.link_from && apart.iter().any(|(holds, _)| *holds) {
        score = *weights.link_from - Decimal::ONE;
        reasons.extend(apart.iter().filter(|(holds, _)| *holds).map(|(_, reason)| *reason));
    }
    Some((score, reasons))
}
