//! Why a look into an org was broken off: of the two that take part in it, which one failed.

use crate::connections::CallError;
use crate::store::StoreError;

/// A look that failed is taken again.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The org did not answer, or not with what was asked for.
    #[error(transparent)]
    Call(#[from] CallError),
    /// What was found could not be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
}
