//! What was asked of many events at once: done beside everything else, its progress asked for by its id. What failed is told apart.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Console;
use super::access::Who;
use super::problem::Problem;
use crate::ending::guarded;
use crate::store::{Event, EventState, Fate};

/// Jobs that are remembered.
const REMEMBERED: usize = 100;
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
    /// It has ended.
    over: bool,
    #[serde(skip)]
    by: String,
}

/// One that failed.
#[derive(Clone, Serialize, ToSchema)]
pub struct Failure {
    /// The event.
    event: i64,
    /// Why.
    why: String,
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
pub struct Jobs(Mutex<VecDeque<Arc<Mutex<Job>>>>);

impl Jobs {
    /// Begins one.
    pub async fn begin(&self, console: Arc<Console>, who: Who, task: Task, events: Vec<Event>) -> Result<Job, Problem> {
        let job = Job {
            id: super::access::secret()?[..16].to_owned(),
            act: task.act.to_owned(),
            total: events.len() as u64,
            done: 0,
            failures: 0,
            failed: Vec::new(),
            over: events.is_empty(),
            by: who.name.clone(),
        };
        let what = match events.as_slice() {
            [one] => format!("event {} ({} {})", one.id, one.flow, one.key),
            several => format!("{} events", several.len()),
        };
        let mut act = who.act(task.act, what, Fate::Done);
        act.why = match (&task.choice, &task.why) {
            (Some(choice), Some(why)) => Some(format!("{choice}: {why}")),
            (choice, why) => choice.clone().or_else(|| why.clone()),
        };
        console.store.act(act).await?;
        let shared = Arc::new(Mutex::new(job.clone()));
        {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.push_back(shared.clone());
            while all.len() > REMEMBERED {
                all.pop_front();
            }
        }
        // A handful is over before anybody could ask for it.
        if events.len() <= 20 {
            work(&console, &shared, &task, events).await;
            return Ok(shared.lock().unwrap_or_else(PoisonError::into_inner).clone());
        }
        tokio::spawn(guarded(
            "what was asked of many events",
            async move { work(&console, &shared, &task, events).await },
        ));
        Ok(job)
    }

    fn find(&self, id: &str, who: &Who) -> Option<Job> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut jobs = all.iter().map(|job| job.lock().unwrap_or_else(PoisonError::into_inner).clone());
        jobs.find(|job| job.id == id && job.by == who.name)
    }
}

async fn work(console: &Console, job: &Mutex<Job>, task: &Task, events: Vec<Event>) {
    let mut touched = Vec::new();
    for event in events {
        let failed = again(console, task, &event).await.err();
        let mut job = job.lock().unwrap_or_else(PoisonError::into_inner);
        job.done += 1;
        if let Some(why) = failed {
            job.failures += 1;
            if job.failed.len() < NAMED {
                job.failed.push(Failure { event: event.id.0, why });
            }
        } else if !touched.contains(&event.flow) {
            touched.push(event.flow);
        }
        job.over = job.done == job.total;
    }
    console.engine.ring(&touched);
}

async fn again(console: &Console, task: &Task, event: &Event) -> Result<(), String> {
    if let Some(choice) = &task.choice {
        // As it is now: somebody else may have been faster.
        let now = console.store.event(event.id).await.map_err(|error| error.to_string())?;
        let now = now.ok_or("it is not kept any more")?;
        if now.state != EventState::Review {
            return Err(format!("it is {}, not in review", now.state.word()));
        }
        if !now.choices.contains(choice) {
            return Err(format!("it does not offer {choice:?}; it offers: {}", now.choices.join(", ")));
        }
    }
    match console.store.retry(event.id, task.choice.clone(), crate::time::now()).await {
        Ok(true) => Ok(()),
        Ok(false) => Err("only events that are ready, waiting, in review or rejected can be run again".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// How far a job is that one has begun.
#[utoipa::path(get, path = "/jobs/{id}", tag = "events", params(("id" = String, Path)),
    responses((status = 200, body = Job), (status = 401, body = Problem), (status = 404, body = Problem)))]
async fn job(State(console): State<Arc<Console>>, who: Who, Path(id): Path<String>) -> Result<Json<Job>, Problem> {
    let problem = || Problem::no(format_args!("job {id:?}")).mended("The host forgets its jobs when it stops.");
    console.jobs.find(&id, &who).map(Json).ok_or_else(problem)
}
