//! OTLP 1.x over HTTP as protobuf, which every collector takes on port 4318.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as Told, Status};
use prost::Message;

use super::figures::{Figure, Kind as Of, Point};
use super::{Attribute, Kind, Span};
use crate::store::Millis;

/// Who tells: what names this host among others.
pub struct Teller(Resource);

impl Teller {
    /// `instance`: the same after each start, and no other host's. `more`: what the operator says of it.
    pub fn new(instance: &str, machine: &str, more: &BTreeMap<String, String>) -> Self {
        let own = [
            ("service.name", "tandem"),
            ("service.version", env!("CARGO_PKG_VERSION")),
            ("service.instance.id", instance),
            ("host.name", machine),
        ];
        let mut all: BTreeMap<&str, &str> = own.into_iter().collect();
        all.extend(more.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        let attributes = all.into_iter().map(|(key, value)| text(key, value)).collect();
        Self(Resource { attributes, ..Resource::default() })
    }

    /// A request to `/v1/traces`.
    pub fn traces(&self, spans: &[Span]) -> Vec<u8> {
        let scope_spans = vec![ScopeSpans {
            scope: scope(),
            spans: spans.iter().filter_map(span).collect(),
            ..ScopeSpans::default()
        }];
        let resource_spans =
            vec![ResourceSpans { resource: Some(self.0.clone()), scope_spans, ..ResourceSpans::default() }];
        ExportTraceServiceRequest { resource_spans }.encode_to_vec()
    }

    /// A request to `/v1/metrics`.
    pub fn figures(&self, figures: &[Figure], began: Millis, now: Millis) -> Vec<u8> {
        let metrics = figures.iter().filter(|own| !own.points.is_empty()).map(|own| metric(own, began, now)).collect();
        let scope_metrics = vec![ScopeMetrics { scope: scope(), metrics, ..ScopeMetrics::default() }];
        let resource_metrics =
            vec![ResourceMetrics { resource: Some(self.0.clone()), scope_metrics, ..ResourceMetrics::default() }];
        ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()
    }
}

fn nanos(at: Millis) -> u64 {
    u64::try_from(at).unwrap_or_default().saturating_mul(1_000_000)
}

fn attribute(key: &str, value: Any) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Any::StringValue(value.to_owned()))
}

fn scope() -> Option<InstrumentationScope> {
    let (name, version) = ("tandem".into(), env!("CARGO_PKG_VERSION").into());
    Some(InstrumentationScope { name, version, ..InstrumentationScope::default() })
}

/// None of one whose ids are none.
fn span(span: &Span) -> Option<Told> {
    let kind = match span.kind {
        Kind::Consumer => SpanKind::Consumer,
        Kind::Internal => SpanKind::Internal,
        Kind::Client => SpanKind::Client,
    };
    let attributes = span.attributes.iter().map(|(key, value)| match value {
        Attribute::Text(value) => text(key, value),
        Attribute::Number(value) => attribute(key, Any::IntValue(*value)),
    });
    Some(Told {
        trace_id: bytes(&span.trace)?,
        span_id: bytes(&span.id)?,
        parent_span_id: span.parent.as_deref().map_or(Some(Vec::new()), bytes)?,
        name: span.name.clone(),
        kind: kind.into(),
        start_time_unix_nano: nanos(span.start),
        end_time_unix_nano: nanos(span.end.max(span.start)),
        attributes: attributes.collect(),
        status: span.failed.then(|| Status { code: StatusCode::Error.into(), ..Status::default() }),
        ..Told::default()
    })
}

/// Of hex digits.
fn bytes(hex: &str) -> Option<Vec<u8>> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect()
}

fn metric(figure: &Figure, began: Millis, now: Millis) -> Metric {
    let (began, now) = (nanos(began), nanos(now));
    let cumulative = AggregationTemporality::Cumulative.into();
    let numbers = || figure.points.iter().map(|point| number(point, began, now)).collect();
    let data = match figure.kind {
        Of::Counter => {
            Data::Sum(Sum { data_points: numbers(), aggregation_temporality: cumulative, is_monotonic: true })
        }
        Of::Gauge => Data::Gauge(Gauge { data_points: numbers() }),
        Of::Histogram => {
            let data_points = figure.points.iter().map(|point| histogram(point, began, now)).collect();
            Data::Histogram(Histogram { data_points, aggregation_temporality: cumulative })
        }
    };
    // What is a number of things has no unit: one of `1` would change the name that a figure has in Prometheus.
    let unit = if figure.name.ends_with("_seconds") { "s" } else { "" };
    Metric {
        name: figure.name.clone(),
        description: figure.help.clone(),
        unit: unit.into(),
        data: Some(data),
        ..Metric::default()
    }
}

fn labels(point: &Point) -> Vec<KeyValue> {
    point.labels.iter().map(|(key, value)| text(key, value)).collect()
}

fn number(point: &Point, began: u64, now: u64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: labels(point),
        start_time_unix_nano: began,
        time_unix_nano: now,
        value: Some(Number::AsDouble(point.value)),
        ..NumberDataPoint::default()
    }
}

/// Buckets are counted each for itself here, and each with all below it in Prometheus.
fn histogram(point: &Point, began: u64, now: u64) -> HistogramDataPoint {
    let mut below = 0;
    let mut counts: Vec<u64> = Vec::with_capacity(point.buckets.len() + 1);
    for (_, count) in &point.buckets {
        counts.push(count.saturating_sub(below));
        below = below.max(*count);
    }
    counts.push(point.count.saturating_sub(below));
    HistogramDataPoint {
        attributes: labels(point),
        start_time_unix_nano: began,
        time_unix_nano: now,
        count: point.count,
        sum: Some(point.value),
        bucket_counts: counts,
        explicit_bounds: point.buckets.iter().map(|(bound, _)| *bound).collect(),
        ..HistogramDataPoint::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn teller() -> Teller {
        let more = BTreeMap::from([("deployment.environment.name".to_owned(), "test".to_owned())]);
        Teller::new("0af7", "b1server", &more)
    }

    #[test]
    fn a_span_is_told_as_the_specification_has_it() {
        let own = Span {
            trace: "0af7651916cd43dd8448eb211c80319c".into(),
            id: "b7ad6b7169203331".into(),
            parent: Some("00f067aa0ba902b7".into()),
            name: "POST b1 /Orders".into(),
            kind: Kind::Client,
            start: 1_700_000_000_000,
            end: 1_700_000_000_250,
            attributes: vec![("http.response.status_code", Attribute::Number(201))],
            failed: false,
        };
        let told = teller().traces(&[own.clone(), Span { trace: "none".into(), ..own }]);
        let told = ExportTraceServiceRequest::decode(told.as_slice()).unwrap();
        let resource = told.resource_spans[0].resource.as_ref().unwrap();
        let named: Vec<&str> = resource.attributes.iter().map(|own| own.key.as_str()).collect();
        assert_eq!(
            named,
            ["deployment.environment.name", "host.name", "service.instance.id", "service.name", "service.version"]
        );
        let [span] = told.resource_spans[0].scope_spans[0].spans.as_slice() else { panic!("{told:?}") };
        assert_eq!((span.trace_id.len(), span.trace_id[0], span.kind), (16, 0x0a, 3));
        assert_eq!((span.parent_span_id.len(), span.start_time_unix_nano), (8, 1_700_000_000_000_000_000));
        assert_eq!(span.attributes[0].value.as_ref().unwrap().value, Some(Any::IntValue(201)));
        assert_eq!(span.status, None);
    }

    #[test]
    fn figures_are_sums_gauges_and_histograms() {
        let own = |name: &str, kind, buckets| Figure {
            name: name.into(),
            help: "how long".into(),
            kind,
            points: vec![Point { value: 2.0, count: 7, buckets, ..Point::default() }],
        };
        let all = [own("a", Of::Counter, vec![]), own("b_seconds", Of::Histogram, vec![(0.1, 3), (1.0, 5)])];
        let told = ExportMetricsServiceRequest::decode(teller().figures(&all, 1, 2).as_slice()).unwrap();
        let [sum, spread] = told.resource_metrics[0].scope_metrics[0].metrics.as_slice() else { panic!("{told:?}") };
        let (Some(Data::Sum(sum)), Some(Data::Histogram(spread_of))) = (&sum.data, &spread.data) else {
            panic!("{told:?}")
        };
        assert!(sum.is_monotonic && sum.data_points[0].value == Some(Number::AsDouble(2.0)));
        let point = &spread_of.data_points[0];
        assert_eq!(
            (point.bucket_counts.as_slice(), point.explicit_bounds.as_slice()),
            (&[3, 2, 2][..], &[0.1, 1.0][..])
        );
        assert_eq!((spread.unit.as_str(), spread.description.as_str()), ("s", "how long"));
    }
}
