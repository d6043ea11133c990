//! `tandem forget <record>`

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::audit::note;
use super::failure::Failure;
use super::output::Output;
use super::plugin::confirmed;
use super::service::Parts;
use crate::config::Config;
use crate::connections::salesforce::full_id;
use crate::engine::keeping;
use crate::store::{Access, Forget, Forgotten, KnownAs, Progress, RecordKind, Stays, Store, Whom};

/// So long a host takes at most to pack what ended.
const PACKED: Duration = Duration::from_secs(12);

#[derive(Args)]
pub struct Options {
    /// The record that the person is: a Salesforce id, a CardCode, a contact as `CardCode:code`.
    record: String,
    /// Do it, without asking; without it what would go and what stays is shown first.
    #[arg(long, short)]
    yes: bool,
}

pub async fn run(config: &Path, options: Options, output: &Output) -> Result<ExitCode> {
    let parts = Parts::open(config, Access::Tool).await?;
    let store = parts.store.as_ref();
    let whom = meant(store, &options.record).await?;
    settled(&parts).await?;
    let (bar, told) = looking(output);
    let found = store.forget(whom.clone(), Forget::Rehearse, told).await;
    bar.finish_and_clear();
    let found = found?;
    if found.is_nothing() && found.stays == Stays::default() {
        let nothing = format!("nothing is kept of {}", options.record);
        return Err(Failure::NotFound(nothing).into());
    }
    if !output.is_json() {
        show(&whom, output);
        tell(&found, "would go", &parts.config, output);
    } else if !options.yes {
        output.value(&readable(&whom, &found)?);
    }
    if !options.yes && (output.is_json() || found.is_nothing() || !confirmed("take it out?")?) {
        output.say("nothing was changed");
        return Ok(ExitCode::SUCCESS);
    }
    let (bar, told) = looking(output);
    let gone = store.forget(whom.clone(), Forget::ForGood, told).await;
    bar.finish_and_clear();
    let gone = gone?;
    // Whom it was about is told by a hash: the same record again has the same.
    let who = store.pseudonym(&options.record).await?;
    let what = format!(
        "record {who}: {} events, {} journals, {} links, {} other places; {} unfinished events stay",
        gone.events,
        gone.journals,
        gone.links,
        gone.named_in + gone.errors + gone.named_in_links + gone.storage + gone.notes + gone.views + gone.acts,
        gone.stays.open_events.len() + gone.stays.open_named_in.len(),
    );
    note(store, "record.forget", what, "").await?;
    if output.is_json() {
        output.value(&readable(&whom, &gone)?);
        return Ok(ExitCode::SUCCESS);
    }
    let on_server = parts.config.store.url.is_some();
    output.say(match gone.wiped {
        _ if on_server => "it is gone from the database; files, logs and backups of its server keep it until the server's vacuum and until their own time ends",
        true => "it is gone, from the free room of the database's file and from its log, too",
        false => "it is gone from the database; its log is still read by somebody: it is emptied when the host stops, or run this again",
    });
    Ok(ExitCode::SUCCESS)
}

/// Whom a record that somebody named is; an error where it may be more than one, or nothing.
pub(super) async fn meant(store: &dyn Store, record: &str) -> Result<Whom> {
    let record = record.trim();
    // Reports and addresses of the org show ids of 15 letters.
    let mut found = store.meant(record, full_id(record)).await?;
    match (found.pop(), found.len()) {
        (Some(whom), 0) => Ok(whom),
        (Some(whom), _) => {
            found.push(whom);
            Err(Failure::WrongUsage(may_be(record, &found)).into())
        }
        (None, _) => Err(Failure::NotFound(format!(
            "nothing is kept of {record}: a number is looked for as a CardCode and as the code of a contact; a contact is also said as `CardCode:code`"
        ))
        .into()),
    }
}

/// For programs: what goes, or went, and of whom.
fn readable(whom: &Whom, forgotten: &Forgotten) -> Result<Value> {
    let mut told = serde_json::to_value(forgotten)?;
    if let Some(told) = told.as_object_mut() {
        told.insert("records".into(), serde_json::to_value(whom)?);
    }
    Ok(told)
}

/// What it may mean, and how to say which.
fn may_be(record: &str, found: &[Whom]) -> String {
    let mut told = vec![format!("{record} may mean more than one; nothing was changed")];
    for known in found.iter().filter_map(|whom| whom.records.iter().next()) {
        let b1 = known.b1.as_deref().unwrap_or_default();
        let between = known.between.as_deref().unwrap_or("one company or another");
        let also = known.salesforce.as_ref().map(|id| format!(" (`{id}` in Salesforce)")).unwrap_or_default();
        // The same in two companies is told apart by Salesforce alone.
        let alike = |whom: &&Whom| whom.records.iter().any(|other| other.kind == known.kind && other.b1 == known.b1);
        let say = match (&known.salesforce, known.kind) {
            (Some(id), _) if found.iter().filter(alike).count() > 1 || known.b1.is_none() => id.clone(),
            (_, RecordKind::Contact) => b1.to_owned(),
            (Some(id), _) => id.clone(),
            (None, _) => format!("BusinessPartners('{b1}')"),
        };
        told.push(format!("  the {} {b1} of {between}{also}: say `{say}`", known.kind.word()));
    }
    told.join("\n")
}

/// Who is meant, before anything is asked.
fn show(whom: &Whom, output: &Output) {
    let none = || "not known".to_owned();
    let row = |known: &KnownAs| {
        let text = |id: &Option<String>| id.clone().unwrap_or_else(none);
        vec![known.kind.word().into(), text(&known.salesforce), text(&known.b1), text(&known.between)]
    };
    let rows = whom.records.iter().map(row).collect();
    output.rows(&(), &["record", "Salesforce", "B1", "between"], rows, "nobody");
}

/// What ended is packed first, by the host where there is one: only then it is looked through.
pub(super) async fn settled(parts: &Parts) -> Result<()> {
    if parts.store.has_host().await? {
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
        (
            "lines of the audit trail",
            found.acts,
            "a hash takes the place of what tells of the person; who did what when stays, and can be checked as before",
        ),
    ];
    let rows = rows.iter().filter(|(_, count, _)| *count > 0);
    let rows = rows.map(|(what, count, how)| vec![(*what).into(), count.to_string(), (*how).into()]).collect();
    output.rows(&(), &["what", goes, "how"], rows, "nothing is left that could go");
    output.say(format!("the person is looked for by {} values of the record's own data", found.values));
    let rows = stays(&found.stays, config).into_iter().map(|(what, why)| vec![what, why]).collect();
    output.rows(&(), &["what stays", "why"], rows, "nothing stays");
}

/// Databases that restores have left beside this one.
fn put_aside(database: &Path) -> usize {
    let stem = database.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let begins = format!("{stem}-before-restore-");
    let files = database.parent().and_then(|folder| std::fs::read_dir(folder).ok());
    let names = files.into_iter().flatten().flatten().map(|file| file.file_name().to_string_lossy().into_owned());
    // What SQLite keeps beside one is no other one.
    names.filter(|name| name.starts_with(&begins) && !name.ends_with("-wal") && !name.ends_with("-shm")).count()
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
        stays.kept_back,
        "events, journals and links of its own",
        "something unfinished names the person, who is found in it by them: they go when it is finished and this is run again".into(),
    );
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
        "they name it by its ids alone, and nobody changes what was done".into(),
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
    let database = config.resolve(&config.store.path);
    let aside = put_aside(&database);
    if aside > 0 {
        let folder = database.parent().unwrap_or(Path::new(".")).display();
        let why = format!("in {folder}: each restore leaves one; remove them when the restored one has proved good");
        all.push((format!("{aside} databases put aside by a restore"), why));
    }
    let reports = database.parent().map(|folder| folder.join("reports")).filter(|folder| folder.is_dir());
    if let Some(reports) = reports {
        let why =
            format!("in {}: names and amounts of what differed; the oldest goes with each new one", reports.display());
        all.push(("reports of `tandem reconcile`".into(), why));
    }
    all.push((
        "files of `tandem export`".into(),
        "they are files of yours: remove them when they were handed over".into(),
    ));
    all.push((
        "questions in the org".into(),
        "each was shown there as a record (Tandem_Review__c) that stays when it is answered: delete it there".into(),
    ));
    let log = "of the service: they name events by their ids; how long they are kept the service manager says".into();
    all.push(("log files".into(), log));
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn databases_that_a_restore_put_aside_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        for name in
            ["tandem.db", "tandem-before-restore-1.db", "tandem-before-restore-1.db-wal", "other-before-restore-2.db"]
        {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(put_aside(&folder.path().join("tandem.db")), 1);
        assert_eq!(put_aside(Path::new("nowhere/tandem.db")), 0);
    }

    #[test]
    fn who_may_be_meant_is_told_with_how_to_say_it() {
        let known = |kind, salesforce: Option<&str>, b1: &str, between: Option<&str>| Whom {
            records: BTreeSet::from([KnownAs {
                kind,
                salesforce: salesforce.map(str::to_owned),
                b1: Some(b1.into()),
                between: between.map(str::to_owned),
            }]),
        };
        let told = may_be(
            "17",
            &[
                known(RecordKind::Account, None, "17", None),
                known(RecordKind::Contact, Some("003A"), "C00001:17", Some("erp|crm")),
            ],
        );
        assert!(told.contains("say `BusinessPartners('17')`") && told.contains("say `C00001:17`"), "{told}");
        let twice = [("erp|crm", "001A"), ("other|crm", "001B")];
        let twice = twice.map(|(between, id)| known(RecordKind::Account, Some(id), "C1", Some(between)));
        let told = may_be("C1", &twice);
        assert!(told.contains("say `001A`") && told.contains("say `001B`"), "{told}");
    }
}
