//! The SQL of the embedded store: one function per thing done, each within the transaction its caller opened.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::store::*;

pub(super) const EVENT_COLUMNS: &str = "id, flow, topic, key, payload, trace, state, due_at, attempts, created_at, \
                                        finished_at, reason, choices, resolution, detail";

/// Rows removed per bite of [`prune`].
const PRUNE_BITE: u32 = 500;

pub(super) fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    let state: i64 = row.get(6)?;
    let choices: Option<String> = row.get(12)?;
    Ok(Event {
        id: EventId(row.get(0)?),
        flow: row.get(1)?,
        topic: row.get(2)?,
        key: row.get(3)?,
        payload: row.get(4)?,
        trace: row.get(5)?,
        state: EventState::from_stored(state).ok_or(rusqlite::Error::IntegralValueOutOfRange(6, state))?,
        due_at: row.get(7)?,
        attempts: row.get(8)?,
        created_at: row.get(9)?,
        finished_at: row.get(10)?,
        reason: row.get(11)?,
        choices: choices.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
        resolution: row.get(13)?,
        detail: row.get::<_, Option<String>>(14)?.unwrap_or_default(),
    })
}

pub(super) fn journal_entry(row: &Row<'_>, first: usize) -> rusqlite::Result<JournalEntry> {
    let state: i64 = row.get(first + 4)?;
    Ok(JournalEntry {
        seq: row.get(first)?,
        item: row.get(first + 1)?,
        kind: row.get(first + 2)?,
        subject: row.get(first + 3)?,
        state: if state == 0 { CallState::Intended } else { CallState::Done },
        at: row.get(first + 5)?,
        request: row.get(first + 6)?,
        response: row.get(first + 7)?,
    })
}

pub(super) fn link(row: &Row<'_>) -> rusqlite::Result<Link> {
    Ok(Link {
        scope: row.get(0)?,
        kind: row.get(1)?,
        b1_id: row.get(2)?,
        salesforce_id: row.get(3)?,
        base: row.get(4)?,
    })
}

pub(super) fn grant(row: &Row<'_>) -> rusqlite::Result<Grant> {
    Ok(Grant { digest: row.get(0)?, plugin: row.get(1)?, permissions: row.get(2)?, granted_at: row.get(3)? })
}

/// Returns 1 for a new event, 0 for one already taken in.
pub(super) fn insert_event(db: &Connection, event: &NewEvent, now: Millis) -> Result<u64> {
    let state = if event.held.is_some() { EventState::Review } else { EventState::Ready };
    let asked = event.held.as_ref().map(asked).transpose()?;
    let (reason, choices, detail) = match asked {
        Some((reason, choices, detail)) => (Some(reason), Some(choices), Some(detail)),
        None => (None, None, None),
    };
    let inserted = db
        .prepare_cached(
            "INSERT OR IGNORE INTO events (flow, topic, key, dedup, payload, trace, state, due_at, created_at, reason, \
             choices, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            event.flow,
            event.topic,
            event.key,
            event.dedup,
            event.payload,
            event.trace,
            state as i64,
            now,
            reason,
            choices,
            detail
        ])?;
    Ok(inserted as u64)
}

/// Reason, choices and detail as they are stored.
fn asked(question: &Question) -> Result<(&str, String, &str)> {
    let choices = serde_json::to_string(&question.choices).map_err(|e| StoreError::Corrupt(e.to_string()))?;
    Ok((&question.reason, choices, &question.detail))
}

pub(super) fn lease(db: &Connection, flow: String, digest: String, max: u32, now: Millis) -> Result<Option<Run>> {
    let candidates: Vec<(Event, Option<u32>)> = db
        .prepare_cached(&format!(
            "SELECT {EVENT_COLUMNS}, batch_max FROM events AS e INDEXED BY events_ready \
             WHERE flow = ?1 AND state = 0 AND due_at <= ?2 AND NOT EXISTS \
             (SELECT 1 FROM events AS o WHERE o.flow = ?1 AND o.key = e.key AND o.id < e.id AND o.state < 3) \
             ORDER BY id LIMIT ?3"
        ))?
        .query_map(params![flow, now, max], |row| Ok((event(row)?, row.get(15)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let events = first_batch(candidates);
    if events.is_empty() {
        return Ok(None);
    }
    db.prepare_cached("INSERT INTO runs (flow, digest, started_at) VALUES (?1, ?2, ?3)")?
        .execute(params![flow, digest, now])?;
    let id = RunId(db.last_insert_rowid());
    let mut take = db.prepare_cached("UPDATE events SET state = 1, attempts = attempts + 1 WHERE id = ?1")?;
    let mut note = db.prepare_cached("INSERT INTO run_events (run, event) VALUES (?1, ?2)")?;
    let mut before = db.prepare_cached("SELECT EXISTS (SELECT 1 FROM run_events WHERE event = ?1)")?;
    let mut leased = Vec::with_capacity(events.len());
    let mut repeated = false;
    for mut event in events {
        repeated |= before.query_row([event.id.0], |row| row.get::<_, bool>(0))?;
        take.execute([event.id.0])?;
        note.execute([id.0, event.id.0])?;
        event.state = EventState::Leased;
        event.attempts += 1;
        leased.push(event);
    }
    Ok(Some(Run { id, flow, digest, events: leased, repeated }))
}

/// Events that were cut out of a batch that trapped run apart from fresh ones, in batches no larger than their cap.
fn first_batch(candidates: Vec<(Event, Option<u32>)>) -> Vec<Event> {
    let Some((_, cap)) = candidates.first() else { return Vec::new() };
    let cap = *cap;
    let size = cap.map_or(usize::MAX, |cap| cap.max(1) as usize);
    candidates.into_iter().take_while(|(_, own)| *own == cap).take(size).map(|(event, _)| event).collect()
}

pub(super) fn run(db: &Connection, id: RunId) -> Result<Option<Run>> {
    let head: Option<(String, String)> = db
        .query_row("SELECT flow, digest FROM runs WHERE id = ?1", [id.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((flow, digest)) = head else { return Ok(None) };
    let events = db
        .prepare(&format!(
            "SELECT {EVENT_COLUMNS} FROM events WHERE id IN (SELECT event FROM run_events WHERE run = ?1) ORDER BY id"
        ))?
        .query_map([id.0], event)?
        .collect::<rusqlite::Result<_>>()?;
    let repeated = db.query_row(
        "SELECT EXISTS (SELECT 1 FROM run_events AS mine JOIN run_events AS other ON other.event = mine.event \
         AND other.run < mine.run WHERE mine.run = ?1)",
        [id.0],
        |row| row.get(0),
    )?;
    Ok(Some(Run { id, flow, digest, events, repeated }))
}

pub(super) fn sweep(db: &Connection, now: Millis) -> Result<Vec<String>> {
    let due: Vec<(i64, String, String, String)> = db
        .prepare_cached("SELECT id, flow, key, payload FROM wakes WHERE at <= ?1 ORDER BY at LIMIT 1000")?
        .query_map([now], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut touched = Vec::new();
    for (id, flow, key, payload) in due {
        let event = NewEvent {
            flow: flow.clone(),
            topic: "timer.wake".into(),
            key,
            dedup: format!("wake:{id}"),
            payload,
            trace: crate::time::fresh_trace(),
            held: None,
        };
        insert_event(db, &event, now)?;
        db.prepare_cached("DELETE FROM wakes WHERE id = ?1")?.execute([id])?;
        touched.push(flow);
    }
    db.prepare_cached(
        "UPDATE events SET state = 3, reason = 'waited too long for the ' || wait_kind || ' link of ' || wait_id || \
         ' (' || wait_side || ')', choices = '[\"retry\",\"ignore\"]' WHERE state = 2 AND due_at <= ?1",
    )?
    .execute([now])?;
    touched.sort();
    touched.dedup();
    Ok(touched)
}

pub(super) fn write_journal(db: &Connection, run: RunId, entries: &[JournalEntry]) -> Result<()> {
    let mut insert = db.prepare_cached(
        "INSERT INTO journal (run, seq, item, kind, subject, state, at, request, response) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
         ON CONFLICT (run, seq, item) DO UPDATE SET state = ?6, at = ?7, response = ?9",
    )?;
    for entry in entries {
        insert.execute(params![
            run.0,
            entry.seq,
            entry.item,
            entry.kind,
            entry.subject,
            matches!(entry.state, CallState::Done) as i64,
            entry.at,
            entry.request,
            entry.response
        ])?;
    }
    Ok(())
}

pub(super) fn find_link(db: &Connection, scope: &str, kind: &str, side: Side, id: &str) -> Result<Option<Link>> {
    let column = match side {
        Side::B1 => "b1_id",
        Side::Salesforce => "salesforce_id",
    };
    Ok(db
        .prepare_cached(&format!(
            "SELECT scope, kind, b1_id, salesforce_id, base FROM links \
             WHERE scope = ?1 AND kind = ?2 AND {column} = ?3"
        ))?
        .query_row([scope, kind, id], link)
        .optional()?)
}

pub(super) fn finish(db: &Connection, run: RunId, finish: Finish) -> Result<Vec<String>> {
    let now = crate::time::now();
    let flow: String =
        db.prepare_cached("SELECT flow FROM runs WHERE id = ?1")?.query_row([run.0], |row| row.get(0))?;
    write_journal(db, run, &finish.journal)?;
    let mut touched = Vec::new();
    write_storage(db, &flow, &finish.storage)?;
    // Links first: an event of this very run may wait for one of them.
    for write in &finish.links {
        touched.extend(write_link(db, write, now)?);
    }
    for (event, verdict) in finish.verdicts {
        settle(db, &flow, event, verdict, now)?;
    }
    for event in &finish.emitted {
        insert_event(db, event, now)?;
        touched.push(event.flow.clone());
    }
    for wake in &finish.wakes {
        db.prepare_cached("INSERT INTO wakes (flow, at, key, payload) VALUES (?1, ?2, ?3, ?4)")?.execute(params![
            flow,
            wake.at,
            wake.key,
            wake.payload
        ])?;
    }
    db.prepare_cached("UPDATE runs SET finished_at = ?2, error = ?3 WHERE id = ?1")?.execute(params![
        run.0,
        now,
        finish.error
    ])?;
    touched.push(flow);
    touched.sort();
    touched.dedup();
    Ok(touched)
}

fn write_storage(db: &Connection, flow: &str, writes: &[StorageWrite]) -> Result<()> {
    for write in writes {
        match write {
            StorageWrite::Set(key, value) => db
                .prepare_cached(
                    "INSERT INTO storage (flow, key, value) VALUES (?1, ?2, ?3) \
                     ON CONFLICT (flow, key) DO UPDATE SET value = ?3",
                )?
                .execute([flow, key, value])?,
            StorageWrite::Delete(key) => {
                db.prepare_cached("DELETE FROM storage WHERE flow = ?1 AND key = ?2")?.execute([flow, key])?
            }
        };
    }
    Ok(())
}

/// Returns the flows in which the link woke a waiting event.
fn write_link(db: &Connection, write: &LinkWrite, now: Millis) -> Result<Vec<String>> {
    match write {
        LinkWrite::Delete(scope, kind, id) => {
            db.prepare_cached("DELETE FROM links WHERE scope = ?1 AND kind = ?2 AND salesforce_id = ?3")?
                .execute([scope, kind, id])?;
            Ok(Vec::new())
        }
        LinkWrite::Put(link) => {
            db.prepare_cached(
                "INSERT OR REPLACE INTO links (scope, kind, b1_id, salesforce_id, base) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute([&link.scope, &link.kind, &link.b1_id, &link.salesforce_id, &link.base])?;
            let mut woken = Vec::new();
            for (side, id) in [(Side::B1, &link.b1_id), (Side::Salesforce, &link.salesforce_id)] {
                let flows = db
                    .prepare_cached(
                        "UPDATE events SET state = 0, due_at = ?5 WHERE state = 2 AND wait_scope = ?1 \
                         AND wait_kind = ?2 AND wait_side = ?3 AND wait_id = ?4 RETURNING flow",
                    )?
                    .query_map(params![link.scope, link.kind, side.word(), id, now], |row| row.get(0))?
                    .collect::<rusqlite::Result<Vec<String>>>()?;
                woken.extend(flows);
            }
            Ok(woken)
        }
    }
}

fn settle(db: &Connection, flow: &str, event: EventId, verdict: Verdict, now: Millis) -> Result<()> {
    let mut end = db.prepare_cached(
        "UPDATE events SET state = ?2, reason = ?3, choices = ?4, finished_at = ?5, batch_max = NULL WHERE id = ?1",
    )?;
    match verdict {
        Verdict::Done(what) => {
            end.execute(params![event.0, EventState::Done as i64, what, None::<String>, now])?;
            // The newer event saw the record as it is now: older questions about it are answered.
            db.prepare_cached(
                "UPDATE events SET state = 6, finished_at = ?3 WHERE flow = ?1 AND state = 3 AND id < ?2 \
                 AND key = (SELECT key FROM events WHERE id = ?2)",
            )?
            .execute(params![flow, event.0, now])?;
        }
        Verdict::Reject(why) => {
            end.execute(params![event.0, EventState::Rejected as i64, why, None::<String>, now])?;
        }
        Verdict::Review(question) => {
            let (reason, choices, detail) = asked(&question)?;
            end.execute(params![event.0, EventState::Review as i64, reason, choices, None::<i64>])?;
            db.prepare_cached("UPDATE events SET detail = ?2 WHERE id = ?1")?.execute(params![event.0, detail])?;
        }
        Verdict::Retry { due_at, why, counts, batch_max } => {
            db.prepare_cached(
                "UPDATE events SET state = 0, due_at = ?2, reason = ?3, attempts = attempts - ?4, batch_max = ?5 \
                 WHERE id = ?1",
            )?
            .execute(params![event.0, due_at, why, i64::from(!counts), batch_max])?;
        }
        Verdict::Wait { scope, kind, side, id, deadline } => {
            let there = find_link(db, &scope, &kind, side, &id)?.is_some();
            let (state, due) = if there { (EventState::Ready, now) } else { (EventState::Waiting, deadline) };
            let why = format!("waits for the {kind} link of {id} ({})", side.word());
            db.prepare_cached(
                "UPDATE events SET state = ?2, due_at = ?3, reason = ?4, wait_scope = ?5, wait_kind = ?6, \
                 wait_side = ?7, wait_id = ?8, attempts = attempts - 1 WHERE id = ?1",
            )?
            .execute(params![event.0, state as i64, due, why, scope, kind, side.word(), id])?;
        }
    }
    Ok(())
}

pub(super) fn prune(db: &Connection, before: Millis, max_bytes: u64) -> Result<Pruned> {
    let mut runs = finished_runs(db, before)?;
    if runs.is_empty() && used_bytes(db)? > max_bytes {
        runs = finished_runs(db, Millis::MAX)?;
    }
    for run in &runs {
        db.prepare_cached("DELETE FROM journal WHERE run = ?1")?.execute([run])?;
        db.prepare_cached("DELETE FROM run_events WHERE run = ?1")?.execute([run])?;
        db.prepare_cached("DELETE FROM runs WHERE id = ?1")?.execute([run])?;
    }
    let events = db
        .prepare_cached(
            "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE finished_at < ?1 AND state > 3 LIMIT ?2)",
        )?
        .execute(params![before, PRUNE_BITE])?;
    db.execute_batch("PRAGMA incremental_vacuum(2000)")?;
    Ok(Pruned { runs: runs.len() as u64, events: events as u64 })
}

/// The oldest runs that finished before that time and whose events are all finished too: while an event may run again,
/// the host must know that it ran before, or it would not ask its probes.
fn finished_runs(db: &Connection, before: Millis) -> Result<Vec<i64>> {
    Ok(db
        .prepare_cached(
            "SELECT id FROM runs WHERE finished_at < ?1 AND NOT EXISTS (SELECT 1 FROM run_events AS n \
             JOIN events AS e ON e.id = n.event WHERE n.run = runs.id AND e.state < 4) ORDER BY id LIMIT ?2",
        )?
        .query_map(params![before, PRUNE_BITE], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?)
}

fn used_bytes(db: &Connection) -> Result<u64> {
    let pragma = |name: &str| db.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
    let used = (pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?;
    Ok(used.unsigned_abs())
}
