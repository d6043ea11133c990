//! `tandem events list|show|retry`

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use serde_json::json;

use super::audit::{note, user};
use super::failure::{Failure, listed};
use super::output::{Output, short};
use super::service::Parts;
use crate::connections::salesforce::full_id;
use crate::engine::calls::{Answerer, Policy, may_answer};
use crate::store::Access;
use crate::store::{Answered, EventFilter, EventId, EventState, Via};
use crate::time::iso;

#[derive(Subcommand)]
pub enum Command {
    /// Newest first.
    List {
        /// Only this flow.
        #[arg(long)]
        flow: Option<String>,
        /// Only this state: ready, leased, waiting, review, done, rejected, superseded.
        #[arg(long, value_parser = state)]
        state: Option<EventState>,
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
    let store = parts.store.clone();
    match command {
        Command::List { flow, state, key, limit } => {
            parts.known_flow(flow.as_deref()).await?;
            let mut events = store.events(EventFilter { flow: flow.clone(), state, key: key.clone(), limit }).await?;
            // Reports and addresses of the org show ids of 15 letters; a code of B1 may have as many.
            if let (true, Some(key)) = (events.is_empty(), key.as_deref().and_then(full_id)) {
                events = store.events(EventFilter { flow, state, key: Some(key), limit }).await?;
            }
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
            let header = ["id", "taken in", "flow", "state", "key", "what became of it"];
            output.rows(&events, &header, rows, "no such events");
            Ok(ExitCode::SUCCESS)
        }
        Command::Show { id } => {
            let event = store.event(EventId(id)).await?.ok_or_else(|| Failure::no_event(id))?;
            let runs = store.runs_of(event.id).await?;
            if output.is_json() {
                output.value(&json!({ "event": event, "runs": runs }));
                return Ok(ExitCode::SUCCESS);
            }
            let mut rows = vec![
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
            if let Some(why) = event.kept.why() {
                rows.push(vec!["kept".into(), why.into()]);
            }
            if let Some(decided) = event.decided() {
                rows.insert(5, vec!["was asked".into(), decided.asked]);
                rows.insert(6, vec!["answered".into(), format!("{}, {}", decided.answer, iso(decided.at))]);
            }
            output.facts(&["event", &id.to_string()], rows);
            let rows = runs
                .iter()
                .map(|run| {
                    vec![
                        run.id.to_string(),
                        iso(run.started_at),
                        run.finished_at
                            .map_or_else(|| "not finished".into(), |at| format!("{} ms", at - run.started_at)),
                        run.events.to_string(),
                        crate::releases::short(&run.release).to_owned(),
                        run.error.clone().unwrap_or_default(),
                    ]
                })
                .collect();
            let header = ["run", "started", "took", "events", "release", "error"];
            output.rows(&(), &header, rows, "no run of it is kept: it has not run yet, or its journal was removed");
            Ok(ExitCode::SUCCESS)
        }
        Command::Retry { id, choose } => {
            let event = store.event(EventId(id)).await?.ok_or_else(|| Failure::no_event(id))?;
            if let Some(choice) =
                choose.as_ref().filter(|choice| !event.choices.is_empty() && !event.choices.contains(choice))
            {
                let offers = event.choices.join(", ");
                return Err(
                    Failure::WrongUsage(format!("event {id} does not offer {choice:?}; it offers: {offers}")).into()
                );
            }
            let who = user();
            let answerer = Answerer { who: &who, owner: None, via: Via::CommandLine };
            let policy = Policy::of(&parts.config.agents);
            if let Some(why) = choose.as_ref().and_then(|choice| may_answer(&policy, &event, answerer, choice)) {
                return Err(Failure::WrongUsage(format!("event {id}: {why}")).into());
            }
            // What is asked and offered is looked at as it is when the answer is given.
            let given = match &choose {
                Some(choice) if event.state == EventState::Review => {
                    store.answer(event.id, choice, crate::time::now()).await? == Answered::Given
                }
                _ => store.retry(event.id, choose.clone(), crate::time::now()).await?,
            };
            if !given {
                let state = event.state.word();
                if let Some(why) = event.kept.why() {
                    let told = format!("event {id} is {state}, and cannot be run again: {why}");
                    return Err(Failure::WrongUsage(told).into());
                }
                return Err(Failure::WrongUsage(format!(
                    "event {id} is {state}: only ready, waiting, review and rejected events can be run again"
                ))
                .into());
            }
            let what = format!("event {id} ({} {})", event.flow, event.key);
            note(store.as_ref(), "events.retry", what, choose.as_deref().unwrap_or_default()).await?;
            output.say(format!("event {id} runs again as soon as the host looks"));
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// A state as `--state` takes it.
fn state(word: &str) -> Result<EventState, String> {
    let known = || listed(EventState::ALL.iter().map(|state| state.word()));
    EventState::ALL.into_iter().find(|state| state.word() == word).ok_or_else(known)
}
