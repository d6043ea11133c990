//! Queue → run → outcome. Leases due events of each flow, runs the flow's plugin over them, and commits what became of
//! them; takes up runs that a crash left open.

pub mod calls;
mod candidates;
mod compare;
mod deeds;
pub mod explain;
pub mod first_load;
pub mod fit;
mod flow;
pub mod keeping;
pub mod kinds;
pub mod now;
pub mod reading;
mod recovery;
mod rehearsal;
mod replay;
pub mod scenario;
mod size;
mod spans;
mod under_way;
mod verdict;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tracing::Instrument;

use self::calls::Staged;
pub use self::candidates::FILES;
use self::candidates::Files;
pub use self::compare::{CompareError, Comparer, Comparison, OUTCOME, told};
pub use self::deeds::{Difference, Effect, effects_of};
pub use self::flow::{BindError, Flow, haste_of, scope_of, takers};
pub use self::rehearsal::Rehearsal;
pub use self::replay::Replay;
use self::under_way::UnderWay;
use crate::connections::{BreakerState, Connections};
use crate::ending::guarded;
use crate::releases::{Release, ReleaseError, Releases};
use crate::sandbox::{Journal, Plugin, RunError, Runtime};
use crate::store::{Finish, Inbox, JournalEntry, Leased, Run, RunId};
use crate::telemetry::Traces;

/// Between two looks at wake-ups and deadlines.
const SWEEP: Duration = Duration::from_millis(500);
/// Between two looks at a flow's files, and at which release is live: a grant or a mended file takes effect without a restart.
const REBIND: Duration = Duration::from_secs(3);
/// A flow looks at its queue at least so often: `tandem events retry` is another process and cannot ring.
const LONGEST_SLEEP: Duration = Duration::from_secs(2);
/// Between two looks at calls that nobody approved in time.
const EXPIRES: Duration = Duration::from_secs(30);
const PACK: Duration = Duration::from_secs(5);
const PRUNE: Duration = Duration::from_secs(600);

/// Whether a flow works, for `/readyz` and the console.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "why", rename_all = "lowercase")]
pub enum FlowStatus {
    /// Not looked at yet.
    Starting,
    /// Takes events.
    Running,
    /// Cannot run until somebody mends this.
    Held(String),
}

/// The engine of one host.
pub struct Engine {
    inbox: Arc<Inbox>,
    runtime: Arc<Runtime>,
    connections: Arc<Connections>,
    releases: Arc<Releases>,
    config: Arc<crate::config::Config>,
    status: Mutex<BTreeMap<String, FlowStatus>>,
    refused: Mutex<BTreeMap<String, String>>,
    /// What takes the steps of each run, where somebody looks at traces.
    traces: Option<Traces>,
    running: watch::Sender<Running>,
    /// The flows that run, each under the release that it runs.
    bound: Mutex<BTreeMap<String, Arc<Flow>>>,
    /// The first look at each flow's files, until who goes on looking takes it.
    first: Mutex<BTreeMap<String, JoinSet<Files>>>,
    under_way: UnderWay,
    policy: calls::Policy,
}

/// What each flow runs now, or would once it may; none of which nothing can be loaded yet.
pub type Running = BTreeMap<String, Arc<Plugin>>;

/// What a flow may lease now.
enum Gate {
    Open,
    /// A connection was down: one event tries it.
    Trial,
    /// Nothing for so long.
    Held(Duration),
}

impl Engine {
    /// Nothing runs yet.
    pub fn new(
        config: Arc<crate::config::Config>,
        inbox: Arc<Inbox>,
        connections: Arc<Connections>,
        releases: Arc<Releases>,
    ) -> Self {
        let status = config.flows.keys().map(|name| (name.clone(), FlowStatus::Starting)).collect();
        let running = watch::Sender::new(Running::new());
        let policy = calls::Policy::of(&config.agents);
        Self {
            inbox,
            runtime: releases.runtime().clone(),
            connections,
            releases,
            config,
            status: Mutex::new(status),
            refused: Mutex::default(),
            traces: None,
            running,
            bound: Mutex::default(),
            first: Mutex::default(),
            under_way: UnderWay::default(),
            policy,
        }
    }

    /// What the operator allows of calls of tools.
    pub fn policy(&self) -> &calls::Policy {
        &self.policy
    }

    /// Tells the steps of each run.
    pub fn traced(mut self, traces: Option<Traces>) -> Self {
        self.traces = traces;
        self
    }

    /// What each flow runs: told anew with each plugin that is taken up.
    pub fn running(&self) -> watch::Receiver<Running> {
        self.running.subscribe()
    }

    /// Topics and timers of a flow are known from now on, and others know that it takes what they emit.
    fn would_run(&self, flow: &str, plugin: Arc<Plugin>) {
        self.running.send_if_modified(|running| {
            let same = running.get(flow).is_some_and(|before| before.digest == plugin.digest);
            running.insert(flow.to_owned(), plugin);
            !same
        });
    }

    /// The flows that run now, in the order of their names; one that is held still stands for what it ran last.
    pub fn flows(&self) -> Vec<Arc<Flow>> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// What the operator wrote.
    pub fn config(&self) -> &Arc<crate::config::Config> {
        &self.config
    }

    /// What flows run.
    pub fn releases(&self) -> &Arc<Releases> {
        &self.releases
    }

    /// Tells flows that there is something to do.
    pub fn ring(&self, flows: &[String]) {
        self.inbox.ring(flows);
    }

    /// How every flow is.
    pub fn status(&self) -> BTreeMap<String, FlowStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A run that should have ended long ago, in words; none while all move.
    pub fn late(&self) -> Option<String> {
        self.under_way.late(Instant::now())
    }

    /// Flows that go on with what they had, since their files as they are now cannot be used, and why; `tandem.toml` itself, too.
    pub fn refused(&self) -> BTreeMap<String, String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says why the host goes on with what it had, of a flow or of `tandem.toml`; none when that is over.
    pub fn set_refused(&self, flow: &str, why: Option<&str>) {
        let mut all = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        match why {
            Some(why) => all.insert(flow.to_owned(), why.to_owned()),
            None => all.remove(flow),
        };
    }

    fn set_status(&self, flow: &str, status: FlowStatus) {
        let mut all = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        if let (FlowStatus::Held(why), Some(before)) = (&status, all.get(flow))
            && *before != status
        {
            tracing::error!(flow, why, "the flow is held");
        }
        all.insert(flow.to_owned(), status);
    }

    /// Runs every flow until `stop` turns true; then finishes what is under way. Where the whole host is `over`, within `patience`; where it goes
    /// on otherwise, to the end: no run may be left behind in a host that takes up what was left.
    pub async fn run(
        self: Arc<Self>,
        stop: watch::Receiver<bool>,
        mut over: watch::Receiver<bool>,
        patience: Duration,
    ) {
        let mut tasks = JoinSet::new();
        let runs = Arc::new(tokio::sync::Mutex::new(JoinSet::new()));
        // Before anything is leased: a run of this very host is no run that was left open.
        let mut left_open = self.left_open(stop.clone()).await;
        for name in self.config.flows.keys() {
            let own = left_open.extract_if(.., |run| run.flow == *name).collect();
            let drive = self.clone().drive(name.clone(), own, stop.clone(), over.clone(), runs.clone());
            tasks.spawn(guarded("flow", drive));
            tasks.spawn(guarded("files of a flow", self.clone().watch_files(name.clone(), stop.clone())));
        }
        // Of flows that are configured no more.
        tasks.spawn(guarded("recovery", self.clone().recover(left_open, stop.clone(), over.clone())));
        tasks.spawn(guarded("takeover", self.clone().take_over(stop.clone(), over.clone())));
        tasks.spawn(guarded("bells of other hosts", self.clone().hear(stop.clone())));
        tasks.spawn(guarded("sweep", self.clone().sweep(stop.clone())));
        tasks.spawn(guarded("pack", self.clone().pack(stop.clone())));
        tasks.spawn(guarded("prune", self.clone().prune(stop)));
        // Also what waits for a store that is away.
        let all_done = async {
            while tasks.join_next().await.is_some() {}
            let mut runs = runs.lock().await;
            while runs.join_next().await.is_some() {}
        };
        let too_long = async {
            // Who cannot say any more that it is over has ended.
            let _ = over.wait_for(|over| *over).await;
            tokio::time::sleep(patience).await;
        };
        tokio::select! {
            () = all_done => {}
            () = too_long => tracing::warn!("runs still under way are left to be taken up at the next start"),
        }
    }

    async fn drive(
        self: Arc<Self>,
        name: String,
        left_open: Vec<Run>,
        mut stop: watch::Receiver<bool>,
        over: watch::Receiver<bool>,
        runs: Arc<tokio::sync::Mutex<JoinSet<()>>>,
    ) {
        // A run that is taken up writes what it read before the crash: nothing newer may be written before it.
        self.clone().recover(left_open, stop.clone(), over).await;
        let Some(mut flow) = self.bind(&name, &mut stop).await else { return };
        let permits = Arc::new(Semaphore::new(flow.concurrency() as usize));
        let bell = self.inbox.bell(&name);
        let mut running = self.running();
        let (mut looked, mut stale) = (Instant::now(), false);
        while !*stop.borrow() {
            if stale || looked.elapsed() >= REBIND {
                looked = Instant::now();
                match self.other(&flow, &mut running).await {
                    Some(new) => {
                        // A stop does not wait for the runs that are too many now.
                        tokio::select! {
                            () = resize(&permits, flow.concurrency(), new.concurrency()) => {}
                            _ = stop.changed() => return,
                        }
                        (flow, stale) = (new, false);
                    }
                    None if stale => {
                        tokio::select! { _ = tokio::time::sleep(REBIND) => {} _ = stop.changed() => {} }
                        stale = false;
                        continue;
                    }
                    None => {}
                }
            }
            let permit = tokio::select! {
                permit = permits.clone().acquire_owned() => permit,
                _ = stop.changed() => return,
            };
            let Ok(permit) = permit else { return };
            let gate = self.gate(&flow);
            let (max, alone) = match gate {
                Gate::Open => (flow.batch(), false),
                Gate::Trial => (1, true),
                Gate::Held(pause) => {
                    drop(permit);
                    // Not longer than files are left unlooked at: a pause may last an hour.
                    let pause = pause.min(REBIND);
                    tokio::select! { _ = tokio::time::sleep(pause) => {} _ = stop.changed() => {} }
                    continue;
                }
            };
            let now = crate::time::now();
            let store = self.inbox.store();
            // Where there is one host its own permits say so.
            let one_by_one = flow.concurrency() == 1 && store.heard().is_some();
            let leased = match one_by_one {
                true => store.lease_alone(&name, &flow.release.digest, max, now).await,
                false => store.lease(&name, &flow.release.digest, max, now).await,
            };
            match leased {
                Ok(Leased::Run(run)) => {
                    let (ended, trial) = tokio::sync::oneshot::channel::<()>();
                    let task = guarded("run", self.clone().run_leased(flow.clone(), run, permit));
                    let mut under_way = runs.lock().await;
                    while under_way.try_join_next().is_some() {}
                    under_way.spawn(async move {
                        task.await;
                        drop(ended);
                    });
                    drop(under_way);
                    if alone {
                        tokio::select! { _ = trial => {} _ = stop.changed() => {} }
                    }
                }
                Ok(Leased::NotLive) => stale = true,
                Ok(Leased::Nothing) => {
                    drop(permit);
                    let pause = self.until_next_due(&name).await;
                    tokio::select! { _ = bell.notified() => {} _ = tokio::time::sleep(pause) => {} _ = stop.changed() => {} }
                }
                Err(error) => {
                    tracing::error!(flow = name, %error, "cannot lease events");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    /// The live release of a flow, as soon as there is one that can be run.
    async fn bind(&self, name: &str, stop: &mut watch::Receiver<bool>) -> Option<Arc<Flow>> {
        let bell = self.inbox.bell(name);
        while !*stop.borrow() {
            match self.live(name).await {
                Ok(Some(release)) => match self.made_ready(name, release).await {
                    Ok(flow) => {
                        self.took_up(&flow, None);
                        return Some(flow);
                    }
                    Err(error) => self.set_status(name, FlowStatus::Held(error.to_string())),
                },
                // Why not is told by who looks at the files.
                Ok(None) => {}
                Err(error) => self.set_status(name, FlowStatus::Held(error.to_string())),
            }
            tokio::select! { _ = tokio::time::sleep(REBIND) => {} _ = bell.notified() => {} _ = stop.changed() => {} }
        }
        None
    }

    /// The flow made anew when another release of it is live, or when another flow takes other topics now.
    async fn other(&self, flow: &Flow, running: &mut watch::Receiver<Running>) -> Option<Arc<Flow>> {
        let live = self.releases.live(&flow.name).await.ok().flatten()?;
        let others = running.has_changed().unwrap_or(false) && {
            running.mark_unchanged();
            takers(&flow.name, &self.config, &self.releases).await != flow.bound.topics
        };
        if live.release == flow.release.digest && !others {
            return None;
        }
        let release = match self.releases.load(&flow.name, &live.release).await {
            Ok(release) => self.made_ready(&flow.name, release).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match release {
            Ok(new) => {
                self.took_up(&new, Some(flow));
                Some(new)
            }
            Err(why) => {
                tracing::error!(flow = flow.name, why, "the live release cannot be run");
                self.set_status(&flow.name, FlowStatus::Held(why));
                None
            }
        }
    }

    async fn live(&self, flow: &str) -> Result<Option<Arc<Release>>, ReleaseError> {
        match self.releases.live(flow).await? {
            Some(live) => self.releases.load(flow, &live.release).await.map(Some),
            None => Ok(None),
        }
    }

    async fn made_ready(&self, flow: &str, release: Arc<Release>) -> Result<Arc<Flow>, BindError> {
        Flow::bind(flow, release, &self.config, &self.connections, &self.releases).await.map(Arc::new)
    }

    fn took_up(&self, flow: &Arc<Flow>, before: Option<&Flow>) {
        if before.is_none_or(|before| before.release.digest != flow.release.digest) {
            let description = &flow.release.plugin.description;
            tracing::info!(
                flow = flow.name,
                plugin = description.name,
                version = description.version,
                release = flow.release.short(),
                from = before.map(|before| before.release.short().to_owned()),
                "running"
            );
        }
        self.bound.lock().unwrap_or_else(PoisonError::into_inner).insert(flow.name.clone(), flow.clone());
        self.set_status(&flow.name, FlowStatus::Running);
        self.would_run(&flow.name, flow.release.plugin.clone());
    }

    /// What the flow may do now. Whoever is told to try a flow that failed has claimed the one try there is.
    fn gate(&self, flow: &Flow) -> Gate {
        let connections = flow.bound.slots.values().map(|connection| connection.state());
        let states = connections.chain([flow.breaker.state()]);
        let mut gate = Gate::Open;
        for state in states {
            match (state, &gate) {
                (BreakerState::Open(left), Gate::Held(longest)) if left > *longest => gate = Gate::Held(left),
                (BreakerState::Open(_), Gate::Held(_)) => {}
                (BreakerState::Open(left), _) => gate = Gate::Held(left),
                (BreakerState::HalfOpen, Gate::Open) => gate = Gate::Trial,
                _ => {}
            }
        }
        match (gate, flow.breaker.state()) {
            // No busy wait on the last millisecond.
            (Gate::Held(left), _) => Gate::Held(left.max(Duration::from_millis(20))),
            (Gate::Trial, BreakerState::HalfOpen) => flow.breaker.admit().map_or_else(Gate::Held, |()| Gate::Trial),
            (other, _) => other,
        }
    }

    async fn until_next_due(&self, flow: &str) -> Duration {
        let due = self.inbox.store().next_due(flow).await.ok().flatten();
        match due {
            // Due already but not leased: it waits behind an older event of its key, whose end will ring.
            Some(due) if due > crate::time::now() => Duration::from_millis((due - crate::time::now()).unsigned_abs())
                .clamp(Duration::from_millis(5), LONGEST_SLEEP),
            Some(_) => Duration::from_millis(500),
            None => LONGEST_SLEEP,
        }
    }

    async fn run_leased(self: Arc<Self>, flow: Arc<Flow>, run: Run, permit: OwnedSemaphorePermit) {
        self.execute(&flow, run, Vec::new()).await;
        drop(permit);
        self.inbox.ring(std::slice::from_ref(&flow.name));
    }

    /// Runs a batch to its end. A failing store makes it start over its own journal.
    async fn execute(&self, flow: &Flow, run: Run, mut recorded: Vec<JournalEntry>) {
        let began = crate::time::now();
        let trace = run.events.first().map(|event| event.trace.clone()).unwrap_or_default();
        let key = run.events.first().map(|event| event.key.clone()).unwrap_or_default();
        let span = tracing::info_span!("run", flow = flow.name, run = run.id.0, events = run.events.len(), key, trace);
        async {
            loop {
                let limit = Duration::from_secs(flow.config.limits.run_seconds);
                let is_call = calls::is_call(&run);
                let staged = match is_call {
                    true => self.staged(flow, &run, &recorded).await,
                    false => Ok(Staged::Go(None)),
                };
                let approved = match staged {
                    Ok(Staged::Go(approved)) => approved,
                    Ok(Staged::Over(finish)) => {
                        self.note_call(&run, &finish).await;
                        return self.commit(run.id, finish).await;
                    }
                    Err(error) => {
                        tracing::error!(%error, "a call cannot be looked at; taking it up again");
                        tokio::time::sleep(Duration::from_secs(1)).await;
                        continue;
                    }
                };
                let journal = Journal::live(run.id, self.inbox.store().clone(), std::mem::take(&mut recorded));
                let journal = journal.held_to(approved);
                let told = journal.told();
                let started = Instant::now();
                let place = self.runtime.place(&flow.bound.flow).await;
                // Its time begins with its place: a busy host is none that hangs.
                let _under_way = self.under_way.begin(run.id, &flow.name, limit);
                let result = match place {
                    Ok(place) => {
                        let bound = if is_call { calls::bound_of(flow) } else { flow.bound.clone() };
                        let plugin = &flow.release.plugin;
                        self.runtime.run_at(place, plugin, bound, &run, journal).await
                    }
                    Err(error) => Err(error),
                };
                metrics::histogram!("tandem_run_seconds", "flow" => flow.name.clone())
                    .record(started.elapsed().as_secs_f64());
                let finish = match result {
                    Err(RunError::Store(error)) => {
                        tracing::error!(%error, "the store failed during the run; taking it up again");
                        tokio::time::sleep(Duration::from_secs(1)).await;
                        recorded = self.journal_of(run.id).await;
                        continue;
                    }
                    // What people ask for says nothing of how the flow is, and holds none of its work up.
                    Ok(report) if is_call => {
                        // It may be the one that was let through to try a flow that had failed.
                        flow.breaker.succeeded();
                        self.made(flow, &run, report).await
                    }
                    Err(error) if is_call => Finish { journal: told.take(), ..verdict::of_failure(flow, &run, &error) },
                    Ok(report) => {
                        flow.breaker.succeeded();
                        if report.trouble.too_large {
                            flow.size.too_large(run.events.len());
                        } else {
                            flow.size.worked(run.events.len());
                        }
                        verdict::of_report(flow, &run, report)
                    }
                    Err(error) => {
                        flow.breaker.failed(&error.outside());
                        flow.size.failed(run.events.len(), &error);
                        // What it was answered before it failed is what tells why.
                        Finish { journal: told.take(), ..verdict::of_failure(flow, &run, &error) }
                    }
                };
                if is_call {
                    self.note_call(&run, &finish).await;
                }
                let told = self.traces.as_ref().map(|traces| (traces, finish.clone()));
                self.commit(run.id, finish).await;
                if let Some((traces, finish)) = told {
                    let journal = self.journal_of(run.id).await;
                    traces.tell(spans::of_run(&run, &finish, &journal, began, crate::time::now()));
                }
                return;
            }
        }
        .instrument(span)
        .await;
    }

    async fn commit(&self, run: RunId, finish: Finish) {
        loop {
            match self.inbox.store().finish(run, finish.clone()).await {
                Ok(touched) => {
                    self.inbox.ring(&touched);
                    return;
                }
                Err(error) => {
                    tracing::error!(%error, "cannot commit a run's outcomes; trying again");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    async fn journal_of(&self, run: RunId) -> Vec<JournalEntry> {
        loop {
            match self.inbox.store().journal_read(run).await {
                Ok(entries) => return entries,
                Err(error) => {
                    tracing::error!(%error, "cannot read a run's journal; trying again");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    async fn sweep(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut looked = None;
        while !*stop.borrow() {
            match self.inbox.store().sweep(crate::time::now()).await {
                Ok(touched) => self.inbox.ring(&touched),
                Err(error) => tracing::error!(%error, "cannot look at wake-ups and deadlines"),
            }
            if looked.is_none_or(|at: Instant| at.elapsed() >= EXPIRES) {
                looked = Some(Instant::now());
                match calls::expire(self.inbox.store().as_ref()).await {
                    Ok(touched) => self.inbox.ring(&touched),
                    Err(error) => tracing::error!(%error, "cannot look at calls that wait to be approved"),
                }
            }
            tokio::select! { _ = tokio::time::sleep(SWEEP) => {} _ = stop.changed() => {} }
        }
    }

    async fn pack(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let keeps = keeping::keeps(&self.config);
        while !*stop.borrow() {
            tokio::select! { _ = tokio::time::sleep(PACK) => {} _ = stop.changed() => return }
            if let Err(error) = self.inbox.store().pack(&keeps).await {
                tracing::error!(%error, "cannot pack journals");
            }
        }
    }

    async fn prune(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            tokio::select! { _ = tokio::time::sleep(PRUNE) => {} _ = stop.changed() => return }
            match self.inbox.store().prune(&keeping::retention(&self.config, crate::time::now())).await {
                Ok(pruned) if pruned.runs + pruned.events > 0 => {
                    tracing::info!(runs = pruned.runs, events = pruned.events, "old journals and events removed");
                }
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "cannot remove old journals"),
            }
        }
    }
}

/// As many runs at once as the new plugin likes: fewer only when those under way have ended.
async fn resize(permits: &Semaphore, old: u32, new: u32) {
    permits.add_permits(new.saturating_sub(old) as usize);
    if let Ok(surplus) = permits.acquire_many(old.saturating_sub(new)).await {
        surplus.forget();
    }
}
