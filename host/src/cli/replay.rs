//! `tandem replay <event> --dry-run`

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;

use super::failure::Failure;
use super::output::{Output, short};
use super::service::Parts;
use crate::engine::{Replay, told};
use crate::store::Access;
use crate::store::EventId;

#[derive(Args)]
pub struct Options {
    /// The event.
    id: i64,
    /// Nothing is sent; the only mode there is, and it must be said.
    #[arg(long)]
    dry_run: bool,
    /// Another version of the plugin: what would it have done? It runs with the grants of the version in use.
    #[arg(long)]
    plugin: Option<PathBuf>,
    /// Read everything anew instead of from the journal.
    #[arg(long)]
    fresh: bool,
}

pub async fn run(config: &Path, options: Options, output: &Output) -> Result<ExitCode> {
    if !options.dry_run {
        let id = options.id;
        return Err(Failure::WrongUsage(format!(
            "say --dry-run: nothing is sent; to run an event again for real use `tandem events retry {id}`"
        ))
        .into());
    }
    let parts = Parts::open(config, Access::Tool).await?;
    let event = parts.store.event(EventId(options.id)).await?.ok_or_else(|| Failure::no_event(options.id))?;
    let connections = parts.connect()?;
    let mut flow = parts.flow(&event.flow, &connections).await?;
    let releases = parts.releases().await?;
    if let Some(path) = &options.plugin {
        flow.release = Arc::new(flow.release.with_plugin(releases.runtime().load(path).await?));
    }
    let replay = Replay::run(releases.runtime(), &flow, &parts.store, &event, options.fresh)
        .await
        .context("the dry run failed")?;
    let differences = replay.differences();
    if output.is_json() {
        output.value(&json!({ "event": event.id, "outcome": replay.outcome, "effects": replay.dry, "recorded": replay.recorded, "differences": differences }));
        return Ok(ExitCode::SUCCESS);
    }
    output.say(format!("outcome: {}", replay.outcome));
    let rows = replay
        .dry
        .iter()
        .map(|effect| vec![effect.call.clone(), effect.subject.clone(), short(&effect.body.to_string(), 200)])
        .collect();
    output.rows(&(), &["would send", "about", "body"], rows, "nothing to send");
    if differences.is_empty() {
        output.say("no difference from what was sent");
    } else {
        let rows = differences
            .iter()
            .map(|found| {
                let effect = format!("{} ({})", found.call, found.subject);
                vec![
                    effect,
                    found.field.clone(),
                    short(&told(found.before.as_ref()), 80),
                    short(&told(found.after.as_ref()), 80),
                ]
            })
            .collect();
        output.facts(&["difference", "field", "sent then", "would send now"], rows);
    }
    Ok(ExitCode::SUCCESS)
}
