//! A mapping plugin: where expressions end. Gets the source record and the fields the mapping file gave, and returns the
//! final ones; it can reach nothing but the log.

use std::sync::Arc;

use super::journal::Journal;
use super::machine::{Machine, named};
use super::run::RunState;
use super::runtime::within;
use super::workers;
use super::{MapperCode, RunError, Runtime};
use crate::config::Limits;

/// Bytes of a mapped record.
const MOST_ANSWER: usize = 1 << 20;

/// See the module's words.
pub struct Mapper {
    machine: Arc<Machine>,
    code: Arc<MapperCode>,
    limits: Limits,
}

impl Mapper {
    /// With the limits of the flow it is for.
    pub fn new(runtime: &Runtime, code: Arc<MapperCode>, limits: Limits) -> Self {
        Self { machine: runtime.machine().clone(), code, limits }
    }

    /// One record: a JSON object, whatever else the mapper gives. The inner error is the mapper's own word on the record, or what is wrong with its answer.
    pub async fn map(&self, section: &str, source: &str, mapped: &str) -> Result<Result<String, String>, RunError> {
        let (machine, pre, limits) = (self.machine.clone(), self.code.pre.clone(), self.limits.clone());
        let (section, source, mapped) = (section.to_owned(), source.to_owned(), mapped.to_owned());
        let work = async move {
            let state = RunState::new(None, Journal::nowhere(), &limits);
            let mut store = machine.store(state, &limits)?;
            let instance = pre.instantiate_async(&mut store).await.map_err(|e| named(e, &limits))?;
            instance.call_map(&mut store, &section, &source, &mapped).await.map_err(|e| named(e, &limits))
        };
        // Inside a run it is a part of it, on the run's thread and in the run's place.
        let inside = workers::used().is_some();
        let seconds = self.limits.run_seconds;
        let answer = if inside { work.await } else { within(seconds, self.machine.run(work)).await }?;
        Ok(answer.and_then(an_object))
    }
}

/// Half a record, or none, would become half an order.
fn an_object(answer: String) -> Result<String, String> {
    if answer.len() > MOST_ANSWER {
        return Err(format!("the mapping plugin gave {} bytes, and a record has {MOST_ANSWER} at most", answer.len()));
    }
    match serde_json::from_str::<serde_json::Value>(&answer) {
        Ok(serde_json::Value::Object(_)) => Ok(answer),
        Ok(other) => Err(format!("the mapping plugin gave {}, not an object of fields", kind_of(&other))),
        Err(error) => Err(format!("the mapping plugin gave no JSON: {error}")),
    }
}

fn kind_of(value: &serde_json::Value) -> &'static str {
    match value {
        serde_json::Value::Null => "null",
        serde_json::Value::Array(_) => "a list",
        _ => "a single value",
    }
}

#[cfg(test)]
mod tests {
    use super::an_object;

    #[test]
    fn what_is_no_object_of_fields_is_no_record() {
        assert_eq!(an_object("{\"A\":1}".into()), Ok("{\"A\":1}".into()));
        for answer in ["{ not json", "", "null", "[]", "\"text\"", "{\"A\":1} {}"] {
            assert!(an_object(answer.into()).is_err(), "{answer}");
        }
    }
}
