//! SAP Business One through its Service Layer, v2.

mod apart;
mod batch;
mod error;
mod provision;
mod session;
mod subscription;

pub use self::provision::{EXCLUSIVE, Provision};
pub use self::subscription::{Signing, Subscribed, Wish};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use reqwest::{Client, Url};

use self::error::Class;
use self::session::{Session, Sessions};
use super::budget::Budget;
use super::pages::{self, Joining};
use super::proxy::Proxies;
use super::sign_in::SignIn;
use super::throttle::{self, Throttle};
use super::transport::{self, Raw, Wire};
use super::{
    Answer, Breaker, BreakerState, Call, CallError, CallResult, Limit, Method, RemoteClock, SetupError, Suspects,
    pause_before_repeat,
};
use crate::config::B1Config;
use crate::store::Seat;

/// Tries of a call that a lock kept back or that only reads.
const TRIES: u32 = 4;
/// How long "too many requests" holds when B1 does not say.
const LIMIT_PAUSE: Duration = Duration::from_secs(5);

/// Bytes of an answer of which only the kind counts.
const SMALL: u64 = 1 << 20;

/// A B1 company.
pub struct B1 {
    wire: Wire,
    /// `https://server:50000`
    origin: String,
    /// `/b1s/v2`
    root: String,
    sessions: Sessions,
    budget: Budget,
    breaker: Breaker,
    suspects: Suspects,
    throttle: Throttle,
    batch: usize,
}

/// The record that a write names in its path, the same text for the same record; none for what makes a new one.
pub(super) fn written(method: Method, path: &str) -> Option<String> {
    let path = path.split('?').next().unwrap_or_default().trim_matches('/');
    let path = percent_decode_str(path).decode_utf8_lossy();
    let Some((set, rest)) = path.split_once('(') else {
        // A singleton; an action without a key says in its body what it acts on.
        return (method != Method::Post).then(|| path.to_ascii_lowercase());
    };
    let key = rest.rfind(')').map_or(rest, |end| &rest[..end]).trim();
    // `CardCode='C1'` is `'C1'`.
    let key = match key.split_once('=') {
        Some((name, value)) if name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !value.contains('=') => {
            value
        }
        _ => key,
    };
    Some(format!("{set}({key})").to_lowercase())
}

impl B1 {
    /// From configuration; nothing is sent.
    pub fn new(name: &str, config: &B1Config, base: &Path) -> Result<Self, SetupError> {
        let unusable = |why: String| SetupError::Unusable(name.to_owned(), why);
        let sign_in = SignIn::new(&config.password, base).map_err(|e| SetupError::Secret(name.to_owned(), e))?;
        let sign_in = Arc::new(sign_in);
        // B1 stands in one's own network: the environment's proxy, there for the internet, is not asked.
        let proxies = Proxies::new(config.proxy.as_ref(), base, Proxies::Direct)
            .map_err(|e| SetupError::Secret(name.to_owned(), e))?;
        let timeout = Duration::from_secs(config.timeout_seconds);
        let wire = Wire::new(transport::client(&config.tls, proxies, base, timeout).map_err(unusable)?);
        let url: Url = config.url.parse().map_err(|e| unusable(format!("url: {e}")))?;
        let origin = url.origin().ascii_serialization();
        let root = url.path().trim_end_matches('/').to_owned();
        let sessions = Sessions::new(
            wire.clone(),
            format!("{origin}{root}"),
            config.company.clone(),
            config.user.clone(),
            sign_in.clone(),
            config.sessions,
        );
        Ok(Self {
            wire,
            origin,
            root,
            sessions,
            budget: Budget::per_second(config.requests_per_second),
            breaker: Breaker::of_connection(name, sign_in),
            suspects: Suspects::default(),
            throttle: Throttle::default(),
            batch: config.batch.max(1) as usize,
        })
    }

    /// See [`super::Connection::held_by`].
    pub fn held_by(&self, seat: &Seat) {
        self.wire.held_by(seat);
    }

    /// B1's clock.
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

    /// Whether B1 asked for a pause that is not over.
    pub(super) fn throttled(&self) -> BreakerState {
        self.throttle.left().map_or(BreakerState::Closed, BreakerState::Open)
    }

    /// Ends the pooled sessions, to free their licences.
    pub async fn log_out(&self) {
        self.sessions.log_out().await;
    }

    /// Sends calls, several in one `$batch`; answers in order. A read is answered whole: next pages are fetched and
    /// joined.
    pub async fn send_all(&self, calls: Vec<Call>, limit: Limit<'_>) -> Vec<CallResult> {
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
    async fn single(&self, call: &Call, limit: Limit<'_>) -> CallResult {
        let mut attempt = 1;
        loop {
            let result = self.single_once(call, limit).await;
            let again = match &result {
                Err(CallError::Ambiguous(_) | CallError::Displaced(_) | CallError::Unreachable(_)) => call.reads(),
                Err(CallError::Remote { code, .. }) => is_lock(code),
                _ => false,
            };
            if !again || attempt >= TRIES {
                return result.map_err(|e| call.settled(e));
            }
            tokio::time::sleep(pause_before_repeat(attempt)).await;
            attempt += 1;
        }
    }

    async fn single_once(&self, call: &Call, limit: Limit<'_>) -> CallResult {
        let url = format!("{}{}{}", self.origin, self.root, call.path);
        let raw = self
            .exchange(call.reads(), limit.of(call.reads()), |client| {
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
        let answer = judge(raw, call)?;
        if call.reads() { self.whole(answer, limit).await } else { Ok(answer) }
    }

    async fn grouped(&self, calls: &[Call], limit: Limit<'_>) -> Vec<CallResult> {
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
                    Some(Err(CallError::Ambiguous(_) | CallError::Displaced(_) | CallError::Unreachable(_))) => {
                        call.reads()
                    }
                    Some(Err(CallError::Remote { code, .. })) => is_lock(code),
                    Some(_) => false,
                };
                if !again || last_try {
                    let unanswered = || Err(CallError::Unreachable("B1 ended the batch before this call".into()));
                    results[index] = Some(answer.unwrap_or_else(unanswered).map_err(|e| call.settled(e)));
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
                // The answers were too large together: each may fit.
                Err(CallError::TooLarge(_)) if call.reads() && calls.len() > 1 => self.single(call, limit).await,
                other => other,
            });
        }
        complete
    }

    /// `None` for calls the server did not get to.
    async fn batch_once(&self, calls: &[Call], limit: Limit<'_>) -> Vec<Option<CallResult>> {
        let boundary = format!("tandem_{:016x}", fastrand::u64(..));
        let body = batch::encode(calls, &boundary, &self.root);
        let content_type = format!("multipart/mixed; boundary={boundary}");
        let url = format!("{}{}/$batch", self.origin, self.root);
        let reads = calls.iter().all(Call::reads);
        let sent = self
            .exchange(reads, limit.of(reads), |client| {
                client
                    .post(&url)
                    .header("Content-Type", &content_type)
                    .header("Prefer", "odata.continue-on-error")
                    .body(body.clone())
            })
            .await;
        let raw = match sent {
            Ok(raw) if raw.done() => raw,
            Ok(raw) => {
                let (_, error) = error::read(&raw);
                return vec![Some(Err(error)); calls.len()];
            }
            Err(error) => return vec![Some(Err(error)); calls.len()],
        };
        match batch::decode(&raw.content_type, &raw.body) {
            Ok(parts) => {
                let judged = parts.into_iter().zip(calls).map(|(part, call)| Some(judge(part, call)));
                let mut answers: Vec<Option<CallResult>> = judged.collect();
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
        limit: Limit<'_>,
        request: impl Fn(&Client) -> reqwest::RequestBuilder,
    ) -> Result<Raw, CallError> {
        self.budget.take(self.wire.hosts()).await;
        if let Some(left) = self.throttle.left() {
            return Err(CallError::Throttled(throttle::millis(left)));
        }
        self.breaker.admit().map_err(|left| self.breaker.held_back(left))?;
        let mut session = self.sessions.acquire().await.inspect_err(|e| self.note_failure(e))?;
        let mut renewed = false;
        loop {
            let request = request(&self.wire.client).header("Cookie", session.cookie());
            let started = std::time::Instant::now();
            let result = self.wire.fetch(request, limit).await;
            metrics::histogram!("tandem_call_seconds", "kind" => "b1").record(started.elapsed().as_secs_f64());
            let raw = result.inspect_err(|e| self.note_failure(e))?;
            if let Some(pause) = throttle::asked_for(&raw).filter(|_| !raw.done()) {
                self.throttle.hold(pause);
            }
            if raw.done() || raw.status == transport::NOT_MODIFIED {
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
                (Class::Limit, error) => {
                    tracing::warn!(%error, "B1 asks for a pause");
                    let pause = throttle::asked_for(&raw).unwrap_or(LIMIT_PAUSE);
                    self.throttle.hold(pause);
                    return Err(CallError::Throttled(throttle::millis(pause)));
                }
                (Class::Balancer, error) if self.throttle.left().is_none() && self.is_there(&session).await => {
                    self.breaker.succeeded();
                    return Err(CallError::Displaced(error.to_string()));
                }
                (Class::Balancer | Class::Astray, error) => {
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

    /// Whether B1 itself answers, were it with a refusal.
    async fn is_there(&self, session: &Session<'_>) -> bool {
        let url = format!("{}{}/BusinessPartners?$select=CardCode&$top=1", self.origin, self.root);
        let request = self.wire.client.get(url).header("Cookie", session.cookie());
        let answer = self.wire.fetch(request, SMALL).await;
        answer.is_ok_and(|raw| raw.status < 500 && raw.content_type.to_ascii_lowercase().contains("json"))
    }

    fn note_failure(&self, error: &CallError) {
        if error.is_passing() {
            self.breaker.failed(&error.to_string());
        }
    }

    /// With all next pages, see [`pages`].
    async fn whole(&self, answer: Answer, limit: Limit<'_>) -> CallResult {
        let mut joining = Joining::begin(pages::Form::OData, answer, limit)?;
        while let Some(link) = joining.next()? {
            let call = Call::get(format!("/{}", link.trim_start_matches(&self.root).trim_start_matches('/')));
            let url = format!("{}{}{}", self.origin, self.root, call.path);
            let raw = self.exchange(true, limit, |client| client.get(&url)).await.map_err(|e| call.settled(e))?;
            if !raw.done() {
                return Err(refused(&raw, &call));
            }
            joining.add(&raw.body)?;
        }
        Ok(joining.end())
    }
}

/// An answer, or what was said in its place; also of a part of a batch.
fn judge(raw: Raw, call: &Call) -> CallResult {
    if raw.answers(call) { Ok(raw.into_answer()) } else { Err(refused(&raw, call)) }
}

fn refused(raw: &Raw, call: &Call) -> CallError {
    match error::read(raw) {
        // The session ended within a batch.
        (Class::Session, error) => CallError::Unreachable(error.to_string()),
        (Class::Limit, _) => CallError::Throttled(throttle::millis(LIMIT_PAUSE)),
        (Class::Astray, error) => call.settled(CallError::Ambiguous(error.to_string())),
        (_, error) => error,
    }
}

fn is_lock(code: &str) -> bool {
    matches!(code.trim_start_matches('-'), "131" | "133" | "1205")
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
