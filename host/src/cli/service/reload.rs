//! `tandem.toml` is read again when it changes: what it says then is made ready beside the running host, and taken up as a whole or not at all.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};

use super::Setup;
use crate::config::{Config, Stamp, stamp};
use crate::engine::Engine;

/// What warnings about it go by, in `/readyz`.
pub(super) const FILE: &str = "tandem.toml";

/// Between two looks at the file.
const LOOK: Duration = Duration::from_secs(2);

/// The file as it was seen last.
pub(super) struct Known {
    file: PathBuf,
    stamp: Stamp,
}

impl Known {
    /// The first look reads it, whatever its stamp: it may have been changed since the configuration was read.
    pub(super) fn of(config: &Config) -> Self {
        Self { stamp: None, file: config.file.clone() }
    }

    /// Ready when the file says something else that can be used. What cannot is told, once, and changes nothing.
    pub(super) async fn changed(&mut self, setup: &Setup, engine: &Engine) -> Setup {
        let mut last = stamp(&self.file);
        loop {
            tokio::time::sleep(LOOK).await;
            let now = stamp(&self.file);
            // Half a file may be a whole one to its reader: it is left alone until nobody writes it any more.
            if now == self.stamp || std::mem::replace(&mut last, now) != now {
                continue;
            }
            self.stamp = now;
            match self.taken_up(setup).await {
                Ok(Some(new)) => {
                    tracing::info!("tandem.toml was changed: taken up");
                    return new;
                }
                Ok(None) => engine.set_refused(FILE, None),
                Err(error) => {
                    let why = format!("{error:#}");
                    tracing::error!(why, "the changed tandem.toml is not taken; the host goes on with what it had");
                    engine.set_refused(FILE, Some(&why));
                }
            }
        }
    }

    /// Returns once the file is not the one that was read.
    async fn is_another(&self) {
        while stamp(&self.file) == self.stamp {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// None where there is nothing to take up: it says the same, or was changed meanwhile and is read again.
    async fn taken_up(&self, setup: &Setup) -> Result<Option<Setup>> {
        let new = Config::load(&self.file)?;
        let before = &setup.config;
        if new == **before {
            return Ok(None);
        }
        if new.store.path != before.store.path {
            bail!("{}[store] path: another database needs a new start of the host", new.place(&["store", "path"]));
        }
        if (&new.store.url, &new.store.password, &new.store.tls)
            != (&before.store.url, &before.store.password, &before.store.tls)
        {
            bail!("{}[store] url: another database needs a new start of the host", new.place(&["store", "url"]));
        }
        if new.store.key != before.store.key {
            let place = new.place(&["store", "key"]);
            bail!(
                "{place}[store] key: another place of the keys needs a new start of the host; another key in the same file does not"
            );
        }
        if new.log != before.log {
            bail!("{}[log]: another log needs a new start of the host", new.place(&["log"]));
        }
        if new.flows.is_empty() && !before.flows.is_empty() {
            bail!("{}: no flow is left in it; to end all flows stop the host", self.file.display());
        }
        let connections = crate::connections::reconnect(&new, before, &setup.connections)?;
        let releases = setup.releases.reconfigured(&new);
        // Beside the work of what runs: it may take minutes, in which a person may have seen a mistake in the file.
        tokio::select! {
            () = releases.compile(&new) => {}
            () = self.is_another() => {}
        }
        if stamp(&self.file) != self.stamp {
            return Ok(None);
        }
        let door = (new.host.listen == before.host.listen).then(|| setup.door.clone());
        Setup::of(Arc::new(new), Arc::new(connections), Arc::new(releases), setup.seat.clone(), door).await.map(Some)
    }
}
