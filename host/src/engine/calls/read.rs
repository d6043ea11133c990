//! A call of a tool that only reads: asked at once, beside the queue. Nothing waits for it, and it waits for nothing. What it read and what it answered is kept
//! as a run like any other.

use std::time::Instant;

use serde_json::Value;

use super::{Answered, CallError, Wanted, bound_of, event_of, tool_of};
use crate::connections::BreakerState;
use crate::engine::Flow;
use crate::engine::rehearsal::as_stored;
use crate::sandbox::{Deed, Journal, Outcome, RESULT, RunError, Runtime, Unknown};
use crate::store::{JournalEntry, Kept, NewEvent, PastRead, Run, RunId, Store, Verdict};
use crate::time::now;

/// Asks a tool that only reads.
pub async fn read(
    runtime: &Runtime,
    store: &dyn Store,
    flow: &Flow,
    wanted: Wanted<'_>,
) -> Result<Answered, CallError> {
    let tool = tool_of(flow, &wanted)?;
    if tool.deed != Deed::Reads {
        let why = format!("{} {}: it is not asked as what only reads is", tool.title, tool.deed);
        return Err(CallError::Refused(why));
    }
    let event = event_of(&flow.name, tool.topic(), wanted, None);
    let (began, started_at) = (Instant::now(), now());
    let run = run_of(flow, &event);
    let journal = Journal::dry(&[], Unknown::Ask);
    let told = journal.told();
    let ended = runtime.run(&flow.release.plugin, bound_of(flow), &run, journal).await;
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
    Ok(Answered { result: answer?, event: Some(kept), stands: None, calls, took_ms, away_ms })
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

/// The run that goes through it.
pub(super) fn run_of(flow: &Flow, event: &NewEvent) -> Run {
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
