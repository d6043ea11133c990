//! Records that survive a restart: the file of `--data`.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};

use crate::admin::Simulated;

/// A file that is read at the start, and written every second when the records changed.
pub struct KeptFile<S> {
    path: PathBuf,
    simulator: Arc<S>,
    last: u64,
}

impl<S: Simulated> KeptFile<S> {
    /// Reads the file into the simulator when it is there.
    pub fn open(path: PathBuf, simulator: Arc<S>) -> Result<Self> {
        if path.exists() {
            let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            simulator.restore(&text).map_err(|why| {
                anyhow::anyhow!("{} is not a simulator's data ({why}); name another file with --data", path.display())
            })?;
        }
        Ok(Self { path, simulator, last: 0 })
    }

    fn write(&mut self) {
        let text = self.simulator.snapshot();
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        if self.last == hasher.finish() {
            return;
        }
        self.last = hasher.finish();
        // Under another name first: an end in the middle leaves the old file whole.
        let draft = self.path.with_extension("tmp");
        let written = std::fs::write(&draft, text).and_then(|()| std::fs::rename(&draft, &self.path));
        if let Err(error) = written {
            eprintln!("cannot keep {}: {error}", self.path.display());
        }
    }
}

/// Writes the file every second, and once more when the process is asked to stop; then returns. Without a file it waits
/// for the stop alone.
pub async fn kept_until_stopped<S: Simulated>(kept: Option<KeptFile<S>>) {
    // One wait for all rounds: a signal that comes while the file is written is not missed.
    let mut stopped = std::pin::pin!(stopped());
    let Some(mut kept) = kept else {
        return stopped.await;
    };
    loop {
        tokio::select! {
            () = tokio::time::sleep(std::time::Duration::from_secs(1)) => kept.write(),
            () = &mut stopped => {
                kept.write();
                return;
            }
        }
    }
}

#[cfg(unix)]
async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    if let Ok(mut terminate) = signal(SignalKind::terminate()) {
        tokio::select! { _ = tokio::signal::ctrl_c() => {} _ = terminate.recv() => {} }
    }
}

#[cfg(not(unix))]
async fn stopped() {
    let _ = tokio::signal::ctrl_c().await;
}
