//! The host as other tools see it: the dashboard and the alert rules name figures that there are, and one trace goes from the event to the order.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::{Json, State};
use axum::routing::post;
use serde_json::{Value, json};
use tandem_e2e::{Setup, World, root};

const PATIENCE: Duration = Duration::from_secs(30);

/// Figures that a text names.
fn figures(text: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let words = text.split(|c: char| !is_name(c)).filter(|word| word.starts_with("tandem_") && word.len() > 7);
    words.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dashboard_and_the_alert_rules_name_figures_that_there_are() -> Result<()> {
    let folder = root().join("docs/monitoring");
    let board: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("grafana.json"))?)?;
    let panels = board["panels"].as_array().context("panels")?;
    let ids: BTreeSet<i64> = panels.iter().filter_map(|panel| panel["id"].as_i64()).collect();
    assert_eq!(ids.len(), panels.len(), "each panel has an id of its own");
    let drawn = panels.iter().filter(|panel| panel["type"] != "row");
    assert!(drawn.clone().count() > 10);
    for panel in drawn {
        let targets = panel["targets"].as_array().context("targets")?;
        assert!(
            targets.iter().all(|target| target["expr"].as_str().is_some_and(|expr| !figures(expr).is_empty())),
            "{panel}"
        );
    }
    let text = std::fs::read_to_string(folder.join("prometheus-rules.yml"))?;
    let rules: Value = serde_saphyr::from_str(&text)?;
    let rules = rules["groups"][0]["rules"].as_array().context("rules")?;
    assert!(rules.len() > 10);
    for rule in rules {
        for key in ["alert", "expr"] {
            assert!(rule[key].is_string(), "{key}: {rule}");
        }
        let told = &rule["annotations"];
        assert!(told["summary"].is_string() && told["description"].is_string(), "{rule}");
        let severity = rule["labels"]["severity"].as_str().unwrap_or_default();
        assert!(["info", "warning", "critical"].contains(&severity), "{rule}");
    }

    // A host with all that is watched: a backup, somebody to tell, a sweep.
    let setup = Setup {
        salesforce: "client_secret = { file = \"salesforce.secret\" }\n".into(),
        more: "[backup]\nfolder = \"backups\"\n[alerts.ops]\nkind = \"webhook\"\nurl = { file = \"hook.url\" }\nkey = { file = \"webhook.key\" }\n"
            .into(),
        init: true,
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    std::fs::write(world.folder().join("hook.url"), "http://127.0.0.1:9/hook")?;
    world.up().await?;
    let ids = world.opportunities(1).await?;
    world.win(&ids[0]).await?;
    world.until_all_told(&ids, PATIENCE).await?;
    let mut wanted = figures(&board.to_string());
    wanted.extend(rules.iter().flat_map(|rule| figures(rule["expr"].as_str().unwrap_or_default())));
    // The dashboard's own name is no figure.
    assert!(wanted.len() > 15, "{wanted:?}");
    let there = async |world: &World| {
        let text = reqwest::get(format!("{}/metrics", world.console)).await?.text().await?;
        let shown: BTreeSet<&str> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split(['{', ' ']).next())
            .collect();
        let missing: Vec<&String> = wanted.iter().filter(|name| !shown.contains(name.as_str())).collect();
        eprintln!("missing still: {missing:?}");
        Ok(missing.is_empty().then_some(()))
    };
    world.until("all figures", PATIENCE, there).await
}

type Told = Arc<Mutex<Vec<(String, Value)>>>;

/// A collector, and what it was told.
async fn collector() -> Result<(String, Told)> {
    let told: Told = Arc::default();
    let take = |what: &'static str| {
        post(move |State(told): State<Told>, Json(body): Json<Value>| async move {
            told.lock().expect("a collector").push((what.to_owned(), body));
            Json(json!({}))
        })
    };
    let router = Router::new()
        .route("/v1/traces", take("traces"))
        .route("/v1/metrics", take("metrics"))
        .with_state(told.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok((address, told))
}

fn spans(told: &Told) -> Vec<Value> {
    let told = told.lock().expect("a collector");
    let bodies = told.iter().filter(|(what, _)| what == "traces");
    bodies
        .flat_map(|(_, body)| {
            body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().cloned().unwrap_or_default()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_trace_goes_from_the_event_of_salesforce_to_the_order_of_b1_and_names_nobody() -> Result<()> {
    let (address, told) = collector().await?;
    let setup = Setup {
        more: format!(
            "[telemetry]\notlp = \"{address}\"\nseconds = 1\nheaders = {{ x-key = {{ file = \"webhook.key\" }} }}\n"
        ),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    world.up().await?;
    let ids = world.opportunities(1).await?;
    world.change("Opportunity", &ids[0], json!({ "Name": "Garden of Zwetschgenbaum" })).await?;
    world.win(&ids[0]).await?;
    world.until_all_told(&ids, PATIENCE).await?;
    let events = world.tandem_json(&["events", "list", "--key", &ids[0], "--state", "done"]).await?;
    let traces: BTreeSet<String> = events
        .as_array()
        .context("events")?
        .iter()
        .filter_map(|event| Some(event["trace"].as_str()?.split('-').next()?.to_owned()))
        .collect();
    let whole = async |_: &World| {
        let all = spans(&told);
        let of = |trace: &str| -> Vec<&Value> { all.iter().filter(|span| span["traceId"] == trace).collect() };
        Ok(traces.iter().find_map(|trace| {
            let own = of(trace);
            let call = own.iter().find(|span| {
                let name = span["name"].as_str().unwrap_or_default();
                span["kind"] == 3 && name.starts_with("POST b1 /Orders")
            })?;
            let run = own.iter().find(|span| span["spanId"] == call["parentSpanId"])?;
            let event = own.iter().find(|span| span["spanId"] == run["parentSpanId"])?;
            let topic = event["name"].as_str().unwrap_or_default().starts_with("salesforce.Opportunity");
            (topic && event["kind"] == 5 && event.get("parentSpanId").is_none()).then_some(())
        }))
    };
    world.until("the whole trace", PATIENCE, whole).await.with_context(|| format!("{:?}", spans(&told)))?;
    let text = format!("{:?}", spans(&told));
    assert!(!text.contains("Zwetschgenbaum") && !text.contains(&ids[0]), "{text}");
    let counted = async |_: &World| {
        let told = told.lock().expect("a collector");
        let figures = told.iter().filter(|(what, _)| what == "metrics").map(|(_, body)| body.to_string());
        Ok(figures.into_iter().any(|text| text.contains("tandem_outcomes_total")).then_some(()))
    };
    world.until("the figures", PATIENCE, counted).await
}
