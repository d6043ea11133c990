//! The steps of an agent's run, as its journal has them: what it began with, what its model said, what came of each call. What is written here is never
//! asked for again, whoever takes the run up.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::model::Said;
use super::propose::Proposal;
use crate::plain::readable;
use crate::store::{CallState, Durability, EventId, JournalEntry, Result, RunId, Store};
use crate::time::{iso, now};

const BEGAN: &str = "agent.begin";
const SAID: &str = "agent.model";
const CAME: &str = "agent.tool";

/// What a run began with: one that is taken up goes on with the same words, whatever `tandem.toml` says by then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Began {
    /// What its model is told of its task and of what holds it.
    pub system: String,
    /// What it is asked.
    pub prompt: String,
    /// What the model is called.
    pub model: String,
    /// What it is to propose an answer to, where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<About>,
}

/// A question that waits for a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// The event that asks.
    pub event: EventId,
    /// Why it does, in words.
    pub asked: String,
    /// What may be answered.
    pub choices: Vec<String>,
}

/// What came of a call of a tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Came {
    /// What its model is told of it: JSON text.
    pub told: String,
    /// It gave nothing.
    #[serde(default)]
    pub is_error: bool,
    /// The event that the call is kept as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventId>,
    /// What it proposed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal: Option<Proposal>,
}

/// Steps that were made before.
#[derive(Clone, Debug, Default)]
pub struct Steps {
    /// The first.
    pub began: Option<Began>,
    said: BTreeMap<u32, Said>,
    came: BTreeMap<(u32, u32), (Value, Came)>,
}

impl Steps {
    /// Of all runs that an event was in.
    pub async fn of(store: &dyn Store, event: EventId) -> Result<Self> {
        let mut own = Self::default();
        for run in store.runs_of(event).await? {
            for entry in store.journal_read(run.id).await? {
                own.take(&entry);
            }
        }
        Ok(own)
    }

    fn take(&mut self, entry: &JournalEntry) {
        let step = entry.seq.saturating_sub(1) / 2;
        match entry.kind.as_str() {
            BEGAN => self.began = serde_json::from_str(&entry.response).ok().or(self.began.take()),
            SAID => self.said.extend(serde_json::from_str(&entry.response).ok().map(|said| (step, said))),
            CAME => {
                let asked = serde_json::from_str(&entry.request).unwrap_or_default();
                let came = serde_json::from_str(&entry.response).ok();
                self.came.extend(came.map(|came| ((step, entry.item), (asked, came))));
            }
            _ => {}
        }
    }

    /// What the model said then.
    pub fn said(&self, step: u32) -> Option<&Said> {
        self.said.get(&step)
    }

    /// What came of that call, where it was this one.
    pub fn came(&self, step: u32, item: u32, asked: &Value) -> Option<&Came> {
        self.came.get(&(step, item)).filter(|(own, _)| own == asked).map(|(_, came)| came)
    }

    /// What it said last.
    pub fn last(&self) -> Option<&Said> {
        self.said.values().next_back()
    }

    /// What it proposed.
    pub fn proposal(&self) -> Option<&Proposal> {
        self.came.values().find_map(|(_, came)| came.proposal.as_ref())
    }
}

/// A step of a run, as a person reads it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = AgentStep)]
pub struct Step {
    /// When, ISO 8601.
    pub at: String,
    /// `agent.begin`, `agent.model` or `agent.tool`.
    pub step: String,
    /// Of a tool: which, and what it was called with.
    #[schema(value_type = Object)]
    pub asked: Value,
    /// What came of it.
    #[schema(value_type = Object)]
    pub came: Value,
    /// In words.
    pub says: String,
    /// Milliseconds.
    pub took_ms: Option<u32>,
}

/// Bytes of what a step says.
const MOST_SAID: usize = 8_000;

/// The steps of all runs that an event was in.
pub async fn steps_of(store: &dyn Store, event: EventId) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    for run in store.runs_of(event).await? {
        steps.extend(store.journal_read(run.id).await?.iter().map(Step::of));
    }
    Ok(steps)
}

impl Step {
    fn of(entry: &JournalEntry) -> Self {
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
        let (asked, came) = (read(&entry.request), read(&entry.response));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let says = match entry.kind.as_str() {
            BEGAN => text(&came["prompt"]),
            SAID => {
                let calls = came["calls"].as_array().into_iter().flatten();
                let calls = calls.map(|call| format!("{} {}", text(&call["tool"]), call["input"]));
                let words = Some(text(&came["text"])).filter(|words| !words.is_empty());
                words.into_iter().chain(calls).collect::<Vec<_>>().join("\n")
            }
            _ => text(&came["told"]),
        };
        let says = readable(says, MOST_SAID);
        Self { at: iso(entry.at), step: entry.kind.clone(), asked, came, says, took_ms: entry.took }
    }
}

/// Where the steps of a run are written.
pub struct Journal<'a> {
    pub store: &'a dyn Store,
    pub run: RunId,
}

impl Journal<'_> {
    /// What it begins with.
    pub async fn began(&self, began: &Began) -> Result<()> {
        self.write(0, 0, BEGAN, String::new(), began, None).await
    }

    /// What the model said; `took`: milliseconds.
    pub async fn said(&self, step: u32, said: &Said, took: u128) -> Result<()> {
        self.write(1 + 2 * step, 0, SAID, String::new(), said, u32::try_from(took).ok()).await
    }

    /// What came of a call; `asked`: the tool, and what it was called with.
    pub async fn came(&self, step: u32, item: u32, asked: Value, came: &Came, took: u128) -> Result<()> {
        self.write(2 + 2 * step, item, CAME, asked.to_string(), came, u32::try_from(took).ok()).await
    }

    async fn write(
        &self,
        seq: u32,
        item: u32,
        kind: &str,
        request: String,
        response: &impl Serialize,
        took: Option<u32>,
    ) -> Result<()> {
        let entry = JournalEntry {
            seq,
            item,
            kind: kind.to_owned(),
            subject: String::new(),
            request,
            response: serde_json::to_string(response).unwrap_or_default(),
            state: CallState::Done,
            at: now(),
            took,
        };
        // Before the next step begins: what was paid for, or done, is not forgotten by a power cut.
        self.store.journal_write(self.run, vec![entry], Durability::Now).await
    }
}
