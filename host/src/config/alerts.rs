//! Who is told when something is wrong, by which channel, and from when on: `[alerts]`.

use std::collections::BTreeMap;
use std::fmt;

use chrono_tz::Tz;
use lettre::message::Mailbox;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::{Config, ProxyConfig, SecretSource, Section, TlsConfig};

/// `[alerts]`: from when on something is told, and the channels, each a section of its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertsConfig {
    /// From when on.
    pub rules: AlertRules,
    /// By name: `[alerts.<name>]`.
    pub channels: BTreeMap<String, ChannelConfig>,
}

/// From when on something is told.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertRules {
    /// What lasts shorter is not told; and so long it must be gone to be over.
    pub after_minutes: f64,
    /// An event that waits longer, where nothing else holds it up.
    pub oldest_minutes: f64,
    /// More questions than this.
    pub reviews: u64,
    /// Or one that waits longer.
    pub review_hours: f64,
    /// Of the org's daily API calls.
    pub budget_percent: u32,
    /// Less is free where the database lies.
    pub free_megabytes: u64,
    /// When the day before is told, such as `07:00`, or `off`.
    pub digest: String,
    /// Of `digest` and of the times in messages, as in the IANA database; without it this machine's.
    pub time_zone: Option<String>,
}

impl Default for AlertRules {
    fn default() -> Self {
        Self {
            after_minutes: 5.0,
            oldest_minutes: 60.0,
            reviews: 50,
            review_hours: 24.0,
            budget_percent: 80,
            free_megabytes: 1024,
            digest: "07:00".into(),
            time_zone: None,
        }
    }
}

impl AlertRules {
    /// When the digest is due, as cron; none where it is off. What is neither was refused when the file was read.
    pub fn digest_cron(&self) -> Option<String> {
        let at = chrono::NaiveTime::parse_from_str(&self.digest, "%H:%M").ok()?;
        Some(at.format("%-M %-H * * *").to_string())
    }

    /// See `time_zone`.
    pub fn zone(&self) -> Tz {
        let own = self.time_zone.clone().or_else(|| iana_time_zone::get_timezone().ok());
        own.and_then(|name| name.parse().ok()).unwrap_or(Tz::UTC)
    }
}

impl<'de> Deserialize<'de> for AlertsConfig {
    /// By hand: what is flattened forgets at which line it stood.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = AlertsConfig;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a section")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AlertsConfig, A::Error> {
                let mut read = AlertsConfig::default();
                while let Some(key) = map.next_key::<String>()? {
                    let rules = &mut read.rules;
                    match key.as_str() {
                        "after_minutes" => rules.after_minutes = map.next_value()?,
                        "oldest_minutes" => rules.oldest_minutes = map.next_value()?,
                        "reviews" => rules.reviews = map.next_value()?,
                        "review_hours" => rules.review_hours = map.next_value()?,
                        "budget_percent" => rules.budget_percent = map.next_value()?,
                        "free_megabytes" => rules.free_megabytes = map.next_value()?,
                        "digest" => rules.digest = map.next_value()?,
                        "time_zone" => rules.time_zone = Some(map.next_value()?),
                        _ => {
                            read.channels.insert(key, map.next_value()?);
                        }
                    }
                }
                Ok(read)
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

/// By what way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelKind {
    /// E-mail.
    Smtp,
    /// A workflow of Microsoft Teams that takes webhooks.
    Teams,
    /// An incoming webhook of Slack.
    Slack,
    /// A signed webhook of one's own.
    Webhook,
}

/// How the way to a mail server is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// It begins in the open and is encrypted before anything is said: port 587.
    #[default]
    Starttls,
    /// From the first byte: port 465.
    Tls,
    /// Never: to this machine only.
    None,
}

/// In which language a channel is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// German.
    De,
}

/// What may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// A connection cannot be used, or no events come from it.
    Outage,
    /// A flow cannot run.
    Held,
    /// The oldest event waits too long.
    Waiting,
    /// Questions are too many, or wait too long.
    Reviews,
    /// A call of a tool waits to be approved.
    Approvals,
    /// A new kind of error.
    Errors,
    /// A certificate or a secret ends soon.
    Expiry,
    /// Calls or deliveries of the org come to their end.
    Budget,
    /// Both sides differ for no reason that is known, or were not compared.
    Reconcile,
    /// The disk, and the database on it.
    Store,
    /// No backup is made.
    Backup,
    /// How the day was.
    Digest,
}

impl What {
    /// Everything, the most pressing first.
    pub const ALL: [Self; 12] = [
        Self::Store,
        Self::Backup,
        Self::Outage,
        Self::Held,
        Self::Waiting,
        Self::Budget,
        Self::Expiry,
        Self::Errors,
        Self::Reconcile,
        Self::Approvals,
        Self::Reviews,
        Self::Digest,
    ];

    /// As `what` of a channel has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Outage => "outage",
            Self::Held => "held",
            Self::Waiting => "waiting",
            Self::Reviews => "reviews",
            Self::Approvals => "approvals",
            Self::Reconcile => "reconcile",
            Self::Errors => "errors",
            Self::Expiry => "expiry",
            Self::Budget => "budget",
            Self::Store => "store",
            Self::Backup => "backup",
            Self::Digest => "digest",
        }
    }
}

/// `[alerts.<name>]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a channel ([alerts.<name>] with kind = …); beside the channels [alerts] has after_minutes, oldest_minutes, reviews, review_hours, budget_percent, free_megabytes, digest and time_zone"
)]
pub struct ChannelConfig {
    /// By what way.
    pub kind: ChannelKind,
    /// In which language.
    #[serde(default)]
    pub language: Language,
    /// Only what is about these flows, and about the host as a whole; without it all.
    #[serde(default)]
    pub flows: Option<Vec<String>>,
    /// Only this; without it everything.
    #[serde(default)]
    pub what: Option<Vec<What>>,
    /// Messages an hour at most; what is more is summed up in one line.
    #[serde(default = "per_hour")]
    pub per_hour: u32,
    /// The mail server and its port, such as `mail.intra:587`.
    #[serde(default)]
    pub server: Option<String>,
    /// How the way there is encrypted.
    #[serde(default)]
    pub encryption: Encryption,
    /// Whom it knows the host as; without it the host does not sign in.
    #[serde(default)]
    pub user: Option<String>,
    /// Where the password is kept.
    #[serde(default)]
    pub password: Option<SecretSource>,
    /// Who writes.
    #[serde(default)]
    pub from: Option<String>,
    /// To whom.
    #[serde(default)]
    pub to: Vec<String>,
    /// Where the address of the webhook is kept: who knows it may write there.
    #[serde(default)]
    pub url: Option<SecretSource>,
    /// Where the key is kept that a webhook of one's own is signed with.
    #[serde(default)]
    pub key: Option<SecretSource>,
    /// Certificate trust.
    #[serde(default)]
    pub tls: TlsConfig,
    /// Proxy; without it webhooks go through the one that the environment names, and mail through none.
    #[serde(default)]
    pub proxy: Option<ProxyConfig>,
    /// Seconds until a message counts as not sent.
    #[serde(default = "timeout")]
    pub timeout_seconds: u64,
}

fn per_hour() -> u32 {
    12
}

fn timeout() -> u64 {
    30
}

impl ChannelConfig {
    /// Whether this is told here; `flows`: of which it is, none for what is about the host as a whole.
    pub fn takes(&self, what: What, flows: &[String]) -> bool {
        let wanted = self.what.as_ref().is_none_or(|all| all.contains(&what));
        let own = |all: &Vec<String>| flows.is_empty() || flows.iter().any(|flow| all.contains(flow));
        wanted && self.flows.as_ref().is_none_or(own)
    }

    /// Host and port of the mail server.
    pub fn mail_server(&self) -> Option<(&str, u16)> {
        let (host, port) = self.server.as_deref()?.rsplit_once(':')?;
        let port = port.parse().ok().filter(|port| *port > 0)?;
        (!host.is_empty() && !host.contains(['/', '@', ' '])).then_some((host, port))
    }
}

impl Config {
    pub(super) fn check_alerts(&self, section: &mut Section) {
        let rules = &self.alerts.rules;
        let minutes = [("after_minutes", rules.after_minutes), ("oldest_minutes", rules.oldest_minutes)];
        for (key, number) in minutes.into_iter().chain([("review_hours", rules.review_hours)]) {
            // Up to ten years: a number of milliseconds that is one.
            if !(number > 0.0 && number < 5_000_000.0) {
                section.tell(key, format!(" = {number}: must be more than 0"));
            }
        }
        if !(1..=100).contains(&rules.budget_percent) {
            section.tell("budget_percent", format!(" = {}: a percentage, 1 to 100", rules.budget_percent));
        }
        if rules.digest != "off" && rules.digest_cron().is_none() {
            section.tell("digest", format!(" = \"{}\": an hour such as \"07:00\", or \"off\"", rules.digest));
        }
        if let Some(zone) = &rules.time_zone {
            section.zone("time_zone", zone);
        }
    }

    pub(super) fn check_channel(&self, section: &mut Section, name: &str, channel: &ChannelConfig) {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty() || !name.chars().all(plain) {
            section.tell("", ": a channel's name has letters, digits and dashes, such as ops");
        }
        for flow in channel.flows.iter().flatten().filter(|flow| !self.flows.contains_key(*flow)) {
            let known: Vec<&str> = self.flows.keys().map(String::as_str).collect();
            section.tell("flows", format!(": \"{flow}\" is none; flows are: {}", known.join(", ")));
        }
        section.positive(&[("per_hour", channel.per_hour.into()), ("timeout_seconds", channel.timeout_seconds)]);
        section.tls(&channel.tls);
        section.proxy(channel.proxy.as_ref());
        let mail = channel.kind == ChannelKind::Smtp;
        let given = [
            ("server", channel.server.is_some(), mail, mail),
            ("from", channel.from.is_some(), mail, mail),
            ("to", !channel.to.is_empty(), mail, mail),
            ("user", channel.user.is_some(), mail, false),
            ("password", channel.password.is_some(), mail, false),
            ("encryption", channel.encryption != Encryption::default(), mail, false),
            ("url", channel.url.is_some(), !mail, !mail),
            ("key", channel.key.is_some(), channel.kind == ChannelKind::Webhook, channel.kind == ChannelKind::Webhook),
        ];
        for (key, is_given, fits, must) in given {
            if is_given && !fits {
                section.tell(key, " is not looked at in a channel of this kind: remove it");
            } else if must && !is_given {
                section.tell(key, " is missing: a channel of this kind needs it");
            }
        }
        if mail {
            check_mail(section, channel);
        }
    }
}

fn check_mail(section: &mut Section, channel: &ChannelConfig) {
    if let Some(server) = &channel.server {
        match channel.mail_server() {
            None => section.tell("server", format!(" = \"{server}\": write it like mail.example.com:587")),
            Some((host, _)) if channel.encryption == Encryption::None && !is_own(host) => {
                section.tell("encryption", " = \"none\": only to this machine; everybody on the way would read it");
            }
            Some(_) => {}
        }
    }
    if channel.user.is_some() != channel.password.is_some() {
        section.tell("user", ": user and password go together; give both or none");
    }
    for (key, address) in channel.from.iter().map(|own| ("from", own)).chain(channel.to.iter().map(|own| ("to", own))) {
        if address.parse::<Mailbox>().is_err() {
            section.tell(key, format!(": \"{address}\" is no address; write it like tandem@example.com"));
        }
    }
}

fn is_own(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn load(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("tandem.toml")).map_err(|e| e.to_string())
    }

    const MAIL: &str = "[alerts.ops]\nkind = \"smtp\"\nserver = \"mail.intra:587\"\nfrom = \"tandem@example.com\"\nto = [\"ops@example.com\"]\n";

    #[test]
    fn a_channel_has_what_its_kind_needs_and_nothing_else() {
        assert_eq!(load(MAIL).unwrap().alerts.channels["ops"].mail_server(), Some(("mail.intra", 587)));
        let hook = |lines: &str| load(&format!("[alerts.ops]\nkind = \"webhook\"\nurl = {{ env = \"U\" }}\n{lines}"));
        assert!(hook("key = { env = \"K\" }\n").is_ok());
        assert!(hook("").unwrap_err().contains("[alerts.ops] key is missing"));
        let told = hook("key = { env = \"K\" }\nserver = \"mail:25\"\n").unwrap_err();
        assert!(told.contains("line 5: [alerts.ops] server is not looked at"), "{told}");
        for (wrong, word) in [
            ("encryption = \"none\"", "only to this machine"),
            ("user = \"tandem\"", "go together"),
            ("flows = [\"ordres\"]", "\"ordres\" is none"),
            ("per_hour = 0", "must be 1 or more"),
            ("what = [\"outages\"]", "line 6"),
            ("url = \"https://hooks.example.com/secret\"", "line 6"),
            ("kinds = 1", "line 6"),
        ] {
            let told = load(&format!("{MAIL}{wrong}\n")).unwrap_err();
            assert!(told.contains(word) && !told.contains("secret\""), "{wrong}: {told}");
        }
        let told = load(&MAIL.replace("ops@example.com", "ops")).unwrap_err();
        assert!(told.contains("\"ops\" is no address"), "{told}");
    }

    #[test]
    fn rules_stand_beside_the_channels_and_a_misspelt_one_is_told_with_its_line() {
        let config = load(&format!("[alerts]\nafter_minutes = 2\ndigest = \"06:30\"\n{MAIL}")).unwrap();
        assert_eq!(config.alerts.rules.after_minutes, 2.0);
        assert_eq!(config.alerts.rules.digest_cron().as_deref(), Some("30 6 * * *"));
        let told = load(&format!("[alerts]\nafter_minuts = 2\n{MAIL}")).unwrap_err();
        assert!(told.contains("line 2") && told.contains("after_minutes"), "{told}");
        for wrong in ["after_minutes = 0", "digest = \"25:00\"", "time_zone = \"Mars\"", "budget_percent = 101"] {
            let told = load(&format!("[alerts]\n{wrong}\n")).unwrap_err();
            assert!(told.contains(wrong.split(' ').next().unwrap()), "{told}");
        }
    }

    #[test]
    fn a_channel_takes_what_is_of_its_flows_and_of_the_host_itself() {
        let lines = "flows = [\"orders\"]\nwhat = [\"outage\", \"store\"]\n";
        let flow = "[flows.orders]\nplugin = \"orders\"\nconnections = {}\n";
        let config = load(&format!("{MAIL}{lines}{flow}")).unwrap();
        let channel = &config.alerts.channels["ops"];
        let flows = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!(channel.takes(What::Outage, &flows(&["accounts", "orders"])));
        assert!(channel.takes(What::Store, &[]), "the host is everybody's");
        assert!(!channel.takes(What::Outage, &flows(&["accounts"])));
        assert!(!channel.takes(What::Held, &flows(&["orders"])));
    }
}
