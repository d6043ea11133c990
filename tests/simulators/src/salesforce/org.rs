//! The org's records: ids with checksum, validation, cross-record rules, the recycle bin, merges. What the records are made
//! of stands in `schema.rs`, what queries see of them in `query.rs`, what is published about them in `triggers.rs`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use anyhow::Result;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::fls::Lacking;
use super::options::Options;
use super::rights::Rights;
use super::schema::{Field, ObjectSchema, Schema};
use super::sharing::Sharing;
use super::soql::{self, Condition};
use super::triggers::{Change, Operation, Triggers};
use crate::clock::Clock;
pub use crate::records::Record;
use crate::records::Records;

/// A record's id, once for all that name it.
pub type Id = Arc<str>;

/// Source: Salesforce help, "Recycle Bin".
const IN_BIN_DAYS: i64 = 15;

/// Users of the org: who acts decides what triggers see.
pub const INTEGRATION_USER: &str = "0055g00000ABCDEAA4";
pub const SALES_USER: &str = "0055g00000ABCDFAA4";

/// A refused row.
#[derive(Clone, Debug)]
pub struct RowError {
    pub code: &'static str,
    pub message: String,
    pub fields: Vec<String>,
    /// What a duplicate rule tells beside its words: a single call's answer has it.
    pub duplicate_result: Option<Box<Value>>,
}

impl RowError {
    pub fn new(code: &'static str, message: impl Into<String>, fields: &[&str]) -> Self {
        let fields = fields.iter().map(|f| (*f).to_owned()).collect();
        Self { code, message: message.into(), fields, duplicate_result: None }
    }

    /// As a row of a collection's answer shows it.
    pub fn json(&self) -> Value {
        json!({ "statusCode": self.code, "message": self.message, "fields": self.fields })
    }
}

/// How a write is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    /// By the integration user.
    pub silent: bool,
    /// `Sforce-Duplicate-Rule-Header: allowSave=true`
    pub allow_duplicates: bool,
    /// By the system, in the wake of something else, such as what a deletion takes along: nobody's rights are asked, no trigger runs, and
    /// nobody's name stands on it. Source: Apex Developer Guide, "Operations That Don't Invoke Triggers" and "Triggers and Merge Statements".
    pub system: bool,
}

impl Manner {
    /// What is done is done by the platform, for the same user.
    pub fn by_system(self) -> Self {
        Self { system: true, ..self }
    }

    /// The integration user's rights decide.
    pub fn is_limited(self) -> bool {
        self.silent && !self.system
    }
}

/// Record ids by field and value.
type Index = HashMap<String, HashMap<Box<str>, Vec<Id>>>;

/// The records of one object.
#[derive(Default)]
pub struct Table {
    pub records: Records<Id>,
    /// Record ids by lookup field and parent id.
    children: Index,
    /// Record ids by unique or external id field and lower-case value.
    external: Index,
    next: u64,
}

/// A validation rule: refuses what its condition holds for.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Validation {
    pub object: String,
    /// A SOQL condition.
    pub condition: String,
    pub message: String,
    #[serde(default)]
    pub field: Option<String>,
}

/// A duplicate rule: refuses a record whose fields are all those of another.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct DuplicateRule {
    pub object: String,
    pub fields: Vec<String>,
    /// Refuses also with `allowSave`; else it only alerts.
    #[serde(default)]
    pub blocks: bool,
}

/// A flow of the org's own that a write of the integration user starts: it sets fields of the record written, in the same transaction and
/// by the same user.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Automation {
    pub object: String,
    /// A SOQL condition on the record as written.
    pub condition: String,
    pub fields: Record,
}

/// What a tester sets by `PUT /admin/rules`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    pub validations: Vec<Validation>,
    pub duplicates: Vec<DuplicateRule>,
    pub automations: Vec<Automation>,
    /// Ids of records that somebody else holds locked.
    pub locked: Vec<String>,
    /// What the integration user may not.
    pub integration: Lacking,
}

/// Where a transaction began.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    outer: bool,
    at: usize,
}

/// One update, as `/admin/writes` tells it.
#[derive(Serialize)]
pub struct Write {
    id: String,
    /// Microseconds since 1970 UTC.
    at: i64,
    /// By the integration user.
    silent: bool,
}

pub struct Org {
    pub schema: Schema,
    pub tables: BTreeMap<String, Table>,
    pub triggers: Triggers,
    pub clock: Clock,
    /// Every update since somebody asked for them to be noted.
    pub writes: Option<Vec<Write>>,
    /// What records were before the transaction under way, newest last.
    undo: Option<Vec<(String, String, Option<Record>)>>,
    /// See [`Org::set_options`].
    pub options: Options,
    /// See [`Org::share`].
    pub(super) sharing: Sharing,
    /// What an org with one currency lacks; none with several.
    pub(super) without_currencies: Option<BTreeMap<String, ObjectSchema>>,
    rules: Rules,
    /// What the integration user's permission sets give; none for a system administrator.
    rights: Option<Rights>,
    /// The schema as the integration user sees it, where that is less.
    pub(super) seen: Option<Schema>,
    /// Records that went to the bin with another: it brings them back.
    binned_with: HashMap<String, String>,
    conditions: Vec<(Validation, Condition)>,
    automations: Vec<(Automation, Condition)>,
}

impl Org {
    /// Empty, with the schema and triggers of the package's folder `force-app/main/default`.
    pub fn load(package: &std::path::Path, clock: Clock) -> Result<Self> {
        let schema = Schema::load(package)?;
        let triggers = Triggers::load(package, &schema)?;
        let tables = schema.objects.keys().map(|name| (name.clone(), Table { next: 1, ..Table::default() })).collect();
        let mut org = Self {
            schema,
            tables,
            triggers,
            clock,
            writes: None,
            undo: None,
            options: Options::default(),
            sharing: Sharing::default(),
            without_currencies: None,
            rules: Rules::default(),
            rights: None,
            seen: None,
            binned_with: HashMap::new(),
            conditions: Vec::new(),
            automations: Vec::new(),
        };
        let metadata = std::mem::take(&mut org.schema.metadata);
        for (object, record) in &metadata {
            org.store(object, record.clone());
        }
        org.schema.metadata = metadata;
        org.people();
        Ok(org)
    }

    fn people(&mut self) {
        for (id, first, last, user) in [
            (INTEGRATION_USER, "Tandem", "Integration", "tandem@example.org"),
            (SALES_USER, "Sales", "Person", "sales@example.org"),
        ] {
            let user = json!({ "Id": id, "Username": user, "LastName": last, "FirstName": first, "Name": format!("{first} {last}"), "Email": user, "Alias": last.chars().take(5).collect::<String>().to_lowercase(), "IsActive": true, "UserType": "Standard", "TimeZoneSidKey": "GMT" });
            self.keep("User", user.as_object().cloned().unwrap_or_default());
        }
        let org = json!({ "Id": super::ORG_ID, "Name": "Tandem Demo", "InstanceName": "SIM1", "IsSandbox": false, "OrganizationType": "Enterprise Edition", "LanguageLocaleKey": "en_US", "TimeZoneSidKey": "GMT" });
        self.keep("Organization", org.as_object().cloned().unwrap_or_default());
    }

    /// Sets validation rules, duplicate rules and locks; the error names the condition that cannot be read.
    pub fn set_rules(&mut self, rules: Rules) -> Result<(), String> {
        let today = self.clock.now().date_naive();
        let read = |rule: &Validation| Ok((rule.clone(), soql::parse_condition(&rule.condition, today)?));
        let started = |own: &Automation| Ok((own.clone(), soql::parse_condition(&own.condition, today)?));
        let automations = rules.automations.iter().map(started).collect::<Result<_, String>>()?;
        self.conditions = rules.validations.iter().map(read).collect::<Result<_, String>>()?;
        self.automations = automations;
        self.rules = rules;
        self.restrict();
        Ok(())
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The integration user has these rights from now on.
    pub fn grant(&mut self, rights: Rights) {
        self.rights = Some(rights);
        self.restrict();
    }

    /// An administrator's new field is visible for every profile, unless told otherwise.
    pub fn give(&mut self, object: &str, field: &str) {
        if let Some(rights) = &mut self.rights {
            rights.give(&format!("{object}.{field}"));
        }
        self.restrict();
    }

    /// What the integration user's permission sets give; none where it may all.
    pub fn rights(&self) -> Option<&Rights> {
        self.rights.as_ref()
    }

    /// The integration user's view, made anew.
    pub fn restrict(&mut self) {
        self.seen = self.rules.integration.reduce(&self.schema, self.rights.as_ref());
    }

    /// From here on every change can be taken back. Transactions nest: an inner one is a savepoint.
    pub fn begin(&mut self) -> Mark {
        let outer = self.undo.is_none();
        Mark { outer, at: self.undo.get_or_insert_default().len() }
    }

    /// Keeps what was changed since the mark.
    pub fn commit(&mut self, mark: Mark) {
        if mark.outer {
            self.undo = None;
        }
    }

    /// Takes back what was changed since the mark. Ids given out stay used, as in the real service.
    pub fn roll_back(&mut self, mark: Mark) {
        let mut undo = self.undo.take().unwrap_or_default();
        for (name, id, before) in undo.split_off(mark.at.min(undo.len())).into_iter().rev() {
            match before {
                Some(record) => self.keep(&name, record),
                None => {
                    // Emptied first, so that the indexes let go of it.
                    let mut empty = Record::new();
                    empty.insert("Id".into(), id.clone().into());
                    self.keep(&name, empty);
                    if let Some(table) = self.tables.get_mut(&name) {
                        table.records.remove(id.as_str());
                    }
                }
            }
        }
        if !mark.outer {
            self.undo = Some(undo);
        }
    }

    /// All records, to be put back by [`Self::restore`].
    pub fn snapshot(&self) -> Value {
        let tables: Map<String, Value> = self
            .tables
            .iter()
            .map(|(name, table)| {
                let records: Vec<Value> =
                    table.records.values().map(|record| Value::Object(record.into_owned())).collect();
                (name.clone(), json!({ "next": table.next, "records": records }))
            })
            .collect();
        json!({ "tables": tables, "rules": self.rules })
    }

    /// Puts a snapshot in the place of everything.
    pub fn restore(&mut self, snapshot: &Value) -> Result<(), String> {
        let tables = snapshot["tables"].as_object().ok_or("a snapshot has `tables`")?;
        let rules = serde_json::from_value(snapshot["rules"].clone()).map_err(|e| format!("rules: {e}"))?;
        self.undo = None;
        for name in self.schema.objects.keys().cloned().collect::<Vec<_>>() {
            self.tables.insert(name, Table { next: 1, ..Table::default() });
        }
        for (name, table) in tables {
            for record in table["records"].as_array().into_iter().flatten().filter_map(Value::as_object) {
                self.keep(name, record.clone());
            }
            if let Some(own) = self.tables.get_mut(name) {
                own.next = table["next"].as_u64().unwrap_or(1);
            }
        }
        self.set_rules(rules)
    }

    /// A record that is not in the recycle bin.
    pub fn get(&self, object: &str, id: &str) -> Option<&Record> {
        self.any(object, id).filter(|record| record["IsDeleted"] != true)
    }

    fn any(&self, object: &str, id: &str) -> Option<&Record> {
        let name = self.schema.real_name(object)?;
        let records = &self.tables.get(name)?.records;
        records.get(id).or_else(|| records.get(long_id(id).as_str())).filter(|record| !self.has_left_the_bin(record))
    }

    /// The recycle bin keeps a record for 15 days.
    pub fn has_left_the_bin(&self, record: &Record) -> bool {
        record["IsDeleted"] == true
            && record["SystemModstamp"].as_str().unwrap_or_default() < self.binned_since().as_str()
    }

    /// What was deleted before is gone for good.
    fn binned_since(&self) -> String {
        let since = self.clock.now() - chrono::Duration::days(IN_BIN_DAYS);
        since.format("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string()
    }

    /// Somebody empties the recycle bin.
    pub fn empty_bin(&mut self) {
        for table in self.tables.values_mut() {
            let binned = table.records.iter().filter(|(_, record)| record["IsDeleted"] == true);
            let gone: Vec<Id> = binned.map(|(id, _)| id.clone()).collect();
            for id in gone {
                table.records.remove(&*id);
                let indexes = table.children.values_mut().chain(table.external.values_mut());
                indexes.flat_map(HashMap::values_mut).for_each(|ids| ids.retain(|own| *own != id));
            }
        }
    }

    /// Ids of the records whose lookup `field` points at `parent`.
    pub fn ids_below(&self, object: &str, field: &str, parent: &str) -> &[Id] {
        let table = self.tables.get(object);
        table.and_then(|table| table.children.get(field)?.get(parent)).map(Vec::as_slice).unwrap_or_default()
    }

    /// The records whose lookup `field` points at `parent`, without deleted ones.
    pub fn below(&self, object: &str, field: &str, parent: &str) -> Vec<&Record> {
        self.ids_below(object, field, parent).iter().filter_map(|id| self.get(object, id)).collect()
    }

    /// Ids of the records with that value in a unique or external id field.
    pub fn ids_with(&self, object: &str, field: &str, value: &str) -> &[Id] {
        let table = self.tables.get(object);
        let found = table.and_then(|table| table.external.get(field)?.get(value.to_lowercase().as_str()));
        found.map(Vec::as_slice).unwrap_or_default()
    }

    /// The one record with that external id; an error with their ids when several match.
    pub fn by_external_id(&self, object: &str, field: &str, value: &str) -> Result<Option<String>, Vec<String>> {
        let Some(name) = self.schema.real_name(object) else { return Ok(None) };
        let Some((field, _)) = self.schema.field(name, field) else { return Ok(None) };
        let live: Vec<String> = self
            .ids_with(name, field, value)
            .iter()
            .filter(|id| self.get(name, id).is_some())
            .map(|id| id.to_string())
            .collect();
        match live.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one.clone())),
            _ => Err(live),
        }
    }

    /// The object an id belongs to, by its prefix.
    pub fn object_of(&self, id: &str) -> Option<&str> {
        let prefix = id.get(..3)?;
        self.schema.objects.iter().find(|(_, object)| object.prefix == prefix).map(|(name, _)| name.as_str())
    }

    /// Makes a record; `changes` gets what happened.
    pub fn insert(
        &mut self,
        object: &str,
        body: Record,
        manner: Manner,
        changes: &mut Vec<Change>,
    ) -> Result<String, RowError> {
        let name = self.known(object, manner)?;
        self.check_may(manner, &name, "create")?;
        let mut record = self.checked(&name, body, None, manner)?;
        self.by_options(&name, &mut record, None)?;
        self.check_parent_is_open(manner, &name, &record)?;
        let fields = &self.schema.objects[&name].fields;
        let missing: Vec<&str> = fields
            .iter()
            .filter(|(field, spec)| spec.required && !spec.read_only && record.get(*field).is_none_or(Value::is_null))
            .map(|(field, _)| field.as_str())
            .collect();
        if !missing.is_empty() {
            return Err(RowError::new(
                "REQUIRED_FIELD_MISSING",
                format!("Required fields are missing: [{}]", missing.join(", ")),
                &missing,
            ));
        }
        for (field, spec) in fields.iter().filter(|(_, spec)| spec.kind == "boolean") {
            if !spec.read_only || *field == "IsStandard" {
                record.entry(field.clone()).or_insert(false.into());
            }
        }
        if fields.contains_key("OwnerId") {
            record.entry("OwnerId").or_insert(user(manner).into());
        }
        self.derive(&name, &mut record)?;
        self.validate(&name, &record, None, manner)?;
        record.insert("CreatedById".into(), user(manner).into());
        record.insert("LastModifiedById".into(), user(manner).into());
        let id = self.store(&name, record);
        self.keep_person(&name, &id);
        let after = self.get(&name, &id).cloned().unwrap_or_default();
        changes.push(Change {
            object: name.clone(),
            id: id.clone(),
            operation: Operation::Insert,
            before: None,
            after: after.clone(),
            silent: manner.silent,
            cascade: manner.system,
        });
        self.roll_up(&name, &after, changes, manner)?;
        Ok(id)
    }

    /// Gives a record its id and times, and keeps it.
    pub fn store(&mut self, name: &str, mut record: Record) -> String {
        let now = self.timestamp();
        let prefix = self.schema.objects.get(name).map(|object| object.prefix.clone()).unwrap_or_default();
        let table = self.tables.entry(name.to_owned()).or_default();
        let number = table.next;
        table.next += 1;
        let id = make_id(&prefix, number);
        for (field, value) in [
            ("Id", id.clone()),
            ("CreatedDate", now.clone()),
            ("LastModifiedDate", now.clone()),
            ("SystemModstamp", now),
        ] {
            record.insert(field.into(), value.into());
        }
        let auto = [("Case", "CaseNumber"), ("Order", "OrderNumber")].into_iter().find(|(object, _)| *object == name);
        if let Some((_, field)) = auto {
            record.insert(field.into(), format!("{number:08}").into());
        }
        if name.ends_with("__c") && self.schema.field(name, "Name").is_some_and(|(_, field)| field.read_only) {
            record.insert("Name".into(), format!("{number:06}").into());
        }
        self.keep(name, record);
        id
    }

    /// Keeps a record under its id, with its indexes.
    pub fn keep(&mut self, name: &str, mut record: Record) {
        record.entry("IsDeleted").or_insert(false.into());
        let id = record.get("Id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let Some(schema) = self.schema.objects.get(name) else { return };
        let table = self.tables.entry(name.to_owned()).or_default();
        let own_id = table.records.own_key(id.as_str()).cloned().unwrap_or_else(|| id.as_str().into());
        let old = table.records.get(id.as_str());
        if let Some(undo) = &mut self.undo {
            undo.push((name.to_owned(), id.clone(), old.cloned()));
        }
        for (field, spec) in &schema.fields {
            let by_parent = spec.is_found_by_parent();
            if !by_parent && !spec.is_found_by(field) {
                continue;
            }
            let key = |record: &Record| -> Option<String> {
                match record.get(field)? {
                    Value::String(text) if by_parent => Some(text.clone()),
                    Value::String(text) => Some(text.to_lowercase()),
                    Value::Number(number) => Some(number.to_string()),
                    _ => None,
                }
            };
            let (was, is) = (old.and_then(key), key(&record));
            if was == is {
                continue;
            }
            let index = if by_parent { &mut table.children } else { &mut table.external };
            let index = index.entry(field.clone()).or_default();
            if let Some(was) = was
                && let Some(ids) = index.get_mut(was.as_str())
            {
                ids.retain(|own| *own != own_id);
                if ids.is_empty() {
                    index.remove(was.as_str());
                }
            }
            if let Some(is) = is {
                index.entry(is.into()).or_default().push(own_id.clone());
            }
        }
        table.records.insert(own_id, record);
    }

    /// Changes a record.
    pub fn update(
        &mut self,
        object: &str,
        id: &str,
        body: Record,
        manner: Manner,
        changes: &mut Vec<Change>,
    ) -> Result<(), RowError> {
        let name = self.known(object, manner)?;
        self.check_may(manner, &name, "edit")?;
        let before = self.live(&name, id)?;
        let id = before["Id"].as_str().unwrap_or_default().to_owned();
        self.check_shared(manner, &name, &before)?;
        self.check_locked(&id)?;
        let mut checked = self.checked(&name, body, Some(&id), manner)?;
        self.check_parent_stays(&name, &before, &checked, manner)?;
        self.by_options(&name, &mut checked, Some(&before))?;
        let emptied = |field: &&String| {
            checked[field.as_str()].is_null()
                && self.schema.objects[&name].fields.get(*field).is_some_and(|spec| spec.required)
        };
        if let Some(field) = checked.keys().find(emptied) {
            return Err(RowError::new(
                "REQUIRED_FIELD_MISSING",
                format!("Required fields are missing: [{field}]"),
                &[field],
            ));
        }
        let mut after = before.clone();
        after.extend(checked);
        self.start_flows(&name, &mut after, manner)?;
        self.derive(&name, &mut after)?;
        self.validate(&name, &after, Some(&id), manner)?;
        self.stamp(&mut after, manner);
        if let Some(writes) = &mut self.writes {
            writes.push(Write { id: id.clone(), at: chrono::Utc::now().timestamp_micros(), silent: manner.silent });
        }
        self.keep(&name, after.clone());
        self.keep_person(&name, &id);
        changes.push(Change {
            object: name.clone(),
            id,
            operation: Operation::Update,
            before: Some(before),
            after: after.clone(),
            silent: manner.silent,
            cascade: manner.system,
        });
        self.roll_up(&name, &after, changes, manner)
    }

    /// Moves a record, and what hangs on it, to the recycle bin; triggers run for the record alone.
    pub fn delete(
        &mut self,
        object: &str,
        id: &str,
        manner: Manner,
        changes: &mut Vec<Change>,
    ) -> Result<(), RowError> {
        let name = self.known(object, manner)?;
        self.check_may(manner, &name, "delete")?;
        let before = self.live(&name, id)?;
        let id = before["Id"].as_str().unwrap_or_default().to_owned();
        self.check_shared(manner, &name, &before)?;
        self.check_may_delete(manner, &name, &before)?;
        if name == "Account" && !self.below("Opportunity", "AccountId", &id).is_empty() {
            let won = self.below("Opportunity", "AccountId", &id).iter().any(|own| own["IsWon"] == true);
            if won {
                return Err(RowError::new(
                    "DELETE_FAILED",
                    "Your attempt to delete the account could not be completed because it is associated with closed won opportunities.",
                    &[],
                ));
            }
        }
        if name == "Product2" && !self.below("OpportunityLineItem", "Product2Id", &id).is_empty() {
            let why = "Your attempt to delete the product could not be completed because it is associated with opportunity products.";
            return Err(RowError::new("DELETE_FAILED", why, &[]));
        }
        for (child, field) in self.going_with(&name) {
            for below in self.ids_below(&child, &field, &id).to_vec() {
                if self.get(&child, &below).is_some() {
                    self.delete(&child, &below, manner.by_system(), changes)?;
                    self.binned_with.insert(below.to_string(), id.clone());
                }
            }
        }
        self.let_go(&name, &id, manner, changes);
        let after = self.binned(&name, before.clone(), true);
        changes.push(Change {
            object: name.clone(),
            id,
            operation: Operation::Delete,
            before: Some(before),
            after: after.clone(),
            silent: manner.silent,
            cascade: manner.system,
        });
        self.roll_up(&name, &after, changes, manner)
    }

    /// Lookups of custom objects lose what is deleted (*clear the value of this field*), as those of the package are.
    fn let_go(&mut self, name: &str, id: &str, manner: Manner, changes: &mut Vec<Change>) {
        let relations: Vec<(String, String)> =
            self.schema.relations(name).map(|(child, field, _)| (child.to_owned(), field.to_owned())).collect();
        for (child, field) in relations.into_iter().filter(|(child, _)| child.ends_with("__c")) {
            for own in self.ids_below(&child, &field, id).to_vec() {
                let cleared = Record::from_iter([(field.clone(), Value::Null)]);
                let _ = self.update(&child, &own, cleared, manner.by_system(), changes);
            }
        }
    }

    /// Takes a record out of the recycle bin, with what went there with it; triggers run for the record alone.
    pub fn undelete(
        &mut self,
        object: &str,
        id: &str,
        manner: Manner,
        changes: &mut Vec<Change>,
    ) -> Result<(), RowError> {
        let name = self.known(object, manner)?;
        self.check_may(manner, &name, "delete")?;
        let binned = self
            .any(&name, id)
            .filter(|record| record["IsDeleted"] == true && record.get("MasterRecordId").is_none_or(Value::is_null));
        let binned =
            binned.cloned().ok_or_else(|| RowError::new("UNDELETE_FAILED", "Entity is not in the recycle bin", &[]))?;
        let id = binned["Id"].as_str().unwrap_or_default().to_owned();
        let after = self.binned(&name, binned, false);
        // What went to the bin with it comes back with it.
        for (child, _) in self.going_with(&name).into_iter().rev() {
            let below: Vec<String> = self.tables.get(&child).map_or_else(Vec::new, |table| {
                let with = |own: &&Id| self.binned_with.get(&***own) == Some(&id);
                table.records.keys().filter(with).map(|own| own.to_string()).collect()
            });
            for below in below {
                self.binned_with.remove(&below);
                self.undelete(&child, &below, manner.by_system(), changes)?;
            }
        }
        changes.push(Change {
            object: name.clone(),
            id,
            operation: Operation::Undelete,
            before: None,
            after: after.clone(),
            silent: manner.silent,
            cascade: manner.system,
        });
        self.roll_up(&name, &after, changes, manner)
    }

    /// Merges `loser` into `master`: children move, the loser goes to the bin with `MasterRecordId`. Triggers run for these two alone.
    pub fn merge(
        &mut self,
        object: &str,
        master: &str,
        loser: &str,
        manner: Manner,
        changes: &mut Vec<Change>,
    ) -> Result<(), RowError> {
        let name = self.known(object, manner)?;
        self.check_may(manner, &name, "delete")?;
        if !matches!(name.as_str(), "Account" | "Contact" | "Lead") {
            return Err(RowError::new("INVALID_OPERATION", format!("{name} cannot be merged"), &[]));
        }
        let master = self.live(&name, master)?["Id"].as_str().unwrap_or_default().to_owned();
        let before = self.live(&name, loser)?;
        let loser = before["Id"].as_str().unwrap_or_default().to_owned();
        let relations: Vec<(String, String)> =
            self.schema.relations(&name).map(|(child, field, _)| (child.to_owned(), field.to_owned())).collect();
        for (child, field) in relations {
            for id in self.ids_below(&child, &field, &loser).to_vec() {
                let mut body = Record::new();
                body.insert(field.clone(), master.clone().into());
                let _ = self.update(&child, &id, body, manner.by_system(), changes);
            }
        }
        self.update(&name, &master, Record::new(), manner, changes)?;
        let mut after = before.clone();
        after.insert("MasterRecordId".into(), master.into());
        let after = self.binned(&name, after, true);
        changes.push(Change {
            object: name,
            id: loser,
            operation: Operation::Delete,
            before: Some(before),
            after,
            silent: manner.silent,
            cascade: manner.system,
        });
        Ok(())
    }

    fn binned(&mut self, name: &str, mut record: Record, deleted: bool) -> Record {
        record.insert("IsDeleted".into(), deleted.into());
        record.insert("SystemModstamp".into(), self.timestamp().into());
        self.keep(name, record.clone());
        record
    }

    fn known(&self, object: &str, manner: Manner) -> Result<String, RowError> {
        let missing = || RowError::new("NOT_FOUND", "The requested resource does not exist", &[]);
        self.known_by(manner, object).map(str::to_owned).ok_or_else(missing)
    }

    fn live(&self, name: &str, id: &str) -> Result<Record, RowError> {
        match self.any(name, id) {
            Some(record) if record["IsDeleted"] == true => {
                Err(RowError::new("ENTITY_IS_DELETED", "entity is deleted", &[]))
            }
            Some(record) => Ok(record.clone()),
            None if id.len() != 15 && id.len() != 18 => {
                Err(RowError::new("MALFORMED_ID", format!("{name} ID: id value of incorrect type: {id}"), &["Id"]))
            }
            None => Err(RowError::new(
                "NOT_FOUND",
                "Provided external ID field does not exist or is not accessible: Id",
                &[],
            )),
        }
    }

    /// The body's fields under their own names, each fit for its field.
    fn checked(&self, name: &str, body: Record, id: Option<&str>, manner: Manner) -> Result<Record, RowError> {
        let mut checked = Record::new();
        for (given, value) in body {
            if given == "attributes" || given.eq_ignore_ascii_case("Id") {
                continue;
            }
            // A parent named by its external id: {"Account": {"Tandem_Card_Code__c": "C1"}}
            if let (Value::Object(key), Some((field, parent, _))) = (&value, self.seen_by(manner).parent(name, &given))
            {
                let id = self.parent_by_key(parent, key)?;
                checked.insert(field.to_owned(), id.into());
                continue;
            }
            let Some((field, spec)) = self.seen_by(manner).field(name, &given) else {
                return Err(RowError::new(
                    "INVALID_FIELD",
                    format!("No such column '{given}' on sobject of type {name}"),
                    &[],
                ));
            };
            if spec.read_only && !(name == "Pricebook2" && field == "IsStandard" && manner.system && id.is_none()) {
                return Err(RowError::new(
                    "INVALID_FIELD_FOR_INSERT_UPDATE",
                    format!(
                        "Unable to create/update fields: {field}. Please check the security settings of this field and verify that it is read/write for your profile or permission set."
                    ),
                    &[field],
                ));
            }
            let value = self.fit(name, field, spec, value, id)?;
            self.check_reference(field, &value, spec, manner)?;
            checked.insert(field.to_owned(), value);
        }
        Ok(checked)
    }

    fn parent_by_key(&self, parent: &str, key: &Record) -> Result<String, RowError> {
        let wanted = key.iter().find(|(name, _)| *name != "attributes");
        let (field, value) =
            wanted.ok_or_else(|| RowError::new("INVALID_FIELD", "no external id is given for the parent", &[]))?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match self.by_external_id(parent, field, &text) {
            Ok(Some(id)) => Ok(id),
            Ok(None) => Err(RowError::new(
                "INVALID_FIELD",
                format!(
                    "Foreign key external ID: {} not found for field {field} in entity {parent}",
                    text.to_lowercase()
                ),
                &[],
            )),
            Err(_) => Err(RowError::new(
                "DUPLICATE_EXTERNAL_ID",
                format!("More than one record found for external id field: {field}"),
                &[],
            )),
        }
    }

    /// What is not shared with whoever writes can be no one's parent.
    fn check_reference(&self, field: &str, value: &Value, spec: &Field, manner: Manner) -> Result<(), RowError> {
        let named = value.as_str().filter(|_| spec.kind == "reference");
        if named.is_none_or(|id| self.is_shared(manner, id)) {
            return Ok(());
        }
        Err(RowError::new(
            "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
            "insufficient access rights on cross-reference id",
            &[field],
        ))
    }

    fn fit(&self, name: &str, field: &str, spec: &Field, value: Value, id: Option<&str>) -> Result<Value, RowError> {
        // Blanks at the ends are cut, and blank text is none.
        let value = match value {
            Value::String(text) if text.trim().len() < text.len() => text.trim().into(),
            other => other,
        };
        let parse_error = |what: &str| {
            RowError::new(
                "JSON_PARSER_ERROR",
                format!(
                    "Cannot deserialize instance of {} from {what} value {value} or request may be missing a required field at [line:1, column:1]",
                    spec.kind
                ),
                &[],
            )
        };
        match &value {
            Value::Null => return Ok(Value::Null),
            Value::Array(_) | Value::Object(_) => return Err(parse_error("START_OBJECT")),
            Value::String(text) if text.is_empty() => return Ok(Value::Null),
            Value::String(text) => {
                // Numbers and booleans are taken as text too, as the JSON parser of the real service does.
                if spec.is_number() {
                    let number: Decimal = text.trim().parse().map_err(|_| parse_error("VALUE_STRING"))?;
                    return Ok(number_value(to_scale(field, spec, number)));
                }
                if spec.kind == "boolean" {
                    return text.parse::<bool>().map(Value::Bool).map_err(|_| parse_error("VALUE_STRING"));
                }
                if let Some(length) = spec.length
                    && text.chars().count() > length
                    && spec.kind != "reference"
                {
                    return Err(RowError::new(
                        "STRING_TOO_LONG",
                        format!("{}: data value too large: {text} (max length={length})", spec.label),
                        &[field],
                    ));
                }
                match spec.kind.as_str() {
                    "date" => {
                        let day =
                            text.get(..10).and_then(|day| chrono::NaiveDate::parse_from_str(day, "%Y-%m-%d").ok());
                        return day
                            .map(|day| day.format("%Y-%m-%d").to_string().into())
                            .ok_or_else(|| parse_error("VALUE_STRING"));
                    }
                    "datetime" => {
                        let at = soql::date_time(text).ok_or_else(|| parse_error("VALUE_STRING"))?;
                        return Ok(at.replace('Z', "+0000").into());
                    }
                    "email" if !text.contains('@') => {
                        return Err(RowError::new(
                            "INVALID_EMAIL_ADDRESS",
                            format!("{}: invalid email address: {text}", spec.label),
                            &[field],
                        ));
                    }
                    "picklist" if field == "CurrencyIsoCode" && !self.is_active_currency(text) => {
                        return Err(RowError::new(
                            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
                            format!("Currency ISO Code: bad value for restricted picklist field: {text}"),
                            &[field],
                        ));
                    }
                    "picklist" if spec.restricted && !spec.picklist.contains(text) => {
                        return Err(RowError::new(
                            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
                            format!("{}: bad value for restricted picklist field: {text}", spec.label),
                            &[field],
                        ));
                    }
                    "reference" => return self.fit_reference(field, spec, text),
                    _ => {}
                }
            }
            Value::Number(number) => {
                if spec.kind == "boolean" || matches!(spec.kind.as_str(), "date" | "datetime" | "reference") {
                    return Err(parse_error("VALUE_NUMBER"));
                }
                if !spec.is_number() {
                    return Ok(number.to_string().into());
                }
                let exact: Option<Decimal> = number.to_string().parse().ok();
                let most = spec.precision.saturating_sub(spec.scale);
                if exact.is_some_and(|number| number.abs().trunc().to_string().len() > most.max(1)) {
                    return Err(RowError::new(
                        "NUMBER_OUTSIDE_VALID_RANGE",
                        format!("{}: value outside of valid range on numeric field: {number}", spec.label),
                        &[field],
                    ));
                }
                if let Some(exact) = exact.filter(|exact| to_scale(field, spec, *exact) != *exact) {
                    return Ok(number_value(to_scale(field, spec, exact)));
                }
            }
            Value::Bool(_) if spec.kind != "boolean" => return Err(parse_error("VALUE_TRUE")),
            Value::Bool(_) => {}
        }
        if spec.unique {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let other = self
                .ids_with(name, field, &text)
                .iter()
                .find(|other| id != Some(&***other) && self.get(name, other).is_some());
            if let Some(other) = other {
                return Err(RowError::new(
                    "DUPLICATE_VALUE",
                    format!("duplicate value found: {field} duplicates value on record with id: {}", &other[..15]),
                    &[],
                ));
            }
        }
        Ok(value)
    }

    fn is_active_currency(&self, code: &str) -> bool {
        let all = self.tables.get("CurrencyType").into_iter().flat_map(|table| table.records.values());
        all.into_iter().any(|own| own["IsoCode"] == code && own["IsActive"] == true && own["IsDeleted"] != true)
    }

    fn fit_reference(&self, field: &str, spec: &Field, text: &str) -> Result<Value, RowError> {
        let long = long_id(text);
        let Some((parent, _)) = &spec.parent else { return Ok(long.into()) };
        if text.len() != 15 && text.len() != 18 {
            return Err(RowError::new(
                "MALFORMED_ID",
                format!("{}: id value of incorrect type: {text}", spec.label),
                &[field],
            ));
        }
        match self.any(parent, &long) {
            Some(record) if record["IsDeleted"] != true => Ok(long.into()),
            Some(_) => Err(RowError::new("ENTITY_IS_DELETED", "entity is deleted", &[field])),
            None => Err(RowError::new(
                "INVALID_CROSS_REFERENCE_KEY",
                format!("invalid cross reference id: {text}"),
                &[field],
            )),
        }
    }

    /// Computed fields and cross-record rules.
    fn derive(&self, name: &str, record: &mut Record) -> Result<(), RowError> {
        match name {
            "Opportunity" => {
                let stage = record.get("StageName").and_then(Value::as_str).unwrap_or_default();
                let (won, closed) = (stage == "Closed Won", stage.starts_with("Closed"));
                record.insert("IsWon".into(), won.into());
                record.insert("IsClosed".into(), closed.into());
                record.entry("HasOpportunityLineItem").or_insert(false.into());
                record.entry("CurrencyIsoCode").or_insert_with(|| self.corporate());
            }
            "Contact" => {
                let text = |field: &str| record.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
                let name = format!("{} {}", text("FirstName"), text("LastName")).trim().to_owned();
                record.insert("Name".into(), name.into());
            }
            "Case" => {
                let closed = record.get("Status").is_some_and(|status| status == "Closed");
                record.insert("IsClosed".into(), closed.into());
            }
            "OpportunityLineItem" => self.derive_line(record)?,
            "PricebookEntry" => self.derive_entry(record)?,
            _ => {}
        }
        Ok(())
    }

    fn derive_line(&self, record: &mut Record) -> Result<(), RowError> {
        let id = |field: &str| record.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let integrity = |message: &str, field: &str| Err(RowError::new("FIELD_INTEGRITY_EXCEPTION", message, &[field]));
        let Some(entry) = self.get("PricebookEntry", &id("PricebookEntryId")) else {
            return integrity(
                "field integrity exception: PricebookEntryId (pricebook entry is inactive or not there)",
                "PricebookEntryId",
            );
        };
        let Some(opportunity) = self.get("Opportunity", &id("OpportunityId")) else {
            return integrity("field integrity exception: OpportunityId", "OpportunityId");
        };
        if entry["CurrencyIsoCode"] != opportunity["CurrencyIsoCode"] {
            return integrity(
                "The pricebook entry currency code does not match the currency code of the opportunity",
                "CurrencyIsoCode",
            );
        }
        let book = opportunity.get("Pricebook2Id").cloned().unwrap_or_default();
        if !book.is_null() && book != entry["Pricebook2Id"] {
            return integrity(
                "field integrity exception: PricebookEntryId (pricebook entry is in a different pricebook than the one assigned to the opportunity)",
                "PricebookEntryId",
            );
        }
        let number = |field: &str| {
            record.get(field).filter(|v| v.is_number()).and_then(|v| v.to_string().parse::<Decimal>().ok())
        };
        let quantity = number("Quantity").unwrap_or(Decimal::ONE);
        let discount = Decimal::ONE_HUNDRED - number("Discount").unwrap_or_default();
        let total = match (number("UnitPrice"), number("TotalPrice")) {
            (Some(price), _) => price * quantity * discount / Decimal::ONE_HUNDRED,
            (None, Some(total)) if !quantity.is_zero() => {
                record.insert("UnitPrice".into(), number_value(total / quantity));
                total
            }
            _ => {
                return Err(RowError::new(
                    "REQUIRED_FIELD_MISSING",
                    "Specify either a sales price or a total price",
                    &["UnitPrice"],
                ));
            }
        };
        record.insert("TotalPrice".into(), number_value(total.round_dp(2)));
        record.insert("ListPrice".into(), entry["UnitPrice"].clone());
        record.insert("CurrencyIsoCode".into(), entry["CurrencyIsoCode"].clone());
        record.insert("Product2Id".into(), entry["Product2Id"].clone());
        let product = self.get("Product2", entry["Product2Id"].as_str().unwrap_or_default());
        let code = product.and_then(|product| product.get("ProductCode").cloned()).unwrap_or_default();
        let names = [opportunity.get("Name"), product.and_then(|product| product.get("Name"))];
        let name: Vec<&str> = names.into_iter().flatten().filter_map(Value::as_str).collect();
        record.insert("Name".into(), name.join(" ").into());
        record.insert("ProductCode".into(), code);
        Ok(())
    }

    fn derive_entry(&self, record: &mut Record) -> Result<(), RowError> {
        let text = |field: &str| record.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (book, product) = (text("Pricebook2Id"), text("Product2Id"));
        let is_standard = |book: &str| self.get("Pricebook2", book).is_some_and(|book| book["IsStandard"] == true);
        let currency = record.entry("CurrencyIsoCode").or_insert_with(|| self.corporate()).clone();
        let own = record.get("Id").cloned();
        let entries = self.below("PricebookEntry", "Product2Id", &product);
        let same = |entry: &&&Record| entry["CurrencyIsoCode"] == currency && entry.get("Id") != own.as_ref();
        if entries.iter().filter(same).any(|entry| entry["Pricebook2Id"] == book.as_str()) {
            return Err(RowError::new(
                "DUPLICATE_VALUE",
                "This price definition already exists in this price book",
                &[],
            ));
        }
        let in_standard =
            entries.iter().filter(same).any(|entry| is_standard(entry["Pricebook2Id"].as_str().unwrap_or_default()));
        if own.is_none() && !is_standard(&book) && !in_standard {
            return Err(RowError::new("STANDARD_PRICE_NOT_DEFINED", "No standard price defined for this product", &[]));
        }
        if let Some(product) = self.get("Product2", &product) {
            for field in ["Name", "ProductCode"] {
                record.insert(field.into(), product.get(field).cloned().unwrap_or_default());
            }
        }
        Ok(())
    }

    /// Validation rules and duplicate rules.
    fn validate(&self, name: &str, record: &Record, id: Option<&str>, manner: Manner) -> Result<(), RowError> {
        for (rule, condition) in self.conditions.iter().filter(|(rule, _)| rule.object == name) {
            if self.holds(name, record, condition)? {
                let field: Vec<&str> = rule.field.as_deref().into_iter().collect();
                return Err(RowError::new("FIELD_CUSTOM_VALIDATION_EXCEPTION", rule.message.clone(), &field));
            }
        }
        for rule in
            self.rules.duplicates.iter().filter(|rule| rule.object == name && (rule.blocks || !manner.allow_duplicates))
        {
            let same = |other: &Record| {
                rule.fields.iter().all(|field| {
                    let text = |record: &Record| record.get(field).and_then(Value::as_str).map(str::to_lowercase);
                    text(record).is_some() && text(record) == text(other)
                })
            };
            let table = &self.tables[name];
            let twins: Vec<Value> = table
                .records
                .iter()
                .filter(|(own, other)| id != Some(&***own) && other["IsDeleted"] != true && same(other))
                .map(|(own, _)| json!({ "matchConfidence": 100.0, "record": { "attributes": { "type": name }, "Id": &**own } }))
                .collect();
            if !twins.is_empty() {
                let words = "Use one of these records?";
                let matches =
                    json!([{ "entityType": name, "size": twins.len(), "success": true, "matchRecords": twins }]);
                let mut error = RowError::new("DUPLICATES_DETECTED", words, &[]);
                let result = json!({
                    "allowSave": !rule.blocks, "duplicateRuleEntityType": name, "errorMessage": words, "matchResults": matches,
                });
                error.duplicate_result = Some(Box::new(result));
                return Err(error);
            }
        }
        Ok(())
    }

    /// A line that is saved saves its opportunity, once the triggers of the lines have run: with its amount, the sum of the lines, and with the
    /// opportunity's own rules, flows, locks and triggers. What refuses the opportunity refuses the line; the caller takes it back. What goes with
    /// an opportunity saves it no more. Source: Apex Developer Guide, "Triggers and Order of Execution".
    // Assumed: also where the amount stays the same, and in the words of the opportunity's rule.
    fn roll_up(
        &mut self,
        name: &str,
        line: &Record,
        changes: &mut Vec<Change>,
        manner: Manner,
    ) -> Result<(), RowError> {
        const OBJECT: &str = "Opportunity";
        if name != "OpportunityLineItem" {
            return Ok(());
        }
        let parent = line["OpportunityId"].as_str().unwrap_or_default().to_owned();
        let lines = self.below(name, "OpportunityId", &parent);
        let has_lines = !lines.is_empty();
        let sum: Decimal = lines.iter().filter_map(|line| line["TotalPrice"].to_string().parse::<Decimal>().ok()).sum();
        let Some(before) = self.get(OBJECT, &parent).cloned() else { return Ok(()) };
        let mut after = before.clone();
        after.insert("Amount".into(), number_value(sum));
        after.insert("HasOpportunityLineItem".into(), has_lines.into());
        if manner.system && before == after {
            return Ok(());
        }
        if !manner.system {
            self.check_locked(&parent)?;
            self.start_flows(OBJECT, &mut after, manner)?;
            self.derive(OBJECT, &mut after)?;
            self.validate(OBJECT, &after, Some(&parent), manner)?;
        }
        self.stamp(&mut after, manner);
        self.keep(OBJECT, after.clone());
        changes.push(Change {
            object: OBJECT.into(),
            id: parent,
            operation: Operation::Update,
            before: Some(before),
            after,
            silent: manner.silent,
            cascade: manner.system,
        });
        Ok(())
    }

    /// Refuses a record that somebody else holds.
    fn check_locked(&self, id: &str) -> Result<(), RowError> {
        if !self.rules.locked.iter().any(|own| own == id) {
            return Ok(());
        }
        let words = "unable to obtain exclusive access to this record or 1 records";
        Err(RowError::new("UNABLE_TO_LOCK_ROW", words, &[]))
    }

    /// The org's flows that start with what the integration user writes.
    fn start_flows(&self, name: &str, record: &mut Record, manner: Manner) -> Result<(), RowError> {
        for (own, condition) in self.automations.iter().filter(|(own, _)| manner.silent && own.object == name) {
            if self.holds(name, record, condition)? {
                record.extend(own.fields.clone());
            }
        }
        Ok(())
    }

    /// When a record was changed and by whom; nobody's name stands on what the system does.
    fn stamp(&self, record: &mut Record, manner: Manner) {
        let now = self.timestamp();
        if !manner.system {
            record.insert("LastModifiedDate".into(), now.clone().into());
            record.insert("LastModifiedById".into(), user(manner).into());
        }
        record.insert("SystemModstamp".into(), now.into());
    }

    /// Now, as Salesforce writes it.
    pub fn timestamp(&self) -> String {
        self.clock.now().format("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string()
    }
}

fn user(manner: Manner) -> &'static str {
    if manner.silent { INTEGRATION_USER } else { SALES_USER }
}

/// 18 characters: prefix, instance, number in base 62, checksum.
pub fn make_id(prefix: &str, mut number: u64) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut digits = Vec::new();
    for _ in 0..9 {
        digits.push(char::from(DIGITS[(number % 62) as usize]));
        number /= 62;
    }
    let tail: String = digits.into_iter().rev().collect();
    long_id(&format!("{prefix}5g0{tail}"))
}

/// The 18-character form of a 15-character id: three letters that tell the case of the others.
pub fn long_id(id: &str) -> String {
    if id.len() != 15 || !id.is_ascii() {
        return id.to_owned();
    }
    let mut long = id.to_owned();
    for chunk in id.as_bytes().chunks(5) {
        let bits = chunk
            .iter()
            .enumerate()
            .filter(|(_, byte)| byte.is_ascii_uppercase())
            .fold(0, |bits, (at, _)| bits | 1 << at);
        long.push(char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"[bits]));
    }
    long
}

/// An exact JSON number.
pub fn number_value(number: Decimal) -> Value {
    serde_json::from_str(&number.normalize().to_string()).unwrap_or_default()
}

/// A custom field keeps as many decimal places as it says, and rounds what is written with more.
fn to_scale(field: &str, spec: &Field, number: Decimal) -> Decimal {
    if !field.ends_with("__c") {
        return number;
    }
    let places = u32::try_from(spec.scale).unwrap_or(u32::MAX);
    number.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_tells_the_case_of_an_id() {
        assert_eq!(long_id("0013000001Gt8R0"), "0013000001Gt8R0AAJ");
    }
}
