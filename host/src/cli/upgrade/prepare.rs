//! All that is looked at before anything is changed, as the user whom the database belongs to, beside the running host.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use tempfile::TempDir;
use tokio::process::Command;
use toml_edit::{DocumentMut, value};

use crate::backup::{fresh, has_room, sweep};
use crate::cli::check;
use crate::cli::service::Parts;
use crate::config::Config;
use crate::disk::{folder_of, scratch};
use crate::releases::{shipped, signature_of};
use crate::sandbox::digest_of;
use crate::store::Access;
use crate::store::sqlite::copy::Look;
use crate::upgrade::trial::{Prepared, Trial};
use crate::upgrade::{PROGRAM, UpgradeError};

/// `tandem.toml` of the trial, beside the own one: what it names is named from there.
const TRIAL: &str = ".tandem-upgrade.toml";
/// What the folder begins with that holds the copy of the database.
const SCRATCH: &str = ".tandem-upgrade-";

/// `unpacked`: the new version.
pub async fn prepare(config: &Path, unpacked: &Path) -> Result<Prepared> {
    let parts = Parts::open(config, Access::Tool).await?;
    let config = parts.config.clone();
    let connections = parts.connect()?;
    let now = check::look(&config, &connections).await?;
    let plugins = renewed(&config, unpacked)?;
    let trial = Scratch::make(&parts, unpacked, &plugins).await?;
    let format = Look::at(&trial.database())?.format;
    Ok(Prepared { now, format, plugins, trial: trial.run(unpacked).await? })
}

/// Files of the plugins folder that lie there as they came along with this version; what somebody put there otherwise is his.
fn renewed(config: &Config, unpacked: &Path) -> Result<Vec<PathBuf>> {
    let Some(came_along) = shipped::folder() else { return Ok(Vec::new()) };
    let folder = config.resolve(&config.host.plugins);
    let digest = |path: &Path| std::fs::read(path).ok().map(|bytes| digest_of(&bytes));
    let names = shipped::names_in(&unpacked.join("plugins"))?.into_iter();
    let own = names.map(|name| format!("{name}.wasm")).filter(|file| {
        let there = digest(&folder.join(file));
        there.is_some() && there == digest(&came_along.join(file))
    });
    Ok(own.map(|file| folder.join(file)).collect())
}

/// A copy of the database, with plugins as they would be; it goes with the value.
struct Scratch {
    folder: TempDir,
    config: PathBuf,
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.config);
    }
}

impl Scratch {
    fn database(&self) -> PathBuf {
        self.folder.path().join("tandem.db")
    }

    async fn make(parts: &Parts, unpacked: &Path, renewed: &[PathBuf]) -> Result<Self> {
        let config: &Arc<Config> = &parts.config;
        let place = config.resolve(&config.store.path);
        let beside = folder_of(&place);
        sweep(beside, SCRATCH)?;
        has_room(beside, std::fs::metadata(&place).map_or(0, |file| file.len()))?;
        let folder = scratch(beside, SCRATCH)?;
        let own = Self { folder, config: config.base.join(TRIAL) };
        fresh(&own.database())?;
        parts.store.copy(&own.database()).await?;
        let plugins = own.folder.path().join("plugins");
        std::fs::create_dir(&plugins)?;
        let there = config.resolve(&config.host.plugins);
        for entry in std::fs::read_dir(&there).with_context(|| format!("cannot read {}", there.display()))? {
            let path = entry?.path();
            // What signs a plugin of before signs no other in its place.
            let is_past = renewed.iter().any(|renewed| signature_of(renewed) == path);
            let Some(name) = path.file_name().filter(|_| path.is_file() && !is_past) else { continue };
            let from = if renewed.contains(&path) { unpacked.join("plugins").join(name) } else { path.clone() };
            std::fs::copy(&from, plugins.join(name)).with_context(|| format!("cannot copy {}", from.display()))?;
            if renewed.contains(&path) && signature_of(&from).exists() {
                std::fs::copy(signature_of(&from), signature_of(&plugins.join(name)))?;
            }
        }
        let text = std::fs::read_to_string(&config.file).with_context(|| config.file.display().to_string())?;
        let mut document: DocumentMut = text.parse()?;
        let path =
            |path: &Path| path.to_str().map(str::to_owned).ok_or_else(|| anyhow!("{} is no text", path.display()));
        document["store"]["path"] = value(path(&own.database())?);
        document["host"]["plugins"] = value(path(&plugins)?);
        std::fs::write(&own.config, document.to_string())
            .with_context(|| format!("cannot write {}", own.config.display()))?;
        Ok(own)
    }

    /// What the new program says over it.
    async fn run(&self, unpacked: &Path) -> Result<Trial> {
        let program = unpacked.join(PROGRAM);
        let mut command = Command::new(&program);
        command.arg("--config").arg(&self.config).args(["--json", "upgrade", super::TRY]);
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
        let failed = |why: String| UpgradeError::Program {
            command: format!("{} upgrade {}", program.display(), super::TRY),
            why,
        };
        let output = output.map_err(|error| failed(error.to_string()))?;
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if !output.status.success() {
            return Err(failed(if said.is_empty() { output.status.to_string() } else { said }).into());
        }
        Ok(serde_json::from_slice(&output.stdout).map_err(|error| failed(format!("{error}: {said}")))?)
    }
}
