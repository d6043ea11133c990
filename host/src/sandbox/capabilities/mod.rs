//! What a plugin can call, one file per capability. Each answers from the journal where it has the answer.

mod http;
mod outcome;
mod pure;
mod storage;

pub(super) use self::http::NO_RECORD;
pub use self::http::{may_be_done, was_denied};
