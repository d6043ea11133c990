//! What the host counts: under which names, in which words, and how finely. What has not happened yet is 0, not absent: a first failure is an increase.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use metrics::Unit;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::config::Config;
use crate::store::{Count, EventState};

/// Of calls and runs, in seconds.
const SECONDS: [f64; 13] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0];
/// Of writes that the database took together.
const GROUP: [f64; 8] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0];
/// What becomes of an event in a run.
const OUTCOMES: [&str; 5] = ["done", "retry", "wait", "review", "reject"];

/// Counters without labels.
const COUNTERS: [(&str, &str); 8] = [
    ("tandem_events_taken_total", "Events that came and were new"),
    ("tandem_events_repeated_total", "Events that came once more and were known"),
    ("tandem_runs_recovered_total", "Runs that a host had left in the middle and that were taken up"),
    ("tandem_pubsub_reconnects_total", "Times that a subscription to Salesforce was begun again"),
    ("tandem_b1_logins_total", "Logins to B1"),
    ("tandem_salesforce_logins_total", "Sign-ins to Salesforce"),
    ("tandem_backup_failures_total", "Backups by schedule that failed"),
    ("tandem_spans_lost_total", "Steps of traces that the collector of [telemetry] did not take"),
];
/// Those with labels.
const LABELLED: [(&str, &str); 4] = [
    ("tandem_outcomes_total", "What became of events in runs, by flow and outcome"),
    ("tandem_found_total", "Changes of an org that no event told of, found by its sweep"),
    ("tandem_alerts_sent_total", "Messages that a channel took"),
    ("tandem_alerts_failed_total", "Messages that a channel did not take"),
];
const GAUGES: [(&str, &str); 17] = [
    ("tandem_events", "Events of a flow as they stand now, by state"),
    (
        "tandem_connection_open",
        "The circuit breaker of a connection or flow: 1 while it is open, which is left alone after failures; 0 while calls go through",
    ),
    ("tandem_alerts_open", "Conditions that a person was told of and that are not over, by `what`"),
    ("tandem_alerts_waiting", "What waits to be told by a channel"),
    ("tandem_backup_at_seconds", "When the last good backup was made: Unix time"),
    ("tandem_reconciled_at_seconds", "When the last comparison of both sides by schedule was begun: Unix time"),
    ("tandem_reconcile_differences", "Differences that it found"),
    ("tandem_reconcile_unexplained", "Of these those that nothing explains"),
    ("tandem_ready", "1 while the host is ready, as `/readyz` says it; 0 otherwise"),
    (
        "tandem_oldest_unfinished_seconds",
        "Age of the oldest event of a flow that is ready, in a run, or waits; 0 where there is none",
    ),
    ("tandem_outbox_rows", "Rows that the last look into the org's outbox found"),
    (
        "tandem_outbox_looked_at_seconds",
        "When a look into the org's outbox ended last, with all rows taken and deleted; before the first, when the host began: Unix time",
    ),
    (
        "tandem_swept_at_seconds",
        "Until when the sweeps of an org have read all there was, no object refused and nothing left for the next night, by the org's clock; before the first, since when the org is known: Unix time",
    ),
    ("tandem_salesforce_api_used", "API calls of the org within 24 hours, whoever made them"),
    ("tandem_salesforce_api_allowed", "API calls that the org is allowed within 24 hours"),
    ("tandem_salesforce_events_used", "Platform events of an org that were published or delivered, by kind"),
    ("tandem_salesforce_events_allowed", "Those that it is allowed"),
];
const HISTOGRAMS: [(&str, &str, &[f64]); 3] = [
    ("tandem_run_seconds", "How long runs of a flow took", &SECONDS),
    ("tandem_call_seconds", "How long calls to a system took", &SECONDS),
    ("tandem_store_group_size", "Writes that the database took together", &GROUP),
];

/// What is counted, and what of it was ever told.
#[derive(Clone)]
pub struct Counted {
    handle: PrometheusHandle,
    /// Flows that events were told of: one that is taken out has none.
    flows: Arc<Mutex<BTreeSet<String>>>,
}

impl Counted {
    /// Begins to count. A second host in one process (tests) leaves it to the first one.
    pub fn begin() -> Result<Self, BuildError> {
        let mut builder = PrometheusBuilder::new();
        for (name, _, bounds) in HISTOGRAMS {
            builder = builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), bounds)?;
        }
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        let _ = metrics::set_global_recorder(recorder);
        for (name, words) in COUNTERS.into_iter().chain(LABELLED) {
            metrics::describe_counter!(name, words);
        }
        for (name, _) in COUNTERS {
            metrics::counter!(name).increment(0);
        }
        for (name, words) in GAUGES {
            metrics::describe_gauge!(name, words);
        }
        for (name, words, _) in HISTOGRAMS {
            metrics::describe_histogram!(name, Unit::Count, words);
        }
        Ok(Self { handle, flows: Arc::default() })
    }

    /// All that may be counted of this configuration is there; nothing that is counted changes.
    pub fn of(&self, config: &Config) {
        for (flow, outcome) in config.flows.keys().flat_map(|flow| OUTCOMES.map(|outcome| (flow, outcome))) {
            metrics::counter!("tandem_outcomes_total", "flow" => flow.clone(), "outcome" => outcome).increment(0);
        }
        for channel in config.alerts.channels.keys() {
            for name in ["tandem_alerts_sent_total", "tandem_alerts_failed_total"] {
                metrics::counter!(name, "channel" => channel.clone()).increment(0);
            }
        }
        for org in config.salesforce.keys() {
            metrics::counter!("tandem_found_total", "connection" => org.clone()).increment(0);
        }
    }

    /// Events as they stand: what is not among them is 0.
    pub fn events<'a>(&self, flows: impl Iterator<Item = &'a String>, counts: Vec<Count>) {
        let mut known = self.flows.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(flows.cloned().chain(counts.iter().map(|count| count.flow.clone())));
        for (flow, state) in known.iter().flat_map(|flow| EventState::ALL.map(|state| (flow, state))) {
            let own = counts.iter().find(|count| count.flow == *flow && count.state == state);
            let events = own.map_or(0.0, |count| count.events as f64);
            metrics::gauge!("tandem_events", "flow" => flow.clone(), "state" => state.word()).set(events);
        }
    }

    /// Flows of which events were ever told.
    pub fn flows(&self) -> Vec<String> {
        self.flows.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// All of it, in the text format of Prometheus.
    pub fn text(&self) -> String {
        self.handle.run_upkeep();
        self.handle.render()
    }
}
