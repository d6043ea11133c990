//! `tandem plugin list|grant`

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;
use serde_json::json;

use super::failure::Failure;
use super::output::{Output, short};
use super::service::Parts;
use crate::sandbox::{Grants, Permission, Plugin};
use crate::store::sqlite::Access;
use crate::store::{Grant, Store};

#[derive(Subcommand)]
pub enum Command {
    /// Every plugin in the folder: what it is, what it asks for, what it was granted.
    List,
    /// Allow a plugin, in the version that lies in the folder, what it asks for.
    Grant {
        name: String,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
}

pub async fn run(config: &Path, command: Command, output: &Output) -> Result<ExitCode> {
    // A grant comes before the first run.
    let access = if matches!(command, Command::Grant { .. }) { Access::Maker } else { Access::Tool };
    let parts = Parts::open(config, access).await?;
    match command {
        Command::List => list(&parts, output).await,
        Command::Grant { name, yes } => {
            let plugin = parts.plugins.load(parts.runtime().await?, &name).await?;
            grant(&parts, &plugin, yes, output).await
        }
    }
}

async fn list(parts: &Parts, output: &Output) -> Result<ExitCode> {
    let mut data = Vec::new();
    let mut rows = Vec::new();
    let mut code = ExitCode::SUCCESS;
    for name in names_in(&parts.plugins.folder)? {
        match parts.plugins.load(parts.runtime().await?, &name).await {
            Ok(plugin) => {
                let missing = missing(parts.store.as_ref(), &plugin).await?.len();
                let asked = plugin.description.permissions.len();
                let state = if missing == 0 {
                    "granted".to_owned()
                } else {
                    format!("waits for consent to {missing} of {asked}")
                };
                let flows: Vec<&str> = parts
                    .config
                    .flows
                    .iter()
                    .filter(|(_, flow)| flow.plugin == name)
                    .map(|(flow, _)| flow.as_str())
                    .collect();
                rows.push(vec![
                    name.clone(),
                    plugin.description.version.clone(),
                    plugin.digest.chars().take(12).collect(),
                    state,
                    flows.join(", "),
                    plugin.description.title.clone(),
                ]);
                data.push(json!({ "name": name, "digest": plugin.digest, "description": plugin.description, "missing": missing, "flows": flows }));
            }
            Err(error) => {
                code = ExitCode::from(super::FOUND_PROBLEMS);
                rows.push(vec![
                    name.clone(),
                    String::new(),
                    String::new(),
                    "cannot be used".into(),
                    String::new(),
                    short(&error.to_string(), 200),
                ]);
                data.push(json!({ "name": name, "error": error.to_string() }));
            }
        }
    }
    let none = format!("no plugin in {}: copy <name>.wasm there", parts.plugins.folder.display());
    output.rows(&data, &["plugin", "version", "digest", "grant", "flows", "what it does"], rows, &none);
    Ok(code)
}

fn names_in(folder: &Path) -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("cannot read the plugins folder {}", folder.display()))?,
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let wasm = path.extension().is_some_and(|extension| extension == "wasm");
            wasm.then(|| path.file_stem()?.to_str().map(str::to_owned))?
        })
        .collect();
    names.sort();
    Ok(names)
}

async fn missing(store: &dyn Store, plugin: &Plugin) -> Result<Vec<Permission>> {
    let granted: Vec<Permission> = match store.granted(&plugin.digest).await? {
        Some(grant) => serde_json::from_str(&grant.permissions).context("the stored grant cannot be read")?,
        None => Vec::new(),
    };
    let grants = Grants::new(&plugin.description.name, granted);
    Ok(grants.missing(&plugin.description.permissions).into_iter().cloned().collect())
}

async fn grant(parts: &Parts, plugin: &Plugin, yes: bool, output: &Output) -> Result<ExitCode> {
    let description = &plugin.description;
    let before: Vec<Permission> = match parts.store.last_grant(&description.name).await? {
        Some(grant) => serde_json::from_str(&grant.permissions).unwrap_or_default(),
        None => Vec::new(),
    };
    let known = Grants::new(&description.name, before);
    let new = known.missing(&description.permissions);
    let shown: Vec<&Permission> = description.permissions.iter().chain(&description.unasked).collect();
    let rows = shown
        .iter()
        .map(|p| {
            let mark = match () {
                () if description.unasked.contains(p) => "not asked for",
                () if new.contains(p) => "new",
                () => "as before",
            };
            let why = match p.warning() {
                Some(warning) => format!("{} ({warning})", p.reason),
                None => p.reason.clone(),
            };
            vec![p.slot.clone(), p.method.word().into(), p.path.clone(), mark.into(), why]
        })
        .collect();
    output.rows(&shown, &["connection", "method", "path", "", "why"], rows, "it asks for nothing");
    if !yes
        && !confirmed(&format!(
            "Allow {} {} ({}) all of this?",
            description.name,
            description.version,
            &plugin.digest[..12]
        ))?
    {
        output.say("nothing was granted");
        return Ok(ExitCode::FAILURE);
    }
    store_grant(parts.store.as_ref(), plugin).await?;
    output.say(format!(
        "granted to {} {}; a running host takes it up within seconds",
        description.name, description.version
    ));
    Ok(ExitCode::SUCCESS)
}

/// Allows a plugin all it asks for.
pub async fn store_grant(store: &dyn Store, plugin: &Plugin) -> Result<()> {
    let grant = Grant {
        digest: plugin.digest.clone(),
        plugin: plugin.description.name.clone(),
        permissions: serde_json::to_string(&plugin.description.permissions)?,
        granted_at: crate::time::now(),
    };
    Ok(store.grant(grant).await?)
}

/// Asks on the terminal; without one it must be said beforehand.
pub fn confirmed(question: &str) -> Result<bool> {
    use std::io::{BufRead, IsTerminal, Write};
    if !std::io::stdin().is_terminal() {
        return Err(Failure::WrongUsage(format!("{question} (nobody to ask here: say --yes)")).into());
    }
    write!(std::io::stdout(), "{question} [y/N] ")?;
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
