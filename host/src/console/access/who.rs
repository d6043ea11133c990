//! Who asks, and what they may.

use std::collections::BTreeSet;
use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::console::problem::Problem;
use crate::store::{Act, Fate, Role, Session, Via};
use crate::time::now;

/// Where a request comes from: the other end of the connection, or what the stated proxy says it is.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// Who asks.
#[derive(Clone, Debug)]
pub struct Who {
    /// An account's name, or `token <name>`.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// With which flows; none: with all.
    pub flows: Option<BTreeSet<String>>,
    /// By which way.
    pub via: Via,
    /// They sign in with a password of this host.
    pub has_password: bool,
    /// Their session, if they came by one.
    pub session: Option<Session>,
    /// Where from.
    pub address: Option<IpAddr>,
}

impl Who {
    /// An error for who has a lesser role.
    pub fn may(&self, role: Role) -> Result<(), Problem> {
        if self.role >= role { Ok(()) } else { Err(Problem::takes(role)) }
    }

    /// An error for who is limited to some flows: it concerns all of them.
    pub fn may_all(&self, role: Role) -> Result<(), Problem> {
        self.may(role)?;
        match self.flows {
            None => Ok(()),
            Some(_) => Err(Problem::refused("This concerns all flows, and you may use some of them.")),
        }
    }

    /// Whether they see anything of a flow.
    pub fn sees(&self, flow: &str) -> bool {
        self.flows.as_ref().is_none_or(|flows| flows.contains(flow))
    }

    /// Of which flows they see something, where they ask for one or for all; none: of all.
    pub fn flows_of(&self, asked: Option<&str>) -> Option<Vec<String>> {
        match asked.filter(|flow| !flow.is_empty()) {
            Some(flow) if self.sees(flow) => Some(vec![flow.to_owned()]),
            Some(_) => Some(Vec::new()),
            None => self.flows.as_ref().map(|own| own.iter().cloned().collect()),
        }
    }

    /// Texts of other people's records are hidden.
    pub fn is_masked(&self) -> bool {
        self.role < Role::Reviewer
    }

    /// A line of the audit trail.
    pub fn act(&self, act: &str, what: impl Into<String>, outcome: Fate) -> Act {
        Act {
            id: 0,
            at: now(),
            who: self.name.clone(),
            via: self.via,
            act: act.to_owned(),
            what: what.into(),
            why: None,
            address: self.address.map(|address| address.to_string()),
            outcome,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Who {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(Problem::signed_out)
    }
}
