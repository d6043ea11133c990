//! What a plugin may do: permissions parsed once, at load, and asked before every call. What was not granted is denied.

use serde::{Deserialize, Serialize};

use super::paths;
use crate::connections::Method;

/// One thing a plugin asks for and an operator may grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// Slot of the plugin.
    pub slot: String,
    /// The verb.
    pub method: Method,
    /// Path pattern without query; `*` stands for any text inside one segment.
    pub path: String,
    /// Why the plugin wants it.
    pub reason: String,
}

impl Permission {
    fn covers(&self, slot: &str, method: Method, path: &str) -> bool {
        self.slot == slot && self.method == method && path_matches(&self.path, path)
    }

    /// The same permission, whatever the reason given.
    pub fn same_as(&self, other: &Self) -> bool {
        self.slot == other.slot && self.method == other.method && self.path == other.path
    }
}

/// Why a call is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No permission covers it.
    #[error("{method} {path} on `{slot}` was not granted to {plugin}")]
    NotGranted {
        /// The plugin's name.
        plugin: String,
        /// The slot asked for.
        slot: String,
        /// The verb.
        method: &'static str,
        /// The path without query.
        path: String,
    },
    /// A path that could mean something else to the remote system than to this check.
    #[error("the path {0:?} is not plain: {1}")]
    NotPlain(String, &'static str),
}

/// The grants of one plugin digest.
#[derive(Clone, Debug, Default)]
pub struct Grants {
    plugin: String,
    permissions: Vec<Permission>,
}

impl Grants {
    /// Of a plugin by name.
    pub fn new(plugin: impl Into<String>, permissions: Vec<Permission>) -> Self {
        Self { plugin: plugin.into(), permissions }
    }

    /// May it send this? `target` is the whole of it, path and query: the one place every address passes, be it of a
    /// call, of a part committed with it, or of a probe.
    pub fn check(&self, slot: &str, method: Method, target: &str) -> Result<(), Denied> {
        let bare = paths::path_of(target);
        if let Some(why) = paths::problem_of(target) {
            return Err(Denied::NotPlain(bare.to_owned(), why));
        }
        if self.permissions.iter().any(|permission| permission.covers(slot, method, bare)) {
            return Ok(());
        }
        Err(Denied::NotGranted {
            plugin: self.plugin.clone(),
            slot: slot.to_owned(),
            method: method.word(),
            path: bare.to_owned(),
        })
    }

    /// Permissions wanted but not among these.
    pub fn missing<'a>(&self, wanted: &'a [Permission]) -> Vec<&'a Permission> {
        wanted.iter().filter(|want| !self.permissions.iter().any(|have| have.same_as(want))).collect()
    }
}

/// Why a permission asked for in `describe` is not one the host can give.
pub fn problem_of(permission: &Permission) -> Option<String> {
    paths::problem_of(&permission.path)
        .map(|why| format!("permission {} {}: {why}", permission.method.word(), permission.path))
}

fn path_matches(pattern: &str, path: &str) -> bool {
    let mut pattern = pattern.split('/');
    let mut path = path.split('/');
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return true,
            (Some(pattern), Some(segment)) if segment_matches(pattern, segment) => {}
            _ => return false,
        }
    }
}

fn segment_matches(pattern: &str, segment: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == segment };
    let Some(mut open) = segment.strip_prefix(head) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let tail = pieces.pop().unwrap_or_default();
    for piece in pieces {
        match open.find(piece) {
            Some(at) => open = &open[at + piece.len()..],
            None => return false,
        }
    }
    open.len() >= tail.len() && open.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants() -> Grants {
        let allow =
            |method, path: &str| Permission { slot: "b1".into(), method, path: path.into(), reason: String::new() };
        Grants::new(
            "orders",
            vec![
                allow(Method::Get, "/Orders"),
                allow(Method::Post, "/Orders"),
                allow(Method::Post, "/Orders(*)/Cancel"),
            ],
        )
    }

    #[test]
    fn what_was_granted_passes() {
        assert_eq!(grants().check("b1", Method::Get, "/Orders?$filter=U_SF_Id eq 'x'"), Ok(()));
        assert_eq!(grants().check("b1", Method::Post, "/Orders(12)/Cancel"), Ok(()));
    }

    #[test]
    fn what_was_not_granted_is_denied_and_named() {
        let error = grants().check("b1", Method::Delete, "/Orders(12)").unwrap_err().to_string();
        assert_eq!(error, "DELETE /Orders(12) on `b1` was not granted to orders");
        for (method, path) in [
            (Method::Post, "/Orders(12)/Close"),
            (Method::Post, "/Orders(12)"),
            (Method::Get, "/Users"),
            (Method::Get, "/Orders/../Users"),
            (Method::Get, "/Orders%2f..%2fUsers"),
            (Method::Post, "/$batch"),
            (Method::Post, "/Orders(1)/x/Cancel"),
            (Method::Get, "Orders"),
        ] {
            assert!(grants().check("b1", method, path).is_err(), "{path}");
        }
        assert!(grants().check("salesforce", Method::Get, "/Orders").is_err());
    }

    #[test]
    fn an_external_id_may_hold_a_slash() {
        let upsert = Permission {
            slot: "salesforce".into(),
            method: Method::Patch,
            path: "/sobjects/Product2/Tandem_Item_Code__c/*".into(),
            reason: String::new(),
        };
        let grants = Grants::new("catalogue", vec![upsert]);
        let check = |path: &str| grants.check("salesforce", Method::Patch, path);
        assert_eq!(check("/sobjects/Product2/Tandem_Item_Code__c/N%201%2F2"), Ok(()));
        assert!(check("/sobjects/Product2/Tandem_Item_Code__c%2F/x").is_err());
        assert!(check("/sobjects/Product2/Other__c/N%201%2F2").is_err());
        assert!(check("/sobjects/Product2/Tandem_Item_Code__c/a/b").is_err());
    }

    #[test]
    fn an_upgrade_that_asks_for_more_is_seen() {
        let more = Permission { slot: "b1".into(), method: Method::Get, path: "/Users".into(), reason: "?".into() };
        let wanted = [more.clone(), Permission { path: "/Orders".into(), ..more.clone() }];
        assert_eq!(grants().missing(&wanted), [&more]);
    }
}
