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

    /// The next rows of a side. What is too much at once is asked for by halves; `most`, which is remembered, is what went.
    pub async fn page(
        &self,
        of: (&str, Side),
        since: Option<Millis>,
        cursor: Option<&str>,
        most: &mut u32,
    ) -> Result<ReadPage, ReadError> {
        loop {
            let read = self.page_of(of, since, cursor, *most).await;
            let Some(fewer) = fewer(&read, *most) else { return read };
            tracing::debug!(flow = self.flow.name, most = fewer, "fewer records are read at once to compare");
            *most = fewer;
        }
    }

    async fn page_of(
        &self,
        of: (&str, Side),
        since: Option<Millis>,
        cursor: Option<&str>,
        most: u32,
    ) -> Result<ReadPage, ReadError> {
        let (plugin, bound) = (&self.flow.release.plugin, &self.flow.bound);
        let cursor = || (cursor.map(str::to_owned), most);
        self.patiently(|| self.runtime.read_page(plugin, bound.clone(), of, since, cursor())).await
    }

    /// Rows as they are now. What is too much at once is asked for by halves.
    pub async fn rows(&self, of: (&str, Side), ids: &[String], keys: &[String]) -> Result<Vec<ReadRow>, ReadError> {
        let mut rows = Vec::new();
        let mut open = vec![(ids, keys)];
        while let Some((ids, keys)) = open.pop() {
            match self.rows_of(of, ids, keys).await {
                Err(error) if error.is_too_much() && ids.len() + keys.len() > 1 => {
                    let halves = (ids.split_at(ids.len() / 2), keys.split_at(keys.len().div_ceil(2)));
                    open.extend([(halves.0.0, halves.1.0), (halves.0.1, halves.1.1)]);
                }
                read => rows.extend(read?),
            }
        }
        Ok(rows)
    }

    async fn rows_of(&self, of: (&str, Side), ids: &[String], keys: &[String]) -> Result<Vec<ReadRow>, ReadError> {
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

/// Half as many, where it was too much; none at the last one.
fn fewer<T>(read: &Result<T, ReadError>, most: u32) -> Option<u32> {
    read.as_ref().err().filter(|error| error.is_too_much() && most > 1).map(|_| most / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_at_once_is_asked_for_by_halves_down_to_one() {
        let limit = |limit| Err::<(), _>(RunError::Limit { limit, detail: String::new() }.into());
        assert_eq!(fewer(&limit("memory_bytes"), 1_000), Some(500));
        assert_eq!(fewer(&Err::<(), _>(ReadError::TooLarge("8 MB".into())), 3), Some(1));
        assert_eq!(fewer(&limit("cpu_ms"), 1), None);
        assert_eq!(fewer(&Err::<(), _>(ReadError::Failed("no such field".into())), 1_000), None);
        assert_eq!(fewer(&Ok(()), 1_000), None);
    }
}
