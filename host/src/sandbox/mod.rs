//! Runs plugins: loads components, limits them, links the capabilities they were granted, journals every call.

mod approved;
mod bindings;
mod cache;
mod canned;
mod capabilities;
pub mod compiler;
mod description;
mod grants;
mod journal;
mod machine;
mod mapper;
mod past;
mod paths;
mod places;
mod reading;
mod run;
mod runtime;
mod said;
mod schema;
mod soql;
#[cfg(test)]
mod tests;
mod tools;
mod trace;
mod workers;

pub use self::approved::Approved;
pub use self::cache::Cache;
pub use self::canned::{Canned, CannedAnswer, readable};
pub use self::capabilities::{may_be_done, was_denied};
pub use self::compiler::Compiler;
pub use self::description::{Description, Section, Timer};
pub use self::grants::{Denied, Grants, HOST_SLOT, Permission, like};
pub use self::journal::{Journal, Told, Unknown, Unread};
pub use self::mapper::{Mapper, MapperCode, MapperDescription, MapperSection};
pub use self::reading::{Amount, Comparable, Compared, Needs, ReadError, ReadPage, ReadRow};
pub use self::run::{Bound, Outcome, RunReport, Taker, Trouble};
pub use self::runtime::{CONTRACTS, LoadError, Opened, Plugin, Runtime, World, digest_of, read};
pub use self::tools::{CallPayload, CalledBy, Deed, MOST_INPUT, RESULT, Tool};

use crate::store::StoreError;

/// Before what a plugin said last.
const LAST_WORDS: &str = "; its last words: ";

/// Why a run ended without outcomes.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A limit of the flow was broken.
    #[error("the limit `{limit}` was broken: {detail}")]
    Limit {
        /// As in `[flows.<name>.limits]`.
        limit: &'static str,
        /// What was asked for, and what is allowed.
        detail: String,
    },
    /// The plugin trapped: a panic, an index out of bounds.
    #[error("the plugin trapped: {0}")]
    Trapped(String),
    /// The plugin broke the contract, such as one outcome too few.
    #[error("the plugin broke the contract: {0}")]
    Contract(String),
    /// The plugin did what it was not granted, where the contract has no word for a refusal.
    #[error("not allowed: {0}")]
    Denied(#[from] Denied),
    /// It was about to do something else than what a person approved: nothing of that was done.
    #[error("not what was approved: {0}")]
    NotApproved(String),
    /// The plugin did not repeat what its journal says it did.
    #[error("the plugin is not repeatable: {0}")]
    Diverged(String),
    /// The store failed: the run is taken up again.
    #[error(transparent)]
    Store(StoreError),
    /// The host is stopping: the run is taken up again at the next start.
    #[error("the host is stopping")]
    Stopping,
    /// A past run that cannot be gone through again.
    #[error("it cannot be gone through again: {0}")]
    NotKept(&'static str),
}

impl RunError {
    /// With the last words of what trapped.
    fn saying(self, words: &str) -> Self {
        match self {
            Self::Trapped(why) if !words.is_empty() => Self::Trapped(format!("{why}{LAST_WORDS}{words}")),
            other => other,
        }
    }

    /// As it may be told outside the database: what a plugin said last may be a customer's data.
    pub fn outside(&self) -> String {
        let told = self.to_string();
        match self {
            Self::Trapped(_) => told.split(LAST_WORDS).next().unwrap_or_default().to_owned(),
            _ => told,
        }
    }

    /// By a part of the plugin that is another component.
    fn within(self, whose: &str) -> Self {
        match self {
            Self::Trapped(why) => Self::Trapped(format!("{whose}: {why}")),
            Self::Limit { limit, detail } => Self::Limit { limit, detail: format!("{detail}, in {whose}") },
            other => other,
        }
    }

    /// True when the plugin is to blame, so that running it again on the same events would end the same way.
    pub fn blames_plugin(&self) -> bool {
        !matches!(self, Self::Store(_) | Self::Stopping | Self::NotKept(_))
    }
}
