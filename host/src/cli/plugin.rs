//! `tandem plugin list|grant`

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;
use serde_json::json;

use super::failure::Failure;
use super::output::{Output, short};
use super::service::Parts;
use crate::config::FlowConfig;
use crate::releases::{Code, consent, short as short_digest};
use crate::sandbox::{Grants, Permission};
use crate::store::sqlite::Access;

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
            for code in codes_of(&parts, &name).await? {
                if grant(&parts, &code, yes, output).await? != ExitCode::SUCCESS {
                    return Ok(ExitCode::FAILURE);
                }
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Something that may be granted: a plugin, or a mapping plugin that a flow uses.
struct Listed {
    name: String,
    flows: Vec<String>,
    found: Result<(Code, String), String>,
}

async fn list(parts: &Parts, output: &Output) -> Result<ExitCode> {
    let mut data = Vec::new();
    let mut rows = Vec::new();
    let mut code = ExitCode::SUCCESS;
    for Listed { name, flows, found } in listed(parts).await? {
        match found {
            Ok((own, title)) => {
                let missing = consent::missing(parts.store.as_ref(), &own).await?.len();
                let asked = own.all().len();
                let state = if missing == 0 {
                    "granted".to_owned()
                } else {
                    format!("waits for consent to {missing} of {asked}")
                };
                rows.push(vec![
                    name.clone(),
                    own.version.clone(),
                    short_digest(&own.digest).to_owned(),
                    state,
                    flows.join(", "),
                    title.clone(),
                ]);
                data.push(json!({
                    "name": name, "kind": own.kind(), "version": own.version, "digest": own.digest, "title": title,
                    "asks": own.asks, "unasked": own.unasked, "missing": missing, "flows": flows
                }));
            }
            Err(error) => {
                code = ExitCode::from(super::FOUND_PROBLEMS);
                rows.push(vec![
                    name.clone(),
                    String::new(),
                    String::new(),
                    "cannot be used".into(),
                    String::new(),
                    short(&error, 200),
                ]);
                data.push(json!({ "name": name, "error": error }));
            }
        }
    }
    let folder = &parts.releases().await?.folder;
    let none = format!("no plugin in {}: copy <name>.wasm there", folder.display());
    output.rows(&data, &["plugin", "version", "digest", "grant", "flows", "what it does"], rows, &none);
    Ok(code)
}

/// Every plugin in the folder and every mapping plugin of a flow.
async fn listed(parts: &Parts) -> Result<Vec<Listed>> {
    let releases = parts.releases().await?;
    let mut all = Vec::new();
    for name in names_in(&releases.folder)? {
        let flows = parts.config.flows.iter().filter(|(_, flow)| flow.plugin == name);
        let flows = flows.map(|(flow, _)| flow.clone()).collect();
        let found = releases.plugin_file(&name).await.map_err(|error| error.to_string());
        let found = found.map(|plugin| (Code::of_plugin(&plugin), plugin.description.title.clone()));
        all.push(Listed { name, flows, found });
    }
    for (flow, _) in parts.config.flows.iter().filter(|(_, own)| own.mapper.is_some()) {
        let found = match releases.of_files(flow, &parts.config).await {
            Ok(draft) => {
                let mapper = draft.release.codes().into_iter().find(Code::is_mapper);
                mapper.ok_or_else(|| "it is no part of the flow".to_owned())
            }
            Err(error) => Err(error.to_string()),
        };
        let name = match &found {
            Ok(code) => code.short_name().to_owned(),
            Err(_) => format!("mapping plugin of {flow}"),
        };
        let title = format!("mapping plugin of the flow {flow}");
        all.push(Listed { name, flows: vec![flow.clone()], found: found.map(|code| (code, title)) });
    }
    Ok(all)
}

/// What a grant names: a plugin in the folder; otherwise a mapping plugin, as each flow that uses it has it.
async fn codes_of(parts: &Parts, name: &str) -> Result<Vec<Code>> {
    let releases = parts.releases().await?;
    let mut codes: Vec<Code> = Vec::new();
    if !releases.path(name).exists() {
        let uses =
            |own: &&FlowConfig| own.mapper.as_ref().is_some_and(|path| path.file_stem().is_some_and(|it| it == name));
        for (flow, _) in parts.config.flows.iter().filter(|(_, own)| uses(own)) {
            let draft = releases.of_files(flow, &parts.config).await?;
            codes.extend(draft.release.codes().into_iter().filter(Code::is_mapper));
        }
        codes.dedup_by(|one, other| one.digest == other.digest && one.asks == other.asks);
    }
    if codes.is_empty() {
        codes.push(Code::of_plugin(releases.plugin_file(name).await?.as_ref()));
    }
    Ok(codes)
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

/// Shows what code asks for, and allows it where a person says so.
pub(super) async fn grant(parts: &Parts, code: &Code, yes: bool, output: &Output) -> Result<ExitCode> {
    let known = Grants::new(&code.name, consent::last(parts.store.as_ref(), code).await?);
    let all = code.all();
    let new = known.missing(&all);
    // What is new stands first: it is what the question is about.
    let mut shown: Vec<(&Permission, &str)> = Vec::new();
    for permission in &all {
        let mark = match () {
            () if code.unasked.contains(permission) => "not asked for",
            () if new.contains(&permission) => "new",
            () => "as before",
        };
        shown.push((permission, mark));
    }
    shown.sort_by_key(|(_, mark)| *mark == "as before");
    let rows = shown
        .iter()
        .map(|(p, mark)| {
            let why = match p.warning() {
                Some(warning) => format!("{} ({warning})", p.reason),
                None => p.reason.clone(),
            };
            vec![p.slot.clone(), p.method.word().into(), p.path.clone(), (*mark).into(), why]
        })
        .collect();
    output.rows(&all, &["connection", "method", "path", "", "why"], rows, "it asks for nothing");
    let named = format!("{} {}", code.short_name(), code.version);
    let named = named.trim_end();
    if !yes && !confirmed(&format!("Allow {named} ({}) all of this?", short_digest(&code.digest)))? {
        output.say("nothing was granted");
        return Ok(ExitCode::FAILURE);
    }
    consent::allow(parts.store.as_ref(), code).await?;
    output.say(format!("granted to {named}; a running host takes it up within seconds"));
    Ok(ExitCode::SUCCESS)
}

/// Allows a plugin in the folder all it asks for.
pub async fn allow_plugin(parts: &Parts, name: &str) -> Result<()> {
    let plugin = parts.releases().await?.plugin_file(name).await?;
    Ok(consent::allow(parts.store.as_ref(), &Code::of_plugin(&plugin)).await?)
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
