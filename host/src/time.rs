//! The one place for time and for fresh ids.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat, Utc};

use crate::store::Millis;

/// The time of day, in milliseconds since 1970 UTC.
pub fn now() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as Millis)
}

/// `2026-01-31T10:00:00.000Z`, as people and logs read it.
pub fn iso(at: Millis) -> String {
    DateTime::<Utc>::from_timestamp_millis(at)
        .map_or_else(|| at.to_string(), |time| time.to_rfc3339_opts(SecondsFormat::Millis, true))
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
