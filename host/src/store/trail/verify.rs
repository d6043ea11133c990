//! Goes through the trail line by line, in flat memory, and says where its chain breaks.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use utoipa::ToSchema;

use super::{CHAINED, Found, Hash, Head, Line, MASKED};
use crate::store::{Millis, People, Result};

/// Lines that are read at once.
pub const PAGE: u32 = 1_000;
/// Breaks that are told one by one, and as many lines whose texts were taken out: of more only how many there are.
const MOST: usize = 1_000;
/// Lines back that a line is looked for behind, when it does not fit behind the one before it.
const BACK: usize = 8;

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = AuditWrong)]
pub enum Wrong {
    /// It says something else than when it was written.
    Changed,
    /// It is not there.
    Missing,
    /// It stands elsewhere than where it was written.
    OutOfOrder,
    /// It has no hash.
    WithoutHash,
    /// A text was taken out, and no line says so.
    TakenOut,
    /// A hash that somebody kept is that of no line.
    HeadNotFound,
}

/// Where the chain breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AuditBreak)]
pub struct Break {
    /// The line's number.
    pub line: i64,
    /// What is wrong.
    pub wrong: Wrong,
    /// The same in words.
    pub says: String,
}

/// A line of which texts were taken out, as a later line says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Masked {
    /// Its number.
    pub line: i64,
    /// Which texts.
    pub texts: Vec<&'static str>,
    /// The line that says so.
    pub told_by: i64,
    /// Who took them out.
    pub by: String,
}

/// What became of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verdict {
    /// How many lines there are.
    pub lines: u64,
    /// When the first was written.
    pub first: Option<Millis>,
    /// The last one; none where there is none with a hash.
    pub head: Option<Head>,
    /// Lines until this one got their hashes when the database was brought to a format that has some: what was changed before that does not show.
    pub chained_later: Option<i64>,
    /// Lines of which texts were taken out.
    pub masked: Vec<Masked>,
    /// How many more of these there are.
    pub masked_more: u64,
    /// Where the chain breaks.
    pub breaks: Vec<Break>,
    /// How many more of these there are.
    pub breaks_more: u64,
}

impl Verdict {
    /// Nothing was changed, and nothing is missing, as far as that can be seen.
    pub fn holds(&self) -> bool {
        self.breaks.is_empty()
    }
}

/// See the module's words.
#[derive(Default)]
pub struct Verifier {
    verdict: Verdict,
    /// Hashes that somebody kept and that were not found yet.
    wanted: Vec<Hash>,
    /// The hash that the next line is to be bound to.
    before: Hash,
    /// What the line before should have had, where it has another one or none.
    due: Option<Hash>,
    /// Hashes of the lines before, with their numbers.
    back: VecDeque<(i64, Hash)>,
    /// The largest number.
    last: i64,
    last_at: Millis,
    seen: i64,
    /// Numbers that are missing though the chain holds, and the line behind them.
    gaps: Vec<(i64, i64)>,
    /// Lines whose texts were taken out and of which no line said so yet.
    unsaid: BTreeMap<i64, Vec<&'static str>>,
}

impl Verifier {
    /// That looks for these hashes, too.
    pub fn new(kept: Vec<Hash>) -> Self {
        Self { wanted: kept, ..Self::default() }
    }

    /// After which number the next lines are to be read.
    pub fn after(&self) -> i64 {
        // Somebody may have put a line before the first.
        if self.verdict.lines == 0 { i64::MIN } else { self.seen }
    }

    /// The next line.
    pub fn line(&mut self, found: &Found) {
        let missing = (found.id > self.last.saturating_add(1)).then(|| (self.last + 1, found.id - 1));
        let due = found.line.as_ref().map(|line| line.chain(self.before));
        self.verdict.lines += 1;
        self.verdict.first = self.verdict.first.or(found.at);
        if let Some(chain) = found.chain {
            self.bound(found, chain, due, missing);
            self.wanted.retain(|kept| *kept != chain);
            self.back.push_front((found.id, chain));
            self.back.truncate(BACK);
            self.before = chain;
            self.due = due.filter(|due| *due != chain);
            let at = found.at.unwrap_or(self.last_at);
            self.verdict.head = Some(Head { line: found.id, at, head: chain.to_string() });
        } else {
            self.breaks(
                found.id,
                Wrong::WithoutHash,
                "it has no hash: it was not written by Tandem, or its hash was taken away",
            );
            self.due = due;
        }
        self.seen = found.id;
        self.last = self.last.max(found.id);
        self.last_at = found.at.unwrap_or(self.last_at);
        if let Some(line) = &found.line {
            self.texts(line);
        }
    }

    /// Whether it is bound to the line before it.
    fn bound(&mut self, found: &Found, chain: Hash, due: Option<Hash>, missing: Option<(i64, i64)>) {
        let Some(line) = &found.line else {
            return self.breaks(found.id, Wrong::Changed, "it holds what no Tandem has written");
        };
        let fits = due == Some(chain) || self.due.is_some_and(|before| line.chain(before) == chain);
        match missing {
            Some((from, to)) if fits => self.gaps.push((from, to)),
            _ if fits => {}
            Some((from, to)) => self.missing(from, to),
            None => {
                let behind = self.back.iter().find(|(_, back)| line.chain(*back) == chain).map(|(id, _)| *id);
                let older = found.at.is_some_and(|at| at < self.last_at);
                match behind {
                    Some(other) => self.breaks(
                        found.id,
                        Wrong::OutOfOrder,
                        format!(
                            "it was written behind what is line {other} now: those between were put there, or moved"
                        ),
                    ),
                    None if older => self.breaks(
                        found.id,
                        Wrong::OutOfOrder,
                        "it is older than the line before it and not bound to it: it was moved, or changed",
                    ),
                    None => self.breaks(found.id, Wrong::Changed, "it says something else than when it was written"),
                }
            }
        }
    }

    /// What it says of other lines, and what others must say of it.
    fn texts(&mut self, line: &Line) {
        let hashed = line.hashed();
        if !hashed.is_empty() {
            self.unsaid.insert(line.id, hashed);
        }
        let words: Vec<&str> = line.what().unwrap_or_default().split(' ').collect();
        match (line.act.as_str(), words.as_slice()) {
            (MASKED, ["line", id]) => {
                let Some((line_id, texts)) = id.parse().ok().and_then(|id| self.unsaid.remove_entry(&id)) else {
                    return;
                };
                if self.verdict.masked.len() == MOST {
                    self.verdict.masked_more += 1;
                    return;
                }
                let by = line.texts[0].told().unwrap_or_default().to_owned();
                self.verdict.masked.push(Masked { line: line_id, texts, told_by: line.id, by });
            }
            (CHAINED, ["lines", "1", "to", last]) if self.verdict.chained_later.is_none() => {
                self.verdict.chained_later = last.parse().ok().filter(|last| *last < line.id);
            }
            _ => {}
        }
    }

    /// There is no other line; `given`: the last number that was given to one.
    pub fn end(mut self, given: i64) -> Verdict {
        let known = self.verdict.chained_later.unwrap_or(0);
        for (from, to) in std::mem::take(&mut self.gaps) {
            // What was not there when the lines got their hashes is no break of the chain.
            if to > known {
                self.missing(from, to);
            }
        }
        if given > self.last {
            self.missing(self.last + 1, given);
        }
        for (id, texts) in std::mem::take(&mut self.unsaid) {
            let says = format!("{} was taken out, and no line says by whom", texts.join(", "));
            self.breaks(id, Wrong::TakenOut, says);
        }
        for kept in std::mem::take(&mut self.wanted) {
            let says = format!("no line has the hash {kept}: lines were cut off, or all was written anew");
            self.breaks(self.last, Wrong::HeadNotFound, says);
        }
        self.verdict.breaks.sort_by_key(|own| own.line);
        self.verdict
    }

    fn missing(&mut self, from: i64, to: i64) {
        let says =
            if from == to { "it is missing".to_owned() } else { format!("the lines {from} to {to} are missing") };
        self.breaks(from, Wrong::Missing, says);
    }

    fn breaks(&mut self, line: i64, wrong: Wrong, says: impl Into<String>) {
        if self.verdict.breaks.len() < MOST {
            self.verdict.breaks.push(Break { line, wrong, says: says.into() });
        } else {
            self.verdict.breaks_more += 1;
        }
    }
}

/// Goes through all of a store's trail; `kept`: hashes that somebody kept, which must be in it.
pub async fn verify<S: People + ?Sized>(store: &S, kept: Vec<Hash>) -> Result<Verdict> {
    let mut verifier = Verifier::new(kept);
    loop {
        let page = store.trail(verifier.after(), PAGE).await?;
        page.lines.iter().for_each(|found| verifier.line(found));
        if page.lines.is_empty() {
            return Ok(verifier.end(page.given));
        }
    }
}
