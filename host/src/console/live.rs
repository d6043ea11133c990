//! What is told as it changes: server-sent events. However many look, it is found out once a second, and not at all while nobody does.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use serde_json::json;
use tokio::sync::watch;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Console;
use super::access::{Access, Who};
use super::overview::Overview;
use super::problem::Problem;
use crate::connections::{Connection, Connections};
use crate::store::Millis;
use crate::time::now;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// What keeps proxies from closing it.
const PULSE: Duration = Duration::from_secs(15);
/// Of the last hour the calls of an org are known, by the minute.
const SAMPLE: Millis = 60_000;
const SAMPLES: usize = 60;

/// What was told last: how all is, and the revision of the questions.
type Told = Option<(Arc<Overview>, u64)>;

/// See the module's words.
pub struct Live {
    told: watch::Sender<Told>,
    stop: watch::Receiver<bool>,
    used: Mutex<BTreeMap<String, VecDeque<(Millis, u64)>>>,
    /// When the host started.
    pub started_at: Millis,
}

impl Live {
    /// Nobody looks yet. With `stop` every stream ends: the host waits for none.
    pub fn new(stop: watch::Receiver<bool>) -> Self {
        Self { told: watch::Sender::new(None), stop, used: Mutex::default(), started_at: now() }
    }

    /// Turns true when the host ends.
    pub fn stop(&self) -> watch::Receiver<bool> {
        self.stop.clone()
    }

    /// Looks until `stop` turns true.
    pub async fn run(console: Arc<Console>) {
        let live = console.live.clone();
        let mut stop = live.stop.clone();
        while !*stop.borrow() {
            live.sample(&console.connections);
            if live.told.receiver_count() > 0 {
                match live.look(&console).await {
                    Ok((overview, revision)) => live.told.send_if_modified(|told| {
                        let same = told.as_ref().is_some_and(|(own, number)| **own == overview && *number == revision);
                        *told = Some((Arc::new(overview), revision));
                        !same
                    }),
                    Err(_) => false,
                };
            }
            tokio::select! { _ = tokio::time::sleep(LOOK) => {} _ = stop.changed() => {} }
        }
    }

    async fn look(&self, console: &Console) -> Result<(Overview, u64), Problem> {
        Ok((Overview::now(console).await?, console.store.questions_revision().await?))
    }

    fn sample(&self, connections: &Connections) {
        let (at, mut used) = (now(), self.used.lock().unwrap_or_else(PoisonError::into_inner));
        for (name, connection) in connections {
            let Connection::Salesforce(org) = connection.as_ref() else { continue };
            let (calls, limit) = org.usage();
            let own = used.entry(name.clone()).or_default();
            if limit > 0 && own.back().is_none_or(|(last, _)| at - last >= SAMPLE) {
                own.push_back((at, calls));
                while own.len() > SAMPLES {
                    own.pop_front();
                }
            }
        }
    }

    /// What an org's calls will be at midnight UTC, if they go on as in the last hour; none before there is something to go by.
    pub fn forecast(&self, connection: &str) -> Option<u64> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let own = used.get(connection)?;
        forecast(own.front().copied()?, own.back().copied()?, now())
    }
}

fn forecast(first: (Millis, u64), last: (Millis, u64), now: Millis) -> Option<u64> {
    const DAY: Millis = 24 * 3_600_000;
    let (span, more) = (last.0 - first.0, last.1.saturating_sub(first.1));
    let left = DAY - now.rem_euclid(DAY);
    (span >= SAMPLE).then(|| last.1 + (more as f64 * left as f64 / span as f64) as u64)
}

/// All of this page.
pub fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new().routes(routes!(live))
}

/// What changes, as it does: events `overview` and `reviews`, as server-sent events.
#[utoipa::path(get, path = "/live", tag = "overview",
    responses((status = 200, content_type = "text/event-stream", body = String), (status = 401, body = Problem)))]
async fn live(
    State(console): State<Arc<Console>>,
    who: Who,
) -> Sse<impl Stream<Item = Result<Event, Infallible>> + use<>> {
    let (told, stop) = (console.live.told.subscribe(), console.live.stop.clone());
    // The first is told at once.
    let first = Overview::now(&console).await.ok();
    let revision = console.store.questions_revision().await.unwrap_or_default();
    let access = console.access.clone();
    let mut seen = Seen { who, told, stop, access, checked: Instant::now(), pending: VecDeque::new(), known: None };
    if let Some(first) = first {
        seen.take(&first, revision);
    }
    let stream = unfold(seen, |mut seen| async move { seen.next().await.map(|event| (Ok(event), seen)) });
    Sse::new(stream).keep_alive(KeepAlive::new().interval(PULSE))
}

/// What one who looks has seen.
struct Seen {
    who: Who,
    told: watch::Receiver<Told>,
    stop: watch::Receiver<bool>,
    access: Arc<Access>,
    checked: Instant,
    pending: VecDeque<Event>,
    known: Option<(Overview, u64)>,
}

impl Seen {
    fn take(&mut self, overview: &Overview, revision: u64) {
        let own = overview.clone().seen_by(&self.who);
        let (before, number) = self.known.take().unzip();
        if before.as_ref() != Some(&own) {
            self.pending.extend(Event::default().event("overview").json_data(&own));
        }
        if number != Some(revision) {
            self.pending.extend(Event::default().event("reviews").json_data(json!({ "revision": revision })));
        }
        self.known = Some((own, revision));
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            let changed = tokio::select! {
                changed = self.told.changed() => {
                    changed.ok()?;
                    true
                }
                _ = self.stop.changed() => return None,
                () = tokio::time::sleep(PULSE) => false,
            };
            // Whoever was signed out, or may something else now, comes again as who they are.
            if self.checked.elapsed() >= PULSE {
                self.checked = Instant::now();
                if !self.access.holds(&self.who).await.unwrap_or(false) {
                    return None;
                }
            }
            if !changed {
                continue;
            }
            let told = self.told.borrow_and_update().clone();
            if let Some((overview, revision)) = told {
                self.take(&overview, revision);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_go_on_until_midnight_as_in_the_last_hour() {
        let (hour, day) = (3_600_000, 24 * 3_600_000);
        let noon = 20_000 * day + 12 * hour;
        assert_eq!(forecast((noon - hour, 1_000), (noon, 1_500), noon), Some(1_500 + 12 * 500));
        assert_eq!(forecast((noon - hour, 1_500), (noon, 1_000), noon), Some(1_000), "the window of the org moved on");
        assert_eq!(forecast((noon, 5), (noon, 5), noon), None);
    }
}
