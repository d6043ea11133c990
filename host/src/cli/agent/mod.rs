//! `tandem agent can|list|ask|runs|show|hits`

mod can;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Subcommand;
use serde_json::json;

use super::audit::{note, user};
use super::failure::{FAILED, Failure};
use super::output::{Output, short};
use super::service::Parts;
use crate::assistants::{self, ANSWERED, Spent};
use crate::config::AgentConfig;
use crate::store::{AGENT, Access, EventId};
use crate::time::now;

/// Between two looks whether an agent has answered.
const LOOK: Duration = Duration::from_millis(200);
/// Bytes of what a step says.
const MOST_SAID: usize = 1_500;

#[derive(Subcommand)]
pub enum Command {
    /// Say whether somebody may call a tool, and by which rule.
    Can {
        /// As the audit trail calls them: an account, `token <name>`, `agent <name>`.
        who: String,
        /// Such as `accounts_find-customer`.
        tool: String,
        /// What it would be called with, a JSON object: where rules have conditions it decides between them.
        input: Option<String>,
    },
    /// The agents of this host, and what each has used today.
    List,
    /// Ask one something, and wait for its answer. The running host has it work.
    Ask {
        /// As `[agents.<name>]` calls it.
        agent: String,
        /// In your words.
        question: String,
        /// So many seconds at most; then `tandem agent show` tells the answer.
        #[arg(long, default_value_t = 300)]
        wait: u64,
    },
    /// What agents were asked, newest first.
    Runs {
        /// Only this one.
        agent: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// One run, step by step: what its model said, which tools it called, what came of it.
    Show {
        /// Its number, as `agent runs` has it.
        id: i64,
    },
    /// What an agent proposed to people who had to decide, and how often they decided so.
    Hits {
        /// As `[agents.<name>]` calls it.
        agent: String,
    },
}

pub async fn run(config: &Path, command: Command, output: &Output) -> Result<ExitCode> {
    if let Command::Can { who, tool, input } = command {
        return can::run(config, who, tool, input, output).await;
    }
    let parts = Parts::open(config, Access::Tool).await?;
    match command {
        Command::Can { .. } => {}
        Command::List => list(&parts, output).await?,
        Command::Ask { agent, question, wait } => return ask(&parts, &agent, &question, wait, output).await,
        Command::Runs { agent, limit } => runs(&parts, agent.as_deref(), limit, output).await?,
        Command::Show { id } => show(&parts, id, output).await?,
        Command::Hits { agent } => {
            known(&parts, &agent)?;
            let hits = assistants::hits(parts.store.as_ref(), &agent).await?;
            let rows = hits.iter().map(|hit| {
                let answered = hit.answered.clone().unwrap_or_default();
                let is_hit = hit.is_hit().map_or("", |hit| if hit { "as proposed" } else { "otherwise" });
                vec![hit.proposal.event.to_string(), hit.proposal.choice.clone(), answered, is_hit.to_owned()]
            });
            let header = ["event", "proposed", "answered", ""];
            output.rows(&assistants::hits_told(&hits), &header, rows.collect(), "it has proposed nothing yet");
            output.say(assistants::rate(&hits));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn known<'a>(parts: &'a Parts, name: &str) -> Result<&'a AgentConfig> {
    let own = &parts.config.agents.own;
    own.get(name).ok_or_else(|| Failure::unknown("agent", name, own.keys().map(String::as_str)).into())
}

async fn list(parts: &Parts, output: &Output) -> Result<()> {
    let (mut told, mut rows) = (Vec::new(), Vec::new());
    for (name, agent) in &parts.config.agents.own {
        let spent = Spent::of(parts.store.as_ref(), name, now()).await?;
        let (tokens, money) = (spent.read + spent.written, spent.money(agent));
        let mut starts = vec!["a question"];
        starts.extend(agent.reviews().then_some("each review"));
        starts.extend(agent.schedule.as_deref());
        told.push(json!({
            "agent": name, "enabled": agent.enabled, "model": agent.model, "tools": agent.tools(), "started_by": starts,
            "today": { "calls": spent.calls, "tokens": tokens, "money": money },
        }));
        let today = format!(
            "{} of {} calls, {tokens} of {} tokens{}",
            spent.calls,
            agent.calls_a_day,
            agent.tokens_a_day,
            agent.money_a_day.map_or_else(String::new, |most| format!(", {money:.2} of {most}"))
        );
        let state = if agent.enabled { "at work" } else { "off" };
        rows.push(vec![name.clone(), state.into(), agent.model.clone(), starts.join(", "), today]);
    }
    output.rows(&told, &["agent", "", "model", "started by", "today"], rows, "tandem.toml has no [agents.<name>]");
    Ok(())
}

async fn ask(parts: &Parts, name: &str, question: &str, wait: u64, output: &Output) -> Result<ExitCode> {
    let wrong = |why: String| Err(Failure::WrongUsage(why).into());
    if let Some(why) = assistants::refuses(name, known(parts, name)?, question) {
        return wrong(why);
    }
    if !parts.store.has_host().await? {
        return wrong("no host runs on this database, and agents work in the host: `tandem run`".into());
    }
    let store = parts.store.as_ref();
    let Some(id) = assistants::ask(store, name, question, &user()).await? else {
        return Err(anyhow::anyhow!("the question was not taken in; ask it again"));
    };
    note(store, "agent.ask", format!("event {id}"), name).await?;
    let until = Instant::now() + Duration::from_secs(wait);
    loop {
        let event = store.event(id).await?.ok_or_else(|| Failure::no_event(id.0))?;
        let is_over = event.state.is_over();
        if !is_over && Instant::now() < until {
            tokio::time::sleep(LOOK).await;
            continue;
        }
        let told = assistants::told(store, &event).await?;
        if output.is_json() {
            output.value(&told);
        } else if let Some(answer) = &told.answer {
            output.say(answer);
            output.say(format!("(run {id}; `tandem agent show {id}` tells its steps)"));
        } else if told.is_over() {
            output.say(told.why.as_deref().unwrap_or("no answer"));
        } else {
            output.say(format!("it is still at it; `tandem agent show {id}` tells how it goes"));
        }
        return Ok(if told.state == ANSWERED { ExitCode::SUCCESS } else { ExitCode::from(FAILED) });
    }
}

async fn runs(parts: &Parts, agent: Option<&str>, limit: u32, output: &Output) -> Result<()> {
    if let Some(name) = agent {
        known(parts, name)?;
    }
    let names = parts.config.agents.own.keys().map(String::as_str);
    let names: Vec<&str> = names.filter(|name| agent.is_none_or(|own| own == *name)).collect();
    let told = assistants::runs(parts.store.as_ref(), &names, limit).await?;
    let rows = told.iter().map(|own| {
        let says = short(own.answer.as_deref().or(own.why.as_deref()).unwrap_or_default(), 90);
        let [agent, by, at] = [&own.agent, &own.started_by, &own.at].map(Clone::clone);
        vec![own.id.to_string(), agent, by, at, own.state.to_owned(), says]
    });
    output.rows(
        &told,
        &["id", "agent", "started by", "at", "state", ""],
        rows.collect(),
        "no agent was asked anything",
    );
    Ok(())
}

async fn show(parts: &Parts, id: i64, output: &Output) -> Result<()> {
    let store = parts.store.as_ref();
    let event = store.event(EventId(id)).await?.filter(|event| event.flow.starts_with(AGENT));
    let event = event.ok_or_else(|| Failure::NotFound(format!("event {id} is nothing that an agent was asked")))?;
    let told = assistants::told(store, &event).await?;
    let steps = assistants::steps_of(store, event.id).await?;
    if output.is_json() {
        let mut told = serde_json::to_value(&told)?;
        told["steps"] = serde_json::to_value(&steps)?;
        output.value(&told);
        return Ok(());
    }
    output.say(format!("{} asked by {}, {}", told.agent, told.started_by, told.state));
    let rows = steps.into_iter().map(|own| vec![own.at, own.step, crate::plain::readable(own.says, MOST_SAID)]);
    output.rows(&(), &["at", "step", "says"], rows.collect(), "nothing was done yet");
    output.say(told.answer.or(told.why).unwrap_or_default());
    Ok(())
}
