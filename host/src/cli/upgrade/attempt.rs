//! What the new program does before it is put in place: it opens a copy of the database, checks all, and holds the last events against its plugins.

use std::path::Path;

use anyhow::Result;

use crate::checks::Finding;
use crate::cli::check;
use crate::cli::service::Parts;
use crate::engine::Comparer;
use crate::sandbox::Unknown;
use crate::store::{Access, sqlite::copy};
use crate::upgrade::trial::{Compared, Trial};

/// Past events that a flow's files are held against.
const COMPARED: u32 = 1_000;

/// Over `tandem.toml` of a trial, whose database is a copy.
pub async fn attempt(config: &Path) -> Result<Trial> {
    let parts = Parts::open(config, Access::Host).await?;
    let connections = parts.connect()?;
    let findings: Vec<Finding> = check::look(&parts.config, &connections).await?;
    let mut flows = Vec::new();
    for flow in parts.config.flows.keys() {
        flows.push(match compared(&parts, &connections, flow).await {
            Ok(compared) => compared,
            Err(error) => Compared {
                flow: flow.clone(),
                events: 0,
                different: 0,
                untold: 1,
                says: format!("nothing could be compared: {error:#}"),
            },
        });
    }
    Ok(Trial { version: env!("CARGO_PKG_VERSION").into(), format: copy::format(), findings, flows })
}

async fn compared(parts: &Parts, connections: &crate::connections::Connections, flow: &str) -> Result<Compared> {
    let releases = parts.releases().await?;
    let files = releases.of_files(flow, &parts.config).await?.release;
    let mut comparer = Comparer::new(flow, files, &parts.config, connections, releases, Unknown::Refuse).await?;
    for run in comparer.last_runs(COMPARED).await? {
        comparer.add(run).await?;
    }
    let found = comparer.done();
    let first =
        found.groups.first().map(|group| format!("such as {} {}", group.call, group.field).trim_end().to_owned());
    let unread = found.unread.keys().next().map(|read| format!("it cannot be told for what lacks: {read}"));
    Ok(Compared {
        flow: flow.to_owned(),
        events: found.events,
        different: found.different,
        untold: found.untold,
        says: first.or(unread).unwrap_or_default(),
    })
}
