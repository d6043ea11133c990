//! How sources that compare their records saw each of them last.

use rusqlite::{Connection, OptionalExtension, params};

use crate::store::{Result, Sighting};

/// See [`crate::store::Intake::seen`].
pub fn note(db: &Connection, source: &str, seen: &[Sighting]) -> Result<()> {
    let mut put = db.prepare_cached("INSERT OR REPLACE INTO seen (source, key, digest) VALUES (?1, ?2, ?3)")?;
    let mut forget = db.prepare_cached("DELETE FROM seen WHERE source = ?1 AND key = ?2")?;
    for own in seen {
        match &own.digest {
            Some(digest) => put.execute([source, &own.key, digest])?,
            None => forget.execute([source, &own.key])?,
        };
    }
    Ok(())
}

/// See [`crate::store::Store::seen`].
pub fn of(db: &Connection, source: &str, keys: &[String]) -> Result<Vec<Option<String>>> {
    let mut find = db.prepare_cached("SELECT digest FROM seen WHERE source = ?1 AND key = ?2")?;
    keys.iter().map(|key| Ok(find.query_row([source, key], |row| row.get(0)).optional()?)).collect()
}

/// See [`crate::store::Store::seen_count`].
pub fn count(db: &Connection, source: &str) -> Result<u64> {
    let count: i64 =
        db.prepare_cached("SELECT count(*) FROM seen WHERE source = ?1")?.query_row([source], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// See [`crate::store::Store::seen_keys`].
pub fn keys(db: &Connection, source: &str, after: &str, limit: u32) -> Result<Vec<String>> {
    let mut next = db.prepare_cached("SELECT key FROM seen WHERE source = ?1 AND key > ?2 ORDER BY key LIMIT ?3")?;
    let keys = next.query_map(params![source, after, limit], |row| row.get(0))?;
    Ok(keys.collect::<rusqlite::Result<_>>()?)
}
