//! What a plugin can call, one file per capability. Each answers from the journal where it has the answer.

mod http;
mod outcome;
mod pure;
mod storage;

pub use self::http::was_denied;
