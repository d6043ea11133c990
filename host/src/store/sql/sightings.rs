//! How sources that compare their records saw each of them last.

use super::statement::{Connection, params};
use crate::store::{Result, Sighting};

/// See [`crate::store::Intake::seen`].
pub fn note(db: &Connection, source: &str, seen: &[Sighting]) -> Result<()> {
    let put = db.prepare("INSERT INTO seen (source, key, digest) VALUES (?1, ?2, ?3) ON CONFLICT (source, key) DO UPDATE SET digest = ?3");
    let forget = db.prepare("DELETE FROM seen WHERE source = ?1 AND key = ?2");
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
    let find = db.prepare("SELECT digest FROM seen WHERE source = ?1 AND key = ?2");
    keys.iter().map(|key| find.first([source, key], |row| row.get(0))).collect()
}

/// See [`crate::store::Store::seen_count`].
pub fn count(db: &Connection, source: &str) -> Result<u64> {
    let count: i64 = db.prepare("SELECT count(*) FROM seen WHERE source = ?1").one([source], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// See [`crate::store::Store::seen_keys`].
pub fn keys(db: &Connection, source: &str, after: &str, limit: u32) -> Result<Vec<String>> {
    let next = db.prepare("SELECT key FROM seen WHERE source = ?1 AND key > ?2 ORDER BY key LIMIT ?3");
    next.all(params![source, after, limit], |row| row.get(0))
}
