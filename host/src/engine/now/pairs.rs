//! Which records are meant: those that the links name, else the one that was asked for, each with where it is read.

use std::collections::BTreeSet;

use super::fields::Between;
use super::places::{Bound, Sought, Step, by_calls, by_events, by_sections};
use crate::config::Config;
use crate::connections::salesforce::full_id;
use crate::connections::{Connections, Place};
use crate::engine::explain::Explained;
use crate::store::Event;

/// Records that are read for one answer.
const MOST: usize = 6;

/// A record that is meant.
#[derive(Debug)]
pub struct Record<'a> {
    /// Where it is.
    pub on: Bound<'a>,
    /// Its id or key.
    pub id: String,
    /// Where it is read, if that is known.
    pub place: Option<Place>,
    /// That it is there was told, not concluded.
    pub sure: bool,
}

impl Record<'_> {
    fn is_same(&self, other: &Self) -> bool {
        let object = |own: &Self| own.place.as_ref().map(|at| at.object.clone());
        self.on == other.on && self.id == other.id && object(self) == object(other)
    }
}

/// What there is to find them by, as far as the person who asks sees it.
pub struct Around<'a> {
    /// Links and events.
    pub known: &'a Explained,
    /// Which flow has which connections.
    pub config: &'a Config,
    /// Those that there are.
    pub connections: &'a Connections,
    /// Calls about the records.
    pub steps: Vec<&'a Step<'a>>,
    /// Entity sets and sObject types that mappings keep in step.
    pub sections: Vec<Between>,
}

impl<'a> Around<'a> {
    /// The records, Salesforce's before the one of B1 that it is linked with, and which are linked.
    pub fn records(&self, asked: &str, sees: &impl Fn(&str) -> bool) -> (Vec<Record<'a>>, Vec<(usize, usize)>) {
        let (mut records, mut pairs) = (Vec::new(), Vec::new());
        for link in &self.known.links {
            let Some((b1, salesforce)) = link.scope.split_once('|') else { continue };
            let (Some(b1), Some(salesforce)) = (self.on(b1), self.on(salesforce)) else { continue };
            let org = Sought { on: salesforce, id: &link.salesforce_id, other: &link.b1_id };
            let erp = Sought { on: b1, id: &link.b1_id, other: &link.salesforce_id };
            let mut in_org = by_calls(org, &self.steps).or_else(|| by_events(org, self.events(org, sees)));
            let certain = in_org.is_some();
            let mut in_erp = by_calls(erp, &self.steps);
            // A number is one of many entity sets: what it is linked with tells which, before what was told of any of them.
            let told = in_erp.is_some();
            in_erp = in_erp.or_else(|| by_sections(erp, in_org.as_ref()?, &self.sections));
            let concluded = in_erp.is_some();
            in_erp = in_erp.or_else(|| by_events(erp, self.events(erp, sees)));
            let sure = told || !concluded;
            in_org = in_org.or_else(|| by_sections(org, in_erp.as_ref()?, &self.sections));
            let one = Record { on: org.on, id: org.id.to_owned(), place: in_org, sure: certain };
            let other = Record { on: erp.on, id: erp.id.to_owned(), place: in_erp, sure };
            let pair = keep(&mut records, one).zip(keep(&mut records, other));
            pairs.extend(pair.filter(|pair| !pairs.contains(pair)));
        }
        if self.known.links.is_empty() {
            self.alone(asked, sees, &mut records);
        }
        (records, pairs)
    }

    /// What is linked with nothing.
    fn alone(&self, asked: &str, sees: &impl Fn(&str) -> bool, records: &mut Vec<Record<'a>>) {
        let ids: BTreeSet<String> = [asked.to_owned()].into_iter().chain(full_id(asked)).collect();
        for (name, connection) in self.connections {
            let on = (name.as_str(), connection.kind());
            for id in &ids {
                let own = Sought { on, id, other: "" };
                let place = by_calls(own, &self.steps).or_else(|| by_events(own, self.events(own, sees)));
                if place.is_some() {
                    keep(records, Record { on, id: id.clone(), place, sure: true });
                }
            }
        }
    }

    fn on(&self, name: &str) -> Option<Bound<'a>> {
        self.connections.get_key_value(name).map(|(name, own)| (name.as_str(), own.kind()))
    }

    /// Those of flows that have the connection: another company has the same numbers.
    fn events(&self, sought: Sought<'_>, sees: &impl Fn(&str) -> bool) -> impl Iterator<Item = &'a Event> {
        let has = move |flow: &str| {
            let own = self.config.flows.get(flow);
            own.is_some_and(|own| own.connections.values().any(|name| name == sought.on.0))
        };
        self.known.events.iter().filter(move |event| sees(&event.flow) && has(&event.flow))
    }
}

/// The place of a record among those that are read; none where there are too many.
fn keep<'a>(records: &mut Vec<Record<'a>>, own: Record<'a>) -> Option<usize> {
    let known = records.iter().position(|other| other.is_same(&own));
    if known.is_none() && records.len() < MOST {
        records.push(own);
        return Some(records.len() - 1);
    }
    known
}
