//! Requests that runs share. A call that nobody waits for stays a moment for those of other runs; together they go out as one
//! Composite request, which counts as one API call, and a write that somebody does wait for takes a few of them along.
//!
//! Only what may be sent twice is shared, and only an answer that says *done* is taken from a shared request. Who gets none,
//! be it refused, lost, cut off or too large, alone or with all the others, sends its call by itself as if it had never been
//! shared: so nobody bears what another's call brought about, and every rule for a single call holds as it stands. After a
//! request that came to nothing calls go apart for a while: what one call brings about costs the others one wait, not one each time.
//!
//! Source: REST API guide, *Composite*: 25 subrequests, 5 of them queries or sObject Collections; the whole counts as one
//! call; without `allOrNone` a refused one leaves the others; without `collateSubrequests` they are carried out in the order in
//! which they stand. Assumed, as the guide does not say: that each then is a transaction of its own. Were it not, one that
//! breaks a governor limit for another is sent again alone.

mod size;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::{
    OwnedSemaphorePermit, Semaphore,
    oneshot::{self, error::RecvError},
};

use self::size::Size;
use super::{MOST_SUBREQUESTS, Salesforce, error};
use crate::connections::throttle::Throttle;
use crate::connections::{Answer, Call, CallError, Limit, Method, Pace, member, transport};

/// So long a call waits for others at most.
const WAIT: Duration = Duration::from_millis(400);
/// What one request takes. Its records are fewer than an org takes: a request of more costs little for each, and would keep
/// the others waiting.
const MOST: Size = Size { subrequests: MOST_SUBREQUESTS, lists: 5, rows: 100, bytes: 1 << 20 };
/// What a write that somebody waits for takes along: its answer comes after theirs.
const ALONG: Size = Size { subrequests: 5, lists: 5, rows: 25, bytes: 64 << 10 };
/// Bytes of one request's answer, whatever its callers may take each.
const MOST_BYTES: u64 = 2 << 20;
/// Shared requests under way at once; what finds no place goes apart.
const PARALLEL: usize = 4;
/// An org that refuses a request as a whole is not asked to share for so long.
const REFUSED: Duration = Duration::from_secs(600);
/// The same when a request was lost, cut off or too large: one of its calls may have brought that about.
const LOST: Duration = Duration::from_secs(60);
/// An answer that somebody waited for longer than this came too late: such writes take none along for a while.
const LATE: Duration = Duration::from_secs(2);

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
pub(super) struct Gathering {
    waiting: Mutex<Vec<(u64, Member)>>,
    numbers: AtomicU64,
    places: Arc<Semaphore>,
    /// While it lasts all calls go apart.
    apart: Throttle,
    /// While it lasts what somebody waits for takes none along.
    late: Throttle,
}

impl Default for Gathering {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            numbers: AtomicU64::default(),
            places: Arc::new(Semaphore::new(PARALLEL)),
            apart: Throttle::default(),
            late: Throttle::default(),
        }
    }
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

    /// Those that fit beside this one into a request of this size, oldest first. What a run that has ended still waits with is
    /// dropped.
    fn beside(&self, first: Size, most: Size) -> Vec<Member> {
        let (mut taken, mut with, mut stay) = (first, Vec::new(), Vec::new());
        let mut waiting = self.waiting();
        for (number, member) in waiting.drain(..).filter(|(_, member)| !member.tell.is_closed()) {
            let both = taken.and(member.size);
            if both.fits(most) {
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
    pub(super) async fn shared(self: &Arc<Self>, call: &Call, limit: Limit<'_>, pace: Pace) -> Option<Answer> {
        let gathering = &self.gathering;
        // A read that somebody waits for does not wait for what others read. A write does no harm: it goes first.
        let goes_alone = || call.reads() || gathering.late.left().is_some() || gathering.waiting().is_empty();
        if gathering.apart.left().is_some() || (pace == Pace::AtOnce && goes_alone()) {
            return None;
        }
        let size = Size::of(call).filter(|size| size.fits(MOST))?;
        let limit = limit.of(call.reads());
        let (tell, mut told) = oneshot::channel();
        let own = Member { call: call.clone(), limit: limit.room(), size, tell };
        let (first, most) = match pace {
            Pace::AtOnce => (own, Size { lists: MOST.lists, ..size.and(ALONG) }),
            Pace::WithOthers => {
                let number = gathering.stay(own);
                match tokio::time::timeout(WAIT, &mut told).await {
                    Ok(answer) => return taken(answer, limit),
                    Err(_) => match gathering.leave(number) {
                        Some(own) => (own, MOST),
                        None => return taken(told.await, limit),
                    },
                }
            }
        };
        let place = gathering.places.clone().try_acquire_owned().ok()?;
        let with = gathering.beside(size, most);
        if with.is_empty() {
            return None;
        }
        let members = std::iter::once(first).chain(with).collect();
        // By itself: the end of one run leaves the answers of the others.
        tokio::spawn(self.clone().send_together(members, pace, place));
        taken(told.await, limit)
    }

    /// One Composite request for all, at the pace of the first; each is told its own answer.
    async fn send_together(self: Arc<Self>, mut members: Vec<Member>, pace: Pace, _place: OwnedSemaphorePermit) {
        let admitted = self.admitted().await;
        // Nothing is sent of a run that has ended meanwhile: its events may be on their way again.
        members.retain(|member| !member.tell.is_closed());
        let came = match admitted {
            Ok(_) if members.len() < 2 => return,
            Ok(token) => {
                let limit = members.iter().fold(0, |sum: u64, one| sum.saturating_add(one.limit)).min(MOST_BYTES);
                let begun = Instant::now();
                let came = self.exchange_as(token, &request_of(&self.root, &members), limit.into()).await;
                if pace == Pace::AtOnce && begun.elapsed() > LATE {
                    tracing::debug!(
                        seconds = REFUSED.as_secs(),
                        "a write waited for others too long: it goes alone for now"
                    );
                    self.gathering.late.hold(REFUSED);
                }
                came
            }
            Err(error) => Err(error),
        };
        let rows = match came {
            Ok(raw) => rows(&raw, members.len()).unwrap_or_else(|| {
                let (_, error) = error::read(&raw);
                if !matches!(&error, CallError::Remote { code, .. } if error::is_passing(code)) {
                    tracing::warn!(%error, seconds = REFUSED.as_secs(), "a shared request is refused: calls go apart for now");
                    self.gathering.apart.hold(REFUSED);
                }
                Vec::new()
            }),
            Err(error) => {
                tracing::debug!(%error, calls = members.len(), "a shared request is not answered: its calls go apart");
                // An outage that was known before anything was sent is nobody's doing.
                if !error.is_outage() {
                    self.gathering.apart.hold(LOST);
                }
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

fn request_of(root: &str, members: &[Member]) -> Call {
    let subrequest = |(place, member): (usize, &Member)| {
        let mut subrequest = json!({
            "method": member.call.method.word(), "url": format!("{root}{}", member.call.path), "referenceId": reference(place),
        });
        if let Some(body) = member.call.body.as_deref().and_then(|body| serde_json::from_str(body).ok()) {
            subrequest["body"] = body;
        }
        subrequest
    };
    let subrequests: Vec<Value> = members.iter().enumerate().map(subrequest).collect();
    let body = json!({ "allOrNone": false, "collateSubrequests": false, "compositeRequest": subrequests });
    Call::write(Method::Post, "/composite", &body)
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
    let body: Value = serde_json::from_str(&raw.body).unwrap_or_default();
    let Value::Array(rows) = member(body, "compositeResponse") else { return None };
    let fits = raw.done()
        && rows.len() == sent
        && rows.iter().enumerate().all(|(place, row)| row["referenceId"] == reference(place));
    // A caller sees what it would have seen alone: its own headers, and how many of the day's calls are left.
    let headers_of = |row: &Value| {
        let own = row["httpHeaders"].as_object().into_iter().flatten();
        let own = own.filter_map(|(name, value)| Some((name.to_ascii_lowercase(), value.as_str()?.to_owned())));
        own.filter(|(name, _)| transport::is_kept(name)).chain(raw.headers.iter().cloned()).collect()
    };
    let row_of = |row: Value| Row {
        // What says nothing is not done.
        status: row["httpStatusCode"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(500),
        headers: headers_of(&row),
        body: member(row, "body"),
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
