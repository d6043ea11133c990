//! How a running host is, for who is to be told: its connections, sources and flows, what waits, what ends, what is nearly used up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::NaiveDate;
use tokio::sync::{Mutex, watch};

use crate::alerts::{Cause, Condition, Day, Detail, Ending, FlowDay, Look, Sign, Signs, Used, What};
use crate::config::{AlertRules, Config};
use crate::connections::{Connection, Connections, Standing, certificate};
use crate::disk;
use crate::engine::kinds::{self, Kind};
use crate::engine::{Engine, FlowStatus};
use crate::plain;
use crate::reconcile::Record;
use crate::store::{Event, EventState, Millis, Store, StoreError};
use crate::time::{from_local, now};

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
/// Letters of a reason.
const MOST_WORDS: usize = 300;

/// See the module's words.
pub struct Running {
    config: Arc<Config>,
    engine: Arc<Engine>,
    connections: Arc<Connections>,
    store: Arc<dyn Store>,
    sources: Vec<(String, watch::Receiver<Standing>)>,
    /// What stands in review or was rejected, as it was read last.
    wrong: Mutex<Wrong>,
    /// Until when certificates hold, and when that was seen.
    certificates: Mutex<BTreeMap<Ending, (Instant, Option<Millis>)>>,
}

/// See [`Running::wrong`].
#[derive(Default)]
struct Wrong {
    /// By which it is known whether it is still so.
    as_of: Option<(u64, u64)>,
    kinds: Vec<Kind>,
    /// Open questions by flow: how many, and when the oldest was taken in.
    open: BTreeMap<String, (u64, Millis)>,
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
        Self { config, engine, connections, store, sources, wrong: Mutex::default(), certificates: Mutex::default() }
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
                Standing::Up => {}
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

    async fn waiting(&self, found: &mut Found) -> Result<(), StoreError> {
        let most = (self.rules().oldest_minutes * MINUTE as f64) as Millis;
        for (flow, at) in self.store.oldest().await? {
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

    async fn wrong(&self, found: &mut Found) -> Result<(), StoreError> {
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
        for (place, kind) in wrong.kinds.iter().enumerate() {
            let condition = Condition::Error { flow: kind.flow.clone(), kind: kind.id.clone() };
            if place >= MOST_KINDS {
                found.look.unknown.push(condition);
            } else if kind.state == EventState::Review || now() - kind.last < DAY {
                let detail = Detail {
                    words: Some(plain::one_line(&kind.bare).chars().take(MOST_WORDS).collect()),
                    count: Some(kind.count),
                    example: Some(kind.example),
                    ..Detail::default()
                };
                let old = now() - kind.first >= DAY;
                found.look.signs.push(Sign { condition, flows: vec![kind.flow.clone()], detail, old });
            }
        }
        Ok(())
    }

    /// Anew where something was asked, answered or rejected since.
    async fn read(&self, wrong: &mut Wrong) -> Result<(), StoreError> {
        let counts = self.store.counts().await?;
        let rejected =
            counts.iter().filter(|count| count.state == EventState::Rejected).map(|count| count.events).sum();
        let as_of = (self.store.questions_revision().await?, rejected);
        if wrong.as_of == Some(as_of) {
            return Ok(());
        }
        let events = kinds::wrong(self.store.as_ref(), None).await?;
        let mut kinds = kinds::grouped(&events);
        kinds.retain(|kind| self.config.flows.contains_key(&kind.flow));
        kinds.sort_by_key(|kind| std::cmp::Reverse(kind.example));
        let mut open: BTreeMap<String, (u64, Millis)> = BTreeMap::new();
        for count in counts.iter().filter(|count| count.state == EventState::Review && count.events > 0) {
            if let (Some(at), true) = (oldest_of(&events, &count.flow), self.config.flows.contains_key(&count.flow)) {
                open.insert(count.flow.clone(), (count.events, at));
            }
        }
        *wrong = Wrong { as_of: Some(as_of), kinds, open };
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
            // What stands behind a proxy shows nothing here; what is away shows nothing now.
            if b1.proxy.is_none() && b1.url.starts_with("https://") {
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
    async fn compared(&self, found: &mut Found) -> Result<(), StoreError> {
        let record = Record::of(self.store.as_ref()).await?;
        for (flow, standing) in record.flows.iter().filter(|(flow, _)| self.config.flows.contains_key(*flow)) {
            if standing.unexplained > 0 {
                let words = Some(format!("Report {}.", standing.report));
                let detail = Detail { count: Some(standing.unexplained), words, ..Detail::default() };
                found.sign(Condition::Differs { flow: flow.clone() }, vec![flow.clone()], detail);
            }
        }
        if let Some((_, why)) = &record.failed {
            let words = plain::one_line(why).chars().take(MOST_WORDS).collect();
            found.sign(Condition::NotCompared, Vec::new(), Detail { words: Some(words), ..Detail::default() });
        }
        Ok(())
    }

    async fn room(&self, found: &mut Found) {
        if self.store.trouble().await.is_some() {
            found.sign(Condition::Store, Vec::new(), Detail::default());
        }
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
}

impl Found {
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

/// When the oldest question of a flow was taken in; events come newest first.
fn oldest_of(events: &[Event], flow: &str) -> Option<Millis> {
    let own = events.iter().filter(|event| event.state == EventState::Review && event.flow == flow);
    own.map(|event| event.created_at).min()
}

#[async_trait]
impl Signs for Running {
    async fn look(&self) -> Look {
        let mut found = Found::default();
        self.room(&mut found).await;
        self.connections(&mut found);
        self.sources(&mut found);
        self.flows(&mut found);
        if let Err(error) = self.waiting(&mut found).await {
            tracing::debug!(%error, "what waits cannot be read");
            found.look.blind.push(What::Waiting);
        }
        if let Err(error) = self.wrong(&mut found).await {
            tracing::debug!(%error, "questions cannot be read");
            found.look.blind.extend([What::Reviews, What::Errors]);
        }
        if let Err(error) = self.compared(&mut found).await {
            tracing::debug!(%error, "what the last comparison found cannot be read");
            found.look.blind.push(What::Reconcile);
        }
        self.endings(&mut found).await;
        found.look
    }

    async fn day(&self, since: Millis) -> Option<Day> {
        let rates = self.store.rates(since / MINUTE).await.ok()?;
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

    #[test]
    fn why_a_system_is_away_is_a_word_and_nothing_of_its_address() {
        assert_eq!(cause_of("invalid peer certificate: UnknownIssuer"), Cause::Certificate);
        assert_eq!(cause_of("the proxy http://proxy:3128 is not reached"), Cause::Proxy);
        assert_eq!(cause_of("client error (Connect): tcp connect error"), Cause::Unreached);
    }
}
