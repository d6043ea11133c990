//! Programs that call tools: by a token of this host, or by one that the company's provider made for a person and this host (OAuth 2.1). This host is what is
//! called a resource server there: it makes no such token, and hands none on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Access, Peer, Problem, bearer};
use crate::agents::Caller;
use crate::config::Config;
use crate::connections::oidc::ProviderError;
use crate::sandbox::digest_of;
use crate::store::{Purpose, Via};

/// Where it is told whose tokens open what (RFC 9728); behind it may stand the path of what is meant.
const METADATA: &str = "/.well-known/oauth-protected-resource";
/// How tokens of this host begin.
const OWN: &str = "tandem_";
/// A token of the provider is believed so long without another look: groups and flows of a person may change.
const BELIEVED: Duration = Duration::from_secs(60);
/// Tokens that are remembered for it.
const MOST: usize = 10_000;

/// See the module's words.
pub struct Programs {
    access: Arc<Access>,
    oauth: Option<Oauth>,
}

struct Oauth {
    /// Of what they open: its address.
    resource: String,
    /// Where that is told.
    metadata: String,
    issuer: String,
    audience: String,
    scope: String,
    believed: Mutex<HashMap<String, (Instant, Caller)>>,
}

/// Why a program is not let in.
enum Refusal {
    /// It brings nothing, or nothing that is believed.
    Token(Problem),
    /// The person has not let it do that.
    Scope(Problem),
    /// Something else.
    Other(Problem),
}

impl Programs {
    /// As `tandem.toml` has it; what lies at `path` is what they open.
    pub fn new(access: Arc<Access>, config: &Config, path: &str) -> Self {
        let home = config.console_address();
        let oauth = config.agents.oauth.as_ref().zip(config.console.oidc.as_ref()).map(|(own, oidc)| {
            let resource = format!("{home}{path}");
            Oauth {
                audience: own.audience.clone().unwrap_or_else(|| resource.clone()),
                metadata: format!("{home}{METADATA}{path}"),
                issuer: oidc.issuer.clone(),
                scope: own.scope.clone(),
                believed: Mutex::default(),
                resource,
            }
        });
        Self { access, oauth }
    }

    /// What is told to everybody: whose tokens are taken, and with which scope.
    pub fn open(&self, path: &str) -> Router {
        let Some(oauth) = &self.oauth else { return Router::new() };
        let told = json!({
            "resource": oauth.resource,
            "resource_name": "Tandem",
            "authorization_servers": [oauth.issuer],
            "scopes_supported": [oauth.scope],
            "bearer_methods_supported": ["header"],
        });
        let told = move || {
            let told: Json<Value> = Json(told.clone());
            async move { told }
        };
        Router::new().route(METADATA, get(told.clone())).route(&format!("{METADATA}{path}"), get(told))
    }

    async fn caller(&self, token: &str, peer: Option<Peer>) -> Result<Caller, Refusal> {
        let Some(oauth) = self.oauth.as_ref().filter(|_| !token.starts_with(OWN)) else {
            let who = self.access.of_token(&digest_of(token.as_bytes()), peer, Purpose::Tools).await;
            let who =
                who.map_err(
                    |problem| {
                        if problem.is_signed_out() { Refusal::Token(problem) } else { Refusal::Other(problem) }
                    },
                )?;
            let address = who.address.map(|address| address.to_string());
            return Ok(Caller {
                who: who.name,
                role: who.role,
                flows: who.flows,
                via: who.via,
                program: None,
                owner: who.owner,
                address,
                tools: None,
            });
        };
        let digest = digest_of(token.as_bytes());
        if let Some(caller) = oauth.known(&digest) {
            return Ok(caller);
        }
        let sign_on = self.access.sign_on().map_err(Refusal::Other)?;
        let told = sign_on.provider.bearer(token, &oauth.audience).await.map_err(|error| match error {
            ProviderError::Untrusted(why) => {
                let problem = Problem::signed_out();
                Refusal::Token(problem.mended(format!("The token is not believed: {why}.")))
            }
            other => Refusal::Other(Problem::failed(format!("The provider: {other}."))),
        })?;
        if !told.scopes.contains(&oauth.scope) {
            let problem = Problem::refused(format!("The token does not have the scope {}.", oauth.scope));
            return Err(Refusal::Scope(problem.mended("Ask the person for it, at the provider.")));
        }
        if told.person.has_too_many && told.person.groups.is_empty() {
            let problem = Problem::refused("The token does not say all groups of the person: there are too many.");
            return Err(Refusal::Other(
                problem.mended("Have the provider put into it only those that this program knows."),
            ));
        }
        let account = sign_on.through_program(self.access.store.as_ref(), &told.person).await;
        let account =
            account.map_err(|refusal| Refusal::Other(Problem::refused(refusal.error).mended(refusal.mend)))?;
        let caller = Caller {
            who: account.name,
            role: account.role,
            flows: account.flows.map(|flows| flows.into_iter().collect()),
            via: Via::Token,
            program: Some(told.client).filter(|client| !client.is_empty()),
            owner: None,
            address: peer.map(|peer| peer.0.to_string()),
            tools: None,
        };
        oauth.remember(digest, told.until, &caller);
        Ok(caller)
    }

    fn refused(&self, refusal: Refusal) -> Response {
        let (problem, error) = match refusal {
            Refusal::Token(problem) => (problem, None),
            Refusal::Scope(problem) => (problem, Some("insufficient_scope")),
            Refusal::Other(problem) => return problem.into_response(),
        };
        let mut parts = vec!["Bearer realm=\"tandem\"".to_owned()];
        parts.extend(error.map(|error| format!("error=\"{error}\"")));
        if let Some(oauth) = &self.oauth {
            parts.push(format!("resource_metadata=\"{}\"", oauth.metadata));
            parts.push(format!("scope=\"{}\"", oauth.scope));
        }
        let mut answer = problem.into_response();
        if let Ok(value) = HeaderValue::from_str(&parts.join(", ")) {
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, value);
        }
        answer
    }
}

impl Oauth {
    fn known(&self, digest: &str) -> Option<Caller> {
        let believed = self.believed.lock().unwrap_or_else(PoisonError::into_inner);
        believed.get(digest).filter(|(until, _)| Instant::now() < *until).map(|(_, caller)| caller.clone())
    }

    /// `until`: when the token itself ends, in seconds since 1970.
    fn remember(&self, digest: String, until: i64, caller: &Caller) {
        let left = u64::try_from(until - chrono::Utc::now().timestamp()).unwrap_or_default();
        let until = Instant::now() + BELIEVED.min(Duration::from_secs(left));
        let mut believed = self.believed.lock().unwrap_or_else(PoisonError::into_inner);
        if believed.len() >= MOST {
            let now = Instant::now();
            believed.retain(|_, (until, _)| now < *until);
        }
        // Where as many are held in a minute, each is looked at each time.
        if believed.len() < MOST {
            believed.insert(digest, (until, caller.clone()));
        }
    }
}

/// Where a browser says which page asks, that is one under the very name that the request is sent to.
fn is_of_this_host(headers: &HeaderMap) -> bool {
    let text = |name: header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let Some(origin) = text(header::ORIGIN) else { return true };
    let own = origin.split_once("://").map(|(_, own)| own);
    own.is_some() && own.map(str::to_ascii_lowercase) == text(header::HOST).map(str::to_ascii_lowercase)
}

/// Lets programs through that bring a token, and says who they are to what lies behind. A browser's cookie is none: any page could send it.
pub async fn known(State(programs): State<Arc<Programs>>, mut request: Request, next: Next) -> Response {
    // A page of another site calls by a browser; no program of a person's own says such a thing.
    if !is_of_this_host(request.headers()) {
        return Problem::refused("Another site's page asks.").into_response();
    }
    let peer = request.extensions().get::<Peer>().copied();
    let caller = match bearer(request.headers()) {
        Some(token) => programs.caller(token, peer).await,
        None => {
            let problem = Problem::signed_out();
            Err(Refusal::Token(
                problem.mended("Send a token for tools, which an admin makes under Access: `Authorization: Bearer …`."),
            ))
        }
    };
    let caller = match caller {
        Ok(caller) => caller,
        Err(refusal) => return programs.refused(refusal),
    };
    request.extensions_mut().insert(caller);
    let mut answer = next.run(request).await;
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
