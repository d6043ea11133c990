//! `tandem mcp`

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;

use super::service::Parts;
use super::tool::{caller, gateway};
use crate::mcp::serve_stdio;
use crate::store::Access;

pub async fn run(config: &Path) -> Result<ExitCode> {
    let parts = Parts::open(config, Access::Tool).await?;
    serve_stdio(Arc::new(gateway(&parts, None).await?), caller()).await?;
    Ok(ExitCode::SUCCESS)
}
