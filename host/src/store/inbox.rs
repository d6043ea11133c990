//! Where new work arrives: stores events, then rings the flow that has to look.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Notify;

use super::{Intake, Result, Store};

/// See the module's words.
pub struct Inbox {
    store: Arc<dyn Store>,
    bells: BTreeMap<String, Arc<Notify>>,
}

impl Inbox {
    /// With one bell for each flow.
    pub fn new(store: Arc<dyn Store>, flows: impl IntoIterator<Item = String>) -> Self {
        Self { store, bells: flows.into_iter().map(|flow| (flow, Arc::default())).collect() }
    }

    /// Takes in events and a source's position in one transaction; returns how many events were new.
    pub async fn take(&self, intake: Intake) -> Result<u64> {
        let mut flows: Vec<String> = intake.events.iter().map(|event| event.flow.clone()).collect();
        let taken = intake.events.len() as u64;
        let fresh = self.store.append(intake).await?;
        metrics::counter!("tandem_events_taken_total").increment(fresh);
        metrics::counter!("tandem_events_repeated_total").increment(taken - fresh);
        flows.sort();
        flows.dedup();
        self.ring(&flows);
        Ok(fresh)
    }

    /// Lets flows look at their queue, here and on other hosts.
    pub fn ring(&self, flows: &[String]) {
        self.ring_here(flows);
        self.store.tell(flows);
    }

    /// As [`Inbox::ring`], of what other hosts say.
    pub fn ring_here(&self, flows: &[String]) {
        for bell in flows.iter().filter_map(|flow| self.bells.get(flow)) {
            bell.notify_one();
        }
    }

    /// The bell of a flow; one that nobody rings for an unknown flow.
    pub fn bell(&self, flow: &str) -> Arc<Notify> {
        self.bells.get(flow).cloned().unwrap_or_default()
    }

    /// The store behind it.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }
}
