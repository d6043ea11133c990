//! `tandem check`: what is wrong, and how to mend it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use serde::Serialize;

use super::currencies;
use super::output::Output;
use super::package::{self, Lack};
use super::service::Parts;
use super::sharing;
use crate::config::{Config, SalesforceConfig};
use crate::connections::oidc::{Provider, ProviderError};
use crate::connections::salesforce::rights::{PERMISSION_SET, STANDARD_SET};
use crate::connections::{Call, CallError, Connection, Connections, connect};
use crate::console::tls;
use crate::engine::Flow;
use crate::releases::ReleaseError;
use crate::sandbox::LoadError;
use crate::sources::{allocations, pubsub};
use crate::store::StoreError;
use crate::store::sqlite::Access;

const LIMIT: u64 = 8 << 20;
const CERTIFICATE: &str = "trust the server: tls.ca_file with its CA, or tls.pin_sha256 with its fingerprint";

#[derive(Serialize)]
struct Finding {
    what: String,
    good: bool,
    says: String,
    mend: String,
}

impl Finding {
    fn good(what: impl Into<String>, says: impl Into<String>) -> Self {
        Self { what: what.into(), good: true, says: says.into(), mend: String::new() }
    }

    /// Nothing is wrong yet.
    fn soon(what: impl Into<String>, says: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { mend: mend.into(), ..Self::good(what, says) }
    }

    fn word(&self) -> &'static str {
        match (self.good, self.mend.is_empty()) {
            (true, true) => "ok",
            (true, false) => "soon",
            (false, _) => "WRONG",
        }
    }

    fn bad(what: impl Into<String>, says: impl ToString, mend: impl Into<String>) -> Self {
        Self { what: what.into(), good: false, says: says.to_string(), mend: mend.into() }
    }
}

/// The plugin's file is not where it is looked for.
fn is_missing(error: &anyhow::Error) -> bool {
    let missing = |error: &LoadError| matches!(error, LoadError::Unreadable { cause, .. } if cause.kind() == std::io::ErrorKind::NotFound);
    match error.downcast_ref::<ReleaseError>() {
        Some(ReleaseError::Plugin(error)) => missing(error),
        _ => error.downcast_ref::<LoadError>().is_some_and(missing),
    }
}

pub async fn run(config: &Path, output: &Output) -> Result<ExitCode> {
    let mut findings = vec![Finding::good(config.display().to_string(), "read")];
    let config = Arc::new(Config::load(config)?);
    let connections = connect(&config)?;
    for (name, connection) in connections.iter() {
        match connection.as_ref() {
            Connection::B1(_) => b1(name, connection, &mut findings).await,
            Connection::Salesforce(_) => {
                let signed_in = salesforce(name, connection, &mut findings).await;
                if let (true, Some(own)) = (signed_in, config.salesforce.get(name)) {
                    events(name, connection, own, &mut findings).await;
                    deliveries(name, connection, &mut findings).await;
                }
            }
        }
    }
    flows(&config, &connections, &mut findings).await?;
    certificate(&config, &mut findings);
    sign_on(&config, &mut findings).await;
    let problems = findings.iter().filter(|finding| !finding.good).count();
    let rows = findings.iter().map(|f| vec![f.what.clone(), f.word().into(), f.says.clone(), f.mend.clone()]).collect();
    output.rows(&findings, &["what", "", "says", "mend"], rows, "nothing to check");
    output.say(
        "each check signs in to every connection: where a password is wrong it counts towards the system's lock-out",
    );
    Ok(if problems == 0 { ExitCode::SUCCESS } else { ExitCode::from(super::FOUND_PROBLEMS) })
}

/// What browsers are shown.
fn certificate(config: &Config, findings: &mut Vec<Finding>) {
    let Some(tls) = &config.host.tls else { return };
    let url = config.console.url.as_deref().and_then(|url| url.parse::<reqwest::Url>().ok());
    let host = url.as_ref().and_then(reqwest::Url::host_str).map(|host| host.trim_matches(['[', ']']));
    findings.extend(tls::look(tls, &config.base, host).into_iter().map(|own| Finding {
        what: "[host] tls".into(),
        good: own.good,
        says: own.says,
        mend: own.mend,
    }));
}

/// The company's provider is there, and knows where people come back.
async fn sign_on(config: &Config, findings: &mut Vec<Finding>) {
    const WHAT: &str = "[console.oidc]";
    let Some(oidc) = &config.console.oidc else { return };
    let provider = match Provider::new(oidc, &config.console_address(), &config.base) {
        Ok(provider) => provider,
        Err(why) => return findings.push(Finding::bad(WHAT, why, "see left")),
    };
    match provider.look().await {
        Ok(lacks) if lacks.is_empty() => {
            findings.push(Finding::good(WHAT, format!("{} answers, and is the issuer", provider.issuer())));
        }
        Ok(lacks) => {
            findings.extend(lacks.into_iter().map(|says| Finding::bad(WHAT, says, "is it an OpenID provider?")))
        }
        Err(error) => {
            let mend = match &error {
                ProviderError::Down(why) if why.contains("certificate") => CERTIFICATE,
                ProviderError::Down(_) => {
                    "is the provider up, is issuer right, and do proxy and firewall let the host through?"
                }
                _ => "write issuer as the provider's own /.well-known/openid-configuration says it, to the last slash",
            };
            findings.push(Finding::bad(WHAT, error, mend));
        }
    }
    let come_back = format!("people come back to {}", provider.redirect());
    findings.push(match &config.console.url {
        Some(_) => Finding::good(format!("{WHAT} redirect address"), format!("{come_back}: the provider must know it")),
        None => Finding::soon(
            format!("{WHAT} redirect address"),
            format!("{come_back}: from this machine alone"),
            "give `url` of [console], the address by which people reach the console",
        ),
    });
}

async fn flows(config: &Arc<Config>, connections: &Connections, findings: &mut Vec<Finding>) -> Result<()> {
    if config.flows.is_empty() {
        findings.push(Finding::bad("flows", "tandem.toml has no [flows.<name>]", "add one; see the operator guide"));
        return Ok(());
    }
    let parts = match Parts::of(config.clone(), Access::Tool).await {
        // Before the first run: what stands in the way of the connections is worth knowing all the same.
        Err(error) if matches!(error.downcast_ref(), Some(StoreError::Missing)) => {
            findings.push(Finding::bad("flows", format!("{error:#}"), "grant the plugins: `tandem plugin grant`"));
            return Ok(());
        }
        parts => parts?,
    };
    for name in config.flows.keys() {
        let what = format!("flow {name}");
        match parts.flow_of_files(name, connections).await {
            Ok(flow) => {
                let description = &flow.release.plugin.description;
                let says =
                    format!("ready: {} {}, release {}", description.name, description.version, flow.release.short());
                findings.push(Finding::good(&what, says));
                currency(&what, &flow, &config.flows[name].connections, connections, findings).await;
            }
            Err(error) => {
                let plugin = &config.flows[name].plugin;
                let mend = match is_missing(&error) {
                    true => format!("copy {plugin}.wasm into the plugins folder, then `tandem plugin grant {plugin}`"),
                    false => "see left".into(),
                };
                findings.push(Finding::bad(what, error, mend));
            }
        }
    }
    Ok(())
}

/// The flow takes its org to have as many currencies as it has: one, or several.
async fn currency(
    what: &str,
    flow: &Flow,
    slots: &BTreeMap<String, String>,
    connections: &Connections,
    findings: &mut Vec<Finding>,
) {
    let Some(taken_for) = currencies::taken_for(flow) else { return };
    let named = connections.iter().filter(|(name, _)| slots.values().any(|own| own == *name));
    for (name, connection) in named {
        let Connection::Salesforce(org) = connection.as_ref() else { continue };
        // An org that cannot be asked is told of above.
        let Ok(several) = currencies::are_several(org).await else { continue };
        if let Some((says, mend)) = currencies::difference(several, taken_for) {
            findings.push(Finding::bad(format!("{what}: currencies of {name}"), says, mend));
        }
    }
}

async fn b1(name: &str, connection: &Connection, findings: &mut Vec<Finding>) {
    let Connection::B1(b1) = connection else { return };
    let what = format!("connection {name}");
    match b1.provisions().await {
        Ok(provisions) => {
            findings.push(Finding::good(&what, "logged in to B1"));
            for provision in provisions {
                let line = format!("{what}: {}", provision.what);
                if provision.present {
                    findings.push(Finding::good(line, "there"));
                } else {
                    findings.push(Finding::bad(line, "missing", "run `tandem init` while nobody works in the company"));
                }
            }
        }
        Err(error) => findings.push(Finding::bad(
            &what,
            &error,
            mend(&error, "url, company, user and password of this [b1] section"),
        )),
    }
    b1.log_out().await;
}

/// True when it is signed in.
async fn salesforce(name: &str, connection: &Connection, findings: &mut Vec<Finding>) -> bool {
    let Connection::Salesforce(org) = connection else { return false };
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
            mend(error, "login_url, audience, client_id, user and key of this [salesforce] section"),
        )),
    }
    !matches!(answered, Err(error) if error.is_outage())
}

/// The package is there, and its permission set is assigned.
async fn granted(what: &str, connection: &Connection, findings: &mut Vec<Finding>) {
    let line = format!("{what}: the Tandem package");
    let mend = format!(
        "install this version's package, deploy what is beside it (scripts/package.sh access), and assign {PERMISSION_SET} and {STANDARD_SET} to the integration user"
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
        CallError::Unreachable(_) => {
            "is the server up, and is the address right? try it with a browser from this machine".into()
        }
        _ => String::new(),
    }
}
