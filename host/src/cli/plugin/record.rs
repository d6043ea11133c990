//! `tandem plugin test --record <event>`

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::output::{Output, short};
use crate::cli::service::Parts;
use crate::engine::Flow;
use crate::engine::scenario::{Recorded, record};
use crate::engine::told;
use crate::releases::short as digest;
use crate::store::Access;
use crate::store::EventId;

/// Writes a scenario of the last run of an event.
pub async fn run(config: &Path, id: i64, out: Option<PathBuf>, output: &Output) -> Result<ExitCode> {
    let parts = Parts::open(config, Access::Tool).await?;
    let event = parts.store.event(EventId(id)).await?.ok_or_else(|| Failure::no_event(id))?;
    let out = out.unwrap_or_else(|| PathBuf::from(format!("{}-{id}.json", event.flow)));
    if out.exists() {
        return Err(Failure::WrongUsage(format!("{} is there already: say another --out", out.display())).into());
    }
    let never = || Failure::NotFound(format!("no run of event {id} is kept: there is nothing to make a scenario of"));
    let last = parts.store.runs_of(event.id).await?.pop().ok_or_else(never)?;
    let run = parts.store.run(last.id).await?.ok_or_else(never)?;
    let journal = parts.store.journal_read(last.id).await?;
    let releases = parts.releases().await?;
    let connections = parts.connect()?;
    let release = releases.of_run(&event.flow, &run.release, &parts.config).await?;
    let flow = Flow::for_rehearsal(&event.flow, release, &parts.config, &connections, releases).await?;
    if let Some(folder) = out.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let mapper = mapper_beside(&parts, &flow, &out).await?;
    let Recorded { scenario, differs, left } = record(releases.runtime(), &flow, &run, &journal, mapper).await?;
    let text = serde_json::to_string_pretty(&scenario)? + "\n";
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(&out);
    let mut file = file.with_context(|| format!("cannot write {}", out.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", out.display()))?;
    if output.is_json() {
        output.value(&json!({ "file": out, "events": run.events.len(), "differences": differs, "look_at": left }));
        return Ok(ExitCode::SUCCESS);
    }
    let plugin = &flow.release.plugin.description;
    output.say(format!(
        "{}: {} events of one run, what {} {} was answered and did then, with other names",
        out.display(),
        run.events.len(),
        plugin.name,
        plugin.version
    ));
    if let Some(mapper) = scenario.mapper {
        output.say(format!("{}: the mapping plugin of that run, which belongs beside it", mapper.display()));
    }
    if !left.is_empty() {
        output.say(format!("look at these words before you give it away: {}", short(&left.join(", "), 1_000)));
    }
    for found in differs {
        let (then, now) = (short(&told(found.before.as_ref()), 120), short(&told(found.after.as_ref()), 120));
        output.say(format!("otherwise than then: {} ({}) {}: {then} → {now}", found.call, found.subject, found.field));
    }
    output.say(format!("tandem plugin test {} {}", releases.path(&plugin.name).display(), out.display()));
    Ok(ExitCode::SUCCESS)
}

/// Puts the mapping plugin of the flow's release beside the scenario; says how it is called there. Where it lies on this server is nobody's business.
async fn mapper_beside(parts: &Parts, flow: &Flow, out: &Path) -> Result<Option<PathBuf>> {
    let Some(own) = &flow.release.manifest.mapper else { return Ok(None) };
    let wasm = parts.store.content(&own.digest).await?;
    let wasm = wasm.with_context(|| format!("the mapping plugin {} of that run is not kept any more", own.name))?;
    let beside = |name: &str| out.with_file_name(name);
    let mut name = format!("{}.wasm", own.name);
    let is_other = |name: &str| std::fs::read(beside(name)).is_ok_and(|there| there != wasm);
    if is_other(&name) {
        name = format!("{}-{}.wasm", own.name, digest(&own.digest));
    }
    std::fs::write(beside(&name), &wasm).with_context(|| format!("cannot write {}", beside(&name).display()))?;
    Ok(Some(name.into()))
}
