//! The sweep of a night: every watched object, from where the sweep before it began, within a budget of calls. Each page is stored with the
//! place behind it, so that a kill costs one page; what the budget does not reach is for the next night.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::SPAN_MS;
use super::look::Reader;
use super::place::Place;
use super::watched::Watched;
use crate::connections::CallError;
use crate::sources::failed::Failed;
use crate::sources::timers::FlowTimer;
use crate::store::{Intake, Lane, Millis, StoreError};
use crate::time::{backoff, seconds};

const TICK: Duration = Duration::from_secs(1);
const BEFORE_THE_FIRST_ANSWER: Duration = Duration::from_millis(50);
/// The first of the pauses after failures, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(3600)];

/// Where the sweeps of an org stand. All times by the org's clock.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Position {
    /// The hour of the last sweep that ended; before the first, when this host first knew the org.
    last: Millis,
    /// Until when all there was has been read: of no object refused, and nothing left for the next night.
    #[serde(default)]
    whole: Millis,
    /// Calls of the sweep under way.
    calls: u32,
    objects: BTreeMap<String, Reading>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Reading {
    /// From where the next sweep reads.
    since: Millis,
    /// When the sweep under way began, and where it stands.
    under_way: Option<(Millis, Place)>,
}

/// See the module's words.
pub struct Night {
    /// The org.
    pub reader: Reader,
    /// When it begins.
    pub timer: FlowTimer,
    /// Calls of one night.
    pub most_calls: u32,
}

impl Night {
    fn source(&self) -> String {
        format!("sweep:{}", self.reader.name)
    }

    /// Sweeps whenever the hour has come, until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        // What time it is over there is known from the first answer on; from then on nights count.
        while !self.reader.connection.clock().is_known() && !*stop.borrow() {
            tokio::select! { _ = tokio::time::sleep(BEFORE_THE_FIRST_ANSWER) => {} _ = stop.changed() => {} }
        }
        let mut failures = 0;
        while !*stop.borrow() {
            let pause = tokio::select! { looked = self.look() => match looked {
                Ok(()) => {
                    failures = 0;
                    TICK
                }
                Err(error) => {
                    failures += 1;
                    let pause = backoff(failures, PAUSES[0], PAUSES[1]);
                    tracing::warn!(connection = self.reader.name, %error, seconds = pause.as_secs(), "the sweep was broken off; it goes on after a pause");
                    pause
                }
            }, _ = stop.changed() => return };
            tokio::select! { _ = tokio::time::sleep(pause) => {} _ = stop.changed() => {} }
        }
    }

    async fn position(&self) -> Result<Position, StoreError> {
        let stored = self.reader.inbox.store().position(&self.source()).await?;
        if let Some(position) = stored.and_then(|text| serde_json::from_str::<Position>(&text).ok()) {
            let whole = if position.whole == 0 { position.last } else { position.whole };
            return Ok(Position { whole, ..position });
        }
        let now = self.reader.now();
        let fresh = Position { last: now, whole: now, ..Position::default() };
        self.take(Intake::default(), &fresh).await?;
        Ok(fresh)
    }

    async fn take(&self, intake: Intake, position: &Position) -> Result<u64, StoreError> {
        let position = serde_json::to_string(position).unwrap_or_default();
        self.reader.inbox.take(Intake { position: Some((self.source(), position)), ..intake }).await
    }

    async fn look(&self) -> Result<(), Failed> {
        let mut position = self.position().await?;
        let now = self.reader.now();
        // Of hours that passed while the host was down, the last.
        let mut due = None;
        let mut next = self.timer.next_after(position.last.min(now));
        while let Some(at) = next.filter(|at| *at <= now) {
            due = Some(at);
            next = self.timer.next_after(at);
        }
        metrics::gauge!("tandem_swept_at_seconds", "connection" => self.reader.name.clone())
            .set(seconds(position.whole));
        let Some(due) = due else { return Ok(()) };
        // An answer, too, may have been given without an event.
        self.reader.answered.notify_one();
        let (found, whole) = self.sweep(&mut position, now).await?;
        let calls = std::mem::take(&mut position.calls);
        position.last = due;
        position.whole = whole.unwrap_or(position.whole);
        self.take(Intake::default(), &position).await?;
        metrics::counter!("tandem_found_total", "connection" => self.reader.name.clone()).increment(found);
        tracing::info!(connection = self.reader.name, found, calls, "swept");
        Ok(())
    }

    /// How many changes were found, and until when all there is was read, where that is so of each object.
    async fn sweep(&self, position: &mut Position, now: Millis) -> Result<(u64, Option<Millis>), Failed> {
        let mut all = self.reader.watched(|_| true).await?;
        // Two that ask what is watched, and one an object.
        position.calls += 2 + u32::try_from(all.len()).unwrap_or_default();
        let (mut found, mut whole) = (0, Some(now));
        // One whose changes take more calls than a night has does not keep the others from being read.
        all.sort_by_key(|watched| position.objects.get(&watched.object).is_some_and(|own| own.under_way.is_some()));
        for watched in &all {
            match self.object(watched, position).await {
                Ok((fresh, until)) => {
                    found += fresh;
                    whole = whole.zip(until).map(|(all, own)| all.min(own));
                }
                Err(Failed::Call(error @ (CallError::Remote { .. } | CallError::Displaced(_)))) => {
                    whole = None;
                    tracing::warn!(connection = self.reader.name, object = watched.object, %error, "the org does not show what changed");
                }
                Err(error) => return Err(error),
            }
        }
        if position.calls >= self.most_calls {
            tracing::warn!(
                connection = self.reader.name,
                calls = position.calls,
                "the sweep has used up its calls (sweep_calls); it goes on next night"
            );
        }
        Ok((found, whole))
    }

    /// How many changes were found, and until when they are all: a reading that takes two nights has all of the first.
    async fn object(&self, watched: &Watched, position: &mut Position) -> Result<(u64, Option<Millis>), Failed> {
        let first = Reading { since: position.last - SPAN_MS, under_way: None };
        let reading = position.objects.entry(watched.object.clone()).or_insert(first);
        let now = self.reader.now();
        // A time ahead was written while the clock was wrong.
        let begins = || (now, Place::since(reading.since.min(now - SPAN_MS)));
        let (begun, mut place) = reading.under_way.clone().unwrap_or_else(begins);
        let mut found = 0;
        while position.calls < self.most_calls {
            position.calls += 1;
            let page = self.reader.page(watched, &place).await?;
            let next = page.next.clone();
            let reading = match &next {
                Some(next) => Reading { since: place.since, under_way: Some((begun, next.clone())) },
                None => Reading { since: begun - SPAN_MS, under_way: None },
            };
            position.objects.insert(watched.object.clone(), reading);
            let intake =
                Intake { events: page.events, seen: Some(page.seen), lane: Lane::Backfill, ..Intake::default() };
            found += self.take(intake, position).await?;
            match next {
                Some(next) => place = next,
                None => return Ok((found, Some(begun))),
            }
        }
        Ok((found, None))
    }
}
