//! What a record, and the one it is linked with, hold at present, beside what was written last. Each is read once, where the journal says that it is.

mod fields;
mod pairs;
mod places;
mod same;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

pub use self::fields::FieldNow;
use self::fields::{Between, Held, Last};
use self::pairs::{Around, Record};
use self::places::{Said, Step};
use super::explain::Explained;
use crate::config::Config;
use crate::connections::{Call, CallError, Connection, Connections};
use crate::releases::Releases;
use crate::sandbox::Section;
use crate::time::{iso, now as at_present};

/// Until a read is given up.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a record.
const RECORD: u64 = 16 << 20;
/// Why a record is not read.
const NOT_TOLD: &str = "no call that is kept tells where it is read";

/// A record as it is now.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Present {
    /// `salesforce` or `b1`.
    pub system: &'static str,
    /// The connection's name.
    pub connection: String,
    /// sObject type or entity set; empty where that is not known.
    pub object: String,
    /// Its id or key.
    pub id: String,
    /// It is there.
    pub found: bool,
    /// Why it could not be read; with neither this nor `found` it is not there any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When it was read, ISO 8601.
    pub read_at: String,
    /// Of one field it and what it goes with; else what was written, and what that came from.
    pub fields: Vec<FieldNow>,
}

impl Present {
    /// It was read, or is not there.
    pub fn is_known(&self) -> bool {
        self.why.is_none()
    }
}

/// Who is asked.
pub struct Host<'a> {
    /// `tandem.toml`
    pub config: &'a Config,
    /// Where records are read.
    pub connections: &'a Connections,
    /// What flows run.
    pub releases: &'a Releases,
}

/// What came of reading one.
enum Read {
    Found(Map<String, Value>),
    Gone,
    Failed(String),
}

/// What the records are now. Of flows that a person does not see nothing is told.
pub async fn now(
    known: &Explained,
    record: &str,
    field: Option<&str>,
    host: Host<'_>,
    sees: impl Fn(&str) -> bool,
) -> Vec<Present> {
    let Host { config, connections, releases } = host;
    let bound = |flow: &str, slot: &str| {
        let (name, connection) = connections.get_key_value(config.flows.get(flow)?.connections.get(slot)?)?;
        Some((name.as_str(), connection.kind()))
    };
    let all = places::steps(&known.calls, bound);
    let (mut sections, mut relations) = (Vec::new(), Vec::new());
    let flows = all.iter().map(|step| step.flow).chain(known.events.iter().map(|event| event.flow.as_str()));
    for flow in BTreeSet::from_iter(flows.filter(|flow| sees(flow))) {
        let Ok(release) = releases.live_or_files(flow, config).await else { continue };
        let Some(on) = connections_of(flow, config, connections) else { continue };
        let whole = release.plugin.description.sections.iter().filter(|section| !section.b1.contains('/'));
        let of = |section: &Section| (section.b1.clone(), section.salesforce.clone());
        sections.extend(whole.map(|section| Between { on: on.clone(), of: of(section) }));
        relations.extend(fields::relations(&release, &on));
    }
    let around =
        Around { known, config, connections, steps: all.iter().filter(|step| sees(step.flow)).collect(), sections };
    let (records, pairs) = around.records(record, &sees);
    let read = join_all(records.iter().map(|own| read(&connections[own.on.0], own))).await;
    let read_at = iso(at_present());
    let written: Vec<_> = records.iter().map(|own| last_written(own, &all, &sees)).collect();
    let held = |place: usize| {
        let values = match &read[place] {
            Read::Found(values) => Some(values),
            _ => None,
        };
        let own = &records[place];
        own.place.as_ref().map(|at| Held { on: own.on, place: at, values, written: &written[place] })
    };
    let present = records.iter().enumerate().map(|(place, own)| {
        let beside = pairs.iter().filter_map(|pair| match *pair {
            (one, other) if one == place => Some(other),
            (one, other) if other == place => Some(one),
            _ => None,
        });
        let others: Vec<Held<'_>> = beside.filter_map(held).collect();
        Present {
            system: own.on.1,
            connection: own.on.0.to_owned(),
            object: own.place.as_ref().map(|at| at.object.clone()).unwrap_or_default(),
            id: own.id.clone(),
            found: matches!(read[place], Read::Found(_)),
            why: match &read[place] {
                Read::Failed(why) => Some(why.clone()),
                _ => None,
            },
            read_at: read_at.clone(),
            fields: held(place).map(|own| fields::fields(&own, &others, &relations, field)).unwrap_or_default(),
        }
    });
    present.collect()
}

/// The connections of a flow, B1's first.
fn connections_of(flow: &str, config: &Config, all: &Connections) -> Option<(String, String)> {
    let own = &config.flows.get(flow)?.connections;
    let of = |kind: &str| own.values().find(|name| all.get(*name).is_some_and(|own| own.kind() == kind)).cloned();
    Some((of("b1")?, of("salesforce")?))
}

/// What was written last of a record's fields, as far as it is known. The newest call about a field counts.
fn last_written(own: &Record<'_>, all: &[Step<'_>], sees: &impl Fn(&str) -> bool) -> BTreeMap<String, Last> {
    let mut last = BTreeMap::new();
    let Some(place) = &own.place else { return last };
    let of = |said: &&Said| said.place.as_ref().is_some_and(|at| at.is_same(place));
    for step in all.iter().filter(|step| step.connection == own.on.0 && !step.refused) {
        for (name, value) in step.said.iter().filter(of).flat_map(|said| &said.fields) {
            last.entry(name.clone()).or_insert_with(|| match (sees(step.flow), step.unknown) {
                (false, _) => Last::Hidden,
                (true, true) => Last::Perhaps,
                (true, false) => Last::Written(value.clone()),
            });
        }
    }
    last
}

async fn read(connection: &Connection, own: &Record<'_>) -> Read {
    let Some(place) = &own.place else { return Read::Failed(NOT_TOLD.into()) };
    let answer = match tokio::time::timeout(PATIENCE, connection.send(Call::get(place.path.clone()), RECORD)).await {
        Ok(answer) => answer,
        Err(_) => return Read::Failed(format!("no answer within {} s", PATIENCE.as_secs())),
    };
    match answer {
        Ok(answer) => match serde_json::from_str(&answer.body) {
            Ok(Value::Object(fields)) => Read::Found(fields),
            _ => Read::Failed("the answer is no record".into()),
        },
        Err(CallError::Remote { status: 404, .. }) if own.sure => Read::Gone,
        Err(error) => Read::Failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::places::Said;
    use super::*;
    use crate::connections::Place;

    fn step(flow: &'static str, refused: bool, unknown: bool, fields: Value) -> Step<'static> {
        let Value::Object(fields) = fields else { panic!("fields") };
        let said = vec![Said { place: Some(Place::b1("Orders", "7")), fields }];
        Step { flow, connection: "erp", subject: "006", said, refused, unknown }
    }

    #[test]
    fn the_last_write_counts_and_none_that_was_refused() {
        let all = [
            step("orders", true, false, json!({ "Comments": "refused" })),
            step("orders", false, true, json!({ "NumAtCard": "perhaps" })),
            step("other", false, false, json!({ "Project": "hidden" })),
            step("orders", false, false, json!({ "Comments": "last", "NumAtCard": "before", "Project": "before" })),
            step("orders", false, false, json!({ "Comments": "first" })),
        ];
        let own = |key: &str, connection: &'static str| Record {
            on: (connection, "b1"),
            id: key.into(),
            place: Some(Place::b1("Orders", key)),
            sure: true,
        };
        let last = last_written(&own("7", "erp"), &all, &|flow: &str| flow == "orders");
        assert_eq!(last["Comments"], Last::Written(json!("last")));
        assert_eq!((&last["NumAtCard"], &last["Project"]), (&Last::Perhaps, &Last::Hidden));
        assert!(last_written(&own("8", "erp"), &all, &|_: &str| true).is_empty());
        assert!(last_written(&own("7", "elsewhere"), &all, &|_: &str| true).is_empty());
    }
}
