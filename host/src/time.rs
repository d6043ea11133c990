//! The one place for time and for fresh ids.

use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, TimeZone, Utc};
use chrono_tz::Tz;

use crate::store::Millis;

/// What a clock said that this process follows, and when.
static FOLLOWED: RwLock<Option<(Millis, Instant)>> = RwLock::new(None);

/// Less is no other time, but the way that the answer took.
const WAY: Millis = 300;

/// The time of day, in milliseconds since 1970 UTC: of this machine, or of the clock that is followed.
pub fn now() -> Millis {
    let followed = *FOLLOWED.read().unwrap_or_else(PoisonError::into_inner);
    followed.map_or_else(of_machine, |(at, since)| at.saturating_add(millis(since.elapsed())))
}

/// From now on the time is that of another clock, which said `at` when this machine's steady one said `since`. Several hosts on one database go by its
/// server's: what one of them plans is due for all at the same time.
pub fn follow(at: Millis, since: Instant) {
    let expected = now().saturating_sub(millis(since.elapsed()));
    let mut followed = FOLLOWED.write().unwrap_or_else(PoisonError::into_inner);
    if followed.is_none() || expected.abs_diff(at) > WAY.unsigned_abs() {
        *followed = Some((at, since));
    }
}

fn millis(time: Duration) -> Millis {
    Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX)
}

fn of_machine() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as Millis)
}

/// `2026-01-31T10:00:00.000Z`, as people and logs read it.
pub fn iso(at: Millis) -> String {
    DateTime::<Utc>::from_timestamp_millis(at)
        .map_or_else(|| at.to_string(), |time| time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// Seconds since 1970 UTC, as metrics have it.
pub fn seconds(at: Millis) -> f64 {
    at as f64 / 1_000.0
}

/// A trace id: 32 hex digits, as W3C Trace Context has it.
pub fn fresh_trace() -> String {
    format!("{:032x}", fastrand::u128(1..))
}

/// Somewhere between half and all of `delay`: many that failed together do not come back together.
pub fn jitter(delay: Duration) -> Duration {
    delay.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// Delay before try number `attempt` (from 1): doubles from `first`, at most `most`, with jitter.
pub fn backoff(attempt: u32, first: Duration, most: Duration) -> Duration {
    jitter(first.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(most))
}

/// The moment of a local day (`2026-01-31`, whatever follows is ignored) and time (`14:05:59`). Of an hour that the clock
/// goes through twice the first; `None` for one it skips.
pub fn from_local(zone: Tz, day: &str, time: &str) -> Option<Millis> {
    let day: NaiveDate = day.get(..10)?.parse().ok()?;
    let time: NaiveTime = time.parse().ok()?;
    zone.from_local_datetime(&day.and_time(time)).earliest().map(|at| at.timestamp_millis())
}

/// The local clock at a moment: `2026-01-31 14:05:59`, which sorts as time does.
pub fn local(zone: Tz, at: Millis) -> String {
    DateTime::<Utc>::from_timestamp_millis(at)
        .map_or_else(String::new, |time| time.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_time_knows_daylight_saving() {
        let berlin: Tz = "Europe/Berlin".parse().unwrap();
        let summer = from_local(berlin, "2026-07-01T00:00:00Z", "12:00:00").unwrap();
        assert_eq!(iso(summer), "2026-07-01T10:00:00.000Z");
        assert_eq!(local(berlin, summer), "2026-07-01 12:00:00");
        assert_eq!(from_local(berlin, "2026-03-29", "02:30:00"), None, "the clock skips that hour");
        let twice = from_local(berlin, "2026-10-25", "02:30:00").unwrap();
        assert_eq!(iso(twice), "2026-10-25T00:30:00.000Z", "of an hour that comes twice, the first");
    }
}
