//! The real binary, as a process, against the simulators, as processes: what every end-to-end test, the fault tests and
//! the bench stand on.

pub mod browser;
pub mod console;
pub mod database;
pub mod in_step;
#[cfg(target_os = "linux")]
pub mod machine;
pub mod mail;
pub mod mcp;
pub mod model;
pub mod reconcile;
#[cfg(unix)]
pub mod several;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

pub use self::database::Database;

/// How a world differs from the usual one.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Lines after `[flows.orders]`.
    pub flow: String,
    /// More of `tandem.toml`, at its end.
    pub more: String,
    /// Lines of `[b1.erp]`.
    pub b1: String,
    /// Lines of `[salesforce.crm]`; empty means client credentials.
    pub salesforce: String,
    /// Serve B1 over HTTPS.
    pub tls: bool,
    /// Run `tandem init`.
    pub init: bool,
    /// Seed of the simulators' chance.
    pub seed: u64,
    /// Open opportunities at the start.
    pub opportunities: usize,
    /// Plugins to copy and grant; each but `orders` also gets a flow of its own name.
    pub plugins: Vec<&'static str>,
    /// Lines of the flows of plugins other than `orders`, by plugin.
    pub flows: Vec<(&'static str, &'static str)>,
    /// More arguments of the B1 simulator.
    pub b1_arguments: Vec<String>,
    /// More arguments of the Salesforce simulator.
    pub salesforce_arguments: Vec<String>,
    /// On a database of PostgreSQL whose server is this world's own, whatever `TANDEM_TEST_STORE` says.
    #[cfg(unix)]
    pub shared: bool,
    /// Environment variables of the host.
    pub environment: Vec<(&'static str, String)>,
}

/// All plugins that are flows.
pub const ALL: [&str; 7] = ["orders", "accounts", "catalogue", "credit", "fulfilment", "inventory", "invoices"];

impl Default for Setup {
    fn default() -> Self {
        Self {
            flow: String::new(),
            more: String::new(),
            b1: String::new(),
            salesforce: String::new(),
            tls: false,
            init: true,
            seed: 1,
            opportunities: 0,
            plugins: vec!["orders"],
            flows: Vec::new(),
            b1_arguments: Vec::new(),
            salesforce_arguments: Vec::new(),
            #[cfg(unix)]
            shared: false,
            environment: Vec::new(),
        }
    }
}

/// Two simulators, a folder with `tandem.toml`, and a host that can be started, stopped and killed.
pub struct World {
    folder: TempDir,
    b1_process: Child,
    salesforce_process: Child,
    host: Option<Child>,
    environment: Vec<(&'static str, String)>,
    /// The host's database.
    pub database: Database,
    /// Address of the B1 simulator.
    pub b1: String,
    /// Address of the Salesforce simulator.
    pub salesforce: String,
    /// Address of the Salesforce simulator's Pub/Sub API.
    pub pubsub: String,
    /// Address of the host's console.
    pub console: String,
    client: reqwest::Client,
}

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The folder of built programs: that of this test's own profile.
pub fn programs() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    let folder = own.parent().map(Path::to_path_buf).unwrap_or_default();
    if folder.ends_with("deps") { folder.parent().map(Path::to_path_buf).unwrap_or(folder) } else { folder }
}

fn program(name: &str) -> PathBuf {
    programs().join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// Whoever plays clerk and salesperson: no fault strikes them.
fn spared_client() -> Result<reqwest::Client> {
    let headers = [(HeaderName::from_static("x-spared-faults"), HeaderValue::from_static("1"))].into_iter().collect();
    Ok(reqwest::Client::builder().timeout(Duration::from_secs(20)).default_headers(headers).no_proxy().build()?)
}

/// Each test is run with faults on when `TANDEM_FAULTS` says at what rate each kind strikes; what only holds without, such as a
/// number of calls, asks this.
pub fn faults_rate() -> Option<f64> {
    std::env::var("TANDEM_FAULTS").ok()?.parse().ok()
}

/// A port on which nobody listens, and which no call that goes out is given by the system meanwhile.
pub fn free_port() -> Result<u16> {
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (0..1_000).map(|_| fastrand::u16(10_000..32_000)).find(free).context("a free port")
}

impl World {
    /// The usual world, host not started.
    pub async fn new() -> Result<Self> {
        Self::with(Setup::default()).await
    }

    /// A world that differs.
    pub async fn with(setup: Setup) -> Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        // `TANDEM_KEEP` leaves the folder with its log and its store behind, for a look at what a long run found.
        let mut folder = tempfile::tempdir()?;
        folder.disable_cleanup(std::env::var_os("TANDEM_KEEP").is_some());
        let path = folder.path();
        let seed = setup.seed.to_string();
        let mut b1_arguments = vec!["--listen".to_owned(), "127.0.0.1:0".into(), "--seed".into(), seed.clone()];
        if setup.tls {
            b1_arguments.extend(["--tls-certificate".into(), path.join("b1.pem").display().to_string()]);
        }
        b1_arguments.extend(setup.b1_arguments.clone());
        let mut salesforce_arguments = vec![
            "--listen".to_owned(),
            "127.0.0.1:0".into(),
            "--listen-pubsub".into(),
            "127.0.0.1:0".into(),
            "--package".into(),
            root().join("salesforce-package/force-app/main/default").display().to_string(),
            "--opportunities".into(),
            setup.opportunities.to_string(),
            "--jwt-public-key".into(),
            root().join("tests/e2e/fixtures/jwt-test.pub.der").display().to_string(),
            "--seed".into(),
            seed,
        ];
        salesforce_arguments.extend(setup.salesforce_arguments.clone());
        let (b1_child, b1) = simulator("tandem-sim-b1", &b1_arguments, &path.join("b1.address"), 1).await?;
        let (salesforce_child, salesforce) =
            simulator("tandem-sim-salesforce", &salesforce_arguments, &path.join("salesforce.address"), 2).await?;
        let port = free_port()?;
        fs::create_dir(path.join("plugins"))?;
        for plugin in &setup.plugins {
            fs::copy(wasm(plugin), path.join(format!("plugins/{plugin}.wasm")))
                .with_context(|| format!("{plugin}.wasm: run `make plugins`"))?;
        }
        fs::write(path.join("b1.password"), "tandem\n")?;
        fs::write(path.join("salesforce.secret"), "tandem-secret")?;
        fs::write(path.join("webhook.key"), "webhook-key")?;
        fs::copy(root().join("tests/e2e/fixtures/jwt-test.key"), path.join("salesforce.key"))?;
        // What is counted is the same whatever the hour.
        let sign_in = if setup.salesforce.is_empty() {
            "client_secret = { file = \"salesforce.secret\" }\nwebhook_key = { file = \"webhook.key\" }\nsweep = \"off\"\n"
                .to_owned()
        } else {
            setup.salesforce.clone()
        };
        let mut flow = if setup.plugins.contains(&"orders") {
            format!(
                "[flows.orders]\nplugin = \"orders\"\nconnections = {{ b1 = \"erp\", salesforce = \"crm\" }}\n{}\n",
                setup.flow
            )
        } else {
            String::new()
        };
        for plugin in ALL.iter().filter(|plugin| **plugin != "orders" && setup.plugins.contains(plugin)) {
            let lines = setup.flows.iter().find(|(name, _)| name == plugin).map_or("", |(_, lines)| lines);
            flow.push_str(&format!(
                "[flows.{plugin}]\nplugin = \"{plugin}\"\nconnections = {{ b1 = \"erp\", salesforce = \"crm\" }}\n{lines}\n\n"
            ));
        }
        // Whoever sets the host's own clock wants one that goes by it, and not by a server's.
        let has_clock = setup.environment.iter().any(|(name, _)| *name == "CLOCK_OFF");
        #[cfg(unix)]
        let database = match (setup.shared, has_clock) {
            (true, _) => Database::on_own_server()?,
            (false, true) => Database::in_file(path),
            (false, false) => Database::fresh(path)?,
        };
        #[cfg(not(unix))]
        let database = if has_clock { Database::in_file(path) } else { Database::fresh(path)? };
        database.prepare(path)?;
        // A test may say more of it.
        let (own, more) = match (database.lines(), setup.more.split_once("[store]\n")) {
            (lines, _) if lines.is_empty() => (String::new(), setup.more.clone()),
            (lines, None) => (format!("[store]\n{lines}\n"), setup.more.clone()),
            (lines, Some((before, after))) => (String::new(), format!("{before}[store]\n{lines}{after}")),
        };
        let config = format!(
            "{own}[host]\nlisten = \"127.0.0.1:{port}\"\n\n\
             [b1.erp]\nurl = \"{}/b1s/v2\"\ncompany = \"SBODEMO\"\nuser = \"tandem\"\npassword = {{ file = \"b1.password\" }}\n\
             requests_per_second = 2000\n{}\n\n\
             [salesforce.crm]\nlogin_url = \"{}\"\nclient_id = \"tandem\"\npubsub_url = \"{}\"\nrequests_per_second = 2000\n{sign_in}\n\
             {flow}\n{}\n",
            b1[0], setup.b1, salesforce[0], salesforce[1], more
        );
        fs::write(path.join("tandem.toml"), config)?;
        let world = Self {
            folder,
            b1_process: b1_child,
            salesforce_process: salesforce_child,
            host: None,
            environment: setup.environment.clone(),
            database,
            b1: b1[0].clone(),
            salesforce: salesforce[0].clone(),
            pubsub: salesforce[1].clone(),
            console: format!("http://127.0.0.1:{port}"),
            client: spared_client()?,
        };
        if setup.init {
            world.tandem(&["init"]).await?;
        }
        for plugin in &setup.plugins {
            share_compiled(world.folder(), &world.database)?;
            world.tandem(&["plugin", "grant", plugin, "--yes"]).await?;
        }
        if let Some(rate) = faults_rate() {
            world.strike(rate).await?;
        }
        Ok(world)
    }

    /// From now on each kind of fault that passes strikes the host's calls to both systems at that rate, until the test sets
    /// faults of its own.
    pub async fn strike(&self, rate: f64) -> Result<()> {
        let kinds = ["reset-before", "reset-after", "html-before", "html-after", "server-error", "lock", "expire"];
        let faults = |path: &str| -> Value {
            kinds.iter().map(|kind| json!({ "path": path, "kind": kind, "rate": rate })).collect()
        };
        self.b1_faults(faults("/b1s/v2")).await?;
        self.salesforce_faults(faults("/services/data")).await
    }

    /// The folder with `tandem.toml`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A command that must succeed; its standard output.
    pub async fn tandem(&self, arguments: &[&str]) -> Result<String> {
        let (code, output, errors) = self.tandem_raw(arguments).await?;
        if code != 0 {
            bail!("tandem {} ended with {code}:\n{output}{errors}", arguments.join(" "));
        }
        Ok(output)
    }

    /// A command: exit code, standard output, standard error.
    pub async fn tandem_raw(&self, arguments: &[&str]) -> Result<(i32, String, String)> {
        let output = Command::new(program("tandem"))
            .arg("--config")
            .arg(self.folder().join("tandem.toml"))
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .await?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr)))
    }

    /// A command whose standard output nobody reads; its standard error.
    pub async fn tandem_unread(&self, arguments: &[&str]) -> Result<String> {
        let mut child = Command::new(program("tandem"))
            .arg("--config")
            .arg(self.folder().join("tandem.toml"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        drop(child.stdout.take());
        let output = child.wait_with_output().await?;
        Ok(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// A command whose answer is JSON.
    pub async fn tandem_json(&self, arguments: &[&str]) -> Result<Value> {
        let mut all = vec!["--json"];
        all.extend(arguments);
        Ok(serde_json::from_str(&self.tandem(&all).await?)?)
    }

    /// Starts the host; does not wait.
    pub fn start(&mut self) -> Result<()> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.folder().join("host.log"))?;
        self.start_logging_to(log)
    }

    /// Starts the host with another standard error.
    pub fn start_logging_to(&mut self, log: impl Into<Stdio>) -> Result<()> {
        let child = Command::new(program("tandem"))
            .arg("--config")
            .arg(self.folder().join("tandem.toml"))
            .args(["--log-json", "run"])
            .envs(self.environment.iter().cloned())
            .stdout(Stdio::null())
            .stderr(log)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        self.host = Some(child);
        Ok(())
    }

    /// Starts the host and waits until it is ready.
    pub async fn up(&mut self) -> Result<()> {
        self.start()?;
        self.ready(Duration::from_secs(30)).await
    }

    /// Waits until the host is ready.
    pub async fn ready(&self, patience: Duration) -> Result<()> {
        let until = Instant::now() + patience;
        let mut last = String::from("no answer");
        while Instant::now() < until {
            if let Ok(response) = self.client.get(format!("{}/readyz", self.console)).send().await {
                if response.status().is_success() {
                    return Ok(());
                }
                last = response.text().await?;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        bail!("the host is not ready: {last}\n{}", self.log_tail())
    }

    /// Ends the host at once, as a power cut would.
    pub async fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.host.take() {
            child.kill().await?;
        }
        Ok(())
    }

    /// Waits until the host ends by itself; its exit code.
    pub async fn ended(&mut self, patience: Duration) -> Result<Option<i32>> {
        let mut child = self.host.take().context("no host was started")?;
        Ok(tokio::time::timeout(patience, child.wait()).await.context("the host goes on")??.code())
    }

    /// Asks the host to stop and waits for it.
    #[cfg(unix)]
    pub async fn stop(&mut self) -> Result<()> {
        if let Some(mut child) = self.host.take() {
            let id = child.id().context("the host has ended by itself")?;
            Command::new("kill").arg(id.to_string()).status().await?;
            tokio::time::timeout(Duration::from_secs(30), child.wait()).await??;
        }
        Ok(())
    }

    /// Process ids of the B1 and the Salesforce simulator.
    pub fn simulator_ids(&self) -> [Option<u32>; 2] {
        [self.b1_process.id(), self.salesforce_process.id()]
    }

    /// The running host's process id.
    pub fn host_id(&self) -> Option<u32> {
        self.host.as_ref().and_then(Child::id)
    }

    /// The last lines the host logged, without those of events that went well.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let told = lines
            .iter()
            .filter(|line| !line.contains("\"outcome\":\"done\""))
            .map(|line| line.chars().take(600).collect());
        let told: Vec<String> = told.collect();
        told[told.len().saturating_sub(15)..].join("\n")
    }

    /// All the host logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder().join("host.log")).unwrap_or_default()
    }

    /// `GET`, JSON.
    pub async fn get(&self, url: &str) -> Result<Value> {
        let text = self.client.get(url).send().await?.error_for_status()?.text().await?;
        Ok(serde_json::from_str(&text)?)
    }

    /// A JSON request; status and body (null when it is none).
    pub async fn send(&self, method: &str, url: &str, body: &Value) -> Result<(u16, Value)> {
        let request = self.client.request(method.parse()?, url).header("content-type", "application/json");
        let response = request.body(body.to_string()).send().await?;
        let status = response.status().as_u16();
        let text = response.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or_default()))
    }

    /// Sets the B1 simulator's faults.
    pub async fn b1_faults(&self, faults: Value) -> Result<()> {
        expect_ok(self.send("PUT", &format!("{}/admin/faults", self.b1), &faults).await?)
    }

    /// Sets the Salesforce simulator's faults.
    pub async fn salesforce_faults(&self, faults: Value) -> Result<()> {
        expect_ok(self.send("PUT", &format!("{}/admin/faults", self.salesforce), &faults).await?)
    }

    /// A permission set of the company's own lets the integration user write these fields, such as `Account.Industry`.
    pub async fn grant(&self, fields: &[&str]) -> Result<()> {
        let rules = json!({ "integration": { "granted": fields } });
        expect_ok(self.send("PUT", &format!("{}/admin/rules", self.salesforce), &rules).await?)
    }

    /// Sets the B1 simulator's settings.
    pub async fn b1_settings(&self, settings: Value) -> Result<()> {
        expect_ok(self.send("PUT", &format!("{}/admin/settings", self.b1), &settings).await?)
    }

    /// Sets the Salesforce simulator's settings.
    pub async fn salesforce_settings(&self, settings: Value) -> Result<()> {
        expect_ok(self.send("PUT", &format!("{}/admin/settings", self.salesforce), &settings).await?)
    }

    /// A clerk makes a record in B1; the record.
    pub async fn b1_post(&self, path: &str, body: Value) -> Result<Value> {
        self.b1_call("POST", path, body).await
    }

    /// A clerk changes a record in B1.
    pub async fn b1_patch(&self, path: &str, body: Value) -> Result<()> {
        self.b1_call("PATCH", path, body).await.map(|_| ())
    }

    /// A call to the Service Layer on a session of its own.
    pub async fn b1_call(&self, method: &str, path: &str, body: Value) -> Result<Value> {
        self.service_layer(&self.b1, method, path, body).await
    }

    /// The same, of any company.
    pub async fn service_layer(&self, address: &str, method: &str, path: &str, body: Value) -> Result<Value> {
        let login = json!({ "CompanyDB": "SBODEMO", "UserName": "tandem", "Password": "tandem" });
        let (_, session) = self.send("POST", &format!("{}/b1s/v2/Login", address), &login).await?;
        let cookie = format!("B1SESSION={}", session["SessionId"].as_str().unwrap_or_default());
        let request =
            self.client.request(method.parse()?, format!("{}/b1s/v2{path}", address)).header("Cookie", cookie);
        let request = if body.is_null() { request } else { request.body(body.to_string()) };
        let response = request.send().await?;
        let status = response.status().as_u16();
        let answer: Value = serde_json::from_str(&response.text().await?).unwrap_or_default();
        match status {
            // Another caller's session was ended, and all with it.
            401 => Box::pin(self.service_layer(address, method, path, body)).await,
            200..300 => Ok(answer),
            _ => bail!("{method} {path}: {status} {answer}"),
        }
    }

    /// A person makes a record in Salesforce; its id.
    pub async fn create(&self, object: &str, fields: Value) -> Result<String> {
        let (status, body) = self.send("POST", &format!("{}/admin/create/{object}", self.salesforce), &fields).await?;
        let id = body["id"].as_str().or(body.as_str()).map(str::to_owned);
        id.with_context(|| format!("{status}: {body}"))
    }

    /// The one record of an object for which it holds; waits for it.
    pub async fn until_record(&self, object: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
        let look = async |world: &Self| Ok(world.records(object).await?.into_iter().find(&holds));
        let found = self.until(&format!("{object}: {what}"), Duration::from_secs(30), look).await;
        match found {
            Ok(record) => Ok(record),
            Err(error) => {
                let events = self.tandem(&["events", "list", "--limit", "20"]).await?;
                bail!("{error}\n{events}")
            }
        }
    }

    /// Calls that a simulator has served, by kind; without those by which the host says how it is.
    pub async fn calls(&self, side: &str) -> Result<Value> {
        let mut calls = self.get(&format!("{side}/admin/log")).await?["calls"].take();
        if let Some(calls) = calls.as_object_mut() {
            calls.retain(|kind, _| !kind.contains("Tandem_Health__c"));
        }
        Ok(calls)
    }

    /// What a simulator was asked for, by kind, whether in a call of its own or in one that others share; without what tells how
    /// the host is.
    pub async fn asked(&self, side: &str) -> Result<BTreeMap<String, u64>> {
        let log = self.get(&format!("{side}/admin/log")).await?;
        let mut asked = BTreeMap::new();
        for counts in [&log["calls"], &log["subrequests"]] {
            for (kind, count) in counts.as_object().into_iter().flatten() {
                *asked.entry(kind.clone()).or_default() += count.as_u64().unwrap_or(0);
            }
        }
        asked.retain(|kind, _| kind != "POST /composite" && !kind.contains("Tandem_Health__c"));
        Ok(asked)
    }

    /// Waits until no event is on its way.
    pub async fn settled(&self) -> Result<()> {
        // What a flow has left that was taken out stays where it is.
        let config = std::fs::read_to_string(self.folder().join("tandem.toml"))?;
        let flows: Vec<&str> =
            config.lines().filter_map(|line| line.trim().strip_prefix("[flows.")?.strip_suffix(']')).collect();
        let look = async |world: &Self| {
            for state in ["ready", "leased"] {
                let events = world.tandem_json(&["events", "list", "--state", state, "--limit", "100"]).await?;
                let mut events = events.as_array().into_iter().flatten();
                if events.any(|event| flows.iter().any(|flow| event["flow"] == *flow)) {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        };
        self.until("all events to be settled", Duration::from_secs(180), look).await
    }

    /// In the org it is so many days later.
    pub async fn days_later(&self, days: i64) -> Result<()> {
        let url = format!("{}/admin/clock", self.salesforce);
        expect_ok(self.send("PUT", &url, &json!({ "offset_ms": days * 24 * 3_600_000 })).await?)
    }

    /// How many changes each sweep of the org has found.
    pub fn sweeps(&self) -> Vec<u64> {
        let log = self.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["message"] == "swept").filter_map(|line| line["found"].as_u64()).collect()
    }

    /// The org's night comes, so many days from now; what its sweep found, when all of it is done. It needs `report_seconds = 1` and a
    /// sweep that is not off.
    pub async fn night(&self, number: i64) -> Result<u64> {
        let before = self.sweeps().len();
        self.days_later(number).await?;
        let swept = async |world: &Self| Ok(world.sweeps().get(before).copied());
        let found = self.until("the sweep", Duration::from_secs(60), swept).await?;
        self.settled().await?;
        Ok(found)
    }

    /// Makes open opportunities; their ids.
    pub async fn opportunities(&self, count: usize) -> Result<Vec<String>> {
        let url = format!("{}/admin/opportunities", self.salesforce);
        let (_, ids) = self.send("POST", &url, &json!({ "count": count })).await?;
        Ok(ids.as_array().into_iter().flatten().filter_map(|id| id.as_str().map(str::to_owned)).collect())
    }

    /// A person changes a record.
    pub async fn change(&self, object: &str, id: &str, fields: Value) -> Result<()> {
        let url = format!("{}/admin/update/{object}/{id}", self.salesforce);
        expect_ok(self.send("POST", &url, &fields).await?)
    }

    /// A person wins an opportunity.
    pub async fn win(&self, id: &str) -> Result<()> {
        self.change("Opportunity", id, json!({ "StageName": "Closed Won" })).await
    }

    /// All records of an object in Salesforce.
    pub async fn records(&self, object: &str) -> Result<Vec<Value>> {
        let rows = self.get(&format!("{}/admin/records/{object}", self.salesforce)).await?;
        Ok(rows.as_array().cloned().unwrap_or_default())
    }

    /// One opportunity.
    pub async fn opportunity(&self, id: &str) -> Result<Value> {
        let all = self.records("Opportunity").await?;
        all.into_iter().find(|record| record["Id"] == id).with_context(|| format!("no opportunity {id}"))
    }

    /// The lines of an opportunity.
    pub async fn lines(&self, id: &str) -> Result<Vec<Value>> {
        let all = self.records("OpportunityLineItem").await?;
        Ok(all.into_iter().filter(|line| line["OpportunityId"] == id && line["IsDeleted"] != true).collect())
    }

    /// All records of a B1 entity set.
    pub async fn b1_records(&self, set: &str) -> Result<Vec<Value>> {
        let rows = self.get(&format!("{}/admin/records/{set}", self.b1)).await?;
        Ok(rows.as_array().cloned().unwrap_or_default())
    }

    /// Makes a user field in B1, as an administrator would; status and body.
    pub async fn b1_user_field(&self, table: &str, name: &str) -> Result<(u16, Value)> {
        /// Another session is at work: whoever makes a field tries again.
        const AT_WORK: &str = "-1120";
        let login = json!({ "CompanyDB": "SBODEMO", "UserName": "tandem", "Password": "tandem" });
        let (_, session) = self.send("POST", &format!("{}/b1s/v2/Login", self.b1), &login).await?;
        let cookie = format!("B1SESSION={}", session["SessionId"].as_str().unwrap_or_default());
        let body = json!({ "TableName": table, "Name": name, "Type": "db_Alpha", "Size": 20, "Description": name });
        let mut tries = 0;
        loop {
            let request = self.client.post(format!("{}/b1s/v2/UserFieldsMD", self.b1)).header("Cookie", &cookie);
            let response = request.body(body.to_string()).send().await?;
            let status = response.status().as_u16();
            let told: Value = serde_json::from_str(&response.text().await?).unwrap_or_default();
            tries += 1;
            if tries == 100 || !told["error"]["code"].to_string().contains(AT_WORK) {
                return Ok((status, told));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The orders made for an opportunity.
    pub async fn orders_of(&self, id: &str) -> Result<Vec<Value>> {
        Ok(self.b1_records("Orders").await?.into_iter().filter(|order| order["U_SF_Id"] == id).collect())
    }

    /// Waits until the opportunity shows that state, and gives it.
    pub async fn until_state(&self, id: &str, state: &str) -> Result<Value> {
        let told = async |world: &Self| {
            let record = world.opportunity(id).await?;
            Ok((record["Tandem_Sync_State__c"] == state).then_some(record))
        };
        self.until(&format!("{id} to be {state}"), Duration::from_secs(30), told).await
    }

    /// Waits until `look` finds something.
    pub async fn until<T>(
        &self,
        what: &str,
        patience: Duration,
        look: impl AsyncFn(&Self) -> Result<Option<T>>,
    ) -> Result<T> {
        let until = Instant::now() + patience;
        loop {
            if let Some(found) = look(self).await? {
                return Ok(found);
            }
            if Instant::now() > until {
                bail!("waited {} s for {what}\n{}", patience.as_secs(), self.log_tail());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Sends signed changes to the host's webhook; the status.
    pub async fn webhook(&self, body: &Value) -> Result<u16> {
        let timestamp = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs().to_string();
        let text = body.to_string();
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"webhook-key");
        let tag = ring::hmac::sign(&key, format!("{timestamp}.{text}").as_bytes());
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let response = self
            .client
            .post(format!("{}/hooks/salesforce/crm", self.console))
            .header("X-Tandem-Timestamp", timestamp)
            .header("X-Tandem-Signature", format!("sha256={hex}"))
            .body(text)
            .send()
            .await?;
        Ok(response.status().as_u16())
    }

    /// Every opportunity has exactly one order in B1, and shows its number.
    pub async fn assert_exactly_once(&self, ids: &[String]) -> Result<()> {
        let orders = self.b1_records("Orders").await?;
        let opportunities = self.records("Opportunity").await?;
        let mut made: HashMap<&str, Vec<&Value>> = HashMap::new();
        for order in &orders {
            made.entry(order["U_SF_Id"].as_str().unwrap_or_default()).or_default().push(order);
        }
        let numbers: HashMap<&str, &Value> = opportunities
            .iter()
            .filter_map(|record| Some((record["Id"].as_str()?, &record["Tandem_Order_Number__c"])))
            .collect();
        let mut wrong = Vec::new();
        for id in ids {
            let own = made.get(id.as_str()).map(Vec::as_slice).unwrap_or_default();
            let shown = numbers.get(id.as_str()).copied().unwrap_or(&Value::Null);
            match own {
                [one] if shown.as_str() == Some(&one["DocNum"].to_string()) => {}
                many => wrong.push(format!("{id}: {} orders, shows {shown}", many.len())),
            }
        }
        if wrong.is_empty() {
            Ok(())
        } else {
            bail!("{} of {} are wrong:\n{}", wrong.len(), ids.len(), wrong.join("\n"))
        }
    }

    /// Waits until every opportunity shows an order number.
    pub async fn until_all_told(&self, ids: &[String], patience: Duration) -> Result<()> {
        let look = async |world: &Self| {
            let records = world.records("Opportunity").await?;
            let told = records.iter().filter(|record| record["Tandem_Order_Number__c"].is_string());
            let told: std::collections::HashSet<&str> = told.filter_map(|record| record["Id"].as_str()).collect();
            Ok(ids.iter().all(|id| told.contains(id.as_str())).then_some(()))
        };
        let result = self.until(&format!("{} order numbers", ids.len()), patience, look).await;
        if let Err(error) = result {
            bail!("{error}\n{}", self.untold(ids).await?);
        }
        Ok(())
    }

    /// The opportunities without an order number, with their events.
    async fn untold(&self, ids: &[String]) -> Result<String> {
        let mut text = String::new();
        for record in self.records("Opportunity").await? {
            let id = record["Id"].as_str().unwrap_or_default();
            if ids.iter().any(|wanted| wanted == id) && !record["Tandem_Order_Number__c"].is_string() {
                let events = self.tandem(&["events", "list", "--key", id]).await?;
                text.push_str(&format!("{id} has no order number\n{events}\n"));
            }
        }
        Ok(text)
    }
}

/// What any test's host has compiled is there for all: a debug build takes seconds for each plugin. Signed with one key, which a host takes
/// from its database; without a database there is nothing to share yet.
fn share_compiled(folder: &Path, database: &Database) -> Result<()> {
    let compiled = folder.join("data/compiled");
    if !cfg!(unix) || compiled.exists() || !database.put_secret("compiled-plugins", [7_u8; 32])? {
        return Ok(());
    }
    let shared = programs().join("compiled-for-tests");
    fs::create_dir_all(&shared)?;
    #[cfg(unix)]
    {
        fs::create_dir_all(folder.join("data"))?;
        std::os::unix::fs::symlink(shared, compiled)?;
    }
    Ok(())
}

/// The built component of a plugin.
pub fn wasm(plugin: &str) -> PathBuf {
    root().join(format!("plugins/target/wasm32-unknown-unknown/release/{plugin}.wasm"))
}

/// Starts a simulator; the addresses it wrote to `file`.
pub async fn simulator(name: &str, arguments: &[String], file: &Path, lines: usize) -> Result<(Child, Vec<String>)> {
    let child = Command::new(program(name))
        .args(arguments)
        .arg("--address-file")
        .arg(file)
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("{}: run `make build`", program(name).display()))?;
    // A million items take minutes on a busy machine.
    for _ in 0..24_000 {
        let found: Vec<String> = fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect();
        if found.len() >= lines {
            return Ok((child, found));
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    bail!("{name} did not start")
}

fn expect_ok((status, body): (u16, Value)) -> Result<()> {
    if status < 300 { Ok(()) } else { bail!("{status}: {body}") }
}
