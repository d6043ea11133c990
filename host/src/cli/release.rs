//! `tandem release list|show|diff|compare|activate|rollback|grant|export|import`

mod carry;
mod compare;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value, json};

use super::audit::{note, user};
use super::failure::Failure;
use super::output::{Output, short};
use super::plugin;
use super::service::Parts;
use crate::releases::{
    Manifest, Over, Release, Standing, asks_of, component, consent, differences, mapping_lines, short as short_digest,
};
use crate::sandbox::Permission;
use crate::store::Access;
use crate::store::{Activation, Millis, ReleaseRow};
use crate::time::iso;

#[derive(Subcommand)]
pub enum Command {
    /// Every release: the live one, those before it, and what waits to be made live.
    List {
        /// Only of this flow.
        flow: Option<String>,
    },
    /// What a release is made of, what it may do, when it was live and why.
    Show {
        flow: String,
        /// The beginning of its digest; without it the live one.
        release: Option<String>,
    },
    /// What differs between two releases of a flow.
    Diff {
        flow: String,
        /// The beginning of its digest.
        release: String,
        /// Another one; without it the live one.
        against: Option<String>,
    },
    /// What would be different: recorded runs again under another release, mapping, plugin or settings, with nothing sent.
    Compare(compare::Options),
    /// Make a release live: from the next run on, in a running host too.
    Activate {
        flow: String,
        /// The beginning of its digest.
        release: String,
        /// Kept with it, for whoever asks later.
        #[arg(long, default_value = "by hand")]
        why: String,
    },
    /// Go back to the release that was live before; what is taken back stays so until its files change.
    Rollback {
        flow: String,
        /// Kept with it, for whoever asks later.
        #[arg(long, default_value = "rolled back")]
        why: String,
    },
    /// Allow the code of a release what it asks for, such as of one that was imported.
    Grant {
        flow: String,
        /// The beginning of its digest.
        release: String,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
    /// Write a release into one file, for another host or for git.
    Export(carry::Export),
    /// Take in a release from a file: says what it would change and be allowed; it is made live by `activate`.
    Import(carry::Import),
}

pub async fn run(config: &Path, command: Command, output: &Output) -> Result<ExitCode> {
    let parts = Parts::open(config, Access::Tool).await?;
    match command {
        Command::List { flow } => list(&parts, flow.as_deref(), output).await,
        Command::Show { flow, release } => show(&parts, &flow, release.as_deref(), output).await,
        Command::Diff { flow, release, against } => diff(&parts, &flow, &release, against.as_deref(), output).await,
        Command::Compare(options) => compare::run(&parts, options, output).await,
        Command::Activate { flow, release, why } => activate(&parts, &flow, &release, &why, output).await,
        Command::Grant { flow, release, yes } => grant(&parts, &flow, &release, yes, output).await,
        Command::Export(options) => carry::export(&parts, options, output).await,
        Command::Import(options) => carry::import(&parts, options, output).await,
        Command::Rollback { flow, why } => rollback(&parts, &flow, &why, output).await,
    }
}

async fn list(parts: &Parts, only: Option<&str>, output: &Output) -> Result<ExitCode> {
    parts.known_flow(only).await?;
    let flows: Vec<String> = match only {
        Some(flow) => vec![flow.to_owned()],
        None => parts.config.flows.keys().cloned().collect(),
    };
    let mut data = Vec::new();
    let mut rows = Vec::new();
    for flow in flows {
        let acts = parts.store.activations(&flow, u32::MAX).await?;
        let candidate = parts.store.candidate(&flow).await?;
        for row in parts.store.releases(&flow).await? {
            let standing = Standing::of(&row.digest, &acts, candidate.as_ref());
            let act = acts.iter().find(|act| act.release == row.digest);
            let held = candidate.as_ref().filter(|_| standing == Standing::Candidate).and_then(|c| c.held.clone());
            let manifest = Manifest::parse(&row.manifest).map_err(anyhow::Error::msg)?;
            let mapper = manifest.mapper.as_ref().map_or_else(String::new, |mapper| format!(" + {}", mapper.name));
            rows.push(vec![
                flow.clone(),
                short_digest(&row.digest).to_owned(),
                standing.word().into(),
                iso(act.map_or(row.made_at, |act| act.at)),
                act.map_or(&row.origin, |act| &act.who).clone(),
                short(held.as_ref().or(act.map(|act| &act.why)).map_or("", String::as_str), 160),
                format!("{}{mapper}", manifest.plugin.words()),
            ]);
            data.push(json!({
                "flow": flow, "release": row.digest, "standing": standing, "made_at": iso(row.made_at), "origin": row.origin,
                "live_at": act.map(|act| iso(act.at)), "who": act.map(|act| &act.who), "why": act.map(|act| &act.why),
                "held": held, "manifest": manifest,
            }));
        }
    }
    let header = ["flow", "release", "", "since", "by", "why", "plugin"];
    output.rows(&data, &header, rows, "no release yet: the host makes them of the files when it starts");
    Ok(ExitCode::SUCCESS)
}

/// A release by the beginning of its digest; without one the live release.
async fn found(parts: &Parts, flow: &str, asked: Option<&str>) -> Result<ReleaseRow> {
    parts.known_flow(Some(flow)).await?;
    let releases = parts.releases().await?;
    let digest = match asked {
        Some(asked) => asked.to_owned(),
        None => match releases.live(flow).await? {
            Some(live) => live.release,
            None => return Err(Failure::NotFound(format!("the flow {flow} has no live release yet")).into()),
        },
    };
    Ok(releases.find(flow, &digest).await?)
}

async fn show(parts: &Parts, flow: &str, asked: Option<&str>, output: &Output) -> Result<ExitCode> {
    let row = found(parts, flow, asked).await?;
    let acts = parts.store.activations(flow, u32::MAX).await?;
    let candidate = parts.store.candidate(flow).await?;
    let standing = Standing::of(&row.digest, &acts, candidate.as_ref());
    let release = parts.releases().await?.load(flow, &row.digest).await?;
    let own: Vec<&Activation> = acts.iter().filter(|act| act.release == row.digest).collect();
    if output.is_json() {
        output.value(&json!({
            "flow": flow, "release": row.digest, "standing": standing, "origin": row.origin, "made_at": iso(row.made_at),
            "activations": own, "manifest": release.manifest, "mapping": release.mapping_text, "codes": release.codes(),
            "held": candidate.filter(|candidate| candidate.release == row.digest).and_then(|candidate| candidate.held),
        }));
        return Ok(ExitCode::SUCCESS);
    }
    let manifest = &release.manifest;
    let mut rows = vec![
        vec!["flow".into(), flow.to_owned()],
        vec!["stands".into(), standing.word().into()],
        vec!["made".into(), format!("{}, of {}", iso(row.made_at), row.origin)],
        vec!["plugin".into(), component(&manifest.plugin)],
        vec!["mapping".into(), manifest.mapping.as_deref().map_or("the plugin's own", short_digest).to_owned()],
        vec!["mapping plugin".into(), manifest.mapper.as_ref().map_or_else(|| "none".into(), component)],
        vec!["settings".into(), manifest.settings.to_string()],
    ];
    rows.extend(
        own.iter().map(|act| vec!["went live".into(), format!("{}, by {}: {}", iso(act.at), act.who, act.why)]),
    );
    if let Some(held) = candidate.filter(|c| c.release == row.digest).and_then(|candidate| candidate.held) {
        rows.push(vec!["waits".into(), held]);
    }
    output.facts(&["release", row.digest.as_str()], rows);
    let asks: Vec<(String, Permission)> = asks_of(&release);
    let rows = asks.iter().map(|(of, p)| vec![of.clone(), p.slot.clone(), p.method.word().into(), p.path.clone()]);
    output.rows(&(), &["may", "connection", "method", "path"], rows.collect(), "it may do nothing");
    Ok(ExitCode::SUCCESS)
}

async fn diff(parts: &Parts, flow: &str, asked: &str, against: Option<&str>, output: &Output) -> Result<ExitCode> {
    let (after, before) = (found(parts, flow, Some(asked)).await?, found(parts, flow, against).await?);
    let releases = parts.releases().await?;
    let (old, new) = (releases.load(flow, &before.digest).await?, releases.load(flow, &after.digest).await?);
    if output.is_json() {
        output.value(&json!({
            "flow": flow, "before": before.digest, "after": after.digest,
            "parts": differences(&old, &new), "mapping": mapping_lines(&old, &new),
        }));
    } else {
        told_differences(&old, &new, output);
    }
    Ok(ExitCode::SUCCESS)
}

/// What differs, for a person.
fn told_differences(old: &Release, new: &Release, output: &Output) {
    let (parts, lines) = (differences(old, new), mapping_lines(old, new));
    if parts.is_empty() && lines.is_empty() {
        output.say("no difference");
        return;
    }
    let said = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let rows: Vec<Vec<String>> =
        parts.iter().map(|part| vec![part.what.clone(), said(&part.before), said(&part.after)]).collect();
    if !rows.is_empty() {
        output.facts(&["part", old.short(), new.short()], rows);
    }
    if !lines.is_empty() {
        output.say("mapping, line by line:");
        for line in &lines {
            output.say(format!("  {}", short(line, 240)));
        }
    }
}

async fn activate(parts: &Parts, flow: &str, asked: &str, why: &str, output: &Output) -> Result<ExitCode> {
    let row = found(parts, flow, Some(asked)).await?;
    let fresh = parts.releases().await?.activate(flow, &row.digest, &user(), why, Over::Any).await?;
    let said = if fresh { "is live now" } else { "is live already" };
    note(parts.store.as_ref(), "release.activate", format!("release {} of {flow}", row.digest), why).await?;
    tell(parts, flow, &row.digest, said, output).await
}

async fn grant(parts: &Parts, flow: &str, asked: &str, yes: bool, output: &Output) -> Result<ExitCode> {
    let row = found(parts, flow, Some(asked)).await?;
    for code in parts.releases().await?.load(flow, &row.digest).await?.codes() {
        let says = |question: &str| if yes { Ok(true) } else { plugin::confirmed(question) };
        if consent::missing(parts.store.as_ref(), &code).await?.is_empty() {
            output.say(format!("{} asks for no more than it was granted", code.short_name()));
        } else if plugin::grant(parts, &code, says, output).await? != ExitCode::SUCCESS {
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn rollback(parts: &Parts, flow: &str, why: &str, output: &Output) -> Result<ExitCode> {
    parts.known_flow(Some(flow)).await?;
    let release = parts.releases().await?.roll_back(flow, &user(), why, Over::Any).await?;
    note(parts.store.as_ref(), "release.rollback", format!("release {} of {flow}", release.digest), why).await?;
    tell(parts, flow, &release.digest, "is live again", output).await
}

async fn tell(parts: &Parts, flow: &str, digest: &str, said: &str, output: &Output) -> Result<ExitCode> {
    let live = parts.store.activations(flow, 1).await?.pop();
    let at: Option<Millis> = live.as_ref().map(|live| live.at);
    if output.is_json() {
        output.value(&json!({ "flow": flow, "release": digest, "live_at": at.map(iso), "live": live }));
    }
    output.say(format!("release {} of {flow} {said}: no run begins under another one", short_digest(digest)));
    Ok(ExitCode::SUCCESS)
}
