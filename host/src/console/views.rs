//! Views: a way to look at the events that somebody keeps, or shares.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Console;
use super::access::Who;
use super::body::Body;
use super::problem::Problem;
use crate::store::View;

/// The most letters of a name, and of a query.
const LONGEST_NAME: usize = 80;
const LONGEST_QUERY: usize = 2_000;
/// Views of one person at most.
const MOST: usize = 100;

/// All of this page.
pub fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(put, remove))
}

/// A view.
#[derive(Serialize, ToSchema)]
#[schema(as = ViewListed)]
pub struct Listed {
    /// What they call it.
    name: String,
    /// Whose.
    by: String,
    /// The query of `GET /events`.
    query: String,
    /// Others see it, too.
    shared: bool,
}

/// Views.
#[derive(Serialize, ToSchema)]
pub struct Views {
    /// One's own, and those that are shared, by name.
    views: Vec<Listed>,
}

/// A view that is kept.
#[derive(Deserialize, ToSchema)]
#[schema(as = ViewKept)]
pub struct Kept {
    /// The query of `GET /events`.
    query: String,
    /// Others see it, too.
    shared: bool,
}

/// Views: one's own, and those that are shared.
#[utoipa::path(get, path = "/views", tag = "events", responses((status = 200, body = Views), (status = 401, body = Problem)))]
async fn list(State(console): State<Arc<Console>>, who: Who) -> Result<Json<Views>, Problem> {
    let views = console.store.views(&who.name).await?.into_iter();
    let views = views.map(|View { name, by, query, shared }| Listed { name, by, query, shared });
    Ok(Json(Views { views: views.collect() }))
}

/// Keeps a view in place of one's own of that name.
#[utoipa::path(put, path = "/views/{name}", tag = "events", params(("name" = String, Path)), request_body = Kept,
    responses((status = 204), (status = 401, body = Problem), (status = 422, body = Problem)))]
async fn put(
    State(console): State<Arc<Console>>,
    who: Who,
    Path(name): Path<String>,
    Body(kept): Body<Kept>,
) -> Result<StatusCode, Problem> {
    if name.trim().is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(Problem::field("name", format!("A view's name has 1 to {LONGEST_NAME} letters.")));
    }
    if kept.query.len() > LONGEST_QUERY {
        return Err(Problem::field("query", format!("A query has {LONGEST_QUERY} letters at most.")));
    }
    let own = console.store.views(&who.name).await?.into_iter().filter(|view| view.by == who.name && view.name != name);
    if own.count() >= MOST {
        return Err(Problem::conflict(format!("You keep {MOST} views: remove one first.")));
    }
    console.store.view_put(View { name, by: who.name, query: kept.query, shared: kept.shared }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a view of one's own.
#[utoipa::path(delete, path = "/views/{name}", tag = "events", params(("name" = String, Path)),
    responses((status = 204), (status = 401, body = Problem), (status = 404, body = Problem)))]
async fn remove(
    State(console): State<Arc<Console>>,
    who: Who,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    match console.store.view_remove(&who.name, &name).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::no(format_args!("view {name:?} of yours"))),
    }
}
