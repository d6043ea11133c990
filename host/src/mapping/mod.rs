//! Declarative field maps: target field ← CEL expression over the source record.
//!
//! A rule that is a plain path, such as `source.Account.Name`, copies the JSON value digit for digit. Only a rule that
//! computes goes through CEL, whose numbers are 64-bit floats; a computed number is rounded to the six decimals B1
//! keeps. So prices and quantities are mapped by plain paths.
//!
//! A rule is either one-way (`Comments = "source.Description"`, in a section that a plugin applies in one direction) or
//! two-way (a table named after B1's field: `[account.CardName]`), with a direction and a conflict policy.

mod budget;
mod condition;
mod countries;
pub mod edit;
mod lookups;
pub mod outline;
pub mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cel::{Context, Env, IdedExpr, Value as Cel};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::condition::Condition;
use crate::config::Lines;

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
    #[error("line {line}: [{section}] {field} = {rule:?}: {cause}")]
    Rule {
        /// Where it stands in the file.
        line: usize,
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

impl MappingError {
    fn on(mut self, found: usize) -> Self {
        if let Self::Rule { line, .. } = &mut self {
            *line = found;
        }
        self
    }
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
    /// Code tables: `tables.country["DE"]` gives the value, `reverse.country["Germany"]` the code.
    #[serde(default)]
    tables: BTreeMap<String, BTreeMap<String, String>>,
    /// Sections of which a flow uses the first whose fields Salesforce has, by what they are for.
    #[serde(default)]
    alternatives: BTreeMap<String, Vec<String>>,
    #[serde(flatten)]
    sections: BTreeMap<String, BTreeMap<String, Written>>,
}

/// A rule as it stands in the file.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    /// One way: the section's target field is the rule's name.
    OneWay(String),
    /// Two ways: the rule's name is B1's field.
    TwoWay(TwoWay),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TwoWay {
    salesforce: String,
    #[serde(default)]
    direction: Direction,
    #[serde(default)]
    policy: Policy,
    to_salesforce: Option<String>,
    to_b1: Option<String>,
}

/// The way values go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Both ways.
    #[default]
    Both,
    /// From B1 to Salesforce only.
    ToSalesforce,
    /// From Salesforce to B1 only.
    ToB1,
}

/// Whose value wins when both sides changed a field since it was last in step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// SAP Business One.
    B1,
    /// Salesforce.
    Salesforce,
    /// The later change.
    #[default]
    Newest,
    /// A human decides.
    Review,
}

/// A rule of a two-way section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// B1's field.
    pub b1: String,
    /// Salesforce's field.
    pub salesforce: String,
    /// The way values go.
    pub direction: Direction,
    /// Whose value wins.
    pub policy: Policy,
}

/// Ends of the names of a two-way section's directions.
const TO_SALESFORCE: &str = ".to-salesforce";
const TO_B1: &str = ".to-b1";

enum Rule {
    /// Copies the value there.
    Path(Vec<String>),
    /// Pays for what it does: see [`budget`].
    Expression(IdedExpr),
}

/// One direction of a section.
#[derive(Default)]
struct Section {
    /// Target field, the rule's text, the rule.
    rules: Vec<(String, String, Rule)>,
    /// Null is a value: what was emptied there is emptied here.
    keeps_null: bool,
}

/// A mapping file, ready to apply.
pub struct Mapping {
    env: Arc<Env>,
    read: BTreeMap<String, Vec<String>>,
    /// By section: paths that a mapping plugin says it reads.
    read_by_plugin: BTreeMap<String, Vec<String>>,
    /// By section: fields that a mapping plugin says it sets.
    set_by_plugin: BTreeMap<String, Vec<String>>,
    alternatives: BTreeMap<String, Vec<String>>,
    tables: Cel,
    reverse: Cel,
    sections: BTreeMap<String, Section>,
    pairs: BTreeMap<String, Vec<Pair>>,
    reserved: Reserved,
}

/// By section, each direction of a two-way one by itself: fields that no rule sets, since the flow itself does.
pub type Reserved = BTreeMap<String, Vec<String>>;

impl Mapping {
    /// Reads the text of a mapping file. An empty text maps nothing.
    pub fn parse(text: &str) -> Result<Self, MappingError> {
        Self::parse_for(text, Reserved::new())
    }

    /// The same for a flow that sets some fields itself.
    pub fn parse_for(text: &str, reserved: Reserved) -> Result<Self, MappingError> {
        let text = if text.trim().is_empty() { "version = 1" } else { text };
        let file: File = toml::from_str(text).map_err(|e| MappingError::Malformed(malformed(text, &e)))?;
        if file.version != FORMAT {
            return Err(MappingError::Version(file.version));
        }
        let reversed: BTreeMap<_, BTreeMap<_, _>> = file
            .tables
            .iter()
            .map(|(name, table)| (name, table.iter().map(|(code, value)| (value, code)).collect()))
            .collect();
        let mut mapping = Self {
            env: Arc::new(Env::stdlib()),
            read: file.read,
            read_by_plugin: BTreeMap::new(),
            set_by_plugin: BTreeMap::new(),
            alternatives: file.alternatives,
            tables: to_cel(&serde_json::json!(file.tables)),
            reverse: to_cel(&serde_json::json!(reversed)),
            sections: BTreeMap::new(),
            pairs: BTreeMap::new(),
            reserved,
        };
        for (section, rules) in file.sections {
            for (field, written) in rules {
                let key = field.clone();
                mapping
                    .add(&section, field, written)
                    .map_err(|error| error.on(Lines::of(text).line(&[&section, &key]).unwrap_or_default()))?;
            }
        }
        Ok(mapping)
    }

    /// With a mapping plugin that says it reads these paths and sets these fields of a section. The error is a field that the flow itself sets.
    pub fn with_plugin(mut self, section: &str, reads: &[String], sets: &[String]) -> Result<Self, String> {
        let own = self.reserved.get(section).map(Vec::as_slice).unwrap_or_default();
        if let Some(field) = sets.iter().find(|field| own.iter().any(|own| own.eq_ignore_ascii_case(field))) {
            return Err(format!("it sets {field} in {section}, which the flow itself sets"));
        }
        self.read_by_plugin.entry(section.to_owned()).or_default().extend(reads.iter().cloned());
        self.set_by_plugin.entry(section.to_owned()).or_default().extend(sets.iter().cloned());
        Ok(self)
    }

    /// Fields that a mapping plugin sets in vain, by their sections, with why: the flow goes through the rules of a section that goes both ways, and
    /// none that goes this way is of these.
    pub fn set_in_vain(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for (section, sets) in self.set_by_plugin.iter().filter(|(section, _)| as_written(section) != section.as_str())
        {
            let both = as_written(section);
            let known = self.target_fields(section);
            found.extend(sets.iter().filter(|field| !known.contains(field)).map(|field| {
                let why = format!(
                    "the mapping plugin sets {field}, and no rule of [{both}] is of that field in this direction: write one"
                );
                (section.clone(), why)
            }));
        }
        found
    }

    fn add(&mut self, section: &str, field: String, written: Written) -> Result<(), MappingError> {
        let two_way = match written {
            Written::OneWay(text) => return self.add_rule(section, field, text, false),
            Written::TwoWay(two_way) => two_way,
        };
        let TwoWay { salesforce, direction, policy, to_salesforce, to_b1 } = two_way;
        if direction != Direction::ToB1 {
            let text = to_salesforce.unwrap_or_else(|| format!("source.{field}"));
            self.add_rule(&format!("{section}{TO_SALESFORCE}"), salesforce.clone(), text, true)?;
        }
        if direction != Direction::ToSalesforce {
            let text = to_b1.unwrap_or_else(|| format!("source.{salesforce}"));
            self.add_rule(&format!("{section}{TO_B1}"), field.clone(), text, true)?;
        }
        self.pairs.entry(section.to_owned()).or_default().push(Pair { b1: field, salesforce, direction, policy });
        Ok(())
    }

    fn add_rule(&mut self, section: &str, field: String, text: String, keeps_null: bool) -> Result<(), MappingError> {
        let wrong = |cause: &str| MappingError::Rule {
            line: 0,
            section: section.to_owned(),
            field: shown(&field),
            rule: shown(&text),
            cause: shown(cause),
        };
        let own = self.reserved.get(section).into_iter().flatten();
        if own.into_iter().any(|own| own.eq_ignore_ascii_case(&field)) {
            return Err(wrong("the flow itself sets this field: remove the rule"));
        }
        let rule = match as_path(&text) {
            Some(path) => Rule::Path(path),
            None => Rule::Expression(self.expression(&text).map_err(|cause| wrong(&cause))?),
        };
        let section = self.sections.entry(section.to_owned()).or_default();
        section.keeps_null |= keeps_null;
        section.rules.push((field, text, rule));
        Ok(())
    }

    fn expression(&self, text: &str) -> Result<IdedExpr, String> {
        budget::short_enough(text)?;
        let program = self.env.compile(text).map_err(|e| e.to_string())?;
        budget::bounded(program.expression())
    }

    /// The rules of a two-way section; empty for one that is none.
    pub fn pairs(&self, section: &str) -> Vec<Pair> {
        self.pairs.get(section).cloned().unwrap_or_default()
    }

    /// Names of the sections, each direction of a two-way one by itself, with their target fields and rules.
    pub fn targets(&self) -> BTreeMap<&str, Vec<(&str, &str)>> {
        self.sections
            .iter()
            .map(|(name, section)| {
                let rules = section.rules.iter().map(|(field, text, _)| (field.as_str(), text.as_str())).collect();
                (name.as_str(), rules)
            })
            .collect()
    }

    /// Sections of which a flow uses the first whose fields Salesforce has, by what they are for.
    pub fn alternatives(&self) -> &BTreeMap<String, Vec<String>> {
        &self.alternatives
    }

    /// Sections, each direction of a two-way one by itself, that another mapping has otherwise: rules, policies, what they read, tables they look into.
    pub fn sections_other_than(&self, other: &Self) -> BTreeSet<String> {
        let (own, others) = (self.targets(), other.targets());
        let tables = self.tables == other.tables;
        let looks_up = |rules: &[(&str, &str)]| {
            rules.iter().any(|(_, rule)| rule.contains("tables.") || rule.contains("reverse."))
        };
        let differs = |section: &&str| {
            let (rules, others) = (own.get(section), others.get(section));
            let pairs = as_written(section);
            rules != others
                || self.read_of(section).ne(other.read_of(section))
                || self.pairs.get(pairs) != other.pairs.get(pairs)
                || (!tables && rules.is_some_and(|rules| looks_up(rules)))
        };
        own.keys().chain(others.keys()).copied().filter(differs).map(str::to_owned).collect()
    }

    /// Names of the sections as the file has them.
    pub fn sections(&self) -> BTreeSet<&str> {
        self.sections.keys().chain(self.read.keys()).map(|name| as_written(name)).collect()
    }

    /// Target fields of a section's rules: each has a value, which is empty where its rule gives none.
    pub fn target_fields(&self, section: &str) -> Vec<String> {
        let rules = self.sections.get(section).into_iter().flat_map(|own| &own.rules);
        rules.map(|(field, ..)| field.clone()).collect()
    }

    /// Those and what a mapping plugin may set besides; what it does not return stays as it is there.
    pub fn all_target_fields(&self, section: &str) -> Vec<String> {
        let mut fields = self.target_fields(section);
        for field in self.set_by_plugin.get(section).into_iter().flatten() {
            if !fields.contains(field) {
                fields.push(field.clone());
            }
        }
        fields
    }

    /// Paths below `source` that the rules of a section read, and those listed for a mapping plugin, sorted: what a plugin
    /// must ask the source system for.
    pub fn source_fields(&self, section: &str) -> Vec<String> {
        let rules = self.sections.get(section).map(|section| section.rules.as_slice()).unwrap_or_default();
        let mut fields: Vec<String> = rules.iter().flat_map(|(_, text, _)| paths_in(text)).collect();
        fields.extend(self.read_of(section).cloned());
        fields.sort();
        fields.dedup();
        fields
    }

    /// What is read of a section though no rule reads it.
    fn read_of(&self, section: &str) -> impl Iterator<Item = &String> {
        [&self.read, &self.read_by_plugin].into_iter().filter_map(move |read| read.get(section)).flatten()
    }

    /// What each rule of a section sets, the paths below `source` that it reads, and whether it copies what it reads.
    pub fn sources(&self, section: &str) -> Vec<(&str, Vec<String>, bool)> {
        let rules = self.sections.get(section).into_iter().flat_map(|section| &section.rules);
        rules.map(|(field, text, rule)| (field.as_str(), paths_in(text), matches!(rule, Rule::Path(_)))).collect()
    }

    /// Target field → its rules, over all sections, for `explain`.
    pub fn rules(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut all = BTreeMap::<String, BTreeSet<String>>::new();
        for (field, text, _) in self.sections.values().flat_map(|section| &section.rules) {
            all.entry(field.clone()).or_default().insert(text.clone());
        }
        all
    }

    /// Applies a section. A one-way rule that gives null leaves its field out.
    pub fn apply(&self, section: &str, source: &Value) -> Result<Value, ApplyError> {
        let mut target = Map::new();
        let Some(section) = self.sections.get(section) else { return Ok(Value::Object(target)) };
        let mut context = None;
        for (field, _, rule) in &section.rules {
            let value = self.value_of(rule, source, &mut context);
            let value = value.map_err(|message| ApplyError { field: field.clone(), message })?;
            if section.keeps_null || !value.is_null() {
                target.insert(field.clone(), value);
            }
        }
        Ok(Value::Object(target))
    }

    /// What each rule of a section gives by itself: target field, the rule's text, the value or why there is none.
    pub fn each(&self, section: &str, source: &Value) -> Vec<(&str, &str, Result<Value, String>)> {
        let rules = self.sections.get(section).into_iter().flat_map(|section| &section.rules);
        let mut context = None;
        rules
            .map(|(field, text, rule)| (field.as_str(), text.as_str(), self.value_of(rule, source, &mut context)))
            .collect()
    }

    fn value_of(
        &self,
        rule: &Rule,
        source: &Value,
        context: &mut Option<Context<'static, 'static>>,
    ) -> Result<Value, String> {
        match rule {
            Rule::Path(path) => Ok(path.iter().try_fold(source, |at, step| at.get(step)).cloned().unwrap_or_default()),
            Rule::Expression(expression) => {
                let context = match context {
                    Some(context) => context,
                    none => none.insert(self.context(source)?),
                };
                let value = context.resolve(expression).map_err(|e| mended(e.to_string()))?;
                from_cel(&value).ok_or_else(|| "the rule gives a value that JSON cannot hold".into())
            }
        }
    }

    fn context(&self, source: &Value) -> Result<Context<'static, 'static>, String> {
        let mut context = Context::with_env(self.env.clone());
        context.add_variable_from_value("source", to_cel(source));
        context.add_variable_from_value("tables", self.tables.clone());
        context.add_variable_from_value("reverse", self.reverse.clone());
        // B1 writes days as moments, Salesforce wants them bare.
        let day = |moment: Arc<String>| moment.chars().take(10).collect::<String>();
        context.add_function("day", day).map_err(|e| e.to_string())?;
        for grant in [budget::grant, countries::grant, lookups::grant] {
            grant(&mut context).map_err(|e| e.to_string())?;
        }
        Ok(context)
    }
}

/// A section of the file, of either of its directions.
fn as_written(section: &str) -> &str {
    section.strip_suffix(TO_B1).or_else(|| section.strip_suffix(TO_SALESFORCE)).unwrap_or(section)
}

/// Where a file is no mapping, and why; without the line itself, which may be of any length.
fn malformed(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    format!("line {}: {}", before.matches('\n').count() + 1, shown(error.message()))
}

/// The beginning of a rule, or of what is wrong with it: enough to know it again.
fn shown(text: &str) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
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

/// What most often lacks a value is a field that nobody filled in.
fn mended(error: String) -> String {
    if !error.contains("Null") {
        return error;
    }
    format!("a field that it uses is empty, which the rule may ask for: source.X == null ? \"\" : … ({error})")
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
    fn what_differs_between_two_mappings_is_named_by_section_and_direction() {
        let two_way = |policy: &str| {
            format!("[account.CardName]\nsalesforce = \"Name\"\npolicy = \"{policy}\"\n[tables.t]\na = \"b\"\n")
        };
        let text = |header: &str, rest: &str| format!("version = 1\n[header]\nComments = 'source.{header}'\n{rest}");
        let mapping = |text: String| Mapping::parse(&text).unwrap();
        let one = mapping(text("A", &two_way("b1")));
        assert!(one.sections_other_than(&mapping(format!("# a word\n{}", text("A", &two_way("b1"))))).is_empty());
        let other = |text: String| one.sections_other_than(&mapping(text)).into_iter().collect::<Vec<_>>();
        assert_eq!(other(text("B", &two_way("b1"))), ["header"]);
        assert_eq!(other(text("A", &two_way("review"))), ["account.to-b1", "account.to-salesforce"]);
        assert_eq!(other(text("A", "")), ["account.to-b1", "account.to-salesforce"]);
        let table = |value: &str| {
            mapping(text("A", &format!("[line]\nX = 'tables.t[source.B]'\n[tables.t]\na = \"{value}\"\n")))
        };
        assert_eq!(table("1").sections_other_than(&table("2")).into_iter().collect::<Vec<_>>(), ["line"]);
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
        assert!(error.contains("line 3: [header] U_X"), "{error}");
    }

    #[test]
    fn a_rule_that_is_too_long_is_refused_before_it_is_parsed() {
        let long = vec!["1"; 30_000].join("+");
        let told = Mapping::parse(&format!("version = 1\n[header]\nU_X = \"{long}\"\n")).err().unwrap().to_string();
        assert!(told.contains("a rule may have 8000 letters"), "{told}");
    }

    #[test]
    fn a_broken_file_of_any_length_is_told_in_a_few_words() {
        let long = "x".repeat(40_000);
        for text in
            [format!("version = 1\n[header]\nU_X = {long}\n"), format!("version = 1\n[header]\nU_X = \"{long} +\"\n")]
        {
            let told = Mapping::parse(&text).err().unwrap().to_string();
            assert!(told.contains("line 3") && told.len() < 600, "{} letters", told.len());
        }
    }

    #[test]
    fn a_field_that_the_flow_sets_itself_is_no_rules() {
        let reserved = || {
            Reserved::from([
                ("header".into(), vec!["U_SF_Id".into()]),
                ("account.to-b1".into(), vec!["CardCode".into()]),
            ])
        };
        let told =
            |text: &str| Mapping::parse_for(&format!("version = 1\n{text}"), reserved()).err().map(|e| e.to_string());
        let refused = told("[header]\nU_SF_Id = \"source.Name\"\n").unwrap_or_default();
        assert!(refused.starts_with("line 3: [header] U_SF_Id") && refused.contains("the flow itself"), "{refused}");
        assert!(told("[account.CardCode]\nsalesforce = \"Code__c\"\n").is_some());
        assert_eq!(told("[account.CardCode]\nsalesforce = \"Code__c\"\ndirection = \"to_salesforce\"\n"), None);
        assert_eq!(told("[line]\nU_SF_Id = \"source.Name\"\n"), None);
    }

    #[test]
    fn the_fields_a_mapping_reads_are_known() {
        let text = "version = 1\n[header]\nA = 'source.Account.Name.size() > 3 ? source.X__c : \"\"'\nB = 'source.Y'\n";
        let mapping = Mapping::parse(text).unwrap();
        assert_eq!(mapping.source_fields("header"), ["Account.Name", "X__c", "Y"]);
    }

    #[test]
    fn what_a_mapping_plugin_says_of_itself_is_read_and_set_and_the_flows_own_fields_are_refused() {
        let text = "version = 1\n[header]\nA = 'source.Y'\n[account]\nCardName = { salesforce = \"Name\" }\n";
        let reserved = Reserved::from([("header".into(), vec!["U_SF_Id".into()])]);
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mapping = || Mapping::parse_for(text, reserved.clone()).unwrap();
        let with = mapping().with_plugin("header", &own(&["Account.Z"]), &own(&["A", "B"])).unwrap();
        assert_eq!(with.source_fields("header"), ["Account.Z", "Y"]);
        assert_eq!(with.all_target_fields("header"), ["A", "B"]);
        assert_eq!(with.target_fields("header"), ["A"], "what the mapping plugin leaves out is not emptied");
        let why = mapping().with_plugin("header", &[], &own(&["u_sf_id"])).err().unwrap();
        assert!(why.contains("u_sf_id in header"), "{why}");
        let with = mapping().with_plugin("account.to-b1", &[], &own(&["CardName", "U_Region"])).unwrap();
        let [(section, why)] = with.set_in_vain().try_into().unwrap();
        assert!(
            section == "account.to-b1" && why.contains("sets U_Region") && why.contains("[account]"),
            "{section} {why}"
        );
    }

    #[test]
    fn what_a_mapping_plugin_sets_against_a_rules_direction_is_set_in_vain() {
        let text = "version = 1\n[account]\nCardName = { salesforce = \"Name\", direction = \"to_b1\" }\n";
        let mapping = || Mapping::parse(text).unwrap();
        let there = mapping().with_plugin("account.to-b1", &[], &["CardName".into()]).unwrap();
        assert!(there.set_in_vain().is_empty());
        let back = mapping().with_plugin("account.to-salesforce", &[], &["Name".into()]).unwrap();
        assert_eq!(back.set_in_vain().len(), 1);
    }

    #[test]
    fn a_mapping_plugins_fields_are_read_too() {
        let text = "version = 1\n[read]\nheader = [\"Account.BillingPostalCode\"]\n[header]\nA = 'source.Y'\n";
        let mapping = Mapping::parse(text).unwrap();
        assert_eq!(mapping.source_fields("header"), ["Account.BillingPostalCode", "Y"]);
        assert!(mapping.source_fields("line").is_empty());
    }

    #[test]
    fn a_two_way_rule_maps_each_direction_and_keeps_null() {
        let text = "version = 1\n[tables.country]\nDE = \"Germany\"\n[account.CardName]\nsalesforce = \"Name\"\npolicy = \"b1\"\n\
                    [account.Country]\nsalesforce = \"BillingCountry\"\nto_salesforce = 'tables.country[source.Country]'\n\
                    to_b1 = 'reverse.country[source.BillingCountry]'\n[account.Phone1]\nsalesforce = \"Phone\"\ndirection = \"to_b1\"\n";
        let mapping = Mapping::parse(text).unwrap();
        let there = mapping.apply("account.to-salesforce", &json!({"CardName": null, "Country": "DE"})).unwrap();
        assert_eq!(there, json!({"Name": null, "BillingCountry": "Germany"}));
        let back =
            mapping.apply("account.to-b1", &json!({"Name": "X", "BillingCountry": "Germany", "Phone": "1"})).unwrap();
        assert_eq!(back, json!({"CardName": "X", "Country": "DE", "Phone1": "1"}));
        assert_eq!(mapping.pairs("account")[0].policy, Policy::B1);
        let error = mapping.apply("account.to-salesforce", &json!({"CardName": "X", "Country": "XX"})).unwrap_err();
        assert_eq!(error.field, "BillingCountry", "a code without an entry is told, not guessed");
    }

    #[test]
    fn null_through_a_code_table_stays_null_and_an_unknown_word_is_told() {
        let text = "version = 1\n[tables.country]\nDE = \"Germany\"\n[account.Country]\nsalesforce = \"BillingCountry\"\n\
                    to_salesforce = 'tables.country[source.Country]'\nto_b1 = 'reverse.country[source.BillingCountry]'\n";
        let mapping = Mapping::parse(text).unwrap();
        for none in [json!(null), json!(""), json!(" ")] {
            let there = mapping.apply("account.to-salesforce", &json!({ "Country": none })).unwrap();
            assert_eq!(there, json!({ "BillingCountry": null }), "{none}");
        }
        assert_eq!(
            mapping.apply("account.to-b1", &json!({ "BillingCountry": null })).unwrap(),
            json!({ "Country": null })
        );
        let error = mapping.apply("account.to-b1", &json!({ "BillingCountry": "Deutschland" })).unwrap_err();
        assert_eq!(error.field, "Country");
        assert!(error.message.contains("\"Deutschland\" has no entry in the code table country"), "{}", error.message);
        // A table that is not there is the file's fault.
        let wrong = Mapping::parse("version = 1\n[s]\nA = 'tables.nope[source.A]'\n").unwrap();
        assert!(wrong.apply("s", &json!({ "A": "x" })).is_err());
    }

    #[test]
    fn countries_and_states_are_named_as_iso_3166_does() {
        let text = "version = 1\n[s]\nName = 'country_name(source.Code)'\nCode = 'country_code(source.Name)'\n\
                    StateName = 'state_name(source.State, source.Code)'\nState = 'state_code(source.StateName, source.Name)'\n";
        let mapping = Mapping::parse(text).unwrap();
        for (code, name) in [("DE", "Germany"), ("NL", "Netherlands"), ("US", "United States"), ("KR", "South Korea")] {
            let mapped = mapping.apply("s", &json!({ "Code": code, "Name": name })).unwrap();
            assert_eq!((&mapped["Name"], &mapped["Code"]), (&json!(name), &json!(code)));
        }
        for name in ["de", "DEU", "GERMANY", " Germany "] {
            assert_eq!(mapping.apply("s", &json!({ "Name": name })).unwrap()["Code"], "DE", "{name}");
        }
        for code in rust_iso3166::ALL {
            let name = mapping.apply("s", &json!({ "Code": code.alpha2 })).unwrap()["Name"].clone();
            assert_eq!(mapping.apply("s", &json!({ "Name": name })).unwrap()["Code"], code.alpha2, "{name}");
        }
        let state = json!({ "Code": "US", "Name": "USA", "State": "CA", "StateName": "california" });
        let mapped = mapping.apply("s", &state).unwrap();
        assert_eq!((&mapped["StateName"], &mapped["State"]), (&json!("California"), &json!("CA")));
        assert_eq!(mapping.apply("s", &json!({ "Code": null, "State": "" })).unwrap(), json!({}));
        let error = mapping.apply("s", &json!({ "Name": "Deutschland" })).unwrap_err();
        assert!(error.field == "Code" && error.message.contains("\"Deutschland\" is no country"), "{error}");
        let error = mapping.apply("s", &json!({ "StateName": "Nowhere", "Name": "US" })).unwrap_err();
        assert!(error.message.contains("\"Nowhere\" is no state"), "{error}");
    }

    #[test]
    fn a_day_is_cut_from_a_moment() {
        let mapping = Mapping::parse("version = 1\n[header]\nDue__c = 'day(source.DocDueDate)'\n").unwrap();
        let mapped = mapping.apply("header", &json!({"DocDueDate": "2026-01-31T00:00:00Z"})).unwrap();
        assert_eq!(mapped, json!({"Due__c": "2026-01-31"}));
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
