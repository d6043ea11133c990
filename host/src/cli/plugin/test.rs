//! `tandem plugin test [folder|file] [scenario…]`

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::{build, record, sandbox};
use crate::cli::failure::{FOUND_PROBLEMS, Failure};
use crate::cli::output::{Output, complain, short};
use crate::connections::transport::chain;
use crate::engine::scenario::{Scenario, Tried, load};
use crate::engine::{Difference, told};
use crate::sandbox::{MapperCode, Runtime, World, read};

#[derive(Args)]
pub struct Options {
    /// A plugin's folder, which is built where it changed, or a component; then scenarios. Without it this folder and its `scenarios/`.
    what: Vec<PathBuf>,
    /// Make a scenario of a past event instead, out of the host's journal, with names, addresses, e-mail, telephone and tax numbers replaced.
    #[arg(long, value_name = "EVENT")]
    record: Option<i64>,
    /// The file that --record writes.
    #[arg(long, requires = "record")]
    out: Option<PathBuf>,
}

/// One scenario, tried.
#[derive(Serialize)]
struct Told<'a> {
    scenario: &'a Path,
    about: &'a str,
    passed: bool,
    #[serde(flatten)]
    tried: &'a Tried,
    /// In the place of those of `tried`.
    differences: Vec<Differs<'a>>,
}

/// What a script reads of a difference.
#[derive(Serialize)]
struct Differs<'a> {
    call: &'a str,
    subject: &'a str,
    field: &'a str,
    expected: Option<&'a Value>,
    got: Option<&'a Value>,
}

impl<'a> Differs<'a> {
    fn of(found: &'a Difference) -> Self {
        let Difference { subject, call, field, before, after } = found;
        Self { call, subject, field, expected: before.as_ref(), got: after.as_ref() }
    }
}

pub async fn run(config: &Path, options: Options, output: &Output) -> Result<ExitCode> {
    if let Some(event) = options.record {
        if !options.what.is_empty() {
            return Err(Failure::WrongUsage("--record writes a scenario; run it afterwards".into()).into());
        }
        return record::run(config, event, options.out, output).await;
    }
    if let Some(lacks) = options.what.iter().find(|path| !path.exists()) {
        return Err(Failure::NotFound(format!("there is no {}", lacks.display())).into());
    }
    let (target, rest) = match options.what.split_first() {
        Some((first, rest)) if first.is_dir() || is_wasm(first) => (first.clone(), rest.to_vec()),
        _ => (PathBuf::from("."), options.what),
    };
    let (file, home) = match is_wasm(&target) {
        true => (target.clone(), target.parent().map(Path::to_path_buf).unwrap_or_default()),
        false => (component(&target, output).await?, target.clone()),
    };
    let scenarios = scenarios(&home, rest)?;
    let runtime = sandbox()?;
    let world = runtime.open(&file, read(&file).await?).await?.world?;
    let mut bench = Bench { runtime, world, mappers: HashMap::new() };
    let mut all = Vec::new();
    let mut unusable = None;
    for path in scenarios {
        match bench.try_one(&path).await {
            Ok((scenario, tried)) => {
                if !output.is_json() {
                    tell(&path, &scenario, &tried, output);
                }
                all.push((path, scenario, tried));
            }
            // The others are tried all the same; the last one that cannot be is the command's own error.
            Err(error) => {
                if let Some(before) = unusable.replace(error) {
                    complain(chain(before.as_ref()));
                }
            }
        }
    }
    let failed = all.iter().filter(|(.., tried)| !tried.passed()).count();
    if output.is_json() {
        let told = all.iter().map(|(scenario, own, tried)| Told {
            scenario,
            about: own.about(),
            passed: tried.passed(),
            tried,
            differences: tried.differences.iter().map(Differs::of).collect(),
        });
        output.value(&told.collect::<Vec<_>>());
    }
    output.say(match failed {
        0 => format!("{} of {} pass", all.len(), all.len()),
        _ => format!("{failed} of {} fail", all.len()),
    });
    match unusable {
        Some(error) => Err(error),
        None if failed > 0 => Ok(ExitCode::from(FOUND_PROBLEMS)),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn is_wasm(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "wasm")
}

/// The component of a folder, built where a source is newer.
async fn component(folder: &Path, output: &Output) -> Result<PathBuf> {
    let file = build::file_of(folder)?;
    let built = std::fs::metadata(&file).and_then(|metadata| metadata.modified()).ok();
    let sources =
        std::iter::once(folder.to_owned()).chain(beside(folder)).map(|folder| newest(&folder, 0)).max().flatten();
    if built.is_none_or(|built| sources.is_none_or(|source| source > built)) {
        build::build(folder, Some(&file), output).await?;
        output.say(format!("built {}", file.display()));
    }
    Ok(file)
}

/// Folders that a plugin in Rust takes crates from.
fn beside(folder: &Path) -> Vec<PathBuf> {
    let text = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    let manifest: toml::Table = text.parse().unwrap_or_default();
    let tables = ["dependencies", "build-dependencies"].into_iter().filter_map(|name| manifest.get(name)?.as_table());
    let paths = tables.flat_map(|table| table.values()).filter_map(|own| own.get("path")?.as_str());
    paths.map(|path| folder.join(path)).collect()
}

/// When the newest source was changed.
fn newest(folder: &Path, depth: u32) -> Option<SystemTime> {
    let mut last = None;
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let made = ["target", "node_modules", "scenarios", "__pycache__"].contains(&name.as_str());
        if made || name.starts_with(".git") || name.contains(".wasm") {
            continue;
        }
        let metadata = entry.metadata().ok()?;
        let changed = match metadata.is_dir() && depth < 8 {
            true => newest(&entry.path(), depth + 1),
            false => metadata.modified().ok(),
        };
        last = last.max(changed);
    }
    last
}

/// The files named, and those in the folders named; without any those of the plugin.
fn scenarios(home: &Path, named: Vec<PathBuf>) -> Result<Vec<PathBuf>> {
    let asked = !named.is_empty();
    let named = if named.is_empty() { vec![home.join("scenarios")] } else { named };
    let mut files = Vec::new();
    for path in named {
        if !path.is_dir() {
            files.extend(Some(path).filter(|path| asked || path.exists()));
            continue;
        }
        let entries = std::fs::read_dir(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        found.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
        found.sort();
        files.extend(found);
    }
    if files.is_empty() {
        let why = format!("there is no scenario in {}; `tandem plugin test --record EVENT` makes one", home.display());
        return Err(Failure::NotFound(why).into());
    }
    Ok(files)
}

/// A component with what it runs in.
struct Bench {
    runtime: Runtime,
    world: World,
    /// Mapping plugins that scenarios name.
    mappers: HashMap<PathBuf, Arc<MapperCode>>,
}

impl Bench {
    async fn try_one(&mut self, path: &Path) -> Result<(Scenario, Tried)> {
        let scenario = load(path)?;
        let tried = self.run(&scenario).await.with_context(|| format!("{}", path.display()))?;
        Ok((scenario, tried))
    }

    async fn run(&mut self, scenario: &Scenario) -> Result<Tried> {
        match (scenario, &self.world) {
            (Scenario::Mapper(own), World::Mapper(code)) => Ok(own.run(&self.runtime, code.clone()).await?),
            (Scenario::Flow(own), World::Flow(plugin)) => {
                let plugin = plugin.clone();
                let mapper = match &own.mapper {
                    Some(file) => Some(self.mapper(&own.folder.join(file)).await?),
                    None => None,
                };
                Ok(own.run(&self.runtime, &plugin, mapper).await?)
            }
            (Scenario::Mapper(_), _) => {
                Err(Failure::WrongUsage("it is a mapping plugin's scenario, and this is a plugin".into()).into())
            }
            (Scenario::Flow(_), _) => Err(Failure::WrongUsage(
                "it is a plugin's scenario, and this is a mapping plugin: its scenarios have section, source and mapped".into(),
            )
            .into()),
        }
    }

    async fn mapper(&mut self, path: &Path) -> Result<Arc<MapperCode>> {
        if let Some(known) = self.mappers.get(path) {
            return Ok(known.clone());
        }
        let code = self.runtime.mapper(path, read(path).await?).await?;
        self.mappers.insert(path.to_owned(), code.clone());
        Ok(code)
    }
}

fn tell(path: &Path, scenario: &Scenario, tried: &Tried, output: &Output) {
    let word = if tried.passed() { "passes" } else { "FAILS" };
    output.say(format!("{word}  {}  {}", path.display(), short(scenario.about(), 120)));
    if let Some(why) = &tried.failed {
        output.say(format!("the run failed: {}", short(why, 2_000)));
    }
    for call in &tried.unanswered {
        output.say(format!("the scenario has no answer to: {}", short(call, 2_000)));
    }
    if !tried.unused.is_empty() {
        output.say(format!("nothing asked for: {}", short(&tried.unused.join(", "), 2_000)));
    }
    if tried.differences.is_empty() {
        return;
    }
    let rows = tried.differences.iter().map(|found| {
        let effect = match found.subject.as_str() {
            "" => found.call.clone(),
            subject => format!("{} ({subject})", found.call),
        };
        let field = match (found.field.as_str(), found.before.is_none(), found.after.is_none()) {
            ("", true, false) => "not expected",
            ("", false, true) => "missing",
            (field, ..) => field,
        };
        vec![
            short(&effect, 200),
            field.to_owned(),
            short(&told(found.before.as_ref()), 200),
            short(&told(found.after.as_ref()), 200),
        ]
    });
    output.facts(&["difference", "field", "expected", "got"], rows.collect());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_that_a_plugin_takes_from_the_next_folder_is_a_source_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("own");
        std::fs::create_dir(&own).unwrap();
        let manifest = "[dependencies]\nshared = { path = \"../shared\" }\nserde_json = \"1\"\n";
        std::fs::write(own.join("Cargo.toml"), manifest).unwrap();
        assert_eq!(beside(&own), [own.join("../shared")]);
        std::fs::remove_file(own.join("Cargo.toml")).unwrap();
        assert!(beside(&own).is_empty(), "one in another language");
    }
}
