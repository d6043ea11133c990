//! `tandem check`: what is wrong, and how to mend it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;

use super::audit::user;
use super::init::unlisted;
use super::output::Output;
use super::service::Parts;
use crate::agents;
use crate::alerts;
use crate::assistants::{self, model::Model};
use crate::checks::{self, CERTIFICATE, Finding, currencies};
use crate::config::{Config, FlowConfig, Then};
use crate::connections::oidc::{Provider, ProviderError};
use crate::connections::{Connection, Connections, connect};
use crate::console::tls;
use crate::engine::Flow;
use crate::engine::calls::{IN_SALESFORCE, Judged, Policy, Ruling};
use crate::releases::ReleaseError;
use crate::sandbox::{Deed, LoadError, like};
use crate::store::Access;
use crate::store::{Purpose, Store, StoreError, Token};

/// The plugin's file is not where it is looked for.
fn is_missing(error: &anyhow::Error) -> bool {
    let missing = |error: &LoadError| matches!(error, LoadError::Unreadable { cause, .. } if cause.kind() == std::io::ErrorKind::NotFound);
    match error.downcast_ref::<ReleaseError>() {
        Some(ReleaseError::Plugin(error)) => missing(error),
        _ => error.downcast_ref::<LoadError>().is_some_and(missing),
    }
}

/// All that is found, good or not.
pub(super) async fn look(config: &Arc<Config>, connections: &Connections) -> Result<Vec<Finding>> {
    let mut findings = vec![Finding::good(config.file.display().to_string(), "read")];
    for (name, connection) in connections.iter() {
        // What keeps one from being of use is a finding, too.
        checks::look(name, connection, config, &mut findings).await.ok();
    }
    flows(config, connections, &mut findings).await?;
    #[cfg(unix)]
    secrets(config, &mut findings);
    certificate(config, &mut findings);
    channels(config, &mut findings);
    sign_on(config, &mut findings).await;
    // Where there is no database, that is told of above.
    let parts = Parts::of(config.clone(), Access::Tool).await.ok();
    checks::backup::look(config, parts.as_ref().map(|parts| parts.store.as_ref()), &mut findings).await;
    Ok(findings)
}

pub async fn run(config: &Path, output: &Output) -> Result<ExitCode> {
    let config = Arc::new(Config::load(config)?);
    let connections = connect(&config)?;
    let findings = look(&config, &connections).await?;
    let problems = findings.iter().filter(|finding| !finding.good).count();
    let rows = findings.iter().map(|f| vec![f.what.clone(), f.word().into(), f.says.clone(), f.mend.clone()]).collect();
    output.rows(&findings, &["what", "", "says", "mend"], rows, "nothing to check");
    output.say(
        "each check signs in to every connection: where a password is wrong it counts towards the system's lock-out",
    );
    Ok(if problems == 0 { ExitCode::SUCCESS } else { ExitCode::from(super::FOUND_PROBLEMS) })
}

/// Secrets that others of this machine can read.
#[cfg(unix)]
fn secrets(config: &Config, findings: &mut Vec<Finding>) {
    use std::os::unix::fs::MetadataExt;

    let files =
        config.secrets().into_iter().filter_map(|(place, secret)| Some((place, config.resolve(secret.path()?))));
    let environment = ("secrets".to_owned(), config.base.join(crate::service::ENVIRONMENT));
    for (place, path) in files.chain([environment]) {
        // What cannot be read is told of by who needs it.
        let Ok(there) = std::fs::metadata(&path) else { continue };
        if there.is_file() && there.mode() & 0o004 != 0 {
            let says = format!("{} can be read by others (mode {:o})", path.display(), there.mode() & 0o777);
            findings.push(Finding::soon(place, says, format!("chmod 600 {}", path.display())));
        }
    }
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

/// What the channels of alerts need is there; nothing is sent.
fn channels(config: &Config, findings: &mut Vec<Finding>) {
    for (name, channel) in &config.alerts.channels {
        let what = format!("channel {name}");
        findings.push(match alerts::look(config, channel) {
            Ok(()) => Finding::good(what, format!("ready; `tandem alert test {name}` sends a message")),
            Err(unsent) => Finding::bad(what, &unsent, unsent.fault.mend()),
        });
    }
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
        // It cannot be reached, or not be read: the rest is worth knowing all the same.
        Err(error) => {
            findings.push(Finding::bad(
                "database",
                format!("{error:#}"),
                "nothing of the flows can be looked at before",
            ));
            return Ok(());
        }
        Ok(parts) => parts,
    };
    let mut ready = Vec::new();
    for name in config.flows.keys() {
        let what = format!("flow {name}");
        let mut flow = parts.flow_of_files(name, connections).await;
        // A host that shares a database may have no files of its own: it runs what is live there.
        if config.store.url.is_some() && flow.as_ref().is_err_and(is_missing) && parts.is_live(name).await? {
            flow = parts.flow(name, connections).await;
        }
        match flow {
            Ok(flow) => {
                let description = &flow.release.plugin.description;
                let says =
                    format!("ready: {} {}, release {}", description.name, description.version, flow.release.short());
                findings.push(Finding::good(&what, says));
                currency(&what, &flow, &config.flows[name].connections, connections, findings).await;
                listed(&what, &flow, &config.flows[name], findings).await;
                ready.push(flow);
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
    // One session served all of them.
    for connection in connections.values() {
        if let Connection::B1(b1) = connection.as_ref() {
            b1.log_out().await;
        }
    }
    // What a plugin offers that cannot be loaded is not known.
    if ready.len() == config.flows.len() {
        rules(config, &ready, findings);
        agents_of_ones_own(config, &ready, findings);
    }
    callers(config, parts.store.as_ref(), findings).await?;
    Ok(())
}

/// What the settings name is there in B1.
async fn listed(what: &str, flow: &Flow, own: &FlowConfig, findings: &mut Vec<Finding>) {
    let Some(b1) = flow.bound.slots.values().find(|own| own.kind() == "b1") else { return };
    for says in unlisted(&own.plugin, &own.settings, b1).await {
        findings.push(Finding::bad(what, says, "name one that is there, in this flow's settings"));
    }
}

/// A rule that speaks of no tool, or hides what none has: whoever wrote it believes that it holds.
fn rules(config: &Config, flows: &[Flow], findings: &mut Vec<Finding>) {
    for (place, why) in Policy::of(&config.agents).problems() {
        let says = format!("its `when` cannot be read: {why}");
        let mend = "such a rule refuses, or speaks of no call; write one like input.quantity <= 100.0";
        findings.push(Finding::bad(format!("[agents] rule {}", place + 1), says, mend));
    }
    let offered = agents::all_tools(flows);
    for (place, rule) in config.agents.rules.iter().enumerate() {
        let what = format!("[agents] rule {}", place + 1);
        let own: Vec<_> =
            offered.iter().filter(|own| rule.tools.iter().any(|pattern| like(pattern, &own.name))).collect();
        let vain = rule.tools.iter().filter(|pattern| !offered.iter().any(|own| like(pattern, &own.name)));
        for pattern in vain {
            let says = format!("it speaks of the tools \"{pattern}\", and there is none");
            findings.push(Finding::bad(&what, says, "`tandem tool list` names them"));
        }
        // Of a pattern nobody sees that it does more than read.
        let is_meant = |own: &&&agents::Offered| !rule.tools.contains(&own.name);
        let unseen: Vec<String> = own
            .iter()
            .filter(|own| own.tool.deed != Deed::Reads && rule.then == Then::Allow && rule.when.is_none())
            .filter(is_meant)
            .map(|own| format!("{} ({})", own.name, own.tool.deed))
            .collect();
        if !unseen.is_empty() {
            let says = format!("it allows at once, before anybody has seen what they would do: {}", unseen.join(", "));
            let mend =
                "name tools that only read, or write then = \"approve\"; where it is meant, name these tools in full";
            findings.push(Finding::soon(&what, says, mend));
        }
        // A tool that tells no such field is refused to them.
        for field in rule.rows.keys().filter(|field| !own.iter().any(|own| own.tells(field))) {
            let says = format!("it tells records apart by \"{field}\", and no tool that it speaks of has such a field");
            findings.push(Finding::bad(&what, says, "`tandem tool show <tool>` names what one takes and gives"));
        }
        for field in rule.hide.iter().filter(|field| !own.iter().any(|own| own.gives(field))) {
            let says = format!("it hides \"{field}\", and no tool that it speaks of gives such a field");
            findings.push(Finding::bad(&what, says, "`tandem tool show <tool>` names what one gives"));
        }
    }
}

/// What agents of one's own need is there; their models are not asked, since that costs.
fn agents_of_ones_own(config: &Config, flows: &[Flow], findings: &mut Vec<Finding>) {
    let offered = agents::all_tools(flows);
    for (name, agent) in &config.agents.own {
        let what = format!("[agents.{name}]");
        if !agent.enabled {
            findings.push(Finding::good(what, "off: enabled = true sets it to work"));
            continue;
        }
        if let Err(why) = Model::of(agent, &config.base) {
            findings.push(Finding::bad(what, why, "give `key` as { env = … } or { file = … }; what else see left"));
            continue;
        }
        let tools = agent.tools();
        let is_there = |pattern: &&String| offered.iter().any(|own| like(pattern, &own.name));
        let vain: Vec<&str> = tools.iter().filter(|own| !is_there(own)).map(String::as_str).collect();
        // What comes along names tools of flows that not everybody has.
        if (agent.tools.is_some() && !vain.is_empty()) || vain.len() == tools.len() {
            let says = format!("it may call the tools \"{}\", and there are none", vain.join("\", \""));
            findings.push(Finding::bad(what, says, "`tandem tool list` names them"));
            continue;
        }
        let policy = Policy::of(&config.agents);
        let who = assistants::who(name);
        let may = |own: &&agents::Offered| {
            let call = Judged { who: &who, tool: &own.name, deed: own.tool.deed };
            tools.iter().any(|pattern| like(pattern, &own.name)) && policy.rulings(call).iter().any(Ruling::is_allowed)
        };
        findings.push(match offered.iter().filter(may).count() {
            0 => Finding::bad(
                what,
                "the rules of [agents] allow it none of its tools",
                format!("`tandem agent can \"{who}\" <tool>` says by which rule"),
            ),
            tools => Finding::good(what, format!("ready, with {tools} tools; `tandem agent ask {name} \"…\"` asks it")),
        });
    }
}

/// A rule that speaks of nobody who is known, or that no call reaches.
async fn callers(config: &Config, store: &dyn Store, findings: &mut Vec<Finding>) -> Result<()> {
    let accounts = store.accounts().await?.into_iter().map(|own| own.name);
    let (tokens, others): (Vec<_>, Vec<_>) =
        store.tokens().await?.into_iter().partition(|own| own.purpose == Purpose::Tools);
    let name = |own: Token| format!("token {}", own.name);
    let (tokens, others) = (tokens.into_iter().map(name), others.into_iter().map(name).collect::<Vec<_>>());
    let agents = config.agents.own.keys().map(|name| assistants::who(name));
    let known: Vec<String> = accounts.chain(tokens).chain(agents).chain([user()]).collect();
    let mut is_all: Option<usize> = None;
    for (place, rule) in config.agents.rules.iter().enumerate() {
        let what = format!("[agents] rule {}", place + 1);
        if let Some(first) = is_all {
            let says = format!("no call reaches it: rule {} speaks of everybody and of every tool", first + 1);
            findings.push(Finding::bad(&what, says, "put it before that one"));
        }
        let has_all = |patterns: &[String]| patterns.iter().any(|own| own == "*");
        is_all = is_all.or((has_all(&rule.who) && has_all(&rule.tools) && rule.when.is_none()).then_some(place));
        for who in rule.who.iter().filter(|who| !known.iter().any(|own| like(who, own))) {
            let says = format!("nobody is called \"{who}\" here");
            let mend = "`token <name>` for a token for tools, `agent <name>` for an agent, or the name of an account; who comes from the provider is known once they have signed in";
            findings.push(Finding::soon(&what, says, mend));
        }
        let is_known = |who: &String| known.iter().chain(&others).any(|own| like(who, own));
        for who in rule.approvers.iter().filter(|who| !who.starts_with(IN_SALESFORCE) && !is_known(who)) {
            let says = format!("calls wait for \"{who}\" to approve them, and nobody is called so here");
            let mend = "the name of an account, `token <name>`, or \"salesforce <username>\"; who comes from the provider is known once they have signed in";
            findings.push(Finding::soon(&what, says, mend));
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
