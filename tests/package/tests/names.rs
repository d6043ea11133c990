//! The package and those who use it agree: every name that a plugin, the host, a class, a component, a page or a document
//! uses is declared; every field is in a permission set and has its German; every label is used.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tandem_e2e::root;
use tandem_package_tests::{files, german, package, project, sign_in};
use tandem_simulators::salesforce::schema::Schema;

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

/// The texts of all elements of this name.
fn texts(file: &Path, element: &str) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(file)?;
    let xml = roxmltree::Document::parse(&text).with_context(|| file.display().to_string())?;
    let found = xml.descendants().filter(|node| node.tag_name().name() == element);
    Ok(found.filter_map(|node| node.text().map(str::to_owned)).collect())
}

/// Names of the files of one kind, without its ending.
fn names(folder: &str, ending: &str) -> Result<BTreeSet<String>> {
    let found = files(&package().join(folder), ending)?;
    let name = |file: &PathBuf| file.file_name().unwrap_or_default().to_string_lossy().replace(ending, "");
    Ok(found.iter().map(name).collect())
}

fn is_declared_elsewhere(object: &str) -> bool {
    object.ends_with("__e") || object.ends_with("__mdt")
}

#[test]
fn every_name_used_is_declared() -> Result<()> {
    let declared = declared()?;
    let mut known: BTreeSet<String> = declared.values().flatten().cloned().collect();
    known.extend(declared.keys().cloned());
    let sources = [
        (root().join("plugins"), ".rs"),
        (root().join("host/src"), ".rs"),
        (root().join("tests/simulators/src"), ".rs"),
        (project(), ".xml"),
        (project(), ".cls"),
        (project(), ".trigger"),
        (project(), ".js"),
        (project(), ".json"),
        (root().join("docs"), ".md"),
    ];
    for (folder, ending) in sources {
        for file in files(&folder, ending)? {
            for word in words(&std::fs::read_to_string(&file)?) {
                assert!(known.contains(&word), "{} names {word}, which the package does not declare", file.display());
            }
        }
    }
    Ok(())
}

/// `@salesforce/schema/Account.Name`, also through a lookup: `Opportunity.Account.Name`.
#[test]
fn every_field_that_a_component_imports_is_there() -> Result<()> {
    let schema = Schema::load(&package())?;
    let mut seen = 0;
    for file in files(&package().join("lwc"), ".js")? {
        let text = std::fs::read_to_string(&file)?;
        for import in text.split("@salesforce/schema/").skip(1) {
            let path: Vec<&str> = import.split('\'').next().unwrap_or_default().split('.').collect();
            let (object, field) = match path.as_slice() {
                [object, field] => ((*object).to_owned(), field),
                [object, relation, field] => {
                    let (_, parent, _) = schema.parent(object, relation).with_context(|| path.join("."))?;
                    (parent.to_owned(), field)
                }
                other => anyhow::bail!("{}: {other:?}", file.display()),
            };
            assert!(schema.field(&object, field).is_some(), "{}: {object}.{field}", file.display());
            seen += 1;
        }
    }
    assert!(seen > 20, "the imports were found");
    Ok(())
}

/// But for the parent of a detail, which comes with the object.
#[test]
fn every_field_is_in_the_permission_sets_and_the_integration_user_may_write_it() -> Result<()> {
    let integration = granted("Tandem_Integration")?;
    let (user, admin) = (granted("Tandem_User")?, granted("Tandem_Admin")?);
    let declared = declared()?;
    let schema = Schema::load(&package())?;
    let given = |object: &str, field: &str| schema.field(object, field).is_some_and(|(_, spec)| spec.detail);
    for (object, fields) in declared.iter().filter(|(object, _)| !is_declared_elsewhere(object)) {
        for field in fields.iter().filter(|field| !given(object, field)) {
            let name = format!("{object}.{field}");
            assert_eq!(integration.get(&name), Some(&true), "{name}: the integration user must write it");
            assert!(admin.contains_key(&name), "{name}: an admin must see it");
            // The outbox is nobody's business but the admin's.
            assert_eq!(user.contains_key(&name), object != "Tandem_Outbox__c", "{name}: who may see it");
        }
    }
    for name in integration.keys().chain(user.keys()).chain(admin.keys()) {
        let (object, field) = name.split_once('.').context("Object.Field")?;
        // A permission is on the address as a whole.
        let field = field.strip_suffix("Address").map_or(field.to_owned(), |kind| format!("{kind}Street"));
        assert!(schema.field(object, &field).is_some(), "a permission set names {name}, which is not there");
    }
    Ok(())
}

/// A field of type *Currency* is shown, and summed up, in the currency of its record: only amounts in that currency may stand in one. Others are numbers,
/// with their currency beside them.
#[test]
fn an_amount_in_the_companys_currency_is_a_number_beside_its_currency() -> Result<()> {
    let mut seen = 0;
    for file in files(&package().join("objects"), ".field-meta.xml")? {
        let is_currency = texts(&file, "type")?.iter().any(|kind| kind == "Currency");
        let help = texts(&file, "inlineHelpText")?.concat();
        let of_the_record = help.contains("in the opportunity's currency");
        assert_eq!(is_currency, of_the_record, "{}: {help}", file.display());
        if help.contains("in company currency") {
            let folder = file.parent().context("a folder of fields")?;
            let beside = files(folder, "Currency__c.field-meta.xml")?;
            assert!(!beside.is_empty(), "{}: nothing says which currency", file.display());
            seen += 1;
        }
    }
    assert_eq!(seen, 16, "the amounts were found");
    Ok(())
}

#[test]
fn every_class_custom_permission_tab_and_page_that_is_named_is_there() -> Result<()> {
    let known = [
        ("apexClass", names("classes", ".cls")?),
        ("application", names("applications", ".app-meta.xml")?),
        ("flexiPage", names("flexipages", ".flexipage-meta.xml")?),
        ("content", names("flexipages", ".flexipage-meta.xml")?),
    ];
    for (element, names) in known {
        for file in files(&package(), ".xml")? {
            for name in texts(&file, element)? {
                assert!(names.contains(&name), "{} names {name} as {element}", file.display());
            }
        }
    }
    let tabs = names("tabs", ".tab-meta.xml")?;
    for file in files(&package(), ".xml")? {
        for tab in texts(&file, "tab")?.into_iter().chain(texts(&file, "tabs")?) {
            assert!(tab.starts_with("standard-") || tabs.contains(&tab), "{} names the tab {tab}", file.display());
        }
    }
    let permissions = names("customPermissions", ".customPermission-meta.xml")?;
    for file in files(&package().join("classes"), ".cls")? {
        for call in std::fs::read_to_string(&file)?.split("checkPermission('").skip(1) {
            let name = call.split('\'').next().unwrap_or_default();
            assert!(permissions.contains(name), "{} asks for {name}", file.display());
        }
    }
    for file in files(&package().join("flexipages"), ".xml")? {
        for component in texts(&file, "componentName")? {
            if let Some(own) = component.strip_prefix("c:") {
                assert!(package().join("lwc").join(own).is_dir(), "{} shows {component}", file.display());
            }
        }
    }
    Ok(())
}

#[test]
fn every_label_is_used_and_every_used_label_is_there() -> Result<()> {
    let labels = texts(&package().join("labels/CustomLabels.labels-meta.xml"), "fullName")?;
    let labels: BTreeSet<String> = labels.into_iter().collect();
    let mut used = BTreeSet::new();
    for (ending, marker) in
        [(".js", "@salesforce/label/c."), (".cls", "System.Label."), (".flexipage-meta.xml", "$Label.")]
    {
        for file in files(&package(), ending)? {
            let text = std::fs::read_to_string(&file)?;
            for name in text.split(marker).skip(1) {
                let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
                used.insert(name[..end].to_owned());
            }
        }
    }
    // Looked up by a name that is told later: `System.Label.get(…)`, and a test's mock of all labels.
    used.retain(|name| !matches!(name.as_str(), "get" | ""));
    assert_eq!(used, labels);
    Ok(())
}

#[test]
fn every_field_with_its_values_every_object_and_every_label_has_its_german() -> Result<()> {
    for (object, fields) in declared()?.iter().filter(|(object, _)| !is_declared_elsewhere(object)) {
        let folder = german().join(format!("objectTranslations/{object}-de"));
        if object.starts_with("Tandem_") {
            let values = texts(&folder.join(format!("{object}-de.objectTranslation-meta.xml")), "value")?;
            assert_eq!(values.len(), 8, "{object}: four cases, one and many");
        }
        let translated = files(&folder, ".fieldTranslation-meta.xml")?.len();
        assert_eq!(translated, fields.len(), "{object}: no more translations than fields");
        for field in fields {
            let german = folder.join(format!("{field}.fieldTranslation-meta.xml"));
            let own = package().join(format!("objects/{object}/fields/{field}.field-meta.xml"));
            for element in ["label", "help"] {
                let filled = texts(&german, element)?.into_iter().any(|text| !text.trim().is_empty());
                assert!(filled, "{object}.{field}: no German {element}");
            }
            let english = texts(&own, "inlineHelpText")?;
            assert!(english.iter().any(|text| !text.is_empty()), "{object}.{field} has no help text");
            let mut values = texts(&own, "fullName")?;
            values.remove(0);
            assert_eq!(texts(&german, "masterLabel")?, values, "{object}.{field}: the values of the picklist");
        }
    }
    let mut labels = texts(&package().join("labels/CustomLabels.labels-meta.xml"), "fullName")?;
    let file = german().join("translations/de.translation-meta.xml");
    let translated: BTreeSet<String> = texts(&file, "name")?.into_iter().collect();
    labels.retain(|label| !translated.contains(label));
    assert!(labels.is_empty(), "without German: {labels:?}");
    Ok(())
}

#[test]
fn nothing_in_the_package_is_a_secret_or_an_address() -> Result<()> {
    for ending in [".xml", ".cls", ".js", ".html", ".json"] {
        for file in files(&project().join("force-app"), ending)?.into_iter().chain(files(&sign_in(), ending)?) {
            let text = std::fs::read_to_string(&file)?;
            for word in [
                "<consumerSecret>",
                "<consumerKey>",
                "consumerSecret=",
                "my.salesforce.com",
                "password",
                "http://localhost",
            ] {
                assert!(!text.contains(word), "{} holds {word}", file.display());
            }
        }
    }
    let scopes =
        texts(&sign_in().join("extlClntAppOauthSettings/Tandem_oauth.ecaOauth-meta.xml"), "commaSeparatedOauthScopes")?;
    assert_eq!(scopes, ["Api"], "the host needs no more");
    Ok(())
}

/// The value of each label by its name: of the package, or of its German.
fn label_texts(file: &Path, name: &str, value: &str) -> Result<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(file)?;
    let xml = roxmltree::Document::parse(&text)?;
    let labels = xml.descendants().filter(|node| matches!(node.tag_name().name(), "labels" | "customLabels"));
    Ok(labels.map(|node| (child(node, name), child(node, value))).collect())
}

/// What the plugins and the host say: `say("orders.gone", "B1 has no order {number} any more", [("number", …)])` as English by key. Every
/// place has a parameter in the same file. Tests of the plugins are left out.
fn said() -> Result<BTreeMap<String, String>> {
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    let plugins = files(&root().join("plugins"), ".rs")?.into_iter().map(|file| (file, "say("));
    let host = files(&root().join("host/src"), ".rs")?.into_iter().map(|file| (file, "Question::say("));
    for (file, says) in plugins.chain(host) {
        let source = std::fs::read_to_string(&file)?;
        let source = source.split("#[cfg(test)]").next().unwrap_or_default();
        for call in source.split(says).skip(1).filter(|call| call.trim_start().starts_with('"')) {
            let (key, rest) = literal(call).with_context(|| format!("{}: a key", file.display()))?;
            let (english, _) = literal(rest).with_context(|| format!("{}: {key} has no English", file.display()))?;
            for place in places(&english) {
                assert!(source.contains(&format!("(\"{place}\",")), "{}: {key} has no {place}", file.display());
            }
            let other = said.insert(key.clone(), english.clone());
            assert!(other.is_none_or(|other| other == english), "{key} says two things");
        }
    }
    Ok(said)
}

/// The first string literal of a source, and what follows it.
fn literal(source: &str) -> Option<(String, &str)> {
    let (_, rest) = source.split_once('"')?;
    let ends = |place: &usize| rest[..*place].bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 0;
    let end = rest.match_indices('"').map(|(place, _)| place).find(ends)?;
    Some((rest[..end].replace("\\\"", "\""), &rest[end + 1..]))
}

/// Names of the places (`{number}`) in a text.
fn places(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect()
}

/// The string literals of a source, in order.
fn literals(mut source: &str) -> Vec<String> {
    let mut found = Vec::new();
    while let Some((text, rest)) = literal(source) {
        found.push(text);
        source = rest;
    }
    found
}

/// An answer says what it does in the same words on the command line and on the record.
#[test]
fn every_choice_reads_the_same_on_the_command_line_and_in_the_org() -> Result<()> {
    let table = std::fs::read_to_string(root().join("host/src/console/choices.rs"))?;
    let (_, table) = table.split_once("const CHOICES").context("a table of choices")?;
    let table = literals(table.split("];").next().unwrap_or_default());
    let host: BTreeMap<&str, &str> = table.chunks(2).map(|pair| (pair[0].as_str(), pair[1].as_str())).collect();
    let labels = label_texts(&package().join("labels/CustomLabels.labels-meta.xml"), "fullName", "value")?;
    let script = std::fs::read_to_string(package().join("lwc/tandemChoice/tandemChoice.js"))?;
    let (imports, rest) = script.split_once("const LABELS = {").context("a table of labels")?;
    let import = |line: &str| -> Option<(String, String)> {
        let (name, label) = line.strip_prefix("import ")?.split_once(" from '@salesforce/label/c.")?;
        Some((name.to_owned(), labels.get(label.trim_end_matches("';"))?.clone()))
    };
    let imports: BTreeMap<String, String> = imports.lines().filter_map(import).collect();
    let own = |line: &str| -> Option<(String, String)> {
        let (choice, name) = line.trim().trim_end_matches(',').split_once(": ")?;
        Some((choice.trim_matches(['\'', '"']).to_owned(), imports.get(name)?.clone()))
    };
    let own: BTreeMap<String, String> = rest.split("};").next().unwrap_or_default().lines().filter_map(own).collect();
    assert_eq!(own.iter().map(|(choice, does)| (choice.as_str(), does.as_str())).collect::<BTreeMap<_, _>>(), host);
    Ok(())
}

/// A reason that is new in a plugin has its label, its German and its line in `tandemReason`; one that is gone has none.
#[test]
fn every_reason_of_a_plugin_has_a_label_with_its_words_and_its_german() -> Result<()> {
    let said = said()?;
    assert!(said.len() > 90, "the reasons were found");
    let of_reasons = |labels: BTreeMap<String, String>| -> BTreeMap<String, String> {
        labels.into_iter().filter(|(name, _)| name.starts_with("Tandem_Said_")).collect()
    };
    let own = package().join("labels/CustomLabels.labels-meta.xml");
    let english = of_reasons(label_texts(&own, "fullName", "value")?);
    let file = german().join("translations/de.translation-meta.xml");
    let german = of_reasons(label_texts(&file, "name", "label")?);
    let phrases = std::fs::read_to_string(package().join("lwc/tandemReason/phrases.js"))?;
    for (key, words) in &said {
        let name = key.replace('.', "_");
        let label = format!("Tandem_Said_{name}");
        assert_eq!(english.get(&label), Some(words), "{label}: the words of {key}");
        let translated = german.get(&label).with_context(|| format!("{label} has no German"))?;
        assert_eq!(places(translated), places(words), "{label}: the places of its German");
        let import = format!("import SAID_{} from '@salesforce/label/c.{label}';", name.to_uppercase());
        let line = format!("'{key}': SAID_{}", name.to_uppercase());
        assert!(phrases.contains(&import) && phrases.contains(&line), "tandemReason/phrases.js has no {key}");
    }
    let labels: BTreeSet<String> = said.keys().map(|key| format!("Tandem_Said_{}", key.replace('.', "_"))).collect();
    assert_eq!(english.keys().cloned().collect::<BTreeSet<_>>(), labels, "labels of reasons that nobody says");
    Ok(())
}
