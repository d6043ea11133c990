//! Changes to a mapping file that leave the rest of it as people wrote it: order, comments, spaces.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml_edit::{DocumentMut, InlineTable, Item, Key, Table, TableLike};

use super::outline::Rule;
use super::{Direction, Policy};
use crate::config::rewrite::{replace, tidy, with_line_ends_of};

/// One change.
#[derive(Debug)]
pub enum Edit {
    /// A rule is written, in place of one that is there.
    Put {
        /// Section as the file has it.
        section: String,
        /// What it is to be.
        rule: Rule,
        /// By which it stood before, where that is something else.
        instead_of: Option<String>,
    },
    /// A rule goes.
    Remove {
        /// Section as the file has it.
        section: String,
        /// By which it stands.
        field: String,
    },
    /// A code table is written whole, or goes.
    Table {
        /// Its name.
        name: String,
        /// Value by code; none where it goes.
        rows: Option<Vec<(String, String)>>,
        /// Its name before, where that is something else.
        instead_of: Option<String>,
    },
}

/// Names of a mapping file that are no sections.
const RESERVED: [&str; 4] = ["version", "read", "tables", "alternatives"];

/// The text with all changes, or why they cannot be made.
pub fn edited(text: &str, edits: Vec<Edit>) -> Result<String, String> {
    let text = if text.trim().is_empty() { "version = 1\n" } else { text };
    let mut document: DocumentMut = text.parse().map_err(|error| format!("{error}"))?;
    for edit in edits {
        match edit {
            Edit::Put { section, rule, instead_of } => put(&mut document, &section, &rule, instead_of.as_deref())?,
            Edit::Remove { section, field } => {
                if let Some(own) = document.get_mut(&section).and_then(Item::as_table_like_mut) {
                    own.remove(&field);
                }
            }
            Edit::Table { name, rows, instead_of } => table(&mut document, &name, rows, instead_of.as_deref())?,
        }
    }
    Ok(with_line_ends_of(text, document.to_string()))
}

fn put(document: &mut DocumentMut, section: &str, rule: &Rule, instead_of: Option<&str>) -> Result<(), String> {
    if RESERVED.contains(&section) {
        return Err(format!("{section} is no section"));
    }
    let own = table_of(document.as_table_mut(), section)?;
    if let Some(before) = instead_of.filter(|before| *before != rule.field()) {
        if own.contains_key(rule.field()) {
            return Err(format!("[{section}] {} has a rule already", rule.field()));
        }
        rename(own, before, rule.field());
    }
    let there = own.get_mut(rule.field());
    match rule {
        Rule::OneWay { field, rule } => match there {
            Some(there) => replace(there, rule.as_str().into()),
            None => {
                own.insert(field, toml_edit::value(rule.as_str()));
            }
        },
        Rule::TwoWay { field, salesforce, direction, policy, to_salesforce, to_b1 } => {
            match there {
                Some(there) if !there.is_table_like() => replace(there, InlineTable::new().into()),
                Some(_) => {}
                None => {
                    own.insert(field, Item::Value(InlineTable::new().into()));
                }
            }
            let whole = own.get_mut(field).ok_or_else(|| format!("[{section}] has no {field}"))?;
            let pair = whole.as_table_like_mut().ok_or_else(|| format!("[{section}] {field} is no table"))?;
            let before = names(pair);
            set(pair, "salesforce", Some(salesforce));
            set(pair, "direction", word(*direction));
            set(pair, "policy", policy_word(*policy));
            set(pair, "to_salesforce", to_salesforce.as_deref());
            set(pair, "to_b1", to_b1.as_deref());
            if names(pair) != before {
                tidy(whole);
            }
        }
    }
    Ok(())
}

fn names(table: &dyn TableLike) -> Vec<String> {
    table.iter().map(|(name, _)| name.to_owned()).collect()
}

/// None for what need not be said.
fn word(direction: Direction) -> Option<&'static str> {
    match direction {
        Direction::Both => None,
        Direction::ToSalesforce => Some("to_salesforce"),
        Direction::ToB1 => Some("to_b1"),
    }
}

fn policy_word(policy: Policy) -> Option<&'static str> {
    match policy {
        Policy::Newest => None,
        Policy::B1 => Some("b1"),
        Policy::Salesforce => Some("salesforce"),
        Policy::Review => Some("review"),
    }
}

fn set(pair: &mut dyn TableLike, key: &str, value: Option<&str>) {
    match (value, pair.get_mut(key)) {
        (Some(value), Some(there)) => replace(there, value.into()),
        (Some(value), None) => {
            pair.insert(key, toml_edit::value(value));
        }
        (None, _) => {
            pair.remove(key);
        }
    }
}

/// A table of the document, made where it is not there.
fn table_of<'a>(document: &'a mut Table, name: &str) -> Result<&'a mut dyn TableLike, String> {
    if !document.contains_key(name) {
        let mut table = Table::new();
        table.set_implicit(false);
        table.decor_mut().set_prefix("\n");
        document.insert(name, Item::Table(table));
    }
    document.get_mut(name).and_then(Item::as_table_like_mut).ok_or_else(|| format!("{name} is no table"))
}

/// Another name for an entry, in its place.
fn rename(table: &mut dyn TableLike, before: &str, after: &str) {
    let names = names(table);
    if !names.iter().any(|name| name == before) {
        return;
    }
    let mut entries = Vec::new();
    for name in names {
        let key = table.key(&name).cloned();
        let item = table.remove(&name);
        entries.extend(key.zip(item));
    }
    for (key, item) in entries {
        let key = if key.get() == before {
            Key::new(after).with_leaf_decor(key.leaf_decor().clone()).with_dotted_decor(key.dotted_decor().clone())
        } else {
            key
        };
        let name = key.get().to_owned();
        table.entry_format(&key).or_insert(item);
        debug_assert!(table.contains_key(&name));
    }
}

fn table(
    document: &mut DocumentMut,
    name: &str,
    rows: Option<Vec<(String, String)>>,
    instead_of: Option<&str>,
) -> Result<(), String> {
    if name.is_empty()
        || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        || name.starts_with(|c: char| c.is_ascii_digit())
    {
        return Err(format!("{name:?} is no name of a table: letters, digits and _, as rules say tables.{name}"));
    }
    let root = document.as_table_mut();
    if !root.contains_key("tables") {
        if rows.is_none() {
            return Ok(());
        }
        let mut tables = Table::new();
        tables.set_implicit(true);
        root.insert("tables", Item::Table(tables));
    }
    let tables = root.get_mut("tables").and_then(Item::as_table_like_mut).ok_or("`tables` is no table")?;
    if let Some(before) = instead_of.filter(|before| *before != name) {
        if tables.contains_key(name) {
            return Err(format!("there is a table {name} already"));
        }
        rename(tables, before, name);
    }
    let Some(rows) = rows else {
        tables.remove(name);
        return Ok(());
    };
    let wanted: BTreeMap<&str, &str> = rows.iter().map(|(code, value)| (code.as_str(), value.as_str())).collect();
    if wanted.len() != rows.len() {
        return Err(format!("a code stands twice in the table {name}"));
    }
    if !tables.contains_key(name) {
        let mut table = Table::new();
        table.decor_mut().set_prefix("\n");
        tables.insert(name, Item::Table(table));
    }
    let own =
        tables.get_mut(name).and_then(Item::as_table_like_mut).ok_or_else(|| format!("tables.{name} is no table"))?;
    let gone: Vec<String> =
        own.iter().map(|(code, _)| code.to_owned()).filter(|code| !wanted.contains_key(code.as_str())).collect();
    for code in gone {
        own.remove(&code);
    }
    for (code, value) in &rows {
        set(own, code, Some(value));
    }
    Ok(())
}

/// As the API takes it.
impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(tag = "kind", rename_all = "kebab-case")]
        enum Told {
            OneWay {
                field: String,
                rule: String,
            },
            Both {
                field: String,
                salesforce: String,
                #[serde(default)]
                direction: Direction,
                #[serde(default)]
                policy: Policy,
                #[serde(default)]
                to_salesforce: Option<String>,
                #[serde(default)]
                to_b1: Option<String>,
            },
        }
        Ok(match Told::deserialize(from)? {
            Told::OneWay { field, rule } => Self::OneWay { field, rule },
            Told::Both { field, salesforce, direction, policy, to_salesforce, to_b1 } => {
                Self::TwoWay { field, salesforce, direction, policy, to_salesforce, to_b1 }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Ours.\nversion = 1\n\n# The order itself.\n[header]\nNumAtCard = \"source.PO__c\" # as the customer says\nComments = \"source.Notes__c\"\n\n\
        [account]\nCardName = { salesforce = \"Name\", policy = \"b1\" } # finance\nPhone1 = { salesforce = \"Phone\" }\n\n[tables.region] # ISO\nN = \"North\" # not Nordic\nS = \"South\"\n";

    fn one_way(field: &str, rule: &str) -> Rule {
        Rule::OneWay { field: field.into(), rule: rule.into() }
    }

    fn put(section: &str, rule: Rule, instead_of: Option<&str>) -> Edit {
        Edit::Put { section: section.into(), rule, instead_of: instead_of.map(str::to_owned) }
    }

    #[test]
    fn nothing_changes_but_what_is_changed() {
        assert_eq!(edited(TEXT, vec![put("header", one_way("NumAtCard", "source.PO__c"), None)]).unwrap(), TEXT);
        let text = edited(TEXT, vec![put("header", one_way("NumAtCard", "source.X == \"\" ? \"a\" : source.X"), None)])
            .unwrap();
        assert_eq!(text, TEXT.replace("\"source.PO__c\" #", "'source.X == \"\" ? \"a\" : source.X' #"));
        let text = edited(TEXT, vec![put("header", one_way("U_New", "source.New__c"), None)]).unwrap();
        assert_eq!(text, TEXT.replace("\"source.Notes__c\"\n", "\"source.Notes__c\"\nU_New = \"source.New__c\"\n"));
        let text = edited(TEXT, vec![Edit::Remove { section: "header".into(), field: "Comments".into() }]).unwrap();
        assert_eq!(text, TEXT.replace("Comments = \"source.Notes__c\"\n", ""));
    }

    #[test]
    fn line_ends_stay() {
        let windows = TEXT.replace('\n', "\r\n");
        let text = edited(&windows, vec![put("header", one_way("NumAtCard", "source.X"), None)]).unwrap();
        assert_eq!(text, windows.replace("source.PO__c", "source.X"));
    }

    #[test]
    fn a_rule_is_renamed_in_its_place() {
        let text = edited(TEXT, vec![put("header", one_way("U_PO", "source.PO__c"), Some("NumAtCard"))]).unwrap();
        assert_eq!(text, TEXT.replace("NumAtCard", "U_PO"));
        let taken = edited(TEXT, vec![put("header", one_way("Comments", "source.PO__c"), Some("NumAtCard"))]);
        assert!(taken.unwrap_err().contains("already"));
    }

    #[test]
    fn a_pair_says_only_what_it_must() {
        let pair = |direction, policy| Rule::TwoWay {
            field: "CardName".into(),
            salesforce: "Name".into(),
            direction,
            policy,
            to_salesforce: None,
            to_b1: None,
        };
        let text = edited(TEXT, vec![put("account", pair(Direction::ToB1, Policy::B1), None)]).unwrap();
        assert_eq!(text, TEXT.replace("policy = \"b1\" }", "policy = \"b1\", direction = \"to_b1\" }"));
        let text = edited(TEXT, vec![put("account", pair(Direction::Both, Policy::Newest), None)]).unwrap();
        assert_eq!(text, TEXT.replace(", policy = \"b1\" }", " }"));
        let text = edited("", vec![put("account", pair(Direction::Both, Policy::B1), None)]).unwrap();
        assert_eq!(text, "version = 1\n\n[account]\nCardName = { salesforce = \"Name\", policy = \"b1\" }\n");
    }

    #[test]
    fn a_table_keeps_what_is_beside_its_rows() {
        let rows = |rows: &[(&str, &str)]| Some(rows.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect());
        let table = |rows, instead_of: Option<&str>| Edit::Table {
            name: "region".into(),
            rows,
            instead_of: instead_of.map(str::to_owned),
        };
        let text = edited(TEXT, vec![table(rows(&[("N", "North"), ("W w", "West")]), None)]).unwrap();
        assert_eq!(text, TEXT.replace("S = \"South\"\n", "\"W w\" = \"West\"\n"));
        assert_eq!(edited(TEXT, vec![table(None, None)]).unwrap().matches("tables").count(), 0);
        let twice = edited(TEXT, vec![table(rows(&[("N", "a"), ("N", "b")]), None)]);
        assert!(twice.unwrap_err().contains("twice"));
        let fresh = edited("version = 1\n", vec![table(rows(&[("N", "North")]), None)]).unwrap();
        assert_eq!(fresh, "version = 1\n\n[tables.region]\nN = \"North\"\n");
        let bad = Edit::Table { name: "a b".into(), rows: None, instead_of: None };
        assert!(edited(TEXT, vec![bad]).is_err());
    }
}
