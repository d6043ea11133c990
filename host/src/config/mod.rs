//! `tandem.toml`: read once, checked whole, then trusted.

mod agent;
mod agents;
mod alerts;
mod backup;
mod console;
mod dpapi;
mod keep;
mod lines;
mod log;
pub mod put;
mod reconcile;
pub mod rewrite;
mod secret;
pub mod section;
mod stamp;
mod telemetry;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use self::agent::{AgentConfig, AgentKind, ModelApi};
pub use self::agents::{AgentsConfig, OauthConfig, RuleConfig, Then, a_day};
pub use self::alerts::{AlertRules, AlertsConfig, ChannelConfig, ChannelKind, Encryption, Language, What};
pub use self::backup::BackupConfig;
pub use self::console::{ConsoleConfig, OidcConfig, RolesConfig, ServerTls};
pub use self::keep::{KeepConfig, Payloads};
pub use self::lines::Lines;
pub use self::log::LogConfig;
pub use self::reconcile::ReconcileConfig;
pub use self::secret::{CREDSTORE, Secret, SecretError, SecretSource, text_of};
pub use self::stamp::{Stamp, stamp};
pub use self::telemetry::TelemetryConfig;

/// Why the configuration cannot be used. The text names file, place, cause and mend.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No file there.
    #[error("cannot read {path}: {cause}; `tandem init` writes one")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Not TOML, an unknown key, a wrong type.
    #[error("{path}: {cause}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, column and what was expected.
        cause: String,
    },
    /// Understood, but it cannot work.
    #[error("{}", problems.join("\n"))]
    Invalid {
        /// One line each, with file and line.
        problems: Vec<String>,
    },
}

/// The whole of `tandem.toml`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// This process.
    #[serde(default)]
    pub host: HostConfig,
    /// How browsers reach it.
    #[serde(default)]
    pub console: ConsoleConfig,
    /// The database.
    #[serde(default)]
    pub store: StoreConfig,
    /// When and where backups are made.
    #[serde(default)]
    pub backup: Option<BackupConfig>,
    /// When both sides are compared.
    #[serde(default)]
    pub reconcile: ReconcileConfig,
    /// Where the log goes; without it to standard error.
    #[serde(default)]
    pub log: Option<LogConfig>,
    /// B1 companies by connection name.
    #[serde(default)]
    pub b1: BTreeMap<String, B1Config>,
    /// Salesforce orgs by connection name.
    #[serde(default)]
    pub salesforce: BTreeMap<String, SalesforceConfig>,
    /// Configured uses of plugins by flow name.
    #[serde(default)]
    pub flows: BTreeMap<String, FlowConfig>,
    /// Whose plugins and releases are taken.
    #[serde(default)]
    pub trust: TrustConfig,
    /// Who is told when something is wrong.
    #[serde(default)]
    pub alerts: AlertsConfig,
    /// What people's assistants and programs may do.
    #[serde(default)]
    pub agents: AgentsConfig,
    /// Which collector takes traces and figures.
    #[serde(default)]
    pub telemetry: Option<TelemetryConfig>,
    /// The folder `tandem.toml` stands in: relative paths start there.
    #[serde(skip)]
    pub base: PathBuf,
    /// The file itself.
    #[serde(skip)]
    pub file: PathBuf,
    /// Where everything stands in it.
    #[serde(skip)]
    lines: Lines,
}

/// `[host]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HostConfig {
    /// Folder of `<plugin>.wasm` files.
    pub plugins: PathBuf,
    /// Where `/healthz`, `/readyz`, `/metrics` and the webhook listen.
    pub listen: SocketAddr,
    /// The host's own certificate: it speaks TLS to all who connect.
    pub tls: Option<ServerTls>,
    /// Seconds a stop waits for runs in progress; what is not finished then is recovered at the next start.
    pub stop_seconds: u64,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self {
            plugins: "plugins".into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 8484)),
            tls: None,
            stop_seconds: 20,
        }
    }
}

/// `[store]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// The SQLite file. The cache of compiled plugins and reports lie beside it, also where `url` says where the database is.
    pub path: PathBuf,
    /// A database of PostgreSQL in place of the file: `postgres://user@host:port/database`, by TLS unless the server is on this machine.
    pub url: Option<String>,
    /// Where the password of its user is kept.
    pub password: Option<SecretSource>,
    /// Whose certificate its server may show.
    pub tls: TlsConfig,
    /// Finished events and journals are kept so long. More than 3, the days Salesforce keeps events.
    pub keep_days: u32,
    /// Beyond this the oldest journals go first.
    pub max_megabytes: u64,
    /// Where the keys are kept that payloads, journals and links are sealed with: one a line, the first seals. Without it they are kept as they are.
    pub key: Option<SecretSource>,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            path: "data/tandem.db".into(),
            url: None,
            password: None,
            tls: TlsConfig::default(),
            keep_days: 30,
            max_megabytes: 4096,
            key: None,
        }
    }
}

/// `[trust]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrustConfig {
    /// Public keys of minisign, base64.
    pub keys: Vec<String>,
    /// Plugins, mapping plugins and imported releases without a signature of one of them are refused.
    pub signed_only: bool,
}

/// How a server's certificate is trusted. Neither key: the public authorities.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// PEM file of a private CA, or of the self-signed certificate itself.
    pub ca_file: Option<PathBuf>,
    /// SHA-256 of the server's certificate, hex with or without colons: only this one is trusted.
    pub pin_sha256: Option<String>,
}

/// A proxy on the way to a connection.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProxyConfig {
    /// Such as `http://proxy.intra:3128`; `https` where the proxy itself is reached over TLS.
    pub url: String,
    /// User name, where the proxy wants one.
    #[serde(default)]
    pub user: Option<String>,
    /// Where its password is kept.
    #[serde(default)]
    pub password: Option<SecretSource>,
}

/// `[b1.<name>]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct B1Config {
    /// Service Layer base, such as `https://b1server:50000/b1s/v2`.
    pub url: String,
    /// `CompanyDB`.
    pub company: String,
    /// `UserName`.
    pub user: String,
    /// Where `Password` is kept.
    pub password: SecretSource,
    /// Certificate trust.
    #[serde(default)]
    pub tls: TlsConfig,
    /// Proxy; without it B1 is reached directly.
    #[serde(default)]
    pub proxy: Option<ProxyConfig>,
    /// Sessions kept open; each takes a licence while in use.
    #[serde(default = "defaults::sessions")]
    pub sessions: u32,
    /// Rate budget.
    #[serde(default = "defaults::b1_rate")]
    pub requests_per_second: u32,
    /// Operations packed into one `$batch`.
    #[serde(default = "defaults::b1_batch")]
    pub batch: u32,
    /// Seconds until an answer counts as lost.
    #[serde(default = "defaults::timeout")]
    pub timeout_seconds: u64,
    /// Time zone of the company's clock, as in the IANA database.
    #[serde(default = "defaults::zone")]
    pub time_zone: String,
    /// Address under which B1 reaches `/hooks/b1/<connection>` of this host, https; with it B1's webhooks are used.
    #[serde(default)]
    pub webhook_url: Option<String>,
    /// Key that B1 signs its webhooks with.
    #[serde(default)]
    pub webhook_key: Option<SecretSource>,
    /// Seconds between two looks at what changed.
    #[serde(default = "defaults::poll")]
    pub poll_seconds: u64,
    /// Seconds between two looks at quantities in stock, which leave no trace in the item's `UpdateDate`.
    #[serde(default = "defaults::stock_scan")]
    pub stock_scan_seconds: u64,
    /// Seconds between two looks at prices, which leave none either.
    #[serde(default = "defaults::price_scan")]
    pub price_scan_seconds: u64,
}

/// `[salesforce.<name>]`: with `private_key` the JWT bearer flow, with `client_secret` client credentials.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SalesforceConfig {
    /// Login host, such as `https://login.salesforce.com` or the org's My Domain.
    pub login_url: String,
    /// Consumer key of the External Client App.
    pub client_id: String,
    /// Audience of the assertion, for JWT bearer, where it is not `login_url`: older orgs want
    /// `https://login.salesforce.com` beside a My Domain.
    #[serde(default)]
    pub audience: Option<String>,
    /// Integration user, for JWT bearer.
    #[serde(default)]
    pub username: Option<String>,
    /// PEM of the RSA key, for JWT bearer.
    #[serde(default)]
    pub private_key: Option<SecretSource>,
    /// For client credentials.
    #[serde(default)]
    pub client_secret: Option<SecretSource>,
    /// The last day of the key's certificate, or of the secret, such as `2027-03-31`: the org does not say it. It is told before.
    #[serde(default)]
    pub secret_until: Option<String>,
    /// Certificate trust; leave out for Salesforce itself.
    #[serde(default)]
    pub tls: TlsConfig,
    /// Proxy, for REST and events; without it the one that the environment names (`HTTPS_PROXY`, `NO_PROXY`).
    #[serde(default)]
    pub proxy: Option<ProxyConfig>,
    /// REST version.
    #[serde(default = "defaults::api_version")]
    pub api_version: String,
    /// Pub/Sub API endpoint.
    #[serde(default = "defaults::pubsub")]
    pub pubsub_url: String,
    /// Topics to subscribe to; empty where only the webhook brings events.
    #[serde(default = "defaults::topics")]
    pub topics: Vec<String>,
    /// Namespace of the package in the org; empty for a package without one.
    #[serde(default)]
    pub namespace: String,
    /// Key for signed webhooks; without it the webhook is closed.
    #[serde(default)]
    pub webhook_key: Option<SecretSource>,
    /// Rate budget.
    #[serde(default = "defaults::salesforce_rate")]
    pub requests_per_second: u32,
    /// Share of the org's daily API calls, in percent, at which Tandem holds back.
    #[serde(default = "defaults::daily_percent")]
    pub daily_limit_percent: u32,
    /// Seconds until an answer counts as lost.
    #[serde(default = "defaults::timeout")]
    pub timeout_seconds: u64,
    /// How often the host says in the org that it is well, in seconds; 0 for never, and no reviews there.
    #[serde(default = "defaults::report")]
    pub report_seconds: u64,
    /// How often the host takes what the org could not publish, in seconds; 0 for never.
    #[serde(default = "defaults::outbox")]
    pub outbox_seconds: u64,
    /// When what fired no trigger is looked for, such as `02:30`, or `off`.
    #[serde(default = "defaults::sweep")]
    pub sweep: String,
    /// API calls of one sweep; one reads 2,000 records.
    #[serde(default = "defaults::sweep_calls")]
    pub sweep_calls: u32,
    /// Time zone of `sweep`, as in the IANA database.
    #[serde(default = "defaults::zone")]
    pub time_zone: String,
}

impl SalesforceConfig {
    /// When sweeps begin, as cron; none where they are off. What is neither was refused when the file was read.
    pub fn sweep_cron(&self) -> Option<String> {
        daily(&self.sweep)
    }
}

/// An hour of each day, such as `02:30`, as cron; none where it is no hour.
fn daily(hour: &str) -> Option<String> {
    let at = chrono::NaiveTime::parse_from_str(hour, "%H:%M").ok()?;
    Some(at.format("%-M %-H * * *").to_string())
}

/// `[flows.<name>]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowConfig {
    /// Plugin name: `<plugins>/<name>.wasm`.
    pub plugin: String,
    /// Slot of the plugin → connection name.
    pub connections: BTreeMap<String, String>,
    /// Mapping file; without it the plugin's own default.
    #[serde(default)]
    pub mapping: Option<PathBuf>,
    /// Mapping plugin (a component of the `mapper` world) applied after the mapping file.
    #[serde(default)]
    pub mapper: Option<PathBuf>,
    /// The plugin's settings, checked against its JSON Schema by `tandem check`.
    #[serde(default)]
    pub settings: toml::Table,
    /// When what its files say goes live.
    #[serde(default)]
    pub release: Policy,
    /// Events per run at most; without it what the plugin likes, or 50.
    #[serde(default)]
    pub batch: Option<u32>,
    /// Runs at once; without it what the plugin likes, or 2.
    #[serde(default)]
    pub concurrency: Option<u32>,
    /// Counted attempts before an event goes to review.
    #[serde(default = "defaults::attempts")]
    pub max_attempts: u32,
    /// Time zone of timers, as in the IANA database.
    #[serde(default = "defaults::zone")]
    pub time_zone: String,
    /// What one run may use.
    #[serde(default)]
    pub limits: Limits,
    /// How much is kept of what is finished, and how long.
    #[serde(default)]
    pub keep: KeepConfig,
}

/// When a changed plugin, mapping, mapping plugin or setting of a flow goes live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// By itself, once it can be used and asks for no more than was allowed.
    #[default]
    AtOnce,
    /// By itself where recorded runs end the same under it; otherwise when a person makes it live.
    IfSame,
    /// When a person makes it live.
    ByHand,
}

/// `[flows.<name>.limits]`: what one run may use.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Linear memory, MiB.
    pub memory_mb: u64,
    /// Time on the processor, milliseconds.
    pub cpu_ms: u64,
    /// Time from start to end, calls included, seconds.
    pub run_seconds: u64,
    /// Wasm instructions, in millions.
    pub fuel_millions: u64,
    /// Host calls; each item of a many-at-once call counts.
    pub host_calls: u32,
    /// Bytes of one request.
    pub request_bytes: u64,
    /// Bytes of one response.
    pub response_bytes: u64,
    /// Bytes of the flow's storage.
    pub storage_bytes: u64,
    /// Bytes of log lines.
    pub log_bytes: u64,
    /// Events emitted.
    pub emitted_events: u32,
    /// Bytes of all texts that the host keeps of a run until its end: journal, links, events, outcomes.
    pub run_bytes: u64,
    /// Links of a chain in which an emitted event makes a run emit the next.
    pub emission_chain: u32,
    /// Events that one event may bring about in all, those that its own bring about counted in.
    pub brought_about: u64,
    /// Wake-ups of the flow that are planned at once.
    pub wakes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_mb: 64,
            cpu_ms: 5_000,
            run_seconds: 180,
            fuel_millions: 20_000,
            host_calls: 50_000,
            request_bytes: 4 << 20,
            response_bytes: 16 << 20,
            storage_bytes: 64 << 20,
            log_bytes: 256 << 10,
            emitted_events: 1_000,
            run_bytes: 32 << 20,
            emission_chain: 16,
            brought_about: 10_000,
            wakes: 100_000,
        }
    }
}

/// Two bytes of algorithm, eight of its number, thirty-two of the key.
fn is_public_key(text: &str) -> bool {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text);
    bytes.is_ok_and(|bytes| bytes.len() == 42 && bytes.starts_with(b"Ed"))
}

mod defaults {
    pub fn sessions() -> u32 {
        4
    }
    pub fn b1_rate() -> u32 {
        50
    }
    pub fn b1_batch() -> u32 {
        50
    }
    pub fn salesforce_rate() -> u32 {
        50
    }
    pub fn daily_percent() -> u32 {
        90
    }
    pub fn timeout() -> u64 {
        60
    }
    pub fn api_version() -> String {
        "64.0".into()
    }
    pub fn pubsub() -> String {
        "https://api.pubsub.salesforce.com:7443".into()
    }
    pub fn topics() -> Vec<String> {
        vec!["/event/Tandem_Change__e".into(), "/event/Tandem_Since__e".into()]
    }
    pub fn attempts() -> u32 {
        10
    }
    pub fn report() -> u64 {
        300
    }
    pub fn outbox() -> u64 {
        300
    }
    pub fn sweep() -> String {
        "02:30".into()
    }
    pub fn sweep_calls() -> u32 {
        1_000
    }
    pub fn poll() -> u64 {
        60
    }
    pub fn stock_scan() -> u64 {
        600
    }
    pub fn price_scan() -> u64 {
        3_600
    }
    pub fn zone() -> String {
        "UTC".into()
    }
}

/// Pub/Sub API endpoint where none is given.
pub fn pubsub_url() -> String {
    defaults::pubsub()
}

impl Config {
    /// Reads and checks the file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|cause| ConfigError::Unreadable { path: path.to_owned(), cause })?;
        Self::parse(&text, path)
    }

    /// What the file at `path` says, or would say.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text)
            .map_err(|e| ConfigError::Malformed { path: path.to_owned(), cause: words_of(&e, text) })?;
        config.base = path.parent().map(Path::to_owned).unwrap_or_default();
        config.file = path.to_owned();
        config.lines = Lines::of(text);
        let problems = config.problems();
        if problems.is_empty() { Ok(config) } else { Err(ConfigError::Invalid { problems }) }
    }

    /// File and line of a key by its path, or of the section around it, to begin an error with: `tandem.toml: line 12: `.
    pub fn place(&self, path: &[&str]) -> String {
        let line = self.lines.line(path).map_or_else(String::new, |line| format!(" line {line}:"));
        format!("{}:{line} ", self.file.display())
    }

    /// A flow by name; otherwise those there are, in words.
    pub fn flow(&self, name: &str) -> Result<&FlowConfig, String> {
        self.flows.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.flows.keys().map(String::as_str).collect();
            if known.is_empty() { "none is configured".into() } else { format!("known: {}", known.join(", ")) }
        })
    }

    /// A path of the file, seen from where Tandem was started.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Problems { config: self, told: Vec::new() };
        for (name, b1) in &self.b1 {
            self.check_b1(&mut problems.of(&["b1", name]), name, b1);
        }
        for (name, org) in &self.salesforce {
            check_salesforce(&mut problems.of(&["salesforce", name]), name, org);
        }
        for (name, flow) in &self.flows {
            self.check_flow(&mut problems.of(&["flows", name]), name, flow);
        }
        self.check_console(&mut problems.of(&["console"]));
        if let Some(oidc) = &self.console.oidc {
            self.check_oidc(&mut problems.of(&["console", "oidc"]), oidc);
        }
        self.check_alerts(&mut problems.of(&["alerts"]));
        for (name, channel) in &self.alerts.channels {
            self.check_channel(&mut problems.of(&["alerts", name]), name, channel);
        }
        if let Some(backup) = &self.backup {
            self.check_backup(&mut problems.of(&["backup"]), backup);
        }
        self.check_reconcile(&mut problems.of(&["reconcile"]));
        self.check_agents(&mut problems.of(&["agents"]));
        for (name, agent) in &self.agents.own {
            self.check_agent(&mut problems.of(&["agents", name]), name, agent);
        }
        if let Some(telemetry) = &self.telemetry {
            Self::check_telemetry(&mut problems.of(&["telemetry"]), telemetry);
        }
        if let Some(log) = &self.log {
            self.check_log(&mut problems.of(&["log"]), log);
        }
        let mut trust = problems.of(&["trust"]);
        for key in self.trust.keys.iter().filter(|key| !is_public_key(key)) {
            trust.tell("keys", format!(": {key:?} is no public key of minisign (56 letters that begin with RW)"));
        }
        if self.trust.signed_only && self.trust.keys.is_empty() {
            trust.tell("signed_only", ": no key is given in `keys`, so that nothing at all could be taken");
        }
        let mut store = problems.of(&["store"]);
        store.tls(&self.store.tls);
        match &self.store.url {
            Some(_) if self.store.key.is_some() => store.tell(
                "key",
                ": values are sealed in a file alone; with [store] url the disks of its server are encrypted instead",
            ),
            Some(_) if self.backup.is_some() => store.tell(
                "url",
                ": [backup] copies a file; a database of PostgreSQL is backed up by its server's own means, such as pg_dump: \
                 take [backup] out",
            ),
            Some(_) => {}
            None => {
                for (key, is_there) in [
                    ("password", self.store.password.is_some()),
                    ("tls", self.store.tls != TlsConfig::default()),
                ] {
                    if is_there {
                        store.tell(key, ": is for a database that [store] url names, and none is named");
                    }
                }
            }
        }
        if self.store.max_megabytes < LEAST_MEGABYTES {
            store.tell(
                "max_megabytes",
                format!(
                    " = {}: must be {LEAST_MEGABYTES} or more; beyond it journals and finished events are removed",
                    self.store.max_megabytes
                ),
            );
        }
        if self.store.keep_days <= 3 {
            store.tell(
                "keep_days",
                format!(
                    " = {}: must be more than 3, the days Salesforce keeps events, or a repeated event would be taken for a new \
                     one",
                    self.store.keep_days
                ),
            );
        }
        problems.told
    }

    fn check_b1(&self, section: &mut Section, name: &str, b1: &B1Config) {
        section.named(name);
        if self.salesforce.contains_key(name) {
            section.tell("", format!(" and [salesforce.{name}] share a name; give one of them another"));
        }
        section.url("url", &b1.url);
        if !b1.url.trim_end_matches('/').ends_with("/b1s/v2") {
            section.tell("url", format!(" = \"{}\" does not end in /b1s/v2; Tandem speaks Service Layer v2", b1.url));
        }
        section.filled(&[("company", Some(&b1.company)), ("user", Some(&b1.user))]);
        if b1.webhook_url.is_some() != b1.webhook_key.is_some() {
            let given = if b1.webhook_url.is_some() { "webhook_url" } else { "webhook_key" };
            section.tell(given, ": webhook_url and webhook_key go together; give both or none");
        }
        if let Some(url) = b1.webhook_url.as_ref().filter(|url| !url.starts_with("https://")) {
            section.tell("webhook_url", format!(" = \"{url}\": B1 tells https addresses only"));
        }
        section.zone("time_zone", &b1.time_zone);
        section.positive(&[
            ("poll_seconds", b1.poll_seconds),
            ("stock_scan_seconds", b1.stock_scan_seconds),
            ("price_scan_seconds", b1.price_scan_seconds),
            ("sessions", b1.sessions.into()),
            ("requests_per_second", b1.requests_per_second.into()),
            ("batch", b1.batch.into()),
            ("timeout_seconds", b1.timeout_seconds),
        ]);
        section.tls(&b1.tls);
        section.proxy(b1.proxy.as_ref());
    }

    fn check_flow(&self, section: &mut Section, name: &str, flow: &FlowConfig) {
        // `Code` of B1's ledger table holds 50 characters: flow, two colons, an 18-character id and a purpose.
        let fits = (1..=20).contains(&name.len())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if !fits {
            section.tell("", ": a flow's name has lower case letters, digits and dashes, 1 to 20");
        }
        section.filled(&[("plugin", Some(&flow.plugin))]);
        for (slot, connection) in &flow.connections {
            if !self.b1.contains_key(connection) && !self.salesforce.contains_key(connection) {
                let known = self.connections_for(slot);
                section.tell(
                    &format!("connections.{slot}"),
                    format!(" = \"{connection}\": there is no such connection; {known}"),
                );
            }
        }
        section.positive(&[
            ("batch", flow.batch.unwrap_or(1).into()),
            ("concurrency", flow.concurrency.unwrap_or(1).into()),
            ("max_attempts", flow.max_attempts.into()),
        ]);
        section.zone("time_zone", &flow.time_zone);
        if let Some(days) = flow.keep.days.filter(|days| *days <= 3) {
            section.tell(
                "keep.days",
                format!(
                    " = {days}: must be more than 3, the days Salesforce keeps events, or a repeated event would be taken for a new one"
                ),
            );
        }
        let limits = &flow.limits;
        section.within(&[
            ("limits.memory_mb", limits.memory_mb, 16, MOST_MEMORY_MB),
            ("limits.cpu_ms", limits.cpu_ms, 50, u64::MAX),
            ("limits.run_seconds", limits.run_seconds, 3, u64::MAX),
            ("limits.fuel_millions", limits.fuel_millions, 1, u64::MAX),
            ("limits.host_calls", limits.host_calls.into(), 100, u64::MAX),
            ("limits.request_bytes", limits.request_bytes, 4 << 10, u64::MAX),
            ("limits.response_bytes", limits.response_bytes, 4 << 10, u64::MAX),
            ("limits.run_bytes", limits.run_bytes, 1 << 20, u64::MAX),
            ("limits.emission_chain", limits.emission_chain.into(), 1, u64::MAX),
            ("limits.brought_about", limits.brought_about, 1, u64::MAX),
            ("limits.wakes", limits.wakes, 1, u64::MAX),
        ]);
    }

    /// The connections to choose from, in words: those of a kind, `b1` or `salesforce`. A slot that is not called after a kind has
    /// its kind from its plugin alone: all, each with its kind.
    pub fn connections_for(&self, kind: &str) -> String {
        let of = |names: &mut dyn Iterator<Item = &String>, kind: &str| -> Vec<String> {
            names.map(|name| if kind.is_empty() { name.clone() } else { format!("{name} ({kind})") }).collect()
        };
        let known = match kind {
            "b1" => of(&mut self.b1.keys(), ""),
            "salesforce" => of(&mut self.salesforce.keys(), ""),
            _ => [of(&mut self.b1.keys(), "b1"), of(&mut self.salesforce.keys(), "salesforce")].concat(),
        };
        if known.is_empty() { "known: none".into() } else { format!("known: {}", known.join(", ")) }
    }
}

/// Bytes of a connection's name: it stands in addresses, in the log, and in the names of files.
const MOST_NAME: usize = 60;

/// Why a connection cannot be called so.
pub fn connection_name(name: &str) -> Result<(), String> {
    if name.trim().is_empty() || name.trim() != name || name.len() > MOST_NAME {
        return Err(format!(
            "a connection needs a name of at most {MOST_NAME} letters, such as erp, without spaces around it"
        ));
    }
    let is_none = |c: &char| c.is_control() || r#"/\:*?"<>|"#.contains(*c);
    match name.chars().find(is_none) {
        Some(c) => Err(format!("a connection's name stands in addresses and in names of files, and has no {c:?}")),
        None => Ok(()),
    }
}

fn check_salesforce(section: &mut Section, name: &str, org: &SalesforceConfig) {
    section.named(name);
    section.url("login_url", &org.login_url);
    section.url("pubsub_url", &org.pubsub_url);
    section.filled(&[
        ("client_id", Some(&org.client_id)),
        ("audience", org.audience.as_ref()),
        ("username", org.username.as_ref()),
        ("api_version", Some(&org.api_version)),
    ]);
    match (&org.private_key, &org.client_secret) {
        (None, None) => {
            section.tell("", " has neither private_key (JWT bearer) nor client_secret (client credentials); give one")
        }
        (Some(_), Some(_)) => section.tell("client_secret", ": there is private_key, too; give one"),
        (Some(_), None) if org.username.is_none() => {
            section.tell("private_key", ": username is missing; JWT bearer needs the integration user");
        }
        (Some(_), None) => {}
        (None, Some(_)) => {
            for (key, given) in [("audience", &org.audience), ("username", &org.username)] {
                if given.is_some() {
                    section.tell(
                        key,
                        " is for JWT bearer, and client_secret signs in with client credentials: remove it, or give private_key \
                         in place of client_secret",
                    );
                }
            }
        }
    }
    if org.topics.iter().any(|topic| !topic.starts_with('/')) {
        section.tell("topics", ": a topic begins with a slash, such as /event/Tandem_Change__e");
    }
    let is_namespace = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_namespace(&org.namespace) || org.namespace.ends_with('_') || org.namespace.len() > 15 {
        section.tell("namespace", ": at most 15 letters and digits, as Setup, Installed Packages shows it");
    }
    if org.sweep != "off" && org.sweep_cron().is_none() {
        section.tell("sweep", format!(" = \"{}\": an hour such as \"02:30\", or \"off\"", org.sweep));
    }
    if org.sweep_calls < LEAST_SWEEP_CALLS {
        let most = org.sweep_calls;
        section.tell(
            "sweep_calls",
            format!(" = {most}: must be {LEAST_SWEEP_CALLS} or more; to ask what is watched takes some"),
        );
    }
    section.zone("time_zone", &org.time_zone);
    section.day("secret_until", org.secret_until.as_deref());
    section.positive(&[
        ("requests_per_second", org.requests_per_second.into()),
        ("daily_limit_percent", org.daily_limit_percent.into()),
        ("timeout_seconds", org.timeout_seconds),
    ]);
    section.tls(&org.tls);
    section.proxy(org.proxy.as_ref());
}

/// What is wrong so far, each with file and line.
struct Problems<'a> {
    config: &'a Config,
    told: Vec<String>,
}

impl<'a> Problems<'a> {
    fn of<'b>(&'b mut self, path: &'b [&'b str]) -> Section<'a, 'b> {
        Section { problems: self, path }
    }
}

/// What is wrong in one section.
struct Section<'a, 'b> {
    problems: &'b mut Problems<'a>,
    path: &'b [&'b str],
}

impl Section<'_, '_> {
    /// `[b1.erp] url` and what about it; an empty key is the section itself, one with dots stands in a table of it.
    fn tell(&mut self, key: &str, what: impl std::fmt::Display) {
        let path: Vec<&str> = self.path.iter().copied().chain(key.split('.')).filter(|step| !step.is_empty()).collect();
        let place = self.problems.config.place(&path);
        let space = if key.is_empty() { "" } else { " " };
        self.problems.told.push(format!("{place}[{}]{space}{key}{what}", self.path.join(".")));
    }

    fn named(&mut self, name: &str) {
        if let Err(why) = connection_name(name) {
            self.tell("", format_args!(": {why}"));
        }
    }

    /// Texts that say nothing.
    fn filled(&mut self, texts: &[(&str, Option<&String>)]) {
        for (key, text) in texts {
            if text.is_some_and(|text| text.trim().is_empty()) {
                self.tell(key, " is empty: give it, or remove the line");
            }
        }
    }

    fn positive(&mut self, numbers: &[(&str, u64)]) {
        for (key, number) in numbers {
            if *number == 0 {
                self.tell(key, " = 0: must be 1 or more");
            }
        }
    }

    /// Limits below which no run of any plugin would do its work, nor above what the host keeps room for.
    fn within(&mut self, numbers: &[(&str, u64, u64, u64)]) {
        for (key, number, least, most) in numbers {
            if number < least {
                self.tell(
                    key,
                    format!(" = {number}: must be {least} or more, or no run succeeds; without the line it is enough"),
                );
            } else if number > most {
                self.tell(key, format!(" = {number}: must be {most} or less"));
            }
        }
    }

    fn url(&mut self, key: &str, url: &str) {
        match url.parse::<reqwest::Url>() {
            Ok(url) if url.scheme() == "https" => {}
            // Plain HTTP only where nobody else can listen: the simulators on this machine.
            Ok(url)
                if url.scheme() == "http" && matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]")) => {}
            Ok(url) if url.scheme() == "http" => self.tell(
                key,
                format!(
                    " = \"{url}\": plain http would send passwords in the open; use https (http is for 127.0.0.1 only)"
                ),
            ),
            _ => self.tell(key, format!(" = \"{url}\" is not an address; write it like https://server:port/path")),
        }
    }

    fn zone(&mut self, key: &str, zone: &str) {
        if zone.parse::<chrono_tz::Tz>().is_err() {
            self.tell(key, format!(" = \"{zone}\": not in the IANA database; write it like Europe/Berlin"));
        }
    }

    fn day(&mut self, key: &str, day: Option<&str>) {
        if let Some(day) = day.filter(|day| day.parse::<chrono::NaiveDate>().is_err()) {
            self.tell(key, format!(" = \"{day}\": a day such as 2027-03-31"));
        }
    }

    fn tls(&mut self, tls: &TlsConfig) {
        let Some(pin) = &tls.pin_sha256 else { return };
        let digits = pin.chars().filter(|c| *c != ':').count();
        if digits != 64 || !pin.chars().all(|c| c.is_ascii_hexdigit() || c == ':') {
            self.tell("tls.pin_sha256", format!(" has {digits} hex digits; a SHA-256 has 64"));
        }
        if tls.ca_file.is_some() {
            self.tell("tls.ca_file", " is not looked at where there is pin_sha256; give one");
        }
    }

    fn proxy(&mut self, proxy: Option<&ProxyConfig>) {
        let Some(proxy) = proxy else { return };
        match proxy.url.parse::<reqwest::Url>() {
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                self.tell("proxy.url", ": user and password do not stand in url; give user = and password = { … }");
            }
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.host_str().is_some() => {}
            // Such as user:password@proxy:3128.
            _ if proxy.url.contains('@') => {
                self.tell("proxy.url", ": user and password do not stand in url; give user = and password = { … }");
            }
            _ => self.tell(
                "proxy.url",
                format!(" = \"{}\" is not a proxy's address; write it like http://proxy:3128", proxy.url),
            ),
        }
        if proxy.user.is_some() != proxy.password.is_some() {
            self.tell("proxy", ": user and password go together; give both or none");
        }
    }
}

/// For each of the instances that the host keeps room for.
pub const MOST_MEMORY_MB: u64 = 512;

/// Below that a store would forget what it has just done.
const LEAST_MEGABYTES: u64 = 64;
/// A sweep asks what is watched and of what fields before it reads.
const LEAST_SWEEP_CALLS: u32 = 50;

/// Where and what, without the line itself: a password may stand there by mistake, and this goes into logs.
fn words_of(error: &toml::de::Error, text: &str) -> String {
    let place = error.span().and_then(|span| text.get(..span.start)).map(|before| {
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
        format!("line {line}, column {column}: ")
    });
    format!("{}{}", place.unwrap_or_default(), error.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tandem.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(&path)
    }

    #[test]
    fn a_typo_is_named_with_its_line_and_the_known_keys() {
        let error = load("[b1.erp]\nurl = \"https://b1:50000/b1s/v2\"\ncompnay = \"X\"\n").unwrap_err().to_string();
        assert!(error.contains("line 3"), "{error}");
        assert!(error.contains("compnay") && error.contains("company"), "{error}");
    }

    #[test]
    fn a_password_that_stands_in_the_file_is_not_repeated() {
        for wrong in ["\"geheim\"", "geheim", "{ value = \"geheim\" }", "{ env = \"A\", geheim = \"B\" }"] {
            let text = format!(
                "[b1.erp]\nurl = \"https://b1:50000/b1s/v2\"\ncompany = \"X\"\nuser = \"u\"\npassword = {wrong}\n"
            );
            let error = load(&text).unwrap_err().to_string();
            assert!(error.contains("line 5") && !error.contains("geheim"), "{error}");
        }
        assert!(load("[store]\nmax_megabytes = 0\n").unwrap_err().to_string().contains("max_megabytes"));
    }

    #[test]
    fn a_sweep_has_an_hour_and_calls_enough_to_begin_with() {
        let with = |lines: &str| {
            load(&format!(
                "[salesforce.crm]\nlogin_url = \"https://x.my.salesforce.com\"\nclient_id = \"c\"\nclient_secret = {{ env = \"S\" }}\n{lines}"
            ))
        };
        let cron = |lines: &str| with(lines).unwrap().salesforce["crm"].sweep_cron();
        assert_eq!(cron("").as_deref(), Some("30 2 * * *"));
        assert_eq!(cron("sweep = \"23:05\"").as_deref(), Some("5 23 * * *"));
        assert_eq!(cron("sweep = \"off\""), None);
        for wrong in ["sweep = \"25:00\"", "sweep = \"never\"", "sweep_calls = 3", "time_zone = \"Mars\""] {
            let error = with(wrong).unwrap_err().to_string();
            assert!(error.contains(wrong.split(' ').next().unwrap()), "{error}");
        }
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let error = load(
            "[b1.erp]\nurl = \"http://b1:50000/b1s/v2\"\ncompany = \"X\"\nuser = \"u\"\npassword = { env = \"P\" }\n\
             [flows.orders]\nplugin = \"orders\"\nconnections = { b1 = \"epr\" }\ntime_zone = \"Berlin\"\n",
        )
        .unwrap_err()
        .to_string();
        assert!(error.contains("plain http"), "{error}");
        assert!(error.contains("\"epr\"") && error.contains("known: erp"), "{error}");
        assert!(error.contains("Europe/Berlin"), "{error}");
    }

    #[test]
    fn limits_that_no_run_could_keep_and_names_that_are_none_are_told() {
        let flow = |name: &str, limits: &str| {
            let text = format!("[flows.{name}]\nplugin = \"orders\"\nconnections = {{}}\nlimits = {{ {limits} }}\n");
            load(&text).map(|_| ()).map_err(|e| e.to_string())
        };
        assert_eq!(flow("orders", "memory_mb = 16, emitted_events = 0, log_bytes = 0"), Ok(()));
        for limit in [
            "memory_mb = 0",
            "memory_mb = 9999999999",
            "cpu_ms = 0",
            "run_seconds = 0",
            "host_calls = 0",
            "run_bytes = 1",
        ] {
            let told = flow("orders", limit).unwrap_err();
            let name = limit.split(' ').next().unwrap();
            assert!(told.contains("line 4") && told.contains(name) && told.contains("must be"), "{told}");
        }
        assert!(flow("\"\"", "cpu_ms = 100").is_err(), "a flow without a name");
        assert!(load("[salesforce.\"\"]\nlogin_url = \"https://x.my.salesforce.com\"\nclient_id = \"c\"\nclient_secret = { env = \"S\" }\n").is_err());
    }

    #[test]
    fn a_proxy_is_an_address_and_its_password_stands_elsewhere() {
        let with = |proxy: &str| {
            let org = "[salesforce.crm]\nlogin_url = \"https://x.my.salesforce.com\"\nclient_id = \"c\"\n\
                       client_secret = { env = \"S\" }\n";
            load(&format!("{org}proxy = {{ {proxy} }}\n")).map(|_| ()).map_err(|e| e.to_string())
        };
        assert_eq!(with("url = \"http://proxy:3128\""), Ok(()));
        assert_eq!(with("url = \"http://[fd00::1]:3128\", user = \"u\", password = { env = \"P\" }"), Ok(()));
        for wrong in ["url = \"socks5://proxy:1080\"", "url = \"proxy:3128\"", "url = \"http://u:p@proxy:3128\""] {
            assert!(with(wrong).is_err(), "{wrong}");
        }
        assert!(with("url = \"http://proxy:3128\", user = \"u\"").unwrap_err().contains("go together"));
    }

    #[test]
    fn what_is_found_wrong_later_has_its_line_too() {
        let error = load(
            "# first\n[b1.erp]\nurl = \"https://b1:50000/b1s/v2\"\ncompany = \"X\"\nuser = \"\"\n\
             password = { env = \"P\" }\nbatch = 0\ntls = { pin_sha256 = \"ab\" }\n\
             [salesforce.crm]\nlogin_url = \"https://x.my.salesforce.com\"\nclient_id = \"c\"\n\
             [store]\nkeep_days = 1\n",
        )
        .unwrap_err()
        .to_string();
        for (line, what) in [
            (5, "[b1.erp] user is empty"),
            (7, "[b1.erp] batch = 0"),
            (8, "[b1.erp] tls.pin_sha256"),
            (9, "[salesforce.crm] has neither"),
            (13, "[store] keep_days"),
        ] {
            assert!(error.contains(&format!("tandem.toml: line {line}: {what}")), "{line} {what}: {error}");
        }
    }

    #[test]
    fn what_would_not_be_looked_at_is_refused_with_the_mend() {
        let with = |lines: &str| {
            let org = "[salesforce.crm]\nlogin_url = \"https://x.my.salesforce.com\"\nclient_id = \"c\"\n";
            load(&format!("{org}{lines}\n")).map(|_| ()).map_err(|e| e.to_string()).err().unwrap_or_default()
        };
        let (jwt, secret) = ("username = \"u\"\nprivate_key = { env = \"K\" }\n", "client_secret = { env = \"S\" }\n");
        assert_eq!(with(&format!("{jwt}audience = \"https://login.salesforce.com\"")), "");
        assert!(with(&format!("{jwt}audience = \"\"")).contains("line 6: [salesforce.crm] audience is empty"));
        for key in ["audience", "username"] {
            let told = with(&format!("{secret}{key} = \"https://login.salesforce.com\""));
            assert!(told.contains("line 5") && told.contains(key) && told.contains("remove it"), "{told}");
        }
        let both = format!("{secret}tls = {{ ca_file = \"a.pem\", pin_sha256 = \"{}\" }}", "0".repeat(64));
        assert!(with(&both).contains("ca_file"));
    }

    #[test]
    fn only_connections_of_the_right_kind_are_offered() {
        let both = "[b1.erp]\nurl = \"https://b1:50000/b1s/v2\"\ncompany = \"X\"\nuser = \"u\"\npassword = { env = \"P\" }\n\
                    [salesforce.crm]\nlogin_url = \"https://x.my.salesforce.com\"\nclient_id = \"c\"\nclient_secret = { env = \"S\" }\n";
        let with = |slot: &str| {
            load(&format!("{both}[flows.orders]\nplugin = \"orders\"\nconnections = {{ {slot} = \"x\" }}\n"))
                .unwrap_err()
                .to_string()
        };
        assert!(with("b1").ends_with("known: erp"), "{}", with("b1"));
        assert!(with("salesforce").ends_with("known: crm"), "{}", with("salesforce"));
        assert!(with("target").ends_with("known: erp (b1), crm (salesforce)"), "{}", with("target"));
    }

    #[test]
    fn a_single_sign_on_that_could_let_nobody_in_is_told() {
        let with = |console: &str, oidc: &str| {
            let oidc = format!(
                "[console.oidc]\nissuer = \"https://id.example.com\"\nclient_id = \"tandem\"\nclient_secret = {{ env = \"S\" }}\n{oidc}\n"
            );
            load(&format!("{console}\n{oidc}")).map(|_| ()).map_err(|e| e.to_string())
        };
        let roles = "roles = { operator = [\"ops\"] }";
        assert_eq!(with("", roles), Ok(()));
        assert_eq!(with("[console]\nurl = \"https://tandem.example.com\"\npassword = false", roles), Ok(()));
        assert!(with("", "").unwrap_err().contains("[console.oidc] roles: no group"));
        assert!(with("", "roles = { owner = [\"ops\"] }").unwrap_err().contains("owner"));
        let told = with("", &format!("{roles}\nflows = {{ sales = [\"ordres\"] }}")).unwrap_err();
        assert!(told.contains("ordres") && told.contains("sales"), "{told}");
        let told = with("[host]\nlisten = \"0.0.0.0:8484\"", roles).unwrap_err();
        assert!(told.contains("`url` of [console]"), "{told}");
        let told = load("[console]\npassword = false\n").unwrap_err().to_string();
        assert!(told.contains("nobody could sign in"), "{told}");
    }

    #[test]
    fn a_password_in_the_file_is_refused() {
        let error =
            load("[b1.erp]\nurl = \"https://b1:50000/b1s/v2\"\ncompany = \"X\"\nuser = \"u\"\npassword = \"p\"\n")
                .unwrap_err()
                .to_string();
        assert!(error.contains("line 5"), "{error}");
    }
}
