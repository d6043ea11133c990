//! For whoever watches the process: is it alive, is it ready and if not why, and its metrics. Open to whoever reaches the address.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::json;

use super::Console;
use crate::backup::Standing as Backups;
use crate::connections::{Outage, Standing};
use crate::engine::FlowStatus;
use crate::store::{AGENT, Millis};
use crate::time::seconds;

/// All of them.
pub fn routes() -> Router<Arc<Console>> {
    Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz)).route("/metrics", get(metrics_page))
}

/// The process and its store work.
async fn healthz(State(console): State<Arc<Console>>) -> impl IntoResponse {
    match console.store.trouble().await {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(trouble) => (StatusCode::SERVICE_UNAVAILABLE, format!("the store: {trouble}\n")),
    }
}

/// See [`readyz`]; whether the store is well has been asked.
pub fn is_ready(console: &Console, store_is_well: bool) -> bool {
    let mut breakers = console.connections.values().map(|connection| connection.breaker());
    store_is_well
        && console.engine.status().values().all(|status| *status == FlowStatus::Running)
        && console.sources.iter().all(|(_, standing)| standing.borrow().is_well())
        && breakers.all(|own| own.needs_person().is_none() && !own.outage().as_ref().is_some_and(Outage::is_long))
}

/// The store takes writes, every flow runs, every subscription stands, every company has been looked at, no sign-in is refused and no system is away for more than a
/// minute; otherwise which does not, and why.
/// `warnings` names flows that run what they had, since their changed files cannot be used; `alerts` channels by which not everybody can be told,
/// in a word: both are no reason not to be ready.
/// `store_key` says why a changed key of the store is not taken up: the host goes on with the one it has.
/// `backup` says when the last good one was made, and what is wrong with them.
async fn readyz(State(console): State<Arc<Console>>) -> impl IntoResponse {
    let flows = console.engine.status();
    let sources: BTreeMap<&str, bool> =
        console.sources.iter().map(|(name, standing)| (name.as_str(), standing.borrow().is_well())).collect();
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
    let ready = is_ready(&console, store.is_none());
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
    // No reason by itself: flows run without one.
    if let Ok(Some(backups)) = Backups::of(console.engine.config(), console.store.as_ref()).await {
        told["backup"] = json!(backups);
    }
    let warnings = console.engine.refused();
    if !warnings.is_empty() {
        told["warnings"] = json!(warnings);
    }
    if console.store.heard().is_some() {
        let among = *console.store.among().borrow();
        told["hosts"] = json!({ "live": among.hosts, "turn": among.turn });
    }
    if let Some(why) = console.store.key_refused() {
        told["store_key"] = json!(why);
    }
    let silent = console.alerts.borrow().clone();
    if !silent.failing.is_empty() {
        told["alerts"] = json!(silent.why());
    }
    (status, axum::Json(told))
}

async fn metrics_page(State(console): State<Arc<Console>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], figures(&console).await)
}

/// All figures as they are now, in the text format of Prometheus.
pub async fn figures(console: &Console) -> String {
    let (counted, config) = (&console.metrics, console.engine.config());
    counted.of(config);
    if let Ok(counts) = console.store.counts().await {
        counted.events(counts);
    }
    if let Ok(Some(Backups { at: Some(at), .. })) = Backups::of(config, console.store.as_ref()).await {
        metrics::gauge!("tandem_backup_at_seconds").set(seconds(at));
    }
    let ready = is_ready(console, console.store.trouble().await.is_none());
    if console.store.heard().is_some() {
        let among = *console.store.among().borrow();
        metrics::gauge!("tandem_hosts").set(f64::from(among.hosts));
        metrics::gauge!("tandem_turn").set(f64::from(u8::from(among.turn)));
    }
    metrics::gauge!("tandem_ready").set(f64::from(u8::from(ready)));
    let now = crate::time::now();
    if let Ok(found) = console.store.oldest().await {
        let mut oldest: BTreeMap<String, Millis> = counted.flows().into_iter().map(|flow| (flow, now)).collect();
        // What agents have before them waits for their budget, and for nobody's order.
        oldest.extend(found.into_iter().filter(|(flow, _)| !flow.starts_with(AGENT)));
        for (flow, at) in oldest {
            metrics::gauge!("tandem_oldest_unfinished_seconds", "flow" => flow).set((now - at).max(0) as f64 / 1_000.0);
        }
    }
    counted.text()
}
