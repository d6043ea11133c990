//! A flow made ready to run: a release of it, with connections by slot and all that its runs share.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::size::BatchSize;
use crate::config::{Config, FlowConfig};
use crate::connections::{Breaker, BreakerState, Connections};
use crate::releases::{Release, ReleaseError, Releases};
use crate::sandbox::{Bound, Description, Grants, Mapper, Taker};
use crate::store::Haste;

/// A flow made ready to run.
pub struct Flow {
    /// Its name.
    pub name: String,
    /// Its part of `tandem.toml`.
    pub config: FlowConfig,
    /// What it runs.
    pub release: Arc<Release>,
    /// What all its runs share.
    pub bound: Arc<Bound>,
    /// Holds it back when its runs fail one after the other.
    pub breaker: Breaker,
    /// How many events its runs bear.
    pub(super) size: BatchSize,
}

/// Events per run where neither operator nor plugin says.
const BATCH: u32 = 50;
/// Runs at once where neither says.
const CONCURRENCY: u32 = 2;

impl Flow {
    /// Events per run at most.
    pub fn batch(&self) -> u32 {
        let liked = self.release.plugin.description.batch;
        self.size.at_most(self.config.batch.unwrap_or(if liked == 0 { BATCH } else { liked }))
    }

    /// A connection of it is left alone after failures, or was and is not known to be back.
    pub fn is_cut_off(&self) -> bool {
        self.bound.slots.values().any(|connection| connection.state() != BreakerState::Closed)
    }

    /// Runs at once, at most.
    pub fn concurrency(&self) -> u32 {
        let liked = self.release.plugin.description.concurrency;
        self.config.concurrency.unwrap_or(if liked == 0 { CONCURRENCY } else { liked })
    }
}

/// How soon the events of a flow are to run: one that runs one batch after the other gathers what comes within a second. A plugin
/// that cannot be loaded says nothing.
pub fn haste_of(flow: &FlowConfig, description: Option<&Description>) -> Haste {
    let liked = description.map_or(0, |description| description.concurrency);
    if flow.concurrency.unwrap_or(liked) == 1 { Haste::WithOthers } else { Haste::AtOnce }
}

/// Why a flow cannot run. The text names cause and mend.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// What it is to run.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// A slot without a connection, or with one of the wrong kind.
    #[error(
        "{place}[flows.{flow}] connections: the plugin needs `{slot}` bound to a {kind} connection; write `{slot} = \"<name>\"`, {known}"
    )]
    Slot {
        /// Where it stands, as [`Config::place`] says it.
        place: String,
        /// The connections of that kind, in words.
        known: String,
        /// The flow.
        flow: String,
        /// The plugin's slot.
        slot: String,
        /// `b1` or `salesforce`.
        kind: String,
    },
}

impl Flow {
    /// Makes a configured flow ready to run a release of it, whose code is all allowed.
    pub async fn bind(
        name: &str,
        release: Arc<Release>,
        config: &Config,
        connections: &Connections,
        releases: &Releases,
    ) -> Result<Self, BindError> {
        releases.consented(&release).await?;
        Self::for_rehearsal(name, release, config, connections, releases).await
    }

    /// The same for code that nobody has allowed yet: only to be rehearsed, where nothing of it goes out.
    pub async fn for_rehearsal(
        name: &str,
        release: Arc<Release>,
        config: &Config,
        connections: &Connections,
        releases: &Releases,
    ) -> Result<Self, BindError> {
        let flow = config.flow(name).map_err(|known| ReleaseError::NoFlow { flow: name.to_owned(), known })?.clone();
        let description = &release.plugin.description;
        let mut slots = BTreeMap::new();
        let mut named = BTreeMap::new();
        let mut zones = BTreeMap::new();
        for (slot, kind) in &description.slots {
            let connection = flow.connections.get(slot).and_then(|name| connections.get(name));
            match connection.filter(|connection| connection.kind() == kind) {
                Some(connection) => {
                    let connection_name = flow.connections.get(slot).cloned().unwrap_or_default();
                    let zone = config.b1.get(&connection_name).and_then(|b1| b1.time_zone.parse().ok());
                    zones.extend(zone.map(|zone| (slot.clone(), zone)));
                    named.insert(slot.clone(), connection_name);
                    slots.insert(slot.clone(), connection.clone())
                }
                None => {
                    return Err(BindError::Slot {
                        place: config.place(&["flows", name, "connections", slot]),
                        known: config.connections_for(kind),
                        flow: name.to_owned(),
                        slot: slot.clone(),
                        kind: kind.clone(),
                    });
                }
            };
        }
        let may = description.permissions.iter().chain(&description.unasked).cloned().collect();
        let own = release.mapper.clone().zip(release.manifest.mapper.as_ref());
        let mapper =
            own.map(|(code, own)| Mapper::new(releases.runtime(), code, flow.limits.clone()).of(name, &own.name));
        let bound = Bound {
            flow: name.to_owned(),
            grants: Grants::new(&description.name, may),
            slots,
            named,
            zones,
            scope: scope_of(&flow.connections, config),
            mapping: release.mapping.clone(),
            mapper: mapper.map(Arc::new),
            settings: release.manifest.settings.to_string(),
            limits: flow.limits.clone(),
            haste: haste_of(&flow, Some(description)),
            topics: takers(name, config, releases).await,
            store: releases.store().clone(),
        };
        let breaker = Breaker::new(&format!("flow {name}"));
        Ok(Self {
            name: name.to_owned(),
            config: flow,
            release,
            bound: Arc::new(bound),
            breaker,
            size: BatchSize::default(),
        })
    }
}

/// Flows between the same two connections as this one, by the topics their plugins take: what one company's flow emits
/// is no other company's business. A plugin that cannot be loaded now is left out.
pub async fn takers(flow: &str, config: &Config, releases: &Releases) -> BTreeMap<String, Vec<Taker>> {
    let scope = config.flows.get(flow).map(|own| scope_of(&own.connections, config));
    let mut topics: BTreeMap<String, Vec<Taker>> = BTreeMap::new();
    for (name, other) in &config.flows {
        if Some(scope_of(&other.connections, config)) != scope {
            continue;
        }
        if let Some(plugin) = releases.plugin_of(name, config).await {
            let taker = Taker { flow: name.clone(), haste: haste_of(other, Some(&plugin.description)) };
            for topic in &plugin.description.topics {
                topics.entry(topic.clone()).or_default().push(taker.clone());
            }
        }
    }
    topics
}

/// Links are shared by all flows between the same two connections: `<b1>|<salesforce>`.
pub fn scope_of(connections: &BTreeMap<String, String>, config: &Config) -> String {
    let named = |known: &dyn Fn(&str) -> bool| {
        connections.values().find(|name| known(name)).map(String::as_str).unwrap_or_default().to_owned()
    };
    let b1 = named(&|name| config.b1.contains_key(name));
    let salesforce = named(&|name| config.salesforce.contains_key(name));
    format!("{b1}|{salesforce}")
}
