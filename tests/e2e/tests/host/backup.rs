//! Backups while the host works: taken back without anything doubled or lost, never half there, never with a secret.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tandem_e2e::in_step::text;
use tandem_e2e::{Setup, World, programs};

const PATIENCE: Duration = Duration::from_secs(30);

/// Orders and accounts, both ways.
fn setup() -> Setup {
    Setup {
        plugins: vec!["orders", "accounts"],
        flows: vec![("accounts", "settings = { series = 11, create_in_b1 = \"all\" }")],
        b1: "poll_seconds = 1\ntime_zone = \"Europe/Berlin\"".into(),
        ..Setup::default()
    }
}

/// The file of a backup that is made now.
async fn back_up(world: &World) -> Result<PathBuf> {
    let folder = world.folder().join("backups");
    let made = world.tandem_json(&["backup", "--to", &folder.display().to_string()]).await?;
    Ok(made["file"].as_str().context("no file")?.into())
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

async fn partners(world: &World, name: &str) -> Result<Vec<Value>> {
    let all = world.b1_records("BusinessPartners").await?;
    Ok(all.into_iter().filter(|partner| partner["CardName"] == name).collect())
}

async fn accounts(world: &World, name: &str) -> Result<Vec<Value>> {
    let all = world.records("Account").await?;
    Ok(all.into_iter().filter(|account| account["Name"] == name && account["IsDeleted"] != true).collect())
}

async fn order(world: &World, id: &str) -> Result<Value> {
    world.orders_of(id).await?.pop().with_context(|| format!("no order of {id}"))
}

/// Both sources have looked since, and nothing is under way.
async fn in_rest(world: &World) -> Result<()> {
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.settled().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restore_nothing_is_doubled_and_all_is_in_step_by_itself() -> Result<()> {
    let mut world = World::with(setup()).await?;
    world.up().await?;
    world.tandem(&["backfill", "accounts", "--yes"]).await?;
    let ids = world.opportunities(8).await?;
    for id in &ids[..3] {
        world.win(id).await?;
    }
    world.until_all_told(&ids[..3], PATIENCE).await?;
    // One that is taken in and not done when the backup is made.
    world.b1_settings(json!({ "down": true })).await?;
    world.win(&ids[3]).await?;
    let taken = async |world: &World| {
        let events = world.tandem_json(&["events", "list", "--key", &ids[3]]).await?;
        Ok(events.as_array().is_some_and(|events| !events.is_empty()).then_some(()))
    };
    world.until("the event to be taken in", PATIENCE, taken).await?;
    let backup = back_up(&world).await?;
    world.b1_settings(json!({})).await?;

    // A day goes by.
    world.win(&ids[4]).await?;
    world.win(&ids[5]).await?;
    world.change("Opportunity", &ids[0], json!({ "Tandem_PO_Number__c": "CHANGED" })).await?;
    world.until_all_told(&ids[..6], PATIENCE).await?;
    let changed = async |world: &World| Ok((order(world, &ids[0]).await?["NumAtCard"] == "CHANGED").then_some(()));
    world.until("the change of an order", PATIENCE, changed).await?;
    let by_clerk = order(&world, &ids[1]).await?;
    let path = format!("/Orders({})", by_clerk["DocEntry"]);
    world.b1_patch(&path, json!({ "Comments": "by the clerk" })).await?;
    world.create("Account", json!({ "Name": "Fresh in the org" })).await?;
    let made = async |world: &World| Ok((partners(world, "Fresh in the org").await?.len() == 1).then_some(()));
    world.until("the customer in B1", PATIENCE, made).await?;
    let partner = json!({ "CardCode": "M900", "CardName": "Fresh in B1", "CardType": "cCustomer" });
    world.b1_post("/BusinessPartners", partner).await?;
    let made = async |world: &World| Ok((accounts(world, "Fresh in B1").await?.len() == 1).then_some(()));
    world.until("the customer in the org", PATIENCE, made).await?;
    in_rest(&world).await?;
    let count = async |world: &World| -> Result<[usize; 3]> {
        let (orders, partners) = (world.b1_records("Orders").await?, world.b1_records("BusinessPartners").await?);
        Ok([orders.len(), partners.len(), world.records("Account").await?.len()])
    };
    let before = count(&world).await?;

    // A host that works is in the way; what would come is told beside it.
    let (code, _, errors) = world.tandem_raw(&["restore", &shown(&backup), "--yes"]).await?;
    assert!(code == 1 && errors.contains("another tandem is using"), "{code} {errors}");
    let told = world.tandem_json(&["restore", &shown(&backup), "--rehearse"]).await?;
    let again = told["again"].to_string();
    assert!(again.contains("told again, by the replay id") && again.contains("has stamped since"), "{again}");
    assert!(told["since"]["taken_in"]["orders"].as_u64().is_some_and(|events| events >= 2), "{told}");
    assert!(told["open"]["orders"].to_string().contains(':'), "one was not finished: {told}");
    world.kill().await?;
    let (code, _, errors) = world.tandem_raw(&["restore", &shown(&backup)]).await?;
    assert!(code == 2 && errors.contains("--yes"), "nobody can be asked: {code} {errors}");
    let restored = world.tandem_json(&["restore", &shown(&backup), "--yes"]).await?;
    assert!(restored["access_stays"] == true && Path::new(text(&restored, "kept")).is_file(), "{restored}");

    // Won while no host ran.
    world.win(&ids[6]).await?;
    world.up().await?;
    world.win(&ids[7]).await?;
    world.until_all_told(&ids, Duration::from_secs(60)).await?;
    in_rest(&world).await?;
    world.assert_exactly_once(&ids).await?;
    let [orders, partners_now, accounts_now] = count(&world).await?;
    assert_eq!([orders - 2, partners_now, accounts_now], before, "two orders were won since, and nothing else is new");
    assert_eq!(order(&world, &ids[0]).await?["NumAtCard"], "CHANGED");
    assert_eq!(order(&world, &ids[1]).await?["Comments"], "by the clerk");
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]), "nothing is asked that was not before");

    // In step, and going on: a change of what was made since goes over, each way.
    let fresh = accounts(&world, "Fresh in B1").await?.remove(0);
    world.change("Account", text(&fresh, "Id"), json!({ "Phone": "+49 1" })).await?;
    let over = async |world: &World| Ok((partners(world, "Fresh in B1").await?[0]["Phone1"] == "+49 1").then_some(()));
    world.until("the phone in B1", PATIENCE, over).await?;
    let fresh = partners(&world, "Fresh in the org").await?.remove(0);
    let path = format!("/BusinessPartners('{}')", text(&fresh, "CardCode"));
    world.b1_patch(&path, json!({ "Phone1": "+49 2" })).await?;
    let over =
        async |world: &World| Ok((accounts(world, "Fresh in the org").await?[0]["Phone"] == "+49 2").then_some(()));
    world.until("the phone in the org", PATIENCE, over).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_older_than_what_salesforce_keeps_is_caught_up_by_query() -> Result<()> {
    let mut world = World::new().await?;
    world.up().await?;
    let ids = world.opportunities(6).await?;
    world.win(&ids[0]).await?;
    world.until_all_told(&ids[..1], PATIENCE).await?;
    let backup = back_up(&world).await?;
    for id in &ids[1..4] {
        world.win(id).await?;
    }
    world.until_all_told(&ids[..4], PATIENCE).await?;
    world.kill().await?;
    world.win(&ids[4]).await?;
    let url = format!("{}/admin/clock", world.salesforce);
    world.send("PUT", &url, &json!({ "offset_ms": 96 * 3_600_000 })).await?;
    world.tandem(&["restore", &shown(&backup), "--yes"]).await?;
    world.up().await?;
    world.win(&ids[5]).await?;
    world.until_all_told(&ids, PATIENCE).await?;
    world.assert_exactly_once(&ids).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backups_broken_off_at_any_moment_leave_nothing_that_looks_like_one() -> Result<()> {
    let seed =
        std::env::var("TANDEM_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(fastrand::u64(1..1_000_000));
    println!("TANDEM_SEED={seed}");
    let mut chance = fastrand::Rng::with_seed(seed);
    let mut world = World::with(Setup { seed, ..Setup::default() }).await?;
    world.up().await?;
    let ids = world.opportunities(40).await?;
    let folder = world.folder().join("backups");
    for id in &ids {
        world.win(id).await?;
        let mut backup = tokio::process::Command::new(programs().join("tandem"));
        backup.arg("--config").arg(world.folder().join("tandem.toml")).args(["backup", "--to"]).arg(&folder);
        let mut backup = backup.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        tokio::time::sleep(Duration::from_millis(chance.u64(1..400))).await;
        backup.kill().await?;
        for file in archives(&folder) {
            world
                .tandem(&["restore", &shown(&file), "--rehearse"])
                .await
                .context("it is called a backup, and is none")?;
            std::fs::remove_file(file)?;
        }
    }
    let file = back_up(&world).await?;
    let left: Vec<_> =
        std::fs::read_dir(&folder)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    let unfinished = left.iter().filter(|name| name.starts_with(".tandem-backup-")).count();
    assert!(unfinished == 0 && archives(&folder) == [file], "{left:?}");
    world.until_all_told(&ids, PATIENCE).await?;
    world.assert_exactly_once(&ids).await
}

fn archives(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    entries.filter(|path| path.to_string_lossy().ends_with(".tar.zst")).collect()
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_said_and_leaves_the_last_good_one_alone() -> Result<()> {
    let disk = tandem_e2e::machine::SmallDisk::new(16)?;
    let folder = disk.path().join("backups");
    let more = format!("[backup]\nfolder = \"{}\"\nat = \"*/2 * * * * *\"\nkeep = 2\n", folder.display());
    let mut world = World::with(Setup { more, ..Setup::default() }).await?;
    world.up().await?;
    let good = async |world: &World| Ok(readiness(world).await?["last"].as_str().map(str::to_owned));
    let first = world.until("the first backup", PATIENCE, good).await?;
    let kept = async |_: &World| Ok((archives(&folder).len() == 2).then_some(()));
    world.until("two of them", PATIENCE, kept).await?;
    disk.fill()?;
    let told = async |world: &World| {
        let wrong = readiness(world).await?["wrong"].as_str().map(str::to_owned);
        Ok(wrong.filter(|wrong| wrong.contains("the last good one is of")))
    };
    let wrong = world.until("the failure to be told", PATIENCE, told).await?;
    assert!(wrong.to_lowercase().contains("full") || wrong.contains("space"), "{wrong}");
    let (code, checked, _) = world.tandem_raw(&["check"]).await?;
    assert!(code == 3 && checked.contains("no backup was made on"), "{code} {checked}");
    for file in archives(&folder) {
        let rehearsed = world.tandem(&["restore", &shown(&file), "--rehearse"]).await;
        rehearsed.context("the last good ones stay good")?;
    }
    // Orders are made all the same.
    let ids = world.opportunities(2).await?;
    for id in &ids {
        world.win(id).await?;
    }
    world.until_all_told(&ids, PATIENCE).await?;
    disk.empty()?;
    let again = async |world: &World| {
        let told = readiness(world).await?;
        Ok((told["wrong"].is_null() && told["last"].as_str() > Some(first.as_str())).then_some(()))
    };
    world.until("a backup when there is room again", PATIENCE, again).await?;
    let (code, checked, _) = world.tandem_raw(&["check"]).await?;
    assert!(code == 0 && checked.contains("the last one is of"), "{code} {checked}");
    world.assert_exactly_once(&ids).await
}

/// What `/readyz` says of backups.
async fn readiness(world: &World) -> Result<Value> {
    let (_, mut told) = world.send("GET", &format!("{}/readyz", world.console), &Value::Null).await?;
    Ok(told["backup"].take())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_damaged_of_another_kind_or_newer_is_refused_by_name_and_changes_nothing() -> Result<()> {
    let mut world = World::new().await?;
    world.up().await?;
    let ids = world.opportunities(2).await?;
    world.win(&ids[0]).await?;
    world.until_all_told(&ids[..1], PATIENCE).await?;
    let file = back_up(&world).await?;
    world.stop().await?;
    let database = world.folder().join("data/tandem.db");
    let before = std::fs::read(&database)?;
    let whole = std::fs::read(&file)?;
    let mut cut = whole.clone();
    cut.truncate(whole.len() / 2);
    let mut changed = whole.clone();
    changed[whole.len() / 2] ^= 1;
    for (name, bytes) in
        [("cut.tar.zst", cut), ("changed.tar.zst", changed), ("other.tar.zst", b"nothing of the kind".to_vec())]
    {
        let bad = world.folder().join(name);
        std::fs::write(&bad, bytes)?;
        for arguments in [&["--yes"][..], &["--rehearse"], &["--yes", "--with-configuration"]] {
            let shown = shown(&bad);
            let all: Vec<&str> = ["restore", shown.as_str()].into_iter().chain(arguments.iter().copied()).collect();
            let (code, _, errors) = world.tandem_raw(&all).await?;
            assert!(code == 1 && errors.contains(name) && errors.contains("damaged"), "{name}: {code} {errors}");
        }
    }
    let (code, _, errors) = world.tandem_raw(&["restore", "not-there.tar.zst", "--yes"]).await?;
    assert!(code == 4 && errors.contains("not-there"), "{code} {errors}");
    assert_eq!(std::fs::read(&database)?, before, "the database is as it was");
    let leftovers = std::fs::read_dir(world.folder().join("data"))?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with(".tandem-"))
        .collect::<Vec<_>>();
    assert!(leftovers.is_empty(), "{leftovers:?}");
    world.up().await?;
    world.win(&ids[1]).await?;
    world.until_all_told(&ids, PATIENCE).await?;
    world.assert_exactly_once(&ids).await
}

/// The house burnt down: a bare machine, the backup, and the secrets from the safe.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bare_machine_is_brought_up_from_one_file_and_the_secrets() -> Result<()> {
    let mut world = World::new().await?;
    let folder = world.folder().to_owned();
    world.up().await?;
    let ids = world.opportunities(4).await?;
    for id in &ids[..2] {
        world.win(id).await?;
    }
    world.until_all_told(&ids[..2], PATIENCE).await?;
    let backup = back_up(&world).await?;
    world.win(&ids[2]).await?;
    world.until_all_told(&ids[..3], PATIENCE).await?;
    world.kill().await?;

    let safe = tempfile::tempdir()?;
    let file = safe.path().join("backup.tar.zst");
    std::fs::rename(&backup, &file)?;
    let config = std::fs::read(folder.join("tandem.toml"))?;
    for gone in ["data", "plugins", "backups"] {
        std::fs::remove_dir_all(folder.join(gone))?;
    }
    std::fs::remove_file(folder.join("tandem.toml"))?;
    let (code, _, errors) = world.tandem_raw(&["restore", &shown(&file), "--yes"]).await?;
    assert!(code == 2 && errors.contains("tandem.toml"), "without a configuration: {code} {errors}");
    let told = world.tandem(&["restore", &shown(&file), "--yes", "--with-configuration"]).await?;
    assert!(told.contains("[b1.erp] password: the file b1.password"), "{told}");
    assert_eq!(std::fs::read(folder.join("tandem.toml"))?, config);
    assert!(folder.join("plugins/orders.wasm").is_file());
    // No secret is in the file.
    let unpacked = std::process::Command::new("tar").args(["--zstd", "-xOf"]).arg(&file).output();
    if let Ok(unpacked) = unpacked.map(|output| output.stdout)
        && !unpacked.is_empty()
    {
        for secret in ["tandem-secret", "webhook-key", "PRIVATE KEY"] {
            assert!(!unpacked.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret}");
        }
    }
    world.up().await?;
    world.win(&ids[3]).await?;
    world.until_all_told(&ids, PATIENCE).await?;
    world.assert_exactly_once(&ids).await
}
