//! What is wrong with a connection, and how to mend it: for `tandem check`, and for who sets one up in the console.

pub mod backup;
pub mod currencies;
mod package;
mod running;
mod sharing;

use serde::{Deserialize, Serialize};

use self::package::Lack;
pub use self::running::Running;
use crate::config::{Config, SalesforceConfig};
use crate::connections::b1::B1;
use crate::connections::salesforce::rights::{PERMISSION_SET, STANDARD_SET};
use crate::connections::{Call, CallError, Connection, certificate};
use crate::sources::{allocations, pubsub};

const LIMIT: u64 = 8 << 20;
/// What helps where a server's certificate is not trusted.
pub const CERTIFICATE: &str = certificate::MEND;

/// What helps where a server does not answer.
pub const UNREACHED: &str = "is the server up, and is the address right? try it with a browser from this machine";

/// What helps where B1 lacks what Tandem makes.
const MAKE: &str = "make it while nobody works in the company: `tandem init`, or the console's set-up";

/// A line of what was found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at.
    pub what: String,
    /// It is as it should be, or does not have to be.
    pub good: bool,
    /// What was found.
    pub says: String,
    /// What to do about it; empty where there is nothing to do.
    pub mend: String,
}

impl Finding {
    /// All is well.
    pub fn good(what: impl Into<String>, says: impl Into<String>) -> Self {
        Self { what: what.into(), good: true, says: says.into(), mend: String::new() }
    }

    /// Nothing is wrong yet.
    pub fn soon(what: impl Into<String>, says: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { mend: mend.into(), ..Self::good(what, says) }
    }

    /// How it stands, in a word.
    pub fn word(&self) -> &'static str {
        match (self.good, self.mend.is_empty()) {
            (true, true) => "ok",
            (true, false) => "soon",
            (false, _) => "WRONG",
        }
    }

    /// Something is wrong.
    pub fn bad(what: impl Into<String>, says: impl ToString, mend: impl Into<String>) -> Self {
        Self { what: what.into(), good: false, says: says.to_string(), mend: mend.into() }
    }
}

/// Signs in to a connection, and looks at all that Tandem needs there. The error that keeps it from being of use, where one does: a finding tells it, too.
pub async fn look(
    name: &str,
    connection: &Connection,
    config: &Config,
    findings: &mut Vec<Finding>,
) -> Result<(), CallError> {
    match connection {
        Connection::B1(b1) => company(name, b1, findings).await,
        Connection::Salesforce(_) => {
            let signed_in = salesforce(name, connection, findings).await;
            let is_out = signed_in.as_ref().is_err_and(CallError::is_outage);
            if let (false, Some(own)) = (is_out, config.salesforce.get(name)) {
                events(name, connection, own, findings).await;
                deliveries(name, connection, findings).await;
            }
            signed_in
        }
    }
}

async fn company(name: &str, b1: &B1, findings: &mut Vec<Finding>) -> Result<(), CallError> {
    let what = format!("connection {name}");
    let looked = b1.provisions().await;
    match &looked {
        Ok(provisions) => {
            findings.push(Finding::good(&what, "logged in to B1"));
            for provision in provisions {
                let line = format!("{what}: {}", provision.what);
                if provision.present {
                    findings.push(Finding::good(line, "there"));
                } else {
                    findings.push(Finding::bad(line, "missing", MAKE));
                }
            }
        }
        Err(error) => findings.push(Finding::bad(
            &what,
            error,
            mend(error, "url, company, user and password of this [b1] section"),
        )),
    }
    b1.log_out().await;
    looked.map(drop)
}

async fn salesforce(name: &str, connection: &Connection, findings: &mut Vec<Finding>) -> Result<(), CallError> {
    let Connection::Salesforce(org) = connection else { return Ok(()) };
    let what = format!("connection {name}");
    let answered = connection.send(Call::get("/"), LIMIT).await;
    match &answered {
        Ok(_) => {
            let (used, allowed) = org.usage();
            findings.push(Finding::good(&what, format!("signed in; {used} of {allowed} API calls used today")));
            granted(&what, connection, findings).await;
            shared(&what, connection, findings).await;
        }
        Err(error) => findings.push(Finding::bad(
            &what,
            error,
            mend(error, "login_url, audience, client_id and client_secret, or username and private_key, of this [salesforce] section"),
        )),
    }
    answered.map(drop)
}

/// The package is there, and its permission set is assigned.
async fn granted(what: &str, connection: &Connection, findings: &mut Vec<Finding>) {
    let line = format!("{what}: the Tandem package");
    let mend = format!(
        "install this version's package, deploy what is beside it, and assign {PERMISSION_SET} and {STANDARD_SET} to the integration user, whose permission set licence Salesforce API Integration comes before them: scripts/package.sh access <org> <user> does it all"
    );
    match package::lacking(connection).await {
        Ok(Lack::Namespace(says)) => {
            let mend =
                "set namespace in this [salesforce] section; what is said below of its topics comes right with it";
            findings.push(Finding::bad(line, says, mend));
        }
        Ok(Lack::Rights(lacking)) if lacking.is_empty() => {
            findings.push(Finding::good(
                line,
                format!("installed; {PERMISSION_SET} and {STANDARD_SET} give all that is needed"),
            ));
        }
        Ok(Lack::Rights(lacking)) => findings.extend(lacking.into_iter().map(|says| Finding::bad(&line, says, &mend))),
        Err(error) => findings.push(Finding::bad(line, format!("{error:#}"), "")),
    }
}

/// Records that somebody else owns can be changed.
async fn shared(what: &str, connection: &Connection, findings: &mut Vec<Finding>) {
    let line = format!("{what}: sharing");
    match sharing::look(connection).await {
        Ok(lines) => findings.extend(lines.into_iter().map(|own| match own.mend {
            None => Finding::good(&line, own.says),
            Some(mend) => Finding::bad(&line, own.says, mend),
        })),
        Err(error) => findings.push(Finding::bad(line, error, "")),
    }
}

/// The way of the events is another than that of REST: another address, and gRPC.
async fn events(name: &str, connection: &Connection, config: &SalesforceConfig, findings: &mut Vec<Finding>) {
    let Connection::Salesforce(org) = connection else { return };
    for topic in &config.topics {
        let what = format!("connection {name}: events of {topic}");
        match pubsub::try_out(org, config, topic).await {
            Ok(()) => findings.push(Finding::good(what, "can be subscribed to")),
            Err(why) => {
                let mend = if why.contains("certificate") {
                    CERTIFICATE.to_owned()
                } else {
                    format!(
                        "is {} open at the firewall or the proxy, and the topic one of the package or of topics = […]?",
                        config.pubsub_url
                    )
                };
                findings.push(Finding::bad(what, why, mend));
            }
        }
    }
}

/// Of what the org delivers in a day there is something left.
async fn deliveries(name: &str, connection: &Connection, findings: &mut Vec<Finding>) {
    let what = format!("connection {name}: event allocations");
    match allocations::usage(connection).await {
        Ok(all) => findings.extend(all.into_iter().map(|own| {
            let says = format!("{} of {} {}", own.used, own.allowed, own.kind);
            if !own.is_used_up() {
                return Finding::good(&what, says);
            }
            let mend = match own.kind {
                "delivered" => "the host finds changes by query until the 24 hours are over: watch less (Tandem Watched Object, Tandem Watched Field), or buy more",
                _ => "changes wait in the Tandem Outbox until the hour is over",
            };
            Finding::bad(&what, format!("used up: {says}"), mend)
        })),
        // Nothing depends on the right to see them.
        Err(error @ CallError::Remote { .. }) => {
            let says = format!("not known ({error}): the integration user's right to see them is View Setup and Configuration");
            findings.push(Finding::good(what, says));
        }
        Err(error) => findings.push(Finding::bad(what, error, "")),
    }
}

fn mend(error: &CallError, settings: &str) -> String {
    match error {
        CallError::SignIn(_) => format!("check {settings}"),
        CallError::Unreachable(why) if why.contains("certificate") => CERTIFICATE.into(),
        CallError::Unreachable(why) if why.contains("the proxy") => {
            "check proxy of this section (or HTTPS_PROXY of the service), and what the proxy lets through".into()
        }
        CallError::Unreachable(_) => UNREACHED.into(),
        _ => String::new(),
    }
}
