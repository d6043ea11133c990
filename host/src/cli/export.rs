//! `tandem export <record>`

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::{Value, json};

use super::audit::note;
use super::failure::Failure;
use super::forget::{looking, meant, settled};
use super::output::Output;
use super::service::Parts;
use crate::store::Access;
use crate::store::Dossier;
use crate::time::{iso, now};

#[derive(Args)]
pub struct Options {
    /// The record that the person is: a Salesforce id, a CardCode, a contact as `CardCode:code`.
    record: String,
    /// Into this file, which must not be there; without it `tandem-export-<record>.json` in this folder.
    #[arg(long)]
    to: Option<PathBuf>,
}

pub async fn run(config: &Path, options: Options, output: &Output) -> Result<ExitCode> {
    let parts = Parts::open(config, Access::Tool).await?;
    let whom = meant(parts.store.as_ref(), &options.record).await?;
    settled(&parts).await?;
    let (bar, told) = looking(output);
    let dossier = parts.store.dossier(whom, told).await;
    bar.finish_and_clear();
    let dossier = dossier?;
    if dossier.is_nothing() {
        return Err(Failure::NotFound(format!("nothing is kept of {}", options.record)).into());
    }
    let name: String = options.record.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let file = options.to.unwrap_or_else(|| format!("tandem-export-{name}.json").into());
    let text = serde_json::to_string_pretty(&readable(&dossier, &options.record))?;
    write(&file, &text).with_context(|| match file.exists() {
        true => format!("{} is there, and is not written over: remove it, or name another with --to", file.display()),
        false => format!("cannot write {}", file.display()),
    })?;
    let who = parts.store.pseudonym(&options.record).await?;
    note(parts.store.as_ref(), "record.export", format!("record {who}"), "").await?;
    if output.is_json() {
        output.value(&json!({ "file": file, "events": dossier.events.len(), "calls": dossier.calls.len() }));
        return Ok(ExitCode::SUCCESS);
    }
    output.print(&file.display());
    output.say(format!(
        "{} links, {} events, {} calls, {} values of storage, {} notes; only its owner may read the file: it holds the person's data",
        dossier.links.len(),
        dossier.events.len(),
        dossier.calls.len(),
        dossier.storage.len(),
        dossier.notes.len()
    ));
    Ok(ExitCode::SUCCESS)
}

/// What is JSON within a text is told as JSON, times as people write them.
fn readable(dossier: &Dossier, record: &str) -> Value {
    let links = dossier.links.iter().map(|link| {
        json!({ "kind": link.kind, "b1": link.b1_id, "salesforce": link.salesforce_id, "between": link.scope, "last_in_step": opened(&link.base) })
    });
    let events = dossier.events.iter().map(|event| {
        json!({
            "event": event.id, "flow": event.flow, "about": event.topic, "key": event.key, "taken_in": iso(event.created_at),
            "state": event.state, "finished": event.finished_at.map(iso), "what_became_of_it": event.reason, "told": opened(&event.payload),
            "asked": opened(&event.detail), "answered": event.resolution, "kept": event.kept.why(),
        })
    });
    let calls = dossier.calls.iter().map(|call| {
        let entry = &call.entry;
        json!({
            "run": call.run, "at": iso(entry.at), "call": entry.kind, "about": entry.subject, "asked": opened(&entry.request),
            "answered": opened(&entry.response),
        })
    });
    let storage = dossier.storage.iter();
    let storage = storage.map(|own| json!({ "flow": own.flow, "key": own.key, "value": opened(&own.value) }));
    json!({
        "record": record,
        "made": iso(now()),
        "what": "All that this host of Tandem keeps of the record: it carries data between SAP Business One and Salesforce, which hold the records themselves. Of others' events and journals in which the person is named the numbers are listed; what lies outside the database (backups, databases put aside by a restore, reports, logs, earlier exports, copies of questions in the org) is not in it.",
        "known_as": dossier.whom,
        "links": links.collect::<Vec<_>>(),
        "events": events.collect::<Vec<_>>(),
        "calls": calls.collect::<Vec<_>>(),
        "notes": dossier.notes,
        "storage": storage.collect::<Vec<_>>(),
        "named_in_events": dossier.named_in,
        "named_in_runs": dossier.named_in_runs,
        "audit_trail": dossier.acts,
    })
}

/// JSON in a text, however deep, as what it is.
fn opened(text: &str) -> Value {
    fn open(value: Value) -> Value {
        match value {
            Value::String(text) if text.trim_start().starts_with(['{', '[']) => {
                serde_json::from_str(&text).map_or(Value::String(text), open)
            }
            Value::Array(items) => items.into_iter().map(open).collect(),
            Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, open(value))).collect(),
            other => other,
        }
    }
    if text.is_empty() {
        return Value::Null;
    }
    serde_json::from_str(text).map_or_else(|_| text.into(), open)
}

/// A new file that only its owner reads; on Windows it has the rights of its folder.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_within_texts_is_told_as_json() {
        let told = opened(r#"{"body":"{\"Name\":\"Anna\"}","n":1}"#);
        assert_eq!(told, json!({ "body": { "Name": "Anna" }, "n": 1 }));
        assert_eq!((opened("done"), opened("")), ("done".into(), Value::Null));
    }
}
