//! What an agent proposes to a person who has to decide: one of the answers that are offered, with reasons. It is written beside the question; who answers
//! is a person, and whether they answered the same is counted.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::model::{Call, Shown};
use super::steps::{About, Steps};
use super::{REVIEW, flow_of};
use crate::plain::readable;
use crate::store::{EventFilter, EventId, Millis, Note, Result, Store};

/// By what a model proposes.
pub const TOOL: &str = "propose";
/// Bytes of reasons.
const MOST_REASONS: usize = 1_200;
/// Letters of what stands beside a question, as its page takes them.
const MOST_NOTE: usize = 2_000;
/// Proposals that are counted.
const COUNTED: u32 = 500;

/// An answer that is proposed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Proposal {
    /// The event that asks.
    #[schema(value_type = i64)]
    pub event: EventId,
    /// What it asked.
    pub asked: String,
    /// One of the answers that it offers.
    pub choice: String,
    /// Why.
    pub reasons: String,
    /// When: what was answered before is no answer to it.
    #[serde(default)]
    pub at: Millis,
}

/// The tool, as a model is told of it.
pub fn shown(about: &About) -> Shown {
    Shown {
        name: TOOL.into(),
        description: "Proposes an answer to the question, for a person to confirm. Call it once, at the end: with it your work is done.".into(),
        input: json!({
            "type": "object",
            "properties": {
                "choice": { "type": "string", "enum": about.choices, "description": "one of the answers that are offered" },
                "reasons": { "type": "string", "description": "why, in two or three sentences, with the values that decided" },
            },
            "required": ["choice", "reasons"],
        }),
    }
}

/// What a call of it proposes; what is wrong with it in words.
pub fn proposal_of(about: &About, call: &Call) -> std::result::Result<Proposal, String> {
    let text = |key: &str| call.input[key].as_str().map(str::trim).unwrap_or_default().to_owned();
    let (choice, reasons) = (text("choice"), readable(text("reasons"), MOST_REASONS));
    if !about.choices.contains(&choice) {
        return Err(format!("choice must be one of: {}", about.choices.join(", ")));
    }
    if reasons.is_empty() {
        return Err("reasons must say why".into());
    }
    Ok(Proposal { event: about.event, asked: about.asked.clone(), choice, reasons, at: crate::time::now() })
}

/// Writes it beside the question, once, and leaves what people have written there.
pub async fn note(store: &dyn Store, agent: &str, proposal: &Proposal) -> Result<()> {
    let text = format!("[agent {agent}] proposes: {}\n{}", proposal.choice, proposal.reasons);
    let kept = store.notes(vec![proposal.event]).await?;
    let mut note = kept.into_iter().next().map_or_else(Note::default, |(_, note)| note);
    let before = note.note.take().unwrap_or_default();
    if before.contains(&text) {
        return Ok(());
    }
    let whole = if before.is_empty() { text } else { format!("{before}\n\n{text}") };
    // What people wrote stays; what would not fit is in the agent's own run.
    note.note = Some(if whole.chars().count() > MOST_NOTE { before } else { whole }).filter(|text| !text.is_empty());
    store.note_put(proposal.event, note).await
}

/// A proposal, and what a person answered.
#[derive(Clone, Debug, Serialize)]
pub struct Hit {
    /// The agent's run, by its event.
    pub id: EventId,
    /// What it proposed.
    #[serde(flatten)]
    pub proposal: Proposal,
    /// What was answered to just this question; none: nothing yet, or nobody knows it any more.
    pub answered: Option<String>,
}

impl Hit {
    /// It is what a person answered; none where none has.
    pub fn is_hit(&self) -> Option<bool> {
        self.answered.as_ref().map(|answer| *answer == self.proposal.choice)
    }
}

/// What an agent proposed, newest first, and what people answered.
pub async fn hits(store: &dyn Store, agent: &str) -> Result<Vec<Hit>> {
    let filter = EventFilter { flow: Some(flow_of(agent)), limit: COUNTED, ..EventFilter::default() };
    let mut hits = Vec::new();
    for event in store.events(filter).await?.into_iter().filter(|event| event.topic == REVIEW) {
        let Some(proposal) = Steps::of(store, event.id).await?.proposal().cloned() else { continue };
        let asked = store.event(proposal.event).await?;
        let decided = asked.and_then(|asked| asked.decided());
        // An answer to what it asked before, or asks now, is none to this.
        let decided = decided.filter(|own| own.asked == proposal.asked && own.at >= event.created_at.max(proposal.at));
        hits.push(Hit { id: event.id, answered: decided.map(|own| own.answer), proposal });
    }
    Ok(hits)
}

/// The hit rate in words.
pub fn rate(hits: &[Hit]) -> String {
    let [proposed, answered, same] = counts(hits);
    match answered {
        0 => format!("{proposed} proposed, none of them answered yet"),
        _ => format!(
            "{proposed} proposed, {answered} answered, {same} of them as proposed ({} %)",
            same * 100 / answered
        ),
    }
}

/// How many there are, how many of them a person answered, and how many of these as proposed.
pub fn counts(hits: &[Hit]) -> [usize; 3] {
    let answered = hits.iter().filter(|hit| hit.answered.is_some()).count();
    let same = hits.iter().filter(|hit| hit.is_hit() == Some(true)).count();
    [hits.len(), answered, same]
}

/// For scripts.
pub fn told(hits: &[Hit]) -> Value {
    let [proposed, answered, same] = counts(hits);
    json!({ "proposed": proposed, "answered": answered, "as_proposed": same, "proposals": hits })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assistants::Start;
    use crate::assistants::steps::{Came, Journal};
    use crate::store::{Access, sqlite::SqliteStore};
    use crate::store::{Findings, Finish, Haste, Intake, NewEvent, Question, Verdict};
    use crate::time::now;

    fn asks() -> NewEvent {
        NewEvent {
            flow: "orders".into(),
            topic: "salesforce.Opportunity".into(),
            key: "006A".into(),
            kind: String::new(),
            dedup: "1".into(),
            payload: "{}".into(),
            trace: "0".repeat(32),
            haste: Haste::AtOnce,
            held: Some(Question::retry_or_ignore("no quantity".into())),
        }
    }

    #[tokio::test]
    async fn a_proposal_is_noted_once_beside_what_people_wrote_and_counts_by_their_answer() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("tandem.db"), Access::Host).unwrap();
        store.append(Intake { events: vec![asks()], ..Intake::default() }).await.unwrap();
        let asked = store.events(EventFilter { limit: 1, ..EventFilter::default() }).await.unwrap().remove(0);
        let (event, question) = (asked.id, "no quantity".to_owned());
        let start = Start::Review { event, asked: question.clone() }.event("helper", "event".into(), "1".into());
        store.append(Intake { events: vec![start], ..Intake::default() }).await.unwrap();
        let run = store.lease(&flow_of("helper"), "agent", 1, now()).await.unwrap().run().unwrap();
        let proposal =
            Proposal { event, asked: question, choice: "ignore".into(), reasons: "It is empty.".into(), at: 0 };
        let came = Came { told: String::new(), is_error: false, event: None, proposal: Some(proposal.clone()) };
        let journal = Journal { store: &store, run: run.id };
        journal.came(0, 0, json!({}), &came, 1).await.unwrap();
        let verdicts = vec![(run.events[0].id, Verdict::Done("proposes".into()))];
        store.finish(run.id, Finish { verdicts, ..Finish::default() }).await.unwrap();

        let by_hand = Note { note: Some("ask Berta".into()), assignee: Some("berta".into()), due: Some(5) };
        store.note_put(event, by_hand).await.unwrap();
        for _ in 0..2 {
            note(&store, "helper", &proposal).await.unwrap();
        }
        let kept = store.notes(vec![event]).await.unwrap().remove(0).1;
        assert_eq!(kept.note.as_deref(), Some("ask Berta\n\n[agent helper] proposes: ignore\nIt is empty."));
        assert_eq!((kept.assignee.as_deref(), kept.due), (Some("berta"), Some(5)));

        let own = hits(&store, "helper").await.unwrap();
        assert_eq!((own.len(), own[0].is_hit()), (1, None));
        store.answer(event, "ignore", now()).await.unwrap();
        let own = hits(&store, "helper").await.unwrap();
        assert_eq!(
            (own[0].is_hit(), rate(&own)),
            (Some(true), "1 proposed, 1 answered, 1 of them as proposed (100 %)".into())
        );
    }

    #[test]
    fn only_what_is_offered_is_proposed_and_with_reasons() {
        let about = About { event: EventId(1), asked: "why".into(), choices: vec!["retry".into(), "ignore".into()] };
        let call = |input: Value| Call { id: "a".into(), tool: TOOL.into(), input, malformed: None };
        assert!(proposal_of(&about, &call(json!({ "choice": "approve", "reasons": "so" }))).is_err());
        assert!(proposal_of(&about, &call(json!({ "choice": "retry", "reasons": " " }))).is_err());
        assert_eq!(proposal_of(&about, &call(json!({ "choice": "retry", "reasons": "so" }))).unwrap().choice, "retry");
    }
}
