//! `tandem review list|show|resolve`

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use serde_json::Value;

use super::audit::{note, user};
use super::failure::Failure;
use super::output::{Output, short};
use super::service::Parts;
use crate::console::choices;
use crate::engine::calls::{Answerer, Planned, Policy, may_answer};
use crate::store::Access;
use crate::store::{Answered, Event, EventFilter, EventId, EventState, Via};
use crate::time::iso;

#[derive(Subcommand)]
pub enum Command {
    /// What waits for a decision, newest first.
    List {
        /// Only this flow.
        #[arg(long)]
        flow: Option<String>,
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// One item: the reason, the record on both sides, the choices.
    Show { id: i64 },
    /// Decide; the event runs again with the answer.
    Resolve {
        /// Several get the same answer.
        #[arg(required = true)]
        ids: Vec<i64>,
        /// One of the choices that `review show` lists.
        #[arg(long)]
        choose: String,
    },
}

pub async fn run(config: &Path, command: Command, output: &Output) -> Result<ExitCode> {
    let parts = Parts::open(config, Access::Tool).await?;
    let store = parts.store.clone();
    match command {
        Command::List { flow, limit } => {
            parts.known_flow(flow.as_deref()).await?;
            let filter = EventFilter { flow, state: Some(EventState::Review), key: None, limit };
            let events = store.events(filter).await?;
            let rows = events
                .iter()
                .map(|event| {
                    let reason = short(event.reason.as_deref().unwrap_or_default(), 90);
                    vec![event.id.to_string(), event.flow.clone(), event.key.clone(), reason, event.choices.join(", ")]
                })
                .collect();
            output.rows(&events, &["id", "flow", "record", "why", "choices"], rows, "nothing to decide");
            Ok(ExitCode::SUCCESS)
        }
        Command::Show { id } => {
            show(&store.event(EventId(id)).await?.ok_or_else(|| Failure::no_event(id))?, output);
            Ok(ExitCode::SUCCESS)
        }
        Command::Resolve { ids, choose } => {
            let (policy, who) = (Policy::of(&parts.config.agents), user());
            let answerer = Answerer { who: &who, owner: None, via: Via::CommandLine };
            // All or none: a choice that one of them does not offer changes nothing.
            for id in &ids {
                let event = store.event(EventId(*id)).await?.ok_or_else(|| Failure::no_event(*id))?;
                let refused = if event.state != EventState::Review {
                    format!("event {id} is {}, not in review", event.state.word())
                } else if !event.choices.contains(&choose) {
                    format!("event {id} does not offer {choose:?}; it offers: {}", event.choices.join(", "))
                } else if let Some(why) = may_answer(&policy, &event, answerer, &choose) {
                    format!("event {id}: {why}")
                } else {
                    continue;
                };
                return Err(Failure::WrongUsage(refused).into());
            }
            for id in ids {
                if store.answer(EventId(id), &choose, crate::time::now()).await? == Answered::Given {
                    note(store.as_ref(), "review.answer", format!("event {id}"), &choose).await?;
                    output.say(format!("{id}: {choose}; it runs as soon as the host looks"));
                } else {
                    output.say(format!("{id}: somebody else was faster"));
                }
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn show(event: &Event, output: &Output) {
    let detail: Value = serde_json::from_str(&event.detail).unwrap_or_default();
    if output.is_json() {
        let mut value = serde_json::to_value(event).unwrap_or_default();
        value["detail"] = detail;
        output.value(&value);
        return;
    }
    let rows = vec![
        vec!["flow".into(), event.flow.clone()],
        vec!["record".into(), event.key.clone()],
        vec!["state".into(), event.state.word().into()],
        vec!["why".into(), event.reason.clone().unwrap_or_default()],
        vec!["taken in".into(), iso(event.created_at)],
    ];
    output.facts(&["review", &event.id.to_string()], rows);
    if event.state == EventState::Review {
        output.facts(&["choice", "what it does"], choices::rows(&event.choices));
    }
    let plan: Vec<Planned> = serde_json::from_value(detail["plan"].clone()).unwrap_or_default();
    if !plan.is_empty() {
        output.facts(&["it would write", "field", "now", "then"], planned(&plan));
    }
    let (columns, rows) = side_by_side(&detail);
    if !rows.is_empty() {
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        output.facts(&columns, rows);
    }
    output.say(match event.state {
        EventState::Review => format!("decide: tandem review resolve {} --choose \"<choice>\"", event.id),
        state => format!(
            "it is {}: there is nothing to decide; `tandem explain` on its record tells what happened",
            state.word()
        ),
    });
}

/// What a call would write: each field a row, below what is done to which record.
fn planned(plan: &[Planned]) -> Vec<Vec<String>> {
    let text = |value: &Value| match value {
        Value::String(text) => short(text, 60),
        other => short(&other.to_string(), 60),
    };
    let mut rows = Vec::new();
    for own in plan {
        let known = if own.call.contains(&own.record) { String::new() } else { short(&own.record, 160) };
        rows.push(vec![own.call.clone(), known, String::new(), String::new()]);
        rows.extend(own.fields.iter().map(|field| {
            let old = field.old.as_ref().map(text).unwrap_or_default();
            vec![String::new(), field.name.clone(), old, text(&field.new)]
        }));
    }
    rows
}

/// Records of a question as columns, their fields as rows.
fn side_by_side(detail: &Value) -> (Vec<String>, Vec<Vec<String>>) {
    let mut columns: Vec<(String, &Value)> = Vec::new();
    for (side, name) in [("b1", "B1"), ("salesforce", "Salesforce")] {
        if detail[side].is_object() {
            columns.push((name.to_owned(), &detail[side]));
        }
    }
    for (place, candidate) in detail["candidates"].as_array().into_iter().flatten().enumerate() {
        columns.push((format!("candidate {}", place + 1), candidate));
    }
    let mut fields: Vec<&String> = Vec::new();
    for (_, record) in &columns {
        for field in record.as_object().into_iter().flat_map(|record| record.keys()) {
            if field != "attributes" && !fields.contains(&field) {
                fields.push(field);
            }
        }
    }
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let rows = fields
        .iter()
        .map(|field| {
            let values = columns.iter().map(|(_, record)| short(&text(&record[field.as_str()]), 50));
            [(*field).clone()].into_iter().chain(values).collect()
        })
        .collect();
    let names = [String::from("field")].into_iter().chain(columns.into_iter().map(|(name, _)| name)).collect();
    (names, rows)
}
