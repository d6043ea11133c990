//! Requests that runs share. A call that nobody waits for stays a moment for those of other runs; together they go out as one
//! Composite request, which counts as one API call, and a write that somebody does wait for takes them along.
//!
//! Only what may be sent twice is shared, and only an answer that says *done* is taken from a shared request. Who gets none,
//! be it refused, lost, cut off or too large, alone or with all the others, sends its call by itself as if it had never been
//! shared: so nobody bears what another's call brought about, and every rule for a single call holds as it stands.
//!
//! Source: REST API guide, *Composite*: 25 subrequests, 5 of them queries or sObject Collections; the whole counts as one
//! call; without `allOrNone` a refused one leaves the others; without `collateSubrequests` they are carried out in the order in
//! which they stand. Assumed, as the guide does not say: that each then is a transaction of its own. Were it not, one that
//! breaks a governor limit for another is sent again alone.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::sync::oneshot::{self, error::RecvError};

use super::{MOST_SUBREQUESTS, Salesforce, error};
use crate::connections::throttle::Throttle;
use crate::connections::{Answer, Call, CallError, Limit, Method, Pace, transport};

/// So long a call waits for others at most.
const WAIT: Duration = Duration::from_millis(400);
/// Queries and sObject Collections of one request.
const MOST_LISTS: usize = 5;
/// Records written by one request: what is larger costs little for each, and would keep the others waiting.
const MOST_ROWS: usize = 100;
/// Records that a write which somebody waits for takes along: its answer comes after theirs.
const MOST_ALONG: usize = 25;
/// Bytes of one request's answer, whatever its callers may take each.
const MOST_BYTES: u64 = 8 << 20;
/// An org that refuses a request as a whole is not asked to share for so long.
const APART: Duration = Duration::from_secs(600);

/// What a call takes of a shared request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Size {
    subrequests: usize,
    lists: usize,
    rows: usize,
}

impl Size {
    /// None for a call that goes by itself.
    fn of(call: &Call) -> Option<Self> {
        let one = Self { subrequests: 1, ..Self::default() };
        let plain = call.atomic_with.is_empty() && call.headers.is_empty() && !refers(call);
        let (path, query) = call.path.split_once('?').unwrap_or((&call.path, ""));
        let steps: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match (call.method, steps.as_slice()) {
            _ if !plain => None,
            (Method::Get, ["query" | "queryAll"]) if query.starts_with("q=") => Some(Self { lists: 1, ..one }),
            (Method::Patch, steps) if query.is_empty() => {
                let body: Value = serde_json::from_str(call.body.as_deref()?).ok()?;
                match steps {
                    ["sobjects", _, _] | ["sobjects", _, _, _] if body.is_object() => Some(Self { rows: 1, ..one }),
                    // Collections of upserts are left out: whether Composite takes them is not known.
                    ["composite", "sobjects"] => {
                        Some(Self { lists: 1, rows: body["records"].as_array()?.len(), ..one })
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            subrequests: self.subrequests + other.subrequests,
            lists: self.lists + other.lists,
            rows: self.rows + other.rows,
        }
    }

    fn fits(self, rows: usize) -> bool {
        self.subrequests <= MOST_SUBREQUESTS && self.lists <= MOST_LISTS && self.rows <= rows
    }
}

/// True for a text that Composite might take for a reference to another answer: `@{…}`.
fn refers(call: &Call) -> bool {
    let path = percent_decode_str(&call.path).decode_utf8_lossy();
    // An escaped sign may be one of the two.
    path.contains("@{") || call.body.as_ref().is_some_and(|body| body.contains("@{") || body.contains("\\u00"))
}

/// A call that goes out with others.
struct Member {
    call: Call,
    /// Bytes its answer may have.
    limit: u64,
    size: Size,
    /// Takes its answer; none when it is to be sent by itself.
    tell: oneshot::Sender<Option<Answer>>,
}

/// The calls of all runs that stay for others, oldest first.
#[derive(Default)]
pub(super) struct Gathering {
    waiting: Mutex<Vec<(u64, Member)>>,
    numbers: AtomicU64,
    /// While it lasts all calls go apart.
    apart: Throttle,
}

impl Gathering {
    fn waiting(&self) -> MutexGuard<'_, Vec<(u64, Member)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the number by which it leaves.
    fn stay(&self, member: Member) -> u64 {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        self.waiting().push((number, member));
        number
    }

    /// None when another has taken it along.
    fn leave(&self, number: u64) -> Option<Member> {
        let mut waiting = self.waiting();
        let place = waiting.iter().position(|(own, _)| *own == number)?;
        Some(waiting.remove(place).1)
    }

    /// Those that fit beside this one into a request of so many rows, oldest first. What a run that has ended still waits with is
    /// dropped.
    fn beside(&self, first: Size, rows: usize) -> Vec<Member> {
        let (mut taken, mut with, mut stay) = (first, Vec::new(), Vec::new());
        let mut waiting = self.waiting();
        for (number, member) in waiting.drain(..).filter(|(_, member)| !member.tell.is_closed()) {
            let both = taken.and(member.size);
            if both.fits(rows) {
                taken = both;
                with.push(member);
            } else {
                stay.push((number, member));
            }
        }
        *waiting = stay;
        with
    }
}

impl Salesforce {
    /// The answer out of a request that calls of other runs share; none when the call is to be sent by itself.
    pub(super) async fn shared(&self, call: &Call, limit: Limit<'_>, pace: Pace) -> Option<Answer> {
        // A read that somebody waits for does not wait for what others read. A write does no harm: it goes first.
        if pace == Pace::AtOnce && (call.reads() || self.gathering.waiting().is_empty()) {
            return None;
        }
        let size = Size::of(call).filter(|size| size.fits(MOST_ROWS) && self.gathering.apart.left().is_none())?;
        let (tell, mut told) = oneshot::channel();
        let limit = limit.of(call.reads());
        let own = Member { call: call.clone(), limit: limit.room(), size, tell };
        let (first, rows) = match pace {
            Pace::AtOnce => (Some(own), size.rows + MOST_ALONG),
            Pace::WithOthers => {
                let number = self.gathering.stay(own);
                match tokio::time::timeout(WAIT, &mut told).await {
                    Ok(answer) => return taken(answer, limit),
                    Err(_) => (self.gathering.leave(number), MOST_ROWS),
                }
            }
        };
        if let Some(first) = first {
            let with = self.gathering.beside(size, rows);
            if with.is_empty() {
                return None;
            }
            self.send_together(std::iter::once(first).chain(with).collect()).await;
        }
        taken(told.await, limit)
    }

    /// One Composite request for all; each is told its own answer.
    async fn send_together(&self, members: Vec<Member>) {
        let subrequests: Vec<Value> = members
            .iter()
            .enumerate()
            .map(|(place, member)| {
                let mut subrequest = json!({
                    "method": member.call.method.word(), "url": format!("{}{}", self.root, member.call.path), "referenceId": reference(place),
                });
                if let Some(body) = member.call.body.as_deref().and_then(|body| serde_json::from_str(body).ok()) {
                    subrequest["body"] = body;
                }
                subrequest
            })
            .collect();
        let body = json!({ "allOrNone": false, "collateSubrequests": false, "compositeRequest": subrequests });
        let limit = members.iter().fold(0, |sum: u64, member| sum.saturating_add(member.limit)).min(MOST_BYTES);
        let came = self.exchange(&Call::write(Method::Post, "/composite", &body), limit.into()).await;
        let rows = match came {
            Ok(raw) => rows(&raw, members.len()).unwrap_or_else(|| {
                let (_, error) = error::read(&raw);
                if !matches!(&error, CallError::Remote { code, .. } if error::is_passing(code)) {
                    tracing::warn!(%error, seconds = APART.as_secs(), "a shared request is refused: calls go apart for now");
                    self.gathering.apart.hold(APART);
                }
                Vec::new()
            }),
            Err(error) => {
                tracing::debug!(%error, calls = members.len(), "a shared request is not answered: its calls go apart");
                Vec::new()
            }
        };
        let mut rows = rows.into_iter();
        for member in members {
            let answer = rows.next().and_then(|row| done(row, &member));
            // A run that has ended takes none.
            let _ = member.tell.send(answer);
        }
    }
}

fn reference(place: usize) -> String {
    format!("call{place}")
}

/// An answer that came out of a shared request, counted as one that comes alone is; none when it has no room.
fn taken(told: Result<Option<Answer>, RecvError>, limit: Limit<'_>) -> Option<Answer> {
    told.ok().flatten().filter(|answer| limit.take(0, answer.body.len()).is_ok())
}

/// The answer to one call of a shared request.
struct Row {
    status: u16,
    headers: Vec<(String, String)>,
    body: Value,
}

/// One row for each call sent; none when the request is refused, or the answer does not fit what was sent.
fn rows(raw: &transport::Raw, sent: usize) -> Option<Vec<Row>> {
    let mut body: Value = serde_json::from_str(&raw.body).unwrap_or_default();
    let Value::Array(rows) = body["compositeResponse"].take() else { return None };
    let fits = raw.done()
        && rows.len() == sent
        && rows.iter().enumerate().all(|(place, row)| row["referenceId"] == reference(place));
    // A caller sees what it would have seen alone: its own headers, and how many of the day's calls are left.
    let headers_of = |row: &Value| {
        let own = row["httpHeaders"].as_object().into_iter().flatten();
        let own = own.filter_map(|(name, value)| Some((name.to_ascii_lowercase(), value.as_str()?.to_owned())));
        own.filter(|(name, _)| transport::is_kept(name)).chain(raw.headers.iter().cloned()).collect()
    };
    let row_of = |mut row: Value| Row {
        // What says nothing is not done.
        status: row["httpStatusCode"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(500),
        headers: headers_of(&row),
        body: row["body"].take(),
    };
    fits.then(|| rows.into_iter().map(row_of).collect())
}

/// What a row says when it says that all was done.
fn done(row: Row, member: &Member) -> Option<Answer> {
    let Row { status, headers, body } = row;
    let whole = match member.call.method {
        Method::Get => body["records"].is_array(),
        _ => body.as_array().is_none_or(|records| records.iter().all(|record| record["success"] == true)),
    };
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let taken = (200..300).contains(&status) && whole && text.len() as u64 <= member.limit;
    taken.then_some(Answer { status, headers, body: text })
}
