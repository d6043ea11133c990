//! The one thread that writes: takes jobs from many callers and commits a group of them at a time, so that a busy host
//! pays for few fsyncs. Each job runs in its own savepoint: one that fails takes none of its neighbours with it. What ends the
//! whole transaction, such as a full disk, fails every job of its group: none is told that it was kept.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use tokio::sync::oneshot;

use super::statement::Connection;
use crate::store::{Durability, Result, StoreError};

/// Jobs per commit at most: bounds how long the first of a group waits.
const GROUP: usize = 256;

/// A connection that writes, as its engine has it.
pub trait Session: Send + 'static {
    /// What statements are said to.
    fn connection(&self) -> &Connection;
    /// Begins a transaction whose commit is so durable. Until it ends nobody else writes.
    fn begin(&self, durability: Durability) -> Result<()>;
    /// Ends it. An error: nothing of it was kept.
    fn commit(&self) -> Result<()>;
    /// Takes all of it back, where it was not ended already.
    fn roll_back(&self);
    /// Whether it was begun and is not ended: some errors end all of it.
    fn is_within(&self) -> bool;
    /// What follows can be taken back alone, until [`Session::end_job`].
    fn begin_job(&self) -> Result<()>;
    /// It stays with the rest.
    fn end_job(&self) -> Result<()>;
    /// It is taken back.
    fn take_back_job(&self) -> Result<()>;
    /// Nothing will be written any more.
    fn close(&self) {}
}

/// After the commit: hands the job's result, or what failed the group, to its caller.
type Acknowledge = Box<dyn FnOnce(Option<&str>) + Send>;

/// A job that has run, or was refused.
struct Ran {
    acknowledge: Acknowledge,
    /// Why it failed, if it did.
    failed: Option<String>,
    /// It found no room: the store does not take writes, even where the group goes on without it.
    no_room: bool,
    /// Its savepoint could not be taken back: the group cannot be committed.
    stuck: bool,
}

/// Runs on the connection; or is told why it cannot.
type Work = Box<dyn FnOnce(std::result::Result<&dyn Session, &str>) -> Ran + Send>;

struct Job {
    durability: Durability,
    /// In a transaction of its own: what it fails by is nobody else's.
    alone: bool,
    work: Work,
}

/// Handle to the writing thread; the thread ends when the last handle is dropped.
#[derive(Clone)]
pub struct Writer {
    jobs: mpsc::Sender<Job>,
    failing: Arc<AtomicBool>,
}

impl Writer {
    /// Starts the thread on a connection of its own. A panic in it ends the process: a host whose store is dead must not go on.
    pub fn start(session: impl Session) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let failing = Arc::new(AtomicBool::new(false));
        let told = failing.clone();
        thread::Builder::new().name("store-writer".into()).spawn(move || {
            if catch_unwind(AssertUnwindSafe(|| write_groups(&session, &queue, &told))).is_err() {
                crate::ending::died("the thread that writes the store");
            }
        })?;
        Ok(Self { jobs, failing })
    }

    /// True from a commit that failed until somebody has seen that there is room again: that a smaller one went through does not say so.
    pub fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// There is room again.
    pub fn is_well(&self) {
        self.failing.store(false, Ordering::Relaxed);
    }

    /// Runs `job` in the next group; returns when that group is durable.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.run_with(Durability::Now, job).await
    }

    /// Runs `job`, which may find no room, in a transaction of its own.
    pub async fn run_alone<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.send(Durability::Now, true, job).await
    }

    /// Runs `job` in the next group; returns when that group is as durable as asked, or more.
    pub async fn run_with<T: Send + 'static>(
        &self,
        durability: Durability,
        job: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.send(durability, false, job).await
    }

    async fn send<T: Send + 'static>(
        &self,
        durability: Durability,
        alone: bool,
        job: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let work: Work = Box::new(move |session| {
            let (result, stuck) = match session {
                Ok(session) => apart(session, job),
                Err(why) => (Err(StoreError::Database(why.to_owned())), false),
            };
            let failed = result.as_ref().err().map(ToString::to_string);
            let no_room = matches!(result, Err(StoreError::NoRoom(_)));
            let acknowledge: Acknowledge = Box::new(move |group_error| {
                let result = match group_error {
                    None => result,
                    Some(error) => Err(StoreError::Database(error.to_owned())),
                };
                // A caller that gave up does not need its answer.
                let _ = reply.send(result);
            });
            Ran { acknowledge, failed, no_room, stuck }
        });
        self.jobs.send(Job { durability, alone, work }).map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

/// The job's result, and whether its failure could not be taken back alone.
fn apart<T>(session: &dyn Session, job: impl FnOnce(&Connection) -> Result<T>) -> (Result<T>, bool) {
    let tried = session.begin_job().and_then(|()| {
        let value = job(session.connection())?;
        session.end_job()?;
        Ok(value)
    });
    let stuck = tried.is_err() && session.take_back_job().is_err();
    (tried, stuck)
}

fn write_groups(session: &dyn Session, queue: &mpsc::Receiver<Job>, failing: &AtomicBool) {
    let mut waiting: Option<Job> = None;
    while let Some(first) = waiting.take().or_else(|| queue.recv().ok()) {
        let mut group = vec![first];
        while group.len() < GROUP
            && !group.iter().any(|job| job.alone)
            && let Ok(next) = queue.try_recv()
        {
            if next.alone {
                waiting = Some(next);
                break;
            }
            group.push(next);
        }
        let must_last = group.iter().any(|job| job.durability == Durability::Now);
        let begun = session.begin(if must_last { Durability::Now } else { Durability::WithNextCommit });
        metrics::histogram!("tandem_store_group_size").record(group.len() as f64);
        let (error, no_room) = write_group(session, begun.err().map(|error| error.to_string()), group);
        if let Some(error) = &error {
            tracing::error!(error, "the database does not take what is written; all of it is tried again");
        }
        if error.is_some() || no_room {
            failing.store(true, Ordering::Relaxed);
        }
    }
    session.close();
}

/// One transaction and one verdict for all: no error when it was committed; and whether one of the jobs found no room. `error`
/// says why it could not be begun.
fn write_group(session: &dyn Session, mut error: Option<String>, group: Vec<Job>) -> (Option<String>, bool) {
    let mut no_room = false;
    let mut ran: Vec<Acknowledge> = Vec::with_capacity(group.len());
    for job in group {
        if let Some(error) = &error {
            ran.push((job.work)(Err(error)).acknowledge);
            continue;
        }
        let one = (job.work)(Ok(session));
        no_room |= one.no_room;
        // A full disk or a failing one rolls everything back by itself; what is written after that would commit alone.
        if one.stuck || !session.is_within() {
            error = Some(one.failed.unwrap_or_else(|| "the transaction was ended by the database".into()));
        }
        ran.push(one.acknowledge);
    }
    if error.is_none() {
        error = session.commit().err().map(|error| error.to_string());
    }
    if error.is_some() {
        session.roll_back();
    }
    ran.into_iter().for_each(|acknowledge| acknowledge(error.as_deref()));
    (error, no_room)
}
