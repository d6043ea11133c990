//! What the host shows over HTTP: the JSON API, one file a page, with the web console that is made of it; for whoever watches the process,
//! its health ([`health`]); and the org's own view of the host ([`salesforce`]). Arrows run from the pages to what they share.

mod access;
mod agents;
mod body;
pub mod choices;
mod events;
mod explain;
mod front;
pub mod health;
mod jobs;
mod kinds;
mod live;
mod load;
mod mapping;
mod origin;
mod overview;
mod problem;
mod reconcile;
mod rehearse;
mod releases;
mod reviews;
pub mod salesforce;
mod serve;
mod setup;
mod story;
pub mod tls;
mod views;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use tokio::sync::watch;
use tower_http::compression::CompressionLayer;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, ResponseBuilder};
use utoipa::{Modify, OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use self::access::programs::Programs;
pub use self::access::{Access, Passwords, SignOn, checked_name};
pub use self::jobs::Jobs;
pub use self::kinds::News;
pub use self::live::Live;
pub use self::origin::Origin;
pub use self::releases::Comparisons;
pub use self::serve::{Patience, serve};
use crate::alerts::Status;
use crate::connections::{Connections, Standing};
use crate::engine::Engine;
use crate::engine::first_load::Loads;
use crate::engine::fit::Schemas;
use crate::reconcile::UnderWay;
use crate::sources::timers::Timers;
use crate::store::Store;
use crate::telemetry::Counted;

/// What the pages look at.
pub struct Console {
    /// What runs.
    pub engine: Arc<Engine>,
    /// Events, runs, people.
    pub store: Arc<dyn Store>,
    /// Which of them wait for a person.
    pub connections: Arc<Connections>,
    /// Subscriptions, and looks into B1: name and how it stands.
    pub sources: Vec<(String, watch::Receiver<Standing>)>,
    /// When flows run by themselves.
    pub timers: watch::Receiver<Timers>,
    /// How the channels are by which people are told.
    pub alerts: watch::Receiver<Status>,
    /// For `/metrics`.
    pub metrics: Counted,
    /// Who may what.
    pub access: Arc<Access>,
    /// What is told as it changes.
    pub live: Arc<Live>,
    /// What was asked of many events at once.
    pub jobs: Arc<Jobs>,
    /// Which kinds of errors are new or back.
    pub news: Arc<News>,
    /// What would be different under releases.
    pub comparisons: Arc<Comparisons>,
    /// The comparison of both sides that is under way.
    pub under_way: Arc<UnderWay>,
    /// First loads, and their rehearsals.
    pub loads: Arc<Loads>,
    /// Fields of both systems, as they were asked for last.
    pub schemas: Schemas,
    /// Who may reach the console.
    pub origin: Arc<Origin>,
}

/// The document of the API.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tandem",
        description = "What the console shows and does, for scripts, too. A script sends a token, which an admin makes under Access. Times are ISO 8601 in UTC."
    ),
    modifiers(&Ways),
    security(("session" = []), ("token" = []))
)]
struct Document;

/// The two ways to be known.
struct Ways;

impl Modify for Ways {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let over_tls = format!("over TLS its name is {}", access::COOKIE_OVER_TLS);
        let cookie = ApiKey::Cookie(ApiKeyValue::with_description(access::COOKIE, &over_tls));
        components.add_security_scheme("session", SecurityScheme::ApiKey(cookie));
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

/// Where the API lies.
const API: &str = "/api/v1";

/// All routes.
pub fn router(console: Arc<Console>) -> Router {
    let (open, known) = pages();
    let known = known.layer(from_fn_with_state(console.access.clone(), access::identify));
    let (api, mut document) =
        OpenApiRouter::with_openapi(Document::openapi()).nest(API, open.merge(known)).split_for_parts();
    refusals(&mut document);
    let document = Arc::new(document.to_json().unwrap_or_default());
    let own = api
        .route(
            "/api/v1/openapi.json",
            get(
                move || async move { ([(axum::http::header::CONTENT_TYPE, "application/json")], document.to_string()) },
            ),
        )
        .route("/api/{*rest}", axum::routing::any(|| async { problem::Problem::no("such page of the API") }))
        .merge(front::routes())
        .layer(from_fn(front::guarded))
        .layer(CompressionLayer::new())
        .layer(from_fn_with_state(console.origin.clone(), origin::checked));
    own.merge(health::routes()).with_state(console)
}

/// What is for programs alone, beside the console, at a path: reached as the console is, by who brings a token.
pub fn for_programs(router: Router, path: &str, console: &Console) -> Router {
    let programs = Arc::new(Programs::new(console.access.clone(), console.engine.config(), path));
    let open = programs.open(path);
    let known = router.layer(from_fn_with_state(programs, access::programs::known));
    open.merge(known).layer(from_fn_with_state(console.origin.clone(), origin::checked))
}

/// What programs are told where nothing is for them: a page of the console would say nothing to them.
pub fn without_programs(path: &str) -> Router {
    let told = || async {
        problem::Problem::no("such thing for programs here").mended("Say `mcp = true` in [agents] of tandem.toml.")
    };
    Router::new().route(path, axum::routing::any(told))
}

/// What every page may answer besides: a body that is none, a request that is too large, a host that is too busy.
fn refusals(document: &mut utoipa::openapi::OpenApi) {
    let problem = Ref::from_schema_name(problem::Problem::name());
    let content = ContentBuilder::new().schema(Some(problem)).build();
    let answer = ResponseBuilder::new().description("What is wrong, and how it is mended.");
    let answer = answer.content("application/json", content).build();
    for path in document.paths.paths.values_mut() {
        let operations = [&mut path.get, &mut path.put, &mut path.post, &mut path.patch, &mut path.delete];
        for operation in operations.into_iter().flatten() {
            operation.responses.responses.insert("default".into(), answer.clone().into());
        }
    }
}

/// What is open to everybody, and what is for who is known.
fn pages() -> (OpenApiRouter<Arc<Console>>, OpenApiRouter<Arc<Console>>) {
    let known = [
        access::session::routes(),
        access::accounts::routes(),
        access::tokens::routes(),
        access::audit::routes(),
        overview::routes(),
        live::routes(),
        events::routes(),
        story::routes(),
        rehearse::routes(),
        jobs::routes(),
        views::routes(),
        kinds::routes(),
        explain::routes(),
        reviews::routes(),
        releases::routes(),
        mapping::routes(),
        setup::routes(),
        load::routes(),
        reconcile::routes(),
        agents::routes(),
    ];
    let known = known.into_iter().fold(OpenApiRouter::new(), OpenApiRouter::merge);
    (access::session::open().merge(access::oidc::open()), known)
}
