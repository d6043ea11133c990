//! A whole company for the first time: all flows, both sides; a fifth of it first, to see that it grows as it should.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;
use tandem_e2e::{ALL, Setup, World};

use crate::budgets::{quiet, writes};
use crate::figures::Figures;

/// How much there is on both sides.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Size {
    /// Customers of `--scale`.
    #[arg(long, default_value_t = 20_000)]
    customers: usize,
    /// Items of `--scale`.
    #[arg(long, default_value_t = 50_000)]
    items: usize,
    /// Sales orders of the past, with what followed them, and open opportunities of `--scale`.
    #[arg(long, default_value_t = 20_000)]
    documents: usize,
    /// Leave out a fifth of `--scale`, and the second load.
    #[arg(long)]
    once: bool,
}

impl Size {
    fn fifth(self) -> Self {
        Self { customers: self.customers / 5, items: self.items / 5, documents: self.documents / 5, ..self }
    }
}

/// What a first load took.
struct Load {
    seconds: f64,
    megabytes: f64,
    linking: (f64, f64),
}

const FLOWS: [&str; 6] = ["accounts", "catalogue", "credit", "inventory", "invoices", "fulfilment"];

/// All of it, and a fifth.
pub async fn all(figures: &mut Figures, size: Size) -> Result<()> {
    let small = if size.once { None } else { Some(load(size.fifth()).await?) };
    let large = load(size).await?;
    let what = format!("{} customers, {} items, {} orders", size.customers, size.items, size.documents);
    figures.add(&format!("first load of all flows: {what}"), "s", large.seconds, None, "< 900");
    if let Some(small) = small {
        figures.add("the same for a fifth, times five", "s", small.seconds * 5.0, None, "linear");
    }
    figures.add("the same: memory of the host at its peak", "MB", large.megabytes, None, "< 250");
    figures.add("the same: customers linked", "s", large.linking.0, None, "< 180");
    figures.add(
        "the same: Salesforce calls to link them, and to show their credit (one for 200)",
        "",
        large.linking.1,
        None,
        "< 400 + 100",
    );
    Ok(())
}

async fn load(size: Size) -> Result<Load> {
    let arguments = |of: &[(&str, usize)]| -> Vec<String> {
        of.iter().flat_map(|(name, count)| [(*name).to_owned(), count.to_string()]).collect()
    };
    let both = [("--customers", size.customers), ("--items", size.items)];
    let started = Instant::now();
    let setup = Setup {
        plugins: ALL.to_vec(),
        b1: "poll_seconds = 3600\nstock_scan_seconds = 86400\nprice_scan_seconds = 86400\n".into(),
        b1_arguments: arguments(&[both[0], both[1], ("--orders", size.documents)]),
        salesforce_arguments: arguments(&both),
        opportunities: size.documents,
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    // What is there is old.
    for system in [&world.b1, &world.salesforce] {
        world.send("PUT", &format!("{system}/admin/clock"), &json!({ "offset_ms": 86_400_000 })).await?;
    }
    world.start()?;
    // The simulator goes through all its items for the first look.
    world.ready(Duration::from_secs(900)).await?;
    println!("{size:?}: both systems filled in {:.0} s", started.elapsed().as_secs_f64());
    let (seconds, linking) = once(&mut world, "first").await?;
    let review = world.tandem_json(&["events", "list", "--state", "review", "--limit", "10"]).await?;
    ensure!(review == json!([]), "a first load asks nothing: {review}");
    if !size.once {
        let before = changes(&world).await?;
        once(&mut world, "second").await?;
        let after = changes(&world).await?;
        ensure!(before == after, "a second load writes nothing, but {before:?} became {after:?}");
    }
    let megabytes = super::peak_megabytes(world.host_id());
    println!("{size:?}: {seconds:.0} s, {megabytes:.0} MB");
    Ok(Load { seconds, megabytes, linking })
}

/// Writes that both systems were asked for.
async fn changes(world: &World) -> Result<(f64, f64)> {
    Ok((writes(&world.calls(&world.salesforce).await?), writes(&world.calls(&world.b1).await?)))
}

/// Seconds of all flows, and seconds and Salesforce calls of the customers.
async fn once(world: &mut World, which: &str) -> Result<(f64, (f64, f64))> {
    let mut all = 0.0;
    let mut linking = (0.0, 0.0);
    for flow in FLOWS {
        let before = world.calls(&world.salesforce).await?;
        let started = Instant::now();
        world.tandem(&["backfill", flow, "--yes"]).await?;
        quiet(world).await?;
        // Looking whether all is quiet takes its time, too.
        let seconds = started.elapsed().as_secs_f64() - Duration::from_millis(1_400).as_secs_f64();
        let calls = crate::budgets::total(&world.calls(&world.salesforce).await?) - crate::budgets::total(&before);
        let memory = super::peak_megabytes(world.host_id());
        println!("{which} load of {flow}: {seconds:.1} s, {calls} Salesforce calls, {memory:.0} MB so far");
        if flow == "accounts" {
            linking = (seconds, calls);
        }
        all += seconds;
    }
    Ok((all, linking))
}
