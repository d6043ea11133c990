//! `tandem agent can|list|ask|runs|show|hits`

mod can;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value, json};

use super::audit::{note, user};
use super::failure::{FAILED, Failure};
use super::output::{Output, short};
use super::service::Parts;
use crate::assistants::{self, Spent, flow_of};
use crate::config::AgentConfig;
use crate::store::sqlite::{Access, has_host};
use crate::store::{AGENT, Event, EventFilter, EventId};
use crate::time::{iso, now};

/// Between two looks whether an agent has answered.
const LOOK: Duration = Duration::from_millis(200);
/// Letters of a question.
const MOST_QUESTION: usize = 4_000;

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
    if !known(parts, name)?.enabled {
        return wrong(format!("the agent {name} is off: enabled = true in [agents.{name}] sets it to work"));
    }
    if question.trim().is_empty() || question.chars().count() > MOST_QUESTION {
        return wrong(format!("a question has 1 to {MOST_QUESTION} letters"));
    }
    if !has_host(&parts.config.resolve(&parts.config.store.path)) {
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
        } else if let Some(answer) = told["answer"].as_str() {
            output.say(answer);
            output.say(format!("(run {id}; `tandem agent show {id}` tells its steps)"));
        } else if is_over {
            output.say(told["why"].as_str().unwrap_or("no answer"));
        } else {
            output.say(format!("it is still at it; `tandem agent show {id}` tells how it goes"));
        }
        let answered = told["state"] == "answered";
        return Ok(if answered { ExitCode::SUCCESS } else { ExitCode::from(FAILED) });
    }
}

async fn runs(parts: &Parts, agent: Option<&str>, limit: u32, output: &Output) -> Result<()> {
    if let Some(name) = agent {
        known(parts, name)?;
    }
    let names = parts.config.agents.own.keys().filter(|name| agent.is_none_or(|own| own == name.as_str()));
    let mut found: Vec<Event> = Vec::new();
    for name in names {
        let filter = EventFilter { flow: Some(flow_of(name)), limit, ..EventFilter::default() };
        found.extend(parts.store.events(filter).await?);
    }
    found.sort_by_key(|event| std::cmp::Reverse(event.id));
    found.truncate(limit as usize);
    let mut told = Vec::new();
    for event in &found {
        told.push(assistants::told(parts.store.as_ref(), event).await?);
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows = told.iter().map(|own| {
        let says = short(own["answer"].as_str().or(own["why"].as_str()).unwrap_or_default(), 90);
        vec![
            own["id"].to_string(),
            text(&own["agent"]),
            text(&own["started_by"]),
            text(&own["at"]),
            text(&own["state"]),
            says,
        ]
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
    let mut told = assistants::told(store, &event).await?;
    let mut steps = Vec::new();
    for run in store.runs_of(event.id).await? {
        for entry in store.journal_read(run.id).await? {
            let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
            let (asked, came) = (read(&entry.request), read(&entry.response));
            steps.push(
                json!({ "at": iso(entry.at), "step": entry.kind, "asked": asked, "came": came, "took_ms": entry.took }),
            );
        }
    }
    if output.is_json() {
        told["steps"] = steps.into();
        output.value(&told);
        return Ok(());
    }
    output.say(format!(
        "{} asked by {}, {}",
        told["agent"].as_str().unwrap_or_default(),
        told["started_by"].as_str().unwrap_or_default(),
        told["state"].as_str().unwrap_or_default()
    ));
    let rows = steps.iter().map(|own| {
        let says = match own["step"].as_str() {
            Some("agent.begin") => own["came"]["prompt"].as_str().unwrap_or_default().to_owned(),
            Some("agent.model") => {
                let calls = own["came"]["calls"].as_array().into_iter().flatten();
                let calls =
                    calls.map(|call| format!("{} {}", call["tool"].as_str().unwrap_or_default(), call["input"]));
                let text = own["came"]["text"].as_str().unwrap_or_default().to_owned();
                Some(text).filter(|text| !text.is_empty()).into_iter().chain(calls).collect::<Vec<_>>().join("\n")
            }
            _ => own["came"]["told"].as_str().unwrap_or_default().to_owned(),
        };
        let step = own["step"].as_str().unwrap_or_default();
        vec![own["at"].as_str().unwrap_or_default().to_owned(), step.to_owned(), crate::plain::readable(says, 1_500)]
    });
    output.rows(&(), &["at", "step", "says"], rows.collect(), "nothing was done yet");
    output.say(told["answer"].as_str().or(told["why"].as_str()).unwrap_or_default());
    Ok(())
}
