//! The host while another version is put in place: a service of the system, or a process of its own for as long as it is tried.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::process::{Child, Command};

use super::super::running::Running;
use crate::config::Config;
use crate::service::ServiceError;
#[cfg(unix)]
use crate::service::systemd as system;
#[cfg(windows)]
use crate::service::windows as system;
use crate::upgrade::Change;

/// Between two looks whether it is ready.
const LOOK: Duration = Duration::from_millis(500);

/// How the host is run.
pub enum Host {
    /// By the system.
    Service(String),
    /// By hand, as a process of this one while it is tried.
    ByHand(Option<Box<Child>>),
}

impl Host {
    /// The service of that name, where there is one; it has to run this program.
    pub fn of(name: &str, program: &Path) -> Result<Self> {
        match system::runs(name, program) {
            Ok(true) => Ok(Self::Service(name.to_owned())),
            Ok(false) => bail!(
                "the service {name} runs another program than {}: begin from that one, or bring the service up to this one with `tandem service install`",
                program.display()
            ),
            Err(ServiceError::NotInstalled(_)) => Ok(Self::ByHand(None)),
            Err(error) => Err(error.into()),
        }
    }

    /// As it was run when the change began.
    pub fn noted(change: &Change) -> Self {
        match &change.plan.service {
            Some(name) => Self::Service(name.clone()),
            None => Self::ByHand(None),
        }
    }

    /// The service's name.
    pub fn service(&self) -> Option<&str> {
        match self {
            Self::Service(name) => Some(name),
            Self::ByHand(_) => None,
        }
    }

    /// Runs under way are finished; nothing has the database afterwards.
    pub async fn stop(&mut self, config: &Config) -> Result<()> {
        match self {
            Self::Service(name) => system::stop(name)?,
            Self::ByHand(child) => {
                if let Some(child) = child.take() {
                    ended(*child, Duration::from_secs(config.host.stop_seconds + 30)).await?;
                }
            }
        }
        Ok(())
    }

    /// Starts what lies in the program's place now.
    pub async fn start(&mut self, program: &Path, config: &Config) -> Result<()> {
        match self {
            Self::Service(name) => {
                let name = name.clone();
                // A unit waits until it is up, or has failed: that is seen by looking.
                tokio::task::spawn_blocking(move || system::start(&name)).await??;
            }
            Self::ByHand(child) => {
                let mut command = Command::new(program);
                command.arg("--config").arg(&config.file).arg("run");
                let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
                *child = Some(Box::new(quiet.spawn().with_context(|| program.display().to_string())?));
            }
        }
        Ok(())
    }

    /// True once it is as well as it was: ready, or at least up.
    pub async fn is_well(&mut self, config: &Config, ready: bool, patience: Duration) -> Result<bool> {
        let running = Running::of(config)?;
        let until = Instant::now() + patience;
        loop {
            if running.is(if ready { "readyz" } else { "healthz" }).await {
                return Ok(true);
            }
            let over = match self {
                Self::ByHand(Some(child)) => child.try_wait()?.is_some(),
                _ => false,
            };
            if over || Instant::now() > until {
                return Ok(false);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

#[cfg(unix)]
async fn ended(mut child: Child, patience: Duration) -> Result<()> {
    if let Some(pid) = child.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?)) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    if tokio::time::timeout(patience, child.wait()).await.is_err() {
        // What is not finished is taken up at the next start.
        child.kill().await?;
    }
    Ok(())
}

/// A kill does no harm: the next start takes up what was open.
#[cfg(windows)]
async fn ended(mut child: Child, _patience: Duration) -> Result<()> {
    Ok(child.kill().await?)
}
