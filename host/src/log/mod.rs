//! Where the log goes: standard error, or a file that `tandem.toml` names, through a queue and a thread of its own. A disk that is full or a reader that reads
//! no more costs lines, which are counted and told once it takes some again; it never fails or holds up who logs.

mod file;

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use self::file::Rotating;
use crate::config::LogConfig;

/// Bytes that wait at most: more than a burst of a busy host, and little beside its memory.
const MOST_WAITING: usize = 8 << 20;
/// How long an exit waits for what is left to be written.
const PATIENCE: Duration = Duration::from_secs(2);

/// The process's own, once it was started.
static LOG: OnceLock<Log> = OnceLock::new();

enum Item {
    Line(Vec<u8>),
    /// All before it was tried.
    Flush(mpsc::Sender<()>),
}

#[derive(Default)]
struct Counts {
    waiting: AtomicUsize,
    lost: AtomicU64,
}

/// Takes lines, never fails, never waits.
#[derive(Clone)]
pub struct Log {
    queue: mpsc::Sender<Item>,
    counts: Arc<Counts>,
}

impl Log {
    /// Of the process: to standard error, or to a file.
    pub fn start(file: Option<&LogConfig>) -> io::Result<Self> {
        let tell = |lost| tracing::warn!(lost, "lines of this log were lost: what takes it was full, slow or gone");
        let log = match file {
            Some(config) => Self::to(Rotating::open(config)?, tell)?,
            None => Self::to(io::stderr(), tell)?,
        };
        Ok(LOG.get_or_init(|| log).clone())
    }

    /// To `target`; `tell` says how many lines were lost once it takes some again.
    fn to(target: impl Write + Send + 'static, tell: impl Fn(u64) + Send + 'static) -> io::Result<Self> {
        let (queue, items) = mpsc::channel();
        let counts = Arc::<Counts>::default();
        let counted = counts.clone();
        std::thread::Builder::new().name("log".into()).spawn(move || write(&items, target, &counted, tell))?;
        Ok(Self { queue, counts })
    }

    fn take(&self, line: &[u8]) {
        let waiting = self.counts.waiting.fetch_add(line.len(), Ordering::Relaxed);
        let room = waiting + line.len() <= MOST_WAITING;
        if !room || self.queue.send(Item::Line(line.to_vec())).is_err() {
            self.counts.waiting.fetch_sub(line.len(), Ordering::Relaxed);
            self.counts.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flush(&self) {
        let (done, written) = mpsc::channel();
        if self.queue.send(Item::Flush(done)).is_ok() {
            let _ = written.recv_timeout(PATIENCE);
        }
    }
}

/// Until all that was logged is written, or cannot be: before the process ends.
pub fn flush() {
    if let Some(log) = LOG.get() {
        log.flush();
    }
}

fn write(items: &mpsc::Receiver<Item>, mut target: impl Write, counts: &Counts, tell: impl Fn(u64)) {
    let mut cut = false;
    while let Ok(item) = items.recv() {
        let line = match item {
            Item::Line(line) => line,
            Item::Flush(done) => {
                let _ = done.send(());
                continue;
            }
        };
        counts.waiting.fetch_sub(line.len(), Ordering::Relaxed);
        // A line that was cut off is ended, or the next one would not stand at the beginning of a line.
        let ended = if cut { target.write_all(b"\n") } else { Ok(()) };
        let written = ended.and_then(|()| target.write_all(&line)).and_then(|()| target.flush());
        cut = written.is_err();
        match written {
            Ok(()) => match counts.lost.swap(0, Ordering::Relaxed) {
                0 => {}
                lost => tell(lost),
            },
            Err(_) => {
                counts.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// One line of the log, which comes in pieces.
pub struct Line<'a> {
    log: &'a Log,
    bytes: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            self.log.take(&self.bytes);
        }
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { log: self, bytes: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, Mutex};

    use super::*;

    /// What takes the log: its text, and what is wrong with it.
    #[derive(Default)]
    struct State {
        text: String,
        full: bool,
        stuck: bool,
    }

    #[derive(Clone, Default)]
    struct Target(Arc<(Mutex<State>, Condvar)>);

    impl Target {
        fn set(&self, change: impl FnOnce(&mut State)) {
            change(&mut self.0.0.lock().unwrap());
            self.0.1.notify_all();
        }

        fn text(&self) -> String {
            self.0.0.lock().unwrap().text.clone()
        }
    }

    impl Write for Target {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut state = self.0.1.wait_while(self.0.0.lock().unwrap(), |state| state.stuck).unwrap();
            if state.full {
                return Err(io::ErrorKind::StorageFull.into());
            }
            state.text.push_str(&String::from_utf8_lossy(bytes));
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log_to(target: &Target) -> (Log, Arc<Mutex<Vec<u64>>>) {
        let told = Arc::<Mutex<Vec<u64>>>::default();
        let telling = told.clone();
        (Log::to(target.clone(), move |lost| telling.lock().unwrap().push(lost)).unwrap(), told)
    }

    #[test]
    fn lines_that_a_full_disk_does_not_take_are_counted_and_told_when_there_is_room_again() {
        let target = Target::default();
        let (log, told) = log_to(&target);
        log.take(b"1\n");
        log.flush();
        target.set(|state| state.full = true);
        log.take(b"2\n");
        log.take(b"3\n");
        log.flush();
        target.set(|state| state.full = false);
        log.take(b"4\n");
        log.flush();
        assert_eq!(target.text(), "1\n\n4\n", "an empty line ends what may have been cut off");
        assert_eq!(*told.lock().unwrap(), [2]);
    }

    #[test]
    fn a_reader_that_reads_no_more_holds_nobody_up_and_what_waits_is_bounded() {
        let target = Target::default();
        let (log, told) = log_to(&target);
        target.set(|state| state.stuck = true);
        let line = vec![b'x'; 1 << 20];
        for _ in 0..20 {
            log.take(&line);
        }
        let lost = log.counts.lost.load(Ordering::Relaxed);
        // One line more may be on its way already.
        assert!((11..=12).contains(&lost), "{lost}");
        target.set(|state| state.stuck = false);
        log.flush();
        assert_eq!(told.lock().unwrap().iter().sum::<u64>(), lost);
        assert_eq!(target.text().len() as u64, (20 - lost) << 20);
    }
}
