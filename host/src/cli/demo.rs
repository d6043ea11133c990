//! `tandem demo`: both simulators, a company, and every flow at work, all on this machine; then a tour of what an operator meets.

mod story;
mod tour;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use self::tour::Tour;
use super::account;
use super::failure::Failure;
use super::output::Output;
use super::plugin::allow_plugin;
use super::service::{self, Parts};
use crate::config::{Config, StoreConfig};
use crate::connections::proxy::Proxies;
use crate::connections::{Connection, transport};
use crate::store::{Access, sqlite::has_host};

/// Every flow, one of each plugin.
pub const PLUGINS: [&str; 7] = ["orders", "accounts", "catalogue", "inventory", "fulfilment", "invoices", "credit"];

#[derive(Args)]
pub struct Options {
    /// Folder for the demo's files; made anew.
    #[arg(long, default_value = "demo")]
    folder: PathBuf,
    /// Folder with the plugins; without it those that were built in the repository's folder, or that came with the program.
    #[arg(long)]
    plugins: Option<PathBuf>,
    /// The Salesforce package's metadata, from which the simulated org has its fields; found as the plugins are.
    #[arg(long)]
    package: Option<PathBuf>,
    /// Opportunities to win.
    #[arg(long, default_value_t = 40)]
    opportunities: usize,
    /// Ask for nothing, and end after the last table: so it is without a terminal.
    #[arg(long)]
    once: bool,
    /// Go on until Ctrl-C, also without a terminal.
    #[arg(long, conflicts_with = "once")]
    stay: bool,
}

const BUILT_PLUGINS: &str = "plugins/target/wasm32-unknown-unknown/release";
/// By which a folder is known for a demo's, also where one came to nothing.
const MARK: &str = ".demo";
const PACKAGE: &str = "salesforce-package/force-app/main/default";
/// Bytes of an answer.
const LIMIT: u64 = 16 << 20;

/// Both simulators; they end with the demo.
struct World {
    _b1: Child,
    _salesforce: Child,
    b1: String,
    salesforce: String,
    pubsub: String,
}

pub async fn run(options: Options, output: &Output) -> Result<ExitCode> {
    let package = given_or_found(&options.package, PACKAGE, PACKAGE, "the Salesforce package")?;
    prepare(&options)?;
    let world = start_simulators(&options, &package).await?;
    output.say(format!("B1 simulator          {}/   a page with its records and buttons", world.b1));
    output.say(format!("Salesforce simulator  {}/   likewise; Pub/Sub API {}", world.salesforce, world.pubsub));
    let config = Arc::new(write_config(&options, &world)?);
    let parts = Parts::of(config.clone(), Access::Host).await?;
    let connections = parts.connect()?;
    for connection in connections.values() {
        if let Connection::B1(b1) = connection.as_ref() {
            b1.provision().await.context("making B1's user field and ledger table")?;
        }
    }
    for plugin in PLUGINS {
        allow_plugin(&parts, plugin).await?;
    }
    let store = parts.store.clone();
    let (stop, stopped) = watch::channel(false);
    let host = tokio::spawn(service::serve(parts, connections.clone(), stopped, None));
    let client = transport::client(&Default::default(), Proxies::Direct, Path::new("."), Duration::from_secs(30))
        .map_err(anyhow::Error::msg)?;
    let console = config.console_address();
    wait_ready(&client, &format!("{console}/readyz")).await?;
    output.say(format!("Tandem                {console}   {console}/readyz   {console}/metrics"));
    if let Some(password) = account::first(store.as_ref()).await? {
        output.say(format!("                      sign in as admin with the password {password}"));
    }
    let attended = !options.once && std::io::stdin().is_terminal();
    if attended && has_desktop() {
        // Whoever sits there sees it; where no browser starts, the address stands above.
        let _ = webbrowser::open(&console);
    }
    output.say("");

    let shown = async {
        tell_story(&client, &world, options.opportunities, output).await?;
        let erp = connections.get("erp").context("the demo's own connection is missing")?;
        story::tell(&client, erp, &world.b1, &world.salesforce, output).await?;
        // What a script reads is the tables.
        if !output.is_json() {
            let (client, world, console, config) = (&client, &world, console.as_str(), config.file.as_path());
            Tour { client, world, erp, console, config, asks: attended, output }.walk().await?;
        }
        if options.stay || attended {
            tell_what_goes(&world, &config, output);
            std::future::pending::<()>().await;
        }
        Ok(())
    };
    let told = tokio::select! {
        told = shown => told,
        () = super::run::asked_to_stop() => Ok(()),
    };
    stop.send_replace(true);
    host.await.context("the host ended badly")??;
    drop(store);
    told.map(|()| ExitCode::SUCCESS)
}

fn tell_what_goes(world: &World, config: &Config, output: &Output) {
    let (salesforce, file) = (&world.salesforce, config.file.display());
    output.say("\nStill running: press Ctrl-C to end. Win one more on the Salesforce simulator's page, or in another terminal:");
    output.say(format!(
        "  curl -X POST {salesforce}/admin/opportunities -H 'content-type: application/json' -d '{{\"count\":1}}'"
    ));
    output.say(format!(
        "  curl -X POST {salesforce}/admin/update/Opportunity/<id> -H 'content-type: application/json' -d '{{\"StageName\":\"Closed Won\"}}'"
    ));
    output.say(format!("  tandem --config {file} explain <id>"));
}

/// Whether a browser can show itself to who sits there.
fn has_desktop() -> bool {
    cfg!(windows)
        || ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some_and(|of| !of.is_empty()))
}

/// What was named; or what lies in the repository's folder, or beside the program.
fn given_or_found(given: &Option<PathBuf>, here: &str, beside: &str, what: &str) -> Result<PathBuf> {
    let program = std::env::current_exe().unwrap_or_default();
    let beside = program.parent().map(|folder| folder.join(beside));
    let folders = match given {
        Some(given) => vec![given.clone()],
        None => [PathBuf::from(here)].into_iter().chain(beside).collect(),
    };
    if let Some(found) = folders.iter().find(|folder| folder.is_dir()) {
        return Ok(found.clone());
    }
    let looked: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
    Err(Failure::WrongUsage(format!("the demo needs {what}, and it is not in {}", looked.join(" nor in "))).into())
}

fn prepare(options: &Options) -> Result<()> {
    let plugins =
        given_or_found(&options.plugins, BUILT_PLUGINS, "plugins", "the plugins (`make plugins` builds them)")?;
    // Only ever a folder that a demo made, and in which nothing runs.
    if options.folder.exists() {
        let folder = options.folder.display();
        let refused = |why: String| Err(Failure::WrongUsage(why).into());
        if !options.folder.join(MARK).is_file() {
            return refused(format!(
                "{folder} is there and is not a demo's folder (it has no {MARK} in it): remove it where an older demo left it, or name another with --folder"
            ));
        }
        if has_host(&options.folder.join(StoreConfig::default().path)) {
            return refused(format!("a host runs in {folder}: end it first, or name another folder with --folder"));
        }
        std::fs::remove_dir_all(&options.folder)
            .with_context(|| format!("cannot clear {}", options.folder.display()))?;
    }
    std::fs::create_dir_all(options.folder.join("plugins"))?;
    std::fs::write(options.folder.join(MARK), "")?;
    for plugin in PLUGINS {
        let file = format!("{plugin}.wasm");
        std::fs::copy(plugins.join(&file), options.folder.join("plugins").join(&file))
            .with_context(|| format!("{file} is missing in {}: run `make plugins`", plugins.display()))?;
    }
    Ok(())
}

async fn start_simulators(options: &Options, package: &Path) -> Result<World> {
    let here = std::env::current_exe()?;
    let beside = here.parent().map(Path::to_path_buf).unwrap_or_default();
    let start = |name: &str, arguments: &[&str], file: &Path| -> Result<Child> {
        let program = beside.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
        Command::new(&program)
            .args(arguments)
            .arg("--address-file")
            .arg(file)
            .stdout(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| {
                let where_from = "it comes with the archive (not with the .deb), and `make build` builds it";
                format!("cannot start {}; {where_from}", program.display())
            })
    };
    let (b1_file, salesforce_file) = (options.folder.join("b1.address"), options.folder.join("salesforce.address"));
    let package = package.display().to_string();
    let b1 = start("tandem-sim-b1", &["--listen", "127.0.0.1:0", "--credit-limit", "200000"], &b1_file)?;
    let salesforce = start(
        "tandem-sim-salesforce",
        &["--listen", "127.0.0.1:0", "--listen-pubsub", "127.0.0.1:0", "--package", &package],
        &salesforce_file,
    )?;
    let b1_address = address(&b1_file, 1).await?;
    let salesforce_address = address(&salesforce_file, 2).await?;
    Ok(World {
        _b1: b1,
        _salesforce: salesforce,
        b1: b1_address[0].clone(),
        salesforce: salesforce_address[0].clone(),
        pubsub: salesforce_address[1].clone(),
    })
}

async fn address(file: &Path, lines: usize) -> Result<Vec<String>> {
    for _ in 0..200 {
        let found: Vec<String> = std::fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect();
        if found.len() >= lines {
            return Ok(found);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("a simulator did not start within 10 s")
}

fn write_config(options: &Options, world: &World) -> Result<Config> {
    std::fs::write(options.folder.join("b1.password"), "tandem")?;
    std::fs::write(options.folder.join("salesforce.secret"), "tandem-secret")?;
    let mut text = format!(
        "[host]\nlisten = \"{}\"\n\n[b1.erp]\nurl = \"{}/b1s/v2\"\ncompany = \"SBODEMO\"\nuser = \"tandem\"\npassword = {{ file = \"b1.password\" }}\n\
         time_zone = \"Europe/Berlin\"\npoll_seconds = 1\nstock_scan_seconds = 2\nprice_scan_seconds = 2\n\n\
         [salesforce.crm]\nlogin_url = \"{}\"\nclient_id = \"tandem\"\nclient_secret = {{ file = \"salesforce.secret\" }}\npubsub_url = \"{}\"\n\n",
        free_address()?,
        world.b1,
        world.salesforce,
        world.pubsub
    );
    for plugin in PLUGINS {
        text.push_str(&format!(
            "[flows.{plugin}]\nplugin = \"{plugin}\"\nconnections = {{ b1 = \"erp\", salesforce = \"crm\" }}\n"
        ));
        if plugin == "accounts" {
            text.push_str("settings = { series = 11 }\n");
        }
        text.push('\n');
    }
    let path = options.folder.join("tandem.toml");
    std::fs::write(&path, text)?;
    Ok(Config::load(&path)?)
}

/// The host's usual address, or another one where something else listens on it.
fn free_address() -> Result<std::net::SocketAddr> {
    let usual = std::net::TcpListener::bind("127.0.0.1:8484");
    let listener = usual.or_else(|_| std::net::TcpListener::bind("127.0.0.1:0")).context("no free port on loopback")?;
    Ok(listener.local_addr()?)
}

async fn wait_ready(client: &reqwest::Client, url: &str) -> Result<()> {
    let mut last = String::new();
    for _ in 0..200 {
        if let Ok(response) = client.get(url).send().await {
            if response.status().is_success() {
                return Ok(());
            }
            last = response.text().await.unwrap_or_default();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("the host is not ready after 10 s: {last}")
}

/// Wins opportunities and shows the orders they became.
async fn tell_story(client: &reqwest::Client, world: &World, count: usize, output: &Output) -> Result<()> {
    let ids: Vec<String> =
        post(client, &format!("{}/admin/opportunities", world.salesforce), &json!({ "count": count })).await?;
    let started = Instant::now();
    let style =
        ProgressStyle::with_template("{msg} {bar:40} {pos}/{len}").unwrap_or_else(|_| ProgressStyle::default_bar());
    let progress = ProgressBar::new(count as u64).with_style(style).with_message("Closed Won -> sales order");
    let mut won = Vec::new();
    for id in &ids {
        let url = format!("{}/admin/update/Opportunity/{id}", world.salesforce);
        client
            .post(url)
            .header("content-type", "application/json")
            .body(r#"{"StageName":"Closed Won"}"#)
            .send()
            .await?
            .error_for_status()?;
        won.push((id.clone(), Instant::now()));
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut data = Vec::new();
    while rows.len() < ids.len() {
        if started.elapsed() > Duration::from_secs(60) {
            bail!("only {} of {} opportunities have their order number after 60 s", rows.len(), ids.len());
        }
        let all: Vec<Value> = get(client, &format!("{}/admin/records/Opportunity", world.salesforce)).await?;
        for (id, _) in &won {
            let found = all.iter().find(|record| record["Id"] == id.as_str());
            let Some(found) = found.filter(|record| record["Tandem_Sync_State__c"].is_string()) else { continue };
            if data.iter().any(|row: &Value| row["id"] == id.as_str()) {
                continue;
            }
            let word = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
            rows.push(vec![
                word("Name"),
                id.clone(),
                word("Tandem_Order_Number__c"),
                word("Tandem_Order_Status__c"),
                word("Tandem_Sync_Message__c"),
            ]);
            data.push(json!({ "id": id, "order": found["Tandem_Order_Number__c"], "message": found["Tandem_Sync_Message__c"] }));
            progress.inc(1);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    progress.finish_and_clear();
    let orders: Vec<Value> = get(client, &format!("{}/admin/records/Orders", world.b1)).await?;
    output.rows(&data, &["opportunity", "id", "order", "status", "message"], rows, "no opportunity was won");
    let made = |id: &String| orders.iter().filter(|order| order["U_SF_Id"] == id.as_str()).count();
    let (exactly_one, other): (Vec<&String>, Vec<&String>) = ids.iter().partition(|id| made(id) == 1);
    output.say(format!(
        "{} opportunities won, {} with exactly one order in B1, {} otherwise",
        ids.len(),
        exactly_one.len(),
        other.len()
    ));
    if !other.is_empty() {
        bail!("{} opportunities do not have exactly one order", other.len());
    }
    Ok(())
}

async fn get<T: serde::de::DeserializeOwned>(client: &reqwest::Client, url: &str) -> Result<T> {
    let text = client.get(url).send().await?.error_for_status()?.text().await?;
    Ok(serde_json::from_str(&text)?)
}

async fn post<T: serde::de::DeserializeOwned>(client: &reqwest::Client, url: &str, body: &Value) -> Result<T> {
    let request = client.post(url).header("content-type", "application/json").body(body.to_string());
    let text = request.send().await?.error_for_status()?.text().await?;
    Ok(serde_json::from_str(&text)?)
}
