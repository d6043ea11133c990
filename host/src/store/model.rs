//! The words of the store: what is kept durably, and in which shape it goes in and out.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Milliseconds since 1970-01-01T00:00:00Z. The one unit of time in the store.
pub type Millis = i64;

/// Position of one durable event; grows with age order within one store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(pub i64);

/// One attempt at a batch of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub i64);

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where an event stands. The numbers are stored: never reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(i64)]
pub enum EventState {
    /// Runs as soon as it is due and first of its key.
    Ready = 0,
    /// In a run.
    Leased = 1,
    /// Until a link appears, or its deadline passes.
    Waiting = 2,
    /// Held for a human; does not hold up later events of its key.
    Review = 3,
    /// Finished.
    Done = 4,
    /// Can never succeed.
    Rejected = 5,
    /// Was in review when a later event of its key was done; or asked what an open question asks already.
    Superseded = 6,
}

impl EventState {
    /// Every state, in the order a person expects to read them.
    pub const ALL: [Self; 7] =
        [Self::Ready, Self::Leased, Self::Waiting, Self::Review, Self::Done, Self::Rejected, Self::Superseded];

    /// The state stored under that number; `None` for a number no version of Tandem has written.
    pub fn from_stored(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|state| *state as i64 == number)
    }

    /// Nothing more becomes of it by itself.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Rejected | Self::Superseded)
    }

    /// The word used in tables, JSON and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Leased => "leased",
            Self::Waiting => "waiting",
            Self::Review => "review",
            Self::Done => "done",
            Self::Rejected => "rejected",
            Self::Superseded => "superseded",
        }
    }
}

/// How much is kept of what an event or a run said. The numbers are stored: never reuse one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(i64)]
pub enum Kept {
    /// All of it.
    #[default]
    Whole = 0,
    /// Names of fields, and keyed hashes in place of their values: what was equal still is.
    Hashed = 1,
    /// Nothing but the ids.
    Ids = 2,
    /// A person was forgotten of whom it told.
    Forgotten = 3,
}

impl Kept {
    /// Every way to keep.
    pub const ALL: [Self; 4] = [Self::Whole, Self::Hashed, Self::Ids, Self::Forgotten];

    /// The one stored under that number; `None` for a number no version of Tandem has written.
    pub fn from_stored(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kept| *kept as i64 == number)
    }

    /// All of it is there.
    pub fn is_whole(&self) -> bool {
        *self == Self::Whole
    }

    /// The word used in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Hashed => "hashed",
            Self::Ids => "ids",
            Self::Forgotten => "forgotten",
        }
    }

    /// Why it cannot be gone through again; none where it can.
    pub fn why(self) -> Option<&'static str> {
        match self {
            Self::Whole => None,
            Self::Hashed => {
                Some("only hashes of its values are kept since it is finished (`keep` of the flow in tandem.toml)")
            }
            Self::Ids => Some(
                "its payload and its journal are not kept since it is finished (`keep` of the flow in tandem.toml)",
            ),
            Self::Forgotten => Some("a person was forgotten of whom it told (`tandem forget`)"),
        }
    }
}

/// How long what is finished is kept, and how much of it may be there.
#[derive(Clone, Debug)]
pub struct Retention {
    /// What finished before goes.
    pub before: Millis,
    /// The same of flows that have a day of their own.
    pub of_flows: BTreeMap<String, Millis>,
    /// Beyond so many bytes the oldest goes, too.
    pub max_bytes: u64,
}

impl Retention {
    /// The same for all flows.
    pub fn of(before: Millis, max_bytes: u64) -> Self {
        Self { before, of_flows: BTreeMap::new(), max_bytes }
    }
}

/// What a person was asked about an event last, and answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// The question.
    pub asked: String,
    /// The choice.
    pub answer: String,
    /// When it was given.
    pub at: Millis,
}

/// What became of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// It was given.
    Given,
    /// It is not asked: the event stands so.
    NotAsked(EventState),
    /// It is asked something else; these are offered.
    NotOffered(Vec<String>),
    /// The event is not kept any more.
    Gone,
}

/// Which system an id belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// SAP Business One.
    B1,
    /// Salesforce.
    Salesforce,
}

impl Side {
    /// The word stored and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::B1 => "b1",
            Self::Salesforce => "salesforce",
        }
    }

    /// The one that it is not.
    pub fn other(self) -> Self {
        match self {
            Self::B1 => Self::Salesforce,
            Self::Salesforce => Self::B1,
        }
    }
}

/// An event on its way in.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// The flow it is for.
    pub flow: String,
    /// What happened, such as `salesforce.Opportunity`.
    pub topic: String,
    /// Orders events of one flow.
    pub key: String,
    /// What kind of record the key names, such as `b1.Items` or `salesforce.Account`: item `1` is not price list `1`. Empty for
    /// what is about whatever record has that key.
    pub kind: String,
    /// The same dedup id on the same flow and topic is taken once, for as long as the event is kept.
    pub dedup: String,
    /// JSON text.
    pub payload: String,
    /// Trace id from the source, 32 hex digits.
    pub trace: String,
    /// How soon it is to run.
    pub haste: Haste,
    /// Set for what goes straight to review.
    pub held: Option<Question>,
}

/// What a human is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Why, in words.
    pub reason: String,
    /// Offered answers.
    pub choices: Vec<String>,
    /// The records on both sides and the candidates, JSON text; empty when the reason says it all.
    pub detail: String,
}

impl Question {
    /// With the two answers that always make sense.
    pub fn retry_or_ignore(reason: String) -> Self {
        Self { reason, choices: vec!["retry".into(), "ignore".into()], detail: String::new() }
    }

    /// The same, said so that it can be read in any language: English with its places (`{why}`) filled in, and key and parameters beside
    /// it, as plugins say them.
    pub fn say<const N: usize>(key: &str, english: &str, with: [(&str, String); N]) -> Self {
        let mut reason = String::new();
        let mut rest = english;
        // In one go: what is filled in is not looked through again.
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, behind)) = after.split_once('}') else { break };
            reason.push_str(before);
            reason.push_str(with.iter().find(|(own, _)| *own == name).map_or("", |(_, value)| value.as_str()));
            rest = behind;
        }
        reason.push_str(rest);
        let with: serde_json::Map<String, Value> =
            with.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let detail = json!({ "said": [{ "key": key, "with": with }] }).to_string();
        Self { detail, ..Self::retry_or_ignore(reason) }
    }
}

/// Which events share a flow's runs half and half, so that a flood of one kind holds up no other. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(i64)]
pub enum Lane {
    /// What happens now.
    #[default]
    Live = 0,
    /// What a person asked to have gone through again.
    Backfill = 1,
}

/// How soon an event is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Haste {
    /// A person or a record waits for it.
    #[default]
    AtOnce,
    /// Within a second, together with what else comes in it: many that are shown in one system then share its calls.
    WithOthers,
}

impl Haste {
    /// When an event that comes now is due.
    pub fn due(self, now: Millis) -> Millis {
        /// What comes within so much runs together.
        const SHARED: Millis = 1_000;
        match self {
            Self::AtOnce => now,
            Self::WithOthers => (now / SHARED + 1) * SHARED,
        }
    }
}

/// What a source hands over in one transaction.
#[derive(Clone, Debug, Default)]
pub struct Intake {
    /// In the order they happened.
    pub events: Vec<NewEvent>,
    /// The source's name and its own position after these events, opaque JSON.
    pub position: Option<(String, String)>,
    /// The name of a source that compares its records, and what it saw of some.
    pub seen: Option<(String, Vec<Sighting>)>,
    /// Of all these events.
    pub lane: Lane,
    /// `WithNextCommit` for a source that tells again whatever is after the position kept.
    pub durability: Durability,
}

/// How a source that compares its records saw one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// By which the source knows it.
    pub key: String,
    /// Of its content; none: it is gone.
    pub digest: Option<String>,
}

/// A stored event.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// Its place in age order.
    pub id: EventId,
    /// The flow it is for.
    pub flow: String,
    /// What happened.
    pub topic: String,
    /// Orders events of one flow.
    pub key: String,
    /// JSON text.
    pub payload: String,
    /// 32 hex digits.
    pub trace: String,
    /// Where it stands.
    pub state: EventState,
    /// Not run before.
    pub due_at: Millis,
    /// Attempts at it, a run under way included; outages are not counted.
    pub attempts: u32,
    /// When it was taken in.
    pub created_at: Millis,
    /// When it reached a final state.
    pub finished_at: Option<Millis>,
    /// What was done, or why not, in words.
    pub reason: Option<String>,
    /// Offered answers while in review.
    pub choices: Vec<String>,
    /// What to decide by while in review, JSON text; empty when the reason says it all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The answer a human gave.
    pub resolution: Option<String>,
    /// How much of payload and question is kept.
    #[serde(skip_serializing_if = "Kept::is_whole")]
    pub kept: Kept,
}

impl Event {
    /// What was decided about it last, while it is kept.
    pub fn decided(&self) -> Option<Decided> {
        let detail: Value = serde_json::from_str(&self.detail).ok()?;
        serde_json::from_value(detail.get("decided")?.clone()).ok()
    }

    /// Its detail once this is the answer to what it asks now.
    pub(super) fn detail_with(&self, answer: &str, at: Millis) -> String {
        let detail = serde_json::from_str(&self.detail).ok();
        let mut fields = match detail {
            Some(Value::Object(fields)) => fields,
            _ => serde_json::Map::new(),
        };
        fields.insert("decided".into(), json!({ "asked": self.reason, "answer": answer, "at": at }));
        Value::Object(fields).to_string()
    }
}

/// A leased batch: at most one event per key.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The flow all events belong to.
    pub flow: String,
    /// Digest of the release the run started under, which recovery uses too; of runs of before there were releases, that of their plugin.
    pub release: String,
    /// Oldest first.
    pub events: Vec<Event>,
    /// One of them was in a run before: what it asks for may have been carried out already.
    pub repeated: bool,
    /// How much of its journal is kept.
    pub kept: Kept,
}

/// What became of asking for work.
#[derive(Clone, Debug)]
pub enum Leased {
    /// A batch.
    Run(Run),
    /// Nothing is due.
    Nothing,
    /// Another release of the flow is live than the one it was asked for: nothing was leased.
    NotLive,
}

impl Leased {
    /// The batch, if there is one.
    pub fn run(self) -> Option<Run> {
        match self {
            Self::Run(run) => Some(run),
            Self::Nothing | Self::NotLive => None,
        }
    }
}

/// What a journal entry records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallState {
    /// An effect made durable before it was sent; whether it was carried out is not known.
    Intended,
    /// The call's result is recorded.
    Done,
}

/// Whether a change must survive a power cut by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Durability {
    /// Synced before the caller goes on.
    #[default]
    Now,
    /// Synced with the next commit that is: a crash of the process loses nothing, a power cut may lose this and all that
    /// came after it, never something before it. For what can be done again.
    WithNextCommit,
}

/// One host call of a run.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct JournalEntry {
    /// The run's n-th host call, from 0.
    pub seq: u32,
    /// The place within a many-at-once call, from 0.
    pub item: u32,
    /// The capability, such as `http`, `storage.get`, `clock.now`.
    pub kind: String,
    /// The record the call is about; may be empty.
    pub subject: String,
    /// What was asked, JSON text.
    pub request: String,
    /// What came back, JSON text; empty while intended.
    pub response: String,
    /// Whether the result is known.
    pub state: CallState,
    /// When it was written.
    pub at: Millis,
    /// How long the call took, in milliseconds, with what went out in the same call; none while intended, and of before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took: Option<u32>,
}

/// The pair of record ids that one thing has in both systems.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// The two connections it is between, `b1-name|salesforce-name`.
    pub scope: String,
    /// Kind of thing, such as `account` or `order`.
    pub kind: String,
    /// The key in B1, as text.
    pub b1_id: String,
    /// The 18-character Salesforce id.
    pub salesforce_id: String,
    /// Last synced value of every mapped field, JSON text.
    pub base: String,
}

/// What became of one event of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Finished, with what was done.
    Done(String),
    /// Run again.
    Retry {
        /// Not before.
        due_at: Millis,
        /// In words.
        why: String,
        /// False when an outage was to blame: those do not wear the event out.
        counts: bool,
        /// At most so many events in its next run (a batch that trapped is halved).
        batch_max: Option<u32>,
    },
    /// Until that link appears.
    Wait {
        /// See [`Link::scope`].
        scope: String,
        /// See [`Link::kind`].
        kind: String,
        /// The side whose id is known.
        side: Side,
        /// That id.
        id: String,
        /// Then it goes to review.
        deadline: Millis,
        /// When it runs again if that link is there already; that counts as an attempt.
        there_at: Millis,
        /// It was tried as often as may be: if that link is there already, a person is asked.
        tired: bool,
    },
    /// Held for a human.
    Review(Question),
    /// Can never succeed.
    Reject(String),
}

/// A write to a flow's storage.
#[derive(Clone, Debug, PartialEq)]
pub enum StorageWrite {
    /// Key and JSON text.
    Set(String, String),
    /// Key.
    Delete(String),
}

/// A change to links.
#[derive(Clone, Debug, PartialEq)]
pub enum LinkWrite {
    /// Make or replace.
    Put(Link),
    /// Remove by scope, kind and Salesforce id.
    Delete(String, String, String),
}

/// Before the name of the tool, the topic of the event that a call of it is.
pub const TOOL: &str = "tandem.tool.";
/// Before the name of an agent of one's own: the flow of what it is asked. No flow has a colon in its name.
pub const AGENT: &str = "agent:";
/// The topic of the event that a wake-up becomes.
pub const WAKE: &str = "timer.wake";

/// A wake-up asked for by a plugin.
#[derive(Clone, Debug, PartialEq)]
pub struct Wake {
    /// When.
    pub at: Millis,
    /// Key of the event it becomes.
    pub key: String,
    /// JSON text.
    pub payload: String,
}

/// All that a run leaves behind, committed in one transaction.
#[derive(Clone, Debug, Default)]
pub struct Finish {
    /// One for each event of the run.
    pub verdicts: Vec<(EventId, Verdict)>,
    /// Journal entries not yet written.
    pub journal: Vec<JournalEntry>,
    /// To the flow's storage.
    pub storage: Vec<StorageWrite>,
    /// To the links.
    pub links: Vec<LinkWrite>,
    /// Events for flows.
    pub emitted: Vec<NewEvent>,
    /// Wake-ups for this flow.
    pub wakes: Vec<Wake>,
    /// The named error that ended the run, if one did.
    pub error: Option<String>,
}

/// A run that was over before anything of it was kept: one that did nothing but read.
#[derive(Clone, Debug)]
pub struct PastRead {
    /// What it was about.
    pub event: NewEvent,
    /// Digest of the release that it ran under.
    pub release: String,
    /// When it began.
    pub started_at: Millis,
    /// What became of its event.
    pub verdict: Verdict,
    /// All that it read.
    pub journal: Vec<JournalEntry>,
    /// The named error that ended it, if one did.
    pub error: Option<String>,
}

/// Which events a person wants to see.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Only this flow.
    pub flow: Option<String>,
    /// Only this state.
    pub state: Option<EventState>,
    /// Only this key.
    pub key: Option<String>,
    /// Newest first, at most so many.
    pub limit: u32,
}

/// One run of an event, for `explain` and `events show`.
#[derive(Clone, Debug, Serialize)]
pub struct RunRecord {
    /// Its id.
    pub id: RunId,
    /// The flow.
    pub flow: String,
    /// Digest of the release it ran under; of runs of before there were releases, that of their plugin.
    pub release: String,
    /// When it was leased.
    pub started_at: Millis,
    /// When it finished; none while open or when the host was killed in it.
    pub finished_at: Option<Millis>,
    /// The named error that ended it.
    pub error: Option<String>,
    /// How many events were in it.
    pub events: u32,
    /// How much of its journal is kept.
    #[serde(skip_serializing_if = "Kept::is_whole")]
    pub kept: Kept,
}

/// A release of a flow: everything the flow runs, as one digest.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReleaseRow {
    /// The flow.
    pub flow: String,
    /// SHA-256 of the manifest, hex.
    pub digest: String,
    /// JSON text that names the parts by their digests; the room `releases` says how.
    pub manifest: String,
    /// Where it came from, in words: the files, an imported file.
    pub origin: String,
    /// When it was first seen.
    pub made_at: Millis,
    /// The key that all its code was signed with, as minisign prints it; none where it was not, or by nobody who was known then.
    pub signed_by: Option<String>,
}

/// A part of a release: a component, the text of a mapping.
#[derive(Clone, Debug)]
pub struct Content {
    /// SHA-256 of the bytes, hex.
    pub digest: String,
    /// The part itself.
    pub bytes: Vec<u8>,
}

/// A release going live.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Activation {
    /// Its place in time; 0 before it is kept.
    pub id: i64,
    /// The flow.
    pub flow: String,
    /// The release's digest.
    pub release: String,
    /// Who made it live: a user of this server, or the files.
    pub who: String,
    /// Why, in words.
    pub why: String,
    /// When.
    pub at: Millis,
    /// The one that a rollback returns to, by its id; none where there is no earlier one.
    pub back: Option<i64>,
}

/// What the files of a flow said last.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// The flow.
    pub flow: String,
    /// The release's digest.
    pub release: String,
    /// Since when they say so.
    pub at: Millis,
    /// Why it is not made live, in words; none once it was. One that was live and was taken back stays so until the files change.
    pub held: Option<String>,
}

/// What an operator allowed one plugin digest: the permissions of `describe`, as JSON text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Grant {
    /// SHA-256 of the component, hex.
    pub digest: String,
    /// The plugin's name.
    pub plugin: String,
    /// JSON list of permissions.
    pub permissions: String,
    /// When it was granted.
    pub granted_at: Millis,
}

/// How many events stand where.
#[derive(Clone, Debug, Serialize, PartialEq)]
pub struct Count {
    /// The flow.
    pub flow: String,
    /// The state.
    pub state: EventState,
    /// How many.
    pub events: u64,
}

/// What retention removed.
#[derive(Clone, Copy, Debug, Default, Serialize, PartialEq)]
pub struct Pruned {
    /// Journals of runs.
    pub runs: u64,
    /// Finished events.
    pub events: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_of_the_host_is_english_and_travels_as_its_key_with_parameters() {
        let with = [("attempts", "5".to_owned()), ("why", "{attempts} lost".to_owned())];
        let question = Question::say("host.gave_up", "gave up after {attempts} attempts: {why}", with);
        assert_eq!(question.reason, "gave up after 5 attempts: {attempts} lost");
        let detail: Value = serde_json::from_str(&question.detail).unwrap();
        let said = json!({ "key": "host.gave_up", "with": { "attempts": "5", "why": "{attempts} lost" } });
        assert_eq!(detail, json!({ "said": [said] }));
    }
}
