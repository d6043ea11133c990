//! Journals of runs that ended, packed: a journal says the same words again and again, and is seldom read.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufWriter;
use std::time::Instant;

use serde::Serializer;
use serde::ser::SerializeSeq;

use super::retention::BITE;
use super::statement::{Connection, params};
use super::{Keys, runs, search};
use crate::store::{JournalEntry, Kept, Result, RunId, StoreError};

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
        .prepare(
            "SELECT id FROM runs INDEXED BY runs_unpacked WHERE packed = 0 AND finished_at IS NOT NULL ORDER BY id LIMIT ?1",
        )
        .all([RUNS], |row| row.get(0))?;
    let mut packed = Vec::with_capacity(ids.len());
    let mut bytes = 0;
    for run in ids {
        match pack(db, run, &mut bytes) {
            Ok(one) => packed.push(one),
            Err(error) => tracing::warn!(run, %error, "a journal cannot be packed"),
        }
        if bytes > BYTES {
            break;
        }
    }
    Ok(packed)
}

/// Packs a run's journal, one entry after the other; adds to `bytes` what its calls said.
fn pack(db: &Connection, run: i64, bytes: &mut usize) -> Result<Packed> {
    let failed = |error: std::io::Error| StoreError::Database(format!("a journal cannot be packed: {error}"));
    let zstd = zstd::stream::Encoder::new(Vec::new(), LEVEL).map_err(failed)?;
    let mut text = serde_json::Serializer::new(BufWriter::new(zstd));
    let corrupt = |error: serde_json::Error| StoreError::Corrupt(error.to_string());
    let mut entries = text.serialize_seq(None).map_err(corrupt)?;
    let (mut subjects, mut empty) = (BTreeSet::new(), true);
    runs::each_unpacked(db, RunId(run), |entry| {
        empty = false;
        *bytes += entry.request.len() + entry.response.len();
        entries.serialize_element(&entry).map_err(corrupt)?;
        if !entry.subject.is_empty() && !is_read(&entry) {
            subjects.insert(entry.subject);
        }
        Ok(())
    })?;
    entries.end().map_err(corrupt)?;
    let zstd = text.into_inner().into_inner().map_err(|error| failed(error.into_error()))?;
    let packed = zstd.finish().map_err(failed)?;
    Ok(Packed { run, entries: (!empty).then_some(packed), subjects })
}

/// Reads stand under the subject of their call, and say nothing of what was done.
fn is_read(entry: &JournalEntry) -> bool {
    entry.request.contains("\"method\":\"GET\"")
}

/// Puts packed journals in place of their rows, as many as one bite takes; how many. `keeps`: flows of which less is kept.
pub(super) fn keep(db: &Connection, packed: &[Packed], keeps: &BTreeMap<String, Kept>, keys: &Keys) -> Result<u64> {
    let started = Instant::now();
    let mut kept = 0;
    for one in packed {
        // A run that was removed meanwhile stays removed; one that another process packed is packed.
        let there = db.prepare("UPDATE runs SET packed = 1 WHERE id = ?1 AND packed = 0").execute([one.run])? == 1;
        if let (true, Some(entries)) = (there, &one.entries) {
            db.prepare("INSERT INTO packed (run, entries) VALUES (?1, seal('packed', ?1, ?2))")
                .execute(params![one.run, entries])?;
            for subject in &one.subjects {
                db.prepare("INSERT INTO packed_subjects (subject, run) VALUES (?1, ?2)")
                    .execute(params![subject, one.run])?;
            }
            db.prepare("DELETE FROM journal WHERE run = ?1").execute([one.run])?;
        }
        if there {
            search::keep_words(db, one.run, keeps, keys)?;
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
        .prepare("SELECT unseal('packed', run, entries) FROM packed WHERE run = ?1")
        .first([run.0], |row| row.get(0))?;
    match packed {
        Some(packed) => unpack(&packed),
        None => runs::unpacked_journal(db, run),
    }
}

/// Entries about a record, newest first: of reads only those that are not packed yet.
pub(super) fn about(db: &Connection, subject: &str, limit: u32) -> Result<Vec<(RunId, JournalEntry)>> {
    let mut found = runs::unpacked_about(db, subject, limit)?;
    let packed: Vec<i64> = db
        .prepare("SELECT run FROM packed_subjects WHERE subject = ?1 ORDER BY run DESC LIMIT ?2")
        .all(params![subject, limit], |row| row.get(0))?;
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

/// A journal as it is kept once it is packed.
pub(super) fn packed(entries: &[JournalEntry]) -> Result<Vec<u8>> {
    let text = serde_json::to_vec(entries).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    zstd::encode_all(text.as_slice(), LEVEL)
        .map_err(|error| StoreError::Database(format!("a journal cannot be packed: {error}")))
}

pub(super) fn unpack(packed: &[u8]) -> Result<Vec<JournalEntry>> {
    let unreadable = |why: String| StoreError::Corrupt(format!("a packed journal: {why}"));
    let text = zstd::stream::decode_all(packed).map_err(|e| unreadable(e.to_string()))?;
    serde_json::from_slice(&text).map_err(|e| unreadable(e.to_string()))
}
