//! Releases in SQL: what each flow may run, which one is live, and what each is made of.

use super::statement::{Connection, NONE, Row, params};
use crate::store::*;

/// Releases of a flow that are kept however old they are: those that were live last.
const KEPT: u32 = 10;
/// zstd's level for contents: a component is written once and read at each start.
const LEVEL: i32 = 3;

fn failed(error: std::io::Error) -> StoreError {
    StoreError::Database(format!("a part of a release: {error}"))
}

/// A part as it is kept. Takes a moment where it is large: not the writing thread's.
pub(super) fn packed(content: Content) -> Result<Content> {
    Ok(Content { bytes: zstd::encode_all(content.bytes.as_slice(), LEVEL).map_err(failed)?, ..content })
}

/// See [`Store::release_put`]; of parts that are packed.
pub(super) fn put(db: &Connection, release: &ReleaseRow, contents: &[Content]) -> Result<()> {
    let keep = db.prepare("INSERT INTO contents (digest, packed) VALUES (?1, ?2) ON CONFLICT DO NOTHING");
    let name =
        db.prepare("INSERT INTO release_contents (flow, release, content) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING");
    for content in contents {
        keep.execute(params![content.digest, content.bytes])?;
        name.execute([&release.flow, &release.digest, &content.digest])?;
    }
    db.prepare(
        "INSERT INTO releases (flow, digest, manifest, origin, made_at, signed_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (flow, digest) DO UPDATE SET signed_by = coalesce(excluded.signed_by, releases.signed_by)",
    )
    .execute(params![
        release.flow,
        release.digest,
        release.manifest,
        release.origin,
        release.made_at,
        release.signed_by
    ])?;
    Ok(())
}

/// See [`Store::content`].
pub(super) fn content(db: &Connection, digest: &str) -> Result<Option<Vec<u8>>> {
    let packed: Option<Vec<u8>> =
        db.prepare("SELECT packed FROM contents WHERE digest = ?1").first([digest], |row| row.get(0))?;
    packed.map(|packed| zstd::decode_all(packed.as_slice()).map_err(failed)).transpose()
}

/// All releases of a flow, newest first.
pub(super) fn of_flow(db: &Connection, flow: &str) -> Result<Vec<ReleaseRow>> {
    db
        .prepare(
            "SELECT flow, digest, manifest, origin, made_at, signed_by FROM releases WHERE flow = ?1 ORDER BY made_at DESC, digest",
        )
        .all([flow], release)
}

/// One release of a flow.
pub(super) fn one(db: &Connection, flow: &str, digest: &str) -> Result<Option<ReleaseRow>> {
    db.prepare(
        "SELECT flow, digest, manifest, origin, made_at, signed_by FROM releases WHERE flow = ?1 AND digest = ?2",
    )
    .first([flow, digest], release)
}

fn release(row: &Row<'_>) -> Result<ReleaseRow> {
    Ok(ReleaseRow {
        flow: row.get(0)?,
        digest: row.get(1)?,
        manifest: row.get(2)?,
        origin: row.get(3)?,
        made_at: row.get(4)?,
        signed_by: row.get(5)?,
    })
}

/// How a flow's releases went live, newest first.
pub(super) fn activations(db: &Connection, flow: &str, limit: u32) -> Result<Vec<Activation>> {
    let activation = |row: &Row<'_>| {
        Ok(Activation {
            id: row.get(0)?,
            flow: row.get(1)?,
            release: row.get(2)?,
            who: row.get(3)?,
            why: row.get(4)?,
            at: row.get(5)?,
            back: row.get(6)?,
        })
    };
    db.prepare(
        "SELECT id, flow, release, who, why, at, back FROM activations WHERE flow = ?1 ORDER BY id DESC LIMIT ?2",
    )
    .all(params![flow, limit], activation)
}

/// The digest of the release that is live; none before the first.
pub(super) fn live(db: &Connection, flow: &str) -> Result<Option<String>> {
    Ok(activations(db, flow, 1)?.pop().map(|act| act.release))
}

/// See [`Store::activate`].
pub(super) fn activate(db: &Connection, act: &Activation, instead_of: Option<i64>) -> Result<bool> {
    let last = activations(db, &act.flow, 1)?.pop().map(|act| act.id);
    if last != instead_of || one(db, &act.flow, &act.release)?.is_none() {
        return Ok(false);
    }
    db.prepare("INSERT INTO activations (flow, release, who, why, at, back) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
        .execute(params![act.flow, act.release, act.who, act.why, act.at, act.back])?;
    db.prepare("UPDATE candidates SET held = NULL WHERE flow = ?1 AND release = ?2")
        .execute([&act.flow, &act.release])?;
    Ok(true)
}

/// See [`Store::candidate`].
pub(super) fn candidate(db: &Connection, flow: &str) -> Result<Option<Candidate>> {
    let candidate =
        |row: &Row<'_>| Ok(Candidate { flow: row.get(0)?, release: row.get(1)?, at: row.get(2)?, held: row.get(3)? });
    db.prepare("SELECT flow, release, at, held FROM candidates WHERE flow = ?1").first([flow], candidate)
}

/// See [`Store::candidate_put`].
pub(super) fn put_candidate(db: &Connection, candidate: &Candidate) -> Result<()> {
    db.prepare(
        "INSERT INTO candidates (flow, release, at, held) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (flow) DO UPDATE SET release = ?2, at = ?3, held = ?4",
    )
    .execute(params![candidate.flow, candidate.release, candidate.at, candidate.held])?;
    Ok(())
}

/// Removes releases that nothing needs any more, with their parts: not live, not among the last that were, nowhere to return to, no candidate, in
/// no run that is kept, and neither made nor live since `before`.
pub(super) fn prune(db: &Connection, before: Millis) -> Result<()> {
    db.prepare(
        "DELETE FROM releases WHERE made_at < ?1 \
         AND NOT EXISTS (SELECT 1 FROM candidates AS c WHERE c.flow = releases.flow AND c.release = releases.digest) \
         AND NOT EXISTS (SELECT 1 FROM runs AS r WHERE r.release = releases.digest AND r.flow = releases.flow) \
         AND NOT EXISTS (SELECT 1 FROM activations AS a WHERE a.flow = releases.flow AND a.release = releases.digest \
           AND (a.id IN (SELECT id FROM activations AS l WHERE l.flow = a.flow ORDER BY id DESC LIMIT ?2) \
             OR a.id IN (SELECT back FROM activations AS l WHERE l.flow = a.flow ORDER BY id DESC LIMIT ?2) \
             OR coalesce((SELECT min(n.at) FROM activations AS n WHERE n.flow = a.flow AND n.id > a.id), ?1) >= ?1))",
    )
    .execute(params![before, KEPT])?;
    db.prepare(
        "DELETE FROM release_contents WHERE NOT EXISTS \
         (SELECT 1 FROM releases AS r WHERE r.flow = release_contents.flow AND r.digest = release_contents.release)",
    )
    .execute(NONE)?;
    db.prepare(
        "DELETE FROM contents WHERE NOT EXISTS (SELECT 1 FROM release_contents AS c WHERE c.content = contents.digest)",
    )
    .execute(NONE)?;
    Ok(())
}
