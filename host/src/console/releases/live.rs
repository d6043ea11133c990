//! How a release goes live: its code is allowed what it asks for, it is made live, or taken back; and the flow's files say the same then.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{ReleaseDetail, codes, detail, found, known, problem};
use crate::console::Console;
use crate::console::access::Who;
use crate::console::body::Body;
use crate::console::problem::Problem;
use crate::ending::guarded;
use crate::releases::{Over, Release, Written, consent, short};
use crate::store::{Act, Fate, Role};
use crate::time::iso;

/// Letters of a reason.
const LONGEST_WHY: usize = 2_000;

/// This part of the page.
pub fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new().routes(routes!(grant)).routes(routes!(activate)).routes(routes!(rollback))
}

/// What is allowed.
#[derive(Deserialize, ToSchema)]
pub struct Allowed {
    /// How many permissions were shown as not granted yet: where it is another number by now, nothing is allowed.
    permissions: usize,
    /// Why, in the person's words.
    why: Option<String>,
}

/// What is made live.
#[derive(Deserialize, ToSchema)]
pub struct Wish {
    /// Digest of the live release, as it was shown; null where there was none. Where another one is live by now, nothing is done.
    instead_of: Option<String>,
    /// Why, in the person's words.
    why: Option<String>,
}

/// What is live now.
#[derive(Serialize, ToSchema)]
pub struct Activated {
    /// Digest.
    release: String,
    /// Since when, ISO 8601.
    live_at: String,
    /// Files that were changed so that they say the same.
    files: Vec<String>,
    /// It is live, and its files say something else still, for this reason.
    unwritten: Option<String>,
}

/// Allows the code of a release all that it asks for.
#[utoipa::path(post, path = "/flows/{flow}/releases/{release}/grant", tag = "releases", params(("flow" = String, Path), ("release" = String, Path)), request_body = Allowed,
    responses((status = 200, body = ReleaseDetail), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn grant(
    State(console): State<Arc<Console>>,
    who: Who,
    Path((flow, release)): Path<(String, String)>,
    Body(allowed): Body<Allowed>,
) -> Result<Json<ReleaseDetail>, Problem> {
    // What code is allowed it is allowed in every flow that uses it.
    who.may_all(Role::Admin)?;
    known(&console, &who, &flow)?;
    let why = checked(allowed.why)?;
    let row = found(&console, &flow, &release).await?;
    let release = console.engine.releases().load(&flow, &row.digest).await.map_err(problem)?;
    let (_, missing) = codes(&console, &release).await?;
    if missing != allowed.permissions {
        let error = format!("{missing} permissions are not granted by now, and {} were shown.", allowed.permissions);
        return Err(Problem::conflict(error).mended("Look at them again."));
    }
    for code in release.codes() {
        if consent::missing(console.store.as_ref(), &code).await?.is_empty() {
            continue;
        }
        consent::allow(console.store.as_ref(), &code).await?;
        let what = format!("{} {} {}", code.short_name(), code.version, short(&code.digest));
        note(&console, who.act("plugin.grant", what, Fate::Done), why.as_deref()).await?;
    }
    console.engine.ring(std::slice::from_ref(&flow));
    detail(&console, &flow, row).await.map(Json)
}

/// Makes a release live: no run begins under another one from then on. The flow's files are changed so that they say the same.
#[utoipa::path(post, path = "/flows/{flow}/releases/{release}/activate", tag = "releases", params(("flow" = String, Path), ("release" = String, Path)), request_body = Wish,
    responses((status = 200, body = Activated), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn activate(
    State(console): State<Arc<Console>>,
    who: Who,
    Path((flow, release)): Path<(String, String)>,
    Body(wish): Body<Wish>,
) -> Result<Json<Activated>, Problem> {
    who.may(Role::Operator)?;
    known(&console, &who, &flow)?;
    let why = checked(wish.why)?;
    let row = found(&console, &flow, &release).await?;
    whole(async move {
        let (releases, seen) = (console.engine.releases(), Over::Seen(wish.instead_of.as_deref()));
        let words = why.as_deref().unwrap_or("in the console");
        releases.activate(&flow, &row.digest, &who.name, words, seen).await.map_err(problem)?;
        let act = who.act("release.activate", format!("release {} of {flow}", row.digest), Fate::Done);
        note(&console, act, why.as_deref()).await?;
        let release = releases.load(&flow, &row.digest).await.map_err(problem)?;
        is_live(&console, &flow, &release).await
    })
    .await
}

/// Goes back to the release that was live before.
#[utoipa::path(post, path = "/flows/{flow}/rollback", tag = "releases", params(("flow" = String, Path)), request_body = Wish,
    responses((status = 200, body = Activated), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn rollback(
    State(console): State<Arc<Console>>,
    who: Who,
    Path(flow): Path<String>,
    Body(wish): Body<Wish>,
) -> Result<Json<Activated>, Problem> {
    who.may(Role::Operator)?;
    known(&console, &who, &flow)?;
    let why = checked(wish.why)?;
    whole(async move {
        let (releases, seen) = (console.engine.releases(), Over::Seen(wish.instead_of.as_deref()));
        let words = why.as_deref().unwrap_or("rolled back in the console");
        let release = releases.roll_back(&flow, &who.name, words, seen).await.map_err(problem)?;
        let act = who.act("release.rollback", format!("release {} of {flow}", release.digest), Fate::Done);
        note(&console, act, why.as_deref()).await?;
        is_live(&console, &flow, &release).await
    })
    .await
}

/// Goes through with it, though who asked hangs up.
async fn whole(
    work: impl Future<Output = Result<Activated, Problem>> + Send + 'static,
) -> Result<Json<Activated>, Problem> {
    let done = tokio::spawn(guarded("release that goes live", work)).await;
    done.unwrap_or_else(|error| Err(Problem::failed(error))).map(Json)
}

/// What is told once a release is live, and its files say the same where they can.
async fn is_live(console: &Console, flow: &str, release: &Release) -> Result<Activated, Problem> {
    let (releases, config) = (console.engine.releases(), console.engine.config());
    console.engine.ring(&[flow.to_owned()]);
    let (files, unwritten) = match releases.write_files(flow, release, config).await {
        Written::Changed(files) => (files.into_iter().map(|file| file.display().to_string()).collect(), None),
        Written::Left(why) => {
            tracing::warn!(flow, release = release.short(), why, "the files of the flow do not say what is live");
            (Vec::new(), Some(why))
        }
    };
    let live = releases.live(flow).await.map_err(problem)?;
    Ok(Activated {
        release: release.digest.clone(),
        live_at: iso(live.map_or_else(crate::time::now, |live| live.at)),
        files,
        unwritten,
    })
}

fn checked(why: Option<String>) -> Result<Option<String>, Problem> {
    let why = why.map(|why| why.trim().to_owned()).filter(|why| !why.is_empty());
    match &why {
        Some(long) if long.chars().count() > LONGEST_WHY => {
            Err(Problem::field("why", format!("A reason has {LONGEST_WHY} letters at most.")))
        }
        _ => Ok(why),
    }
}

async fn note(console: &Console, mut act: Act, why: Option<&str>) -> Result<(), Problem> {
    act.why = why.map(str::to_owned);
    Ok(console.store.act(act).await?)
}
