//! `tandem release compare <flow> [what]`

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::found;
use crate::cli::failure::{FOUND_PROBLEMS, Failure};
use crate::cli::output::{Output, short};
use crate::cli::service::Parts;
use crate::engine::{Comparer, Comparison, told};
use crate::mapping::Mapping;
use crate::releases::{Instead, Part, Release};
use crate::sandbox::{Unknown, World, read};

/// Examples of one kind of difference that a person is shown.
const SHOWN: usize = 1;

#[derive(Args)]
pub struct Options {
    flow: String,
    /// A release by the beginning of its digest, a component (`new.wasm`), a mapping or settings (`.toml`); without it what the files say now.
    what: Option<String>,
    /// Another plugin.
    #[arg(long)]
    plugin: Option<PathBuf>,
    /// Another mapping file.
    #[arg(long)]
    mapping: Option<PathBuf>,
    /// Another mapping plugin.
    #[arg(long)]
    mapper: Option<PathBuf>,
    /// Other settings: a TOML file with what would stand under `settings`.
    #[arg(long)]
    settings: Option<PathBuf>,
    /// So many past events.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    last: u32,
    /// Read now what past runs did not read; it needs the grants for it. Writes are never sent.
    #[arg(long)]
    live: bool,
}

pub async fn run(parts: &Parts, options: Options, output: &Output) -> Result<ExitCode> {
    parts.known_flow(Some(&options.flow)).await?;
    let releases = parts.releases().await?;
    let connections = parts.connect()?;
    let release = other(parts, &options).await?;
    if options.live {
        releases.consented(&release).await?;
    }
    let unknown = if options.live { Unknown::Ask } else { Unknown::Refuse };
    let mut comparer = Comparer::new(&options.flow, release, &parts.config, &connections, releases, unknown).await?;
    let runs = comparer.last_runs(options.last).await?;
    if runs.is_empty() {
        return Err(
            Failure::NotFound(format!("no run of {} is kept: there is nothing to compare with", options.flow)).into()
        );
    }
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len} runs, {eta} left").context("progress bar")?;
    let bar =
        if output.is_json() { ProgressBar::hidden() } else { ProgressBar::new(runs.len() as u64).with_style(style) };
    for id in runs {
        bar.inc(1);
        comparer.add(id).await?;
    }
    bar.finish_and_clear();
    tell(&options, &comparer.done(), output)
}

/// What is to be compared with what ran.
async fn other(parts: &Parts, options: &Options) -> Result<Arc<Release>> {
    let releases = parts.releases().await?;
    let flow = &options.flow;
    let mut instead = Instead {
        settings: options.settings.as_deref().map(settings).transpose()?,
        mapping: options.mapping.as_deref().map(mapping).transpose()?,
        ..Instead::default()
    };
    for (path, part) in [(&options.plugin, &mut instead.plugin), (&options.mapper, &mut instead.mapper)] {
        if let Some(path) = path {
            *part = Some(Part { from: path.clone(), content: read(path).await? });
        }
    }
    let none =
        instead.plugin.is_none() && instead.mapping.is_none() && instead.mapper.is_none() && instead.settings.is_none();
    let base = match &options.what {
        None if none => return Ok(releases.of_files(flow, &parts.config).await?.release),
        Some(what) if !is_file(what) => {
            let row = found(parts, flow, Some(what)).await?;
            releases.load(flow, &row.digest).await?
        }
        what => {
            if let Some(path) = what {
                take(parts, Path::new(path), &mut instead).await?;
            }
            releases.live_or_files(flow, &parts.config).await?
        }
    };
    Ok(releases.with(flow, &base, instead).await?.release)
}

/// A file there, or what looks like the name of one: then it is said that there is none.
fn is_file(what: &str) -> bool {
    Path::new(what).exists() || [".wasm", ".toml"].iter().any(|end| what.ends_with(end))
}

/// A file goes where it fits.
async fn take(parts: &Parts, path: &Path, instead: &mut Instead) -> Result<()> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("wasm") => {
            let runtime = parts.releases().await?.runtime();
            let wasm = read(path).await.map_err(|error| Failure::NotFound(error.to_string()))?;
            let part = Some(Part { from: path.to_owned(), content: wasm.clone() });
            match runtime.open(path, wasm).await?.world? {
                World::Mapper(_) => instead.mapper = part,
                World::Flow(_) => instead.plugin = part,
            }
        }
        Some("toml") => {
            let read = mapping(path)?;
            match Mapping::parse(&read.content) {
                Err(_) if !read.content.contains("version") => instead.settings = Some(settings(path)?),
                _ => instead.mapping = Some(read),
            }
        }
        _ => {
            let what = path.display();
            return Err(Failure::WrongUsage(format!(
                "{what}: neither a component (.wasm) nor a mapping or settings (.toml)"
            ))
            .into());
        }
    }
    Ok(())
}

fn mapping(path: &Path) -> Result<Part<String>> {
    let content = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Part { from: path.to_owned(), content })
}

fn settings(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let table: toml::Table =
        toml::from_str(&text).map_err(|e| Failure::WrongUsage(format!("{}: {}", path.display(), e.message())))?;
    Ok(serde_json::to_value(table)?)
}

fn tell(options: &Options, found: &Comparison, output: &Output) -> Result<ExitCode> {
    let code = if found.is_same() { ExitCode::SUCCESS } else { ExitCode::from(FOUND_PROBLEMS) };
    if output.is_json() {
        output.value(found);
        return Ok(code);
    }
    output.say(format!(
        "{} events of {} runs: {} end the same, {} do not{}",
        found.events,
        found.runs,
        found.same,
        found.different,
        if found.untold > 0 { format!(", of {} it cannot be told", found.untold) } else { String::new() }
    ));
    let rows = found.groups.iter().flat_map(|group| {
        group.examples.iter().take(SHOWN).map(|example| {
            let difference = &example.difference;
            let field = if group.field.is_empty() {
                match (&difference.before, &difference.after) {
                    (None, _) => "only now",
                    (_, None) => "no more",
                    _ => "",
                }
            } else {
                &group.field
            };
            vec![
                group.count.to_string(),
                group.call.clone(),
                field.to_owned(),
                example.event.map_or_else(String::new, |event| event.to_string()),
                short(&difference.subject, 40),
                short(&told(difference.before.as_ref()), 120),
                short(&told(difference.after.as_ref()), 120),
            ]
        })
    });
    let header = ["times", "what", "field", "event", "such as", "did", "would"];
    let none = if found.is_same() { "no difference" } else { "no difference in what can be told" };
    output.rows(&(), &header, rows.collect(), none);
    if !found.unused.is_empty() {
        output.say(format!("the mapping differs in what none of these events used: {}", found.unused.join(", ")));
    }
    for (read, runs) in &found.unread {
        output.say(format!("{runs} of the runs cannot be told for what lacks: {read}"));
    }
    if found.untold > 0 && !options.live {
        output.say("with --live such reads go out now, and answer as things are now");
    }
    if found.read_now > 0 {
        output.say(format!("{} reads were answered as things are now, not as they were", found.read_now));
    }
    Ok(code)
}
