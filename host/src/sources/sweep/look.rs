//! One page of an object's records, and which of them are to be told. Of each record that was read, its stamp and a digest of its watched values are kept. It is told when the values differ, and also when they
//! do not and somebody else than this host changed it: in between they may have been others, which this host wrote. An event that
//! tells of a record takes away what is kept of it, since what flows made of it is not known here.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Notify;

use super::place::Place;
use super::watched::{self, Taken, Watched};
use crate::connections::salesforce::full_id;
use crate::connections::{CallError, Connection};
use crate::sources::failed::Failed;
use crate::sources::{Routes, change};
use crate::store::{Inbox, Millis, NewEvent, Sighting};

/// Bytes of one answer.
pub(super) const READ_LIMIT: u64 = 64 << 20;
const DELETED: &str = "deleted";
const BARE: &str = "bare";

/// What one page amounts to.
pub(super) struct Page {
    pub events: Vec<NewEvent>,
    /// To be stored with the events.
    pub seen: (String, Vec<Sighting>),
    /// Where to read on; none at the end.
    pub next: Option<Place>,
}

/// One org, as it is read.
#[derive(Clone)]
pub struct Reader {
    /// Connection name.
    pub name: String,
    /// The org.
    pub connection: Arc<Connection>,
    /// Who takes what is found.
    pub routes: Routes,
    /// Where events go.
    pub inbox: Arc<Inbox>,
    /// Rung where questions may have been answered that nobody told of.
    pub answered: Arc<Notify>,
}

impl Reader {
    /// By the org's clock.
    pub(super) fn now(&self) -> Millis {
        self.connection.clock().now()
    }

    /// What is watched of those objects that `wanted` says: they, and what is told in their place.
    pub(super) async fn watched(&self, wanted: impl Fn(&str) -> bool) -> Result<Vec<Watched>, CallError> {
        let taken = Taken::from(&self.routes.now(), &self.name);
        watched::read(&self.connection, &taken, wanted).await
    }

    /// Reads on from a place. Nothing is stored yet.
    pub(super) async fn page(&self, watched: &Watched, place: &Place) -> Result<Page, Failed> {
        let org = self.connection.org()?;
        let user = full_id(&org.token().await?.user_id).unwrap_or_default();
        let columns: Vec<&str> = ["Id", "SystemModstamp", "IsDeleted", "LastModifiedById", "LastModifiedDate"]
            .into_iter()
            .chain(watched.parent.iter().map(|(field, _)| field.as_str()))
            .chain(watched.fields.iter().map(String::as_str))
            .collect();
        let rows = org.query_with_deleted(&place.query(&watched.object, &columns), READ_LIMIT).await?;
        let next = place.behind(&rows);
        let rows: Vec<Row> = rows.iter().filter_map(|row| Row::read(watched, row, &user)).collect();
        let keys: Vec<String> = rows.iter().flat_map(Row::keys).collect();
        let source = source(&self.name);
        let before = self.inbox.store().seen(&source, keys.clone()).await?;
        let before: HashMap<String, String> =
            keys.into_iter().zip(before).filter_map(|(key, digest)| Some((key, digest?))).collect();
        let changed: Vec<Row> = rows.into_iter().filter(|row| row.differs(&before)).collect();
        let mut told = HashSet::new();
        let fresh = changed.iter().filter(|row| told.insert(row.told.clone()));
        let events = fresh.filter_map(|row| self.events(watched, row)).flatten().collect();
        let seen = changed.iter().flat_map(Row::sightings).collect();
        Ok(Page { events, seen: (source, seen), next })
    }

    fn events(&self, watched: &Watched, row: &Row) -> Option<Vec<NewEvent>> {
        let own = watched.parent.is_none();
        let object = watched.told();
        let operation = if own && row.digest == DELETED { "DELETE" } else { "UPDATE" };
        let payload =
            json!({ "Record_Id__c": row.told, "Object__c": object, "Operation__c": operation, "found": true });
        // The same state of the same record is the same telling, whoever finds it.
        let dedup = format!("found:{}:{}", row.id, row.stamp);
        let change = change::read(&payload, &dedup, &crate::time::fresh_trace()).ok()?;
        Some(change::route(&self.routes.now(), &self.name, &change))
    }
}

/// One record as read.
struct Row {
    id: String,
    stamp: String,
    /// The record that is told: itself or its parent.
    told: String,
    digest: String,
    /// Changed last by this host's user.
    own: bool,
}

impl Row {
    /// `None` for a row that names no record, or a line of none.
    fn read(watched: &Watched, row: &Value, user: &str) -> Option<Self> {
        let text = |name: &str| row[name].as_str().map(str::to_owned);
        let id = text("Id")?;
        let told = match &watched.parent {
            Some((field, _)) => text(field)?,
            None => id.clone(),
        };
        let stamp = text("SystemModstamp")?;
        let values: Vec<&Value> = watched.fields.iter().map(|field| &row[field.as_str()]).collect();
        let is_bare = values.iter().all(|value| value.is_null() || **value == false);
        let digest = match (row["IsDeleted"] == true, watched.fields.is_empty()) {
            (true, _) if !is_bare || watched.fields.is_empty() => DELETED.to_owned(),
            (_, true) => stamp.clone(),
            _ if is_bare => BARE.to_owned(),
            _ => digest(&json!([told, values])),
        };
        // What the system changed later leaves the name, and moves the stamp alone.
        let own = row["LastModifiedById"] == user && row["LastModifiedDate"] == stamp.as_str();
        Some(Self { id, stamp, told, digest, own })
    }

    /// By what it is known again. That of a line also by whether its parent was told of by an event meanwhile.
    fn keys(&self) -> Vec<String> {
        if self.told == self.id { vec![self.id.clone()] } else { vec![self.id.clone(), below(&self.told)] }
    }

    fn differs(&self, before: &HashMap<String, String>) -> bool {
        match before.get(&self.id) {
            // Without a watched value, and never with one: nobody's business.
            None => self.digest != BARE,
            Some(_) if self.keys().iter().any(|key| !before.contains_key(key)) => true,
            Some(seen) if *seen == self.seen() => false,
            Some(seen) => !self.own || seen.split(' ').next() != Some(&self.digest),
        }
    }

    fn seen(&self) -> String {
        format!("{} {}", self.digest, self.stamp)
    }

    fn sightings(&self) -> Vec<Sighting> {
        self.keys().into_iter().map(|key| Sighting { key, digest: Some(self.seen()) }).collect()
    }
}

fn source(connection: &str) -> String {
    format!("found:{connection}")
}

fn below(parent: &str) -> String {
    format!("below:{parent}")
}

/// 64 bits of a record's watched values.
fn digest(values: &Value) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, values.to_string().as_bytes());
    digest.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is to be stored with events that tell of records: how these were seen last says nothing any more.
pub fn forget(connection: &str, events: &[NewEvent]) -> Option<(String, Vec<Sighting>)> {
    let keys = events.iter().flat_map(|event| [event.key.clone(), below(&event.key)]);
    let forgotten: Vec<Sighting> = keys.map(|key| Sighting { key, digest: None }).collect();
    (!forgotten.is_empty()).then(|| (source(connection), forgotten))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contacts() -> Watched {
        Watched { object: "Contact".into(), fields: vec!["Email".into(), "Phone".into()], parent: None }
    }

    fn lines() -> Watched {
        let parent = Some(("OpportunityId".into(), "Opportunity".into()));
        Watched { object: "OpportunityLineItem".into(), fields: vec!["Quantity".into()], parent }
    }

    fn row(watched: &Watched, mut values: Value) -> Row {
        values["Id"] = "1".into();
        if values["SystemModstamp"].is_null() {
            values["SystemModstamp"] = "2026-01-01T00:00:00.000+0000".into();
        }
        Row::read(watched, &values, "host").unwrap()
    }

    /// Looked at one after the other; which are told.
    fn told(watched: &Watched, seen: &mut HashMap<String, String>, states: &[Value]) -> Vec<bool> {
        let look = |values: &Value| {
            let row = row(watched, values.clone());
            let differs = row.differs(seen);
            if differs {
                seen.extend(row.sightings().into_iter().filter_map(|own| Some((own.key, own.digest?))));
            }
            differs
        };
        states.iter().map(look).collect()
    }

    #[test]
    fn a_record_is_told_when_a_watched_value_differs_and_when_it_goes() {
        let (mail, other) = (json!({ "Email": "a@b" }), json!({ "Email": "c@d", "Phone": null }));
        let gone = json!({ "Email": "c@d", "IsDeleted": true });
        let none = json!({ "Email": null });
        let states = [mail.clone(), mail.clone(), other, none.clone(), none.clone(), mail, gone.clone(), gone];
        let expected = [true, false, true, true, false, true, true, false];
        assert_eq!(told(&contacts(), &mut HashMap::new(), &states), expected);
        let bare = [none, json!({ "IsDeleted": true })];
        assert_eq!(told(&contacts(), &mut HashMap::new(), &bare), [false, false], "never with a watched value");
    }

    #[test]
    fn what_is_as_it_was_seen_is_told_where_another_than_the_host_changed_it_since() {
        let at = |stamp: &str, named: &str, user: &str| json!({ "Email": "a@b", "SystemModstamp": stamp, "LastModifiedDate": named, "LastModifiedById": user });
        // The host may have written another value between the two, and the person, or the system, have taken it back.
        let states = [
            at("1", "1", "host"),
            at("2", "2", "host"),
            at("3", "3", "person"),
            at("3", "3", "person"),
            at("4", "4", "host"),
            at("5", "4", "host"),
        ];
        assert_eq!(told(&contacts(), &mut HashMap::new(), &states), [true, false, true, false, false, true]);
    }

    #[test]
    fn what_an_event_told_of_meanwhile_is_told_again_whatever_was_seen_before() {
        let event = |key: &str| {
            let payload = json!({ "Object__c": "Opportunity", "Record_Id__c": key });
            let route = crate::sources::Route {
                flow: "orders".into(),
                connections: vec!["crm".into()],
                topics: None,
                haste: crate::store::Haste::AtOnce,
            };
            change::route(&[route], "crm", &change::read(&payload, "d", "t").unwrap())
        };
        let parent = "006D000000IRFmaIAH";
        let line = json!({ "OpportunityId": parent, "Quantity": 2.0 });
        let mut seen = HashMap::new();
        assert_eq!(told(&lines(), &mut seen, &[line.clone(), line.clone()]), [true, false]);
        for own in forget("crm", &event(parent)).unwrap().1 {
            seen.remove(&own.key);
        }
        assert_eq!(told(&lines(), &mut seen, &[line.clone(), line]), [true, false]);
    }
}
