//! Looks for changes in turn, each kind of record at its own pace. What was found and the new position are stored in one
//! transaction; a look that fails is taken again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono_tz::Tz;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::list::{self, LookError, PAGE, keys_of};
use super::{Changed, How, Watch, watched};
use crate::config::B1Config;
use crate::connections::{CallError, Connection, Standing};
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
    /// Up once every kind of record has been looked for, in this run or before: what changes from then on is found.
    pub standing: watch::Sender<Standing>,
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
    /// Records within the overlap. Marks of before have them by another name: what they hold is told once more.
    #[serde(default, rename = "sights")]
    seen: Seen,
}

/// What comes of a position that is taken up again; `seen`: records that were known then.
pub(in crate::sources) fn again(way: &str, position: &str, seen: u64) -> Option<String> {
    match way {
        "stamp" => {
            let mark: Mark = serde_json::from_str(position).ok()?;
            Some(format!("what B1 has stamped since {} is read again", mark.stamp))
        }
        "append" => Some(format!("what has a number above {position} is read again")),
        "scan" => Some(format!("all are compared with the {seen} records as they were then")),
        _ => None,
    }
}

impl Poller {
    /// Runs until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut changes = self.routes.changes();
        let mut due: Vec<(Watch, Instant)> = Vec::new();
        let mut troubles = Troubles::default();
        let mut begun: HashSet<String> = HashSet::new();
        while !*stop.borrow() {
            changes.mark_unchanged();
            let before = std::mem::take(&mut due);
            let same = |own: &Watch, watch: &Watch| self.source(own) == self.source(watch);
            let known = |watch: &Watch| before.iter().find(|(own, _)| same(own, watch)).map(|(_, due)| *due);
            due.extend(watched(&self.routes, &self.name).into_iter().map(|watch| {
                let at = known(&watch).unwrap_or_else(Instant::now);
                (watch, at)
            }));
            // What was looked at before goes on from there, however long nobody could look.
            for (watch, _) in &due {
                let source = self.source(watch);
                if !begun.contains(&source) && matches!(self.inbox.store().position(&source).await, Ok(Some(_))) {
                    begun.insert(source);
                }
            }
            // Before the scans, which may take long, and compare with what is kept, whenever that was read.
            due.sort_by_key(|(watch, _)| matches!(watch.how, How::Scanned { .. }));
            for place in 0..due.len() {
                self.stand(&due, &begun);
                let (watch, due) = &mut due[place];
                if *due > Instant::now() || *stop.borrow() {
                    continue;
                }
                *due = Instant::now() + watch.pace.of(&self.config);
                let looked = self.look(watch).await;
                self.tell(&mut troubles, watch, looked.as_ref().err());
                // What the user may not read, or the company does not have, is told in the log, and comes with no waiting.
                if looked.as_ref().err().is_none_or(|error| !error.may_pass() && !error.is_of_all()) {
                    begun.insert(self.source(watch));
                }
                if looked.is_err() {
                    *due = Instant::now() + watch.pace.of(&self.config).min(Duration::from_secs(15));
                }
            }
            self.stand(&due, &begun);
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

    /// Up once all that is read by stamp or number has been looked at.
    fn stand(&self, due: &[(Watch, Instant)], begun: &HashSet<String>) {
        let not_yet = |(watch, _): &(Watch, Instant)| {
            !matches!(watch.how, How::Scanned { .. }) && !begun.contains(&self.source(watch))
        };
        let standing = if due.iter().any(not_yet) { Standing::Down } else { Standing::Up };
        self.standing.send_if_modified(|before| std::mem::replace(before, standing) != standing);
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
        let local = crate::time::local(self.zone(), started);
        let mark = match known {
            Some(mark) => mark,
            None => {
                let stamp = self.newest_stamp(watch).await?.unwrap_or_else(|| local.clone());
                let since = stood_since(&stamp, &local, started);
                Mark { stamp, at: started, since, seen: Seen::default() }
            }
        };
        let (from, since) = reach_back(&mark, started, self.zone());
        let mut next = Mark { stamp: mark.stamp.clone(), at: started, since, seen: Seen::default() };
        let [mut filter, by_day] = from.filters();
        let mut last: Option<Map<String, Value>> = None;
        let mut newest = mark.stamp.clone();
        loop {
            let page = match self.stamped(watch, &filter, last.as_ref()).await {
                // Whether every server compares times is not known: all compare days.
                Err(LookError::Call(CallError::Remote { status: 400, .. })) if filter != by_day => {
                    filter = by_day.clone();
                    continue;
                }
                other => other?,
            };
            let full = page.len() == PAGE;
            let of_many = last.is_some();
            last = page.last().map(|(keys, _)| keys.clone());
            // Of many pages the newest record may stand on a later one.
            if full && !of_many {
                newest = newest.max(self.newest_stamp(watch).await?.unwrap_or_default());
            }
            newest = page
                .iter()
                .map(|(_, stamp)| stamp)
                .filter(|stamp| from.covers(stamp))
                .fold(newest, |newest, own| if *own > newest { own.clone() } else { newest });
            let fresh_from = back(&newest, FRESH);
            let mut changes = Vec::new();
            for (keys, stamp) in page.into_iter().filter(|(_, stamp)| from.covers(stamp)) {
                if stamp > next.stamp {
                    (next.stamp, next.since) = (stamp.clone(), started);
                }
                let change = |version| Changed { topic: watch.topic, keys: keys.clone(), version, deleted: false };
                let key = hash(&change(String::new()).key());
                match mark.seen.again(key, &stamp) {
                    Some(again) => {
                        if again {
                            changes.push(change(format!("{stamp}+")));
                        }
                        next.seen.note(key, &stamp, false);
                    }
                    None => {
                        changes.push(change(stamp.clone()));
                        next.seen.note(key, &stamp, stamp >= fresh_from);
                    }
                }
            }
            if first {
                changes.clear();
            }
            if !full {
                // What changed behind the page that was read, while later ones were, is found by the next look.
                if of_many && next.stamp > local {
                    next.stamp = local.max(mark.stamp.clone());
                }
                return self.keep(source, &next, changes).await;
            }
            // A look that is broken off tells these anew: they are known by their stamps.
            let events = self.events(&source, &changes);
            if !events.is_empty() {
                self.inbox.take(Intake { events, ..Intake::default() }).await?;
            }
        }
    }

    /// Keys and stamps of one page of the records of a filter.
    async fn stamped(
        &self,
        watch: &Watch,
        filter: &str,
        last: Option<&Map<String, Value>>,
    ) -> Result<Vec<(Map<String, Value>, String)>, LookError> {
        let select = format!("{},UpdateDate,UpdateTime", watch.keys.join(","));
        let page = list::page(&self.connection, watch, &select, filter, last).await?;
        page.iter().map(|row| Ok((keys_of(watch, row)?, stamp_of(row)))).collect()
    }

    async fn newest_stamp(&self, watch: &Watch) -> Result<Option<String>, LookError> {
        let path =
            format!("/{}?$select=UpdateDate,UpdateTime&$orderby=UpdateDate desc,UpdateTime desc&$top=1", watch.set);
        Ok(list::rows_patiently(&self.connection, &path).await?.first().map(stamp_of))
    }

    async fn look_appended(&self, watch: &Watch) -> Result<(), LookError> {
        let source = self.source(watch);
        let key = watch.keys.first().copied().unwrap_or_default();
        let Some(mut last) = self.inbox.store().position(&source).await?.and_then(|text| text.parse::<i64>().ok())
        else {
            // What is added before this is answered is never told.
            let path = format!("/{}?$select={key}&$orderby={key} desc&$top=1", watch.set);
            let newest = list::rows_patiently(&self.connection, &path).await?;
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

/// Records by the hash of their key: when they were seen, as seconds of their stamp, and whether they are to be looked at once more.
/// Small, since a mass change may put a whole company within the overlap.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<u32, [Vec<u64>; 2]>")]
struct Seen(#[serde(serialize_with = "by_stamp")] HashMap<u64, (u32, bool)>);

impl Seen {
    fn note(&mut self, key: u64, stamp: &str, again: bool) {
        self.0.insert(key, (short(stamp), again));
    }

    /// Whether a record that was seen with that stamp is to be looked at once more; `None` where it was not.
    fn again(&self, key: u64, stamp: &str) -> Option<bool> {
        self.0.get(&key).filter(|(own, _)| *own == short(stamp)).map(|(_, again)| *again)
    }
}

/// Seconds of a stamp: enough for a hundred years.
fn short(stamp: &str) -> u32 {
    u32::try_from(seconds_of(stamp)).unwrap_or_default()
}

/// Each stamp once, with the records that are settled and those to be looked at once more.
fn by_stamp<S: Serializer>(seen: &HashMap<u64, (u32, bool)>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut stamps: BTreeMap<u32, [Vec<u64>; 2]> = BTreeMap::new();
    for (key, (stamp, again)) in seen {
        stamps.entry(*stamp).or_default()[usize::from(*again)].push(*key);
    }
    stamps.serialize(serializer)
}

impl std::convert::From<BTreeMap<u32, [Vec<u64>; 2]>> for Seen {
    fn from(stamps: BTreeMap<u32, [Vec<u64>; 2]>) -> Self {
        let of = |(stamp, kinds): (u32, [Vec<u64>; 2])| {
            let kinds = kinds.into_iter().zip([false, true]);
            kinds.flat_map(move |(keys, again)| keys.into_iter().map(move |key| (key, (stamp, again))))
        };
        Self(stamps.into_iter().flat_map(of).collect())
    }
}

/// Since when a stamp that is met for the first time is the newest: since it was written, less the hour by which the company's clock may
/// have been set meanwhile.
fn stood_since(stamp: &str, local: &str, now: Millis) -> Millis {
    let age = seconds_of(local) - seconds_of(stamp) - 3_600;
    now - age.max(0) * 1_000
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
    // A stamp ahead of the clock says nothing of what came since the last look.
    let looked = if mark.at > 0 { crate::time::local(zone, mark.at) } else { local.clone() };
    let from = mark.stamp.clone().min(local).min(looked);
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
        Mark { stamp: stamp.into(), at, since: at, seen: Seen::default() }
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
    fn what_stands_for_long_at_the_first_look_is_not_read() {
        let now = at("2026-07-01T10:00:00Z");
        let first = |stamp: &str| {
            let since = stood_since(stamp, "2026-07-01 12:00:00", now);
            from(&Mark { since, ..mark(stamp, now) }, now)
        };
        assert_eq!(first("2026-07-01 10:30:00"), From::After("2026-07-01 10:30:00".into()));
        assert_eq!(first("2026-07-01 11:30:00"), From::At("2026-07-01 11:28:00".into()), "the clock may have been set");
        assert_eq!(first("2026-07-01 12:30:00"), From::At("2026-07-01 11:58:00".into()), "ahead of the clock");
    }

    #[test]
    fn what_was_seen_is_kept_in_few_bytes_and_known_again() {
        let mut seen = Seen::default();
        let stamp = "2026-07-01 11:59:00";
        for key in 0..100_000 {
            seen.note(hash(&format!("A{key:05}")), stamp, key == 7);
        }
        let text = serde_json::to_string(&Mark { seen, ..mark(stamp, 1) }).unwrap();
        assert!(text.len() < 100_000 * 22, "{}", text.len());
        let seen = serde_json::from_str::<Mark>(&text).unwrap().seen;
        assert_eq!(seen.again(hash("A00007"), stamp), Some(true));
        assert_eq!(seen.again(hash("A00008"), stamp), Some(false));
        assert_eq!(seen.again(hash("A00008"), "2026-07-01 11:59:01"), None);
        assert_eq!(seen.again(hash("A100000"), stamp), None);
        let before = r#"{"stamp":"2026-07-01 11:59:00","at":1,"seen":{"A1":["2026-07-01 11:59:00",true]}}"#;
        assert_eq!(serde_json::from_str::<Mark>(before).unwrap(), Mark { since: 0, ..mark(stamp, 1) });
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
        // Ten minutes later the clock has not come to the stamp again: what came in these minutes is read.
        let meanwhile = Mark { at: now, ..before.clone() };
        assert_eq!(from(&meanwhile, now + 600_000), From::At("2026-10-25 02:08:00".into()));
        // The host was off through the whole hour.
        assert_eq!(from(&before, at("2026-10-25T05:00:00Z")), From::At("2026-10-25 01:57:00".into()));
    }
}
