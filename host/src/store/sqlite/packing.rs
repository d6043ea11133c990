//! Journals of runs that ended, packed: a journal says the same words again and again, and is seldom read.

use std::collections::BTreeSet;
use std::time::Instant;

use rusqlite::{Connection, OptionalExtension, params};

use super::retention::BITE;
use super::runs;
use crate::store::{JournalEntry, Result, RunId, StoreError};

/// Runs packed at once.
const RUNS: u32 = 200;
/// Beyond so many bytes of journals the rest waits for the next look: bounds the memory.
const BYTES: usize = 8 << 20;
/// Fast, and nearly as small as higher levels.
const LEVEL: i32 = 3;

/// One run's journal, ready to be kept.
pub(super) struct Packed {
    run: i64,
    /// None for a run without entries.
    entries: Option<Vec<u8>>,
    subjects: BTreeSet<String>,
}

/// The oldest runs that ended and are not packed yet.
pub(super) fn unpacked(db: &Connection) -> Result<Vec<Packed>> {
    let ids: Vec<i64> = db
        .prepare_cached(
            "SELECT id FROM runs INDEXED BY runs_unpacked WHERE packed = 0 AND finished_at IS NOT NULL ORDER BY id LIMIT ?1",
        )?
        .query_map([RUNS], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut packed = Vec::with_capacity(ids.len());
    let mut bytes = 0;
    for run in ids {
        let entries = match runs::unpacked_journal(db, RunId(run)) {
            Ok(entries) => entries,
            Err(error) => {
                tracing::warn!(run, %error, "a journal cannot be packed");
                continue;
            }
        };
        bytes += entries.iter().map(|entry| entry.request.len() + entry.response.len()).sum::<usize>();
        let effects = entries.iter().filter(|entry| !entry.subject.is_empty() && !is_read(entry));
        let subjects = effects.map(|entry| entry.subject.clone()).collect();
        let entries = if entries.is_empty() { None } else { Some(pack(&entries)?) };
        packed.push(Packed { run, entries, subjects });
        if bytes > BYTES {
            break;
        }
    }
    Ok(packed)
}

/// Reads stand under the subject of their call, and say nothing of what was done.
fn is_read(entry: &JournalEntry) -> bool {
    entry.request.contains("\"method\":\"GET\"")
}

/// Puts packed journals in place of their rows, as many as one bite takes; how many.
pub(super) fn keep(db: &Connection, packed: &[Packed]) -> Result<u64> {
    let started = Instant::now();
    let mut kept = 0;
    for one in packed {
        // A run that was removed meanwhile stays removed.
        let there = db.prepare_cached("UPDATE runs SET packed = 1 WHERE id = ?1")?.execute([one.run])? == 1;
        if let (true, Some(entries)) = (there, &one.entries) {
            db.prepare_cached("INSERT INTO packed (run, entries) VALUES (?1, ?2)")?
                .execute(params![one.run, entries])?;
            for subject in &one.subjects {
                db.prepare_cached("INSERT INTO packed_subjects (subject, run) VALUES (?1, ?2)")?
                    .execute(params![subject, one.run])?;
            }
            db.prepare_cached("DELETE FROM journal WHERE run = ?1")?.execute([one.run])?;
        }
        kept += 1;
        if started.elapsed() >= BITE {
            break;
        }
    }
    Ok(kept)
}

/// All entries of a run, in order; of one that is not packed its rows.
pub(super) fn journal(db: &Connection, run: RunId) -> Result<Vec<JournalEntry>> {
    let packed: Option<Vec<u8>> = db
        .prepare_cached("SELECT entries FROM packed WHERE run = ?1")?
        .query_row([run.0], |row| row.get(0))
        .optional()?;
    match packed {
        Some(packed) => unpack(&packed),
        None => runs::unpacked_journal(db, run),
    }
}

/// Entries about a record, newest first: of reads only those that are not packed yet.
pub(super) fn about(db: &Connection, subject: &str, limit: u32) -> Result<Vec<(RunId, JournalEntry)>> {
    let mut found = runs::unpacked_about(db, subject, limit)?;
    let packed: Vec<i64> = db
        .prepare_cached("SELECT run FROM packed_subjects WHERE subject = ?1 ORDER BY run DESC LIMIT ?2")?
        .query_map(params![subject, limit], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for run in packed {
        let mut own = journal(db, RunId(run))?;
        own.retain(|entry| entry.subject == subject);
        found.extend(own.into_iter().rev().map(|entry| (RunId(run), entry)));
        if found.len() >= limit as usize {
            break;
        }
    }
    found.truncate(limit as usize);
    Ok(found)
}

fn pack(entries: &[JournalEntry]) -> Result<Vec<u8>> {
    let text = serde_json::to_vec(entries).map_err(|e| StoreError::Corrupt(e.to_string()))?;
    zstd::bulk::compress(&text, LEVEL).map_err(|e| StoreError::Database(format!("a journal cannot be packed: {e}")))
}

fn unpack(packed: &[u8]) -> Result<Vec<JournalEntry>> {
    let unreadable = |why: String| StoreError::Corrupt(format!("a packed journal: {why}"));
    let text = zstd::stream::decode_all(packed).map_err(|e| unreadable(e.to_string()))?;
    serde_json::from_slice(&text).map_err(|e| unreadable(e.to_string()))
}
