//! The session that writes. A commit whose answer was lost is looked up: nothing is told to have failed that was kept, nor the other way round.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use super::engine::Wire;
use super::{WRITES, named};
use crate::store::among::Lost;
use crate::store::sql::{Connection, Session as Writes};
use crate::store::{Durability, Result, StoreError};

/// As [`super::failed`] says that a transaction's number is in the future: `invalid_parameter_value`.
const UNHEARD_OF: &str = "(22023)";
/// Between two tries to reach a server that is away.
const AGAIN: Duration = Duration::from_millis(500);
/// How often it is said that it is away.
const SAID: Duration = Duration::from_secs(30);

/// See the module's words.
pub struct Session {
    wire: Wire,
    /// Whose it is, where it is a host's: nothing is written once that is no more among the hosts.
    host: Option<String>,
    /// This transaction's number, while one is under way.
    within: RefCell<Option<String>>,
    /// A job ended; it stays with the next word.
    ended: Cell<bool>,
}

impl Session {
    /// Over a line that reaches nobody yet.
    pub fn new(wire: Wire, host: Option<String>) -> Self {
        Self { wire, host, within: RefCell::default(), ended: Cell::new(false) }
    }

    fn reach(&self) -> Result<()> {
        if !self.wire.reach()? {
            return Ok(());
        }
        let Some(host) = &self.host else { return Ok(()) };
        let named = self.wire.batch(&format!("SET application_name = '{}'; SET tandem.host = '{host}'", named(host)));
        named.inspect_err(|_| self.wire.hang_up())
    }

    /// Whether a transaction was kept whose commit nobody answered: asked until the server knows.
    fn was_kept(&self, number: &str) -> bool {
        let mut said = Instant::now();
        tracing::warn!("the answer to a commit was lost; whether it was kept is looked up");
        loop {
            let status = self
                .wire
                .reach()
                .and_then(|_| self.wire.last_of_batch(&format!("SELECT pg_xact_status('{number}'::xid8)")));
            // What is written next begins on a line that says whose it is.
            self.wire.hang_up();
            match status {
                Ok(Some(status)) if status == "in progress" => {}
                Ok(status) => return status.as_deref() == Some("committed"),
                // A server that never heard of it: one that lost its last moments.
                Err(StoreError::Database(why)) if why.ends_with(UNHEARD_OF) => return false,
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

    /// Each commit lasts, whatever was asked for: unlike a file's, the server's fall does not end those who count on what it forgets.
    fn begin(&self, _: Durability) -> Result<()> {
        self.reach()?;
        // Only as long as it is among the hosts: who was taken for dead is refused, whatever it was about to write.
        let is_host = match &self.host {
            Some(host) => format!(" WHERE EXISTS (SELECT 1 FROM hosts WHERE id = '{host}')"),
            None => String::new(),
        };
        let begin =
            format!("BEGIN; SELECT pg_advisory_xact_lock({WRITES}); SELECT 'T' || pg_current_xact_id(){is_host}");
        match self.wire.last_of_batch(&begin) {
            Ok(Some(number)) if number.starts_with('T') => {
                let number = number.trim_start_matches('T').to_owned();
                *self.within.borrow_mut() = Some(number);
                self.ended.set(false);
                self.wire.begin_anew();
                Ok(())
            }
            other => {
                let _ = self.wire.batch("ROLLBACK");
                Err(other.err().unwrap_or_else(|| StoreError::Lost(Lost.to_string())))
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
        // Whatever came in place of an answer, such as a server's last words: only what the server says later is one.
        self.wire.hang_up();
        match number {
            Some(number) if self.was_kept(&number) => Ok(()),
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
