//! People's data: no more of it is kept than the operator wants, it goes when a person asks, and nobody reads it without its key.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

const PATIENCE: Duration = Duration::from_secs(60);
const NAME: &str = "Zwetschgenbaum";

fn setup() -> Setup {
    Setup {
        plugins: vec!["orders", "accounts"],
        flows: vec![("accounts", "settings = { series = 11, create_in_b1 = \"all\" }")],
        b1: "poll_seconds = 1\ntime_zone = \"Europe/Berlin\"".into(),
        ..Setup::default()
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Events of a key, once all are finished and `holds` of each.
async fn events_of(world: &World, key: &str, holds: impl Fn(&Value) -> bool) -> Result<Vec<Value>> {
    let look = async |world: &World| {
        let events = world.tandem_json(&["events", "list", "--key", key]).await?;
        let events = events.as_array().cloned().unwrap_or_default();
        Ok((!events.is_empty() && events.iter().all(&holds)).then_some(events))
    };
    world.until("its events", PATIENCE, look).await
}

/// The database with all that SQLite keeps beside it, in small letters.
fn database(world: &World) -> Result<String> {
    let mut text = String::new();
    for name in ["tandem.db", "tandem.db-wal"] {
        let path = world.folder().join("data").join(name);
        if path.exists() {
            text.push_str(&String::from_utf8_lossy(&std::fs::read(path)?).to_lowercase());
        }
    }
    Ok(text)
}

async fn partners(world: &World, name: &str) -> Result<Vec<Value>> {
    let all = world.b1_records("BusinessPartners").await?;
    Ok(all.into_iter().filter(|partner| partner["CardName"] == name).collect())
}

/// An account of a person, and its partner in B1.
async fn account(world: &World, name: &str) -> Result<String> {
    let fields =
        json!({ "Name": name, "Phone": "0221 998877", "BillingStreet": "Rosenweg 3 b", "BillingCity": "Köln" });
    let id = world.create("Account", fields).await?;
    let made = async |world: &World| Ok((partners(world, name).await?.len() == 1).then_some(()));
    world.until("the customer in B1", PATIENCE, made).await?;
    Ok(id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_finished_is_kept_as_its_flow_says_and_nobody_goes_through_again_what_is_not() -> Result<()> {
    let setup = Setup {
        flow: "keep = { payloads = \"hashed\", days = 7 }".into(),
        flows: vec![("accounts", "settings = { series = 11, create_in_b1 = \"all\" }\nkeep = { payloads = \"none\" }")],
        ..setup()
    };
    let mut world = World::with(setup).await?;
    world.up().await?;
    let account = account(&world, &format!("Hannelore {NAME}")).await?;
    let ids = world.opportunities(1).await?;
    world.change("Opportunity", &ids[0], json!({ "Name": format!("Garden of {NAME}") })).await?;
    world.win(&ids[0]).await?;
    world.until_all_told(&ids, PATIENCE).await?;
    let hashed = events_of(&world, &ids[0], |event| event["kept"] == "hashed").await?;
    let none = events_of(&world, &account, |event| event["kept"] == "ids").await?;
    let told = format!("{hashed:?} {none:?}");
    assert!(!told.contains(NAME), "{told}");
    assert!(none.iter().all(|event| event["payload"] == "{}"), "{none:?}");

    let event = hashed[0]["id"].to_string();
    let (code, _, errors) = world.tandem_raw(&["replay", &event, "--dry-run"]).await?;
    assert!(code == 1 && errors.contains("cannot be gone through again: only hashes"), "{code} {errors}");
    let (code, _, errors) = world.tandem_raw(&["events", "retry", &event]).await?;
    assert!(code == 2 && errors.contains("only hashes of its values are kept"), "{code} {errors}");
    let explained = world.tandem(&["explain", &ids[0]]).await?;
    assert!(explained.contains("only hashes of its values are kept") && !explained.contains(NAME), "{explained}");
    // It goes on all the same: what is changed later is found by its link, and nothing is made twice.
    world.change("Opportunity", &ids[0], json!({ "Tandem_PO_Number__c": "PO 7" })).await?;
    let changed = async |world: &World| {
        let orders = world.orders_of(&ids[0]).await?;
        Ok((orders.len() == 1 && orders[0]["NumAtCard"] == "PO 7").then_some(()))
    };
    world.until("the change of the order", PATIENCE, changed).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_is_shown_all_that_is_kept_of_them_and_is_forgotten_beside_a_running_host() -> Result<()> {
    let mut world = World::with(setup()).await?;
    world.up().await?;
    let name = format!("Hannelore {NAME}");
    let id = account(&world, &name).await?;
    let other = account(&world, "Bert Bleibt").await?;
    events_of(&world, &id, |event| event["state"] == "done").await?;
    world.settled().await?;

    let file = world.folder().join("export.json");
    world.tandem(&["export", &id, "--to", &shown(&file)]).await?;
    let exported = std::fs::read_to_string(&file)?;
    let told: Value = serde_json::from_str(&exported)?;
    assert!(exported.contains(NAME) && !exported.contains("Bleibt"), "{exported}");
    for part in ["links", "events", "calls"] {
        assert!(told[part].as_array().is_some_and(|part| !part.is_empty()), "{part}: {exported}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&file)?.permissions().mode() & 0o777, 0o600);
    }
    let (code, _, errors) = world.tandem_raw(&["export", &id, "--to", &shown(&file)]).await?;
    assert!(code == 1 && errors.contains("exists"), "nothing is written over: {code} {errors}");
    std::fs::remove_file(&file)?;

    assert!(database(&world)?.contains(&NAME.to_lowercase()));
    let found = world.tandem_json(&["forget", &id]).await?;
    assert!(found["events"].as_u64() > Some(0) && found["wiped"] == false, "{found}");
    let known = &found["records"][0];
    assert!(known["kind"] == "account" && known["salesforce"] == id.as_str() && known["b1"].is_string(), "{found}");
    assert!(database(&world)?.contains(&NAME.to_lowercase()), "nothing was changed");
    let gone = world.tandem_json(&["forget", &id, "--yes"]).await?;
    assert!(gone["wiped"] == true && gone["stays"]["links"].as_u64() > Some(0), "{gone}");
    assert!(!database(&world)?.contains(&NAME.to_lowercase()), "it is in the file still: {gone}");
    let events = events_of(&world, &id, |event| event["kept"] == "forgotten").await?;
    assert!(!format!("{events:?}").contains(NAME), "{events:?}");
    let explained = world.tandem(&["explain", &id]).await?;
    assert!(explained.contains("a person was forgotten") && !explained.contains(NAME), "{explained}");
    let event = events[0]["id"].to_string();
    let (code, _, errors) = world.tandem_raw(&["replay", &event, "--dry-run"]).await?;
    assert!(code == 1 && errors.contains("a person was forgotten"), "{code} {errors}");
    events_of(&world, &other, |event| event.get("kept").is_none()).await?;
    let others = world.tandem(&["explain", &other]).await?;
    assert!(others.contains("Bleibt"), "{others}");

    // Both systems have the record still; it stays one.
    world.change("Account", &id, json!({ "Phone": "0221 1" })).await?;
    let changed = async |world: &World| {
        let partners = partners(world, &name).await?;
        Ok((partners.len() == 1 && partners[0]["Phone1"] == "0221 1").then_some(()))
    };
    world.until("the change of the one customer", PATIENCE, changed).await?;
    let (code, _, errors) = world.tandem_raw(&["forget", "003000000000000AAA", "--yes"]).await?;
    assert!(code == 4 && errors.contains("nothing is kept of"), "{code} {errors}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sealed_database_is_read_with_its_key_alone_and_gets_another_one_beside_a_running_host() -> Result<()> {
    let mut world = World::with(setup()).await?;
    world.up().await?;
    let id = account(&world, &format!("Hannelore {NAME}")).await?;
    events_of(&world, &id, |event| event["state"] == "done").await?;
    world.stop().await?;
    let key = world.folder().join("tandem.key");
    world.tandem(&["store", "make-key", &shown(&key)]).await?;
    let (toml, before) = {
        let toml = world.folder().join("tandem.toml");
        let text = std::fs::read_to_string(&toml)?;
        (toml, text)
    };
    std::fs::write(&toml, format!("{before}\n[store]\nkey = {{ file = \"tandem.key\" }}\n"))?;
    world.up().await?;
    assert!(database(&world)?.contains(&NAME.to_lowercase()), "what was there is kept as it was");
    world.tandem(&["store", "seal"]).await?;
    let told = world.tandem_json(&["store", "status"]).await?;
    assert!(told["words"].is_string() && told["words"] == told["current"], "{told}");
    assert!(!database(&world)?.contains(&NAME.to_lowercase()), "sealed");
    let second = account(&world, &format!("Gunda {NAME}")).await?;
    events_of(&world, &second, |event| event["state"] == "done").await?;
    assert!(!database(&world)?.contains(&NAME.to_lowercase()), "sealed as it comes");
    let told = world.tandem_json(&["store", "status"]).await?;
    let first_key = told["current"].as_str().context("a key")?.to_owned();
    assert_eq!(told["values"].as_object().map(|values| values.len()), Some(1), "{told}");

    // Another key, while the host works.
    let rotated = world.tandem_json(&["store", "rotate-key"]).await?;
    assert_ne!(rotated["key"], first_key.as_str());
    let third = account(&world, &format!("Wilma {NAME}")).await?;
    events_of(&world, &third, |event| event["state"] == "done").await?;
    let told = world.tandem_json(&["store", "status"]).await?;
    assert_eq!(told["used"], json!([rotated["key"]]), "{told}");
    assert_eq!(told["words"], rotated["key"], "{told}");
    assert_eq!(told["values"].as_object().map(|values| values.len()), Some(1), "{told}");
    let explained = world.tandem(&["explain", &id]).await?;
    assert!(explained.contains(NAME), "{explained}");

    // A backup says which key it needs, and holds none.
    let backups = world.folder().join("backups");
    let made = world.tandem_json(&["backup", "--to", &shown(&backups)]).await?;
    let file: PathBuf = made["file"].as_str().context("a file")?.into();
    let secret = std::fs::read_to_string(&key)?;
    let report = world.folder().join("report.md");
    world.tandem(&["doctor", "--output", &shown(&report)]).await?;
    let report = std::fs::read_to_string(report)?;
    assert!(secret.split_whitespace().all(|line| !report.contains(line)), "{report}");
    world.stop().await?;

    // Without the key, with the wrong one, and with the right one again.
    let id_of = rotated["key"].as_str().context("a key")?;
    std::fs::write(&toml, &before)?;
    let (code, _, errors) = world.tandem_raw(&["events", "list"]).await?;
    assert!(code != 0 && errors.contains(id_of), "{code} {errors}");
    std::fs::write(&toml, format!("{before}\n[store]\nkey = {{ file = \"tandem.key\" }}\n"))?;
    let old = secret.lines().next_back().context("the older key")?;
    std::fs::write(&key, old)?;
    let (code, _, errors) = world.tandem_raw(&["events", "list"]).await?;
    assert!(code != 0 && errors.contains(id_of), "{code} {errors}");
    let (code, _, errors) = world.tandem_raw(&["restore", &shown(&file), "--yes"]).await?;
    assert!(code == 2 && errors.contains(id_of), "{code} {errors}");
    std::fs::write(&key, &secret)?;
    world.tandem(&["restore", &shown(&file), "--yes"]).await?;
    world.up().await?;
    let explained = world.tandem(&["explain", &id]).await?;
    assert!(explained.contains(NAME), "{explained}");
    Ok(())
}
