//! What the package's triggers watch, as its custom metadata says: an object is read with just the fields that matter, and a change of a
//! line is one of the record it belongs to.

use std::collections::BTreeMap;

use serde_json::Value;

use super::look::READ_LIMIT;
use crate::connections::{Call, CallError, Connection, salesforce::Salesforce};
use crate::sources::Route;
use crate::sources::change::REVIEW;

/// One object to read.
#[derive(Clone, Debug, PartialEq)]
pub struct Watched {
    /// sObject type.
    pub object: String,
    /// Fields whose values matter; none where the package watches no field of it, and then any change does.
    pub fields: Vec<String>,
    /// The lookup whose record is told in its place, and the object that it names.
    pub parent: Option<(String, String)>,
}

/// What flows take of an org.
pub struct Taken {
    /// Objects of their topics.
    pub objects: Vec<String>,
    /// A flow's plugin cannot be loaded: what it takes is not known, and what is left out now would be lost.
    pub unknown: bool,
}

impl Taken {
    /// Of a connection, by the flows bound to it.
    pub fn from(routes: &[Route], connection: &str) -> Self {
        let bound = || routes.iter().filter(|route| route.connections.iter().any(|own| own == connection));
        let topics = bound().flat_map(|route| route.topics.iter().flatten());
        let objects = topics.filter_map(|topic| topic.strip_prefix("salesforce.")).map(str::to_owned).collect();
        Self { objects, unknown: bound().any(|route| route.topics.is_none()) }
    }

    fn has(&self, object: &str) -> bool {
        self.unknown || self.objects.iter().any(|own| own.eq_ignore_ascii_case(object))
    }
}

/// The rows of the custom metadata that count.
struct Rules {
    objects: Vec<Value>,
    fields: Vec<Value>,
}

impl Rules {
    async fn read(org: &Salesforce) -> Result<Self, CallError> {
        let list = |names: &[&str]| names.iter().map(|name| org.namespace().own(name)).collect::<Vec<_>>().join(", ");
        let objects = list(&["Object__c", "Active__c", "Shipped__c", "Tell_Parent__c"]);
        let fields = list(&["Object__c", "Field__c", "Active__c", "Shipped__c"]);
        let objects = org.query(&format!("SELECT {objects} FROM Tandem_Watched_Object__mdt"), READ_LIMIT).await?;
        let fields = org.query(&format!("SELECT {fields} FROM Tandem_Watched_Field__mdt"), READ_LIMIT).await?;
        Ok(Self::counting(objects, fields))
    }

    /// An admin's own row wins over a shipped one of the same name, which an upgrade writes anew; among equals, one that switches off.
    fn counting(objects: Vec<Value>, fields: Vec<Value>) -> Self {
        let name = |row: &Value, field: &str| row[field].as_str().unwrap_or_default().to_ascii_lowercase();
        let won = |rows: Vec<Value>| {
            let mut won: BTreeMap<(String, String), Value> = BTreeMap::new();
            for row in rows {
                let key = (name(&row, "Object__c"), name(&row, "Field__c"));
                let wins = won.get(&key).is_none_or(|other| match row["Shipped__c"] == other["Shipped__c"] {
                    true => row["Active__c"] == false,
                    false => other["Shipped__c"] == true,
                });
                if wins {
                    won.insert(key, row);
                }
            }
            won.into_values().collect::<Vec<_>>()
        };
        let fields = won(fields).into_iter().filter(|row| row["Active__c"] != false).collect();
        Self { objects: won(objects), fields }
    }

    fn is_off(&self, object: &str) -> bool {
        self.objects.iter().any(|row| names(row, object) && row["Active__c"] == false)
    }

    fn parent_field(&self, object: &str) -> Option<&str> {
        self.objects.iter().filter(|row| names(row, object)).find_map(|row| row["Tell_Parent__c"].as_str())
    }

    /// Objects that may be told: those that flows take, and those whose parent is told in their place. Questions are the host's own.
    fn candidates(&self, taken: &Taken) -> Vec<String> {
        let own = self.objects.iter().filter(|row| taken.unknown || row["Tell_Parent__c"].is_string());
        let own = own.filter_map(|row| row["Object__c"].as_str()).map(str::to_owned);
        let all = taken.objects.iter().cloned().chain(own);
        let mut all: Vec<String> = all.filter(|object| object != REVIEW && !self.is_off(object)).collect();
        all.sort_unstable();
        all.dedup_by(|a, b| a.eq_ignore_ascii_case(b));
        all
    }

    /// With the fields that the integration user sees. `None` where no flow takes what would be told.
    fn watched(&self, object: &str, described: &Value, taken: &Taken) -> Option<Watched> {
        let known = |name: &str| {
            let mut all = described["fields"].as_array().into_iter().flatten();
            all.find(|field| field["name"].as_str().is_some_and(|own| own.eq_ignore_ascii_case(name)))
        };
        let own_name = |name: &str| known(name)?["name"].as_str().map(str::to_owned);
        let parent = self.parent_field(object).and_then(|name| {
            let field = known(name)?;
            Some((field["name"].as_str()?.to_owned(), field["referenceTo"][0].as_str()?.to_owned()))
        });
        let told = parent.as_ref().map_or(object, |(_, parent)| parent);
        if !taken.has(told) {
            return None;
        }
        let rows = self.fields.iter().filter(|row| names(row, object));
        let mut fields: Vec<String> = rows.filter_map(|row| own_name(row["Field__c"].as_str()?)).collect();
        fields.sort_unstable();
        fields.dedup();
        fields.retain(|field| parent.as_ref().is_none_or(|(own, _)| own != field));
        Some(Watched { object: object.to_owned(), fields, parent })
    }
}

fn names(row: &Value, object: &str) -> bool {
    row["Object__c"].as_str().is_some_and(|own| own.eq_ignore_ascii_case(object))
}

impl Watched {
    /// The object whose records are told.
    pub fn told(&self) -> &str {
        self.parent.as_ref().map_or(&self.object, |(_, parent)| parent)
    }
}

/// Everything that is watched and that some flow takes; of that, what `wanted` says, and what is told in its place.
pub async fn read(
    connection: &Connection,
    taken: &Taken,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Watched>, CallError> {
    let rules = Rules::read(connection.org()?).await?;
    let mut all = Vec::new();
    let wanted_too = |object: &String| wanted(object) || rules.parent_field(object).is_some();
    for object in rules.candidates(taken).into_iter().filter(wanted_too) {
        match connection.send(Call::get(format!("/sobjects/{object}/describe")), READ_LIMIT).await {
            Ok(answer) => {
                let described: Value = serde_json::from_str(&answer.body)
                    .map_err(|e| CallError::Invalid(format!("{object} is described by what is not JSON: {e}")))?;
                all.extend(rules.watched(&object, &described, taken).filter(|own| wanted(own.told())));
            }
            // `tandem check` says what the integration user lacks.
            Err(error @ CallError::Remote { .. }) => {
                tracing::warn!(object, %error, "the org does not say what fields this object has: it is not looked at");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules() -> Rules {
        Rules {
            objects: vec![
                json!({ "Object__c": "Account", "Active__c": true, "Tell_Parent__c": null }),
                json!({ "Object__c": "Case", "Active__c": false, "Tell_Parent__c": null }),
                json!({ "Object__c": "OpportunityLineItem", "Active__c": true, "Tell_Parent__c": "OpportunityId" }),
            ],
            fields: vec![
                json!({ "Object__c": "Account", "Field__c": "Phone" }),
                json!({ "Object__c": "Account", "Field__c": "misspelt__c" }),
                json!({ "Object__c": "Account", "Field__c": "name" }),
                json!({ "Object__c": "OpportunityLineItem", "Field__c": "Quantity" }),
            ],
        }
    }

    fn taken(objects: &[&str]) -> Taken {
        Taken { objects: objects.iter().map(|own| (*own).to_owned()).collect(), unknown: false }
    }

    #[test]
    fn what_is_switched_off_or_taken_by_nobody_is_not_read() {
        let all = taken(&["Account", "Case", "Opportunity"]);
        assert_eq!(rules().candidates(&all), ["Account", "Opportunity", "OpportunityLineItem"]);
        let unknown = Taken { objects: Vec::new(), unknown: true };
        assert_eq!(rules().candidates(&unknown), ["Account", "OpportunityLineItem"], "what is left out now is lost");
        let lines =
            json!({ "fields": [{ "name": "OpportunityId", "referenceTo": ["Opportunity"] }, { "name": "Quantity" }] });
        assert_eq!(rules().watched("OpportunityLineItem", &lines, &taken(&["Account"])), None);
        let read = rules().watched("OpportunityLineItem", &lines, &all).unwrap();
        assert_eq!(read.parent, Some(("OpportunityId".into(), "Opportunity".into())));
        assert_eq!(read.fields, ["Quantity"]);
    }

    #[test]
    fn an_admins_own_row_wins_over_a_shipped_one_and_off_wins_among_equals() {
        let row = |object: &str, active: bool, shipped: bool| json!({ "Object__c": object, "Active__c": active, "Shipped__c": shipped });
        let field = |name: &str, active: bool, shipped: bool| json!({ "Object__c": "Account", "Field__c": name, "Active__c": active, "Shipped__c": shipped });
        let rules = Rules::counting(
            vec![
                row("Account", true, false),
                row("account", false, true),
                row("Case", true, true),
                row("Case", false, false),
                row("Contact", false, false),
                row("Contact", true, false),
            ],
            vec![field("Phone", true, true), field("phone", false, false), field("Fax", true, true)],
        );
        assert!(!rules.is_off("Account") && rules.is_off("Case") && rules.is_off("Contact"));
        let names: Vec<&str> = rules.fields.iter().filter_map(|row| row["Field__c"].as_str()).collect();
        assert_eq!(names, ["Fax"]);
    }

    #[test]
    fn a_field_that_the_integration_user_does_not_see_is_left_out() {
        let described = json!({ "fields": [{ "name": "Name" }, { "name": "Phone" }, { "name": "Fax" }] });
        assert_eq!(rules().watched("Account", &described, &taken(&["Account"])).unwrap().fields, ["Name", "Phone"]);
    }
}
