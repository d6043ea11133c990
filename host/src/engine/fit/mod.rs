//! How a flow's mapping fits the two systems as they are now: their fields, what is wrong with its rules, what they give for real records.

mod check;
mod fields;
mod lists;
mod preview;

pub use self::check::{Finding, Grade, check};
pub use self::fields::{Choice, Field, Schema, Schemas};
pub use self::lists::{Proposed, Sample, choices, propose, samples};
pub use self::preview::{Given, Preview, Way, preview, section, way_of};
use crate::sources::b1::list::LookError;

/// Why it cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// A slot that no connection is bound to.
    #[error("the flow has no connection `{0}`")]
    NoConnection(&'static str),
    /// A section that the plugin does not apply.
    #[error("the plugin applies no section {asked:?}; known: {}", known.join(", "))]
    NoSection {
        /// What was asked for.
        asked: String,
        /// Those it has.
        known: Vec<String>,
    },
    /// What is no id.
    #[error("{0}")]
    NoId(String),
    /// What is not there.
    #[error("{0}")]
    NotFound(String),
    /// A read.
    #[error("{path}: {cause}")]
    Read {
        /// Without its query.
        path: String,
        /// What came of it.
        cause: LookError,
    },
    /// An answer that says something else than it should.
    #[error("{0}")]
    Answer(String),
}

impl FitError {
    fn read(path: impl Into<String>, cause: LookError) -> Self {
        Self::Read { path: path.into(), cause }
    }
}
