//! Outside happenings become durable events. A source's position is stored in the transaction that stores its events, so
//! it never runs ahead of them.

pub mod again;
pub mod allocations;
pub mod b1;
pub mod backfill;
mod change;
mod failed;
mod missing;
pub mod outbox;
pub mod pubsub;
mod routes;
pub mod sweep;
pub mod timers;
mod trouble;
pub mod webhook;

pub use self::routes::{Route, Routes};
