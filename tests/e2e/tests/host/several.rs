//! Several hosts on one database of PostgreSQL.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tandem_e2e::several::Host;
use tandem_e2e::{Setup, World};

const PATIENCE: Duration = Duration::from_secs(60);

fn setup() -> Setup {
    Setup { shared: true, flow: "batch = 5".into(), ..Setup::default() }
}

/// As many hosts beside the world's own.
fn beside(world: &World, count: usize) -> Result<Vec<Host>> {
    (0..count).map(|n| Host::beside(world, &format!("host-{n}"))).collect()
}

async fn until_hosts(world: &World, count: usize) -> Result<()> {
    let look = async |world: &World| {
        let hosts = world.tandem_json(&["hosts"]).await?;
        let hosts = hosts.as_array().context("no list of hosts")?;
        let turns = hosts.iter().filter(|host| host["turn_since"].is_i64()).count();
        Ok((hosts.len() == count && turns == 1).then_some(()))
    };
    world.until(&format!("{count} hosts, one of which has the turn"), PATIENCE, look).await
}

/// From now on the database itself notes each run that begins beside another one of its record, or past an older event of it that is ready or runs.
/// Clocks of hosts say that only to within a moment.
fn watch_order(world: &World) -> Result<()> {
    world.database.rows(
        "CREATE TABLE out_of_order (words TEXT); \
         CREATE FUNCTION watch_order() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN \
           INSERT INTO out_of_order SELECT new_event.key || ': event ' || new_event.id || ' beside or past ' || other.id \
             FROM events AS new_event JOIN events AS other ON other.flow = new_event.flow AND other.key = new_event.key AND other.id <> new_event.id \
             WHERE new_event.id = new.event AND ((other.id < new_event.id AND other.state = 0) OR EXISTS \
               (SELECT 1 FROM run_events JOIN runs ON runs.id = run WHERE event = other.id AND run <> new.run AND finished_at IS NULL)); \
           RETURN new; END $$; \
         CREATE TRIGGER watch_order AFTER INSERT ON run_events FOR EACH ROW EXECUTE FUNCTION watch_order()",
    )?;
    Ok(())
}

fn assert_order_kept(world: &World) -> Result<()> {
    let found = world.database.rows("SELECT words FROM out_of_order LIMIT 10")?;
    ensure!(found.is_empty(), "{found:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_joins_needs_its_configuration_alone_and_shares_the_work() -> Result<()> {
    let mut world = World::with(setup()).await?;
    world.b1_faults(json!([{ "path": "/b1s/v2", "kind": { "latency": 30 }, "rate": 1 }])).await?;
    world.up().await?;
    watch_order(&world)?;
    let mut others = beside(&world, 2)?;
    others.iter_mut().try_for_each(Host::start)?;
    until_hosts(&world, 3).await?;
    let ids = world.opportunities(90).await?;
    for id in &ids {
        world.win(id).await?;
    }
    world.until_all_told(&ids, PATIENCE).await?;
    world.settled().await?;
    world.assert_exactly_once(&ids).await?;
    assert_order_kept(&world)?;
    let shares = world.database.rows("SELECT count(*) FROM runs GROUP BY host")?;
    ensure!(shares.len() > 1, "runs of each host: {shares:?}");
    // The one that has the turn goes politely: another does what it did.
    world.stop().await?;
    until_hosts(&world, 2).await?;
    let more = world.opportunities(5).await?;
    for id in &more {
        world.win(id).await?;
    }
    world.until_all_told(&more, PATIENCE).await?;
    for host in &mut others {
        host.stop().await?;
    }
    ensure!(world.tandem_json(&["hosts"]).await? == json!([]));
    Ok(())
}

/// Both have the same files; what changes on one stays, however often the other looks at its own, and is not taken back by one that starts with older ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_on_one_host_is_taken_up_by_all_and_taken_back_by_none() -> Result<()> {
    let mut world = World::with(setup()).await?;
    world.up().await?;
    let mut other = Host::beside(&world, "host-0")?;
    std::fs::create_dir(other.folder().join("plugins"))?;
    std::fs::copy(world.folder().join("plugins/orders.wasm"), other.folder().join("plugins/orders.wasm"))?;
    other.start()?;
    until_hosts(&world, 2).await?;
    // As long as its first files are looked at.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let live = |world: &World| world.database.rows("SELECT release FROM activations ORDER BY id");
    ensure!(live(&world)?.len() == 1, "{:?}", live(&world)?);
    let toml = world.folder().join("tandem.toml");
    let changed = std::fs::read_to_string(&toml)?.replace("batch = 5", "batch = 5\nsettings = { warehouse = \"02\" }");
    std::fs::write(&toml, changed)?;
    let two = async |world: &World| Ok((live(world)?.len() > 1).then_some(()));
    world.until("the change to be live", PATIENCE, two).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    other.kill().await?;
    other.start()?;
    tokio::time::sleep(Duration::from_secs(8)).await;
    ensure!(live(&world)?.len() == 2, "it goes back and forth: {:?}", live(&world)?);
    Ok(())
}

/// Killed, frozen for longer than others wait, the database's server fallen: each opportunity ends with one order, told, and in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn won_opportunities_survive_the_end_of_any_host_and_of_the_databases_server() -> Result<()> {
    let number =
        |name: &str, default: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let seed = number("TANDEM_SEED", fastrand::u64(1..1_000_000));
    println!("TANDEM_SEED={seed}");
    let upsets = number("TANDEM_SOAK_KILLS", 12);
    let mut chance = fastrand::Rng::with_seed(seed);
    let mut world = World::with(Setup { seed, ..setup() }).await?;
    let ids = world.opportunities(500.max(usize::try_from(upsets)? * 5)).await?;
    world
        .b1_faults(json!([
            { "path": "/b1s/v2/$batch", "kind": "reset-after", "rate": 0.03 },
            { "path": "/b1s/v2", "kind": { "latency": 20 }, "rate": 0.5 },
        ]))
        .await?;
    // The one that has the plugin goes once the release is live.
    world.up().await?;
    world.stop().await?;
    watch_order(&world)?;
    let mut hosts = beside(&world, 3)?;
    let per_upset = ids.len().div_ceil(usize::try_from(upsets)?);
    let mut open = ids.iter();
    let (mut killed, mut frozen, mut fallen, mut thaws) = (0, 0, 0, Vec::<(usize, Instant)>::new());
    for _ in 0..upsets {
        for id in open.by_ref().take(per_upset) {
            world.win(id).await?;
        }
        let until = Instant::now() + Duration::from_millis(chance.u64(300..4_000));
        while Instant::now() < until {
            for host in hosts.iter_mut().filter(|host| !host.is_frozen()) {
                host.keep_up()?;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            for (n, _) in thaws.extract_if(.., |(_, at)| *at <= Instant::now()) {
                hosts[n].thaw().await?;
            }
        }
        let n = chance.usize(..hosts.len());
        match chance.u8(..8) {
            0 => {
                world.database.server_falls()?;
                fallen += 1;
            }
            1..=3 if !hosts[n].is_frozen() && thaws.is_empty() => {
                hosts[n].freeze().await?;
                thaws.push((n, Instant::now() + Duration::from_millis(chance.u64(1_000..15_000))));
                frozen += 1;
            }
            _ if !hosts[n].is_frozen() => {
                hosts[n].kill().await?;
                killed += 1;
            }
            _ => {}
        }
    }
    for id in open {
        world.win(id).await?;
    }
    for (n, _) in thaws {
        hosts[n].thaw().await?;
    }
    let until = Instant::now() + Duration::from_secs(240 + upsets);
    loop {
        for host in &mut hosts {
            host.keep_up()?;
        }
        match world.until_all_told(&ids, Duration::from_secs(5)).await {
            Ok(()) => break,
            Err(_) if Instant::now() < until => {}
            Err(error) => return Err(error.context(stands(&world, &hosts)?)),
        }
    }
    if let Err(error) = world.settled().await {
        return Err(error.context(stands(&world, &hosts)?));
    }
    world.assert_exactly_once(&ids).await?;
    assert_order_kept(&world)?;
    println!(
        "{killed} kills, {frozen} freezes, {fallen} falls of the server: {} opportunities with one order each",
        ids.len()
    );
    Ok(())
}

/// What is open, and who lives.
fn stands(world: &World, hosts: &[Host]) -> Result<String> {
    let open = "SELECT 'run ' || id || ' of ' || host || ' since ' || started_at FROM runs WHERE finished_at IS NULL";
    let open = world.database.rows(open)?.join("\n");
    let live = world.database.rows("SELECT 'host ' || id || ' seen ' || seen FROM hosts")?.join("\n");
    let logs: String = hosts.iter().map(Host::log).map(|log| tail(&log)).collect();
    Ok(format!("{open}\n{live}\n{logs}"))
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().filter(|line| !line.contains("\"outcome\":\"done\"")).collect();
    lines[lines.len().saturating_sub(8)..].join("\n") + "\n---\n"
}
