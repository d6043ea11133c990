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
use crate::engine::now::{Host, Present, now};
use crate::store::Access;
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
    /// Also what both systems hold at present: each record is read once.
    #[arg(long)]
    now: bool,
}

pub async fn run(config: &Path, options: Options, output: &Output) -> Result<ExitCode> {
    let parts = Parts::open(config, Access::Tool).await?;
    let releases = parts.releases().await.ok().map(|releases| releases.as_ref());
    let (record, field) = (&options.record, options.field.as_deref());
    let known = explain(&parts.store, releases, &parts.config, record, field, options.limit).await?;
    let present = if options.now { Some(at_present(&parts, &known, record, field).await?) } else { None };
    let Explained { links, events, writes, fields, .. } = known;
    if events.is_empty() && fields.is_empty() && links.is_empty() {
        let nothing = format!(
            "nothing is known of {record}; a document of B1 goes by its DocEntry, which its opportunity shows beside the number; journals \
             are kept for [store] keep_days"
        );
        return Err(Failure::NotFound(nothing).into());
    }
    let tells_field = present.iter().flatten().any(|own| !own.fields.is_empty());
    if let (Some(field), true, false) = (field, writes.is_empty(), tells_field) {
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
        let mut all = json!({ "record": options.record, "links": links, "events": events, "calls": told });
        if let Some(present) = present {
            all["now"] = json!(present);
        }
        output.value(&all);
        return Ok(ExitCode::SUCCESS);
    }
    for link in &links {
        output.say(format!("{} {} in B1 <-> {} in Salesforce", link.kind, link.b1_id, link.salesforce_id));
    }
    for line in present.iter().flat_map(|present| lines(present)) {
        output.say(line);
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
    for (event, why) in events.iter().filter_map(|event| Some((event, event.kept.why()?))) {
        output.say(format!("event {}: {why}", event.id));
    }
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

/// What both systems hold, where there is anything to read.
async fn at_present(parts: &Parts, known: &Explained, record: &str, field: Option<&str>) -> Result<Vec<Present>> {
    let connections = parts.connect()?;
    let host = Host { config: &parts.config, connections: &connections, releases: parts.releases().await? };
    Ok(now(known, record, field, host, |_| true).await)
}

/// Each record with its fields, a line each.
fn lines(present: &[Present]) -> Vec<String> {
    if present.is_empty() {
        return vec!["now: no call that is kept tells where it is read".into()];
    }
    let mut lines = Vec::new();
    for own in present {
        let Present { connection, object, id, .. } = own;
        let record = if object.is_empty() { id.clone() } else { format!("{object} {id}") };
        let how = match (&own.why, own.found) {
            (Some(why), _) => format!("could not be read: {why}"),
            (None, false) => "is not there any more".into(),
            (None, true) if own.fields.is_empty() => "has nothing that was written, or that is asked for".into(),
            (None, true) => "has".into(),
        };
        lines.push(format!("now: {record} in {connection} {how}"));
        for field in &own.fields {
            let mut line = format!("  {} = {}", field.name, field.value);
            match (&field.last_written, field.changed) {
                (Some(_), Some(false)) => line.push_str(", as written"),
                (Some(last), Some(true)) => {
                    line.push_str(&format!(", changed since, not by Tandem: {last} was written"))
                }
                _ => {}
            }
            let with = field.with.join(", ");
            match field.in_step {
                Some(true) => line.push_str(&format!("; the same as {with}")),
                Some(false) => line.push_str(&format!("; differs from {with}")),
                None if !with.is_empty() => line.push_str(&format!("; goes with {with}")),
                None => {}
            }
            lines.push(line);
        }
    }
    lines
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
        "at": iso(write.at), "call": call, "wrote": wrote, "answer": write.outcome.to_string(), "run": write.run, "flow": write.flow,
        "release": write.release,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::now::FieldNow;

    fn present(found: bool, why: Option<&str>, fields: Vec<FieldNow>) -> Present {
        Present {
            system: "b1",
            connection: "erp".into(),
            object: "Orders".into(),
            id: "7".into(),
            found,
            why: why.map(str::to_owned),
            read_at: String::new(),
            fields,
        }
    }

    #[test]
    fn what_is_there_now_is_told_in_lines() {
        let field = FieldNow {
            name: "NumAtCard".into(),
            value: json!("PO 2"),
            last_written: Some(json!("PO 1")),
            changed: Some(true),
            with: vec!["PO__c".into()],
            in_step: Some(false),
        };
        let told = lines(&[
            present(true, None, vec![field]),
            present(false, None, Vec::new()),
            present(false, Some("unreachable: gone"), Vec::new()),
        ]);
        assert_eq!(
            told,
            [
                "now: Orders 7 in erp has",
                "  NumAtCard = \"PO 2\", changed since, not by Tandem: \"PO 1\" was written; differs from PO__c",
                "now: Orders 7 in erp is not there any more",
                "now: Orders 7 in erp could not be read: unreachable: gone",
            ]
        );
        assert!(lines(&[])[0].contains("no call that is kept"));
    }
}
