//! The database that `tandem.toml` names: a file of SQLite, or one on a server of PostgreSQL.

use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::task::spawn_blocking;

use super::failure::Failure;
use crate::config::Config;
use crate::connections::transport::tls_config;
use crate::store::postgres::{Address, PostgresStore};
use crate::store::sqlite::{self, SqliteStore};
use crate::store::{Access, Keys, Store};

/// Opens it.
pub async fn open(config: &Config, access: Access) -> Result<Arc<dyn Store>> {
    let Some(address) = address(config)? else {
        let path = config.resolve(&config.store.path);
        let store = SqliteStore::open_sealed(&path, access, keys_of(config)?);
        return Ok(Arc::new(store.with_context(|| path.display().to_string())?));
    };
    let words = address.words();
    let opened = spawn_blocking(move || PostgresStore::open_at(address, access)).await?;
    Ok(Arc::new(opened.with_context(|| words)?))
}

/// Whether a host runs on it, as far as that can be found out.
pub async fn has_host(config: &Config) -> bool {
    match config.store.url {
        None => sqlite::has_host(&config.resolve(&config.store.path)),
        Some(_) => match open(config, Access::Tool).await {
            Ok(store) => store.has_host().await.unwrap_or(false),
            Err(_) => false,
        },
    }
}

/// Refuses where it is none in a file, and says what to do in place of `what`.
pub fn is_file(config: &Config, what: &str, instead: &str) -> Result<()> {
    if config.store.url.is_none() {
        return Ok(());
    }
    let place = config.place(&["store", "url"]);
    Err(Failure::WrongUsage(format!("{place}[store] url: {what} is of a database in a file; {instead}")).into())
}

/// What values of the store are sealed with, as `tandem.toml` says it; looked at again while the host runs.
pub fn keys_of(config: &Config) -> Result<Keys> {
    let Some(source) = config.store.key.clone() else { return Ok(Keys::none()) };
    let base = config.base.clone();
    let keys = Keys::of(move || {
        source.read(&base).map(|secret| secret.reveal().to_owned()).map_err(|error| error.to_string())
    });
    keys.with_context(|| format!("{}[store] key", config.place(&["store", "key"])))
}

/// The server, where one is named.
fn address(config: &Config) -> Result<Option<Address>> {
    let Some(url) = &config.store.url else { return Ok(None) };
    let password = config.store.password.as_ref().map(|source| source.read(&config.base)).transpose();
    let password = password.with_context(|| format!("{}[store] password", config.place(&["store", "password"])))?;
    let password = password.map(|secret| secret.reveal().to_owned());
    match Address::of(url, password, || tls_config(&config.store.tls, &config.base)) {
        Ok(address) => Ok(Some(address)),
        Err(why) => {
            let place = config.place(&["store", "url"]);
            Err(Failure::WrongUsage(format!("{place}[store] url: {why}")).into())
        }
    }
}
