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
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tandem'";
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

#[tokio::test]
async fn one_host_at_a_time_and_commands_beside_it() {
    let url = SERVER.database().unwrap();
    assert!(matches!(open(&SERVER, &url, Access::Tool).await, Err(StoreError::Missing)));
    let host = open(&SERVER, &url, Access::Host).await.unwrap();
    let second = open(&SERVER, &url, Access::Host).await.err().unwrap().to_string();
    assert!(
        second.contains("another tandem is using postgres://127.0.0.1") && !second.contains(SERVER.password()),
        "{second}"
    );
    let tool = open(&SERVER, &url, Access::Tool).await.unwrap();
    use crate::store::sql::Base;
    assert!(tool.base.has_host().await.unwrap());
    append(&host, &[("A", "1")]).await;
    let run = lease(&tool, 1).await.unwrap();
    host.finish(run.id, done(&run)).await.unwrap();
    assert_eq!(tool.counts().await.unwrap()[0].state, EventState::Done);
    drop(host);
    // The session ends a moment later, on its own thread.
    for _ in 0..100 {
        if !tool.base.has_host().await.unwrap() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    open(&SERVER, &url, Access::Host).await.unwrap();
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
