//! What goes wrong again and again is told when it begins and when it is over, with how often it was.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The troubles under way, by their kind.
#[derive(Default)]
pub struct Troubles(BTreeMap<String, Trouble>);

/// One that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trouble {
    since: Instant,
    /// How often it was met.
    pub times: u64,
}

impl Trouble {
    /// How long it went on.
    pub fn lasted(&self) -> Duration {
        self.since.elapsed()
    }
}

impl Troubles {
    /// Met once more; true the first time.
    pub fn begins(&mut self, kind: &str) -> bool {
        let trouble = self.0.entry(kind.to_owned()).or_insert_with(|| Trouble { since: Instant::now(), times: 0 });
        trouble.times += 1;
        trouble.times == 1
    }

    /// Met no more.
    pub fn over(&mut self, kind: &str) -> Option<Trouble> {
        self.0.remove(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_is_told_once_and_counted_until_it_is_over() {
        let mut troubles = Troubles::default();
        let told = (0..11).filter(|_| troubles.begins("sign-in")).count();
        assert_eq!(told, 1);
        assert!(troubles.begins("Items"), "another kind is another trouble");
        assert_eq!(troubles.over("sign-in").map(|trouble| trouble.times), Some(11));
        assert_eq!(troubles.over("sign-in"), None);
        assert!(troubles.begins("sign-in"), "it may begin again");
    }
}
