//! Errors by kind: what stands in review or was rejected, grouped by its cause, whichever records it is about.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Console;
use super::access::Who;
use super::body::Asked;
use super::problem::Problem;
use crate::sandbox::digest_of;
use crate::store::{Event, EventState, Millis, Search};
use crate::time::{iso, now};

/// Events that are looked at, the newest.
const SCANNED: u32 = 5_000;
/// A kind whose first is not older is new.
const FRESH: Millis = 24 * 3_600_000;
/// Letters of the words of a kind.
const LONGEST: usize = 400;

/// All of this page.
pub fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// One cause, of many records.
#[derive(Serialize, ToSchema)]
pub struct Kind {
    /// By which all of it is asked for.
    id: String,
    /// The flow.
    flow: String,
    /// What is said, with … where records differ.
    words: String,
    /// How many records.
    count: u64,
    /// When the first was taken in, ISO 8601.
    first: String,
    /// When the last was.
    last: String,
    /// The newest event of it.
    example: i64,
    /// `review` or `rejected`.
    #[schema(value_type = String)]
    state: EventState,
    /// Its first one is not older than a day.
    fresh: bool,
}

/// Kinds of errors.
#[derive(Serialize, ToSchema)]
pub struct Kinds {
    /// The most frequent first.
    kinds: Vec<Kind>,
    /// So many events were looked at, the newest; where there are more, counts are of these.
    looked_at: u64,
}

/// Of which flow.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only of this flow.
    flow: Option<String>,
}

/// Finds what records differ in.
struct Places(Regex);

impl Places {
    fn new() -> Result<Self, Problem> {
        // Texts in quotes, ids of the org, keys and numbers of B1, times.
        let places = r#""[^"]*"|\b(?:[A-Za-z0-9]{15}|[A-Za-z0-9]{18})\b|\b[A-Z]{0,3}\d[\w.,:-]*"#;
        Regex::new(places).map(Self).map_err(Problem::failed)
    }

    /// What is said, whichever record it is about: where the flow says its parameters, without them; else without what looks like one.
    fn words(&self, event: &Event) -> String {
        let mut words = event.reason.clone().unwrap_or_default();
        let detail: Value = serde_json::from_str(&event.detail).unwrap_or_default();
        let mut values: Vec<&str> =
            detail["said"].as_array().into_iter().flatten().flat_map(|said| texts(&said["with"])).collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        for value in values.into_iter().filter(|value| value.chars().count() > 2) {
            words = words.replace(value, "…");
        }
        let words = self.0.replace_all(&words, "…");
        words.chars().take(LONGEST).collect()
    }
}

/// The texts of a question's parameters that name something; a cause that is told within is said itself.
fn texts(with: &Value) -> Vec<&str> {
    with.as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| !matches!(name.as_str(), "why" | "what" | "error"))
        .filter_map(|(_, value)| value.as_str())
        .collect()
}

fn id_of(event: &Event, words: &str) -> String {
    digest_of(format!("{}\n{}\n{words}", event.flow, event.state.word()).as_bytes())[..16].to_owned()
}

async fn wrong(console: &Console, who: &Who, flow: Option<String>) -> Result<Vec<Event>, Problem> {
    let flows = who.flows_of(flow.as_deref());
    let states = vec![EventState::Review, EventState::Rejected];
    Ok(console
        .store
        .find(Search { flows, states, without_payloads: true, limit: SCANNED, ..Search::default() })
        .await?)
}

/// The events of a kind.
pub async fn events_of(console: &Console, who: &Who, kind: &str) -> Result<Vec<Event>, Problem> {
    let places = Places::new()?;
    let mut events = wrong(console, who, None).await?;
    events.retain(|event| id_of(event, &places.words(event)) == kind);
    if events.is_empty() {
        return Err(Problem::no(format_args!("kind {kind:?} any more")));
    }
    Ok(events)
}

/// What stands in review or was rejected, by cause.
#[utoipa::path(get, path = "/kinds", tag = "events", params(Filter),
    responses((status = 200, body = Kinds), (status = 401, body = Problem), (status = 422, body = Problem)))]
async fn list(
    State(console): State<Arc<Console>>,
    who: Who,
    Asked(filter): Asked<Filter>,
) -> Result<Json<Kinds>, Problem> {
    let places = Places::new()?;
    let events = wrong(&console, &who, filter.flow).await?;
    let mut kinds: BTreeMap<String, (Kind, Millis)> = BTreeMap::new();
    // Newest first.
    for event in &events {
        let words = places.words(event);
        let id = id_of(event, &words);
        let at = iso(event.created_at);
        let (kind, first) = kinds.entry(id.clone()).or_insert_with(|| {
            let kind = Kind {
                id,
                flow: event.flow.clone(),
                words,
                count: 0,
                first: String::new(),
                last: at.clone(),
                example: event.id.0,
                state: event.state,
                fresh: false,
            };
            (kind, event.created_at)
        });
        kind.count += 1;
        kind.first = at;
        *first = event.created_at;
    }
    let mut kinds: Vec<Kind> =
        kinds.into_values().map(|(kind, first)| Kind { fresh: now() - first < FRESH, ..kind }).collect();
    kinds.sort_by(|a, b| b.count.cmp(&a.count).then(b.example.cmp(&a.example)));
    Ok(Json(Kinds { kinds, looked_at: events.len() as u64 }))
}
