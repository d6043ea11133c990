//! Reading both sides of a comparison, row by row, into where they are joined: all records, those since a day, or one.

use std::collections::{BTreeMap, BTreeSet, HashSet};
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
/// Records that are looked at for one.
const MOST_AROUND: usize = 200;

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

/// What one record leads to, on both sides.
#[derive(Default)]
struct Around {
    salesforce: OnSide,
    b1: OnSide,
}

#[derive(Default)]
struct OnSide {
    ids: Names,
    keys: Names,
    /// In the order in which a whole comparison reads them.
    rows: BTreeMap<(usize, String), ReadRow>,
}

/// Where a row comes by its id: numbers by their size.
fn order(id: &str) -> (usize, String) {
    let is_number = id.bytes().all(|byte| byte.is_ascii_digit());
    (if is_number { id.len() } else { 0 }, id.to_owned())
}

impl Around {
    fn of(&mut self, side: Side) -> &mut OnSide {
        match side {
            Side::Salesforce => &mut self.salesforce,
            Side::B1 => &mut self.b1,
        }
    }

    /// What is to be read next: ids and keys of a side; none when all of it was.
    fn next(&mut self) -> Option<(Side, Vec<String>, Vec<String>)> {
        [Side::Salesforce, Side::B1].into_iter().find_map(|side| {
            let own = self.of(side);
            let (ids, keys) = (own.ids.next(), own.keys.next());
            (!ids.is_empty() || !keys.is_empty()).then_some((side, ids, keys))
        })
    }

    fn rows(&self) -> usize {
        self.salesforce.rows.len() + self.b1.rows.len()
    }
}

/// Names, each of which is asked for once.
#[derive(Default)]
struct Names {
    known: BTreeSet<String>,
    open: Vec<String>,
}

impl Names {
    fn want(&mut self, name: String) {
        if self.known.insert(name.clone()) {
            self.open.push(name);
        }
    }

    fn next(&mut self) -> Vec<String> {
        std::mem::take(&mut self.open)
    }
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
            What::All(_, since) => self.read_all(since, told).await,
        }
    }

    async fn read_all(
        &self,
        since: Option<Millis>,
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

    /// A record, its other half, and whatever else goes by the same key or is linked with one of them, as far as that leads: what is said of a record is
    /// said by all that has to do with it.
    async fn read_one(&self, record: &str) -> Result<(), NotRead> {
        let mut refused = None;
        // A code of B1 may have as many letters as a Salesforce id.
        let names = [(Side::Salesforce, full_id(record)), (Side::B1, Some(record.to_owned()))];
        for (side, id) in names {
            let Some(id) = id else { continue };
            match self.read_around(side, id).await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                // A system may refuse what is no name of its own.
                Err(NotRead::Rows(side, error @ ReadError::Failed(_))) => refused = Some(NotRead::Rows(side, error)),
                Err(other) => return Err(other),
            }
        }
        refused.map_or(Ok(()), Err)
    }

    /// Takes in what an id on one side leads to; false where that is nothing.
    async fn read_around(&self, side: Side, id: String) -> Result<bool, NotRead> {
        let mut around = Around::default();
        around.of(side).ids.want(id.clone());
        for linked in self.linked(side, std::slice::from_ref(&id)).await?.into_iter().flatten() {
            around.of(side.other()).ids.want(linked);
        }
        // What names it, where it is not itself to be seen.
        around.of(side.other()).keys.want(id);
        while let Some((side, ids, keys)) = around.next() {
            let rows = self.rows(side, &ids, &keys).await?;
            let found: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
            for linked in self.linked(side, &found).await?.into_iter().flatten() {
                around.of(side.other()).ids.want(linked);
            }
            for key in rows.iter().map(|row| &row.key).filter(|key| !key.is_empty()) {
                around.of(side).keys.want(key.clone());
                around.of(side.other()).keys.want(key.clone());
            }
            around.of(side).rows.extend(rows.into_iter().map(|row| (order(&row.id), row)));
            if around.rows() > MOST_AROUND {
                let why = format!("more than {MOST_AROUND} records go by its key or are linked with it");
                return Err(NotRead::Rows(side, ReadError::Failed(why)));
            }
        }
        let any = around.rows() > 0;
        for side in [Side::Salesforce, Side::B1] {
            let rows = std::mem::take(&mut around.of(side).rows).into_values().collect();
            self.take(side, rows).await?;
        }
        Ok(any)
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
        if let Some(draft) = self.what.draft() {
            draft.has_room()?;
        }
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
