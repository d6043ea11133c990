//! What a simulator was asked: counts by kind, and the last requests one by one. An API budget is measured here and not in
//! the program that spends it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// Requests kept one by one.
const KEPT: usize = 500;

/// One request.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Milliseconds since 1970 UTC, by the machine's clock.
    pub at: i64,
    pub method: String,
    /// Path and query.
    pub path: String,
    /// 0 when the connection was dropped in place of an answer.
    pub status: u16,
    pub micros: u64,
}

/// See the module's words.
#[derive(Default)]
pub struct Log {
    counts: Mutex<BTreeMap<String, u64>>,
    inside: Mutex<BTreeMap<String, u64>>,
    recent: Mutex<VecDeque<Entry>>,
}

impl Log {
    /// One more of a kind.
    pub fn count(&self, what: &str) {
        one_more(&self.counts, what);
    }

    /// One more of a kind, inside of a call that is counted already.
    pub fn count_inside(&self, what: &str) {
        one_more(&self.inside, what);
    }

    /// A request as it was answered.
    pub fn note(&self, entry: Entry) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() == KEPT {
            recent.pop_front();
        }
        recent.push_back(entry);
    }

    /// All counts.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All counts of what was asked for inside of calls.
    pub fn counts_inside(&self) -> BTreeMap<String, u64> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last requests, oldest first.
    pub fn recent(&self) -> Vec<Entry> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.inside.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn one_more(counts: &Mutex<BTreeMap<String, u64>>, what: &str) {
    let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    match counts.get_mut(what) {
        Some(count) => *count += 1,
        None => {
            counts.insert(what.to_owned(), 1);
        }
    }
}
