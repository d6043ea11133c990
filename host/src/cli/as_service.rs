//! `tandem service install|start|stop|status|uninstall`: the host as a service of the operating system.

use std::path::Path;
use std::process::ExitCode;

#[cfg(unix)]
use anyhow::Context;
use anyhow::Result;
use clap::Subcommand;

use super::failure::FOUND_PROBLEMS;
use super::output::Output;
use crate::config::Config;
#[cfg(unix)]
use crate::service::Rooms;
#[cfg(unix)]
use crate::service::owner;
#[cfg(unix)]
use crate::service::systemd as system;
#[cfg(windows)]
use crate::service::windows as system;
use crate::service::{NAME, Plan};

#[derive(Subcommand)]
pub enum Command {
    /// Set it up as a service that starts with the machine, under a user of its own; what is there is brought up to date.
    Install {
        #[command(flatten)]
        named: Named,
        /// Whom it runs as: made where there is no such user
        #[cfg(unix)]
        #[arg(long, default_value = system::USER)]
        user: String,
        /// Change nothing: print the unit of systemd.
        #[cfg(unix)]
        #[arg(long)]
        print: bool,
    },
    /// Start it, and wait until it is up.
    Start(Named),
    /// Stop it: runs under way are finished first.
    Stop(Named),
    /// Say whether it runs, and what it says of itself.
    Status(Named),
    /// Stop it and take it away; configuration and database stay.
    Uninstall(Named),
    /// Of `install` for itself, as the service's user: all that the host needs can be reached.
    #[cfg(unix)]
    #[command(name = owner::TRY, hide = true)]
    Try,
}

/// Which service.
#[derive(clap::Args)]
pub struct Named {
    /// Name of the service, where one machine has several
    #[arg(long, default_value = NAME)]
    name: String,
}

pub fn run(config: &Path, command: Command, output: &Output) -> Result<ExitCode> {
    match command {
        #[cfg(unix)]
        Command::Install { named, user, print } => {
            let plan = Plan::of(&Config::load(config)?, &named.name, &user)?;
            if print {
                output.print(&system::unit(&plan)?.trim_end());
            } else {
                installed(&plan, output)?;
            }
        }
        #[cfg(windows)]
        Command::Install { named } => {
            let plan = Plan::of(&Config::load(config)?, &named.name, &system::account(&named.name))?;
            installed(&plan, output)?;
        }
        Command::Start(named) => {
            system::start(&named.name)?;
            output.say(format!("{} is started", named.name));
        }
        Command::Stop(named) => {
            system::stop(&named.name)?;
            output.say(format!("{} has ended", named.name));
        }
        Command::Status(named) => return status(&named.name, output),
        Command::Uninstall(named) => told(system::uninstall(&named.name)?, output),
        #[cfg(unix)]
        Command::Try => reached(&Config::load(config)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Secrets in files can be read, and the folders written to. What is in the environment is systemd's.
#[cfg(unix)]
fn reached(config: &Config) -> Result<()> {
    for (place, secret) in config.secrets() {
        if secret.path().is_some() {
            secret.read(&config.base).with_context(|| place)?;
        }
    }
    for room in Rooms::of(config)?.all {
        tempfile::tempfile_in(&room.path).with_context(|| format!("{} cannot be written to", room.path.display()))?;
    }
    Ok(())
}

fn installed(plan: &Plan, output: &Output) -> Result<()> {
    told(system::install(plan)?, output);
    output.say("next: `tandem service start`");
    Ok(())
}

fn told(lines: Vec<String>, output: &Output) {
    lines.into_iter().for_each(|line| output.say(line));
}

/// A script reads by the exit code whether it runs.
fn status(name: &str, output: &Output) -> Result<ExitCode> {
    let standing = system::status(name)?;
    if output.is_json() {
        output.value(&standing);
    } else {
        let mut facts = vec![vec!["state".to_owned(), standing.state.clone()]];
        facts.extend(standing.says.clone().map(|says| vec!["it says".into(), says]));
        facts.extend(standing.process.map(|id| vec!["process".into(), id.to_string()]));
        let starts = if standing.with_the_machine { "with the machine" } else { "by hand" };
        facts.push(vec!["starts".into(), starts.into()]);
        output.facts(&["service", name], facts);
    }
    Ok(if standing.running { ExitCode::SUCCESS } else { ExitCode::from(FOUND_PROBLEMS) })
}
