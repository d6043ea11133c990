//! A scenario's file: JSON, so that a number keeps every digit and an answer can be pasted as a system gave it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::DateTime;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::connections::{Answer, CallError};
use crate::sandbox::{CannedAnswer, RunError};
use crate::store::Millis;

/// Why a scenario cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// Not there, not readable.
    #[error("cannot read the scenario {0}: {1}")]
    Unreadable(PathBuf, #[source] std::io::Error),
    /// Not JSON, or not of the shape of a scenario.
    #[error("the scenario {0} cannot be read: {1}")]
    Malformed(PathBuf, serde_json::Error),
    /// Something in it does not fit the plugin.
    #[error("{0}")]
    Invalid(String),
    /// The sandbox.
    #[error(transparent)]
    Run(RunError),
}

/// What a file holds.
pub enum Scenario {
    /// Of a plugin.
    Flow(Box<FlowScenario>),
    /// Of a mapping plugin.
    Mapper(Box<MapperScenario>),
}

impl Scenario {
    /// Reads the text. A mapping plugin's has a `section`.
    pub fn parse(text: &str, folder: PathBuf) -> Result<Self, serde_json::Error> {
        let any: Value = serde_json::from_str(text)?;
        if any.get("section").is_some() {
            return serde_json::from_str(text).map(|own| Self::Mapper(Box::new(own)));
        }
        let flow: FlowScenario = serde_json::from_str(text)?;
        Ok(Self::Flow(Box::new(FlowScenario { folder, ..flow })))
    }

    /// What it is about, in words.
    pub fn about(&self) -> &str {
        match self {
            Self::Flow(flow) => &flow.about,
            Self::Mapper(mapper) => &mapper.about,
        }
    }
}

/// A record in, fields out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MapperScenario {
    /// In words.
    #[serde(default)]
    pub about: String,
    /// Of the mapping.
    pub section: String,
    /// The record as it was read.
    pub source: Value,
    /// What the rules of the mapping file gave.
    #[serde(default)]
    pub mapped: Map<String, Value>,
    /// What must come.
    pub expect: MapperExpected,
}

/// What a mapping plugin must give: one of the two.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MapperExpected {
    /// All fields.
    #[serde(default)]
    pub fields: Option<Map<String, Value>>,
    /// The reason of a review.
    #[serde(default)]
    pub review: Option<String>,
}

/// Events in, effects and outcomes out. What is empty is not written.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FlowScenario {
    /// Where the files lie that it names.
    #[serde(skip)]
    pub folder: PathBuf,
    /// In words.
    #[serde(default)]
    pub about: String,
    /// What the flow is called; without it as the plugin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<String>,
    /// What the connections are called, by slot; without it as the slot.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub connections: BTreeMap<String, String>,
    /// What would stand under `settings` in `tandem.toml`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub settings: Map<String, Value>,
    /// A file, or its lines; without it the plugin's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<Mapping>,
    /// A mapping plugin's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapper: Option<PathBuf>,
    /// What time it is, as `2026-01-31T10:00:00Z`; or what the clock says each time it is asked, the last one again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<Clock>,
    /// Where the B1 company is, as `Europe/Berlin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Bytes that chance gives, hex, one after the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub random: Vec<String>,
    /// Topics whose events some flow takes; without it all that the plugin asks for by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<Vec<String>>,
    /// What comes in, as one batch.
    pub events: Vec<Happened>,
    /// Links before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Linked>,
    /// The flow's storage before.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub storage: BTreeMap<String, Value>,
    /// What the systems answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<Answered>,
    /// What must come of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expected>,
}

/// One moment, or several.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Clock {
    /// It stands still.
    Still(String),
    /// It goes on.
    Goes(Vec<String>),
}

/// The name of a file, or the lines of one.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Mapping {
    /// Beside the scenario.
    File(PathBuf),
    /// Themselves.
    Lines(Vec<String>),
}

/// An event.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Happened {
    /// Its id; without it its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// As `b1.Items`.
    pub topic: String,
    /// Of the record.
    pub key: String,
    /// What it carries.
    #[serde(default = "no_fields")]
    pub payload: Value,
    /// Which try this is.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub attempt: u32,
    /// What a person answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
}

fn no_fields() -> Value {
    json!({})
}

fn first() -> u32 {
    1
}

fn is_first(attempt: &u32) -> bool {
    *attempt == 1
}

/// A link.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Linked {
    /// As `order`.
    pub kind: String,
    /// The id in B1.
    pub b1: String,
    /// The id in Salesforce.
    pub salesforce: String,
    /// What was synced last.
    #[serde(default = "no_fields")]
    pub base: Value,
}

/// What a system answers to a call.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Answered {
    /// Method, slot and address: `GET b1 /Items('A1')`; `*` stands for any text.
    pub call: String,
    /// What the body holds, where that decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<Value>,
    /// The HTTP status; without it that of the method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Headers that mean something to a caller.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub answer: Value,
    /// The answer is that of the probe: it had been carried out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub probed: bool,
    /// Instead of an answer: `{"remote": {"status": 400, "code": "-10", "message": "…"}}`, `{"unreachable": "…"}`, `{"ambiguous": "…"}`,
    /// `{"throttled": 1000}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<CallError>,
}

impl Answered {
    /// As the sandbox takes it.
    pub(super) fn canned(&self) -> Result<CannedAnswer, ScenarioError> {
        let words: Vec<&str> = self.call.splitn(3, ' ').collect();
        let [method @ ("GET" | "POST" | "PUT" | "PATCH" | "DELETE"), _, path] = words.as_slice() else {
            let why =
                format!("answers: {:?} is no call; it is method, slot and address, as GET b1 /Items('A1')", self.call);
            return Err(ScenarioError::Invalid(why));
        };
        if !path.starts_with(['/', '*']) {
            return Err(ScenarioError::Invalid(format!(
                "answers: the address of {:?} does not begin with /",
                self.call
            )));
        }
        let fails = self.status.is_some_and(|status| !(200..300).contains(&status) && status != 304);
        if self.error.is_some() && (!self.answer.is_null() || self.status.is_some()) || fails && self.error.is_none() {
            let why = "a call fails by `error`, in the place of `status` and `answer`: {\"remote\": {\"status\": 400, \"code\": \"-10\", \"message\": \"…\"}}";
            return Err(ScenarioError::Invalid(format!("answers: {:?}: {why}", self.call)));
        }
        let usual = match (*method, &self.answer) {
            ("GET", _) => 200,
            ("POST", _) => 201,
            (_, Value::Null) => 204,
            _ => 200,
        };
        let answer = Answer {
            status: self.status.unwrap_or(usual),
            headers: self.headers.clone().into_iter().collect(),
            body: if self.answer.is_null() { String::new() } else { self.answer.to_string() },
        };
        let came = match &self.error {
            Some(error) => json!({ "failed": error }),
            None if self.probed => json!({ "probed": answer }),
            None => json!({ "sent": answer }),
        };
        Ok(CannedAnswer::new(&self.call, self.with.clone(), came.to_string()))
    }
}

/// What must come of it: all effects, in any order but that of one record's.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// One for each event: `done: …`, `review: …`; `*` stands for any text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outcomes: Vec<String>,
    /// The run fails so, instead: `the plugin trapped: *`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fails: Option<String>,
    /// Calls that change something, links, events, storage, wake-ups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<ExpectedEffect>,
}

/// An effect.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedEffect {
    /// `PATCH b1 /Items('A1')`, `link order`, `event orders.made`, `store`, `wake`.
    pub call: String,
    /// The record it is about; without it any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// All its fields; `"*"` in the place of a value is any.
    #[serde(default)]
    pub body: Value,
}

impl FlowScenario {
    /// What time it is; a moment of its own where it says none.
    pub(super) fn now(&self) -> Result<Vec<Millis>, ScenarioError> {
        const USUAL: &str = "2026-01-31T10:00:00Z";
        let read = |text: &str| {
            let at = DateTime::parse_from_rfc3339(text).map(|at| at.timestamp_millis());
            at.map_err(|e| ScenarioError::Invalid(format!("now = {text:?}: {e}; it is a moment, as {USUAL}")))
        };
        match &self.now {
            Some(Clock::Still(text)) => Ok(vec![read(text)?]),
            Some(Clock::Goes(texts)) => texts.iter().map(|text| read(text)).collect(),
            None => Ok(vec![read(USUAL)?]),
        }
    }

    pub(super) fn random(&self) -> Result<Vec<Vec<u8>>, ScenarioError> {
        let bytes = |text: &String| {
            let pair = |place: usize| u8::from_str_radix(text.get(place..place + 2)?, 16).ok();
            (0..text.len()).step_by(2).map(pair).collect::<Option<Vec<u8>>>()
        };
        let read = self
            .random
            .iter()
            .map(|text| bytes(text).ok_or_else(|| ScenarioError::Invalid(format!("random: {text:?} is not hex"))));
        read.collect()
    }
}
