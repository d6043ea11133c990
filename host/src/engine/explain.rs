//! Why a record is as it is: its links, the events about it, and every call that wrote something of it, by which rule of which release.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::config::Config;
use crate::connections::salesforce::full_id;
use crate::connections::{Answer, CallError, reads};
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

/// What became of a call, as the journal has it.
pub enum Outcome {
    /// It was carried out; what its system answered.
    Done(Answer),
    /// It was not carried out: why.
    Refused(CallError),
    /// It never left the host: what the flow was not granted, or asked for wrongly.
    Kept(String),
    /// Whether it was carried out is not known: why.
    Unknown(String),
}

impl Outcome {
    /// Of an entry of kind `http`.
    pub fn of(entry: &JournalEntry) -> Self {
        if entry.state == CallState::Intended {
            return Self::Unknown("the host stopped while it was sent".into());
        }
        let Ok(response) = serde_json::from_str::<Value>(&entry.response) else {
            // What is kept in its place says why it is not there.
            return Self::Unknown(entry.response.clone());
        };
        let of = |name: &str| response.get(name).cloned();
        if let Some(why) = of("denied") {
            return Self::Kept(why.as_str().map_or_else(|| why.to_string(), str::to_owned));
        }
        if let Some(Ok(answer)) = of("sent").or_else(|| of("probed")).map(serde_json::from_value) {
            return Self::Done(answer);
        }
        match of("failed").map(serde_json::from_value::<CallError>) {
            Some(Ok(error)) if error.is_for_nothing() => Self::Refused(error),
            Some(Ok(error)) => Self::Unknown(error.to_string()),
            _ => Self::Unknown("what came back is not kept".into()),
        }
    }

    /// Nothing was changed by it.
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Kept(_))
    }

    /// What it was answered.
    pub fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Done(answer) => Some(answer),
            _ => None,
        }
    }

    /// The status alone, where there is one: a system's words may hold what a role is not to see.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Done(answer) => Some(answer.status),
            Self::Refused(CallError::Remote { status, .. }) => Some(*status),
            _ => None,
        }
    }
}

/// In few words: of what was done the status says all, and nothing of the record is in it.
impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Done(answer) => write!(f, "{}", answer.status),
            Self::Refused(error) => error.fmt(f),
            Self::Kept(why) => write!(f, "not sent: {why}"),
            Self::Unknown(why) => write!(f, "not known: {why}"),
        }
    }
}

/// A call that wrote something, or was to.
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
    /// What became of it.
    pub outcome: Outcome,
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
    pub fn rule(&self, field: &str) -> String {
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
    let slot = request["slot"].as_str().unwrap_or_default().to_owned();
    let (method, path) = (method.to_owned(), path.to_owned());
    Some(Write {
        run,
        flow,
        release,
        at: entry.at,
        method,
        slot,
        path,
        body,
        outcome: Outcome::of(entry),
        kept: Kept::Whole,
        rules,
    })
}

/// Where the values of a run's fields came from: the rules, the mapping plugin, the plugin.
struct Rules {
    /// Target field → the rules that give it, over all sections of the mapping that the run ran under: which section a call was made by is not kept.
    rules: BTreeMap<String, BTreeSet<String>>,
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
                    let before = own.rules.remove(field).unwrap_or_default();
                    let told: BTreeSet<String> = before.into_iter().map(|rule| format!("{rule}, then {by}")).collect();
                    let told = if told.is_empty() { BTreeSet::from([format!("set by {by}")]) } else { told };
                    own.rules.insert(field.clone(), told);
                }
            }
            None => own.otherwise = format!("set by the plugin itself or by the mapping plugin {}", mapper.words()),
        }
        own
    }

    /// The rule, or all that may have given it: a rule of `BillTo.Street` is written as `Street` of a row.
    fn of_field(&self, field: &str) -> String {
        let gives = |target: &str| target == field || target.rsplit_once('.').is_some_and(|(_, own)| own == field);
        let all = self.rules.iter().filter(|(target, _)| gives(target)).flat_map(|(_, rules)| rules);
        let all: BTreeSet<&str> = all.map(String::as_str).collect();
        match all.is_empty() {
            true => self.otherwise.clone(),
            false => all.into_iter().collect::<Vec<_>>().join(", or "),
        }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules(of: &[(&str, &[&str])]) -> Rules {
        let rules =
            of.iter().map(|(field, rules)| ((*field).to_owned(), rules.iter().map(|r| (*r).to_owned()).collect()));
        Rules { rules: rules.collect(), otherwise: "set by the plugin itself".into() }
    }

    #[test]
    fn where_several_rules_may_have_given_a_field_all_are_told() {
        let own = rules(&[
            ("Phone1", &["source.Phone"]),
            ("Street", &["source.MailingStreet"]),
            ("BillTo.Street", &["source.BillingStreet"]),
            ("ShipTo.Street", &["source.ShippingStreet"]),
        ]);
        assert_eq!(own.of_field("Phone1"), "source.Phone");
        assert_eq!(own.of_field("Street"), "source.BillingStreet, or source.MailingStreet, or source.ShippingStreet");
        assert_eq!(own.of_field("BillTo.Street"), "source.BillingStreet");
        assert_eq!(own.of_field("Fax"), "set by the plugin itself");
        assert_eq!(rules(&[("Phone1", &["a", "b"])]).of_field("Phone1"), "a, or b");
    }

    #[test]
    fn what_became_of_a_call_is_told_in_few_words_and_never_with_the_record() {
        let told = |state, response: Value| {
            let own = Outcome::of(&JournalEntry {
                seq: 0,
                item: 0,
                kind: "http".into(),
                subject: "7".into(),
                request: String::new(),
                response: response.as_str().map_or_else(|| response.to_string(), str::to_owned),
                state,
                at: 0,
                took: None,
            });
            (own.to_string(), own.status(), own.is_refused())
        };
        let done = |response| told(CallState::Done, response);
        let sent = json!({ "sent": { "status": 204, "headers": [["sforce-limit-info", "x"]], "body": "secret" } });
        assert_eq!(done(sent), ("204".into(), Some(204), false));
        let failed = |error: CallError| done(json!({ "failed": error }));
        let refusal = CallError::Remote { status: 400, code: "-5002".into(), message: "no".into() };
        assert_eq!(failed(refusal), ("400 -5002: no".into(), Some(400), true));
        assert_eq!(
            failed(CallError::Throttled(60_000)),
            ("held back by the rate limit for 60000 ms".into(), None, true)
        );
        assert_eq!(failed(CallError::TooLarge(9)), ("larger than the limit of 9 bytes".into(), None, true));
        assert_eq!(
            failed(CallError::Ambiguous("reset".into())),
            ("not known: sent, but the answer was lost: reset".into(), None, false)
        );
        assert_eq!(failed(CallError::Unreachable("refused".into())), ("unreachable: refused".into(), None, true));
        assert_eq!(
            failed(CallError::Unsettled("reset".into())),
            ("not known: not answered: reset".into(), None, false)
        );
        assert_eq!(
            done(json!({ "denied": "PATCH /X is not granted" })),
            ("not sent: PATCH /X is not granted".into(), None, true)
        );
        assert_eq!(done("its journal is pruned".into()).0, "not known: its journal is pruned");
        assert_eq!(done(Value::Null).0, "not known: what came back is not kept");
        assert_eq!(told(CallState::Intended, Value::Null).0, "not known: the host stopped while it was sent");
    }
}
