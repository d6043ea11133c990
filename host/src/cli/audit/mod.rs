//! `tandem audit verify|export`; and what a command changes stands in the audit trail, beside what the console's people do.

mod export;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Subcommand;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::database;
use super::failure::{FOUND_PROBLEMS, Failure};
use super::output::Output;
use crate::config::Config;
use crate::store::Access;
use crate::store::sqlite::copy::{self, Look};
use crate::store::trail::{Found, Hash, PAGE, Page, Verdict, Verifier};
use crate::store::{Act, Millis, Store, StoreError, Via};
use crate::time::iso;

/// Breaks that a person is shown.
const SHOWN: usize = 50;

#[derive(Subcommand)]
pub enum Command {
    /// Say whether a line of the audit trail was changed or is missing: each is bound by a hash to all before it. Also beside a running host.
    Verify {
        /// A head that was kept elsewhere: 64 hex digits, as an earlier `verify`, a backup or the log tells them. It must be in the trail.
        #[arg(long, value_name = "HASH")]
        head: Vec<Hash>,
        /// An earlier export, whose head must be in the trail.
        #[arg(long, value_name = "FILE")]
        against: Vec<PathBuf>,
    },
    /// Write the audit trail as lines of JSON, with all that others need to check it.
    Export(export::Options),
}

pub async fn run(config: &Path, command: Command, output: &Output) -> Result<ExitCode> {
    match command {
        Command::Verify { mut head, against } => {
            for file in against {
                head.push(head_of(&file).with_context(|| file.display().to_string())?);
            }
            let verdict = trail(config).await?.verified(head).await?;
            tell(&verdict, output);
            Ok(if verdict.holds() { ExitCode::SUCCESS } else { ExitCode::from(FOUND_PROBLEMS) })
        }
        Command::Export(options) => {
            let (trail, output) = (trail(config).await?, *output);
            spawn_blocking(move || export::run(trail, options, &output)).await?
        }
    }
}

async fn trail(config: &Path) -> Result<Trail> {
    Trail::of(Config::load(config)?.into()).await
}

/// The audit trail, to look at.
pub enum Trail {
    /// In a file: no key is needed, since nothing of it is sealed.
    File(Look),
    /// On a server.
    Server(Arc<dyn Store>, Handle),
}

impl Trail {
    /// As it is kept.
    pub async fn of(config: Arc<Config>) -> Result<Self> {
        if config.store.url.is_some() {
            return Ok(Self::Server(database::open(&config, Access::Tool).await?, Handle::current()));
        }
        let path = config.resolve(&config.store.path);
        let at = || Look::at(&path).with_context(|| path.display().to_string());
        let found = at()?;
        if found.format > copy::format() {
            return Err(StoreError::Newer { found: found.format, known: copy::format() }.into());
        }
        if found.format >= copy::CHAINED {
            return Ok(Self::File(found));
        }
        drop(found);
        // Of an older program: it gets its chain when it is brought to this one's format.
        database::open(&config, Access::Tool).await?;
        Ok(Self::File(at()?))
    }

    /// Goes through all of it.
    pub async fn verified(self, kept: Vec<Hash>) -> Result<Verdict> {
        let through = move || {
            let mut verifier = Verifier::new(kept);
            loop {
                let page = self.page(verifier.after())?;
                page.lines.iter().for_each(|found| verifier.line(found));
                if page.lines.is_empty() {
                    return Ok::<_, StoreError>(verifier.end(page.given));
                }
            }
        };
        Ok(spawn_blocking(through).await??)
    }

    /// Lines behind one, oldest first. As all that follows: where waiting harms nobody.
    fn page(&self, after: i64) -> Result<Page, StoreError> {
        match self {
            Self::File(look) => look.trail(after, PAGE),
            Self::Server(store, handle) => handle.block_on(store.trail(after, PAGE)),
        }
    }

    fn before(&self, line: i64) -> Result<Option<Found>, StoreError> {
        match self {
            Self::File(look) => look.trail_before(line),
            Self::Server(store, handle) => handle.block_on(store.trail_before(line)),
        }
    }

    fn between(&self, since: Millis, until: Millis) -> Result<Option<(i64, i64)>, StoreError> {
        match self {
            Self::File(look) => look.lines_between(since, until),
            Self::Server(store, handle) => handle.block_on(store.trail_between(since, until)),
        }
    }
}

/// The head that an export ends with.
fn head_of(file: &Path) -> Result<Hash> {
    let mut last = None;
    for line in BufReader::new(std::fs::File::open(file)?).lines() {
        last = Some(line?).filter(|line| !line.trim().is_empty()).or(last);
    }
    let closing: Option<Value> = last.and_then(|line| serde_json::from_str(&line).ok());
    let head = closing.as_ref().and_then(|closing| closing["head"].as_str());
    let none = || Failure::WrongUsage("it does not end with the head of an export: it was cut off, or is none".into());
    head.ok_or_else(none)?.parse().map_err(|why| Failure::WrongUsage(why).into())
}

/// In one line, without what lines say.
pub fn in_short(verdict: &Verdict) -> String {
    let head = verdict.head.as_ref().map_or_else(String::new, |own| format!(", head {} (line {})", own.head, own.line));
    match verdict.breaks.first() {
        None => format!("{} lines, the chain holds{head}", verdict.lines),
        Some(first) => format!(
            "{} lines, the chain does not hold: line {}: {}, and {} more{head}",
            verdict.lines,
            first.line,
            first.says,
            verdict.breaks.len() as u64 - 1 + verdict.breaks_more
        ),
    }
}

fn tell(verdict: &Verdict, output: &Output) {
    let (first, last) = (verdict.first.map(iso), verdict.head.as_ref().map(|head| iso(head.at)));
    if output.is_json() {
        output.value(&json!({
            "holds": verdict.holds(),
            "lines": verdict.lines,
            "first": first,
            "last": last,
            "last_line": verdict.head.as_ref().map(|head| head.line),
            "head": verdict.head.as_ref().map(|head| &head.head),
            "chained_later": verdict.chained_later,
            "masked": verdict.masked,
            "masked_more": verdict.masked_more,
            "breaks": verdict.breaks,
            "breaks_more": verdict.breaks_more,
        }));
        return;
    }
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let mut rows = vec![row("lines", verdict.lines.to_string())];
    rows.extend(first.map(|first| row("first", first)));
    rows.extend(verdict.head.iter().map(|head| row("last", format!("{}, line {}", iso(head.at), head.line))));
    rows.extend(verdict.head.iter().map(|head| row("head", head.head.clone())));
    output.facts(&["audit trail", ""], rows);
    if let Some(last) = verdict.chained_later {
        output.say(format!(
            "the lines until {last} got their hashes when the database was brought to format {}: what was changed before that does not show",
            copy::CHAINED
        ));
    }
    for own in verdict.masked.iter().take(SHOWN) {
        output.say(format!(
            "line {}: of {} only the hash is left: taken out by {}, as line {} says",
            own.line,
            own.texts.join(" and "),
            own.by,
            own.told_by
        ));
    }
    more(verdict.masked.len(), verdict.masked_more, "lines of which only hashes are left", output);
    for own in verdict.breaks.iter().take(SHOWN) {
        output.say(format!("line {}: {}", own.line, own.says));
    }
    more(verdict.breaks.len(), verdict.breaks_more, "breaks", output);
    output.say(match verdict.holds() {
        true => "the chain holds: no line was changed, and none is missing before the last. Keep the head elsewhere: with it `--head` shows later whether lines were cut off, or all was written anew",
        false => "the chain does not hold",
    });
}

fn more(told: usize, beyond: u64, what: &str, output: &Output) {
    let more = told.saturating_sub(SHOWN) as u64 + beyond;
    if more > 0 {
        output.say(format!("and {more} more {what}"));
    }
}

/// The user of this server who gives the command.
pub fn user() -> String {
    whoami::username().unwrap_or_else(|_| "unknown user".into())
}

/// It was done.
pub async fn note(store: &dyn Store, act: &str, what: impl Into<String>, why: &str) -> Result<()> {
    let why = (!why.is_empty()).then(|| why.to_owned());
    Ok(store.act(Act { why, ..Act::new(user(), Via::CommandLine, act, what) }).await?)
}
