//! A mapping file as a person edits it: its rules by section, each with its line, what it reads and what is wrong with it; also where the mapping as
//! a whole cannot be used yet.

use std::collections::BTreeMap;

use super::{Direction, FORMAT, File, Mapping, MappingError, Policy, Reserved, Written, malformed, paths_in};
use crate::config::Lines;

/// See the module's words.
#[derive(Debug, Default)]
pub struct Outline {
    /// Why it cannot be read at all, and where; then there are no sections.
    pub problem: Option<Trouble>,
    /// Rules in the order of the file, by section as the file has them.
    pub sections: BTreeMap<String, Vec<Outlined>>,
    /// Code tables: value by code.
    pub tables: BTreeMap<String, BTreeMap<String, String>>,
}

/// What is wrong with a mapping.
#[derive(Debug)]
pub struct Trouble {
    /// The line, where it is known.
    pub line: Option<usize>,
    /// In words.
    pub words: String,
}

/// A rule and how it is.
#[derive(Debug)]
pub struct Outlined {
    /// The rule.
    pub rule: Rule,
    /// Paths below `source` that it reads, of either side.
    pub reads: Vec<String>,
    /// Its line in the file.
    pub line: usize,
    /// What is wrong with it.
    pub problem: Option<String>,
}

/// A rule as it is written.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// Sets a field of the target.
    OneWay {
        /// The target field.
        field: String,
        /// An expression over the source record.
        rule: String,
    },
    /// Keeps a pair of fields in step.
    TwoWay {
        /// B1's field.
        field: String,
        /// Salesforce's field.
        salesforce: String,
        /// The way values go.
        direction: Direction,
        /// Whose value wins.
        policy: Policy,
        /// An expression over B1's record; without it the value is copied.
        to_salesforce: Option<String>,
        /// An expression over Salesforce's record; without it the value is copied.
        to_b1: Option<String>,
    },
}

impl Rule {
    /// By which it stands in its section.
    pub fn field(&self) -> &str {
        match self {
            Self::OneWay { field, .. } | Self::TwoWay { field, .. } => field,
        }
    }

    fn reads(&self) -> Vec<String> {
        let mut reads: Vec<String> = match self {
            Self::OneWay { rule, .. } => paths_in(rule),
            Self::TwoWay { to_salesforce, to_b1, .. } => {
                [to_salesforce, to_b1].into_iter().flatten().flat_map(|text| paths_in(text)).collect()
            }
        };
        reads.sort();
        reads.dedup();
        reads
    }
}

impl Outline {
    /// Of the text of a mapping file, for a flow that sets some fields itself.
    pub fn of(text: &str, reserved: &Reserved) -> Self {
        let text = if text.trim().is_empty() { "version = 1" } else { text };
        let file: File = match toml::from_str(text) {
            Ok(file) => file,
            Err(error) => {
                let line = error.span().and_then(|span| text.get(..span.start)).map(|it| it.matches('\n').count() + 1);
                return Self { problem: Some(Trouble { line, words: malformed(text, &error) }), ..Self::default() };
            }
        };
        let lines = Lines::of(text);
        if file.version != FORMAT {
            let words = MappingError::Version(file.version).to_string();
            let trouble = Trouble { line: lines.line(&["version"]), words };
            return Self { problem: Some(trouble), ..Self::default() };
        }
        let mut sections = BTreeMap::new();
        // Each rule is added to the others', so that their language is made ready once.
        let mut alone = Mapping::parse_for("", reserved.clone()).ok();
        for (section, rules) in file.sections {
            let mut outlined: Vec<Outlined> = rules
                .into_iter()
                .map(|(field, written)| {
                    let rule = rule(&field, &written);
                    Outlined {
                        reads: rule.reads(),
                        line: lines.line(&[&section, &field]).unwrap_or_default(),
                        problem: alone.as_mut().and_then(|alone| problem(alone, &section, field, written)),
                        rule,
                    }
                })
                .collect();
            outlined.sort_by_key(|rule| rule.line);
            sections.insert(section, outlined);
        }
        Self { problem: None, sections, tables: file.tables }
    }
}

fn rule(field: &str, written: &Written) -> Rule {
    let field = field.to_owned();
    match written {
        Written::OneWay(text) => Rule::OneWay { field, rule: text.clone() },
        Written::TwoWay(own) => Rule::TwoWay {
            field,
            salesforce: own.salesforce.clone(),
            direction: own.direction,
            policy: own.policy,
            to_salesforce: own.to_salesforce.clone(),
            to_b1: own.to_b1.clone(),
        },
    }
}

/// What is wrong with a rule by itself.
fn problem(alone: &mut Mapping, section: &str, field: String, written: Written) -> Option<String> {
    match alone.add(section, field, written).err()? {
        MappingError::Rule { cause, .. } => Some(cause),
        other => Some(other.to_string()),
    }
}

/// What a rule reads; or why it is none, and where, in letters from its beginning.
pub fn check(text: &str) -> Result<Vec<String>, (Option<usize>, String)> {
    let written = Written::OneWay(text.to_owned());
    let mut alone = Mapping::parse("").map_err(|error| (None, error.to_string()))?;
    if text.trim().is_empty() {
        return Err((Some(0), "it is empty".into()));
    }
    match alone.add("section", "field".into(), written) {
        Ok(()) => Ok(paths_in(text)),
        Err(MappingError::Rule { cause, .. }) => Err((place(&cause, text), cause)),
        Err(other) => Err((None, other.to_string())),
    }
}

/// Where an error of CEL says that it stands, `…:<line>:<column>: …`, in letters.
fn place(cause: &str, text: &str) -> Option<usize> {
    let mut numbers = cause.split(':').filter_map(|part| part.trim().parse::<usize>().ok());
    let (line, column) = (numbers.next()?, numbers.next()?);
    let before: usize = text.split('\n').take(line.checked_sub(1)?).map(|line| line.chars().count() + 1).sum();
    Some((before + column.saturating_sub(1)).min(text.chars().count()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_has_its_line_what_it_reads_and_what_is_wrong_with_it() {
        let text = "version = 1\n[header]\nU_B = 'source.X + source.Y.Z'\nU_A = 'source.'\nDocEntry = 'source.X'\n\
                    [account]\nCardName = { salesforce = 'Name', policy = 'b1', to_b1 = 'tables.t[source.Name]' }\n[tables.t]\na = 'b'\n";
        let reserved = Reserved::from([("header".into(), vec!["DocEntry".into()])]);
        let outline = Outline::of(text, &reserved);
        assert!(outline.problem.is_none());
        let header = &outline.sections["header"];
        let told: Vec<_> = header.iter().map(|own| (own.rule.field(), own.line, own.problem.is_some())).collect();
        assert_eq!(told, [("U_B", 3, false), ("U_A", 4, true), ("DocEntry", 5, true)]);
        assert_eq!(header[0].reads, ["X", "Y.Z"]);
        let Rule::TwoWay { policy, to_b1, .. } = &outline.sections["account"][0].rule else { panic!() };
        assert_eq!((*policy, to_b1.as_deref()), (Policy::B1, Some("tables.t[source.Name]")));
        assert_eq!(outline.tables["t"]["a"], "b");
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        let outline = Outline::of("version = 1\n[header\n", &Reserved::new());
        assert_eq!(outline.problem.map(|problem| problem.line), Some(Some(2)));
        let outline = Outline::of("version = 7\n", &Reserved::new());
        assert!(outline.problem.is_some_and(|problem| problem.words.contains("version = 7")));
    }

    #[test]
    fn an_expression_that_is_none_says_where() {
        assert_eq!(check("source.A + source.B").unwrap(), ["A", "B"]);
        let (at, words) = check("source.A +").unwrap_err();
        assert!(at.is_some_and(|at| at >= 9), "{at:?} {words}");
        assert_eq!(check("  ").unwrap_err().0, Some(0));
    }
}
