//! The fields both systems have now: Salesforce tells them by *describe*, B1 by `$metadata`.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use super::FitError;
use crate::connections::{Answer, Call, CallError, Connection};
use crate::engine::Flow;
use crate::sandbox::Section;
use crate::sources::b1::list::{LookError, patiently};

/// Bytes of a record, and of `$metadata`: a real company's is some 10 MB.
const RECORD: u64 = 16 << 20;
const METADATA: u64 = 64 << 20;

/// A field that a rule may read or set.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Field {
    /// As rules name it.
    pub name: String,
    /// As people see it.
    pub label: String,
    /// `string`, `number`, `boolean`, `date`, `time`, `picklist`, `reference`, or Salesforce's own word for others.
    #[serde(rename = "type")]
    pub kind: String,
    /// Letters at most.
    pub length: Option<u32>,
    /// Somebody added it: `U_…`, `…__c`.
    pub custom: bool,
    /// A rule may set it.
    pub settable: bool,
    /// A record needs it.
    pub required: bool,
    /// What it may be.
    pub values: Option<Vec<Choice>>,
    /// The record it refers to.
    pub relation: Option<Relation>,
}

/// A value of a list.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Choice {
    /// As it is stored.
    pub value: String,
    /// As people see it.
    pub label: String,
}

/// What a field refers to.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Relation {
    /// As rules name it: `Account`.
    pub name: String,
    /// sObject type.
    pub object: String,
}

/// What was told of both systems, each asked for once.
#[derive(Default)]
pub struct Schema {
    objects: BTreeMap<String, Arc<Vec<Field>>>,
    sets: BTreeMap<String, Arc<Vec<Field>>>,
    metadata: Option<Arc<String>>,
}

/// What was told of each pair of systems, for a while: `$metadata` of a real company is large, and each describe is a call of the org's day.
#[derive(Default)]
pub struct Schemas(std::sync::Mutex<HashMap<String, (Instant, SharedSchema)>>);

/// One asks both systems at a time, and who comes meanwhile has the answers, too.
pub type SharedSchema = Arc<tokio::sync::Mutex<Schema>>;

impl Schemas {
    /// So long: whoever adds a field and looks again sees it.
    const HOLDS: Duration = Duration::from_secs(20);

    /// Of the systems that a flow keeps in step.
    pub fn of(&self, flow: &Flow) -> SharedSchema {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (since, _)| since.elapsed() < Self::HOLDS);
        let fresh = || (Instant::now(), Arc::default());
        known.entry(flow.bound.scope.clone()).or_insert_with(fresh).1.clone()
    }
}

impl Schema {
    /// Fields of an sObject type.
    pub async fn salesforce(&mut self, flow: &Flow, object: &str) -> Result<Arc<Vec<Field>>, FitError> {
        if let Some(known) = self.objects.get(object) {
            return Ok(known.clone());
        }
        let described = get(flow, "salesforce", Call::get(format!("/sobjects/{object}/describe"))).await?;
        let fields = described["fields"].as_array().into_iter().flatten().map(of_salesforce).collect();
        let fields = Arc::new(fields);
        self.objects.insert(object.to_owned(), Arc::clone(&fields));
        Ok(fields)
    }

    /// Properties of an entity set, or of the rows of a collection within it: `Orders`, `Orders/DocumentLines`.
    pub async fn b1(&mut self, flow: &Flow, set: &str) -> Result<Arc<Vec<Field>>, FitError> {
        if let Some(known) = self.sets.get(set) {
            return Ok(known.clone());
        }
        let metadata = match &self.metadata {
            Some(known) => known.clone(),
            None => {
                let connection = flow.bound.slots.get("b1").ok_or(FitError::NoConnection("b1"))?;
                let call = Call::get("/$metadata");
                let answer = patiently(|| sent(connection, &call, METADATA)).await;
                let answer = answer.map_err(|error| FitError::read("/$metadata", error))?;
                self.metadata.insert(Arc::new(answer.body)).clone()
            }
        };
        let fields = Arc::new(of_metadata(&metadata, set)?);
        self.sets.insert(set.to_owned(), fields.clone());
        Ok(fields)
    }

    /// What is wrong with a path such as `Account.Region__c`; none when it is there.
    pub async fn problem_of_path(&mut self, flow: &Flow, object: &str, path: &str) -> Result<Option<String>, FitError> {
        let mut object = object.to_owned();
        let mut steps: Vec<&str> = path.split('.').collect();
        let Some(last) = steps.pop() else { return Ok(None) };
        for step in steps {
            let fields = self.salesforce(flow, &object).await?;
            let lookup = fields.iter().filter_map(|field| field.relation.as_ref());
            let lookup = lookup.into_iter().find(|relation| relation.name.eq_ignore_ascii_case(step));
            match lookup {
                Some(lookup) if lookup.name == step => object.clone_from(&lookup.object),
                Some(lookup) => return Ok(Some(spelt(&lookup.name))),
                None => return Ok(Some(format!("{object} has no relationship {step}"))),
            }
        }
        let fields = self.salesforce(flow, &object).await?;
        Ok(match fields.iter().find(|field| field.name.eq_ignore_ascii_case(last)) {
            Some(field) if field.name == last => None,
            Some(field) => Some(spelt(&field.name)),
            None => Some(format!("{object} has no field {last} (or the integration user may not see it)")),
        })
    }

    /// What is wrong with a field that is to be set.
    pub async fn problem_of_target(
        &mut self,
        flow: &Flow,
        object: &str,
        name: &str,
    ) -> Result<Option<String>, FitError> {
        let fields = self.salesforce(flow, object).await?;
        Ok(match fields.iter().find(|field| field.name.eq_ignore_ascii_case(name)) {
            None => Some(format!("{object} has no field {name} (or the integration user may not see it)")),
            Some(field) if !field.settable => {
                Some(format!("{object}.{name} cannot be set: it is computed, or read-only for the integration user"))
            }
            Some(_) => None,
        })
    }
}

/// Salesforce takes a name whatever its capitals and answers with its own: what reads the answer under another finds nothing.
fn spelt(name: &str) -> String {
    format!("it is spelt {name} in Salesforce: under another spelling nothing is found")
}

fn of_salesforce(described: &Value) -> Field {
    let text = |name: &str| described[name].as_str().unwrap_or_default().to_owned();
    let is = |name: &str| described[name] == true;
    // A field of which nothing is said may be set: older answers say only what may not.
    let may = |name: &str| described[name] != false;
    let kind = match text("type").as_str() {
        "int" | "double" | "currency" | "percent" | "long" => "number".to_owned(),
        "datetime" | "date" => "date".into(),
        "textarea" | "phone" | "url" | "email" | "encryptedstring" | "string" => "string".into(),
        "multipicklist" | "combobox" => "picklist".into(),
        other => other.to_owned(),
    };
    let values = described["picklistValues"].as_array().filter(|values| !values.is_empty()).map(|values| {
        let active = values.iter().filter(|value| value["active"] != false);
        let choice = |value: &Value| {
            let stored = value["value"].as_str()?.to_owned();
            Some(Choice { label: value["label"].as_str().unwrap_or(&stored).to_owned(), value: stored })
        };
        active.filter_map(choice).collect()
    });
    let relation = described["relationshipName"].as_str().zip(described["referenceTo"][0].as_str());
    let settable = may("updateable") || may("createable");
    Field {
        name: text("name"),
        label: described["label"].as_str().unwrap_or_else(|| described["name"].as_str().unwrap_or_default()).to_owned(),
        kind,
        length: described["length"].as_u64().filter(|length| *length > 0).and_then(|length| length.try_into().ok()),
        custom: is("custom") || text("name").ends_with("__c"),
        settable,
        required: settable && described["nillable"] == false && described["defaultedOnCreate"] == false,
        values,
        relation: relation.map(|(name, object)| Relation { name: name.to_owned(), object: object.to_owned() }),
    }
}

fn of_metadata(metadata: &str, set: &str) -> Result<Vec<Field>, FitError> {
    let xml = roxmltree::Document::parse(metadata).map_err(|_| FitError::Answer("B1's $metadata is not XML".into()))?;
    let (set, part) = set.split_once('/').unwrap_or((set, ""));
    let bare = |name: &str| name.trim_end_matches(')').rsplit(['.', '(']).next().unwrap_or_default().to_owned();
    let named =
        |tag: &str, name: &str| xml.descendants().find(|node| node.is(tag) && node.attribute("Name") == Some(name));
    let entity = named("EntitySet", set)
        .and_then(|node| node.attribute("EntityType"))
        .map(bare)
        .ok_or_else(|| FitError::Answer(format!("B1 has no entity set {set}")))?;
    let of_type = |name: &str| named("EntityType", name).or_else(|| named("ComplexType", name));
    let mut found = of_type(&entity).ok_or_else(|| FitError::Answer(format!("B1 has no type {entity}")))?;
    if !part.is_empty() {
        let row = found
            .children()
            .find(|node| node.is("Property") && node.attribute("Name") == Some(part))
            .and_then(|node| node.attribute("Type"))
            .map(bare)
            .ok_or_else(|| FitError::Answer(format!("{set} has no {part}")))?;
        found = of_type(&row).ok_or_else(|| FitError::Answer(format!("B1 has no type {row}")))?;
    }
    let keys: Vec<&str> =
        found.descendants().filter(|node| node.is("PropertyRef")).filter_map(|node| node.attribute("Name")).collect();
    let field = |node: roxmltree::Node<'_, '_>| {
        let name = node.attribute("Name")?.to_owned();
        let kind = node.attribute("Type").unwrap_or_default();
        let members: Option<Vec<Choice>> = named("EnumType", &bare(kind)).map(|of| {
            let names = of.children().filter(|node| node.is("Member")).filter_map(|node| node.attribute("Name"));
            names.map(|name| Choice { value: name.to_owned(), label: label(name) }).collect()
        });
        let yes_no = members.as_ref().is_some_and(|all| all.len() == 2 && all.iter().any(|one| one.value == "tYES"));
        let kind = match kind {
            _ if yes_no => "boolean",
            _ if members.is_some() => "picklist",
            "Edm.String" => "string",
            "Edm.Int16" | "Edm.Int32" | "Edm.Int64" | "Edm.Double" | "Edm.Decimal" | "Edm.Single" => "number",
            "Edm.DateTimeOffset" | "Edm.DateTime" | "Edm.Date" => "date",
            "Edm.Time" | "Edm.TimeOfDay" => "time",
            "Edm.Boolean" => "boolean",
            // Collections and rows are sections of their own.
            _ => "other",
        };
        Some(Field {
            label: label(&name),
            length: node.attribute("MaxLength").and_then(|length| length.parse().ok()),
            custom: name.starts_with("U_"),
            settable: kind != "other" && !keys.contains(&name.as_str()),
            required: node.attribute("Nullable") == Some("false") && !keys.contains(&name.as_str()),
            values: members,
            relation: None,
            kind: kind.to_owned(),
            name,
        })
    };
    Ok(found.children().filter(|node| node.is("Property")).filter_map(field).collect())
}

/// `U_SF_Region` → `SF Region`, `CardName` → `Card Name`, `tYES` → `YES`: B1 tells no other words for a property.
fn label(name: &str) -> String {
    let name = name.strip_prefix("U_").unwrap_or(name).replace('_', " ");
    let name = name.strip_prefix("bo").filter(|rest| rest.starts_with(char::is_uppercase)).unwrap_or(&name);
    let name = name.strip_prefix('t').filter(|rest| rest.starts_with(char::is_uppercase)).unwrap_or(name);
    let mut words = String::new();
    let mut before = ' ';
    for letter in name.chars() {
        if letter.is_uppercase() && (before.is_lowercase() || before.is_ascii_digit()) {
            words.push(' ');
        }
        words.push(letter);
        before = letter;
    }
    words
}

/// Tags by name, whatever their namespace: it differs between versions.
trait Tag {
    fn is(&self, name: &str) -> bool;
}

impl Tag for roxmltree::Node<'_, '_> {
    fn is(&self, name: &str) -> bool {
        self.tag_name().name() == name
    }
}

/// A read on the connection bound to a slot.
pub async fn get(flow: &Flow, slot: &'static str, call: Call) -> Result<Value, FitError> {
    let connection = flow.bound.slots.get(slot).ok_or(FitError::NoConnection(slot))?;
    let path = call.path.split('?').next().unwrap_or_default().to_owned();
    let answered = patiently(|| sent(connection, &call, RECORD)).await;
    let answer = answered.map_err(|error| match error {
        LookError::Call(CallError::Remote { status: 404, message, .. }) => {
            FitError::NotFound(format!("{path} is not there: {message}"))
        }
        other => FitError::read(path.clone(), other),
    })?;
    serde_json::from_str(&answer.body).map_err(|_| FitError::Answer(format!("{path}: the answer is not JSON")))
}

async fn sent(connection: &Connection, call: &Call, limit: u64) -> Result<Answer, LookError> {
    Ok(connection.send(call.clone(), limit).await?)
}

/// What is wrong with a field of B1 that a rule reads or sets.
pub fn problem_in(properties: &[Field], section: &Section, path: &str) -> Option<(String, String)> {
    let (first, nested) = path.split_once('.').map_or((path, false), |(first, _)| (first, true));
    if properties.iter().any(|field| field.name == first) {
        return None;
    }
    Some(if nested {
        (format!("{first}.*"), format!("not checked: {first} is put together by the plugin"))
    } else {
        (first.to_owned(), format!("{} has no property {first}; a user field is called U_<name>", section.b1))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const METADATA: &str = r#"<edmx:Edmx xmlns:edmx="x"><edmx:DataServices><Schema xmlns="y" Namespace="SAPB1">
        <EnumType Name="BoYesNoEnum"><Member Name="tNO"/><Member Name="tYES"/></EnumType>
        <EnumType Name="BoStatus"><Member Name="bost_Open"/><Member Name="bost_Close"/><Member Name="bost_Paid"/></EnumType>
        <EntityType Name="Document"><Key><PropertyRef Name="DocEntry"/></Key>
          <Property Name="DocEntry" Type="Edm.Int32" Nullable="false"/><Property Name="NumAtCard" Type="Edm.String" MaxLength="100"/>
          <Property Name="Confirmed" Type="SAPB1.BoYesNoEnum"/><Property Name="DocumentStatus" Type="SAPB1.BoStatus"/>
          <Property Name="U_SF_Region" Type="Edm.String" MaxLength="20"/><Property Name="DocumentLines" Type="Collection(SAPB1.DocumentLine)"/></EntityType>
        <ComplexType Name="DocumentLine"><Property Name="ItemCode" Type="Edm.String"/><Property Name="Quantity" Type="Edm.Double"/></ComplexType>
        <EntityContainer Name="c"><EntitySet Name="Orders" EntityType="SAPB1.Document"/></EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"#;

    #[test]
    fn properties_of_b1_have_types_labels_and_lists() {
        let fields = of_metadata(METADATA, "Orders").unwrap();
        let one = |name: &str| fields.iter().find(|field| field.name == name).unwrap();
        assert!(!one("DocEntry").settable);
        assert_eq!((one("NumAtCard").kind.as_str(), one("NumAtCard").length), ("string", Some(100)));
        assert_eq!((one("NumAtCard").label.as_str(), one("Confirmed").kind.as_str()), ("Num At Card", "boolean"));
        assert_eq!(one("DocumentStatus").values.as_ref().map(Vec::len), Some(3));
        assert!(one("U_SF_Region").custom && one("U_SF_Region").label == "SF Region");
        let lines = of_metadata(METADATA, "Orders/DocumentLines").unwrap();
        assert_eq!(lines.iter().map(|field| field.kind.as_str()).collect::<Vec<_>>(), ["string", "number"]);
        assert!(of_metadata(METADATA, "Invoices").unwrap_err().to_string().contains("no entity set"));
    }

    #[test]
    fn fields_of_salesforce_say_what_may_be_set_and_what_they_refer_to() {
        let field = of_salesforce(&json!({
            "name": "AccountId", "label": "Account ID", "type": "reference", "relationshipName": "Account", "referenceTo": ["Account"],
            "updateable": true, "createable": true, "nillable": true, "length": 18, "picklistValues": [],
        }));
        assert_eq!(field.relation.map(|relation| relation.object).as_deref(), Some("Account"));
        assert!(field.settable && !field.required && field.values.is_none());
        let field = of_salesforce(&json!({
            "name": "StageName", "label": "Stage", "type": "picklist", "updateable": true, "createable": true, "nillable": false,
            "defaultedOnCreate": false, "picklistValues": [{ "value": "Won", "label": "Gewonnen", "active": true }, { "value": "Old", "label": "Old", "active": false }],
        }));
        assert!(field.required);
        assert_eq!(field.values, Some(vec![Choice { value: "Won".into(), label: "Gewonnen".into() }]));
        assert!(
            !of_salesforce(&json!({ "name": "X", "type": "double", "updateable": false, "createable": false }))
                .settable
        );
    }
}
