//! What time it is over there. Stamps of a system are compared with the system's own clock, as its answers tell it: this
//! server's may be wrong, and may be set.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::store::Millis;

/// The clock of one system.
#[derive(Debug, Default)]
pub struct RemoteClock {
    last: Mutex<Option<(Millis, Instant)>>,
}

impl RemoteClock {
    /// An answer said that it was made then, to the second. Source: RFC 9110, 6.6.1 (`Date`).
    pub fn told(&self, at: Millis) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((at, Instant::now()));
    }

    /// False before the first answer.
    pub fn is_known(&self) -> bool {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Now, over there: up to some seconds late, never early. Before the first answer by this server's clock.
    pub fn now(&self) -> Millis {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.map_or_else(crate::time::now, |(at, since)| {
            at.saturating_add(Millis::try_from(since.elapsed().as_millis()).unwrap_or(Millis::MAX))
        })
    }
}

/// A `Date` header.
pub fn date(text: &str) -> Option<Millis> {
    Some(chrono::DateTime::parse_from_rfc2822(text.trim()).ok()?.timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_answer_says_what_time_it_is_whatever_this_server_thinks() {
        let clock = RemoteClock::default();
        assert!((clock.now() - crate::time::now()).abs() < 1_000);
        let at = date("Wed, 21 Oct 2015 07:28:00 GMT").unwrap();
        clock.told(at);
        assert!((clock.now() - at).abs() < 1_000);
        assert_eq!(date("soon"), None);
    }
}
