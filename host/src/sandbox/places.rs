//! How many runs there are at once. The host's own shortage is waited for: it is no fault of an event.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One of a run, as long as it is kept: of its flow's, and of all.
pub struct Place {
    _of_flow: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

/// See the module's words.
pub struct Places {
    all: Arc<Semaphore>,
    /// Of one flow at most: its queue is its own, so that a flow with very many runs waits for itself, not others for it.
    each: usize,
    flows: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Places {
    /// So many in all, half of them for one flow.
    pub fn new(all: u32) -> Self {
        let each = (all as usize / 2).max(1);
        Self { all: Arc::new(Semaphore::new(all as usize)), each, flows: Mutex::default() }
    }

    /// A place for a run of this flow, first come first served; `None` when the host stops.
    pub async fn of(&self, flow: &str) -> Option<Place> {
        let own = {
            let mut flows = self.flows.lock().unwrap_or_else(PoisonError::into_inner);
            flows.entry(flow.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(self.each))).clone()
        };
        let own = own.acquire_owned().await.ok()?;
        let one = self.all.clone().acquire_owned().await.ok()?;
        Some(Place { _of_flow: own, _of_all: one })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_greedy_flow_waits_and_another_gets_a_place() {
        let places = Places::new(4);
        let first = places.of("greedy").await;
        let second = places.of("greedy").await;
        assert!(places.of("greedy").now_or_never().is_none(), "half of the places are one flow's at most");
        let other = places.of("modest").now_or_never().flatten();
        assert!(other.is_some());
        drop(first);
        assert!(places.of("greedy").now_or_never().flatten().is_some());
        drop((second, other));
    }
}
