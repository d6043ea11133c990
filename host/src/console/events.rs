//! Events: found by record, words, flow, state and time; and what is asked of many at once.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Console;
use super::access::Who;
use super::body::{Asked, Body, time};
use super::jobs::{Job, Target, Task};
use super::kinds;
use super::problem::Problem;
use crate::connections::salesforce::full_id;
use crate::store::{Event, EventId, EventState, Role, Search};
use crate::time::iso;

/// Events of one page at most.
const MOST: u32 = 200;
/// Events that are asked for at once at most.
const MOST_AT_ONCE: usize = 20_000;
/// Events that are rehearsed at once at most: each reads from both systems.
const MOST_REHEARSED: usize = 200;
/// Events that are looked up in one go.
const AT_A_TIME: u32 = 500;

/// All of this page.
pub fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(act))
}

/// One event, as lists show it.
#[derive(Clone, Serialize, ToSchema)]
pub struct EventRow {
    /// Its place in age order.
    id: i64,
    /// The flow it is for.
    flow: String,
    /// What happened.
    topic: String,
    /// The record.
    key: String,
    /// Where it stands.
    #[schema(value_type = String)]
    state: EventState,
    /// When it was taken in, ISO 8601.
    created_at: String,
    /// When it reached a final state.
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<String>,
    /// Not run before; of a waiting one its deadline.
    due_at: String,
    /// Attempts at it; outages are not counted.
    attempts: u32,
    /// What was done, or why not, in words.
    reason: Option<String>,
    /// Offered answers while in review.
    choices: Vec<String>,
}

impl From<&Event> for EventRow {
    fn from(event: &Event) -> Self {
        Self {
            id: event.id.0,
            flow: event.flow.clone(),
            topic: event.topic.clone(),
            key: event.key.clone(),
            state: event.state,
            created_at: iso(event.created_at),
            finished_at: event.finished_at.map(iso),
            due_at: iso(event.due_at),
            attempts: event.attempts,
            reason: event.reason.clone(),
            choices: event.choices.clone(),
        }
    }
}

/// A page of events.
#[derive(Serialize, ToSchema)]
pub struct Events {
    /// Newest first.
    events: Vec<EventRow>,
    /// There are older ones.
    more: bool,
}

/// Which events.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// A record's id on either side, or beginnings of words of the outcome or of what was told: names, numbers.
    q: Option<String>,
    /// Only of this flow.
    flow: Option<String>,
    /// Only in these states, with commas between them.
    state: Option<String>,
    /// Taken in then or later, ISO 8601.
    since: Option<String>,
    /// Taken in before, ISO 8601.
    until: Option<String>,
    /// Of this kind of error: see `GET /kinds`.
    kind: Option<String>,
}

/// Which events, and which page of them.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Listed {
    /// A record's id on either side, or beginnings of words of the outcome or of what was told: names, numbers.
    q: Option<String>,
    /// Only of this flow.
    flow: Option<String>,
    /// Only in these states, with commas between them.
    state: Option<String>,
    /// Taken in then or later, ISO 8601.
    since: Option<String>,
    /// Taken in before, ISO 8601.
    until: Option<String>,
    /// Of this kind of error: see `GET /kinds`.
    kind: Option<String>,
    /// Only older ones than this event.
    before: Option<i64>,
    /// At most so many: 200.
    #[param(value_type = Option<u64>)]
    limit: Option<u32>,
}

impl Filter {
    /// As the store looks for it, for who may see some flows.
    pub fn search(&self, who: &Who, before: Option<i64>, limit: u32) -> Result<Search, Problem> {
        let since = |field: &str, text: &Option<String>| {
            text.as_deref().filter(|text| !text.is_empty()).map(|text| time(field, text)).transpose()
        };
        let mut states = Vec::new();
        for word in self.state.as_deref().unwrap_or_default().split(',').filter(|word| !word.is_empty()) {
            let state = EventState::ALL.into_iter().find(|state| state.word() == word);
            states.push(state.ok_or_else(|| Problem::field("state", format!("There is no state {word:?}.")))?);
        }
        // Reports and addresses of the org show ids of 15 letters.
        let words = self.q.as_deref().map(str::trim).filter(|words| !words.is_empty());
        let words = words.map(|words| full_id(words).unwrap_or_else(|| words.chars().take(200).collect()));
        Ok(Search {
            words,
            // What was told names people: who may not read it does not find by it.
            in_payloads: !who.is_masked(),
            without_payloads: true,
            flows: who.flows_of(self.flow.as_deref()),
            states,
            since: since("since", &self.since)?,
            until: since("until", &self.until)?,
            before: before.map(EventId),
            limit,
        })
    }
}

/// Events, newest first.
#[utoipa::path(get, path = "/events", tag = "events", params(Listed),
    responses((status = 200, body = Events), (status = 401, body = Problem), (status = 422, body = Problem)))]
async fn list(
    State(console): State<Arc<Console>>,
    who: Who,
    Asked(asked): Asked<Listed>,
) -> Result<Json<Events>, Problem> {
    let Listed { q, flow, state, since, until, kind, before, limit } = asked;
    let filter = Filter { q, flow, state, since, until, kind };
    let limit = limit.unwrap_or(50).clamp(1, MOST);
    let mut found = match filter.kind.as_deref().filter(|kind| !kind.is_empty()) {
        Some(kind) => {
            let mut of_kind = kinds::events_of(&console, &who, kind).await?;
            let rest = filter.search(&who, before, 1)?;
            if rest.words.is_some() {
                return Err(Problem::field("q", "A kind is listed without words: leave one of the two out."));
            }
            of_kind.retain(|event| {
                rest.flows.as_ref().is_none_or(|flows| flows.contains(&event.flow))
                    && (rest.states.is_empty() || rest.states.contains(&event.state))
                    && rest.since.is_none_or(|since| event.created_at >= since)
                    && rest.until.is_none_or(|until| event.created_at < until)
                    && before.is_none_or(|before| event.id.0 < before)
            });
            of_kind
        }
        None => console.store.find(filter.search(&who, before, limit + 1)?).await?,
    };
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    Ok(Json(Events { events: found.iter().map(EventRow::from).collect(), more }))
}

/// What is asked of many events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ManyAct {
    /// Run them again.
    Retry,
    /// Leave the records as they are: for those that offer it.
    Ignore,
    /// Say what each would come to if it ran again now: nothing is sent, and nothing of them changes. Of a filter or a kind the
    /// newest 200; of those named 200 at most.
    Rehearse,
}

/// What is asked of many events: of those named, or of all that fit a filter.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Many {
    /// What.
    act: ManyAct,
    /// These.
    #[serde(default)]
    ids: Option<Vec<i64>>,
    /// All that fit this.
    #[serde(default)]
    filter: Option<Filter>,
    /// All of this kind of error.
    #[serde(default)]
    kind: Option<String>,
    /// Why, for the audit trail.
    #[serde(default)]
    why: Option<String>,
}

/// Asks something of many events at once: the answer is a job, whose progress is asked for by its id.
#[utoipa::path(post, path = "/events/act", tag = "events", request_body = Many,
    responses((status = 200, body = Job), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn act(State(console): State<Arc<Console>>, who: Who, Body(asked): Body<Many>) -> Result<Json<Job>, Problem> {
    who.may(Role::Operator)?;
    let (asks, filter) = (asked.act, asked.filter.unwrap_or_default());
    // Named in the filter, too, it is the same one.
    let kind = asked.kind.or(filter.kind.clone());
    let is_bare = Filter { kind: None, ..filter.clone() } == Filter::default();
    let mut targets = match (asked.ids, kind) {
        (Some(ids), None) if is_bare => {
            if asks == ManyAct::Rehearse && ids.len() > MOST_REHEARSED {
                let problem = Problem::field("ids", format!("{MOST_REHEARSED} events at most are rehearsed at once."));
                return Err(problem.mended("Name fewer, or a filter or a kind: of these the newest are taken."));
            }
            named(&console, &who, &ids).await?
        }
        (None, Some(kind)) if is_bare => {
            kinds::events_of(&console, &who, &kind).await?.iter().map(Target::from).collect()
        }
        (None, None) if !is_bare => all_of(&console, &who, &filter, asks).await?,
        _ => {
            return Err(Problem::field(
                "ids",
                "Name events, or a kind, or a filter: one of the three, and not nothing.",
            ));
        }
    };
    let (act, choice) = match asks {
        ManyAct::Retry => ("events.retry", None),
        ManyAct::Ignore => ("events.ignore", Some("ignore".to_owned())),
        ManyAct::Rehearse => {
            let more = targets.len() > MOST_REHEARSED;
            targets.truncate(MOST_REHEARSED);
            return Ok(Json(console.jobs.rehearse(console.clone(), who, asked.why, targets, more).await?));
        }
    };
    let task = Task { act, choice, why: asked.why };
    Ok(Json(console.jobs.begin(console.clone(), who, task, targets).await?))
}

/// All that fit a filter and can be meant, oldest last; an error where they are too many. To rehearse no more are looked up than needed.
async fn all_of(console: &Console, who: &Who, filter: &Filter, act: ManyAct) -> Result<Vec<Target>, Problem> {
    let mut search = filter.search(who, None, AT_A_TIME)?;
    let can: &[EventState] = match act {
        ManyAct::Retry => &[EventState::Ready, EventState::Waiting, EventState::Review, EventState::Rejected],
        ManyAct::Ignore => &[EventState::Review],
        ManyAct::Rehearse => &EventState::ALL,
    };
    search.states = match search.states.as_slice() {
        [] => can.to_vec(),
        asked => asked.iter().copied().filter(|state| can.contains(state)).collect(),
    };
    let mut targets: Vec<Target> = Vec::new();
    while !search.states.is_empty() {
        let found = console.store.find(search.clone()).await?;
        search.before = found.last().map(|event| event.id);
        targets.extend(found.iter().map(Target::from));
        if act == ManyAct::Rehearse && targets.len() > MOST_REHEARSED {
            break;
        }
        if targets.len() > MOST_AT_ONCE {
            let problem = Problem::field("filter", format!("More than {MOST_AT_ONCE} events fit it."));
            return Err(problem.mended("Narrow it, by flow, state or time."));
        }
        if found.is_empty() {
            break;
        }
    }
    Ok(targets)
}

/// Events by their ids; an error where one is not there, or not for who asks.
pub async fn named(console: &Console, who: &Who, ids: &[i64]) -> Result<Vec<Target>, Problem> {
    if ids.is_empty() || ids.len() > MOST_AT_ONCE {
        return Err(Problem::field("ids", format!("Name 1 to {MOST_AT_ONCE} events.")));
    }
    let mut targets = Vec::with_capacity(ids.len());
    for id in ids {
        targets.push(Target::from(&one(console, who, *id).await?));
    }
    Ok(targets)
}

/// One event; an error where it is not there, or not for who asks.
pub async fn one(console: &Console, who: &Who, id: i64) -> Result<Event, Problem> {
    let event = console.store.event(EventId(id)).await?.filter(|event| who.sees(&event.flow));
    event.ok_or_else(|| Problem::no(format_args!("event {id}")))
}
