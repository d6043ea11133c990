//! `tandem secret seal`: a secret that DPAPI of Windows seals, for `{ dpapi = "path" }` of `tandem.toml`.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;
use dialoguer::Password;
use dialoguer::theme::ColorfulTheme;
use serde_json::json;

use super::output::Output;
use crate::config::put::put_secret;
use crate::config::{SecretError, SecretSource, text_of};

#[derive(Subcommand)]
pub enum Command {
    /// Read a secret, typed hidden or from standard input, and write it into a file that only this machine opens (Windows).
    Seal {
        /// The file; one that is there is replaced.
        file: PathBuf,
    },
}

pub fn run(command: Command, output: &Output) -> Result<ExitCode> {
    let Command::Seal { file } = command;
    // Before anybody types one for nothing.
    if !cfg!(windows) {
        return Err(SecretError::NotWindows.into());
    }
    let secret = read()?;
    if secret.is_empty() {
        return Err(SecretError::Empty("standard input".into()).into());
    }
    let sealed = SecretSource::Dpapi(file.clone()).bytes(&secret)?;
    put_secret(&file, &sealed).with_context(|| format!("cannot write {}", file.display()))?;
    if output.is_json() {
        output.value(&json!({ "file": file }));
        return Ok(ExitCode::SUCCESS);
    }
    output.print(&file.display());
    let place = std::path::absolute(&file).unwrap_or(file);
    let named = toml::Value::String(place.display().to_string());
    output.say(format!("tandem.toml names it as {{ dpapi = {named} }}, or relative to itself"));
    output.say("only this machine opens it, for whoever may read the file: leave that to administrators and the service's account");
    Ok(ExitCode::SUCCESS)
}

fn read() -> Result<String> {
    if std::io::stdin().is_terminal() {
        let theme = ColorfulTheme::default();
        let typed = Password::with_theme(&theme).with_prompt("the secret, hidden");
        return Ok(typed.with_confirmation("once more", "that is another one").interact()?);
    }
    let text = text_of(std::io::stdin().lock()).context("the secret cannot be read from standard input")?;
    // PowerShell begins what it hands over with a mark of its own.
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}
