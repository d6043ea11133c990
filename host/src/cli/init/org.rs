//! The Salesforce org: where it is, how the host signs in, and whether the package and its rights are there.

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::ask::{Asker, Choice};
use super::draft::{Draft, Section, Tried};
use super::server::{Asked, Server, server};
use super::show;
use super::system::{Answers, SignedIn, signed_in};
use crate::checks::Finding;
use crate::cli::output::Output;
use crate::config::section::tls;
use crate::config::{Config, SalesforceConfig, SecretSource, TlsConfig};
use crate::connections::Connection;

const SECRET: &str = "client_secret";
const KEY: &str = "private_key";

/// Asks for the org until it is signed in, keeps it, and says what lacks there.
/// With what still lacks.
pub async fn set_up(draft: &mut Draft, asker: &mut Asker, output: &Output) -> Result<(Connection, Vec<Finding>)> {
    let SignedIn { section, connection, findings } = signed_in::<Org>(draft, asker, output).await?;
    let lacks = finished(&section, findings, draft, asker, output).await?;
    Ok((connection, lacks))
}

/// All that is asked of an org.
struct Org {
    login_url: String,
    tls: TlsConfig,
    client_id: String,
    way: &'static str,
    username: Option<String>,
    secret: SecretSource,
    /// Of a package with a namespace, and of a Salesforce elsewhere: known beforehand, or as they are.
    more: Map<String, Value>,
}

impl Org {
    /// None of one that nobody can sign in to.
    fn of(own: &SalesforceConfig) -> Option<Self> {
        let key = own.private_key.clone().map(|secret| (KEY, secret));
        let (way, secret) = key.or_else(|| own.client_secret.clone().map(|secret| (SECRET, secret)))?;
        Some(Self {
            login_url: own.login_url.clone(),
            tls: own.tls.clone(),
            client_id: own.client_id.clone(),
            way,
            username: own.username.clone(),
            secret,
            more: Map::new(),
        })
    }
}

impl Answers for Org {
    const KIND: &'static str = "salesforce";
    const NAME: &'static str = "crm";
    const CALLED: &'static str = "what shall the Salesforce connection be called?";

    fn known(config: &Config) -> Option<(String, Option<Self>)> {
        config.salesforce.iter().next().map(|(name, own)| (name.clone(), Self::of(own)))
    }

    async fn asked(was: Option<&Self>, draft: &Draft, asker: &mut Asker, output: &Output) -> Result<Self> {
        let at = Asked {
            kind: Self::KIND,
            key: "login_url",
            question: "Salesforce My Domain, such as https://yours.my.salesforce.com",
            was: was.map(|own| Server { url: own.login_url.clone(), tls: own.tls.clone() }),
            base: &draft.config.base,
            by_environment: true,
        };
        let Server { url: login_url, tls } = server(at, asker, output).await?;
        let question = "consumer key of the External Client App (Setup, External Client App Manager)";
        let client_id = asker.text("salesforce.client_id", question, was.map(|own| own.client_id.as_str()))?;
        let ways = [
            Choice::new(SECRET, "with its consumer secret (client credentials)"),
            Choice::new(KEY, "with a private key, as the integration user (JWT bearer)"),
        ];
        let proposed = match was.map(|own| own.way) {
            Some(KEY) => 1,
            None if asker.has("salesforce.private_key") => 1,
            _ => 0,
        };
        let way = asker.one("salesforce.way", "how does the host sign in?", &ways, Some(proposed))?;
        let way = if way == KEY { KEY } else { SECRET };
        let kept = was.filter(|own| own.login_url == login_url && own.way == way).map(|own| &own.secret);
        let (username, secret) = if way == KEY {
            let before = was.and_then(|own| own.username.as_deref());
            let user = asker.text("salesforce.username", "user name of the integration user", before)?;
            (Some(user), key(kept, asker)?)
        } else {
            (None, asker.secret("salesforce.client_secret", "its consumer secret", kept)?)
        };
        let mut more = Map::new();
        for key in ["namespace", "pubsub_url"] {
            more.extend(asker.known(&format!("salesforce.{key}"))?.map(|own| (key.to_owned(), own.into())));
        }
        Ok(Self { login_url, tls, client_id, way, username, secret, more })
    }

    fn keys(&self) -> Map<String, Value> {
        let Self { login_url, client_id, username, .. } = self;
        let mut keys =
            json!({ "login_url": login_url, "client_id": client_id, "username": username, "tls": tls(&self.tls) });
        keys[if self.way == KEY { SECRET } else { KEY }] = Value::Null;
        let mut keys = keys.as_object().cloned().unwrap_or_default();
        keys.extend(self.more.clone());
        keys
    }

    fn secret(&self) -> (&'static str, &SecretSource) {
        (self.way, &self.secret)
    }
}

/// A key has lines, and lies in a file already.
fn key(kept: Option<&SecretSource>, asker: &mut Asker) -> Result<SecretSource> {
    const KEY_OF: &str = "salesforce.private_key";
    if !asker.is_person() || asker.has(KEY_OF) {
        return asker.secret(KEY_OF, "its private key", kept);
    }
    let before = kept.and_then(SecretSource::path).map(|path| path.display().to_string());
    let file = asker.text(KEY_OF, "PEM file of its private key", before.as_deref())?;
    match kept {
        // It may be sealed.
        Some(kept) if before.as_ref() == Some(&file) => Ok(kept.clone()),
        _ => Ok(SecretSource::File(file.into())),
    }
}

/// What lacks in the org is mended there, by a person; it is looked at again as often as he likes.
async fn finished(
    own: &Section,
    mut findings: Vec<Finding>,
    draft: &Draft,
    asker: &mut Asker,
    output: &Output,
) -> Result<Vec<Finding>> {
    loop {
        show(&findings, output);
        if findings.iter().all(|found| found.good) {
            return Ok(Vec::new());
        }
        let choices = [
            Choice::new("again", "look again: it is mended now"),
            Choice::new("later", "go on: it is mended later, and `tandem check` tells"),
        ];
        let proposed = if asker.is_person() { 0 } else { 1 };
        if asker.one("salesforce.lacking", "the org lacks something; what now?", &choices, Some(proposed))? == "later" {
            findings.retain(|found| !found.good);
            return Ok(findings);
        }
        findings = match draft.tried(own).await? {
            Tried::SignedIn(_, findings) => findings,
            Tried::Not { why, mend, .. } => vec![Finding::bad(format!("connection {}", own.name), why, mend)],
        };
    }
}
