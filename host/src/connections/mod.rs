//! The two kinds of remote system: sign-in, sessions, rate budget, circuit breaker, packing many calls into few, and
//! what their errors mean. Protocol knowledge stands here and nowhere else.

pub mod b1;
mod breaker;
mod budget;
pub mod certificate;
mod clock;
pub(crate) mod dial;
mod limit;
pub mod oidc;
mod order;
mod pages;
mod place;
pub(crate) mod proxy;
pub mod salesforce;
pub mod sign_in;
mod standing;
mod suspects;
#[cfg(test)]
mod tests;
mod throttle;
pub(crate) mod transport;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

pub use self::breaker::{Breaker, BreakerState, Outage};
pub use self::clock::RemoteClock;
pub use self::limit::Limit;
pub use self::place::{Place, key_of};
pub use self::salesforce::percent;
pub use self::standing::Standing;
pub use self::suspects::{Blame, Suspects};
use crate::config::{Config, SecretError};
use crate::store::Seat;

/// The verbs a plugin may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Reads.
    Get,
    /// Creates, or runs an action.
    Post,
    /// Replaces.
    Put,
    /// Merges.
    Patch,
    /// Removes.
    Delete,
}

impl Method {
    /// As it stands on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// True for a call that changes nothing.
    pub fn reads(self) -> bool {
        self == Self::Get
    }
}

/// True for a request that changes nothing, by its method's word and its path.
pub fn reads(method: &str, path: &str) -> bool {
    method == Method::Get.word() || asks(method, path)
}

/// True for a function of B1 that only answers, though it is a POST with its parameters in the body, such as
/// `SBOBobService_GetCurrencyRate` and `CompanyService_GetAdminInfo`.
fn asks(method: &str, path: &str) -> bool {
    let plain = |service: &str| !service.is_empty() && service.bytes().all(|b| b.is_ascii_alphanumeric());
    let service = path.strip_prefix('/').and_then(|path| path.split_once("Service_Get"));
    method == "POST" && service.is_some_and(|(service, function)| plain(service) && plain(function))
}

impl From<Method> for reqwest::Method {
    fn from(method: Method) -> Self {
        match method {
            Method::Get => Self::GET,
            Method::Post => Self::POST,
            Method::Put => Self::PUT,
            Method::Patch => Self::PATCH,
            Method::Delete => Self::DELETE,
        }
    }
}

/// A write committed together with the call it belongs to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// The verb.
    pub method: Method,
    /// Path and query below the connection's base.
    pub path: String,
    /// JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// One call to a connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The verb.
    pub method: Method,
    /// Path and query below the connection's base, such as `/Orders(12)`.
    pub path: String,
    /// `Prefer`, `If-Match` and the like; never credentials.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Committed in the same transaction, before this call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub atomic_with: Vec<Part>,
}

impl Call {
    /// A plain read.
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: Method::Get, path: path.into(), headers: Vec::new(), body: None, atomic_with: Vec::new() }
    }

    /// A write with a JSON body.
    pub fn write(method: Method, path: impl Into<String>, body: &serde_json::Value) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), body: Some(body.to_string()), atomic_with: Vec::new() }
    }

    /// True when the call, parts included, changes nothing.
    pub fn reads(&self) -> bool {
        reads(self.method.word(), &self.path) && self.atomic_with.is_empty()
    }

    /// True for a call that asks only for what changed: nothing new is an answer to it.
    pub fn is_conditional(&self) -> bool {
        let conditions = ["if-none-match", "if-modified-since"];
        self.headers.iter().any(|(name, _)| conditions.iter().any(|own| name.eq_ignore_ascii_case(own)))
    }

    /// Paths and headers that no request can carry, or that would say more than one thing in the text of a batch: the
    /// caller's fault, found before anything is sent.
    fn check(&self) -> Result<(), CallError> {
        if [&self.path]
            .into_iter()
            .chain(self.atomic_with.iter().map(|part| &part.path))
            .any(|p| p.contains(char::is_control))
        {
            return Err(CallError::Invalid("a path holds no line breaks or other control characters".into()));
        }
        for (name, value) in &self.headers {
            HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| CallError::Invalid(format!("{name:?} is no name of a header")))?;
            HeaderValue::from_str(value)
                .map_err(|_| CallError::Invalid(format!("the value of the header {name} holds what no header may")))?;
        }
        Ok(())
    }

    /// An error as it bears on this call. What reads has changed nothing, whatever was lost; a write whose answer is too
    /// large to be read was sent all the same.
    fn settled(&self, error: CallError) -> CallError {
        match error {
            CallError::Ambiguous(why) if self.reads() => CallError::Unreachable(why),
            CallError::TooLarge(limit) if !self.reads() => {
                CallError::Ambiguous(format!("the answer is larger than the limit of {limit} bytes"))
            }
            other => other,
        }
    }
}

/// What a remote system answered: done (2xx), or unchanged (304) to a read that asked only for what changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The headers that mean something to a caller: `Location`, `ETag`, `Preference-Applied`, `Retry-After`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// JSON text; empty for 204.
    pub body: String,
}

/// Why a call has no answer to use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum CallError {
    /// The rate budget, the daily limit, or the remote system itself says: later.
    #[error("held back by the rate limit for {0} ms")]
    Throttled(u64),
    /// Not reached; nothing was changed there.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// Sent, or perhaps so, and the answer is lost; sent again it changes nothing that it has not changed already, so that to who sends it this is
    /// an outage like any.
    #[error("not answered: {0}")]
    Unsettled(String),
    /// It refused who we are, whatever was to be sent: a person must mend it. Nothing was changed there.
    #[error("the sign-in was refused: {0}")]
    SignIn(String),
    /// It answered and refused.
    #[error("{status} {code}: {message}")]
    Remote {
        /// HTTP status.
        status: u16,
        /// The system's own code; empty when it gave none.
        code: String,
        /// Its words.
        message: String,
    },
    /// Sent, but whether it was carried out is not known.
    #[error("sent, but the answer was lost: {0}")]
    Ambiguous(String),
    /// Sent, and the system broke over it, or something answered in its place, while it is there for others: whether a write was carried out is
    /// not known, and it may be the call that brought this about. See [`suspects`].
    #[error("sent, but not answered by the system itself: {0}")]
    Displaced(String),
    /// More bytes than allowed.
    #[error("larger than the limit of {0} bytes")]
    TooLarge(u64),
    /// Cannot be sent as written.
    #[error("not a valid call: {0}")]
    Invalid(String),
}

impl CallError {
    /// True when the connection rather than the call is at fault, and it may go out again as it is: an outage, a limit.
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Throttled(_) | Self::Unreachable(_) | Self::Unsettled(_) | Self::SignIn(_))
    }

    /// True when nothing was changed there for certain.
    pub fn is_for_nothing(&self) -> bool {
        !self.is_lost() && !matches!(self, Self::Unsettled(_))
    }

    /// True when it is not known whether the call was carried out.
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Ambiguous(_) | Self::Displaced(_))
    }

    /// True where B1 refuses since a record with that key is there (-2035).
    pub fn is_there_already(&self) -> bool {
        matches!(self, Self::Remote { code, .. } if code == "-2035")
    }

    /// True for what may go away by itself.
    pub fn is_passing(&self) -> bool {
        self.is_outage() || self.is_lost()
    }
}

/// How soon a call is to go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Somebody waits for what it does.
    AtOnce,
    /// It may stay a moment, under half a second, to share a request with calls of other runs.
    WithOthers,
}

/// Result of one call.
pub type CallResult = Result<Answer, CallError>;

/// Why a write was not sent.
const WAITS: &str = "not sent: it is not known yet what became of an earlier write of the same record";

/// A named remote system.
pub enum Connection {
    /// SAP Business One.
    B1(Box<b1::B1>),
    /// Salesforce.
    Salesforce(Arc<salesforce::Salesforce>),
}

/// Why a connection could not be made from its configuration.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A secret is missing.
    #[error("connection {0}: {1}")]
    Secret(String, SecretError),
    /// Certificates, keys or addresses are unusable.
    #[error("connection {0}: {1}")]
    Unusable(String, String),
}

impl SetupError {
    /// With the place of the connection's section.
    fn at(self, place: &str) -> Self {
        let placed = |name: String| format!("{name} ({})", place.trim_end_matches([':', ' ']));
        match self {
            Self::Secret(name, error) => Self::Secret(placed(name), error),
            Self::Unusable(name, why) => Self::Unusable(placed(name), why),
        }
    }
}

impl Connection {
    /// `b1` or `salesforce`, as `describe` names kinds.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::B1(_) => "b1",
            Self::Salesforce(_) => "salesforce",
        }
    }

    /// The org, for what only an org is asked.
    pub fn org(&self) -> Result<&salesforce::Salesforce, CallError> {
        match self {
            Self::Salesforce(org) => Ok(org),
            Self::B1(_) => {
                Err(CallError::Invalid("SAP Business One is asked what only a Salesforce org can be".into()))
            }
        }
    }

    /// The breaker that holds this connection back when it is down.
    pub fn breaker(&self) -> &Breaker {
        match self {
            Self::B1(b1) => b1.breaker(),
            Self::Salesforce(org) => org.breaker(),
        }
    }

    /// A host writes by it from now on: what another one, killed before, may have left under way is taken back before anything is written.
    pub fn take_over(&self) {
        if let Self::Salesforce(org) = self {
            org.take_over();
        }
    }

    /// It sends only while this host may, which others may take for dead, and no more than its share.
    pub fn held_by(&self, seat: &Seat) {
        match self {
            Self::B1(b1) => b1.held_by(seat),
            Self::Salesforce(org) => org.held_by(seat),
        }
    }

    /// Over whose calls it breaks, though it answers.
    pub fn suspects(&self) -> &Suspects {
        match self {
            Self::B1(b1) => b1.suspects(),
            Self::Salesforce(org) => org.suspects(),
        }
    }

    /// What time it is over there.
    pub fn clock(&self) -> &RemoteClock {
        match self {
            Self::B1(b1) => b1.clock(),
            Self::Salesforce(org) => org.clock(),
        }
    }

    /// True while calls may be made, and if not, for how long: what is down or asks for a pause is left alone.
    pub fn state(&self) -> BreakerState {
        let (breaker, throttle) = match self {
            Self::B1(b1) => (b1.breaker(), b1.throttled()),
            Self::Salesforce(org) => (org.breaker(), org.throttled()),
        };
        match (breaker.state(), throttle) {
            (BreakerState::Open(one), BreakerState::Open(other)) => BreakerState::Open(one.max(other)),
            (open @ BreakerState::Open(_), _) | (_, open @ BreakerState::Open(_)) => open,
            (BreakerState::HalfOpen, _) | (_, BreakerState::HalfOpen) => BreakerState::HalfOpen,
            (BreakerState::Closed, BreakerState::Closed) => BreakerState::Closed,
        }
    }

    /// Sends calls in the fewest requests; answers in order, each for itself. Two that write one record go out one after
    /// the other, and the later one not at all while it is not known what became of the earlier.
    pub async fn send_all(&self, calls: Vec<Call>, limit: impl Into<Limit<'_>>, pace: Pace) -> Vec<CallResult> {
        let limit = limit.into();
        let turns = order::turns(&calls, |call| self.records(call));
        let mut results: Vec<Option<CallResult>> = calls.iter().map(|call| call.check().err().map(Err)).collect();
        let rounds = turns.iter().map(|turn| turn.round + 1).max().unwrap_or(0);
        let mut calls: Vec<Option<Call>> = calls.into_iter().map(Some).collect();
        for round in 0..rounds {
            let mut places = Vec::new();
            for (place, turn) in turns.iter().enumerate().filter(|(_, turn)| turn.round == round) {
                let open = |before: &usize| matches!(&results[*before], Some(Err(error)) if error.is_passing());
                match &results[place] {
                    Some(_) => {}
                    None if turn.after.iter().any(open) => {
                        results[place] = Some(Err(CallError::Unreachable(WAITS.into())))
                    }
                    None => places.push(place),
                }
            }
            if places.is_empty() {
                continue;
            }
            let sent = places.iter().filter_map(|place| calls[*place].take()).collect();
            let answers = match self {
                Self::B1(b1) => b1.send_all(sent, limit).await,
                // What has waited for an earlier write has waited.
                Self::Salesforce(org) if round > 0 => org.send_all(sent, limit, Pace::AtOnce).await,
                Self::Salesforce(org) => org.send_all(sent, limit, pace).await,
            };
            for (place, answer) in places.into_iter().zip(answers) {
                results[place] = Some(answer);
            }
        }
        results
            .into_iter()
            .map(|result| result.unwrap_or_else(|| Err(CallError::Unreachable("not sent".into()))))
            .collect()
    }

    /// The records a call writes, as far as its text tells: see [`order::turns`].
    fn records(&self, call: &Call) -> Vec<String> {
        let parts = call.atomic_with.iter().map(|part| (part.method, part.path.as_str(), part.body.as_deref()));
        parts
            .chain([(call.method, call.path.as_str(), call.body.as_deref())])
            .filter(|(method, ..)| !method.reads())
            .flat_map(|(method, path, body)| match self {
                Self::B1(_) => b1::written(method, path).into_iter().collect::<Vec<_>>(),
                Self::Salesforce(_) => salesforce::written(method, path, body),
            })
            .collect()
    }

    /// Sends one call, at once.
    pub async fn send(&self, call: Call, limit: impl Into<Limit<'_>>) -> CallResult {
        let mut results = self.send_all(vec![call], limit, Pace::AtOnce).await;
        results.pop().unwrap_or_else(|| Err(CallError::Unreachable("no answer".into())))
    }

    /// Sends a call whose change set the system does not answer, without one: its parts first, then the call itself; see
    /// [`b1::B1::send_apart`].
    pub async fn send_apart(&self, call: &Call, limit: Limit<'_>) -> CallResult {
        call.check()?;
        match self {
            Self::B1(b1) => b1.send_apart(call, limit).await,
            Self::Salesforce(org) => {
                let mut results = org.send_all(vec![call.clone()], limit, Pace::AtOnce).await;
                results.pop().unwrap_or_else(|| Err(CallError::Unreachable("no answer".into())))
            }
        }
    }

    /// True when sending the call a second time leaves the same state as sending it once.
    pub fn repeatable(&self, call: &Call) -> bool {
        match self {
            Self::B1(_) => call.reads(),
            Self::Salesforce(_) => salesforce::repeatable(call),
        }
    }
}

/// A member of an answer: null where it has none, or is no object at all.
pub(crate) fn member(mut answer: serde_json::Value, name: &str) -> serde_json::Value {
    answer.get_mut(name).map(serde_json::Value::take).unwrap_or_default()
}

/// All configured connections by name.
pub type Connections = BTreeMap<String, Arc<Connection>>;

/// Makes every connection; nothing is sent yet.
pub fn connect(config: &Config) -> Result<Connections, SetupError> {
    transport::install_crypto();
    let mut connections = Connections::new();
    for (name, b1) in &config.b1 {
        let place = config.place(&["b1", name]);
        let b1 = b1::B1::new(name, b1, &config.base).map_err(|e| e.at(&place))?;
        connections.insert(name.clone(), Arc::new(Connection::B1(Box::new(b1))));
    }
    for (name, org) in &config.salesforce {
        let place = config.place(&["salesforce", name]);
        let org = salesforce::Salesforce::new(name, org, &config.base).map_err(|e| e.at(&place))?;
        connections.insert(name.clone(), Arc::new(Connection::Salesforce(Arc::new(org))));
    }
    Ok(connections)
}

/// Makes one of them, to be tried beside those that are used.
pub fn one(name: &str, config: &Config) -> Result<Connection, SetupError> {
    transport::install_crypto();
    match (config.b1.get(name), config.salesforce.get(name)) {
        (Some(own), _) => Ok(Connection::B1(Box::new(b1::B1::new(name, own, &config.base)?))),
        (None, Some(own)) => {
            Ok(Connection::Salesforce(Arc::new(salesforce::Salesforce::new(name, own, &config.base)?)))
        }
        (None, None) => Err(SetupError::Unusable(name.to_owned(), "there is no such connection".into())),
    }
}

/// Makes the connections of another configuration; one whose section says the same stays as it is, with its session, its budget and what it knows.
pub fn reconnect(config: &Config, before: &Config, known: &Connections) -> Result<Connections, SetupError> {
    let mut connections = connect(config)?;
    for (name, connection) in &mut connections {
        let same = config.base == before.base
            && config.b1.get(name) == before.b1.get(name)
            && config.salesforce.get(name) == before.salesforce.get(name);
        if let Some(kept) = known.get(name).filter(|_| same) {
            *connection = kept.clone();
        }
    }
    Ok(connections)
}

/// Doubles from 100 ms: the pause before repeating something that is safe to repeat.
pub(crate) fn pause_before_repeat(attempt: u32) -> Duration {
    crate::time::backoff(attempt, Duration::from_millis(100), Duration::from_secs(2))
}
