//! Retention in SQL: what is old, or beyond the size allowed, goes in bites that nobody notices.

use std::time::{Duration, Instant};

use crate::store::sql::{Connection, NONE, params};
use crate::store::{Millis, Result, Retention};

/// How long one bite may hold up those who wait for the writing thread; its commit, and now and then a checkpoint, come on top.
pub(super) const BITE: Duration = Duration::from_millis(10);
/// Ids looked up at once.
const ROWS: u32 = 500;

/// The time before which what a flow finished goes: `?1` holds those of flows with one of their own, `?2` all others'.
const BEFORE: &str = "coalesce((SELECT value FROM json_each(?1) WHERE key = flow), ?2)";

fn of_flows(retention: &Retention) -> String {
    serde_json::to_string(&retention.of_flows).unwrap_or_else(|_| "{}".into())
}

/// The last time before which anything goes.
fn last(retention: &Retention) -> Millis {
    retention.of_flows.values().copied().fold(retention.before, Millis::max)
}

/// The oldest runs after that one that finished so long ago and whose events are all finished too: an event that may run
/// again shows what it did.
pub(super) fn finished_runs(db: &Connection, after: i64, retention: &Retention) -> Result<Vec<i64>> {
    db.prepare(format!(
        "SELECT id FROM runs WHERE id > ?3 AND finished_at < ?5 AND finished_at < {BEFORE} AND NOT EXISTS \
             (SELECT 1 FROM run_events AS n JOIN events AS e ON e.id = n.event WHERE n.run = runs.id AND e.state < 4) \
             ORDER BY id LIMIT ?4"
    ))
    .all(params![of_flows(retention), retention.before, after, ROWS, last(retention)], |row| row.get(0))
}

/// The events that finished first, so long ago, and when; from that time on.
pub(super) fn finished_events(db: &Connection, from: Millis, retention: &Retention) -> Result<Vec<(i64, Millis)>> {
    db
        .prepare(format!(
            "SELECT id, finished_at FROM events INDEXED BY events_finished WHERE finished_at IS NOT NULL AND finished_at >= ?3 \
             AND finished_at < ?5 AND finished_at < {BEFORE} AND state > 3 ORDER BY finished_at LIMIT ?4"
        ))
        .all(params![of_flows(retention), retention.before, from, ROWS, last(retention)], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
}

/// Removes runs with their journals, as many as one bite takes; how many.
pub(super) fn remove_runs(db: &Connection, runs: &[i64]) -> Result<usize> {
    bite(runs, |run| {
        for table in ["journal", "packed", "packed_subjects", "run_events"] {
            db.prepare(format!("DELETE FROM {table} WHERE run = ?1")).execute([run])?;
        }
        db.prepare("DELETE FROM runs WHERE id = ?1").execute([run])?;
        Ok(())
    })
}

/// Removes events, as many as one bite takes; how many. One that was made ready meanwhile stays.
pub(super) fn remove_events(db: &Connection, events: &[i64]) -> Result<usize> {
    bite(events, |event| {
        db.prepare("DELETE FROM events WHERE id = ?1 AND state > 3").execute([event])?;
        Ok(())
    })
}

pub(super) fn bite(ids: &[i64], remove: impl Fn(i64) -> Result<()>) -> Result<usize> {
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
    let mut is_more = false;
    db.prepare("PRAGMA incremental_vacuum").each(NONE, |_| {
        is_more = started.elapsed() >= BITE;
        Ok(!is_more)
    })?;
    Ok(is_more)
}

/// Bytes that hold something, of all tables and indexes.
pub(super) fn used_bytes(db: &Connection) -> Result<u64> {
    let pragma = |name: &str| db.prepare(format!("PRAGMA {name}")).one(NONE, |row| row.get::<i64>(0));
    let used = (pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?;
    Ok(used.unsigned_abs())
}
