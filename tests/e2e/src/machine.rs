//! What a machine does to a host: a disk that fills up, a clock that is set. Linux only.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::root;

/// A small file system of its own, gone with the value.
pub struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// Mounts one of so many megabytes; needs root.
    pub fn new(megabytes: u32) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).status()?;
        ensure!(mounted.success(), "a small disk needs a user who may mount one (root)");
        Ok(Self { folder })
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    /// Until not one byte more fits.
    pub fn fill(&self) -> Result<()> {
        let mut ballast = fs::OpenOptions::new().create(true).append(true).open(self.ballast())?;
        for size in [1 << 20, 4096, 1] {
            while ballast.write_all(&vec![0; size]).is_ok() {}
        }
        Ok(())
    }

    /// Room again.
    pub fn empty(&self) -> Result<()> {
        match fs::remove_file(self.ballast()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the host may still be ending.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// A clock for the host alone (`fixtures/clock.c`); its waiting goes by the true one.
pub struct Clock {
    folder: tempfile::TempDir,
}

impl Clock {
    /// Right at first.
    pub fn new() -> Result<Self> {
        let clock = Self { folder: tempfile::tempdir()? };
        let source = root().join("tests/e2e/fixtures/clock.c");
        let made = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(clock.library()).arg(source).status();
        ensure!(made.context("cc, which Cargo needs, too")?.success(), "clock.c");
        clock.set(0)?;
        Ok(clock)
    }

    /// So many seconds off.
    pub fn set(&self, seconds: i64) -> Result<()> {
        let file = self.file();
        let fresh = file.with_extension("new");
        fs::write(&fresh, seconds.to_string())?;
        Ok(fs::rename(fresh, file)?)
    }

    /// For the host that is to go by it.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let shown = |path: PathBuf| path.display().to_string();
        vec![("LD_PRELOAD", shown(self.library())), ("CLOCK_OFF", shown(self.file()))]
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("clock.so")
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("off")
    }
}
