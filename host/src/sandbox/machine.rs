//! wasmtime, once per host: the engine with its pooled memory, the tick that interrupts, the threads that plugins run on, and
//! the places there are for instances.

use std::time::Duration;

use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store as WasmStore, UpdateDeadline,
};

use super::RunError;
use super::places::{Place, Places};
use super::run::RunState;
use super::workers::{self, Panicked, Workers};
use crate::config::{Limits, MOST_MEMORY_MB};
use crate::plain::cause;

/// Between two looks at a plugin's time on the processor.
const TICK: Duration = Duration::from_millis(5);

/// Of one instance, whatever its flow's limits say.
const MOST_MEMORY: usize = (MOST_MEMORY_MB as usize) << 20;

/// Runs at once in the whole host; the next wait.
const RUNS: u32 = 32;
/// Instances of one run: the plugin's and its mapper's.
const INSTANCES: u32 = RUNS * 2;
/// Parts of one instance at most: a Python component has 38 modules.
pub const MODULES: u32 = 48;
pub const MEMORIES: u32 = 8;
pub const TABLES: u32 = 16;
/// Of one table.
pub const TABLE_ELEMENTS: usize = 100_000;

/// What an engine does, wherever its memory comes from.
fn settings() -> Config {
    let mut config = Config::new();
    config.wasm_component_model(true).consume_fuel(true).epoch_interruption(true);
    config
}

/// The engine, with its pooled memory.
pub fn engine() -> wasmtime::Result<Engine> {
    let mut pool = PoolingAllocationConfig::default();
    // Room for the greediest instances in every place, so that the pool is never what an event fails for.
    pool.total_component_instances(INSTANCES)
        .total_core_instances(INSTANCES * MODULES)
        .total_memories(INSTANCES * MEMORIES)
        .total_tables(INSTANCES * TABLES)
        .total_stacks(INSTANCES)
        .max_core_instances_per_component(MODULES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(MOST_MEMORY)
        .linear_memory_keep_resident(1 << 20)
        .max_unused_warm_slots(8);
    let pooled = Engine::new(settings().allocation_strategy(InstanceAllocationStrategy::Pooling(pool)));
    pooled.or_else(|error| {
        tracing::warn!(
            error = format!("{error:#}"),
            "this machine does not give the addresses for a pool of plugins' memory (is there a limit, such as ulimit -v?): \
             each plugin gets its own when it runs, which is slower"
        );
        // Instead of the 4 GiB that spare each access its check.
        let own = InstanceAllocationStrategy::OnDemand;
        let small = settings().allocation_strategy(own).memory_reservation(1 << 20).memory_guard_size(1 << 16).clone();
        Engine::new(&small)
    })
}

/// See the module's words.
pub struct Machine {
    engine: Engine,
    workers: Workers,
    places: Places,
}

impl Machine {
    /// Starts the engine, its tick and the threads.
    pub fn start() -> wasmtime::Result<Self> {
        let engine = engine()?;
        // A thread of its own: it ticks however busy everything else is, and ends with the last store of the engine.
        let ticking = engine.weak();
        std::thread::Builder::new().name("plugins-tick".into()).spawn(move || {
            loop {
                std::thread::sleep(TICK);
                let Some(engine) = ticking.upgrade() else { return };
                engine.increment_epoch();
            }
        })?;
        Ok(Self { engine, workers: Workers::start(crate::store::sqlite::reads_here)?, places: Places::new(RUNS) })
    }

    /// wasmtime's own.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// A place for one run of this flow; waits until there is one.
    pub async fn place(&self, flow: &str) -> Result<Place, RunError> {
        self.places.of(flow).await.ok_or(RunError::Stopping)
    }

    /// Runs code of a plugin on the threads kept for it.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, RunError>> + Send + 'static,
    ) -> Result<T, RunError> {
        match self.workers.run(work).await {
            Ok(result) => result,
            Err(Panicked(why)) => Err(RunError::Trapped(format!("the host failed while it served it: {why}"))),
        }
    }

    /// A store with fuel, interruption and memory limits in force.
    pub fn store(&self, state: RunState, limits: &Limits) -> Result<WasmStore<RunState>, RunError> {
        let mut store = WasmStore::new(&self.engine, state);
        store.limiter(|state| state);
        store
            .set_fuel(limits.fuel_millions.saturating_mul(1_000_000))
            .map_err(|e| RunError::Contract(format!("fuel: {e}")))?;
        // What one call hands over, however often it names the same bytes of its memory.
        store.set_hostcall_fuel(usize::try_from(limits.run_bytes).unwrap_or(usize::MAX));
        let most = Duration::from_millis(limits.cpu_ms);
        let begun = workers::used().unwrap_or_default();
        // Called only while the plugin's own code runs. Waiting for an answer costs it nothing: it holds no thread then.
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(move |_| {
            if workers::used().unwrap_or_default().saturating_sub(begun) > most {
                let detail = format!("more than {} ms on the processor", most.as_millis());
                return Err(wasmtime::Error::new(RunError::Limit { limit: "cpu_ms", detail }));
            }
            Ok(UpdateDeadline::Yield(1))
        });
        Ok(store)
    }
}

/// What ended a call into a plugin, by name.
pub fn named(error: wasmtime::Error, limits: &Limits) -> RunError {
    match error.downcast::<RunError>() {
        Ok(own) => own,
        Err(error) => match error.downcast_ref::<wasmtime::Trap>() {
            Some(wasmtime::Trap::OutOfFuel) => RunError::Limit {
                limit: "fuel_millions",
                detail: format!("more than {} million instructions", limits.fuel_millions),
            },
            Some(trap) => RunError::Trapped(trap.to_string()),
            // Not where in its code: it names its functions as it likes.
            None => RunError::Trapped(cause(&error.root_cause())),
        },
    }
}
