//! Orders that are in B1 already, or that somebody else has a hand in: found and never doubled, brought in step, and a
//! clerk's work left alone.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

const PATIENCE: Duration = Duration::from_secs(20);
const FAST: &str = "poll_seconds = 1\ntime_zone = \"Europe/Berlin\"";

fn num(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

async fn fast(flow: &str) -> Result<World> {
    World::with(Setup { flow: flow.into(), b1: FAST.into(), ..Setup::default() }).await
}

/// A world in which orders await approval.
async fn approvals() -> Result<World> {
    let world = fast("settings = { approval_poll_minutes = 0 }").await?;
    world.b1_settings(json!({ "approval_over": 0.01 })).await?;
    Ok(world)
}

async fn won(world: &World) -> Result<String> {
    let id = world.opportunities(3).await?[2].clone();
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    Ok(id)
}

async fn awaited(world: &World) -> Result<(String, Value)> {
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    until_status(world, &id, "Awaiting approval").await?;
    let drafts = world.b1_records("Drafts").await?;
    let draft = drafts.into_iter().find(|draft| draft["U_SF_Id"] == id.as_str()).unwrap_or_default();
    Ok((id, draft["DocEntry"].clone()))
}

async fn approve(world: &World, draft: &Value) -> Result<()> {
    let (status, body) = world.send("POST", &format!("{}/admin/approve/{draft}", world.b1), &json!({})).await?;
    assert_eq!(status, 201, "{body}");
    Ok(())
}

async fn until_status(world: &World, id: &str, status: &str) -> Result<()> {
    let look = async |world: &World| {
        Ok((world.opportunity(id).await?["Tandem_Order_Status__c"].as_str().unwrap_or_default() == status)
            .then_some(()))
    };
    world.until(&format!("the status {status:?}"), PATIENCE, look).await
}

/// The opportunity's live order once its first line has that quantity; it is the only one.
async fn until_quantity(world: &World, id: &str, quantity: f64) -> Result<Value> {
    let look = async |world: &World| {
        let mut orders = world.orders_of(id).await?;
        orders.retain(|order| order["Cancelled"] == "tNO");
        assert!(orders.len() <= 1, "one order: {orders:?}");
        Ok(orders.pop().filter(|order| num(&order["DocumentLines"][0]["Quantity"]) == quantity))
    };
    world.until(&format!("quantity {quantity}"), PATIENCE, look).await
}

async fn first_line(world: &World, id: &str) -> Result<String> {
    let mut lines = world.lines(id).await?;
    lines.sort_by_key(|line| line["SortOrder"].as_i64());
    Ok(lines[0]["Id"].as_str().unwrap_or_default().to_owned())
}

async fn set_quantity(world: &World, id: &str, quantity: i64) -> Result<()> {
    world.change("OpportunityLineItem", &first_line(world, id).await?, json!({ "Quantity": quantity })).await
}

/// The host loses all it remembers.
async fn forget(world: &mut World) -> Result<()> {
    world.stop().await?;
    world.database.forget(world.folder())?;
    world.tandem(&["plugin", "grant", "orders", "--yes"]).await?;
    Ok(())
}

async fn ledger(world: &World, id: &str) -> Result<usize> {
    let rows = world.b1_records("U_TANDEM").await?;
    Ok(rows.iter().filter(|row| row["Code"].as_str().is_some_and(|code| code.contains(id))).count())
}

#[tokio::test]
async fn an_approved_order_is_in_the_ledger_and_found_by_a_host_that_has_forgotten_it() -> Result<()> {
    let mut world = approvals().await?;
    world.up().await?;
    let (id, draft) = awaited(&world).await?;
    approve(&world, &draft).await?;
    world.b1_settings(json!({})).await?;
    world.until_all_told(std::slice::from_ref(&id), PATIENCE).await?;
    assert_eq!(
        ledger(&world, &id).await?,
        1,
        "the approval rolled the row back; it is written when the order is found"
    );
    forget(&mut world).await?;
    set_quantity(&world, &id, 33).await?;
    world.up().await?;
    world.change("Opportunity", &id, json!({ "Tandem_PO_Number__c": "PO-AGAIN" })).await?;
    until_quantity(&world, &id, 33.0).await?;
    world.assert_exactly_once(std::slice::from_ref(&id)).await?;
    // Nor without its ledger row.
    forget(&mut world).await?;
    world.b1_call("DELETE", &format!("/U_TANDEM('orders:{id}:order-1')"), Value::Null).await?;
    world.up().await?;
    world.change("Opportunity", &id, json!({ "Tandem_PO_Number__c": "PO-ONCE-MORE" })).await?;
    let row = async |world: &World| Ok((ledger(world, &id).await? == 1).then_some(()));
    world.until("the row to be there again", PATIENCE, row).await?;
    world.assert_exactly_once(&[id]).await
}

#[tokio::test]
async fn a_draft_is_found_by_a_host_that_has_forgotten_it() -> Result<()> {
    let mut world = approvals().await?;
    world.up().await?;
    let (id, draft) = awaited(&world).await?;
    forget(&mut world).await?;
    world.up().await?;
    world.change("Opportunity", &id, json!({ "Tandem_PO_Number__c": "PO-AGAIN" })).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(world.b1_records("Drafts").await?.len(), 1, "one draft");
    approve(&world, &draft).await?;
    world.until_all_told(std::slice::from_ref(&id), PATIENCE).await?;
    world.assert_exactly_once(&[id]).await
}

#[tokio::test]
async fn an_approval_between_two_looks_is_no_refusal() -> Result<()> {
    let mut world = fast("settings = { approval_poll_minutes = 60 }").await?;
    world.b1_settings(json!({ "approval_over": 0.01 })).await?;
    world.up().await?;
    let (id, draft) = awaited(&world).await?;
    world.b1_settings(json!({})).await?;
    let looks = async |world: &World| -> Result<u64> {
        let calls = world.calls(&world.b1).await?;
        Ok(calls["GET /Orders"].as_u64().unwrap_or(0))
    };
    // Every read is slow: the approval falls among those of one run, wherever it has got to.
    world.b1_faults(json!([{ "path": "/Drafts", "kind": { "latency": 1500 } }, { "path": "$batch", "kind": { "latency": 300 } }])).await?;
    let before = looks(&world).await?;
    world.change("Opportunity", &id, json!({ "Tandem_PO_Number__c": "PO-NOW" })).await?;
    let begun = async |world: &World| Ok((looks(world).await? > before).then_some(()));
    let _ = world.until("a look", Duration::from_secs(3), begun).await;
    approve(&world, &draft).await?;
    world.b1_faults(json!([])).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let _ = world.change("Opportunity", &id, json!({ "Tandem_PO_Number__c": "PO-LATER" })).await;
    let look = async |world: &World| {
        let mut orders = world.orders_of(&id).await?;
        assert_eq!(orders.len(), 1, "never a second one: {orders:?}");
        Ok(orders.pop().filter(|order| order["NumAtCard"] == "PO-LATER"))
    };
    world.until("the order to follow", PATIENCE, look).await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]), "nobody refused it");
    world.assert_exactly_once(&[id]).await
}

#[tokio::test]
async fn what_changed_while_an_answer_was_lost_reaches_the_order_without_another_touch() -> Result<()> {
    let mut world = fast("").await?;
    world.up().await?;
    let id = world.opportunities(1).await?.remove(0);
    // The order is made, and nobody is told for a while.
    world.b1_faults(json!([{ "path": "$batch", "kind": { "latency": 1500 } }])).await?;
    let lost = json!([
        { "path": "$batch", "kind": "reset-after", "for_ms": 6000 },
        { "path": "/Orders", "kind": "reset-before", "for_ms": 6000 },
    ]);
    world.win(&id).await?;
    tokio::time::sleep(Duration::from_millis(800)).await;
    world.b1_faults(lost).await?;
    let made = async |world: &World| Ok((!world.orders_of(&id).await?.is_empty()).then_some(()));
    world.until("the order to be made", PATIENCE, made).await?;
    set_quantity(&world, &id, 8).await?;
    until_quantity(&world, &id, 8.0).await?;
    world.until_state(&id, "Synced").await?;
    world.assert_exactly_once(&[id]).await
}

#[tokio::test]
async fn what_changes_while_a_draft_waits_follows_when_it_is_approved() -> Result<()> {
    let mut world = approvals().await?;
    world.up().await?;
    let (id, draft) = awaited(&world).await?;
    let told = world.opportunity(&id).await?["Tandem_Sync_Message__c"].clone();
    assert!(told.as_str().unwrap_or_default().contains("follows when it is approved"), "{told}");
    set_quantity(&world, &id, 9).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    approve(&world, &draft).await?;
    until_quantity(&world, &id, 9.0).await?;
    world.until_all_told(std::slice::from_ref(&id), PATIENCE).await?;
    world.assert_exactly_once(&[id]).await
}

/// What was promised to follow is asked about where it cannot any more: the order was approved, added and delivered before anybody looked.
#[tokio::test]
async fn what_changes_while_a_draft_waits_is_asked_about_where_its_order_is_closed_by_then() -> Result<()> {
    let mut world = fast("settings = { approval_poll_minutes = 60 }").await?;
    world.b1_settings(json!({ "approval_over": 0.01 })).await?;
    world.up().await?;
    let (id, draft) = awaited(&world).await?;
    set_quantity(&world, &id, 9).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.settled().await?;
    world.stop().await?;
    approve(&world, &draft).await?;
    deliver(&world, &id).await?;
    world.up().await?;
    asked_about_closed(&world, &id).await
}

/// The same where the first try to bring it there meets a pause.
#[tokio::test]
async fn what_changes_while_a_draft_waits_is_asked_about_also_where_the_first_try_fails() -> Result<()> {
    let mut world = fast("settings = { approval_poll_minutes = 60 }").await?;
    world.b1_settings(json!({ "approval_over": 0.01 })).await?;
    world.up().await?;
    let (id, draft) = awaited(&world).await?;
    world.change("Opportunity", &id, json!({ "Tandem_PO_Number__c": "4711" })).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.settled().await?;
    world.stop().await?;
    approve(&world, &draft).await?;
    deliver(&world, &id).await?;
    world.b1_faults(passing("PATCH", "/Orders")).await?;
    world.up().await?;
    world.until_state(&id, "Review").await?;
    let asked = world.tandem_json(&["review", "list"]).await?;
    let reason = asked[0]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("NumAtCard") && reason.contains("Document is closed"), "{asked}");
    Ok(())
}

/// The same of a change that comes after the order was closed, where a host has lost its memory.
#[tokio::test]
async fn a_change_after_its_order_was_closed_is_asked_about_by_a_host_that_has_forgotten_it() -> Result<()> {
    let mut world = fast("").await?;
    world.up().await?;
    let id = won(&world).await?;
    forget(&mut world).await?;
    deliver(&world, &id).await?;
    // Long ago: nothing in B1 tells of it.
    world.send("PUT", &format!("{}/admin/clock", world.b1), &json!({ "offset_ms": 3_600_000 })).await?;
    world.up().await?;
    world.settled().await?;
    set_quantity(&world, &id, 9).await?;
    asked_about_closed(&world, &id).await
}

async fn deliver(world: &World, id: &str) -> Result<()> {
    let entry = world.orders_of(id).await?.remove(0)["DocEntry"].clone();
    let (status, body) = world.send("POST", &format!("{}/admin/deliver/{entry}", world.b1), &json!({})).await?;
    assert!(status < 300, "{body}");
    Ok(())
}

async fn asked_about_closed(world: &World, id: &str) -> Result<()> {
    let shown = world.until_state(id, "Review").await?;
    assert_eq!(shown["Tandem_Order_Status__c"], "Closed");
    let asked = world.tandem_json(&["review", "list"]).await?;
    let reason = asked[0]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("line 1 (") && reason.contains("is closed in B1"), "{asked}");
    Ok(())
}

#[tokio::test]
async fn a_draft_of_an_opportunity_that_is_no_longer_won_goes() -> Result<()> {
    let mut world = approvals().await?;
    world.up().await?;
    let gone = async |world: &World| Ok(world.b1_records("Drafts").await?.is_empty().then_some(()));
    let (id, _) = awaited(&world).await?;
    world.change("Opportunity", &id, json!({ "StageName": "Prospecting" })).await?;
    world.until("the draft to go", PATIENCE, gone).await?;
    until_status(&world, &id, "").await?;
    // The same of one that is deleted.
    let (id, _) = awaited(&world).await?;
    let url = format!("{}/admin/delete/Opportunity/{id}", world.salesforce);
    assert_eq!(world.send("POST", &url, &json!({})).await?.0, 204);
    let asked = async |world: &World| {
        let items = world.tandem_json(&["review", "list"]).await?;
        Ok(items[0]["id"].as_i64())
    };
    let item = world.until("a question about the draft", PATIENCE, asked).await?;
    world.tandem(&["review", "resolve", "--choose", "cancel the order", &item.to_string()]).await?;
    world.until("the draft to go", PATIENCE, gone).await?;
    // And where the approval was faster, the order.
    let (id, draft) = awaited(&world).await?;
    world.stop().await?;
    approve(&world, &draft).await?;
    world.change("Opportunity", &id, json!({ "StageName": "Prospecting" })).await?;
    world.up().await?;
    until_status(&world, &id, "Cancelled").await?;
    assert_eq!(world.orders_of(&id).await?[0]["Cancelled"], "tYES");
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

#[tokio::test]
async fn a_draft_that_b1_keeps_is_watched_and_the_order_made_of_it_cancelled() -> Result<()> {
    let mut world = approvals().await?;
    world.up().await?;
    let (id, draft) = awaited(&world).await?;
    let keeps = json!({ "approval_over": 0.01, "keeps_drafts": true });
    world.b1_settings(keeps).await?;
    world.change("Opportunity", &id, json!({ "StageName": "Prospecting" })).await?;
    let shown = world.until_state(&id, "Review").await?;
    let message = shown["Tandem_Sync_Message__c"].as_str().unwrap_or_default();
    assert!(message.contains(&format!("draft {draft}")), "{message}");
    approve(&world, &draft).await?;
    until_status(&world, &id, "Cancelled").await?;
    assert_eq!(world.orders_of(&id).await?[0]["Cancelled"], "tYES");
    Ok(())
}

#[tokio::test]
async fn an_order_that_is_closed_or_cancelled_in_b1_is_told_and_a_cancelled_one_asked_about() -> Result<()> {
    let mut world = fast("").await?;
    world.up().await?;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let id = won(&world).await?;
    let entry = world.orders_of(&id).await?[0]["DocEntry"].clone();
    world.b1_call("POST", &format!("/Orders({entry})/Close"), Value::Null).await?;
    until_status(&world, &id, "Closed").await?;
    world.b1_call("POST", &format!("/Orders({entry})/Reopen"), Value::Null).await?;
    until_status(&world, &id, "Open").await?;
    world.b1_call("POST", &format!("/Orders({entry})/Cancel"), Value::Null).await?;
    until_status(&world, &id, "Cancelled").await?;
    let shown = world.until_state(&id, "Review").await?;
    assert!(shown["Tandem_Order_Number__c"].is_string(), "{shown}");
    world.change("Opportunity", &id, json!({ "Tandem_PO_Number__c": "PO-AGAIN" })).await?;
    world.settled().await?;
    let items = world.tandem_json(&["review", "list"]).await?;
    assert_eq!(items.as_array().map(Vec::len), Some(1), "one question: {items}");
    assert_eq!(items[0]["choices"], json!(["create a new order", "leave it cancelled"]));
    assert_eq!(world.orders_of(&id).await?.len(), 1);
    let event = items[0]["id"].to_string();
    world.tandem(&["review", "resolve", "--choose", "create a new order", &event]).await?;
    until_status(&world, &id, "Open").await?;
    let live = async |world: &World| {
        let orders = world.orders_of(&id).await?;
        Ok((orders.len() == 2).then(|| orders.iter().filter(|order| order["Cancelled"] == "tNO").count()))
    };
    assert_eq!(world.until("a second order", PATIENCE, live).await?, 1);
    // The other choice holds, whatever else changes.
    let entry = world.orders_of(&id).await?[1]["DocEntry"].clone();
    world.b1_call("POST", &format!("/Orders({entry})/Cancel"), Value::Null).await?;
    world.until_state(&id, "Review").await?;
    let event = world.tandem_json(&["review", "list"]).await?[0]["id"].to_string();
    world.tandem(&["review", "resolve", "--choose", "leave it cancelled", &event]).await?;
    world.until_state(&id, "Synced").await?;
    world.change("Opportunity", &id, json!({ "Tandem_PO_Number__c": "PO-LEFT" })).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.settled().await?;
    assert_eq!(world.orders_of(&id).await?.len(), 2);
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

/// B1 is asked again for what was stamped just now, also while Salesforce answers nothing.
#[tokio::test]
async fn a_status_that_is_told_twice_before_its_opportunity_was_looked_at_keeps_its_question() -> Result<()> {
    let mut world = fast("").await?;
    world.up().await?;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let id = won(&world).await?;
    let entry = world.orders_of(&id).await?[0]["DocEntry"].clone();
    world.settled().await?;
    world.salesforce_faults(json!([{ "path": "/services/data", "kind": "html-before" }])).await?;
    world.b1_call("POST", &format!("/Orders({entry})/Cancel"), Value::Null).await?;
    until_woken_twice(&world, &id).await?;
    world.salesforce_faults(json!([])).await?;
    world.until_state(&id, "Review").await?;
    world.settled().await?;
    let items = world.tandem_json(&["review", "list"]).await?;
    assert_eq!(items.as_array().map(Vec::len), Some(1), "one question: {items}");
    Ok(())
}

/// What is asked of two opportunities in the same words is two questions.
#[tokio::test]
async fn what_a_person_ignored_of_one_order_is_asked_of_another() -> Result<()> {
    let mut world = fast("").await?;
    world.up().await?;
    let ids = world.opportunities(2).await?;
    for id in &ids {
        world.win(id).await?;
        world.until_state(id, "Synced").await?;
    }
    for id in &ids {
        for line in world.lines(id).await? {
            let url = format!(
                "{}/admin/delete/OpportunityLineItem/{}",
                world.salesforce,
                line["Id"].as_str().unwrap_or_default()
            );
            anyhow::ensure!(world.send("POST", &url, &json!({})).await?.0 == 204);
        }
        world.until_state(id, "Review").await?;
    }
    let asked = async |world: &World| -> Result<Vec<Value>> {
        world.settled().await?;
        let items = world.tandem_json(&["review", "list"]).await?;
        Ok(items.as_array().into_iter().flatten().filter(|item| item["key"] != ids[0].as_str()).cloned().collect())
    };
    let items = world.tandem_json(&["review", "list"]).await?;
    let first = items.as_array().into_iter().flatten().find(|item| item["key"] == ids[0].as_str());
    let first = first.context("the first one's question")?;
    world.tandem(&["review", "resolve", "--choose", "ignore", &first["id"].to_string()]).await?;
    let before = asked(&world).await?;
    anyhow::ensure!(
        before.len() == 1 && before[0]["reason"] == first["reason"],
        "in the same words: {first} {before:?}"
    );
    // Its status is told twice before it can be looked at.
    let entry = world.orders_of(&ids[1]).await?[0]["DocEntry"].clone();
    world.salesforce_faults(json!([{ "path": "/services/data", "kind": "html-before" }])).await?;
    world.b1_call("POST", &format!("/Orders({entry})/Close"), Value::Null).await?;
    until_woken_twice(&world, &ids[1]).await?;
    world.salesforce_faults(json!([])).await?;
    until_status(&world, &ids[1], "Closed").await?;
    let after = asked(&world).await?;
    anyhow::ensure!(after.len() == 1 && after[0]["reason"] == first["reason"], "{after:?}");
    Ok(())
}

async fn until_woken_twice(world: &World, id: &str) -> Result<()> {
    let woken = async |world: &World| {
        let events = world.tandem_json(&["events", "list", "--key", id]).await?;
        let wakes = events.as_array().into_iter().flatten().filter(|own| own["topic"] == "timer.wake").count();
        Ok((wakes > 1).then_some(()))
    };
    world.until("the opportunity to be woken twice", PATIENCE, woken).await
}

/// B1 closes an order with its last delivery or invoice, and opens it again with the delivery's cancellation, and the order's stamp stays.
#[tokio::test]
async fn an_order_that_its_documents_close_long_after_it_was_made_is_told() -> Result<()> {
    let mut world = fast("").await?;
    world.up().await?;
    let mut made = Vec::new();
    for _ in 0..2 {
        let id = won(&world).await?;
        made.push((id.clone(), world.orders_of(&id).await?[0]["DocEntry"].clone()));
    }
    for (_, entry) in &made {
        // The last look at a stamp is the second one.
        let twice = format!("SELECT count(*) FROM events WHERE dedup LIKE 'erp:Orders({entry})@%+' AND state = 4");
        let looked = async |world: &World| Ok((world.database.number(&twice)? > 0).then_some(()));
        world.until("the order to be looked at twice", PATIENCE, looked).await?;
    }
    for (action, (_, entry)) in ["deliver", "invoice"].iter().zip(&made) {
        world.send("POST", &format!("{}/admin/{action}/{entry}", world.b1), &json!({})).await?;
    }
    for (id, _) in &made {
        until_status(&world, id, "Closed").await?;
    }
    let delivery = world.b1_records("DeliveryNotes").await?.last().expect("the delivery")["DocEntry"].clone();
    world.b1_call("POST", &format!("/DeliveryNotes({delivery})/Cancel"), Value::Null).await?;
    until_status(&world, &made[0].0, "Open").await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

/// A rule that came later is not the business of an order that is over: nobody changed it, and B1 changes it no more. What a person changes is asked
/// about, with the fields that it is about.
#[tokio::test]
async fn a_mapping_that_gains_a_field_asks_nothing_of_orders_that_close() -> Result<()> {
    let mut world = fast("mapping = \"own.toml\"").await?;
    let own = world.folder().join("own.toml");
    std::fs::write(&own, "version = 1\n[header]\nNumAtCard = \"source.Tandem_PO_Number__c\"\n")?;
    world.up().await?;
    let id = won(&world).await?;
    let entry = world.orders_of(&id).await?[0]["DocEntry"].clone();
    let gained =
        "version = 1\n[header]\nNumAtCard = \"'PO ' + source.Tandem_PO_Number__c\"\nComments = \"source.Name\"\n";
    std::fs::write(&own, gained)?;
    let live = async |world: &World| {
        let runs = world.tandem(&["mapping", "show", "orders", "--live"]).await?;
        Ok(runs.contains("Comments").then_some(()))
    };
    world.until("the new mapping to be live", PATIENCE, live).await?;
    world.send("POST", &format!("{}/admin/deliver/{entry}", world.b1), &json!({})).await?;
    until_status(&world, &id, "Closed").await?;
    let ended = async |world: &World| {
        let open =
            "SELECT (SELECT count(*) FROM events WHERE state < 3) + (SELECT count(*) FROM wakes WHERE at < 9e12)";
        let open = world.database.number(open)?;
        Ok((open == 0).then_some(()))
    };
    world.until("all looks to end", PATIENCE, ended).await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]), "nobody changed anything");
    assert_eq!(world.opportunity(&id).await?["Tandem_Sync_State__c"], "Synced");
    world.change("Opportunity", &id, json!({ "Tandem_PO_Number__c": "4711" })).await?;
    world.until_state(&id, "Review").await?;
    let asked = world.tandem_json(&["review", "list"]).await?;
    let reason = asked[0]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("NumAtCard") && reason.contains("Document is closed"), "{asked}");
    Ok(())
}

#[tokio::test]
async fn a_value_that_cannot_be_asked_for_holds_its_own_opportunity_alone() -> Result<()> {
    let mut world = World::new().await?;
    let ids = world.opportunities(6).await?;
    let product = world.lines(&ids[1]).await?[0]["Product2Id"].as_str().unwrap_or_default().to_owned();
    let mut bad = Vec::new();
    for id in &ids {
        if world.lines(id).await?.iter().any(|line| line["Product2Id"] == product.as_str()) {
            bad.push(id.clone());
        }
    }
    world.change("Product2", &product, json!({ "Tandem_Item_Code__c": "A\t1" })).await?;
    for id in &ids {
        world.win(id).await?;
    }
    world.up().await?;
    for id in &ids {
        if bad.contains(id) {
            world.until_state(id, "Review").await?;
            assert!(world.orders_of(id).await?.is_empty());
        } else {
            world.until_state(id, "Synced").await?;
        }
    }
    assert!(bad.len() < ids.len());
    Ok(())
}

/// A clerk's own row and a clerk's price stay, whatever the opportunity changes elsewhere.
#[tokio::test]
async fn a_clerks_work_in_an_order_stays() -> Result<()> {
    let mut world = fast("").await?;
    world.up().await?;
    let id = won(&world).await?;
    let order = world.orders_of(&id).await?.remove(0);
    let path = format!("/Orders({})", order["DocEntry"]);
    let own = order["DocumentLines"].as_array().map_or(0, Vec::len);
    assert!(own > 1);
    assert!(order["DocumentLines"][0]["U_SF_LineId"].is_string(), "{order}");
    world
        .b1_patch(
            &path,
            json!({ "Comments": "call first", "DocumentLines": [
                { "LineNum": 1, "UnitPrice": 1.23 }, { "ItemCode": "A00050", "Quantity": 7, "UnitPrice": 99 },
            ]}),
        )
        .await?;
    let foreign = |order: &Value| {
        let lines = order["DocumentLines"].as_array().cloned().unwrap_or_default();
        lines.iter().any(|line| line["ItemCode"] == "A00050" && num(&line["Quantity"]) == 7.0)
    };
    set_quantity(&world, &id, 42).await?;
    let order = until_quantity(&world, &id, 42.0).await?;
    assert!(foreign(&order), "{order}");
    assert_eq!(num(&order["DocumentLines"][1]["UnitPrice"]), 1.23);
    assert_eq!(order["Comments"], "call first");
    // A line that goes takes no other with it.
    let doomed = first_line(&world, &id).await?;
    let url = format!("{}/admin/delete/OpportunityLineItem/{doomed}", world.salesforce);
    assert_eq!(world.send("POST", &url, &json!({})).await?.0, 204);
    let fewer = async |world: &World| {
        let order = world.orders_of(&id).await?.remove(0);
        Ok((order["DocumentLines"].as_array().map_or(0, Vec::len) == own).then_some(order))
    };
    let order = world.until("the line to go", PATIENCE, fewer).await?;
    assert!(foreign(&order), "{order}");
    assert_eq!(num(&order["DocumentLines"][0]["UnitPrice"]), 1.23, "{order}");
    Ok(())
}

#[tokio::test]
async fn where_both_sides_changed_the_same_the_setting_decides() -> Result<()> {
    for (setting, price) in [("salesforce", 5.5), ("b1", 1.23), ("review", 1.23)] {
        let mut world = fast(&format!("settings = {{ lines = \"{setting}\" }}")).await?;
        world.up().await?;
        let id = won(&world).await?;
        let path = format!("/Orders({})", world.orders_of(&id).await?[0]["DocEntry"]);
        world.b1_patch(&path, json!({ "DocumentLines": [{ "LineNum": 0, "UnitPrice": 1.23 }] })).await?;
        let line = first_line(&world, &id).await?;
        world.change("OpportunityLineItem", &line, json!({ "UnitPrice": 5.5, "Quantity": 37 })).await?;
        let price_of = async |world: &World| -> Result<f64> {
            Ok(num(&world.orders_of(&id).await?[0]["DocumentLines"][0]["UnitPrice"]))
        };
        if setting == "review" {
            world.until_state(&id, "Review").await?;
            assert_eq!(price_of(&world).await?, price);
            let items = world.tandem_json(&["review", "list"]).await?;
            let event = items[0]["id"].to_string();
            world.tandem(&["review", "resolve", "--choose", "keep Salesforce's", &event]).await?;
            until_quantity(&world, &id, 37.0).await?;
            assert_eq!(price_of(&world).await?, 5.5);
        } else {
            until_quantity(&world, &id, 37.0).await?;
            assert_eq!(price_of(&world).await?, price, "{setting}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_row_delivered_in_part_is_left_alone_and_the_others_change() -> Result<()> {
    let mut world = fast("").await?;
    world.up().await?;
    let id = won(&world).await?;
    set_quantity(&world, &id, 10).await?;
    let order = until_quantity(&world, &id, 10.0).await?;
    let (status, body) =
        world.send("POST", &format!("{}/admin/deliver/{}?partly", world.b1, order["DocEntry"]), &json!({})).await?;
    assert_eq!(status, 201, "{body}");
    set_quantity(&world, &id, 50).await?;
    let shown = world.until_state(&id, "Review").await?;
    let message = shown["Tandem_Sync_Message__c"].as_str().unwrap_or_default();
    assert!(message.contains("delivered in part"), "{message}");
    world.change("Opportunity", &id, json!({ "Tandem_PO_Number__c": "PO-REST" })).await?;
    let look =
        async |world: &World| Ok(world.orders_of(&id).await?.into_iter().find(|order| order["NumAtCard"] == "PO-REST"));
    let order = world.until("the rest to change", PATIENCE, look).await?;
    assert_eq!(num(&order["DocumentLines"][0]["Quantity"]), 10.0);
    Ok(())
}

/// A world without the field that tells rows apart.
async fn without_line_ids() -> Result<World> {
    let world = World::with(Setup { b1: FAST.into(), init: false, ..Setup::default() }).await?;
    world.b1_user_field("ORDR", "SF_Id").await?;
    let table = json!({ "TableName": "TANDEM", "TableDescription": "ledger", "TableType": "bott_NoObject" });
    world.b1_post("/UserTablesMD", table).await?;
    Ok(world)
}

#[tokio::test]
async fn a_line_whose_answer_is_lost_is_added_once_also_without_its_id() -> Result<()> {
    let mut world = without_line_ids().await?;
    world.up().await?;
    let id = won(&world).await?;
    let first = world.lines(&id).await?.remove(0);
    let own = world.lines(&id).await?.len();
    world.b1_faults(json!([{ "path": "/b1s/v2/Orders(", "kind": "reset-after", "times": 1 }])).await?;
    let line = json!({ "OpportunityId": id, "PricebookEntryId": first["PricebookEntryId"], "Quantity": 71, "UnitPrice": 2.5, "SortOrder": 99 });
    let made = world.create("OpportunityLineItem", line).await?;
    let added = async |world: &World| {
        let lines = world.orders_of(&id).await?.remove(0)["DocumentLines"].as_array().cloned().unwrap_or_default();
        Ok(lines.iter().any(|line| num(&line["Quantity"]) == 71.0).then_some(()))
    };
    world.until("the line to be added", PATIENCE, added).await?;
    world.change("OpportunityLineItem", &made, json!({ "Quantity": 72 })).await?;
    let changed = async |world: &World| {
        let lines = world.orders_of(&id).await?.remove(0)["DocumentLines"].as_array().cloned().unwrap_or_default();
        Ok(lines.iter().any(|line| num(&line["Quantity"]) == 72.0).then_some(lines))
    };
    let lines = world.until("the line to change", PATIENCE, changed).await?;
    assert_eq!(lines.len(), own + 1, "{lines:?}");
    Ok(())
}

/// Components of a sales BOM stand between our rows: a change reaches the row that is meant, with and without the field.
#[tokio::test]
async fn rows_that_b1_adds_do_not_shift_ours() -> Result<()> {
    for init in [true, false] {
        let mut world = if init { fast("").await? } else { without_line_ids().await? };
        let id = world.opportunities(3).await?[2].clone();
        let mut lines = world.lines(&id).await?;
        lines.sort_by_key(|line| line["SortOrder"].as_i64());
        assert!(lines.len() > 1);
        let first = lines[0]["ProductCode"].as_str().unwrap_or_default();
        world.b1_settings(json!({ "sales_boms": { first: { "A00050": 2, "A00051": 1 } } })).await?;
        world.up().await?;
        world.win(&id).await?;
        world.until_state(&id, "Synced").await?;
        let order = world.orders_of(&id).await?.remove(0);
        let rows = order["DocumentLines"].as_array().map_or(0, Vec::len);
        assert_eq!(rows, lines.len() + 2, "{order}");
        let second = lines[1]["Id"].as_str().unwrap_or_default();
        world.change("OpportunityLineItem", second, json!({ "UnitPrice": 77.7 })).await?;
        let changed = async |world: &World| {
            let order = world.orders_of(&id).await?.remove(0);
            Ok((num(&order["DocumentLines"][3]["UnitPrice"]) == 77.7).then_some(order))
        };
        let order = world.until("the second line's own row to change", PATIENCE, changed).await?;
        assert_eq!(order["DocumentLines"][1]["TreeType"], "iIngredient");
        assert_eq!(num(&order["DocumentLines"][1]["UnitPrice"]), 0.0);
        // The BOM goes with its components.
        let url = format!(
            "{}/admin/delete/OpportunityLineItem/{}",
            world.salesforce,
            lines[0]["Id"].as_str().unwrap_or_default()
        );
        assert_eq!(world.send("POST", &url, &json!({})).await?.0, 204);
        let left = async |world: &World| {
            let order = world.orders_of(&id).await?.remove(0);
            Ok((order["DocumentLines"].as_array().map_or(0, Vec::len) == lines.len() - 1).then_some(order))
        };
        let order = world.until("the BOM to go", PATIENCE, left).await?;
        assert_eq!(num(&order["DocumentLines"][0]["UnitPrice"]), 77.7);
    }
    Ok(())
}

/// Rolled back, whatever B1 calls it: the same call goes through a moment later.
const PASSING: [(u16, &str, &str); 5] = [
    (412, "-2039", "Another user or another operation modified data; to continue, open the window again"),
    (400, "-1116", "Could not commit transaction"),
    (400, "-1", "Transaction rolled back by lock wait timeout (ODBC 131)"),
    (400, "-1", "Transaction was deadlocked on lock resources and has been chosen as the victim (ODBC 1205)"),
    (400, "-1", "Lock request time out period exceeded (ODBC -1222)"),
];

fn passing(method: &str, path: &str) -> Value {
    let fault = |(status, code, message): &(u16, &str, &str)| {
        let kind = json!({ "refuse": { "status": status, "code": code, "message": message } });
        json!({ "method": method, "path": path, "kind": kind, "times": 1 })
    };
    PASSING.iter().map(fault).collect()
}

#[tokio::test]
async fn what_b1_rolled_back_is_waited_out_on_a_change_and_on_a_cancelling() -> Result<()> {
    let mut world = fast("").await?;
    world.up().await?;
    let id = won(&world).await?;
    world.b1_faults(passing("PATCH", "/Orders")).await?;
    set_quantity(&world, &id, 21).await?;
    until_quantity(&world, &id, 21.0).await?;
    world.until_state(&id, "Synced").await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]), "none of these is a person's matter");
    world.b1_faults(passing("POST", "/Cancel")).await?;
    world.change("Opportunity", &id, json!({ "StageName": "Negotiation/Review" })).await?;
    until_status(&world, &id, "Cancelled").await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]), "none of these is a person's matter");
    Ok(())
}

#[tokio::test]
async fn a_batch_managed_item_is_ordered_and_delivered_and_freight_of_a_clerk_stays() -> Result<()> {
    let mut world = fast("").await?;
    world.up().await?;
    let id = world.opportunities(3).await?[2].clone();
    let mut lines = world.lines(&id).await?;
    lines.sort_by_key(|line| line["SortOrder"].as_i64());
    let item = lines[0]["ProductCode"].as_str().unwrap_or_default().to_owned();
    world.b1_patch(&format!("/Items('{item}')"), json!({ "ManageBatchNumbers": "tYES" })).await?;
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    let order = world.orders_of(&id).await?.remove(0);
    let path = format!("/Orders({})", order["DocEntry"]);
    let freight = json!({ "DocumentAdditionalExpenses": [{ "ExpenseCode": 1, "LineTotal": 20 }] });
    world.b1_patch(&path, freight).await?;
    set_quantity(&world, &id, 7).await?;
    let order = until_quantity(&world, &id, 7.0).await?;
    let net = |order: &Value| num(&order["DocumentAdditionalExpenses"][0]["LineTotal"]);
    assert_eq!(net(&order), 20.0);
    // A row of the opportunity goes: all other rows are named, and freight is none of them.
    let last = lines.last().and_then(|line| line["Id"].as_str()).unwrap_or_default();
    let delete = format!("{}/admin/delete/OpportunityLineItem/{last}", world.salesforce);
    assert_eq!(world.send("POST", &delete, &json!({})).await?.0, 204);
    let fewer = async |world: &World| {
        let order = world.orders_of(&id).await?.remove(0);
        let rows = order["DocumentLines"].as_array().map_or(0, Vec::len);
        Ok((rows == lines.len() - 1).then_some(order))
    };
    let order = world.until("the row to go", PATIENCE, fewer).await?;
    assert_eq!(net(&order), 20.0);
    let deliver = format!("{}/admin/deliver/{}", world.b1, order["DocEntry"]);
    let (status, delivery) = world.send("POST", &deliver, &json!({})).await?;
    assert_eq!(status, 201, "{delivery}");
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    world.assert_exactly_once(&[id]).await
}
