//! The first page: what needs a person, and how each flow and connection is.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Console;
use super::access::Who;
use super::body::Asked;
use super::health::is_ready;
use super::problem::Problem;
use crate::backup::Standing as Backups;
use crate::connections::{BreakerState, Connection, Standing};
use crate::engine::FlowStatus;
use crate::releases::short;
use crate::store::{EventState, Millis};
use crate::time::{iso, now};

/// All of this page.
pub fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new().routes(routes!(overview)).routes(routes!(rates))
}

/// What needs a person, and how each flow and connection is.
#[derive(Clone, PartialEq, Serialize, ToSchema)]
pub struct Overview {
    /// The host itself.
    host: HostRow,
    /// What needs a person, most pressing first; empty: nothing does.
    needs: Vec<Need>,
    /// Flows by name.
    flows: Vec<FlowRow>,
    /// Connections by name.
    connections: Vec<ConnectionRow>,
    /// Where events come from.
    sources: Vec<SourceRow>,
}

/// The host itself.
#[derive(Clone, PartialEq, Serialize, ToSchema)]
pub struct HostRow {
    /// Its version.
    version: &'static str,
    /// When it started, ISO 8601.
    started_at: String,
    /// As `/readyz` says it.
    ready: bool,
    /// `ok`, or what is wrong with the store.
    store: String,
    /// When the last good backup was made, ISO 8601.
    #[serde(skip_serializing_if = "Option::is_none")]
    backup: Option<String>,
}

/// Of what kind a need is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum NeedKind {
    /// The store takes no writes.
    Store,
    /// A connection cannot be used.
    Connection,
    /// A flow cannot run.
    Held,
    /// Kinds of errors are new, or back.
    Errors,
    /// Questions wait for an answer.
    Review,
    /// Changed files wait, or cannot be used.
    Files,
    /// A channel by which people are told does not work.
    Alerts,
    /// No backup was made when one was due.
    Backup,
}

/// What needs a person.
#[derive(Clone, PartialEq, Serialize, ToSchema)]
pub struct Need {
    /// Of what kind.
    kind: NeedKind,
    /// Of which flow.
    #[serde(skip_serializing_if = "Option::is_none")]
    flow: Option<String>,
    /// Of which connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<String>,
    /// What it is.
    text: String,
    /// How many.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    /// What the newest of these kinds of errors say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    words: Vec<String>,
    /// Since when, ISO 8601.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
}

/// How a flow stands.
#[derive(Clone, Copy, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FlowState {
    /// Not looked at yet, or its plugin is being compiled.
    Starting,
    /// Takes events.
    Running,
    /// Cannot run until somebody mends `why`.
    Held,
}

/// A flow.
#[derive(Clone, PartialEq, Serialize, ToSchema)]
pub struct FlowRow {
    /// Its name.
    name: String,
    /// The plugin that its section of tandem.toml names.
    plugin: String,
    /// What the plugin calls itself.
    title: Option<String>,
    /// How it stands.
    state: FlowState,
    /// Why it is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// The live release; null before the first.
    release: Option<LiveRelease>,
    /// What its files say and is not live.
    candidate: Option<CandidateRow>,
    /// Events that are not finished: ready, leased, waiting.
    waiting: u64,
    /// When the oldest of them was taken in, ISO 8601.
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest: Option<String>,
    /// Events in review.
    reviews: u64,
    /// Events that can never succeed, as far as they are kept.
    rejected: u64,
    /// Events that were done, as far as they are kept.
    done: u64,
    /// When it runs by itself next.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<NextTimer>,
}

/// What a flow runs.
#[derive(Clone, PartialEq, Serialize, ToSchema)]
pub struct LiveRelease {
    /// Its digest, hex.
    digest: String,
    /// Since when, ISO 8601.
    since: String,
    /// Who made it live.
    who: String,
    /// Why.
    why: String,
}

/// What a flow's files say.
#[derive(Clone, PartialEq, Serialize, ToSchema)]
pub struct CandidateRow {
    /// Its digest, hex.
    digest: String,
    /// Why it is not live.
    held: Option<String>,
}

/// When a flow runs by itself.
#[derive(Clone, PartialEq, Serialize, ToSchema)]
pub struct NextTimer {
    /// The timer's name.
    timer: String,
    /// When, ISO 8601.
    at: String,
}

/// How a connection stands.
#[derive(Clone, Copy, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ConnectionState {
    /// Calls go through.
    Up,
    /// It does not answer, and is tried again.
    Down,
    /// Its sign-in is refused: a person must mend it.
    Refused,
}

/// A connection.
#[derive(Clone, PartialEq, Serialize, ToSchema)]
pub struct ConnectionRow {
    /// Its name.
    name: String,
    /// `b1` or `salesforce`.
    kind: &'static str,
    /// How it stands.
    state: ConnectionState,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// Since when it does not answer, or refuses the sign-in, ISO 8601.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// What of the org's calls is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    budget: Option<Budget>,
}

/// What of an allowance is used.
#[derive(Clone, PartialEq, Serialize, ToSchema)]
pub struct Budget {
    /// Used so far.
    used: u64,
    /// So many are allowed.
    limit: u64,
    /// What will be used at midnight UTC, if it goes on as in the last hour.
    forecast: u64,
}

/// How a source stands.
#[derive(Clone, Copy, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    /// Events come.
    Up,
    /// None come.
    Down,
    /// The org delivers no more for now.
    UsedUp,
    /// Another host has it.
    Elsewhere,
}

/// Where events come from: a topic of an org, or the looks into a company.
#[derive(Clone, PartialEq, Serialize, ToSchema)]
pub struct SourceRow {
    /// Its name.
    name: String,
    /// How it stands.
    state: SourceState,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

impl Overview {
    /// As all is now.
    pub async fn now(console: &Console) -> Result<Self, Problem> {
        let trouble = console.store.trouble().await;
        let connections: Vec<ConnectionRow> = console
            .connections
            .iter()
            .map(|(name, connection)| connection_row(name, connection, console.live.forecast(name)))
            .collect();
        let flows = flows(console).await?;
        let sources: Vec<SourceRow> =
            console.sources.iter().map(|(name, standing)| source_row(name, *standing.borrow())).collect();
        let ready = is_ready(console, trouble.is_none());
        let backups = Backups::of(console.engine.config(), console.store.as_ref()).await?;
        let host = HostRow {
            version: env!("CARGO_PKG_VERSION"),
            started_at: iso(console.live.started_at),
            ready,
            store: trouble.as_ref().map_or_else(|| "ok".to_owned(), ToString::to_string),
            backup: backups.as_ref().and_then(|backups| backups.last.clone()),
        };
        let mut needs = Vec::new();
        let need = |kind, text: String| {
            let words = Vec::new();
            Need { kind, flow: None, connection: None, text, count: None, words, since: None }
        };
        needs.extend(trouble.map(|trouble| need(NeedKind::Store, format!("The store {trouble}"))));
        for row in connections.iter().filter(|row| row.state != ConnectionState::Up) {
            let text = row.why.clone().unwrap_or_else(|| "It does not answer.".into());
            let (connection, since) = (Some(row.name.clone()), row.since.clone());
            needs.push(Need { connection, since, ..need(NeedKind::Connection, text) });
        }
        let refused = console.engine.refused();
        for row in &flows {
            if row.state == FlowState::Held {
                let text = row.why.clone().unwrap_or_default();
                needs.push(Need { flow: Some(row.name.clone()), ..need(NeedKind::Held, text) });
            }
            if row.reviews > 0 {
                let text = "Questions wait for an answer.".to_owned();
                let (flow, count) = (Some(row.name.clone()), Some(row.reviews));
                needs.push(Need { flow, count, ..need(NeedKind::Review, text) });
            }
        }
        // What is mended meanwhile is no news any more.
        let wrong = |row: &&FlowRow| row.reviews + row.rejected > 0;
        if flows.iter().any(|row| wrong(&row)) {
            let news = console.news.by_flow(console).await?;
            for (row, own) in flows.iter().filter(wrong).filter_map(|row| Some((row, news.get(&row.name)?))) {
                let (flow, count, words) = (Some(row.name.clone()), Some(own.count()), own.words.clone());
                let since = Some(iso(own.since));
                needs.push(Need { flow, count, words, since, ..need(NeedKind::Errors, own.text()) });
            }
        }
        for (name, why) in refused {
            let flow = console.engine.config().flows.contains_key(&name).then(|| name.clone());
            needs.push(Need { flow, ..need(NeedKind::Files, why) });
        }
        for (name, trouble) in &console.alerts.borrow().failing {
            let who = if trouble.partly { "not everybody" } else { "nobody" };
            let text = format!("By the channel {name} {who} is told: {}", trouble.why);
            needs.push(Need { since: Some(iso(trouble.since)), ..need(NeedKind::Alerts, text) });
        }
        let wrong = backups.and_then(|backups| backups.wrong);
        needs.extend(wrong.map(|wrong| need(NeedKind::Backup, capitalised(&wrong))));
        needs.sort_by_key(|need| need.kind);
        Ok(Self { host, needs, flows, connections, sources })
    }

    /// What somebody sees of it who is limited to some flows.
    pub fn seen_by(mut self, who: &Who) -> Self {
        self.flows.retain(|flow| who.sees(&flow.name));
        // What is wrong with tandem.toml is said in its words, which may be about any flow.
        let is_own = |need: &Need| match &need.flow {
            Some(flow) => who.sees(flow),
            None => who.flows.is_none() || need.kind != NeedKind::Files,
        };
        self.needs.retain(is_own);
        self
    }
}

/// As a sentence begins.
fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}", first.to_uppercase(), letters.as_str()))
}

async fn flows(console: &Console) -> Result<Vec<FlowRow>, Problem> {
    let mut counts: BTreeMap<(String, EventState), u64> = BTreeMap::new();
    for count in console.store.counts().await? {
        counts.insert((count.flow, count.state), count.events);
    }
    let oldest: BTreeMap<String, Millis> = console.store.oldest().await?.into_iter().collect();
    let (status, running) = (console.engine.status(), console.engine.running().borrow().clone());
    let timers = console.timers.borrow().clone();
    let mut rows = Vec::new();
    for (name, config) in &console.engine.config().flows {
        let of = |state| counts.get(&(name.clone(), state)).copied().unwrap_or_default();
        let (state, why) = match status.get(name) {
            Some(FlowStatus::Running) => (FlowState::Running, None),
            Some(FlowStatus::Held(why)) => (FlowState::Held, Some(why.clone())),
            Some(FlowStatus::Starting) | None => (FlowState::Starting, None),
        };
        let live = console.store.activations(name, 1).await?.pop();
        let candidate = console.store.candidate(name).await?;
        let candidate = candidate.filter(|own| live.as_ref().is_none_or(|live| live.release != own.release));
        let next = timers.get(name).into_iter().flatten().filter_map(|timer| {
            timer.next_after(now()).map(|at| (at, NextTimer { timer: timer.name.clone(), at: iso(at) }))
        });
        rows.push(FlowRow {
            name: name.clone(),
            plugin: config.plugin.clone(),
            title: running.get(name).map(|plugin| plugin.description.title.clone()),
            state,
            why,
            release: live.map(|live| LiveRelease {
                digest: live.release,
                since: iso(live.at),
                who: live.who,
                why: live.why,
            }),
            candidate: candidate.map(|own| CandidateRow { digest: short(&own.release).to_owned(), held: own.held }),
            waiting: of(EventState::Ready) + of(EventState::Leased) + of(EventState::Waiting),
            oldest: oldest.get(name).copied().map(iso),
            reviews: of(EventState::Review),
            rejected: of(EventState::Rejected),
            done: of(EventState::Done),
            next: next.min_by_key(|(at, _)| *at).map(|(_, next)| next),
        });
    }
    Ok(rows)
}

fn connection_row(name: &str, connection: &Connection, forecast: Option<u64>) -> ConnectionRow {
    let breaker = connection.breaker();
    let (state, why) = match (breaker.needs_person(), breaker.outage(), breaker.state()) {
        (Some(why), ..) => (ConnectionState::Refused, Some(why)),
        (None, Some(outage), _) => (ConnectionState::Down, Some(outage.to_string())),
        (None, None, BreakerState::Open(_)) => (ConnectionState::Down, None),
        _ => (ConnectionState::Up, None),
    };
    let budget =
        match connection {
            Connection::Salesforce(org) => Some(org.usage())
                .filter(|(_, limit)| *limit > 0)
                .map(|(used, limit)| Budget { used, limit, forecast: forecast.unwrap_or(used) }),
            Connection::B1(_) => None,
        };
    let since = breaker.trouble_since().map(iso);
    ConnectionRow { name: name.to_owned(), kind: connection.kind(), state, why, since, budget }
}

fn source_row(name: &str, standing: Standing) -> SourceRow {
    let state = match standing {
        Standing::Up => SourceState::Up,
        Standing::Down => SourceState::Down,
        Standing::UsedUp => SourceState::UsedUp,
        Standing::Elsewhere => SourceState::Elsewhere,
    };
    SourceRow { name: name.to_owned(), state, why: standing.trouble().map(str::to_owned) }
}

/// What needs a person, and how each flow and connection is.
#[utoipa::path(get, path = "/overview", tag = "overview", responses((status = 200, body = Overview), (status = 401, body = Problem)))]
async fn overview(State(console): State<Arc<Console>>, who: Who) -> Result<Json<Overview>, Problem> {
    Ok(Json(Overview::now(&console).await?.seen_by(&who)))
}

/// How far back.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Range {
    /// By the minute.
    Hour,
    /// By the quarter of an hour.
    Day,
    /// By two hours.
    Week,
}

impl Range {
    /// Minutes of a step, and how many steps.
    fn steps(self) -> (i64, i64) {
        match self {
            Self::Hour => (1, 60),
            Self::Day => (15, 96),
            Self::Week => (120, 84),
        }
    }
}

/// How far back.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// How far back.
    range: Range,
}

/// How many events ended, step by step.
#[derive(Serialize, ToSchema)]
pub struct Rates {
    /// How far back.
    range: Range,
    /// When the first step begins, ISO 8601.
    from: String,
    /// How long a step is.
    step_seconds: i64,
    /// By flow.
    flows: BTreeMap<String, Series>,
}

/// The steps of a flow, oldest first.
#[derive(Default, Serialize, ToSchema)]
pub struct Series {
    /// Done.
    done: Vec<u64>,
    /// Sent to review.
    review: Vec<u64>,
    /// Rejected.
    rejected: Vec<u64>,
}

/// How many events ended, step by step.
#[utoipa::path(get, path = "/rates", tag = "overview", params(Wanted),
    responses((status = 200, body = Rates), (status = 401, body = Problem), (status = 422, body = Problem)))]
async fn rates(
    State(console): State<Arc<Console>>,
    who: Who,
    Asked(Wanted { range }): Asked<Wanted>,
) -> Result<Json<Rates>, Problem> {
    let (step, steps) = range.steps();
    // The step of now is the last.
    let first = (now() / 60_000 / step - steps + 1) * step;
    let mut flows: BTreeMap<String, Series> = BTreeMap::new();
    for flow in console.engine.config().flows.keys().filter(|flow| who.sees(flow)) {
        let empty = || vec![0; steps as usize];
        flows.insert(flow.clone(), Series { done: empty(), review: empty(), rejected: empty() });
    }
    for rate in console.store.rates(first).await? {
        let place = usize::try_from((rate.minute - first) / step).unwrap_or(usize::MAX);
        let Some(series) = flows.get_mut(&rate.flow) else { continue };
        let own = match rate.state {
            EventState::Done => &mut series.done,
            EventState::Review => &mut series.review,
            _ => &mut series.rejected,
        };
        if let Some(count) = own.get_mut(place) {
            *count += rate.events;
        }
    }
    Ok(Json(Rates { range, from: iso(first * 60_000), step_seconds: step * 60, flows }))
}
