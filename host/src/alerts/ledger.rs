//! When something is told: what lasts is told once when it begins and once when it is over, what comes and goes is told once with how often it did.
//! Nothing here reads a clock or sends anything; the whole of it is kept, so that a restart tells nothing twice.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::condition::{Condition, Detail, Look, Sign};
use crate::store::Millis;

/// Comings in this time that are too many to tell each.
const FLAPS: usize = 4;
/// See [`FLAPS`]; and so long it must stay away to have calmed down.
const WINDOW: Millis = 3_600_000;
/// Outages that a digest tells.
const MOST_ENDED: usize = 200;
/// Conditions that are looked after: beyond it new ones wait.
const MOST_CASES: usize = 1_000;

/// From when on something is told.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// What lasts shorter is not told, and so long it must be gone.
    pub delay: Millis,
    /// Between two looks.
    pub look: Duration,
    /// So long news wait for others to go with them.
    pub gather: Millis,
}

impl Timing {
    /// All follows from the delay.
    pub fn of(after_minutes: f64) -> Self {
        let delay = (after_minutes * 60_000.0) as Millis;
        let look = (delay / 10).clamp(200, 10_000);
        Self { delay, look: Duration::from_millis(look.unsigned_abs()), gather: delay.min(60_000) }
    }

    /// A longer time between two looks is one in which nobody looked.
    fn unseen(&self) -> Millis {
        self.look.as_millis() as Millis * 3 + 30_000.min(self.delay / 2)
    }
}

/// What is told of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Turn {
    /// It has begun, and lasts.
    Begun,
    /// It is over.
    Over,
    /// It comes and goes.
    Flapping,
    /// It came and went, and has stayed away.
    Calm,
    /// Nobody looks any more: what it was about is no more.
    Gone,
}

impl Turn {
    /// It is bad news.
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Begun | Self::Flapping)
    }
}

/// What is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct News {
    /// Of what.
    pub condition: Condition,
    /// The flows that it is about; none: the host as a whole.
    pub flows: Vec<String>,
    /// What.
    pub turn: Turn,
    /// Since when it was wrong.
    pub since: Millis,
    /// Until when, where it is over.
    pub until: Option<Millis>,
    /// How often it came.
    pub times: u64,
    /// What there is to say of it.
    pub detail: Detail,
}

/// What was told of a condition last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Told {
    #[default]
    Nothing,
    Begun,
    Flapping,
    /// It was there before anybody was to be told.
    Silently,
}

/// One condition that is there, or was lately.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Case {
    sign: Sign,
    bad: bool,
    /// Since when it is so, in time that somebody looked.
    since: Millis,
    /// When it was last seen to change, by the clock.
    changed: Millis,
    /// When the stretch began that was told.
    begun: Millis,
    told: Told,
    /// When it came, within the window.
    came: Vec<Millis>,
    /// How often it came since flapping was told, and before.
    times: u64,
}

/// An outage that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// Of what.
    pub condition: Condition,
    /// The flows that it is about.
    pub flows: Vec<String>,
    /// From.
    pub since: Millis,
    /// To; none while it goes on.
    pub until: Option<Millis>,
}

/// See the module's words.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    cases: Vec<Case>,
    looked: Option<Millis>,
    ended: Vec<Ended>,
}

impl Ledger {
    /// Takes a look to heart; what is to be told now.
    pub fn take(&mut self, look: &Look, now: Millis, timing: Timing) -> Vec<News> {
        let passed = now - self.looked.unwrap_or(now);
        // The clock was set, the machine slept, or the host was off: no time in which it is known how things were.
        let unseen = passed < 0 || passed > timing.unseen();
        for case in &mut self.cases {
            if unseen {
                case.moved(passed);
            } else if look.is_unknown(&case.sign.condition) {
                case.since += passed;
            }
        }
        let first = self.looked.replace(now).is_none();
        for sign in &look.signs {
            self.is_bad(sign, first, now);
        }
        for case in self.cases.iter_mut().filter(|case| case.bad && !look.is_unknown(&case.sign.condition)) {
            if !look.signs.iter().any(|sign| sign.condition == case.sign.condition) {
                (case.bad, case.since, case.changed) = (false, now, now);
            }
        }
        let mut news = Vec::new();
        for case in self.cases.iter_mut().filter(|case| !look.is_unknown(&case.sign.condition)) {
            let Some(own) = case.told_now(now, timing.delay) else { continue };
            if !own.turn.is_bad() && own.condition.is_outage() {
                let (condition, flows) = (own.condition.clone(), own.flows.clone());
                self.ended.push(Ended { condition, flows, since: own.since, until: own.until });
            }
            news.push(own);
        }
        self.cases.retain(|case| case.bad || case.told != Told::Nothing || !case.came.is_empty());
        let surplus = self.ended.len().saturating_sub(MOST_ENDED);
        self.ended.drain(..surplus);
        without_echo(news)
    }

    /// Ends what `knows` says is no more; what is to be told of it.
    pub fn without_gone(&mut self, knows: impl Fn(&Condition) -> bool, now: Millis) -> Vec<News> {
        let (known, gone): (Vec<Case>, Vec<Case>) =
            std::mem::take(&mut self.cases).into_iter().partition(|case| knows(&case.sign.condition));
        self.cases = known;
        let told = gone.into_iter().filter(Case::is_open);
        told.map(|case| {
            let own = case.news(Turn::Gone, Some(now));
            if own.condition.is_outage() {
                let (condition, flows) = (own.condition.clone(), own.flows.clone());
                self.ended.push(Ended { condition, flows, since: own.since, until: own.until });
            }
            own
        })
        .collect()
    }

    /// What is told and not over, for who was not told yet.
    pub fn open_news(&self) -> Vec<News> {
        let turn = |case: &Case| if case.told == Told::Flapping { Turn::Flapping } else { Turn::Begun };
        self.cases.iter().filter(|case| case.is_open()).map(|case| case.news(turn(case), None)).collect()
    }

    fn is_bad(&mut self, sign: &Sign, first: bool, now: Millis) {
        let known = self.cases.iter().position(|case| case.sign.condition == sign.condition);
        let case = match known {
            Some(place) => &mut self.cases[place],
            None if self.cases.len() >= MOST_CASES => return,
            None => {
                let told = if sign.old && first { Told::Silently } else { Told::Nothing };
                let case = Case {
                    sign: sign.clone(),
                    bad: false,
                    since: now,
                    changed: now,
                    begun: now,
                    told,
                    came: Vec::new(),
                    times: 0,
                };
                self.cases.push(case);
                let last = self.cases.len() - 1;
                &mut self.cases[last]
            }
        };
        if !case.bad {
            (case.bad, case.since, case.changed) = (true, now, now);
            case.came.push(now);
            case.times += 1;
            if case.told == Told::Nothing {
                case.begun = now;
            }
        }
        case.sign = sign.clone();
    }

    /// Outages that ended since this was asked last, and those that go on.
    pub fn outages(&mut self) -> Vec<Ended> {
        let mut all = std::mem::take(&mut self.ended);
        let open = self.cases.iter().filter(|case| case.is_open() && case.sign.condition.is_outage());
        all.extend(open.map(|case| Ended {
            condition: case.sign.condition.clone(),
            flows: case.sign.flows.clone(),
            since: case.begun,
            until: None,
        }));
        all
    }

    /// What is told and not over.
    pub fn open(&self) -> impl Iterator<Item = &Condition> {
        self.cases.iter().filter(|case| case.is_open()).map(|case| &case.sign.condition)
    }

    /// The same, but for when it was looked at.
    pub fn is_as(&self, other: &Self) -> bool {
        self.cases == other.cases && self.ended == other.ended && self.looked.is_some() == other.looked.is_some()
    }

    /// Time goes on for something.
    pub fn is_busy(&self) -> bool {
        !self.cases.is_empty()
    }

    /// Nothing was ever looked at.
    pub fn is_fresh(&self) -> bool {
        self.looked.is_none()
    }
}

impl Case {
    /// It is told, and not over.
    fn is_open(&self) -> bool {
        matches!(self.told, Told::Begun | Told::Flapping)
    }

    fn news(&self, turn: Turn, until: Option<Millis>) -> News {
        News {
            condition: self.sign.condition.clone(),
            flows: self.sign.flows.clone(),
            turn,
            since: self.begun,
            until,
            times: self.times.max(1),
            detail: self.sign.detail.clone(),
        }
    }

    /// All times by which something is told, as if `passed` had not.
    fn moved(&mut self, passed: Millis) {
        self.since += passed;
        for at in &mut self.came {
            *at += passed;
        }
    }

    fn told_now(&mut self, now: Millis, delay: Millis) -> Option<News> {
        self.came.retain(|at| now - at < WINDOW);
        let lasted = now - self.since;
        let turn = match self.told {
            // In the moment in which it comes once more: what has just been told to be over is over.
            Told::Nothing if self.bad && self.came.len() >= FLAPS => Turn::Flapping,
            Told::Nothing if self.bad && lasted >= delay => Turn::Begun,
            Told::Begun if !self.bad && lasted >= delay => Turn::Over,
            Told::Flapping if !self.bad && lasted >= WINDOW => Turn::Calm,
            Told::Silently if !self.bad && lasted >= delay => {
                self.told = Told::Nothing;
                return None;
            }
            _ => return None,
        };
        if turn == Turn::Flapping {
            // The comings of an hour, also those that were told one by one.
            self.times = self.came.len() as u64;
            self.begun = self.came.first().copied().unwrap_or(self.begun);
        }
        let news = self.news(turn, (!turn.is_bad()).then_some(self.changed));
        self.told = match turn {
            Turn::Begun => Told::Begun,
            Turn::Flapping => Told::Flapping,
            Turn::Over | Turn::Calm | Turn::Gone => Told::Nothing,
        };
        if !turn.is_bad() {
            self.times = 0;
        }
        Some(news)
    }
}

/// What ends is told twice, a month and a week before, and once when it was renewed.
fn without_echo(mut news: Vec<News>) -> Vec<News> {
    let renewed: Vec<Condition> = news
        .iter()
        .filter(|own| own.turn == Turn::Over)
        .filter_map(|own| match &own.condition {
            Condition::Expiry { of, soon: false } => Some(Condition::Expiry { of: of.clone(), soon: true }),
            _ => None,
        })
        .collect();
    news.retain(|own| own.turn != Turn::Over || !renewed.contains(&own.condition));
    news
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::condition::{Ending, What};
    use super::*;

    const MINUTE: Millis = 60_000;
    const START: Millis = 1_800_000_000_000;

    fn outage() -> Condition {
        Condition::Outage { connection: "erp".into() }
    }

    fn seen(condition: &Condition, bad: bool) -> Look {
        let sign = Sign { condition: condition.clone(), flows: Vec::new(), detail: Detail::default(), old: false };
        Look { signs: if bad { vec![sign] } else { Vec::new() }, ..Look::default() }
    }

    /// Looks every ten seconds through stretches of (minutes, bad); what was told, and at which minute.
    fn told(ledger: &mut Ledger, from: Millis, stretches: &[(f64, bool)]) -> (Vec<(Turn, Millis)>, Millis) {
        let (mut at, mut all) = (from, Vec::new());
        for (minutes, bad) in stretches {
            let until = at + (minutes * MINUTE as f64) as Millis;
            while at < until {
                let news = ledger.take(&seen(&outage(), *bad), at, Timing::of(5.0));
                all.extend(news.into_iter().map(|own| (own.turn, (at - START) / MINUTE)));
                at += 10_000;
            }
        }
        (all, at)
    }

    #[test]
    fn an_hours_outage_is_two_messages() {
        let (all, _) = told(&mut Ledger::default(), START, &[(10.0, false), (60.0, true), (30.0, false)]);
        assert_eq!(all, [(Turn::Begun, 15), (Turn::Over, 75)]);
    }

    #[test]
    fn what_comes_and_goes_is_told_once_with_how_often_and_once_when_it_has_calmed_down() {
        let mut ledger = Ledger::default();
        let (few, at) = told(&mut ledger, START, &[(1.0, true), (4.0, false)].repeat(3));
        assert_eq!(few, [], "a little is not told");
        let (many, at) = told(&mut ledger, at, &[(1.0, true), (4.0, false)].repeat(20));
        assert_eq!(many, [(Turn::Flapping, 15)]);
        let (calm, _) = told(&mut ledger, at, &[(120.0, false)]);
        assert_eq!(calm.iter().map(|(turn, _)| *turn).collect::<Vec<_>>(), [Turn::Calm]);
        assert_eq!(ledger.outages().len(), 1, "the digest tells it, once");
        assert_eq!(ledger, Ledger { looked: ledger.looked, ..Ledger::default() }, "nothing is left of it");
    }

    #[test]
    fn long_ones_in_a_row_are_told_one_by_one_until_they_are_too_many() {
        let (all, _) = told(&mut Ledger::default(), START, &[(6.0, true), (6.0, false)].repeat(12));
        let turns: Vec<Turn> = all.iter().map(|(turn, _)| *turn).collect();
        let pair = [Turn::Begun, Turn::Over];
        assert_eq!(turns, [&pair[..], &pair, &pair, &[Turn::Flapping]].concat());
    }

    #[test]
    fn a_restart_tells_nothing_twice_and_does_not_take_silence_for_recovery() {
        let mut ledger = Ledger::default();
        let (begun, at) = told(&mut ledger, START, &[(20.0, true)]);
        assert_eq!(begun, [(Turn::Begun, 5)]);
        let text = serde_json::to_string(&ledger).unwrap();
        let mut after: Ledger = serde_json::from_str(&text).unwrap();
        assert_eq!(after, ledger);
        // Off for an hour, and for a quarter of an hour nothing was called.
        let unknown = Look { unknown: vec![outage()], ..Look::default() };
        let mut now = at + 60 * MINUTE;
        for _ in 0..90 {
            assert_eq!(after.take(&unknown, now, Timing::of(5.0)), []);
            now += 10_000;
        }
        let (still, at) = told(&mut after, now, &[(20.0, true)]);
        assert_eq!(still, [], "it was told");
        let (over, _) = told(&mut after, at, &[(10.0, false)]);
        assert_eq!(over.len(), 1);
        assert_eq!(over[0].0, Turn::Over);
    }

    #[test]
    fn a_clock_that_is_set_makes_nothing_last_longer() {
        for step in [2 * 24 * 60 * MINUTE, -2 * 24 * 60 * MINUTE] {
            let mut ledger = Ledger::default();
            let (none, at) = told(&mut ledger, START, &[(1.0, true)]);
            let (still_none, at) = told(&mut ledger, at + step, &[(3.0, true)]);
            assert_eq!((none, still_none), (vec![], vec![]), "{step}");
            let (begun, _) = told(&mut ledger, at, &[(3.0, true)]);
            assert_eq!(begun.len(), 1, "{step}");
        }
    }

    #[test]
    fn what_was_there_before_is_not_told_and_the_same_that_comes_back_is() {
        let mut ledger = Ledger::default();
        let mut old = seen(&outage(), true);
        old.signs[0].old = true;
        let timing = Timing::of(5.0);
        for minute in 0..30 {
            assert_eq!(ledger.take(&old, START + minute * 30_000, timing), []);
        }
        let (over, at) = told(&mut ledger, START + 30 * 30_000, &[(70.0, false)]);
        assert_eq!(over, []);
        let (back, _) = told(&mut ledger, at, &[(10.0, true)]);
        assert_eq!(back.len(), 1);
    }

    #[test]
    fn a_certificate_is_told_a_month_and_a_week_before_and_once_when_it_is_renewed() {
        let of = |soon| Condition::Expiry { of: Ending::HostCertificate, soon };
        let timing = Timing::of(1.0);
        let (mut ledger, mut now, mut all) = (Ledger::default(), START, Vec::new());
        let mut looks = |ledger: &mut Ledger, look: Look| {
            for _ in 0..60 {
                all.extend(ledger.take(&look, now, timing).into_iter().map(|own| (own.turn, own.condition)));
                now += 6_000;
            }
        };
        looks(&mut ledger, seen(&of(false), true));
        looks(&mut ledger, Look { unknown: vec![of(false)], ..seen(&of(true), true) });
        looks(&mut ledger, Look::default());
        let told = [(Turn::Begun, of(false)), (Turn::Begun, of(true)), (Turn::Over, of(false))];
        assert_eq!(all, told);
    }

    #[test]
    fn what_is_taken_out_of_the_configuration_is_told_as_gone_and_not_as_well() {
        let mut ledger = Ledger::default();
        let (_, at) = told(&mut ledger, START, &[(20.0, true)]);
        assert_eq!(ledger.open_news().iter().map(|own| own.turn).collect::<Vec<_>>(), [Turn::Begun]);
        assert_eq!(ledger.without_gone(|_| true, at), []);
        let gone = ledger.without_gone(|condition| *condition != outage(), at);
        assert_eq!(gone.iter().map(|own| (own.turn, own.until)).collect::<Vec<_>>(), [(Turn::Gone, Some(at))]);
        let (after, _) = told(&mut ledger, at, &[(30.0, false)]);
        assert_eq!((after, ledger.open_news()), (vec![], vec![]));
        assert_eq!(ledger.outages().len(), 1, "the digest tells how long it was");
    }

    #[test]
    fn what_a_look_that_is_not_whole_has_not_found_is_not_over() {
        let error = |kind: &str| Condition::Error { flow: "orders".into(), kind: kind.into() };
        let (mut ledger, mut now, mut all) = (Ledger::default(), START, Vec::new());
        let partial = || Look { partial: vec![What::Errors], ..seen(&error("new"), true) };
        for look in [seen(&error("old"), true), partial(), Look::default()] {
            for _ in 0..60 {
                let news = ledger.take(&look, now, Timing::of(5.0));
                all.extend(news.into_iter().map(|own| (own.turn, own.condition)));
                now += 10_000;
            }
        }
        let (begun, over) = (Turn::Begun, Turn::Over);
        assert_eq!(all, [(begun, error("old")), (begun, error("new")), (over, error("old")), (over, error("new"))]);
    }

    /// What a history is made of.
    #[derive(Clone, Debug)]
    enum Step {
        Seconds(u32, Option<bool>),
        /// The host is killed and off for so many seconds.
        Restart(u32),
    }

    fn history() -> impl Strategy<Value = Vec<Step>> {
        let seen = prop_oneof![3 => Just(Some(true)), 3 => Just(Some(false)), 1 => Just(None)];
        let step = prop_oneof![
            8 => (1u32..1_500, seen).prop_map(|(seconds, bad)| Step::Seconds(seconds, bad)),
            1 => (0u32..20_000).prop_map(Step::Restart),
        ];
        proptest::collection::vec(step, 1..60)
    }

    proptest! {
        #[test]
        fn whatever_happens_it_begins_once_and_ends_once_and_nothing_short_is_told(steps in history()) {
            let timing = Timing::of(5.0);
            let (mut ledger, mut now) = (Ledger::default(), START);
            let (mut open, mut flaps) = (false, false);
            // Since when it is seen so without a break, and when it came.
            let (mut since, mut came) = ((None, now), Vec::new());
            let mut known = Some(false);
            for step in steps {
                match step {
                    Step::Restart(seconds) => {
                        ledger = serde_json::from_str(&serde_json::to_string(&ledger).unwrap()).unwrap();
                        now += Millis::from(seconds) * 1_000;
                        since = (None, now);
                    }
                    Step::Seconds(seconds, bad) => {
                        let until = now + Millis::from(seconds) * 1_000;
                        while now < until {
                            if let Some(bad) = bad {
                                if since.0 != Some(bad) { since = (Some(bad), now); }
                                if bad && known == Some(false) { came.push(now); }
                                known = Some(bad);
                            }
                            let look = match bad {
                                Some(bad) => seen(&outage(), bad),
                                None => Look { unknown: vec![outage()], ..Look::default() },
                            };
                            if bad.is_none() { since.1 += 10_000; }
                            for news in ledger.take(&look, now, timing) {
                                prop_assert_eq!(news.turn.is_bad(), !open, "two in a row of one kind");
                                open = news.turn.is_bad();
                                match news.turn {
                                    Turn::Begun => prop_assert_eq!(bad, Some(true)),
                                    Turn::Over => prop_assert!(!flaps && bad == Some(false)),
                                    Turn::Flapping => prop_assert!(came.len() >= FLAPS && news.times >= FLAPS as u64),
                                    Turn::Calm => prop_assert!(flaps),
                                    Turn::Gone => prop_assert!(false, "nothing was taken out"),
                                }
                                flaps = news.turn == Turn::Flapping;
                            }
                            now += 10_000;
                        }
                    }
                }
                // What lasts is told, at the latest.
                if since.0 == Some(true) && now - since.1 > timing.delay + 30_000 {
                    prop_assert!(open, "it lasts, and nobody was told");
                }
            }
        }

        #[test]
        fn what_never_lasts_as_long_as_the_delay_never_begins(stretches in proptest::collection::vec((1u32..290, 1u32..3_000), 1..40)) {
            let timing = Timing::of(5.0);
            let (mut ledger, mut now) = (Ledger::default(), START);
            for (bad, good) in stretches {
                for (seconds, is_bad) in [(bad, true), (good, false)] {
                    for _ in 0..seconds.div_ceil(10) {
                        for news in ledger.take(&seen(&outage(), is_bad), now, timing) {
                            prop_assert!(matches!(news.turn, Turn::Flapping | Turn::Calm), "{:?}", news);
                        }
                        now += 10_000;
                    }
                }
            }
        }
    }
}
