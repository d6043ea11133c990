//! What people look for, in SQL. However many events there are, each page reads few of them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::Value;

use super::events::{EVENT_COLUMNS, LIGHT_COLUMNS, counts, event};
use super::statement::{Connection, NONE, Sought, Words, params};
use super::{Base, Keys, SqlStore};
use crate::store::*;

/// Events that one word may lead to: who looks for `order` means none of a million.
const MOST_FOUND: u32 = 5_000;
/// Texts of a payload that are kept as words, and the longest of them.
const TEXTS: usize = 40;
const LONGEST_TEXT: usize = 80;
/// Minutes of which rates are kept: a week, and a little.
const RATED: i64 = 8 * 24 * 60;

/// The words of the events of a run; of what was told only where all of it is kept.
pub(super) fn keep_words(db: &Connection, run: i64, keeps: &BTreeMap<String, Kept>, keys: &Keys) -> Result<()> {
    let events: Vec<i64> = db.prepare("SELECT event FROM run_events WHERE run = ?1").all([run], |row| row.get(0))?;
    events.into_iter().try_for_each(|event| keep_words_of(db, event, keeps, keys))
}

/// The words of an event that ran.
pub(super) fn keep_words_of(db: &Connection, event: i64, keeps: &BTreeMap<String, Kept>, keys: &Keys) -> Result<()> {
    let one = db.prepare(format!("SELECT {EVENT_COLUMNS} FROM events WHERE id = ?1"));
    let Some(own) = one.first([event], super::events::event)? else { return Ok(()) };
    let whole = own.kept.is_whole() && keeps.get(&own.flow).is_none_or(Kept::is_whole);
    let (said, mut text) = (format!("{} {}", own.key, own.reason.unwrap_or_default()), String::new());
    if whole && let Ok(payload) = serde_json::from_str::<Value>(&own.payload) {
        let mut left = TEXTS;
        texts_of(&payload, &mut text, &mut left);
    }
    db.put_words(event, &Words { said: &keys.words(&said), told: &keys.words(&text) })
}

fn texts_of(value: &Value, text: &mut String, left: &mut usize) {
    if *left == 0 {
        return;
    }
    match value {
        Value::String(own) if own.len() <= LONGEST_TEXT => {
            *left -= 1;
            text.push(' ');
            text.push_str(own);
        }
        Value::Number(own) => {
            *left -= 1;
            text.push(' ');
            text.push_str(&own.to_string());
        }
        Value::Array(items) => items.iter().for_each(|item| texts_of(item, text, left)),
        Value::Object(fields) => fields.values().for_each(|field| texts_of(field, text, left)),
        _ => {}
    }
}

/// `Meier GmbH 12`: each a beginning of a word, all of them there. One letter begins too many: it is a word. Where values are sealed, beginnings are kept by
/// their digests.
pub(in crate::store) fn sought(words: &str, keys: &Keys) -> Vec<Sought> {
    let words = words.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).take(8);
    words
        .map(|word| match keys.sought(word) {
            Some(any) => Sought { any, begins: false },
            None => Sought { any: vec![word.to_owned()], begins: word.chars().count() > 1 },
        })
        .collect()
}

fn find(db: &Connection, search: &Search, keys: &Keys) -> Result<Vec<Event>> {
    let limit = search.limit.max(1);
    let mut below = search.before.map_or(i64::MAX, |id| id.0);
    if let Some(until) = search.until {
        below = below.min(first_since(db, until)?);
    }
    let from = search.since.map_or(Ok(0), |since| first_since(db, since))?;
    let columns = if search.without_payloads { LIGHT_COLUMNS } else { EVENT_COLUMNS };
    let of_flow = |flow: &String| search.flows.as_ref().is_none_or(|flows| flows.contains(flow));
    let in_state = |state: EventState| search.states.is_empty() || search.states.contains(&state);
    let mut found = match search.words.as_deref().map(str::trim).filter(|words| !words.is_empty()) {
        Some(words) => {
            let ids = ids_of(db, words, search.in_payloads, (from, below), keys)?;
            let one = db.prepare(format!("SELECT {columns} FROM events WHERE id = ?1"));
            let mut found = Vec::new();
            for id in ids {
                let event = one.first([id], event)?;
                found.extend(event.filter(|event| of_flow(&event.flow) && in_state(event.state)));
                if found.len() >= limit as usize {
                    break;
                }
            }
            found
        }
        None => {
            let newest = db.prepare(format!(
                "SELECT {columns} FROM events INDEXED BY events_by_state \
                 WHERE flow = ?1 AND state = ?2 AND id < ?3 AND id >= ?4 ORDER BY id DESC LIMIT ?5"
            ));
            let mut found = Vec::new();
            for count in counts(db)?.iter().filter(|count| of_flow(&count.flow) && in_state(count.state)) {
                let rows =
                    newest.all::<_, Vec<_>>(params![count.flow, count.state as i64, below, from, limit], event)?;
                found.extend(rows);
            }
            found
        }
    };
    found.sort_by_key(|event| Reverse(event.id));
    found.truncate(limit as usize);
    Ok(found)
}

/// Events of that key or with those words, newest first.
fn ids_of(db: &Connection, words: &str, in_payloads: bool, (from, below): (i64, i64), keys: &Keys) -> Result<Vec<i64>> {
    let mut records = vec![words.to_owned()];
    let linked = db.prepare("SELECT b1_id, salesforce_id FROM links WHERE b1_id = ?1 OR salesforce_id = ?1 LIMIT 50");
    for pair in linked.all::<_, Vec<_>>([words], |row| Ok([row.get::<String>(0)?, row.get(1)?]))? {
        records.extend(pair);
    }
    let mut ids = Vec::new();
    let of_key = db.prepare(
        "SELECT id FROM events INDEXED BY events_by_key WHERE key = ?1 AND id < ?2 AND id >= ?3 ORDER BY id DESC LIMIT ?4",
    );
    for key in records {
        let rows = of_key.all::<_, Vec<_>>(params![key, below, from, MOST_FOUND], |row| row.get::<i64>(0))?;
        ids.extend(rows);
    }
    let words = sought(words, keys);
    if !words.is_empty() {
        ids.extend(db.with_words(&words, in_payloads, from..below, MOST_FOUND)?);
    }
    ids.sort_unstable_by_key(|id| Reverse(*id));
    ids.dedup();
    Ok(ids)
}

/// The first event that was taken in then or later, by halves: ids grow with time.
fn first_since(db: &Connection, at: Millis) -> Result<i64> {
    let next = db.prepare("SELECT id, created_at FROM events WHERE id >= ?1 ORDER BY id LIMIT 1");
    let (mut low, mut high) =
        (1, db.prepare("SELECT coalesce(max(id), 0) + 1 FROM events").one(NONE, |row| row.get(0))?);
    while low < high {
        let middle: i64 = low + (high - low) / 2;
        let there: Option<(i64, Millis)> = next.first([middle], |row| Ok((row.get(0)?, row.get(1)?)))?;
        match there {
            Some((id, created)) if created < at => low = id + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// When the oldest event of each flow in such a state was taken in.
fn oldest(db: &Connection, is_meant: impl Fn(EventState) -> bool) -> Result<Vec<(String, Millis)>> {
    let first = db.prepare(
        "SELECT created_at FROM events INDEXED BY events_by_state WHERE flow = ?1 AND state = ?2 ORDER BY id LIMIT 1",
    );
    let mut oldest: BTreeMap<String, Millis> = BTreeMap::new();
    for count in counts(db)?.into_iter().filter(|count| is_meant(count.state)) {
        let at = first.first(params![count.flow, count.state as i64], |row| row.get(0))?;
        if let Some(at) = at {
            let known = oldest.entry(count.flow).or_insert(at);
            *known = at.min(*known);
        }
    }
    Ok(oldest.into_iter().collect())
}

#[async_trait]
impl<B: Base> Findings for SqlStore<B> {
    async fn find(&self, search: Search) -> Result<Vec<Event>> {
        let keys = self.keys.clone();
        self.read(move |db| find(db, &search, &keys)).await
    }

    async fn of_trace(&self, trace: &str, limit: u32) -> Result<Vec<Event>> {
        let id = trace.split('-').next().unwrap_or_default().to_owned();
        self.read(move |db| {
            db
                .prepare(format!(
                    "SELECT {EVENT_COLUMNS} FROM events INDEXED BY events_trace WHERE trace = ?1 OR (trace > ?1 || '-' AND trace < ?1 || '.') \
                     ORDER BY id LIMIT ?2"
                ))
                .all(params![id, limit], event)
        })
        .await
    }

    async fn ahead_of(&self, of: EventId, limit: u32) -> Result<Vec<Event>> {
        self.read(move |db| {
            db.prepare(format!(
                "SELECT {EVENT_COLUMNS} FROM events INDEXED BY events_unfinished WHERE state < 3 AND id < ?1 \
                     AND (flow, key) = (SELECT flow, key FROM events WHERE id = ?1) ORDER BY id LIMIT ?2"
            ))
            .all(params![of.0, limit], event)
        })
        .await
    }

    async fn awaited(&self, event: EventId) -> Result<Option<(String, String, String)>> {
        self.read(move |db| {
            db.prepare("SELECT wait_kind, wait_side, wait_id FROM events WHERE id = ?1 AND state = 2")
                .first([event.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        })
        .await
    }

    async fn oldest(&self) -> Result<Vec<(String, Millis)>> {
        self.read(|db| oldest(db, |state| (state as i64) < 3)).await
    }

    async fn oldest_questions(&self) -> Result<Vec<(String, Millis)>> {
        self.read(|db| oldest(db, |state| state == EventState::Review)).await
    }

    async fn rates(&self, from: i64) -> Result<Vec<Rate>> {
        self.read(move |db| {
            let select = db.prepare("SELECT minute, flow, state, events FROM rates WHERE minute >= ?1");
            let mut rates = Vec::new();
            for row in select
                .all::<_, Vec<_>>([from], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get::<i64>(3)?)))?
            {
                let (minute, flow, state, events) = row;
                let state = EventState::from_stored(state)
                    .ok_or_else(|| StoreError::Corrupt(format!("event state {state}")))?;
                rates.push(Rate { minute, flow, state, events: events.unsigned_abs() });
            }
            Ok(rates)
        })
        .await
    }

    async fn notes(&self, events: Vec<EventId>) -> Result<Vec<(EventId, Note)>> {
        self.read(move |db| {
            let one = db.prepare("SELECT unseal('notes', event, note), assignee, due FROM notes WHERE event = ?1");
            let mut notes = Vec::new();
            for event in events {
                let note =
                    one.one([event.0], |row| Ok(Note { note: row.get(0)?, assignee: row.get(1)?, due: row.get(2)? }));
                notes.extend(note.map(|note| (event, note)));
            }
            Ok(notes)
        })
        .await
    }

    async fn note_put(&self, event: EventId, note: Note) -> Result<()> {
        let put = move |db: &Connection| {
            if note == Note::default() {
                db.prepare("DELETE FROM notes WHERE event = ?1").execute([event.0])?;
            } else {
                db.prepare(
                    "INSERT INTO notes (event, note, assignee, due) VALUES (?1, seal('notes', ?1, ?2), ?3, ?4) \
                     ON CONFLICT (event) DO UPDATE SET note = excluded.note, assignee = ?3, due = ?4",
                )
                .execute(params![event.0, note.note, note.assignee, note.due])?;
            }
            Ok(())
        };
        self.write(put).await
    }

    async fn views(&self, who: &str) -> Result<Vec<View>> {
        let who = who.to_owned();
        self.read(move |db| {
            db.prepare("SELECT name, by, query, shared FROM views WHERE by = ?1 OR shared = 1 ORDER BY name, by")
                .all([who], |row| {
                    Ok(View { name: row.get(0)?, by: row.get(1)?, query: row.get(2)?, shared: row.get(3)? })
                })
        })
        .await
    }

    async fn view_put(&self, view: View) -> Result<()> {
        let put = move |db: &Connection| {
            db.prepare(
                "INSERT INTO views (name, by, query, shared) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT (name, by) DO UPDATE SET query = ?3, shared = ?4",
            )
            .execute(params![view.name, view.by, view.query, view.shared])?;
            Ok(())
        };
        self.write(put).await
    }

    async fn view_remove(&self, who: &str, name: &str) -> Result<bool> {
        let (who, name) = (who.to_owned(), name.to_owned());
        let remove = move |db: &Connection| {
            Ok(db.prepare("DELETE FROM views WHERE name = ?1 AND by = ?2").execute(params![name, who])? == 1)
        };
        self.write(remove).await
    }
}

/// Rates that nobody looks at any more go.
pub(super) fn forget_rates(db: &Connection, now: Millis) -> Result<()> {
    db.prepare("DELETE FROM rates WHERE minute < ?1").execute([now / 60_000 - RATED])?;
    Ok(())
}
