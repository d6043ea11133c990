//! What becomes of each event of a batch, collected while the batch is worked on as a whole.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::{Batch, Error, Event, Outcome, Said, Value, again, from_json, outcome_of, storage};

/// One answer for each event. An event that nobody decided is done, with the notes taken about it.
pub struct Outcomes {
    decided: Vec<Option<Outcome>>,
    notes: Vec<Vec<String>>,
    /// Keys of the events, and which are only looked at again: what a person ignored is not asked for those.
    keys: Vec<(String, bool)>,
}

/// Where it stands by the event's key what was asked last, and what a person has ignored: of a key, and by its words alone, since one record's question
/// may have been asked under the key of another, such as a delivery's of its order.
const ASKED: &str = "asked-last:";
const IGNORED: &str = "ignored:";

fn ignored(about: &str) -> String {
    let mut digest = DefaultHasher::new();
    about.hash(&mut digest);
    format!("{IGNORED}{:016x}", digest.finish())
}

fn ignored_of(key: &str, reason: &str) -> String {
    ignored(&format!("{key}\n{reason}"))
}

fn is_kept(place: &str, reason: &str) -> bool {
    storage::get(place).as_deref() == Some(reason)
}

fn asked_last(key: &str) -> Option<String> {
    storage::get(&format!("{ASKED}{key}"))
}

impl Outcomes {
    /// Nothing decided but what a human chose to ignore.
    pub fn new(batch: &Batch) -> Self {
        #[cfg(target_arch = "wasm32")]
        std::panic::set_hook(Box::new(|panic| crate::log::log(crate::log::Level::Error, &panic.to_string())));
        let decided = |event: &Event| {
            (event.resolution.as_deref() == Some("ignore"))
                .then(|| Outcome::Done("ignored, as decided in review".into()))
        };
        let decided: Vec<Option<Outcome>> = batch.events.iter().map(decided).collect();
        let key = |event: &Event| (event.key.clone(), again::is_look(event, &from_json(&event.payload)));
        let keys: Vec<(String, bool)> = batch.events.iter().map(key).collect();
        for ((key, _), _) in keys.iter().zip(&decided).filter(|(_, decided)| decided.is_some()) {
            keep_ignored(key);
            if let Some(asked) = asked_last(key) {
                let _ = storage::set(&ignored(&asked), &asked);
            }
        }
        Self { notes: vec![Vec::new(); decided.len()], decided, keys }
    }

    /// True while nothing is decided for the event at that place.
    pub fn is_open(&self, place: usize) -> bool {
        self.decided[place].is_none()
    }

    /// The open events with their places and payloads.
    pub fn open<'a>(&self, batch: &'a Batch) -> Vec<(usize, &'a Event, Value)> {
        let open = batch.events.iter().enumerate().filter(|(place, _)| self.is_open(*place));
        open.map(|(place, event)| (place, event, from_json(&event.payload))).collect()
    }

    /// Decides. Of several answers the one that comes back counts: a retry finds again what a human must see.
    pub fn decide(&mut self, place: usize, outcome: Outcome) {
        let slot = &mut self.decided[place];
        let returns = |outcome: &Outcome| matches!(outcome, Outcome::Retry(_) | Outcome::Wait(_));
        match slot {
            Some(old) if returns(old) => {}
            Some(Outcome::Review(_)) if !returns(&outcome) => {}
            _ => *slot = Some(outcome),
        }
    }

    /// Decides by a failed call.
    pub fn fail(&mut self, places: &[usize], error: &Error, what: impl Into<Said>) {
        let what = what.into();
        for place in places {
            self.decide(*place, outcome_of(error, &what));
        }
    }

    /// What is asked about the event at that place.
    pub fn question(&self, place: usize) -> Option<Said> {
        match &self.decided[place] {
            Some(Outcome::Review(request)) => Some(Said::asked(request)),
            _ => None,
        }
    }

    /// Holds for a human.
    pub fn hold(&mut self, places: &[usize], reason: impl Into<Said>) {
        self.ask(places, reason, &["retry", "ignore"], &Value::Null);
    }

    /// Asks a human, with what to decide by: see [`crate::review_with`].
    pub fn ask(&mut self, places: &[usize], reason: impl Into<Said>, choices: &[&str], detail: &Value) {
        let reason = reason.into();
        for place in places {
            self.decide(*place, crate::review_with(&reason, choices, detail));
        }
    }

    /// The same, beside what is asked already: both are told in one question.
    pub fn ask_too(&mut self, places: &[usize], reason: impl Into<Said>, choices: &[&str], detail: &Value) {
        let reason = reason.into();
        for place in places {
            match &mut self.decided[*place] {
                Some(Outcome::Review(asked)) if !asked.reason.contains(reason.english()) => {
                    let offered: Vec<&str> = asked.choices.iter().map(String::as_str).collect();
                    *asked = Said::asked(asked).and(&reason).ask(&offered, &from_json(&asked.detail));
                }
                _ => self.decide(*place, crate::review_with(&reason, choices, detail)),
            }
        }
    }

    /// Something to tell of an event that ends well.
    pub fn note(&mut self, place: usize, text: impl Into<String>) {
        self.notes[place].push(text.into());
    }

    /// Something to tell of several.
    pub fn note_all(&mut self, places: &[usize], text: &str) {
        for place in places {
            self.note(*place, text);
        }
    }

    /// The answers, in the batch's order.
    pub fn into_vec(self) -> Vec<Outcome> {
        /// Notes told of one event.
        const NOTES: usize = 6;
        let told = |notes: Vec<String>| match notes.len() {
            0 => "in step already".to_owned(),
            more if more > NOTES => format!("{}; and {} more", notes[..NOTES].join("; "), more - NOTES),
            _ => notes.join("; "),
        };
        let decided = self.decided.into_iter().zip(self.notes).zip(self.keys);
        decided
            .map(|((decided, notes), (key, is_look))| {
                // What was ignored under another key was not asked under this one: two records' questions may have the same words.
                let elsewhere = |reason: &str| {
                    is_look && is_kept(&ignored(reason), reason) && asked_last(&key).as_deref() != Some(reason)
                };
                match decided {
                    None => Outcome::Done(told(notes)),
                    Some(Outcome::Review(request)) if elsewhere(&request.reason) => passed_over(&request.reason),
                    Some(own) => keep_asked(own, &key, is_look),
                }
            })
            .collect()
    }
}

/// Keeps what is asked about the record with that key; of one that is only looked at again what a person ignored is told and not asked.
/// For plugins that decide each event by itself: [`Outcomes`] does it.
pub fn keep_asked(outcome: Outcome, key: &str, is_look: bool) -> Outcome {
    let Outcome::Review(request) = &outcome else { return outcome };
    if is_look && is_kept(&ignored_of(key, &request.reason), &request.reason) {
        return passed_over(&request.reason);
    }
    let _ = storage::set(&format!("{ASKED}{key}"), &request.reason);
    outcome
}

/// What a record shows was asked about it here, and by no other company's flow.
pub fn is_asked_here(key: &str, shown: &str) -> bool {
    !shown.is_empty() && asked_last(key).is_some_and(|asked| asked.starts_with(shown))
}

/// The record with that key is another's now, who may ask about it in the same words.
pub fn forget_asked(key: &str) {
    storage::delete(&format!("{ASKED}{key}"));
}

/// A person chose to ignore what was asked last about the record with that key. [`Outcomes::new`] does it.
pub fn keep_ignored(key: &str) {
    if let Some(asked) = asked_last(key) {
        // Not kept it is asked again.
        let _ = storage::set(&ignored_of(key, &asked), &asked);
    }
}

fn passed_over(reason: &str) -> Outcome {
    Outcome::Done(format!("{reason}; ignored, as decided in review"))
}
