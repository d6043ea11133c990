//! Brings the rooms together: opens the store, connects, starts the sandbox, and runs engine, sources and console.

mod reload;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, OnceCell, watch};
use tokio::task::JoinSet;

use super::database;
use super::failure::Failure;
use super::output::complain;
use crate::agents::{Calls, Gateway};
use crate::alerts::{self, Alerts};
use crate::assistants::Assistants;
use crate::backup::Scheduled;
use crate::checks::Running as Watched;
use crate::config::{Config, FlowConfig, SalesforceConfig, Secret, SecretSource};
use crate::connections::{Connection, Connections, Standing};
use crate::console::salesforce::Reporter;
use crate::console::tls::Certificate;
use crate::console::{self, Console, Live, Origin, Patience, SignOn};
use crate::ending::guarded;
use crate::engine::first_load::Loads;
use crate::engine::fit::Schemas;
use crate::engine::{Engine, Flow, FlowStatus, Running, haste_of};
use crate::mcp;
use crate::reconcile::{Scheduled as Reconciling, UnderWay};
use crate::releases::{Release, Releases, short};
use crate::sandbox::{Cache, Compiler, Description, Runtime};
use crate::service::{Manager, Pulse, Starting};
use crate::sources::b1::{self, poll::Poller, webhook::B1Webhook};
use crate::sources::outbox::Outbox;
use crate::sources::pubsub::Subscription;
use crate::sources::sweep::{Asks, Night, Reader};
use crate::sources::timers::{self, FlowTimer, Timers};
use crate::sources::webhook::{self, Caller, Webhook};
use crate::sources::{Route, Routes, allocations};
use crate::store::{Access, Among, Inbox, Lost, Seat, Store, StoreError, StoreTrouble};
use crate::telemetry::{self, Counted};

/// Everything but what runs by itself.
pub struct Parts {
    /// `tandem.toml`
    pub config: Arc<Config>,
    /// Durable state.
    pub store: Arc<dyn Store>,
    /// What flows run, and the sandbox they run in: see [`Parts::releases`].
    releases: OnceCell<Arc<Releases>>,
}

impl Parts {
    /// Opens what a command needs.
    pub async fn open(config_path: &Path, access: Access) -> Result<Self> {
        let config = Arc::new(Config::load(config_path)?);
        Self::of(config, access).await
    }

    /// With a configuration read already.
    pub async fn of(config: Arc<Config>, access: Access) -> Result<Self> {
        let store = database::open(&config, access).await?;
        Ok(Self { config, store, releases: OnceCell::new() })
    }

    /// What flows run. The first who asks starts the sandbox: who only looks at events needs none of its memory.
    pub async fn releases(&self) -> Result<&Arc<Releases>> {
        let start = async || {
            let secret = self.store.secret("compiled-plugins").await?;
            let path = self.config.resolve(&self.config.store.path);
            let folder = path.parent().map(|parent| parent.join("compiled")).unwrap_or_else(|| "compiled".into());
            let runtime = Runtime::new(Cache::new(folder, &secret), Compiler::apart());
            let runtime = runtime.map_err(|e| anyhow::anyhow!("the sandbox cannot start: {e:#}"))?;
            Ok(Arc::new(Releases::new(&self.config, self.store.clone(), Arc::new(runtime))))
        };
        self.releases.get_or_try_init(start).await
    }

    /// A flow under the release that is live; before its first, under what its files say.
    pub async fn flow(&self, name: &str, connections: &Connections) -> Result<Flow> {
        let releases = self.releases().await?;
        let release = releases.live_or_files(name, &self.config).await?;
        Ok(Flow::bind(name, release, &self.config, connections, releases).await?)
    }

    /// Whether a release of the flow is live.
    pub async fn is_live(&self, name: &str) -> Result<bool> {
        Ok(!self.store.activations(name, 1).await?.is_empty())
    }

    /// A flow under what its files say now, be it live or not; where it is not, the person is told.
    pub async fn flow_of_files(&self, name: &str, connections: &Connections) -> Result<Flow> {
        let releases = self.releases().await?;
        let release = releases.of_files(name, &self.config).await?.release;
        self.tell_if_not_live(name, &release).await?;
        Ok(Flow::bind(name, release, &self.config, connections, releases).await?)
    }

    /// Says where a flow runs something else than its files say: after a rollback, or while what they say waits.
    pub async fn tell_if_not_live(&self, flow: &str, release: &Release) -> Result<()> {
        let live = self.releases().await?.live(flow).await?;
        if let Some(live) = live.filter(|live| live.release != release.digest) {
            let (runs, files) = (short(&live.release), release.short());
            complain(format_args!(
                "these are the files of {flow} (release {files}), and it runs release {runs} ({}): `tandem release list {flow}` says why",
                live.why
            ));
        }
        Ok(())
    }

    /// A flow to look for among events: configured, or one that was.
    pub async fn known_flow(&self, name: Option<&str>) -> Result<()> {
        let Some(name) = name else { return Ok(()) };
        let counts = self.store.counts().await?;
        let mut known: Vec<&str> = self.config.flows.keys().map(String::as_str).collect();
        known.extend(counts.iter().map(|count| count.flow.as_str()));
        known.sort_unstable();
        known.dedup();
        if known.contains(&name) { Ok(()) } else { Err(Failure::unknown("flow", name, known).into()) }
    }

    /// The connections; nothing is sent.
    pub fn connect(&self) -> Result<Arc<Connections>> {
        Ok(Arc::new(crate::connections::connect(&self.config)?))
    }
}

/// What all rooms of a running host share.
struct Host {
    config: Arc<Config>,
    connections: Arc<Connections>,
    engine: Arc<Engine>,
    inbox: Arc<Inbox>,
    /// Its place among other hosts on this store.
    among: watch::Receiver<Among>,
    routes: Routes,
    /// Turns true when these parts end.
    stop: watch::Receiver<bool>,
    /// Turns true when the whole host ends.
    over: watch::Receiver<bool>,
    /// What runs by itself until the host stops.
    tasks: JoinSet<()>,
    /// The console, the webhooks and alerts: what was asked there before the end is answered, what is being told is told.
    doors: JoinSet<()>,
    /// Turns true when the last run has ended.
    ended: watch::Sender<bool>,
    /// Tells a collector what there still is to tell then.
    telling: Option<tokio::task::JoinHandle<()>>,
    /// What says good-bye to the org when everything else has ended.
    reporters: JoinSet<()>,
}

/// How long what was asked over HTTP may take still when these parts end.
const ANSWERS: Duration = Duration::from_secs(5);

/// The same where the process goes on: longer than any call of a tool takes.
const LONG_ANSWERS: Duration = Duration::from_secs(35);

/// Between two times that the log says where the audit trail ends.
const TELL_HEAD: Duration = Duration::from_secs(24 * 3_600);

/// Between two looks whether the database still lies where it was opened.
const LOOK: Duration = Duration::from_secs(1);

/// What the host is made of as long as `tandem.toml` says the same: all that may be refused, so that what was made ready can be started.
struct Setup {
    config: Arc<Config>,
    connections: Arc<Connections>,
    releases: Arc<Releases>,
    /// Among other hosts.
    seat: Seat,
    door: Arc<Door>,
    keys: Keys,
    /// What it shows to who connects, where it speaks TLS.
    certificate: Option<Arc<Certificate>>,
    /// When each org is swept, where it is.
    sweeps: BTreeMap<String, FlowTimer>,
}

impl Setup {
    /// `door`: the one that is open already, where there is one.
    async fn of(
        config: Arc<Config>,
        connections: Arc<Connections>,
        releases: Arc<Releases>,
        seat: Seat,
        door: Option<Arc<Door>>,
    ) -> Result<Self> {
        let keys = Keys::read(&config)?;
        let certificate =
            Certificate::of(&config).with_context(|| config.place(&["host", "tls"]).trim_end().to_owned())?;
        // Made anew with its parts; what they need is there, or the file is not taken.
        sign_on(&config)?;
        telemetry_of(&config)?;
        for connection in connections.values() {
            connection.take_over();
            connection.held_by(&seat);
        }
        let mut sweeps = BTreeMap::new();
        for (name, org) in &config.salesforce {
            sweeps.extend(sweep_timer(&config, name, org)?.map(|timer| (name.clone(), timer)));
        }
        let door = match door {
            Some(door) => door,
            None => Arc::new(Door::open(&config).await?),
        };
        Ok(Self { config, connections, releases, seat, door, keys, certificate, sweeps })
    }
}

/// What callers of webhooks sign with, by connection.
#[derive(Clone, Default)]
struct Keys {
    salesforce: BTreeMap<String, Secret>,
    b1: BTreeMap<String, Secret>,
}

impl Keys {
    fn read(config: &Config) -> Result<Self> {
        let read = |kind: &str, name: &str, key: &SecretSource| {
            let place = config.place(&[kind, name, "webhook_key"]);
            key.read(&config.base).with_context(|| format!("{place}[{kind}.{name}] webhook_key"))
        };
        let mut keys = Self::default();
        for (name, org) in &config.salesforce {
            let Some(key) = &org.webhook_key else { continue };
            keys.salesforce.insert(name.clone(), read("salesforce", name, key)?);
        }
        for (name, b1) in &config.b1 {
            let (Some(_), Some(key)) = (&b1.webhook_url, &b1.webhook_key) else { continue };
            keys.b1.insert(name.clone(), read("b1", name, key)?);
        }
        Ok(keys)
    }
}

/// Runs until `stop` turns true, then finishes what is under way. The same where the store is gone, which is an error. Where `tandem.toml` is
/// changed, all parts are taken down and made anew, within the process: store, sandbox, connections that stay the same, and the door stay open.
/// `starting` is dropped once the host is up.
pub async fn serve(
    parts: Parts,
    connections: Arc<Connections>,
    asked: watch::Receiver<bool>,
    mut starting: Option<Starting>,
) -> Result<()> {
    let releases = parts.releases().await?.clone();
    let Parts { config, store, .. } = parts;
    let metrics = Counted::begin().context("what is counted")?;
    let loads = Arc::new(Loads::new(store.clone()));
    let calls: Arc<Calls> = Arc::default();
    let mut setup = Setup::of(config, connections, releases, Seat::at(store.as_ref()), None).await?;
    let (stopping, mut over) = watch::channel(false);
    let watching = tokio::spawn(guarded("watch of the store", until_over(asked, store.clone(), stopping)));
    let mut known = reload::Known::of(&setup.config);
    let manager = Manager::of_process();
    let pulse = Arc::new(Pulse::new(manager, store.clone()));
    let signs = tokio::spawn(guarded("signs of life", pulse.clone().run()));
    let head = tokio::spawn(guarded("head of the audit trail", tell_head(store.clone())));
    let (mut before, mut refused): (Option<Setup>, Option<String>) = (None, None);
    loop {
        let (halt, stop) = watch::channel(false);
        let start =
            Host::start(&setup, store.clone(), loads.clone(), calls.clone(), metrics.clone(), stop, over.clone());
        let started = tokio::select! {
            started = start => started,
            // Plugins that are compiled first, at a first start or after an upgrade, hold up no stop.
            _ = over.wait_for(|over| *over) => break,
        };
        let host = match started {
            Ok(host) => host,
            Err(error) => {
                let Some(old) = before.take() else { return Err(error) };
                refused = Some(format!("{error:#}"));
                setup = old;
                continue;
            }
        };
        // With it goes the door that it had, where that is another one.
        drop(before.take());
        let engine = host.engine.clone();
        engine.set_refused(reload::FILE, refused.take().as_deref());
        pulse.of(engine.clone());
        store.take_turns();
        tracing::info!(listen = %setup.config.host.listen, flows = setup.config.flows.len(), "tandem is up");
        drop(starting.take());
        manager.ready(&format!("running, console at {}", setup.config.console_address()));
        let mut running = tokio::spawn(host.run(over.clone()));
        let changed = tokio::select! {
            _ = over.wait_for(|over| *over) => None,
            changed = known.changed(&setup, &engine) => Some(changed),
            // A part panicked, which ends the process; or there is nothing more to do.
            _ = &mut running => None,
        };
        halt.send_replace(true);
        if changed.is_none() {
            manager.stopping();
        }
        if !running.is_finished() {
            let _ = running.await;
        }
        let Some(new) = changed else { break };
        log_out(&setup.connections, Some(&new.connections)).await;
        before = Some(std::mem::replace(&mut setup, new));
    }
    log_out(&setup.connections, None).await;
    signs.abort();
    head.abort();
    // A server that is away finds out by itself, and so do the other hosts.
    let _ = tokio::time::timeout(ANSWERS, store.leave()).await;
    if let Ok(Some(gone)) = watching.await {
        // To close it would take the log away from the database that may lie there now.
        std::mem::forget(store);
        return Err(gone.into());
    }
    tracing::info!("tandem stopped");
    Ok(())
}

/// The end of the audit trail in the log, which often goes to another machine: there it shows later whether the trail was cut off.
async fn tell_head(store: Arc<dyn Store>) {
    loop {
        match store.trail_head().await {
            Ok(Some(own)) => tracing::info!(line = own.line, head = own.head, "the audit trail's end"),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "the audit trail's end cannot be read"),
        }
        tokio::time::sleep(TELL_HEAD).await;
    }
}

/// Gives back the sessions of connections that are used no more.
async fn log_out(connections: &Connections, kept: Option<&Connections>) {
    for (name, connection) in connections {
        let stays = kept.and_then(|kept| kept.get(name)).is_some_and(|kept| Arc::ptr_eq(kept, connection));
        if let (Connection::B1(b1), false) = (connection.as_ref(), stays) {
            b1.log_out().await;
        }
    }
}

/// The company's provider, where people sign in there.
fn sign_on(config: &Config) -> Result<Option<SignOn>> {
    let place = || config.place(&["console", "oidc"]);
    SignOn::of(config).map_err(|why| anyhow::anyhow!("{}[console.oidc] {why}", place()))
}

/// What tells a collector, where there is one.
fn telemetry_of(config: &Config) -> Result<Option<(telemetry::Traces, telemetry::Exporter)>> {
    let place = || config.place(&["telemetry"]);
    telemetry::of(config).map_err(|why| anyhow::anyhow!("{}[telemetry] {why}", place()))
}

/// Where the console and the webhooks listen: it stays open while the parts behind it are made anew, and who comes meanwhile waits.
struct Door(std::net::TcpListener);

impl Door {
    async fn open(config: &Config) -> Result<Self> {
        let listener = tokio::net::TcpListener::bind(config.host.listen).await.with_context(|| {
            format!("{}[host] listen: cannot listen on {}", config.place(&["host", "listen"]), config.host.listen)
        })?;
        Ok(Self(listener.into_std()?))
    }

    fn listener(&self) -> std::io::Result<tokio::net::TcpListener> {
        tokio::net::TcpListener::from_std(self.0.try_clone()?)
    }
}

/// Until the host is asked to stop, or its store is gone; then it stops.
async fn until_over(
    mut asked: watch::Receiver<bool>,
    store: Arc<dyn Store>,
    stopping: watch::Sender<bool>,
) -> Option<StoreError> {
    let looks = async || {
        tokio::time::sleep(LOOK).await;
        store.trouble().await
    };
    let gone = loop {
        let trouble = tokio::select! {
            // One that cannot ask any more asks for nothing else.
            _ = asked.wait_for(|stop| *stop) => break None,
            trouble = looks() => trouble,
        };
        let gone = match trouble {
            Some(StoreTrouble::Gone(path)) => StoreError::Gone(path),
            // Nothing that is under way can be finished, and others do it: there is nothing to wait for.
            Some(StoreTrouble::Lost) => {
                tracing::error!("{Lost}; the process ends, to be started again");
                crate::ending::exit(super::failure::FAILED.into())
            }
            Some(StoreTrouble::TakesNoWrites) | None => continue,
        };
        tracing::error!(%gone, "the host stops");
        break Some(gone);
    };
    stopping.send_replace(true);
    gone
}

/// Subscriptions and looks, each with its name and how it stands.
type Sources = Vec<(String, watch::Receiver<Standing>)>;
/// Who may call, by connection.
type Callers = BTreeMap<String, Caller>;

impl Host {
    /// Makes all parts and starts them, but the engine.
    async fn start(
        setup: &Setup,
        store: Arc<dyn Store>,
        loads: Arc<Loads>,
        calls: Arc<Calls>,
        metrics: Counted,
        stop: watch::Receiver<bool>,
        over: watch::Receiver<bool>,
    ) -> Result<Self> {
        let Setup { config, connections, releases, door, keys, certificate, sweeps, .. } = setup;
        let inbox = Arc::new(Inbox::new(store.clone(), config.flows.keys().cloned()));
        let (traces, exporter) = telemetry_of(config)?.unzip();
        let engine = Engine::new(config.clone(), inbox.clone(), connections.clone(), releases.clone()).traced(traces);
        let engine = Arc::new(engine);
        engine.settle().await;
        let running = engine.running().borrow().clone();
        let (routes, timers) = (Routes::new(routes(config, &running)), timers_of(config, &running));
        let mut host = Self {
            config: config.clone(),
            connections: connections.clone(),
            engine,
            inbox,
            among: store.among(),
            routes,
            stop,
            over,
            tasks: JoinSet::new(),
            doors: JoinSet::new(),
            ended: watch::Sender::new(false),
            telling: None,
            reporters: JoinSet::new(),
        };
        let (mut sources, callers) = host.salesforce(&keys.salesforce, sweeps);
        sources.extend(host.b1(&keys.b1));
        let timers = host.timers(timers);
        let alerts = host.alerts(store.clone(), sources.clone());
        let origin = Arc::new(Origin::new(config.host.listen, &config.console, certificate.is_some()));
        let live = Arc::new(Live::new(host.stop.clone()));
        let takes_passwords = config.console.password;
        let access = console::Access::new(store.clone(), origin.is_over_tls(), takes_passwords, sign_on(config)?);
        let (engine, own) = (host.engine.clone(), host.connections.clone());
        let under_way = UnderWay::new(config.clone(), engine, own, store.clone());
        let console = Arc::new(Console {
            engine: host.engine.clone(),
            access: Arc::new(access),
            store,
            connections: host.connections.clone(),
            sources,
            timers,
            alerts,
            metrics,
            live,
            jobs: Arc::default(),
            news: Arc::default(),
            comparisons: Arc::default(),
            under_way: Arc::new(under_way),
            loads,
            schemas: Schemas::default(),
            origin,
        });
        let going_on = console.loads.clone().run(host.engine.clone(), host.connections.clone(), host.stop.clone());
        host.once("first loads", going_on);
        host.tasks.spawn(guarded("live view", Live::run(console.clone())));
        if let Some(exporter) = exporter {
            let shown = console.clone();
            let figures = move || {
                let shown = shown.clone();
                async move { console::health::figures(&shown).await }
            };
            // What the last runs did is told, too.
            let (began, ended) = (console.metrics.began(), host.ended.subscribe());
            host.telling = Some(tokio::spawn(guarded("telemetry", exporter.run(figures, began, ended))));
        }
        if let Some(backups) = Scheduled::of(config.clone(), console.store.clone()) {
            host.once("backups", backups.run(host.stop.clone()));
        }
        let (under_way, own) = (console.under_way.clone(), console.store.clone());
        if let Some(reconciling) = Reconciling::of(config.clone(), under_way, own) {
            host.once("comparison of both sides", reconciling.run(host.stop.clone()));
        }
        let (routes, inbox) = (host.routes.clone(), host.inbox.clone());
        let engine = host.engine.clone();
        let flows = Box::new(move || engine.flows());
        let gateway = Arc::new(Gateway::new(
            config.clone(),
            host.connections.clone(),
            flows,
            releases.clone(),
            inbox.clone(),
            calls,
        ));
        let assistants = Assistants::of(config, &gateway, &inbox);
        let engine = host.engine.clone();
        let ready = move || engine.status().values().all(|own| *own != FlowStatus::Starting);
        host.once("agents", assistants.run(ready, host.stop.clone()));
        let programs = config.agents.mcp.then(|| console::for_programs(mcp::router(gateway), mcp::PATH, &console));
        let router = console::router(console)
            .merge(programs.unwrap_or_else(|| console::without_programs(mcp::PATH)))
            .merge(b1::webhook::router(B1Webhook {
                keys: keys.b1.clone(),
                routes: routes.clone(),
                inbox: inbox.clone(),
            }))
            .merge(webhook::router(Webhook { callers, routes, inbox }));
        if let Some(certificate) = certificate {
            host.tasks.spawn(guarded("the host's certificate", certificate.clone().watch(host.stop.clone())));
        }
        host.listen(door.listener()?, certificate.as_ref().map(Certificate::server), router);
        Ok(host)
    }

    /// Begins what one host does for all, once it is this one.
    fn once(&mut self, what: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let in_turn = in_turn(self.among.clone(), self.stop.clone(), task);
        self.tasks.spawn(guarded(what, in_turn));
    }

    /// The same of a source: while another host has it, it says so.
    fn once_watched(
        &mut self,
        what: &'static str,
        standing: watch::Sender<Standing>,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let elsewhere = (self.among.clone(), standing.clone());
        let tells = async move {
            let (mut among, standing) = elsewhere;
            // Until this host has asked whose turn it is, nothing is known.
            if among.wait_for(|among| among.asked && !among.turn).await.is_ok() {
                standing.send_replace(Standing::Elsewhere);
            }
        };
        let begins = async move {
            standing.send_replace(Standing::Down);
            task.await;
        };
        let begins = in_turn(self.among.clone(), self.stop.clone(), begins);
        self.tasks.spawn(guarded(what, async move {
            tokio::pin!(begins);
            tokio::select! {
                biased;
                () = &mut begins => return,
                () = tells => {}
            }
            begins.await;
        }));
    }

    /// The streams of each org, and what the org is told of the host.
    fn salesforce(
        &mut self,
        keys: &BTreeMap<String, Secret>,
        sweeps: &BTreeMap<String, FlowTimer>,
    ) -> (Sources, Callers) {
        let mut sources = Vec::new();
        let mut callers = BTreeMap::new();
        let config = self.config.clone();
        for (name, org) in &config.salesforce {
            let Some(connection) = self.connections.get(name).cloned() else { continue };
            let answered = Arc::new(Notify::new());
            if let Some(mut heard) = self.inbox.store().heard() {
                let (told, own) = (webhook::answered(name), answered.clone());
                let hears = async move {
                    loop {
                        match heard.recv().await {
                            Ok(flows) if !flows.contains(&told) => {}
                            // Of those that were missed one may have said it.
                            Ok(_) | Err(RecvError::Lagged(_)) => own.notify_one(),
                            Err(RecvError::Closed) => return,
                        }
                    }
                };
                self.tasks.spawn(guarded("answers that other hosts heard of", hears));
            }
            let asks = Asks::new(name, self.inbox.clone());
            let reader = Reader {
                name: name.clone(),
                connection: connection.clone(),
                routes: self.routes.clone(),
                inbox: self.inbox.clone(),
                answered: answered.clone(),
            };
            if let Some(timer) = sweeps.get(name) {
                let night = Night { reader: reader.clone(), timer: timer.clone(), most_calls: org.sweep_calls };
                self.once("sweep", night.run(self.stop.clone()));
            }
            self.once("look at what changed", asks.clone().run(reader, self.stop.clone()));
            let first = sources.len();
            for topic in &org.topics {
                let (standing, watched) = watch::channel(Standing::Down);
                sources.push((format!("{name} {topic}"), watched));
                let subscription = Subscription {
                    name: name.clone(),
                    connection: connection.clone(),
                    config: org.clone(),
                    topic: topic.clone(),
                    routes: self.routes.clone(),
                    inbox: self.inbox.clone(),
                    standing,
                    patience: Duration::from_secs(if org.outbox_seconds > 0 { org.outbox_seconds } else { 300 }),
                    answered: answered.clone(),
                    asks: asks.clone(),
                };
                let stands = subscription.standing.clone();
                self.once_watched("event stream", stands, subscription.run(self.stop.clone()));
            }
            let usage = allocations::watch(name.clone(), connection.clone(), self.stop.clone());
            self.tasks.spawn(guarded("allocations of the org", usage));
            if org.outbox_seconds > 0 {
                let outbox = Outbox {
                    name: name.clone(),
                    connection: connection.clone(),
                    routes: self.routes.clone(),
                    inbox: self.inbox.clone(),
                    answered: answered.clone(),
                    every: Duration::from_secs(org.outbox_seconds),
                };
                self.once("outbox of the org", outbox.run(self.stop.clone()));
            }
            if org.report_seconds > 0 {
                let own: BTreeMap<_, _> = self
                    .config
                    .flows
                    .iter()
                    .filter(|(_, flow)| flow.connections.values().any(|to| to == name))
                    .collect();
                let bound: BTreeSet<&String> = own.values().flat_map(|flow| flow.connections.values()).collect();
                let reporter = Reporter {
                    name: name.clone(),
                    connection: connection.clone(),
                    flows: own.keys().map(|flow| (*flow).clone()).collect(),
                    bound: bound.into_iter().filter_map(|bound| self.connections.get(bound).cloned()).collect(),
                    sources: sources[first..].to_vec(),
                    engine: self.engine.clone(),
                    inbox: self.inbox.clone(),
                    answered: answered.clone(),
                    every: Duration::from_secs(org.report_seconds),
                };
                let report = in_turn(self.among.clone(), self.over.clone(), reporter.run(self.over.clone()));
                self.reporters.spawn(guarded("report to the org", report));
            }
            if let Some(key) = keys.get(name) {
                callers.insert(name.clone(), Caller { key: key.clone(), answered });
            }
        }
        (sources, callers)
    }

    /// What watches each company.
    fn b1(&mut self, keys: &BTreeMap<String, Secret>) -> Sources {
        let mut sources = Sources::new();
        let config = self.config.clone();
        for (name, b1) in &config.b1 {
            let Some(connection) = self.connections.get(name).cloned() else { continue };
            if let (Some(url), Some(key)) = (&b1.webhook_url, keys.get(name)) {
                let subscribed = b1::webhook::keep_subscribed(
                    name.clone(),
                    connection.clone(),
                    url.clone(),
                    key.clone(),
                    self.routes.clone(),
                    self.inbox.clone(),
                    self.stop.clone(),
                );
                self.once("subscription to B1's webhooks", subscribed);
            }
            let (standing, watched) = watch::channel(Standing::Down);
            sources.push((format!("{name} looks"), watched));
            let poller = Poller {
                name: name.clone(),
                connection: connection.clone(),
                config: b1.clone(),
                routes: self.routes.clone(),
                inbox: self.inbox.clone(),
                standing,
            };
            let stands = poller.standing.clone();
            self.once_watched("watch of B1", stands, poller.run(self.stop.clone()));
        }
        sources
    }

    /// The flows' timers; and topics and timers of a plugin that is taken up while the host runs.
    fn timers(&mut self, timers: Timers) -> watch::Receiver<Timers> {
        let (known, told) = watch::channel(timers);
        let shown = told.clone();
        self.once("timers", timers::run(told, self.inbox.clone(), self.stop.clone()));
        let (config, routes, mut running) = (self.config.clone(), self.routes.clone(), self.engine.running());
        let taken_up = async move {
            while running.changed().await.is_ok() {
                let plugins = running.borrow_and_update().clone();
                for (flow, plugin) in &plugins {
                    let (Some(own), description) = (config.flows.get(flow), &plugin.description) else { continue };
                    routes.take(flow, &description.topics, haste_of(own, Some(description)));
                    known.send_modify(|timers| {
                        timers.insert(flow.clone(), flow_timers(flow, own, description));
                    });
                }
            }
        };
        self.tasks.spawn(guarded("plugins taken up", taken_up));
        shown
    }

    /// What tells people, and how it goes.
    fn alerts(&mut self, store: Arc<dyn Store>, sources: Sources) -> watch::Receiver<alerts::Status> {
        let (status, told) = watch::channel(alerts::Status::default());
        let (config, engine) = (self.config.clone(), self.engine.clone());
        let signs = Arc::new(Watched::new(config.clone(), engine, self.connections.clone(), store.clone(), sources));
        let telling = Alerts::new(config, store, signs, status).run(self.stop.clone());
        let telling = in_turn(self.among.clone(), self.stop.clone(), telling);
        // A message that is being sent when these parts end is sent.
        self.doors.spawn(guarded("alerts", telling));
        told
    }

    fn listen(
        &mut self,
        listener: tokio::net::TcpListener,
        tls: Option<Arc<rustls::ServerConfig>>,
        router: axum::Router,
    ) {
        let served = console::serve(listener, tls, router, Patience::default(), self.stop.clone());
        self.doors.spawn(guarded("console", served));
    }

    /// Until `stop` turns true and what was under way has ended.
    async fn run(mut self, over: watch::Receiver<bool>) {
        let patience = Duration::from_secs(self.config.host.stop_seconds);
        self.engine.run(self.stop, over.clone(), patience).await;
        self.ended.send_replace(true);
        let mut doors = self.doors;
        // Nobody is answered here who asks when the next host is up.
        let _ = tokio::time::timeout(ANSWERS, async { while doors.join_next().await.is_some() {} }).await;
        if *over.borrow() {
            doors.shutdown().await;
        } else {
            // What is on its way still is answered beside that one, and no more is taken.
            tokio::spawn(guarded("answers of before", async move {
                let _ = tokio::time::timeout(LONG_ANSWERS, async { while doors.join_next().await.is_some() {} }).await;
                doors.shutdown().await;
            }));
        }
        self.tasks.shutdown().await;
        // Where another host follows in this process nobody waits for the collector.
        if let Some(telling) = self.telling.filter(|_| *over.borrow()) {
            let _ = tokio::time::timeout(ANSWERS, telling).await;
        }
        if *over.borrow() {
            // They tell the org that the host stops.
            while self.reporters.join_next().await.is_some() {}
        }
        self.reporters.shutdown().await;
    }
}

/// Waits until it is this host that does what one does for all, and does it.
async fn in_turn(mut among: watch::Receiver<Among>, mut stop: watch::Receiver<bool>, task: impl Future<Output = ()>) {
    tokio::select! {
        turn = among.wait_for(|among| among.turn) => if turn.is_err() { return },
        _ = stop.wait_for(|stop| *stop) => return,
    }
    task.await;
}

/// When an org is swept, if it is.
fn sweep_timer(config: &Config, name: &str, org: &SalesforceConfig) -> Result<Option<FlowTimer>> {
    let Some(cron) = org.sweep_cron() else { return Ok(None) };
    let place = config.place(&["salesforce", name, "sweep"]);
    let timer = FlowTimer::parse(name, "sweep", &cron, &org.time_zone);
    timer.map(Some).map_err(|why| anyhow::anyhow!("{place}[salesforce.{name}] sweep: {why}"))
}

fn routes(config: &Config, running: &Running) -> Vec<Route> {
    let mut routes = Vec::new();
    for (name, flow) in &config.flows {
        let plugin = running.get(name);
        let haste = haste_of(flow, plugin.map(|plugin| &plugin.description));
        let topics = plugin.map(|plugin| plugin.description.topics.clone());
        routes.push(Route {
            flow: name.clone(),
            connections: flow.connections.values().cloned().collect(),
            topics,
            haste,
        });
    }
    routes
}

fn timers_of(config: &Config, running: &Running) -> Timers {
    let mut timers = Timers::new();
    for (name, flow) in &config.flows {
        let Some(plugin) = running.get(name) else { continue };
        timers.insert(name.clone(), flow_timers(name, flow, &plugin.description));
    }
    timers
}

/// What cannot be used is told in the log, and left out.
fn flow_timers(name: &str, flow: &FlowConfig, description: &Description) -> Vec<FlowTimer> {
    let parsed = description.timers.iter().map(|timer| {
        FlowTimer::parse(name, &timer.name, &timer.cron, &flow.time_zone)
            .inspect_err(|why| tracing::error!(flow = name, timer = timer.name, why, "the timer cannot be used"))
    });
    parsed.filter_map(Result::ok).collect()
}
