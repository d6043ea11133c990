//! `tandem mapping check|preview|show`

mod schema;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use serde_json::{Value, json};

use self::schema::Schema;
use super::failure::Failure;
use super::output::{Output, short};
use super::service::Parts;
use crate::connections::salesforce::full_id;
use crate::connections::transport::chain;
use crate::connections::{Call, Connections};
use crate::engine::Flow;
use crate::sandbox::Section;
use crate::store::sqlite::Access;

/// Begins what is told of alternatives: no fault.
const USED: &str = "in use: ";

/// Stands for the rule where the mapping plugin has the last word.
const MAPPER: &str = "(mapping plugin)";

/// Bytes of a record.
const LIMIT: u64 = 16 << 20;

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
        let chosen = schema::chosen(&flow).await.with_context(|| format!("flow {name}"))?;
        for (what, section) in &chosen {
            let told = format!("{USED}{section}, as the org's fields are");
            findings.push([name.clone(), section.clone(), what.clone(), told]);
        }
        for (section, problem) in flow.release.needless_sections() {
            good = false;
            findings.push([name.clone(), section, String::new(), problem]);
        }
        let others = |section: &&Section| {
            let groups = flow.bound.mapping.alternatives();
            let group = groups.iter().find(|(_, sections)| sections.contains(&section.name));
            group.is_none_or(|(what, _)| chosen.get(what) == Some(&section.name))
        };
        for section in flow.release.plugin.description.sections.iter().filter(others) {
            for (field, problem) in schema::problems(&flow, section).await.with_context(|| format!("flow {name}"))? {
                good &= problem.starts_with("not checked");
                findings.push([name.clone(), section.name.clone(), field, problem]);
            }
        }
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
    let sections = &flow.release.plugin.description.sections;
    let Some(section) = sections.iter().find(|section| section.name == name) else {
        let kind = format!("section of the plugin {}:", flow.release.plugin.description.name);
        return Err(Failure::unknown(&kind, name, sections.iter().map(|section| section.name.as_str())).into());
    };
    let id = full_id(record).filter(|_| !section.to_salesforce || is_no_code(record));
    let from_salesforce = section.to_b1 && (!section.to_salesforce || id.is_some());
    let applied = match (section.to_b1 && section.to_salesforce, from_salesforce) {
        (false, _) => name.to_owned(),
        (true, true) => format!("{name}.to-b1"),
        (true, false) => format!("{name}.to-salesforce"),
    };
    let mapping = &flow.bound.mapping;
    let source = if from_salesforce {
        let Some(id) = id else {
            let (section, object) = (&section.name, &section.salesforce);
            let why = format!("{record} is not a Salesforce id; the section {section} reads {object} records");
            return Err(Failure::WrongUsage(why).into());
        };
        salesforce_record(flow, section, &mapping.source_fields(&applied), &id).await?
    } else {
        b1_record(flow, section, record).await?
    };
    let target = match mapping.apply(&applied, &source) {
        Ok(target) => target,
        Err(error) => bail!("[{name}] {}: {}", error.field, error.message),
    };
    let last = match &flow.bound.mapper {
        Some(mapper) => match mapper.map(&applied, &source.to_string(), &target.to_string()).await? {
            Ok(last) => serde_json::from_str(&last)?,
            Err(why) => bail!("[{name}] {why}"),
        },
        None => target.clone(),
    };
    let targets = mapping.targets();
    let rules = targets.get(applied.as_str()).cloned().unwrap_or_default();
    let mut told: Vec<(&str, &str)> = rules.iter().map(|(field, rule)| (*field, *rule)).collect();
    // What the mapping plugin sets or changes is its doing, whatever the rule says.
    for (field, _) in last.as_object().into_iter().flatten().filter(|(field, value)| target[field.as_str()] != **value)
    {
        told.retain(|(own, _)| own != field);
        told.push((field, MAPPER));
    }
    let data: Vec<Value> =
        told.iter().map(|(field, rule)| json!({ "field": field, "rule": rule, "value": last[*field] })).collect();
    let shown = |field: &str, rule: &str| {
        if put_together(rule, &source) {
            "(put together by the plugin)".to_owned()
        } else {
            short(&last[field].to_string(), 60)
        }
    };
    let rows =
        told.iter().map(|(field, rule)| vec![(*field).to_owned(), (*rule).to_owned(), shown(field, rule)]).collect();
    output.rows(&data, &["field", "rule", "value"], rows, "the section has no rules");
    Ok(ExitCode::SUCCESS)
}

/// True for a rule over something that is not in the record itself, such as `source.BillTo.City`.
fn put_together(rule: &str, source: &Value) -> bool {
    let first = rule.strip_prefix("source.").and_then(|path| path.split_once('.')).map(|(first, _)| first);
    first.is_some_and(|first| source.get(first).is_none())
}

/// Where either may be meant: codes of B1 have up to 15 letters, accounts and contacts begin with 00.
fn is_no_code(id: &str) -> bool {
    id.len() == 18 || id.starts_with("00")
}

async fn salesforce_record(flow: &Flow, section: &Section, fields: &[String], id: &str) -> Result<Value> {
    let mut fields = fields.to_vec();
    fields.push("Id".into());
    fields.sort();
    fields.dedup();
    let soql = format!("SELECT {} FROM {} WHERE Id = '{id}'", fields.join(","), section.salesforce);
    let path = format!("/query?q={}", crate::connections::salesforce::percent(&soql));
    let body = schema::get(flow, "salesforce", Call::get(path)).await?;
    match body["records"].as_array().and_then(|rows| rows.first()) {
        Some(row) => Ok(row.clone()),
        None => Err(Failure::NotFound(format!("there is no {} {id}", section.salesforce)).into()),
    }
}

async fn b1_record(flow: &Flow, section: &Section, key: &str) -> Result<Value> {
    let (set, part) = section.b1.split_once('/').unwrap_or((&section.b1, ""));
    let quoted = if key.chars().all(|c| c.is_ascii_digit()) && Schema::has_number_key(set) {
        key.to_owned()
    } else {
        format!("'{}'", crate::connections::salesforce::percent(&key.replace('\'', "''")))
    };
    let record = schema::get(flow, "b1", Call::get(format!("/{set}({quoted})"))).await?;
    match part {
        "" => Ok(record),
        part => match record[part].as_array().and_then(|rows| rows.first()) {
            Some(row) => Ok(row.clone()),
            None => Err(Failure::NotFound(format!("{set}({quoted}) has no {part}")).into()),
        },
    }
}
