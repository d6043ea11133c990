//! Takes a backup back: unpacked beside the database and looked at first, then put in its place, which is one step. What was there stays under
//! another name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::TempDir;

use super::archive::{self, DATABASE, Manifest};
use super::make::{by_flow, has_room, sweep};
use super::{BackupError, Told, at, parts, stamp};
use crate::config::put::put_all;
use crate::config::{Config, ConfigError};
use crate::disk::{folder_of, scratch};
use crate::sources::again::{Again, again};
use crate::store::sqlite::copy::{self, Held, Look, Since};
use crate::time::now;

/// What a restore that is under way begins with, and a rehearsal of one.
const UNFINISHED: [&str; 2] = [".tandem-restore-", ".tandem-rehearsal-"];

/// A backup that is unpacked and sound, and a database that no host may open until it is done.
pub struct Restore {
    /// What is in it.
    pub manifest: Manifest,
    /// Where the database lies.
    pub place: PathBuf,
    /// What is there now, by flow and state; none where there is none, or it cannot be read.
    pub present: Option<BTreeMap<String, BTreeMap<String, u64>>>,
    /// Who may use the console, its keys and the audit trail stay as they are now; else they are those of the backup.
    pub access_stays: bool,
    /// What it is put in place for.
    pub config: Config,
    scratch: TempDir,
    _held: Held,
}

/// What became of it.
#[derive(Debug, Serialize)]
pub struct Restored {
    /// Where the database lies that was there.
    pub kept: Option<PathBuf>,
    /// Files of the configuration that were put in place.
    pub files: Vec<PathBuf>,
    /// Accounts, tokens and the audit trail are those of before the restore.
    pub access_stays: bool,
}

/// The configuration that a backup holds, as it would be at that path.
pub fn configuration(file: &Path, path: &Path) -> Result<Config, BackupError> {
    let bytes = archive::part(file, parts::CONFIG)?;
    let text = String::from_utf8(bytes)
        .map_err(|error| ConfigError::Malformed { path: path.to_owned(), cause: error.to_string() })?;
    Ok(Config::parse(&text, path)?)
}

/// Of a backup, where this program can read it.
fn manifest_of(file: &Path) -> Result<Manifest, BackupError> {
    let manifest = Manifest::of(file)?;
    let known = copy::format();
    if manifest.format > known {
        let (file, version) = (file.to_owned(), manifest.tandem.clone());
        return Err(BackupError::Newer { file, version, found: manifest.format, known });
    }
    Ok(manifest)
}

/// Unpacks a backup into a folder of its own beside the database, and looks at every page of what comes out.
fn unpacked(file: &Path, place: &Path, beginning: &str, told: &Told) -> Result<(Manifest, TempDir), BackupError> {
    let folder = folder_of(place);
    sweep(folder, beginning).map_err(at(folder))?;
    has_room(folder, Manifest::of(file)?.bytes())?;
    let scratch = scratch(folder, beginning).map_err(at(folder))?;
    let manifest = archive::unpack(file, scratch.path(), told)?;
    let damaged = |why: String| BackupError::Damaged { file: file.to_owned(), why };
    let look = Look::at(&scratch.path().join(DATABASE)).map_err(|error| damaged(error.to_string()))?;
    look.check().map_err(|error| damaged(error.to_string()))?;
    if look.format != manifest.format {
        return Err(damaged(format!("its database has format {}, its manifest says {}", look.format, manifest.format)));
    }
    Ok((manifest, scratch))
}

impl Restore {
    /// Makes ready, and changes nothing; refused where a host has the database.
    pub fn prepare(file: &Path, config: Config, told: &Told) -> Result<Self, BackupError> {
        manifest_of(file)?;
        let place = config.resolve(&config.store.path);
        let folder = folder_of(&place);
        std::fs::create_dir_all(folder).map_err(at(folder))?;
        let held = copy::hold(&place)?;
        let (manifest, scratch) = unpacked(file, &place, UNFINISHED[0], told)?;
        let present = Look::at(&place).and_then(|look| look.counts()).ok().map(by_flow);
        let access_stays = copy::access_stays(&scratch.path().join(DATABASE), &place);
        Ok(Self { manifest, place, present, access_stays, config, scratch, _held: held })
    }

    /// Files that [`swap`](Self::swap) puts with the configuration, and whether each is put in place of another one.
    pub fn files(&self) -> Vec<(PathBuf, bool)> {
        let is_another = |part: &str, path: &Path| {
            std::fs::read(path).is_ok_and(|there| std::fs::read(self.scratch.path().join(part)).ok() != Some(there))
        };
        self.places().into_iter().map(|(part, path)| (path.clone(), is_another(&part, &path))).collect()
    }

    /// Where each part of the configuration goes.
    fn places(&self) -> BTreeMap<String, PathBuf> {
        let names: Vec<&str> = self.manifest.parts.iter().map(|part| part.name.as_str()).collect();
        let plugins: Vec<String> = names.iter().filter_map(|name| parts::plugin_of(name)).map(str::to_owned).collect();
        let mut places = parts::places(&self.config, &plugins);
        places.retain(|name, _| names.contains(&name.as_str()));
        places
    }

    /// Puts the database in place, and the configuration before it where that is asked for.
    pub fn swap(self, with_configuration: bool) -> Result<Restored, BackupError> {
        let stamp = stamp(now());
        let fresh = self.scratch.path().join(DATABASE);
        let access_stays = copy::make_fit(&fresh, &self.place, now())?;
        let written = std::fs::OpenOptions::new().append(true).open(&fresh).map_err(at(&fresh))?;
        written.sync_all().map_err(at(&fresh))?;
        drop(written);
        // What would keep the database from being swapped is found before anything is put.
        copy::settle(&self.place)?;
        let files = if with_configuration { self.put_configuration(&stamp)? } else { Vec::new() };
        let there = self.place.exists();
        let kept = beside(&self.place, &stamp);
        copy::swap(&fresh, &self.place, &kept)?;
        Ok(Restored { kept: there.then_some(kept), files, access_stays })
    }

    fn put_configuration(&self, stamp: &str) -> Result<Vec<PathBuf>, BackupError> {
        let mut files: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
        for (name, path) in self.places() {
            let part = self.scratch.path().join(name);
            files.insert(path, std::fs::read(&part).map_err(at(&part))?);
        }
        for (path, bytes) in &files {
            let folder = folder_of(path);
            std::fs::create_dir_all(folder).map_err(at(folder))?;
            if std::fs::read(path).is_ok_and(|there| there != *bytes) {
                let kept = beside(path, stamp);
                std::fs::copy(path, &kept).map_err(at(&kept))?;
            }
        }
        let files: Vec<(PathBuf, Vec<u8>)> = files.into_iter().collect();
        put_all(&files).map_err(BackupError::Put)?;
        Ok(files.into_iter().map(|(path, _)| path).collect())
    }
}

/// Where what was there is kept: `tandem-before-restore-20260131-140559-123.db`. A plugin's file is none under its new name.
fn beside(path: &Path, stamp: &str) -> PathBuf {
    if path.extension().is_some_and(|ending| ending == "wasm") {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        return path.with_file_name(format!("{name}.before-restore-{stamp}"));
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let ending = path.extension().map(|ending| format!(".{}", ending.to_string_lossy())).unwrap_or_default();
    path.with_file_name(format!("{stem}-before-restore-{stamp}{ending}"))
}

/// What a host would do that goes on from a backup, as far as the backup and the present database tell it. Neither system is asked.
#[derive(Debug, Serialize)]
pub struct Rehearsal {
    /// What is in it.
    pub manifest: Manifest,
    /// Milliseconds from then until now.
    pub age: i64,
    /// What is read again, by source.
    pub again: Vec<Again>,
    /// Events that were not finished then, by flow and state: they run, or are asked, again.
    pub open: BTreeMap<String, BTreeMap<String, u64>>,
    /// Runs that were under way: taken up over their journals, with what may have been sent looked up.
    pub runs: u64,
    /// What the present database has that the backup has not; none where it cannot be read, or is another host's.
    pub since: Option<Since>,
}

/// States of what is not finished.
const OPEN: [&str; 4] = ["ready", "leased", "waiting", "review"];

impl Rehearsal {
    /// Of a backup, beside a running host or without one; nothing is changed.
    pub fn of(file: &Path, config: &Config, told: &Told) -> Result<Self, BackupError> {
        manifest_of(file)?;
        let place = config.resolve(&config.store.path);
        let folder = folder_of(&place);
        std::fs::create_dir_all(folder).map_err(at(folder))?;
        let (manifest, scratch) = unpacked(file, &place, UNFINISHED[1], told)?;
        let look = Look::at(&scratch.path().join(DATABASE))?;
        let now = now();
        let mut all = Vec::new();
        for kept in look.positions()? {
            let seen = look.seen(&kept.source)?;
            all.extend(again(&kept.source, &kept.position, seen, kept.at, now));
        }
        let mut open = manifest.events.clone();
        open.values_mut().for_each(|states| states.retain(|state, _| OPEN.contains(&state.as_str())));
        open.retain(|_, states| !states.is_empty());
        Ok(Self {
            age: now - manifest.made_at,
            again: all,
            open,
            runs: look.open_runs()?,
            since: look.since(&place),
            manifest,
        })
    }
}
