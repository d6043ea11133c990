//! `tandem upgrade`

mod attempt;
mod host;
mod prepare;

use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use tokio::process::Command;

use self::host::Host;
use super::database::{has_host, is_file};
use super::failure::Failure;
use super::output::{Output, short};
use super::plugin::confirmed_or;
use super::running::Running;
use crate::backup::Good;
use crate::config::Config;
use crate::releases::Trust;
use crate::service::NAME;
use crate::time::{iso, now};
use crate::upgrade::trial::Prepared;
use crate::upgrade::{Change, Offered, Place, Plan, Step, Vouched, offered};

/// What the new program is asked.
const TRY: &str = "try";
/// What the own program is asked, as the database's user.
const PREPARE: &str = "prepare";
/// Letters of what differs.
const SAYS: usize = 160;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Options {
    #[command(subcommand)]
    part: Option<Part>,
    /// Archive of the other version: tandem-<version>-linux-x86_64.tar.gz, or -windows-x86_64.zip
    #[arg(long)]
    from: Option<PathBuf>,
    /// SHA-256 of the archive, as you were told it elsewhere; without it a signature by one of [trust] keys lies beside it.
    #[arg(long)]
    sha256: Option<String>,
    /// Look and say what would come of it, and change nothing.
    #[arg(long)]
    rehearse: bool,
    /// Do not ask where nothing is worse and nothing differs.
    #[arg(long, short)]
    yes: bool,
    /// Do not ask although something is worse, or would be done otherwise.
    #[arg(long)]
    accept_differences: bool,
    /// Take the last upgrade back, also one that was broken off: program, plugins and, where its format changed, database.
    #[arg(long, conflicts_with_all = ["from", "rehearse", "keep"])]
    back: bool,
    /// Leave the version in place whose upgrade was broken off when all of it was there, if the host is ready with it.
    #[arg(long, conflicts_with_all = ["from", "rehearse"])]
    keep: bool,
    /// Seconds until the new version has to be ready
    #[arg(long, default_value_t = 300)]
    patience: u64,
    /// Name of the service, where one machine has several
    #[arg(long, default_value = NAME)]
    name: String,
}

/// Of the program for itself.
#[derive(Subcommand)]
enum Part {
    /// What is looked at before anything is changed.
    #[command(name = PREPARE, hide = true)]
    Prepare {
        /// The new version, unpacked.
        unpacked: PathBuf,
    },
    /// What the new program finds over a copy of the database.
    #[command(name = TRY, hide = true)]
    Try,
}

impl Options {
    /// This part is done as the user whom the database belongs to; all else is for whom the program belongs to.
    #[cfg(unix)]
    pub fn is_its_owners(&self) -> bool {
        self.part.is_some()
    }
}

pub async fn run(path: &Path, options: Options, output: &Output) -> Result<ExitCode> {
    match &options.part {
        Some(Part::Prepare { unpacked }) => {
            output.value(&prepare::prepare(path, unpacked).await?);
            return Ok(ExitCode::SUCCESS);
        }
        Some(Part::Try) => {
            output.value(&attempt::attempt(path).await?);
            return Ok(ExitCode::SUCCESS);
        }
        None => {}
    }
    let program = std::env::current_exe().context("where this program lies")?;
    let place = Place::of(&program)?;
    let _alone = place.alone()?;
    let patience = Duration::from_secs(options.patience);
    let last = place.last()?;
    if options.back || options.keep {
        let last = last.ok_or_else(|| Failure::NotFound("no upgrade was made here".into()))?;
        if options.keep {
            keep(&place, &last, patience, output).await?;
            return Ok(ExitCode::SUCCESS);
        }
        let database = if last.plan.backup.is_some() { ", and to the database of then" } else { "" };
        let (from, begun) = (&last.plan.from, iso(last.at));
        let question = format!("go back from {} to {from} as it was at {begun}{database}?", last.to);
        if !options.yes && !confirmed_or(&question, "--yes")? {
            output.say("nothing was changed");
            return Ok(ExitCode::FAILURE);
        }
        back(&place, &last, patience, output).await?;
        return Ok(ExitCode::SUCCESS);
    }
    // It may have run for long since: nothing is taken back, or taken for done, that nobody has asked for.
    if let Some(left) = last.filter(|left| left.step != Step::Done) {
        let (from, to, begun) = (&left.plan.from, &left.to, iso(left.at));
        let keep = match left.step {
            Step::Placed => format!("; `tandem upgrade --keep` leaves {to} in place"),
            _ => String::new(),
        };
        let with = match left.plan.backup.is_some() {
            true => " with the database of then, so that what was done since is looked up again",
            false => "",
        };
        bail!(
            "an upgrade from {from} to {to} was broken off at {begun}: `tandem upgrade --back` takes it back{with}{keep}"
        );
    }
    let from = options.from.clone().ok_or_else(|| Failure::WrongUsage("to what? give --from <archive>".into()))?;
    forward(path, &place, &from, &options, output).await
}

/// The host whose program is changed: one that runs by hand is stopped by hand before.
async fn to_be_changed(options: &Options, place: &Place, config: &Config) -> Result<Host> {
    let host = Host::of(&options.name, &place.program())?;
    if host.service().is_none() && has_host(config).await {
        bail!(
            "the host runs, and is no service named {}: stop it first, or name its service with --name",
            options.name
        );
    }
    Ok(host)
}

/// Checks, tries, asks, and puts another version in place.
async fn forward(path: &Path, place: &Place, file: &Path, options: &Options, output: &Output) -> Result<ExitCode> {
    let config = Config::load(path)?;
    is_file(
        &config,
        "an upgrade that is tried on a copy",
        "stop the hosts, back the database up by its server's own means, unpack the new version over the program of each host, and start them",
    )?;
    let trust = Trust::from(config.trust.clone());
    let offered = offered(file, &trust, options.sha256.as_deref(), place.folder())?;
    let vouched = match &offered.vouched {
        Vouched::Key(key) => format!("signed by the key {key}"),
        Vouched::Checksum => "its checksum is the one you gave".to_owned(),
    };
    let own = env!("CARGO_PKG_VERSION");
    output.say(format!("{}: tandem {}, {vouched}; this is {own}", file.display(), offered.version));
    // Told before the trial, which takes a while; that alone goes beside any host.
    if !options.rehearse {
        to_be_changed(options, place, &config).await?;
    }
    let prepared = prepared(path, &offered, output).await?;
    if output.is_json() {
        output.value(&prepared);
    } else {
        tell(&prepared, output);
    }
    if options.rehearse {
        return Ok(ExitCode::SUCCESS);
    }
    let is_same = prepared.worse().is_empty() && prepared.different().is_empty();
    let (said, option) =
        if is_same { (options.yes, "--yes") } else { (options.accept_differences, "--accept-differences") };
    if !said && !confirmed_or(&format!("put {} in the place of {own}?", offered.version), option)? {
        output.say("nothing was changed");
        return Ok(ExitCode::FAILURE);
    }
    // It may have been started meanwhile.
    let mut host = to_be_changed(options, place, &config).await?;
    let was_ready = host.service().is_some() && Running::of(&config)?.is("readyz").await;
    output.say("stopping the host: runs under way are finished first");
    host.stop(&config).await?;
    let begun = begin(place, &offered, &prepared, &host, was_ready, &config, output).await;
    let change = match begun {
        Ok(change) => change,
        Err(error) => {
            // Nothing was changed yet.
            if let Host::Service(_) = host {
                host.start(&place.program(), &config).await?;
            }
            return Err(error);
        }
    };
    match tried(place, &change, &offered, &mut host, &config, Duration::from_secs(options.patience), output).await {
        Ok(()) => {
            place.reached(&change, Step::Done)?;
            let next = if host.service().is_some() { "" } else { "; start it: `tandem run`" };
            output.say(format!("tandem {} is in place{next}; `tandem upgrade --back` goes back to {own}", change.to));
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            output.say(format!("{error:#}: {own} comes back"));
            back(place, &change, Duration::from_secs(options.patience), output).await?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Backs the database up where its format changes, and notes what is to change. The host stands.
async fn begin(
    place: &Place,
    offered: &Offered,
    prepared: &Prepared,
    host: &Host,
    was_ready: bool,
    config: &Config,
    output: &Output,
) -> Result<Change> {
    let backup = match prepared.format == prepared.trial.format {
        true => None,
        false => Some(backup(config, output).await?),
    };
    let plan = Plan {
        from: env!("CARGO_PKG_VERSION").to_owned(),
        config: std::path::absolute(&config.file)?,
        service: host.service().map(str::to_owned),
        backup,
        was_ready,
        plugins: prepared.plugins.clone(),
    };
    Ok(place.begin(plan, offered, now())?)
}

/// Puts it in place, and waits until the host is as well as it was.
async fn tried(
    place: &Place,
    change: &Change,
    offered: &Offered,
    host: &mut Host,
    config: &Config,
    patience: Duration,
    output: &Output,
) -> Result<()> {
    place.put(change, offered)?;
    place.reached(change, Step::Placed)?;
    output.say(format!("starting {}", change.to));
    host.start(&place.program(), config).await?;
    well(change, host, config, patience).await
}

/// Waits until the host is as well as it was; one that was started for that is stopped again.
async fn well(change: &Change, host: &mut Host, config: &Config, patience: Duration) -> Result<()> {
    let well = host.is_well(config, change.plan.was_ready, patience).await?;
    if let Host::ByHand(_) = host {
        host.stop(config).await?;
    }
    if !well {
        bail!("{} was not {} in time", change.to, if change.plan.was_ready { "ready" } else { "up" });
    }
    Ok(())
}

/// What was broken off while the new version was tried is brought to its end.
async fn keep(place: &Place, change: &Change, patience: Duration, output: &Output) -> Result<()> {
    match change.step {
        Step::Done => return Err(Failure::NotFound("no upgrade was broken off here".into()).into()),
        Step::UnderWay => {
            bail!("not all of tandem {} is in place: `tandem upgrade --back`, and begin again", change.to)
        }
        Step::Placed => {}
    }
    let config = Config::load(&change.plan.config)?;
    let mut host = Host::noted(change);
    if !has_host(&config).await {
        host.start(&place.program(), &config).await?;
    }
    well(change, &mut host, &config, patience).await?;
    place.reached(change, Step::Done)?;
    output.say(format!("tandem {} stays in place; `tandem upgrade --back` goes back", change.to));
    Ok(())
}

/// What was there before is there again, and runs.
async fn back(place: &Place, change: &Change, patience: Duration, output: &Output) -> Result<()> {
    let config = Config::load(&change.plan.config)?;
    let mut host = Host::noted(change);
    if host.service().is_none() && has_host(&config).await {
        bail!("the host runs: stop it first");
    }
    if let Some(backup) = change.plan.backup.as_ref().filter(|backup| !backup.is_file()) {
        bail!("the database of before is not there any more: {} is gone; nothing was changed", backup.display());
    }
    host.stop(&config).await?;
    place.take_back(change)?;
    if let Some(backup) = &change.plan.backup {
        output.say("the database of before comes back; what was done since is looked up before anything is done again");
        let backup = backup.display().to_string();
        let said = own_program(&place.program(), &config, &["--json", "restore", &backup, "--yes"]).await?;
        let said: Value = serde_json::from_slice(&said).unwrap_or_default();
        if let Some(kept) = said["kept"].as_str() {
            output.say(format!("the one that was there until now is kept as {kept}"));
        }
    }
    // Whatever comes of its start, what happens from now on is not taken back once more.
    place.forget()?;
    if host.service().is_some() {
        host.start(&place.program(), &config).await?;
        if !host.is_well(&config, change.plan.was_ready, patience).await? {
            bail!("tandem {} is in place again, and is not ready: `tandem check` says why", change.plan.from);
        }
    }
    output.say(format!("tandem {} is in place again", change.plan.from));
    Ok(())
}

/// Looks before anything is changed, as the user whom the database belongs to.
async fn prepared(path: &Path, offered: &Offered, output: &Output) -> Result<Prepared> {
    let bar = if output.is_json() { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}")?;
    bar.set_style(style);
    bar.set_message("trying it on a copy of the database: checks, and the last 1,000 events of each flow");
    bar.enable_steady_tick(Duration::from_millis(200));
    let config = Config::load(path)?;
    let folder = offered.folder().display().to_string();
    let said = own_program(&std::env::current_exe()?, &config, &["--json", "upgrade", PREPARE, &folder]).await;
    bar.finish_and_clear();
    Ok(serde_json::from_slice(&said?)?)
}

/// A backup of the database as it is, which nobody writes to.
async fn backup(config: &Config, output: &Output) -> Result<PathBuf> {
    output.say("the new version brings the database to another format: backing it up as it is");
    // Not among those that are parted with when newer ones come.
    let folder = config.resolve(&config.store.path).with_file_name("before-upgrade");
    let folder = folder.display().to_string();
    let said = own_program(&std::env::current_exe()?, config, &["--json", "backup", "--to", &folder]).await?;
    Ok(serde_json::from_slice::<Good>(&said)?.file)
}

/// A command of a program over `tandem.toml`; what it says on success.
async fn own_program(program: &Path, config: &Config, arguments: &[&str]) -> Result<Vec<u8>> {
    let mut command = Command::new(program);
    command.arg("--config").arg(&config.file).args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.with_context(|| program.display().to_string())?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        bail!("{}", if said.is_empty() { format!("tandem {}: {}", arguments.join(" "), output.status) } else { said });
    }
    Ok(output.stdout)
}

fn tell(prepared: &Prepared, output: &Output) {
    let worse = prepared.worse();
    let rows = worse.iter().map(|own| vec![own.what.clone(), own.says.clone(), own.mend.clone()]).collect();
    output.rows(&(), &["worse than now", "says", "mend"], rows, "nothing is worse than it is now");
    let rows = prepared.trial.flows.iter().map(|own| {
        let numbers = [own.events, own.different, own.untold].map(|number| number.to_string());
        [vec![own.flow.clone()], numbers.to_vec(), vec![short(&own.says, SAYS)]].concat()
    });
    let header = ["flow", "past events", "would differ", "not to be told", ""];
    output.rows(&(), &header, rows.collect(), "no flow is configured");
    if prepared.format != prepared.trial.format {
        output.say(format!(
            "the database goes from format {} to {}: it is backed up when the host stands, which takes as long as a backup does",
            prepared.format, prepared.trial.format
        ));
    }
    let plugins: Vec<String> =
        prepared.plugins.iter().filter_map(|own| Some(own.file_stem()?.to_string_lossy().into_owned())).collect();
    output.say(match plugins.is_empty() {
        true => "no plugin of the plugins folder came along with this version: all stay".to_owned(),
        false => format!("plugins that come anew: {}; all others stay", plugins.join(", ")),
    });
}
