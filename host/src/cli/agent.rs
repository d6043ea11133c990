//! `tandem agent can`

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use serde_json::json;

use super::audit::user;
use super::failure::{FOUND_PROBLEMS, Failure};
use super::output::Output;
use super::service::Parts;
use crate::agents::{self, Offered, Own, PREFIX, Policy, Ruling};
use crate::store::sqlite::Access;
use crate::store::{Purpose, Role, Store};

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
    // Whom the host does not know may come from the company's provider: of them rules alone are known.
    let known = known_as(parts.store.as_ref(), &who).await?;
    if known.is_none() && parts.config.agents.oauth.is_none() {
        let tokens = parts.store.tokens().await?.into_iter().map(|own| format!("token {}", own.name));
        let accounts = parts.store.accounts().await?.into_iter().map(|own| own.name);
        let names: Vec<String> = tokens.chain(accounts).chain([user()]).collect();
        return Err(Failure::unknown("caller", &who, names.iter().map(String::as_str)).into());
    }
    let found = Offered { name: tool.clone(), flow: flow.to_owned(), tool: found };
    let ruling = Policy::of(&parts.config.agents).on(&who, &tool, found.tool.deed);
    let ruling = match known.and_then(|(role, flows)| agents::out_of_reach(role, flows.as_deref(), flow)) {
        Some(by) => Ruling { allowed: false, by, ..ruling },
        None => ruling,
    };
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

/// Role and flows of who is called so; none where the host knows nobody of that name. The user of this server may all.
async fn known_as(store: &dyn Store, who: &str) -> Result<Option<(Role, Option<Vec<String>>)>> {
    if who == user() {
        return Ok(Some((Role::Admin, None)));
    }
    if let Some(name) = who.strip_prefix("token ") {
        let mut tokens = store.tokens().await?.into_iter();
        let own = tokens.find(|own| own.name == name && own.purpose == Purpose::Tools);
        return Ok(own.map(|own| (own.role, own.flows)));
    }
    Ok(store.account(who).await?.map(|own| (own.role, own.flows)))
}
