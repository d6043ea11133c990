//! `tandem.toml` as it grows: written only with what was tried, so that whoever breaks off leaves a file that holds.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use serde_json::{Map, Value};

use crate::checks::{self, Finding};
use crate::config::put::put_all;
use crate::config::rewrite::section;
use crate::config::section::{drop_secrets, fault, keep_secret, source};
use crate::config::{Config, SecretSource};
use crate::connections::{self, Connection};

/// A file that names nothing yet.
const HEAD: &str =
    "# Tandem. Secrets stay outside: an environment variable ({ env = \"NAME\" }) or a file ({ file = \"path\" }).\n";

/// See the module's words.
pub struct Draft {
    file: PathBuf,
    text: String,
    /// What the text says.
    pub config: Config,
}

/// A connection to be tried.
pub struct Section {
    /// `b1` or `salesforce`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its keys but the secret.
    pub keys: Map<String, Value>,
    /// The secret's key.
    pub way: &'static str,
    /// The secret.
    pub secret: SecretSource,
}

/// What became of a try.
pub enum Tried {
    /// It is signed in: the connection, and all that was found.
    SignedIn(Box<Connection>, Vec<Finding>),
    /// Which key is at fault, why, and what helps.
    Not {
        /// Such as `company`.
        key: String,
        /// What the system said.
        why: String,
        /// What helps.
        mend: String,
    },
}

impl Draft {
    /// The file as it is, or one that names nothing yet; nothing is written.
    pub fn of(file: &Path) -> Result<Self> {
        let text = match std::fs::read_to_string(file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => HEAD.to_owned(),
            text => text.with_context(|| format!("cannot read {}", file.display()))?,
        };
        let config = Config::parse(&text, file)?;
        Ok(Self { file: file.to_owned(), text, config })
    }

    /// Tries a connection with its secret as it was typed: nothing is written.
    pub async fn tried(&self, own: &Section) -> Result<Tried> {
        let (kind, name) = (own.kind, own.name.as_str());
        let text = section(&self.text, kind, name, &own.with(&source(&own.secret))).map_err(|why| anyhow!(why))?;
        let mut config = match Config::parse(&text, &self.file) {
            Ok(config) => config,
            Err(error) => return Ok(of_section(kind, name, &error.to_string())),
        };
        if let Some(b1) = config.b1.get_mut(name) {
            b1.password = own.secret.clone();
        }
        if let Some(org) = config.salesforce.get_mut(name) {
            let secret = if own.way == "private_key" { &mut org.private_key } else { &mut org.client_secret };
            *secret = Some(own.secret.clone());
        }
        let connection = match connections::one(name, &config) {
            Ok(connection) => connection,
            Err(error) => {
                return Ok(Tried::Not { key: own.way.into(), why: error.to_string(), mend: String::new() });
            }
        };
        let mut findings = Vec::new();
        checks::look(name, &connection, &config, &mut findings).await;
        let what = format!("connection {name}");
        match findings.iter().find(|found| found.what == what && !found.good) {
            Some(bad) => Ok(Tried::Not { key: own.way.into(), why: bad.says.clone(), mend: bad.mend.clone() }),
            None => Ok(Tried::SignedIn(Box::new(connection), findings)),
        }
    }

    /// Keeps a connection: its secret in a file of its own, then its section.
    pub fn keep(&mut self, own: &Section) -> Result<()> {
        let before = self.config.clone();
        let kept = match &own.secret {
            SecretSource::Typed(secret) => {
                let kept = keep_secret(&own.name, own.way, secret.reveal(), &before);
                SecretSource::File(kept.map_err(|why| anyhow!("cannot write {why}"))?)
            }
            kept => kept.clone(),
        };
        self.put(own.kind, &own.name, &own.with(&source(&kept)))?;
        drop_secrets(&own.name, &before, &self.config);
        Ok(())
    }

    /// Writes a section.
    pub fn put(&mut self, kind: &str, name: &str, keys: &Map<String, Value>) -> Result<()> {
        let text = section(&self.text, kind, name, keys).map_err(|why| anyhow!(why))?;
        let config = Config::parse(&text, &self.file)?;
        put_all(&[(self.file.clone(), text.clone().into_bytes())]).map_err(|why| anyhow!(why))?;
        (self.text, self.config) = (text, config);
        Ok(())
    }
}

impl Section {
    fn with(&self, secret: &Value) -> Map<String, Value> {
        let mut keys = self.keys.clone();
        keys.insert(self.way.to_owned(), secret.clone());
        keys
    }
}

/// What is wrong with a section, by its key.
fn of_section(kind: &str, name: &str, why: &str) -> Tried {
    let (key, why) = fault(kind, name, why).unwrap_or_else(|| (String::new(), why.to_owned()));
    Tried::Not { key, why, mend: String::new() }
}
