//! Where a release of a flow stands among the others.

use serde::Serialize;

use crate::store::{Activation, Candidate};

/// Where a release stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Runs begin under it.
    Live,
    /// The files say so, and it waits.
    Candidate,
    /// The files say so, it was live, and was taken back.
    TakenBack,
    /// It was live.
    Earlier,
    /// It never was.
    Known,
}

impl Standing {
    /// Of a release, by what was made live, the last first, and what the files say.
    pub fn of(digest: &str, acts: &[Activation], candidate: Option<&Candidate>) -> Self {
        let offered = candidate.filter(|candidate| candidate.release == digest);
        match acts.first() {
            Some(live) if live.release == digest => Self::Live,
            _ if offered.is_some_and(|candidate| candidate.held.is_some()) => Self::Candidate,
            _ if offered.is_some() => Self::TakenBack,
            _ if acts.iter().any(|act| act.release == digest) => Self::Earlier,
            _ => Self::Known,
        }
    }

    /// As people read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Candidate => "candidate",
            Self::TakenBack => "taken back",
            Self::Earlier => "earlier",
            Self::Known => "never live",
        }
    }
}
