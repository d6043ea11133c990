//! Calls over which a system breaks that answers everything else: whether that is about their record, or about all calls of that kind. A record is
//! to blame where a neighbour's call has succeeded since, where nothing else breaks that is not known to be so, and after a long while; else nobody's
//! attempts are counted.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So long nobody is blamed where several break and none succeeds.
const PATIENCE: Duration = Duration::from_secs(30 * 60);
/// What has not broken for so long is none any more.
const FORGOTTEN: Duration = Duration::from_secs(3_600);
/// Records of one kind of call.
const MOST: usize = 10_000;

/// Who is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The record: the call is its own.
    Record,
    /// Nobody knows yet, for so long.
    Unknown(Duration),
}

struct Broken {
    first: Instant,
    last: Instant,
    /// Another record's call of the kind has succeeded since the first.
    neighbours: bool,
}

/// See the module's words. Of one connection; kinds of calls are told by object and by what is done to it.
#[derive(Default)]
pub struct Suspects(Mutex<HashMap<String, HashMap<String, Broken>>>);

impl Suspects {
    /// Nothing breaks: the usual case, in which nobody needs to say what succeeded.
    pub fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// A call of the kind was carried out for this record; none where that is not known.
    pub fn done(&self, kind: &str, record: Option<&str>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(own) = all.get_mut(kind) else { return };
        if let Some(record) = record {
            own.remove(record);
        }
        own.values_mut().for_each(|other| other.neighbours = true);
        if own.is_empty() {
            all.remove(kind);
        }
    }

    /// The system broke over a call for this record, and answers everything else.
    pub fn broke(&self, kind: &str, record: &str) {
        self.broke_at(kind, record, Instant::now());
    }

    /// Who is at fault where it broke: said once all that came of calls beside it is known.
    pub fn blame(&self, kind: &str, record: &str) -> Blame {
        self.blame_at(kind, record, Instant::now())
    }

    fn broke_at(&self, kind: &str, record: &str, now: Instant) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = all.entry(kind.to_owned()).or_default();
        own.retain(|_, broken| now.duration_since(broken.last) < FORGOTTEN);
        if let Some(broken) = own.get_mut(record) {
            broken.last = now;
        } else if own.len() < MOST {
            own.insert(record.to_owned(), Broken { first: now, last: now, neighbours: false });
        }
    }

    fn blame_at(&self, kind: &str, record: &str, now: Instant) -> Blame {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((own, broken)) = all.get(kind).and_then(|own| Some((own, own.get(record)?))) else {
            return Blame::Unknown(Duration::ZERO);
        };
        let lasts = now.duration_since(broken.first);
        let is_only = own.values().filter(|broken| !broken.neighbours).count() == 1;
        match broken.neighbours || lasts >= PATIENCE || is_only {
            true => Blame::Record,
            false => Blame::Unknown(lasts),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_to_blame_where_a_neighbour_succeeds_or_nothing_else_breaks() {
        let (suspects, now) = (Suspects::default(), Instant::now());
        let broke = |record, after| {
            let at = now + Duration::from_secs(after);
            suspects.broke_at("write Account", record, at);
            suspects.blame_at("write Account", record, at)
        };
        assert!(suspects.is_empty());
        assert_eq!(broke("a", 0), Blame::Record, "nothing else breaks");
        assert_eq!(broke("b", 1), Blame::Unknown(Duration::ZERO));
        assert_eq!(broke("a", 2), Blame::Unknown(Duration::from_secs(2)), "all may be down");
        suspects.done("read Account", Some("c"));
        assert_eq!(broke("a", 3), Blame::Unknown(Duration::from_secs(3)), "of another kind");
        suspects.done("write Account", None);
        assert_eq!((broke("a", 4), broke("b", 4)), (Blame::Record, Blame::Record));
        assert_eq!(broke("d", 5), Blame::Record, "nothing else breaks that is not known");
        assert_eq!(broke("e", 6), Blame::Unknown(Duration::ZERO));
        assert_eq!(broke("d", 7), Blame::Unknown(Duration::from_secs(2)), "no neighbour since");
        ["a", "b", "d", "e"].iter().for_each(|record| suspects.done("write Account", Some(record)));
        assert!(suspects.is_empty());
    }

    #[test]
    fn who_breaks_for_long_is_asked_about_all_the_same_and_what_is_over_is_forgotten() {
        let (suspects, now) = (Suspects::default(), Instant::now());
        let broke = |record, after| {
            suspects.broke_at("write", record, now + after);
            suspects.blame_at("write", record, now + after)
        };
        broke("a", Duration::ZERO);
        assert_eq!(broke("b", Duration::ZERO), Blame::Unknown(Duration::ZERO));
        assert_eq!(broke("b", PATIENCE), Blame::Record);
        assert_eq!(broke("c", FORGOTTEN + PATIENCE), Blame::Record, "the others were not heard of for long");
    }
}
