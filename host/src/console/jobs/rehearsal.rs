//! Many events rehearsed at once: what each would come to if it ran again now. Nothing is sent, and nothing of them changes.

use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use utoipa::ToSchema;

use super::{Job, Target};
use crate::console::Console;
use crate::console::access::Who;
use crate::console::problem::Problem;
use crate::console::rehearse::{Rehearsed, Wanted};
use crate::console::{events, rehearse};
use crate::store::EventState;

/// What an event would come to.
#[derive(Clone, Serialize, ToSchema)]
#[schema(as = RehearsedEvent)]
pub struct Outcome {
    /// The event.
    event: i64,
    /// The flow it is for.
    flow: String,
    /// The record.
    key: String,
    /// `done`, `review`, `waiting`, `retry` or `rejected`.
    state: &'static str,
    /// In words; empty for who may not read what records say.
    words: String,
    /// So many calls it would send.
    effects: u64,
    /// In so many fields it differs from what it sent when it ran last.
    differences: u64,
}

impl Outcome {
    fn of(event: &Target, rehearsed: Rehearsed) -> Self {
        Self {
            event: event.id.0,
            flow: event.flow.clone(),
            key: event.key.clone(),
            state: rehearsed.verdict.state,
            words: rehearsed.verdict.words,
            effects: rehearsed.effects.len() as u64,
            differences: rehearsed.differences.len() as u64,
        }
    }

    /// What somebody sees of them, who may do less now than when they asked.
    pub fn seen_by(own: &mut Vec<Self>, who: &Who) {
        own.retain(|outcome| who.sees(&outcome.flow));
        if who.is_masked() {
            own.iter_mut().for_each(|outcome| outcome.words.clear());
        }
    }
}

/// One after the other: each reads from both systems.
pub async fn rehearse_all(console: &Console, job: &Mutex<Job>, who: &Who, events: &[Target]) {
    let _turn = console.jobs.turn.lock().await;
    for event in events {
        let rehearsed = again(console, who, event).await;
        let mut job = job.lock().unwrap_or_else(PoisonError::into_inner);
        match rehearsed {
            Ok(rehearsed) => job.outcomes.push(Outcome::of(event, rehearsed)),
            Err(why) => job.fail(event, why.to_string()),
        }
        job.step();
    }
}

/// As it runs when somebody lets it run again: what was answered before does not hold any more.
async fn again(console: &Console, who: &Who, target: &Target) -> Result<Rehearsed, Problem> {
    let mut event = events::one(console, who, target.id.0).await?;
    if matches!(event.state, EventState::Waiting | EventState::Review | EventState::Rejected) {
        event.resolution = None;
    }
    rehearse::of(console, event, Wanted::default()).await
}
