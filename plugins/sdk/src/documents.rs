//! Events about documents: which ones, and whom they were told for.

use std::collections::BTreeMap;

use crate::b1::{self, Read};
use crate::{Batch, Error, Outcomes, Value};

/// Events' places by entity set and `DocEntry`.
pub struct Documents<'a>(BTreeMap<&'a str, BTreeMap<i64, Vec<usize>>>);

/// A document as B1 has it.
pub struct Document {
    /// The properties asked for.
    pub row: Value,
    /// Places of its events.
    pub events: Vec<usize>,
}

impl<'a> Documents<'a> {
    /// The documents that open events of topics `b1.<set>` are about.
    pub fn told(batch: &Batch, outcomes: &Outcomes, sets: &[&'a str]) -> Self {
        let mut told: BTreeMap<&str, BTreeMap<i64, Vec<usize>>> = BTreeMap::new();
        for (place, event, payload) in outcomes.open(batch) {
            let set = sets.iter().find(|set| event.topic.strip_prefix("b1.") == Some(**set));
            if let (Some(set), Some(entry)) = (set, payload["DocEntry"].as_i64()) {
                told.entry(set).or_default().entry(entry).or_default().push(place);
            }
        }
        Self(told)
    }

    /// Places of all their events.
    pub fn events(&self) -> Vec<usize> {
        self.0.values().flat_map(BTreeMap::values).flatten().copied().collect()
    }

    /// Reads them, in as few requests as fit. One that is gone is not among the answers.
    pub fn read(&self, select: &str) -> Result<Vec<Document>, Error> {
        let reads: Vec<Read<'_>> = self
            .0
            .iter()
            .map(|(set, entries)| {
                let entries: Vec<i64> = entries.keys().copied().collect();
                Read::numbers(set, "DocEntry", &entries, select)
            })
            .collect();
        let mut documents = Vec::new();
        for ((_, entries), rows) in self.0.iter().zip(b1::read_all(&reads)?) {
            for row in rows {
                let events = row["DocEntry"].as_i64().and_then(|entry| entries.get(&entry)).cloned();
                documents.push(Document { row, events: events.unwrap_or_default() });
            }
        }
        Ok(documents)
    }
}
