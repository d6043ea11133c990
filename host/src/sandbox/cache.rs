//! The cache of compiled plugins, beside the database. Safe to lose, and never trusted from outside: each file carries
//! an HMAC under a key that only the database holds, and what was verified in memory is what is loaded.

use std::io::Write;
use std::path::{Path, PathBuf};

use ring::hmac;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::compiler::kind_of;
use super::digest_of;

/// Length of the HMAC-SHA256 in front of the code.
const TAG: usize = 32;

/// See the module's words.
pub struct Cache {
    folder: Option<PathBuf>,
    key: hmac::Key,
}

impl Cache {
    /// In `folder`, with the store's own secret.
    pub fn new(folder: PathBuf, secret: &[u8]) -> Self {
        Self { folder: Some(folder), key: hmac::Key::new(hmac::HMAC_SHA256, secret) }
    }

    /// Keeps nothing: for a command that has no store.
    pub fn none() -> Self {
        Self { folder: None, key: hmac::Key::new(hmac::HMAC_SHA256, &[]) }
    }

    /// The compiled component, if it is kept.
    pub fn kept(&self, engine: &Engine, digest: &str) -> Option<Component> {
        self.read(engine, &self.path(engine, digest)?, digest)
    }

    /// The component of code that was compiled just now; it is kept.
    pub fn keep(&self, engine: &Engine, digest: &str, code: &[u8]) -> wasmtime::Result<Component> {
        let component = deserialize(engine, code)?;
        if let Some(path) = self.path(engine, digest)
            && let Err(error) = self.write(&path, digest, code)
        {
            tracing::warn!(path = %path.display(), %error, "cannot keep the compiled plugin; the next start compiles again");
        }
        Ok(component)
    }

    /// One file per plugin digest, wasmtime version, machine and settings.
    fn path(&self, engine: &Engine, digest: &str) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("{digest}-{:016x}.cwasm", kind_of(engine))))
    }

    fn read(&self, engine: &Engine, path: &Path, digest: &str) -> Option<Component> {
        let bytes = std::fs::read(path).ok()?;
        let (tag, code) = bytes.split_at_checked(TAG)?;
        if hmac::verify(&self.key, signed(digest, code).as_bytes(), tag).is_err() {
            tracing::warn!(path = %path.display(), "the compiled plugin was changed from outside; compiling it again");
            return None;
        }
        deserialize(engine, code)
            .inspect_err(|error| tracing::info!(path = %path.display(), %error, "compiling the plugin again"))
            .ok()
    }

    fn write(&self, path: &Path, digest: &str, code: &[u8]) -> std::io::Result<()> {
        let tag = hmac::sign(&self.key, signed(digest, code).as_bytes());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        // Under another name first: a crash leaves no half file under the real one. Another process may write the same.
        let draft = path.with_extension(format!("{}.tmp", std::process::id()));
        let mut file = std::fs::File::create(&draft)?;
        file.write_all(tag.as_ref())?;
        file.write_all(code)?;
        drop(file);
        std::fs::rename(&draft, path)?;
        Ok(())
    }
}

/// The plugin's digest is signed with that of its code, so that one plugin's file cannot stand in for another's.
fn signed(digest: &str, code: &[u8]) -> String {
    format!("{digest}\n{}", digest_of(code))
}

#[allow(unsafe_code)]
fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `Component::deserialize` runs native code out of `code`, so `code` must come from wasmtime's own compiler.
    // Either the caller has it from there just now: from this process, or over a pipe from another one of this very program
    // (`compiler.rs`). Or it has verified an HMAC over exactly these bytes, in memory, with a key that only this host's
    // database holds and that `write` alone signs with. wasmtime itself refuses bytes of another version or machine.
    unsafe { Component::deserialize(engine, code) }
}
