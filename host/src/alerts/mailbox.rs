//! What waits for one channel: news go out together, in order, not too often, and never twice. What could not be told is summed up.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::condition::{Day, What};
use super::ledger::{Ended, News};
use crate::store::Millis;

const HOUR: Millis = 3_600_000;
/// What could not be sent for so long is summed up.
const TOO_OLD: Millis = 24 * HOUR;
/// News that wait at most; the oldest beyond are summed up.
const MOST: usize = 500;
/// Pauses after a message that could not be sent; the last one stays.
const PAUSES: [Millis; 6] = [15_000, 30_000, 60_000, 300_000, 900_000, 1_800_000];

/// How the day before was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Digest {
    /// From.
    pub since: Millis,
    /// To.
    pub until: Millis,
    /// What it brought.
    pub day: Day,
    /// Outages that were told.
    pub outages: Vec<Ended>,
}

/// Something to be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Told {
    /// Something began, or is over.
    News(Box<News>),
    /// How the day was.
    Digest(Box<Digest>),
}

/// What waits, since when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Waiting {
    at: Millis,
    told: Told,
}

/// What was not told one by one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summed {
    /// When the first of it happened.
    pub since: Option<Millis>,
    /// By its sort: how many began, and how many were over.
    pub counts: BTreeMap<What, (u64, u64)>,
}

impl Summed {
    /// There is nothing of it.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    fn add(&mut self, at: Millis, told: &Told) {
        let own = match told {
            Told::News(news) => {
                let own = self.counts.entry(news.condition.what()).or_default();
                if news.turn.is_bad() { &mut own.0 } else { &mut own.1 }
            }
            Told::Digest(_) => &mut self.counts.entry(What::Digest).or_default().0,
        };
        *own += 1;
        self.since = Some(self.since.map_or(at, |since| since.min(at)));
    }

    fn join(&mut self, other: Self) {
        for (what, (bad, good)) in other.counts {
            let own = self.counts.entry(what).or_default();
            own.0 += bad;
            own.1 += good;
        }
        self.since = self.since.into_iter().chain(other.since).min();
    }
}

/// One message, on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parcel {
    /// Its number; grows.
    pub number: u64,
    told: Vec<Waiting>,
    /// What is told in one line.
    pub summed: Summed,
}

impl Parcel {
    /// What it tells, in order.
    pub fn told(&self) -> impl Iterator<Item = &Told> {
        self.told.iter().map(|own| &own.told)
    }
}

/// Why messages do not go out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failing {
    /// Since when.
    pub since: Millis,
    /// Why, the last time.
    pub why: String,
}

/// See the module's words.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Mailbox {
    waiting: VecDeque<Waiting>,
    #[serde(default, skip_serializing_if = "Summed::is_empty")]
    summed: Summed,
    sending: Option<Parcel>,
    /// When messages went out, within the hour.
    sent: Vec<Millis>,
    tries: usize,
    /// Not before, after a failure.
    again: Millis,
    failing: Option<Failing>,
    number: u64,
}

impl Mailbox {
    /// Something more to be told.
    pub fn put(&mut self, told: Told, now: Millis) {
        self.waiting.push_back(Waiting { at: now, told });
        while self.waiting.len() > MOST {
            self.sum_up_first();
        }
    }

    fn sum_up_first(&mut self) {
        if let Some(first) = self.waiting.pop_front() {
            self.summed.add(first.at, &first.told);
        }
    }

    /// After a start: whether a message was being sent when the host ended. It may have arrived, and is not sent again.
    pub fn was_sending(&mut self) -> bool {
        self.sending.take().is_some()
    }

    /// The next message, where one is due; it is on its way from now on, and to be kept so before it is sent.
    pub fn next(&mut self, now: Millis, gather: Millis, per_hour: u32) -> Option<Parcel> {
        // Of a clock that was set back nothing waits for its old time.
        self.sent.retain(|at| *at <= now && now - at < HOUR);
        self.again = self.again.min(now + PAUSES[PAUSES.len() - 1]);
        for own in &mut self.waiting {
            own.at = own.at.min(now);
        }
        let is_full = self.sent.len() >= per_hour as usize;
        let too_long = if is_full { gather } else { TOO_OLD };
        while self.waiting.front().is_some_and(|own| now - own.at > too_long && matches!(own.told, Told::News(_))) {
            self.sum_up_first();
        }
        if self.sending.is_some() || is_full || now < self.again {
            return None;
        }
        let gathered = match self.waiting.front() {
            Some(own) => now - own.at >= gather,
            None => !self.summed.is_empty(),
        };
        if !gathered {
            return None;
        }
        self.number += 1;
        let parcel = Parcel {
            number: self.number,
            told: self.waiting.drain(..).collect(),
            summed: std::mem::take(&mut self.summed),
        };
        self.sending = Some(parcel.clone());
        Some(parcel)
    }

    /// It went out.
    pub fn sent(&mut self, now: Millis) {
        self.sending = None;
        self.sent.push(now);
        (self.tries, self.again, self.failing) = (0, 0, None);
    }

    /// It did not: it is tried again, with what comes meanwhile, in order.
    pub fn failed(&mut self, now: Millis, why: String) {
        if let Some(parcel) = self.sending.take() {
            for own in parcel.told.into_iter().rev() {
                self.waiting.push_front(own);
            }
            self.summed.join(parcel.summed);
        }
        self.again = now + PAUSES[self.tries.min(PAUSES.len() - 1)];
        self.tries += 1;
        let since = self.failing.as_ref().map_or(now, |before| before.since);
        self.failing = Some(Failing { since, why });
    }

    /// Why its messages do not go out.
    pub fn failing(&self) -> Option<&Failing> {
        self.failing.as_ref()
    }

    /// News that wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::condition::{Condition, Detail};
    use super::super::ledger::Turn;
    use super::*;

    const MINUTE: Millis = 60_000;
    const START: Millis = 1_800_000_000_000;

    fn news(number: u64) -> Told {
        Told::News(Box::new(News {
            condition: Condition::Held { flow: "orders".into() },
            flows: vec!["orders".into()],
            turn: if number.is_multiple_of(2) { Turn::Begun } else { Turn::Over },
            since: START,
            until: None,
            times: number,
            detail: Detail::default(),
        }))
    }

    fn numbers(parcel: &Parcel) -> Vec<u64> {
        let number = |told: &Told| match told {
            Told::News(news) => news.times,
            Told::Digest(_) => 0,
        };
        parcel.told().map(number).collect()
    }

    fn total(summed: &Summed) -> u64 {
        summed.counts.values().map(|(bad, good)| bad + good).sum()
    }

    #[test]
    fn what_comes_within_a_minute_goes_in_one_message() {
        let mut mailbox = Mailbox::default();
        for number in 0..3 {
            mailbox.put(news(number), START + Millis::try_from(number).unwrap() * 10_000);
            assert_eq!(mailbox.next(START + 20_000, MINUTE, 12), None);
        }
        let parcel = mailbox.next(START + MINUTE, MINUTE, 12).unwrap();
        assert_eq!(numbers(&parcel), [0, 1, 2]);
        assert_eq!(mailbox.next(START + 2 * MINUTE, MINUTE, 12), None, "it is on its way");
        mailbox.sent(START + 2 * MINUTE);
        assert_eq!(mailbox.next(START + 3 * MINUTE, MINUTE, 12), None);
    }

    #[test]
    fn a_channel_that_fails_is_tried_again_in_order_and_after_a_day_summed_up() {
        let mut mailbox = Mailbox::default();
        mailbox.put(news(0), START);
        let mut now = START + MINUTE;
        let mut tries = 0;
        while now < START + 23 * HOUR {
            if mailbox.next(now, MINUTE, 12).is_some() {
                mailbox.failed(now, "down".into());
                tries += 1;
            }
            now += MINUTE;
        }
        assert!((40..60).contains(&tries), "half an hour between two in the end: {tries}");
        assert_eq!(mailbox.failing().unwrap().since, START + MINUTE);
        mailbox.put(news(1), now);
        now = START + 24 * HOUR + 31 * MINUTE;
        let parcel = mailbox.next(now, MINUTE, 12).unwrap();
        assert_eq!(numbers(&parcel), [1]);
        assert_eq!(total(&parcel.summed), 1);
        assert_eq!(parcel.summed.since, Some(START));
        mailbox.sent(now);
        assert_eq!((mailbox.failing(), mailbox.waiting()), (None, 0));
    }

    #[test]
    fn more_than_the_ceiling_is_one_line_of_the_next_message() {
        let (mut mailbox, mut now, mut sent) = (Mailbox::default(), START, Vec::new());
        for number in 0..60 {
            mailbox.put(news(number), now);
            now += MINUTE;
            if let Some(parcel) = mailbox.next(now, MINUTE, 4) {
                sent.push((numbers(&parcel).len(), total(&parcel.summed)));
                mailbox.sent(now);
            }
        }
        assert_eq!(sent, [(1, 0); 4]);
        let parcel = mailbox.next(now + 2 * MINUTE, MINUTE, 4).unwrap();
        assert!(total(&parcel.summed) >= 55 && numbers(&parcel).len() <= 1, "{parcel:?}");
    }

    #[derive(Clone, Debug)]
    enum Step {
        Put,
        Wait(u32),
        Sent,
        Failed,
        /// Killed, and started anew.
        Restart,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => Just(Step::Put),
            4 => (1u32..4_000).prop_map(Step::Wait),
            4 => Just(Step::Sent),
            2 => Just(Step::Failed),
            1 => Just(Step::Restart),
        ];
        proptest::collection::vec(step, 1..200)
    }

    proptest! {
        #[test]
        fn nothing_is_told_twice_or_out_of_order_and_only_what_was_on_its_way_is_lost(steps in steps(), per_hour in 1u32..6) {
            let (mut mailbox, mut now, mut put) = (Mailbox::default(), START, 0);
            let (mut told, mut summed, mut lost, mut sent) = (Vec::new(), 0, 0, Vec::new());
            let mut on_its_way: Option<Parcel> = None;
            for step in steps {
                match step {
                    Step::Put => {
                        mailbox.put(news(put), now);
                        put += 1;
                    }
                    Step::Wait(seconds) => now += Millis::from(seconds) * 1_000,
                    Step::Sent => if let Some(parcel) = on_its_way.take() {
                        told.extend(numbers(&parcel));
                        summed += total(&parcel.summed);
                        sent.push(now);
                        mailbox.sent(now);
                    }
                    Step::Failed => if on_its_way.take().is_some() {
                        mailbox.failed(now, "down".into());
                    }
                    Step::Restart => {
                        mailbox = serde_json::from_str(&serde_json::to_string(&mailbox).unwrap()).unwrap();
                        prop_assert_eq!(mailbox.was_sending(), on_its_way.is_some());
                        if let Some(parcel) = on_its_way.take() {
                            lost += numbers(&parcel).len() as u64 + total(&parcel.summed);
                        }
                    }
                }
                let next = mailbox.next(now, MINUTE, per_hour);
                prop_assert!(next.is_none() || on_its_way.is_none(), "one at a time");
                on_its_way = on_its_way.or(next);
            }
            prop_assert!(told.is_sorted_by(|a, b| a < b), "{:?}", told);
            for at in &sent {
                let within = sent.iter().filter(|other| (0..HOUR).contains(&(*other - at))).count();
                prop_assert!(within <= per_hour as usize, "{} in an hour", within);
            }
            // The rest comes out.
            loop {
                if let Some(parcel) = on_its_way.take().or_else(|| mailbox.next(now, MINUTE, per_hour)) {
                    told.extend(numbers(&parcel));
                    summed += total(&parcel.summed);
                    mailbox.sent(now);
                } else if mailbox.waiting() == 0 && mailbox.summed.is_empty() {
                    break;
                }
                now += 10 * MINUTE;
            }
            prop_assert_eq!(told.len() as u64 + summed + lost, put);
        }
    }
}
