//! Rights of the integration user. Fields: what it may not see, or not write, is not there for it in queries, describe and writes. Records: one
//! that is not shared with it is not there either. Everybody else sees all. Source: Salesforce help, "Field-Level Security"; public reports say "No such column" of a field that may not be seen,
//! also of a write, and INVALID_FIELD_FOR_INSERT_UPDATE of one that may only be read.

use serde::{Deserialize, Serialize};

use super::org::{Manner, Org, RowError, long_id};
use super::query::{Rows, is_among};
use super::schema::Schema;
use super::soql::{Condition, Literal, Operand, Query, Selected};

/// Rights that the integration user lacks, as `Opportunity.Tandem_PO_Number__c`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lacking {
    /// Not to be seen.
    pub hidden: Vec<String>,
    /// Seen, not written.
    pub read_only: Vec<String>,
    /// Ids of records that are not shared with it.
    pub unshared: Vec<String>,
}

impl Lacking {
    /// The schema as the integration user sees it; none where it sees all.
    pub fn reduce(&self, schema: &Schema) -> Option<Schema> {
        if self.hidden.is_empty() && self.read_only.is_empty() {
            return None;
        }
        let mut seen = schema.clone();
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
        self.seen.as_ref().filter(|_| manner.silent).unwrap_or(&self.schema)
    }

    /// A query by that user.
    pub fn query_by(&self, manner: Manner, query: &Query, with_deleted: bool) -> Result<Rows, RowError> {
        if !manner.silent {
            return self.query(query, with_deleted);
        }
        let shared = self.shared_of(query);
        let Some(seen) = &self.seen else { return self.query(&shared, with_deleted) };
        if let Some(name) = seen.real_name(&query.object) {
            Self::check(seen, name, query)?;
        }
        self.query(&spelt_out(seen, &shared), with_deleted)
    }

    /// The query over what is shared with the integration user.
    fn shared_of(&self, query: &Query) -> Query {
        let unshared = &self.rules().integration.unshared;
        if unshared.is_empty() {
            return query.clone();
        }
        let ids = unshared.iter().map(|id| Literal::Text(id.clone())).collect();
        let shared = Condition::In(Operand::Field("Id".into()), ids, true);
        let condition = match query.condition.clone() {
            Some(own) => Condition::And(Box::new(own), Box::new(shared)),
            None => shared,
        };
        let fields = query.fields.iter().map(|selected| match selected {
            Selected::Children(inner) => Selected::Children(Box::new(self.shared_of(inner))),
            other => other.clone(),
        });
        Query { condition: Some(condition), fields: fields.collect(), ..query.clone() }
    }

    /// False for a record that is not shared with that user.
    pub fn is_shared(&self, manner: Manner, id: &str) -> bool {
        !manner.silent || !self.rules().integration.unshared.iter().any(|own| *own == long_id(id))
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
