//! Which fields of a record are told, what each was when it was written last, and with which of the other system it goes.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::places::Bound;
use super::same::{is_plain, same};
use crate::connections::Place;
use crate::releases::Release;

/// Fields of one record that are told.
const MOST: usize = 100;

/// A field as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct FieldNow {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Value,
    /// What was written last, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_written: Option<Value>,
    /// It is something else now: somebody changed it since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed: Option<bool>,
    /// Fields of the other record that it goes with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<String>,
    /// Where one is copied to the other: both have the same value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_step: Option<bool>,
}

/// Which records a flow keeps in step.
#[derive(Clone, Debug, PartialEq)]
pub struct Between {
    /// The connections, B1's first: another company has the same keys.
    pub on: (String, String),
    /// Entity set and sObject type.
    pub of: (String, String),
}

/// A field that a rule reads and the one that it sets.
#[derive(Clone, Debug, PartialEq)]
pub struct Relation {
    /// Records.
    pub between: Between,
    /// Its field of B1.
    pub b1: String,
    /// Its field of Salesforce.
    pub salesforce: String,
    /// Kind of the system whose field it sets.
    pub sets: &'static str,
    /// The value is copied as it is.
    pub copies: bool,
}

/// What a release's mapping keeps in step, of whole records: rows and records behind a reference are others.
pub fn relations(release: &Release, on: &(String, String)) -> Vec<Relation> {
    let mut found = Vec::new();
    for section in release.plugin.description.sections.iter().filter(|section| !section.b1.contains('/')) {
        let both = section.to_b1 && section.to_salesforce;
        for (goes, sets, way) in
            [(section.to_b1, "b1", "to-b1"), (section.to_salesforce, "salesforce", "to-salesforce")]
        {
            if !goes {
                continue;
            }
            let applied = if both { format!("{}.{way}", section.name) } else { section.name.clone() };
            let has_last_word = release.asks_mapper(&applied);
            for (target, sources, copies) in release.mapping.sources(&applied) {
                for source in sources.into_iter().filter(|source| !source.contains('.')) {
                    let (b1, salesforce) =
                        if sets == "b1" { (target.to_owned(), source) } else { (source, target.to_owned()) };
                    let of = (section.b1.clone(), section.salesforce.clone());
                    let between = Between { on: on.clone(), of };
                    found.push(Relation { between, b1, salesforce, sets, copies: copies && !has_last_word });
                }
            }
        }
    }
    found
}

impl Relation {
    fn of(&self, kind: &str) -> &str {
        if kind == "b1" { &self.b1 } else { &self.salesforce }
    }
}

/// What is known of the last write of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Last {
    /// The value.
    Written(Value),
    /// It may have been written, and it is not known whether it was.
    Perhaps,
    /// By a flow that the person who asks does not see.
    Hidden,
}

/// A record as it was read.
pub struct Held<'a> {
    /// The connection, and its kind: `b1` or `salesforce`.
    pub on: Bound<'a>,
    /// Where.
    pub place: &'a Place,
    /// Its fields; none where it could not be read.
    pub values: Option<&'a Map<String, Value>>,
    /// By field.
    pub written: &'a BTreeMap<String, Last>,
}

impl Held<'_> {
    fn is_between(&self, other: &Self, relation: &Relation) -> bool {
        let Between { on, of } = &relation.between;
        let fits = |held: &Self| match held.on {
            (name, "b1") => on.0 == name && of.0 == held.place.object,
            (name, _) => on.1 == name && of.1 == held.place.object,
        };
        self.on.1 != other.on.1 && fits(self) && fits(other)
    }

    /// A value that can be told in a line.
    fn plain(&self, name: &str) -> Option<&Value> {
        self.values?.get(name).filter(|value| is_plain(value))
    }

    fn was_written(&self, name: &str) -> bool {
        matches!(self.written.get(name), Some(Last::Written(_) | Last::Perhaps))
    }
}

/// What is told of a record: what was written, and what that came from; with `field` that one, and what goes with it.
pub fn fields(own: &Held<'_>, others: &[Held<'_>], relations: &[Relation], field: Option<&str>) -> Vec<FieldNow> {
    let Some(values) = own.values else { return Vec::new() };
    let near: Vec<(&Relation, &Held<'_>)> = relations
        .iter()
        .flat_map(|relation| others.iter().map(move |other| (relation, other)))
        .filter(|(relation, other)| own.is_between(other, relation))
        .collect();
    let mut names: BTreeSet<&str> = match field {
        // What no flow that this person sees writes or reads is not theirs to read here.
        Some(field) => {
            let goes = near.iter().any(|(relation, _)| relation.of(own.on.1) == field);
            BTreeSet::from_iter((goes || own.was_written(field)).then_some(field))
        }
        None => own.written.keys().map(String::as_str).filter(|name| own.was_written(name)).collect(),
    };
    names.extend(near.iter().filter_map(|(relation, other)| {
        let theirs = relation.of(other.on.1);
        let goes = match field {
            Some(field) => theirs == field,
            None => relation.sets == other.on.1 && other.was_written(theirs),
        };
        goes.then(|| relation.of(own.on.1))
    }));
    let known = names.into_iter().filter(|name| match values.get(*name) {
        Some(value) => is_plain(value),
        None => own.was_written(name),
    });
    let told = known.map(|name| {
        let value = own.plain(name).cloned().unwrap_or_default();
        let last_written = match own.written.get(name) {
            Some(Last::Written(value)) => Some(value.clone()),
            _ => None,
        };
        let goes_with = || near.iter().filter(|(relation, _)| relation.of(own.on.1) == name);
        let with: BTreeSet<&str> = goes_with().map(|(relation, other)| relation.of(other.on.1)).collect();
        let copies = goes_with().filter(|(relation, _)| relation.copies);
        let steps: Vec<bool> = copies
            .filter_map(|(relation, other)| Some(same(own.plain(name)?, other.plain(relation.of(other.on.1))?)))
            .collect();
        FieldNow {
            changed: last_written.as_ref().map(|last| !same(last, &value)),
            with: with.into_iter().map(str::to_owned).collect(),
            in_step: (!steps.is_empty()).then(|| steps.iter().all(|step| *step)),
            name: name.to_owned(),
            value,
            last_written,
        }
    });
    told.take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn relation(b1: &str, salesforce: &str, copies: bool) -> Relation {
        let of = ("Orders".into(), "Opportunity".into());
        let between = Between { on: ("erp".into(), "crm".into()), of };
        Relation { between, b1: b1.into(), salesforce: salesforce.into(), sets: "b1", copies }
    }

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    /// The fields of the order and of its opportunity.
    fn told(b1: Value, salesforce: Value, written: &[(&str, Last)], field: Option<&str>) -> [Vec<FieldNow>; 2] {
        let places = [Place::b1("Orders", "7"), Place::salesforce("Opportunity", "0065g00000ABCdeAAG").unwrap()];
        let (b1, salesforce) = (map(b1), map(salesforce));
        let written = written.iter().map(|(name, last)| ((*name).to_owned(), last.clone())).collect();
        let nothing = BTreeMap::new();
        let relations = [relation("NumAtCard", "PO__c", true), relation("Comments", "Notes__c", false)];
        let order = || Held { on: ("erp", "b1"), place: &places[0], values: Some(&b1), written: &written };
        let deal =
            || Held { on: ("crm", "salesforce"), place: &places[1], values: Some(&salesforce), written: &nothing };
        [fields(&order(), &[deal()], &relations, field), fields(&deal(), &[order()], &relations, field)]
    }

    fn wrote(value: Value) -> Last {
        Last::Written(value)
    }

    #[test]
    fn what_was_written_is_told_with_what_it_came_from() {
        let b1 = json!({ "NumAtCard": "PO 1", "Comments": "ours", "DocTotal": 9, "DocumentLines": [] });
        let salesforce = json!({ "PO__c": "PO 1", "Notes__c": "theirs", "Name": "A deal", "attributes": {} });
        let written = [("NumAtCard", wrote(json!("PO 1"))), ("Comments", wrote(json!("theirs")))];
        let [order, deal] = told(b1, salesforce, &written, None);
        let names = |all: &[FieldNow]| all.iter().map(|own| own.name.clone()).collect::<Vec<_>>();
        assert_eq!(
            (names(&order), names(&deal)),
            (vec!["Comments".into(), "NumAtCard".into()], vec!["Notes__c".into(), "PO__c".into()])
        );
        let (comments, number) = (&order[0], &order[1]);
        assert_eq!((comments.changed, comments.in_step), (Some(true), None), "a rule that computes is not compared");
        assert_eq!(
            (number.changed, number.in_step, number.with.as_slice()),
            (Some(false), Some(true), &["PO__c".to_owned()][..])
        );
        assert_eq!((deal[1].changed, deal[1].in_step, &deal[1].value), (None, Some(true), &json!("PO 1")));
    }

    #[test]
    fn of_one_field_it_and_what_goes_with_it_is_told_from_either_side() {
        let b1 = json!({ "NumAtCard": "PO 2", "Comments": "ours" });
        let salesforce = json!({ "PO__c": "PO 1", "Notes__c": "theirs" });
        for field in ["NumAtCard", "PO__c"] {
            let [order, deal] = told(b1.clone(), salesforce.clone(), &[], Some(field));
            assert_eq!(
                (order.len(), order[0].name.as_str(), order[0].in_step),
                (1, "NumAtCard", Some(false)),
                "{field}"
            );
            assert_eq!((deal.len(), deal[0].name.as_str(), deal[0].in_step), (1, "PO__c", Some(false)), "{field}");
        }
        let [order, deal] = told(b1, salesforce, &[], Some("Nothing"));
        assert!(order.is_empty() && deal.is_empty());
        let [order, _] = told(json!({ "CreditLimit": 5 }), json!({}), &[], Some("CreditLimit"));
        assert!(order.is_empty(), "no flow reads or writes it");
    }

    #[test]
    fn nothing_is_said_of_a_write_that_is_not_known_or_not_seen() {
        let written = [("NumAtCard", Last::Perhaps), ("Comments", Last::Hidden)];
        let [order, _] = told(json!({ "NumAtCard": "PO 2", "Comments": "ours" }), json!({}), &written, None);
        assert_eq!(order.len(), 1);
        assert_eq!((order[0].name.as_str(), order[0].changed, &order[0].last_written), ("NumAtCard", None, &None));
    }

    #[test]
    fn a_field_that_is_no_more_is_as_if_it_were_empty() {
        let [order, _] =
            told(json!({}), json!({}), &[("NumAtCard", wrote(json!("PO 1"))), ("Comments", wrote(json!(null)))], None);
        let changed: Vec<_> = order.iter().map(|own| (own.name.as_str(), own.changed)).collect();
        assert_eq!(changed, [("Comments", Some(false)), ("NumAtCard", Some(true))]);
    }
}
