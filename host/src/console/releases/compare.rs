//! What would be different under a release: recorded runs again, with nothing sent. Done beside everything else; its progress is asked for by its id.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Semaphore;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{found, known, problem};
use crate::console::Console;
use crate::console::access::{Who, secret};
use crate::console::body::Body;
use crate::console::problem::Problem;
use crate::ending::guarded;
use crate::engine::{Comparer, Comparison, OUTCOME, told};
use crate::releases::Release;
use crate::sandbox::Unknown;
use crate::store::{Fate, Role};

/// Comparisons that are remembered.
const REMEMBERED: usize = 20;
/// Past events that are gone through where nobody says, and at most.
const LAST: u32 = 1_000;
const MOST: u32 = 10_000;
/// How long an answer waits for it to be over.
const MOMENT: Duration = Duration::from_secs(2);

/// This part of the page.
pub fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new().routes(routes!(begin)).routes(routes!(progress))
}

/// Over what.
#[derive(Deserialize, ToSchema)]
#[schema(as = ComparisonWanted)]
pub struct Wanted {
    /// So many past events; 1,000 without it.
    last: Option<u32>,
    /// Fields that past runs did not read are read now, which is told of; true without it. Nothing is ever written.
    read_now: Option<bool>,
}

/// How far it is, and what was found.
#[derive(Clone, Serialize, ToSchema)]
pub struct Progress {
    /// By which it is asked for.
    id: String,
    /// The flow.
    flow: String,
    /// Digest of the release that is looked at.
    release: String,
    /// Runs to go through.
    total: usize,
    /// Runs gone through.
    done: usize,
    /// It has ended.
    over: bool,
    /// Why it ended before it was through.
    error: Option<String>,
    /// What was found, once it is over.
    found: Option<Found>,
    #[serde(skip)]
    by: String,
}

/// What a comparison found.
#[derive(Clone, Serialize, ToSchema)]
pub struct Found {
    /// Events gone through.
    events: u64,
    /// Runs of theirs.
    runs: u64,
    /// Events that end the same, with the same effects.
    same: u64,
    /// Events that do not.
    different: u64,
    /// Events of which it cannot be told.
    untold: u64,
    /// What the past runs did not read, and would be read: why it cannot be told.
    untold_why: Vec<String>,
    /// Reads that were answered as things are now.
    read_now: u64,
    /// Differences in what is sent, by kind, the most frequent first.
    groups: Vec<GroupRow>,
    /// Events that end in another state or with other words.
    ended_otherwise: u64,
    /// Some of them.
    endings: Vec<EndingRow>,
    /// Changed sections of the mapping that none of the events used: of these nothing is said.
    unused: Vec<String>,
}

/// Differences of one kind.
#[derive(Clone, Serialize, ToSchema)]
pub struct GroupRow {
    /// The call without its record's key: `PATCH b1 /Orders(*)`.
    call: String,
    /// The field; empty for a call that only one of the two makes.
    field: String,
    /// How many.
    count: u64,
    /// Some of them.
    examples: Vec<ExampleRow>,
}

/// One difference.
#[derive(Clone, Serialize, ToSchema)]
pub struct ExampleRow {
    /// The event, where it is known which of its run it was.
    event: Option<i64>,
    /// The record.
    key: String,
    /// What was done.
    before: Option<Value>,
    /// What would be done.
    after: Option<Value>,
}

/// An event that ends otherwise.
#[derive(Clone, Serialize, ToSchema)]
pub struct EndingRow {
    /// The event, where it is known which of its run it was.
    event: Option<i64>,
    /// Its record.
    key: String,
    /// How it ended, in words.
    before: String,
    /// How it would end.
    after: String,
}

impl From<Comparison> for Found {
    fn from(found: Comparison) -> Self {
        let (outcomes, others): (Vec<_>, Vec<_>) = found.groups.into_iter().partition(|group| group.call == OUTCOME);
        let endings = outcomes.iter().flat_map(|group| &group.examples).map(|own| EndingRow {
            event: own.event,
            key: own.difference.subject.clone(),
            before: told(own.difference.before.as_ref()),
            after: told(own.difference.after.as_ref()),
        });
        let groups = others.into_iter().map(|group| GroupRow {
            call: group.call,
            field: group.field,
            count: group.count,
            examples: group
                .examples
                .into_iter()
                .map(|own| ExampleRow {
                    event: own.event,
                    key: own.difference.subject,
                    before: own.difference.before,
                    after: own.difference.after,
                })
                .collect(),
        });
        Self {
            events: found.events,
            runs: found.runs,
            same: found.same,
            different: found.different,
            untold: found.untold,
            untold_why: found.unread.into_iter().map(|(read, runs)| format!("{read} ({runs} runs)")).collect(),
            read_now: found.read_now,
            ended_otherwise: outcomes.iter().map(|group| group.count).sum(),
            endings: endings.collect(),
            groups: groups.collect(),
            unused: found.unused,
        }
    }
}

/// The comparisons of this host since it started.
pub struct Comparisons {
    all: Mutex<VecDeque<Arc<Mutex<Progress>>>>,
    /// One goes through its runs at a time: flows go first.
    turn: Semaphore,
}

impl Default for Comparisons {
    fn default() -> Self {
        Self { all: Mutex::default(), turn: Semaphore::new(1) }
    }
}

impl Comparisons {
    /// None where one of theirs goes on still.
    fn keep(&self, progress: Progress) -> Option<Arc<Mutex<Progress>>> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let goes_on = |own: &Arc<Mutex<Progress>>| {
            let own = own.lock().unwrap_or_else(PoisonError::into_inner);
            own.by == progress.by && !own.over
        };
        if all.iter().any(goes_on) {
            return None;
        }
        let shared = Arc::new(Mutex::new(progress));
        all.push_back(shared.clone());
        while all.len() > REMEMBERED {
            all.pop_front();
        }
        Some(shared)
    }

    fn find(&self, id: &str, who: &Who) -> Option<Progress> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = all.iter().map(|own| own.lock().unwrap_or_else(PoisonError::into_inner).clone());
        known.find(|own| own.id == id && own.by == who.name)
    }
}

/// Begins to compare a release with those that past runs ran under.
#[utoipa::path(post, path = "/flows/{flow}/releases/{release}/compare", tag = "releases", params(("flow" = String, Path), ("release" = String, Path)), request_body = Wanted,
    responses((status = 200, body = Progress), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn begin(
    State(console): State<Arc<Console>>,
    who: Who,
    Path((flow, release)): Path<(String, String)>,
    Body(wanted): Body<Wanted>,
) -> Result<Json<Progress>, Problem> {
    who.may(Role::Operator)?;
    known(&console, &who, &flow)?;
    let last = wanted.last.unwrap_or(LAST);
    if !(1..=MOST).contains(&last) {
        return Err(Problem::field("last", format!("1 to {MOST} events are gone through.")));
    }
    let row = found(&console, &flow, &release).await?;
    let release = console.engine.releases().load(&flow, &row.digest).await.map_err(problem)?;
    // What was never allowed reads nothing.
    let reads = wanted.read_now.unwrap_or(true) && console.engine.releases().consented(&release).await.is_ok();
    if reads {
        let act = who.act("release.compare", format!("release {} of {flow}", row.digest), Fate::Done);
        console.store.act(act).await?;
    }
    let unknown = if reads { Unknown::Ask } else { Unknown::Refuse };
    let shared = console.comparisons.keep(Progress {
        id: secret()?[..16].to_owned(),
        flow,
        release: row.digest,
        total: 0,
        done: 0,
        over: false,
        error: None,
        found: None,
        by: who.name,
    });
    let goes_on = || Problem::conflict("A comparison of yours goes on.").mended("Wait until it is over.");
    let shared = shared.ok_or_else(goes_on)?;
    let own = shared.clone();
    let work = tokio::spawn(guarded("comparison of releases", async move {
        let ended = compare(&console, &own, release, last, unknown).await;
        let mut own = own.lock().unwrap_or_else(PoisonError::into_inner);
        own.over = true;
        match ended {
            Ok(comparison) => own.found = Some(comparison.into()),
            Err(why) => own.error = Some(why),
        }
    }));
    let _ = tokio::time::timeout(MOMENT, work).await;
    Ok(Json(shared.lock().unwrap_or_else(PoisonError::into_inner).clone()))
}

async fn compare(
    console: &Console,
    progress: &Mutex<Progress>,
    release: Arc<Release>,
    last: u32,
    unknown: Unknown,
) -> Result<Comparison, String> {
    let flow = progress.lock().unwrap_or_else(PoisonError::into_inner).flow.clone();
    let _turn = console.comparisons.turn.acquire().await.map_err(|e| e.to_string())?;
    let engine = &console.engine;
    let (config, releases) = (engine.config(), engine.releases());
    let comparer = Comparer::new(&flow, release, config, &console.connections, releases, unknown).await;
    let mut comparer = comparer.map_err(|e| e.to_string())?;
    let runs = comparer.last_runs(last).await.map_err(|e| e.to_string())?;
    progress.lock().unwrap_or_else(PoisonError::into_inner).total = runs.len();
    for id in runs {
        comparer.add(id).await.map_err(|e| e.to_string())?;
        progress.lock().unwrap_or_else(PoisonError::into_inner).done += 1;
    }
    Ok(comparer.done())
}

/// How far a comparison is that one has begun.
#[utoipa::path(get, path = "/comparisons/{id}", tag = "releases", params(("id" = String, Path)),
    responses((status = 200, body = Progress), (status = 401, body = Problem), (status = 404, body = Problem)))]
async fn progress(
    State(console): State<Arc<Console>>,
    who: Who,
    Path(id): Path<String>,
) -> Result<Json<Progress>, Problem> {
    let problem = || Problem::no(format_args!("comparison {id:?}")).mended("The host forgets them when it stops.");
    console.comparisons.find(&id, &who).map(Json).ok_or_else(problem)
}
