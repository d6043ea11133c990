//! Runs under way, and which of them should have ended long ago: what a service manager is to know of a host that hangs.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::store::RunId;

/// A run has a limit of its own (`run_seconds`) and ends by it. One that is so much later hangs where no limit reaches.
const LATE: Duration = Duration::from_secs(120);

/// Until when each run under way must have ended.
#[derive(Default)]
pub(super) struct UnderWay(Mutex<BTreeMap<RunId, (String, Instant)>>);

impl UnderWay {
    /// A run begins, or begins over its journal; it has ended when what is given back is dropped.
    pub(super) fn begin(&self, run: RunId, flow: &str, limit: Duration) -> Ending<'_> {
        // A limit beyond all time is none.
        if let Some(until) = limit.checked_add(LATE).and_then(|limit| Instant::now().checked_add(limit)) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(run, (flow.to_owned(), until));
        }
        Ending { all: self, run }
    }

    /// A run that should have ended, in words.
    pub(super) fn late(&self, now: Instant) -> Option<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (run, (flow, _)) = all.iter().find(|(_, (_, until))| *until < now)?;
        Some(format!("run {} of {flow} does not end", run.0))
    }
}

/// See [`UnderWay::begin`].
pub(super) struct Ending<'a> {
    all: &'a UnderWay,
    run: RunId,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.run);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_goes_on_after_its_limit_is_told_until_it_ends() {
        let runs = UnderWay::default();
        let limit = Duration::from_secs(180);
        let (quick, slow) = (runs.begin(RunId(1), "orders", limit), runs.begin(RunId(2), "accounts", limit));
        let later = Instant::now() + limit + LATE + Duration::from_secs(1);
        assert_eq!(runs.late(Instant::now()), None);
        drop(quick);
        assert_eq!(runs.late(later).as_deref(), Some("run 2 of accounts does not end"));
        drop(slow);
        assert_eq!(runs.late(later), None);
        // As `run_seconds` may say it.
        let _endless = runs.begin(RunId(3), "orders", Duration::from_secs(u64::MAX));
        assert_eq!(runs.late(later), None);
    }
}
