//! `tandem store status|make-key|seal|rotate-key`: the key that values of the database are sealed with.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::audit::note;
use super::database::is_file;
use super::failure::Failure;
use super::forget::settled;
use super::output::Output;
use super::service::Parts;
use crate::config::Config;
use crate::disk::folder_of;
use crate::store::{Access, fresh_key};
use crate::store::{Progress, Store};

#[derive(Subcommand)]
pub enum Command {
    /// Which key seals, which are known, and how many values are sealed with each.
    Status,
    /// Write a key into a new file; tandem.toml names it then.
    MakeKey {
        /// The file, which must not be there.
        file: PathBuf,
    },
    /// Seal all that is not sealed with the key that seals now: after a key was given at first, or to go on with what was broken off.
    Seal,
    /// Put a new key in front of the others in their file, and seal all with it, beside a running host.
    RotateKey,
}

pub async fn run(config: &Path, command: Command, output: &Output) -> Result<ExitCode> {
    if let Command::MakeKey { file } = command {
        return make_key(&file, output);
    }
    let own = Arc::new(Config::load(config)?);
    is_file(&own, "sealing", "have the disks and backups of its server encrypted")?;
    let mut parts = Parts::of(own, Access::Tool).await?;
    match command {
        Command::MakeKey { .. } => {}
        Command::Status => status(parts.store.as_ref(), output).await?,
        Command::Seal => seal(&parts, "store.seal", output).await?,
        Command::RotateKey => {
            rotate(&parts).await?;
            // With the new key.
            parts = Parts::open(config, Access::Tool).await?;
            seal(&parts, "store.rotate-key", output).await?;
            output.say("the older keys stay in the file: backups that were made before are sealed with them. Take a line out when the last of these is gone");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn make_key(file: &Path, output: &Output) -> Result<ExitCode> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut made = options.open(file).with_context(|| file.display().to_string())?;
    writeln!(made, "{}", fresh_key()?).and_then(|()| made.sync_all()).with_context(|| file.display().to_string())?;
    if output.is_json() {
        output.value(&json!({ "file": file }));
        return Ok(ExitCode::SUCCESS);
    }
    output.print(&file.display());
    output.say(format!("put `key = {{ file = \"{}\" }}` under [store] of tandem.toml, start the host anew, and seal what is kept already with `tandem store seal`", file.display()));
    output.say("keep a copy of the file apart from the backups: without it nobody reads the database again, and with both anybody does");
    Ok(ExitCode::SUCCESS)
}

async fn status(store: &dyn Store, output: &Output) -> Result<()> {
    let seals = store.seals().await?;
    if output.is_json() {
        output.value(&seals);
        return Ok(());
    }
    let mut keys: Vec<&String> = seals.known.iter().chain(&seals.used).chain(seals.values.keys()).collect();
    keys.sort();
    keys.dedup();
    let row = |key: &&String| {
        let role = match (seals.current.as_ref() == Some(*key), seals.known.contains(key)) {
            _ if key.is_empty() => "kept as they are: `tandem store seal` seals them",
            (true, _) => "seals, and opens",
            (false, true) => "opens",
            (false, false) => "is missing",
        };
        let name = if key.is_empty() { "none".to_owned() } else { (*key).clone() };
        vec![name, role.into(), seals.values.get(*key).copied().unwrap_or_default().to_string()]
    };
    output.rows(
        &(),
        &["key", "what it does", "values"],
        keys.iter().map(row).collect(),
        "nothing is kept yet, and no key is given",
    );
    match (&seals.current, &seals.words) {
        (Some(current), Some(words)) if current == words => output.say("the index of words, by which events are found, is under the key that seals"),
        (Some(_), _) => output.say("the index of words, by which events are found, is not all under the key that seals, and part of it may be readable: `tandem store seal` goes through all of it"),
        (None, _) => {}
    }
    if seals.current.is_none() {
        output.say("no key is given: values are kept as they are; `tandem store make-key <file>` makes one");
    }
    Ok(())
}

async fn seal(parts: &Parts, act: &str, output: &Output) -> Result<()> {
    let before = parts.store.seals().await?;
    let Some(current) = before.current else {
        let none = "[store] key of tandem.toml names no key; `tandem store make-key <file>` makes one";
        return Err(Failure::WrongUsage(none.into()).into());
    };
    settled(parts).await?;
    let style = ProgressStyle::with_template("sealing {bar:30} {pos} of {len}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = if output.is_json() { ProgressBar::hidden() } else { ProgressBar::new(0) };
    let bar = bar.with_style(style);
    let moved = bar.clone();
    let told: Progress = Arc::new(move |done: u64, of: u64| {
        moved.set_length(of);
        moved.set_position(done);
    });
    let sealed = parts.store.reseal(told).await;
    bar.finish_and_clear();
    let sealed = sealed?;
    let values = sealed.values;
    note(parts.store.as_ref(), act, format!("key {current}: {values} values"), "").await?;
    if output.is_json() {
        output.value(&json!({ "key": current, "sealed": values, "wiped": sealed.wiped }));
    }
    output.say(format!("{values} values were sealed with the key {current}; all are now"));
    if !sealed.wiped {
        output.say("the database's log could not be emptied, since somebody reads it: what was readable before may stand there until the host stops; run `tandem store seal` again");
    }
    if before.values.get("").is_some_and(|plain| *plain > 0) {
        output.say("backups, exports and databases put aside by a restore that were made before are as readable as they were: make a backup now, and remove the older ones when you need them no more");
    }
    Ok(())
}

/// A new key in front of the others. One that was put there before, and with which not all is sealed yet, is gone on with.
async fn rotate(parts: &Parts) -> Result<()> {
    let place = parts.config.place(&["store", "key"]);
    let Some(source) = &parts.config.store.key else {
        let none = "[store] key of tandem.toml names no key; `tandem store make-key <file>` makes one";
        return Err(Failure::WrongUsage(none.into()).into());
    };
    // Of one that only this machine opens nobody would have a copy.
    let crate::config::SecretSource::File(file) = source else {
        return Err(Failure::WrongUsage(format!(
            "{place}[store] key is in {source}, which this command cannot change: put a new key (`tandem store make-key`) in front of the others there, one a line or with a space between (of a sealed file: in your own copy, which `tandem secret seal` seals), start the host anew, and run `tandem store seal`"
        ))
        .into());
    };
    let seals = parts.store.seals().await?;
    let others: u64 = seals
        .values
        .iter()
        .filter(|(key, _)| !key.is_empty() && Some(*key) != seals.current.as_ref())
        .map(|(_, count)| count)
        .sum();
    if others > 0 && seals.known.len() > 1 {
        return Ok(());
    }
    let file = parts.config.resolve(file);
    let known = source.read(&parts.config.base)?;
    let keys = format!("{}\n{}\n", fresh_key()?, known.reveal());
    // There whole or not at all, and for its owner alone.
    let write = || -> std::io::Result<()> {
        let mut fresh = tempfile::NamedTempFile::new_in(folder_of(&file))?;
        fresh.write_all(keys.as_bytes())?;
        fresh.as_file().sync_all()?;
        as_before(&file, fresh.path())?;
        fresh.persist(&file).map_err(|error| error.error)?;
        Ok(())
    };
    write().with_context(|| file.display().to_string())?;
    Ok(())
}

/// The host may run as another user than who gives the command: it must read the new file as it read the old one.
#[cfg(unix)]
fn as_before(old: &Path, new: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{MetadataExt, chown};
    let (old, own) = (std::fs::metadata(old)?, std::fs::metadata(new)?);
    std::fs::set_permissions(new, old.permissions())?;
    if (old.uid(), old.gid()) == (own.uid(), own.gid()) { Ok(()) } else { chown(new, Some(old.uid()), Some(old.gid())) }
}

/// On Windows a file has the rights of its folder.
#[cfg(not(unix))]
fn as_before(_: &Path, _: &Path) -> std::io::Result<()> {
    Ok(())
}
