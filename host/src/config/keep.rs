//! How much is kept of what a flow finished, and how long: `[flows.<name>] keep`.

use serde::Deserialize;

/// `keep = { payloads = "hashed", days = 10 }`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeepConfig {
    /// How much of payloads and journals of what is finished.
    pub payloads: Payloads,
    /// How long; without it as `[store]` says.
    pub days: Option<u32>,
}

/// How much is kept of payloads and journals once an event is finished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Payloads {
    /// All: it can be replayed, compared and explained.
    #[default]
    Whole,
    /// Names of fields, and hashes of their values.
    Hashed,
    /// Nothing but the ids.
    None,
}
