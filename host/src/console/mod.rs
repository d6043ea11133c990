//! What the host shows over HTTP: is it alive, is it ready and if not why, and its metrics. Listens on loopback unless the
//! operator says otherwise. What it shows in the org is in [`salesforce`].

pub mod salesforce;
mod serve;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;
use tokio::sync::watch;

pub use self::serve::{Patience, serve};
use crate::connections::{Connections, Outage, Standing};
use crate::engine::{Engine, FlowStatus};
use crate::store::Store;

/// What the pages look at.
pub struct Console {
    /// For readiness.
    pub engine: Arc<Engine>,
    /// For health and counts.
    pub store: Arc<dyn Store>,
    /// Which of them wait for a person.
    pub connections: Arc<Connections>,
    /// Subscriptions, and looks into B1: name and how it stands.
    pub sources: Vec<(String, watch::Receiver<Standing>)>,
    /// For `/metrics`.
    pub metrics: PrometheusHandle,
}

/// All routes.
pub fn router(console: Console) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_page))
        .with_state(Arc::new(console))
}

/// The process and its store work.
async fn healthz(State(console): State<Arc<Console>>) -> impl IntoResponse {
    match console.store.trouble().await {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(trouble) => (StatusCode::SERVICE_UNAVAILABLE, format!("the store: {trouble}\n")),
    }
}

/// The store takes writes, every flow runs, every subscription stands, every company has been looked at, no sign-in is refused and no system is away for more than a
/// minute; otherwise which does not, and why.
/// `warnings` names flows that run what they had, since their changed files cannot be used.
async fn readyz(State(console): State<Arc<Console>>) -> impl IntoResponse {
    let flows = console.engine.status();
    let sources: BTreeMap<&str, bool> =
        console.sources.iter().map(|(name, standing)| (name.as_str(), standing.borrow().is_up())).collect();
    let used_up = console.sources.iter().filter(|(_, standing)| *standing.borrow() == Standing::UsedUp);
    let used_up: BTreeMap<&str, Option<&str>> =
        used_up.map(|(name, standing)| (name.as_str(), standing.borrow().trouble())).collect();
    let refused: BTreeMap<&str, String> = console
        .connections
        .iter()
        .filter_map(|(name, connection)| Some((name.as_str(), connection.breaker().needs_person()?)))
        .collect();
    let outages: BTreeMap<&str, Outage> = console
        .connections
        .iter()
        .filter_map(|(name, connection)| Some((name.as_str(), connection.breaker().outage()?)))
        .collect();
    let store = console.store.trouble().await;
    let running = flows.values().all(|status| *status == FlowStatus::Running) && sources.values().all(|up| *up);
    let ready = store.is_none() && running && refused.is_empty() && !outages.values().any(Outage::is_long);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let store = store.map_or_else(|| "ok".to_owned(), |trouble| trouble.to_string());
    let unreachable: BTreeMap<&str, String> =
        outages.iter().map(|(name, outage)| (*name, outage.to_string())).collect();
    let mut told = json!({
        "ready": ready, "store": store, "flows": flows, "sources": sources, "refused": refused, "unreachable": unreachable,
    });
    if !used_up.is_empty() {
        told["used_up"] = json!(used_up);
    }
    let warnings = console.engine.refused();
    if !warnings.is_empty() {
        told["warnings"] = json!(warnings);
    }
    (status, axum::Json(told))
}

async fn metrics_page(State(console): State<Arc<Console>>) -> impl IntoResponse {
    for count in console.store.counts().await.unwrap_or_default() {
        metrics::gauge!("tandem_events", "flow" => count.flow, "state" => count.state.word()).set(count.events as f64);
    }
    console.metrics.run_upkeep();
    console.metrics.render()
}
