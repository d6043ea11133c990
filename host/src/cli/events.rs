//! `tandem events list|show|retry`

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Subcommand;
use serde_json::json;

use super::output::{Output, short};
use super::service::Parts;
use crate::store::sqlite::Access;
use crate::store::{EventFilter, EventId, EventState};
use crate::time::iso;

#[derive(Subcommand)]
pub enum Command {
    /// Newest first.
    List {
        /// Only this flow.
        #[arg(long)]
        flow: Option<String>,
        /// Only this state: ready, leased, waiting, review, done, rejected, superseded.
        #[arg(long)]
        state: Option<String>,
        /// Only this key, such as an opportunity's id.
        #[arg(long)]
        key: Option<String>,
        #[arg(long, default_value_t = 30)]
        limit: u32,
    },
    /// One event with its runs.
    Show { id: i64 },
    /// Run an event again now, with an answer if it was in review.
    Retry {
        id: i64,
        /// One of the choices that `events show` lists.
        #[arg(long)]
        choose: Option<String>,
    },
}

pub async fn run(config: &Path, command: Command, output: &Output) -> Result<ExitCode> {
    let parts = Parts::open(config, Access::Tool).await?;
    let store = parts.store;
    match command {
        Command::List { flow, state, key, limit } => {
            let state = state.as_deref().map(parse_state).transpose()?;
            let events = store.events(EventFilter { flow, state, key, limit }).await?;
            let rows = events
                .iter()
                .map(|event| {
                    vec![
                        event.id.to_string(),
                        iso(event.created_at),
                        event.flow.clone(),
                        event.state.word().to_owned(),
                        event.key.clone(),
                        short(event.reason.as_deref().unwrap_or_default(), 90),
                    ]
                })
                .collect();
            output.rows(&events, &["id", "taken in", "flow", "state", "key", "what became of it"], rows);
            Ok(ExitCode::SUCCESS)
        }
        Command::Show { id } => {
            let Some(event) = store.event(EventId(id)).await? else {
                eprintln!("tandem: there is no event {id}");
                return Ok(ExitCode::from(super::NOT_FOUND));
            };
            let runs = store.runs_of(event.id).await?;
            if output.is_json() {
                output.value(&json!({ "event": event, "runs": runs }));
                return Ok(ExitCode::SUCCESS);
            }
            let rows = vec![
                vec!["flow".into(), event.flow.clone()],
                vec!["topic".into(), event.topic.clone()],
                vec!["key".into(), event.key.clone()],
                vec!["state".into(), event.state.word().into()],
                vec!["what became of it".into(), event.reason.clone().unwrap_or_default()],
                vec!["choices".into(), event.choices.join(", ")],
                vec!["taken in".into(), iso(event.created_at)],
                vec!["attempts".into(), event.attempts.to_string()],
                vec!["trace".into(), event.trace.clone()],
                vec!["payload".into(), short(&event.payload, 400)],
            ];
            output.rows(&(), &["event", &id.to_string()], rows);
            let rows = runs
                .iter()
                .map(|run| {
                    vec![
                        run.id.to_string(),
                        iso(run.started_at),
                        run.finished_at
                            .map_or_else(|| "not finished".into(), |at| format!("{} ms", at - run.started_at)),
                        run.events.to_string(),
                        run.digest.chars().take(12).collect(),
                        run.error.clone().unwrap_or_default(),
                    ]
                })
                .collect();
            output.rows(&(), &["run", "started", "took", "events", "plugin", "error"], rows);
            Ok(ExitCode::SUCCESS)
        }
        Command::Retry { id, choose } => {
            let Some(event) = store.event(EventId(id)).await? else {
                eprintln!("tandem: there is no event {id}");
                return Ok(ExitCode::from(super::NOT_FOUND));
            };
            if let Some(choice) =
                choose.as_ref().filter(|choice| !event.choices.is_empty() && !event.choices.contains(choice))
            {
                bail!("event {id} does not offer {choice:?}; it offers: {}", event.choices.join(", "));
            }
            if !store.retry(event.id, choose, crate::time::now()).await? {
                bail!(
                    "event {id} is {}: only ready, waiting, review and rejected events can be run again",
                    event.state.word()
                );
            }
            output.say(format!("event {id} runs again as soon as the host looks"));
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn parse_state(word: &str) -> Result<EventState> {
    match EventState::ALL.into_iter().find(|state| state.word() == word) {
        Some(state) => Ok(state),
        None => {
            let known: Vec<&str> = EventState::ALL.iter().map(|state| state.word()).collect();
            bail!("no such state {word:?}; known: {}", known.join(", "))
        }
    }
}
