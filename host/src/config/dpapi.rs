//! DPAPI of Windows: what it seals opens on the same machine alone. By machine, and not by account: the service runs under another account than who
//! types the secret. So the file's rights are what keeps others of that machine away. Source: `CryptProtectData`, `CRYPTPROTECT_LOCAL_MACHINE`.

use std::path::Path;

use super::secret::SecretError;

/// No secret itself: what other programs sealed is not opened.
#[cfg(windows)]
const ENTROPY: &[u8] = b"Tandem: a secret of tandem.toml";

/// Seals a secret.
#[cfg(windows)]
pub fn seal(secret: &str) -> Result<Vec<u8>, SecretError> {
    let sealed = windows_dpapi::encrypt_data(secret.as_bytes(), windows_dpapi::Scope::Machine, Some(ENTROPY));
    sealed.map_err(|cause| SecretError::Unsealed(format!("{cause:#}")))
}

/// Opens what the file at `path` holds.
#[cfg(windows)]
pub fn open(path: &Path, sealed: &[u8]) -> Result<String, SecretError> {
    let failed = |cause: String| SecretError::Sealed { path: path.to_owned(), cause };
    let opened = windows_dpapi::decrypt_data(sealed, windows_dpapi::Scope::Machine, Some(ENTROPY));
    let opened = opened.map_err(|cause| failed(format!("{cause:#}")))?;
    String::from_utf8(opened).map_err(|_| failed("it holds no text".into()))
}

/// See above.
#[cfg(not(windows))]
pub fn seal(_: &str) -> Result<Vec<u8>, SecretError> {
    Err(SecretError::NotWindows)
}

/// See above.
#[cfg(not(windows))]
pub fn open(_: &Path, _: &[u8]) -> Result<String, SecretError> {
    Err(SecretError::NotWindows)
}
