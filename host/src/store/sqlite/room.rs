//! How much must fit on the disk until a store that found no room is called well: as much as a run may write. Where it fails again soon after, its runs write
//! more, and more is asked for; else the host would be ready and unready in turn.

use std::time::{Duration, Instant};

/// Bytes that most runs with their journals stay below.
const LIKE_A_RUN: usize = 256 << 10;

/// More than any run may write at once.
const MOST: usize = 64 << 20;

/// What fails within this time after it was called well was called so too early.
const SOON: Duration = Duration::from_secs(60);

/// See the module's words.
pub struct Room {
    bytes: usize,
    /// When it was called well, until it fails again.
    well: Option<Instant>,
}

impl Room {
    pub fn new() -> Self {
        Self { bytes: LIKE_A_RUN, well: None }
    }

    /// Bytes that must fit at `now`, while the store is failing.
    pub fn wanted(&mut self, now: Instant) -> usize {
        if let Some(well) = self.well.take() {
            let too_early = now.saturating_duration_since(well) < SOON;
            self.bytes = if too_early { (self.bytes * 2).min(MOST) } else { LIKE_A_RUN };
        }
        self.bytes
    }

    /// They fitted.
    pub fn found(&mut self, now: Instant) {
        self.well = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_soon_after_it_was_called_well_must_find_more_room() {
        let (mut room, now) = (Room::new(), Instant::now());
        let mut last = room.wanted(now);
        assert_eq!(room.wanted(now), last, "asked again, while it fails");
        for _ in 0..20 {
            room.found(now);
            let wanted = room.wanted(now + SOON / 2);
            assert!(wanted == last * 2 || wanted == MOST, "{wanted}");
            last = wanted;
        }
        assert_eq!(last, MOST);
        room.found(now);
        assert_eq!(room.wanted(now + SOON * 2), LIKE_A_RUN, "another time, another reason");
    }
}
