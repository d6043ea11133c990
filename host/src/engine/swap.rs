//! Files swapped under a running host: a new plugin, mapping file or mapping plugin is taken up within seconds, without
//! a restart. One that cannot be used, or asks for more than was granted, leaves the flow on what it had.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use tokio::sync::watch;

use super::{Engine, Flow, REBIND, Running};

/// When a file was changed, and its size; `None` while it is not there.
type Stamp = Option<(SystemTime, u64)>;

/// The files a flow was made from.
pub(super) struct Files {
    stamps: Vec<(PathBuf, Stamp)>,
    looked: Instant,
    /// Why the files as they are now are not taken; said once.
    refused: Option<String>,
}

impl Files {
    fn new(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let stamps = paths.into_iter().map(|path| (path.clone(), stamp(&path))).collect();
        Self { stamps, looked: Instant::now(), refused: None }
    }

    fn changed(&self) -> bool {
        self.stamps.iter().any(|(path, old)| stamp(path) != *old)
    }
}

fn stamp(path: &PathBuf) -> Stamp {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

impl Engine {
    /// To be asked before the flow is bound: what changes while it is bound is seen later.
    pub(super) fn files_of(&self, flow: &str) -> Files {
        let config = self.config.flows.get(flow);
        let plugin = config.map(|config| self.plugins.path(&config.plugin));
        let others = config.into_iter().flat_map(|config| config.mapping.iter().chain(&config.mapper));
        Files::new(plugin.into_iter().chain(others.map(|path| self.config.resolve(path))))
    }

    /// The flow made anew when one of its files was swapped and can be used, or when another flow takes other topics now.
    pub(super) async fn swapped(
        &self,
        flow: &Flow,
        files: &mut Files,
        running: &mut watch::Receiver<Running>,
    ) -> Option<Arc<Flow>> {
        if files.looked.elapsed() < REBIND {
            return None;
        }
        files.looked = Instant::now();
        let others = running.has_changed().unwrap_or(false) && {
            running.mark_unchanged();
            self.plugins.topics(&flow.name, &self.config, &self.runtime).await != flow.bound.topics
        };
        if !files.changed() && !others {
            // Put back as they were.
            if files.refused.take().is_some() {
                self.set_refused(&flow.name, None);
            }
            return None;
        }
        let mut fresh = self.files_of(&flow.name);
        match self.plugins.bind(&flow.name, &self.config, &self.connections, self.inbox.store(), &self.runtime).await {
            Ok(new) => {
                let (old, now) = (&flow.plugin, &new.plugin);
                if old.digest != now.digest || !others {
                    let (from, to) = (&old.description.version, &now.description.version);
                    tracing::info!(flow = flow.name, from, to, digest = now.digest, "swapped");
                }
                self.runs(&new);
                self.set_refused(&flow.name, None);
                *files = fresh;
                Some(Arc::new(new))
            }
            Err(error) => {
                let why = error.to_string();
                if files.refused.as_ref() != Some(&why) {
                    tracing::error!(
                        flow = flow.name,
                        why,
                        "the changed files are not taken; the flow goes on with what it had"
                    );
                }
                self.set_refused(&flow.name, Some(&why));
                // Asked again until the file is mended or the grant is given.
                fresh.stamps.clone_from(&files.stamps);
                fresh.refused = Some(why);
                *files = fresh;
                None
            }
        }
    }
}
