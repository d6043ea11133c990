//! OTLP 1.x over HTTP as JSON, as opentelemetry-proto lays it down: what every collector takes on port 4318.

use serde_json::{Value, json};

use super::figures::{Figure, Kind as Of, Point};
use super::{Attribute, Kind, Span};
use crate::store::Millis;

/// Codes of the specification.
const INTERNAL: u8 = 1;
const CLIENT: u8 = 3;
const CONSUMER: u8 = 5;
const ERROR: u8 = 2;
/// The value as it is now, since the beginning.
const CUMULATIVE: u8 = 2;

/// Numbers of 64 bits are texts in JSON.
fn nanos(at: Millis) -> String {
    (i128::from(at.max(0)) * 1_000_000).to_string()
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn resource() -> Value {
    json!({ "attributes": [text("service.name", "tandem"), text("service.version", env!("CARGO_PKG_VERSION"))] })
}

fn scope() -> Value {
    json!({ "name": "tandem", "version": env!("CARGO_PKG_VERSION") })
}

/// A request to `/v1/traces`.
pub fn traces(spans: &[Span]) -> Value {
    let spans: Vec<Value> = spans.iter().map(span).collect();
    json!({ "resourceSpans": [{ "resource": resource(), "scopeSpans": [{ "scope": scope(), "spans": spans }] }] })
}

fn span(span: &Span) -> Value {
    let kind = match span.kind {
        Kind::Consumer => CONSUMER,
        Kind::Internal => INTERNAL,
        Kind::Client => CLIENT,
    };
    let attributes: Vec<Value> = span
        .attributes
        .iter()
        .map(|(key, value)| match value {
            Attribute::Text(value) => text(key, value),
            Attribute::Number(value) => json!({ "key": key, "value": { "intValue": value.to_string() } }),
        })
        .collect();
    let mut told = json!({
        "traceId": span.trace, "spanId": span.id, "name": span.name, "kind": kind, "startTimeUnixNano": nanos(span.start),
        "endTimeUnixNano": nanos(span.end.max(span.start)), "attributes": attributes,
        "status": if span.failed { json!({ "code": ERROR }) } else { json!({}) },
    });
    if let Some(parent) = &span.parent {
        told["parentSpanId"] = parent.as_str().into();
    }
    told
}

/// A request to `/v1/metrics`.
pub fn figures(figures: &[Figure], began: Millis, now: Millis) -> Value {
    let metrics: Vec<Value> =
        figures.iter().filter(|figure| !figure.points.is_empty()).map(|own| figure(own, began, now)).collect();
    json!({ "resourceMetrics": [{ "resource": resource(), "scopeMetrics": [{ "scope": scope(), "metrics": metrics }] }] })
}

fn figure(figure: &Figure, began: Millis, now: Millis) -> Value {
    let points: Vec<Value> = figure.points.iter().map(|own| point(own, figure.kind, began, now)).collect();
    let data = match figure.kind {
        Of::Counter => {
            json!({ "sum": { "dataPoints": points, "aggregationTemporality": CUMULATIVE, "isMonotonic": true } })
        }
        Of::Gauge => json!({ "gauge": { "dataPoints": points } }),
        Of::Summary => json!({ "summary": { "dataPoints": points } }),
    };
    let mut told = json!({ "name": figure.name });
    if let (Value::Object(told), Value::Object(data)) = (&mut told, data) {
        told.extend(data);
    }
    told
}

fn point(point: &Point, kind: Of, began: Millis, now: Millis) -> Value {
    let attributes: Vec<Value> = point.labels.iter().map(|(key, value)| text(key, value)).collect();
    let mut told = json!({ "attributes": attributes, "startTimeUnixNano": nanos(began), "timeUnixNano": nanos(now) });
    match kind {
        Of::Counter | Of::Gauge => told["asDouble"] = json!(point.value),
        Of::Summary => {
            let quantiles = point.quantiles.iter().filter(|(_, value)| value.is_finite());
            let quantiles: Vec<Value> =
                quantiles.map(|(quantile, value)| json!({ "quantile": quantile, "value": value })).collect();
            told["count"] = point.count.to_string().into();
            told["sum"] = json!(point.value);
            told["quantileValues"] = json!(quantiles);
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let told = traces(std::slice::from_ref(&own));
        let span = &told["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
        assert_eq!((&span["traceId"], &span["kind"]), (&json!(own.trace), &json!(3)));
        assert_eq!(span["startTimeUnixNano"], "1700000000000000000");
        assert_eq!(span["attributes"][0]["value"]["intValue"], "201");
        assert_eq!(span["status"], json!({}));
    }

    #[test]
    fn figures_are_sums_gauges_and_summaries() {
        let own = |name: &str, kind, quantiles| Figure {
            name: name.into(),
            kind,
            points: vec![Point { value: 2.0, count: 3, quantiles, ..Point::default() }],
        };
        let told =
            figures(&[own("a", Of::Counter, vec![]), own("b", Of::Summary, vec![(0.5, 0.1), (0.9, f64::NAN)])], 1, 2);
        let metrics = &told["resourceMetrics"][0]["scopeMetrics"][0]["metrics"];
        assert_eq!(
            (&metrics[0]["sum"]["isMonotonic"], &metrics[0]["sum"]["dataPoints"][0]["asDouble"]),
            (&json!(true), &json!(2.0))
        );
        let summary = &metrics[1]["summary"]["dataPoints"][0];
        assert_eq!((&summary["count"], summary["quantileValues"].as_array().map(Vec::len)), (&json!("3"), Some(1)));
    }
}
