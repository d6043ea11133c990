//! Who may what. Whoever asks the API is known by the cookie of a session or by a token; nothing but sign-in is open before.

pub mod accounts;
pub mod audit;
mod kept;
pub mod oidc;
mod passwords;
pub mod programs;
pub mod session;
mod sign_on;
pub mod tokens;
mod who;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ring::rand::{SecureRandom, SystemRandom};

pub use self::passwords::Passwords;
pub use self::sign_on::SignOn;
pub use self::who::{Peer, Who};
use super::problem::Problem;
use crate::sandbox::digest_of;
use crate::store::{Account, Millis, Purpose, Role, Store, Via};
use crate::time::now;

/// The cookie of a session, where the console is reached without TLS: on the host's own machine.
pub const COOKIE: &str = "tandem_session";
/// The cookie of a session over TLS. A browser takes one of this name from this very host alone, never from a site above or beside it.
pub const COOKIE_OVER_TLS: &str = "__Host-tandem_session";
/// What a change by a session must bring along.
const CSRF: &str = "x-tandem-csrf";
/// `last_seen` is to the minute.
const SEEN: Millis = 60_000;

/// What access needs.
pub struct Access {
    store: Arc<dyn Store>,
    passwords: Passwords,
    tries: session::Tries,
    /// Its cookie is for TLS alone.
    over_tls: bool,
    /// Accounts of this host sign in with their passwords.
    takes_passwords: bool,
    /// The company's provider, where there is one.
    sign_on: Option<SignOn>,
}

impl Access {
    /// Over a store. `over_tls`: the host, or a proxy before the console, speaks TLS.
    pub fn new(store: Arc<dyn Store>, over_tls: bool, takes_passwords: bool, sign_on: Option<SignOn>) -> Self {
        let tries = session::Tries::default();
        Self { store, passwords: Passwords::default(), tries, over_tls, takes_passwords, sign_on }
    }

    fn sign_on(&self) -> Result<&SignOn, Problem> {
        self.sign_on.as_ref().ok_or_else(|| Problem::no("single sign-on here").mended("Sign in with a password."))
    }

    /// What a cookie that is for TLS alone says of it.
    fn secure(&self) -> &'static str {
        if self.over_tls { "; Secure" } else { "" }
    }

    /// The name of a session's cookie.
    fn cookie(&self) -> &'static str {
        if self.over_tls { COOKIE_OVER_TLS } else { COOKIE }
    }

    /// Who was let in by a way that is closed now is not let in any more.
    fn stands(&self, account: &Account) -> bool {
        let issuer = self.sign_on.as_ref().map(|own| own.config.issuer.as_str());
        match &account.outside {
            Some(outside) => issuer == Some(&outside.issuer),
            None => self.takes_passwords,
        }
    }

    /// What bounds guesses and looks.
    pub fn tries(&self) -> &session::Tries {
        &self.tries
    }

    /// Whether a session or a token still holds, and gives what it gave.
    pub async fn holds(&self, who: &Who) -> Result<bool, Problem> {
        if let Some(token) = &who.token {
            return match self.of_token(token, who.address.map(Peer), Purpose::Api).await {
                Ok(now) => Ok(now.role == who.role && now.flows == who.flows),
                Err(problem) if problem.is_signed_out() => Ok(false),
                Err(problem) => Err(problem),
            };
        }
        let Some(session) = &who.session else { return Ok(true) };
        if self.store.session(&session.id, now()).await?.is_none() {
            return Ok(false);
        }
        let account = self.store.account(&session.account).await?;
        Ok(account.is_some_and(|own| own.role == who.role && own.flows.map(|f| f.into_iter().collect()) == who.flows))
    }

    /// Who a token stands for, by its digest.
    async fn of_token(&self, digest: &str, peer: Option<Peer>, wanted: Purpose) -> Result<Who, Problem> {
        let now = now();
        let token = self.store.token(digest, now).await?;
        let token = token.ok_or_else(|| {
            Problem::signed_out().mended("The token is unknown, was taken back, or is over: make another one.")
        })?;
        if token.purpose != wanted {
            let (own, wanted) = (token.purpose.word(), wanted.word());
            let problem = Problem::refused(format!("The token is for {own}, and this takes one for {wanted}."));
            return Err(problem.mended("An admin makes one under Access."));
        }
        // It may no more than who made it may now.
        let maker = self.store.account(&token.by).await?.ok_or_else(Problem::signed_out)?;
        if maker.outside.is_some() && !self.stands(&maker) {
            let problem = Problem::signed_out();
            return Err(
                problem.mended("Who made the token signed in at a provider that is no longer asked: make another one.")
            );
        }
        let flows = match (token.flows, maker.flows) {
            (own, None) => own,
            (None, theirs) => theirs,
            (Some(own), Some(theirs)) => Some(own.into_iter().filter(|flow| theirs.contains(flow)).collect()),
        };
        if token.last_used.is_none_or(|at| now - at >= SEEN) {
            seen(self.store.token_used(&token.id, now).await);
        }
        Ok(Who {
            name: format!("token {}", token.name),
            role: token.role.min(maker.role),
            flows: flows.map(|flows| flows.into_iter().collect()),
            via: Via::Token,
            has_password: false,
            session: None,
            token: Some(digest.to_owned()),
            owner: Some(token.by),
            address: peer.map(|peer| peer.0),
        })
    }

    /// Who asks.
    async fn who(&self, headers: &HeaderMap, peer: Option<Peer>) -> Result<Who, Problem> {
        let now = now();
        if let Some(secret) = bearer(headers) {
            return self.of_token(&digest_of(secret.as_bytes()), peer, Purpose::Api).await;
        }
        let name = self.cookie();
        if cookies(headers, name).count() > 1 {
            let problem = Problem::signed_out();
            return Err(problem.mended(format!("The cookie {name} was sent twice: delete this site's cookies, and those of the sites above it, and sign in again.")));
        }
        let cookie = cookie(headers, name).ok_or_else(Problem::signed_out)?;
        let session = self.store.session(&digest_of(cookie.as_bytes()), now).await?;
        let session = session.ok_or_else(Problem::signed_out)?;
        let account = self.store.account(&session.account).await?.filter(|own| self.stands(own));
        let account = account.ok_or_else(Problem::signed_out)?;
        if now - session.last_seen >= SEEN {
            seen(self.store.session_seen(&session.id, now).await);
        }
        Ok(Who {
            name: account.name,
            role: account.role,
            flows: account.flows.map(|flows| flows.into_iter().collect()),
            via: Via::Session,
            has_password: account.outside.is_none(),
            session: Some(session),
            token: None,
            owner: None,
            address: peer.map(|peer| peer.0),
        })
    }
}

/// Lets nobody through who is not known, and no change that another page makes a browser send.
pub async fn identify(State(access): State<Arc<Access>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    let who = match access.who(request.headers(), peer).await {
        Ok(who) => who,
        Err(problem) => return problem.into_response(),
    };
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if let (false, Some(session)) = (reads, &who.session) {
        let sent = request.headers().get(CSRF).map(|value| value.as_bytes()).unwrap_or_default();
        if !is_same(sent, session.csrf.as_bytes()) {
            let problem = Problem::refused("The request does not bring what the session's own page brings along.");
            return problem.mended(format!("Send `csrf` of GET /api/v1/session as {CSRF}.")).into_response();
        }
    }
    request.extensions_mut().insert(who);
    let mut answer = next.run(request).await;
    // What is shown to one is kept for nobody.
    answer.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    answer
}

/// When somebody was here last is worth less than that he sees what is wrong: a store that takes no writes is told on his first page.
fn seen<T>(noted: crate::store::Result<T>) {
    if let Err(error) = noted {
        tracing::warn!(%error, "when somebody was seen last is not noted");
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
}

/// None also where there are several: another site of the same domain can plant one beside ours.
fn cookie<'a>(headers: &'a HeaderMap, name: &'a str) -> Option<&'a str> {
    let mut all = cookies(headers, name);
    let first = all.next()?;
    all.next().is_none().then_some(first)
}

fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(own, _)| *own == name).map(|(_, value)| value)
}

/// However many letters are the same, it takes as long.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// So many random bytes.
fn random<const N: usize>() -> Result<[u8; N], Problem> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Problem::failed("The system gives no random bytes."))?;
    Ok(bytes)
}

/// 32 random bytes, hex.
pub fn secret() -> Result<String, Problem> {
    Ok(random::<32>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A name of an account or a token, as it may stand in an address and a table.
pub fn checked_name(name: &str) -> Result<(), Problem> {
    let fits = |c: char| c.is_alphanumeric() || "._@+-".contains(c);
    if name.is_empty() || name.chars().count() > 100 || !name.chars().all(fits) {
        let error = "A name has 1 to 100 letters, digits and any of . _ @ + -";
        return Err(Problem::field("name", error));
    }
    Ok(())
}

/// Flows of which the host knows none are a mistake.
fn checked_flows(flows: &Option<Vec<String>>, known: &crate::config::Config) -> Result<(), Problem> {
    for flow in flows.iter().flatten() {
        if !known.flows.contains_key(flow) {
            let names: Vec<&str> = known.flows.keys().map(String::as_str).collect();
            let problem = Problem::field("flows", format!("There is no flow {flow:?}."));
            return Err(problem.mended(format!("Flows are: {}.", names.join(", "))));
        }
    }
    Ok(())
}

/// The first account is an admin's, and one must be left.
fn is_admin(role: Role, flows: &Option<Vec<String>>) -> bool {
    role == Role::Admin && flows.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_that_comes_twice_is_none() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, header::HeaderValue::from_static("x=1; tandem_session=a"));
        assert_eq!((cookie(&headers, COOKIE), cookie(&headers, "y")), (Some("a"), None));
        headers.append(header::COOKIE, header::HeaderValue::from_static("tandem_session=b"));
        assert_eq!((cookie(&headers, COOKIE), cookie(&headers, "x")), (None, Some("1")));
    }
}
