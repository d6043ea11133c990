//! How browsers reach the console: `[console]`, and the certificate of `[host]`.

use std::net::IpAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::{Config, Section};

/// `[console]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConsoleConfig {
    /// `https://…`, the console's address, where a proxy that speaks TLS stands before it or the host speaks TLS itself; without either,
    /// browsers on this machine alone may use it.
    pub url: Option<String>,
    /// IP addresses of that proxy where it is on another machine: whom it names as the client is believed.
    pub proxies: Vec<IpAddr>,
}

/// `[host] tls`: what the host itself shows to who connects.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerTls {
    /// PEM file: the host's certificate, then those between it and the authority.
    pub certificate: PathBuf,
    /// PEM file of its private key.
    pub key: PathBuf,
}

impl Config {
    /// The console's address for browsers, without a slash at its end.
    pub fn console_address(&self) -> String {
        if let Some(url) = &self.console.url {
            return url.trim_end_matches('/').to_owned();
        }
        let scheme = if self.host.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.host.listen)
    }

    pub(super) fn check_console(&self, section: &mut Section) {
        if let Some(url) = &self.console.url {
            let is_bare = |url: &reqwest::Url| url.scheme() == "https" && url.host().is_some() && url.path() == "/";
            if !url.parse().is_ok_and(|url| is_bare(&url)) {
                section.tell(
                    "url",
                    format!(" = \"{url}\" is not the console's address; write it like https://tandem.example.com"),
                );
            }
        } else if !self.console.proxies.is_empty() {
            section.tell("proxies", ": whom a proxy names is believed only behind `url`, the console's address there");
        }
    }
}
