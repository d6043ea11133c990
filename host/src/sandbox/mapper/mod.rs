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
    /// Its file's name.
    name: String,
    /// What the log calls it.
    speaks: String,
}

impl Mapper {
    /// With the limits of the flow it is for.
    pub fn new(runtime: &Runtime, code: Arc<MapperCode>, limits: Limits) -> Self {
        let name = code.description.as_ref().map(|own| own.name.clone()).unwrap_or_default();
        Self { machine: runtime.machine().clone(), code, limits, speaks: name.clone(), name }
    }

    /// In a flow, where it goes by its file's name.
    pub fn of(self, flow: &str, name: &str) -> Self {
        Self { name: name.to_owned(), speaks: format!("{flow}, {name}"), ..self }
    }

    fn whose(&self) -> String {
        format!("the mapping plugin {}", self.name).trim_end().to_owned()
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
        let answer = match self.ask(section, source, mapped).await {
            Ok(answer) => answer,
            Err(error) => return Err(error.within(&format!("{}, section {section}", self.whose()))),
        };
        Ok(answer.and_then(|answer| {
            let taken = an_object(&answer).and_then(|fields| match own {
                Some(own) => own.over(mapped, fields),
                None => Ok(answer),
            });
            taken.map_err(|why| format!("{} {why}", self.whose()))
        }))
    }

    async fn ask(&self, section: &str, source: &str, mapped: &str) -> Result<Result<String, String>, RunError> {
        let (machine, code, limits) = (self.machine.clone(), self.code.clone(), self.limits.clone());
        let record = Record { section: section.to_owned(), source: source.to_owned(), mapped: mapped.to_owned() };
        let speaks = self.speaks.clone();
        let work = async move {
            let mut state = RunState::new(None, Journal::nowhere(), &limits);
            state.speaks = speaks;
            let mut store = machine.store(state, &limits)?;
            let answer = code.calls.map(&mut store, &record).await;
            answer.map_err(|e| named(e, &limits).saying(&store.data().last_words))
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
        return Err(format!("gave {} bytes, and a record has {MOST_ANSWER} at most", answer.len()));
    }
    match serde_json::from_str::<Value>(answer) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(other) => Err(format!("gave {}, not an object of fields", kind_of(&other))),
        Err(error) => Err(format!("gave no JSON: {error}")),
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
