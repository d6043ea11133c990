//! `tandem agent can`

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use serde_json::json;

use super::failure::{FOUND_PROBLEMS, Failure};
use super::output::Output;
use super::service::Parts;
use crate::agents::{Offered, Own, PREFIX, Policy};
use crate::store::sqlite::Access;

#[derive(Subcommand)]
pub enum Command {
    /// Say whether somebody may call a tool, and by which rule.
    Can {
        /// As the audit trail calls them: an account, or `token <name>`.
        who: String,
        /// Such as `accounts_find-customer`.
        tool: String,
    },
}

pub async fn run(config: &Path, command: Command, output: &Output) -> Result<ExitCode> {
    let Command::Can { who, tool } = command;
    let parts = Parts::open(config, Access::Tool).await?;
    let unknown = || {
        let flows = parts.config.flows.keys().map(String::as_str);
        Failure::unknown("flow", tool.split('_').next().unwrap_or_default(), flows)
    };
    let (flow, name) = tool.split_once('_').ok_or_else(unknown)?;
    let found = if let Some(own) = Own::named(name).filter(|_| flow == PREFIX) {
        own.tool().map_err(anyhow::Error::msg)?
    } else if parts.config.flows.contains_key(flow) {
        let release = parts.releases().await?.live_or_files(flow, &parts.config).await?;
        let tools = release.plugin.tools();
        let known = || Failure::unknown("tool", name, tools.iter().map(|tool| tool.name.as_str()));
        tools.iter().find(|own| own.name == name).ok_or_else(known)?.clone()
    } else {
        return Err(unknown().into());
    };
    let found = Offered { name: tool.clone(), flow: flow.to_owned(), tool: found };
    let ruling = Policy::of(&parts.config.agents).on(&who, &tool, found.tool.deed);
    let (hidden, unknown): (Vec<&str>, Vec<&str>) =
        ruling.hides.iter().map(String::as_str).partition(|name| found.gives(name));
    if output.is_json() {
        output.value(
            &json!({ "who": who, "tool": tool, "allowed": ruling.allowed, "by": ruling.by, "hides": hidden, "not_there_to_hide": unknown }),
        );
    } else {
        let word = if ruling.allowed { "may" } else { "may not" };
        output.say(format!("{who} {word} call {tool}, which {}: {}", found.tool.deed, ruling.by));
        if !hidden.is_empty() {
            output.say(format!("hidden from them: {}", hidden.join(", ")));
        }
        if !unknown.is_empty() {
            output.say(format!(
                "{tool} has no such field to hide: {}; `tandem tool show {tool}` names them",
                unknown.join(", ")
            ));
        }
    }
    Ok(if ruling.allowed { ExitCode::SUCCESS } else { ExitCode::from(FOUND_PROBLEMS) })
}
