//! A Salesforce org: REST, Bulk API 2.0 and Pub/Sub API over the records of one org.

mod admin;
mod async_jobs;
mod bulk;
pub mod bus;
mod currencies;
mod details;
mod fls;
mod governor;
mod mass;
mod namespace;
mod options;
pub mod org;
mod outbox;
mod pubsub;
pub mod query;
mod rest;
pub mod rights;
pub mod schema;
mod seed;
mod sharing;
mod sign_in;
mod since;
pub mod soql;
mod transaction;
pub mod triggers;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::Response;
use axum::middleware;
use axum::routing::{any, get};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use salesforce_core_pubsubapi::eventbus::v1::pub_sub_server::PubSubServer;
use serde::Deserialize;
use serde_json::{Value, json};

use self::async_jobs::AsyncJobs;
use self::bulk::Jobs;
use self::bus::Bus;
use self::governor::Left;
use self::namespace::Namespace;
use self::org::{Manner, Org};
use self::rest::{Answer, Asked, Content};
use self::rights::Rights;
use self::seed::Seeded;
use self::sharing::Sharing;
use self::sign_in::Consents;
use crate::clock::{Clock, dated};
use crate::company::Company;
use crate::faults::{BALANCER_PAGE, Kind, Switchboard};
use crate::log::Log;
use crate::server::{dropped, logged, redirected, spoiled};

/// The org's id.
pub const ORG_ID: &str = "00D5g000000AbCdEAK";
/// A request as such; an upload of a bulk job may be larger.
const MOST_BODY: usize = 50 << 20;
const MOST_UPLOAD: usize = 151 << 20;
/// Bytes of a request line. Source: the REST API guide's limits (16,384 for the address and all headers).
const MOST_ADDRESS: usize = 16_384;
/// Child rows of a sub-query on one page. Source: the shared facts (199 or 499, by version and size of the rows).
const CHILD_PAGE: usize = 199;
/// Queries whose cursors are kept, oldest out first; a user has ten in the real service.
const MOST_CURSORS: usize = 10;

/// User name of the salesperson, who signs in by the grant `password` with any password.
const SALES_NAME: &str = "sales@example.org";

/// What a tester sets by `PUT /admin/settings`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// A token ends after so many calls.
    token_calls: Option<u64>,
    /// A token ends after so many seconds, by the simulator's clock.
    token_seconds: i64,
    /// Refuses every sign-in of the integration user and ends its tokens: the user is frozen.
    sign_in_refused: bool,
    /// The only audience that assertions may have; the address signed in at unless said otherwise.
    jwt_audience: Option<String>,
    /// Daily API calls.
    api_limit: u64,
    /// Platform events an hour.
    event_limit: u64,
    /// Events delivered a day, to all who listen together.
    delivery_limit: u64,
    /// So many of the triggers' next events cannot be published.
    event_failures: u64,
    /// What each transaction's limits leave for the package's triggers.
    left: Left,
    /// Share of rows in a collection that cannot be locked.
    row_lock_rate: f64,
    /// Child rows of a sub-query on one page.
    child_page: usize,
    /// Milliseconds that a Bulk API job waits in the org's queue.
    job_delay_ms: u64,
    /// See [`options::Options`].
    country_picklists: bool,
    /// See [`options::Options`].
    person_accounts: bool,
    /// See [`Org::have_one_currency`].
    one_currency: bool,
    /// Org-wide defaults.
    sharing: Sharing,
    /// See [`Bus::copies`].
    event_copies: usize,
    /// See [`Bus::reverse`].
    event_reverse: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            token_calls: None,
            token_seconds: 7_200,
            sign_in_refused: false,
            jwt_audience: None,
            api_limit: 15_000_000,
            event_limit: 250_000,
            delivery_limit: 1_000_000,
            event_failures: 0,
            left: Left::default(),
            row_lock_rate: 0.0,
            child_page: CHILD_PAGE,
            job_delay_ms: 20,
            country_picklists: false,
            person_accounts: false,
            one_currency: false,
            sharing: Sharing::default(),
            event_copies: 1,
            event_reverse: 0,
        }
    }
}

struct TokenUse {
    calls: u64,
    integration: bool,
    until: i64,
}

/// How an org is made.
pub struct Setup {
    /// The package's folder `force-app/main/default`.
    pub package: PathBuf,
    pub company: Company,
    /// Open opportunities at the start.
    pub opportunities: usize,
    /// The org's corporate currency.
    pub corporate_currency: String,
    /// Namespace of the package; empty for none.
    pub namespace: String,
    /// Consumer key and secret.
    pub client: (String, String),
    /// RSA public key of the JWT bearer flow, DER (`RSAPublicKey`).
    pub jwt_key: Option<Vec<u8>>,
    /// Decides which of the faults with a rate below 1 strike.
    pub seed: u64,
    /// Objects with change data capture.
    pub captured: Vec<String>,
    /// Permission sets of the integration user; without any it is a system administrator.
    pub permission_sets: Vec<String>,
}

/// One simulated org.
pub struct Simulator {
    org: Mutex<Org>,
    bus: Mutex<Bus>,
    jobs: Mutex<Jobs>,
    async_jobs: Mutex<AsyncJobs>,
    consents: Mutex<Consents>,
    company: Company,
    seeded: Seeded,
    settings: Mutex<Settings>,
    tokens: Mutex<HashMap<String, TokenUse>>,
    cursors: Mutex<Vec<Cursor>>,
    log: Log,
    calls: AtomicU64,
    opportunities: AtomicU64,
    faults: Switchboard,
    clock: Clock,
    client: (String, String),
    jwt_key: Option<Vec<u8>>,
    /// `http` or `https`: what `instance_url` begins with.
    scheme: Mutex<&'static str>,
    /// Since how long before the telling the host is asked to look again.
    since_minutes: i64,
    /// Held by writers, alone by a transaction of several requests.
    gate: RwLock<()>,
    namespace: Namespace,
}

struct Cursor {
    id: String,
    /// The query whose rows, or child rows, these are.
    query: u64,
    rows: Arc<Vec<Value>>,
    size: usize,
}

impl Simulator {
    /// With the package's schema and the company's data.
    pub fn new(setup: Setup) -> anyhow::Result<Self> {
        let clock = Clock::default();
        let mut org = Org::load(&setup.package, clock.clone())?;
        let since_minutes = since::constant(&setup.package, "TandemSince", "LONGEST_MINUTES")?.into();
        let bus = Bus::new(&org.schema, &setup.captured, clock.clone())?;
        org.keep_currencies(&setup.corporate_currency)?;
        org.share(Sharing::default());
        let seeded = seed::fill(&mut org, &setup.company, setup.opportunities)?;
        if !setup.permission_sets.is_empty() {
            org.grant(Rights::of_sets(&setup.package, &setup.namespace, &setup.permission_sets)?);
        }
        Ok(Self {
            org: Mutex::new(org),
            bus: Mutex::new(bus),
            jobs: Mutex::default(),
            async_jobs: Mutex::default(),
            consents: Mutex::default(),
            company: setup.company,
            seeded,
            settings: Mutex::default(),
            tokens: Mutex::default(),
            cursors: Mutex::default(),
            log: Log::default(),
            calls: AtomicU64::new(0),
            opportunities: AtomicU64::new(setup.opportunities as u64),
            faults: Switchboard::new(setup.seed),
            clock,
            client: setup.client,
            jwt_key: setup.jwt_key,
            scheme: Mutex::new("http"),
            since_minutes,
            gate: RwLock::new(()),
            namespace: Namespace::new(&setup.namespace),
        })
    }

    /// The gRPC service.
    pub fn pubsub(
        self: &Arc<Self>,
    ) -> PubSubServer<impl salesforce_core_pubsubapi::eventbus::v1::pub_sub_server::PubSub> {
        PubSubServer::new(pubsub::Service(self.clone()))
            .max_encoding_message_size(128 << 20)
            .max_decoding_message_size(64 << 20)
    }

    fn org(&self) -> MutexGuard<'_, Org> {
        let mut org = self.org.lock().unwrap_or_else(PoisonError::into_inner);
        org.tables.values_mut().for_each(|table| table.records.rest());
        org
    }

    fn bus(&self) -> MutexGuard<'_, Bus> {
        self.bus.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn async_jobs(&self) -> MutexGuard<'_, AsyncJobs> {
        self.async_jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn consents(&self) -> MutexGuard<'_, Consents> {
        self.consents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tokens(&self) -> MutexGuard<'_, HashMap<String, TokenUse>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end_token(&self, token: &str) {
        self.tokens().remove(token);
    }

    /// A sandbox refresh: sessions are those of an org that is no more, and the bus begins anew.
    fn refresh(&self) {
        self.tokens().clear();
        self.bus().refresh();
    }

    fn settings(&self) -> Settings {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn usage(&self) -> (u64, u64) {
        (self.calls.load(Ordering::Relaxed), self.settings().api_limit)
    }

    fn new_token(&self, integration: bool) -> String {
        let token = format!("{}!{:032x}", &ORG_ID[..15], fastrand::u128(..));
        let until = self.clock.millis() + self.settings().token_seconds * 1000;
        let entry = TokenUse { calls: 0, integration, until };
        self.tokens().insert(token.clone(), entry);
        token
    }

    fn token_is_known(&self, token: &str) -> bool {
        let now = self.clock.millis();
        self.tokens().get(token).is_some_and(|entry| entry.until > now)
    }

    /// Whether the token's user may read that event.
    fn may_subscribe(&self, token: &str, topic: &str) -> bool {
        let limited = self.tokens().get(token).is_some_and(|entry| entry.integration);
        let Some(event) = topic.strip_prefix("/event/").filter(|_| limited) else { return true };
        self.org().rights().is_none_or(|rights| rights.of(event).read)
    }

    /// `Some(true)` for the integration user, `None` for a token that is gone.
    fn use_token(&self, token: &str) -> Option<bool> {
        let limit = self.settings().token_calls;
        let now = self.clock.millis();
        let mut tokens = self.tokens();
        let entry = tokens.get_mut(token)?;
        if limit.is_some_and(|limit| entry.calls >= limit) || entry.until <= now {
            tokens.remove(token);
            return None;
        }
        entry.calls += 1;
        Some(entry.integration)
    }

    fn keep_cursor(&self, query: u64, rows: Vec<Value>, size: usize) -> String {
        let id = format!("01g{:015x}", fastrand::u64(..) >> 4);
        let mut cursors = self.cursors.lock().unwrap_or_else(PoisonError::into_inner);
        let queries: HashSet<u64> = cursors.iter().map(|cursor| cursor.query).collect();
        if queries.len() >= MOST_CURSORS && !queries.contains(&query) {
            let oldest = cursors[0].query;
            cursors.retain(|cursor| cursor.query != oldest);
        }
        cursors.push(Cursor { id: id.clone(), query, rows: Arc::new(rows), size });
        id
    }

    fn cursor(&self, id: &str) -> Option<(Arc<Vec<Value>>, usize)> {
        let cursors = self.cursors.lock().unwrap_or_else(PoisonError::into_inner);
        cursors.iter().find(|cursor| cursor.id == id).map(|cursor| (cursor.rows.clone(), cursor.size))
    }

    fn draw_lock(&self) -> bool {
        let rate = self.settings().row_lock_rate;
        rate > 0.0 && fastrand::f64() < rate
    }

    /// A JWT bearer assertion: RS256 by the known key, this host as audience, ending within three minutes.
    fn check_assertion(&self, assertion: &str, audience: &str) -> Result<(), &'static str> {
        let key = self.jwt_key.as_ref().ok_or("no certificate is configured for this app")?;
        let (signed, signature) = assertion.rsplit_once('.').ok_or("invalid assertion")?;
        let (header, claims) = signed.split_once('.').ok_or("invalid assertion")?;
        let json = |text: &str| {
            URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok())
        };
        let (header, claims) = json(header).zip(json(claims)).ok_or("invalid assertion")?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| "invalid assertion")?;
        let key = ring::signature::UnparsedPublicKey::new(&ring::signature::RSA_PKCS1_2048_8192_SHA256, key);
        if header["alg"] != "RS256" || key.verify(signed.as_bytes(), &signature).is_err() {
            return Err("invalid assertion");
        }
        let now = self.clock.now().timestamp();
        let ends = claims["exp"].as_i64().unwrap_or(0);
        if claims["iss"] != self.client.0.as_str() {
            return Err("client identifier invalid");
        }
        let wanted = self.settings().jwt_audience;
        if claims["aud"] != wanted.as_deref().unwrap_or(audience) {
            return Err("audience is invalid");
        }
        if ends <= now || ends > now + 180 {
            return Err("expired authorization code");
        }
        if claims["sub"].as_str().is_none_or(str::is_empty) {
            return Err("user hasn't approved this consumer");
        }
        Ok(())
    }
}

/// All routes, served over `scheme`.
pub fn router(simulator: Arc<Simulator>, scheme: &'static str) -> Router {
    *simulator.scheme.lock().unwrap_or_else(PoisonError::into_inner) = scheme;
    let date = middleware::map_response_with_state(simulator.clock.clone(), dated);
    let names = middleware::from_fn_with_state(simulator.namespace.clone(), namespace::translate);
    admin::routes()
        .route("/services/data", get(versions))
        .route("/services/data/", get(versions))
        .route("/{*path}", any(serve))
        .layer(DefaultBodyLimit::max(MOST_UPLOAD))
        .layer(names)
        .layer(date)
        .with_state(simulator)
}

async fn versions() -> axum::Json<Value> {
    axum::Json(json!([
        { "label": "Summer '25", "url": "/services/data/v64.0", "version": "64.0" },
        { "label": "Winter '26", "url": "/services/data/v65.0", "version": "65.0" }
    ]))
}

async fn serve(State(simulator): State<Arc<Simulator>>, request: Request) -> Response<Body> {
    logged(&simulator.log, request, async |request| served(&simulator, request).await).await
}

async fn served(simulator: &Arc<Simulator>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let method = head.method.as_str().to_owned();
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    if head.uri.to_string().len() > MOST_ADDRESS {
        return send(simulator, Answer::error(414, "URI_TOO_LONG", "URI Too Long"));
    }
    let most = if path.contains("/jobs/ingest/") { MOST_UPLOAD } else { MOST_BODY };
    let body = match read_body(body, most).await {
        Ok(body) => body,
        Err(()) => {
            return send(
                simulator,
                Answer::error(
                    413,
                    "REQUEST_TOO_LARGE",
                    "Maximum size of request reached. Maximum size of request is 52428800 bytes",
                ),
            );
        }
    };
    let address = head.uri.path_and_query().map_or(path.as_str(), |address| address.as_str());
    let mut asked = vec![(method.clone(), address.to_owned())];
    asked.extend(rest::asked_inside(&path, &body));
    let (delay, fault) = simulator.faults.strike(&head.headers, &asked, &body);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let html = || {
        Response::builder()
            .status(502)
            .header("Content-Type", "text/html")
            .body(Body::from(BALANCER_PAGE))
            .unwrap_or_default()
    };
    match &fault {
        Some(Kind::ResetBefore) => return dropped(),
        Some(Kind::HtmlBefore) => return html(),
        Some(Kind::ServerError) => {
            return send(simulator, Answer::error(503, "SERVER_UNAVAILABLE", "The server is temporarily unavailable"));
        }
        Some(kind @ (Kind::Throttle | Kind::RetryAfter(_))) => {
            let answer = Answer::error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.");
            return match kind {
                Kind::RetryAfter(seconds) => send(simulator, answer.with("Retry-After", seconds.to_string())),
                _ => send(simulator, answer),
            };
        }
        Some(Kind::Redirect) => return redirected(),
        Some(Kind::Lock) => {
            return send(
                simulator,
                Answer::error(400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record"),
            );
        }
        Some(Kind::Refuse { status, code, message }) => {
            return send(simulator, Answer::error(*status, code, message));
        }
        Some(Kind::Expire) => simulator.tokens().clear(),
        _ => {}
    }
    let scheme = *simulator.scheme.lock().unwrap_or_else(PoisonError::into_inner);
    let instance = format!("{scheme}://{}", header("host").unwrap_or_default());
    if path == "/services/oauth2/token" {
        return send(simulator, sign_in::token(simulator, &instance, &body));
    }
    let query = head.uri.query().unwrap_or_default().to_owned();
    if path == "/services/oauth2/authorize" {
        return send(simulator, sign_in::authorize(simulator, &query));
    }
    let bearer = header("authorization").and_then(|value| value.strip_prefix("Bearer ").map(str::to_owned));
    let in_jobs = path.starts_with("/services/async/");
    let token = if in_jobs { header(async_jobs::SESSION) } else { bearer }.unwrap_or_default();
    let content_type = header("content-type").unwrap_or_default();
    if path == "/services/oauth2/revoke" {
        return send(simulator, sign_in::revoke(simulator, &body));
    }
    let Some(integration) = simulator.use_token(&token) else {
        if in_jobs {
            return send(simulator, async_jobs::no_session(&content_type));
        }
        return send(simulator, Answer::error(401, "INVALID_SESSION_ID", "Session expired or invalid"));
    };
    if path == "/services/oauth2/userinfo" || path.starts_with("/id/") {
        return send(simulator, user_info(&instance, integration));
    }
    let used = simulator.calls.fetch_add(1, Ordering::Relaxed);
    if used >= simulator.settings().api_limit {
        return send(simulator, Answer::error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."));
    }
    let mut segments = path.trim_start_matches('/').splitn(4, '/');
    let versioned = segments.next() == Some("services")
        && segments.next() == Some(if in_jobs { "async" } else { "data" })
        && segments.next().is_some_and(|version| {
            if in_jobs { is_version(version) } else { version.strip_prefix('v').is_some_and(is_version) }
        });
    if !versioned {
        return send(simulator, Answer::error(404, "NOT_FOUND", "The requested resource does not exist"));
    }
    let below = format!("/{}", segments.next().unwrap_or_default());
    simulator.log.count(&format!("{method} {}", rest::shape(&below)));
    if method == "GET" && below == "/" {
        return send(simulator, rest::resources(&format!("{instance}/id/{ORG_ID}/{}", user(integration).0)));
    }
    let page = header("sforce-query-options").and_then(|value| rest::page_size(&value));
    let allow_duplicates = header("sforce-duplicate-rule-header").is_some_and(|value| rest::allows_duplicates(&value));
    let asked = Asked {
        method: &method,
        path: &below,
        query: &query,
        body: &body,
        content_type: &content_type,
        page,
        manner: Manner { silent: integration, allow_duplicates, system: false },
    };
    let answer = if in_jobs { async_jobs::answer(simulator, &asked) } else { rest::answer(simulator, &asked) };
    let response = send(simulator, answer);
    spoiled(fault, response, html).await
}

/// The body as text. What is too large is read to its end and dropped, so that the client hears why.
async fn read_body(body: Body, most: usize) -> Result<String, ()> {
    match to_bytes(body, 4 * MOST_UPLOAD).await {
        Ok(bytes) if bytes.len() <= most => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        _ => Err(()),
    }
}

fn is_version(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(|number| (31.0..=65.0).contains(&number))
}

/// Id and name of who calls.
fn user(integration: bool) -> (&'static str, &'static str) {
    if integration { (org::INTEGRATION_USER, "tandem@example.org") } else { (org::SALES_USER, SALES_NAME) }
}

fn user_info(instance: &str, integration: bool) -> Answer {
    let (id, name) = user(integration);
    Answer::new(
        200,
        json!({
            "sub": format!("{instance}/id/{ORG_ID}/{id}"), "user_id": id, "organization_id": ORG_ID, "preferred_username": name,
            "username": name, "email": name, "active": true, "user_type": "STANDARD",
            "urls": { "rest": format!("{instance}/services/data/v{{version}}/"), "sobjects": format!("{instance}/services/data/v{{version}}/sobjects/") },
        }),
    )
}

fn send(simulator: &Simulator, answer: Answer) -> Response<Body> {
    let (used, most) = simulator.usage();
    let mut response =
        Response::builder().status(answer.status).header("Sforce-Limit-Info", format!("api-usage={used}/{most}"));
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    let body = match answer.content {
        Content::None => Body::empty(),
        Content::Json(mut value) => {
            options::as_written(&mut value);
            response = response.header("Content-Type", "application/json;charset=UTF-8");
            Body::from(value.to_string())
        }
        Content::Written(text) => {
            response = response.header("Content-Type", "application/json;charset=UTF-8");
            Body::from(text)
        }
        Content::Xml(text) => {
            response = response.header("Content-Type", "application/xml;charset=UTF-8");
            Body::from(text)
        }
        Content::Csv(text) => {
            response = response.header("Content-Type", "text/csv;charset=UTF-8");
            Body::from(text)
        }
    };
    response.body(body).unwrap_or_default()
}
