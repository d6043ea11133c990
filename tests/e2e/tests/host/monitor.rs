//! The host as other tools see it: the dashboard and the alert rules name figures that there are, and one trace goes from the event to the order.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
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

type Told = Arc<Mutex<Vec<(&'static str, Bytes)>>>;

/// A collector, what it was told, and what it answers.
struct Collector {
    address: String,
    told: Told,
    answers: Arc<AtomicU16>,
}

impl Collector {
    async fn new() -> Result<Self> {
        let (told, answers) = (Told::default(), Arc::new(AtomicU16::new(200)));
        let take = |what: &'static str| {
            post(
                move |State((told, answers)): State<(Told, Arc<AtomicU16>)>, headers: HeaderMap, body: Bytes| async move {
                    let status = answers.load(Ordering::Relaxed);
                    assert_eq!(headers["content-type"], "application/x-protobuf");
                    if status == 200 {
                        told.lock().expect("a collector").push((what, body));
                    }
                    (StatusCode::from_u16(status).expect("a status"), [("retry-after", "1")])
                },
            )
        };
        let router = Router::new()
            .route("/v1/traces", take("traces"))
            .route("/v1/metrics", take("metrics"))
            .with_state((told.clone(), answers.clone()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, told, answers })
    }

    fn of(&self, wanted: &str) -> Vec<Bytes> {
        let told = self.told.lock().expect("a collector");
        told.iter().filter(|(what, _)| *what == wanted).map(|(_, body)| body.clone()).collect()
    }

    fn spans(&self) -> Vec<Span> {
        let requests = self.of("traces").into_iter();
        let requests = requests.map(|body| ExportTraceServiceRequest::decode(body).expect("OTLP"));
        let resources = requests.flat_map(|own| own.resource_spans);
        resources.flat_map(|own| own.scope_spans).flat_map(|own| own.spans).collect()
    }

    /// The spans of a change, up to the order, where they hang together.
    fn whole(&self, trace: &str) -> Option<[Span; 3]> {
        let all = self.spans();
        let own = |span: &&Span| hex(&span.trace_id) == trace;
        let by_id = |id: &[u8]| all.iter().filter(own).find(|span| span.span_id == id).cloned();
        let is_order = |span: &&Span| span.kind == 3 && span.name.starts_with("POST b1 /Orders");
        let call = all.iter().filter(own).find(is_order)?.clone();
        let run = by_id(&call.parent_span_id)?;
        let event = by_id(&run.parent_span_id)?;
        let is_whole = event.name.starts_with("salesforce.Opportunity") && event.kind == 5;
        (is_whole && event.parent_span_id.is_empty()).then_some([event, run, call])
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The traces of what was done of a record.
async fn traces_of(world: &World, key: &str) -> Result<BTreeSet<String>> {
    let events = world.tandem_json(&["events", "list", "--key", key]).await?;
    let traces = events.as_array().context("events")?.iter();
    Ok(traces.filter_map(|event| Some(event["trace"].as_str()?.split('-').next()?.to_owned())).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_trace_goes_from_the_event_of_salesforce_to_the_order_of_b1_and_names_nobody() -> Result<()> {
    let collector = Collector::new().await?;
    let setup = Setup {
        more: format!(
            "[telemetry]\notlp = \"{}\"\nseconds = 1\nattributes = {{ \"deployment.environment.name\" = \"test\" }}\nheaders = {{ x-key = {{ file = \"webhook.key\" }} }}\n",
            collector.address
        ),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    world.up().await?;
    let ids = world.opportunities(3).await?;
    world.change("Opportunity", &ids[0], json!({ "Name": "Garden of Zwetschgenbaum" })).await?;
    world.win(&ids[0]).await?;
    world.until_all_told(&ids[..1], PATIENCE).await?;
    let traces = traces_of(&world, &ids[0]).await?;
    let whole = async |_: &World| Ok(traces.iter().find_map(|trace| collector.whole(trace)));
    let [.., call] =
        world.until("the whole trace", PATIENCE, whole).await.with_context(|| format!("{:?}", collector.spans()))?;
    assert!(call.attributes.iter().any(|own| own.key == "http.response.status_code"), "{call:?}");
    let text = format!("{:?}", collector.spans());
    assert!(!text.contains("Zwetschgenbaum") && !text.contains(&ids[0]), "{text}");
    let figures = async |_: &World| {
        let all =
            collector.of("metrics").into_iter().map(|body| ExportMetricsServiceRequest::decode(body).expect("OTLP"));
        let resources: Vec<_> = all.flat_map(|own| own.resource_metrics).collect();
        let last = resources.last().and_then(|own| own.resource.clone()).unwrap_or_default();
        let metrics = resources.into_iter().flat_map(|own| own.scope_metrics).flat_map(|own| own.metrics);
        let named: BTreeSet<String> = metrics.map(|own| own.name).collect();
        let is_told =
            ["tandem_outcomes_total", "tandem_run_seconds", "tandem_events"].iter().all(|own| named.contains(*own));
        Ok(is_told.then_some(last))
    };
    let resource = world.until("the figures", PATIENCE, figures).await?;
    let says: BTreeSet<&str> = resource.attributes.iter().map(|own| own.key.as_str()).collect();
    for key in ["service.name", "service.instance.id", "host.name", "deployment.environment.name"] {
        assert!(says.contains(key), "{key}: {says:?}");
    }

    // What a collector cannot take now is told again, also what a host did last before it stopped.
    collector.answers.store(503, Ordering::Relaxed);
    world.win(&ids[1]).await?;
    world.until_all_told(&ids[1..2], PATIENCE).await?;
    tokio::time::sleep(Duration::from_secs(4)).await;
    collector.answers.store(200, Ordering::Relaxed);
    let traces = traces_of(&world, &ids[1]).await?;
    let whole = async |_: &World| Ok(traces.iter().find_map(|trace| collector.whole(trace)));
    world.until("what was told again", PATIENCE, whole).await?;
    world.b1_faults(json!([{ "path": "$batch", "kind": { "latency": 3_000 } }])).await?;
    world.win(&ids[2]).await?;
    let taken = async |world: &World| {
        let leased = world.tandem_json(&["events", "list", "--key", &ids[2], "--state", "leased"]).await?;
        Ok((leased != json!([])).then_some(()))
    };
    world.until("a run to begin", PATIENCE, taken).await?;
    world.stop().await?;
    let traces = traces_of(&world, &ids[2]).await?;
    assert!(traces.iter().any(|trace| collector.whole(trace).is_some()), "{:?}", collector.spans());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_begin_at_nothing_and_go_back_to_it() -> Result<()> {
    let mut world = World::new().await?;
    world.up().await?;
    let figure = async |world: &World, start: &str| -> Result<Option<f64>> {
        let text = reqwest::get(format!("{}/metrics", world.console)).await?.text().await?;
        let line = text.lines().find_map(|line| line.strip_prefix(start));
        Ok(line.and_then(|rest| rest.trim().parse().ok()))
    };
    let rejected = "tandem_outcomes_total{flow=\"orders\",outcome=\"reject\"}";
    assert_eq!(figure(&world, rejected).await?, Some(0.0));
    let id = world.opportunities(1).await?.remove(0);
    for line in world.lines(&id).await? {
        world.change("OpportunityLineItem", line["Id"].as_str().context("a line")?, json!({ "Quantity": 0 })).await?;
    }
    world.win(&id).await?;
    world.until_state(&id, "Review").await?;
    world.settled().await?;
    let asked = "tandem_events{flow=\"orders\",state=\"review\"}";
    assert_eq!(figure(&world, asked).await?, Some(1.0));
    let items = world.tandem_json(&["review", "list"]).await?;
    world.tandem(&["review", "resolve", &items[0]["id"].to_string(), "--choose", "ignore"]).await?;
    world.settled().await?;
    assert_eq!(figure(&world, asked).await?, Some(0.0));
    let page = reqwest::get(format!("{}/metrics", world.console)).await?;
    assert_eq!(page.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = page.text().await?;
    let bare = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).filter_map(|line| line.split(' ').next());
    let bare: Vec<&str> = bare.filter(|name| !text.contains(&format!("# HELP {name} "))).collect();
    assert_eq!(bare, [""; 0], "each says what it is");
    Ok(())
}
