//! Salesforce through its REST API.

mod auth;
mod bulk;
mod collections;
mod error;

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Client;
use serde_json::Value;

use self::auth::Auth;
pub use self::auth::Token;
use self::error::Class;
use super::{Breaker, Call, CallError, CallResult, Method, Part, SetupError, pause_before_repeat, transport};
use crate::config::SalesforceConfig;

/// Tries of a call that is safe to repeat.
const TRIES: u32 = 4;
/// Calls under way at once for one list.
const PARALLEL: usize = 4;
/// When the org's daily limit is near, work waits this long.
const LIMIT_PAUSE_MS: u64 = 60_000;
/// Subrequests of one Composite call.
const MOST_SUBREQUESTS: usize = 25;

/// A Salesforce org.
pub struct Salesforce {
    client: Client,
    auth: Auth,
    /// `/services/data/v64.0`
    root: String,
    budget: DefaultDirectRateLimiter,
    breaker: Breaker,
    daily_percent: u64,
    used: AtomicU64,
    allowed: AtomicU64,
}

/// True for writes that leave the same state when sent twice: updates and upserts set values, deletes remove.
pub fn repeatable(call: &Call) -> bool {
    call.reads() || (call.atomic_with.is_empty() && matches!(call.method, Method::Patch | Method::Put | Method::Delete))
}

impl Salesforce {
    /// From configuration; nothing is sent.
    pub fn new(name: &str, config: &SalesforceConfig, base: &Path) -> Result<Self, SetupError> {
        let client = transport::client(&config.tls, base, Duration::from_secs(config.timeout_seconds))
            .map_err(|why| SetupError::Unusable(name.to_owned(), why))?;
        let rate = NonZeroU32::new(config.requests_per_second).unwrap_or(NonZeroU32::MIN);
        Ok(Self {
            auth: Auth::new(name, config, base, client.clone())?,
            client,
            root: format!("/services/data/v{}", config.api_version.trim_start_matches('v')),
            budget: RateLimiter::direct(Quota::per_second(rate)),
            breaker: Breaker::new(name),
            daily_percent: u64::from(config.daily_limit_percent),
            used: AtomicU64::new(0),
            allowed: AtomicU64::new(0),
        })
    }

    /// The breaker that holds this connection back when it is down.
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
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
        let answer = self.single(&Call::get(format!("/query?q={}", percent(soql))), limit).await?;
        let body: Value = serde_json::from_str(&answer.body)
            .map_err(|e| CallError::Invalid(format!("Salesforce sent rows that are not JSON: {e}")))?;
        Ok(body["records"].as_array().cloned().unwrap_or_default())
    }

    /// Sends calls; single-record writes go out as sObject Collections. Answers in order.
    pub async fn send_all(&self, calls: Vec<Call>, limit: u64) -> Vec<CallResult> {
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
        let mut answers: Vec<CallResult> = stream::iter(0..requests.len())
            .map(|index| self.single(requests[index], limit))
            .buffered(PARALLEL)
            .collect()
            .await;
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
        results
    }

    async fn single(&self, call: &Call, limit: u64) -> CallResult {
        let mut attempt = 1;
        loop {
            let result = match call.atomic_with.as_slice() {
                [] => self.once(call, limit).await,
                parts => self.composite(parts, call, limit).await,
            };
            let again = matches!(result, Err(CallError::Ambiguous(_) | CallError::Unreachable(_))) && repeatable(call);
            if !again || attempt >= TRIES {
                return match result {
                    // Whether it arrived makes no difference to a call that may be repeated for ever.
                    Err(CallError::Ambiguous(why)) if repeatable(call) => Err(CallError::Unreachable(why)),
                    other => other,
                };
            }
            tokio::time::sleep(pause_before_repeat(attempt)).await;
            attempt += 1;
        }
    }

    async fn once(&self, call: &Call, limit: u64) -> CallResult {
        let raw = self.exchange(call, limit).await?;
        if raw.status == 300 || raw.status >= 400 {
            return Err(error::read(&raw).1);
        }
        if call.reads() && raw.body.contains("\"nextRecordsUrl\"") {
            return self.whole(raw, limit).await;
        }
        Ok(raw.into_answer())
    }

    /// One exchange, with a new token when Salesforce says the old one is gone.
    async fn exchange(&self, call: &Call, limit: u64) -> Result<transport::Raw, CallError> {
        self.check_daily_limit()?;
        self.budget.until_ready().await;
        self.breaker.admit().map_err(|left| {
            CallError::Unreachable(format!("left alone for another {} ms after failures", left.as_millis()))
        })?;
        let mut token = self.auth.token().await.inspect_err(|e| self.note_failure(e))?;
        let mut renewed = false;
        loop {
            let path = if call.path.starts_with("/services/") {
                call.path.clone()
            } else {
                format!("{}{}", self.root, call.path)
            };
            let mut request = self
                .client
                .request(call.method.into(), format!("{}{path}", token.instance_url))
                .bearer_auth(token.access_token.reveal());
            for (name, value) in &call.headers {
                request = request.header(name, value);
            }
            if let Some(body) = &call.body {
                let typed = call.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
                request = if typed { request } else { request.header("Content-Type", "application/json") };
                request = request.body(body.clone());
            }
            let started = std::time::Instant::now();
            let result = transport::fetch(request, limit).await;
            metrics::histogram!("tandem_call_seconds", "kind" => "salesforce").record(started.elapsed().as_secs_f64());
            let raw = result.inspect_err(|e| self.note_failure(e))?;
            self.note_usage(raw.header("sforce-limit-info"));
            if raw.status < 400 {
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
                    return Err(CallError::Throttled(LIMIT_PAUSE_MS));
                }
                (Class::Unavailable, error) => {
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

    /// All or nothing: Composite with `allOrNone`. The answer is the last subrequest's.
    async fn composite(&self, parts: &[Part], call: &Call, limit: u64) -> CallResult {
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
        // Of a failed transaction one row carries the cause, the others say PROCESSING_HALTED.
        let failed = rows
            .iter()
            .filter(|row| status(row) >= 400)
            .find(|row| row["body"][0]["errorCode"] != "PROCESSING_HALTED")
            .or_else(|| rows.iter().find(|row| status(row) >= 400));
        if let Some(row) = failed {
            return Err(CallError::Remote {
                status: status(row),
                code: row["body"][0]["errorCode"].as_str().unwrap_or_default().to_owned(),
                message: row["body"][0]["message"].as_str().unwrap_or_default().to_owned(),
            });
        }
        let Some(row) = rows.last() else {
            return Err(CallError::Ambiguous("Salesforce's answer to a composite call is empty".into()));
        };
        let body = if row["body"].is_null() { String::new() } else { row["body"].to_string() };
        Ok(super::Answer { status: status(row), headers: Vec::new(), body })
    }

    /// Follows `nextRecordsUrl` and joins the pages' `records`.
    async fn whole(&self, first: transport::Raw, limit: u64) -> CallResult {
        let not_json =
            |e: serde_json::Error| CallError::Invalid(format!("Salesforce sent a page that is not JSON: {e}"));
        let mut answer = first.into_answer();
        let mut joined: Value = serde_json::from_str(&answer.body).map_err(not_json)?;
        let mut rows = joined["records"].as_array().cloned().unwrap_or_default();
        let mut size = answer.body.len() as u64;
        let mut next = joined["nextRecordsUrl"].as_str().map(str::to_owned);
        while let Some(path) = next {
            let raw = self.exchange(&Call::get(path), limit).await.map_err(|e| match e {
                CallError::Ambiguous(why) => CallError::Unreachable(why),
                other => other,
            })?;
            if raw.status >= 400 {
                return Err(error::read(&raw).1);
            }
            size += raw.body.len() as u64;
            if size > limit {
                return Err(CallError::TooLarge(limit));
            }
            let mut page: Value = serde_json::from_str(&raw.body).map_err(not_json)?;
            next = page["nextRecordsUrl"].as_str().map(str::to_owned);
            if let Some(more) = page["records"].as_array_mut() {
                rows.append(more);
            }
        }
        joined["records"] = Value::Array(rows);
        joined["done"] = Value::Bool(true);
        if let Some(object) = joined.as_object_mut() {
            object.remove("nextRecordsUrl");
        }
        answer.body = joined.to_string();
        Ok(answer)
    }

    fn note_failure(&self, error: &CallError) {
        if error.is_outage() {
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
            metrics::gauge!("tandem_salesforce_api_used").set(used as f64);
            metrics::gauge!("tandem_salesforce_api_allowed").set(allowed as f64);
        }
    }

    /// The last calls of the day belong to the org's people. One call in a while is let through to see a new day.
    fn check_daily_limit(&self) -> Result<(), CallError> {
        let (used, allowed) = self.usage();
        if allowed == 0 || used * 100 < allowed * self.daily_percent {
            return Ok(());
        }
        self.allowed.store(0, Ordering::Relaxed);
        Err(CallError::Throttled(LIMIT_PAUSE_MS))
    }
}

/// Percent-encodes all but unreserved characters.
pub fn percent(text: &str) -> String {
    const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, &RESERVED).to_string()
}
