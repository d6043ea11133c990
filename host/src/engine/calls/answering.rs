//! Who may answer the question that a call asks: what is approved is done, so that not everybody who answers other questions approves it.

use serde_json::Value;

use super::policy::Approval;
use super::staged::APPROVE;
use super::{Judged, Payload, Policy, whole_name};
use crate::sandbox::Deed;
use crate::store::{Event, Via};

/// Who answers.
#[derive(Clone, Copy, Debug)]
pub struct Answerer<'a> {
    /// As the audit trail calls them.
    pub who: &'a str,
    /// Who made the token that they come with.
    pub owner: Option<&'a str>,
    /// By which way.
    pub via: Via,
}

/// Why somebody may not give that answer; none where they may. Any event: what is no call that waits to be approved is anybody's to answer who answers
/// reviews.
pub fn may_answer(policy: &Policy, event: &Event, answerer: Answerer<'_>, choice: &str) -> Option<String> {
    let tool = whole_name(event).filter(|_| choice.starts_with(APPROVE))?;
    let Some(payload) = Payload::of(event) else { return Some("nobody knows any more who called it".into()) };
    if !event.choices.iter().any(|own| own == choice) {
        return Some(format!("it does not offer {choice:?}; it offers: {}", event.choices.join(", ")));
    }
    let by = &payload.by;
    // The rule that asked says who approves: it may have known by the rehearsal that it speaks of the call.
    let asked: Option<Approval> = serde_json::from_str::<Value>(&event.detail)
        .ok()
        .and_then(|detail| serde_json::from_value(detail["approval"].clone()).ok());
    let judged = || policy.on(Judged { who: &by.who, tool: &tool, deed: Deed::Writes }, &payload.input, None).approval;
    let approval = asked.unwrap_or_else(judged);
    let named = approval.approvers.iter().any(|own| own == answerer.who);
    if answerer.via == Via::Token && !named {
        return Some(
            "a person approves it, and a token is none; a rule of [agents] may name it among its approvers".into(),
        );
    }
    let refuses = |who: &str| approval.refuses(who, &by.who, by.owner.as_deref());
    let behind =
        answerer.owner.filter(|owner| !approval.own && (by.who == *owner || by.owner.as_deref() == Some(*owner)));
    refuses(answerer.who).or_else(|| behind.map(|owner| format!("{owner} called it, and made this token")))
}
