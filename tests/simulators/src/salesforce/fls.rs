//! Rights of the integration user: what its permission sets give, less what a tester takes. Objects that it may not read are none of the org's
//! for it, others take what it may do. Fields: what it may not see, or not write, is not there for it in queries, describe and writes. Records: one
//! that is not shared with it is not there either. Everybody else sees all. Source: Salesforce help, "Field-Level Security"; public reports say "No such column" of a field that may not be seen,
//! also of a write, and INVALID_FIELD_FOR_INSERT_UPDATE of one that may only be read.

use serde::{Deserialize, Serialize};

use super::org::{Manner, Org, Record, RowError, long_id};
use super::query::{Rows, is_among, unsupported};
use super::rights::Rights;
use super::schema::{May, Schema};
use super::soql::{Condition, Literal, Operand, Query, Selected};

/// Rights that the integration user lacks, or has by a permission set of the customer's own, as `Opportunity.Tandem_PO_Number__c`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lacking {
    /// Not to be seen.
    pub hidden: Vec<String>,
    /// Seen, not written.
    pub read_only: Vec<String>,
    /// Ids of records that are not shared with it.
    pub unshared: Vec<String>,
    /// Fields that a permission set of the customer's own gives, such as a standard one that a mapping writes.
    pub granted: Vec<String>,
}

impl Lacking {
    /// The schema as the integration user sees it, of what its permission sets show it; none where it sees all.
    pub fn reduce(&self, schema: &Schema, rights: Option<&Rights>) -> Option<Schema> {
        if rights.is_none() && self.hidden.is_empty() && self.read_only.is_empty() {
            return None;
        }
        let with_own = |rights: &Rights| {
            let mut rights = rights.clone();
            self.granted.iter().for_each(|field| rights.give(field));
            rights.reduce(schema)
        };
        let mut seen = rights.map_or_else(|| schema.clone(), with_own);
        for (object, field) in self.hidden.iter().filter_map(|name| name.split_once('.')) {
            if let Some(object) = seen.objects.get_mut(object) {
                object.fields.remove(field);
            }
        }
        for (object, field) in self.read_only.iter().filter_map(|name| name.split_once('.')) {
            if let Some(field) = seen.objects.get_mut(object).and_then(|object| object.fields.get_mut(field)) {
                field.read_only = true;
            }
        }
        Some(seen)
    }
}

impl Org {
    /// Objects and fields as that user sees them.
    pub fn seen_by(&self, manner: Manner) -> &Schema {
        self.seen.as_ref().filter(|_| manner.is_limited()).unwrap_or(&self.schema)
    }

    /// A query by that user.
    pub fn query_by(&self, manner: Manner, query: &Query, with_deleted: bool) -> Result<Rows, RowError> {
        if let Some(rows) = self.record_access(manner, query) {
            return Ok(rows);
        }
        if !manner.is_limited() {
            return self.query(query, with_deleted);
        }
        let shared = self.shared_of(self.schema.real_name(&query.object), query);
        let Some(seen) = &self.seen else { return self.query(&shared, with_deleted) };
        let name = seen.real_name(&query.object).ok_or_else(|| unsupported(&query.object))?;
        Self::check(seen, name, query)?;
        self.query(&spelt_out(seen, &shared), with_deleted)
    }

    /// The query over what is shared with the integration user: a detail is, where its parent is.
    fn shared_of(&self, object: Option<&str>, query: &Query) -> Query {
        let unshared = &self.rules().integration.unshared;
        let among = |field: &str| {
            let ids = unshared.iter().map(|id| Literal::Text(id.clone())).collect();
            Condition::In(Operand::Field(field.into()), ids, true)
        };
        let fields = object.and_then(|name| self.schema.objects.get(name)).map(|object| &object.fields);
        let details = fields.into_iter().flatten().filter(|(_, spec)| spec.detail).map(|(field, _)| field.as_str());
        let named = ["Id"].into_iter().chain(details).filter(|_| !unshared.is_empty()).map(among);
        let both = |own, more| Condition::And(Box::new(own), Box::new(more));
        let by_owner = object.and_then(|object| self.shown_only(object));
        let condition = query.condition.clone().into_iter().chain(named).chain(by_owner).reduce(both);
        let fields = query.fields.iter().map(|selected| match selected {
            Selected::Children(inner) => {
                let child = object.and_then(|name| self.schema.children(name, &inner.object)).map(|(child, ..)| child);
                Selected::Children(Box::new(self.shared_of(child, inner)))
            }
            other => other.clone(),
        });
        Query { condition, fields: fields.collect(), ..query.clone() }
    }

    /// An object by its name, as whoever acts knows it.
    pub fn known_by(&self, manner: Manner, object: &str) -> Option<&str> {
        self.seen_by(manner).real_name(object)
    }

    /// Refuses what whoever acts may not do with any record of an object. Public reports have these words of creating; those of the others
    /// are taken to be alike.
    pub(super) fn check_may(&self, manner: Manner, name: &str, act: &'static str) -> Result<(), RowError> {
        let may = self.seen_by(manner).objects.get(name).map_or(May::NOTHING, |object| object.may);
        let (allowed, done) = match act {
            "create" => (may.create, "inserted"),
            "edit" => (may.edit, "updated"),
            _ => (may.delete, "deleted"),
        };
        if allowed {
            return Ok(());
        }
        Err(match done {
            "deleted" => {
                RowError::new("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id", &[])
            }
            _ => RowError::new(
                "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
                format!("entity type cannot be {done}: {name}"),
                &[],
            ),
        })
    }

    /// Refuses a change of a record that is not shared with whoever acts, or only to be read.
    pub(super) fn check_shared(&self, manner: Manner, name: &str, record: &Record) -> Result<(), RowError> {
        let id = record["Id"].as_str().unwrap_or_default();
        if self.is_shared(manner, id) && self.owner_lets_change(manner, name, record) {
            return Ok(());
        }
        Err(RowError::new("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id", &[]))
    }

    /// False for a record that is not shared with that user.
    pub fn is_shared(&self, manner: Manner, id: &str) -> bool {
        if !manner.is_limited() {
            return true;
        }
        let unshared = &self.rules().integration.unshared;
        let long = long_id(id);
        let record = self.object_of(&long).and_then(|object| Some((object, self.get(object, &long)?)));
        if record.is_some_and(|(object, record)| !self.owner_shows(manner, object, record)) {
            return false;
        }
        let parents = record.into_iter().flat_map(|(object, record)| {
            let details = self.schema.objects[object].fields.iter().filter(|(_, spec)| spec.detail);
            details.filter_map(|(field, _)| record.get(field)?.as_str())
        });
        parents.chain([long.as_str()]).all(|own| !unshared.iter().any(|id| id == own))
    }
}

/// `FIELDS(ALL)` as the fields that are seen.
fn spelt_out(seen: &Schema, query: &Query) -> Query {
    let object = seen.real_name(&query.object).and_then(|name| seen.objects.get(name));
    let expanded = |selected: &Selected| match selected {
        Selected::Fields(which) => {
            let fields = object.into_iter().flat_map(|object| object.fields.keys());
            let among = fields.filter(|field| is_among(field, *which));
            among.map(|field| Selected::Operand(Operand::Field(field.clone()), None)).collect()
        }
        other => vec![other.clone()],
    };
    Query { fields: query.fields.iter().flat_map(expanded).collect(), ..query.clone() }
}
