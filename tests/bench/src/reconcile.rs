//! The proof that both sides agree, of a company with very many customers; a fifth of it first, to see that it grows as it should.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tandem_e2e::{Setup, World, console};

use crate::budgets::{quiet, total, writes};
use crate::figures::Figures;

/// What a comparison took.
struct Compared {
    seconds: f64,
    megabytes: f64,
    calls: f64,
}

/// So many customers, linked, and a fifth.
pub async fn all(figures: &mut Figures, customers: usize) -> Result<()> {
    let small = compared(customers / 5).await?;
    let large = compared(customers).await?;
    let what = format!("reconcile accounts: {customers} on both sides");
    figures.add(&what, "s", large.seconds, None, "< 600");
    figures.add("the same for a fifth, times five", "s", small.seconds * 5.0, None, "linear");
    figures.add("the same: calls of both systems", "", large.calls, None, "");
    figures.add("the same: memory of the host at its peak", "MB", large.megabytes, None, "the same");
    figures.add("the same for a fifth", "MB", small.megabytes, None, "");
    Ok(())
}

async fn compared(customers: usize) -> Result<Compared> {
    let size = vec!["--customers".to_owned(), customers.to_string()];
    let setup = Setup {
        plugins: vec!["accounts"],
        b1: "poll_seconds = 3600\n".into(),
        more: "[reconcile]\nat = \"off\"\n".into(),
        b1_arguments: size.clone(),
        salesforce_arguments: size,
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    // What is there is old.
    for system in [&world.b1, &world.salesforce] {
        world.send("PUT", &format!("{system}/admin/clock"), &json!({ "offset_ms": 86_400_000 })).await?;
    }
    world.start()?;
    world.ready(Duration::from_secs(600)).await?;
    let admin = console::admin(&world).await?;
    world.tandem(&["backfill", "accounts", "--yes"]).await?;
    quiet(&world).await?;
    println!("{customers} customers are linked");
    let calls = async || Ok::<_, anyhow::Error>((world.calls(&world.salesforce).await?, world.calls(&world.b1).await?));
    let before = calls().await?;
    let host = world.host_id().context("no host")?;
    // The most that it has from now on.
    std::fs::write(format!("/proc/{host}/clear_refs"), "5").context("forgetting the host's peak")?;
    let started = Instant::now();
    admin.post("/reconcile", json!({})).await?;
    let run = loop {
        let run = admin.get("/reconcile").await?["run"].clone();
        if run["state"] != "goes-on" {
            break run;
        }
        if started.elapsed() > Duration::from_secs(3_600) {
            bail!("not over after an hour: {run}");
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    let seconds = started.elapsed().as_secs_f64();
    let report = run["report"].as_str().with_context(|| format!("no report: {run}"))?;
    let report = admin.get(&format!("/reconcile/reports/{report}")).await?;
    let summary = &report["summary"];
    ensure!(summary["verdict"] == "agree", "what was just linked is in step: {summary}");
    let in_step = summary["in_step"].as_u64().unwrap_or(0);
    ensure!(in_step as usize >= customers, "{in_step} of {customers} customers: {summary}");
    let after = calls().await?;
    let of = |(salesforce, b1): &(Value, Value), count: fn(&Value) -> f64| count(salesforce) + count(b1);
    ensure!(of(&before, writes) == of(&after, writes), "nothing is written: {before:?} {after:?}");
    let megabytes = super::peak_megabytes(Some(host));
    let calls = of(&after, total) - of(&before, total);
    println!("{customers} customers compared in {seconds:.1} s with {calls} calls, {megabytes:.0} MB");
    Ok(Compared { seconds, megabytes, calls })
}
