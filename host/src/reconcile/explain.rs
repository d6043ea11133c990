//! Why two sides differ, from what the host knows: questions, waits, failures, and what was changed and not read yet. The first reason that applies is told.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::kept::Kept;
use super::report::Why;
use super::tally::Found;
use crate::store::{Event, EventFilter, EventState, Millis, Store, StoreError, TOOL};
use crate::time::iso;

/// Clocks of two machines differ by so much.
const SKEW: Millis = 5_000;
/// What is said to be changed later than in so long is changed at a time that is not known.
const AHEAD: Millis = 300_000;
/// Events of one record that are looked at, the newest.
const LOOKED_AT: u32 = 5;
/// Letters of a reason that stands in an event.
const MOST_WORDS: usize = 500;

/// A connection that cannot be used.
#[derive(Clone, Debug, Default)]
pub struct Away {
    /// Its name.
    pub connection: String,
    /// Why.
    pub why: String,
    /// Since when.
    pub since: Millis,
}

/// What is known of a flow while it is compared.
#[derive(Clone, Debug, Default)]
pub struct Situation {
    /// The flow.
    pub flow: String,
    /// What is compared of it.
    pub comparison: String,
    /// Why it does not run; none while it does, or where that is not known.
    pub held: Option<String>,
    /// Connections that cannot be used.
    pub away: Vec<Away>,
    /// When the flow took in its newest event of Salesforce and of B1.
    pub newest: (Option<Millis>, Option<Millis>),
    /// Since when it runs; none: it never did.
    pub since: Option<Millis>,
    /// A host runs that would read changes.
    pub host: bool,
    /// Since when; none: that is not known.
    pub up: Option<Millis>,
    /// When the comparison began.
    pub began: Millis,
    /// So long a change may be unread.
    pub grace: Millis,
    /// What is known from looks before.
    pub kept: Arc<Kept>,
}

/// A reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Of what sort.
    pub why: Why,
    /// In a sentence.
    pub words: String,
    /// The event that tells it.
    pub event: Option<i64>,
    /// It holds only for now: what was told before is not over by it.
    pub for_now: bool,
    /// When a person left it so.
    pub left: Option<Millis>,
}

impl Reason {
    fn new(why: Why, words: String) -> Self {
        Self { why, words, event: None, for_now: why == Why::FirstSeen, left: None }
    }

    fn of(why: Why, event: &Event, words: String) -> Self {
        Self { event: Some(event.id.0), ..Self::new(why, words) }
    }

    fn for_now(self) -> Self {
        Self { for_now: true, ..self }
    }
}

impl Situation {
    /// Of a flow, as the store knows it.
    pub async fn of(store: &dyn Store, flow: &str) -> Result<Self, StoreError> {
        /// Enough to find one of each side in a flow of both ways.
        const NEWEST: u32 = 500;
        let filter = EventFilter { flow: Some(flow.to_owned()), limit: NEWEST, ..EventFilter::default() };
        let events = store.events(filter).await?;
        let newest = |side: &str| {
            let own = events.iter().filter(|event| event.topic.starts_with(side));
            own.map(|event| event.created_at).max()
        };
        let activations = store.activations(flow, u32::MAX).await?;
        Ok(Self {
            flow: flow.to_owned(),
            newest: (newest("salesforce."), newest("b1.")),
            since: activations.iter().map(|own| own.at).min(),
            ..Self::default()
        })
    }

    /// Why these two differ.
    pub async fn explain(&self, store: &dyn Store, found: &Found) -> Result<Reason, StoreError> {
        let mut events: Vec<Event> = Vec::new();
        for key in keys(found) {
            let of = |state: Option<EventState>| {
                let (flow, key) = (Some(self.flow.clone()), Some(key.to_owned()));
                store.events(EventFilter { flow, key, state, limit: LOOKED_AT })
            };
            let newest = of(None).await?;
            // An older one may be open beneath those.
            if newest.len() >= LOOKED_AT as usize {
                for state in [EventState::Review, EventState::Waiting, EventState::Ready] {
                    events.extend(of(Some(state)).await?);
                }
            }
            events.extend(newest);
        }
        // A call of a tool is about nothing but itself.
        events.retain(|event| !event.topic.starts_with(TOOL));
        events.sort_by_key(|event| std::cmp::Reverse(event.id));
        events.dedup_by_key(|event| event.id);
        Ok(self.reason(found, &events))
    }

    /// The same by its events, the newest first.
    fn reason(&self, found: &Found, events: &[Event]) -> Reason {
        let asked = events.iter().find(|event| event.state == EventState::Review);
        if let Some(event) = asked {
            let words = format!("held in review since {}: {}", minute(event.created_at), words_of(event));
            return Reason::of(Why::Review, event, words);
        }
        let is_open =
            |event: &&Event| matches!(event.state, EventState::Waiting | EventState::Ready | EventState::Leased);
        if let Some(reason) = events.iter().find(is_open).and_then(|event| self.of_open(event)) {
            return reason;
        }
        let last = events.iter().find(|event| event.state != EventState::Superseded);
        if let Some(reason) = left_last(found, events).or_else(|| self.left_before(found)) {
            return reason;
        }
        if let Some(reason) = last.and_then(|event| self.of_open(event)) {
            return reason;
        }
        let read = events.iter().map(|event| event.finished_at.unwrap_or(event.created_at).max(event.created_at)).max();
        if let Some(reason) = self.down(found, read).or_else(|| self.unread(found, read)) {
            return reason;
        }
        let both = [&found.salesforce, &found.b1].into_iter().flatten();
        if let Some(known) = both.clone().find(|known| !known.incomparable.is_empty()) {
            return Reason::new(Why::Incomparable, format!("cannot be compared: {}", short(&known.incomparable)));
        }
        if let Some(known) = both.clone().find(|known| !known.told.is_empty()) {
            return Reason::new(Why::Told, format!("told on the record: {}", short(&known.told)));
        }
        let linked = both.clone().any(|known| known.linked.is_some());
        let changed = both.filter_map(|known| known.changed).max();
        let before = self.since.is_none_or(|since| changed.is_some_and(|changed| changed < since));
        if !linked && events.is_empty() && before {
            let words = match self.since {
                Some(since) => format!(
                    "never linked: it is older than the flow, which runs since {}, and no first load has taken it in",
                    minute(since)
                ),
                None => format!("never linked: the flow {} has never run", self.flow),
            };
            return Reason::new(Why::NeverLinked, words);
        }
        if let Some(reason) = self.first_seen(found, read) {
            return reason;
        }
        match last {
            Some(event) => {
                let at = minute(event.finished_at.unwrap_or(event.created_at));
                let words = format!("nothing explains it; event {} was done on {at}: {}", event.id, words_of(event));
                Reason::of(Why::Unexplained, event, words)
            }
            None => Reason::new(Why::Unexplained, "nothing explains it, and no event about it is kept".into()),
        }
    }

    /// A person left it so, and it is as it was then.
    fn left_before(&self, found: &Found) -> Option<Reason> {
        let (event, at) = self.kept.left(&self.comparison, found)?;
        let words = format!("left so by a person on {}, and as it was then", minute(at));
        Some(Reason { event: Some(event), left: Some(at), ..Reason::new(Why::Ignored, words) })
    }

    /// What keeps changes from being read, as far as it came after it began.
    fn down(&self, found: &Found, read: Option<Millis>) -> Option<Reason> {
        let changed = self.changes(found).map(|(changed, ..)| changed).max();
        let unread_since = |since: Millis| {
            changed.is_none_or(|changed| changed >= since && read.is_none_or(|read| changed > read + SKEW))
        };
        if let Some(Away { connection, why, .. }) =
            self.away.iter().find(|own| unread_since(own.since.saturating_sub(self.grace)))
        {
            let words = format!("{connection} cannot be used: {}", short(why));
            return Some(Reason::new(Why::Outage, words).for_now());
        }
        // Since when it does not run nobody says: it did when it took in its newest event.
        let why = self.held.as_ref().filter(|_| unread_since(self.newest.0.max(self.newest.1).unwrap_or_default()))?;
        Some(Reason::new(Why::Held, format!("the flow {} does not run: {}", self.flow, short(why))).for_now())
    }

    /// It is not known when it came to be so, or it may be on its way: whether it stays is seen at another look.
    fn first_seen(&self, found: &Found, read: Option<Millis>) -> Option<Reason> {
        if self.kept.seen(&self.comparison, found).is_some_and(|first| first + self.grace <= self.began) {
            return None;
        }
        let both = || [&found.salesforce, &found.b1].into_iter().flatten();
        let untold = both().any(|known| known.changed.is_none());
        // What it is linked with was there: it was taken away at a time that nobody tells.
        let taken = both().count() == 1 && both().any(|known| known.linked.is_some());
        let nothing_newer =
            self.changes(found).max_by_key(|(changed, ..)| *changed).is_some_and(|(changed, _, newest)| {
                read.is_none_or(|read| changed > read + SKEW) && newest.is_none_or(|newest| changed > newest)
            });
        (untold || taken || nothing_newer).then(|| {
            let words = "no report has told of it yet, and it may be on its way: whether it stays is seen at another `tandem reconcile`";
            Reason::new(Why::FirstSeen, words.into())
        })
    }

    /// When each side was changed, and when the flow took in its newest event of that side. A time that has not come says nothing: a clock, or the company's
    /// `time_zone`, is wrong.
    fn changes<'a>(&'a self, found: &'a Found) -> impl Iterator<Item = (Millis, &'static str, Option<Millis>)> + 'a {
        let latest = crate::time::now().max(self.began) + AHEAD;
        let sides = [("Salesforce", &found.salesforce, self.newest.0), ("B1", &found.b1, self.newest.1)];
        let all = sides.into_iter().filter_map(|(side, known, newest)| Some((known.as_ref()?.changed?, side, newest)));
        all.filter(move |(changed, ..)| *changed <= latest)
    }

    /// What the newest event about it waits for.
    fn of_open(&self, event: &Event) -> Option<Reason> {
        let since = minute(event.created_at);
        Some(match event.state {
            EventState::Waiting => {
                Reason::of(Why::Waiting, event, format!("waits since {since} for another record: {}", words_of(event)))
            }
            EventState::Ready if event.attempts > 0 => Reason::of(
                Why::Retry,
                event,
                format!("failed, and is tried again on {}: {}", minute(event.due_at), words_of(event)),
            ),
            EventState::Ready | EventState::Leased => {
                let held = self.held.as_ref().map(|why| format!("; the flow does not run: {}", short(why)));
                let host = if self.host { "" } else { "; no host runs" };
                let words = format!("taken in on {since} and not done yet{}{host}", held.unwrap_or_default());
                Reason::of(if self.held.is_some() { Why::Held } else { Why::UnderWay }, event, words)
            }
            EventState::Rejected => {
                Reason::of(Why::Rejected, event, format!("rejected on {since}: {}", words_of(event)))
            }
            EventState::Review | EventState::Done | EventState::Superseded => return None,
        })
    }

    /// A change of either side that came after what was read of it, and that may still be read.
    fn unread(&self, found: &Found, read: Option<Millis>) -> Option<Reason> {
        let (changed, side, _) = self.changes(found).max_by_key(|(changed, ..)| *changed)?;
        if changed >= self.began {
            return Some(Reason::new(
                Why::Meanwhile,
                format!("changed in {side} on {}, while this was reckoned", minute(changed)),
            ));
        }
        let unread = read.is_none_or(|read| changed > read + SKEW);
        let older = self.since.is_none_or(|since| changed < since) && read.is_none();
        if !unread || older {
            return None;
        }
        let words = format!("changed in {side} on {}, not read yet", minute(changed));
        // A host that came up late reads first what it has missed.
        if self.host && changed.max(self.up.unwrap_or(changed)) + self.grace > self.began {
            return Some(Reason::new(Why::NotRead, words));
        }
        // When the last one stopped nobody says: it ran when it took in the flow's newest event.
        let stopped = self.newest.0.max(self.newest.1);
        let may_come = !self.host && stopped.is_none_or(|stopped| changed > stopped);
        may_come.then(|| Reason::new(Why::NotRead, format!("{words}; no host runs")).for_now())
    }
}

/// That a person left it so, by the event that was decided so last. What was looked at since, and left as it is by the flow, too, is another thing where a
/// side does not tell when it changed; or is gone, which is none of what he left.
fn left_last(found: &Found, events: &[Event]) -> Option<Reason> {
    let mut told = events.iter().filter(|event| event.state != EventState::Superseded);
    let last = told.next()?;
    let mut both = [&found.salesforce, &found.b1].into_iter().flatten();
    let is_pair = found.salesforce.is_some() && found.b1.is_some();
    let is_as_it_was = both.all(|known| known.changed.is_some() && (is_pair || known.linked.is_none()));
    if !is_as_it_was || last.state != EventState::Done {
        return left(found, last);
    }
    let mut done = std::iter::once(last).chain(told.take_while(|event| event.state == EventState::Done));
    done.find(|event| is_ignored(event)).and_then(|event| left(found, event))
}

/// That a person left it so, as long as neither side was changed since.
fn left(found: &Found, event: &Event) -> Option<Reason> {
    if !is_ignored(event) {
        return None;
    }
    let decided = event.decided();
    let at = decided.as_ref().map_or(event.finished_at.unwrap_or(event.created_at), |decided| decided.at);
    // What is told on the record is written in the same run.
    let until = event.finished_at.unwrap_or(at).max(at) + SKEW;
    let changed = [&found.salesforce, &found.b1].into_iter().flatten().filter_map(|known| known.changed).max();
    if changed.is_some_and(|changed| changed > until) {
        return None;
    }
    let asked = decided.map(|decided| format!(": {}", short(&decided.asked))).unwrap_or_default();
    let words = format!("left so by a person on {}{asked}", minute(at));
    Some(Reason { left: Some(at), ..Reason::of(Why::Ignored, event, words) })
}

/// Under which events about these may stand.
fn keys(found: &Found) -> BTreeSet<&str> {
    let both = [&found.salesforce, &found.b1].into_iter().flatten();
    let all = both.flat_map(|known| {
        let own = [Some(known.id.as_str()), Some(known.key.as_str()), known.linked.as_deref()];
        own.into_iter().flatten().chain(known.events.iter().map(String::as_str))
    });
    all.filter(|key| !key.is_empty()).collect()
}

fn is_ignored(event: &Event) -> bool {
    let ignored = |answer: &str| answer == "ignore";
    event.state == EventState::Done
        && (event.resolution.as_deref().is_some_and(ignored) || event.decided().is_some_and(|own| ignored(&own.answer)))
}

fn words_of(event: &Event) -> String {
    short(event.reason.as_deref().unwrap_or_default())
}

fn short(text: &str) -> String {
    let line = crate::plain::one_line(text);
    let mut words: String = line.chars().take(MOST_WORDS).collect();
    if line.chars().count() > MOST_WORDS {
        words.push('…');
    }
    words
}

/// `2026-01-31 10:05 UTC`
pub fn minute(at: Millis) -> String {
    format!("{} UTC", iso(at).chars().take(16).collect::<String>().replace('T', " "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::report::Kind;
    use crate::reconcile::tally::Known;
    use crate::store::{EventId, Kept as OfEvent};

    const HOUR: Millis = 3_600_000;
    const NOW: Millis = 1_800_000_000_000;

    fn known(changed: Millis) -> Known {
        Known {
            id: "006".into(),
            key: "006".into(),
            events: Vec::new(),
            label: "Pumps".into(),
            changed: Some(changed),
            told: String::new(),
            linked: None,
            incomparable: String::new(),
            digest: "values".into(),
        }
    }

    fn found(changed: Millis) -> Found {
        Found { kind: Kind::MissingInB1, salesforce: Some(known(changed)), b1: None, fields: Vec::new() }
    }

    fn event(state: EventState, at: Millis) -> Event {
        Event {
            id: EventId(7),
            flow: "orders".into(),
            topic: "salesforce.Opportunity".into(),
            key: "006".into(),
            payload: "{}".into(),
            trace: String::new(),
            state,
            due_at: at,
            attempts: 1,
            created_at: at,
            finished_at: Some(at),
            reason: Some("no price".into()),
            choices: Vec::new(),
            detail: String::new(),
            resolution: None,
            kept: OfEvent::Whole,
        }
    }

    fn situation() -> Situation {
        Situation {
            flow: "orders".into(),
            comparison: "orders".into(),
            newest: (Some(NOW - HOUR), Some(NOW - HOUR)),
            since: Some(NOW - 100 * HOUR),
            host: true,
            began: NOW,
            grace: HOUR / 4,
            ..Situation::default()
        }
    }

    #[test]
    fn the_first_reason_that_applies_is_told() {
        let at = NOW - 2 * HOUR;
        let why = |events: &[Event]| situation().reason(&found(at), events).why;
        assert_eq!(why(&[event(EventState::Done, at), event(EventState::Review, at)]), Why::Review);
        let ignored = Event { resolution: Some("ignore".into()), ..event(EventState::Done, at) };
        assert_eq!(why(&[ignored]), Why::Ignored);
        assert_eq!(why(&[event(EventState::Waiting, at)]), Why::Waiting);
        assert_eq!(why(&[event(EventState::Ready, at)]), Why::Retry);
        assert_eq!(why(&[event(EventState::Leased, at)]), Why::UnderWay);
        assert_eq!(why(&[event(EventState::Rejected, at)]), Why::Rejected);
        let done = situation().reason(&found(at), &[event(EventState::Done, at)]);
        assert!(done.why == Why::Unexplained && done.words.contains("event 7 was done") && done.event == Some(7));
        let asked = situation().reason(&found(at), &[event(EventState::Review, at)]);
        assert!(
            asked.words.contains("held in review since 2027-01-15") && asked.words.ends_with("no price"),
            "{asked:?}"
        );
    }

    #[test]
    fn a_change_is_unread_as_long_as_it_may_still_be_read() {
        let done = [event(EventState::Done, NOW - 10 * HOUR)];
        let why = |situation: &Situation, changed| situation.reason(&found(changed), &done).why;
        // A moment ago; and after all that was read.
        assert_eq!(why(&situation(), NOW - HOUR / 60), Why::NotRead);
        // After all that was read: whether it comes is seen at another look.
        assert_eq!(why(&situation(), NOW - HOUR / 2), Why::FirstSeen);
        let seen = |first: Millis| {
            let mut kept = Kept::default();
            kept.see("orders", &found(NOW - HOUR / 2), first);
            Situation { kept: Arc::new(kept), ..situation() }
        };
        assert_eq!(why(&seen(NOW - 1), NOW - HOUR / 2), Why::FirstSeen, "a moment ago");
        assert_eq!(why(&seen(NOW - HOUR / 2), NOW - HOUR / 2), Why::Unexplained, "it did not come");
        // A host that came up just now reads what it has missed.
        assert_eq!(why(&Situation { up: Some(NOW - 1), ..situation() }, NOW - 2 * HOUR), Why::NotRead);
        // Others that came later were read.
        assert_eq!(why(&situation(), NOW - 2 * HOUR), Why::Unexplained);
        let stopped = Situation { host: false, ..situation() };
        assert_eq!(why(&stopped, NOW - 2 * HOUR), Why::Unexplained, "the host still ran");
        let told = stopped.reason(&found(NOW - HOUR / 2), &done);
        assert!(told.why == Why::NotRead && told.words.ends_with("no host runs") && told.for_now, "{told:?}");
        // It was read since.
        assert_eq!(why(&stopped, NOW - 11 * HOUR), Why::Unexplained);
        assert_eq!(why(&situation(), NOW + 1), Why::Meanwhile);
        // The company's time zone is set wrong: that explains nothing.
        assert_eq!(why(&situation(), NOW + HOUR), Why::Unexplained);
    }

    #[test]
    fn what_is_older_than_the_flow_was_never_linked_and_what_is_told_on_the_record_is_said() {
        let why = |situation: Situation, changed| situation.reason(&found(changed), &[]).why;
        assert_eq!(why(situation(), NOW - 200 * HOUR), Why::NeverLinked);
        assert_eq!(why(situation(), NOW - 50 * HOUR), Why::Unexplained, "it was not told of it");
        assert_eq!(why(Situation { since: None, ..situation() }, NOW - HOUR), Why::NeverLinked);
        assert_eq!(why(Situation { held: Some("no grant".into()), ..situation() }, NOW - HOUR / 2), Why::Held);
        let told = Known { told: "B1's total is another".into(), ..known(NOW - 50 * HOUR) };
        let found = Found { salesforce: Some(told), ..found(NOW) };
        assert_eq!(situation().reason(&found, &[event(EventState::Done, NOW - HOUR)]).why, Why::Told);
    }

    #[test]
    fn what_a_person_left_explains_no_later_difference() {
        let at = NOW - 10 * HOUR;
        let ignored = Event { resolution: Some("ignore".into()), ..event(EventState::Done, at) };
        let why = |changed, events: &[Event]| situation().reason(&found(changed), events).why;
        assert_eq!(why(at - HOUR, std::slice::from_ref(&ignored)), Why::Ignored);
        assert_eq!(
            why(at + 1_000, std::slice::from_ref(&ignored)),
            Why::Ignored,
            "what is told on the record is written by it"
        );
        assert_eq!(why(at + HOUR, std::slice::from_ref(&ignored)), Why::Unexplained, "it was changed since");
        let later = event(EventState::Done, at + HOUR / 2);
        assert_eq!(
            why(at - HOUR, &[later.clone(), ignored.clone()]),
            Why::Ignored,
            "looked at since, and left as it is"
        );
        assert_eq!(why(at + HOUR, &[later.clone(), ignored.clone()]), Why::Unexplained, "changed since");
        let rejected = Event { state: EventState::Rejected, ..later.clone() };
        assert_eq!(why(at - HOUR, &[rejected, ignored.clone()]), Why::Rejected);
        let mut untold = found(at);
        untold.salesforce.as_mut().unwrap().changed = None;
        let looked_at = situation().reason(&untold, &[later.clone(), ignored.clone()]).why;
        assert_ne!(looked_at, Why::Ignored, "when it changed nobody says");
        let mut gone = found(at - HOUR);
        gone.salesforce.as_mut().unwrap().linked = Some("17".into());
        let looked_at = situation().reason(&gone, &[later.clone(), ignored.clone()]).why;
        assert_ne!(looked_at, Why::Ignored, "its other side is gone, which nobody left so");
        let superseded = Event { state: EventState::Superseded, ..later };
        assert_eq!(why(at - HOUR, &[superseded, ignored.clone()]), Why::Ignored);
        let waits = event(EventState::Waiting, at - 1);
        assert_eq!(why(at - HOUR, &[ignored, waits]), Why::Waiting, "what is open comes first");
    }

    #[test]
    fn what_a_person_left_goes_on_explaining_while_the_values_stay_whatever_became_of_the_event() {
        let mut kept = Kept::default();
        kept.leave("orders", &found(NOW - 90 * HOUR), 3, NOW - 80 * HOUR);
        let situation = Situation { kept: Arc::new(kept), ..situation() };
        let told = situation.reason(&found(NOW - 50 * HOUR), &[event(EventState::Done, NOW - HOUR)]);
        assert!(told.why == Why::Ignored && told.event == Some(3) && told.left == Some(NOW - 80 * HOUR), "{told:?}");
        let other =
            Found { salesforce: Some(Known { digest: "others".into(), ..known(NOW - 50 * HOUR) }), ..found(NOW) };
        assert_eq!(situation.reason(&other, &[]).why, Why::Unexplained);
    }

    #[test]
    fn what_is_down_explains_only_what_came_since() {
        let away = Away { connection: "erp".into(), why: "no answer".into(), since: NOW - 3 * HOUR };
        let situation = Situation { away: vec![away], ..situation() };
        let why = |changed| situation.reason(&found(changed), &[event(EventState::Done, NOW - 60 * HOUR)]);
        let told = why(NOW - 2 * HOUR);
        assert!(told.why == Why::Outage && told.for_now, "{told:?}");
        assert_eq!(why(NOW - 4 * HOUR).why, Why::Unexplained);
        let read = situation.reason(&found(NOW - 2 * HOUR), &[event(EventState::Done, NOW - HOUR)]);
        assert_eq!(read.why, Why::Unexplained, "it was read all the same");
        let held = Situation { held: Some("no grant".into()), ..super::Situation::default() };
        let held = Situation { newest: (Some(NOW - HOUR), None), since: Some(NOW - 100 * HOUR), began: NOW, ..held };
        let done = [event(EventState::Done, NOW - 60 * HOUR)];
        assert_eq!(held.reason(&found(NOW - HOUR / 2), &done).why, Why::Held);
        assert_eq!(held.reason(&found(NOW - 2 * HOUR), &done).why, Why::Unexplained);
    }

    #[test]
    fn of_what_tells_no_time_a_second_look_is_waited_for() {
        let untold =
            || Found { b1: Some(Known { changed: None, ..known(0) }), kind: Kind::Differs, ..found(NOW - 9 * HOUR) };
        assert_eq!(situation().reason(&untold(), &[event(EventState::Done, NOW - HOUR)]).why, Why::FirstSeen);
        let mut kept = Kept::default();
        kept.see("orders", &untold(), NOW - HOUR);
        let second = Situation { kept: Arc::new(kept), ..situation() };
        assert_eq!(second.reason(&untold(), &[event(EventState::Done, NOW - HOUR)]).why, Why::Unexplained);
        let known = Known { incomparable: "no such country".into(), ..known(NOW - 9 * HOUR) };
        let found = Found { salesforce: Some(known), ..found(NOW) };
        let told = situation().reason(&found, &[event(EventState::Done, NOW - HOUR)]);
        assert!(told.why == Why::Incomparable && told.words.ends_with("no such country"), "{told:?}");
    }
}
