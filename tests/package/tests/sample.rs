//! The sample data of a scratch org, as `sf data import tree` would put it there.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};
use tandem_package_tests::project;

#[tokio::test]
async fn the_sample_data_goes_in_whole() -> Result<()> {
    let world = World::with(Setup { plugins: Vec::new(), init: false, ..Setup::default() }).await?;
    let read = |name: &str| -> Result<Value> {
        Ok(serde_json::from_str(&std::fs::read_to_string(project().join("data").join(name))?)?)
    };
    let mut ids: BTreeMap<String, Value> = BTreeMap::new();
    for step in read("plan.json")?.as_array().context("a plan is a list")? {
        let object = step["sobject"].as_str().context("an object")?;
        for file in step["files"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            for record in read(file)?["records"].as_array().context("records")? {
                let mut fields = record.as_object().cloned().context("a record")?;
                let attributes = fields.remove("attributes").context("attributes")?;
                assert_eq!(attributes["type"], object, "{file}");
                for value in fields.values_mut() {
                    if let Some(named) = value.as_str().and_then(|text| text.strip_prefix('@')) {
                        *value = ids.get(named).cloned().with_context(|| format!("{file}: @{named} comes later"))?;
                    }
                }
                let made =
                    world.create(object, fields.into()).await.with_context(|| format!("{file}: {attributes}"))?;
                ids.insert(attributes["referenceId"].as_str().unwrap_or_default().to_owned(), json!(made));
            }
        }
    }
    assert!(ids.len() >= 15, "{}", ids.len());
    Ok(())
}
