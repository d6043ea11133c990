//! What was asked of many events at once: done beside everything else, its progress asked for by its id. What failed is told apart.

mod rehearsal;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::rehearsal::{Outcome, rehearse_all};
use super::Console;
use super::access::Who;
use super::problem::Problem;
use crate::ending::guarded;
use crate::engine::calls::{Answerer, may_answer};
use crate::store::{Act, Answered, Event, EventId, Fate};

/// Jobs that are remembered.
const REMEMBERED: usize = 100;
/// How long an answer waits for what was asked to be over.
const MOMENT: Duration = Duration::from_secs(2);
/// Letters of a reason.
const LONGEST_WHY: usize = 2_000;
/// So many events stand each by itself in the audit trail; of more how many they were.
const EACH: usize = 1_000;
/// Failures of one job that are named.
const NAMED: usize = 1_000;

/// All of this page.
pub fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new().routes(routes!(job))
}

/// How far it is.
#[derive(Clone, Serialize, ToSchema)]
pub struct Job {
    /// By which its progress is asked for.
    id: String,
    /// What is done.
    act: String,
    /// Of so many events.
    total: u64,
    /// So many are gone through, failed ones too.
    done: u64,
    /// So many failed.
    failures: u64,
    /// What failed, the first thousand.
    failed: Vec<Failure>,
    /// Of a rehearsal: what each would come to, as far as it is.
    outcomes: Vec<Outcome>,
    /// Of a rehearsal: more were meant than are rehearsed at once, and these are the newest of them.
    more: bool,
    /// It has ended.
    over: bool,
    #[serde(skip)]
    by: String,
}

impl Job {
    fn new(act: &str, who: &Who, events: &[Target]) -> Result<Self, Problem> {
        Ok(Self {
            id: super::access::secret()?[..16].to_owned(),
            act: act.to_owned(),
            total: events.len() as u64,
            done: 0,
            failures: 0,
            failed: Vec::new(),
            outcomes: Vec::new(),
            more: false,
            over: events.is_empty(),
            by: who.name.clone(),
        })
    }

    /// One more failed.
    fn fail(&mut self, event: &Target, why: String) {
        self.failures += 1;
        if self.failed.len() < NAMED {
            self.failed.push(Failure { event: event.id.0, why });
        }
    }

    /// One more is gone through.
    fn step(&mut self) {
        self.done += 1;
        self.over = self.done == self.total;
    }
}

/// One that failed.
#[derive(Clone, Serialize, ToSchema)]
pub struct Failure {
    /// The event.
    event: i64,
    /// Why.
    why: String,
}

/// An event that something is done to.
pub struct Target {
    id: EventId,
    flow: String,
    key: String,
}

impl From<&Event> for Target {
    fn from(event: &Event) -> Self {
        Self { id: event.id, flow: event.flow.clone(), key: event.key.clone() }
    }
}

/// What is done to each event.
pub struct Task {
    /// What the audit trail calls it.
    pub act: &'static str,
    /// The answer that is given; none: it runs again.
    pub choice: Option<String>,
    /// Why, in the person's words.
    pub why: Option<String>,
}

/// The jobs of this host since it started.
#[derive(Default)]
pub struct Jobs {
    all: Mutex<VecDeque<Arc<Mutex<Job>>>>,
    /// One rehearses at a time: flows go first.
    turn: tokio::sync::Mutex<()>,
}

impl Jobs {
    /// Begins one; the answer is how far it is after a moment, since a handful is over before anybody could ask for it.
    pub async fn begin(
        &self,
        console: Arc<Console>,
        who: Who,
        task: Task,
        events: Vec<Target>,
    ) -> Result<Job, Problem> {
        checked(task.why.as_deref())?;
        let job = self.keep(Job::new(task.act, &who, &events)?);
        let own = job.clone();
        Ok(after_a_moment(&job, async move { work(&console, &own, &who, &task, events).await }).await)
    }

    /// Begins to rehearse them; it ends with the host. The audit trail has one line for all.
    pub async fn rehearse(
        &self,
        console: Arc<Console>,
        who: Who,
        why: Option<String>,
        events: Vec<Target>,
        more: bool,
    ) -> Result<Job, Problem> {
        checked(why.as_deref())?;
        let job = Job { more, ..Job::new("events.rehearse", &who, &events)? };
        // Both systems are read from, however each ends.
        console.store.act(Act { why, ..who.act(&job.act, among(&events), Fate::Done) }).await?;
        let job = self.keep(job);
        let (own, mut stop) = (job.clone(), console.live.stop());
        let work = async move {
            tokio::select! {
                () = rehearse_all(&console, &own, &who, &events) => {}
                _ = stop.changed() => {}
            }
        };
        Ok(after_a_moment(&job, work).await)
    }

    fn keep(&self, job: Job) -> Arc<Mutex<Job>> {
        let shared = Arc::new(Mutex::new(job));
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.push_back(shared.clone());
        while all.len() > REMEMBERED {
            all.pop_front();
        }
        shared
    }

    fn find(&self, id: &str, who: &Who) -> Option<Job> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().find_map(|job| {
            let job = job.lock().unwrap_or_else(PoisonError::into_inner);
            (job.id == id && job.by == who.name).then(|| job.clone())
        })
    }
}

fn checked(why: Option<&str>) -> Result<(), Problem> {
    match why.is_some_and(|why| why.chars().count() > LONGEST_WHY) {
        true => Err(Problem::field("why", format!("A reason has {LONGEST_WHY} letters at most."))),
        false => Ok(()),
    }
}

/// How many, and which they lie among.
fn among(events: &[Target]) -> String {
    let ids = events.iter().map(|event| event.id.0);
    match (ids.clone().min(), ids.max()) {
        (Some(first), Some(last)) if first < last => format!("{} events, {first} to {last}", events.len()),
        (Some(only), _) => format!("event {only}"),
        _ => "no events".into(),
    }
}

/// Does it beside everything else. Whoever asked may hang up: what was asked is done.
async fn after_a_moment(job: &Mutex<Job>, work: impl Future<Output = ()> + Send + 'static) -> Job {
    let work = tokio::spawn(guarded("what was asked of many events", work));
    let _ = tokio::time::timeout(MOMENT, work).await;
    job.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

async fn work(console: &Console, job: &Mutex<Job>, who: &Who, task: &Task, events: Vec<Target>) {
    let (mut touched, total) = (Vec::new(), events.len());
    let line = |what: String, outcome: Fate| {
        let mut act = who.act(task.act, what, outcome);
        act.why = match (&task.choice, &task.why) {
            (Some(choice), Some(why)) => Some(format!("{choice}: {why}")),
            (choice, why) => choice.clone().or_else(|| why.clone()),
        };
        act
    };
    if total > EACH {
        note(console, line(format!("{total} events, begun"), Fate::Done)).await;
    }
    let mut failures = 0;
    for event in events {
        let failed = again(console, who, task, &event).await.err();
        if total <= EACH {
            let outcome = if failed.is_some() { Fate::Failed } else { Fate::Done };
            note(console, line(format!("event {} ({} {})", event.id, event.flow, event.key), outcome)).await;
        }
        let mut job = job.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(why) = failed {
            job.fail(&event, why);
            failures = job.failures;
        } else if !touched.contains(&event.flow) {
            touched.push(event.flow);
        }
        job.step();
    }
    if total > EACH {
        note(console, line(format!("{total} events, {failures} of them failed"), Fate::Done)).await;
    }
    console.engine.ring(&touched);
}

/// What was done is done: that it cannot be noted down is told in the log.
async fn note(console: &Console, act: Act) {
    if let Err(error) = console.store.act(act).await {
        tracing::error!(%error, "the audit trail lacks a line");
    }
}

async fn again(console: &Console, who: &Who, task: &Task, event: &Target) -> Result<(), String> {
    let now = crate::time::now();
    if let Some(choice) = &task.choice {
        // A call that waits to be approved is not everybody's to approve.
        let asked = console.store.event(event.id).await.map_err(|error| error.to_string())?;
        let answerer = Answerer { who: &who.name, owner: who.owner.as_deref(), via: who.via };
        if let Some(why) = asked.and_then(|asked| may_answer(console.engine.policy(), &asked, answerer, choice)) {
            return Err(why);
        }
        return match console.store.answer(event.id, choice, now).await.map_err(|error| error.to_string())? {
            Answered::Given => Ok(()),
            Answered::NotAsked(state) => Err(format!("it is {}, not in review", state.word())),
            Answered::NotOffered(offers) => {
                Err(format!("it does not offer {choice:?}; it offers: {}", offers.join(", ")))
            }
            Answered::Gone => Err("it is not kept any more".into()),
        };
    }
    match console.store.retry(event.id, None, now).await {
        Ok(true) => Ok(()),
        Ok(false)
            if let Ok(Some(own)) = console.store.event(event.id).await
                && let Some(why) = own.kept.why() =>
        {
            Err(format!("it cannot be run again: {why}"))
        }
        Ok(false) => Err("only events that are ready, waiting, in review or rejected can be run again".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// How far a job is that one has begun.
#[utoipa::path(get, path = "/jobs/{id}", tag = "events", params(("id" = String, Path)),
    responses((status = 200, body = Job), (status = 401, body = Problem), (status = 404, body = Problem)))]
async fn job(State(console): State<Arc<Console>>, who: Who, Path(id): Path<String>) -> Result<Json<Job>, Problem> {
    let problem = || {
        Problem::no(format_args!("job {id:?}"))
            .mended("The host forgets its jobs when it stops, or takes up another configuration.")
    };
    let mut job = console.jobs.find(&id, &who).ok_or_else(problem)?;
    Outcome::seen_by(&mut job.outcomes, &who);
    Ok(Json(job))
}
