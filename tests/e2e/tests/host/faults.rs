//! What the host must survive. `TANDEM_SEED` replays a failure's timing as far as the machine allows.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

fn readyz(world: &World) -> String {
    format!("{}/readyz", world.console)
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn seed() -> u64 {
    let seed = number("TANDEM_SEED", fastrand::u64(1..1_000_000));
    println!("TANDEM_SEED={seed}");
    seed
}

/// What happens to the machine and to the sign-in in some lives of the host.
#[cfg(target_os = "linux")]
struct Upsets {
    disk: tandem_e2e::machine::SmallDisk,
    clock: tandem_e2e::machine::Clock,
}

#[cfg(target_os = "linux")]
impl Upsets {
    fn new() -> Result<Self> {
        Ok(Self { disk: tandem_e2e::machine::SmallDisk::new(256)?, clock: tandem_e2e::machine::Clock::new()? })
    }

    fn setup(&self) -> Setup {
        let more = format!("[store]\npath = \"{}\"\n", self.disk.path().join("tandem.db").display());
        Setup { more, environment: self.clock.environment(), ..Setup::default() }
    }

    /// Each now and then.
    async fn begin(&self, world: &World, chance: &mut fastrand::Rng) -> Result<()> {
        if chance.u8(..8) == 0 {
            self.disk.fill()?;
        }
        if chance.u8(..8) == 0 {
            self.clock.set(chance.i64(-7_200..7_200))?;
        }
        if chance.u8(..8) == 0 {
            world.b1_settings(json!({ "sign_in_refused": true })).await?;
        }
        Ok(())
    }

    async fn end(&self, world: &World) -> Result<()> {
        self.disk.empty()?;
        world.b1_settings(json!({})).await
    }
}

#[cfg(not(target_os = "linux"))]
struct Upsets;

#[cfg(not(target_os = "linux"))]
impl Upsets {
    fn new() -> Result<Self> {
        Ok(Self)
    }

    fn setup(&self) -> Setup {
        Setup::default()
    }

    async fn begin(&self, _: &World, _: &mut fastrand::Rng) -> Result<()> {
        Ok(())
    }

    async fn end(&self, _: &World) -> Result<()> {
        Ok(())
    }
}

/// `kill -9` at random moments, answers lost after commit, a full disk, a clock that is set, sign-ins refused: each opportunity
/// ends with one order, told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn won_opportunities_survive_kill_at_any_moment() -> Result<()> {
    let seed = seed();
    let kills = number("TANDEM_SOAK_KILLS", 30);
    let count = 500.max(kills as usize * 5);
    let mut chance = fastrand::Rng::with_seed(seed);
    let upsets = Upsets::new()?;
    let mut world = World::with(Setup { seed, flow: "batch = 20".into(), ..upsets.setup() }).await?;
    let ids = world.opportunities(count).await?;
    // Lines come in pages, as those of large opportunities do.
    world.salesforce_settings(json!({ "child_page": chance.usize(1..4) })).await?;
    let lost = json!([
        { "path": "/b1s/v2/$batch", "kind": "reset-after", "rate": 0.05 },
        { "path": "/b1s/v2/$batch", "kind": "reset-before", "rate": 0.02 },
        { "path": "/b1s/v2/$batch", "kind": "redirect", "rate": 0.01 },
        { "path": "/b1s/v2/$batch", "kind": "truncate", "rate": 0.01 },
        { "path": "/b1s/v2", "kind": { "latency": 15 }, "rate": 0.5 },
    ]);
    world.b1_faults(lost).await?;
    world
        .salesforce_faults(json!([
            { "path": "/composite/sobjects", "kind": "reset-after", "rate": 0.05 },
            { "path": "/query", "kind": { "latency": 10 }, "rate": 0.3 },
        ]))
        .await?;
    let per_kill = ids.len().div_ceil(kills as usize);
    let mut open = ids.iter();
    for kill in 0..kills {
        world.start()?;
        let life = Duration::from_millis(chance.u64(60..900));
        let until = Instant::now() + life;
        upsets.begin(&world, &mut chance).await?;
        // Half of the work comes in while the host lives, half while it is down.
        for id in open.by_ref().take(per_kill) {
            world.win(id).await?;
            if chance.bool() && Instant::now() < until {
                tokio::time::sleep(Duration::from_millis(chance.u64(0..20))).await;
            }
        }
        tokio::time::sleep(until.saturating_duration_since(Instant::now())).await;
        world.kill().await?;
        upsets.end(&world).await?;
        if (kill + 1).is_multiple_of(100) {
            let made = world.b1_records("Orders").await?.iter().filter(|order| order["U_SF_Id"].is_string()).count();
            println!("{} kills, {made} orders", kill + 1);
        }
    }
    for id in open {
        world.win(id).await?;
    }
    world.up().await?;
    world.until_all_told(&ids, Duration::from_secs(600 + kills)).await?;
    world.assert_exactly_once(&ids).await?;
    let lines = world.records("OpportunityLineItem").await?;
    for order in world.b1_records("Orders").await?.iter().filter(|order| order["U_SF_Id"].is_string()) {
        let wanted = lines.iter().filter(|line| line["OpportunityId"] == order["U_SF_Id"]).count();
        assert_eq!(order["DocumentLines"].as_array().map(Vec::len), Some(wanted), "{order}");
    }
    println!("{kills} kills, {count} opportunities, each with exactly one order of all its lines, and its number");
    Ok(())
}

#[tokio::test]
async fn b1_down_for_the_whole_time_loses_nothing_and_comes_back_without_a_herd() -> Result<()> {
    let mut world = World::new().await?;
    world.b1_settings(json!({ "down": true })).await?;
    // It is not ready before it has seen where B1 stands; the org it hears at once.
    world.start()?;
    let hears = async |world: &World| {
        let Ok((_, told)) = world.send("GET", &readyz(world), &Value::Null).await else { return Ok(None) };
        let crm = |(name, begun): (&String, &Value)| name.starts_with("crm") && begun == true;
        Ok(told["sources"].as_object().is_some_and(|all| all.iter().filter(|own| crm(*own)).count() == 2).then_some(()))
    };
    world.until("the org to be heard", Duration::from_secs(30), hears).await?;
    let ids = world.opportunities(120).await?;
    for id in &ids {
        world.win(id).await?;
    }
    // Changes while B1 is down: the last word counts.
    world.change("Opportunity", &ids[0], json!({ "Tandem_PO_Number__c": "LAST" })).await?;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let (_, told) = world.send("GET", &readyz(&world), &Value::Null).await?;
    assert!(told["unreachable"]["erp"].as_str().is_some_and(|why| why.contains("not reachable since")), "{told}");
    let review = world.tandem_json(&["events", "list", "--state", "review"]).await?;
    assert_eq!(review, json!([]), "an outage sends nothing to review");
    let before = world.get(&format!("{}/admin/log", world.b1)).await?["calls"].clone();
    world.b1_settings(json!({})).await?;
    world.until_all_told(&ids, Duration::from_secs(90)).await?;
    world.assert_exactly_once(&ids).await?;
    assert_eq!(world.orders_of(&ids[0]).await?[0]["NumAtCard"], "LAST");
    let after = world.get(&format!("{}/admin/log", world.b1)).await?["calls"].clone();
    let logins = after["LOGIN"].as_u64().unwrap_or(0) - before["LOGIN"].as_u64().unwrap_or(0);
    assert!(logins <= 4, "{logins} logins: the pool has 4 sessions");
    Ok(())
}

#[tokio::test]
async fn sessions_and_tokens_that_expire_every_few_calls_are_no_matter() -> Result<()> {
    let mut world = World::with(Setup { flow: "batch = 5".into(), ..Setup::default() }).await?;
    world.b1_settings(json!({ "session_calls": 4 })).await?;
    world.salesforce_settings(json!({ "token_calls": 5 })).await?;
    world.up().await?;
    let ids = world.opportunities(100).await?;
    for id in &ids {
        world.win(id).await?;
    }
    world.until_all_told(&ids, Duration::from_secs(60)).await?;
    world.assert_exactly_once(&ids).await?;
    let log = world.get(&format!("{}/admin/log", world.b1)).await?;
    assert_eq!(log["overlaps"], 0, "a session carries one request at a time");
    Ok(())
}

#[tokio::test]
async fn a_session_refused_again_right_after_the_new_sign_in_sends_nothing_to_review() -> Result<()> {
    let mut world = World::new().await?;
    world.up().await?;
    let ids = world.opportunities(5).await?;
    let refused = |path: &str| json!([{ "path": path, "kind": "expire", "times": 3 }]);
    world.salesforce_faults(refused("/query")).await?;
    world.b1_faults(refused("/b1s/v2/$batch")).await?;
    for id in &ids {
        world.win(id).await?;
    }
    world.until_all_told(&ids, Duration::from_secs(30)).await?;
    world.assert_exactly_once(&ids).await
}

#[tokio::test]
async fn events_delivered_twice_and_out_of_order_make_one_order_each() -> Result<()> {
    let mut world = World::new().await?;
    world.salesforce_settings(json!({ "event_copies": 2, "event_reverse": 6 })).await?;
    world.up().await?;
    let ids = world.opportunities(60).await?;
    for id in &ids {
        world.win(id).await?;
        world.change("Opportunity", id, json!({ "Tandem_PO_Number__c": format!("PO {id}") })).await?;
    }
    // Lets go of what is still held back.
    world.salesforce_settings(json!({})).await?;
    world.until_all_told(&ids, Duration::from_secs(60)).await?;
    let settled = async |world: &World| {
        let events = world.tandem_json(&["events", "list", "--state", "ready", "--limit", "1"]).await?;
        Ok((events == json!([])).then_some(()))
    };
    world.until("the queue to be empty", Duration::from_secs(30), settled).await?;
    world.assert_exactly_once(&ids).await?;
    for id in &ids {
        assert_eq!(world.orders_of(id).await?[0]["NumAtCard"], format!("PO {id}"));
    }
    Ok(())
}

#[tokio::test]
async fn every_kind_of_fault_on_both_sides_ends_well() -> Result<()> {
    let seed = seed();
    let mut world = World::with(Setup { seed, ..Setup::default() }).await?;
    world.up().await?;
    let ids = world.opportunities(150).await?;
    let kinds = [
        "reset-before",
        "reset-after",
        "html-before",
        "html-after",
        "server-error",
        "redirect",
        "truncate",
        "lock",
        "expire",
    ];
    let kinds = kinds.map(|kind| json!(kind)).into_iter().chain([json!({ "retry-after": 1 })]);
    let all = |path: &str| {
        let faults: Vec<_> = kinds.clone().map(|kind| json!({ "path": path, "kind": kind, "rate": 0.03 })).collect();
        json!(faults)
    };
    world.b1_faults(all("/b1s/v2")).await?;
    world.salesforce_faults(all("/services/data")).await?;
    world.salesforce_settings(json!({ "row_lock_rate": 0.05 })).await?;
    for id in &ids {
        world.win(id).await?;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.b1_faults(json!([])).await?;
    world.salesforce_faults(json!([])).await?;
    // Where a change set was lost, its order was sent apart, and the answer to that was lost too, B1 may be at it for minutes: it is looked for when it
    // no longer can be.
    world.until_all_told(&ids, Duration::from_secs(600)).await?;
    world.assert_exactly_once(&ids).await
}

/// A network's sign-in page, a maintenance page: whoever sends a write elsewhere has not carried it out.
#[tokio::test]
async fn writes_that_are_redirected_on_either_side_are_not_taken_for_done() -> Result<()> {
    let mut world = World::new().await?;
    world.up().await?;
    let ids = world.opportunities(5).await?;
    let redirected = |path: &str| json!([{ "path": path, "kind": "redirect", "times": 3 }]);
    world.b1_faults(redirected("/b1s/v2/$batch")).await?;
    world.salesforce_faults(redirected("/composite")).await?;
    for id in &ids {
        world.win(id).await?;
    }
    world.until_all_told(&ids, Duration::from_secs(60)).await?;
    world.assert_exactly_once(&ids).await
}

#[tokio::test]
async fn a_pause_that_salesforce_asks_for_is_kept_by_every_flow() -> Result<()> {
    let mut world = World::new().await?;
    world.up().await?;
    world.settled().await?;
    let ids = world.opportunities(20).await?;
    world.salesforce_faults(json!([{ "path": "/services/data", "kind": { "retry-after": 6 }, "times": 1 }])).await?;
    for id in &ids {
        world.win(id).await?;
    }
    let faults = format!("{}/admin/faults", world.salesforce);
    let asked = async |world: &World| Ok((world.get(&faults).await?[0]["times"] == 0).then_some(()));
    world.until("Salesforce to ask for a pause", Duration::from_secs(20), asked).await?;
    // What was under way comes to its end.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let calls = world.calls(&world.salesforce).await?;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(world.calls(&world.salesforce).await?, calls, "nobody calls before the time is over");
    world.until_all_told(&ids, Duration::from_secs(60)).await?;
    world.assert_exactly_once(&ids).await
}

#[tokio::test]
async fn expired_replay_id_is_told_and_the_gap_is_read_by_query() -> Result<()> {
    let mut world = World::new().await?;
    world.up().await?;
    let first = world.opportunities(1).await?;
    world.win(&first[0]).await?;
    world.until_all_told(&first, Duration::from_secs(20)).await?;
    world.kill().await?;
    let missed = world.opportunities(20).await?;
    for id in &missed {
        world.win(id).await?;
    }
    // Four days later Salesforce keeps none of those events.
    let url = format!("{}/admin/clock", world.salesforce);
    world.send("PUT", &url, &json!({ "offset_ms": 96 * 3_600_000 })).await?;
    world.up().await?;
    world.until_all_told(&missed, Duration::from_secs(30)).await?;
    world.assert_exactly_once(&missed).await?;
    assert!(world.log().contains("SystemModstamp"), "the log says what was done");
    Ok(())
}

#[tokio::test]
async fn a_replay_id_of_another_org_ends_in_one_catch_up() -> Result<()> {
    let mut world = World::new().await?;
    world.up().await?;
    let first = world.opportunities(1).await?;
    world.win(&first[0]).await?;
    world.until_all_told(&first, Duration::from_secs(20)).await?;
    world.kill().await?;
    let missed = world.opportunities(3).await?;
    for id in &missed {
        world.win(id).await?;
    }
    // Their events are gone with the old bus, which had given higher numbers than the new one.
    world.send("POST", &format!("{}/admin/refresh", world.salesforce), &json!({})).await?;
    world.up().await?;
    world.until_all_told(&missed, Duration::from_secs(30)).await?;
    world.assert_exactly_once(&missed).await?;
    // A restart before the new bus has said anything does not try the refused id again.
    world.kill().await?;
    world.up().await?;
    let log = world.log();
    assert_eq!(log.matches("refuses our replay id").count(), 1, "{}", world.log_tail());
    assert!(log.contains("replayid.corrupted"), "the log says why");
    Ok(())
}

#[tokio::test]
async fn a_sandbox_refresh_cuts_the_standing_stream_and_what_is_won_meanwhile_becomes_one_order_each() -> Result<()> {
    let mut world = World::new().await?;
    world.up().await?;
    let ids = world.opportunities(8).await?;
    world.win(&ids[0]).await?;
    world.until_all_told(&ids[..1], Duration::from_secs(20)).await?;
    // Nobody can sign in to the new org for a while.
    world.salesforce_faults(json!([{ "path": "/services/oauth2/token", "kind": "reset-before" }])).await?;
    world.send("POST", &format!("{}/admin/refresh", world.salesforce), &json!({})).await?;
    let cut = async |world: &World| Ok(world.log().contains("the stream ended with its token").then_some(()));
    world.until("the stream to be cut", Duration::from_secs(20), cut).await?;
    for id in &ids[1..5] {
        world.win(id).await?;
    }
    world.salesforce_faults(json!([])).await?;
    world.until_all_told(&ids[..5], Duration::from_secs(60)).await?;
    assert!(world.log().contains("replayid.corrupted"), "the old position is another org's");
    // The new stream stands.
    world.ready(Duration::from_secs(20)).await?;
    for id in &ids[5..] {
        world.win(id).await?;
    }
    world.until_all_told(&ids, Duration::from_secs(30)).await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    world.assert_exactly_once(&ids).await
}

#[tokio::test]
async fn a_won_opportunity_deleted_during_the_gap_loses_its_order() -> Result<()> {
    let flow = "settings = { deleted = \"cancel\" }".to_owned();
    let mut world = World::with(Setup { flow, ..Setup::default() }).await?;
    world.up().await?;
    let ids = world.opportunities(2).await?;
    for id in &ids {
        world.win(id).await?;
    }
    world.until_all_told(&ids, Duration::from_secs(20)).await?;
    let delete = async |world: &World, id: &str| {
        world.send("POST", &format!("{}/admin/delete/Opportunity/{id}", world.salesforce), &json!({})).await
    };
    let cancelled = async |world: &World, id: &str| {
        let look = async |world: &World| {
            Ok(world.orders_of(id).await?.iter().all(|order| order["Cancelled"] == "tYES").then_some(()))
        };
        world.until("the order to be cancelled", Duration::from_secs(30), look).await
    };
    delete(&world, &ids[0]).await?;
    cancelled(&world, &ids[0]).await?;
    world.kill().await?;
    let url = format!("{}/admin/clock", world.salesforce);
    world.send("PUT", &url, &json!({ "offset_ms": 3_600_000 })).await?;
    delete(&world, &ids[1]).await?;
    world.send("PUT", &url, &json!({ "offset_ms": 96 * 3_600_000 })).await?;
    world.up().await?;
    cancelled(&world, &ids[1]).await
}

#[tokio::test]
async fn a_won_opportunity_that_left_the_recycle_bin_during_the_gap_is_asked_about() -> Result<()> {
    let mut world = World::new().await?;
    world.up().await?;
    let ids = world.opportunities(3).await?;
    for id in &ids {
        world.win(id).await?;
    }
    world.until_all_told(&ids, Duration::from_secs(20)).await?;
    world.kill().await?;
    let delete = format!("{}/admin/delete/Opportunity/{}", world.salesforce, ids[1]);
    assert_eq!(world.send("POST", &delete, &json!({})).await?.0, 204);
    world.send("POST", &format!("{}/admin/empty-bin", world.salesforce), &json!({})).await?;
    // Its event is no longer kept either.
    let url = format!("{}/admin/clock", world.salesforce);
    world.send("PUT", &url, &json!({ "offset_ms": 96 * 3_600_000 })).await?;
    world.up().await?;
    let asked = async |world: &World| {
        let list = world.tandem_json(&["review", "list"]).await?;
        Ok(list.as_array().and_then(|list| list.first().cloned()))
    };
    let question = world.until("a question", Duration::from_secs(30), asked).await?;
    let reason = question["reason"].as_str().unwrap_or_default();
    assert!(reason.contains(&ids[1]) && reason.contains("deleted for good"), "{reason}");
    assert_eq!(world.orders_of(&ids[1]).await?[0]["Cancelled"], "tNO", "nobody has decided yet");
    world.tandem(&["review", "resolve", "--choose", "cancel the order", &question["id"].to_string()]).await?;
    let cancelled = async |world: &World| Ok((world.orders_of(&ids[1]).await?[0]["Cancelled"] == "tYES").then_some(()));
    world.until("the order to be cancelled", Duration::from_secs(20), cancelled).await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    for id in [&ids[0], &ids[2]] {
        assert_eq!(world.orders_of(id).await?[0]["Cancelled"], "tNO");
    }
    Ok(())
}

#[tokio::test]
async fn a_stream_that_ends_with_its_token_is_opened_again_and_misses_nothing() -> Result<()> {
    let mut world = World::new().await?;
    world.up().await?;
    let ids = world.opportunities(6).await?;
    for (turn, id) in ids.iter().enumerate() {
        world.send("POST", &format!("{}/admin/expire-tokens", world.salesforce), &json!({})).await?;
        let ended = async |world: &World| {
            Ok((world.log().matches("the stream ended with its token").count() > turn).then_some(()))
        };
        world.until("the stream to end", Duration::from_secs(20), ended).await?;
        world.win(id).await?;
        world.ready(Duration::from_secs(20)).await?;
    }
    world.until_all_told(&ids, Duration::from_secs(30)).await?;
    world.assert_exactly_once(&ids).await
}

#[tokio::test]
async fn what_happens_between_the_first_start_and_the_first_event_is_not_missed() -> Result<()> {
    let mut world = World::new().await?;
    world.up().await?;
    world.kill().await?;
    let ids = world.opportunities(5).await?;
    for id in &ids {
        world.win(id).await?;
    }
    world.up().await?;
    world.until_all_told(&ids, Duration::from_secs(20)).await?;
    world.assert_exactly_once(&ids).await
}

#[cfg(unix)]
#[tokio::test]
async fn a_stop_finishes_runs_and_leaves_none_open() -> Result<()> {
    let mut world = World::new().await?;
    world.up().await?;
    let ids = world.opportunities(80).await?;
    for id in &ids {
        world.win(id).await?;
    }
    world.stop().await?;
    assert!(world.log().contains("tandem stopped"), "{}", world.log_tail());
    world.up().await?;
    assert!(!world.log().contains("taking up runs"), "a clean stop leaves no run open");
    world.until_all_told(&ids, Duration::from_secs(30)).await?;
    world.assert_exactly_once(&ids).await
}
