//! `tandem doctor`

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use indicatif::HumanBytes;
use serde_json::{Value, json};

use super::audit::{Trail, in_short};
use super::check;
use super::database::has_host;
use super::output::Output;
use super::running::Running;
use super::service::Parts;
use crate::backup::Standing;
use crate::config::Config;
use crate::config::put::put_secret;
use crate::connections::{Connections, connect};
use crate::disk;
use crate::doctor::{Facts, Mask, report, texts_of};
use crate::engine::kinds;
use crate::releases::short;
use crate::store::Access;
use crate::store::sqlite::copy;
use crate::time::{iso, now};

/// Bytes of the log's end that are read.
const TAIL: u64 = 1 << 20;

#[derive(Args)]
pub struct Options {
    /// The file; without it `tandem-doctor-<time>.md` in this folder.
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// The host's log, where it is kept in another file than that of [log]: its last 200 lines go in, masked.
    #[arg(long)]
    log: Option<PathBuf>,
    /// Sign in nowhere, and ask neither system.
    #[arg(long)]
    offline: bool,
}

pub async fn run(path: &Path, options: Options, output: &Output) -> Result<ExitCode> {
    let at = now();
    let mut facts = Facts { at, system: system(), config: table(path), ..Facts::default() };
    let mut hidden: Vec<String> = whoami::username().into_iter().filter(|name| name != "root").collect();
    match Config::load(path) {
        Ok(config) => {
            hidden.extend(secrets(&config));
            // Where the host writes one itself it need not be named.
            facts.log = config.log.as_ref().and_then(|log| tail(&config.resolve(&log.file)).ok());
            gather(Arc::new(config), &options, &mut facts, &mut hidden).await;
        }
        Err(error) => facts.troubles.push(error.to_string()),
    }
    if let Some(log) = &options.log {
        facts.log = Some(tail(log).with_context(|| format!("cannot read the log {}", log.display()))?);
    }
    let text = report(&facts, &Mask::new(hidden)?);
    let file = options.output.unwrap_or_else(|| {
        let stamp = iso(at).chars().filter(char::is_ascii_digit).take(14).collect::<String>();
        format!("tandem-doctor-{stamp}.md").into()
    });
    put_secret(&file, text.as_bytes()).with_context(|| format!("cannot write {}", file.display()))?;
    if output.is_json() {
        output.value(&json!({ "file": file }));
    } else {
        output.print(&file.display());
        output.say("it holds no secrets and nobody's data; read it before you send it");
    }
    Ok(ExitCode::SUCCESS)
}

/// The file as it stands, where it is TOML.
fn table(path: &Path) -> Option<toml::Table> {
    toml::from_str(&std::fs::read_to_string(path).ok()?).ok()
}

/// What nobody is to read: secrets, as far as they can be read here, and users of both systems.
fn secrets(config: &Config) -> Vec<String> {
    let values = config.secrets().into_iter().filter_map(|(_, secret)| secret.read(&config.base).ok());
    let mut hidden: Vec<String> = values.map(|secret| secret.reveal().to_owned()).collect();
    for b1 in config.b1.values() {
        hidden.push(b1.user.clone());
        hidden.extend(b1.proxy.as_ref().and_then(|proxy| proxy.user.clone()));
    }
    for org in config.salesforce.values() {
        hidden.push(org.client_id.clone());
        hidden.extend(org.username.clone());
        hidden.extend(org.proxy.as_ref().and_then(|proxy| proxy.user.clone()));
    }
    hidden.extend(config.alerts.channels.values().filter_map(|channel| channel.user.clone()));
    hidden.extend(config.console.oidc.as_ref().map(|oidc| oidc.client_id.clone()));
    hidden
}

/// All that can be found out; what cannot is noted, and keeps nothing else from being told.
async fn gather(config: Arc<Config>, options: &Options, facts: &mut Facts, hidden: &mut Vec<String>) {
    let connections = match connect(&config) {
        Ok(connections) => connections,
        Err(error) => {
            facts.troubles.push(error.to_string());
            Connections::default()
        }
    };
    if options.offline {
        facts.troubles.push("neither system was asked: --offline".into());
    } else {
        match check::look(&config, &connections).await {
            Ok(findings) => facts.findings = findings,
            Err(error) => facts.troubles.push(format!("{error:#}")),
        }
        for (name, connection) in connections.iter().filter(|(_, connection)| connection.clock().is_known()) {
            let off = (connection.clock().now() - now()) / 1_000;
            facts.state.push((format!("clock of {name}"), format!("{off} s beside this machine's")));
        }
    }
    sizes(&config, facts);
    audit_trail(config.clone(), facts).await;
    let runs = has_host(&config).await;
    facts.state.push(("host".into(), String::from(if runs { "runs" } else { "does not run" })));
    if runs {
        running(&config, facts).await;
    }
    match Parts::of(config.clone(), Access::Tool).await {
        Ok(parts) => {
            if let Err(error) = of_store(&parts, facts, hidden).await {
                facts.troubles.push(format!("{error:#}"));
            }
            of_flows(&parts, &connections, facts).await;
        }
        Err(error) => facts.troubles.push(format!("{error:#}")),
    }
}

fn sizes(config: &Config, facts: &mut Facts) {
    let path = config.resolve(&config.store.path);
    let size = |path: &Path| std::fs::metadata(path).map(|file| HumanBytes(file.len()).to_string());
    if config.store.url.is_none() {
        let log = path.with_file_name(format!("{}-wal", path.file_name().unwrap_or_default().to_string_lossy()));
        for (name, path) in [("database", &path), ("its log", &log)] {
            facts.state.extend(size(path).ok().map(|size| (name.to_owned(), size)));
        }
        if let Ok(look) = copy::Look::at(&path) {
            let known = copy::format();
            facts.state.push(("format".into(), format!("{}; this program knows up to {known}", look.format)));
        }
    }
    let free = disk::free(disk::folder_of(&path));
    facts.state.extend(free.map(|free| ("free on its disk".to_owned(), HumanBytes(free).to_string())));
}

/// Whether the chain of the audit trail holds, and its head.
async fn audit_trail(config: Arc<Config>, facts: &mut Facts) {
    let trail = match Trail::of(config).await {
        Ok(trail) => trail,
        // That there is none is told elsewhere.
        Err(_) => return,
    };
    match trail.verified(Vec::new()).await {
        Ok(verdict) => facts.state.push(("audit trail".into(), in_short(&verdict))),
        Err(error) => facts.troubles.push(format!("the audit trail: {error:#}")),
    }
}

/// What the host on this machine tells everybody.
async fn running(config: &Config, facts: &mut Facts) {
    match ask(config).await {
        Ok((ready, figures)) => {
            facts.ready = serde_json::from_str::<Value>(&ready).ok();
            facts.figures = Some(figures);
        }
        Err(error) => facts.troubles.push(format!("the running host does not say how it is: {error:#}")),
    }
}

async fn ask(config: &Config) -> Result<(String, String)> {
    let host = Running::of(config)?;
    Ok((host.says("readyz").await?, host.says("metrics").await?))
}

async fn of_store(parts: &Parts, facts: &mut Facts, hidden: &mut Vec<String>) -> Result<()> {
    let store = parts.store.as_ref();
    facts.counts = store.counts().await?;
    facts.wrong = kinds::wrong(store, None).await?;
    hidden.extend(store.accounts().await?.into_iter().map(|account| account.name));
    if let Some(Standing { last, wrong, .. }) = Standing::of(&parts.config, store).await? {
        let last = last.map_or_else(|| "none yet".to_owned(), |last| format!("the last good one is of {last}"));
        facts.state.push(("backups".into(), wrong.unwrap_or(last)));
    }
    Ok(())
}

async fn of_flows(parts: &Parts, connections: &Connections, facts: &mut Facts) {
    for name in parts.config.flows.keys() {
        let live = parts.store.activations(name, 1).await.ok().and_then(|mut all| all.pop());
        let held = parts.store.candidate(name).await.ok().flatten().and_then(|candidate| candidate.held);
        let mut says = live.map_or_else(
            || "nothing is live".to_owned(),
            |live| format!("release {} since {}", short(&live.release), iso(live.at)),
        );
        match parts.flow(name, connections).await {
            Ok(flow) => {
                let description = &flow.release.plugin.description;
                says = format!("{} {}, {says}", description.name, description.version);
                let schema = serde_json::from_str(&description.settings_schema).unwrap_or_default();
                texts_of(&schema, &mut facts.known);
            }
            Err(error) => facts.troubles.push(format!("flow {name}: {error:#}")),
        }
        says.extend(held.map(|held| format!("; a candidate waits: {held}")));
        facts.flows.push((name.clone(), says));
    }
}

/// The last part of a file, from a whole line on.
fn tail(path: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let begin = file.metadata()?.len().saturating_sub(TAIL);
    file.seek(SeekFrom::Start(begin))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(if begin > 0 { text.split_once('\n').map(|(_, rest)| rest.to_owned()).unwrap_or_default() } else { text })
}

fn system() -> String {
    let (system, machine) = (std::env::consts::OS, std::env::consts::ARCH);
    let release = std::fs::read_to_string("/etc/os-release").ok().and_then(|text| {
        let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
        Some(name.trim_matches('"').to_owned())
    });
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok();
    let named = [Some(system.to_owned()), release, kernel.map(|text| text.trim().to_owned()), Some(machine.to_owned())];
    named.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
