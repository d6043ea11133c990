//! What a person sees of a field and where one may be entered: page layouts, record pages, components.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};
use roxmltree::{Document, Node};

use crate::{files, package};

/// The component that shows fields where Salesforce has no field sections.
const FIELDS: &str = "tandemFields";

/// A field on a page.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shown {
    pub object: String,
    pub field: String,
    /// Whether a person who may edit it can do so here.
    pub editable: bool,
    /// The layout, page or component.
    pub place: String,
}

impl Shown {
    /// `Object.Field`, as a permission set names it.
    pub fn name(&self) -> String {
        format!("{}.{}", self.object, self.field)
    }
}

/// The text of an element's first child of this name.
pub fn child(node: Node<'_, '_>, name: &str) -> String {
    let found = node.children().find(|own| own.tag_name().name() == name);
    found.and_then(|own| own.text()).unwrap_or_default().to_owned()
}

/// The texts of all elements of this name below a node, in order.
pub fn texts(node: Node<'_, '_>, name: &str) -> Vec<String> {
    let found = node.descendants().filter(|own| own.tag_name().name() == name);
    found.map(|own| own.text().unwrap_or_default().to_owned()).collect()
}

/// The file's name without its ending.
pub fn stem(file: &Path, ending: &str) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().replace(ending, "")
}

/// Every field on a layout, on a record page, or in the component that shows fields.
pub fn shown() -> Result<Vec<Shown>> {
    let mut shown = on_layouts()?;
    shown.extend(on_pages()?);
    shown.extend(in_component()?);
    Ok(shown)
}

/// Fields on page layouts, with the same field twice where it stands twice.
pub fn on_layouts() -> Result<Vec<Shown>> {
    let mut shown = Vec::new();
    for file in layouts()? {
        let place = stem(&file, ".layout-meta.xml");
        let (object, _) = place.split_once('-').context("a layout is named Object-Name")?;
        let text = std::fs::read_to_string(&file)?;
        let xml = Document::parse(&text)?;
        for item in xml.descendants().filter(|node| node.tag_name().name() == "layoutItems") {
            let editable = child(item, "behavior") != "Readonly";
            shown.push(Shown {
                object: object.to_owned(),
                field: child(item, "field"),
                editable,
                place: place.clone(),
            });
        }
    }
    Ok(shown)
}

/// The files of the page layouts.
pub fn layouts() -> Result<Vec<std::path::PathBuf>> {
    let folder = package().join("layouts");
    if folder.is_dir() { files(&folder, ".layout-meta.xml") } else { Ok(Vec::new()) }
}

/// Fields in the field sections of record pages.
fn on_pages() -> Result<Vec<Shown>> {
    let mut shown = Vec::new();
    for file in files(&package().join("flexipages"), ".flexipage-meta.xml")? {
        let text = std::fs::read_to_string(&file)?;
        let xml = Document::parse(&text)?;
        let object = child(xml.root_element(), "sobjectType");
        for item in xml.descendants().filter(|node| node.tag_name().name() == "fieldInstance") {
            let field = child(item, "fieldItem");
            let field = field.strip_prefix("Record.").with_context(|| format!("{field} is no field of the record"))?;
            let editable = texts(item, "value").iter().all(|behaviour| behaviour != "readonly");
            let place = stem(&file, ".flexipage-meta.xml");
            shown.push(Shown { object: object.clone(), field: field.to_owned(), editable, place });
        }
    }
    Ok(shown)
}

/// Fields that the component shows: a person edits there what the platform lets them edit.
fn in_component() -> Result<Vec<Shown>> {
    let fields = imported(FIELDS)?.into_iter();
    Ok(fields.map(|(object, field)| Shown { object, field, editable: true, place: FIELDS.to_owned() }).collect())
}

/// Object and field of each `@salesforce/schema/…` of a component; none where there is no such component.
pub fn imported(component: &str) -> Result<BTreeSet<(String, String)>> {
    let folder = package().join("lwc").join(component);
    let mut found = BTreeSet::new();
    if !folder.is_dir() {
        return Ok(found);
    }
    for file in files(&folder, ".js")? {
        for import in std::fs::read_to_string(&file)?.split("@salesforce/schema/").skip(1) {
            let path: Vec<&str> = import.split('\'').next().unwrap_or_default().split('.').collect();
            if let [object, field] = path.as_slice() {
                found.insert(((*object).to_owned(), (*field).to_owned()));
            }
        }
    }
    Ok(found)
}
