//! A flow's mapping held against the fields both systems have now.

use std::collections::BTreeMap;

use super::FitError;
use super::fields::{Schema, problem_in};
use crate::engine::Flow;
use crate::sandbox::Section;

/// Something about a rule, or a section.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The section.
    pub section: String,
    /// The field; empty where it is about the section; of alternatives what they are for.
    pub field: String,
    /// How bad it is.
    pub grade: Grade,
    /// In words.
    pub words: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// It does not work.
    Error,
    /// It works, and does nothing.
    Warning,
    /// No fault: which alternative is in use, and what nobody can check.
    Note,
}

/// All that is found about a flow's mapping.
pub async fn check(flow: &Flow, schema: &mut Schema) -> Result<Vec<Finding>, FitError> {
    let mut findings = Vec::new();
    let chosen = chosen(flow, schema).await?;
    for (what, section) in &chosen {
        findings.push(Finding {
            section: section.clone(),
            field: what.clone(),
            grade: Grade::Note,
            words: format!("in use: {section}, as the org's fields are"),
        });
    }
    for (section, words) in flow.release.needless_sections() {
        findings.push(Finding { section, field: String::new(), grade: Grade::Warning, words });
    }
    let in_use = |section: &&Section| {
        let groups = flow.bound.mapping.alternatives();
        let group = groups.iter().find(|(_, sections)| sections.contains(&section.name));
        group.is_none_or(|(what, _)| chosen.get(what) == Some(&section.name))
    };
    for section in flow.release.plugin.description.sections.iter().filter(in_use) {
        for (field, words) in problems(flow, schema, section).await? {
            let grade = if words.starts_with("not checked") { Grade::Note } else { Grade::Error };
            findings.push(Finding { section: section.name.clone(), field, grade, words });
        }
    }
    Ok(findings)
}

/// Fields of one section that are not as its rules need them, with what is wrong.
async fn problems(flow: &Flow, schema: &mut Schema, section: &Section) -> Result<Vec<(String, String)>, FitError> {
    let mut found = Vec::new();
    let two_way = section.to_b1 && section.to_salesforce;
    let mapping = &flow.bound.mapping;
    let properties = schema.b1(flow, &section.b1).await?;
    if section.to_b1 {
        let name = if two_way { format!("{}.to-b1", section.name) } else { section.name.clone() };
        for path in mapping.source_fields(&name) {
            let problem = schema.problem_of_path(flow, &section.salesforce, &path).await?;
            found.extend(problem.map(|problem| (path, problem)));
        }
        for field in mapping.all_target_fields(&name) {
            found.extend(problem_in(&properties, section, &field));
        }
    }
    if section.to_salesforce {
        let name = if two_way { format!("{}.to-salesforce", section.name) } else { section.name.clone() };
        for path in mapping.source_fields(&name) {
            found.extend(problem_in(&properties, section, &path));
        }
        for field in mapping.all_target_fields(&name) {
            let problem = schema.problem_of_target(flow, &section.salesforce, &field).await?;
            found.extend(problem.map(|problem| (field, problem)));
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// Of each of the mapping's alternatives the section that fits the org: the first whose fields are all there, else the last.
async fn chosen(flow: &Flow, schema: &mut Schema) -> Result<BTreeMap<String, String>, FitError> {
    let mut chosen = BTreeMap::new();
    for (what, names) in flow.bound.mapping.alternatives() {
        for name in names {
            let Some(section) = flow.release.plugin.description.sections.iter().find(|own| own.name == *name) else {
                continue;
            };
            chosen.insert(what.clone(), name.clone());
            let mut fits = true;
            for pair in flow.bound.mapping.pairs(name) {
                fits &= schema.problem_of_path(flow, &section.salesforce, &pair.salesforce).await?.is_none();
            }
            if fits {
                break;
            }
        }
    }
    Ok(chosen)
}
