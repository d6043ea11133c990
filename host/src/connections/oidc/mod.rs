//! An OpenID provider, where people of the company sign in: authorization code with PKCE, state and nonce. Its addresses and keys are read when
//! somebody signs in, and again when a token bears a key that is not among them.

mod bearer;
mod claims;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthenticationFlow, CoreClaimName, CoreClaimType, CoreClient, CoreClientAuthMethod,
    CoreGrantType, CoreIdToken, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm,
    CoreJwsSigningAlgorithm, CoreResponseMode, CoreResponseType, CoreSubjectIdentifierType,
};
use openidconnect::{
    AccessToken, AccessTokenHash, AdditionalProviderMetadata, AuthType, AuthorizationCode, ClaimsVerificationError,
    ClientId, ClientSecret, CsrfToken, DiscoveryError, EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest,
    HttpResponse, IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, ProviderMetadata,
    RedirectUrl, RequestTokenError, Scope, SignatureVerificationError, TokenResponse,
};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

pub use self::bearer::Bearer;
use self::claims::Claims;
pub use self::claims::Person;
use super::CallError;
use super::proxy::Proxies;
use super::transport::{self, Routed, chain};
use crate::config::{OidcConfig, SecretSource};
use crate::plain;

/// Until an answer of the provider counts as lost: a browser waits for it.
const PATIENCE: Duration = Duration::from_secs(8);
/// Bytes of one answer.
const LIMIT: u64 = 1 << 20;
/// What was read of the provider holds so long.
const FRESH: Duration = Duration::from_secs(3_600);
/// Between two reads, whatever was asked: nobody makes the host call the provider at will.
const AGAIN: Duration = Duration::from_secs(5);
/// Seconds by which its clock and ours may differ.
const SKEW: i64 = 60;

/// Signatures that anybody can check and only the provider can make. One by the client's secret is none of them, nor is `none`.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// Why nobody is signed in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// It does not answer, or not as a provider does.
    #[error("{0}")]
    Down(String),
    /// It and `[console.oidc]` do not fit.
    #[error("{0}")]
    Unfit(String),
    /// It refuses the code, or the host.
    #[error("{0}")]
    Refused(String),
    /// What it says of a person is not to be believed.
    #[error("{0}")]
    Untrusted(String),
}

/// What the provider says of itself beyond the usual.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct More {
    end_session_endpoint: Option<String>,
    authorization_response_iss_parameter_supported: Option<bool>,
    code_challenge_methods_supported: Option<Vec<String>>,
}

impl AdditionalProviderMetadata for More {}

type Metadata = ProviderMetadata<
    More,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

type Client =
    CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointMaybeSet, EndpointMaybeSet>;

/// What was read of the provider last, or why it could not be.
struct Known {
    at: Instant,
    told: Result<Arc<Metadata>, ProviderError>,
}

/// A sign-in that has begun: what its end must fit.
pub struct Begun {
    /// Where the browser goes.
    pub to: Url,
    /// What comes back with it.
    pub state: String,
    /// What the token must hold.
    pub nonce: String,
    /// What alone takes the code.
    pub verifier: String,
}

/// See the module's words.
pub struct Provider {
    config: OidcConfig,
    /// The console's address.
    home: String,
    base: PathBuf,
    http: Http,
    known: Mutex<Option<Known>>,
}

/// Where people come back, below the console's address.
pub const BACK: &str = "/api/v1/session/oidc/back";

impl Provider {
    /// Nothing is sent. `home`: the console's address.
    pub fn new(config: &OidcConfig, home: &str, base: &Path) -> Result<Self, String> {
        let proxies = Proxies::new(config.proxy.as_ref(), base, Proxies::from_environment());
        let proxies = proxies.map_err(|e| format!("proxy: {e}"))?;
        let client = transport::client(&config.tls, proxies, base, PATIENCE)?;
        secret(&config.client_secret, base)?;
        Ok(Self {
            config: config.clone(),
            home: home.to_owned(),
            base: base.to_owned(),
            http: Http(client),
            known: Mutex::default(),
        })
    }

    /// What the provider must know: where people come back.
    pub fn redirect(&self) -> String {
        format!("{}{BACK}", self.home)
    }

    /// How the provider's tokens call it.
    pub fn issuer(&self) -> &str {
        &self.config.issuer
    }

    /// Begins a sign-in.
    pub async fn begin(&self) -> Result<Begun, ProviderError> {
        let metadata = self.metadata(FRESH).await?;
        let client = self.client(&metadata)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let asked =
            client.authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random);
        let scopes = self.config.scopes.iter().filter(|scope| *scope != "openid").cloned().map(Scope::new);
        let (to, state, nonce) = asked.add_scopes(scopes).set_pkce_challenge(challenge).url();
        Ok(Begun {
            to,
            state: state.secret().clone(),
            nonce: nonce.secret().clone(),
            verifier: verifier.secret().clone(),
        })
    }

    /// Ends it: who has signed in. `issuer`: by whom the browser says that it was sent back.
    pub async fn finish(
        &self,
        code: String,
        issuer: Option<&str>,
        nonce: String,
        verifier: String,
    ) -> Result<Person, ProviderError> {
        let metadata = self.metadata(FRESH).await?;
        // Whose code it is: another provider's is shown to nobody (RFC 9207).
        let said = metadata.additional_metadata().authorization_response_iss_parameter_supported == Some(true);
        match issuer {
            Some(issuer) if issuer != self.config.issuer => {
                let why = format!("the answer is of {}, not of {}", plain::readable(issuer.into(), 200), self.issuer());
                return Err(ProviderError::Untrusted(why));
            }
            None if said => {
                return Err(ProviderError::Untrusted("the answer does not say whose it is (iss)".into()));
            }
            _ => {}
        }
        let client = self.client(&metadata)?;
        let request =
            client.exchange_code(AuthorizationCode::new(code)).map_err(|e| ProviderError::Unfit(chain(&e)))?;
        let answer = request.set_pkce_verifier(PkceCodeVerifier::new(verifier)).request_async(&self.http).await;
        let answer = answer.map_err(|error| match error {
            RequestTokenError::ServerResponse(told) => {
                let described = told.error_description().map(|text| format!(": {text}")).unwrap_or_default();
                let why = format!("{}{described}", told.error());
                ProviderError::Refused(plain::readable(why, 300))
            }
            RequestTokenError::Request(error) => error.into(),
            other => ProviderError::Untrusted(format!("its answer cannot be read: {}", chain(&other))),
        })?;
        let none =
            || ProviderError::Untrusted("it answers without an id_token: is `openid` a scope of the client?".into());
        let token = answer.id_token().ok_or_else(none)?;
        let mut claims = match verified(&client, &metadata, token, &nonce, answer.access_token()) {
            Err(Unverified::UnknownKey) => {
                // The provider may have a new one since.
                let metadata = self.metadata(AGAIN).await?;
                verified(&self.client(&metadata)?, &metadata, token, &nonce, answer.access_token())
            }
            other => other,
        }
        .map_err(|why| ProviderError::Untrusted(why.to_string()))?;
        // Who it is is known all the same: what they had here may have to go.
        let unread = match claims.lacks(&self.config) {
            true => self.more(&metadata, answer.access_token(), &mut claims).await.err(),
            false => None,
        };
        Ok(Person { unread, ..claims.person(&self.config, token.to_string()) })
    }

    /// Where a browser goes to sign out there, too; none where the provider has no such place, or is not known.
    pub async fn leave(&self, token: Option<&str>) -> Option<Url> {
        let metadata = self.metadata(FRESH).await.ok()?;
        let mut to: Url = metadata.additional_metadata().end_session_endpoint.as_deref()?.parse().ok()?;
        if !is_safe(&to) {
            return None;
        }
        let mut query = to.query_pairs_mut();
        query.append_pair("client_id", &self.config.client_id);
        query.append_pair("post_logout_redirect_uri", &format!("{}/", self.home));
        if let Some(token) = token {
            query.append_pair("id_token_hint", token);
        }
        drop(query);
        Some(to)
    }

    /// What `tandem check` says of it: that it is there, and what it cannot do.
    pub async fn look(&self) -> Result<Vec<String>, ProviderError> {
        let metadata = self.metadata(FRESH).await?;
        self.client(&metadata)?;
        let mut lacks = Vec::new();
        let more = metadata.additional_metadata();
        if more.code_challenge_methods_supported.as_ref().is_some_and(|all| !all.iter().any(|own| own == "S256")) {
            lacks.push("it does not know PKCE with S256".to_owned());
        }
        if metadata.token_endpoint().is_none() {
            lacks.push("it has no token_endpoint".to_owned());
        }
        if metadata.scopes_supported().is_some_and(|all| !all.iter().any(|scope| scope.as_str() == "openid")) {
            lacks.push("it has no scope openid".to_owned());
        }
        Ok(lacks)
    }

    /// What the provider says of itself, read no longer ago than this.
    async fn metadata(&self, fresh: Duration) -> Result<Arc<Metadata>, ProviderError> {
        let mut known = self.known.lock().await;
        if let Some(known) = known.as_ref() {
            let holds = if known.told.is_ok() { fresh.max(AGAIN) } else { AGAIN };
            if known.at.elapsed() < holds {
                return known.told.clone();
            }
        }
        let told = self.discovered().await.map(Arc::new);
        // While it is down, what was known of it goes on, also its keys: they are the provider's own.
        if let (Err(ProviderError::Down(_)), Some(Known { told: Ok(before), at })) = (&told, known.as_ref())
            && at.elapsed() < FRESH
        {
            return Ok(before.clone());
        }
        *known = Some(Known { at: Instant::now(), told: told.clone() });
        told
    }

    async fn discovered(&self) -> Result<Metadata, ProviderError> {
        let issuer = IssuerUrl::new(self.config.issuer.clone()).map_err(|e| ProviderError::Unfit(chain(&e)))?;
        let metadata = Metadata::discover_async(issuer, &self.http).await.map_err(|error| match error {
            DiscoveryError::Request(error) => error.into(),
            DiscoveryError::Response(status, _, why) => ProviderError::Down(format!("it answers {status}: {why}")),
            DiscoveryError::Validation(why) => ProviderError::Unfit(format!("issuer: {why}")),
            other => ProviderError::Unfit(chain(&other)),
        })?;
        let places = [Some(metadata.authorization_endpoint().url()), metadata.token_endpoint().map(|own| own.url())];
        if let Some(url) = places.into_iter().flatten().find(|url| !is_safe(url)) {
            return Err(ProviderError::Unfit(format!("{url} of the provider is no https address")));
        }
        Ok(metadata)
    }

    fn client(&self, metadata: &Metadata) -> Result<Client, ProviderError> {
        let secret = secret(&self.config.client_secret, &self.base).map_err(ProviderError::Unfit)?;
        let redirect = RedirectUrl::new(self.redirect()).map_err(|e| ProviderError::Unfit(chain(&e)))?;
        let id = ClientId::new(self.config.client_id.clone());
        let client = CoreClient::from_provider_metadata(metadata.clone(), id, Some(ClientSecret::new(secret)));
        let ways = metadata.token_endpoint_auth_methods_supported();
        let takes = |way: &CoreClientAuthMethod| ways.is_some_and(|all| all.contains(way));
        let in_body =
            takes(&CoreClientAuthMethod::ClientSecretPost) && !takes(&CoreClientAuthMethod::ClientSecretBasic);
        let way = if in_body { AuthType::RequestBody } else { AuthType::BasicAuth };
        Ok(client.set_auth_type(way).set_redirect_uri(redirect))
    }

    /// Many providers say groups, or even the name, only to who asks them.
    async fn more(&self, metadata: &Metadata, token: &AccessToken, claims: &mut Claims) -> Result<(), ProviderError> {
        let Some(place) = metadata.userinfo_endpoint().map(|own| own.url()).filter(|url| is_safe(url)) else {
            return Ok(());
        };
        let request = self.http.0.get(place.clone()).bearer_auth(token.secret()).header("accept", "application/json");
        let raw = self.http.0.fetch(request, LIMIT).await?;
        if raw.status != 200 {
            return Err(ProviderError::Untrusted(format!("its userinfo answers {}", raw.status)));
        }
        let said = serde_json::from_str(&raw.body).ok().filter(|said| claims.is_of_same(said));
        let said = said.ok_or_else(|| ProviderError::Untrusted("its userinfo is not of who signed in".into()))?;
        claims.add(said);
        Ok(())
    }
}

/// As it is now: whoever changes it restarts nothing.
fn secret(source: &SecretSource, base: &Path) -> Result<String, String> {
    source.read(base).map(|secret| secret.reveal().to_owned()).map_err(|e| format!("client_secret: {e}"))
}

/// Secrets go over TLS, or stay on this machine.
fn is_safe(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let is_here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    url.scheme() == "https" || (url.scheme() == "http" && is_here)
}

/// Why a token is not believed.
#[derive(Debug, thiserror::Error)]
enum Unverified {
    #[error("its token bears a key that the provider does not show")]
    UnknownKey,
    #[error("its token is not believed: {0}")]
    Wrong(String),
}

impl From<ClaimsVerificationError> for Unverified {
    fn from(error: ClaimsVerificationError) -> Self {
        match error {
            ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey) => {
                Self::UnknownKey
            }
            other => Self::Wrong(chain(&other)),
        }
    }
}

fn verified(
    client: &Client,
    metadata: &Metadata,
    token: &CoreIdToken,
    nonce: &str,
    access: &AccessToken,
) -> Result<Claims, Unverified> {
    let now = chrono::Utc::now();
    let skew = chrono::TimeDelta::seconds(SKEW);
    let offered = metadata.id_token_signing_alg_values_supported();
    let verifier = client
        .id_token_verifier()
        .set_allowed_algs(ALGORITHMS.into_iter().filter(|own| offered.contains(own)))
        .set_time_fn(move || now - skew)
        .set_issue_time_verifier_fn(
            move |at| if at > now + skew { Err(format!("it is of the future, {at}")) } else { Ok(()) },
        )
        // Who else may read it is said below.
        .set_other_audience_verifier_fn(|_| true);
    let wrong = |why: &str| Err(Unverified::Wrong(why.to_owned()));
    let claims = token.claims(&verifier, &Nonce::new(nonce.to_owned()))?;
    match claims.authorized_party() {
        Some(party) if party != client.client_id() => return wrong("it was made for another program (azp)"),
        None if claims.audiences().len() > 1 => {
            return wrong("it is for several programs, and does not say which asked");
        }
        _ => {}
    }
    if let Some(hash) = claims.access_token_hash() {
        let key = token.signing_key(&verifier).map_err(|e| Unverified::Wrong(chain(&e)))?;
        let alg = token.signing_alg().map_err(|e| Unverified::Wrong(chain(&e)))?;
        // What is not known of an algorithm is not checked by it: what userinfo says must be of the same person all the same.
        if AccessTokenHash::from_token(access, alg, key).is_ok_and(|own| own != *hash) {
            return wrong("it belongs to another access token (at_hash)");
        }
    }
    let all = Claims::of(&token.to_string()).ok_or_else(|| Unverified::Wrong("its claims cannot be read".into()))?;
    match all.not_before() {
        Some(at) if at > (now + skew).timestamp() => wrong("it does not hold yet (nbf)"),
        _ => Ok(all),
    }
}

/// The host's one HTTP client, as the library wants it.
struct Http(Routed);

/// A call that came to nothing.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct HttpError(#[from] CallError);

impl From<CallError> for ProviderError {
    fn from(error: CallError) -> Self {
        Self::Down(error.to_string())
    }
}

impl From<HttpError> for ProviderError {
    fn from(error: HttpError) -> Self {
        error.0.into()
    }
}

impl Http {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let request =
            reqwest::Request::try_from(request).map_err(|e| CallError::Invalid(e.without_url().to_string()))?;
        let raw = self.0.fetch(reqwest::RequestBuilder::from_parts((*self.0).clone(), request), LIMIT).await?;
        let answer = openidconnect::http::Response::builder().status(raw.status);
        let answer = if raw.content_type.is_empty() { answer } else { answer.header("content-type", raw.content_type) };
        Ok(answer.body(raw.body.into_bytes()).map_err(|e| CallError::Ambiguous(e.to_string()))?)
    }
}

impl<'c> openidconnect::AsyncHttpClient<'c> for Http {
    type Error = HttpError;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}
