//! More hosts beside a world's own, on its database: each with a folder of its own that holds `tandem.toml` and what it names, and no plugins.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result};
use tokio::process::{Child, Command};

use crate::{World, free_port, program, programs};

/// What `tandem.toml` of a world names beside it.
const SECRETS: [&str; 4] = ["b1.password", "salesforce.secret", "webhook.key", "store.password"];

/// One of them.
pub struct Host {
    folder: PathBuf,
    child: Option<Child>,
    frozen: bool,
    /// Address of its console.
    pub console: String,
}

impl Host {
    /// Makes its folder; it is not started.
    pub fn beside(world: &World, name: &str) -> Result<Self> {
        let folder = world.folder().join(name);
        fs::create_dir_all(folder.join("data"))?;
        for secret in SECRETS {
            fs::copy(world.folder().join(secret), folder.join(secret)).with_context(|| secret.to_owned())?;
        }
        let console = format!("http://127.0.0.1:{}", free_port()?);
        let config = fs::read_to_string(world.folder().join("tandem.toml"))?;
        let listens = |address: &str| format!("listen = \"{}\"", address.trim_start_matches("http://"));
        let own = config.replace(&listens(&world.console), &listens(&console));
        fs::write(folder.join("tandem.toml"), own)?;
        #[cfg(unix)]
        std::os::unix::fs::symlink(programs().join("compiled-for-tests"), folder.join("data/compiled"))?;
        Ok(Self { folder, child: None, frozen: false, console })
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts it; does not wait.
    pub fn start(&mut self) -> Result<()> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.folder.join("host.log"))?;
        let child = Command::new(program("tandem"))
            .arg("--config")
            .arg(self.folder.join("tandem.toml"))
            .args(["--log-json", "run"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        (self.child, self.frozen) = (Some(child), false);
        Ok(())
    }

    /// Starts it again where it has ended, as a service manager does; true where it had.
    pub fn keep_up(&mut self) -> Result<bool> {
        let runs = match &mut self.child {
            Some(child) => child.try_wait()?.is_none(),
            None => false,
        };
        if !runs {
            self.start()?;
        }
        Ok(!runs)
    }

    /// Ends it at once, as a power cut would.
    pub async fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().await?;
        }
        Ok(())
    }

    /// Asks it to stop, and waits for that.
    pub async fn stop(&mut self) -> Result<()> {
        self.signal("-TERM").await?;
        if let Some(mut child) = self.child.take() {
            tokio::time::timeout(std::time::Duration::from_secs(40), child.wait()).await??;
        }
        Ok(())
    }

    /// It stands still until [`Host::thaw`].
    pub async fn freeze(&mut self) -> Result<()> {
        self.frozen = true;
        self.signal("-STOP").await
    }

    /// It goes on.
    pub async fn thaw(&mut self) -> Result<()> {
        self.frozen = false;
        self.signal("-CONT").await
    }

    /// It stands still.
    pub fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// All that it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("host.log")).unwrap_or_default()
    }

    async fn signal(&self, signal: &str) -> Result<()> {
        let id = self.child.as_ref().and_then(Child::id).context("it does not run")?;
        Command::new("kill").args([signal, &id.to_string()]).status().await?;
        Ok(())
    }
}
