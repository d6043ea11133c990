//! A log file that never grows beyond its size: it is put aside as `<file>.1`, those before it move on, and the oldest goes.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::config::LogConfig;

/// After a file could not be put aside, since somebody has it open on Windows, until that is tried again.
const PAUSE: Duration = Duration::from_secs(30);
/// A file that cannot be put aside grows to so many times its size; lines beyond are lost, which is told.
const GROWS: u64 = 8;

/// The file that is written now. What fails is tried again with the next line, or after a pause.
pub struct Rotating {
    path: PathBuf,
    most: u64,
    keep: u32,
    /// Open, and how much is in it.
    now: Option<(File, u64)>,
    /// When it is tried again to put the file aside.
    again: Option<Instant>,
    pause: Duration,
}

impl Rotating {
    /// Goes on with the file that is there, or makes it and its folder.
    pub fn open(config: &LogConfig) -> io::Result<Self> {
        let (path, most) = (config.file.clone(), config.max_megabytes << 20);
        let mut log = Self { path, most, keep: config.keep, now: None, again: None, pause: PAUSE };
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

    /// Windows renames nothing that is open: it is closed first, and nothing else moves before it has. Then only those move that are in the way of
    /// another, so that what fails half way costs none of them, however often it is tried.
    fn rotate(&mut self) -> io::Result<()> {
        self.now = None;
        let aside = self.older(0);
        // One that is there still was put aside and got no further.
        if !aside.try_exists()? {
            moved(&self.path, &aside)?;
        }
        let free = (1..=self.keep).find(|number| !self.older(*number).exists()).unwrap_or(self.keep);
        for number in (0..free).rev() {
            moved(&self.older(number), &self.older(number + 1))?;
        }
        Ok(())
    }

    fn is_full(&self, more: usize) -> bool {
        self.now.as_ref().is_some_and(|(_, size)| *size > 0 && size + more as u64 > self.most)
    }

    /// Puts the file aside where that is not known to fail.
    fn make_room(&mut self) {
        if self.again.is_some_and(|again| Instant::now() < again) {
            return;
        }
        self.again = self.rotate().err().map(|_| Instant::now() + self.pause);
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
        if self.is_full(line.len()) {
            self.make_room();
        }
        if self.now.is_none() {
            self.now = Some(self.opened()?);
        }
        let Some((file, size)) = &mut self.now else { return Err(io::ErrorKind::NotFound.into()) };
        if *size > self.most.saturating_mul(GROWS) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
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
    fn a_file_that_cannot_be_put_aside_is_gone_on_with_to_a_bound_and_costs_no_older_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tandem.log");
        let older = |number: u32| folder.path().join(format!("tandem.log.{number}"));
        for number in 1..=3 {
            fs::write(older(number), number.to_string()).unwrap();
        }
        // Under the name that it is put aside by lies a folder with something in it.
        fs::create_dir_all(older(0).join("x")).unwrap();
        fs::create_dir_all(older(4)).unwrap();
        let mut log = Rotating::open(&LogConfig { max_megabytes: 1, keep: 4, ..LogConfig::to(file.clone()) }).unwrap();
        log.pause = Duration::ZERO;
        let line = vec![b'x'; 600 << 10];
        // What is at the name of the oldest cannot be written over by a file: the next one stays where it is, and so do all others.
        for _ in 0..3 {
            log.write_all(&line).unwrap();
        }
        assert_eq!([1, 2, 3].map(|number| text(&older(number))), ["1", "2", "3"]);
        let most = (GROWS << 20) + line.len() as u64;
        while log.write_all(&line).is_ok() {}
        assert!((GROWS << 20..=most).contains(&fs::metadata(&file).unwrap().len()));

        // What was in the way is gone.
        fs::remove_dir_all(older(0)).unwrap();
        fs::remove_dir_all(older(4)).unwrap();
        log.write_all(b"new\n").unwrap();
        assert_eq!(text(&file), "new\n");
        assert_eq!([2, 3, 4].map(|number| text(&older(number))), ["1", "2", "3"]);
        assert!(fs::metadata(older(1)).unwrap().len() > GROWS << 20);
    }

    #[test]
    fn what_was_put_aside_and_got_no_further_is_taken_along_later() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tandem.log");
        let older = |number: u32| folder.path().join(format!("tandem.log.{number}"));
        fs::write(older(2), "2").unwrap();
        fs::write(older(0), "0").unwrap();
        let mut log = Rotating::open(&LogConfig { max_megabytes: 1, keep: 3, ..LogConfig::to(file.clone()) }).unwrap();
        let line = vec![b'x'; 600 << 10];
        for _ in 0..2 {
            log.write_all(&line).unwrap();
        }
        // It took the place that was free; the one that is written goes on, and goes next.
        assert_eq!([1, 2].map(|number| text(&older(number))), ["0", "2"]);
        assert_eq!(fs::metadata(&file).unwrap().len(), 2 * line.len() as u64);
        log.write_all(b"new\n").unwrap();
        assert_eq!(text(&file), "new\n");
        assert_eq!([2, 3].map(|number| text(&older(number))), ["0", "2"]);
    }

    #[test]
    fn between_two_tries_there_is_a_pause() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tandem.log");
        let aside = folder.path().join("tandem.log.0");
        fs::create_dir_all(aside.join("x")).unwrap();
        fs::create_dir_all(folder.path().join("tandem.log.1/x")).unwrap();
        let mut log = Rotating::open(&LogConfig { max_megabytes: 1, keep: 1, ..LogConfig::to(file.clone()) }).unwrap();
        let line = vec![b'x'; 600 << 10];
        for _ in 0..2 {
            log.write_all(&line).unwrap();
        }
        let again = log.again.unwrap();
        fs::remove_dir_all(&aside).unwrap();
        log.write_all(&line).unwrap();
        assert_eq!(log.again, Some(again));
        assert!(!aside.exists() && fs::metadata(&file).unwrap().len() == 3 * line.len() as u64);
    }
}
