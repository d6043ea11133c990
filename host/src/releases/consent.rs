//! Consent: what the code of a release asks for, against what an operator allowed it before. Code that asks for no more than what its name was
//! allowed last needs no new word; what is new waits for one.

use serde::Serialize;

use super::Release;
use crate::connections::Method;
use crate::sandbox::{Grants, HOST_SLOT, MapperSection, Permission, Plugin};
use crate::store::{Grant, Result, Store, StoreError};

/// One component of a release, and what it asks for.
#[derive(Clone, Debug, Serialize)]
pub struct Code {
    /// What consents go by: a plugin's own name; `mapper <file>` for a mapping plugin.
    pub name: String,
    /// Its own version; empty for a mapping plugin of contract 0.1.0, which says none.
    pub version: String,
    /// SHA-256 of the component, hex.
    pub digest: String,
    /// What it asks for.
    pub asks: Vec<Permission>,
    /// What it has without asking: see [`Permission::unasked`].
    pub unasked: Vec<Permission>,
}

impl Code {
    /// Of a plugin.
    pub fn of_plugin(plugin: &Plugin) -> Self {
        let description = &plugin.description;
        Self {
            name: description.name.clone(),
            version: description.version.clone(),
            digest: plugin.digest.clone(),
            asks: description.permissions.clone(),
            unasked: description.unasked.clone(),
        }
    }

    /// All that it may do once it is allowed.
    pub fn all(&self) -> Vec<Permission> {
        self.asks.iter().chain(&self.unasked).cloned().collect()
    }

    /// As a command and a log line call it.
    pub fn short_name(&self) -> &str {
        self.name.strip_prefix(MAPPER).unwrap_or(&self.name)
    }

    /// What it is, in words.
    pub fn kind(&self) -> &'static str {
        if self.is_mapper() { "mapping plugin" } else { "plugin" }
    }

    /// Of a mapping plugin.
    pub fn is_mapper(&self) -> bool {
        self.name.starts_with(MAPPER)
    }
}

const MAPPER: &str = "mapper ";

impl Release {
    /// The components of this release.
    pub fn codes(&self) -> Vec<Code> {
        let mapper = self.manifest.mapper.as_ref().map(|mapper| Code {
            name: format!("{MAPPER}{}", mapper.name),
            version: mapper.version.clone(),
            digest: mapper.digest.clone(),
            asks: match self.mapper.as_ref().and_then(|code| code.description.as_ref()) {
                Some(own) => own.sections.iter().flat_map(of_section).collect(),
                None => self.plugin.description.sections.iter().map(|section| fields_of(&section.name)).collect(),
            },
            unasked: Vec::new(),
        });
        [Some(Code::of_plugin(&self.plugin)), mapper].into_iter().flatten().collect()
    }
}

/// What a mapping plugin may do with a section of the mapping that says nothing of itself.
fn fields_of(section: &str) -> Permission {
    let why = "sees the source record and sets every field of this section, prices and codes of customers too";
    of_mapping(Method::Put, section.to_owned(), why.into())
}

/// What it may do where it says so.
fn of_section(section: &MapperSection) -> Vec<Permission> {
    let sees = of_mapping(Method::Get, section.name.clone(), "sees the source record and what the mapping gave".into());
    let reads = section.reads.iter().map(|path| {
        let why = "has this field queried".to_owned();
        of_mapping(Method::Get, format!("{}/{path}", section.name), why)
    });
    let sets = section.sets.iter().map(|field| {
        let why = "sets this field, whatever the mapping says".to_owned();
        of_mapping(Method::Put, format!("{}/{field}", section.name), why)
    });
    std::iter::once(sees).chain(reads).chain(sets).collect()
}

fn of_mapping(method: Method, path: String, reason: String) -> Permission {
    Permission { slot: HOST_SLOT.into(), method, path: format!("/mapping/{path}"), reason }
}

/// What of it was not allowed yet.
pub async fn missing(store: &dyn Store, code: &Code) -> Result<Vec<Permission>> {
    // One that was allowed as it is has what it has without asking, too: hosts of before did not write that down.
    if let Some(own) = store.granted(&code.digest).await?
        && Grants::new(&code.name, read(&own)?).missing(&code.asks).is_empty()
    {
        return Ok(Vec::new());
    }
    let before = last(store, code).await?;
    Ok(Grants::new(&code.name, before).missing(&code.all()).into_iter().cloned().collect())
}

/// What its name was allowed last.
pub async fn last(store: &dyn Store, code: &Code) -> Result<Vec<Permission>> {
    store.last_grant(&code.name).await?.map_or(Ok(Vec::new()), |grant| read(&grant))
}

/// Allows it all it asks for. A mapping plugin that several flows share keeps what it was allowed for the others.
pub async fn allow(store: &dyn Store, code: &Code) -> Result<()> {
    let mut all = code.all();
    if let Some(own) = store.granted(&code.digest).await? {
        let others = read(&own)?;
        all.extend(others.into_iter().filter(|one| !code.all().contains(one)));
    }
    let permissions = serde_json::to_string(&all).map_err(|e| StoreError::Corrupt(e.to_string()))?;
    let now = crate::time::now();
    store.grant(Grant { digest: code.digest.clone(), plugin: code.name.clone(), permissions, granted_at: now }).await
}

fn read(grant: &Grant) -> Result<Vec<Permission>> {
    serde_json::from_str(&grant.permissions)
        .map_err(|e| StoreError::Corrupt(format!("the grant of {}: {e}", grant.digest)))
}
