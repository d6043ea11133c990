//! Which collector takes traces and figures: `[telemetry]`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Config, ProxyConfig, SecretSource, Section, TlsConfig};

/// `[telemetry]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetryConfig {
    /// OTLP over HTTP, such as `http://127.0.0.1:4318`.
    pub otlp: String,
    /// Headers that the collector wants, such as `authorization`, and where their values are kept.
    #[serde(default)]
    pub headers: BTreeMap<String, SecretSource>,
    /// What is said of this host beside its name, such as `deployment.environment.name`.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// Seconds between two tellings of the figures.
    #[serde(default = "seconds")]
    pub seconds: u64,
    /// Certificate trust.
    #[serde(default)]
    pub tls: TlsConfig,
    /// Proxy; without it the one that the environment names.
    #[serde(default)]
    pub proxy: Option<ProxyConfig>,
}

fn seconds() -> u64 {
    15
}

impl Config {
    pub(super) fn check_telemetry(section: &mut Section, telemetry: &TelemetryConfig) {
        section.url("otlp", &telemetry.otlp);
        section.positive(&[("seconds", telemetry.seconds)]);
        section.tls(&telemetry.tls);
        section.proxy(telemetry.proxy.as_ref());
    }
}
