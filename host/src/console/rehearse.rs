//! What an event would do if it ran now: under the live or another release, with another payload, with an answer. Nothing of it is sent.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Console;
use super::access::Who;
use super::body::Body;
use super::events::one;
use super::problem::Problem;
use crate::engine::{Effect, Flow, Replay};
use crate::releases::ReleaseError;
use crate::store::{Event, Fate, Kept, Role};

/// Bytes of a payload at most.
const LARGEST: usize = 256 << 10;

/// All of this page.
pub fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new().routes(routes!(rehearse))
}

/// How it is to run.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = RehearsalWanted)]
pub struct Wanted {
    /// Under this release, by the beginning of its digest; without it under the live one.
    #[serde(default)]
    release: Option<String>,
    /// With this payload in place of its own.
    #[serde(default)]
    payload: Option<Value>,
    /// With this answer to its question.
    #[serde(default)]
    choice: Option<String>,
    /// Over what was read when it ran last; without it everything is read anew.
    #[serde(default)]
    recorded: bool,
}

/// What it would do.
#[derive(Serialize, ToSchema)]
pub struct Rehearsed {
    /// The release it was rehearsed under.
    release: String,
    /// What would become of it.
    pub verdict: Verdict,
    /// What it would send.
    pub effects: Vec<EffectRow>,
    /// What differs from what it sent when it ran last, field by field.
    pub differences: Vec<DifferenceRow>,
}

/// What would become of an event.
#[derive(Serialize, ToSchema)]
pub struct Verdict {
    /// `done`, `review`, `waiting`, `retry` or `rejected`.
    pub state: &'static str,
    /// In words.
    pub words: String,
}

impl Verdict {
    /// As [`crate::engine`] says it.
    fn of(words: String) -> Self {
        let known = [
            ("done", "done"),
            ("retry", "retry"),
            ("waits", "waiting"),
            ("review", "review"),
            ("rejected", "rejected"),
            ("the run fails", "review"),
        ];
        let state = known.iter().find(|(word, _)| words.starts_with(word)).map_or("rejected", |(_, state)| state);
        let words = match words.split_once(": ") {
            Some((_, rest)) if state == "done" || state == "review" || state == "rejected" => rest.to_owned(),
            _ => words,
        };
        Self { state, words }
    }
}

/// A call that would be sent.
#[derive(Serialize, ToSchema)]
pub struct EffectRow {
    /// The record it is about.
    subject: String,
    /// GET, POST …
    method: String,
    /// The plugin's slot for a connection.
    connection: String,
    /// Path and query.
    path: String,
    /// What it writes.
    fields: Vec<Field>,
}

/// One field that would be written.
#[derive(Serialize, ToSchema)]
pub struct Field {
    /// Its name.
    name: String,
    /// Its value.
    value: Value,
}

/// One field that differs from what was sent.
#[derive(Serialize, ToSchema)]
pub struct DifferenceRow {
    /// The record it is about.
    subject: String,
    /// Method, connection and path.
    call: String,
    /// Path in the body; empty for a call that only one of the two has.
    field: String,
    /// What was sent; null for what was not.
    before: Option<Value>,
    /// What would be sent; null for what would not.
    after: Option<Value>,
}

impl From<Effect> for EffectRow {
    fn from(effect: Effect) -> Self {
        let mut words = effect.call.splitn(3, ' ').map(str::to_owned);
        let mut word = || words.next().unwrap_or_default();
        let (method, connection, path) = (word(), word(), word());
        let fields = match effect.body {
            Value::Object(fields) => fields.into_iter().map(|(name, value)| Field { name, value }).collect(),
            Value::Null => Vec::new(),
            value => vec![Field { name: "(body)".into(), value }],
        };
        Self { subject: effect.subject, method, connection, path, fields }
    }
}

/// What an event would do if it ran now; nothing is sent.
#[utoipa::path(post, path = "/events/{id}/rehearse", tag = "events", params(("id" = i64, Path)), request_body = Wanted,
    responses((status = 200, body = Rehearsed), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn rehearse(
    State(console): State<Arc<Console>>,
    who: Who,
    Path(id): Path<i64>,
    Body(wanted): Body<Wanted>,
) -> Result<Json<Rehearsed>, Problem> {
    // An answer is tried by whoever may give it.
    let only_answers = wanted.choice.is_some() && wanted.payload.is_none() && wanted.release.is_none();
    who.may(if only_answers { Role::Reviewer } else { Role::Operator })?;
    let event = one(&console, &who, id).await?;
    let rehearsed = of(&console, event, wanted).await;
    // It read from both systems, however it ended.
    let outcome = if rehearsed.is_ok() { Fate::Done } else { Fate::Failed };
    console.store.act(who.act("event.rehearse", format!("event {id}"), outcome)).await?;
    rehearsed.map(Json)
}

/// Rehearses an event.
pub async fn of(console: &Console, mut event: Event, wanted: Wanted) -> Result<Rehearsed, Problem> {
    let (engine, releases) = (&console.engine, console.engine.releases());
    if wanted.recorded && (wanted.payload.is_some() || wanted.choice.is_some()) {
        let error = "What was read then does not go with another payload or answer.";
        return Err(Problem::field("recorded", error).mended("Leave `recorded` out: everything is read anew."));
    }
    if let Some(payload) = wanted.payload {
        let text = payload.to_string();
        if text.len() > LARGEST {
            return Err(Problem::field("payload", format!("It has {} bytes, and {LARGEST} are allowed.", text.len())));
        }
        (event.payload, event.kept) = (text, Kept::Whole);
    }
    if let Some(choice) = wanted.choice {
        if !event.choices.contains(&choice) {
            let offered = event.choices.join(", ");
            return Err(Problem::field("choice", format!("It is not offered; these are: {offered}.")));
        }
        event.resolution = Some(choice);
    }
    let refused = |error: ReleaseError| match error {
        ReleaseError::Unknown { .. } | ReleaseError::NoFlow { .. } => Problem::field("release", error.to_string()),
        other => Problem::conflict(other.to_string()),
    };
    let release = match &wanted.release {
        Some(asked) => {
            let row = releases.find(&event.flow, asked).await.map_err(refused)?;
            releases.load(&event.flow, &row.digest).await.map_err(refused)?
        }
        None => releases.live_or_files(&event.flow, engine.config()).await.map_err(refused)?,
    };
    let flow = Flow::for_rehearsal(&event.flow, release, engine.config(), &console.connections, releases);
    let flow = flow.await.map_err(|error| Problem::conflict(error.to_string()))?;
    let replay = Replay::run(releases.runtime(), &flow, &console.store, &event, !wanted.recorded).await;
    let replay = replay.map_err(|error| Problem::conflict(format!("The rehearsal failed: {error}.")))?;
    let differences = replay.differences().into_iter().map(|own| DifferenceRow {
        subject: own.subject,
        call: own.call,
        field: own.field,
        before: own.before,
        after: own.after,
    });
    Ok(Rehearsed {
        release: flow.release.digest.clone(),
        differences: differences.collect(),
        verdict: Verdict::of(replay.outcome),
        effects: replay.dry.into_iter().map(EffectRow::from).collect(),
    })
}
