//! What the org asks to be looked at again: a transaction that had no room left to tell each record says so at once, long before it ends,
//! and also when it is taken back. So the object is read soon, and again with growing pauses, until every transaction of
//! that moment must be over. What is asked is kept before the event that asks counts as taken.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{Mutex, Notify, watch};

use super::SPAN_MS;
use super::look::Reader;
use super::place::Place;
use super::watched::Watched;
use crate::connections::CallError;
use crate::sources::change;
use crate::sources::failed::Failed;
use crate::sources::trouble::Troubles;
use crate::store::{Inbox, Intake, Millis, StoreError};

const TICK: Duration = Duration::from_millis(500);
/// The first look comes so soon; each pause after it is twice the one before.
const FIRST_PAUSE_MS: Millis = 2_000;
/// Asked anew, a look comes at least so soon.
const ANEW_MS: Millis = 32_000;
const MOST_PAUSE_MS: Millis = 256_000;

/// One object to be looked at. All times by the org's clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Ask {
    since: Millis,
    /// A look that begins then or later is the last.
    until: Millis,
    next: Millis,
    pause: Millis,
}

/// What the org asked for and is not done.
type Open = BTreeMap<String, Ask>;

/// See the module's words.
pub struct Asks {
    connection: String,
    inbox: Arc<Inbox>,
    /// Held while the stored ones are read and written.
    writing: Mutex<()>,
    rung: Notify,
}

/// Object and time of an event that asks; `None` for an event of another kind.
pub fn asked(payload: &Value) -> Option<(String, Millis)> {
    let object = payload["Object__c"].as_str().map(str::trim).filter(|text| !text.is_empty())?;
    Some((object.to_owned(), payload["Since__c"].as_i64()?))
}

/// Until when what is to be looked at since then was asked: `TandemSince` reaches back by the longest transaction.
pub fn asked_by(since: Millis) -> Millis {
    since.saturating_add(SPAN_MS)
}

impl Asks {
    /// Of one org.
    pub fn new(connection: &str, inbox: Arc<Inbox>) -> Arc<Self> {
        Arc::new(Self { connection: connection.to_owned(), inbox, writing: Mutex::default(), rung: Notify::new() })
    }

    fn source(&self) -> String {
        format!("since:{}", self.connection)
    }

    async fn open(&self) -> Result<Open, StoreError> {
        let stored = self.inbox.store().position(&self.source()).await?;
        Ok(stored.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    async fn change(&self, change: impl FnOnce(&mut Open)) -> Result<(), StoreError> {
        let _alone = self.writing.lock().await;
        let mut open = self.open().await?;
        change(&mut open);
        let position = Some((self.source(), serde_json::to_string(&open).unwrap_or_default()));
        self.inbox.take(Intake { position, ..Intake::default() }).await?;
        Ok(())
    }

    /// Keeps what was asked; on return it is durable.
    pub async fn ask(&self, asked: &[(String, Millis)], now: Millis) -> Result<(), StoreError> {
        self.change(|open| asked.iter().for_each(|(object, since)| note(open, object, *since, now))).await?;
        self.rung.notify_one();
        Ok(())
    }

    /// Looks, whenever something is due, until `stop` turns true.
    pub async fn run(self: Arc<Self>, reader: Reader, mut stop: watch::Receiver<bool>) {
        let mut troubles = Troubles::default();
        while !*stop.borrow() {
            let looked = tokio::select! { looked = self.look(&reader) => looked, _ = stop.changed() => return };
            match looked {
                Ok(()) => drop(troubles.over("look")),
                Err(error) if troubles.begins("look") => {
                    tracing::warn!(connection = self.connection, %error, "cannot look at what changed: it is looked at again");
                }
                Err(_) => {}
            }
            tokio::select! { _ = tokio::time::sleep(TICK) => {} _ = self.rung.notified() => {} _ = stop.changed() => {} }
        }
    }

    async fn look(&self, reader: &Reader) -> Result<(), Failed> {
        let now = reader.now();
        let due: Open = self.open().await?.into_iter().filter(|(_, ask)| ask.is_due(now)).collect();
        if due.is_empty() {
            return Ok(());
        }
        let watched = reader.watched(|object| due.keys().any(|own| own.eq_ignore_ascii_case(object))).await;
        let mut result = Ok(());
        if due.keys().any(|object| change::is_review(object)) {
            reader.answered.notify_one();
        }
        for (object, ask) in due {
            // Known by now, if it was not before: the org has answered.
            let begun = reader.now();
            let looked = match &watched {
                Ok(all) => read_all(reader, all, &object, ask.since).await,
                Err(error) => Err(error.clone().into()),
            };
            let end = match &looked {
                Ok(()) => End::Read { from: ask.since, begun },
                Err(Failed::Call(CallError::Remote { .. })) => End::Refused { begun },
                Err(_) => End::BrokenOff,
            };
            self.change(|open| plan(open, &object, end, reader.now())).await?;
            result = result.and(looked);
        }
        result
    }
}

impl Ask {
    fn is_due(&self, now: Millis) -> bool {
        // A time far ahead was written while the clock was wrong.
        self.next <= now || self.next > now + MOST_PAUSE_MS
    }
}

fn note(open: &mut Open, object: &str, since: Millis, now: Millis) {
    let since = since.min(now);
    let until = now + SPAN_MS;
    let fresh = Ask { since, until, next: now + FIRST_PAUSE_MS, pause: FIRST_PAUSE_MS };
    let ask = open.entry(object.to_owned()).or_insert(fresh);
    ask.since = ask.since.min(since);
    ask.until = ask.until.max(until);
    ask.pause = ask.pause.min(ANEW_MS);
    ask.next = ask.next.min(now + ask.pause);
}

/// How a look ended. `begun` is when it began.
#[derive(Clone, Copy)]
enum End {
    /// Everything was read that was stamped since `from`.
    Read { from: Millis, begun: Millis },
    /// To look again mends no refusal.
    Refused { begun: Millis },
    /// It is made again, however late it is.
    BrokenOff,
}

/// After a look: the next, or none.
fn plan(open: &mut Open, object: &str, end: End, now: Millis) {
    let Some(ask) = open.get_mut(object) else { return };
    if let End::Read { from, begun } = end
        && from <= ask.since
    {
        // What was stamped before is of transactions that were over: an org that asks all day is not read from the morning on each time.
        ask.since = ask.since.max(begun - SPAN_MS);
    }
    let is_last = match end {
        End::Read { begun, .. } | End::Refused { begun } => begun >= ask.until,
        End::BrokenOff => false,
    };
    if is_last {
        open.remove(object);
    } else {
        ask.next = now + ask.pause;
        ask.pause = (ask.pause * 2).min(MOST_PAUSE_MS);
    }
}

/// Reads the records of an object and those that it is told in place of; nothing where no flow takes it.
async fn read_all(reader: &Reader, watched: &[Watched], object: &str, since: Millis) -> Result<(), Failed> {
    for own in watched.iter().filter(|own| own.told().eq_ignore_ascii_case(object)) {
        read(reader, own, since).await?;
    }
    Ok(())
}

/// Tells what changed since, page by page. To begin anew tells nothing twice.
async fn read(reader: &Reader, watched: &Watched, since: Millis) -> Result<(), Failed> {
    let mut place = Some(Place::since(since));
    let mut found = 0;
    while let Some(from) = place {
        let page = reader.page(watched, &from).await?;
        found += reader.inbox.take(Intake { events: page.events, seen: Some(page.seen), ..Intake::default() }).await?;
        place = page.next;
    }
    if found > 0 {
        metrics::counter!("tandem_found_total", "connection" => reader.name.clone()).increment(found);
        tracing::info!(
            connection = reader.name,
            object = watched.object,
            found,
            "a transaction without room for events: found what it changed"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::LONGEST_TRANSACTION_MS;
    use super::*;

    #[test]
    fn an_object_is_looked_at_until_the_longest_transaction_is_over() {
        let mut open = Open::new();
        note(&mut open, "Account", -600_000, 0);
        let (mut now, mut looks) = (0, 0);
        while let Some(ask) = open.get("Account").cloned() {
            let covered = ask.since <= (-600_000).max(now - LONGEST_TRANSACTION_MS);
            assert!(covered && !ask.is_due(ask.next - 1));
            now = ask.next;
            looks += 1;
            plan(&mut open, "Account", read(&ask, now), now);
        }
        assert!(now >= LONGEST_TRANSACTION_MS, "{now}");
        assert!((5..=12).contains(&looks), "{looks} looks");
    }

    #[test]
    fn asked_anew_it_is_looked_at_longer_and_sooner_but_not_all_the_time() {
        let mut open = Open::new();
        note(&mut open, "Account", 0, 0);
        for _ in 0..6 {
            let ask = open["Account"].clone();
            plan(&mut open, "Account", read(&ask, ask.next), ask.next);
        }
        let before = open["Account"].clone();
        let now = before.next - 100_000;
        note(&mut open, "Account", 5_000, now);
        let after = open["Account"].clone();
        assert_eq!((after.since, after.next), (0, now + ANEW_MS));
        assert!(after.until > before.until);
        note(&mut open, "Account", 5_000, now + 1_000);
        assert_eq!(open["Account"].next, after.next, "a stream of questions puts no look off");
    }

    #[test]
    fn a_look_that_failed_is_made_again_however_late_it_is() {
        let mut open = Open::new();
        note(&mut open, "Account", 0, 0);
        let late = open["Account"].until + 1;
        plan(&mut open, "Account", End::BrokenOff, late);
        assert!(open["Account"].next > late);
        plan(&mut open, "Account", End::Refused { begun: late }, late);
        assert!(open.is_empty());
    }

    #[test]
    fn an_org_that_asks_all_day_is_not_read_from_the_morning_on_at_each_look() {
        const MINUTE_MS: Millis = 60_000;
        let mut open = Open::new();
        for minute in 0..24 * 60 {
            let now = minute * MINUTE_MS;
            note(&mut open, "Account", now - LONGEST_TRANSACTION_MS, now);
            let ask = open["Account"].clone();
            if ask.is_due(now) {
                plan(&mut open, "Account", read(&ask, now), now);
                let read_anew = now - open["Account"].since;
                assert!(read_anew <= LONGEST_TRANSACTION_MS + 2 * MINUTE_MS, "{read_anew} ms at minute {minute}");
            }
        }
    }

    #[test]
    fn what_is_asked_of_an_earlier_time_while_a_look_goes_on_is_looked_at_from_then_on() {
        let mut open = Open::new();
        note(&mut open, "Account", 10_000_000, 10_000_000);
        let ask = open["Account"].clone();
        // Told late: the host was not there.
        note(&mut open, "Account", 0, ask.next);
        plan(&mut open, "Account", read(&ask, ask.next), ask.next);
        assert_eq!(open["Account"].since, 0);
        plan(&mut open, "Account", End::Refused { begun: ask.next }, ask.next);
        assert_eq!(open["Account"].since, 0, "nothing was read");
    }

    fn read(ask: &Ask, begun: Millis) -> End {
        End::Read { from: ask.since, begun }
    }

    #[test]
    fn only_an_event_that_asks_is_taken_for_one() {
        let payload = json!({ "Object__c": "Account", "Since__c": 1_700_000_000_000_i64, "Version__c": "1" });
        assert_eq!(asked(&payload), Some(("Account".into(), 1_700_000_000_000)));
        assert_eq!(asked(&json!({ "Object__c": "Account", "Record_Id__c": "001" })), None);
    }
}
