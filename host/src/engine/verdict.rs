//! From what a run said to what becomes of each event.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::Flow;
use crate::bare;
use crate::sandbox::{Outcome, RunError, RunReport, Trouble};
use crate::store::{Event, EventId, Finish, Question, Run, Verdict};
use crate::time::{backoff, jitter, now};

const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(600);
/// After an outage work comes back within this span, not all at once.
const AFTER_OUTAGE: Duration = Duration::from_secs(2);
/// Between two tries of what may be its record's fault, or its system's.
const LONGEST_SUSPICION: Duration = Duration::from_secs(60);

/// The plugin answered.
pub fn of_report(flow: &Flow, run: &Run, report: RunReport) -> Finish {
    let met = Met { trouble: report.trouble, down: flow.is_cut_off(), events: run.events.len() as u32 };
    let rules = Rules { scope: &flow.bound.scope, max_attempts: flow.config.max_attempts };
    let verdicts: Vec<_> = run
        .events
        .iter()
        .zip(report.outcomes)
        .map(|(event, outcome)| (event.id, settled(&rules, event, outcome, met)))
        .collect();
    tell(flow, run, &verdicts, None);
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
    let outside = error.outside();
    tracing::warn!(error = outside, events = run.events.len(), "the run failed");
    let half = (run.events.len() as u32).div_ceil(2);
    let verdicts: Vec<_> = run
        .events
        .iter()
        .map(|event| {
            let verdict = if run.events.len() > 1 {
                Verdict::Retry { due_at: now(), why: error.to_string(), counts: false, batch_max: Some(half) }
            } else {
                let (plugin, version) =
                    (&flow.release.plugin.description.name, &flow.release.plugin.description.version);
                Verdict::Review(Question::say(
                    "host.plugin_failed",
                    "{why} (plugin {plugin} {version})",
                    [("why", error.to_string()), ("plugin", plugin.clone()), ("version", version.clone())],
                ))
            };
            (event.id, verdict)
        })
        .collect();
    tell(flow, run, &verdicts, Some(&outside));
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
        // What was lost is looked for alone, also where another call was held back because of it.
        if self.trouble.lost { self.down } else { self.trouble.outage || self.trouble.suspect.is_some() }
    }

    /// How many events may run together next time.
    fn batch_max(self) -> Option<u32> {
        match self.trouble {
            _ if self.events < 2 => None,
            // What was lost may be the doing of one of them.
            Trouble { lost: true, .. } | Trouble { suspect: Some(_), .. } => Some(1),
            Trouble { too_large: true, .. } => Some(self.events.div_ceil(2)),
            _ => None,
        }
    }
}

/// What a flow says of verdicts.
struct Rules<'a> {
    /// See [`crate::store::Link::scope`].
    scope: &'a str,
    /// Attempts before a person is asked.
    max_attempts: u32,
}

fn settled(rules: &Rules, event: &Event, outcome: Outcome, met: Met) -> Verdict {
    match outcome {
        // Fewer at once ask for less: only one that is too large alone is held.
        Outcome::Review(question) if met.trouble.too_large && met.events > 1 => {
            Verdict::Retry { due_at: now(), why: question.reason, counts: false, batch_max: met.batch_max() }
        }
        Outcome::Done(what) => Verdict::Done(what),
        Outcome::Reject(why) => Verdict::Reject(why),
        Outcome::Review(question) => Verdict::Review(question),
        Outcome::Wait(kind, side, id, deadline) => Verdict::Wait {
            scope: rules.scope.to_owned(),
            kind,
            side,
            id,
            deadline: now().saturating_add(i64::try_from(deadline).unwrap_or(i64::MAX / 2)),
            // The first time it appeared during the run: at once.
            tired: event.attempts >= rules.max_attempts,
            there_at: if event.attempts < 2 { now() } else { now() + pause_of(event).as_millis() as i64 },
        },
        Outcome::Retry(_, why) if met.outage() => {
            let pause = match met.trouble.suspect {
                // The longer it lasts the less often it is tried.
                Some(lasts) => jitter((lasts / 4).clamp(AFTER_OUTAGE, LONGEST_SUSPICION)),
                None => jitter(AFTER_OUTAGE).mul_f64(0.2 + fastrand::f64()),
            };
            let batch_max = met.trouble.suspect.and_then(|_| met.batch_max());
            Verdict::Retry { due_at: now() + pause.as_millis() as i64, why, counts: false, batch_max }
        }
        Outcome::Retry(_, why) if event.attempts >= rules.max_attempts => Verdict::Review(Question::say(
            "host.gave_up",
            "gave up after {attempts} attempts: {why}",
            [("attempts", event.attempts.to_string()), ("why", why)],
        )),
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
/// each event, with its own trace id from the Salesforce event on, is there at `debug`. `failed`: as what all of them failed by is told outside.
fn tell(flow: &Flow, run: &Run, verdicts: &[(EventId, Verdict)], failed: Option<&str>) {
    let mut likes: BTreeMap<(&str, &str), Vec<(&Event, &str)>> = BTreeMap::new();
    let asked: Vec<String> = verdicts.iter().map(|(_, verdict)| asked(verdict)).collect();
    for ((event, (_, verdict)), asked) in run.events.iter().zip(verdicts).zip(&asked) {
        let (outcome, what) = match verdict {
            Verdict::Done(what) => ("done", what.as_str()),
            Verdict::Retry { why, .. } => ("retry", why.as_str()),
            Verdict::Wait { id, .. } => ("wait", id.as_str()),
            Verdict::Review(_) => ("review", asked.as_str()),
            Verdict::Reject(why) => ("reject", why.as_str()),
        };
        let what = failed.unwrap_or(what);
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

/// What is asked, without the customer whom it is asked about: the keys of what was said, else the words that everybody uses. What a question says in full is in
/// the database alone, from which a person can be forgotten.
fn asked(verdict: &Verdict) -> String {
    let Verdict::Review(question) = verdict else { return String::new() };
    let detail: Value = serde_json::from_str(&question.detail).unwrap_or_default();
    let keys: Vec<&str> =
        detail["said"].as_array().into_iter().flatten().filter_map(|said| said["key"].as_str()).collect();
    if keys.is_empty() { bare::words(&question.reason) } else { keys.join(" + ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{EventState, Kept};

    const RULES: Rules<'static> = Rules { scope: "erp|crm", max_attempts: 3 };

    fn event(attempts: u32) -> Event {
        Event {
            id: EventId(1),
            flow: "orders".into(),
            topic: "salesforce.Opportunity".into(),
            key: "006".into(),
            payload: "{}".into(),
            trace: String::new(),
            state: EventState::Leased,
            due_at: 0,
            attempts,
            created_at: 0,
            finished_at: None,
            reason: None,
            choices: Vec::new(),
            detail: String::new(),
            resolution: None,
            kept: Kept::Whole,
        }
    }

    fn retried(attempts: u32, met: Met) -> Verdict {
        settled(&RULES, &event(attempts), Outcome::Retry(0, "lost".into()), met)
    }

    fn met(trouble: Trouble, down: bool, events: u32) -> Met {
        Met { trouble, down, events }
    }

    #[test]
    fn what_is_asked_is_logged_without_whom_it_is_asked_about() {
        let with = [("attempts", "5".to_owned()), ("why", "Anna Schmidt 12 is inactive".to_owned())];
        let said = Question::say("host.gave_up", "gave up after {attempts} attempts: {why}", with);
        assert_eq!(asked(&Verdict::Review(said)), "host.gave_up");
        let plain = Question::retry_or_ignore("the business partner Anna Schmidt 12 (C00012) is inactive".into());
        let told = asked(&Verdict::Review(plain));
        assert!(told.contains("inactive") && !told.contains("Anna") && !told.contains("C00012"), "{told}");
        assert_eq!(asked(&Verdict::Done("x".into())), "");
    }

    #[test]
    fn an_outage_wears_nothing_out() {
        let outage = Trouble { outage: true, ..Trouble::default() };
        assert!(matches!(retried(99, met(outage, false, 5)), Verdict::Retry { counts: false, .. }));
        let lost = Trouble { lost: true, ..Trouble::default() };
        assert!(matches!(retried(99, met(lost, true, 5)), Verdict::Retry { counts: false, .. }), "it is down");
        let held_back = Trouble { lost: true, outage: true, ..Trouble::default() };
        assert!(matches!(
            retried(1, met(held_back, false, 5)),
            Verdict::Retry { counts: true, batch_max: Some(1), .. }
        ));
    }

    #[test]
    fn an_answer_that_stays_lost_is_tried_alone_and_as_often_as_was_said() {
        let lost = Trouble { lost: true, ..Trouble::default() };
        assert!(matches!(retried(1, met(lost, false, 5)), Verdict::Retry { counts: true, batch_max: Some(1), .. }));
        assert!(matches!(retried(3, met(lost, false, 1)), Verdict::Review(_)));
        let suspect = Trouble { suspect: Some(Duration::from_secs(9)), ..Trouble::default() };
        assert!(matches!(
            retried(99, met(suspect, false, 5)),
            Verdict::Retry { counts: false, batch_max: Some(1), .. }
        ));
        assert!(matches!(retried(99, met(suspect, false, 1)), Verdict::Retry { counts: false, batch_max: None, .. }));
        let both = Trouble { lost: true, ..suspect };
        assert!(matches!(retried(3, met(both, false, 1)), Verdict::Review(_)), "it is its own");
    }

    #[test]
    fn what_is_too_large_together_is_asked_about_only_when_it_is_too_large_alone() {
        let large = Trouble { too_large: true, ..Trouble::default() };
        let asks = || Outcome::Review(Question::retry_or_ignore("larger than the limit".into()));
        let together = settled(&RULES, &event(1), asks(), met(large, false, 100));
        assert!(matches!(together, Verdict::Retry { counts: false, batch_max: Some(50), .. }));
        assert!(matches!(settled(&RULES, &event(1), asks(), met(large, false, 1)), Verdict::Review(_)));
    }

    #[test]
    fn a_link_that_is_waited_for_although_it_is_there_is_waited_for_only_so_often() {
        let waits = || Outcome::Wait("account".into(), crate::store::Side::B1, "C1".into(), 1_000);
        let fine = met(Trouble::default(), false, 1);
        let Verdict::Wait { there_at, tired, .. } = settled(&RULES, &event(2), waits(), fine) else {
            panic!("it waits")
        };
        assert!(there_at > now() + 500 && !tired, "slower each time");
        assert!(matches!(settled(&RULES, &event(3), waits(), fine), Verdict::Wait { tired: true, .. }));
    }
}
