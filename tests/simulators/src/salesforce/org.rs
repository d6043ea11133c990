//! The org: schema loaded from the package's own metadata, records, ids with checksum, validation, and the effect of the
//! package's triggers.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::{Context, Result};
use roxmltree::Document;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::soql::{Condition, Literal, Op, Query, Selected, holds};

pub type Record = Map<String, Value>;

/// A refused row.
#[derive(Clone, Debug)]
pub struct RowError {
    pub code: &'static str,
    pub message: String,
    pub fields: Vec<String>,
}

impl RowError {
    pub fn new(code: &'static str, message: impl Into<String>, fields: &[&str]) -> Self {
        Self { code, message: message.into(), fields: fields.iter().map(|f| (*f).to_owned()).collect() }
    }

    pub fn json(&self) -> Value {
        json!({ "statusCode": self.code, "message": self.message, "fields": self.fields })
    }
}

#[derive(Clone, Debug, Default)]
pub struct Field {
    pub kind: String,
    pub length: Option<usize>,
    pub required: bool,
    pub external_id: bool,
    pub unique: bool,
    /// Objects the lookup points at.
    pub parent: Option<&'static str>,
    pub read_only: bool,
}

#[derive(Default)]
pub struct Object {
    pub prefix: &'static str,
    pub fields: BTreeMap<String, Field>,
    pub records: BTreeMap<String, Record>,
    /// Children by parent id, for line items and entries.
    by_parent: HashMap<String, Vec<String>>,
    next: u64,
}

/// An event the org would publish.
pub struct Published {
    pub object: String,
    pub record_id: String,
    pub operation: &'static str,
    pub changed: Vec<String>,
    pub sequence: usize,
}

pub struct Org {
    pub objects: BTreeMap<String, Object>,
    /// Watched fields by object, from the package's custom metadata.
    watched: HashMap<String, HashSet<String>>,
    /// Fields of the platform event: name, type.
    pub event_fields: Vec<(String, String)>,
    /// Every update since somebody asked for them to be noted.
    pub writes: Option<Vec<Write>>,
}

/// One update, as `/admin/writes` tells it.
#[derive(serde::Serialize)]
pub struct Write {
    id: String,
    /// Microseconds since 1970 UTC.
    at: i64,
    /// By the integration user.
    silent: bool,
}

type StandardObject = (&'static str, &'static str, &'static [&'static str]);

/// Standard objects as far as Tandem touches them: prefix, and `name:type[:length][!][>Parent][=]` (`!` required, `=` read
/// only).
const STANDARD: [StandardObject; 9] = [
    (
        "Account",
        "001",
        &[
            "Name:string:255!",
            "Type:string:255",
            "Industry:string:255",
            "Phone:phone:40",
            "Website:url:255",
            "BillingStreet:textarea:255",
            "BillingCity:string:40",
            "BillingPostalCode:string:20",
            "BillingCountry:string:80",
            "ShippingStreet:textarea:255",
            "ShippingCity:string:40",
            "ShippingPostalCode:string:20",
            "ShippingCountry:string:80",
            "Description:textarea:32000",
            "CurrencyIsoCode:string:3",
            "OwnerId:string:18",
        ],
    ),
    (
        "Contact",
        "003",
        &[
            "LastName:string:80!",
            "FirstName:string:40",
            "Email:email:80",
            "Phone:phone:40",
            "AccountId:reference:18>Account",
            "Title:string:128",
        ],
    ),
    (
        "Opportunity",
        "006",
        &[
            "Name:string:120!",
            "StageName:string:255!",
            "CloseDate:date!",
            "AccountId:reference:18>Account",
            "Amount:currency",
            "Probability:percent",
            "Description:textarea:32000",
            "NextStep:string:255",
            "CurrencyIsoCode:string:3",
            "Pricebook2Id:reference:18>Pricebook2",
            "IsWon:boolean=",
            "IsClosed:boolean=",
            "OwnerId:string:18",
        ],
    ),
    (
        "OpportunityLineItem",
        "00k",
        &[
            "OpportunityId:reference:18!>Opportunity",
            "PricebookEntryId:reference:18!>PricebookEntry",
            "Product2Id:reference:18>Product2=",
            "ProductCode:string:255=",
            "Quantity:double!",
            "UnitPrice:currency",
            "TotalPrice:currency",
            "ListPrice:currency=",
            "Discount:percent",
            "ServiceDate:date",
            "Description:string:255",
            "SortOrder:int",
            "CurrencyIsoCode:string:3=",
        ],
    ),
    (
        "Product2",
        "01t",
        &[
            "Name:string:255!",
            "ProductCode:string:255",
            "Description:textarea:4000",
            "IsActive:boolean",
            "Family:string:255",
        ],
    ),
    ("Pricebook2", "01s", &["Name:string:255!", "IsActive:boolean", "IsStandard:boolean"]),
    (
        "PricebookEntry",
        "01u",
        &[
            "Pricebook2Id:reference:18!>Pricebook2",
            "Product2Id:reference:18!>Product2",
            "UnitPrice:currency!",
            "IsActive:boolean",
            "CurrencyIsoCode:string:3",
        ],
    ),
    (
        "Case",
        "500",
        &[
            "Subject:string:255",
            "Status:string:255",
            "AccountId:reference:18>Account",
            "ContactId:reference:18>Contact",
        ],
    ),
    (
        "Task",
        "00T",
        &[
            "Subject:string:255",
            "Status:string:255",
            "WhatId:string:18",
            "WhoId:string:18",
            "Description:textarea:32000",
        ],
    ),
];

/// Plural names of child relationships.
const CHILDREN: [(&str, &str, &str, &str); 4] = [
    ("Opportunity", "OpportunityLineItems", "OpportunityLineItem", "OpportunityId"),
    ("Account", "Opportunities", "Opportunity", "AccountId"),
    ("Account", "Contacts", "Contact", "AccountId"),
    ("Product2", "PricebookEntries", "PricebookEntry", "Product2Id"),
];

impl Org {
    /// Loads the schema: the standard objects and the package's folder `force-app/main/default`.
    pub fn load(package: &std::path::Path) -> Result<Self> {
        let mut org =
            Self { objects: BTreeMap::new(), watched: HashMap::new(), event_fields: Vec::new(), writes: None };
        for (name, prefix, fields) in STANDARD {
            let mut object = Object { prefix, next: 1, ..Object::default() };
            for field in fields.iter().chain(&[
                "Id:id=",
                "CreatedDate:datetime=",
                "LastModifiedDate:datetime=",
                "SystemModstamp:datetime=",
                "IsDeleted:boolean=",
            ]) {
                let (name, field) = standard_field(field);
                object.fields.insert(name, field);
            }
            org.objects.insert(name.to_owned(), object);
        }
        org.load_fields(&package.join("objects"))?;
        org.load_watched(&package.join("customMetadata"))?;
        Ok(org)
    }

    fn load_fields(&mut self, folder: &std::path::Path) -> Result<()> {
        for object in std::fs::read_dir(folder).with_context(|| format!("{}", folder.display()))? {
            let object = object?.path();
            let name = object.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let fields = object.join("fields");
            if !fields.is_dir() {
                continue;
            }
            for file in std::fs::read_dir(fields)? {
                let text = std::fs::read_to_string(file?.path())?;
                let xml = Document::parse(&text)?;
                let value = |tag: &str| {
                    xml.descendants()
                        .find(|node| node.has_tag_name(tag))
                        .and_then(|node| node.text())
                        .map(str::to_owned)
                };
                let full_name = value("fullName").context("a field without fullName")?;
                let kind = value("type").unwrap_or_default();
                if name == "Tandem_Change__e" {
                    self.event_fields.push((full_name, kind));
                    continue;
                }
                let field = Field {
                    kind: kind.to_lowercase(),
                    length: value("length").and_then(|length| length.parse().ok()),
                    required: value("required").as_deref() == Some("true"),
                    external_id: value("externalId").as_deref() == Some("true"),
                    unique: value("unique").as_deref() == Some("true"),
                    parent: None,
                    read_only: false,
                };
                if let Some(object) = self.objects.get_mut(&name) {
                    object.fields.insert(full_name, field);
                }
            }
        }
        self.event_fields.sort();
        Ok(())
    }

    fn load_watched(&mut self, folder: &std::path::Path) -> Result<()> {
        for file in std::fs::read_dir(folder).with_context(|| format!("{}", folder.display()))? {
            let text = std::fs::read_to_string(file?.path())?;
            let xml = Document::parse(&text)?;
            let mut pair = HashMap::new();
            for values in xml.descendants().filter(|node| node.has_tag_name("values")) {
                let child = |tag: &str| {
                    values
                        .children()
                        .find(|node| node.has_tag_name(tag))
                        .and_then(|node| node.text())
                        .unwrap_or_default()
                        .to_owned()
                };
                pair.insert(child("field"), child("value"));
            }
            if let (Some(object), Some(field)) = (pair.remove("Object__c"), pair.remove("Field__c")) {
                self.watched.entry(object).or_default().insert(field);
            }
        }
        Ok(())
    }

    fn object(&self, name: &str) -> Option<&Object> {
        self.objects.get(self.real_name(name)?)
    }

    /// Names are found whatever their case.
    pub fn real_name(&self, name: &str) -> Option<&str> {
        self.objects.keys().find(|own| own.eq_ignore_ascii_case(name)).map(String::as_str)
    }

    pub fn get(&self, object: &str, id: &str) -> Option<&Record> {
        self.object(object)?.records.get(&long_id(id)).filter(|record| record["IsDeleted"] != true)
    }

    /// The one record with that external id; an error when several match.
    pub fn by_external_id(&self, object: &str, field: &str, value: &str) -> Result<Option<String>, usize> {
        let Some(object) = self.object(object) else { return Ok(None) };
        let matches = |record: &&Record| {
            record["IsDeleted"] != true
                && record.get(field).and_then(Value::as_str).is_some_and(|own| own.eq_ignore_ascii_case(value))
        };
        let found: Vec<&Record> = object.records.values().filter(matches).collect();
        match found.as_slice() {
            [] => Ok(None),
            [one] => Ok(one["Id"].as_str().map(str::to_owned)),
            many => Err(many.len()),
        }
    }

    /// Inserts a record; returns its id and the events its triggers publish.
    pub fn insert(&mut self, object: &str, body: Record, silent: bool) -> Result<(String, Vec<Published>), RowError> {
        let name = self
            .real_name(object)
            .ok_or_else(|| RowError::new("NOT_FOUND", "The requested resource does not exist", &[]))?
            .to_owned();
        let mut record = self.checked(&name, body, None)?;
        for (field, spec) in &self.objects[&name].fields {
            if spec.required && record.get(field).is_none_or(Value::is_null) {
                return Err(RowError::new(
                    "REQUIRED_FIELD_MISSING",
                    format!("Required fields are missing: [{field}]"),
                    &[field],
                ));
            }
        }
        self.derive(&name, &mut record)?;
        let Some(own) = self.objects.get_mut(&name) else { return Err(RowError::new("NOT_FOUND", "gone", &[])) };
        let id = make_id(own.prefix, own.next);
        own.next += 1;
        let now = timestamp();
        for (field, value) in [
            ("Id", Value::from(id.clone())),
            ("CreatedDate", now.clone().into()),
            ("LastModifiedDate", now.clone().into()),
            ("SystemModstamp", now.into()),
            ("IsDeleted", false.into()),
        ] {
            record.insert(field.into(), value);
        }
        for parent in ["OpportunityId", "AccountId", "Product2Id"] {
            if let Some(parent) = record.get(parent).and_then(Value::as_str) {
                own.by_parent.entry(parent.to_owned()).or_default().push(id.clone());
            }
        }
        let events = if silent { Vec::new() } else { self.events(&name, "CREATE", None, &record) };
        if let Some(own) = self.objects.get_mut(&name) {
            own.records.insert(id.clone(), record);
        }
        self.roll_up(&name, &id);
        Ok((id, events))
    }

    /// Changes a record; returns the events its triggers publish.
    pub fn update(&mut self, object: &str, id: &str, body: Record, silent: bool) -> Result<Vec<Published>, RowError> {
        let not_found =
            || RowError::new("NOT_FOUND", "Provided external ID field does not exist or is not accessible", &[]);
        let name = self.real_name(object).ok_or_else(not_found)?.to_owned();
        let id = long_id(id);
        let before = self.objects[&name].records.get(&id).cloned().ok_or_else(not_found)?;
        if before["IsDeleted"] == true {
            return Err(RowError::new("ENTITY_IS_DELETED", "entity is deleted", &[]));
        }
        let changes = self.checked(&name, body, Some(&id))?;
        let mut after = before.clone();
        after.extend(changes);
        self.derive(&name, &mut after)?;
        let now = timestamp();
        after.insert("LastModifiedDate".into(), now.clone().into());
        after.insert("SystemModstamp".into(), now.into());
        let events = if silent { Vec::new() } else { self.events(&name, "UPDATE", Some(&before), &after) };
        if let Some(writes) = &mut self.writes {
            writes.push(Write { id: id.clone(), at: micros(), silent });
        }
        if let Some(own) = self.objects.get_mut(&name) {
            own.records.insert(id.clone(), after);
        }
        self.roll_up(&name, &id);
        Ok(events)
    }

    /// Moves a record to the recycle bin.
    pub fn delete(&mut self, object: &str, id: &str, silent: bool) -> Result<Vec<Published>, RowError> {
        let name = self.real_name(object).map(str::to_owned).unwrap_or_default();
        let before = self.get(&name, id).cloned();
        let before = before.ok_or_else(|| RowError::new("ENTITY_IS_DELETED", "entity is deleted", &[]))?;
        let mut after = before.clone();
        after.insert("IsDeleted".into(), true.into());
        after.insert("SystemModstamp".into(), timestamp().into());
        if let Some(own) = self.objects.get_mut(&name) {
            own.records.insert(long_id(id), after.clone());
        }
        Ok(if silent { Vec::new() } else { self.events(&name, "DELETE", Some(&before), &after) })
    }

    fn checked(&self, name: &str, body: Record, id: Option<&str>) -> Result<Record, RowError> {
        let object = &self.objects[name];
        let mut checked = Record::new();
        for (given, value) in body {
            if given == "attributes" || given == "Id" || given == "id" {
                continue;
            }
            let field = object
                .fields
                .get_key_value(&given)
                .or_else(|| object.fields.iter().find(|(own, _)| own.eq_ignore_ascii_case(&given)));
            let Some((field, spec)) = field else {
                return Err(RowError::new(
                    "INVALID_FIELD",
                    format!("No such column '{given}' on sobject of type {name}"),
                    &[],
                ));
            };
            if spec.read_only {
                return Err(RowError::new(
                    "INVALID_FIELD_FOR_INSERT_UPDATE",
                    format!(
                        "Unable to create/update fields: {field}. Please check the security settings of this field and verify that it is read/write for your profile or permission set."
                    ),
                    &[field],
                ));
            }
            if let (Some(text), Some(length)) = (value.as_str(), spec.length)
                && text.chars().count() > length
            {
                return Err(RowError::new(
                    "STRING_TOO_LONG",
                    format!("{field}: data value too large: {text} (max length={length})"),
                    &[field],
                ));
            }
            let numeric = matches!(spec.kind.as_str(), "currency" | "double" | "percent" | "int" | "number");
            if numeric && !(value.is_number() || value.is_null()) {
                return Err(RowError::new(
                    "JSON_PARSER_ERROR",
                    format!("Cannot deserialize instance of {} from VALUE_STRING value {value}", spec.kind),
                    &[field],
                ));
            }
            if let (Some(parent), Some(text)) = (spec.parent, value.as_str())
                && self.get(parent, text).is_none()
            {
                return Err(RowError::new(
                    "INVALID_CROSS_REFERENCE_KEY",
                    format!("invalid cross reference id: {text}"),
                    &[field],
                ));
            }
            if spec.unique
                && let Some(text) = value.as_str()
                && let Ok(Some(other)) = self.by_external_id(name, field, text)
                && id != Some(other.as_str())
            {
                return Err(RowError::new(
                    "DUPLICATE_VALUE",
                    format!("duplicate value found: {field} duplicates value on record with id: {other}"),
                    &[field],
                ));
            }
            checked.insert(field.clone(), if value.as_str() == Some("") { Value::Null } else { value });
        }
        Ok(checked)
    }

    /// Computed fields and cross-record rules.
    fn derive(&self, name: &str, record: &mut Record) -> Result<(), RowError> {
        match name {
            "Opportunity" => {
                let stage = record.get("StageName").and_then(Value::as_str).unwrap_or_default();
                let (won, closed) = (stage == "Closed Won", stage.starts_with("Closed"));
                record.insert("IsWon".into(), won.into());
                record.insert("IsClosed".into(), closed.into());
                record.entry("CurrencyIsoCode").or_insert("EUR".into());
            }
            "OpportunityLineItem" => {
                let id = |field: &str| record.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
                let entry = self.get("PricebookEntry", &id("PricebookEntryId")).cloned();
                let entry = entry.ok_or_else(|| {
                    RowError::new(
                        "FIELD_INTEGRITY_EXCEPTION",
                        "field integrity exception: PricebookEntryId",
                        &["PricebookEntryId"],
                    )
                })?;
                let opportunity = self.get("Opportunity", &id("OpportunityId")).cloned().unwrap_or_default();
                if entry["CurrencyIsoCode"] != opportunity["CurrencyIsoCode"] {
                    return Err(RowError::new(
                        "FIELD_INTEGRITY_EXCEPTION",
                        "The pricebook entry currency code does not match the currency code of the opportunity",
                        &["CurrencyIsoCode"],
                    ));
                }
                let number = |field: &str| record.get(field).and_then(|v| v.to_string().parse::<Decimal>().ok());
                let quantity = number("Quantity").unwrap_or(Decimal::ONE);
                let discount = Decimal::ONE_HUNDRED - number("Discount").unwrap_or_default();
                let total = match (number("UnitPrice"), number("TotalPrice")) {
                    (Some(price), _) => price * quantity * discount / Decimal::ONE_HUNDRED,
                    (None, Some(total)) => {
                        record.insert("UnitPrice".into(), number_value(total / quantity));
                        total
                    }
                    (None, None) => {
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
                record.insert(
                    "ProductCode".into(),
                    product.and_then(|p| p.get("ProductCode").cloned()).unwrap_or_default(),
                );
            }
            "PricebookEntry" => {
                let book = record.get("Pricebook2Id").and_then(Value::as_str).unwrap_or_default();
                let standard = self.get("Pricebook2", book).is_some_and(|book| book["IsStandard"] == true);
                let product = record.get("Product2Id").cloned().unwrap_or_default();
                let currency = record.entry("CurrencyIsoCode").or_insert("EUR".into()).clone();
                let in_standard = || {
                    self.children("PricebookEntry", product.as_str().unwrap_or_default()).iter().any(|entry| {
                        entry["CurrencyIsoCode"] == currency
                            && self
                                .get("Pricebook2", entry["Pricebook2Id"].as_str().unwrap_or_default())
                                .is_some_and(|book| book["IsStandard"] == true)
                    })
                };
                if !standard && !in_standard() {
                    return Err(RowError::new(
                        "STANDARD_PRICE_NOT_DEFINED",
                        "No standard price defined for this product",
                        &[],
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// An opportunity's amount is the sum of its lines.
    fn roll_up(&mut self, name: &str, id: &str) {
        if name != "OpportunityLineItem" {
            return;
        }
        let parent = self.objects[name]
            .records
            .get(id)
            .and_then(|line| line["OpportunityId"].as_str().map(str::to_owned))
            .unwrap_or_default();
        let sum: Decimal = self
            .children(name, &parent)
            .iter()
            .filter_map(|line| line["TotalPrice"].to_string().parse::<Decimal>().ok())
            .sum();
        if let Some(opportunity) =
            self.objects.get_mut("Opportunity").and_then(|object| object.records.get_mut(&parent))
        {
            opportunity.insert("Amount".into(), number_value(sum));
        }
    }

    /// What the package's triggers publish: TandemChangePublisher, told by the package's own metadata.
    fn events(&self, name: &str, operation: &'static str, before: Option<&Record>, after: &Record) -> Vec<Published> {
        let Some(watched) = self.watched.get(name) else { return Vec::new() };
        let null = Value::Null;
        let mut changed: Vec<String> = watched
            .iter()
            .filter(|field| {
                let old = before.and_then(|record| record.get(*field)).unwrap_or(&null);
                old != after.get(*field).unwrap_or(&null)
            })
            .cloned()
            .collect();
        changed.sort();
        if operation == "UPDATE" && changed.is_empty() {
            return Vec::new();
        }
        let (object, record_id, operation) = match name {
            "OpportunityLineItem" => ("Opportunity", after["OpportunityId"].clone(), "UPDATE"),
            _ => (name, after.get("Id").cloned().unwrap_or_default(), operation),
        };
        let record_id = record_id.as_str().map(str::to_owned).unwrap_or_default();
        vec![Published { object: object.to_owned(), record_id, operation, changed, sequence: 0 }]
    }

    fn children(&self, object: &str, parent: &str) -> Vec<&Record> {
        let Some(object) = self.objects.get(object) else { return Vec::new() };
        let ids = object.by_parent.get(parent).map(Vec::as_slice).unwrap_or_default();
        ids.iter().filter_map(|id| object.records.get(id)).filter(|record| record["IsDeleted"] != true).collect()
    }

    /// Rows of a query, and whether it only counts.
    pub fn query(&self, query: &Query, with_deleted: bool) -> Result<Vec<Value>, RowError> {
        let name = self.real_name(&query.object).ok_or_else(|| {
            RowError::new("INVALID_TYPE", format!("sObject type '{}' is not supported.", query.object), &[])
        })?;
        let object = &self.objects[name];
        let pinned = query.condition.as_ref().and_then(pinned_ids);
        let rows: Box<dyn Iterator<Item = &Record>> = match &pinned {
            Some(ids) => Box::new(ids.iter().filter_map(|id| object.records.get(&long_id(id)))),
            None => Box::new(object.records.values()),
        };
        let mut found = Vec::new();
        for record in rows.filter(|record| with_deleted || record["IsDeleted"] != true) {
            let passes = match &query.condition {
                Some(condition) => self.passes(name, record, condition)?,
                None => true,
            };
            if passes {
                found.push(record);
            }
        }
        for (field, _) in &query.order {
            self.check_field(name, field)?;
        }
        if !query.order.is_empty() {
            found.sort_by(|a, b| {
                for (field, descending) in &query.order {
                    let order = order_of(&self.value(name, a, field), &self.value(name, b, field));
                    let order = if *descending { order.reverse() } else { order };
                    if order.is_ne() {
                        return order;
                    }
                }
                std::cmp::Ordering::Equal
            });
        }
        for selected in &query.fields {
            if let Selected::Field(field) = selected {
                self.check_field(name, field)?;
            }
        }
        let page = found.into_iter().skip(query.offset).take(query.limit.unwrap_or(usize::MAX));
        page.map(|record| self.row(name, record, &query.fields)).collect()
    }

    fn row(&self, name: &str, record: &Record, fields: &[Selected]) -> Result<Value, RowError> {
        let id = record["Id"].as_str().unwrap_or_default();
        let mut row = Record::new();
        row.insert(
            "attributes".into(),
            json!({ "type": name, "url": format!("/services/data/v64.0/sobjects/{name}/{id}") }),
        );
        for selected in fields {
            match selected {
                Selected::Count => {}
                Selected::Field(path) => self.insert_path(&mut row, name, record, path),
                Selected::Children(query) => {
                    let child = CHILDREN
                        .iter()
                        .find(|(parent, plural, ..)| *parent == name && plural.eq_ignore_ascii_case(&query.object));
                    let (_, plural, object, _) = child.ok_or_else(|| {
                        RowError::new(
                            "INVALID_TYPE",
                            format!("Didn't understand relationship '{}' in FROM part of query call.", query.object),
                            &[],
                        )
                    })?;
                    let mut rows = Vec::new();
                    for child in self.children(object, id) {
                        let passes = query
                            .condition
                            .as_ref()
                            .map_or(Ok(true), |condition| self.passes(object, child, condition))?;
                        if passes {
                            for selected in &query.fields {
                                if let Selected::Field(field) = selected {
                                    self.check_field(object, field)?;
                                }
                            }
                            rows.push(self.row(object, child, &query.fields)?);
                        }
                    }
                    let value = if rows.is_empty() {
                        Value::Null
                    } else {
                        json!({ "totalSize": rows.len(), "done": true, "records": rows })
                    };
                    row.insert((*plural).into(), value);
                }
            }
        }
        Ok(Value::Object(row))
    }

    fn insert_path(&self, row: &mut Record, name: &str, record: &Record, path: &str) {
        match path.split_once('.') {
            None => {
                let field = self.objects[name]
                    .fields
                    .keys()
                    .find(|own| own.eq_ignore_ascii_case(path))
                    .cloned()
                    .unwrap_or_else(|| path.to_owned());
                let value = record.get(&field).cloned().unwrap_or_default();
                row.insert(field, value);
            }
            Some((relation, rest)) => {
                let lookup = self.lookup(name, relation);
                let parent =
                    lookup.and_then(|(field, parent)| Some((parent, self.get(parent, record.get(&field)?.as_str()?)?)));
                match parent {
                    None => {
                        row.entry(relation).or_insert(Value::Null);
                    }
                    Some((parent, parent_record)) => {
                        let below = row.entry(relation).or_insert_with(|| json!({ "attributes": { "type": parent } }));
                        if let Value::Object(below) = below {
                            self.insert_path(below, parent, parent_record, rest);
                        }
                    }
                }
            }
        }
    }

    fn lookup(&self, name: &str, relation: &str) -> Option<(String, &'static str)> {
        let wanted = [format!("{relation}Id"), relation.replace("__r", "__c")];
        let fields = &self.objects.get(name)?.fields;
        let (field, spec) =
            fields.iter().find(|(own, _)| wanted.iter().any(|wanted| own.eq_ignore_ascii_case(wanted)))?;
        Some((field.clone(), spec.parent?))
    }

    fn check_field(&self, name: &str, path: &str) -> Result<(), RowError> {
        let unknown = || {
            RowError::new(
                "INVALID_FIELD",
                format!(
                    "No such column '{path}' on entity '{name}'. If you are attempting to use a custom field, be sure to append the '__c' after the custom field name."
                ),
                &[],
            )
        };
        match path.split_once('.') {
            None => {
                let known = self.objects[name].fields.keys().any(|own| own.eq_ignore_ascii_case(path));
                if known { Ok(()) } else { Err(unknown()) }
            }
            Some((relation, rest)) => {
                let (_, parent) = self.lookup(name, relation).ok_or_else(unknown)?;
                self.check_field(parent, rest)
            }
        }
    }

    fn value(&self, name: &str, record: &Record, path: &str) -> Value {
        match path.split_once('.') {
            None => {
                let direct = record.get(path).cloned();
                direct
                    .or_else(|| {
                        record.iter().find(|(own, _)| own.eq_ignore_ascii_case(path)).map(|(_, value)| value.clone())
                    })
                    .unwrap_or_default()
            }
            Some((relation, rest)) => {
                let parent = self
                    .lookup(name, relation)
                    .and_then(|(field, parent)| Some((parent, self.get(parent, record.get(&field)?.as_str()?)?)));
                parent.map(|(parent, record)| self.value(parent, record, rest)).unwrap_or_default()
            }
        }
    }

    fn passes(&self, name: &str, record: &Record, condition: &Condition) -> Result<bool, RowError> {
        Ok(match condition {
            Condition::And(a, b) => self.passes(name, record, a)? && self.passes(name, record, b)?,
            Condition::Or(a, b) => self.passes(name, record, a)? || self.passes(name, record, b)?,
            Condition::Not(a) => !self.passes(name, record, a)?,
            Condition::Compare(field, op, literal) => {
                self.check_field(name, field)?;
                holds(&self.value(name, record, field), *op, literal)
            }
            Condition::In(field, literals, negated) => {
                self.check_field(name, field)?;
                let value = self.value(name, record, field);
                literals.iter().any(|literal| in_list(&value, literal)) != *negated
            }
            Condition::InQuery(field, query, negated) => {
                self.check_field(name, field)?;
                let value = self.value(name, record, field);
                let rows = self.query(query, false)?;
                let Some(Selected::Field(inner)) = query.fields.first() else { return Ok(false) };
                rows.iter().any(|row| row[inner] == value) != *negated
            }
        })
    }
}

/// 15-character ids mean their 18-character form.
fn in_list(value: &Value, literal: &Literal) -> bool {
    if let (Some(own), Literal::Text(text)) = (value.as_str(), literal)
        && own.len() == 18
        && text.len() == 15
    {
        return own.starts_with(text);
    }
    holds(value, Op::Eq, literal)
}

fn pinned_ids(condition: &Condition) -> Option<Vec<String>> {
    let text = |literal: &Literal| match literal {
        Literal::Text(text) => Some(text.clone()),
        _ => None,
    };
    match condition {
        Condition::Compare(field, Op::Eq, literal) if field.eq_ignore_ascii_case("Id") => Some(vec![text(literal)?]),
        Condition::In(field, literals, false) if field.eq_ignore_ascii_case("Id") => {
            literals.iter().map(text).collect()
        }
        Condition::And(a, b) => pinned_ids(a).or_else(|| pinned_ids(b)),
        _ => None,
    }
}

fn order_of(a: &Value, b: &Value) -> std::cmp::Ordering {
    let number = |value: &Value| value.is_number().then(|| value.to_string().parse::<Decimal>().ok()).flatten();
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => a.as_str().cmp(&b.as_str()),
    }
}

fn standard_field(text: &'static str) -> (String, Field) {
    let required = text.contains('!');
    let read_only = text.contains('=');
    let (spec, parent) = match text.split_once('>') {
        Some((spec, parent)) => (spec, Some(parent.trim_end_matches('='))),
        None => (text, None),
    };
    let mut parts = spec.trim_end_matches(['!', '=']).split(':');
    let name = parts.next().unwrap_or_default().to_owned();
    let kind = parts.next().unwrap_or_default().to_owned();
    let length = parts.next().and_then(|length| length.trim_end_matches(['!', '=']).parse().ok());
    (name, Field { kind, length, required, read_only, parent, ..Field::default() })
}

/// An 18-character id: prefix, instance, a base-62 number, and the checksum of the case of the first 15.
pub fn make_id(prefix: &str, number: u64) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut digits = [b'0'; 9];
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    long_id(&format!("{prefix}5g0{}", String::from_utf8_lossy(&digits)))
}

/// The 18-character form of a 15-character id; others as they are.
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

/// Now, as Salesforce writes it.
pub fn timestamp() -> String {
    chrono::Utc::now().format("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string()
}

fn micros() -> i64 {
    chrono::Utc::now().timestamp_micros()
}

/// An exact JSON number.
pub fn number_value(number: Decimal) -> Value {
    serde_json::from_str(&number.normalize().to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_tells_the_case_of_an_id() {
        assert_eq!(long_id("0013000001Gt8R0"), "0013000001Gt8R0AAJ");
        assert_eq!(make_id("006", 1).len(), 18);
    }
}
