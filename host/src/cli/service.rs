//! Brings the rooms together: opens the store, connects, starts the sandbox, and runs engine, sources and console.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::config::Config;
use crate::connections::{Connection, Connections};
use crate::console::salesforce::Reporter;
use crate::console::{self, Console};
use crate::engine::{Engine, Plugins};
use crate::sandbox::{Cache, Runtime};
use crate::sources::Route;
use crate::sources::b1::{self, poll::Poller, webhook::B1Webhook};
use crate::sources::pubsub::Subscription;
use crate::sources::timers::{self, FlowTimer};
use crate::sources::webhook::{self, Webhook};
use crate::store::sqlite::{Access, SqliteStore};
use crate::store::{Inbox, Store};

/// Everything but what runs by itself.
pub struct Parts {
    /// `tandem.toml`
    pub config: Arc<Config>,
    /// Durable state.
    pub store: Arc<dyn Store>,
    /// The sandbox.
    pub runtime: Arc<Runtime>,
    /// The plugins folder and archive.
    pub plugins: Plugins,
}

impl Parts {
    /// Opens what a command needs.
    pub async fn open(config_path: &Path, access: Access) -> Result<Self> {
        let config = Arc::new(Config::load(config_path)?);
        Self::of(config, access).await
    }

    /// With a configuration read already.
    pub async fn of(config: Arc<Config>, access: Access) -> Result<Self> {
        let path = config.resolve(&config.store.path);
        let store: Arc<dyn Store> =
            Arc::new(SqliteStore::open(&path, access).with_context(|| format!("{}", path.display()))?);
        let secret = store.secret("compiled-plugins").await?;
        let folder = path.parent().map(|parent| parent.join("compiled")).unwrap_or_else(|| "compiled".into());
        let runtime = Arc::new(
            Runtime::new(Cache::new(folder, &secret))
                .map_err(|e| anyhow::anyhow!("the sandbox cannot start: {e:#}"))?,
        );
        let plugins = Plugins::new(&config);
        Ok(Self { config, store, runtime, plugins })
    }

    /// The connections; nothing is sent.
    pub fn connect(&self) -> Result<Arc<Connections>> {
        Ok(Arc::new(crate::connections::connect(&self.config)?))
    }
}

/// Runs until `stop` turns true, then finishes what is under way.
pub async fn serve(parts: Parts, connections: Arc<Connections>, stop: watch::Receiver<bool>) -> Result<()> {
    let Parts { config, store, runtime, plugins } = parts;
    let metrics = install_metrics();
    let listener = tokio::net::TcpListener::bind(config.host.listen)
        .await
        .with_context(|| format!("[host] listen: cannot listen on {}", config.host.listen))?;
    let inbox = Arc::new(Inbox::new(store.clone(), config.flows.keys().cloned()));
    let routes = routes(&config, &plugins, &runtime).await;
    let flow_timers = flow_timers(&config, &plugins, &runtime).await;
    let engine = Arc::new(Engine::new(config.clone(), inbox.clone(), runtime, connections.clone(), plugins));

    let mut tasks = JoinSet::new();
    let mut reporters = JoinSet::new();
    let mut sources = Vec::new();
    let mut keys = std::collections::BTreeMap::new();
    for (name, org) in &config.salesforce {
        let Some(connection) = connections.get(name) else { continue };
        let answered = Arc::new(Notify::new());
        let first = sources.len();
        for topic in &org.topics {
            let (up, watched) = watch::channel(false);
            sources.push((format!("{name} {topic}"), watched));
            let subscription = Subscription {
                name: name.clone(),
                connection: connection.clone(),
                config: org.clone(),
                topic: topic.clone(),
                routes: routes.clone(),
                inbox: inbox.clone(),
                up,
                answered: answered.clone(),
            };
            tasks.spawn(subscription.run(stop.clone()));
        }
        if org.report_seconds > 0 {
            let own = config.flows.iter().filter(|(_, flow)| flow.connections.values().any(|bound| bound == name));
            let own: std::collections::BTreeMap<_, _> = own.collect();
            let bound: std::collections::BTreeSet<&String> =
                own.values().flat_map(|flow| flow.connections.values()).collect();
            let reporter = Reporter {
                name: name.clone(),
                connection: connection.clone(),
                flows: own.keys().map(|flow| (*flow).clone()).collect(),
                bound: bound.into_iter().filter_map(|bound| connections.get(bound).cloned()).collect(),
                sources: sources[first..].to_vec(),
                engine: engine.clone(),
                inbox: inbox.clone(),
                answered,
                every: Duration::from_secs(org.report_seconds),
            };
            reporters.spawn(reporter.run(stop.clone()));
        }
        if let Some(key) = &org.webhook_key {
            keys.insert(
                name.clone(),
                key.read(&config.base).with_context(|| format!("[salesforce.{name}] webhook_key"))?,
            );
        }
    }
    let mut b1_keys = std::collections::BTreeMap::new();
    for (name, b1) in &config.b1 {
        let Some(connection) = connections.get(name) else { continue };
        let bound = routes.iter().filter(|route| route.connections.contains(name));
        let topics: Vec<&String> = bound.flat_map(|route| route.topics.iter().flatten()).collect();
        let watches = b1::watched(topics.iter().map(|topic| topic.as_str()));
        if let (Some(url), Some(key)) = (&b1.webhook_url, &b1.webhook_key) {
            let key = key.read(&config.base).with_context(|| format!("[b1.{name}] webhook_key"))?;
            b1_keys.insert(name.clone(), key.clone());
            tasks.spawn(b1::webhook::keep_subscribed(
                name.clone(),
                connection.clone(),
                url.clone(),
                key,
                watches.clone(),
                inbox.clone(),
                stop.clone(),
            ));
        }
        let poller = Poller {
            name: name.clone(),
            connection: connection.clone(),
            config: b1.clone(),
            watches,
            routes: routes.clone(),
            inbox: inbox.clone(),
        };
        tasks.spawn(poller.run(stop.clone()));
    }
    tasks.spawn(timers::run(flow_timers, inbox.clone(), stop.clone()));
    let console = Console { engine: engine.clone(), store, connections: connections.clone(), sources, metrics };
    let b1_webhook = B1Webhook { keys: b1_keys, routes: routes.clone(), inbox: inbox.clone() };
    let router = console::router(console).merge(b1::webhook::router(b1_webhook)).merge(webhook::router(Webhook {
        keys,
        routes,
        inbox,
    }));
    let mut stop_console = stop.clone();
    tasks.spawn(async move {
        let stopped = async move {
            let _ = stop_console.wait_for(|stop| *stop).await;
        };
        if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
            tracing::error!(%error, "the console stopped");
        }
    });
    tracing::info!(listen = %config.host.listen, flows = config.flows.len(), "tandem is up");
    engine.run(stop, Duration::from_secs(config.host.stop_seconds)).await;
    tasks.shutdown().await;
    // They tell the org that the host stops.
    while reporters.join_next().await.is_some() {}
    for connection in connections.values() {
        if let Connection::B1(b1) = connection.as_ref() {
            b1.log_out().await;
        }
    }
    tracing::info!("tandem stopped");
    Ok(())
}

fn install_metrics() -> PrometheusHandle {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    // A second host in one process (tests) keeps the first one's recorder.
    let _ = metrics::set_global_recorder(recorder);
    handle
}

async fn routes(config: &Config, plugins: &Plugins, runtime: &Runtime) -> Vec<Route> {
    let mut routes = Vec::new();
    for (name, flow) in &config.flows {
        let topics = plugins.load(runtime, &flow.plugin).await.ok().map(|plugin| plugin.description.topics.clone());
        routes.push(Route { flow: name.clone(), connections: flow.connections.values().cloned().collect(), topics });
    }
    routes
}

async fn flow_timers(config: &Config, plugins: &Plugins, runtime: &Runtime) -> Vec<FlowTimer> {
    let mut timers = Vec::new();
    for (name, flow) in &config.flows {
        let Ok(plugin) = plugins.load(runtime, &flow.plugin).await else { continue };
        for timer in &plugin.description.timers {
            match FlowTimer::parse(name, &timer.name, &timer.cron, &flow.time_zone) {
                Ok(timer) => timers.push(timer),
                Err(why) => tracing::error!(flow = name, timer = timer.name, why, "the timer cannot be used"),
            }
        }
    }
    timers
}
