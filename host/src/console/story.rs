//! One event's story, from what changed to what was done: its attempts with every call, what it waits for and behind whom, what caused it and what
//! it caused.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Console;
use super::access::Who;
use super::events::{EventRow, one};
use super::problem::Problem;
use crate::connections::reads;
use crate::engine::scope_of;
use crate::store::{CallState, Event, JournalEntry, Link, RunRecord};
use crate::time::iso;

/// Runs of which the calls are told: the last ones.
const RUNS: usize = 20;
/// Calls of a run that are told.
const CALLS: usize = 500;
/// Bytes of a request or an answer that are told.
const BYTES: usize = 100_000;
/// Bytes of requests and answers that one story tells.
const ALL_BYTES: usize = 4 << 20;
/// Relatives of an event that are told.
const RELATIVES: u32 = 200;

/// All of this page.
pub fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new().routes(routes!(story))
}

/// The event itself.
#[derive(Serialize, ToSchema)]
pub struct Told {
    #[serde(flatten)]
    row: EventRow,
    /// 32 hex digits, and its place in the chain of what one change brought about.
    trace: String,
    /// What was told; texts are dots where `masked`.
    payload: Value,
    /// Records and candidates of its question.
    detail: Value,
    /// What a person was asked about it last, and answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    decided: Option<DecidedRow>,
    /// Where not all of it is kept: `hashed`, `ids` or `forgotten`. It cannot be gone through again.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<&'static str>,
}

/// What a person was asked, and answered.
#[derive(Serialize, ToSchema)]
pub struct DecidedRow {
    /// The question.
    asked: String,
    /// The choice.
    answer: String,
    /// When, ISO 8601.
    at: String,
}

/// What a waiting event waits for.
#[derive(Serialize, ToSchema)]
pub struct Awaited {
    /// Kind of link.
    kind: String,
    /// The side whose id is known: `b1` or `salesforce`.
    side: String,
    /// That id.
    id: String,
    /// Then it goes to review, ISO 8601.
    until: String,
}

/// A pair of records.
#[derive(Serialize, ToSchema)]
pub struct LinkRow {
    /// The two connections.
    scope: String,
    /// Kind of thing.
    kind: String,
    /// The key in B1.
    b1_id: String,
    /// The 18-letter Salesforce id.
    salesforce_id: String,
}

impl From<Link> for LinkRow {
    fn from(link: Link) -> Self {
        Self { scope: link.scope, kind: link.kind, b1_id: link.b1_id, salesforce_id: link.salesforce_id }
    }
}

/// One attempt.
#[derive(Serialize, ToSchema)]
pub struct RunRow {
    /// Its id.
    id: i64,
    /// The flow.
    flow: String,
    /// Digest of the release it ran under.
    release: String,
    /// When it began, ISO 8601.
    started_at: String,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<String>,
    /// The named error that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Events in it.
    events: u32,
    /// Every call to the host, in order; of a batch those of all its events.
    calls: Vec<CallRow>,
    /// There is more than is told: calls, or what they sent and got.
    cut: bool,
}

/// One call of a run.
#[derive(Serialize, ToSchema)]
pub struct CallRow {
    /// The run's n-th call, from 0.
    seq: u32,
    /// The place within a many-at-once call, from 0.
    item: u32,
    /// The capability, such as `http`, `storage.get`.
    kind: String,
    /// The record it is about; may be empty.
    subject: String,
    /// It changes something outside.
    effect: bool,
    /// `intended`: sent perhaps; `done`: its answer is known.
    state: &'static str,
    /// When it was written down, ISO 8601.
    at: String,
    /// How long it took, with what went out in the same call.
    #[serde(skip_serializing_if = "Option::is_none")]
    took_ms: Option<u32>,
    /// GET, POST …
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    /// The plugin's slot for a connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<String>,
    /// Path and query.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// HTTP status.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u64>,
    /// Bytes of what was asked.
    request_bytes: usize,
    /// Bytes of what came back.
    response_bytes: usize,
    /// What was asked.
    request: Value,
    /// What came back.
    response: Value,
}

impl CallRow {
    /// From the journal; texts are dots where `masked`.
    pub fn of(entry: &JournalEntry, masked: bool) -> Self {
        let request: Value = serde_json::from_str(&entry.request).unwrap_or_default();
        let response: Value = serde_json::from_str(&entry.response).unwrap_or_default();
        let text = |name: &str| request[name].as_str().map(str::to_owned);
        let method = text("method").filter(|_| entry.kind == "http");
        let path = text("path").filter(|_| entry.kind == "http");
        let effect = method.as_deref().zip(path.as_deref()).is_some_and(|(method, path)| !reads(method, path));
        let answer = ["sent", "probed"].into_iter().find_map(|came| response.get(came));
        Self {
            seq: entry.seq,
            item: entry.item,
            kind: entry.kind.clone(),
            subject: entry.subject.clone(),
            effect,
            state: match entry.state {
                CallState::Intended => "intended",
                CallState::Done => "done",
            },
            at: iso(entry.at),
            took_ms: entry.took,
            status: answer.and_then(|answer| answer["status"].as_u64()),
            connection: text("slot").filter(|_| method.is_some()),
            path: path.map(|path| if masked { path.split('?').next().unwrap_or_default().to_owned() } else { path }),
            method,
            request_bytes: entry.request.len(),
            response_bytes: entry.response.len(),
            request: shown(&entry.request, request, masked),
            response: shown(&entry.response, response, masked),
        }
    }
}

/// JSON within JSON is opened, so that people read fields and no backslashes; what is too long is cut.
fn shown(text: &str, value: Value, masked: bool) -> Value {
    if text.len() > BYTES {
        return if masked { Value::Null } else { cut(text).into() };
    }
    let open = opened(value);
    if masked { dots(open) } else { open }
}

fn cut(text: &str) -> String {
    let mut end = BYTES.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

fn opened(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(name, value)| {
                    let inner = match &value {
                        Value::String(text) if name == "body" => serde_json::from_str(text).ok(),
                        _ => None,
                    };
                    (name, inner.unwrap_or_else(|| opened(value)))
                })
                .collect(),
        ),
        Value::Array(items) => items.into_iter().map(opened).collect(),
        other => other,
    }
}

/// Texts as dots: what there is, but not what it says.
pub fn dots(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, dots(value))).collect(),
        Value::Array(items) => items.into_iter().map(dots).collect(),
        Value::String(text) => "•".repeat(text.chars().count().min(8)).into(),
        other => other,
    }
}

/// One event's story.
#[derive(Serialize, ToSchema)]
pub struct Story {
    /// The event itself.
    event: Told,
    /// Personal data is hidden from this role.
    masked: bool,
    /// What it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for: Option<Awaited>,
    /// Older unfinished ones of the same record, which go first.
    behind: Vec<EventRow>,
    /// What caused it: earlier events of the same change.
    caused_by: Vec<EventRow>,
    /// What it caused: later ones.
    caused: Vec<EventRow>,
    /// Pairs of records it is about.
    links: Vec<LinkRow>,
    /// Attempts, oldest first.
    runs: Vec<RunRow>,
}

/// One event's story.
#[utoipa::path(get, path = "/events/{id}", tag = "events", params(("id" = i64, Path)),
    responses((status = 200, body = Story), (status = 401, body = Problem), (status = 404, body = Problem)))]
async fn story(State(console): State<Arc<Console>>, who: Who, Path(id): Path<i64>) -> Result<Json<Story>, Problem> {
    let event = one(&console, &who, id).await?;
    let (store, masked) = (&console.store, who.is_masked());
    let place = |event: &Event| event.trace.split_once('-').map_or(0, |(_, place)| number(place));
    let family = store.of_trace(&event.trace, RELATIVES).await?;
    let family = family.iter().filter(|other| who.sees(&other.flow));
    let (before, after): (Vec<&Event>, Vec<&Event>) =
        family.filter(|other| place(other) != place(&event)).partition(|other| place(other) < place(&event));
    let waits_for =
        store.awaited(event.id).await?.map(|(kind, side, id)| Awaited { kind, side, id, until: iso(event.due_at) });
    let behind = store.ahead_of(event.id, RELATIVES).await?;
    let records = store.runs_of(event.id).await?;
    let skipped = records.len().saturating_sub(RUNS);
    let (mut runs, mut left) = (Vec::new(), ALL_BYTES);
    for record in records.into_iter().skip(skipped) {
        let journal = store.journal_read(record.id).await?;
        runs.push(run_row(record, &journal, masked, &mut left));
    }
    // Of its own company, and of its flow's: two may give different things one code.
    let config = console.engine.config();
    let scope = config.flows.get(&event.flow).map(|flow| scope_of(&flow.connections, config));
    let mut links = store.links_of(&event.key).await?;
    links.retain(|link| scope.as_ref().map_or(who.flows.is_none(), |own| *own == link.scope));
    let detail: Value = serde_json::from_str(&event.detail).unwrap_or_default();
    let payload = shown(&event.payload, serde_json::from_str(&event.payload).unwrap_or_default(), masked);
    let told = Told {
        row: EventRow::from(&event),
        trace: event.trace.clone(),
        payload,
        detail: if masked { dots(detail) } else { detail },
        decided: event.decided().map(|own| DecidedRow { asked: own.asked, answer: own.answer, at: iso(own.at) }),
        kept: (!event.kept.is_whole()).then(|| event.kept.word()),
    };
    let rows = |events: Vec<&Event>| events.into_iter().map(EventRow::from).collect();
    Ok(Json(Story {
        event: told,
        masked,
        waits_for,
        behind: behind.iter().map(EventRow::from).collect(),
        caused_by: rows(before),
        caused: rows(after),
        links: links.into_iter().map(LinkRow::from).collect(),
        runs,
    }))
}

fn number(place: &str) -> u32 {
    place.split('.').next().and_then(|place| place.parse().ok()).unwrap_or_default()
}

fn run_row(record: RunRecord, journal: &[JournalEntry], masked: bool, left: &mut usize) -> RunRow {
    let mut cut = journal.len() > CALLS;
    let mut call = |entry: &JournalEntry| {
        let mut row = CallRow::of(entry, masked);
        let bytes = entry.request.len().min(BYTES) + entry.response.len().min(BYTES);
        if bytes > *left {
            (row.request, row.response, cut) = (Value::Null, Value::Null, true);
        }
        *left = left.saturating_sub(bytes);
        row
    };
    let calls: Vec<CallRow> = journal.iter().take(CALLS).map(&mut call).collect();
    RunRow {
        id: record.id.0,
        flow: record.flow,
        release: record.release,
        started_at: iso(record.started_at),
        finished_at: record.finished_at.map(iso),
        error: record.error,
        events: record.events,
        calls,
        cut,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(request: Value, response: Value) -> JournalEntry {
        JournalEntry {
            seq: 3,
            item: 0,
            kind: "http".into(),
            subject: "006A".into(),
            request: request.to_string(),
            response: response.to_string(),
            state: CallState::Done,
            at: 0,
            took: None,
        }
    }

    #[test]
    fn a_call_tells_its_fields_and_not_their_quotes_and_hides_texts_from_who_may_not_read_them() {
        let body = json!({ "CardCode": "C1", "DocTotal": 12.5 }).to_string();
        let request = json!({ "slot": "b1", "method": "POST", "path": "/Orders", "body": body });
        let call = entry(request, json!({ "sent": { "status": 201, "body": "{\"DocEntry\":7}" } }));
        let open = CallRow::of(&call, false);
        assert_eq!((open.method.as_deref(), open.status, open.effect), (Some("POST"), Some(201), true));
        assert_eq!(
            (&open.request["body"]["CardCode"], &open.response["sent"]["body"]["DocEntry"]),
            (&json!("C1"), &json!(7))
        );
        let hidden = serde_json::to_string(&CallRow::of(&call, true)).unwrap();
        assert!(!hidden.contains("C1") && hidden.contains("••") && hidden.contains("12.5"), "{hidden}");
        let query =
            entry(json!({ "slot": "b1", "method": "GET", "path": "/Items?$filter=ItemName eq 'x'" }), json!({}));
        assert_eq!(CallRow::of(&query, true).path.as_deref(), Some("/Items"), "a query has names in it, too");
        assert!(!CallRow::of(&query, false).effect);
    }

    #[test]
    fn what_is_too_long_is_cut_between_letters() {
        let text = format!("\"{}\"", "ä".repeat(BYTES));
        let Value::String(told) = shown(&text, Value::Null, false) else { panic!("no text") };
        assert!(told.len() < BYTES + 10 && told.ends_with("ä…"), "{}", told.len());
        assert_eq!(shown(&text, Value::Null, true), Value::Null);
    }
}
