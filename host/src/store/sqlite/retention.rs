//! Retention in SQL: what is old, or beyond the size allowed, goes in bites that nobody notices.

use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

use crate::store::{Millis, Result};

/// How long one bite may hold up those who wait for the writing thread; its commit, and now and then a checkpoint, come on top.
pub(super) const BITE: Duration = Duration::from_millis(10);
/// Ids looked up at once.
const ROWS: u32 = 500;

/// The oldest runs after that one that finished before that time and whose events are all finished too: an event that may run
/// again shows what it did.
pub(super) fn finished_runs(db: &Connection, after: i64, before: Millis) -> Result<Vec<i64>> {
    Ok(db
        .prepare_cached(
            "SELECT id FROM runs WHERE id > ?1 AND finished_at < ?2 AND NOT EXISTS (SELECT 1 FROM run_events AS n \
             JOIN events AS e ON e.id = n.event WHERE n.run = runs.id AND e.state < 4) ORDER BY id LIMIT ?3",
        )?
        .query_map(params![after, before, ROWS], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?)
}

/// The events that finished first, before that time.
pub(super) fn finished_events(db: &Connection, before: Millis) -> Result<Vec<i64>> {
    Ok(db
        .prepare_cached(
            "SELECT id FROM events INDEXED BY events_finished WHERE finished_at IS NOT NULL AND finished_at < ?1 \
             AND state > 3 ORDER BY finished_at LIMIT ?2",
        )?
        .query_map(params![before, ROWS], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?)
}

/// Removes runs with their journals, as many as one bite takes; how many.
pub(super) fn remove_runs(db: &Connection, runs: &[i64]) -> Result<usize> {
    bite(runs, |run| {
        for table in ["journal", "packed", "packed_subjects", "run_events"] {
            db.prepare_cached(&format!("DELETE FROM {table} WHERE run = ?1"))?.execute([run])?;
        }
        db.prepare_cached("DELETE FROM runs WHERE id = ?1")?.execute([run])?;
        Ok(())
    })
}

/// Removes events, as many as one bite takes; how many. One that was made ready meanwhile stays.
pub(super) fn remove_events(db: &Connection, events: &[i64]) -> Result<usize> {
    bite(events, |event| {
        db.prepare_cached("DELETE FROM events WHERE id = ?1 AND state > 3")?.execute([event])?;
        Ok(())
    })
}

fn bite(ids: &[i64], remove: impl Fn(i64) -> Result<()>) -> Result<usize> {
    let started = Instant::now();
    let mut removed = 0;
    for id in ids {
        remove(*id)?;
        removed += 1;
        if started.elapsed() >= BITE {
            break;
        }
    }
    Ok(removed)
}

/// Gives free pages back to the file system, as many as one bite takes; true while there are more.
pub(super) fn give_back(db: &Connection) -> Result<bool> {
    let started = Instant::now();
    // A page a step: the statement must be stepped to its end.
    let mut vacuum = db.prepare_cached("PRAGMA incremental_vacuum")?;
    let mut pages = vacuum.query([])?;
    while pages.next()?.is_some() {
        if started.elapsed() >= BITE {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Bytes that hold something, of all tables and indexes.
pub(super) fn used_bytes(db: &Connection) -> Result<u64> {
    let pragma = |name: &str| db.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
    let used = (pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?;
    Ok(used.unsigned_abs())
}
