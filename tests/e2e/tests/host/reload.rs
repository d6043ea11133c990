//! `tandem.toml` is taken up when it changes: flows, settings, connections, without a restart and without losing an event.

use std::time::Duration;

use anyhow::Result;
use tandem_e2e::World;

const PATIENCE: Duration = Duration::from_secs(30);

fn config(world: &World) -> Result<String> {
    Ok(std::fs::read_to_string(world.folder().join("tandem.toml"))?)
}

fn write(world: &World, text: &str) -> Result<()> {
    Ok(std::fs::write(world.folder().join("tandem.toml"), text)?)
}

async fn told_times(world: &World, word: &'static str, times: usize) -> Result<()> {
    let told = async |world: &World| Ok((world.log().matches(word).count() >= times).then_some(()));
    world.until(word, PATIENCE, told).await
}

const FLOW: &str = "\n[flows.accounts]\nplugin = \"accounts\"\nconnections = { b1 = \"erp\", salesforce = \"crm\" }\n";

#[tokio::test]
async fn a_flow_that_is_added_changed_and_taken_out_is_so_while_orders_are_made_each_once() -> Result<()> {
    let mut world = World::new().await?;
    world.up().await?;
    let process = world.host_id();
    let first = config(&world)?;
    let ids = world.opportunities(60).await?;
    let (one, rest) = ids.split_at(20);
    let (two, three) = rest.split_at(20);
    for id in one {
        world.win(id).await?;
    }
    std::fs::copy(tandem_e2e::wasm("accounts"), world.folder().join("plugins/accounts.wasm"))?;
    world.tandem(&["plugin", "grant", "accounts", "--yes"]).await?;
    write(&world, &format!("{first}{FLOW}"))?;
    for id in two {
        world.win(id).await?;
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    told_times(&world, "tandem.toml was changed: taken up", 1).await?;
    let both_run = async |world: &World| {
        let Ok(told) = world.get(&format!("{}/readyz", world.console)).await else { return Ok(None) };
        let runs = |flow: &str| told["flows"][flow]["state"] == "running";
        Ok((runs("accounts") && runs("orders")).then_some(()))
    };
    world.until("both flows to run", PATIENCE, both_run).await?;
    // Its settings, and another connection's section.
    let changed = first.replace("requests_per_second = 2000\n\n", "requests_per_second = 1900\n\n");
    assert_ne!(changed, first);
    let settings = "settings = { warehouse = \"01\" }\n";
    write(&world, &format!("{}{FLOW}", changed.replace("[flows.orders]\n", &format!("[flows.orders]\n{settings}"))))?;
    for id in three {
        world.win(id).await?;
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    told_times(&world, "tandem.toml was changed: taken up", 2).await?;
    world.until_all_told(&ids, PATIENCE).await?;
    world.assert_exactly_once(&ids).await?;
    let with_settings = async |world: &World| {
        let shown = world.tandem_json(&["release", "show", "orders"]).await?;
        Ok((shown["manifest"]["settings"]["warehouse"] == "01").then_some(shown))
    };
    let shown = world.until("the release with the settings", PATIENCE, with_settings).await?;
    assert_eq!(shown["activations"][0]["why"], "changed: settings");
    write(&world, &first)?;
    let gone = async |world: &World| {
        let Ok(told) = world.get(&format!("{}/readyz", world.console)).await else { return Ok(None) };
        Ok((told["ready"] == true && told["flows"]["accounts"].is_null()).then_some(()))
    };
    world.until("the flow to be gone", PATIENCE, gone).await?;
    assert_eq!(world.host_id(), process, "it is the same process");
    Ok(())
}

#[tokio::test]
async fn a_mistake_in_it_changes_nothing_and_is_told_until_it_is_mended() -> Result<()> {
    let mut world = World::new().await?;
    world.up().await?;
    let first = config(&world)?;
    write(&world, &first.replace("plugin = \"orders\"", "plugni = \"orders\""))?;
    let warned = async |world: &World| {
        let Ok(told) = world.get(&format!("{}/readyz", world.console)).await else { return Ok(None) };
        Ok(told["warnings"]["tandem.toml"].as_str().map(str::to_owned))
    };
    let why = world.until("a warning", PATIENCE, warned).await?;
    assert!(why.contains("plugni") && why.contains("line"), "{why}");
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    // A webhook key that is not there is found only when the parts are made: the host goes back to what it had.
    let keyless = first.replace("webhook.key", "no.key");
    assert_ne!(keyless, first);
    write(&world, &keyless)?;
    let names_key = async |world: &World| Ok(warned(world).await?.filter(|why| why.contains("no.key")));
    world.until("the other warning", PATIENCE, names_key).await?;
    world.ready(PATIENCE).await?;
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    // A file that was emptied ends no flow.
    write(&world, "[host]\n")?;
    let names_flows = async |world: &World| Ok(warned(world).await?.filter(|why| why.contains("no flow is left")));
    world.until("the third warning", PATIENCE, names_flows).await?;
    write(&world, &first)?;
    let calm = async |world: &World| Ok(warned(world).await?.is_none().then_some(()));
    world.until("no warning", PATIENCE, calm).await?;
    // The key is gone for what runs, too: nothing is taken down that could not come up again.
    let key = world.folder().join("webhook.key");
    std::fs::remove_file(&key)?;
    write(&world, &first.replace("requests_per_second = 2000\n\n", "requests_per_second = 1900\n\n"))?;
    let names_key = async |world: &World| Ok(warned(world).await?.filter(|why| why.contains("webhook.key")));
    world.until("the warning of the key", PATIENCE, names_key).await?;
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    Ok(())
}

/// Each component is what it is, wherever it is looked at.
#[tokio::test]
async fn a_flows_plugin_named_as_its_mapper_by_mistake_changes_nothing() -> Result<()> {
    let mut world = World::new().await?;
    world.up().await?;
    let first = config(&world)?;
    write(&world, &first.replace("[flows.orders]\n", "[flows.orders]\nmapper = \"plugins/orders.wasm\"\n"))?;
    told_times(&world, "it is the plugin of a flow, and no mapping plugin", 1).await?;
    let ids = world.opportunities(2).await?;
    world.win(&ids[0]).await?;
    world.until_state(&ids[0], "Synced").await?;
    write(&world, &first)?;
    // A mapping plugin among the plugins.
    std::fs::copy(tandem_e2e::wasm("region_mapper"), world.folder().join("plugins/region-mapper.wasm"))?;
    let (code, told, _) = world.tandem_raw(&["plugin", "list"]).await?;
    assert!(code == 3 && told.contains("it is a mapping plugin"), "{code} {told}");
    world.win(&ids[1]).await?;
    world.until_state(&ids[1], "Synced").await?;
    world.assert_exactly_once(&ids).await
}

/// A component that takes seconds to compile.
fn large() -> Result<Vec<u8>> {
    let body = String::from(
        "(func (param i32) (result i32) (local.get 0) (i32.const 5) (i32.mul) (i32.const 7) (i32.add) (local.get 0) (i32.xor))",
    );
    Ok(wat::parse_str(format!("(component (core module {}))", body.repeat(60_000)))?)
}

#[tokio::test]
async fn nobody_waits_while_the_plugin_of_a_new_flow_is_compiled_and_a_stop_is_heard() -> Result<()> {
    let mut world = World::new().await?;
    // What is compiled here is of no use to other tests.
    std::fs::remove_file(world.folder().join("data/compiled"))?;
    world.up().await?;
    let first = config(&world)?;
    std::fs::write(world.folder().join("plugins/accounts.wasm"), large()?)?;
    let began = std::time::Instant::now();
    write(&world, &format!("{first}{FLOW}"))?;
    let client = reqwest::Client::builder().timeout(Duration::from_secs(4)).no_proxy().build()?;
    while world.log().matches("tandem is up").count() < 2 {
        anyhow::ensure!(began.elapsed() < 4 * PATIENCE, "it is not taken up: {}", world.log_tail());
        let ask = || client.get(format!("{}/healthz", world.console)).send();
        let told = match ask().await {
            // A kept connection may end while it is asked on: a GET is asked again, and waits no longer for it.
            Err(error) if !error.is_timeout() => ask().await,
            told => told,
        };
        anyhow::ensure!(told.is_ok(), "after {:?}: {told:?}", began.elapsed());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // At the first start of a host that has not compiled it, a stop does not wait for it either.
    world.kill().await?;
    world.database.forget(world.folder())?;
    world.start()?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let asked = std::time::Instant::now();
    world.stop().await?;
    anyhow::ensure!(asked.elapsed() < Duration::from_secs(5), "stopped after {:?}", asked.elapsed());
    Ok(())
}
