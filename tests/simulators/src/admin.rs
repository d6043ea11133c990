//! What the admin endpoint and the page of both simulators share. What only one of them can do is in its own `admin.rs`.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{Response, StatusCode};
use axum::response::Html;
use axum::routing::{get, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::faults::{Fault, Switchboard};
use crate::log::Log;
use crate::records::Record;

/// A simulator, as its admin endpoint sees it.
pub trait Simulated: Send + Sync + 'static {
    /// The page at `/`, with `/*CSS*/` and `/*JS*/` where what both pages share belongs.
    const PAGE: &'static str;

    fn faults(&self) -> &Switchboard;
    fn clock(&self) -> &Clock;
    fn log(&self) -> &Log;
    /// The simulator's time as its users see it, by RFC 3339.
    fn wall_clock(&self) -> String;
    /// All records, as JSON text.
    fn snapshot(&self) -> String;
    /// Puts a snapshot in the place of all records.
    fn restore(&self, snapshot: &str) -> Result<(), String>;
    /// The records of an entity set or object.
    fn records(&self, set: &str, wanted: &Wanted) -> Response<Body>;
    /// One more figure for the log: what it counts, and how often.
    fn measured(&self) -> (&'static str, u64);
    /// Forgets the log.
    fn clear_log(&self) {
        self.log().clear();
    }
}

/// What `GET /admin/records/…` is asked for.
#[derive(Debug, Default, Deserialize)]
pub struct Wanted {
    /// At most so many, the newest first; without it all, the oldest first.
    newest: Option<usize>,
    /// Only records that hold this text somewhere, whatever its case.
    #[serde(default)]
    search: String,
}

impl Wanted {
    /// The records wanted as an array of JSON; the header `X-Total-Count` tells how many there are in all.
    pub fn of<'a>(
        &self,
        records: impl DoubleEndedIterator<Item = Cow<'a, Record>> + ExactSizeIterator,
    ) -> Response<Body> {
        let search = self.search.to_lowercase();
        let text = |record: Cow<'_, Record>| serde_json::to_string(&*record).unwrap_or_default();
        let total = records.len();
        let found = |text: &String| search.is_empty() || text.to_lowercase().contains(&search);
        let rows: Vec<String> = match self.newest {
            Some(most) => records.rev().map(text).filter(found).take(most).collect(),
            None => records.map(text).filter(found).collect(),
        };
        Response::builder()
            .header("Content-Type", "application/json")
            .header("X-Total-Count", total)
            .body(Body::from(format!("[{}]", rows.join(","))))
            .unwrap_or_default()
    }
}

/// The page and the calls that both simulators have.
pub fn routes<S: Simulated>() -> Router<Arc<S>> {
    Router::new()
        .route("/", get(page::<S>))
        .route("/admin/faults", put(set_faults::<S>).get(get_faults::<S>))
        .route("/admin/clock", put(set_clock::<S>).get(get_clock::<S>))
        .route("/admin/snapshot", put(put_snapshot::<S>).get(get_snapshot::<S>))
        .route("/admin/log", get(get_log::<S>).delete(clear_log::<S>))
        .route("/admin/records/{set}", get(get_records::<S>))
}

async fn page<S: Simulated>() -> Html<String> {
    Html(S::PAGE.replace("/*CSS*/", include_str!("page.css")).replace("/*JS*/", include_str!("page.js")))
}

async fn set_faults<S: Simulated>(State(simulator): State<Arc<S>>, Json(faults): Json<Vec<Fault>>) {
    simulator.faults().set(faults);
}

async fn get_faults<S: Simulated>(State(simulator): State<Arc<S>>) -> Json<Vec<Fault>> {
    Json(simulator.faults().get())
}

/// How far the clock shall be ahead of the machine's.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Offset {
    offset_ms: i64,
}

async fn set_clock<S: Simulated>(State(simulator): State<Arc<S>>, Json(offset): Json<Offset>) -> Json<Value> {
    simulator.clock().set_offset(offset.offset_ms);
    get_clock(State(simulator)).await
}

async fn get_clock<S: Simulated>(State(simulator): State<Arc<S>>) -> Json<Value> {
    Json(json!({ "local": simulator.wall_clock() }))
}

async fn get_snapshot<S: Simulated>(State(simulator): State<Arc<S>>) -> String {
    simulator.snapshot()
}

async fn put_snapshot<S: Simulated>(State(simulator): State<Arc<S>>, body: String) -> (StatusCode, Json<Value>) {
    match simulator.restore(&body) {
        Ok(()) => (StatusCode::OK, Json(json!({}))),
        Err(why) => (StatusCode::BAD_REQUEST, Json(json!({ "error": why }))),
    }
}

async fn get_log<S: Simulated>(State(simulator): State<Arc<S>>) -> Json<Value> {
    let (what, often) = simulator.measured();
    Json(
        json!({ "calls": simulator.log().counts(), "subrequests": simulator.log().counts_inside(), what: often, "recent": simulator.log().recent() }),
    )
}

async fn clear_log<S: Simulated>(State(simulator): State<Arc<S>>) {
    simulator.clear_log();
}

async fn get_records<S: Simulated>(
    State(simulator): State<Arc<S>>,
    Path(set): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Response<Body> {
    simulator.records(&set, &wanted)
}
