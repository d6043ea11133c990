//! What the running host tells who manages it: that it is up, that it stops, and, again and again, that it is alive.

use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Who manages this process: systemd where it started it, the service control manager of Windows, or nobody.
#[derive(Clone, Copy, Debug)]
pub struct Manager {
    /// It must hear so often that the host is alive, or starts it anew.
    watchdog: Option<Duration>,
}

#[cfg(unix)]
impl Manager {
    /// As the environment says: `NOTIFY_SOCKET`, `WATCHDOG_USEC`.
    pub fn of_process() -> Self {
        let managed = std::env::var_os("NOTIFY_SOCKET").is_some();
        Self { watchdog: managed.then(sd_notify::watchdog_enabled).flatten() }
    }

    /// The host is up.
    pub fn ready(self, says: &str) {
        tell(&[sd_notify::NotifyState::Ready, sd_notify::NotifyState::Status(says)]);
    }

    /// How it is, in words.
    pub fn status(self, says: &str) {
        tell(&[sd_notify::NotifyState::Status(says)]);
    }

    /// It is alive.
    pub fn alive(self) {
        tell(&[sd_notify::NotifyState::Watchdog]);
    }

    /// It is not up yet, and will not be for so long.
    fn starts_still(self, more: Duration) {
        let more = u32::try_from(more.as_micros()).unwrap_or(u32::MAX);
        tell(&[sd_notify::NotifyState::ExtendTimeoutUsec(more), sd_notify::NotifyState::Status("starting")]);
    }

    /// It finishes what is under way.
    pub fn stopping(self) {
        tell(&[sd_notify::NotifyState::Stopping, sd_notify::NotifyState::Status("finishing what is under way")]);
    }
}

#[cfg(unix)]
fn tell(what: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(what) {
        tracing::debug!(%error, "the service manager cannot be told");
    }
}

#[cfg(windows)]
impl Manager {
    /// The service control manager, where it started this process.
    pub fn of_process() -> Self {
        Self { watchdog: super::windows::is_service().then_some(super::windows::WATCHDOG) }
    }

    /// The host is up.
    pub fn ready(self, _says: &str) {
        super::windows::running();
    }

    /// The service control manager keeps no words.
    pub fn status(self, _says: &str) {}

    /// It is alive.
    pub fn alive(self) {
        super::windows::alive();
    }

    /// It is not up yet, and will not be for so long.
    fn starts_still(self, more: Duration) {
        super::windows::starts_still(more);
    }

    /// It finishes what is under way.
    pub fn stopping(self) {
        super::windows::stopping();
    }
}

/// A start that takes long says so this often,
const STARTS_STILL: Duration = Duration::from_secs(20);
/// asks for so much more each time,
const MORE: Duration = Duration::from_secs(120);
/// and so often at most: a database is brought up to date and plugins are compiled in an hour, or never.
const MOST_TIMES: u32 = 180;

impl Manager {
    /// How long it waits for a sign of life, where it listens to any.
    pub fn patience(self) -> Option<Duration> {
        self.watchdog
    }

    /// The host starts, which may take long, and says so by a thread of its own, whatever else waits, until what is given back is dropped.
    pub fn starting(self) -> Starting {
        let (up, is_up) = mpsc::channel::<()>();
        let told = move || {
            for _ in 0..MOST_TIMES {
                self.starts_still(MORE);
                if is_up.recv_timeout(STARTS_STILL) != Err(mpsc::RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("starting".into()).spawn(told);
        if let Err(error) = &thread {
            // Without it a long start is cut off, and nothing else.
            tracing::warn!(%error, "no thread for signs of a long start");
        }
        Starting { up: Some(up), thread: thread.ok() }
    }
}

/// See [`Manager::starting`].
pub struct Starting {
    up: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Starting {
    /// Nothing of it is said after what is said next.
    fn drop(&mut self) {
        drop(self.up.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
