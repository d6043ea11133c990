//! The rows of one comparison, in a file of their own so that a large company needs no more memory than a small one: joined there by link or key,
//! compared and added up.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, Row, params};
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

use super::ReconcileError;
use super::report::{Field, Kind, Named, Sum};
use crate::sandbox::{Amount, Compared, Needs, ReadRow, digest_of};
use crate::store::{Millis, Side};

/// `side`: 0 Salesforce, 1 B1. `linked`: the other side's id, by its link. `mate`: the row it belongs to.
const SCHEMA: &str = "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA temp_store=FILE; PRAGMA cache_size=-16384;
CREATE TABLE rows (
  n INTEGER PRIMARY KEY, side INTEGER NOT NULL, id TEXT NOT NULL, key TEXT NOT NULL, events TEXT NOT NULL, label TEXT NOT NULL,
  changed INTEGER,
  told TEXT NOT NULL, linked TEXT, parts TEXT NOT NULL, alone TEXT NOT NULL, incomparable TEXT NOT NULL, mate INTEGER
);
CREATE UNIQUE INDEX rows_id ON rows (side, id);
CREATE INDEX rows_key ON rows (side, key) WHERE key <> '';
CREATE INDEX rows_mate ON rows (mate) WHERE mate IS NOT NULL;
CREATE TABLE differences (
  d INTEGER PRIMARY KEY, kind INTEGER NOT NULL, salesforce INTEGER, b1 INTEGER, fields TEXT NOT NULL
);";

/// Links first; then the same key. Of several with one key the first.
const JOIN: &str = "UPDATE rows SET mate = NULL;
UPDATE rows SET mate = s.n FROM
  (SELECT min(n) AS n, linked FROM rows WHERE side = 0 AND linked IS NOT NULL GROUP BY linked) AS s
  WHERE rows.side = 1 AND rows.id = s.linked;
UPDATE rows SET mate = b.n FROM rows AS b WHERE rows.side = 0 AND b.side = 1 AND b.mate = rows.n;
CREATE TEMP TABLE pairs AS SELECT s.n AS s, b.n AS b FROM
  (SELECT min(n) AS n, key FROM rows WHERE side = 0 AND mate IS NULL AND key <> '' AND (linked IS NULL OR ?1) GROUP BY key) AS s JOIN
  (SELECT min(n) AS n, key FROM rows WHERE side = 1 AND mate IS NULL AND key <> '' AND (linked IS NULL OR ?1) GROUP BY key) AS b ON s.key = b.key;
UPDATE rows SET mate = p.b FROM pairs AS p WHERE rows.n = p.s;
UPDATE rows SET mate = p.s FROM pairs AS p WHERE rows.n = p.b;
DROP TABLE pairs;
DELETE FROM differences;";

/// Reasons for which records need none on the other side that are told apart.
const MOST_REASONS: usize = 20;
/// One more with a key that another of its side has.
const IS_DOUBLE: &str = "key <> '' AND EXISTS (SELECT 1 FROM rows AS o WHERE o.side = rows.side AND o.key = rows.key AND o.n <> rows.n \
   AND (o.mate IS NOT NULL OR o.n < rows.n))";

const COLUMNS: [&str; 3] = ["n", "parts", "incomparable"];

/// What is compared of a row.
#[derive(Default, Serialize, Deserialize)]
struct Parts {
    /// What, currency, month, amount, rounding.
    sums: Vec<(String, String, String, Decimal, Decimal)>,
    /// Field, text, the same in the other side's words, whether it is a number.
    values: Vec<(String, String, Option<String>, bool)>,
}

impl Parts {
    fn of(sums: &[Amount], values: &[Compared]) -> Self {
        let sum = |own: &Amount| (own.what.clone(), own.currency.clone(), own.month.clone(), own.amount, own.rounding);
        let value = |own: &Compared| (own.field.clone(), own.text.clone(), own.other.clone(), own.is_number);
        Self { sums: sums.iter().map(sum).collect(), values: values.iter().map(value).collect() }
    }

    /// Amounts by what and currency, with what may be rounded.
    fn totals(&self) -> BTreeMap<(&str, &str), (Decimal, Decimal)> {
        let mut totals: BTreeMap<_, (Decimal, Decimal)> = BTreeMap::new();
        for (what, currency, _, amount, rounding) in &self.sums {
            let own = totals.entry((what.as_str(), currency.as_str())).or_default();
            *own = (own.0 + amount, own.1 + rounding);
        }
        totals
    }
}

/// A record of one side, as far as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// As links and events have it.
    pub id: String,
    /// What tells that rows are one thing.
    pub key: String,
    /// Keys of events about it beside these two.
    pub events: Vec<String>,
    /// What a person knows it by.
    pub label: String,
    /// When it was changed last.
    pub changed: Option<Millis>,
    /// What people were told on it.
    pub told: String,
    /// The other side's id, by its link.
    pub linked: Option<String>,
    /// Why it cannot be compared; empty where it can.
    pub incomparable: String,
    /// Of its amounts and values, and why it cannot be compared: another where one of them is.
    pub digest: String,
}

/// A difference, not explained yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What sort.
    pub kind: Kind,
    /// Salesforce's record.
    pub salesforce: Option<Known>,
    /// B1's record.
    pub b1: Option<Known>,
    /// What differs.
    pub fields: Vec<Field>,
}

/// How many.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// Records in Salesforce.
    pub salesforce: u64,
    /// Records in B1.
    pub b1: u64,
    /// Pairs that agree.
    pub in_step: u64,
    /// Records that need none on the other side, and have none.
    pub alone: u64,
    /// Of them: those that say why, by that.
    pub alone_since: BTreeMap<String, u64>,
    /// Differences by kind.
    pub kinds: BTreeMap<Kind, u64>,
    /// Sums by what, currency and month.
    pub sums: Vec<Sum>,
}

/// By what rows are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// By their links, and by their keys whatever their links say: all is there that links name.
    LinkThenKey,
    /// By their keys only those that are not linked: of a part it is not known whether what a link names is there.
    LinkOrKey,
}

/// See the module's words. Its file goes with it.
#[derive(Clone)]
pub struct Tally {
    db: Arc<Mutex<Connection>>,
}

impl Tally {
    /// Empty, in a file that is not there yet.
    pub fn new(file: &Path) -> Result<Self, ReconcileError> {
        Self::over(Connection::open(file)?)
    }

    /// Empty, for few rows.
    pub fn in_memory() -> Result<Self, ReconcileError> {
        Self::over(Connection::open_in_memory()?)
    }

    fn over(db: Connection) -> Result<Self, ReconcileError> {
        db.execute_batch(SCHEMA)?;
        Ok(Self { db: Arc::new(Mutex::new(db)) })
    }

    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, ReconcileError> + Send + 'static,
    ) -> Result<T, ReconcileError> {
        let db = self.db.clone();
        let work = move || work(&mut lock(&db));
        tokio::task::spawn_blocking(work).await.map_err(|e| ReconcileError::Broken(e.to_string()))?
    }

    /// Takes rows in, with the other side's ids where they are linked. A row that is known already is replaced.
    pub async fn add(&self, side: Side, rows: Vec<(ReadRow, Option<String>)>) -> Result<(), ReconcileError> {
        self.with(move |db| {
            let all = db.transaction()?;
            {
                let mut put = all.prepare_cached(
                    "INSERT OR REPLACE INTO rows \
                     (side, id, key, label, changed, told, linked, parts, events, alone, incomparable) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                )?;
                for (row, linked) in rows {
                    let parts = Parts::of(&row.sums, &row.values);
                    let parts = serde_json::to_string(&parts).map_err(|e| ReconcileError::Broken(e.to_string()))?;
                    put.execute(params![
                        number(side),
                        row.id,
                        row.key,
                        row.label,
                        row.changed,
                        row.told,
                        linked,
                        parts,
                        row.events.join("\n"),
                        row.alone,
                        row.incomparable
                    ])?;
                }
            }
            Ok(all.commit()?)
        })
        .await
    }

    /// Forgets rows, by their ids or keys: they are read anew.
    pub async fn forget(&self, side: Side, ids: Vec<String>, keys: Vec<String>) -> Result<(), ReconcileError> {
        self.with(move |db| {
            let all = db.transaction()?;
            for (column, values) in [("id", &ids), ("key", &keys)] {
                let mut gone = all.prepare_cached(&format!("DELETE FROM rows WHERE side = ?1 AND {column} = ?2"))?;
                for value in values.iter().filter(|value| !value.is_empty()) {
                    gone.execute(params![number(side), value])?;
                }
            }
            Ok(all.commit()?)
        })
        .await
    }

    /// The rows as people know them, `most` of them.
    pub async fn named(&self, most: u32) -> Result<Vec<Named>, ReconcileError> {
        self.with(move |db| {
            let mut list = db.prepare_cached("SELECT side, id, label FROM rows ORDER BY n LIMIT ?1")?;
            let rows = list.query_map([most], |row| {
                let side = if row.get::<_, i64>(0)? == number(Side::B1) { Side::B1 } else { Side::Salesforce };
                Ok(Named { side, id: row.get(1)?, label: row.get(2)? })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Joins the rows, compares the pairs and adds up.
    pub async fn join(&self, needs: Needs, by: By) -> Result<Counts, ReconcileError> {
        self.with(move |db| join(db, needs, by)).await
    }

    /// Differences behind one, in the order in which they were found.
    pub async fn differences(&self, after: i64, most: u32) -> Result<Vec<(i64, Found)>, ReconcileError> {
        self.with(move |db| {
            let mut found = Vec::new();
            let mut list = db.prepare_cached(
                "SELECT d, kind, salesforce, b1, fields FROM differences WHERE d > ?1 ORDER BY d LIMIT ?2",
            )?;
            let mut rows = list.query(params![after, most])?;
            while let Some(row) = rows.next()? {
                let kind: u8 = row.get(1)?;
                let kind =
                    Kind::ALL.get(usize::from(kind)).copied().ok_or_else(|| ReconcileError::Broken("a kind".into()))?;
                let fields: String = row.get(4)?;
                let fields = serde_json::from_str(&fields).map_err(|e| ReconcileError::Broken(e.to_string()))?;
                let (salesforce, b1) = (known(db, row.get(2)?)?, known(db, row.get(3)?)?);
                found.push((row.get(0)?, Found { kind, salesforce, b1, fields }));
            }
            Ok(found)
        })
        .await
    }
}

fn lock(db: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    db.lock().unwrap_or_else(PoisonError::into_inner)
}

fn number(side: Side) -> i64 {
    match side {
        Side::Salesforce => 0,
        Side::B1 => 1,
    }
}

fn known(db: &Connection, n: Option<i64>) -> Result<Option<Known>, ReconcileError> {
    let Some(n) = n else { return Ok(None) };
    let one = "SELECT id, key, label, changed, told, linked, events, incomparable, parts FROM rows WHERE n = ?1";
    let read = |row: &Row<'_>| {
        Ok(Known {
            id: row.get(0)?,
            key: row.get(1)?,
            label: row.get(2)?,
            changed: row.get(3)?,
            told: row.get(4)?,
            linked: row.get(5)?,
            events: row.get::<_, String>(6)?.lines().map(str::to_owned).collect(),
            incomparable: row.get(7)?,
            digest: digest_of(format!("{}\n{}", row.get::<_, String>(7)?, row.get::<_, String>(8)?).as_bytes()),
        })
    };
    Ok(db.prepare_cached(one)?.query_row([n], read).optional()?)
}

/// Amounts of one kind, currency and month.
#[derive(Default)]
struct Line {
    salesforce: Decimal,
    b1: Decimal,
    other_month: Decimal,
    rounding: Decimal,
    alone: Decimal,
}

type Lines = BTreeMap<(String, String, String), Line>;

fn join(db: &mut Connection, needs: Needs, by: By) -> Result<Counts, ReconcileError> {
    let all = db.transaction()?;
    let linked_too = if by == By::LinkThenKey { "1" } else { "0" };
    all.execute_batch(&JOIN.replace("?1", linked_too))?;
    let (mut counts, mut lines) = (Counts::default(), Lines::new());
    {
        let columns = |of: &str| COLUMNS.map(|name| format!("{of}.{name}")).join(",");
        let pairs = format!(
            "SELECT {}, {} FROM rows AS s JOIN rows AS b ON b.n = s.mate WHERE s.side = 0",
            columns("s"),
            columns("b")
        );
        let mut differs =
            all.prepare_cached("INSERT INTO differences (kind, salesforce, b1, fields) VALUES (?1, ?2, ?3, ?4)")?;
        let mut list = all.prepare(&pairs)?;
        let mut rows = list.query([])?;
        while let Some(row) = rows.next()? {
            let (s, b): (i64, i64) = (row.get(0)?, row.get(COLUMNS.len())?);
            let (salesforce, b1) = (parts(row, 1)?, parts(row, COLUMNS.len() + 1)?);
            let why: [String; 2] = [row.get(2)?, row.get(COLUMNS.len() + 2)?];
            counts.salesforce += 1;
            counts.b1 += 1;
            let fields = if why.iter().all(String::is_empty) { compared(&salesforce, &b1) } else { vec![unknown(why)] };
            let agree = fields.is_empty();
            add_pair(&mut lines, &salesforce, &b1, agree);
            if agree {
                counts.in_step += 1;
            } else {
                let fields = serde_json::to_string(&fields).map_err(|e| ReconcileError::Broken(e.to_string()))?;
                differs.execute(params![place(Kind::Differs), s, b, fields])?;
                *counts.kinds.entry(Kind::Differs).or_default() += 1;
            }
        }
        let single = format!("SELECT n, side, parts, {IS_DOUBLE}, alone FROM rows WHERE mate IS NULL");
        let mut list = all.prepare(&single)?;
        let mut rows = list.query([])?;
        while let Some(row) = rows.next()? {
            let (n, side, double): (i64, i64, bool) = (row.get(0)?, row.get(1)?, row.get(3)?);
            let side = if side == 0 { Side::Salesforce } else { Side::B1 };
            let own = parts(row, 2)?;
            let kind = match (side, double) {
                (Side::Salesforce, true) => Some(Kind::DoubleInSalesforce),
                (Side::B1, true) => Some(Kind::DoubleInB1),
                (Side::Salesforce, false) => Some(Kind::MissingInB1),
                (Side::B1, false) => Some(Kind::MissingInSalesforce),
            };
            let why: String = row.get(4)?;
            let kind = kind.filter(|_| double || needs.of(side) && why.is_empty());
            match side {
                Side::Salesforce => counts.salesforce += 1,
                Side::B1 => counts.b1 += 1,
            }
            add_single(&mut lines, &own, side, kind.is_none());
            let Some(kind) = kind else {
                counts.alone += 1;
                if needs.of(side) && (counts.alone_since.len() < MOST_REASONS || counts.alone_since.contains_key(&why))
                {
                    *counts.alone_since.entry(why).or_default() += 1;
                }
                continue;
            };
            let (s, b) = if side == Side::Salesforce { (Some(n), None) } else { (None, Some(n)) };
            differs.execute(params![place(kind), s, b, "[]"])?;
            *counts.kinds.entry(kind).or_default() += 1;
        }
    }
    all.commit()?;
    counts.sums = lines
        .into_iter()
        .map(|((what, currency, month), line)| {
            let difference = line.b1 - line.salesforce;
            Sum {
                what,
                currency,
                month,
                salesforce: line.salesforce,
                b1: line.b1,
                difference,
                other_month: line.other_month,
                rounding: line.rounding,
                alone: line.alone,
                differences: difference - line.other_month - line.rounding - line.alone,
            }
        })
        .collect();
    Ok(counts)
}

fn place(kind: Kind) -> i64 {
    Kind::ALL.iter().position(|own| *own == kind).and_then(|n| i64::try_from(n).ok()).unwrap_or_default()
}

fn parts(row: &Row<'_>, column: usize) -> Result<Parts, ReconcileError> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|e| ReconcileError::Broken(e.to_string()))
}

/// Of a pair that cannot be compared, why.
fn unknown([salesforce, b1]: [String; 2]) -> Field {
    Field { field: "not comparable".into(), salesforce, b1 }
}

/// What differs: amounts by more than is rounded or that only one side has, and values that agree in neither way of saying it; one that a side does not
/// tell is empty there.
fn compared(salesforce: &Parts, b1: &Parts) -> Vec<Field> {
    let mut fields = Vec::new();
    let (here, there) = (salesforce.totals(), b1.totals());
    let mut names: Vec<_> = here.keys().chain(there.keys()).copied().collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let (one, other) = (here.get(&name).copied(), there.get(&name).copied());
        let agree = match (one, other) {
            (Some(one), Some(other)) => (one.0 - other.0).abs() <= one.1.max(other.1),
            _ => false,
        };
        if !agree {
            let field = format!("{} {}", name.0, name.1).trim_end().to_owned();
            let [salesforce, b1] = [one, other].map(|own| own.map(|own| own.0.to_string()).unwrap_or_default());
            fields.push(Field { field, salesforce, b1 });
        }
    }
    let nothing = (String::new(), None, false);
    let by_field = |parts: &'_ Parts| -> BTreeMap<String, (String, Option<String>, bool)> {
        let own = parts.values.iter().cloned();
        own.map(|(field, text, other, is_number)| (field, (text, other, is_number))).collect()
    };
    let (here, there) = (by_field(salesforce), by_field(b1));
    let names: BTreeSet<&String> = here.keys().chain(there.keys()).collect();
    for name in names {
        let (one, other) = (here.get(name).unwrap_or(&nothing), there.get(name).unwrap_or(&nothing));
        let agree =
            one.0 == other.0 || one.1.is_some() && one.1 == other.1 || one.2 && other.2 && is_rounded(&one.0, &other.0);
        if !agree {
            fields.push(Field { field: name.clone(), salesforce: one.0.clone(), b1: other.0.clone() });
        }
    }
    fields
}

/// One number is the other, rounded to two to six places: how many a system keeps is a setting of the company or of the field.
fn is_rounded(one: &str, other: &str) -> bool {
    let (Ok(one), Ok(other)) = (one.parse::<Decimal>(), other.parse::<Decimal>()) else { return false };
    let to = |own: Decimal, places| own.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero);
    (2..=6).any(|places| to(one, places) == other || to(other, places) == one)
}

/// Adds a pair to the sums. Of one that agrees, what differs is a month or a rounding.
fn add_pair(lines: &mut Lines, salesforce: &Parts, b1: &Parts, agree: bool) {
    add_single(lines, salesforce, Side::Salesforce, false);
    add_single(lines, b1, Side::B1, false);
    if !agree {
        return;
    }
    let by_month = |parts: &Parts| -> Lines {
        let mut own = Lines::new();
        add_single(&mut own, parts, Side::B1, false);
        own
    };
    let (here, mut there) = (by_month(salesforce), by_month(b1));
    // What left for another month, by what it is and its currency: what arrives there more or less than that was rounded.
    let mut left: BTreeMap<(String, String), Decimal> = BTreeMap::new();
    for (name, own) in here {
        let line = lines.entry(name.clone()).or_default();
        match there.remove(&name) {
            Some(other) => line.rounding += other.b1 - own.b1,
            None => {
                line.other_month -= own.b1;
                *left.entry((name.0, name.1)).or_default() += own.b1;
            }
        }
    }
    // In their order: of several months each has its own, and the last one what is left.
    let mut arriving = there.into_iter().peekable();
    while let Some(((what, currency, month), other)) = arriving.next() {
        let is_last = arriving.peek().is_none_or(|((own, of, _), _)| *own != what || *of != currency);
        let arrives = match left.get_mut(&(what.clone(), currency.clone())) {
            Some(left) if is_last => std::mem::take(left),
            Some(left) => {
                *left -= other.b1;
                other.b1
            }
            None => other.b1,
        };
        let line = lines.entry((what, currency, month)).or_default();
        line.other_month += arrives;
        line.rounding += other.b1 - arrives;
    }
}

fn add_single(lines: &mut Lines, parts: &Parts, side: Side, alone: bool) {
    for (what, currency, month, amount, _) in &parts.sums {
        let line = lines.entry((what.clone(), currency.clone(), month.clone())).or_default();
        let signed = match side {
            Side::Salesforce => {
                line.salesforce += amount;
                -*amount
            }
            Side::B1 => {
                line.b1 += amount;
                *amount
            }
        };
        if alone {
            line.alone += signed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, key: &str) -> ReadRow {
        ReadRow {
            id: id.into(),
            key: key.into(),
            events: Vec::new(),
            label: id.into(),
            changed: None,
            sums: Vec::new(),
            values: Vec::new(),
            told: String::new(),
            alone: String::new(),
            incomparable: String::new(),
        }
    }

    fn money(row: ReadRow, month: &str, amount: &str, rounding: &str) -> ReadRow {
        let (amount, rounding) = (amount.parse().unwrap(), rounding.parse().unwrap());
        let sum = Amount { what: "net".into(), currency: "EUR".into(), month: month.into(), amount, rounding };
        ReadRow { sums: vec![sum], ..row }
    }

    fn value(row: ReadRow, text: &str, other: Option<&str>) -> ReadRow {
        let is_number = text.parse::<Decimal>().is_ok();
        let value = Compared { field: "Name".into(), text: text.into(), other: other.map(str::to_owned), is_number };
        ReadRow { values: vec![value], ..row }
    }

    async fn tally(salesforce: Vec<(ReadRow, Option<&str>)>, b1: Vec<ReadRow>) -> (tempfile::TempDir, Tally) {
        let folder = tempfile::tempdir().unwrap();
        let tally = Tally::new(&folder.path().join("rows")).unwrap();
        let salesforce = salesforce.into_iter().map(|(row, linked)| (row, linked.map(str::to_owned))).collect();
        tally.add(Side::Salesforce, salesforce).await.unwrap();
        tally.add(Side::B1, b1.into_iter().map(|row| (row, None)).collect()).await.unwrap();
        (folder, tally)
    }

    async fn kinds(tally: &Tally) -> Vec<(Kind, String, String)> {
        let id = |known: Option<Known>| known.map(|known| known.id).unwrap_or_default();
        let found = tally.differences(0, 100).await.unwrap();
        found.into_iter().map(|(_, own)| (own.kind, id(own.salesforce), id(own.b1))).collect()
    }

    #[tokio::test]
    async fn rows_belong_together_by_link_then_by_key_and_one_too_many_is_double() {
        let salesforce = vec![
            (row("S1", "k1"), Some("B9")),
            (row("S2", "k2"), None),
            (row("S3", "k3"), None),
            (row("S4", ""), None),
        ];
        // B1 has k1 twice: the linked one is its own, the other one too many.
        let b1 = vec![row("B1", "k1"), row("B9", "k1"), row("B2", "k2"), row("B5", "k5"), row("B6", "")];
        let (_folder, tally) = tally(salesforce, b1).await;
        let counts = tally.join(Needs::Both, By::LinkThenKey).await.unwrap();
        assert_eq!((counts.salesforce, counts.b1, counts.in_step, counts.alone), (4, 5, 2, 0));
        let told = kinds(&tally).await;
        let has = |kind, s: &str, b: &str| told.contains(&(kind, s.to_owned(), b.to_owned()));
        assert!(has(Kind::DoubleInB1, "", "B1"), "{told:?}");
        assert!(has(Kind::MissingInB1, "S3", "") && has(Kind::MissingInB1, "S4", ""), "{told:?}");
        assert!(has(Kind::MissingInSalesforce, "", "B5") && has(Kind::MissingInSalesforce, "", "B6"), "{told:?}");
        assert_eq!(told.len(), 5);
        // Where only Salesforce's rows need one, B1's others are alone; one too many is so in any case.
        let counts = tally.join(Needs::Salesforce, By::LinkThenKey).await.unwrap();
        assert_eq!((counts.alone, kinds(&tally).await.len()), (2, 3));
    }

    #[tokio::test]
    async fn sums_are_exact_and_their_difference_is_told_by_its_parts() {
        let salesforce = vec![
            (money(row("S1", "1"), "2026-10", "0.10", "0.01"), None),
            (money(row("S2", "2"), "2026-11", "100.00", "0"), None),
            (money(row("S3", "3"), "2026-11", "50.00", "0"), None),
            (money(row("S4", "4"), "2026-11", "7.00", "0"), None),
            (money(row("S5", "5"), "2027-01", "12424.02", "0.01"), None),
        ];
        let b1 = vec![
            money(row("B1", "1"), "2026-10", "0.11", "0"),
            money(row("B2", "2"), "2026-12", "100.00", "0"),
            money(row("B3", "3"), "2026-11", "50.01", "0"),
            money(row("B5", "5"), "2027-02", "12424.03", "0"),
        ];
        let (_folder, tally) = tally(salesforce, b1).await;
        let counts = tally.join(Needs::Both, By::LinkThenKey).await.unwrap();
        assert_eq!(counts.in_step, 3, "a cent that is rounded, another month, and both");
        let line = |month: &str| counts.sums.iter().find(|sum| sum.month == month).unwrap();
        let all = |sum: &Sum| {
            [sum.salesforce, sum.b1, sum.difference, sum.other_month, sum.rounding, sum.differences]
                .map(|amount| amount.normalize().to_string())
        };
        assert_eq!(all(line("2026-10")), ["0.1", "0.11", "0.01", "0", "0.01", "0"]);
        assert_eq!(all(line("2026-11")), ["157", "50.01", "-106.99", "-100", "0", "-6.99"]);
        assert_eq!(all(line("2026-12")), ["0", "100", "100", "100", "0", "0"]);
        // What is in another month adds up to nothing, and the cent is told apart.
        assert_eq!(all(line("2027-01")), ["12424.02", "0", "-12424.02", "-12424.02", "0", "0"]);
        assert_eq!(all(line("2027-02")), ["0", "12424.03", "12424.03", "12424.02", "0.01", "0"]);
        let found = tally.differences(0, 10).await.unwrap();
        let fields = &found.iter().find(|(_, own)| own.kind == Kind::Differs).unwrap().1.fields;
        assert_eq!(fields[0], Field { field: "net EUR".into(), salesforce: "50.00".into(), b1: "50.01".into() });
    }

    #[tokio::test]
    async fn values_agree_that_agree_in_the_words_of_one_side() {
        let salesforce = vec![
            (value(row("S1", "1"), "Germany", Some("DE")), None),
            (value(row("S2", "2"), "Germany", Some("DE")), None),
            (value(row("S3", "3"), "a", None), None),
        ];
        let b1 = vec![
            value(row("B1", "1"), "Deutschland", Some("DE")),
            value(row("B2", "2"), "Austria", Some("AT")),
            row("B3", "3"),
        ];
        let (_folder, tally) = tally(salesforce, b1).await;
        let counts = tally.join(Needs::Both, By::LinkThenKey).await.unwrap();
        assert_eq!(counts.in_step, 1);
        let told = kinds(&tally).await;
        assert_eq!(told[0], (Kind::Differs, "S2".into(), "B2".into()));
        assert_eq!(told[1], (Kind::Differs, "S3".into(), "B3".into()), "what only one side tells");
        assert_eq!(told.len(), 2);
    }

    #[tokio::test]
    async fn numbers_agree_as_a_system_rounds_them_and_nothing_is_no_zero() {
        let salesforce = vec![
            (value(row("S1", "1"), "0.33", None), None),
            (value(row("S2", "2"), "0.34", None), None),
            (money(row("S3", "3"), "", "0", "0"), None),
            (value(row("S4", "4"), "", None), None),
        ];
        let b1 = vec![
            value(row("B1", "1"), "0.3333333", None),
            value(row("B2", "2"), "0.3333333", None),
            row("B3", "3"),
            row("B4", "4"),
        ];
        let (_folder, tally) = tally(salesforce, b1).await;
        assert_eq!(tally.join(Needs::Both, By::LinkThenKey).await.unwrap().in_step, 2);
        let told = kinds(&tally).await;
        let differ: Vec<_> = told.iter().map(|(_, id, _)| id.as_str()).collect();
        assert_eq!(differ, ["S2", "S3"], "empty and not told are one, nothing and an amount of zero are not");
    }

    #[tokio::test]
    async fn what_cannot_be_compared_is_not_in_step_and_what_needs_none_is_counted_by_its_reason() {
        let salesforce = vec![(row("S1", "1"), None)];
        let of_nobody = |id: &str| ReadRow { alone: "its customer has no account".into(), ..row(id, id) };
        let b1 = vec![
            ReadRow { incomparable: "no such country: XX".into(), ..row("B1", "1") },
            of_nobody("B2"),
            of_nobody("B3"),
        ];
        let (_folder, tally) = tally(salesforce, b1).await;
        let counts = tally.join(Needs::Both, By::LinkThenKey).await.unwrap();
        assert_eq!((counts.in_step, counts.alone), (0, 2));
        assert_eq!(counts.alone_since, BTreeMap::from([("its customer has no account".to_owned(), 2)]));
        let found = tally.differences(0, 10).await.unwrap();
        assert_eq!((found.len(), found[0].1.fields[0].b1.as_str()), (1, "no such country: XX"));
    }

    #[tokio::test]
    async fn of_a_part_no_second_record_takes_the_place_of_the_linked_one() {
        // What S1 is linked with was not changed since, and is not read yet.
        let (_folder, tally) = tally(vec![(row("S1", "k"), Some("B9"))], vec![row("B1", "k")]).await;
        let counts = tally.join(Needs::Both, By::LinkOrKey).await.unwrap();
        assert_eq!((counts.in_step, kinds(&tally).await.len()), (0, 2), "both are looked at once more");
        tally.add(Side::B1, vec![(row("B9", "k"), None)]).await.unwrap();
        let counts = tally.join(Needs::Both, By::LinkThenKey).await.unwrap();
        assert_eq!((counts.in_step, kinds(&tally).await), (1, vec![(Kind::DoubleInB1, String::new(), "B1".into())]));
    }

    #[tokio::test]
    async fn what_is_read_anew_stands_for_what_was_read_before() {
        let (_folder, tally) = tally(vec![(row("S1", "1"), None)], vec![row("B2", "2")]).await;
        assert_eq!(tally.join(Needs::Both, By::LinkThenKey).await.unwrap().in_step, 0);
        tally.forget(Side::B1, vec![], vec!["2".into(), "1".into()]).await.unwrap();
        tally.add(Side::B1, vec![(row("B1", "1"), None)]).await.unwrap();
        assert_eq!(tally.join(Needs::Both, By::LinkThenKey).await.unwrap().in_step, 1);
        assert!(kinds(&tally).await.is_empty());
    }
}
