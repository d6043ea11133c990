//! What `tandem check` finds of the package in an org: every field that its permission set for the integration user grants is there, seen
//! and writable.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::connections::{Call, Connection};

/// Bytes of a description; that of a large org's Opportunity is some 2 MB.
const LIMIT: u64 = 8 << 20;

/// The permission set as the package of this version ships it.
const GRANTS: &str = include_str!(
    "../../../salesforce-package/force-app/main/default/permissionsets/Tandem_Integration.permissionset-meta.xml"
);

/// What the integration user lacks, one line for each object.
pub async fn lacking(org: &Connection) -> Result<Vec<String>> {
    // With a namespace that the package does not carry, descriptions of standard objects read well, and nothing else does.
    let has_namespace = matches!(org, Connection::Salesforce(org) if org.namespace().is_some());
    let asked = Call::get("/query?q=SELECT%20Tandem_Card_Code__c%20FROM%20Account%20LIMIT%201");
    match org.send(asked, LIMIT).await {
        Err(error) if error.is_passing() => return Err(error.into()),
        Err(error) if has_namespace => {
            return Ok(vec![format!("{error}; does the package carry the namespace that namespace names?")]);
        }
        _ => {}
    }
    let mut found = Vec::new();
    for (object, fields) in granted()? {
        let described = match org.send(Call::get(format!("/sobjects/{object}/describe")), LIMIT).await {
            Ok(answer) => serde_json::from_str(&answer.body).unwrap_or_default(),
            Err(error) if error.is_passing() => return Err(error.into()),
            // The object is not there for this user.
            Err(_) => Value::Null,
        };
        if described.is_null() {
            found.push(format!("{object} is not there, or the integration user may not read it"));
            continue;
        }
        if let Some(namespace) = fields.iter().find_map(|name| namespace_in(&described, name)) {
            return Ok(vec![format!("its names carry the namespace {namespace}: set namespace = \"{namespace}\"")]);
        }
        let own = |name: &str| described["fields"].as_array().into_iter().flatten().find(|own| own["name"] == name);
        let sets = |field: &Value| field["updateable"] == true || field["createable"] == true;
        let unseen: Vec<&str> = fields.iter().filter(|name| own(name).is_none()).map(String::as_str).collect();
        let unset: Vec<&str> =
            fields.iter().filter(|name| own(name).is_some_and(|field| !sets(field))).map(String::as_str).collect();
        for (names, what) in [(unseen, "see"), (unset, "write")] {
            if !names.is_empty() {
                found.push(format!("{object}: the integration user does not {what} {}", names.join(", ")));
            }
        }
    }
    Ok(found)
}

/// The namespace under which the object has this field, where it does not have it without one.
fn namespace_in(described: &Value, field: &str) -> Option<String> {
    let names = || described["fields"].as_array().into_iter().flatten().filter_map(|own| own["name"].as_str());
    if names().any(|name| name == field) {
        return None;
    }
    let found = names().find_map(|name| name.strip_suffix(field)?.strip_suffix("__"));
    found.filter(|prefix| !prefix.is_empty()).map(str::to_owned)
}

/// Fields by object that the permission set grants; addresses are granted as a whole and described by their parts.
fn granted() -> Result<BTreeMap<String, Vec<String>>> {
    let xml = roxmltree::Document::parse(GRANTS).context("the permission set is no XML")?;
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for grant in xml.descendants().filter(|node| node.tag_name().name() == "fieldPermissions") {
        let name = grant.children().find(|node| node.tag_name().name() == "field").and_then(|node| node.text());
        let Some((object, field)) = name.and_then(|name| name.split_once('.')) else { continue };
        if field.ends_with("__c") || !field.ends_with("Address") {
            fields.entry(object.to_owned()).or_default().push(field.to_owned());
        }
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_permission_set_grants_fields_of_the_package_and_of_salesforce() -> Result<()> {
        let fields = granted()?;
        assert!(fields["Opportunity"].iter().any(|field| field == "Tandem_PO_Number__c"));
        assert!(fields["Account"].iter().any(|field| field == "Website"));
        assert!(fields.values().flatten().all(|field| field != "BillingAddress"));
        Ok(())
    }
}
