//! An org counts what its code writes in a transaction, and its events: so many may be published in an hour, so many delivered in a day, to all who listen. Used up, nothing is lost,
//! nobody's save fails, and the host neither hammers nor stands still.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

const PATIENCE: Duration = Duration::from_secs(20);

async fn world(more: &str) -> Result<World> {
    let sign_in = format!("client_secret = {{ file = \"salesforce.secret\" }}\nreport_seconds = 1\n{more}\n");
    let mut world = World::with(Setup { salesforce: sign_in, ..Setup::default() }).await?;
    world.up().await?;
    Ok(world)
}

/// How often somebody has subscribed.
async fn subscriptions(world: &World) -> Result<u64> {
    let log = world.get(&format!("{}/admin/log", world.salesforce)).await?;
    Ok(log["counts"]["SUBSCRIBE /event/Tandem_Change__e"].as_u64().unwrap_or_default())
}

async fn says_so(world: &World) -> Result<Option<()>> {
    let (status, ready) = world.send("GET", &format!("{}/readyz", world.console), &Value::Null).await?;
    Ok((status == 503 && ready.to_string().contains("deliveries of the last 24 hours are used up")).then_some(()))
}

#[tokio::test]
async fn with_the_days_deliveries_used_up_the_host_looks_instead_and_says_so() -> Result<()> {
    let world = world("outbox_seconds = 1").await?;
    let ids = world.opportunities(3).await?;
    world.win(&ids[0]).await?;
    world.until_state(&ids[0], "Synced").await?;
    world.salesforce_settings(json!({ "delivery_limit": 0 })).await?;
    world.win(&ids[1]).await?;
    world.until_state(&ids[1], "Synced").await?;
    world.until("readyz to say so", PATIENCE, says_so).await?;
    let (code, checked, _) = world.tandem_raw(&["check"]).await?;
    assert!(code == 3 && checked.contains("used up: "), "{checked}");
    let told = |row: &Value| row["Tandem_Message__c"].as_str().is_some_and(|text| text.contains("are used up"));
    world.until_record("Tandem_Health__c", "the org to be told", told).await?;
    assert_eq!(world.log().matches("event deliveries are used up").count(), 1, "once: {}", world.log_tail());
    // What was told meanwhile changes nothing when it comes at last.
    world.salesforce_settings(json!({})).await?;
    world.ready(PATIENCE).await?;
    world.win(&ids[2]).await?;
    world.until_state(&ids[2], "Synced").await?;
    world.settled().await?;
    world.assert_exactly_once(&ids).await
}

#[tokio::test]
async fn the_host_waits_instead_of_subscribing_again_and_again() -> Result<()> {
    let world = world("").await?;
    world.salesforce_settings(json!({ "delivery_limit": 0 })).await?;
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    world.until("readyz to say so", PATIENCE, says_so).await?;
    let before = subscriptions(&world).await?;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(subscriptions(&world).await?, before, "{}", world.log_tail());
    Ok(())
}

#[tokio::test]
async fn with_the_hours_publishes_used_up_a_save_is_a_save_and_the_order_is_made() -> Result<()> {
    let world = world("outbox_seconds = 1").await?;
    world.salesforce_settings(json!({ "event_limit": 0 })).await?;
    let ids = world.opportunities(2).await?;
    for id in &ids {
        world.win(id).await?;
    }
    for id in &ids {
        world.until_state(id, "Synced").await?;
    }
    world.assert_exactly_once(&ids).await
}

#[tokio::test]
async fn metrics_show_how_much_of_the_orgs_events_is_used() -> Result<()> {
    let world = world("").await?;
    let shown = async |world: &World| {
        let page = reqwest::get(format!("{}/metrics", world.console)).await?.text().await?;
        let has = |kind: &str, name: &str| {
            let wanted = format!("tandem_salesforce_events_{name}{{connection=\"crm\",kind=\"{kind}\"}}");
            page.lines().any(|line| line.starts_with(&wanted))
        };
        let all = ["published", "delivered"].iter().all(|kind| has(kind, "used") && has(kind, "allowed"));
        Ok(all.then_some(()))
    };
    world.until("the org's usage", PATIENCE, shown).await?;
    Ok(())
}

/// Other code of the org has taken the rest: the save is a save, and a job tells.
#[tokio::test]
async fn a_save_with_too_few_rows_or_no_statement_left_becomes_an_order_all_the_same() -> Result<()> {
    let world = world("outbox_seconds = 1").await?;
    let ids = world.opportunities(3).await?;
    let limits = [
        json!({ "statements": 149, "rows": 0 }),
        json!({ "statements": 0, "rows": 9_800 }),
        // Enough to publish, which is refused, and one row too few for the outbox.
        json!({ "statements": 149, "rows": 1 }),
    ];
    for (id, left) in ids.iter().zip(limits) {
        let failures = u64::from(left["rows"] == 1);
        world.salesforce_settings(json!({ "left": left, "event_failures": failures })).await?;
        world.win(id).await?;
        world.until_state(id, "Synced").await.with_context(|| left.to_string())?;
    }
    world.assert_exactly_once(&ids).await
}

/// A record without a watched value costs no event: a service org has more cases than anything else.
#[tokio::test]
async fn a_case_of_no_opportunity_and_a_contact_of_no_account_cost_no_event() -> Result<()> {
    let world = world("").await?;
    let published = async |world: &World| -> Result<f64> {
        let limits = world.get(&format!("{}/admin/usage", world.salesforce)).await?;
        limits["published"].as_f64().context("a number")
    };
    let before = published(&world).await?;
    world.create("Case", json!({ "Subject": "Late" })).await?;
    world.create("Contact", json!({ "LastName": "Nobody" })).await?;
    assert_eq!(published(&world).await?, before);
    let id = world.opportunities(1).await?.remove(0);
    world.create("Case", json!({ "Subject": "Late", "Tandem_Opportunity__c": id })).await?;
    assert_eq!(published(&world).await?, before + 1.0);
    Ok(())
}
