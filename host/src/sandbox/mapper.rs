//! A mapping plugin: where expressions end. Gets the source record and the fields the mapping file gave, and returns the
//! final ones; it can reach nothing but the log.

use std::sync::Arc;

use super::journal::Journal;
use super::machine::{Machine, named};
use super::run::RunState;
use super::workers;
use super::{MapperCode, RunError, Runtime};
use crate::config::Limits;

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

    /// One record. The inner error is the mapper's own word on the record.
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
        if workers::used().is_some() { work.await } else { self.machine.run(work).await }
    }
}
