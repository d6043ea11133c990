//! Why a record is as it is: its links, the events about it, and every call that wrote something of it, by which rule of which release.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::config::Config;
use crate::connections::reads;
use crate::connections::salesforce::full_id;
use crate::releases::Releases;
use crate::store::{CallState, Event, EventFilter, JournalEntry, Kept, Link, Millis, RunId, Store, StoreError};

/// What is known of a record.
pub struct Explained {
    /// Pairs of records it is in.
    pub links: Vec<Link>,
    /// Events about it, newest first.
    pub events: Vec<Event>,
    /// Calls that wrote something of it, newest first.
    pub writes: Vec<Write>,
    /// Names of all fields that calls about it wrote.
    pub fields: BTreeSet<String>,
    /// All calls about it that are known, newest first.
    pub calls: Vec<Told>,
}

/// A call as the journal has it.
pub struct Told {
    /// The flow that made it.
    pub flow: String,
    /// What was asked, and what came back.
    pub entry: JournalEntry,
    /// How much of it is kept.
    pub kept: Kept,
}

impl Explained {
    /// Nobody has heard of it.
    pub fn is_nothing(&self) -> bool {
        self.events.is_empty() && self.links.is_empty() && self.fields.is_empty() && self.writes.is_empty()
    }
}

/// A call that wrote something.
pub struct Write {
    /// The run it was made in.
    pub run: RunId,
    /// The run's flow.
    pub flow: String,
    /// Digest of the release it ran under.
    pub release: String,
    /// When.
    pub at: Millis,
    /// POST, PATCH …
    pub method: String,
    /// The plugin's slot for a connection.
    pub slot: String,
    /// Path and query.
    pub path: String,
    /// What was sent.
    pub body: Value,
    /// What came back, JSON text; where that is not known, why.
    pub answer: String,
    /// How much of it is kept.
    pub kept: Kept,
    rules: Arc<Rules>,
}

/// A value that was written.
pub struct Written {
    /// Its place in the body, such as `DocumentLines[0].Price`.
    pub at: String,
    /// Its field.
    pub name: String,
    /// The value.
    pub value: Value,
}

impl Write {
    /// Where a field was written in it: nowhere, in one place, or in several rows.
    pub fn of_field(&self, field: &str) -> Vec<Written> {
        let mut all = self.values();
        all.retain(|own| own.name == field);
        all
    }

    /// All that it wrote.
    pub fn values(&self) -> Vec<Written> {
        let mut found = Vec::new();
        values_in(&self.body, "", &mut found);
        found
    }

    /// Where the value of a field came from: the rule, the mapping plugin, the plugin.
    pub fn rule(&self, field: &str) -> &str {
        self.rules.of_field(field)
    }
}

/// What is known of a record: a Salesforce id, or the DocEntry, CardCode or ItemCode of a B1 record. Of writes the last ones; with `field` only those
/// of that field.
pub async fn explain(
    store: &Arc<dyn Store>,
    releases: Option<&Releases>,
    config: &Config,
    record: &str,
    field: Option<&str>,
    limit: u32,
) -> Result<Explained, StoreError> {
    // Reports and addresses of the org show ids of 15 letters; a code of B1 may have as many.
    let mut subjects = vec![record.to_owned()];
    subjects.extend(full_id(record));
    let mut links = Vec::new();
    for subject in BTreeSet::from_iter(&subjects) {
        links.extend(store.links_of(subject).await?);
    }
    // What is told of a record in one system may stand under its key in the other.
    subjects.extend(links.iter().flat_map(|link| [link.salesforce_id.clone(), link.b1_id.clone()]));
    subjects.sort();
    subjects.dedup();
    let (mut events, mut calls) = (Vec::new(), Vec::new());
    for subject in &subjects {
        let filter = EventFilter { key: Some(subject.clone()), limit, ..EventFilter::default() };
        events.extend(store.events(filter).await?);
        calls.extend(store.journal_about(subject, limit).await?);
    }
    events.sort_by_key(|event| std::cmp::Reverse(event.id));
    calls.sort_by_key(|(run, entry)| std::cmp::Reverse((*run, entry.seq, entry.item)));
    let mut rules: BTreeMap<(String, String), Arc<Rules>> = BTreeMap::new();
    let (mut writes, mut fields, mut told) = (Vec::new(), BTreeSet::new(), Vec::new());
    for (run, entry) in calls {
        let (flow, release, kept) =
            store.run(run).await?.map(|run| (run.flow, run.release, run.kept)).unwrap_or_default();
        let own = match rules.entry((flow.clone(), release.clone())) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(Arc::new(Rules::of(releases, config, &flow, &release).await)),
        };
        let write = write_of(run, &entry, flow.clone(), release, own.clone()).map(|write| Write { kept, ..write });
        told.push(Told { flow, entry, kept });
        let Some(write) = write else { continue };
        fields.extend(write.values().into_iter().map(|value| value.name));
        if field.is_none_or(|field| !write.of_field(field).is_empty()) {
            writes.push(write);
        }
    }
    writes.truncate(limit as usize);
    Ok(Explained { links, events, writes, fields, calls: told })
}

/// None for reads.
fn write_of(run: RunId, entry: &JournalEntry, flow: String, release: String, rules: Arc<Rules>) -> Option<Write> {
    let request: Value = serde_json::from_str(&entry.request).ok()?;
    let (method, path) = (request["method"].as_str()?, request["path"].as_str().unwrap_or_default());
    if reads(method, path) {
        return None;
    }
    let body = request["body"].as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let answer = match entry.state {
        CallState::Intended => "not known: the host stopped while it was sent".to_owned(),
        CallState::Done => entry.response.clone(),
    };
    let slot = request["slot"].as_str().unwrap_or_default().to_owned();
    let (method, path) = (method.to_owned(), path.to_owned());
    Some(Write { run, flow, release, at: entry.at, method, slot, path, body, answer, kept: Kept::Whole, rules })
}

/// Where the values of a run's fields came from: the rules, the mapping plugin, the plugin.
struct Rules {
    /// Target field → rule, over all sections of the mapping that the run ran under.
    rules: BTreeMap<String, String>,
    /// What is said of a field that has none.
    otherwise: String,
}

impl Rules {
    async fn of(releases: Option<&Releases>, config: &Config, flow: &str, release: &str) -> Self {
        let mut own = Self { rules: BTreeMap::new(), otherwise: "set by the plugin itself".into() };
        let Some(releases) = releases else { return own };
        let Ok(release) = releases.of_run(flow, release, config).await else { return own };
        own.rules = release.mapping.rules();
        let (Some(mapper), Some(code)) = (&release.manifest.mapper, &release.mapper) else { return own };
        match &code.description {
            Some(described) => {
                let fields: BTreeSet<&String> = described.sections.iter().flat_map(|section| &section.sets).collect();
                for field in fields {
                    let by = format!("the mapping plugin {}", mapper.words());
                    let before = own.rules.remove(field);
                    let told = before.map_or_else(|| format!("set by {by}"), |rule| format!("{rule}, then {by}"));
                    own.rules.insert(field.clone(), told);
                }
            }
            None => own.otherwise = format!("set by the plugin itself or by the mapping plugin {}", mapper.words()),
        }
        own
    }

    fn of_field(&self, field: &str) -> &str {
        self.rules.get(field).unwrap_or(&self.otherwise)
    }
}

fn values_in(value: &Value, path: &str, found: &mut Vec<Written>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                found.push(Written { at: below.clone(), name: name.clone(), value: value.clone() });
                values_in(value, &below, found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                values_in(item, &format!("{path}[{index}]"), found);
            }
        }
        _ => {}
    }
}
