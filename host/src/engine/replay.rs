//! Dry run of a past event: what would this plugin do with it? Reads come from the journal of its last run where it has
//! them; effects are kept and compared with those that were sent then.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::Flow;
use crate::connections::reads;
use crate::sandbox::{Journal, Outcome, RunError, Runtime};
use crate::store::{EventId, JournalEntry, Run, RunId, Store};

/// What a dry run found.
#[derive(Debug, Serialize)]
pub struct Replay {
    /// The event's outcome, in words.
    pub outcome: String,
    /// Effects as they were sent in the recorded run, without those the event's run-mates caused.
    pub recorded: Vec<Effect>,
    /// Effects this dry run would send.
    pub dry: Vec<Effect>,
}

/// One effect, ready to compare.
#[derive(Clone, Debug, Serialize, PartialEq)]
pub struct Effect {
    /// The record it is about.
    pub subject: String,
    /// `POST b1 /Orders`
    pub call: String,
    /// The body's fields.
    pub body: Value,
}

impl Replay {
    /// Runs one event dry. With `fresh`, nothing is taken from the journal: every read goes out.
    pub async fn run(
        runtime: &Runtime,
        flow: &Flow,
        store: &Arc<dyn Store>,
        event: EventId,
        fresh: bool,
    ) -> Result<Self, RunError> {
        let event = store
            .event(event)
            .await
            .map_err(RunError::Store)?
            .ok_or_else(|| RunError::Contract(format!("there is no event {event}")))?;
        let past = match store.runs_of(event.id).await.map_err(RunError::Store)?.last() {
            Some(run) => store.journal_read(run.id).await.map_err(RunError::Store)?,
            None => Vec::new(),
        };
        let journal = Journal::dry(if fresh { &[] } else { &past });
        let subject = event.key.clone();
        let run = Run {
            id: RunId(0),
            flow: flow.name.clone(),
            release: flow.release.digest.clone(),
            events: vec![event],
            repeated: false,
        };
        let report = runtime.run(&flow.release.plugin, flow.bound.clone(), &run, journal).await?;
        let outcome = report.outcomes.into_iter().next().map(words).unwrap_or_default();
        let recorded = effects_of(&past).into_iter().filter(|effect| effect.subject == subject).collect();
        Ok(Self { outcome, recorded, dry: effects_of(&report.captured) })
    }

    /// Field by field: `(effect, field, recorded, dry)`, only what differs.
    pub fn differences(&self) -> Vec<(String, String, Value, Value)> {
        let mut found = Vec::new();
        for dry in &self.dry {
            let before = self.recorded.iter().find(|old| old.call == dry.call && old.subject == dry.subject);
            let name = format!("{} ({})", dry.call, dry.subject);
            match before {
                None => found.push((name, String::new(), Value::Null, dry.body.clone())),
                Some(old) => diff(&name, "", &old.body, &dry.body, &mut found),
            }
        }
        for old in &self.recorded {
            if !self.dry.iter().any(|dry| old.call == dry.call && old.subject == dry.subject) {
                found.push((format!("{} ({})", old.call, old.subject), String::new(), old.body.clone(), Value::Null));
            }
        }
        found
    }
}

fn diff(name: &str, path: &str, old: &Value, new: &Value, found: &mut Vec<(String, String, Value, Value)>) {
    match (old, new) {
        (Value::Object(before), Value::Object(after)) => {
            let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                diff(
                    name,
                    &below,
                    before.get(key).unwrap_or(&Value::Null),
                    after.get(key).unwrap_or(&Value::Null),
                    found,
                );
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (index, (old, new)) in before.iter().zip(after).enumerate() {
                diff(name, &format!("{path}[{index}]"), old, new, found);
            }
        }
        _ if old == new => {}
        _ => found.push((name.to_owned(), path.to_owned(), old.clone(), new.clone())),
    }
}

/// The effects among journal entries.
pub fn effects_of(entries: &[JournalEntry]) -> Vec<Effect> {
    entries
        .iter()
        .filter(|entry| entry.kind == "http")
        .filter_map(|entry| {
            let request: Value = serde_json::from_str(&entry.request).ok()?;
            let method = request["method"].as_str()?;
            if reads(method, request["path"].as_str().unwrap_or_default()) {
                return None;
            }
            let body = request["body"].as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
            let slot = request["slot"].as_str().unwrap_or_default();
            let path = request["path"].as_str().unwrap_or_default();
            Some(Effect { subject: entry.subject.clone(), call: format!("{method} {slot} {path}"), body })
        })
        .collect()
}

fn words(outcome: Outcome) -> String {
    match outcome {
        Outcome::Done(what) => format!("done: {what}"),
        Outcome::Retry(after, why) => format!("retry after {after} ms: {why}"),
        Outcome::Wait(kind, side, id, _) => format!("waits for the {kind} link of {id} ({})", side.word()),
        Outcome::Review(question) => format!("review: {} [{}]", question.reason, question.choices.join(", ")),
        Outcome::Reject(why) => format!("rejected: {why}"),
    }
}
