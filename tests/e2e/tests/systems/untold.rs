//! What changes in the org and no event tells of: transactions without room for events, and what runs no trigger.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

const PATIENCE: Duration = Duration::from_secs(60);
/// The host hears often what time it is in the org.
const SALESFORCE: &str = "client_secret = { file = \"salesforce.secret\" }\nreport_seconds = 1";

async fn world(plugins: &[&'static str], opportunities: usize) -> Result<World> {
    let setup = Setup {
        plugins: plugins.to_vec(),
        opportunities,
        b1: "poll_seconds = 1".into(),
        salesforce: SALESFORCE.into(),
        ..Setup::default()
    };
    World::with(setup).await
}

/// A job of the org changes many records in one transaction.
async fn mass(world: &World, object: &str, mass: Value) -> Result<Value> {
    let (status, body) = world.send("POST", &format!("{}/admin/mass/{object}", world.salesforce), &mass).await?;
    anyhow::ensure!(status == 200, "{status}: {body}");
    Ok(body)
}

async fn admin(world: &World, what: &str) -> Result<()> {
    let (status, body) = world.send("POST", &format!("{}/admin/{what}", world.salesforce), &json!({})).await?;
    anyhow::ensure!(status < 300, "{what}: {status}: {body}");
    Ok(())
}

async fn ids(world: &World, object: &str) -> Result<Vec<String>> {
    let all = world.records(object).await?;
    Ok(all.iter().filter_map(|record| record["Id"].as_str().map(str::to_owned)).collect())
}

/// How often the host has read what changed of an object.
async fn looks(world: &World) -> Result<u64> {
    let asked = world.asked(&world.salesforce).await?;
    Ok(asked.iter().filter(|(kind, _)| kind.contains("queryAll")).map(|(_, count)| count).sum())
}

/// Waits until the host has looked since.
async fn until_looked(world: &World, before: u64) -> Result<()> {
    let look = async |world: &World| Ok((looks(world).await? > before).then_some(()));
    world.until("the host to look again", PATIENCE, look).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mass_update_of_thousands_without_room_for_events_loses_none_although_the_host_dies_before_it_commits()
-> Result<()> {
    let mut world = world(&["orders"], 2_000).await?;
    world.up().await?;
    let ids = ids(&world, "Opportunity").await?;
    world.salesforce_settings(json!({ "left": { "statements": 4 } })).await?;
    let before = looks(&world).await?;
    let won = json!({
        "ids": ids, "fields": { "StageName": "Closed Won" }, "triggers": true, "commit_after_ms": 8_000,
    });
    let url = format!("{}/admin/mass/Opportunity", world.salesforce);
    let job = reqwest::Client::builder().no_proxy().build()?.post(url);
    let job = job.header("content-type", "application/json").body(won.to_string());
    let job = tokio::spawn(async move { job.send().await?.text().await });
    // Asked before the commit, it has looked in vain.
    until_looked(&world, before).await?;
    world.kill().await?;
    world.up().await?;
    let told: Value = serde_json::from_str(&job.await??)?;
    assert_eq!(told, json!({ "told": 800, "asked": ["Opportunity"] }), "once for all the chunks without room");
    world.until_all_told(&ids, Duration::from_secs(240)).await?;
    world.assert_exactly_once(&ids).await
}

#[tokio::test]
async fn a_job_that_changes_as_many_rows_as_a_transaction_may_is_told_all_the_same() -> Result<()> {
    let mut world = world(&["orders"], 10).await?;
    world.up().await?;
    let ids = ids(&world, "Opportunity").await?;
    world.salesforce_settings(json!({ "left": { "rows": ids.len() + 3 } })).await?;
    let won = json!({ "ids": ids, "fields": { "StageName": "Closed Won" }, "triggers": true });
    assert_eq!(mass(&world, "Opportunity", won).await?, json!({ "told": 0, "asked": ["Opportunity"] }));
    world.until_all_told(&ids, PATIENCE).await?;
    world.assert_exactly_once(&ids).await
}

#[tokio::test]
async fn lines_that_are_not_told_are_a_change_of_their_opportunity() -> Result<()> {
    let mut world = world(&["orders"], 1).await?;
    world.up().await?;
    let id = ids(&world, "Opportunity").await?.remove(0);
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    let line = world.lines(&id).await?[0]["Id"].as_str().context("no line")?.to_owned();
    world.salesforce_settings(json!({ "left": { "statements": 0 } })).await?;
    world.change("OpportunityLineItem", &line, json!({ "Quantity": 77 })).await?;
    let order = async |world: &World| {
        let orders = world.orders_of(&id).await?;
        Ok(orders.into_iter().find(|order| order["DocumentLines"][0]["Quantity"].as_f64() == Some(77.0)))
    };
    world.until("the order's new quantity", PATIENCE, order).await?;
    Ok(())
}

/// The line's trigger tells its opportunity, and so does the opportunity's own for the amount that follows.
#[tokio::test]
async fn a_changed_line_is_told_by_both_triggers_and_changes_the_order_once() -> Result<()> {
    let mut world = world(&["orders"], 1).await?;
    world.up().await?;
    let id = ids(&world, "Opportunity").await?.remove(0);
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    world.settled().await?;
    let usage = format!("{}/admin/usage", world.salesforce);
    let published = world.get(&usage).await?["published"].as_u64().unwrap_or_default();
    let (b1, salesforce) = (world.asked(&world.b1).await?, world.asked(&world.salesforce).await?);
    let line = world.lines(&id).await?[0]["Id"].as_str().context("no line")?.to_owned();
    world.change("OpportunityLineItem", &line, json!({ "Quantity": 77 })).await?;
    let order = async |world: &World| {
        let orders = world.orders_of(&id).await?;
        Ok(orders.into_iter().find(|order| order["DocumentLines"][0]["Quantity"].as_f64() == Some(77.0)))
    };
    world.until("the order's new quantity", PATIENCE, order).await?;
    world.settled().await?;
    assert_eq!(world.get(&usage).await?["published"], published + 2, "the line's and the opportunity's");
    let more = |all: &BTreeMap<String, u64>, before: &BTreeMap<String, u64>| -> BTreeMap<String, u64> {
        let more = all.iter().map(|(kind, count)| (kind.clone(), count - before.get(kind).unwrap_or(&0)));
        more.filter(|(_, count)| *count > 0).collect()
    };
    let b1 = more(&world.asked(&world.b1).await?, &b1);
    let salesforce = more(&world.asked(&world.salesforce).await?, &salesforce);
    assert!(salesforce.values().sum::<u64>() <= 3, "{salesforce:?}");
    assert_eq!(
        b1.iter().filter(|(kind, _)| kind.starts_with("PATCH /Orders")).map(|(_, n)| n).sum::<u64>(),
        1,
        "{b1:?}"
    );
    world.assert_exactly_once(&[id]).await
}

/// The stream of these events has told nothing yet, and so no replay id: what is asked while the host is off is heard all the same.
#[tokio::test]
async fn what_was_asked_while_the_host_was_off_is_looked_at_although_nothing_was_ever_asked_before() -> Result<()> {
    let mut world = world(&["orders"], 3).await?;
    world.up().await?;
    let ids = ids(&world, "Opportunity").await?;
    world.win(&ids[0]).await?;
    world.until_state(&ids[0], "Synced").await?;
    world.settled().await?;
    world.kill().await?;
    world.salesforce_settings(json!({ "left": { "statements": 0 } })).await?;
    world.win(&ids[1]).await?;
    world.salesforce_settings(json!({})).await?;
    world.up().await?;
    world.until_state(&ids[1], "Synced").await?;
    world.settled().await?;
    world.assert_exactly_once(&ids[..2]).await
}

#[tokio::test]
async fn a_transaction_that_is_taken_back_has_asked_for_nothing() -> Result<()> {
    let mut world = world(&["orders"], 3).await?;
    world.up().await?;
    let ids = ids(&world, "Opportunity").await?;
    world.salesforce_settings(json!({ "left": { "statements": 0 } })).await?;
    let before = looks(&world).await?;
    let won = json!({ "ids": ids, "fields": { "StageName": "Closed Won" }, "triggers": true, "fails": true });
    assert_eq!(mass(&world, "Opportunity", won).await?["asked"], json!(["Opportunity"]), "it is not taken back");
    until_looked(&world, before).await?;
    world.settled().await?;
    assert!(world.b1_records("Orders").await?.iter().all(|order| order["U_SF_Id"].is_null()));
    Ok(())
}

async fn partner(world: &World, code: &str) -> Result<Value> {
    let all = world.b1_records("BusinessPartners").await?;
    all.into_iter().find(|partner| partner["CardCode"] == code).context("no partner")
}

async fn account(world: &World, code: &str) -> Result<String> {
    let all = world.records("Account").await?;
    let own = all.iter().find(|own| own["Tandem_Card_Code__c"] == code && own["IsDeleted"] != true);
    Ok(own.and_then(|own| own["Id"].as_str()).context("no account")?.to_owned())
}

/// A contact of an account.
async fn person(world: &World, account: &str, name: &str) -> Result<String> {
    let fields = json!({ "AccountId": account, "LastName": name, "Email": format!("{name}@example.org") });
    world.create("Contact", fields).await
}

/// What was told of a record by the sweep: newest first.
async fn found(world: &World, id: &str) -> Result<Vec<Value>> {
    let events = world.tandem_json(&["events", "list", "--key", id]).await?;
    let all = events.as_array().cloned().unwrap_or_default();
    let by_query = |event: &Value| event["payload"].as_str().is_some_and(|payload| payload.contains("\"found\":true"));
    Ok(all.into_iter().filter(by_query).collect())
}

/// A gauge of the org in the metrics.
async fn gauge(world: &World, name: &str) -> Result<f64> {
    let text = reqwest::get(format!("{}/metrics", world.console)).await?.text().await?;
    let line = text.lines().find(|line| line.starts_with(&format!("{name}{{connection=\"crm\"}}")));
    let value = line.and_then(|line| line.rsplit(' ').next()).with_context(|| format!("{name}: {text}"))?;
    Ok(value.parse()?)
}

/// By their age an operator sees that a sweep or a look into the outbox no longer ends.
#[tokio::test]
async fn the_gauges_of_sweep_and_outbox_move_only_when_all_was_read() -> Result<()> {
    const DAY: f64 = 24.0 * 3_600.0;
    let setup = Setup {
        plugins: vec!["accounts"],
        opportunities: 0,
        salesforce: format!("{SALESFORCE}\noutbox_seconds = 1"),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    world.up().await?;
    let moves = async |world: &World, name: &str, from: f64| {
        let moved = async |world: &World| {
            // It is not there before the first.
            let now = gauge(world, name).await.unwrap_or_default();
            Ok((now > from).then_some(now))
        };
        world.until(name, PATIENCE, moved).await
    };
    let (swept, looked) = ("tandem_swept_at_seconds", "tandem_outbox_looked_at_seconds");
    let first = moves(&world, swept, 0.0).await?;
    let refuse = |path: &str| {
        let kind = json!({ "refuse": { "status": 400, "code": "INVALID_TYPE", "message": "not supported" } });
        json!([{ "path": path, "kind": kind }])
    };
    world.salesforce_faults(refuse("FROM%20Contact%20WHERE%20SystemModstamp")).await?;
    world.night(1).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(gauge(&world, swept).await?, first, "contacts were not read");
    world.salesforce_faults(json!([])).await?;
    world.night(2).await?;
    let second = moves(&world, swept, first).await?;
    world.night(3).await?;
    let third = moves(&world, swept, second).await?;
    assert!((third - second - DAY).abs() < 300.0, "until when all was read, by the org's clock: {second} {third}");

    let before = gauge(&world, looked).await?;
    moves(&world, looked, before).await?;
    world.salesforce_faults(refuse("Tandem_Outbox__c")).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let stands = gauge(&world, looked).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(gauge(&world, looked).await?, stands, "no look ended");
    world.salesforce_faults(json!([])).await?;
    moves(&world, looked, stands).await?;
    Ok(())
}

#[tokio::test]
async fn a_value_that_the_host_has_overwritten_and_that_comes_back_untold_is_a_change() -> Result<()> {
    let mut world = world(&["accounts"], 0).await?;
    world.up().await?;
    world.tandem(&["backfill", "accounts", "--yes"]).await?;
    world.settled().await?;
    let id = account(&world, "C00004").await?;
    world.change("Account", &id, json!({ "Phone": "+49 1" })).await?;
    world.settled().await?;
    world.night(1).await?;
    world.b1_patch("/BusinessPartners('C00004')", json!({ "Phone1": "+49 2" })).await?;
    let of_b1 = |own: &Value| own["Id"] == id.as_str() && own["Phone"] == "+49 2";
    world.until_record("Account", "B1's number", of_b1).await?;
    world.settled().await?;
    // As it was seen in the night.
    mass(&world, "Account", json!({ "ids": [id], "fields": { "Phone": "+49 1" } })).await?;
    world.night(2).await?;
    assert_eq!(partner(&world, "C00004").await?["Phone1"], "+49 1");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_no_trigger_is_found_at_night_and_a_night_after_nothing_happened_tells_and_writes_nothing()
-> Result<()> {
    let mut world = world(&["orders", "accounts"], 2).await?;
    world.up().await?;
    world.tandem(&["backfill", "accounts", "--yes"]).await?;
    world.settled().await?;
    let (kept, merged) = (account(&world, "C00001").await?, account(&world, "C00003").await?);
    let gone = world.create("Account", json!({ "Name": "Gone with its people", "Phone": "1" })).await?;
    let (moved, dropped) = (person(&world, &merged, "Moved").await?, person(&world, &gone, "Dropped").await?);
    world.settled().await?;

    admin(&world, &format!("merge/Account/{kept}/{merged}")).await?;
    admin(&world, &format!("delete/Account/{gone}")).await?;
    let addressed = account(&world, "C00005").await?;
    let address = json!({ "ids": [addressed], "fields": { "BillingCity": "Umzugsstadt" } });
    assert_eq!(mass(&world, "Account", address).await?, json!({ "told": 0, "asked": [] }));
    let deal = ids(&world, "Opportunity").await?.remove(0);
    let stage = json!({ "ids": [deal], "fields": { "StageName": "Closed Won" } });
    assert_eq!(mass(&world, "Opportunity", stage).await?, json!({ "told": 0, "asked": [] }));
    let called = account(&world, "C00002").await?;
    // A flow of the org's own, started by what the host writes.
    let calling =
        json!({ "object": "Account", "condition": "Tandem_Card_Code__c = 'C00002'", "fields": { "Phone": "+49 700" } });
    let rules = json!({ "automations": [calling] });
    world.send("PUT", &format!("{}/admin/rules", world.salesforce), &rules).await?;
    world.b1_patch("/BusinessPartners('C00002')", json!({ "CardName": "Renamed in B1" })).await?;
    world.until_record("Account", "the flow's number", |own| own["Phone"] == "+49 700").await?;
    world.settled().await?;
    assert!(world.orders_of(&deal).await?.is_empty(), "nobody told of it");

    // It dies while it sweeps.
    let before = looks(&world).await?;
    world.days_later(1).await?;
    until_looked(&world, before).await?;
    world.kill().await?;
    world.up().await?;
    // It may have ended just before, and what the log says of it died with the host.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs_f64();
    let swept = async |world: &World| {
        let until = gauge(world, "tandem_swept_at_seconds").await.unwrap_or_default();
        Ok((!world.sweeps().is_empty() || until > now + 12.0 * 3_600.0).then_some(()))
    };
    world.until("the sweep", PATIENCE, swept).await?;
    world.settled().await?;
    world.until_state(&deal, "Synced").await?;
    world.assert_exactly_once(&[deal]).await?;
    let address = partner(&world, "C00005").await?["BPAddresses"].to_string();
    assert!(address.contains("Umzugsstadt"), "{address}");
    assert_eq!(partner(&world, "C00002").await?["Phone1"], "+49 700");
    for (id, what) in [
        (&called, "the account that the org's own flow changed"),
        (&moved, "the contact that a merge moved"),
        (&dropped, "the contact that went with its account"),
    ] {
        assert!(!found(&world, id).await?.is_empty(), "{what}");
    }

    // B1 is asked once more for what was stamped just now.
    tokio::time::sleep(Duration::from_secs(5)).await;
    world.settled().await?;
    let url = format!("{}/admin/writes", world.salesforce);
    world.send("PUT", &url, &json!({})).await?;
    assert_eq!(world.night(2).await?, 0, "nothing happened since");
    let writes = world.get(&url).await?;
    let reports = world.records("Tandem_Health__c").await?;
    let own = |write: &&Value| !reports.iter().any(|report| report["Id"] == write["id"]);
    let written: Vec<&Value> = writes.as_array().into_iter().flatten().filter(own).collect();
    assert!(written.is_empty(), "{written:?}");
    Ok(())
}
