//! Drafts: releases made in the console of the live one, with another mapping, other settings or another plugin. They are kept, and not live by that.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::{Semaphore, SemaphorePermit};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{ReleaseDetail, detail, found, known, problem};
use crate::console::Console;
use crate::console::access::Who;
use crate::console::body::Body;
use crate::console::problem::Problem;
use crate::releases::{Instead, Part, Release};
use crate::sandbox::World;
use crate::store::{Fate, Role};

/// Bytes of a component that is sent.
const LARGEST: usize = 64 << 20;
/// Letters of a mapping, and of a note.
const LONGEST_MAPPING: usize = 256 << 10;
const LONGEST_NOTE: usize = 2_000;
/// One component is taken in at a time.
static SENDING: Semaphore = Semaphore::const_new(1);
/// The name of the file that is sent, percent-encoded.
const FILE: &str = "x-tandem-file";

/// This part of the page.
pub fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new().routes(routes!(draft)).routes(routes!(plugin))
}

/// What is to be other than in a release.
#[derive(Deserialize, ToSchema)]
#[schema(as = DraftWanted)]
pub struct Wanted {
    /// The beginning of its digest; without it the live one.
    base: Option<String>,
    /// Text of a mapping file.
    mapping: Option<String>,
    /// All of the settings.
    settings: Option<Map<String, Value>>,
    /// What it is for, in the person's words.
    note: Option<String>,
}

/// Keeps a release with another mapping or other settings; it is not live by that.
#[utoipa::path(post, path = "/flows/{flow}/drafts", tag = "releases", params(("flow" = String, Path)), request_body = Wanted,
    responses((status = 200, body = ReleaseDetail), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn draft(
    State(console): State<Arc<Console>>,
    who: Who,
    Path(flow): Path<String>,
    Body(wanted): Body<Wanted>,
) -> Result<Json<ReleaseDetail>, Problem> {
    who.may(Role::Operator)?;
    known(&console, &who, &flow)?;
    let mapping = wanted.mapping.map(|text| checked(&flow, text)).transpose()?;
    let note = wanted.note.as_deref().map(str::trim).filter(|note| !note.is_empty());
    if note.is_some_and(|note| note.chars().count() > LONGEST_NOTE) {
        return Err(Problem::field("note", format!("A note has {LONGEST_NOTE} letters at most.")));
    }
    let base = base(&console, &flow, wanted.base.as_deref()).await?;
    let instead = Instead { mapping, settings: wanted.settings.map(Value::Object), ..Instead::default() };
    keep(&console, &who, &flow, &base, instead, note).await
}

/// The text of a mapping as a part of a release.
pub fn checked(flow: &str, text: String) -> Result<Part<String>, Problem> {
    if text.len() > LONGEST_MAPPING {
        return Err(Problem::field("mapping", format!("A mapping has {LONGEST_MAPPING} bytes at most.")));
    }
    if text.trim().is_empty() {
        return Err(Problem::field("mapping", "It is empty; one that maps nothing says `version = 1`."));
    }
    Ok(Part { from: PathBuf::from(format!("{flow}.mapping.toml")), content: text })
}

/// Keeps the live release with another plugin or mapping plugin, whichever is sent; it is not live by that.
#[utoipa::path(post, path = "/flows/{flow}/plugin", tag = "releases", params(("flow" = String, Path), ("x-tandem-file" = Option<String>, Header, description = "Name of the file, percent-encoded")),
    request_body(content = Vec<u8>, content_type = "application/wasm"),
    responses((status = 200, body = ReleaseDetail), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 413, body = Problem), (status = 422, body = Problem)))]
async fn plugin(
    State(console): State<Arc<Console>>,
    who: Who,
    Path(flow): Path<String>,
    headers: HeaderMap,
    body: axum::body::Body,
) -> Result<Json<ReleaseDetail>, Problem> {
    who.may(Role::Admin)?;
    known(&console, &who, &flow)?;
    let sent = sent(&headers, body).await?;
    let (named, name, wasm, _turn) = (sent.named, sent.name, sent.wasm, sent.turn);
    let base = base(&console, &flow, None).await?;
    let opened = console.engine.releases().runtime().open(&name, wasm.clone()).await;
    let opened = opened.and_then(|opened| opened.world).map_err(|error| Problem::field("plugin", error.to_string()))?;
    let part = Some(Part { from: name, content: wasm });
    let instead = match opened {
        World::Flow(_) => Instead { plugin: part, ..Instead::default() },
        World::Mapper(_) => Instead { mapper: part, ..Instead::default() },
    };
    keep(&console, &who, &flow, &base, instead, Some(&named)).await
}

/// A component that was sent.
pub struct Sent {
    /// What its file is called where it comes from.
    pub named: String,
    /// The same as a file's name alone.
    pub name: PathBuf,
    /// Its bytes.
    pub wasm: Vec<u8>,
    /// While it is held no other one is taken in.
    pub turn: SemaphorePermit<'static>,
}

/// Takes in a component. Who asks must be known to be allowed to: only now is anything of it taken into memory, and of one at a time.
pub async fn sent(headers: &HeaderMap, body: axum::body::Body) -> Result<Sent, Problem> {
    let turn = SENDING.acquire().await.map_err(Problem::failed)?;
    let wasm = axum::body::to_bytes(body, LARGEST).await;
    let wasm = wasm.map_err(|_| Problem::field("plugin", format!("A component has {LARGEST} bytes at most.")))?;
    let named = headers.get(FILE).and_then(|name| name.to_str().ok()).unwrap_or_default();
    let named = percent_encoding::percent_decode_str(named).decode_utf8_lossy().into_owned();
    // A mapping plugin is called as its file; it lies nowhere but in the store.
    let name = std::path::Path::new(&named).file_name().map(PathBuf::from).unwrap_or_else(|| "sent.wasm".into());
    Ok(Sent { named, name, wasm: wasm.to_vec(), turn })
}

/// The release that a draft is made of, which is kept.
pub async fn base(console: &Console, flow: &str, asked: Option<&str>) -> Result<Arc<Release>, Problem> {
    let releases = console.engine.releases();
    if let Some(asked) = asked {
        let row = found(console, flow, asked).await?;
        return releases.load(flow, &row.digest).await.map_err(problem);
    }
    match releases.live(flow).await.map_err(problem)? {
        Some(live) => releases.load(flow, &live.release).await.map_err(problem),
        None => {
            let draft = releases.of_files(flow, console.engine.config()).await.map_err(problem)?;
            releases.keep(flow, draft, crate::engine::FILES).await.map_err(problem)
        }
    }
}

async fn keep(
    console: &Console,
    who: &Who,
    flow: &str,
    base: &Release,
    instead: Instead,
    note: Option<&str>,
) -> Result<Json<ReleaseDetail>, Problem> {
    let releases = console.engine.releases();
    let origin = match note {
        Some(note) => format!("drafted in the console by {}: {note}", who.name),
        None => format!("drafted in the console by {}", who.name),
    };
    let release = releases.draft(flow, base, instead, &origin).await.map_err(problem)?;
    let mut act = who.act("release.draft", format!("release {} of {flow}", release.digest), Fate::Done);
    act.why = note.map(str::to_owned);
    console.store.act(act).await?;
    let row = found(console, flow, &release.digest).await?;
    detail(console, flow, row).await.map(Json)
}
