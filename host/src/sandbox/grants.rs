//! What a plugin may do: permissions parsed once, at load, and asked before every call. What was not granted is denied.

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use super::{paths, soql};
use crate::connections::Method;
use crate::store::TOOL;

/// The slot of what is the host's own, not a connection's: `POST /events/<topic>` to emit events of a topic,
/// `GET /links/<kind>` to read links of a kind, `PUT /links/<kind>` to read, put and delete them.
pub const HOST_SLOT: &str = "tandem";

/// What the topics of events begin with that only the host's sources and its own clock tell.
const SOURCE_TOPICS: [&str; 5] = ["b1.", "salesforce.", "timer.", "review.", TOOL];

/// One thing a plugin asks for and an operator may grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// Slot of the plugin, or [`HOST_SLOT`].
    pub slot: String,
    /// The verb.
    pub method: Method,
    /// Path pattern; `*` stands for any text inside one segment. A query has none, but for the one that limits SOQL:
    /// `/query?FROM=Account,Contacts`.
    pub path: String,
    /// Why the plugin wants it.
    pub reason: String,
}

impl Permission {
    fn covers(&self, slot: &str, method: Method, path: &str) -> bool {
        self.slot == slot && self.method == method && path_matches(paths::path_of(&self.path), path)
    }

    /// What SOQL may read from; `None` where that is not limited.
    fn sources(&self) -> Option<impl Iterator<Item = &str>> {
        self.path.split_once("?FROM=").map(|(_, names)| names.split(','))
    }

    /// True when this allows all that the other asks for, whatever the reason given.
    pub fn includes(&self, other: &Self) -> bool {
        let same_place = self.slot == other.slot
            && self.method == other.method
            && paths::path_of(&self.path) == paths::path_of(&other.path);
        same_place
            && match (self.sources(), other.sources()) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(have), Some(mut want)) => {
                    let have: Vec<&str> = have.collect();
                    want.all(|name| have.iter().any(|own| own.eq_ignore_ascii_case(name)))
                }
            }
    }

    /// A word for the operator where a permission reaches further than its path says.
    pub fn warning(&self) -> Option<&'static str> {
        let any_object = self.method == Method::Get
            && self.slot != HOST_SLOT
            && self.sources().is_none()
            && ["/query", "/queryAll"].iter().any(|soql| path_matches(&self.path, soql));
        any_object.then_some("reads EVERY object the integration user sees")
    }

    /// What a plugin has that asks for nothing of the host's own, as those do that were built before it was asked for:
    /// every topic but the sources', links of every kind. It is shown at consent like all else.
    pub fn unasked() -> Vec<Self> {
        let any = |method, path: &str, reason: &str| Self {
            slot: HOST_SLOT.into(),
            method,
            path: path.into(),
            reason: reason.into(),
        };
        vec![
            any(
                Method::Post,
                "/events/*",
                "built before topics were asked for: may emit any, but those of the sources",
            ),
            any(
                Method::Put,
                "/links/*",
                "built before kinds were asked for: may read, put and delete links of any kind",
            ),
        ]
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
        /// The path without query; where SOQL is limited, with the names that were not granted.
        path: String,
    },
    /// A path that could mean something else to the remote system than to this check; as far as it may be told.
    #[error("the path {0:?} is not plain: {1}")]
    NotPlain(String, &'static str),
    /// SOQL that cannot be read, where what it reads from decides.
    #[error("the query of {0} cannot be checked: {1}")]
    NotReadable(String, &'static str),
    /// What is compared, and what a tool reads, is only read.
    #[error("{0}: in a call that only reads nothing is written, whatever was granted")]
    OnlyReads(String),
    /// Only the host tells events of this topic.
    #[error("events of the topic `{0}` are told by the host's own sources; a plugin cannot emit them")]
    SourceTopic(String),
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
            return Err(Denied::NotPlain(shortened(paths::shown(target)), why));
        }
        let covering: Vec<&Permission> =
            self.permissions.iter().filter(|permission| permission.covers(slot, method, bare)).collect();
        if covering.is_empty() || slot == HOST_SLOT {
            return Err(self.not_granted(slot, method, bare.to_owned()));
        }
        if covering.iter().any(|permission| permission.sources().is_none()) {
            return Ok(());
        }
        let granted: Vec<&str> = covering.iter().filter_map(|permission| permission.sources()).flatten().collect();
        let mut read = query_of(target)
            .and_then(|soql| soql::sources_of(&soql))
            .map_err(|why| Denied::NotReadable(bare.to_owned(), why))?;
        read.retain(|name| !granted.iter().any(|own| own.eq_ignore_ascii_case(name)));
        if read.is_empty() {
            return Ok(());
        }
        Err(self.not_granted(slot, method, format!("{bare}?FROM={}", read.join(","))))
    }

    /// May it emit events of this topic?
    pub fn check_emission(&self, topic: &str) -> Result<(), Denied> {
        if SOURCE_TOPICS.iter().any(|source| topic.starts_with(source)) {
            return Err(Denied::SourceTopic(shortened(topic)));
        }
        self.check_own(&[Method::Post], format!("/events/{topic}"))
    }

    /// May it read links of this kind?
    pub fn check_links_read(&self, kind: &str) -> Result<(), Denied> {
        self.check_own(&[Method::Get, Method::Put], format!("/links/{kind}"))
    }

    /// May it put and delete links of this kind?
    pub fn check_links_write(&self, kind: &str) -> Result<(), Denied> {
        self.check_own(&[Method::Put], format!("/links/{kind}"))
    }

    fn check_own(&self, methods: &[Method], path: String) -> Result<(), Denied> {
        let covered = |method: &Method| self.permissions.iter().any(|own| own.covers(HOST_SLOT, *method, &path));
        if methods.iter().any(covered) {
            return Ok(());
        }
        Err(self.not_granted(HOST_SLOT, methods[0], path))
    }

    fn not_granted(&self, slot: &str, method: Method, path: String) -> Denied {
        Denied::NotGranted {
            plugin: self.plugin.clone(),
            slot: shortened(slot),
            method: method.word(),
            path: shortened(&path),
        }
    }

    /// Permissions wanted but not among these.
    pub fn missing<'a>(&self, wanted: &'a [Permission]) -> Vec<&'a Permission> {
        wanted.iter().filter(|want| !self.permissions.iter().any(|have| have.includes(want))).collect()
    }
}

/// Enough of a text of any length to know it by.
fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}

/// The SOQL of `/query?q=…`, the only thing that may stand there where it is checked.
pub fn query_of(target: &str) -> Result<String, &'static str> {
    let soql = target.split_once('?').and_then(|(_, query)| query.strip_prefix("q="));
    let soql = soql.filter(|soql| !soql.contains('&')).ok_or("it must be q=<SOQL> and nothing else")?;
    let spaced = soql.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().map(|soql| soql.into_owned()).map_err(|_| "it is not UTF-8")
}

/// Why a permission asked for in `describe` is not one the host can give.
pub fn problem_of(permission: &Permission) -> Option<String> {
    let told = |why: &str| Some(format!("permission {} {}: {why}", permission.method.word(), permission.path));
    if let Some(why) = paths::problem_of(&permission.path) {
        return told(why);
    }
    let (path, query) = permission.path.split_once('?')?;
    let name = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
    };
    let limits_soql = ["/query", "/queryAll"].contains(&path)
        && permission.method == Method::Get
        && query.strip_prefix("FROM=").is_some_and(|names| names.split(',').all(name));
    if limits_soql { None } else { told("a path has no query, but for `/query?FROM=<Object>,<Object>`") }
}

/// Why a permission on the host's own slot is none.
pub fn problem_of_own(permission: &Permission) -> Option<String> {
    let segments: Vec<&str> = permission.path.split('/').collect();
    let known = matches!(
        (permission.method, segments.as_slice()),
        (Method::Post, ["", "events", _]) | (Method::Get | Method::Put, ["", "links", _])
    );
    let told = || {
        format!(
            "permission {} {} on `{HOST_SLOT}`: known are POST /events/<topic>, GET and PUT /links/<kind>",
            permission.method.word(),
            permission.path
        )
    };
    (!known).then(told)
}

fn path_matches(pattern: &str, path: &str) -> bool {
    let mut pattern = pattern.split('/');
    let mut path = path.split('/');
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return true,
            (Some(pattern), Some(segment)) if like(pattern, segment) => {}
            _ => return false,
        }
    }
}

/// `*` in the pattern stands for any text.
pub fn like(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut open) = text.strip_prefix(head) else { return false };
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
    fn a_refusal_tells_nothing_of_the_query() {
        let limited = Grants::new("p", vec![one("b1", Method::Get, "/query?FROM=Account")]);
        for target in [
            "/Users?$filter=CardName eq 'Miller'",
            "/Orders%3F$filter=CardName eq 'Miller'",
            "/Orders%253f$filter=CardName eq 'Miller'",
            "/Orders#CardName eq 'Miller'",
            "/../Orders?$filter=CardName eq 'Miller'",
            "/query?q=SELECT Id FROM User WHERE Name = 'Miller'",
            "/query?q=SELECT Id FROM User WHERE Name = 'Miller",
        ] {
            for grants in [grants(), limited.clone()] {
                let told = grants.check("b1", Method::Get, target).unwrap_err().to_string();
                assert!(!told.contains("Miller") && !told.contains("CardName"), "{told}");
            }
        }
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

    fn one(slot: &str, method: Method, path: &str) -> Permission {
        Permission { slot: slot.into(), method, path: path.into(), reason: String::new() }
    }

    #[test]
    fn a_query_reads_from_the_objects_granted_and_no_other() {
        let read = |path: &str| one("s", Method::Get, path);
        let limited = Grants::new("p", vec![read("/query?FROM=Account,Contacts"), read("/query?FROM=Contact")]);
        let ask = |soql: &str| limited.check("s", Method::Get, &format!("/query?q={soql}"));
        assert_eq!(ask("SELECT+Id,(SELECT+Id+FROM+Contacts)+FROM+account"), Ok(()));
        assert_eq!(ask("SELECT%20Id%20FROM%20Account%20WHERE%20Id%20IN%20(SELECT AccountId FROM Contact)"), Ok(()));
        for soql in [
            "SELECT Id FROM User",
            "SELECT Id,(SELECT Id FROM Opportunities) FROM Account",
            "SELECT Id FROM Account WHERE Id IN (SELECT AccountId %46ROM Case)",
            "SELECT Id FROM Account&q=SELECT Id FROM User",
            "SELECT Id",
        ] {
            assert!(ask(soql).is_err(), "{soql}");
        }
        let told = ask("SELECT Id FROM User").unwrap_err().to_string();
        assert_eq!(told, "GET /query?FROM=User on `s` was not granted to p");
        assert!(limited.check("s", Method::Get, "/query?%71=SELECT Id FROM Account").is_err());
        assert!(limited.check("s", Method::Get, "/queryAll?q=SELECT Id FROM Account").is_err());
        // Plugins of before asked for all of it, were granted it, and go on; the operator is told.
        let bare = Grants::new("old", vec![read("/query")]);
        assert_eq!(bare.check("s", Method::Get, "/query?q=SELECT Id FROM User"), Ok(()));
        assert!(read("/query").warning().is_some() && read("/query?FROM=Account").warning().is_none());
    }

    #[test]
    fn less_than_before_is_nothing_new() {
        let read = |path: &str| one("s", Method::Get, path);
        let missing = |have: &str, want: &str| Grants::new("p", vec![read(have)]).missing(&[read(want)]).len();
        assert_eq!(missing("/query", "/query?FROM=Account"), 0);
        assert_eq!(missing("/query?FROM=Account,Contact", "/query?FROM=Contact"), 0);
        assert_eq!(missing("/query?FROM=Account", "/query?FROM=Account,User"), 1);
        assert_eq!(missing("/query?FROM=Account", "/query"), 1);
    }

    #[test]
    fn topics_and_kinds_are_granted_like_paths_and_the_sources_keep_theirs() {
        let own = |method, path: &str| one(HOST_SLOT, method, path);
        let grants = Grants::new(
            "p",
            vec![
                own(Method::Post, "/events/accounts.wanted"),
                own(Method::Put, "/links/order"),
                own(Method::Get, "/links/account"),
            ],
        );
        assert_eq!(grants.check_emission("accounts.wanted"), Ok(()));
        assert_eq!((grants.check_links_write("order"), grants.check_links_read("order")), (Ok(()), Ok(())));
        assert_eq!(grants.check_links_read("account"), Ok(()));
        let told = grants.check_links_write("account").unwrap_err().to_string();
        assert_eq!(told, "PUT /links/account on `tandem` was not granted to p");
        assert!(grants.check_emission("stock.wanted").is_err());
        assert!(grants.check(HOST_SLOT, Method::Post, "/events/accounts.wanted").is_err(), "it is no connection");
        let before = Grants::new("old", Permission::unasked());
        assert_eq!((before.check_emission("any"), before.check_links_write("any")), (Ok(()), Ok(())));
        for topic in ["b1.Items", "salesforce.Account", "timer.wake", "review.raised"] {
            assert_eq!(before.check_emission(topic), Err(Denied::SourceTopic(topic.into())));
        }
    }

    #[test]
    fn what_is_no_permission_is_told_at_load() {
        for path in ["/Orders?x", "/query?FROM=", "/query?FROM=A,", "/query?q=x", "/Orders?FROM=A", "/a/../b"] {
            assert!(problem_of(&one("s", Method::Get, path)).is_some(), "{path}");
        }
        assert_eq!(problem_of(&one("s", Method::Get, "/queryAll?FROM=Account,Contacts")), None);
        assert!(problem_of_own(&one(HOST_SLOT, Method::Post, "/links/x")).is_some());
        assert!(problem_of_own(&one(HOST_SLOT, Method::Put, "/links/x")).is_none());
    }

    #[test]
    fn an_upgrade_that_asks_for_more_is_seen() {
        let more = Permission { slot: "b1".into(), method: Method::Get, path: "/Users".into(), reason: "?".into() };
        let wanted = [more.clone(), Permission { path: "/Orders".into(), ..more.clone() }];
        assert_eq!(grants().missing(&wanted), [&more]);
    }
}
