//! What people look for: events by words, by trace, in numbers.

use async_trait::async_trait;

use super::{Event, EventId, EventState, Millis, Result};

/// Which events a person looks for.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// A record's key, or the beginnings of words of key, outcome and payload.
    pub words: Option<String>,
    /// Words of what was told count, too, not only those of key and outcome.
    pub in_payloads: bool,
    /// Payloads are left out of what is found: they may be large.
    pub without_payloads: bool,
    /// Only of these flows; none: of all.
    pub flows: Option<Vec<String>>,
    /// Only in these states; empty: in all.
    pub states: Vec<EventState>,
    /// Taken in then or later.
    pub since: Option<Millis>,
    /// Taken in before.
    pub until: Option<Millis>,
    /// Only older ones than this.
    pub before: Option<EventId>,
    /// Newest first, at most so many.
    pub limit: u32,
}

/// How many events of a flow ended in a state within a minute.
#[derive(Clone, Debug, PartialEq)]
pub struct Rate {
    /// Since 1970.
    pub minute: i64,
    /// The flow.
    pub flow: String,
    /// The state: review, done or rejected.
    pub state: EventState,
    /// How many.
    pub events: u64,
}

/// What somebody keeps beside a question.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Note {
    /// In their words.
    pub note: Option<String>,
    /// Who looks after it.
    pub assignee: Option<String>,
    /// Until when.
    pub due: Option<Millis>,
}

/// A way to look at the events that somebody keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// What they call it.
    pub name: String,
    /// Whose.
    pub by: String,
    /// The query of the page's address.
    pub query: String,
    /// Others see it, too.
    pub shared: bool,
}

/// What people look for, and what they keep beside it.
#[async_trait]
pub trait Findings: Send + Sync + 'static {
    /// Events, newest first.
    async fn find(&self, search: Search) -> Result<Vec<Event>>;
    /// Events whose traces have the same beginning, oldest first: what one change brought about.
    async fn of_trace(&self, trace: &str, limit: u32) -> Result<Vec<Event>>;
    /// Unfinished events of a key that are older than one, oldest first: it waits for them.
    async fn ahead_of(&self, event: EventId, limit: u32) -> Result<Vec<Event>>;
    /// What a waiting event waits for: kind, side and id of a link.
    async fn awaited(&self, event: EventId) -> Result<Option<(String, String, String)>>;
    /// When the oldest unfinished event of each flow was taken in.
    async fn oldest(&self) -> Result<Vec<(String, Millis)>>;
    /// When the oldest question of each flow that has any was taken in.
    async fn oldest_questions(&self) -> Result<Vec<(String, Millis)>>;
    /// How many events ended where, from that minute on.
    async fn rates(&self, from: i64) -> Result<Vec<Rate>>;

    /// What is kept beside questions.
    async fn notes(&self, events: Vec<EventId>) -> Result<Vec<(EventId, Note)>>;
    /// Keeps it; an empty one goes.
    async fn note_put(&self, event: EventId, note: Note) -> Result<()>;
    /// Views: of somebody, and those that are shared.
    async fn views(&self, who: &str) -> Result<Vec<View>>;
    /// Keeps one in place of the one of that name.
    async fn view_put(&self, view: View) -> Result<()>;
    /// Removes one; false where there is none.
    async fn view_remove(&self, who: &str, name: &str) -> Result<bool>;
}
