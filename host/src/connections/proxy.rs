//! Which proxy a request goes through: the connection's own, or the one that the environment names (`HTTPS_PROXY`,
//! `HTTP_PROXY`, `ALL_PROXY`, but for `NO_PROXY`). REST and gRPC ask here alike.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::Url;

use crate::config::{ProxyConfig, SecretError};

/// A proxy on the way.
#[derive(Clone, PartialEq, Eq)]
pub struct Hop {
    /// `http` or `https`, host and port; user and password, percent-encoded, where it wants them.
    url: Url,
}

impl Hop {
    fn new(text: &str, credentials: Option<(&str, &str)>) -> Option<Self> {
        let mut url: Url = text.parse().ok()?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return None;
        }
        if let Some((user, password)) = credentials {
            url.set_username(user).ok()?;
            url.set_password(Some(password)).ok()?;
        }
        Some(Self { url })
    }

    /// With user and password: for the client alone, never for a log.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// For messages: without user and password.
    pub fn name(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The value of `Proxy-Authorization`.
    pub fn authorization(&self) -> Option<String> {
        let plain = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        let user = plain(self.url.username());
        let password = plain(self.url.password().unwrap_or_default());
        (!user.is_empty()).then(|| format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
    }
}

/// See the module's words.
#[derive(Clone)]
pub enum Proxies {
    /// None at all.
    Direct,
    /// This one, whatever the target.
    Own(Hop),
    /// What the environment says of each target.
    Environment(Arc<Matcher>),
}

impl Proxies {
    /// The connection's own proxy, or else `otherwise`.
    pub fn new(own: Option<&ProxyConfig>, base: &Path, otherwise: Self) -> Result<Self, SecretError> {
        let Some(own) = own else { return Ok(otherwise) };
        let password = own.password.as_ref().map(|source| source.read(base)).transpose()?;
        let credentials = own.user.as_deref().zip(password.as_ref().map(|password| password.reveal()));
        // The configuration was checked: it is an address.
        Ok(Hop::new(&own.url, credentials).map_or(otherwise, Self::Own))
    }

    /// As the environment says.
    pub fn from_environment() -> Self {
        Self::Environment(Arc::new(Matcher::from_env()))
    }

    /// The proxy for this target. The environment's is not asked for what runs on this machine.
    pub fn hop(&self, target: &Url) -> Option<Hop> {
        match self {
            Self::Direct => None,
            Self::Own(hop) => Some(hop.clone()),
            Self::Environment(matcher) => {
                if is_loopback(target) {
                    return None;
                }
                let found = matcher.intercept(&target.as_str().parse().ok()?)?;
                let basic = found.basic_auth().and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
                let words = basic.and_then(|text| String::from_utf8(STANDARD.decode(text).ok()?).ok());
                Hop::new(&found.uri().to_string(), words.as_deref().and_then(|words| words.split_once(':')))
            }
        }
    }
}

fn is_loopback(target: &Url) -> bool {
    let host = target.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SecretSource;

    fn target(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn the_environment_decides_by_target_and_never_over_this_machine() {
        let matcher = Matcher::builder().https("http://us%40er:pa%3Ass@proxy.example:3128").no("intra.example").build();
        let proxies = Proxies::Environment(Arc::new(matcher));
        let hop = proxies.hop(&target("https://yours.my.salesforce.com/services")).unwrap();
        assert_eq!(hop.name(), "http://proxy.example:3128");
        assert_eq!(hop.authorization().unwrap(), format!("Basic {}", STANDARD.encode("us@er:pa:ss")));
        for direct in ["https://b1.intra.example", "https://127.0.0.1:1", "https://localhost:1", "https://[::1]:1"] {
            assert!(proxies.hop(&target(direct)).is_none(), "{direct}");
        }
        assert!(proxies.hop(&target("http://plain.example")).is_none(), "named for https only");
    }

    #[test]
    fn a_connection_has_its_own_with_any_password() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("proxy.password"), "p@ss:w/rd%\n").unwrap();
        let own = ProxyConfig {
            url: "https://proxy.example:8443".into(),
            user: Some("DOM\\tandem".into()),
            password: Some(SecretSource::File("proxy.password".into())),
        };
        let proxies = Proxies::new(Some(&own), folder.path(), Proxies::Direct).unwrap();
        let hop = proxies.hop(&target("https://127.0.0.1:7443")).unwrap();
        assert_eq!(hop.authorization().unwrap(), format!("Basic {}", STANDARD.encode("DOM\\tandem:p@ss:w/rd%")));
        assert!(!hop.name().contains("tandem"), "{}", hop.name());
    }
}
