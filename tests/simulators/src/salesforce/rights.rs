//! What permission sets give: rights on objects and fields as a package brings them, and as they are deployed as source after it. A
//! user's rights are the union of its sets. Sources: Metadata API guide, `PermissionSet`; Salesforce help, "Field-Level Security"
//! and "Object Permissions".

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use roxmltree::{Document, Node};

use super::schema::{May, Schema};

/// Standard objects that every user of the API may read.
const OPEN: [&str; 4] = ["CurrencyType", "Organization", "RecordType", "User"];
/// Standard fields that have no field-level security though they are neither required nor read only: record ownership, currency, parts
/// of a required name, the price and place of a line. Assumed of those of lines and entries.
const ALWAYS_THERE: [&str; 8] =
    ["OwnerId", "RecordTypeId", "CurrencyIsoCode", "FirstName", "LastName", "Salutation", "UnitPrice", "SortOrder"];
/// The same of one object: what an org always asks for, though it fills it in by itself here, and what is never empty.
const ALWAYS_OF: [(&str, &str); 5] =
    [("Case", "Status"), ("Product2", "IsActive"), ("Task", "Priority"), ("Task", "Status"), ("Task", "Subject")];
/// Fields that nobody writes and that have field-level security all the same. Public profiles name the first; the others are assumed: nothing
/// may depend on seeing them.
const SECURED_THOUGH_READ_ONLY: [(&str, &str); 4] = [
    ("Opportunity", "ExpectedRevenue"),
    ("OpportunityLineItem", "ListPrice"),
    ("OpportunityLineItem", "ProductCode"),
    ("OpportunityLineItem", "Subtotal"),
];
/// Objects whose own fields have no field-level security. Assumed of price books and their entries.
const WITHOUT_FIELD_SECURITY: [&str; 6] =
    ["CurrencyType", "Organization", "Pricebook2", "PricebookEntry", "RecordType", "User"];

/// Records of an object that a user reaches, whoever owns them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reach {
    pub view_all: bool,
    pub modify_all: bool,
}

/// What some permission sets give together.
#[derive(Clone, Debug, Default)]
pub struct Rights {
    objects: BTreeMap<String, May>,
    reaches: BTreeMap<String, Reach>,
    /// `Object.Field`, and whether it may be edited.
    fields: BTreeMap<String, bool>,
    /// User permissions such as `EditTask`.
    user: BTreeSet<String>,
}

impl Rights {
    /// One permission set, from its file.
    pub fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        Self::parse(&text).with_context(|| file.display().to_string())
    }

    /// The same from its text.
    pub fn parse(text: &str) -> Result<Self> {
        let xml = Document::parse(text)?;
        let mut rights = Self::default();
        for node in xml.root_element().children().filter(Node::is_element) {
            let text = |tag: &str| child(node, tag).unwrap_or_default().to_owned();
            let flag = |tag: &str| child(node, tag) == Some("true");
            match node.tag_name().name() {
                "objectPermissions" => {
                    let may = May {
                        create: flag("allowCreate"),
                        read: flag("allowRead"),
                        edit: flag("allowEdit"),
                        delete: flag("allowDelete"),
                    };
                    rights.objects.insert(text("object"), may);
                    let reach = Reach { view_all: flag("viewAllRecords"), modify_all: flag("modifyAllRecords") };
                    rights.reaches.insert(text("object"), reach);
                }
                // Its fields have no field-level security.
                "customMetadataTypeAccesses" if flag("enabled") => {
                    rights.objects.insert(text("name"), May { read: true, ..May::NOTHING });
                }
                "fieldPermissions" if flag("readable") => {
                    rights.fields.insert(text("field"), flag("editable"));
                }
                "userPermissions" if flag("enabled") => {
                    rights.user.insert(text("name"));
                }
                _ => {}
            }
        }
        Ok(rights)
    }

    /// The sets of these names together: those of the package's folder, whose names carry its namespace if it has one, and of the source folder
    /// `access` that is deployed after it.
    pub fn of_sets(package: &Path, namespace: &str, names: &[String]) -> Result<Self> {
        let prefix = if namespace.is_empty() { String::new() } else { format!("{namespace}__") };
        let folders = [
            (package.join("permissionsets"), prefix.as_str()),
            (package.join("../../../access/main/default/permissionsets"), ""),
        ];
        let mut all = Self::default();
        for name in names {
            let file = |(folder, prefix): &(PathBuf, &str)| {
                let own = name.strip_prefix(prefix)?;
                Some(folder.join(format!("{own}.permissionset-meta.xml"))).filter(|file| file.is_file())
            };
            let own = folders.iter().find_map(file);
            all.add(&Self::read(&own.with_context(|| format!("there is no permission set {name}"))?)?);
        }
        Ok(all)
    }

    /// What another set gives, too.
    pub fn add(&mut self, other: &Self) {
        for (object, more) in &other.objects {
            let own = self.objects.entry(object.clone()).or_insert(May::NOTHING);
            *own = own.or(*more);
        }
        for (object, more) in &other.reaches {
            let own = self.reaches.entry(object.clone()).or_default();
            own.view_all |= more.view_all;
            own.modify_all |= more.modify_all;
        }
        for (field, editable) in &other.fields {
            *self.fields.entry(field.clone()).or_default() |= editable;
        }
        self.user.extend(other.user.iter().cloned());
    }

    /// Lets a field be edited: `Object.Field`.
    pub fn give(&mut self, field: &str) {
        self.fields.insert(field.to_owned(), true);
    }

    /// Which records of an object are reached, whoever owns them.
    pub fn reach(&self, object: &str) -> Reach {
        self.reaches.get(object).copied().unwrap_or_default()
    }

    /// Objects that the sets themselves name.
    pub fn objects(&self) -> impl Iterator<Item = &str> {
        self.objects.keys().map(String::as_str)
    }

    /// Fields that the sets name, as `Object.Field`, and whether they may be edited.
    pub fn fields(&self) -> &BTreeMap<String, bool> {
        &self.fields
    }

    /// User permissions such as `ApiEnabled`.
    pub fn user_permissions(&self) -> &BTreeSet<String> {
        &self.user
    }

    /// What may be done with records of an object. Lines follow their opportunity, entries their price book, tasks the permission
    /// *Edit Tasks*.
    pub fn of(&self, object: &str) -> May {
        let named = |object: &str| self.objects.get(object).copied().unwrap_or(May::NOTHING);
        let below = |parent: May| May { create: parent.edit, delete: parent.edit, ..parent };
        match object {
            "OpportunityLineItem" => below(named("Opportunity")),
            "PricebookEntry" => below(named("Pricebook2")),
            "Task" => {
                let edit = self.user.contains("EditTask");
                May { create: edit, edit, delete: edit, read: self.user.contains("ActivitiesAccess") }
            }
            open if OPEN.contains(&open) => May { read: true, ..May::NOTHING },
            own => named(own),
        }
    }

    /// The schema as a user with these rights sees it.
    pub fn reduce(&self, schema: &Schema) -> Schema {
        let mut seen = schema.clone();
        seen.objects.retain(|name, object| {
            object.may = self.of(name);
            object.may.read
        });
        for (name, object) in &mut seen.objects {
            object.fields.retain(|field, spec| {
                let secured = field.ends_with("__c") && !spec.required && !name.ends_with("__mdt")
                    || !field.ends_with("__c")
                        && !spec.required
                        && (!spec.read_only || SECURED_THOUGH_READ_ONLY.contains(&(name.as_str(), field.as_str())))
                        && !ALWAYS_THERE.contains(&field.as_str())
                        && !ALWAYS_OF.contains(&(name.as_str(), field.as_str()))
                        && field != "Name"
                        && !WITHOUT_FIELD_SECURITY.contains(&name.as_str());
                if !secured {
                    return true;
                }
                let granted = self.fields.get(&format!("{name}.{}", of_address(field)));
                spec.read_only |= granted == Some(&false);
                granted.is_some()
            });
        }
        seen
    }
}

/// A permission is on an address as a whole: `BillingAddress` for `BillingStreet`.
fn of_address(field: &str) -> String {
    let parts = ["Street", "City", "StateCode", "State", "PostalCode", "CountryCode", "Country"];
    let kind = ["Billing", "Shipping", "Mailing"]
        .into_iter()
        .find(|kind| field.strip_prefix(kind).is_some_and(|part| parts.contains(&part)));
    kind.map_or_else(|| field.to_owned(), |kind| format!("{kind}Address"))
}

fn child<'a>(node: Node<'a, '_>, tag: &str) -> Option<&'a str> {
    node.children().find(|own| own.tag_name().name() == tag).and_then(|own| own.text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_a_package_with_a_namespace_carries_it_and_one_deployed_beside_it_does_not() {
        let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../salesforce-package/force-app/main/default");
        let known = |namespace: &str, name: &str| Rights::of_sets(&package, namespace, &[name.to_owned()]).is_ok();
        assert!(known("", "Tandem_Integration") && !known("", "tndm__Tandem_Integration"));
        assert!(known("tndm", "tndm__Tandem_Integration") && !known("tndm", "Tandem_Integration"));
        assert!(known("tndm", "Tandem_Integration_Standard") && !known("tndm", "tndm__Tandem_Integration_Standard"));
    }
}
