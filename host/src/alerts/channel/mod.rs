//! The ways a message goes: e-mail, Microsoft Teams, Slack, a webhook of one's own. What a channel needs is read when it is used, so that a new
//! password or address counts at once, and a channel that cannot be used keeps nothing else from starting.

mod hook;
mod smtp;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::mailbox::Missed;
use super::words::Message;
use crate::config::{ChannelConfig, ChannelKind, SecretError};
use crate::plain::one_line;

/// Letters of what a server said.
const MOST_SAID: usize = 300;
/// Bytes of a card. Source: Microsoft, *Limits and specifications for Microsoft Teams*: 28 KB, all that the workflow adds included.
const MOST_TEAMS: usize = 18 << 10;
/// Letters of a text. Source: Slack, *chat.postMessage*: of more than 40,000 the rest is cut off.
const MOST_SLACK: usize = 35_000;
/// Bytes of a mail or a document.
const MOST_BYTES: usize = 256 << 10;

/// Why a message did not go out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// A secret is not there, or is no address.
    Secret,
    /// Nobody knows the server's name.
    UnknownHost,
    /// Nobody answers there.
    NotReached,
    /// Its certificate is not trusted.
    Certificate,
    /// The proxy on the way.
    Proxy,
    /// The server offers no encryption.
    NoEncryption,
    /// User or password.
    SignIn,
    /// Who writes.
    Sender,
    /// To whom.
    Recipient,
    /// It was refused, for another reason.
    #[default]
    Refused,
    /// Nothing came of it in time.
    TooSlow,
}

impl Fault {
    /// In a word that says nothing of the way: for whoever asks.
    pub fn word(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::UnknownHost => "unknown host",
            Self::NotReached => "not reached",
            Self::Certificate => "certificate",
            Self::Proxy => "proxy",
            Self::NoEncryption => "no encryption",
            Self::SignIn => "sign-in",
            Self::Sender => "sender",
            Self::Recipient => "recipient",
            Self::Refused => "refused",
            Self::TooSlow => "too slow",
        }
    }

    /// What to do about it.
    pub fn mend(self) -> &'static str {
        match self {
            Self::Secret => {
                "check the file or variable that the channel names: is it there, and does it hold what is meant?"
            }
            Self::UnknownHost => "is the server's name written right, and does this machine's DNS know it?",
            Self::NotReached => "is the server up, is the port right, and does the firewall let this machine through?",
            Self::Certificate => crate::connections::certificate::MEND,
            Self::Proxy => {
                "check proxy of the channel (or HTTPS_PROXY of the service), and what the proxy lets through"
            }
            Self::NoEncryption => {
                "give encryption = \"tls\" and the port for it (465), or have the server offer STARTTLS"
            }
            Self::SignIn => {
                "check user and password of the channel; many providers want a password made for programs, or SMTP sign-in allowed for this user"
            }
            Self::Sender => "give as `from` an address that this user may write as",
            Self::Recipient => "check the addresses in `to`; a server inside may refuse those outside (relaying)",
            Self::Refused => {
                "see what the server says; is the address of the webhook whole, and does its workflow still exist?"
            }
            Self::TooSlow => {
                "is the server busy, or does something on the way swallow the connection? timeout_seconds says how long it is waited for"
            }
        }
    }

    /// Of what a connection that was not made says.
    fn of(why: &str) -> Self {
        let why = why.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| why.contains(word));
        if has(&["certificate", "invalid peer", "unknownissuer"]) {
            Self::Certificate
        } else if has(&["the proxy"]) {
            Self::Proxy
        } else if has(&["lookup", "dns error", "name or service", "no such host", "nodename"]) {
            Self::UnknownHost
        } else if has(&["timed out", "timeout"]) {
            Self::TooSlow
        } else {
            Self::NotReached
        }
    }
}

/// A message that did not go out. Says nothing of what is secret.
#[derive(Clone, Debug, PartialEq)]
pub struct Unsent {
    /// Of what sort.
    pub fault: Fault,
    /// What was said.
    pub says: String,
    /// It was sent, and nobody says whether it arrived.
    pub unsure: bool,
}

impl Unsent {
    fn new(fault: Fault, says: impl fmt::Display) -> Self {
        Self { fault, says: said(&says.to_string()), unsure: false }
    }

    fn slow(patience: Duration) -> Self {
        Self::new(Fault::TooSlow, format!("no answer within {} s", patience.as_secs()))
    }

    /// Of a connection that was not made.
    fn connecting(why: impl fmt::Display) -> Self {
        let why = why.to_string();
        Self::new(Fault::of(&why), why)
    }
}

impl fmt::Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.says)
    }
}

impl From<SecretError> for Unsent {
    fn from(error: SecretError) -> Self {
        Self::new(Fault::Secret, error)
    }
}

/// What a server said, on one line.
fn said(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    one_line(&words.join(" ")).chars().take(MOST_SAID).collect()
}

/// Where it goes: the mail server, and of a webhook the host alone, since who knows the rest may write there.
pub fn server(channel: &ChannelConfig, base: &Path) -> Option<String> {
    match channel.kind {
        ChannelKind::Smtp => channel.server.clone(),
        _ => hook::url(channel, base).ok()?.host_str().map(str::to_owned),
    }
}

/// Whether its secrets can be read; nothing is sent.
pub fn look(channel: &ChannelConfig, base: &Path) -> Result<(), Unsent> {
    for secret in [&channel.password, &channel.key].into_iter().flatten() {
        secret.read(base)?;
    }
    if channel.url.is_some() {
        hook::url(channel, base)?;
    }
    Ok(())
}

/// A message that went out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sent {
    /// What the other end said to it.
    pub says: String,
    /// Who did not take it, where others did.
    pub missed: Option<Missed>,
}

/// Who is asked right before the message itself is sent: from then on it may arrive.
#[async_trait]
pub trait Going: Send + Sync + 'static {
    /// False: it is not to be sent any more.
    async fn goes(&self) -> bool;
}

/// Sends a message; `only`: to these alone of those that the channel names.
pub async fn send(
    channel: &ChannelConfig,
    base: &Path,
    message: &Message,
    only: Option<&[String]>,
    going: Arc<dyn Going>,
) -> Result<Sent, Unsent> {
    match channel.kind {
        ChannelKind::Smtp => smtp::send(channel, base, message, only, going).await,
        ChannelKind::Teams => hook::post(channel, base, hook::card(message), None, going).await,
        ChannelKind::Slack => hook::post(channel, base, hook::text(message), None, going).await,
        ChannelKind::Webhook => {
            let key = channel.key.as_ref().map(|key| key.read(base)).transpose()?;
            hook::post(channel, base, hook::document(message), key.as_ref(), going).await
        }
    }
}

/// Whether the other end takes a message of that size: what it refuses for it, it refuses each time.
pub fn fits(kind: ChannelKind, message: &Message) -> bool {
    let bytes = |document: &serde_json::Value| document.to_string().len();
    match kind {
        ChannelKind::Smtp => message.bytes() <= MOST_BYTES,
        ChannelKind::Teams => bytes(&hook::card(message)) <= MOST_TEAMS,
        ChannelKind::Slack => {
            hook::text(message)["text"].as_str().is_some_and(|text| text.chars().count() <= MOST_SLACK)
        }
        ChannelKind::Webhook => bytes(&hook::document(message)) <= MOST_BYTES,
    }
}

/// Goes never.
#[cfg(test)]
struct Withdrawn;

#[cfg(test)]
#[async_trait]
impl Going for Withdrawn {
    async fn goes(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_reached_is_told_apart_by_its_words() {
        for (why, fault) in [
            ("failed to lookup address information: Name or service not known", Fault::UnknownHost),
            ("client error (Connect): tcp connect error: Connection refused (os error 111)", Fault::NotReached),
            ("invalid peer certificate: UnknownIssuer", Fault::Certificate),
            ("the proxy http://proxy:3128 is not reached: dns error", Fault::Proxy),
            ("operation timed out", Fault::TooSlow),
        ] {
            assert_eq!(Unsent::connecting(why).fault, fault, "{why}");
        }
    }
}
