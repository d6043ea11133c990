//! `tandem plugin add [<name>]`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;

use super::grant::confirmed_or;
use super::reading;
use crate::cli::audit::note;
use crate::cli::failure::{FOUND_PROBLEMS, Failure};
use crate::cli::output::{Output, short};
use crate::cli::service::Parts;
use crate::releases::shipped::{self, There};
use crate::releases::short as short_digest;

#[derive(Args)]
pub struct Options {
    /// Which; without it all that came along are listed.
    name: Option<String>,
    /// Put it in the place of another version that lies there, without asking.
    #[arg(long)]
    replace: bool,
    /// Folder it is taken from; without it those that came along with the program
    #[arg(long)]
    from: Option<PathBuf>,
}

pub async fn run(parts: &Parts, options: Options, output: &Output) -> Result<ExitCode> {
    let from = options.from.or_else(shipped::folder).ok_or_else(|| {
        Failure::NotFound(
            "no plugins came along with this program: none lie in a folder `plugins` beside it; name one with --from"
                .into(),
        )
    })?;
    let known = shipped::names_in(&from).with_context(|| format!("cannot read the folder {}", from.display()))?;
    let Some(name) = options.name else { return list(parts, &from, &known, output).await };
    if !known.contains(&name) {
        let kind = format!("plugin in {},", from.display());
        return Err(Failure::unknown(&kind, &name, known.iter().map(String::as_str)).into());
    }
    let plugin = parts.releases().await?.shipped(&from, &name).await?;
    let (path, version) = (plugin.path.clone(), plugin.description.version.clone());
    let new = short_digest(&plugin.digest).to_owned();
    match &plugin.there {
        There::Same => {
            output.say(format!("{} is {name} {version} ({new}) already", path.display()));
            return Ok(ExitCode::SUCCESS);
        }
        There::Other(before) if !options.replace => {
            let before = short_digest(before);
            let question = format!("{} holds another version ({before}). Put {version} ({new}) there?", path.display());
            if !confirmed_or(&question, "--replace")? {
                output.say("nothing was changed");
                return Ok(ExitCode::FAILURE);
            }
        }
        There::Other(_) | There::Nothing => {}
    }
    plugin.put().map_err(anyhow::Error::msg)?;
    note(parts.store.as_ref(), "plugin.add", format!("{name} {version} {new}"), "").await?;
    output.say(format!("{name} {version} ({new}) lies in {}; next: `tandem plugin grant {name}`", path.display()));
    Ok(ExitCode::SUCCESS)
}

/// All that came along, and what lies in the plugins folder.
async fn list(parts: &Parts, from: &Path, known: &[String], output: &Output) -> Result<ExitCode> {
    let (mut data, mut rows) = (Vec::new(), Vec::new());
    let mut code = ExitCode::SUCCESS;
    let progress = reading(known.len(), output);
    for name in known {
        progress.set_message(name.clone());
        match parts.releases().await?.shipped(from, name).await {
            Ok(plugin) => {
                let there = match &plugin.there {
                    There::Nothing => "not there".to_owned(),
                    There::Same => "there".to_owned(),
                    There::Other(digest) => format!("another version is there ({})", short_digest(digest)),
                };
                let own = &plugin.description;
                data.push(json!({
                    "name": name, "version": own.version, "digest": plugin.digest, "title": own.title,
                    "there": matches!(plugin.there, There::Same),
                    "other": match &plugin.there { There::Other(digest) => Some(digest), _ => None },
                }));
                let digest = short_digest(&plugin.digest).to_owned();
                rows.push(vec![name.clone(), own.version.clone(), digest, there, own.title.clone()]);
            }
            Err(error) => {
                code = ExitCode::from(FOUND_PROBLEMS);
                let why = error.to_string();
                rows.push(vec![name.clone(), String::new(), String::new(), "cannot be used".into(), short(&why, 200)]);
                data.push(json!({ "name": name, "error": why }));
            }
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    let none = format!("no plugin in {}", from.display());
    output.rows(&data, &["plugin", "version", "digest", "plugins folder", "what it does"], rows, &none);
    Ok(code)
}
