//! A host's place among those that share a database. It says twice in each [`GONE`] and more that it lives, by counting its own row up, and looks at the
//! rows of the others: one whose count stood still for [`GONE`], while this host looked all the time, is taken out. No clock is compared with another's,
//! and a database that was away for all takes nobody out.
//!
//! All of it goes over a session of its own: it waits for nobody's turn to write.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{broadcast, oneshot, watch};

use super::engine::Wire;
use super::{NOW, WRITES, said};
use crate::store::among::{Among, Fence, GONE, Holder, Whose};
use crate::store::sql::{NONE, params};
use crate::store::{Millis, Result, StoreError};
use crate::time;

/// Between two words.
const BEAT: Duration = Duration::from_millis(1_500);
/// Between two looks at what others tell.
const HEARS: Duration = Duration::from_millis(40);
/// An answer within this time tells what time it is.
const PROMPT: Duration = Duration::from_millis(500);
/// Who has not looked for so long begins to count anew.
const BLIND: Duration = Duration::from_millis(3_500);
/// What the hosts tell each other goes by this name.
const CHANNEL: &str = "tandem";
/// What a session begins with. That a host lives need not outlast the server's fall: it says so again.
const HEARS_OTHERS: &str =
    "SET synchronous_commit = off; SET idle_in_transaction_session_timeout = '1s'; LISTEN tandem";
/// Flows named at once, which must fit into one message.
const TOLD: usize = 40;
/// What one host does for all.
const TURN: &str = "turn";

/// What the keeper is asked.
enum Ask {
    TakeTurns,
    Tell(Vec<String>),
    Leave(oneshot::Sender<()>),
}

/// Keeps the place as long as it lives.
pub struct Lease {
    asks: mpsc::Sender<Ask>,
    fence: Fence,
    among: watch::Receiver<Among>,
    heard: broadcast::Sender<Vec<String>>,
}

impl Lease {
    /// Comes among the hosts, and keeps the place from then on. Waits for the server.
    pub fn take(wire: Wire, id: &str) -> Result<Self> {
        let said_at = (Instant::now(), SystemTime::now());
        wire.reach()?;
        come(&wire, id)?;
        listen(&wire, id)?;
        let (asks, asked) = mpsc::channel();
        let holder = Holder::new(said_at);
        let fence = holder.fence();
        let (told, among) = watch::channel(Among { hosts: 1, ..Among::default() });
        let heard = broadcast::Sender::new(256);
        let mut keeper = Keeper {
            wire,
            id: id.to_owned(),
            holder,
            told,
            heard: heard.clone(),
            others: HashMap::new(),
            looked: Instant::now(),
            takes_turns: false,
        };
        let named = std::thread::Builder::new().name("store-lease".into());
        tracing::info!(host = id, "among the hosts of this database");
        let kept = move || {
            if catch_unwind(AssertUnwindSafe(|| keeper.keep(&asked))).is_err() {
                crate::ending::died("the thread that keeps this host's place");
            }
        };
        named.spawn(kept).map_err(|error| StoreError::Database(error.to_string()))?;
        Ok(Self { asks, fence, among, heard })
    }

    pub fn fence(&self) -> Fence {
        self.fence.clone()
    }

    pub fn among(&self) -> watch::Receiver<Among> {
        self.among.clone()
    }

    /// Flows of which another host says that there is something to do.
    pub fn heard(&self) -> broadcast::Receiver<Vec<String>> {
        self.heard.subscribe()
    }

    pub fn take_turns(&self) {
        self.ask(Ask::TakeTurns);
    }

    pub fn tell(&self, flows: &[String]) {
        self.ask(Ask::Tell(flows.to_owned()));
    }

    /// Goes from among the hosts; nothing can be written any more.
    pub async fn leave(&self) {
        let (done, left) = oneshot::channel();
        self.ask(Ask::Leave(done));
        let _ = left.await;
    }

    /// A keeper that has ended has nobody to keep a place for.
    fn ask(&self, ask: Ask) {
        let _ = self.asks.send(ask);
    }
}

/// As a session begins. It goes by the host's name: whoever takes that out ends it.
fn listen(wire: &Wire, id: &str) -> Result<()> {
    wire.batch(&format!("SET application_name = '{}'; {HEARS_OTHERS}", super::named(id)))
}

/// Makes this host's row.
fn come(wire: &Wire, id: &str) -> Result<()> {
    let machine = whoami::hostname().unwrap_or_else(|_| "host".into());
    let own = said(wire).prepare(format!(
        "INSERT INTO hosts (id, machine, version, since, seen, beat) SELECT ?1, ?2, ?3, now.at, now.at, 0 FROM (SELECT {NOW} AS at) AS now"
    ));
    own.execute(params![id, machine, env!("CARGO_PKG_VERSION")])?;
    Ok(())
}

struct Keeper {
    wire: Wire,
    id: String,
    holder: Holder,
    told: watch::Sender<Among>,
    heard: broadcast::Sender<Vec<String>>,
    /// Each other host's count, and since when it is seen to stand there.
    others: HashMap<String, (i64, Instant)>,
    looked: Instant,
    takes_turns: bool,
}

impl Keeper {
    fn keep(&mut self, asked: &mpsc::Receiver<Ask>) {
        let mut due = Instant::now();
        let mut away = false;
        loop {
            let mut flows: Vec<String> = Vec::new();
            loop {
                match asked.try_recv() {
                    Ok(Ask::TakeTurns) => (self.takes_turns, due) = (true, Instant::now()),
                    Ok(Ask::Tell(more)) => flows.extend(more),
                    Ok(Ask::Leave(done)) => {
                        self.leave();
                        let _ = done.send(());
                        return;
                    }
                    Err(mpsc::TryRecvError::Empty) => break,
                    Err(mpsc::TryRecvError::Disconnected) => return self.leave(),
                }
            }
            // Whoever misses it looks again by himself.
            let _ = self.tell(flows);
            if Instant::now() >= due {
                due = Instant::now() + BEAT;
                match self.beat() {
                    Ok(()) if self.holder.is_lost() => {
                        tracing::error!("this host was taken for dead, and others go on with its work");
                        return;
                    }
                    Ok(()) => away = false,
                    Err(error) => {
                        if !std::mem::replace(&mut away, true) {
                            tracing::warn!(%error, "the database does not hear that this host lives; until it does nothing is sent");
                        }
                        self.wire.hang_up();
                        due = Instant::now() + BEAT / 5;
                    }
                }
            }
            if self.hears() {
                due = Instant::now();
            }
        }
    }

    /// Says that it lives, looks who else does, and takes what nobody holds.
    fn beat(&mut self) -> Result<()> {
        let said_at = (Instant::now(), SystemTime::now());
        if self.wire.reach()? {
            listen(&self.wire, &self.id)?;
        }
        let db = said(&self.wire);
        let beat = db.prepare(format!("UPDATE hosts SET beat = beat + 1, seen = {NOW} WHERE id = ?1 RETURNING seen"));
        let Some(seen) = beat.first([&self.id], |row| row.get::<i64>(0))? else {
            self.holder.lose();
            return Ok(());
        };
        // One that came late says little of now.
        if said_at.0.elapsed() < PROMPT {
            time::follow(seen, said_at.0 + said_at.0.elapsed() / 2);
        }
        self.holder.heard(said_at);
        let rows: Vec<(String, i64)> = db
            .prepare("SELECT id, beat FROM hosts WHERE id <> ?1")
            .all([&self.id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut live = rows.len();
        for (id, beat) in self.silent(rows) {
            if self.bury(&id, beat)? {
                live -= 1;
            }
        }
        let has_turn = self.turn(seen)?;
        if self.told.borrow().turn && !has_turn {
            // The server has forgotten its last moments, such as one that was a standby, and another host was faster.
            self.holder.lose();
            return Ok(());
        }
        let left = format!(
            "SELECT EXISTS (SELECT 1 FROM runs WHERE finished_at IS NULL AND {} AND NOT EXISTS (SELECT 1 FROM hosts WHERE id = runs.host))",
            Whose::Flows.condition()
        );
        let left: bool = said(&self.wire).prepare(left).one(NONE, |row| row.get(0))?;
        self.told.send_if_modified(|among| {
            let before = *among;
            among.hosts = u32::try_from(live + 1).unwrap_or(u32::MAX);
            (among.asked, among.turn) = (self.takes_turns, has_turn);
            among.left += u64::from(left);
            *among != before
        });
        Ok(())
    }

    /// Whether the turn is this host's, which takes it where nobody has it.
    fn turn(&self, now: Millis) -> Result<bool> {
        let whose =
            || said(&self.wire).prepare("SELECT host FROM holds WHERE thing = ?1").first([TURN], |row| row.get(0));
        let mut host: Option<String> = whose()?;
        if host.is_none() && self.takes_turns {
            // In one go: nobody waits for a host that is frozen within.
            self.wire.batch(&format!(
                "BEGIN; SET LOCAL synchronous_commit = on; INSERT INTO holds (thing, host, since) VALUES ('{TURN}', '{}', {now}) \
                 ON CONFLICT (thing) DO NOTHING; COMMIT",
                self.id
            ))?;
            host = whose()?;
        }
        Ok(host.as_ref() == Some(&self.id))
    }

    /// Those whose counts have stood still for long enough, as far as this host has looked.
    fn silent(&mut self, rows: Vec<(String, i64)>) -> Vec<(String, i64)> {
        let now = Instant::now();
        if now.duration_since(self.looked) > BLIND {
            self.others.clear();
        }
        self.looked = now;
        self.others.retain(|id, _| rows.iter().any(|(own, _)| own == id));
        let others = &mut self.others;
        let is_silent = |(id, beat): &(String, i64)| {
            let known = others.entry(id.clone()).or_insert((*beat, now));
            if known.0 != *beat {
                *known = (*beat, now);
            }
            now.duration_since(known.1) >= GONE
        };
        rows.into_iter().filter(is_silent).collect()
    }

    /// Takes a host out that has said nothing since; false while it is another's turn to write, or where it has.
    fn bury(&self, id: &str, beat: i64) -> Result<bool> {
        // Frozen in the midst of writing it would hold everybody up.
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = ?1 AND usename = current_user";
        said(&self.wire).prepare(end).one([super::named(id)], |row| row.get::<i64>(0))?;
        let begin =
            format!("BEGIN; SET LOCAL synchronous_commit = on; SELECT pg_try_advisory_xact_lock({WRITES})::text");
        let out = match self.wire.last_of_batch(&begin)?.as_deref() {
            Some("true") => {
                let out =
                    "DELETE FROM hosts WHERE id = ?1 AND beat = ?2 AND EXISTS (SELECT 1 FROM hosts WHERE id = ?3)";
                said(&self.wire).prepare(out).execute(params![id, beat, self.id])?
            }
            _ => 0,
        };
        self.wire.batch("COMMIT")?;
        if out > 0 {
            tracing::warn!(host = id, "a host does not say that it lives; its work is taken up");
            metrics::counter!("tandem_hosts_gone_total").increment(1);
        }
        Ok(out > 0)
    }

    fn tell(&self, mut flows: Vec<String>) -> Result<()> {
        if flows.is_empty() || self.told.borrow().hosts < 2 || !self.wire.is_open() {
            return Ok(());
        }
        flows.sort_unstable();
        flows.dedup();
        for some in flows.chunks(TOLD) {
            let words = format!("{}\n{}", self.id, some.join("\n"));
            self.notify(&words)?;
        }
        Ok(())
    }

    fn notify(&self, words: &str) -> Result<()> {
        let notify = said(&self.wire).prepare("SELECT pg_notify(?1, ?2) IS NULL");
        notify.one([CHANNEL, words], |row| row.get::<bool>(0)).map(drop)
    }

    /// Hears what the others tell, and waits a moment for it; true where one of them has gone.
    fn hears(&self) -> bool {
        let Some(told) = self.wire.told(HEARS) else {
            std::thread::sleep(HEARS);
            return false;
        };
        let mut one_left = false;
        for words in told {
            let mut lines = words.lines();
            if lines.next() == Some(self.id.as_str()) {
                continue;
            }
            let flows: Vec<String> = lines.map(str::to_owned).collect();
            one_left |= flows.is_empty();
            // Nobody need listen.
            let _ = self.heard.send(flows);
        }
        one_left
    }

    /// With runs that it could not finish it is taken out like one that died: what it has sent last may be under way still.
    fn leave(&self) {
        self.holder.lose();
        let leave = || {
            self.wire.reach()?;
            said(&self.wire).prepare("DELETE FROM holds WHERE host = ?1").execute([&self.id])?;
            let out = "DELETE FROM hosts WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM runs WHERE finished_at IS NULL AND host = ?1)";
            said(&self.wire).prepare(out).execute([&self.id])?;
            self.notify(&self.id)
        };
        if let Err(error) = leave() {
            tracing::warn!(%error, "the other hosts are not told that this one goes: they find out");
        }
    }
}
