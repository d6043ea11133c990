//! Makes a backup: copied, packed, unpacked again and looked at, and only then given its name. What is broken off before leaves nothing that
//! looks like one; its remains go with the next.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{JoinHandle, spawn_blocking};

use super::archive::{self, DATABASE, Manifest, Source};
use super::{BackupError, Good, Step, Told, at, parts, stamp};
use crate::config::Config;
use crate::disk::{self, make_own_folder, scratch};
use crate::store::sqlite::copy::{Look, sync_folder};
use crate::store::{Count, Millis, Store};
use crate::time::now;

/// What all that is not a backup yet begins with.
const UNFINISHED: &str = ".tandem-backup-";
/// Held while one is made.
const LOCK: &str = ".tandem-backup.lock";
const BEGINNING: &str = "tandem-";
const ENDING: &str = ".tar.zst";
/// Bytes that stay free on a disk beside what a backup needs.
const SPARE: u64 = 4 << 20;
/// Between two looks how far the copy is.
const LOOK: Duration = Duration::from_millis(200);

/// Makes a backup into a folder. The folder is made, but nothing above it: a disk that is not there is not made up for by a folder. Older ones
/// stay: see [`part_with_old`].
pub async fn make(config: &Config, store: &dyn Store, folder: &Path, told: &Told) -> Result<Good, BackupError> {
    let started = Instant::now();
    let at_folder = |error| BackupError::Folder(folder.to_owned(), error);
    make_own_folder(folder).map_err(at_folder)?;
    let _alone = alone(folder)?;
    // What a kill has left may be large.
    let swept = folder.to_owned();
    spawn_blocking(move || sweep(&swept, UNFINISHED)).await?.map_err(at_folder)?;
    let scratch = scratch(folder, UNFINISHED).map_err(at_folder)?;
    let place = config.resolve(&config.store.path);
    let database = scratch.path().join(DATABASE);
    has_room(folder, size_of(&place))?;

    let made_at = now();
    archive::fresh(&database).map_err(at(&database))?;
    copy(store, &place, &database, told).await?;
    let file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder).map_err(at_folder)?;
    let (path, told_packing, config) = (file.path().to_owned(), told.clone(), config.clone());
    let packing: JoinHandle<Result<(Manifest, tempfile::NamedTempFile), BackupError>> = spawn_blocking(move || {
        let look = Look::at(&database)?;
        let mut manifest = Manifest {
            format: look.format,
            database: std::path::absolute(&place).unwrap_or(place),
            host: look.host(),
            events: by_flow(look.counts()?),
            links: look.links()?,
            keys: look.keys()?,
            audit: look.trail_head()?,
            left_out: parts::left_out(&config),
            ..Manifest::new(made_at)
        };
        drop(look);
        // The large one last: what the others say is read without it.
        let mut all = parts::of(&config)?;
        all.push((DATABASE.to_owned(), Source::File(database.clone())));
        for (name, source) in &all {
            manifest.parts.push(source.part(name).map_err(at(Path::new(name)))?);
        }
        archive::write(file.as_file(), &manifest, &all, &told_packing).map_err(at(&path))?;
        // Room for what comes out of it.
        std::fs::remove_file(&database).map_err(at(&database))?;
        Ok((manifest, file))
    });
    let (manifest, file) = packing.await??;
    let (path, tried, told_trying) = (file.path().to_owned(), scratch.path().join("tried"), told.clone());
    let wanted = manifest.clone();
    spawn_blocking(move || try_out(&path, &tried, &wanted, &told_trying)).await??;

    let bytes = file.as_file().metadata().map_err(at(file.path()))?.len();
    let name = folder.join(format!("{BEGINNING}{}{ENDING}", stamp(made_at)));
    file.persist(&name).map_err(|error| at(&name)(error.error))?;
    sync_folder(&name);
    let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Good { at: made_at, file: name, bytes, took_ms })
}

/// One backup at a time; a file system that knows no locks has none.
fn alone(folder: &Path) -> Result<File, BackupError> {
    let lock = File::create(folder.join(LOCK)).map_err(|error| BackupError::Folder(folder.to_owned(), error))?;
    match lock.try_lock() {
        Err(std::fs::TryLockError::WouldBlock) => Err(BackupError::Busy(folder.to_owned())),
        _ => Ok(lock),
    }
}

/// Removes what was broken off: all whose names begin so.
pub fn sweep(folder: &Path, beginning: &str) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let unfinished = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(beginning));
        if unfinished {
            let _ = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        }
    }
    Ok(())
}

/// Room for a copy of the database, the archive of it and what else is written meanwhile: a disk that a backup fills takes nothing else, and may be
/// that of the running host. Where the system does not say what is free, it is tried.
pub fn has_room(folder: &Path, database: u64) -> Result<(), BackupError> {
    let needed = database.saturating_add(database / 2).saturating_add(SPARE);
    match disk::free(folder) {
        Some(free) if free < needed => Err(BackupError::NoRoom { folder: folder.to_owned(), needed, free }),
        _ => Ok(()),
    }
}

fn size_of(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

/// Copies the database, and tells how large the copy is.
async fn copy(store: &dyn Store, place: &Path, into: &Path, told: &Told) -> Result<(), BackupError> {
    let of = size_of(place);
    let mut copying = std::pin::pin!(store.copy(into));
    loop {
        tokio::select! {
            copied = &mut copying => {
                told(Step::Copying, of, of);
                return Ok(copied?);
            }
            () = tokio::time::sleep(LOOK) => told(Step::Copying, size_of(into).min(of), of),
        }
    }
}

/// Unpacks what was written, as a restore would, and looks at every page of it.
fn try_out(file: &Path, into: &Path, wanted: &Manifest, told: &Told) -> Result<(), BackupError> {
    let untrue = |why: String| BackupError::Untrue(why);
    std::fs::create_dir(into).map_err(at(into))?;
    let manifest = match archive::unpack(file, into, told) {
        Err(BackupError::Damaged { why, .. }) => return Err(untrue(why)),
        other => other?,
    };
    let look = Look::at(&into.join(DATABASE)).map_err(|error| untrue(error.to_string()))?;
    look.check().map_err(|error| untrue(error.to_string()))?;
    let same = manifest == *wanted && look.format == wanted.format && by_flow(look.counts()?) == wanted.events;
    if same { Ok(()) } else { Err(untrue("it holds something else".into())) }
}

/// Removes older backups of the same database, and keeps so many with the newest; what cannot be read or is another's stays. To be called when it
/// is noted that the newest is good. Those that a clock which was ahead has dated later than it go first.
pub fn part_with_old(newest: &Path, keep: u32) {
    let Ok(of) = Manifest::of(newest) else { return };
    let same = |manifest: &Manifest| manifest.is_of_same_host(&of);
    let others = backups(disk::folder_of(newest)).into_iter().filter(|path| path != newest);
    let others = others.filter_map(|path| Some((Manifest::of(&path).ok().filter(same)?.made_at, path)));
    for path in beyond(others.collect(), of.made_at, keep as usize) {
        if let Err(error) = std::fs::remove_file(&path) {
            tracing::warn!(path = %path.display(), %error, "an old backup cannot be removed");
        }
    }
}

/// Of all but the newest those that are too many.
fn beyond(mut others: Vec<(Millis, PathBuf)>, newest: Millis, keep: usize) -> Vec<PathBuf> {
    others.sort_by_key(|(made_at, _)| (*made_at > newest, std::cmp::Reverse(*made_at)));
    others.into_iter().skip(keep.saturating_sub(1)).map(|(_, path)| path).collect()
}

/// What is called like a backup in a folder.
fn backups(folder: &Path) -> Vec<PathBuf> {
    let is_one = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.starts_with(BEGINNING) && name.ends_with(ENDING)
    };
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(is_one)
        .collect()
}

/// As a manifest has it.
pub fn by_flow(counts: Vec<Count>) -> BTreeMap<String, BTreeMap<String, u64>> {
    let mut events: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for count in counts {
        events.entry(count.flow).or_default().insert(count.state.word().to_owned(), count.events);
    }
    events
}

/// Tells nobody.
pub fn silent() -> Told {
    Arc::new(|_, _, _| {})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_stays_whatever_a_clock_said_before() {
        let all = |dates: &[Millis]| dates.iter().map(|at| (*at, PathBuf::from(at.to_string()))).collect::<Vec<_>>();
        let names = |dates: &[Millis]| dates.iter().map(|at| PathBuf::from(at.to_string())).collect::<Vec<_>>();
        assert_eq!(beyond(all(&[1, 4, 2, 3]), 5, 3), names(&[2, 1]));
        assert_eq!(beyond(all(&[9, 8, 1]), 5, 2), names(&[9, 8]), "what is dated later goes first");
        assert_eq!(beyond(all(&[9]), 5, 1), names(&[9]));
        assert_eq!(beyond(Vec::new(), 5, 1), names(&[]));
    }

    #[test]
    fn a_host_is_known_whatever_its_machine_is_called() {
        let of = |host: Option<&str>, machine: &str| Manifest {
            host: host.map(str::to_owned),
            machine: machine.into(),
            ..Manifest::new(1)
        };
        assert!(of(Some("a"), "container-1").is_of_same_host(&of(Some("a"), "container-2")));
        assert!(!of(Some("a"), "one").is_of_same_host(&of(Some("b"), "one")));
        assert!(of(None, "one").is_of_same_host(&of(Some("b"), "one")), "made before it was noted");
        assert!(!of(None, "one").is_of_same_host(&of(Some("b"), "two")));
    }

    #[test]
    fn a_disk_is_not_filled() {
        let folder = tempfile::tempdir().unwrap();
        assert!(has_room(folder.path(), 0).is_ok());
        let refused = has_room(folder.path(), 1 << 60).unwrap_err().to_string();
        assert!(refused.contains("too full") && refused.contains("are free"), "{refused}");
    }
}
