//! What a flow's plugin reads of both systems to be compared: what passes is waited out, within bounds.

use std::time::Duration;

use super::Flow;
use crate::sandbox::{Comparable, ReadError, ReadPage, ReadRow, RunError, Runtime};
use crate::store::{Millis, Side};
use crate::time::jitter;

/// Between two tries at least, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// A flow that is read.
pub struct Reading<'a> {
    runtime: &'a Runtime,
    flow: &'a Flow,
    /// What passes is waited out for so long, each time.
    patience: Duration,
}

impl<'a> Reading<'a> {
    /// Nothing is read yet.
    pub fn new(runtime: &'a Runtime, flow: &'a Flow, patience: Duration) -> Self {
        Self { runtime, flow, patience }
    }

    /// What is compared; none where the plugin says nothing of it.
    pub async fn plan(&self) -> Result<Option<Vec<Comparable>>, ReadError> {
        let plugin = &self.flow.release.plugin;
        if !plugin.reconciles() {
            return Ok(None);
        }
        self.patiently(|| self.runtime.comparables(plugin, self.flow.bound.clone())).await.map(Some)
    }

    /// The next rows of a side.
    pub async fn page(
        &self,
        of: (&str, Side),
        since: Option<Millis>,
        cursor: Option<&str>,
    ) -> Result<ReadPage, ReadError> {
        let (plugin, bound) = (&self.flow.release.plugin, &self.flow.bound);
        let cursor = || cursor.map(str::to_owned);
        self.patiently(|| self.runtime.read_page(plugin, bound.clone(), of, since, cursor())).await
    }

    /// Rows as they are now.
    pub async fn rows(&self, of: (&str, Side), ids: &[String], keys: &[String]) -> Result<Vec<ReadRow>, ReadError> {
        let (plugin, bound) = (&self.flow.release.plugin, &self.flow.bound);
        self.patiently(|| self.runtime.read_rows(plugin, bound.clone(), of, ids.to_vec(), keys.to_vec())).await
    }

    async fn patiently<T, F: Future<Output = Result<T, ReadError>>>(
        &self,
        read: impl Fn() -> F,
    ) -> Result<T, ReadError> {
        let began = tokio::time::Instant::now();
        loop {
            let (after, error) = match read().await {
                Err(ReadError::Passing(after, why)) => (after, ReadError::Passing(after, why)),
                // Others have the machine.
                Err(ReadError::Run(error @ RunError::Limit { limit: "run_seconds", .. })) => (0, error.into()),
                other => return other,
            };
            let pause = jitter(Duration::from_millis(after).clamp(PAUSES.0, PAUSES.1));
            if began.elapsed() + pause > self.patience {
                return Err(error);
            }
            tracing::debug!(flow = self.flow.name, %error, "reading to compare goes on later");
            tokio::time::sleep(pause).await;
        }
    }
}
