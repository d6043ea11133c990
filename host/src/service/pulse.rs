//! Signs of life: given only while the store takes what is written and runs move. A host that hangs is ended by who manages it, and takes up at
//! its next start what it left open.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Manager;
use crate::engine::Engine;
use crate::store::{Intake, Store};

/// Under which the store keeps what is written for this alone.
const SOURCE: &str = "pulse";

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
        let Some(beat) = self.manager.beat() else { return };
        let mut before: Option<String> = None;
        loop {
            let trouble = self.trouble(beat).await;
            match &trouble {
                None => self.manager.alive(),
                Some(why) if before.as_ref() != Some(why) => {
                    tracing::error!(why, "no sign of life is given: the host is ended and started anew if this lasts");
                    self.manager.status(why);
                }
                Some(_) => {}
            }
            if trouble.is_none() && before.is_some() {
                self.manager.status("running");
            }
            before = trouble;
            tokio::time::sleep(beat).await;
        }
    }

    /// What keeps the host from its work; none while it is alive.
    async fn trouble(&self, patience: Duration) -> Option<String> {
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
        match tokio::time::timeout(patience, look).await {
            Ok(trouble) => trouble,
            Err(_) => Some("the store does not answer".into()),
        }
    }
}
