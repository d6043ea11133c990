//! The mapping plugin that `tandem plugin new` writes, in each language: its size, how long it takes to be made ready, and each record. Every record
//! has an instance of its own.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use tandem::config::Limits;
use tandem::sandbox::{Cache, Compiler, Mapper, Runtime};

use crate::figures::{Figures, median, percentile};

const RECORDS: usize = 300;

/// Fetches and builds what is needed: minutes, the first time.
pub async fn all(figures: &mut Figures) -> Result<()> {
    for language in ["rust", "javascript", "python"] {
        let folder = tempfile::tempdir()?;
        let built = Instant::now();
        tandem(folder.path(), &["plugin", "new", "regions", "--kind", "mapper", "--lang", language]).await?;
        tandem(folder.path(), &["plugin", "build", "regions"]).await?;
        figures.add(&format!("{language}: new and build"), "s", built.elapsed().as_secs_f64(), None, "");
        let file = folder.path().join("regions/regions.wasm");
        let wasm = std::fs::read(&file)?;
        figures.add(&format!("{language}: size"), "kB", wasm.len() as f64 / 1e3, None, "");
        let sandbox = || {
            let cache = Cache::new(folder.path().join("compiled"), b"bench");
            Runtime::new(cache, Compiler::Here).map_err(|e| anyhow::anyhow!("{e:#}"))
        };
        let started = Instant::now();
        sandbox()?.mapper(&file, wasm.clone()).await?;
        figures.add(&format!("{language}: compiled"), "s", started.elapsed().as_secs_f64(), None, "");
        let runtime = sandbox()?;
        let started = Instant::now();
        let code = runtime.mapper(&file, wasm).await?;
        let kept = started.elapsed().as_secs_f64() * 1e3;
        figures.add(&format!("{language}: loaded as it was compiled before"), "ms", kept, None, "");
        let mapper = Mapper::new(&runtime, Arc::clone(&code), Limits::default());
        let mut times = Vec::with_capacity(RECORDS);
        for record in 0..RECORDS {
            let source = format!("{{\"Account\":{{\"BillingPostalCode\":\"{}\"}}}}", 10_000 + record);
            let started = Instant::now();
            let answer = mapper.map("header", &source, "{\"NumAtCard\":\"PO\"}").await?;
            times.push(started.elapsed().as_secs_f64() * 1e3);
            ensure!(answer.as_ref().is_ok_and(|answer| answer.contains("North")), "{answer:?}");
        }
        let first = times.remove(0);
        figures.add(&format!("{language}: the first record"), "ms", first, None, "");
        figures.add(&format!("{language}: each further record, median"), "ms", median(&times), None, "");
        figures.add(&format!("{language}: p99"), "ms", percentile(&times, 0.99), None, "");
    }
    Ok(())
}

async fn tandem(folder: &Path, arguments: &[&str]) -> Result<()> {
    let program = tandem_e2e::programs().join(format!("tandem{}", std::env::consts::EXE_SUFFIX));
    let ended = tokio::process::Command::new(program).args(arguments).current_dir(folder).output().await?;
    let said = String::from_utf8_lossy(&ended.stderr);
    ended.status.success().then_some(()).with_context(|| format!("tandem {}: {said}", arguments.join(" ")))
}
