//! The package's platform events: how they are published, what they carry, and that the host may and does listen to them.

use std::collections::BTreeSet;

use anyhow::Result;
use tandem_e2e::root;
use tandem_package_tests::package;
use tandem_simulators::salesforce::schema::Schema;

fn read(path: &str) -> Result<String> {
    Ok(std::fs::read_to_string(package().join(path))?)
}

/// A look that is asked for only when the transaction commits would cost it a statement that it has not.
#[test]
fn a_change_is_told_after_the_commit_and_a_look_is_asked_for_at_once() -> Result<()> {
    for (event, behavior) in [("Tandem_Change__e", "PublishAfterCommit"), ("Tandem_Since__e", "PublishImmediately")] {
        let text = read(&format!("objects/{event}/{event}.object-meta.xml"))?;
        assert!(text.contains(&format!("<publishBehavior>{behavior}</publishBehavior>")), "{event}");
        assert!(text.contains("<eventType>HighVolume</eventType>"), "{event}");
    }
    Ok(())
}

#[test]
fn who_asks_for_a_look_sets_every_field_of_the_event() -> Result<()> {
    let class = read("classes/TandemSince.cls")?;
    let declared = &Schema::load(&package())?.events["Tandem_Since__e"];
    assert!(declared.len() >= 3, "{declared:?}");
    for (field, _) in declared {
        assert!(class.contains(&format!("{field} = ")), "{field}");
    }
    Ok(())
}

/// No place of the queue is taken: asynchronous Apex may enqueue one job, and it is somebody else's. Nor does a test wait for one.
#[test]
fn no_class_enqueues_a_job() -> Result<()> {
    for file in tandem_package_tests::files(&package().join("classes"), ".cls")? {
        let class = std::fs::read_to_string(&file)?;
        for word in ["enqueueJob", "@future", "executeBatch"] {
            assert!(!class.contains(word), "{}: {word}", file.display());
        }
        let waits = |line: &&str| line.contains("Limits.getQueueableJobs()") && line.contains(" + ");
        let found = class.lines().find(waits);
        assert_eq!(found, None, "{}", file.display());
    }
    Ok(())
}

#[test]
fn the_host_listens_to_every_event_and_the_integration_user_may_read_them_and_what_is_watched() -> Result<()> {
    let set = read("permissionsets/Tandem_Integration.permissionset-meta.xml")?;
    let xml = roxmltree::Document::parse(&set)?;
    let named = |element: &str, name: &str, allowed: &str| -> BTreeSet<String> {
        let nodes = xml.descendants().filter(|node| node.tag_name().name() == element);
        let text = |node: roxmltree::Node<'_, '_>, name: &str| {
            let own = node.children().find(|own| own.tag_name().name() == name);
            own.and_then(|own| own.text()).unwrap_or_default().to_owned()
        };
        nodes.filter(|node| text(*node, allowed) == "true").map(|node| text(node, name)).collect()
    };
    let objects = named("objectPermissions", "object", "allowRead");
    let metadata = named("customMetadataTypeAccesses", "name", "enabled");
    let config = std::fs::read_to_string(root().join("host/src/config/mod.rs"))?;
    let mut seen = 0;
    for folder in std::fs::read_dir(package().join("objects"))? {
        let name = folder?.file_name().to_string_lossy().into_owned();
        if name.ends_with("__e") {
            assert!(objects.contains(&name), "the integration user may not read {name}");
            assert!(config.contains(&format!("\"/event/{name}\"")), "nobody listens to {name}");
            seen += 1;
        } else if name.ends_with("__mdt") {
            assert!(metadata.contains(&name), "the integration user may not read {name}");
            seen += 1;
        }
    }
    assert!(seen >= 4, "{seen}");
    Ok(())
}
