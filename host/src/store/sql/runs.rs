//! Runs in SQL: their journal, and all that one leaves behind, together.

use std::collections::{BTreeMap, VecDeque};

use super::events::{self, EVENT_COLUMNS};
use super::statement::{Connection, Row, params};
use crate::store::*;

fn journal_entry(row: &Row<'_>, first: usize) -> Result<JournalEntry> {
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
        took: row.get(first + 8)?,
    })
}

pub(super) const LINK_COLUMNS: &str =
    "scope, kind, b1_id, salesforce_id, unseal('links', scope, kind, salesforce_id, base)";

/// What was asked and what came back, as a journal's rows have it.
const SAID: &str =
    "unseal('journal.request', run, seq, item, request), unseal('journal.response', run, seq, item, response)";

pub(super) fn link(row: &Row<'_>) -> Result<Link> {
    Ok(Link {
        scope: row.get(0)?,
        kind: row.get(1)?,
        b1_id: row.get(2)?,
        salesforce_id: row.get(3)?,
        base: row.get(4)?,
    })
}

/// A run with its events as they were given to it.
pub(super) fn run(db: &Connection, id: RunId) -> Result<Option<Run>> {
    let head: Option<(String, String, Kept)> = db
        .prepare("SELECT flow, release, kept FROM runs WHERE id = ?1")
        .first([id.0], |row| Ok((row.get(0)?, row.get(1)?, events::kept(row, 2)?)))?;
    let Some((flow, release, kept)) = head else { return Ok(None) };
    let given = db
        .prepare(format!(
            "SELECT {EVENT_COLUMNS}, attempt, again, answer FROM run_events JOIN events ON id = event \
             WHERE run = ?1 ORDER BY id"
        ))
        .all::<_, Vec<_>>([id.0], |row| {
            let event = Event { attempts: row.get(16)?, resolution: row.get(18)?, ..events::event(row)? };
            Ok((event, row.get::<bool>(17)?))
        })?;
    let repeated = given.iter().any(|(_, again)| *again);
    let events = given.into_iter().map(|(event, _)| event).collect();
    Ok(Some(Run { id, flow, release, events, repeated, kept }))
}

/// Ended runs that are looked at for each event that is asked for: so far back goes the share of a topic that is seldom told.
const REACH: u32 = 20;

/// See [`Store::runs_last`].
pub(super) fn last(db: &Connection, flow: &str, events: u32) -> Result<Vec<RunId>> {
    // What somebody asked stands for nothing that the flow does, and hides nothing of it, however much was asked.
    let ended = db.prepare(
        "SELECT id, events, topic FROM ( \
           SELECT id, (SELECT count(*) FROM run_events WHERE run = runs.id) AS events, \
             (SELECT topic FROM events WHERE id = (SELECT min(event) FROM run_events WHERE run = runs.id)) AS topic FROM runs \
           WHERE flow = ?1 AND finished_at IS NOT NULL AND error IS NULL) AS ended \
         WHERE topic IS NULL OR substr(topic, 1, length(?3)) <> ?3 ORDER BY id DESC LIMIT ?2",
    );
    let mut topics: BTreeMap<Option<String>, VecDeque<(RunId, u32)>> = BTreeMap::new();
    ended.each(params![flow, events.saturating_mul(REACH), TOOL], |row| {
        topics.entry(row.get(2)?).or_default().push_back((RunId(row.get(0)?), row.get(1)?));
        Ok(true)
    })?;
    let (mut found, mut total) = (Vec::new(), 0_u32);
    // One of each topic in turn.
    while !topics.is_empty() && total < events {
        topics.retain(|_, runs| !runs.is_empty());
        for (run, of) in topics.values_mut().filter_map(VecDeque::pop_front) {
            if total < events {
                found.push(run);
                total = total.saturating_add(of);
            }
        }
    }
    found.sort_unstable_by_key(|run| std::cmp::Reverse(run.0));
    Ok(found)
}

pub(super) fn write_journal(db: &Connection, run: RunId, entries: &[JournalEntry]) -> Result<()> {
    let insert = db.prepare(
        "INSERT INTO journal (run, seq, item, kind, subject, state, at, request, response, took) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, seal('journal.request', ?1, ?2, ?3, ?8), seal('journal.response', ?1, ?2, ?3, ?9), ?10) \
         ON CONFLICT (run, seq, item) DO UPDATE SET state = ?6, at = ?7, response = excluded.response, took = ?10",
    );
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
            entry.response,
            entry.took
        ])?;
    }
    Ok(())
}

/// The rows of a run's journal, in order; none once they are packed.
pub(super) fn unpacked_journal(db: &Connection, run: RunId) -> Result<Vec<JournalEntry>> {
    let mut entries = Vec::new();
    each_unpacked(db, run, |entry| {
        entries.push(entry);
        Ok(())
    })?;
    Ok(entries)
}

/// The same, one row after the other: a journal may be large.
pub(super) fn each_unpacked(
    db: &Connection,
    run: RunId,
    mut take: impl FnMut(JournalEntry) -> Result<()>,
) -> Result<()> {
    let rows = db.prepare(format!(
        "SELECT seq, item, kind, subject, state, at, {SAID}, took FROM journal WHERE run = ?1 ORDER BY seq, item"
    ));
    rows.each([run.0], |row| {
        take(journal_entry(row, 0)?)?;
        Ok(true)
    })
}

/// Rows about a record, newest first, with their run.
pub(super) fn unpacked_about(db: &Connection, subject: &str, limit: u32) -> Result<Vec<(RunId, JournalEntry)>> {
    db.prepare(format!(
        "SELECT run, seq, item, kind, subject, state, at, {SAID}, took FROM journal \
             WHERE subject = ?1 AND subject <> '' ORDER BY run DESC, seq DESC LIMIT ?2"
    ))
    .all(params![subject, limit], |row| Ok((RunId(row.get(0)?), journal_entry(row, 1)?)))
}

pub(super) fn find_link(db: &Connection, scope: &str, kind: &str, side: Side, id: &str) -> Result<Option<Link>> {
    let column = match side {
        Side::B1 => "b1_id",
        Side::Salesforce => "salesforce_id",
    };
    db.prepare(format!(
        "SELECT {LINK_COLUMNS} FROM links \
             WHERE scope = ?1 AND kind = ?2 AND {column} = ?3"
    ))
    .first([scope, kind, id], link)
}

/// See [`Store::finish`].
pub(super) fn finish(db: &Connection, run: RunId, finish: Finish) -> Result<Vec<String>> {
    let now = crate::time::now();
    let open: Option<String> =
        db.prepare("SELECT flow FROM runs WHERE id = ?1 AND finished_at IS NULL").first([run.0], |row| row.get(0))?;
    // Ended before, by a commit whose answer was lost: nothing of it may happen twice.
    let Some(flow) = open else { return Ok(finish.emitted.into_iter().map(|event| event.flow).collect()) };
    write_journal(db, run, &finish.journal)?;
    let mut touched = Vec::new();
    write_storage(db, &flow, &finish.storage)?;
    // Links first: an event of this very run may wait for one of them.
    for write in &finish.links {
        touched.extend(write_link(db, write, now)?);
    }
    for (event, verdict) in finish.verdicts {
        events::settle(db, event, verdict, now)?;
    }
    for event in &finish.emitted {
        events::insert(db, event, Lane::Live, now)?;
        touched.push(event.flow.clone());
    }
    for wake in &finish.wakes {
        db.prepare(
            "INSERT INTO wakes (flow, at, key, payload, planned_at) VALUES (?1, ?2, ?3, seal('wakes', ?1, ?3, ?4), ?5)",
        )
        .execute(params![flow, wake.at, wake.key, wake.payload, now])?;
    }
    db.prepare("UPDATE runs SET finished_at = ?2, error = seal('runs.error', ?1, ?3) WHERE id = ?1")
        .execute(params![run.0, now, finish.error])?;
    touched.push(flow);
    touched.sort();
    touched.dedup();
    Ok(touched)
}

/// See [`Store::keep_read`].
pub(super) fn keep_read(db: &Connection, read: PastRead) -> Result<EventId> {
    let PastRead { event, release, started_at, verdict, journal, error } = read;
    let Some(id) = events::insert(db, &event, Lane::Live, started_at)? else {
        return Err(StoreError::Corrupt(format!("the call {} is kept already", event.dedup)));
    };
    let run = events::begin(db, &event.flow, &release, started_at, [(id, 1, false, None)])?;
    finish(db, run, Finish { verdicts: vec![(id, verdict)], journal, error, ..Finish::default() })?;
    Ok(id)
}

fn write_storage(db: &Connection, flow: &str, writes: &[StorageWrite]) -> Result<()> {
    for write in writes {
        match write {
            StorageWrite::Set(key, value) => db
                .prepare(
                    "INSERT INTO storage (flow, key, value) VALUES (?1, ?2, seal('storage', ?1, ?2, ?3)) \
                     ON CONFLICT (flow, key) DO UPDATE SET value = excluded.value",
                )
                .execute([flow, key, value])?,
            StorageWrite::Delete(key) => {
                db.prepare("DELETE FROM storage WHERE flow = ?1 AND key = ?2").execute([flow, key])?
            }
        };
    }
    Ok(())
}

/// Returns the flows in which the link woke a waiting event.
fn write_link(db: &Connection, write: &LinkWrite, now: Millis) -> Result<Vec<String>> {
    match write {
        LinkWrite::Delete(scope, kind, id) => {
            db.prepare("DELETE FROM links WHERE scope = ?1 AND kind = ?2 AND salesforce_id = ?3")
                .execute([scope, kind, id])?;
            Ok(Vec::new())
        }
        LinkWrite::Put(link) => {
            db.prepare(
                "INSERT INTO links (scope, kind, b1_id, salesforce_id, base) VALUES (?1, ?2, ?3, ?4, seal('links', ?1, ?2, ?4, ?5)) \
                 ON CONFLICT (scope, kind, salesforce_id) DO UPDATE SET b1_id = ?3, base = excluded.base",
            )
            .execute([&link.scope, &link.kind, &link.b1_id, &link.salesforce_id, &link.base])?;
            let mut woken = Vec::new();
            for (side, id) in [(Side::B1, &link.b1_id), (Side::Salesforce, &link.salesforce_id)] {
                let flows = db
                    .prepare(
                        "UPDATE events SET state = 0, due_at = ?5, planned_at = ?5 WHERE state = 2 AND wait_scope = ?1 \
                         AND wait_kind = ?2 AND wait_side = ?3 AND wait_id = ?4 RETURNING flow",
                    )
                    .all::<_, Vec<String>>(params![link.scope, link.kind, side.word(), id, now], |row| row.get(0))?;
                woken.extend(flows);
            }
            Ok(woken)
        }
    }
}
