//! `tandem alert`: tries the channels by which people are told.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use super::failure::{FOUND_PROBLEMS, Failure};
use super::output::Output;
use crate::alerts;
use crate::checks::Finding;
use crate::config::Config;

#[derive(Subcommand)]
pub enum Command {
    /// Send a test message, and say what came back.
    Test {
        /// Only by this channel: its section is [alerts.<name>].
        name: Option<String>,
    },
}

pub async fn run(config: &Path, command: Command, output: &Output) -> Result<ExitCode> {
    let Command::Test { name } = command;
    let config = Config::load(config)?;
    let channels = &config.alerts.channels;
    if let Some(name) = name.as_ref().filter(|name| !channels.contains_key(*name)) {
        return Err(Failure::unknown("channel", name, channels.keys().map(String::as_str)).into());
    }
    if channels.is_empty() {
        let none = "tandem.toml names no channel: add a section [alerts.<name>]; see the operator guide";
        return Err(Failure::WrongUsage(none.into()).into());
    }
    let mut findings = Vec::new();
    for (own, channel) in channels.iter().filter(|(own, _)| name.as_ref().is_none_or(|name| name == *own)) {
        let at = alerts::server(&config, channel).map(|server| format!(" ({server})"));
        let what = format!("channel {own}{}", at.unwrap_or_default());
        findings.push(match alerts::test(&config, channel).await {
            Ok(alerts::Sent { says, missed: None }) => Finding::good(what, format!("sent; the server says: {says}")),
            Ok(alerts::Sent { says, .. }) => Finding::bad(
                what,
                format!("sent, and not to all; the server says: {says}"),
                alerts::Fault::Recipient.mend(),
            ),
            Err(unsent) => Finding::bad(what, &unsent, unsent.fault.mend()),
        });
    }
    let rows = findings.iter().map(|f| vec![f.what.clone(), f.word().into(), f.says.clone(), f.mend.clone()]).collect();
    output.rows(&findings, &["what", "", "says", "mend"], rows, "");
    Ok(if findings.iter().all(|finding| finding.good) { ExitCode::SUCCESS } else { ExitCode::from(FOUND_PROBLEMS) })
}
