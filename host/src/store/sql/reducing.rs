//! Less is kept of what is finished, where a flow says so: hashes in place of values, or nothing but the ids. What is unfinished stays whole: it
//! runs again, and its journal keeps it from doing anything twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ring::hmac;
use serde_json::{Value, json};

use super::statement::{Connection, params};
use super::value::Value as Sql;
use super::{Base, Keys, SqlStore, packing, retention, search, values};
use crate::personal::Values;
use crate::store::*;

/// Events looked at at once.
const EVENTS: u32 = 100;
/// What finishes is committed a little later than its time says.
const LATE: Millis = 60_000;
/// The secret that values are hashed with: equal values have equal hashes, and nobody without the database finds a value by trying.
pub(super) const SECRET: &str = "hashed-values";
/// Bytes of a hash that are kept.
const BYTES: usize = 8;
/// What a hash begins with.
const HASHED: &str = "hashed:";
/// As the columns `kept` say it: of what a person was taken out of, less is kept as of all else.
const FORGOTTEN: i64 = Kept::Forgotten as i64;

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// How far a flow was looked at, for keeping how much.
pub(super) struct Looked {
    kept: Kept,
    until: Millis,
}

/// An event of which less is kept.
struct Less {
    id: i64,
    finished_at: Millis,
    payload: String,
    reason: Option<String>,
    detail: Option<String>,
    answer: Option<String>,
    runs: Vec<LessOfRun>,
    /// As it lay there when it was looked at.
    was: Was,
}

/// A run of which less is kept: its journal, packed; none where nothing of it is.
struct LessOfRun {
    id: i64,
    journal: Option<Vec<u8>>,
    error: Option<String>,
    was: Was,
}

/// How much of something is kept, and the very bytes of it: what came to be otherwise since, such as that a person was forgotten, is not written over.
#[derive(PartialEq)]
struct Was(i64, Option<Sql>);

impl Was {
    fn event(db: &Connection, id: i64) -> Result<Option<Self>> {
        Self::of(db, "SELECT kept, payload FROM events WHERE id = ?1", id)
    }

    fn run(db: &Connection, id: i64) -> Result<Option<Self>> {
        Self::of(db, "SELECT kept, (SELECT entries FROM packed WHERE run = id) FROM runs WHERE id = ?1", id)
    }

    fn of(db: &Connection, sql: &str, id: i64) -> Result<Option<Self>> {
        db.prepare(sql).first([id], |row| Ok(Self(row.get(0)?, row.get(1)?)))
    }
}

/// What one look found.
struct Found {
    less: Vec<Less>,
    /// Whatever finished before was looked at, and is as it is to be.
    until: Millis,
    more: bool,
}

impl<B: Base> SqlStore<B> {
    /// Keeps less of what a flow finished since the last look; at a first look, and when it is to keep another amount, of all.
    pub(super) async fn reduce(&self, flow: &str, kept: Kept) -> Result<()> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.secret(SECRET).await?);
        let mut from = {
            let looked = self.reduced.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            looked.get(flow).filter(|looked| looked.kept == kept).map_or(0, |looked| looked.until - LATE)
        };
        // When the first finished that was changed by somebody else meanwhile.
        let changed = Arc::new(AtomicI64::new(Millis::MAX));
        loop {
            let (own, hashing) = (flow.to_owned(), Hashing(key.clone()));
            let found = self.read(move |db| look(db, &own, kept, from, &hashing)).await?;
            let (more, until) = (found.more, found.until);
            let mut left = found.less;
            while !left.is_empty() {
                let (keys, changed) = (self.keys.clone(), changed.clone());
                left = self
                    .write_with(Durability::WithNextCommit, move |db| keep_less(db, left, kept, (&keys, &changed)))
                    .await?;
            }
            from = until;
            if !more {
                break;
            }
        }
        let until = from.min(changed.load(Ordering::Relaxed));
        let looked = Looked { kept, until };
        self.reduced.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(flow.to_owned(), looked);
        Ok(())
    }
}

fn look(db: &Connection, flow: &str, kept: Kept, from: Millis, hashing: &Hashing) -> Result<Found> {
    let finished: Vec<(i64, Millis)> = db
        .prepare(format!(
            "SELECT id, finished_at FROM events INDEXED BY events_finished WHERE finished_at IS NOT NULL AND finished_at >= ?1 \
             AND state > 3 AND flow = ?2 AND (kept < ?3 OR kept = {FORGOTTEN}) ORDER BY finished_at LIMIT ?4",
        ))
        .all(params![from, flow, kept as i64, EVENTS], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let more = finished.len() == EVENTS as usize;
    let mut until = finished.last().map_or(from, |(_, at)| *at);
    let (mut less, mut runs) = (Vec::new(), BTreeSet::new());
    let mut waits = false;
    for (event, at) in finished {
        match less_of(db, event, kept, hashing, &mut runs)? {
            Some(own) => less.push(own),
            // Its journal is packed first: the next look finds it.
            None if !waits => {
                waits = true;
                until = at;
            }
            None => {}
        }
    }
    // Where nothing can be done there is nothing more to do now.
    let more = more && !less.is_empty();
    Ok(Found { less, until, more })
}

/// None where a run of it is not packed yet.
fn less_of(
    db: &Connection,
    event: i64,
    kept: Kept,
    hashing: &Hashing,
    known: &mut BTreeSet<i64>,
) -> Result<Option<Less>> {
    let runs: Vec<(i64, bool, bool)> = db
        .prepare(format!(
            "SELECT r.id, r.packed = 1, (r.kept < ?2 OR r.kept = {FORGOTTEN}) AND NOT EXISTS (SELECT 1 FROM run_events AS n JOIN events AS e ON e.id = n.event \
             WHERE n.run = r.id AND e.state < 4) FROM run_events AS own JOIN runs AS r ON r.id = own.run WHERE own.event = ?1",
        ))
        .all(params![event, kept as i64], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    if runs.iter().any(|(_, packed, _)| !packed) {
        return Ok(None);
    }
    let Some(was) = Was::event(db, event)? else { return Ok(None) };
    let columns = super::events::EVENT_COLUMNS;
    let told =
        db.prepare(format!("SELECT {columns} FROM events WHERE id = ?1")).first([event], super::events::event)?;
    let Some(told) = told else { return Ok(None) };
    let mut values = Values::of_anybody();
    let mut payload: Value = serde_json::from_str(&told.payload).unwrap_or_default();
    values.learn(&payload);
    values.learn(&serde_json::from_str(&told.detail).unwrap_or_default());
    let mut less: Vec<LessOfRun> = Vec::new();
    for (run, _, all_finished) in runs {
        let Some(was_run) = Was::run(db, run)? else { continue };
        let journal = match packing::journal(db, RunId(run)) {
            // What nobody can read any more goes.
            Err(StoreError::Corrupt(why)) => {
                tracing::warn!(run, why, "a journal cannot be read, of which less is to be kept: it is removed");
                Vec::new()
            }
            journal => journal?,
        };
        for entry in &journal {
            values.learn(&serde_json::from_str(&entry.response).unwrap_or_default());
            values.learn(&serde_json::from_str(&entry.request).unwrap_or_default());
        }
        // A run of many events is looked at once.
        if !all_finished || !known.insert(run) {
            continue;
        }
        let journal = match kept {
            Kept::Hashed => {
                let hashed: Vec<JournalEntry> = journal.into_iter().map(|entry| hashing.entry(entry)).collect();
                (!hashed.is_empty()).then(|| packing::packed(&hashed)).transpose()?
            }
            Kept::Whole | Kept::Ids | Kept::Forgotten => None,
        };
        let error = match values::ERRORS.get(db, &vec![Sql::Integer(run)])? {
            Some(Sql::Text(error)) => Some(error),
            _ => None,
        };
        less.push(LessOfRun { id: run, journal, error, was: was_run });
    }
    for run in &mut less {
        run.error = run.error.as_deref().map(|error| values.hidden_in_own(error));
    }
    let payload = match kept {
        Kept::Hashed => {
            hashing.value(&mut payload);
            payload.to_string()
        }
        Kept::Whole | Kept::Ids | Kept::Forgotten => "{}".to_owned(),
    };
    let reason = told.reason.as_ref().map(|reason| values.hidden_in_own(reason));
    let detail = told.decided().map(|decided| {
        let [asked, answer] = [&decided.asked, &decided.answer].map(|text| values.hidden_in_own(text));
        json!({ "decided": { "asked": asked, "answer": answer, "at": decided.at } }).to_string()
    });
    // A choice may be a candidate's name.
    let answer = told.resolution.as_deref().map(|answer| values.hidden_in_own(answer));
    let finished_at = told.finished_at.unwrap_or_default();
    Ok(Some(Less { id: event, finished_at, payload, reason, detail, answer, runs: less, was }))
}

/// As many as one bite takes; those that are left.
fn keep_less(
    db: &Connection,
    mut less: Vec<Less>,
    kept: Kept,
    (keys, changed): (&Keys, &AtomicI64),
) -> Result<Vec<Less>> {
    let ids: Vec<i64> = (0..less.len() as i64).collect();
    let done = retention::bite(&ids, |place| {
        if let Some(own) = less.get(place as usize)
            && !keep_less_of(db, own, kept, keys)?
        {
            changed.fetch_min(own.finished_at, Ordering::Relaxed);
        }
        Ok(())
    })?;
    Ok(less.split_off(done))
}

/// False where something of it was changed since it was looked at: it is looked at once more.
fn keep_less_of(db: &Connection, less: &Less, kept: Kept, keys: &Keys) -> Result<bool> {
    if Was::event(db, less.id)?.is_some_and(|now| now != less.was) {
        return Ok(false);
    }
    for run in &less.runs {
        if Was::run(db, run.id)?.is_some_and(|now| now != run.was) {
            return Ok(false);
        }
    }
    // One that was made ready meanwhile stays as it is, and its runs with it.
    let changed = db
        .prepare(
            "UPDATE events SET payload = seal('events.payload', flow, topic, dedup, ?2), reason = seal('events.reason', flow, topic, dedup, ?3), \
             detail = seal('events.detail', flow, topic, dedup, ?4), kept = ?5, choices = NULL, resolution = ?7 WHERE id = ?1 AND state > 3 AND finished_at = ?6",
        )
        .execute(params![less.id, less.payload, less.reason, less.detail, kept as i64, less.finished_at, less.answer])?;
    if changed == 0 {
        return Ok(true);
    }
    db.prepare("UPDATE run_events SET answer = ?2 WHERE event = ?1 AND answer IS NOT NULL")
        .execute(params![less.id, less.answer])?;
    search::keep_words_of(db, less.id, &BTreeMap::new(), keys)?;
    for run in &less.runs {
        let unfinished: bool = db
            .prepare(
                "SELECT EXISTS (SELECT 1 FROM run_events AS n JOIN events AS e ON e.id = n.event WHERE n.run = ?1 AND e.state < 4)",
            )
            .one([run.id], |row| row.get(0))?;
        if !unfinished {
            replace_journal(db, run.id, run.journal.as_deref(), kept)?;
            if let Some(error) = &run.error {
                values::ERRORS.put(db, &vec![Sql::Integer(run.id)], Sql::Text(error.clone()))?;
            }
        }
    }
    Ok(true)
}

/// Puts another journal, packed, in the place of a run's; none: it has none any more.
pub(super) fn replace_journal(db: &Connection, run: i64, journal: Option<&[u8]>, kept: Kept) -> Result<()> {
    match journal {
        Some(journal) => {
            db.prepare("UPDATE packed SET entries = seal('packed', ?1, ?2) WHERE run = ?1")
                .execute(params![run, journal])?;
        }
        None => {
            db.prepare("DELETE FROM packed WHERE run = ?1").execute([run])?;
            db.prepare("DELETE FROM packed_subjects WHERE run = ?1").execute([run])?;
        }
    }
    db.prepare("UPDATE runs SET kept = ?2 WHERE id = ?1").execute(params![run, kept as i64])?;
    Ok(())
}

/// Takes values out, and leaves what was equal equal.
pub(super) struct Hashing(pub(super) hmac::Key);

impl Hashing {
    pub(super) fn text(&self, text: &str) -> String {
        // What is a hash already stays the same one.
        if text.strip_prefix(HASHED).is_some_and(|hex| hex.len() == 2 * BYTES && hex.bytes().all(is_hex)) {
            return text.to_owned();
        }
        let tag = hmac::sign(&self.0, text.as_bytes());
        let hex: String = tag.as_ref().iter().take(BYTES).map(|byte| format!("{byte:02x}")).collect();
        format!("{HASHED}{hex}")
    }

    /// Names of fields, nothing, yes and no stay.
    fn value(&self, value: &mut Value) {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(number) => *value = self.text(&number.to_string()).into(),
            Value::String(text) => *text = self.json_text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.value(value)),
        }
    }

    /// A text that is JSON itself keeps its shape.
    fn json_text(&self, text: &str) -> String {
        let within =
            text.trim_start().starts_with(['{', '[']).then(|| serde_json::from_str::<Value>(text).ok()).flatten();
        match within {
            Some(mut within) => {
                self.value(&mut within);
                within.to_string()
            }
            None if text.is_empty() => String::new(),
            None => self.text(text),
        }
    }

    /// Which call it was stays told: method, slot, and the record in its path; and with which status it was answered.
    fn entry(&self, mut entry: JournalEntry) -> JournalEntry {
        for text in [&mut entry.request, &mut entry.response] {
            *text = match serde_json::from_str::<Value>(text) {
                Ok(mut value) => {
                    self.outline(&mut value);
                    value.to_string()
                }
                Err(_) => self.json_text(text),
            };
        }
        entry
    }

    fn outline(&self, value: &mut Value) {
        let fields = match value {
            Value::Object(fields) => fields,
            Value::Array(parts) => return parts.iter_mut().for_each(|part| self.outline(part)),
            other => return self.value(other),
        };
        for (name, value) in fields.iter_mut() {
            match name.as_str() {
                "method" | "slot" | "status" => {}
                "path" => {
                    let path = value.as_str().unwrap_or_default();
                    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
                    let query = query.map(|query| format!("?{}", self.text(query))).unwrap_or_default();
                    *value = format!("{path}{query}").into();
                }
                "sent" | "probed" | "atomic_with" | "probe" => self.outline(value),
                _ => self.value(value),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Access;

    #[tokio::test]
    async fn what_was_forgotten_since_it_was_looked_at_is_not_written_back() {
        let folder = tempfile::tempdir().unwrap();
        let store = crate::store::sqlite::SqliteStore::open(&folder.path().join("tandem.db"), Access::Host).unwrap();
        let event = NewEvent {
            kind: "salesforce.Contact".into(),
            flow: "accounts".into(),
            topic: "salesforce.Contact".into(),
            key: "003A".into(),
            dedup: "1".into(),
            payload: r#"{"Id":"003A","Name":"Anna Maierhofer"}"#.into(),
            trace: "0".repeat(32),
            haste: Haste::AtOnce,
            held: None,
        };
        store.append(Intake { events: vec![event], ..Intake::default() }).await.unwrap();
        let run = store.lease("accounts", "digest", 10, crate::time::now()).await.unwrap().run().unwrap();
        let verdicts = vec![(run.events[0].id, Verdict::Done("done".into()))];
        store.finish(run.id, Finish { verdicts, ..Finish::default() }).await.unwrap();
        store.pack(&BTreeMap::new()).await.unwrap();
        let hashing = Hashing(hmac::Key::new(hmac::HMAC_SHA256, b"secret"));
        let found = store.read(move |db| look(db, "accounts", Kept::Hashed, 0, &hashing)).await.unwrap();
        assert_eq!(found.less.len(), 1);
        let finished = found.less[0].finished_at;

        let whom = store.meant("003A", None).await.unwrap().remove(0);
        store.forget(whom, Forget::ForGood, Arc::new(|_, _| {})).await.unwrap();
        let (changed, keys) = (Arc::new(AtomicI64::new(Millis::MAX)), store.keys.clone());
        let seen = changed.clone();
        let left = store.write(move |db| keep_less(db, found.less, Kept::Hashed, (&keys, &seen))).await.unwrap();
        assert!(left.is_empty());
        let own = store.event(run.events[0].id).await.unwrap().unwrap();
        assert_eq!((own.payload.as_str(), own.kept), ("{}", Kept::Forgotten), "no hash of what she was called");
        assert_eq!(changed.load(Ordering::Relaxed), finished, "it is looked at once more");
    }

    #[test]
    fn hashes_tell_what_was_equal_and_nothing_else() {
        let hashing = Hashing(hmac::Key::new(hmac::HMAC_SHA256, b"secret"));
        let mut value = json!({ "Name": "Anna", "again": ["Anna", 7, null, true], "body": "{\"Name\":\"Anna\"}" });
        hashing.value(&mut value);
        let name = value["Name"].as_str().unwrap();
        assert!(name.starts_with("hashed:") && value["again"][0] == name && value["again"][3] == true, "{value}");
        assert_eq!(value["body"], json!({ "Name": name }).to_string());
        assert!(!value.to_string().contains("Anna"));
        let entry = |request: &str, response: &str| JournalEntry {
            seq: 0,
            item: 0,
            kind: "http".into(),
            subject: "C1".into(),
            request: request.into(),
            response: response.into(),
            state: CallState::Done,
            at: 0,
            took: None,
        };
        let request = r#"{"slot":"b1","method":"GET","path":"/BusinessPartners('C1')?$filter=CardName eq 'Anna'"}"#;
        let hashed = hashing.entry(entry(request, r#"{"sent":{"status":200,"body":"{\"CardName\":\"Anna\"}"}}"#));
        assert!(hashed.request.contains("/BusinessPartners('C1')?hashed:"), "{}", hashed.request);
        assert!(
            hashed.response.contains(r#""status":200"#) && hashed.response.contains(&name[7..]),
            "{}",
            hashed.response
        );
        assert!(!format!("{hashed:?}").contains("Anna"));
    }
}
