//! The package's outbox: what cannot be published is kept as `Tandem_Outbox__c` and told again until the host deletes it.
//! Mirrors the class `TandemOutbox`, whose constants are read from it.

use std::path::Path;

use anyhow::{Context, Result};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use super::Simulator;
use super::org::Record;
use super::triggers::Published;

const OBJECT: &str = "Tandem_Outbox__c";

/// The constants of the class.
#[derive(Debug)]
pub struct Pauses {
    most_a_run: usize,
    first_minutes: i64,
    most_doublings: u32,
}

impl Pauses {
    /// From the package's folder `force-app/main/default`.
    pub fn load(package: &Path) -> Result<Self> {
        let file = package.join("classes/TandemOutbox.cls");
        let class = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let constant = |name: &str| -> Result<u32> {
            let start = format!("static final Integer {name} = ");
            let (_, rest) = class.split_once(&start).with_context(|| format!("{} has no {name}", file.display()))?;
            Ok(rest.split(';').next().unwrap_or_default().parse()?)
        };
        Ok(Self {
            most_a_run: constant("MOST_A_RUN")? as usize,
            first_minutes: constant("FIRST_PAUSE_MINUTES")?.into(),
            most_doublings: constant("MOST_DOUBLINGS")?,
        })
    }

    fn after(&self, attempts: u32) -> TimeDelta {
        TimeDelta::minutes(self.first_minutes << attempts.min(self.most_doublings))
    }
}

impl Simulator {
    /// Publishes what the triggers made of a transaction. A save whose publish is refused is a save all the same.
    pub fn tell(&self, events: &[Published]) {
        let mut refused = Vec::new();
        {
            let mut bus = self.bus();
            for event in events {
                if let Err(why) = bus.publish(event) {
                    refused.push((event, why));
                }
            }
        }
        let mut org = self.org();
        for (event, why) in refused {
            let row = json!({
                "Tandem_Record_Id__c": event.record_id, "Tandem_Object__c": event.object,
                "Tandem_Operation__c": event.operation, "Tandem_Error__c": why, "Tandem_Attempts__c": 0,
                "Tandem_Next_Attempt__c": org.timestamp(),
            });
            org.store(OBJECT, row.as_object().cloned().unwrap_or_default());
        }
    }

    /// One run of the scheduled retry; how many were told again.
    pub fn retry_outbox(&self) -> usize {
        let now = self.clock.now();
        let due: Vec<Record> = {
            let org = self.org();
            let rows = org.tables.get(OBJECT).into_iter().flat_map(|table| table.records.values());
            let due = |row: &&Record| row["IsDeleted"] != true && time(row).is_none_or(|at| at <= now);
            rows.filter(due).take(self.pauses.most_a_run).cloned().collect()
        };
        for (sequence, row) in due.iter().enumerate() {
            let text = |field: &str| row.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
            let event = Published {
                record_id: text("Tandem_Record_Id__c"),
                object: text("Tandem_Object__c"),
                operation: operation(&text("Tandem_Operation__c")),
                changed: Vec::new(),
                sequence,
                outbox: Some(text("Id")),
            };
            let told = self.bus().publish(&event);
            let attempts = row.get("Tandem_Attempts__c").and_then(Value::as_f64).unwrap_or(0.0) as u32;
            let next = now + self.pauses.after(attempts);
            let mut row = row.clone();
            row.insert("Tandem_Attempts__c".into(), (attempts + 1).into());
            row.insert(
                "Tandem_Next_Attempt__c".into(),
                next.to_rfc3339_opts(SecondsFormat::Millis, true).replace('Z', "+0000").into(),
            );
            row.insert("Tandem_Error__c".into(), told.err().map_or(Value::Null, Value::from));
            self.org().keep(OBJECT, row);
        }
        due.len()
    }
}

fn time(row: &Record) -> Option<DateTime<Utc>> {
    let text = row.get("Tandem_Next_Attempt__c")?.as_str()?;
    DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.3f%z").ok().map(|at| at.to_utc())
}

/// The word as the events carry it.
fn operation(word: &str) -> &'static str {
    ["CREATE", "UPDATE", "DELETE", "UNDELETE", "SYNC"].into_iter().find(|known| *known == word).unwrap_or("UPDATE")
}
