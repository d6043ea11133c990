//! The host as other tools see it: traces and figures over OTLP, to a collector of the operator's. What the collector does not take in time is lost, and
//! counted: nothing that is carried waits for it.

mod counted;
mod exporter;
mod figures;
mod otlp;

use tokio::sync::mpsc;

pub use self::counted::Counted;
pub use self::exporter::Exporter;
use crate::config::Config;
use crate::store::Millis;

/// Spans that wait at most.
const WAITING: usize = 8_192;

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

/// What takes spans and what sends them, where `tandem.toml` names a collector.
pub fn of(config: &Config) -> Result<Option<(Traces, Exporter)>, String> {
    let Some(own) = &config.telemetry else { return Ok(None) };
    let (told, spans) = mpsc::channel(WAITING);
    Ok(Some((Traces(told), Exporter::of(config, own, spans)?)))
}
