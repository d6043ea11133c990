//! The journal of one run: hands recorded results back in their order, writes new ones, and makes an effect durable
//! before it is sent.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::de::DeserializeOwned;

use super::RunError;
use crate::store::{CallState, Durability, JournalEntry, RunId, Store};

/// How a run's calls reach the world.
pub enum Reach {
    /// Recorded results first, then the world; written to the store.
    Live {
        /// Where entries go.
        store: Arc<dyn Store>,
    },
    /// Reads from a past journal where it has them, else live; effects are kept, not sent; nothing is written.
    Dry {
        /// Recorded responses by what was asked.
        past: HashMap<String, VecDeque<String>>,
    },
    /// Nothing is reached: `describe`.
    Nowhere,
}

/// See the module's words.
pub struct Journal {
    run: RunId,
    reach: Reach,
    recorded: BTreeMap<(u32, u32), JournalEntry>,
    pending: Told,
    next: u32,
    /// Effects a dry run would have sent.
    captured: Vec<JournalEntry>,
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
        Self { run, reach: Reach::Live { store }, recorded, pending: Told::default(), next: 0, captured: Vec::new() }
    }

    /// For a dry run over the journal of a past one.
    pub fn dry(past: &[JournalEntry]) -> Self {
        let mut responses: HashMap<String, VecDeque<String>> = HashMap::new();
        for entry in past.iter().filter(|entry| entry.state == CallState::Done) {
            responses.entry(fingerprint(&entry.kind, &entry.request)).or_default().push_back(entry.response.clone());
        }
        Self::without_store(Reach::Dry { past: responses })
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
            captured: Vec::new(),
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
        if let Reach::Dry { past } = &mut self.reach {
            return match past.get_mut(&fingerprint(kind, request)).and_then(VecDeque::pop_front) {
                Some(response) => Ok(Known::Done(parse(&response)?)),
                None => Ok(Known::New),
            };
        }
        let Some(entry) = self.recorded.get(&(seq, item)) else { return Ok(Known::New) };
        if entry.kind != kind || entry.request != request {
            return Err(RunError::Diverged(format!(
                "call {seq}.{item} was {} {} in the journal and is {kind} {request} now",
                entry.kind, entry.request
            )));
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
        };
        self.pending.entries().push(entry);
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

    /// The effects of a dry run, in order.
    pub fn take_captured(&mut self) -> Vec<JournalEntry> {
        std::mem::take(&mut self.captured)
    }
}

fn fingerprint(kind: &str, request: &str) -> String {
    format!("{kind}\n{request}")
}

#[cfg(test)]
mod tests {
    use super::*;

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
