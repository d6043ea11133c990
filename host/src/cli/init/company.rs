//! The B1 company: where it is, how the host signs in, and what it needs there.

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::ask::Asker;
use super::draft::{Draft, Section, Tried, refused, tls};
use super::server::{Asked, Server, server};
use super::{made_in_b1, show};
use crate::checks::Finding;
use crate::cli::output::Output;
use crate::config::{B1Config, SecretSource, TlsConfig};
use crate::connections::Connection;

/// What it is called where nobody says.
const NAME: &str = "erp";
const KIND: &str = "b1";

/// Asks for the company until it is signed in, keeps it, and makes what is missing there on a yes. One that is there and well is not asked for.
pub async fn set_up(draft: &mut Draft, asker: &mut Asker, output: &Output) -> Result<Connection> {
    let known = draft.config.b1.iter().next().map(|(name, own)| (name.clone(), own.clone()));
    let name = match &known {
        Some((name, _)) => name.clone(),
        None => asker.text("b1.name", "what shall the B1 connection be called?", Some(NAME))?,
    };
    let mut was = None;
    if let Some((name, own)) = &known {
        let own = Answers::from(own);
        match draft.tried(&own.section(name, Map::new())).await? {
            Tried::SignedIn(connection, findings) => {
                output.say(format!("[b1.{name}] is there"));
                return finished(name, *connection, &findings, asker, output).await;
            }
            Tried::Not { key, why, mend } => refused(asker, KIND, &key, &why, &mend, output)?,
        }
        was = Some(own);
    }
    loop {
        let answers = Answers::asked(was.as_ref(), draft, asker, output).await?;
        let own = answers.section(&name, answers.keys());
        match draft.tried(&own).await? {
            Tried::SignedIn(connection, findings) => {
                draft.keep(&own)?;
                output.say(format!("[b1.{name}] is kept"));
                return finished(&name, *connection, &findings, asker, output).await;
            }
            Tried::Not { key, why, mend } => refused(asker, KIND, &key, &why, &mend, output)?,
        }
        was = Some(answers);
    }
}

/// All that is asked of a company.
struct Answers {
    url: String,
    tls: TlsConfig,
    company: String,
    user: String,
    time_zone: String,
    secret: SecretSource,
}

impl From<&B1Config> for Answers {
    fn from(own: &B1Config) -> Self {
        Self {
            url: own.url.clone(),
            tls: own.tls.clone(),
            company: own.company.clone(),
            user: own.user.clone(),
            time_zone: own.time_zone.clone(),
            secret: own.password.clone(),
        }
    }
}

impl Answers {
    async fn asked(was: Option<&Self>, draft: &Draft, asker: &mut Asker, output: &Output) -> Result<Self> {
        let at = Asked {
            kind: KIND,
            key: "url",
            question: "B1 Service Layer address, such as https://b1server:50000/b1s/v2",
            was: was.map(|own| Server { url: own.url.clone(), tls: own.tls.clone() }),
            base: &draft.config.base,
            by_environment: false,
        };
        let Server { url, tls } = server(at, asker, output).await?;
        let company = asker.text("b1.company", "company database (CompanyDB)", was.map(|own| own.company.as_str()))?;
        let user = asker.text("b1.user", "B1 user of the host", was.map(|own| own.user.as_str()))?;
        // A secret is not sent to another address than it was given for.
        let kept = was.filter(|own| own.url == url).map(|own| &own.secret);
        let secret = asker.secret("b1.password", "its password", kept)?;
        let time_zone = zone(was.map(|own| own.time_zone.as_str()), asker)?;
        Ok(Self { url, tls, company, user, time_zone, secret })
    }

    fn keys(&self) -> Map<String, Value> {
        let Self { url, company, user, time_zone, .. } = self;
        let keys =
            json!({ "url": url, "company": company, "user": user, "time_zone": time_zone, "tls": tls(&self.tls) });
        keys.as_object().cloned().unwrap_or_default()
    }

    fn section(&self, name: &str, keys: Map<String, Value>) -> Section {
        Section { kind: KIND, name: name.to_owned(), keys, way: "password", secret: self.secret.clone() }
    }
}

fn zone(was: Option<&str>, asker: &mut Asker) -> Result<String> {
    let own = iana_time_zone::get_timezone().ok().and_then(|name| super::zone(&name).ok());
    loop {
        let proposed = was.or(own.as_deref()).unwrap_or("UTC");
        match super::zone(&asker.text("b1.time_zone", "time zone of B1's clock", Some(proposed))?) {
            Ok(zone) => return Ok(zone),
            Err(why) => asker.again("b1.time_zone", &why, "")?,
        }
    }
}

/// What is missing there is made on a yes.
async fn finished(
    name: &str,
    connection: Connection,
    findings: &[Finding],
    asker: &mut Asker,
    output: &Output,
) -> Result<Connection> {
    show(findings, output);
    let is_missing = findings.iter().any(|found| !found.good);
    const QUESTION: &str = "make what is missing in B1? It adds a user table and user fields, and takes the company for itself for some seconds";
    if is_missing && asker.yes("b1.provision", QUESTION, true)? {
        made_in_b1(name, &connection).await?.iter().for_each(|line| output.say(line));
    }
    Ok(connection)
}
