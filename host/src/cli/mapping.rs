//! `tandem mapping check|preview|show`

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use serde_json::{Value, json};

use super::failure::Failure;
use super::output::{Output, short};
use super::service::Parts;
use crate::connections::Connections;
use crate::connections::transport::chain;
use crate::engine::Flow;
use crate::engine::fit::{self, Grade, Schema};
use crate::store::Access;

/// Stands for the rule where the mapping plugin has the last word.
const MAPPER: &str = "(mapping plugin)";

#[derive(Subcommand)]
pub enum Command {
    /// Checks every rule against the fields both systems have now.
    Check {
        /// Only this flow.
        flow: Option<String>,
    },
    /// Applies a section's rules, as the flow's files have them, to a real record and shows what each gives; nothing is written.
    Preview {
        flow: String,
        /// A section of the mapping, such as `header` or `account`.
        section: String,
        /// The record: a Salesforce id, or a key of B1 such as C00001 or 12.
        record: String,
        /// By the release that is live, where the files say something else.
        #[arg(long)]
        live: bool,
    },
    /// Prints the mapping of a flow's files: the start of one of your own.
    Show {
        flow: String,
        /// That of the release that is live, where the files say something else.
        #[arg(long)]
        live: bool,
    },
}

pub async fn run(config: &Path, command: Command, output: &Output) -> Result<ExitCode> {
    let parts = Parts::open(config, Access::Tool).await?;
    let connections = parts.connect()?;
    match command {
        Command::Check { flow } => check(&parts, &connections, flow, output).await,
        Command::Preview { flow, section, record, live } => {
            let flow = match live {
                true => parts.flow(&flow, &connections).await?,
                false => parts.flow_of_files(&flow, &connections).await?,
            };
            preview(&flow, &section, &record, output).await
        }
        Command::Show { flow, live } => {
            // Before any grant: it is what a mapping of one's own begins with.
            let releases = parts.releases().await?;
            let release = match live {
                true => releases.live_or_files(&flow, &parts.config).await?,
                false => releases.of_files(&flow, &parts.config).await?.release,
            };
            if !live {
                parts.tell_if_not_live(&flow, &release).await?;
            }
            output.print(&release.mapping_text.trim_end());
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn check(parts: &Parts, connections: &Connections, only: Option<String>, output: &Output) -> Result<ExitCode> {
    let mut findings = Vec::new();
    let mut good = true;
    if let Some(only) = only.as_ref().filter(|only| !parts.config.flows.contains_key(*only)) {
        return Err(Failure::unknown("flow", only, parts.config.flows.keys().map(String::as_str)).into());
    }
    for name in parts.config.flows.keys().filter(|name| only.as_ref().is_none_or(|only| only == *name)) {
        let flow = match parts.flow_of_files(name, connections).await {
            Ok(flow) => flow,
            Err(error) => {
                good = false;
                findings.push([name.clone(), String::new(), String::new(), chain(error.as_ref())]);
                continue;
            }
        };
        let found = fit::check(&flow, &mut Schema::default()).await.with_context(|| format!("flow {name}"))?;
        good &= found.iter().all(|finding| finding.grade == Grade::Note);
        findings.extend(found.into_iter().map(|own| [name.clone(), own.section, own.field, own.words]));
    }
    let data: Vec<Value> = findings
        .iter()
        .map(|[flow, section, field, problem]| json!({ "flow": flow, "section": section, "field": field, "problem": problem }))
        .collect();
    let rows = findings.into_iter().map(Vec::from).collect();
    let none = "every rule reads and sets fields that are there";
    output.rows(&data, &["flow", "section", "field", "finding"], rows, none);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(super::FOUND_PROBLEMS) })
}

async fn preview(flow: &Flow, name: &str, record: &str, output: &Output) -> Result<ExitCode> {
    let section = fit::section(flow, name)?;
    let found = fit::preview(flow, section, fit::way_of(section, record), record).await?;
    if let Some(words) = found.failed {
        bail!("[{name}] {words}");
    }
    let mut values = Vec::new();
    for given in &found.values {
        match &given.value {
            Ok(value) => values.push((given, value)),
            Err(words) => bail!("[{name}] {}: {words}", given.field),
        }
    }
    let rule = |given: &fit::Given| given.rule.clone().unwrap_or_else(|| MAPPER.to_owned());
    let of =
        |(given, value): &(&fit::Given, &Value)| json!({ "field": given.field, "rule": rule(given), "value": value });
    let data: Vec<Value> = values.iter().map(of).collect();
    let shown = |given: &fit::Given, value: &Value| match given.is_put_together {
        true => "(put together by the plugin)".to_owned(),
        false => short(&value.to_string(), 60),
    };
    let rows =
        values.iter().map(|(given, value)| vec![given.field.clone(), rule(given), shown(given, value)]).collect();
    output.rows(&data, &["field", "rule", "value"], rows, "the section has no rules");
    Ok(ExitCode::SUCCESS)
}
