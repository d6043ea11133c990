//! What each flow runs, ran, and could run: its releases, what they may do, and how they go live.

mod compare;
mod draft;
mod live;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use self::compare::Comparisons;
pub use self::draft::{base, checked, sent};
use super::Console;
use super::access::Who;
use super::problem::Problem;
use crate::config::Policy;
use crate::engine::FlowStatus;
use crate::releases::{
    self, Component, Manifest, Release, ReleaseError, Standing, consent, differences, mapping_lines,
};
use crate::sandbox::Permission;
use crate::store::{Activation, Candidate, ReleaseRow};
use crate::time::iso;

/// All of this page.
pub fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new()
        .routes(routes!(flows))
        .routes(routes!(list))
        .routes(routes!(one))
        .merge(draft::routes())
        .merge(compare::routes())
        .merge(live::routes())
}

/// A component of a release.
#[derive(Clone, Serialize, ToSchema)]
pub struct PartRow {
    /// A plugin's own name; of a mapping plugin that of its file.
    name: String,
    /// Its own version; empty where it says none.
    version: String,
    /// SHA-256, hex.
    digest: String,
}

impl From<Component> for PartRow {
    fn from(Component { digest, name, version }: Component) -> Self {
        Self { name, version, digest }
    }
}

/// A flow and what it runs.
#[derive(Serialize, ToSchema)]
pub struct FlowInfo {
    /// Its name.
    flow: String,
    /// What it runs; null where nothing went live yet.
    plugin: Option<PartRow>,
    /// Its mapping plugin.
    mapper: Option<PartRow>,
    /// The plugin's title.
    title: Option<String>,
    /// When what its files say goes live: `at-once`, `if-same`, `by-hand`.
    policy: &'static str,
    /// Digest of the live release.
    live: Option<String>,
    /// Digest of what a rollback makes live.
    back: Option<String>,
    /// What its files say, where that waits.
    candidate: Option<CandidateRow>,
    /// `starting`, `running`, `held`.
    state: &'static str,
    /// Why it is held, or why its files are not taken.
    why: Option<String>,
    /// Its mapping file, as `tandem.toml` names it; null where the plugin's own mapping applies.
    mapping_file: Option<String>,
}

/// What the files say.
#[derive(Serialize, ToSchema)]
#[schema(as = ReleaseCandidate)]
pub struct CandidateRow {
    /// Digest.
    release: String,
    /// Why it waits; null where it was taken back.
    held: Option<String>,
}

impl From<Candidate> for CandidateRow {
    fn from(Candidate { release, held, .. }: Candidate) -> Self {
        Self { release, held }
    }
}

/// The flows.
#[derive(Serialize, ToSchema)]
pub struct Flows {
    /// By name.
    flows: Vec<FlowInfo>,
}

/// A release among those of its flow.
#[derive(Serialize, ToSchema)]
pub struct ReleaseLine {
    /// Its digest.
    release: String,
    /// `live`, `candidate`, `taken-back`, `earlier`, `known`.
    #[schema(value_type = String)]
    standing: Standing,
    /// ISO 8601.
    made_at: String,
    /// Where it comes from, in words.
    origin: String,
    /// The key it was signed with.
    signed_by: Option<String>,
    /// When it last went live.
    live_at: Option<String>,
    /// Who made it live.
    who: Option<String>,
    /// Why.
    why: Option<String>,
    /// Why the candidate waits.
    held: Option<String>,
    /// The plugin.
    plugin: PartRow,
    /// The mapping plugin.
    mapper: Option<PartRow>,
    /// Digest of the mapping; null where it is the plugin's own.
    mapping: Option<String>,
}

/// Releases of a flow.
#[derive(Serialize, ToSchema)]
#[schema(as = ReleaseLines)]
pub struct Lines {
    /// Newest first.
    releases: Vec<ReleaseLine>,
}

/// All of a release.
#[derive(Serialize, ToSchema)]
pub struct ReleaseDetail {
    #[serde(flatten)]
    line: ReleaseLine,
    /// Why it cannot be loaded; what follows is empty then.
    problem: Option<String>,
    /// The flow's settings.
    settings: Value,
    /// JSON Schema of the settings.
    schema: Option<Value>,
    /// The mapping as it was written.
    mapping_text: String,
    /// Its components and what they ask for.
    codes: Vec<CodeRow>,
    /// Permissions that are not granted yet: it does not go live before.
    missing: usize,
    /// Each time it went live, newest first.
    activations: Vec<ActivationRow>,
    /// Sections of the mapping that do nothing, each with why.
    notes: Vec<NoteRow>,
    /// What differs from the live release.
    differs: Option<Differences>,
}

/// A component and what it asks for.
#[derive(Serialize, ToSchema)]
pub struct CodeRow {
    /// Its name.
    name: String,
    /// `plugin`, `mapping plugin`.
    kind: &'static str,
    /// Its own version.
    version: String,
    /// SHA-256, hex.
    digest: String,
    /// What it asks for, what is new first.
    permissions: Vec<PermissionRow>,
}

/// What code may do.
#[derive(Serialize, ToSchema)]
pub struct PermissionRow {
    /// The plugin's slot for a connection, or `host`.
    connection: String,
    /// GET, POST …
    method: &'static str,
    /// Path with wildcards.
    path: String,
    /// What for, in the plugin's words; and a warning where it reaches far.
    reason: String,
    /// It was allowed.
    granted: bool,
}

/// A time a release went live.
#[derive(Serialize, ToSchema)]
pub struct ActivationRow {
    /// ISO 8601.
    at: String,
    /// By whom.
    who: String,
    /// Why.
    why: String,
}

/// Something about a section of the mapping.
#[derive(Serialize, ToSchema)]
pub struct NoteRow {
    /// The section.
    section: String,
    /// What is with it.
    why: String,
}

/// What differs between two releases.
#[derive(Serialize, ToSchema)]
pub struct Differences {
    /// Digest.
    before: String,
    /// Digest.
    after: String,
    /// Parts, settings, rights.
    parts: Vec<DifferentPart>,
    /// Lines of the mapping that only one has, each behind `-` or `+`.
    mapping: Vec<String>,
}

/// One difference.
#[derive(Serialize, ToSchema)]
pub struct DifferentPart {
    /// `plugin`, `settings.series`, `may now` …
    what: String,
    /// Null where there was none.
    before: Value,
    /// Null where there is none.
    after: Value,
}

/// Flows, and what they run.
#[utoipa::path(get, path = "/flows", tag = "releases", responses((status = 200, body = Flows), (status = 401, body = Problem)))]
async fn flows(State(console): State<Arc<Console>>, who: Who) -> Result<Json<Flows>, Problem> {
    let mut flows = Vec::new();
    for flow in console.engine.config().flows.keys().filter(|flow| who.sees(flow)) {
        flows.push(info(&console, flow).await?);
    }
    Ok(Json(Flows { flows }))
}

async fn info(console: &Console, flow: &str) -> Result<FlowInfo, Problem> {
    let (store, config) = (&console.store, console.engine.config());
    let own = config.flow(flow).map_err(|_| Problem::no(format_args!("flow {flow:?}")))?;
    let acts = store.activations(flow, u32::MAX).await?;
    let live = acts.first().map(|act| act.release.clone());
    let manifest = match &live {
        Some(live) => store.release(flow, live).await?.and_then(|row| Manifest::parse(&row.manifest).ok()),
        None => None,
    };
    let running = console.engine.running().borrow().get(flow).cloned();
    let candidate = store.candidate(flow).await?.filter(|candidate| Some(&candidate.release) != live.as_ref());
    let (state, why) = match console.engine.status().remove(flow) {
        None | Some(FlowStatus::Starting) => ("starting", None),
        Some(FlowStatus::Running) => ("running", None),
        Some(FlowStatus::Held(why)) => ("held", Some(why)),
    };
    Ok(FlowInfo {
        flow: flow.to_owned(),
        plugin: manifest.as_ref().map(|manifest| manifest.plugin.clone().into()),
        mapper: manifest.and_then(|manifest| manifest.mapper.map(PartRow::from)),
        title: running.map(|plugin| plugin.description.title.clone()),
        policy: match own.release {
            Policy::AtOnce => "at-once",
            Policy::IfSame => "if-same",
            Policy::ByHand => "by-hand",
        },
        back: releases::before(&acts).map(|act| act.release.clone()),
        live,
        candidate: candidate.map(CandidateRow::from),
        state,
        why: why.or_else(|| console.engine.refused().remove(flow)),
        mapping_file: own.mapping.as_ref().map(|path| path.display().to_string()),
    })
}

/// Releases of a flow.
#[utoipa::path(get, path = "/flows/{flow}/releases", tag = "releases", params(("flow" = String, Path)),
    responses((status = 200, body = Lines), (status = 401, body = Problem), (status = 404, body = Problem)))]
async fn list(State(console): State<Arc<Console>>, who: Who, Path(flow): Path<String>) -> Result<Json<Lines>, Problem> {
    known(&console, &who, &flow)?;
    let among = Among::of(&console, &flow).await?;
    let rows = console.store.releases(&flow).await?;
    let releases = rows.into_iter().map(|row| among.line(row)).collect::<Result<_, _>>()?;
    Ok(Json(Lines { releases }))
}

/// All of a release: what it is made of, what it may do, and what differs from the live one.
#[utoipa::path(get, path = "/flows/{flow}/releases/{release}", tag = "releases", params(("flow" = String, Path), ("release" = String, Path)),
    responses((status = 200, body = ReleaseDetail), (status = 401, body = Problem), (status = 404, body = Problem)))]
async fn one(
    State(console): State<Arc<Console>>,
    who: Who,
    Path((flow, release)): Path<(String, String)>,
) -> Result<Json<ReleaseDetail>, Problem> {
    known(&console, &who, &flow)?;
    let row = found(&console, &flow, &release).await?;
    detail(&console, &flow, row).await.map(Json)
}

/// A flow of `tandem.toml` that the person may see.
pub fn known(console: &Console, who: &Who, flow: &str) -> Result<(), Problem> {
    if who.sees(flow) && console.engine.config().flows.contains_key(flow) {
        return Ok(());
    }
    Err(Problem::no(format_args!("flow {flow:?}")))
}

/// A release by the beginning of its digest.
async fn found(console: &Console, flow: &str, asked: &str) -> Result<ReleaseRow, Problem> {
    console.engine.releases().find(flow, asked).await.map_err(problem)
}

/// What is told of a release that cannot be made or used.
pub fn problem(error: ReleaseError) -> Problem {
    let words = error.to_string();
    match error {
        ReleaseError::Unknown { .. } | ReleaseError::NoFlow { .. } => Problem::no("such release").mended(words),
        ReleaseError::MappingFile { cause, .. } => Problem::field("mapping", cause),
        ReleaseError::Settings { cause, .. } => Problem::field("settings", cause),
        ReleaseError::Mapper { .. }
        | ReleaseError::OtherPlugin { .. }
        | ReleaseError::Plugin(_)
        | ReleaseError::Trust(_) => Problem::field("plugin", words),
        ReleaseError::Store(error) => error.into(),
        _ => Problem::conflict(words),
    }
}

/// What tells where each release of a flow stands.
struct Among {
    acts: Vec<Activation>,
    candidate: Option<Candidate>,
}

impl Among {
    async fn of(console: &Console, flow: &str) -> Result<Self, Problem> {
        let acts = console.store.activations(flow, u32::MAX).await?;
        Ok(Self { acts, candidate: console.store.candidate(flow).await? })
    }

    fn line(&self, row: ReleaseRow) -> Result<ReleaseLine, Problem> {
        let standing = Standing::of(&row.digest, &self.acts, self.candidate.as_ref());
        let act = self.acts.iter().find(|act| act.release == row.digest);
        let manifest = Manifest::parse(&row.manifest).map_err(Problem::failed)?;
        let candidate = self.candidate.as_ref().filter(|_| standing == Standing::Candidate);
        Ok(ReleaseLine {
            standing,
            made_at: iso(row.made_at),
            origin: row.origin,
            signed_by: row.signed_by,
            live_at: act.map(|act| iso(act.at)),
            who: act.map(|act| act.who.clone()),
            why: act.map(|act| act.why.clone()),
            held: candidate.and_then(|candidate| candidate.held.clone()),
            plugin: manifest.plugin.into(),
            mapper: manifest.mapper.map(PartRow::from),
            mapping: manifest.mapping,
            release: row.digest,
        })
    }
}

/// All of a release that is kept.
async fn detail(console: &Console, flow: &str, row: ReleaseRow) -> Result<ReleaseDetail, Problem> {
    let releases = console.engine.releases();
    let among = Among::of(console, flow).await?;
    let own = among.acts.iter().filter(|act| act.release == row.digest);
    let activations =
        own.map(|act| ActivationRow { at: iso(act.at), who: act.who.clone(), why: act.why.clone() }).collect();
    let live = among.acts.first().map(|act| act.release.clone()).filter(|live| *live != row.digest);
    let digest = row.digest.clone();
    let nothing = ReleaseDetail {
        line: among.line(row)?,
        problem: None,
        settings: Value::Null,
        schema: None,
        mapping_text: String::new(),
        codes: Vec::new(),
        missing: 0,
        activations,
        notes: Vec::new(),
        differs: None,
    };
    let release = match releases.load(flow, &digest).await {
        Ok(release) => release,
        Err(ReleaseError::Store(error)) => return Err(error.into()),
        Err(error) => return Ok(ReleaseDetail { problem: Some(error.to_string()), ..nothing }),
    };
    let (codes, missing) = codes(console, &release).await?;
    let differs = match live {
        // One that cannot be loaded has no differences that anybody could tell.
        Some(live) => releases.load(flow, &live).await.ok().map(|live| Differences::between(&live, &release)),
        None => None,
    };
    let notes = release.needless_sections().into_iter().map(|(section, why)| NoteRow { section, why }).collect();
    Ok(ReleaseDetail {
        settings: release.manifest.settings.clone(),
        schema: serde_json::from_str(&release.plugin.description.settings_schema).ok(),
        mapping_text: release.mapping_text.clone(),
        codes,
        missing,
        notes,
        differs,
        ..nothing
    })
}

/// Its components and what they ask for, with how much of it is not allowed.
async fn codes(console: &Console, release: &Release) -> Result<(Vec<CodeRow>, usize), Problem> {
    let mut rows = Vec::new();
    let mut lacking = 0;
    for code in release.codes() {
        let missing = consent::missing(console.store.as_ref(), &code).await?;
        lacking += missing.len();
        let mut permissions: Vec<PermissionRow> = code
            .all()
            .iter()
            .map(|permission| PermissionRow {
                connection: permission.slot.clone(),
                method: permission.method.word(),
                path: permission.path.clone(),
                reason: reason(permission),
                granted: !missing.contains(permission),
            })
            .collect();
        permissions.sort_by_key(|permission| permission.granted);
        rows.push(CodeRow {
            name: code.short_name().to_owned(),
            kind: code.kind(),
            version: code.version.clone(),
            digest: code.digest,
            permissions,
        });
    }
    Ok((rows, lacking))
}

fn reason(permission: &Permission) -> String {
    match permission.warning() {
        Some(warning) => format!("{} ({warning})", permission.reason),
        None => permission.reason.clone(),
    }
}

impl Differences {
    fn between(old: &Release, new: &Release) -> Self {
        let parts = differences(old, new).into_iter();
        Self {
            before: old.digest.clone(),
            after: new.digest.clone(),
            parts: parts
                .map(|part| DifferentPart { what: part.what, before: part.before, after: part.after })
                .collect(),
            mapping: mapping_lines(old, new),
        }
    }
}
