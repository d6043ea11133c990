//! Changes in SAP Business One: by polling everywhere ([`poll`]), and at once by B1's own webhooks where its version has
//! them ([`webhook`]). Both run together: an event only says *look at this record*: a record that is in step already costs no write,
//! however often it is told.

pub mod list;
pub mod poll;
mod watch;
pub mod webhook;

use serde_json::{Map, Value};

pub use self::watch::{How, WATCHES, Watch, watched};
use super::Route;
use crate::store::NewEvent;

/// A record that changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    /// The topic without `b1.`, such as `Orders` or `ItemStock`.
    pub topic: &'static str,
    /// Key properties by name.
    pub keys: Map<String, Value>,
    /// Tells this change from an earlier one of the same record.
    pub version: String,
    /// The record is gone.
    pub deleted: bool,
}

impl Changed {
    /// The ordering key: master data by its code, documents as OData writes them, such as `Orders(12)`. A number of one
    /// entity set may be one of another, too.
    pub fn key(&self) -> String {
        let mut texts = self.keys.values().map(text_of);
        match (self.keys.len(), self.keys.contains_key("DocEntry")) {
            (1, false) => texts.next().unwrap_or_default(),
            (1, true) => format!("{}({})", self.topic, texts.next().unwrap_or_default()),
            _ => texts.collect::<Vec<_>>().join(","),
        }
    }

    /// The entity set whose key it is, such as `b1.Items` for `ItemPrices`.
    pub fn kind(&self) -> String {
        let watch = WATCHES.iter().find(|watch| watch.topic == self.topic);
        format!("b1.{}", watch.map_or(self.topic, |watch| watch.set))
    }

    /// One event for each flow that takes it.
    pub fn route(&self, routes: &[Route], connection: &str) -> Vec<NewEvent> {
        let topic = format!("b1.{}", self.topic);
        let mut payload = self.keys.clone();
        if self.deleted {
            payload.insert("deleted".into(), true.into());
        }
        let payload = Value::Object(payload).to_string();
        let (key, trace) = (self.key(), crate::time::fresh_trace());
        routes
            .iter()
            .filter(|route| route.takes(connection, &topic))
            .map(|route| NewEvent {
                kind: self.kind(),
                flow: route.flow.clone(),
                topic: topic.clone(),
                key: key.clone(),
                dedup: format!("{connection}:{key}@{}", self.version),
                payload: payload.clone(),
                trace: trace.clone(),
                haste: route.haste,
                held: None,
            })
            .collect()
    }
}

/// A key property as text: `C00001`, `12`.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
