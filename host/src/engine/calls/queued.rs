//! A call of a tool that does more than read: an event of the flow's queue, in order with the others of its key. How it stands is asked for afterwards, too.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::changing::instead_of;
use super::staged::{CHANGE, REFUSE, expired, result_of, was_made};
use super::{CallError, Payload, Wanted, answer, event_of, tool_named, tool_of, whole_name};
use crate::engine::Flow;
use crate::sandbox::digest_of;
use crate::store::{
    Durability, Event, EventFilter, EventId, EventState, Inbox, Intake, Lane, Millis, Search, Store, StoreError, TOOL,
};
use crate::time::iso;

/// Letters of the name of a call that whoever calls has named, as long as any trace.
const NAME: usize = 32;
/// Events of one key that are looked through for the same call.
const LOOKED: u32 = 200;
/// Between two looks at a call that is waited for.
const SOON: Duration = Duration::from_millis(15);
const LATER: Duration = Duration::from_millis(250);

/// How a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    /// It waits for its turn, for a system that is away, or is being made.
    UnderWay,
    /// It waits for a person who approves it.
    Waits,
    /// It was made; its result is there.
    Done,
    /// It was not made: why is told.
    NotDone,
    /// Something of it may be done, and a person has to look.
    Held,
    /// Something of it was done, and a person left it so.
    Partly,
}

impl Stands {
    const ALL: [Self; 6] = [Self::UnderWay, Self::Waits, Self::Done, Self::NotDone, Self::Held, Self::Partly];

    /// Nothing more becomes of it by itself.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::NotDone | Self::Partly)
    }

    /// The word that is told.
    pub fn word(self) -> &'static str {
        match self {
            Self::UnderWay => "under way",
            Self::Waits => "waits for approval",
            Self::Done => "done",
            Self::NotDone => "not done",
            Self::Held => "held for a person",
            Self::Partly => "done in part",
        }
    }
}

/// What a call of such a tool answers: how it stands, and its result once it has one.
pub fn wrapped(output: &Value) -> Value {
    let words: Vec<&str> = Stands::ALL.into_iter().map(Stands::word).collect();
    let text = |words: &str| json!({ "type": "string", "description": words });
    let field = json!({ "type": "object", "properties": {
        "name": text("its place in what is written"),
        "old": { "description": "what is there now; missing where that is not known" },
        "new": { "description": "what would be there" },
    } });
    json!({
        "type": "object",
        "properties": {
            "state": { "type": "string", "enum": words, "description": "how the call stands; ask tandem_call again while it is under way or waits for approval" },
            "call": { "type": "integer", "description": "its number, by which tandem_call tells how it stands" },
            "why": text("what it waits for, or why it was not made"),
            "instead": { "type": "integer", "description": "the call that a person made of this one, which they changed before they approved it; tandem_call tells how it stands" },
            "expires": text("until when an approval is waited for, ISO 8601 UTC"),
            "plan": { "type": "array", "description": "what it would write, by a rehearsal", "items": { "type": "object", "properties": {
                "call": text("what is done to which record"),
                "record": text("the record that it is about"),
                "fields": { "type": "array", "items": field },
            } } },
            "result": output,
        },
        "required": ["state", "call"],
    })
}

/// Has a call made. One that is the same as one under way, or was given the same name by who calls, is that one.
pub async fn ask(inbox: &Inbox, flow: &Flow, wanted: Wanted<'_>) -> Result<EventId, CallError> {
    let tool = tool_of(flow, &wanted)?;
    let key = tool.key_of(&wanted.input);
    queue(inbox, &flow.name, tool.topic(), key, wanted).await
}

/// Has a question of a flow answered, in order with what else happens to its record.
pub async fn ask_to_answer(inbox: &Inbox, question: &Event, wanted: Wanted<'_>) -> Result<EventId, CallError> {
    queue(inbox, &question.flow, format!("{TOOL}{}", answer::TOPIC), Some(question.key.clone()), wanted).await
}

async fn queue(
    inbox: &Inbox,
    flow: &str,
    topic: String,
    key: Option<String>,
    wanted: Wanted<'_>,
) -> Result<EventId, CallError> {
    let text = json!([wanted.by.who, topic, wanted.input]).to_string();
    // Without a key of the flow's it is in order with the same call.
    let key = key.unwrap_or_else(|| format!("call:{}", digest_of(text.as_bytes())));
    let store = inbox.store();
    let same = |event: &Event| {
        let own = Payload::of(event).filter(|own| event.topic == topic && own.by.who == wanted.by.who);
        let Some(own) = own else { return false };
        own.once.is_none() && own.input == wanted.input && !event.state.is_over() && !expired(event)
    };
    let name = wanted.once.as_ref().map(|once| name_of(&json!([wanted.by.who, topic, once]).to_string()));
    // By the name that who calls has given it, or else by all that it says.
    let known = match &name {
        Some(name) => store.of_trace(name, 1).await?.pop(),
        None => {
            let filter =
                EventFilter { flow: Some(flow.to_owned()), state: None, key: Some(key.clone()), limit: LOOKED };
            store.events(filter).await?.into_iter().find(same)
        }
    };
    if let Some(known) = known {
        return Ok(known.id);
    }
    let mut event = event_of(flow, topic.clone(), wanted.clone(), Some(key));
    // Two at the same moment are one: the database takes what has the same name once.
    if let Some(name) = name {
        (event.dedup, event.trace) = (name.clone(), name);
    }
    let trace = event.trace.clone();
    let intake =
        Intake { events: vec![event], position: None, seen: None, lane: Lane::Live, durability: Durability::Now };
    inbox.take(intake).await?;
    let found = store.of_trace(&trace, 1).await?.pop();
    found.map(|event| event.id).ok_or_else(|| CallError::Refused("the call was not taken in; make it again".into()))
}

/// By which a call is known that is the same one whenever it is made.
pub(super) fn name_of(text: &str) -> String {
    let name = digest_of(text.as_bytes());
    name.get(..NAME).unwrap_or(&name).to_owned()
}

/// How a call stands, and what it gave, once it stands still or so much time is over.
pub async fn told(store: &dyn Store, id: EventId, patience: Duration) -> Result<(Stands, Value), CallError> {
    let (began, mut pause) = (Instant::now(), SOON);
    loop {
        let event =
            store.event(id).await?.ok_or_else(|| CallError::Refused(format!("call {id} is not kept any more")))?;
        let stands = stands(store, &event).await?;
        if stands.0 != Stands::UnderWay || began.elapsed() >= patience {
            return Ok(stands);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LATER);
    }
}

/// Calls that are looked through for those that nobody approved in time.
const WAITING: u32 = 5_000;

/// Offers calls to their flows that nobody approved in time: those end them. Returns the flows that have something to do.
pub async fn expire(store: &dyn Store) -> Result<Vec<String>, StoreError> {
    let states = vec![EventState::Review];
    let search = Search { states, without_payloads: true, limit: WAITING, ..Search::default() };
    let mut touched = Vec::new();
    for event in store.find(search).await?.iter().filter(|event| tool_named(event).is_some() && expired(event)) {
        if store.retry(event.id, None, crate::time::now()).await? && !touched.contains(&event.flow) {
            touched.push(event.flow.clone());
        }
    }
    Ok(touched)
}

/// A call that somebody made.
#[derive(Clone, Debug)]
pub struct Own {
    /// Its flow.
    pub flow: String,
    /// The tool, by its whole name.
    pub tool: String,
    /// When it was made.
    pub at: Millis,
    /// How it stands.
    pub stands: Stands,
    /// What is told of it.
    pub told: Value,
}

/// The call that somebody made; none where it is no call of theirs, or one that only read.
pub async fn told_of(store: &dyn Store, id: EventId, who: &str) -> Result<Option<Own>, CallError> {
    let Some(event) = store.event(id).await? else { return Ok(None) };
    let own = whole_name(&event).zip(Payload::of(&event));
    let Some((tool, _)) = own.filter(|(_, own)| own.by.who == who) else { return Ok(None) };
    let (stands, told) = stands(store, &event).await?;
    Ok(Some(Own { flow: event.flow, tool, at: event.created_at, stands, told }))
}

/// A call that waits is not to be made; false where it waits no more.
pub async fn refuse(store: &dyn Store, id: EventId) -> Result<bool, CallError> {
    Ok(store.answer(id, REFUSE, crate::time::now()).await? == crate::store::Answered::Given)
}

async fn stands(store: &dyn Store, event: &Event) -> Result<(Stands, Value), CallError> {
    let detail: Value = serde_json::from_str(&event.detail).unwrap_or_default();
    let mut told = Map::new();
    let stands = match event.state {
        EventState::Ready | EventState::Leased | EventState::Waiting => Stands::UnderWay,
        EventState::Review if detail["plan"].is_array() => {
            told.insert("plan".into(), detail["plan"].clone());
            if let Some(until) = detail["expires"].as_i64() {
                told.insert("expires".into(), iso(until).into());
            }
            Stands::Waits
        }
        EventState::Review => Stands::Held,
        EventState::Done => {
            // By what became of it, not by what is kept of its journal.
            let reason = event.reason.as_deref().unwrap_or_default();
            match was_made(reason) {
                Some(true) => {
                    let kept = match store.runs_of(event.id).await?.pop() {
                        Some(run) => result_of(&store.journal_read(run.id).await?),
                        None => None,
                    };
                    // What answers a question has no result but that; of another one it may be kept no more.
                    told.insert("result".into(), kept.unwrap_or_else(|| json!({ "says": reason })));
                    Stands::Done
                }
                Some(false) => Stands::NotDone,
                None => Stands::Partly,
            }
        }
        EventState::Rejected | EventState::Superseded => Stands::NotDone,
    };
    if event.resolution.as_deref() == Some(CHANGE)
        && let Some(other) = instead_of(store, event.id).await?
    {
        told.insert("instead".into(), json!(other));
    }
    told.insert("state".into(), stands.word().into());
    told.insert("call".into(), json!(event.id));
    if stands != Stands::Done
        && let Some(why) = &event.reason
    {
        told.insert("why".into(), why.clone().into());
    }
    Ok((stands, Value::Object(told)))
}
