//! The comparison that is under way on this host, whoever asked for it: one at a time, how far it is, and how the last one ended.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{oneshot, watch};

use super::files::Draft;
use super::report::Report;
use super::{Folder, Host, Progress, ReconcileError, Record, Scope, Since, compare, keep};
use crate::config::Config;
use crate::connections::Connections;
use crate::ending::guarded;
use crate::engine::Engine;
use crate::engine::first_load::Stage;
use crate::store::{Millis, Store};
use crate::time::now;

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// These flows; none named: all.
    pub flows: Vec<String>,
    /// Only what was changed or dated since then.
    pub since: Option<Since>,
    /// Who asks; none: its hour has come.
    pub by: Option<String>,
}

/// One that is under way, or was last.
#[derive(Clone, Debug)]
pub struct Run {
    /// Who asked for it; none: its hour had come.
    pub by: Option<String>,
    /// When.
    pub began_at: Millis,
    /// When, once it has.
    pub ended_at: Option<Millis>,
    /// The flows it goes through, one after the other.
    pub flows: Vec<String>,
    /// Only what was changed or dated since this day.
    pub since: Option<String>,
    /// How it stands.
    pub stage: Stage,
    /// How far it is, or came.
    pub progress: Progress,
    /// The report's name, once there is one.
    pub report: Option<String>,
    /// Why there is none.
    pub error: Option<String>,
}

#[derive(Default)]
struct State {
    last: Option<Run>,
    /// Takes who stops it.
    stops: Option<oneshot::Sender<String>>,
}

/// See the module's words.
pub struct UnderWay {
    config: Arc<Config>,
    engine: Arc<Engine>,
    connections: Arc<Connections>,
    store: Arc<dyn Store>,
    /// When this host came up.
    up: Millis,
    state: Mutex<State>,
}

/// One whose folder is made.
struct Begun {
    draft: Draft,
    scope: Scope,
    stopped: oneshot::Receiver<String>,
}

impl UnderWay {
    /// None, on a host that has just come up.
    pub fn new(config: Arc<Config>, engine: Arc<Engine>, connections: Arc<Connections>, store: Arc<dyn Store>) -> Self {
        Self { config, engine, connections, store, up: now(), state: Mutex::default() }
    }

    /// The one that is under way, or was last since this host came up.
    pub fn last(&self) -> Option<Run> {
        self.state().last.clone()
    }

    /// Compares, and keeps the report.
    pub async fn run(&self, asked: Asked) -> Result<Report, ReconcileError> {
        let begun = self.start(asked).await?;
        self.through(begun).await
    }

    /// Begins one that goes on beside everything else, until `stop` turns true. An error where it cannot: it is told at once.
    pub async fn begin(self: &Arc<Self>, asked: Asked, mut stop: watch::Receiver<bool>) -> Result<Run, ReconcileError> {
        let begun = self.start(asked).await?;
        let run = self.last().ok_or_else(|| ReconcileError::Broken("it is not there".into()))?;
        let own = self.clone();
        tokio::spawn(guarded("comparison that was asked for", async move {
            tokio::select! {
                ended = own.through(begun) => if let Err(error) = ended {
                    tracing::warn!(%error, "both sides were not compared");
                },
                _ = stop.wait_for(|stop| *stop) => {}
            }
        }));
        Ok(run)
    }

    /// Ends the one that began then; false where it is over, or about to be kept.
    pub fn stop(&self, began_at: Millis, by: &str) -> bool {
        let mut state = self.state();
        if state.last.as_ref().is_none_or(|run| run.began_at != began_at) {
            return false;
        }
        let told = state.stops.take().is_some_and(|stops| stops.send(by.to_owned()).is_ok());
        if let Some(run) = state.last.as_mut().filter(|_| told) {
            (run.stage, run.ended_at) = (Stage::Stopped, Some(now()));
            run.error = Some(ReconcileError::Stopped(by.to_owned()).to_string());
        }
        told
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn start(&self, asked: Asked) -> Result<Begun, ReconcileError> {
        let scope = Scope::of(&self.config, &asked.flows, asked.since);
        let draft = Folder::of(&self.config).begin(now(), scope.is_part()).await?;
        let (stops, stopped) = oneshot::channel();
        let run = Run {
            by: asked.by,
            began_at: draft.at(),
            ended_at: None,
            flows: scope.flows.clone(),
            since: scope.since.as_ref().map(|since| since.day.clone()),
            stage: Stage::GoesOn,
            progress: Progress::default(),
            report: None,
            error: None,
        };
        *self.state() = State { last: Some(run), stops: Some(stops) };
        Ok(Begun { draft, scope, stopped })
    }

    async fn through(&self, begun: Begun) -> Result<Report, ReconcileError> {
        let Begun { draft, scope, mut stopped } = begun;
        let began = draft.at();
        let host = Host {
            config: self.config.clone(),
            connections: self.connections.clone(),
            releases: self.engine.releases().clone(),
            store: self.store.clone(),
            runs: true,
            up: Some(self.up),
            status: self.engine.status(),
            patience: super::PATIENCE,
        };
        let told = |progress: Progress| {
            if let Some(run) = self.state().last.as_mut().filter(|run| run.began_at == began) {
                run.progress = progress;
            }
        };
        let compared = tokio::select! {
            compared = compare(&host, &draft, &scope, &told) => compared,
            Ok(by) = &mut stopped => Err(ReconcileError::Stopped(by)),
        };
        let ended = match compared {
            // From here on nobody stops it: what was told to be stopped leaves no report.
            Ok(report) => match self.over_soon(began, &mut stopped) {
                Ok(()) => keep(&host, draft, &report).await.map(|()| report),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        if let Ok(report) = &ended {
            self.tell(report).await;
        }
        let mut state = self.state();
        // Whoever stopped it has said so, and another may have begun since.
        if let Some(run) = state.last.as_mut().filter(|run| run.began_at == began && run.stage == Stage::GoesOn) {
            run.ended_at = Some(now());
            match &ended {
                Ok(report) => (run.stage, run.report) = (Stage::Over, Some(report.name.clone())),
                Err(error) => (run.stage, run.error) = (Stage::Failed, Some(error.to_string())),
            }
        }
        ended
    }

    /// Takes away that it can be stopped; an error where somebody was quicker.
    fn over_soon(&self, began: Millis, stopped: &mut oneshot::Receiver<String>) -> Result<(), ReconcileError> {
        let mut state = self.state();
        if state.last.as_ref().is_some_and(|run| run.began_at == began) {
            state.stops = None;
        }
        stopped.try_recv().map_or(Ok(()), |by| Err(ReconcileError::Stopped(by)))
    }

    /// For who watches the host.
    async fn tell(&self, report: &Report) {
        tracing::info!(
            report = report.name,
            differences = report.differences(),
            unexplained = report.unexplained(),
            whole = report.is_whole(),
            took_ms = report.took_ms,
            "both sides were compared"
        );
        // A part says nothing of the rest.
        if report.is_of_everything() {
            metrics::gauge!("tandem_reconciled_at_seconds").set(crate::time::seconds(report.at));
            metrics::gauge!("tandem_reconcile_differences").set(report.differences() as f64);
        }
        if let Ok(record) = Record::of(self.store.as_ref()).await {
            let unexplained: u64 = record.flows.values().map(|own| own.unexplained).sum();
            metrics::gauge!("tandem_reconcile_unexplained").set(unexplained as f64);
        }
    }
}
