//! `tandem plugin list`

use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::json;

use super::reading;
use crate::cli::failure::FOUND_PROBLEMS;
use crate::cli::output::{Output, short};
use crate::cli::service::Parts;
use crate::releases::{Code, consent, shipped, short as short_digest};

/// Something that may be granted: a plugin, or a mapping plugin that a flow uses.
struct Listed {
    name: String,
    flows: Vec<String>,
    found: Result<(Code, String), String>,
}

pub async fn run(parts: &Parts, output: &Output) -> Result<ExitCode> {
    let mut data = Vec::new();
    let mut rows = Vec::new();
    let mut code = ExitCode::SUCCESS;
    for Listed { name, flows, found } in listed(parts, output).await? {
        match found {
            Ok((own, title)) => {
                let missing = consent::missing(parts.store.as_ref(), &own).await?.len();
                let asked = own.all().len();
                let state = if missing == 0 {
                    "granted".to_owned()
                } else {
                    format!("waits for consent to {missing} of {asked}")
                };
                rows.push(vec![
                    name.clone(),
                    own.version.clone(),
                    short_digest(&own.digest).to_owned(),
                    state,
                    flows.join(", "),
                    title.clone(),
                ]);
                data.push(json!({
                    "name": name, "kind": own.kind(), "version": own.version, "digest": own.digest, "title": title,
                    "asks": own.asks, "unasked": own.unasked, "missing": missing, "flows": flows
                }));
            }
            Err(error) => {
                code = ExitCode::from(FOUND_PROBLEMS);
                rows.push(vec![
                    name.clone(),
                    String::new(),
                    String::new(),
                    "cannot be used".into(),
                    String::new(),
                    short(&error, 200),
                ]);
                data.push(json!({ "name": name, "error": error }));
            }
        }
    }
    let folder = &parts.releases().await?.folder;
    let none = format!("no plugin in {}: `tandem plugin add` puts one there", folder.display());
    output.rows(&data, &["plugin", "version", "digest", "grant", "flows", "what it does"], rows, &none);
    Ok(code)
}

/// Every plugin in the folder and every mapping plugin of a flow.
async fn listed(parts: &Parts, output: &Output) -> Result<Vec<Listed>> {
    let releases = parts.releases().await?;
    let mut all = Vec::new();
    let names = shipped::names_in(&releases.folder)
        .with_context(|| format!("cannot read the plugins folder {}", releases.folder.display()))?;
    let progress = reading(names.len(), output);
    for name in names {
        progress.set_message(name.clone());
        let flows = parts.config.flows.iter().filter(|(_, flow)| flow.plugin == name);
        let flows = flows.map(|(flow, _)| flow.clone()).collect();
        let found = releases.plugin_file(&name).await.map_err(|error| error.to_string());
        let found = found.map(|plugin| (Code::of_plugin(&plugin), plugin.description.title.clone()));
        all.push(Listed { name, flows, found });
        progress.inc(1);
    }
    progress.finish_and_clear();
    for (flow, _) in parts.config.flows.iter().filter(|(_, own)| own.mapper.is_some()) {
        let found = match releases.of_files(flow, &parts.config).await {
            Ok(draft) => {
                let mapper = draft.release.codes().into_iter().find(Code::is_mapper);
                let described = draft.release.mapper.as_ref().and_then(|code| code.description.as_ref());
                let title = described.map(|own| own.title.clone());
                let title = title.unwrap_or_else(|| format!("mapping plugin of the flow {flow}"));
                mapper.map(|code| (code, title)).ok_or_else(|| "it is no part of the flow".to_owned())
            }
            Err(error) => Err(error.to_string()),
        };
        let name = match &found {
            Ok((code, _)) => code.short_name().to_owned(),
            Err(_) => format!("mapping plugin of {flow}"),
        };
        all.push(Listed { name, flows: vec![flow.clone()], found });
    }
    Ok(all)
}
