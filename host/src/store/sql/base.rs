//! What the store stands on: a database that is read at one moment and written by whole groups.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicI64;
use std::time::Instant;

use tokio::sync::watch;

use super::reducing::Looked;
use super::sealing::Keys;
use super::statement::Connection;
use crate::store::among::{self, Among, Fence, Heard, HostSeen, Whose};
use crate::store::{Access, Durability, Result, RunId, StoreTrouble};

/// A database. One process at a time writes, whichever it is: within [`Base::write`] nobody else does.
pub trait Base: Send + Sync + 'static {
    /// Reads: however many statements look at the store, they see one moment of it.
    fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> impl Future<Output = Result<T>> + Send;

    /// Writes, all of it or nothing; returns when that is as durable as asked, or more.
    fn write<T: Send + 'static>(
        &self,
        durability: Durability,
        write: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> impl Future<Output = Result<T>> + Send;

    /// Writes something new, which must not be lost: refused where the database is no more the one that was opened.
    fn take_in<T: Send + 'static>(
        &self,
        durability: Durability,
        write: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> impl Future<Output = Result<T>> + Send {
        self.write(durability, write)
    }

    /// From now on what this process removes is overwritten, where that is in its hands.
    fn overwrite(&self) -> impl Future<Output = Result<()>> + Send;
    /// What was removed is gone from where the database lies; false where that could not be done now, or is in others' hands.
    fn wipe(&self) -> impl Future<Output = Result<bool>> + Send;
    /// See [`crate::store::Store::copy`].
    fn copy(&self, into: &Path) -> impl Future<Output = Result<()>> + Send;
    /// See [`crate::store::Store::trouble`].
    fn trouble(&self) -> impl Future<Output = Option<StoreTrouble>> + Send;
    /// See [`crate::store::Shared::hosts`].
    fn hosts(&self) -> impl Future<Output = Result<Vec<HostSeen>>> + Send;
    /// See [`crate::store::Store::abandoned`]: makes them this host's.
    fn take_over(db: &Connection, whose: Whose, at_start: bool) -> Result<Vec<RunId>>;

    /// These as [`crate::store::Shared`] has them; unless said otherwise one host at a time has the database.
    fn among(&self) -> watch::Receiver<Among> {
        among::alone()
    }
    fn fence(&self) -> Fence {
        Fence::default()
    }
    fn take_turns(&self) {}
    fn tell(&self, _: &[String]) {}
    fn heard(&self) -> Option<Heard> {
        None
    }
    fn leave(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// A store over a database.
pub struct SqlStore<B> {
    pub(in crate::store) base: B,
    pub(super) access: Access,
    /// What values are sealed with.
    pub(in crate::store) keys: Keys,
    /// When the last sweep was; 0 before the first.
    pub(super) swept: AtomicI64,
    /// The same by a clock that is never set.
    pub(super) swept_at: Mutex<Instant>,
    /// Until when what finished was looked at whether less of it is to be kept, by flow.
    pub(super) reduced: Mutex<BTreeMap<String, Looked>>,
}

impl<B: Base> SqlStore<B> {
    /// Over a database that is open and has this binary's format.
    pub(in crate::store) fn over(base: B, access: Access, keys: Keys) -> Self {
        Self {
            base,
            access,
            keys,
            swept: AtomicI64::new(0),
            swept_at: Mutex::new(Instant::now()),
            reduced: Mutex::default(),
        }
    }

    pub(in crate::store) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.base.read(read).await
    }

    /// Durable on return.
    pub(in crate::store) async fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.base.write(Durability::Now, write).await
    }

    /// As durable as asked.
    pub(super) async fn write_with<T: Send + 'static>(
        &self,
        durability: Durability,
        write: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.base.write(durability, write).await
    }
}
