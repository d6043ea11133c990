//! Reports as files: a folder for each in `reports/` beside the database, with the report as JSON and as a page, and all differences and sums as tables, the
//! differences also as lines to look through ([`super::drill`]). It is written apart and gets its name when all of it is there.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::TempDir;

use super::page::page;
use super::report::{Comparison, Difference, Line, Report};
use super::{ReconcileError, explain::minute};
use crate::config::Config;
use crate::disk::{self, make_own_folder, scratch};
use crate::store::Millis;
use crate::store::sqlite::copy::sync_folder;
use crate::time::iso;

/// What all that is no report yet begins with.
const UNFINISHED: &str = ".tandem-reconcile-";
/// What the name of one ends with that is of some flows, or since a day.
const PART: &str = "-part";
/// Held while one is made.
const LOCK: &str = ".tandem-reconcile.lock";

/// Bytes that are to be free when one is begun; half of it as long as it goes on. A disk that is filled takes nothing else, and may be that of the host.
const ROOM: u64 = 256 << 20;

/// The files of a report, and of what kind they are.
pub const KINDS: [(&str, &str); 5] = [
    (REPORT, "application/json"),
    (PAGE, "text/html; charset=utf-8"),
    (DIFFERENCES, "text/csv; charset=utf-8"),
    (SUMS, "text/csv; charset=utf-8"),
    (LINES, "application/x-ndjson"),
];
const REPORT: &str = "report.json";
const PAGE: &str = "report.html";
const DIFFERENCES: &str = "differences.csv";
const SUMS: &str = "sums.csv";
pub(super) const LINES: &str = "differences.jsonl";

/// Where reports lie.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// That of a configured host.
    pub fn of(config: &Config) -> Self {
        let database = config.resolve(&config.store.path);
        Self(database.parent().map_or_else(|| "reports".into(), |parent| parent.join("reports")))
    }

    /// `reports/` in a folder.
    #[cfg(test)]
    pub(super) fn at(beside: &Path) -> Self {
        Self(beside.join("reports"))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The names of the reports, the newest first.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| is_name(name)).collect();
        names.sort_unstable_by(|a, b| b.cmp(a));
        names
    }

    /// A file of a report; none where there is no such report or file.
    pub fn file(&self, name: &str, file: &str) -> Option<PathBuf> {
        let known = is_name(name) && KINDS.iter().any(|(own, _)| *own == file);
        let path = self.0.join(name).join(file);
        (known && path.is_file()).then_some(path)
    }

    /// A report; none where there is none of that name.
    pub fn report(&self, name: &str) -> Result<Option<Report>, ReconcileError> {
        let Some(path) = self.file(name, REPORT) else { return Ok(None) };
        let text = std::fs::read(&path).map_err(at(&path))?;
        let report = serde_json::from_slice(&text);
        report.map(Some).map_err(|e| ReconcileError::Broken(format!("{}: {e}", path.display())))
    }

    /// Begins one, of a part or of everything. What was broken off before goes.
    pub(super) async fn begin(&self, now: Millis, part: bool) -> Result<Draft, ReconcileError> {
        let folder = self.clone();
        blocking(move || folder.begin_here(now, part)).await
    }

    fn begin_here(&self, now: Millis, part: bool) -> Result<Draft, ReconcileError> {
        let here = |error| ReconcileError::Folder(self.0.clone(), error);
        make_own_folder(&self.0).map_err(here)?;
        let lock = File::create(self.0.join(LOCK)).map_err(here)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(ReconcileError::Busy(self.0.clone())),
            // Some shares know no locks: two at once would remove what the other one is making.
            Err(std::fs::TryLockError::Error(error)) => return Err(here(error)),
        }
        for entry in std::fs::read_dir(&self.0).map_err(here)?.flatten() {
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                let _ = std::fs::remove_dir_all(&path);
            }
        }
        has_room(&self.0, ROOM)?;
        let files = scratch(&self.0, UNFINISHED).map_err(here)?;
        let table = |name: &str, header: &[&str]| -> Result<Table, ReconcileError> {
            let path = files.path().join(name);
            let mut table = csv::Writer::from_writer(File::create(&path).map_err(at(&path))?);
            table.write_record(header).map_err(|e| of_csv(&path, e))?;
            Ok(table)
        };
        let differences = table(DIFFERENCES, &COLUMNS)?;
        let sums = table(SUMS, &SUM_COLUMNS)?;
        let lines = files.path().join(LINES);
        let lines = BufWriter::new(File::create(&lines).map_err(at(&lines))?);
        let rows = scratch(&self.0, UNFINISHED).map_err(here)?;
        // A second one within the same millisecond is none: the lock is held.
        let (name, at) = (stamp(now) + if part { PART } else { "" }, now);
        let tables = Arc::new(Mutex::new(Tables { differences, sums, lines }));
        Ok(Draft {
            folder: self.clone(),
            name,
            at,
            files,
            rows,
            scratch: AtomicU32::new(0),
            tables,
            _alone: Alone(lock),
        })
    }
}

type Table = csv::Writer<File>;

struct Tables {
    differences: Table,
    sums: Table,
    lines: BufWriter<File>,
}

const COLUMNS: [&str; 11] = [
    "flow",
    "comparison",
    "difference",
    "record",
    "salesforce_id",
    "b1_id",
    "field",
    "salesforce",
    "b1",
    "reason",
    "explanation",
];

const SUM_COLUMNS: [&str; 12] = [
    "flow",
    "comparison",
    "what",
    "currency",
    "month",
    "salesforce",
    "b1",
    "difference",
    "of_it_other_month",
    "of_it_rounding",
    "of_it_alone",
    "of_it_differences",
];

/// A report that is being made.
pub(super) struct Draft {
    folder: Folder,
    name: String,
    at: Millis,
    files: TempDir,
    rows: TempDir,
    /// Files for rows that were handed out.
    scratch: AtomicU32,
    tables: Arc<Mutex<Tables>>,
    _alone: Alone,
}

/// Held by who makes one. It is let go by name: a process that was begun meanwhile has the file, too, until it runs its own program.
struct Alone(File);

impl Drop for Alone {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

impl Draft {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it was begun.
    pub fn at(&self) -> Millis {
        self.at
    }

    /// There is room for more rows.
    pub fn has_room(&self) -> Result<(), ReconcileError> {
        has_room(self.rows.path(), ROOM / 2)
    }

    /// Another file for rows, which goes with the draft.
    pub fn scratch(&self) -> PathBuf {
        self.rows.path().join(self.scratch.fetch_add(1, Ordering::Relaxed).to_string())
    }

    /// Adds the sums of a comparison.
    pub async fn sums(&self, flow: &str, comparison: &Comparison) -> Result<(), ReconcileError> {
        let rows = comparison.sums.iter().map(|sum| {
            let amounts =
                [sum.salesforce, sum.b1, sum.difference, sum.other_month, sum.rounding, sum.alone, sum.differences];
            let words = [flow, &comparison.name, &sum.what, &sum.currency, &sum.month].map(cell);
            words.into_iter().chain(amounts.map(|amount| amount.to_string())).collect()
        });
        let (rows, path): (Vec<Vec<String>>, _) = (rows.collect(), self.files.path().join(SUMS));
        self.write(move |tables| tabled(&mut tables.sums, &path, &rows)).await
    }

    /// Adds differences of a comparison: a row for each field that differs, or one where none is named; and a line for each.
    pub async fn differences(&self, flow: &str, comparison: &str, all: &[Difference]) -> Result<(), ReconcileError> {
        self.has_room()?;
        let mut rows: Vec<Vec<String>> = Vec::new();
        for own in all {
            let before = [flow, comparison, own.kind.words(), &own.label, &own.salesforce, &own.b1].map(cell);
            let behind = [own.why.words(), &own.reason].map(cell);
            let row =
                |fields: [String; 3]| before.iter().cloned().chain(fields).chain(behind.iter().cloned()).collect();
            rows.extend(
                own.fields.iter().map(|field| row([&field.field, &field.salesforce, &field.b1].map(|text| cell(text)))),
            );
            if own.fields.is_empty() {
                rows.push(row([String::new(), String::new(), String::new()]));
            }
        }
        let mut lines = Vec::new();
        for difference in all.iter().cloned() {
            let line = Line { flow: flow.into(), comparison: comparison.into(), difference };
            serde_json::to_writer(&mut lines, &line).map_err(|e| ReconcileError::Broken(e.to_string()))?;
            lines.push(b'\n');
        }
        let [table, listed] = [DIFFERENCES, LINES].map(|file| self.files.path().join(file));
        self.write(move |tables| {
            tabled(&mut tables.differences, &table, &rows)?;
            tables.lines.write_all(&lines).map_err(at(&listed))
        })
        .await
    }

    async fn write(
        &self,
        work: impl FnOnce(&mut Tables) -> Result<(), ReconcileError> + Send + 'static,
    ) -> Result<(), ReconcileError> {
        let tables = self.tables.clone();
        blocking(move || work(&mut tables.lock().unwrap_or_else(PoisonError::into_inner))).await
    }

    /// Gives it its name, and removes the oldest of its sort beyond those that are kept: the parts that are looked at in a night of trouble push out
    /// no proof of everything.
    pub async fn finish(self, report: &Report, keep: u32) -> Result<(), ReconcileError> {
        let report = report.clone();
        blocking(move || self.finish_here(&report, keep)).await
    }

    fn finish_here(self, report: &Report, keep: u32) -> Result<(), ReconcileError> {
        let Self { folder, name, files, rows, tables, _alone, .. } = self;
        let path = files.path().to_owned();
        {
            let mut tables = tables.lock().unwrap_or_else(PoisonError::into_inner);
            let Tables { differences, sums, lines } = &mut *tables;
            let listed = path.join(LINES);
            lines.flush().and_then(|()| lines.get_ref().sync_all()).map_err(at(&listed))?;
            for (table, file) in [(differences, DIFFERENCES), (sums, SUMS)] {
                table.flush().map_err(at(&path.join(file)))?;
                table.get_ref().sync_all().map_err(at(&path.join(file)))?;
            }
        }
        // Windows moves no folder whose files are open.
        drop(tables);
        let json = serde_json::to_vec_pretty(report).map_err(|e| ReconcileError::Broken(e.to_string()))?;
        write(&path.join(REPORT), &json)?;
        write(&path.join(PAGE), page(report).as_bytes())?;
        let to = folder.0.join(&name);
        std::fs::rename(&path, &to).map_err(at(&to))?;
        let _ = files.keep();
        sync_folder(&to);
        drop(rows);
        let of_its_sort = folder.names().into_iter().filter(|own| own.ends_with(PART) == name.ends_with(PART));
        for old in of_its_sort.skip(keep as usize) {
            let old = folder.0.join(old);
            if let Err(error) = std::fs::remove_dir_all(&old) {
                tracing::warn!(%error, report = %old.display(), "an old report is not removed");
            }
        }
        Ok(())
    }
}

fn tabled(table: &mut Table, path: &Path, rows: &[Vec<String>]) -> Result<(), ReconcileError> {
    rows.iter().try_for_each(|row| table.write_record(row)).map_err(|e| of_csv(path, e))
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ReconcileError> + Send + 'static,
) -> Result<T, ReconcileError> {
    tokio::task::spawn_blocking(work).await.map_err(|e| ReconcileError::Broken(e.to_string()))?
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), ReconcileError> {
    let mut file = File::create(path).map_err(at(path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(at(path))
}

pub(super) fn at(path: &Path) -> impl FnOnce(std::io::Error) -> ReconcileError {
    let path = path.to_owned();
    move |error| ReconcileError::File(path, error)
}

fn of_csv(path: &Path, error: csv::Error) -> ReconcileError {
    ReconcileError::File(path.to_owned(), std::io::Error::other(error.to_string()))
}

/// Where the system does not say what is free, it is tried.
fn has_room(folder: &Path, needed: u64) -> Result<(), ReconcileError> {
    match disk::free(folder) {
        Some(free) if free < needed => Err(ReconcileError::NoRoom { folder: folder.to_owned(), needed, free }),
        _ => Ok(()),
    }
}

/// A spreadsheet takes a text that begins so for a formula; one that parts cells by `;` or tabs, what comes after such a sign, too.
fn cell(text: &str) -> String {
    let is_formula = |c: char| matches!(c, '=' | '+' | '-' | '@');
    let mut out = String::with_capacity(text.len());
    let mut begins = true;
    for c in text.chars().map(|c| if matches!(c, '\r' | '\n') { ' ' } else { c }) {
        if begins && is_formula(c) || out.is_empty() && c == '\t' {
            out.push('\'');
        }
        // Blanks and quotes before it are passed over.
        begins = matches!(c, ';' | '\t') || begins && matches!(c, ' ' | '"' | '\'');
        out.push(c);
    }
    out
}

/// `20260131-033000-000`, by UTC.
fn stamp(at: Millis) -> String {
    iso(at).replace(['-', ':', 'Z'], "").replace(['T', '.'], "-")
}

fn is_name(text: &str) -> bool {
    let text = text.strip_suffix(PART).unwrap_or(text);
    text.len() == 19
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 15 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

/// `2026-01-31 03:30 UTC`
pub(super) fn day(at: Millis) -> String {
    minute(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_report_is_there_when_all_of_it_is_and_the_oldest_go() {
        let beside = tempfile::tempdir().unwrap();
        let folder = Folder::at(beside.path());
        for n in 0..4 {
            let draft = folder.begin(1_767_225_600_000 + n, false).await.unwrap();
            assert!(matches!(folder.begin(1, false).await, Err(ReconcileError::Busy(_))), "one at a time");
            let report = Report { name: draft.name().into(), at: draft.at(), ..Report::default() };
            assert!(folder.file(draft.name(), REPORT).is_none());
            draft.finish(&report, 2).await.unwrap();
        }
        assert_eq!(folder.names(), ["20260101-000000-003", "20260101-000000-002"]);
        assert_eq!(folder.report("20260101-000000-003").unwrap().unwrap().at, 1_767_225_600_003);
        for (file, _) in KINDS {
            assert!(folder.file("20260101-000000-003", file).is_some(), "{file}");
        }
        for (name, file) in [("../reports/20260101-000000-003", REPORT), ("20260101-000000-003", "../x"), ("", "")] {
            assert!(folder.file(name, file).is_none(), "{name} {file}");
        }
        // One that was broken off leaves nothing behind for long, and nothing that looks like a report.
        std::fs::create_dir(folder.0.join(format!("{UNFINISHED}left"))).unwrap();
        drop(folder.begin(5, false).await.unwrap());
        let left = std::fs::read_dir(&folder.0).unwrap().flatten().map(|entry| entry.file_name());
        let left: Vec<_> = left.filter(|name| name.to_string_lossy().starts_with(UNFINISHED)).collect();
        assert!(left.is_empty(), "{left:?}");
        assert_eq!(folder.names().len(), 2);
        // Those of a part have a number of their own.
        for n in 10..13 {
            let draft = folder.begin(1_767_225_600_000 + n, true).await.unwrap();
            assert_ne!(draft.scratch(), draft.scratch());
            draft.finish(&Report::default(), 2).await.unwrap();
        }
        let parts = ["20260101-000000-012-part", "20260101-000000-011-part"];
        assert_eq!(folder.names(), [parts[0], parts[1], "20260101-000000-003", "20260101-000000-002"]);
        assert!(folder.report(parts[0]).unwrap().is_some());
    }

    #[test]
    fn what_a_spreadsheet_takes_for_a_formula_is_text() {
        assert_eq!(cell("=HYPERLINK(1)"), "'=HYPERLINK(1)");
        assert_eq!(cell("Miller\nLtd"), "Miller Ltd");
        // Where the list separator is another one a cell ends within.
        assert_eq!(cell("Miller;=HYPERLINK(1)"), "Miller;'=HYPERLINK(1)");
        assert_eq!(cell("Miller\t@SUM(1)"), "Miller\t'@SUM(1)");
        assert_eq!(cell("Miller; \"+1\""), "Miller; \"'+1\"");
        assert_eq!(cell("a-b=c"), "a-b=c");
    }

    #[test]
    fn a_disk_that_is_nearly_full_is_not_filled() {
        let beside = tempfile::tempdir().unwrap();
        let refused = has_room(beside.path(), 1 << 60).unwrap_err().to_string();
        assert!(refused.contains("is too full"), "{refused}");
        assert!(has_room(beside.path(), 0).is_ok());
    }
}
