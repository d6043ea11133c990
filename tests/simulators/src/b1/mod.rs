//! SAP Business One's Service Layer.

mod batch;
pub mod database;
mod documents;
pub mod odata;
mod seed;
mod service;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::Response;
use axum::routing::{any, get, post, put};
use serde::Deserialize;
use serde_json::{Value, json};

use self::batch::HttpText;
use self::database::{Database, Key};
use self::documents::Rules;
use self::odata::decimal;
use self::service::Asked;
use crate::company::Company;
use crate::faults::{BALANCER_PAGE, Fault, Kind, Switchboard};
use crate::server::dropped;

const MOST_BODY: usize = 64 << 20;

/// Which of the two APIs is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
}

impl Version {
    fn root(self) -> &'static str {
        match self {
            Self::V1 => "/b1s/v1",
            Self::V2 => "/b1s/v2",
        }
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Reply {
    fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            headers: vec![("Content-Type", "application/json;odata.metadata=minimal;charset=utf-8".into())],
            body: body.to_string(),
        }
    }

    fn text(status: u16, body: String) -> Self {
        Self { status, headers: vec![("Content-Type", "text/plain".into())], body }
    }

    fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new() }
    }

    fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    fn response(self) -> Response<Body> {
        let mut response = Response::builder().status(self.status);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        response.body(Body::from(self.body)).unwrap_or_else(|_| Response::new(Body::empty()))
    }
}

/// A refusal, rolled back unless `keep` names what stays all the same.
#[derive(Clone, Debug)]
pub struct Refusal {
    status: u16,
    code: i64,
    message: String,
    keep: Option<Key>,
}

impl Refusal {
    fn new(status: u16, code: i64, message: String) -> Self {
        Self { status, code, message, keep: None }
    }

    /// The trap of approvals: an error is answered, and a draft is stored.
    fn keeping(status: u16, code: i64, message: String, key: Key) -> Self {
        Self { status, code, message, keep: Some(key) }
    }

    fn not_found() -> Self {
        Self::new(404, -2028, "No matching records found (ODBC -2028)".into())
    }

    fn reply(&self, version: Version) -> Reply {
        let body = match version {
            Version::V1 => {
                json!({ "error": { "code": self.code, "message": { "lang": "en-us", "value": self.message } } })
            }
            Version::V2 => {
                json!({ "error": { "code": self.code.to_string(), "message": self.message, "details": [{ "code": "", "message": "" }] } })
            }
        };
        Reply::json(self.status, body)
    }
}

/// What a tester sets by `PUT /admin/settings`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// A session ends after so many calls.
    session_calls: Option<u64>,
    /// See [`Rules::approval_over`].
    approval_over: Option<f64>,
    /// See [`Rules::closed_before`].
    closed_before: Option<String>,
    /// See [`Rules::block_over_limit`].
    block_over_limit: bool,
    /// Refuses every connection: the server is down.
    down: bool,
}

struct Session {
    until: Instant,
    calls: u64,
    busy: bool,
}

/// One simulated server.
pub struct Simulator {
    db: Mutex<Database>,
    settings: Mutex<Settings>,
    sessions: Mutex<HashMap<String, Session>>,
    log: Mutex<BTreeMap<String, u64>>,
    /// Requests on a session that was still working on another.
    overlaps: AtomicU64,
    faults: Switchboard,
    users: (String, String, String),
    session_minutes: u64,
}

impl Simulator {
    /// With data; users log in to `company` as `user` with `password`.
    pub fn new(company: &Company, users: (String, String, String), seed: u64) -> Self {
        let mut db = Database::new();
        seed::fill(&mut db, company, &rules_of(&Settings::default()));
        Self {
            db: Mutex::new(db),
            settings: Mutex::default(),
            sessions: Mutex::default(),
            log: Mutex::default(),
            overlaps: AtomicU64::new(0),
            faults: Switchboard::new(seed),
            users,
            session_minutes: 30,
        }
    }

    fn db(&self) -> MutexGuard<'_, Database> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settings(&self) -> Settings {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count(&self, what: String) {
        *self.log.lock().unwrap_or_else(PoisonError::into_inner).entry(what).or_default() += 1;
    }

    /// Carries requests out as one transaction.
    fn transaction(&self, version: Version, requests: &[HttpText]) -> Result<Vec<Reply>, Refusal> {
        let rules = rules_of(&self.settings());
        let mut db = self.db();
        db.begin();
        let mut replies = Vec::with_capacity(requests.len());
        for request in requests {
            let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
            let headers =
                |name: &str| request.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone());
            let below = path.strip_prefix(version.root()).unwrap_or(path);
            let below = if below.starts_with('/') { below.to_owned() } else { format!("/{below}") };
            self.count(format!("{} {}", request.method, shape(&below)));
            let asked =
                Asked { version, method: &request.method, path: &below, query, headers: &headers, body: &request.body };
            match service::answer(&mut db, &rules, &asked) {
                Ok(reply) => replies.push(reply),
                Err(refusal) => {
                    match &refusal.keep {
                        // The draft outlives its refusal.
                        Some(key) => {
                            let draft = db.get("Drafts", key).cloned();
                            db.roll_back();
                            if let Some(draft) = draft {
                                db.put("Drafts", key.clone(), draft);
                            }
                        }
                        None => db.roll_back(),
                    }
                    return Err(refusal);
                }
            }
        }
        db.commit();
        Ok(replies)
    }

    fn log_in(&self, version: Version, body: &str) -> Reply {
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        let (company, user, password) = &self.users;
        self.count("LOGIN".into());
        if body["CompanyDB"] != *company || body["UserName"] != *user || body["Password"] != *password {
            return Refusal::new(401, -304, "Fail to get DB Credentials from SLD (or wrong user or password)".into())
                .reply(version);
        }
        let id = format!(
            "{:08x}-{:04x}-{:04x}-8000-{:012x}",
            fastrand::u32(..),
            fastrand::u16(..),
            fastrand::u16(..),
            fastrand::u64(..) >> 16
        );
        let until = Instant::now() + Duration::from_secs(self.session_minutes * 60);
        self.sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id.clone(), Session { until, calls: 0, busy: false });
        Reply::json(200, json!({ "@odata.context": "$metadata#B1Sessions/$entity", "SessionId": id, "Version": "1000290", "SessionTimeout": self.session_minutes }))
            .with("Set-Cookie", format!("B1SESSION={id};HttpOnly;"))
            .with("Set-Cookie", "ROUTEID=.node1; path=/b1s".into())
    }

    /// The session of a request, marked busy; an error when there is none.
    fn enter(&self, cookie: &str) -> Result<String, Refusal> {
        let gone = || Refusal::new(401, 301, "Invalid session or session already timeout.".into());
        let id = cookie.split(';').find_map(|pair| pair.trim().strip_prefix("B1SESSION=")).ok_or_else(gone)?.to_owned();
        let limit = self.settings().session_calls;
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let session = sessions.get_mut(&id).ok_or_else(gone)?;
        if session.until < Instant::now() || limit.is_some_and(|limit| session.calls >= limit) {
            sessions.remove(&id);
            return Err(gone());
        }
        session.calls += 1;
        session.until = Instant::now() + Duration::from_secs(self.session_minutes * 60);
        if session.busy {
            self.overlaps.fetch_add(1, Ordering::Relaxed);
        }
        session.busy = true;
        Ok(id)
    }

    fn leave(&self, id: &str) {
        if let Some(session) = self.sessions.lock().unwrap_or_else(PoisonError::into_inner).get_mut(id) {
            session.busy = false;
        }
    }
}

/// `/Orders(12)/Cancel` → `/Orders(*)/Cancel`, for counting.
fn shape(path: &str) -> String {
    match (path.find('('), path.rfind(')')) {
        (Some(open), Some(close)) if open < close => format!("{}(*){}", &path[..open], &path[close + 1..]),
        _ => path.to_owned(),
    }
}

fn rules_of(settings: &Settings) -> Rules {
    let now = chrono::Utc::now();
    Rules {
        approval_over: settings.approval_over.and_then(|over| rust_decimal::Decimal::try_from(over).ok()),
        closed_before: settings.closed_before.clone(),
        block_over_limit: settings.block_over_limit,
        today: now.format("%Y-%m-%d").to_string(),
        now: now.format("%H:%M:%S").to_string(),
    }
}

/// All routes.
pub fn router(simulator: Arc<Simulator>) -> Router {
    Router::new()
        .route("/admin/faults", put(set_faults).get(get_faults))
        .route("/admin/settings", put(set_settings))
        .route("/admin/log", get(get_log))
        .route("/admin/records/{set}", get(get_records))
        .route("/admin/deliver/{order}", post(deliver))
        .route("/admin/approve/{draft}", post(approve))
        .route("/{*path}", any(serve))
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .with_state(simulator)
}

async fn serve(State(simulator): State<Arc<Simulator>>, request: Request) -> Response<Body> {
    if simulator.settings().down {
        return dropped();
    }
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let query = head.uri.query().unwrap_or_default().to_owned();
    let method = head.method.as_str().to_owned();
    let version = if path.starts_with("/b1s/v2/") {
        Version::V2
    } else if path.starts_with("/b1s/v1/") {
        Version::V1
    } else {
        return Response::builder()
            .status(404)
            .header("Content-Type", "text/html")
            .body(Body::from("<html><body><h1>Not Found</h1></body></html>"))
            .unwrap_or_default();
    };
    let Ok(body) = to_bytes(body, MOST_BODY).await else {
        return Refusal::new(413, -1000, "Request entity too large".into()).reply(version).response();
    };
    let body = String::from_utf8_lossy(&body).into_owned();
    let below = path[version.root().len()..].to_owned();
    let (delay, fault) = simulator.faults.draw(&method, &path);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let html = || {
        Response::builder()
            .status(502)
            .header("Content-Type", "text/html; charset=iso-8859-1")
            .body(Body::from(BALANCER_PAGE))
            .unwrap_or_default()
    };
    match &fault {
        Some(Kind::ResetBefore) => return dropped(),
        Some(Kind::HtmlBefore) => return html(),
        Some(Kind::ServerError) => {
            return Refusal::new(500, -1, "Internal error (-1)".into()).reply(version).response();
        }
        Some(Kind::Throttle) => {
            return Response::builder()
                .status(503)
                .header("Content-Type", "text/html")
                .body(Body::from(BALANCER_PAGE))
                .unwrap_or_default();
        }
        Some(Kind::Lock) => {
            return Refusal::new(400, -1, "Transaction rolled back by lock wait timeout (ODBC 131)".into())
                .reply(version)
                .response();
        }
        Some(Kind::Expire) => simulator.sessions.lock().unwrap_or_else(PoisonError::into_inner).clear(),
        _ => {}
    }
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    if method == "POST" && below == "/Login" {
        return simulator.log_in(version, &body).response();
    }
    let session = match simulator.enter(&header("cookie").unwrap_or_default()) {
        Ok(session) => session,
        Err(refusal) => return refusal.reply(version).response(),
    };
    let reply = if method == "POST" && below == "/Logout" {
        simulator.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(&session);
        Reply::empty(204)
    } else if method == "POST" && below == "/$batch" {
        simulator.count("POST /$batch".into());
        let go_on = header("prefer").is_some_and(|prefer| prefer.contains("continue-on-error"));
        match batch::parse(&header("content-type").unwrap_or_default(), &body) {
            Ok(operations) => batch::run(&simulator, version, operations, go_on),
            Err(refusal) => refusal.reply(version),
        }
    } else {
        let headers = head
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect();
        let target = if query.is_empty() { path.clone() } else { format!("{path}?{query}") };
        let request = HttpText { method, target, headers, body, content_id: None };
        match simulator.transaction(version, std::slice::from_ref(&request)) {
            Ok(mut replies) => replies.pop().unwrap_or_else(|| Reply::empty(204)),
            Err(refusal) => refusal.reply(version),
        }
    };
    simulator.count("HTTP".into());
    simulator.leave(&session);
    match fault {
        Some(Kind::ResetAfter) => dropped(),
        Some(Kind::HtmlAfter) => html(),
        _ => reply.response(),
    }
}

async fn set_faults(State(simulator): State<Arc<Simulator>>, axum::Json(faults): axum::Json<Vec<Fault>>) {
    simulator.faults.set(faults);
}

async fn get_faults(State(simulator): State<Arc<Simulator>>) -> axum::Json<Vec<Fault>> {
    axum::Json(simulator.faults.get())
}

async fn set_settings(State(simulator): State<Arc<Simulator>>, axum::Json(settings): axum::Json<Settings>) {
    *simulator.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings;
}

async fn get_log(State(simulator): State<Arc<Simulator>>) -> axum::Json<Value> {
    let calls = simulator.log.lock().unwrap_or_else(PoisonError::into_inner).clone();
    axum::Json(json!({ "calls": calls, "overlaps": simulator.overlaps.load(Ordering::Relaxed) }))
}

async fn get_records(
    State(simulator): State<Arc<Simulator>>,
    axum::extract::Path(set): axum::extract::Path<String>,
) -> axum::Json<Value> {
    let db = simulator.db();
    let rows: Vec<Value> =
        db.tables.get(&set).into_iter().flat_map(|table| table.records.values().cloned().map(Value::Object)).collect();
    axum::Json(Value::Array(rows))
}

async fn deliver(
    State(simulator): State<Arc<Simulator>>,
    axum::extract::Path(order): axum::extract::Path<i64>,
    axum::extract::Query(options): axum::extract::Query<HashMap<String, String>>,
) -> Response<Body> {
    let rules = rules_of(&simulator.settings());
    match documents::deliver(&mut simulator.db(), &rules, order, options.contains_key("partly")) {
        Ok(key) => Reply::json(201, json!({ "delivery": key.to_string() })).response(),
        Err(refusal) => refusal.reply(Version::V2).response(),
    }
}

/// An approver says yes: the order is made from the draft.
async fn approve(
    State(simulator): State<Arc<Simulator>>,
    axum::extract::Path(draft): axum::extract::Path<i64>,
) -> Response<Body> {
    let rules = Rules { approval_over: None, ..rules_of(&simulator.settings()) };
    let mut db = simulator.db();
    let Some(mut order) = db.get("Drafts", &Key::Number(draft)).cloned() else {
        return Refusal::not_found().reply(Version::V2).response();
    };
    for computed in [
        "DocEntry",
        "DocNum",
        "DocTotal",
        "VatSum",
        "PaidToDate",
        "DocumentStatus",
        "Cancelled",
        "UpdateDate",
        "UpdateTime",
        "DocObjectCode",
    ] {
        order.remove(computed);
    }
    for line in order.get_mut("DocumentLines").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(line) = line.as_object_mut() else { continue };
        for computed in [
            "RemainingOpenQuantity",
            "LineTotal",
            "LineStatus",
            "TaxPercentagePerRow",
            "Price",
            "BaseType",
            "BaseEntry",
            "BaseLine",
        ] {
            line.remove(computed);
        }
        let _ = decimal(&line["Quantity"]);
    }
    db.begin();
    match documents::create(&mut db, &rules, "Orders", order) {
        Ok(key) => {
            db.remove("Drafts", &Key::Number(draft));
            db.commit();
            Reply::json(201, json!({ "order": key.to_string() })).response()
        }
        Err(refusal) => {
            db.roll_back();
            refusal.reply(Version::V2).response()
        }
    }
}
