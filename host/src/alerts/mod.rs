//! What a person must be told, once, by which channel: conditions of a running host begin and end ([`Ledger`]), what there is to tell waits for each
//! channel by itself ([`Mailbox`]), in the words of its language. All of it is kept in the store, so that a restart tells nothing twice. Nothing else
//! of the host waits for it: what cannot be sent waits here, and is told where people look at the host.

mod channel;
mod condition;
mod ledger;
mod mailbox;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;

use self::channel::Going;
pub use self::channel::{Fault, Sent, Unsent};
pub use self::condition::{Cause, Condition, Day, Detail, Ending, FlowDay, Look, Sign, Signs, Used, What};
use self::ledger::{Ended, Ledger, News, Timing};
use self::mailbox::{Digest, Failing, Mailbox, Parcel, Told};
use self::words::{Message, Writer};
use crate::config::{ChannelConfig, Config};
use crate::ending::guarded;
use crate::sources::timers::FlowTimer;
use crate::store::{Intake, Millis, Patient, Store, Unanswered};
use crate::time::{fresh_trace, iso, now};

/// Where it is kept.
const PLACE: &str = "alerts";
/// What changes without being told is kept so often: what lasts goes on lasting after a restart.
const KEEP: Millis = 30_000;
/// After the store could not be read at the start.
const AGAIN: Duration = Duration::from_secs(2);

/// How the channels are, for whoever looks at the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Channels whose messages do not go out, or not to all, by name.
    pub failing: BTreeMap<String, ChannelTrouble>,
}

impl Status {
    /// By channel, for whoever asks: neither who is told nor what the server says.
    pub fn why(&self) -> BTreeMap<&str, String> {
        self.failing.iter().map(|(name, trouble)| (name.as_str(), trouble.word())).collect()
    }
}

/// A channel whose messages do not go out, or not to all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelTrouble {
    /// Since when.
    pub since: Millis,
    /// Why, the last time: for who is signed in.
    pub why: String,
    /// Of what sort.
    pub fault: Fault,
    /// Others are told.
    pub partly: bool,
}

impl ChannelTrouble {
    fn word(&self) -> String {
        let what = if self.partly { "not everybody is told" } else { "no message goes out" };
        format!("{what} since {}: {}", iso(self.since), self.fault.word())
    }
}

/// All that is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    ledger: Ledger,
    mailboxes: BTreeMap<String, Mailbox>,
    /// Until when the last digest told.
    digested: Option<Millis>,
}

impl Kept {
    /// The same, but for when it was looked at.
    fn is_as(&self, other: &Self) -> bool {
        self.ledger.is_as(&other.ledger) && self.mailboxes == other.mailboxes && self.digested == other.digested
    }
}

/// Sends a message by a channel. One for all in the host; another one in tests.
#[async_trait]
trait Post: Send + Sync + 'static {
    /// `only`: to these alone of those that the channel names.
    async fn send(
        &self,
        channel: &ChannelConfig,
        message: &Message,
        only: Option<&[String]>,
        going: Arc<dyn Going>,
    ) -> Result<Sent, Unsent>;
}

struct Outward(Arc<Config>);

#[async_trait]
impl Post for Outward {
    async fn send(
        &self,
        channel: &ChannelConfig,
        message: &Message,
        only: Option<&[String]>,
        going: Arc<dyn Going>,
    ) -> Result<Sent, Unsent> {
        channel::send(channel, &self.0.base, message, only, going).await
    }
}

/// Goes whenever it is asked.
struct AtOnce;

#[async_trait]
impl Going for AtOnce {
    async fn goes(&self) -> bool {
        true
    }
}

/// See the module's words.
pub struct Alerts {
    config: Arc<Config>,
    store: Arc<Patient>,
    signs: Arc<dyn Signs>,
    post: Arc<dyn Post>,
    status: watch::Sender<Status>,
    timing: Timing,
    digest: Option<FlowTimer>,
    /// By which its messages are known.
    id: String,
    state: Mutex<State>,
}

/// What is kept, and what is known of how.
#[derive(Default)]
struct State {
    kept: Kept,
    /// As it was written last, and when.
    written: Option<(Kept, Millis)>,
    /// It could not be, which is told once.
    unwritten: bool,
    /// The store does not answer.
    hangs: bool,
}

impl Alerts {
    /// Nothing is looked at yet. `status`: where it is told how the channels are.
    pub fn new(
        config: Arc<Config>,
        store: Arc<dyn Store>,
        signs: Arc<dyn Signs>,
        status: watch::Sender<Status>,
    ) -> Self {
        let post = Arc::new(Outward(config.clone()));
        Self::by(post, config, Arc::new(Patient::new(store)), signs, status)
    }

    fn by(
        post: Arc<dyn Post>,
        config: Arc<Config>,
        store: Arc<Patient>,
        signs: Arc<dyn Signs>,
        status: watch::Sender<Status>,
    ) -> Self {
        let rules = &config.alerts.rules;
        let zone = rules.zone();
        // Both were checked when the file was read.
        let digest = rules.digest_cron().and_then(|cron| FlowTimer::parse(PLACE, "digest", &cron, zone.name()).ok());
        Self {
            timing: Timing::of(rules.after_minutes),
            digest,
            config,
            store,
            signs,
            post,
            status,
            id: String::new(),
            state: Mutex::default(),
        }
    }

    /// Looks and tells until `stop` turns true; a message that is being sent by then is sent, and one of which nothing was sent yet waits for the next start.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        if self.config.alerts.channels.is_empty() {
            return;
        }
        let Some(kept) = self.begin(&mut stop).await else { return };
        self.state = Mutex::new(State { kept, ..State::default() });
        let alerts = Arc::new(self);
        let mut channels = JoinSet::new();
        for name in alerts.config.alerts.channels.keys() {
            channels.spawn(guarded("channel of alerts", alerts.clone().tell(name.clone(), stop.clone())));
        }
        while !*stop.borrow() {
            alerts.look().await;
            tokio::select! { () = tokio::time::sleep(alerts.timing.look) => {} _ = stop.changed() => {} }
        }
        while channels.join_next().await.is_some() {}
    }

    /// What was kept; none where it ends before it could be read.
    async fn begin(&mut self, stop: &mut watch::Receiver<bool>) -> Option<Kept> {
        while !*stop.borrow() {
            match self.read().await {
                Ok(kept) => return Some(kept),
                Err(error) => tracing::error!(%error, "what was told cannot be read: nothing is told until it can"),
            }
            tokio::select! { () = tokio::time::sleep(AGAIN) => {} _ = stop.changed() => {} }
        }
        None
    }

    async fn read(&mut self) -> Result<Kept, Unanswered> {
        let asked =
            |store: Arc<dyn Store>| async move { Ok((store.secret("host-id").await?, store.position(PLACE).await?)) };
        let (id, text) = self.store.ask(asked).await?;
        self.id = id.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let kept = text.map_or_else(Kept::default, |text| {
            serde_json::from_str(&text).unwrap_or_else(|error| {
                tracing::warn!(%error, "what was told before cannot be read: it begins anew");
                Kept::default()
            })
        });
        Ok(self.taken_up(kept))
    }

    /// What was kept, for the channels and names that the configuration has now.
    fn taken_up(&self, mut kept: Kept) -> Kept {
        let (channels, at) = (&self.config.alerts.channels, now());
        kept.mailboxes.retain(|name, _| channels.contains_key(name));
        for (name, mailbox) in &mut kept.mailboxes {
            if mailbox.was_sending() {
                tracing::warn!(
                    channel = name,
                    "a message was being sent when the host ended: it is not sent a second time"
                );
            }
        }
        for news in kept.ledger.without_gone(|condition| self.signs.knows(condition), at) {
            tracing::info!(condition = ?news.condition, "it is no more: a person is to be told");
            self.put(&mut kept, &news, at);
        }
        let open = kept.ledger.open_news();
        for (name, channel) in channels {
            if kept.mailboxes.contains_key(name) {
                continue;
            }
            // Who is new hears what others know.
            let mailbox = kept.mailboxes.entry(name.clone()).or_default();
            for news in open.iter().filter(|news| channel.takes(news.condition.what(), &news.flows)) {
                mailbox.put(Told::News(Box::new(news.clone())), at);
            }
        }
        kept
    }

    async fn look(&self) {
        let mut look = self.signs.look().await;
        let at = now();
        let due = self.digest_due(at).await;
        let mut state = self.state.lock().await;
        if state.hangs && !look.signs.iter().any(|sign| sign.condition == Condition::Store) {
            let (condition, flows, detail) = (Condition::Store, Vec::new(), Detail::default());
            look.signs.push(Sign { condition, flows, detail, old: false });
        }
        if state.kept.ledger.is_fresh() {
            // Nobody is told in the morning of what was before there was anybody to tell.
            state.kept.digested.get_or_insert(at);
        }
        for news in state.kept.ledger.take(&look, at, self.timing) {
            tracing::info!(condition = ?news.condition, turn = ?news.turn, times = news.times, "a person is to be told");
            self.put(&mut state.kept, &news, at);
        }
        if let Some(digest) = due {
            let outages = state.kept.ledger.outages();
            self.digest(&mut state.kept, digest, &outages, at);
        }
        self.keep(&mut state, at).await;
        self.show(&state.kept);
    }

    /// What the digest tells, where one is due.
    async fn digest_due(&self, at: Millis) -> Option<(Millis, Millis, Day)> {
        // A clock that was wrong may have left a time that is yet to come.
        let last = self.state.lock().await.kept.digested?.min(at);
        let due = self.digest.as_ref()?.last_until(at).filter(|due| *due > last)?;
        Some((last, due, self.signs.day(last).await?))
    }

    fn digest(&self, kept: &mut Kept, (since, until, day): (Millis, Millis, Day), outages: &[Ended], at: Millis) {
        kept.digested = Some(until);
        for (name, channel) in &self.config.alerts.channels {
            if !channel.takes(What::Digest, &[]) {
                continue;
            }
            let own = |flows: &[String]| channel.takes(What::Digest, flows);
            let mut day = day.clone();
            day.flows.retain(|flow| own(std::slice::from_ref(&flow.flow)));
            day.calls.retain(|used| own(&used.flows));
            let outages = outages.iter().filter(|ended| own(&ended.flows)).cloned().collect();
            let digest = Digest { since, until, day, outages };
            kept.mailboxes.entry(name.clone()).or_default().put(Told::Digest(Box::new(digest)), at);
        }
    }

    fn put(&self, kept: &mut Kept, news: &News, at: Millis) {
        for (name, channel) in &self.config.alerts.channels {
            if channel.takes(news.condition.what(), &news.flows) {
                kept.mailboxes.entry(name.clone()).or_default().put(Told::News(Box::new(news.clone())), at);
            }
        }
    }

    /// Writes what has changed. A store that takes nothing keeps nobody from being told of that.
    async fn keep(&self, state: &mut State, at: Millis) {
        let is_kept = state.written.as_ref().is_some_and(|(written, when)| {
            written.is_as(&state.kept) && (!state.kept.ledger.is_busy() || (0..KEEP).contains(&(at - when)))
        });
        if is_kept {
            return;
        }
        let text = serde_json::to_string(&state.kept).unwrap_or_default();
        let intake = Intake { position: Some((PLACE.into(), text)), ..Intake::default() };
        let written = self.store.ask(|store| async move { store.append(intake).await }).await;
        state.hangs = matches!(written, Err(Unanswered::Hangs));
        match written {
            Ok(_) => (state.written, state.unwritten) = (Some((state.kept.clone(), at)), false),
            Err(error) => {
                // It may be written yet, or not.
                state.written = None;
                if !std::mem::replace(&mut state.unwritten, true) {
                    tracing::error!(%error, "what is told cannot be kept: after a restart it may be told again");
                }
            }
        }
    }

    fn show(&self, kept: &Kept) {
        let failing = kept.mailboxes.iter().filter_map(|(name, mailbox)| {
            let failing = mailbox.failing()?;
            let Failing { since, why, fault, partly } = failing.clone();
            Some((name.clone(), ChannelTrouble { since, why, fault, partly }))
        });
        let status = Status { failing: failing.collect() };
        self.status.send_if_modified(|before| std::mem::replace(before, status.clone()) != status);
        for name in self.config.alerts.channels.keys().filter(|name| !kept.mailboxes.contains_key(*name)) {
            metrics::gauge!("tandem_alerts_waiting", "channel" => name.clone()).set(0.0);
        }
        for (name, mailbox) in &kept.mailboxes {
            metrics::gauge!("tandem_alerts_waiting", "channel" => name.clone()).set(mailbox.waiting() as f64);
        }
        let mut open = BTreeMap::from(What::ALL.map(|what| (what, 0)));
        for condition in kept.ledger.open() {
            *open.entry(condition.what()).or_default() += 1;
        }
        for (what, count) in open.into_iter().filter(|(what, _)| *what != What::Digest) {
            metrics::gauge!("tandem_alerts_open", "what" => what.word()).set(f64::from(count));
        }
    }

    /// Sends what waits for a channel, one message after the other.
    async fn tell(self: Arc<Self>, name: String, mut stop: watch::Receiver<bool>) {
        let Some(channel) = self.config.alerts.channels.get(&name) else { return };
        let writer = writer(&self.config, channel);
        while !*stop.borrow() {
            if let Some(parcel) = self.next(&name, channel).await {
                let id = format!("{}-{name}-{}", self.id, parcel.number);
                let message = writer.message(&parcel, id, |message| channel::fits(channel.kind, message));
                match self.attempt(&name, channel, parcel.only.as_deref(), &message, &mut stop).await {
                    Some(sent) => self.note(&name, sent).await,
                    None => self.take_back(&name).await,
                }
            }
            tokio::select! {
                () = tokio::time::sleep(self.timing.look) => {}
                _ = stop.changed() => {}
            }
        }
    }

    /// Sends a message; none where it ended before anything of it was sent.
    async fn attempt(
        self: &Arc<Self>,
        name: &str,
        channel: &ChannelConfig,
        only: Option<&[String]>,
        message: &Message,
        stop: &mut watch::Receiver<bool>,
    ) -> Option<Result<Sent, Unsent>> {
        let attempt = Arc::new(Attempt { alerts: self.clone(), name: name.to_owned(), stands: AtomicU8::new(WAITS) });
        let held = Held(attempt.clone());
        let mut sending = self.post.send(channel, message, only, attempt);
        tokio::select! {
            sent = &mut sending => return Some(sent),
            _ = stop.wait_for(|stop| *stop) => {}
        }
        if held.0.withdrawn() { None } else { Some(sending.await) }
    }

    /// The next message: nothing of it is sent yet.
    async fn next(&self, name: &str, channel: &ChannelConfig) -> Option<Parcel> {
        let mut state = self.state.lock().await;
        state.kept.mailboxes.get_mut(name)?.next(now(), self.timing.gather, channel.per_hour)
    }

    /// From now on it may arrive: kept so before it is sent.
    async fn begin_to_send(&self, name: &str) {
        let mut state = self.state.lock().await;
        if let Some(mailbox) = state.kept.mailboxes.get_mut(name) {
            mailbox.begin();
        }
        self.keep(&mut state, now()).await;
    }

    async fn take_back(&self, name: &str) {
        let mut state = self.state.lock().await;
        if let Some(mailbox) = state.kept.mailboxes.get_mut(name) {
            mailbox.take_back();
        }
        self.keep(&mut state, now()).await;
    }

    async fn note(&self, name: &str, sent: Result<Sent, Unsent>) {
        let mut state = self.state.lock().await;
        let at = now();
        let Some(mailbox) = state.kept.mailboxes.get_mut(name) else { return };
        let was_failing = mailbox.failing().is_some();
        match sent {
            Ok(Sent { says, missed }) => {
                metrics::counter!("tandem_alerts_sent_total", "channel" => name.to_owned()).increment(1);
                match &missed {
                    Some(_) if !was_failing => {
                        let mend = Fault::Recipient.mend();
                        tracing::warn!(channel = name, says, mend, "a message was sent, and not everybody takes it");
                    }
                    _ => tracing::info!(channel = name, says, "a message was sent"),
                }
                mailbox.sent(at, missed);
            }
            Err(unsent) => {
                metrics::counter!("tandem_alerts_failed_total", "channel" => name.to_owned()).increment(1);
                if !was_failing {
                    let (mend, unsure) = (unsent.fault.mend(), unsent.unsure);
                    tracing::warn!(channel = name, why = %unsent, mend, unsure, "a message cannot be sent: it is tried again");
                }
                if unsent.unsure {
                    mailbox.unsure(at, unsent.fault, unsent.says);
                } else {
                    mailbox.failed(at, unsent.fault, unsent.says);
                }
            }
        }
        self.keep(&mut state, at).await;
        self.show(&state.kept);
    }
}

/// Nothing of a message is sent yet; it is being sent; it is not to be sent any more.
const WAITS: u8 = 0;
const GOES: u8 = 1;
const WITHDRAWN: u8 = 2;

/// A message that is on its way to be sent.
struct Attempt {
    alerts: Arc<Alerts>,
    name: String,
    stands: AtomicU8,
}

impl Attempt {
    fn turns(&self, to: u8) -> bool {
        self.stands.compare_exchange(WAITS, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// It is not sent any more; false: it is being sent.
    fn withdrawn(&self) -> bool {
        self.turns(WITHDRAWN)
    }
}

#[async_trait]
impl Going for Attempt {
    async fn goes(&self) -> bool {
        if !self.turns(GOES) {
            return false;
        }
        self.alerts.begin_to_send(&self.name).await;
        true
    }
}

/// Who ends in the middle of an attempt sends nothing more of it.
struct Held(Arc<Attempt>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.withdrawn();
    }
}

fn writer(config: &Config, channel: &ChannelConfig) -> Writer {
    // Nobody else reaches the address that the host has without it.
    let console = config.console.url.as_ref().map(|url| url.trim_end_matches('/').to_owned());
    let host = whoami::hostname().unwrap_or_else(|_| "host".into());
    Writer::new(channel.language, config.alerts.rules.zone(), console, host)
}

/// Sends a message that says that messages arrive; what the other end said, and who does not take it.
pub async fn test(config: &Config, channel: &ChannelConfig) -> Result<Sent, Unsent> {
    let message = writer(config, channel).test(fresh_trace());
    channel::send(channel, &config.base, &message, None, Arc::new(AtOnce)).await
}

/// The server that a channel's messages go to, as far as that is nobody's secret; none where it cannot be read.
pub fn server(config: &Config, channel: &ChannelConfig) -> Option<String> {
    channel::server(channel, &config.base)
}

/// Whether what a channel needs is there; nothing is sent.
pub fn look(config: &Config, channel: &ChannelConfig) -> Result<(), Unsent> {
    channel::look(channel, &config.base)
}

#[cfg(test)]
mod tests;
