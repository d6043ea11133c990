//! The one thread that writes: takes jobs from many callers and commits a group of them at a time, so that a busy host
//! pays for few fsyncs. Each job runs in its own savepoint: one that fails takes none of its neighbours with it.

use std::sync::mpsc;
use std::thread;

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::store::{Durability, Result, StoreError};

/// Jobs per commit at most: bounds how long the first of a group waits.
const GROUP: usize = 256;

/// After the commit: hands the job's result, or the commit's error, to its caller.
type Acknowledge = Box<dyn FnOnce(Option<String>) + Send>;
type Work = Box<dyn FnOnce(&Connection) -> Acknowledge + Send>;

struct Job {
    durability: Durability,
    work: Work,
}

/// Handle to the writing thread; the thread ends when the last handle is dropped.
#[derive(Clone)]
pub struct Writer {
    jobs: mpsc::Sender<Job>,
}

impl Writer {
    /// Starts the thread on its own connection.
    pub fn start(connection: Connection) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        thread::Builder::new().name("store-writer".into()).spawn(move || write_groups(&connection, &queue))?;
        Ok(Self { jobs })
    }

    /// Runs `job` in the next group; returns when that group is durable.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.run_with(Durability::Now, job).await
    }

    /// Runs `job` in the next group; returns when that group is as durable as asked, or more.
    pub async fn run_with<T: Send + 'static>(
        &self,
        durability: Durability,
        job: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let work: Work = Box::new(move |connection| {
            let result = in_savepoint(connection, job);
            Box::new(move |commit_error| {
                let result = match commit_error {
                    None => result,
                    Some(error) => Err(StoreError::Database(error)),
                };
                // A caller that gave up does not need its answer.
                let _ = reply.send(result);
            })
        });
        self.jobs.send(Job { durability, work }).map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

fn in_savepoint<T>(connection: &Connection, job: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    connection.execute_batch("SAVEPOINT job")?;
    match job(connection) {
        Ok(value) => {
            connection.execute_batch("RELEASE job")?;
            Ok(value)
        }
        Err(error) => {
            connection.execute_batch("ROLLBACK TO job; RELEASE job")?;
            Err(error)
        }
    }
}

fn write_groups(connection: &Connection, queue: &mpsc::Receiver<Job>) {
    // As the connection was opened.
    let mut synced = true;
    while let Ok(first) = queue.recv() {
        let mut group = vec![first];
        group.extend(queue.try_iter().take(GROUP - 1));
        let must_sync = group.iter().any(|job| job.durability == Durability::Now);
        if must_sync != synced {
            // In WAL mode NORMAL writes the log without syncing it; the next FULL commit syncs all of it.
            let level = if must_sync { "FULL" } else { "NORMAL" };
            if connection.pragma_update(None, "synchronous", level).is_ok() {
                synced = must_sync;
            }
        }
        let begun = if must_sync && !synced {
            Err("the database cannot be set to sync its commits".to_owned())
        } else {
            connection.execute_batch("BEGIN IMMEDIATE").map_err(|e| e.to_string())
        };
        if let Err(error) = begun {
            tracing::error!(error, "the database cannot begin a transaction");
            // Run outside a transaction would break atomicity: refuse by dropping the jobs, their callers see `Closed`.
            continue;
        }
        let acknowledgements: Vec<Acknowledge> = group.into_iter().map(|job| (job.work)(connection)).collect();
        let commit_error = connection.execute_batch("COMMIT").err().map(|error| {
            tracing::error!(%error, "the database cannot commit");
            let _ = connection.execute_batch("ROLLBACK");
            error.to_string()
        });
        metrics::histogram!("tandem_store_group_size").record(acknowledgements.len() as f64);
        for acknowledge in acknowledgements {
            acknowledge(commit_error.clone());
        }
    }
    // A clean end leaves one file, not three.
    let _ = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
}
