//! Capabilities that reach nothing outside the host: clock, random, log, mapping.

use std::sync::Arc;

use ring::rand::SecureRandom;
use serde::{Deserialize, Serialize};

use crate::mapping::{Direction, Pair, Policy};
use crate::plain::one_line;
use crate::sandbox::bindings::v0_1::flow::tandem::plugin as contract;
use crate::sandbox::bindings::v0_2::tandem::plugin as v0_2;
use crate::sandbox::run::RunState;
use crate::sandbox::{Bound, RunError};

/// Letters of a log line that are told where a run ends behind it.
const MOST_WORDS: usize = 1_000;

/// Bytes of chance per call.
const MOST_RANDOM: u32 = 4096;

/// Bytes of one record to be mapped. As values it takes up to sixty times the room of its text.
const MOST_SOURCE: usize = 2 << 20;

impl contract::types::Host for RunState {}
impl contract::description::Host for RunState {}

impl contract::clock::Host for RunState {
    async fn now(&mut self) -> wasmtime::Result<u64> {
        let now: i64 = self.journaled("clock.now", String::new(), |_| async { Ok(crate::time::now()) }).await?;
        Ok(now.unsigned_abs())
    }

    async fn today(&mut self, slot: String) -> wasmtime::Result<String> {
        let request = slot.clone();
        let live = |bound: Arc<Bound>| async move {
            let zone = bound.zones.get(&slot).copied().unwrap_or(chrono_tz::Tz::UTC);
            Ok(crate::time::local(zone, crate::time::now()).chars().take(10).collect::<String>())
        };
        Ok(self.journaled("clock.today", request, live).await?)
    }

    async fn company_time(&mut self, slot: String, day: String, time: String) -> wasmtime::Result<Option<u64>> {
        let request = format!("{slot} {day} {time}");
        let live = |bound: Arc<Bound>| async move {
            Ok(bound.zones.get(&slot).and_then(|zone| crate::time::from_local(*zone, &day, &time)))
        };
        let at: Option<i64> = self.journaled("clock.company-time", request, live).await?;
        Ok(at.map(i64::unsigned_abs))
    }
}

impl contract::random::Host for RunState {
    async fn bytes(&mut self, len: u32) -> wasmtime::Result<Vec<u8>> {
        let len = len.min(MOST_RANDOM);
        let fresh = |_| async move {
            let mut bytes = vec![0; len as usize];
            ring::rand::SystemRandom::new()
                .fill(&mut bytes)
                .map_err(|_| RunError::Contract("the system gives no random bytes".into()))?;
            Ok(bytes)
        };
        Ok(self.journaled("random.bytes", len.to_string(), fresh).await?)
    }
}

impl v0_2::log::Host for RunState {
    async fn log(&mut self, level: v0_2::log::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            v0_2::log::Level::Debug => contract::log::Level::Debug,
            v0_2::log::Level::Info => contract::log::Level::Info,
            v0_2::log::Level::Warn => contract::log::Level::Warn,
            v0_2::log::Level::Error => contract::log::Level::Error,
        };
        contract::log::Host::log(self, level, message).await
    }
}

impl contract::log::Host for RunState {
    async fn log(&mut self, level: contract::log::Level, message: String) -> wasmtime::Result<()> {
        // Plugins of contract 0.1.0 may write a line there; there is no run yet whose it would be.
        if self.describes {
            return Ok(());
        }
        let limits = self.limits();
        self.log_bytes += message.len() as u64;
        if self.log_bytes > limits.log_bytes {
            let detail = format!("more than {} bytes of log lines", limits.log_bytes);
            return Err(RunError::Limit { limit: "log_bytes", detail }.into());
        }
        let flow = self.bound.as_ref().map_or(self.speaks.as_str(), |bound| bound.flow.as_str());
        let trace = self.trace.as_str();
        let told = one_line(&message);
        if level == contract::log::Level::Error {
            self.last_words = told.chars().take(MOST_WORDS).collect();
        }
        match level {
            contract::log::Level::Debug => tracing::debug!(target: "plugin", by = "plugin", flow, trace, "{told}"),
            contract::log::Level::Info => tracing::info!(target: "plugin", by = "plugin", flow, trace, "{told}"),
            contract::log::Level::Warn => tracing::warn!(target: "plugin", by = "plugin", flow, trace, "{told}"),
            contract::log::Level::Error => tracing::error!(target: "plugin", by = "plugin", flow, trace, "{told}"),
        }
        self.count_calls(1)?;
        let seq = self.journal.begin();
        self.keep(message.len())?;
        self.note((seq, 0), "log", "", message, &())?;
        Ok(())
    }
}

/// A mapping's answer, as it stands in the journal.
#[derive(Serialize, Deserialize)]
enum Mapped {
    #[serde(rename = "ok")]
    Done(String),
    #[serde(rename = "error")]
    Failed(String, String),
}

impl contract::mapping::Host for RunState {
    async fn pairs(&mut self, section: String) -> wasmtime::Result<Vec<contract::mapping::Pair>> {
        let request = section.clone();
        let live = |bound: Arc<Bound>| async move { Ok(bound.mapping.pairs(&section)) };
        let pairs: Vec<Pair> = self.journaled("mapping.pairs", request, live).await?;
        Ok(pairs.into_iter().map(Into::into).collect())
    }

    async fn target_fields(&mut self, section: String) -> wasmtime::Result<Vec<String>> {
        let request = section.clone();
        let live = |bound: Arc<Bound>| async move { Ok(bound.mapping.target_fields(&section)) };
        Ok(self.journaled("mapping.target-fields", request, live).await?)
    }

    async fn source_fields(&mut self, section: String) -> wasmtime::Result<Vec<String>> {
        Ok(self
            .journaled("mapping.source-fields", section.clone(), |bound| async move {
                Ok(bound.mapping.source_fields(&section))
            })
            .await?)
    }

    async fn apply(
        &mut self,
        section: String,
        source: String,
    ) -> wasmtime::Result<Result<String, contract::mapping::Error>> {
        if source.len() > MOST_SOURCE {
            self.count_calls(1)?;
            let message =
                format!("the source record has {} bytes: larger than the {MOST_SOURCE} of a record", source.len());
            return Ok(Err(contract::mapping::Error { field: String::new(), message }));
        }
        self.room_for(section.len() + source.len())?;
        let request = format!("{section} {source}");
        let live = |bound: Arc<Bound>| async move { map_one(&bound, &section, &source).await };
        let mapped = self.journaled("mapping.apply", request, live).await?;
        Ok(match mapped {
            Mapped::Done(target) => Ok(target),
            Mapped::Failed(field, message) => Err(contract::mapping::Error { field, message }),
        })
    }

    async fn apply_all(
        &mut self,
        section: String,
        sources: Vec<String>,
    ) -> wasmtime::Result<Vec<Result<String, contract::mapping::Error>>> {
        let mut results = Vec::with_capacity(sources.len());
        for source in sources {
            results.push(self.apply(section.clone(), source).await?);
        }
        Ok(results)
    }
}

impl From<Pair> for contract::mapping::Pair {
    fn from(pair: Pair) -> Self {
        let direction = match pair.direction {
            Direction::Both => contract::mapping::Direction::Both,
            Direction::ToSalesforce => contract::mapping::Direction::ToSalesforce,
            Direction::ToB1 => contract::mapping::Direction::ToB1,
        };
        let policy = match pair.policy {
            Policy::B1 => contract::mapping::Policy::B1,
            Policy::Salesforce => contract::mapping::Policy::Salesforce,
            Policy::Newest => contract::mapping::Policy::Newest,
            Policy::Review => contract::mapping::Policy::Review,
        };
        Self { b1: pair.b1, salesforce: pair.salesforce, direction, policy }
    }
}

async fn map_one(bound: &Bound, section: &str, source: &str) -> Result<Mapped, RunError> {
    let failed = |field: &str, message: String| Ok(Mapped::Failed(field.to_owned(), message));
    let record = match serde_json::from_str(source) {
        Ok(record) => record,
        Err(e) => return failed("", format!("the source record is not JSON: {e}")),
    };
    let target = match bound.mapping.apply(section, &record) {
        Ok(target) => target.to_string(),
        Err(e) => return failed(&e.field, e.message),
    };
    let Some(mapper) = &bound.mapper else { return Ok(Mapped::Done(target)) };
    match mapper.map(section, source, &target).await? {
        Ok(last) => Ok(Mapped::Done(last)),
        // Its own word on the record, not on a field.
        Err(why) => failed("", why),
    }
}
