//! A plugin's schema of its settings, or of what a tool of it takes and gives, read whole and bounded before it is used, and values held against it.
//! Nothing is fetched for it, and it cannot make the host search long: no reference leads out of it or back into itself, and patterns are matched in linear
//! time.

use jsonschema::error::ValidationErrorKind;
use jsonschema::paths::Location;
use jsonschema::{Keyword, PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value};

use crate::plain::nearest;

/// Bytes of a schema's text.
const MOST_TEXT: usize = 64 << 10;
/// Values in it, each counted wherever a reference repeats it.
const MOST_VALUES: usize = 10_000;
/// Values within one another, through references.
const MOST_DEPTH: usize = 40;
/// Patterns, counted likewise, and bytes of a compiled one.
const MOST_PATTERNS: usize = 50;
const MOST_PATTERN: usize = 256 << 10;
/// `unevaluatedProperties` and their like, each of which looks through what is within it once more.
const MOST_UNEVALUATED: usize = 8;
/// Problems that are told of one flow's settings, and letters of each.
const MOST_PROBLEMS: usize = 20;
const MOST_WORDS: usize = 500;

/// Settings whose names a schema does not have that cannot be followed.
pub fn unknown_of(schema: &str, settings: &Value) -> Vec<String> {
    let schema: Value = serde_json::from_str(schema).unwrap_or_default();
    let Some(known) = schema["properties"].as_object() else { return Vec::new() };
    let known: Vec<&str> = known.keys().map(String::as_str).collect();
    let names = settings.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    let unknown_names = names.filter(|name| !known.contains(name)).take(MOST_PROBLEMS);
    unknown_names.map(|name| short(unknown(Kind::Settings, name, name, &known))).collect()
}

/// What a schema is of, in the words of who reads its problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A flow's settings.
    Settings,
    /// What a tool takes.
    Input,
    /// What a tool gives.
    Result,
}

impl Kind {
    fn part(self) -> &'static str {
        match self {
            Self::Settings => "setting",
            Self::Input => "argument",
            Self::Result => "field",
        }
    }
}

/// What a plugin says of its settings, or of what a tool of it takes and gives.
pub struct Schema {
    kind: Kind,
    text: Value,
    validator: Validator,
}

impl Schema {
    /// Reads it; the reason where it is none, or none that is bounded.
    pub fn read(text: &str, kind: Kind) -> Result<Self, String> {
        if text.len() > MOST_TEXT {
            return Err(format!("it has {} bytes; at most {MOST_TEXT} are read", text.len()));
        }
        let mut schema: Map<String, Value> =
            serde_json::from_str(text).map_err(|e| format!("it is not a JSON object: {e}"))?;
        close(&mut schema);
        let schema = Value::Object(schema);
        Measured::default().measure(&schema, &schema, 0)?;
        let patterns = PatternOptions::regex().size_limit(MOST_PATTERN).dfa_size_limit(MOST_PATTERN);
        let validator = jsonschema::options()
            .with_pattern_options(patterns)
            .should_validate_formats(false)
            .with_keyword("type", |parent, kinds, _| {
                Ok(Box::new(TypeOf::read(parent, kinds)) as Box<dyn for<'i> Keyword<'i>>)
            })
            .build(&schema)
            .map_err(|e| short(format!("{e} (at {:?})", e.instance_path().as_str())))?;
        Ok(Self { kind, text: schema, validator })
    }

    /// As it was read: a name that it does not know is refused, unless it says otherwise.
    pub fn text(&self) -> &Value {
        &self.text
    }

    /// What does not fit: unknown settings, wrong types and values, missing ones.
    pub fn problems(&self, settings: &Value) -> Vec<String> {
        if let Err(problem) = Measured::default().measure(settings, &Value::Null, 0) {
            return vec![problem];
        }
        let found = self.validator.iter_errors(settings).flat_map(|error| self.in_words(&error, settings));
        let mut problems: Vec<String> = found.take(MOST_PROBLEMS).map(short).collect();
        problems.dedup();
        problems
    }

    /// A problem for the person who wrote the settings; several for several unknown names.
    fn in_words(&self, error: &ValidationError<'_>, settings: &Value) -> Vec<String> {
        let at = name_of(error.instance_path());
        let is = format!("`{at}` = {}", error.instance());
        let within = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
        let problem = match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                let known = self.names_beside(error.schema_path());
                return unexpected.iter().map(|name| unknown(self.kind, &within(name), name, &known)).collect();
            }
            ValidationErrorKind::Required { property } => {
                format!("the {} `{}` is missing", self.kind.part(), within(property.as_str().unwrap_or_default()))
            }
            ValidationErrorKind::Custom { message, .. } => format!("{is} must be {message}"),
            ValidationErrorKind::Enum { options } => {
                one_of(&is, error.instance(), options.as_array().map_or(&[], Vec::as_slice))
            }
            ValidationErrorKind::Constant { expected_value } => {
                one_of(&is, error.instance(), std::slice::from_ref(&**expected_value))
            }
            ValidationErrorKind::OneOfNotValid { context } | ValidationErrorKind::AnyOf { context } => {
                let choices: Option<Vec<Value>> = self.text.pointer(error.schema_path().as_str()).and_then(choices);
                match choices {
                    Some(choices) => one_of(&is, error.instance(), &choices),
                    None => {
                        let first = context
                            .iter()
                            .filter_map(|branch| self.in_words(branch.first()?, settings).into_iter().next());
                        format!("{is} fits none of what it may be: {}", first.collect::<Vec<_>>().join("; or "))
                    }
                }
            }
            ValidationErrorKind::Minimum { limit } => format!("{is} must be {limit} at least"),
            ValidationErrorKind::Maximum { limit } => format!("{is} must be {limit} at most"),
            ValidationErrorKind::ExclusiveMinimum { limit } => format!("{is} must be more than {limit}"),
            ValidationErrorKind::ExclusiveMaximum { limit } => format!("{is} must be less than {limit}"),
            ValidationErrorKind::MinLength { limit } => format!("{is} must have {limit} letters at least"),
            ValidationErrorKind::MaxLength { limit } => format!("{is} must have {limit} letters at most"),
            ValidationErrorKind::MinItems { limit } => format!("{is} must have {limit} entries at least"),
            ValidationErrorKind::MaxItems { limit } => format!("{is} must have {limit} entries at most"),
            ValidationErrorKind::UniqueItems => format!("{is} has an entry twice"),
            ValidationErrorKind::Pattern { pattern } => format!("{is} must look like {pattern}"),
            // Of a schema that knows no names at all.
            ValidationErrorKind::FalseSchema if error.schema_path().as_str().ends_with("Properties") => {
                let there = settings.pointer(error.instance_path().as_str()).and_then(Value::as_object);
                let names = there.into_iter().flat_map(Map::keys);
                return names.map(|name| unknown(self.kind, &within(name), name, &[])).collect();
            }
            ValidationErrorKind::FalseSchema => format!("{is} is not allowed"),
            _ => format!("{is}: {error}"),
        };
        vec![problem]
    }

    /// The names that a schema knows where one of its keywords stands.
    fn names_beside(&self, keyword: &Location) -> Vec<&str> {
        let beside = keyword.as_str().rsplit_once('/').map_or("", |(beside, _)| beside);
        let names = self.text.pointer(beside).and_then(|schema| schema["properties"].as_object());
        names.into_iter().flat_map(Map::keys).map(String::as_str).collect()
    }
}

/// A name that a schema does not speak of is unknown, unless the schema says itself what becomes of such.
fn close(schema: &mut Map<String, Value>) {
    const OPEN: [&str; 2] = ["additionalProperties", "unevaluatedProperties"];
    const ELSEWHERE: [&str; 10] =
        ["$ref", "allOf", "anyOf", "oneOf", "if", "then", "else", "dependentSchemas", "dependencies", "$dynamicRef"];
    if OPEN.iter().any(|keyword| schema.contains_key(*keyword)) {
        return;
    }
    let elsewhere = ELSEWHERE.iter().any(|keyword| schema.contains_key(*keyword));
    schema.insert(OPEN[usize::from(elsewhere)].into(), Value::Bool(false));
}

/// How large a schema is, with what its references repeat.
#[derive(Default)]
struct Measured {
    values: usize,
    patterns: usize,
    unevaluated: usize,
}

impl Measured {
    fn measure(&mut self, value: &Value, root: &Value, depth: usize) -> Result<(), String> {
        self.values += 1;
        if self.values > MOST_VALUES || depth > MOST_DEPTH {
            return Err(format!(
                "it is too large, or a part of it refers to itself: at most {MOST_VALUES} values are read, {MOST_DEPTH} within one another"
            ));
        }
        match value {
            Value::Number(number) if !is_short(&number.to_string()) => {
                Err(short(format!("the number {number} has too many digits")))
            }
            Value::Array(items) => items.iter().try_for_each(|item| self.measure(item, root, depth + 1)),
            Value::Object(fields) => fields.iter().try_for_each(|(name, value)| {
                if !root.is_null() {
                    self.keyword(name, value, root, depth)?;
                }
                self.measure(value, root, depth + 1)
            }),
            _ => Ok(()),
        }
    }

    /// What a keyword costs beyond its own value.
    fn keyword(&mut self, name: &str, value: &Value, root: &Value, depth: usize) -> Result<(), String> {
        match (name, value) {
            ("$ref", Value::String(to)) => {
                let target = to.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
                let target = target.ok_or_else(|| {
                    short(format!("$ref = {to:?}: only what stands in the schema itself is read, such as #/$defs/Mine"))
                })?;
                return self.measure(target, root, depth + 1);
            }
            ("$dynamicRef" | "$recursiveRef", Value::String(_)) => return Err(format!("{name} is not read; say $ref")),
            // The root's own is a name and no more; another one would say anew what a reference is to.
            ("$id" | "$schema", Value::String(_)) if depth > 0 => {
                return Err(format!("{name} within the schema is not read"));
            }
            ("id", Value::String(_))
                if depth > 0 && root["$schema"].as_str().is_some_and(|dialect| dialect.contains("draft-04")) =>
            {
                return Err("id within the schema is not read".into());
            }
            ("pattern", Value::String(_)) => self.patterns += 1,
            ("patternProperties", Value::Object(patterns)) => self.patterns += patterns.len(),
            ("unevaluatedProperties" | "unevaluatedItems", _) => self.unevaluated += 1,
            _ => {}
        }
        if self.patterns > MOST_PATTERNS {
            return Err(format!("it has more than {MOST_PATTERNS} patterns"));
        }
        if self.unevaluated > MOST_UNEVALUATED {
            return Err(format!("it has more than {MOST_UNEVALUATED} unevaluatedProperties and unevaluatedItems"));
        }
        Ok(())
    }
}

/// False for a number that takes a book to write out.
fn is_short(number: &str) -> bool {
    let exponent = number.split_once(['e', 'E']).map_or("", |(_, exponent)| exponent);
    number.len() <= 100 && exponent.trim_start_matches(['+', '-']).len() <= 3
}

/// `type`, as programs read it: an integer is written without a point, and has the bits that `format` gives it.
struct TypeOf {
    kinds: Vec<String>,
    least: i128,
    most: i128,
}

impl TypeOf {
    fn read(parent: &Map<String, Value>, kinds: &Value) -> Self {
        let named = kinds.as_array().map_or(std::slice::from_ref(kinds), Vec::as_slice);
        let (least, most) = match parent.get("format").and_then(Value::as_str) {
            Some("int8") => (i8::MIN.into(), i8::MAX.into()),
            Some("int16") => (i16::MIN.into(), i16::MAX.into()),
            Some("int32") => (i32::MIN.into(), i32::MAX.into()),
            Some("int64") => (i64::MIN.into(), i64::MAX.into()),
            Some("uint8") => (0, u8::MAX.into()),
            Some("uint16") => (0, u16::MAX.into()),
            // Of a plugin's own words, which are 32 bits wide.
            Some("uint32" | "uint") => (0, u32::MAX.into()),
            Some("uint64") => (0, u64::MAX.into()),
            _ => (i64::MIN.into(), u64::MAX.into()),
        };
        Self { kinds: named.iter().filter_map(Value::as_str).map(str::to_owned).collect(), least, most }
    }

    fn fits(&self, kind: &str, value: &Value) -> bool {
        match kind {
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "number" => value.is_number(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            "null" => value.is_null(),
            "integer" => {
                let whole = value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
                whole.is_some_and(|whole| (self.least..=self.most).contains(&whole))
            }
            _ => false,
        }
    }

    fn words(&self, value: &Value) -> String {
        let whole = value.is_i64() || value.is_u64();
        match self.kinds.as_slice() {
            [kind] if kind == "integer" && whole => format!("a whole number from {} to {}", self.least, self.most),
            kinds => format!("of type {}", kinds.join(" or ")),
        }
    }
}

impl<'i> Keyword<'i> for TypeOf {
    fn validate(&self, value: &'i Value) -> Result<(), ValidationError<'i>> {
        if self.is_valid(value) { Ok(()) } else { Err(ValidationError::custom(self.words(value))) }
    }

    fn is_valid(&self, value: &'i Value) -> bool {
        self.kinds.iter().any(|kind| self.fits(kind, value))
    }
}

/// The values of `oneOf` and `anyOf` whose branches each say theirs: choices with words of their own.
fn choices(branches: &Value) -> Option<Vec<Value>> {
    let of = |branch: &Value| match (branch.get("const"), branch.get("enum")) {
        (Some(one), _) => Some(vec![one.clone()]),
        (None, Some(Value::Array(some))) => Some(some.clone()),
        _ => None,
    };
    branches.as_array()?.iter().map(of).collect::<Option<Vec<_>>>().map(|lists| lists.concat())
}

fn one_of(is: &str, value: &Value, allowed: &[Value]) -> String {
    let words: Vec<&str> = allowed.iter().filter_map(Value::as_str).collect();
    let meant = value.as_str().and_then(|own| nearest(own, &words)).map(|near| format!("; did you mean {near:?}?"));
    let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
    format!("{is} must be one of {}{}", allowed.join(", "), meant.unwrap_or_default())
}

fn unknown(kind: Kind, path: &str, name: &str, known: &[&str]) -> String {
    let meant = nearest(name, known).map(|near| format!("did you mean `{near}`? "));
    let known = if known.is_empty() { "there are none".to_owned() } else { format!("known: {}", known.join(", ")) };
    format!("unknown {} `{path}`; {}{known}", kind.part(), meant.unwrap_or_default())
}

/// `match.tax_id`, `price_lists.0`: as it stands in `settings`.
fn name_of(path: &Location) -> String {
    let steps = path.as_str().trim_start_matches('/').split('/');
    steps.map(|step| step.replace("~1", "/").replace("~0", "~")).collect::<Vec<_>>().join(".")
}

fn short(mut words: String) -> String {
    if let Some((at, _)) = words.char_indices().nth(MOST_WORDS) {
        words.truncate(at);
        words.push('…');
    }
    words
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::json;

    use super::*;

    /// As the plugin `orders` of contract 0.1.0 has it, and more of what could be said then.
    const OLD: &str = r#"{"type":"object","properties":{
        "tax_code":{"type":"string","description":"x"},"currencies":{"type":"object","additionalProperties":{"type":"string"}},
        "total_difference":{"type":"number","minimum":0},"poll":{"type":"integer","default":15},"any":{},
        "lists":{"type":"array","items":{"type":"integer"}},"mode":{"type":"string","enum":["never","always"]}},"required":["mode"]}"#;

    fn problems(schema: &str, settings: Value) -> Vec<String> {
        Schema::read(schema, Kind::Settings).unwrap().problems(&settings)
    }

    fn problem(schema: &str, settings: Value) -> String {
        problems(schema, settings).join(" | ")
    }

    #[test]
    fn a_schema_of_any_contract_is_understood() {
        let fits = json!({ "mode": "never", "tax_code": "X", "poll": 5, "any": [1], "total_difference": 0.5, "currencies": { "$": "USD" } });
        assert_eq!(problems(OLD, fits), Vec::<String>::new());
        for (settings, words) in [
            (json!({}), "the setting `mode` is missing"),
            (json!({ "mode": "nevr" }), r#"`mode` = "nevr" must be one of "never", "always"; did you mean "never"?"#),
            (json!({ "mode": "never", "tax_code": 1 }), "`tax_code` = 1 must be of type string"),
            (json!({ "mode": "never", "poll": 5.0 }), "`poll` = 5.0 must be of type integer"),
            (json!({ "mode": "never", "poll": "5" }), r#"`poll` = "5" must be of type integer"#),
            (json!({ "mode": "never", "lists": [1, "2"] }), r#"`lists.1` = "2" must be of type integer"#),
            (json!({ "mode": "never", "currencies": { "$": 1 } }), "`currencies.$` = 1 must be of type string"),
            (json!({ "mode": "never", "total_difference": -1 }), "`total_difference` = -1 must be 0 at least"),
            (
                json!({ "mode": "never", "tax-cod": "X" }),
                "unknown setting `tax-cod`; did you mean `tax_code`? known: tax_code, currencies, ",
            ),
        ] {
            let told = problem(OLD, settings);
            assert!(told.starts_with(words), "{words}: {told}");
        }
        assert_eq!(problem("{}", json!({ "x": 1 })), "unknown setting `x`; there are none");
    }

    #[test]
    fn a_schema_that_cannot_be_followed_says_which_settings_there_are() {
        let own = r##"{"properties":{"tax_code":{"$ref":"#/properties/tax_code"}}}"##;
        assert!(Schema::read(own, Kind::Settings).is_err());
        assert_eq!(unknown_of(own, &json!({ "tax_code": 1 })), Vec::<String>::new());
        assert!(unknown_of(own, &json!({ "tax_cod": 1 }))[0].contains("did you mean `tax_code`?"));
        assert_eq!(unknown_of(r#"{"type":17}"#, &json!({ "x": 1 })), Vec::<String>::new());
    }

    #[test]
    fn each_problem_is_told() {
        assert_eq!(problems(OLD, json!({ "taxcode": "X", "tax_code": 1 })).len(), 3);
        assert_eq!(problems("{}", json!({ "a": 1, "b": 2 })).len(), 2);
    }

    #[test]
    fn a_schema_of_derived_types_is_understood() {
        let schema = r##"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":{
            "fate":{"description":"x","oneOf":[{"type":"string","enum":["mark"]},{"type":"string","const":"review","description":"x"}]},
            "many":{"type":"integer","format":"uint32","minimum":0},"weights":{"$ref":"#/$defs/Weights"}},
            "$defs":{"Weights":{"type":"object","properties":{"tax_id":{"type":"number"}},"additionalProperties":false}}}"##;
        assert_eq!(
            problem(schema, json!({ "fate": "review", "many": 4294967295u32, "weights": { "tax_id": 1.5 } })),
            ""
        );
        for (settings, words) in [
            (json!({ "fate": "revew" }), r#"`fate` = "revew" must be one of "mark", "review"; did you mean "review"?"#),
            (json!({ "many": 4294967296u64 }), "`many` = 4294967296 must be a whole number from 0 to 4294967295"),
            (
                json!({ "weights": { "taxid": 1 } }),
                "unknown setting `weights.taxid`; did you mean `tax_id`? known: tax_id",
            ),
        ] {
            assert_eq!(problem(schema, settings), words);
        }
    }

    #[test]
    fn a_schema_that_says_its_names_elsewhere_is_closed_too() {
        let schema = r##"{"allOf":[{"$ref":"#/$defs/A"}],"$defs":{"A":{"properties":{"a":{"type":"string"}}}}}"##;
        assert_eq!(problem(schema, json!({ "a": "x" })), "");
        assert!(
            problem(schema, json!({ "b": "x" })).contains("unknown setting `b`"),
            "{}",
            problem(schema, json!({ "b": "x" }))
        );
        let open = r#"{"properties":{"a":{}},"additionalProperties":{"type":"string"}}"#;
        assert_eq!(problem(open, json!({ "b": "x" })), "");
        assert_eq!(problem(open, json!({ "b": 1 })), "`b` = 1 must be of type string");
    }

    #[test]
    fn a_hostile_schema_is_refused_or_bounded() {
        let nested =
            |open: &str, close: &str, times: usize| format!("{}{{}}{}", open.repeat(times), close.repeat(times));
        let doubling = (0..60).map(|i| {
            format!(r##""a{i}":{{"allOf":[{{"$ref":"#/$defs/a{n}"}},{{"$ref":"#/$defs/a{n}"}}]}},"##, n = i + 1)
        });
        let doubling = format!(r##"{{"$ref":"#/$defs/a0","$defs":{{{}"a60":{{}}}}}}"##, doubling.collect::<String>());
        let refused = [
            ("no schema", "[]".to_owned()),
            ("unknown type", r#"{"properties":{"a":{"type":"strin"}}}"#.into()),
            ("unknown dialect", r#"{"$schema":"http://127.0.0.1:9/x.json"}"#.into()),
            ("huge", format!(r#"{{"description":"{}"}}"#, "x".repeat(100_000))),
            ("wide", format!(r#"{{"enum":[{}0]}}"#, "0,".repeat(20_000))),
            ("deep", nested(r#"{"not":"#, "}", 100)),
            ("remote", r#"{"$ref":"http://127.0.0.1:9/schema.json"}"#.into()),
            ("a file", r#"{"$ref":"file:///etc/passwd"}"#.into()),
            ("a file beside", r#"{"properties":{"a":{"$ref":"passwd"}}}"#.into()),
            ("another base by another name", r##"{"$schema":"http://json-schema.org/draft-04/schema#","not":{"id":"http://x/","allOf":[{"$ref":"#/a"}],"a":{}},"a":{}}"##.into()),
            ("another dialect within", r##"{"properties":{"a":{"$schema":"http://json-schema.org/draft-04/schema#"}}}"##.into()),
            ("another base", r##"{"properties":{"a":{"$id":"http://127.0.0.1:9/","$ref":"#/x"}}}"##.into()),
            ("itself", r##"{"$ref":"#"}"##.into()),
            ("itself in turns", r##"{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}"##.into()),
            ("doubling", doubling),
            ("backreference", r#"{"properties":{"a":{"pattern":"(a)\\1"}}}"#.into()),
            ("a pattern that grows", r#"{"properties":{"a":{"pattern":"((a{1000}){1000}){1000}"}}}"#.into()),
            ("many patterns", format!(r#"{{"patternProperties":{{{}"x":{{}}}}}}"#, (0..100).map(|i| format!(r#""a{i}":{{}},"#)).collect::<String>())),
            ("a number of many digits", r#"{"properties":{"a":{"minimum":1e999999999}}}"#.into()),
            ("a small one", r#"{"properties":{"a":{"multipleOf":1e-999999999}}}"#.into()),
            ("unevaluated within one another", nested(r#"{"unevaluatedProperties":false,"not":"#, "}", 18)),
        ];
        for (what, schema) in refused {
            let begun = Instant::now();
            let answer = Schema::read(&schema, Kind::Settings).map(|_| ());
            assert!(answer.as_ref().is_err_and(|words| words.len() < 2_500), "{what}: {answer:?}");
            assert!(begun.elapsed() < Duration::from_secs(2), "{what}: {:?}", begun.elapsed());
        }
    }

    #[test]
    fn settings_are_held_against_any_schema_in_no_time() {
        let long = "a".repeat(50_000);
        let unevaluated = |level: String| format!(r#"{{"unevaluatedProperties":false,"allOf":[{level}]}}"#);
        let nested = (0..6).fold("{}".to_owned(), |level, _| unevaluated(level));
        let branches =
            (0..12).fold(r#"{"const":1}"#.to_owned(), |level, _| format!(r#"{{"anyOf":[{level},{{"not":{{}}}}]}}"#));
        let cases = [
            (r#"{"properties":{"a":{"pattern":"^(a+)+$"}}}"#.to_owned(), json!({ "a": format!("{long}b") })),
            (r#"{"properties":{"a":{"pattern":"^(a|a|aa)*$"}}}"#.into(), json!({ "a": format!("{long}b") })),
            (nested, json!({ "a": 1 })),
            (branches, json!({ "a": long })),
            (r#"{"properties":{"a":{"multipleOf":1e-300}}}"#.into(), json!({ "a": 0.5 })),
        ];
        for (schema, settings) in cases {
            let begun = Instant::now();
            let problems = problems(&schema, settings);
            assert!(begun.elapsed() < Duration::from_secs(2), "{schema}: {:?}", begun.elapsed());
            assert!(problems.iter().all(|words| words.len() <= 2_500), "{schema}");
        }
        let huge: Value = serde_json::from_str(r#"{"a":1e999999999}"#).unwrap();
        assert!(problem(r#"{"properties":{"a":{"type":"number","minimum":0}}}"#, huge).contains("too many digits"));
    }
}
