//! Sends what is told to the collector: spans together and at once, figures every few seconds. What it cannot take now is kept and told again, as long
//! as there is room.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use ring::digest;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::otlp::Teller;
use super::{Span, figures};
use crate::config::{Config, TelemetryConfig};
use crate::connections::proxy::Proxies;
use crate::connections::{CallError, transport};
use crate::store::Millis;

/// Spans of one request.
const TOGETHER: usize = 512;
/// How long spans wait for others.
const SHARED: Duration = Duration::from_secs(2);
/// How long a collector may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// After how long it is tried again where it does not say; twice as long each time, up to a minute.
const AGAIN: Duration = Duration::from_secs(5);
const SELDOM: Duration = Duration::from_secs(60);
/// What it says counts within these.
const SOONEST: Duration = Duration::from_secs(1);
const LATEST: Duration = Duration::from_secs(300);
/// Tries of the same spans.
const TRIES: u32 = 30;
/// Bytes of an answer.
const LIMIT: u64 = 64 << 10;
/// Letters of an answer that are told.
const MOST_WORDS: usize = 200;

/// Sends them.
pub struct Exporter {
    address: String,
    headers: HeaderMap,
    client: transport::Routed,
    teller: Teller,
    every: Duration,
    spans: mpsc::Receiver<Span>,
}

/// What became of a request.
#[derive(Debug, PartialEq)]
enum Sent {
    Taken,
    /// Some of it was not, for this reason.
    InPart(u64, String),
    /// Nothing of it, for now, or for so long.
    Later(Option<Duration>, String),
    /// Nothing of it, and no more of it if it is sent again.
    Refused(String),
}

impl Exporter {
    pub(super) fn of(
        config: &Config,
        telemetry: &TelemetryConfig,
        spans: mpsc::Receiver<Span>,
    ) -> Result<Self, String> {
        let base = &config.base;
        let proxies =
            Proxies::new(telemetry.proxy.as_ref(), base, Proxies::from_environment()).map_err(|e| e.to_string())?;
        Ok(Self {
            address: telemetry.otlp.trim_end_matches('/').to_owned(),
            headers: headers(telemetry, base)?,
            client: transport::client(&telemetry.tls, proxies, base, PATIENCE)?,
            teller: teller(config, &telemetry.attributes),
            every: Duration::from_secs(telemetry.seconds.min(3_600)),
            spans,
        })
    }

    /// Until `stop`, and what waits then. `figures`: as `/metrics` shows them, counted since `began`.
    pub async fn run<F: Future<Output = String>>(
        mut self,
        figures: impl Fn() -> F,
        began: Millis,
        mut stop: watch::Receiver<bool>,
    ) {
        let (mut of_spans, mut of_figures) = (Trouble::of("traces"), Trouble::of("figures"));
        let mut next = Instant::now() + self.every;
        let mut together: Vec<Span> = Vec::with_capacity(TOGETHER);
        // What came first waits so long for others; what was refused for now until then.
        let (mut due, mut held): (Option<Instant>, Option<Instant>) = (None, None);
        let mut tries = 0;
        loop {
            let mut over = *stop.borrow();
            if !over {
                let room = TOGETHER - together.len();
                tokio::select! {
                    taken = self.spans.recv_many(&mut together, room), if room > 0 => {
                        over = taken == 0;
                        // What follows within a moment goes along.
                        due.get_or_insert_with(|| Instant::now() + SHARED);
                    }
                    () = until(held.or(due)) => {}
                    () = tokio::time::sleep_until(next) => {}
                    _ = stop.changed() => over = true,
                }
            }
            while over && together.len() < TOGETHER {
                let Ok(span) = self.spans.try_recv() else { break };
                together.push(span);
            }
            let now = Instant::now();
            let is_due = match held {
                Some(held) => held <= now,
                None => together.len() == TOGETHER || due.is_some_and(|due| due <= now),
            };
            if !together.is_empty() && (over || is_due) {
                let sent = self.send("traces", self.teller.traces(&together)).await;
                tries += 1;
                held = match &sent {
                    Sent::Later(after, _) if !over && tries < TRIES => Some(Instant::now() + pause(*after, tries)),
                    _ => None,
                };
                if held.is_none() {
                    match &sent {
                        Sent::Taken => {}
                        Sent::InPart(count, _) => lose(*count),
                        Sent::Later(..) | Sent::Refused(_) => lose(together.len() as u64),
                    }
                    together.clear();
                    (due, tries) = (None, 0);
                }
                of_spans.note(sent);
            }
            let is_last = over && self.spans.is_empty();
            if is_last || now >= next {
                let read = figures::read(&figures().await);
                let at = crate::time::now();
                let sent = self.send("metrics", self.teller.figures(&read, began.min(at), at)).await;
                let after = if let Sent::Later(Some(after), _) = &sent { pause(Some(*after), 1) } else { self.every };
                next = Instant::now() + after.max(self.every);
                of_figures.note(sent);
            }
            if is_last {
                return;
            }
        }
    }

    async fn send(&self, what: &str, body: Vec<u8>) -> Sent {
        let url = format!("{}/v1/{what}", self.address);
        let request =
            self.client.post(url).header("content-type", "application/x-protobuf").headers(self.headers.clone());
        match self.client.fetch(request.body(body), LIMIT).await {
            Ok(raw) => answered(&raw),
            Err(error @ (CallError::Invalid(_) | CallError::TooLarge(_))) => Sent::Refused(error.to_string()),
            Err(error) => Sent::Later(None, error.to_string()),
        }
    }
}

/// How long the next try waits: as the collector says, else longer each time.
fn pause(said: Option<Duration>, tries: u32) -> Duration {
    said.map_or_else(|| crate::time::backoff(tries, AGAIN, SELDOM), |said| said.clamp(SOONEST, LATEST))
}

fn short(text: &str) -> String {
    crate::plain::one_line(text).chars().take(MOST_WORDS).collect()
}

/// What an answer says. Source: the OTLP specification, "OTLP/HTTP Response".
fn answered(raw: &transport::Raw) -> Sent {
    let words = || if raw.body.is_empty() { String::new() } else { format!(": {}", short(&raw.body)) };
    match raw.status {
        200..=299 if raw.done() => match ExportTraceServiceResponse::decode(raw.body.as_bytes()) {
            // An answer about figures has the same shape.
            Ok(ExportTraceServiceResponse { partial_success: Some(part) })
                if part.rejected_spans > 0 || !part.error_message.is_empty() =>
            {
                Sent::InPart(part.rejected_spans.unsigned_abs(), short(&part.error_message))
            }
            // Long ones are no text, as which answers are read.
            Err(_) if raw.content_type.contains("protobuf") => Sent::InPart(0, "it says more than can be read".into()),
            _ => Sent::Taken,
        },
        200..=299 => Sent::Refused("what answers there is a page for people and no collector".into()),
        429 | 502..=504 => {
            let after = raw.header("retry-after").and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
            Sent::Later(after, format!("it answers {}{}", raw.status, words()))
        }
        401 | 403 => {
            Sent::Refused(format!("it answers {}: look at [telemetry] headers, which it wants{}", raw.status, words()))
        }
        300..=399 => {
            Sent::Refused(format!("it sends elsewhere ({}): name that address in [telemetry] otlp", raw.status))
        }
        404 => Sent::Refused("it answers 404: [telemetry] otlp is the address without /v1/traces".into()),
        status => Sent::Refused(format!("it answers {status}{}", words())),
    }
}

fn lose(spans: u64) {
    metrics::counter!("tandem_spans_lost_total").increment(spans);
}

/// Never where nothing is due.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

fn headers(config: &TelemetryConfig, base: &Path) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    let agent = HeaderValue::from_static(concat!("tandem/", env!("CARGO_PKG_VERSION")));
    headers.insert(reqwest::header::USER_AGENT, agent);
    for (name, source) in &config.headers {
        let secret = source.read(base).map_err(|error| format!("headers.{name}: {error}"))?;
        let name: HeaderName = name.parse().map_err(|_| format!("headers.{name}: this is no name of a header"))?;
        let mut value = HeaderValue::from_str(secret.reveal())
            .map_err(|_| format!("headers.{name}: its value is not one line of plain text"))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// Named by its machine and its database: the same after each start.
fn teller(config: &Config, more: &BTreeMap<String, String>) -> Teller {
    let machine = whoami::hostname().unwrap_or_else(|_| "host".into());
    let database = config.base.join(&config.store.path);
    let place = format!("{machine} {}", std::path::absolute(&database).unwrap_or(database).display());
    let digest = digest::digest(&digest::SHA256, place.as_bytes());
    let instance: String = digest.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    Teller::new(&instance, &machine, more)
}

/// Told once when it begins, once when it is of another kind, and once when it is over.
struct Trouble {
    of: &'static str,
    why: Option<String>,
}

impl Trouble {
    fn of(of: &'static str) -> Self {
        Self { of, why: None }
    }

    fn note(&mut self, sent: Sent) {
        let why = match sent {
            Sent::Taken => None,
            Sent::InPart(_, why) => Some(format!("it takes not all of it: {why}")),
            Sent::Later(_, why) | Sent::Refused(why) => Some(why),
        };
        match &why {
            Some(why) if self.why.as_deref().map(kind) != Some(kind(why)) => {
                tracing::warn!(of = self.of, why, "the collector of [telemetry] does not take what it is told");
            }
            None if self.why.is_some() => {
                tracing::info!(of = self.of, "the collector of [telemetry] takes what it is told again");
            }
            _ => {}
        }
        self.why = why;
    }
}

/// What comes before the collector's own words, which may be others each time.
fn kind(why: &str) -> &str {
    why.split(": ").next().unwrap_or(why)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;

    use super::*;

    fn raw(status: u16, body: &str) -> transport::Raw {
        transport::Raw { status, body: body.into(), ..transport::Raw::default() }
    }

    #[test]
    fn what_a_collector_answers_is_told_apart() {
        assert_eq!(answered(&raw(200, "")), Sent::Taken);
        assert_eq!(answered(&raw(202, "{}")), Sent::Taken);
        let part = ExportTracePartialSuccess { rejected_spans: 3, error_message: "too old".into() };
        let part = ExportTraceServiceResponse { partial_success: Some(part) }.encode_to_vec();
        assert_eq!(answered(&raw(200, &String::from_utf8_lossy(&part))), Sent::InPart(3, "too old".into()));
        let busy = transport::Raw { headers: vec![("retry-after".into(), "7".into())], ..raw(503, "full") };
        assert_eq!(answered(&busy), Sent::Later(Some(Duration::from_secs(7)), "it answers 503: full".into()));
        assert!(matches!(answered(&raw(429, "")), Sent::Later(None, _)));
        assert!(pause(Some(Duration::ZERO), 1) >= SOONEST && pause(None, 9) <= SELDOM);
        assert_eq!(kind("it answers 503: request 1"), kind("it answers 503: request 2"));
        let says = |own: &transport::Raw, word: &str| matches!(answered(own), Sent::Refused(why) if why.contains(word));
        assert!(says(&raw(401, "no key"), "headers") && says(&raw(404, ""), "without /v1/traces"));
        assert!(says(&raw(415, "no protobuf"), "no protobuf"));
        assert!(says(&transport::Raw { content_type: "text/html".into(), ..raw(200, "<html>") }, "no collector"));
    }
}
