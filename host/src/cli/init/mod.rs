//! `tandem init`: asks for what `tandem.toml` lacks, checks both connections, makes what B1 needs; with a file of answers, or options alone, without a
//! question.

mod ask;
mod company;
mod draft;
mod flows;
mod keys;
mod org;
mod server;
mod system;

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

pub use self::flows::unlisted;

use self::ask::Asker;
use self::draft::Draft;
use self::keys::Keys;
use super::failure::{FOUND_PROBLEMS, Failure};
use super::output::{Output, complain};
use super::{account, database};
use crate::checks::Finding;
use crate::config::Config;
use crate::connections::b1::{EXCLUSIVE, Provision};
use crate::connections::{Call, CallError, Connection};
use crate::releases::shipped;
use crate::store::Access;

#[derive(Args)]
pub struct Options {
    /// Service Layer base, such as https://b1server:50000/b1s/v2
    #[arg(long)]
    b1_url: Option<String>,
    /// CompanyDB
    #[arg(long)]
    b1_company: Option<String>,
    /// UserName
    #[arg(long)]
    b1_user: Option<String>,
    /// PEM file of B1's private CA or self-signed certificate
    #[arg(long)]
    b1_ca_file: Option<String>,
    /// Time zone of B1's clock, as in the IANA database; without it this machine's
    #[arg(long, value_parser = zone)]
    time_zone: Option<String>,
    /// My Domain or login host
    #[arg(long)]
    salesforce_url: Option<String>,
    /// Consumer key of the External Client App
    #[arg(long)]
    salesforce_client_id: Option<String>,
    /// Write the file only; connect to nothing.
    #[arg(long)]
    offline: bool,
    /// Write a file without connections: they are set up in the console, by its assistant.
    #[arg(long, conflicts_with_all = ["b1_url", "b1_company", "b1_user", "b1_ca_file", "salesforce_url", "salesforce_client_id"])]
    assistant: bool,
    /// A file that answers the questions, for scripts; the operator guide says how it is written
    #[arg(long, conflicts_with_all = ["assistant", "offline"])]
    answers: Option<PathBuf>,
    /// Folder of plugins to copy into the plugins folder; without it those that came along with the program
    #[arg(long)]
    plugins_from: Option<PathBuf>,
}

pub async fn run(path: &Path, options: Options, output: &Output) -> Result<ExitCode> {
    let is_asked = options.answers.is_some() || std::io::stdin().is_terminal();
    if is_asked && !options.assistant && !options.offline {
        return converse(path, &options, output).await;
    }
    if path.exists() {
        output.say(format!("{} is there; checking its connections", path.display()));
    } else {
        let text = if options.assistant { EMPTY.to_owned() } else { compose(&options)? };
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        output.say(format!("wrote {}", path.display()));
    }
    let config = Config::load(path)?;
    prepared(&config, &options, output).await?;
    if options.assistant {
        output.say(format!(
            "next: `tandem run`, then sign in and set both systems up at {}/setup",
            config.console_address()
        ));
        return Ok(ExitCode::SUCCESS);
    }
    tell_flows(&config, output);
    if options.offline {
        return Ok(ExitCode::SUCCESS);
    }
    let connections = crate::connections::connect(&config)
        .context("set the secrets that tandem.toml names, then run `tandem init` again")?;
    let style =
        ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    let progress = ProgressBar::new(connections.len() as u64).with_style(style);
    for (name, connection) in &connections {
        progress.set_message(name.clone());
        let lines = match connection.as_ref() {
            Connection::B1(_) => made_in_b1(name, connection).await?,
            Connection::Salesforce(_) => {
                connection.send(Call::get("/limits"), 1 << 20).await.with_context(|| format!("connection {name}"))?;
                vec![format!("{name}: signed in")]
            }
        };
        progress.suspend(|| lines.iter().for_each(|line| output.say(line)));
        progress.inc(1);
    }
    progress.finish_and_clear();
    output.say(
        "next: for each active flow `tandem plugin add <plugin>`, where it is not in the plugins folder yet, and `tandem plugin grant <plugin>`; then `tandem check`, \
         `tandem run`",
    );
    Ok(ExitCode::SUCCESS)
}

/// Asks for all that a host needs, trying each answer when it is given. What was answered is kept part by part: whoever breaks off goes on there.
async fn converse(path: &Path, options: &Options, output: &Output) -> Result<ExitCode> {
    let mut asker = Asker::new(options.answers.as_deref())?;
    for (key, answer) in [
        ("b1.url", &options.b1_url),
        ("b1.company", &options.b1_company),
        ("b1.user", &options.b1_user),
        ("b1.ca_file", &options.b1_ca_file),
        ("b1.time_zone", &options.time_zone),
        ("salesforce.login_url", &options.salesforce_url),
        ("salesforce.client_id", &options.salesforce_client_id),
    ] {
        asker.knows(key, answer.as_deref());
    }
    let mut draft = Draft::of(path)?;
    asker.expects(Keys::of(plugins(&draft.config, options)?))?;
    let (b1, mut lacks) = company::set_up(&mut draft, &mut asker, output).await?;
    let (org, of_org) = org::set_up(&mut draft, &mut asker, output).await?;
    lacks.extend(of_org);
    prepared(&draft.config, options, output).await?;
    flows::choose(&mut draft, &b1, &org, &mut asker, output).await?;
    if let Connection::B1(b1) = &b1 {
        b1.log_out().await;
    }
    let waiting = flows::allow(path, &mut asker, output).await?;
    flows::rehearse(path, &mut asker, output).await?;
    let file = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    keys::otherwise(asker.unused(), &file).iter().for_each(complain);
    tell_flows(&draft.config, output);
    for plugin in waiting {
        complain(format_args!(
            "{plugin} does nothing until it is allowed what it asks for: `tandem plugin grant {plugin}`"
        ));
    }
    for Finding { what, says, mend, .. } in &lacks {
        complain(format_args!("still open: {what}: {says}; {mend}"));
    }
    output.say("next: `tandem check`, then `tandem service install`, or `tandem run` here; `tandem init` again goes on where something is missing");
    Ok(if lacks.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FOUND_PROBLEMS) })
}

/// Plugins that are there, come along, or have a flow: what questions may be of.
fn plugins(config: &Config, options: &Options) -> Result<Vec<String>> {
    let folders = [Some(config.resolve(&config.host.plugins)), options.plugins_from.clone().or_else(shipped::folder)];
    let mut names: Vec<String> =
        config.flows.iter().flat_map(|(name, flow)| [name.clone(), flow.plugin.clone()]).collect();
    for folder in folders.into_iter().flatten() {
        let there = shipped::names_in(&folder);
        names.extend(there.with_context(|| format!("cannot read the folder {}", folder.display()))?);
    }
    Ok(names)
}

/// What stands beside `tandem.toml`: the plugins folder, the database, and the console's first account.
async fn prepared(config: &Config, options: &Options, output: &Output) -> Result<()> {
    let plugins = config.resolve(&config.host.plugins);
    std::fs::create_dir_all(&plugins)
        .with_context(|| format!("cannot make the plugins folder {}", plugins.display()))?;
    copy_plugins(options.plugins_from.as_deref(), &plugins, output)?;
    let store = database::open(config, Access::Maker).await?;
    if let Some(password) = account::first(store.as_ref()).await? {
        output.say(format!(
            "the console's first account is admin, its password {password} (shown once): `tandem run`, then {}",
            config.console_address()
        ));
    }
    Ok(())
}

/// Makes what B1 lacks, and logs out; a line for each thing.
async fn made_in_b1(name: &str, connection: &Connection) -> Result<Vec<String>> {
    let Connection::B1(b1) = connection else { return Ok(Vec::new()) };
    let made = b1.provision().await;
    b1.log_out().await;
    let made = made.map_err(|error| match &error {
        CallError::Remote { .. } => anyhow::Error::new(error).context(EXCLUSIVE),
        _ => error.into(),
    });
    let made = made.with_context(|| format!("connection {name}"))?;
    let line = |own: Provision| format!("{name}: {} {}", own.what, if own.present { "was there" } else { "made" });
    Ok(made.into_iter().map(line).collect())
}

/// What was found of a connection.
fn show(findings: &[Finding], output: &Output) {
    let rows = findings.iter().map(|f| vec![f.what.clone(), f.word().into(), f.says.clone(), f.mend.clone()]).collect();
    output.rows(&(), &["what", "", "says", "mend"], rows, "nothing was looked at");
}

/// A file that names nothing yet.
const EMPTY: &str = "# Tandem. Both systems, plugins and flows are set up in the console, which writes them here; what people write stays as it is.\n\
                     # Secrets stay outside: an environment variable ({ env = \"NAME\" }) or a file ({ file = \"path\" }).\n";

/// Puts plugins into the plugins folder that are not there; one that is stays as it is.
fn copy_plugins(from: Option<&Path>, to: &Path, output: &Output) -> Result<()> {
    let Some(from) = from.map(Path::to_owned).or_else(shipped::folder) else {
        return Ok(());
    };
    let entries = std::fs::read_dir(&from).with_context(|| format!("cannot read the folder {}", from.display()))?;
    let mut copied = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read the folder {}", from.display()))?.path();
        let (Some(name), true) = (path.file_name(), path.extension().is_some_and(|ending| ending == "wasm")) else {
            continue;
        };
        let target = to.join(name);
        if target.exists() {
            continue;
        }
        std::fs::copy(&path, &target)
            .with_context(|| format!("cannot copy {} to {}", path.display(), target.display()))?;
        copied.push(name.to_string_lossy().into_owned());
    }
    copied.sort_unstable();
    if !copied.is_empty() {
        output.say(format!("put into {}: {}", to.display(), copied.join(", ")));
    }
    Ok(())
}

/// Which flows run and which could.
fn tell_flows(config: &Config, output: &Output) {
    let named = |names: Vec<&str>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let active = config.flows.keys().map(String::as_str).collect();
    let used = |plugin: &&str| config.flows.values().any(|flow| flow.plugin == *plugin);
    let others: Vec<&str> = super::demo::PLUGINS.into_iter().filter(|plugin| !used(plugin)).collect();
    output.say(format!("active flows: {}", named(active)));
    if !others.is_empty() {
        output.say(format!(
            "not active: {}; to switch one on give it a [flows.<name>] section in {} (init writes them behind a #)",
            named(others),
            config.file.display()
        ));
    }
}

/// The other flows, ready to be switched on.
const OTHER_FLOWS: &str = r#"
# More flows: take the # away, `tandem plugin add <name>`, `tandem plugin grant <name>`, `tandem backfill <name>`.
# [flows.accounts]
# plugin = "accounts"
# connections = { b1 = "erp", salesforce = "crm" }
# settings = { series = 1 }    # B1's numbering series of new partners
# [flows.catalogue]
# plugin = "catalogue"
# connections = { b1 = "erp", salesforce = "crm" }
# [flows.inventory]
# plugin = "inventory"
# connections = { b1 = "erp", salesforce = "crm" }
# [flows.invoices]
# plugin = "invoices"
# connections = { b1 = "erp", salesforce = "crm" }
# [flows.credit]
# plugin = "credit"
# connections = { b1 = "erp", salesforce = "crm" }
# [flows.fulfilment]
# plugin = "fulfilment"
# connections = { b1 = "erp", salesforce = "crm" }
"#;

fn compose(options: &Options) -> Result<String> {
    let b1_url = ask(options.b1_url.as_deref(), "--b1-url", "B1 Service Layer address (https://server:50000/b1s/v2)")?;
    let company = ask(options.b1_company.as_deref(), "--b1-company", "B1 company database")?;
    let user = ask(options.b1_user.as_deref(), "--b1-user", "B1 user")?;
    let zone = time_zone(options)?;
    let salesforce = ask(
        options.salesforce_url.as_deref(),
        "--salesforce-url",
        "Salesforce My Domain (https://yours.my.salesforce.com)",
    )?;
    let client_id = ask(
        options.salesforce_client_id.as_deref(),
        "--salesforce-client-id",
        "Consumer key of the External Client App",
    )?;
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let zone = match zone {
        Some(zone) => format!("time_zone = {}   # of B1's clock", quoted(&zone)),
        None => "# time_zone = \"Europe/Berlin\"   # of B1's clock; UTC without it".to_owned(),
    };
    let tls = options.b1_ca_file.as_deref().map_or_else(
        || "# tls = { ca_file = \"b1-ca.pem\" }   # or { pin_sha256 = \"<fingerprint>\" }".to_owned(),
        |file| format!("tls = {{ ca_file = {} }}", quoted(file)),
    );
    Ok(format!(
        "# Tandem. Secrets stay outside: an environment variable ({{ env = \"NAME\" }}) or a file ({{ file = \"path\" }}).\n\n\
         [b1.erp]\nurl = {}\ncompany = {}\nuser = {}\npassword = {{ env = \"TANDEM_B1_PASSWORD\" }}\n{tls}\n{zone}\n\n\
         [salesforce.crm]\nlogin_url = {}\nclient_id = {}\nclient_secret = {{ env = \"TANDEM_SALESFORCE_SECRET\" }}\n\
         # or, for JWT bearer: username = \"tandem@your.org\" and private_key = {{ file = \"salesforce.key\" }}\n\n\
         [flows.orders]\nplugin = \"orders\"\nconnections = {{ b1 = \"erp\", salesforce = \"crm\" }}\n{OTHER_FLOWS}",
        quoted(&b1_url),
        quoted(&company),
        quoted(&user),
        quoted(&salesforce),
        quoted(&client_id),
    ))
}

/// As `--time-zone` takes it.
fn zone(text: &str) -> Result<String, String> {
    let known = text.parse::<chrono_tz::Tz>().map(|zone| zone.name().to_owned());
    known.map_err(|_| "it is not in the IANA database; write it like Europe/Berlin".into())
}

/// The zone of B1's clock: as given, as answered, or this machine's.
fn time_zone(options: &Options) -> Result<Option<String>> {
    let own = iana_time_zone::get_timezone().ok().and_then(|name| zone(&name).ok());
    if options.time_zone.is_some() || !std::io::stdin().is_terminal() {
        return Ok(options.time_zone.clone().or(own));
    }
    loop {
        let proposed = own.as_deref().unwrap_or("UTC");
        write!(std::io::stdout(), "Time zone of B1's clock [{proposed}]: ")?;
        std::io::stdout().flush()?;
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        match answer.trim() {
            "" => return Ok(Some(proposed.to_owned())),
            answer => match zone(answer) {
                Ok(zone) => return Ok(Some(zone)),
                Err(why) => writeln!(std::io::stdout(), "{why}")?,
            },
        }
    }
}

fn ask(given: Option<&str>, option: &str, question: &str) -> Result<String> {
    if let Some(given) = given {
        return Ok(given.to_owned());
    }
    if !std::io::stdin().is_terminal() {
        let missing = format!(
            "there is no tandem.toml, and nobody to ask here: give {option}, or --assistant to set up in the console"
        );
        return Err(Failure::WrongUsage(missing).into());
    }
    loop {
        write!(std::io::stdout(), "{question}: ")?;
        std::io::stdout().flush()?;
        let mut answer = String::new();
        if std::io::stdin().lock().read_line(&mut answer)? == 0 {
            return Err(Failure::WrongUsage(format!("the input ended; give {option}")).into());
        }
        if !answer.trim().is_empty() {
            return Ok(answer.trim().to_owned());
        }
    }
}
