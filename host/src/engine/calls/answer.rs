//! The host's own tool that answers a question of a flow. It is a call in the flow's queue like any other that writes: what the answer would bring about is
//! rehearsed, and a person approves it, unless a rule says otherwise.

use std::sync::Arc;

use serde_json::{Value, json};

use super::plan::Plan;
use super::staged::{Asked, declined, is_approved, not_answered};
use super::{Judged, Payload, tool_named};
use crate::config::Then;
use crate::engine::{Engine, Flow};
use crate::sandbox::{Deed, Journal, RunError, Unknown};
use crate::store::{Answered, Event, EventId, EventState, Kept, Run, RunId, Store, Verdict};
use crate::time::now;

/// Behind `tandem.tool.`: no tool of a plugin has a dot in its name.
pub const TOPIC: &str = "tandem.answer";
/// As rules and callers name it.
pub const NAME: &str = "tandem_answer";
/// For people.
pub const TITLE: &str = "Answer a question of a flow";

/// The question that an input means: why it cannot be answered so, in words.
pub async fn meant(
    store: &Arc<dyn Store>,
    input: &Value,
) -> Result<Result<(Event, String), String>, crate::store::StoreError> {
    let id = EventId(input["event"].as_i64().unwrap_or_default());
    let choice = input["choice"].as_str().unwrap_or_default().to_owned();
    let Some(event) = store.event(id).await? else { return Ok(Err(format!("there is no event {id}"))) };
    if tool_named(&event).is_some() {
        return Ok(Err(format!("event {id} is a call that waits for a person: no tool approves one")));
    }
    // Answered so already: by an earlier try of this very call, perhaps.
    if event.state != EventState::Review && event.resolution.as_deref() == Some(&choice) {
        return Ok(Ok((event, choice)));
    }
    if event.state != EventState::Review {
        return Ok(Err(format!("event {id} is {}, not in review", event.state.word())));
    }
    if !event.choices.contains(&choice) {
        return Ok(Err(format!("event {id} does not offer {choice:?}; it offers: {}", event.choices.join(", "))));
    }
    Ok(Ok((event, choice)))
}

impl Engine {
    /// What becomes of such a call.
    pub(super) async fn answering(&self, flow: &Flow, call: &Event) -> Result<Verdict, RunError> {
        let store = self.inbox.store();
        let Some(payload) = Payload::of(call) else { return Ok(not_answered(TITLE, "the call cannot be read")) };
        if let Some(verdict) = declined(call, TITLE) {
            return Ok(verdict);
        }
        let judged = Judged { who: &payload.by.who, tool: NAME, deed: Deed::Writes };
        let ruling = self.policy().on(judged, &payload.input, None);
        if ruling.then == Then::Refuse {
            return Ok(not_answered(TITLE, &format!("it is not allowed: {}", ruling.by)));
        }
        let (event, choice) = match meant(store, &payload.input).await.map_err(RunError::Store)? {
            Ok(meant) => meant,
            Err(why) => return Ok(not_answered(TITLE, &why)),
        };
        if event.flow != flow.name {
            return Ok(not_answered(TITLE, "the question is another flow's"));
        }
        if event.state == EventState::Review && ruling.then == Then::Approve {
            let plan = match self.rehearsed(flow, &event, &choice).await {
                Ok(plan) => plan,
                Err(error @ (RunError::Store(_) | RunError::Stopping)) => return Err(error),
                Err(error) => return Ok(not_answered(TITLE, &error.outside())),
            };
            if !is_approved(call, &plan) {
                let asked = Asked { name: NAME, title: TITLE, payload: &payload, approval: &ruling.approval };
                return Ok(Verdict::Review(asked.question(call, &plan)));
            }
        }
        if event.state == EventState::Review {
            match store.answer(event.id, &choice, now()).await.map_err(RunError::Store)? {
                Answered::Given => self.inbox.ring(std::slice::from_ref(&flow.name)),
                _ => return Ok(not_answered(TITLE, "somebody else was faster")),
            }
        }
        Ok(Verdict::Done(format!("{TITLE}: event {} was answered with {choice}", event.id)))
    }

    /// What the flow would do, were its question answered so.
    async fn rehearsed(&self, flow: &Flow, event: &Event, choice: &str) -> Result<Plan, RunError> {
        let answered =
            Event { resolution: Some(choice.to_owned()), state: EventState::Leased, attempts: 1, ..event.clone() };
        let run = Run {
            id: RunId(0),
            flow: flow.name.clone(),
            release: flow.release.digest.clone(),
            events: vec![answered],
            repeated: false,
            kept: Kept::Whole,
        };
        let journal = Journal::dry(&[], Unknown::Ask);
        let report = self.runtime.run(&flow.release.plugin, flow.bound.clone(), &run, journal).await?;
        let mut plan = Plan::of(flow, &report).await;
        plan.first(
            format!("answer event {} ({}) with {choice}", event.id, event.key),
            json!({ "question": event.reason, "answer": choice, "choices": event.choices.join(", ") }),
        );
        Ok(plan)
    }
}
