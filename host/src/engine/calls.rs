//! Calls of the tools that a flow's plugin offers. What only reads is asked at once, beside the queue: nothing waits for it, and it waits for nothing. What it
//! read and what it answered is kept as a run like any other.

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use serde_json::Value;

use super::Flow;
use super::rehearsal::as_stored;
use crate::config::Limits;
use crate::connections::BreakerState;
use crate::plain::one_line;
use crate::sandbox::{
    Bound, CallPayload, CalledBy, Deed, Journal, MOST_INPUT, Outcome, RESULT, RunError, Runtime, Tool, Unknown,
};
use crate::store::{EventId, Haste, JournalEntry, Kept, NewEvent, PastRead, Run, RunId, Store, StoreError, Verdict};
use crate::time::{fresh_trace, now};

/// What kind of thing the key of a call's event names.
const KIND: &str = "tandem.call";

/// A call that is wanted.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// The tool's name.
    pub tool: &'a str,
    /// What it gets.
    pub input: Value,
    /// Who calls.
    pub by: CalledBy,
}

/// What a call gave.
#[derive(Clone, Debug, Serialize)]
pub struct Answered {
    /// As the tool's schema says.
    pub result: Value,
    /// The event that it is kept as; none where the host was asked itself.
    pub event: Option<EventId>,
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
    /// A tool that does more than read.
    #[error("{0} {1}: it is not asked as what only reads is")]
    NotARead(String, Deed),
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

/// Asks a tool that only reads.
pub async fn read(
    runtime: &Runtime,
    store: &dyn Store,
    flow: &Flow,
    wanted: Wanted<'_>,
) -> Result<Answered, CallError> {
    let tool = tool_of(flow, &wanted)?;
    if tool.deed != Deed::Reads {
        return Err(CallError::NotARead(tool.title.clone(), tool.deed));
    }
    let event = event_of(flow, tool, wanted);
    let (began, started_at) = (Instant::now(), now());
    let run = run_of(flow, &event);
    let journal = Journal::dry(&[], Unknown::Ask);
    let told = journal.told();
    let ended = runtime.run(&flow.release.plugin, reading(flow), &run, journal).await;
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (journal, outcome, error) = match ended {
        Ok(mut report) => (report.journal, report.outcomes.pop(), None),
        Err(error) => (told.take(), None, Some(error)),
    };
    let (calls, away_ms) = away(&journal);
    let result = journal.iter().find(|entry| entry.kind == RESULT).map(|entry| entry.response.clone());
    let answer = answer_of(outcome, result, error);
    let answer = answer.map_err(|error| named(error, flow));
    let outcome = if answer.is_ok() { "done" } else { "refused" };
    metrics::counter!("tandem_tool_calls_total", "flow" => flow.name.clone(), "tool" => tool.name.clone(), "outcome" => outcome)
        .increment(1);
    // Done whatever it answered: what somebody asked in vain is no record that anybody has to look after, and nothing to run again.
    let verdict = Verdict::Done(match &answer {
        Ok(_) => format!("{}: {calls} calls, {took_ms} ms", tool.title),
        Err(error) => format!("{}: no answer: {error}", tool.title),
    });
    let error = match &answer {
        Err(CallError::Run(error)) => Some(error.to_string()),
        _ => None,
    };
    let release = flow.release.digest.clone();
    let kept = store.keep_read(PastRead { event, release, started_at, verdict, journal, error }).await?;
    Ok(Answered { result: answer?, event: Some(kept), calls, took_ms, away_ms })
}

/// What a call may use at most, whatever the flow's runs may: somebody waits for its answer, and it is kept.
const MOST_SECONDS: u64 = 25;
const MOST_BYTES: u64 = 8 << 20;
const MOST_CALLS: u32 = 200;

fn reading(flow: &Flow) -> Arc<Bound> {
    let own = &flow.bound.limits;
    let limits = Limits {
        run_seconds: own.run_seconds.min(MOST_SECONDS),
        run_bytes: own.run_bytes.min(MOST_BYTES),
        host_calls: own.host_calls.min(MOST_CALLS),
        ..own.clone()
    };
    Arc::new(Bound { limits, ..(*flow.bound).clone() })
}

/// What passes is told with the connections that are down: who called cannot know them.
fn named(error: CallError, flow: &Flow) -> CallError {
    let CallError::Passing(after, why) = error else { return error };
    let down = flow.bound.slots.iter().filter(|(_, own)| own.state() != BreakerState::Closed);
    let down: Vec<&str> = down.filter_map(|(slot, _)| flow.bound.named.get(slot)).map(String::as_str).collect();
    let before = if down.is_empty() { String::new() } else { format!("{} cannot be reached: ", down.join(" and ")) };
    CallError::Passing(after, format!("{before}{why}"))
}

/// What became of a call.
fn answer_of(outcome: Option<Outcome>, result: Option<String>, error: Option<RunError>) -> Result<Value, CallError> {
    if let Some(error) = error {
        return Err(CallError::Run(error));
    }
    match (outcome, result) {
        (Some(Outcome::Done(_)), Some(result)) => serde_json::from_str(&result)
            .map_err(|e| CallError::Run(RunError::Contract(format!("the result cannot be read: {e}")))),
        (Some(Outcome::Reject(why)), _) => Err(CallError::Refused(why)),
        (Some(Outcome::Retry(after, why)), _) => Err(CallError::Passing(after, why)),
        _ => Err(CallError::Run(RunError::Contract("a call that only reads ended without a result".into()))),
    }
}

/// How many calls went to the systems, and how long they took: what goes out at once with others took its time once.
fn away(journal: &[JournalEntry]) -> (usize, u64) {
    let sent = || journal.iter().filter(|entry| entry.kind == "http");
    let together = sent().fold(std::collections::BTreeMap::<u32, u32>::new(), |mut by_call, entry| {
        let longest = by_call.entry(entry.seq).or_default();
        *longest = (*longest).max(entry.took.unwrap_or_default());
        by_call
    });
    (sent().count(), together.values().map(|took| u64::from(*took)).sum())
}

/// The event that a call is.
fn event_of(flow: &Flow, tool: &Tool, wanted: Wanted<'_>) -> NewEvent {
    let id = fresh_trace();
    let payload = serde_json::to_string(&CallPayload { input: wanted.input, by: wanted.by }).unwrap_or_default();
    NewEvent {
        flow: flow.name.clone(),
        topic: tool.topic(),
        key: format!("call:{id}"),
        kind: KIND.into(),
        dedup: id.clone(),
        payload,
        trace: id,
        haste: Haste::AtOnce,
        held: None,
    }
}

/// The run that goes through it.
fn run_of(flow: &Flow, event: &NewEvent) -> Run {
    Run {
        id: RunId(0),
        flow: flow.name.clone(),
        release: flow.release.digest.clone(),
        events: vec![as_stored(0, event.clone())],
        repeated: false,
        kept: Kept::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::CallState;

    #[test]
    fn what_went_out_at_once_took_its_time_once() {
        let entry = |seq, item, kind: &str, took| JournalEntry {
            seq,
            item,
            kind: kind.into(),
            subject: String::new(),
            request: String::new(),
            response: String::new(),
            state: CallState::Done,
            at: 0,
            took: Some(took),
        };
        let journal =
            [entry(0, 0, "http", 30), entry(0, 1, "http", 30), entry(1, 0, "http", 5), entry(2, 0, "clock.now", 9)];
        assert_eq!(away(&journal), (3, 35));
    }

    #[test]
    fn a_run_that_ends_without_a_result_gave_none() {
        assert!(matches!(answer_of(Some(Outcome::Done("x".into())), None, None), Err(CallError::Run(_))));
        assert!(matches!(answer_of(None, Some("1".into()), None), Err(CallError::Run(_))));
        assert!(matches!(answer_of(Some(Outcome::Retry(5, "busy".into())), None, None), Err(CallError::Passing(5, _))));
        assert_eq!(
            answer_of(Some(Outcome::Done("x".into())), Some("[1.10]".into()), None).unwrap().to_string(),
            "[1.10]"
        );
    }
}
