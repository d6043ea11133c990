//! Loads components and runs them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tracing::Instrument;
use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, Linker};

use super::bindings::v0_1::flow::{Flow, FlowPre, tandem::plugin as contract};
use super::bindings::v0_2::{self, reconciling::ReconcilingPre};
use super::compiler::{CompileError, Compiler, Troubled};
use super::description::{Description, checked};
use super::machine::{Machine, named as broke};
use super::mapper::{self, Calls, MapperCode};
use super::places::Place;
use super::reading;
use super::run::{Bound, RunReport, RunState, waits_of};
use super::tools::{self, Call, Tooling};
use super::{Cache, Journal, RunError, trace};
use crate::config::Limits;
use crate::plain;
use crate::store::Run;

/// Why a file cannot be used as a plugin. The text names file, cause and mend.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Not there, not readable.
    #[error("cannot read the plugin {path}: {cause}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Not a WebAssembly component.
    #[error(
        "{path} is not a WebAssembly component: {cause}; copy it again, if the copy broke off; `tandem plugin build` makes one"
    )]
    NotAComponent {
        /// The file.
        path: PathBuf,
        /// What wasmtime said.
        cause: String,
    },
    /// A component that wants or gives something else than the contract.
    #[error(
        "{path} does not fit the contract tandem:plugin ({contract}): {cause}; build it against one of these versions (`tandem plugin new` writes it), or install a newer tandem"
    )]
    OtherContract {
        /// The file.
        path: PathBuf,
        /// The versions this host speaks.
        contract: &'static str,
        /// The import or export at fault.
        cause: String,
    },
    /// A component that is taken for what it is not.
    #[error("{path}: {cause}")]
    OtherKind {
        /// The file.
        path: PathBuf,
        /// In words.
        cause: String,
    },
    /// Larger than any plugin is.
    #[error("{path} has {bytes} bytes, and that is larger than the {most} that a plugin may have")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its bytes.
        bytes: u64,
        /// What is read at most.
        most: u64,
    },
    /// It could not be asked now: the machine is too busy, or the host stops.
    #[error("{path} cannot be made ready now: {cause}; it is tried again")]
    NotNow {
        /// The file.
        path: PathBuf,
        /// In words.
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

impl LoadError {
    /// The same of a file with the same contents under this name; none where it does not follow from its contents.
    pub fn of_same(&self, path: &Path) -> Option<Self> {
        let path = path.to_owned();
        match self {
            Self::NotAComponent { cause, .. } => Some(Self::NotAComponent { path, cause: cause.clone() }),
            Self::OtherContract { contract, cause, .. } => {
                Some(Self::OtherContract { path, contract, cause: cause.clone() })
            }
            Self::OtherKind { cause, .. } => Some(Self::OtherKind { path, cause: cause.clone() }),
            Self::BadDescription { cause, .. } => Some(Self::BadDescription { path, cause: cause.clone() }),
            Self::Unreadable { .. } | Self::TooLarge { .. } | Self::NotNow { .. } => None,
        }
    }
}

/// What `describe` may use. It calls nothing and decides nothing: what needs more never ends, and others wait for it when the host starts.
fn to_describe() -> Limits {
    Limits { cpu_ms: 2_000, run_seconds: 10, ..Limits::default() }
}

/// Bytes of a plugin's file at most: ten times a Python interpreter.
const MOST_CODE: u64 = 128 << 20;

/// Components compiled at once: each takes a core or more, and memory by its size. Large ones, such as those in Python, take minutes: small ones
/// do not wait for them.
const COMPILED_AT_ONCE: [usize; 2] = [2, 1];

/// Bytes of a large one.
const LARGE: usize = 4 << 20;

/// The versions of the contract that this host speaks.
pub const CONTRACTS: [&str; 2] = ["0.1.0", "0.2.0"];

/// The versions of the contract with flow plugins.
const OF_FLOWS: &str = "0.1.0, and 0.2.0 for what it says of comparing and for its tools";
/// The versions of the contract with mapping plugins.
const OF_MAPPERS: &str = "0.1.0 or 0.2.0";

/// A loaded plugin.
pub struct Plugin {
    /// SHA-256 of the file, hex.
    pub digest: String,
    /// What it says of itself.
    pub description: Description,
    pub(super) pre: FlowPre<RunState>,
    pub(super) wants_wasi: bool,
    /// What it offers of contract 0.2.0: see [`super::reading`].
    pub(super) reconciles: Option<ReconcilingPre<RunState>>,
    /// Likewise: see [`super::tools`].
    pub(super) tooling: Option<Tooling>,
}

/// A component, opened to be looked at: whatever it is.
pub struct Opened {
    /// SHA-256 of the file, hex.
    pub digest: String,
    /// What it asks of the host, in its own order.
    pub imports: Vec<String>,
    /// What it offers.
    pub exports: Vec<String>,
    /// What the host would make of it; the error is why it would be refused.
    pub world: Result<World, LoadError>,
}

/// What a component can be to the host.
pub enum World {
    /// A plugin, which a flow runs.
    Flow(Arc<Plugin>),
    /// A mapping plugin.
    Mapper(Arc<MapperCode>),
}

/// See the module's words.
pub struct Runtime {
    machine: Arc<Machine>,
    cache: Arc<Cache>,
    compiler: Compiler,
    troubled: Troubled,
    flow_linker: Linker<RunState>,
    flow_linker_wasi: Linker<RunState>,
    mapper_linker: Linker<RunState>,
    /// Turns of small components and of large ones.
    compilers: [Semaphore; 2],
}

impl Runtime {
    /// Starts the machine that plugins run on.
    pub fn new(cache: Cache, compiler: Compiler) -> wasmtime::Result<Self> {
        let machine = Machine::start()?;
        let engine = machine.engine();
        let mut flow_linker = Linker::new(engine);
        Flow::add_to_linker::<_, HasSelf<_>>(&mut flow_linker, |state: &mut RunState| state)?;
        let mut flow_linker_wasi = flow_linker.clone();
        wasmtime_wasi::p2::add_to_linker_async(&mut flow_linker_wasi)?;
        let mut mapper_linker = Linker::new(engine);
        contract::log::add_to_linker::<_, HasSelf<_>>(&mut mapper_linker, |state: &mut RunState| state)?;
        v0_2::tandem::plugin::log::add_to_linker::<_, HasSelf<_>>(&mut mapper_linker, |state: &mut RunState| state)?;
        wasmtime_wasi::p2::add_to_linker_async(&mut mapper_linker)?;
        Ok(Self {
            machine: Arc::new(machine),
            cache: Arc::new(cache),
            compiler,
            troubled: Troubled::default(),
            flow_linker,
            flow_linker_wasi,
            mapper_linker,
            compilers: COMPILED_AT_ONCE.map(Semaphore::new),
        })
    }

    pub(super) fn machine(&self) -> &Arc<Machine> {
        &self.machine
    }

    /// Runs a batch over a journal, as soon as there is a place for it.
    pub async fn run(
        &self,
        plugin: &Plugin,
        bound: Arc<Bound>,
        run: &Run,
        journal: Journal,
    ) -> Result<RunReport, RunError> {
        let place = self.place(&bound.flow).await?;
        self.run_at(place, plugin, bound, run, journal).await
    }

    /// A place for a run of this flow; waits until there is one.
    pub async fn place(&self, flow: &str) -> Result<Place, RunError> {
        self.machine.place(flow).await
    }

    /// Runs a batch over a journal, at the place that it has.
    pub async fn run_at(
        &self,
        place: Place,
        plugin: &Plugin,
        bound: Arc<Bound>,
        run: &Run,
        journal: Journal,
    ) -> Result<RunReport, RunError> {
        let (machine, pre, wants_wasi) = (self.machine.clone(), plugin.pre.clone(), plugin.wants_wasi);
        let call = Call::of(plugin, run)?;
        let batch = RunState::batch(&bound, run);
        let limits = bound.limits.clone();
        let events = run.events.len();
        let waits = waits_of(&bound, run);
        let mut state = RunState::new(Some(bound), journal, &limits);
        state.waits = waits;
        state.repeated = run.repeated;
        state.only_reads = call.as_ref().is_some_and(Call::only_reads);
        if let [event] = run.events.as_slice() {
            state.about = Some(format!("{} {}", event.topic, event.key));
        }
        let left = run.events.iter().map(|event| trace::left(&event.trace, limits.brought_about));
        state.may_emit = left.fold(0, u64::saturating_add);
        state.trace = trace::furthest(run.events.iter().map(|event| event.trace.as_str())).to_owned();
        let seconds = limits.run_seconds;
        let work = async move {
            let _place = place;
            if wants_wasi {
                state.now = state.journaled("wasi.start", String::new(), |_| async { Ok(crate::time::now()) }).await?;
            }
            let mut store = machine.store(state, &limits)?;
            if let Some(call) = call {
                let raw = call.answer(&mut store, &limits).await?;
                return store.into_data().report(vec![raw]);
            }
            let instance = pre.instantiate_async(&mut store).await.map_err(|e| broke(e, &limits))?;
            let raw = instance.call_handle(&mut store, &batch).await;
            let raw = raw.map_err(|e| broke(e, &limits).saying(&store.data().last_words))?;
            if raw.len() != events {
                return Err(RunError::Contract(format!("{} outcomes for {events} events", raw.len())));
            }
            store.into_data().report(raw)
        };
        within(seconds, self.machine.run(work.instrument(tracing::Span::current()))).await
    }

    /// Reads, compiles and asks a plugin what it is.
    pub async fn load(&self, path: &Path) -> Result<Arc<Plugin>, LoadError> {
        self.plugin(path, read(path).await?).await
    }

    /// Compiles a plugin and asks it what it is. `named` is what errors call it.
    pub async fn plugin(&self, named: &Path, wasm: Vec<u8>) -> Result<Arc<Plugin>, LoadError> {
        let (digest, component) = self.component(named, wasm).await?;
        self.plugin_of(named, digest, &component).await
    }

    async fn plugin_of(&self, named: &Path, digest: String, component: &Component) -> Result<Arc<Plugin>, LoadError> {
        if exports(component, "map") && !exports(component, "handle") {
            let cause = "it is a mapping plugin, which a flow names as its `mapper`, and no plugin of a flow".into();
            return Err(LoadError::OtherKind { path: named.to_owned(), cause });
        }
        let wants_wasi = imports_wasi(self.machine.engine(), component);
        let linker = if wants_wasi { &self.flow_linker_wasi } else { &self.flow_linker };
        let other = |cause: wasmtime::Error| LoadError::OtherContract {
            path: named.to_owned(),
            contract: OF_FLOWS,
            cause: plain::cause(&cause),
        };
        let pre = linker.instantiate_pre(component).map_err(other)?;
        let reconciles = reading::offered(component, &pre).map_err(other)?;
        let tooling = tools::offered(component, &pre).map_err(other)?;
        let pre = FlowPre::new(pre).map_err(other)?;
        let (asked, offered) = (pre.clone(), tooling.clone());
        let raw = self.described(named, |machine, limits| async move {
            let mut store = machine.store(RunState::describing(&limits), &limits)?;
            let instance = asked.instantiate_async(&mut store).await.map_err(|e| broke(e, &limits))?;
            let description = instance.call_describe(&mut store).await.map_err(|e| broke(e, &limits))?;
            let Some(offered) = offered else { return Ok((description, Vec::new())) };
            let mut store = machine.store(RunState::describing(&limits), &limits)?;
            Ok((description, tools::described(&offered, &mut store, &limits).await?))
        });
        let (description, offered) = raw.await?;
        let bad = |cause| bad_description(named, cause);
        let description = checked(description).map_err(bad)?;
        let tooling = tooling.map(|pre| Tooling::of(pre, offered)).transpose().map_err(bad)?;
        Ok(Arc::new(Plugin { digest, description, pre, wants_wasi, reconciles, tooling }))
    }

    /// Asks a component what it is.
    async fn described<T, F, Fut>(&self, named: &Path, ask: F) -> Result<T, LoadError>
    where
        T: Send + 'static,
        F: FnOnce(Arc<Machine>, Limits) -> Fut,
        Fut: Future<Output = Result<T, RunError>> + Send + 'static,
    {
        let limits = to_describe();
        let seconds = limits.run_seconds;
        let asked = async {
            let place = self.machine.place("").await?;
            let asking = ask(self.machine.clone(), limits);
            let work = async move {
                let _place = place;
                asking.await
            };
            within(seconds, self.machine.run(work)).await
        };
        asked.await.map_err(|error| match error {
            // Its own time on the processor is another limit: this one passes also where others take it all.
            RunError::Limit { limit: "run_seconds", .. } | RunError::Store(_) | RunError::Stopping => {
                LoadError::NotNow { path: named.to_owned(), cause: error.to_string() }
            }
            error => bad_description(named, error.to_string()),
        })
    }

    /// Compiles a mapping plugin. `named` is what errors call it.
    pub async fn mapper(&self, named: &Path, wasm: Vec<u8>) -> Result<Arc<MapperCode>, LoadError> {
        let (digest, component) = self.component(named, wasm).await?;
        self.mapper_of(named, digest, &component).await
    }

    /// Opens a component to be looked at; an error only where it is none.
    pub async fn open(&self, named: &Path, wasm: Vec<u8>) -> Result<Opened, LoadError> {
        let (digest, component) = self.component(named, wasm).await?;
        let engine = self.machine.engine();
        let names = component.component_type();
        let imports: Vec<String> = names.imports(engine).map(|(name, _)| name.to_owned()).collect();
        let exports: Vec<String> = names.exports(engine).map(|(name, _)| name.to_owned()).collect();
        let world = if exports.iter().any(|name| name == "map") {
            self.mapper_of(named, digest.clone(), &component).await.map(World::Mapper)
        } else {
            self.plugin_of(named, digest.clone(), &component).await.map(World::Flow)
        };
        Ok(Opened { digest, imports, exports, world })
    }

    async fn mapper_of(
        &self,
        named: &Path,
        digest: String,
        component: &Component,
    ) -> Result<Arc<MapperCode>, LoadError> {
        let other = |cause: wasmtime::Error| LoadError::OtherContract {
            path: named.to_owned(),
            contract: OF_MAPPERS,
            cause: plain::cause(&cause),
        };
        if exports(component, "handle") && !exports(component, "map") {
            let cause = "it is the plugin of a flow, and no mapping plugin".into();
            return Err(LoadError::OtherKind { path: named.to_owned(), cause });
        }
        let pre = self.mapper_linker.instantiate_pre(component).map_err(other)?;
        let calls = Calls::of(component, pre).map_err(other)?;
        let asked = calls.clone();
        let raw = self.described(named, |machine, limits| async move {
            let mut store = machine.store(RunState::describing(&limits), &limits)?;
            asked.describe(&mut store).await.map_err(|e| broke(e, &limits))
        });
        let description = raw.await?.map(mapper::checked).transpose();
        let description = description.map_err(|cause| bad_description(named, cause))?;
        Ok(Arc::new(MapperCode { digest, description, calls }))
    }

    /// Compiling takes seconds: it holds up nothing else.
    async fn component(&self, named: &Path, wasm: Vec<u8>) -> Result<(String, Component), LoadError> {
        let unusable = |cause: String| LoadError::NotAComponent { path: named.to_owned(), cause };
        let not_now = |cause: String| LoadError::NotNow { path: named.to_owned(), cause };
        if !wasm.starts_with(b"\0asm") {
            return Err(unusable("it does not begin as one does".into()));
        }
        let digested = tokio::task::spawn_blocking(move || (digest_of(&wasm), wasm));
        let (digest, wasm) = digested.await.map_err(|e| not_now(e.to_string()))?;
        if let Some(component) = self.kept(&digest).await.map_err(not_now)? {
            return Ok((digest, component));
        }
        let _turn = self.compilers[usize::from(wasm.len() >= LARGE)].acquire().await;
        // Somebody else may have had the same in mind.
        if let Some(component) = self.kept(&digest).await.map_err(not_now)? {
            return Ok((digest, component));
        }
        if let Some(pause) = self.troubled.pause(&digest) {
            return Err(not_now(format!(
                "compiling it failed, and it is left alone for another {} s",
                pause.as_secs() + 1
            )));
        }
        let code = match self.compiler.compile(self.machine.engine(), &wasm).await {
            Ok(code) => code,
            Err(CompileError::Component(cause)) => return Err(unusable(cause)),
            Err(CompileError::Machine(cause)) => {
                self.troubled.add(digest);
                return Err(not_now(cause));
            }
        };
        self.troubled.remove(&digest);
        let (engine, cache) = (self.machine.engine().clone(), self.cache.clone());
        let made = tokio::task::spawn_blocking(move || {
            let component = cache.keep(&engine, &digest, &code).map_err(|e| plain::cause(&e))?;
            Ok::<_, String>((digest, component))
        });
        made.await.map_err(|e| not_now(e.to_string()))?.map_err(not_now)
    }

    /// A component that was compiled before.
    async fn kept(&self, digest: &str) -> Result<Option<Component>, String> {
        let (engine, cache, digest) = (self.machine.engine().clone(), self.cache.clone(), digest.to_owned());
        let looked = tokio::task::spawn_blocking(move || cache.kept(&engine, &digest));
        looked.await.map_err(|e| e.to_string())
    }
}

fn bad_description(named: &Path, cause: String) -> LoadError {
    LoadError::BadDescription { path: named.to_owned(), cause }
}

/// Ends what takes longer.
pub(super) async fn within<T>(seconds: u64, work: impl Future<Output = Result<T, RunError>>) -> Result<T, RunError> {
    tokio::time::timeout(Duration::from_secs(seconds), work).await.unwrap_or_else(|_| {
        let detail = format!("more than {seconds} s from start to end");
        Err(RunError::Limit { limit: "run_seconds", detail })
    })
}

/// A component's bytes.
pub async fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    let unreadable = |cause| LoadError::Unreadable { path: path.to_owned(), cause };
    let bytes = tokio::fs::metadata(path).await.map_err(unreadable)?.len();
    if bytes > MOST_CODE {
        return Err(LoadError::TooLarge { path: path.to_owned(), bytes, most: MOST_CODE });
    }
    tokio::fs::read(path).await.map_err(unreadable)
}

/// SHA-256 of a component, or of any other part of a release; hex.
pub fn digest_of(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a component offers that by name.
pub(super) fn exports(component: &Component, name: &str) -> bool {
    component.component_type().exports(component.engine()).any(|(own, _)| own == name)
}

fn imports_wasi(engine: &Engine, component: &Component) -> bool {
    component.component_type().imports(engine).any(|(name, _)| name.starts_with("wasi:"))
}
