//! The session that writes. A commit whose answer was lost is looked up: nothing is told to have failed that was kept, nor the other way round.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use super::engine::Wire;
use super::{NOW, WRITES, named};
use crate::store::among::Lost;
use crate::store::sql::{Connection, Session as Writes};
use crate::store::{Durability, Result, StoreError};

/// Between two tries to reach a server that is away.
const AGAIN: Duration = Duration::from_millis(500);
/// How often it is said that it is away.
const SAID: Duration = Duration::from_secs(30);

/// See the module's words.
pub struct Session {
    wire: Wire,
    /// Whose it is, where it is a host's: nothing is written once that is no more among the hosts.
    host: Option<String>,
    /// What its transactions are known by.
    name: String,
    /// This transaction's word, while one is under way.
    within: RefCell<Option<String>>,
    /// A job ended; it stays with the next word.
    ended: Cell<bool>,
}

impl Session {
    /// Over a line that reaches nobody yet.
    pub fn new(wire: Wire, host: Option<String>) -> Self {
        let name = host.clone().unwrap_or_else(|| format!("{:016x}", fastrand::u64(..)));
        Self { wire, host, name, within: RefCell::default(), ended: Cell::new(false) }
    }

    fn reach(&self) -> Result<()> {
        if !self.wire.reach()? {
            return Ok(());
        }
        let Some(host) = &self.host else { return Ok(()) };
        let named = self.wire.batch(&format!("SET application_name = '{}'; SET tandem.host = '{host}'", named(host)));
        named.inspect_err(|_| self.wire.hang_up())
    }

    /// Whether a transaction was kept whose commit nobody answered: asked until the server knows. Behind all who write: what was under way has ended then.
    /// A server that has forgotten its last moments has forgotten the word with them; its numbers of transactions it may give again.
    fn was_kept(&self, word: &str) -> bool {
        let mut told = Instant::now();
        tracing::warn!("the answer to a commit was lost; whether it was kept is looked up");
        loop {
            let asked = format!(
                "BEGIN; SELECT pg_advisory_xact_lock({WRITES}); SELECT 'W' || count(*) FROM commits WHERE id = '{}' AND word = '{word}'",
                self.name
            );
            let kept = self.wire.reach().and_then(|_| self.wire.last_of_batch(&asked));
            // What is written next begins on a line that says whose it is.
            self.wire.hang_up();
            match kept {
                Ok(count) => return count.as_deref() == Some("W1"),
                Err(error) if told.elapsed() > SAID => {
                    told = Instant::now();
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
        let (name, word) = (&self.name, format!("{:016x}", fastrand::u64(..)));
        let begin = format!(
            "BEGIN; SELECT pg_advisory_xact_lock({WRITES}); INSERT INTO commits (id, word, at) \
             SELECT '{name}', '{word}', {NOW}{is_host} \
             ON CONFLICT (id) DO UPDATE SET word = excluded.word, at = excluded.at RETURNING word"
        );
        match self.wire.last_of_batch(&begin) {
            Ok(Some(said)) if said == word => {
                *self.within.borrow_mut() = Some(word);
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
        let word = self.within.take();
        // The server would end it as if it had never been, and call that well.
        if self.wire.has_failed() {
            let _ = self.wire.batch("ROLLBACK");
            return Err(StoreError::Database("a statement failed, and nobody took it back".into()));
        }
        let Err(error) = self.wire.batch("COMMIT") else { return Ok(()) };
        // Whatever came in place of an answer, such as a server's last words: only what the server says later is one.
        self.wire.hang_up();
        match word {
            Some(word) if self.was_kept(&word) => Ok(()),
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
