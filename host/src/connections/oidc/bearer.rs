//! An access token that a program brings for a person: a JWT of the provider that was made for this host alone (RFC 9068, and what providers made before it).

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::JsonWebKey;
use openidconnect::core::{CoreJsonWebKey, CoreJwsSigningAlgorithm};
use serde::Deserialize;

use super::claims::Claims;
use super::{AGAIN, ALGORITHMS, FRESH, Metadata, Person, Provider, ProviderError, SKEW, Unverified};

/// Bytes of a token: with very many groups it has some thousands.
const MOST: usize = 16 << 10;

/// What a token says that is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// For whom it was made.
    pub person: Person,
    /// What the person lets the program do.
    pub scopes: BTreeSet<String>,
    /// The program, as the provider knows it; empty where the token does not say.
    pub client: String,
    /// Until when it holds, in seconds since 1970.
    pub until: i64,
}

#[derive(Deserialize)]
struct Head {
    alg: CoreJwsSigningAlgorithm,
    kid: Option<String>,
    typ: Option<String>,
}

impl Provider {
    /// Who brings this token, if the provider made it for `audience`. It is asked for its keys alone, and seldom.
    pub async fn bearer(&self, token: &str, audience: &str) -> Result<Bearer, ProviderError> {
        let metadata = self.metadata(FRESH).await?;
        let claims = match self.believed(&metadata, token, audience) {
            // The provider may have a new one since.
            Err(Unverified::UnknownKey) => self.believed(&*self.metadata(AGAIN).await?, token, audience),
            other => other,
        };
        let (claims, until) = claims.map_err(|why| ProviderError::Untrusted(why.to_string()))?;
        let client = ["client_id", "azp", "appid"].into_iter().find_map(|claim| claims.text(claim));
        let client = client.unwrap_or_default().to_owned();
        Ok(Bearer { scopes: claims.scopes(), client, until, person: claims.person(&self.config, String::new()) })
    }

    fn believed(&self, metadata: &Metadata, token: &str, audience: &str) -> Result<(Claims, i64), Unverified> {
        let wrong = |why: &str| Unverified::Wrong(why.to_owned());
        let no_token = || wrong("it is no JWT");
        if token.len() > MOST {
            return Err(wrong("it is too long"));
        }
        let (signed, signature) = token.rsplit_once('.').ok_or_else(no_token)?;
        let head = signed.split_once('.').ok_or_else(no_token)?.0;
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| no_token());
        let head: Head = serde_json::from_slice(&decoded(head)?).map_err(|_| no_token())?;
        if !ALGORITHMS.contains(&head.alg) {
            return Err(wrong("it is not signed in a way that only the provider can"));
        }
        // What says of itself that it is something else, such as a token that somebody signs out by, is none.
        let is_access =
            |typ: &String| ["at+jwt", "application/at+jwt", "jwt"].iter().any(|own| typ.eq_ignore_ascii_case(own));
        if head.typ.as_ref().is_some_and(|typ| !is_access(typ)) {
            return Err(wrong("it is no access token (typ)"));
        }
        let signature = decoded(signature)?;
        let named =
            |key: &&CoreJsonWebKey| head.kid.is_none() || key.key_id().map(|own| own.as_str()) == head.kid.as_deref();
        let mut keys = metadata.jwks().keys().iter().filter(named).peekable();
        if keys.peek().is_none() {
            return Err(Unverified::UnknownKey);
        }
        if !keys.any(|key| key.verify_signature(&head.alg, signed.as_bytes(), &signature).is_ok()) {
            return Err(wrong("its signature is not the provider's"));
        }
        let claims = Claims::of(token).ok_or_else(no_token)?;
        if claims.text("iss") != Some(self.config.issuer.as_str()) {
            return Err(wrong("it is of another issuer (iss)"));
        }
        if !claims.texts("aud").contains(&audience) {
            return Err(wrong("it was made for somebody else (aud)"));
        }
        if claims.text("sub").is_none_or(str::is_empty) {
            return Err(wrong("it says of nobody whose it is (sub)"));
        }
        let now = chrono::Utc::now().timestamp();
        let until = claims.seconds("exp").ok_or_else(|| wrong("it never ends (exp)"))?;
        if until + SKEW <= now {
            return Err(wrong("it is over (exp)"));
        }
        if ["nbf", "iat"].into_iter().filter_map(|at| claims.seconds(at)).any(|at| at > now + SKEW) {
            return Err(wrong("it does not hold yet (nbf, iat)"));
        }
        Ok((claims, until))
    }
}
