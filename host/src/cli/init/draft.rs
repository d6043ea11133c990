//! `tandem.toml` as it grows: written only with what was tried, so that whoever breaks off leaves a file that holds.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use serde_json::{Map, Value, json};

use super::ask::Asker;
use crate::checks::{self, Finding};
use crate::cli::output::Output;
use crate::config::put::{put_all, put_secret};
use crate::config::rewrite::section;
use crate::config::{Config, SecretSource, TlsConfig};
use crate::connections::{self, Connection};

/// Where typed secrets are kept, beside `tandem.toml`.
const FOLDER: &str = "secrets";
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
        let kept = match &own.secret {
            SecretSource::Typed(secret) => {
                let path = PathBuf::from(FOLDER).join(format!("{}.{}", own.name, own.way));
                let target = self.config.resolve(&path);
                put_secret(&target, secret.reveal()).with_context(|| format!("cannot write {}", target.display()))?;
                SecretSource::File(path)
            }
            kept => kept.clone(),
        };
        self.put(own.kind, &own.name, &own.with(&source(&kept)))
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

/// Says why a system does not let the host in, and that it is asked again; an error where nobody is there.
pub fn refused(asker: &Asker, kind: &str, key: &str, why: &str, mend: &str, output: &Output) -> Result<()> {
    asker.again(&format!("{kind}.{key}"), why, mend)?;
    output.say("what follows is asked again; Enter keeps an answer");
    Ok(())
}

/// A secret as `tandem.toml` names it; one that was typed has no place yet.
fn source(secret: &SecretSource) -> Value {
    match secret {
        SecretSource::Env(name) => json!({ "env": name }),
        SecretSource::File(path) => json!({ "file": path }),
        SecretSource::Typed(_) => json!({ "file": "typed" }),
    }
}

/// `tls` of a section; null for the ordinary one.
pub fn tls(own: &TlsConfig) -> Value {
    match (&own.pin_sha256, &own.ca_file) {
        (Some(pin), _) => json!({ "pin_sha256": pin }),
        (None, Some(file)) => json!({ "ca_file": file }),
        (None, None) => Value::Null,
    }
}

/// What is wrong with a section, by its key.
fn of_section(kind: &str, name: &str, why: &str) -> Tried {
    let own = why.lines().find_map(|line| line.split_once(&format!("[{kind}.{name}] ")).map(|(_, own)| own));
    let why = own.unwrap_or(why).to_owned();
    let key: String = why.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    Tried::Not { key, why, mend: String::new() }
}
