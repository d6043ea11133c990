//! A mapping plugin as it was loaded, of whichever version of the contract: what it says of itself, and how it is called.

use serde::Serialize;
use serde_json::{Map, Value};
use wasmtime::Store;
use wasmtime::component::{Component, InstancePre};

use crate::mapping::Mapping;
use crate::plain::is_plain;
use crate::sandbox::bindings::v0_2::tandem::plugin::mapper_description as contract;
use crate::sandbox::bindings::{v0_1, v0_2};
use crate::sandbox::description::is_name;
use crate::sandbox::run::RunState;
use crate::sandbox::runtime::exports;

/// A loaded mapping plugin.
pub struct MapperCode {
    /// SHA-256 of the file, hex.
    pub digest: String,
    /// What it says of itself; none of contract 0.1.0, which has no word for it.
    pub description: Option<MapperDescription>,
    pub(in crate::sandbox) calls: Calls,
}

/// What a mapping plugin says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MapperDescription {
    /// Also the file's name.
    pub name: String,
    /// Semantic version.
    pub version: String,
    /// For people.
    pub title: String,
    /// What it does with each section that it is asked about.
    pub sections: Vec<MapperSection>,
}

/// What a mapping plugin does with one section of the mapping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MapperSection {
    /// As the flow's plugin calls it; of a two-way section one direction: `account.to-b1`.
    pub name: String,
    /// Paths below the source record, such as `Account.BillingPostalCode`.
    pub reads: Vec<String>,
    /// Fields of the target record, as rules name them: `U_Region`, `BillTo.Street`.
    pub sets: Vec<String>,
}

impl MapperCode {
    /// The mapping with what it says of itself; the error is what it must not set.
    pub fn within(&self, mapping: Mapping) -> Result<Mapping, String> {
        let mut sections = self.description.iter().flat_map(|own| &own.sections);
        sections.try_fold(mapping, |mapping, own| mapping.with_plugin(&own.name, &own.reads, &own.sets))
    }
}

impl MapperDescription {
    /// Of the sections that it is asked about.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sections.iter().map(|section| section.name.as_str())
    }

    /// What it does with a section; none where it has nothing to do with it.
    pub fn section(&self, name: &str) -> Option<&MapperSection> {
        self.sections.iter().find(|section| section.name == name)
    }
}

impl MapperSection {
    /// The record with what the plugin set; the error is a field that it must not.
    pub(super) fn over(&self, mapped: &str, set: Map<String, Value>) -> Result<String, String> {
        if let Some(other) = set.keys().find(|field| !self.sets.contains(field)) {
            let other: String = other.chars().take(100).collect();
            let may = if self.sets.is_empty() { "nothing".into() } else { self.sets.join(", ") };
            return Err(format!("set {other}, and it says that it sets {may} in {}", self.name));
        }
        let mut record: Map<String, Value> = serde_json::from_str(mapped).map_err(|e| e.to_string())?;
        record.extend(set);
        Ok(Value::Object(record).to_string())
    }
}

/// What it is asked about.
pub(super) struct Record {
    /// Of the mapping.
    pub section: String,
    /// As it was read, JSON.
    pub source: String,
    /// What the rules gave, JSON.
    pub mapped: String,
}

/// How it is called.
#[derive(Clone)]
pub(in crate::sandbox) enum Calls {
    V0_1(v0_1::mapper::MapperPre<RunState>),
    V0_2(v0_2::MapperPre<RunState>),
}

impl Calls {
    /// By what the component offers: what describes itself as a mapping plugin does is of 0.2.0.
    pub(in crate::sandbox) fn of(component: &Component, pre: InstancePre<RunState>) -> wasmtime::Result<Self> {
        let newer = v0_2::MapperPre::new(pre.clone()).map(Self::V0_2);
        newer.or_else(|error| {
            // Whose description does not fit is told why; one of 0.1.0 may be a flow plugin, too.
            let older = v0_1::mapper::MapperPre::new(pre).map(Self::V0_1);
            older.map_err(|older| if exports(component, "describe") { error } else { older })
        })
    }

    /// What it says of itself, unread yet; none of 0.1.0.
    pub(in crate::sandbox) async fn describe(
        &self,
        store: &mut Store<RunState>,
    ) -> wasmtime::Result<Option<contract::Description>> {
        match self {
            Self::V0_1(_) => Ok(None),
            Self::V0_2(pre) => Ok(Some(pre.instantiate_async(&mut *store).await?.call_describe(store).await?)),
        }
    }

    /// One record.
    pub(super) async fn map(
        &self,
        store: &mut Store<RunState>,
        record: &Record,
    ) -> wasmtime::Result<Result<String, String>> {
        let Record { section, source, mapped } = record;
        match self {
            Self::V0_1(pre) => pre.instantiate_async(&mut *store).await?.call_map(store, section, source, mapped).await,
            Self::V0_2(pre) => pre.instantiate_async(&mut *store).await?.call_map(store, section, source, mapped).await,
        }
    }
}

/// Parses at the border: paths go into queries, names into consents.
pub(in crate::sandbox) fn checked(raw: contract::Description) -> Result<MapperDescription, String> {
    const SECTIONS: usize = 100;
    const FIELDS: usize = 500;
    const LINE: usize = 1_000;
    let most = |what: &str, length: usize, most: usize| match length {
        0.. if length <= most => Ok(()),
        _ => Err(format!("{what} has {length} entries; at most {most} are read")),
    };
    if !is_name(&raw.name) {
        let name: String = raw.name.chars().take(80).collect();
        return Err(format!("name = {name:?}: lower case letters, digits and dashes, at most 40"));
    }
    for (what, text, most) in [("version", &raw.version, 100), ("title", &raw.title, LINE)] {
        if text.len() > most || !text.chars().all(is_plain) {
            return Err(format!("{what}: a line of at most {most} bytes without control characters"));
        }
    }
    most("sections", raw.sections.len(), SECTIONS)?;
    let mut sections: Vec<MapperSection> = Vec::new();
    for contract::Section { name, reads, sets } in raw.sections {
        if !name.split('.').all(is_word) || name.len() > 200 {
            return Err(format!("section {:?} is no section's name", name.chars().take(80).collect::<String>()));
        }
        if sections.iter().any(|other| other.name == name) {
            return Err(format!("two sections are called {name}"));
        }
        most(&format!("reads of {name}"), reads.len(), FIELDS)?;
        most(&format!("sets of {name}"), sets.len(), FIELDS)?;
        let path = |path: &String| path.len() <= 200 && !path.contains('-') && path.split('.').all(is_word);
        if let Some(bad) = reads.iter().find(|own| !path(own)) {
            let bad: String = bad.chars().take(80).collect();
            return Err(format!("section {name} reads {bad:?}, which is no path such as Account.BillingPostalCode"));
        }
        if let Some(bad) = sets.iter().find(|own| !path(own)) {
            let bad: String = bad.chars().take(80).collect();
            return Err(format!("section {name} sets {bad:?}, which is no field's name"));
        }
        sections.push(MapperSection { name, reads, sets });
    }
    Ok(MapperDescription { name: raw.name, version: raw.version, title: raw.title, sections })
}

/// A field's name, or a part of a section's.
fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn described() -> contract::Description {
        let section = contract::Section {
            name: "account.to-b1".into(),
            reads: vec!["Account.BillingPostalCode".into()],
            sets: vec!["U_Region".into()],
        };
        contract::Description {
            name: "regions".into(),
            version: "1.0.0".into(),
            title: "Regions".into(),
            sections: vec![section],
        }
    }

    #[test]
    fn what_it_says_of_itself_is_bounded_and_names_fields_and_nothing_else() {
        assert!(checked(described()).is_ok());
        let changed = |change: fn(&mut contract::Description)| {
            let mut own = described();
            change(&mut own);
            checked(own)
        };
        let bad: [fn(&mut contract::Description); 11] = [
            |own| own.name = "../regions".into(),
            |own| own.title = "\u{1b}[2J".into(),
            |own| own.version = "1".repeat(101),
            |own| own.sections = vec![own.sections[0].clone(); 2],
            |own| {
                let named = |n| contract::Section { name: format!("s{n}"), ..own.sections[0].clone() };
                own.sections = (0..101).map(named).collect();
            },
            |own| own.sections[0].name = "header, (SELECT".into(),
            |own| own.sections[0].reads = vec!["(SELECT Id FROM Contacts)".into()],
            |own| own.sections[0].reads = vec!["Id FROM User".into()],
            |own| own.sections[0].reads = vec!["A".into(); 501],
            |own| own.sections[0].sets = vec!["U_Region/CardCode".into()],
            |own| own.sections[0].sets = vec![String::new()],
        ];
        for change in bad {
            assert!(changed(change).is_err());
        }
    }

    #[test]
    fn what_it_does_not_set_stays_digit_for_digit_and_what_it_must_not_set_is_refused() {
        let section = &checked(described()).unwrap().sections[0];
        let fields = |value: Value| value.as_object().cloned().unwrap();
        let mapped = r#"{"DocTotal":1234.50,"U_Region":"?"}"#;
        let over = section.over(mapped, fields(json!({ "U_Region": "West" })));
        assert_eq!(over, Ok(r#"{"DocTotal":1234.50,"U_Region":"West"}"#.into()));
        assert_eq!(section.over(mapped, Map::new()), Ok(mapped.into()));
        let refused = section.over(mapped, fields(json!({ "CardCode": "C1" }))).unwrap_err();
        assert!(refused.contains("set CardCode") && refused.contains("U_Region in account.to-b1"), "{refused}");
    }
}
