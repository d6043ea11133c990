//! Signs of life: given only while the store takes what is written and runs move. A host that hangs is ended by who manages it, and takes up at
//! its next start what it left open.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Manager;
use crate::engine::Engine;
use crate::store::{Intake, Store};

/// Under which the store keeps what is written for this alone.
const SOURCE: &str = "pulse";

/// So many signs of life are given within the manager's patience: every ten seconds of two minutes.
const BEATS: u32 = 12;

/// The pulse of one host.
pub struct Pulse {
    manager: Manager,
    store: Arc<dyn Store>,
    /// What runs now: another one after `tandem.toml` was changed.
    engine: Mutex<Option<Arc<Engine>>>,
}

impl Pulse {
    /// Of a host that is about to start.
    pub fn new(manager: Manager, store: Arc<dyn Store>) -> Self {
        Self { manager, store, engine: Mutex::default() }
    }

    /// From now on these are the runs that must move.
    pub fn of(&self, engine: Arc<Engine>) {
        *self.engine.lock().unwrap_or_else(PoisonError::into_inner) = Some(engine);
    }

    /// For ever; ends at once where nobody listens.
    pub async fn run(self: Arc<Self>) {
        let Some(patience) = self.manager.patience() else { return };
        let mut told: Option<String> = None;
        loop {
            let trouble = self.trouble(patience, &mut told).await;
            match trouble {
                None => {
                    self.manager.alive();
                    if told.take().is_some() {
                        tracing::info!("the host gives signs of life again");
                        self.manager.status("running");
                    }
                    tokio::time::sleep(patience / BEATS).await;
                }
                // Looked for again at once, or nearly: how long it lasts is counted from the last good look, by who listens.
                Some(why) => {
                    self.tell(why, &mut told);
                    tokio::time::sleep(patience / (5 * BEATS)).await;
                }
            }
        }
    }

    /// Once for each thing that is wrong.
    fn tell(&self, why: String, told: &mut Option<String>) {
        if told.as_ref() != Some(&why) {
            tracing::error!(why, "no sign of life is given: the host is ended and started anew if this lasts");
            self.manager.status(&why);
            *told = Some(why);
        }
    }

    /// What keeps the host from its work; none while it is alive. A store that is slow is told of and waited for: what it says in the end counts.
    async fn trouble(&self, patience: Duration, told: &mut Option<String>) -> Option<String> {
        let engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(late) = engine.and_then(|engine| engine.late()) {
            return Some(late);
        }
        let look = async {
            if let Some(trouble) = self.store.trouble().await {
                return Some(format!("the store: {trouble}"));
            }
            let position = (SOURCE.to_owned(), crate::time::now().to_string());
            let intake = Intake { position: Some(position), ..Intake::default() };
            self.store.append(intake).await.err().map(|error| format!("the store: {error}"))
        };
        let mut look = std::pin::pin!(look);
        if let Ok(trouble) = tokio::time::timeout(patience / 4, &mut look).await {
            return trouble;
        }
        let silent = || "the store does not answer".to_owned();
        self.tell(silent(), told);
        tokio::time::timeout(patience / 2, look).await.unwrap_or_else(|_| Some(silent()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_of_forty_seconds_leaves_time_to_be_seen_alive() {
        // The worst: it begins right after a sign of life, and ends right after a look began anew.
        let patience = Duration::from_secs(120);
        let seen = patience / BEATS + Duration::from_secs(40) + patience / (5 * BEATS);
        assert!(seen < patience / 2, "{seen:?}");
    }
}
