//! Reading both sides of a comparison, row by row, into where they are joined: all records, those since a day, or one.

use std::collections::{BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::files::Draft;
use super::tally::{By, Counts, Found, Tally};
use super::{EXPLAINED, ReconcileError, Step};
use crate::connections::salesforce::full_id;
use crate::engine::Flow;
use crate::engine::reading::Reading;
use crate::sandbox::{Comparable, ReadError, ReadRow};
use crate::store::{Millis, Side, Store, StoreError};

/// Rows that are looked at once more in one go.
const AGAIN: usize = 100;
/// Rows that are looked at once more at most: where very much differs it is no moment's doing.
const MOST_AGAIN: u64 = 5_000;
/// Records of a page at first: where that is too much, it is halved.
const PAGE: u32 = 1_000;
/// A clock of another machine may be so far behind: what was changed so shortly before is looked at once more.
const SKEW: Millis = 120_000;
/// Bytes of links that are looked at in one go.
const LINK_BYTES: u64 = 64 << 20;
/// Ids whose links are looked up in one go.
const LINK_IDS: usize = 500;

/// Of which records both sides are read.
#[derive(Clone, Copy)]
pub(super) enum What<'a> {
    /// All, or those that were changed or dated since then. What is found is written into a report.
    All(&'a Draft, Option<Millis>),
    /// One, by its id in either system.
    One(&'a str),
}

impl What<'_> {
    /// Only what was changed or dated since then.
    pub fn since(self) -> Option<Millis> {
        match self {
            Self::All(_, since) => since,
            Self::One(_) => None,
        }
    }

    /// What is found says how the whole flow stands.
    pub fn is_whole(self) -> bool {
        matches!(self, Self::All(_, None))
    }

    /// The report that is being made.
    pub fn draft(&self) -> Option<&Draft> {
        match self {
            Self::All(draft, _) => Some(draft),
            Self::One(_) => None,
        }
    }

    /// Where the rows of a comparison are joined.
    pub fn tally(self) -> Result<Tally, ReconcileError> {
        match self {
            Self::All(draft, _) => Tally::new(&draft.scratch()),
            Self::One(_) => Tally::in_memory(),
        }
    }
}

/// Why rows are not all there.
pub(super) enum NotRead {
    /// Those of a side.
    Rows(Side, ReadError),
    /// The host's own part.
    Host(ReconcileError),
}

impl<E: Into<ReconcileError>> From<E> for NotRead {
    fn from(error: E) -> Self {
        Self::Host(error.into())
    }
}

/// The two sides of one comparison.
pub(super) struct Sides<'a> {
    pub flow: &'a Flow,
    pub reading: &'a Reading<'a>,
    pub own: &'a Comparable,
    pub tally: Tally,
    pub store: &'a dyn Store,
    pub what: What<'a>,
    pub began: Millis,
}

/// Pages without a row, one after the other, after which a side is given up.
const MOST_EMPTY: u32 = 1_000;

/// Where a plugin's pages have led, so that reading a side comes to an end whatever the plugin says: rows are bounded by the room that is left.
#[derive(Default)]
struct Way {
    seen: HashSet<u64>,
    empty: u32,
}

impl Way {
    /// The next page begins there; why not, where that leads nowhere.
    fn goes_on(&mut self, next: &str, rows: u64) -> Result<(), String> {
        self.empty = if rows == 0 { self.empty + 1 } else { 0 };
        let mut hasher = DefaultHasher::new();
        next.hash(&mut hasher);
        if !self.seen.insert(hasher.finish()) {
            return Err(format!("the plugin goes on where it was ({next:?})"));
        }
        if self.empty > MOST_EMPTY {
            return Err(format!("the plugin goes on without end: {MOST_EMPTY} pages held no row (now {next:?})"));
        }
        Ok(())
    }
}

impl Sides<'_> {
    /// Reads them, joins them, and looks once more at what differs and was changed meanwhile. With it: how many that were not looked at again.
    pub async fn read(&self, told: &(dyn Fn(Step, u64) + Sync)) -> Result<(Counts, u64), NotRead> {
        match self.what {
            What::One(record) => {
                self.read_one(record).await?;
                Ok((self.tally.join(self.own.needs, By::LinkThenKey).await?, 0))
            }
            What::All(draft, since) => self.read_all((draft, since), told).await,
        }
    }

    async fn read_all(
        &self,
        (draft, since): (&Draft, Option<Millis>),
        told: &(dyn Fn(Step, u64) + Sync),
    ) -> Result<(Counts, u64), NotRead> {
        let mut rows = 0;
        for (side, step) in [(Side::Salesforce, Step::ReadingSalesforce), (Side::B1, Step::ReadingB1)] {
            let (mut cursor, mut most) = (None::<String>, PAGE);
            let mut way = Way::default();
            loop {
                told(step, rows);
                let page = self.reading.page((&self.own.name, side), since, cursor.as_deref(), &mut most).await;
                let page = page.map_err(|error| NotRead::Rows(side, error))?;
                let found = page.rows.len() as u64;
                rows += found;
                draft.has_room()?;
                self.take(side, page.rows).await?;
                let Some(next) = page.next else { break };
                way.goes_on(&next, found).map_err(|why| NotRead::Rows(side, ReadError::Failed(why)))?;
                cursor = Some(next);
            }
        }
        told(Step::Comparing, rows);
        let by = if since.is_some() { By::LinkOrKey } else { By::LinkThenKey };
        let counts = self.tally.join(self.own.needs, by).await?;
        let (again, left) = self.look_again().await?;
        if again == 0 {
            return Ok((counts, left));
        }
        Ok((self.tally.join(self.own.needs, By::LinkThenKey).await?, left))
    }

    /// A record, its other half, and whatever else goes by the same key: one too many is to be seen.
    async fn read_one(&self, record: &str) -> Result<(), NotRead> {
        // A code of B1 may have as many letters as a Salesforce id.
        let names = [(Side::Salesforce, full_id(record)), (Side::B1, Some(record.to_owned()))];
        for (side, id) in names {
            let Some(id) = id.map(|id| vec![id]) else { continue };
            let linked: Vec<String> = self.linked(side, &id).await?.into_iter().flatten().collect();
            let rows = self.rows(side, &id, &[]).await?;
            if rows.is_empty() && linked.is_empty() {
                continue;
            }
            let mut keys = BTreeSet::new();
            let mut learn = |rows: &[ReadRow]| {
                keys.extend(rows.iter().map(|row| row.key.clone()).filter(|key| !key.is_empty()));
                keys.iter().cloned().collect::<Vec<_>>()
            };
            let known = learn(&rows);
            self.take(side, rows).await?;
            let others = self.rows(side.other(), &linked, &known).await?;
            let known = learn(&others);
            self.take(side.other(), others).await?;
            self.take(side, self.rows(side, &[], &known).await?).await?;
            break;
        }
        Ok(())
    }

    async fn rows(&self, side: Side, ids: &[String], keys: &[String]) -> Result<Vec<ReadRow>, NotRead> {
        if ids.is_empty() && keys.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.reading.rows((&self.own.name, side), ids, keys).await;
        rows.map_err(|error| NotRead::Rows(side, error))
    }

    /// Rows with the other side's ids, where they are linked.
    async fn take(&self, side: Side, rows: Vec<ReadRow>) -> Result<(), ReconcileError> {
        let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
        let linked = self.linked(side, &ids).await?;
        self.tally.add(side, rows.into_iter().zip(linked).collect()).await
    }

    async fn linked(&self, side: Side, ids: &[String]) -> Result<Vec<Option<String>>, StoreError> {
        let Some(kind) = &self.own.link_kind else { return Ok(vec![None; ids.len()]) };
        let mut linked = Vec::with_capacity(ids.len());
        for some in ids.chunks(LINK_IDS) {
            let found = self.store.links_find(&self.flow.bound.scope, kind, side, some, LINK_BYTES).await?;
            let found = found.ok_or_else(|| StoreError::Database("links of more than 64 MiB".into()))?;
            linked.extend(
                found
                    .into_iter()
                    .map(|link| link.map(|link| if side == Side::B1 { link.salesforce_id } else { link.b1_id })),
            );
        }
        Ok(linked)
    }

    /// A company goes on working meanwhile: what differs and was changed since this began, or is not among what was changed since a day, is read anew. How
    /// many were, and how many should have been and are too many.
    async fn look_again(&self) -> Result<(u64, u64), NotRead> {
        let (mut after, mut again) = (0, Vec::new());
        let (mut read, mut left) = (0, 0);
        loop {
            let page = self.tally.differences(after, EXPLAINED).await?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            for (_, found) in page.into_iter().filter(|(_, found)| self.may_be_over(found)) {
                if read == MOST_AGAIN {
                    left += 1;
                    continue;
                }
                read += 1;
                again.push(found);
            }
            while again.len() >= AGAIN {
                self.anew(again.drain(..AGAIN).collect()).await?;
            }
        }
        if !again.is_empty() {
            self.anew(again).await?;
        }
        // Of a part it would be told that records are missing which only were not changed.
        if left > 0 && self.what.since().is_some() {
            let why = format!("too many differ to look again ({MOST_AGAIN} at most); compare without --since");
            return Err(NotRead::Rows(Side::B1, ReadError::Failed(why)));
        }
        Ok((read, left))
    }

    fn may_be_over(&self, found: &Found) -> bool {
        let mut both = [&found.salesforce, &found.b1].into_iter().flatten();
        let alone = found.salesforce.is_none() || found.b1.is_none();
        self.what.since().is_some() && alone
            || both.any(|known| known.changed.is_none_or(|changed| changed >= self.began - SKEW))
    }

    async fn anew(&self, all: Vec<Found>) -> Result<(), NotRead> {
        for side in [Side::Salesforce, Side::B1] {
            let (mut ids, mut keys) = (Vec::new(), Vec::new());
            for found in &all {
                let (own, other) = match side {
                    Side::Salesforce => (&found.salesforce, &found.b1),
                    Side::B1 => (&found.b1, &found.salesforce),
                };
                match (own, other) {
                    (Some(own), _) => ids.push(own.id.clone()),
                    (None, Some(other)) => {
                        ids.extend(other.linked.clone());
                        keys.extend(Some(other.key.clone()).filter(|key| !key.is_empty()));
                    }
                    (None, None) => {}
                }
            }
            if ids.is_empty() && keys.is_empty() {
                continue;
            }
            let rows = self.rows(side, &ids, &keys).await?;
            self.tally.forget(side, ids, keys).await?;
            self.take(side, rows).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_comes_to_an_end_whatever_the_plugin_says_of_its_pages() {
        let mut way = Way::default();
        assert!(
            (0..5_000).all(|page| way.goes_on(&page.to_string(), 1).is_ok()),
            "rows are bounded by the room that is left"
        );
        let mut way = Way::default();
        assert!(way.goes_on("a", 0).and_then(|()| way.goes_on("b", 0)).is_ok());
        assert!(way.goes_on("a", 3).unwrap_err().contains("goes on where it was"), "a circle of two");
        let mut way = Way::default();
        let ended = (0..10_000).find_map(|page| way.goes_on(&page.to_string(), 0).err());
        assert!(ended.unwrap_or_default().contains("without end"));
    }
}
