//! Questions: both records and the candidates beside each other, what each answer does, and who looks after which. Answers are given here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Console;
use super::access::Who;
use super::body::{Asked, Body, time};
use super::choices;
use super::events::{EventRow, named, one};
use super::jobs::{Job, Task};
use super::problem::Problem;
use super::story::dots;
use crate::engine::Flow;
use crate::engine::calls::{Answerer, CallError, Changed, Planned, may_answer, told};
use crate::sandbox::digest_of;
use crate::store::{Event, EventId, EventState, Fate, Note, Role, Search};
use crate::time::iso;

/// Questions of one page at most.
const MOST: u32 = 200;
/// Questions that are looked through for whose they are.
const SCANNED: u32 = 5_000;
/// So long whoever changes a call waits for its rehearsal.
const REHEARSED: Duration = Duration::from_secs(8);
/// Letters of a note.
const LONGEST: usize = 2_000;

/// All of this page.
pub fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, keep))
        .routes(routes!(answer))
        .routes(routes!(change))
}

/// A question.
#[derive(Serialize, ToSchema)]
pub struct Review {
    /// The event that asks.
    event: EventRow,
    /// The answers, and what each does.
    choices: Vec<Choice>,
    /// The record in B1.
    #[serde(skip_serializing_if = "Option::is_none")]
    b1: Option<Map<String, Value>>,
    /// The record in Salesforce.
    #[serde(skip_serializing_if = "Option::is_none")]
    salesforce: Option<Map<String, Value>>,
    /// What a call would write that waits to be approved, by its rehearsal.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    plan: Vec<Planned>,
    /// What it is called with.
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<Value>,
    /// Until when an approval is waited for, ISO 8601.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    /// The call that it was before a person changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<Changed>,
    /// What it may be the same as.
    candidates: Vec<Map<String, Value>>,
    /// In somebody's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// Who looks after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    assignee: Option<String>,
    /// Until when, ISO 8601.
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<String>,
}

/// An answer.
#[derive(Serialize, ToSchema)]
pub struct Choice {
    /// As it is given.
    choice: String,
    /// What it does; empty where the choice says it itself.
    does: String,
}

impl Review {
    fn of(event: &Event, note: Note, masked: bool) -> Self {
        let detail: Value = serde_json::from_str(&event.detail).unwrap_or_default();
        let record = |value: &Value| {
            let value = if masked { dots(value.clone()) } else { value.clone() };
            let Value::Object(mut fields) = value else { return None };
            // Salesforce's own word on the type and address of a record.
            fields.remove("attributes");
            Some(fields)
        };
        Self {
            event: EventRow::from(event),
            choices: event
                .choices
                .iter()
                .map(|choice| Choice { choice: choice.clone(), does: choices::does(choice) })
                .collect(),
            b1: record(&detail["b1"]),
            salesforce: record(&detail["salesforce"]),
            plan: match masked {
                true => Vec::new(),
                false => serde_json::from_value(detail["plan"].clone()).unwrap_or_default(),
            },
            input: Some(detail["input"].clone()).filter(|input| !masked && !input.is_null()),
            expires: detail["expires"].as_i64().map(iso),
            changed: serde_json::from_value(detail["changed"].clone()).ok(),
            candidates: detail["candidates"].as_array().into_iter().flatten().filter_map(record).collect(),
            note: note.note.filter(|_| !masked),
            assignee: note.assignee,
            due: note.due.map(iso),
        }
    }
}

/// A page of questions.
#[derive(Serialize, ToSchema)]
pub struct Reviews {
    /// Newest first.
    reviews: Vec<Review>,
    /// There are older ones.
    more: bool,
    /// Grows with every event that enters or leaves review.
    revision: u64,
}

/// Which questions.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only of this flow.
    flow: Option<String>,
    /// Only those that this person looks after; empty: those of nobody.
    assignee: Option<String>,
    /// Words of question or record.
    q: Option<String>,
    /// Only older ones than this event.
    before: Option<i64>,
    /// At most so many: 200.
    #[param(value_type = Option<u64>)]
    limit: Option<u32>,
}

/// Questions, newest first.
#[utoipa::path(get, path = "/reviews", tag = "reviews", params(Filter),
    responses((status = 200, body = Reviews), (status = 401, body = Problem), (status = 422, body = Problem)))]
async fn list(
    State(console): State<Arc<Console>>,
    who: Who,
    Asked(filter): Asked<Filter>,
) -> Result<Json<Reviews>, Problem> {
    let limit = filter.limit.unwrap_or(50).clamp(1, MOST) as usize;
    let revision = console.store.questions_revision().await?;
    let flows = who.flows_of(filter.flow.as_deref());
    let search = Search {
        words: filter.q.filter(|words| !words.trim().is_empty()),
        in_payloads: !who.is_masked(),
        without_payloads: true,
        flows,
        states: vec![EventState::Review],
        before: filter.before.map(EventId),
        limit: if filter.assignee.is_some() { SCANNED } else { limit as u32 + 1 },
        ..Search::default()
    };
    let mut events = console.store.find(search).await?;
    let ids = events.iter().map(|event| event.id).collect();
    let mut notes: BTreeMap<EventId, Note> = console.store.notes(ids).await?.into_iter().collect();
    if let Some(assignee) = &filter.assignee {
        let own = |event: &Event| notes.get(&event.id).and_then(|note| note.assignee.as_deref()).unwrap_or_default();
        events.retain(|event| own(event) == assignee);
    }
    let more = events.len() > limit;
    events.truncate(limit);
    let masked = who.is_masked();
    let review = |event: &Event| Review::of(event, notes.remove(&event.id).unwrap_or_default(), masked);
    Ok(Json(Reviews { reviews: events.iter().map(review).collect(), more, revision }))
}

async fn note_of(console: &Console, event: EventId) -> Result<Note, Problem> {
    Ok(console.store.notes(vec![event]).await?.pop().map(|(_, note)| note).unwrap_or_default())
}

/// One question.
#[utoipa::path(get, path = "/reviews/{id}", tag = "reviews", params(("id" = i64, Path)),
    responses((status = 200, body = Review), (status = 401, body = Problem), (status = 404, body = Problem)))]
async fn show(State(console): State<Arc<Console>>, who: Who, Path(id): Path<i64>) -> Result<Json<Review>, Problem> {
    let event = one(&console, &who, id).await?;
    let note = note_of(&console, event.id).await?;
    Ok(Json(Review::of(&event, note, who.is_masked())))
}

/// What is kept beside a question: what is not named stays, what is null goes.
#[derive(Deserialize, ToSchema)]
#[schema(as = ReviewKept)]
pub struct Kept {
    /// In one's words.
    #[serde(default, deserialize_with = "named_at_all")]
    #[schema(value_type = Option<String>)]
    note: Option<Option<String>>,
    /// Who looks after it.
    #[serde(default, deserialize_with = "named_at_all")]
    #[schema(value_type = Option<String>)]
    assignee: Option<Option<String>>,
    /// Until when, ISO 8601.
    #[serde(default, deserialize_with = "named_at_all")]
    #[schema(value_type = Option<String>)]
    due: Option<Option<String>>,
}

/// Tells a null from a field that is not there.
fn named_at_all<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Keeps a note, who looks after it, and until when.
#[utoipa::path(patch, path = "/reviews/{id}", tag = "reviews", params(("id" = i64, Path)), request_body = Kept,
    responses((status = 200, body = Review), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn keep(
    State(console): State<Arc<Console>>,
    who: Who,
    Path(id): Path<i64>,
    Body(kept): Body<Kept>,
) -> Result<Json<Review>, Problem> {
    who.may(Role::Reviewer)?;
    let event = one(&console, &who, id).await?;
    let mut note = note_of(&console, event.id).await?;
    let filled = |field: &str, text: Option<String>| match text.filter(|text| !text.trim().is_empty()) {
        Some(text) if text.chars().count() > LONGEST => {
            Err(Problem::field(field, format!("It has {LONGEST} letters at most.")))
        }
        text => Ok(text),
    };
    if let Some(text) = kept.note {
        note.note = filled("note", text)?;
    }
    if let Some(text) = kept.assignee {
        note.assignee = filled("assignee", text)?;
    }
    if let Some(text) = kept.due {
        note.due = text.map(|text| time("due", &text)).transpose()?;
    }
    console.store.note_put(event.id, note.clone()).await?;
    console.store.act(who.act("review.note", format!("event {id}"), Fate::Done)).await?;
    Ok(Json(Review::of(&event, note, who.is_masked())))
}

/// An answer to one question or to many.
#[derive(Deserialize, ToSchema)]
pub struct Answer {
    /// The events that ask.
    ids: Vec<i64>,
    /// One of the choices of each.
    choice: String,
    /// Why, for the audit trail.
    #[serde(default)]
    why: Option<String>,
}

/// Gives an answer. Questions that do not offer it, or were answered by somebody else, are told in the job's `failed`; the others are
/// answered all the same.
#[utoipa::path(post, path = "/reviews/answer", tag = "reviews", request_body = Answer,
    responses((status = 200, body = Job), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn answer(
    State(console): State<Arc<Console>>,
    who: Who,
    Body(asked): Body<Answer>,
) -> Result<Json<Job>, Problem> {
    who.may(Role::Reviewer)?;
    let events = named(&console, &who, &asked.ids).await?;
    let task = Task { act: "review.answer", choice: Some(asked.choice), why: asked.why };
    Ok(Json(console.jobs.begin(console.clone(), who, task, events).await?))
}

/// What a call that waits to be approved is to be called with instead.
#[derive(Deserialize, ToSchema)]
#[schema(as = CallChange)]
pub struct Change {
    /// All of it, as the tool takes it.
    #[schema(value_type = Object)]
    input: Value,
    /// Why, for the audit trail.
    #[serde(default)]
    why: Option<String>,
}

/// The call that was made of another one.
#[derive(Serialize, ToSchema)]
#[schema(as = CallChanged)]
pub struct ChangedTo {
    /// Its event: a question of its own as soon as it was rehearsed.
    call: i64,
}

/// Makes another call of one that waits to be approved, which is over then: who may approve it may. Nothing is written before that one is approved.
#[utoipa::path(post, path = "/reviews/{id}/change", tag = "reviews", params(("id" = i64, Path)), request_body = Change,
    responses((status = 200, body = ChangedTo), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn change(
    State(console): State<Arc<Console>>,
    who: Who,
    Path(id): Path<i64>,
    Body(asked): Body<Change>,
) -> Result<Json<ChangedTo>, Problem> {
    who.may(Role::Reviewer)?;
    let event = one(&console, &who, id).await?;
    let answerer = Answerer { who: &who.name, owner: who.owner.as_deref(), via: who.via };
    let approves = event.choices.iter().find_map(|own| may_answer(console.engine.policy(), &event, answerer, own));
    if let Some(why) = approves {
        return Err(Problem::refused(why));
    }
    let flow = console.engine.flows().into_iter().find(|own| own.name == event.flow);
    let flow = flow.ok_or_else(|| Problem::conflict(format!("The flow {} does not run now.", event.flow)))?;
    // What was begun is done and noted, also where nobody waits for it any more.
    let work = tokio::spawn(async move { changed(&console, &who, &flow, &event, asked).await });
    let call = work.await.map_err(|error| Problem::conflict(format!("The host failed over it: {error}.")))??;
    Ok(Json(ChangedTo { call: call.0 }))
}

async fn changed(console: &Console, who: &Who, flow: &Flow, event: &Event, asked: Change) -> Result<EventId, Problem> {
    let input = digest_of(asked.input.to_string().as_bytes());
    let call = match console.engine.change_call(flow, event, asked.input, &who.name).await {
        Ok(call) => call,
        Err(CallError::Store(error)) => return Err(error.into()),
        Err(CallError::Unfit(problems)) => return Err(Problem::field("input", problems.join("; "))),
        Err(why) => return Err(Problem::conflict(why.to_string())),
    };
    let why = asked.why.map(|why| format!(": {why}")).unwrap_or_default();
    let mut act = who.act("review.change", format!("event {}", event.id), Fate::Done);
    act.why = Some(format!("call {call}, input sha256 {input}{why}"));
    console.store.act(act).await?;
    // What it would write is there in a moment, mostly.
    if let Err(error) = told(console.store.as_ref(), call, REHEARSED).await {
        tracing::warn!(%error, "how the changed call stands is not known yet");
    }
    Ok(call)
}
