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
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;

pub use self::channel::{Fault, Unsent};
pub use self::condition::{Cause, Condition, Day, Detail, Ending, FlowDay, Look, Sign, Signs, Used, What};
use self::ledger::{Ended, Ledger, News, Timing};
use self::mailbox::{Digest, Mailbox, Parcel, Told};
use self::words::{Message, Writer};
use crate::config::{ChannelConfig, Config};
use crate::ending::guarded;
use crate::sources::timers::FlowTimer;
use crate::store::{Intake, Millis, Store, StoreError};
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
    /// Channels whose messages do not go out, by name.
    pub failing: BTreeMap<String, ChannelTrouble>,
}

impl Status {
    /// In words, by channel.
    pub fn why(&self) -> BTreeMap<&str, String> {
        let words =
            |trouble: &ChannelTrouble| format!("no message goes out since {}: {}", iso(trouble.since), trouble.why);
        self.failing.iter().map(|(name, trouble)| (name.as_str(), words(trouble))).collect()
    }
}

/// A channel whose messages do not go out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelTrouble {
    /// Since when.
    pub since: Millis,
    /// Why, the last time.
    pub why: String,
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
    async fn send(&self, channel: &ChannelConfig, message: &Message) -> Result<String, Unsent>;
}

struct Outward(Arc<Config>);

#[async_trait]
impl Post for Outward {
    async fn send(&self, channel: &ChannelConfig, message: &Message) -> Result<String, Unsent> {
        channel::send(channel, &self.0.base, message).await
    }
}

/// See the module's words.
pub struct Alerts {
    config: Arc<Config>,
    store: Arc<dyn Store>,
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
        Self::by(post, config, store, signs, status)
    }

    fn by(
        post: Arc<dyn Post>,
        config: Arc<Config>,
        store: Arc<dyn Store>,
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

    /// Looks and tells until `stop` turns true; a message that is being sent by then is sent.
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

    async fn read(&mut self) -> Result<Kept, StoreError> {
        let id = self.store.secret("host-id").await?;
        self.id = id.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let Some(text) = self.store.position(PLACE).await? else { return Ok(Kept::default()) };
        let mut kept: Kept = serde_json::from_str(&text).unwrap_or_else(|error| {
            tracing::warn!(%error, "what was told before cannot be read: it begins anew");
            Kept::default()
        });
        let channels = &self.config.alerts.channels;
        kept.mailboxes.retain(|name, _| channels.contains_key(name));
        for (name, mailbox) in &mut kept.mailboxes {
            if mailbox.was_sending() {
                tracing::warn!(
                    channel = name,
                    "a message was being sent when the host ended: it is not sent a second time"
                );
            }
        }
        Ok(kept)
    }

    async fn look(&self) {
        let look = self.signs.look().await;
        let at = now();
        let due = self.digest_due(at).await;
        let mut state = self.state.lock().await;
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
        match self.store.append(intake).await {
            Ok(_) => (state.written, state.unwritten) = (Some((state.kept.clone(), at)), false),
            Err(error) if !state.unwritten => {
                state.unwritten = true;
                tracing::error!(%error, "what is told cannot be kept: after a restart it may be told again");
            }
            Err(_) => {}
        }
    }

    fn show(&self, kept: &Kept) {
        let failing = kept.mailboxes.iter().filter_map(|(name, mailbox)| {
            let failing = mailbox.failing()?;
            Some((name.clone(), ChannelTrouble { since: failing.since, why: failing.why.clone() }))
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
                let message = writer.message(&parcel, format!("{}-{name}-{}", self.id, parcel.number));
                let sent = self.post.send(channel, &message).await;
                self.note(&name, sent).await;
            }
            tokio::select! {
                () = tokio::time::sleep(self.timing.look) => {}
                _ = stop.changed() => {}
            }
        }
    }

    /// The next message, which is kept as one that is on its way before it is.
    async fn next(&self, name: &str, channel: &ChannelConfig) -> Option<Parcel> {
        let mut state = self.state.lock().await;
        let at = now();
        let parcel = state.kept.mailboxes.get_mut(name)?.next(at, self.timing.gather, channel.per_hour)?;
        self.keep(&mut state, at).await;
        Some(parcel)
    }

    async fn note(&self, name: &str, sent: Result<String, Unsent>) {
        let mut state = self.state.lock().await;
        let at = now();
        let Some(mailbox) = state.kept.mailboxes.get_mut(name) else { return };
        match sent {
            Ok(said) => {
                metrics::counter!("tandem_alerts_sent_total", "channel" => name.to_owned()).increment(1);
                tracing::info!(channel = name, said, "a message was sent");
                mailbox.sent(at);
            }
            Err(unsent) => {
                metrics::counter!("tandem_alerts_failed_total", "channel" => name.to_owned()).increment(1);
                if mailbox.failing().is_none() {
                    let mend = unsent.fault.mend();
                    tracing::warn!(channel = name, why = %unsent, mend, "a message cannot be sent: it is tried again");
                }
                mailbox.failed(at, unsent.says);
            }
        }
        self.keep(&mut state, at).await;
        self.show(&state.kept);
    }
}

fn writer(config: &Config, channel: &ChannelConfig) -> Writer {
    // Nobody else reaches the address that the host has without it.
    let console = config.console.url.as_ref().map(|url| url.trim_end_matches('/').to_owned());
    let host = whoami::hostname().unwrap_or_else(|_| "host".into());
    Writer::new(channel.language, config.alerts.rules.zone(), console, host)
}

/// Sends a message that says that messages arrive; what the other end said.
pub async fn test(config: &Config, channel: &ChannelConfig) -> Result<String, Unsent> {
    let message = writer(config, channel).test(fresh_trace());
    channel::send(channel, &config.base, &message).await
}

/// Whether what a channel needs is there; nothing is sent.
pub fn look(config: &Config, channel: &ChannelConfig) -> Result<(), Unsent> {
    channel::look(channel, &config.base)
}

#[cfg(test)]
mod tests;
