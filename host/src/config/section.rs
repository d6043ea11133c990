//! A connection's section of `tandem.toml`, as whoever sets it up writes it: where its secret lies, by what its server is trusted, and which of its
//! keys is at fault.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::put::put_secret;
use super::{Config, SecretSource, TlsConfig};

/// Where typed secrets are kept, beside `tandem.toml`.
const FOLDER: &str = "secrets";
/// By what a host signs in: the keys of a section that name such a secret.
const WAYS: [&str; 3] = ["password", "client_secret", "private_key"];

/// A secret as `tandem.toml` names it; one that was typed has no place yet.
pub fn source(secret: &SecretSource) -> Value {
    match secret {
        SecretSource::Env(name) => json!({ "env": name }),
        SecretSource::File(path) => json!({ "file": path }),
        SecretSource::Credential(name) => json!({ "credential": name }),
        SecretSource::Dpapi(path) => json!({ "dpapi": path }),
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

/// What an error of [`Config::parse`] says of one section: the key at fault, empty where it is none, and why. None where it is of another place.
pub fn fault(kind: &str, name: &str, error: &str) -> Option<(String, String)> {
    let section = format!("[{kind}.{name}] ");
    let why = error.lines().find_map(|line| line.split_once(&section).map(|(_, own)| own))?;
    let key = why.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    Some((key, why.to_owned()))
}

/// Keeps a secret in a file of its own, on Windows a sealed one, which no other section names: what runs goes on with the file that it has. An error
/// in words, with the file.
pub fn keep_secret(name: &str, way: &str, secret: &str, config: &Config) -> Result<SecretSource, String> {
    let mut path = PathBuf::from(FOLDER).join(format!("{name}.{way}"));
    while config.resolve(&path).exists() {
        path = PathBuf::from(FOLDER).join(format!("{name}.{way}.{:06x}", fastrand::u32(..1 << 24)));
    }
    let target = config.resolve(&path);
    let kept = if cfg!(windows) { SecretSource::Dpapi(path) } else { SecretSource::File(path) };
    let failed = |error: &dyn std::error::Error| format!("{}: {error}", target.display());
    put_secret(&target, &kept.bytes(secret).map_err(|error| failed(&error))?).map_err(|error| failed(&error))?;
    Ok(kept)
}

/// Removes the files of a connection's secrets that `before` named and `now` does not, of those that [`keep_secret`] wrote.
pub fn drop_secrets(name: &str, before: &Config, now: &Config) {
    let used: Vec<&Path> = now.secrets().into_iter().filter_map(|(_, source)| source.path()).collect();
    for (_, source) in before.secrets() {
        if source.path().is_some_and(|path| is_kept(name, path) && !used.contains(&path)) {
            drop_secret(source, before);
        }
    }
}

/// Removes a file that [`keep_secret`] wrote.
pub fn drop_secret(kept: &SecretSource, config: &Config) {
    let Some(path) = kept.path().map(|path| config.resolve(path)) else { return };
    if let Err(error) = std::fs::remove_file(&path) {
        tracing::warn!(path = %path.display(), %error, "a secret that is not used any more lies there still");
    }
}

/// Named as [`keep_secret`] names them.
fn is_kept(name: &str, path: &Path) -> bool {
    let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
    let rest = file.strip_prefix(name).and_then(|rest| rest.strip_prefix('.'));
    let is_way = |rest: &str| {
        WAYS.iter().any(|way| match rest.strip_prefix(way) {
            Some(end) => end.is_empty() || (end.len() == 7 && end.starts_with('.')),
            None => false,
        })
    };
    path.parent() == Some(Path::new(FOLDER)) && rest.is_some_and(is_way)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_section_is_told_of_its_key() {
        let told = fault("b1", "erp", "/x/tandem.toml: line 3: [b1.erp] user is empty");
        assert_eq!(told, Some(("user".into(), "user is empty".into())));
        assert_eq!(fault("b1", "erp", "/x/tandem.toml: line 9: [flows.orders] plugin is empty"), None);
    }

    #[test]
    fn a_secret_has_a_file_of_its_own_and_only_one_that_was_kept_so_is_dropped()
    -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("tandem.toml");
        let says = |kept: &SecretSource| {
            let text = format!(
                "[b1.erp]\nurl = \"https://b1/b1s/v2\"\ncompany = \"C\"\nuser = \"u\"\ntime_zone = \"UTC\"\n[b1.erp.password]\n{}",
                toml::to_string(&source(kept)).unwrap_or_default()
            );
            Config::parse(&text, &file)
        };
        let there = |kept: &SecretSource| kept.path().is_some_and(|path| folder.path().join(path).exists());
        let own = folder.path().join("mine.txt");
        std::fs::write(&own, "typed by hand")?;
        let by_hand = says(&SecretSource::File(own.clone()))?;
        let first = keep_secret("erp", "password", "one", &by_hand)?;
        let second = keep_secret("erp", "password", "two", &by_hand)?;
        assert_ne!(first, second);
        let (before, now) = (says(&first)?, says(&second)?);
        drop_secrets("erp", &by_hand, &before);
        assert!(own.exists(), "a file that a person made is his");
        drop_secrets("erp", &before, &before);
        assert!(there(&first), "one that is named still");
        drop_secrets("other", &before, &now);
        assert!(there(&first), "one of another connection");
        drop_secrets("erp", &before, &now);
        assert!(!there(&first) && there(&second));
        assert_eq!(now.b1["erp"].password.read(&now.base)?.reveal(), "two");
        Ok(())
    }
}
