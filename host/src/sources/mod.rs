//! Outside happenings become durable events. A source's position is stored in the transaction that stores its events, so
//! it never runs ahead of them.

pub mod b1;
pub mod backfill;
mod change;
pub mod pubsub;
pub mod timers;
pub mod webhook;

/// Who takes which events: one flow, seen from a source.
#[derive(Clone, Debug)]
pub struct Route {
    /// The flow.
    pub flow: String,
    /// Connections it is bound to.
    pub connections: Vec<String>,
    /// Topics its plugin takes; `None` while the plugin cannot be loaded: then it gets every event of its connections,
    /// since one left out now would be lost.
    pub topics: Option<Vec<String>>,
}

impl Route {
    fn takes(&self, connection: &str, topic: &str) -> bool {
        self.connections.iter().any(|bound| bound == connection)
            && self.topics.as_ref().is_none_or(|topics| topics.iter().any(|own| own == topic))
    }
}
