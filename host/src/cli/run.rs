//! `tandem run`

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use tokio::sync::watch;

use super::service::{self, Parts};
use crate::service::Manager;
use crate::store::Access;

/// Runs until the service manager or a person says stop.
pub async fn run(config: &Path) -> Result<ExitCode> {
    let (stop, stopped) = watch::channel(false);
    let asked = async move {
        asked_to_stop().await;
        tracing::info!("stopping: runs under way are finished first");
        stop.send_replace(true);
        // Asked twice: at once. Nothing is lost; the next start takes up what was open.
        asked_to_stop().await;
        crate::ending::exit(130);
    };
    until(config, stopped, asked).await?;
    Ok(ExitCode::SUCCESS)
}

/// Runs until `stopped` turns true. `asked` is what waits for that, once all that may be refused was there.
async fn until(
    config: &Path,
    stopped: watch::Receiver<bool>,
    asked: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    let starting = Manager::of_process().starting();
    let parts = Parts::open(config, Access::Host).await?;
    let connections = parts.connect()?;
    #[cfg(windows)]
    crate::service::windows::stops_within(parts.config.host.stop_seconds);
    tokio::spawn(asked);
    service::serve(parts, connections, stopped, Some(starting)).await
}

/// Runs as the Windows service of that name, started by the service control manager.
#[cfg(windows)]
pub fn as_windows_service(cli: super::Cli, name: &str) -> ExitCode {
    use super::failure::exit_code;
    use crate::connections::transport::chain;
    use crate::service::windows;

    let own = name.to_owned();
    let served = windows::serve(name, move |stopped| {
        if let Err(error) = super::start_log(&cli) {
            windows::EventLog::tell(&own, &format!("the host does not start: {error}"));
            return super::failure::FAILED;
        }
        let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "cannot start");
                return super::failure::FAILED;
            }
        };
        let mut told = stopped.clone();
        let said = async move {
            if told.wait_for(|stop| *stop).await.is_ok() {
                tracing::info!("stopping: runs under way are finished first");
            }
        };
        let result = runtime.block_on(until(&cli.config, stopped, said));
        runtime.shutdown_timeout(std::time::Duration::from_secs(2));
        let code = result.err().map_or(0, |error| {
            // Nobody reads standard error: it stands in the log and in the event log.
            tracing::error!("the host ends: {}", chain(error.as_ref()));
            exit_code(&error)
        });
        crate::log::flush();
        code
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            super::output::complain(error);
            ExitCode::FAILURE
        }
    }
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
