//! `tandem audit export`: lines of JSON that any program can check. Their fields stand in the operator guide.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use chrono::{DateTime, Days, NaiveDate};
use clap::Args;
use serde_json::{Map, Value, json};

use super::super::failure::{FOUND_PROBLEMS, Failure};
use super::super::output::{Output, complain};
use super::Trail;
use crate::store::Millis;
use crate::store::trail::{Found, Hash, KIND, Line, TEXTS, Text, hex};
use crate::time::{iso, now};

#[derive(Args)]
pub struct Options {
    /// Into this file, which must not be there; `-` is standard output.
    file: PathBuf,
    /// From the first line of this day (UTC) or moment on, such as 2026-01-31 or 2026-01-31T14:05:59Z.
    #[arg(long, value_parser = begin)]
    since: Option<Millis>,
    /// To the last line of this day (UTC) or moment.
    #[arg(long, value_parser = end)]
    until: Option<Millis>,
    /// Only hashes of who, to what, why, from where and with which program.
    #[arg(long)]
    masked: bool,
}

pub fn run(trail: Trail, options: Options, output: &Output) -> Result<ExitCode> {
    let to_screen = options.file == Path::new("-");
    let whole = (options.since.unwrap_or(Millis::MIN), options.until.unwrap_or(Millis::MAX));
    let between = match whole {
        (Millis::MIN, Millis::MAX) => Some((i64::MIN, i64::MAX)),
        (since, until) => trail.between(since, until)?,
    };
    let Some((first, last)) = between else {
        return Err(Failure::NotFound("no line of the audit trail is of that time".into()).into());
    };
    let closing = if to_screen {
        match write(&trail, first, last, options.masked, BufWriter::new(io::stdout().lock())) {
            Err(error) if is_read_enough(&error) => return Ok(ExitCode::SUCCESS),
            closing => closing?,
        }
    } else {
        let shown = || options.file.display().to_string();
        let file = fresh(&options.file).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                let why = format!("{} is there already: name a file that is not, nothing is written over", shown());
                Failure::WrongUsage(why).into()
            }
            _ => anyhow::Error::new(error).context(shown()),
        })?;
        let closing = write(&trail, first, last, options.masked, BufWriter::new(&file)).with_context(shown)?;
        file.sync_all().with_context(shown)?;
        if output.is_json() {
            output.value(&closing);
        } else {
            output.print(&options.file.display());
            output.say(format!("{} lines, head {}", closing["lines"], closing["head"].as_str().unwrap_or("none")));
        }
        closing
    };
    if closing["unreadable"] != 0 {
        complain("some lines hold what no Tandem has written; `tandem audit verify` names them");
        return Ok(ExitCode::from(FOUND_PROBLEMS));
    }
    Ok(ExitCode::SUCCESS)
}

/// Who reads has seen enough (`| head`).
fn is_read_enough(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// A new file that only its owner reads; on Windows it has the rights of its folder.
fn fresh(path: &Path) -> io::Result<std::fs::File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Writes the lines of these numbers and what closes them, which is given back.
fn write(trail: &Trail, first: i64, last: i64, masked: bool, mut to: impl Write) -> Result<Value> {
    let (mut after, mut before) = (first.saturating_sub(1), Hash::NONE);
    // What the first line is bound to.
    if first > i64::MIN
        && let Some(found) = trail.before(first)?.and_then(|found| found.chain)
    {
        before = found;
    }
    let (begin, mut lines, mut unreadable, mut numbers) = (before, 0_u64, 0_u64, None);
    let mut times: Option<(Millis, Millis)> = None;
    loop {
        let page = trail.page(after)?;
        let Some(newest) = page.lines.last() else { break };
        after = newest.id;
        for found in page.lines.iter().filter(|found| found.id <= last) {
            lines += 1;
            unreadable += u64::from(found.line.is_none() || found.chain.is_none());
            numbers = Some((numbers.map_or(found.id, |(first, _)| first), found.id));
            times = found.at.map(|at| (times.map_or(at, |(first, _)| first), at)).or(times);
            serde_json::to_writer(&mut to, &as_json(found, before, masked)).map_err(io::Error::from)?;
            to.write_all(b"\n")?;
            before = found.chain.unwrap_or(before);
        }
        if after >= last {
            break;
        }
    }
    let closing = json!({
        "kind": KIND,
        "made": iso(now()),
        "lines": lines,
        "unreadable": unreadable,
        "masked": masked,
        "first": numbers.map(|(first, _)| first),
        "last": numbers.map(|(_, last)| last),
        "from": times.map(|(from, _)| iso(from)),
        "to": times.map(|(_, to)| iso(to)),
        "before": begin,
        "head": numbers.map(|_| before),
    });
    serde_json::to_writer(&mut to, &closing).map_err(io::Error::from)?;
    to.write_all(b"\n")?;
    to.flush()?;
    Ok(closing)
}

fn as_json(found: &Found, before: Hash, masked: bool) -> Value {
    let Some(line) = found.line.clone() else {
        return json!({ "id": found.id, "unreadable": true, "before": before, "chain": found.chain });
    };
    let line = if masked { line.masked() } else { line };
    let leaf = line.leaf();
    let Line { id, at, via, act, outcome, texts } = line;
    let (mut told, mut salts, mut hashed) = (Map::new(), Map::new(), Map::new());
    for (name, text) in TEXTS.into_iter().zip(texts) {
        match text {
            Text::None => {}
            Text::Told { text, salt } => {
                told.insert(name.into(), text.into());
                salts.insert(name.into(), hex(&salt).into());
            }
            Text::Hashed(hash) => {
                hashed.insert(name.into(), hash.to_string().into());
            }
        }
    }
    let plain = json!({ "id": id, "at": iso(at), "ms": at, "via": via, "act": act, "outcome": outcome });
    let hashes = json!({ "salts": salts, "hashed": hashed, "leaf": leaf, "before": before, "chain": found.chain });
    let parts = [plain, told.into(), hashes];
    parts
        .into_iter()
        .filter_map(|part| if let Value::Object(part) = part { Some(part) } else { None })
        .flatten()
        .collect()
}

/// The first moment of a day, or a moment.
fn begin(text: &str) -> Result<Millis, String> {
    moment(text, 0)
}

/// The last moment of a day, or a moment.
fn end(text: &str) -> Result<Millis, String> {
    moment(text, 1)
}

/// A moment; of a day that which begins so many days later, and of a later one the last moment before it.
fn moment(text: &str, days: u64) -> Result<Millis, String> {
    let wrong = || "write it like 2026-01-31 or 2026-01-31T14:05:59Z".to_owned();
    if let Ok(day) = text.parse::<NaiveDate>() {
        let day = day.checked_add_days(Days::new(days)).ok_or_else(wrong)?;
        let begins = day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis();
        return Ok(if days == 0 { begins } else { begins - 1 });
    }
    DateTime::parse_from_rfc3339(text).map(|time| time.timestamp_millis()).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_meant_from_its_first_to_its_last_moment() {
        assert_eq!(iso(begin("2026-01-31").unwrap()), "2026-01-31T00:00:00.000Z");
        assert_eq!(iso(end("2026-01-31").unwrap()), "2026-01-31T23:59:59.999Z");
        assert_eq!(iso(end("2026-01-31T15:00:00+01:00").unwrap()), "2026-01-31T14:00:00.000Z");
        assert!(begin("yesterday").is_err() && end("2026-02-30").is_err());
    }
}
