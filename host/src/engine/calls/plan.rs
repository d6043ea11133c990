//! What a call would write, as a person reads it before they approve it: each record, each field, what it is and what it would be.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::connections::{Call, Method, Place, key_of, percent};
use crate::engine::Flow;
use crate::engine::deeds::{Effect, deeds_of};
use crate::plain::readable;
use crate::sandbox::{RunReport, digest_of};

/// Records whose present values are read.
const READ: usize = 20;
/// Until a read is given up: the plan is shown without what is there now.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of a record.
const RECORD: u64 = 4 << 20;
/// Bytes of a value that is shown; fields of one record, records of one plan.
const MOST_TEXT: usize = 1_000;
const MOST_FIELDS: usize = 200;
const MOST_RECORDS: usize = 100;
/// Bytes of a plan in one line.
const MOST_WORDS: usize = 2_000;
/// Letters of a digest by which one plan is told from another.
const DIGEST: usize = 16;

/// One thing that a call would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Planned {
    /// What is done to which record: method, slot and path, or `link order`, `event salesforce.Opportunity for orders`.
    pub call: String,
    /// The record that the plugin says it is about, and what people know it by where it is there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub record: String,
    /// What it says; empty where the call says it all.
    pub fields: Vec<PlannedField>,
}

/// A field that a call would write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlannedField {
    /// Its place in what is written, such as `DocumentLines[0].Quantity`.
    pub name: String,
    /// What is there now; missing where that is not known, or where the record is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// What would be there.
    pub new: Value,
}

/// All that a call would do, and by what it is told from any other plan.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    pub done: Vec<Planned>,
    pub digest: String,
}

impl Plan {
    /// Of a rehearsal, with what is there now.
    pub async fn of(flow: &Flow, report: &RunReport) -> Self {
        // What a flow keeps for itself is its own affair, and when it looks again tells the time.
        let own = |mut effect: Effect| match effect.call.as_str() {
            "store" | "forget" => None,
            "wake" => {
                effect.call = format!("look again at {}", effect.subject);
                effect.body = effect.body.get("payload").filter(|own| **own != json!({})).cloned().unwrap_or_default();
                Some(effect)
            }
            _ => Some(effect),
        };
        let effects: Vec<Effect> = deeds_of(report).into_iter().filter_map(own).collect();
        let now = present(flow, &effects).await;
        let more = effects.len().saturating_sub(MOST_RECORDS);
        let shown = effects.iter().take(MOST_RECORDS);
        let mut done: Vec<Planned> = shown.map(|effect| planned(effect, now.get(&effect.call))).collect();
        if more > 0 {
            done.push(Planned {
                call: format!("{more} more that are not shown"),
                record: String::new(),
                fields: Vec::new(),
            });
        }
        // What is there now belongs to it: who approves a change from 1 to 5 does not approve one from 9. What people know the record by does not.
        let digest = short_digest(&serde_json::to_string(&(&effects, &done)).unwrap_or_default());
        for (own, effect) in done.iter_mut().zip(&effects) {
            own.record = known_as(&effect.subject, now.get(&effect.call));
        }
        Self { done, digest }
    }
}

impl Plan {
    /// Puts something first that is done before all else.
    pub fn first(&mut self, call: String, told: Value) {
        let field =
            |(name, value): (&String, &Value)| PlannedField { name: name.clone(), old: None, new: short(value) };
        let fields = told.as_object().into_iter().flatten().map(field).collect();
        self.digest = short_digest(&serde_json::to_string(&(&self.digest, &call, &told)).unwrap_or_default());
        self.done.insert(0, Planned { call: readable(call, MOST_TEXT), record: String::new(), fields });
    }

    /// In one line, for where no table can be shown.
    pub fn words(&self) -> String {
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let field = |own: &PlannedField| match &own.old {
            Some(old) => format!("{} {} -> {}", own.name, text(old), text(&own.new)),
            None => format!("{} {}", own.name, text(&own.new)),
        };
        let each = self.done.iter().map(|own| {
            let fields = own.fields.iter().map(field).collect::<Vec<_>>().join(", ");
            let known = Some(&own.record).filter(|record| !own.call.contains(*record));
            let call = known.map_or_else(|| own.call.clone(), |record| format!("{} ({record})", own.call));
            if fields.is_empty() { call } else { format!("{call}: {fields}") }
        });
        let all = each.collect::<Vec<_>>().join("; ");
        readable(if all.is_empty() { "nothing".into() } else { all }, MOST_WORDS)
    }
}

/// What records hold now of the fields that a call would write, by the call; without those that the flow may not read, or that do not answer in time.
async fn present(flow: &Flow, effects: &[Effect]) -> BTreeMap<String, Value> {
    let mut reads: BTreeMap<&str, (&str, String)> = BTreeMap::new();
    for effect in effects {
        let Some((slot, path)) = read_of(flow, effect) else { continue };
        if reads.len() < READ && flow.bound.grants.check(slot, Method::Get, &path).is_ok() {
            reads.insert(&effect.call, (slot, path));
        }
    }
    let reads = reads.into_iter().filter_map(|(call, (slot, path))| {
        let connection = flow.bound.slots.get(slot)?.clone();
        Some(async move {
            let answer = tokio::time::timeout(PATIENCE, connection.send(Call::get(path), RECORD)).await.ok()?.ok()?;
            let found: Value = serde_json::from_str(&answer.body).ok()?;
            let rows = ["value", "records"].iter().find_map(|list| found.get(list))?;
            Some((call.to_owned(), rows.get(0)?.clone()))
        })
    });
    join_all(reads).await.into_iter().flatten().collect()
}

/// The slot and the path by which the record is read that a call would change, as flows read: in a list, by its key.
fn read_of<'a>(flow: &Flow, effect: &'a Effect) -> Option<(&'a str, String)> {
    let mut words = effect.call.splitn(3, ' ');
    let (method, slot, path) = (words.next()?, words.next()?, words.next()?);
    let kind = flow.bound.slots.get(slot)?.kind();
    let Place { object, id, .. } = Place::of_call(kind, method, path, None)?;
    let written = effect.body.as_object().into_iter().flat_map(|body| body.keys()).map(String::as_str);
    let fields: BTreeSet<&str> =
        written.filter(|name| !name.starts_with('(')).chain(known_by(kind, &object).iter().copied()).collect();
    if fields.is_empty() {
        return None;
    }
    let fields = fields.into_iter().collect::<Vec<_>>().join(",");
    let path = match kind {
        "b1" => {
            let key = key_of(&object);
            let literal = if key == "DocEntry" { id } else { format!("'{}'", id.replace('\'', "''")) };
            format!("/{object}?$filter={}&$select={fields}", percent(&format!("{key} eq {literal}")))
        }
        // An id has letters and digits alone.
        _ => format!("/query?q={}", percent(&format!("SELECT {fields} FROM {object} WHERE Id = '{id}'"))),
    };
    Some((slot, path))
}

fn planned(effect: &Effect, now: Option<&Value>) -> Planned {
    let mut fields = Vec::new();
    leaves("", &effect.body, now, &mut fields);
    let more = fields.len().saturating_sub(MOST_FIELDS);
    fields.truncate(MOST_FIELDS);
    if more > 0 {
        fields.push(PlannedField { name: format!("{more} more that are not shown"), old: None, new: Value::Null });
    }
    let call = readable(effect.call.clone(), MOST_TEXT);
    Planned { call, record: readable(effect.subject.clone(), MOST_TEXT), fields }
}

/// A record by the name that its plugin gives it, and by what people know it by.
fn known_as(subject: &str, now: Option<&Value>) -> String {
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        other => Some(other.to_string()),
    };
    let names: BTreeSet<&str> = KNOWN_BY.iter().flat_map(|(_, names)| names.iter().copied()).collect();
    let known = names.into_iter().filter_map(|name| Some(format!("{name} {}", text(now?.get(name)?)?)));
    let all = Some(subject.to_owned()).filter(|own| !own.is_empty()).into_iter().chain(known);
    readable(all.collect::<Vec<_>>().join(", "), MOST_TEXT)
}

/// What people know a record of B1 by: who approves that order 85 is cancelled knows it by its number, whose it is and what it comes to. Source: Service
/// Layer, `Document`, `BusinessPartner`, `Item`.
const KNOWN_BY: [(&[&str], &[&str]); 3] = [
    (
        &["Orders", "Quotations", "DeliveryNotes", "Returns", "Invoices", "CreditNotes"],
        &["DocNum", "CardCode", "CardName", "NumAtCard", "DocTotal", "DocCurrency"],
    ),
    (&["BusinessPartners"], &["CardName"]),
    (&["Items"], &["ItemName"]),
];

fn known_by(kind: &str, object: &str) -> &'static [&'static str] {
    let own = KNOWN_BY.iter().find(|(sets, _)| kind == "b1" && sets.contains(&object));
    own.map(|(_, names)| *names).unwrap_or_default()
}

/// By which rows of a record are told from each other. Source: B1's objects of document lines, contact employees, addresses.
const ROWS: [&str; 4] = ["LineNum", "InternalCode", "RowNum", "AddressName"];

/// Every value with its place, such as `DocumentLines[0].Quantity`, and what is there now.
fn leaves(at: &str, value: &Value, now: Option<&Value>, found: &mut Vec<PlannedField>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, own) in fields {
                let below = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                leaves(&below, own, now.and_then(|now| now.get(name)), found);
            }
        }
        Value::Array(rows) if !rows.is_empty() => {
            for (place, own) in rows.iter().enumerate() {
                let is_same = |row: &&Value| {
                    ROWS.iter().find(|key| own.get(key).is_some()).is_some_and(|key| row.get(key) == own.get(key))
                };
                let row = now.and_then(Value::as_array).and_then(|rows| rows.iter().find(is_same));
                leaves(&format!("{at}[{place}]"), own, row, found);
            }
        }
        Value::Null if at.is_empty() => {}
        other => found.push(PlannedField {
            name: if at.is_empty() { "(body)".to_owned() } else { at.to_owned() },
            old: now.map(short),
            new: short(other),
        }),
    }
}

fn short_digest(text: &str) -> String {
    let whole = digest_of(text.as_bytes());
    whole.get(..DIGEST).unwrap_or(&whole).to_owned()
}

/// What a run would leave behind beside its calls to systems, so that it can be held against a rehearsal: in words alone where something is made whose
/// number only the run itself knows.
pub(super) fn beside(report: &RunReport, makes: bool) -> Value {
    let own = |effect: &Effect| !effect.call.contains(" /") && !["store", "forget"].contains(&effect.call.as_str());
    let told = |effect: Effect| {
        let body = match effect.call.as_str() {
            _ if makes => Value::Null,
            // When it is told by the clock.
            "wake" => effect.body["payload"].clone(),
            _ => effect.body,
        };
        json!([effect.call, body])
    };
    deeds_of(report).into_iter().filter(own).map(told).collect()
}

fn short(value: &Value) -> Value {
    match value {
        Value::String(text) => readable(text.clone(), MOST_TEXT).into(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_field_is_told_with_what_is_there_now() {
        let effect = |call: &str, body: Value| Effect { subject: "7".into(), call: call.into(), body };
        let rows = json!([{ "LineNum": 1, "Quantity": 9 }, { "LineNum": 0, "Quantity": 1 }]);
        let now = json!({ "Comments": "old", "DocumentLines": rows, "More": 1 });
        let change = effect(
            "PATCH b1 /Orders(7)",
            json!({ "Comments": "new", "DocumentLines": [{ "LineNum": 0, "Quantity": 5 }], "U_X": null }),
        );
        let told = planned(&change, Some(&now));
        let of =
            |name: &str| told.fields.iter().find(|own| own.name == name).map(|own| (own.old.clone(), own.new.clone()));
        assert_eq!(of("Comments"), Some((Some(json!("old")), json!("new"))));
        assert_eq!(
            of("DocumentLines[0].Quantity"),
            Some((Some(json!(1)), json!(5))),
            "by its number, not by its place"
        );
        assert_eq!(of("U_X"), Some((None, Value::Null)));
        assert_eq!(told.fields.len(), 4);
        let cancel = effect("POST b1 /Orders(7)/Cancel", Value::Null);
        assert!(planned(&cancel, None).fields.is_empty());
        let now = json!({ "DocNum": 10_007, "CardName": "Miller", "NumAtCard": null, "DocTotal": 119.0 });
        let record = known_as(&cancel.subject, Some(&now));
        assert_eq!(record, "7, CardName Miller, DocNum 10007, DocTotal 119.0");
        let plan = Plan { done: vec![Planned { record, ..planned(&cancel, None) }], digest: String::new() };
        assert_eq!(plan.words(), "POST b1 /Orders(7)/Cancel (7, CardName Miller, DocNum 10007, DocTotal 119.0)");
    }
}
