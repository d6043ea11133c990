//! Sign-in: JWT bearer (RS256) or client credentials, and one token shared by all calls until Salesforce says it is gone.

use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::config::{SalesforceConfig, Secret};
use crate::connections::sign_in::SignIn;
use crate::connections::transport::Wire;
use crate::connections::{CallError, SetupError};

/// Salesforce accepts assertions that end at most three minutes ahead.
const ASSERTION_SECONDS: i64 = 150;
const TOKEN_LIMIT: u64 = 64 << 10;

/// What a sign-in gives.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Bearer token.
    pub access_token: Secret,
    /// Where the org's API lives.
    pub instance_url: String,
    /// 18-character org id: the Pub/Sub API's `tenantid`.
    pub org_id: String,
    /// 18-character id of the integration user: what it changed last bears it.
    pub user_id: String,
}

enum Proof {
    JwtBearer { username: String },
    ClientCredentials,
}

/// See the module's words.
pub struct Auth {
    wire: Wire,
    login_url: String,
    /// Of an assertion: orgs differ in whether it is the address signed in at.
    audience: String,
    client_id: String,
    proof: Proof,
    /// The private key or the client's secret.
    sign_in: Arc<SignIn>,
    token: Mutex<Option<Token>>,
}

impl Auth {
    /// Reads key or secret; nothing is sent.
    pub fn new(name: &str, config: &SalesforceConfig, base: &Path, wire: Wire) -> Result<Self, SetupError> {
        let secret = |e| SetupError::Secret(name.to_owned(), e);
        let unusable = |why: String| SetupError::Unusable(name.to_owned(), why);
        let (proof, source) = match (&config.private_key, &config.client_secret) {
            (Some(source), _) => (Proof::JwtBearer { username: config.username.clone().unwrap_or_default() }, source),
            (None, Some(source)) => (Proof::ClientCredentials, source),
            (None, None) => return Err(unusable("neither private_key nor client_secret is given".into())),
        };
        let sign_in = SignIn::new(source, base).map_err(secret)?;
        if let (Proof::JwtBearer { .. }, Ok(pem)) = (&proof, sign_in.ask()) {
            read_key(pem.reveal()).map_err(unusable)?;
        }
        let login_url = config.login_url.trim_end_matches('/').to_owned();
        Ok(Self {
            wire,
            audience: config.audience.clone().unwrap_or_else(|| login_url.clone()),
            login_url,
            client_id: config.client_id.clone(),
            proof,
            sign_in: Arc::new(sign_in),
            token: Mutex::default(),
        })
    }

    /// What a refused sign-in leaves behind.
    pub fn sign_in(&self) -> Arc<SignIn> {
        self.sign_in.clone()
    }

    /// The token in use, signing in when there is none.
    pub async fn token(&self) -> Result<Token, CallError> {
        let mut current = self.token.lock().await;
        match &*current {
            Some(token) => Ok(token.clone()),
            None => self.fresh(&mut current).await,
        }
    }

    /// A token other than `stale`: of many callers that met the same expiry, one signs in.
    pub async fn renew(&self, stale: &Token) -> Result<Token, CallError> {
        let mut current = self.token.lock().await;
        match &*current {
            Some(token) if token != stale => Ok(token.clone()),
            _ => self.fresh(&mut current).await,
        }
    }

    async fn fresh(&self, current: &mut Option<Token>) -> Result<Token, CallError> {
        *current = None;
        let secret = self.sign_in.ask()?;
        let form = match &self.proof {
            Proof::JwtBearer { username } => {
                let key = read_key(secret.reveal())
                    .map_err(|why| self.sign_in.refused(secret.clone(), &CallError::Invalid(why)))?;
                format!(
                    "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={}",
                    self.assertion(username, &key)?
                )
            }
            Proof::ClientCredentials => format!(
                "grant_type=client_credentials&client_id={}&client_secret={}",
                super::percent(&self.client_id),
                super::percent(secret.reveal())
            ),
        };
        let request = self
            .wire
            .client
            .post(format!("{}/services/oauth2/token", self.login_url))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(form);
        let raw = self.wire.fetch(request, TOKEN_LIMIT).await.map_err(|e| match e {
            CallError::Ambiguous(why) => CallError::Unreachable(why),
            other => other,
        })?;
        metrics::counter!("tandem_salesforce_logins_total").increment(1);
        let body: Value = serde_json::from_str(&raw.body).unwrap_or_default();
        if raw.status != 200 {
            let code = body["error"].as_str().unwrap_or_default();
            // Only the org itself decides about who signs in: not a page from somebody in between, and not while it is busy.
            let busy = matches!(code, "" | "server_error" | "temporarily_unavailable" | "unknown_error");
            if raw.status >= 500 || raw.status == 429 || busy {
                return Err(CallError::Unreachable(format!("the sign-in answered {} {code}", raw.status)));
            }
            let error = CallError::Remote {
                status: raw.status,
                code: code.to_owned(),
                message: body["error_description"].as_str().unwrap_or("the sign-in was refused").to_owned(),
            };
            tracing::error!(login_url = self.login_url, %error, "Salesforce refused the sign-in");
            return Err(self.sign_in.refused(secret, &error));
        }
        let field = |name: &str| body[name].as_str().map(str::to_owned);
        let (Some(access_token), Some(instance_url)) = (field("access_token"), field("instance_url")) else {
            return Err(CallError::Unreachable("the sign-in answered without access_token and instance_url".into()));
        };
        // `id` ends in /<org id>/<user id>.
        let id = field("id").unwrap_or_default();
        let mut ids = id.rsplit('/');
        let (user_id, org_id) = (ids.next().unwrap_or_default(), ids.next().unwrap_or_default());
        let token = Token {
            access_token: access_token.into(),
            instance_url: instance_url.trim_end_matches('/').to_owned(),
            org_id: org_id.to_owned(),
            user_id: user_id.to_owned(),
        };
        self.sign_in.accepted();
        *current = Some(token.clone());
        Ok(token)
    }

    fn assertion(&self, username: &str, key: &RsaKeyPair) -> Result<String, CallError> {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#);
        let claims = json!({
            "iss": self.client_id,
            "sub": username,
            "aud": self.audience,
            // By the org's clock: once it has answered, were it with a refusal, a wrong clock here is no matter.
            "exp": self.wire.clock().now() / 1000 + ASSERTION_SECONDS,
        });
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| CallError::Invalid("the private key cannot sign".into()))?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn read_key(pem: &str) -> Result<RsaKeyPair, String> {
    let der =
        PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|e| format!("private_key is not a PEM key: {e}"))?;
    let key = match &der {
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        _ => return Err("private_key is not an RSA key".into()),
    };
    key.map_err(|e| format!("private_key is not a usable RSA key (2048 bits or more): {e}"))
}
