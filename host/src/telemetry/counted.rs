//! What the host counts: under which names, in which words, and how finely. What has not happened yet is 0, not absent: a first failure is an increase.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::Unit;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::config::Config;
use crate::store::{Count, EventState, Millis};

/// Of calls and runs, in seconds.
const SECONDS: [f64; 13] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0];
/// Of writes that the database took together.
const GROUP: [f64; 8] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0];
/// What becomes of an event in a run.
const OUTCOMES: [&str; 5] = ["done", "retry", "wait", "review", "reject"];

/// Gauges of an org alone.
const OF_ORGS: [&str; 5] = [
    "tandem_outbox_rows",
    "tandem_outbox_looked_at_seconds",
    "tandem_swept_at_seconds",
    "tandem_salesforce_api_used",
    "tandem_salesforce_api_allowed",
];

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
const LABELLED: [(&str, &str); 8] = [
    ("tandem_outcomes_total", "What became of events in runs, by flow and outcome"),
    ("tandem_tool_calls_total", "Calls of tools that only read, by flow, tool and outcome (done, refused)"),
    ("tandem_found_total", "Changes of an org that no event told of, found by its sweep"),
    ("tandem_alerts_sent_total", "Messages that a channel took"),
    ("tandem_alerts_failed_total", "Messages that a channel did not take"),
    ("tandem_agent_runs_total", "Runs of agents of one's own, by agent and outcome (answered, unanswered, later)"),
    ("tandem_agent_model_calls_total", "Calls to the models of agents, by agent"),
    ("tandem_agent_tokens_total", "Tokens that the models of agents read and wrote, by agent and way"),
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
    /// Since when, also where `tandem.toml` is read anew.
    began: Millis,
    known: Arc<Mutex<Known>>,
}

/// What figures were ever told of: of what is taken out they say that there is nothing.
#[derive(Default)]
struct Known {
    flows: BTreeSet<String>,
    connections: BTreeSet<String>,
    channels: BTreeSet<String>,
    backup: bool,
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
        Ok(Self { handle, began: crate::time::now(), known: Arc::default() })
    }

    /// Since when it is counted.
    pub fn began(&self) -> Millis {
        self.began
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.taken_out(config);
    }

    /// Of a connection, channel or flow that is not configured any more nothing is open, and no time is told.
    fn taken_out(&self, config: &Config) {
        let mut known = self.known();
        let connections = config.b1.keys().chain(config.salesforce.keys());
        known.connections.extend(connections.cloned());
        known.channels.extend(config.alerts.channels.keys().cloned());
        known.flows.extend(config.flows.keys().cloned());
        let is_gone = |own: &&String| !config.b1.contains_key(*own) && !config.salesforce.contains_key(*own);
        for name in known.connections.iter().filter(is_gone) {
            metrics::gauge!("tandem_connection_open", "connection" => name.clone()).set(0.0);
            for figure in OF_ORGS {
                metrics::gauge!(figure, "connection" => name.clone()).set(f64::NAN);
            }
        }
        for flow in known.flows.iter().filter(|own| !config.flows.contains_key(*own)) {
            metrics::gauge!("tandem_connection_open", "connection" => format!("flow {flow}")).set(0.0);
        }
        for channel in known.channels.iter().filter(|own| !config.alerts.channels.contains_key(*own)) {
            metrics::gauge!("tandem_alerts_waiting", "channel" => channel.clone()).set(0.0);
        }
        if config.backup.is_none() && known.backup {
            metrics::gauge!("tandem_backup_at_seconds").set(f64::NAN);
        }
        known.backup |= config.backup.is_some();
    }

    /// Events as they stand: what is not among them is 0.
    pub fn events(&self, counts: Vec<Count>) {
        let mut known = self.known();
        known.flows.extend(counts.iter().map(|count| count.flow.clone()));
        for (flow, state) in known.flows.iter().flat_map(|flow| EventState::ALL.map(|state| (flow, state))) {
            let own = counts.iter().find(|count| count.flow == *flow && count.state == state);
            let events = own.map_or(0.0, |count| count.events as f64);
            metrics::gauge!("tandem_events", "flow" => flow.clone(), "state" => state.word()).set(events);
        }
    }

    /// Flows of which events were ever told.
    pub fn flows(&self) -> Vec<String> {
        self.known().flows.iter().cloned().collect()
    }

    /// All of it, in the text format of Prometheus.
    pub fn text(&self) -> String {
        self.handle.run_upkeep();
        self.handle.render()
    }
}
