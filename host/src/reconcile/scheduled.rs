//! Both sides are compared by schedule, while the host runs: one that was missed is made up for, one that fails is tried again, and so is a flow of which
//! not all could be read.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::{Asked, ReconcileError, Record, UnderWay};
use crate::config::Config;
use crate::sources::timers::FlowTimer;
use crate::store::{Millis, Store, StoreError};
use crate::time::now;

/// The clock may be set: look at least so often.
const LONGEST_SLEEP: Millis = 60_000;
/// Before the first look: the host comes up first, and reads what it has missed.
const FIRST: Duration = Duration::from_secs(120);
/// After a failure, unless its hour comes before.
const AGAIN: Millis = 1_800_000;
/// Looks at a flow between two of all flows: whoever is away all night is not read all night.
const MOST_TRIES: u32 = 5;

/// The part of a host that compares both sides.
pub struct Scheduled {
    config: Arc<Config>,
    under_way: Arc<UnderWay>,
    store: Arc<dyn Store>,
    timer: FlowTimer,
}

impl Scheduled {
    /// As `tandem.toml` says it; none where it is off.
    pub fn of(config: Arc<Config>, under_way: Arc<UnderWay>, store: Arc<dyn Store>) -> Option<Self> {
        let timer = timer(&config)?;
        Some(Self { config, under_way, store, timer })
    }

    /// Compares whenever it is due, until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut pause = FIRST;
        while !*stop.borrow() {
            tokio::select! { () = tokio::time::sleep(pause) => {} _ = stop.changed() => return }
            let (wait, flows) = match Record::begin(self.store.as_ref(), now()).await {
                Ok(record) => {
                    let due = due_here(&record, &self.timer, &self.config);
                    (due.at - now(), due.flows)
                }
                Err(_) => (LONGEST_SLEEP, Vec::new()),
            };
            if wait > 0 {
                pause = Duration::from_millis(wait.clamp(50, LONGEST_SLEEP).unsigned_abs());
                continue;
            }
            pause = tokio::select! { pause = self.once(&flows) => pause, _ = stop.changed() => return };
        }
    }

    /// Compares these flows once (none: all), and says how long to wait at least.
    async fn once(&self, flows: &[String]) -> Duration {
        let began = now();
        match self.under_way.run(Asked { flows: flows.to_vec(), ..Asked::default() }).await {
            Ok(_) => Duration::from_millis(50),
            // `tandem reconcile`, or somebody in the console, is at it.
            Err(ReconcileError::Busy(_)) => Duration::from_secs(60),
            Err(error) => {
                tracing::error!(%error, "both sides were not compared; it is tried again");
                let store = self.store.as_ref();
                let noted = match flows {
                    [] => Record::note_failure(store, began, error.to_string()).await,
                    // Another look at some is no reason to look at all.
                    some => Record::note_look(store, began, some).await,
                };
                if let Err(error) = noted {
                    tracing::error!(%error, "what became of it is not noted");
                }
                Duration::from_secs(60)
            }
        }
    }
}

/// Its hours; none where it is off.
fn timer(config: &Config) -> Option<FlowTimer> {
    FlowTimer::parse("", "reconcile", &config.reconcile.cron()?, &config.reconcile.time_zone).ok()
}

/// When all flows are compared next, or some of which another look is due; none where that is off. `goes_on`: one is under way, which may be that.
pub async fn next_hour(config: &Config, store: &dyn Store, goes_on: bool) -> Result<Option<Millis>, StoreError> {
    let Some(timer) = timer(config) else { return Ok(None) };
    if goes_on {
        return Ok(timer.next_after(now()));
    }
    let mut record = Record::of(store).await?;
    // Before a host has meant to it is due at its next hour.
    record.meant = record.meant.or(Some(now()));
    Ok(Some(due_here(&record, &timer, config).at.max(now())))
}

fn due_here(record: &Record, timer: &FlowTimer, config: &Config) -> Due {
    let after = AGAIN.max(i64::from(config.reconcile.grace_minutes) * 60_000);
    due(record, timer, (&config.flows.keys().cloned().collect(), after), now())
}

/// When the next one is to be made, and of which flows; none: of all.
#[derive(Debug, PartialEq, Eq)]
struct Due {
    at: Millis,
    flows: Vec<String>,
}

/// `known`: the flows of this host, and after how long one of them is looked at again.
fn due(record: &Record, timer: &FlowTimer, (known, after): (&BTreeSet<String>, Millis), now: Millis) -> Due {
    let next = |at: Millis| timer.next_after(at.min(now)).unwrap_or(Millis::MAX);
    let soon = |at: Millis| at.saturating_add(AGAIN).min(now + AGAIN);
    let all = next(record.at.or(record.meant).unwrap_or(now));
    if let Some((at, _)) = &record.failed {
        return Due { at: next(*at).min(soon(*at)), flows: Vec::new() };
    }
    let own = record.flows.iter().filter(|(name, _)| known.contains(*name));
    let again = own.filter_map(|(name, own)| {
        let missed = own.missed.as_ref().map(|own| (own.at, own.tries));
        let (at, tries) = missed.or(own.again)?;
        (tries < MOST_TRIES).then_some((at.saturating_add(after).min(now + after), name.clone()))
    });
    let again: Vec<(Millis, String)> = again.collect();
    match again.iter().map(|(at, _)| *at).min() {
        Some(at) if at < all => Due { at, flows: again.into_iter().map(|(_, name)| name).collect() },
        _ => Due { at: all, flows: Vec::new() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::{FlowStanding, Missed};

    const HOUR: Millis = 3_600_000;
    const MIDNIGHT: Millis = 1_767_225_600_000;

    fn due(record: &Record, now: Millis) -> Due {
        let timer = FlowTimer::parse("", "reconcile", "0 * * * *", "UTC").unwrap();
        super::due(record, &timer, (&BTreeSet::from(["orders".to_owned()]), AGAIN), now)
    }

    fn of_all(at: Millis) -> Due {
        Due { at, flows: Vec::new() }
    }

    #[test]
    fn it_is_due_at_its_hour_made_up_for_and_soon_after_a_failure() {
        let record = |at: Option<Millis>, failed: Option<Millis>| Record {
            at,
            failed: failed.map(|at| (at, "full".into())),
            ..Record::default()
        };
        let never = Record { meant: Some(MIDNIGHT + 1), ..Record::default() };
        assert_eq!(due(&never, MIDNIGHT + 2), of_all(MIDNIGHT + HOUR), "not as soon as the host is there");
        assert_eq!(
            due(&never, MIDNIGHT + 9 * HOUR),
            of_all(MIDNIGHT + HOUR),
            "a host that comes up anew makes up for it"
        );
        assert_eq!(
            due(&record(Some(MIDNIGHT - 9 * HOUR), None), MIDNIGHT + 2),
            of_all(MIDNIGHT - 8 * HOUR),
            "made up for"
        );
        assert_eq!(due(&record(Some(MIDNIGHT + 1), Some(MIDNIGHT + 2)), MIDNIGHT + 3), of_all(MIDNIGHT + 2 + AGAIN));
        let set_back = record(Some(MIDNIGHT + 99 * HOUR), None);
        assert_eq!(due(&set_back, MIDNIGHT + 2), of_all(MIDNIGHT + HOUR), "the clock was set back");
    }

    #[test]
    fn a_flow_that_was_not_read_whole_is_read_again_some_times_and_then_with_all() {
        let record = |flow: &str, tries: u32| {
            let missed = Missed { at: MIDNIGHT + 1, tries, times: tries, ..Missed::default() };
            let standing = FlowStanding { missed: Some(missed), ..FlowStanding::default() };
            Record { at: Some(MIDNIGHT + 1), flows: [(flow.to_owned(), standing)].into(), ..Record::default() }
        };
        let again = Due { at: MIDNIGHT + 1 + AGAIN, flows: vec!["orders".into()] };
        assert_eq!(due(&record("orders", 1), MIDNIGHT + 2), again);
        assert_eq!(due(&record("orders", MOST_TRIES), MIDNIGHT + 2), of_all(MIDNIGHT + HOUR));
        let seen = FlowStanding { again: Some((MIDNIGHT + 1, 1)), ..FlowStanding::default() };
        let seen = Record { flows: [("orders".to_owned(), seen)].into(), ..record("orders", 1) };
        assert_eq!(due(&seen, MIDNIGHT + 2), again, "whether it stays is seen at another look");
        assert_eq!(due(&record("gone", 1), MIDNIGHT + 2), of_all(MIDNIGHT + HOUR), "no flow of this host");
    }
}
