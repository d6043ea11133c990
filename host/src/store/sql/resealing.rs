//! Values are sealed anew, with the key that seals now: at first those that were kept as they are, later those of an older key. A few rows at a time;
//! broken off, it is begun again, and passes over what is done.

use std::collections::BTreeMap;
use std::time::Duration;

use super::statement::{Connection, NONE, params};
use super::{Base, KeyId, Keys, SqlStore, retention, sealing, search, values};
use crate::store::Shared;
use crate::store::{Access, Kept, Millis, Progress, Resealed, Result, Seals, StoreError};

/// Rows looked up at once.
const ROWS: u32 = 200;
/// So long a host takes at most to take up a key that was put into its file, and between two looks whether it has.
const TAKEN_UP: Duration = if cfg!(test) { Duration::from_millis(300) } else { Duration::from_secs(12) };
const LOOK: Duration = Duration::from_millis(100);

/// See [`crate::store::Protection::seals`].
pub(super) fn seals(db: &Connection, keys: &Keys) -> Result<Seals> {
    let mut counted: BTreeMap<String, u64> = BTreeMap::new();
    for column in values::ALL {
        let select = db.prepare(format!(
            "SELECT coalesce(sealed_by({0}), ''), count(*) FROM {1} WHERE {0} IS NOT NULL GROUP BY 1",
            column.column, column.table
        ));
        for row in select.all::<_, Vec<_>>(NONE, |row| Ok((row.get(0)?, row.get::<i64>(1)?)))? {
            let (key, count): (String, i64) = row;
            *counted.entry(key).or_default() += count.unsigned_abs();
        }
    }
    Ok(Seals {
        current: keys.current().map(|key| key.to_string()),
        known: keys.ids().iter().map(ToString::to_string).collect(),
        used: sealing::noted(db)?,
        values: counted,
        words: sealing::of_words(db)?,
    })
}

impl<B: Base> SqlStore<B> {
    /// Takes up keys that were changed where they are kept. What lacks one with which anything is sealed is not taken up; and what seals from then on
    /// is noted before it does: else nobody would miss it at the next start.
    pub(super) async fn take_up_keys(&self, now: Millis) -> Result<()> {
        let keys = self.keys.clone();
        let changed = tokio::task::spawn_blocking(move || keys.changed()).await;
        let Some(ring) = changed.map_err(|error| StoreError::Database(error.to_string()))? else { return Ok(()) };
        let (ids, holds) = (ring.ids(), self.access == Access::Host);
        let noted = self.write(move |db| {
            sealing::check(db, &ids, now)?;
            if holds { sealing::hold(db, ids.first().copied(), now) } else { Ok(()) }
        });
        match noted.await {
            Ok(()) => self.keys.take_up(ring),
            Err(StoreError::Key(why)) => self.keys.refuse(why),
            Err(other) => return Err(other),
        }
        Ok(())
    }

    /// Where a host runs it seals with the same key: another one could not read what is sealed, and would write what is to be sealed once more.
    async fn host_holds(&self, current: KeyId) -> Result<()> {
        let until = tokio::time::Instant::now() + TAKEN_UP;
        loop {
            if !self.has_host().await? {
                return Ok(());
            }
            let held = self.read(sealing::held).await?;
            if held.as_ref() == Some(&current.to_string()) {
                return Ok(());
            }
            if tokio::time::Instant::now() >= until {
                let its = held.map_or_else(|| "has no key".to_owned(), |key| format!("seals with the key {key}"));
                return Err(StoreError::Key(format!(
                    "the host that runs {its}, and [store] key of tandem.toml says {current}: nothing was sealed; start the host anew, so that both have the same key, and try again"
                )));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    pub(super) async fn reseal_all(&self, told: Progress) -> Result<Resealed> {
        let Some(current) = self.keys.current() else {
            return Err(StoreError::Key("[store] key of tandem.toml names no key to seal with".into()));
        };
        self.host_holds(current).await?;
        let now = crate::time::now();
        self.write(move |db| sealing::note(db, current, now)).await?;
        // What was readable before is overwritten.
        self.base.overwrite().await?;
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
                        .write(move |db| {
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
        // Whether that was done stands in the database: broken off, nothing is left to seal, and words are plain still.
        let words = self.read(sealing::of_words).await?;
        if words.as_ref() != Some(&current) {
            self.words_anew().await?;
            let key = current.clone();
            self.write(move |db| sealing::remember(db, sealing::WORDS, &key, crate::time::now())).await?;
        }
        let own = current.clone();
        let left = self.read(move |db| seals_of_others(db, &own)).await?;
        if left.is_empty() {
            // Nothing is sealed with them any more: they need not be there at the next start.
            let forget = move |db: &Connection| {
                db.prepare("DELETE FROM seals WHERE key <> ?1").execute(params![current])?;
                Ok(())
            };
            self.write(forget).await?;
        }
        let wiped = self.base.wipe().await?;
        Ok(Resealed { values: total, wiped })
    }

    /// The words of all events, by which they are found, under the key that seals now.
    async fn words_anew(&self) -> Result<()> {
        let mut after = 0;
        loop {
            // Also of events whose runs are gone.
            let said = self.read(move |db| db.worded(after, ROWS)).await?;
            let Some(last) = said.last().copied() else { return Ok(()) };
            let mut left = said;
            while !left.is_empty() {
                let keys = self.keys.clone();
                left = self
                    .write(move |db| {
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
        let select = db.prepare(format!(
            "SELECT sealed_by({0}) FROM {1} WHERE {0} IS NOT NULL AND sealed_by({0}) IS NOT NULL AND sealed_by({0}) <> ?1 LIMIT 1",
            column.column, column.table
        ));
        let found = select.all::<_, Vec<String>>([current], |row| row.get(0))?;
        others.extend(found);
    }
    Ok(others)
}
