//! The people's side of the store: who may use the console and its API, who is signed in, and what each of them did.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::trail::{Found, Head, Page};
use super::{Millis, Result};

/// What somebody may do: each may what those before may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks; personal data is hidden.
    Viewer,
    /// Answers reviews.
    Reviewer,
    /// Runs events again, makes releases live, changes mappings and settings.
    Operator,
    /// Says who may what.
    Admin,
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Reviewer, Self::Operator, Self::Admin];

    /// The word stored and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Reviewer => "reviewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(word: &str) -> std::result::Result<Self, String> {
        Self::ALL.into_iter().find(|role| role.word() == word).ok_or_else(|| format!("no role is called {word:?}"))
    }
}

/// Who somebody is where they sign in: their name may change there, and be given to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outside {
    /// The provider, as its tokens call it.
    pub issuer: String,
    /// Whom it means.
    pub subject: String,
}

/// Somebody who may sign in.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// By which they sign in.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// With which flows; none: with all.
    pub flows: Option<Vec<String>>,
    /// argon2id, as a PHC string; none for who signs in elsewhere.
    pub password: Option<String>,
    /// Who they are where they sign in; none: here, with a password.
    pub outside: Option<Outside>,
    /// When it was made.
    pub made_at: Millis,
    /// When they were last seen.
    pub last_seen: Option<Millis>,
}

/// A browser that is signed in.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// SHA-256 of what its cookie holds, hex: who reads the database signs in as nobody.
    pub id: String,
    /// Whose.
    pub account: String,
    /// What each change must bring along.
    pub csrf: String,
    /// When they signed in.
    pub since: Millis,
    /// When it was last used, to the minute.
    pub last_seen: Millis,
    /// When it ends whatever happens.
    pub ends_at: Millis,
    /// Where from: an IP address.
    pub address: String,
    /// What the browser calls itself.
    pub agent: String,
}

/// What a token opens, and nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// The API, for scripts.
    #[default]
    Api,
    /// The flows' tools, for programs that speak MCP: there rules hold that the API does not know.
    Tools,
}

impl Purpose {
    /// The word stored and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Tools => "tools",
        }
    }

    /// The one stored under that word; `None` for a word no version of Tandem has written.
    pub fn from_stored(word: &str) -> Option<Self> {
        [Self::Api, Self::Tools].into_iter().find(|own| own.word() == word)
    }
}

/// What a script signs in with.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// By which it is listed and taken back.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// What it opens.
    pub purpose: Purpose,
    /// SHA-256 of the secret, hex.
    pub digest: String,
    /// What it may do.
    pub role: Role,
    /// With which flows; none: with all.
    pub flows: Option<Vec<String>>,
    /// Who made it.
    pub by: String,
    /// When.
    pub made_at: Millis,
    /// Until when it holds.
    pub expires_at: Millis,
    /// When it was last used, to the minute.
    pub last_used: Option<Millis>,
}

/// By which way somebody acted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// The console in a browser.
    Session,
    /// A script.
    Token,
    /// A command on the server.
    CommandLine,
    /// A question answered in the org.
    Salesforce,
    /// An agent of one's own.
    Agent,
}

impl Via {
    /// Every way.
    pub const ALL: [Self; 5] = [Self::Session, Self::Token, Self::CommandLine, Self::Salesforce, Self::Agent];

    /// The word stored and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Token => "token",
            Self::CommandLine => "command-line",
            Self::Salesforce => "salesforce",
            Self::Agent => "agent",
        }
    }
}

/// What became of what somebody asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It was done.
    Done,
    /// They may not.
    Refused,
    /// It could not be done.
    Failed,
}

impl Fate {
    /// Every fate.
    pub const ALL: [Self; 3] = [Self::Done, Self::Refused, Self::Failed];

    /// The word stored and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// One line of the audit trail.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    /// Its place in time; 0 before it is kept.
    pub id: i64,
    /// When.
    pub at: Millis,
    /// Who: an account's name, `token <name>`, or a user of the server.
    pub who: String,
    /// By which way.
    pub via: Via,
    /// What was done, such as `review.answer`.
    pub act: String,
    /// To what, such as `event 12` or `flow orders`.
    pub what: String,
    /// Why, in their words.
    pub why: Option<String>,
    /// Where from: an IP address.
    pub address: Option<String>,
    /// What became of it.
    pub outcome: Fate,
    /// With which program, as it calls itself or as the company's provider knows it.
    pub client: Option<String>,
}

impl Act {
    /// Somebody did something now, and it was done; the rest is none.
    pub fn new(who: impl Into<String>, via: Via, act: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            id: 0,
            at: crate::time::now(),
            who: who.into(),
            via,
            act: act.into(),
            what: what.into(),
            why: None,
            address: None,
            outcome: Fate::Done,
            client: None,
        }
    }
}

/// Which acts a person wants to see.
#[derive(Clone, Debug, Default)]
pub struct ActFilter {
    /// Only theirs.
    pub who: Option<String>,
    /// Only those with these letters in act, target or reason.
    pub q: Option<String>,
    /// Only older ones.
    pub before: Option<i64>,
    /// Newest first, at most so many.
    pub limit: u32,
}

/// Who may use the console, who does, and what they did.
#[async_trait]
pub trait People: Send + Sync + 'static {
    /// All accounts, by name.
    async fn accounts(&self) -> Result<Vec<Account>>;
    /// One account.
    async fn account(&self, name: &str) -> Result<Option<Account>>;
    /// Makes an account or changes it. Where what it may do, or its password, is another one now, its sessions end, but for `kept`. False, and
    /// nothing is changed, where the name is that of somebody else: who signs in elsewhere takes over no account, nor is one of theirs taken.
    async fn account_put(&self, account: Account, kept: Option<String>) -> Result<bool>;
    /// Removes an account with its sessions and tokens; false where there is none.
    async fn account_remove(&self, name: &str) -> Result<bool>;

    /// Begins a session. Those that are over go.
    async fn session_begin(&self, session: Session) -> Result<()>;
    /// A session that is not over yet.
    async fn session(&self, id: &str, now: Millis) -> Result<Option<Session>>;
    /// It is used.
    async fn session_seen(&self, id: &str, now: Millis) -> Result<()>;
    /// All that are not over yet, newest first.
    async fn sessions(&self, now: Millis) -> Result<Vec<Session>>;
    /// Ends one; false where there is none.
    async fn session_end(&self, id: &str) -> Result<bool>;

    /// All tokens, newest first.
    async fn tokens(&self) -> Result<Vec<Token>>;
    /// A token that holds, by the digest of its secret.
    async fn token(&self, digest: &str, now: Millis) -> Result<Option<Token>>;
    /// Keeps a new one.
    async fn token_put(&self, token: Token) -> Result<()>;
    /// It is used.
    async fn token_used(&self, id: &str, now: Millis) -> Result<()>;
    /// Takes one back; false where there is none.
    async fn token_remove(&self, id: &str) -> Result<bool>;

    /// Adds to the audit trail, which nobody changes: what somebody did is bound to all that was done before (`trail`).
    async fn act(&self, act: Act) -> Result<()>;
    /// The audit trail, newest first.
    async fn acts(&self, filter: ActFilter) -> Result<Vec<Act>>;
    /// The audit trail as it is hashed, oldest first: at most so many lines behind one.
    async fn trail(&self, after: i64, limit: u32) -> Result<Page>;
    /// The line of it before one.
    async fn trail_before(&self, line: i64) -> Result<Option<Found>>;
    /// Numbers of its first line that was written since, and of the last one until then; none where there is no such line.
    async fn trail_between(&self, since: Millis, until: Millis) -> Result<Option<(i64, i64)>>;
    /// The newest line of it that has a hash.
    async fn trail_head(&self) -> Result<Option<Head>>;
}
