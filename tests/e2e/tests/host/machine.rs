//! What the machine does to the host: a disk that is full at random moments, a clock that is set.
#![cfg(target_os = "linux")]

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tandem_e2e::machine::{Clock, SmallDisk};
use tandem_e2e::{Setup, World};

/// `/readyz`: ready, and what it says of the store; `None` while the host does not answer.
async fn readiness(world: &World) -> Option<Value> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().ok()?;
    let answer = client.get(format!("{}/readyz", world.console)).send().await.ok()?;
    serde_json::from_str(&answer.text().await.ok()?).ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_now_and_then_loses_and_doubles_nothing() -> Result<()> {
    let seed = fastrand::u64(1..1_000_000);
    println!("TANDEM_SEED={seed}");
    let mut chance = fastrand::Rng::with_seed(seed);
    let disk = SmallDisk::new(64)?;
    let store = disk.path().join("tandem.db");
    let more = format!("[store]\npath = \"{}\"\n", store.display());
    let mut world = World::with(Setup { seed, flow: "batch = 10".into(), more, ..Setup::default() }).await?;
    world.up().await?;
    let ids = world.opportunities(200).await?;
    let mut refused = 0;
    for (round, chunk) in ids.chunks(20).enumerate() {
        for (n, id) in chunk.iter().enumerate() {
            world.win(id).await?;
            if n == 5 {
                tokio::time::sleep(Duration::from_millis(chance.u64(0..60))).await;
                disk.fill()?;
            }
        }
        // Or what comes still fits into the room that the database has.
        let told = async |world: &World| {
            let store = readiness(world).await.and_then(|told| told["store"].as_str().map(str::to_owned));
            let refused = store.is_some_and(|word| word.contains("does not take writes"));
            let records = world.records("Opportunity").await?;
            let numbers = records.iter().filter(|record| record["Tandem_Order_Number__c"].is_string()).count();
            Ok((refused || numbers >= 20 * (round + 1)).then_some(refused))
        };
        refused += u32::from(world.until("the host to say how it is", Duration::from_secs(20), told).await?);
        if round % 4 == 3 {
            world.kill().await?;
            disk.empty()?;
            world.up().await?;
        } else {
            disk.empty()?;
        }
    }
    assert!(refused > 0, "the disk was never full for the host");
    world.until_all_told(&ids, Duration::from_secs(60)).await?;
    world.assert_exactly_once(&ids).await?;
    let ready = async |world: &World| Ok(readiness(world).await.filter(|told| told["ready"] == true).map(|_| ()));
    world.until("the host to be ready by itself", Duration::from_secs(20), ready).await?;
    let review = world.tandem_json(&["events", "list", "--state", "review"]).await?;
    assert_eq!(review, json!([]), "a full disk is no record's fault");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_set_back_or_forward_holds_nothing_up_and_runs_no_deadline_out() -> Result<()> {
    let clock = Clock::new()?;
    let setup = Setup {
        plugins: vec!["orders", "accounts"],
        flows: vec![("accounts", "settings = { create_in_b1 = \"never\" }")],
        environment: clock.environment(),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    world.up().await?;
    let ids = world.opportunities(6).await?;
    // One whose customer B1 does not know waits for the customer.
    let account = world.create("Account", json!({ "Name": "Unknown to B1" })).await?;
    let waiting = ids[5].clone();
    world.change("Opportunity", &waiting, json!({ "AccountId": account })).await?;
    world.win(&waiting).await?;
    let waits = async |world: &World| {
        let events = world.tandem_json(&["events", "list", "--key", &waiting, "--state", "waiting"]).await?;
        Ok(events.as_array().is_some_and(|events| !events.is_empty()).then_some(()))
    };
    world.until("the order to wait", Duration::from_secs(20), waits).await?;

    world.win(&ids[0]).await?;
    world.until_all_told(&ids[..1], Duration::from_secs(20)).await?;
    // Tries that wait for B1 were planned under a clock that is then set back by two hours.
    world.b1_settings(json!({ "down": true })).await?;
    world.win(&ids[1]).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    clock.set(-7_200)?;
    world.win(&ids[2]).await?;
    world.b1_settings(json!({})).await?;
    world.until_all_told(&ids[..3], Duration::from_secs(60)).await?;
    // Set back once more while the host is off.
    world.win(&ids[3]).await?;
    world.kill().await?;
    clock.set(-14_400)?;
    world.up().await?;
    world.until_all_told(&ids[..4], Duration::from_secs(30)).await?;
    // Two days forward.
    clock.set(172_800)?;
    world.win(&ids[4]).await?;
    world.until_all_told(&ids[..5], Duration::from_secs(30)).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    waits(&world).await?.context("the deadline of the one that waits ran out with the clock")?;
    world.assert_exactly_once(&ids[..5]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_wrong_from_the_first_start_misses_nothing() -> Result<()> {
    for hours in [2, -2] {
        let clock = Clock::new()?;
        clock.set(hours * 3_600)?;
        let mut world = World::with(Setup { environment: clock.environment(), ..Setup::default() }).await?;
        world.up().await?;
        // Nothing came yet: where the stream stands is told by time alone.
        world.kill().await?;
        let ids = world.opportunities(3).await?;
        for id in &ids {
            world.win(id).await?;
        }
        world.up().await?;
        world.until_all_told(&ids, Duration::from_secs(30)).await?;
        world.assert_exactly_once(&ids).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_takes_nothing_holds_no_order_up_and_says_later_what_is_missing() -> Result<()> {
    let setup = Setup { environment: vec![("TANDEM_LOG", "debug".into())], ..Setup::default() };
    let mut world = World::with(setup).await?;
    let ids = world.opportunities(30).await?;
    // A full disk from the first line on, as `/dev/full` is one.
    world.start_logging_to(std::fs::OpenOptions::new().write(true).open("/dev/full")?)?;
    win_all(&mut world, &ids[..10]).await?;
    world.stop().await?;
    // A collector that reads no more: a pipe takes 64 KiB.
    let (reader, writer) = std::io::pipe()?;
    world.start_logging_to(writer)?;
    win_all(&mut world, &ids[10..20]).await?;
    drop(reader);
    world.kill().await?;
    // A disk that is full while the host runs, and has room again.
    let disk = SmallDisk::new(4)?;
    let path = disk.path().join("host.log");
    let log = std::fs::OpenOptions::new().create(true).append(true).open(&path)?;
    disk.fill()?;
    world.start_logging_to(log)?;
    win_all(&mut world, &ids[20..25]).await?;
    disk.empty()?;
    win_all(&mut world, &ids[25..]).await?;
    world.stop().await?;
    let told = std::fs::read_to_string(path)?;
    assert!(told.contains("lines of this log were lost") && told.contains("tandem stopped"), "{told}");
    world.assert_exactly_once(&ids).await
}

/// The host is ready, and each of these becomes an order.
async fn win_all(world: &mut World, ids: &[String]) -> Result<()> {
    world.ready(Duration::from_secs(30)).await?;
    for id in ids {
        world.win(id).await?;
    }
    world.until_all_told(ids, Duration::from_secs(30)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_deleted_ends_the_host_which_says_so() -> Result<()> {
    let mut world = World::new().await?;
    world.up().await?;
    let ids = world.opportunities(2).await?;
    world.win(&ids[0]).await?;
    world.until_all_told(&ids[..1], Duration::from_secs(20)).await?;
    std::fs::remove_file(world.folder().join("data/tandem.db"))?;
    world.win(&ids[1]).await?;
    assert_eq!(world.ended(Duration::from_secs(20)).await?, Some(1), "{}", world.log_tail());
    assert!(world.log().contains("was deleted or replaced while it was open"), "{}", world.log_tail());
    let health = world.records("Tandem_Health__c").await?.remove(0);
    assert_eq!(health["Tandem_State__c"], "Stopped");
    assert!(health["Tandem_Message__c"].as_str().unwrap_or_default().contains("deleted or replaced"), "{health}");
    // Who only looks makes no new one beside.
    for command in [vec!["events", "list"], vec!["review", "list"], vec!["explain", &ids[0]]] {
        let (code, _, errors) = world.tandem_raw(&command).await?;
        assert!(code == 4 && errors.contains("data/tandem.db: there is no database"), "{command:?}: {code} {errors}");
    }
    // The connections are looked at all the same.
    let (code, told, _) = world.tandem_raw(&["check"]).await?;
    assert!(code == 3 && told.contains("there is no database") && told.contains("logged in to B1"), "{code} {told}");
    assert!(!world.folder().join("data/tandem.db").exists());
    // A start with an empty one: nothing is made twice, and what nobody took in is told again.
    world.tandem(&["plugin", "grant", "orders", "--yes"]).await?;
    world.up().await?;
    world.win(&ids[1]).await?;
    world.until_all_told(&ids, Duration::from_secs(30)).await?;
    world.assert_exactly_once(&ids).await
}

/// Some hosters and unit files limit the addresses of a process, of which a pool of plugins' memory takes terabytes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_may_take_few_addresses_runs_its_plugins_all_the_same() -> Result<()> {
    let world = World::new().await?;
    let limited = |arguments: &[&str]| {
        let mut command = tokio::process::Command::new("prlimit");
        command.arg("--as=6442450944").arg(tandem_e2e::programs().join("tandem"));
        command.arg("--config").arg(world.folder().join("tandem.toml")).args(arguments);
        command.stdin(std::process::Stdio::null()).kill_on_drop(true);
        command
    };
    let listed = limited(&["events", "list"]).env("TANDEM_LOG", "warn").output().await?;
    let words = String::from_utf8_lossy(&listed.stderr).into_owned();
    assert!(listed.status.success() && words.is_empty(), "who only looks starts no sandbox: {words}");
    let log = std::fs::File::create(world.folder().join("host.log"))?;
    let mut host = limited(&["run"]).stderr(log).spawn()?;
    world.ready(Duration::from_secs(60)).await?;
    let ids = world.opportunities(40).await?;
    for id in &ids {
        world.win(id).await?;
    }
    world.until_all_told(&ids, Duration::from_secs(60)).await?;
    assert!(world.log().contains("each plugin gets its own"), "{}", world.log_tail());
    host.kill().await?;
    world.assert_exactly_once(&ids).await
}
