//! Other people's programs: found by name on every system, run with a bound, their words passed on.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

/// Where Tandem keeps tools of others: as the scripts of the repository have it.
pub fn tools() -> PathBuf {
    if let Some(own) = env::var_os("TANDEM_TOOLS").filter(|own| !own.is_empty()) {
        return own.into();
    }
    let local = if cfg!(windows) { env::var_os("LOCALAPPDATA") } else { None };
    match local {
        Some(local) => PathBuf::from(local).join("tandem"),
        None => env::home_dir().unwrap_or_default().join(".cache/tandem"),
    }
}

/// The first of these programs: among Tandem's tools, on the PATH, where rustup puts its own.
pub fn find(names: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders = vec![tools().join("bin")];
    folders.extend(env::split_paths(&path));
    folders.extend(env::home_dir().map(|home| home.join(".cargo/bin")));
    let endings: &[&str] = if cfg!(windows) { &[".exe", ".cmd", ".bat"] } else { &[""] };
    let candidates = names.iter().flat_map(|name| {
        folders.iter().flat_map(move |folder| endings.iter().map(move |ending| folder.join(format!("{name}{ending}"))))
    });
    candidates.into_iter().find(|candidate| candidate.is_file())
}

/// A program of a Python environment.
pub fn in_venv(venv: &Path, name: &str) -> PathBuf {
    if cfg!(windows) { venv.join("Scripts").join(format!("{name}.exe")) } else { venv.join("bin").join(name) }
}

/// Runs it and gives what it wrote to standard output; its standard error is seen as it comes.
pub async fn loud(command: &mut Command, what: &str, patience: Duration) -> Result<String> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true).spawn();
    let child = child.with_context(|| format!("{what} does not start"))?;
    let ended = tokio::time::timeout(patience, child.wait_with_output()).await;
    let output = ended.map_err(|_| anyhow::anyhow!("{what} took more than {} s", patience.as_secs()))??;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        // What is not JSON for this program is a word of the other.
        let words: Vec<&str> = text.lines().filter(|line| !line.starts_with('{')).collect();
        bail!("{what} failed ({}){}", output.status, told(&words.join("\n")));
    }
    Ok(text)
}

/// Runs it, and tells its words only where it fails.
pub async fn quiet(command: &mut Command, what: &str, patience: Duration) -> Result<String> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn();
    let child = child.with_context(|| format!("{what} does not start"))?;
    let ended = tokio::time::timeout(patience, child.wait_with_output()).await;
    let output = ended.map_err(|_| anyhow::anyhow!("{what} took more than {} s", patience.as_secs()))??;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if !output.status.success() {
        let words = format!("{}\n{}", text(&output.stdout), text(&output.stderr));
        bail!("{what} failed ({}){}", output.status, told(words.trim()));
    }
    Ok(text(&output.stdout))
}

/// Their last lines.
fn told(words: &str) -> String {
    const LINES: usize = 40;
    let lines: Vec<&str> = words.lines().collect();
    let last = lines[lines.len().saturating_sub(LINES)..].join("\n");
    if last.is_empty() { String::new() } else { format!(":\n{last}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_program_says_when_it_fails_is_told_and_one_that_hangs_is_ended() {
        let Some(cargo) = find(&["no-such-program", "cargo"]) else { panic!("cargo runs this test") };
        let failed = quiet(Command::new(&cargo).arg("no-such-command"), "cargo", Duration::from_secs(60)).await;
        let told = format!("{:#}", failed.unwrap_err());
        assert!(told.starts_with("cargo failed") && told.contains("no-such-command"), "{told}");
        assert!(quiet(Command::new(&cargo).arg("--version"), "cargo", Duration::ZERO).await.is_err());
        assert!(find(&["no-such-program"]).is_none());
    }
}
