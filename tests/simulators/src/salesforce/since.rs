//! Without room in the transaction's limits ([`Left`]) the package's triggers publish, at once and once an object that is told, that the host must look again: class `TandemSince`. Such an
//! event counts as no statement, and a rollback does not take it back. Source: Apex Developer Guide, "Execution Governors and Limits";
//! Platform Events Developer Guide, "Publish Immediately".

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};
use chrono::{SecondsFormat, TimeDelta};
use serde_json::json;

use super::Simulator;
use super::governor::{CHUNK, Left};
use super::triggers::{Change, Published, Triggers};

const EVENT: &str = "Tandem_Since__e";

/// What the triggers of a transaction publish.
#[derive(Debug)]
pub struct Decided {
    /// After the commit.
    pub told: Vec<Published>,
    /// At once: objects to be looked at again.
    pub asked: Vec<String>,
    /// Of the transaction, for what cannot be published.
    pub left: Left,
}

/// A whole number that a class of the package declares; `package` is its folder `force-app/main/default`.
pub fn constant(package: &Path, class: &str, name: &str) -> Result<u32> {
    let file = package.join(format!("classes/{class}.cls"));
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let start = format!("static final Integer {name} = ");
    let (_, rest) = text.split_once(&start).with_context(|| format!("{} has no {name}", file.display()))?;
    Ok(rest.split(';').next().unwrap_or_default().parse()?)
}

/// By the triggers of a transaction, 200 records of one object after the other.
pub fn decide(triggers: &Triggers, changes: &[Change], mut left: Left) -> Decided {
    let (mut told, mut asked) = (Vec::new(), BTreeSet::new());
    let mut objects: Vec<&str> = Vec::new();
    for change in changes.iter().filter(|change| !change.silent && !change.cascade) {
        if !objects.contains(&change.object.as_str()) {
            objects.push(&change.object);
        }
    }
    for object in objects {
        let own: Vec<Change> = changes.iter().filter(|change| change.object == object).cloned().collect();
        for chunk in own.chunks(CHUNK) {
            let events = triggers.events(chunk);
            if events.is_empty() {
                continue;
            }
            if left.spend(events.len()) {
                told.extend(events);
            } else {
                asked.extend(events.into_iter().map(|event| event.object));
            }
        }
    }
    Decided { told, asked: asked.into_iter().collect(), left }
}

impl Simulator {
    /// Publishes at once that these objects must be looked at again.
    pub fn ask(&self, objects: &[String]) {
        let since = self.clock.now() - TimeDelta::minutes(self.since_minutes);
        let since = since.to_rfc3339_opts(SecondsFormat::Millis, true);
        let mut bus = self.bus();
        for object in objects {
            let values = json!({ "Object__c": object, "Since__c": since, "Version__c": "1" });
            // One that cannot be published is found at night.
            if let Some(payload) = bus.encode(EVENT, &values) {
                let _ = bus.publish_raw(&format!("/event/{EVENT}"), None, payload);
            }
        }
    }
}
