//! First loads: all records that are there already go through a flow, by the host itself, so that who asked for it may leave. Where it stands is
//! kept: a host that was stopped goes on with it. Before it, a rehearsal says what it would do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, Semaphore, watch};

use super::{BindError, Engine, Flow, Rehearsal};
use crate::config::Config;
use crate::connections::Connections;
use crate::ending::guarded;
use crate::releases::{ReleaseError, Releases};
use crate::sandbox::{RunError, Runtime};
use crate::sources::backfill::{self, LookError, Place, Topic, TopicError};
use crate::store::{EventState, Intake, Millis, Store, StoreError};
use crate::time::now;

/// Events of the flow under way at most: what happens meanwhile does not wait behind the whole load.
pub const WINDOW: u64 = 2_000;
/// Between two looks at a load that goes on, and where none does.
const BUSY: Duration = Duration::from_millis(250);
const IDLE: Duration = Duration::from_secs(2);
/// Questions of a rehearsal that are kept.
const ASKED: usize = 100;

/// Why a load or its rehearsal cannot begin, or ends before it is through.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The plugin must not act on the past.
    #[error("the plugin of {0} offers no backfill: it must not act on the past")]
    NotOffered(String),
    /// The flow runs nothing.
    #[error("the flow {0} is not live")]
    NotLive(String),
    /// One is under way.
    #[error("a first load of {0} goes on")]
    GoesOn(String),
    /// What it goes through is configured otherwise by now.
    #[error("the first load of {0} would go through other records than those it was begun with: begin it anew")]
    Others(String),
    /// The flow cannot run.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Its release cannot be read.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// A connection is missing.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// Records cannot be read.
    #[error("going through {0}: {1}")]
    Look(String, LookError),
    /// A batch cannot be run.
    #[error("rehearsing: {0}")]
    Run(#[from] RunError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How far something is that takes long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// It is under way.
    GoesOn,
    /// It is through.
    Over,
    /// It ended before it was through.
    Failed,
    /// Somebody stopped it.
    Stopped,
}

/// A first load, as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// How far it is.
    pub stage: Stage,
    /// Only records changed since this day.
    pub since: Option<String>,
    /// Records there were when it began.
    pub total: u64,
    /// Records read so far.
    pub taken: u64,
    /// Of these worked through.
    pub done: u64,
    /// Of these that wait for another record.
    #[serde(default)]
    pub waiting: u64,
    /// Questions that came up meanwhile.
    pub review: u64,
    /// Questions of the flow that were open before.
    review_before: u64,
    /// Why it does not get on, or did not.
    pub error: Option<String>,
    /// When.
    pub began_at: Millis,
    /// When, once it has.
    pub ended_at: Option<Millis>,
    /// Who asked for it.
    pub by: String,
}

/// How far a rehearsal is, and what it has found so far.
#[derive(Clone, Debug)]
pub struct Rehearsed {
    /// How its flow and its connections were configured.
    of: String,
    /// Digest of the release it was done under.
    release: String,
    /// How far it is.
    pub stage: Stage,
    /// Only records changed since this day.
    pub since: Option<String>,
    /// Records there are.
    pub total: u64,
    /// Of these looked at.
    pub done: u64,
    /// Why it ended before it was through.
    pub error: Option<String>,
    /// When.
    pub began_at: Millis,
    /// Records that would be written, by kind.
    pub effects: BTreeMap<String, u64>,
    /// Pairs that would be linked, by kind.
    pub links: BTreeMap<String, u64>,
    /// Records looked at by outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// How many questions there would be.
    pub asks: u64,
    /// The first of them: key and question.
    pub questions: Vec<(String, String)>,
}

/// The records that a first load of a flow goes through; none where its plugin offers no load.
pub fn topics(flow: &Flow, connections: &Connections, since: Option<&str>) -> Result<Vec<Topic>, LoadError> {
    let names = &flow.release.plugin.description.backfill;
    if names.is_empty() {
        return Err(LoadError::NotOffered(flow.name.clone()));
    }
    let topics = names.iter().map(|name| Topic::new(name, &flow.config.connections, connections, since));
    Ok(topics.collect::<Result<_, _>>()?)
}

/// Goes through the records without writing. `told` hears after each batch of how many records are done, and says whether to go on.
pub async fn rehearse<'a>(
    runtime: &'a Runtime,
    flow: &'a Flow,
    topics: &[Topic],
    mut told: impl FnMut(&Rehearsal<'a>, u64) -> bool,
) -> Result<Rehearsal<'a>, LoadError> {
    let mut rehearsal = Rehearsal::new(runtime, flow);
    let mut done = 0;
    for topic in topics {
        let look = |error| LoadError::Look(topic.name.clone(), error);
        let mut last = None;
        loop {
            let page = topic.page(last.as_ref()).await.map_err(look)?;
            for keys in page.chunks(flow.batch() as usize) {
                let events = keys.iter().map(|keys| topic.event(&flow.name, "rehearsal", keys)).collect();
                rehearsal.add(events).await?;
                done += keys.len() as u64;
                if !told(&rehearsal, done) {
                    return Ok(rehearsal);
                }
            }
            match page.last() {
                Some(keys) => last = Some(keys.clone()),
                None => break,
            }
        }
    }
    Ok(rehearsal)
}

/// The load of a flow that was asked for last.
pub async fn last(store: &dyn Store, flow: &str) -> Result<Option<Load>, StoreError> {
    Ok(store.position(&kept(flow)).await?.and_then(|text| serde_json::from_str(&text).ok()))
}

fn kept(flow: &str) -> String {
    format!("load:{flow}")
}

async fn keep(store: &dyn Store, flow: &str, load: &Load) -> Result<(), StoreError> {
    let text = serde_json::to_string(load).unwrap_or_default();
    store.append(Intake { position: Some((kept(flow), text)), ..Intake::default() }).await.map(|_| ())
}

/// Where a load of these records stands; none where none was begun.
async fn place(store: &dyn Store, flow: &str, of: &[String]) -> Result<Option<Place>, StoreError> {
    let stored = store.position(&backfill::source(flow)).await?;
    let place = stored.and_then(|text| serde_json::from_str::<Place>(&text).ok());
    Ok(place.filter(|place| place.of == of))
}

/// Where a load of these records was broken off; none where it begins anew.
pub async fn broken_off(store: &dyn Store, flow: &str, of: &[String]) -> Result<Option<Place>, StoreError> {
    Ok(place(store, flow, of).await?.filter(|place| place.topics < of.len()))
}

/// What a load goes through.
pub fn through(topics: &[Topic], config: &Config) -> Vec<String> {
    topics.iter().map(|topic| topic.through(config)).collect()
}

/// A load from the beginning.
pub fn fresh(of: Vec<String>) -> Place {
    Place { id: format!("{:016x}", fastrand::u64(..)), of, ..Place::default() }
}

/// What a load has brought and is not finished.
#[derive(Default)]
struct Brought {
    open: u64,
    waiting: u64,
    review: u64,
}

impl Brought {
    async fn of(store: &dyn Store, flow: &str) -> Result<Self, StoreError> {
        let mut brought = Self::default();
        for count in store.counts_of_backfill(flow).await? {
            match count.state {
                EventState::Ready | EventState::Leased => brought.open += count.events,
                EventState::Waiting => brought.waiting += count.events,
                EventState::Review => brought.review += count.events,
                _ => {}
            }
        }
        Ok(brought)
    }
}

/// All first loads of a host.
pub struct Loads {
    store: Arc<dyn Store>,
    /// One was asked for, or stopped.
    bell: Notify,
    /// By flow, since the host started.
    rehearsals: Mutex<BTreeMap<String, Arc<Mutex<Rehearsed>>>>,
    /// One rehearses at a time: flows go first.
    turn: Arc<Semaphore>,
    /// What is kept of a load is changed by one at a time.
    changing: tokio::sync::Mutex<()>,
    /// Flows of which a page is being read.
    reading: Mutex<BTreeSet<String>>,
}

impl Loads {
    /// None is under way but those that are kept.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            bell: Notify::new(),
            rehearsals: Mutex::default(),
            turn: Arc::new(Semaphore::new(1)),
            changing: tokio::sync::Mutex::default(),
            reading: Mutex::default(),
        }
    }

    /// Goes on with what is under way until `stop` turns true. A rehearsal of what is configured otherwise by now is none any more.
    pub async fn run(
        self: Arc<Self>,
        engine: Arc<Engine>,
        connections: Arc<Connections>,
        mut stop: watch::Receiver<bool>,
    ) {
        self.rehearsals.lock().unwrap_or_else(PoisonError::into_inner).retain(|flow, own| {
            let mut own = own.lock().unwrap_or_else(PoisonError::into_inner);
            let stays = own.of == setting(flow, engine.config());
            if !stays && own.stage == Stage::GoesOn {
                own.stage = Stage::Stopped;
            }
            stays
        });
        // A system that does not answer holds up its own flows alone.
        let all = engine.config().flows.keys().map(|flow| self.go_on(flow, &engine, &connections));
        tokio::select! {
            _ = join_all(all) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    async fn go_on(&self, flow: &str, engine: &Engine, connections: &Connections) {
        loop {
            let asked = self.bell.notified();
            let busy = match self.advance(flow, engine, connections).await {
                Ok(goes_on) => goes_on,
                Err(error) => {
                    tracing::error!(flow, %error, "the first load cannot go on");
                    false
                }
            };
            tokio::select! {
                () = tokio::time::sleep(if busy { BUSY } else { IDLE }) => {}
                () = asked => {}
            }
        }
    }

    /// One step of a flow's load; true where it goes on.
    async fn advance(&self, flow: &str, engine: &Engine, connections: &Connections) -> Result<bool, StoreError> {
        let store = self.store.as_ref();
        let Some(before) = last(store, flow).await?.filter(|load| load.stage == Stage::GoesOn) else {
            return Ok(false);
        };
        let mut load = before.clone();
        let step = {
            let _reading = Reading::begin(&self.reading, flow);
            self.step(flow, engine, connections, &mut load).await
        };
        match step {
            Ok(()) => load.error = None,
            // It is told, and tried again.
            Err(LoadError::Look(_, LookError::Store(error))) => return Err(error),
            Err(LoadError::Look(at, error)) if error.may_pass() || error.is_of_all() => {
                load.error = Some(LoadError::Look(at, error).to_string());
            }
            Err(LoadError::Store(error)) => return Err(error),
            Err(error) => {
                load.stage = Stage::Failed;
                load.error = Some(error.to_string());
                load.ended_at = Some(now());
                tracing::error!(flow, %error, "the first load ended before it was through");
            }
        }
        let _changing = self.changing.lock().await;
        // Somebody may have stopped it meanwhile.
        if last(store, flow).await?.as_ref() != Some(&before) {
            return Ok(true);
        }
        if load != before {
            keep(store, flow, &load).await?;
        }
        Ok(load.stage == Stage::GoesOn)
    }

    async fn step(
        &self,
        flow: &str,
        engine: &Engine,
        connections: &Connections,
        load: &mut Load,
    ) -> Result<(), LoadError> {
        let store = self.store.as_ref();
        let brought = Brought::of(store, flow).await?;
        load.done = load.taken.saturating_sub(brought.open);
        load.waiting = brought.waiting;
        load.review = brought.review.saturating_sub(load.review_before);
        // Until its plugin is ready it waits.
        let plugin = engine.running().borrow().get(flow).cloned();
        let (Some(plugin), Some(config)) = (plugin, engine.config().flows.get(flow)) else { return Ok(()) };
        let names = &plugin.description.backfill;
        let topics = names.iter().map(|name| Topic::new(name, &config.connections, connections, load.since.as_deref()));
        let topics: Vec<Topic> = topics.collect::<Result<_, _>>()?;
        let of = through(&topics, engine.config());
        let place = place(store, flow, &of).await?.ok_or_else(|| LoadError::Others(flow.to_owned()))?;
        if place.topics >= topics.len() {
            load.taken = place.records;
            if brought.open == 0 {
                load.stage = Stage::Over;
                load.ended_at = Some(now());
            }
        } else if brought.open < WINDOW {
            let at = topics.get(place.topics).map_or_else(String::new, |topic| topic.name.clone());
            let next =
                backfill::step(store, flow, &topics, &place).await.map_err(|error| LoadError::Look(at, error))?;
            load.taken = next.map_or(place.records, |next| next.records);
        }
        Ok(())
    }

    /// Asks for the load of a flow that is live. One that was stopped or has failed goes on where it was and since the day it was begun with, but
    /// where another day is given, it is to begin anew, or it would go through other records.
    pub async fn begin(
        &self,
        flow: &Flow,
        config: &Config,
        connections: &Connections,
        since: Option<String>,
        anew: bool,
        by: &str,
    ) -> Result<Load, LoadError> {
        let store = self.store.as_ref();
        let before = last(store, &flow.name).await?;
        let ended = before.as_ref().filter(|load| matches!(load.stage, Stage::Stopped | Stage::Failed) && !anew);
        let since = since.or_else(|| ended.and_then(|load| load.since.clone()));
        let goes_on = ended.is_some_and(|load| load.since == since) || before.is_none() && !anew;
        let topics = topics(flow, connections, since.as_deref())?;
        let mut total = 0;
        for topic in &topics {
            total += topic.count().await.map_err(|error| LoadError::Look(topic.name.clone(), error))?;
        }
        let of = through(&topics, config);
        let _changing = self.changing.lock().await;
        let now_kept = last(store, &flow.name).await?;
        if now_kept.as_ref().is_some_and(|load| load.stage == Stage::GoesOn)
            || Reading::goes_on(&self.reading, &flow.name)
        {
            return Err(LoadError::GoesOn(flow.name.clone()));
        }
        let place = match goes_on {
            // One of the command that is through is over.
            true => place(store, &flow.name, &of).await?.filter(|own| ended.is_some() || own.topics < of.len()),
            false => None,
        };
        let place = place.unwrap_or_else(|| fresh(of));
        let load = Load {
            stage: Stage::GoesOn,
            since,
            total,
            taken: place.records,
            done: 0,
            waiting: 0,
            review: 0,
            review_before: Brought::of(store, &flow.name).await?.review,
            error: None,
            began_at: now(),
            ended_at: None,
            by: by.to_owned(),
        };
        let text = serde_json::to_string(&place).unwrap_or_default();
        store.append(Intake { position: Some((backfill::source(&flow.name), text)), ..Intake::default() }).await?;
        keep(store, &flow.name, &load).await?;
        self.bell.notify_waiters();
        Ok(load)
    }

    /// No more records are taken in; a rehearsal ends.
    pub async fn stop(&self, flow: &str) -> Result<(), StoreError> {
        if let Some(rehearsal) = self.rehearsal(flow) {
            let mut own = rehearsal.lock().unwrap_or_else(PoisonError::into_inner);
            if own.stage == Stage::GoesOn {
                own.stage = Stage::Stopped;
            }
        }
        let _changing = self.changing.lock().await;
        if let Some(mut load) = last(self.store.as_ref(), flow).await?.filter(|load| load.stage == Stage::GoesOn) {
            load.stage = Stage::Stopped;
            load.ended_at = Some(now());
            keep(self.store.as_ref(), flow, &load).await?;
        }
        Ok(())
    }

    /// The load of a flow that was asked for last.
    pub async fn load(&self, flow: &str) -> Result<Option<Load>, StoreError> {
        last(self.store.as_ref(), flow).await
    }

    /// The rehearsal of a flow that was asked for last since the host started. `release`: what it would run now; what was rehearsed under another
    /// one is not told.
    pub fn rehearsed(&self, flow: &str, release: Option<&str>) -> Option<Rehearsed> {
        let own = self.rehearsal(flow)?.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Some(own).filter(|own| release.is_none_or(|release| release == own.release))
    }

    fn rehearsal(&self, flow: &str) -> Option<Arc<Mutex<Rehearsed>>> {
        self.rehearsals.lock().unwrap_or_else(PoisonError::into_inner).get(flow).cloned()
    }

    /// Begins a rehearsal, which goes on beside everything else.
    pub fn rehearse(
        &self,
        flow: Flow,
        config: &Config,
        connections: &Connections,
        releases: &Releases,
        since: Option<String>,
    ) -> Result<(), LoadError> {
        let topics = topics(&flow, connections, since.as_deref())?;
        let fresh = Rehearsed {
            of: setting(&flow.name, config),
            release: flow.release.digest.clone(),
            stage: Stage::GoesOn,
            since,
            total: 0,
            done: 0,
            error: None,
            began_at: now(),
            effects: BTreeMap::new(),
            links: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            asks: 0,
            questions: Vec::new(),
        };
        let own = Arc::new(Mutex::new(fresh));
        {
            let mut all = self.rehearsals.lock().unwrap_or_else(PoisonError::into_inner);
            let goes_on =
                |own: &Arc<Mutex<Rehearsed>>| own.lock().unwrap_or_else(PoisonError::into_inner).stage == Stage::GoesOn;
            if all.get(&flow.name).is_some_and(goes_on) {
                return Err(LoadError::GoesOn(flow.name.clone()));
            }
            all.insert(flow.name.clone(), own.clone());
        }
        let (turn, runtime) = (self.turn.clone(), releases.runtime().clone());
        tokio::spawn(guarded("rehearsal of a first load", async move {
            let _turn = turn.acquire_owned().await;
            let ended = tell(&own, &runtime, &flow, &topics).await;
            let mut own = own.lock().unwrap_or_else(PoisonError::into_inner);
            match ended {
                Ok(()) if own.stage == Stage::GoesOn => own.stage = Stage::Over,
                Ok(()) => {}
                Err(error) => {
                    own.stage = Stage::Failed;
                    own.error = Some(error.to_string());
                }
            }
        }));
        Ok(())
    }
}

/// How a flow and its connections are configured, as one text.
fn setting(flow: &str, config: &Config) -> String {
    let own = config.flows.get(flow);
    let named: Vec<&String> = own.iter().flat_map(|own| own.connections.values()).collect();
    let companies = named.iter().filter_map(|name| config.b1.get(*name));
    let orgs = named.iter().filter_map(|name| config.salesforce.get(*name));
    format!("{own:?} {:?} {:?}", companies.collect::<Vec<_>>(), orgs.collect::<Vec<_>>())
}

/// A page that is being read, until it is dropped.
struct Reading<'a> {
    all: &'a Mutex<BTreeSet<String>>,
    flow: String,
}

impl<'a> Reading<'a> {
    fn begin(all: &'a Mutex<BTreeSet<String>>, flow: &str) -> Self {
        all.lock().unwrap_or_else(PoisonError::into_inner).insert(flow.to_owned());
        Self { all, flow: flow.to_owned() }
    }

    fn goes_on(all: &Mutex<BTreeSet<String>>, flow: &str) -> bool {
        all.lock().unwrap_or_else(PoisonError::into_inner).contains(flow)
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.flow);
    }
}

/// Rehearses, and tells of it while it goes on; ends early where somebody stops it.
async fn tell(own: &Mutex<Rehearsed>, runtime: &Runtime, flow: &Flow, topics: &[Topic]) -> Result<(), LoadError> {
    let now = || own.lock().unwrap_or_else(PoisonError::into_inner);
    for topic in topics {
        let records = topic.count().await.map_err(|error| LoadError::Look(topic.name.clone(), error))?;
        now().total += records;
    }
    let told = |found: &Rehearsal<'_>, done| {
        let mut own = now();
        own.done = done;
        own.effects.clone_from(&found.effects);
        own.links.clone_from(&found.links);
        own.outcomes.clone_from(&found.outcomes);
        own.asks = found.questions.len() as u64;
        let known = own.questions.len();
        own.questions.extend(found.questions.iter().skip(known).take(ASKED.saturating_sub(known)).cloned());
        own.stage == Stage::GoesOn
    };
    rehearse(runtime, flow, topics, told).await.map(|_| ())
}
