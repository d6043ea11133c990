//! One run of an agent: its model is asked, the tools that it wants are called, what came of them is told to it, until it answers or a bound is met.
//! Each step is kept before the next begins, so that whoever takes the run up asks the model for no step twice, and a call that writes is the same call.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::watch;

use super::budget::Spent;
use super::model::{Call, Model, Said, Shown, Stop, Turn, Unanswered};
use super::propose;
use super::steps::{Began, Came, Journal, Steps};
use super::{Agent, Start, prompt};
use crate::agents::Refused;
use crate::engine::calls::{CallError, answer};
use crate::plain::readable;
use crate::sandbox::digest_of;
use crate::store::{Event, EventState, Run, StoreError};
use crate::time::{backoff, now};

/// Bytes of what comes of a call, as a model is told of it.
const MOST_RESULT: usize = 24 << 10;
/// Bytes of all that is sent to a model.
const MOST_TALK: usize = 512 << 10;
/// Tokens of one answer, whatever its server says.
const MOST_TOKENS: u64 = 1_000_000_000;
/// Tries to have one answer.
const TRIES: u32 = 4;
/// Letters of a tool's name that every model takes.
const MOST_NAME: usize = 64;

/// Where a question is none any more.
const OVER: &str = "it is not asked any more: a person, or a later event, was faster";

/// How a run ends, in words that hold nothing of anybody: they are shown to those, too, from whom customers' data is hidden.
#[derive(Debug)]
pub enum Ended {
    /// With an answer, which stands in its last step.
    Answered(String),
    /// Without one, and why.
    Unanswered(String),
    /// It is to go on later, since something passes.
    Later(String),
    /// It is to go on when there is a budget again.
    Tomorrow(String),
    /// The host stops: it is taken up again.
    Stopped,
}

/// A step that is not made, and how the run ends with it.
type Step<T> = Result<Result<T, Ended>, StoreError>;

/// Goes through a run, on from where it was left.
pub async fn carry_out(agent: &Agent, run: &Run, stop: &watch::Receiver<bool>) -> Result<Ended, StoreError> {
    let Some(event) = run.events.first() else { return Ok(Ended::Unanswered("nothing was asked".into())) };
    let store = agent.inbox.store().as_ref();
    let steps = Steps::of(store, event.id).await?;
    let journal = Journal { store, run: run.id };
    let Some(start) = Start::of(event) else {
        return Ok(Ended::Unanswered("nobody knows any more what was asked".into()));
    };
    let began = match steps.began.clone() {
        Some(began) => began,
        None => match begin(agent, &start).await? {
            Ok(began) => {
                journal.began(&began).await?;
                began
            }
            Err(ended) => return Ok(ended),
        },
    };
    let model = match Model::of(&agent.config, &agent.base) {
        Ok(model) => model,
        Err(why) => return Ok(Ended::Unanswered(why)),
    };
    let going = Going { agent, event, start, began, steps, journal, model, stop };
    going.on().await
}

/// What the run begins with.
async fn begin(agent: &Agent, start: &Start) -> Step<Began> {
    let config = &agent.config;
    let (prompt, about) = match start {
        Start::Question { question, .. } | Start::Schedule { question, .. } => (question.clone(), None),
        Start::Review { event, asked } => {
            let found = agent.inbox.store().event(*event).await?;
            let open = found.filter(|own| own.state == EventState::Review && own.reason.as_ref() == Some(asked));
            let Some(open) = open else {
                return Ok(Err(Ended::Answered(OVER.into())));
            };
            match agent.gateway.question(&agent.caller(None), &open) {
                Ok(told) => {
                    let about =
                        super::steps::About { event: open.id, asked: asked.clone(), choices: open.choices.clone() };
                    (prompt::review(&told), Some(about))
                }
                Err(refused) => return Ok(Err(Ended::Unanswered(refused.to_string()))),
            }
        }
    };
    let system = prompt::system(&agent.name, config.goal(), now());
    Ok(Ok(Began { system, prompt, model: config.model.clone(), about }))
}

/// A run that goes on.
struct Going<'a> {
    agent: &'a Agent,
    event: &'a Event,
    start: Start,
    began: Began,
    steps: Steps,
    journal: Journal<'a>,
    model: Model,
    stop: &'a watch::Receiver<bool>,
}

impl Going<'_> {
    async fn on(&self) -> Result<Ended, StoreError> {
        let mut talk = vec![Turn::Asked(self.began.prompt.clone())];
        for step in 0..self.agent.config.steps {
            let said = match self.said(step, &talk, &self.tools()).await? {
                Ok(said) => said,
                Err(ended) => return Ok(ended),
            };
            match said.stop {
                Stop::Refused => return Ok(Ended::Unanswered("the model refuses to answer".into())),
                Stop::Length => {
                    return Ok(Ended::Unanswered(format!(
                        "the model's answer was cut off at answer_tokens = {}",
                        self.agent.config.answer_tokens
                    )));
                }
                Stop::Ended => {}
            }
            talk.push(Turn::Said(said.clone()));
            if said.calls.is_empty() {
                match (&self.began.about, said.text.trim()) {
                    (Some(_), _) => talk.push(Turn::Asked(prompt::PROPOSE.into())),
                    (None, "") => return Ok(Ended::Unanswered("the model's answer is empty".into())),
                    (None, _) => return Ok(Ended::Answered(format!("answered after {step} rounds of calls"))),
                }
                continue;
            }
            let mut results = Vec::new();
            for (item, call) in (0..).zip(&said.calls) {
                let came = self.came(step, item, call).await?;
                if let Some(proposal) = &came.proposal {
                    // Somebody may have answered meanwhile, or something else is asked by now.
                    if !self.is_asked_still(proposal).await? {
                        return Ok(Ended::Answered(OVER.into()));
                    }
                    propose::note(self.journal.store, &self.agent.name, proposal).await?;
                    return Ok(Ended::Answered(format!("proposes for event {}: {}", proposal.event, proposal.choice)));
                }
                results.push((call.id.clone(), came.told, came.is_error));
            }
            talk.push(Turn::Came(results));
        }
        let steps = self.agent.config.steps;
        Ok(Ended::Unanswered(match self.began.about {
            Some(_) => {
                format!("the model never called `propose`, by which it says what it proposes, within steps = {steps}")
            }
            None => format!("the model came to no answer within steps = {steps}"),
        }))
    }

    async fn is_asked_still(&self, proposal: &propose::Proposal) -> Result<bool, StoreError> {
        let found = self.journal.store.event(proposal.event).await?;
        Ok(found.is_some_and(|own| {
            own.state == EventState::Review
                && own.reason.as_ref() == Some(&proposal.asked)
                && own.choices.contains(&proposal.choice)
        }))
    }

    /// The tools that it is offered.
    fn tools(&self) -> Vec<Shown> {
        let offered = self.agent.gateway.offered(&self.agent.caller(self.start.by()));
        let fits = |name: &str| name.len() <= MOST_NAME && name != propose::TOOL;
        let own = offered.into_iter().filter(|own| fits(&own.name)).map(|own| Shown {
            name: own.name,
            description: format!("{}. {} (It {}.)", own.tool.title, own.tool.description, own.tool.deed),
            input: own.tool.input,
        });
        own.chain(self.began.about.as_ref().map(propose::shown)).collect()
    }

    /// What the model says then: what it said before, or else it is asked.
    async fn said(&self, step: u32, talk: &[Turn], tools: &[Shown]) -> Step<Said> {
        if let Some(said) = self.steps.said(step) {
            return Ok(Ok(said.clone()));
        }
        let body = self.model.request(&self.began.system, talk, tools);
        if body.len() > MOST_TALK {
            let why =
                format!("what was read has come to {} bytes; at most {MOST_TALK} are sent to a model", body.len());
            return Ok(Err(Ended::Unanswered(why)));
        }
        let mut try_ = 1;
        loop {
            if *self.stop.borrow() {
                return Ok(Err(Ended::Stopped));
            }
            let began = Instant::now();
            let why = match self.ask(&body).await? {
                Ok(mut said) => {
                    // Names of its own for the calls: each stands once in the whole talk, and every API takes them.
                    for (place, call) in said.calls.iter_mut().enumerate() {
                        call.id = format!("c{step}_{place}");
                    }
                    self.journal.said(step, &said, began.elapsed().as_millis()).await?;
                    return Ok(Ok(said));
                }
                Err(Asked::Broke) => return Ok(Err(Ended::Stopped)),
                Err(Asked::Budget(why)) => return Ok(Err(Ended::Tomorrow(why))),
                Err(Asked::Model(Unanswered::Ever(why))) => return Ok(Err(Ended::Unanswered(why))),
                Err(Asked::Model(Unanswered::Passing(why, after))) if try_ < TRIES => {
                    tracing::warn!(agent = self.agent.name, event = self.event.id.0, why, "the model is asked again");
                    after.unwrap_or_else(|| backoff(try_, Duration::from_secs(1), Duration::from_secs(20)))
                }
                Err(Asked::Model(Unanswered::Passing(why, _))) => {
                    return Ok(Err(Ended::Later(format!("{why}, {TRIES} times"))));
                }
            };
            let mut stop = self.stop.clone();
            tokio::select! {
                () = tokio::time::sleep(why) => {}
                _ = stop.wait_for(|stop| *stop) => return Ok(Err(Ended::Stopped)),
            }
            try_ += 1;
        }
    }

    /// Asks the model once, where the budget allows it.
    async fn ask(&self, body: &str) -> Result<Result<Said, Asked>, StoreError> {
        let (store, name, config) = (self.journal.store, &self.agent.name, &self.agent.config);
        let spent = Spent::of(store, name, now()).await?;
        let with = spent.with(config, body.len());
        if let Some(why) = with.beyond(config) {
            return Ok(Err(Asked::Budget(why)));
        }
        with.keep(store, name).await?;
        metrics::counter!("tandem_agent_model_calls_total", "agent" => name.clone()).increment(1);
        let mut stop = self.stop.clone();
        let answer = tokio::select! {
            answer = self.model.ask(body.to_owned()) => answer,
            _ = stop.wait_for(|stop| *stop) => return Ok(Err(Asked::Broke)),
        };
        let said = match answer {
            Ok(said) => said,
            // What a failure cost nobody says: it stays counted as it might have.
            Err(unanswered) => return Ok(Err(Asked::Model(unanswered))),
        };
        // What its server does not say stays counted as it might have been; what it says beyond all reason is bounded.
        let used = |told: u64, might: u64| if told == 0 { might } else { told.min(MOST_TOKENS) };
        let read = used(said.read, with.read.saturating_sub(spent.read));
        let written = used(said.written, with.written.saturating_sub(spent.written));
        spent.and(read, written).keep(store, name).await?;
        for (way, tokens) in [("read", read), ("written", written)] {
            metrics::counter!("tandem_agent_tokens_total", "agent" => name.clone(), "way" => way).increment(tokens);
        }
        Ok(Ok(said))
    }

    /// What comes of a call: what came of it before, or else it is made.
    async fn came(&self, step: u32, item: u32, call: &Call) -> Result<Came, StoreError> {
        let asked = json!({ "tool": call.tool, "input": call.input });
        // Only of this very call: another one at its place has come to nothing yet.
        if let Some(came) = self.steps.came(step, item, &asked) {
            return Ok(came.clone());
        }
        let began = Instant::now();
        let came = self.make(call).await?;
        self.journal.came(step, item, asked, &came, began.elapsed().as_millis()).await?;
        Ok(came)
    }

    async fn make(&self, call: &Call) -> Result<Came, StoreError> {
        let failed = |why: String| Came {
            told: json!({ "error": why }).to_string(),
            is_error: true,
            event: None,
            proposal: None,
        };
        if let Some(why) = &call.malformed {
            return Ok(failed(why.clone()));
        }
        if let (Some(about), propose::TOOL) = (&self.began.about, call.tool.as_str()) {
            return Ok(match propose::proposal_of(about, call) {
                Ok(own) => Came {
                    told: json!({ "data": "proposed" }).to_string(),
                    is_error: false,
                    event: None,
                    proposal: Some(own),
                },
                Err(why) => failed(why),
            });
        }
        if self.began.about.is_some() && call.tool == answer::NAME {
            return Ok(failed(format!("a person answers what you are asked about: call {}", propose::TOOL)));
        }
        // The same call however often the host is killed, and however often its model asks for it: it is known by what it is.
        let asked = json!([call.tool, call.input]).to_string();
        let once = format!("agent {} {}", self.event.id, digest_of(asked.as_bytes()));
        let caller = self.agent.caller(self.start.by());
        let called = Box::pin(self.agent.gateway.call(&caller, "", &call.tool, call.input.clone(), Some(once)));
        match called.await {
            Ok(answered) => {
                let told = prompt::data(&answered.result, MOST_RESULT);
                Ok(Came { told, is_error: false, event: answered.event, proposal: None })
            }
            // What became of it is not known yet: it is the same call when it is made again.
            Err(Refused::Call(CallError::Store(error))) => Err(error),
            Err(refused) => Ok(failed(readable(refused.to_string(), 2_000))),
        }
    }
}

/// Why the model did not answer.
enum Asked {
    /// The host stops.
    Broke,
    Budget(String),
    Model(Unanswered),
}
