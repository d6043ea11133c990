//! A mapping plugin: where expressions end. Gets the source record and the fields the mapping file gave, and returns the
//! final ones; it can reach nothing but the log.

use std::path::Path;
use std::sync::Arc;

use super::bindings::mapper::MapperPre;
use super::journal::Journal;
use super::run::{RunState, limited_store, named};
use super::{LoadError, RunError, Runtime};
use crate::config::Limits;

/// See the module's words.
pub struct Mapper {
    runtime: Arc<Runtime>,
    pre: MapperPre<RunState>,
    limits: Limits,
}

impl Mapper {
    /// Loads the component.
    pub fn load(runtime: Arc<Runtime>, path: &Path, limits: Limits) -> Result<Self, LoadError> {
        let pre = runtime.load_mapper(path)?;
        Ok(Self { runtime, pre, limits })
    }

    /// One record; `&String`, as the generated call wants it. The inner error is the mapper's own word on the record.
    #[expect(clippy::ptr_arg, reason = "the generated binding takes &String")]
    pub async fn map(
        &self,
        section: &String,
        source: &String,
        mapped: &String,
    ) -> Result<Result<String, String>, RunError> {
        let state = RunState::new(None, Journal::nowhere(), &self.limits);
        let mut store = limited_store(&self.runtime, state, &self.limits)?;
        let instance = self.pre.instantiate_async(&mut store).await.map_err(|e| named(e, &self.limits))?;
        instance.call_map(&mut store, section, source, mapped).await.map_err(|e| named(e, &self.limits))
    }
}
