//! Runs that a crash left open are taken up over their journal, under the release they started under.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Engine, Flow, REBIND};
use crate::ending::guarded;
use crate::releases::ReleaseError;
use crate::store::{Finish, Question, Run, Verdict, Whose};

/// Runs recovered at once.
const PARALLEL: usize = 4;
/// Before the store is asked again.
const AGAIN: Duration = Duration::from_secs(1);

impl Engine {
    /// Runs that a host which is gone left open. Until they are known nothing may be leased.
    pub(super) async fn left_open(&self, mut stop: watch::Receiver<bool>) -> Vec<Run> {
        loop {
            match self.inbox.store().abandoned(Whose::Flows, true).await {
                Ok(runs) => return runs,
                Err(error) => tracing::error!(%error, "cannot look for runs left open; trying again"),
            }
            if paused(AGAIN, &mut stop).await {
                return Vec::new();
            }
        }
    }

    /// What other hosts leave open that go while this one runs is taken up here, or by another.
    pub(super) async fn take_over(self: Arc<Self>, mut stop: watch::Receiver<bool>, over: watch::Receiver<bool>) {
        let mut among = self.inbox.store().among();
        let mut recovering = JoinSet::new();
        let mut seen = among.borrow().left;
        loop {
            tokio::select! {
                // Where there can be no others nothing is told, either.
                told = among.wait_for(|among| among.left != seen) => match told {
                    Ok(among) => seen = among.left,
                    Err(_) => return,
                },
                _ = stop.wait_for(|stop| *stop) => break,
            }
            match self.inbox.store().abandoned(Whose::Flows, false).await {
                Ok(runs) => {
                    recovering.spawn(guarded("recovery", self.clone().recover(runs, stop.clone(), over.clone())));
                }
                Err(error) => {
                    tracing::error!(%error, "cannot take up what a host that is gone left open; trying again")
                }
            }
            while recovering.try_join_next().is_some() {}
        }
        while recovering.join_next().await.is_some() {}
    }

    /// Other hosts say that there is something to do.
    pub(super) async fn hear(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let Some(mut heard) = self.inbox.store().heard() else { return };
        loop {
            let told = tokio::select! { told = heard.recv() => told, _ = stop.wait_for(|stop| *stop) => return };
            match told {
                Ok(flows) => self.inbox.ring_here(&flows),
                // Whoever missed some looks again by himself.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Until all are done, or the whole host is over. What cannot be taken up yet is left when this engine stops: the next one takes it up.
    pub(super) async fn recover(
        self: Arc<Self>,
        abandoned: Vec<Run>,
        stop: watch::Receiver<bool>,
        mut over: watch::Receiver<bool>,
    ) {
        if abandoned.is_empty() {
            return;
        }
        tracing::info!(runs = abandoned.len(), "taking up runs that were left open");
        metrics::counter!("tandem_runs_recovered_total").increment(abandoned.len() as u64);
        use futures_util::stream::StreamExt;
        let all = futures_util::stream::iter(abandoned)
            .map(|run| self.recover_one(run, stop.clone()))
            .buffer_unordered(PARALLEL)
            .collect::<Vec<()>>();
        tokio::select! { _ = all => {} _ = over.wait_for(|over| *over) => {} }
    }

    async fn recover_one(&self, run: Run, mut stop: watch::Receiver<bool>) {
        let found = loop {
            match self.flow_of(&run).await {
                Err(NoFlow::Now(why)) => {
                    tracing::warn!(flow = run.flow, run = run.id.0, why, "the run is taken up a little later");
                    if paused(REBIND, &mut stop).await {
                        return;
                    }
                }
                Err(NoFlow::Ever(why)) => break Err(why),
                Ok(flow) => break Ok(flow),
            }
        };
        let flow = match found {
            Ok(flow) => flow,
            Err(why) => {
                let held = Verdict::Review(Question::say(
                    "host.not_taken_up",
                    "the host stopped in the middle of this run, and it cannot be taken up: {why}",
                    [("why", why.clone())],
                ));
                let verdicts = run.events.iter().map(|event| (event.id, held.clone())).collect();
                let finish = Finish { verdicts, error: Some(why), ..Finish::default() };
                self.commit(run.id, finish).await;
                return;
            }
        };
        let recorded = self.journal_of(run.id).await;
        self.execute(&flow, run, recorded).await;
    }

    /// The flow as it is configured now, with the release the run started under.
    async fn flow_of(&self, run: &Run) -> Result<Flow, NoFlow> {
        if !self.config.flows.contains_key(&run.flow) {
            return Err(NoFlow::Ever(format!("tandem.toml has no flow {} any more", run.flow)));
        }
        let why = |error: ReleaseError| match error.is_of_the_moment() {
            true => NoFlow::Now(error.to_string()),
            false => NoFlow::Ever(error.to_string()),
        };
        let release = self.releases.of_run(&run.flow, &run.release, &self.config).await.map_err(why)?;
        let bound = Flow::bind(&run.flow, release, &self.config, &self.connections, &self.releases).await;
        bound.map_err(|error| NoFlow::Ever(error.to_string()))
    }
}

/// Whether the engine stops, or whoever would tell it so is gone, before the time is over.
async fn paused(time: Duration, stop: &mut watch::Receiver<bool>) -> bool {
    tokio::select! { () = tokio::time::sleep(time) => false, _ = stop.wait_for(|stop| *stop) => true }
}

/// Why a run cannot be taken up.
enum NoFlow {
    /// The machine is too busy, or the store is away.
    Now(String),
    /// It would be the same at each try.
    Ever(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pause_ends_at_the_stop_and_when_nobody_is_left_to_tell_it() {
        let (sender, mut stop) = watch::channel(false);
        assert!(!paused(Duration::from_millis(1), &mut stop).await);
        sender.send_replace(true);
        assert!(paused(Duration::MAX, &mut stop).await);

        let (sender, mut stop) = watch::channel(false);
        drop(sender);
        assert!(paused(Duration::MAX, &mut stop).await);
    }
}
