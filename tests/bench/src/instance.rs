//! A plugin instance made, called with an empty batch, and dropped: in this process, with the real orders plugin.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use tandem::config::Limits;
use tandem::mapping::Mapping;
use tandem::sandbox::{Bound, Cache, Compiler, Grants, Journal, Runtime};
use tandem::store::{Access, sqlite::SqliteStore};
use tandem::store::{Kept, Run, RunId, Store};

const CALLS: usize = 5_000;

/// Microseconds of each call.
pub async fn times() -> Result<Vec<f64>> {
    let folder = tempfile::tempdir()?;
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&folder.path().join("tandem.db"), Access::Host)?);
    let cache = Cache::new(folder.path().join("compiled"), b"bench");
    let runtime = Runtime::new(cache, Compiler::Here).map_err(|e| anyhow::anyhow!("{e:#}"))?;
    let plugin = runtime.load(&tandem_e2e::wasm("orders")).await?;
    let bound = Arc::new(Bound {
        flow: "orders".into(),
        grants: Grants::new("orders", plugin.description.permissions.clone()),
        named: BTreeMap::new(),
        zones: BTreeMap::new(),
        slots: BTreeMap::new(),
        scope: String::new(),
        mapping: Arc::new(Mapping::parse(&plugin.description.default_mapping)?),
        mapper: None,
        settings: "{}".into(),
        limits: Limits::default(),
        haste: tandem::store::Haste::AtOnce,
        topics: BTreeMap::new(),
        store: store.clone(),
    });
    let mut times = Vec::with_capacity(CALLS);
    for call in 0..CALLS + 100 {
        let run = Run {
            id: RunId(1),
            flow: "orders".into(),
            release: plugin.digest.clone(),
            events: Vec::new(),
            repeated: false,
            kept: Kept::Whole,
        };
        let journal = Journal::live(run.id, store.clone(), Vec::new());
        let started = Instant::now();
        runtime.run(&plugin, bound.clone(), &run, journal).await.context("an empty batch")?;
        if call >= 100 {
            times.push(started.elapsed().as_secs_f64() * 1e6);
        }
    }
    Ok(times)
}
