//! The B1 company: where it is, how the host signs in, and what it needs there.

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::ask::Asker;
use super::draft::Draft;
use super::server::{Asked, Server, server};
use super::system::{Answers, SignedIn, signed_in};
use super::{made_in_b1, show};
use crate::checks::Finding;
use crate::cli::output::{Output, complain};
use crate::config::section::tls;
use crate::config::{B1Config, Config, SecretSource, TlsConfig};
use crate::connections::Connection;

/// Asks for the company until it is signed in, keeps it, and makes what is missing there on a yes.
/// With what still lacks.
pub async fn set_up(draft: &mut Draft, asker: &mut Asker, output: &Output) -> Result<(Connection, Vec<Finding>)> {
    let SignedIn { section, connection, findings } = signed_in::<Company>(draft, asker, output).await?;
    show(&findings, output);
    let mut lacks: Vec<Finding> = findings.into_iter().filter(|found| !found.good).collect();
    const QUESTION: &str = "make what is missing in B1? It adds a user table and user fields, and takes the company for itself for some seconds";
    if !lacks.is_empty() && asker.yes("b1.provision", QUESTION, true)? {
        made_in_b1(&section.name, &connection).await?.iter().for_each(|line| output.say(line));
        lacks.clear();
    }
    Ok((connection, lacks))
}

/// All that is asked of a company.
struct Company {
    url: String,
    tls: TlsConfig,
    company: String,
    user: String,
    time_zone: String,
    secret: SecretSource,
}

impl From<&B1Config> for Company {
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

impl Answers for Company {
    const KIND: &'static str = "b1";
    const NAME: &'static str = "erp";
    const CALLED: &'static str = "what shall the B1 connection be called?";

    fn known(config: &Config) -> Option<(String, Option<Self>)> {
        config.b1.iter().next().map(|(name, own)| (name.clone(), Some(Self::from(own))))
    }

    async fn asked(was: Option<&Self>, draft: &Draft, asker: &mut Asker, output: &Output) -> Result<Self> {
        let at = Asked {
            kind: Self::KIND,
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

    fn secret(&self) -> (&'static str, &SecretSource) {
        ("password", &self.secret)
    }
}

fn zone(was: Option<&str>, asker: &mut Asker) -> Result<String> {
    let own = iana_time_zone::get_timezone().ok().and_then(|name| super::zone(&name).ok());
    if !asker.is_person() && !asker.has("b1.time_zone") && was.is_none() {
        let zone = own.as_deref().unwrap_or("UTC");
        complain(format_args!(
            "B1's clock is taken to be in {zone}, as this machine's is; b1.time_zone says where it is"
        ));
    }
    loop {
        let proposed = was.or(own.as_deref()).unwrap_or("UTC");
        match super::zone(&asker.text("b1.time_zone", "time zone of B1's clock", Some(proposed))?) {
            Ok(zone) => return Ok(zone),
            Err(why) => asker.again("b1.time_zone", &why, "")?,
        }
    }
}
