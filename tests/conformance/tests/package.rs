//! The package and those who use it agree: every field that a plugin, a class or a permission set names is declared, every
//! declared field is in a permission set, and the integration user may write what the plugins write.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn package() -> PathBuf {
    root().join("salesforce-package/force-app/main/default")
}

/// Files below a folder with this ending.
fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path, ending)?);
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Custom fields by object, as the metadata declares them.
fn declared() -> Result<BTreeMap<String, BTreeSet<String>>> {
    let mut declared: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files(&package().join("objects"), ".field-meta.xml")? {
        let object = file.parent().and_then(Path::parent).and_then(Path::file_name).context("objects/<name>/fields")?;
        let name = file.file_name().context("a file has a name")?.to_string_lossy().replace(".field-meta.xml", "");
        let text = std::fs::read_to_string(&file)?;
        assert!(text.contains(&format!("<fullName>{name}</fullName>")), "{} is named otherwise inside", file.display());
        declared.entry(object.to_string_lossy().into_owned()).or_default().insert(name);
    }
    Ok(declared)
}

/// Words of the package's kind (`Tandem_…__c`, `__e`, `__mdt`) in a text.
fn words(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("Tandem_") && ["__c", "__e", "__mdt"].iter().any(|end| word.ends_with(end)))
        .map(str::to_owned)
        .collect()
}

fn granted(set: &str) -> Result<BTreeMap<String, bool>> {
    let text = std::fs::read_to_string(package().join(format!("permissionsets/{set}.permissionset-meta.xml")))?;
    let xml = roxmltree::Document::parse(&text)?;
    let fields = xml.descendants().filter(|node| node.tag_name().name() == "fieldPermissions");
    Ok(fields.map(|node| (child(node, "field"), child(node, "editable") == "true")).collect())
}

fn child(node: roxmltree::Node<'_, '_>, name: &str) -> String {
    let found = node.children().find(|own| own.tag_name().name() == name);
    found.and_then(|own| own.text()).unwrap_or_default().to_owned()
}

#[test]
fn every_name_used_is_declared() -> Result<()> {
    let declared = declared()?;
    let mut known: BTreeSet<String> = declared.values().flatten().cloned().collect();
    known.extend(declared.keys().cloned());
    let sources = [
        (root().join("plugins"), ".rs"),
        (package().join("classes"), ".cls"),
        (package().join("triggers"), ".trigger"),
        (package().join("customMetadata"), ".md-meta.xml"),
        (root().join("docs"), ".md"),
    ];
    for (folder, ending) in sources {
        for file in files(&folder, ending)?.into_iter().filter(|file| !file.to_string_lossy().contains("/target/")) {
            for word in words(&std::fs::read_to_string(&file)?) {
                assert!(known.contains(&word), "{} names {word}, which the package does not declare", file.display());
            }
        }
    }
    Ok(())
}

#[test]
fn every_field_is_in_the_permission_sets_and_the_integration_user_may_write_it() -> Result<()> {
    let integration = granted("Tandem_Integration")?;
    let user = granted("Tandem_User")?;
    for (object, fields) in declared()? {
        // Fields of events and custom metadata need no permission.
        if object.ends_with("__e") || object.ends_with("__mdt") {
            continue;
        }
        for field in fields {
            let name = format!("{object}.{field}");
            assert_eq!(integration.get(&name), Some(&true), "{name}: the integration user must write it");
            assert!(user.contains_key(&name), "{name}: people must see it");
        }
    }
    let declared = declared()?;
    for name in integration.keys().chain(user.keys()) {
        let (object, field) = name.split_once('.').context("Object.Field")?;
        let there = declared.get(object).is_some_and(|fields| fields.contains(field));
        assert!(there, "the permission set names {name}, which is not declared");
    }
    Ok(())
}
