//! Why a release cannot be made, found or used.

use std::path::PathBuf;

use super::TrustError;
use crate::sandbox::LoadError;
use crate::store::StoreError;

/// The text names cause and mend.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// A component.
    #[error(transparent)]
    Plugin(#[from] LoadError),
    /// Nobody known has signed it.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// Not granted, or asks for more than was granted.
    #[error(
        "the {kind} {plugin}{version} waits for consent: {missing} of its permissions are not granted; look with `tandem plugin list`, allow with `tandem plugin grant {plugin}`, what was imported with `tandem release grant`"
    )]
    NotGranted {
        /// `plugin`, `mapping plugin`.
        kind: &'static str,
        /// Its name.
        plugin: String,
        /// Its version, behind a space; empty where it says none.
        version: String,
        /// How many.
        missing: usize,
    },
    /// No such flow.
    #[error("there is no flow {flow:?} in tandem.toml; {known}")]
    NoFlow {
        /// What was asked for.
        flow: String,
        /// The flows there are, in words.
        known: String,
    },
    /// The mapping file.
    #[error("{place}[flows.{flow}] mapping {path}: {cause}")]
    MappingFile {
        /// Where it stands, as [`crate::config::Config::place`] says it.
        place: String,
        /// The flow.
        flow: String,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// The mapping file is not there, or somebody else has it open.
    #[error("{place}[flows.{flow}] mapping {path}: {cause}")]
    MappingUnread {
        /// Where it stands, as [`crate::config::Config::place`] says it.
        place: String,
        /// The flow.
        flow: String,
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The settings do not fit the plugin's schema.
    #[error("{place}[flows.{flow}] settings: {cause}")]
    Settings {
        /// Where they stand, as [`crate::config::Config::place`] says it.
        place: String,
        /// The flow.
        flow: String,
        /// What is wrong.
        cause: String,
    },
    /// A mapping plugin that the flow cannot have.
    #[error("the mapping plugin {mapper} does not fit the flow {flow}: {cause}")]
    Mapper {
        /// The flow.
        flow: String,
        /// The mapping plugin.
        mapper: String,
        /// What is wrong.
        cause: String,
    },
    /// A plugin that does another thing.
    #[error("{path} is the plugin {other}, and the flow {flow} runs {plugin}")]
    OtherPlugin {
        /// The flow.
        flow: String,
        /// What it runs.
        plugin: String,
        /// The file.
        path: PathBuf,
        /// What the file is.
        other: String,
    },
    /// No release of the flow has that digest, or several begin so.
    #[error("the flow {flow} has no release {asked:?}; {known}")]
    Unknown {
        /// The flow.
        flow: String,
        /// What was asked for.
        asked: String,
        /// Those there are, in words.
        known: String,
    },
    /// A part is not in the store any more.
    #[error("the release {release} of the flow {flow} is not whole: {cause}; put its files back and it is made anew")]
    NotWhole {
        /// The flow.
        flow: String,
        /// Its digest.
        release: String,
        /// What lacks.
        cause: String,
    },
    /// There is nothing to go back to.
    #[error("the flow {0} has no earlier release to go back to")]
    NoEarlier(String),
    /// Another release went live since a person looked.
    #[error("the flow {flow} runs another release by now: {live}, made live by {who}; look again")]
    Faster {
        /// The flow.
        flow: String,
        /// The beginning of its digest.
        live: String,
        /// By whom.
        who: String,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ReleaseError {
    /// True for what is well a moment later, whatever the files say: the store is away, or the machine too busy.
    pub fn is_of_the_moment(&self) -> bool {
        matches!(self, Self::Store(_) | Self::Plugin(LoadError::NotNow { .. }))
    }
}
