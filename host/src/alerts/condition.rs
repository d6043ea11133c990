//! What may be wrong with a running host, as far as somebody is to be told of it.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use crate::config::What;
use crate::store::Millis;

/// Something that is wrong or is not. Its fields say of what: each begins and ends by itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
pub enum Condition {
    /// The database takes no writes.
    Store,
    /// Little is free where the database lies.
    Disk,
    /// No backup is made.
    Backup,
    /// A connection cannot be used.
    Outage {
        /// Its name.
        connection: String,
    },
    /// No events come, though the connection they come from can be used.
    Silent {
        /// Of which topic, or of the looks into which company.
        source: String,
    },
    /// A flow cannot run.
    Held {
        /// Its name.
        flow: String,
    },
    /// Its oldest event waits too long, and nothing else that is told holds it up.
    Oldest {
        /// The flow.
        flow: String,
    },
    /// Of the org's daily calls so many are used.
    Calls {
        /// The org.
        connection: String,
    },
    /// So many that the flows hold back.
    DailyLimit {
        /// The org.
        connection: String,
    },
    /// The org delivers no more events for now.
    Deliveries {
        /// The org.
        connection: String,
    },
    /// Something ends.
    Expiry {
        /// What.
        of: Ending,
        /// Within a week.
        soon: bool,
    },
    /// A kind of error that was not there.
    Error {
        /// The flow.
        flow: String,
        /// The kind's id.
        kind: String,
    },
    /// Both sides were compared, and differ for no reason that is known.
    Differs {
        /// The flow.
        flow: String,
    },
    /// They were not compared when they should have been.
    NotCompared,
    /// Not all of a flow was read when it should have been compared, or it was not compared for long.
    NotWhole {
        /// The flow.
        flow: String,
    },
    /// Too many questions wait, or one too long.
    Reviews {
        /// The flow.
        flow: String,
    },
    /// A call of a tool waits to be approved.
    Approval {
        /// The flow.
        flow: String,
        /// The event of the call.
        call: i64,
    },
}

/// What ends on a day.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// The host's own certificate.
    HostCertificate,
    /// That of a server, by the connection's name.
    Certificate(String),
    /// The secret or key of a connection.
    Secret(String),
    /// The secret of the single sign-on.
    SignOnSecret,
}

impl Condition {
    /// Of what sort, as channels choose it.
    pub fn what(&self) -> What {
        match self {
            Self::Store | Self::Disk => What::Store,
            Self::Backup => What::Backup,
            Self::Outage { .. } | Self::Silent { .. } => What::Outage,
            Self::Held { .. } => What::Held,
            Self::Oldest { .. } => What::Waiting,
            Self::Calls { .. } | Self::DailyLimit { .. } | Self::Deliveries { .. } => What::Budget,
            Self::Expiry { .. } => What::Expiry,
            Self::Error { .. } => What::Errors,
            Self::Reviews { .. } => What::Reviews,
            Self::Approval { .. } => What::Approvals,
            Self::Differs { .. } | Self::NotCompared | Self::NotWhole { .. } => What::Reconcile,
        }
    }

    /// Its length is worth telling in the digest.
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Store | Self::Outage { .. } | Self::Silent { .. } | Self::Held { .. })
    }
}

/// Why a connection cannot be used: what a message may say in any language, and whoever reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Its sign-in is refused.
    SignIn,
    /// Its certificate is not trusted.
    Certificate,
    /// The proxy on the way.
    Proxy,
    /// It is not found or does not answer.
    Unreached,
}

/// What there is to say of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Detail {
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The host's own words; never a record's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// How many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Of how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<u64>,
    /// Since when the oldest waits; when it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Millis>,
    /// An event, by its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<i64>,
}

/// A condition that is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sign {
    /// Which.
    pub condition: Condition,
    /// The flows that it is about; none: the host as a whole.
    pub flows: Vec<String>,
    /// What there is to say of it.
    pub detail: Detail,
    /// It is there for long: where nobody was told of anything yet, it is known and not told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub old: bool,
}

/// What a look has found.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// All that is wrong.
    pub signs: Vec<Sign>,
    /// Of these nobody knows: a connection that was not called yet, a flow that starts, what follows from something else that is wrong.
    pub unknown: Vec<Condition>,
    /// Nor of anything of this sort.
    pub blind: Vec<What>,
    /// Of this sort there may be more than was found: what was not found is not known to be gone.
    pub partial: Vec<What>,
}

impl Look {
    /// Nobody knows whether it is there.
    pub fn is_unknown(&self, condition: &Condition) -> bool {
        let what = condition.what();
        let is_found = || self.signs.iter().any(|sign| sign.condition == *condition);
        self.unknown.contains(condition) || self.blind.contains(&what) || (self.partial.contains(&what) && !is_found())
    }
}

/// What happened to a flow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FlowDay {
    /// The flow.
    pub flow: String,
    /// Events that were done.
    pub done: u64,
    /// That went to review.
    pub asked: u64,
    /// That were rejected.
    pub rejected: u64,
    /// Questions that are open.
    pub open: u64,
    /// When the oldest of them was taken in.
    pub oldest: Option<Millis>,
    /// Kinds of errors that happened, the most frequent first: words, how many, an event.
    pub errors: Vec<(String, u64, i64)>,
}

/// What of an org's calls is used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Used {
    /// The org.
    pub connection: String,
    /// Flows bound to it.
    pub flows: Vec<String>,
    /// So many calls.
    pub used: u64,
    /// Of so many.
    pub of: u64,
}

/// What a day brought.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Day {
    /// By flow.
    pub flows: Vec<FlowDay>,
    /// By org.
    pub calls: Vec<Used>,
}

/// Who knows how the host is.
#[async_trait]
pub trait Signs: Send + Sync + 'static {
    /// How it is now.
    async fn look(&self) -> Look;
    /// What happened since; none where the store does not say.
    async fn day(&self, since: Millis) -> Option<Day>;
    /// Whether the configuration still asks for what it is about: of what is no more nobody knows whether it is well.
    fn knows(&self, condition: &Condition) -> bool;
}
