//! `tandem explain <record> [field]`

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::failure::{Failure, listed};
use super::output::{Output, short};
use super::service::Parts;
use crate::console::choices;
use crate::engine::explain::{Explained, Write, explain};
use crate::store::sqlite::Access;
use crate::store::{Decided, EventState};
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
    let releases = parts.releases().await.ok().map(|releases| releases.as_ref());
    let (record, field) = (&options.record, options.field.as_deref());
    let Explained { links, events, writes, fields } =
        explain(&parts.store, releases, &parts.config, record, field, options.limit).await?;
    if events.is_empty() && fields.is_empty() && links.is_empty() {
        let nothing = format!(
            "nothing is known of {record}; a document of B1 goes by its DocEntry, which its opportunity shows beside the number; journals \
             are kept for [store] keep_days"
        );
        return Err(Failure::NotFound(nothing).into());
    }
    if let (Some(field), true) = (field, writes.is_empty()) {
        let limit = options.limit;
        let written = listed(fields.iter().map(String::as_str));
        return Err(Failure::NotFound(format!(
            "no call about {record} wrote a field {field}, as far as journals are kept ([store] keep_days) and --limit {limit} \
             reaches; written fields {written}"
        ))
        .into());
    }
    let told: Vec<Value> = writes.iter().map(|write| tell(write, field)).collect();
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

/// One call in words: all that it wrote, or one field and the rule that it came from.
fn tell(write: &Write, field: Option<&str>) -> Value {
    let wrote = match field {
        None => write.body.clone(),
        Some(field) => {
            let values = write.of_field(field).into_iter().map(|own| json!({ "at": own.at, "value": own.value }));
            json!({ "values": values.collect::<Vec<_>>(), "rule": write.rule(field) })
        }
    };
    let call = format!("{} {} {}", write.method, write.slot, write.path);
    json!({
        "at": iso(write.at), "call": call, "wrote": wrote, "answer": write.answer, "run": write.run, "flow": write.flow,
        "release": write.release,
    })
}
