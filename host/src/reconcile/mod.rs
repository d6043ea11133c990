//! The proof that both sides agree: each flow's plugin reads both systems and says what is to be the same; what it read is joined here, added up, and each
//! difference explained from what the host knows. Nothing is written to either system.

mod drill;
mod explain;
mod files;
mod kept;
mod page;
mod record;
pub mod report;
mod scheduled;
mod sides;
mod since;
mod tally;
mod under_way;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use utoipa::ToSchema;

pub use self::drill::{Drilled, Which};
pub use self::files::{Folder, KINDS};
pub use self::record::{FlowStanding, Missed, Record, Together};
pub use self::scheduled::{Scheduled, next_hour};
pub use self::since::Since;
pub use self::under_way::{Asked, Run, UnderWay};

use self::explain::{Away, Situation};
use self::files::Draft;
use self::kept::Kept;
use self::report::{Comparison, Difference, FlowReport, LeftOut, Reasons, Report, SHOWN, Why};
use self::sides::{NotRead, Sides, What};
use self::tally::{By, Counts, Found};
use crate::config::Config;
use crate::connections::{BreakerState, Connections};
use crate::engine::reading::Reading;
use crate::engine::{BindError, Flow, FlowStatus};
use crate::plain::one_line;
use crate::releases::{ReleaseError, Releases};
use crate::sandbox::{Comparable, ReadError};
use crate::store::{Millis, Side, Store, StoreError};
use crate::time::now;

/// What passes is waited out for so long before a comparison is given up.
const PATIENCE: Duration = Duration::from_secs(300);
/// Records that are named where one is asked for.
const NAMED: u32 = 20;
/// Differences that are explained in one go.
const EXPLAINED: u32 = 200;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// Its folder.
    #[error("the folder of the reports, {0}: {1}")]
    Folder(PathBuf, std::io::Error),
    /// Another one goes on.
    #[error("another reconciliation is under way in {0}")]
    Busy(PathBuf),
    /// A disk that it would fill.
    #[error("the disk of {} is too full: {} MB are needed, and {} MB are free", .folder.display(), .needed >> 20, .free >> 20)]
    NoRoom {
        /// A folder on it.
        folder: PathBuf,
        /// Bytes that are to be free.
        needed: u64,
        /// Bytes that are.
        free: u64,
    },
    /// The disk is full, or fails.
    #[error("{0}: {1}")]
    File(PathBuf, std::io::Error),
    /// The file in which rows are joined.
    #[error("joining the rows: {0}")]
    Rows(#[from] rusqlite::Error),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A flow that is asked for.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// Somebody stopped it.
    #[error("{0} stopped it")]
    Stopped(String),
    /// A report that cannot be read, or a part of the work that died.
    #[error("it was broken off: {0}")]
    Broken(String),
}

/// What it is done with.
#[derive(Clone)]
pub struct Host {
    /// `tandem.toml`
    pub config: Arc<Config>,
    /// Both systems.
    pub connections: Arc<Connections>,
    /// What flows run.
    pub releases: Arc<Releases>,
    /// Events, links, what ran when.
    pub store: Arc<dyn Store>,
    /// A host runs that would read changes.
    pub runs: bool,
    /// Since when; none: that is not known.
    pub up: Option<Millis>,
    /// How its flows are, where this is that host.
    pub status: BTreeMap<String, FlowStatus>,
    /// What passes is waited out for so long.
    pub patience: Duration,
}

impl Host {
    /// Beside a host that may run or not.
    pub async fn beside(
        config: Arc<Config>,
        connections: Arc<Connections>,
        releases: Arc<Releases>,
        store: Arc<dyn Store>,
        patience: Duration,
    ) -> Result<Self, StoreError> {
        // Of several the one that watches both sides.
        let hosts = store.hosts().await?;
        let (runs, up) = (!hosts.is_empty(), hosts.iter().find_map(|host| host.turn_since));
        Ok(Self { config, connections, releases, store, runs, up, status: BTreeMap::new(), patience })
    }
}

/// How far it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ReconcileProgress)]
pub struct Progress {
    /// The flow under way; empty before the first.
    pub flow: String,
    /// What is compared of it.
    pub comparison: String,
    /// What is done with it.
    pub step: Step,
    /// Rows that were read of this comparison.
    pub rows: u64,
}

/// What is done with a comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = ReconcileStep)]
pub enum Step {
    /// Records of Salesforce are read.
    #[default]
    ReadingSalesforce,
    /// Records of B1 are read.
    #[serde(rename = "reading-b1")]
    ReadingB1,
    /// Both are joined and compared.
    Comparing,
    /// Reasons of differences are looked for.
    Explaining,
}

impl Step {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::ReadingSalesforce => "reading Salesforce",
            Self::ReadingB1 => "reading B1",
            Self::Comparing => "comparing",
            Self::Explaining => "explaining",
        }
    }
}

/// Who hears how far it is.
pub type Told<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// What is compared.
#[derive(Clone, Debug)]
struct Scope {
    /// Each once, one after the other.
    flows: Vec<String>,
    /// None was named.
    of_all: bool,
    /// Only what was changed or dated since then.
    since: Option<Since>,
}

impl Scope {
    /// These flows; none named: all.
    fn of(config: &Config, flows: &[String], since: Option<Since>) -> Self {
        let of_all = flows.is_empty();
        let named: Vec<&String> = if of_all { config.flows.keys().collect() } else { flows.iter().collect() };
        let mut known = HashSet::new();
        let flows = named.into_iter().filter(|name| known.insert(name.as_str())).cloned().collect();
        Self { flows, of_all, since }
    }

    /// A part says nothing of the rest.
    fn is_part(&self) -> bool {
        !self.of_all || self.since.is_some()
    }
}

/// Compares these flows (none: all) and keeps the report. `since`: only what was changed or dated since then.
pub async fn run(
    host: &Host,
    flows: &[String],
    since: Option<Since>,
    told: Told<'_>,
) -> Result<Report, ReconcileError> {
    let scope = Scope::of(&host.config, flows, since);
    let draft = Folder::of(&host.config).begin(now(), scope.is_part()).await?;
    let report = compare(host, &draft, &scope, told).await?;
    keep(host, draft, &report).await?;
    Ok(report)
}

/// Compares one record, by its id in either system, with its other half, in these flows and no others. Nothing of it is kept.
pub async fn one(host: &Host, flows: &[String], record: &str) -> Result<Report, ReconcileError> {
    let (started, gave_up) = (Instant::now(), AtomicBool::new(false));
    let work = FlowWork { host, what: What::One(record), told: &|_| {}, gave_up: &gave_up };
    let mut report = Report { at: now(), tandem: env!("CARGO_PKG_VERSION").into(), ..Report::default() };
    for name in BTreeSet::from_iter(flows) {
        report.flows.push(Box::pin(work.flow(name)).await?);
    }
    report.flows.retain(|flow| flow.failed || !flow.comparisons.is_empty());
    report.took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(report)
}

/// What is said of a record that no flow compares.
pub fn not_compared(record: &str) -> String {
    format!(
        "no flow compares a record {}: it may be misspelt, of a kind that needs nothing on the other side (such as an opportunity that is not won, or an order that comes from none), or another \
         company's; a record is asked for by its Salesforce id, an order by its DocEntry, a customer by its CardCode, an item by its ItemCode",
        one_line(record)
    )
}

/// Reads, joins and explains all of it.
async fn compare(host: &Host, draft: &Draft, scope: &Scope, told: Told<'_>) -> Result<Report, ReconcileError> {
    let started = Instant::now();
    let Scope { flows, of_all, since } = scope;
    let mut report = Report {
        name: draft.name().to_owned(),
        at: draft.at(),
        since: since.as_ref().map(|since| since.day.clone()),
        tandem: env!("CARGO_PKG_VERSION").into(),
        of_all: *of_all,
        ..Report::default()
    };
    let gave_up = AtomicBool::new(false);
    for name in flows {
        let what = What::All(draft, since.as_ref().map(|since| since.at));
        let work = FlowWork { host, what, told, gave_up: &gave_up };
        report.flows.push(Box::pin(work.flow(name)).await?);
    }
    report.took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(report)
}

/// Keeps it, and what people are told by.
async fn keep(host: &Host, draft: Draft, report: &Report) -> Result<(), ReconcileError> {
    draft.finish(report, host.config.reconcile.keep).await?;
    if report.since.is_none() {
        Record::note(host.store.as_ref(), report).await?;
    }
    Ok(())
}

/// The work on one flow.
struct FlowWork<'a> {
    host: &'a Host,
    what: What<'a>,
    told: Told<'a>,
    /// A connection was waited for in vain.
    gave_up: &'a AtomicBool,
}

impl FlowWork<'_> {
    async fn flow(&self, name: &str) -> Result<FlowReport, ReconcileError> {
        let mut report = FlowReport { flow: name.to_owned(), ..FlowReport::default() };
        let connection = |kind: &dyn Fn(&str) -> bool| {
            let own = self.host.config.flows.get(name).into_iter().flat_map(|flow| flow.connections.values());
            own.into_iter().find(|name| kind(name)).cloned().unwrap_or_default()
        };
        report.b1 = connection(&|name| self.host.config.b1.contains_key(name));
        report.salesforce = connection(&|name| self.host.config.salesforce.contains_key(name));
        let flow = match self.bound(name).await {
            Ok(flow) => flow,
            Err(error) => {
                (report.unsaid, report.failed) = (Some(error.to_string()), true);
                return Ok(report);
            }
        };
        let description = &flow.release.plugin.description;
        report.title.clone_from(&description.title);
        report.plugin = format!("{} {}", description.name, description.version);
        // What a flow before it waited for in vain is not waited for again.
        let is_away = flow.bound.slots.values().any(|own| matches!(own.state(), BreakerState::Open(_)));
        let patience =
            if is_away && self.gave_up.load(Ordering::Relaxed) { Duration::ZERO } else { self.host.patience };
        let reading = Reading::new(self.host.releases.runtime(), &flow, patience);
        let plan = match reading.plan().await {
            Ok(Some(plan)) if !plan.is_empty() => plan,
            Ok(Some(_)) => {
                report.unsaid = Some("its plugin says that there is nothing to compare under these settings".into());
                return Ok(report);
            }
            Ok(None) => {
                report.unsaid =
                    Some("its plugin does not say how its records are compared (it is of contract 0.1.0 alone)".into());
                return Ok(report);
            }
            Err(error) => {
                (report.unsaid, report.failed) = (Some(self.why(&flow, &error)), true);
                return Ok(report);
            }
        };
        let before = Arc::new(Kept::of(self.host.store.as_ref(), name).await?);
        let mut kept = Kept::default();
        for own in &plan {
            let stated = self.comparison(&flow, &reading, own, (&before, &mut kept)).await?;
            // Of one record most comparisons say nothing.
            if matches!(self.what, What::All(..)) || stated.is_something() {
                report.comparisons.push(stated);
            }
        }
        // A part of it says nothing of the rest.
        if self.what.is_whole() {
            let kept = if report.missed().is_none() { kept } else { kept.and(&before) };
            if kept != *before {
                kept.keep(self.host.store.as_ref(), name).await?;
            }
        }
        Ok(report)
    }

    /// Why something could not be read: of what passes, which connection is away, and since what.
    fn why(&self, flow: &Flow, error: &ReadError) -> String {
        let away = match error {
            ReadError::Passing(..) => away(flow),
            _ => Vec::new(),
        };
        if away.is_empty() {
            return error.to_string();
        }
        self.gave_up.store(true, Ordering::Relaxed);
        let away = away.iter().map(|own| format!("connection {} cannot be used: {}", own.connection, own.why));
        away.collect::<Vec<_>>().join("; ")
    }

    async fn bound(&self, name: &str) -> Result<Flow, BindError> {
        let Host { config, connections, releases, .. } = self.host;
        let release = releases.live_or_files(name, config).await?;
        Flow::bind(name, release, config, connections, releases).await
    }

    async fn comparison(
        &self,
        flow: &Flow,
        reading: &Reading<'_>,
        own: &Comparable,
        kept: (&Arc<Kept>, &mut Kept),
    ) -> Result<Comparison, ReconcileError> {
        let began = now();
        let (store, what) = (self.host.store.as_ref(), self.what);
        let work = Sides { flow, reading, own, tally: what.tally()?, store, what, began };
        let mut stated = Comparison { name: own.name.clone(), title: own.title.clone(), ..Comparison::default() };
        let progress = |step, rows| {
            let (flow, comparison) = (flow.name.clone(), own.title.clone());
            (self.told)(Progress { flow, comparison, step, rows });
        };
        let read = work.read(&progress).await;
        let (counts, not_again) = match read {
            Ok(read) => read,
            Err(NotRead::Rows(side, error)) => {
                let side = if side == Side::B1 { "B1" } else { "Salesforce" };
                stated.not_whole = Some(format!("not all of {side} could be read: {}", self.why(flow, &error)));
                let counts = work.tally.join(own.needs, By::LinkThenKey).await?;
                (stated.salesforce, stated.b1) = (counts.salesforce, counts.b1);
                return Ok(stated);
            }
            Err(NotRead::Host(error)) => return Err(error),
        };
        let Counts { salesforce, b1, in_step, alone, alone_since, kinds, sums } = counts;
        stated.not_again = not_again;
        stated.left_out = alone_since.into_iter().map(|(why, count)| LeftOut { why, count }).collect();
        (stated.salesforce, stated.b1, stated.in_step, stated.alone) = (salesforce, b1, in_step, alone);
        stated.sums = sums;
        for (kind, count) in kinds {
            match kind {
                report::Kind::Differs => stated.differing += count,
                report::Kind::MissingInB1 => stated.missing_in_b1 += count,
                report::Kind::MissingInSalesforce => stated.missing_in_salesforce += count,
                report::Kind::DoubleInB1 | report::Kind::DoubleInSalesforce => stated.double += count,
            }
        }
        if let What::One(_) = self.what {
            stated.records = work.tally.named(NAMED).await?;
        }
        if let Some(draft) = self.what.draft() {
            draft.sums(&flow.name, &stated).await?;
        }
        progress(Step::Explaining, salesforce + b1);
        self.explain(flow, &work, &mut stated, kept).await?;
        Ok(stated)
    }

    async fn explain(
        &self,
        flow: &Flow,
        work: &Sides<'_>,
        stated: &mut Comparison,
        (before, kept): (&Arc<Kept>, &mut Kept),
    ) -> Result<(), ReconcileError> {
        let (comparison, before) = (stated.name.clone(), before.clone());
        let situation =
            Situation { comparison: comparison.clone(), kept: before, ..self.situation(flow, work.began).await? };
        let mut reasons: BTreeMap<Why, u64> = BTreeMap::new();
        let (mut open, mut explained) = (Vec::new(), Vec::new());
        let mut after = 0;
        loop {
            let page = work.tally.differences(after, EXPLAINED).await?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            let mut told = Vec::with_capacity(page.len());
            for (_, found) in page {
                let reason = situation.explain(work.store, &found).await?;
                *reasons.entry(reason.why).or_default() += 1;
                stated.for_now += u64::from(reason.for_now);
                stated.first_seen += u64::from(reason.why == Why::FirstSeen);
                // What a person decided holds also while something else explains it.
                let left = reason.event.zip(reason.left).or_else(|| situation.kept.left(&comparison, &found));
                if let Some((event, at)) = left {
                    kept.leave(&comparison, &found, event, at);
                }
                if matches!(reason.why, Why::FirstSeen | Why::Unexplained) {
                    let first = situation.kept.seen(&comparison, &found).unwrap_or(work.began);
                    kept.see(&comparison, &found, first);
                }
                told.push(difference(found, reason));
            }
            if let Some(draft) = self.what.draft() {
                draft.differences(&flow.name, &stated.name, &told).await?;
            }
            for own in told {
                let kept = if own.why == Why::Unexplained { &mut open } else { &mut explained };
                if kept.len() < SHOWN {
                    kept.push(own);
                }
            }
        }
        stated.unexplained = reasons.get(&Why::Unexplained).copied().unwrap_or_default();
        stated.reasons = reasons.into_iter().map(|(reason, count)| Reasons { reason, count }).collect();
        stated.reasons.sort_by_key(|own| std::cmp::Reverse(own.count));
        open.extend(explained);
        open.truncate(SHOWN);
        stated.more = stated.all().saturating_sub(open.len() as u64);
        stated.differences = open;
        Ok(())
    }

    async fn situation(&self, flow: &Flow, began: Millis) -> Result<Situation, ReconcileError> {
        let held = match self.host.status.get(&flow.name) {
            Some(FlowStatus::Held(why)) => Some(why.clone()),
            _ => None,
        };
        let away = away(flow);
        Ok(Situation {
            held,
            away,
            host: self.host.runs,
            up: self.host.up,
            began,
            grace: i64::from(self.host.config.reconcile.grace_minutes) * 60_000,
            ..Situation::of(self.host.store.as_ref(), &flow.name).await?
        })
    }
}

/// Connections of a flow that are left alone since they cannot be used, and why.
fn away(flow: &Flow) -> Vec<Away> {
    let open = flow.bound.slots.iter().filter(|(_, own)| matches!(own.state(), BreakerState::Open(_)));
    let told = open.map(|(slot, connection)| {
        let outage = connection.breaker().outage();
        let lasts = outage.as_ref().map(|outage| outage.lasts()).unwrap_or_default();
        let why = outage.map(|outage| outage.why().to_owned());
        Away {
            connection: flow.bound.named.get(slot).cloned().unwrap_or_default(),
            why: why.unwrap_or_else(|| "it is left alone for a while".into()),
            since: now() - Millis::try_from(lasts.as_millis()).unwrap_or_default(),
        }
    });
    told.collect()
}

fn difference(found: Found, reason: explain::Reason) -> Difference {
    let one = found.salesforce.as_ref().or(found.b1.as_ref());
    let label = one.map(|known| known.label.clone()).unwrap_or_default();
    let linked = |own: &Option<tally::Known>, other: &Option<tally::Known>| {
        let known = own.as_ref().map(|known| known.id.clone());
        known.or_else(|| other.as_ref().and_then(|known| known.linked.clone())).unwrap_or_default()
    };
    Difference {
        kind: found.kind,
        label,
        salesforce: linked(&found.salesforce, &found.b1),
        b1: linked(&found.b1, &found.salesforce),
        fields: found.fields,
        why: reason.why,
        reason: reason.words,
        event: reason.event,
    }
}
