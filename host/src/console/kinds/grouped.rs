//! Events of one cause told as one: what they say, how many they are, how often of late, and whether that is new.

use serde::Serialize;
use utoipa::ToSchema;

use crate::console::choices;
use crate::engine::kinds::{self, Cause};
use crate::store::{Event, EventState, Millis};
use crate::time::iso;

/// A kind is new, or back, for so long; and it was away where nothing of it came for so long.
const DAY: Millis = 24 * 3_600_000;
/// Days of a trend.
const DAYS: usize = 14;

/// One cause, of many records.
#[derive(Serialize, ToSchema)]
pub struct Kind {
    /// By which all of it is asked for.
    id: String,
    /// The flow.
    pub(super) flow: String,
    /// What is said, with … where records differ.
    pub(super) words: String,
    /// What can be done about it: what the newest one's answers do, most of all; none where there is nothing but to try again.
    mends: Vec<String>,
    /// How many records.
    count: u64,
    /// When the first was taken in, ISO 8601.
    first: String,
    /// When the last was.
    last: String,
    /// The newest event of it.
    pub(super) example: i64,
    /// `review` or `rejected`.
    #[schema(value_type = String)]
    state: EventState,
    /// Whether it is new.
    pub(super) standing: KindStanding,
    /// How many were taken in on each of the last 14 days, the oldest first. A day is 24 hours here, and the last of them ends now.
    trend: Vec<u64>,
    /// When it came, or came back: nothing of it had come for a day then.
    #[serde(skip)]
    pub(super) since: Millis,
}

/// Whether a kind of error is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum KindStanding {
    /// The first of it came within the last 24 hours.
    New,
    /// It came again within the last 24 hours, after 24 hours or more with nothing of it.
    Back,
    /// Neither.
    Known,
}

impl Kind {
    /// Of its events, newest first; none without any.
    fn of(Cause { id, words, events }: Cause<'_>, now: Millis) -> Option<Self> {
        let (newest, oldest) = (events.first()?, events.last()?);
        let times: Vec<Millis> = events.iter().map(|event| event.created_at).collect();
        let (standing, since) = standing(&times, now)?;
        Some(Self {
            id,
            flow: newest.flow.clone(),
            words,
            mends: choices::mends(&newest.choices),
            count: events.len() as u64,
            first: iso(oldest.created_at),
            last: iso(newest.created_at),
            example: newest.id.0,
            state: newest.state,
            standing,
            trend: trend(&times, now),
            since,
        })
    }
}

/// Whether what came at these times, newest first, is new, and since when it comes.
fn standing(times: &[Millis], now: Millis) -> Option<(KindStanding, Millis)> {
    let came_back = times.windows(2).find(|pair| pair[0] - pair[1] >= DAY).map(|pair| pair[0]);
    let since = came_back.or_else(|| times.last().copied())?;
    let standing = match came_back {
        _ if now - since >= DAY => KindStanding::Known,
        Some(_) => KindStanding::Back,
        None => KindStanding::New,
    };
    Some((standing, since))
}

fn trend(times: &[Millis], now: Millis) -> Vec<u64> {
    let mut days = vec![0; DAYS];
    for at in times {
        let ago = (now - at).max(0) / DAY;
        if let Some(day) = usize::try_from(ago).ok().and_then(|ago| days.iter_mut().rev().nth(ago)) {
            *day += 1;
        }
    }
    days
}

/// Events, newest first, by their cause: the most frequent first.
pub fn grouped(events: &[Event], now: Millis) -> Vec<Kind> {
    // A flood hides what came before it: nobody knows then what is new.
    let is_cut = events.len() >= kinds::SCANNED as usize;
    let is_flood = is_cut && events.last().is_some_and(|oldest| now - oldest.created_at < DAY);
    let all = kinds::by_cause(events).into_iter().filter_map(|cause| Kind::of(cause, now));
    let all = all.map(|kind| if is_flood { Kind { standing: KindStanding::Known, ..kind } } else { kind });
    let mut all: Vec<Kind> = all.collect();
    all.sort_by(|a, b| b.count.cmp(&a.count).then(b.example.cmp(&a.example)));
    all
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::store::{EventId, Kept};

    pub const HOUR: Millis = 3_600_000;
    pub const NOW: Millis = 20_000 * DAY + 5 * HOUR;

    /// What was rejected so many hours ago.
    pub fn event(flow: &str, reason: &str, hours_ago: i64) -> Event {
        Event {
            id: EventId(1_000 - hours_ago),
            flow: flow.into(),
            topic: "b1.order".into(),
            key: "7".into(),
            payload: String::new(),
            trace: String::new(),
            state: EventState::Rejected,
            due_at: 0,
            attempts: 1,
            created_at: NOW - hours_ago * HOUR,
            finished_at: None,
            reason: Some(reason.into()),
            choices: Vec::new(),
            detail: String::new(),
            resolution: None,
            kept: Kept::Whole,
        }
    }

    /// Kinds of what was rejected, each named with its flow and hours ago, the newest first.
    pub fn kinds(events: &[(&str, &str, i64)]) -> Vec<Kind> {
        let events: Vec<Event> = events.iter().map(|(flow, reason, ago)| event(flow, reason, *ago)).collect();
        grouped(&events, NOW)
    }

    #[test]
    fn in_a_flood_nothing_is_called_new() {
        let flood = vec![("orders", "the warehouse is not known", 1); crate::engine::kinds::SCANNED as usize];
        assert!(kinds(&flood).iter().all(|own| own.standing == KindStanding::Known));
        assert_eq!(kinds(&flood[1..])[0].standing, KindStanding::New);
    }

    #[test]
    fn records_of_one_cause_are_one_kind_and_flows_are_not() {
        let found = kinds(&[
            ("orders", "item A00042 is inactive", 1),
            ("orders", "item A00315 is inactive", 2),
            ("orders", "no price for \"Bolt\"", 3),
            ("invoices", "item A00042 is inactive", 4),
        ]);
        let told: Vec<_> = found.iter().map(|own| (own.flow.as_str(), own.words.as_str(), own.count)).collect();
        let other = [("orders", "no price for …", 1), ("invoices", "item … is inactive", 1)];
        assert_eq!(told, [("orders", "item … is inactive", 2), other[0], other[1]]);
        let of = event("orders", "item A7 is inactive", 9);
        assert_eq!(kinds::id_of(&of), found[0].id, "all of it is asked for by any of its events");
    }

    #[test]
    fn a_kind_is_new_for_a_day_and_back_after_a_day_without_it() {
        let stands = |hours: &[i64]| {
            let times: Vec<Millis> = hours.iter().map(|ago| NOW - ago * HOUR).collect();
            standing(&times, NOW).map(|(standing, since)| (standing, (NOW - since) / HOUR))
        };
        assert_eq!(stands(&[1, 2, 23]), Some((KindStanding::New, 23)));
        assert_eq!(stands(&[1, 2, 24]), Some((KindStanding::Known, 24)), "a day is over");
        assert_eq!(stands(&[1, 20, 43]), Some((KindStanding::Known, 43)), "it never was away for a day");
        assert_eq!(stands(&[1, 3, 27, 28]), Some((KindStanding::Back, 3)));
        assert_eq!(stands(&[1, 3, 26, 300]), Some((KindStanding::Known, 26)), "it is back for more than a day");
        assert_eq!(stands(&[30, 300]), Some((KindStanding::Known, 30)));
        assert_eq!(stands(&[]), None);
    }

    #[test]
    fn a_trend_has_fourteen_days_of_which_the_last_ends_now() {
        let found = kinds(&[
            ("orders", "no", -1),
            ("orders", "no", 0),
            ("orders", "no", 23),
            ("orders", "no", 24),
            ("orders", "no", 13 * 24 + 23),
            ("orders", "no", 14 * 24),
        ]);
        assert_eq!(found[0].trend, [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3]);
        assert_eq!(found[0].count, 6, "what is older is counted, and in no day");
    }
}
