//! The host as other tools see it: traces and figures over OTLP, to a collector of the operator's. What the collector does not take in time is lost, and
//! counted: nothing that is carried waits for it.

mod figures;
mod otlp;

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use crate::config::{Config, TelemetryConfig};
use crate::connections::proxy::Proxies;
use crate::connections::{CallError, transport};
use crate::store::Millis;

/// Spans that wait at most.
const WAITING: usize = 8_192;
/// Spans of one request.
const TOGETHER: usize = 512;
/// How long spans wait for others.
const SHARED: Duration = Duration::from_secs(2);
/// How long a collector may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of an answer.
const LIMIT: u64 = 64 << 10;

/// One step of what was carried.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// 32 hex digits: that of the event.
    pub trace: String,
    /// 16 hex digits.
    pub id: String,
    /// The step that it is a part of.
    pub parent: Option<String>,
    /// What it is.
    pub name: String,
    /// Whether it is work of the host, or a call to another system.
    pub kind: Kind,
    /// When it began.
    pub start: Millis,
    /// When it was over.
    pub end: Millis,
    /// What else is known: nothing of anybody.
    pub attributes: Vec<(&'static str, Attribute)>,
    /// It failed.
    pub failed: bool,
}

/// What a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something that came in.
    Consumer,
    /// Work of the host.
    Internal,
    /// A call to another system.
    Client,
}

/// A value that is told of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// Words.
    Text(String),
    /// A number.
    Number(i64),
}

/// Takes spans; never waits.
#[derive(Clone)]
pub struct Traces(mpsc::Sender<Span>);

impl Traces {
    /// Hands them over; what does not fit is lost, and counted.
    pub fn tell(&self, spans: Vec<Span>) {
        let lost = spans.into_iter().filter(|span| self.0.try_send(span.clone()).is_err()).count();
        if lost > 0 {
            metrics::counter!("tandem_spans_lost_total").increment(lost as u64);
        }
    }
}

/// Sends them.
pub struct Exporter {
    address: String,
    headers: HeaderMap,
    client: transport::Routed,
    every: Duration,
    began: Millis,
    spans: mpsc::Receiver<Span>,
}

/// What takes spans and what sends them, where `tandem.toml` names a collector.
pub fn of(config: &Config) -> Result<Option<(Traces, Exporter)>, String> {
    let Some(own) = &config.telemetry else { return Ok(None) };
    let (told, spans) = mpsc::channel(WAITING);
    Ok(Some((Traces(told), Exporter::of(own, &config.base, spans)?)))
}

impl Exporter {
    fn of(config: &TelemetryConfig, base: &Path, spans: mpsc::Receiver<Span>) -> Result<Self, String> {
        let proxies =
            Proxies::new(config.proxy.as_ref(), base, Proxies::from_environment()).map_err(|e| e.to_string())?;
        let mut headers = HeaderMap::new();
        for (name, source) in &config.headers {
            let secret = source.read(base).map_err(|error| format!("headers.{name}: {error}"))?;
            let name: HeaderName = name.parse().map_err(|_| format!("headers.{name}: this is no name of a header"))?;
            let mut value = HeaderValue::from_str(secret.reveal())
                .map_err(|_| format!("headers.{name}: its value is not one line of plain text"))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(Self {
            address: config.otlp.trim_end_matches('/').to_owned(),
            headers,
            client: transport::client(&config.tls, proxies, base, PATIENCE)?,
            every: Duration::from_secs(config.seconds),
            began: crate::time::now(),
            spans,
        })
    }

    /// Until `stop`, and what waits then. `figures`: as `/metrics` shows them.
    pub async fn run<F: Future<Output = String>>(mut self, figures: impl Fn() -> F, mut stop: watch::Receiver<bool>) {
        let mut trouble = Trouble::default();
        let mut next = tokio::time::Instant::now() + self.every;
        let mut together = Vec::with_capacity(TOGETHER);
        loop {
            let mut over = *stop.borrow();
            if !over {
                tokio::select! {
                    taken = self.spans.recv_many(&mut together, TOGETHER) => over = taken == 0,
                    () = tokio::time::sleep_until(next) => {}
                    _ = stop.changed() => over = true,
                }
            }
            if !together.is_empty() && !over {
                // What follows within a moment goes along.
                let until = tokio::time::Instant::now() + SHARED;
                while together.len() < TOGETHER {
                    let room = TOGETHER - together.len();
                    tokio::select! {
                        taken = self.spans.recv_many(&mut together, room) => if taken == 0 { break },
                        () = tokio::time::sleep_until(until) => break,
                        _ = stop.changed() => break,
                    }
                }
            }
            while let Ok(span) = self.spans.try_recv() {
                together.push(span);
                if together.len() >= TOGETHER {
                    break;
                }
            }
            if !together.is_empty() {
                let sent = self.send("traces", otlp::traces(&together)).await;
                if sent.is_err() {
                    metrics::counter!("tandem_spans_lost_total").increment(together.len() as u64);
                }
                trouble.note(sent);
                together.clear();
            }
            if over || tokio::time::Instant::now() >= next {
                next = tokio::time::Instant::now() + self.every;
                let read = figures::read(&figures().await);
                let sent = self.send("metrics", otlp::figures(&read, self.began, crate::time::now())).await;
                trouble.note(sent);
            }
            if over && self.spans.is_empty() {
                return;
            }
        }
    }

    async fn send(&self, what: &str, body: Value) -> Result<(), CallError> {
        let url = format!("{}/v1/{what}", self.address);
        let request = self.client.post(url).header("content-type", "application/json").headers(self.headers.clone());
        let raw = self.client.fetch(request.body(body.to_string()), LIMIT).await?;
        match raw.done() {
            true => Ok(()),
            false => Err(CallError::Invalid(format!("answered {}", raw.status))),
        }
    }
}

/// Told once when it begins, and once when it is over.
#[derive(Default)]
struct Trouble(bool);

impl Trouble {
    fn note(&mut self, sent: Result<(), CallError>) {
        match (sent, self.0) {
            (Err(error), false) => {
                self.0 = true;
                tracing::warn!(%error, "the collector of [telemetry] takes nothing: what it misses is not told again");
            }
            (Ok(()), true) => {
                self.0 = false;
                tracing::info!("the collector of [telemetry] takes what it is told again");
            }
            _ => {}
        }
    }
}
