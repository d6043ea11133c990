//! Salesforce through its REST API.

mod auth;
mod bulk;
mod collections;
pub(crate) mod error;
mod id;
mod namespace;
pub mod rights;
mod shared;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::Value;
use tokio::sync::Semaphore;

use self::auth::Auth;
pub use self::auth::Token;
use self::error::Class;
pub use self::id::full_id;
pub use self::namespace::Namespace;
use self::shared::Gathering;
use super::budget::Budget;
use super::dial::Dialer;
use super::pages::{self, Joining};
use super::proxy::Proxies;
use super::throttle::{self, Throttle};
use super::transport::{self, Wire};
use super::{
    Answer, Breaker, BreakerState, Call, CallError, CallResult, Limit, Method, Pace, Part, RemoteClock, SetupError,
    Suspects, member, pause_before_repeat,
};
use crate::config::SalesforceConfig;
use crate::store::Seat;

/// Bytes of an answer that is only looked at.
const SMALL: u64 = 1 << 20;
/// Tries of a call that is safe to repeat.
const TRIES: u32 = 4;
/// Calls under way at once for one list.
const PARALLEL: usize = 4;
/// When the org's daily limit is near, or it says that a limit is reached and not for how long, work waits this long.
const LIMIT_PAUSE: Duration = Duration::from_secs(60);
/// Subrequests of one Composite call.
const MOST_SUBREQUESTS: usize = 25;

/// A Salesforce org.
pub struct Salesforce {
    /// As `tandem.toml` has it.
    name: String,
    wire: Wire,
    auth: Auth,
    bus: Dialer,
    namespace: Namespace,
    /// `/services/data/v64.0`
    root: String,
    budget: Budget,
    breaker: Breaker,
    suspects: Suspects,
    throttle: Throttle,
    /// Held while the day's calls are used up but for those left to the org's people.
    day: Throttle,
    daily_percent: u64,
    gathering: Gathering,
    jobs: bulk::Jobs,
    used: AtomicU64,
    allowed: AtomicU64,
}

/// True for writes that leave the same state when sent twice: updates and upserts set values, deletes remove.
pub fn repeatable(call: &Call) -> bool {
    call.reads() || (call.atomic_with.is_empty() && matches!(call.method, Method::Patch | Method::Put | Method::Delete))
}

/// The records that a write names, the same text for the same record; none for what makes a new one.
pub(super) fn written(method: Method, path: &str, body: Option<&str>) -> Vec<String> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let path = percent_decode_str(path.trim_matches('/')).decode_utf8_lossy().into_owned();
    let steps: Vec<&str> = path.splitn(4, '/').collect();
    match steps.as_slice() {
        // `/sobjects/Account/001…`
        ["sobjects", _, id] => vec![short_id(id)],
        // `/sobjects/Account/Tandem_Card_Code__c/C1`
        ["sobjects", ..] if steps.len() == 4 => vec![path.to_lowercase()],
        ["composite", "sobjects", by @ ..] => {
            let listed = query.split('&').find_map(|pair| pair.strip_prefix("ids=")).unwrap_or_default();
            let listed = percent_decode_str(listed).decode_utf8_lossy().into_owned();
            let body: Value = body.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
            let of_row = |row: &Value| match by {
                [object, field] => {
                    row[*field].as_str().map(|v| format!("sobjects/{object}/{field}/{v}").to_lowercase())
                }
                _ => row["id"].as_str().or_else(|| row["Id"].as_str()).map(short_id),
            };
            let rows = body["records"].as_array().into_iter().flatten().filter_map(of_row);
            listed.split(',').filter(|id| !id.is_empty()).map(short_id).chain(rows).collect()
        }
        // What else writes names no record in its address.
        _ if method == Method::Post => Vec::new(),
        _ => vec![path.to_lowercase()],
    }
}

/// Of 18 letters the last three only repeat the case of the others.
fn short_id(id: &str) -> String {
    id.get(..15).filter(|_| id.len() == 18).unwrap_or(id).to_owned()
}

impl Salesforce {
    /// From configuration; nothing is sent.
    pub fn new(name: &str, config: &SalesforceConfig, base: &Path) -> Result<Self, SetupError> {
        let unusable = |why| SetupError::Unusable(name.to_owned(), why);
        let proxies = Proxies::new(config.proxy.as_ref(), base, Proxies::from_environment())
            .map_err(|e| SetupError::Secret(name.to_owned(), e))?;
        let timeout = Duration::from_secs(config.timeout_seconds);
        let bus = Dialer::new(&config.pubsub_url, &config.tls, &proxies, base).map_err(unusable)?;
        let wire = Wire::new(transport::client(&config.tls, proxies, base, timeout).map_err(unusable)?);
        let auth = Auth::new(name, config, base, wire.clone())?;
        Ok(Self {
            name: name.to_owned(),
            breaker: Breaker::of_connection(name, auth.sign_in()),
            suspects: Suspects::default(),
            auth,
            bus,
            wire,
            namespace: Namespace::new(&config.namespace),
            root: format!("/services/data/v{}", config.api_version.trim_start_matches('v')),
            budget: Budget::per_second(config.requests_per_second),
            throttle: Throttle::default(),
            day: Throttle::default(),
            daily_percent: u64::from(config.daily_limit_percent),
            gathering: Gathering::default(),
            jobs: bulk::Jobs::default(),
            used: AtomicU64::new(0),
            allowed: AtomicU64::new(0),
        })
    }

    /// See [`super::Connection::held_by`].
    pub fn held_by(&self, seat: &Seat) {
        self.wire.held_by(seat);
    }

    /// The org's clock.
    pub fn clock(&self) -> &RemoteClock {
        self.wire.clock()
    }

    /// The breaker that holds this connection back when it is down.
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// Over whose calls it breaks, though it answers.
    pub fn suspects(&self) -> &Suspects {
        &self.suspects
    }

    /// Whether the org asked for a pause that is not over, or its day is: then one call in a while looks for a new one.
    pub(super) fn throttled(&self) -> BreakerState {
        match self.throttle.left().max(self.day.left()) {
            Some(left) => BreakerState::Open(left),
            None if self.day_is_over() => BreakerState::HalfOpen,
            None => BreakerState::Closed,
        }
    }

    /// The way to the Pub/Sub API.
    pub fn bus(&self) -> &Dialer {
        &self.bus
    }

    /// What the package's names are called in the org.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The token in use, for the Pub/Sub API.
    pub async fn token(&self) -> Result<Token, CallError> {
        self.auth.token().await
    }

    /// A token other than `stale`.
    pub async fn renew(&self, stale: &Token) -> Result<Token, CallError> {
        self.auth.renew(stale).await
    }

    /// API calls used and allowed today, as the org said last; zeros before the first call.
    pub fn usage(&self) -> (u64, u64) {
        (self.used.load(Ordering::Relaxed), self.allowed.load(Ordering::Relaxed))
    }

    /// All rows of a SOQL query.
    pub async fn query(&self, soql: &str, limit: u64) -> Result<Vec<Value>, CallError> {
        self.rows("/query", soql, limit).await
    }

    /// All rows of a SOQL query, those of deleted records too.
    pub async fn query_with_deleted(&self, soql: &str, limit: u64) -> Result<Vec<Value>, CallError> {
        self.rows("/queryAll", soql, limit).await
    }

    async fn rows(&self, resource: &str, soql: &str, limit: u64) -> Result<Vec<Value>, CallError> {
        let answer = self.single(&Call::get(format!("{resource}?q={}", percent(soql))), limit.into()).await?;
        let body: Value = serde_json::from_str(&answer.body)
            .map_err(|e| CallError::Invalid(format!("Salesforce sent rows that are not JSON: {e}")))?;
        match member(body, "records") {
            Value::Array(rows) => Ok(rows),
            _ => Err(CallError::Invalid("Salesforce answered a query without rows".into())),
        }
    }

    /// Sends calls; single-record writes go out as sObject Collections, and what may wait shares requests with calls of other
    /// runs (see [`shared`]). Answers in order.
    pub async fn send_all(self: &Arc<Self>, calls: Vec<Call>, limit: Limit<'_>, pace: Pace) -> Vec<CallResult> {
        if calls.iter().any(|call| !call.reads())
            && let Err(error) = self.nothing_left(&calls, limit).await
        {
            return vec![Err(error); calls.len()];
        }
        let mut packs = collections::pack(&calls);
        let mut results: Vec<CallResult> = vec![Err(CallError::Unreachable("not sent".into())); calls.len()];
        for members in std::mem::take(&mut packs.jobs) {
            match self.job(&members, limit).await {
                Ok(rows) => {
                    for (place, row) in rows {
                        results[place] = row;
                    }
                }
                // The org takes no jobs: the usual way, then.
                Err(bulk::NoJob::Refused(why)) => {
                    tracing::warn!(why, rows = members.len(), "no Bulk API job: sent as collections");
                    let more = collections::collected(members);
                    packs.packed.extend(more.packed);
                    packs.alone.extend(more.alone);
                }
                Err(bulk::NoJob::Failed(error)) => {
                    members.iter().for_each(|(place, ..)| results[*place] = Err(error.clone()));
                }
            }
        }
        let collections::Packs { packed, alone, .. } = packs;
        let requests: Vec<&Call> =
            packed.iter().map(|pack| &pack.call).chain(alone.iter().map(|place| &calls[*place])).collect();
        let own = Semaphore::new(PARALLEL);
        let sent = requests.into_iter().map(|call| self.paced(call, limit, pace, &own));
        let mut answers: Vec<CallResult> = join_all(sent).await;
        let sent_alone = answers.split_off(packed.len());
        for (pack, answer) in packed.iter().zip(&answers) {
            for (place, row) in pack.places.iter().zip(collections::unpack(pack, answer)) {
                results[*place] = row;
            }
        }
        for (place, answer) in alone.into_iter().zip(sent_alone) {
            results[place] = answer;
        }
        // Rows another transaction held: alone, after a pause.
        for (place, call) in calls.iter().enumerate() {
            for attempt in 1..TRIES {
                match &results[place] {
                    Err(CallError::Remote { code, .. }) if error::is_passing(code) => {
                        tokio::time::sleep(pause_before_repeat(attempt)).await;
                        results[place] = self.single(call, limit).await;
                    }
                    _ => break,
                }
            }
        }
        calls.iter().zip(results).map(|(call, result)| result.map_err(|error| call.settled(error))).collect()
    }

    /// In a request shared with others, or by itself; of these, so many of one list at once as `own` has places.
    async fn paced(self: &Arc<Self>, call: &Call, limit: Limit<'_>, pace: Pace, own: &Semaphore) -> CallResult {
        if let Some(answer) = self.shared(call, limit, pace).await {
            match if call.reads() { self.whole(answer, limit).await } else { Ok(answer) } {
                // The way on was lost: the read begins anew.
                Err(error) if error.is_passing() => {}
                result => return result,
            }
        }
        let _place = own.acquire().await;
        self.single(call, limit).await
    }

    async fn single(&self, call: &Call, limit: Limit<'_>) -> CallResult {
        let mut attempt = 1;
        let mut is_perhaps_there = false;
        loop {
            let result = match call.atomic_with.as_slice() {
                [] => self.once(call, limit).await,
                parts => self.composite(parts, call, limit).await,
            };
            is_perhaps_there |= matches!(result, Err(CallError::Ambiguous(_))) && !call.reads();
            let again = match &result {
                Err(CallError::Ambiguous(_) | CallError::Unreachable(_)) => repeatable(call),
                Err(CallError::Displaced(_)) => call.reads(),
                _ => false,
            };
            if !again || attempt >= TRIES {
                return match result {
                    // Whether it arrived makes no difference to a call that may be repeated for ever.
                    Err(CallError::Ambiguous(why)) if repeatable(call) && call.reads() => {
                        Err(CallError::Unreachable(why))
                    }
                    Err(CallError::Ambiguous(why) | CallError::Unreachable(why))
                        if repeatable(call) && is_perhaps_there =>
                    {
                        Err(CallError::Unsettled(why))
                    }
                    Err(error) if error.is_outage() && is_perhaps_there => Err(CallError::Unsettled(error.to_string())),
                    other => other,
                };
            }
            tokio::time::sleep(pause_before_repeat(attempt)).await;
            attempt += 1;
        }
    }

    async fn once(&self, call: &Call, limit: Limit<'_>) -> CallResult {
        let raw = self.exchange(call, limit.of(call.reads())).await?;
        if !raw.answers(call) {
            return Err(match error::read(&raw) {
                // Unchanged, where nobody asked for changes only.
                (Class::Unavailable | Class::Broken, error) => call.settled(CallError::Ambiguous(error.to_string())),
                (_, error) => error,
            });
        }
        if !call.reads() {
            return Ok(raw.into_answer());
        }
        // No rows at all is not the same as no answer: the one means that there are none.
        if raw.done()
            && ["/query?", "/queryAll?"].iter().any(|q| call.path.starts_with(q))
            && !raw.body.contains("\"records\"")
        {
            return Err(CallError::Unreachable("the answer to a query holds no rows and does not say so".into()));
        }
        self.whole(raw.into_answer(), limit).await
    }

    /// One exchange, with a new token when Salesforce says the old one is gone.
    async fn exchange(&self, call: &Call, limit: Limit<'_>) -> Result<transport::Raw, CallError> {
        let token = self.admitted().await?;
        self.exchange_as(token, call, limit).await
    }

    /// The token of a call that may be sent now.
    async fn admitted(&self) -> Result<Token, CallError> {
        self.budget.take(self.wire.hosts()).await;
        let throttled = |left| CallError::Throttled(throttle::millis(left));
        self.throttle.left().map_or(Ok(()), |left| Err(throttled(left)))?;
        self.check_daily_limit().map_err(throttled)?;
        self.breaker.admit().map_err(|left| self.breaker.held_back(left))?;
        self.auth.token().await.inspect_err(|e| self.note_failure(e))
    }

    async fn exchange_as(&self, mut token: Token, call: &Call, limit: Limit<'_>) -> Result<transport::Raw, CallError> {
        let mut renewed = false;
        loop {
            let own = self.namespace.outward(&call.path);
            let path = if own.starts_with("/services/") { own } else { format!("{}{own}", self.root).into() };
            let mut request = self
                .wire
                .client
                .request(call.method.into(), format!("{}{path}", token.instance_url))
                .bearer_auth(token.access_token.reveal());
            for (name, value) in &call.headers {
                request = request.header(name, value);
            }
            if let Some(body) = &call.body {
                let typed = call.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
                request = if typed { request } else { request.header("Content-Type", "application/json") };
                request = request.body(self.namespace.outward_body(body).into_owned());
            }
            let started = std::time::Instant::now();
            let result = self.wire.fetch(request, limit).await;
            metrics::histogram!("tandem_call_seconds", "kind" => "salesforce").record(started.elapsed().as_secs_f64());
            let mut raw = result.inspect_err(|e| self.note_failure(e))?;
            if let std::borrow::Cow::Owned(body) = self.namespace.inward(&raw.body) {
                raw.body = body;
            }
            self.note_usage(raw.header("sforce-limit-info"));
            let asked_for = throttle::asked_for(&raw).filter(|_| !raw.done());
            asked_for.inspect(|pause| self.throttle.hold(*pause));
            if raw.done() || raw.status == transport::NOT_MODIFIED {
                self.breaker.succeeded();
                return Ok(raw);
            }
            match error::read(&raw) {
                (Class::Session, _) if !renewed => {
                    renewed = true;
                    token = self.auth.renew(&token).await.inspect_err(|e| self.note_failure(e))?;
                }
                // A fresh token refused too: whatever it is, the call was not carried out and its record is not to blame.
                (Class::Session, error) => {
                    let error = CallError::Unreachable(error.to_string());
                    self.note_failure(&error);
                    return Err(error);
                }
                (Class::Limit, error) => {
                    tracing::warn!(%error, "the org's request limit is reached");
                    let pause = asked_for.unwrap_or(LIMIT_PAUSE);
                    self.throttle.hold(pause);
                    return Err(CallError::Throttled(throttle::millis(pause)));
                }
                // It answers others: what the call is about may be the cause.
                (Class::Broken, error) if self.is_there(&token).await => {
                    self.breaker.succeeded();
                    return Err(CallError::Displaced(error.to_string()));
                }
                (Class::Unavailable | Class::Broken, error) => {
                    let error = CallError::Ambiguous(error.to_string());
                    self.note_failure(&error);
                    return Err(error);
                }
                _ => {
                    self.breaker.succeeded();
                    return Ok(raw);
                }
            }
        }
    }

    /// Whether the org answers anything else.
    async fn is_there(&self, token: &Token) -> bool {
        // What its database answers: an org whose records cannot be read or written is down, whatever else it serves.
        let soql = percent("SELECT Id FROM Organization LIMIT 1");
        let url = format!("{}{}/query?q={soql}", token.instance_url, self.root);
        let request = self.wire.client.get(url).bearer_auth(token.access_token.reveal());
        self.wire.fetch(request, SMALL).await.is_ok_and(|raw| raw.done())
    }

    /// All or nothing: Composite with `allOrNone`. The answer is the last subrequest's.
    async fn composite(&self, parts: &[Part], call: &Call, limit: Limit<'_>) -> CallResult {
        if parts.len() + 1 > MOST_SUBREQUESTS {
            return Err(CallError::Invalid(format!("{MOST_SUBREQUESTS} writes at most fit in one transaction")));
        }
        let last = Part { method: call.method, path: call.path.clone(), body: call.body.clone() };
        let mut subrequests = Vec::new();
        for (index, part) in parts.iter().chain([&last]).enumerate() {
            let mut subrequest = serde_json::json!({
                "method": part.method.word(), "url": format!("{}{}", self.root, part.path), "referenceId": format!("part{index}"),
            });
            if let Some(body) = &part.body {
                subrequest["body"] =
                    serde_json::from_str(body).map_err(|e| CallError::Invalid(format!("body: {e}")))?;
            }
            subrequests.push(subrequest);
        }
        let body = serde_json::json!({ "allOrNone": true, "compositeRequest": subrequests });
        let answer = self.once(&Call::write(Method::Post, "/composite", &body), limit).await?;
        let answers: Value = serde_json::from_str(&answer.body)
            .map_err(|_| CallError::Ambiguous("Salesforce's answer to a composite call is not JSON".into()))?;
        let rows = answers["compositeResponse"].as_array().cloned().unwrap_or_default();
        let status = |row: &Value| row["httpStatusCode"].as_u64().unwrap_or(500) as u16;
        let refused = |row: &&Value| !(200..300).contains(&status(row));
        // Of a failed transaction one row carries the cause, the others say PROCESSING_HALTED.
        let failed = rows
            .iter()
            .filter(refused)
            .find(|row| row["body"][0]["errorCode"] != "PROCESSING_HALTED")
            .or_else(|| rows.iter().find(refused));
        if let Some(row) = failed {
            let (code, message) = error::told(row["body"].as_array().map(Vec::as_slice).unwrap_or_default());
            return Err(CallError::Remote { status: status(row), code, message });
        }
        let Some(row) = rows.last().filter(|_| rows.len() == parts.len() + 1) else {
            return Err(CallError::Ambiguous(
                "Salesforce's answer to a composite call does not fit what was sent".into(),
            ));
        };
        let body = if row["body"].is_null() { String::new() } else { row["body"].to_string() };
        self.whole(Answer { status: status(row), headers: Vec::new(), body }, limit).await
    }

    /// With all next pages of it and of its child rows, see [`pages`].
    async fn whole(&self, answer: Answer, limit: Limit<'_>) -> CallResult {
        let mut joining = Joining::begin(pages::Form::Salesforce, answer, limit)?;
        while let Some(path) = joining.next()? {
            let call = Call::get(path);
            let raw = self.exchange(&call, limit).await.map_err(|e| call.settled(e))?;
            if !raw.done() {
                return Err(match error::read(&raw).1 {
                    // The cursor is gone: the read begins anew.
                    CallError::Remote { code, message, .. } if code == "INVALID_QUERY_LOCATOR" => {
                        CallError::Unreachable(format!("the rest of a read is no longer there: {message}"))
                    }
                    error => error,
                });
            }
            joining.add(&raw.body)?;
        }
        Ok(joining.end())
    }

    fn note_failure(&self, error: &CallError) {
        if error.is_passing() {
            self.breaker.failed(&error.to_string());
        }
    }

    /// `api-usage=18/15000`
    fn note_usage(&self, header: Option<&str>) {
        let usage = header.and_then(|text| text.split_once("api-usage=")).and_then(|(_, rest)| {
            let (used, allowed) = rest.split([';', ',']).next()?.split_once('/')?;
            Some((used.trim().parse().ok()?, allowed.trim().parse().ok()?))
        });
        if let Some((used, allowed)) = usage {
            self.used.store(used, Ordering::Relaxed);
            self.allowed.store(allowed, Ordering::Relaxed);
            metrics::gauge!("tandem_salesforce_api_used", "connection" => self.name.clone()).set(used as f64);
            metrics::gauge!("tandem_salesforce_api_allowed", "connection" => self.name.clone()).set(allowed as f64);
            if !self.day_is_over() {
                self.day.release();
                return;
            }
            if self.day.left().is_none_or(|left| left.as_secs() + 1 >= LIMIT_PAUSE.as_secs()) {
                tracing::warn!(used, allowed, "the rest of the day's API calls is left to the org's people");
            }
            self.day.hold(LIMIT_PAUSE);
        }
    }

    /// True when what is left of the day's calls belongs to the org's people.
    pub fn day_is_over(&self) -> bool {
        let (used, allowed) = self.usage();
        allowed > 0 && used.saturating_mul(100) >= allowed.saturating_mul(self.daily_percent)
    }

    /// Once the day is over, one call in a while is let through to see a new one.
    fn check_daily_limit(&self) -> Result<(), Duration> {
        if self.day_is_over() { self.day.let_one_through(LIMIT_PAUSE) } else { Ok(()) }
    }
}

/// Percent-encodes all but unreserved characters.
pub fn percent(text: &str) -> String {
    const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, &RESERVED).to_string()
}
