//! `tandem plugin build [folder]`

mod javascript;
mod python;
mod rust;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use super::inspect::Found;
use crate::cli::failure::Failure;
use crate::cli::output::Output;

#[derive(Args)]
pub struct Options {
    /// With a Cargo.toml, package.json or pyproject.toml.
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The file to write; without it <name>.wasm in the folder.
    #[arg(long)]
    out: Option<PathBuf>,
}

pub async fn run(options: Options, output: &Output) -> Result<ExitCode> {
    let found = build(&options.folder, options.out.as_deref(), output).await?;
    found.tell(output);
    output.say(format!("built {}", found.line()));
    Ok(found.code())
}

/// Makes the component and looks at it.
pub async fn build(folder: &Path, out: Option<&Path>, output: &Output) -> Result<Found> {
    let absolute = std::path::absolute(folder).with_context(|| format!("{}", folder.display()))?;
    let source = source_of(&absolute)?;
    let file = out.map_or_else(|| named(folder, &source.name), Path::to_path_buf);
    // Made beside it first: what fails leaves the one of before.
    let draft = std::path::absolute(&file)?.with_extension("wasm.new");
    if let Some(parent) = draft.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    match source.lang {
        Lang::Rust => rust::build(&absolute, &draft, output).await?,
        Lang::JavaScript { main } => javascript::build(&absolute, &main, &draft, output).await?,
        Lang::Python { module } => python::build(&absolute, &module, &draft, output).await?,
    }
    std::fs::rename(&draft, &file).with_context(|| format!("cannot write {}", file.display()))?;
    Found::of(&file).await
}

/// Where a folder's component is written.
pub fn file_of(folder: &Path) -> Result<PathBuf> {
    Ok(named(folder, &source_of(folder)?.name))
}

fn named(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.wasm"))
}

/// What there is to build.
struct Source {
    name: String,
    lang: Lang,
}

enum Lang {
    Rust,
    JavaScript { main: String },
    Python { module: String },
}

fn source_of(folder: &Path) -> Result<Source> {
    if !folder.is_dir() {
        return Err(Failure::NotFound(format!("there is no folder {}", folder.display())).into());
    }
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    let wrong = |name: &str, why: String| Failure::WrongUsage(format!("{}: {why}", folder.join(name).display()));
    if let Some(text) = read("Cargo.toml") {
        let manifest: toml::Table = toml::from_str(&text).map_err(|e| wrong("Cargo.toml", e.message().to_owned()))?;
        let name = manifest.get("package").and_then(|package| package.get("name")).and_then(toml::Value::as_str);
        let name = name.ok_or_else(|| wrong("Cargo.toml", "it names no package: say the folder of one".into()))?;
        return Ok(Source { name: name.to_owned(), lang: Lang::Rust });
    }
    if let Some(text) = read("package.json") {
        let manifest: serde_json::Value =
            serde_json::from_str(&text).map_err(|e| wrong("package.json", e.to_string()))?;
        let field = |name: &str| manifest[name].as_str().map(str::to_owned);
        let name = field("name").ok_or_else(|| wrong("package.json", "it has no `name`".into()))?;
        let main = field("main").ok_or_else(|| wrong("package.json", "it has no `main`, the source file".into()))?;
        return Ok(Source { name: plain(&name), lang: Lang::JavaScript { main } });
    }
    if let Some(text) = read("pyproject.toml") {
        let manifest: toml::Table =
            toml::from_str(&text).map_err(|e| wrong("pyproject.toml", e.message().to_owned()))?;
        let project = manifest.get("project");
        let name = project.and_then(|project| project.get("name")).and_then(toml::Value::as_str);
        let name = name.ok_or_else(|| wrong("pyproject.toml", "[project] has no `name`".into()))?;
        let own = manifest.get("tool").and_then(|tool| tool.get("tandem"));
        let module = own.and_then(|own| own.get("module")).and_then(toml::Value::as_str).unwrap_or("mapper").to_owned();
        return Ok(Source { name: plain(name), lang: Lang::Python { module } });
    }
    let why = format!(
        "{}: neither Cargo.toml (Rust) nor package.json (JavaScript) nor pyproject.toml (Python); `tandem plugin new` makes a folder with all",
        folder.display()
    );
    Err(Failure::WrongUsage(why).into())
}

/// `@acme/price-check` as a file name.
fn plain(name: &str) -> String {
    name.rsplit(['/', '\\']).next().unwrap_or(name).to_owned()
}

/// The contract that a component of another language than Rust is made against.
fn wit(folder: &Path) -> Result<PathBuf> {
    let wit = folder.join("tandem/wit");
    if wit.is_dir() {
        return Ok(wit);
    }
    let why = format!("{}: the contract is missing; `tandem plugin new` writes it", wit.display());
    Err(Failure::WrongUsage(why).into())
}
