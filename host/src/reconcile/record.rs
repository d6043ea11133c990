//! What came of the last reconciliation, as the store keeps it: by which people are told.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::report::{Comparison, Report};
use crate::store::{Intake, Millis, Store, StoreError};

/// Under which the store keeps it.
const KEPT: &str = "reconcile";

/// How the last one went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When the last one of all flows was begun.
    pub at: Option<Millis>,
    /// When a host first meant to: of what was never done it is known from here since when it is due, however often the host comes up anew.
    #[serde(default)]
    pub meant: Option<Millis>,
    /// When one was tried last that came to no report, and why.
    pub failed: Option<(Millis, String)>,
    /// By flow.
    pub flows: BTreeMap<String, FlowStanding>,
}

/// How a flow was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FlowStanding {
    /// Pairs that agreed.
    #[serde(default)]
    pub in_step: u64,
    /// Differences that were explained.
    #[serde(default)]
    pub explained: u64,
    /// Differences that nothing explained.
    pub unexplained: u64,
    /// Its plugin says nothing of it.
    #[serde(default)]
    pub unsaid: bool,
    /// The report that says so.
    pub report: String,
    /// When it was begun.
    pub at: Millis,
    /// When the last one was begun that read all of it.
    #[serde(default)]
    pub whole: Option<Millis>,
    /// That the last one did not.
    #[serde(default)]
    pub missed: Option<Missed>,
    /// When something was seen that another look decides, and how many looks there were since the last one of all flows.
    #[serde(default)]
    pub again: Option<(Millis, u32)>,
}

/// How several flows were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Together {
    /// Since when each of them was read whole; none: one never was, or says nothing.
    pub whole: Option<Millis>,
    /// Pairs that agreed.
    pub in_step: u64,
    /// Differences that were explained.
    pub explained: u64,
    /// Differences that nothing explained.
    pub unexplained: u64,
}

/// A look at a flow that did not read all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    /// When it was begun.
    pub at: Millis,
    /// Why; of a plugin's words only those that name nobody.
    pub why: String,
    /// Looks since the last one of all flows, this one included.
    pub tries: u32,
    /// Looks since the last whole one.
    pub times: u32,
}

impl Missed {
    /// Nobody is told of one that passes by itself.
    pub fn stays(&self) -> bool {
        self.times > 1
    }
}

impl Record {
    /// As it is kept.
    pub async fn of(store: &dyn Store) -> Result<Self, StoreError> {
        let kept = store.position(KEPT).await?;
        Ok(kept.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    /// How these flows were; none where none of them was looked at.
    pub fn together(&self, flows: &BTreeSet<String>) -> Option<Together> {
        let all: Vec<Option<&FlowStanding>> = flows.iter().map(|flow| self.flows.get(flow)).collect();
        let own: Vec<&FlowStanding> = all.iter().copied().flatten().collect();
        let sum = |of: fn(&FlowStanding) -> u64| own.iter().map(|own| of(own)).sum();
        let whole = |own: &Option<&FlowStanding>| own.filter(|own| !own.unsaid).and_then(|own| own.whole);
        let whole = all.iter().map(whole).min().flatten();
        let (in_step, explained, unexplained) =
            (sum(|own| own.in_step), sum(|own| own.explained), sum(|own| own.unexplained));
        (!own.is_empty()).then_some(Together { whole, in_step, explained, unexplained })
    }

    /// Keeps what a report says. What could not be read stays as it was said before.
    pub async fn note(store: &dyn Store, report: &Report) -> Result<(), StoreError> {
        let record = Self::of(store).await?.with(report);
        record.keep(store).await
    }

    /// Keeps that one came to no report.
    pub async fn note_failure(store: &dyn Store, at: Millis, why: String) -> Result<(), StoreError> {
        let record = Self { failed: Some((at, why)), ..Self::of(store).await? };
        record.keep(store).await
    }

    /// Keeps that another look at these flows came to no report: it counts as one.
    pub async fn note_look(store: &dyn Store, at: Millis, flows: &[String]) -> Result<(), StoreError> {
        let mut record = Self::of(store).await?;
        for (_, own) in record.flows.iter_mut().filter(|(flow, _)| flows.contains(flow)) {
            if let Some(missed) = &mut own.missed {
                (missed.at, missed.tries) = (at, missed.tries.saturating_add(1));
            }
            own.again = own.again.map(|(_, looks)| (at, looks.saturating_add(1)));
        }
        record.keep(store).await
    }

    /// Keeps since when it is meant to be done; what it says then.
    pub async fn begin(store: &dyn Store, now: Millis) -> Result<Self, StoreError> {
        let mut record = Self::of(store).await?;
        if record.at.is_none() && record.meant.is_none() {
            record.meant = Some(now);
            record.keep(store).await?;
        }
        Ok(record)
    }

    async fn keep(&self, store: &dyn Store) -> Result<(), StoreError> {
        let text = serde_json::to_string(self).unwrap_or_default();
        store.append(Intake { position: Some((KEPT.into(), text)), ..Intake::default() }).await.map(|_| ())
    }

    fn with(mut self, report: &Report) -> Self {
        let all = report.of_all;
        if all {
            (self.at, self.failed) = (Some(report.at), None);
            self.flows.retain(|name, _| report.flows.iter().any(|flow| flow.flow == *name));
        }
        for flow in &report.flows {
            let unexplained = flow.comparisons.iter().map(|own| own.unexplained).sum();
            let before = self.flows.remove(&flow.flow);
            let for_now: u64 = flow.comparisons.iter().map(|own| own.for_now).sum();
            let first_seen: u64 = flow.comparisons.iter().map(|own| own.first_seen).sum();
            let told = FlowStanding {
                unexplained,
                unsaid: flow.unsaid.is_some() && !flow.failed,
                report: report.name.clone(),
                at: report.at,
                ..FlowStanding::default()
            };
            let mut own = match &before {
                // What could not be read stays as it was said before.
                Some(before) if flow.missed().is_some() && unexplained == 0 => before.clone(),
                // What is so only for now ends nothing that was told.
                Some(before) if for_now > 0 && unexplained < before.unexplained => before.clone(),
                _ => told,
            };
            let before = before.unwrap_or_default();
            // They are of the look that read all of it.
            (own.in_step, own.explained) = match flow.missed() {
                None => {
                    let explained = |own: &Comparison| own.all().saturating_sub(own.unexplained);
                    let all = || flow.comparisons.iter();
                    (all().map(|own| own.in_step).sum(), all().map(explained).sum())
                }
                Some(_) => (before.in_step, before.explained),
            };
            (own.whole, own.missed) = match flow.missed() {
                None => (Some(report.at), None),
                Some(why) => {
                    let (tries, times) = before.missed.map_or((0, 0), |own| (own.tries, own.times));
                    let tries = if all { 1 } else { tries.saturating_add(1) };
                    let missed = Missed { at: report.at, why, tries, times: times.saturating_add(1) };
                    (before.whole, Some(missed))
                }
            };
            let looks = before.again.map_or(0, |(_, looks)| looks).saturating_add(1);
            own.again = (first_seen > 0).then_some((report.at, if all { 1 } else { looks }));
            self.flows.insert(flow.flow.clone(), own);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::report::FlowReport;

    fn report(name: &str, flow: &str, unexplained: u64, not_whole: Option<&str>) -> Report {
        let not_whole = not_whole.map(str::to_owned);
        let comparison = Comparison { unexplained, not_whole, ..Comparison::default() };
        let flow = FlowReport { flow: flow.into(), comparisons: vec![comparison], ..FlowReport::default() };
        Report { name: name.into(), flows: vec![flow], ..Report::default() }
    }

    fn of(report: Report, of_all: bool) -> Report {
        Report { of_all, ..report }
    }

    #[test]
    fn what_is_not_explained_stands_until_a_whole_look_finds_none() {
        let record = Record::default().with(&of(report("1", "orders", 3, None), true));
        assert_eq!(record.flows["orders"].unexplained, 3);
        let record = record.with(&of(report("2", "orders", 0, Some("B1 is away")), true));
        assert_eq!((record.flows["orders"].unexplained, record.flows["orders"].report.as_str()), (3, "1"));
        let record = record.with(&of(report("3", "orders", 0, None), false));
        assert_eq!(record.flows["orders"].unexplained, 0);
        let record = record.with(&of(report("4", "accounts", 1, None), true));
        assert!(!record.flows.contains_key("orders"), "it was taken out");
    }

    #[test]
    fn flows_together_are_compared_since_the_last_of_them_was_read_whole() {
        let of = |all: &[&str]| all.iter().map(|flow| (*flow).to_owned()).collect::<BTreeSet<_>>();
        let told = |name: &str, at: Millis, cut: Option<&str>| {
            let mut report = Report { at, ..report("1", name, 1, cut) };
            (report.flows[0].comparisons[0].in_step, report.flows[0].comparisons[0].differing) = (5, 3);
            report
        };
        assert_eq!(Record::default().together(&of(&["orders"])), None);
        let record = Record::default().with(&told("orders", 7, None)).with(&told("accounts", 9, None));
        let both = Together { whole: Some(7), in_step: 10, explained: 4, unexplained: 2 };
        assert_eq!(record.together(&of(&["orders", "accounts"])), Some(both));
        assert_eq!(record.together(&of(&["orders", "stock"])).unwrap().whole, None, "one never was");
        assert_eq!(record.together(&of(&["stock"])), None);
        let record = record.with(&told("accounts", 11, Some("B1 is away")));
        let own = Together { whole: Some(9), in_step: 5, explained: 2, unexplained: 1 };
        assert_eq!(record.together(&of(&["accounts"])), Some(own), "as the last look said that read all of it");
        let silent = FlowReport { flow: "old".into(), unsaid: Some("it does not say".into()), ..FlowReport::default() };
        let record = record.with(&Report { at: 12, flows: vec![silent], ..Report::default() });
        assert_eq!(record.together(&of(&["accounts", "old"])).unwrap().whole, None, "one is not compared");
    }

    #[test]
    fn what_is_so_only_for_now_ends_nothing_that_was_told_and_is_looked_at_again() {
        let with = |for_now, first_seen| {
            let mut report = report("2", "orders", 0, None);
            report.at = 2;
            (report.flows[0].comparisons[0].for_now, report.flows[0].comparisons[0].first_seen) = (for_now, first_seen);
            report
        };
        let record = Record::default().with(&of(report("1", "orders", 3, None), true));
        let down = record.clone().with(&of(with(3, 0), true));
        assert_eq!((down.flows["orders"].unexplained, down.flows["orders"].again), (3, None));
        let seen = record.clone().with(&of(with(1, 1), true));
        assert_eq!((seen.flows["orders"].unexplained, seen.flows["orders"].again), (3, Some((2, 1))));
        assert_eq!(seen.with(&of(with(1, 1), false)).flows["orders"].again, Some((2, 2)));
        assert_eq!(record.with(&of(with(0, 0), true)).flows["orders"].unexplained, 0);
    }

    #[test]
    fn a_flow_that_was_not_read_whole_is_known_with_its_cause_until_it_is() {
        let at = |at: Millis, report: Report| Report { at, ..report };
        let record = Record::default().with(&of(at(1, report("1", "orders", 0, None)), true));
        assert_eq!((record.flows["orders"].whole, &record.flows["orders"].missed), (Some(1), &None));
        let record = record.with(&of(at(2, report("2", "orders", 0, Some("B1 is away"))), true));
        let missed = record.flows["orders"].missed.clone().unwrap();
        assert_eq!((record.flows["orders"].whole, missed.at, missed.tries, missed.stays()), (Some(1), 2, 1, false));
        assert!(missed.why.contains("B1 is away"), "{missed:?}");
        let record = record.with(&of(at(3, report("3", "orders", 0, Some("B1 is away"))), false));
        assert!(record.flows["orders"].missed.as_ref().is_some_and(|own| own.tries == 2 && own.stays()));
        let record = record.with(&of(at(4, report("4", "orders", 0, Some("B1 is away"))), true));
        assert!(record.flows["orders"].missed.as_ref().is_some_and(|own| own.tries == 1 && own.stays()), "a new night");
        let record = record.with(&of(at(5, report("5", "orders", 0, None)), false));
        assert_eq!((record.flows["orders"].whole, &record.flows["orders"].missed), (Some(5), &None));
        let failed = FlowReport {
            flow: "orders".into(),
            failed: true,
            unsaid: Some("no grant".into()),
            ..FlowReport::default()
        };
        let record = record.with(&of(Report { at: 6, flows: vec![failed], ..Report::default() }, true));
        assert!(record.flows["orders"].missed.is_some(), "it should have been compared");
    }
}
