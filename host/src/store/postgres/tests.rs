//! What becomes of the store when its server fails, and what of two hosts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tandem_test_postgres::{Ending, Server};

use super::{Address, PostgresStore};
use crate::store::sql::NONE;
use crate::store::sql::promises::{SERVER, append, done, lease};
use crate::store::*;

fn address(server: &Server, url: &str) -> Address {
    Address::of(url, Some(server.password().into()), || Err("no TLS".into())).unwrap()
}

async fn open(server: &Server, url: &str, access: Access) -> Result<PostgresStore> {
    let address = address(server, url);
    tokio::task::spawn_blocking(move || PostgresStore::open_at(address, access)).await.unwrap()
}

fn act(n: u64) -> Act {
    Act::new("anna", Via::CommandLine, "event.retry", format!("event {n}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_told_to_be_kept_is_kept_and_nothing_else_however_often_the_server_falls() {
    let mut server = Server::start().unwrap();
    let url = server.database().unwrap();
    let store = Arc::new(open(&server, &url, Access::Host).await.unwrap());
    let (kept, refused, over) =
        (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let writers: Vec<_> = (0..4)
        .map(|n| {
            let (store, kept, refused, over) = (store.clone(), kept.clone(), refused.clone(), over.clone());
            tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    // A line has no name of its own: told twice it would stand there twice.
                    match store.act(act(n)).await {
                        Ok(()) => kept.fetch_add(1, Ordering::Relaxed),
                        Err(_) => {
                            tokio::time::sleep(Duration::from_millis(20)).await;
                            refused.fetch_add(1, Ordering::Relaxed)
                        }
                    };
                }
            })
        })
        .collect();
    for ending in [Ending::Immediate, Ending::Fast, Ending::Immediate] {
        tokio::time::sleep(Duration::from_millis(400)).await;
        server.stop(ending).unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(tokio::time::timeout(Duration::from_secs(5), store.counts()).await.unwrap().is_err(), "nobody reads");
        server.begin().unwrap();
    }
    // Single sessions are cut off in the midst of it, too.
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'tandem%'";
        server.say("postgres", cut).unwrap();
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    over.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    let lines: u64 = server.say("test_0", "SELECT count(*) FROM acts").unwrap().parse().unwrap();
    assert_eq!(lines, kept.load(Ordering::Relaxed), "{} were refused", refused.load(Ordering::Relaxed));
    assert!(lines > 100 && refused.load(Ordering::Relaxed) > 0, "{lines}");
    assert!(store.trouble().await.is_none());
    let verified = trail::verify(&*store, Vec::new()).await.unwrap();
    assert!(verified.holds() && verified.lines == lines, "{verified:?}");
}

/// Until the store says that it is so.
async fn until(store: &PostgresStore, what: &str, is: impl Fn(&Among) -> bool) {
    let mut among = store.among();
    let told = tokio::time::timeout(Duration::from_secs(60), among.wait_for(|among| is(among))).await;
    assert!(told.is_ok_and(|told| told.is_ok()), "{what}: {:?}", *store.among().borrow());
}

#[tokio::test]
async fn several_hosts_have_one_database_and_one_of_them_the_turn_until_it_goes() {
    let url = SERVER.database().unwrap();
    assert!(matches!(open(&SERVER, &url, Access::Tool).await, Err(StoreError::Missing)));
    let first = open(&SERVER, &url, Access::Host).await.unwrap();
    let second = open(&SERVER, &url, Access::Host).await.unwrap();
    let tool = open(&SERVER, &url, Access::Tool).await.unwrap();
    first.take_turns();
    until(&first, "it has the turn", |among| among.turn && among.hosts == 2).await;
    second.take_turns();
    until(&second, "another has it", |among| among.asked && !among.turn && among.hosts == 2).await;
    let hosts = tool.hosts().await.unwrap();
    assert_eq!(hosts.iter().map(|host| host.turn_since.is_some()).collect::<Vec<_>>(), [true, false]);
    append(&first, &[("A", "1"), ("B", "2")]).await;
    let (one, other) = (lease(&first, 1).await.unwrap(), lease(&second, 1).await.unwrap());
    assert_ne!(one.events[0].id, other.events[0].id);
    assert_eq!(tool.hosts().await.unwrap().iter().map(|host| host.runs).collect::<Vec<_>>(), [1, 1]);
    // It goes, and leaves a run open.
    first.leave().await;
    until(&second, "it has the turn", |among| among.turn).await;
    until(&second, "its run is left", |among| among.hosts == 1 && among.left > 0).await;
    assert!(second.abandoned(Whose::Agents, true).await.unwrap().is_empty(), "who takes up others leaves these");
    let left = second.abandoned(Whose::Flows, false).await.unwrap();
    assert_eq!(left.iter().map(|run| run.id).collect::<Vec<_>>(), [one.id]);
    assert!(second.abandoned(Whose::Flows, false).await.unwrap().is_empty(), "it is its own now");
    second.finish(one.id, done(&one)).await.unwrap();
    second.finish(other.id, done(&other)).await.unwrap();
    // At first it finds its sessions ended.
    first.finish(one.id, done(&one)).await.unwrap_err();
    let late = first.finish(one.id, done(&one)).await.unwrap_err().to_string();
    assert!(late.contains("others go on with its work"), "{late}");
    assert!(
        first.append(Intake { position: Some(("source".into(), "old".into())), ..Intake::default() }).await.is_err()
    );
    second.leave().await;
    assert!(!tool.has_host().await.unwrap());
}

/// What one of them read first is not written last by the other.
#[tokio::test]
async fn of_a_flow_that_does_one_thing_after_the_other_one_run_is_open_over_all_hosts() {
    let url = SERVER.database().unwrap();
    let hosts = [open(&SERVER, &url, Access::Host).await.unwrap(), open(&SERVER, &url, Access::Host).await.unwrap()];
    append(&hosts[0], &[("A", "1"), ("B", "2")]).await;
    let alone =
        async |host: &PostgresStore| host.lease_alone("orders", "digest", 1, crate::time::now()).await.unwrap().run();
    let run = alone(&hosts[0]).await.unwrap();
    assert!(alone(&hosts[1]).await.is_none());
    // Not even where its host has gone: its run comes first.
    hosts[0].leave().await;
    assert_eq!(hosts[1].hosts().await.unwrap().len(), 2, "what it has sent may be under way still");
    until(&hosts[1], "it is taken for dead", |among| among.hosts == 1 && among.left > 0).await;
    assert!(alone(&hosts[1]).await.is_none());
    assert_eq!(hosts[1].abandoned(Whose::Flows, false).await.unwrap()[0].id, run.id);
    hosts[1].finish(run.id, done(&run)).await.unwrap();
    assert!(alone(&hosts[1]).await.is_some());
}

/// As one that is frozen: its process lives, and its sessions do.
#[tokio::test]
async fn who_does_not_say_that_it_lives_is_taken_out_and_writes_and_sends_nothing_more() {
    let url = SERVER.database().unwrap();
    let name = url.rsplit('/').next().unwrap();
    let frozen = open(&SERVER, &url, Access::Host).await.unwrap();
    frozen.take_turns();
    until(&frozen, "it has the turn", |among| among.turn).await;
    append(&frozen, &[("A", "1")]).await;
    let run = lease(&frozen, 1).await.unwrap();
    // Its word is not counted.
    let deaf = "CREATE FUNCTION deaf() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.beat := old.beat; RETURN new; END $$; \
        CREATE TRIGGER deaf BEFORE UPDATE ON hosts FOR EACH ROW WHEN (old.id = '{id}') EXECUTE FUNCTION deaf()";
    let id = frozen.hosts().await.unwrap()[0].id.clone();
    SERVER.say(name, &deaf.replace("{id}", &id)).unwrap();
    let fence = frozen.fence();
    let other = open(&SERVER, &url, Access::Host).await.unwrap();
    other.take_turns();
    until(&other, "it takes over", |among| among.turn && among.hosts == 1 && among.left > 0).await;
    fence.closes().await;
    assert!(fence.pass().await.is_err());
    let entry = JournalEntry {
        seq: 1,
        item: 0,
        kind: "http".into(),
        subject: String::new(),
        state: CallState::Intended,
        at: 1,
        request: "{}".into(),
        response: String::new(),
        took: None,
    };
    assert!(frozen.journal_write(run.id, vec![entry], Durability::Now).await.is_err(), "nothing is intended any more");
    assert_eq!(frozen.trouble().await, Some(StoreTrouble::Lost));
    assert_eq!(other.abandoned(Whose::Flows, false).await.unwrap()[0].id, run.id);
    assert!(other.journal_read(run.id).await.unwrap().is_empty());
}

/// The server was away for all alike.
#[tokio::test]
async fn a_server_that_was_away_takes_nobody_out() {
    let mut server = Server::start().unwrap();
    let url = server.database().unwrap();
    let hosts = [open(&server, &url, Access::Host).await.unwrap(), open(&server, &url, Access::Host).await.unwrap()];
    hosts.iter().for_each(|host| host.take_turns());
    for host in &hosts {
        until(host, "both are there", |among| among.asked && among.hosts == 2).await;
    }
    let turn = hosts.iter().position(|host| host.among().borrow().turn).unwrap();
    server.stop(Ending::Immediate).unwrap();
    tokio::time::sleep(GONE + Duration::from_secs(3)).await;
    let held = tokio::time::timeout(Duration::from_millis(100), hosts[0].fence().pass()).await;
    assert!(held.is_err(), "nothing is sent meanwhile");
    server.begin().unwrap();
    for host in &hosts {
        host.fence().pass().await.unwrap();
        append(host, &[("A", "1")]).await;
    }
    tokio::time::sleep(GONE + Duration::from_secs(2)).await;
    for host in &hosts {
        assert_eq!(host.among().borrow().hosts, 2);
        assert!(host.trouble().await.is_none());
    }
    assert!(hosts[turn].among().borrow().turn);
}

#[tokio::test]
async fn a_host_hears_what_another_has_for_its_flows() {
    let url = SERVER.database().unwrap();
    let hosts = [open(&SERVER, &url, Access::Host).await.unwrap(), open(&SERVER, &url, Access::Host).await.unwrap()];
    for host in &hosts {
        until(host, "both are there", |among| among.hosts == 2).await;
    }
    let mut heard = [hosts[0].heard().unwrap(), hosts[1].heard().unwrap()];
    hosts[0].tell(&["orders".into(), "stock".into(), "orders".into()]);
    let told = tokio::time::timeout(Duration::from_secs(2), heard[1].recv()).await.unwrap().unwrap();
    assert_eq!(told, ["orders", "stock"]);
    assert!(heard[0].try_recv().is_err(), "not its own words");
}

#[tokio::test]
async fn who_is_frozen_in_the_midst_of_writing_holds_up_nobody_for_long() {
    let url = SERVER.database().unwrap();
    let host = open(&SERVER, &url, Access::Host).await.unwrap();
    let tool = open(&SERVER, &url, Access::Tool).await.unwrap();
    let frozen = tool.write(|db| {
        db.prepare("INSERT INTO positions (source, position, at) VALUES ('frozen', '', 1)").execute(NONE)?;
        std::thread::sleep(Duration::from_secs(13));
        db.prepare("SELECT 1").execute(NONE)
    });
    let works = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        append(&host, &[("A", "1")]).await
    };
    let (frozen, works) = tokio::join!(frozen, works);
    assert!(frozen.is_err(), "its session was ended");
    assert_eq!(works, 1);
    assert_eq!(host.position("frozen").await.unwrap(), None);
}

#[tokio::test]
async fn a_database_of_a_newer_tandem_is_refused() {
    let url = SERVER.database().unwrap();
    drop(open(&SERVER, &url, Access::Maker).await.unwrap());
    let name = url.rsplit('/').next().unwrap();
    SERVER.say(name, "UPDATE format SET number = 99").unwrap();
    let error = open(&SERVER, &url, Access::Tool).await.err().unwrap().to_string();
    assert!(error.contains("format 99"), "{error}");
}

#[tokio::test]
async fn who_looks_away_from_a_statement_that_failed_is_told_that_nothing_was_kept() {
    let url = SERVER.database().unwrap();
    let store = Arc::new(open(&SERVER, &url, Access::Host).await.unwrap());
    let half = store.write(|db| {
        db.prepare("INSERT INTO positions (source, position, at) VALUES ('half', '', 1)").execute(NONE)?;
        let _ = db.prepare("SELECT 1 / (SELECT 0)").execute(NONE);
        Ok(())
    });
    let (half, whole) = tokio::join!(half, append(&store, &[("A", "1")]));
    assert!(half.is_err());
    assert_eq!(whole, 1);
    assert_eq!(store.position("half").await.unwrap(), None);
    assert!(store.trouble().await.is_none());
}
