//! How often somebody has called, in the minute and on the day, and how many of their calls are under way. Those who call are known, so that they are few.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::store::Millis;

const MINUTE: Millis = 60_000;
const DAY: Millis = 86_400_000;
/// Calls of one caller that are under way at once: the others have theirs.
const AT_ONCE: usize = 2;

/// See the module's words.
#[derive(Debug)]
pub struct Rates {
    a_minute: u32,
    a_day: u32,
    calls: Arc<Calls>,
    turns: Mutex<BTreeMap<String, Arc<Semaphore>>>,
}

/// How often each has called, as long as the process runs: a `tandem.toml` that is changed makes nobody's calls undone.
#[derive(Debug, Default)]
pub struct Calls(Mutex<BTreeMap<String, Counts>>);

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// Since 1970.
    minute: Millis,
    in_minute: u32,
    day: Millis,
    in_day: u32,
}

/// Why it was too often.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooOften {
    /// Within the minute.
    #[error("more than {most} calls within a minute; ask again in {seconds} s")]
    InMinute {
        /// So many are allowed.
        most: u32,
        /// Until the next one is.
        seconds: i64,
    },
    /// Within the day.
    #[error("more than {0} calls on this day (UTC); ask again tomorrow, or have `calls_a_day` of [agents] raised")]
    InDay(u32),
}

impl Rates {
    /// So many calls are allowed, those that were made before counted.
    pub fn new(a_minute: u32, a_day: u32, calls: Arc<Calls>) -> Self {
        Self { a_minute, a_day, calls, turns: Mutex::default() }
    }

    /// Waits until few enough calls of theirs are under way. None where nothing is called any more.
    pub async fn turn(&self, who: &str) -> Option<OwnedSemaphorePermit> {
        let own = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.entry(who.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))).clone()
        };
        own.acquire_owned().await.ok()
    }

    /// Counts a call, unless there were too many.
    pub fn call(&self, who: &str, now: Millis) -> Result<(), TooOften> {
        let mut callers = self.calls.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = callers.entry(who.to_owned()).or_default();
        if own.minute != now / MINUTE {
            (own.minute, own.in_minute) = (now / MINUTE, 0);
        }
        if own.day != now / DAY {
            (own.day, own.in_day) = (now / DAY, 0);
        }
        if own.in_day >= self.a_day {
            return Err(TooOften::InDay(self.a_day));
        }
        if own.in_minute >= self.a_minute {
            let seconds = (MINUTE - now % MINUTE).div_euclid(1_000).max(1);
            return Err(TooOften::InMinute { most: self.a_minute, seconds });
        }
        own.in_minute += 1;
        own.in_day += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_has_many_calls_under_way_waits_and_others_do_not() {
        use futures_util::FutureExt;
        let rates = Rates::new(99, 99, Arc::default());
        let mut own = Vec::new();
        for _ in 0..AT_ONCE {
            own.push(rates.turn("a").await);
        }
        assert!(rates.turn("a").now_or_never().is_none());
        assert!(rates.turn("b").now_or_never().flatten().is_some());
        own.pop();
        assert!(rates.turn("a").now_or_never().flatten().is_some());
    }

    #[test]
    fn each_caller_has_a_minute_and_a_day_of_its_own_whatever_is_set_meanwhile() {
        let calls: Arc<Calls> = Arc::default();
        let rates = Rates::new(2, 3, calls.clone());
        let at = 20 * DAY;
        assert_eq!([rates.call("a", at), rates.call("a", at)], [Ok(()), Ok(())]);
        assert_eq!(rates.call("a", at + 59_000), Err(TooOften::InMinute { most: 2, seconds: 1 }));
        assert_eq!(rates.call("b", at), Ok(()));
        assert_eq!(rates.call("a", at + MINUTE), Ok(()));
        assert_eq!(rates.call("a", at + 2 * MINUTE), Err(TooOften::InDay(3)));
        // A changed file sets other bounds, and forgets nobody's calls.
        let (wider, now) = (Rates::new(9, 4, calls), at + 2 * MINUTE);
        assert_eq!([wider.call("a", now), wider.call("a", now)], [Ok(()), Err(TooOften::InDay(4))]);
        assert_eq!(rates.call("a", at + DAY), Ok(()));
    }
}
