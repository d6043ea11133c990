//! Durable state: events, runs, the journal, links, storage, positions, releases, grants.
//!
//! One trait, so that another engine can stand behind it without touching a caller. A method that changes something
//! returns only when the change survives a power cut, except where it says otherwise.

mod among;
mod inbox;
mod model;
mod patient;
mod people;
pub mod postgres;
mod protection;
mod search;
mod sql;
pub mod sqlite;
pub mod trail;

use std::collections::BTreeMap;

pub use among::{Among, FRESH, Fence, GONE, Heard, HostSeen, Lost, Seat, Shared, Whose};
use async_trait::async_trait;
pub use inbox::Inbox;
pub use model::*;
pub use patient::{Patient, Unanswered};
pub use people::*;
pub use protection::*;
pub use search::*;
pub use sql::{KeyId, Keys, fresh_key};

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database engine failed.
    #[error("the database failed: {0}")]
    Database(String),
    /// The server of a database cannot be reached.
    #[error("the server of the database ([store] url) is not reached: {0}")]
    Unreached(String),
    /// The server of a database refuses.
    #[error(
        "the server of the database ([store] url) refuses: {0}; are the database and its user there (CREATE ROLE, CREATE DATABASE), and is [store] password the user's?"
    )]
    Refused(String),
    /// There is no room, or the disk fails.
    #[error("the disk is full or fails: {0}")]
    NoRoom(String),
    /// A command that makes none was asked to open one.
    #[error(
        "there is no database ([store] path, or url); `tandem init`, `tandem plugin grant` and `tandem run` make one"
    )]
    Missing,
    /// It is open, and lies no more where it was opened.
    #[error(
        "the database {0} was deleted or replaced while it was open: nothing new is taken in, since all that is written now is lost; put it back, or start with another one"
    )]
    Gone(String),
    /// This host was taken for dead, and others go on with its work.
    #[error("{0}; start it anew")]
    Lost(String),
    /// Another host has this store open.
    #[error("another tandem is using {0}; stop it first, or give this one its own `[store] path`")]
    InUse(String),
    /// The file was written by a newer Tandem.
    #[error("the database has format {found}, this tandem knows up to {known}; install the newer tandem again")]
    Newer {
        /// In the file.
        found: i64,
        /// In this binary.
        known: i64,
    },
    /// What is kept is sealed, and its key is not there, or is none.
    #[error("{0}")]
    Key(String),
    /// A stored value no version of Tandem has written.
    #[error("the database holds a value this tandem cannot read: {0}")]
    Corrupt(String),
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull | rusqlite::ErrorCode::SystemIoFailure) => {
                Self::NoRoom(error.to_string())
            }
            _ => match error.to_string() {
                text if text.contains(sql::sealing::NO_KEY) => Self::Key(text),
                text => Self::Database(text),
            },
        }
    }
}

/// Why a store does not take new work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreTrouble {
    /// What is written fails, and is tried again until it does not.
    TakesNoWrites,
    /// See [`StoreError::Gone`].
    Gone(String),
    /// See [`StoreError::Lost`].
    Lost,
}

impl std::fmt::Display for StoreTrouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TakesNoWrites => f.write_str("does not take writes: is the disk full, or its server away?"),
            Self::Gone(path) => StoreError::Gone(path.clone()).fmt(f),
            Self::Lost => Lost.fmt(f),
        }
    }
}

/// How a process means to use the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Runs flows: one process at a time. Makes the database where there is none.
    Host,
    /// Grants, before the first run or beside a running host. Makes the database where there is none.
    Maker,
    /// Looks and retries. Where there is no database, nothing is known of anything.
    Tool,
}

/// Shorthand of this room.
pub type Result<T> = std::result::Result<T, StoreError>;

/// What a flow kept, to read: its own storage, and the links.
#[async_trait]
pub trait Memory: Send + Sync + 'static {
    /// One value of a flow's storage.
    async fn storage_get(&self, flow: &str, key: &str) -> Result<Option<String>>;
    /// Entries by prefix, in key order; `None` when they have more than `most` bytes.
    async fn storage_scan(
        &self,
        flow: &str,
        prefix: &str,
        limit: u32,
        most: u64,
    ) -> Result<Option<Vec<(String, String)>>>;
    /// Bytes of keys and values a flow has stored.
    async fn storage_size(&self, flow: &str) -> Result<u64>;
    /// Links of one kind by the ids of one side, in order; `None` when they have more than `most` bytes.
    async fn links_find(
        &self,
        scope: &str,
        kind: &str,
        side: Side,
        ids: &[String],
        most: u64,
    ) -> Result<Option<Vec<Option<Link>>>>;
    /// Wake-ups of a flow that are planned.
    async fn wakes_planned(&self, flow: &str) -> Result<u64>;
}

/// The durable side of Tandem. Implementations group concurrent writes into few commits. Whatever a method says of
/// durability, no change is ever kept without those that came before it.
#[async_trait]
pub trait Store: Memory + People + Findings + Protection + Shared {
    /// Takes in events, the source's position and what it saw in one transaction; returns how many were new.
    async fn append(&self, intake: Intake) -> Result<u64>;
    /// The position a source stored last.
    async fn position(&self, source: &str) -> Result<Option<String>>;
    /// Digests of some records as a source saw them last, in order; see [`Sighting`].
    async fn seen(&self, source: &str, keys: Vec<String>) -> Result<Vec<Option<String>>>;
    /// How many records a source knows.
    async fn seen_count(&self, source: &str) -> Result<u64>;
    /// Keys of the records a source knows, in their order, `limit` at most after one.
    async fn seen_keys(&self, source: &str, after: &str, limit: u32) -> Result<Vec<String>>;

    /// Leases due events of a flow into a new run, first due first: never two with one key under way, none past an older
    /// unfinished event of its key, of each [`Lane`] its share. `None` when nothing is due. Durable with the next commit: a lease that a power cut takes back
    /// leaves the events ready. Only for the release that is live, so that nothing begins under one that was taken back.
    async fn lease(&self, flow: &str, release: &str, max: u32, now: Millis) -> Result<Leased>;
    /// The same, where no run of the flow is open on any host: of a flow that does one thing after the other, so that what was read first is never
    /// written last.
    async fn lease_alone(&self, flow: &str, release: &str, max: u32, now: Millis) -> Result<Leased>;
    /// Runs that a host which is gone left open, to be finished over their journal: this one's from now on. `at_start`: those that this one itself left
    /// open, too.
    async fn abandoned(&self, whose: Whose, at_start: bool) -> Result<Vec<Run>>;
    /// When the flow's next event falls due, if any is planned.
    async fn next_due(&self, flow: &str) -> Result<Option<Millis>>;
    /// Makes wake-ups that are due into events and sends overdue waiters to review; returns the flows touched.
    async fn sweep(&self, now: Millis) -> Result<Vec<String>>;

    /// Writes journal entries; on return as durable as asked.
    async fn journal_write(&self, run: RunId, entries: Vec<JournalEntry>, durability: Durability) -> Result<()>;
    /// All entries of a run, in order.
    async fn journal_read(&self, run: RunId) -> Result<Vec<JournalEntry>>;
    /// Packs the journals of runs that ended; how many. Nothing of them is lost but who reads packed ones by their subject:
    /// [`Store::journal_about`] then finds what they did, not what they read. Of flows that say so less is kept of what is finished from then on.
    async fn pack(&self, keeps: &BTreeMap<String, Kept>) -> Result<u64>;
    /// Runs that ended and whose journals are not packed yet.
    async fn unpacked(&self) -> Result<u64>;
    /// Ends an open run, once: verdicts, journal, storage, links, emitted events and wake-ups together. Returns the flows that
    /// have new work.
    async fn finish(&self, run: RunId, finish: Finish) -> Result<Vec<String>>;

    /// Keeps a run that only read, with its event and its journal, as if it had been leased and had ended; the event's id.
    async fn keep_read(&self, read: PastRead) -> Result<EventId>;

    /// Links in which an id appears on either side.
    async fn links_of(&self, id: &str) -> Result<Vec<Link>>;
    /// Salesforce ids with that prefix that are linked over a Salesforce connection, in their order, `limit` at most after one.
    async fn linked_ids(&self, salesforce: &str, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>>;

    /// Events, newest first.
    async fn events(&self, filter: EventFilter) -> Result<Vec<Event>>;
    /// One event.
    async fn event(&self, id: EventId) -> Result<Option<Event>>;
    /// Runs an event was in, oldest first.
    async fn runs_of(&self, event: EventId) -> Result<Vec<RunRecord>>;
    /// The events of a run and what each became, in words.
    async fn run(&self, id: RunId) -> Result<Option<Run>>;
    /// The last runs of a flow that ended without an error, newest first, which together had about so many events. Each topic has an equal share, as
    /// far as it was told: the echoes of a busy hour do not stand for all that the flow does.
    async fn runs_last(&self, flow: &str, events: u32) -> Result<Vec<RunId>>;
    /// Journal entries about a record, newest first, with their run; see [`Store::pack`].
    async fn journal_about(&self, subject: &str, limit: u32) -> Result<Vec<(RunId, JournalEntry)>>;
    /// Makes a review, waiting, rejected or delayed event ready at once, with a human's answer; false when it is in a
    /// run or finished.
    async fn retry(&self, event: EventId, resolution: Option<String>, now: Millis) -> Result<bool>;
    /// Gives an answer to an event that is in review and offers it, as [`Store::retry`] does; else what keeps it from it.
    async fn answer(&self, event: EventId, choice: &str, now: Millis) -> Result<Answered>;
    /// Ends a question that still offers just these `choices` by an answer that it does not offer, and takes another event in for it: both or neither.
    async fn answer_by(
        &self,
        event: EventId,
        choices: &[String],
        answer: &str,
        other: NewEvent,
        now: Millis,
    ) -> Result<Answered>;
    /// Grows with every event that enters or leaves review, whoever moved it.
    async fn questions_revision(&self) -> Result<u64>;
    /// How many events stand where.
    async fn counts(&self) -> Result<Vec<Count>>;
    /// Unfinished events of a flow that a backfill brought, by state.
    async fn counts_of_backfill(&self, flow: &str) -> Result<Vec<Count>>;

    /// Keeps a release and its parts; what is known already stays as it is.
    async fn release_put(&self, release: ReleaseRow, contents: Vec<Content>) -> Result<()>;
    /// A release of a flow.
    async fn release(&self, flow: &str, digest: &str) -> Result<Option<ReleaseRow>>;
    /// The releases of a flow, newest first.
    async fn releases(&self, flow: &str) -> Result<Vec<ReleaseRow>>;
    /// A part of releases by its digest.
    async fn content(&self, digest: &str) -> Result<Option<Vec<u8>>>;
    /// How a flow's releases went live, newest first: the first is the live one.
    async fn activations(&self, flow: &str, limit: u32) -> Result<Vec<Activation>>;
    /// Makes a release live; false where the last activation is another one than `instead_of`, or the release is not kept.
    async fn activate(&self, activation: Activation, instead_of: Option<i64>) -> Result<bool>;
    /// What a flow's files said last.
    async fn candidate(&self, flow: &str) -> Result<Option<Candidate>>;
    /// Keeps what a flow's files say.
    async fn candidate_put(&self, candidate: Candidate) -> Result<()>;

    /// Allows a plugin digest what it asks for.
    async fn grant(&self, grant: Grant) -> Result<()>;
    /// What was granted to a digest.
    async fn granted(&self, digest: &str) -> Result<Option<Grant>>;
    /// The newest grant of a plugin, whatever its digest.
    async fn last_grant(&self, plugin: &str) -> Result<Option<Grant>>;
    /// A secret of this store, made on first use: 32 random bytes.
    async fn secret(&self, name: &str) -> Result<Vec<u8>>;

    /// Removes journals and finished events that are old, then the oldest journals and the oldest finished events where they take too much room,
    /// and releases that no kept run ran under; gives the room back to the file system.
    async fn prune(&self, retention: &Retention) -> Result<Pruned>;
    /// Writes what is kept at one moment into a file that is there and empty, while others read and write: without keys, and with nobody
    /// signed in.
    async fn copy(&self, into: &std::path::Path) -> Result<()>;
    /// Why the store does not take new work; `None` while all is well.
    async fn trouble(&self) -> Option<StoreTrouble>;
}
