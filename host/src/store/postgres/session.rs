//! The session that writes. A commit whose answer was lost is looked up: nothing is told to have failed that was kept, nor the other way round.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use super::engine::Wire;
use super::{HOST, WRITES};
use crate::store::sql::{Connection, NONE, Session as Writes};
use crate::store::{Durability, Result, StoreError};

/// Between two tries to reach a server that is away.
const AGAIN: Duration = Duration::from_millis(500);
/// How often it is said that it is away.
const SAID: Duration = Duration::from_secs(30);
/// How long the session of before may hold what it held.
const LETS_GO: Duration = Duration::from_secs(5);

/// See the module's words.
pub struct Session {
    wire: Wire,
    /// It is a host's: no other one has the database meanwhile.
    holds: bool,
    /// This transaction's number, while one is under way.
    within: RefCell<Option<String>>,
    /// A job ended; it stays with the next word.
    ended: Cell<bool>,
    /// The server's own process for the session of before.
    process: RefCell<Option<String>>,
}

impl Session {
    /// Over a line that was reached; of a host the only one.
    pub fn open(wire: Wire, holds: bool) -> Result<Self> {
        let own =
            Self { wire, holds, within: RefCell::default(), ended: Cell::new(false), process: RefCell::default() };
        if own.holds {
            own.hold()?;
        }
        Ok(own)
    }

    fn reach(&self) -> Result<()> {
        if !self.wire.reach()? {
            return Ok(());
        }
        let held = if self.holds { self.hold() } else { Ok(()) };
        if held.is_err() {
            self.wire.hang_up();
        }
        held
    }

    /// Holds the database as its one host. A session of our own that the server has not missed yet is ended.
    fn hold(&self) -> Result<()> {
        let before = self.process.take();
        if let Some(process) = &before {
            let ends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                WHERE pid || ' ' || backend_start = ?1 AND pid <> pg_backend_pid()";
            self.connection().prepare(ends).all::<bool, Vec<_>>([process], |row| row.get(0))?;
        }
        let own = "SELECT pid || ' ' || backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()";
        *self.process.borrow_mut() = Some(self.connection().prepare(own).one(NONE, |row| row.get(0))?);
        let until = Instant::now() + if before.is_some() { LETS_GO } else { Duration::ZERO };
        loop {
            let held = self.connection().prepare(format!("SELECT pg_try_advisory_lock({HOST})"));
            if held.one(NONE, |row| row.get(0))? {
                return Ok(());
            }
            if Instant::now() >= until {
                return Err(StoreError::InUse("this database".into()));
            }
            std::thread::sleep(AGAIN);
        }
    }

    /// Whether a transaction was kept whose commit nobody answered: asked until the server knows.
    fn was_kept(&self, number: &str) -> bool {
        let mut said = Instant::now();
        tracing::warn!("the answer to a commit was lost; whether it was kept is looked up");
        loop {
            // Whoever has the database by now: what became of it can be asked.
            let status = self
                .wire
                .reach()
                .and_then(|_| self.wire.last_of_batch(&format!("SELECT pg_xact_status('{number}'::xid8)")));
            let is_reached = self.wire.is_open();
            // Nothing is written on a line that holds nothing.
            self.wire.hang_up();
            match status {
                Ok(Some(status)) if status == "in progress" => {}
                Ok(status) => return status.as_deref() == Some("committed"),
                // A server that never heard of it: one that lost its last moments.
                Err(_) if is_reached => return false,
                Err(error) if said.elapsed() > SAID => {
                    said = Instant::now();
                    tracing::error!(%error, "the database's server is away");
                }
                Err(_) => {}
            }
            std::thread::sleep(AGAIN);
        }
    }
}

impl Writes for Session {
    fn connection(&self) -> &Connection {
        &self.wire
    }

    fn begin(&self, durability: Durability) -> Result<()> {
        self.reach()?;
        // Writing waits for its turn among all processes; the next commit that waits for the disk takes all before it along.
        let lasts = match durability {
            Durability::Now => "",
            Durability::WithNextCommit => "SET LOCAL synchronous_commit = off; ",
        };
        let begin = format!("BEGIN; {lasts}SELECT pg_advisory_xact_lock({WRITES}); SELECT pg_current_xact_id()::text");
        match self.wire.last_of_batch(&begin) {
            Ok(Some(number)) => {
                *self.within.borrow_mut() = Some(number);
                self.ended.set(false);
                self.wire.begin_anew();
                Ok(())
            }
            other => {
                let _ = self.wire.batch("ROLLBACK");
                Err(other.err().unwrap_or_else(|| StoreError::Database("no number of a transaction".into())))
            }
        }
    }

    fn commit(&self) -> Result<()> {
        let number = self.within.take();
        // The server would end it as if it had never been, and call that well.
        if self.wire.has_failed() {
            let _ = self.wire.batch("ROLLBACK");
            return Err(StoreError::Database("a statement failed, and nobody took it back".into()));
        }
        let Err(error) = self.wire.batch("COMMIT") else { return Ok(()) };
        match number {
            Some(number) if !self.wire.is_open() && self.was_kept(&number) => Ok(()),
            _ => Err(error),
        }
    }

    fn roll_back(&self) {
        self.within.take();
        if self.wire.is_open() && self.wire.batch("ROLLBACK").is_err() {
            self.wire.hang_up();
        }
    }

    fn is_within(&self) -> bool {
        self.within.borrow().is_some() && self.wire.is_open()
    }

    fn begin_job(&self) -> Result<()> {
        self.wire.batch(if self.ended.replace(false) { "RELEASE job; SAVEPOINT job" } else { "SAVEPOINT job" })
    }

    fn end_job(&self) -> Result<()> {
        // With SQLite a job may go on after a statement that failed; here nothing that follows it would be kept.
        if self.wire.has_failed() {
            return Err(StoreError::Database("a statement failed within".into()));
        }
        self.ended.set(true);
        Ok(())
    }

    fn take_back_job(&self) -> Result<()> {
        self.ended.set(false);
        self.wire.batch("ROLLBACK TO job; RELEASE job")?;
        self.wire.begin_anew();
        Ok(())
    }
}
