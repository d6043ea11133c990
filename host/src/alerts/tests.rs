//! The room as a whole, over a store and with channels that say what they were given.

use std::sync::Mutex as Locked;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::*;
use crate::store::{Access, sqlite::SqliteStore};

/// A host whose connection is there or not, or was not called yet.
#[derive(Default)]
struct Watched(Locked<Look>, AtomicBool);

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

    fn knows(&self, condition: &Condition) -> bool {
        !matches!(condition, Condition::Outage { .. }) || !self.1.load(Ordering::SeqCst)
    }
}

/// Where an attempt stays for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Stuck {
    #[default]
    Nowhere,
    /// On the way there.
    Before,
    /// The message is there, and no answer comes.
    After,
}

/// Channels; those in `down` refuse.
#[derive(Default)]
struct Posts {
    sent: Locked<Vec<(String, String)>>,
    ids: Locked<Vec<String>>,
    titles: Locked<Vec<String>>,
    down: Locked<Vec<String>>,
    stuck: Locked<Stuck>,
    /// It takes what it is given, and does not say so.
    silent: AtomicBool,
    tried: AtomicBool,
}

#[async_trait]
impl Post for Posts {
    async fn send(
        &self,
        channel: &ChannelConfig,
        message: &Message,
        _: Option<&[String]>,
        going: Arc<dyn Going>,
    ) -> Result<Sent, Unsent> {
        let name = channel.from.clone().unwrap_or_default();
        let unsent = |fault, unsure| Unsent { fault, says: "down".into(), unsure };
        if self.down.lock().unwrap().contains(&name) {
            return Err(unsent(Fault::NotReached, false));
        }
        self.tried.store(true, Ordering::SeqCst);
        let stuck = *self.stuck.lock().unwrap();
        if stuck == Stuck::Before {
            std::future::pending::<()>().await;
        }
        if !going.goes().await {
            return Err(unsent(Fault::NotReached, false));
        }
        self.sent.lock().unwrap().push((name, message.subject.clone()));
        self.ids.lock().unwrap().push(message.id.clone());
        self.titles.lock().unwrap().extend(message.lines.iter().map(|line| line.title.clone()));
        if stuck == Stuck::After {
            std::future::pending::<()>().await;
        }
        if self.silent.load(Ordering::SeqCst) {
            return Err(unsent(Fault::TooSlow, true));
        }
        Ok(Sent { says: "ok".into(), missed: None })
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
        self.start_with(&["one", "two"])
    }

    fn start_with(&self, channels: &[&str]) -> Ran {
        self.start_over(channels, Arc::new(Patient::new(self.store())), |_| {})
    }

    fn start_over(&self, channels: &[&str], store: Arc<Patient>, before: impl FnOnce(&Arc<Patient>)) -> Ran {
        let channel = |name: &str| {
            format!(
                "[alerts.{name}]\nkind = \"smtp\"\nserver = \"127.0.0.1:9\"\nfrom = \"{name}@example.com\"\nto = [\"x@example.com\"]\n"
            )
        };
        // Two seconds.
        let channels: String = channels.iter().map(|name| channel(name)).collect();
        let text = format!("[alerts]\nafter_minutes = 0.0333\n{channels}");
        let config = Arc::new(Config::parse(&text, &self.folder.path().join("tandem.toml")).unwrap());
        let (sender, status) = watch::channel(Status::default());
        let alerts = Alerts::by(self.posts.clone(), config, store.clone(), self.watched.clone(), sender);
        before(&store);
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

impl Room {
    /// In one message or several.
    async fn until_said(&self, titles: &[&str]) {
        let begun = Instant::now();
        let said = |title: &&str| self.posts.titles.lock().unwrap().iter().any(|own| own == title);
        while !titles.iter().all(said) {
            assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", self.posts.titles.lock().unwrap());
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
    *room.posts.stuck.lock().unwrap() = Stuck::After;
    let ran = room.start();
    room.until("one", 1).await;
    ran.killed().await;
    *room.posts.stuck.lock().unwrap() = Stuck::Nowhere;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_outlives_a_stop_and_a_kill_in_an_attempt_that_sent_nothing_yet() {
    let room = Room::new();
    room.watched.is(Some(true));
    for killed in [false, true] {
        *room.posts.stuck.lock().unwrap() = Stuck::Before;
        room.posts.tried.store(false, Ordering::SeqCst);
        let ran = room.start_with(&["one"]);
        let begun = Instant::now();
        while !room.posts.tried.load(Ordering::SeqCst) {
            assert!(begun.elapsed() < Duration::from_secs(20));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        if killed {
            // What is on its way is kept with the next look.
            tokio::time::sleep(Duration::from_secs(1)).await;
            ran.killed().await;
        } else {
            ran.ended().await;
        }
        assert_eq!(room.of("one").len(), 0);
    }
    *room.posts.stuck.lock().unwrap() = Stuck::Nowhere;
    let ran = room.start_with(&["one"]);
    room.until("one", 1).await;
    ran.ended().await;
    assert!(room.of("one")[0].ends_with("Connection erp cannot be used"), "{:?}", room.of("one"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_answered_is_the_same_message_when_it_comes_again() {
    let room = Room::new();
    room.watched.is(Some(true));
    room.posts.silent.store(true, Ordering::SeqCst);
    let ran = room.start_with(&["one"]);
    room.until("one", 2).await;
    room.posts.silent.store(false, Ordering::SeqCst);
    ran.ended().await;
    let ids = room.posts.ids.lock().unwrap().clone();
    assert_eq!(ids[0], ids[1], "{ids:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_does_not_answer_keeps_nobody_from_being_told_and_is_told_itself() {
    let room = Room::new();
    room.watched.is(Some(false));
    let (go, hang) = tokio::sync::oneshot::channel::<()>();
    let (begun, hangs) = tokio::sync::oneshot::channel();
    let store = room.store();
    let ran = room.start_over(&["one"], Arc::new(Patient::new(store)), |patient| {
        let patient = patient.clone();
        tokio::spawn(async move {
            // After what was kept is read.
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            let asked = patient.ask(|_| async move {
                let _ = hang.await;
                Ok(())
            });
            let _ = begun.send(());
            let _ = asked.await;
        });
    });
    hangs.await.unwrap();
    room.watched.is(Some(true));
    room.until_said(&["Connection erp cannot be used", "The database takes no writes"]).await;
    go.send(()).unwrap();
    room.watched.is(Some(false));
    room.until_said(&["Connection erp can be used again", "The database takes writes again"]).await;
    ran.ended().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_channel_hears_what_is_open_and_one_that_knows_it_does_not() {
    let room = Room::new();
    room.watched.is(Some(true));
    let ran = room.start_with(&["one"]);
    room.until("one", 1).await;
    ran.ended().await;
    let ran = room.start_with(&["one", "two"]);
    room.until("two", 1).await;
    ran.ended().await;
    assert!(room.of("two")[0].ends_with("Connection erp cannot be used"), "{:?}", room.of("two"));
    assert_eq!(room.of("one").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_taken_out_while_it_is_away_is_gone_and_not_well() {
    let room = Room::new();
    room.watched.is(Some(true));
    let ran = room.start_with(&["one"]);
    room.until("one", 1).await;
    ran.ended().await;
    room.watched.is(Some(false));
    room.watched.1.store(true, Ordering::SeqCst);
    let ran = room.start_with(&["one"]);
    room.until("one", 2).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    ran.ended().await;
    let told = room.of("one");
    assert!(told.len() == 2 && told[1].contains("no longer looked at"), "{told:?}");
}
