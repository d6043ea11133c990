//! Signing in and out, and who is signed in.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Access, Peer, Who, secret};
use crate::console::problem::Problem;
use crate::console::{Console, body::Body};
use crate::sandbox::digest_of;
use crate::store::{Account, Act, Fate, Millis, Role, Session, Via};
use crate::time::{iso, now};

/// A session ends after so long, however much it is used.
pub const LIFE_TIME: Duration = Duration::from_secs(7 * 24 * 3_600);
const LIFE: Millis = LIFE_TIME.as_millis() as Millis;
/// Tries of one address with one name, at once; then one in six seconds.
const TRIES: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// Addresses and names that are remembered for it.
const REMEMBERED: usize = 10_000;

/// Looks at both systems of one person in a minute.
const LOOKS: NonZeroU32 = NonZeroU32::new(60).unwrap();

type Limiter = RateLimiter<String, HashMapStateStore<String>, DefaultClock>;

/// Bounds how often a password can be guessed, and how often one person has both systems asked.
pub struct Tries {
    passwords: Limiter,
    looks: Limiter,
}

impl Default for Tries {
    fn default() -> Self {
        let every_minute = |most| RateLimiter::hashmap(Quota::per_minute(most));
        Self { passwords: every_minute(TRIES), looks: every_minute(LOOKS) }
    }
}

impl Tries {
    /// An error where there were too many.
    pub(super) fn one_more(&self, peer: Option<Peer>, name: &str) -> Result<(), Problem> {
        // One address is bounded by itself, too: whatever names it thinks of.
        let address = peer.map(|peer| peer.net()).unwrap_or_default();
        let name: String = name.chars().take(100).collect();
        [address.clone(), format!("{address}|{name}")].iter().try_for_each(|key| counted(&self.passwords, key))
    }

    /// One more look at records as both systems have them now: each is calls of the org's day, and a line of the audit trail.
    pub fn one_more_look(&self, who: &str) -> Result<(), Problem> {
        counted(&self.looks, who)
    }

    /// Whether one more refusal on this way to the provider or back is told of. It costs nobody a try of a password.
    pub(super) fn tells(&self, way: &str, peer: Option<Peer>) -> bool {
        let net = peer.map(|peer| peer.net()).unwrap_or_default();
        counted(&self.passwords, &format!("oidc {way} {net}")).is_ok()
    }
}

fn counted(limiter: &Limiter, key: &str) -> Result<(), Problem> {
    if limiter.len() > REMEMBERED {
        limiter.retain_recent();
    }
    let until = limiter.check_key(&key.to_owned());
    until.map_err(|until| Problem::too_many(until.wait_time_from(DefaultClock::default().now()).as_secs() + 1))
}

/// Open to everybody.
pub fn open() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new().routes(routes!(sign_in))
}

/// For who is signed in.
pub fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new()
        .routes(routes!(me, sign_out))
        .routes(routes!(change_password))
        .routes(routes!(sessions))
        .routes(routes!(end_session))
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
pub struct Me {
    /// An account's name, or `token <name>`.
    name: String,
    /// What they may do.
    role: Role,
    /// With which flows; null: with all.
    flows: Option<Vec<String>>,
    /// To be sent as `X-Tandem-CSRF` with each change; empty for a token, which needs none.
    csrf: String,
    /// When the session ends, ISO 8601; null for a token.
    expires_at: Option<String>,
    /// They have a password here, which they can change; false for who signs in elsewhere, and for a token.
    has_password: bool,
}

impl Me {
    fn of(who: &Who) -> Self {
        Self {
            name: who.name.clone(),
            role: who.role,
            flows: who.flows.as_ref().map(|flows| flows.iter().cloned().collect()),
            csrf: who.session.as_ref().map(|session| session.csrf.clone()).unwrap_or_default(),
            expires_at: who.session.as_ref().map(|session| iso(session.ends_at)),
            has_password: who.has_password,
        }
    }
}

/// What somebody signs in with.
#[derive(Deserialize, ToSchema)]
pub struct SignIn {
    /// An account's name.
    name: String,
    /// Its password.
    password: String,
}

/// Signs in.
#[utoipa::path(post, path = "/session", tag = "session", security(()), request_body = SignIn,
    responses((status = 200, body = Me), (status = 401, body = Problem), (status = 403, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem)))]
async fn sign_in(
    State(console): State<Arc<Console>>,
    peer: Option<axum::Extension<Peer>>,
    headers: HeaderMap,
    Body(asked): Body<SignIn>,
) -> Result<Response, Problem> {
    let access = &console.access;
    let peer = peer.map(|peer| peer.0);
    if !access.takes_passwords {
        return Err(Problem::refused("Nobody signs in with a password here.")
            .mended("Sign in by single sign-on; where the provider is gone, `password = true` under [console] of tandem.toml lets accounts in again."));
    }
    access.tries.one_more(peer, &asked.name)?;
    let account = access.store.account(&asked.name).await?;
    let kept = account.as_ref().and_then(|account| account.password.clone());
    let right = access.passwords.is(kept, asked.password).await?;
    let address = peer.map(|peer| peer.0.to_string());
    let name: String = asked.name.chars().take(100).collect();
    let act = |outcome| Act { address: address.clone(), outcome, ..Act::new(&name, Via::Session, "session.begin", "") };
    let Some(account) = account.filter(|_| right) else {
        tracing::warn!(name, address, "somebody could not sign in to the console");
        access.store.act(act(Fate::Refused)).await?;
        return Err(Problem::wrong_password());
    };
    access.store.act(act(Fate::Done)).await?;
    let (who, cookie) = begin(access, account, peer, &headers).await?;
    Ok(([(header::SET_COOKIE, cookie)], Json(Me::of(&who))).into_response())
}

/// A session of its own, whatever the browser had before; who has it, and the cookie for it.
pub(super) async fn begin(
    access: &Access,
    account: Account,
    peer: Option<Peer>,
    headers: &HeaderMap,
) -> Result<(Who, String), Problem> {
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let agent = crate::plain::readable(agent.to_owned(), 300);
    let (value, now) = (secret()?, now());
    let session = Session {
        id: digest_of(value.as_bytes()),
        account: account.name.clone(),
        csrf: secret()?,
        since: now,
        last_seen: now,
        ends_at: now + LIFE,
        address: peer.map(|peer| peer.0.to_string()).unwrap_or_default(),
        agent,
    };
    access.store.session_begin(session.clone()).await?;
    let who = Who {
        name: account.name,
        role: account.role,
        flows: account.flows.map(|flows| flows.into_iter().collect()),
        via: Via::Session,
        has_password: account.outside.is_none(),
        session: Some(session),
        token: None,
        owner: None,
        address: peer.map(|peer| peer.0),
    };
    Ok((who, cookie_of(access, &value, LIFE / 1_000)))
}

fn cookie_of(access: &Access, value: &str, seconds: i64) -> String {
    let (name, secure) = (access.cookie(), access.secure());
    format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}

/// Who is signed in.
#[utoipa::path(get, path = "/session", tag = "session", responses((status = 200, body = Me), (status = 401, body = Problem)))]
async fn me(who: Who) -> Json<Me> {
    Json(Me::of(&who))
}

/// Where to go on after signing out.
#[derive(Serialize, ToSchema)]
pub struct Left {
    /// Where the browser goes to sign out at the provider, too.
    to: String,
}

/// Signs out.
#[utoipa::path(delete, path = "/session", tag = "session",
    responses((status = 200, description = "who signed in at a provider signs out there, too", body = Left), (status = 204), (status = 401, body = Problem)))]
async fn sign_out(State(console): State<Arc<Console>>, who: Who) -> Result<Response, Problem> {
    let access = &console.access;
    let mut to = None;
    if let Some(session) = &who.session {
        access.store.session_end(&session.id).await?;
        access.store.act(who.act("session.end", format!("account {}", who.name), Fate::Done)).await?;
        if let (false, Some(sign_on)) = (who.has_password, &access.sign_on) {
            to = sign_on.leave(&session.id).await;
        }
    }
    let gone = [(header::SET_COOKIE, cookie_of(access, "", 0))];
    Ok(match to {
        Some(to) => (gone, Json(Left { to })).into_response(),
        None => (StatusCode::NO_CONTENT, gone).into_response(),
    })
}

/// A new password of one's own.
#[derive(Deserialize, ToSchema)]
pub struct NewPassword {
    /// The one of now.
    old: String,
    /// The one from now on: 12 letters at least.
    new: String,
}

/// Changes one's own password; the other sessions end.
#[utoipa::path(post, path = "/session/password", tag = "session", request_body = NewPassword,
    responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem)))]
async fn change_password(
    State(console): State<Arc<Console>>,
    who: Who,
    Body(asked): Body<NewPassword>,
) -> Result<StatusCode, Problem> {
    let access = &console.access;
    let Some(session) = &who.session else {
        return Err(Problem::refused("A token has no password."));
    };
    if !who.has_password {
        return Err(Problem::refused("You sign in elsewhere: your password is changed there."));
    }
    access.tries.one_more(who.address.map(Peer), &who.name)?;
    let account = access.store.account(&who.name).await?.ok_or_else(Problem::signed_out)?;
    if !access.passwords.is(account.password.clone(), asked.old).await? {
        access.store.act(who.act("password.change", format!("account {}", who.name), Fate::Refused)).await?;
        return Err(Problem::field("old", "It is not the password of now."));
    }
    let password = access.passwords.hash(&who.name, &asked.new).await.map_err(|problem| problem.of("new"))?;
    access.store.account_put(Account { password: Some(password), ..account }, Some(session.id.clone())).await?;
    access.store.act(who.act("password.change", format!("account {}", who.name), Fate::Done)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// One session.
#[derive(Serialize, ToSchema)]
pub struct Signed {
    /// By which it is ended.
    id: String,
    /// Whose.
    name: String,
    /// When they signed in, ISO 8601.
    since: String,
    /// When it was last used, to the minute.
    last_seen: String,
    /// Where from: an IP address.
    address: String,
    /// What the browser calls itself.
    agent: String,
    /// It is this very one.
    own: bool,
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
pub struct Sessions {
    /// Newest first.
    sessions: Vec<Signed>,
}

/// Sessions: for an admin all, for others their own.
#[utoipa::path(get, path = "/sessions", tag = "access", responses((status = 200, body = Sessions), (status = 401, body = Problem)))]
async fn sessions(State(console): State<Arc<Console>>, who: Who) -> Result<Json<Sessions>, Problem> {
    let own = who.session.as_ref().map(|session| session.id.as_str());
    let all = console.access.store.sessions(now()).await?;
    let seen = all.into_iter().filter(|session| who.may_all(Role::Admin).is_ok() || session.account == who.name);
    let sessions = seen.map(|session| Signed {
        own: own == Some(&session.id),
        // Not the whole of what stands in the store.
        id: session.id[..SHOWN].to_owned(),
        name: session.account,
        since: iso(session.since),
        last_seen: iso(session.last_seen),
        address: session.address,
        agent: session.agent,
    });
    Ok(Json(Sessions { sessions: sessions.collect() }))
}

/// Letters of a session's id by which people and pages know it.
const SHOWN: usize = 16;

/// Ends a session: an admin any, others their own.
#[utoipa::path(delete, path = "/sessions/{id}", tag = "access", params(("id" = String, Path)),
    responses((status = 204), (status = 401, body = Problem), (status = 404, body = Problem)))]
async fn end_session(
    State(console): State<Arc<Console>>,
    who: Who,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let all = console.access.store.sessions(now()).await?;
    let mut seen = all.into_iter().filter(|session| who.may_all(Role::Admin).is_ok() || session.account == who.name);
    let session = seen.find(|session| id.len() == SHOWN && session.id.starts_with(&id));
    let session = session.ok_or_else(|| Problem::no(format_args!("session {id:?}")))?;
    console.access.store.session_end(&session.id).await?;
    console.access.store.act(who.act("session.end", format!("account {}", session.account), Fate::Done)).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_a_whole_network_of_ipv6_guesses_no_more_passwords_than_others() {
        let tries = Tries::default();
        let peer = |last: u16| Some(Peer(std::net::IpAddr::from([0x2001, 0xdb8, 0, 7, 0, 0, 0, last])));
        assert_eq!((0..50).filter(|last| tries.one_more(peer(*last), "admin").is_ok()).count(), TRIES.get() as usize);
        assert!(tries.one_more(Some(Peer(std::net::IpAddr::from([0x2001, 0xdb8, 0, 8, 0, 0, 0, 1]))), "admin").is_ok());
        assert!((0..LOOKS.get()).all(|_| tries.one_more_look("ada").is_ok()));
        assert!(tries.one_more_look("ada").is_err() && tries.one_more_look("bob").is_ok());
    }

    #[test]
    fn refusals_of_the_provider_cost_no_try_of_a_password() {
        let (tries, peer) = (Tries::default(), Some(Peer(std::net::IpAddr::from([192, 0, 2, 7]))));
        let told = (0..30).filter(|_| tries.tells("back", peer)).count();
        assert!((10..30).contains(&told), "{told}");
        assert!(tries.one_more(peer, "ada").is_ok() && tries.tells("start", peer));
    }
}
