//! Both sides are compared by schedule, while the host runs: one that was missed is made up for, one that fails is tried again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::{Host, ReconcileError, Record, run};
use crate::config::Config;
use crate::connections::Connections;
use crate::engine::Engine;
use crate::sources::timers::FlowTimer;
use crate::store::{Millis, Store};
use crate::time::now;

/// The clock may be set: look at least so often.
const LONGEST_SLEEP: Millis = 60_000;
/// Before the first look: the host comes up first, and reads what it has missed.
const FIRST: Duration = Duration::from_secs(120);
/// After a failure, unless its hour comes before.
const AGAIN: Millis = 1_800_000;

/// The part of a host that compares both sides.
pub struct Scheduled {
    config: Arc<Config>,
    engine: Arc<Engine>,
    connections: Arc<Connections>,
    store: Arc<dyn Store>,
    timer: FlowTimer,
    /// When this host came up: the first one is not due before.
    began: Millis,
}

impl Scheduled {
    /// As `tandem.toml` says it; none where it is off.
    pub fn of(
        config: Arc<Config>,
        engine: Arc<Engine>,
        connections: Arc<Connections>,
        store: Arc<dyn Store>,
    ) -> Option<Self> {
        let timer = FlowTimer::parse("", "reconcile", &config.reconcile.cron()?, &config.reconcile.time_zone).ok()?;
        Some(Self { config, engine, connections, store, timer, began: now() })
    }

    /// Compares whenever it is due, until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut pause = FIRST;
        while !*stop.borrow() {
            tokio::select! { () = tokio::time::sleep(pause) => {} _ = stop.changed() => return }
            let wait = match Record::of(self.store.as_ref()).await {
                Ok(record) => due(&record, &self.timer, self.began, now()) - now(),
                Err(_) => LONGEST_SLEEP,
            };
            if wait > 0 {
                pause = Duration::from_millis(wait.clamp(50, LONGEST_SLEEP).unsigned_abs());
                continue;
            }
            pause = tokio::select! { pause = self.once() => pause, _ = stop.changed() => return };
        }
    }

    /// Compares once, and says how long to wait at least.
    async fn once(&self) -> Duration {
        let began = now();
        let host = Host {
            config: self.config.clone(),
            connections: self.connections.clone(),
            releases: self.engine.releases().clone(),
            store: self.store.clone(),
            runs: true,
            status: self.engine.status(),
        };
        match run(&host, &[], None, &|_| {}).await {
            Ok(report) => {
                tracing::info!(
                    report = report.name,
                    differences = report.differences(),
                    unexplained = report.unexplained(),
                    whole = report.is_whole(),
                    took_ms = report.took_ms,
                    "both sides were compared"
                );
                metrics::gauge!("tandem_reconciled_at_seconds").set(crate::time::seconds(report.at));
                metrics::gauge!("tandem_reconcile_differences").set(report.differences() as f64);
                metrics::gauge!("tandem_reconcile_unexplained").set(report.unexplained() as f64);
                Duration::from_millis(50)
            }
            // `tandem reconcile` is at it.
            Err(ReconcileError::Busy(_)) => Duration::from_secs(60),
            Err(error) => {
                tracing::error!(%error, "both sides were not compared; it is tried again");
                if let Err(error) = Record::note_failure(self.store.as_ref(), began, error.to_string()).await {
                    tracing::error!(%error, "what became of it is not noted");
                }
                Duration::from_secs(60)
            }
        }
    }
}

/// When the next one is to be made.
fn due(record: &Record, timer: &FlowTimer, began: Millis, now: Millis) -> Millis {
    let next = |at: Millis| timer.next_after(at.min(now)).unwrap_or(Millis::MAX);
    match record {
        Record { failed: Some((at, _)), .. } => next(*at).min(at.saturating_add(AGAIN).min(now + AGAIN)),
        Record { at: Some(at), .. } => next(*at),
        Record { .. } => next(began),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Millis = 3_600_000;

    #[test]
    fn it_is_due_at_its_hour_made_up_for_and_soon_after_a_failure() {
        let timer = FlowTimer::parse("", "reconcile", "0 * * * *", "UTC").unwrap();
        let midnight = 1_767_225_600_000;
        let record = |at: Option<Millis>, failed: Option<Millis>| Record {
            at,
            failed: failed.map(|at| (at, "full".into())),
            ..Record::default()
        };
        let due = |record: &Record, now: Millis| due(record, &timer, midnight + 1, now);
        assert_eq!(due(&record(None, None), midnight + 2), midnight + HOUR, "not as soon as the host is there");
        assert_eq!(due(&record(Some(midnight - 9 * HOUR), None), midnight + 2), midnight - 8 * HOUR, "made up for");
        assert_eq!(due(&record(Some(midnight + 1), Some(midnight + 2)), midnight + 3), midnight + 2 + AGAIN);
        assert_eq!(
            due(&record(Some(midnight + 99 * HOUR), None), midnight + 2),
            midnight + HOUR,
            "the clock was set back"
        );
    }
}
