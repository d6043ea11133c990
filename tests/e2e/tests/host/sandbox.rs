//! A plugin that breaks each rule is ended with the rule's name, and harms no other flow.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

async fn hostile() -> Result<World> {
    let setup = Setup {
        plugins: vec!["orders", "hostile"],
        more: "[flows.hostile]\nplugin = \"hostile\"\nconnections = { b1 = \"erp\", s = \"crm\" }\nbatch = 8\n\
               limits = { cpu_ms = 800, memory_mb = 48, host_calls = 500, log_bytes = 50000, emitted_events = 20, \
               storage_bytes = 1000000, request_bytes = 1000000, response_bytes = 5000, fuel_millions = 200000, run_seconds = 3 }\n"
            .into(),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    world.up().await?;
    Ok(world)
}

/// Sends `what` to the hostile plugin as a change of a record of its own; the event's end.
async fn act(world: &World, n: u32, what: &str) -> Result<Value> {
    let id = format!("006HOSTILE{n:08}");
    let status = world
        .webhook(&json!({ "Record_Id__c": id, "Object__c": "Opportunity", "Event_Id__c": format!("h{n}"), "do": what }))
        .await?;
    assert_eq!(status, 202);
    let ended = async |world: &World| {
        let events = world.tandem_json(&["events", "list", "--flow", "hostile", "--key", &id]).await?;
        let event = events[0].clone();
        Ok(matches!(event["state"].as_str(), Some("review" | "done" | "rejected")).then_some(event))
    };
    world.until(what, Duration::from_secs(30), ended).await
}

#[tokio::test]
async fn every_limit_has_a_name_and_is_enforced() -> Result<()> {
    let world = hostile().await?;
    for (n, (what, limit)) in [
        // On a busy machine what loops has little of a processor: then its time from start to end is over first.
        ("loop", "` was broken: more than"),
        ("bloat", "memory_mb"),
        ("calls", "host_calls"),
        ("log", "log_bytes"),
        ("emit", "emitted_events"),
        ("trap", "trapped"),
        ("hoard", "run_bytes"),
        ("forge", "told by the host's own sources"),
    ]
    .into_iter()
    .enumerate()
    {
        let event = act(&world, n as u32, what).await?;
        assert_eq!(event["state"], "review", "{what}: {event}");
        assert!(event["reason"].as_str().unwrap().contains(limit), "{what}: {event}");
    }
    for (n, (what, says)) in [
        ("large request", "larger than the limit of 1,000,000"),
        ("large response", "larger than the limit of 5,000"),
        ("store", "full after"),
        ("ungranted", "GET /BusinessPartners on `b1` was not granted to hostile"),
        ("batch", "the host packs calls itself"),
        ("climb", "must not climb"),
        ("headers", "not a plugin's to set"),
    ]
    .into_iter()
    .enumerate()
    {
        let event = act(&world, 100 + n as u32, what).await?;
        assert!(event["reason"].as_str().unwrap().contains(says), "{what}: {event}");
    }
    // Waiting for an answer costs no processor time, but it ends too.
    world.b1_faults(json!([{ "path": "/b1s/v2/Items", "kind": { "latency": 8000 }, "times": 1 }])).await?;
    let event = act(&world, 200, "large response").await?;
    assert!(event["reason"].as_str().unwrap().contains("run_seconds"), "{event}");
    // The other flow goes on.
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    Ok(())
}

#[tokio::test]
async fn a_chain_of_events_that_make_events_ends_and_says_so() -> Result<()> {
    let world = hostile().await?;
    act(&world, 1, "chain").await?;
    let ended = async |world: &World| {
        let events = world.tandem_json(&["events", "list", "--flow", "hostile", "--state", "review"]).await?;
        Ok(events.as_array().and_then(|events| events.first().cloned()))
    };
    let last = world.until("the chain's end", Duration::from_secs(30), ended).await?;
    assert!(last["reason"].as_str().unwrap().contains("emission_chain"), "{last}");
    let events = world.tandem_json(&["events", "list", "--flow", "hostile", "--limit", "100"]).await?;
    assert_eq!(events.as_array().map_or(0, Vec::len), 17, "the source's event, and sixteen after it: {events}");
    Ok(())
}

/// A flow of the hostile plugin, beside the orders flow, with its own words of configuration.
async fn beside_orders(more: &str) -> Result<World> {
    let setup = Setup {
        plugins: vec!["orders", "hostile"],
        more: format!(
            "[flows.hostile]\nplugin = \"hostile\"\nconnections = {{ b1 = \"erp\", s = \"crm\" }}\nbatch = 1\n{more}\n"
        ),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    world.up().await?;
    Ok(world)
}

async fn tell(world: &World, ids: std::ops::Range<u32>, what: &str) -> Result<()> {
    let change = |n: u32| json!({ "Record_Id__c": format!("006MANY{n:011}"), "Object__c": "Opportunity", "Event_Id__c": format!("m{n}"), "do": what });
    assert_eq!(world.webhook(&json!(ids.map(change).collect::<Vec<Value>>())).await?, 202);
    Ok(())
}

async fn in_state(world: &World, state: &str) -> Result<usize> {
    let list = ["events", "list", "--flow", "hostile", "--state", state, "--limit", "1000"];
    Ok(world.tandem_json(&list).await?.as_array().map_or(0, Vec::len))
}

#[tokio::test]
async fn loops_on_every_core_hold_up_neither_the_host_nor_another_flow() -> Result<()> {
    let loops = 2 * std::thread::available_parallelism().map_or(2, usize::from);
    let world = beside_orders(&format!(
        "concurrency = {loops}\nlimits = {{ cpu_ms = 600000, fuel_millions = 100000000, run_seconds = 600 }}"
    ))
    .await?;
    tell(&world, 0..loops as u32, "loop").await?;
    let all = async |world: &World| Ok((in_state(world, "leased").await? == loops).then_some(()));
    world.until("all loops", Duration::from_secs(20), all).await?;
    // While they go on: the host answers, and an order is made.
    world.ready(Duration::from_secs(20)).await?;
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    assert_eq!(in_state(&world, "leased").await?, loops, "the loops still go on");
    Ok(())
}

#[tokio::test]
async fn more_runs_than_there_are_places_wait_and_none_fails() -> Result<()> {
    let world = beside_orders("concurrency = 100\nlimits = { response_bytes = 5000 }").await?;
    world.b1_faults(json!([{ "path": "/b1s/v2/Items", "kind": { "latency": 300 }, "rate": 1.0 }])).await?;
    tell(&world, 0..100, "large response").await?;
    let settled = async |world: &World| {
        let (done, review) = (in_state(world, "done").await?, in_state(world, "review").await?);
        assert_eq!(review, 0, "the host's own shortage is no event's fault");
        Ok((done == 100).then_some(()))
    };
    world.until("a hundred events", Duration::from_secs(60), settled).await
}

#[tokio::test]
async fn fuel_is_enforced_where_it_runs_out_first() -> Result<()> {
    let setup = Setup {
        plugins: vec!["hostile"],
        more: "[flows.hostile]\nplugin = \"hostile\"\nconnections = { b1 = \"erp\", s = \"crm\" }\nlimits = { fuel_millions = 1, cpu_ms = 60000 }\n".into(),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    world.up().await?;
    let event = act(&world, 1, "loop").await?;
    assert!(event["reason"].as_str().unwrap().contains("fuel_millions"), "{event}");
    Ok(())
}

#[tokio::test]
async fn poison_stands_alone_and_its_neighbours_are_done() -> Result<()> {
    let world = hostile().await?;
    let change = |n: u32, what: &str| json!({ "Record_Id__c": format!("006BATCH{n:010}"), "Object__c": "Opportunity", "Event_Id__c": format!("b{n}"), "do": what });
    let batch: Vec<Value> = (0..8).map(|n| change(n, if n == 5 { "trap" } else { "nothing" })).collect();
    assert_eq!(world.webhook(&json!(batch)).await?, 202);
    let settled = async |world: &World| {
        let events = world.tandem_json(&["events", "list", "--flow", "hostile", "--limit", "100"]).await?;
        let states: Vec<&str> = events.as_array().into_iter().flatten().filter_map(|e| e["state"].as_str()).collect();
        let done = states.iter().filter(|state| **state == "done").count();
        let review = states.iter().filter(|state| **state == "review").count();
        Ok((done == 7 && review == 1).then_some(()))
    };
    world.until("seven done and one in review", Duration::from_secs(30), settled).await
}

#[tokio::test]
async fn a_flow_whose_every_run_fails_is_tried_by_one_event_at_a_time_and_not_sent_to_review_whole() -> Result<()> {
    let world = hostile().await?;
    let change = |n: u32| json!({ "Record_Id__c": format!("006TRAP{n:011}"), "Object__c": "Opportunity", "Event_Id__c": format!("t{n}"), "do": "trap" });
    let batch: Vec<Value> = (0..200).map(change).collect();
    assert_eq!(world.webhook(&json!(batch)).await?, 202);
    let openings = async |world: &World| {
        let log = world.log();
        let opened = log.lines().filter(|line| line.contains("left alone") && line.contains("flow hostile"));
        Ok((opened.count() >= 3).then_some(()))
    };
    world.until("three openings of the breaker", Duration::from_secs(30), openings).await?;
    let asked =
        world.tandem_json(&["events", "list", "--flow", "hostile", "--state", "review", "--limit", "500"]).await?;
    let asked = asked.as_array().map_or(0, Vec::len);
    assert!((1..20).contains(&asked), "{asked} of 200 events are in review");
    Ok(())
}

#[tokio::test]
async fn a_plugin_that_was_not_granted_waits_for_consent_without_losing_events() -> Result<()> {
    let mut world = World::new().await?;
    std::fs::copy(tandem_e2e::wasm("hostile"), world.folder().join("plugins/hostile.wasm"))?;
    let config = world.folder().join("tandem.toml");
    let text = std::fs::read_to_string(&config)?;
    std::fs::write(
        &config,
        format!("{text}\n[flows.hostile]\nplugin = \"hostile\"\nconnections = {{ b1 = \"erp\", s = \"crm\" }}\n"),
    )?;
    world.start()?;
    let held = async |world: &World| Ok(world.log().contains("tandem plugin grant hostile").then_some(()));
    world.until("the log to say how to consent", Duration::from_secs(20), held).await?;
    let (code, _, _) = world.tandem_raw(&["check"]).await?;
    assert_eq!(code, 3);
    let change = json!({ "Record_Id__c": "006WAITS0000000001", "Object__c": "Opportunity", "Event_Id__c": "w1" });
    assert_eq!(world.webhook(&change).await?, 202);
    world.tandem(&["plugin", "grant", "hostile", "--yes"]).await?;
    world.ready(Duration::from_secs(20)).await?;
    let done = async |world: &World| {
        let events = world.tandem_json(&["events", "list", "--flow", "hostile", "--state", "done"]).await?;
        Ok((events.as_array().map_or(0, Vec::len) == 1).then_some(()))
    };
    world.until("the event that waited", Duration::from_secs(20), done).await
}

#[tokio::test]
async fn a_compiled_plugin_changed_from_outside_is_not_run() -> Result<()> {
    let mut world = World::new().await?;
    let folder = world.folder().join("data/compiled");
    // Other tests' hosts share what is compiled.
    let digest = ring::digest::digest(&ring::digest::SHA256, &std::fs::read(tandem_e2e::wasm("orders"))?);
    let digest: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let mut shared = std::fs::read_dir(folder.canonicalize()?)?.collect::<Result<Vec<_>, _>>()?;
    shared.retain(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.starts_with(&digest) && name.ends_with(".cwasm")
    });
    // One for each kind of engine: a test may have run without a pool.
    assert!(!shared.is_empty(), "{digest}");
    std::fs::remove_file(&folder)?;
    std::fs::create_dir(&folder)?;
    for entry in shared {
        let mut bytes = std::fs::read(entry.path())?;
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        std::fs::write(folder.join(entry.file_name()), bytes)?;
    }
    world.up().await?;
    assert!(world.log().contains("changed from outside"), "{}", world.log_tail());
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    Ok(())
}
