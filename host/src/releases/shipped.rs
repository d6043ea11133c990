//! Plugins that came along with the program: where they lie, and how one gets into the plugins folder.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::files::unsigned;
use super::{Releases, Result, named_like_its_file, signature_of};
use crate::config::put::put_all;
use crate::sandbox::{Description, digest_of, read};

/// Where the package of a Linux distribution puts them.
const OF_PACKAGE: &str = "/usr/lib/tandem/plugins";

/// The folder of those that came along, where there is one: beside the program as it is unpacked, or of the package it was installed with.
pub fn folder() -> Option<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.join("plugins")));
    let of_package = cfg!(unix).then(|| PathBuf::from(OF_PACKAGE));
    beside.into_iter().chain(of_package).find(|folder| folder.is_dir())
}

/// Names of the plugins in a folder, in their order; none where there is no folder.
pub fn names_in(folder: &Path) -> std::io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let wasm = path.extension().is_some_and(|extension| extension == "wasm");
            wasm.then(|| path.file_stem()?.to_str().map(str::to_owned))?
        })
        .collect();
    names.sort();
    Ok(names)
}

/// A plugin that came along, found good, and what lies in the plugins folder under its name.
pub struct Shipped {
    /// Its name.
    pub name: String,
    /// SHA-256, hex.
    pub digest: String,
    /// What it says of itself.
    pub description: Description,
    /// What lies in its place.
    pub there: There,
    /// Its place.
    pub path: PathBuf,
    wasm: Vec<u8>,
    signature: Option<Vec<u8>>,
}

/// What lies in the plugins folder under a plugin's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum There {
    /// Nothing.
    Nothing,
    /// The very same.
    Same,
    /// Something else, by its digest.
    Other(String),
}

impl Releases {
    /// A plugin of a folder, held against all that one which is dropped into the plugins folder is held against.
    pub async fn shipped(&self, folder: &Path, name: &str) -> Result<Shipped> {
        let from = folder.join(format!("{name}.wasm"));
        let wasm = read(&from).await?;
        self.trust.check_file(&from, &wasm)?;
        let plugin = self.plugin(&from, wasm.clone()).await?;
        let description = plugin.description.clone();
        named_like_its_file(&description.name, name, from.clone())?;
        let path = self.path(name);
        let digest = digest_of(&wasm);
        let there = match std::fs::read(&path) {
            Ok(bytes) if digest_of(&bytes) == digest => There::Same,
            Ok(bytes) => There::Other(digest_of(&bytes)),
            Err(_) => There::Nothing,
        };
        let signature = std::fs::read(signature_of(&from)).ok();
        Ok(Shipped { name: name.to_owned(), digest, description, there, path, wasm, signature })
    }
}

impl Shipped {
    /// Puts it into its place with its signature, whole or not at all, and whatever lies there.
    pub fn put(self) -> std::result::Result<(), String> {
        put(self.path, self.wasm, self.signature)
    }
}

fn put(path: PathBuf, wasm: Vec<u8>, signature: Option<Vec<u8>>) -> std::result::Result<(), String> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let mut parts = Vec::new();
    match signature {
        // Before it: whoever looks at the plugin finds what belongs to it.
        Some(signature) => parts.push((signature_of(&path), signature)),
        None => unsigned(&path)?,
    }
    parts.push((path, wasm));
    put_all(&parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_lies_in_its_folder_with_its_signature_and_under_no_other_one() {
        let folder = tempfile::tempdir().unwrap();
        let plugins = folder.path().join("plugins");
        let orders = plugins.join("orders.wasm");
        let place =
            |wasm: &[u8], signature: Option<&[u8]>| put(orders.clone(), wasm.to_vec(), signature.map(<[u8]>::to_vec));
        place(b"one", Some(b"signed")).unwrap();
        assert_eq!(std::fs::read(&orders).unwrap(), b"one");
        assert_eq!(std::fs::read(signature_of(&orders)).unwrap(), b"signed");
        let why = place(b"two", None).unwrap_err();
        assert!(why.contains("minisig"), "{why}");
        assert_eq!(std::fs::read(&orders).unwrap(), b"one", "nothing was touched");
        place(b"two", Some(b"signed anew")).unwrap();
        assert_eq!(std::fs::read(&orders).unwrap(), b"two");
        assert_eq!(names_in(&plugins).unwrap(), ["orders"]);
        assert!(names_in(&folder.path().join("none")).unwrap().is_empty());
    }
}
