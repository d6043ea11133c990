//! Salesforce: sign-in, REST, and the Pub/Sub API, over one org.

mod bus;
pub mod org;
mod pubsub;
mod rest;
mod seed;
pub mod soql;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::Response;
use axum::routing::{any, get, post, put};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use salesforce_core_pubsubapi::eventbus::v1::pub_sub_server::PubSubServer;
use serde::Deserialize;
use serde_json::{Value, json};

use self::bus::Bus;
use self::org::{Org, Record, Write};
use self::rest::Answer;
use self::seed::Seeded;
use crate::company::Company;
use crate::faults::{BALANCER_PAGE, Fault, Kind, Switchboard};
use crate::server::dropped;

/// The org's id.
pub const ORG_ID: &str = "00D5g000000AbCdEAK";
const MOST_BODY: usize = 64 << 20;

/// What a tester sets by `PUT /admin/settings`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// A token ends after so many calls.
    token_calls: Option<u64>,
    /// Daily API calls.
    api_limit: u64,
    /// Share of rows in a collection that cannot be locked.
    row_lock_rate: f64,
    /// See [`Bus::copies`].
    event_copies: usize,
    /// See [`Bus::reverse`].
    event_reverse: usize,
    /// Hours added to the clock.
    clock_hours: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            token_calls: None,
            api_limit: 15_000_000,
            row_lock_rate: 0.0,
            event_copies: 1,
            event_reverse: 0,
            clock_hours: 0,
        }
    }
}

struct TokenUse {
    calls: u64,
    integration: bool,
}

type Cursors = HashMap<String, (Arc<Vec<Value>>, usize)>;

/// One simulated org.
pub struct Simulator {
    org: Mutex<Org>,
    bus: Mutex<Bus>,
    company: Company,
    seeded: Seeded,
    settings: Mutex<Settings>,
    tokens: Mutex<HashMap<String, TokenUse>>,
    cursors: Mutex<Cursors>,
    log: Mutex<BTreeMap<String, u64>>,
    calls: AtomicU64,
    opportunities: AtomicU64,
    faults: Switchboard,
    /// Consumer key and secret.
    client: (String, String),
    /// RSA public key of the JWT bearer flow, DER (`RSAPublicKey`).
    jwt_key: Option<Vec<u8>>,
}

impl Simulator {
    /// With the package's schema and the company's data.
    pub fn new(
        package: &Path,
        company: Company,
        opportunities: usize,
        client: (String, String),
        jwt_key: Option<Vec<u8>>,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let mut org = Org::load(package)?;
        let bus = Bus::new(org.event_fields.clone())?;
        let seeded = seed::fill(&mut org, &company, opportunities)?;
        Ok(Self {
            org: Mutex::new(org),
            bus: Mutex::new(bus),
            company,
            seeded,
            settings: Mutex::default(),
            tokens: Mutex::default(),
            cursors: Mutex::default(),
            log: Mutex::default(),
            calls: AtomicU64::new(0),
            opportunities: AtomicU64::new(opportunities as u64),
            faults: Switchboard::new(seed),
            client,
            jwt_key,
        })
    }

    /// The gRPC service.
    pub fn pubsub(
        self: &Arc<Self>,
    ) -> PubSubServer<impl salesforce_core_pubsubapi::eventbus::v1::pub_sub_server::PubSub> {
        PubSubServer::new(pubsub::Service(self.clone())).max_encoding_message_size(128 << 20)
    }

    fn org(&self) -> MutexGuard<'_, Org> {
        self.org.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bus(&self) -> MutexGuard<'_, Bus> {
        self.bus.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settings(&self) -> Settings {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count(&self, what: &str) {
        *self.log.lock().unwrap_or_else(PoisonError::into_inner).entry(what.to_owned()).or_default() += 1;
    }

    fn usage(&self) -> (u64, u64) {
        (self.calls.load(Ordering::Relaxed), self.settings().api_limit)
    }

    fn new_token(&self, integration: bool) -> String {
        let token = format!("{ORG_ID}!{:032x}", fastrand::u128(..));
        self.tokens
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(token.clone(), TokenUse { calls: 0, integration });
        token
    }

    fn token_is_known(&self, token: &str) -> bool {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).contains_key(token)
    }

    /// `Some(true)` for the integration user, `None` for a token that is gone.
    fn use_token(&self, token: &str) -> Option<bool> {
        let limit = self.settings().token_calls;
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = tokens.get_mut(token)?;
        if limit.is_some_and(|limit| entry.calls >= limit) {
            tokens.remove(token);
            return None;
        }
        entry.calls += 1;
        Some(entry.integration)
    }

    fn keep_cursor(&self, rows: Vec<Value>, size: usize) -> String {
        let id = format!("01g{:015x}", fastrand::u64(..) >> 4);
        self.cursors.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), (Arc::new(rows), size));
        id
    }

    fn cursor(&self, id: &str) -> Option<(Arc<Vec<Value>>, usize)> {
        self.cursors.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
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
        let now = chrono::Utc::now().timestamp();
        let ends = claims["exp"].as_i64().unwrap_or(0);
        if claims["iss"] != self.client.0.as_str() {
            return Err("client identifier invalid");
        }
        if claims["aud"] != audience {
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

/// All routes.
pub fn router(simulator: Arc<Simulator>) -> Router {
    Router::new()
        .route("/admin/faults", put(set_faults).get(get_faults))
        .route("/admin/settings", put(set_settings))
        .route("/admin/log", get(get_log))
        .route("/admin/records/{object}", get(get_records))
        .route("/admin/count/{object}/{field}", get(count_filled))
        .route("/admin/opportunities", post(add_opportunities))
        .route("/admin/update/{object}/{id}", post(user_update))
        .route("/admin/create/{object}", post(user_create))
        .route("/admin/delete/{object}/{id}", post(user_delete))
        .route("/admin/writes", get(take_writes).put(record_writes))
        .route("/admin/publish", post(publish_raw))
        .route("/admin/expire-tokens", post(expire_tokens))
        .route("/services/data", get(versions))
        .route("/services/data/", get(versions))
        .route("/{*path}", any(serve))
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .with_state(simulator)
}

async fn versions() -> axum::Json<Value> {
    axum::Json(json!([
        { "label": "Summer '25", "url": "/services/data/v64.0", "version": "64.0" },
        { "label": "Winter '26", "url": "/services/data/v65.0", "version": "65.0" }
    ]))
}

async fn serve(State(simulator): State<Arc<Simulator>>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let method = head.method.as_str().to_owned();
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let Ok(body) = to_bytes(body, MOST_BODY).await else {
        return send(&simulator, Answer::error(413, "REQUEST_TOO_LARGE", "The request is too large"));
    };
    let body = String::from_utf8_lossy(&body).into_owned();
    let (delay, fault) = simulator.faults.draw(&method, &path);
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
            return send(&simulator, Answer::error(503, "SERVER_UNAVAILABLE", "The server is temporarily unavailable"));
        }
        Some(Kind::Throttle) => {
            return send(&simulator, Answer::error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."));
        }
        Some(Kind::Lock) => {
            return send(
                &simulator,
                Answer::error(400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record"),
            );
        }
        Some(Kind::Expire) => simulator.tokens.lock().unwrap_or_else(PoisonError::into_inner).clear(),
        _ => {}
    }
    if path == "/services/oauth2/token" {
        let instance = format!("http://{}", header("host").unwrap_or_default());
        return send(&simulator, rest::sign_in(&simulator, &instance, &body));
    }
    let token =
        header("authorization").and_then(|value| value.strip_prefix("Bearer ").map(str::to_owned)).unwrap_or_default();
    let Some(integration) = simulator.use_token(&token) else {
        return send(&simulator, Answer::error(401, "INVALID_SESSION_ID", "Session expired or invalid"));
    };
    let used = simulator.calls.fetch_add(1, Ordering::Relaxed);
    if used >= simulator.settings().api_limit {
        return send(&simulator, Answer::error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."));
    }
    let mut segments = path.trim_start_matches('/').splitn(4, '/');
    let versioned = segments.next() == Some("services")
        && segments.next() == Some("data")
        && segments.next().is_some_and(|version| version.starts_with('v'));
    if !versioned {
        return send(&simulator, Answer::error(404, "NOT_FOUND", "The requested resource does not exist"));
    }
    let below = format!("/{}", segments.next().unwrap_or_default());
    let shape: String = below.split('/').take(3).collect::<Vec<_>>().join("/");
    simulator.count(&format!("{method} {shape}"));
    let page = header("sforce-query-options")
        .and_then(|value| value.strip_prefix("batchSize=").and_then(|size| size.parse().ok()));
    let answer =
        rest::answer(&simulator, &method, &below, head.uri.query().unwrap_or_default(), page, &body, integration);
    match fault {
        Some(Kind::ResetAfter) => dropped(),
        Some(Kind::HtmlAfter) => html(),
        _ => send(&simulator, answer),
    }
}

fn send(simulator: &Simulator, answer: Answer) -> Response<Body> {
    let (used, most) = simulator.usage();
    let body = if answer.body.is_null() { String::new() } else { answer.body.to_string() };
    Response::builder()
        .status(answer.status)
        .header("Content-Type", "application/json;charset=UTF-8")
        .header("Sforce-Limit-Info", format!("api-usage={used}/{most}"))
        .body(Body::from(body))
        .unwrap_or_default()
}

async fn set_faults(State(simulator): State<Arc<Simulator>>, axum::Json(faults): axum::Json<Vec<Fault>>) {
    simulator.faults.set(faults);
}

async fn get_faults(State(simulator): State<Arc<Simulator>>) -> axum::Json<Vec<Fault>> {
    axum::Json(simulator.faults.get())
}

async fn set_settings(State(simulator): State<Arc<Simulator>>, axum::Json(settings): axum::Json<Settings>) {
    {
        let mut bus = simulator.bus();
        bus.copies = settings.event_copies;
        bus.reverse = settings.event_reverse;
        bus.clock_offset = settings.clock_hours * 3600 * 1000;
        bus.flush();
    }
    *simulator.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings;
}

async fn get_log(State(simulator): State<Arc<Simulator>>) -> axum::Json<Value> {
    let calls = simulator.log.lock().unwrap_or_else(PoisonError::into_inner).clone();
    axum::Json(json!({ "calls": calls, "api": simulator.calls.load(Ordering::Relaxed) }))
}

async fn get_records(
    State(simulator): State<Arc<Simulator>>,
    axum::extract::Path(object): axum::extract::Path<String>,
) -> axum::Json<Value> {
    let org = simulator.org();
    let rows: Vec<Value> = org
        .objects
        .get(&object)
        .into_iter()
        .flat_map(|object| object.records.values().cloned().map(Value::Object))
        .collect();
    axum::Json(Value::Array(rows))
}

/// How many records of an object have a value in a field.
async fn count_filled(
    State(simulator): State<Arc<Simulator>>,
    axum::extract::Path((object, field)): axum::extract::Path<(String, String)>,
) -> axum::Json<usize> {
    let org = simulator.org();
    let records = org.objects.get(&object).into_iter().flat_map(|object| object.records.values());
    axum::Json(records.filter(|record| record.get(&field).is_some_and(|value| !value.is_null())).count())
}

/// From here on every update is noted with its time, for measuring.
async fn record_writes(State(simulator): State<Arc<Simulator>>) {
    simulator.org().writes = Some(Vec::new());
}

/// The updates since `PUT` or the last look: record, microseconds since 1970 UTC, and whether it was the integration's.
async fn take_writes(State(simulator): State<Arc<Simulator>>) -> axum::Json<Vec<Write>> {
    axum::Json(simulator.org().writes.as_mut().map(std::mem::take).unwrap_or_default())
}

/// Makes open opportunities: `{"count": 10}`; answers their ids.
async fn add_opportunities(
    State(simulator): State<Arc<Simulator>>,
    axum::Json(body): axum::Json<Value>,
) -> Response<Body> {
    let count = body["count"].as_u64().unwrap_or(1);
    let mut ids = Vec::new();
    for _ in 0..count {
        let n = simulator.opportunities.fetch_add(1, Ordering::Relaxed) as usize;
        match seed::add_opportunity(&mut simulator.org(), &simulator.company, &simulator.seeded, n) {
            Ok(id) => ids.push(id),
            Err(error) => return send(&simulator, Answer::error(400, "UNKNOWN", &error.to_string())),
        }
    }
    send(&simulator, Answer::new(200, json!(ids)))
}

/// A change by a person: triggers tell it.
async fn user_update(
    State(simulator): State<Arc<Simulator>>,
    axum::extract::Path((object, id)): axum::extract::Path<(String, String)>,
    axum::Json(body): axum::Json<Record>,
) -> Response<Body> {
    let body = Value::Object(body).to_string();
    let answer = rest::answer(&simulator, "PATCH", &format!("/sobjects/{object}/{id}"), "", None, &body, false);
    send(&simulator, answer)
}

/// A record made by a person: triggers tell it.
async fn user_create(
    State(simulator): State<Arc<Simulator>>,
    axum::extract::Path(object): axum::extract::Path<String>,
    axum::Json(body): axum::Json<Record>,
) -> Response<Body> {
    let body = Value::Object(body).to_string();
    send(&simulator, rest::answer(&simulator, "POST", &format!("/sobjects/{object}"), "", None, &body, false))
}

/// A record deleted by a person: triggers tell it.
async fn user_delete(
    State(simulator): State<Arc<Simulator>>,
    axum::extract::Path((object, id)): axum::extract::Path<(String, String)>,
) -> Response<Body> {
    send(&simulator, rest::answer(&simulator, "DELETE", &format!("/sobjects/{object}/{id}"), "", None, "", false))
}

/// Puts an event on the bus: `{"fields": {…}}` encoded as it should be, or `{"text": "…"}` as raw bytes.
async fn publish_raw(State(simulator): State<Arc<Simulator>>, axum::Json(body): axum::Json<Value>) {
    let mut bus = simulator.bus();
    let payload = match body["text"].as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => bus.encode(&body["fields"]),
    };
    bus.publish_raw(payload);
}

async fn expire_tokens(State(simulator): State<Arc<Simulator>>) {
    simulator.tokens.lock().unwrap_or_else(PoisonError::into_inner).clear();
}
