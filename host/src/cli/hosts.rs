//! `tandem hosts`

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use super::output::Output;
use super::service::Parts;
use crate::store::{Access, HostSeen};
use crate::time::iso;

/// Who runs on the database.
pub async fn run(config: &Path, output: &Output) -> Result<ExitCode> {
    let parts = Parts::open(config, Access::Tool).await?;
    let hosts = parts.store.hosts().await?;
    let row = |host: &HostSeen| {
        vec![
            host.machine.clone(),
            host.version.clone(),
            iso(host.since),
            host.turn_since.map_or_else(String::new, |since| format!("since {}", iso(since))),
            host.runs.to_string(),
            host.id.clone(),
        ]
    };
    let rows = hosts.iter().map(row).collect();
    let columns = ["machine", "tandem", "since", "streams, looks, timers, alerts", "runs", "id"];
    output.rows(&hosts, &columns, rows, "no host runs on this database");
    Ok(ExitCode::SUCCESS)
}
