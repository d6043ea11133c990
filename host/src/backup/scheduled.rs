//! Backups by schedule, while the host runs: one that was missed is made up for, one that fails is tried again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;

use super::make::{make, part_with_old, silent};
use super::{BackupError, Failed, Good, Record};
use crate::config::{BackupConfig, Config};
use crate::sources::timers::FlowTimer;
use crate::store::{Millis, Store, StoreError};
use crate::time::{iso, now};

/// The clock may be set: look at least so often.
const LONGEST_SLEEP: Millis = 60_000;
/// Before the first look: the host comes up first.
const FIRST: Duration = Duration::from_secs(5);
/// After a failure, unless its hour comes before.
const AGAIN: Millis = 600_000;

/// The part of a host that makes backups.
pub struct Scheduled {
    config: Arc<Config>,
    backup: BackupConfig,
    timer: FlowTimer,
    store: Arc<dyn Store>,
}

impl Scheduled {
    /// As `tandem.toml` says it; none where it says nothing of backups.
    pub fn of(config: Arc<Config>, store: Arc<dyn Store>) -> Option<Self> {
        let backup = config.backup.clone()?;
        let timer = timer(&backup)?;
        Some(Self { config, backup, timer, store })
    }

    /// Makes one whenever it is due, until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut pause = FIRST;
        // What the store has not taken: while it takes no writes backups go on at their times, and none is parted with.
        let mut unkept: Option<Record> = None;
        while !*stop.borrow() {
            tokio::select! { () = tokio::time::sleep(pause) => {} _ = stop.changed() => return }
            if let Some(record) = unkept.take()
                && !self.keep(&record).await
            {
                unkept = Some(record);
            }
            let record = match &unkept {
                Some(record) => Ok(record.clone()),
                None => Record::of(self.store.as_ref()).await,
            };
            let wait = record.as_ref().map_or(LONGEST_SLEEP, |record| due(record, &self.timer, now()) - now());
            let (Ok(record), true) = (record, wait <= 0) else {
                pause = Duration::from_millis(wait.clamp(50, LONGEST_SLEEP).unsigned_abs());
                continue;
            };
            let made = tokio::select! { made = self.once() => made, _ = stop.changed() => return };
            pause = match made {
                Some(made) => {
                    let record = record.then(made.as_ref());
                    unkept = (!self.keep(&record).await).then_some(record);
                    Duration::from_millis(50)
                }
                // `tandem backup` is at it, and notes what becomes of it.
                None => Duration::from_secs(10),
            };
        }
    }

    /// Makes one; none where another is under way.
    async fn once(&self) -> Option<Result<Good, BackupError>> {
        let folder = self.config.resolve(&self.backup.folder);
        let made = make(&self.config, self.store.as_ref(), &folder, &silent()).await;
        match &made {
            Ok(good) => tracing::info!(
                file = %good.file.display(),
                bytes = good.bytes,
                took_ms = good.took_ms,
                "a backup was made, and tried"
            ),
            Err(BackupError::Busy(_)) => return None,
            Err(error) => {
                metrics::counter!("tandem_backup_failures_total").increment(1);
                tracing::error!(%error, "no backup was made; it is tried again");
            }
        }
        Some(made)
    }

    /// Notes what became of the last one; where it is good and the store has taken that, older ones are parted with.
    async fn keep(&self, record: &Record) -> bool {
        if let Err(error) = record.keep(self.store.as_ref()).await {
            tracing::error!(%error, "what became of the backup is not noted");
            return false;
        }
        if let Record { good: Some(good), failed: None } = record {
            let (newest, keep) = (good.file.clone(), self.backup.keep);
            // Many archives are looked into.
            let _ = tokio::task::spawn_blocking(move || part_with_old(&newest, keep)).await;
        }
        true
    }
}

fn timer(backup: &BackupConfig) -> Option<FlowTimer> {
    FlowTimer::parse("", "backup", &backup.cron(), &backup.time_zone).ok()
}

/// When the next one is to be made.
fn due(record: &Record, timer: &FlowTimer, now: Millis) -> Millis {
    let next = |at: Millis| timer.next_after(at.min(now)).unwrap_or(Millis::MAX);
    match record {
        Record { failed: Some(failed), .. } => next(failed.at).min(failed.at.min(now) + AGAIN),
        Record { good: Some(good), .. } => next(good.at),
        // The first tells at once whether the folder is any good.
        Record { .. } => now,
    }
}

/// How the backups of a host stand.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standing {
    /// When the last good one was made, ISO 8601.
    pub last: Option<String>,
    /// Where it lies: not for whoever asks.
    #[serde(skip)]
    pub file: Option<PathBuf>,
    /// Its size.
    pub bytes: Option<u64>,
    /// When it was made, milliseconds since 1970 UTC.
    #[serde(skip)]
    pub at: Option<Millis>,
    /// What is wrong; none while all is well.
    pub wrong: Option<String>,
}

impl Standing {
    /// As it is now; none where none is asked for and none was ever made.
    pub async fn of(config: &Config, store: &dyn Store) -> Result<Option<Self>, StoreError> {
        let record = Record::of(store).await?;
        Ok(match (&config.backup, &record.good) {
            (None, None) => None,
            (backup, _) => Some(Self::from(&record, backup.as_ref(), now())),
        })
    }

    fn from(record: &Record, backup: Option<&BackupConfig>, now: Millis) -> Self {
        let Record { good, failed } = record;
        let last = good
            .as_ref()
            .map_or_else(|| "none was made yet".to_owned(), |good| format!("the last good one is of {}", iso(good.at)));
        let wrong = match (backup, failed) {
            (None, _) => None,
            (_, Some(Failed { at, why })) => Some(format!("no backup was made on {}: {why}; {last}", iso(*at))),
            (Some(backup), None) => good.as_ref().filter(|good| is_late(good, backup, now)).map(|_| {
                format!(
                    "no backup was made for more than twice the time that [backup] at = \"{}\" says; {last}",
                    backup.at
                )
            }),
        };
        Self {
            last: good.as_ref().map(|good| iso(good.at)),
            file: good.as_ref().map(|good| good.file.clone()),
            bytes: good.as_ref().map(|good| good.bytes),
            at: good.as_ref().map(|good| good.at),
            wrong,
        }
    }
}

/// Two were due since, and there was time to make the second.
fn is_late(good: &Good, backup: &BackupConfig, now: Millis) -> bool {
    let Some(timer) = timer(backup) else { return false };
    let second = timer.next_after(good.at).and_then(|first| timer.next_after(first));
    second.is_some_and(|second| second.saturating_add(AGAIN) < now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Millis = 3_600_000;

    fn hourly() -> BackupConfig {
        BackupConfig { folder: "backups".into(), at: "0 * * * *".into(), time_zone: "UTC".into(), keep: 2 }
    }

    fn good(at: Millis) -> Option<Good> {
        Some(Good { at, file: "x".into(), bytes: 1, took_ms: 1 })
    }

    #[test]
    fn a_backup_is_due_at_its_hour_at_once_where_there_is_none_and_soon_after_a_failure() {
        let (timer, midnight) = (timer(&hourly()).unwrap(), 1_767_225_600_000);
        let record = |good: Option<Good>, failed: Option<Millis>| Record {
            good,
            failed: failed.map(|at| Failed { at, why: "full".into() }),
        };
        let due = |record: &Record, now: Millis| due(record, &timer, now);
        assert_eq!(due(&record(None, None), midnight), midnight);
        assert_eq!(due(&record(good(midnight + 1), None), midnight + 2), midnight + HOUR);
        assert_eq!(due(&record(good(midnight - 9 * HOUR), None), midnight + 2), midnight - 8 * HOUR, "made up for");
        assert_eq!(due(&record(None, Some(midnight + 1)), midnight + 2), midnight + 1 + AGAIN);
        assert_eq!(due(&record(None, Some(midnight + HOUR - 5)), midnight + HOUR - 4), midnight + HOUR);
        assert_eq!(
            due(&record(good(midnight + 99 * HOUR), None), midnight + 2),
            midnight + HOUR,
            "the clock was set back"
        );
    }

    #[test]
    fn what_failed_and_what_is_older_than_two_periods_is_told() {
        let midnight = 1_767_225_600_000;
        let wrong = |record: Record| Standing::from(&record, Some(&hourly()), midnight + 1).wrong;
        assert_eq!(wrong(Record { good: good(midnight - 2 * HOUR + 1), failed: None }), None);
        let late = wrong(Record { good: good(midnight - 3 * HOUR - 1), failed: None }).unwrap();
        assert!(late.contains("2025-12-31T20:59"), "{late}");
        let failed = Some(Failed { at: midnight, why: "the disk is full".into() });
        let told = wrong(Record { good: good(midnight - HOUR), failed: failed.clone() }).unwrap();
        assert!(told.contains("the disk is full") && told.contains("2025-12-31T23:00"), "{told}");
        assert!(wrong(Record { good: None, failed }).unwrap().contains("none was made yet"));
    }
}
