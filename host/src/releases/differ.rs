//! What differs between two releases of a flow.

use serde::Serialize;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use super::{Code, Component, Manifest, Release, short};
use crate::sandbox::Permission;

/// A component as people read it.
pub fn component(part: &Component) -> String {
    format!("{} ({})", part.words(), short(&part.digest))
}

/// What the code of a release asks for, each with whose it is.
pub fn asks_of(release: &Release) -> Vec<(String, Permission)> {
    let codes = release.codes();
    let of = |code: &Code| {
        let name = code.short_name().to_owned();
        code.all().into_iter().map(move |permission| (name.clone(), permission)).collect::<Vec<_>>()
    };
    codes.iter().flat_map(of).collect()
}

/// What differs between two releases.
#[derive(Debug, Serialize)]
pub struct Difference {
    /// `plugin`, `settings.tax_code`, `may`…
    pub what: String,
    /// Null where there was none.
    pub before: Value,
    /// Null where there is none.
    pub after: Value,
}

/// What differs between two releases but their mappings.
pub fn differences(before: &Release, after: &Release) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut tell = |what: String, before: Value, after: Value| {
        if before != after {
            found.push(Difference { what, before, after });
        }
    };
    let (old, new) = (&before.manifest, &after.manifest);
    tell("plugin".into(), component(&old.plugin).into(), component(&new.plugin).into());
    let mapper = |manifest: &Manifest| Value::from(manifest.mapper.as_ref().map(component));
    tell("mapping plugin".into(), mapper(old), mapper(new));
    let none = serde_json::Map::new();
    let (was, is) = (old.settings.as_object().unwrap_or(&none), new.settings.as_object().unwrap_or(&none));
    let mut names: Vec<&String> = was.keys().chain(is.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let value = |of: &serde_json::Map<String, Value>| of.get(name).cloned().unwrap_or_default();
        tell(format!("settings.{name}"), value(was), value(is));
    }
    let (had, has) = (asks_of(before), asks_of(after));
    let words =
        |(of, p): &(String, Permission)| Value::from(format!("{of}: {} {} {}", p.slot, p.method.word(), p.path));
    for gone in had.iter().map(words).filter(|old| !has.iter().map(words).any(|new| new == *old)) {
        tell("may no more".into(), gone, Value::Null);
    }
    for more in has.iter().map(words).filter(|new| !had.iter().map(words).any(|old| old == *new)) {
        tell("may now".into(), Value::Null, more);
    }
    found
}

/// Lines of the mapping that only one of the two has.
pub fn mapping_lines(old: &Release, new: &Release) -> Vec<String> {
    let lines = TextDiff::from_lines(&old.mapping_text, &new.mapping_text);
    let changed = lines.iter_all_changes().filter(|change| change.tag() != ChangeTag::Equal);
    changed.map(|change| format!("{}{}", change.tag(), change.value().trim_end())).collect()
}
