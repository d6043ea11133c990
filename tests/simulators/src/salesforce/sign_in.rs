//! `/services/oauth2`: the ways to a token. JWT bearer and client credentials are the integration user; `password` and the way through a
//! browser (`authorize`, then `authorization_code` and `refresh_token`) are a person. Source: the shared facts, OAuth flows of
//! Salesforce help.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::rest::{Answer, parameter};
use super::{ORG_ID, SALES_NAME, Simulator};

/// A code is good for so long, and once.
const CODE_MS: i64 = 15 * 60 * 1000;

/// What was given to browsers.
#[derive(Default)]
pub struct Consents {
    codes: HashMap<String, Code>,
    refresh: Vec<String>,
}

struct Code {
    until: i64,
    redirect: String,
    /// SHA-256 of what the client will prove it began with.
    challenge: Option<String>,
}

fn refuse(error: &str, description: &str) -> Answer {
    Answer::new(400, json!({ "error": error, "error_description": description }))
}

/// `GET /services/oauth2/authorize`: the salesperson is signed in and agrees at once.
pub fn authorize(simulator: &Simulator, query: &str) -> Answer {
    let field = |name: &str| parameter(query, name).unwrap_or_default();
    if field("client_id") != simulator.client.0 {
        return refuse("invalid_client_id", "client identifier invalid");
    }
    let redirect = field("redirect_uri");
    if field("response_type") != "code" || redirect.is_empty() {
        return refuse("unsupported_response_type", "response type not supported, or redirect_uri is missing");
    }
    let code = format!("aPrx{:032x}", fastrand::u128(..));
    let challenge = parameter(query, "code_challenge");
    let until = simulator.clock.millis() + CODE_MS;
    simulator.consents().codes.insert(code.clone(), Code { until, redirect: redirect.clone(), challenge });
    let joint = if redirect.contains('?') { '&' } else { '?' };
    let state = parameter(query, "state").map(|state| format!("&state={state}")).unwrap_or_default();
    Answer::new(302, Value::Null).with("Location", format!("{redirect}{joint}code={code}{state}"))
}

/// `POST /services/oauth2/token`
pub fn token(simulator: &Simulator, instance_url: &str, form: &str) -> Answer {
    let field = |name: &str| parameter(form, name).unwrap_or_default();
    simulator.log.count("LOGIN");
    let grant = field("grant_type");
    let person = matches!(grant.as_str(), "password" | "authorization_code" | "refresh_token");
    if simulator.settings().sign_in_refused && !person {
        return refuse("invalid_grant", "user is frozen");
    }
    let is_client = || field("client_id") == simulator.client.0;
    let has_secret = || field("client_secret") == simulator.client.1;
    let mut refresh = None;
    match grant.as_str() {
        "client_credentials" => {
            if !is_client() {
                return refuse("invalid_client_id", "client identifier invalid");
            }
            if !has_secret() {
                return refuse("invalid_client", "invalid client credentials");
            }
        }
        "urn:ietf:params:oauth:grant-type:jwt-bearer" => {
            if let Err(why) = simulator.check_assertion(&field("assertion"), instance_url) {
                return refuse("invalid_grant", why);
            }
        }
        // What a person's tools use; their changes are told.
        "password" => {
            if !is_client() || !has_secret() {
                return refuse("invalid_client_id", "client identifier invalid");
            }
            if field("username") != SALES_NAME || field("password").is_empty() {
                return refuse("invalid_grant", "authentication failure");
            }
        }
        "authorization_code" => {
            if !is_client() {
                return refuse("invalid_client_id", "client identifier invalid");
            }
            let code = simulator.consents().codes.remove(&field("code"));
            let Some(code) = code.filter(|code| code.until > simulator.clock.millis()) else {
                return refuse("invalid_grant", "expired authorization code");
            };
            if code.redirect != field("redirect_uri") {
                return refuse("redirect_uri_mismatch", "redirect_uri must match configuration");
            }
            match code.challenge {
                Some(challenge) if challenge != challenge_of(&field("code_verifier")) => {
                    return refuse("invalid_grant", "invalid code verifier");
                }
                None if !has_secret() => return refuse("invalid_client", "invalid client credentials"),
                _ => {}
            }
            let token = format!("5Aep{:032x}{:032x}", fastrand::u128(..), fastrand::u128(..));
            simulator.consents().refresh.push(token.clone());
            refresh = Some(token);
        }
        "refresh_token" => {
            if !is_client() || !field("client_secret").is_empty() && !has_secret() {
                return refuse("invalid_client_id", "client identifier invalid");
            }
            if !simulator.consents().refresh.contains(&field("refresh_token")) {
                return refuse("invalid_grant", "expired access/refresh token");
            }
        }
        "" => return refuse("invalid_request", "grant_type is missing"),
        _ => return refuse("unsupported_grant_type", "grant type not supported"),
    }
    let user = super::user(!person).0;
    let mut body = json!({
        "access_token": simulator.new_token(!person), "instance_url": instance_url,
        "id": format!("{instance_url}/id/{ORG_ID}/{user}"), "token_type": "Bearer", "scope": "api",
        "issued_at": simulator.clock.millis().to_string(), "signature": "c2ltdWxhdGVk",
    });
    if let Some(refresh) = refresh {
        body["refresh_token"] = refresh.into();
        body["scope"] = "refresh_token api".into();
    }
    Answer::new(200, body)
}

fn challenge_of(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes()))
}

/// `POST /services/oauth2/revoke`: of an access token, or of a refresh token with all that came of it later.
pub fn revoke(simulator: &Simulator, form: &str) -> Answer {
    let token = parameter(form, "token").unwrap_or_default();
    simulator.end_token(&token);
    simulator.consents().refresh.retain(|own| *own != token);
    Answer::new(200, Value::Null)
}
