//! Why two sides differ, from what the host knows: questions, waits, failures, and what was changed and not read yet. The first reason that applies is told.

use std::collections::BTreeSet;

use super::report::Why;
use super::tally::Found;
use crate::store::{Event, EventFilter, EventState, Millis, Store, StoreError};
use crate::time::iso;

/// Clocks of two machines differ by so much.
const SKEW: Millis = 5_000;
/// What is said to be changed later than in so long is changed at a time that is not known.
const AHEAD: Millis = 300_000;
/// Events of one record that are looked at, the newest.
const LOOKED_AT: u32 = 5;
/// Letters of a reason that stands in an event.
const MOST_WORDS: usize = 500;

/// What is known of a flow while it is compared.
#[derive(Clone, Debug, Default)]
pub struct Situation {
    /// The flow.
    pub flow: String,
    /// Why it does not run; none while it does, or where that is not known.
    pub held: Option<String>,
    /// Connections that cannot be used, and why.
    pub outages: Vec<(String, String)>,
    /// When the flow took in its newest event of Salesforce and of B1.
    pub newest: (Option<Millis>, Option<Millis>),
    /// Since when it runs; none: it never did.
    pub since: Option<Millis>,
    /// A host runs that would read changes.
    pub host: bool,
    /// When the comparison began.
    pub began: Millis,
    /// So long a change may be unread.
    pub grace: Millis,
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
}

impl Reason {
    fn new(why: Why, words: String) -> Self {
        Self { why, words, event: None }
    }

    fn of(why: Why, event: &Event, words: String) -> Self {
        Self { why, words, event: Some(event.id.0) }
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
            let filter = EventFilter {
                flow: Some(self.flow.clone()),
                key: Some(key.to_owned()),
                limit: LOOKED_AT,
                ..EventFilter::default()
            };
            events.extend(store.events(filter).await?);
        }
        events.sort_by_key(|event| std::cmp::Reverse(event.id));
        Ok(self.reason(found, &events))
    }

    /// The same by its events, the newest first.
    fn reason(&self, found: &Found, events: &[Event]) -> Reason {
        let asked = events.iter().find(|event| event.state == EventState::Review);
        if let Some(event) = asked {
            let words = format!("held in review since {}: {}", minute(event.created_at), words_of(event));
            return Reason::of(Why::Review, event, words);
        }
        if let Some(event) = events.iter().find(|event| is_ignored(event)) {
            let at = event.decided().map_or(event.finished_at.unwrap_or(event.created_at), |decided| decided.at);
            let asked = event.decided().map(|decided| format!(": {}", short(&decided.asked))).unwrap_or_default();
            return Reason::of(Why::Ignored, event, format!("left so by a person on {}{asked}", minute(at)));
        }
        let last = events.iter().find(|event| event.state != EventState::Superseded);
        if let Some(reason) = last.and_then(|event| self.of_open(event)) {
            return reason;
        }
        if let Some((connection, why)) = self.outages.first() {
            return Reason::new(Why::Outage, format!("{connection} cannot be used: {}", short(why)));
        }
        if let Some(why) = &self.held {
            return Reason::new(Why::Held, format!("the flow {} does not run: {}", self.flow, short(why)));
        }
        let read = events.iter().map(|event| event.finished_at.unwrap_or(event.created_at).max(event.created_at)).max();
        if let Some(reason) = self.unread(found, read) {
            return reason;
        }
        let told = [&found.salesforce, &found.b1].into_iter().flatten().find(|known| !known.told.is_empty());
        if let Some(known) = told {
            return Reason::new(Why::Told, format!("told on the record: {}", short(&known.told)));
        }
        let one = [&found.salesforce, &found.b1].into_iter().flatten();
        let linked = one.clone().any(|known| known.linked.is_some());
        let changed = one.filter_map(|known| known.changed).max();
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
        match last {
            Some(event) => {
                let at = minute(event.finished_at.unwrap_or(event.created_at));
                let words = format!("nothing explains it; event {} was done on {at}: {}", event.id, words_of(event));
                Reason::of(Why::Unexplained, event, words)
            }
            None => Reason::new(Why::Unexplained, "nothing explains it, and no event about it is kept".into()),
        }
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
        let sides = [("Salesforce", &found.salesforce, self.newest.0), ("B1", &found.b1, self.newest.1)];
        let changes =
            sides.into_iter().filter_map(|(side, known, newest)| Some((known.as_ref()?.changed?, side, newest)));
        // A time that has not come says nothing: a clock, or the company's `time_zone`, is wrong.
        let changes = changes.filter(|(changed, ..)| *changed <= crate::time::now().max(self.began) + AHEAD);
        let (changed, side, newest) = changes.max_by_key(|(changed, ..)| *changed)?;
        if changed >= self.began {
            return Some(Reason::new(
                Why::Meanwhile,
                format!("changed in {side} on {}, while this was reckoned", minute(changed)),
            ));
        }
        let unread = read.is_none_or(|read| changed > read + SKEW);
        // What came later was read, and there was time to read it: it was passed over.
        let may_come = !self.host || changed + self.grace > self.began || newest.is_some_and(|newest| changed > newest);
        let older = self.since.is_none_or(|since| changed < since) && read.is_none();
        (unread && may_come && !older).then(|| {
            let host = if self.host { "" } else { "; no host runs" };
            Reason::new(Why::NotRead, format!("changed in {side} on {}, not read yet{host}", minute(changed)))
        })
    }
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
    use crate::store::{EventId, Kept};

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
            kept: Kept::Whole,
        }
    }

    fn situation() -> Situation {
        Situation {
            flow: "orders".into(),
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
        assert_eq!(why(&situation(), NOW - HOUR / 2), Why::NotRead);
        // Others that came later were read.
        assert_eq!(why(&situation(), NOW - 2 * HOUR), Why::Unexplained);
        let stopped = Situation { host: false, ..situation() };
        let told = stopped.reason(&found(NOW - 2 * HOUR), &done);
        assert!(told.why == Why::NotRead && told.words.ends_with("no host runs"), "{told:?}");
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
        assert_eq!(why(Situation { held: Some("no grant".into()), ..situation() }, NOW - 50 * HOUR), Why::Held);
        let told = Known { told: "B1's total is another".into(), ..known(NOW - 50 * HOUR) };
        let found = Found { salesforce: Some(told), ..found(NOW) };
        assert_eq!(situation().reason(&found, &[event(EventState::Done, NOW - HOUR)]).why, Why::Told);
    }
}
