//! The first load of a flow: rehearsed, begun, stopped, and how far it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Console;
use super::access::Who;
use super::body::Body;
use super::problem::Problem;
use super::releases::{known, problem};
use crate::engine::first_load::{Load, LoadError, Rehearsed, Stage};
use crate::engine::{BindError, Flow};
use crate::store::{Fate, Role};
use crate::time::iso;

/// All of this page.
pub fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new().routes(routes!(load, begin)).routes(routes!(rehearse)).routes(routes!(stop))
}

/// Which records.
#[derive(Deserialize, ToSchema)]
#[schema(as = LoadWanted)]
pub struct Wanted {
    /// Only records changed since this day, such as `2026-01-31`.
    since: Option<String>,
    /// From the beginning, also where an earlier one was broken off.
    anew: Option<bool>,
}

/// How a flow's first load stands.
#[derive(Serialize, ToSchema)]
pub struct FirstLoad {
    /// The flow.
    flow: String,
    /// Kinds of records it goes through, such as `b1.BusinessPartners`; empty where the plugin offers none, or is not known yet.
    offers: Vec<String>,
    /// The rehearsal that was asked for last, since the host started.
    rehearsal: Option<RehearsalRow>,
    /// The load that was asked for last.
    load: Option<LoadRow>,
}

/// A rehearsal.
#[derive(Serialize, ToSchema)]
#[schema(as = LoadRehearsal)]
pub struct RehearsalRow {
    /// `goes-on`, `over`, `failed`, `stopped`.
    #[schema(value_type = String)]
    state: Stage,
    /// Only records changed since this day.
    since: Option<String>,
    /// Records there are.
    total: u64,
    /// Of these looked at.
    done: u64,
    /// Why it ended before it was through.
    error: Option<String>,
    /// ISO 8601.
    began_at: String,
    /// What was found so far.
    found: FoundRow,
}

/// What a load would do.
#[derive(Serialize, ToSchema)]
#[schema(as = LoadFound)]
pub struct FoundRow {
    /// Records that would be written: `make Account`, `change BusinessPartners`.
    effects: Vec<Count>,
    /// Pairs that would be linked, by kind.
    links: Vec<Count>,
    /// Records by outcome: `done`, `review`, `retry`, `wait`, `reject`.
    outcomes: Vec<Count>,
    /// How many questions there would be.
    asks: u64,
    /// The first hundred.
    questions: Vec<Question>,
}

/// So many of something.
#[derive(Serialize, ToSchema)]
#[schema(as = LoadCount)]
pub struct Count {
    /// Of what.
    what: String,
    /// How many.
    records: u64,
}

/// What would be asked.
#[derive(Serialize, ToSchema)]
#[schema(as = LoadQuestion)]
pub struct Question {
    /// The record.
    key: String,
    /// What.
    why: String,
}

/// A load.
#[derive(Serialize, ToSchema)]
#[schema(as = LoadProgress)]
pub struct LoadRow {
    /// `goes-on`, `over`, `failed`, `stopped`.
    #[schema(value_type = String)]
    state: Stage,
    /// Only records changed since this day.
    since: Option<String>,
    /// Records there were when it began.
    total: u64,
    /// Records read so far.
    taken: u64,
    /// Of these worked through.
    done: u64,
    /// Of these that wait for another record.
    waiting: u64,
    /// Questions that came up meanwhile.
    review: u64,
    /// Why it does not get on, or did not.
    error: Option<String>,
    /// ISO 8601.
    began_at: String,
    /// ISO 8601.
    ended_at: Option<String>,
    /// Who asked for it.
    by: String,
}

impl From<Load> for LoadRow {
    fn from(load: Load) -> Self {
        Self {
            state: load.stage,
            since: load.since,
            total: load.total,
            taken: load.taken,
            done: load.done,
            waiting: load.waiting,
            review: load.review,
            error: load.error,
            began_at: iso(load.began_at),
            ended_at: load.ended_at.map(iso),
            by: load.by,
        }
    }
}

impl From<Rehearsed> for RehearsalRow {
    fn from(own: Rehearsed) -> Self {
        let counts =
            |all: BTreeMap<String, u64>| all.into_iter().map(|(what, records)| Count { what, records }).collect();
        Self {
            state: own.stage,
            since: own.since,
            total: own.total,
            done: own.done,
            error: own.error,
            began_at: iso(own.began_at),
            found: FoundRow {
                effects: counts(own.effects),
                links: counts(own.links),
                outcomes: counts(own.outcomes),
                asks: own.asks,
                questions: own.questions.into_iter().map(|(key, why)| Question { key, why }).collect(),
            },
        }
    }
}

impl From<LoadError> for Problem {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Store(error) => error.into(),
            LoadError::Release(error) | LoadError::Bind(BindError::Release(error)) => problem(error),
            LoadError::GoesOn(_) => Self::conflict(format!("{error}.")).mended("Wait until it is over, or stop it."),
            LoadError::Look(..) => Self::conflict(format!("{error}.")).mended("Is the connection well? Try again."),
            other => Self::conflict(format!("{other}.")),
        }
    }
}

/// How the first load of a flow stands.
#[utoipa::path(get, path = "/flows/{flow}/load", tag = "set-up", params(("flow" = String, Path)),
    responses((status = 200, body = FirstLoad), (status = 401, body = Problem), (status = 404, body = Problem)))]
async fn load(
    State(console): State<Arc<Console>>,
    who: Who,
    Path(flow): Path<String>,
) -> Result<Json<FirstLoad>, Problem> {
    known(&console, &who, &flow)?;
    told(&console, &who, flow).await
}

/// Begins it, or goes on with one that was broken off.
#[utoipa::path(post, path = "/flows/{flow}/load", tag = "set-up", params(("flow" = String, Path)), request_body = Wanted,
    responses((status = 200, body = FirstLoad), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn begin(
    State(console): State<Arc<Console>>,
    who: Who,
    Path(flow): Path<String>,
    Body(wanted): Body<Wanted>,
) -> Result<Json<FirstLoad>, Problem> {
    who.may(Role::Operator)?;
    known(&console, &who, &flow)?;
    let since = day(wanted.since)?;
    if console.engine.releases().live(&flow).await.map_err(problem)?.is_none() {
        return Err(Problem::from(LoadError::NotLive(flow)).mended("Make it live first."));
    }
    let bound = bound(&console, &flow).await?;
    let anew = wanted.anew.unwrap_or(false);
    console.loads.begin(&bound, console.engine.config(), &console.connections, since, anew, &who.name).await?;
    console.store.act(who.act("load.begin", &flow, Fate::Done)).await?;
    told(&console, &who, flow).await
}

/// Goes through the records without writing, and says what the load would do.
#[utoipa::path(post, path = "/flows/{flow}/load/rehearse", tag = "set-up", params(("flow" = String, Path)), request_body = Wanted,
    responses((status = 200, body = FirstLoad), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn rehearse(
    State(console): State<Arc<Console>>,
    who: Who,
    Path(flow): Path<String>,
    Body(wanted): Body<Wanted>,
) -> Result<Json<FirstLoad>, Problem> {
    who.may(Role::Operator)?;
    known(&console, &who, &flow)?;
    let since = day(wanted.since)?;
    let bound = bound(&console, &flow).await?;
    let (config, releases) = (console.engine.config(), console.engine.releases());
    console.loads.rehearse(bound, config, &console.connections, releases, since)?;
    console.store.act(who.act("load.rehearse", &flow, Fate::Done)).await?;
    told(&console, &who, flow).await
}

/// No more records are taken in; a rehearsal ends.
#[utoipa::path(post, path = "/flows/{flow}/load/stop", tag = "set-up", params(("flow" = String, Path)),
    responses((status = 200, body = FirstLoad), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
async fn stop(
    State(console): State<Arc<Console>>,
    who: Who,
    Path(flow): Path<String>,
) -> Result<Json<FirstLoad>, Problem> {
    who.may(Role::Operator)?;
    known(&console, &who, &flow)?;
    console.loads.stop(&flow).await?;
    console.store.act(who.act("load.stop", &flow, Fate::Done)).await?;
    told(&console, &who, flow).await
}

/// The flow under what is live, or what its files say; an error where its code was not allowed what it asks for.
async fn bound(console: &Console, flow: &str) -> Result<Flow, Problem> {
    let (config, releases) = (console.engine.config(), console.engine.releases());
    let release = releases.live_or_files(flow, config).await.map_err(problem)?;
    let bound = Flow::bind(flow, release, config, &console.connections, releases).await;
    bound.map_err(|error| LoadError::Bind(error).into())
}

async fn told(console: &Console, who: &Who, flow: String) -> Result<Json<FirstLoad>, Problem> {
    let plugin = console.engine.running().borrow().get(&flow).cloned();
    let live = console.engine.releases().live(&flow).await.map_err(problem)?.map(|own| own.release);
    let runs = match live {
        Some(live) => Some(live),
        None => console.store.candidate(&flow).await?.map(|own| own.release),
    };
    let mut rehearsed = console.loads.rehearsed(&flow, runs.as_deref());
    // They name records.
    if let Some(own) = rehearsed.as_mut().filter(|_| who.is_masked()) {
        own.questions.clear();
    }
    Ok(Json(FirstLoad {
        offers: plugin.map(|plugin| plugin.description.backfill.clone()).unwrap_or_default(),
        rehearsal: rehearsed.map(RehearsalRow::from),
        load: console.loads.load(&flow).await?.map(LoadRow::from),
        flow,
    }))
}

fn day(since: Option<String>) -> Result<Option<String>, Problem> {
    let Some(text) = since.filter(|text| !text.is_empty()) else { return Ok(None) };
    let day = text.parse::<chrono::NaiveDate>();
    day.map(|day| Some(day.to_string())).map_err(|_| Problem::field("since", "Write it like 2026-01-31."))
}
