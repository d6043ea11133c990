//! What waits for one channel: news go out together, in order, not too often, and never twice. What could not be told is summed up.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::channel::Fault;
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
/// Before it is told again to who did not take it while others did: a server that does not know us yet often does so for some minutes. After the last
/// one it is given up.
const PAUSES_LATER: [Millis; 5] = [60_000, 300_000, 900_000, 1_800_000, 3_600_000];
/// Messages that some are still to have; of more it is not tried again.
const MOST_LATER: usize = 20;
/// So often a message goes of which nobody says whether it arrived.
const MOST_UNSURE: usize = 3;

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
    /// To these alone; none: to all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Vec<String>>,
    /// Nothing takes it back any more.
    #[serde(default)]
    begun: bool,
    /// How often it went before as the same message.
    #[serde(default)]
    tries: usize,
}

impl Parcel {
    /// What it tells, in order.
    pub fn told(&self) -> impl Iterator<Item = &Told> {
        self.told.iter().map(|own| &own.told)
    }

    /// When the oldest of it happened.
    fn since(&self) -> Option<Millis> {
        self.told.iter().map(|own| own.at).chain(self.summed.since).min()
    }
}

/// Why messages do not go out, or not to all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failing {
    /// Since when.
    pub since: Millis,
    /// Why, the last time.
    pub why: String,
    /// Of what sort.
    #[serde(default)]
    pub fault: Fault,
    /// Others are told.
    #[serde(default)]
    pub partly: bool,
}

impl Failing {
    fn of_some(since: Millis, why: String) -> Self {
        Self { since, why, fault: Fault::Recipient, partly: true }
    }
}

/// Who was not told what others were told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Missed {
    /// Who may take it later.
    pub later: Vec<String>,
    /// What was said of them.
    pub why: String,
    /// What was said of who never will.
    pub never: Option<String>,
}

/// What some did not take yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Later {
    parcel: Parcel,
    /// Not before.
    again: Millis,
    why: Failing,
}

/// See the module's words.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Mailbox {
    waiting: VecDeque<Waiting>,
    #[serde(default, skip_serializing_if = "Summed::is_empty")]
    summed: Summed,
    sending: Option<Parcel>,
    /// Went out, and nobody knows whether it arrived: it goes once more before anything new does, as the same message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unsure: Option<Parcel>,
    /// Others have it. Tried again beside all else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    later: Vec<Later>,
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
            if let Some(first) = self.waiting.pop_front() {
                self.summed.add(first.at, &first.told);
            }
        }
    }

    /// After a start: whether a message was being sent when the host ended. It may have arrived, and is not sent again; one that nothing was sent of
    /// yet goes back.
    pub fn was_sending(&mut self) -> bool {
        match self.sending.take_if(|parcel| parcel.begun) {
            Some(parcel) => {
                self.done_with(&parcel);
                true
            }
            None => {
                self.take_back();
                false
            }
        }
    }

    /// Nothing more is tried of it.
    fn done_with(&mut self, parcel: &Parcel) -> Option<Later> {
        if parcel.only.is_none() {
            self.unsure = None;
            return None;
        }
        let place = self.later.iter().position(|own| own.parcel.number == parcel.number)?;
        Some(self.later.remove(place))
    }

    /// The next message, where one is due; it goes back unless [`Mailbox::begin`] is kept before it is sent.
    pub fn next(&mut self, now: Millis, gather: Millis, per_hour: u32) -> Option<Parcel> {
        // Of a clock that was set back nothing waits for its old time.
        self.sent.retain(|at| *at <= now && now - at < HOUR);
        self.again = self.again.min(now + PAUSES[PAUSES.len() - 1]);
        for own in &mut self.waiting {
            own.at = own.at.min(now);
        }
        for own in &mut self.later {
            own.again = own.again.min(now + PAUSES_LATER[PAUSES_LATER.len() - 1]);
        }
        let is_full = self.sent.len() >= per_hour as usize;
        self.sum_up(|own| {
            let too_long = if is_full && matches!(own.told, Told::News(_)) { gather } else { TOO_OLD };
            now - own.at > too_long
        });
        if self.sending.is_some() {
            return None;
        }
        self.unsure.take_if(|parcel| parcel.since().is_none_or(|at| now - at > TOO_OLD));
        let later = self.later.iter().find(|own| now >= own.again).map(|own| own.parcel.clone());
        let parcel = match later {
            Some(later) => later,
            None if is_full || now < self.again => return None,
            None => match &self.unsure {
                Some(unsure) => unsure.clone(),
                None => self.packed(now, gather)?,
            },
        };
        self.sending = Some(parcel.clone());
        Some(parcel)
    }

    /// What has waited for others to go with it.
    fn packed(&mut self, now: Millis, gather: Millis) -> Option<Parcel> {
        let gathered = match self.waiting.front() {
            Some(own) => now - own.at >= gather,
            None => !self.summed.is_empty(),
        };
        if !gathered {
            return None;
        }
        self.number += 1;
        Some(Parcel {
            number: self.number,
            told: self.waiting.drain(..).collect(),
            summed: std::mem::take(&mut self.summed),
            only: None,
            begun: false,
            tries: 0,
        })
    }

    fn sum_up(&mut self, is_old: impl Fn(&Waiting) -> bool) {
        let summed = &mut self.summed;
        self.waiting.retain(|own| {
            let is_old = is_old(own);
            if is_old {
                summed.add(own.at, &own.told);
            }
            !is_old
        });
    }

    /// Right before the message itself is sent: from here on it may arrive.
    pub fn begin(&mut self) {
        if let Some(parcel) = &mut self.sending {
            parcel.begun = true;
        }
    }

    /// Nothing was sent of it: it waits as before.
    pub fn take_back(&mut self) {
        // What goes once more waits where it was.
        let Some(parcel) = self.sending.take().filter(|parcel| parcel.tries == 0) else { return };
        for own in parcel.told.into_iter().rev() {
            self.waiting.push_front(own);
        }
        self.summed.join(parcel.summed);
    }

    /// It went out; `missed`: not to all.
    pub fn sent(&mut self, now: Millis, missed: Option<Missed>) {
        let Some(parcel) = self.sending.take() else { return };
        let before = self.done_with(&parcel);
        let mut since = before.as_ref().map_or(now, |before| before.why.since);
        if before.is_none() {
            self.sent.push(now);
            let failing = std::mem::take(&mut self.failing).filter(|failing| failing.partly);
            since = failing.map_or(now, |failing| failing.since);
            (self.tries, self.again) = (0, 0);
        }
        let Some(missed) = missed else { return };
        if let Some(why) = &missed.never {
            self.failing = Some(Failing::of_some(since, why.clone()));
        }
        if !missed.later.is_empty() {
            self.missed(now, parcel, missed, since);
        }
    }

    fn missed(&mut self, now: Millis, parcel: Parcel, missed: Missed, since: Millis) {
        let why = Failing::of_some(since, missed.why);
        // Tries to reach all are none to reach some.
        let tries = if parcel.only.is_some() { parcel.tries } else { 0 };
        match PAUSES_LATER.get(tries) {
            Some(pause) if self.later.len() < MOST_LATER => {
                let parcel = Parcel { only: Some(missed.later), begun: false, tries: tries + 1, ..parcel };
                self.later.push(Later { parcel, again: now + pause, why });
            }
            _ => {
                self.failing.get_or_insert(why);
            }
        }
    }

    /// It did not: it is tried again, with what comes meanwhile, in order.
    pub fn failed(&mut self, now: Millis, fault: Fault, why: String) {
        match self.sending.take_if(|parcel| parcel.only.is_some()) {
            Some(parcel) => {
                let since = self.done_with(&parcel).map_or(now, |before| before.why.since);
                let later = parcel.only.clone().unwrap_or_default();
                self.missed(now, parcel, Missed { later, why, never: None }, since);
            }
            None => {
                self.pause(now, fault, why);
                self.take_back();
            }
        }
    }

    /// It went out, and nobody knows whether it arrived: once more as the same message, and not for ever.
    pub fn unsure(&mut self, now: Millis, fault: Fault, why: String) {
        let Some(parcel) = self.sending.take() else { return };
        self.done_with(&parcel);
        if parcel.only.is_some() {
            return;
        }
        // It may well have been read.
        self.sent.push(now);
        self.pause(now, fault, why);
        if parcel.tries + 1 < MOST_UNSURE {
            self.unsure = Some(Parcel { begun: false, tries: parcel.tries + 1, ..parcel });
        }
    }

    fn pause(&mut self, now: Millis, fault: Fault, why: String) {
        self.again = now + PAUSES[self.tries.min(PAUSES.len() - 1)];
        self.tries += 1;
        let since = self.failing.as_ref().map_or(now, |before| before.since);
        self.failing = Some(Failing { since, why, fault, partly: false });
    }

    /// Why its messages do not go out, or not to all.
    pub fn failing(&self) -> Option<&Failing> {
        self.failing.as_ref().or_else(|| self.later.first().map(|own| &own.why))
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
        mailbox.sent(START + 2 * MINUTE, None);
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
                mailbox.failed(now, Fault::NotReached, "down".into());
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
        mailbox.sent(now, None);
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
                mailbox.sent(now, None);
            }
        }
        assert_eq!(sent, [(1, 0); 4]);
        let parcel = mailbox.next(now + 2 * MINUTE, MINUTE, 4).unwrap();
        assert!(total(&parcel.summed) >= 55 && numbers(&parcel).len() <= 1, "{parcel:?}");
    }

    #[test]
    fn what_may_have_arrived_goes_three_times_at_most_as_the_same_message_and_counts_each_time() {
        let mut mailbox = Mailbox::default();
        mailbox.put(news(0), START);
        let (mut now, mut sent) = (START + MINUTE, Vec::new());
        while now < START + 3 * HOUR {
            if let Some(parcel) = mailbox.next(now, MINUTE, 12) {
                mailbox.begin();
                sent.push((parcel.number, numbers(&parcel)));
                mailbox.put(news(sent.len() as u64), now);
                mailbox.unsure(now, Fault::TooSlow, "no answer".into());
            }
            now += MINUTE;
        }
        assert_eq!(sent[..3], [(1, vec![0]), (1, vec![0]), (1, vec![0])]);
        assert_eq!(sent[3], (2, vec![1, 2, 3]), "what came meanwhile goes then");
        let mut braked = Mailbox::default();
        braked.put(news(0), START);
        for minute in 1..30 {
            if braked.next(START + minute * MINUTE, MINUTE, 2).is_some() {
                assert!(minute < 5, "the ceiling holds for these, too");
                braked.unsure(START + minute * MINUTE, Fault::TooSlow, "no answer".into());
            }
        }
        // Between the tries the server is away: it waits, and is not put into another message.
        let mut mailbox = Mailbox::default();
        mailbox.put(news(0), START);
        mailbox.next(START + MINUTE, MINUTE, 12).unwrap();
        mailbox.unsure(START + MINUTE, Fault::TooSlow, "no answer".into());
        mailbox.put(news(1), START + MINUTE);
        let again = mailbox.next(START + 2 * MINUTE, MINUTE, 12).unwrap();
        mailbox.failed(START + 2 * MINUTE, Fault::NotReached, "down".into());
        assert_eq!(mailbox.next(START + 9 * MINUTE, MINUTE, 12).unwrap(), again);
        mailbox.sent(START + 9 * MINUTE, None);
        assert_eq!(numbers(&mailbox.next(START + 10 * MINUTE, MINUTE, 12).unwrap()), [1]);
    }

    #[test]
    fn who_does_not_take_it_for_now_gets_it_later_alone_and_who_never_does_is_the_channels_trouble() {
        let mut mailbox = Mailbox::default();
        mailbox.put(news(0), START);
        let mut now = START + MINUTE;
        let first = mailbox.next(now, MINUTE, 12).unwrap();
        mailbox.begin();
        let later = vec!["grey@example.com".to_owned()];
        let missed = Missed { later: later.clone(), why: "451 later".into(), never: Some("550 unknown".into()) };
        mailbox.sent(now, Some(missed));
        let failing = mailbox.failing().unwrap();
        assert!(failing.partly && failing.why == "550 unknown", "{failing:?}");
        assert_eq!(mailbox.next(now + MINUTE / 2, MINUTE, 12), None);
        let mut mailbox: Mailbox = serde_json::from_str(&serde_json::to_string(&mailbox).unwrap()).unwrap();
        now += MINUTE;
        let again = mailbox.next(now, MINUTE, 12).unwrap();
        assert_eq!((again.number, again.only.as_ref(), numbers(&again)), (first.number, Some(&later), vec![0]));
        mailbox.sent(now, None);
        assert_eq!(mailbox.next(now + HOUR, MINUTE, 12), None, "all have it");

        // It is never taken.
        let mut mailbox = Mailbox::default();
        mailbox.put(news(0), START);
        let (mut now, mut tries) = (START + MINUTE, 0);
        while now < START + 12 * HOUR {
            if let Some(parcel) = mailbox.next(now, MINUTE, 12) {
                tries += 1;
                if parcel.only.is_some() && tries % 2 == 0 {
                    mailbox.failed(now, Fault::Recipient, "451 later".into());
                } else {
                    let missed = Missed { later: later.clone(), why: "451 later".into(), never: None };
                    mailbox.sent(now, Some(missed));
                }
                assert!(mailbox.failing().is_some_and(|failing| failing.partly && failing.since == START + MINUTE));
            }
            now += MINUTE;
        }
        assert_eq!(tries, 1 + PAUSES_LATER.len());
        mailbox.put(news(1), now);
        mailbox.next(now + MINUTE, MINUTE, 12).unwrap();
        mailbox.sent(now + MINUTE, None);
        assert_eq!(mailbox.failing(), None);
    }

    #[test]
    fn what_was_not_begun_goes_back_at_a_stop_and_at_a_kill() {
        let mut mailbox = Mailbox::default();
        mailbox.put(news(0), START);
        let waiting = mailbox.clone();
        for killed in [true, false] {
            let parcel = mailbox.next(START + MINUTE, MINUTE, 12).unwrap();
            assert_eq!(numbers(&parcel), [0]);
            if killed {
                assert!(!mailbox.was_sending());
            } else {
                mailbox.take_back();
            }
            assert_eq!(mailbox.waiting, waiting.waiting);
        }
        mailbox.next(START + MINUTE, MINUTE, 12).unwrap();
        mailbox.begin();
        assert!(mailbox.was_sending());
        assert_eq!(mailbox.waiting(), 0, "it may have arrived");
    }

    #[test]
    fn a_digest_that_is_too_old_is_summed_up_and_holds_up_nothing_behind_it() {
        let digest = || Digest { since: START, until: START, day: Day::default(), outages: Vec::new() };
        let mut mailbox = Mailbox::default();
        mailbox.put(Told::Digest(Box::new(digest())), START);
        mailbox.put(news(0), START + HOUR);
        mailbox.put(news(1), START + 20 * HOUR);
        let parcel = mailbox.next(START + 26 * HOUR, MINUTE, 12).unwrap();
        assert_eq!((numbers(&parcel), total(&parcel.summed)), (vec![1], 2));
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
                        mailbox.sent(now, None);
                    }
                    Step::Failed => if on_its_way.take().is_some() {
                        mailbox.failed(now, Fault::NotReached, "down".into());
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
                if next.is_some() {
                    mailbox.begin();
                }
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
                    mailbox.sent(now, None);
                } else if mailbox.waiting() == 0 && mailbox.summed.is_empty() {
                    break;
                }
                now += 10 * MINUTE;
            }
            prop_assert_eq!(told.len() as u64 + summed + lost, put);
        }
    }
}
