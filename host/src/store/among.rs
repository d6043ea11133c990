//! Several hosts on one store: who they are, who does what is done once, and until when one of them may send.
//!
//! A host says again and again that it lives. One that has not said so for [`GONE`], as the others see it, is taken for dead: what it held goes to
//! others, and whatever it writes later is refused. It may be alive for all that, frozen or cut off: so it sends nothing once its own last word is
//! older than [`FRESH`], by the clock of its machine that runs, and by the one that shows the time.

use std::num::NonZeroU32;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use serde::Serialize;
use tokio::sync::{broadcast, watch};

use super::{AGENT, Millis, Result};

/// After its last word a host may send for so long.
pub const FRESH: Duration = Duration::from_secs(4);
/// A host that is not heard of for so long is taken for dead.
pub const GONE: Duration = Duration::from_secs(6);

/// Between two looks at both clocks while something is on its way.
const LOOK: Duration = Duration::from_millis(100);

/// A host, as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HostSeen {
    /// Of this start of it.
    pub id: String,
    /// The machine that it runs on.
    pub machine: String,
    /// Tandem's version.
    pub version: String,
    /// When it came.
    pub since: Millis,
    /// When it last said that it lives.
    pub seen: Millis,
    /// Since when it does what one host does for all: streams, looks, timers, reports, alerts; none where another one does.
    pub turn_since: Option<Millis>,
    /// Runs that are under way there.
    pub runs: u64,
}

/// Whose runs: each kind is taken up by who runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Flows'.
    Flows,
    /// Agents' of one's own.
    Agents,
}

impl Whose {
    /// Which rows of `runs` are theirs.
    pub(super) fn condition(self) -> String {
        let not = if self == Self::Flows { "NOT " } else { "" };
        format!("flow {not}LIKE '{AGENT}%'")
    }
}

/// What a host knows of its place among others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Among {
    /// Hosts that live, with this one.
    pub hosts: u32,
    /// It has asked whose turn it is.
    pub asked: bool,
    /// It is this one that does what one host does for all.
    pub turn: bool,
    /// Grows while there are open runs of hosts that are gone.
    pub left: u64,
}

impl Among {
    /// The only one there can be.
    pub const ALONE: Self = Self { hosts: 1, asked: true, turn: true, left: 0 };
}

/// Never told anew: for stores that one host has at a time.
static ALONE: LazyLock<watch::Sender<Among>> = LazyLock::new(|| watch::Sender::new(Among::ALONE));

/// See [`Among::ALONE`].
pub(super) fn alone() -> watch::Receiver<Among> {
    ALONE.subscribe()
}

/// Flows of which another host says that there is something to do.
pub type Heard = broadcast::Receiver<Vec<String>>;

/// What several hosts on one store owe each other.
#[async_trait]
pub trait Shared: Send + Sync + 'static {
    /// Hosts that run on it, the first who came first.
    async fn hosts(&self) -> Result<Vec<HostSeen>>;
    /// Whether one does, this one or another.
    async fn has_host(&self) -> Result<bool> {
        Ok(!self.hosts().await?.is_empty())
    }
    /// What this host knows of its place.
    fn among(&self) -> watch::Receiver<Among>;
    /// Until when it may send.
    fn fence(&self) -> Fence;
    /// From now on it does what one host does for all, once nobody else does.
    fn take_turns(&self);
    /// There is something to do for these flows.
    fn tell(&self, flows: &[String]);
    /// The others say so; none where there can be no others.
    fn heard(&self) -> Option<Heard>;
    /// It goes, and writes nothing any more.
    async fn leave(&self);
}

/// This host was taken for dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this host did not say for {} s that it lives, and others go on with its work", GONE.as_secs())]
pub struct Lost;

/// Says whether this host may send.
#[derive(Clone, Default)]
pub struct Fence(Option<watch::Receiver<Word>>);

/// What a host's connections go by.
#[derive(Clone)]
pub struct Seat {
    /// Whether it may send.
    pub fence: Fence,
    among: watch::Receiver<Among>,
}

impl Seat {
    /// Of this host.
    pub fn at(store: &dyn Shared) -> Self {
        Self { fence: store.fence(), among: store.among() }
    }

    /// Hosts that share what one was allowed.
    pub fn hosts(&self) -> NonZeroU32 {
        NonZeroU32::new(self.among.borrow().hosts).unwrap_or(NonZeroU32::MIN)
    }
}

/// The last word.
#[derive(Clone, Copy, Debug)]
struct Word {
    said: Instant,
    said_at: SystemTime,
    lost: bool,
}

/// Who keeps a host's place: it says when its word was heard.
pub struct Holder(watch::Sender<Word>);

impl Holder {
    /// Heard at `said`, or later.
    pub fn new(said: (Instant, SystemTime)) -> Self {
        Self(watch::Sender::new(Word { said: said.0, said_at: said.1, lost: false }))
    }

    /// Of this host.
    pub fn fence(&self) -> Fence {
        Fence(Some(self.0.subscribe()))
    }

    /// It was heard at `said`, or later.
    pub fn heard(&self, said: (Instant, SystemTime)) {
        self.0.send_modify(|word| (word.said, word.said_at) = said);
    }

    /// It is no more among the hosts.
    pub fn lose(&self) {
        self.0.send_modify(|word| word.lost = true);
    }

    /// See [`Holder::lose`].
    pub fn is_lost(&self) -> bool {
        self.0.borrow().lost
    }
}

impl Word {
    /// So long it may send. A machine that slept shows it by one of its clocks.
    fn left(&self) -> Duration {
        let by_time = self.said_at.elapsed().unwrap_or_default();
        FRESH.saturating_sub(self.said.elapsed().max(by_time))
    }
}

impl Fence {
    /// Waits until this host may send; an error where it never may again.
    pub async fn pass(&self) -> std::result::Result<(), Lost> {
        let Some(mut told) = self.0.clone() else { return Ok(()) };
        loop {
            let word = *told.borrow_and_update();
            if word.lost {
                return Err(Lost);
            }
            if !word.left().is_zero() {
                return Ok(());
            }
            told.changed().await.map_err(|_| Lost)?;
        }
    }

    /// It never may again.
    pub fn is_lost(&self) -> bool {
        self.0.as_ref().is_some_and(|told| told.borrow().lost)
    }

    /// Waits until it may not send any more.
    pub async fn closes(&self) {
        let Some(mut told) = self.0.clone() else { return std::future::pending().await };
        loop {
            let word = *told.borrow_and_update();
            let left = word.left();
            if word.lost || left.is_zero() {
                return;
            }
            tokio::select! {
                // A machine that sleeps stops this clock, too: when it wakes it is looked at once what the other one says.
                () = tokio::time::sleep(left.min(LOOK)) => {}
                changed = told.changed() => if changed.is_err() { return },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ago(seconds: u64) -> (Instant, SystemTime) {
        let time = Duration::from_secs(seconds);
        (Instant::now() - time, SystemTime::now() - time)
    }

    async fn passes(fence: &Fence) -> Option<std::result::Result<(), Lost>> {
        tokio::time::timeout(Duration::from_millis(50), fence.pass()).await.ok()
    }

    #[tokio::test]
    async fn a_host_sends_while_its_word_is_fresh_and_waits_for_the_next() {
        let holder = Holder::new(ago(1));
        let fence = holder.fence();
        assert_eq!(passes(&fence).await, Some(Ok(())));
        holder.heard(ago(FRESH.as_secs() + 1));
        assert_eq!(passes(&fence).await, None, "it waits");
        fence.closes().await;
        let waits = tokio::spawn({
            let fence = fence.clone();
            async move { fence.pass().await }
        });
        holder.heard(ago(0));
        assert_eq!(waits.await.unwrap(), Ok(()));
        holder.lose();
        assert_eq!(passes(&fence).await, Some(Err(Lost)));
        fence.closes().await;
    }

    #[tokio::test]
    async fn a_machine_that_slept_shows_it_by_either_clock() {
        let (fresh, old) = (ago(0), ago(FRESH.as_secs() + 1));
        for said in [(fresh.0, old.1), (old.0, fresh.1)] {
            assert_eq!(passes(&Holder::new(said).fence()).await, None);
        }
        // A clock that was set back says nothing.
        let ahead = SystemTime::now() + Duration::from_secs(3_600);
        let holder = Holder::new((fresh.0, ahead));
        assert_eq!(passes(&holder.fence()).await, Some(Ok(())));
    }

    #[tokio::test]
    async fn where_there_can_be_only_one_host_nothing_is_held_up() {
        assert_eq!(passes(&Fence::default()).await, Some(Ok(())));
        assert!(tokio::time::timeout(Duration::from_millis(50), Fence::default().closes()).await.is_err());
    }
}
