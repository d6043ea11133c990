//! Requests a second, as `tandem.toml` allows them: where several hosts share a store, each takes its share of what one was allowed.

use std::num::NonZeroU32;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// See the module's words.
pub struct Budget {
    limiter: DefaultDirectRateLimiter,
    rate: NonZeroU32,
}

impl Budget {
    /// All that may be sent in a second.
    pub fn per_second(rate: u32) -> Self {
        let rate = NonZeroU32::new(rate).unwrap_or(NonZeroU32::MIN);
        Self { limiter: RateLimiter::direct(Quota::per_second(rate)), rate }
    }

    /// Waits until a request may be sent by one of so many hosts.
    pub async fn take(&self, hosts: NonZeroU32) {
        // One for each host: what the others send is taken out beforehand. More than there are in a second cannot be asked for at once.
        let _ = self.limiter.until_n_ready(hosts.min(self.rate)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hosts_together_send_what_one_was_allowed() {
        let rate = 40;
        let hosts = NonZeroU32::new(4).unwrap();
        let all: Vec<Budget> = (0..hosts.get()).map(|_| Budget::per_second(rate)).collect();
        let mut sent = 0;
        for own in &all {
            // What may be sent at once, and no more.
            while tokio::time::timeout(std::time::Duration::from_millis(1), own.take(hosts)).await.is_ok() {
                sent += 1;
            }
        }
        assert!((rate..=rate + 2 * hosts.get()).contains(&sent), "{sent}");
        Budget::per_second(1).take(hosts).await;
    }
}
