//! What is found in B1 is not taken for what is meant: an order that stands there already, whoever made it known, ends as the
//! opportunity is now, and is the only one.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

async fn world() -> Result<World> {
    let mut world =
        World::with(Setup { flow: "settings = { approval_poll_minutes = 0 }".into(), ..Setup::default() }).await?;
    world.up().await?;
    Ok(world)
}

/// The quantity of the opportunity's first line.
async fn set_quantity(world: &World, id: &str, quantity: i64) -> Result<()> {
    let line = world.lines(id).await?.remove(0);
    let line = line["Id"].as_str().context("a line has an id")?.to_owned();
    world.change("OpportunityLineItem", &line, json!({ "Quantity": quantity })).await?;
    // What the package's trigger on lines does.
    world.change("Opportunity", id, json!({ "Tandem_PO_Number__c": format!("PO of {quantity}") })).await
}

/// The one order that stands for an opportunity, once its first line has that quantity.
async fn until_quantity(world: &World, id: &str, quantity: f64) -> Result<Value> {
    let looks = async |world: &World| {
        let standing = standing(world, id).await?;
        ensure!(standing.len() < 2, "two orders stand: {standing:?}");
        let order = standing.into_iter().next();
        Ok(order.filter(|order| order["DocumentLines"][0]["Quantity"].as_f64() == Some(quantity)))
    };
    world.until(&format!("one order with a quantity of {quantity}"), Duration::from_secs(30), looks).await
}

async fn standing(world: &World, id: &str) -> Result<Vec<Value>> {
    Ok(world.orders_of(id).await?.into_iter().filter(|order| order["Cancelled"] != "tYES").collect())
}

/// Waits for approval; the number of the draft.
async fn awaited(world: &World, id: &str) -> Result<i64> {
    let waits = async |world: &World| {
        Ok((world.opportunity(id).await?["Tandem_Order_Status__c"] == "Awaiting approval").then_some(()))
    };
    world.until("approval to be awaited", Duration::from_secs(20), waits).await?;
    let drafts = world.b1_records("Drafts").await?;
    let own = drafts.iter().find(|draft| draft["U_SF_Id"] == id).context("there is no draft")?;
    own["DocEntry"].as_i64().context("a draft has a number")
}

async fn approve(world: &World, draft: i64) -> Result<()> {
    let (status, body) = world.send("POST", &format!("{}/admin/approve/{draft}", world.b1), &json!({})).await?;
    ensure!(status == 201, "{body}");
    Ok(())
}

/// The host starts anew with nothing but its grants.
async fn without_memory(world: &mut World) -> Result<()> {
    world.kill().await?;
    world.database.forget(world.folder())?;
    world.tandem(&["plugin", "grant", "orders", "--yes"]).await?;
    world.up().await
}

#[tokio::test]
async fn an_order_that_was_approved_is_not_made_again_by_a_host_without_memory() -> Result<()> {
    let mut world = world().await?;
    world.b1_settings(json!({ "approval_over": 0.01 })).await?;
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    approve(&world, awaited(&world, &id).await?).await?;
    world.until_all_told(std::slice::from_ref(&id), Duration::from_secs(20)).await?;
    world.b1_settings(json!({})).await?;
    let ledger = world.b1_records("U_TANDEM").await?;
    assert!(ledger.iter().any(|row| row["Code"].as_str().is_some_and(|code| code.contains(&id))), "{ledger:?}");
    without_memory(&mut world).await?;
    set_quantity(&world, &id, 33).await?;
    until_quantity(&world, &id, 33.0).await?;
    assert_eq!(world.orders_of(&id).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_draft_that_waits_is_known_to_a_host_without_memory() -> Result<()> {
    let mut world = world().await?;
    world.b1_settings(json!({ "approval_over": 0.01 })).await?;
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    awaited(&world, &id).await?;
    without_memory(&mut world).await?;
    set_quantity(&world, &id, 5).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(world.b1_records("Drafts").await?.len(), 1, "no second draft");
    approve(&world, awaited(&world, &id).await?).await?;
    world.b1_settings(json!({})).await?;
    until_quantity(&world, &id, 5.0).await?;
    Ok(())
}

#[tokio::test]
async fn what_changes_while_a_host_has_lost_its_memory_reaches_the_order_that_is_there() -> Result<()> {
    let mut world = world().await?;
    let id = world.opportunities(1).await?.remove(0);
    set_quantity(&world, &id, 2).await?;
    world.win(&id).await?;
    world.until_all_told(std::slice::from_ref(&id), Duration::from_secs(20)).await?;
    without_memory(&mut world).await?;
    set_quantity(&world, &id, 33).await?;
    until_quantity(&world, &id, 33.0).await?;
    // Changed a moment after the quantity.
    let named = async |world: &World| {
        let standing = standing(world, &id).await?;
        Ok(standing.into_iter().find(|order| order["NumAtCard"] == "PO of 33"))
    };
    let order = world.until("the order's number, too", Duration::from_secs(30), named).await?;
    let lines = world.lines(&id).await?.len();
    assert_eq!(order["DocumentLines"].as_array().map(Vec::len), Some(lines));
    Ok(())
}

#[tokio::test]
async fn what_changes_during_the_outage_in_which_the_order_was_made_reaches_it() -> Result<()> {
    let world = world().await?;
    let id = world.opportunities(1).await?.remove(0);
    set_quantity(&world, &id, 1).await?;
    // The order is made, its answer is lost, and so is every look for it.
    world
        .b1_faults(json!([
            { "path": "/Orders", "method": "POST", "kind": "reset-after", "times": 1 },
            { "path": "/b1s/v2/$batch", "kind": "reset-after", "rate": 1.0 },
            { "path": "/b1s/v2/Orders", "kind": "reset-before", "rate": 1.0 },
        ]))
        .await?;
    world.win(&id).await?;
    let made = async |world: &World| Ok((!world.orders_of(&id).await?.is_empty()).then_some(()));
    let made = world.until("the order to be made", Duration::from_secs(8), made).await;
    set_quantity(&world, &id, 8).await?;
    world.b1_faults(json!([])).await?;
    let order = until_quantity(&world, &id, 8.0).await?;
    assert_eq!(order["NumAtCard"], "PO of 8", "{made:?}");
    assert_eq!(world.orders_of(&id).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn an_order_whose_answer_was_lost_goes_with_an_opportunity_that_is_re_opened_meanwhile() -> Result<()> {
    let world = world().await?;
    let id = world.opportunities(1).await?.remove(0);
    // B1 is looked through, and then the order is made and nobody is told.
    world.b1_faults(json!([{ "path": "$batch", "kind": { "latency": 1500 } }])).await?;
    world.win(&id).await?;
    tokio::time::sleep(Duration::from_millis(800)).await;
    let lost = json!([{ "path": "$batch", "kind": "reset-after" }, { "path": "/Orders", "kind": "reset-before" }]);
    world.b1_faults(lost).await?;
    let made = async |world: &World| Ok((!world.orders_of(&id).await?.is_empty()).then_some(()));
    world.until("the order to be made", Duration::from_secs(20), made).await?;
    world.change("Opportunity", &id, json!({ "StageName": "Prospecting" })).await?;
    world.b1_faults(json!([])).await?;
    let cancelled = async |world: &World| Ok(standing(world, &id).await?.is_empty().then_some(()));
    world.until("the order to be cancelled", Duration::from_secs(30), cancelled).await?;
    assert_eq!(world.orders_of(&id).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn what_changes_while_a_draft_waits_follows_when_it_is_approved() -> Result<()> {
    let world = world().await?;
    world.b1_settings(json!({ "approval_over": 0.01 })).await?;
    let id = world.opportunities(1).await?.remove(0);
    set_quantity(&world, &id, 1).await?;
    world.win(&id).await?;
    let draft = awaited(&world, &id).await?;
    set_quantity(&world, &id, 9).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    approve(&world, draft).await?;
    world.b1_settings(json!({})).await?;
    until_quantity(&world, &id, 9.0).await?;
    world.until_all_told(&[id], Duration::from_secs(20)).await
}

#[tokio::test]
async fn an_order_approved_for_an_opportunity_that_is_no_longer_won_is_cancelled() -> Result<()> {
    let world = world().await?;
    world.b1_settings(json!({ "approval_over": 0.01, "keeps_drafts": true })).await?;
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    let draft = awaited(&world, &id).await?;
    world.change("Opportunity", &id, json!({ "StageName": "Prospecting" })).await?;
    let told = async |world: &World| {
        let told = world.opportunity(&id).await?["Tandem_Sync_Message__c"].as_str().map(str::to_owned);
        Ok(told.filter(|told| told.contains(&format!("draft {draft}"))))
    };
    world.until("the rep to be told of the draft", Duration::from_secs(20), told).await?;
    approve(&world, draft).await?;
    world.b1_settings(json!({})).await?;
    let cancelled = async |world: &World| {
        let orders = world.orders_of(&id).await?;
        Ok((orders.len() == 1 && orders[0]["Cancelled"] == "tYES").then_some(()))
    };
    world.until("the order to be cancelled", Duration::from_secs(20), cancelled).await?;
    let shown = async |world: &World| {
        Ok((world.opportunity(&id).await?["Tandem_Order_Status__c"] == "Cancelled").then_some(()))
    };
    world.until("the opportunity to say so", Duration::from_secs(20), shown).await
}

fn quantities(order: &Value) -> Vec<f64> {
    let lines = order["DocumentLines"].as_array().into_iter().flatten();
    let mut all: Vec<f64> = lines.filter_map(|line| line["Quantity"].as_f64()).collect();
    all.sort_by(f64::total_cmp);
    all
}

#[tokio::test]
async fn what_a_clerk_did_in_the_order_stays_unless_salesforce_says_otherwise() -> Result<()> {
    let world = world().await?;
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    world.until_all_told(std::slice::from_ref(&id), Duration::from_secs(20)).await?;
    let order = standing(&world, &id).await?.remove(0);
    let path = format!("/Orders({})", order["DocEntry"]);
    let own = order["DocumentLines"].as_array().map_or(0, Vec::len);
    // A line more, and another price of the first.
    let num = order["DocumentLines"][0]["LineNum"].clone();
    world.b1_patch(&path, json!({ "DocumentLines": [{ "LineNum": num, "UnitPrice": 1.23 }] })).await?;
    world.b1_patch(&path, json!({ "DocumentLines": [{ "ItemCode": "A00050", "Quantity": 77 }] })).await?;
    set_quantity(&world, &id, 9).await?;
    let order = until_quantity(&world, &id, 9.0).await?;
    assert_eq!(order["DocumentLines"][0]["UnitPrice"].as_f64(), Some(1.23), "{order}");
    assert_eq!(order["DocumentLines"].as_array().map(Vec::len), Some(own + 1), "{order}");
    assert!(quantities(&order).contains(&77.0), "{order}");
    // A line of Salesforce's own beside the clerk's, then another value of it.
    let first = world.lines(&id).await?.remove(0);
    let line = json!({ "OpportunityId": id, "PricebookEntryId": first["PricebookEntryId"], "Quantity": 71, "UnitPrice": 2.5, "SortOrder": 99 });
    let (status, made) =
        world.send("POST", &format!("{}/admin/create/OpportunityLineItem", world.salesforce), &line).await?;
    ensure!(status == 201, "{made}");
    let with = |quantity: f64| {
        let id = id.clone();
        async move |world: &World| {
            let order = standing(world, &id).await?.remove(0);
            Ok(quantities(&order).contains(&quantity).then_some(order))
        }
    };
    world.until("the new line", Duration::from_secs(20), with(71.0)).await?;
    let made = made["id"].as_str().context("a line has an id")?.to_owned();
    world.change("OpportunityLineItem", &made, json!({ "Quantity": 72 })).await?;
    let order = world.until("the new line to change", Duration::from_secs(20), with(72.0)).await?;
    let all = quantities(&order);
    assert!(all.contains(&77.0) && all.contains(&9.0) && !all.contains(&71.0) && all.len() == own + 2, "{order}");
    Ok(())
}

#[tokio::test]
async fn a_line_whose_answer_is_lost_is_added_once() -> Result<()> {
    let world = world().await?;
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    world.until_all_told(std::slice::from_ref(&id), Duration::from_secs(20)).await?;
    let first = world.lines(&id).await?.remove(0);
    let own = world.lines(&id).await?.len();
    world.b1_faults(json!([{ "path": "/b1s/v2/Orders(", "kind": "reset-after", "times": 3 }])).await?;
    let line = json!({ "OpportunityId": id, "PricebookEntryId": first["PricebookEntryId"], "Quantity": 71, "UnitPrice": 2.5, "SortOrder": 99 });
    let (status, made) =
        world.send("POST", &format!("{}/admin/create/OpportunityLineItem", world.salesforce), &line).await?;
    ensure!(status == 201, "{made}");
    let added = async |world: &World| {
        let order = standing(world, &id).await?.remove(0);
        Ok(quantities(&order).contains(&71.0).then_some(()))
    };
    world.until("the line to be added", Duration::from_secs(20), added).await?;
    // Changed before anybody knows that it was added.
    let made = made["id"].as_str().context("a line has an id")?.to_owned();
    world.change("OpportunityLineItem", &made, json!({ "Quantity": 72 })).await?;
    let changed = async |world: &World| {
        let order = standing(world, &id).await?.remove(0);
        Ok(quantities(&order).contains(&72.0).then_some(order))
    };
    let order = world.until("the line to change", Duration::from_secs(60), changed).await?;
    world.settled().await?;
    assert_eq!(quantities(&order).len(), own + 1, "{order}");
    Ok(())
}

/// An opportunity whose order's answer was lost, where the ledger has the order's row and B1 has no order.
#[cfg(target_os = "linux")]
async fn row_alone(world: &mut World) -> Result<String> {
    world.up().await?;
    let id = world.opportunities(1).await?.remove(0);
    lose_the_order(world, &id, 1).await?;
    Ok(id)
}

/// It is shown, and the run has ended: what it waits for is reckoned at its end, by the clock of then.
async fn until_it_waits(world: &World, id: &str) -> Result<()> {
    let shown = world.until_state(id, "Waiting").await?;
    assert!(shown["Tandem_Sync_Message__c"].as_str().is_some_and(|message| message.contains("is looked for again")));
    let ended = async |world: &World| Ok(world.log().contains("is looked for again in a few minutes").then_some(()));
    world.until("the end of the run", Duration::from_secs(20), ended).await
}

/// From now on B1 answers a change set with an order of `PO-X` by the balancer's page.
async fn lets_no_change_set_through(world: &World) -> Result<()> {
    let procedure = json!({ "set": "Orders", "field": "NumAtCard", "is": "PO-X", "number": 1001, "words": "not now",
        "page_in_change_sets": true });
    world.b1_settings(json!({ "procedure": procedure })).await
}

/// Wins the opportunity; of its next order only the row of the ledger comes, as the last of so many.
async fn lose_the_order(world: &World, id: &str, rows: usize) -> Result<()> {
    lets_no_change_set_through(world).await?;
    let lost = json!([{ "path": "/b1s/v2/Orders", "method": "POST", "kind": "reset-before", "times": 1 }]);
    world.b1_faults(lost).await?;
    world.change("Opportunity", id, json!({ "Tandem_PO_Number__c": "PO-X" })).await?;
    world.win(id).await?;
    let is_lost = async |world: &World| {
        let faults = world.get(&format!("{}/admin/faults", world.b1)).await?;
        Ok((faults[0]["times"] == 0).then_some(()))
    };
    world.until("the answer to be lost", Duration::from_secs(20), is_lost).await?;
    world.b1_settings(json!({ "procedure": null })).await?;
    until_it_waits(world, id).await?;
    assert_eq!((world.orders_of(id).await?.len(), world.b1_records("U_TANDEM").await?.len()), (rows - 1, rows));
    Ok(())
}

/// The host is gone between the row and its order: nobody is asked whether an order was cancelled that never was.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_host_that_was_killed_between_a_row_of_the_ledger_and_its_order_makes_the_order_without_a_question()
-> Result<()> {
    let clock = tandem_e2e::machine::Clock::new()?;
    let mut world = World::with(Setup { environment: clock.environment(), ..Setup::default() }).await?;
    world.up().await?;
    let id = world.opportunities(1).await?.remove(0);
    lets_no_change_set_through(&world).await?;
    world.b1_faults(json!([{ "path": "/b1s/v2/Orders", "method": "POST", "kind": { "latency": 60_000 } }])).await?;
    world.change("Opportunity", &id, json!({ "Tandem_PO_Number__c": "PO-X" })).await?;
    world.win(&id).await?;
    let row = async |world: &World| Ok((world.b1_records("U_TANDEM").await?.len() == 1).then_some(()));
    world.until("the row", Duration::from_secs(20), row).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    world.kill().await?;
    world.b1_faults(json!([])).await?;
    world.b1_settings(json!({ "procedure": null })).await?;
    world.up().await?;
    until_it_waits(&world, &id).await?;
    clock.set(301)?;
    world.until_state(&id, "Synced").await?;
    assert_eq!((world.orders_of(&id).await?.len(), world.b1_records("U_TANDEM").await?.len()), (1, 1));
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

/// Where B1 lets no change set through, an order goes without one, its row of the ledger first. The order's answer is lost, and it was
/// never made: the row stands alone.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_order_that_b1_never_made_although_its_ledger_has_it_is_made_after_a_while_without_a_question() -> Result<()>
{
    let clock = tandem_e2e::machine::Clock::new()?;
    let mut world = World::with(Setup { environment: clock.environment(), ..Setup::default() }).await?;
    let id = row_alone(&mut world).await?;
    clock.set(301)?;
    world.until_state(&id, "Synced").await?;
    assert_eq!((world.orders_of(&id).await?.len(), world.b1_records("U_TANDEM").await?.len()), (1, 1));
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_second_order_of_an_opportunity_is_made_after_a_while_too_where_only_its_row_came() -> Result<()> {
    let clock = tandem_e2e::machine::Clock::new()?;
    let mut world = World::with(Setup { environment: clock.environment(), ..Setup::default() }).await?;
    world.up().await?;
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    world.until_all_told(std::slice::from_ref(&id), Duration::from_secs(20)).await?;
    world.change("Opportunity", &id, json!({ "StageName": "Prospecting" })).await?;
    let cancelled = async |world: &World| Ok((world.orders_of(&id).await?[0]["Cancelled"] == "tYES").then_some(()));
    world.until("the first order to be cancelled", Duration::from_secs(20), cancelled).await?;
    world.settled().await?;
    lose_the_order(&world, &id, 2).await?;
    clock.set(301)?;
    world.until_state(&id, "Synced").await?;
    assert_eq!((standing(&world, &id).await?.len(), world.b1_records("U_TANDEM").await?.len()), (1, 2));
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_re_opened_opportunity_whose_order_b1_never_made_waits_for_nothing_and_gets_it_when_it_is_won_again()
-> Result<()> {
    let clock = tandem_e2e::machine::Clock::new()?;
    let mut world = World::with(Setup { environment: clock.environment(), ..Setup::default() }).await?;
    let id = row_alone(&mut world).await?;
    world.change("Opportunity", &id, json!({ "StageName": "Prospecting" })).await?;
    clock.set(301)?;
    let shown = world.until_state(&id, "Synced").await?;
    assert_eq!(shown["Tandem_Sync_Message__c"], "not won, and B1 has neither draft nor order of it");
    world.settled().await?;
    world.win(&id).await?;
    let made = async |world: &World| Ok((!world.orders_of(&id).await?.is_empty()).then_some(()));
    world.until("the order", Duration::from_secs(20), made).await?;
    world.settled().await?;
    assert_eq!((world.orders_of(&id).await?.len(), world.b1_records("U_TANDEM").await?.len()), (1, 1));
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}
