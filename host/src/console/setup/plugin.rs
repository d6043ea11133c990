//! The plugins that lie in the folder, and a new one put there.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::config::put::put_all;
use crate::console::Console;
use crate::console::access::Who;
use crate::console::problem::Problem;
use crate::console::releases::{problem, sent};
use crate::sandbox::{Plugin, World, digest_of};
use crate::store::{Fate, Role};

/// This part of the page.
pub fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new().routes(routes!(add))
}

/// A plugin.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = SetupPlugin)]
pub struct PluginRow {
    /// As its file is called, without `.wasm`.
    plugin: String,
    /// For people.
    title: String,
    /// Its own version.
    version: String,
    /// What it connects.
    slots: Vec<SlotRow>,
    /// JSON Schema of its settings.
    schema: Option<Value>,
    /// Kinds of records that a first load goes through; empty where it offers none.
    first_load: Vec<String>,
    /// Why it cannot be used.
    problem: Option<String>,
}

/// What a plugin wants to be connected with.
#[derive(Serialize, ToSchema)]
#[schema(as = SetupSlot)]
pub struct SlotRow {
    /// What the plugin calls it.
    slot: String,
    /// `b1`, `salesforce`.
    kind: String,
}

impl PluginRow {
    fn of(plugin: &Plugin) -> Self {
        let own = &plugin.description;
        Self {
            plugin: own.name.clone(),
            title: own.title.clone(),
            version: own.version.clone(),
            slots: own.slots.iter().map(|(slot, kind)| SlotRow { slot: slot.clone(), kind: kind.clone() }).collect(),
            schema: serde_json::from_str(&own.settings_schema).ok(),
            first_load: own.backfill.clone(),
            problem: None,
        }
    }
}

/// By name.
pub async fn rows(console: &Console) -> Vec<PluginRow> {
    let releases = console.engine.releases();
    let folder = console.engine.config().resolve(&console.engine.config().host.plugins);
    let files = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let files = files.filter(|path| path.extension().is_some_and(|ending| ending == "wasm"));
    let mut names: Vec<String> = files.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort_unstable();
    let mut rows = Vec::new();
    for name in names {
        rows.push(match releases.plugin_file(&name).await {
            Ok(plugin) => PluginRow::of(&plugin),
            Err(error) => PluginRow { plugin: name, problem: Some(error.to_string()), ..PluginRow::default() },
        });
    }
    rows
}

/// Puts a plugin into the folder. It does nothing there until a flow names it.
#[utoipa::path(post, path = "/setup/plugins", tag = "set-up", params(("x-tandem-file" = Option<String>, Header, description = "Name of the file, percent-encoded")),
    request_body(content = Vec<u8>, content_type = "application/wasm"),
    responses((status = 200, body = PluginRow), (status = 401, body = Problem), (status = 403, body = Problem), (status = 409, body = Problem), (status = 413, body = Problem), (status = 422, body = Problem)))]
async fn add(
    State(console): State<Arc<Console>>,
    who: Who,
    headers: HeaderMap,
    body: axum::body::Body,
) -> Result<Json<PluginRow>, Problem> {
    who.may_all(Role::Admin)?;
    let sent = sent(&headers, body).await?;
    let releases = console.engine.releases();
    let opened = releases.runtime().open(&sent.name, sent.wasm.clone()).await;
    let opened = opened.and_then(|opened| opened.world).map_err(|error| Problem::field("plugin", error.to_string()))?;
    let World::Flow(plugin) = opened else {
        return Err(Problem::field("plugin", "It is a mapping plugin: it belongs to a flow that is there already."));
    };
    let path = releases.path(&plugin.description.name);
    match std::fs::read(&path) {
        Ok(there) if digest_of(&there) == plugin.digest => return Ok(Json(PluginRow::of(&plugin))),
        Ok(_) => {
            let error = format!("Another {} lies in the plugins folder.", plugin.description.name);
            return Err(Problem::conflict(error).mended("Make it a release of its flow, under Plugins and releases."));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(Problem::conflict(format!("{}: {error}.", path.display()))),
    }
    put_all(&[(path.clone(), sent.wasm)]).map_err(Problem::conflict)?;
    // One that is not trusted does not stay there.
    if let Err(error) = releases.plugin_file(&plugin.description.name).await {
        if let Err(error) = std::fs::remove_file(&path) {
            tracing::error!(path = %path.display(), %error, "a plugin that cannot be used lies there still");
        }
        return Err(problem(error));
    }
    console.store.act(who.act("setup.plugin", &plugin.description.name, Fate::Done)).await?;
    Ok(Json(PluginRow::of(&plugin)))
}
