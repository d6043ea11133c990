//! Who made it: signatures in minisign's format over components and exported releases, by the keys that `tandem.toml` names.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use minisign::{PublicKey, SecretKey, SecretKeyBox, SignatureBox};

use crate::config::TrustConfig;

/// Why a signature or a key cannot be used. The text names cause and mend.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// No signature, where one is asked for.
    #[error(
        "{0} is not signed, and tandem.toml says [trust] signed_only; sign it with `minisign -S -m <file>`, or take that line out"
    )]
    Unsigned(PathBuf),
    /// Signed, by somebody else or over something else.
    #[error("{path}: its signature is not one of [trust] keys over this very content: {cause}")]
    Refused {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// A release that was kept before it had to be signed, or whose key counts no more.
    #[error(
        "release {release} of {flow} is not signed by one of [trust] keys, and tandem.toml says signed_only; sign its files, import it signed, or take that line out"
    )]
    Release {
        /// The flow.
        flow: String,
        /// The beginning of its digest.
        release: String,
    },
    /// A key that is none.
    #[error("{place}: {cause}")]
    Key {
        /// Where it stands.
        place: String,
        /// What is wrong.
        cause: String,
    },
}

/// The keys whose signatures count, and whether everything must carry one.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    keys: Vec<PublicKey>,
    signed_only: bool,
}

impl From<TrustConfig> for Trust {
    /// What is no key was refused when `tandem.toml` was read: one that slips through counts for nobody.
    fn from(config: TrustConfig) -> Self {
        let known = |key: &String| PublicKey::from_base64(key).ok();
        Self { keys: config.keys.iter().filter_map(known).collect(), signed_only: config.signed_only }
    }
}

impl Trust {
    /// Checks the signature that lies beside a file as `<file>.minisig`, and says whose it is; without one, whether it may go without.
    pub fn check_file(&self, path: &Path, content: &[u8]) -> Result<Option<String>, TrustError> {
        match std::fs::read_to_string(signature_of(path)) {
            Ok(signature) if !self.keys.is_empty() => self.check(path, content, &signature).map(Some),
            Ok(_) => Ok(None),
            Err(_) => self.unsigned(path).map(|()| None),
        }
    }

    /// Whether a release that is kept may go live, by the key it was signed with.
    pub fn check_kept(&self, flow: &str, release: &str, signed_by: Option<&str>) -> Result<(), TrustError> {
        let counts = |by: &str| self.keys.iter().any(|key| named(key.keynum()) == by);
        if self.signed_only && !signed_by.is_some_and(counts) {
            return Err(TrustError::Release { flow: flow.to_owned(), release: release.to_owned() });
        }
        Ok(())
    }

    /// Whether it may go without a signature.
    pub fn unsigned(&self, path: &Path) -> Result<(), TrustError> {
        if self.signed_only { Err(TrustError::Unsigned(path.to_owned())) } else { Ok(()) }
    }

    /// Checks a signature by whichever key made it; says which, as people see it.
    pub fn check(&self, path: &Path, content: &[u8], signature: &str) -> Result<String, TrustError> {
        let refused = |cause: String| TrustError::Refused { path: path.to_owned(), cause };
        let signature = SignatureBox::from_string(signature).map_err(|e| refused(e.to_string()))?;
        let key = self.keys.iter().find(|key| key.keynum() == signature.keynum());
        let key = key.ok_or_else(|| refused(format!("made by the key {}", named(signature.keynum()))))?;
        minisign::verify(key, &signature, Cursor::new(content), true, false, false)
            .map_err(|e| refused(e.to_string()))?;
        Ok(named(key.keynum()))
    }

    /// True where a signature can be told from another.
    pub fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }
}

/// What the name of a signature ends with.
pub const SIGNATURE: &str = ".minisig";

/// Where a file's signature lies: beside it.
pub fn signature_of(path: &Path) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(SIGNATURE);
    beside.into()
}

/// Key ids as minisign prints them: the number, most significant byte first.
fn named(keynum: &[u8]) -> String {
    keynum.iter().rev().map(|byte| format!("{byte:02X}")).collect()
}

/// Signs with the secret key in a file; one with a password is asked for it on the terminal.
pub fn sign(content: &[u8], key_file: &Path, comment: &str) -> Result<String, TrustError> {
    let place = key_file.display().to_string();
    let failed = |cause: String| TrustError::Key { place: place.clone(), cause };
    let text = std::fs::read_to_string(key_file).map_err(|e| failed(e.to_string()))?;
    let key = || SecretKeyBox::from_string(&text).map_err(|e| failed(format!("no secret key of minisign: {e}")));
    let key = match key()?.into_unencrypted_secret_key() {
        Ok(key) => key,
        Err(_) => SecretKey::from_box(key()?, None).map_err(|e| failed(e.to_string()))?,
    };
    let signature = minisign::sign(None, &key, content, Some(comment), Some("signature of a release of Tandem"));
    Ok(signature.map_err(|e| failed(e.to_string()))?.into_string())
}

#[cfg(test)]
mod tests {
    use minisign::KeyPair;

    use super::*;

    #[test]
    fn a_signature_counts_for_its_content_and_its_key_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, theirs) =
            (KeyPair::generate_unencrypted_keypair().unwrap(), KeyPair::generate_unencrypted_keypair().unwrap());
        let key_file = folder.path().join("key");
        std::fs::write(&key_file, ours.sk.to_box(None).unwrap().into_string()).unwrap();
        let file = folder.path().join("orders.wasm");
        let signature = sign(b"code", &key_file, "a comment").unwrap();
        let of = |keys: &[&KeyPair]| {
            let keys = keys.iter().map(|pair| pair.pk.to_base64()).collect();
            Trust::from(TrustConfig { keys, signed_only: true })
        };
        let trust = of(&[&theirs, &ours]);
        assert_eq!(trust.check(&file, b"code", &signature).unwrap().len(), 16);
        assert!(matches!(trust.check(&file, b"other", &signature), Err(TrustError::Refused { .. })));
        let only_theirs = of(&[&theirs]);
        assert!(matches!(only_theirs.check(&file, b"code", &signature), Err(TrustError::Refused { .. })));
        assert!(matches!(trust.check(&file, b"code", "nonsense"), Err(TrustError::Refused { .. })));

        assert!(matches!(trust.check_file(&file, b"code"), Err(TrustError::Unsigned(_))));
        std::fs::write(folder.path().join("orders.wasm.minisig"), &signature).unwrap();
        assert!(trust.check_file(&file, b"code").is_ok());
        assert!(trust.check_file(&file, b"other").is_err());
        assert!(Trust::default().check_file(&file, b"other").unwrap().is_none(), "without a key nothing can be told");

        let by = trust.check(&file, b"code", &signature).unwrap();
        assert!(trust.check_kept("orders", "abc", Some(&by)).is_ok());
        assert!(trust.check_kept("orders", "abc", None).is_err(), "it was kept before it had to be signed");
        assert!(only_theirs.check_kept("orders", "abc", Some(&by)).is_err(), "its key counts no more");
        assert!(Trust::default().check_kept("orders", "abc", None).is_ok());
    }
}
