//! Backups: one file with the database, `tandem.toml`, mappings and plugins, tried before it counts; made by schedule or asked for, and taken back.

mod archive;
mod make;
mod parts;
mod restore;
mod scheduled;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::archive::{Manifest, fresh};
pub use self::make::{has_room, make, part_with_old, silent, sweep};
pub use self::restore::{Rehearsal, Restore, Restored, configuration};
pub use self::scheduled::{Scheduled, Standing};
use crate::store::{Intake, Millis, Store, StoreError};

/// What a backup or a restore is at, how far, and of how much; in bytes.
pub type Told = Arc<dyn Fn(Step, u64, u64) + Send + Sync>;

/// What a backup or a restore is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The database is copied.
    Copying,
    /// All is put into one file.
    Packing,
    /// The file is unpacked, and what comes out is looked at.
    Trying,
}

impl Step {
    /// As a progress bar says it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Copying => "copying the database",
            Self::Packing => "packing",
            Self::Trying => "trying what was packed",
        }
    }
}

/// What mends it that a folder cannot be used.
fn mend(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            "; the user whom tandem.toml belongs to, as whom the service runs, must be able to write there"
        }
        _ => "",
    }
}

/// Why a backup was not made, or not taken back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Its folder.
    #[error("the folder of the backups, {0}: {1}{mend}", mend = mend(.1))]
    Folder(PathBuf, std::io::Error),
    /// Another one goes on.
    #[error("another backup into {0} is under way")]
    Busy(PathBuf),
    /// The disk is full, or fails.
    #[error("{0}: {1}")]
    File(PathBuf, std::io::Error),
    /// It would fill the disk.
    #[error("the disk of {} is too full: {} MB are needed, and {} MB are free; make room, or give another folder", .folder.display(), .needed >> 20, .free >> 20)]
    NoRoom {
        /// Where.
        folder: PathBuf,
        /// Bytes.
        needed: u64,
        /// Bytes.
        free: u64,
    },
    /// No backup, cut short, or changed.
    #[error("{file} is damaged, and cannot be restored: {why}; take another backup")]
    Damaged {
        /// The archive.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Of a newer Tandem.
    #[error(
        "{file} was made by tandem {version}, whose database has format {found}; this tandem knows up to {known}: restore it with tandem {version} or a newer one"
    )]
    Newer {
        /// The archive.
        file: PathBuf,
        /// Of the program that made it.
        version: String,
        /// In the file.
        found: i64,
        /// In this binary.
        known: i64,
    },
    /// What was written does not come out again.
    #[error("what was packed does not come out as it was: {0}; the disk, or its memory, may be failing")]
    Untrue(String),
    /// The configuration that the archive holds.
    #[error("the tandem.toml of the backup: {0}")]
    Config(#[from] crate::config::ConfigError),
    /// Its files cannot be put in place.
    #[error("{0}")]
    Put(String),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A part of it died.
    #[error("it was broken off: {0}")]
    Broken(#[from] tokio::task::JoinError),
}

/// A backup that was made, and tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Good {
    /// When.
    pub at: Millis,
    /// The file.
    pub file: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// How long it took.
    pub took_ms: u64,
}

/// A backup that was not made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failed {
    /// When.
    pub at: Millis,
    /// Why.
    pub why: String,
}

/// What became of backups, as the store keeps it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The last good one.
    pub good: Option<Good>,
    /// What failed since.
    pub failed: Option<Failed>,
}

/// Under which the store keeps it.
const KEPT: &str = "backup";

impl Record {
    /// As it is kept.
    pub async fn of(store: &dyn Store) -> Result<Self, StoreError> {
        let kept = store.position(KEPT).await?;
        Ok(kept.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    /// With what became of another one.
    pub fn then(self, outcome: Result<&Good, &BackupError>) -> Self {
        match outcome {
            Ok(good) => Self { good: Some(good.clone()), failed: None },
            Err(why) => Self { failed: Some(Failed { at: crate::time::now(), why: why.to_string() }), ..self },
        }
    }

    /// Keeps it.
    pub async fn keep(&self, store: &dyn Store) -> Result<(), StoreError> {
        let text = serde_json::to_string(self).unwrap_or_default();
        store.append(Intake { position: Some((KEPT.into(), text)), ..Intake::default() }).await?;
        Ok(())
    }
}

/// A moment in the names of files: `20260131-140559-123`, by UTC.
fn stamp(at: Millis) -> String {
    crate::time::iso(at).replace(['-', ':', 'Z'], "").replace(['T', '.'], "-")
}

/// What is read or written failed.
fn at(path: &Path) -> impl FnOnce(std::io::Error) -> BackupError {
    let path = path.to_owned();
    move |error| BackupError::File(path, error)
}
