//! What came of the last reconciliation, as the store keeps it: by which people are told.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::report::Report;
use crate::store::{Intake, Millis, Store, StoreError};

/// Under which the store keeps it.
const KEPT: &str = "reconcile";

/// How the last one went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When the last one of all flows was begun.
    pub at: Option<Millis>,
    /// When one was tried last that came to no report, and why.
    pub failed: Option<(Millis, String)>,
    /// By flow.
    pub flows: BTreeMap<String, FlowStanding>,
}

/// How a flow was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FlowStanding {
    /// Differences that nothing explained.
    pub unexplained: u64,
    /// The report that says so.
    pub report: String,
    /// When it was begun.
    pub at: Millis,
}

impl Record {
    /// As it is kept.
    pub async fn of(store: &dyn Store) -> Result<Self, StoreError> {
        let kept = store.position(KEPT).await?;
        Ok(kept.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    /// Keeps what a report says. What could not be read stays as it was said before.
    pub async fn note(store: &dyn Store, report: &Report, all: bool) -> Result<(), StoreError> {
        let record = Self::of(store).await?.with(report, all);
        record.keep(store).await
    }

    /// Keeps that one came to no report.
    pub async fn note_failure(store: &dyn Store, at: Millis, why: String) -> Result<(), StoreError> {
        let record = Self { failed: Some((at, why)), ..Self::of(store).await? };
        record.keep(store).await
    }

    async fn keep(&self, store: &dyn Store) -> Result<(), StoreError> {
        let text = serde_json::to_string(self).unwrap_or_default();
        store.append(Intake { position: Some((KEPT.into(), text)), ..Intake::default() }).await.map(|_| ())
    }

    fn with(mut self, report: &Report, all: bool) -> Self {
        if all {
            (self.at, self.failed) = (Some(report.at), None);
            self.flows.retain(|name, _| report.flows.iter().any(|flow| flow.flow == *name));
        }
        for flow in &report.flows {
            let unexplained = flow.comparisons.iter().map(|own| own.unexplained).sum();
            let whole = !flow.failed && flow.comparisons.iter().all(|own| own.not_whole.is_none());
            if whole || unexplained > 0 {
                let standing = FlowStanding { unexplained, report: report.name.clone(), at: report.at };
                self.flows.insert(flow.flow.clone(), standing);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::report::{Comparison, FlowReport};

    fn report(name: &str, flow: &str, unexplained: u64, not_whole: Option<&str>) -> Report {
        let not_whole = not_whole.map(str::to_owned);
        let comparison = Comparison { unexplained, not_whole, ..Comparison::default() };
        let flow = FlowReport { flow: flow.into(), comparisons: vec![comparison], ..FlowReport::default() };
        Report { name: name.into(), flows: vec![flow], ..Report::default() }
    }

    #[test]
    fn what_is_not_explained_stands_until_a_whole_look_finds_none() {
        let record = Record::default().with(&report("1", "orders", 3, None), true);
        assert_eq!(record.flows["orders"].unexplained, 3);
        let record = record.with(&report("2", "orders", 0, Some("B1 is away")), true);
        assert_eq!((record.flows["orders"].unexplained, record.flows["orders"].report.as_str()), (3, "1"));
        let record = record.with(&report("3", "orders", 0, None), false);
        assert_eq!(record.flows["orders"].unexplained, 0);
        let record = record.with(&report("4", "accounts", 1, None), true);
        assert!(!record.flows.contains_key("orders"), "it was taken out");
    }
}
