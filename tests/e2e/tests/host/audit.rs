//! The audit trail of the program as it is handed out: whoever changes a line of it is found out, and others check it with tools of their own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tandem_e2e::{Setup, World, root};

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// The program of the operator guide, in a file.
fn program_of_the_guide(world: &World) -> Result<PathBuf> {
    let guide = std::fs::read_to_string(root().join("docs/operator-guide.md"))?;
    let (_, rest) = guide.split_once("```python\n").context("a program in the guide")?;
    let (program, _) = rest.split_once("```").context("its end")?;
    let file = world.folder().join("check.py");
    std::fs::write(&file, program)?;
    Ok(file)
}

/// What it says of an export.
fn checked(program: &Path, export: &Path) -> Result<String> {
    let said = Command::new("python3").args([program, export]).output().context("python3")?;
    Ok(format!("{}{}", String::from_utf8(said.stdout)?, String::from_utf8(said.stderr)?).trim().to_owned())
}

async fn broken(world: &World, arguments: &[&str]) -> Result<Vec<(i64, String)>> {
    let (code, told, errors) = world.tandem_raw(&[&["audit", "verify", "--json"], arguments].concat()).await?;
    let told: Value = serde_json::from_str(&told).with_context(|| format!("{code} {errors}"))?;
    let breaks = told["breaks"].as_array().context("breaks")?;
    let expected = if breaks.is_empty() { (0, true) } else { (3, false) };
    ensure!((code, told["holds"] == true) == expected, "{code} {told}");
    let own = |own: &Value| Some((own["line"].as_i64()?, own["wrong"].as_str()?.to_owned()));
    breaks.iter().map(own).collect::<Option<_>>().with_context(|| told.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_changes_the_audit_trail_is_found_out_and_others_can_check_an_export() -> Result<()> {
    let mut world = World::with(Setup::default()).await?;
    for name in ["ilsebill", "bert", "carla", "dora"] {
        world.tandem(&["account", "add", name, "--role", "viewer"]).await?;
    }
    world.up().await?;
    world.tandem(&["account", "remove", "bert"]).await?;
    ensure!(broken(&world, &[]).await?.is_empty());
    let told = world.tandem_json(&["audit", "verify"]).await?;
    let head = told["head"].as_str().context("a head")?.to_owned();
    let lines = told["lines"].as_i64().context("lines")?;
    ensure!(lines >= 5 && told["last_line"] == lines, "{told}");

    let (export, masked, program) =
        (world.folder().join("audit.jsonl"), world.folder().join("masked.jsonl"), program_of_the_guide(&world)?);
    world.tandem(&["audit", "export", &shown(&export)]).await?;
    world.tandem(&["audit", "export", &shown(&masked), "--masked"]).await?;
    let (text, without) = (std::fs::read_to_string(&export)?, std::fs::read_to_string(&masked)?);
    ensure!(text.contains("account ilsebill") && text.contains(&head), "{text}");
    ensure!(!without.contains("ilsebill") && without.contains(&head) && without.contains("account.make"), "{without}");
    for file in [&export, &masked] {
        ensure!(checked(&program, file)? == "holds", "{}: {}", file.display(), checked(&program, file)?);
    }
    // Changed, cut off, and of a part.
    let forged = world.folder().join("forged.jsonl");
    std::fs::write(&forged, text.replacen("account carla", "account bertha", 1))?;
    ensure!(checked(&program, &forged)?.ends_with("does not hold"), "{}", checked(&program, &forged)?);
    let mut cut: Vec<&str> = text.lines().collect();
    cut.remove(cut.len() - 2);
    std::fs::write(&forged, cut.join("\n"))?;
    ensure!(checked(&program, &forged)? == "the end is missing", "{}", checked(&program, &forged)?);
    let today = world.tandem(&["audit", "export", "-", "--since", "2026-01-01"]).await?;
    ensure!(today.lines().count() as i64 == lines + 1, "{today}");
    let (code, _, errors) = world.tandem_raw(&["audit", "export", "-", "--until", "2020-01-01"]).await?;
    ensure!(code == 4 && errors.contains("no line"), "{code} {errors}");
    let (code, _, errors) = world.tandem_raw(&["audit", "export", &shown(&export)]).await?;
    ensure!(code == 2 && errors.contains("is there already"), "nothing is written over: {code} {errors}");

    // The trail goes on, and what was kept stays found in it.
    world.tandem(&["account", "remove", "dora"]).await?;
    ensure!(broken(&world, &["--head", &head, "--against", &shown(&export)]).await?.is_empty());
    let (code, _, errors) = world.tandem_raw(&["audit", "verify", "--head", "12"]).await?;
    ensure!(code == 2 && errors.contains("64 digits"), "{code} {errors}");

    // Beside the running host, as who can write the file does it.
    let database = rusqlite::Connection::open(world.folder().join("data/tandem.db"))?;
    let said: String = database.query_row("SELECT what FROM acts WHERE id = 3", [], |row| row.get(0))?;
    database.execute_batch("DROP TRIGGER acts_stay; UPDATE acts SET what = 'account boss' WHERE id = 3")?;
    ensure!(broken(&world, &[]).await? == [(3, "changed".to_owned())]);
    let (code, told, _) = world.tandem_raw(&["audit", "verify"]).await?;
    ensure!(code == 3 && told.contains("line 3: it says something else"), "{code} {told}");
    database.execute("UPDATE acts SET what = ?1 WHERE id = 3", [said])?;
    ensure!(broken(&world, &[]).await?.is_empty(), "it says again what it said");
    world.stop().await?;
    database.execute_batch(&format!(
        "DELETE FROM acts WHERE id >= {lines}; UPDATE sqlite_sequence SET seq = {lines} - 1 WHERE name = 'acts'"
    ))?;
    ensure!(broken(&world, &[]).await?.is_empty(), "nothing in the database says so");
    for kept in [["--head", &head], ["--against", &shown(&export)]] {
        ensure!(broken(&world, &kept).await? == [(lines - 1, "head-not-found".to_owned())]);
    }
    Ok(())
}
