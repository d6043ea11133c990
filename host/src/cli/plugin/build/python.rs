//! Python: `componentize-py`, fetched by pip into an environment of its own, once.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::cli::output::Output;
use crate::cli::plugin::program::{find, in_venv, loud, quiet, tools};

/// The one that is known to give components that this host takes.
const VERSION: &str = "0.25.1";
const FETCH: Duration = Duration::from_secs(900);
const BUILD: Duration = Duration::from_secs(600);

/// Builds a module.
pub async fn build(folder: &Path, module: &str, out: &Path, output: &Output) -> Result<()> {
    let wit = super::wit(folder)?;
    let venv = tools().join(format!("componentize-py-{VERSION}"));
    if !venv.join("whole").is_file() {
        let Some(python) = find(&["python3", "python", "py"]) else { bail!("{}", no_python()) };
        output.say(format!("pip install componentize-py=={VERSION} into {} (once, 70 MB)", venv.display()));
        if let Some(parent) = venv.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        }
        let made = quiet(Command::new(python).args(["-m", "venv"]).arg(&venv), "python -m venv", FETCH).await;
        made.with_context(no_python)?;
        let mut install = Command::new(in_venv(&venv, "python"));
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        install.arg(format!("componentize-py=={VERSION}"));
        quiet(&mut install, "pip install", FETCH).await?;
        fs::write(venv.join("whole"), VERSION)?;
    }
    output.say(format!("componentize-py: {module}"));
    let mut command = Command::new(in_venv(&venv, "componentize-py"));
    command.current_dir(folder).arg("-d").arg(wit).args(["-w", "mapper", "componentize", "--stub-wasi", module, "-o"]);
    loud(command.arg(out), "componentize-py", BUILD).await?;
    Ok(())
}

fn no_python() -> &'static str {
    if cfg!(windows) {
        "Python 3.10 or newer is needed: install it from https://www.python.org"
    } else {
        "Python 3.10 or newer is needed, with its module venv: install it from your distribution (on Debian python3 and python3-venv)"
    }
}
