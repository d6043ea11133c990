//! What the running host tells who manages it: that it is up, that it stops, and, again and again, that it is alive.

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

    /// It finishes what is under way.
    pub fn stopping(self) {
        super::windows::stopping();
    }
}

impl Manager {
    /// Where it listens to signs of life: between two of them, three within its patience.
    pub fn beat(self) -> Option<Duration> {
        self.watchdog.map(|patience| patience / 3)
    }
}
