//! How large answers may be: each, and all of one list together. A list of many reads is bounded before it is in memory.

use std::sync::atomic::{AtomicU64, Ordering};

use super::CallError;

/// Bytes of an answer, and of all answers that share the rest.
#[derive(Clone, Copy, Debug)]
pub struct Limit<'a> {
    /// At most so many in one.
    pub each: u64,
    /// What is left for all; none where each stands for itself.
    rest: Option<&'a AtomicU64>,
}

impl From<u64> for Limit<'_> {
    fn from(each: u64) -> Self {
        Self { each, rest: None }
    }
}

impl<'a> Limit<'a> {
    /// Each at most this, and all together at most what is left.
    pub fn shared(each: u64, rest: &'a AtomicU64) -> Self {
        Self { each, rest: Some(rest) }
    }

    /// For a call that changes something: were its answer not read for want of room, nobody would know what became of it.
    pub fn of(self, reads: bool) -> Self {
        if reads { self } else { self.each.into() }
    }

    /// Bytes of an answer that would be taken now.
    pub(super) fn room(&self) -> u64 {
        self.rest.map_or(self.each, |rest| rest.load(Ordering::Relaxed).min(self.each))
    }

    /// Counts more bytes of an answer that has `so_far`.
    pub(super) fn take(&self, so_far: usize, more: usize) -> Result<(), CallError> {
        let more = more as u64;
        let fits = so_far as u64 + more <= self.each;
        let left = |left: u64| left.checked_sub(more);
        let shared = self.rest.is_none_or(|rest| rest.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_ok());
        if fits && shared { Ok(()) } else { Err(CallError::TooLarge(self.each)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_share_what_is_left_but_a_write_has_its_own() {
        let rest = AtomicU64::new(100);
        let limit = Limit::shared(60, &rest);
        assert!(limit.take(0, 60).is_ok());
        assert_eq!(limit.take(60, 1), Err(CallError::TooLarge(60)), "one alone");
        assert_eq!(limit.take(0, 50), Err(CallError::TooLarge(60)), "all together");
        assert!(limit.of(false).take(0, 50).is_ok());
        assert_eq!((limit.room(), limit.of(false).room()), (39, 60));
        assert!(limit.take(0, 39).is_ok());
    }
}
