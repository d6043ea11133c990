//! Who takes which events, as the flows are now: a swapped plugin changes it under sources at work.

use std::sync::Arc;

use tokio::sync::watch;

use crate::store::Haste;

/// Who takes which events: one flow, seen from a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The flow.
    pub flow: String,
    /// Connections it is bound to.
    pub connections: Vec<String>,
    /// Topics its plugin takes; `None` while the plugin cannot be loaded: then it gets every event of its connections,
    /// since one left out now would be lost.
    pub topics: Option<Vec<String>>,
    /// How soon it wants its events: one that runs one batch after the other gathers what comes within a second.
    pub haste: Haste,
}

impl Route {
    pub(super) fn takes(&self, connection: &str, topic: &str) -> bool {
        self.connections.iter().any(|bound| bound == connection)
            && self.topics.as_ref().is_none_or(|topics| topics.iter().any(|own| own == topic))
    }

    /// A topic of Salesforce as the flow knows it, where it takes it: to Salesforce the case of a name is no difference.
    pub(super) fn own_topic(&self, connection: &str, topic: &str) -> Option<String> {
        let bound = self.connections.iter().any(|bound| bound == connection);
        match &self.topics {
            _ if !bound => None,
            None => Some(topic.to_owned()),
            Some(topics) => topics.iter().find(|own| own.eq_ignore_ascii_case(topic)).cloned(),
        }
    }
}

/// All routes, shared by the sources.
#[derive(Clone, Debug)]
pub struct Routes(Arc<watch::Sender<Arc<Vec<Route>>>>);

impl Routes {
    /// As the flows are at the start.
    pub fn new(routes: Vec<Route>) -> Self {
        Self(Arc::new(watch::Sender::new(Arc::new(routes))))
    }

    /// As they are now.
    pub fn now(&self) -> Arc<Vec<Route>> {
        self.0.borrow().clone()
    }

    /// Tells of each change.
    pub fn changes(&self) -> watch::Receiver<Arc<Vec<Route>>> {
        self.0.subscribe()
    }

    /// A flow runs a plugin that takes these topics, and wants them so soon.
    pub fn take(&self, flow: &str, topics: &[String], haste: Haste) {
        self.0.send_if_modified(|routes| {
            let same = |route: &Route| route.topics.as_deref() == Some(topics) && route.haste == haste;
            let differs = |route: &Route| route.flow == flow && !same(route);
            let Some(place) = routes.iter().position(differs) else { return false };
            let route = &mut Arc::make_mut(routes)[place];
            (route.topics, route.haste) = (Some(topics.to_vec()), haste);
            true
        });
    }

    /// The topics that flows take from a connection.
    pub fn topics_of(&self, connection: &str) -> Vec<String> {
        let routes = self.now();
        let bound = routes.iter().filter(|route| route.connections.iter().any(|bound| bound == connection));
        bound.flat_map(|route| route.topics.iter().flatten().cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swapped_plugin_gets_its_new_topics_and_who_takes_all_keeps_all_until_it_is_known() {
        let route =
            Route { flow: "orders".into(), connections: vec!["erp".into()], topics: None, haste: Haste::AtOnce };
        let routes = Routes::new(vec![route]);
        let mut changes = routes.changes();
        assert!(routes.now()[0].takes("erp", "b1.Orders"), "left out now it would be lost");
        routes.take("orders", &["b1.Items".into()], Haste::AtOnce);
        assert!(changes.has_changed().unwrap());
        assert!(!routes.now()[0].takes("erp", "b1.Orders") && routes.now()[0].takes("erp", "b1.Items"));
        assert_eq!(routes.topics_of("erp"), ["b1.Items"]);
        changes.mark_unchanged();
        routes.take("orders", &["b1.Items".into()], Haste::AtOnce);
        assert!(!changes.has_changed().unwrap(), "nothing is told that was known");
    }
}
