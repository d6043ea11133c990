//! A mapping plugin: where expressions end. Gets the source record and the fields the mapping file gave, and returns the
//! final ones; it can reach nothing but the log.

use std::path::Path;
use std::sync::Arc;

use super::bindings::mapper::MapperPre;
use super::journal::Journal;
use super::machine::{Machine, named};
use super::run::RunState;
use super::workers;
use super::{LoadError, RunError, Runtime};
use crate::config::Limits;

/// See the module's words.
pub struct Mapper {
    machine: Arc<Machine>,
    pre: MapperPre<RunState>,
    limits: Limits,
}

impl Mapper {
    /// Loads the component.
    pub async fn load(runtime: &Runtime, path: &Path, limits: Limits) -> Result<Self, LoadError> {
        let pre = runtime.load_mapper(path).await?;
        Ok(Self { machine: runtime.machine().clone(), pre, limits })
    }

    /// One record. The inner error is the mapper's own word on the record.
    pub async fn map(&self, section: &str, source: &str, mapped: &str) -> Result<Result<String, String>, RunError> {
        let (machine, pre, limits) = (self.machine.clone(), self.pre.clone(), self.limits.clone());
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
