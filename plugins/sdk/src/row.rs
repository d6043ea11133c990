//! A record of Salesforce as it should be, and whose it is: what [`crate::mirror::write`] brings in step.

use std::collections::BTreeMap;

use crate::{Map, Probe, Value};

/// What to do when a row's record is not there (any more).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Missing {
    /// The record is the flow's own: it is made, and made again.
    Make,
    /// It is somebody else's (an account, an opportunity, a product of another flow): that it is gone is told, and nothing made.
    Tell,
    /// The row only switches off what stands: nothing stands.
    Leave,
}

/// A record as Salesforce should have it.
#[derive(Clone)]
pub struct Row {
    /// Kind of the link, such as `product`.
    pub kind: &'static str,
    /// B1's key, as the link has it.
    pub b1_id: String,
    /// sObject type.
    pub object: &'static str,
    /// External id field and value: makes creating safe to repeat.
    pub external: Option<(&'static str, String)>,
    /// For objects without an external id: finds what a create would have made.
    pub probe: Option<Probe>,
    /// Fields that are never changed once the record exists.
    pub on_create: Map<String, Value>,
    /// What Salesforce should have.
    pub fields: Map<String, Value>,
    /// A date-time field that gets the time of each write.
    pub stamp: Option<&'static str>,
    /// Its fields mean something only together: none is left out when it is refused.
    pub whole: bool,
    /// A lookup without which the record is still worth showing: left empty while the record it names is gone or not to be seen.
    pub attached: Option<&'static str>,
    /// Whose record it is.
    pub missing: Missing,
    /// The record of somebody else that it is shown on.
    pub shown_on: Option<String>,
    /// Places of the events it is written for.
    pub events: Vec<usize>,
}

impl Row {
    /// Without probe and create-only fields.
    pub fn new(kind: &'static str, b1_id: impl Into<String>, object: &'static str, fields: Map<String, Value>) -> Self {
        Self {
            kind,
            b1_id: b1_id.into(),
            object,
            external: None,
            probe: None,
            on_create: Map::new(),
            fields,
            stamp: None,
            whole: false,
            attached: None,
            missing: Missing::Make,
            shown_on: None,
            events: Vec::new(),
        }
    }

    /// On a record that somebody else made: the link only keeps what this flow wrote of it. Where it was shown on another one before, that one
    /// shows it no more.
    pub fn shown_on(
        kind: &'static str,
        b1_id: &str,
        object: &'static str,
        id: &str,
        fields: Map<String, Value>,
    ) -> Self {
        Self { missing: Missing::Tell, shown_on: Some(id.to_owned()), ..Self::new(kind, b1_id, object, fields) }
    }

    /// With an external id.
    pub fn external(mut self, field: &'static str, value: impl Into<String>) -> Self {
        self.external = Some((field, value.into()));
        self
    }

    /// With a field for the time of each write.
    pub fn stamped(mut self, field: &'static str) -> Self {
        self.stamp = Some(field);
        self
    }

    /// Switches off what stands, and makes nothing.
    pub fn switched_off(mut self) -> Self {
        self.missing = Missing::Leave;
        self
    }

    /// See [`Row::switched_off`].
    pub fn is_switched_off(&self) -> bool {
        self.missing == Missing::Leave
    }

    /// Taken with all its fields or not at all, such as a price and its currency.
    pub fn whole(mut self) -> Self {
        self.whole = true;
        self
    }

    /// Under a record that may be gone: see [`Row::attached`].
    pub fn attached_by(mut self, field: &'static str) -> Self {
        self.attached = Some(field);
        self
    }

    /// Without what it is attached by.
    pub fn detached(&self) -> Self {
        let mut row = self.clone();
        row.attached.take().map(|field| row.fields.remove(field));
        row
    }

    /// For these events.
    pub fn serving(mut self, events: &[usize]) -> Self {
        self.events = events.to_vec();
        self
    }
}

/// Joins rows of one record: the last one's fields, everybody's events.
pub fn joined(rows: Vec<Row>) -> Vec<Row> {
    let mut places: BTreeMap<(&'static str, String), usize> = BTreeMap::new();
    let mut kept: Vec<Row> = Vec::new();
    for row in rows {
        match places.get(&(row.kind, row.b1_id.clone())) {
            Some(place) => {
                let old = &mut kept[*place];
                old.fields.extend(row.fields);
                old.events.extend(row.events);
                old.events.sort_unstable();
                old.events.dedup();
            }
            None => {
                places.insert((row.kind, row.b1_id.clone()), kept.len());
                kept.push(row);
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_record_become_one() {
        let row = |event| Row::new("product", "A1", "Product2", Map::new()).serving(&[event]);
        let rows = joined(vec![row(0), row(1)]);
        assert_eq!((rows.len(), rows[0].events.clone()), (1, vec![0, 1]));
    }
}
