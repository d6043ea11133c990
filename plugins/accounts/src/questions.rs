//! What is asked about an account stands on it, whichever side the question began on: the rep who can mend it does not see
//! the queue. While an account belongs to no partner, several may ask about it; who does is kept in the flow's storage, so
//! that the mark goes when the last question has ended, however it ended.

use std::collections::{BTreeMap, BTreeSet};

use tandem_sdk::{
    Batch, Error, Method, Outcomes, Said, Side, Value, clock, from_json, json, links, refused, request, salesforce,
    say, storage, text,
};

use crate::gather::Subject;
use crate::look;

/// The topic of accounts that a person is asked about.
pub const ASKED: &str = "account.asked";

/// One subject of a batch, as far as its questions go; taken before it is worked on.
pub struct Asker {
    /// `CardCode` of a partner; the account's id where there is no partner.
    key: String,
    /// The subject's own account, while it lives; empty while there is none.
    account: String,
    /// It was a pair already: what it asks stands on its own account until that is in step again.
    paired: bool,
    /// Unlinked accounts that its question is about.
    about: Vec<String>,
    events: Vec<usize>,
}

impl Asker {
    pub fn of(subject: &Subject) -> Self {
        let account = if subject.account["IsDeleted"] == true { "" } else { subject.account_id() };
        let key = if subject.partner.is_null() { account } else { subject.card_code() };
        Self {
            key: key.to_owned(),
            account: account.to_owned(),
            paired: subject.base.is_some(),
            about: subject.about.clone(),
            events: subject.events.clone(),
        }
    }

    /// Those that a human ignored: they have nothing to ask any more.
    fn ignored(batch: &Batch) -> Result<Vec<Self>, Error> {
        let mut partners = Vec::new();
        let mut accounts = Vec::new();
        let mut contacts = Vec::new();
        for event in batch.events.iter().filter(|event| event.resolution.as_deref() == Some("ignore")) {
            let payload = from_json(&event.payload);
            match event.topic.as_str() {
                "b1.BusinessPartners" => partners.push(text(&payload, "CardCode").to_owned()),
                "salesforce.Contact" => contacts.push(event.key.clone()),
                "accounts.wanted" => accounts.push(text(&payload, "AccountId").to_owned()),
                _ => accounts.push(event.key.clone()),
            }
        }
        if !contacts.is_empty() {
            let rows = salesforce::query_all_in("Id,AccountId", "Contact", "Id", &contacts)?;
            accounts.extend(rows.iter().map(|row| text(row, "AccountId").to_owned()));
        }
        let partners = partners.into_iter().map(|code| {
            let account = links::find("account", Side::B1, &code).map(|link| link.salesforce_id);
            (code, account.clone().unwrap_or_default(), account.is_some())
        });
        let accounts = accounts.into_iter().map(|id| (id.clone(), id.clone(), linked(&id)));
        let asker = |(key, account, paired)| Self { key, account, paired, about: Vec::new(), events: Vec::new() };
        Ok(partners.chain(accounts).map(asker).collect())
    }
}

/// Marks the accounts that something is asked about, and takes the mark from those about which nothing is asked any more.
/// `shown` are accounts that are in step but for what was refused, with what to show.
pub fn tell(batch: &Batch, askers: &[Asker], outcomes: &Outcomes, shown: BTreeMap<String, Said>) {
    let mut marks: BTreeMap<String, Option<Said>> = BTreeMap::new();
    for asker in askers.iter().filter(|asker| !asker.key.is_empty()) {
        match asker.events.iter().find_map(|place| outcomes.question(*place)) {
            Some(reason) if asker.paired => {
                marks.insert(asker.account.clone(), Some(reason));
            }
            None if asker.paired => {}
            reason => asked(asker, reason.as_ref(), &mut marks),
        }
    }
    // An account whose contact cannot be read now keeps its mark until it is looked at again.
    for asker in Asker::ignored(batch).unwrap_or_default() {
        if asker.paired {
            marks.entry(asker.account).or_insert(None);
        } else {
            asked(&asker, None, &mut marks);
            if !asker.account.is_empty() {
                let decided = say("accounts.nothing_done", "a person has decided that nothing is done about it", []);
                never(&asker.account, &decided);
            }
        }
    }
    marks.extend(shown.into_iter().map(|(account, reason)| (account, Some(reason))));
    marks.remove("");
    marks
        .iter()
        .filter_map(|(id, reason)| Some((id, reason.as_ref()?)))
        .for_each(|(id, reason)| tell_flows(id, reason));
    let requests: Vec<_> = marks
        .into_iter()
        .map(|(id, reason)| {
            let state = reason.as_ref().map(|_| "Review");
            let mut fields = reason.unwrap_or_default().shown();
            fields.insert("Tandem_Sync_State__c".into(), state.into());
            let fields = Value::Object(fields);
            request("salesforce", Method::Patch, format!("/sobjects/Account/{id}"), Some(&fields), &id)
        })
        .collect();
    // The question stands in the queue, whether or not the account can show it.
    refused::send_all(&requests, |_, _| false);
}

/// Records of other flows may wait for this account: they are told why it takes long.
fn tell_flows(account: &str, reason: &Said) {
    emit(account, &json!({ "AccountId": account, "reason": reason.kept() }));
}

/// The same of an account that gets no partner: waiting is in vain.
pub fn never(account: &str, reason: &Said) {
    emit(account, &json!({ "AccountId": account, "reason": reason.kept(), "never": true }));
}

/// Nothing is asked about it any more: what waited for that goes on.
pub fn decided(account: &str) {
    emit(account, &json!({ "AccountId": account, "decided": true }));
}

fn emit(account: &str, payload: &Value) {
    // One may be decided and asked about anew in one run.
    let dedup = format!("{account}:{}:{}", clock::now(), payload["decided"] == true);
    let mut payload = payload.clone();
    payload["record"] = "salesforce.Account".into();
    tandem_sdk::tell(ASKED, account, &dedup, &payload);
}

/// What the question of one that had no counterpart changes on accounts: the reason to show, or `None` where the mark goes.
fn asked(asker: &Asker, reason: Option<&Said>, marks: &mut BTreeMap<String, Option<Said>>) {
    let concerned = asker.about.iter().chain(Some(&asker.account)).filter(|id| !id.is_empty() && !linked(id));
    let about: BTreeSet<String> = concerned.filter(|_| reason.is_some()).cloned().collect();
    let before = known(&accounts_of(&asker.key));
    for id in before.union(&about) {
        let mut asking = known(&askers_of(id));
        if about.contains(id) {
            asking.insert(asker.key.clone());
            marks.insert(id.clone(), reason.cloned());
        } else {
            asking.remove(&asker.key);
            if asking.is_empty() && !linked(id) {
                marks.entry(id.clone()).or_insert(None);
            }
        }
        keep(&askers_of(id), &asking);
    }
    keep(&accounts_of(&asker.key), &about);
    // One that found its partner has nothing to ask any more, and nobody asks about it: its own pair says how it is.
    if linked(&asker.account) {
        for other in known(&askers_of(&asker.account)) {
            // What it asked may be answered by that, or is another question now.
            if is_account(&other) {
                look::at(&other, &asker.account);
            }
            let mut rest = known(&accounts_of(&other));
            rest.remove(&asker.account);
            keep(&accounts_of(&other), &rest);
        }
        keep(&askers_of(&asker.account), &BTreeSet::new());
        keep(&accounts_of(&asker.account), &BTreeSet::new());
    }
}

/// The account's link ends: what its pair has asked stands there as its own question, and goes with the next that is not asked.
pub fn leave(account: &str) {
    let own = BTreeSet::from([account.to_owned()]);
    keep(&accounts_of(account), &own);
    keep(&askers_of(account), &own);
}

/// An account's id, and not a `CardCode`: its key prefix and length.
fn is_account(key: &str) -> bool {
    key.len() == 18 && key.starts_with("001")
}

fn linked(account: &str) -> bool {
    links::find("account", Side::Salesforce, account).is_some()
}

/// Where the accounts stand that one asks about.
fn accounts_of(asker: &str) -> String {
    format!("asks:{asker}")
}

/// Where those stand that ask about an account.
fn askers_of(account: &str) -> String {
    format!("asked:{account}")
}

fn known(key: &str) -> BTreeSet<String> {
    let value = storage::get(key).map(|text| from_json(&text)).unwrap_or_default();
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn keep(key: &str, ids: &BTreeSet<String>) {
    if ids.is_empty() {
        storage::delete(key);
    } else {
        // A storage that is full leaves a mark that nobody takes off: wrong in words only.
        let _ = storage::set(key, &json!(ids).to_string());
    }
}
