//! `tandem restore <file>`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use tokio::task::spawn_blocking;

use super::audit::note;
use super::backup::progress;
use super::database::{is_file, keys_of};
use super::failure::Failure;
use super::output::Output;
use super::plugin::confirmed;
use crate::backup::{Manifest, Rehearsal, Restore, configuration};
use crate::config::Config;
use crate::store::{Access, sqlite::SqliteStore};
use crate::time::now;

#[derive(Args)]
pub struct Options {
    /// A file that `tandem backup` or the host made.
    file: PathBuf,
    /// Say what a host would do that goes on from it, and change nothing. Neither system is asked.
    #[arg(long)]
    rehearse: bool,
    /// Take tandem.toml, mappings and plugins of the backup, too; without it those that are there stay.
    #[arg(long)]
    with_configuration: bool,
    /// Do not ask before it is put in place.
    #[arg(long, short)]
    yes: bool,
}

pub async fn run(config: &Path, options: Options, output: &Output) -> Result<ExitCode> {
    let Options { file, rehearse, with_configuration, yes } = options;
    if file.is_dir() {
        let why = format!("{} is a folder: name one of the backups in it, tandem-<time>.tar.zst", file.display());
        return Err(Failure::WrongUsage(why).into());
    }
    let config = if with_configuration { configuration(&file, config)? } else { Config::load(config)? };
    is_file(&config, "a restore", "bring the database back by its server's own means, such as pg_restore")?;
    let (bar, told) = progress(output);
    if rehearse {
        let rehearsed = spawn_blocking(move || Rehearsal::of(&file, &config, &told)).await?;
        bar.finish_and_clear();
        tell_rehearsal(&rehearsed?, output);
        return Ok(ExitCode::SUCCESS);
    }
    let from = file.clone();
    let prepared = spawn_blocking(move || Restore::prepare(&from, config, &told)).await?;
    bar.finish_and_clear();
    let restore = prepared?;
    if !output.is_json() {
        tell(&restore, output);
        if with_configuration {
            tell_files(&restore.files(), output);
        }
    }
    if !yes && !confirmed("put it in place?")? {
        output.say("nothing was changed");
        return Ok(ExitCode::FAILURE);
    }
    // A backup whose key is not there is put nowhere.
    let keys = keys_of(&restore.config)?;
    let unknown: Vec<&String> =
        restore.manifest.keys.iter().filter(|id| keys.ids().iter().all(|own| own.to_string() != **id)).collect();
    if !unknown.is_empty() {
        let ids = unknown.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(", ");
        return Err(Failure::WrongUsage(format!(
            "the backup is sealed with the key {ids}, which is not among those of [store] key: put it there, in a line of its own, and restore again"
        ))
        .into());
    }
    let (place, left_out) = (restore.place.clone(), restore.manifest.left_out.clone());
    let restored = spawn_blocking(move || restore.swap(with_configuration)).await??;
    let store = SqliteStore::open_sealed(&place, Access::Tool, keys)?;
    note(&store, "backup.restore", file.display().to_string(), "").await?;
    if output.is_json() {
        output.value(&restored);
        return Ok(ExitCode::SUCCESS);
    }
    output.say(format!("{} is that of the backup", place.display()));
    if let Some(kept) = &restored.kept {
        output.say(format!("the one before is kept as {}", kept.display()));
    }
    for file in &restored.files {
        output.say(format!("put in place: {}", file.display()));
    }
    output.say(match restored.access_stays {
        true => "accounts, tokens and the audit trail stay as they were before; who was signed in signs in again",
        false => "accounts, tokens and the audit trail are those of the backup: `tandem account list` shows who may sign in, the console the tokens",
    });
    if with_configuration && !left_out.is_empty() {
        output.say("secrets and certificates are not in a backup; this configuration needs");
        left_out.iter().for_each(|secret| output.say(format!("  {secret}")));
    }
    output.say(
        "next: `tandem check`, `tandem run`: what happened since the backup is read again, and nothing is made twice",
    );
    Ok(ExitCode::SUCCESS)
}

type Events = BTreeMap<String, BTreeMap<String, u64>>;

/// What would be put in place, and of what.
fn tell(restore: &Restore, output: &Output) {
    let Restore { manifest, present, place, .. } = restore;
    let mut rows = facts(manifest);
    rows.push(vec!["is put in place of".into(), place.display().to_string()]);
    output.facts(&["backup", ""], rows);
    let empty = Events::new();
    let present_events = present.as_ref().unwrap_or(&empty);
    let mut flows: Vec<&String> = manifest.events.keys().chain(present_events.keys()).collect();
    flows.sort_unstable();
    flows.dedup();
    let of = |events: &Events, flow: &str| events.get(flow).map_or_else(String::new, in_words);
    let rows = flows.into_iter().map(|flow| vec![flow.clone(), of(&manifest.events, flow), of(present_events, flow)]);
    output.rows(&(), &["events of", "in the backup", "now"], rows.collect(), "no events are in it");
    if present.is_none() && place.exists() {
        output.say("the database that is there cannot be read");
    }
    if !restore.access_stays {
        output.say(
            "accounts, tokens and the audit trail will be those of the backup: who lost access since has it again until you take it",
        );
    }
}

/// What else would be written.
fn tell_files(files: &[(PathBuf, bool)], output: &Output) {
    let says = |replaces: &bool| if *replaces { "in place of another, which is kept" } else { "" };
    let rows = files.iter().map(|(path, replaces)| vec![path.display().to_string(), says(replaces).to_owned()]);
    output.rows(&(), &["is written, too", ""], rows.collect(), "the backup holds no configuration");
}

fn facts(manifest: &Manifest) -> Vec<Vec<String>> {
    let mut facts = vec![
        vec!["made".into(), format!("{}, {} ago", manifest.made, ago(now() - manifest.made_at))],
        vec!["on".into(), format!("{}, of {}", manifest.machine, manifest.database.display())],
        vec!["by".into(), format!("tandem {}, format {}", manifest.tandem, manifest.format)],
        vec!["links".into(), manifest.links.to_string()],
    ];
    let head = manifest.audit.iter();
    facts.extend(head.map(|own| vec!["audit trail".into(), format!("until line {}, head {}", own.line, own.head)]));
    facts
}

fn in_words(states: &BTreeMap<String, u64>) -> String {
    states.iter().map(|(state, count)| format!("{count} {state}")).collect::<Vec<_>>().join(", ")
}

fn ago(millis: i64) -> String {
    let minutes = millis.max(0) / 60_000;
    match (minutes / 1_440, minutes / 60) {
        (0, 0) => format!("{minutes} minutes"),
        (0, hours) => format!("{hours} hours"),
        (days, hours) => format!("{days} days and {} hours", hours % 24),
    }
}

fn tell_rehearsal(rehearsal: &Rehearsal, output: &Output) {
    if output.is_json() {
        return output.value(rehearsal);
    }
    output.facts(&["backup", ""], facts(&rehearsal.manifest));
    let rows = rehearsal.again.iter().map(|again| vec![again.source.clone(), again.says.clone()]).collect();
    output.rows(&(), &["read again", "how"], rows, "no source had a position: each begins anew");
    let rows = rehearsal.open.iter().map(|(flow, states)| vec![flow.clone(), in_words(states)]).collect();
    output.rows(&(), &["not finished then", "runs, waits or is asked again"], rows, "all events were finished then");
    if rehearsal.runs > 0 {
        output.say(format!(
            "{} runs were under way: they are taken up over their journals, and what may have been sent is looked up first",
            rehearsal.runs
        ));
    }
    match &rehearsal.since {
        Some(since) => {
            let rows = since.taken_in.iter().map(|(flow, events)| vec![flow.clone(), events.to_string()]).collect();
            output.rows(&(), &["flow", "events taken in since"], rows, "no event was taken in since");
            output.say(format!(
                "as many come again as their source still tells; {} links made since are found again by looking for the records, {} questions that were answered since are asked again where the records still give cause",
                since.links, since.questions
            ));
        }
        None => output
            .say("what happened since the backup is not known: there is no database of the same host to compare with"),
    }
    output.say("neither system was asked: what changed there, and what comes of it, shows when the host runs");
}
