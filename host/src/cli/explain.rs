//! `tandem explain <record> [field]`

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::choices;
use super::failure::{Failure, listed};
use super::output::{Output, short};
use super::service::Parts;
use crate::connections::reads;
use crate::connections::salesforce::full_id;
use crate::store::sqlite::Access;
use crate::store::{CallState, Decided, EventFilter, EventState, JournalEntry};
use crate::time::iso;

#[derive(Args)]
pub struct Options {
    /// A record: Salesforce id, or the DocEntry, CardCode or ItemCode of a B1 record.
    record: String,
    /// Only this field: which call wrote it, from which source, by which rule.
    field: Option<String>,
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

pub async fn run(config: &Path, options: Options, output: &Output) -> Result<ExitCode> {
    let parts = Parts::open(config, Access::Tool).await?;
    // Reports and addresses of the org show ids of 15 letters; a code of B1 may have as many.
    let mut subjects = vec![options.record.clone()];
    subjects.extend(full_id(&options.record));
    let mut links = Vec::new();
    for subject in BTreeSet::from_iter(&subjects) {
        links.extend(parts.store.links_of(subject).await?);
    }
    // What is told of a record in one system may stand under its key in the other.
    subjects.extend(links.iter().flat_map(|link| [link.salesforce_id.clone(), link.b1_id.clone()]));
    subjects.sort();
    subjects.dedup();
    let mut events = Vec::new();
    let mut calls = Vec::new();
    for subject in &subjects {
        let filter = EventFilter { key: Some(subject.clone()), limit: options.limit, ..EventFilter::default() };
        events.extend(parts.store.events(filter).await?);
        calls.extend(parts.store.journal_about(subject, options.limit).await?);
    }
    events.sort_by_key(|event| std::cmp::Reverse(event.id));
    calls.sort_by_key(|(run, entry)| std::cmp::Reverse((*run, entry.seq, entry.item)));
    if events.is_empty() && calls.is_empty() && links.is_empty() {
        let record = &options.record;
        let nothing = format!(
            "nothing is known of {record}; a document of B1 goes by its DocEntry, which its opportunity shows beside the number; journals \
             are kept for [store] keep_days"
        );
        return Err(Failure::NotFound(nothing).into());
    }
    let mut rules: BTreeMap<(String, String), Rules> = BTreeMap::new();
    let mut told: Vec<Value> = Vec::new();
    let mut written = BTreeSet::new();
    for (run, entry) in &calls {
        let run_of = parts.store.run(*run).await?.map(|run| (run.flow, run.release)).unwrap_or_default();
        let (flow, release) = run_of.clone();
        let own = match rules.entry(run_of) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(Rules::of(&parts, &flow, &release).await),
        };
        if let Ok(request) = serde_json::from_str::<Value>(&entry.request) {
            names_in(&body_of(&request), &mut written);
        }
        if let Some(mut call) = tell(entry, options.field.as_deref(), own) {
            call["run"] = run.0.into();
            call["flow"] = flow.into();
            call["release"] = release.into();
            told.push(call);
        }
    }
    told.truncate(options.limit as usize);
    if let (Some(field), true) = (&options.field, told.is_empty()) {
        let (record, limit) = (&options.record, options.limit);
        let written = listed(written.iter().map(String::as_str));
        return Err(Failure::NotFound(format!(
            "no call about {record} wrote a field {field}, as far as journals are kept ([store] keep_days) and --limit {limit} \
             reaches; written fields {written}"
        ))
        .into());
    }
    if output.is_json() {
        output.value(&json!({ "record": options.record, "links": links, "events": events, "calls": told }));
        return Ok(ExitCode::SUCCESS);
    }
    for link in &links {
        output.say(format!("{} {} in B1 <-> {} in Salesforce", link.kind, link.b1_id, link.salesforce_id));
    }
    let rows = events
        .iter()
        .map(|event| {
            vec![
                event.id.to_string(),
                event.flow.clone(),
                iso(event.created_at),
                event.state.word().into(),
                short(event.reason.as_deref().unwrap_or_default(), 80),
                event.trace.clone(),
            ]
        })
        .collect();
    let header = ["event", "flow", "taken in", "state", "what became of it", "trace"];
    output.rows(&(), &header, rows, "no event about it is kept");
    for (event, decided) in events.iter().filter_map(|event| Some((event, event.decided()?))) {
        let Decided { asked, answer, at } = decided;
        output.say(format!("event {} asked: {asked}\n  answered {}: {answer}", event.id, iso(at)));
    }
    for event in events.iter().filter(|event| event.state == EventState::Review) {
        output
            .say(format!("event {0} waits for a decision: tandem review resolve {0} --choose \"<choice>\"", event.id));
        output.facts(&["choice", "what it does"], choices::rows(&event.choices));
    }
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let rows = told
        .iter()
        .map(|call| {
            vec![
                word(&call["run"]),
                word(&call["flow"]),
                word(&call["at"]),
                word(&call["call"]),
                short(&word(&call["wrote"]), 160),
                short(&word(&call["answer"]), 80),
            ]
        })
        .collect();
    output.rows(&(), &["run", "flow", "at", "call", "wrote", "answer"], rows, "no call about it wrote anything");
    Ok(ExitCode::SUCCESS)
}

/// Where the values of a run's fields came from: the rules, the mapping plugin, the plugin.
struct Rules {
    /// Target field → rule, over all sections of the mapping that the run ran under.
    rules: BTreeMap<String, String>,
    /// What is said of a field that has none.
    otherwise: String,
}

impl Rules {
    async fn of(parts: &Parts, flow: &str, release: &str) -> Self {
        let mut own = Self { rules: BTreeMap::new(), otherwise: "set by the plugin itself".into() };
        let Ok(releases) = parts.releases().await else { return own };
        let Ok(release) = releases.of_run(flow, release, &parts.config).await else { return own };
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

/// One effect in words; `None` for reads and, when a field is asked for, for calls that do not write it.
fn tell(entry: &JournalEntry, field: Option<&str>, rules: &Rules) -> Option<Value> {
    let request: Value = serde_json::from_str(&entry.request).ok()?;
    let method = request["method"].as_str()?;
    if reads(method, request["path"].as_str().unwrap_or_default()) {
        return None;
    }
    let body = body_of(&request);
    let wrote = match field {
        None => body,
        Some(field) => {
            let mut found = Vec::new();
            find_field(&body, field, "", &mut found);
            if found.is_empty() {
                return None;
            }
            json!({ "values": found, "rule": rules.of_field(field) })
        }
    };
    let answer = match entry.state {
        CallState::Intended => "not known: the host stopped while it was sent".to_owned(),
        CallState::Done => entry.response.clone(),
    };
    let slot = request["slot"].as_str().unwrap_or_default();
    let path = request["path"].as_str().unwrap_or_default();
    Some(json!({ "at": iso(entry.at), "call": format!("{method} {slot} {path}"), "wrote": wrote, "answer": answer }))
}

fn body_of(request: &Value) -> Value {
    request["body"].as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// The fields that [`find_field`] would find.
fn names_in(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                names.insert(name.clone());
                names_in(value, names);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| names_in(item, names)),
        _ => {}
    }
}

fn find_field(value: &Value, field: &str, path: &str, found: &mut Vec<Value>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                if name == field {
                    found.push(json!({ "at": below, "value": value }));
                }
                find_field(value, field, &below, found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                find_field(item, field, &format!("{path}[{index}]"), found);
            }
        }
        _ => {}
    }
}
