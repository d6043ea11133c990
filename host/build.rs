//! The texts that `tandem plugin new` writes: the contract, the SDK and the templates, as they lie in this repository.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    // The console's pages are part of the binary.
    println!("cargo:rerun-if-changed=console/dist");
    let own = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?);
    let root = own.join("..");
    let mut text = String::new();
    for (name, folder) in
        [("WIT", "wit"), ("SDK", "plugins/sdk"), ("TEMPLATES", "plugins/templates"), ("CARGO", "plugins/.cargo")]
    {
        println!("cargo:rerun-if-changed=../{folder}");
        let mut files = Vec::new();
        collect(&root.join(folder), "", &mut files)?;
        files.sort();
        let doc = format!("/// The files of `{folder}`, by their paths in it.");
        writeln!(text, "{doc}\npub const {name}: &[(&str, &str)] = &[").map_err(io::Error::other)?;
        for (path, file) in files {
            writeln!(text, "    ({path:?}, include_str!({:?})),", file.display().to_string())
                .map_err(io::Error::other)?;
        }
        text.push_str("];\n");
    }
    let out = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?);
    fs::write(out.join("plugin_files.rs"), text)
}

fn collect(folder: &Path, within: &str, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if ["target", "node_modules", "__pycache__"].contains(&name.as_str()) || name.ends_with(".wasm") {
            continue;
        }
        let path = if within.is_empty() { name } else { format!("{within}/{name}") };
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &path, files)?;
        } else {
            files.push((path, entry.path()));
        }
    }
    Ok(())
}
