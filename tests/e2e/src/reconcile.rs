//! What `tandem reconcile` says.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::World;

/// Exit code and report.
pub async fn reconcile(world: &World, more: &[&str]) -> Result<(i32, Value)> {
    let mut arguments = vec!["--json", "reconcile"];
    arguments.extend(more);
    let (code, output, errors) = world.tandem_raw(&arguments).await?;
    let report = serde_json::from_str(&output).with_context(|| format!("{code}: {output}{errors}"))?;
    Ok((code, report))
}

/// The comparison of a flow with that name; null where there is none.
pub fn comparison<'a>(report: &'a Value, flow: &str, name: &str) -> &'a Value {
    let flows = report["flows"].as_array().into_iter().flatten().filter(|own| own["flow"] == flow);
    let mut all = flows.flat_map(|own| own["comparisons"].as_array().into_iter().flatten());
    all.find(|own| own["name"] == name).unwrap_or(&Value::Null)
}

/// The difference about a record, by an id of it.
pub fn about<'a>(comparison: &'a Value, id: &str) -> Option<&'a Value> {
    let all = comparison["differences"].as_array().into_iter().flatten();
    all.into_iter().find(|own| own["salesforce"] == id || own["b1"] == id)
}
