//! JavaScript: `componentize-js` on Node, fetched by npm into a folder of its own, once.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::cli::output::Output;
use crate::cli::plugin::new::TEMPLATES;
use crate::cli::plugin::program::{find, loud, quiet, tools};

/// The one that is known to give components without any WASI capability.
const VERSION: &str = "0.23.0";
const FETCH: Duration = Duration::from_secs(900);
const BUILD: Duration = Duration::from_secs(600);
/// The oldest Node that it runs on.
const NODE: u32 = 20;

/// Builds a source file.
pub async fn build(folder: &Path, main: &str, out: &Path, output: &Output) -> Result<()> {
    let wit = super::wit(folder)?;
    let Some(node) = find(&["node"]) else { bail!("{}", no_node()) };
    let version = quiet(Command::new(&node).arg("--version"), "node --version", BUILD).await?;
    let major: u32 = version.trim_start_matches('v').split('.').next().and_then(|n| n.parse().ok()).unwrap_or_default();
    if major < NODE {
        bail!("{} is version {version}: {}", node.display(), no_node());
    }
    let cache = tools().join(format!("componentize-js-{VERSION}"));
    let script = cache.join("componentize.mjs");
    if !cache.join("whole").is_file() {
        let Some(npm) = find(&["npm"]) else { bail!("npm is missing: {}", no_node()) };
        fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
        output.say(format!(
            "npm install @bytecodealliance/componentize-js@{VERSION} into {} (once, 400 MB)",
            cache.display()
        ));
        let mut install = Command::new(npm);
        install.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-save", "--prefix"]).arg(&cache);
        install.arg(format!("@bytecodealliance/componentize-js@{VERSION}")).current_dir(&cache);
        quiet(&mut install, "npm install", FETCH).await?;
        fs::write(cache.join("whole"), VERSION)?;
    }
    let text = TEMPLATES.iter().find(|(path, _)| *path == "componentize.mjs").map(|(_, text)| *text);
    fs::write(&script, text.unwrap_or_default()).with_context(|| format!("cannot write {}", script.display()))?;
    output.say(format!("componentize-js: {main}"));
    let mut command = Command::new(node);
    command.current_dir(folder).arg(&script).arg(folder.join(main)).arg(wit).arg("mapper").arg(out);
    let said = loud(&mut command, "componentize-js", BUILD).await?;
    if !said.trim().is_empty() {
        output.say(said.trim());
    }
    Ok(())
}

fn no_node() -> String {
    format!("Node {NODE} or newer is needed, with npm: install it from https://nodejs.org or your distribution")
}
