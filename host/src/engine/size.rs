//! How many events one run of a flow bears: a batch that breaks a limit is cut, and the size that worked is remembered, so that
//! the next batch does not begin at the size that failed.

use std::sync::{Mutex, PoisonError};

use crate::sandbox::RunError;

/// Runs of the remembered size that end well before a larger one is tried.
const GROW_AFTER: u32 = 20;

#[derive(Debug, Default)]
struct Learnt {
    /// None while nothing has failed by its size.
    most: Option<u32>,
    well: u32,
}

/// See the module's words.
#[derive(Debug, Default)]
pub(super) struct BatchSize(Mutex<Learnt>);

impl BatchSize {
    /// What the operator or the plugin likes, or less.
    pub(super) fn at_most(&self, liked: u32) -> u32 {
        let learnt = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        learnt.most.map_or(liked, |most| most.min(liked)).max(1)
    }

    /// A run of so many events ended well.
    pub(super) fn worked(&self, events: usize) {
        let mut learnt = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(most) = learnt.most else { return };
        if events < most as usize {
            return;
        }
        learnt.well += 1;
        if learnt.well >= GROW_AFTER {
            *learnt = Learnt { most: Some(most.saturating_mul(2)), well: 0 };
        }
    }

    /// A run of so many events failed.
    pub(super) fn failed(&self, events: usize, error: &RunError) {
        if matches!(error, RunError::Limit { .. }) {
            self.too_large(events);
        }
    }

    /// So many events asked for more than a limit allows. One that does so alone does it by itself, not by the batch's size.
    pub(super) fn too_large(&self, events: usize) {
        let most = (events > 1).then(|| (events as u32).div_ceil(2));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Learnt { most, well: 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn too_much() -> RunError {
        RunError::Limit { limit: "host_calls", detail: "more than 10".into() }
    }

    #[test]
    fn the_size_that_works_is_remembered_and_a_larger_one_tried_now_and_then() {
        let size = BatchSize::default();
        size.failed(100, &too_much());
        size.failed(50, &too_much());
        assert_eq!(size.at_most(100), 25);
        for _ in 0..GROW_AFTER {
            assert_eq!(size.at_most(100), 25);
            size.worked(25);
        }
        assert_eq!(size.at_most(100), 50);
    }

    #[test]
    fn an_event_that_fails_alone_says_nothing_about_sizes() {
        let size = BatchSize::default();
        for events in [100, 50, 25, 13, 7, 4, 2, 1] {
            size.failed(events, &too_much());
        }
        assert_eq!(size.at_most(100), 100);
    }
}
