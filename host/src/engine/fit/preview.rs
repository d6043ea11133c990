//! The rules of a section applied to a real record; nothing is written.

use serde_json::Value;

use super::FitError;
use super::fields::get;
use crate::connections::salesforce::{full_id, percent};
use crate::connections::{Call, Place};
use crate::engine::Flow;
use crate::sandbox::Section;

/// The way values go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Rules set fields of B1.
    ToB1,
    /// Rules set fields of Salesforce.
    ToSalesforce,
}

/// What the rules of a section give for a record.
pub struct Preview {
    /// The record as it was read: what the rules need of it.
    pub source: Value,
    /// By target field.
    pub values: Vec<Given>,
    /// Why the mapping plugin gives nothing for this record.
    pub failed: Option<String>,
}

/// What one field gets.
pub struct Given {
    /// The target field.
    pub field: String,
    /// The rule's text; none where the mapping plugin has the last word.
    pub rule: Option<String>,
    /// The value, null for none; or why the rule gives none.
    pub value: Result<Value, String>,
    /// The rule is over something that the plugin puts together when it runs.
    pub is_put_together: bool,
}

/// A section that the plugin applies, by its name.
pub fn section<'a>(flow: &'a Flow, name: &str) -> Result<&'a Section, FitError> {
    let sections = &flow.release.plugin.description.sections;
    sections.iter().find(|section| section.name == name).ok_or_else(|| FitError::NoSection {
        asked: name.to_owned(),
        known: sections.iter().map(|section| section.name.clone()).collect(),
    })
}

/// Which way a record goes in a section, where nobody says.
pub fn way_of(section: &Section, record: &str) -> Way {
    let id = full_id(record).filter(|_| !section.to_salesforce || is_no_code(record));
    if section.to_b1 && (!section.to_salesforce || id.is_some()) { Way::ToB1 } else { Way::ToSalesforce }
}

/// Where either may be meant: codes of B1 have up to 15 letters, accounts and contacts begin with 00.
fn is_no_code(id: &str) -> bool {
    id.len() == 18 || id.starts_with("00")
}

/// Reads a record and applies a section to it.
pub async fn preview(flow: &Flow, section: &Section, way: Way, record: &str) -> Result<Preview, FitError> {
    let applied = match (section.to_b1 && section.to_salesforce, way) {
        (false, _) => section.name.clone(),
        (true, Way::ToB1) => format!("{}.to-b1", section.name),
        (true, Way::ToSalesforce) => format!("{}.to-salesforce", section.name),
    };
    let mapping = &flow.bound.mapping;
    let source = match way {
        Way::ToB1 => {
            let id = full_id(record).ok_or_else(|| {
                let (section, object) = (&section.name, &section.salesforce);
                FitError::NoId(format!("{record} is not a Salesforce id; the section {section} reads {object} records"))
            })?;
            salesforce_record(flow, section, &mapping.source_fields(&applied), &id).await?
        }
        Way::ToSalesforce => b1_record(flow, section, record).await?,
    };
    let given = |(field, rule, value): (&str, &str, Result<Value, String>)| Given {
        is_put_together: put_together(rule, &source),
        field: field.to_owned(),
        rule: Some(rule.to_owned()),
        value,
    };
    let mut values: Vec<Given> = mapping.each(&applied, &source).into_iter().map(given).collect();
    let failed = match (&flow.bound.mapper, mapping.apply(&applied, &source)) {
        (Some(mapper), Ok(target)) => match mapper.map(&applied, &source.to_string(), &target.to_string()).await {
            Ok(Ok(last)) => {
                let last = serde_json::from_str(&last)
                    .map_err(|_| FitError::Answer("the mapping plugin's answer is not JSON".into()))?;
                have_last_word(&mut values, &target, &last);
                None
            }
            Ok(Err(why)) => Some(why.to_string()),
            Err(error) => Some(error.to_string()),
        },
        _ => None,
    };
    Ok(Preview { values, source, failed })
}

/// What the mapping plugin sets or changes is its doing, whatever the rule says.
fn have_last_word(values: &mut Vec<Given>, target: &Value, last: &Value) {
    let changed = |(field, value): &(&String, &Value)| target[field.as_str()] != **value;
    for (field, value) in last.as_object().into_iter().flatten().filter(changed) {
        values.retain(|own| own.field != *field);
        values.push(Given { field: field.clone(), rule: None, value: Ok(value.clone()), is_put_together: false });
    }
}

/// True for a rule over something that is not in the record itself, such as `source.BillTo.City`.
fn put_together(rule: &str, source: &Value) -> bool {
    let first = rule.strip_prefix("source.").and_then(|path| path.split_once('.')).map(|(first, _)| first);
    first.is_some_and(|first| source.get(first).is_none())
}

async fn salesforce_record(flow: &Flow, section: &Section, fields: &[String], id: &str) -> Result<Value, FitError> {
    let mut fields = fields.to_vec();
    fields.push("Id".into());
    fields.sort();
    fields.dedup();
    let soql = format!("SELECT {} FROM {} WHERE Id = '{id}'", fields.join(","), section.salesforce);
    let body = get(flow, "salesforce", Call::get(format!("/query?q={}", percent(&soql)))).await?;
    let row = body["records"].as_array().and_then(|rows| rows.first()).cloned();
    row.ok_or_else(|| FitError::NotFound(format!("there is no {} {id}", section.salesforce)))
}

async fn b1_record(flow: &Flow, section: &Section, key: &str) -> Result<Value, FitError> {
    let (set, part) = section.b1.split_once('/').unwrap_or((&section.b1, ""));
    let path = Place::b1(set, key).path;
    let record = get(flow, "b1", Call::get(path.clone())).await?;
    match part {
        "" => Ok(record),
        part => {
            let row = record[part].as_array().and_then(|rows| rows.first()).cloned();
            row.ok_or_else(|| FitError::NotFound(format!("{} has no {part}", &path[1..])))
        }
    }
}
