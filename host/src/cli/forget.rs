//! `tandem forget <record>`

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::audit::note;
use super::failure::Failure;
use super::output::Output;
use super::plugin::confirmed;
use super::service::Parts;
use crate::config::Config;
use crate::connections::salesforce::full_id;
use crate::engine::keeping;
use crate::store::sqlite::{Access, has_host};
use crate::store::{Forget, Forgotten, Progress, Stays};

/// So long a host takes at most to pack what ended.
const PACKED: Duration = Duration::from_secs(12);

#[derive(Args)]
pub struct Options {
    /// The record that the person is: a Salesforce id, a CardCode, the code of a contact.
    record: String,
    /// Do it, without asking; without it what would go and what stays is shown first.
    #[arg(long, short)]
    yes: bool,
}

pub async fn run(config: &Path, options: Options, output: &Output) -> Result<ExitCode> {
    let parts = Parts::open(config, Access::Tool).await?;
    let store = parts.store.as_ref();
    let ids = ids_of(&options.record);
    settled(&parts).await?;
    let (bar, told) = looking(output);
    let found = store.forget(ids.clone(), Forget::Rehearse, told).await;
    bar.finish_and_clear();
    let found = found?;
    if found.is_nothing() && found.stays == Stays::default() {
        let nothing = format!("nothing is kept of {}", options.record);
        return Err(Failure::NotFound(nothing).into());
    }
    if !options.yes || !output.is_json() {
        tell(&found, "would go", &parts.config, output);
    }
    if !options.yes && (output.is_json() || found.is_nothing() || !confirmed("take it out?")?) {
        output.say("nothing was changed");
        return Ok(ExitCode::SUCCESS);
    }
    let (bar, told) = looking(output);
    let gone = store.forget(ids, Forget::ForGood, told).await;
    bar.finish_and_clear();
    let gone = gone?;
    // Whom it was about is told by a hash: the same record again has the same.
    let who = store.pseudonym(&options.record).await?;
    let what = format!(
        "record {who}: {} events, {} journals, {} links, {} other places; {} unfinished events stay",
        gone.events,
        gone.journals,
        gone.links,
        gone.named_in + gone.errors + gone.named_in_links + gone.storage + gone.notes + gone.views,
        gone.stays.open_events.len() + gone.stays.open_named_in.len(),
    );
    note(store, "record.forget", what, "").await?;
    if output.is_json() {
        output.value(&gone);
        return Ok(ExitCode::SUCCESS);
    }
    output.say(match gone.wiped {
        true => "it is gone, from the free room of the database's file and from its log, too",
        false => "it is gone from the database; its log is still read by somebody: it is emptied when the host stops, or run this again",
    });
    Ok(ExitCode::SUCCESS)
}

/// By which a record goes: reports and addresses of the org show ids of 15 letters.
pub(super) fn ids_of(record: &str) -> BTreeSet<String> {
    let record = record.trim();
    [Some(record.to_owned()), full_id(record)].into_iter().flatten().collect()
}

/// What ended is packed first, by the host where there is one: only then it is looked through.
pub(super) async fn settled(parts: &Parts) -> Result<()> {
    if has_host(&parts.config.resolve(&parts.config.store.path)) {
        let until = tokio::time::Instant::now() + PACKED;
        while parts.store.unpacked().await? > 0 && tokio::time::Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    } else {
        parts.store.pack(&keeping::keeps(&parts.config)).await?;
    }
    Ok(())
}

/// A bar, and what moves it.
pub(super) fn looking(output: &Output) -> (ProgressBar, Progress) {
    let style = ProgressStyle::with_template("looking through the database {bar:30} {pos} of {len}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = if output.is_json() { ProgressBar::hidden() } else { ProgressBar::new(0) };
    let bar = bar.with_style(style);
    let moved = bar.clone();
    let told: Progress = Arc::new(move |done: u64, of: u64| {
        moved.set_length(of);
        moved.set_position(done);
    });
    (bar, told)
}

fn tell(found: &Forgotten, goes: &str, config: &Config, output: &Output) {
    if output.is_json() {
        return output.value(found);
    }
    let rows = [
        (
            "finished events about it",
            found.events,
            "emptied; their ids stay, so that one that is told again is not taken for new",
        ),
        ("finished events that name the person", found.named_in, "the person's values are taken out"),
        ("runs that failed in words that name the person", found.errors, "the person's values are taken out"),
        ("journals of runs", found.journals, "calls about it are emptied, the person's values are taken out of others"),
        ("links", found.links, "values last in step go; the pair of ids stays"),
        ("links of others", found.named_in_links, "the person's values are taken out"),
        ("values in flows' storage", found.storage, "the person's values are taken out"),
        ("notes beside questions", found.notes, "removed, or the person's values are taken out"),
        ("views of the console", found.views, "removed"),
    ];
    let rows = rows.iter().filter(|(_, count, _)| *count > 0);
    let rows = rows.map(|(what, count, how)| vec![(*what).into(), count.to_string(), (*how).into()]).collect();
    output.rows(&(), &["what", goes, "how"], rows, "nothing is left that could go");
    output.say(format!("the person is looked for by {} values of the record's own data", found.values));
    let rows = stays(&found.stays, config).into_iter().map(|(what, why)| vec![what, why]).collect();
    output.rows(&(), &["what stays", "why"], rows, "nothing stays");
}

fn stays(stays: &Stays, config: &Config) -> Vec<(String, String)> {
    let listed = |ids: &[i64]| {
        let shown: Vec<String> = ids.iter().take(5).map(ToString::to_string).collect();
        format!("{}{}", shown.join(", "), if ids.len() > 5 { ", …" } else { "" })
    };
    let mut all = Vec::new();
    let mut say = |count: u64, what: &str, why: String| {
        if count > 0 {
            all.push((format!("{count} {what}"), why));
        }
    };
    let open = &stays.open_events;
    say(
        open.len() as u64,
        "unfinished events about it",
        format!(
            "their flows still need them; let them finish, or answer or reject them, and run this again: {}",
            listed(open)
        ),
    );
    let open = &stays.open_named_in;
    say(open.len() as u64, "unfinished events that name the person", format!("the same: {}", listed(open)));
    say(
        stays.open_runs,
        "runs under way",
        "their journals keep what they did from being done twice; run this again in a minute".into(),
    );
    say(stays.wakes, "planned wake-ups", "their flows still need them".into());
    say(stays.links, "pairs of ids", "without them the same record would be made a second time".into());
    say(
        stays.acts,
        "lines of the audit trail",
        "nobody changes what was done; they go by nothing but a new database".into(),
    );
    say(
        stays.positions,
        "notes of the host to itself",
        "what it tells people, and where it goes on from: they change with the next thing it tells".into(),
    );
    if let Some(backup) = &config.backup {
        let folder = config.resolve(&backup.folder);
        let why = format!(
            "in {}: the oldest goes with each new one; a restore brings them back, so run this again after one",
            folder.display()
        );
        all.push((format!("up to {} backups", backup.keep), why));
    } else {
        all.push(("backups, where they are made".into(), "they are files of yours: the host knows of none".into()));
    }
    let log = "of the service: they name events by their ids; how long they are kept the service manager says".into();
    all.push(("log files".into(), log));
    all
}
