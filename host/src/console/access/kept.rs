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

    /// Where there are too many, the oldest goes: whoever fills it keeps nobody out.
    pub fn put(&self, key: &str, value: T) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= self.most {
            all.retain(|_, (at, _)| at.elapsed() < self.life);
        }
        if all.len() >= self.most {
            let oldest = all.iter().min_by_key(|(_, (at, _))| *at).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                all.remove(&oldest);
            }
        }
        all.insert(digest_of(key.as_bytes()), (Instant::now(), value));
    }

    /// It is there no longer.
    pub fn take(&self, key: &str) -> Option<T> {
        self.take_if(key, |_| true)
    }

    /// The same of what fits; what does not stays.
    pub fn take_if(&self, key: &str, fits: impl FnOnce(&T) -> bool) -> Option<T> {
        let key = digest_of(key.as_bytes());
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.get(&key).is_some_and(|(_, value)| fits(value)) {
            return None;
        }
        let (at, value) = all.remove(&key)?;
        (at.elapsed() < self.life).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_given_once_and_not_for_ever() {
        let kept = Kept::new(Duration::from_secs(60), 2);
        kept.put("a", 1);
        kept.put("b", 2);
        assert_eq!((kept.take("a"), kept.take("a"), kept.take("x")), (Some(1), None, None));
        assert_eq!((kept.take_if("b", |own| *own == 1), kept.take_if("b", |own| *own == 2)), (None, Some(2)));
        let short = Kept::new(Duration::ZERO, 1);
        short.put("a", 1);
        assert_eq!(short.take("a"), None);
    }

    #[test]
    fn where_there_are_too_many_the_oldest_goes() {
        let kept = Kept::new(Duration::from_secs(60), 2);
        for (key, value) in [("a", 1), ("b", 2), ("c", 3)] {
            kept.put(key, value);
            // The clock may be coarse.
            std::thread::sleep(Duration::from_millis(2));
        }
        assert_eq!((kept.take("a"), kept.take("b"), kept.take("c")), (None, Some(2), Some(3)));
    }
}
