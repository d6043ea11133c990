//! A first load without writing: what a flow would link, make, change and ask, counted.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Serialize;

use super::Flow;
use super::deeds::effects_of;
use crate::sandbox::{Journal, Outcome, RunError, Runtime, Unknown};
use crate::store::{Event, EventId, EventState, Kept, LinkWrite, NewEvent, Run, RunId, Side};

/// Counts over all batches so far.
#[derive(Serialize)]
pub struct Rehearsal<'a> {
    #[serde(skip)]
    runtime: &'a Runtime,
    #[serde(skip)]
    flow: &'a Flow,
    /// Records written, by kind: `make Account`, `change BusinessPartners`.
    pub effects: BTreeMap<String, u64>,
    /// New links by kind: pairs of records.
    pub links: BTreeMap<String, u64>,
    /// A pair that is seen from both sides is one: digests of what is counted already.
    #[serde(skip)]
    counted: HashSet<u64>,
    /// `done`, `review` … of each record looked at.
    pub outcomes: BTreeMap<String, u64>,
    /// Key and question of everything that would go to review.
    pub questions: Vec<(String, String)>,
}

impl<'a> Rehearsal<'a> {
    /// Nothing counted yet.
    pub fn new(runtime: &'a Runtime, flow: &'a Flow) -> Self {
        Self {
            runtime,
            flow,
            effects: BTreeMap::new(),
            links: BTreeMap::new(),
            counted: HashSet::new(),
            outcomes: BTreeMap::new(),
            questions: Vec::new(),
        }
    }

    /// True when a load would write nothing, link nothing and ask nothing.
    pub fn changes_nothing(&self) -> bool {
        self.effects.is_empty() && self.links.is_empty() && self.questions.is_empty()
    }

    /// Runs one batch dry.
    pub async fn add(&mut self, events: Vec<NewEvent>) -> Result<(), RunError> {
        let events: Vec<Event> = events.into_iter().enumerate().map(|(place, event)| as_stored(place, event)).collect();
        let keys: Vec<String> = events.iter().map(|event| event.key.clone()).collect();
        let run = Run {
            id: RunId(0),
            flow: self.flow.name.clone(),
            release: self.flow.release.digest.clone(),
            events,
            repeated: false,
            kept: Kept::Whole,
        };
        let report = self
            .runtime
            .run(&self.flow.release.plugin, self.flow.bound.clone(), &run, Journal::dry(&[], Unknown::Ask))
            .await?;
        for effect in effects_of(&report.captured) {
            // The address of what is made says nothing of which it is.
            let which = effect.call.starts_with("POST").then(|| (effect.subject.clone(), effect.body.to_string()));
            if !self.first(&(&effect.call, which)) {
                continue;
            }
            *self.effects.entry(kind_of(&effect.call)).or_default() += 1;
        }
        for link in &report.links {
            let LinkWrite::Put(link) = link else { continue };
            let (kind, id) = (&link.kind, &link.b1_id);
            if !self.first(&(kind, id)) {
                continue;
            }
            let store = &self.flow.bound.store;
            let ids = [id.clone()];
            let known = store.links_find(&self.flow.bound.scope, kind, Side::B1, &ids, u64::MAX).await;
            if known.map_err(RunError::Store)?.iter().flatten().all(Option::is_none) {
                *self.links.entry(kind.clone()).or_default() += 1;
            }
        }
        for (key, outcome) in keys.into_iter().zip(report.outcomes) {
            let word = match outcome {
                Outcome::Done(_) => "done",
                Outcome::Retry(..) => "retry",
                Outcome::Wait(..) => "wait",
                Outcome::Reject(_) => "reject",
                Outcome::Review(question) => {
                    self.questions.push((key, question.reason));
                    "review"
                }
            };
            *self.outcomes.entry(word.to_owned()).or_default() += 1;
        }
        Ok(())
    }
}

impl Rehearsal<'_> {
    fn first(&mut self, what: &impl Hash) -> bool {
        let mut hasher = DefaultHasher::new();
        what.hash(&mut hasher);
        self.counted.insert(hasher.finish())
    }
}

/// An event as a run gets it that nothing is kept of.
pub(super) fn as_stored(place: usize, event: NewEvent) -> Event {
    Event {
        id: EventId(place as i64 + 1),
        flow: event.flow,
        topic: event.topic,
        key: event.key,
        payload: event.payload,
        trace: event.trace,
        state: EventState::Leased,
        due_at: 0,
        attempts: 1,
        created_at: crate::time::now(),
        finished_at: None,
        reason: None,
        choices: Vec::new(),
        detail: String::new(),
        resolution: None,
        kept: Kept::Whole,
    }
}

/// `PATCH salesforce /sobjects/Account/Tandem_Card_Code__c/C1` makes an `Account`; with an id it changes one.
fn kind_of(call: &str) -> String {
    let mut words = call.splitn(3, ' ');
    let (method, _, path) = (words.next().unwrap_or_default(), words.next(), words.next().unwrap_or_default());
    let segments: Vec<&str> = path.trim_start_matches("/sobjects").trim_matches('/').split('/').collect();
    let thing = segments.first().map(|segment| segment.split('(').next().unwrap_or_default()).unwrap_or_default();
    let verb = match (method, segments.len()) {
        ("POST", 1) | ("PATCH", 3) => "make",
        ("DELETE", _) => "delete",
        ("POST", _) => segments.last().copied().unwrap_or("act on"),
        _ => "change",
    };
    format!("{verb} {thing}")
}

#[cfg(test)]
mod tests {
    use super::kind_of;

    #[test]
    fn effects_are_counted_by_kind() {
        assert_eq!(kind_of("PATCH salesforce /sobjects/Account/Tandem_Card_Code__c/C1"), "make Account");
        assert_eq!(kind_of("PATCH salesforce /sobjects/Account/0015g"), "change Account");
        assert_eq!(kind_of("POST b1 /BusinessPartners"), "make BusinessPartners");
        assert_eq!(kind_of("PATCH b1 /BusinessPartners('C1')"), "change BusinessPartners");
    }
}
