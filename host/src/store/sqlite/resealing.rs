//! Values are sealed anew, with the key that seals now: at first those that were kept as they are, later those of an older key. A few rows at a time;
//! broken off, it is begun again, and passes over what is done.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::{Keys, SqliteStore, retention, sealing, search, values};
use crate::store::{Kept, Progress, Result, Seals, StoreError};

/// Rows looked up at once.
const ROWS: u32 = 200;

/// See [`crate::store::Protection::seals`].
pub(super) fn seals(db: &Connection, keys: &Keys) -> Result<Seals> {
    let mut counted: BTreeMap<String, u64> = BTreeMap::new();
    for column in values::ALL {
        let mut select = db.prepare(&format!(
            "SELECT coalesce(sealed_by({0}), ''), count(*) FROM {1} WHERE {0} IS NOT NULL GROUP BY 1",
            column.column, column.table
        ))?;
        for row in select.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))? {
            let (key, count) = row?;
            *counted.entry(key).or_default() += count.unsigned_abs();
        }
    }
    Ok(Seals {
        current: keys.current().map(|key| key.to_string()),
        known: keys.ids().iter().map(ToString::to_string).collect(),
        used: sealing::noted(db)?,
        values: counted,
    })
}

impl SqliteStore {
    pub(super) async fn reseal_all(&self, told: Progress) -> Result<u64> {
        let Some(current) = self.keys.current() else {
            return Err(StoreError::Key("[store] key of tandem.toml names no key to seal with".into()));
        };
        let now = crate::time::now();
        self.writer.run(move |db| sealing::note(db, current, now)).await?;
        // What was readable before is overwritten.
        self.overwrite().await?;
        let current = current.to_string();
        let of = self.read(|db| values::ALL.iter().map(|column| column.rows(db)).sum::<Result<u64>>()).await?;
        let (mut before, mut total) = (0, 0);
        for column in values::ALL {
            let mut after = column.start();
            let mut done = 0;
            loop {
                let (from, key) = (after.clone(), current.clone());
                let rows = self.read(move |db| column.unsealed(db, &key, &from, ROWS)).await?;
                let Some(last) = rows.last().cloned() else { break };
                done += rows.len() as u64;
                let mut left = rows;
                while !left.is_empty() {
                    left = self
                        .writer
                        .run(move |db| {
                            let places: Vec<i64> = (0..left.len() as i64).collect();
                            let sealed = retention::bite(&places, |place| match left.get(place as usize) {
                                Some(row) => column.reseal(db, row),
                                None => Ok(()),
                            })?;
                            Ok(left.split_off(sealed))
                        })
                        .await?;
                }
                after = last;
                told(before + done, of);
            }
            total += done;
            before += self.read(move |db| column.rows(db)).await?;
            told(before.min(of), of);
        }
        if total > 0 {
            self.words_anew().await?;
        }
        let own = current.clone();
        let left = self.read(move |db| seals_of_others(db, &own)).await?;
        if left.is_empty() {
            // Nothing is sealed with them any more: they need not be there at the next start.
            let forget = move |db: &Connection| {
                db.execute("DELETE FROM seals WHERE key <> ?1", params![current])?;
                Ok(())
            };
            self.writer.run(forget).await?;
        }
        self.wipe().await?;
        Ok(total)
    }

    /// The words of all events that ran, by which they are found, under the key that seals now.
    async fn words_anew(&self) -> Result<()> {
        let mut after = 0;
        loop {
            let ran = self
                .read(move |db| {
                    let ids: Vec<i64> = db
                        .prepare_cached(
                            "SELECT DISTINCT n.event FROM run_events AS n JOIN runs AS r ON r.id = n.run \
                             WHERE n.event > ?1 AND r.packed = 1 ORDER BY n.event LIMIT ?2",
                        )?
                        .query_map(params![after, ROWS], |row| row.get(0))?
                        .collect::<rusqlite::Result<_>>()?;
                    Ok(ids)
                })
                .await?;
            let Some(last) = ran.last().copied() else { return Ok(()) };
            let mut left = ran;
            while !left.is_empty() {
                let keys = self.keys.clone();
                left = self
                    .writer
                    .run(move |db| {
                        let none: BTreeMap<String, Kept> = BTreeMap::new();
                        let done = retention::bite(&left, |event| search::keep_words_of(db, event, &none, &keys))?;
                        Ok(left.split_off(done))
                    })
                    .await?;
            }
            after = last;
        }
    }
}

/// Keys other than this one with which anything is sealed still.
fn seals_of_others(db: &Connection, current: &str) -> Result<Vec<String>> {
    let mut others = Vec::new();
    for column in values::ALL {
        let mut select = db.prepare(&format!(
            "SELECT sealed_by({0}) FROM {1} WHERE {0} IS NOT NULL AND sealed_by({0}) IS NOT NULL AND sealed_by({0}) <> ?1 LIMIT 1",
            column.column, column.table
        ))?;
        let found = select.query_map([current], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
        others.extend(found);
    }
    Ok(others)
}
