//! `$metadata`: the EDMX of everything served, written from `schema.rs` and the company's user fields and tables. OData 4.0
//! for v2, OData 3.0 for v1.

use std::fmt::Write;

use super::Version;
use super::database::Database;
use super::schema::{ENUMS, NAVIGATION, PARSED, SETS, Type, known_set};

/// The document.
pub fn document(db: &Database, version: Version) -> String {
    let mut text = String::with_capacity(64 << 10);
    let v2 = version == Version::V2;
    text.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    if v2 {
        text.push_str("<edmx:Edmx Version=\"4.0\" xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\"><edmx:DataServices><Schema Namespace=\"SAPB1\" xmlns=\"http://docs.oasis-open.org/odata/ns/edm\">");
    } else {
        text.push_str("<edmx:Edmx Version=\"1.0\" xmlns:edmx=\"http://schemas.microsoft.com/ado/2007/06/edmx\"><edmx:DataServices m:DataServiceVersion=\"3.0\" xmlns:m=\"http://schemas.microsoft.com/ado/2007/08/dataservices/metadata\"><Schema Namespace=\"SAPB1\" xmlns=\"http://schemas.microsoft.com/ado/2009/11/edm\">");
    }
    for (name, members) in ENUMS {
        let _ = write!(text, "<EnumType Name=\"{name}\">");
        for (value, member) in members.iter().enumerate() {
            let _ = write!(text, "<Member Name=\"{member}\" Value=\"{value}\"/>");
        }
        text.push_str("</EnumType>");
    }
    for (name, properties) in PARSED.iter() {
        let set = SETS.iter().find(|set| set.entity == *name);
        let table = match (*name, set) {
            ("DocumentLine", _) => "RDR1",
            ("BPAddress", _) => "CRD1",
            ("ContactEmployee", _) => "OCPR",
            (_, Some(set)) => set.table,
            _ => "",
        };
        let tag = if set.is_some() { "EntityType" } else { "ComplexType" };
        let _ = write!(text, "<{tag} Name=\"{name}\">");
        if let Some(set) = set {
            text.push_str("<Key>");
            for key in set.keys {
                let _ = write!(text, "<PropertyRef Name=\"{key}\"/>");
            }
            text.push_str("</Key>");
        }
        for property in properties {
            let key = set.is_some_and(|set| set.keys.contains(&property.name));
            let nullable = if key { " Nullable=\"false\"" } else { "" };
            let length = match property.kind {
                Type::Text(length) => format!(" MaxLength=\"{length}\""),
                _ => String::new(),
            };
            let _ = write!(
                text,
                "<Property Name=\"{}\" Type=\"{}\"{nullable}{length}/>",
                property.name,
                edm(&property.kind, v2)
            );
        }
        for (field, kind) in db.user_field_types(table) {
            let _ = write!(
                text,
                "<Property Name=\"{field}\" Type=\"{}\"/>",
                if kind == "db_Float" {
                    "Edm.Double"
                } else if kind == "db_Numeric" {
                    "Edm.Int32"
                } else {
                    "Edm.String"
                }
            );
        }
        if set.is_some() && v2 {
            for (_, relation, target, _, many) in NAVIGATION.iter().filter(|(entity, ..)| entity == name) {
                let entity = known_set(target).map_or("", |set| set.entity);
                let kind = if *many { format!("Collection(SAPB1.{entity})") } else { format!("SAPB1.{entity}") };
                let _ = write!(text, "<NavigationProperty Name=\"{relation}\" Type=\"{kind}\"/>");
            }
        }
        let _ = write!(text, "</{tag}>");
    }
    let user_tables: Vec<&String> = db.tables.keys().filter(|name| name.starts_with("U_")).collect();
    for table in &user_tables {
        let _ = write!(
            text,
            "<EntityType Name=\"{table}\"><Key><PropertyRef Name=\"Code\"/></Key><Property Name=\"Code\" Type=\"Edm.String\" Nullable=\"false\" MaxLength=\"50\"/><Property Name=\"Name\" Type=\"Edm.String\" MaxLength=\"100\"/>"
        );
        for (field, _) in db.user_field_types(&format!("@{}", &table[2..])) {
            let _ = write!(text, "<Property Name=\"{field}\" Type=\"Edm.String\"/>");
        }
        text.push_str("</EntityType>");
    }
    text.push_str("<EntityContainer Name=\"ServiceLayer\"");
    if !v2 {
        text.push_str(" m:IsDefaultEntityContainer=\"true\" xmlns:m=\"http://schemas.microsoft.com/ado/2007/08/dataservices/metadata\"");
    }
    text.push('>');
    let sets = SETS
        .iter()
        .map(|set| (set.name, set.entity))
        .chain(user_tables.iter().map(|name| (name.as_str(), name.as_str())));
    for (name, entity) in sets {
        let _ = write!(text, "<EntitySet Name=\"{name}\" EntityType=\"SAPB1.{entity}\"");
        let bound: Vec<_> = NAVIGATION.iter().filter(|(own, ..)| *own == entity && v2).collect();
        if bound.is_empty() {
            text.push_str("/>");
            continue;
        }
        text.push('>');
        for (_, relation, target, ..) in bound {
            let _ = write!(text, "<NavigationPropertyBinding Path=\"{relation}\" Target=\"{target}\"/>");
        }
        text.push_str("</EntitySet>");
    }
    text.push_str("</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>\n");
    text
}

fn edm(kind: &Type, v2: bool) -> String {
    match kind {
        Type::Text(_) => "Edm.String".into(),
        Type::Int => "Edm.Int32".into(),
        Type::Number => "Edm.Double".into(),
        Type::Day => if v2 { "Edm.DateTimeOffset" } else { "Edm.DateTime" }.into(),
        Type::Time => if v2 { "Edm.TimeOfDay" } else { "Edm.Time" }.into(),
        Type::Enum(name) => format!("SAPB1.{name}"),
        Type::Many(name) => format!("Collection(SAPB1.{name})"),
    }
}
