//! Declarative field maps: target field ← CEL expression over the source record.
//!
//! A rule that is a plain path, such as `source.Account.Name`, copies the JSON value digit for digit. Only a rule that
//! computes goes through CEL, whose numbers are 64-bit floats; a computed number is rounded to the six decimals B1
//! keeps. So prices and quantities are mapped by plain paths.

use std::collections::BTreeMap;
use std::sync::Arc;

use cel::{Context, Env, Program, Value as Cel};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The version of the file format this host writes and reads.
pub const FORMAT: u32 = 1;

/// Why a mapping file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// Not TOML, or not of the shape of a mapping.
    #[error("the mapping cannot be read: {0}")]
    Malformed(String),
    /// Written for another format.
    #[error("the mapping says version = {0}; this tandem reads version {FORMAT}")]
    Version(u32),
    /// A rule that is not an expression.
    #[error("[{section}] {field} = {rule:?}: {cause}")]
    Rule {
        /// Section of the file.
        section: String,
        /// Target field.
        field: String,
        /// The rule's text.
        rule: String,
        /// What is wrong, with the place.
        cause: String,
    },
}

/// Why a record could not be mapped.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct ApplyError {
    /// Target field whose rule failed.
    pub field: String,
    /// In words.
    pub message: String,
}

#[derive(Deserialize)]
struct File {
    version: u32,
    /// By section: paths of the source record that no rule reads but a mapping plugin does.
    #[serde(default)]
    read: BTreeMap<String, Vec<String>>,
    #[serde(flatten)]
    sections: BTreeMap<String, BTreeMap<String, String>>,
}

enum Rule {
    /// Copies the value there.
    Path(Vec<String>),
    Expression(Program),
}

/// A mapping file, ready to apply.
pub struct Mapping {
    env: Arc<Env>,
    read: BTreeMap<String, Vec<String>>,
    sections: BTreeMap<String, Vec<(String, String, Rule)>>,
}

impl Mapping {
    /// Reads the text of a mapping file. An empty text maps nothing.
    pub fn parse(text: &str) -> Result<Self, MappingError> {
        let env = Arc::new(Env::stdlib());
        if text.trim().is_empty() {
            return Ok(Self { env, read: BTreeMap::new(), sections: BTreeMap::new() });
        }
        let file: File = toml::from_str(text).map_err(|e| MappingError::Malformed(e.to_string()))?;
        if file.version != FORMAT {
            return Err(MappingError::Version(file.version));
        }
        let mut sections = BTreeMap::new();
        for (section, rules) in file.sections {
            let mut parsed = Vec::new();
            for (field, text) in rules {
                let rule = match as_path(&text) {
                    Some(path) => Rule::Path(path),
                    None => Rule::Expression(env.compile(&text).map_err(|e| MappingError::Rule {
                        section: section.clone(),
                        field: field.clone(),
                        rule: text.clone(),
                        cause: e.to_string(),
                    })?),
                };
                parsed.push((field, text, rule));
            }
            sections.insert(section, parsed);
        }
        Ok(Self { env, read: file.read, sections })
    }

    /// Paths below `source` that the rules of a section read, and those listed for a mapping plugin, sorted: what a plugin
    /// must ask the source system for.
    pub fn source_fields(&self, section: &str) -> Vec<String> {
        let rules = self.sections.get(section).map(Vec::as_slice).unwrap_or_default();
        let mut fields: Vec<String> = rules.iter().flat_map(|(_, text, _)| paths_in(text)).collect();
        fields.extend(self.read.get(section).into_iter().flatten().cloned());
        fields.sort();
        fields.dedup();
        fields
    }

    /// Target field → rule, over all sections, for `explain`.
    pub fn rules(&self) -> BTreeMap<String, String> {
        self.sections.values().flatten().map(|(field, text, _)| (field.clone(), text.clone())).collect()
    }

    /// Applies a section. A rule that gives null leaves its field out.
    pub fn apply(&self, section: &str, source: &Value) -> Result<Value, ApplyError> {
        let mut target = Map::new();
        let Some(rules) = self.sections.get(section) else { return Ok(Value::Object(target)) };
        let mut context = None;
        for (field, _, rule) in rules {
            let value = match rule {
                Rule::Path(path) => path.iter().try_fold(source, |at, step| at.get(step)).cloned().unwrap_or_default(),
                Rule::Expression(program) => {
                    let context = context.get_or_insert_with(|| {
                        let mut context = Context::with_env(self.env.clone());
                        context.add_variable_from_value("source", to_cel(source));
                        context
                    });
                    let failed = |message: String| ApplyError { field: field.clone(), message };
                    let value = program.execute(context).map_err(|e| failed(e.to_string()))?;
                    from_cel(&value).ok_or_else(|| failed("the rule gives a value that JSON cannot hold".into()))?
                }
            };
            if !value.is_null() {
                target.insert(field.clone(), value);
            }
        }
        Ok(Value::Object(target))
    }
}

/// `source.A.B` and nothing else.
fn as_path(text: &str) -> Option<Vec<String>> {
    let steps: Vec<&str> = text.trim().strip_prefix("source.")?.split('.').collect();
    let plain = |step: &&str| !step.is_empty() && step.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    steps.iter().all(plain).then(|| steps.into_iter().map(str::to_owned).collect())
}

fn paths_in(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("source.") {
        let standing_alone = !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.');
        let rest = &text[at + "source.".len()..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.')).unwrap_or(rest.len());
        let mut path = rest[..end].trim_end_matches('.');
        // `source.Name.size()`: the last step is a method.
        if rest[end..].starts_with('(') {
            path = path.rsplit_once('.').map_or("", |(before, _)| before);
        }
        if standing_alone && !path.is_empty() {
            found.push(path.to_owned());
        }
    }
    found
}

fn to_cel(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(flag) => Cel::Bool(*flag),
        Value::Number(number) => {
            number.as_i64().map(Cel::Int).or_else(|| number.as_f64().map(Cel::Float)).unwrap_or(Cel::Null)
        }
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => items.iter().map(to_cel).collect::<Vec<_>>().into(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), to_cel(value)))
            .collect::<std::collections::HashMap<String, Cel>>()
            .into(),
    }
}

fn from_cel(value: &Cel) -> Option<Value> {
    match value {
        Cel::Float(number) if number.is_finite() => {
            let rounded = format!("{number:.6}");
            let digits = rounded.trim_end_matches('0').trim_end_matches('.');
            serde_json::from_str(digits).ok()
        }
        Cel::Float(_) => None,
        other => other.json().ok(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plain_path_keeps_every_digit() {
        let mapping = Mapping::parse("version = 1\n[line]\nUnitPrice = \"source.UnitPrice\"\n").unwrap();
        let source: Value = serde_json::from_str(r#"{"UnitPrice": 1234567890123.123456}"#).unwrap();
        assert_eq!(mapping.apply("line", &source).unwrap().to_string(), r#"{"UnitPrice":1234567890123.123456}"#);
    }

    #[test]
    fn an_expression_computes_and_null_leaves_the_field_out() {
        let text = "version = 1\n[header]\nU_Region = 'source.Region__c == \"N\" ? \"North\" : \"South\"'\n\
                    U_Half = 'source.Amount / 2.0'\nU_None = 'source.Nothing'\n";
        let mapping = Mapping::parse(text).unwrap();
        let mapped = mapping.apply("header", &json!({"Region__c": "N", "Amount": 0.3, "Nothing": null})).unwrap();
        assert_eq!(mapped, json!({"U_Half": 0.15, "U_Region": "North"}));
    }

    #[test]
    fn a_broken_rule_is_named() {
        let error = Mapping::parse("version = 1\n[header]\nU_X = 'source.A +'\n").err().unwrap().to_string();
        assert!(error.contains("[header] U_X"), "{error}");
    }

    #[test]
    fn the_fields_a_mapping_reads_are_known() {
        let text = "version = 1\n[header]\nA = 'source.Account.Name.size() > 3 ? source.X__c : \"\"'\nB = 'source.Y'\n";
        let mapping = Mapping::parse(text).unwrap();
        assert_eq!(mapping.source_fields("header"), ["Account.Name", "X__c", "Y"]);
    }

    #[test]
    fn a_mapping_plugins_fields_are_read_too() {
        let text = "version = 1\n[read]\nheader = [\"Account.BillingPostalCode\"]\n[header]\nA = 'source.Y'\n";
        let mapping = Mapping::parse(text).unwrap();
        assert_eq!(mapping.source_fields("header"), ["Account.BillingPostalCode", "Y"]);
        assert!(mapping.source_fields("line").is_empty());
    }

    #[test]
    fn an_unknown_field_is_an_error_that_names_the_target() {
        let mapping = Mapping::parse("version = 1\n[header]\nU_X = 'source.Nope + 1'\n").unwrap();
        assert_eq!(mapping.apply("header", &json!({})).unwrap_err().field, "U_X");
    }

    proptest! {
        #[test]
        fn any_json_scalar_survives_a_plain_path(text in "\\PC*", number in any::<i64>(), decimals in 0u32..1_000_000) {
            let mapping = Mapping::parse("version = 1\n[s]\nA = 'source.A'\nB = 'source.B'\n").unwrap();
            let exact: Value = serde_json::from_str(&format!("{number}.{decimals:06}")).unwrap();
            let source = json!({"A": text, "B": exact});
            prop_assert_eq!(mapping.apply("s", &source).unwrap(), source);
        }
    }
}
