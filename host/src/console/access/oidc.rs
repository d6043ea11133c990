//! The ways to sign in, and the one by the company's provider: off to it, and back.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::sign_on::{BEGUN, Pending, Refusal, SignOn, Why};
use super::{Access, Peer, cookie, is_same, secret, session};
use crate::console::Console;
use crate::console::body::Asked;
use crate::console::problem::Problem;
use crate::store::{Act, Fate, Via};

/// What the browser keeps of a sign-in that has gone to the provider. Another site sends it back, so it is not strict.
const BEGUN_COOKIE: &str = "tandem_oidc";
/// What it keeps of one that came to nothing.
const TOLD_COOKIE: &str = "tandem_told";
/// Where a sign-in begins; where it ends is below it.
const START: &str = "/api/v1/session/oidc";
/// Longer than any address of ours.
const LONGEST: usize = 2_000;

/// Open to everybody.
pub fn open() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new().routes(routes!(ways)).routes(routes!(start)).routes(routes!(back))
}

/// How people sign in here.
#[derive(Serialize, ToSchema)]
pub struct Ways {
    /// With a name and a password of this host.
    password: bool,
    /// At the company's provider; null: not.
    oidc: Option<Outside>,
    /// Why the last try of this browser came to nothing; told once.
    refused: Option<Refusal>,
}

/// The company's provider.
#[derive(Serialize, ToSchema)]
pub struct Outside {
    /// What people call it.
    name: String,
}

/// How people sign in here.
#[utoipa::path(get, path = "/session/ways", tag = "session", security(()), responses((status = 200, body = Ways)))]
async fn ways(State(console): State<Arc<Console>>, headers: HeaderMap) -> Response {
    let access = &console.access;
    let refused = access
        .sign_on
        .as_ref()
        .and_then(|sign_on| cookie(&headers, TOLD_COOKIE).and_then(|key| sign_on.told.take(key)));
    let oidc = access.sign_on.as_ref().map(|sign_on| Outside { name: sign_on.config.name.clone() });
    ([(header::CACHE_CONTROL, "no-store")], Json(Ways { password: access.takes_passwords, oidc, refused }))
        .into_response()
}

/// Where from.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Wish {
    /// Where to go afterwards: a path of the console.
    to: Option<String>,
    /// It was sent on from another name of the console.
    here: Option<bool>,
}

/// Goes to the provider to sign in.
#[utoipa::path(get, path = "/session/oidc", tag = "session", security(()), params(Wish),
    responses((status = 303, description = "to the provider"), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn start(
    State(console): State<Arc<Console>>,
    peer: Option<axum::Extension<Peer>>,
    headers: HeaderMap,
    Asked(wish): Asked<Wish>,
) -> Result<Response, Problem> {
    let access = &console.access;
    let sign_on = access.sign_on()?;
    let to = own_path(wish.to.as_deref());
    // What the browser keeps, it keeps by the name under which people come back.
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    if wish.here != Some(true) && host.is_some_and(|host| !is_home(&sign_on.home, host)) {
        let query: String = reqwest::Url::parse_with_params("http://x/", [("to", to.as_str()), ("here", "true")])
            .ok()
            .and_then(|url| url.query().map(str::to_owned))
            .unwrap_or_default();
        return Ok(gone_to(&format!("{}{START}?{query}", sign_on.home), Vec::new()));
    }
    let peer = peer.map(|peer| peer.0);
    let begun = if sign_on.may_begin(peer) {
        sign_on.provider.begin().await.map_err(Refusal::from)
    } else {
        Err(Refusal::new(Why::TooMany, ""))
    };
    let begun = match begun {
        Ok(begun) => begun,
        Err(refusal) => {
            let is_told = access.tries.tells("start", peer);
            if is_told {
                tracing::warn!(why = refusal.error, "nobody can go to the provider to sign in");
            } else {
                tracing::debug!(why = refusal.error, "nobody can go to the provider to sign in");
            }
            // Who has begun too many was told before.
            let refusal = Some(refusal).filter(|refusal| is_told || refusal.why != Why::TooMany);
            return sent_back(access, sign_on, refusal, &to, false);
        }
    };
    let (key, address) = (secret()?, begun.to.to_string());
    let pending = Pending { state: begun.state, nonce: begun.nonce, verifier: begun.verifier, to: to.clone() };
    sign_on.begun.put(&key, pending);
    Ok(gone_to(&address, vec![begun_cookie(access, &key, BEGUN.as_secs())]))
}

/// What the provider sends back with the browser.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Returned {
    /// For it the provider gives its token.
    code: Option<String>,
    /// What was sent along.
    state: Option<String>,
    /// Whose answer it is.
    iss: Option<String>,
    /// Why there is no code.
    error: Option<String>,
    /// The same in words.
    error_description: Option<String>,
}

/// Comes back from the provider: signed in, or told why not.
#[utoipa::path(get, path = "/session/oidc/back", tag = "session", security(()), params(Returned),
    responses((status = 303, description = "to a page of the console"), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn back(
    State(console): State<Arc<Console>>,
    peer: Option<axum::Extension<Peer>>,
    headers: HeaderMap,
    Asked(returned): Asked<Returned>,
) -> Result<Response, Problem> {
    let access = &console.access;
    let sign_on = access.sign_on()?;
    let peer = peer.map(|peer| peer.0);
    // Whatever comes of it, it is not ended twice; nor is it ended by what belongs to another one.
    let state = returned.state.as_deref().unwrap_or_default();
    let is_own = |own: &Pending| is_same(state.as_bytes(), own.state.as_bytes());
    let pending = cookie(&headers, BEGUN_COOKIE).and_then(|key| sign_on.begun.take_if(key, is_own));
    let is_begun = pending.is_some();
    let to = pending.as_ref().map_or_else(|| "/".to_owned(), |pending| pending.to.clone());
    let line = |who: String, why: String, outcome| Act {
        why: Some(why),
        address: peer.map(|peer| peer.0.to_string()),
        outcome,
        ..Act::new(who, Via::Session, "session.begin", "")
    };
    let mut name = None;
    match signed_in(access, sign_on, returned, pending, &mut name).await {
        Ok((account, token)) => {
            let may = account.flows.as_ref().map_or_else(|| "all flows".to_owned(), |flows| flows.join(", "));
            let why = format!("{}: {} for {may}", sign_on.config.name, account.role);
            access.store.act(line(account.name.clone(), why, Fate::Done)).await?;
            let (who, own) = session::begin(access, account, peer, &headers).await?;
            if let Some(session) = &who.session {
                sign_on.remember(&session.id, token);
            }
            Ok(gone_to(&to, vec![own, begun_cookie(access, "", 0)]))
        }
        Err(refusal) => {
            // A stranger fills neither the log nor the audit trail.
            let is_told = access.tries.tells("back", peer);
            if is_told {
                tracing::warn!(name, why = refusal.error, "somebody could not sign in by the provider");
                let why = format!("{}: {}", sign_on.config.name, refusal.error);
                let name = name.map_or_else(|| "somebody".to_owned(), |name| crate::plain::readable(name, 100));
                access.store.act(line(name, why, Fate::Refused)).await?;
            } else {
                tracing::debug!(name, why = refusal.error, "somebody could not sign in by the provider");
            }
            // How many are begun is bounded: those are told always.
            let refusal = Some(refusal).filter(|_| is_told || is_begun);
            sent_back(access, sign_on, refusal, &to, is_begun)
        }
    }
}

/// The account of who has come back, and the provider's token. `name`: what the provider calls them, as soon as it is known.
async fn signed_in(
    access: &Access,
    sign_on: &SignOn,
    returned: Returned,
    pending: Option<Pending>,
    name: &mut Option<String>,
) -> Result<(crate::store::Account, String), Refusal> {
    let pending = pending.ok_or_else(|| Refusal::new(Why::NotBegun, ""))?;
    let code = match (returned.error, returned.code) {
        (Some(error), _) => {
            let words = returned.error_description.filter(|words| !words.is_empty());
            let words = words.map_or_else(|| error.clone(), |words| format!("{error}: {words}"));
            return Err(Refusal::new(Why::Denied, crate::plain::readable(words.trim_end_matches('.').into(), 300)));
        }
        (None, Some(code)) => code,
        (None, None) => return Err(Refusal::new(Why::Untrusted, "it has no code")),
    };
    let provider = &sign_on.provider;
    let person = provider.finish(code, returned.iss.as_deref(), pending.nonce, pending.verifier).await?;
    name.clone_from(&person.name);
    let account = sign_on.account(access.store.as_ref(), &person).await?;
    Ok((account, person.token))
}

/// To the sign-in page, which says why; none: nothing new. `is_over`: what the browser has begun is over.
fn sent_back(
    access: &Access,
    sign_on: &SignOn,
    refusal: Option<Refusal>,
    to: &str,
    is_over: bool,
) -> Result<Response, Problem> {
    let mut cookies = Vec::new();
    if let Some(refusal) = refusal {
        let key = secret()?;
        sign_on.told.put(&key, refusal);
        let secure = access.secure();
        cookies.push(format!(
            "{TOLD_COOKIE}={key}; Path=/api/v1/session/ways; Max-Age=600; HttpOnly; SameSite=Strict{secure}"
        ));
    }
    if is_over {
        cookies.push(begun_cookie(access, "", 0));
    }
    Ok(gone_to(to, cookies))
}

fn begun_cookie(access: &Access, key: &str, seconds: u64) -> String {
    let secure = access.secure();
    format!("{BEGUN_COOKIE}={key}; Path={START}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}

fn gone_to(place: &str, cookies: Vec<String>) -> Response {
    let mut answer = StatusCode::SEE_OTHER.into_response();
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::LOCATION, HeaderValue::from_str(place).unwrap_or(HeaderValue::from_static("/")));
    for cookie in cookies.iter().filter_map(|cookie| HeaderValue::from_str(cookie).ok()) {
        headers.append(header::SET_COOKIE, cookie);
    }
    answer
}

/// Whether a browser calls the console by its address.
fn is_home(home: &str, host: &str) -> bool {
    let place = |text: &str| {
        let url: reqwest::Url = text.parse().ok()?;
        Some((url.host_str()?.to_ascii_lowercase(), url.port_or_known_default()?))
    };
    let scheme = home.split("://").next().unwrap_or("https");
    place(home).is_some_and(|own| place(&format!("{scheme}://{host}")) == Some(own))
}

/// A path of the console and nothing else: who made the address up sends nobody elsewhere.
fn own_path(to: Option<&str>) -> String {
    let home = || "/".to_owned();
    let Some(to) = to.filter(|to| to.len() <= LONGEST && to.starts_with('/')) else { return home() };
    let base = reqwest::Url::parse("http://console.invalid/");
    let Some((base, url)) = base.ok().and_then(|base| Some((base.clone(), base.join(to).ok()?))) else { return home() };
    let is_ours = url.origin() == base.origin() && !url.path().starts_with("//") && !url.path().starts_with("/api/");
    if !is_ours || to.contains('\\') || to.chars().any(char::is_control) {
        return home();
    }
    url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_goes_to_a_page_of_ours_and_nowhere_else() {
        for own in ["/", "/events?q=1042&flow=orders", "/reviews/12"] {
            assert_eq!(own_path(Some(own)), own);
        }
        assert_eq!(own_path(Some("/events?q=Müller")), "/events?q=M%C3%BCller");
        for foreign in [
            "https://evil.example/",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "evil.example",
            "/.//evil.example",
            "/x/..//evil.example",
            "javascript:alert(1)",
            "",
            "/api/v1/session/oidc?to=/",
            "/./api/v1/session/oidc",
            "/%09/\n/x",
        ] {
            assert_eq!(own_path(Some(foreign)), "/", "{foreign:?}");
        }
        assert_eq!(own_path(None), "/");
        assert_eq!(own_path(Some(&format!("/{}", "x".repeat(3_000)))), "/");
    }

    #[test]
    fn the_console_has_one_name_to_come_back_to() {
        assert!(is_home("https://tandem.example.com", "Tandem.example.com"));
        assert!(is_home("https://tandem.example.com", "tandem.example.com:443"));
        assert!(!is_home("https://tandem.example.com", "127.0.0.1:8484"));
        assert!(is_home("http://127.0.0.1:8484", "127.0.0.1:8484"));
        assert!(!is_home("http://127.0.0.1:8484", "localhost:8484"));
    }
}
