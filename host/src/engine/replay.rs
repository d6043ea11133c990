//! A past event again, with nothing sent: what would this release do with it? Its last run is gone through whole, over that run's journal, so that
//! what its neighbours read is there; of what they did nothing is told.

use std::sync::Arc;

use serde::Serialize;

use super::Flow;
use super::compare::rehearse;
use super::deeds::{Difference, Effect, differences, effects_of};
use crate::sandbox::{RunError, Runtime, Unknown};
use crate::store::{Event, Kept, Run, RunId, Store};

/// What a dry run found.
#[derive(Debug, Serialize)]
pub struct Replay {
    /// The event's outcome, in words.
    pub outcome: String,
    /// Effects as they were sent in the recorded run.
    pub recorded: Vec<Effect>,
    /// Effects this dry run would send.
    pub dry: Vec<Effect>,
}

/// An error, in words, where not all of a run is kept.
pub(super) fn whole(run: &Run) -> Result<(), &'static str> {
    let lacks = run.kept.why().or_else(|| run.events.iter().find_map(|event| event.kept.why()));
    lacks.map_or(Ok(()), Err)
}

impl Replay {
    /// Runs one event dry, as it is or as somebody would have it: with another payload, with an answer. With `fresh`, nothing is taken from the
    /// journal: every read goes out.
    pub async fn run(
        runtime: &Runtime,
        flow: &Flow,
        store: &Arc<dyn Store>,
        event: &Event,
        fresh: bool,
    ) -> Result<Self, RunError> {
        if let Some(why) = event.kept.why() {
            return Err(RunError::NotKept(why));
        }
        let last = store.runs_of(event.id).await.map_err(RunError::Store)?.pop();
        let (past, journal) = match &last {
            Some(last) => (
                store.run(last.id).await.map_err(RunError::Store)?,
                store.journal_read(last.id).await.map_err(RunError::Store)?,
            ),
            None => (None, Vec::new()),
        };
        if let Some(why) = past.as_ref().filter(|_| !fresh).and_then(|run| whole(run).err()) {
            return Err(RunError::NotKept(why));
        }
        let others: Vec<String> = past
            .iter()
            .flat_map(|run| &run.events)
            .filter(|other| other.id != event.id)
            .map(|event| event.key.clone())
            .collect();
        let alone = || Run {
            id: RunId(0),
            flow: flow.name.clone(),
            release: flow.release.digest.clone(),
            events: vec![event.clone()],
            repeated: false,
            kept: Kept::Whole,
        };
        let (run, over) = if fresh { (alone(), [].as_slice()) } else { (past.unwrap_or_else(alone), &journal[..]) };
        let place = run.events.iter().position(|own| own.id == event.id).unwrap_or_default();
        let rehearsed = rehearse(runtime, flow, &run, over, Unknown::Ask).await?;
        let outcome = rehearsed.outcomes.into_iter().nth(place).unwrap_or_default();
        // Alone it does nothing for its neighbours: of what is not about its own record nobody knows whose doing it was.
        let own = |effect: &Effect| match fresh && !others.is_empty() {
            true => effect.subject == event.key,
            false => !others.contains(&effect.subject),
        };
        let recorded = effects_of(&journal).into_iter().filter(own).collect();
        let calls = |effect: &Effect| effect.call.contains(" /");
        let dry = rehearsed.deeds.into_iter().filter(calls).filter(own).collect();
        Ok(Self { outcome, recorded, dry })
    }

    /// Field by field, only what differs.
    pub fn differences(&self) -> Vec<Difference> {
        differences(&self.recorded, &self.dry)
    }
}
