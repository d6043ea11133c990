//! `tandem reconcile [flow…] [--since DAY]`

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::failure::{FAILED, FOUND_PROBLEMS, Failure};
use super::output::{Output, short};
use super::service::Parts;
use crate::reconcile::report::{Difference, Report};
use crate::reconcile::{Folder, Host, Progress, Since, not_compared, one, run as compare};
use crate::store::Access;

/// What passes is waited out for so long: somebody sits there, and may ask again.
const PATIENCE: Duration = Duration::from_secs(45);
/// Differences that a table shows.
const SHOWN: usize = 20;

#[derive(Args)]
pub struct Options {
    /// Only these flows.
    flows: Vec<String>,
    /// Only what was changed or dated since this day, such as 2026-01-31.
    #[arg(long, value_parser = day)]
    since: Option<String>,
    /// Only this record, by its Salesforce id, an order's DocEntry, a customer's CardCode or an item's ItemCode. No report of it is kept.
    #[arg(long, conflicts_with = "since", value_name = "ID")]
    record: Option<String>,
}

pub async fn run(config: &Path, options: Options, output: &Output) -> Result<ExitCode> {
    let parts = Parts::open(config, Access::Tool).await?;
    let connections = parts.connect()?;
    for flow in &options.flows {
        if !parts.config.flows.contains_key(flow) {
            let known = parts.config.flows.keys().map(String::as_str);
            return Err(Failure::unknown("flow", flow, known).into());
        }
    }
    if options.record.as_deref().is_some_and(|record| record.trim().is_empty()) {
        return Err(Failure::WrongUsage("--record names no record".into()).into());
    }
    let since = options.since.map(|day| Since::of(&day, &parts.config).map_err(|why| anyhow!("--since {day}: {why}")));
    let since = since.transpose()?;
    let releases = parts.releases().await?.clone();
    let host = Host::beside(parts.config.clone(), connections, releases, parts.store.clone(), PATIENCE).await?;
    let bar = if output.is_json() { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    let style = ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    let bar = bar.with_style(style);
    bar.enable_steady_tick(Duration::from_millis(200));
    let told = |progress: Progress| {
        let Progress { flow, comparison, step, rows } = progress;
        bar.set_message(format!("{flow}: {comparison}: {}, {rows} records", step.words()));
        bar.tick();
    };
    let report = match &options.record {
        Some(record) => {
            bar.set_message(format!("reading {record} in both systems"));
            let all = || parts.config.flows.keys().cloned().collect();
            let flows = if options.flows.is_empty() { all() } else { options.flows.clone() };
            one(&host, &flows, record.trim()).await
        }
        None => compare(&host, &options.flows, since, &told).await,
    };
    bar.finish_and_clear();
    let report = report.context("comparing both sides")?;
    if let Some(record) = options.record.as_ref().filter(|_| report.flows.is_empty()) {
        return Err(Failure::NotFound(not_compared(record)).into());
    }
    if output.is_json() {
        output.value(&report);
    } else {
        show(&report, &Folder::of(&parts.config), output);
    }
    // Of one record nothing is kept: whether what was first seen stays is not looked at again.
    let open = report.unexplained() + if options.record.is_some() { report.first_seen() } else { 0 };
    Ok(if open > 0 {
        ExitCode::from(FOUND_PROBLEMS)
    } else if report.is_whole() && report.is_something() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILED)
    })
}

fn show(report: &Report, folder: &Folder, output: &Output) {
    let mut rows = Vec::new();
    for flow in &report.flows {
        if let Some(why) = &flow.unsaid {
            rows.push(vec![flow.flow.clone(), short(why, 140)]);
        }
        for own in &flow.comparisons {
            let mut row = vec![flow.flow.clone(), own.title.clone()];
            match &own.not_whole {
                Some(why) => row.push(format!("not whole: {}", short(why, 120))),
                None => {
                    let counts = [own.salesforce, own.b1, own.in_step, own.all(), own.unexplained];
                    row.extend(counts.map(|count| count.to_string()));
                }
            }
            rows.push(row);
        }
    }
    let header = ["flow", "what", "Salesforce", "B1", "in step", "differences", "not explained"];
    output.rows(&(), &header, rows, "there are no flows");
    let sums: Vec<Vec<String>> = report
        .comparisons()
        .flat_map(|(flow, own)| own.sums.iter().filter(|sum| !sum.currency.is_empty()).map(move |sum| (flow, sum)))
        .map(|(flow, sum)| {
            let parts = [sum.other_month, sum.rounding, sum.alone, sum.differences];
            let amounts = [sum.salesforce, sum.b1, sum.difference].into_iter().chain(parts);
            let amounts = amounts.map(|amount| if amount.is_zero() { "0".into() } else { amount.to_string() });
            let words = [&flow.flow, &sum.what, &sum.currency, &sum.month].map(String::clone);
            words.into_iter().chain(amounts).collect()
        })
        .collect();
    if !sums.is_empty() {
        let header = [
            "flow",
            "sum",
            "currency",
            "month",
            "Salesforce",
            "B1",
            "difference",
            "of it: other month",
            "rounding",
            "alone",
            "differences",
        ];
        output.rows(&(), &header, sums, "");
    }
    let all: Vec<&Difference> = report.comparisons().flat_map(|(_, own)| &own.differences).collect();
    let differences = report.differences();
    if differences > 0 {
        let row = |own: &&Difference| {
            let ids = [&own.salesforce, &own.b1].map(String::as_str);
            let ids: Vec<&str> = ids.into_iter().filter(|id| !id.is_empty()).collect();
            vec![own.kind.words().to_owned(), short(&own.label, 60), ids.join(", "), short(&own.reason, 140)]
        };
        let rows = all.iter().take(SHOWN).map(row).collect();
        output.rows(&(), &["difference", "record", "ids", "reason"], rows, "");
        let shown = all.len().min(SHOWN) as u64;
        if differences > shown {
            output.say(format!("and {} more", differences - shown));
        }
    }
    if report.name.is_empty() {
        let records = report.comparisons().flat_map(|(flow, own)| {
            own.records.iter().map(move |record| {
                let words = [flow.flow.as_str(), &own.title, record.side.word(), &record.id, &record.label];
                words.map(|word| short(word, 60)).to_vec()
            })
        });
        output.rows(&(), &["flow", "what", "in", "id", "record"], records.collect(), "");
        return;
    }
    output.say(report.words());
    output.say(format!("kept in {}", folder.path().join(&report.name).display()));
}

/// A day as `--since` takes it.
fn day(text: &str) -> Result<String, String> {
    text.parse::<chrono::NaiveDate>().map(|day| day.to_string()).map_err(|_| "write it like 2026-01-31".into())
}
