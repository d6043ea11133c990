//! The package does as the platform wants it: icons of tabs, links between records, what the project file may say.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use roxmltree::Document;
use serde_json::Value;
use tandem_package_tests::shown::{child, stem};
use tandem_package_tests::{files, package, project};

/// Icons of tabs by number and name, as Salesforce lists them: the one of 68 is a globe.
const ICONS: [&str; 14] = [
    "Custom13: Box",
    "Custom15: People",
    "Custom17: Sack",
    "Custom18: Form",
    "Custom20: Airplane",
    "Custom21: Computer",
    "Custom23: Envelope",
    "Custom24: Building",
    "Custom33: Desk",
    "Custom45: Ticket",
    "Custom53: Bell",
    "Custom67: Gears",
    "Custom68: Globe",
    "Custom98: Truck",
];

#[test]
fn every_tab_has_an_icon_of_its_own_that_salesforce_knows() -> Result<()> {
    let mut seen = BTreeSet::new();
    for file in files(&package().join("tabs"), ".tab-meta.xml")? {
        let text = std::fs::read_to_string(&file)?;
        let icon = child(Document::parse(&text)?.root_element(), "motif");
        assert!(ICONS.contains(&icon.as_str()), "{}: {icon}", stem(&file, ".tab-meta.xml"));
        assert!(seen.insert(icon.clone()), "{}: {icon} is another's, too", stem(&file, ".tab-meta.xml"));
    }
    Ok(())
}

/// An address put together by hand leads nowhere in an Experience site and out of a console; the platform makes it, in one place.
#[test]
fn a_component_leads_to_a_record_by_the_platforms_navigation() -> Result<()> {
    for file in files(&package().join("lwc"), ".html")? {
        let text = std::fs::read_to_string(&file)?;
        let links = text.matches("href=").count();
        assert_eq!(links, usize::from(stem(&file, ".html") == "tandemLink"), "{}", file.display());
    }
    for file in files(&package().join("lwc"), ".js")? {
        let text = std::fs::read_to_string(&file)?;
        assert!(!text.contains("`/${"), "{} makes an address", file.display());
    }
    let link = std::fs::read_to_string(package().join("lwc/tandemLink/tandemLink.js"))?;
    assert!(link.contains("NavigationMixin.GenerateUrl") && link.contains("NavigationMixin.Navigate"));
    Ok(())
}

/// `UserRecordAccess` answers only for objects of the page Sharing Settings, of which products need not be one. Source: Object Reference.
#[test]
fn who_may_see_a_record_is_asked_by_a_query_of_the_users_own() -> Result<()> {
    for file in files(&package().join("classes"), ".cls")? {
        let asks = std::fs::read_to_string(&file)?.contains("FROM UserRecordAccess");
        // Of the four objects that each org's page has.
        let may = stem(&file, ".cls").starts_with("TandemAccess");
        assert!(!asks || may, "{}", file.display());
    }
    let records = std::fs::read_to_string(package().join("classes/TandemRecords.cls"))?;
    assert!(records.contains("Database.query(query, AccessLevel.USER_MODE)"));
    Ok(())
}

/// By the schema of the Salesforce CLI, which refuses what it does not know.
#[test]
fn each_package_says_what_it_is() -> Result<()> {
    let read =
        |file: &str| -> Result<Value> { Ok(serde_json::from_str(&std::fs::read_to_string(project().join(file))?)?) };
    let schema = read("node_modules/@salesforce/core/schemas/sfdx-project.schema.json")?;
    let kinds = schema["properties"]["packageDirectories"]["items"]["anyOf"].as_array().context("kinds of folders")?;
    let kind = kinds.iter().find(|kind| kind["properties"]["versionNumber"].is_object()).context("that of packages")?;
    let said = read("sfdx-project.json")?;
    // What has no package is deployed as source.
    let folders = said["packageDirectories"].as_array().context("packages")?;
    for folder in folders.iter().filter(|folder| folder["package"].is_string()) {
        for name in folder.as_object().context("a package")?.keys() {
            assert!(kind["properties"][name].is_object(), "{}: {name} is unknown", folder["package"]);
        }
        let words = folder["versionDescription"].as_str().unwrap_or_default();
        assert!(words.len() > 20, "{} says nothing to who installs it", folder["package"]);
    }
    Ok(())
}
