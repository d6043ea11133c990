//! A store that may hang is waited for no longer than a moment: who tells people that it does must not hang with it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::{Result, Store, StoreError};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// See the module's words. One question at a time: of those that are not answered there is never more than one.
pub struct Patient {
    store: Arc<dyn Store>,
    free: Arc<Semaphore>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// Not in time; it may come yet.
    #[error("the database has not answered for {} s", PATIENCE.as_secs())]
    Hangs,
    /// The store says so.
    #[error(transparent)]
    Failed(#[from] StoreError),
}

impl Patient {
    /// That asks this store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, free: Arc::new(Semaphore::new(1)) }
    }

    /// Asks, and waits a moment. While an earlier question is not answered nothing is asked, and all is as if this one hung.
    pub async fn ask<T, Q, A>(&self, question: Q) -> std::result::Result<T, Unanswered>
    where
        T: Send + 'static,
        Q: FnOnce(Arc<dyn Store>) -> A,
        A: Future<Output = Result<T>> + Send + 'static,
    {
        let Ok(permit) = self.free.clone().try_acquire_owned() else { return Err(Unanswered::Hangs) };
        let asked = question(self.store.clone());
        // It goes on when it is waited for no more.
        let answer = tokio::spawn(async move {
            let answer = asked.await;
            drop(permit);
            answer
        });
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(answer) => Ok(answer.map_err(|e| StoreError::Database(e.to_string()))??),
            Err(_) => Err(Unanswered::Hangs),
        }
    }
}
