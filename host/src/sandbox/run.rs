//! One run as it stands behind an instance: what it may use, what it has used, and what it leaves behind.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;
use wasmtime::ResourceLimiter;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, ResourceTable, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use super::bindings::v0_1::flow::tandem::plugin as contract;
use super::journal::{Journal, Known, Unread};
use super::machine::{MEMORIES, MODULES, TABLE_ELEMENTS, TABLES};
use super::said::read_outcome;
use super::{Denied, Grants, Mapper, RunError, trace};
use crate::config::Limits;
use crate::connections::{Connection, Pace};
use crate::mapping::Mapping;
use crate::store::{Event, Haste, JournalEntry, LinkWrite, Memory, NewEvent, Question, Run, StorageWrite, Wake};

/// All that a flow's runs share.
#[derive(Clone)]
pub struct Bound {
    /// The flow's name.
    pub flow: String,
    /// What it may do.
    pub grants: Grants,
    /// Connections by slot.
    pub slots: BTreeMap<String, Arc<Connection>>,
    /// Their names in `tandem.toml`, by slot.
    pub named: BTreeMap<String, String>,
    /// Time zones of the B1 companies, by slot.
    pub zones: BTreeMap<String, Tz>,
    /// See [`crate::store::Link::scope`].
    pub scope: String,
    /// The mapping file.
    pub mapping: Arc<Mapping>,
    /// The mapping plugin, if any.
    pub mapper: Option<Arc<Mapper>>,
    /// JSON text.
    pub settings: String,
    /// What one run may use.
    pub limits: Limits,
    /// How soon its events are to run.
    pub haste: Haste,
    /// Flows by the topics they take: where emitted events go.
    pub topics: BTreeMap<String, Vec<Taker>>,
    /// For reads of storage and links.
    pub store: Arc<dyn Memory>,
}

/// A flow that takes events of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taker {
    /// Its name.
    pub flow: String,
    /// How soon it wants them.
    pub haste: Haste,
}

/// What a finished run leaves behind.
#[derive(Debug, Default)]
pub struct RunReport {
    /// One per event, in order.
    pub outcomes: Vec<Outcome>,
    /// Entries not yet written.
    pub journal: Vec<JournalEntry>,
    /// Effects a dry run kept.
    pub captured: Vec<JournalEntry>,
    /// To the flow's storage.
    pub storage: Vec<StorageWrite>,
    /// To the links.
    pub links: Vec<LinkWrite>,
    /// Events for flows.
    pub emitted: Vec<NewEvent>,
    /// Wake-ups for this flow.
    pub wakes: Vec<Wake>,
    /// What calls of the run met.
    pub trouble: Trouble,
    /// What a dry run read that the past run did not.
    pub unread: Unread,
    /// Calls that a person approved and that it did not make.
    pub unmade: usize,
}

/// What calls of a run met that is not the doing of their records alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trouble {
    /// A connection was down or held back.
    pub outage: bool,
    /// It is not known whether a call was carried out.
    pub lost: bool,
    /// A system broke over a call, and for so long nobody knows whether that is about its record or about all calls like it.
    pub suspect: Option<Duration>,
    /// A request or an answer was larger than allowed: fewer events at once make smaller ones.
    pub too_large: bool,
}

/// Bytes that stand around each text kept.
const ENTRY: u64 = 128;
/// Bytes of what something is found by.
const MOST_NAME: usize = 1_000;
/// Handles of WASI that a component holds at once.
const MOST_RESOURCES: usize = 10_000;
/// Bytes of chance that WASI gives at once.
const MOST_WASI_RANDOM: u64 = 1 << 20;

pub(super) use contract::types::Outcome as RawOutcome;

/// What a plugin said of one event.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Finished.
    Done(String),
    /// Again, after so many milliseconds.
    Retry(u64, String),
    /// Until a link appears: kind, side, id, deadline in milliseconds from now.
    Wait(String, crate::store::Side, String, u64),
    /// Held for a human.
    Review(Question),
    /// Can never succeed.
    Reject(String),
}

/// The state behind a running instance.
pub struct RunState {
    pub(super) bound: Option<Arc<Bound>>,
    pub(super) journal: Journal,
    pub(super) trace: String,
    /// Who writes into the log where it is no flow: a mapping plugin.
    pub(super) speaks: String,
    /// What it logged last as an error: what a panic says.
    pub(super) last_words: String,
    /// What its one event is about; none where there are several: of which of them a call is cannot be told then.
    pub(super) about: Option<String>,
    /// An event of this run was in a run before: its effects may have been carried out.
    pub(super) repeated: bool,
    /// So many times more its calls may stay for those of other runs.
    pub(super) waits: u32,
    pub(super) calls: u32,
    pub(super) log_bytes: u64,
    /// Bytes of the texts kept until the run's end.
    kept: u64,
    pub(super) storage: BTreeMap<String, Option<String>>,
    pub(super) storage_bytes: Option<u64>,
    pub(super) links: Vec<LinkWrite>,
    pub(super) emitted: Vec<NewEvent>,
    pub(super) wakes: Vec<Wake>,
    pub(super) trouble: Trouble,
    pub(super) now: crate::store::Millis,
    /// It is asked what it is: it reaches nothing at all, not even the log.
    pub(super) describes: bool,
    /// It is asked what there is, to be compared: nothing is written, whatever it was granted.
    pub(super) only_reads: bool,
    /// Events it may emit, so that what its events bring about in all stays bounded: see [`trace`].
    pub(super) may_emit: u64,
    /// Wake-ups of the flow that are planned, once it was looked.
    pub(super) planned: Option<u64>,
    memory_limit: usize,
    memory_used: usize,
    table: ResourceTable,
    wasi: Option<WasiCtx>,
}

/// What a plugin does that calls the host in `describe`.
pub(super) fn calls_from_describe() -> RunError {
    RunError::Contract("describe must not call the host".into())
}

impl RunState {
    /// For `describe`.
    pub(super) fn describing(limits: &Limits) -> Self {
        Self { describes: true, ..Self::new(None, Journal::nowhere(), limits) }
    }

    pub(super) fn new(bound: Option<Arc<Bound>>, journal: Journal, limits: &Limits) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MOST_RESOURCES);
        Self {
            bound,
            journal,
            trace: String::new(),
            speaks: String::new(),
            last_words: String::new(),
            about: None,
            repeated: false,
            waits: 0,
            calls: 0,
            log_bytes: 0,
            kept: 0,
            storage: BTreeMap::new(),
            storage_bytes: None,
            links: Vec::new(),
            emitted: Vec::new(),
            wakes: Vec::new(),
            trouble: Trouble::default(),
            now: 0,
            describes: false,
            only_reads: false,
            may_emit: limits.brought_about,
            planned: None,
            memory_limit: (limits.memory_mb << 20) as usize,
            memory_used: 0,
            table,
            wasi: None,
        }
    }

    pub(super) fn bound(&self) -> Result<Arc<Bound>, RunError> {
        self.bound.clone().ok_or_else(calls_from_describe)
    }

    /// Ends a call that would write, where only reading is allowed and the contract has no word for a refusal.
    pub(super) fn may_write(&self, what: &str) -> Result<(), RunError> {
        if self.only_reads {
            return Err(RunError::Denied(Denied::OnlyReads(what.to_owned())));
        }
        Ok(())
    }

    pub(super) fn limits(&self) -> Limits {
        self.bound.as_ref().map(|bound| bound.limits.clone()).unwrap_or_default()
    }

    /// How soon the next calls are to go out.
    pub(super) fn pace(&mut self) -> Pace {
        match self.waits.checked_sub(1) {
            Some(left) => {
                self.waits = left;
                Pace::WithOthers
            }
            None => Pace::AtOnce,
        }
    }

    /// Counts host calls against the limit.
    pub(super) fn count_calls(&mut self, calls: usize) -> Result<(), RunError> {
        let most = self.limits().host_calls;
        self.calls = self.calls.saturating_add(calls.min(u32::MAX as usize) as u32);
        if self.calls > most {
            return Err(RunError::Limit { limit: "host_calls", detail: format!("more than {most} calls in one run") });
        }
        Ok(())
    }

    /// Counts what is about to be kept until the run's end against its one budget. Asked before anything is copied.
    pub(super) fn keep(&mut self, bytes: usize) -> Result<(), RunError> {
        let most = self.limits().run_bytes;
        // What stands around a text in memory is counted with it.
        self.kept = self.kept.saturating_add(bytes as u64).saturating_add(ENTRY);
        if self.kept > most { Err(self.too_much()) } else { Ok(()) }
    }

    /// Refuses what is too long to be a name: keys, ids, topics stand in every index and every list.
    pub(super) fn names(&self, what: &str, names: &[&str]) -> Result<(), RunError> {
        match names.iter().find(|name| name.len() > MOST_NAME) {
            Some(long) => {
                Err(RunError::Contract(format!("{what} has {} bytes; at most {MOST_NAME} are taken", long.len())))
            }
            None => Ok(()),
        }
    }

    /// What breaks the budget of texts.
    pub(super) fn too_much(&self) -> RunError {
        let most = self.limits().run_bytes;
        let detail = format!("more than {most} bytes of requests, answers, links, events and other texts in one run");
        RunError::Limit { limit: "run_bytes", detail }
    }

    /// Bytes of the budget not used yet.
    pub(super) fn left(&self) -> u64 {
        self.limits().run_bytes.saturating_sub(self.kept)
    }

    /// The same for what is counted once it is there: a text to be made of others.
    pub(super) fn room_for(&mut self, bytes: usize) -> Result<(), RunError> {
        let before = self.kept;
        let kept = self.keep(bytes);
        self.kept = before;
        kept
    }

    /// Writes a result into the journal, within the budget.
    pub(super) fn note(
        &mut self,
        (seq, item): (u32, u32),
        kind: &str,
        subject: &str,
        request: String,
        response: &impl serde::Serialize,
    ) -> Result<(), RunError> {
        let response = serde_json::to_string(response).unwrap_or_default();
        self.keep(response.len())?;
        self.journal.note(seq, item, kind, subject, request, response);
        Ok(())
    }

    /// A read-like call: its recorded result, or `live` now, recorded.
    pub(super) async fn journaled<T, L>(
        &mut self,
        kind: &str,
        request: String,
        live: impl FnOnce(Arc<Bound>) -> L + Send,
    ) -> Result<T, RunError>
    where
        T: serde::Serialize + serde::de::DeserializeOwned + Send,
        L: Future<Output = Result<T, RunError>> + Send,
    {
        self.count_calls(1)?;
        self.keep(request.len())?;
        let seq = self.journal.begin();
        let value = match self.journal.known(seq, 0, kind, &request)? {
            Known::Done(value) => value,
            Known::Intended | Known::New => live(self.bound()?).await?,
        };
        self.note((seq, 0), kind, "", request, &value)?;
        Ok(value)
    }
}

impl WasiView for RunState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let now = self.now;
        let ctx = self.wasi.get_or_insert_with(|| nothing_inside(now));
        WasiCtxView { ctx, table: &mut self.table }
    }
}

/// A WASI 0.2 with no files, no network, no environment; its clocks stand still at the run's start and its chance
/// follows from it, so that a replay sees the same.
fn nothing_inside(now: crate::store::Millis) -> WasiCtx {
    struct Still(Duration);
    impl HostWallClock for Still {
        fn resolution(&self) -> Duration {
            Duration::from_millis(1)
        }
        fn now(&self) -> Duration {
            self.0
        }
    }
    impl HostMonotonicClock for Still {
        fn resolution(&self) -> u64 {
            1_000_000
        }
        fn now(&self) -> u64 {
            self.0.as_nanos() as u64
        }
    }
    let at = Duration::from_millis(now.unsigned_abs());
    let seed = now.to_le_bytes();
    WasiCtxBuilder::new()
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .wall_clock(Still(at))
        .monotonic_clock(Still(at))
        .secure_random(wasmtime_wasi::Deterministic::new(seed.to_vec()))
        .insecure_random(wasmtime_wasi::Deterministic::new(seed.to_vec()))
        .insecure_random_seed(now as u128)
        .max_random_size(MOST_WASI_RANDOM)
        .build()
}

impl ResourceLimiter for RunState {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        // One budget over all memories of the component.
        let used = self.memory_used.saturating_sub(current).saturating_add(desired);
        if used > self.memory_limit {
            let detail = format!("{} MiB wanted, {} MiB allowed", used >> 20, self.memory_limit >> 20);
            return Err(wasmtime::Error::new(RunError::Limit { limit: "memory_mb", detail }));
        }
        self.memory_used = used;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }

    // The pool has places for so many; where there is none, no more either.
    fn instances(&self) -> usize {
        MODULES as usize
    }

    fn memories(&self) -> usize {
        MEMORIES as usize
    }

    fn tables(&self) -> usize {
        TABLES as usize
    }
}

/// The calls of a run of more events are shared by those already, and gain nothing by waiting.
const FEW_EVENTS: usize = 50;

/// So many times the calls of one run stay for those of others: a bound on what that adds to a run.
const MOST_WAITS: u32 = 10;

/// Of the seconds a run may take, one wait (0.4 s) for each four: waiting takes a tenth of its time at most.
const SECONDS_A_WAIT: u64 = 4;

/// How often the calls of a run may stay for those of other runs: never where its events were not to wait either.
pub(super) fn waits_of(bound: &Bound, run: &Run) -> u32 {
    let waited = |event: &Event| event.due_at > event.created_at;
    let gathers = bound.haste == Haste::WithOthers && run.events.len() <= FEW_EVENTS && run.events.iter().all(waited);
    let most = u32::try_from(bound.limits.run_seconds / SECONDS_A_WAIT).unwrap_or(MOST_WAITS).min(MOST_WAITS);
    if gathers { most } else { 0 }
}

impl RunState {
    /// What `handle` gets.
    pub(super) fn batch(bound: &Bound, run: &Run) -> contract::types::Batch {
        let binding = |(slot, connection): (&String, &String)| contract::types::Binding {
            slot: slot.clone(),
            connection: connection.clone(),
        };
        contract::types::Batch {
            flow: run.flow.clone(),
            settings: bound.settings.clone(),
            connections: bound.named.iter().map(binding).collect(),
            events: run.events.iter().map(raw_event).collect(),
        }
    }

    /// What the run leaves behind, with the plugin's word on each event.
    pub(super) fn report(mut self, raw: Vec<RawOutcome>) -> Result<RunReport, RunError> {
        let state = &mut self;
        for outcome in &raw {
            state.keep(length(outcome))?;
        }
        let outcomes = raw.iter().map(read_outcome).collect::<Result<Vec<_>, _>>()?;
        state.share_out();
        // It waits for what they make.
        if raw.iter().any(|outcome| matches!(outcome, RawOutcome::Wait(_))) {
            state.emitted.iter_mut().for_each(|event| event.haste = Haste::AtOnce);
        }
        Ok(RunReport {
            outcomes,
            journal: state.journal.told().take(),
            captured: state.journal.take_captured(),
            storage: std::mem::take(&mut state.storage)
                .into_iter()
                .map(|(key, value)| match value {
                    Some(value) => StorageWrite::Set(key, value),
                    None => StorageWrite::Delete(key),
                })
                .collect(),
            links: std::mem::take(&mut state.links),
            emitted: std::mem::take(&mut state.emitted),
            wakes: std::mem::take(&mut state.wakes),
            trouble: state.trouble,
            unread: state.journal.take_unread(),
            unmade: state.journal.unmade(),
        })
    }
}

impl RunState {
    /// What the run's events may still bring about goes to those that it emits, in equal parts.
    fn share_out(&mut self) {
        let emitted = self.emitted.iter().filter(|event| event.held.is_none()).count() as u64;
        // None where it emits nothing.
        if let Some(left) = self.may_emit.saturating_sub(emitted).checked_div(emitted) {
            let own = self.emitted.iter_mut().filter(|event| event.held.is_none());
            own.for_each(|event| event.trace = trace::with_left(&event.trace, left));
        }
    }
}

fn length(outcome: &RawOutcome) -> usize {
    match outcome {
        RawOutcome::Done(text) | RawOutcome::Reject(text) => text.len(),
        RawOutcome::Retry(retry) => retry.why.len(),
        RawOutcome::Wait(wait) => wait.kind.len() + wait.id.len(),
        RawOutcome::Review(review) => length_of_question(review),
    }
}

/// Bytes of what a person is asked.
pub(super) fn length_of_question(review: &contract::types::ReviewRequest) -> usize {
    review.reason.len() + review.detail.len() + review.choices.iter().map(|choice| choice.len() + 24).sum::<usize>()
}

fn raw_event(event: &Event) -> contract::types::Event {
    contract::types::Event {
        id: event.id.0.unsigned_abs(),
        topic: event.topic.clone(),
        key: event.key.clone(),
        payload: event.payload.clone(),
        attempt: event.attempts,
        trace: event.trace.clone(),
        resolution: event.resolution.clone(),
    }
}

impl From<contract::types::Side> for crate::store::Side {
    fn from(side: contract::types::Side) -> Self {
        match side {
            contract::types::Side::B1 => Self::B1,
            contract::types::Side::Salesforce => Self::Salesforce,
        }
    }
}
