//! What becomes of a call that writes, once its turn has come: it is rehearsed where a person has to see it first, waits for their word, and then does what they
//! saw or comes back to them.

use serde_json::{Map, Value, json};

use super::plan::{Plan, beside};
use super::policy::Approval;
use super::{Judged, Payload, Ruling, answer, bound_of, rows, tool_named, whole_name};
use crate::config::Then;
use crate::engine::verdict::of_report;
use crate::engine::{Engine, Flow};
use crate::sandbox::{Approved, Deed, Journal, Outcome, RESULT, RunError, RunReport, Unknown, may_be_done};
use crate::store::{Act, CallState, Durability, Event, Fate, Finish, JournalEntry, Question, Run, Verdict, Via};
use crate::time::now;

/// What a journal calls what was approved.
const PLAN: &str = "tool.plan";
/// Its place there: behind all that a plugin may call.
const PLACE: u32 = u32::MAX;
/// Answers to the question whether a call is to be made. The first goes on with the digest of the plan: who approves one approves no other.
pub(super) const APPROVE: &str = "approve ";
pub(super) const REFUSE: &str = "refuse";
/// What a call is answered with of which a person made another one. It is not among the choices: it comes with an input.
pub(super) const CHANGE: &str = "change";
/// The answer that leaves a call as it is, however it came to be asked about.
const IGNORE: &str = "ignore";
/// What stands behind the title of a call that was not made, and of one that was in part.
const NO_ANSWER: &str = ": no answer: ";
const REFUSED: &str = ": refused by a person";
const LATE: &str = ": nobody approved it in time";
const CHANGED: &str = ": a person made another call of it";
const PARTLY: &str = ": a part of it was written, and a person left it so";

/// Whether a call that is over was made, by what became of it; none where only a part was.
pub(super) fn was_made(reason: &str) -> Option<bool> {
    match reason {
        _ if reason.ends_with(PARTLY) => None,
        _ => Some(!(reason.contains(NO_ANSWER) || [REFUSED, LATE, CHANGED].iter().any(|own| reason.ends_with(own)))),
    }
}

const HOUR: i64 = 3_600_000;
/// Letters of what became of a call that the audit trail keeps.
const MOST_NOTED: usize = 300;

/// What is to be done with a run that is a call.
pub(in crate::engine) enum Staged {
    /// It is made; of one that was rehearsed nothing but what that showed.
    Go(Option<Approved>),
    /// It is over, or waits for somebody.
    Over(Finish),
}

/// Whether a run is a call, by its events.
pub(in crate::engine) fn is_call(run: &Run) -> bool {
    run.events.iter().any(|event| tool_named(event).is_some())
}

impl Engine {
    /// What is to be done with a run; `recorded`: what an earlier try of this very run left, where a host was killed in the middle of it.
    pub(in crate::engine) async fn staged(
        &self,
        flow: &Flow,
        run: &Run,
        recorded: &[JournalEntry],
    ) -> Result<Staged, RunError> {
        let [event] = run.events.as_slice() else { return Ok(Staged::Go(None)) };
        let plugin = &flow.release.plugin;
        if tool_named(event) == Some(answer::TOPIC) {
            return self.answering(flow, event).await.map(|verdict| over(event, verdict));
        }
        let Some(tool) = tool_named(event).and_then(|name| plugin.tool(name)).filter(|tool| tool.deed != Deed::Reads)
        else {
            return Ok(Staged::Go(None));
        };
        if let Some(plan) = recorded.iter().find(|entry| entry.kind == PLAN) {
            return Ok(Staged::Go(Some(approved_in(plan))));
        }
        if recorded.iter().any(|entry| entry.state == CallState::Intended) {
            return Ok(Staged::Go(None));
        }
        let Some(payload) = Payload::of(event) else { return Ok(Staged::Go(None)) };
        let title = tool.title.as_str();
        let left = async |verdict: Verdict| over(event, self.left(event, title, verdict).await);
        if let Some(verdict) = declined(event, title) {
            return Ok(left(verdict).await);
        }
        let name = format!("{}_{}", flow.name, tool.name);
        let call = Judged { who: &payload.by.who, tool: &name, deed: tool.deed };
        if let Err(why) = rows::about(tool, &payload.input, &self.policy().rows(call)) {
            return Ok(left(not_answered(title, &format!("it is not allowed: {why}"))).await);
        }
        // What a person made of a call is asked about whatever the rules say of it: that was said when they changed it.
        let then = |ruling: &Ruling| match ruling.then {
            Then::Allow if payload.changed.is_some() => Then::Approve,
            then => then,
        };
        if !self.policy().asks_for_rehearsal(call) {
            let ruling = self.policy().on(call, &payload.input, None);
            match then(&ruling) {
                Then::Allow => return Ok(Staged::Go(None)),
                Then::Refuse => {
                    return Ok(left(not_answered(title, &format!("it is not allowed: {}", ruling.by))).await);
                }
                Then::Approve => {}
            }
        }
        let rehearsed = self.runtime.run(plugin, bound_of(flow), run, Journal::dry(&[], Unknown::Ask)).await;
        let mut report = match rehearsed {
            Ok(report) => report,
            Err(error @ (RunError::Store(_) | RunError::Stopping)) => return Err(error),
            // Nothing was written, and nothing would be another time.
            Err(error) => return Ok(left(not_answered(title, &error.outside())).await),
        };
        let result = match report.outcomes.first() {
            Some(Outcome::Done(_)) => result_of(&report.journal).unwrap_or_default(),
            Some(Outcome::Reject(why)) => return Ok(left(not_answered(title, why)).await),
            // It passes; or it says what only a run can say.
            _ => {
                return Ok(Staged::Over(of_report(
                    flow,
                    run,
                    RunReport {
                        outcomes: std::mem::take(&mut report.outcomes),
                        trouble: report.trouble,
                        ..RunReport::default()
                    },
                )));
            }
        };
        let ruling = self.policy().on(call, &payload.input, Some(&result));
        let approved = Approved::of(&report.captured);
        match then(&ruling) {
            Then::Refuse => {
                return Ok(left(not_answered(title, &format!("it is not allowed: {}", ruling.by))).await);
            }
            Then::Allow => return self.go(run, approved, &report).await,
            Then::Approve => {}
        }
        let plan = Plan::of(flow, &report).await;
        // What would write nothing is approved by nobody.
        if plan.done.is_empty() || is_approved(event, &plan) {
            return self.go(run, approved, &report).await;
        }
        let asked = Asked { name: &name, title: &tool.title, payload: &payload, approval: &ruling.approval };
        Ok(over(event, Verdict::Review(asked.question(event, &plan))))
    }

    /// What was approved is written down before anything of it is done: whoever takes the run up is held to it, too.
    async fn go(&self, run: &Run, approved: Approved, report: &RunReport) -> Result<Staged, RunError> {
        let entry = JournalEntry {
            seq: PLACE,
            item: 0,
            kind: PLAN.into(),
            subject: String::new(),
            request: beside(report, makes(&report.captured)).to_string(),
            response: json!(report.captured.iter().map(|own| own.request.as_str()).collect::<Vec<_>>()).to_string(),
            state: CallState::Done,
            at: now(),
            took: None,
        };
        let kept = self.inbox.store().journal_write(run.id, vec![entry], Durability::WithNextCommit).await;
        kept.map_err(RunError::Store)?;
        Ok(Staged::Go(Some(approved)))
    }

    /// What becomes of a call that was made: what its tool refused before anything was written is nothing that anybody looks after.
    pub(in crate::engine) async fn made(&self, flow: &Flow, run: &Run, mut report: RunReport) -> Finish {
        let ([event], [outcome]) = (run.events.as_slice(), report.outcomes.as_slice()) else {
            return of_report(flow, run, report);
        };
        let tool = tool_named(event).and_then(|name| flow.release.plugin.tool(name));
        let Some(tool) = tool.filter(|tool| tool.deed != Deed::Reads) else { return of_report(flow, run, report) };
        let why = match outcome {
            Outcome::Reject(why) => why.clone(),
            Outcome::Done(_) => match self.otherwise(run, &report).await {
                Some(why) => why,
                None => return of_report(flow, run, report),
            },
            _ => return of_report(flow, run, report),
        };
        let is_refused = matches!(outcome, Outcome::Reject(_));
        let in_part = wrote(&report.journal) || self.has_written(event).await;
        let verdict = otherwise_ended(&tool.title, why, (is_refused, in_part, report.unmade > 0));
        Finish { journal: std::mem::take(&mut report.journal), ..finish(event, verdict) }
    }

    /// In what a run that was held to what was approved is another thing all the same: nothing of that is kept.
    async fn otherwise(&self, run: &Run, report: &RunReport) -> Option<String> {
        let journal = self.journal_of(run.id).await;
        let plan = journal.iter().find(|entry| entry.kind == PLAN)?;
        if report.unmade > 0 {
            return Some(format!("{} writes that were approved were not made", report.unmade));
        }
        let approved: Value = serde_json::from_str(&plan.request).unwrap_or_default();
        let requests: Vec<String> = serde_json::from_str(&plan.response).unwrap_or_default();
        let is = beside(report, requests.iter().any(|own| own.contains(POST)));
        (approved != is)
            .then(|| "what it would link, tell flows of or look at again is not what was approved".to_owned())
    }

    /// Whether a run of this call may have written something, be it an earlier one.
    pub(super) async fn has_written(&self, event: &Event) -> bool {
        let runs = self.inbox.store().runs_of(event.id).await.unwrap_or_default();
        for run in runs {
            if wrote(&self.journal_of(run.id).await) {
                return true;
            }
        }
        false
    }

    /// A call that is not made: of one that may have written something before, a person has to know.
    async fn left(&self, event: &Event, title: &str, verdict: Verdict) -> Verdict {
        let ran = event.attempts > 1 || event.resolution.is_some();
        match verdict {
            Verdict::Done(what) if ran && self.has_written(event).await => match event.resolution.as_deref() {
                Some(IGNORE | REFUSE) => Verdict::Done(format!("{title}{PARTLY}")),
                _ => in_part_of(title, what),
            },
            other => other,
        }
    }
}

/// Whether calls that change something were carried out, or may have been.
fn wrote(entries: &[JournalEntry]) -> bool {
    let done: Vec<JournalEntry> = entries.iter().filter(|own| may_be_done(&own.response)).cloned().collect();
    !crate::engine::effects_of(&done).is_empty()
}

/// How a request says that it makes something.
const POST: &str = "\"method\":\"POST\"";

fn makes(captured: &[JournalEntry]) -> bool {
    captured.iter().any(|own| own.request.contains(POST))
}

/// What becomes of a call that ended otherwise than it was approved.
fn otherwise_ended(title: &str, why: String, (is_refused, in_part, lacks): (bool, bool, bool)) -> Verdict {
    match (is_refused, in_part) {
        (true, false) => not_answered(title, &why),
        // It found all of it done, such as by the same call of another: it is rehearsed again, and what is to be done then decides.
        (false, false) if lacks => Verdict::Retry { due_at: now(), why, counts: true, batch_max: None },
        _ => in_part_of(title, why),
    }
}

fn in_part_of(title: &str, why: String) -> Verdict {
    Verdict::Review(Question::say(
        "host.call_in_part",
        "{tool}: a part of it was written, and then: {why}",
        [("tool", title.to_owned()), ("why", why)],
    ))
}

/// What a person is asked of a call.
pub(super) struct Asked<'a> {
    /// The tool, by its whole name.
    pub name: &'a str,
    /// In words.
    pub title: &'a str,
    /// Who calls, and with what.
    pub payload: &'a Payload,
    /// Who approves it, and how long that is waited for.
    pub approval: &'a Approval,
}

impl Asked<'_> {
    /// Whether this is to be done; of one that was approved when it was another thing it says so.
    pub fn question(&self, event: &Event, plan: &Plan) -> Question {
        let by = &self.payload.by;
        let who = if by.client.is_empty() { by.who.clone() } else { format!("{} ({})", by.who, by.client) };
        let [tool, title] = [self.name, self.title].map(str::to_owned);
        let with = [("who", who), ("tool", tool), ("title", title), ("plan", plan.words())];
        let asked = match event.resolution.as_deref().is_some_and(|own| own.starts_with(APPROVE)) {
            false => Question::say("host.call_waits", "{who} calls {tool} ({title}); it would write: {plan}", with),
            true => Question::say(
                "host.call_changed",
                "{who} calls {tool} ({title}); it is no longer what was approved, and would write: {plan}",
                with,
            ),
        };
        let mut detail: Map<String, Value> = serde_json::from_str(&asked.detail).unwrap_or_default();
        detail.insert("plan".into(), json!(plan.done));
        detail.insert("input".into(), self.payload.input.clone());
        detail.insert("approval".into(), json!(self.approval));
        if let Some(changed) = &self.payload.changed {
            detail.insert("changed".into(), json!(changed));
        }
        detail.insert("expires".into(), (now() + i64::from(self.approval.hours) * HOUR).into());
        Question {
            reason: asked.reason,
            choices: vec![format!("{APPROVE}{}", plan.digest), REFUSE.to_owned()],
            detail: Value::Object(detail).to_string(),
        }
    }
}

/// Whether a person approved just this.
pub(super) fn is_approved(event: &Event, plan: &Plan) -> bool {
    event.resolution.as_deref() == Some(&format!("{APPROVE}{}", plan.digest))
}

/// Why a call is not made whatever it would do: a person said so, or nobody said anything in time.
pub(super) fn declined(event: &Event, title: &str) -> Option<Verdict> {
    match event.resolution.as_deref() {
        Some(REFUSE | IGNORE) => Some(Verdict::Done(format!("{title}{REFUSED}"))),
        Some(CHANGE) => Some(Verdict::Done(format!("{title}{CHANGED}"))),
        _ if expired(event) => Some(Verdict::Done(format!("{title}{LATE}"))),
        _ => None,
    }
}

impl Engine {
    /// What became of a call that writes stands in the audit trail, whoever waits for it.
    pub(in crate::engine) async fn note_call(&self, run: &Run, finish: &Finish) {
        let ([event], [(_, verdict)]) = (run.events.as_slice(), finish.verdicts.as_slice()) else { return };
        let Some((name, payload)) = whole_name(event).zip(Payload::of(event)) else { return };
        let (act, why, outcome) = match verdict {
            Verdict::Done(what) if was_made(what) == Some(false) => ("tool.done", what.clone(), Fate::Refused),
            Verdict::Done(what) => ("tool.done", what.clone(), Fate::Done),
            // Of the plan its digest, by the choice that approves it: what stands in it is a customer's.
            Verdict::Review(question) => ("tool.asked", question.choices.join(", "), Fate::Done),
            Verdict::Reject(why) => ("tool.done", why.clone(), Fate::Failed),
            Verdict::Retry { .. } | Verdict::Wait { .. } => return,
        };
        let note = Act {
            why: Some(why.chars().take(MOST_NOTED).collect()),
            outcome,
            client: Some(payload.by.client).filter(|client| !client.is_empty()),
            ..Act::new(
                payload.by.who,
                payload.via.unwrap_or(Via::Token),
                act,
                format!("tool {name}, event {}", event.id),
            )
        };
        if let Err(error) = self.inbox.store().act(note).await {
            tracing::error!(%error, "the audit trail lacks a line");
        }
    }
}

fn over(event: &Event, verdict: Verdict) -> Staged {
    Staged::Over(finish(event, verdict))
}

fn finish(event: &Event, verdict: Verdict) -> Finish {
    Finish { verdicts: vec![(event.id, verdict)], ..Finish::default() }
}

/// Done, whatever it answered: what somebody asked in vain is no record that anybody looks after.
pub(super) fn not_answered(title: &str, why: &str) -> Verdict {
    Verdict::Done(format!("{title}{NO_ANSWER}{why}"))
}

/// Nobody approved it in time: however it is offered again, it is not made.
pub(super) fn expired(event: &Event) -> bool {
    let detail: Value = serde_json::from_str(&event.detail).unwrap_or_default();
    let decided = detail["decided"]["at"].as_i64().unwrap_or_else(now);
    detail["expires"].as_i64().is_some_and(|until| decided > until)
}

/// What a call answered, or would answer.
pub(super) fn result_of(journal: &[JournalEntry]) -> Option<Value> {
    let entry = journal.iter().rev().find(|entry| entry.kind == RESULT)?;
    serde_json::from_str(&entry.response).ok()
}

fn approved_in(entry: &JournalEntry) -> Approved {
    let requests: Vec<String> = serde_json::from_str(&entry.response).unwrap_or_default();
    let entry = |request: String| JournalEntry {
        seq: 0,
        item: 0,
        kind: "http".into(),
        subject: String::new(),
        request,
        response: String::new(),
        state: CallState::Intended,
        at: 0,
        took: None,
    };
    Approved::of(&requests.into_iter().map(entry).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_asked_about_a_part_only_where_something_may_have_been_written() {
        let ended =
            |is_refused, in_part, lacks| otherwise_ended("Make an order", "why".into(), (is_refused, in_part, lacks));
        assert!(matches!(ended(true, false, false), Verdict::Done(what) if what.contains("no answer: why")));
        assert!(
            matches!(ended(false, false, true), Verdict::Retry { counts: true, .. }),
            "found done: looked at again"
        );
        for (is_refused, in_part, lacks) in
            [(true, true, false), (false, true, true), (false, true, false), (false, false, false)]
        {
            assert!(matches!(ended(is_refused, in_part, lacks), Verdict::Review(_)), "{is_refused} {in_part} {lacks}");
        }
    }
}
