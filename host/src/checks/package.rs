//! What `tandem check` finds of the package in an org: every right on objects and fields that the permission sets for the integration user
//! give (that of the package, and that which is deployed as source after it) is there.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::connections::salesforce::rights::{PERMISSION_SET, STANDARD_SET};
use crate::connections::{Call, Connection};

/// Bytes of a description; that of a large org's Opportunity is some 2 MB.
const LIMIT: u64 = 8 << 20;

/// The permission sets as this version ships them. What a package cannot bring stands in the second.
const SETS: [(&str, &str); 2] = [
    (
        PERMISSION_SET,
        include_str!(
            "../../../salesforce-package/force-app/main/default/permissionsets/Tandem_Integration.permissionset-meta.xml"
        ),
    ),
    (
        STANDARD_SET,
        include_str!(
            "../../../salesforce-package/access/main/default/permissionsets/Tandem_Integration_Standard.permissionset-meta.xml"
        ),
    ),
];

/// Rights on an object as a permission set and a description name them, and as a person does.
const RIGHTS: [(&str, &str, &str); 3] = [
    ("allowCreate", "createable", "create"),
    ("allowEdit", "updateable", "edit"),
    ("allowDelete", "deletable", "delete"),
];

/// What is granted of an object.
#[derive(Default)]
struct Granted {
    fields: Vec<String>,
    /// Names of a description, such as `createable`, with their words.
    rights: Vec<(&'static str, &'static str)>,
    /// The permission set that gives the object.
    set: &'static str,
}

/// What stands between the integration user and the package.
pub enum Lack {
    /// The package carries another namespace than the configuration says: in words.
    Namespace(String),
    /// Rights, one line for each object; none where all is well.
    Rights(Vec<String>),
}

/// What the integration user lacks, one line for each object.
pub async fn lacking(org: &Connection) -> Result<Lack> {
    // With a namespace that the package does not carry, descriptions of standard objects read well, and nothing else does.
    let has_namespace = matches!(org, Connection::Salesforce(org) if org.namespace().is_some());
    let asked = Call::get("/query?q=SELECT%20Tandem_Card_Code__c%20FROM%20Account%20LIMIT%201");
    match org.send(asked, LIMIT).await {
        Err(error) if error.is_passing() => return Err(error.into()),
        Err(error) if has_namespace => {
            return Ok(Lack::Namespace(format!("{error}; does the package carry the namespace that namespace names?")));
        }
        _ => {}
    }
    let mut found = Vec::new();
    for (object, Granted { fields, rights, set }) in granted()? {
        let described = match org.send(Call::get(format!("/sobjects/{object}/describe")), LIMIT).await {
            Ok(answer) => serde_json::from_str(&answer.body).unwrap_or_default(),
            Err(error) if error.is_passing() => return Err(error.into()),
            // The object is not there for this user.
            Err(_) => Value::Null,
        };
        if described.is_null() {
            found.push(format!("{object} is not there, or the integration user may not read it: permission set {set}"));
            continue;
        }
        if let Some(namespace) = fields.iter().find_map(|name| namespace_in(&described, name)) {
            let says = format!("its names carry the namespace {namespace}: set namespace = \"{namespace}\"");
            return Ok(Lack::Namespace(says));
        }
        let may_not: Vec<&str> =
            rights.iter().filter(|(name, _)| described[*name] == false).map(|(_, word)| *word).collect();
        if !may_not.is_empty() {
            found.push(format!("{object}: the integration user may not {}: permission set {set}", may_not.join(", ")));
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
    Ok(Lack::Rights(found))
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

/// What the permission sets grant, by object; addresses are granted as a whole and described by their parts.
fn granted() -> Result<BTreeMap<String, Granted>> {
    let mut granted: BTreeMap<String, Granted> = BTreeMap::new();
    for (set, text) in SETS {
        let xml = roxmltree::Document::parse(text).context("the permission set is no XML")?;
        for grant in xml.root_element().children() {
            let child = |name: &str| {
                grant
                    .children()
                    .find(|node| node.tag_name().name() == name)
                    .and_then(|node| node.text())
                    .unwrap_or_default()
            };
            match grant.tag_name().name() {
                // An event is described without rights to change it.
                "objectPermissions" if !child("object").ends_with("__e") => {
                    let own = granted.entry(child("object").to_owned()).or_default();
                    own.set = set;
                    let given = RIGHTS.iter().filter(|(right, ..)| child(right) == "true");
                    own.rights.extend(given.map(|(_, name, word)| (*name, *word)));
                }
                "fieldPermissions" => {
                    let Some((object, field)) = child("field").split_once('.') else { continue };
                    if field.ends_with("__c") || !field.ends_with("Address") {
                        granted.entry(object.to_owned()).or_default().fields.push(field.to_owned());
                    }
                }
                _ => {}
            }
        }
    }
    // Lines and tasks come with another object or a user permission.
    for own in granted.values_mut().filter(|own| own.set.is_empty()) {
        own.set = SETS[1].0;
    }
    Ok(granted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_permission_sets_grant_rights_and_fields_of_the_package_and_of_salesforce() -> Result<()> {
        let granted = granted()?;
        let fields = |object: &str| &granted[object].fields;
        assert!(fields("Opportunity").iter().any(|field| field == "Tandem_PO_Number__c"));
        assert!(fields("Account").iter().any(|field| field == "Website"));
        assert!(granted.values().flat_map(|own| &own.fields).all(|field| field != "BillingAddress"));
        assert!(granted["Account"].rights.contains(&("createable", "create")));
        assert!(granted["Account"].set.contains("standard objects"), "a package cannot bring it");
        assert_eq!(granted["Tandem_Review__c"].set, PERMISSION_SET);
        Ok(())
    }
}
