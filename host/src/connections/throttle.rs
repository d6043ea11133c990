//! How long a system wants to be left alone by all callers: what it says itself (`Retry-After`), or what its limit asks for.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::transport::Raw;

/// A pause that a system asks for is kept no longer than this: a header's slip must not silence a connection for ever.
const LONGEST: Duration = Duration::from_secs(3600);

/// See the module's words.
#[derive(Debug, Default)]
pub struct Throttle {
    until: Mutex<Option<Instant>>,
}

impl Throttle {
    /// Nobody calls for so long from now on. A longer pause that is under way stays.
    pub fn hold(&self, pause: Duration) {
        let until = Instant::now() + pause.min(LONGEST);
        let mut held = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        *held = Some(held.map_or(until, |before| before.max(until)));
    }

    /// What is left of the pause; none when it is over.
    pub fn left(&self) -> Option<Duration> {
        left_of(*self.until.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Of all who ask, lets one through each time a pause is over, and holds the others for another one.
    pub fn let_one_through(&self, pause: Duration) -> Result<(), Duration> {
        let mut held = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        match left_of(*held) {
            Some(left) => Err(left),
            None => {
                *held = Some(Instant::now() + pause.min(LONGEST));
                Ok(())
            }
        }
    }

    /// All may call again.
    pub fn release(&self) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn left_of(until: Option<Instant>) -> Option<Duration> {
    until.and_then(|until| until.checked_duration_since(Instant::now())).filter(|left| !left.is_zero())
}

/// As a caller is told it; never nothing.
pub fn millis(pause: Duration) -> u64 {
    u64::try_from(pause.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// The pause that an answer asks for: seconds, or a moment. Source: RFC 9110, 10.2.3.
pub fn asked_for(raw: &Raw) -> Option<Duration> {
    pause_of(raw.header("retry-after")?.trim(), raw.date.unwrap_or_else(crate::time::now))
}

fn pause_of(text: &str, now: i64) -> Option<Duration> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are a very long pause.
        return Some(text.parse().map_or(LONGEST, Duration::from_secs).min(LONGEST));
    }
    let moment = chrono::DateTime::parse_from_rfc2822(text).ok()?.timestamp_millis();
    Some(Duration::from_millis(u64::try_from(moment.saturating_sub(now)).unwrap_or(0)).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_comes_as_seconds_or_as_a_moment_and_a_wild_one_is_bounded() {
        let now = 1_445_412_420_000;
        assert_eq!(pause_of("120", now), Some(Duration::from_secs(120)));
        assert_eq!(pause_of("Wed, 21 Oct 2015 07:28:00 GMT", now), Some(Duration::from_secs(60)));
        assert_eq!(pause_of("Wed, 21 Oct 2015 07:00:00 GMT", now), Some(Duration::ZERO), "a moment that is past");
        assert_eq!(pause_of("99999999999999999999999", now), Some(LONGEST));
        assert_eq!(pause_of("Fri, 31 Dec 9999 23:59:59 GMT", now), Some(LONGEST));
        for wild in ["", "-1", "soon", "Wed, 99 Oct 2015 07:28:00 GMT"] {
            assert_eq!(pause_of(wild, now), None, "{wild}");
        }
    }

    #[test]
    fn a_longer_pause_is_not_cut_short_and_one_of_many_is_let_through() {
        let throttle = Throttle::default();
        throttle.hold(Duration::from_secs(60));
        throttle.hold(Duration::from_secs(1));
        assert!(throttle.left().is_some_and(|left| left > Duration::from_secs(50)));
        throttle.release();
        let let_through = (0..100).filter(|_| throttle.let_one_through(Duration::from_secs(60)).is_ok()).count();
        assert_eq!(let_through, 1);
    }
}
