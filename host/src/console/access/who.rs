//! Who asks, and what they may.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::console::problem::Problem;
use crate::store::{Act, Fate, Role, Session, Via};

/// Where a request comes from: the other end of the connection, or what the stated proxy says it is.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

impl Peer {
    /// What is counted as one: who has an address of IPv6 has the /64 around it.
    pub fn net(&self) -> String {
        match self.0.to_canonical() {
            IpAddr::V4(own) => own.to_string(),
            IpAddr::V6(own) => Ipv6Addr::from(u128::from(own) & !u128::from(u64::MAX)).to_string(),
        }
    }
}

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
    /// Digest of the token they came with.
    pub token: Option<String>,
    /// Who made that token.
    pub owner: Option<String>,
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
        let address = self.address.map(|address| address.to_string());
        Act { address, outcome, ..Act::new(&self.name, self.via, act, what) }
    }
}

impl<S: Sync> FromRequestParts<S> for Who {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(Problem::signed_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_of_one_network_are_counted_as_one() {
        let net = |address: &str| Peer(address.parse().unwrap()).net();
        assert_eq!(net("2001:db8:1:2:3:4:5:6"), net("2001:db8:1:2::7"));
        assert_ne!(net("2001:db8:1:2::1"), net("2001:db8:1:3::1"));
        assert_eq!((net("192.0.2.7").as_str(), net("::ffff:192.0.2.7").as_str()), ("192.0.2.7", "192.0.2.7"));
    }
}
