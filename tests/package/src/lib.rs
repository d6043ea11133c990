//! Where the Salesforce package is, and the programs that look at it.

pub mod shown;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

/// The sfdx project.
pub fn project() -> PathBuf {
    tandem_e2e::root().join("salesforce-package")
}

/// What an admin installs.
pub fn package() -> PathBuf {
    project().join("force-app/main/default")
}

/// What is deployed as source after the install, since a package cannot bring it.
pub fn access() -> PathBuf {
    project().join("access/main/default")
}

/// What a German-speaking org installs beside it.
pub fn german() -> PathBuf {
    project().join("german/main/default")
}

/// What is deployed beside the package: the app by which the host signs in.
pub fn sign_in() -> PathBuf {
    project().join("sign-in/main/default")
}

/// Files below a folder with this ending, in order.
pub fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() && !["node_modules", "target"].iter().any(|skipped| path.ends_with(skipped)) {
            found.extend(files(&path, ending)?);
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Runs a program in the sfdx project; what it said, or an error with it.
pub async fn run(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<String> {
    let (ok, said) = said(program, arguments, environment).await?;
    if !ok {
        bail!("{program} {} failed:\n{said}", arguments.join(" "));
    }
    Ok(said)
}

/// Runs a program in the sfdx project; whether it ended well, and what it said.
pub async fn said(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<(bool, String)> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(project())
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .await
        .with_context(|| format!("{program} is missing: run `make setup-tests`"))?;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Ok((output.status.success(), text))
}
