//! Secrets: named in `tandem.toml`, kept elsewhere.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::{Config, ProxyConfig, dpapi};

/// Where a secret is kept. `tandem.toml` never holds one itself, so the file can be mailed, diffed and backed up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file, relative to `tandem.toml`; a trailing line break is dropped.
    File(PathBuf),
    /// What systemd hands to the service under this name. Source: `systemd.exec(5)`, "Credentials".
    Credential(String),
    /// A file, relative to `tandem.toml`, that DPAPI of Windows sealed on this machine.
    Dpapi(PathBuf),
    /// As a person has just typed it, to be tried: no file says this.
    Typed(Secret),
}

impl<'de> Deserialize<'de> for SecretSource {
    /// What stands in its place is never repeated: it may be the secret itself.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase", deny_unknown_fields)]
        enum Named {
            Env(String),
            File(PathBuf),
            Credential(String),
            Dpapi(PathBuf),
        }
        match Named::deserialize(deserializer) {
            Ok(Named::Env(name)) => Ok(Self::Env(name)),
            Ok(Named::File(path)) => Ok(Self::File(path)),
            Ok(Named::Credential(name)) if is_credential(&name) => Ok(Self::Credential(name)),
            Ok(Named::Credential(_)) => Err(D::Error::custom(
                "a credential's name has letters, digits, '-', '_' and '.' alone, and begins with a letter",
            )),
            Ok(Named::Dpapi(path)) => Ok(Self::Dpapi(path)),
            Err(_) => Err(D::Error::custom(
                "a secret never stands here itself; write { env = \"NAME\" }, { file = \"path\" }, of systemd { credential = \"name\" } or, of Windows, { dpapi = \"path\" }",
            )),
        }
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Credential(name) => write!(f, "systemd's credential {name}"),
            Self::Dpapi(path) => write!(f, "the file {}, sealed by its machine (DPAPI)", path.display()),
            Self::Typed(_) => f.write_str("the form"),
        }
    }
}

impl Config {
    /// Every secret that the file names, with its place.
    pub fn secrets(&self) -> Vec<(String, &SecretSource)> {
        fn of(proxy: Option<&ProxyConfig>) -> Option<&SecretSource> {
            proxy?.password.as_ref()
        }
        let mut all: Vec<(String, Option<&SecretSource>)> = vec![
            ("[store] key".into(), self.store.key.as_ref()),
            ("[store] password".into(), self.store.password.as_ref()),
        ];
        for (name, b1) in &self.b1 {
            let place = |key: &str| format!("[b1.{name}] {key}");
            all.push((place("password"), Some(&b1.password)));
            all.push((place("webhook_key"), b1.webhook_key.as_ref()));
            all.push((place("proxy"), of(b1.proxy.as_ref())));
        }
        for (name, org) in &self.salesforce {
            let place = |key: &str| format!("[salesforce.{name}] {key}");
            all.push((place("private_key"), org.private_key.as_ref()));
            all.push((place("client_secret"), org.client_secret.as_ref()));
            all.push((place("webhook_key"), org.webhook_key.as_ref()));
            all.push((place("proxy"), of(org.proxy.as_ref())));
        }
        if let Some(oidc) = &self.console.oidc {
            all.push(("[console.oidc] client_secret".into(), Some(&oidc.client_secret)));
            all.push(("[console.oidc] proxy".into(), of(oidc.proxy.as_ref())));
        }
        if let Some(telemetry) = &self.telemetry {
            let headers = telemetry.headers.iter();
            all.extend(headers.map(|(name, header)| (format!("[telemetry] headers.{name}"), Some(header))));
            all.push(("[telemetry] proxy".into(), of(telemetry.proxy.as_ref())));
        }
        for (name, channel) in &self.alerts.channels {
            let place = |key: &str| format!("[alerts.{name}] {key}");
            all.push((place("password"), channel.password.as_ref()));
            all.push((place("url"), channel.url.as_ref()));
            all.push((place("key"), channel.key.as_ref()));
            all.push((place("proxy"), of(channel.proxy.as_ref())));
        }
        for (name, agent) in &self.agents.own {
            let place = |key: &str| format!("[agents.{name}] {key}");
            all.push((place("key"), agent.key.as_ref()));
            all.push((place("proxy"), of(agent.proxy.as_ref())));
        }
        all.into_iter().filter_map(|(place, secret)| Some((place, secret?))).collect()
    }
}

/// A secret's value. Shown as `***` wherever it might be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The value, for the one place that must send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Why a secret could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// No such variable.
    #[error("the environment variable {0} is not set; set it for the service, or use {{ file = \"...\" }}")]
    NotSet(String),
    /// No such file, or not readable.
    #[error("cannot read the secret file {path}: {cause}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// systemd does not hand it over.
    #[error(
        "systemd hands over no credential {0}: `systemd-creds encrypt --name={0} - {CREDSTORE}/{0}` as root takes it in, then `tandem service install` and \
         `tandem service start`; commands read it while the service runs"
    )]
    Unhanded(String),
    /// Several services have one of that name.
    #[error("several services are handed a credential {name} ({}): give each its own name", .services.join(", "))]
    Several {
        /// Its name.
        name: String,
        /// The folders of those services.
        services: Vec<String>,
    },
    /// Not on Windows.
    #[error(
        "DPAPI, which {{ dpapi = \"...\" }} asks for, is Windows' own, and this is another system: use {{ file = \"...\" }} or, of systemd, {{ credential = \"...\" }}"
    )]
    NotWindows,
    /// DPAPI does not seal it.
    #[error("DPAPI does not seal the secret: {0}")]
    Unsealed(String),
    /// DPAPI does not open it.
    #[error(
        "the sealed secret {path} cannot be opened ({cause}): it was sealed on another machine, or by another program, or is damaged; seal it here from your own \
         copy with `tandem secret seal {path}` (what signs a connection in may be typed again with `tandem init`)"
    )]
    Sealed {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: String,
    },
    /// There, but blank.
    #[error("the secret from {0} is empty")]
    Empty(String),
}

/// Where encrypted credentials lie that systemd hands over.
pub const CREDSTORE: &str = "/etc/credstore.encrypted";
/// Where it hands them to services, a folder for each; commands given beside one, as its user, find them there while it runs.
const HANDED: &str = "/run/credentials";

/// The file of a credential: that which this process was handed, else that of the one service of its user that has it.
fn credential(name: &str) -> Result<PathBuf, SecretError> {
    let own = std::env::var_os("CREDENTIALS_DIRECTORY").map(|folder| Path::new(&folder).join(name));
    if let Some(own) = own.filter(|own| own.is_file()) {
        return Ok(own);
    }
    let services = std::fs::read_dir(HANDED).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = services.filter(|folder| std::fs::File::open(folder.join(name)).is_ok()).collect();
    match (found.pop(), found.is_empty()) {
        (None, _) => Err(SecretError::Unhanded(name.to_owned())),
        (Some(folder), true) => Ok(folder.join(name)),
        (Some(folder), false) => {
            let services = found.iter().chain([&folder]).map(|folder| folder.display().to_string()).collect();
            Err(SecretError::Several { name: name.to_owned(), services })
        }
    }
}

/// It is one word of a unit, and a file's name.
fn is_credential(name: &str) -> bool {
    let may_be = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(may_be)
}

/// Bytes of a secret: a key has 4 KiB at most.
const MOST: u64 = 64 << 10;

/// A path that was meant for something else may never end.
fn bounded(from: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if from.take(MOST + 1).read_to_end(&mut bytes)? as u64 > MOST {
        return Err(std::io::Error::other(format!("it has more than {MOST} bytes: no secret has")));
    }
    Ok(bytes)
}

/// A secret as a file or an input holds it: a trailing line break is dropped.
pub fn text_of(from: impl Read) -> std::io::Result<String> {
    let text = String::from_utf8(bounded(from)?);
    let text = text.map_err(|_| std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not text in UTF-8"))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// What a file holds, and its path.
fn of_file(path: PathBuf) -> Result<(String, String), SecretError> {
    match std::fs::File::open(&path).and_then(text_of) {
        Ok(text) => Ok((text, path.display().to_string())),
        Err(cause) => Err(SecretError::Unreadable { path, cause }),
    }
}

/// What a file holds that is sealed, and its path.
fn of_sealed(path: PathBuf) -> Result<(String, String), SecretError> {
    // Told before that a file is missing, which it may be for the same reason.
    if !cfg!(windows) {
        return Err(SecretError::NotWindows);
    }
    match std::fs::File::open(&path).and_then(bounded) {
        Ok(sealed) => Ok((dpapi::open(&path, &sealed)?, path.display().to_string())),
        Err(cause) => Err(SecretError::Unreadable { path, cause }),
    }
}

impl SecretSource {
    /// Reads the secret; files are relative to `base`.
    pub fn read(&self, base: &Path) -> Result<Secret, SecretError> {
        let (value, origin) = match self {
            Self::Env(name) => (std::env::var(name).map_err(|_| SecretError::NotSet(name.clone()))?, name.clone()),
            Self::File(path) => of_file(base.join(path))?,
            Self::Credential(name) => of_file(credential(name)?)?,
            Self::Dpapi(path) => of_sealed(base.join(path))?,
            Self::Typed(secret) => (secret.reveal().to_owned(), "the form".into()),
        };
        if value.is_empty() { Err(SecretError::Empty(origin)) } else { Ok(Secret(value)) }
    }

    /// The file that `tandem.toml` names, as it names it.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) | Self::Dpapi(path) => Some(path),
            Self::Env(_) | Self::Credential(_) | Self::Typed(_) => None,
        }
    }

    /// What that file holds for `value`.
    pub fn bytes(&self, value: &str) -> Result<Vec<u8>, SecretError> {
        match self {
            Self::Dpapi(_) => dpapi::seal(value),
            _ => Ok(value.as_bytes().to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints_itself() {
        assert_eq!(format!("{:?}", Secret("hunter2".into())), "***");
    }

    #[test]
    fn a_file_without_end_is_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("long"), "x".repeat(70_000)).unwrap();
        let error = SecretSource::File("long".into()).read(folder.path()).unwrap_err();
        assert!(error.to_string().contains("more than 65536 bytes"), "{error}");
    }

    #[test]
    fn a_credential_has_a_name_and_where_it_is_not_handed_over_that_is_told_with_its_mend() {
        let of = |text: &str| toml::from_str::<std::collections::BTreeMap<String, SecretSource>>(text);
        let all = of("password = { credential = \"erp.password\" }").unwrap();
        let error = all["password"].read(Path::new("/etc/tandem")).unwrap_err().to_string();
        assert!(error.contains("systemd-creds encrypt --name=erp.password"), "{error}");
        for odd in ["../../etc/passwd", "a b", "", "a\\nExecStart=/bin/sh", "%n", ".a"] {
            let error = of(&format!("password = {{ credential = \"{odd}\" }}")).unwrap_err().to_string();
            assert!(error.contains("begins with a letter"), "{odd}: {error}");
        }
    }

    #[cfg(not(windows))]
    #[test]
    fn what_windows_seals_is_refused_elsewhere_with_its_mend() {
        let text = "password = { dpapi = \"secrets/erp.password\" }";
        let all: std::collections::BTreeMap<String, SecretSource> = toml::from_str(text).unwrap();
        let source = &all["password"];
        assert_eq!(*source, SecretSource::Dpapi("secrets/erp.password".into()));
        for error in [source.read(Path::new("/etc/tandem")).unwrap_err(), source.bytes("geheim").unwrap_err()] {
            let error = error.to_string();
            assert!(error.contains("Windows' own") && error.contains("use { file ="), "{error}");
        }
    }

    #[cfg(windows)]
    #[test]
    fn what_was_sealed_is_read_again_and_what_is_damaged_is_told_with_its_mend() {
        let folder = tempfile::tempdir().unwrap();
        let source = SecretSource::Dpapi("erp.password".into());
        let mut sealed = source.bytes("geheim").unwrap();
        std::fs::write(folder.path().join("erp.password"), &sealed).unwrap();
        assert!(!sealed.windows(6).any(|part| part == b"geheim"));
        assert_eq!(source.read(folder.path()).unwrap().reveal(), "geheim");
        let middle = sealed.len() / 2;
        sealed[middle] ^= 0xff;
        for damaged in [&sealed[..], &sealed[..20], b"geheim", b""] {
            std::fs::write(folder.path().join("erp.password"), damaged).unwrap();
            let error = source.read(folder.path()).unwrap_err().to_string();
            assert!(error.contains("erp.password") && error.contains("tandem secret seal"), "{error}");
        }
    }

    #[test]
    fn a_missing_secret_file_is_named() {
        let error = SecretSource::File("nowhere.txt".into()).read(Path::new("/etc/tandem")).unwrap_err();
        assert!(error.to_string().contains("nowhere.txt"), "{error}");
    }
}
