//! What the package's triggers do, read from the package itself: the trigger files say on which object and after which
//! operations; the custom metadata says what is watched and who is told instead. The class `TandemChanges` is mirrored in
//! [`Triggers::events`]; both are held to the cases in the package's static resource `TandemChangeCases`.

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
    /// By the system, in the wake of something else: no trigger runs.
    pub cascade: bool,
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

/// A record of `Tandem_Watched_Object__mdt`.
#[derive(Clone, Debug)]
struct Watched {
    switch: Switch,
    /// The lookup whose record is told as changed in place of the record itself, and the object it points at.
    parent: Option<(String, String)>,
    /// The field without a value in which a record is not told.
    only_with: Option<String>,
}

/// Whether a record of custom metadata switches on or off, and whose record it is.
#[derive(Clone, Copy, Debug)]
struct Switch {
    active: bool,
    shipped: bool,
}

impl Switch {
    fn of(record: &Record) -> Self {
        let ticked = |field: &str| {
            let value = record.get(field);
            value == Some(&Value::Bool(true)) || value.and_then(Value::as_str) == Some("true")
        };
        Self { active: ticked("Active__c"), shipped: ticked("Shipped__c") }
    }

    /// An admin's own record wins over a shipped one, which an upgrade writes anew; among equals, one that is switched off.
    fn wins_over(self, other: Self) -> bool {
        if self.shipped == other.shipped { !self.active } else { !self.shipped }
    }
}

/// See the module's words.
#[derive(Debug, Default)]
pub struct Triggers {
    /// The operations after which an object's trigger runs.
    after: BTreeMap<String, BTreeSet<Operation>>,
    objects: BTreeMap<String, Watched>,
    /// By object, and by field in small letters: its name, and whether it is watched.
    fields: BTreeMap<String, BTreeMap<String, (String, Switch)>>,
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
                let (object, after) = read(&text).with_context(|| path.display().to_string())?;
                triggers.after.insert(object, after);
            }
        }
        for (kind, record) in &schema.metadata {
            triggers.watch(kind, record, schema);
        }
        Ok(triggers)
    }

    /// Takes a record of the custom metadata, shipped or of an admin's own.
    fn watch(&mut self, kind: &str, record: &Record, schema: &Schema) {
        let text = |field: &str| {
            let text = record.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
            text.map(str::to_owned)
        };
        let Some(object) = text("Object__c") else { return };
        let switch = Switch::of(record);
        if kind == "Tandem_Watched_Object__mdt" {
            if self.objects.get(&object).is_some_and(|other| !switch.wins_over(other.switch)) {
                return;
            }
            let parent = text("Tell_Parent__c").and_then(|field| {
                let (_, spec) = schema.field(&object, &field)?;
                Some((field, spec.parent.as_ref()?.0.clone()))
            });
            let only_with = text("Only_With__c").filter(|field| schema.field(&object, field).is_some());
            self.objects.insert(object, Watched { switch, parent, only_with });
        } else if let Some(field) = text("Field__c").filter(|field| schema.field(&object, field).is_some()) {
            let fields = self.fields.entry(object).or_default();
            let key = field.to_ascii_lowercase();
            if fields.get(&key).is_none_or(|(_, other)| switch.wins_over(*other)) {
                fields.insert(key, (field, switch));
            }
        }
    }

    /// Names of the watched fields of an object, in order.
    fn watched(&self, object: &str) -> BTreeSet<&str> {
        let fields = self.fields.get(object).into_iter().flat_map(BTreeMap::values);
        fields.filter(|(_, switch)| switch.active).map(|(name, _)| name.as_str()).collect()
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
        let (Some(after), Some(watched)) = (self.after.get(object), self.objects.get(object)) else {
            return Vec::new();
        };
        let mut events: Vec<Published> = Vec::new();
        let told = |change: &&Change| {
            change.object == object && !change.silent && !change.cascade && after.contains(&change.operation)
        };
        for change in changes.iter().filter(told).filter(|_| watched.switch.active) {
            let (before, after) = match change.operation {
                // A deleted record is what it was.
                Operation::Delete => (Some(&change.after), None),
                Operation::Update => (change.before.as_ref(), Some(&change.after)),
                Operation::Insert | Operation::Undelete => (None, Some(&change.after)),
            };
            // A box that is not ticked is no value.
            let value = |record: Option<&Record>, field: &str| {
                let value = record.and_then(|record| record.get(field).cloned()).unwrap_or_default();
                if value == Value::Bool(false) { Value::Null } else { value }
            };
            let fields = self.watched(object).into_iter();
            let changed: Vec<String> =
                fields.filter(|field| value(before, field) != value(after, field)).map(str::to_owned).collect();
            let nobodys = |field: &String| value(before, field).is_null() && value(after, field).is_null();
            if changed.is_empty() || watched.only_with.as_ref().is_some_and(nobodys) {
                continue;
            }
            match &watched.parent {
                None => add(&mut events, &change.id, object, word(change.operation), &changed),
                Some((field, parent)) => {
                    // A record that moves to another parent changes both.
                    for record in [before, after] {
                        if let Some(id) = value(record, field).as_str() {
                            add(&mut events, id, parent, "UPDATE", &changed);
                        }
                    }
                }
            }
        }
        events
    }
}

fn add(events: &mut Vec<Published>, id: &str, object: &str, operation: &'static str, changed: &[String]) {
    let place = events.iter().position(|own| own.record_id == id).unwrap_or_else(|| {
        events.push(Published {
            record_id: id.to_owned(),
            object: object.to_owned(),
            operation,
            changed: Vec::new(),
            sequence: events.len(),
        });
        events.len() - 1
    });
    for field in changed {
        if !events[place].changed.contains(field) {
            events[place].changed.push(field.clone());
        }
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

/// `trigger X on Object (after insert, …) { TandemChangePublisher.tell(…); }` and nothing else.
fn read(text: &str) -> Result<(String, BTreeSet<Operation>)> {
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
    let call = "TandemChangePublisher.tell(Trigger.operationType,Trigger.old,Trigger.new);}";
    if body.split_whitespace().collect::<String>() != call {
        bail!("the body does more than call the handler");
    }
    Ok(((*object).to_owned(), after))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn package() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../salesforce-package/force-app/main/default")
    }

    /// One case of the package's static resource.
    #[derive(serde::Deserialize)]
    struct Case {
        name: String,
        object: String,
        operation: String,
        changes: Vec<CaseChange>,
        told: Vec<CaseTold>,
        #[serde(default)]
        own: Own,
    }

    /// Records of custom metadata that an admin made.
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Own {
        objects: Vec<Record>,
        fields: Vec<Record>,
    }

    #[derive(serde::Deserialize)]
    struct CaseChange {
        before: Option<Record>,
        after: Option<Record>,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct CaseTold {
        record_id: String,
        operation: String,
        fields: Vec<String>,
    }

    fn loaded() -> (Schema, Triggers) {
        let schema = Schema::load(&package()).unwrap();
        let triggers = Triggers::load(&package(), &schema).unwrap();
        (schema, triggers)
    }

    /// The package and what the simulator makes of it are the same thing.
    #[test]
    fn every_trigger_watched_object_and_field_of_the_package_is_known_here() {
        let (schema, triggers) = loaded();
        let files = std::fs::read_dir(package().join("triggers")).unwrap();
        let files = files.filter(|f| f.as_ref().unwrap().path().extension().is_some_and(|e| e == "trigger")).count();
        assert_eq!(triggers.after.len(), files, "one trigger for each object");
        assert!(
            triggers.after.keys().eq(triggers.objects.keys()),
            "each trigger has a record of Tandem Watched Object"
        );
        for (kind, record) in schema.metadata.iter().filter(|(kind, _)| kind == "Tandem_Watched_Field__mdt") {
            let text = |field: &str| record.get(field).and_then(Value::as_str).unwrap_or_default();
            let (object, field) = (text("Object__c"), text("Field__c"));
            assert!(triggers.after.contains_key(object), "{kind}: {object} is watched but has no trigger");
            assert!(schema.field(object, field).is_some(), "{object}.{field} is watched but not there");
        }
        // The handler sets just the event's fields.
        let class = std::fs::read_to_string(package().join("classes/TandemChangePublisher.cls")).unwrap();
        let set = class.lines().filter_map(|line| line.trim().strip_prefix("event.")?.split_once("__c = "));
        let mut set: Vec<&str> = set.map(|(name, _)| name).collect();
        set.sort_unstable();
        let declared: Vec<&str> =
            schema.events["Tandem_Change__e"].iter().map(|(name, _)| name.trim_end_matches("__c")).collect();
        assert_eq!(set, declared);
    }

    /// The Apex test `TandemChangesTest` reads the same file.
    #[test]
    fn the_cases_of_the_package_are_decided_as_they_say() {
        let text = std::fs::read_to_string(package().join("staticresources/TandemChangeCases.json")).unwrap();
        let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
        assert!(cases.len() >= 20);
        for case in cases {
            let (schema, mut triggers) = loaded();
            let objects = case.own.objects.iter().map(|record| ("Tandem_Watched_Object__mdt", record));
            let fields = case.own.fields.iter().map(|record| ("Tandem_Watched_Field__mdt", record));
            objects.chain(fields).for_each(|(kind, record)| triggers.watch(kind, record, &schema));
            let operation = match case.operation.as_str() {
                "INSERT" => Operation::Insert,
                "UPDATE" => Operation::Update,
                "DELETE" => Operation::Delete,
                "UNDELETE" => Operation::Undelete,
                other => panic!("{}: {other}", case.name),
            };
            let changes: Vec<Change> = case
                .changes
                .into_iter()
                .map(|change| {
                    let after = change.after.or_else(|| change.before.clone()).unwrap();
                    let id = after["Id"].as_str().unwrap().to_owned();
                    let object = case.object.clone();
                    Change { object, id, operation, before: change.before, after, silent: false, cascade: false }
                })
                .collect();
            let events = triggers.events(&changes);
            assert!(events.iter().enumerate().all(|(place, event)| event.sequence == place), "{}", case.name);
            let told: Vec<CaseTold> = events
                .into_iter()
                .map(|event| CaseTold {
                    record_id: event.record_id,
                    operation: event.operation.into(),
                    fields: event.changed,
                })
                .collect();
            assert_eq!(told, case.told, "{}", case.name);
            let silent: Vec<Change> = changes.into_iter().map(|change| Change { silent: true, ..change }).collect();
            assert!(triggers.events(&silent).is_empty(), "{}: the integration user is silent", case.name);
        }
    }
}
