//! What a plugin says of an event, bounded and made fit to be read: it is stored, logged, listed and shown in the org.

use super::RunError;
use super::bindings::v0_1::flow::tandem::plugin as contract;
use super::run::{Outcome, RawOutcome};
use crate::plain::{is_plain, readable};
use crate::store::Question;

/// Bytes of a reason, and of what was done.
const MOST_REASON: usize = 4_000;
/// Bytes of what to decide by.
const MOST_DETAIL: usize = 256 << 10;
const MOST_CHOICES: usize = 50;
/// Bytes of one choice.
const MOST_CHOICE: usize = 200;
/// Bytes of the kind and the id of a link.
const MOST_ID: usize = 1_000;

/// A plugin's word on one event.
pub fn read_outcome(raw: &RawOutcome) -> Result<Outcome, RunError> {
    let text = |text: &str| reason(text);
    Ok(match raw {
        RawOutcome::Done(what) => Outcome::Done(text(what)),
        RawOutcome::Retry(retry) => Outcome::Retry(retry.after_ms, text(&retry.why)),
        RawOutcome::Wait(wait) => {
            if wait.kind.len().max(wait.id.len()) > MOST_ID {
                let long = wait.kind.len().max(wait.id.len());
                let why = format!("it waits for a link whose name has {long} bytes; at most {MOST_ID} are taken");
                return Err(RunError::Contract(why));
            }
            Outcome::Wait(wait.kind.clone(), wait.side.into(), wait.id.clone(), wait.deadline_ms)
        }
        RawOutcome::Review(review) => Outcome::Review(question(review)?),
        RawOutcome::Reject(why) => Outcome::Reject(text(why)),
    })
}

/// What a person is asked.
pub fn question(request: &contract::types::ReviewRequest) -> Result<Question, RunError> {
    let choices = &request.choices;
    if choices.len() > MOST_CHOICES {
        let why = format!("a review with {} choices; at most {MOST_CHOICES} are shown", choices.len());
        return Err(RunError::Contract(why));
    }
    // The very words come back as the answer: they are not changed.
    if let Some(bad) = choices.iter().find(|choice| choice.len() > MOST_CHOICE || !choice.chars().all(is_plain)) {
        let why = format!(
            "a review with the choice {:?}; it must be one line of at most {MOST_CHOICE} bytes without control characters",
            readable(bad.clone(), MOST_CHOICE)
        );
        return Err(RunError::Contract(why));
    }
    let mut reason = reason(&request.reason);
    let detail = match &request.detail {
        none if none == "null" => String::new(),
        long if long.len() > MOST_DETAIL => {
            reason.push_str(&format!(" (its detail of {} bytes is left out)", long.len()));
            String::new()
        }
        text => text.clone(),
    };
    Ok(Question { reason, choices: choices.clone(), detail })
}

fn reason(text: &str) -> String {
    // No more of it is copied than is kept.
    let end = text.floor_char_boundary(MOST_REASON + 1);
    readable(text[..end].to_owned(), MOST_REASON)
}
