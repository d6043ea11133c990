//! Events in SQL: taken in, leased, settled, listed. One function per thing done, each within the transaction its caller
//! opened.
//!
//! Of each key of a flow one unfinished event is its *head*: the oldest, unless another is under way. Only heads are leased,
//! so two events of one key are never under way at once, whoever came first; an index of the table refuses it.

use std::cmp::Reverse;

use super::runs::find_link;
use super::statement::{Connection, NONE, Row, params};
use crate::store::*;

pub(super) const EVENT_COLUMNS: &str = "id, flow, topic, key, unseal('events.payload', flow, topic, dedup, payload), trace, \
    state, due_at, attempts, created_at, finished_at, unseal('events.reason', flow, topic, dedup, reason), choices, resolution, \
    unseal('events.detail', flow, topic, dedup, detail), events.kept";
/// The same without payloads.
pub(super) const LIGHT_COLUMNS: &str = "id, flow, topic, key, '', trace, state, due_at, attempts, created_at, finished_at, \
    unseal('events.reason', flow, topic, dedup, reason), choices, resolution, unseal('events.detail', flow, topic, dedup, detail), \
    events.kept";
const REASON: &str = "unseal('events.reason', flow, topic, dedup, reason)";
const DETAIL: &str = "unseal('events.detail', flow, topic, dedup, detail)";

/// Under which it is kept that a database was restored, and when.
pub(in crate::store) const RESTORED: &str = "restored";
/// So long after it an event may tell again what was done before: the 72 hours of Salesforce, and systems that are down meanwhile.
const IN_DOUBT: Millis = 7 * 24 * 3_600_000;

const READY: i64 = EventState::Ready as i64;
const LEASED: i64 = EventState::Leased as i64;
const WAITING: i64 = EventState::Waiting as i64;
const REVIEW: i64 = EventState::Review as i64;
const DONE: i64 = EventState::Done as i64;
const REJECTED: i64 = EventState::Rejected as i64;
const SUPERSEDED: i64 = EventState::Superseded as i64;

pub(super) fn event(row: &Row<'_>) -> Result<Event> {
    let state: i64 = row.get(6)?;
    let choices: Option<String> = row.get(12)?;
    Ok(Event {
        id: EventId(row.get(0)?),
        flow: row.get(1)?,
        topic: row.get(2)?,
        key: row.get(3)?,
        payload: row.get(4)?,
        trace: row.get(5)?,
        state: EventState::from_stored(state).ok_or_else(|| StoreError::Corrupt(format!("event state {state}")))?,
        due_at: row.get(7)?,
        attempts: row.get(8)?,
        created_at: row.get(9)?,
        finished_at: row.get(10)?,
        reason: row.get(11)?,
        choices: choices.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
        resolution: row.get(13)?,
        detail: row.get::<Option<String>>(14)?.unwrap_or_default(),
        kept: kept(row, 15)?,
    })
}

/// How much is kept, by its number in that column.
pub(super) fn kept(row: &Row<'_>, column: usize) -> Result<Kept> {
    let number: i64 = row.get(column)?;
    Kept::from_stored(number).ok_or_else(|| StoreError::Corrupt(format!("{number}, how much is kept")))
}

/// The id of a new event; none for one already taken in.
pub(super) fn insert(db: &Connection, event: &NewEvent, lane: Lane, now: Millis) -> Result<Option<EventId>> {
    let state = if event.held.is_some() { REVIEW } else { READY };
    let asked = event.held.as_ref().map(asked).transpose()?;
    let (reason, choices, detail) = match asked {
        Some((reason, choices, detail)) => (Some(reason), Some(choices), Some(detail)),
        None => (None, None, None),
    };
    db.prepare(format!(
            "INSERT INTO events (flow, topic, key, dedup, payload, trace, state, due_at, created_at, reason, \
             choices, detail, lane, kind, planned_at, head, ran) VALUES (?1, ?2, ?3, ?4, seal('events.payload', ?1, ?2, ?4, ?5), ?6, ?7, ?13, ?8, \
             seal('events.reason', ?1, ?2, ?4, ?9), ?10, seal('events.detail', ?1, ?2, ?4, ?11), ?12, ?14, ?8, \
             CASE WHEN ?7 = {READY} AND NOT EXISTS (SELECT 1 FROM events WHERE flow = ?1 AND key = ?3 AND head = 1) THEN 1 ELSE 0 END, \
             CASE WHEN ?7 = {READY} AND EXISTS (SELECT 1 FROM positions WHERE source = '{RESTORED}' AND at > ?8 - {IN_DOUBT}) THEN 1 ELSE 0 END) \
             ON CONFLICT DO NOTHING RETURNING id"
        ))
        .first(params![
            event.flow,
            event.topic,
            event.key,
            event.dedup,
            event.payload,
            event.trace,
            state,
            now,
            reason,
            choices,
            detail,
            lane as i64,
            event.haste.due(now),
            event.kind
        ], |row| row.get(0).map(EventId))
}

/// Reason, choices and detail as they are stored.
fn asked(question: &Question) -> Result<(&str, String, &str)> {
    let choices = serde_json::to_string(&question.choices).map_err(|e| StoreError::Corrupt(e.to_string()))?;
    Ok((&question.reason, choices, &question.detail))
}

/// A due event, and what the store alone knows of it.
struct Candidate {
    event: Event,
    /// It was cut out of a batch that failed: at most so many in its next run.
    cap: Option<u32>,
    ran: bool,
}

/// See [`Store::lease`].
pub(super) fn lease(db: &Connection, flow: String, release: String, max: u32, now: Millis) -> Result<Option<Run>> {
    let live = due(db, &flow, Lane::Live, max, now)?;
    let backfill = due(db, &flow, Lane::Backfill, max, now)?;
    let batch = first_batch(live, backfill, max as usize, now);
    if batch.is_empty() {
        return Ok(None);
    }
    let given = batch
        .iter()
        .map(|Candidate { event, ran, .. }| (event.id, event.attempts + 1, *ran, event.resolution.as_deref()));
    let id = begin(db, &flow, &release, now, given)?;
    let repeated = batch.iter().any(|candidate| candidate.ran);
    let mut events: Vec<Event> = batch.into_iter().map(|candidate| candidate.event).collect();
    for event in &mut events {
        event.state = EventState::Leased;
        event.attempts += 1;
    }
    events.sort_by_key(|event| event.id);
    Ok(Some(Run { id, flow, release, events, repeated, kept: Kept::Whole }))
}

/// A new run of these events: each with the attempt that it is, whether it ran before, and the answer that it comes back with.
pub(super) fn begin<'a>(
    db: &Connection,
    flow: &str,
    release: &str,
    now: Millis,
    events: impl IntoIterator<Item = (EventId, u32, bool, Option<&'a str>)>,
) -> Result<RunId> {
    let begin = db.prepare("INSERT INTO runs (flow, release, started_at) VALUES (?1, ?2, ?3) RETURNING id");
    let run = RunId(begin.one(params![flow, release, now], |row| row.get(0))?);
    let take = db.prepare(format!("UPDATE events SET state = {LEASED}, ran = 1 WHERE id = ?1"));
    let note = db.prepare("INSERT INTO run_events (run, event, attempt, again, answer) VALUES (?1, ?2, ?3, ?4, ?5)");
    for (event, attempt, ran, answer) in events {
        take.execute([event.0])?;
        note.execute(params![run.0, event.0, attempt, ran, answer])?;
    }
    Ok(run)
}

fn due(db: &Connection, flow: &str, lane: Lane, max: u32, now: Millis) -> Result<Vec<Candidate>> {
    let rows = db
        .prepare(format!(
            "SELECT {EVENT_COLUMNS}, batch_max, ran FROM events INDEXED BY events_ready \
             WHERE flow = ?1 AND lane = ?2 AND state = {READY} AND head = 1 AND due_at <= ?3 ORDER BY due_at, id LIMIT ?4"
        ))
        .all(params![flow, lane as i64, now, max], |row| {
            let event = event(row)?;
            // A call of a tool is a run of its own, whatever became of it before.
            let cap = if event.topic.starts_with(TOOL) { Some(1) } else { row.get(16)? };
            Ok(Candidate { event, cap, ran: row.get(17)? })
        })?;
    Ok(rows)
}

/// Half for each lane; what one leaves is the other's. Events that were cut out of a batch that failed run apart from fresh ones,
/// in batches no larger than their cap: the lanes take turns, by the clock, in saying which.
fn first_batch(mut live: Vec<Candidate>, mut backfill: Vec<Candidate>, max: usize, now: Millis) -> Vec<Candidate> {
    let turn = usize::from(now % 2 == 0);
    let lead = if turn == 1 { live.first().or(backfill.first()) } else { backfill.first().or(live.first()) };
    let Some(cap) = lead.map(|lead| lead.cap) else { return Vec::new() };
    live.retain(|candidate| candidate.cap == cap);
    backfill.retain(|candidate| candidate.cap == cap);
    let max = cap.map_or(max, |cap| max.min(cap.max(1) as usize));
    let share = (max / 2 + turn * (max % 2)).max(max.saturating_sub(backfill.len()));
    let mut batch: Vec<Candidate> = live.into_iter().take(share).collect();
    let rest = max - batch.len();
    batch.extend(backfill.into_iter().take(rest));
    batch
}

pub(super) fn next_due(db: &Connection, flow: &str) -> Result<Option<Millis>> {
    let first = db.prepare(format!(
        "SELECT min(due_at) FROM events INDEXED BY events_ready WHERE flow = ?1 AND lane = ?2 AND state = {READY} AND head = 1"
    ));
    let mut earliest: Option<Millis> = None;
    for lane in [Lane::Live, Lane::Backfill] {
        let due: Option<Millis> = first.one(params![flow, lane as i64], |row| row.get(0))?;
        earliest = [earliest, due].into_iter().flatten().min();
    }
    Ok(earliest)
}

/// Which event of a key may run next, after one of them entered or left the unfinished ones.
fn choose_head(db: &Connection, flow: &str, key: &str) -> Result<()> {
    let under_way = db
        .prepare(format!(
            "SELECT EXISTS (SELECT 1 FROM events WHERE flow = ?1 AND key = ?2 AND head = 1 AND state = {LEASED})"
        ))
        .one([flow, key], |row| row.get::<bool>(0))?;
    if under_way {
        return Ok(());
    }
    db.prepare("UPDATE events SET head = 0 WHERE flow = ?1 AND key = ?2 AND head = 1").execute([flow, key])?;
    db.prepare(
        "UPDATE events SET head = 1 WHERE id = (SELECT id FROM events INDEXED BY events_unfinished \
         WHERE flow = ?1 AND key = ?2 AND state < 3 ORDER BY id LIMIT 1)",
    )
    .execute([flow, key])?;
    Ok(())
}

/// What becomes of one event of a run.
pub(super) fn settle(db: &Connection, event: EventId, verdict: Verdict, now: Millis) -> Result<()> {
    let (flow, kind, key, topic): (String, String, String, String) = db
        .prepare("SELECT flow, kind, key, topic FROM events WHERE id = ?1")
        .one([event.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    // A call of a tool is about nothing but itself: it answers no question of the record's, and what happens to that answers none of its.
    let others =
        |db: &Connection| if topic.starts_with(TOOL) { Ok(Vec::new()) } else { questions(db, &flow, &kind, &key) };
    let end = db.prepare(
        "UPDATE events SET state = ?2, reason = seal('events.reason', flow, topic, dedup, ?3), choices = ?4, finished_at = ?5, attempts = attempts + 1, \
         batch_max = NULL WHERE id = ?1",
    );
    match verdict {
        Verdict::Done(what) => {
            end.execute(params![event.0, DONE, what, None::<String>, now])?;
            // It saw the record as it is now: older questions about it are answered, and what was asked before an answer to an older one
            // is looked at again. What a run raised has nothing to look at: it waits for its answer.
            for question in others(db)? {
                if question.id < event {
                    supersede(db, question.id, now)?;
                } else if question.ran {
                    retry(db, question.id, None, now)?;
                }
            }
        }
        Verdict::Reject(why) => {
            end.execute(params![event.0, REJECTED, why, None::<String>, now])?;
        }
        Verdict::Review(question) => {
            let (reason, choices, detail) = asked(&question)?;
            // One open question per record, as it was found last, and one that an answer has led to; asked again for the same reason it
            // keeps its number and is told anew.
            let (same, others): (Vec<Asked>, Vec<Asked>) =
                others(db)?.into_iter().partition(|other| other.reason == question.reason);
            // What a run raised is about something of its own.
            let is_over = |question: &Asked| question.id < event && question.ran && !question.answered;
            for question in others.into_iter().filter(is_over) {
                supersede(db, question.id, now)?;
            }
            match same.into_iter().map(|other| other.id).min() {
                Some(open) => {
                    let anew = db.prepare(format!(
                        "UPDATE events SET choices = ?2, detail = seal('events.detail', flow, topic, dedup, ?3) WHERE id = ?1 \
                         AND (choices IS DISTINCT FROM ?2 OR {DETAIL} IS DISTINCT FROM ?3)"
                    ));
                    if anew.execute(params![open.0, choices, detail])? > 0 {
                        db.prepare("UPDATE revisions SET number = number + 1 WHERE name = 'review'").execute(NONE)?;
                    }
                    // Answered, it runs with what was told last.
                    db.prepare(
                        "UPDATE events SET payload = seal('events.payload', flow, topic, dedup, \
                           (SELECT unseal('events.payload', n.flow, n.topic, n.dedup, n.payload) FROM events AS n WHERE n.id = ?2)) \
                         WHERE id = ?1 AND ?1 < ?2 AND topic = (SELECT topic FROM events WHERE id = ?2)",
                    )
                    .execute([open.0, event.0])?;
                    let asked_already = format!("asked already, as event {open}");
                    end.execute(params![event.0, SUPERSEDED, asked_already, None::<String>, now])?;
                }
                None if !topic.starts_with(TOOL)
                    && let Some(answered) = answered(db, &flow, &kind, &key, &question.reason)?
                    && answered < event =>
                {
                    // What it read was read before anything was done about the answer.
                    let why = format!("runs again behind the answer to event {answered}, which asked the same");
                    return settle(db, event, Verdict::Retry { due_at: now, why, counts: false, batch_max: None }, now);
                }
                None => {
                    end.execute(params![event.0, REVIEW, reason, choices, None::<i64>])?;
                    db.prepare(
                        "UPDATE events SET detail = seal('events.detail', flow, topic, dedup, ?2) WHERE id = ?1",
                    )
                    .execute(params![event.0, detail])?;
                }
            }
        }
        Verdict::Retry { due_at, why, counts, batch_max } => {
            db.prepare(format!(
                "UPDATE events SET state = {READY}, due_at = ?2, reason = seal('events.reason', flow, topic, dedup, ?3), attempts = attempts + ?4, batch_max = ?5, \
                 planned_at = ?6 WHERE id = ?1"
            ))
            .execute(params![event.0, due_at, why, i64::from(counts), batch_max, now])?;
        }
        Verdict::Wait { scope, kind, side, id, deadline, there_at, tired } => {
            // It may have appeared while the run was under way; a plugin that waits for what is there is slowed down, and counted.
            let there = find_link(db, &scope, &kind, side, &id)?.is_some();
            if there && tired {
                let question = Question::say(
                    "host.still_waits",
                    "still waits for the {kind} link of {id}, which is there",
                    [("kind", kind), ("id", id)],
                );
                return settle(db, event, Verdict::Review(question), now);
            }
            let (state, due) = if there { (READY, there_at) } else { (WAITING, deadline) };
            let why = format!("waits for the {kind} link of {id} ({})", side.word());
            db.prepare(
                "UPDATE events SET state = ?2, due_at = ?3, reason = seal('events.reason', flow, topic, dedup, ?4), wait_scope = ?5, wait_kind = ?6, \
                 wait_side = ?7, wait_id = ?8, attempts = attempts + ?9, planned_at = ?10 WHERE id = ?1",
            )
            .execute(params![
                event.0,
                state,
                due,
                why,
                scope,
                kind,
                side.word(),
                id,
                i64::from(there),
                now
            ])?;
        }
    }
    choose_head(db, &flow, &key)
}

/// An open question about a record.
struct Asked {
    id: EventId,
    reason: String,
    /// It was answered before: what it asks now is about what came of that.
    answered: bool,
    /// It is about an event that ran; what a run raised is about none.
    ran: bool,
}

/// Open questions about the record that this kind and key name; see [`NewEvent::kind`].
fn questions(db: &Connection, flow: &str, kind: &str, key: &str) -> Result<Vec<Asked>> {
    let rows = db.prepare(format!(
        "SELECT id, {REASON}, resolution IS NOT NULL, ran FROM events WHERE flow = ?1 AND key = ?2 AND state = {REVIEW} \
         AND (?3 = '' OR kind = '' OR kind = ?3) AND {}",
        of_no_call()
    ));
    rows.all([flow, key, kind], |row| {
        let reason = row.get::<Option<String>>(1)?.unwrap_or_default();
        Ok(Asked { id: EventId(row.get(0)?), reason, answered: row.get(2)?, ran: row.get(3)? })
    })
}

/// What is no call of a tool.
fn of_no_call() -> String {
    format!("substr(topic, 1, {}) <> '{TOOL}'", TOOL.len())
}

/// The first event about this record that asked just this and whose answer is still to be carried out.
fn answered(db: &Connection, flow: &str, kind: &str, key: &str, reason: &str) -> Result<Option<EventId>> {
    let ready: Vec<Event> = db
        .prepare(format!(
            "SELECT {EVENT_COLUMNS} FROM events WHERE flow = ?1 AND key = ?2 AND state = {READY} AND resolution IS NOT NULL \
             AND (?3 = '' OR kind = '' OR kind = ?3) AND {} ORDER BY id",
            of_no_call()
        ))
        .all([flow, key, kind], event)?;
    let asked = |event: &&Event| event.decided().is_some_and(|decided| decided.asked == reason);
    Ok(ready.iter().find(asked).map(|event| event.id))
}

fn supersede(db: &Connection, event: EventId, now: Millis) -> Result<()> {
    db.prepare(format!("UPDATE events SET state = {SUPERSEDED}, finished_at = ?2 WHERE id = ?1"))
        .execute(params![event.0, now])?;
    Ok(())
}

/// See [`Store::answer`].
pub(super) fn answer(db: &Connection, id: EventId, choice: String, now: Millis) -> Result<Answered> {
    let offers = choice.clone();
    answered_where(db, id, |choices| choices.contains(&offers), choice, now)
}

/// See [`Store::answer_by`].
pub(super) fn answer_by(
    db: &Connection,
    id: EventId,
    choices: &[String],
    answer: String,
    other: &NewEvent,
    now: Millis,
) -> Result<Answered> {
    let answered = answered_where(db, id, |own| own == choices, answer, now)?;
    if answered == Answered::Given {
        insert(db, other, Lane::Live, now)?;
    }
    Ok(answered)
}

/// Gives an answer to a question whose choices are right: what is asked and what is offered is looked at as it is when the answer is given.
fn answered_where(
    db: &Connection,
    id: EventId,
    is_right: impl Fn(&[String]) -> bool,
    answer: String,
    now: Millis,
) -> Result<Answered> {
    let asked = db.prepare(format!("SELECT {EVENT_COLUMNS} FROM events WHERE id = ?1")).first([id.0], event)?;
    let Some(asked) = asked else { return Ok(Answered::Gone) };
    if asked.state != EventState::Review {
        return Ok(Answered::NotAsked(asked.state));
    }
    if !is_right(&asked.choices) {
        return Ok(Answered::NotOffered(asked.choices));
    }
    Ok(if retry(db, id, Some(answer), now)? { Answered::Given } else { Answered::Gone })
}

/// See [`Store::retry`].
pub(super) fn retry(db: &Connection, id: EventId, resolution: Option<String>, now: Millis) -> Result<bool> {
    let told = db.prepare(format!("SELECT {EVENT_COLUMNS} FROM events WHERE id = ?1")).first([id.0], event)?;
    let Some(told) = told else { return Ok(false) };
    let may_run =
        matches!(told.state, EventState::Ready | EventState::Waiting | EventState::Review | EventState::Rejected);
    if !may_run || !told.kept.is_whole() {
        return Ok(false);
    }
    // What was asked and answered stays known when it is over.
    if told.state == EventState::Review
        && let Some(answer) = &resolution
    {
        db.prepare("UPDATE events SET detail = seal('events.detail', flow, topic, dedup, ?2) WHERE id = ?1")
            .execute(params![id.0, told.detail_with(answer, now)])?;
    }
    let resolution = match told.state {
        EventState::Ready => resolution.or(told.resolution),
        _ => resolution,
    };
    db.prepare(format!(
        "UPDATE events SET state = {READY}, due_at = ?2, planned_at = ?2, attempts = 0, resolution = ?3, finished_at = NULL, batch_max = 1 \
         WHERE id = ?1"
    ))
    .execute(params![id.0, now, resolution])?;
    choose_head(db, &told.flow, &told.key)?;
    Ok(true)
}

/// See [`Store::sweep`].
pub(super) fn sweep(db: &Connection, now: Millis) -> Result<Vec<String>> {
    let due: Vec<(i64, String, String, String)> = db
        .prepare("SELECT id, flow, key, unseal('wakes', flow, key, payload) FROM wakes WHERE at <= ?1 ORDER BY at LIMIT 1000")
        .all([now], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    let mut touched = Vec::new();
    for (id, flow, key, payload) in due {
        let event = NewEvent {
            kind: String::new(),
            flow: flow.clone(),
            topic: WAKE.into(),
            key,
            dedup: format!("wake:{id}"),
            payload,
            trace: crate::time::fresh_trace(),
            haste: Haste::AtOnce,
            held: None,
        };
        insert(db, &event, Lane::Live, now)?;
        db.prepare("DELETE FROM wakes WHERE id = ?1").execute([id])?;
        touched.push(flow);
    }
    let overdue: Vec<(EventId, String, String, [String; 3])> = db
        .prepare(format!(
            "SELECT id, flow, key, wait_kind, wait_id, wait_side FROM events WHERE state = {WAITING} AND due_at <= ?1"
        ))
        .all([now], |row| {
            let id = EventId(row.get(0)?);
            Ok((id, row.get(1)?, row.get(2)?, [row.get(3)?, row.get(4)?, row.get(5)?]))
        })?;
    for (event, flow, key, [kind, id, side]) in overdue {
        let question = Question::say(
            "host.waited",
            "waited too long for the {kind} link of {id} ({side})",
            [("kind", kind), ("id", id), ("side", side)],
        );
        settle(db, event, Verdict::Review(question), now)?;
        choose_head(db, &flow, &key)?;
        touched.push(flow);
    }
    touched.sort();
    touched.dedup();
    Ok(touched)
}

/// The clock went back: what was planned in a future that is gone keeps its distance from now on. What that is each row
/// tells by itself, so it does not matter whether the host was there, nor how often the clock was set before.
pub(in crate::store) fn clock_went_back(db: &Connection, now: Millis, step: Millis) -> Result<()> {
    let gone = params![now, now + step];
    let mut moved = db
        .prepare(
            "UPDATE events SET due_at = due_at - planned_at + ?1, planned_at = ?1 WHERE state IN (0, 2) AND planned_at > ?2",
        )
        .execute(gone)?;
    moved += db
        .prepare("UPDATE wakes SET at = at - planned_at + ?1, planned_at = ?1 WHERE planned_at > ?2")
        .execute(gone)?;
    if moved > 0 {
        tracing::warn!(moved, "the clock was set back: what was planned by it keeps its distance");
    }
    Ok(())
}

/// The clock was set forward, by so much, or the machine slept: a deadline keeps its distance. A ready event is due early,
/// which harms nobody.
pub(super) fn clock_went_forward(db: &Connection, by: Millis) -> Result<()> {
    tracing::warn!(by_ms = by, "the clock was set forward, or the machine slept");
    db.prepare(format!("UPDATE events SET due_at = due_at + ?1, planned_at = planned_at + ?1 WHERE state = {WAITING}"))
        .execute([by])?;
    Ok(())
}

/// See [`Store::events`]. Each state of each flow has its newest events at hand in an index; nothing else is read.
pub(super) fn list(db: &Connection, filter: &EventFilter) -> Result<Vec<Event>> {
    let limit = filter.limit.max(1);
    let wanted = counts(db)?.into_iter().filter(|count| {
        filter.flow.as_ref().is_none_or(|flow| *flow == count.flow)
            && filter.state.is_none_or(|state| state == count.state)
    });
    let mut found = Vec::new();
    match &filter.key {
        None => {
            let newest = db.prepare(format!(
                "SELECT {EVENT_COLUMNS} FROM events INDEXED BY events_by_state WHERE flow = ?1 AND state = ?2 \
                 ORDER BY id DESC LIMIT ?3"
            ));
            for count in wanted {
                let rows = newest.all::<_, Vec<_>>(params![count.flow, count.state as i64, limit], event)?;
                found.extend(rows);
            }
        }
        Some(key) => {
            let mut states: Vec<EventState> = wanted.map(|count| count.state).collect();
            states.sort_by_key(|state| *state as i64);
            states.dedup();
            let newest = db.prepare(format!(
                "SELECT {EVENT_COLUMNS} FROM events INDEXED BY events_by_key WHERE key = ?1 AND state = ?2 \
                 AND (CAST(?3 AS TEXT) IS NULL OR flow = ?3) ORDER BY id DESC LIMIT ?4"
            ));
            for state in states {
                let rows = newest.all::<_, Vec<_>>(params![key, state as i64, filter.flow, limit], event)?;
                found.extend(rows);
            }
        }
    }
    found.sort_by_key(|event| Reverse(event.id));
    found.truncate(limit as usize);
    Ok(found)
}

/// See [`Store::counts`].
pub(super) fn counts(db: &Connection) -> Result<Vec<Count>> {
    let rows = db
        .prepare("SELECT flow, state, events FROM counts WHERE events > 0 ORDER BY flow, state")
        .all(NONE, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    counted(rows)
}

pub(super) fn counts_of_backfill(db: &Connection, flow: &str) -> Result<Vec<Count>> {
    let rows = db
        .prepare(format!(
            "SELECT flow, state, COUNT(*) FROM events INDEXED BY events_by_state
             WHERE flow = ?1 AND state IN ({READY}, {LEASED}, {WAITING}, {REVIEW}) AND lane = ?2 GROUP BY flow, state"
        ))
        .all(params![flow, Lane::Backfill as i64], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    counted(rows)
}

pub(in crate::store) fn counted(rows: Vec<(String, i64, i64)>) -> Result<Vec<Count>> {
    rows.into_iter()
        .map(|(flow, state, events)| {
            let state =
                EventState::from_stored(state).ok_or_else(|| StoreError::Corrupt(format!("event state {state}")))?;
            Ok(Count { flow, state, events: events.unsigned_abs() })
        })
        .collect()
}
