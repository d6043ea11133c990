//! Which kinds of errors are new or back, for the first page: reckoned seldom, however many look at it and however often.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::grouped::{Kind, KindStanding, grouped};
use super::wrong;
use crate::console::Console;
use crate::console::problem::Problem;
use crate::store::Millis;
use crate::time::now;

/// It is not reckoned again before.
const HELD: Duration = Duration::from_secs(30);
/// Kinds of a flow whose words are told, and letters of each.
const NAMED: usize = 3;
const LONGEST: usize = 120;

/// What is new or back in one flow.
#[derive(Debug, Default, PartialEq)]
pub struct NewsOf {
    /// Kinds that are new.
    pub new: u64,
    /// Kinds that are back.
    pub back: u64,
    /// What the newest of them say.
    pub words: Vec<String>,
    /// Since when the first of them comes.
    pub since: Millis,
}

impl NewsOf {
    /// How many kinds.
    pub fn count(&self) -> u64 {
        self.new + self.back
    }

    /// In a sentence.
    pub fn text(&self) -> String {
        let kinds = if self.count() == 1 { "kind of error is" } else { "kinds of errors are" };
        let what = match (self.new, self.back) {
            (_, 0) => "new",
            (0, _) => "back",
            _ => "new or back",
        };
        let more = if self.count() > self.words.len() as u64 { "; …" } else { "" };
        format!("{} {kinds} {what}: {}{more}", self.count(), self.words.join("; "))
    }
}

/// What was reckoned, and when.
type Reckoned = (Instant, Arc<BTreeMap<String, NewsOf>>);

/// What is new or back, as it was reckoned last.
#[derive(Default)]
pub struct News(Mutex<Option<Reckoned>>);

impl News {
    /// By flow; flows without news are not in it.
    pub async fn by_flow(&self, console: &Console) -> Result<Arc<BTreeMap<String, NewsOf>>, Problem> {
        // Whoever comes meanwhile waits, and does not reckon, too.
        let mut held = self.0.lock().await;
        if let Some((_, news)) = held.as_ref().filter(|(at, _)| at.elapsed() < HELD) {
            return Ok(news.clone());
        }
        let events = wrong(console, None).await?;
        let news = Arc::new(news(grouped(&events, now())));
        *held = Some((Instant::now(), news.clone()));
        Ok(news)
    }
}

fn news(mut kinds: Vec<Kind>) -> BTreeMap<String, NewsOf> {
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.example));
    let mut all: BTreeMap<String, NewsOf> = BTreeMap::new();
    for kind in kinds.into_iter().filter(|kind| kind.standing != KindStanding::Known) {
        let own = all.entry(kind.flow).or_insert_with(|| NewsOf { since: kind.since, ..NewsOf::default() });
        match kind.standing {
            KindStanding::Back => own.back += 1,
            _ => own.new += 1,
        }
        own.since = own.since.min(kind.since);
        if own.words.len() < NAMED {
            own.words.push(shortened(&kind.words));
        }
    }
    all
}

fn shortened(words: &str) -> String {
    match words.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::grouped::tests::{HOUR, NOW, kinds};
    use super::*;

    #[test]
    fn what_is_new_or_back_is_told_once_for_each_flow() {
        let found = news(kinds(&[
            ("orders", "item A1 is inactive", 1),
            ("orders", "no price", 2),
            ("invoices", "no account", 3),
            ("orders", "item A2 is inactive", 5),
            ("catalogue", "too long", 30),
            ("invoices", "no account", 40),
        ]));
        assert_eq!(found.keys().collect::<Vec<_>>(), ["invoices", "orders"], "what is known is no news");
        let words = vec!["item … is inactive".to_owned(), "no price".to_owned()];
        assert_eq!(found["orders"], NewsOf { new: 2, back: 0, words, since: NOW - 5 * HOUR });
        assert_eq!(found["orders"].text(), "2 kinds of errors are new: item … is inactive; no price");
        assert_eq!(found["invoices"].text(), "1 kind of error is back: no account");
        let both = NewsOf { new: 3, back: 1, words: vec!["a".into(), "b".into(), "c".into()], since: 0 };
        assert_eq!(both.text(), "4 kinds of errors are new or back: a; b; c; …");
    }

    #[test]
    fn the_newest_three_are_named_and_long_words_are_cut() {
        let long = "ä".repeat(LONGEST + 1);
        let found = news(kinds(&[("orders", &long, 1), ("orders", "b", 2), ("orders", "c", 3), ("orders", "d", 4)]));
        let own = &found["orders"];
        assert_eq!((own.count(), own.words.len()), (4, NAMED));
        assert_eq!(own.words[0], format!("{}…", "ä".repeat(LONGEST)));
    }
}
