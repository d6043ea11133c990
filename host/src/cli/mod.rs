//! Commands: read what the operator wants, call the rooms, show what came of it.

mod account;
mod agent;
mod alert;
mod as_service;
mod audit;
mod backfill;
mod backup;
mod check;
mod database;
mod demo;
mod doctor;
mod events;
mod explain;
mod export;
mod failure;
mod forget;
mod hosts;
mod init;
mod mapping;
mod mcp;
mod output;
mod plugin;
mod reconcile;
mod release;
mod replay;
mod restore;
mod review;
mod run;
mod running;
mod secret;
mod service;
mod store;
mod tool;
mod upgrade;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;
#[cfg(windows)]
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use self::failure::{FOUND_PROBLEMS, exit_code};
use self::output::{Output, complain};
use crate::config::{Config, LogConfig};
use crate::connections::transport::chain;
use crate::log::Log;
use crate::sandbox::compiler;
#[cfg(unix)]
use crate::service::owner;

/// Keeps SAP Business One and Salesforce in step.
#[derive(Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage or tandem.toml, 3 problems found, 4 not found."
)]
struct Cli {
    /// The configuration file.
    #[arg(long, short, global = true, default_value = "tandem.toml", env = "TANDEM_CONFIG")]
    config: PathBuf,
    /// JSON for scripts instead of tables for people.
    #[arg(long, global = true)]
    json: bool,
    /// Log lines as JSON objects.
    #[arg(long, global = true)]
    log_json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start both simulators, load a company and watch orders being made.
    Demo(demo::Options),
    /// Run all flows until stopped.
    Run,
    /// The host as a service of the operating system, which starts with the machine.
    #[command(subcommand)]
    Service(as_service::Command),
    /// Say what is wrong and how to mend it.
    Check,
    /// Write tandem.toml, check the connections, make B1's user field and ledger table.
    Init(init::Options),
    /// Bring everything that is there already in step: a first load, or after a fault.
    Backfill(backfill::Options),
    /// Compare both systems, without writing: what each has, what differs and why; keep it as a dated report.
    Reconcile(reconcile::Options),
    /// Look at mappings: check them against both systems, try one on a record.
    #[command(subcommand)]
    Mapping(mapping::Command),
    /// Decide what the flows cannot decide alone.
    #[command(subcommand)]
    Review(review::Command),
    /// Look at events, or run one again.
    #[command(subcommand)]
    Events(events::Command),
    /// Say what a plugin would do with a past event, and how that differs from what was done.
    Replay(replay::Options),
    /// Say why a record is as it is: every event, run and call about it.
    Explain(explain::Options),
    /// Look at plugins, or allow one what it asks for.
    #[command(subcommand)]
    Plugin(plugin::Command),
    /// What each flow runs, ran and could run; make one live, or go back.
    #[command(subcommand)]
    Release(release::Command),
    /// Copy the database and all that a host is made of into one file, beside a running host, and try it.
    Backup(backup::Options),
    /// Take a backup back, or say what would come of it.
    Restore(restore::Options),
    /// Put another version in the place of this one: tried on a copy first, taken back where it is not ready.
    Upgrade(upgrade::Options),
    /// Write one file for support: how all is, without secrets and without personal data.
    Doctor(doctor::Options),
    /// Take a person's data out of all that the host keeps, or say what would go and what stays.
    Forget(forget::Options),
    /// Show the hosts that run on the database, since when, and which of them does what one does for all: several may share a database of PostgreSQL.
    Hosts,
    /// Write one file with all that the host keeps of a person.
    Export(export::Options),
    /// With which key the database is sealed; make one, or change it.
    #[command(subcommand)]
    Store(store::Command),
    /// Keep a secret sealed, on Windows.
    #[command(subcommand)]
    Secret(secret::Command),
    /// Who may sign in to the console.
    #[command(subcommand)]
    Account(account::Command),
    /// The audit trail: who did what. Say whether anything in it was changed; write it for others to check.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Whom the host tells when something is wrong.
    #[command(subcommand)]
    Alert(alert::Command),
    /// Ask what the flows' plugins can say of both systems, as they are now.
    #[command(subcommand)]
    Tool(tool::Command),
    /// Agents of one's own, and what people's assistants and programs may do.
    #[command(subcommand)]
    Agent(agent::Command),
    /// Serve the flows' tools to one program on this machine that speaks MCP over standard input and output.
    Mcp,
    /// Of the program for itself: see `sandbox/compiler.rs`.
    #[command(name = compiler::COMMAND, hide = true)]
    Compile,
    /// Of the service control manager for the host: see `service/windows.rs`.
    #[cfg(windows)]
    #[command(name = crate::service::windows::COMMAND, hide = true)]
    AsWindowsService {
        /// As it was installed.
        name: String,
    },
}

#[cfg(unix)]
impl Command {
    /// What root asks for is done as the user whom `tandem.toml`'s folder belongs to: the service has to open what is left behind.
    fn is_its_owners(&self) -> bool {
        match self {
            // These are root's own, or have no such folder.
            Self::Service(_) | Self::Init(_) | Self::Demo(_) | Self::Secret(_) | Self::Compile => false,
            Self::Upgrade(options) => options.is_its_owners(),
            _ => true,
        }
    }
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    #[cfg(windows)]
    if let Command::AsWindowsService { name } = &cli.command {
        let name = name.clone();
        return run::as_windows_service(cli, &name);
    }
    #[cfg(unix)]
    if let Some((owner, folder)) = cli.command.is_its_owners().then(|| owner::other(&cli.config)).flatten() {
        complain(owner::become_owner(owner, &folder));
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(format_args!("cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    if let Err(error) = start_log(&cli) {
        complain(format_args!("cannot start: {error}"));
        return ExitCode::FAILURE;
    }
    let result = runtime.block_on(dispatch(cli));
    // Tasks that outlive their command (a read that hangs) do not hold up the exit.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    let code = result.unwrap_or_else(|error| {
        complain(chain(error.as_ref()));
        ExitCode::from(exit_code(&error))
    });
    crate::log::flush();
    code
}

/// What a host logs. Of what programs ask amiss they are told, and nobody else: its library would write a line for each.
const RUNNING: &str = "info,rmcp=off";

fn start_log(cli: &Cli) -> std::io::Result<()> {
    let default = match cli.command {
        Command::Run => RUNNING,
        #[cfg(windows)]
        Command::AsWindowsService { .. } => RUNNING,
        Command::Demo(_) => "warn",
        // What a plugin that is tried writes is for the person who tries it.
        Command::Plugin(_) | Command::Mapping(_) => "error,plugin=debug",
        _ => "error,rmcp=off",
    };
    let filter = EnvFilter::try_from_env("TANDEM_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let file = log_file(cli);
    let log = Log::start(file.as_ref())
        .map_err(|error| std::io::Error::new(error.kind(), format!("the log {}: {error}", told(file.as_ref()))))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(log).log_internal_errors(false);
    // A file or a service manager shows colours as what they are: odd letters.
    let plain = file.is_some() || !std::io::IsTerminal::is_terminal(&std::io::stderr());
    if cli.log_json {
        take_log(cli, builder.json().flatten_event(true).finish());
    } else {
        match plain {
            true => take_log(cli, builder.with_target(false).with_ansi(false).finish()),
            false => take_log(cli, builder.with_target(false).finish()),
        }
    }
    crate::ending::log_panics();
    Ok(())
}

fn told(file: Option<&LogConfig>) -> String {
    file.map_or_else(String::new, |log| log.file.display().to_string())
}

/// The file that the host's log goes to, where it does. What is wrong with `tandem.toml` is told by who reads it next.
fn log_file(cli: &Cli) -> Option<LogConfig> {
    let said = || {
        let config = Config::load(&cli.config).ok()?;
        let log = config.log.clone()?;
        Some(LogConfig { file: config.resolve(&log.file), ..log })
    };
    match &cli.command {
        Command::Run => said(),
        #[cfg(windows)]
        Command::AsWindowsService { .. } => {
            said().or_else(|| Some(LogConfig::to(crate::service::windows::log_beside(&cli.config))))
        }
        _ => None,
    }
}

/// From now on it is told there; what a Windows service has of note in the event log, too.
fn take_log(cli: &Cli, log: impl tracing::Subscriber + for<'a> LookupSpan<'a> + Send + Sync + 'static) {
    #[cfg(windows)]
    if let Command::AsWindowsService { name } = &cli.command {
        log.with(crate::service::windows::EventLog::open(name)).init();
        return;
    }
    let _ = cli;
    log.init();
}

async fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let output = Output::new(cli.json);
    match cli.command {
        Command::Demo(options) => demo::run(options, &output).await,
        Command::Run => run::run(&cli.config).await,
        Command::Service(command) => as_service::run(&cli.config, command, &output),
        Command::Check => check::run(&cli.config, &output).await,
        Command::Init(options) => init::run(&cli.config, options, &output).await,
        Command::Backfill(options) => backfill::run(&cli.config, options, &output).await,
        Command::Reconcile(options) => reconcile::run(&cli.config, options, &output).await,
        Command::Mapping(command) => mapping::run(&cli.config, command, &output).await,
        Command::Review(command) => review::run(&cli.config, command, &output).await,
        Command::Events(command) => events::run(&cli.config, command, &output).await,
        Command::Replay(options) => replay::run(&cli.config, options, &output).await,
        Command::Explain(options) => explain::run(&cli.config, options, &output).await,
        Command::Plugin(command) => plugin::run(&cli.config, command, &output).await,
        Command::Release(command) => release::run(&cli.config, command, &output).await,
        Command::Backup(options) => backup::run(&cli.config, options, &output).await,
        Command::Restore(options) => restore::run(&cli.config, options, &output).await,
        Command::Upgrade(options) => upgrade::run(&cli.config, options, &output).await,
        Command::Doctor(options) => doctor::run(&cli.config, options, &output).await,
        Command::Forget(options) => forget::run(&cli.config, options, &output).await,
        Command::Hosts => hosts::run(&cli.config, &output).await,
        Command::Export(options) => export::run(&cli.config, options, &output).await,
        Command::Store(command) => store::run(&cli.config, command, &output).await,
        Command::Secret(command) => secret::run(command, &output),
        Command::Account(command) => account::run(&cli.config, command, &output).await,
        Command::Audit(command) => audit::run(&cli.config, command, &output).await,
        Command::Alert(command) => alert::run(&cli.config, command, &output).await,
        Command::Tool(command) => tool::run(&cli.config, command, &output).await,
        Command::Agent(command) => agent::run(&cli.config, command, &output).await,
        Command::Mcp => mcp::run(&cli.config).await,
        Command::Compile => Ok(compiler::serve()),
        // It has begun long before.
        #[cfg(windows)]
        Command::AsWindowsService { .. } => Ok(ExitCode::FAILURE),
    }
}
