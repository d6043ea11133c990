//! Everything that is there already, as events of one flow: for a first load, or to bring in step what a fault left behind.
//! Goes through the records by key and keeps its place, so that one that was broken off goes on where it stopped.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::b1::list::{self, patiently};
use super::b1::{Changed, How, WATCHES, Watch};
use crate::config::Config;
use crate::connections::{Connection, Connections};
use crate::store::{Haste, Intake, Lane, NewEvent, Store};

pub use super::b1::list::LookError;

/// Ids of one query.
const IDS: usize = 2_000;
/// A page's bytes at most.
const PAGE_BYTES: u64 = 16 << 20;

/// One kind of record to go through.
#[derive(Clone)]
pub struct Topic {
    /// `b1.Items`, `salesforce.Account`
    pub name: String,
    connection_name: String,
    connection: Arc<Connection>,
    kind: Kind,
    /// Only records that changed since this day.
    since: Option<String>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    B1(Watch),
    Salesforce,
}

/// Why a topic cannot be gone through.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TopicError(String);

/// Where a backfill stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// Part of the dedup ids: a backfill that goes on makes no event twice.
    pub id: String,
    /// Topics done.
    pub topics: usize,
    /// The last key of the topic under way.
    pub last: Option<Map<String, Value>>,
    /// Records gone through.
    pub records: u64,
    /// What it goes through: kinds of records, of which systems, since which day. It goes on only through the same.
    #[serde(default)]
    pub of: Vec<String>,
}

/// Where the place of a flow's backfill is kept.
pub fn source(flow: &str) -> String {
    format!("backfill:{flow}")
}

impl Topic {
    /// From the plugin's word for it.
    pub fn new(
        name: &str,
        flow_connections: &std::collections::BTreeMap<String, String>,
        connections: &Connections,
        since: Option<&str>,
    ) -> Result<Self, TopicError> {
        let bound = |kind: &str| {
            let own = flow_connections.values().find_map(|name| {
                let connection = connections.get(name).filter(|connection| connection.kind() == kind)?;
                Some((name.clone(), connection.clone()))
            });
            own.ok_or_else(|| TopicError(format!("{name}: the flow has no {kind} connection")))
        };
        let (kind, (connection_name, connection)) = if let Some(topic) = name.strip_prefix("b1.") {
            let watch = WATCHES.into_iter().find(|watch| watch.topic == topic && is_whole(watch));
            let watch = watch.ok_or_else(|| TopicError(format!("{name}: no such kind of record in B1")))?;
            (Kind::B1(watch), bound("b1")?)
        } else {
            (Kind::Salesforce, bound("salesforce")?)
        };
        Ok(Self { name: name.to_owned(), connection_name, connection, kind, since: since.map(str::to_owned) })
    }

    /// What it goes through, so that a place is not taken for one among other records.
    pub fn through(&self, config: &Config) -> String {
        let name = &self.connection_name;
        let system = match (config.b1.get(name), config.salesforce.get(name)) {
            (Some(b1), _) => format!("{} {}", b1.url, b1.company),
            (None, Some(org)) => org.login_url.clone(),
            (None, None) => String::new(),
        };
        format!("{} of {name} at {system} since {}", self.name, self.since.as_deref().unwrap_or("ever"))
    }

    fn filter(&self) -> String {
        match (&self.since, self.kind) {
            (Some(day), Kind::B1(Watch { how: How::Stamped, .. })) => format!("UpdateDate ge '{day}'"),
            (Some(day), Kind::B1(Watch { how: How::Appended, .. })) => format!("DocDate ge '{day}'"),
            (Some(day), Kind::Salesforce) => format!("SystemModstamp >= {day}T00:00:00Z"),
            _ => String::new(),
        }
    }

    fn object(&self) -> &str {
        self.name.trim_start_matches("salesforce.")
    }

    /// How many records there are.
    pub async fn count(&self) -> Result<u64, LookError> {
        patiently(|| self.count_once()).await
    }

    async fn count_once(&self) -> Result<u64, LookError> {
        match self.kind {
            Kind::B1(watch) => list::count(&self.connection, &watch, &self.filter()).await,
            Kind::Salesforce => {
                let filter = self.filter();
                let and = if filter.is_empty() { String::new() } else { format!(" WHERE {filter}") };
                let rows = self.query(&format!("SELECT COUNT(Id) total FROM {}{and}", self.object())).await?;
                rows.first()
                    .and_then(|row| row["total"].as_u64())
                    .ok_or_else(|| LookError::Answer(format!("{} gave no count", self.object())))
            }
        }
    }

    /// The next records behind a key: their keys.
    pub async fn page(&self, last: Option<&Map<String, Value>>) -> Result<Vec<Map<String, Value>>, LookError> {
        patiently(|| self.page_once(last)).await
    }

    async fn page_once(&self, last: Option<&Map<String, Value>>) -> Result<Vec<Map<String, Value>>, LookError> {
        match self.kind {
            Kind::B1(watch) => {
                let rows = list::page(&self.connection, &watch, &watch.keys.join(","), &self.filter(), last).await?;
                rows.iter().map(|row| list::keys_of(&watch, row)).collect()
            }
            Kind::Salesforce => {
                let mut conditions: Vec<String> = Vec::new();
                conditions.extend(Some(self.filter()).filter(|filter| !filter.is_empty()));
                conditions.extend(last.and_then(|last| last["Id"].as_str()).map(|id| format!("Id > '{id}'")));
                let and =
                    if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
                let soql = format!("SELECT Id FROM {}{and} ORDER BY Id LIMIT {IDS}", self.object());
                let rows = self.query(&soql).await?;
                Ok(rows.iter().map(|row| Map::from_iter([("Id".to_owned(), row["Id"].clone())])).collect())
            }
        }
    }

    async fn query(&self, soql: &str) -> Result<Vec<Value>, LookError> {
        Ok(self.connection.org()?.query(soql, PAGE_BYTES).await?)
    }

    /// The event of one record.
    pub fn event(&self, flow: &str, id: &str, keys: &Map<String, Value>) -> NewEvent {
        let (key, kind, payload) = match self.kind {
            Kind::B1(watch) => {
                let changed =
                    Changed { topic: watch.topic, keys: keys.clone(), version: String::new(), deleted: false };
                let mut payload = keys.clone();
                payload.insert("backfill".into(), true.into());
                (changed.key(), changed.kind(), Value::Object(payload))
            }
            Kind::Salesforce => {
                let id = keys["Id"].as_str().unwrap_or_default().to_owned();
                let payload = json!({ "Record_Id__c": id, "Object__c": self.object(), "backfill": true });
                (id, self.name.clone(), payload)
            }
        };
        NewEvent {
            kind,
            flow: flow.to_owned(),
            topic: self.name.clone(),
            dedup: format!("backfill:{id}:{}:{key}", self.connection_name),
            key,
            payload: payload.to_string(),
            trace: crate::time::fresh_trace(),
            haste: Haste::AtOnce,
            held: None,
        }
    }
}

/// A watch that shows all records, and not only some.
fn is_whole(watch: &Watch) -> bool {
    !matches!(watch.how, How::Scanned { filter, .. } if !filter.is_empty())
}

/// Takes in one page of events and the new place; `None` when all topics are done.
pub async fn step(store: &dyn Store, flow: &str, topics: &[Topic], place: &Place) -> Result<Option<Place>, LookError> {
    let Some(topic) = topics.get(place.topics) else { return Ok(None) };
    let page = topic.page(place.last.as_ref()).await?;
    let mut next = place.clone();
    match page.last() {
        Some(last) => {
            next.last = Some(last.clone());
            next.records += page.len() as u64;
        }
        None => {
            next.topics += 1;
            next.last = None;
        }
    }
    let events = page.iter().map(|keys| topic.event(flow, &place.id, keys)).collect();
    let position = serde_json::to_string(&next).map_err(|e| LookError::Answer(e.to_string()))?;
    let position = Some((source(flow), position));
    store.append(Intake { events, position, lane: Lane::Backfill, ..Intake::default() }).await?;
    Ok(Some(next))
}
