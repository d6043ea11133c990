//! A log file that never grows beyond its size: it is put aside as `<file>.1`, those before it move on, and the oldest goes.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::config::LogConfig;

/// The file that is written now. What fails is tried again with the next line.
pub struct Rotating {
    path: PathBuf,
    most: u64,
    keep: u32,
    /// Open, and how much is in it.
    now: Option<(File, u64)>,
}

impl Rotating {
    /// Goes on with the file that is there, or makes it and its folder.
    pub fn open(config: &LogConfig) -> io::Result<Self> {
        let mut log =
            Self { path: config.file.clone(), most: config.max_megabytes << 20, keep: config.keep, now: None };
        log.now = Some(log.opened()?);
        Ok(log)
    }

    fn opened(&self) -> io::Result<(File, u64)> {
        if let Some(folder) = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder)?;
        }
        let mut options = fs::OpenOptions::new();
        options.create(true).append(true);
        // It may name customers: its owner's, and those whom the folder's rights let in.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
        let file = options.open(&self.path)?;
        let size = file.metadata()?.len();
        Ok((file, size))
    }

    fn older(&self, number: u32) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        name.into()
    }

    /// Windows renames nothing that is open: it is closed first.
    fn rotate(&mut self) -> io::Result<()> {
        self.now = None;
        for number in (1..self.keep).rev() {
            moved(&self.older(number), &self.older(number + 1))?;
        }
        moved(&self.path, &self.older(1))
    }
}

/// Over whatever has that name; nothing where there is none.
fn moved(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

impl Write for Rotating {
    /// A line is never divided between two files.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let full = self.now.as_ref().is_some_and(|(_, size)| *size > 0 && size + line.len() as u64 > self.most);
        // A file that cannot be put aside, since somebody reads it on Windows, is gone on with.
        if full && self.rotate().is_err() {
            self.now = None;
        }
        if self.now.is_none() {
            self.now = Some(self.opened()?);
        }
        let Some((file, size)) = &mut self.now else { return Err(io::ErrorKind::NotFound.into()) };
        match file.write_all(line) {
            Ok(()) => {
                *size += line.len() as u64;
                Ok(line.len())
            }
            Err(error) => {
                // The next line finds out anew how much is in it.
                self.now = None;
                Err(error)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.now.as_mut().map_or(Ok(()), |(file, _)| file.flush())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &Path) -> String {
        fs::read_to_string(path).unwrap_or_default()
    }

    #[test]
    fn a_log_keeps_so_many_files_of_a_size_and_whole_lines_through_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("logs/tandem.log");
        let config = LogConfig { keep: 2, max_megabytes: 1, ..LogConfig::to(file.clone()) };
        let line = |n: u8| [vec![b'0' + n; (400 << 10) - 1], vec![b'\n']].concat();
        for n in 0..8 {
            // Each by a process of its own.
            Rotating::open(&config).unwrap().write_all(&line(n)).unwrap();
        }
        let first = |name: &str| {
            text(&folder.path().join("logs").join(name)).lines().map(|line| line[..1].to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(first("tandem.log"), ["6", "7"]);
        assert_eq!(first("tandem.log.1"), ["4", "5"]);
        assert_eq!(first("tandem.log.2"), ["2", "3"]);
        assert!(!folder.path().join("logs/tandem.log.3").exists());
    }

    #[test]
    fn a_file_that_cannot_be_put_aside_is_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tandem.log");
        // What has the name of the older one is a folder with something in it.
        fs::create_dir_all(folder.path().join("tandem.log.1/x")).unwrap();
        let mut log = Rotating::open(&LogConfig { max_megabytes: 1, keep: 1, ..LogConfig::to(file.clone()) }).unwrap();
        for _ in 0..3 {
            log.write_all(&vec![b'x'; 600 << 10]).unwrap();
        }
        assert_eq!(fs::metadata(&file).unwrap().len(), 3 * (600 << 10));
    }
}
