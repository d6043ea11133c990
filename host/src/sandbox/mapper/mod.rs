//! A mapping plugin: where expressions end. Gets the source record and the fields the mapping file gave, and has the last word on them; it can reach
//! nothing but the log.

mod code;

use std::sync::Arc;

use serde_json::{Map, Value};

use self::code::Record;
pub(super) use self::code::{Calls, checked};
pub use self::code::{MapperCode, MapperDescription, MapperSection};
use super::journal::Journal;
use super::machine::{Machine, named};
use super::run::RunState;
use super::runtime::within;
use super::workers;
use super::{RunError, Runtime};
use crate::config::Limits;

/// Bytes of a mapped record.
const MOST_ANSWER: usize = 1 << 20;

/// See the module's words.
pub struct Mapper {
    machine: Arc<Machine>,
    code: Arc<MapperCode>,
    limits: Limits,
    /// What the log calls it.
    named: String,
}

impl Mapper {
    /// With the limits of the flow it is for.
    pub fn new(runtime: &Runtime, code: Arc<MapperCode>, limits: Limits) -> Self {
        Self { machine: runtime.machine().clone(), code, limits, named: "a mapping plugin".into() }
    }

    /// By its name and that of its flow, in the log.
    pub fn named(self, named: String) -> Self {
        Self { named, ..self }
    }

    /// One record: a JSON object, whatever else the mapper gives. The inner error is the mapper's own word on the record, or what is wrong with its answer.
    pub async fn map(&self, section: &str, source: &str, mapped: &str) -> Result<Result<String, String>, RunError> {
        let own = match &self.code.description {
            Some(description) => match description.section(section) {
                Some(own) => Some(own),
                None => return Ok(Ok(mapped.to_owned())),
            },
            None => None,
        };
        let answer = self.ask(section, source, mapped).await?;
        Ok(answer.and_then(|answer| {
            let fields = an_object(&answer)?;
            match own {
                Some(own) => own.over(mapped, fields),
                None => Ok(answer),
            }
        }))
    }

    async fn ask(&self, section: &str, source: &str, mapped: &str) -> Result<Result<String, String>, RunError> {
        let (machine, code, limits) = (self.machine.clone(), self.code.clone(), self.limits.clone());
        let record = Record { section: section.to_owned(), source: source.to_owned(), mapped: mapped.to_owned() };
        let speaks = self.named.clone();
        let work = async move {
            let mut state = RunState::new(None, Journal::nowhere(), &limits);
            state.speaks = speaks;
            let mut store = machine.store(state, &limits)?;
            code.calls.map(&mut store, &record).await.map_err(|e| named(e, &limits))
        };
        // Inside a run it is a part of it, on the run's thread and in the run's place.
        let inside = workers::used().is_some();
        let seconds = self.limits.run_seconds;
        if inside { work.await } else { within(seconds, self.machine.run(work)).await }
    }
}

/// Half a record, or none, would become half an order.
fn an_object(answer: &str) -> Result<Map<String, Value>, String> {
    if answer.len() > MOST_ANSWER {
        return Err(format!("the mapping plugin gave {} bytes, and a record has {MOST_ANSWER} at most", answer.len()));
    }
    match serde_json::from_str::<Value>(answer) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(other) => Err(format!("the mapping plugin gave {}, not an object of fields", kind_of(&other))),
        Err(error) => Err(format!("the mapping plugin gave no JSON: {error}")),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Array(_) => "a list",
        _ => "a single value",
    }
}

#[cfg(test)]
mod tests {
    use super::an_object;

    #[test]
    fn what_is_no_object_of_fields_is_no_record() {
        assert!(an_object("{\"A\":1}").is_ok());
        for answer in ["{ not json", "", "null", "[]", "\"text\"", "{\"A\":1} {}"] {
            assert!(an_object(answer).is_err(), "{answer}");
        }
    }
}
