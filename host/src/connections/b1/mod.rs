//! SAP Business One through its Service Layer, v2.

mod batch;
mod error;
mod provision;
mod session;
mod subscription;

pub use self::provision::Provision;
pub use self::subscription::Subscribed;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use reqwest::{Client, Url};
use serde_json::Value;

use self::error::Class;
use self::session::Sessions;
use super::transport::{self, Raw};
use super::{Answer, Breaker, Call, CallError, CallResult, SetupError, pause_before_repeat};
use crate::config::B1Config;

/// Tries of a call that a lock kept back or that only reads.
const TRIES: u32 = 4;
/// Pages followed for one read: a runaway filter ends here, as `too-large`.
const MOST_PAGES: usize = 500;

/// A B1 company.
pub struct B1 {
    client: Client,
    /// `https://server:50000`
    origin: String,
    /// `/b1s/v2`
    root: String,
    sessions: Sessions,
    budget: DefaultDirectRateLimiter,
    breaker: Breaker,
    batch: usize,
}

impl B1 {
    /// From configuration; nothing is sent.
    pub fn new(name: &str, config: &B1Config, base: &Path) -> Result<Self, SetupError> {
        let unusable = |why: String| SetupError::Unusable(name.to_owned(), why);
        let password = config.password.read(base).map_err(|e| SetupError::Secret(name.to_owned(), e))?;
        let client =
            transport::client(&config.tls, base, Duration::from_secs(config.timeout_seconds)).map_err(unusable)?;
        let url: Url = config.url.parse().map_err(|e| unusable(format!("url: {e}")))?;
        let origin = url.origin().ascii_serialization();
        let root = url.path().trim_end_matches('/').to_owned();
        let sessions = Sessions::new(
            client.clone(),
            format!("{origin}{root}"),
            config.company.clone(),
            config.user.clone(),
            password,
            config.sessions,
        );
        let rate = NonZeroU32::new(config.requests_per_second).unwrap_or(NonZeroU32::MIN);
        Ok(Self {
            client,
            origin,
            root,
            sessions,
            budget: RateLimiter::direct(Quota::per_second(rate)),
            breaker: Breaker::new(name),
            batch: config.batch.max(1) as usize,
        })
    }

    /// The breaker that holds this connection back when it is down.
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// Ends the pooled sessions, to free their licences.
    pub async fn log_out(&self) {
        self.sessions.log_out().await;
    }

    /// Sends calls, several in one `$batch`; answers in order. A read is answered whole: next pages are fetched and
    /// joined.
    pub async fn send_all(&self, calls: Vec<Call>, limit: u64) -> Vec<CallResult> {
        if let [call] = calls.as_slice()
            && call.atomic_with.is_empty()
        {
            return vec![self.single(call, limit).await];
        }
        let groups: Vec<&[Call]> = in_groups(&calls, self.batch);
        let answers = futures_util::future::join_all(groups.into_iter().map(|group| self.grouped(group, limit))).await;
        answers.into_iter().flatten().collect()
    }

    /// Repeats what may be repeated: reads after a lost answer, anything that a lock rolled back.
    async fn single(&self, call: &Call, limit: u64) -> CallResult {
        let mut attempt = 1;
        loop {
            let result = self.single_once(call, limit).await;
            let again = match &result {
                Err(CallError::Ambiguous(_) | CallError::Unreachable(_)) => call.reads(),
                Err(CallError::Remote { code, .. }) => is_lock(code),
                _ => false,
            };
            if !again || attempt >= TRIES {
                return result.map_err(|e| settle_read(call, e));
            }
            tokio::time::sleep(pause_before_repeat(attempt)).await;
            attempt += 1;
        }
    }

    async fn single_once(&self, call: &Call, limit: u64) -> CallResult {
        let url = format!("{}{}{}", self.origin, self.root, call.path);
        let raw = self
            .exchange(call.reads(), limit, |client| {
                let mut request = client.request(call.method.into(), &url);
                for (name, value) in &call.headers {
                    request = request.header(name, value);
                }
                match &call.body {
                    Some(body) => request.header("Content-Type", "application/json").body(body.clone()),
                    None => request,
                }
            })
            .await?;
        let answer = judge(raw)?;
        if call.reads() { self.whole(answer, limit).await } else { Ok(answer) }
    }

    async fn grouped(&self, calls: &[Call], limit: u64) -> Vec<CallResult> {
        let mut results: Vec<Option<CallResult>> = vec![None; calls.len()];
        let mut attempt = 1;
        loop {
            let open: Vec<usize> = (0..calls.len()).filter(|i| results[*i].is_none()).collect();
            if open.is_empty() {
                break;
            }
            let wanted: Vec<Call> = open.iter().map(|i| calls[*i].clone()).collect();
            let answers = self.batch_once(&wanted, limit).await;
            let last_try = attempt >= TRIES;
            for (index, answer) in open.into_iter().zip(answers) {
                let call = &calls[index];
                let again = match &answer {
                    // The server stopped before it: it was not carried out.
                    None => true,
                    Some(Err(CallError::Ambiguous(_) | CallError::Unreachable(_))) => call.reads(),
                    Some(Err(CallError::Remote { code, .. })) => is_lock(code),
                    Some(_) => false,
                };
                if !again || last_try {
                    let unanswered = || Err(CallError::Unreachable("B1 ended the batch before this call".into()));
                    results[index] = Some(answer.unwrap_or_else(unanswered).map_err(|e| settle_read(call, e)));
                }
            }
            if results.iter().any(Option::is_none) {
                tokio::time::sleep(pause_before_repeat(attempt)).await;
            }
            attempt += 1;
        }
        let mut complete = Vec::with_capacity(results.len());
        for (call, result) in calls.iter().zip(results.into_iter().flatten()) {
            complete.push(match result {
                Ok(answer) if call.reads() => self.whole(answer, limit).await,
                other => other,
            });
        }
        complete
    }

    /// `None` for calls the server did not get to.
    async fn batch_once(&self, calls: &[Call], limit: u64) -> Vec<Option<CallResult>> {
        let boundary = format!("tandem_{:016x}", fastrand::u64(..));
        let body = batch::encode(calls, &boundary, &self.root);
        let content_type = format!("multipart/mixed; boundary={boundary}");
        let url = format!("{}{}/$batch", self.origin, self.root);
        let sent = self
            .exchange(calls.iter().all(Call::reads), limit, |client| {
                client
                    .post(&url)
                    .header("Content-Type", &content_type)
                    .header("Prefer", "odata.continue-on-error")
                    .body(body.clone())
            })
            .await;
        let raw = match sent {
            Ok(raw) if raw.status < 300 => raw,
            Ok(raw) => {
                let (_, error) = error::read(&raw);
                return vec![Some(Err(error)); calls.len()];
            }
            Err(error) => return vec![Some(Err(error)); calls.len()],
        };
        match batch::decode(&raw.content_type, &raw.body) {
            Ok(parts) => {
                let mut answers: Vec<Option<CallResult>> = parts.into_iter().map(|part| Some(judge(part))).collect();
                answers.resize(calls.len(), None);
                answers
            }
            // B1 did answer, but nobody can tell what: only the probes know.
            Err(why) => vec![Some(Err(CallError::Ambiguous(why))); calls.len()],
        }
    }

    /// One exchange on one session, with a new login when B1 says the session is gone. Whatever says that nothing is
    /// known of the outcome (no answer, the balancer's page) comes back as an outage.
    async fn exchange(
        &self,
        reads: bool,
        limit: u64,
        request: impl Fn(&Client) -> reqwest::RequestBuilder,
    ) -> Result<Raw, CallError> {
        self.budget.until_ready().await;
        self.breaker.admit().map_err(|left| {
            CallError::Unreachable(format!("left alone for another {} ms after failures", left.as_millis()))
        })?;
        let mut session = self.sessions.acquire().await.inspect_err(|e| self.note_failure(e))?;
        let mut renewed = false;
        loop {
            let request = request(&self.client).header("Cookie", session.cookie());
            let started = std::time::Instant::now();
            let result = transport::fetch(request, limit).await;
            metrics::histogram!("tandem_call_seconds", "kind" => "b1").record(started.elapsed().as_secs_f64());
            let raw = result.inspect_err(|e| self.note_failure(e))?;
            if raw.status < 400 {
                self.breaker.succeeded();
                return Ok(raw);
            }
            match error::read(&raw) {
                // Refused before anything was done: safe to repeat, once.
                (Class::Session, _) if !renewed => {
                    renewed = true;
                    session.renew().await.inspect_err(|e| self.note_failure(e))?;
                }
                // A fresh session refused too: whatever it is, the call was not carried out and its record is not to blame.
                (Class::Session, error) => {
                    let error = CallError::Unreachable(error.to_string());
                    self.note_failure(&error);
                    return Err(error);
                }
                (Class::Balancer, error) => {
                    let error = if reads {
                        CallError::Unreachable(error.to_string())
                    } else {
                        CallError::Ambiguous(error.to_string())
                    };
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

    fn note_failure(&self, error: &CallError) {
        if error.is_outage() {
            self.breaker.failed(&error.to_string());
        }
    }

    /// Follows `@odata.nextLink` and joins the pages' `value`.
    async fn whole(&self, mut answer: Answer, limit: u64) -> CallResult {
        const NEXT: &str = "@odata.nextLink";
        if !answer.body.contains(NEXT) {
            return Ok(answer);
        }
        let not_json = |e: serde_json::Error| CallError::Invalid(format!("B1 sent a page that is not JSON: {e}"));
        let mut first: Value = serde_json::from_str(&answer.body).map_err(not_json)?;
        let mut size = answer.body.len() as u64;
        let mut next = take_next(&mut first, NEXT);
        let mut rows = first["value"].as_array().cloned().unwrap_or_default();
        for _ in 0..MOST_PAGES {
            let Some(link) = next else {
                first["value"] = Value::Array(rows);
                answer.body = first.to_string();
                return Ok(answer);
            };
            let path = format!("/{}", link.trim_start_matches(&self.root).trim_start_matches('/'));
            let call = Call::get(path);
            let url = format!("{}{}{}", self.origin, self.root, call.path);
            let page =
                judge(self.exchange(true, limit, |client| client.get(&url)).await.map_err(|e| settle_read(&call, e))?)?;
            size += page.body.len() as u64;
            if size > limit {
                return Err(CallError::TooLarge(limit));
            }
            let mut page: Value = serde_json::from_str(&page.body).map_err(not_json)?;
            next = take_next(&mut page, NEXT);
            if let Some(more) = page["value"].as_array_mut() {
                rows.append(more);
            }
        }
        Err(CallError::TooLarge(limit))
    }
}

fn take_next(page: &mut Value, name: &str) -> Option<String> {
    page.as_object_mut()?.remove(name)?.as_str().map(str::to_owned)
}

fn judge(raw: Raw) -> CallResult {
    if raw.status < 400 {
        return Ok(raw.into_answer());
    }
    match error::read(&raw) {
        // The session ended within a batch.
        (Class::Session, error) => Err(CallError::Unreachable(error.to_string())),
        (_, error) => Err(error),
    }
}

fn is_lock(code: &str) -> bool {
    matches!(code.trim_start_matches('-'), "131" | "133" | "1205")
}

/// A read whose answer was lost changed nothing: it is simply unreachable.
fn settle_read(call: &Call, error: CallError) -> CallError {
    match error {
        CallError::Ambiguous(why) if call.reads() => CallError::Unreachable(why),
        other => other,
    }
}

/// Neighbours together, no group with more operations than `size` unless a single call has.
fn in_groups(calls: &[Call], size: usize) -> Vec<&[Call]> {
    let mut groups = Vec::new();
    let mut start = 0;
    let mut operations = 0;
    for (index, call) in calls.iter().enumerate() {
        let own = 1 + call.atomic_with.len();
        if index > start && operations + own > size {
            groups.push(&calls[start..index]);
            start = index;
            operations = 0;
        }
        operations += own;
    }
    if start < calls.len() {
        groups.push(&calls[start..]);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_count_the_parts_of_a_change_set() {
        let mut call = Call::get("/Orders");
        call.atomic_with =
            vec![super::super::Part { method: super::super::Method::Post, path: "/U_TANDEM".into(), body: None }];
        let calls = vec![call; 5];
        assert_eq!(in_groups(&calls, 4).iter().map(|group| group.len()).collect::<Vec<_>>(), [2, 2, 1]);
    }
}
