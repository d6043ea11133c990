//! `tandem plugin inspect <file>`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::grant::{WORDS, words};
use super::{build, sandbox};
use crate::cli::failure::FOUND_PROBLEMS;
use crate::cli::output::{Output, short};
use crate::releases::short as short_digest;
use crate::sandbox::{CONTRACTS, Description, MapperDescription, Opened, Tool, World, read};

#[derive(Args)]
pub struct Options {
    /// A component, or the folder of a plugin that was built.
    file: PathBuf,
}

pub async fn run(options: Options, output: &Output) -> Result<ExitCode> {
    let file = match options.file.is_dir() {
        // What was built there.
        true => build::file_of(&options.file)?,
        false => options.file,
    };
    let found = Found::of(&file).await?;
    found.tell(output);
    Ok(found.code())
}

/// What a component is.
#[derive(Serialize)]
pub struct Found {
    file: PathBuf,
    /// `plugin`, `mapping plugin`, or why it is neither.
    kind: &'static str,
    /// Version of the contract it was built against; none where it names none.
    contract: Option<String>,
    digest: String,
    bytes: u64,
    imports: Vec<String>,
    /// What it says of itself.
    description: Option<Said>,
    /// What it offers to people and agents.
    tools: Vec<Offered>,
    /// Why the host would not take it.
    refused: Option<String>,
    /// What the host would take, and a person should know.
    warnings: Vec<String>,
}

/// What a component says of itself.
#[derive(Serialize)]
#[serde(untagged)]
enum Said {
    Plugin(Box<Description>),
    Mapper(MapperDescription),
}

/// A tool that it offers.
#[derive(Serialize)]
struct Offered {
    name: String,
    #[serde(flatten)]
    tool: Tool,
}

impl Found {
    /// Opens a file; an error only where it is no component.
    pub async fn of(file: &Path) -> Result<Self> {
        let wasm = read(file).await?;
        let bytes = wasm.len() as u64;
        let Opened { digest, imports, exports, world } = sandbox()?.open(file, wasm).await?;
        let contract = imports.iter().find_map(|name| name.strip_prefix("tandem:plugin/")?.split_once('@'));
        let contract = contract.map(|(_, version)| version.to_owned());
        let tools = match &world {
            Ok(World::Flow(plugin)) => plugin.tools().to_vec(),
            _ => Vec::new(),
        };
        let tools = tools.into_iter().map(|tool| Offered { name: tool.name.clone(), tool }).collect();
        let (kind, description, refused) = match world {
            Ok(World::Flow(plugin)) => ("plugin", Some(Said::Plugin(Box::new(plugin.description.clone()))), None),
            Ok(World::Mapper(code)) => ("mapping plugin", code.description.clone().map(Said::Mapper), None),
            Err(error) => (wanted(&exports), None, Some(error.to_string())),
        };
        let mut found = Self {
            file: file.to_owned(),
            kind,
            contract,
            digest,
            bytes,
            imports,
            description,
            tools,
            refused,
            warnings: Vec::new(),
        };
        found.warnings = found.warnings();
        Ok(found)
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(version) = self.contract.as_ref().filter(|version| !CONTRACTS.contains(&version.as_str())) {
            let known = CONTRACTS.join(" and ");
            warnings.push(format!("it was built against contract {version}; this tandem speaks {known}"));
        }
        if self.imports.iter().any(|name| name.starts_with("wasi:")) {
            warnings
                .push("it imports WASI: files, network and environment are empty there, the clock stands still".into());
        }
        let name = match &self.description {
            Some(Said::Plugin(description)) => &description.name,
            Some(Said::Mapper(description)) => &description.name,
            None => return warnings,
        };
        if self.file.file_stem().is_some_and(|stem| stem != name.as_str()) {
            warnings.push(format!("it calls itself {name}: the host takes it as {name}.wasm only"));
        }
        let Some(Said::Plugin(description)) = &self.description else { return warnings };
        if !description.unasked.is_empty() {
            warnings
                .push("it asks for no topics and no kinds of links, so it has them all: see may_emit, may_link".into());
        }
        if description.topics.is_empty() && description.timers.is_empty() && self.tools.is_empty() {
            warnings.push("it takes no topic and has no timer: nothing ever runs it".into());
        }
        if let Some(problem) = description.schema_problem() {
            warnings.push(format!(
                "of settings only the names are checked, since the schema cannot be followed: {problem}"
            ));
        }
        for permission in &description.permissions {
            if let Some(warning) = permission.warning() {
                warnings.push(format!("{} {}: {warning}", permission.method.word(), permission.path));
            }
        }
        warnings
    }

    /// Done, or found something that the host would refuse.
    pub fn code(&self) -> ExitCode {
        if self.refused.is_some() { ExitCode::from(FOUND_PROBLEMS) } else { ExitCode::SUCCESS }
    }

    /// All of it.
    pub fn tell(&self, output: &Output) {
        if output.is_json() {
            output.value(self);
            return;
        }
        output.say(format!("{} · {} · {}", self.file.display(), self.kind, size(self.bytes)));
        let mut facts = vec![
            vec!["contract".into(), self.contract.clone().unwrap_or_else(|| "names none".into())],
            vec!["digest".into(), self.digest.clone()],
            vec!["imports".into(), listed(&self.imports)],
        ];
        let description = match &self.description {
            Some(Said::Plugin(description)) => description,
            Some(Said::Mapper(description)) => {
                let mut named = vec![
                    vec!["name".into(), format!("{} {}", description.name, description.version)],
                    vec!["what it does".into(), short(&description.title, 200)],
                ];
                named.append(&mut facts);
                output.facts(&["what", "it says"], named);
                let rows = description
                    .sections
                    .iter()
                    .map(|section| vec![section.name.clone(), listed(&section.reads), listed(&section.sets)]);
                output.rows(&(), &["section", "reads", "sets"], rows.collect(), "it does nothing with any section");
                return self.tell_problems(output);
            }
            None => {
                output.facts(&["what", "it says"], facts);
                if self.refused.is_none() {
                    let why = "sees the source record and has the last word on every field of its sections, prices and codes too";
                    output.say(format!("a mapping plugin {why}; it reaches nothing but the log"));
                }
                return self.tell_problems(output);
            }
        };
        let mut named = vec![
            vec!["name".into(), format!("{} {}", description.name, description.version)],
            vec!["what it does".into(), short(&description.title, 200)],
        ];
        named.append(&mut facts);
        named.push(vec!["topics".into(), listed(&description.topics)]);
        let timers: Vec<String> =
            description.timers.iter().map(|timer| format!("{} ({})", timer.name, timer.cron)).collect();
        named.push(vec!["timers".into(), listed(&timers)]);
        named.push(vec!["settings".into(), listed(&settings(&description.settings_schema))]);
        let sections: Vec<String> = description
            .sections
            .iter()
            .map(|section| {
                let way = match (section.to_b1, section.to_salesforce) {
                    (true, true) => "<->",
                    (true, false) => "<-",
                    _ => "->",
                };
                format!("{}: {} {way} {}", section.name, section.b1, section.salesforce)
            })
            .collect();
        named.push(vec!["sections".into(), listed(&sections)]);
        let tools: Vec<String> =
            self.tools.iter().map(|own| format!("{} ({}): {}", own.name, own.tool.deed, own.tool.title)).collect();
        named.push(vec!["tools".into(), listed(&tools)]);
        output.facts(&["what", "it says"], named);
        let asked = description.permissions.iter().map(|permission| words(permission, ""));
        let unasked = description.unasked.iter().map(|permission| words(permission, "not asked for"));
        output.rows(&(), &WORDS, asked.chain(unasked).collect(), "it asks for nothing");
        self.tell_problems(output);
    }

    fn tell_problems(&self, output: &Output) {
        for warning in &self.warnings {
            output.say(format!("note: {warning}"));
        }
        if let Some(why) = &self.refused {
            output.say(format!("the host would refuse it: {why}"));
        }
    }

    /// What a script and a person read after a build.
    pub fn line(&self) -> String {
        format!("{} ({}), {}", self.file.display(), short_digest(&self.digest), size(self.bytes))
    }
}

/// What a component seems to be meant as.
fn wanted(exports: &[String]) -> &'static str {
    let has = |name: &str| exports.iter().any(|own| own == name);
    match (has("describe") && has("handle"), has("map")) {
        (true, _) => "plugin",
        (_, true) => "mapping plugin",
        _ => "component of another world",
    }
}

/// Names and types of the settings.
fn settings(schema: &str) -> Vec<String> {
    let schema: Value = serde_json::from_str(schema).unwrap_or_default();
    let known = schema["properties"].as_object().into_iter().flatten();
    known
        .map(|(name, rule)| match rule["type"].as_str() {
            Some(kind) => format!("{name} ({kind})"),
            None => name.clone(),
        })
        .collect()
}

fn listed(texts: &[String]) -> String {
    if texts.is_empty() { "none".into() } else { texts.join("\n") }
}

/// `67 kB`, `12.3 MB`.
fn size(bytes: u64) -> String {
    match bytes {
        0..10_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}
