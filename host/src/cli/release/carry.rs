//! `tandem release export|import`: a release goes from the test host to production as one file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;

use super::{found, told_differences};
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::service::Parts;
use crate::releases::{Parcel, Trust, consent, differences, short, sign};

#[derive(Args)]
pub struct Export {
    flow: String,
    /// The beginning of its digest; without it the live one.
    release: Option<String>,
    /// Where to; `<flow>-<release>.release` without it.
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Sign with this secret key of minisign; one with a password asks for it.
    #[arg(long)]
    key: Option<PathBuf>,
}

#[derive(Args)]
pub struct Import {
    file: PathBuf,
    /// The flow to take it in for, where it is called otherwise here.
    #[arg(long)]
    flow: Option<String>,
}

pub async fn export(parts: &Parts, options: Export, output: &Output) -> Result<ExitCode> {
    let row = found(parts, &options.flow, options.release.as_deref()).await?;
    let parcel = parts.releases().await?.parcel(&options.flow, &row.digest).await?;
    let text = parcel.text().map_err(anyhow::Error::msg)?;
    let named = format!("{}-{}.release", options.flow, short(&row.digest));
    let file = options.output.unwrap_or_else(|| PathBuf::from(&named));
    let content = text.trim_end();
    let signature = match &options.key {
        Some(key) => Some(sign(content.as_bytes(), key, &format!("release {} of {}", row.digest, options.flow))?),
        None => None,
    };
    let sealed = Parcel::sealed(content, signature.as_deref());
    std::fs::write(&file, sealed).with_context(|| format!("cannot write {}", file.display()))?;
    if output.is_json() {
        output.value(
            &json!({ "flow": options.flow, "release": row.digest, "file": file, "signed": signature.is_some() }),
        );
    }
    let how = if signature.is_some() { "signed" } else { "not signed: --key signs it" };
    output.say(format!("release {} of {}: {} ({how})", short(&row.digest), options.flow, file.display()));
    Ok(ExitCode::SUCCESS)
}

/// The key it was signed with, and that in words; an error where that is not enough.
fn signer(trust: &Trust, file: &Path, text: &str, signature: Option<&str>) -> Result<(Option<String>, String)> {
    Ok(match signature {
        Some(signature) if trust.has_keys() => {
            let key = trust.check(file, text.as_bytes(), signature)?;
            let words = format!("signed by {key}");
            (Some(key), words)
        }
        Some(_) => (None, "signed, by whom is not known: [trust] names no keys".into()),
        None => {
            trust.unsigned(file)?;
            (None, "not signed".into())
        }
    })
}

pub async fn import(parts: &Parts, options: Import, output: &Output) -> Result<ExitCode> {
    let file = &options.file;
    let sealed = match Parcel::read(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Failure::NotFound(format!("there is no {}", file.display())).into());
        }
        read => read.with_context(|| format!("cannot read {}", file.display()))?,
    };
    let releases = parts.releases().await?;
    let (text, signature) = Parcel::opened(&sealed);
    let (signed_by, signed) = signer(&releases.trust, file, text, signature)?;
    let parcel = Parcel::parse(text).map_err(|why| anyhow::anyhow!("{}: {why}", file.display()))?;
    let flow = options.flow.unwrap_or_else(|| parcel.flow.clone());
    if let Err(known) = parts.config.flow(&flow) {
        return Err(Failure::NotFound(format!(
            "there is no flow {flow:?} in tandem.toml; {known}; --flow names another"
        ))
        .into());
    }
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let release = releases.take_in(&flow, parcel, &format!("imported from {name}, {signed}"), signed_by).await?;
    let mut missing = Vec::new();
    for code in release.codes() {
        let more = consent::missing(parts.store.as_ref(), &code).await?;
        missing.extend(more.into_iter().map(|permission| (code.short_name().to_owned(), permission)));
    }
    let live = match releases.live(&flow).await? {
        Some(live) => Some(releases.load(&flow, &live.release).await?),
        None => None,
    };
    let parts = live.as_ref().map(|live| differences(live, &release)).unwrap_or_default();
    if output.is_json() {
        output.value(&json!({
            "flow": flow, "release": release.digest, "signed": signed, "differences": parts,
            "not_granted": missing.iter().map(|(_, permission)| permission).collect::<Vec<_>>(),
        }));
        return Ok(ExitCode::SUCCESS);
    }
    output.say(format!("release {} of {flow}: taken in, {signed}", release.short()));
    if let Some(live) = &live {
        told_differences(live, &release, output);
    }
    if !missing.is_empty() {
        let rows = missing
            .iter()
            .map(|(of, p)| vec![of.clone(), p.slot.clone(), p.method.word().into(), p.path.clone(), p.reason.clone()]);
        output.facts(&["would newly be allowed", "connection", "method", "path", "why"], rows.collect());
        output.say(format!("allow it with `tandem release grant {flow} {}`", release.short()));
    }
    output.say(format!(
        "compare with `tandem release compare {flow} {0}`, make it live with `tandem release activate {flow} {0}`",
        release.short()
    ));
    Ok(ExitCode::SUCCESS)
}
