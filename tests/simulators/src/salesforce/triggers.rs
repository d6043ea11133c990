//! What the package's triggers do, read from the package itself: the trigger files say on which object, after which
//! operations and for which parent; the custom metadata says which fields matter. The handler class is mirrored in
//! [`Triggers::events`]; a test holds that every trigger file is of the form that is read here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::org::Record;
use super::schema::Schema;

/// What happened to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    Insert,
    Update,
    Delete,
    Undelete,
}

/// One change of one record within a transaction.
#[derive(Clone, Debug)]
pub struct Change {
    pub object: String,
    pub id: String,
    pub operation: Operation,
    /// As it was; none for a new record.
    pub before: Option<Record>,
    pub after: Record,
    /// By the integration user, who has the permission `Tandem_Bypass`.
    pub silent: bool,
}

/// An event the triggers publish when the transaction commits.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    pub record_id: String,
    pub object: String,
    pub operation: &'static str,
    pub changed: Vec<String>,
    pub sequence: usize,
}

#[derive(Debug)]
struct Trigger {
    after: BTreeSet<Operation>,
    /// The lookup whose record is told as changed in place of the record itself.
    parent_field: Option<String>,
}

/// See the module's words.
#[derive(Debug, Default)]
pub struct Triggers {
    by_object: BTreeMap<String, Trigger>,
    watched: BTreeMap<String, BTreeSet<String>>,
}

impl Triggers {
    /// From the package's folder `force-app/main/default`.
    pub fn load(package: &Path, schema: &Schema) -> Result<Self> {
        let mut triggers = Self::default();
        let folder = package.join("triggers");
        for file in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = file?.path();
            if path.extension().is_some_and(|extension| extension == "trigger") {
                let text = std::fs::read_to_string(&path)?;
                let (object, trigger) = read(&text).with_context(|| path.display().to_string())?;
                triggers.by_object.insert(object, trigger);
            }
        }
        for (kind, record) in &schema.metadata {
            let text = |field: &str| record.get(field).and_then(Value::as_str).map(str::to_owned);
            if kind == "Tandem_Watched_Field__mdt"
                && let (Some(object), Some(field)) = (text("Object__c"), text("Field__c"))
            {
                triggers.watched.entry(object).or_default().insert(field);
            }
        }
        Ok(triggers)
    }

    /// The events of a transaction: per trigger one for each record told.
    pub fn events(&self, changes: &[Change]) -> Vec<Published> {
        let mut objects: Vec<&str> = Vec::new();
        for change in changes {
            if !objects.contains(&change.object.as_str()) {
                objects.push(&change.object);
            }
        }
        objects.into_iter().flat_map(|object| self.events_of(object, changes)).collect()
    }

    fn events_of(&self, object: &str, changes: &[Change]) -> Vec<Published> {
        let mut events: Vec<Published> = Vec::new();
        let changes = changes.iter().filter(|change| change.object == object);
        for change in changes.filter(|change| !change.silent) {
            let Some(trigger) = self.by_object.get(&change.object) else { continue };
            if !trigger.after.contains(&change.operation) {
                continue;
            }
            let null = Value::Null;
            let changed: Vec<String> = self
                .watched
                .get(&change.object)
                .into_iter()
                .flatten()
                .filter(|field| {
                    let old = change.before.as_ref().and_then(|record| record.get(*field)).unwrap_or(&null);
                    let new = if change.operation == Operation::Delete {
                        &null
                    } else {
                        change.after.get(*field).unwrap_or(&null)
                    };
                    old != new
                })
                .cloned()
                .collect();
            if change.operation == Operation::Update && changed.is_empty() {
                continue;
            }
            let (object, record_id, operation) = match &trigger.parent_field {
                Some(field) => {
                    let parent = change.after.get(field).and_then(Value::as_str).unwrap_or_default();
                    (field.trim_end_matches("Id").to_owned(), parent.to_owned(), "UPDATE")
                }
                None => (change.object.clone(), change.id.clone(), word(change.operation)),
            };
            let event = Published { record_id, object, operation, changed, sequence: 0 };
            // `Map.put`: the same record told twice by one trigger is one event, the later.
            match events.iter_mut().find(|own| own.record_id == event.record_id) {
                Some(own) => *own = Published { sequence: own.sequence, ..event },
                None => events.push(Published { sequence: events.len(), ..event }),
            }
        }
        events
    }
}

fn word(operation: Operation) -> &'static str {
    match operation {
        Operation::Insert => "CREATE",
        Operation::Update => "UPDATE",
        Operation::Delete => "DELETE",
        Operation::Undelete => "UNDELETE",
    }
}

/// `trigger X on Object (after insert, …) { new TandemChangePublisher(null | 'Field').publish(…); }` and nothing else.
fn read(text: &str) -> Result<(String, Trigger)> {
    let (head, body) = text.split_once('{').context("no body")?;
    let words: Vec<&str> =
        head.split(|c: char| c.is_whitespace() || "(),".contains(c)).filter(|w| !w.is_empty()).collect();
    let ["trigger", _, "on", object, rest @ ..] = words.as_slice() else {
        bail!("not of the form `trigger X on Y (…)`")
    };
    let mut after = BTreeSet::new();
    for pair in rest.chunks(2) {
        after.insert(match pair {
            ["after", "insert"] => Operation::Insert,
            ["after", "update"] => Operation::Update,
            ["after", "delete"] => Operation::Delete,
            ["after", "undelete"] => Operation::Undelete,
            other => bail!("`{}` is not simulated", other.join(" ")),
        });
    }
    let call =
        body.trim().strip_prefix("new TandemChangePublisher(").context("the body is not one call of the handler")?;
    let (argument, rest) = call.split_once(')').context("the handler's argument is not closed")?;
    let expected = ".publish(Trigger.operationType, Trigger.oldMap, Trigger.newMap);}";
    if rest.split_whitespace().collect::<String>() != expected.replace(' ', "") {
        bail!("the body does more than call the handler");
    }
    let parent_field = match argument.trim() {
        "null" => None,
        quoted => Some(quoted.trim_matches('\'').to_owned()),
    };
    Ok(((*object).to_owned(), Trigger { after, parent_field }))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::json;

    use super::*;

    fn package() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../salesforce-package/force-app/main/default")
    }

    fn change(object: &str, before: Value, after: Value) -> Change {
        Change {
            object: object.into(),
            id: "006000000000001AAA".into(),
            operation: Operation::Update,
            before: before.as_object().cloned(),
            after: after.as_object().cloned().unwrap_or_default(),
            silent: false,
        }
    }

    /// The package and what the simulator makes of it are the same thing.
    #[test]
    fn every_trigger_watched_field_and_event_field_of_the_package_is_known_here() {
        let schema = Schema::load(&package()).unwrap();
        let triggers = Triggers::load(&package(), &schema).unwrap();
        let files = std::fs::read_dir(package().join("triggers")).unwrap();
        let files = files.filter(|f| f.as_ref().unwrap().path().extension().is_some_and(|e| e == "trigger")).count();
        assert_eq!(triggers.by_object.len(), files, "one trigger for each object");
        for (object, fields) in &triggers.watched {
            assert!(triggers.by_object.contains_key(object), "{object} is watched but has no trigger");
            for field in fields {
                assert!(schema.field(object, field).is_some(), "{object}.{field} is watched but not there");
            }
        }
        // The handler class sets just the event's fields.
        let class = std::fs::read_to_string(package().join("classes/TandemChangePublisher.cls")).unwrap();
        let mut set: Vec<&str> = class
            .lines()
            .filter_map(|line| line.trim().split_once("__c = ").map(|(name, _)| name))
            .filter(|name| name.chars().all(|c| c.is_alphanumeric() || c == '_'))
            .collect();
        set.sort_unstable();
        let declared: Vec<&str> =
            schema.events["Tandem_Change__e"].iter().map(|(name, _)| name.trim_end_matches("__c")).collect();
        assert_eq!(set, declared);
    }

    #[test]
    fn an_unwatched_field_tells_nothing_and_lines_tell_their_opportunity_once() {
        let schema = Schema::load(&package()).unwrap();
        let triggers = Triggers::load(&package(), &schema).unwrap();
        let silent = change("Opportunity", json!({ "NextStep": "a" }), json!({ "NextStep": "b" }));
        assert!(triggers.events(&[silent]).is_empty());
        let line = |quantity| {
            change(
                "OpportunityLineItem",
                json!({ "Quantity": 1 }),
                json!({ "Quantity": quantity, "OpportunityId": "006X" }),
            )
        };
        let events = triggers.events(&[line(2), line(3)]);
        assert_eq!(events.len(), 1);
        assert_eq!(
            (events[0].object.as_str(), events[0].operation, events[0].record_id.as_str()),
            ("Opportunity", "UPDATE", "006X")
        );
        let mut own = change("Opportunity", json!({ "StageName": "a" }), json!({ "StageName": "b" }));
        own.silent = true;
        assert!(triggers.events(&[own]).is_empty(), "the integration user bypasses the trigger");
    }
}
