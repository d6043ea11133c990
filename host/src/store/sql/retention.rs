//! Retention in SQL: what is old, or beyond the size allowed, goes in bites that nobody notices.

use std::fmt::Write;
use std::time::{Duration, Instant};

use super::statement::{Connection, params};
use super::value::ToSql;
use crate::store::{Millis, Result, Retention};

/// How long one bite may hold up those who wait for the writing thread; its commit, and now and then a checkpoint, come on top.
pub(in crate::store) const BITE: Duration = Duration::from_millis(10);
/// Ids looked up at once.
const ROWS: u32 = 500;

/// The time before which what a flow finished goes, as SQL whose parameters begin with `first`; and those.
fn before(retention: &Retention, first: usize) -> (String, Vec<&dyn ToSql>) {
    let mut sql = String::from("CASE flow");
    let mut with: Vec<&dyn ToSql> = Vec::new();
    for (flow, before) in &retention.of_flows {
        let _ = write!(sql, " WHEN ?{} THEN ?{}", first + with.len(), first + with.len() + 1);
        with.extend([flow as &dyn ToSql, before]);
    }
    let others = format!("?{}", first + with.len());
    with.push(&retention.before);
    (if retention.of_flows.is_empty() { others } else { format!("{sql} ELSE {others} END") }, with)
}

/// The last time before which anything goes.
fn last(retention: &Retention) -> Millis {
    retention.of_flows.values().copied().fold(retention.before, Millis::max)
}

/// The oldest runs after that one that finished so long ago and whose events are all finished too: an event that may run
/// again shows what it did.
pub(super) fn finished_runs(db: &Connection, after: i64, retention: &Retention) -> Result<Vec<i64>> {
    let (before, own) = before(retention, 4);
    let last = last(retention);
    db.prepare(format!(
        "SELECT id FROM runs WHERE id > ?1 AND finished_at < ?2 AND finished_at < {before} AND NOT EXISTS \
             (SELECT 1 FROM run_events AS n JOIN events AS e ON e.id = n.event WHERE n.run = runs.id AND e.state < 4) \
             ORDER BY id LIMIT ?3"
    ))
    .all([params![after, last, ROWS], &own].concat().as_slice(), |row| row.get(0))
}

/// The events that finished first, so long ago, and when; from that time on.
pub(super) fn finished_events(db: &Connection, from: Millis, retention: &Retention) -> Result<Vec<(i64, Millis)>> {
    let (before, own) = before(retention, 4);
    let last = last(retention);
    db.prepare(format!(
        "SELECT id, finished_at FROM events INDEXED BY events_finished WHERE finished_at IS NOT NULL AND finished_at >= ?1 \
             AND finished_at < ?2 AND finished_at < {before} AND state > 3 ORDER BY finished_at LIMIT ?3"
    ))
    .all([params![from, last, ROWS], &own].concat().as_slice(), |row| Ok((row.get(0)?, row.get(1)?)))
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
