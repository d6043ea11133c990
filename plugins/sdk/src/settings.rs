//! A plugin's settings are one type of its own, [`Settings`] by its derives: what it says of each field is what people read
//! of it, its defaults are those of [`Default`]. JSON Schema, reading and the table in the documentation come from it.
//!
//! ```
//! use tandem_sdk::settings::Settings as _;
//! use tandem_sdk::{Deserialize, JsonSchema, Number, Serialize};
//!
//! #[derive(Deserialize, Serialize, JsonSchema)]
//! #[serde(crate = "tandem_sdk::serde", default)]
//! #[schemars(crate = "tandem_sdk::schemars")]
//! struct Settings {
//!     /// Percent of the order that is the bonus
//!     percent: Number,
//!     /// Who gets it; without it the owner of the opportunity
//!     user: Option<String>,
//! }
//!
//! impl Default for Settings {
//!     fn default() -> Self {
//!         Self { percent: 5.into(), user: None }
//!     }
//! }
//!
//! let settings = Settings::read(r#"{ "percent": 7.5 }"#).unwrap();
//! assert_eq!(settings.percent.to_string(), "7.5");
//! assert!(Settings::table().contains("| `percent` | 5 | Percent of the order that is the bonus |"));
//! ```

use std::borrow::Cow;
use std::ops::Deref;

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Batch, Decimal, Outcome, Value, decimal, from_json, json, retry};

/// When events that could not be taken for the settings' sake are tried again.
const LATER_MS: u64 = 600_000;

/// What a type of settings has by its derives: `Default`, `Deserialize`, `Serialize`, `JsonSchema`. Its container attributes are `#[serde(crate = "tandem_sdk::serde", default)]` and
/// `#[schemars(crate = "tandem_sdk::schemars")]`.
pub trait Settings: Default + DeserializeOwned + Serialize + JsonSchema {
    /// Reads a flow's settings; what is not set is as in [`Default`]. The host has checked them against the schema.
    fn read(text: &str) -> Result<Self, String> {
        let text = if matches!(text.trim(), "" | "null") { "{}" } else { text };
        serde_json::from_str(text).map_err(|e| format!("the flow's settings do not fit the plugin: {e}"))
    }

    /// Those of a batch; what becomes of its events where they cannot be read.
    fn of(batch: &Batch) -> Result<Self, Vec<Outcome>> {
        Self::read(&batch.settings)
            .map_err(|problem| batch.events.iter().map(|_| retry(LATER_MS, problem.as_str())).collect())
    }

    /// The JSON Schema that `describe` gives.
    fn schema() -> String {
        schema_of::<Self>().to_string()
    }

    /// The settings as a table in Markdown.
    fn table() -> String {
        let mut table = "| setting | default | |\n|---|---|---|\n".to_owned();
        rows(&schema_of::<Self>(), "", &mut table);
        table
    }

    /// For a test: that a page has the table as it is. With `TANDEM_WRITE_DOCS` set it is written there.
    #[cfg(not(target_family = "wasm"))]
    fn is_documented_in(page: impl AsRef<std::path::Path>) -> Result<(), String> {
        let page = page.as_ref();
        let failed = |e: std::io::Error| format!("{}: {e}", page.display());
        let text = std::fs::read_to_string(page).map_err(failed)?;
        let table = Self::table();
        let there = text.find("| setting |").ok_or_else(|| format!("{}: no table of settings", page.display()))?;
        let length: usize =
            text[there..].split_inclusive('\n').take_while(|line| line.starts_with('|')).map(str::len).sum();
        if text[there..there + length] == table {
            return Ok(());
        }
        if std::env::var_os("TANDEM_WRITE_DOCS").is_some() {
            let written = format!("{}{table}{}", &text[..there], &text[there + length..]);
            return std::fs::write(page, written).map_err(failed);
        }
        Err(format!(
            "{}: the table of settings is not the type's; `TANDEM_WRITE_DOCS=1 cargo test` writes it:\n{table}",
            page.display()
        ))
    }
}

impl<T: Default + DeserializeOwned + Serialize + JsonSchema> Settings for T {}

/// What becomes of a record whose other side was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Deleted {
    #[default]
    Mark,
    Review,
}

/// An exact decimal, a number in the settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number(pub Decimal);

impl From<i64> for Number {
    fn from(number: i64) -> Self {
        Self(number.into())
    }
}

impl From<Decimal> for Number {
    fn from(number: Decimal) -> Self {
        Self(number.normalize())
    }
}

impl Deref for Number {
    type Target = Decimal;

    fn deref(&self) -> &Decimal {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        match Value::deserialize(reader)? {
            number @ Value::Number(_) => {
                decimal(&number).map(Self).ok_or_else(|| D::Error::custom(format!("{number} has too many digits")))
            }
            other => Err(D::Error::custom(format!("{other} is no number"))),
        }
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        from_json(&self.0.to_string()).serialize(writer)
    }
}

impl JsonSchema for Number {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Number".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "number" })
    }
}

/// Closed, in one piece, and in the words that people know: a setting that is left out is not `null`.
pub(crate) fn schema_of<T: JsonSchema>() -> Value {
    let plain = SchemaSettings::default().with(|settings| {
        settings.inline_subschemas = true;
        settings.transforms = vec![Box::new(RecursiveTransform(plain))];
    });
    let mut schema = plain.into_generator().into_root_schema_for::<T>();
    for words in ["title", "description"] {
        schema.remove(words);
    }
    schema.insert("additionalProperties".into(), false.into());
    schema.to_value()
}

/// Of one schema: no `null`, no default that says nothing, each description in one line.
fn plain(schema: &mut Schema) {
    let is_null = |value: &Value| *value == "null" || value["type"] == "null" || value.is_null();
    for list in ["type", "anyOf", "enum"] {
        let Some(Value::Array(kinds)) = schema.get_mut(list) else { continue };
        kinds.retain(|kind| !is_null(kind));
        if let ("type", [only]) = (list, kinds.as_slice()) {
            let only = only.clone();
            schema.insert(list.into(), only);
        } else if let ("anyOf", [Value::Object(only)]) = (list, kinds.as_slice()) {
            let only = only.clone();
            schema.remove(list);
            for (key, value) in only {
                schema.ensure_object().entry(key).or_insert(value);
            }
        }
    }
    if schema.get("default").is_some_and(|value| value.is_null() || *value == json!({})) {
        schema.remove("default");
    }
    if let Some(Value::String(words)) = schema.get_mut("description") {
        *words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    }
}

/// One row for each setting, those within another named with it: `match.tax_id`.
fn rows(schema: &Value, within: &str, table: &mut String) {
    for (name, setting) in schema["properties"].as_object().into_iter().flatten() {
        let inner = setting["properties"].is_object();
        let default = if inner { String::new() } else { in_words(&setting["default"]) };
        let words = setting["description"].as_str().unwrap_or_default().replace('|', "\\|");
        let choices = choices(setting).join(", ");
        let words = [words, choices].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
        let cell = |text: &str| if text.is_empty() { " ".to_owned() } else { format!(" {text} ") };
        table.push_str(&format!("| `{within}{name}` |{}|{}|\n", cell(&default), cell(&words)));
        if inner {
            rows(setting, &format!("{within}{name}."), table);
        }
    }
}

/// The values that a setting may have, where they can be named.
fn choices(setting: &Value) -> Vec<String> {
    let named = |list: &str| setting[list].as_array().into_iter().flatten();
    let mut found: Vec<String> =
        named("enum").chain(setting.get("const")).map(|value| format!("`{}`", in_words(value))).collect();
    found.extend(named("oneOf").flat_map(choices));
    found
}

/// A value as it stands in a table.
fn in_words(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of it.
    #[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Fate {
        #[default]
        Mark,
        /// A person is asked.
        Review,
    }

    #[derive(Deserialize, Serialize, JsonSchema, Debug, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct Weights {
        /// Of the tax id
        tax_id: Number,
    }

    impl Default for Weights {
        fn default() -> Self {
            Self { tax_id: 100.into() }
        }
    }

    #[derive(Deserialize, Serialize, JsonSchema)]
    #[serde(default)]
    struct Mine {
        /// First line,
        /// and the second
        fate: Fate,
        /// How many
        many: usize,
        /// Without it none
        #[schemars(range(min = 0))]
        limit: Option<Number>,
        /// Numbers | lists
        lists: Option<Vec<i64>>,
        #[serde(rename = "match")]
        weights: Weights,
        #[serde(flatten)]
        only: crate::Only,
        keys: crate::Keys,
        currencies: crate::Currencies,
        #[serde(skip)]
        found: bool,
    }

    impl Default for Mine {
        fn default() -> Self {
            Self {
                fate: Fate::Mark,
                many: 7,
                limit: None,
                lists: None,
                weights: Weights::default(),
                only: crate::Only::default(),
                keys: crate::Keys::default(),
                currencies: crate::Currencies::default(),
                found: false,
            }
        }
    }

    #[test]
    fn what_is_not_set_is_as_by_default() {
        for nothing in ["", "null", "{}"] {
            let mine = Mine::read(nothing).unwrap();
            assert_eq!((mine.many, mine.fate, mine.limit), (7, Fate::Mark, None), "{nothing}");
            assert_eq!(mine.weights, Weights::default());
        }
        let mine =
            Mine::read(r#"{"fate":"review","limit":0.10000000000000001,"only_field":"C","only_value":"1","many":3}"#)
                .unwrap();
        assert_eq!(mine.limit.map(|limit| limit.to_string()).as_deref(), Some("0.10000000000000001"));
        assert_eq!((mine.many, mine.fate, mine.only.field()), (3, Fate::Review, Some("C".to_owned())));
    }

    #[test]
    fn what_does_not_fit_is_an_error_and_not_the_default() {
        for bad in [
            r#"{"many":-1}"#,
            r#"{"many":1.0}"#,
            r#"{"fate":"x"}"#,
            r#"{"limit":"5"}"#,
            r#"{"match":{"tx":1}}"#,
            "[",
            "7",
        ] {
            assert!(Mine::read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_schema_is_closed_and_says_each_setting() {
        let schema = from_json(&Mine::schema());
        let own = &schema["properties"];
        assert_eq!(schema["additionalProperties"], false);
        assert!(schema.get("$defs").is_none() && own.get("found").is_none(), "{schema}");
        assert_eq!(own["many"]["default"], 7);
        assert_eq!(own["fate"]["description"], "First line, and the second");
        assert_eq!(own["fate"]["default"], "mark");
        assert_eq!((&own["limit"]["type"], own["limit"].get("default")), (&json!("number"), None));
        assert_eq!((&own["limit"]["minimum"], &own["lists"]["type"]), (&json!(0), &json!("array")));
        assert_eq!(own["match"]["properties"]["tax_id"]["default"], 100);
        assert_eq!(own["only_field"]["type"], "string");
        assert_eq!(own["keys"]["type"], "string");
        assert_eq!(own["currencies"]["additionalProperties"]["type"], "string");
        assert!(own["keys"]["description"].as_str().is_some_and(|words| words.contains("B1 companies")), "{schema}");
    }

    #[test]
    fn the_table_has_a_row_for_each() {
        let table = Mine::table();
        for row in [
            "| `fate` | mark | First line, and the second: `mark`, `review` |",
            "| `many` | 7 | How many |",
            "| `limit` | | Without it none |",
            "| `lists` | | Numbers \\| lists |",
            "| `match.tax_id` | 100 | Of the tax id |",
        ] {
            assert!(table.lines().any(|line| line == row), "{row}\n{table}");
        }
    }
}
