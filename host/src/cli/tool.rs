//! `tandem tool list|show|call`

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Subcommand;
use serde_json::Value;

use super::audit::user;
use super::failure::Failure;
use super::output::{Output, complain, short};
use super::service::Parts;
use crate::agents::{Caller, Gateway, Offered, Refused};
use crate::store::Access;
use crate::store::{Inbox, Role, Via};

#[derive(Subcommand)]
pub enum Command {
    /// The tools of all flows.
    List,
    /// One tool: what it does, what it takes, what it gives.
    Show {
        /// Such as `accounts_find-customer`.
        tool: String,
    },
    /// Call one; what it read and what it answered is kept as an event.
    Call {
        /// Such as `accounts_find-customer`.
        tool: String,
        /// What it takes, a JSON object such as '{"text": "Miller"}'.
        #[arg(default_value = "{}")]
        input: String,
        /// Of what writes: a name for this very call, by which one that is made again is the same one.
        #[arg(long)]
        once: Option<String>,
    },
}

pub async fn run(config: &Path, command: Command, output: &Output) -> Result<ExitCode> {
    let parts = Parts::open(config, Access::Tool).await?;
    match command {
        Command::List => {
            let gateway = gateway(&parts, None).await?;
            let offered = gateway.offered(&caller());
            let rows = offered
                .iter()
                .map(|own| vec![own.name.clone(), own.tool.title.clone(), own.tool.deed.to_string()])
                .collect();
            output.rows(&offered, &["tool", "what it does", "it"], rows, "no plugin offers a tool");
        }
        Command::Show { tool } => {
            let gateway = gateway(&parts, flow_of(&parts, &tool)).await?;
            show(&found(&gateway, &tool)?, output);
        }
        Command::Call { tool, input, once } => {
            let input: Value = serde_json::from_str(&input)
                .with_context(|| format!("the input of {tool} is not JSON; write it like '{{\"text\": \"Miller\"}}'"))
                .map_err(|error| Failure::WrongUsage(format!("{error:#}")))?;
            let gateway = gateway(&parts, flow_of(&parts, &tool)).await?;
            let answered = match gateway.call(&caller(), "tandem tool call", &tool, input, once).await {
                Err(Refused::Unknown(_)) => return Err(unknown(&gateway, &tool)),
                other => other?,
            };
            if output.is_json() {
                output.value(&answered);
            } else {
                output.say(serde_json::to_string_pretty(&answered.result)?);
                if let Some(event) = answered.event {
                    output.say(format!(
                        "event {event}; calls to B1 and Salesforce: {}; {} ms, of these {} in them",
                        answered.calls, answered.took_ms, answered.away_ms
                    ));
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show(own: &Offered, output: &Output) {
    if output.is_json() {
        output.value(own);
        return;
    }
    output.say(format!("{}: {} (flow {}, {})", own.name, own.tool.title, own.flow, own.tool.deed));
    output.say(&own.tool.description);
    for (header, schema, none) in
        [("it takes", &own.tool.input, "it takes nothing"), ("it gives", &own.tool.output, "it gives nothing")]
    {
        let mut rows = Vec::new();
        fields("", schema, &mut rows);
        output.rows(&(), &[header, "", "what it is"], rows, none);
    }
}

/// The fields of an object, those within another named with it: `orders[].doc_entry`.
fn fields(within: &str, schema: &Value, rows: &mut Vec<Vec<String>>) {
    let required = schema["required"].as_array();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{within}{name}");
        let kind = field["type"].as_str().unwrap_or("any value");
        let must = required.is_some_and(|all| all.iter().any(|own| own == name.as_str()));
        let kind = if must { format!("{kind}, always") } else { kind.to_owned() };
        rows.push(vec![path.clone(), kind, field["description"].as_str().unwrap_or_default().to_owned()]);
        fields(&format!("{path}."), field, rows);
        fields(&format!("{path}[]."), &field["items"], rows);
    }
}

fn found(gateway: &Gateway, tool: &str) -> Result<Offered> {
    // What is refused to whoever asks here may be looked at: rules for others speak of it.
    gateway.known(&caller(), tool).ok_or_else(|| unknown(gateway, tool))
}

fn unknown(gateway: &Gateway, tool: &str) -> anyhow::Error {
    Failure::unknown("tool", tool, gateway.offered(&caller()).iter().map(|own| own.name.as_str())).into()
}

/// The flow whose tool that is by its name; the host's own are asked of all.
fn flow_of<'a>(parts: &Parts, tool: &'a str) -> Option<&'a str> {
    tool.split_once('_').map(|(flow, _)| flow).filter(|flow| parts.config.flows.contains_key(*flow))
}

/// Who calls from here: whoever may read this host's configuration and its secrets.
pub fn caller() -> Caller {
    Caller {
        who: user(),
        role: Role::Admin,
        flows: None,
        via: Via::CommandLine,
        program: None,
        owner: None,
        address: None,
        tools: None,
    }
}

/// What answers here, beside a running host or without one: all flows under what they run, or one of them. Who cannot run is told and left out.
pub async fn gateway(parts: &Parts, flow: Option<&str>) -> Result<Gateway> {
    let connections = parts.connect()?;
    let mut flows = Vec::new();
    for name in parts.config.flows.keys().filter(|name| flow.is_none_or(|own| own == name.as_str())) {
        match parts.flow(name, &connections).await {
            Ok(flow) => flows.push(Arc::new(flow)),
            Err(error) => complain(format_args!("{name}: {}", short(&format!("{error:#}"), 300))),
        }
    }
    let releases = parts.releases().await?.clone();
    // A running host looks at its queue every two seconds, whoever put something there.
    let inbox = Arc::new(Inbox::new(parts.store.clone(), []));
    Ok(Gateway::new(
        parts.config.clone(),
        connections,
        Box::new(move || flows.clone()),
        releases,
        inbox,
        Arc::default(),
    ))
}
