//! A flow's section of `tandem.toml`, made from a form. A new one waits to be made live by a person, so that its first load can be rehearsed before.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{problem, says};
use crate::config::Config;
use crate::config::rewrite::{section, without};
use crate::console::Console;
use crate::console::access::Who;
use crate::console::body::Body;
use crate::console::problem::Problem;
use crate::console::releases;
use crate::engine::FlowStatus;
use crate::releases::consent;
use crate::store::{Fate, Role};

/// Why a flow is not taken out.
const ONLY: &str = "It is the only flow, and a host that runs keeps one.";

/// This part of the page.
pub fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new().routes(routes!(save, forget))
}

/// What a flow is to be.
#[derive(Deserialize, ToSchema)]
#[schema(as = SetupFlowWanted)]
pub struct Wanted {
    /// As its file is called, without `.wasm`.
    plugin: String,
    /// Connection by what the plugin calls it.
    connections: BTreeMap<String, String>,
    /// All of the settings.
    #[serde(default)]
    settings: Map<String, Value>,
}

/// A flow.
#[derive(Serialize, ToSchema)]
#[schema(as = SetupFlow)]
pub struct FlowRow {
    /// Its name.
    flow: String,
    /// Its plugin.
    plugin: String,
    /// Connection by what the plugin calls it.
    connections: BTreeMap<String, String>,
    /// The settings.
    settings: Value,
    /// The running host has it as it stands here.
    live: bool,
    /// Digest of what its files say, once the host has read them; or of what it runs.
    release: Option<String>,
    /// Rights that are not allowed yet.
    missing: usize,
    /// A release is live.
    running: bool,
    /// Why it does not run.
    why: Option<String>,
}

/// A flow as a configuration has it; none where it has not.
pub async fn row(console: &Console, says: &Config, name: &str) -> Result<Option<FlowRow>, Problem> {
    let Some(own) = says.flows.get(name) else { return Ok(None) };
    let (engine, releases) = (&console.engine, console.engine.releases());
    let live = engine.config().flows.get(name) == Some(own);
    let runs = releases.live(name).await.map_err(releases::problem)?;
    let candidate = console.store.candidate(name).await?;
    let release = candidate.map(|own| own.release).or_else(|| runs.as_ref().map(|own| own.release.clone()));
    let mut missing = 0;
    if let (Some(digest), true) = (&release, live)
        && let Ok(release) = releases.load(name, digest).await
    {
        for code in release.codes() {
            missing += consent::missing(console.store.as_ref(), &code).await?.len();
        }
    }
    let held = match engine.status().remove(name) {
        Some(FlowStatus::Held(why)) => Some(why),
        _ => None,
    };
    Ok(Some(FlowRow {
        flow: name.to_owned(),
        plugin: own.plugin.clone(),
        connections: own.connections.clone(),
        settings: serde_json::to_value(&own.settings).unwrap_or_default(),
        live,
        release,
        missing,
        running: runs.is_some(),
        why: held.or_else(|| engine.refused().remove(name)),
    }))
}

/// Makes a flow, or changes its connections and settings: in `tandem.toml`, which a running host takes up within seconds. A new one goes live when
/// a person says so.
#[utoipa::path(put, path = "/setup/flows/{flow}", tag = "set-up", params(("flow" = String, Path)), request_body = Wanted,
    responses((status = 200, body = FlowRow), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn save(
    State(console): State<Arc<Console>>,
    who: Who,
    Path(flow): Path<String>,
    Body(wanted): Body<Wanted>,
) -> Result<Json<FlowRow>, Problem> {
    who.may_all(Role::Admin)?;
    let before = says(&console)?;
    let known = before.flows.get(&flow);
    if let Some(other) = known.filter(|own| own.plugin != wanted.plugin) {
        let error = format!("There is a flow {flow} of the plugin {} already.", other.plugin);
        return Err(Problem::field("flow", error).mended("Give this one another name."));
    }
    if known.is_none() && console.engine.releases().live(&flow).await.map_err(releases::problem)?.is_some() {
        let error = "A flow of this name ran before, and would go on at once with the release that it had.";
        let mend =
            "Give this one another name; or write its section into tandem.toml by hand, where that is what you want.";
        return Err(Problem::field("flow", error).mended(mend));
    }
    let plugin = console.engine.releases().plugin_file(&wanted.plugin).await.map_err(releases::problem)?;
    for (slot, kind) in &plugin.description.slots {
        let bound = wanted.connections.get(slot).is_some_and(|name| match kind.as_str() {
            "b1" => before.b1.contains_key(name),
            _ => before.salesforce.contains_key(name),
        });
        if !bound {
            let error = format!("{slot} takes a connection of the kind {kind}; {}.", before.connections_for(kind));
            return Err(Problem::field("connections", error));
        }
    }
    let settings = Value::Object(wanted.settings.clone());
    let wrong = plugin.description.problems_of(&settings);
    if !wrong.is_empty() {
        return Err(Problem::field("settings", wrong.join("; ")));
    }
    let mut keys = Map::new();
    keys.insert("plugin".into(), json!(wanted.plugin));
    keys.insert("connections".into(), json!(wanted.connections));
    if known.is_none() {
        keys.insert("release".into(), json!("by-hand"));
    }
    if known.is_some_and(|own| !own.settings.is_empty()) || !wanted.settings.is_empty() {
        keys.insert("settings".into(), settings);
    }
    let changed = console.engine.releases();
    let changed = changed.change_config(&before.file, |text| section(text, "flows", &flow, &keys)).await;
    let now = changed.map_err(|why| problem("flows", &flow, &why))?;
    console.store.act(who.act("setup.flow", &flow, Fate::Done)).await?;
    let row = row(&console, &now, &flow).await?;
    row.map(Json).ok_or_else(|| Problem::conflict("Somebody changed tandem.toml meanwhile."))
}

/// Takes a flow out of `tandem.toml`: it stops within seconds. What it knows (events, links, releases) stays in the store.
#[utoipa::path(delete, path = "/setup/flows/{flow}", tag = "set-up", params(("flow" = String, Path)),
    responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn forget(
    State(console): State<Arc<Console>>,
    who: Who,
    Path(flow): Path<String>,
) -> Result<StatusCode, Problem> {
    who.may_all(Role::Admin)?;
    let before = says(&console)?;
    if !before.flows.contains_key(&flow) {
        return Err(Problem::no(format_args!("flow {flow:?}")));
    }
    let runs = !console.engine.config().flows.is_empty();
    let file = &before.file;
    // By what the file says under the lock: two may take out one each.
    let changed = console.engine.releases().change_config(file, |text| {
        let now = Config::parse(text, file).map_err(|error| error.to_string())?;
        if runs && now.flows.len() == 1 { Err(ONLY.to_owned()) } else { without(text, "flows", &flow) }
    });
    changed.await.map_err(|why| match why.as_str() {
        ONLY => Problem::conflict(why)
            .mended("Set up another one first; or stop the host, and take the section out by hand."),
        _ => Problem::conflict(why),
    })?;
    console.store.act(who.act("setup.flow.remove", &flow, Fate::Done)).await?;
    Ok(StatusCode::NO_CONTENT)
}
