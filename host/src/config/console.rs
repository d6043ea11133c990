//! How browsers reach the console, and how people sign in: `[console]`, and the certificate of `[host]`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::{Config, ProxyConfig, SecretSource, Section, TlsConfig};

/// `[console]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConsoleConfig {
    /// `https://…`, the console's address, where a proxy that speaks TLS stands before it or the host speaks TLS itself; without either,
    /// browsers on this machine alone may use it.
    pub url: Option<String>,
    /// IP addresses of that proxy where it is on another machine: whom it names as the client is believed.
    pub proxies: Vec<IpAddr>,
    /// Accounts of this host sign in with their passwords.
    pub password: bool,
    /// People sign in at the company's provider.
    pub oidc: Option<OidcConfig>,
}

impl Default for ConsoleConfig {
    fn default() -> Self {
        Self { url: None, proxies: Vec::new(), password: true, oidc: None }
    }
}

/// `[console.oidc]`: an OpenID provider, such as Entra ID or Keycloak.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcConfig {
    /// As its tokens call it: below it lies `/.well-known/openid-configuration`.
    pub issuer: String,
    /// What the provider calls this host.
    pub client_id: String,
    /// What the host shows it.
    pub client_secret: SecretSource,
    /// The last day of that secret, such as `2027-03-31`: the provider does not say it. It is told before.
    #[serde(default)]
    pub secret_until: Option<String>,
    /// What people call it: stands on the sign-in page.
    #[serde(default = "single_sign_on")]
    pub name: String,
    /// What is asked for; `openid` always is.
    #[serde(default = "scopes")]
    pub scopes: Vec<String>,
    /// The claim with a person's name; without it `preferred_username`, or else `email`.
    #[serde(default)]
    pub name_claim: Option<String>,
    /// The claim with their groups; dots lead into it, such as `realm_access.roles`.
    #[serde(default = "groups")]
    pub roles_claim: String,
    /// Which groups give which role.
    #[serde(default)]
    pub roles: RolesConfig,
    /// Who is in one of these groups has its flows alone.
    #[serde(default)]
    pub flows: BTreeMap<String, Vec<String>>,
    /// Certificate trust; without it the public authorities and the operating system's.
    #[serde(default)]
    pub tls: TlsConfig,
    /// Proxy; without it the one that the environment names.
    #[serde(default)]
    pub proxy: Option<ProxyConfig>,
}

/// Groups by the role that they give; who is in several has the highest.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RolesConfig {
    /// Look.
    pub viewer: Vec<String>,
    /// Answer reviews.
    pub reviewer: Vec<String>,
    /// Run events again, make releases live.
    pub operator: Vec<String>,
    /// Say who may what.
    pub admin: Vec<String>,
}

impl RolesConfig {
    /// Every group that gives a role, each once.
    pub fn groups(&self) -> BTreeSet<&str> {
        let all = [&self.viewer, &self.reviewer, &self.operator, &self.admin];
        all.into_iter().flatten().map(String::as_str).collect()
    }
}

fn single_sign_on() -> String {
    "single sign-on".into()
}

fn scopes() -> Vec<String> {
    ["openid", "profile", "email"].map(str::to_owned).into()
}

fn groups() -> String {
    "groups".into()
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
        if !self.console.password && self.console.oidc.is_none() {
            section.tell("password", " = false: nobody could sign in; give [console.oidc], or remove the line");
        }
    }

    pub(super) fn check_oidc(&self, section: &mut Section, oidc: &OidcConfig) {
        section.url("issuer", &oidc.issuer);
        section.filled(&[
            ("client_id", Some(&oidc.client_id)),
            ("name", Some(&oidc.name)),
            ("name_claim", oidc.name_claim.as_ref()),
            ("roles_claim", Some(&oidc.roles_claim)),
        ]);
        if oidc.roles.groups().is_empty() {
            section.tell("roles", ": no group gives a role, so that nobody could sign in; write roles = { operator = [\"tandem-operators\"] }");
        }
        for (group, flows) in &oidc.flows {
            for flow in flows.iter().filter(|flow| !self.flows.contains_key(*flow)) {
                let known: Vec<&str> = self.flows.keys().map(String::as_str).collect();
                section.tell(
                    "flows",
                    format!(": \"{group}\" has the flow \"{flow}\", which is none; flows are: {}", known.join(", ")),
                );
            }
        }
        if self.console.url.is_none() && !self.host.listen.ip().is_loopback() {
            section.tell("", ": people come back from the provider to the console's address: give `url` of [console]");
        }
        section.day("secret_until", oidc.secret_until.as_deref());
        section.tls(&oidc.tls);
        section.proxy(oidc.proxy.as_ref());
    }
}
