//! Timers: cron in the flow's time zone. A firing is one event with the planned time as its dedup id, so it happens once
//! however often the host stops; of firings missed while it was down, the last one is made up for.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::Cron;
use tokio::sync::watch;

use crate::store::{Haste, Inbox, Intake, Millis, NewEvent, StoreError};
use crate::time::{fresh_trace, now};

/// The clock may be set, daylight saving may begin: look at least so often.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// One timer of one flow.
#[derive(Clone)]
pub struct FlowTimer {
    /// The flow.
    pub flow: String,
    /// The event's topic is `timer.<name>`.
    pub name: String,
    /// Cron, checked when the plugin was loaded.
    pub cron: Cron,
    /// IANA time zone.
    pub zone: Tz,
}

impl FlowTimer {
    /// From the texts of description and configuration.
    pub fn parse(flow: &str, name: &str, cron: &str, zone: &str) -> Result<Self, String> {
        Ok(Self {
            flow: flow.to_owned(),
            name: name.to_owned(),
            cron: Cron::from_str(cron).map_err(|e| format!("cron {cron:?}: {e}"))?,
            zone: zone.parse().map_err(|_| format!("time zone {zone:?}: not in the IANA database"))?,
        })
    }

    fn source(&self) -> String {
        format!("timer:{}:{}", self.flow, self.name)
    }

    /// The next time after one.
    pub fn next_after(&self, at: Millis) -> Option<Millis> {
        let from = DateTime::<Utc>::from_timestamp_millis(at)?.with_timezone(&self.zone);
        self.cron.find_next_occurrence(&from, false).ok().map(|next| next.timestamp_millis())
    }

    /// The last time until one.
    pub fn last_until(&self, at: Millis) -> Option<Millis> {
        let from = DateTime::<Utc>::from_timestamp_millis(at)?.with_timezone(&self.zone);
        self.cron.find_previous_occurrence(&from, true).ok().map(|last| last.timestamp_millis())
    }

    /// Fires what is due since the stored position; returns when to look again.
    async fn look(&self, inbox: &Inbox) -> Result<Option<Millis>, StoreError> {
        let stored = inbox.store().position(&self.source()).await?.and_then(|text| text.parse::<Millis>().ok());
        // A position in the future was written while the clock was wrong: it must not silence the timer until then.
        let Some(last) = stored.filter(|last| *last <= now()) else {
            let start = now();
            inbox
                .take(Intake {
                    events: Vec::new(),
                    position: Some((self.source(), start.to_string())),
                    ..Intake::default()
                })
                .await?;
            return Ok(self.next_after(start));
        };
        let now = now();
        let mut next = self.next_after(last);
        // However many were missed: those of a timer of every second are millions after a month.
        if let Some(at) = next.filter(|at| *at <= now).map(|first| self.last_until(now).unwrap_or(first)) {
            next = self.next_after(at);
            let event = NewEvent {
                kind: String::new(),
                flow: self.flow.clone(),
                topic: format!("timer.{}", self.name),
                key: format!("timer.{}", self.name),
                dedup: at.to_string(),
                payload: serde_json::json!({ "planned": crate::time::iso(at) }).to_string(),
                trace: fresh_trace(),
                haste: Haste::AtOnce,
                held: None,
            };
            inbox
                .take(Intake {
                    events: vec![event],
                    position: Some((self.source(), at.to_string())),
                    ..Intake::default()
                })
                .await?;
        }
        Ok(next)
    }
}

/// The timers of all flows, by flow: those of a plugin that is swapped change.
pub type Timers = BTreeMap<String, Vec<FlowTimer>>;

/// Runs all timers until `stop` turns true.
pub async fn run(mut timers: watch::Receiver<Timers>, inbox: Arc<Inbox>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        let mut wake = now() + LONGEST_SLEEP.as_millis() as Millis;
        let own: Vec<FlowTimer> = timers.borrow_and_update().values().flatten().cloned().collect();
        for timer in &own {
            match timer.look(&inbox).await {
                Ok(next) => wake = wake.min(next.unwrap_or(wake)),
                Err(error) => tracing::error!(flow = timer.flow, timer = timer.name, %error, "cannot fire a timer"),
            }
        }
        let pause = Duration::from_millis((wake - now()).max(50).unsigned_abs());
        tokio::select! {
            _ = tokio::time::sleep(pause) => {}
            // Nobody is left who could change them: they go on.
            Ok(()) = timers.changed() => {}
            _ = stop.changed() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Millis {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
    }

    #[test]
    fn a_daily_timer_keeps_its_hour_through_daylight_saving() {
        let timer = FlowTimer::parse("stock", "daily", "0 7 * * *", "Europe/Berlin").unwrap();
        // The clocks go forward on 2026-03-29 and back on 2026-10-25.
        assert_eq!(timer.next_after(at("2026-03-28T07:00:00Z")), Some(at("2026-03-29T05:00:00Z")));
        assert_eq!(timer.next_after(at("2026-10-24T06:00:00Z")), Some(at("2026-10-25T06:00:00Z")));
    }

    #[tokio::test]
    async fn of_millions_of_missed_firings_the_last_one_is_made_up_for_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tandem.db");
        let store = crate::store::sqlite::SqliteStore::open(&path, crate::store::Access::Host).unwrap();
        let inbox = Inbox::new(Arc::new(store), ["stock".to_owned()]);
        let timer = FlowTimer::parse("stock", "often", "* * * * * *", "Europe/Berlin").unwrap();
        let long_ago = Some((timer.source(), (now() - 400 * 24 * 3_600_000).to_string()));
        inbox.take(Intake { position: long_ago, ..Intake::default() }).await.unwrap();
        let started = std::time::Instant::now();
        let next = timer.look(&inbox).await.unwrap().unwrap();
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        assert!((now() - 2_000..now() + 2_000).contains(&next), "{}", crate::time::iso(next));
        let fired = inbox.store().counts().await.unwrap();
        assert_eq!(fired.iter().map(|count| count.events).sum::<u64>(), 1);
    }

    #[tokio::test]
    async fn a_position_written_while_the_clock_was_ahead_silences_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tandem.db");
        let store = crate::store::sqlite::SqliteStore::open(&path, crate::store::Access::Host).unwrap();
        let inbox = Inbox::new(Arc::new(store), ["stock".to_owned()]);
        let timer = FlowTimer::parse("stock", "hourly", "0 * * * *", "UTC").unwrap();
        let position = Some((timer.source(), at("2036-01-01T00:00:00Z").to_string()));
        inbox.take(Intake { position, ..Intake::default() }).await.unwrap();
        let next = timer.look(&inbox).await.unwrap().unwrap();
        assert!(next <= now() + 3_600_000, "{}", crate::time::iso(next));
    }
}
