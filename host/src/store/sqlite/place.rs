//! Where the database lies, and whether the file that is open still lies there. One that was deleted or replaced takes writes
//! as before, and all of them are lost: nobody finds that file again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::store::{Result, StoreError};

/// The path of the database, and which files were opened there.
#[derive(Clone)]
pub struct Place {
    path: Arc<PathBuf>,
    opened: [Option<Identity>; 2],
}

impl Place {
    /// Of a database that was just opened.
    pub fn opened(path: &Path) -> Self {
        let opened = files(path).map(|file| identity(&file));
        Self { path: Arc::new(path.to_owned()), opened }
    }

    /// As configured.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// An error once the open files are not those that lie there.
    pub fn check(&self) -> Result<()> {
        let now = files(&self.path).map(|file| identity(&file));
        let same = self.opened.iter().zip(now).all(|(opened, now)| opened.is_none() || *opened == now);
        if same { Ok(()) } else { Err(StoreError::Gone(self.path.display().to_string())) }
    }
}

/// The database and its log, which SQLite keeps as long as the database is open.
fn files(path: &Path) -> [PathBuf; 2] {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    [path.to_owned(), log.into()]
}

/// Device and inode.
#[cfg(unix)]
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(file: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(file).ok().map(|file| (file.dev(), file.ino()))
}

/// On Windows a file that SQLite has open can be neither deleted nor replaced: there is nothing to tell apart.
#[cfg(not(unix))]
type Identity = ();

#[cfg(not(unix))]
fn identity(_: &Path) -> Option<Identity> {
    None
}
