//! The journal of one run: hands recorded results back in their order, writes new ones, and makes an effect durable
//! before it is sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::approved::Approved;
use super::canned::Canned;
use super::past::Past;
use super::{RunError, digest_of, paths};
use crate::store::{CallState, Durability, JournalEntry, RunId, Store};

/// Letters of a refused read that are told.
const MOST_TOLD: usize = 400;
/// Letters of a digest by which a request is told from another one.
const DIGEST: usize = 12;

/// How a run's calls reach the world.
pub enum Reach {
    /// Recorded results first, then the world; written to the store.
    Live {
        /// Where entries go.
        store: Arc<dyn Store>,
    },
    /// Answers from a past journal where it has them; effects are kept, not sent; nothing is written.
    Dry {
        /// What was answered then.
        past: Past,
        /// What it has not.
        unknown: Unknown,
    },
    /// Answers from a scenario; nothing else is reached, and nothing is written.
    Canned(Canned),
    /// Nothing is reached: `describe`.
    Nowhere,
}

/// What a rehearsal does with a read that the past run did not make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// It goes out: the answer is of now.
    Ask,
    /// It does not: the rehearsal cannot tell what would have been.
    Refuse,
}

/// Reads of a rehearsal that the past run did not make.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// Refused: method, slot and path, as far as it may be told, and the fields where only these lack.
    pub refused: Vec<String>,
    /// Answered by the systems or the store as they are now.
    pub asked: u64,
}

/// See the module's words.
pub struct Journal {
    run: RunId,
    reach: Reach,
    recorded: BTreeMap<(u32, u32), JournalEntry>,
    pending: Told,
    next: u32,
    /// When the last call began.
    began: Instant,
    /// Effects a dry run would have sent.
    captured: Vec<JournalEntry>,
    unread: Unread,
    /// What alone it may do, where a person said so.
    approved: Option<Approved>,
}

/// Entries that were noted and not written yet.
#[derive(Clone, Default)]
pub struct Told(Arc<Mutex<Vec<JournalEntry>>>);

impl Told {
    /// Hands them over.
    pub fn take(&self) -> Vec<JournalEntry> {
        std::mem::take(&mut self.entries())
    }

    fn entries(&self) -> MutexGuard<'_, Vec<JournalEntry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the journal knows of a call.
pub enum Known<T> {
    /// Its result.
    Done(T),
    /// It was about to be sent; whether it was is not known.
    Intended,
    /// Nothing.
    New,
}

impl Journal {
    /// For a run over what an earlier, interrupted try of the same run recorded.
    pub fn live(run: RunId, store: Arc<dyn Store>, recorded: Vec<JournalEntry>) -> Self {
        let recorded = recorded.into_iter().map(|entry| ((entry.seq, entry.item), entry)).collect();
        Self {
            run,
            reach: Reach::Live { store },
            recorded,
            pending: Told::default(),
            next: 0,
            began: Instant::now(),
            captured: Vec::new(),
            unread: Unread::default(),
            approved: None,
        }
    }

    /// The same for a run that may do what was approved, and nothing else.
    pub fn held_to(mut self, approved: Option<Approved>) -> Self {
        self.approved = approved;
        self
    }

    /// For a rehearsal over the journal of a past run.
    pub fn dry(past: &[JournalEntry], unknown: Unknown) -> Self {
        Self::without_store(Reach::Dry { past: Past::of(past), unknown })
    }

    /// For a scenario: what it has no answer to is refused.
    pub fn canned(answers: Canned) -> Self {
        Self::without_store(Reach::Canned(answers))
    }

    /// For `describe`.
    pub fn nowhere() -> Self {
        Self::without_store(Reach::Nowhere)
    }

    fn without_store(reach: Reach) -> Self {
        Self {
            run: RunId(0),
            reach,
            recorded: BTreeMap::new(),
            pending: Told::default(),
            next: 0,
            began: Instant::now(),
            captured: Vec::new(),
            unread: Unread::default(),
            approved: None,
        }
    }

    /// True when effects are kept, not sent.
    pub fn is_dry(&self) -> bool {
        !matches!(self.reach, Reach::Live { .. })
    }

    /// The number of the next host call.
    pub fn begin(&mut self) -> u32 {
        let seq = self.next;
        self.next += 1;
        self.began = Instant::now();
        seq
    }

    /// What is known of item `item` of call `seq`. A call other than the recorded one means that the plugin is not a
    /// pure function of its event and journal.
    pub fn known<T: DeserializeOwned>(
        &mut self,
        seq: u32,
        item: u32,
        kind: &str,
        request: &str,
    ) -> Result<Known<T>, RunError> {
        let parse = |text: &str| {
            serde_json::from_str(text)
                .map_err(|e| RunError::Diverged(format!("the journal's {kind} cannot be read: {e}")))
        };
        if let Reach::Dry { past, .. } = &mut self.reach {
            // The mapping is the release's own: what it gives follows from the record.
            let own = kind.starts_with("mapping.");
            return match past.answer(kind, request).filter(|_| !own) {
                Some(response) => Ok(Known::Done(parse(&response)?)),
                None => {
                    let of_the_store = ["storage.", "links."].iter().any(|store| kind.starts_with(store));
                    self.unread.asked += u64::from(of_the_store);
                    Ok(Known::New)
                }
            };
        }
        if let Reach::Canned(canned) = &mut self.reach {
            return Ok(match canned.answer(kind, request) {
                Some(response) => Known::Done(parse(&response)?),
                None => Known::New,
            });
        }
        let Some(entry) = self.recorded.get(&(seq, item)) else { return Ok(Known::New) };
        if entry.kind != kind || entry.request != request {
            let (was, is) = (outlined(&entry.kind, &entry.request), outlined(kind, request));
            return Err(RunError::Diverged(format!("call {seq}.{item} was {was} in the journal and is {is} now")));
        }
        match entry.state {
            CallState::Intended => Ok(Known::Intended),
            CallState::Done => Ok(Known::Done(parse(&entry.response)?)),
        }
    }

    /// Records a result, JSON text; written with the next effect or with the run's end.
    pub fn note(&mut self, seq: u32, item: u32, kind: &str, subject: &str, request: String, response: String) {
        let entry = JournalEntry {
            seq,
            item,
            kind: kind.to_owned(),
            subject: subject.to_owned(),
            request,
            response,
            state: CallState::Done,
            at: crate::time::now(),
            took: Some(u32::try_from(self.began.elapsed().as_millis()).unwrap_or(u32::MAX)),
        };
        self.pending.entries().push(entry);
    }

    /// What a past run was answered to an effect on the same record that wrote something else.
    pub fn known_like<T: DeserializeOwned>(&mut self, effect: &JournalEntry) -> Option<T> {
        let answer = match &mut self.reach {
            Reach::Dry { past, .. } => past.answer_like(effect),
            Reach::Canned(canned) => canned.answer_like(effect),
            Reach::Live { .. } | Reach::Nowhere => None,
        };
        serde_json::from_str(&answer?).ok()
    }

    /// What a past run was answered to a read of the same records that asked for other fields.
    pub fn known_about<T: DeserializeOwned>(&mut self, read: &JournalEntry) -> Option<T> {
        let Reach::Dry { past, .. } = &mut self.reach else { return None };
        serde_json::from_str(&past.answer_about(read)?).ok()
    }

    /// What a past run was answered to a read of the same records that asked for these fields and others.
    pub fn known_wider<T: DeserializeOwned>(&mut self, read: &JournalEntry) -> Option<T> {
        let Reach::Dry { past, .. } = &mut self.reach else { return None };
        serde_json::from_str(&past.answer_wider(read)?).ok()
    }

    /// Whether a read that the past run did not make may go out; counted in any case. `what` says which it is: what is told of it are the fields
    /// that lack, where only these do.
    pub fn may_read(&mut self, what: &str, read: &JournalEntry) -> bool {
        if self.refuses() {
            let fields = match &self.reach {
                Reach::Dry { past, .. } => past.fields_not_read(read).join(", "),
                _ => String::new(),
            };
            let told = if fields.is_empty() { what.to_owned() } else { format!("{what}: {fields}") };
            self.unread.refused.push(told.chars().take(MOST_TOLD).collect());
            return false;
        }
        self.unread.asked += 1;
        true
    }

    fn refuses(&self) -> bool {
        matches!(self.reach, Reach::Dry { unknown: Unknown::Refuse, .. } | Reach::Canned(_))
    }

    /// True where answers come from a scenario: whose author may be told all that was asked.
    pub fn is_canned(&self) -> bool {
        matches!(self.reach, Reach::Canned(_))
    }

    /// The reads of a rehearsal that the past run did not make.
    pub fn take_unread(&mut self) -> Unread {
        std::mem::take(&mut self.unread)
    }

    /// Records what a dry run would have sent.
    pub fn capture(&mut self, entry: JournalEntry) {
        self.captured.push(entry);
    }

    /// Writes effects down before they are sent, with all that was noted before them.
    pub async fn intend(&mut self, intents: Vec<JournalEntry>, durability: Durability) -> Result<(), RunError> {
        let Reach::Live { store } = &self.reach else { return Ok(()) };
        let mut entries = self.pending.take();
        entries.extend(intents);
        store.journal_write(self.run, entries, durability).await.map_err(RunError::Store)
    }

    /// What was noted and not written yet: kept for whoever holds it, also of a run that ends without a report.
    pub fn told(&self) -> Told {
        self.pending.clone()
    }

    /// The next effect: an error for one that was not approved.
    pub fn take_approved(&mut self, request: &str) -> Result<(), RunError> {
        self.approved.as_mut().map_or(Ok(()), |approved| approved.take(request))
    }

    /// Effects that were approved and were not made.
    pub fn unmade(&self) -> usize {
        self.approved.as_ref().map_or(0, Approved::left)
    }

    /// What came of an effect: later ones may name what it made.
    pub fn came_of_approved(&mut self, body: &str) {
        if let Some(approved) = &mut self.approved {
            approved.came(body);
        }
    }

    /// The effects of a dry run, in order.
    pub fn take_captured(&mut self) -> Vec<JournalEntry> {
        std::mem::take(&mut self.captured)
    }
}

/// Which call it is, and by what it is told from another one; nothing of what it says, which is customers' data.
fn outlined(kind: &str, request: &str) -> String {
    let asked: Value = serde_json::from_str(request).unwrap_or_default();
    let text = |name: &str| asked.get(name).and_then(Value::as_str).unwrap_or_default();
    let (method, path) = (text("method"), shortened(paths::shown(text("path"))));
    let told: Vec<&str> = [kind, method, &path].into_iter().filter(|part| !part.is_empty()).collect();
    let digest = digest_of(request.as_bytes());
    format!("{} ({})", told.join(" "), digest.get(..DIGEST).unwrap_or(&digest))
}

fn shortened(path: &str) -> String {
    crate::plain::readable(path.to_owned(), MOST_TOLD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_diverges_says_which_call_and_nothing_of_what_is_in_it() {
        let asked = |name: &str| {
            let path = format!("/BusinessPartners('C1')?$filter=CardName eq '{name}'");
            serde_json::json!({ "slot": "b1", "method": "PATCH", "path": path, "body": format!("{{\"Name\":\"{name}\"}}") }).to_string()
        };
        let entry = JournalEntry {
            seq: 3,
            item: 0,
            kind: "http".into(),
            subject: "C1".into(),
            request: asked("Anna"),
            response: "{}".into(),
            state: CallState::Done,
            at: 0,
            took: None,
        };
        let mut journal = Journal::nowhere();
        journal.recorded.insert((3, 0), entry);
        let told = journal.known::<Value>(3, 0, "http", &asked("Bert")).err().unwrap().to_string();
        assert!(told.contains("call 3.0 was http PATCH /BusinessPartners('C1') ("), "{told}");
        assert!(!told.contains("Anna") && !told.contains("Bert") && told.matches('(').count() >= 4, "{told}");
        // What is no call over the network, too.
        let told = journal.known::<Value>(3, 0, "storage.get", "Bert").err().unwrap().to_string();
        assert!(told.contains("storage.get (") && !told.contains("Bert"), "{told}");
    }

    #[test]
    fn what_was_answered_outlives_a_run_that_ends_without_a_report() {
        let mut journal = Journal::nowhere();
        let told = journal.told();
        journal.note(0, 0, "http", "006", "{}".into(), "\"answered\"".into());
        drop(journal);
        assert_eq!(told.take()[0].response, "\"answered\"");
        assert!(told.take().is_empty(), "handed over once");
    }
}
