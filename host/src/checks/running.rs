//! How a running host is, for who is to be told: its connections, sources and flows, what waits, what ends, what is nearly used up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::NaiveDate;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;

use crate::alerts::{Cause, Condition, Day, Detail, Ending, FlowDay, Look, Sign, Signs, Used, What};
use crate::backup::{Record, Standing as Backups};
use crate::config::{AlertRules, B1Config, BackupConfig, Config};
use crate::connections::{Call, Connection, Connections, Standing, certificate};
use crate::disk;
use crate::engine::calls::{self, WaitingCall};
use crate::engine::kinds::{self, BareKind};
use crate::engine::{Engine, FlowStatus};
use crate::plain;
use crate::reconcile::Record as Compared;
use crate::sources::timers::FlowTimer;
use crate::store::{Count, EventState, Millis, Patient, Store, Unanswered};
use crate::time::{from_local, iso, now};

const MINUTE: Millis = 60_000;
const HOUR: Millis = 60 * MINUTE;
const DAY: Millis = 24 * HOUR;
/// What ends is told so many days before, and once more.
const ENDS: i64 = 30;
const ENDS_SOON: i64 = 7;
/// Between two looks at what is looked at in files and at servers.
const SELDOM: Duration = Duration::from_secs(6 * 3_600);
/// The same, after it could not be seen.
const SELDOM_AGAIN: Duration = Duration::from_secs(600);
/// Kinds of errors that are told of, the newest.
const MOST_KINDS: usize = 100;
/// Calls that wait to be approved, of which each is told.
const MOST_CALLS: usize = 50;
/// Letters of a reason.
const MOST_WORDS: usize = 300;
/// A backup that is due may take so long, and another one may be under way.
const OVERDUE: Millis = 6 * HOUR;
/// A connection that nothing has called for so long is asked how it is, and again after as much.
const UNCALLED: Duration = Duration::from_secs(60);
/// Bytes of its answer.
const MOST_ANSWER: u64 = 1 << 20;

/// See the module's words.
pub struct Running {
    config: Arc<Config>,
    engine: Arc<Engine>,
    connections: Arc<Connections>,
    store: Patient,
    sources: Vec<(String, watch::Receiver<Standing>)>,
    /// Since when it is looked at.
    begun: Millis,
    asked: std::sync::Mutex<Asked>,
    /// What stands in review or was rejected, as it was read last.
    wrong: Mutex<Wrong>,
    /// Until when certificates hold, and when that was seen.
    certificates: Mutex<BTreeMap<Ending, (Instant, Option<Millis>)>>,
}

/// Connections that flows use, and nothing calls by itself: a company of which no flow takes anything is called when there is something to write, be it
/// in a week. Until it is known how they are they are asked.
struct Asked {
    begun: Instant,
    last: BTreeMap<String, Instant>,
    under_way: JoinSet<()>,
}

impl Asked {
    fn new(begun: Instant) -> Self {
        Self { begun, last: BTreeMap::new(), under_way: JoinSet::new() }
    }

    /// What comes of it is seen at a later look.
    fn ask(&mut self, name: &str, connection: &Arc<Connection>, now: Instant) {
        let last = self.last.get(name).copied().unwrap_or(self.begun);
        if now.duration_since(last) < UNCALLED {
            return;
        }
        self.last.insert(name.to_owned(), now);
        while self.under_way.try_join_next().is_some() {}
        let connection = connection.clone();
        self.under_way.spawn(async move {
            if let Err(error) = connection.send(Call::get("/"), MOST_ANSWER).await {
                tracing::debug!(%error, "a connection that nothing calls was asked how it is");
            }
        });
    }
}

/// See [`Running::wrong`].
#[derive(Default)]
struct Wrong {
    /// By which it is known whether it is still so.
    as_of: Option<(u64, u64)>,
    kinds: Vec<BareKind>,
    /// There are more than were read.
    cut: bool,
    /// Open questions by flow: how many, and when the oldest was taken in.
    open: BTreeMap<String, (u64, Millis)>,
    /// Calls that wait to be approved, the newest first.
    calls: Vec<WaitingCall>,
}

impl Running {
    /// Nothing is looked at yet. `sources`: with the name of their connection before a space.
    pub fn new(
        config: Arc<Config>,
        engine: Arc<Engine>,
        connections: Arc<Connections>,
        store: Arc<dyn Store>,
        sources: Vec<(String, watch::Receiver<Standing>)>,
    ) -> Self {
        Self {
            config,
            engine,
            connections,
            store: Patient::new(store),
            sources,
            begun: now(),
            asked: std::sync::Mutex::new(Asked::new(Instant::now())),
            wrong: Mutex::default(),
            certificates: Mutex::default(),
        }
    }

    fn rules(&self) -> &AlertRules {
        &self.config.alerts.rules
    }

    /// The flows that are bound to a connection.
    fn bound(&self, connection: &str) -> Vec<String> {
        let is_bound = |name: &&String| self.config.flows[*name].connections.values().any(|own| own == connection);
        self.config.flows.keys().filter(is_bound).cloned().collect()
    }

    fn connections(&self, found: &mut Found) {
        for (name, connection) in self.connections.iter() {
            let condition = Condition::Outage { connection: name.clone() };
            let breaker = connection.breaker();
            let cause = match (breaker.needs_person(), breaker.outage()) {
                (Some(_), _) => Some(Cause::SignIn),
                (None, Some(outage)) => Some(cause_of(outage.why())),
                (None, None) if !breaker.has_answered() => {
                    if !self.bound(name).is_empty() {
                        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
                        asked.ask(name, connection, Instant::now());
                    }
                    found.away.insert(name.clone());
                    found.look.unknown.push(condition);
                    continue;
                }
                (None, None) => None,
            };
            if let Some(cause) = cause {
                found.away.insert(name.clone());
                let detail = Detail { cause: Some(cause), ..Detail::default() };
                found.sign(condition, self.bound(name), detail);
            }
            if let Connection::Salesforce(org) = connection.as_ref() {
                let (used, of) = org.usage();
                let calls = Condition::Calls { connection: name.clone() };
                let limit = Condition::DailyLimit { connection: name.clone() };
                let detail = Detail { count: Some(used), of: Some(of), ..Detail::default() };
                if of == 0 {
                    found.look.unknown.extend([calls, limit]);
                } else if org.day_is_over() {
                    found.sign(limit, self.bound(name), detail);
                    // It has come to more than that.
                    found.look.unknown.push(calls);
                } else if used.saturating_mul(100) >= of.saturating_mul(self.rules().budget_percent.into()) {
                    found.sign(calls, self.bound(name), detail);
                }
            }
        }
    }

    fn sources(&self, found: &mut Found) {
        let mut told = BTreeSet::new();
        for (source, standing) in &self.sources {
            let standing = *standing.borrow();
            let own = self
                .connections
                .keys()
                .filter(|name| source.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with(' ')));
            let Some(name) = own.max_by_key(|name| name.len()) else { continue };
            let silent = Condition::Silent { source: source.clone() };
            let used_up = Condition::Deliveries { connection: name.clone() };
            if found.away.contains(name) {
                found.look.unknown.extend([silent, used_up]);
                continue;
            }
            match standing {
                Standing::Up | Standing::Elsewhere => {}
                Standing::Down => found.sign(silent, self.bound(name), Detail::default()),
                Standing::UsedUp if told.insert(name) => found.sign(used_up, self.bound(name), Detail::default()),
                Standing::UsedUp => {}
            }
        }
    }

    fn flows(&self, found: &mut Found) {
        for (flow, status) in self.engine.status() {
            let condition = Condition::Held { flow: flow.clone() };
            match status {
                FlowStatus::Running => {}
                FlowStatus::Starting => found.look.unknown.push(condition),
                FlowStatus::Held(why) => {
                    found.held.insert(flow.clone());
                    let words = plain::one_line(&why).chars().take(MOST_WORDS).collect();
                    found.sign(condition, vec![flow], Detail { words: Some(words), ..Detail::default() });
                }
            }
        }
    }

    async fn waiting(&self, found: &mut Found) -> Result<(), Unanswered> {
        let most = (self.rules().oldest_minutes * MINUTE as f64) as Millis;
        for (flow, at) in self.store.ask(|store| async move { store.oldest().await }).await? {
            let Some(own) = self.config.flows.get(&flow) else { continue };
            let condition = Condition::Oldest { flow: flow.clone() };
            if found.held.contains(&flow) || own.connections.values().any(|name| found.away.contains(name)) {
                found.look.unknown.push(condition);
            } else if now() - at > most {
                found.sign(condition, vec![flow], Detail { at: Some(at), ..Detail::default() });
            }
        }
        Ok(())
    }

    async fn wrong(&self, found: &mut Found) -> Result<(), Unanswered> {
        let mut wrong = self.wrong.lock().await;
        self.read(&mut wrong).await?;
        let rules = self.rules();
        let longest = (rules.review_hours * HOUR as f64) as Millis;
        for (flow, (count, oldest)) in &wrong.open {
            if *count > rules.reviews || now() - oldest > longest {
                let detail = Detail { count: Some(*count), at: Some(*oldest), ..Detail::default() };
                found.sign(Condition::Reviews { flow: flow.clone() }, vec![flow.clone()], detail);
            }
        }
        for (place, call) in wrong.calls.iter().enumerate() {
            let condition = Condition::Approval { flow: call.flow.clone(), call: call.event.0 };
            // Of very many the newest are told; of the others it is known only that they wait.
            if place >= MOST_CALLS {
                found.look.unknown.push(condition);
                continue;
            }
            let words = format!("{} calls {}.", call.who, call.tool);
            let words = Some(plain::one_line(&words).chars().take(MOST_WORDS).collect());
            found.sign(condition, vec![call.flow.clone()], Detail { words, ..Detail::default() });
        }
        if wrong.cut {
            found.look.partial.push(What::Approvals);
        }
        found.errors(&wrong, now());
        Ok(())
    }

    /// Anew where something was asked, answered or rejected since.
    async fn read(&self, wrong: &mut Wrong) -> Result<(), Unanswered> {
        let asked =
            |store: Arc<dyn Store>| async move { Ok((store.counts().await?, store.questions_revision().await?)) };
        let (counts, revision) = self.store.ask(asked).await?;
        let rejected =
            counts.iter().filter(|count| count.state == EventState::Rejected).map(|count| count.events).sum();
        let as_of = (revision, rejected);
        if wrong.as_of == Some(as_of) {
            return Ok(());
        }
        let asked = |store: Arc<dyn Store>| async move {
            Ok((kinds::wrong(store.as_ref(), None).await?, store.oldest_questions().await?))
        };
        let (events, oldest) = self.store.ask(asked).await?;
        let is_known = |flow: &String| self.config.flows.contains_key(flow);
        let mut kinds = kinds::bare_kinds(&events);
        kinds.retain(|kind| is_known(&kind.flow));
        kinds.sort_by_key(|kind| std::cmp::Reverse(kind.example));
        let open = |(flow, at): (String, Millis)| {
            let is_own = |count: &&Count| count.state == EventState::Review && count.flow == flow;
            let events = counts.iter().find(is_own).map(|count| count.events).filter(|events| *events > 0)?;
            is_known(&flow).then_some((flow, (events, at)))
        };
        let open = oldest.into_iter().filter_map(open).collect();
        let calls = events.iter().filter(|event| is_known(&event.flow)).filter_map(calls::waiting).collect();
        *wrong = Wrong { as_of: Some(as_of), kinds, cut: events.len() >= kinds::SCANNED as usize, open, calls };
        Ok(())
    }

    async fn backups(&self, found: &mut Found) -> Result<(), Unanswered> {
        let Some(backup) = &self.config.backup else { return Ok(()) };
        let config = self.config.clone();
        let asked = |store: Arc<dyn Store>| async move {
            Ok((Record::of(store.as_ref()).await?, Backups::of(&config, store.as_ref()).await?))
        };
        let (record, standing) = self.store.ask(asked).await?;
        let failed = record.failed.is_some();
        let at = record.good.map(|good| good.at);
        if let Some(why) = overdue(backup, at, self.begun, now()).or(failed.then(String::new)) {
            // Why it failed says more than that it is late.
            let told = standing.and_then(|standing| standing.wrong).filter(|_| failed).unwrap_or(why);
            let words = Some(plain::one_line(&told).chars().take(MOST_WORDS).collect());
            found.sign(Condition::Backup, Vec::new(), Detail { words, at, ..Detail::default() });
        }
        Ok(())
    }

    /// What ends: certificates as files and servers show them, secrets as `tandem.toml` says it.
    async fn endings(&self, found: &mut Found) {
        let day = |text: &Option<String>| text.as_ref().and_then(|day| self.day_ends(day));
        for (name, org) in &self.config.salesforce {
            let Some(at) = day(&org.secret_until) else { continue };
            found.ending(Ending::Secret(name.clone()), self.bound(name), Some(at));
        }
        if let Some(at) = self.config.console.oidc.as_ref().and_then(|oidc| day(&oidc.secret_until)) {
            found.ending(Ending::SignOnSecret, Vec::new(), Some(at));
        }
        if self.config.host.tls.is_some() {
            let at = self.holds_until(Ending::HostCertificate).await;
            found.ending(Ending::HostCertificate, Vec::new(), at);
        }
        for (name, b1) in &self.config.b1 {
            // What is away shows nothing now.
            if shows_certificate(b1) {
                let of = Ending::Certificate(name.clone());
                let known = self.certificates.lock().await.get(&of).and_then(|(_, at)| *at);
                let at = if found.away.contains(name) { known } else { self.holds_until(of.clone()).await };
                found.ending(of, self.bound(name), at);
            }
        }
    }

    /// The end of a day, where the messages are read.
    fn day_ends(&self, day: &str) -> Option<Millis> {
        let next = day.parse::<NaiveDate>().ok()?.succ_opt()?;
        from_local(self.rules().zone(), &next.to_string(), "00:00:00")
    }

    async fn holds_until(&self, of: Ending) -> Option<Millis> {
        let mut known = self.certificates.lock().await;
        let fresh =
            |(seen, at): &&(Instant, Option<Millis>)| seen.elapsed() < if at.is_some() { SELDOM } else { SELDOM_AGAIN };
        // The host's own is a file at hand, which is renewed at any time.
        if let Some((_, at)) = known.get(&of).filter(fresh).filter(|_| of != Ending::HostCertificate) {
            return *at;
        }
        let at = match &of {
            Ending::HostCertificate => {
                let tls = self.config.host.tls.as_ref()?;
                certificate::file_until(&self.config.resolve(&tls.certificate)).ok()
            }
            Ending::Certificate(name) => {
                let b1 = self.config.b1.get(name)?;
                let url = b1.url.parse().ok()?;
                certificate::shown(&url, &b1.tls, &self.config.base).await.ok().map(|shown| shown.until)
            }
            Ending::Secret(_) | Ending::SignOnSecret => None,
        };
        let at = at.map(|seconds| seconds.saturating_mul(1_000));
        known.insert(of, (Instant::now(), at));
        at
    }

    /// What the last comparison of both sides left without a reason.
    async fn compared(&self, found: &mut Found) -> Result<(), Unanswered> {
        let record = self.store.ask(|store| async move { Compared::of(store.as_ref()).await }).await?;
        for (flow, standing) in record.flows.iter().filter(|(flow, _)| self.config.flows.contains_key(*flow)) {
            if standing.unexplained > 0 {
                let words = Some(format!("Report {}.", standing.report));
                let detail = Detail { count: Some(standing.unexplained), words, ..Detail::default() };
                found.sign(Condition::Differs { flow: flow.clone() }, vec![flow.clone()], detail);
            }
        }
        let timer = self
            .config
            .reconcile
            .cron()
            .and_then(|cron| FlowTimer::parse("", "reconcile", &cron, &self.config.reconcile.time_zone).ok());
        for flow in self.config.flows.keys() {
            let standing = record.flows.get(flow);
            let last = standing.and_then(|own| own.whole);
            let stays = standing.and_then(|own| own.missed.as_ref()).filter(|own| own.stays());
            let since = last.or(record.meant).unwrap_or(self.begun);
            let late = timer.as_ref().and_then(|timer| not_whole_since(timer, since, self.begun, now()));
            let words = match (stays, late) {
                (Some(missed), _) => missed.why.clone(),
                (None, Some(since)) => format!("The last time that all of it was read is before {}.", iso(since)),
                (None, None) => continue,
            };
            let detail = Detail { words: Some(plain::one_line(&words).into_owned()), at: last, ..Detail::default() };
            found.sign(Condition::NotWhole { flow: flow.clone() }, vec![flow.clone()], detail);
        }
        if let Some((_, why)) = &record.failed {
            let words = plain::one_line(why).chars().take(MOST_WORDS).collect();
            found.sign(Condition::NotCompared, Vec::new(), Detail { words: Some(words), ..Detail::default() });
        }
        Ok(())
    }

    async fn room(&self, found: &mut Found) -> Result<(), Unanswered> {
        if self.store.ask(|store| async move { Ok(store.trouble().await) }).await?.is_some() {
            found.sign(Condition::Store, Vec::new(), Detail::default());
        }
        Ok(())
    }

    fn disk(&self, found: &mut Found) {
        let database = self.config.resolve(&self.config.store.path);
        match disk::free(disk::folder_of(&database)).map(|bytes| bytes >> 20) {
            Some(free) if free < self.rules().free_megabytes => {
                found.sign(Condition::Disk, Vec::new(), Detail { count: Some(free), ..Detail::default() });
            }
            Some(_) => {}
            None => found.look.unknown.push(Condition::Disk),
        }
    }
}

/// What a look finds, and what else follows from it.
#[derive(Default)]
struct Found {
    look: Look,
    /// Connections that cannot be used, or were not yet.
    away: BTreeSet<String>,
    /// Flows that are held.
    held: BTreeSet<String>,
    /// The store does not answer.
    hangs: bool,
}

impl Found {
    /// What could not be read is not known; and a store that hangs is trouble by itself.
    fn unread(&mut self, read: Result<(), Unanswered>, blind: &[What]) {
        let Err(error) = read else { return };
        tracing::debug!(%error, ?blind, "how the host is cannot be read");
        self.hangs |= matches!(error, Unanswered::Hangs);
        self.look.blind.extend(blind);
    }

    fn errors(&mut self, wrong: &Wrong, now: Millis) {
        if wrong.cut {
            // What was not read may be there.
            self.look.partial.push(What::Errors);
        }
        for (place, kind) in wrong.kinds.iter().enumerate() {
            let condition = Condition::Error { flow: kind.flow.clone(), kind: kind.id.clone() };
            if place >= MOST_KINDS {
                self.look.unknown.push(condition);
            } else if kind.state == EventState::Review || now - kind.last < DAY {
                let detail = Detail {
                    words: Some(plain::one_line(&kind.bare).chars().take(MOST_WORDS).collect()),
                    count: Some(kind.count),
                    example: Some(kind.example),
                    ..Detail::default()
                };
                let old = wrong.cut || now - kind.first >= DAY;
                self.look.signs.push(Sign { condition, flows: vec![kind.flow.clone()], detail, old });
            }
        }
    }

    fn sign(&mut self, condition: Condition, flows: Vec<String>, detail: Detail) {
        self.look.signs.push(Sign { condition, flows, detail, old: false });
    }

    /// `at`: when it ends; none where nobody knows.
    fn ending(&mut self, of: Ending, flows: Vec<String>, at: Option<Millis>) {
        let [later, soon] = [false, true].map(|soon| Condition::Expiry { of: of.clone(), soon });
        let Some(at) = at else { return self.look.unknown.extend([later, soon]) };
        let days = (at - now()).div_euclid(DAY);
        let detail = Detail { count: Some(days.max(0).unsigned_abs()), at: Some(at), ..Detail::default() };
        if days < ENDS_SOON {
            self.sign(soon, flows, detail);
            // What was told a month before goes on.
            self.look.unknown.push(later);
        } else if days < ENDS {
            self.sign(later, flows, detail);
        }
    }
}

/// What stands behind a proxy shows nothing here.
fn shows_certificate(b1: &B1Config) -> bool {
    b1.proxy.is_none() && b1.url.starts_with("https://")
}

/// In a word that is fit for everybody: the whole of it stands in the console.
fn cause_of(why: &str) -> Cause {
    if why.contains("certificate") {
        Cause::Certificate
    } else if why.contains("the proxy") {
        Cause::Proxy
    } else {
        Cause::Unreached
    }
}

/// That the backup which was due is not there yet: another one may be under way all the time, which is no failure. `at`: of the last one; `begun`: since
/// when there was time to make it.
fn overdue(backup: &BackupConfig, at: Option<Millis>, begun: Millis, now: Millis) -> Option<String> {
    let timer = FlowTimer::parse("", "backup", &backup.cron(), &backup.time_zone).ok()?;
    let due = at.map_or(Some(begun), |at| timer.next_after(at))?;
    let last = at.map_or_else(|| "none was made yet".to_owned(), |at| format!("the last good one is of {}", iso(at)));
    (now - due.max(begun) > OVERDUE).then(|| format!("the backup that was due on {} was not made: {last}", iso(due)))
}

#[async_trait]
impl Signs for Running {
    async fn look(&self) -> Look {
        let mut found = Found::default();
        let read = self.room(&mut found).await;
        found.unread(read, &[]);
        self.disk(&mut found);
        self.connections(&mut found);
        self.sources(&mut found);
        self.flows(&mut found);
        let read = self.waiting(&mut found).await;
        found.unread(read, &[What::Waiting]);
        let read = self.wrong(&mut found).await;
        found.unread(read, &[What::Reviews, What::Approvals, What::Errors]);
        let read = self.backups(&mut found).await;
        found.unread(read, &[What::Backup]);
        let read = self.compared(&mut found).await;
        found.unread(read, &[What::Reconcile]);
        self.endings(&mut found).await;
        if found.hangs && !found.look.signs.iter().any(|sign| sign.condition == Condition::Store) {
            found.sign(Condition::Store, Vec::new(), Detail::default());
        }
        found.look
    }

    fn knows(&self, condition: &Condition) -> bool {
        let config = &self.config;
        let day_is_given = |text: &Option<String>| text.is_some();
        match condition {
            Condition::Store | Condition::Disk | Condition::NotCompared => true,
            Condition::Backup => config.backup.is_some(),
            // Of a company that no flow uses nobody asks how it is.
            Condition::Outage { connection } => {
                config.salesforce.contains_key(connection)
                    || (config.b1.contains_key(connection) && !self.bound(connection).is_empty())
            }
            Condition::Silent { source } => self.sources.iter().any(|(own, _)| own == source),
            Condition::Held { flow }
            | Condition::Oldest { flow }
            | Condition::Error { flow, .. }
            | Condition::Differs { flow }
            | Condition::NotWhole { flow }
            | Condition::Reviews { flow }
            | Condition::Approval { flow, .. } => config.flows.contains_key(flow),
            Condition::Calls { connection } | Condition::DailyLimit { connection } => {
                config.salesforce.contains_key(connection)
            }
            Condition::Deliveries { connection } => {
                config.salesforce.get(connection).is_some_and(|org| !org.topics.is_empty())
            }
            Condition::Expiry { of, .. } => match of {
                Ending::HostCertificate => config.host.tls.is_some(),
                Ending::Certificate(name) => config.b1.get(name).is_some_and(shows_certificate),
                Ending::Secret(name) => config.salesforce.get(name).is_some_and(|org| day_is_given(&org.secret_until)),
                Ending::SignOnSecret => {
                    config.console.oidc.as_ref().is_some_and(|oidc| day_is_given(&oidc.secret_until))
                }
            },
        }
    }

    async fn day(&self, since: Millis) -> Option<Day> {
        let rates = self.store.ask(move |store| async move { store.rates(since / MINUTE).await }).await.ok()?;
        let mut wrong = self.wrong.lock().await;
        self.read(&mut wrong).await.ok()?;
        let flows = self.config.flows.keys().map(|flow| {
            let ended = |state| {
                let own = rates.iter().filter(|rate| rate.flow == *flow && rate.state == state);
                own.map(|rate| rate.events).sum()
            };
            let lately = wrong.kinds.iter().filter(|kind| kind.flow == *flow && kind.last >= since);
            let mut errors: Vec<_> = lately.map(|kind| (kind.bare.clone(), kind.count, kind.example)).collect();
            errors.sort_by_key(|(_, count, _)| std::cmp::Reverse(*count));
            let (open, oldest) = wrong.open.get(flow).copied().unzip();
            FlowDay {
                flow: flow.clone(),
                done: ended(EventState::Done),
                asked: ended(EventState::Review),
                rejected: ended(EventState::Rejected),
                open: open.unwrap_or_default(),
                oldest,
                errors,
            }
        });
        let calls = self.connections.iter().filter_map(|(name, connection)| {
            let Connection::Salesforce(org) = connection.as_ref() else { return None };
            let (used, of) = org.usage();
            (of > 0).then(|| Used { connection: name.clone(), flows: self.bound(name), used, of })
        });
        Some(Day { flows: flows.collect(), calls: calls.collect() })
    }
}

/// Two comparisons that were due have not read all of it. `last`: when one did; `begun`: since when there was time for it.
fn not_whole_since(timer: &FlowTimer, last: Millis, begun: Millis, now: Millis) -> Option<Millis> {
    let missed = timer.next_after(last)?;
    let second = timer.next_after(missed)?;
    (now - second.max(begun) > OVERDUE).then_some(missed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_is_told_a_month_and_a_week_before() {
        let of = |days: i64| {
            let mut found = Found::default();
            found.ending(Ending::HostCertificate, Vec::new(), Some(now() + days * DAY + HOUR));
            let soon = |condition: &Condition| matches!(condition, Condition::Expiry { soon: true, .. });
            let signs: Vec<(bool, u64)> =
                found.look.signs.iter().map(|sign| (soon(&sign.condition), sign.detail.count.unwrap())).collect();
            (signs, found.look.unknown.len())
        };
        assert_eq!(of(40), (vec![], 0));
        assert_eq!(of(29), (vec![(false, 29)], 0));
        assert_eq!(of(6), (vec![(true, 6)], 1));
        assert_eq!(of(-3), (vec![(true, 0)], 1), "it has ended");
        let mut found = Found::default();
        found.ending(Ending::HostCertificate, Vec::new(), None);
        assert_eq!((found.look.signs.len(), found.look.unknown.len()), (0, 2), "nobody knows");
    }

    #[tokio::test]
    async fn what_nothing_calls_is_asked_once_a_minute_until_it_is_known_that_it_is_away() {
        let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("password"), "geheim").unwrap();
        let text = format!(
            "[b1.erp]\nurl = \"http://{gone}/b1s/v2\"\ncompany = \"X\"\nuser = \"manager\"\npassword = {{ file = \"password\" }}\n"
        );
        let config = Config::parse(&text, &folder.path().join("tandem.toml")).unwrap();
        let connections = crate::connections::connect(&config).unwrap();
        let connection = &connections["erp"];
        let begun = Instant::now();
        let mut asked = Asked::new(begun);
        asked.ask("erp", connection, begun + UNCALLED / 2);
        assert!(asked.under_way.is_empty(), "what calls it by itself has its time");
        let mut minutes = 0;
        while connection.breaker().outage().is_none() {
            minutes += 1;
            assert!(minutes < 20, "it is known some time");
            for _ in 0..3 {
                asked.ask("erp", connection, begun + UNCALLED * minutes);
            }
            assert_eq!(asked.under_way.len(), 1, "once a minute");
            asked.under_way.join_next().await.unwrap().unwrap();
        }
    }

    #[test]
    fn a_backup_is_overdue_though_no_try_fails() {
        let backup = BackupConfig { folder: "b".into(), at: "01:30".into(), time_zone: "UTC".into(), keep: 2 };
        let night = 1_767_231_000_000; // 2026-01-01T01:30Z
        let late = |at: Option<Millis>, begun: Millis, now: Millis| overdue(&backup, at, begun, now).is_some();
        let next = night + DAY;
        assert!(!late(Some(night), night, next + OVERDUE - 1));
        assert!(late(Some(night), night, next + OVERDUE + 1));
        assert!(!late(Some(night), next + DAY, next + DAY + HOUR), "the host was off: it is made up for");
        assert!(!late(None, night, night + HOUR) && late(None, night, night + OVERDUE + 1));
    }

    #[test]
    fn a_flow_that_was_not_compared_whole_for_two_nights_is_told() {
        let timer = FlowTimer::parse("", "reconcile", "30 3 * * *", "UTC").unwrap();
        let night = 1_767_238_200_000; // 2026-01-01T03:30Z
        let late = |begun: Millis, now: Millis| not_whole_since(&timer, night, begun, now).is_some();
        assert!(!late(night, night + DAY + OVERDUE + 1), "one that is missed is tried again");
        assert!(!late(night, night + 2 * DAY + OVERDUE - 1) && late(night, night + 2 * DAY + OVERDUE + 1));
        assert!(!late(night + 9 * DAY, night + 9 * DAY + HOUR), "the host was off: it is made up for");
    }

    #[test]
    fn where_not_all_errors_were_read_nothing_is_known_of_the_rest() {
        let kind = |id: &str| BareKind {
            id: id.into(),
            flow: "orders".into(),
            bare: "no price".into(),
            count: 1,
            first: 0,
            last: 0,
            example: 1,
            state: EventState::Review,
        };
        let of = |cut: bool| {
            let mut found = Found::default();
            found.errors(&Wrong { kinds: vec![kind("a")], cut, ..Wrong::default() }, HOUR);
            let error = |kind: &str| Condition::Error { flow: "orders".into(), kind: kind.into() };
            [error("a"), error("b")].map(|condition| found.look.is_unknown(&condition))
        };
        assert_eq!((of(false), of(true)), ([false, false], [false, true]));
    }

    #[test]
    fn why_a_system_is_away_is_a_word_and_nothing_of_its_address() {
        assert_eq!(cause_of("invalid peer certificate: UnknownIssuer"), Cause::Certificate);
        assert_eq!(cause_of("the proxy http://proxy:3128 is not reached"), Cause::Proxy);
        assert_eq!(cause_of("client error (Connect): tcp connect error"), Cause::Unreached);
    }
}
