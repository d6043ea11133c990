//! What a flow's files say is looked at every few seconds, beside the work: a changed plugin, mapping, mapping plugin or setting is made a
//! candidate, loaded, and by the flow's policy made live, without a restart. One that cannot be used, or asks for more than was allowed, leaves the
//! flow on what it runs.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::{CompareError, Comparer, Engine, Flow, FlowStatus};
use crate::config::{Policy, Stamp, stamp};
use crate::ending::guarded;
use crate::releases::{Over, Release, ReleaseError, consent, short, signature_of};
use crate::sandbox::{LoadError, Unknown};
use crate::store::{Activation, Candidate, EventFilter, EventState, Intake, StoreError};

/// Who makes a release live that files say.
pub const FILES: &str = "the files";

/// Between two looks at the files of a flow.
const LOOK: Duration = Duration::from_secs(1);

/// How long a start waits for files that are compiled for the first time; seven flows take a second or two.
const SETTLES: Duration = Duration::from_secs(30);

/// A file that was written longer ago than this is not being written.
const QUIET: Duration = Duration::from_secs(3);

/// Past events that a release is compared over before it goes live by itself.
const COMPARED: u32 = 1_000;

/// How far back it is looked whether a release was live.
const ACTIVATIONS: u32 = 1_000;

type Stamps = Vec<(PathBuf, Stamp)>;

/// The files of a flow, as they were seen last.
#[derive(Default)]
pub(super) struct Files {
    /// Of the last look.
    looked: Option<Stamps>,
    /// Of those that were read.
    read: Option<Stamps>,
    /// At the last look somebody might still have been writing them.
    unsettled: bool,
    /// What they say, where it can be used.
    says: Option<Arc<Release>>,
    /// What a comparison said of it, and with which live release: it takes seconds, and is made once.
    compared: Option<(String, Option<String>)>,
}

/// What is to be done with what the files say.
enum Decision {
    /// It is live, or it was and was taken back: nothing.
    Known,
    /// It goes live.
    Live,
    /// It does not, for this reason.
    Held(String),
}

impl Engine {
    /// One look at the files of every flow, before anything runs. What takes long to be compiled is waited for no longer than a while: it
    /// joins when it is ready, and until then the flow is starting.
    pub async fn settle(self: &Arc<Self>) {
        let mut looks = Vec::new();
        for flow in self.config.flows.keys() {
            self.releases.set_silent(flow, true);
        }
        for flow in self.config.flows.keys() {
            let (looking, over) = oneshot::channel::<()>();
            let look = self.clone().first_look(flow.clone());
            let mut first = JoinSet::new();
            first.spawn(guarded("first look at the files of a flow", async {
                let files = look.await;
                drop(looking);
                files
            }));
            self.first.lock().unwrap_or_else(PoisonError::into_inner).insert(flow.clone(), first);
            looks.push(over);
        }
        let _ = tokio::time::timeout(SETTLES, join_all(looks)).await;
    }

    async fn first_look(self: Arc<Self>, flow: String) -> Files {
        let mut files = Files::default();
        self.look(&flow, &mut files).await;
        // Whoever mends a mapping and starts the host wants nothing done by the old one: what was written just now is waited for.
        let patience = Instant::now() + QUIET;
        while files.unsettled && Instant::now() < patience {
            tokio::time::sleep(LOOK).await;
            self.look(&flow, &mut files).await;
        }
        // What runs, whatever its files say.
        if let Some(plugin) = self.releases.plugin_of(&flow, &self.config).await {
            self.would_run(&flow, plugin);
        }
        files
    }

    /// Looks at a flow's files until `stop` turns true.
    pub(super) async fn watch_files(self: Arc<Self>, flow: String, mut stop: watch::Receiver<bool>) {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).remove(&flow);
        let mut files = Files::default();
        if let Some(mut first) = first {
            tokio::select! {
                found = first.join_next() => files = found.and_then(Result::ok).unwrap_or_default(),
                _ = stop.changed() => return,
            }
        }
        while !*stop.borrow() {
            self.look(&flow, &mut files).await;
            tokio::select! { _ = tokio::time::sleep(LOOK) => {} _ = stop.changed() => {} }
        }
    }

    async fn look(&self, flow: &str, files: &mut Files) {
        if self.releases.is_held_still(flow, &self.config) {
            return;
        }
        match self.consider(flow, files).await {
            Ok(Decision::Known) => self.set_refused(flow, None),
            Ok(Decision::Live) => {
                self.set_refused(flow, None);
                self.inbox.ring(&[flow.to_owned()]);
            }
            Ok(Decision::Held(why)) => {
                if self.hold(flow, &why).await {
                    tracing::warn!(flow, why, "the changed files wait; the flow goes on with what it had");
                }
            }
            Err(error) => {
                // Looked at again, whatever the files' stamps: the store fails, not they.
                // The same holds for a file that somebody else has open.
                let unread = matches!(
                    error,
                    ReleaseError::MappingUnread { .. } | ReleaseError::Plugin(LoadError::Unreadable { .. })
                );
                if unread || error.is_of_the_moment() {
                    files.read = None;
                }
                let why = error.to_string();
                if self.hold(flow, &why).await {
                    tracing::error!(flow, why, "the changed files are not taken; the flow goes on with what it had");
                }
            }
        }
    }

    /// The flow goes on with what it runs, or waits where it never ran. True where it goes on and that was not known yet.
    async fn hold(&self, flow: &str, why: &str) -> bool {
        if matches!(self.releases.live(flow).await, Ok(None)) {
            self.set_status(flow, FlowStatus::Held(why.to_owned()));
            return false;
        }
        let news = self.refused().get(flow).is_none_or(|before| before != why);
        if news {
            self.set_refused(flow, Some(why));
        }
        news
    }

    async fn consider(&self, flow: &str, files: &mut Files) -> Result<Decision, ReleaseError> {
        // Stamps first: what changes while it is read is read again.
        let now: Stamps = self.files_of(flow).into_iter().map(|path| (path.clone(), stamp(&path))).collect();
        // Half a file may be a whole one to its reader: they are left alone until nobody writes them any more. The first files of a flow are taken
        // as they are: nothing runs that they could take the place of.
        let settled = match files.looked.replace(now.clone()) {
            Some(before) => before == now,
            None => is_quiet(&now) || self.releases.live(flow).await?.is_none(),
        };
        files.unsettled = !settled;
        if files.says.is_none() && self.is_only_by_hand(flow).await? {
            return Ok(Decision::Known);
        }
        if settled && files.read.as_ref() != Some(&now) {
            *files = Files { looked: Some(now.clone()), read: Some(now), ..Files::default() };
            let draft = self.releases.of_files(flow, &self.config).await;
            self.releases.set_silent(flow, draft.is_err());
            if draft.is_err() && self.has_no_files(flow).await? {
                return Ok(Decision::Known);
            }
            let draft = draft?;
            let release = self.releases.keep(flow, draft, FILES).await?;
            if !self.is_news(flow, &release).await? {
                self.note_said(flow, &release).await?;
                return Ok(Decision::Known);
            }
            for (section, why) in release.needless_sections() {
                tracing::warn!(flow, section, why, "a section of the mapping does nothing");
            }
            if self.releases.live(flow).await?.is_none() {
                self.would_run(flow, release.plugin.clone());
            }
            files.says = Some(release);
        }
        let Some(release) = files.says.clone() else {
            // Why it cannot be used was told when the files changed.
            let told = self.refused().remove(flow);
            return Ok(told.map_or(Decision::Known, Decision::Held));
        };
        if self.is_overtaken(flow, &release).await? {
            files.says = None;
            return Ok(Decision::Known);
        }
        let decision = self.decide(flow, &release, files).await?;
        let held = match &decision {
            Decision::Held(why) => Some(why.clone()),
            // Taken back by the activation itself: a host that dies before it goes on from here.
            Decision::Live => Some("about to go live".to_owned()),
            Decision::Known => None,
        };
        let before = self.releases.store().candidate(flow).await?;
        if before.as_ref().is_none_or(|before| before.release != release.digest || before.held != held) {
            let candidate =
                Candidate { flow: flow.to_owned(), release: release.digest.clone(), at: crate::time::now(), held };
            self.releases.store().candidate_put(candidate).await?;
        }
        self.note_said(flow, &release).await?;
        if let Decision::Live = decision {
            self.make_live(flow, &release).await?;
        }
        Ok(decision)
    }

    /// Where several hosts share a store, one whose files never said anything may do without: it runs what is live.
    async fn has_no_files(&self, flow: &str) -> Result<bool, ReleaseError> {
        let Some(place) = self.place_of_files(flow) else { return Ok(false) };
        Ok(self.releases.live(flow).await?.is_some() && self.releases.store().position(&place).await?.is_none())
    }

    /// Whether the files say what this host has not told yet. Where several share a store, one that joins, or starts again with the files that it had,
    /// takes nothing back that another has made live since.
    async fn is_news(&self, flow: &str, release: &Release) -> Result<bool, ReleaseError> {
        let Some(place) = self.place_of_files(flow) else { return Ok(true) };
        let store = self.releases.store();
        if self.releases.live(flow).await?.is_none() {
            return Ok(true);
        }
        if store.candidate(flow).await?.is_some_and(|candidate| candidate.release == release.digest) {
            return Ok(true);
        }
        match store.position(&place).await? {
            Some(told) => Ok(told != release.digest),
            // A host that joins: what was live once is older, what never was is new.
            None => Ok(!store.activations(flow, ACTIVATIONS).await?.iter().any(|own| own.release == release.digest)),
        }
    }

    /// What this host's files say was told, and since then another host's files have said something else: those are the newer ones.
    async fn is_overtaken(&self, flow: &str, release: &Release) -> Result<bool, ReleaseError> {
        let Some(place) = self.place_of_files(flow) else { return Ok(false) };
        let store = self.releases.store();
        let told = store.position(&place).await?.is_some_and(|told| told == release.digest);
        Ok(told && store.candidate(flow).await?.is_some_and(|candidate| candidate.release != release.digest))
    }

    /// What this host's files say is told.
    async fn note_said(&self, flow: &str, release: &Release) -> Result<(), ReleaseError> {
        let Some(place) = self.place_of_files(flow) else { return Ok(()) };
        let store = self.releases.store();
        if store.position(&place).await?.is_none_or(|told| told != release.digest) {
            store.append(Intake { position: Some((place, release.digest.clone())), ..Intake::default() }).await?;
        }
        Ok(())
    }

    /// Where is kept what the files of this very host said last; none where there can be no other.
    fn place_of_files(&self, flow: &str) -> Option<String> {
        self.inbox.store().heard()?;
        let machine = whoami::hostname().unwrap_or_default();
        let config = std::path::absolute(&self.config.file).unwrap_or_else(|_| self.config.file.clone());
        Some(format!("files:{flow}:{machine}:{}", config.display()))
    }

    async fn decide(&self, flow: &str, release: &Arc<Release>, files: &mut Files) -> Result<Decision, ReleaseError> {
        let live = self.releases.live(flow).await?;
        let before = self.releases.store().candidate(flow).await?;
        let same = |digest: &str| digest == release.digest;
        if live.as_ref().is_some_and(|live| same(&live.release))
            || before.as_ref().is_some_and(|before| same(&before.release) && before.held.is_none())
        {
            return Ok(Decision::Known);
        }
        match &live {
            None => self.adopt(flow, release).await?,
            // It is what is wanted, until the files change.
            Some(live) if is_chosen(live, before.as_ref()) => {
                let (live, files) = (short(&live.release), release.short());
                tracing::info!(
                    flow,
                    live,
                    files,
                    "the files say another release than a person made live: that one stays"
                );
                return Ok(Decision::Known);
            }
            Some(_) => {}
        }
        if let Err(error) = self.releases.consented(release).await {
            return match error {
                ReleaseError::NotGranted { .. } => Ok(Decision::Held(error.to_string())),
                other => Err(other),
            };
        }
        // What cannot be bound would hold the flow once it is live.
        let bound = Flow::for_rehearsal(flow, release.clone(), &self.config, &self.connections, &self.releases).await;
        if let Err(error) = bound {
            return Ok(Decision::Held(error.to_string()));
        }
        let policy = self.config.flows.get(flow).map(|own| own.release).unwrap_or_default();
        let by_hand = format!("make it live with `tandem release activate {flow} {}`", release.short());
        Ok(match (policy, live) {
            // The first is what somebody has just set up.
            (Policy::AtOnce, _) | (Policy::IfSame, None) => Decision::Live,
            (Policy::ByHand, _) => {
                Decision::Held(format!("release {} waits to be made live by hand: {by_hand}", release.short()))
            }
            (Policy::IfSame, Some(live)) => {
                let known = files.compared.as_ref().filter(|(with, _)| *with == live.release);
                let found = match known {
                    Some((_, found)) => found.clone(),
                    None => {
                        let found = self.what_differs(flow, release).await?;
                        files.compared = Some((live.release, found.clone()));
                        found
                    }
                };
                found.map_or(Decision::Live, |why| {
                    Decision::Held(format!("release {} is not known to do the same: {why}; {by_hand}", release.short()))
                })
            }
        })
    }

    /// How the last events of a flow would end otherwise under a release, in words; none where they would not.
    async fn what_differs(&self, flow: &str, release: &Arc<Release>) -> Result<Option<String>, ReleaseError> {
        let failed = |error: &dyn std::fmt::Display| Some(format!("the comparison failed: {error}"));
        let (config, connections, releases) = (&self.config, &self.connections, &self.releases);
        let comparer = Comparer::new(flow, release.clone(), config, connections, releases, Unknown::Refuse).await;
        let mut comparer = match comparer {
            Ok(comparer) => comparer,
            Err(error) => return Ok(failed(&error)),
        };
        let runs = comparer.last_runs(COMPARED).await?;
        if runs.is_empty() {
            return Ok(Some("no recorded run to compare with".into()));
        }
        for id in runs {
            match comparer.add(id).await {
                Ok(()) => {}
                Err(CompareError::Release(error)) => return Err(error),
                Err(CompareError::Store(error)) => return Err(error.into()),
                Err(error) => return Ok(failed(&error)),
            }
        }
        let found = comparer.done();
        if found.is_same() {
            return Ok(None);
        }
        let look = format!("look with `tandem release compare {flow}`");
        if found.groups.is_empty() && found.untold == 0 && !found.unused.is_empty() {
            let unused = found.unused.join(", ");
            return Ok(Some(format!("the mapping differs in what none of the last events used: {unused}; {look}")));
        }
        let first = found.groups.first().map(|group| format!(", such as {} {}", group.call, group.field));
        Ok(Some(format!(
            "of {} events {} would end otherwise{}, and of {} it cannot be told; {look}",
            found.events,
            found.different,
            first.as_deref().unwrap_or_default().trim_end(),
            found.untold
        )))
    }

    /// A mapping plugin that worked for this flow before mapping plugins were asked for goes on.
    async fn adopt(&self, flow: &str, release: &Release) -> Result<(), StoreError> {
        let store = self.releases.store();
        let filter = EventFilter { flow: Some(flow.to_owned()), state: Some(EventState::Done), key: None, limit: 1 };
        let ran = store.events(filter).await?.first().and_then(|event| event.finished_at);
        let mapper = self.config.flows.get(flow).and_then(|own| own.mapper.as_ref());
        let lies_since = mapper.and_then(|path| stamp(&self.config.resolve(path))).map(|(at, _)| at);
        let since = lies_since.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        let (Some(ran), Some(since)) = (ran, since) else { return Ok(()) };
        // One that was put in since the flow ran last is new.
        if since.as_millis() > u128::from(ran.unsigned_abs()) {
            return Ok(());
        }
        for code in release.codes().iter().filter(|code| code.is_mapper()) {
            if store.last_grant(&code.name).await?.is_none() {
                tracing::warn!(flow, mapper = code.short_name(), "in use before it needed consent: allowed as it is");
                consent::allow(store.as_ref(), code).await?;
            }
        }
        Ok(())
    }

    async fn make_live(&self, flow: &str, release: &Release) -> Result<(), ReleaseError> {
        let before = match self.releases.live(flow).await? {
            Some(live) => self.releases.store().release(flow, &live.release).await?,
            None => None,
        };
        let before = before.and_then(|row| crate::releases::Manifest::parse(&row.manifest).ok());
        let why = before.map_or_else(
            || "first of the flow".to_owned(),
            |before| format!("changed: {}", release.manifest.changes(&before)),
        );
        if self.releases.activate(flow, &release.digest, FILES, &why, Over::Any).await? {
            let description = &release.plugin.description;
            tracing::info!(
                flow,
                release = release.short(),
                plugin = description.name,
                version = description.version,
                digest = release.plugin.digest,
                why,
                "live"
            );
        }
        Ok(())
    }

    /// The flow runs what a person made live, such as what came from another host, and its plugin lies in no folder.
    async fn is_only_by_hand(&self, flow: &str) -> Result<bool, ReleaseError> {
        let plugin = self.config.flows.get(flow).map(|own| self.releases.path(&own.plugin));
        if plugin.is_none_or(|path| path.exists()) {
            return Ok(false);
        }
        let before = self.releases.store().candidate(flow).await?;
        Ok(self.releases.live(flow).await?.is_some_and(|live| is_chosen(&live, before.as_ref())))
    }

    fn files_of(&self, flow: &str) -> Vec<PathBuf> {
        let config = self.config.flows.get(flow);
        let plugin = config.map(|config| self.releases.path(&config.plugin));
        let others = config.into_iter().flat_map(|config| config.mapping.iter().chain(&config.mapper));
        let files: Vec<PathBuf> = plugin.into_iter().chain(others.map(|path| self.config.resolve(path))).collect();
        // A signature that comes later is another thing that they say.
        let signatures: Vec<PathBuf> = files.iter().map(|file| signature_of(file)).collect();
        files.into_iter().chain(signatures).collect()
    }
}

/// A person has made it live before the files were ever looked at.
fn is_chosen(live: &Activation, before: Option<&Candidate>) -> bool {
    live.who != FILES && before.is_none()
}

/// Nobody is writing them: all were written some time ago.
fn is_quiet(files: &Stamps) -> bool {
    let quiet = |(at, _): (std::time::SystemTime, u64)| at.elapsed().is_ok_and(|age| age >= QUIET);
    files.iter().all(|(_, stamp)| stamp.is_none_or(quiet))
}
