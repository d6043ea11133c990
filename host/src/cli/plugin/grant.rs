//! `tandem plugin grant <name>`

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::audit::note;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::service::Parts;
use crate::config::FlowConfig;
use crate::releases::{Code, consent, short as short_digest};
use crate::sandbox::{Grants, Permission};

/// What a grant names: a plugin in the folder; otherwise a mapping plugin, as each flow that uses it has it.
pub async fn codes_of(parts: &Parts, name: &str) -> Result<Vec<Code>> {
    let releases = parts.releases().await?;
    let mut codes: Vec<Code> = Vec::new();
    if !releases.path(name).exists() {
        let uses =
            |own: &FlowConfig| own.mapper.as_ref().is_some_and(|path| path.file_stem().is_some_and(|it| it == name));
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

/// Shows what code asks for, and allows it where a person says so: `says` is asked the question.
pub async fn grant(
    parts: &Parts,
    code: &Code,
    says: impl FnOnce(&str) -> Result<bool>,
    output: &Output,
) -> Result<ExitCode> {
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
    let rows = shown.iter().map(|(permission, mark)| words(permission, mark)).collect();
    output.rows(&all, &WORDS, rows, "it asks for nothing");
    let named = format!("{} {}", code.short_name(), code.version);
    let named = named.trim_end();
    if !says(&format!("Allow {named} ({}) all of this?", short_digest(&code.digest)))? {
        output.say("nothing was granted");
        return Ok(ExitCode::FAILURE);
    }
    consent::allow(parts.store.as_ref(), code).await?;
    note(parts.store.as_ref(), "plugin.grant", format!("{named} {}", short_digest(&code.digest)), "").await?;
    output.say(format!("granted to {named}; a running host takes it up within seconds"));
    Ok(ExitCode::SUCCESS)
}

/// What the words of a permission are.
pub const WORDS: [&str; 5] = ["connection", "method", "path", "", "why"];

/// A permission as a person reads it, here and in `inspect`.
pub fn words(permission: &Permission, mark: &str) -> Vec<String> {
    let why = match permission.warning() {
        Some(warning) => format!("{} ({warning})", permission.reason),
        None => permission.reason.clone(),
    };
    vec![permission.slot.clone(), permission.method.word().into(), permission.path.clone(), mark.into(), why]
}

/// Allows a plugin in the folder all it asks for.
pub async fn allow_plugin(parts: &Parts, name: &str) -> Result<()> {
    let plugin = parts.releases().await?.plugin_file(name).await?;
    Ok(consent::allow(parts.store.as_ref(), &Code::of_plugin(&plugin)).await?)
}

/// Asks on the terminal; without one it must be said beforehand.
pub fn confirmed(question: &str) -> Result<bool> {
    confirmed_or(question, "--yes")
}

/// The same, where another option says it beforehand.
pub fn confirmed_or(question: &str, option: &str) -> Result<bool> {
    use std::io::{BufRead, IsTerminal, Write};
    if !std::io::stdin().is_terminal() {
        return Err(Failure::WrongUsage(format!("{question} (nobody to ask here: say {option})")).into());
    }
    write!(std::io::stdout(), "{question} [y/N] ")?;
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
