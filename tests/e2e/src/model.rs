//! The scripted model server, beside a world.

use anyhow::{Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Child;

/// Gone with the value.
pub struct Model {
    _process: Child,
    _folder: TempDir,
    /// Where it listens.
    pub address: String,
    client: reqwest::Client,
}

impl Model {
    /// With nothing to say yet.
    pub async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let arguments = ["--listen".to_owned(), "127.0.0.1:0".into()];
        let file = folder.path().join("address");
        let (process, address) = crate::simulator("tandem-sim-model", &arguments, &file, 1).await?;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { _process: process, _folder: folder, address: address[0].clone(), client })
    }

    /// From now on it says this.
    pub async fn says(&self, script: Value) -> Result<()> {
        let sent = self.client.put(format!("{}/admin/script", self.address)).body(script.to_string()).send().await?;
        ensure!(sent.status() == 200, "{}", sent.text().await?);
        Ok(())
    }

    /// All that it was asked: `api`, `key`, `step`, `body`.
    pub async fn asked(&self) -> Result<Vec<Value>> {
        let text = self.client.get(format!("{}/admin/asked", self.address)).send().await?.text().await?;
        Ok(serde_json::from_str(&text)?)
    }
}
