//! `tandem run`

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use tokio::sync::watch;

use super::service::{self, Parts};
use crate::store::sqlite::Access;

/// Runs until the service manager or a person says stop.
pub async fn run(config: &Path) -> Result<ExitCode> {
    let parts = Parts::open(config, Access::Host).await?;
    let connections = parts.connect()?;
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        asked_to_stop().await;
        tracing::info!("stopping: runs under way are finished first");
        stop.send_replace(true);
        // Asked twice: at once. Nothing is lost; the next start takes up what was open.
        asked_to_stop().await;
        crate::ending::exit(130);
    });
    service::serve(parts, connections, stopped).await?;
    Ok(ExitCode::SUCCESS)
}

/// Ctrl-C anywhere; SIGTERM on Unix; closing, logging off and shutting down on Windows.
#[cfg(unix)]
pub(super) async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! { _ = tokio::signal::ctrl_c() => {} _ = terminate.recv() => {} }
        }
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}

/// Ctrl-C anywhere; SIGTERM on Unix; closing, logging off and shutting down on Windows.
#[cfg(windows)]
pub(super) async fn asked_to_stop() {
    use tokio::signal::windows::{ctrl_close, ctrl_shutdown};
    match (ctrl_close(), ctrl_shutdown()) {
        (Ok(mut close), Ok(mut shutdown)) => {
            tokio::select! { _ = tokio::signal::ctrl_c() => {} _ = close.recv() => {} _ = shutdown.recv() => {} }
        }
        _ => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}
