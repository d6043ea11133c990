//! One file for support, which a person reads in an editor: how all is, without secrets and without anybody's data.

mod log;
mod mask;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::Value;

pub use self::mask::Mask;
pub use self::settings::{texts_of, unknown_of};
use crate::checks::Finding;
use crate::store::{Count, Event, Millis};
use crate::time::iso;

/// Lines of the log.
const LINES: usize = 200;
/// Lines of figures.
const FIGURES: usize = 400;
/// Kinds of errors.
const KINDS: usize = 50;

/// What is known of a host. What could not be found out is none, and `troubles` say why.
#[derive(Default)]
pub struct Facts {
    /// When.
    pub at: Millis,
    /// Operating system and machine.
    pub system: String,
    /// `tandem.toml`.
    pub config: Option<toml::Table>,
    /// Texts of the plugins' schemas.
    pub known: BTreeSet<String>,
    /// What `tandem check` found.
    pub findings: Vec<Finding>,
    /// Flows: name and what each runs, in words.
    pub flows: Vec<(String, String)>,
    /// How many events stand where.
    pub counts: Vec<Count>,
    /// What stands in review or was rejected, the newest.
    pub wrong: Vec<Event>,
    /// What a running host says of itself under `/readyz`, and under `/metrics`.
    pub ready: Option<Value>,
    /// See `ready`.
    pub figures: Option<String>,
    /// Name and value: sizes, disk, clocks, backups.
    pub state: Vec<(String, String)>,
    /// The end of the log, where there is one.
    pub log: Option<String>,
    /// What could not be found out.
    pub troubles: Vec<String>,
}

/// The report, as Markdown.
pub fn report(facts: &Facts, mask: &Mask) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "# Tandem: report for support\n\nMade {} by `tandem doctor`. It holds no secrets and nobody's data: names of users, e-mail addresses and secrets are {}, and of \
         texts that tell of records only words that everybody uses are left, the rest is …. Addresses of servers, names of connections and flows, and settings that \
         a plugin's own schema names are shown. Read it before you send it.\n",
        iso(facts.at),
        mask::DOTS
    );
    section(
        &mut text,
        "Versions",
        vec![format!("- tandem {}", env!("CARGO_PKG_VERSION")), format!("- {}", mask.text(&facts.system))],
    );
    // What is wrong with a setting quotes it.
    let quoting = mask.and(facts.config.iter().flat_map(|config| unknown_of(config, &facts.known)));
    section(
        &mut text,
        "What could not be found out",
        facts.troubles.iter().map(|own| format!("- {}", quoting.text(own))).collect(),
    );
    let findings = facts.findings.iter().map(|own| finding(own, mask, &quoting)).collect();
    section(&mut text, "What is found wrong, or well", findings);
    section(
        &mut text,
        "State",
        facts.state.iter().map(|(name, value)| format!("- {name}: {}", mask.text(value))).collect(),
    );
    section(
        &mut text,
        "Flows",
        facts.flows.iter().map(|(name, says)| format!("- {name}: {}", mask.text(says))).collect(),
    );
    section(&mut text, "Events by state", counts(&facts.counts));
    section(&mut text, "Errors by kind", kinds(&facts.wrong, mask));
    if let Some(ready) = &facts.ready {
        fenced(&mut text, "The running host: /readyz", "json", &format!("{:#}", mask.json(ready)));
    }
    if let Some(config) = &facts.config {
        fenced(&mut text, "Configuration", "toml", &settings::shown(config, &facts.known, mask));
    }
    if let Some(figures) = &facts.figures {
        fenced(&mut text, "Timings, budgets and counts: /metrics", "text", &mask.text(&of_tandem(figures)));
    }
    if let Some(log) = &facts.log {
        fenced(&mut text, "The last lines of the log", "text", &log::last(log, LINES, mask).join("\n"));
    }
    text
}

fn section(text: &mut String, title: &str, lines: Vec<String>) {
    if !lines.is_empty() {
        let _ = writeln!(text, "## {title}\n\n{}\n", lines.join("\n"));
    }
}

fn fenced(text: &mut String, title: &str, kind: &str, content: &str) {
    // What is within ends nothing.
    let content = content.replace("```", "'''");
    let _ = writeln!(text, "## {title}\n\n```{kind}\n{}\n```\n", content.trim_end());
}

fn finding(own: &Finding, mask: &Mask, quoting: &Mask) -> String {
    let mend = if own.mend.is_empty() { String::new() } else { format!(" → {}", own.mend) };
    format!("- {}: {}: {}", own.word(), mask.text(&own.what), quoting.text(&format!("{}{mend}", own.says)))
}

fn counts(counts: &[Count]) -> Vec<String> {
    let mut flows: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for count in counts {
        flows.entry(&count.flow).or_default().push(format!("{} {}", count.events, count.state.word()));
    }
    flows.into_iter().map(|(flow, states)| format!("- {flow}: {}", states.join(", "))).collect()
}

/// By flow, state and cause, the most frequent first; each with the number of its newest event, by which the house looks it up.
fn kinds(events: &[Event], mask: &Mask) -> Vec<String> {
    let mut kinds: BTreeMap<(String, &str, String), Vec<&Event>> = BTreeMap::new();
    for event in events {
        let cause = mask.cause(event.reason.as_deref().unwrap_or_default(), &event.detail);
        kinds.entry((event.flow.clone(), event.state.word(), cause)).or_default().push(event);
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by_key(|(_, events)| std::cmp::Reverse(events.len()));
    let line = |((flow, state, cause), events): ((String, &str, String), Vec<&Event>)| {
        let newest = events.iter().max_by_key(|event| event.id)?;
        let oldest = events.iter().map(|event| event.created_at).min()?;
        let (many, from, until) = (events.len(), iso(oldest), iso(newest.created_at));
        Some(format!("- {flow}, {state}, {many} times from {from} until {until}, such as event {}: {cause}", newest.id))
    };
    kinds.into_iter().take(KINDS).filter_map(line).collect()
}

/// The host's own figures, without their descriptions.
fn of_tandem(figures: &str) -> String {
    figures.lines().filter(|line| line.starts_with("tandem_")).take(FIGURES).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{EventId, EventState, Kept};

    #[test]
    fn nothing_that_is_planted_anywhere_comes_out() {
        let event = |id: i64, reason: &str, detail: &str| Event {
            id: EventId(id),
            flow: "orders".into(),
            topic: "salesforce.Opportunity".into(),
            key: "006Schmidt".into(),
            payload: "{\"Name\":\"Schmidt\"}".into(),
            trace: String::new(),
            state: EventState::Review,
            due_at: 0,
            attempts: 1,
            created_at: id,
            finished_at: None,
            reason: Some(reason.into()),
            choices: vec!["take Schmidt".into()],
            detail: detail.into(),
            resolution: Some("Schmidt".into()),
            kept: Kept::Whole,
        };
        let facts = Facts {
            config: toml::from_str(
                "[b1.erp]\nuser = \"schmidt\"\npassword = \"geheim-1\"\n[flows.o.settings]\nowner = \"Kruse\"\n",
            )
            .ok(),
            findings: vec![
                Finding::bad("connection erp", "refused for schmidt (anna@schmidt.de)", "ask geheim-1"),
                Finding::bad("flow o", "`owner` = \"Kruse\" must be a number", ""),
            ],
            wrong: vec![
                event(1, "Schmidt GmbH, Hauptstraße 1, owes 5", "{}"),
                event(
                    2,
                    "Schmidt is over the limit",
                    r#"{"said":[{"key":"orders.over_limit","with":{"who":"Schmidt"}}]}"#,
                ),
                event(3, "Meier is over the limit", r#"{"said":[{"key":"orders.over_limit","with":{"who":"Meier"}}]}"#),
            ],
            ready: Some(serde_json::json!({ "refused": { "erp": "schmidt may not" } })),
            figures: Some("# HELP x\ntandem_events{flow=\"orders\"} 3\nother 1\n".into()),
            state: vec![("free".into(), "7 GB".into())],
            log: Some("2026-01-31T14:05:59Z  WARN it failed error=Schmidt, anna@schmidt.de```\n".into()),
            troubles: vec!["cannot read /home/schmidt/x".into(), "flow o: `owner` = \"Kruse\"".into()],
            ..Facts::default()
        };
        let told = report(&facts, &Mask::new(["geheim-1".into(), "schmidt".into()]).unwrap());
        for gone in ["Schmidt", "schmidt", "geheim", "Kruse", "Meier", "Hauptstraße", "006"] {
            assert!(!told.contains(gone), "{gone}: {told}");
        }
        assert!(told.contains("2 times") && told.contains("event 3: orders.over_limit"), "{told}");
        assert!(told.contains("tandem_events{flow=\"orders\"} 3") && !told.contains("other 1"), "{told}");
        assert!(told.contains("2026-01-31T14:05:59Z WARN it failed"), "{told}");
    }
}
