//! What a person finds on a page: every field that one may enter or read, of every object of the package; lists, search
//! results and headers with fields that are there. The simulator's own reading of the metadata says what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use roxmltree::Document;
use tandem_package_tests::shown::{Shown, child, imported, layouts, on_layouts, shown, stem, texts};
use tandem_package_tests::{files, german, package};
use tandem_simulators::salesforce::schema::Schema;

/// The sets that people have; the host's user and what loads sample data use no pages.
const PEOPLE: [&str; 3] = ["Tandem_User", "Tandem_Reviewer", "Tandem_Admin"];
/// What only components read: keys and parameters of a sentence.
const MACHINES: [&str; 2] = ["Account.Tandem_Sync_Said__c", "Opportunity.Tandem_Sync_Said__c"];

fn read(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).with_context(|| file.display().to_string())
}

/// Fields that people may read, and whether one may edit them.
fn granted() -> Result<BTreeMap<String, bool>> {
    let mut granted = BTreeMap::new();
    for set in PEOPLE {
        let text = read(&package().join(format!("permissionsets/{set}.permissionset-meta.xml")))?;
        let xml = Document::parse(&text)?;
        for node in xml.descendants().filter(|node| node.tag_name().name() == "fieldPermissions") {
            *granted.entry(child(node, "field")).or_default() |= child(node, "editable") == "true";
        }
    }
    Ok(granted)
}

/// The package's own objects that people work with.
fn objects() -> Result<Vec<String>> {
    let found = files(&package().join("objects"), "__c.object-meta.xml")?;
    Ok(found.iter().map(|file| stem(file, ".object-meta.xml")).filter(|name| name.starts_with("Tandem_")).collect())
}

/// The schema's name of a field in a list or a search result.
fn own_name(field: &str) -> &str {
    match field {
        "NAME" => "Name",
        "CREATED_DATE" => "CreatedDate",
        own => own,
    }
}

fn is_there(schema: &Schema, object: &str, field: &str) -> bool {
    schema.field(object, own_name(field)).is_some()
}

#[test]
fn every_field_that_a_person_may_edit_is_entered_on_a_page() -> Result<()> {
    let entered: BTreeSet<String> = shown()?.iter().filter(|one| one.editable).map(Shown::name).collect();
    let lacking: Vec<String> =
        granted()?.into_iter().filter(|(name, edit)| *edit && !entered.contains(name)).map(|(name, _)| name).collect();
    assert_eq!(lacking, Vec::<String>::new(), "may be edited, and stand on no page");
    Ok(())
}

#[test]
fn every_field_that_a_person_may_read_is_on_a_page_or_in_a_component() -> Result<()> {
    let mut seen: BTreeSet<String> = shown()?.iter().map(Shown::name).collect();
    for component in std::fs::read_dir(package().join("lwc"))? {
        let name = component?.file_name().to_string_lossy().into_owned();
        seen.extend(imported(&name)?.into_iter().map(|(object, field)| format!("{object}.{field}")));
    }
    let lacking: Vec<String> =
        granted()?.into_keys().filter(|name| !seen.contains(name) && !MACHINES.contains(&name.as_str())).collect();
    assert_eq!(lacking, Vec::<String>::new(), "may be read, and stand nowhere");
    Ok(())
}

/// An amount in company currency says nothing without its currency, which stands behind it in every list, header and section.
#[test]
fn where_the_companys_amounts_stand_their_currency_stands() -> Result<()> {
    let of_invoice = ["Total", "Paid", "Open"].map(|name| format!("Tandem_{name}__c"));
    let of_account = ["Open_Amount", "Overdue", "Balance"].map(|name| format!("Tandem_{name}__c"));
    let rules = [
        (of_invoice.as_slice(), "Tandem_Company_Currency__c"),
        (&["Tandem_Amount__c".to_owned()], "Tandem_Currency__c"),
        (&of_account, "Tandem_Currency__c"),
    ];
    let mut seen = 0;
    for folder in ["layouts", "flexipages", "objects/Tandem_Invoice__c", "objects/Tandem_Payment__c"] {
        for file in files(&package().join(folder), ".xml")?.into_iter().filter(|file| !is_field(file)) {
            let text = read(&file)?;
            // An opportunity's own *Invoiced* and *Paid* are in its currency.
            if text.contains("<sobjectType>Opportunity</sobjectType>") {
                continue;
            }
            for (amounts, currency) in rules {
                if amounts.iter().any(|amount| names(&text, amount)) {
                    assert!(names(&text, currency), "{}: amounts without {currency}", file.display());
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 12, "{seen}");
    Ok(())
}

fn is_field(file: &Path) -> bool {
    file.parent().is_some_and(|folder| folder.ends_with("fields"))
}

fn names(text: &str, field: &str) -> bool {
    text.contains(&format!(">{field}<")) || text.contains(&format!(">Record.{field}<"))
}

/// A field that only the host writes invites nobody to type.
#[test]
fn a_page_offers_to_edit_what_a_person_may_edit_and_nothing_else() -> Result<()> {
    let (granted, schema) = (granted()?, Schema::load(&package())?);
    // The parent of a detail is required on every layout; whoever may not edit the record is not offered it either.
    let is_parent = |one: &Shown| schema.field(&one.object, &one.field).is_some_and(|(_, field)| field.detail);
    let own = |one: &Shown| one.field.starts_with("Tandem_") && one.place != "tandemFields" && !is_parent(one);
    for one in shown()?.into_iter().filter(own) {
        let may = granted.get(&one.name()).copied().unwrap_or_default();
        assert_eq!(one.editable, may, "{} on {}", one.name(), one.place);
    }
    Ok(())
}

/// Refused otherwise: `Field:Name must not be Required` of an auto number, `Field:… must be Required` of a name that people give and of the
/// parent of a detail.
#[test]
fn a_layout_asks_for_what_is_required_and_for_no_number_that_the_org_gives() -> Result<()> {
    let schema = Schema::load(&package())?;
    let mut seen = 0;
    for file in layouts()? {
        let place = stem(&file, ".layout-meta.xml");
        let (object, _) = place.split_once('-').context("Object-Name")?;
        let text = read(&file)?;
        for item in Document::parse(&text)?.descendants().filter(|node| node.tag_name().name() == "layoutItems") {
            let (_, field) = schema.field(object, &child(item, "field")).with_context(|| place.clone())?;
            let behavior = child(item, "behavior");
            if field.read_only {
                assert_eq!(behavior, "Readonly", "{place}: {}", child(item, "field"));
            } else if field.detail || child(item, "field") == "Name" {
                assert_eq!(behavior, "Required", "{place}: {}", child(item, "field"));
                seen += 1;
            }
        }
    }
    assert!(seen > 8, "{seen}: names and parents were seen");
    Ok(())
}

#[test]
fn every_object_has_a_layout_with_each_of_its_fields_once() -> Result<()> {
    let shown = on_layouts()?;
    for object in objects()? {
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for one in shown.iter().filter(|one| one.object == object) {
            *places.entry(&one.field).or_default() += 1;
        }
        assert_eq!(places.get("Name"), Some(&1), "{object}: every record has a name");
        for file in files(&package().join("objects").join(&object).join("fields"), ".field-meta.xml")? {
            let field = stem(&file, ".field-meta.xml");
            assert_eq!(places.get(field.as_str()), Some(&1), "{object}.{field} on a layout");
        }
        // Named as the one that Salesforce makes with the object: it takes its place, and needs no assignment.
        let label = child(Document::parse(&read(&object_file(&object))?)?.root_element(), "label");
        assert!(layouts()?.iter().any(|file| stem(file, ".layout-meta.xml") == format!("{object}-{label} Layout")));
    }
    Ok(())
}

#[test]
fn every_field_that_a_page_names_is_there() -> Result<()> {
    let schema = Schema::load(&package())?;
    let all = shown()?;
    assert!(all.len() > 100, "{}: the pages were read", all.len());
    for one in all {
        assert!(is_there(&schema, &one.object, &one.field), "{} on {}", one.name(), one.place);
    }
    Ok(())
}

fn object_file(object: &str) -> std::path::PathBuf {
    package().join(format!("objects/{object}/{object}.object-meta.xml"))
}

#[test]
fn every_object_has_a_header_search_results_and_lists_beyond_all() -> Result<()> {
    let schema = Schema::load(&package())?;
    for object in objects()? {
        let folder = package().join("objects").join(&object);
        let text = read(&object_file(&object))?;
        let xml = Document::parse(&text)?;
        let header = child(xml.root_element(), "compactLayoutAssignment");
        let compact = read(&folder.join(format!("compactLayouts/{header}.compactLayout-meta.xml")))
            .with_context(|| format!("{object} has the header SYSTEM, which is its name alone"))?;
        let header = texts(Document::parse(&compact)?.root_element(), "fields");
        assert!((3..=10).contains(&header.len()) && header[0] == "Name", "{object}: {header:?}");
        let results = texts(xml.root_element(), "searchResultsAdditionalFields");
        assert!(!results.is_empty(), "{object}: search results show its name alone");
        let mut lists = 0;
        for file in files(&folder.join("listViews"), ".listView-meta.xml")? {
            let text = read(&file)?;
            let list = Document::parse(&text)?;
            let columns = texts(list.root_element(), "columns");
            assert!(columns.len() > 3, "{}: {columns:?}", file.display());
            for field in columns.iter().chain(&texts(list.root_element(), "field")) {
                assert!(is_there(&schema, &object, field), "{} names {field}", file.display());
            }
            for filter in list.descendants().filter(|node| node.tag_name().name() == "filters") {
                let (_, field) = schema.field(&object, own_name(&child(filter, "field"))).context("a field")?;
                let known = field.picklist.is_empty() || field.picklist.contains(&child(filter, "value"));
                assert!(known, "{}: {} is no value", file.display(), child(filter, "value"));
            }
            lists += 1;
        }
        assert!(lists > 1, "{object} has only the list of all");
        for field in header.iter().chain(&results).chain(&texts(xml.root_element(), "customTabListAdditionalFields")) {
            assert!(is_there(&schema, &object, field), "{object} names {field}");
        }
    }
    Ok(())
}

/// What hangs on a record is listed on it: on a layout by the lookup, on a record page by the lookup's name for it.
#[test]
fn what_belongs_to_a_record_is_listed_on_its_page() -> Result<()> {
    let schema = Schema::load(&package())?;
    let mut listed = BTreeSet::new();
    for file in layouts()? {
        let text = read(&file)?;
        let xml = Document::parse(&text)?;
        for list in xml.descendants().filter(|node| node.tag_name().name() == "relatedLists") {
            let name = child(list, "relatedList");
            let (child_object, lookup) = name.split_once('.').context("Object.Lookup")?;
            let (_, field) = schema.field(child_object, lookup).with_context(|| name.clone())?;
            let (parent, _) = field.parent.clone().context("a lookup")?;
            for column in texts(list, "fields") {
                assert!(is_there(&schema, child_object, &column), "{}: {column}", file.display());
            }
            listed.insert((parent, child_object.to_owned()));
        }
    }
    for file in files(&package().join("flexipages"), ".flexipage-meta.xml")? {
        let text = read(&file)?;
        let xml = Document::parse(&text)?;
        let parent = child(xml.root_element(), "sobjectType");
        for list in xml.descendants().filter(|node| node.tag_name().name() == "componentInstance") {
            let values = properties(list);
            let Some(relation) = values.get("relatedListApiName") else { continue };
            let (child_object, _, _) = schema.children(&parent, &relation[0]).with_context(|| relation[0].clone())?;
            assert_eq!(values["parentFieldApiName"], [format!("{parent}.Id")], "{}", file.display());
            for column in values["relatedListFieldAliases"].iter().chain(&values["sortFieldAlias"]) {
                assert!(is_there(&schema, child_object, column), "{}: {column}", file.display());
            }
            listed.insert((parent.clone(), child_object.to_owned()));
        }
    }
    let expected = [
        ("Account", "Tandem_Invoice__c"),
        ("Account", "Tandem_Payment__c"),
        ("Account", "Tandem_Delivery__c"),
        ("Account", "Tandem_Special_Price__c"),
        ("Account", "Tandem_Review__c"),
        ("Opportunity", "Tandem_Review__c"),
        ("Product2", "Tandem_Stock__c"),
        ("Product2", "Tandem_Special_Price__c"),
        ("Tandem_Invoice__c", "Tandem_Payment__c"),
    ];
    for (parent, own) in expected {
        assert!(listed.contains(&(parent.to_owned(), own.to_owned())), "{own} of a {parent}: {listed:?}");
    }
    Ok(())
}

/// A related list is sorted by a column that it shows, and by no other.
#[test]
fn a_related_list_is_sorted_by_what_it_shows() -> Result<()> {
    let mut unshown = Vec::new();
    for file in layouts()? {
        let text = read(&file)?;
        let xml = Document::parse(&text)?;
        for list in xml.descendants().filter(|node| node.tag_name().name() == "relatedLists") {
            let columns = texts(list, "fields");
            let sorted = texts(list, "sortField").into_iter().filter(|by| !columns.contains(by));
            unshown.extend(sorted.map(|by| format!("{}: {by}", child(list, "relatedList"))));
        }
    }
    for file in files(&package().join("flexipages"), ".flexipage-meta.xml")? {
        let text = read(&file)?;
        let xml = Document::parse(&text)?;
        for list in xml.descendants().filter(|node| node.tag_name().name() == "componentInstance") {
            let values = properties(list);
            let Some(relation) = values.get("relatedListApiName") else { continue };
            let columns = &values["relatedListFieldAliases"];
            let sorted = values["sortFieldAlias"].iter().filter(|by| !columns.contains(by));
            unshown.extend(sorted.map(|by| format!("{} {}: {by}", stem(&file, ".flexipage-meta.xml"), relation[0])));
        }
    }
    assert_eq!(unshown, Vec::<String>::new());
    Ok(())
}

/// A component's properties on a page: each name with its value or its list of values.
fn properties(component: roxmltree::Node<'_, '_>) -> BTreeMap<String, Vec<String>> {
    let own = component.children().filter(|node| node.tag_name().name() == "componentInstanceProperties");
    own.map(|node| {
        (child(node, "name"), texts(node, "value").into_iter().filter(|text| !text.trim().is_empty()).collect())
    })
    .collect()
}

/// What Salesforce refuses: a facet that is not there or that nobody shows, and an identifier that stands twice.
#[test]
fn a_record_page_hangs_together() -> Result<()> {
    for file in files(&package().join("flexipages"), ".flexipage-meta.xml")? {
        let text = read(&file)?;
        let xml = Document::parse(&text)?;
        let regions = xml.descendants().filter(|node| node.tag_name().name() == "flexiPageRegions");
        let facets: BTreeSet<String> =
            regions.filter(|node| child(*node, "type") == "Facet").map(|node| child(node, "name")).collect();
        let components = xml.descendants().filter(|node| node.tag_name().name() == "componentInstance");
        let used: Vec<String> = components
            .flat_map(|node| properties(node).into_iter())
            .filter(|(name, _)| name == "columns" || name == "body")
            .flat_map(|(_, values)| values)
            .collect();
        assert_eq!(used.iter().cloned().collect::<BTreeSet<_>>(), facets, "{}", file.display());
        assert_eq!(used.len(), facets.len(), "{}: a facet is shown once", file.display());
        let identifiers = texts(xml.root_element(), "identifier");
        let different: BTreeSet<&String> = identifiers.iter().collect();
        assert_eq!(different.len(), identifiers.len(), "{}: {identifiers:?}", file.display());
    }
    Ok(())
}

/// A page that no app and no object opens is seen by nobody.
#[test]
fn every_record_page_is_opened() -> Result<()> {
    let mut opened = BTreeSet::new();
    for file in files(&package().join("applications"), ".xml")?
        .into_iter()
        .chain(files(&package().join("objects"), "__c.object-meta.xml")?)
    {
        let text = read(&file)?;
        opened.extend(texts(Document::parse(&text)?.root_element(), "content"));
    }
    for file in files(&package().join("flexipages"), ".flexipage-meta.xml")? {
        let page = stem(&file, ".flexipage-meta.xml");
        let text = read(&file)?;
        let is_record = child(Document::parse(&text)?.root_element(), "type") == "RecordPage";
        assert!(!is_record || opened.contains(&page), "{page}: {opened:?}");
    }
    Ok(())
}

#[test]
fn every_section_of_a_layout_has_its_german() -> Result<()> {
    for file in layouts()? {
        let place = stem(&file, ".layout-meta.xml");
        let (object, layout) = place.split_once('-').context("Object-Name")?;
        let text = read(&file)?;
        let xml = Document::parse(&text)?;
        let sections = xml.descendants().filter(|node| node.tag_name().name() == "layoutSections");
        let own: BTreeSet<String> =
            sections.filter(|node| child(*node, "customLabel") == "true").map(|node| child(node, "label")).collect();
        let text =
            read(&german().join(format!("objectTranslations/{object}-de/{object}-de.objectTranslation-meta.xml")))?;
        let xml = Document::parse(&text)?;
        let found =
            xml.descendants().find(|node| node.tag_name().name() == "layouts" && child(*node, "layout") == layout);
        let found = found.with_context(|| format!("{place} has no German"))?;
        let translated = found.children().filter(|node| node.tag_name().name() == "sections");
        let translated: BTreeSet<String> =
            translated.filter(|node| !child(*node, "label").is_empty()).map(|node| child(node, "section")).collect();
        assert_eq!(translated, own, "{place}");
    }
    Ok(())
}
