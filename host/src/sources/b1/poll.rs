//! Looks for changes in turn, each kind of record at its own pace. What was found and the new position are stored in one
//! transaction; a look that fails is taken again.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::list::{self, LookError, PAGE, keys_of};
use super::{Changed, How, Watch, watched};
use crate::config::B1Config;
use crate::connections::{CallError, Connection};
use crate::sources::Routes;
use crate::sources::trouble::Troubles;
use crate::store::{Inbox, Intake, Millis, NewEvent, Sighting};
use crate::time::now;

/// A change may be committed so much later than its stamp says.
const OVERLAP: Duration = Duration::from_secs(120);
/// A newest stamp that stood for so long is settled: nothing can come any more that is not newer.
const SETTLED: Duration = Duration::from_secs(2 * OVERLAP.as_secs());
/// A record seen within so much of the newest stamp may change again within the same second: it is looked at once more.
const FRESH: Duration = Duration::from_secs(2);

/// Version of a record that is there no more.
const GONE: &str = "gone";
/// Keys of known records that are looked through at once.
const KEYS: u32 = 5_000;

/// Watches one B1 company.
pub struct Poller {
    /// The connection's name.
    pub name: String,
    /// The connection.
    pub connection: Arc<Connection>,
    /// Its part of `tandem.toml`.
    pub config: B1Config,
    /// Who takes events, and so what to watch.
    pub routes: Routes,
    /// Where they go.
    pub inbox: Arc<Inbox>,
}

/// Where a stamped watch stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Mark {
    /// The newest stamp seen, local: `2026-01-31 14:05:59`.
    stamp: String,
    /// When the last look was taken, by B1's clock.
    at: Millis,
    /// When that stamp was first seen as the newest. Missing in marks of before: then it was just now.
    #[serde(default)]
    since: Millis,
    /// Records within the overlap, by key: their stamp, and whether they are to be looked at once more.
    seen: BTreeMap<String, (String, bool)>,
}

impl Poller {
    /// Runs until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut changes = self.routes.changes();
        let mut due: Vec<(Watch, Instant)> = Vec::new();
        let mut troubles = Troubles::default();
        while !*stop.borrow() {
            changes.mark_unchanged();
            let before = std::mem::take(&mut due);
            let known = |watch: &Watch| before.iter().find(|(own, _)| own.topic == watch.topic).map(|(_, due)| *due);
            due.extend(watched(&self.routes, &self.name).into_iter().map(|watch| {
                let at = known(&watch).unwrap_or_else(Instant::now);
                (watch, at)
            }));
            for (watch, due) in &mut due {
                if *due > Instant::now() || *stop.borrow() {
                    continue;
                }
                *due = Instant::now() + watch.pace.of(&self.config);
                let looked = self.look(watch).await;
                self.tell(&mut troubles, watch, looked.as_ref().err());
                if looked.is_err() {
                    *due = Instant::now() + watch.pace.of(&self.config).min(Duration::from_secs(15));
                }
            }
            let next =
                due.iter().map(|(_, due)| *due).min().unwrap_or_else(|| Instant::now() + Duration::from_secs(60));
            let pause = next.saturating_duration_since(Instant::now()).max(Duration::from_millis(50));
            tokio::select! {
                _ = tokio::time::sleep(pause) => {}
                _ = changes.changed() => {}
                _ = stop.changed() => {}
            }
        }
    }

    /// What the connection is at fault for is one trouble of all its watches, not one of each.
    fn tell(&self, troubles: &mut Troubles, watch: &Watch, failed: Option<&LookError>) {
        const OF_ALL: [&str; 2] = ["sign-in", "outage"];
        let (connection, watch) = (&self.name, watch.topic);
        let Some(error) = failed else {
            for trouble in OF_ALL.into_iter().chain([watch]).filter_map(|kind| troubles.over(kind)) {
                let (looks, seconds) = (trouble.times, trouble.lasted().as_secs());
                tracing::info!(
                    connection,
                    looks,
                    seconds,
                    "changes in B1 are looked for again; so many looks had failed"
                );
            }
            return;
        };
        let kind = match error {
            LookError::Call(CallError::SignIn(_)) => OF_ALL[0],
            LookError::Call(error) if error.is_outage() => OF_ALL[1],
            _ => watch,
        };
        if troubles.begins(kind) {
            tracing::warn!(connection, watch, %error, "cannot look for changes in B1; told again when it is over");
        } else {
            tracing::debug!(connection, watch, %error, "cannot look for changes in B1");
        }
    }

    async fn look(&self, watch: &Watch) -> Result<(), LookError> {
        match watch.how {
            How::Stamped => self.look_stamped(watch).await,
            How::Appended => self.look_appended(watch).await,
            How::Scanned { select, filter } => self.scan(watch, select, filter).await,
        }
    }

    fn source(&self, watch: &Watch) -> String {
        let way = match watch.how {
            How::Stamped => "stamp",
            How::Appended => "append",
            How::Scanned { .. } => "scan",
        };
        format!("b1:{}:{}:{way}", self.name, watch.topic)
    }

    fn zone(&self) -> Tz {
        self.config.time_zone.parse().unwrap_or(Tz::UTC)
    }

    async fn look_stamped(&self, watch: &Watch) -> Result<(), LookError> {
        let source = self.source(watch);
        if !self.connection.clock().is_known() {
            self.newest_stamp(watch).await?;
        }
        let started = self.connection.clock().now();
        let stored = self.inbox.store().position(&source).await?;
        let known = stored.and_then(|text| serde_json::from_str::<Mark>(&text).ok());
        // The first look: from now on. What was there before is a backfill's business.
        let first = known.is_none();
        let mark = match known {
            Some(mark) => mark,
            None => {
                let newest = self.newest_stamp(watch).await?;
                let stamp = newest.unwrap_or_else(|| crate::time::local(self.zone(), started));
                Mark { stamp, at: started, since: started, seen: BTreeMap::new() }
            }
        };
        let (from, since) = reach_back(&mark, started, self.zone());
        let mut next = Mark { stamp: mark.stamp.clone(), at: started, since, seen: BTreeMap::new() };
        let [exact, by_day] = from.filters();
        let mut rows = match self.stamped(watch, &exact).await {
            // Whether every server compares times is not known: all compare days.
            Err(LookError::Call(CallError::Remote { status: 400, .. })) => self.stamped(watch, &by_day).await?,
            other => other?,
        };
        rows.retain(|(_, stamp)| from.covers(stamp));
        if let Some(newest) = rows.iter().map(|(_, stamp)| stamp).max().filter(|newest| **newest > next.stamp) {
            (next.stamp, next.since) = (newest.clone(), started);
        }
        let fresh_from = back(&next.stamp, FRESH);
        let mut changes = Vec::new();
        for (keys, stamp) in rows {
            let change = |version| Changed { topic: watch.topic, keys: keys.clone(), version, deleted: false };
            let key = change(String::new()).key();
            let fresh = stamp >= fresh_from;
            match mark.seen.get(&key) {
                Some((old, again)) if *old == stamp => {
                    if *again {
                        changes.push(change(format!("{stamp}+")));
                    }
                    next.seen.insert(key, (stamp, false));
                }
                _ => {
                    changes.push(change(stamp.clone()));
                    next.seen.insert(key, (stamp, fresh));
                }
            }
        }
        if first {
            changes.clear();
        }
        self.keep(source, &next, changes).await
    }

    /// Keys and stamps of all records of a filter.
    async fn stamped(&self, watch: &Watch, filter: &str) -> Result<Vec<(Map<String, Value>, String)>, LookError> {
        let select = format!("{},UpdateDate,UpdateTime", watch.keys.join(","));
        let mut rows = Vec::new();
        let mut last: Option<Map<String, Value>> = None;
        loop {
            let page = list::page(&self.connection, watch, &select, filter, last.as_ref()).await?;
            let full = page.len() == PAGE;
            for row in page {
                let keys = keys_of(watch, &row)?;
                last = Some(keys.clone());
                rows.push((keys, stamp_of(&row)));
            }
            if !full {
                return Ok(rows);
            }
        }
    }

    async fn newest_stamp(&self, watch: &Watch) -> Result<Option<String>, LookError> {
        let path =
            format!("/{}?$select=UpdateDate,UpdateTime&$orderby=UpdateDate desc,UpdateTime desc&$top=1", watch.set);
        Ok(list::rows(&self.connection, path).await?.first().map(stamp_of))
    }

    async fn look_appended(&self, watch: &Watch) -> Result<(), LookError> {
        let source = self.source(watch);
        let key = watch.keys.first().copied().unwrap_or_default();
        let Some(mut last) = self.inbox.store().position(&source).await?.and_then(|text| text.parse::<i64>().ok())
        else {
            let newest =
                list::rows(&self.connection, format!("/{}?$select={key}&$orderby={key} desc&$top=1", watch.set))
                    .await?;
            let newest = newest.first().and_then(|row| row[key].as_i64()).unwrap_or(0);
            return self.keep(source, &newest, Vec::new()).await;
        };
        loop {
            let path = format!("/{}?$select={key}&$filter={key} gt {last}&$orderby={key}&$top={PAGE}", watch.set);
            let rows = list::rows(&self.connection, path).await?;
            let mut changes = Vec::new();
            for row in &rows {
                let keys = keys_of(watch, row)?;
                last = last.max(row[key].as_i64().unwrap_or(last));
                changes.push(Changed { topic: watch.topic, keys, version: "new".into(), deleted: false });
            }
            if !changes.is_empty() {
                self.keep(source.clone(), &last, changes).await?;
            }
            if rows.len() < PAGE {
                return Ok(());
            }
        }
    }

    async fn scan(&self, watch: &Watch, select: &str, filter: &str) -> Result<(), LookError> {
        let source = self.source(watch);
        let store = self.inbox.store();
        // The first look: from now on. What was there before is a backfill's business.
        let first = store.position(&source).await?.is_none();
        let stamp = now();
        let change = |keys, version: &str| {
            let deleted = version == GONE;
            Changed { topic: watch.topic, keys, version: format!("{version}@{stamp}"), deleted }
        };
        let mut met: HashSet<u64> = HashSet::new();
        let mut known = 0;
        let mut last: Option<Map<String, Value>> = None;
        loop {
            let page = list::page(&self.connection, watch, select, filter, last.as_ref()).await?;
            let full = page.len() == PAGE;
            let mut rows = Vec::with_capacity(page.len());
            for row in page {
                let keys = keys_of(watch, &row)?;
                rows.push((scan_id(&keys), fingerprint(&row), keys));
            }
            last = rows.last().map(|(_, _, keys)| keys.clone()).or(last);
            met.extend(rows.iter().map(|(id, ..)| hash(id)));
            let before = store.seen(&source, rows.iter().map(|(id, ..)| id.clone()).collect()).await?;
            known += before.iter().flatten().count() as u64;
            let (mut seen, mut changes) = (Vec::new(), Vec::new());
            for ((id, digest, keys), before) in rows.into_iter().zip(before) {
                if before.as_ref() != Some(&digest) {
                    // A first look that was cut off goes on: what it had seen has changed since.
                    if !first || before.is_some() {
                        changes.push(change(keys, &digest));
                    }
                    seen.push(Sighting { key: id, digest: Some(digest) });
                }
            }
            self.note(&source, seen, changes).await?;
            if !full {
                break;
            }
        }
        if known < store.seen_count(&source).await? && !first {
            self.part_with_what_is_gone(&source, &met, |keys| filter.is_empty().then(|| change(keys, GONE))).await?;
        }
        if first { self.keep(source, &true, Vec::new()).await } else { Ok(()) }
    }

    /// Forgets the records that were not met. What a filter no longer shows is not gone: of that nobody is told.
    async fn part_with_what_is_gone(
        &self,
        source: &str,
        met: &HashSet<u64>,
        change: impl Fn(Map<String, Value>) -> Option<Changed>,
    ) -> Result<(), LookError> {
        let mut after = String::new();
        loop {
            let keys = self.inbox.store().seen_keys(source, &after, KEYS).await?;
            let Some(last) = keys.last().cloned() else { return Ok(()) };
            let (mut seen, mut changes) = (Vec::new(), Vec::new());
            for key in keys.into_iter().filter(|key| !met.contains(&hash(key))) {
                if let Ok(Value::Object(keys)) = serde_json::from_str(&key) {
                    changes.extend(change(keys));
                }
                seen.push(Sighting { key, digest: None });
            }
            self.note(source, seen, changes).await?;
            after = last;
        }
    }

    /// Keeps what was seen together with what changed.
    async fn note(&self, source: &str, seen: Vec<Sighting>, changes: Vec<Changed>) -> Result<(), LookError> {
        if seen.is_empty() {
            return Ok(());
        }
        let events = self.events(source, &changes);
        let seen = Some((source.to_owned(), seen));
        self.inbox.take(Intake { events, seen, ..Intake::default() }).await?;
        Ok(())
    }

    async fn keep(&self, source: String, position: &impl Serialize, changes: Vec<Changed>) -> Result<(), LookError> {
        let position = serde_json::to_string(position).map_err(|e| LookError::Answer(e.to_string()))?;
        let events = self.events(&source, &changes);
        let position = Some((source, position));
        self.inbox.take(Intake { events, position, ..Intake::default() }).await?;
        Ok(())
    }

    fn events(&self, source: &str, changes: &[Changed]) -> Vec<NewEvent> {
        if !changes.is_empty() {
            tracing::debug!(connection = self.name, source, changes = changes.len(), "changed in B1");
        }
        changes.iter().flat_map(|change| change.route(&self.routes.now(), &self.name)).collect()
    }
}

/// Where a look begins, as a local stamp.
#[derive(Clone, Debug, PartialEq)]
enum From {
    /// Some way before the newest stamp: a change may be committed later than its stamp says.
    At(String),
    /// Behind the newest stamp, which is settled: a mass change is not read again and again for having been the last.
    After(String),
}

impl From {
    fn covers(&self, stamp: &str) -> bool {
        match self {
            Self::At(from) => stamp >= from.as_str(),
            Self::After(from) => stamp > from.as_str(),
        }
    }

    /// What changed since then: to the second, and by days alone.
    fn filters(&self) -> [String; 2] {
        let (from, time_is) = match self {
            Self::At(from) => (from, "ge"),
            Self::After(from) => (from, "gt"),
        };
        let (day, time) = from.split_once(' ').unwrap_or((from, "00:00:00"));
        [
            format!("(UpdateDate gt '{day}' or (UpdateDate eq '{day}' and UpdateTime {time_is} '{time}'))"),
            format!("UpdateDate ge '{day}'"),
        ]
    }
}

/// Where to read from, and since when the newest stamp stands: behind that stamp once it is settled; until then a little
/// before it, but never ahead of the company's clock (it goes back an hour once a year), and an hour further when it went back
/// since the last look.
fn reach_back(mark: &Mark, now: Millis, zone: Tz) -> (From, Millis) {
    let offset = |at: Millis| {
        let utc = crate::time::local(Tz::UTC, at);
        seconds_of(&crate::time::local(zone, at)) - seconds_of(&utc)
    };
    let went_back = (offset(mark.at) - offset(now)).max(0).unsigned_abs();
    let local = crate::time::local(zone, now);
    // A clock that has not come to the stamp yet, or went back, will pass it once more.
    let passed = went_back == 0 && mark.stamp <= local;
    let since = if passed && mark.since > 0 { mark.since.min(now) } else { now };
    // Looked at, not waited for: what came while nobody could look is read from before the stamp.
    if passed && mark.at.saturating_sub(since) >= SETTLED.as_millis() as Millis {
        return (From::After(mark.stamp.clone()), since);
    }
    let from = mark.stamp.clone().min(local);
    (From::At(back(&from, OVERLAP + Duration::from_secs(went_back))), since)
}

fn seconds_of(local: &str) -> i64 {
    chrono::NaiveDateTime::parse_from_str(local, "%Y-%m-%d %H:%M:%S").map_or(0, |time| time.and_utc().timestamp())
}

/// A stamp so much earlier.
fn back(local: &str, by: Duration) -> String {
    let seconds = seconds_of(local) - by.as_secs() as i64;
    crate::time::local(Tz::UTC, seconds * 1000)
}

fn stamp_of(row: &Value) -> String {
    let day: String = row["UpdateDate"].as_str().unwrap_or_default().chars().take(10).collect();
    format!("{day} {}", row["UpdateTime"].as_str().unwrap_or("00:00:00"))
}

fn scan_id(keys: &Map<String, Value>) -> String {
    Value::Object(keys.clone()).to_string()
}

/// By which a record that was met is known again: of a million two are the same once in thirty million scans.
fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

/// 64 bits of a record's content.
fn fingerprint(row: &Value) -> String {
    let mut row = row.clone();
    if let Some(fields) = row.as_object_mut() {
        fields.retain(|name, _| !name.starts_with('@') && !name.starts_with("odata."));
    }
    let digest = ring::digest::digest(&ring::digest::SHA256, row.to_string().as_bytes());
    digest.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Millis {
        chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
    }

    fn mark(stamp: &str, at: Millis) -> Mark {
        Mark { stamp: stamp.into(), at, since: at, seen: BTreeMap::new() }
    }

    fn from(mark: &Mark, now: Millis) -> From {
        reach_back(mark, now, "Europe/Berlin".parse().unwrap()).0
    }

    #[test]
    fn it_reads_from_a_little_before_the_newest_stamp() {
        let now = at("2026-07-01T10:00:00Z");
        assert_eq!(from(&mark("2026-07-01 11:59:00", now), now), From::At("2026-07-01 11:57:00".into()));
    }

    #[test]
    fn a_mass_change_that_stays_the_newest_is_read_once_and_not_for_ever() {
        let seen = at("2026-07-01T10:00:00Z");
        let mark = mark("2026-07-01 11:59:00", seen);
        assert!(matches!(from(&mark, seen + 200_000), From::At(_)), "something may still be committed late");
        assert!(
            matches!(from(&mark, seen + 300_000), From::At(_)),
            "nobody looked for five minutes: it may have changed again"
        );
        let looked = Mark { at: seen + 290_000, ..mark };
        let settled = from(&looked, seen + 300_000);
        assert_eq!(settled, From::After("2026-07-01 11:59:00".into()));
        assert!(!settled.covers("2026-07-01 11:59:00") && settled.covers("2026-07-01 11:59:01"));
    }

    #[test]
    fn it_asks_by_the_second_and_where_that_is_refused_by_the_day() {
        let [exact, by_day] = From::At("2026-07-01 11:57:00".into()).filters();
        assert_eq!(exact, "(UpdateDate gt '2026-07-01' or (UpdateDate eq '2026-07-01' and UpdateTime ge '11:57:00'))");
        assert_eq!(by_day, "UpdateDate ge '2026-07-01'");
    }

    #[test]
    fn the_hour_that_comes_twice_is_read_twice() {
        // 02:59 summer time was seen; now it is 02:10 winter time.
        let before = mark("2026-10-25 02:59:00", at("2026-10-25T00:59:00Z"));
        let now = at("2026-10-25T01:10:00Z");
        assert_eq!(from(&before, now), From::At("2026-10-25 01:08:00".into()));
        // Ten minutes later the clock has not come to the stamp again.
        let meanwhile = Mark { at: now, ..before.clone() };
        assert_eq!(from(&meanwhile, now + 600_000), From::At("2026-10-25 02:18:00".into()));
        // The host was off through the whole hour.
        assert_eq!(from(&before, at("2026-10-25T05:00:00Z")), From::At("2026-10-25 01:57:00".into()));
    }
}
