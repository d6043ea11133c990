//! Errors by kind: what stands in review or was rejected, grouped by its cause, whichever records it is about.

mod grouped;
mod news;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::grouped::{Kind, grouped};
pub use self::news::News;
use super::Console;
use super::access::Who;
use super::body::Asked;
use super::problem::Problem;
use crate::engine::kinds;
use crate::store::Event;
use crate::time::now;

/// All of this page.
pub fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Kinds of errors.
#[derive(Serialize, ToSchema)]
pub struct Kinds {
    /// The most frequent first.
    kinds: Vec<Kind>,
    /// So many events were looked at, the newest; where there are more, all that is told is of these.
    looked_at: u64,
}

/// Of which flow.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only of this flow.
    flow: Option<String>,
}

/// What stands in review or was rejected, the newest first; without flows: of all.
async fn wrong(console: &Console, flows: Option<Vec<String>>) -> Result<Vec<Event>, Problem> {
    Ok(kinds::wrong(console.store.as_ref(), flows).await?)
}

/// The events of a kind, the newest first.
pub async fn events_of(console: &Console, who: &Who, kind: &str) -> Result<Vec<Event>, Problem> {
    let mut events = wrong(console, who.flows_of(None)).await?;
    events.retain(|event| kinds::id_of(event) == kind);
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
    let events = wrong(&console, who.flows_of(filter.flow.as_deref())).await?;
    let kinds = grouped(&events, now());
    Ok(Json(Kinds { kinds, looked_at: events.len() as u64 }))
}
