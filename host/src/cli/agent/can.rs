//! `tandem agent can`

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value, json};

use crate::agents::{self, Offered, Own, PREFIX};
use crate::assistants;
use crate::cli::audit::user;
use crate::cli::failure::{FOUND_PROBLEMS, Failure};
use crate::cli::output::Output;
use crate::cli::service::Parts;
use crate::config::{AgentConfig, Config, Then};
use crate::engine::calls::rows;
use crate::engine::calls::{Judged, Policy, Ruling};
use crate::sandbox::like;
use crate::store::Access;
use crate::store::{Purpose, Role, Store};

/// Says whether somebody may call a tool, and by which rule.
pub async fn run(config: &Path, who: String, tool: String, input: Option<String>, output: &Output) -> Result<ExitCode> {
    let input: Option<Value> = input
        .map(|text| serde_json::from_str(&text))
        .transpose()
        .map_err(|error| Failure::WrongUsage(format!("the input of {tool} is not JSON: {error}")))?;
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
    let known = known_as(&parts.config, parts.store.as_ref(), &who).await?;
    if known.is_none() && parts.config.agents.oauth.is_none() {
        let tokens = parts.store.tokens().await?.into_iter().map(|own| format!("token {}", own.name));
        let accounts = parts.store.accounts().await?.into_iter().map(|own| own.name);
        let agents = parts.config.agents.own.keys().map(|name| assistants::who(name));
        let names: Vec<String> = tokens.chain(accounts).chain(agents).chain([user()]).collect();
        return Err(Failure::unknown("caller", &who, names.iter().map(String::as_str)).into());
    }
    let found = Offered { name: tool.clone(), flow: flow.to_owned(), tool: found };
    let policy = Policy::of(&parts.config.agents);
    let call = Judged { who: &who, tool: &tool, deed: found.tool.deed };
    let mut rulings = match &input {
        Some(input) if !policy.asks_for_rehearsal(call) => vec![policy.on(call, input, None)],
        _ => policy.rulings(call),
    };
    if let Some(by) = known.and_then(|(role, flows)| agents::out_of_reach(role, flows.as_deref(), flow)) {
        rulings.truncate(1);
        rulings.iter_mut().for_each(|own| (own.then, own.by) = (Then::Refuse, by.clone()));
    }
    let agent = agent_of(&parts.config, &who);
    if agent.is_some_and(|own| !own.tools().iter().any(|pattern| like(pattern, &tool))) {
        rulings.truncate(1);
        rulings
            .iter_mut()
            .for_each(|own| (own.then, own.by) = (Then::Refuse, format!("`tools` of its section do not name {tool}")));
    }
    let hides = rulings.last().map(|own| own.hides.clone()).unwrap_or_default();
    let (hidden, unknown): (Vec<&str>, Vec<&str>) =
        hides.iter().map(String::as_str).partition(|name| found.gives(name));
    let rows = policy.rows(call);
    let problems = input.as_ref().map(|input| found.tool.problems_of(input)).unwrap_or_default();
    if !problems.is_empty() {
        return Err(Failure::WrongUsage(format!("{tool} does not take that: {}", problems.join("; "))).into());
    }
    let about = input.as_ref().and_then(|input| rows::about(&found.tool, input, &rows).err());
    if agents::is_how_a_call_stands(&tool) {
        rulings.truncate(1);
        rulings.iter_mut().for_each(|own| {
            (own.then, own.by) = (Then::Allow, "whoever made a call may know how it stands".into());
        });
    } else if let Some(why) = found.misses(&rows).or(about) {
        rulings.iter_mut().for_each(|own| (own.then, own.by) = (Then::Refuse, format!("{}: {why}", own.by)));
    }
    let allowed = rulings.iter().any(Ruling::is_allowed);
    if output.is_json() {
        let told =
            rulings.iter().map(|own| json!({ "then": word(own), "by": own.by, "approved_by": approved_by(own) }));
        output.value(
            &json!({ "who": who, "tool": tool, "allowed": allowed, "rulings": told.collect::<Vec<_>>(), "hides": hidden, "not_there_to_hide": unknown, "rows": rows }),
        );
    } else {
        if rulings.len() > 1 {
            output.say(match input.is_some() && policy.asks_for_rehearsal(call) {
                true => "what a rehearsal of the call shows decides between these, the first whose condition holds:",
                false => "the first of these whose condition holds decides:",
            });
        }
        for own in &rulings {
            output.say(format!("{who} {} {tool}, which {}: {}", says(own), found.tool.deed, own.by));
            if let Some(approved) = approved_by(own) {
                output.say(format!("it is approved by {approved}, within {} hours", own.approval.hours));
            }
        }
        if !hidden.is_empty() {
            output.say(format!("hidden from them: {}", hidden.join(", ")));
        }
        for (field, patterns) in rows.iter().filter(|_| allowed) {
            output.say(format!("only records with {field} = {}", patterns.join(" or ")));
        }
        if !unknown.is_empty() {
            output.say(format!(
                "{tool} has no such field to hide: {}; `tandem tool show {tool}` names them",
                unknown.join(", ")
            ));
        }
    }
    Ok(if allowed { ExitCode::SUCCESS } else { ExitCode::from(FOUND_PROBLEMS) })
}

fn word(ruling: &Ruling) -> &'static str {
    match ruling.then {
        Then::Allow => "allow",
        Then::Approve => "approve",
        Then::Refuse => "refuse",
    }
}

fn says(ruling: &Ruling) -> &'static str {
    match ruling.then {
        Then::Allow => "may call",
        Then::Approve => "may, once a person has approved it, call",
        Then::Refuse => "may not call",
    }
}

/// Who approves, in words; none where nobody has to.
fn approved_by(ruling: &Ruling) -> Option<String> {
    let who = match ruling.approval.approvers.is_empty() {
        true => "whoever answers reviews in the console or on this server".to_owned(),
        false => ruling.approval.approvers.join(", "),
    };
    let but = if ruling.approval.own { "" } else { ", but not by who calls" };
    (ruling.then == Then::Approve).then(|| format!("{who}{but}"))
}

/// The agent of one's own that is called so.
fn agent_of<'a>(config: &'a Config, who: &str) -> Option<&'a AgentConfig> {
    config.agents.own.get(who.strip_prefix("agent ")?)
}

/// Role and flows of who is called so; none where the host knows nobody of that name. The user of this server may all.
async fn known_as(config: &Config, store: &dyn Store, who: &str) -> Result<Option<(Role, Option<Vec<String>>)>> {
    if let Some(agent) = agent_of(config, who) {
        return Ok(Some((Role::Reviewer, agent.flows.clone())));
    }
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
