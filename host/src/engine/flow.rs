//! A flow made ready to run: plugin, grants, connections by slot, mapping, settings.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::size::BatchSize;
use crate::config::{Config, FlowConfig};
use crate::connections::{Breaker, BreakerState, Connections};
use crate::mapping::Mapping;
use crate::sandbox::{Bound, Description, Grants, LoadError, Mapper, Permission, Plugin, Runtime, Taker};
use crate::store::{Haste, Store, StoreError};

/// A flow made ready to run.
pub struct Flow {
    /// Its name.
    pub name: String,
    /// Its part of `tandem.toml`.
    pub config: FlowConfig,
    /// The plugin it runs.
    pub plugin: Arc<Plugin>,
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
        let liked = self.plugin.description.batch;
        self.size.at_most(self.config.batch.unwrap_or(if liked == 0 { BATCH } else { liked }))
    }

    /// A connection of it is left alone after failures, or was and is not known to be back.
    pub fn is_cut_off(&self) -> bool {
        self.bound.slots.values().any(|connection| connection.state() != BreakerState::Closed)
    }

    /// Runs at once, at most.
    pub fn concurrency(&self) -> u32 {
        let liked = self.plugin.description.concurrency;
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
    /// The plugin file.
    #[error(transparent)]
    Plugin(#[from] LoadError),
    /// Not granted, or asks for more than was granted.
    #[error(
        "the plugin {plugin} {version} waits for consent: {missing} of its permissions are not granted; look with `tandem plugin list`, allow with `tandem plugin grant {plugin}`"
    )]
    NotGranted {
        /// Its name.
        plugin: String,
        /// Its version.
        version: String,
        /// How many.
        missing: usize,
    },
    /// No such flow.
    #[error("there is no flow {flow:?} in tandem.toml; {known}")]
    NoFlow {
        /// What was asked for.
        flow: String,
        /// The flows there are, in words.
        known: String,
    },
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
    /// The mapping file.
    #[error("{place}[flows.{flow}] mapping {path}: {cause}")]
    MappingFile {
        /// Where it stands, as [`Config::place`] says it.
        place: String,
        /// The flow.
        flow: String,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// The settings do not fit the plugin's schema.
    #[error("{place}[flows.{flow}] settings: {cause}")]
    Settings {
        /// Where they stand, as [`Config::place`] says it.
        place: String,
        /// The flow.
        flow: String,
        /// What is wrong.
        cause: String,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The plugins folder, and the archive of every plugin that was ever run: recovery and replay need the very same.
#[derive(Clone, Debug)]
pub struct Plugins {
    /// Where an operator drops files.
    pub folder: PathBuf,
    /// Where copies are kept by digest.
    pub archive: PathBuf,
}

impl Plugins {
    /// From configuration.
    pub fn new(config: &Config) -> Self {
        let store = config.resolve(&config.store.path);
        let beside = store.parent().map(PathBuf::from).unwrap_or_default();
        Self { folder: config.resolve(&config.host.plugins), archive: beside.join("plugins") }
    }

    /// The file of a plugin by name.
    pub fn path(&self, plugin: &str) -> PathBuf {
        self.folder.join(format!("{plugin}.wasm"))
    }

    /// Loads a plugin by name.
    pub async fn load(&self, runtime: &Runtime, plugin: &str) -> Result<Arc<Plugin>, LoadError> {
        let path = self.path(plugin);
        let loaded = runtime.load(&path).await?;
        if loaded.description.name != plugin {
            return Err(LoadError::BadDescription {
                path,
                cause: format!("it calls itself {:?}; name the file {0}.wasm", loaded.description.name),
            });
        }
        Ok(loaded)
    }

    /// Loads the plugin a past run used.
    pub async fn load_digest(&self, runtime: &Runtime, digest: &str) -> Result<Arc<Plugin>, LoadError> {
        runtime.load(&self.archive.join(format!("{digest}.wasm"))).await
    }

    fn keep(&self, plugin: &str, digest: &str) -> std::io::Result<()> {
        let kept = self.archive.join(format!("{digest}.wasm"));
        if kept.exists() {
            return Ok(());
        }
        std::fs::create_dir_all(&self.archive)?;
        let draft = kept.with_extension("tmp");
        std::fs::copy(self.path(plugin), &draft)?;
        std::fs::rename(draft, kept)
    }

    /// Makes a configured flow ready with the plugin file as it is now.
    pub async fn bind(
        &self,
        name: &str,
        config: &Config,
        connections: &Connections,
        store: &Arc<dyn Store>,
        runtime: &Arc<Runtime>,
    ) -> Result<Flow, BindError> {
        let flow = config.flows.get(name).cloned().ok_or_else(|| {
            let known: Vec<&str> = config.flows.keys().map(String::as_str).collect();
            let known =
                if known.is_empty() { "none is configured".into() } else { format!("known: {}", known.join(", ")) };
            BindError::NoFlow { flow: name.to_owned(), known }
        })?;
        let plugin = self.load(runtime, &flow.plugin).await?;
        if let Err(error) = self.keep(&flow.plugin, &plugin.digest) {
            tracing::warn!(%error, plugin = flow.plugin, "cannot keep a copy of the plugin for recovery");
        }
        let topics = self.topics(name, config, runtime).await;
        self.bind_with(name, flow, plugin, topics, config, connections, store, runtime).await
    }

    /// Makes a flow ready with a plugin already loaded.
    #[expect(clippy::too_many_arguments, reason = "the parts of a flow, brought together in this one place")]
    pub async fn bind_with(
        &self,
        name: &str,
        flow: FlowConfig,
        plugin: Arc<Plugin>,
        topics: BTreeMap<String, Vec<Taker>>,
        config: &Config,
        connections: &Connections,
        store: &Arc<dyn Store>,
        runtime: &Arc<Runtime>,
    ) -> Result<Flow, BindError> {
        let description = &plugin.description;
        let mut granted = granted(store, &plugin.digest).await?;
        granted.extend(description.unasked.iter().cloned());
        let grants = Grants::new(&description.name, granted);
        let missing = grants.missing(&description.permissions).len();
        if missing > 0 {
            return Err(BindError::NotGranted {
                plugin: description.name.clone(),
                version: description.version.clone(),
                missing,
            });
        }
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
        let settings = serde_json::to_value(&flow.settings).unwrap_or_default();
        let problems = settings_problems(&description.settings_schema, &settings);
        if !problems.is_empty() {
            return Err(BindError::Settings {
                place: config.place(&["flows", name, "settings"]),
                flow: name.to_owned(),
                cause: problems.join("; "),
            });
        }
        let mapping = read_mapping(name, &flow, description, config)?;
        let mapper = match &flow.mapper {
            Some(path) => Some(Arc::new(Mapper::load(runtime, &config.resolve(path), flow.limits.clone()).await?)),
            None => None,
        };
        let bound = Bound {
            flow: name.to_owned(),
            grants,
            slots,
            named,
            zones,
            scope: scope_of(&flow.connections, config),
            mapping: Arc::new(mapping),
            mapper,
            settings: settings.to_string(),
            limits: flow.limits.clone(),
            haste: haste_of(&flow, Some(description)),
            topics,
            store: store.clone(),
        };
        let breaker = Breaker::new(&format!("flow {name}"));
        Ok(Flow {
            name: name.to_owned(),
            config: flow,
            plugin,
            bound: Arc::new(bound),
            breaker,
            size: BatchSize::default(),
        })
    }

    /// Flows between the same two connections as this one, by the topics their plugins take: what one company's flow emits
    /// is no other company's business. A plugin that cannot be loaded now is left out.
    pub async fn topics(&self, flow: &str, config: &Config, runtime: &Runtime) -> BTreeMap<String, Vec<Taker>> {
        let scope = config.flows.get(flow).map(|own| scope_of(&own.connections, config));
        let mut topics: BTreeMap<String, Vec<Taker>> = BTreeMap::new();
        for (name, other) in &config.flows {
            if Some(scope_of(&other.connections, config)) != scope {
                continue;
            }
            if let Ok(plugin) = self.load(runtime, &other.plugin).await {
                let taker = Taker { flow: name.clone(), haste: haste_of(other, Some(&plugin.description)) };
                for topic in &plugin.description.topics {
                    topics.entry(topic.clone()).or_default().push(taker.clone());
                }
            }
        }
        topics
    }
}

async fn granted(store: &Arc<dyn Store>, digest: &str) -> Result<Vec<Permission>, BindError> {
    let grant = store.granted(digest).await?;
    Ok(match grant {
        Some(grant) => serde_json::from_str(&grant.permissions)
            .map_err(|e| StoreError::Corrupt(format!("the grant of {digest}: {e}")))?,
        None => Vec::new(),
    })
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

fn read_mapping(
    name: &str,
    flow: &FlowConfig,
    description: &Description,
    config: &Config,
) -> Result<Mapping, BindError> {
    let unusable = |path: &std::path::Path, cause: String| BindError::MappingFile {
        place: config.place(&["flows", name, "mapping"]),
        flow: name.to_owned(),
        path: path.to_owned(),
        cause,
    };
    let Some(path) = &flow.mapping else {
        let built_in = std::path::Path::new("(built in)");
        return Mapping::parse_for(&description.default_mapping, description.reserved())
            .map_err(|e| unusable(built_in, e.to_string()));
    };
    let path = config.resolve(path);
    let text = std::fs::read_to_string(&path).map_err(|e| unusable(&path, e.to_string()))?;
    Mapping::parse_for(&text, description.reserved()).map_err(|e| unusable(&path, e.to_string()))
}

/// What does not fit: unknown settings, wrong types, missing ones. Understands the part of JSON Schema that settings are
/// made of: `properties`, `type`, `enum`, `required`.
pub fn settings_problems(schema: &str, settings: &Value) -> Vec<String> {
    let schema: Value = serde_json::from_str(schema).unwrap_or_default();
    let known = schema["properties"].as_object().cloned().unwrap_or_default();
    let mut problems = Vec::new();
    for (name, value) in settings.as_object().into_iter().flatten() {
        let Some(rule) = known.get(name) else {
            let names: Vec<&str> = known.keys().map(String::as_str).collect();
            problems.push(format!("unknown setting `{name}`; known: {}", names.join(", ")));
            continue;
        };
        let fits = match rule["type"].as_str() {
            Some("string") => value.is_string(),
            Some("boolean") => value.is_boolean(),
            Some("integer") => value.is_i64() || value.is_u64(),
            Some("number") => value.is_number(),
            Some("array") => value.is_array(),
            Some("object") => value.is_object(),
            _ => true,
        };
        if !fits {
            problems.push(format!("`{name}` = {value} must be of type {}", rule["type"]));
        }
        if let Some(allowed) = rule["enum"].as_array()
            && !allowed.contains(value)
        {
            problems.push(format!("`{name}` = {value} must be one of {}", rule["enum"]));
        }
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if settings.get(name).is_none() {
            problems.push(format!("the setting `{name}` is missing"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_setting_is_told_with_the_known_ones() {
        let schema = r#"{"properties":{"tax_code":{"type":"string"},"mode":{"enum":["a","b"]}},"required":["mode"]}"#;
        let problems = settings_problems(schema, &serde_json::json!({"taxcode": "X", "tax_code": 1}));
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems.iter().any(|p| p.contains("taxcode") && p.contains("tax_code")), "{problems:?}");
    }
}
