//! What changed in an org and no event told of: changes that run no trigger (merges, cascades, mass address changes, replaced picklist
//! values), those that the org's own flows make within a write of this host, and those of transactions that had no room left for events. Records are
//! read by `SystemModstamp`, deleted ones too, and told where a watched value differs from what was seen last.
//!
//! At night all watched objects are looked at ([`Night`]); when the org asks for it, one of them soon ([`Asks`]).

mod look;
mod night;
mod place;
mod since;
mod watched;

pub use self::look::{Reader, forget};
pub use self::night::Night;
pub use self::place::Place;
pub use self::since::{Asks, asked, asked_by};

use crate::store::Millis;

/// No transaction of an org takes longer. Source: Apex Developer Guide, "Execution Governors and Limits". What it changes is stamped
/// while it runs and seen when it is over.
const LONGEST_TRANSACTION_MS: Millis = 10 * 60 * 1000;
/// Clocks differ, and answers tell the time to the second.
const SLACK_MS: Millis = 60 * 1000;
/// What is stamped so long before a moment may come into sight only after it: every look reaches back so far behind what was seen.
const SPAN_MS: Millis = LONGEST_TRANSACTION_MS + SLACK_MS;
