//! The table.

use std::fmt;

/// One row each: what, unit, Tandem's figure, the bare loop's, the aim.
#[derive(Default)]
pub struct Figures(Vec<Row>);

struct Row {
    what: String,
    unit: &'static str,
    own: f64,
    bare: Option<f64>,
    aim: &'static str,
}

impl Figures {
    /// Adds a row.
    pub fn add(&mut self, what: &str, unit: &'static str, own: f64, bare: Option<f64>, aim: &'static str) {
        println!("{what}: {own:.1} {unit}");
        self.0.push(Row { what: what.to_owned(), unit, own, bare, aim });
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n| what | Tandem | bare loop | ratio | aim |")?;
        writeln!(f, "|---|---:|---:|---:|---|")?;
        for row in &self.0 {
            let (bare, ratio) = match row.bare {
                Some(bare) => (format!("{bare:.1} {}", row.unit), format!("{:.2}", row.own / bare)),
                None => Default::default(),
            };
            writeln!(f, "| {} | {:.1} {} | {bare} | {ratio} | {} |", row.what, row.own, row.unit, row.aim)?;
        }
        Ok(())
    }
}

/// The middle one.
pub fn median(times: &[f64]) -> f64 {
    percentile(times, 0.5)
}

/// The value that `share` of all do not exceed.
pub fn percentile(times: &[f64], share: f64) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(place.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}
