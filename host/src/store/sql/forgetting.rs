//! A person's data goes: looked for everywhere first, then taken out a few rows at a time, beside a host that works. Of the record itself only ids are
//! left; what names the person in other records' events and journals is taken out there, and the rest of them stays.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use ring::hmac;
use serde_json::{Value, json};

use super::events::{EVENT_COLUMNS, event};
use super::reducing::{Hashing, SECRET, replace_journal};
use super::statement::params;
use super::statement::{Connection, NONE, Row};
use super::value::Value as Sql;
use super::values::{self, Column, Key};
use super::{Base, Keys as Sealing, SqlStore, packing, resealing, retention, runs, search, trail};
use crate::personal::{Keys, Values};
use crate::store::*;

/// Rows that are looked at at once; of journals, which are large.
const ROWS: u32 = 500;
const JOURNALS: u32 = 20;
/// Letters of an id that is looked for within texts: shorter ones stand in many.
const LONG_ID: usize = 6;

/// Kinds of links whose records are people and companies.
const ACCOUNT: &str = "account";
const CONTACT: &str = "contact";
/// The kind of what is told of a business partner.
const PARTNER: &str = "b1.BusinessPartners";

/// Who is looked for.
#[derive(Clone)]
struct Person {
    whom: Whom,
    keys: Keys,
    /// Events that are about them. By its key alone an event is not known: a number is that of many things.
    events: BTreeSet<i64>,
    values: Values,
}

/// How far a journal is cleaned.
#[derive(Clone, Copy, PartialEq)]
enum Calls {
    /// Those about the person, too.
    All,
    /// What others' calls said: those about the person tell by what they are found elsewhere.
    OfOthers,
}

/// Where something of a person is.
#[derive(Default)]
struct Survey {
    own_events: Vec<i64>,
    open_events: Vec<i64>,
    named_events: Vec<i64>,
    open_named: Vec<i64>,
    runs: Vec<i64>,
    /// Of them those in which others' calls name the person.
    named_runs: Vec<i64>,
    open_runs: u64,
    own_links: Vec<Key>,
    named_links: Vec<Key>,
    /// Own links of which more than ids is kept.
    with_base: u64,
    storage: Vec<Key>,
    /// Why runs failed, in words that name the person.
    errors: Vec<Key>,
    notes: Vec<Key>,
    own_notes: Vec<Key>,
    views: Vec<(String, String)>,
    wakes: u64,
    naming_wakes: u64,
    acts: Vec<NamedAct>,
    positions: u64,
}

/// A line of the audit trail that names the person.
struct NamedAct {
    id: i64,
    /// As it is shown.
    says: String,
    /// It tells more of them than ids.
    tells: bool,
}

impl Survey {
    /// Something that is unfinished names the person: it is looked through again when it is finished, and what they are found by must be there then.
    fn is_named_in_unfinished(&self) -> bool {
        !self.open_named.is_empty() || self.open_runs > 0 || self.naming_wakes > 0
    }
}

impl Person {
    fn is_own(&self, event: &Event) -> bool {
        self.events.contains(&event.id.0)
    }

    fn is_link(&self, link: &Link) -> bool {
        let is =
            |record: &KnownAs| record.b1.as_ref() == Some(&link.b1_id) && record.between.as_ref() == Some(&link.scope);
        let kind = kind_of(&link.kind);
        self.keys.salesforce.contains(&link.salesforce_id)
            || kind != RecordKind::Record && self.whom.records.iter().any(|record| record.kind == kind && is(record))
    }

    /// A text that has one of the ids in it.
    fn names(&self, text: &str) -> bool {
        let mut ids = self.keys.salesforce.iter().chain(self.keys.partners.iter().filter(|code| !is_number(code)));
        ids.any(|id| id.len() >= LONG_ID && text.contains(id.as_str()))
    }

    /// A text that may tell of them: one of their ids is in it.
    fn may_tell(&self, text: &str) -> bool {
        let partners = self.keys.partners.iter().chain(self.keys.employees.iter().map(|(card, _)| card));
        self.keys.salesforce.iter().chain(partners).any(|id| text.contains(id.as_str()))
    }

    /// A call about them. What stands under a number must show that it is the partner's.
    fn is_about(&self, entry: &JournalEntry) -> bool {
        let subject = &entry.subject;
        let of_employee = || subject.rsplit_once(':').map(|(card, code)| (card.to_owned(), code.to_owned()));
        if self.keys.salesforce.contains(subject)
            || of_employee().is_some_and(|pair| self.keys.employees.contains(&pair))
        {
            return true;
        }
        if !self.keys.partners.contains(subject) {
            return false;
        }
        let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
        let asked = parsed(&entry.request);
        let path = asked.get("path").and_then(Value::as_str);
        path.is_some_and(|path| path.contains("BusinessPartners"))
            || path.is_none() && !is_number(subject)
            || self.values.bears_key(&asked)
            || self.values.bears_key(&parsed(&entry.response))
    }

    /// A call without what it said of the person; none where it said nothing.
    fn call(&self, entry: &JournalEntry, calls: Calls) -> Option<JournalEntry> {
        let about = self.is_about(entry);
        let within = self.values.within(&entry.request);
        if calls == Calls::OfOthers && (about || self.teaches(entry)) {
            return None;
        }
        let (request, response) = match about {
            true => (self.outline(&entry.request), self.outline(&entry.response)),
            false => (
                self.values.without(&entry.request).unwrap_or_else(|| entry.request.clone()),
                self.values.without_in(&entry.response, &within).unwrap_or_else(|| entry.response.clone()),
            ),
        };
        let changed = request != entry.request || response != entry.response;
        changed.then(|| JournalEntry { request, response, ..entry.clone() })
    }

    /// The call tells of their own record.
    fn teaches(&self, entry: &JournalEntry) -> bool {
        let mut learnt = Values::of(self.keys.clone());
        learn_call(&mut learnt, entry);
        learnt.count() > 0
    }

    /// Which call it was, and with which status it was answered.
    fn outline(&self, text: &str) -> String {
        let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(text) else {
            return if text.is_empty() { String::new() } else { "{}".into() };
        };
        let mut told = serde_json::Map::new();
        for (name, value) in fields {
            match name.as_str() {
                "method" | "slot" => {
                    told.insert(name, value);
                }
                "path" => {
                    let path = value.as_str().unwrap_or_default().split('?').next().unwrap_or_default();
                    told.insert(name, self.values.hidden_in_own(path).into());
                }
                "sent" | "probed" => {
                    told.insert(name, json!({ "status": value.get("status") }));
                }
                _ => {}
            }
        }
        Value::Object(told).to_string()
    }

    /// What a person was asked and answered about the record, without what tells of it.
    fn detail(&self, event: &Event) -> Option<String> {
        let decided = event.decided()?;
        let [asked, answer] = [&decided.asked, &decided.answer].map(|text| self.values.hidden_in_own(text));
        Some(json!({ "decided": { "asked": asked, "answer": answer, "at": decided.at } }).to_string())
    }
}

fn kind_of(link: &str) -> RecordKind {
    match link {
        ACCOUNT => RecordKind::Account,
        CONTACT => RecordKind::Contact,
        _ => RecordKind::Record,
    }
}

/// What is told by a number is told by many.
fn is_number(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())
}

/// Takes what a call tells of the record that is looked for.
fn learn_call(values: &mut Values, entry: &JournalEntry) {
    let within = values.within(&entry.request);
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    values.learn_about(&parsed(&entry.request));
    values.learn_about_in(&parsed(&entry.response), &within);
}

/// What a link keeps when its record is forgotten: of a person's nothing but figures, of another's all that tells of nobody.
fn stripped(kind: &str, base: &str, values: &Values) -> String {
    match kind_of(kind) {
        RecordKind::Record => values.as_if_never_told_of_own(base).unwrap_or_else(|| base.to_owned()),
        RecordKind::Account | RecordKind::Contact => without_texts(base),
    }
}

/// A base without texts: figures, ids and what stands where are what a flow finds its lines by.
fn without_texts(base: &str) -> String {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.retain(|name, value| !value.is_string() || name == "id");
                fields.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut value: Value = serde_json::from_str(base).unwrap_or_else(|_| json!({}));
    strip(&mut value);
    value.to_string()
}

fn text_of(value: &Sql) -> Option<&str> {
    match value {
        Sql::Text(text) => Some(text),
        _ => None,
    }
}

impl<B: Base> SqlStore<B> {
    /// Looks for a person everywhere. What is known of them is read of their own records first: without it nothing finds them elsewhere.
    async fn survey(&self, whom: Whom, told: &Progress) -> Result<(Person, Survey)> {
        let of: u64 = self.read(|db| Ok(2 * values::PACKED.rows(db)? + values::PAYLOADS.rows(db)?)).await?;
        let mut done = 0;
        let mut person = self.read(move |db| known_of(db, whom)).await?;
        // What others read of the record tells of it, too.
        let mut after = values::PACKED.start();
        loop {
            let (from, own) = (after, Arc::new(person));
            let looking = own.clone();
            let (last, found, rows) = self.read(move |db| learnt(db, &from, &looking)).await?;
            person = Arc::try_unwrap(own).unwrap_or_else(|own| Person::clone(&own));
            found.iter().for_each(|entry| learn_call(&mut person.values, entry));
            done += rows;
            told(done, of);
            let Some(last) = last else { break };
            after = last;
        }
        let person = Arc::new(person);
        let mut survey = Survey::default();
        let mut after = values::PACKED.start();
        loop {
            let (from, own) = (after, person.clone());
            let (last, found, rows) = self.read(move |db| runs_with(db, &from, &own)).await?;
            survey.named_runs.extend(found.iter().filter(|(_, of_others)| *of_others).map(|(run, _)| *run));
            survey.runs.extend(found.iter().map(|(run, _)| *run));
            done += rows;
            told(done, of);
            let Some(last) = last else { break };
            after = last;
        }
        let mut after = 0;
        loop {
            let own = person.clone();
            let events = self.read(move |db| events_after(db, after)).await?;
            let Some(last) = events.last() else { break };
            after = last.id.0;
            done += events.len() as u64;
            told(done.min(of), of);
            let sorted = tokio::task::spawn_blocking(move || sort(&own, &events)).await;
            let [own_events, open, named, open_named] = sorted.map_err(|e| StoreError::Database(e.to_string()))?;
            survey.own_events.extend(own_events);
            survey.open_events.extend(open);
            survey.named_events.extend(named);
            survey.open_named.extend(open_named);
        }
        let own = person.clone();
        let mut survey = self.read(move |db| rest(db, &own, survey)).await?;
        survey.own_links.dedup();
        let person = Arc::try_unwrap(person).unwrap_or_else(|own| Person::clone(&own));
        Ok((person, survey))
    }

    /// Does something to each of a list, as many at once as one bite takes.
    async fn each<T: Send + Sync + 'static>(
        &self,
        all: Vec<T>,
        work: impl Fn(&Connection, &T) -> Result<()> + Send + Sync + 'static,
    ) -> Result<()> {
        let (mut left, work) = (all, Arc::new(work));
        while !left.is_empty() {
            let own = work.clone();
            left = self
                .write(move |db| {
                    let places: Vec<i64> = (0..left.len() as i64).collect();
                    let done = retention::bite(&places, |place| match left.get(place as usize) {
                        Some(one) => own(db, one),
                        None => Ok(()),
                    })?;
                    Ok(left.split_off(done))
                })
                .await?;
        }
        Ok(())
    }

    /// Takes the person's values out of a column's rows.
    async fn hide(&self, column: Column, rows: Vec<Key>, person: Arc<Person>) -> Result<()> {
        let hide = move |db: &Connection, key: &Key| {
            let value = column.get(db, key)?;
            if let Some(other) = value.as_ref().and_then(text_of).and_then(|text| person.values.without(text)) {
                column.put(db, key, Sql::Text(other))?;
            }
            Ok(())
        };
        self.each(rows, hide).await
    }
}

/// What the record's own events, links and calls tell of it.
fn known_of(db: &Connection, whom: Whom) -> Result<Person> {
    let keys = whom.keys();
    let values = Values::of(keys.clone());
    let mut person = Person { whom, keys, events: BTreeSet::new(), values };
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    for id in own_ids(&person.keys) {
        for link in links_of(db, &id)? {
            if person.is_link(&link) {
                person.values.learn(&parsed(&link.base));
            }
        }
        person.events.extend(events_about(db, &id, &person)?);
        for (_, entry) in packing::about(db, &id, u32::MAX)? {
            if person.is_about(&entry) {
                person.values.learn(&parsed(&entry.request));
            }
            learn_call(&mut person.values, &entry);
        }
    }
    // What a partner's events tell of its employees.
    let partners: BTreeSet<String> = person.keys.employees.iter().map(|(card, _)| card.clone()).collect();
    for id in own_ids(&person.keys).into_iter().chain(partners) {
        let of_key = db.prepare(format!("SELECT {EVENT_COLUMNS} FROM events WHERE key = ?1 ORDER BY id"));
        for told in of_key.all::<_, Vec<_>>([id], event)? {
            if person.is_own(&told) {
                person.values.learn(&parsed(&told.payload));
            }
            person.values.learn_about(&parsed(&told.payload));
            person.values.learn_about(&parsed(&told.detail));
        }
    }
    Ok(person)
}

/// Their ids as events, calls and links write them.
fn own_ids(keys: &Keys) -> BTreeSet<String> {
    let employees = keys.employees.iter().map(|(card, code)| format!("{card}:{code}"));
    keys.salesforce.iter().chain(&keys.partners).cloned().chain(employees).collect()
}

/// Events of that key that are about the person: of a CardCode those that B1 told of the partner, in the person's own company.
fn events_about(db: &Connection, id: &str, person: &Person) -> Result<Vec<i64>> {
    let companies = person.whom.companies(id);
    let by_id = person.keys.salesforce.contains(id) || !person.keys.partners.contains(id);
    let select = db.prepare(
        "SELECT id, topic, kind, dedup, unseal('events.payload', flow, topic, dedup, payload) FROM events WHERE key = ?1",
    );
    let rows = select.all::<_, Vec<_>>([id], |row| {
        Ok((row.get(0)?, [row.get::<String>(1)?, row.get(2)?, row.get(3)?, row.get(4)?]))
    })?;
    let mut about = Vec::new();
    for row in rows {
        let (event, [topic, kind, dedup, payload]) = row;
        let is_partner = kind == PARTNER || topic == PARTNER;
        let is_own = match topic.starts_with("b1.") {
            _ if by_id => true,
            true => {
                let in_company = |company: &&str| dedup.strip_prefix(company).is_some_and(|rest| rest.starts_with(':'));
                is_partner && (companies.is_empty() || companies.iter().any(in_company))
            }
            false => {
                let told = || serde_json::from_str::<Value>(&payload).unwrap_or_default();
                !topic.starts_with("salesforce.") && (is_partner || !is_number(id) || person.values.bears_key(&told()))
            }
        };
        if is_own {
            about.push(event);
        }
    }
    Ok(about)
}

/// See [`Protection::meant`].
fn meant(db: &Connection, record: &str, salesforce: Option<String>) -> Result<Vec<Whom>> {
    let written: BTreeSet<String> = [Some(record.to_owned()), salesforce.clone()].into_iter().flatten().collect();
    let mut found: Vec<Whom> = Vec::new();
    let told_of = |id: &str, what: &str| -> Result<bool> {
        let sql = format!("SELECT EXISTS (SELECT 1 FROM events WHERE key = ?1 AND ({what}))");
        db.prepare(&sql).one([id], |row| row.get(0))
    };
    for id in &written {
        let linked = links_of(db, id)?.iter().any(|link| link.salesforce_id == *id);
        if linked || told_of(id, "substr(topic, 1, 11) = 'salesforce.'")? {
            found.push(of_salesforce(db, &written)?);
            break;
        }
    }
    // `BusinessPartners('20000')` says which number it is.
    let named = record.strip_prefix("BusinessPartners('").and_then(|rest| rest.strip_suffix("')"));
    let code = named.unwrap_or(record);
    let b1 = links_of(db, code)?;
    let by_number = db.prepare(format!(
        "SELECT {} FROM links WHERE kind = '{CONTACT}' AND substr(b1_id, length(b1_id) - length(?1)) = ':' || ?1",
        runs::LINK_COLUMNS
    ));
    let employees: Vec<Link> = match named {
        None => by_number.all([code], runs::link)?,
        Some(_) => Vec::new(),
    };
    let linked = b1
        .iter()
        .filter(|link| link.b1_id == code && (link.kind == ACCOUNT || named.is_none() && link.kind == CONTACT));
    for link in linked.chain(&employees) {
        found.push(of_link(db, link)?);
    }
    let is_partner = !found.iter().any(|whom| whom.keys().partners.contains(code))
        && told_of(code, &format!("topic = '{PARTNER}' OR kind = '{PARTNER}'"))?;
    // What is linked with nothing is known by what is said of it.
    let unlinked = |kind, salesforce: Option<String>, b1: Option<String>| Whom {
        records: BTreeSet::from([KnownAs { kind, salesforce, b1, between: None }]),
    };
    if is_partner {
        found.push(unlinked(RecordKind::Account, None, Some(code.to_owned())));
    }
    if found.is_empty() {
        found.push(match (code.rsplit_once(':'), salesforce) {
            (Some(_), _) => unlinked(RecordKind::Contact, None, Some(code.to_owned())),
            (None, Some(id)) => unlinked(RecordKind::Record, Some(id), None),
            (None, None) if is_number(code) && named.is_none() => return Ok(Vec::new()),
            (None, None) => unlinked(RecordKind::Account, None, Some(code.to_owned())),
        });
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// The record with these ids of Salesforce, with all that it is linked with.
fn of_salesforce(db: &Connection, ids: &BTreeSet<String>) -> Result<Whom> {
    let mut whom = Whom::default();
    for id in ids {
        let own = KnownAs { kind: RecordKind::Record, salesforce: Some(id.clone()), b1: None, between: None };
        let links: Vec<Link> = links_of(db, id)?.into_iter().filter(|link| link.salesforce_id == *id).collect();
        match links.iter().filter(|link| kind_of(&link.kind) != RecordKind::Record).collect::<Vec<_>>().as_slice() {
            [] => {
                whom.records.insert(own);
            }
            of_people => {
                for link in of_people {
                    whom.records.extend(of_link(db, link)?.records);
                }
            }
        }
    }
    // An id as it is written in reports is that of the record, and no other one.
    let linked = whom.records.iter().any(|record| record.kind != RecordKind::Record);
    whom.records.retain(|record| !linked || record.kind != RecordKind::Record);
    Ok(whom)
}

/// The record of a link, with all that it is linked with: an account may be a partner of more than one company.
fn of_link(db: &Connection, link: &Link) -> Result<Whom> {
    let mut whom = Whom::default();
    let mut left = vec![link.clone()];
    while let Some(link) = left.pop() {
        let known = KnownAs {
            kind: kind_of(&link.kind),
            salesforce: Some(link.salesforce_id.clone()),
            b1: Some(link.b1_id.clone()),
            between: Some(link.scope.clone()),
        };
        if !whom.records.insert(known) {
            continue;
        }
        let is_same = |other: &Link| {
            let in_b1 = other.b1_id == link.b1_id && other.scope == link.scope;
            other.kind == link.kind && (in_b1 || other.salesforce_id == link.salesforce_id)
        };
        for id in [&link.salesforce_id, &link.b1_id] {
            left.extend(links_of(db, id)?.into_iter().filter(is_same));
        }
    }
    Ok(whom)
}

fn links_of(db: &Connection, id: &str) -> Result<Vec<Link>> {
    let sql = format!("SELECT {} FROM links WHERE b1_id = ?1 OR salesforce_id = ?1", runs::LINK_COLUMNS);
    db.prepare(&sql).all([id], runs::link)
}

/// What one page of rows gave: the last of them, what was found, and how many there were.
type Page<T> = (Option<Key>, Vec<T>, u64);

/// Calls of the next journals that may tell of the record.
fn learnt(db: &Connection, after: &Key, person: &Person) -> Result<Page<JournalEntry>> {
    let page = values::PACKED.page(db, after, JOURNALS)?;
    let (last, rows) = (page.last().map(|(key, _)| key.clone()), page.len() as u64);
    let mut found = Vec::new();
    for (_, packed) in page {
        let Sql::Blob(packed) = packed else { continue };
        let entries = packing::unpack(&packed)?.into_iter();
        found.extend(entries.filter(|entry| person.may_tell(&entry.request) || person.may_tell(&entry.response)));
    }
    Ok((last, found, rows))
}

/// The next journals in which something of the person is.
/// The second: others' calls name the person there.
fn runs_with(db: &Connection, after: &Key, person: &Person) -> Result<Page<(i64, bool)>> {
    let page = values::PACKED.page(db, after, JOURNALS)?;
    let (last, rows) = (page.last().map(|(key, _)| key.clone()), page.len() as u64);
    let mut found = Vec::new();
    for (key, packed) in page {
        let (Sql::Blob(packed), Some(Sql::Integer(run))) = (packed, key.first()) else { continue };
        let entries = packing::unpack(&packed)?;
        if entries.iter().any(|entry| person.call(entry, Calls::All).is_some()) {
            found.push((*run, entries.iter().any(|entry| person.call(entry, Calls::OfOthers).is_some())));
        }
    }
    Ok((last, found, rows))
}

fn events_after(db: &Connection, after: i64) -> Result<Vec<Event>> {
    let sql = format!("SELECT {EVENT_COLUMNS} FROM events WHERE id > ?1 ORDER BY id LIMIT {ROWS}");
    db.prepare(&sql).all([after], event)
}

/// Own ones that are finished and open, then those of others that name the person.
fn sort(person: &Person, events: &[Event]) -> [Vec<i64>; 4] {
    let mut sorted = [const { Vec::new() }; 4];
    for event in events {
        let finished = event.state as i64 > EventState::Review as i64;
        let own = person.is_own(event);
        let said = || [event.payload.as_str(), event.reason.as_deref().unwrap_or_default(), event.detail.as_str()];
        // Emptied before: nothing of it is left.
        let empty =
            !event.kept.is_whole() && event.payload == "{}" && !said().iter().any(|text| person.values.is_in(text));
        let place = match (own, finished) {
            (true, true) if empty => continue,
            (true, true) => 0,
            (true, false) => 1,
            (false, finished) if said().iter().any(|text| person.values.is_in(text)) => 2 + usize::from(!finished),
            (false, _) => continue,
        };
        sorted[place].push(event.id.0);
    }
    sorted
}

/// The smaller tables.
fn rest(db: &Connection, person: &Person, mut survey: Survey) -> Result<Survey> {
    each_row(db, values::BASES, |key, text| {
        let [Sql::Text(scope), Sql::Text(kind), Sql::Text(salesforce_id)] = key.as_slice() else { return Ok(()) };
        let link = db
            .prepare(format!(
                "SELECT {} FROM links WHERE scope = ?1 AND kind = ?2 AND salesforce_id = ?3",
                runs::LINK_COLUMNS
            ))
            .first([scope, kind, salesforce_id], runs::link)?;
        if link.is_some_and(|link| person.is_link(&link)) {
            survey.own_links.push(key.clone());
            survey.with_base += u64::from(stripped(kind, text, &person.values) != text);
        } else if person.values.is_in(text) {
            survey.named_links.push(key.clone());
        }
        Ok(())
    })?;
    each_row(db, values::STORAGE, |key, text| {
        if person.values.is_in(text) {
            survey.storage.push(key.clone());
        }
        Ok(())
    })?;
    each_row(db, values::ERRORS, |key, text| {
        if person.values.is_in(text) {
            survey.errors.push(key.clone());
        }
        Ok(())
    })?;
    each_row(db, values::NOTES, |key, text| {
        let Some(Sql::Integer(event)) = key.first() else { return Ok(()) };
        if person.events.contains(event) {
            survey.own_notes.push(key.clone());
        } else if person.values.is_in(text) {
            survey.notes.push(key.clone());
        }
        Ok(())
    })?;
    let own = own_ids(&person.keys);
    each_row(db, values::WAKES, |key, text| {
        let of: Option<String> = match key.first() {
            Some(Sql::Integer(id)) => {
                db.prepare("SELECT key FROM wakes WHERE id = ?1").first([id], |row| row.get(0))?
            }
            _ => None,
        };
        let (own, names) = (of.is_some_and(|of| own.contains(&of)), person.values.is_in(text));
        survey.wakes += u64::from(own || names);
        survey.naming_wakes += u64::from(names);
        Ok(())
    })?;
    let mut open = BTreeSet::new();
    for column in [values::REQUESTS, values::RESPONSES] {
        each_row(db, column, |key, text| {
            if person.values.is_in(text) || person.names(text) {
                open.extend(key.first().and_then(|run| if let Sql::Integer(run) = run { Some(*run) } else { None }));
            }
            Ok(())
        })?;
    }
    survey.open_runs = open.len() as u64;
    let views = db.prepare("SELECT name, by, query FROM views");
    for view in views.all::<_, Vec<_>>(NONE, |row| Ok((row.get(0)?, row.get(1)?, row.get::<String>(2)?)))? {
        let (name, by, query): (String, String, String) = view;
        let told = percent_encoding::percent_decode_str(&query.replace('+', " ")).decode_utf8_lossy().into_owned();
        if person.values.is_in(&told) || person.names(&told) || person.values.is_in(&name) {
            survey.views.push((name, by));
        }
    }
    let positions = db.prepare("SELECT position FROM positions");
    for position in positions.all::<_, Vec<String>>(NONE, |row| row.get(0))? {
        survey.positions += u64::from(person.values.is_in(&position));
    }
    let acts = db
        .prepare("SELECT id, at, who, act, what, coalesce(why, '') FROM acts WHERE act NOT LIKE 'audit.%' ORDER BY id");
    let texts = |row: &Row<'_>| Ok::<_, StoreError>([row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?]);
    for act in acts.all::<_, Vec<_>>(NONE, |row| Ok((row.get(0)?, row.get(1)?, texts(row)?)))? {
        let (id, at, [who, act, what, why]): (i64, Millis, [String; 4]) = act;
        let told = format!("{what} {why}");
        let tells = person.values.is_in(&what) || person.values.is_in(&why);
        if tells || person.names(&told) {
            let says = format!("{} {who}: {act} {told}", crate::time::iso(at));
            survey.acts.push(NamedAct { id, says, tells });
        }
    }
    Ok(survey)
}

fn each_row(db: &Connection, column: Column, mut look: impl FnMut(&Key, &str) -> Result<()>) -> Result<()> {
    let mut after = column.start();
    loop {
        let page = column.page(db, &after, ROWS)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = last.clone();
        for (key, value) in &page {
            if let Some(text) = text_of(value) {
                look(key, text)?;
            }
        }
    }
}

/// Leaves of a finished event what names nobody: of an own one its ids and what became of it.
fn empty(db: &Connection, id: i64, person: &Person, keys: &Sealing) -> Result<()> {
    let found =
        db.prepare(format!("SELECT {EVENT_COLUMNS} FROM events WHERE id = ?1 AND state > 3")).first([id], event)?;
    let Some(found) = found else { return Ok(()) };
    let hidden = |text: &str| person.values.without(text).unwrap_or_else(|| text.to_owned());
    let (payload, reason, detail) = match person.is_own(&found) {
        true => (
            "{}".to_owned(),
            found.reason.as_deref().map(|reason| person.values.hidden_in_own(reason)),
            person.detail(&found),
        ),
        false => (
            hidden(&found.payload),
            found.reason.as_deref().map(hidden),
            (!found.detail.is_empty()).then(|| hidden(&found.detail)),
        ),
    };
    let key: Key = vec![Sql::Integer(id)];
    let as_value = |text: Option<String>| text.map_or(Sql::Null, Sql::Text);
    values::PAYLOADS.put(db, &key, Sql::Text(payload))?;
    values::REASONS.put(db, &key, as_value(reason))?;
    values::DETAILS.put(db, &key, as_value(detail))?;
    if person.is_own(&found) {
        let runs: Vec<i64> = db.prepare("SELECT run FROM run_events WHERE event = ?1").all([id], |row| row.get(0))?;
        for run in runs {
            shorten_error(db, run, &person.values)?;
        }
    }
    // A choice may be a candidate's name.
    let answer = found.resolution.as_deref().map(|answer| person.values.hidden_in_own(answer));
    db.prepare("UPDATE events SET kept = ?2, choices = NULL, resolution = ?3 WHERE id = ?1").execute(params![
        id,
        Kept::Forgotten as i64,
        answer
    ])?;
    db.prepare("UPDATE run_events SET answer = ?2 WHERE event = ?1 AND answer IS NOT NULL")
        .execute(params![id, answer])?;
    search::keep_words_of(db, id, &BTreeMap::new(), keys)
}

/// Takes values out of the words by which a run failed that was about them.
pub(super) fn shorten_error(db: &Connection, run: i64, values: &Values) -> Result<()> {
    let key: Key = vec![Sql::Integer(run)];
    if let Some(Sql::Text(error)) = values::ERRORS.get(db, &key)? {
        let shorter = values.hidden_in_own(&error);
        if shorter != error {
            values::ERRORS.put(db, &key, Sql::Text(shorter))?;
        }
    }
    Ok(())
}

/// Takes the person out of a run's journal.
fn clean(db: &Connection, run: i64, person: &Person, calls: Calls) -> Result<()> {
    let Some(Sql::Blob(packed)) = values::PACKED.get(db, &vec![Sql::Integer(run)])? else { return Ok(()) };
    let mut changed = false;
    let entries: Vec<JournalEntry> = packing::unpack(&packed)?
        .into_iter()
        .map(|entry| match person.call(&entry, calls) {
            Some(other) => {
                changed = true;
                other
            }
            None => entry,
        })
        .collect();
    if changed {
        replace_journal(db, run, Some(&packing::packed(&entries)?), Kept::Forgotten)?;
    }
    Ok(())
}

#[async_trait]
impl<B: Base> Protection for SqlStore<B> {
    async fn dossier(&self, whom: Whom, told: Progress) -> Result<Dossier> {
        let (person, survey) = self.survey(whom, &told).await?;
        let gather = move |db: &Connection| {
            let mut dossier = Dossier { whom: person.whom.clone(), ..Dossier::default() };
            for id in &own_ids(&person.keys) {
                dossier.links.extend(links_of(db, id)?.into_iter().filter(|link| person.is_link(link)));
                let calls = packing::about(db, id, u32::MAX)?.into_iter().rev();
                let calls = calls.filter(|(_, entry)| person.is_about(entry));
                dossier.calls.extend(calls.map(|(run, entry)| CallOf { run, entry }));
            }
            let sql = format!("SELECT {EVENT_COLUMNS} FROM events WHERE id = ?1");
            for id in &person.events {
                dossier.events.extend(db.prepare(&sql).first([id], event)?);
            }
            let mut known = BTreeSet::new();
            dossier.links.retain(|link| {
                known.insert((link.scope.clone(), link.kind.clone(), link.b1_id.clone(), link.salesforce_id.clone()))
            });
            dossier.events.sort_by_key(|event| event.id);
            dossier.calls.sort_by_key(|call| (call.run, call.entry.seq, call.entry.item));
            for key in survey.notes.iter().chain(&survey.own_notes) {
                if let (Some(Sql::Integer(event)), Some(Sql::Text(note))) = (key.first(), values::NOTES.get(db, key)?) {
                    dossier.notes.insert(*event, note);
                }
            }
            for key in &survey.storage {
                if let ([Sql::Text(flow), Sql::Text(own)], Some(Sql::Text(value))) =
                    (key.as_slice(), values::STORAGE.get(db, key)?)
                {
                    dossier.storage.push(Stored { flow: flow.clone(), key: own.clone(), value });
                }
            }
            let events = survey.named_events.iter().chain(&survey.open_named);
            dossier.named_in = events.map(|id| EventId(*id)).collect();
            let about: BTreeSet<RunId> = dossier.calls.iter().map(|call| call.run).collect();
            let others = survey.runs.iter().map(|run| RunId(*run)).filter(|run| !about.contains(run));
            dossier.named_in_runs = others.collect();
            dossier.acts = survey.acts.into_iter().map(|act| act.says).collect();
            Ok(dossier)
        };
        self.read(gather).await
    }

    async fn meant(&self, record: &str, salesforce: Option<String>) -> Result<Vec<Whom>> {
        let record = record.to_owned();
        self.read(move |db| meant(db, &record, salesforce)).await
    }

    async fn forget(&self, whom: Whom, how: Forget, told: Progress) -> Result<Forgotten> {
        let (person, mut survey) = self.survey(whom, &told).await?;
        let mut kept_back = 0;
        let calls = if survey.is_named_in_unfinished() {
            let named = std::mem::take(&mut survey.named_runs);
            kept_back = (survey.own_events.len() + survey.runs.len() - named.len()) as u64 + survey.with_base;
            survey.runs = named;
            survey.own_events.clear();
            survey.with_base = 0;
            Calls::OfOthers
        } else {
            Calls::All
        };
        let mut forgotten = Forgotten {
            events: survey.own_events.len() as u64,
            named_in: survey.named_events.len() as u64,
            errors: survey.errors.len() as u64,
            journals: survey.runs.len() as u64,
            links: survey.with_base,
            named_in_links: survey.named_links.len() as u64,
            storage: survey.storage.len() as u64,
            notes: (survey.notes.len() + survey.own_notes.len()) as u64,
            views: survey.views.len() as u64,
            acts: survey.acts.iter().filter(|act| act.tells).count() as u64,
            values: person.values.count() as u64,
            stays: Stays {
                open_events: survey.open_events,
                open_named_in: survey.open_named,
                open_runs: survey.open_runs,
                wakes: survey.wakes,
                links: survey.own_links.len() as u64,
                acts: survey.acts.iter().filter(|act| !act.tells).count() as u64,
                positions: survey.positions,
                kept_back,
            },
            wiped: false,
        };
        if how == Forget::Rehearse {
            return Ok(forgotten);
        }
        self.base.overwrite().await?;
        let person = Arc::new(person);
        // The record's own data last: by it the person is found elsewhere, should this be broken off.
        let own = person.clone();
        self.each(survey.runs, move |db, run| clean(db, *run, &own, calls)).await?;
        let (own, keys) = (person.clone(), self.keys.clone());
        self.each(survey.named_events, move |db, id| empty(db, *id, &own, &keys)).await?;
        let own = person.clone();
        let never_told = move |db: &Connection, key: &Key| {
            let base = values::BASES.get(db, key)?;
            if let Some(other) = base.as_ref().and_then(text_of).and_then(|base| own.values.as_if_never_told(base)) {
                values::BASES.put(db, key, Sql::Text(other))?;
            }
            Ok(())
        };
        self.each(survey.named_links, never_told).await?;
        self.hide(values::STORAGE, survey.storage, person.clone()).await?;
        self.hide(values::NOTES, survey.notes, person.clone()).await?;
        self.hide(values::ERRORS, survey.errors, person.clone()).await?;
        let own = person.clone();
        let mask =
            move |db: &Connection, id: &i64| trail::mask(db, *id, "tandem forget", |text| own.values.is_in(text));
        let telling = survey.acts.iter().filter(|act| act.tells).map(|act| act.id);
        self.each(telling.collect(), mask).await?;
        let remove = |db: &Connection, (name, by): &(String, String)| {
            db.prepare("DELETE FROM views WHERE name = ?1 AND by = ?2").execute([name, by])?;
            Ok(())
        };
        self.each(survey.views, remove).await?;
        let remove = |db: &Connection, key: &Key| {
            db.prepare("DELETE FROM notes WHERE event = ?1").execute(key)?;
            Ok(())
        };
        self.each(survey.own_notes, remove).await?;
        let (own, keys) = (person.clone(), self.keys.clone());
        self.each(survey.own_events, move |db, id| empty(db, *id, &own, &keys)).await?;
        let own = person.clone();
        let strip = move |db: &Connection, key: &Key| {
            let [_, Sql::Text(kind), _] = key.as_slice() else { return Ok(()) };
            if let Some(Sql::Text(base)) = values::BASES.get(db, key)? {
                values::BASES.put(db, key, Sql::Text(stripped(kind, &base, &own.values)))?;
            }
            Ok(())
        };
        if calls == Calls::All {
            self.each(survey.own_links, strip).await?;
        }
        forgotten.wiped = self.base.wipe().await?;
        Ok(forgotten)
    }

    async fn pseudonym(&self, id: &str) -> Result<String> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.secret(SECRET).await?);
        Ok(Hashing(key).text(id))
    }

    async fn seals(&self) -> Result<Seals> {
        let keys = self.keys.clone();
        self.read(move |db| resealing::seals(db, &keys)).await
    }

    async fn reseal(&self, told: Progress) -> Result<Resealed> {
        self.reseal_all(told).await
    }

    fn key_refused(&self) -> Option<String> {
        self.keys.refused()
    }
}

#[cfg(test)]
mod tests {
    use super::{stripped, without_texts};
    use crate::personal::Values;

    #[test]
    fn a_base_without_texts_still_says_what_stands_where() {
        let base = r#"{"Name":"Anna","rows":[{"line":1,"entry":7,"id":"00k1","text":"x"}],"limit":5.0}"#;
        assert_eq!(without_texts(base), r#"{"rows":[{"line":1,"entry":7,"id":"00k1"}],"limit":5.0}"#);
        assert_eq!(without_texts("no json"), "{}");
    }

    #[test]
    fn an_orders_base_keeps_all_but_what_tells_of_somebody() {
        let base = r#"{"doc_num":"7","status":"open","header":{"Address":"Rosenweg 3","NumAtCard":"PO 1"},"lines":[{"id":"00k1","num":0,"fields":{"ItemCode":"A1"}}]}"#;
        let left = r#"{"doc_num":"7","status":"open","header":{"NumAtCard":"PO 1"},"lines":[{"id":"00k1","num":0,"fields":{"ItemCode":"A1"}}]}"#;
        assert_eq!(stripped("order", base, &Values::default()), left);
    }
}
