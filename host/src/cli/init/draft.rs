//! `tandem.toml` as it grows: written only with what was tried, so that whoever breaks off leaves a file that holds.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Map, Value};

use crate::checks::{self, Finding};
use crate::config::put::put_all;
use crate::config::rewrite::section;
use crate::config::section::{drop_secret, drop_secrets, fault, keep_secret, source};
use crate::config::{Config, SecretSource};
use crate::connections::{self, CallError, Connection};

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
        /// Such as `company`; several where it may be any of them, none where it is the section.
        keys: Vec<String>,
        /// What the system said.
        why: String,
        /// What helps.
        mend: String,
    },
}

impl Draft {
    /// The file as it is, or one that names nothing yet; nothing is written.
    pub fn of(file: &Path) -> Result<Self> {
        let mut own = Self { file: file.to_owned(), text: HEAD.to_owned(), config: Config::parse(HEAD, file)? };
        own.read_again()?;
        Ok(own)
    }

    /// What a running host's console, or somebody's editor, made of the file since it was read is not undone.
    fn read_again(&mut self) -> Result<()> {
        let text = match std::fs::read_to_string(&self.file) {
            // One that was there and is gone comes again.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            text => text.with_context(|| format!("cannot read {}", self.file.display()))?,
        };
        self.config = Config::parse(&text, &self.file)?;
        self.text = text;
        Ok(())
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
                return Ok(Tried::Not { keys: vec![own.way.into()], why: error.to_string(), mend: String::new() });
            }
        };
        let mut findings = Vec::new();
        let Err(error) = checks::look(name, &connection, &config, &mut findings).await else {
            return Ok(Tried::SignedIn(Box::new(connection), findings));
        };
        let bad = findings.into_iter().find(|found| !found.good);
        let (why, mend) = bad.map_or_else(|| (error.to_string(), String::new()), |bad| (bad.says, bad.mend));
        Ok(Tried::Not { keys: own.to_blame(&error), why, mend })
    }

    /// Keeps a connection: its secret in a file of its own, then its section.
    pub fn keep(&mut self, own: &Section) -> Result<()> {
        self.read_again()?;
        let before = self.config.clone();
        let SecretSource::Typed(secret) = &own.secret else {
            if let Some(path) = own.secret.path()
                && !self.config.resolve(path).exists()
            {
                bail!("{} is gone: somebody gave {} another secret meanwhile; begin it anew", path.display(), own.name);
            }
            self.put(own.kind, &own.name, &own.with(&source(&own.secret)))?;
            drop_secrets(&own.name, &before, &self.config);
            return Ok(());
        };
        let kept = keep_secret(&own.name, own.way, secret.reveal(), &before);
        let kept = kept.map_err(|why| anyhow!("cannot write {why}"))?;
        if let Err(error) = self.put(own.kind, &own.name, &own.with(&source(&kept))) {
            drop_secret(&kept, &before);
            return Err(error);
        }
        drop_secrets(&own.name, &before, &self.config);
        Ok(())
    }

    /// Writes a section into the file as it is now.
    pub fn put(&mut self, kind: &str, name: &str, keys: &Map<String, Value>) -> Result<()> {
        self.put_with(kind, name, keys, Vec::new())
    }

    /// The same with files that it names: all of it, or nothing.
    pub fn put_with(
        &mut self,
        kind: &str,
        name: &str,
        keys: &Map<String, Value>,
        mut files: Vec<(PathBuf, Vec<u8>)>,
    ) -> Result<()> {
        self.read_again()?;
        let text = section(&self.text, kind, name, keys).map_err(|why| anyhow!(why))?;
        let config = Config::parse(&text, &self.file)?;
        files.push((self.file.clone(), text.clone().into_bytes()));
        put_all(&files).map_err(|why| anyhow!(why))?;
        (self.text, self.config) = (text, config);
        Ok(())
    }
}

impl Section {
    /// The keys of which one is wrong, where the system could not be signed in to.
    fn to_blame(&self, error: &CallError) -> Vec<String> {
        let keys: &[&str] = match (self.kind, error) {
            ("b1", CallError::SignIn(_)) => &["company", "user", self.way],
            ("b1", _) => &["url"],
            // OAuth's own words for a consumer key that the org does not know.
            (_, CallError::SignIn(why)) if why.contains("invalid_client_id") => &["client_id"],
            (_, CallError::SignIn(_)) if self.way == "private_key" => &["client_id", "username", self.way],
            (_, CallError::SignIn(_)) => &["client_id", self.way],
            _ => &["login_url"],
        };
        keys.iter().map(|key| (*key).to_owned()).collect()
    }

    fn with(&self, secret: &Value) -> Map<String, Value> {
        let mut keys = self.keys.clone();
        keys.insert(self.way.to_owned(), secret.clone());
        keys
    }
}

/// What is wrong with a section, by its key.
fn of_section(kind: &str, name: &str, why: &str) -> Tried {
    let (key, why) = fault(kind, name, why).unwrap_or_else(|| (String::new(), why.to_owned()));
    let keys = if key.is_empty() { Vec::new() } else { vec![key] };
    Tried::Not { keys, why, mend: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn erp(secret: &str) -> Section {
        let keys = serde_json::json!({ "url": "https://b1/b1s/v2", "company": "C", "user": "u", "time_zone": "UTC" });
        let keys = keys.as_object().cloned().unwrap_or_default();
        let secret = SecretSource::Typed(Secret::from(secret.to_owned()));
        Section { kind: "b1", name: "erp".into(), keys, way: "password", secret }
    }

    #[test]
    fn what_somebody_else_saved_since_it_was_read_is_not_undone() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("tandem.toml");
        let (mut first, mut other) = (Draft::of(&file)?, Draft::of(&file)?);
        first.keep(&erp("one"))?;
        other.keep(&Section { name: "erp2".into(), ..erp("two") })?;
        other.keep(&erp("three"))?;
        first.put(
            "flows",
            "orders",
            serde_json::json!({ "plugin": "orders", "connections": {} }).as_object().unwrap_or(&Map::new()),
        )?;
        let now = Draft::of(&file)?.config;
        assert_eq!((now.b1.len(), now.flows.len()), (2, 1));
        for (name, secret) in [("erp", "three"), ("erp2", "two")] {
            assert_eq!(now.b1[name].password.read(&now.base)?.reveal(), secret);
        }
        let gone = Section { secret: SecretSource::File("secrets/erp.password".into()), ..erp("") };
        assert!(first.keep(&gone).is_err_and(|error| error.to_string().contains("meanwhile")));
        assert_eq!(Draft::of(&file)?.config.b1["erp"], now.b1["erp"]);
        assert_eq!(std::fs::read_dir(folder.path().join("secrets"))?.count(), 2, "what is not used any more is gone");
        Ok(())
    }
}
