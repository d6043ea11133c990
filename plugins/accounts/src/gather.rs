//! From events to subjects: a partner, an account, or both where they are linked, as both systems have them now.

use std::collections::{BTreeMap, BTreeSet};

use tandem_sdk::b1::{self, Read};
use tandem_sdk::{
    Batch, Error, Link, Map, Outcomes, PERIODS, Side, Value, clock, from_json, in_use, json, links, mapping,
    salesforce, text,
};

use crate::describe::Settings;
use crate::{look, person, relink};

/// What an event is about.
#[derive(Default)]
pub struct Subject {
    /// B1 takes no documents of the partner today.
    pub blocked: bool,
    /// The partner as B1 has it, with `BillTo` and `ShipTo`; null while there is none.
    pub partner: Value,
    /// The account as Salesforce has it, with its contacts; null while there is none.
    pub account: Value,
    /// Last synced value of every mapped field; `None` while they are not linked.
    pub base: Option<Map<String, Value>>,
    /// An order needs the partner.
    pub wanted: bool,
    /// What a human chose.
    pub choice: Option<String>,
    /// Unlinked accounts that a question about the partner is about.
    pub about: Vec<String>,
    /// Places of the events.
    pub events: Vec<usize>,
}

impl Subject {
    pub fn card_code(&self) -> &str {
        text(&self.partner, "CardCode")
    }

    /// The pair is new: not all of it was in step yet.
    pub fn is_fresh(&self) -> bool {
        self.base.as_ref().is_none_or(|base| base.is_empty() || base.contains_key(MEETING))
    }

    /// Employees that were linked with contacts of the account since the two have met, in a try that failed in part.
    pub fn met(&self) -> BTreeSet<&str> {
        let met = self.base.as_ref().and_then(|base| base.get(MEETING)?.as_array());
        met.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    pub fn account_id(&self) -> &str {
        text(&self.account, "Id")
    }
}

const PARTNER: [&str; 13] = [
    "CardCode",
    "CardName",
    "CardType",
    "FederalTaxID",
    "EmailAddress",
    "Website",
    "UpdateDate",
    "UpdateTime",
    "U_SF_Id",
    "BilltoDefault",
    "ShipToDefault",
    "BPAddresses",
    "ContactEmployees",
];
const ACCOUNT: [&str; 13] = [
    "Id",
    "Name",
    "IsDeleted",
    "MasterRecordId",
    "LastModifiedDate",
    "Website",
    "BillingPostalCode",
    "ShippingPostalCode",
    "Tandem_Card_Code__c",
    "Tandem_Tax_Id__c",
    "Tandem_Email__c",
    "Tandem_Blocked__c",
    "Tandem_Sync_State__c",
];
const CONTACT: [&str; 8] = [
    "Id",
    "IsDeleted",
    "FirstName",
    "LastName",
    "Email",
    "LastModifiedDate",
    "Tandem_Contact_Key__c",
    "Tandem_Inactive__c",
];

/// In a link's base: what was written when the two first met failed in part, and is tried again as a first meeting; the keys of those people
/// who have met in it.
pub const MEETING: &str = "meeting";

/// The subjects of all open events.
pub fn subjects(batch: &Batch, settings: &Settings, outcomes: &mut Outcomes) -> Result<Vec<Subject>, Error> {
    let mut partners: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut accounts: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut contacts: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut wanted: BTreeSet<usize> = BTreeSet::new();
    for (place, event, payload) in outcomes.open(batch) {
        match event.topic.as_str() {
            "b1.BusinessPartners" => partners.entry(text(&payload, "CardCode").to_owned()).or_default().push(place),
            "salesforce.Account" => accounts.entry(event.key.clone()).or_default().push(place),
            "salesforce.Contact" => contacts.entry(event.key.clone()).or_default().push(place),
            "accounts.wanted" => {
                wanted.insert(place);
                accounts.entry(text(&payload, "AccountId").to_owned()).or_default().push(place);
            }
            look::TOPIC => accounts.entry(event.key.clone()).or_default().push(place),
            topic if look::is_wanted(topic, &payload) => {
                wanted.insert(place);
                accounts.entry(event.key.clone()).or_default().push(place);
            }
            look::NIGHT | look::NEXT => look::slice(place, &payload, event.resolution.as_deref(), outcomes),
            other => {
                let why = format!("the accounts plugin does not take {other}");
                outcomes.decide(place, tandem_sdk::Outcome::Reject(why));
            }
        }
    }
    for (account, events) in accounts_of(&contacts, outcomes)? {
        accounts.entry(account).or_default().extend(events);
    }
    let mut pairs = paired(partners, accounts);
    let ids: Vec<String> = pairs.iter().filter_map(|pair| pair.id.clone()).collect();
    let accounts = read_accounts(settings, &ids)?;
    relink::follow_merges(&mut pairs, &accounts);
    let mut pairs = fused(pairs);
    let codes: Vec<String> = pairs.iter().filter_map(|pair| pair.code.clone()).collect();
    let mut partners = read_partners(&codes)?;
    let moved: Vec<String> =
        pairs.iter().filter_map(|pair| pair.id.clone()).filter(|id| !accounts.contains_key(id)).collect();
    let masters = read_accounts(settings, &moved)?;
    let choice = |events: &[usize]| events.iter().find_map(|place| batch.events[*place].resolution.clone());
    relink::follow_codes(settings, &mut pairs, &accounts, &mut partners, choice, outcomes)?;
    let pairs = fused(pairs);
    let today = clock::today("b1");
    let mut subjects = Vec::new();
    for pair in pairs {
        let record = |known: &BTreeMap<String, Value>, key: &Option<String>| {
            key.as_ref().and_then(|key| known.get(key)).cloned()
        };
        let partner = record(&partners, &pair.code).unwrap_or_default();
        subjects.push(Subject {
            blocked: !partner.is_null() && !in_use(&partner, &today),
            partner,
            account: record(&accounts, &pair.id).or_else(|| record(&masters, &pair.id)).unwrap_or_default(),
            base: pair.base,
            wanted: pair.events.iter().any(|place| wanted.contains(place)),
            choice: choice(&pair.events),
            about: Vec::new(),
            events: pair.events,
        });
    }
    Ok(subjects)
}

/// What an event is about, by its keys.
pub struct Pair {
    pub code: Option<String>,
    pub id: Option<String>,
    pub base: Option<Map<String, Value>>,
    /// Its link was put just now.
    pub moved: bool,
    pub events: Vec<usize>,
}

impl Pair {
    /// As a link has it.
    pub fn linked(link: Link, events: Vec<usize>) -> Self {
        let base = from_json(&link.base).as_object().cloned().unwrap_or_default();
        Self { code: Some(link.b1_id), id: Some(link.salesforce_id), base: Some(base), moved: false, events }
    }

    /// Both have an account, and not the same.
    fn is_elsewhere(&self, other: &Self) -> bool {
        self.id.is_some() && other.id.is_some() && self.id != other.id
    }
}

/// Both ends of a link are one subject, whichever side told.
fn paired(partners: BTreeMap<String, Vec<usize>>, accounts: BTreeMap<String, Vec<usize>>) -> Vec<Pair> {
    let mut pairs: Vec<Pair> = Vec::new();
    let codes: Vec<String> = partners.keys().cloned().collect();
    for ((code, events), link) in partners.into_iter().zip(links::find_all("account", Side::B1, &codes)) {
        pairs.push(match link {
            Some(link) => Pair::linked(link, events),
            None => Pair { code: Some(code), id: None, base: None, moved: false, events },
        });
    }
    let ids: Vec<String> = accounts.keys().cloned().collect();
    for ((id, events), link) in accounts.into_iter().zip(links::find_all("account", Side::Salesforce, &ids)) {
        match (pairs.iter_mut().find(|pair| pair.id.as_ref() == Some(&id)), link) {
            (Some(pair), _) => pair.events.extend(events),
            (None, Some(link)) => pairs.push(Pair::linked(link, events)),
            (None, None) => pairs.push(Pair { code: None, id: Some(id), base: None, moved: false, events }),
        }
    }
    pairs
}

/// What has become about the same account, or about the same partner, is one subject. A partner that has another account now has left the one
/// before.
fn fused(pairs: Vec<Pair>) -> Vec<Pair> {
    let mut kept: Vec<Pair> = Vec::new();
    for mut pair in pairs {
        let other = kept.iter_mut().find(|own| own.code.is_some() && own.code == pair.code && own.is_elsewhere(&pair));
        if let Some(other) = other {
            let left = if pair.moved { other } else { &mut pair };
            (left.code, left.base) = (None, None);
        }
        let same = |one: &Option<String>, other: &Option<String>| one.is_some() && one == other;
        match kept.iter_mut().find(|own| same(&own.id, &pair.id) || same(&own.code, &pair.code)) {
            Some(own) => {
                own.events.extend(pair.events);
                if own.base.is_none() {
                    own.base = pair.base;
                }
                own.code = own.code.take().or(pair.code);
                own.id = own.id.take().or(pair.id);
            }
            None => kept.push(pair),
        }
    }
    kept
}

/// Accounts of contacts, also of deleted ones; of one that has moved also the account that it has left.
fn accounts_of(
    contacts: &BTreeMap<String, Vec<usize>>,
    outcomes: &mut Outcomes,
) -> Result<BTreeMap<String, Vec<usize>>, Error> {
    let ids: Vec<String> = contacts.keys().cloned().collect();
    let mut accounts: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let left = left_by(&ids);
    for row in salesforce::query_all_in("Id,AccountId,IsDeleted", "Contact", "Id", &ids)? {
        let id = text(&row, "Id");
        let events = contacts.get(id).cloned().unwrap_or_default();
        let account = text(&row, "AccountId");
        let left = left.get(id).filter(|left| *left != account);
        if account.is_empty() && left.is_none() {
            outcomes.note_all(&events, "the contact has no account");
        }
        for account in left.map(String::as_str).into_iter().chain(Some(account)).filter(|id| !id.is_empty()) {
            accounts.entry(account.to_owned()).or_default().extend(&events);
        }
    }
    Ok(accounts)
}

/// The accounts whose partners have the employees that contacts are linked with.
fn left_by(contacts: &[String]) -> BTreeMap<String, String> {
    let found = links::find_all("contact", Side::Salesforce, contacts).into_iter().flatten();
    let code = |link: Link| Some((link.salesforce_id, link.b1_id.rsplit_once(':')?.0.to_owned()));
    let (ids, codes): (Vec<String>, Vec<String>) = found.filter_map(code).unzip();
    let accounts = links::find_all("account", Side::B1, &codes).into_iter();
    ids.into_iter().zip(accounts).filter_map(|(id, link)| Some((id, link?.salesforce_id))).collect()
}

/// Partners by `CardCode`.
pub fn read_partners(codes: &[String]) -> Result<BTreeMap<String, Value>, Error> {
    let rows = b1::read(Read::texts("BusinessPartners", "CardCode", codes, partner_fields()))?;
    Ok(b1::by_key(rows.into_iter().map(flat).collect(), "CardCode"))
}

/// What to read of a partner.
pub fn partner_fields() -> String {
    let mut fields: Vec<String> = PARTNER.iter().map(|field| (*field).to_owned()).collect();
    fields.extend(PERIODS.split(',').map(str::to_owned));
    for section in ["account", "address_codes", "address_words"] {
        let mapped = mapping::source_fields(&format!("{section}.to-salesforce")).into_iter();
        let mapped = mapped.chain(mapping::target_fields(&format!("{section}.to-b1")));
        fields.extend(mapped.map(|path| path.split('.').next().unwrap_or_default().to_owned()));
    }
    fields.retain(|field| !matches!(field.as_str(), "BillTo" | "ShipTo"));
    fields.sort();
    fields.dedup();
    fields.join(",")
}

/// With the default addresses as `BillTo` and `ShipTo`.
pub fn flat(mut partner: Value) -> Value {
    for (name, kind, default) in [("BillTo", "bo_BillTo", "BilltoDefault"), ("ShipTo", "bo_ShipTo", "ShipToDefault")] {
        let own: Vec<&Value> =
            partner["BPAddresses"].as_array().into_iter().flatten().filter(|row| row["AddressType"] == kind).collect();
        let named =
            own.iter().find(|row| !text(&partner, default).is_empty() && row["AddressName"] == partner[default]);
        let address = named.or(own.first()).map(|row| (*row).clone()).unwrap_or_else(|| json!({}));
        partner[name] = address;
    }
    partner
}

/// Accounts by id, with their contacts.
pub fn read_accounts(settings: &Settings, ids: &[String]) -> Result<BTreeMap<String, Value>, Error> {
    let rows = salesforce::query_all_in(&account_fields(settings), "Account", "Id", ids)?;
    Ok(b1::by_key(rows, "Id"))
}

fn with_sections(own: &[&str], sections: &[&str]) -> Vec<String> {
    let mut fields: Vec<String> = own.iter().map(|field| (*field).to_owned()).collect();
    for section in sections {
        fields.extend(mapping::source_fields(&format!("{section}.to-b1")));
        fields.extend(mapping::target_fields(&format!("{section}.to-salesforce")));
    }
    fields.sort();
    fields.dedup();
    fields
}

/// What to read of an account, without its contacts.
pub fn own_fields(settings: &Settings) -> Vec<String> {
    let mut account = with_sections(&ACCOUNT, &settings.org.sections());
    if settings.org.persons {
        account.extend(person::FIELDS.map(str::to_owned));
    }
    account.extend(mapping::source_fields("new_partner"));
    account.extend(settings.only.field());
    account.sort();
    account.dedup();
    account
}

/// What to read of a contact.
pub fn contact_fields() -> Vec<String> {
    with_sections(&CONTACT, &["contact"])
}

/// What to read of an account.
pub fn account_fields(settings: &Settings) -> String {
    let mut account = own_fields(settings);
    if settings.contacts {
        account.push(format!("(SELECT {} FROM Contacts)", contact_fields().join(",")));
    }
    account.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(code: &str, id: &str, base: Option<Value>, event: usize) -> Pair {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let base = base.map(|base| base.as_object().cloned().unwrap_or_default());
        Pair { code: some(code), id: some(id), base, moved: event == 0, events: vec![event] }
    }

    fn shown(pairs: Vec<Pair>) -> Vec<Value> {
        let own = fused(pairs).into_iter();
        own.map(|own| json!([own.code, own.id, own.base, own.events])).collect()
    }

    #[test]
    fn what_is_about_one_partner_is_one_subject_whichever_way_it_became_so() {
        let linked = || json!({ "Name": "x" });
        // Somebody has typed the partner's code into an account while the partner itself has changed.
        let typed = || pair("FREE", "A1", Some(json!({})), 0);
        let changed = || pair("FREE", "", None, 1);
        assert_eq!(shown(vec![typed(), changed()]), [json!(["FREE", "A1", {}, [0, 1]])]);
        assert_eq!(shown(vec![changed(), typed()]), [json!(["FREE", "A1", {}, [1, 0]])]);
        // It had an account, which is nobody's now.
        let before = || pair("FREE", "A2", Some(linked()), 2);
        let (now, left) = (json!(["FREE", "A1", {}, [0]]), json!([null, "A2", null, [2]]));
        assert_eq!(shown(vec![typed(), before()]), [now.clone(), left.clone()]);
        assert_eq!(shown(vec![before(), typed()]), [left.clone(), now.clone()]);
        // Also where nothing of it was in step yet.
        let failed = || pair("FREE", "A2", Some(json!({})), 2);
        assert_eq!(shown(vec![typed(), failed()]), [now.clone(), left.clone()]);
        assert_eq!(shown(vec![failed(), typed()]), [left, now]);
        // Neither is anybody's.
        assert_eq!(shown(vec![pair("", "A1", None, 0), pair("", "A2", None, 1)]).len(), 2);
    }
}
