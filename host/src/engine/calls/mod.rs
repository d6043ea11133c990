//! Calls of the tools that a flow's plugin offers. What only reads is asked at once ([`read`]); what does more is an event of the flow's queue
//! ([`queued`]), which is rehearsed where a person approves it first ([`staged`]).

pub mod answer;
mod answering;
mod changing;
mod plan;
mod policy;
mod queued;
mod read;
pub mod rows;
mod staged;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

pub use self::answering::{Answerer, may_answer};
pub use self::plan::{Planned, PlannedField};
pub use self::policy::{IN_SALESFORCE, Judged, Policy, Ruling};
pub use self::queued::{Own, Stands, ask, ask_to_answer, expire, refuse, told, told_of, wrapped};
pub use self::read::read;
pub(super) use self::staged::{Staged, is_call};
use super::Flow;
use crate::config::Limits;
use crate::plain::one_line;
use crate::sandbox::{Bound, CalledBy, MOST_INPUT, RunError, Tool};
use crate::store::{Event, EventId, EventState, NewEvent, StoreError, TOOL, Via};

/// A call that is wanted.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// The tool's name.
    pub tool: &'a str,
    /// What it gets.
    pub input: Value,
    /// Who calls.
    pub by: CalledBy,
    /// By which way.
    pub via: Via,
    /// By which whoever calls knows the call: one that is made again with the same is the same one. Only of what does not read.
    pub once: Option<String>,
}

/// What a call gave.
#[derive(Clone, Debug, Serialize)]
pub struct Answered {
    /// As the tool's schema says.
    pub result: Value,
    /// The event that it is kept as; none where the host was asked itself.
    pub event: Option<EventId>,
    /// How a call stands that does more than read.
    #[serde(skip)]
    pub stands: Option<Stands>,
    /// Calls to both systems.
    pub calls: usize,
    /// Milliseconds from beginning to end.
    pub took_ms: u64,
    /// Of these, those that were spent on calls to both systems.
    pub away_ms: u64,
}

/// Why a call gave nothing. The text is for who calls, be it a model.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No such tool.
    #[error("the flow {flow} offers no tool {tool:?}; it offers: {}", list(.known))]
    Unknown {
        /// The flow.
        flow: String,
        /// What was asked for.
        tool: String,
        /// What there is.
        known: Vec<String>,
    },
    /// An input that does not fit.
    #[error("{}", .0.join("; "))]
    Unfit(Vec<String>),
    /// What was asked for is not there, or cannot be done.
    #[error("{0}")]
    Refused(String),
    /// It goes away by itself: after so many milliseconds, perhaps.
    #[error("not now: {1}")]
    Passing(u64, String),
    /// The call into the plugin ended without an answer.
    #[error("{}", .0.outside())]
    Run(RunError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn list(known: &[String]) -> String {
    if known.is_empty() { "none".into() } else { known.join(", ") }
}

/// What the event of a call says, beside what its plugin gets of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Payload {
    input: Value,
    by: CalledBy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    via: Option<Via>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    once: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    changed: Option<Changed>,
}

/// What a call was before a person made this one of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct Changed {
    /// Who did.
    pub by: String,
    /// The event of the call as it was made.
    pub call: i64,
}

impl Payload {
    fn of(event: &Event) -> Option<Self> {
        serde_json::from_str(&event.payload).ok()
    }
}

/// The name of the tool whose call an event is, as its plugin knows it; none where it is none.
fn tool_named(event: &Event) -> Option<&str> {
    event.topic.strip_prefix(TOOL)
}

/// A call that waits to be approved, without anything of what it would write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingCall {
    /// The flow.
    pub flow: String,
    /// Its event.
    pub event: EventId,
    /// Who calls, with the program that does.
    pub who: String,
    /// The tool, by its whole name.
    pub tool: String,
}

/// The call that an event is, where it waits to be approved.
pub fn waiting(event: &Event) -> Option<WaitingCall> {
    let tool = whole_name(event).filter(|_| event.state == EventState::Review)?;
    let detail: Value = serde_json::from_str(&event.detail).ok()?;
    let who = detail["said"][0]["with"]["who"].as_str().filter(|_| detail["plan"].is_array())?;
    Some(WaitingCall { flow: event.flow.clone(), event: event.id, who: who.to_owned(), tool })
}

/// Whether an event is a call that somebody else made: of those nobody is told by a tool.
pub fn is_call_of_another(event: &Event, who: &str) -> bool {
    tool_named(event).is_some() && Payload::of(event).is_none_or(|own| own.by.who != who)
}

/// The tool whose call an event is, by the whole name that rules and callers know; none where it is none.
fn whole_name(event: &Event) -> Option<String> {
    let name = tool_named(event)?;
    Some(if name == answer::TOPIC { answer::NAME.to_owned() } else { format!("{}_{name}", event.flow) })
}

/// The tool that is wanted, held against what it takes.
fn tool_of<'a>(flow: &'a Flow, wanted: &Wanted<'_>) -> Result<&'a Tool, CallError> {
    let plugin = &flow.release.plugin;
    let tool = plugin.tool(wanted.tool).ok_or_else(|| CallError::Unknown {
        flow: flow.name.clone(),
        tool: one_line(wanted.tool).chars().take(80).collect(),
        known: plugin.tools().iter().map(|tool| tool.name.clone()).collect(),
    })?;
    let bytes = wanted.input.to_string().len();
    if bytes > MOST_INPUT {
        return Err(CallError::Unfit(vec![format!("the input has {bytes} bytes; at most {MOST_INPUT} are taken")]));
    }
    match tool.problems_of(&wanted.input) {
        problems if problems.is_empty() => Ok(tool),
        problems => Err(CallError::Unfit(problems)),
    }
}

/// What kind of thing the key of a call's event names: a call is none of the things that a flow's other events are about, and no other call.
fn kind_of(id: &str) -> String {
    format!("tandem.call.{id}")
}

/// The event that a call is.
fn event_of(flow: &str, topic: String, wanted: Wanted<'_>, key: Option<String>) -> NewEvent {
    let id = crate::time::fresh_trace();
    let Wanted { input, by, via, once, .. } = wanted;
    let payload = Payload { input, by, via: Some(via), once, changed: None };
    let payload = serde_json::to_string(&payload).unwrap_or_default();
    NewEvent {
        flow: flow.to_owned(),
        topic,
        key: key.unwrap_or_else(|| format!("call:{id}")),
        kind: kind_of(&id),
        dedup: id.clone(),
        payload,
        trace: id,
        haste: crate::store::Haste::AtOnce,
        held: None,
    }
}

/// What a call may use at most, whatever the flow's runs may: somebody waits for its answer, and it is kept.
pub const MOST_SECONDS: u64 = 25;
const MOST_BYTES: u64 = 8 << 20;
const MOST_CALLS: u32 = 200;

/// What the runs of a flow share, for one that is a call.
pub(super) fn bound_of(flow: &Flow) -> Arc<Bound> {
    let own = &flow.bound.limits;
    let limits = Limits {
        run_seconds: own.run_seconds.min(MOST_SECONDS),
        run_bytes: own.run_bytes.min(MOST_BYTES),
        host_calls: own.host_calls.min(MOST_CALLS),
        ..own.clone()
    };
    Arc::new(Bound { limits, ..(*flow.bound).clone() })
}
