//! The host's own tools: why a record is as it is, which questions wait for a person, how the flows are. They read what the host knows, and neither system;
//! one reads both, and says whether they agree on a record.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Caller, hidden};
use crate::config::Config;
use crate::connections::Connections;
use crate::engine::Flow;
use crate::engine::calls::{MOST_SECONDS, answer, is_call_of_another, wrapped};
use crate::engine::explain::{Outcome, Write, Written, explain};
use crate::plain::{one_line, readable};
use crate::reconcile::report::{Difference, Field, Named};
use crate::reconcile::{self, ReconcileError};
use crate::releases::Releases;
use crate::sandbox::{Deed, Tool};
use crate::store::{Event, EventFilter, EventState, Store, StoreError, TOOL};
use crate::time::iso;

/// Before the name of each, where another tool's has its flow.
pub const PREFIX: &str = "tandem";

/// Events and writes of one answer.
const MOST: usize = 20;
/// Writes that are looked through.
const LOOKED: u32 = 100;
/// Questions of one answer.
const QUESTIONS: u32 = 50;
/// Bytes of a record's name.
const NAME_BYTES: usize = 300;
/// What passes is waited out for so long: who asks waits.
const PATIENCE: Duration = Duration::from_secs(5);
/// Fields of a difference, and bytes of a value of one.
const FIELDS: usize = 10;
const VALUE_BYTES: usize = 300;
/// What is said of what could not be read to whom something is hidden.
const NOT_READ: &str = "it could not be read";
/// Bytes of a text of a call, and of a value.
const TEXT_BYTES: usize = 1_000;

/// What the host itself is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// Why a record, or a field of it, is as it is.
    Why,
    /// What waits for a person.
    Reviews,
    /// How the flows are.
    Flows,
    /// How a call stands that did more than read.
    Call,
    /// To answer a question of a flow.
    Answer,
    /// What both systems have of a record now, and whether they agree.
    Reconcile,
}

impl Own {
    const ALL: [Self; 6] = [Self::Why, Self::Reviews, Self::Flows, Self::Call, Self::Answer, Self::Reconcile];

    /// The one of that name, without what stands before it.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|own| own.name() == name)
    }

    /// Its name, without what stands before it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Why => "why",
            Self::Reviews => "reviews",
            Self::Flows => "flows",
            Self::Call => "call",
            Self::Answer => "answer",
            Self::Reconcile => "reconcile",
        }
    }

    /// What it may do.
    pub fn deed(self) -> Deed {
        if self == Self::Answer { Deed::Writes } else { Deed::Reads }
    }

    /// All of them, as they are described to who calls.
    pub fn all() -> Vec<Tool> {
        Self::ALL.into_iter().filter_map(|own| own.tool().ok()).collect()
    }

    /// As it is described to who calls.
    pub fn tool(self) -> Result<Tool, String> {
        let text = |words: &str| json!({ "type": "string", "description": words });
        let whole = |words: &str| json!({ "type": "integer", "description": words });
        let rows = |words: &str, properties: Value| json!({ "type": "array", "description": words, "items": { "type": "object", "properties": properties } });
        let object = |properties: Value, required: Value| json!({ "type": "object", "properties": properties, "required": required });
        let event = json!({
            "event": whole("its number in Tandem"),
            "flow": text("the flow"),
            "topic": text("what happened, such as salesforce.Opportunity"),
            "record": text("key of the record"),
            "state": text("ready, leased, waiting, review, done, rejected, superseded"),
            "at": text("when it was taken in, ISO 8601 UTC"),
            "reason": text("what was done, or why not"),
            "choices": { "type": "array", "items": { "type": "string" }, "description": "what a person may answer, where it is in review" },
        });
        let (title, description, input, output) = match self {
            Self::Why => (
                "Why a record is as it is",
                "What Tandem knows of a record: with which record of the other system it is linked, what happened to it and what became of that (an order that is held, \
                 waits or was refused is told here with its reason), and which calls wrote its fields, by which rule of the mapping. It reads neither system: \
                 for what a record has now ask the flows' own tools.",
                object(
                    json!({
                        "record": text("a Salesforce id, or the DocEntry, CardCode or ItemCode of a B1 record"),
                        "field": text("only calls that wrote this field, such as Tandem_State__c"),
                    }),
                    json!(["record"]),
                ),
                object(
                    json!({
                        "record": text("as it was asked for"),
                        "links": rows("pairs of records it is in", json!({ "kind": text("kind of thing"), "b1_id": text("key in B1"), "salesforce_id": text("id in Salesforce") })),
                        "events": rows("newest first", event),
                        "writes": rows(
                            "calls that wrote it, newest first",
                            json!({
                                "at": text("when, ISO 8601 UTC"),
                                "flow": text("the flow"),
                                "call": text("method, slot and path"),
                                "outcome": text("done, refused or unknown"),
                                "answer": text("the status, and of a refusal the system's words"),
                                "fields": rows("what it wrote", json!({ "name": text("place in the body"), "value": { "description": "missing where something is hidden from who asks" }, "rule": text("where the value came from") })),
                            }),
                        ),
                        "more": json!({ "type": "boolean", "description": "there are more events or writes than are given" }),
                    }),
                    json!(["record", "links", "events", "writes", "more"]),
                ),
            ),
            Self::Reviews => (
                "Questions that wait for a person",
                "What the flows cannot decide alone, newest first: the record, why it is asked about, and what may be answered. It answers nothing: a person does, \
                 in the console, in Salesforce, or by `tandem review resolve`; tandem_answer proposes an answer to them.",
                object(
                    json!({
                        "flow": text("only this flow"),
                        "limit": json!({ "type": "integer", "minimum": 1, "maximum": QUESTIONS, "description": "at most so many; without it 20" }),
                    }),
                    json!([]),
                ),
                object(
                    json!({
                        "questions": rows("newest first", event),
                        "more": json!({ "type": "boolean", "description": "there are more" }),
                    }),
                    json!(["questions", "more"]),
                ),
            ),
            Self::Flows => (
                "How the flows are",
                "The flows that run, what each does, and how many events of each are ready, waiting, in review, done or rejected. Ask this to learn what is kept in step here.",
                object(json!({}), json!([])),
                object(
                    json!({
                        "flows": rows(
                            "by name",
                            json!({
                                "flow": text("its name"),
                                "title": text("what its plugin does"),
                                "plugin": text("name and version"),
                                "events": json!({ "type": "object", "additionalProperties": { "type": "integer" }, "description": "how many, by state" }),
                            }),
                        ),
                    }),
                    json!(["flows"]),
                ),
            ),
            Self::Call => (
                "How a call stands",
                "How a call of yours stands that did not only read: whether it waits for a person, is under way, was made and with which result, or was not made and why. \
                 Ask it again after a while, not within seconds: a person approves in minutes or hours.",
                object(json!({ "call": whole("the number that the call was answered with") }), json!(["call"])),
                wrapped(&json!({ "description": "what the tool gave, as its own schema says" })),
            ),
            Self::Answer => (
                answer::TITLE,
                "Answers a question that tandem_reviews gives, with one of the choices that it offers. What that would bring about is rehearsed, and unless a rule \
                 allows it at once a person approves it. Say in `why` what speaks for it: the person reads it. It approves no call that waits.",
                object(
                    json!({
                        "event": whole("the event that asks, as tandem_reviews gives it"),
                        "choice": text("one of its choices, to the letter"),
                        "why": text("what speaks for it, for the person who approves"),
                    }),
                    json!(["event", "choice"]),
                ),
                object(json!({ "says": text("what was answered") }), json!(["says"])),
            ),
            Self::Reconcile => (
                "Whether both systems agree on a record",
                "Reads a record in B1 and in Salesforce as it is now, with its other half and whatever goes by its key, compares them as the flows do, and says of each \
                 difference why it is there: an order that is missing, double, or of another total; an account, a stock or a balance that is not what B1 has. Look at \
                 `records` for what was read: one number may name several things. It mends nothing. For what happened to a record ask tandem_why.",
                object(
                    json!({
                        "record": text("the id of its record in Salesforce (of anything: an opportunity, an account, a price book entry, an invoice), or of B1 the DocEntry of an order, the CardCode of a customer, the ItemCode of an item"),
                        "flow": text("only as this flow compares it"),
                    }),
                    json!(["record"]),
                ),
                object(
                    json!({
                        "record": text("as it was asked for"),
                        "compared": rows(
                            "each kind of thing that it is, or belongs to",
                            json!({
                                "flow": text("the flow"),
                                "title": text("what is compared"),
                                "salesforce": whole("records in Salesforce"),
                                "b1": whole("records in B1"),
                                "in_step": whole("pairs that agree"),
                                "records": rows("what was read", json!({ "system": text("salesforce or b1"), "id": text("its id there"), "record": text("what a person knows it by") })),
                                "alone": { "type": "array", "items": { "type": "string" }, "description": "why records need none on the other side" },
                                "differences": rows(
                                    "what is not as it should be",
                                    json!({
                                        "kind": text("differs, missing in B1, missing in Salesforce, double in B1, double in Salesforce"),
                                        "salesforce": text("id in Salesforce, or empty"),
                                        "b1": text("key in B1, or empty"),
                                        "fields": rows("what differs", json!({ "field": text("as people know it"), "salesforce": { "description": "Salesforce's; missing where something is hidden from who asks" }, "b1": { "description": "B1's; the same" } })),
                                        "reason": text("why"),
                                        "event": json!({ "type": ["integer", "null"], "description": "the event that tells it" }),
                                    }),
                                ),
                                "more": json!({ "type": "boolean", "description": "there are more differences than are given" }),
                            }),
                        ),
                        "not_read": rows("what could not be read, so that nothing is said of it", json!({ "flow": text("the flow"), "why": text("why") })),
                    }),
                    json!(["record", "compared", "not_read"]),
                ),
            ),
        };
        Tool::own(self.name(), title, description, (&input, &output), self.deed())
    }
}

/// What is asked of the host itself.
pub(super) struct Question<'a> {
    pub config: &'a Arc<Config>,
    pub connections: &'a Arc<Connections>,
    pub releases: &'a Arc<Releases>,
    pub store: &'a Arc<dyn Store>,
    pub flows: Vec<Arc<Flow>>,
    pub caller: &'a Caller,
    /// Fields that are hidden from who asks.
    pub hides: &'a BTreeSet<String>,
}

#[derive(Deserialize)]
struct Record {
    record: String,
    field: Option<String>,
}

#[derive(Deserialize)]
struct OfFlow {
    record: String,
    flow: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    flow: Option<String>,
    limit: Option<u32>,
}

impl Question<'_> {
    /// The answer, as the tool describes it; an error in words of what lies with who asks.
    pub async fn answered(&self, own: Own, input: Value) -> Result<Result<Value, String>, StoreError> {
        match own {
            Own::Why => match serde_json::from_value(input) {
                Ok(wanted) => self.why(wanted).await,
                Err(error) => Ok(Err(error.to_string())),
            },
            Own::Reviews => match serde_json::from_value(input) {
                Ok(wanted) => self.reviews(wanted).await.map(Ok),
                Err(error) => Ok(Err(error.to_string())),
            },
            Own::Flows => self.state().await.map(Ok),
            Own::Reconcile => match serde_json::from_value(input) {
                Ok(wanted) => Box::pin(self.reconcile(wanted)).await,
                Err(error) => Ok(Err(error.to_string())),
            },
            // These are the gateway's to say: see [`super::Gateway::own`].
            Own::Call | Own::Answer => Ok(Err("it is asked otherwise".into())),
        }
    }

    async fn why(&self, wanted: Record) -> Result<Result<Value, String>, StoreError> {
        let Some(record) = name_of(&wanted.record) else { return Ok(Err(NO_NAME.into())) };
        let field = wanted.field.as_deref().map(str::trim).filter(|field| !field.is_empty());
        let mut known = explain(self.store, Some(self.releases), self.config, record, field, LOOKED).await?;
        known.events.retain(|event| self.caller.sees(&event.flow) && !is_call_of_another(event, &self.caller.who));
        known.writes.retain(|write| self.caller.sees(&write.flow));
        // Links are shared by flows: who sees none of those that use them sees none of them.
        known.links.retain(|link| self.flows.iter().any(|flow| flow.bound.scope == link.scope));
        if known.events.is_empty() && known.writes.is_empty() && known.links.is_empty() {
            return Ok(Err(format!(
                "Tandem knows nothing of {}: it may be misspelt, or nothing has happened to it since Tandem looks; a DocNum is none of its names, a DocEntry is",
                one_line(record)
            )));
        }
        let more = known.events.len() > MOST || known.writes.len() > MOST;
        let links = known
            .links
            .iter()
            .map(|link| json!({ "kind": link.kind, "b1_id": link.b1_id, "salesforce_id": link.salesforce_id }));
        let mut told = json!({
            "record": record,
            "links": links.take(MOST).collect::<Vec<_>>(),
            "events": known.events.iter().take(MOST).map(|event| told(event, self.hides)).collect::<Vec<_>>(),
            "writes": known.writes.iter().take(MOST).map(|write| self.written(write, field)).collect::<Vec<_>>(),
            "more": more,
        });
        hidden::hide(&mut told, self.hides);
        Ok(Ok(told))
    }

    async fn reconcile(&self, wanted: OfFlow) -> Result<Result<Value, String>, StoreError> {
        let Some(record) = name_of(&wanted.record) else { return Ok(Err(NO_NAME.into())) };
        let own = self.flows.iter().map(|flow| flow.name.clone());
        let flows: Vec<String> = own.filter(|own| wanted.flow.as_ref().is_none_or(|flow| flow == own)).collect();
        if flows.is_empty() {
            let named = wanted.flow.map(|flow| format!(" {}", one_line(&flow))).unwrap_or_default();
            return Ok(Err(format!("there is no flow{named} that runs and that you see")));
        }
        let (connections, releases) = (self.connections.clone(), self.releases.clone());
        let host =
            reconcile::Host::beside(self.config.clone(), connections, releases, self.store.clone(), PATIENCE).await?;
        let report = match tokio::time::timeout(
            Duration::from_secs(MOST_SECONDS),
            Box::pin(reconcile::one(&host, &flows, record)),
        )
        .await
        {
            Ok(Ok(report)) => report,
            Ok(Err(ReconcileError::Store(error))) => return Err(error),
            Ok(Err(error)) => return Ok(Err(error.to_string())),
            Err(_) => return Ok(Err("both systems took too long to answer; ask of one flow".into())),
        };
        if report.flows.is_empty() {
            return Ok(Err(reconcile::not_compared(record)));
        }
        let (mut compared, mut not_read) = (Vec::new(), Vec::new());
        for flow in &report.flows {
            let missed = flow.unsaid.iter().chain(flow.comparisons.iter().filter_map(|own| own.not_whole.as_ref()));
            // Words of a system, or of a plugin, may hold what is hidden.
            let told = |why: &String| if self.is_open() { readable(why.clone(), TEXT_BYTES) } else { NOT_READ.into() };
            not_read.extend(missed.map(|why| json!({ "flow": flow.flow, "why": told(why) })));
            for own in flow.comparisons.iter().filter(|own| own.not_whole.is_none()) {
                compared.push(json!({
                    "flow": flow.flow,
                    "title": own.title,
                    "salesforce": own.salesforce,
                    "b1": own.b1,
                    "in_step": own.in_step,
                    "records": own.records.iter().filter(|_| self.is_open()).map(named).collect::<Vec<_>>(),
                    "alone": own.left_out.iter().filter(|_| self.is_open()).map(|own| readable(own.why.clone(), TEXT_BYTES)).collect::<Vec<_>>(),
                    "differences": own.differences.iter().take(MOST).map(|own| self.differs(own, record)).collect::<Vec<_>>(),
                    "more": own.all() > MOST as u64,
                }));
            }
        }
        let mut told = json!({ "record": record, "compared": compared, "not_read": not_read });
        hidden::hide(&mut told, self.hides);
        Ok(Ok(told))
    }

    /// Nothing is hidden from who asks.
    fn is_open(&self) -> bool {
        self.hides.is_empty()
    }

    /// A difference. Its words are people's, not the names of a tool's fields: from whom something is hidden, all that a record holds is.
    fn differs(&self, own: &Difference, asked: &str) -> Value {
        let value = |text: &str| readable(text.to_owned(), VALUE_BYTES);
        let field = |own: &Field| match self.is_open() {
            true => json!({ "field": own.field, "salesforce": value(&own.salesforce), "b1": value(&own.b1) }),
            false => json!({ "field": own.field }),
        };
        let id = |id: &str| if self.is_open() || id == asked { id.to_owned() } else { String::new() };
        json!({
            "kind": own.kind.words(),
            "salesforce": id(&own.salesforce),
            "b1": id(&own.b1),
            "fields": own.fields.iter().take(FIELDS).map(field).collect::<Vec<_>>(),
            "reason": if self.is_open() { readable(own.reason.clone(), TEXT_BYTES) } else { own.why.words().to_owned() },
            "event": own.event,
        })
    }

    fn written(&self, write: &Write, field: Option<&str>) -> Value {
        let values = write.values().into_iter().filter(|own| !own.value.is_object() && !own.value.is_array());
        let values = values.filter(|own| field.is_none_or(|field| own.name == field));
        let told = |own: Written| {
            let mut field = json!({ "name": own.at, "rule": write.rule(&own.name) });
            // What is written has the names of both systems, not those of a tool: from whom something is hidden, all values are.
            if self.hides.is_empty() {
                field["value"] = short(own.value);
            }
            field
        };
        let fields: Vec<Value> = values.take(MOST).map(told).collect();
        let outcome = match &write.outcome {
            Outcome::Done(_) => "done",
            Outcome::Refused(_) | Outcome::Kept(_) => "refused",
            Outcome::Unknown(_) => "unknown",
        };
        // The words of a system may hold what is hidden; its status does not.
        let answer = match write.outcome.status() {
            Some(status) if !self.hides.is_empty() => status.to_string(),
            None if !self.hides.is_empty() => String::new(),
            _ => readable(write.outcome.to_string(), TEXT_BYTES),
        };
        json!({
            "at": iso(write.at),
            "flow": write.flow,
            "call": readable(format!("{} {} {}", write.method, write.slot, write.path), TEXT_BYTES),
            "outcome": outcome,
            "answer": answer,
            "fields": fields,
        })
    }

    async fn reviews(&self, wanted: Page) -> Result<Value, StoreError> {
        let most = wanted.limit.unwrap_or(MOST as u32).min(QUESTIONS) as usize;
        let mut found: Vec<Event> = Vec::new();
        // Each flow for itself: one with very many hides no other's.
        for flow in self.flows.iter().filter(|flow| wanted.flow.as_ref().is_none_or(|own| *own == flow.name)) {
            let limit = most as u32 + 1;
            let filter =
                EventFilter { flow: Some(flow.name.clone()), state: Some(EventState::Review), key: None, limit };
            let own = self.store.events(filter).await?.into_iter();
            found.extend(own.filter(|event| !is_call_of_another(event, &self.caller.who)));
        }
        found.sort_by_key(|event| std::cmp::Reverse(event.id));
        let more = found.len() > most;
        let mut questions: Value = found.iter().take(most).map(|event| told(event, self.hides)).collect();
        hidden::hide(&mut questions, self.hides);
        Ok(json!({ "questions": questions, "more": more }))
    }

    async fn state(&self) -> Result<Value, StoreError> {
        let mut counts: BTreeMap<String, BTreeMap<&'static str, u64>> = BTreeMap::new();
        for count in self.store.counts().await? {
            counts.entry(count.flow).or_default().insert(count.state.word(), count.events);
        }
        let flows: Vec<Value> = self
            .flows
            .iter()
            .map(|flow| {
                let described = &flow.release.plugin.description;
                let events = counts.remove(&flow.name).unwrap_or_default();
                let plugin = format!("{} {}", described.name, described.version);
                json!({ "flow": flow.name, "title": described.title, "plugin": plugin, "events": events })
            })
            .collect();
        Ok(json!({ "flows": flows }))
    }
}

fn named(own: &Named) -> Value {
    json!({ "system": own.side.word(), "id": own.id, "record": readable(own.label.clone(), VALUE_BYTES) })
}

/// What is said where that is no name.
const NO_NAME: &str = "record must be a Salesforce id, or the DocEntry, CardCode or ItemCode of a B1 record";

/// The name of a record; none where it is none.
fn name_of(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|name| !name.is_empty() && name.len() <= NAME_BYTES)
}

/// An event as it is told to somebody. What a call would write stands in its reason: from whom something is hidden, all of that is.
pub(super) fn told(event: &Event, hides: &BTreeSet<String>) -> Value {
    let reason = event.reason.as_deref().filter(|_| hides.is_empty() || !event.topic.starts_with(TOOL));
    json!({
        "event": event.id,
        "flow": event.flow,
        "topic": event.topic,
        "record": event.key,
        "state": event.state.word(),
        "at": iso(event.created_at),
        "reason": reason.unwrap_or_default(),
        "choices": event.choices,
    })
}

/// A value that is longer than anybody reads is told by its beginning.
fn short(value: Value) -> Value {
    match value {
        Value::String(text) => readable(text, TEXT_BYTES).into(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_describes_itself_within_the_bounds_of_any_tool() {
        assert_eq!(Own::all().len(), Own::ALL.len());
        for own in Own::ALL {
            let tool = own.tool().unwrap();
            assert_eq!(Own::named(&tool.name), Some(own));
        }
        let why = Own::Why.tool().unwrap();
        assert!(why.problems_of(&json!({ "record": "C1" })).is_empty());
        assert!(
            !why.problems_of(&json!({})).is_empty() && !why.problems_of(&json!({ "record": "C1", "x": 1 })).is_empty()
        );
        let reviews = Own::Reviews.tool().unwrap();
        assert!(
            !reviews.problems_of(&json!({ "limit": 0 })).is_empty()
                && !reviews.problems_of(&json!({ "limit": 51 })).is_empty()
        );
    }
}
