//! What a release is made of, as text: the parts by their digests, and the settings. Its own digest is the release's.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::sandbox::digest_of;

/// The format of manifests that this host writes.
const FORMAT: u32 = 1;

/// A component by name and content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// SHA-256 of the file, hex.
    pub digest: String,
    /// A plugin's own name; of a mapping plugin that of its file.
    pub name: String,
    /// Its own version; empty for a mapping plugin of contract 0.1.0, which says none.
    pub version: String,
}

impl Component {
    /// Name and version.
    pub fn words(&self) -> String {
        format!("{} {}", self.name, self.version).trim_end().to_owned()
    }
}

/// See the module's words. Fields stand in the order of their names, in the text too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Of the manifest itself.
    format: u32,
    /// The mapping plugin, if there is one.
    pub mapper: Option<Component>,
    /// SHA-256 of the mapping file, hex; none where the plugin's own default is used.
    pub mapping: Option<String>,
    /// The plugin.
    pub plugin: Component,
    /// As `tandem.toml` gives them, names in order.
    pub settings: Value,
}

impl Manifest {
    /// Of its parts.
    pub fn new(plugin: Component, mapping: Option<String>, mapper: Option<Component>, settings: &Value) -> Self {
        Self { format: FORMAT, mapper, mapping, plugin, settings: in_order(settings) }
    }

    /// Reads what a host wrote.
    pub fn parse(text: &str) -> Result<Self, String> {
        let manifest: Self = serde_json::from_str(text).map_err(|e| format!("its manifest cannot be read: {e}"))?;
        match manifest.format {
            FORMAT => Ok(Self { settings: in_order(&manifest.settings), ..manifest }),
            newer => Err(format!("its manifest has format {newer}; this tandem reads {FORMAT}")),
        }
    }

    /// The same text for the same parts, whatever order they were given in.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// SHA-256 of the text, hex: the release's name.
    pub fn digest(&self) -> String {
        digest_of(self.text().as_bytes())
    }

    /// The digests of its parts.
    pub fn parts(&self) -> impl Iterator<Item = &String> {
        let mapper = self.mapper.as_ref().map(|mapper| &mapper.digest);
        [Some(&self.plugin.digest), self.mapping.as_ref(), mapper].into_iter().flatten()
    }

    /// What differs from another, in words: `plugin and settings`.
    pub fn changes(&self, before: &Self) -> String {
        let parts = [
            ("plugin", self.plugin != before.plugin),
            ("mapping", self.mapping != before.mapping),
            ("mapping plugin", self.mapper != before.mapper),
            ("settings", self.settings != before.settings),
        ];
        let changed: Vec<&str> = parts.into_iter().filter(|(_, differs)| *differs).map(|(part, _)| part).collect();
        match changed.split_last() {
            None => "nothing".into(),
            Some((last, [])) => (*last).to_owned(),
            Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        }
    }
}

/// The same value with the names of all objects in order.
fn in_order(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort();
            names.into_iter().map(|name| (name.clone(), in_order(&fields[name]))).collect()
        }
        Value::Array(items) => items.iter().map(in_order).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest(plugin: &str, settings: Value) -> Manifest {
        Manifest::new(
            Component { digest: plugin.into(), name: "orders".into(), version: "1.0.0".into() },
            None,
            None,
            &settings,
        )
    }

    #[test]
    fn the_order_of_settings_is_no_difference_and_every_part_is_one() {
        let one = manifest("a", json!({ "tax_code": "A1", "series": 7, "by": { "x": 1, "y": 2 } }));
        let same = manifest("a", json!({ "series": 7, "by": { "y": 2, "x": 1 }, "tax_code": "A1" }));
        assert_eq!(one.digest(), same.digest());
        assert_eq!(Manifest::parse(&one.text()).unwrap().digest(), one.digest());
        let others = [
            manifest("b", json!({ "tax_code": "A1", "series": 7, "by": { "x": 1, "y": 2 } })),
            manifest("a", json!({ "tax_code": "A2", "series": 7, "by": { "x": 1, "y": 2 } })),
            Manifest { mapping: Some("m".into()), ..one.clone() },
            Manifest {
                mapper: Some(Component { digest: "m".into(), name: "ours".into(), version: String::new() }),
                ..one.clone()
            },
        ];
        for other in &others {
            assert_ne!(one.digest(), other.digest());
        }
        assert_eq!(others[0].changes(&one), "plugin");
        assert_eq!(Manifest { mapping: Some("m".into()), ..others[1].clone() }.changes(&one), "mapping and settings");
    }

    #[test]
    fn a_manifest_of_a_newer_host_is_refused() {
        let newer = manifest("a", json!({})).text().replace("\"format\":1", "\"format\":2");
        assert!(Manifest::parse(&newer).unwrap_err().contains("format 2"));
    }
}
