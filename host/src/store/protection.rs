//! What is kept of one person, and how it goes; and with which key values are sealed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;

use super::{Event, EventId, JournalEntry, Link, Result, RunId};
use crate::personal::Keys;

/// How far something is, and of how much.
pub type Progress = Arc<dyn Fn(u64, u64) + Send + Sync>;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordKind {
    /// An account, and its business partner.
    Account,
    /// A contact, and its contact employee of a business partner.
    Contact,
    /// Of Salesforce alone, or linked with something that is no person.
    Record,
}

impl RecordKind {
    /// As people read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Contact => "contact",
            Self::Record => "record",
        }
    }
}

/// A record by the ids of both sides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct KnownAs {
    /// What it is.
    pub kind: RecordKind,
    /// Its id in Salesforce.
    pub salesforce: Option<String>,
    /// A CardCode; of a contact `CardCode:InternalCode`.
    pub b1: Option<String>,
    /// Between which connections, `<b1>|<salesforce>`, where it is known.
    pub between: Option<String>,
}

/// One person: the records that are theirs.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Whom {
    /// Each of them.
    pub records: BTreeSet<KnownAs>,
}

impl Whom {
    /// By what their records are told.
    pub fn keys(&self) -> Keys {
        let mut keys = Keys::default();
        for record in &self.records {
            keys.salesforce.extend(record.salesforce.clone());
            match (record.kind, &record.b1) {
                (RecordKind::Account, Some(code)) => {
                    keys.partners.insert(code.clone());
                }
                (RecordKind::Contact, Some(code)) => {
                    let pair = code.rsplit_once(':').map(|(card, code)| (card.to_owned(), code.to_owned()));
                    keys.employees.extend(pair);
                }
                _ => {}
            }
        }
        keys
    }

    /// The connection of the business partner with this CardCode, where it is known.
    pub fn companies(&self, card_code: &str) -> BTreeSet<&str> {
        let of_it = |record: &&KnownAs| match (record.kind, &record.b1) {
            (RecordKind::Account, Some(code)) => code == card_code,
            (RecordKind::Contact, Some(code)) => code.rsplit_once(':').is_some_and(|(card, _)| card == card_code),
            _ => false,
        };
        let scopes = self.records.iter().filter(of_it).filter_map(|record| record.between.as_deref());
        scopes.filter_map(|scope| scope.split('|').next()).collect()
    }
}

/// All that is kept of a record.
#[derive(Debug, Default, Serialize)]
pub struct Dossier {
    /// As which it is known.
    pub whom: Whom,
    /// Pairs of records it is in.
    pub links: Vec<Link>,
    /// Events about it, oldest first.
    pub events: Vec<Event>,
    /// Calls about it, with their run, oldest first.
    pub calls: Vec<CallOf>,
    /// What people noted beside its events.
    pub notes: BTreeMap<i64, String>,
    /// What flows keep under a key that names it, or that names the person.
    pub storage: Vec<Stored>,
    /// Events of others that name the person.
    pub named_in: Vec<EventId>,
    /// Runs about others in which the person is named.
    pub named_in_runs: Vec<RunId>,
    /// Lines of the audit trail that name it or the person.
    pub acts: Vec<String>,
}

impl Dossier {
    /// Nothing is known of it.
    pub fn is_nothing(&self) -> bool {
        let of_its_own = self.links.is_empty() && self.events.is_empty() && self.calls.is_empty();
        let beside = self.notes.is_empty() && self.storage.is_empty() && self.acts.is_empty();
        of_its_own && beside && self.named_in.is_empty() && self.named_in_runs.is_empty()
    }
}

/// A call of a run.
#[derive(Debug, Serialize)]
pub struct CallOf {
    /// The run.
    pub run: RunId,
    /// What was asked, and what came back.
    #[serde(flatten)]
    pub entry: JournalEntry,
}

/// What a flow keeps for itself.
#[derive(Debug, Serialize)]
pub struct Stored {
    /// The flow.
    pub flow: String,
    /// Its own key.
    pub key: String,
    /// JSON text.
    pub value: String,
}

/// Whether something is only counted, or done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forget {
    /// Counted: nothing is changed.
    Rehearse,
    /// Done.
    ForGood,
}

/// What goes, or went, and what stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Forgotten {
    /// Finished events about it, emptied: their ids stay, so that one that is told again is not taken for a new one.
    pub events: u64,
    /// Finished events of others in which the person was named.
    pub named_in: u64,
    /// Runs that failed in words in which the person was named.
    pub errors: u64,
    /// Journals from which calls about it, or its values, were taken.
    pub journals: u64,
    /// Links of which only the ids are left.
    pub links: u64,
    /// Links of others in whose base the person was named.
    pub named_in_links: u64,
    /// Values of flows' storage.
    pub storage: u64,
    /// Notes beside questions.
    pub notes: u64,
    /// Views of the console that look for the person.
    pub views: u64,
    /// Lines of the audit trail of whose texts only a hash is left.
    pub acts: u64,
    /// Values by which the person was looked for.
    pub values: u64,
    /// What stays, and why.
    pub stays: Stays,
    /// Nothing of it is left in the file's free room and log.
    pub wiped: bool,
}

impl Forgotten {
    /// There is nothing to forget.
    pub fn is_nothing(&self) -> bool {
        let all = [
            self.events,
            self.named_in,
            self.errors,
            self.journals,
            self.links,
            self.named_in_links,
            self.storage,
            self.notes,
            self.views,
            self.acts,
        ];
        all.iter().all(|count| *count == 0)
    }
}

/// What stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stays {
    /// Unfinished events about it: their flows still need what they say.
    pub open_events: Vec<i64>,
    /// Unfinished events of others that name the person.
    pub open_named_in: Vec<i64>,
    /// Runs under way: their journals keep what they did from being done twice.
    pub open_runs: u64,
    /// Wake-ups that flows have planned and that name the person.
    pub wakes: u64,
    /// Pairs of ids: without them the same record would be made a second time.
    pub links: u64,
    /// Lines of the audit trail that name it by its ids alone: nobody changes what was done.
    pub acts: u64,
    /// What the host keeps to tell people, and to go on from.
    pub positions: u64,
    /// Of its own data, while anything unfinished names the person: events, links and journals, by which they are found there when it is finished.
    pub kept_back: u64,
}

/// With which keys values are sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Seals {
    /// The key that seals now; none where values are kept as they are.
    pub current: Option<String>,
    /// Keys that open.
    pub known: Vec<String>,
    /// Keys with which anything may be sealed.
    pub used: Vec<String>,
    /// Values by the key that they are sealed with; an empty one: kept as they are.
    pub values: BTreeMap<String, u64>,
    /// The key that all words are under, by which events are found; none where they are under more than one, or kept as they are.
    pub words: Option<String>,
}

/// What was sealed anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Resealed {
    /// How many values.
    pub values: u64,
    /// Nothing of what was readable before is left in the file's free room and log.
    pub wiped: bool,
}

/// Data protection.
#[async_trait]
pub trait Protection: Send + Sync + 'static {
    /// All that is kept of a person.
    async fn dossier(&self, whom: Whom, told: Progress) -> Result<Dossier>;
    /// Takes a person's data out, or says what would go. May be broken off, and gone on with.
    async fn forget(&self, whom: Whom, how: Forget, told: Progress) -> Result<Forgotten>;
    /// Whom a record that a person names may be: more than one where it is a number of two things. `salesforce`: its id in full, where it
    /// is written like one.
    async fn meant(&self, record: &str, salesforce: Option<String>) -> Result<Vec<Whom>>;
    /// A keyed hash of an id: tells the same one again, and not which it is.
    async fn pseudonym(&self, id: &str) -> Result<String>;
    /// With which keys values are sealed.
    async fn seals(&self) -> Result<Seals>;
    /// Seals all that is not sealed with the key that seals now. May be broken off, and gone on with; refused while a host runs that has not the
    /// same key.
    async fn reseal(&self, told: Progress) -> Result<Resealed>;
    /// Why the keys that are there now are not taken up, and the host goes on with those it has.
    fn key_refused(&self) -> Option<String>;
}
