//! What a machine does to a host: a disk that fills up, a clock that is set. Linux only.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

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

/// A clock for the host alone, by libfaketime; its waiting goes by the true one.
pub struct Clock {
    folder: tempfile::TempDir,
    library: PathBuf,
}

impl Clock {
    /// Right at first.
    pub fn new() -> Result<Self> {
        let library = fs::read_dir("/usr/lib")?
            .filter_map(|entry| Some(entry.ok()?.path().join("faketime/libfaketimeMT.so.1")))
            .find(|path| path.exists())
            .context("libfaketime is missing: run `scripts/setup-tests.sh`")?;
        let clock = Self { folder: tempfile::tempdir()?, library };
        clock.set(0)?;
        Ok(clock)
    }

    /// So many seconds off.
    pub fn set(&self, seconds: i64) -> Result<()> {
        let file = self.file();
        let fresh = file.with_extension("new");
        fs::write(&fresh, format!("{seconds:+}"))?;
        Ok(fs::rename(fresh, file)?)
    }

    /// For the host that is to go by it.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("LD_PRELOAD", self.library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file().display().to_string()),
            ("FAKETIME_NO_CACHE", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ]
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("clock")
    }
}
