//! The store in SQL, once for all engines: what is said stands here, and what says it is a [`Base`].

#[cfg(all(test, unix))]
mod alike;
mod base;
pub(in crate::store) mod events;
mod forgetting;
pub(in crate::store) mod packing;
mod people;
#[cfg(test)]
pub(in crate::store) mod promises;
mod reducing;
mod releases;
mod resealing;
pub(in crate::store) mod retention;
mod runs;
pub(in crate::store) mod sealing;
pub(in crate::store) mod search;
mod sightings;
mod statement;
mod store;
pub(in crate::store) mod trail;
mod value;
pub(in crate::store) mod values;
mod writer;

pub use self::base::{Base, SqlStore};
pub use self::sealing::{KeyId, Keys, fresh_key};
pub(in crate::store) use self::statement::params;
pub use self::statement::{Cells, Connection, Engine, NONE, Row, Sought, Words};
pub(in crate::store) use self::store::STEP;
pub use self::value::{ToSql, Value, ValueRef};
pub use self::writer::{Session, Writer};
