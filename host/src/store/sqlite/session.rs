//! The connection that writes.

use std::cell::Cell;

use rusqlite::Connection as Sqlite;

use crate::store::sql::{Connection, NONE, Session as Writes};
use crate::store::{Durability, Result, StoreError};

/// See the module's words.
pub struct Session {
    connection: Sqlite,
    /// Whether a commit waits for the disk.
    synced: Cell<bool>,
}

impl Session {
    /// On a connection that syncs its commits.
    pub fn of(connection: Sqlite) -> Self {
        Self { connection, synced: Cell::new(true) }
    }

    fn execute(&self, sql: &str) -> Result<()> {
        execute(&self.connection, sql)
    }
}

/// A statement that is parsed once.
pub fn execute(connection: &Connection, sql: &str) -> Result<()> {
    connection.prepare(sql).execute(NONE)?;
    Ok(())
}

impl Writes for Session {
    fn connection(&self) -> &Connection {
        &self.connection
    }

    fn begin(&self, durability: Durability) -> Result<()> {
        let must_sync = durability == Durability::Now;
        if must_sync != self.synced.get() {
            // In WAL mode NORMAL writes the log without syncing it; the next FULL commit syncs all of it.
            let level = if must_sync { "FULL" } else { "NORMAL" };
            if self.connection.pragma_update(None, "synchronous", level).is_ok() {
                self.synced.set(must_sync);
            }
        }
        if must_sync && !self.synced.get() {
            return Err(StoreError::Database("the database cannot be set to sync its commits".to_owned()));
        }
        self.execute("BEGIN IMMEDIATE")
    }

    fn commit(&self) -> Result<()> {
        self.execute("COMMIT")
    }

    fn roll_back(&self) {
        if self.is_within() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }

    fn is_within(&self) -> bool {
        !self.connection.is_autocommit()
    }

    fn begin_job(&self) -> Result<()> {
        self.execute("SAVEPOINT job")
    }

    fn end_job(&self) -> Result<()> {
        self.execute("RELEASE job")
    }

    fn take_back_job(&self) -> Result<()> {
        Ok(self.connection.execute_batch("ROLLBACK TO job; RELEASE job")?)
    }

    /// A clean end leaves one file, not three.
    fn close(&self) {
        let _ = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
    }
}
