//! What starts an agent beside a question of somebody: a question of a flow that waits for a person, and the clock. Each becomes an event once, by what it is
//! about, however often the host is started.

use super::budget::Spent;
use super::{Agent, Start, flow_of};
use crate::sandbox::digest_of;
use crate::sources::timers::FlowTimer;
use crate::store::{EventFilter, EventState, Intake, Millis, StoreError, TOOL};
use crate::time::now;

/// Open questions of a flow that are looked at, the newest first.
const LOOKED: u32 = 100;
/// Letters of a digest by which one question about an event is told from the next.
const DIGEST: usize = 16;

/// See the module's words.
pub struct Starts {
    /// As of which revision of all questions they were looked at.
    seen: Option<u64>,
    timer: Option<FlowTimer>,
}

impl Starts {
    /// As the agent's section says it.
    pub fn of(agent: &Agent) -> Self {
        let (name, config) = (flow_of(&agent.name), &agent.config);
        // What it says was checked when the file was read.
        let timer = config.schedule.as_ref();
        let timer = timer.and_then(|cron| FlowTimer::parse(&name, "schedule", cron, &config.time_zone).ok());
        Self { seen: None, timer }
    }

    /// Makes events of what is new.
    pub async fn look(&mut self, agent: &Agent) -> Result<(), StoreError> {
        if agent.config.reviews() {
            self.reviews(agent).await?;
        }
        if let Some(timer) = &self.timer {
            clock(agent, timer).await?;
        }
        Ok(())
    }

    async fn reviews(&mut self, agent: &Agent) -> Result<(), StoreError> {
        let store = agent.inbox.store();
        let revision = store.questions_revision().await?;
        if self.seen == Some(revision) {
            return Ok(());
        }
        // What comes while nothing can be spent waits for the next day.
        if Spent::of(store.as_ref(), &agent.name, now()).await?.with(&agent.config, 0).beyond(&agent.config).is_some() {
            return Ok(());
        }
        let mut events = Vec::new();
        for count in store.counts().await? {
            let is_its = agent.config.flows.as_ref().is_none_or(|flows| flows.contains(&count.flow));
            if count.state != EventState::Review || !is_its {
                continue;
            }
            let filter =
                EventFilter { flow: Some(count.flow), state: Some(EventState::Review), key: None, limit: LOOKED };
            // What somebody's program would write is for people alone to allow.
            let open = store.events(filter).await?.into_iter().filter(|event| !event.topic.starts_with(TOOL));
            events.extend(open.filter_map(|event| {
                let asked = event.reason.clone()?;
                let digest = digest_of(asked.as_bytes());
                let dedup = format!("{} {}", event.id, digest.get(..DIGEST).unwrap_or(&digest));
                let start = Start::Review { event: event.id, asked };
                Some((event.id, start.event(&agent.name, format!("event {}", event.id), dedup)))
            }));
        }
        if !events.is_empty() {
            // Who waits longest comes first.
            events.sort_by_key(|(id, _)| *id);
            let events = events.into_iter().map(|(_, event)| event).collect();
            store.append(Intake { events, ..Intake::default() }).await?;
        }
        self.seen = Some(revision);
        Ok(())
    }
}

/// Of times that were missed the last one is made up for.
async fn clock(agent: &Agent, timer: &FlowTimer) -> Result<(), StoreError> {
    let (store, now) = (agent.inbox.store(), now());
    let source = format!("{} schedule", flow_of(&agent.name));
    let stored = store.position(&source).await?.and_then(|text| text.parse::<Millis>().ok());
    let keep = |at: Millis| Some((source.clone(), at.to_string()));
    // A clock that was ahead once silences nothing until then.
    let Some(last) = stored.filter(|last| *last <= now) else {
        store.append(Intake { position: keep(now), ..Intake::default() }).await?;
        return Ok(());
    };
    let Some(first) = timer.next_after(last).filter(|at| *at <= now) else { return Ok(()) };
    let at = timer.last_until(now).unwrap_or(first);
    let start = Start::Schedule { question: agent.config.question().to_owned() };
    let events = vec![start.event(&agent.name, "schedule".into(), at.to_string())];
    store.append(Intake { events, position: keep(at), ..Intake::default() }).await?;
    Ok(())
}
