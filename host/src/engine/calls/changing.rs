//! What a person makes of a call that waits for them: the same call with another input, which is rehearsed and asked about in its place.

use serde_json::{Value, json};

use super::answer::TOPIC;
use super::queued::name_of;
use super::read::run_of;
use super::staged::{CHANGE, expired};
use super::{CallError, Changed, Judged, Payload, Wanted, bound_of, event_of, rows, tool_named, tool_of};
use crate::config::Then;
use crate::engine::{Engine, Flow};
use crate::sandbox::{Journal, Outcome, Unknown};
use crate::store::{Answered, Event, EventId, EventState, Store, StoreError, Via};
use crate::time::now;

impl Engine {
    /// Makes another call of one that waits to be approved; that one is over then. `by`: whose change it is. Who called stays who called, so that the rules
    /// of both hold; whoever may approve the first may approve what becomes of it, and somebody has to. What cannot be done leaves the first as it was.
    pub async fn change_call(
        &self,
        flow: &Flow,
        waiting: &Event,
        input: Value,
        by: &str,
    ) -> Result<EventId, CallError> {
        let refused = |why: String| Err(CallError::Refused(why));
        let detail: Value = serde_json::from_str(&waiting.detail).unwrap_or_default();
        let tool = tool_named(waiting).filter(|_| waiting.state == EventState::Review && detail["plan"].is_array());
        let Some((tool, own)) = tool.zip(Payload::of(waiting)) else {
            return refused(format!("event {} is no call that waits to be approved", waiting.id));
        };
        if tool == TOPIC {
            return refused("what it would answer is changed by answering the question itself".into());
        }
        if expired(waiting) {
            return refused("nobody approved it in time".into());
        }
        if own.input == input {
            return refused("nothing of it is changed".into());
        }
        if self.has_written(waiting).await {
            return refused("a part of it may be written already: it is approved or refused as it is".into());
        }
        let wanted = Wanted { tool, input, by: own.by, via: own.via.unwrap_or(Via::Token), once: None };
        let tool = tool_of(flow, &wanted)?;
        let name = format!("{}_{}", flow.name, tool.name);
        let judged = Judged { who: &wanted.by.who, tool: &name, deed: tool.deed };
        let ruling = match self.policy().asks_for_rehearsal(judged) {
            true => None,
            false => Some(self.policy().on(judged, &wanted.input, None)),
        };
        if let Some(ruling) = ruling.filter(|own| own.then == Then::Refuse) {
            return refused(format!("who called may not have it called so: {}", ruling.by));
        }
        if let Err(why) = rows::about(tool, &wanted.input, &self.policy().rows(judged)) {
            return refused(format!("who called may not have it called so: {why}"));
        }
        let key = tool.key_of(&wanted.input).unwrap_or_else(|| waiting.key.clone());
        let mut event = event_of(&flow.name, tool.topic(), wanted, Some(key));
        let mut payload: Value = serde_json::from_str(&event.payload).unwrap_or_default();
        payload["changed"] = json!(Changed { by: by.to_owned(), call: waiting.id.0 });
        event.payload = payload.to_string();
        let name = changed_name(waiting.id);
        (event.dedup, event.trace) = (name.clone(), name);
        // What its tool refuses is told to whoever changes it, and the call waits as before.
        let run = run_of(flow, &event);
        let rehearsed =
            Box::pin(self.runtime.run(&flow.release.plugin, bound_of(flow), &run, Journal::dry(&[], Unknown::Ask)));
        match rehearsed.await.map_err(CallError::Run)?.outcomes.pop() {
            Some(Outcome::Reject(why)) => return refused(why),
            Some(Outcome::Retry(after, why)) => return Err(CallError::Passing(after, why)),
            _ => {}
        }
        let store = self.inbox.store();
        match store.answer_by(waiting.id, &waiting.choices, CHANGE, event, now()).await? {
            Answered::Given => self.inbox.ring(std::slice::from_ref(&flow.name)),
            _ => return refused("somebody else was faster".into()),
        }
        let made = instead_of(store.as_ref(), waiting.id).await?;
        made.ok_or_else(|| CallError::Refused("the changed call is not kept any more".into()))
    }
}

/// The call that a person made of another one, where they did.
pub(super) async fn instead_of(store: &dyn Store, call: EventId) -> Result<Option<EventId>, StoreError> {
    Ok(store.of_trace(&changed_name(call), 1).await?.pop().map(|event| event.id))
}

/// One call becomes one other.
fn changed_name(call: EventId) -> String {
    name_of(&format!("changed {call}"))
}
