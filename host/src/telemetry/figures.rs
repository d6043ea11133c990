//! Figures as `/metrics` shows them, read back: one place says what is counted, whoever asks.

use std::collections::BTreeMap;

/// A figure with all that it is told of.
#[derive(Debug, PartialEq)]
pub struct Figure {
    /// Such as `tandem_events`.
    pub name: String,
    /// In a sentence; empty where nothing is said.
    pub help: String,
    /// What it is.
    pub kind: Kind,
    /// One for each set of labels.
    pub points: Vec<Point>,
}

/// What a figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// As it is now.
    Gauge,
    /// How values are spread.
    Histogram,
}

/// A figure's value of one set of labels.
#[derive(Debug, Default, PartialEq)]
pub struct Point {
    pub labels: BTreeMap<String, String>,
    /// Of a counter or gauge; of a histogram the sum.
    pub value: f64,
    /// Of a histogram.
    pub count: u64,
    /// Of a histogram: bounds, and how many values are no greater.
    pub buckets: Vec<(f64, u64)>,
}

/// Reads the text format of Prometheus; lines that are none of it are passed over.
pub fn read(text: &str) -> Vec<Figure> {
    let mut figures: Vec<Figure> = Vec::new();
    let mut help = ("", "");
    for line in text.lines().map(str::trim) {
        if let Some(told) = line.strip_prefix("# HELP ") {
            help = told.split_once(' ').unwrap_or_default();
            continue;
        }
        if let Some(told) = line.strip_prefix("# TYPE ") {
            let Some((name, kind)) = told.split_once(' ') else { continue };
            let kind = match kind {
                "counter" => Kind::Counter,
                "gauge" => Kind::Gauge,
                "histogram" => Kind::Histogram,
                _ => continue,
            };
            let help = if help.0 == name { help.1.to_owned() } else { String::new() };
            figures.push(Figure { name: name.to_owned(), help, kind, points: Vec::new() });
            continue;
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (Some(figure), Some((name, mut labels, value))) = (figures.last_mut(), sample(line)) else { continue };
        let bound = labels.remove("le").and_then(|text| text.parse::<f64>().ok());
        let Some(ending) = name.strip_prefix(figure.name.as_str()) else { continue };
        let place = match figure.points.iter().position(|point| point.labels == labels) {
            Some(place) => place,
            None => {
                figure.points.push(Point { labels, ..Point::default() });
                figure.points.len() - 1
            }
        };
        let point = &mut figure.points[place];
        match (figure.kind, ending, bound) {
            (Kind::Histogram, "_bucket", Some(bound)) if bound.is_finite() => point.buckets.push((bound, value as u64)),
            (Kind::Histogram, "_sum", None) => point.value = value,
            (Kind::Histogram, "_count", None) => point.count = value as u64,
            (Kind::Counter | Kind::Gauge, "", None) => point.value = value,
            _ => {}
        }
    }
    figures
}

/// `name{label="value"} 1`
fn sample(line: &str) -> Option<(&str, BTreeMap<String, String>, f64)> {
    let (head, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let Some((name, labels)) = head.split_once('{') else { return Some((head, BTreeMap::new(), value)) };
    let mut rest = labels.strip_suffix('}')?;
    let mut read = BTreeMap::new();
    while let Some((label, behind)) = rest.split_once("=\"") {
        let mut text = String::new();
        let mut letters = behind.char_indices();
        let end = loop {
            match letters.next()? {
                (at, '"') => break at + 1,
                (_, '\\') => text.push(match letters.next()?.1 {
                    'n' => '\n',
                    other => other,
                }),
                (_, letter) => text.push(letter),
            }
        };
        read.insert(label.trim_start_matches(',').to_owned(), text);
        rest = &behind[end..];
    }
    Some((name, read, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_back() {
        let text = "# HELP tandem_events how many\n# TYPE tandem_events gauge\ntandem_events{flow=\"a, \\\"b\\\"\",state=\"done\"} 3\n\n\
                    # TYPE tandem_taken counter\ntandem_taken 7\n\n\
                    # TYPE tandem_run_seconds histogram\ntandem_run_seconds_bucket{flow=\"o\",le=\"0.5\"} 3\n\
                    tandem_run_seconds_bucket{flow=\"o\",le=\"+Inf\"} 4\n\
                    tandem_run_seconds_sum{flow=\"o\"} 1.5\ntandem_run_seconds_count{flow=\"o\"} 4\nnonsense\n";
        let read = read(text);
        assert_eq!(read.len(), 3);
        assert_eq!((read[0].points[0].labels["flow"].as_str(), read[0].points[0].value), ("a, \"b\"", 3.0));
        assert_eq!((read[1].kind, read[1].points[0].value), (Kind::Counter, 7.0));
        let runs = &read[2].points[..];
        assert_eq!((runs.len(), runs[0].value, runs[0].count, &runs[0].buckets[..]), (1, 1.5, 4, &[(0.5, 3)][..]));
        assert_eq!((read[0].help.as_str(), read[1].help.as_str()), ("how many", ""));
    }
}
