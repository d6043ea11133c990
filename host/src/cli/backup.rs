//! `tandem backup`

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use super::database::is_file;
use super::failure::Failure;
use super::output::{Output, complain};
use super::service::Parts;
use crate::backup::{BackupError, Record, Step, Told, make, part_with_old};
use crate::config::Config;
use crate::store::Access;

#[derive(Args)]
pub struct Options {
    /// Into this folder, without removing older ones; without it as [backup] of tandem.toml says.
    #[arg(long)]
    to: Option<PathBuf>,
}

pub async fn run(config: &Path, options: Options, output: &Output) -> Result<ExitCode> {
    let config = Arc::new(Config::load(config)?);
    is_file(&config, "a backup", "back the database up by its server's own means, such as pg_dump")?;
    let parts = Parts::of(config, Access::Tool).await?;
    let scheduled = parts.config.backup.as_ref().map(|backup| (parts.config.resolve(&backup.folder), backup.keep));
    let elsewhere = options.to.is_some();
    let folder = match (options.to, &scheduled) {
        (Some(folder), _) => folder,
        (None, Some((folder, _))) => folder.clone(),
        (None, None) => {
            let missing = "where to? give --to <folder>, or `folder` of [backup] in tandem.toml";
            return Err(Failure::WrongUsage(missing.into()).into());
        }
    };
    let (bar, told) = progress(output);
    let made = make(&parts.config, parts.store.as_ref(), &folder, &told).await;
    bar.finish_and_clear();
    // One that lies elsewhere says nothing of those that are made by themselves; the one under way notes what becomes of it.
    if let Some((_, keep)) = scheduled.filter(|(own, _)| same_folder(own, &folder))
        && !matches!(made, Err(BackupError::Busy(_)))
    {
        let store = parts.store.as_ref();
        let noted = async { Record::of(store).await?.then(made.as_ref()).keep(store).await };
        match (noted.await, &made) {
            (Ok(()), Ok(good)) if !elsewhere => part_with_old(&good.file, keep),
            (Ok(()), _) => {}
            (Err(error), _) => complain(format_args!("what became of the backup is not noted: {error}")),
        }
    }
    let good = made?;
    if output.is_json() {
        output.value(&good);
        return Ok(ExitCode::SUCCESS);
    }
    output.print(&good.file.display());
    output.say(format!("{}, unpacked and looked at; restore it with `tandem restore`", HumanBytes(good.bytes)));
    output.say("it holds customers' data, and no secrets: keep these, and who may read it, as its manifest names them");
    Ok(ExitCode::SUCCESS)
}

fn same_folder(one: &Path, other: &Path) -> bool {
    let whole = |path: &Path| std::fs::canonicalize(path).or_else(|_| std::path::absolute(path)).ok();
    one == other || (whole(one).is_some() && whole(one) == whole(other))
}

/// A bar, and what moves it.
pub(super) fn progress(output: &Output) -> (ProgressBar, Told) {
    let style = ProgressStyle::with_template("{msg:24} {bar:30} {binary_bytes} of {binary_total_bytes}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = if output.is_json() { ProgressBar::hidden() } else { ProgressBar::new(0) };
    let bar = bar.with_style(style);
    let moved = bar.clone();
    let told: Told = Arc::new(move |step: Step, done: u64, of: u64| {
        moved.set_message(step.word());
        moved.set_length(of);
        moved.set_position(done);
    });
    (bar, told)
}
