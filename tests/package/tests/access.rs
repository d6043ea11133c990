//! Who may do and see what. What a package creation drops from a permission set, silently, stands in none that is packaged; those that
//! are deployed as source after the install bring it, and both together give what the flows' own descriptions ask for. What hangs
//! on an account is seen by those who see the account.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tandem_e2e::root;
use tandem_package_tests::{access, files, package, project};
use tandem_simulators::salesforce::rights::Rights;
use tandem_simulators::salesforce::schema::{May, Schema};

/// The permission sets below a folder, by name.
fn sets(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let name =
        |file: &Path| file.file_name().unwrap_or_default().to_string_lossy().replace(".permissionset-meta.xml", "");
    Ok(files(folder, ".permissionset-meta.xml")?.into_iter().map(|file| (name(&file), file)).collect())
}

fn all_sets() -> Result<BTreeMap<String, PathBuf>> {
    let mut all = sets(&package())?;
    all.extend(sets(&access())?);
    all.extend(sets(&project().join("sample"))?);
    Ok(all)
}

fn together(names: &[&str]) -> Result<Rights> {
    Rights::of_sets(&package(), "", &names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
}

/// Objects whose parent is a standard one: their own rights cannot be packaged.
fn below_standard_objects(schema: &Schema) -> BTreeSet<String> {
    let of_standard = |object: &&String| {
        let mut fields = schema.objects[*object].fields.values();
        fields.any(|field| field.detail && field.parent.as_ref().is_some_and(|(parent, _)| !parent.ends_with("__c")))
    };
    schema.objects.keys().filter(of_standard).cloned().collect()
}

fn is_own(name: &str) -> bool {
    name.starts_with("Tandem_")
}

/// Standard fields with field-level security, as whole profiles of orgs name them, of the objects that the flows write. A deployment refuses
/// all of a permission set that names another, such as `Product2.IsActive` or `Task.Subject`: those come with their object.
const SECURED: [(&str, &str); 7] = [
    (
        "Account",
        "AccountNumber AccountSource AnnualRevenue BillingAddress Description Fax Industry \
     NumberOfEmployees Ownership ParentId Phone Rating ShippingAddress Sic SicDesc Site TickerSymbol \
     Type Website",
    ),
    (
        "Case",
        "AccountId AssetId BusinessHoursId ContactId Description IsEscalated Origin ParentId Priority \
     ProductId Reason Subject SuppliedCompany SuppliedEmail SuppliedName SuppliedPhone Type",
    ),
    (
        "Contact",
        "AccountId AssistantName AssistantPhone Birthdate Department Description DoNotCall Email Fax \
     HasOptedOutOfEmail HomePhone LeadSource MailingAddress MobilePhone OtherAddress OtherPhone Phone \
     ReportsToId Title",
    ),
    (
        "Opportunity",
        "AccountId Amount CampaignId ContractId Description ExpectedRevenue IsPrivate LeadSource NextStep \
     Probability TotalOpportunityQuantity Type",
    ),
    ("OpportunityLineItem", "Description Discount ListPrice ProductCode ServiceDate Subtotal TotalPrice"),
    (
        "Product2",
        "Description DisplayUrl ExternalDataSourceId ExternalId Family ProductCode QuantityUnitOfMeasure \
     StockKeepingUnit",
    ),
    ("Task", "ActivityDate Description Type WhatId WhoId"),
];

/// Source: packaging guide, "Permission Sets and Profile Settings in Packages".
#[test]
fn a_packaged_permission_set_gives_nothing_that_a_package_creation_drops() -> Result<()> {
    let below = below_standard_objects(&Schema::load(&package())?);
    for (name, file) in sets(&package())? {
        let rights = Rights::read(&file)?;
        for object in rights.objects() {
            assert!(is_own(object), "{name}: rights on the standard object {object} are dropped");
            assert!(
                !below.contains(object),
                "{name}: rights on {object}, which is below a standard object, are dropped"
            );
        }
        for field in rights.fields().keys() {
            let own = field.split_once('.').is_some_and(|(_, field)| is_own(field));
            assert!(own, "{name}: the right on the standard field {field} is dropped");
        }
        let user = rights.user_permissions();
        assert!(user.is_empty(), "{name}: the user permissions {user:?} are dropped");
    }
    Ok(())
}

/// Source: Metadata API guide, `PermissionSet`: a field that is required or the master of a detail is given by its object.
#[test]
fn no_permission_set_names_a_field_that_a_deployment_refuses_or_an_object_without_its_parents() -> Result<()> {
    let schema = Schema::load(&package())?;
    for (name, file) in all_sets()? {
        let rights = Rights::read(&file)?;
        for field in rights.fields().keys() {
            let (object, own) = field.split_once('.').context("Object.Field")?;
            let own = own.strip_suffix("Address").map_or(own.to_owned(), |kind| format!("{kind}Street"));
            let (_, spec) = schema.field(object, &own).with_context(|| format!("{name}: {field} is not there"))?;
            assert!(!spec.required, "{name}: {field} is required, or the parent of a detail: it cannot be granted");
            let standard = field.split_once('.').filter(|(_, own)| !own.ends_with("__c"));
            let secured = |(object, field): (&str, &str)| {
                SECURED.iter().any(|(own, fields)| *own == object && fields.split_whitespace().any(|own| own == field))
            };
            assert!(
                standard.is_none_or(secured),
                "{name}: {field} has no field-level security: it comes with its object"
            );
        }
        for object in rights.objects() {
            let parents = schema.objects.get(object).into_iter().flat_map(|object| object.fields.values());
            for (parent, _) in parents.filter(|field| field.detail).filter_map(|field| field.parent.as_ref()) {
                assert!(rights.of(parent).read, "{name}: reading {object} depends on reading {parent}");
            }
            // Where person accounts or contacts controlled by accounts are on.
            let wants =
                [("Account", "Contact"), ("Contact", "Account"), ("Opportunity", "Account"), ("Case", "Account")];
            for (_, other) in wants.iter().filter(|(own, _)| *own == object && name != "Tandem_Integration_Private") {
                assert!(rights.of(other).read, "{name}: reading {object} may depend on reading {other}");
            }
        }
    }
    Ok(())
}

/// A permission of a flow's description, `ask("salesforce", Method::Patch, "/sobjects/Account/*", …)`: method and path.
fn asked() -> Result<Vec<(String, String)>> {
    let mut asked = Vec::new();
    for file in files(&root().join("plugins"), "describe.rs")? {
        let text = std::fs::read_to_string(&file)?;
        for call in text.split("\"salesforce\"").skip(1) {
            let Some(rest) = call.trim_start_matches([',', ' ', '\n']).strip_prefix("Method::") else { continue };
            let (method, rest) = rest.split_once(',').context("a path follows")?;
            let path = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
            asked.push((method.to_owned(), path.context("a path follows")?.to_owned()));
        }
    }
    Ok(asked)
}

/// The flows' own descriptions say what they read and write; the host itself keeps its questions, health and outbox.
#[test]
fn packaged_and_deployed_sets_together_give_what_the_flows_and_the_host_need() -> Result<()> {
    let schema = Schema::load(&package())?;
    let rights = together(&["Tandem_Integration", "Tandem_Integration_Standard"])?;
    let (mut reads, mut writes) = (0, 0);
    for (method, path) in asked()? {
        if let Some((_, names)) = path.split_once("?FROM=") {
            for name in names.split(',') {
                // A sub-query names the relationship.
                let children = schema.objects.keys().find_map(|parent| schema.children(parent, name));
                let object = schema.real_name(name).or(children.map(|(child, ..)| child));
                assert!(rights.of(object.context(path.clone())?).read, "{path}: {name}");
                reads += 1;
            }
        } else if let ["sobjects", object, below @ ..] =
            path.trim_matches('/').split('/').collect::<Vec<_>>().as_slice()
        {
            let may = rights.of(object);
            let makes = method == "Post" || below.len() == 2;
            assert!(if makes { may.create } else { may.edit }, "{method} {path}");
            writes += 1;
        }
    }
    assert!(reads > 20 && writes > 20, "{reads} {writes}: the descriptions were read");
    for object in ["Tandem_Health__c", "Tandem_Review__c", "Tandem_Outbox__c"] {
        assert_eq!(rights.of(object), May::default(), "{object}: the host's own");
    }
    assert!(rights.of("Tandem_Change__e").read, "the host subscribes");
    assert!(!rights.of("Tandem_Change__e").create, "and publishes nothing");
    assert!(rights.user_permissions().contains("ApiEnabled"), "the host signs in to the API");
    for (object, own) in &schema.objects {
        for (field, spec) in own.fields.iter().filter(|(field, _)| field.starts_with("Tandem_")) {
            let name = format!("{object}.{field}");
            assert!(spec.required || rights.fields().get(&name) == Some(&true), "{name}: the host must write it");
        }
    }
    Ok(())
}

#[test]
fn what_is_owed_is_seen_by_those_who_see_the_account_and_questions_by_those_who_see_their_record() -> Result<()> {
    let schema = Schema::load(&package())?;
    let sharing = |object: &str| -> Result<String> {
        let file = package().join(format!("objects/{object}/{object}.object-meta.xml"));
        let text = std::fs::read_to_string(&file)?;
        let xml = roxmltree::Document::parse(&text)?;
        let found = xml.root_element().children().find(|node| node.tag_name().name() == "sharingModel");
        Ok(found.and_then(|node| node.text()).unwrap_or_default().to_owned())
    };
    // A number beside an account: whoever may not see the account must not see it.
    let tells_numbers = |object: &&String| {
        let fields = &schema.objects[*object].fields;
        is_own(object)
            && fields.iter().any(|(name, field)| is_own(name) && field.is_number())
            && fields.values().any(|field| field.parent.as_ref().is_some_and(|(parent, _)| parent == "Account"))
    };
    let objects: Vec<&String> = schema.objects.keys().filter(tells_numbers).collect();
    assert!(objects.len() >= 3, "{objects:?}: invoices, payments, special prices");
    for object in objects {
        assert_eq!(sharing(object)?, "ControlledByParent", "{object}: who may see it");
        let (_, field) = schema.field(object, "Tandem_Account__c").context("an account")?;
        assert!(field.detail && field.reparentable, "{object}: a merge or a corrected customer moves it");
    }
    assert_eq!(sharing("Tandem_Review__c")?, "Private", "a question may be about an account that few may see");
    let user = together(&["Tandem_User", "Tandem_User_Standard"])?;
    for object in schema.objects.keys().filter(|object| object.ends_with("__c") && *object != "Tandem_Outbox__c") {
        assert!(user.of(object).read, "{object}: everybody who sells sees it, as far as it is shared");
    }
    Ok(())
}

/// `scripts/package.sh scratch` imports the sample data as a person with these sets.
#[test]
fn whoever_imports_the_sample_data_may_write_each_of_its_fields() -> Result<()> {
    let schema = Schema::load(&package())?;
    let sample = Rights::read(all_sets()?.get("Tandem_Sample_Data").context("a set for the sample data")?)?;
    let mut seen = 0;
    for file in files(&project().join("data"), ".json")? {
        let data: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&file)?)?;
        for record in data["records"].as_array().into_iter().flatten() {
            let object = record["attributes"]["type"].as_str().context("a type")?;
            for field in record.as_object().into_iter().flat_map(|record| record.keys()).filter(|field| is_own(field)) {
                let (_, spec) = schema.field(object, field).with_context(|| format!("{object}.{field}"))?;
                let may = sample.fields().get(&format!("{object}.{field}")) == Some(&true);
                assert!(may || spec.required, "{object}.{field} of {} may not be written", file.display());
                seen += 1;
            }
            assert!(!is_own(object) || sample.of(object).create, "{object} may not be made");
        }
    }
    assert!(seen > 40, "{seen}: the sample data was read");
    let script = std::fs::read_to_string(project().join("scripts/package.sh"))?;
    assert!(script.contains("--name Tandem_Sample_Data"), "the script assigns it");
    assert!(!sets(&package())?.contains_key("Tandem_Sample_Data"), "it is nothing for a customer");
    Ok(())
}

/// The setup page looks for what the deployed set gives, no more and no less.
#[test]
fn the_setup_page_asks_for_what_the_deployed_set_gives() -> Result<()> {
    let rights = together(&["Tandem_Integration_Standard"])?;
    let source = std::fs::read_to_string(package().join("classes/TandemAccess.cls"))?;
    let part = |name: &str| source.split(&format!(" {name} = new ")).nth(1).and_then(|rest| rest.split("};").next());
    let objects: BTreeMap<String, May> = part("NEEDED_OBJECTS")
        .context("objects")?
        .lines()
        .filter_map(|line| line.trim().split_once(".SObjectType => '"))
        .map(|(object, letters)| {
            let letters = letters.split('\'').next().unwrap_or_default();
            let has = |letter: char| letters.contains(letter);
            (object.to_owned(), May { create: has('C'), read: has('R'), edit: has('E'), delete: has('D') })
        })
        .collect();
    let given: BTreeMap<String, May> = rights.objects().map(|object| (object.to_owned(), rights.of(object))).collect();
    assert_eq!(objects, given);
    let fields: BTreeSet<&str> = part("NEEDED_FIELDS")
        .context("fields")?
        .lines()
        .map(|line| line.trim().trim_end_matches(','))
        .filter(|line| line.contains('.') && !line.ends_with('{'))
        .collect();
    assert_eq!(fields, rights.fields().keys().map(String::as_str).collect());
    for (permission, field) in [("ApiEnabled", "PermissionsApiEnabled"), ("EditTask", "PermissionsEditTask")] {
        assert!(rights.user_permissions().contains(permission) && source.contains(field), "{permission}");
    }
    Ok(())
}
