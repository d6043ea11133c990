//! Single sign-on: who comes from the company's provider, what they may here, and who of them is refused.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use governor::clock::DefaultClock;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use serde::Serialize;
use utoipa::ToSchema;

use super::kept::Kept;
use super::{Peer, checked_name};
use crate::config::Config;
use crate::config::OidcConfig;
use crate::connections::oidc::{Person, Provider, ProviderError};
use crate::store::{Account, Outside, Role, Store, StoreError};
use crate::time::now;

/// A sign-in at the provider is ended so soon, or begun again.
pub const BEGUN: Duration = Duration::from_secs(600);
/// Sign-ins under way at once.
const MOST: usize = 10_000;
/// A token by which the provider knows whom to sign out stands in an address: a larger one is not kept.
const HINT: usize = 4_096;
/// Until the provider has said where one signs out there.
const LEAVE: Duration = Duration::from_secs(3);
/// Begun by one address in a minute.
const STARTS: NonZeroU32 = NonZeroU32::new(60).unwrap();
/// Addresses that are remembered for it.
const REMEMBERED: usize = 10_000;
/// Groups that a refusal names.
const NAMED: usize = 20;

/// A sign-in that has gone to the provider.
pub struct Pending {
    /// What comes back with it.
    pub state: String,
    /// What its token must hold.
    pub nonce: String,
    /// What alone takes its code.
    pub verifier: String,
    /// Where the person wanted to go: a path of ours.
    pub to: String,
}

/// Why nobody was signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// There were too many tries.
    TooMany,
    /// The provider does not answer.
    Down,
    /// The provider and `[console.oidc]` do not fit.
    Unfit,
    /// It was not begun in this browser, or long ago, or was ended before.
    NotBegun,
    /// The provider, or the person there, said no.
    Denied,
    /// What came back is not to be believed.
    Untrusted,
    /// The provider gives the person no name that can be used.
    NoName,
    /// None of the person's groups gives a role.
    NoRole,
    /// The name is another account's.
    Taken,
    /// It could not be done.
    Failed,
}

/// A sign-in that came to nothing, for the sign-in page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Refusal {
    /// The kind of it.
    pub why: Why,
    /// Their name, or words of the provider.
    pub detail: String,
    /// Groups that the person has.
    pub has: Vec<String>,
    /// Groups that would do.
    pub needs: Vec<String>,
    /// What is wrong, in a sentence.
    pub error: String,
    /// How it is mended.
    pub mend: String,
}

impl Refusal {
    /// Without groups.
    pub fn new(why: Why, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let (error, mend) = match why {
            Why::TooMany => ("There were too many tries.".into(), "Wait a minute.".into()),
            Why::Down => (
                format!("The provider cannot be reached: {detail}."),
                "Try again in a while; who has a password here can sign in with it.".into(),
            ),
            Why::Unfit => (
                format!("The provider and [console.oidc] of tandem.toml do not fit: {detail}."),
                "`tandem check` on the server says more.".into(),
            ),
            Why::NotBegun => {
                ("This sign-in was not begun in this browser, or is over.".into(), "Sign in again from here.".into())
            }
            Why::Denied => {
                (format!("The provider refuses: {detail}."), "Try again, or ask who keeps the provider.".into())
            }
            Why::Untrusted => (
                format!("What came back from the provider is not believed: {detail}."),
                "Sign in again from here; if it stays so, `tandem check` on the server says more.".into(),
            ),
            Why::NoName => (
                format!("The provider gives no name that can be used here: {detail}."),
                "Name another claim as name_claim of [console.oidc].".into(),
            ),
            Why::NoRole => (format!("No group of {detail} lets them in."), String::new()),
            Why::Taken => (
                format!("The name {detail} is that of another account here."),
                "An admin can remove that one, under Access.".into(),
            ),
            Why::Failed => (format!("It could not be done: {detail}."), "Try again.".into()),
        };
        Self { why, detail, has: Vec::new(), needs: Vec::new(), error, mend }
    }

    /// Which groups somebody has, and which would do.
    fn no_role(name: &str, person: &Person, config: &OidcConfig) -> Self {
        let needs: Vec<String> = config.roles.groups().into_iter().map(str::to_owned).collect();
        let plain = |group: &String| crate::plain::readable(group.clone(), 100);
        let has: Vec<String> = person.groups.iter().take(NAMED).map(plain).collect();
        let listed = match (has.as_slice(), person.groups.len().saturating_sub(NAMED)) {
            ([], _) if person.has_too_many => "none is looked at, since there are too many".into(),
            ([], _) => format!("none in the claim {}", config.roles_claim),
            (some, 0) => some.join(", "),
            (some, more) => format!("{} and {more} more", some.join(", ")),
        };
        let mend = format!("Any of these would do: {}. Who keeps the provider gives them.", needs.join(", "));
        let error = format!("No group of {name} lets them in ({listed}).");
        Self { why: Why::NoRole, detail: name.to_owned(), has, needs, error, mend }
    }
}

impl From<ProviderError> for Refusal {
    fn from(error: ProviderError) -> Self {
        let why = match error {
            ProviderError::Down(_) => Why::Down,
            ProviderError::Unfit(_) => Why::Unfit,
            ProviderError::Refused(_) => Why::Denied,
            ProviderError::Untrusted(_) => Why::Untrusted,
        };
        Self::new(why, crate::plain::readable(error.to_string(), 400))
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::new(Why::Failed, error.to_string())
    }
}

/// See the module's words.
pub struct SignOn {
    /// Where people sign in.
    pub provider: Provider,
    /// `[console.oidc]`
    pub config: OidcConfig,
    /// The console's address.
    pub home: String,
    /// By what the browser keeps.
    pub begun: Kept<Pending>,
    /// What the sign-in page shows next.
    pub told: Kept<Refusal>,
    /// By the id of a session.
    hints: Kept<String>,
    starts: RateLimiter<String, HashMapStateStore<String>, DefaultClock>,
}

impl SignOn {
    /// None where `tandem.toml` has none. Nothing is sent.
    pub fn of(config: &Config) -> Result<Option<Self>, String> {
        let Some(oidc) = &config.console.oidc else { return Ok(None) };
        Self::new(oidc, &config.console_address(), &config.base).map(Some)
    }

    fn new(config: &OidcConfig, home: &str, base: &Path) -> Result<Self, String> {
        Ok(Self {
            provider: Provider::new(config, home, base)?,
            config: config.clone(),
            home: home.to_owned(),
            begun: Kept::new(BEGUN, MOST),
            told: Kept::new(BEGUN, MOST),
            hints: Kept::new(super::session::LIFE_TIME, MOST),
            starts: RateLimiter::hashmap(Quota::per_minute(STARTS)),
        })
    }

    /// Whether one more may be begun from there.
    pub fn may_begin(&self, peer: Option<Peer>) -> bool {
        if self.starts.len() > REMEMBERED {
            self.starts.retain_recent();
        }
        self.starts.check_key(&peer.map(|peer| peer.net()).unwrap_or_default()).is_ok()
    }

    /// By which the provider will know whom to sign out.
    pub fn remember(&self, session: &str, token: String) {
        if token.len() <= HINT {
            self.hints.put(session, token);
        }
    }

    /// Where the browser goes to sign out at the provider, too.
    pub async fn leave(&self, session: &str) -> Option<String> {
        let token = self.hints.take(session);
        // Who leaves does not wait for a provider that is down: here the session is over.
        let to = tokio::time::timeout(LEAVE, self.provider.leave(token.as_deref())).await;
        to.ok().flatten().map(String::from)
    }

    /// The account of who has signed in there, with what their groups give them now.
    pub async fn account(&self, store: &dyn Store, person: &Person) -> Result<Account, Refusal> {
        let outside = Outside { issuer: self.config.issuer.clone(), subject: person.subject.clone() };
        let accounts = store.accounts().await?;
        let before = accounts.iter().find(|own| own.outside.as_ref() == Some(&outside));
        if let Some(error) = &person.unread {
            if let Some(before) = before.filter(|_| person.groups.is_empty()) {
                demote(store, before).await?;
            }
            return Err(error.clone().into());
        }
        let name = self.name_of(&accounts, before, person).map_err(|refusal| *refusal)?;
        let Some((role, flows)) = may(&self.config, &person.groups) else {
            if let Some(before) = before {
                demote(store, before).await?;
            }
            return Err(Refusal::no_role(&name, person, &self.config));
        };
        let account = Account {
            name: name.clone(),
            role,
            flows,
            password: None,
            outside: Some(outside),
            made_at: before.map_or_else(now, |before| before.made_at),
            last_seen: before.and_then(|before| before.last_seen),
        };
        match store.account_put(account.clone(), None).await? {
            true => Ok(account),
            // Somebody was faster.
            false => Err(Refusal::new(Why::Taken, name)),
        }
    }

    /// What somebody is called here of whom the provider speaks.
    fn name_of(&self, accounts: &[Account], before: Option<&Account>, person: &Person) -> Result<String, Box<Refusal>> {
        // Known once, they keep the name: the audit trail is theirs, and another's name may become free at the provider.
        match (before, &person.name) {
            (Some(before), _) => Ok(before.name.clone()),
            (None, Some(name)) => {
                let plain = crate::plain::readable(name.clone(), 100);
                checked_name(name).map_err(|problem| {
                    Box::new(Refusal::new(Why::NoName, format!("{plain:?}: {}", problem.error.trim_end_matches('.'))))
                })?;
                let is_same = |own: &&Account| own.name.to_lowercase() == name.to_lowercase();
                if accounts.iter().any(|own| is_same(&own)) {
                    return Err(Box::new(Refusal::new(Why::Taken, plain)));
                }
                Ok(name.clone())
            }
            (None, None) => {
                let claim = self.config.name_claim.as_deref().unwrap_or("preferred_username or a checked email");
                Err(Box::new(Refusal::new(Why::NoName, format!("there is no {claim}"))))
            }
        }
    }

    /// The same for who lets a program speak for them: what they may here now. Nothing of it is kept, and nobody loses anything by it: such a token
    /// may say less of them than the one that they sign in with.
    pub async fn through_program(&self, store: &dyn Store, person: &Person) -> Result<Account, Refusal> {
        let outside = Outside { issuer: self.config.issuer.clone(), subject: person.subject.clone() };
        let accounts = store.accounts().await?;
        let before = accounts.iter().find(|own| own.outside.as_ref() == Some(&outside));
        let name = self.name_of(&accounts, before, person).map_err(|refusal| *refusal)?;
        let Some((role, flows)) = may(&self.config, &person.groups) else {
            return Err(Refusal::no_role(&name, person, &self.config));
        };
        let (made_at, last_seen) = (now(), None);
        Ok(Account { name, role, flows, password: None, outside: Some(outside), made_at, last_seen })
    }
}

/// What they had goes with the groups: it comes back with them.
async fn demote(store: &dyn Store, before: &Account) -> Result<(), StoreError> {
    let nothing = Account { role: Role::Viewer, flows: Some(Vec::new()), ..before.clone() };
    store.account_put(nothing, None).await.map(|_| ())
}

/// What groups give: the highest role, and the flows that they are limited to. None: nothing at all.
fn may(config: &OidcConfig, groups: &[String]) -> Option<(Role, Option<Vec<String>>)> {
    let has = |of: &Vec<String>| of.iter().any(|group| groups.contains(group));
    let roles = &config.roles;
    let given = [
        (Role::Admin, &roles.admin),
        (Role::Operator, &roles.operator),
        (Role::Reviewer, &roles.reviewer),
        (Role::Viewer, &roles.viewer),
    ];
    let (role, _) = given.into_iter().find(|(_, of)| has(of))?;
    let limits: Vec<&Vec<String>> = groups.iter().filter_map(|group| config.flows.get(group)).collect();
    let flows: BTreeSet<&String> = limits.iter().copied().flatten().collect();
    Some((role, (!limits.is_empty()).then(|| flows.into_iter().cloned().collect())))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::{Access, sqlite::SqliteStore};

    const CONFIG: &str = "issuer = \"https://id.example.com\"\nclient_id = \"tandem\"\nclient_secret = { file = \"secret\" }\n\
        roles = { viewer = [\"staff\"], operator = [\"ops\", \"desk\"], admin = [\"it\"] }\nflows = { desk = [\"orders\"], stock = [\"inventory\", \"orders\"] }\n";

    fn groups(all: &[&str]) -> Vec<String> {
        all.iter().map(|group| (*group).to_owned()).collect()
    }

    fn person(subject: &str, name: &str, all: &[&str]) -> Person {
        let name = Some(name.to_owned());
        let (subject, groups) = (subject.into(), groups(all));
        Person { subject, name, groups, has_too_many: false, unread: None, token: String::new() }
    }

    async fn world() -> (tempfile::TempDir, Arc<dyn Store>, SignOn) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "s").unwrap();
        let store = SqliteStore::open(&folder.path().join("tandem.db"), Access::Host).unwrap();
        let sign_on = SignOn::new(&toml::from_str(CONFIG).unwrap(), "https://tandem.example.com", folder.path());
        (folder, Arc::new(store), sign_on.unwrap())
    }

    #[test]
    fn the_highest_role_wins_and_a_group_with_flows_limits() {
        let config: OidcConfig = toml::from_str(CONFIG).unwrap();
        let of = |all: &[&str]| may(&config, &groups(all));
        assert_eq!(of(&["staff", "ops"]), Some((Role::Operator, None)));
        assert_eq!(of(&["it", "staff"]), Some((Role::Admin, None)));
        assert_eq!(of(&["desk"]), Some((Role::Operator, Some(groups(&["orders"])))));
        assert_eq!(of(&["staff", "desk", "stock"]), Some((Role::Operator, Some(groups(&["inventory", "orders"])))));
        assert_eq!(of(&["stock"]), None, "flows give no role");
        assert_eq!((of(&[]), of(&["IT"])), (None, None));
    }

    #[tokio::test]
    async fn a_person_is_known_by_who_they_are_and_not_by_what_they_are_called() {
        let (_folder, store, sign_on) = world().await;
        let ada = sign_on.account(store.as_ref(), &person("1", "ada", &["ops"])).await.unwrap();
        assert_eq!((ada.name.as_str(), ada.role, ada.password.as_deref()), ("ada", Role::Operator, None));
        // Another one of that name at the provider is not the one that is known.
        let other = sign_on.account(store.as_ref(), &person("2", "Ada", &["it"])).await.unwrap_err();
        assert_eq!(other.why, Why::Taken);
        // The same one with another name and another group.
        let married = sign_on.account(store.as_ref(), &person("1", "ada.new", &["staff"])).await.unwrap();
        assert_eq!((married.name.as_str(), married.role), ("ada", Role::Viewer));
        assert_eq!(store.accounts().await.unwrap().len(), 1);
        for name in ["", "a b", "<b>"] {
            let refused = sign_on.account(store.as_ref(), &person("3", name, &["ops"])).await.unwrap_err();
            assert_eq!(refused.why, Why::NoName, "{name:?}");
        }
    }

    #[tokio::test]
    async fn who_speaks_through_a_program_is_the_same_person_and_changes_nothing_of_theirs() {
        let (_folder, store, sign_on) = world().await;
        let ada = sign_on.account(store.as_ref(), &person("1", "ada", &["it"])).await.unwrap();
        let through = async |person: &Person| sign_on.through_program(store.as_ref(), person).await;
        let same = through(&person("1", "ada.new", &["desk"])).await.unwrap();
        assert_eq!((same.name.as_str(), same.role, same.flows), ("ada", Role::Operator, Some(groups(&["orders"]))));
        // A token that says nothing of groups lets nobody in, and takes nothing from them.
        assert_eq!(through(&person("1", "ada", &[])).await.unwrap_err().why, Why::NoRole);
        assert_eq!(through(&person("2", "ADA", &["it"])).await.unwrap_err().why, Why::Taken);
        assert_eq!(through(&person("3", "bob", &["staff"])).await.unwrap().name, "bob");
        assert_eq!(store.accounts().await.unwrap(), [ada], "nobody has signed in");
    }

    #[tokio::test]
    async fn a_local_account_is_never_taken_over() {
        let (_folder, store, sign_on) = world().await;
        let local = Account {
            name: "boss".into(),
            role: Role::Viewer,
            flows: None,
            password: Some("kept".into()),
            outside: None,
            made_at: 1,
            last_seen: None,
        };
        assert!(store.account_put(local.clone(), None).await.unwrap());
        for name in ["boss", "BOSS"] {
            let refused = sign_on.account(store.as_ref(), &person("1", name, &["it"])).await.unwrap_err();
            assert!(refused.why == Why::Taken && refused.error.contains(name), "{}", refused.error);
        }
        let outside = Some(Outside { issuer: "https://id.example.com".into(), subject: "1".into() });
        let over = Account { outside, role: Role::Admin, password: None, ..local.clone() };
        assert!(!store.account_put(over, None).await.unwrap(), "nor by who was faster");
        assert_eq!(store.account("boss").await.unwrap(), Some(local));
    }

    #[tokio::test]
    async fn who_lost_all_groups_may_nothing_any_more_and_is_told_what_would_do() {
        let (_folder, store, sign_on) = world().await;
        sign_on.account(store.as_ref(), &person("1", "ada", &["it"])).await.unwrap();
        let many: Vec<String> = (0..30).map(|number| format!("g{number}")).collect();
        let names: Vec<&str> = many.iter().map(String::as_str).collect();
        let refused = sign_on.account(store.as_ref(), &person("1", "ada", &names)).await.unwrap_err();
        assert_eq!((refused.why, refused.has.len()), (Why::NoRole, 20));
        assert!(refused.error.contains("ada") && refused.error.contains("g0, g1") && refused.error.contains("10 more"));
        assert!(refused.mend.contains("desk, it, ops, staff"), "{}", refused.mend);
        let left = store.account("ada").await.unwrap().unwrap();
        assert_eq!((left.role, left.flows), (Role::Viewer, Some(Vec::new())), "also for tokens that she made");
        let none = sign_on.account(store.as_ref(), &person("2", "bob", &[])).await.unwrap_err();
        assert!(none.error.contains("none in the claim groups"), "{}", none.error);
        assert_eq!(store.account("bob").await.unwrap(), None);
    }

    #[tokio::test]
    async fn whose_groups_cannot_be_had_may_nothing_either() {
        let (_folder, store, sign_on) = world().await;
        sign_on.account(store.as_ref(), &person("1", "ada", &["it"])).await.unwrap();
        let unread = Some(ProviderError::Untrusted("its userinfo answers 403".into()));
        // The groups were in the token: only the name was asked for.
        let known = Person { unread: unread.clone(), ..person("1", "ada", &["it"]) };
        assert_eq!(sign_on.account(store.as_ref(), &known).await.unwrap_err().why, Why::Untrusted);
        assert_eq!(store.account("ada").await.unwrap().unwrap().role, Role::Admin);
        let lost = Person { unread, ..person("1", "ada", &[]) };
        let refused = sign_on.account(store.as_ref(), &lost).await.unwrap_err();
        assert!(refused.why == Why::Untrusted && refused.error.contains("userinfo"), "{}", refused.error);
        let left = store.account("ada").await.unwrap().unwrap();
        assert_eq!((left.role, left.flows), (Role::Viewer, Some(Vec::new())));
        let stranger = Person { subject: "2".into(), name: Some("bob".into()), ..lost };
        sign_on.account(store.as_ref(), &stranger).await.unwrap_err();
        assert_eq!(store.account("bob").await.unwrap(), None);
    }
}
