//! Why a record, or a field of it, is as it is: who wrote it last, by which event, rule and release, and what was before.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Console;
use super::access::Who;
use super::body::Asked;
use super::events::EventRow;
use super::problem::Problem;
use super::story::{LinkRow, dots};
use crate::engine::explain::{Explained as Known, Outcome, Write, explain};
use crate::engine::now::{self, Present};
use crate::engine::scope_of;
use crate::store::Fate;
use crate::time::iso;

/// Writes that are told.
const WRITES: u32 = 100;

/// All of this page.
pub fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new().routes(routes!(explained)).routes(routes!(at_present))
}

/// What is known of a record.
#[derive(Serialize, ToSchema)]
pub struct Explained {
    /// As it was asked for.
    record: String,
    /// Pairs of records it is in.
    links: Vec<LinkRow>,
    /// Events about it, newest first.
    events: Vec<EventRow>,
    /// What wrote it, newest first.
    writes: Vec<WriteRow>,
    /// Fields that were written, by which one may ask.
    fields: Vec<String>,
    /// Values are hidden from this role.
    masked: bool,
}

/// A call that wrote something.
#[derive(Serialize, ToSchema)]
pub struct WriteRow {
    /// When, ISO 8601.
    at: String,
    /// The run it was made in.
    run: i64,
    /// An event of that run about this record.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<i64>,
    /// The flow.
    flow: String,
    /// Digest of the release.
    release: String,
    /// POST, PATCH …
    method: String,
    /// The plugin's name for the connection, its slot.
    slot: String,
    /// The connection that `tandem.toml` gives for the slot now; at the time of the call it may have given another.
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<String>,
    /// Path and query.
    path: String,
    /// Whether it was carried out.
    outcome: WriteOutcome,
    /// What came back: the status, such as `204`, and of a refusal the system's words.
    answer: String,
    /// What it wrote.
    fields: Vec<WrittenRow>,
}

/// Whether a write was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WriteOutcome {
    /// It was.
    Done,
    /// It was not: nothing was changed by it.
    Refused,
    /// Nobody knows.
    Unknown,
}

/// A field that was written.
#[derive(Serialize, ToSchema)]
pub struct WrittenRow {
    /// Its place in the body, such as `DocumentLines[0].Price`.
    name: String,
    /// The value.
    value: Value,
    /// Where it came from.
    rule: String,
}

/// Which record.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// A Salesforce id, or the DocEntry, CardCode or ItemCode of a B1 record.
    record: String,
    /// Only this field.
    field: Option<String>,
}

impl Wanted {
    fn record(&self) -> Result<&str, Problem> {
        let record = self.record.trim();
        if record.is_empty() || record.len() > 300 {
            return Err(Problem::field("record", "Name a record: a Salesforce id, DocEntry, CardCode or ItemCode."));
        }
        Ok(record)
    }

    fn field(&self) -> Option<&str> {
        self.field.as_deref().map(str::trim).filter(|field| !field.is_empty())
    }
}

/// What is known of a record, as far as who asks may see it.
async fn known(console: &Console, who: &Who, record: &str, field: Option<&str>) -> Result<Known, Problem> {
    let (store, engine) = (&console.store, &console.engine);
    let mut known = explain(store, Some(engine.releases()), engine.config(), record, field, WRITES).await?;
    known.events.retain(|event| who.sees(&event.flow));
    known.writes.retain(|write| who.sees(&write.flow));
    if who.flows.is_some() {
        // What other flows know of it is theirs.
        known.fields = known.writes.iter().flat_map(Write::values).map(|value| value.name).collect();
        let scopes = scopes(console, who);
        let knows = !known.events.is_empty() || !known.writes.is_empty();
        known.links.retain(|link| knows && scopes.contains(&link.scope));
    }
    if known.is_nothing() {
        let mend = "A document of B1 goes by its DocEntry; journals are kept for [store] keep_days.";
        return Err(Problem::no(format_args!("record {record:?} that anything is known of")).mended(mend));
    }
    Ok(known)
}

/// The pairs of connections of the flows that who asks sees: two companies may give different things one code.
fn scopes(console: &Console, who: &Who) -> BTreeSet<String> {
    let config = console.engine.config();
    let flows = config.flows.iter().filter(|(name, _)| who.sees(name));
    flows.map(|(_, flow)| scope_of(&flow.connections, config)).collect()
}

/// Why a record, or a field of it, is as it is.
#[utoipa::path(get, path = "/explain", tag = "explain", params(Wanted),
    responses((status = 200, body = Explained), (status = 401, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn explained(
    State(console): State<Arc<Console>>,
    who: Who,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Explained>, Problem> {
    let (record, field) = (wanted.record()?, wanted.field());
    let known = known(&console, &who, record, field).await?;
    let (store, masked) = (&console.store, who.is_masked());
    let mut writes = Vec::new();
    for write in &known.writes {
        // What stands within a row is told as the row's field.
        let values = write.values().into_iter().filter(|own| !own.value.is_object() && !own.value.is_array());
        let values = values.filter(|own| field.is_none_or(|field| own.name == field));
        let fields = values.map(|own| WrittenRow {
            rule: write.rule(&own.name),
            value: if masked { dots(own.value) } else { own.value },
            name: own.at,
        });
        let run = store.run(write.run).await?;
        let event = run.and_then(|run| {
            let about = |key: &str| known.events.iter().any(|event| event.key == key);
            run.events.into_iter().find(|event| about(&event.key)).map(|event| event.id.0)
        });
        writes.push(WriteRow {
            at: iso(write.at),
            run: write.run.0,
            event,
            flow: write.flow.clone(),
            release: write.release.clone(),
            method: write.method.clone(),
            connection: bound(&console, write),
            slot: write.slot.clone(),
            outcome: WriteOutcome::from(&write.outcome),
            path: if masked { write.path.split('?').next().unwrap_or_default().to_owned() } else { write.path.clone() },
            answer: if masked { status_of(&write.outcome) } else { cut(&write.outcome.to_string()) },
            fields: fields.collect(),
        });
    }
    Ok(Json(Explained {
        record: record.to_owned(),
        links: known.links.into_iter().map(LinkRow::from).collect(),
        events: known.events.iter().map(EventRow::from).collect(),
        writes,
        fields: known.fields.into_iter().collect(),
        masked,
    }))
}

/// The connection that a flow's slot stands for now.
fn bound(console: &Console, write: &Write) -> Option<String> {
    console.engine.config().flows.get(&write.flow)?.connections.get(&write.slot).cloned()
}

impl From<&Outcome> for WriteOutcome {
    fn from(own: &Outcome) -> Self {
        match own {
            Outcome::Done(_) => Self::Done,
            Outcome::Refused(_) | Outcome::Kept(_) => Self::Refused,
            Outcome::Unknown(_) => Self::Unknown,
        }
    }
}

/// Letters of a refusal's words.
const WORDS: usize = 300;

/// The status alone, empty where there is none: words may hold what the role is not to see.
fn status_of(outcome: &Outcome) -> String {
    outcome.status().map(|status| status.to_string()).unwrap_or_default()
}

fn cut(words: &str) -> String {
    match words.char_indices().nth(WORDS) {
        Some((at, _)) => format!("{}…", &words[..at]),
        None => words.to_owned(),
    }
}

/// What the records hold at present.
#[derive(Serialize, ToSchema)]
pub struct Now {
    /// The record and the one it is linked with, Salesforce's first; none where it is not known where they are read.
    records: Vec<Present>,
    /// Values are hidden from this role.
    masked: bool,
}

/// What a record, and the one it is linked with, hold at present, beside what was written last. Each is read once, of its own system.
#[utoipa::path(get, path = "/explain/now", tag = "explain", params(Wanted),
    responses((status = 200, body = Now), (status = 401, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem)))]
async fn at_present(
    State(console): State<Arc<Console>>,
    who: Who,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Now>, Problem> {
    let (record, field) = (wanted.record()?, wanted.field());
    console.access.tries().one_more_look(who.token.as_ref().unwrap_or(&who.name))?;
    // Whatever the field: what it came from may stand in a call that wrote another.
    let known = known(&console, &who, record, None).await?;
    let (engine, connections) = (&console.engine, &*console.connections);
    let host = now::Host { config: engine.config(), connections, releases: engine.releases() };
    let mut records = now::now(&known, record, field, host, |flow| who.sees(flow)).await;
    let what = field.map_or_else(|| format!("record {record}"), |field| format!("record {record}, field {field}"));
    let outcome = if records.iter().all(Present::is_known) { Fate::Done } else { Fate::Failed };
    console.store.act(who.act("explain.now", what, outcome)).await?;
    let masked = who.is_masked();
    for field in records.iter_mut().flat_map(|own| &mut own.fields).filter(|_| masked) {
        field.value = dots(std::mem::take(&mut field.value));
        field.last_written = field.last_written.take().map(dots);
    }
    Ok(Json(Now { records, masked }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connections::CallError;

    #[test]
    fn whoever_is_not_to_see_values_is_told_the_status_alone() {
        let refusal = CallError::Remote { status: 400, code: "-5002".into(), message: "4711 is no card".into() };
        assert_eq!(status_of(&Outcome::Refused(refusal)), "400");
        assert_eq!(status_of(&Outcome::Unknown("sent, but the answer was lost".into())), "");
        assert_eq!(WriteOutcome::from(&Outcome::Kept("not granted".into())), WriteOutcome::Refused);
        assert_eq!(cut(&"x".repeat(1_000)).chars().count(), WORDS + 1);
    }
}
