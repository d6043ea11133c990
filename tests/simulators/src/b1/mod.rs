//! SAP Business One's Service Layer: v1 and v2 over the records of one company.

mod admin;
mod batch;
mod branches;
mod cancellation;
pub mod database;
mod documents;
mod freight;
mod instalments;
mod ledger;
mod metadata;
mod money;
pub mod odata;
mod payments;
mod periods;
mod query;
mod reconciliations;
mod removal;
pub mod schema;
mod seed;
mod service;
mod sql;
mod tracked;
mod units;
pub mod webhooks;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::Response;
use axum::middleware;
use axum::routing::any;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::Deserialize;
use serde_json::{Value, json};

use self::batch::HttpText;
use self::database::{Database, Key, Undo};
use self::documents::Rules;
use self::service::Asked;
use self::webhooks::Webhooks;
use crate::clock::{Clock, dated};
use crate::company::Company;
use crate::faults::{BALANCER_PAGE, Kind, Switchboard};
use crate::log::Log;
use crate::server::{dropped, logged, redirected, spoiled};

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

    fn xml(body: String) -> Self {
        Self { status: 200, headers: vec![("Content-Type", "application/xml".into())], body }
    }

    /// The load balancer speaking in place of B1.
    fn balancer(status: u16) -> Self {
        let headers = vec![("Content-Type", "text/html; charset=iso-8859-1".into())];
        Self { status, headers, body: BALANCER_PAGE.into() }
    }

    fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new() }
    }

    fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| *own == name).map(|(_, value)| value.as_str())
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
    /// A session ends after so many minutes without a call, by the simulator's clock; 30 unless said otherwise.
    session_minutes: Option<i64>,
    /// See [`Rules::approval_over`].
    approval_over: Option<f64>,
    /// See [`Rules::closed_before`].
    closed_before: Option<String>,
    /// See [`Rules::block_over_limit`].
    block_over_limit: bool,
    /// See [`Rules::no_negative_stock`].
    no_negative_stock: bool,
    /// The company has several branches: see [`branches`].
    branches: bool,
    /// Drafts cannot be removed.
    keeps_drafts: bool,
    /// See [`Rules::boms`]: `{"A00001": {"A00002": 2}}`.
    sales_boms: BTreeMap<String, BTreeMap<String, u32>>,
    /// What `SBO_SP_TransactionNotification` refuses.
    procedure: Option<Procedure>,
    /// See [`Rules::forced_discount`].
    forced_discount: Option<f64>,
    /// The company's own currency; EUR unless said otherwise.
    local_currency: Option<String>,
    /// What one of a currency is worth in the company's own: `{"USD": 0.85}`; a currency that is not named has no rate today.
    rates: Option<BTreeMap<String, f64>>,
    /// The password, where it is no longer the first one.
    password: Option<String>,
    /// Refuses every sign-in and ends the sessions: the directory (SLD) is down, or the user is locked.
    sign_in_refused: bool,
    /// Refuses every connection: the server is down.
    down: bool,
    /// So many of the next transactions that write cannot be committed: -1116, rolled back.
    commit_failures: u64,
    /// Pause before a webhook's first repeat; 2,000 unless said otherwise.
    webhook_pause_ms: Option<u64>,
}

/// A rule of the company's own, in its database: a record of that set whose field has that value (or none, where `is` is null)
/// is refused with the procedure's number and words.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Procedure {
    set: String,
    field: String,
    is: Value,
    number: i64,
    words: String,
    /// As some versions do, answer with the balancer's page where the record stood in a change set.
    #[serde(default)]
    page_in_change_sets: bool,
}

impl Procedure {
    fn refuses(&self, asked: &Asked) -> bool {
        let body: Value = serde_json::from_str(asked.body).unwrap_or_default();
        let set = asked.path.trim_start_matches('/').split('(').next();
        matches!(asked.method, "POST" | "PATCH") && set == Some(&self.set) && body[&self.field] == self.is
    }

    fn refusal(&self) -> Refusal {
        Refusal::new(400, -1, format!("({}) {}", self.number, self.words))
    }
}

struct Session {
    until: i64,
    calls: u64,
    busy: bool,
}

/// How a company is made.
pub struct Setup {
    pub company: Company,
    /// `CompanyDB`, `UserName`, `Password`.
    pub users: (String, String, String),
    /// The company's time zone.
    pub zone: Tz,
    /// Sales orders of the past, of which some were delivered and some of those invoiced.
    pub documents: usize,
    /// Decides which of the faults with a rate below 1 strike.
    pub seed: u64,
}

/// One simulated server.
pub struct Simulator {
    db: Mutex<Database>,
    settings: Mutex<Settings>,
    sessions: Mutex<HashMap<String, Session>>,
    log: Log,
    /// Requests on a session that was still working on another.
    overlaps: AtomicU64,
    faults: Switchboard,
    users: (String, String, String),
    zone: Tz,
    clock: Clock,
    webhooks: Webhooks,
    /// `EnableWebhook` of the company.
    webhooks_on: AtomicBool,
}

impl Simulator {
    /// With data; users log in to `company` as `user` with `password`.
    pub fn new(setup: Setup) -> Self {
        let simulator = Self {
            db: Mutex::new(Database::new()),
            settings: Mutex::default(),
            sessions: Mutex::default(),
            log: Log::default(),
            overlaps: AtomicU64::new(0),
            faults: Switchboard::new(setup.seed),
            users: setup.users,
            zone: setup.zone,
            clock: Clock::default(),
            webhooks: Webhooks::default(),
            webhooks_on: AtomicBool::new(false),
        };
        let rules = simulator.rules();
        seed::fill(&mut simulator.db(), &setup.company, setup.documents, &rules);
        simulator
    }

    fn db(&self) -> MutexGuard<'_, Database> {
        let mut db = self.db.lock().unwrap_or_else(PoisonError::into_inner);
        db.tables.values_mut().for_each(|table| table.records.rest());
        db
    }

    fn settings(&self) -> Settings {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Now, on the wall of the company's office.
    fn local_now(&self) -> DateTime<Tz> {
        let now: DateTime<Utc> = self.clock.now();
        now.with_timezone(&self.zone)
    }

    fn rules(&self) -> Rules {
        let settings = self.settings();
        let local = self.local_now();
        Rules {
            approval_over: settings.approval_over.and_then(|over| rust_decimal::Decimal::try_from(over).ok()),
            closed_before: settings.closed_before.clone(),
            block_over_limit: settings.block_over_limit,
            no_negative_stock: settings.no_negative_stock,
            webhooks: self.webhooks_on.load(Ordering::Relaxed),
            branches: settings.branches,
            keeps_drafts: settings.keeps_drafts,
            boms: settings
                .sales_boms
                .into_iter()
                .map(|(item, parts)| (item, parts.into_iter().map(|(code, each)| (code, each.into())).collect()))
                .collect(),
            forced_discount: settings.forced_discount.and_then(|percent| rust_decimal::Decimal::try_from(percent).ok()),
            local: settings.local_currency.unwrap_or_else(|| money::LOCAL.into()),
            rates: settings.rates.map_or_else(money::usual_rates, |rates| {
                let exact = |rate: f64| rust_decimal::Decimal::try_from(rate).ok();
                rates.into_iter().filter_map(|(code, rate)| Some((code, exact(rate)?))).collect()
            }),
            today: local.format("%Y-%m-%d").to_string(),
            now: local.format("%H:%M:%S").to_string(),
        }
    }

    /// Carries requests out as one transaction.
    fn transaction(&self, version: Version, requests: &[HttpText]) -> Result<Vec<Reply>, Refusal> {
        let rules = self.rules();
        let procedure = self.settings().procedure;
        let mut db = self.db();
        db.begin();
        let mut replies: Vec<Reply> = Vec::with_capacity(requests.len());
        // `$1` in a later request is the address of what the request with Content-ID 1 made.
        let mut made: Vec<(String, String)> = Vec::new();
        for request in requests {
            let mut address = request.target.clone();
            for (id, location) in &made {
                let reference = format!("${id}");
                if let Some(rest) = address.trim_start_matches('/').strip_prefix(&reference) {
                    address = format!("{location}{rest}");
                }
            }
            let (path, query) = address.split_once('?').unwrap_or((&address, ""));
            let headers =
                |name: &str| request.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone());
            let below = path.strip_prefix(version.root()).unwrap_or(path);
            let below = if below.starts_with('/') { below.to_owned() } else { format!("/{below}") };
            self.log.count(&format!("{} {}", request.method, shape(&below)));
            let asked =
                Asked { version, method: &request.method, path: &below, query, headers: &headers, body: &request.body };
            let notified = |reply| match &procedure {
                Some(procedure) if procedure.refuses(&asked) => Err(procedure.refusal()),
                _ => Ok(reply),
            };
            match service::answer(&mut db, &rules, &asked).and_then(notified) {
                Ok(reply) => {
                    if let (Some(id), Some(location)) = (&request.content_id, reply.header("Location")) {
                        made.push((id.clone(), location.to_owned()));
                    }
                    replies.push(reply);
                }
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
        if requests.iter().any(|request| request.method != "GET") && self.fails_to_commit() {
            db.roll_back();
            let why = "Could not commit transaction: Error -1 detected during transaction (ODBC -1116)";
            return Err(Refusal::new(400, -1116, why.into()));
        }
        let changes = db.commit();
        self.tell(&mut db, &changes);
        Ok(replies)
    }

    fn fails_to_commit(&self) -> bool {
        let mut settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        let fails = settings.commit_failures > 0;
        settings.commit_failures = settings.commit_failures.saturating_sub(1);
        fails
    }

    /// True for a refusal that kills the worker where it happens in a change set: the balancer answers the whole batch.
    fn breaks_the_batch(&self, refusal: &Refusal) -> bool {
        let procedure = self.settings().procedure.filter(|procedure| procedure.page_in_change_sets);
        procedure.is_some_and(|procedure| procedure.refusal().message == refusal.message)
    }

    /// Something done at a desk in B1 itself.
    fn at_a_desk<T>(&self, act: impl FnOnce(&mut Database, &Rules) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let rules = self.rules();
        let mut db = self.db();
        db.begin();
        match act(&mut db, &rules) {
            Ok(value) => {
                let changes: Vec<Undo> = db.commit();
                self.tell(&mut db, &changes);
                Ok(value)
            }
            Err(refusal) => {
                db.roll_back();
                Err(refusal)
            }
        }
    }

    fn log_in(&self, version: Version, body: &str) -> Reply {
        let parsed: Result<Value, _> = serde_json::from_str(body);
        let Ok(body) = parsed else {
            return Refusal::new(400, -1000, "Invalid JSON format".into()).reply(version);
        };
        let (company, user, password) = &self.users;
        self.log.count("LOGIN");
        let (changed, refused) = {
            let settings = self.settings();
            (settings.password.clone(), settings.sign_in_refused)
        };
        let password = changed.as_ref().unwrap_or(password);
        let known = body["CompanyDB"] == *company && body["UserName"] == *user && body["Password"] == *password;
        if refused || !known {
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
        let until = self.clock.millis() + self.session_ms();
        self.sessions().insert(id.clone(), Session { until, calls: 0, busy: false });
        let context = if version == Version::V2 { "@odata.context" } else { "odata.metadata" };
        Reply::json(200, json!({ context: format!("{}/$metadata#B1Sessions/$entity", version.root()), "SessionId": id, "Version": "1000290", "SessionTimeout": self.session_ms() / 60_000 }))
            .with("Set-Cookie", format!("B1SESSION={id};HttpOnly;"))
            .with("Set-Cookie", "ROUTEID=.node1; path=/b1s".into())
    }

    fn session_ms(&self) -> i64 {
        self.settings().session_minutes.unwrap_or(30) * 60_000
    }

    /// The session of a request, marked busy; an error when there is none.
    fn enter(&self, cookie: &str) -> Result<String, Refusal> {
        let gone = || Refusal::new(401, 301, "Invalid session or session already timeout.".into());
        let id = cookie.split(';').find_map(|pair| pair.trim().strip_prefix("B1SESSION=")).ok_or_else(gone)?.to_owned();
        let limit = self.settings().session_calls;
        let (now, span) = (self.clock.millis(), self.session_ms());
        let mut sessions = self.sessions();
        let session = sessions.get_mut(&id).ok_or_else(gone)?;
        if session.until < now || limit.is_some_and(|limit| session.calls >= limit) {
            sessions.remove(&id);
            return Err(gone());
        }
        session.calls += 1;
        session.until = now + span;
        if session.busy {
            self.overlaps.fetch_add(1, Ordering::Relaxed);
        }
        session.busy = true;
        Ok(id)
    }

    fn leave(&self, id: &str) {
        if let Some(session) = self.sessions().get_mut(id) {
            session.busy = false;
        }
    }

    /// User fields and tables want the company to themselves: another session at work is refused. The code is assumed,
    /// the shared facts say only that the refusal is clear.
    fn check_alone(&self, own: &str) -> Result<(), Refusal> {
        let others = self.sessions().iter().filter(|(id, session)| *id != own && session.busy).count();
        if others == 0 {
            return Ok(());
        }
        Err(Refusal::new(
            400,
            -1120,
            "Other users are connected to the company; disconnect them before changing user-defined fields or tables"
                .into(),
        ))
    }
}

/// `/Orders(12)/Cancel` → `/Orders(*)/Cancel`, for counting.
fn shape(path: &str) -> String {
    match (path.find('('), path.rfind(')')) {
        (Some(open), Some(close)) if open < close => format!("{}(*){}", &path[..open], &path[close + 1..]),
        _ => path.to_owned(),
    }
}

/// All routes.
pub fn router(simulator: Arc<Simulator>) -> Router {
    tokio::spawn(webhooks::deliver(simulator.clone()));
    let date = middleware::map_response_with_state(simulator.clock.clone(), dated);
    let routes = admin::routes().route("/{*path}", any(serve));
    routes.layer(DefaultBodyLimit::max(MOST_BODY)).layer(date).with_state(simulator)
}

async fn serve(State(simulator): State<Arc<Simulator>>, request: Request) -> Response<Body> {
    if simulator.settings().down {
        return dropped();
    }
    logged(&simulator.log, request, async |request| served(&simulator, request).await).await
}

async fn served(simulator: &Arc<Simulator>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let query = head.uri.query().unwrap_or_default().to_owned();
    let method = head.method.as_str().to_owned();
    let in_root = |root: &str| path == root || path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'));
    let version = if in_root("/b1s/v2") {
        Version::V2
    } else if in_root("/b1s/v1") {
        Version::V1
    } else {
        return Response::builder()
            .status(404)
            .header("Content-Type", "text/html")
            .body(Body::from("<html><body><h1>Not Found</h1></body></html>"))
            .unwrap_or_default();
    };
    // What is too large is read to its end and dropped, so that the client hears why.
    let body = match to_bytes(body, 4 * MOST_BODY).await {
        Ok(body) if body.len() <= MOST_BODY => String::from_utf8_lossy(&body).into_owned(),
        _ => return Refusal::new(413, -1000, "Request entity too large".into()).reply(version).response(),
    };
    let below = path[version.root().len()..].to_owned();
    let (delay, fault) = simulator.faults.strike(&head.headers, &[(method.clone(), path.clone())], &body);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let html = |status: u16| Reply::balancer(status).response();
    match &fault {
        Some(Kind::ResetBefore) => return dropped(),
        Some(Kind::HtmlBefore) => return html(502),
        Some(Kind::ServerError) => {
            return Refusal::new(500, -1, "Internal error (-1)".into()).reply(version).response();
        }
        Some(Kind::Throttle) => return html(503),
        Some(Kind::RetryAfter(seconds)) => {
            let mut page = html(503);
            page.headers_mut().insert("Retry-After", (*seconds).into());
            return page;
        }
        Some(Kind::Redirect) => return redirected(),
        Some(Kind::Lock) => {
            return Refusal::new(400, -1, "Transaction rolled back by lock wait timeout (ODBC 131)".into())
                .reply(version)
                .response();
        }
        Some(Kind::Refuse { status, code, message }) => {
            let code = code.parse().unwrap_or(-1);
            return Refusal::new(*status, code, message.clone()).reply(version).response();
        }
        Some(Kind::Expire) => simulator.sessions().clear(),
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
    let headers: Vec<(String, String)> = head
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    let reply = if method == "POST" && below == "/Logout" {
        simulator.sessions().remove(&session);
        Reply::empty(204)
    } else if method == "POST" && below == "/$batch" {
        simulator.log.count("POST /$batch");
        let go_on = header("prefer").is_some_and(|prefer| prefer.contains("continue-on-error"));
        match batch::parse(&header("content-type").unwrap_or_default(), &body) {
            Ok(operations) => batch::run(simulator, version, operations, go_on),
            Err(refusal) => refusal.reply(version),
        }
    } else {
        let target = if query.is_empty() { path.clone() } else { format!("{path}?{query}") };
        let request = HttpText { method: method.clone(), target, headers, body, content_id: None };
        single(simulator, version, &below, &session, request).await
    };
    simulator.log.count("HTTP");
    simulator.leave(&session);
    spoiled(fault, reply.response(), || html(502)).await
}

async fn single(simulator: &Arc<Simulator>, version: Version, below: &str, session: &str, request: HttpText) -> Reply {
    let posts = request.method == "POST";
    if posts
        && matches!(below, "/UserFieldsMD" | "/UserTablesMD")
        && let Err(refusal) = simulator.check_alone(session)
    {
        return refusal.reply(version);
    }
    if posts && below == "/EventSubscriptions" {
        let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
        if body["Handshake"] == "tYES"
            && let Err(why) = webhooks::handshake(&body).await
        {
            return Refusal::new(400, -5002, format!("The handshake with the webhook failed: {why}")).reply(version);
        }
    }
    if let Some(webhook) = below.strip_prefix("/EventSubscriptions('").and_then(|rest| rest.strip_suffix("')/Replay"))
        && posts
    {
        let sent = simulator.replay(&mut simulator.db(), &odata::decode(webhook));
        return Reply::json(200, json!({ "value": sent }));
    }
    if posts && below == "/CompanyService_UpdateAdminInfo" {
        let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
        let wanted = body["AdminInfo"]["EnableWebhook"].as_str().or(body["EnableWebhook"].as_str());
        if let Some(wanted) = wanted {
            simulator.webhooks_on.store(wanted == "tYES", Ordering::Relaxed);
        }
    }
    match simulator.transaction(version, std::slice::from_ref(&request)) {
        Ok(mut replies) => replies.pop().unwrap_or_else(|| Reply::empty(204)),
        Err(refusal) => refusal.reply(version),
    }
}
