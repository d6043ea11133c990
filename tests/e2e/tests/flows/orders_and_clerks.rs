//! Orders in which approvers and clerks of B1 have a hand: refused, approved and not added, duplicated, split, sold in another unit.
//! Nobody's work is undone without a word, and nothing waits for ever.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

pub const PATIENCE: Duration = Duration::from_secs(20);

pub async fn world(flow: &str) -> Result<World> {
    let b1 = "poll_seconds = 1\ntime_zone = \"Europe/Berlin\"".into();
    let mut world = World::with(Setup { flow: flow.into(), b1, ..Setup::default() }).await?;
    world.up().await?;
    Ok(world)
}

/// A world in which orders await approval.
pub async fn approvals() -> Result<World> {
    let world = world("settings = { approval_poll_minutes = 0 }").await?;
    world.b1_settings(json!({ "approval_over": 0.01 })).await?;
    Ok(world)
}

pub async fn win(world: &World, state: &str) -> Result<String> {
    let id = world.opportunities(3).await?[2].clone();
    world.win(&id).await?;
    world.until_state(&id, state).await?;
    Ok(id)
}

/// Wins one that awaits approval; its id and its draft's number.
pub async fn awaited(world: &World) -> Result<(String, Value)> {
    let id = win(world, "Synced").await?;
    let drafts = world.b1_records("Drafts").await?;
    let draft = drafts.iter().find(|draft| draft["U_SF_Id"] == id.as_str()).context("there is no draft")?;
    Ok((id, draft["DocEntry"].clone()))
}

pub async fn desk(world: &World, what: &str) -> Result<()> {
    let (status, body) = world.send("POST", &format!("{}/admin/{what}", world.b1), &json!({})).await?;
    anyhow::ensure!(status < 300, "{what}: {status} {body}");
    Ok(())
}

/// `delete` an opportunity, or `undelete` it.
pub async fn put_in_bin(world: &World, what: &str, id: &str) -> Result<()> {
    let url = format!("{}/admin/{what}/Opportunity/{id}", world.salesforce);
    world.send("POST", &url, &json!({})).await.map(|(status, _)| assert!(status < 300, "{what}: {status}"))
}

async fn message(world: &World, id: &str) -> Result<String> {
    Ok(world.opportunity(id).await?["Tandem_Sync_Message__c"].as_str().unwrap_or_default().to_owned())
}

pub async fn until_message(world: &World, id: &str, part: &str) -> Result<()> {
    let look = async |world: &World| Ok(message(world, id).await?.contains(part).then_some(()));
    let told = world.until(&format!("the message {part:?}"), PATIENCE, look).await;
    told.context(message(world, id).await?)
}

/// Answers the only question there is. Its opportunity shows it a moment before it can be answered.
pub async fn answer(world: &World, choice: &str) -> Result<()> {
    let asked = async |world: &World| {
        Ok(Some(world.tandem_json(&["review", "list"]).await?).filter(|items| items[0].is_object()))
    };
    let items = world.until("a question", PATIENCE, asked).await?;
    assert_eq!(items.as_array().map(Vec::len), Some(1), "{items}");
    world.tandem(&["review", "resolve", "--choose", choice, &items[0]["id"].to_string()]).await?;
    Ok(())
}

pub async fn live(world: &World, id: &str) -> Result<Vec<Value>> {
    Ok(world.orders_of(id).await?.into_iter().filter(|order| order["Cancelled"] == "tNO").collect())
}

/// The opportunity's orders that are not cancelled, once there are so many.
pub async fn until_live(world: &World, id: &str, count: usize) -> Result<Vec<Value>> {
    let look = async |world: &World| Ok(Some(live(world, id).await?).filter(|orders| orders.len() == count));
    world.until(&format!("{count} live orders"), PATIENCE, look).await
}

fn row(order: &Value, num: i64) -> Value {
    let mut rows = order["DocumentLines"].as_array().into_iter().flatten();
    rows.find(|row| row["LineNum"] == num).cloned().unwrap_or_default()
}

async fn line(world: &World, id: &str, fields: Value) -> Result<()> {
    let mut lines = world.lines(id).await?;
    lines.sort_by_key(|line| line["SortOrder"].as_i64());
    world.change("OpportunityLineItem", lines[0]["Id"].as_str().context("a line has an id")?, fields).await
}

/// The order's first row once it has that value.
async fn until_row(world: &World, entry: &Value, field: &str, value: f64) -> Result<Value> {
    let look = async |world: &World| {
        let orders = world.b1_records("Orders").await?;
        let order = orders.into_iter().find(|order| order["DocEntry"] == *entry).unwrap_or_default();
        Ok(Some(order).filter(|order| row(order, 0)[field].as_f64() == Some(value)))
    };
    world.until(&format!("{field} {value}"), PATIENCE, look).await
}

#[tokio::test]
async fn a_refused_draft_is_asked_about_and_replaced_or_taken_over_when_its_approver_changes_his_mind() -> Result<()> {
    let world = approvals().await?;
    let (id, draft) = awaited(&world).await?;
    desk(&world, &format!("reject/{draft}")).await?;
    let shown = world.until_state(&id, "Review").await?;
    let message = shown["Tandem_Sync_Message__c"].as_str().unwrap_or_default();
    assert!(message.contains(&format!("refused by its approver in B1 (draft {draft})")), "{message}");
    desk(&world, &format!("approve/{draft}")).await?;
    world.until_state(&id, "Synced").await?;
    assert_eq!(until_live(&world, &id, 1).await?.len(), 1);
    // One that the clerk removes before the answer.
    let (id, draft) = awaited(&world).await?;
    desk(&world, &format!("reject/{draft}")).await?;
    world.until_state(&id, "Review").await?;
    world.b1_call("DELETE", &format!("/Drafts({draft})"), Value::Null).await?;
    world.b1_settings(json!({})).await?;
    answer(&world, "create a new order").await?;
    world.until_state(&id, "Synced").await?;
    assert_eq!(until_live(&world, &id, 1).await?.len(), 1);
    world.b1_settings(json!({ "approval_over": 0.01 })).await?;
    // Another one, which is replaced.
    let (id, draft) = awaited(&world).await?;
    desk(&world, &format!("reject/{draft}")).await?;
    world.until_state(&id, "Review").await?;
    world.b1_settings(json!({})).await?;
    answer(&world, "create a new order").await?;
    world.until_state(&id, "Synced").await?;
    assert_eq!(until_live(&world, &id, 1).await?.len(), 1);
    let drafts = world.b1_records("Drafts").await?;
    assert!(!drafts.iter().any(|own| own["DocEntry"] == draft), "a refused draft could still be approved: {drafts:?}");
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

/// The approver said no, and a person ignored that: whoever looks again asks nobody, also when a clerk has removed the draft and made the order.
#[tokio::test]
async fn a_refusal_that_was_ignored_is_asked_no_more_and_makes_nothing() -> Result<()> {
    let mut world = world("settings = { approval_poll_minutes = 15 }").await?;
    world.b1_settings(json!({ "approval_over": 0.01 })).await?;
    let (id, draft) = awaited(&world).await?;
    desk(&world, &format!("reject/{draft}")).await?;
    sync_now(&world, &id).await?;
    until_message(&world, &id, "refused by its approver").await?;
    answer(&world, "ignore").await?;
    world.settled().await?;
    world.b1_settings(json!({})).await?;
    let look = async |world: &mut World| -> Result<()> {
        world.stop().await?;
        world.database.change(&format!("UPDATE wakes SET at = 0 WHERE key = '{id}'"))?;
        world.up().await?;
        world.settled().await
    };
    let touch = async |world: &World, amount: f64| -> Result<()> {
        world.change("Opportunity", &id, json!({ "Amount": amount })).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.settled().await
    };
    look(&mut world).await?;
    touch(&world, 7_001.0).await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]), "the draft is there still");
    world.b1_call("DELETE", &format!("/Drafts({draft})"), Value::Null).await?;
    touch(&world, 7_002.0).await?;
    touch(&world, 7_003.0).await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]), "the draft is gone");
    assert_eq!(world.orders_of(&id).await?, Vec::<Value>::new(), "he has made it by hand");
    sync_now(&world, &id).await?;
    until_live(&world, &id, 1).await?;
    Ok(())
}

/// A new order beside a cancelled one goes to an approver: whoever looks meanwhile asks nothing and makes no second draft, and what he approves is
/// the opportunity's.
#[tokio::test]
async fn a_new_order_beside_a_cancelled_one_that_awaits_approval_is_made_once() -> Result<()> {
    let world = world("settings = { approval_poll_minutes = 0 }").await?;
    let id = win(&world, "Synced").await?;
    let order = world.orders_of(&id).await?.remove(0);
    world.b1_call("POST", &format!("/Orders({})/Cancel", order["DocEntry"]), Value::Null).await?;
    world.until_state(&id, "Review").await?;
    world.b1_settings(json!({ "approval_over": 0.01 })).await?;
    answer(&world, "create a new order").await?;
    let drafts = async |world: &World| -> Result<Vec<Value>> {
        Ok(world.b1_records("Drafts").await?.into_iter().filter(|own| own["U_SF_Id"] == id.as_str()).collect())
    };
    let one = async |world: &World| Ok(drafts(world).await?.into_iter().next());
    world.until("the draft", PATIENCE, one).await?;
    until_message(&world, &id, "awaits approval").await?;
    for amount in [7_001.0, 7_002.0] {
        world.change("Opportunity", &id, json!({ "Amount": amount })).await?;
        sync_now(&world, &id).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]), "it is under way");
        assert_eq!(drafts(&world).await?.len(), 1);
    }
    // Wanted no more: the draft goes, too.
    world.change("Opportunity", &id, json!({ "StageName": "Prospecting" })).await?;
    let none = async |world: &World| Ok(drafts(world).await?.is_empty().then_some(()));
    world.until("no draft", PATIENCE, none).await?;
    world.settled().await?;
    world.win(&id).await?;
    let draft = world.until("another draft", PATIENCE, one).await?["DocEntry"].clone();
    until_message(&world, &id, "awaits approval").await?;
    desk(&world, &format!("approve/{draft}")).await?;
    until_live(&world, &id, 1).await?;
    let made = live(&world, &id).await?.remove(0)["DocNum"].clone();
    let shown = async |world: &World| {
        let own = world.opportunity(&id).await?;
        let number = made.as_i64().map(|number| number.to_string());
        Ok((own["Tandem_Order_Number__c"].as_str() == number.as_deref()).then_some(()))
    };
    world.until("its number on the opportunity", PATIENCE, shown).await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

/// A look that was due gives no approver who refused a second draft, nor an order past him: neither while nobody has answered, nor where a person
/// ignored it.
#[tokio::test]
async fn a_look_that_was_due_makes_nothing_anew_of_what_an_approver_refused() -> Result<()> {
    let mut world = world("settings = { approval_poll_minutes = 15 }").await?;
    for is_ignored in [false, true] {
        world.b1_settings(json!({ "approval_over": 0.01 })).await?;
        let (id, draft) = awaited(&world).await?;
        desk(&world, &format!("reject/{draft}")).await?;
        world.b1_call("DELETE", &format!("/Drafts({draft})"), Value::Null).await?;
        sync_now(&world, &id).await?;
        until_message(&world, &id, "its draft is gone").await?;
        if is_ignored {
            answer(&world, "ignore").await?;
        }
        world.settled().await?;
        world.b1_settings(json!({})).await?;
        world.stop().await?;
        let planned = world.database.change(&format!("UPDATE wakes SET at = 0 WHERE key = '{id}'"))?;
        assert_eq!(planned, 1, "the look is still to come");
        world.up().await?;
        let left = format!("SELECT count(*) FROM wakes WHERE key = '{id}' AND at = 0");
        let begun = async |world: &World| Ok((world.database.number(&left)? == 0).then_some(()));
        world.until("the look", PATIENCE, begun).await?;
        world.settled().await?;
        assert_eq!(world.orders_of(&id).await?, Vec::<Value>::new());
        let drafts = world.b1_records("Drafts").await?;
        assert!(!drafts.iter().any(|own| own["U_SF_Id"] == id.as_str()), "{drafts:?}");
        // A person's wish.
        if is_ignored {
            assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
            sync_now(&world, &id).await?;
        } else {
            answer(&world, "retry").await?;
        }
        until_live(&world, &id, 1).await?;
        world.until_state(&id, "Synced").await?;
    }
    Ok(())
}

pub async fn sync_now(world: &World, id: &str) -> Result<()> {
    let (status, body) = world.send("POST", &format!("{}/admin/sync/{id}", world.salesforce), &json!({})).await?;
    anyhow::ensure!(status < 300, "{status} {body}");
    Ok(())
}

/// B1 keeps the draft, and takes the row of the ledger back with the order: nothing but the draft tells that it was sent.
#[tokio::test]
async fn an_order_that_b1_keeps_as_a_draft_is_kept_once_though_its_answer_is_lost() -> Result<()> {
    for kind in ["reset-after", "html-after"] {
        let world = approvals().await?;
        world.b1_faults(json!([{ "path": "$batch", "about": "U_TANDEM", "kind": kind, "times": 1 }])).await?;
        let (id, draft) = awaited(&world).await?;
        world.settled().await?;
        let drafts = world.b1_records("Drafts").await?;
        assert_eq!(drafts.iter().filter(|draft| draft["U_SF_Id"] == id.as_str()).count(), 1, "{kind}: {drafts:?}");
        desk(&world, &format!("approve/{draft}")).await?;
        until_live(&world, &id, 1).await?;
        world.until_state(&id, "Synced").await?;
        assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    }
    Ok(())
}

#[tokio::test]
async fn an_approved_draft_that_nobody_has_added_says_so() -> Result<()> {
    let world = approvals().await?;
    let (id, draft) = awaited(&world).await?;
    desk(&world, &format!("approve/{draft}?only")).await?;
    world.until_state(&id, "Waiting").await?;
    until_message(&world, &id, &format!("draft {draft} is still to be added")).await?;
    desk(&world, &format!("approve/{draft}")).await?;
    world.until_state(&id, "Synced").await?;
    // The draft stays in B1, closed: re-opened and won again, the opportunity gets an order and does not wait for it.
    world.b1_settings(json!({})).await?;
    world.change("Opportunity", &id, json!({ "StageName": "Prospecting" })).await?;
    until_live(&world, &id, 0).await?;
    world.win(&id).await?;
    until_live(&world, &id, 1).await?;
    Ok(())
}

#[tokio::test]
async fn what_an_approver_changed_in_the_draft_stays() -> Result<()> {
    let world = approvals().await?;
    let (id, draft) = awaited(&world).await?;
    world
        .b1_patch(&format!("/Drafts({draft})"), json!({ "DocumentLines": [{ "LineNum": 0, "UnitPrice": 1.23 }] }))
        .await?;
    desk(&world, &format!("approve/{draft}")).await?;
    let order = until_live(&world, &id, 1).await?.remove(0);
    world.until_state(&id, "Synced").await?;
    line(&world, &id, json!({ "Quantity": 37 })).await?;
    let order = until_row(&world, &order["DocEntry"], "Quantity", 37.0).await?;
    assert_eq!(row(&order, 0)["UnitPrice"].as_f64(), Some(1.23));
    Ok(())
}

#[tokio::test]
async fn an_order_cancelled_before_it_was_linked_stays_cancelled_as_decided() -> Result<()> {
    let mut world = world("").await?;
    let id = win(&world, "Synced").await?;
    let entry = live(&world, &id).await?[0]["DocEntry"].clone();
    world.kill().await?;
    world.database.forget(world.folder())?;
    world.tandem(&["plugin", "grant", "orders", "--yes"]).await?;
    world.b1_call("POST", &format!("/Orders({entry})/Cancel"), Value::Null).await?;
    world.up().await?;
    world.change("Opportunity", &id, json!({ "Tandem_PO_Number__c": "PO-1" })).await?;
    world.until_state(&id, "Review").await?;
    answer(&world, "leave it cancelled").await?;
    world.until_state(&id, "Synced").await?;
    world.change("Opportunity", &id, json!({ "Tandem_PO_Number__c": "PO-2" })).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.settled().await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    assert_eq!(live(&world, &id).await?.len(), 0);
    Ok(())
}

/// What B1's *Duplicate* makes of a document: an order with everything, user fields, too.
pub async fn copied(world: &World, mut document: Value) -> Result<Value> {
    let fields = ["CardCode", "DocDueDate", "U_SF_Id"].map(|name| (name.to_owned(), document[name].take()));
    let mut copy = serde_json::Map::from_iter(fields);
    let rows = document["DocumentLines"].as_array().cloned().unwrap_or_default();
    let own = |row: &Value| json!({ "ItemCode": row["ItemCode"], "Quantity": 77, "U_SF_LineId": row["U_SF_LineId"] });
    copy.insert("DocumentLines".into(), rows.iter().map(own).collect());
    world.b1_post("/Orders", copy.into()).await
}

/// A clerk duplicates the order, which is cancelled with its opportunity; won again, it is asked about the duplicate.
async fn asked_about_a_copy(world: &World, id: &str) -> Result<Value> {
    let copy = copied(world, live(world, id).await?.remove(0)).await?;
    world.change("Opportunity", id, json!({ "StageName": "Prospecting" })).await?;
    until_live(world, id, 1).await?;
    world.win(id).await?;
    let shown = world.until_state(id, "Review").await?;
    let message = shown["Tandem_Sync_Message__c"].as_str().unwrap_or_default();
    assert!(message.contains(&format!("order {} in B1 carries this opportunity's id", copy["DocNum"])), "{message}");
    Ok(copy)
}

#[tokio::test]
async fn a_clerks_duplicate_of_an_order_is_asked_about_and_left_alone() -> Result<()> {
    let world = world("").await?;
    let id = win(&world, "Synced").await?;
    let copy = asked_about_a_copy(&world, &id).await?;
    answer(&world, "create a new order").await?;
    let orders = until_live(&world, &id, 2).await?;
    let copied = orders.iter().find(|order| order["DocEntry"] == copy["DocEntry"]).context("the copy is live")?;
    assert_eq!(row(copied, 0)["Quantity"].as_f64(), Some(77.0));
    let shown = world.until_state(&id, "Synced").await?;
    assert_ne!(shown["Tandem_Order_Number__c"].as_str(), Some(copy["DocNum"].to_string().as_str()));
    Ok(())
}

/// That it is not the opportunity's holds also where its new order goes to an approver, is awaited, and is taken back.
#[tokio::test]
async fn a_duplicate_that_is_not_wanted_is_never_taken_for_the_order_that_an_approver_has() -> Result<()> {
    let world = world("settings = { approval_poll_minutes = 0 }").await?;
    let id = win(&world, "Synced").await?;
    let copy = asked_about_a_copy(&world, &id).await?;
    world.b1_settings(json!({ "approval_over": 0.01 })).await?;
    answer(&world, "create a new order").await?;
    until_message(&world, &id, "awaits approval").await?;
    sync_now(&world, &id).await?;
    world.settled().await?;
    let shown = world.opportunity(&id).await?;
    assert_ne!(shown["Tandem_Order_Number__c"].as_str(), Some(copy["DocNum"].to_string().as_str()), "{shown}");
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    // Wanted no more: its draft goes, and the clerk's order stays.
    let drafts = async |world: &World| -> Result<Vec<Value>> {
        Ok(world.b1_records("Drafts").await?.into_iter().filter(|own| own["U_SF_Id"] == id.as_str()).collect())
    };
    world.change("Opportunity", &id, json!({ "StageName": "Prospecting" })).await?;
    let none = async |world: &World| Ok(drafts(world).await?.is_empty().then_some(()));
    world.until("no draft", PATIENCE, none).await?;
    world.settled().await?;
    assert_eq!(live(&world, &id).await?.len(), 1, "the clerk's own");
    world.win(&id).await?;
    let one = async |world: &World| Ok(drafts(world).await?.into_iter().next());
    let draft = world.until("another draft", PATIENCE, one).await?["DocEntry"].clone();
    until_message(&world, &id, "awaits approval").await?;
    desk(&world, &format!("approve/{draft}")).await?;
    let orders = until_live(&world, &id, 2).await?;
    let own =
        orders.iter().find(|order| order["DocEntry"] != copy["DocEntry"]).context("its own")?["DocNum"].to_string();
    let told = async |world: &World| {
        let shown = world.opportunity(&id).await?;
        Ok((shown["Tandem_Order_Number__c"].as_str() == Some(own.as_str())).then_some(()))
    };
    world.until("its own number", PATIENCE, told).await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]), "nobody is asked to cancel either");
    Ok(())
}

/// How clerks correct an order: they duplicate it and cancel the first. Whether the other one is the opportunity's is asked, by its number.
#[tokio::test]
async fn an_order_that_a_clerk_put_in_the_place_of_a_cancelled_one_is_linked_where_a_person_says_so() -> Result<()> {
    let world = world("").await?;
    let (id, order, copy) = duplicated(&world).await?;
    world.b1_call("POST", &format!("/Orders({order})/Cancel"), Value::Null).await?;
    until_message(&world, &id, "carries this opportunity's id").await?;
    let number = live(&world, &id).await?[0]["DocNum"].to_string();
    answer(&world, &format!("link with order {number}")).await?;
    let shown = world.until_state(&id, "Synced").await?;
    assert_eq!(shown["Tandem_Order_Number__c"].as_str(), Some(number.as_str()));
    world.settled().await?;
    let orders = live(&world, &id).await?;
    assert_eq!((orders.len(), &orders[0]["DocEntry"]), (1, &copy));
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

/// Approved, delivered and re-opened while the host was away: goods have left, and a person must know.
#[tokio::test]
async fn a_delivered_order_of_an_opportunity_that_is_won_no_more_is_asked_about() -> Result<()> {
    let mut world = approvals().await?;
    let (id, draft) = awaited(&world).await?;
    world.stop().await?;
    desk(&world, &format!("approve/{draft}")).await?;
    let order = until_live(&world, &id, 1).await?.remove(0);
    desk(&world, &format!("deliver/{}", order["DocEntry"])).await?;
    world.change("Opportunity", &id, json!({ "StageName": "Prospecting" })).await?;
    world.up().await?;
    let shown = world.until_state(&id, "Review").await?;
    let said = shown["Tandem_Sync_Message__c"].as_str().unwrap_or_default();
    assert!(said.contains(&order["DocNum"].to_string()), "{said}");
    Ok(())
}

/// Wins one and duplicates its order, with other quantities; the opportunity, its order and the duplicate.
pub async fn duplicated(world: &World) -> Result<(String, Value, Value)> {
    let id = win(world, "Synced").await?;
    let order = live(world, &id).await?.remove(0)["DocEntry"].clone();
    desk(world, &format!("duplicate/Orders/{order}")).await?;
    let copy = live(world, &id).await?.into_iter().map(|own| own["DocEntry"].clone()).find(|own| *own != order);
    let copy = copy.context("the duplicate")?;
    let changed = json!({ "DocumentLines": [{ "LineNum": 0, "Quantity": 77 }] });
    world.b1_patch(&format!("/Orders({copy})"), changed).await?;
    Ok((id, order, copy))
}

#[tokio::test]
async fn a_new_order_beside_a_cancelled_one_is_never_a_clerks_duplicate() -> Result<()> {
    let world = world("").await?;
    let (id, order, copy) = duplicated(&world).await?;
    world.b1_call("POST", &format!("/Orders({order})/Cancel"), Value::Null).await?;
    world.until_state(&id, "Review").await?;
    answer(&world, "create a new order").await?;
    world.until_state(&id, "Synced").await?;
    let orders = until_live(&world, &id, 2).await?;
    let copied = orders.iter().find(|own| own["DocEntry"] == copy).context("the duplicate is live")?;
    assert_eq!(row(copied, 0)["Quantity"].as_f64(), Some(77.0));
    Ok(())
}

#[tokio::test]
async fn what_a_clerk_does_with_a_duplicate_asks_nothing_anew_about_the_order() -> Result<()> {
    let world = world("").await?;
    let (id, _, copy) = duplicated(&world).await?;
    let order = &world.b1_records("Orders").await?.into_iter().find(|own| own["DocEntry"] == copy).unwrap_or_default();
    let accounts = world.records("Account").await?;
    let other =
        accounts.iter().find(|own| own["Tandem_Card_Code__c"].as_str().is_some_and(|code| order["CardCode"] != code));
    world.change("Opportunity", &id, json!({ "AccountId": other.context("another customer")?["Id"] })).await?;
    world.until_state(&id, "Review").await?;
    answer(&world, "ignore").await?;
    world.settled().await?;
    world.b1_patch(&format!("/Orders({copy})"), json!({ "Comments": "by phone" })).await?;
    told(&world, &copy).await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

#[tokio::test]
async fn what_a_clerk_writes_where_an_opportunitys_id_stands_concerns_nobody() -> Result<()> {
    let world = world("").await?;
    let id = win(&world, "Synced").await?;
    let order = live(&world, &id).await?.remove(0);
    let fields = json!({
        "CardCode": order["CardCode"], "DocDueDate": order["DocDueDate"], "U_SF_Id": "by phone",
        "DocumentLines": [{ "ItemCode": order["DocumentLines"][0]["ItemCode"], "Quantity": 1 }]
    });
    let own = world.b1_post("/Orders", fields).await?;
    told(&world, &own["DocEntry"]).await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

/// An order that changed in B1 was looked at, and all that came of it.
async fn told(world: &World, order: &Value) -> Result<()> {
    tokio::time::sleep(Duration::from_secs(4)).await;
    let events = world.tandem_json(&["events", "list", "--key", &format!("Orders({order})")]).await?;
    anyhow::ensure!(events.as_array().is_some_and(|events| !events.is_empty()), "B1 told of order {order}: {events}");
    world.settled().await
}

#[tokio::test]
async fn a_host_without_memory_cancels_no_clerks_duplicate() -> Result<()> {
    let mut world = world("").await?;
    let (id, order, _) = duplicated(&world).await?;
    world.kill().await?;
    desk(&world, &format!("deliver/{order}")).await?;
    world.database.forget(world.folder())?;
    world.tandem(&["plugin", "grant", "orders", "--yes"]).await?;
    world.change("Opportunity", &id, json!({ "StageName": "Prospecting" })).await?;
    world.up().await?;
    world.change("Opportunity", &id, json!({ "Tandem_PO_Number__c": "PO-1" })).await?;
    until_message(&world, &id, "several orders that carry its id").await?;
    assert_eq!(live(&world, &id).await?.len(), 2);
    Ok(())
}

#[tokio::test]
async fn what_was_decided_about_a_deleted_opportunitys_draft_holds_where_b1_keeps_it() -> Result<()> {
    let world = approvals().await?;
    world.b1_settings(json!({ "approval_over": 0.01, "keeps_drafts": true })).await?;
    let (id, draft) = awaited(&world).await?;
    let url = format!("{}/admin/delete/Opportunity/{id}", world.salesforce);
    assert_eq!(world.send("POST", &url, &json!({})).await?.0, 204);
    let asked = async |world: &World| Ok(world.tandem_json(&["review", "list"]).await?[0]["id"].as_i64());
    world.until("a question", PATIENCE, asked).await?;
    answer(&world, "cancel the order").await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]), "asked once");
    desk(&world, &format!("approve/{draft}")).await?;
    let cancelled = async |world: &World| {
        let orders = world.orders_of(&id).await?;
        Ok((orders.len() == 1 && orders[0]["Cancelled"] == "tYES").then_some(()))
    };
    world.until("the order made of it to be cancelled", PATIENCE, cancelled).await
}

#[tokio::test]
async fn another_customer_holds_up_nothing_else_of_an_order() -> Result<()> {
    let world = world("").await?;
    let id = win(&world, "Synced").await?;
    let order = live(&world, &id).await?.remove(0);
    let accounts = world.records("Account").await?;
    let other =
        accounts.iter().find(|own| own["Tandem_Card_Code__c"].as_str().is_some_and(|code| order["CardCode"] != code));
    let other = other.context("another customer")?;
    world.change("Opportunity", &id, json!({ "AccountId": other["Id"], "Tandem_PO_Number__c": "PO-1" })).await?;
    let held = world.until_state(&id, "Review").await?;
    let message = held["Tandem_Sync_Message__c"].as_str().unwrap_or_default();
    let names =
        [order["CardCode"].as_str().unwrap_or_default(), other["Tandem_Card_Code__c"].as_str().unwrap_or_default()];
    assert!(names.iter().all(|name| message.contains(name)), "{message}");
    assert_eq!(live(&world, &id).await?[0]["NumAtCard"], "PO-1");
    Ok(())
}

#[tokio::test]
async fn an_item_that_is_frozen_later_holds_up_its_own_row_and_no_other() -> Result<()> {
    let world = world("").await?;
    let id = win(&world, "Synced").await?;
    let order = live(&world, &id).await?.remove(0);
    let item = row(&order, 0)["ItemCode"].as_str().context("an item")?.to_owned();
    world.b1_patch(&format!("/Items('{item}')"), json!({ "Frozen": "tYES" })).await?;
    let mut lines = world.lines(&id).await?;
    lines.sort_by_key(|line| line["SortOrder"].as_i64());
    let second = lines.get(1).context("a second line")?["Id"].as_str().context("an id")?;
    world.change("OpportunityLineItem", second, json!({ "Quantity": 23 })).await?;
    let look = async |world: &World| {
        let orders = live(world, &id).await?;
        Ok(orders.first().is_some_and(|order| row(order, 1)["Quantity"].as_f64() == Some(23.0)).then_some(()))
    };
    world.until("the second row", PATIENCE, look).await?;
    world.until_state(&id, "Synced").await?;
    line(&world, &id, json!({ "Quantity": 41 })).await?;
    until_message(&world, &id, &format!("the item {item} is inactive in B1")).await?;
    assert_ne!(row(&live(&world, &id).await?[0], 0)["Quantity"].as_f64(), Some(41.0));
    Ok(())
}

#[tokio::test]
async fn a_question_is_over_when_its_opportunity_is_not_won_any_more() -> Result<()> {
    let world = world("").await?;
    let id = world.opportunities(1).await?.remove(0);
    line(&world, &id, json!({ "Quantity": 0 })).await?;
    world.win(&id).await?;
    world.until_state(&id, "Review").await?;
    world.change("Opportunity", &id, json!({ "StageName": "Prospecting" })).await?;
    let cleared = |own: &Value| {
        own["Id"] == id.as_str() && own["Tandem_Sync_State__c"].is_null() && own["Tandem_Sync_Message__c"].is_null()
    };
    world.until_record("Opportunity", "nothing is asked", cleared).await?;
    Ok(())
}

#[tokio::test]
async fn a_row_that_a_clerk_split_is_asked_about_and_neither_answer_loses_goods() -> Result<()> {
    let world = world("").await?;
    for (choice, rows) in [("keep B1's", vec![6.0, 4.0]), ("keep Salesforce's", vec![10.0])] {
        let id = win(&world, "Synced").await?;
        line(&world, &id, json!({ "Quantity": 10 })).await?;
        let entry = live(&world, &id).await?[0]["DocEntry"].clone();
        let first = row(&until_row(&world, &entry, "Quantity", 10.0).await?, 0);
        let mark = first["U_SF_LineId"].clone();
        let split = json!({ "DocumentLines": [
            { "LineNum": 0, "Quantity": 6 },
            { "ItemCode": first["ItemCode"], "Quantity": 4, "UnitPrice": first["UnitPrice"], "U_SF_LineId": mark },
        ]});
        world.b1_patch(&format!("/Orders({entry})"), split).await?;
        line(&world, &id, json!({ "UnitPrice": 5.5 })).await?;
        world.until_state(&id, "Review").await?;
        assert!(message(&world, &id).await?.contains("which B1 has in 2 rows"), "{}", message(&world, &id).await?);
        answer(&world, choice).await?;
        world.until_state(&id, "Synced").await?;
        let order = live(&world, &id).await?.remove(0);
        let own = order["DocumentLines"].as_array().into_iter().flatten().filter(|row| row["U_SF_LineId"] == mark);
        assert_eq!(own.filter_map(|row| row["Quantity"].as_f64()).collect::<Vec<_>>(), rows, "{choice}: {order}");
    }
    Ok(())
}

#[tokio::test]
async fn a_row_keeps_its_unit_and_a_quantity_never_goes_without_it() -> Result<()> {
    let world = world("").await?;
    let id = world.opportunities(3).await?[2].clone();
    let mut lines = world.lines(&id).await?;
    lines.sort_by_key(|line| line["SortOrder"].as_i64());
    let products = world.records("Product2").await?;
    let product = products.into_iter().find(|own| own["Id"] == lines[0]["Product2Id"]).unwrap_or_default();
    let item = format!("/Items('{}')", product["ProductCode"].as_str().unwrap_or_default());
    // Pieces, boxes of 12, cartons of 24; sold by the box.
    let unit =
        |entry: i64, pieces: i64| json!({ "AlternateUoM": entry, "AlternateQuantity": 1, "BaseQuantity": pieces });
    let group = json!({ "AbsEntry": 3, "Code": "Boxes", "BaseUoM": 1, "UoMGroupDefinitionCollection": [unit(1, 1), unit(7, 12), unit(9, 24)] });
    world.b1_post("/UnitOfMeasurementGroups", group).await?;
    world.b1_patch(&item, json!({ "UoMGroupEntry": 3, "DefaultSalesUoMEntry": 7, "PricingUnit": 7 })).await?;
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    let entry = live(&world, &id).await?[0]["DocEntry"].clone();
    let boxes = row(&live(&world, &id).await?[0], 0);
    assert_eq!(boxes["UoMEntry"], 7, "{boxes}");
    // From now on by the carton: what was agreed stays.
    world.b1_patch(&item, json!({ "DefaultSalesUoMEntry": 9 })).await?;
    world.change("Opportunity", &id, json!({ "Tandem_PO_Number__c": "PO-1" })).await?;
    let look = async |world: &World| Ok(live(world, &id).await?.pop().filter(|order| order["NumAtCard"] == "PO-1"));
    let after = row(&world.until("the PO number", PATIENCE, look).await?, 0);
    for field in ["Quantity", "UnitPrice", "UoMEntry"] {
        assert_eq!(boxes[field], after[field], "{field}");
    }
    // A clerk writes it in pieces; the rep's boxes are boxes all the same.
    let pieces = json!({ "DocumentLines": [{ "LineNum": 0, "Quantity": 60, "UoMEntry": 1, "UnitPrice": 1.23 }] });
    world.b1_patch(&format!("/Orders({entry})"), pieces).await?;
    line(&world, &id, json!({ "Quantity": 6 })).await?;
    let after = row(&until_row(&world, &entry, "Quantity", 6.0).await?, 0);
    assert_eq!((&after["UoMEntry"], &after["UnitPrice"]), (&json!(7), &boxes["UnitPrice"]));
    // None of what the clerk wrote stays, and nothing else is told.
    until_message(&world, &id, "was 60 in B1").await?;
    assert!(!message(&world, &id).await?.contains("stays"), "{}", message(&world, &id).await?);
    Ok(())
}

#[tokio::test]
async fn a_price_of_a_clerks_that_stays_is_told_and_so_is_one_that_does_not() -> Result<()> {
    let world = world("").await?;
    let id = win(&world, "Synced").await?;
    let entry = live(&world, &id).await?[0]["DocEntry"].clone();
    let price = |price: f64| json!({ "DocumentLines": [{ "LineNum": 0, "UnitPrice": price }] });
    world.b1_patch(&format!("/Orders({entry})"), price(700.5)).await?;
    world.change("Opportunity", &id, json!({ "Tandem_PO_Number__c": "PO-1" })).await?;
    until_message(&world, &id, "stays 700.5 as in B1").await?;
    line(&world, &id, json!({ "UnitPrice": 750 })).await?;
    until_row(&world, &entry, "UnitPrice", 750.0).await?;
    until_message(&world, &id, "was 700.5 in B1").await
}

#[tokio::test]
async fn what_stays_as_in_b1_is_told() -> Result<()> {
    let world = world("settings = { lines = \"b1\" }").await?;
    let id = win(&world, "Synced").await?;
    line(&world, &id, json!({ "Quantity": 5 })).await?;
    let entry = live(&world, &id).await?[0]["DocEntry"].clone();
    until_row(&world, &entry, "Quantity", 5.0).await?;
    world.b1_patch(&format!("/Orders({entry})"), json!({ "DocumentLines": [{ "LineNum": 0, "Quantity": 3 }] })).await?;
    line(&world, &id, json!({ "Quantity": 8 })).await?;
    until_message(&world, &id, "stays 3 as in B1").await?;
    until_row(&world, &entry, "Quantity", 3.0).await?;
    // A due date of a clerk's is under the same policy.
    world.b1_patch(&format!("/Orders({entry})"), json!({ "DocDueDate": "2031-01-01" })).await?;
    world.change("Opportunity", &id, json!({ "Tandem_Requested_Date__c": "2030-06-01" })).await?;
    until_message(&world, &id, "DocDueDate of the order stays 2031-01-01").await?;
    Ok(())
}

#[tokio::test]
async fn a_deleted_opportunity_takes_its_draft_with_it_also_where_companies_share_an_org() -> Result<()> {
    let flow = "settings = { deleted = \"cancel\", approval_poll_minutes = 0, only_field = \"Tandem_PO_Number__c\", only_value = \"DE\" }";
    let world = world(flow).await?;
    world.b1_settings(json!({ "approval_over": 0.01 })).await?;
    let id = world.opportunities(1).await?.remove(0);
    world.change("Opportunity", &id, json!({ "Tandem_PO_Number__c": "DE" })).await?;
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    assert_eq!(world.b1_records("Drafts").await?.len(), 1);
    let url = format!("{}/admin/delete/Opportunity/{id}", world.salesforce);
    assert_eq!(world.send("POST", &url, &json!({})).await?.0, 204);
    let gone = async |world: &World| Ok(world.b1_records("Drafts").await?.is_empty().then_some(()));
    world.until("the draft to go", PATIENCE, gone).await
}

/// The opportunity says that it is this company's, its account another's: neither flow may leave it without a word.
#[tokio::test]
async fn an_opportunity_of_this_company_with_another_companys_customer_is_asked_about() -> Result<()> {
    let flow = "settings = { key_prefix = \"us:\", only_field = \"Tandem_PO_Number__c\", only_value = \"US\" }";
    let world = world(flow).await?;
    let id = world.opportunities(1).await?.remove(0);
    world.change("Opportunity", &id, json!({ "Tandem_PO_Number__c": "US" })).await?;
    world.win(&id).await?;
    world.until_state(&id, "Review").await?;
    assert!(message(&world, &id).await?.contains("a customer of another company"));
    assert!(world.orders_of(&id).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn another_companys_item_is_never_ordered_by_its_product_code() -> Result<()> {
    let world = world("settings = { key_prefix = \"de:\" }").await?;
    let id = world.opportunities(1).await?.remove(0);
    let opportunity = world.opportunity(&id).await?;
    let account = opportunity["AccountId"].as_str().context("an account")?;
    let code = world.records("Account").await?.into_iter().find(|own| own["Id"] == account).unwrap_or_default();
    let code = format!("de:{}", code["Tandem_Card_Code__c"].as_str().unwrap_or_default());
    world.change("Account", account, json!({ "Tandem_Card_Code__c": code })).await?;
    for line in world.lines(&id).await? {
        let product = line["Product2Id"].as_str().context("a product")?;
        let fields = json!({ "Tandem_Item_Code__c": "us:A00001", "ProductCode": "A00001" });
        world.change("Product2", product, fields).await?;
    }
    world.win(&id).await?;
    world.until_state(&id, "Review").await?;
    assert!(message(&world, &id).await?.contains("us:A00001 is an item of another company"));
    assert!(world.orders_of(&id).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_deleted_opportunitys_order_is_asked_about_and_is_its_own_again_when_it_is_restored() -> Result<()> {
    let world = world("").await?;
    let id = win(&world, "Synced").await?;
    put_in_bin(&world, "delete", &id).await?;
    let asked = async |world: &World| {
        let items = world.tandem_json(&["review", "list"]).await?;
        Ok(items[0]["reason"].as_str().map(|reason| assert!(reason.contains("was deleted; restore it"), "{reason}")))
    };
    world.until("a question", PATIENCE, asked).await?;
    assert_eq!(live(&world, &id).await?.len(), 1, "nobody has decided yet");
    put_in_bin(&world, "undelete", &id).await?;
    line(&world, &id, json!({ "Quantity": 37 })).await?;
    let entry = live(&world, &id).await?[0]["DocEntry"].clone();
    until_row(&world, &entry, "Quantity", 37.0).await?;
    world.until_state(&id, "Synced").await?;
    assert_eq!(world.orders_of(&id).await?.len(), 1);
    let over = async |world: &World| Ok((world.tandem_json(&["review", "list"]).await? == json!([])).then_some(()));
    world.until("the question to be over", PATIENCE, over).await?;
    Ok(())
}
