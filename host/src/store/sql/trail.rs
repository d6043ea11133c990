//! The audit trail's chain in SQL: lines get their hashes where they are written, and are read as whatever stands there.

use ring::rand::{SecureRandom, SystemRandom};

use super::statement::{Connection, NONE, Row, params};
use crate::store::trail::{CHAINED, Found, Hash, Head, Line, MASKED, Page, SALT, TEXTS, Text};
use crate::store::{Act, Millis, Result, StoreError, Via};

/// The first format in which lines have hashes.
pub const FORMAT: i64 = 12;
/// Lines that get their hashes at once.
const ROWS: u32 = 1_000;
/// What the host notes of the trail itself.
const HOST: &str = "tandem";

const COLUMNS: &str = "id, at, via, act, outcome, who, what, why, address, client, salts, chain";

/// Adds a line. In a transaction that is the only one to write: nobody else binds a line to the same one.
pub fn add(db: &Connection, act: &Act) -> Result<()> {
    // What is no hash is a break, wherever the next one is bound to.
    let before = before(db, i64::MAX)?.and_then(|found| found.chain).unwrap_or(Hash::NONE);
    // As it is given where none is said: also after lines were taken away the next one has a number of its own.
    let id = db.last_line()?.max(db.prepare("SELECT coalesce(max(id), 0) FROM acts").one(NONE, |row| row.get(0))?) + 1;
    let mut salts = Salts::fresh(1)?;
    let line = Line {
        id,
        at: act.at,
        via: act.via.word().into(),
        act: act.act.clone(),
        outcome: act.outcome.word().into(),
        texts: salts.salted([
            Some(act.who.clone()),
            Some(act.what.clone()),
            act.why.clone(),
            act.address.clone(),
            act.client.clone(),
        ]),
    };
    let chain = line.chain(before);
    let Line { at, via, act, outcome, texts, .. } = line;
    let ([who, what, why, address, client], salts) = into_row(texts);
    db.prepare(
        "INSERT INTO acts (id, at, via, act, outcome, who, what, why, address, client, salts, chain) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )
    .execute(params![id, at, via, act, outcome, who, what, why, address, client, salts, chain.0.as_slice()])?;
    Ok(())
}

/// Lines behind one, and the last number given.
pub fn page(db: &Connection, after: i64, limit: u32) -> Result<Page> {
    let select = db.prepare(format!("SELECT {COLUMNS} FROM acts WHERE id > ?1 ORDER BY id LIMIT ?2"));
    let lines = select.all(params![after, limit], found)?;
    Ok(Page { lines, given: db.last_line()? })
}

/// The last line with a hash before one.
pub fn before(db: &Connection, line: i64) -> Result<Option<Found>> {
    let sql = format!("SELECT {COLUMNS} FROM acts WHERE id < ?1 AND chain IS NOT NULL ORDER BY id DESC LIMIT 1");
    db.prepare(&sql).first([line], found)
}

/// The newest line that has a hash.
pub fn head(db: &Connection) -> Result<Option<Head>> {
    let last = before(db, i64::MAX)?;
    Ok(last.and_then(|last| Some(Head { line: last.id, at: last.at?, head: last.chain?.to_string() })))
}

/// Numbers of the first line that was written since, and of the last one until then.
pub fn between(db: &Connection, since: Millis, until: Millis) -> Result<Option<(i64, i64)>> {
    let sql = "SELECT (SELECT min(id) FROM acts WHERE at >= ?1), (SELECT max(id) FROM acts WHERE at <= ?2)";
    let (first, last): (Option<i64>, Option<i64>) =
        db.prepare(sql).one(params![since, until], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(first.zip(last).filter(|(first, last)| first <= last))
}

/// A row, whatever somebody has made of it.
fn found(row: &Row<'_>) -> Result<Found> {
    let at = row.get("at").ok();
    let chain = row.get("chain").ok().map(Hash);
    let id = row.get("id")?;
    Ok(Found { id, at, line: line(row, id).ok().flatten(), chain })
}

/// What a row says; none, or an error, where no Tandem has written that.
fn line(row: &Row<'_>, id: i64) -> Result<Option<Line>> {
    // Lines of before have none, until they get their hashes.
    let salts = row.get::<Option<Vec<u8>>>("salts")?.unwrap_or_else(|| vec![0; TEXTS.len() * SALT]);
    let (salts, rest) = salts.as_chunks::<SALT>();
    if salts.len() != TEXTS.len() || !rest.is_empty() {
        return Ok(None);
    }
    let mut texts = [const { Text::None }; TEXTS.len()];
    for ((text, name), salt) in texts.iter_mut().zip(TEXTS).zip(salts) {
        let Some(own) = Text::of_row(row.get::<Option<String>>(name)?.as_deref(), *salt) else { return Ok(None) };
        *text = own;
    }
    let text = |name| row.get::<String>(name);
    Ok(Some(Line { id, at: row.get("at")?, via: text("via")?, act: text("act")?, outcome: text("outcome")?, texts }))
}

fn into_row(texts: [Text; TEXTS.len()]) -> ([Option<String>; TEXTS.len()], Vec<u8>) {
    let mut salts = Vec::with_capacity(TEXTS.len() * SALT);
    let texts = texts.map(|text| {
        let (text, salt) = text.into_row();
        salts.extend(salt);
        text
    });
    (texts, salts)
}

/// Random bytes, read for many lines at once.
struct Salts(std::vec::IntoIter<u8>);

impl Salts {
    fn fresh(lines: usize) -> Result<Self> {
        let mut bytes = vec![0; lines * TEXTS.len() * SALT];
        let none = |_| StoreError::Database("the system gives no random bytes".into());
        SystemRandom::new().fill(&mut bytes).map_err(none)?;
        Ok(Self(bytes.into_iter()))
    }

    fn salted(&mut self, texts: [Option<String>; TEXTS.len()]) -> [Text; TEXTS.len()] {
        texts.map(|text| {
            let mut salt = [0; SALT];
            salt.iter_mut().zip(&mut self.0).for_each(|(own, fresh)| *own = fresh);
            text.map_or(Text::None, |text| Text::Told { text, salt })
        })
    }
}

/// Gives the lines of before their hashes, as they are now, and says so in a line of its own.
pub fn chain_old(db: &Connection) -> Result<()> {
    let (mut before, mut lines, mut last) = (Hash::NONE, 0, i64::MIN);
    // What somebody has put there that is no text is a break like any other, and keeps no host from its database.
    let as_text =
        ["via", "act", "outcome", "who", "what", "why", "address", "client"].map(|own| format!("CAST({own} AS TEXT)"));
    let select = db.prepare(format!(
        "SELECT id, CAST(at AS INTEGER), {} FROM acts WHERE id > ?1 ORDER BY id LIMIT ?2",
        as_text.join(", ")
    ));
    let put = db.prepare("UPDATE acts SET salts = ?2, chain = ?3 WHERE id = ?1");
    loop {
        let mut salts = Salts::fresh(ROWS as usize)?;
        let old = select.all::<Line, Vec<_>>(params![last, ROWS], |row| old_line(row, &mut salts))?;
        let Some(newest) = old.last() else { break };
        last = newest.id;
        lines += old.len();
        for line in old {
            before = line.chain(before);
            put.execute(params![line.id, into_row(line.texts).1, before.0.as_slice()])?;
        }
    }
    if lines == 0 {
        return Ok(());
    }
    let act = Act::new(HOST, Via::CommandLine, CHAINED, format!("lines 1 to {last}"));
    let why = format!("{lines} lines got their hashes as they were now: what was changed before does not show");
    add(db, &Act { why: Some(why), ..act })
}

fn old_line(row: &Row<'_>, salts: &mut Salts) -> Result<Line> {
    let texts = [row.get(5)?, row.get(6)?, row.get(7)?, row.get(8)?, row.get(9)?];
    Ok(Line {
        id: row.get(0)?,
        at: row.get(1)?,
        via: row.get(2)?,
        act: row.get(3)?,
        outcome: row.get(4)?,
        texts: salts.salted(texts),
    })
}

/// Puts hashes in the place of what a line says of a person, and says so in a line of its own. Nothing is done where it says nothing of them.
pub fn mask(db: &Connection, id: i64, by: &str, tells: impl Fn(&str) -> bool) -> Result<()> {
    let select = db.prepare(format!("SELECT {COLUMNS} FROM acts WHERE id = ?1"));
    let bound = select.first([id], found)?.filter(|found| found.chain.is_some());
    let Some(mut line) = bound.and_then(|found| found.line) else { return Ok(()) };
    // What the trail says of itself tells of nobody, and others are checked by it.
    if [CHAINED, MASKED].contains(&line.act.as_str()) {
        return Ok(());
    }
    let [_, what, why, ..] = &mut line.texts;
    let mut is_masked = false;
    for text in [what, why] {
        if text.told().is_some_and(&tells) {
            *text = text.masked();
            is_masked = true;
        }
    }
    if !is_masked {
        return Ok(());
    }
    let ([_, what, why, ..], salts) = into_row(line.texts);
    db.prepare("UPDATE acts SET what = ?2, why = ?3, salts = ?4 WHERE id = ?1")
        .execute(params![id, what, why, salts])?;
    add(db, &Act::new(by, Via::CommandLine, MASKED, format!("line {id}")))
}
