//! What the org knows of its objects: the standard ones as far as Tandem touches them, and everything that the package's
//! own metadata declares (fields, custom objects, custom metadata, the platform event).

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use roxmltree::{Document, Node};
use serde_json::{Map, Value, json};

/// A field, in the words of describe.
#[derive(Clone, Debug, Default)]
pub struct Field {
    /// `string`, `textarea`, `double`, `currency`, `date`, `datetime`, `boolean`, `reference`, `picklist` …
    pub kind: String,
    pub label: String,
    pub length: Option<usize>,
    /// Digits before and after the point.
    pub precision: usize,
    pub scale: usize,
    pub required: bool,
    pub external_id: bool,
    pub unique: bool,
    /// The object a lookup points at, and the name by which queries follow it.
    pub parent: Option<(String, String)>,
    /// The name by which queries reach from the parent to these records, such as `Contacts`.
    pub children: Option<String>,
    pub read_only: bool,
    /// Values of a picklist; refused otherwise when restricted.
    pub picklist: Vec<String>,
    pub restricted: bool,
    /// A master-detail relationship: the record goes with its parent.
    pub detail: bool,
    /// The parent of a detail may be replaced.
    pub reparentable: bool,
}

impl Field {
    /// True for a field by whose value records are found without looking at all: what is unique, external ids, and standard
    /// fields that an org of any size has an index for.
    pub fn is_found_by(&self, name: &str) -> bool {
        self.unique || self.external_id || matches!(name, "ProductCode" | "Email")
    }
}

impl Field {
    /// True for a lookup that is asked by. Nobody asks which of all records a user owns or wrote last.
    pub fn is_found_by_parent(&self) -> bool {
        self.parent.as_ref().is_some_and(|(parent, _)| parent != "User")
    }

    /// True for a kind whose values are JSON numbers.
    pub fn is_number(&self) -> bool {
        matches!(self.kind.as_str(), "double" | "currency" | "percent" | "int")
    }

    /// True for text of any kind.
    pub fn is_text(&self) -> bool {
        !self.is_number() && !matches!(self.kind.as_str(), "boolean" | "date" | "datetime" | "id" | "reference")
    }
}

/// What a user may do with records of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct May {
    pub create: bool,
    pub read: bool,
    pub edit: bool,
    pub delete: bool,
}

impl May {
    /// As without any permission.
    pub const NOTHING: Self = Self { create: false, read: false, edit: false, delete: false };

    /// What one or the other gives.
    pub fn or(self, other: Self) -> Self {
        Self {
            create: self.create || other.create,
            read: self.read || other.read,
            edit: self.edit || other.edit,
            delete: self.delete || other.delete,
        }
    }
}

impl Default for May {
    /// As an administrator.
    fn default() -> Self {
        Self { create: true, read: true, edit: true, delete: true }
    }
}

/// An object's declaration.
#[derive(Clone, Debug, Default)]
pub struct ObjectSchema {
    pub prefix: String,
    pub label: String,
    pub fields: BTreeMap<String, Field>,
    pub custom: bool,
    /// What whoever sees this may do.
    pub may: May,
}

/// A field that a tester adds.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NewField {
    /// API name, ending in `__c`.
    pub name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    length: Option<usize>,
    #[serde(default)]
    external_id: bool,
    #[serde(default)]
    unique: bool,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    picklist: Vec<String>,
    #[serde(default)]
    restricted: bool,
}

/// A record read from the package: object and fields.
pub type Packaged = (String, Map<String, Value>);

/// All that the package and the platform declare.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    pub objects: BTreeMap<String, ObjectSchema>,
    /// Platform events by API name: fields and types, in order of their names.
    pub events: BTreeMap<String, Vec<(String, String)>>,
    /// Records of custom metadata types.
    pub metadata: Vec<Packaged>,
}

type Standard = (&'static str, &'static str, &'static [&'static str]);

/// Standard objects: prefix, and `name:type[:length][!][>Parent/Children][=][*]` (`!` required, `=` read only, `*` external
/// id). Source: Object Reference.
const STANDARD: [Standard; 16] = [
    (
        "Organization",
        "00D",
        &[
            "Name:string:80",
            "InstanceName:string:40=",
            "IsSandbox:boolean=",
            "OrganizationType:picklist:40=",
            "LanguageLocaleKey:picklist:40",
            "TimeZoneSidKey:picklist:40",
            "DefaultAccountAccess:picklist:40=",
            "DefaultContactAccess:picklist:40=",
            "DefaultOpportunityAccess:picklist:40=",
            "DefaultCaseAccess:picklist:40=",
        ],
    ),
    (
        "User",
        "005",
        &[
            "Username:string:80!",
            "LastName:string:80!",
            "FirstName:string:40",
            "Name:string:121=",
            "Email:email:128!",
            "Alias:string:8",
            "IsActive:boolean",
            "UserType:picklist:40=",
            "TimeZoneSidKey:picklist:40",
            "CurrencyIsoCode:picklist:3",
        ],
    ),
    (
        "Account",
        "001",
        &[
            "RecordTypeId:reference:18>RecordType",
            "Name:string:255!",
            "Type:picklist:255",
            "ParentId:reference:18>Account/ChildAccounts",
            "AccountNumber:string:40",
            "Industry:picklist:255",
            "Phone:phone:40",
            "Fax:phone:40",
            "Website:url:255",
            "AnnualRevenue:currency",
            "NumberOfEmployees:int",
            "BillingStreet:textarea:255",
            "BillingCity:string:40",
            "BillingState:string:80",
            "BillingPostalCode:string:20",
            "BillingCountry:string:80",
            "ShippingStreet:textarea:255",
            "ShippingCity:string:40",
            "ShippingState:string:80",
            "ShippingPostalCode:string:20",
            "ShippingCountry:string:80",
            "Description:textarea:32000",
            "CurrencyIsoCode:picklist:3",
            "MasterRecordId:reference:18>Account=",
            "OwnerId:reference:18>User",
        ],
    ),
    (
        "Contact",
        "003",
        &[
            "RecordTypeId:reference:18>RecordType",
            "LastName:string:80!",
            "FirstName:string:40",
            "Salutation:picklist:40",
            "Name:string:121=",
            "Email:email:80",
            "Phone:phone:40",
            "MobilePhone:phone:40",
            "AccountId:reference:18>Account/Contacts",
            "Title:string:128",
            "Department:string:80",
            "MailingStreet:textarea:255",
            "MailingCity:string:40",
            "MailingPostalCode:string:20",
            "MailingCountry:string:80",
            "Description:textarea:32000",
            "CurrencyIsoCode:picklist:3",
            "MasterRecordId:reference:18>Contact=",
            "OwnerId:reference:18>User",
        ],
    ),
    (
        "Lead",
        "00Q",
        &[
            "RecordTypeId:reference:18>RecordType",
            "LastName:string:80!",
            "FirstName:string:40",
            "Company:string:255!",
            "Email:email:80",
            "Phone:phone:40",
            "Status:picklist:255",
            "CurrencyIsoCode:picklist:3",
            "OwnerId:reference:18>User",
        ],
    ),
    (
        "Opportunity",
        "006",
        &[
            "RecordTypeId:reference:18>RecordType",
            "Name:string:120!",
            "StageName:picklist:255!",
            "CloseDate:date!",
            "AccountId:reference:18>Account/Opportunities",
            "Amount:currency",
            "Probability:percent",
            "ExpectedRevenue:currency=",
            "Type:picklist:255",
            "LeadSource:picklist:255",
            "Description:textarea:32000",
            "NextStep:string:255",
            "CurrencyIsoCode:picklist:3",
            "Pricebook2Id:reference:18>Pricebook2",
            "HasOpportunityLineItem:boolean=",
            "IsWon:boolean=",
            "IsClosed:boolean=",
            "OwnerId:reference:18>User",
        ],
    ),
    (
        "OpportunityLineItem",
        "00k",
        &[
            "OpportunityId:reference:18!>Opportunity/OpportunityLineItems",
            "PricebookEntryId:reference:18!>PricebookEntry/OpportunityLineItems",
            "Product2Id:reference:18=>Product2",
            "ProductCode:string:255=",
            "Name:string:376=",
            "Quantity:double!",
            "UnitPrice:currency",
            "TotalPrice:currency",
            "Subtotal:currency=",
            "ListPrice:currency=",
            "Discount:percent",
            "ServiceDate:date",
            "Description:string:255",
            "SortOrder:int",
            "CurrencyIsoCode:picklist:3=",
        ],
    ),
    (
        "Product2",
        "01t",
        &[
            "RecordTypeId:reference:18>RecordType",
            "Name:string:255!",
            "ProductCode:string:255",
            "Description:textarea:4000",
            "IsActive:boolean",
            "Family:picklist:255",
            "QuantityUnitOfMeasure:picklist:255",
            "CurrencyIsoCode:picklist:3",
        ],
    ),
    ("Pricebook2", "01s", &["Name:string:255!", "Description:string:255", "IsActive:boolean", "IsStandard:boolean="]),
    (
        "PricebookEntry",
        "01u",
        &[
            "Pricebook2Id:reference:18!>Pricebook2/PricebookEntries",
            "Product2Id:reference:18!>Product2/PricebookEntries",
            "Name:string:255=",
            "ProductCode:string:255=",
            "UnitPrice:currency!",
            "IsActive:boolean",
            "UseStandardPrice:boolean",
            "CurrencyIsoCode:picklist:3",
        ],
    ),
    (
        "Case",
        "500",
        &[
            "RecordTypeId:reference:18>RecordType",
            "CaseNumber:string:30=",
            "Subject:string:255",
            "Status:picklist:255",
            "Origin:picklist:255",
            "Priority:picklist:255",
            "Description:textarea:32000",
            "AccountId:reference:18>Account/Cases",
            "ContactId:reference:18>Contact/Cases",
            "IsClosed:boolean=",
            "OwnerId:reference:18>User",
        ],
    ),
    (
        "Task",
        "00T",
        &[
            "Subject:string:255",
            "Status:picklist:255",
            "Priority:picklist:255",
            "ActivityDate:date",
            "WhatId:reference:18",
            "WhoId:reference:18",
            "Description:textarea:32000",
            "OwnerId:reference:18>User",
        ],
    ),
    (
        "Order",
        "801",
        &[
            "AccountId:reference:18>Account/Orders",
            "EffectiveDate:date!",
            "Status:picklist:40!",
            "OrderNumber:string:30=",
            "TotalAmount:currency=",
            "Pricebook2Id:reference:18>Pricebook2",
            "CurrencyIsoCode:picklist:3",
            "OwnerId:reference:18>User",
        ],
    ),
    (
        "Asset",
        "02i",
        &[
            "Name:string:255!",
            "AccountId:reference:18>Account/Assets",
            "Product2Id:reference:18>Product2/Assets",
            "SerialNumber:string:80",
            "Quantity:double",
            "Price:currency",
            "OwnerId:reference:18>User",
        ],
    ),
    (
        "CurrencyType",
        "01L",
        &[
            "IsoCode:picklist:3!",
            "ConversionRate:double!",
            "DecimalPlaces:int!",
            "IsActive:boolean",
            "IsCorporate:boolean=",
        ],
    ),
    (
        "RecordType",
        "012",
        &["Name:string:80!", "DeveloperName:string:80!", "SobjectType:picklist:40!", "IsActive:boolean"],
    ),
];

/// Fields every object has.
const SYSTEM: [&str; 7] = [
    "Id:id=",
    "CreatedDate:datetime=",
    "CreatedById:reference:18>User=",
    "LastModifiedDate:datetime=",
    "LastModifiedById:reference:18>User=",
    "SystemModstamp:datetime=",
    "IsDeleted:boolean=",
];

/// Picklists whose values matter here.
const PICKLISTS: [(&str, &str, &[&str]); 3] = [
    (
        "Opportunity",
        "StageName",
        &[
            "Prospecting",
            "Qualification",
            "Needs Analysis",
            "Value Proposition",
            "Id. Decision Makers",
            "Perception Analysis",
            "Proposal/Price Quote",
            "Negotiation/Review",
            "Closed Won",
            "Closed Lost",
        ],
    ),
    ("Case", "Status", &["New", "Working", "Escalated", "Closed"]),
    ("Task", "Status", &["Not Started", "In Progress", "Completed", "Waiting on someone else", "Deferred"]),
];

impl Schema {
    /// The standard objects and the package's folder `force-app/main/default`.
    pub fn load(package: &Path) -> Result<Self> {
        let mut schema = Self::default();
        for (name, prefix, fields) in STANDARD {
            let mut object = ObjectSchema { prefix: prefix.into(), label: name.into(), ..ObjectSchema::default() };
            object.fields = fields.iter().chain(&SYSTEM).map(|text| standard_field(text)).collect();
            schema.objects.insert(name.to_owned(), object);
        }
        for (object, field, values) in PICKLISTS {
            if let Some(field) = schema.objects.get_mut(object).and_then(|object| object.fields.get_mut(field)) {
                field.picklist = values.iter().map(|value| (*value).to_owned()).collect();
            }
        }
        schema.load_objects(&package.join("objects"))?;
        schema.load_metadata(&package.join("customMetadata"))?;
        Ok(schema)
    }

    fn load_objects(&mut self, folder: &Path) -> Result<()> {
        let mut folders: Vec<_> = std::fs::read_dir(folder)
            .with_context(|| {
                format!("cannot read {}; start it in the repository, or say --package <repository>/salesforce-package/force-app/main/default", folder.display())
            })?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<std::io::Result<_>>()?;
        folders.sort();
        let mut custom = 0;
        for folder in folders {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let event = name.ends_with("__e");
            if event {
                self.events.entry(name.clone()).or_default();
            } else if !self.objects.contains_key(&name) {
                // Prefixes of custom objects are given out by the org.
                let prefix = if name.ends_with("__mdt") { format!("m{custom:02}") } else { format!("a{custom:02}") };
                custom += 1;
                self.objects.insert(name.clone(), custom_object(&name, prefix, &folder)?);
            }
            let fields = folder.join("fields");
            if !fields.is_dir() {
                continue;
            }
            for file in std::fs::read_dir(fields)? {
                let file = file?.path();
                let text = std::fs::read_to_string(&file)?;
                let xml = Document::parse(&text).with_context(|| file.display().to_string())?;
                let (field_name, field) = packaged_field(xml.root_element());
                if event {
                    let kind = if field.is_number() { "double" } else { field.kind.as_str() };
                    self.events.entry(name.clone()).or_default().push((field_name, kind.to_owned()));
                } else if let Some(object) = self.objects.get_mut(&name) {
                    object.fields.insert(field_name, field);
                }
            }
        }
        for fields in self.events.values_mut() {
            fields.sort();
        }
        Ok(())
    }

    fn load_metadata(&mut self, folder: &Path) -> Result<()> {
        let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
        for file in entries {
            let path = file?.path();
            let stem = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // Tandem_Watched_Field.Account_Name.md-meta.xml
            let mut parts = stem.split('.');
            let (Some(kind), Some(name)) = (parts.next(), parts.next()) else { continue };
            let text = std::fs::read_to_string(&path)?;
            let xml = Document::parse(&text).with_context(|| path.display().to_string())?;
            let mut record = Map::new();
            record.insert("DeveloperName".into(), name.into());
            record.insert("MasterLabel".into(), child(xml.root_element(), "label").unwrap_or_default().into());
            for values in xml.descendants().filter(|node| node.has_tag_name("values")) {
                if let (Some(field), Some(value)) = (child(values, "field"), child(values, "value")) {
                    record.insert(field, value.into());
                }
            }
            self.metadata.push((format!("{kind}__mdt"), record));
        }
        Ok(())
    }

    /// Adds a field of the customer's own.
    pub fn add_field(&mut self, object: &str, field: NewField) -> Result<(), String> {
        let own = self.objects.get_mut(object).ok_or_else(|| format!("there is no object {object}"))?;
        if !field.name.ends_with("__c") {
            return Err(format!("{}: a custom field's name ends in __c", field.name));
        }
        let added = Field {
            label: field.name.trim_end_matches("__c").replace('_', " "),
            kind: field.kind,
            length: field.length,
            precision: 18,
            scale: 2,
            required: field.required,
            external_id: field.external_id,
            unique: field.unique,
            picklist: field.picklist,
            restricted: field.restricted,
            ..Field::default()
        };
        own.fields.insert(field.name, added);
        Ok(())
    }

    /// Names are found whatever their case.
    pub fn real_name(&self, name: &str) -> Option<&str> {
        match self.objects.get_key_value(name) {
            Some((own, _)) => Some(own),
            None => self.objects.keys().find(|own| own.eq_ignore_ascii_case(name)).map(String::as_str),
        }
    }

    /// A field by name, whatever its case.
    pub fn field(&self, object: &str, name: &str) -> Option<(&str, &Field)> {
        let fields = &self.objects.get(object)?.fields;
        fields
            .get_key_value(name)
            .or_else(|| fields.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)))
            .map(|(name, field)| (name.as_str(), field))
    }

    /// The lookup field behind a relationship name such as `Account` or `Parent__r`, and the object it points at.
    pub fn parent(&self, object: &str, relation: &str) -> Option<(&str, &str, &str)> {
        self.objects.get(object)?.fields.iter().find_map(|(field, spec)| {
            let (parent, name) = spec.parent.as_ref()?;
            name.eq_ignore_ascii_case(relation).then_some((field.as_str(), parent.as_str(), name.as_str()))
        })
    }

    /// Children by relationship name such as `Contacts` or `Invoices__r`: object, lookup field, and the name itself.
    pub fn children<'a>(&'a self, parent: &str, relation: &str) -> Option<(&'a str, &'a str, &'a str)> {
        self.relations(parent).find(|(_, _, name)| name.eq_ignore_ascii_case(relation))
    }

    /// All child relationships of an object.
    pub fn relations<'a, 'b>(
        &'a self,
        parent: &'b str,
    ) -> impl Iterator<Item = (&'a str, &'a str, &'a str)> + use<'a, 'b> {
        self.objects.iter().flat_map(move |(object, schema)| {
            schema.fields.iter().filter_map(move |(field, spec)| {
                let (target, _) = spec.parent.as_ref()?;
                let name = spec.children.as_ref()?;
                (target == parent).then_some((object.as_str(), field.as_str(), name.as_str()))
            })
        })
    }
}

fn custom_object(name: &str, prefix: String, folder: &Path) -> Result<ObjectSchema> {
    let mut object = ObjectSchema { prefix, label: name.to_owned(), custom: true, ..ObjectSchema::default() };
    object.fields = SYSTEM.iter().map(|text| standard_field(text)).collect();
    if name.ends_with("__mdt") {
        for text in ["DeveloperName:string:40", "MasterLabel:string:40", "QualifiedApiName:string:70="] {
            let (name, field) = standard_field(text);
            object.fields.insert(name, field);
        }
    } else {
        // The org has several currencies.
        for text in ["OwnerId:reference:18>User", "CurrencyIsoCode:picklist:3"] {
            let (name, field) = standard_field(text);
            object.fields.insert(name, field);
        }
        let (own_name, mut field) = standard_field("Name:string:80");
        let file = folder.join(format!("{name}.object-meta.xml"));
        if let Ok(text) = std::fs::read_to_string(&file) {
            let xml = Document::parse(&text).with_context(|| file.display().to_string())?;
            if let Some(label) = child(xml.root_element(), "label") {
                object.label = label;
            }
            // A detail has no owner: who may see it is decided by its parent.
            if child(xml.root_element(), "sharingModel").as_deref() == Some("ControlledByParent") {
                object.fields.remove("OwnerId");
            }
            let name_field = xml.descendants().find(|node| node.has_tag_name("nameField"));
            // An auto number names the record itself.
            field.read_only = name_field.and_then(|node| child(node, "type")).as_deref() == Some("AutoNumber");
        }
        object.fields.insert(own_name, field);
    }
    Ok(object)
}

fn child(node: Node<'_, '_>, tag: &str) -> Option<String> {
    node.children().find(|node| node.has_tag_name(tag)).and_then(|node| node.text()).map(str::to_owned)
}

fn packaged_field(root: Node<'_, '_>) -> (String, Field) {
    let value = |tag: &str| child(root, tag);
    let flag = |tag: &str| value(tag).as_deref() == Some("true");
    let number = |tag: &str| value(tag).and_then(|text| text.parse().ok());
    let name = value("fullName").unwrap_or_default();
    let kind = match value("type").unwrap_or_default().as_str() {
        "Text" | "AutoNumber" => "string",
        "TextArea" | "LongTextArea" | "Html" => "textarea",
        "Checkbox" => "boolean",
        "Number" => "double",
        "Currency" => "currency",
        "Percent" => "percent",
        "Date" => "date",
        "DateTime" => "datetime",
        "Lookup" | "MasterDetail" => "reference",
        "Picklist" => "picklist",
        "MultiselectPicklist" => "multipicklist",
        "Email" => "email",
        "Phone" => "phone",
        "Url" => "url",
        _ => "string",
    };
    let scale = number("scale").unwrap_or(0);
    let parent = value("referenceTo").map(|parent| (parent, name.replace("__c", "__r")));
    let picklist = root
        .descendants()
        .filter(|node| {
            node.has_tag_name("value") && node.parent_element().is_some_and(|p| p.has_tag_name("valueSetDefinition"))
        })
        .filter_map(|node| child(node, "fullName"))
        .collect();
    let restricted = root.descendants().any(|node| node.has_tag_name("restricted") && node.text() == Some("true"));
    let field = Field {
        kind: kind.into(),
        label: value("label").unwrap_or_else(|| name.clone()),
        length: number("length").or(match kind {
            "reference" => Some(18),
            "picklist" | "string" | "textarea" => Some(255),
            "email" => Some(80),
            "phone" => Some(40),
            _ => None,
        }),
        precision: number("precision").unwrap_or(18),
        scale,
        required: flag("required") || value("type").as_deref() == Some("MasterDetail"),
        external_id: flag("externalId"),
        unique: flag("unique"),
        parent,
        children: value("relationshipName").map(|name| format!("{name}__r")),
        read_only: value("formula").is_some() || value("type").as_deref() == Some("AutoNumber"),
        picklist,
        restricted,
        detail: value("type").as_deref() == Some("MasterDetail"),
        reparentable: flag("reparentableMasterDetail"),
    };
    (name, field)
}

/// See [`STANDARD`].
pub fn standard_field(text: &str) -> (String, Field) {
    let (text, read_only) = (text.replace('=', ""), text.contains('='));
    let (text, required) = (text.replace('!', ""), text.contains('!'));
    let (text, external_id) = (text.replace('*', ""), text.contains('*'));
    let (head, target) = match text.split_once('>') {
        Some((head, target)) => (head, Some(target)),
        None => (text.as_str(), None),
    };
    let mut parts = head.split(':');
    let name = parts.next().unwrap_or_default().to_owned();
    let kind = parts.next().unwrap_or_default().to_owned();
    let length = parts.next().and_then(|length| length.parse().ok());
    let (parent, children) = match target.map(|target| target.split_once('/').unwrap_or((target, ""))) {
        Some((parent, children)) => {
            let relation = name.strip_suffix("Id").unwrap_or(&name).to_owned();
            (Some((parent.to_owned(), relation)), (!children.is_empty()).then(|| children.to_owned()))
        }
        None => (None, None),
    };
    let scale = match kind.as_str() {
        "currency" | "double" | "percent" => 2,
        _ => 0,
    };
    let field = Field {
        label: name.clone(),
        kind,
        length,
        precision: 18,
        scale,
        required,
        external_id,
        parent,
        children,
        read_only,
        ..Field::default()
    };
    (name, field)
}

/// `GET sobjects/<name>/describe`.
pub fn describe(schema: &Schema, name: &str) -> Option<Value> {
    let object = schema.objects.get(name)?;
    let fields: Vec<Value> = object.fields.iter().map(|(name, field)| describe_field(name, field)).collect();
    let children: Vec<Value> = schema
        .relations(name)
        .map(|(child, field, relation)| json!({ "childSObject": child, "field": field, "relationshipName": relation, "cascadeDelete": schema.field(child, field).is_some_and(|(_, spec)| spec.detail), "deprecatedAndHidden": false }))
        .collect();
    let mut described = describe_head(name, object);
    described["fields"] = fields.into();
    described["childRelationships"] = children.into();
    // Those that an administrator made are records of `RecordType`.
    described["recordTypeInfos"] = json!([{ "active": true, "available": true, "defaultRecordTypeMapping": true, "developerName": "Master", "master": true, "name": "Master", "recordTypeId": "012000000000000AAA" }]);
    Some(described)
}

/// The part of describe that the list of objects shows too.
pub fn describe_head(name: &str, object: &ObjectSchema) -> Value {
    let data = !name.ends_with("__mdt");
    json!({
        "name": name, "label": object.label, "labelPlural": format!("{}s", object.label), "keyPrefix": object.prefix,
        "custom": object.custom, "customSetting": false, "createable": data && object.may.create,
        "updateable": data && object.may.edit, "deletable": data && object.may.delete, "undeletable": data && object.may.delete, "mergeable": matches!(name, "Account" | "Contact" | "Lead"), "queryable": true,
        "retrieveable": true, "searchable": data, "replicateable": true, "triggerable": data, "layoutable": data,
        "deprecatedAndHidden": false, "feedEnabled": false, "mruEnabled": data,
        "urls": { "sobject": format!("/services/data/v64.0/sobjects/{name}"), "describe": format!("/services/data/v64.0/sobjects/{name}/describe"), "rowTemplate": format!("/services/data/v64.0/sobjects/{name}/{{ID}}") },
    })
}

fn describe_field(name: &str, field: &Field) -> Value {
    let soap = match field.kind.as_str() {
        "id" | "reference" => "tns:ID",
        "boolean" => "xsd:boolean",
        "int" => "xsd:int",
        "double" | "currency" | "percent" => "xsd:double",
        "date" => "xsd:date",
        "datetime" => "xsd:dateTime",
        _ => "xsd:string",
    };
    let values: Vec<Value> = field
        .picklist
        .iter()
        .map(|value| json!({ "active": true, "defaultValue": false, "label": value, "value": value, "validFor": null }))
        .collect();
    let length = field.length.unwrap_or(if field.kind == "id" { 18 } else { 0 });
    let number = field.is_number() && field.kind != "int";
    json!({
        "name": name, "label": field.label, "type": field.kind, "soapType": soap, "length": length, "byteLength": length * 3,
        "precision": if number { field.precision } else { 0 }, "scale": if number { field.scale } else { 0 },
        "digits": if field.kind == "int" { 8 } else { 0 }, "nillable": !field.required && field.kind != "boolean" && field.kind != "id",
        "createable": !field.read_only, "updateable": !field.read_only, "custom": name.ends_with("__c"),
        "calculated": false, "autoNumber": false, "defaultedOnCreate": field.read_only || field.kind == "boolean",
        "externalId": field.external_id, "idLookup": field.external_id || field.kind == "id", "unique": field.unique,
        "caseSensitive": false, "filterable": field.kind != "textarea" || length <= 255, "groupable": field.kind != "textarea" && !number,
        "sortable": field.kind != "textarea" || length <= 255, "nameField": name == "Name", "namePointing": false,
        "permissionable": name.ends_with("__c") || !field.read_only, "restrictedPicklist": field.restricted,
        "picklistValues": values, "referenceTo": field.parent.iter().map(|(parent, _)| parent).collect::<Vec<_>>(),
        "relationshipName": field.parent.as_ref().map(|(_, relation)| relation), "relationshipOrder": null,
        "defaultValue": null, "inlineHelpText": null, "htmlFormatted": false, "encrypted": false, "deprecatedAndHidden": false,
    })
}
