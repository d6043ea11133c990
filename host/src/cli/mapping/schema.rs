//! The fields both systems have now: Salesforce tells them by *describe*, B1 by `$metadata`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::Value;

use super::LIMIT;
use crate::cli::failure::Failure;
use crate::connections::{Call, CallError};
use crate::engine::Flow;
use crate::sandbox::Section;
use crate::sources::b1::list::{LookError, patiently};

/// Fields of sObjects, asked for once.
#[derive(Default)]
pub struct Schema {
    objects: BTreeMap<String, Vec<Value>>,
}

impl Schema {
    /// Entity sets whose key is a number.
    pub fn has_number_key(set: &str) -> bool {
        !matches!(set, "BusinessPartners" | "Items" | "Warehouses")
    }

    async fn fields(&mut self, flow: &Flow, object: &str) -> Result<&[Value]> {
        if !self.objects.contains_key(object) {
            let described = get(flow, "salesforce", Call::get(format!("/sobjects/{object}/describe"))).await?;
            let fields = described["fields"].as_array().cloned().unwrap_or_default();
            self.objects.insert(object.to_owned(), fields);
        }
        Ok(self.objects.get(object).map(Vec::as_slice).unwrap_or_default())
    }

    /// What is wrong with a path such as `Account.Region__c`; none when it is there.
    async fn problem_of_path(&mut self, flow: &Flow, object: &str, path: &str) -> Result<Option<String>> {
        let mut object = object.to_owned();
        let mut steps: Vec<&str> = path.split('.').collect();
        let Some(last) = steps.pop() else { return Ok(None) };
        for step in steps {
            let fields = self.fields(flow, &object).await?;
            let lookup = fields.iter().find(|field| same(&field["relationshipName"], step));
            if let Some(why) = lookup.and_then(|field| spelt(&field["relationshipName"], step)) {
                return Ok(Some(why));
            }
            let target = lookup.and_then(|field| field["referenceTo"][0].as_str().map(str::to_owned));
            match target {
                Some(target) => object = target,
                None => return Ok(Some(format!("{object} has no relationship {step}"))),
            }
        }
        Ok(match self.fields(flow, &object).await?.iter().find(|field| same(&field["name"], last)) {
            Some(field) => spelt(&field["name"], last),
            None => Some(format!("{object} has no field {last} (or the integration user may not see it)")),
        })
    }

    /// What is wrong with a field that is to be set.
    async fn problem_of_target(&mut self, flow: &Flow, object: &str, name: &str) -> Result<Option<String>> {
        let fields = self.fields(flow, object).await?;
        Ok(match fields.iter().find(|field| same(&field["name"], name)) {
            None => Some(format!("{object} has no field {name} (or the integration user may not see it)")),
            Some(field) if field["updateable"] == false && field["createable"] == false => {
                Some(format!("{object}.{name} cannot be set: it is computed, or read-only for the integration user"))
            }
            Some(_) => None,
        })
    }
}

fn same(value: &Value, name: &str) -> bool {
    value.as_str().is_some_and(|own| own.eq_ignore_ascii_case(name))
}

/// Salesforce takes a name whatever its capitals and answers with its own: what reads the answer under another finds nothing.
fn spelt(name: &Value, asked: &str) -> Option<String> {
    let name = name.as_str().filter(|name| *name != asked)?;
    Some(format!("it is spelt {name} in Salesforce: under another spelling nothing is found"))
}

/// Fields of one section that are not as its rules need them, with what is wrong.
pub async fn problems(flow: &Flow, section: &Section) -> Result<Vec<(String, String)>> {
    let mut schema = Schema::default();
    let mut found = Vec::new();
    let two_way = section.to_b1 && section.to_salesforce;
    let mapping = &flow.bound.mapping;
    let properties = properties(flow, section).await?;
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
pub async fn chosen(flow: &Flow) -> Result<BTreeMap<String, String>> {
    let mut schema = Schema::default();
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

/// Properties of the section's entity set, or of the rows of its collection, by `$metadata`.
async fn properties(flow: &Flow, section: &Section) -> Result<BTreeSet<String>> {
    /// A real company's is some 10 MB.
    const METADATA: u64 = 64 << 20;
    let connection = flow.bound.slots.get("b1").context("the flow has no connection `b1`")?;
    let metadata = async || Ok(connection.send(Call::get("/$metadata"), METADATA).await?);
    let answer = patiently(metadata).await.context("B1's $metadata")?;
    let xml = roxmltree::Document::parse(&answer.body).context("B1's $metadata is not XML")?;
    let (set, part) = section.b1.split_once('/').unwrap_or((&section.b1, ""));
    let bare = |name: &str| name.trim_end_matches(')').rsplit(['.', '(']).next().unwrap_or_default().to_owned();
    let entity = xml
        .descendants()
        .find(|node| node.has_tag_name_of("EntitySet") && node.attribute("Name") == Some(set))
        .and_then(|node| node.attribute("EntityType"))
        .map(bare)
        .with_context(|| format!("B1 has no entity set {set}"))?;
    let of_type = |name: &str| {
        xml.descendants().find(|node| {
            (node.has_tag_name_of("EntityType") || node.has_tag_name_of("ComplexType"))
                && node.attribute("Name") == Some(name)
        })
    };
    let mut found = of_type(&entity).with_context(|| format!("B1 has no type {entity}"))?;
    if !part.is_empty() {
        let row = found
            .children()
            .find(|node| node.has_tag_name_of("Property") && node.attribute("Name") == Some(part))
            .and_then(|node| node.attribute("Type"))
            .map(bare)
            .with_context(|| format!("{set} has no {part}"))?;
        found = of_type(&row).with_context(|| format!("B1 has no type {row}"))?;
    }
    let properties = found.children().filter(|node| node.has_tag_name_of("Property"));
    Ok(properties.filter_map(|node| node.attribute("Name").map(str::to_owned)).collect())
}

/// Tags by name, whatever their namespace: it differs between versions.
trait Tag {
    fn has_tag_name_of(&self, name: &str) -> bool;
}

impl Tag for roxmltree::Node<'_, '_> {
    fn has_tag_name_of(&self, name: &str) -> bool {
        self.tag_name().name() == name
    }
}

/// The field and what is wrong with it.
fn problem_in(properties: &BTreeSet<String>, section: &Section, path: &str) -> Option<(String, String)> {
    let (first, nested) = path.split_once('.').map_or((path, false), |(first, _)| (first, true));
    if properties.contains(first) {
        return None;
    }
    Some(if nested {
        (format!("{first}.*"), format!("not checked: {first} is put together by the plugin"))
    } else {
        (first.to_owned(), format!("{} has no property {first}; a user field is called U_<name>", section.b1))
    })
}

/// A read on the connection bound to a slot.
pub async fn get(flow: &Flow, slot: &str, call: Call) -> Result<Value> {
    let connection = flow.bound.slots.get(slot).with_context(|| format!("the flow has no connection `{slot}`"))?;
    let path = call.path.split('?').next().unwrap_or_default().to_owned();
    let answered = patiently(async || Ok(connection.send(call.clone(), LIMIT).await?)).await;
    let answer = answered.map_err(|error| match error {
        LookError::Call(CallError::Remote { status: 404, message, .. }) => {
            Failure::NotFound(format!("{path} is not there: {message}")).into()
        }
        other => anyhow::anyhow!("{path}: {other}"),
    })?;
    serde_json::from_str(&answer.body).with_context(|| format!("{path}: the answer is not JSON"))
}
