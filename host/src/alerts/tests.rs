//! The room as a whole, over a store and with channels that say what they were given.

use std::sync::Mutex as Held;
use std::time::Instant;

use super::*;
use crate::store::sqlite::{Access, SqliteStore};

/// A host whose connection is there or not, or was not called yet.
#[derive(Default)]
struct Watched(Held<Look>);

impl Watched {
    fn is(&self, away: Option<bool>) {
        let condition = Condition::Outage { connection: "erp".into() };
        let sign = Sign {
            condition: condition.clone(),
            flows: vec!["orders".into()],
            detail: Detail { cause: Some(Cause::Unreached), ..Detail::default() },
            old: false,
        };
        *self.0.lock().unwrap() = match away {
            Some(true) => Look { signs: vec![sign], ..Look::default() },
            Some(false) => Look::default(),
            None => Look { unknown: vec![condition], ..Look::default() },
        };
    }
}

#[async_trait]
impl Signs for Watched {
    async fn look(&self) -> Look {
        self.0.lock().unwrap().clone()
    }

    async fn day(&self, _: Millis) -> Option<Day> {
        Some(Day::default())
    }
}

/// Channels; those in `down` refuse.
#[derive(Default)]
struct Posts {
    sent: Held<Vec<(String, String)>>,
    down: Held<Vec<String>>,
    /// A message that is begun does not end.
    stuck: Held<bool>,
}

#[async_trait]
impl Post for Posts {
    async fn send(&self, channel: &ChannelConfig, message: &Message) -> Result<String, Unsent> {
        let name = channel.from.clone().unwrap_or_default();
        if self.down.lock().unwrap().contains(&name) {
            return Err(Unsent { fault: Fault::NotReached, says: "down".into() });
        }
        self.sent.lock().unwrap().push((name, message.subject.clone()));
        if *self.stuck.lock().unwrap() {
            std::future::pending::<()>().await;
        }
        Ok("ok".into())
    }
}

struct Room {
    folder: tempfile::TempDir,
    watched: Arc<Watched>,
    posts: Arc<Posts>,
}

/// A run of the room.
struct Ran {
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
    status: watch::Receiver<Status>,
}

impl Room {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), watched: Arc::default(), posts: Arc::default() }
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(&self.folder.path().join("tandem.db"), Access::Maker).unwrap())
    }

    fn start(&self) -> Ran {
        let channel = |name: &str| {
            format!(
                "[alerts.{name}]\nkind = \"smtp\"\nserver = \"127.0.0.1:9\"\nfrom = \"{name}@example.com\"\nto = [\"x@example.com\"]\n"
            )
        };
        // Two seconds.
        let text = format!("[alerts]\nafter_minutes = 0.0333\n{}{}", channel("one"), channel("two"));
        let config = Arc::new(Config::parse(&text, &self.folder.path().join("tandem.toml")).unwrap());
        let (sender, status) = watch::channel(Status::default());
        let alerts = Alerts::by(self.posts.clone(), config, self.store(), self.watched.clone(), sender);
        let (stop, stopped) = watch::channel(false);
        Ran { stop, task: tokio::spawn(alerts.run(stopped)), status }
    }

    fn of(&self, name: &str) -> Vec<String> {
        let sent = self.posts.sent.lock().unwrap();
        sent.iter().filter(|(own, _)| own.starts_with(name)).map(|(_, subject)| subject.clone()).collect()
    }

    async fn until(&self, name: &str, count: usize) {
        let begun = Instant::now();
        while self.of(name).len() < count {
            assert!(begun.elapsed() < Duration::from_secs(20), "{name}: {:?}", self.of(name));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Ran {
    async fn ended(self) {
        self.stop.send_replace(true);
        self.task.await.unwrap();
    }

    async fn killed(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_two_messages_a_channel_though_the_host_is_killed_in_between_and_one_channel_is_down() {
    let room = Room::new();
    room.watched.is(Some(false));
    room.posts.down.lock().unwrap().push("two@example.com".into());
    let mut ran = room.start();
    tokio::time::sleep(Duration::from_millis(500)).await;
    room.watched.is(Some(true));
    room.until("one", 1).await;
    assert!(room.of("one")[0].ends_with("Connection erp cannot be used"));
    let told = ran.status.wait_for(|status| !status.failing.is_empty()).await.unwrap().clone();
    assert_eq!(told.failing.keys().collect::<Vec<_>>(), ["two"], "who looks at the host sees it");
    ran.killed().await;

    // Nobody called it yet after the start: it is not taken for well.
    room.watched.is(None);
    let ran = room.start();
    tokio::time::sleep(Duration::from_secs(3)).await;
    room.watched.is(Some(true));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(room.of("one").len(), 1, "it was told");
    room.watched.is(Some(false));
    room.until("one", 2).await;
    assert!(room.of("one")[1].ends_with("can be used again"), "{:?}", room.of("one"));
    room.posts.down.lock().unwrap().clear();
    room.until("two", 1).await;
    ran.ended().await;
    assert_eq!(room.of("one").len(), 2);
    assert!(room.of("two")[0].ends_with("1 problem, 1 over"), "in one message, in order: {:?}", room.of("two"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_was_being_sent_at_a_kill_is_not_sent_twice_and_the_next_ones_go_out() {
    let room = Room::new();
    room.watched.is(Some(true));
    *room.posts.stuck.lock().unwrap() = true;
    let ran = room.start();
    room.until("one", 1).await;
    ran.killed().await;
    *room.posts.stuck.lock().unwrap() = false;
    let ran = room.start();
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(room.of("one").len(), 1);
    room.watched.is(Some(false));
    room.until("one", 2).await;
    ran.ended().await;
    assert!(room.of("one")[1].ends_with("can be used again"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_day_is_told_once_in_the_morning_and_after_an_hour_in_which_the_host_was_off() {
    let room = Room::new();
    room.watched.is(Some(false));
    // Told last two days ago.
    let kept = Kept { digested: Some(now() - 48 * 3_600_000), ..Kept::default() };
    let position = Some((PLACE.into(), serde_json::to_string(&kept).unwrap()));
    room.store().append(Intake { position, ..Intake::default() }).await.unwrap();
    let ran = room.start();
    room.until("one", 1).await;
    assert!(room.of("one")[0].ends_with("the day"), "{:?}", room.of("one"));
    ran.killed().await;
    let ran = room.start();
    tokio::time::sleep(Duration::from_secs(4)).await;
    ran.ended().await;
    assert_eq!(room.of("one").len(), 1);
}
