//! Agents of one's own: what pursues a goal in words with a model and the flows' tools. An agent is a caller like any other, under the name
//! `agent <name>`, so that rules, rates, approvals and the audit trail hold for it. What it is asked is an event of a flow of its own
//! (`agent:<name>`), in the store like all others: sealed, kept, searched and forgotten as they are.

mod budget;
pub mod model;
mod prompt;
mod propose;
mod run;
mod starts;
mod steps;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::ToSchema;

pub use self::budget::Spent;
use self::model::Stop;
pub use self::propose::{Hit, Proposal, counts as hit_counts, hits, rate, told as hits_told};
use self::run::Ended;
use self::steps::Steps;
pub use self::steps::{Step, steps_of};
use crate::agents::{Caller, Gateway};
use crate::config::{AgentConfig, Config};
use crate::plain::readable;
use crate::store::{
    AGENT, Event, EventFilter, EventId, Finish, Haste, Inbox, Intake, Leased, Millis, NewEvent, Role, Run, Store,
    StoreError, Verdict, Via, Whose,
};
use crate::time::{fresh_trace, iso, now};

/// Topics of what an agent is asked.
pub const QUESTION: &str = "agent.question";
/// See [`QUESTION`].
pub const REVIEW: &str = "agent.review";
/// See [`QUESTION`].
pub const SCHEDULE: &str = "agent.schedule";

/// In the place of a release, which an agent has none of.
const RELEASE: &str = "agent";
/// Between two looks for work, and after a store that did not answer.
const LOOK: Duration = Duration::from_secs(1);
const AGAIN: Duration = Duration::from_secs(5);
/// Between two looks whether the flows run, and so long they are waited for: one that cannot run holds no agent up.
const SOON: Duration = Duration::from_millis(200);
const FLOWS: Duration = Duration::from_secs(60);
/// What passes is waited for so long, so often; who asked by hand asks again by hand.
const LATER: i64 = 600_000;
const MOST_TRIES: u32 = 5;
/// Bytes of why there is no answer, and of an answer.
const MOST_TOLD: usize = 2_000;
const MOST_ANSWER: usize = 64 << 10;

/// The flow of what an agent is asked.
pub fn flow_of(name: &str) -> String {
    format!("{AGENT}{name}")
}

/// How the audit trail calls an agent.
pub fn who(name: &str) -> String {
    format!("agent {name}")
}

/// As which an agent calls: what it may is said by the rules, and by its own section.
pub fn caller(name: &str, config: &AgentConfig, asked_by: Option<&str>) -> Caller {
    Caller {
        who: who(name),
        role: Role::Reviewer,
        flows: config.flows.as_ref().map(|flows| flows.iter().cloned().collect()),
        via: Via::Agent,
        program: None,
        owner: asked_by.map(str::to_owned),
        address: None,
        tools: Some(config.tools()),
    }
}

/// What starts a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "start", rename_all = "lowercase")]
pub enum Start {
    /// A question of somebody.
    Question {
        /// In their words.
        question: String,
        /// Whose, as the audit trail calls them.
        by: String,
    },
    /// A question of a flow that waits for a person.
    Review {
        /// The event that asks.
        event: EventId,
        /// What.
        asked: String,
    },
    /// The clock.
    Schedule {
        /// What is asked then.
        question: String,
    },
}

impl Start {
    fn of(event: &Event) -> Option<Self> {
        serde_json::from_str(&event.payload).ok()
    }

    /// What is asked, in words.
    fn asked(self) -> String {
        match self {
            Self::Question { question, .. } | Self::Schedule { question } => question,
            Self::Review { asked, .. } => asked,
        }
    }

    /// Who asked, where a person did: what they have asked for they do not approve.
    fn by(&self) -> Option<&str> {
        if let Self::Question { by, .. } = self { Some(by) } else { None }
    }

    /// As an event; `dedup`: by which the same one is taken once.
    fn event(&self, agent: &str, key: String, dedup: String) -> NewEvent {
        let topic = match self {
            Self::Question { .. } => QUESTION,
            Self::Review { .. } => REVIEW,
            Self::Schedule { .. } => SCHEDULE,
        };
        NewEvent {
            flow: flow_of(agent),
            topic: topic.into(),
            key,
            kind: String::new(),
            dedup,
            payload: serde_json::to_string(self).unwrap_or_default(),
            trace: fresh_trace(),
            haste: Haste::AtOnce,
            held: None,
        }
    }
}

/// Has an agent asked something; the event that tells how it goes.
pub async fn ask(store: &dyn Store, agent: &str, question: &str, by: &str) -> Result<Option<EventId>, StoreError> {
    let (key, start) = (fresh_trace(), Start::Question { question: question.to_owned(), by: by.to_owned() });
    let event = start.event(agent, format!("asked {key}"), key);
    let (flow, trace) = (event.flow.clone(), event.trace.clone());
    store.append(Intake { events: vec![event], ..Intake::default() }).await?;
    let asked = store.of_trace(&trace, 1).await?;
    Ok(asked.into_iter().find(|event| event.flow == flow).map(|event| event.id))
}

/// An agent at work.
pub(crate) struct Agent {
    name: String,
    config: AgentConfig,
    base: PathBuf,
    gateway: Arc<Gateway>,
    inbox: Arc<Inbox>,
}

/// The agents of a host.
pub struct Assistants {
    agents: Vec<Agent>,
    inbox: Arc<Inbox>,
}

impl Assistants {
    /// As `tandem.toml` says it: those that are at work.
    pub fn of(config: &Config, gateway: &Arc<Gateway>, inbox: &Arc<Inbox>) -> Self {
        let agent = |(name, own): (&String, &AgentConfig)| Agent {
            name: name.clone(),
            config: own.clone(),
            base: config.base.clone(),
            gateway: gateway.clone(),
            inbox: inbox.clone(),
        };
        Self { agents: config.agents.at_work().map(agent).collect(), inbox: inbox.clone() }
    }

    /// Until `stop` turns true. What is under way then is taken up by who comes next. `ready`: the flows are there whose tools are called; before, an agent
    /// would be told that there are none.
    pub async fn run(self, ready: impl Fn() -> bool, mut stop: watch::Receiver<bool>) {
        let began = Instant::now();
        while !self.agents.is_empty() && !ready() && began.elapsed() < FLOWS {
            tokio::select! { () = tokio::time::sleep(SOON) => {} _ = stop.wait_for(|stop| *stop) => return }
        }
        let mut left = loop {
            match self.inbox.store().abandoned(Whose::Agents, true).await {
                Ok(runs) => break of_agents(runs),
                Err(error) => tracing::error!(%error, "cannot look for runs of agents left open; trying again"),
            }
            tokio::select! { () = tokio::time::sleep(AGAIN) => {} _ = stop.wait_for(|stop| *stop) => return }
        };
        let work = self.agents.iter().map(|agent| {
            let own = left.remove(&flow_of(&agent.name)).unwrap_or_default();
            agent.work(own, stop.clone())
        });
        let work: Vec<_> = work.collect();
        for run in left.into_values().flatten() {
            let why = "the host stopped in the middle of it, and has no such agent at work any more";
            finish(self.inbox.store().as_ref(), &run, Ended::Unanswered(why.into())).await;
        }
        join_all(work).await;
    }
}

fn of_agents(runs: Vec<Run>) -> BTreeMap<String, Vec<Run>> {
    let mut by_flow: BTreeMap<String, Vec<Run>> = BTreeMap::new();
    for run in runs {
        by_flow.entry(run.flow.clone()).or_default().push(run);
    }
    by_flow
}

impl Agent {
    fn caller(&self, asked_by: Option<&str>) -> Caller {
        caller(&self.name, &self.config, asked_by)
    }

    /// One run after the other: first those that were left open.
    async fn work(&self, left: Vec<Run>, mut stop: watch::Receiver<bool>) {
        for run in left {
            tracing::info!(agent = self.name, run = run.id.0, "a run that was left open is taken up");
            self.carry_out(run, &stop).await;
        }
        let mut starts = starts::Starts::of(self);
        while !*stop.borrow() {
            let pause = match self.next(&mut starts).await {
                Ok(Some(run)) => {
                    self.carry_out(run, &stop).await;
                    continue;
                }
                Ok(None) => LOOK,
                Err(error) => {
                    tracing::warn!(agent = self.name, %error, "the agent cannot look for work; trying again");
                    AGAIN
                }
            };
            tokio::select! { () = tokio::time::sleep(pause) => {} _ = stop.wait_for(|stop| *stop) => return }
        }
    }

    /// The next run, if something is asked.
    async fn next(&self, starts: &mut starts::Starts) -> Result<Option<Run>, StoreError> {
        starts.look(self).await?;
        let (store, flow) = (self.inbox.store(), flow_of(&self.name));
        if store.next_due(&flow).await?.is_none_or(|due| due > now()) {
            return Ok(None);
        }
        let leased: Leased = store.lease(&flow, RELEASE, 1, now()).await?;
        Ok(leased.run())
    }

    async fn carry_out(&self, run: Run, stop: &watch::Receiver<bool>) {
        let ended = loop {
            // Apart from who waits for it: steps within calls within runs are deep.
            match Box::pin(run::carry_out(self, &run, stop)).await {
                Ok(ended) => break ended,
                Err(error) => tracing::error!(agent = self.name, %error, "a step cannot be kept; trying again"),
            }
            let mut stop = stop.clone();
            tokio::select! { () = tokio::time::sleep(AGAIN) => {} _ = stop.wait_for(|stop| *stop) => return }
        };
        let outcome = match &ended {
            Ended::Answered(_) => "answered",
            Ended::Unanswered(_) => "unanswered",
            Ended::Later(_) | Ended::Tomorrow(_) => "later",
            Ended::Stopped => return,
        };
        metrics::counter!("tandem_agent_runs_total", "agent" => self.name.clone(), "outcome" => outcome).increment(1);
        let event = run.events.first().map(|event| event.id.0);
        tracing::info!(agent = self.name, event, outcome, "an agent's run has ended");
        finish(self.inbox.store().as_ref(), &run, ended).await;
    }
}

async fn finish(store: &dyn Store, run: &Run, ended: Ended) {
    let Some(event) = run.events.first() else { return };
    let unanswered =
        |why: String| (Verdict::Done(format!("no answer: {}", readable(why.clone(), MOST_TOLD))), Some(why));
    let (verdict, error) = match ended {
        Ended::Stopped => return,
        Ended::Answered(text) => (Verdict::Done(readable(text, MOST_TOLD)), None),
        Ended::Unanswered(why) => unanswered(why),
        // A question of a flow waits for its day; who asked by hand asks again, and so does the clock.
        Ended::Tomorrow(why) if event.topic != REVIEW => unanswered(why),
        Ended::Tomorrow(why) => {
            let error = Some(why.clone());
            (Verdict::Retry { due_at: next_day(now()), why, counts: false, batch_max: None }, error)
        }
        Ended::Later(why) if event.topic == QUESTION || event.attempts >= MOST_TRIES => unanswered(why),
        Ended::Later(why) => {
            let error = Some(why.clone());
            (Verdict::Retry { due_at: now() + LATER, why, counts: true, batch_max: None }, error)
        }
    };
    let finish = Finish { verdicts: vec![(event.id, verdict)], error, ..Finish::default() };
    if let Err(error) = store.finish(run.id, finish).await {
        tracing::error!(%error, run = run.id.0, "how an agent's run ended is not kept; it is taken up at the next start");
    }
}

/// When the next day of UTC begins.
fn next_day(now: Millis) -> Millis {
    const DAY: Millis = 86_400_000;
    (now.div_euclid(DAY) + 1) * DAY
}

/// How a run stands.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = AgentRun)]
pub struct Told {
    /// Its number, by which its steps are asked for.
    pub id: i64,
    /// The agent.
    pub agent: String,
    /// `question`, `review` or `schedule`.
    pub started_by: String,
    /// What it was asked.
    pub asked: String,
    /// When, ISO 8601.
    pub at: String,
    /// `under way`, `answered` or `unanswered`.
    pub state: &'static str,
    /// What it answered.
    pub answer: Option<String>,
    /// What it waits for, or why there is no answer.
    pub why: Option<String>,
    /// What it proposed to a person who has to decide.
    pub proposal: Option<Proposal>,
}

impl Told {
    /// Nothing more comes of it.
    pub fn is_over(&self) -> bool {
        self.state != UNDER_WAY
    }
}

const UNDER_WAY: &str = "under way";
/// What a run that has an answer says of itself.
pub const ANSWERED: &str = "answered";

/// How a run stands.
pub async fn told(store: &dyn Store, event: &Event) -> Result<Told, StoreError> {
    let steps = Steps::of(store, event.id).await?;
    let error = store.runs_of(event.id).await?.pop().and_then(|run| run.error);
    let reason = event.reason.clone().unwrap_or_default();
    let words = steps.last().filter(|said| said.calls.is_empty()).map(|said| readable(said.text.clone(), MOST_ANSWER));
    let (state, answer, why) = match (event.state.is_over(), error) {
        (false, _) => (UNDER_WAY, None, Some(reason)),
        (true, None) => {
            let proposed = steps.proposal().map(|own| format!("{} ({})", own.choice, own.reasons));
            (ANSWERED, Some(proposed.or(words).unwrap_or(reason)), None)
        }
        // What it says when it refuses says why.
        (true, Some(_)) => match steps.last().filter(|said| said.stop == Stop::Refused).and(words) {
            Some(words) if !words.is_empty() => ("unanswered", None, Some(format!("{reason}: {words}"))),
            _ => ("unanswered", None, Some(reason)),
        },
    };
    Ok(Told {
        id: event.id.0,
        agent: event.flow.strip_prefix(AGENT).unwrap_or_default().to_owned(),
        started_by: event.topic.strip_prefix("agent.").unwrap_or_default().to_owned(),
        asked: Start::of(event).map(Start::asked).unwrap_or_default(),
        at: iso(event.created_at),
        state,
        answer,
        why,
        proposal: steps.proposal().cloned(),
    })
}

/// What agents were asked, the newest first.
pub async fn runs(store: &dyn Store, agents: &[&str], limit: u32) -> Result<Vec<Told>, StoreError> {
    let mut found: Vec<Event> = Vec::new();
    for name in agents {
        let filter = EventFilter { flow: Some(flow_of(name)), limit, ..EventFilter::default() };
        found.extend(store.events(filter).await?);
    }
    found.sort_by_key(|event| std::cmp::Reverse(event.id));
    found.truncate(limit as usize);
    let mut all = Vec::new();
    for event in &found {
        all.push(told(store, event).await?);
    }
    Ok(all)
}

/// Letters of a question.
pub const MOST_QUESTION: usize = 4_000;

/// Why an agent cannot be asked that; none where it can.
pub fn refuses(name: &str, agent: &AgentConfig, question: &str) -> Option<String> {
    if !agent.enabled {
        return Some(format!("the agent {name} is off: enabled = true in [agents.{name}] sets it to work"));
    }
    let is_fit = !question.trim().is_empty() && question.chars().count() <= MOST_QUESTION;
    (!is_fit).then(|| format!("a question has 1 to {MOST_QUESTION} letters"))
}
