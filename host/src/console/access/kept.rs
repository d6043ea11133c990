//! What is remembered for a short while in memory, by a key that only its owner knows. It is given once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::sandbox::digest_of;

/// See the module's words.
pub struct Kept<T> {
    life: Duration,
    most: usize,
    /// By the digest of the key: how long a look takes tells nothing of the keys there are.
    all: Mutex<HashMap<String, (Instant, T)>>,
}

impl<T> Kept<T> {
    /// So long, and so many at once.
    pub fn new(life: Duration, most: usize) -> Self {
        Self { life, most, all: Mutex::default() }
    }

    /// False where there are too many.
    pub fn put(&self, key: &str, value: T) -> bool {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= self.most {
            all.retain(|_, (at, _)| at.elapsed() < self.life);
        }
        let fits = all.len() < self.most;
        if fits {
            all.insert(digest_of(key.as_bytes()), (Instant::now(), value));
        }
        fits
    }

    /// It is there no longer.
    pub fn take(&self, key: &str) -> Option<T> {
        let (at, value) = self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&digest_of(key.as_bytes()))?;
        (at.elapsed() < self.life).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_given_once_and_not_for_ever() {
        let kept = Kept::new(Duration::from_secs(60), 2);
        assert!(kept.put("a", 1) && kept.put("b", 2));
        assert!(!kept.put("c", 3), "no more than that");
        assert_eq!((kept.take("a"), kept.take("a"), kept.take("x")), (Some(1), None, None));
        let short = Kept::new(Duration::ZERO, 1);
        assert!(short.put("a", 1));
        assert_eq!(short.take("a"), None);
        assert!(short.put("a", 1) && short.put("b", 1), "what is over takes no place");
    }
}
