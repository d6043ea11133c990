//! `tandem plugin new <name>`

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::output::Output;

/// Texts of this repository, collected by the build.
mod files {
    include!(concat!(env!("OUT_DIR"), "/plugin_files.rs"));

    /// The versions that plugins are built with, and how.
    pub const WORKSPACE: &str = include_str!("../../../../plugins/Cargo.toml");
    /// A mapping plugin as this repository builds and runs it.
    pub const MAPPER: &str = include_str!("../../../../plugins/examples/region-mapper/src/lib.rs");
    /// Of all libraries, exactly.
    pub const LOCK: &str = include_str!("../../../../plugins/Cargo.lock");
}

pub use files::TEMPLATES;

/// What a template calls what it makes.
const NAME: &str = "my-plugin";

#[derive(Args)]
pub struct Options {
    /// What it is called: lower case letters, digits and dashes.
    name: String,
    /// A flow plugin reacts to events; a mapping plugin has the last word on the fields that a flow writes.
    #[arg(long, value_enum)]
    kind: Kind,
    /// The language it is written in.
    #[arg(long, value_enum, default_value = "rust")]
    lang: Lang,
    /// Where to write it; without it a folder of its name.
    #[arg(long)]
    folder: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Kind {
    Flow,
    Mapper,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Lang {
    Rust,
    Javascript,
    Python,
}

pub fn run(options: Options, output: &Output) -> Result<ExitCode> {
    let Options { name, kind, lang, folder } = options;
    check_name(&name)?;
    let template = match (kind, lang) {
        (Kind::Flow, Lang::Rust) => "flow-rust/",
        (Kind::Mapper, Lang::Rust) => "mapper-rust/",
        (Kind::Mapper, Lang::Javascript) => "mapper-javascript/",
        (Kind::Mapper, Lang::Python) => "mapper-python/",
        (Kind::Flow, _) => {
            let why =
                "a flow plugin is written in Rust; in JavaScript and Python there are mapping plugins (--kind mapper)";
            return Err(Failure::WrongUsage(why.into()).into());
        }
    };
    let folder = folder.unwrap_or_else(|| PathBuf::from(&name));
    let used = fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some()) || folder.is_file();
    if used {
        let why = format!("{} is not empty: nothing was written; say another --folder", folder.display());
        return Err(Failure::WrongUsage(why).into());
    }
    let files = files_of(template, &name, kind, lang);
    for (path, text) in &files {
        write(&folder.join(path), text)?;
    }
    if output.is_json() {
        let written: Vec<&String> = files.iter().map(|(path, _)| path).collect();
        output.value(&json!({ "folder": folder, "files": written }));
    }
    let shown = folder.display();
    output.say(format!("{shown}: {} files; {shown}/README.md says how it goes on", files.len()));
    output.say(format!("tandem plugin build {shown}\ntandem plugin test {shown}"));
    Ok(ExitCode::SUCCESS)
}

/// Path and text of every file.
fn files_of(template: &str, name: &str, kind: Kind, lang: Lang) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    let own = files::TEMPLATES.iter().filter_map(|(path, text)| Some((path.strip_prefix(template)?, text)));
    all.extend(own.map(|(path, text)| (path.to_owned(), text.replace(NAME, name))));
    all.extend(files::TEMPLATES.iter().filter(|(path, _)| *path == "gitignore").map(|(_, text)| {
        let text = (*text).to_owned();
        (".gitignore".into(), text)
    }));
    let given = |folder: &str, files: &[(&str, &str)]| -> Vec<(String, String)> {
        files.iter().map(|(path, text)| (format!("{folder}/{path}"), (*text).to_owned())).collect()
    };
    // A flow plugin has the contract where the SDK looks for it; a mapping plugin, which has one version of it, just has that.
    let contract = |version: &str| -> Vec<(&str, &str)> {
        files::WIT.iter().filter_map(|(path, text)| Some((path.strip_prefix(version)?, *text))).collect()
    };
    match kind {
        Kind::Flow => ["0.1.0", "0.2.0"].into_iter().for_each(|version| {
            let own = contract(&format!("{version}/"));
            all.extend(given(&format!("tandem/wit/{version}"), &own));
        }),
        Kind::Mapper => {
            let own: Vec<_> = contract("0.2.0/").into_iter().filter(|(path, _)| !path.contains("reconcil")).collect();
            all.extend(given("tandem/wit", &own));
        }
    }
    if (kind, lang) == (Kind::Mapper, Lang::Rust) {
        all.push(("src/lib.rs".into(), files::MAPPER.replace("../../../wit/0.2.0", "tandem/wit")));
    }
    if lang == Lang::Rust {
        all.extend(given(".cargo", files::CARGO));
        all.push(("Cargo.lock".into(), files::LOCK.to_owned()));
        if kind == Kind::Flow {
            all.extend(given("tandem/plugins/sdk", files::SDK));
        }
        for (_, text) in all.iter_mut().filter(|(path, _)| path == "Cargo.toml") {
            text.push('\n');
            text.push_str(&versions(kind));
        }
    }
    all
}

/// What the plugins' own workspace says of versions and of how to build.
fn versions(kind: Kind) -> String {
    let from = files::WORKSPACE.find("[workspace.package]").unwrap_or_default();
    let sdk = "tandem-sdk = { path = \"sdk\" }\n";
    let own = match kind {
        Kind::Flow => "tandem-sdk = { path = \"tandem/plugins/sdk\" }\n",
        Kind::Mapper => "",
    };
    files::WORKSPACE[from..].replace(sdk, own)
}

fn check_name(name: &str) -> Result<()> {
    let plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    let fits = plain && name.starts_with(|c: char| c.is_ascii_lowercase()) && !name.ends_with('-') && name.len() <= 40;
    // Names that a library, a folder of the build or Windows has already.
    let taken =
        ["test", "std", "core", "alloc", "proc-macro", "build", "deps", "con", "nul", "prn", "aux", "tandem-sdk"];
    let device = name.strip_prefix("com").or_else(|| name.strip_prefix("lpt"));
    let device = device.is_some_and(|number| number.len() == 1 && number.chars().all(|c| c.is_ascii_digit()));
    if fits && (device || taken.contains(&name)) {
        let why =
            format!("{name:?} cannot be a plugin's name: a library, a folder of the build or Windows is called so");
        return Err(Failure::WrongUsage(why).into());
    }
    if fits {
        return Ok(());
    }
    let why = format!(
        "{name:?} cannot be a plugin's name: lower case letters, digits and dashes, a letter first, at most 40, such as price-check"
    );
    Err(Failure::WrongUsage(why).into())
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let file = fs::OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = file.with_context(|| format!("cannot write {}", path.display()))?;
    std::io::Write::write_all(&mut file, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_no_name_is_refused() {
        for good in ["a", "price-check", "x2"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "Price", "2x", "a_b", "a/b", "..", "test", "a-", &"a".repeat(41), "con", "com1"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn each_kind_has_all_it_needs_and_carries_its_own_name() {
        let all = [
            ("flow-rust/", Kind::Flow, Lang::Rust, "src/lib.rs"),
            ("mapper-rust/", Kind::Mapper, Lang::Rust, "src/lib.rs"),
            ("mapper-javascript/", Kind::Mapper, Lang::Javascript, "mapper.js"),
            ("mapper-python/", Kind::Mapper, Lang::Python, "mapper.py"),
        ];
        for (template, kind, lang, source) in all {
            let files = files_of(template, "price-check", kind, lang);
            let has = |wanted: &str| files.iter().any(|(path, _)| path == wanted);
            let contract = match kind {
                Kind::Flow => "tandem/wit/0.1.0/world-flow.wit",
                Kind::Mapper => "tandem/wit/world-mapper.wit",
            };
            for wanted in [source, "README.md", ".gitignore", "scenarios/first.json", contract] {
                assert!(has(wanted), "{template}{wanted}");
            }
            assert_eq!(has("tandem/plugins/sdk/src/lib.rs"), kind == Kind::Flow);
            let mut manifests = files.iter().filter(|(path, _)| path == "Cargo.toml");
            assert!(manifests.all(|(_, text)| text.parse::<toml::Table>().is_ok()), "{template}");
            let foreign = files.iter().filter(|(path, text)| !path.starts_with("tandem/") && text.contains(NAME));
            assert_eq!(foreign.count(), 0, "{template}");
            let mut paths: Vec<&String> = files.iter().map(|(path, _)| path).collect();
            paths.sort();
            paths.dedup();
            assert_eq!(paths.len(), files.len(), "{template}");
        }
    }
}
