//! Databases of every format that was handed out open in this version with all that is in them, and the host goes on with them.
//! `cargo test --test host -- --ignored the_database_of_this_format` makes the one of this version, in `fixtures/databases`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tandem_e2e::{Setup, World, root};
use tokio::process::Command;

fn fixtures() -> PathBuf {
    root().join("tests/e2e/fixtures/databases")
}

fn format_of(database: &Path) -> Result<i64> {
    let own = rusqlite::Connection::open(database)?;
    Ok(own.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

async fn gzip(arguments: &[&str], from: &Path, to: &Path) -> Result<()> {
    let mut command = Command::new("gzip");
    command.args(arguments).arg("-c").stdin(std::fs::File::open(from)?).stdout(std::fs::File::create(to)?);
    ensure!(command.status().await?.success(), "gzip {}", from.display());
    Ok(())
}

/// Three that became orders, and one that is asked about.
async fn worked() -> Result<(World, Vec<String>)> {
    let mut world = World::with(Setup::default()).await?;
    let ids = world.opportunities(4).await?;
    for line in world.lines(&ids[3]).await? {
        world.change("OpportunityLineItem", line["Id"].as_str().context("an id")?, json!({ "Quantity": 0 })).await?;
    }
    for id in &ids {
        world.win(id).await?;
    }
    world.up().await?;
    world.until_all_told(&ids[..3], Duration::from_secs(60)).await?;
    world.until_state(&ids[3], "Review").await?;
    world.settled().await?;
    world.stop().await?;
    Ok((world, ids))
}

#[tokio::test]
#[ignore = "makes a fixture"]
async fn the_database_of_this_format() -> Result<()> {
    let (world, _) = worked().await?;
    let (database, whole) = (world.folder().join("data/tandem.db"), world.folder().join("whole.db"));
    let own = rusqlite::Connection::open(&database)?;
    own.execute("VACUUM INTO ?1", [whole.to_str().context("a path")?])?;
    std::fs::create_dir_all(fixtures())?;
    gzip(&["-9n"], &whole, &fixtures().join(format!("format-{}.db.gz", format_of(&whole)?))).await
}

#[tokio::test]
async fn a_database_of_every_format_opens_and_its_host_goes_on() -> Result<()> {
    let mut formats = Vec::new();
    for entry in std::fs::read_dir(fixtures())? {
        // The same systems, in which nothing was done yet.
        let mut world = World::with(Setup::default()).await?;
        let ids = world.opportunities(5).await?;
        world.tandem(&["events", "list"]).await?;
        let database = world.folder().join("data/tandem.db");
        let now = format_of(&database)?;
        for gone in ["tandem.db", "tandem.db-wal", "tandem.db-shm"] {
            let _ = std::fs::remove_file(database.with_file_name(gone));
        }
        gzip(&["-d"], &entry?.path(), &database).await?;
        let format = format_of(&database)?;
        world.tandem(&["plugin", "grant", "orders", "--yes"]).await?;
        formats.push((format, now));
        let events = world.tandem_json(&["events", "list"]).await?;
        let states = |state: &str| events.as_array().into_iter().flatten().filter(|own| own["state"] == state).count();
        ensure!(states("review") == 1 && states("done") >= 3, "format {format}: {events}");
        let asked = world.tandem_json(&["review", "list"]).await?;
        ensure!(
            asked[0]["key"] == ids[3].as_str()
                && asked[0]["reason"].as_str().is_some_and(|why| why.contains("quantity")),
            "{asked}"
        );
        let explained = world.tandem_json(&["explain", &ids[0]]).await?.to_string();
        ensure!(explained.contains("CardCode") && explained.contains("order"), "format {format}: {explained}");
        ensure!(format_of(&database)? == now, "it is brought to this version's format");
        let trail = world.tandem_json(&["audit", "verify"]).await?;
        ensure!(trail["lines"].as_u64() > Some(0), "format {format}: {trail}");
        world.up().await?;
        world.win(&ids[4]).await?;
        world.until_all_told(&ids[4..], Duration::from_secs(60)).await?;
        world.assert_exactly_once(&ids[4..]).await?;
        world.stop().await?;
    }
    formats.sort_unstable();
    ensure!(formats.last().is_some_and(|(last, now)| last == now), "this version's own has no fixture: {formats:?}");
    Ok(())
}
