//! From what a run said to what becomes of each event.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Flow;
use crate::sandbox::{Outcome, RunError, RunReport, Trouble};
use crate::store::{Event, EventId, Finish, Question, Run, Verdict};
use crate::time::{backoff, jitter, now};

const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(600);
/// After an outage work comes back within this span, not all at once.
const AFTER_OUTAGE: Duration = Duration::from_secs(2);

/// The plugin answered.
pub fn of_report(flow: &Flow, run: &Run, report: RunReport) -> Finish {
    let met = Met { trouble: report.trouble, down: flow.is_cut_off(), events: run.events.len() as u32 };
    let verdicts: Vec<_> = run
        .events
        .iter()
        .zip(report.outcomes)
        .map(|(event, outcome)| (event.id, settled(flow, event, outcome, met)))
        .collect();
    tell(flow, run, &verdicts);
    Finish {
        verdicts,
        journal: report.journal,
        storage: report.storage,
        links: report.links,
        emitted: report.emitted,
        wakes: report.wakes,
        error: None,
    }
}

/// The run ended without an answer: halves until the poison event stands alone.
pub fn of_failure(flow: &Flow, run: &Run, error: &RunError) -> Finish {
    tracing::warn!(%error, events = run.events.len(), "the run failed");
    let half = (run.events.len() as u32).div_ceil(2);
    let verdicts: Vec<_> = run
        .events
        .iter()
        .map(|event| {
            let verdict = if run.events.len() > 1 {
                Verdict::Retry { due_at: now(), why: error.to_string(), counts: false, batch_max: Some(half) }
            } else {
                let (plugin, version) = (&flow.plugin.description.name, &flow.plugin.description.version);
                Verdict::Review(Question::retry_or_ignore(format!("{error} (plugin {plugin} {version})")))
            };
            (event.id, verdict)
        })
        .collect();
    tell(flow, run, &verdicts);
    Finish { verdicts, error: Some(error.to_string()), ..Finish::default() }
}

/// What a run met that bears on the verdicts of its events.
#[derive(Clone, Copy)]
struct Met {
    trouble: Trouble,
    /// A connection of the flow is down.
    down: bool,
    /// In the run.
    events: u32,
}

impl Met {
    /// What failed was no event's doing.
    fn outage(self) -> bool {
        self.trouble.outage || (self.trouble.lost && self.down)
    }

    /// How many events may run together next time.
    fn batch_max(self) -> Option<u32> {
        match self.trouble {
            _ if self.events < 2 => None,
            // What was lost may be the doing of one of them.
            Trouble { lost: true, .. } => Some(1),
            Trouble { too_large: true, .. } => Some(self.events.div_ceil(2)),
            _ => None,
        }
    }
}

fn settled(flow: &Flow, event: &Event, outcome: Outcome, met: Met) -> Verdict {
    match outcome {
        // Fewer at once ask for less: only one that is too large alone is held.
        Outcome::Review(question) if met.trouble.too_large && met.events > 1 => {
            Verdict::Retry { due_at: now(), why: question.reason, counts: false, batch_max: met.batch_max() }
        }
        Outcome::Done(what) => Verdict::Done(what),
        Outcome::Reject(why) => Verdict::Reject(why),
        Outcome::Review(question) => Verdict::Review(question),
        Outcome::Wait(kind, _, id, _) if event.attempts > flow.config.max_attempts => {
            let why = format!("still waits for the {kind} link of {id}, which is there");
            Verdict::Review(Question::retry_or_ignore(format!("gave up after {} attempts: {why}", event.attempts)))
        }
        Outcome::Wait(kind, side, id, deadline) => Verdict::Wait {
            scope: flow.bound.scope.clone(),
            kind,
            side,
            id,
            deadline: now().saturating_add(i64::try_from(deadline).unwrap_or(i64::MAX / 2)),
            // The first time it appeared during the run: at once.
            there_at: if event.attempts < 2 { now() } else { now() + pause_of(event).as_millis() as i64 },
        },
        Outcome::Retry(_, why) if met.outage() => {
            let pause = jitter(AFTER_OUTAGE).mul_f64(0.2 + fastrand::f64());
            Verdict::Retry { due_at: now() + pause.as_millis() as i64, why, counts: false, batch_max: None }
        }
        Outcome::Retry(_, why) if event.attempts >= flow.config.max_attempts => {
            Verdict::Review(Question::retry_or_ignore(format!("gave up after {} attempts: {why}", event.attempts)))
        }
        Outcome::Retry(after, why) => {
            let asked = jitter(Duration::from_millis(after).min(Duration::from_secs(7 * 24 * 3600)));
            let pause = asked.max(pause_of(event));
            let due_at = now() + pause.as_millis() as i64;
            Verdict::Retry { due_at, why, counts: true, batch_max: met.batch_max() }
        }
    }
}

fn pause_of(event: &Event) -> Duration {
    backoff(event.attempts, FIRST_RETRY, LONGEST_RETRY)
}

/// Counts each event, and logs a run in one line for each thing that became of some of its events, with the first of them. A line of
/// each event, with its own trace id from the Salesforce event on, is there at `debug`.
fn tell(flow: &Flow, run: &Run, verdicts: &[(EventId, Verdict)]) {
    let mut likes: BTreeMap<(&str, &str), Vec<(&Event, &str)>> = BTreeMap::new();
    for (event, (_, verdict)) in run.events.iter().zip(verdicts) {
        let (outcome, what) = match verdict {
            Verdict::Done(what) => ("done", what.as_str()),
            Verdict::Retry { why, .. } => ("retry", why.as_str()),
            Verdict::Wait { id, .. } => ("wait", id.as_str()),
            Verdict::Review(question) => ("review", question.reason.as_str()),
            Verdict::Reject(why) => ("reject", why.as_str()),
        };
        tracing::debug!(event = event.id.0, event_key = event.key, event_trace = event.trace, outcome, what, "event");
        metrics::counter!("tandem_outcomes_total", "flow" => flow.name.clone(), "outcome" => outcome).increment(1);
        // What was done differs from event to event; what went wrong often does not.
        let like = if outcome == "done" { (outcome, "") } else { (outcome, what) };
        likes.entry(like).or_default().push((event, what));
    }
    for ((outcome, _), alike) in likes {
        let [(first, what), ..] = alike.as_slice() else { continue };
        tracing::info!(
            outcome,
            what,
            events = alike.len(),
            event = first.id.0,
            event_key = first.key,
            event_trace = first.trace,
            "ended"
        );
    }
}
