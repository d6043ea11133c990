//! What the package does in an org that is full of other things: it schedules nothing, asks for no more rights than it needs, takes no
//! limit for its own, keeps an admin's settings over an upgrade, and its Apex tests pass whatever else runs there.

use std::path::PathBuf;

use anyhow::{Context, Result};
use tandem_package_tests::{files, package, project};

/// Apex classes as file and text: those that are tests, or the others.
fn classes(tests: bool) -> Result<Vec<(PathBuf, String)>> {
    let mut found = Vec::new();
    for file in files(&package().join("classes"), ".cls")? {
        let text = std::fs::read_to_string(&file)?;
        if text.contains("@IsTest") == tests {
            found.push((file, text));
        }
    }
    Ok(found)
}

/// A job that is scheduled keeps the org from deploying what it runs.
#[test]
fn nothing_is_scheduled_in_the_org() -> Result<()> {
    for (file, text) in classes(false)? {
        for word in ["Schedulable", "System.schedule", "CronTrigger", "AsyncApexJob"] {
            assert!(!text.contains(word), "{} has {word}", file.display());
        }
    }
    Ok(())
}

/// Other code of the org runs in the same transactions, other records and jobs are there, and profiles have names in its language.
#[test]
fn the_apex_tests_ask_nothing_of_the_org_that_other_things_there_may_change() -> Result<()> {
    for (file, text) in classes(true)? {
        let file = file.display();
        // Another trigger on the same object may publish, query and write, too.
        for line in text.lines().filter(|line| line.contains("Limits.getDml")) {
            let of_the_limit = line.contains("Limits.getLimitDml") && !line.contains("Assert.");
            assert!(of_the_limit, "{file} counts what other triggers of the org use as well: {line}");
        }
        for word in ["Profile WHERE Name", "CronTrigger", "SeeAllData"] {
            assert!(!text.contains(word), "{file} has {word}");
        }
        // Records of a test see no others of the org, but other triggers make records in the test itself.
        for query in text.split("COUNT() FROM ").skip(1) {
            let query = query.split(']').next().unwrap_or_default();
            assert!(query.contains(" WHERE "), "{file} counts all records: {query}");
        }
    }
    Ok(())
}

/// A deployment that runs the tests of the whole org fails for whatever fails there already.
#[test]
fn a_deployment_runs_the_tests_of_the_package_and_all_of_them() -> Result<()> {
    let script = std::fs::read_to_string(project().join("scripts/package.sh"))?;
    assert!(script.contains("--test-level RunSpecifiedTests"), "the package's own tests");
    assert!(!script.contains("RunLocalTests"), "the org's own tests are the org's own business");
    for (file, _) in classes(true)?.iter().filter(|(_, text)| text.contains("@IsTest\n    static")) {
        let name = file.file_stem().context("a name")?.to_string_lossy().into_owned();
        let named = script.split_whitespace().any(|word| word.trim_matches(['"', ')', '(']) == name);
        let listed = script.contains("classes/Tandem*Test.cls") && name.starts_with("Tandem") && name.ends_with("Test");
        assert!(named || listed, "{name} is not run");
    }
    Ok(())
}

/// Apex publishes whatever its user may; the host only listens, and does so through the API.
#[test]
fn the_integration_user_gets_the_api_and_no_right_to_publish() -> Result<()> {
    let deployed = project().join("access/main/default/permissionsets");
    let mut sets = files(&package().join("permissionsets"), ".permissionset-meta.xml")?;
    sets.extend(files(&deployed, ".permissionset-meta.xml")?);
    for file in sets {
        let text = std::fs::read_to_string(&file)?;
        let xml = roxmltree::Document::parse(&text)?;
        let child = |node: roxmltree::Node<'_, '_>, name: &str| {
            let found = node.children().find(|own| own.tag_name().name() == name);
            found.and_then(|own| own.text()).unwrap_or_default().to_owned()
        };
        for node in xml.descendants().filter(|node| node.tag_name().name() == "objectPermissions") {
            if child(node, "object").ends_with("__e") {
                assert_eq!(child(node, "allowCreate"), "false", "{}: {}", file.display(), child(node, "object"));
                assert_eq!(child(node, "allowRead"), "true", "{}: {}", file.display(), child(node, "object"));
            }
        }
        if file.ends_with("Tandem_Integration_Standard.permissionset-meta.xml") {
            let mut rights = xml.descendants().filter(|node| node.tag_name().name() == "userPermissions");
            let api = rights.any(|node| child(node, "name") == "ApiEnabled" && child(node, "enabled") == "true");
            assert!(api, "without it the host cannot sign in: {}", file.display());
        }
    }
    Ok(())
}

/// An upgrade writes the shipped records anew: what an admin decides stands in records of the admin's own, and those are known by this field.
#[test]
fn every_shipped_record_of_what_is_watched_says_that_it_is_shipped() -> Result<()> {
    let mut seen = 0;
    for file in files(&package().join("customMetadata"), ".md-meta.xml")? {
        let text = std::fs::read_to_string(&file)?;
        let xml = roxmltree::Document::parse(&text)?;
        let shipped = xml.descendants().filter(|node| node.tag_name().name() == "values").any(|node| {
            let texts: Vec<&str> = node.children().filter_map(|own| own.text()).map(str::trim).collect();
            texts.contains(&"Shipped__c") && texts.contains(&"true")
        });
        assert!(shipped, "{} would count as the admin's own", file.display());
        seen += 1;
    }
    assert!(seen > 40, "the records were found");
    for kind in ["Tandem_Watched_Object__mdt", "Tandem_Watched_Field__mdt"] {
        let field = package().join(format!("objects/{kind}/fields/Shipped__c.field-meta.xml"));
        let text = std::fs::read_to_string(&field).with_context(|| field.display().to_string())?;
        assert!(text.contains("<defaultValue>false</defaultValue>"), "a record that an admin makes is the admin's own");
    }
    Ok(())
}

/// A limit that is passed cannot be caught and fails the user's save: whatever writes or publishes on the way from a trigger asks first
/// whether there is room, in the same method. Publishing nothing is refused.
#[test]
fn whatever_a_trigger_writes_asks_for_room_first() -> Result<()> {
    let mut seen = 0;
    for (file, text) in classes(false)? {
        let name = file.file_stem().context("a name")?.to_string_lossy().into_owned();
        // Called by what a person presses, in a transaction of its own.
        if ["TandemActions", "TandemReviews", "TandemSetup", "TandemRecords"].contains(&name.as_str()) {
            continue;
        }
        for method in text.split("\n    }\n") {
            let writes = ["Database.insert(", "Database.update(", "TandemBus.publish(", " insert ", " update "];
            let code = method.lines().filter(|line| !line.trim_start().starts_with(['/', '*'])).collect::<String>();
            if writes.iter().any(|write| code.contains(write)) {
                seen += 1;
                let asked = code.contains("TandemRoom.isThereFor(") && code.contains(".isEmpty()");
                assert!(asked, "{name} writes without asking:{method}");
            }
            // What is published immediately costs nothing that counts.
            let may = ["TandemBus", "TandemSince"].contains(&name.as_str());
            assert!(!code.contains("EventBus.publish(") || may, "{name} publishes past TandemBus");
        }
    }
    assert_eq!(seen, 2, "the publish and the outbox");
    let bus = std::fs::read_to_string(package().join("classes/TandemBus.cls"))?;
    assert!(bus.contains("events.isEmpty() ?"), "an empty list is not published");
    Ok(())
}
