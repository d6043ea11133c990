//! wasmtime, once per host: engine, pooled memory, the tick that interrupts, and loading of components.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::bindings::flow::{Flow, FlowPre, tandem::plugin as contract};
use super::bindings::mapper::MapperPre;
use super::run::RunState;
use super::{Cache, HOST_SLOT, Permission, grants};
use crate::connections::Method;

/// Between two looks at a plugin's time on the processor.
pub(super) const TICK: Duration = Duration::from_millis(5);

/// No flow may set `limits.memory_mb` above this.
const MOST_MEMORY: usize = 512 << 20;

/// Why a file cannot be used as a plugin. The text names file, cause and mend.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Not there, not readable.
    #[error("cannot read the plugin {path}: {cause}; put <name>.wasm into the plugins folder")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Not a WebAssembly component.
    #[error(
        "{path} is not a WebAssembly component: {cause}; build it with `tandem plugin build` or see the plugin author guide"
    )]
    NotAComponent {
        /// The file.
        path: PathBuf,
        /// What wasmtime said.
        cause: String,
    },
    /// A component that wants or gives something else than the contract.
    #[error(
        "{path} does not fit the contract tandem:plugin@{contract}: {cause}; build it against this version, or install a newer tandem"
    )]
    OtherContract {
        /// The file.
        path: PathBuf,
        /// The version this host speaks.
        contract: &'static str,
        /// The import or export at fault.
        cause: String,
    },
    /// `describe` trapped or said something unusable.
    #[error("{path}: its description cannot be used: {cause}")]
    BadDescription {
        /// The file.
        path: PathBuf,
        /// In words.
        cause: String,
    },
}

/// The contract version this host speaks.
pub const CONTRACT: &str = "0.1.0";

/// A timer a plugin asks for.
#[derive(Clone, Debug, Serialize)]
pub struct Timer {
    /// Its event's topic is `timer.<name>`.
    pub name: String,
    /// Cron.
    pub cron: String,
}

/// What a plugin says of itself.
#[derive(Clone, Debug, Serialize)]
pub struct Description {
    /// Also the file's name.
    pub name: String,
    /// Semantic version.
    pub version: String,
    /// For people.
    pub title: String,
    /// Slot name and kind.
    pub slots: Vec<(String, String)>,
    /// What it asks for.
    pub permissions: Vec<Permission>,
    /// What it has of the host's own without asking: see [`Permission::unasked`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unasked: Vec<Permission>,
    /// Topics it takes.
    pub topics: Vec<String>,
    /// Topics whose records a backfill goes through, in this order.
    pub backfill: Vec<String>,
    /// Events it likes to have in one run; 0 leaves it to the host.
    pub batch: u32,
    /// Runs it likes to have at once; 0 leaves it to the host.
    pub concurrency: u32,
    /// Timers it asks for.
    pub timers: Vec<Timer>,
    /// JSON Schema text.
    pub settings_schema: String,
    /// Text of a mapping file.
    pub default_mapping: String,
    /// The sections of the mapping that it applies.
    pub sections: Vec<Section>,
}

/// A section of a mapping: what its rules read and set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// Rules set fields of B1.
    pub to_b1: bool,
    /// Rules set fields of Salesforce.
    pub to_salesforce: bool,
    /// Entity set, and the collection within it: `Orders/DocumentLines`.
    pub b1: String,
    /// sObject type.
    pub salesforce: String,
}

/// A loaded plugin.
pub struct Plugin {
    /// SHA-256 of the file, hex.
    pub digest: String,
    /// What it says of itself.
    pub description: Description,
    pub(super) pre: FlowPre<RunState>,
    pub(super) wants_wasi: bool,
}

/// See the module's words.
pub struct Runtime {
    engine: Engine,
    cache: Cache,
    flow_linker: Linker<RunState>,
    flow_linker_wasi: Linker<RunState>,
    mapper_linker: Linker<RunState>,
    ticker: tokio::task::JoinHandle<()>,
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.ticker.abort();
    }
}

impl Runtime {
    /// Starts the engine and its tick.
    pub fn new(cache: Cache) -> wasmtime::Result<Self> {
        let mut pool = PoolingAllocationConfig::default();
        pool.total_component_instances(64)
            .total_core_instances(256)
            .total_memories(128)
            .total_tables(256)
            .total_stacks(64)
            .max_core_instances_per_component(24)
            .max_memories_per_component(8)
            .max_tables_per_component(16)
            .max_component_instance_size(4 << 20)
            .max_core_instance_size(4 << 20)
            .table_elements(100_000)
            .max_memory_size(MOST_MEMORY)
            .linear_memory_keep_resident(1 << 20)
            .max_unused_warm_slots(8);
        let mut config = Config::new();
        config
            .wasm_component_model(true)
            .consume_fuel(true)
            .epoch_interruption(true)
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&config)?;

        let mut flow_linker = Linker::new(&engine);
        Flow::add_to_linker::<_, HasSelf<_>>(&mut flow_linker, |state: &mut RunState| state)?;
        let mut flow_linker_wasi = flow_linker.clone();
        wasmtime_wasi::p2::add_to_linker_async(&mut flow_linker_wasi)?;
        let mut mapper_linker = Linker::new(&engine);
        contract::log::add_to_linker::<_, HasSelf<_>>(&mut mapper_linker, |state: &mut RunState| state)?;
        wasmtime_wasi::p2::add_to_linker_async(&mut mapper_linker)?;

        let tick_engine = engine.clone();
        let ticker = tokio::spawn(async move {
            let mut tick = tokio::time::interval(TICK);
            tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tick.tick().await;
                tick_engine.increment_epoch();
            }
        });
        Ok(Self { engine, cache, flow_linker, flow_linker_wasi, mapper_linker, ticker })
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Reads, compiles and asks a plugin what it is.
    pub async fn load(&self, path: &Path) -> Result<Arc<Plugin>, LoadError> {
        let (digest, component) = self.component(path)?;
        let wants_wasi = imports_wasi(&self.engine, &component);
        let linker = if wants_wasi { &self.flow_linker_wasi } else { &self.flow_linker };
        let other = |cause: wasmtime::Error| LoadError::OtherContract {
            path: path.to_owned(),
            contract: CONTRACT,
            cause: format!("{cause:#}"),
        };
        let pre = linker.instantiate_pre(&component).map_err(other)?;
        let pre = FlowPre::new(pre).map_err(other)?;
        let bad = |cause: String| LoadError::BadDescription { path: path.to_owned(), cause };
        let raw = super::run::describe(self, &pre, wants_wasi).await.map_err(|e| bad(e.to_string()))?;
        let description = checked(raw).map_err(bad)?;
        Ok(Arc::new(Plugin { digest, description, pre, wants_wasi }))
    }

    /// Reads and compiles a mapping plugin.
    pub(super) fn load_mapper(&self, path: &Path) -> Result<MapperPre<RunState>, LoadError> {
        let (_, component) = self.component(path)?;
        let other = |cause: wasmtime::Error| LoadError::OtherContract {
            path: path.to_owned(),
            contract: CONTRACT,
            cause: format!("{cause:#}"),
        };
        let pre = self.mapper_linker.instantiate_pre(&component).map_err(other)?;
        MapperPre::new(pre).map_err(other)
    }

    fn component(&self, path: &Path) -> Result<(String, Component), LoadError> {
        let wasm = std::fs::read(path).map_err(|cause| LoadError::Unreadable { path: path.to_owned(), cause })?;
        let digest = digest_of(&wasm);
        let component = self
            .cache
            .load(&self.engine, &digest, &wasm)
            .map_err(|e| LoadError::NotAComponent { path: path.to_owned(), cause: format!("{e:#}") })?;
        Ok((digest, component))
    }
}

/// SHA-256 of a component, hex.
pub fn digest_of(wasm: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, wasm);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn imports_wasi(engine: &Engine, component: &Component) -> bool {
    component.component_type().imports(engine).any(|(name, _)| name.starts_with("wasi:"))
}

/// Parses at the border: what a plugin says of itself is not trusted until it was read whole.
fn checked(raw: contract::description::Description) -> Result<Description, String> {
    let name_fits = !raw.name.is_empty()
        && raw.name.len() <= 40
        && raw.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !name_fits {
        return Err(format!("name = {:?}: lower case letters, digits and dashes, at most 40", raw.name));
    }
    let slots: Vec<(String, String)> = raw.slots.into_iter().map(|slot| (slot.name, slot.kind)).collect();
    if let Some((name, kind)) = slots.iter().find(|(_, kind)| kind != "b1" && kind != "salesforce") {
        return Err(format!("slot {name} has the kind {kind:?}; known are b1 and salesforce"));
    }
    let permissions: Vec<Permission> = raw
        .permissions
        .into_iter()
        .map(|p| Permission { slot: p.slot, method: p.method.into(), path: p.path, reason: p.reason })
        .collect();
    let is_slot = |slot: &str| slots.iter().any(|(name, _)| name == slot);
    let of_host = |permission: &Permission| permission.slot == HOST_SLOT && !is_slot(HOST_SLOT);
    for permission in &permissions {
        if of_host(permission) {
            match grants::problem_of_own(permission) {
                Some(problem) => return Err(problem),
                None => continue,
            }
        }
        if !is_slot(&permission.slot) {
            return Err(format!(
                "permission {} names the slot {:?}, which is not declared",
                permission.path, permission.slot
            ));
        }
        if let Some(problem) = grants::problem_of(permission) {
            return Err(problem);
        }
    }
    serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&raw.settings_schema)
        .map_err(|e| format!("settings-schema is not a JSON object: {e}"))?;
    crate::mapping::Mapping::parse(&raw.default_mapping).map_err(|e| e.to_string())?;
    for timer in &raw.timers {
        timer.cron.parse::<croner::Cron>().map_err(|e| format!("timer {} = {:?}: {e}", timer.name, timer.cron))?;
    }
    let unasked = if permissions.iter().any(of_host) { Vec::new() } else { Permission::unasked() };
    Ok(Description {
        name: raw.name,
        version: raw.version,
        title: raw.title,
        slots,
        permissions,
        unasked,
        topics: raw.topics,
        backfill: raw.backfill,
        batch: raw.batch,
        concurrency: raw.concurrency,
        timers: raw.timers.into_iter().map(|t| Timer { name: t.name, cron: t.cron }).collect(),
        settings_schema: raw.settings_schema,
        default_mapping: raw.default_mapping,
        sections: raw.sections.into_iter().map(section).collect(),
    })
}

fn section(raw: contract::description::Section) -> Section {
    use contract::description::Way;
    Section {
        name: raw.name,
        to_b1: raw.way != Way::ToSalesforce,
        to_salesforce: raw.way != Way::ToB1,
        b1: raw.b1,
        salesforce: raw.salesforce,
    }
}

impl From<contract::http::Method> for Method {
    fn from(method: contract::http::Method) -> Self {
        match method {
            contract::http::Method::Get => Self::Get,
            contract::http::Method::Post => Self::Post,
            contract::http::Method::Put => Self::Put,
            contract::http::Method::Patch => Self::Patch,
            contract::http::Method::Delete => Self::Delete,
        }
    }
}
