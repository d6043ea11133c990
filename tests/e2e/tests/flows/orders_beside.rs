//! Orders of clerks that carry an opportunity's id, beside drafts that are with an approver, refused or approved: none is taken for the opportunity's
//! own, none is cancelled for it, and none is left without a word.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

use super::orders_and_clerks::{
    PATIENCE, answer, approvals, awaited, copied, desk, duplicated, live, put_in_bin, sync_now, until_live,
    until_message, win, world,
};

/// A clerk who needs no approval makes an order of a draft, or of another order. Its `DocEntry`.
async fn copied_from(world: &World, set: &str, of: &Value) -> Result<Value> {
    world.b1_settings(json!({})).await?;
    let all = world.b1_records(set).await?;
    let document = all.into_iter().find(|own| own["DocEntry"] == *of).context("what is copied")?;
    Ok(copied(world, document).await?["DocEntry"].clone())
}

async fn drafts(world: &World, id: &str) -> Result<Vec<Value>> {
    Ok(world.b1_records("Drafts").await?.into_iter().filter(|own| own["U_SF_Id"] == id).collect())
}

async fn until_no_draft(world: &World, id: &str) -> Result<()> {
    let none = async |world: &World| Ok(drafts(world, id).await?.is_empty().then_some(()));
    world.until("no draft", PATIENCE, none).await
}

async fn lose(world: &World, id: &str) -> Result<()> {
    world.change("Opportunity", id, json!({ "StageName": "Prospecting" })).await
}

async fn asks_nothing(world: &World) -> Result<()> {
    world.settled().await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

/// A clerk's copy of the draft goes to the approver, too.
async fn drafted_from(world: &World, id: &str, draft: &Value) -> Result<Value> {
    let before = drafts(world, id).await?;
    let own = before.iter().find(|own| own["DocEntry"] == *draft).context("the draft")?;
    // B1 answers that it keeps it.
    let _ = copied(world, own.clone()).await;
    let all = drafts(world, id).await?;
    let entries = |all: &[Value]| all.iter().map(|own| own["DocEntry"].clone()).collect::<Vec<_>>();
    let known = entries(&before);
    entries(&all).into_iter().find(|own| !known.contains(own)).context("the clerk's draft")
}

async fn until_number(world: &World, id: &str, number: &str) -> Result<()> {
    let told = async |world: &World| {
        Ok((world.opportunity(id).await?["Tandem_Order_Number__c"].as_str() == Some(number)).then_some(()))
    };
    world.until("its own number", PATIENCE, told).await
}

/// An opportunity whose order, which needed no approval, was cancelled in B1; the order's `DocEntry`.
async fn cancelled(world: &World) -> Result<(String, Value)> {
    world.b1_settings(json!({})).await?;
    let id = win(world, "Synced").await?;
    let order = live(world, &id).await?.remove(0)["DocEntry"].clone();
    world.b1_call("POST", &format!("/Orders({order})/Cancel"), Value::Null).await?;
    until_message(world, &id, "was cancelled in B1").await?;
    Ok((id, order))
}

/// Lost, the one order that carries the id is a clerk's: it is told, and stands.
async fn lost_it_is_told(world: &World, id: &str) -> Result<Value> {
    lose(world, id).await?;
    until_message(world, id, "carries its id and was not made of it").await?;
    let mut orders = live(world, id).await?;
    assert_eq!(orders.len(), 1, "nobody has cancelled it: {orders:?}");
    Ok(orders.remove(0)["DocEntry"].take())
}

/// Of an opportunity whose order was cancelled the new one is with its approver. Opportunity, order, and draft.
async fn awaited_anew(world: &World) -> Result<(String, Value, Value)> {
    let (id, order) = cancelled(world).await?;
    world.b1_settings(json!({ "approval_over": 0.01 })).await?;
    answer(world, "create a new order").await?;
    until_message(world, &id, "awaits approval").await?;
    let draft = drafts(world, &id).await?[0]["DocEntry"].clone();
    Ok((id, order, draft))
}

/// A change of nothing that an order is made of: its opportunity is looked at.
async fn touch(world: &World, id: &str, amount: f64) -> Result<()> {
    world.change("Opportunity", id, json!({ "Amount": amount })).await?;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    world.settled().await
}

#[tokio::test]
async fn a_clerks_copy_of_a_draft_is_not_taken_for_the_order_that_its_approver_has() -> Result<()> {
    let world = approvals().await?;
    let (id, draft) = awaited(&world).await?;
    let copy = copied_from(&world, "Drafts", &draft).await?;
    sync_now(&world, &id).await?;
    asks_nothing(&world).await?;
    desk(&world, &format!("approve/{draft}")).await?;
    let orders = until_live(&world, &id, 2).await?;
    let own = orders.iter().find(|order| order["DocEntry"] != copy).context("its own")?["DocNum"].to_string();
    until_number(&world, &id, &own).await?;
    // Wanted no more: the draft goes, and the clerk's stays.
    world.b1_settings(json!({ "approval_over": 0.01 })).await?;
    let (id, draft) = awaited(&world).await?;
    let copy = copied_from(&world, "Drafts", &draft).await?;
    lose(&world, &id).await?;
    until_no_draft(&world, &id).await?;
    world.settled().await?;
    let orders = live(&world, &id).await?;
    assert_eq!((orders.len(), &orders[0]["DocEntry"]), (1, &copy));
    Ok(())
}

/// A clerk's copy goes to the approver, too: which of the two drafts is the opportunity's own is known.
#[tokio::test]
async fn a_clerks_draft_beside_the_opportunitys_own_is_not_taken_for_it() -> Result<()> {
    let world = approvals().await?;
    let (id, draft) = awaited(&world).await?;
    let other = drafted_from(&world, &id, &draft).await?;
    desk(&world, &format!("approve/{draft}")).await?;
    let number = until_live(&world, &id, 1).await?.remove(0)["DocNum"].to_string();
    until_number(&world, &id, &number).await?;
    desk(&world, &format!("approve/{other}")).await?;
    until_live(&world, &id, 2).await?;
    sync_now(&world, &id).await?;
    asks_nothing(&world).await?;
    assert_eq!(world.opportunity(&id).await?["Tandem_Order_Number__c"].as_str(), Some(number.as_str()));
    Ok(())
}

/// It is the only one there, and whoever refused the draft may think better of it.
#[tokio::test]
async fn an_order_made_by_hand_after_a_refusal_is_cancelled_and_the_draft_goes_too() -> Result<()> {
    let mut world = approvals().await?;
    let (id, draft) = awaited(&world).await?;
    world.stop().await?;
    desk(&world, &format!("reject/{draft}")).await?;
    copied_from(&world, "Drafts", &draft).await?;
    lose(&world, &id).await?;
    world.up().await?;
    until_live(&world, &id, 0).await?;
    until_no_draft(&world, &id).await?;
    asks_nothing(&world).await
}

/// Approved, delivered, duplicated for what is still to come, and re-opened, while the host was away.
#[tokio::test]
async fn of_several_orders_of_an_opportunity_that_is_won_no_more_none_is_cancelled_unasked() -> Result<()> {
    let mut world = approvals().await?;
    let (id, draft) = awaited(&world).await?;
    world.stop().await?;
    desk(&world, &format!("approve/{draft}")).await?;
    let order = until_live(&world, &id, 1).await?.remove(0)["DocEntry"].clone();
    desk(&world, &format!("deliver/{order}")).await?;
    copied_from(&world, "Orders", &order).await?;
    lose(&world, &id).await?;
    world.up().await?;
    until_message(&world, &id, "several orders that carry its id").await?;
    let orders = live(&world, &id).await?;
    assert_eq!(orders.len(), 2, "{orders:?}");
    let said = world.opportunity(&id).await?["Tandem_Sync_Message__c"].to_string();
    assert!(orders.iter().all(|order| said.contains(&order["DocNum"].to_string())), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_copy_beside_a_draft_that_was_refused_is_asked_about_once_whatever_is_answered() -> Result<()> {
    for choice in ["leave it cancelled", "create a new order"] {
        let world = approvals().await?;
        let (id, order, draft) = awaited_anew(&world).await?;
        let copy = copied_from(&world, "Orders", &order).await?;
        desk(&world, &format!("reject/{draft}")).await?;
        until_message(&world, &id, "carries this opportunity's id").await?;
        answer(&world, choice).await?;
        world.until_state(&id, "Synced").await?;
        touch(&world, &id, 7_001.0).await?;
        asks_nothing(&world).await?;
        let orders = live(&world, &id).await?;
        assert!(orders.iter().any(|own| own["DocEntry"] == copy), "the clerk's stays");
        assert_eq!(orders.len(), if choice == "create a new order" { 2 } else { 1 });
    }
    Ok(())
}

#[tokio::test]
async fn an_order_in_the_place_of_a_cancelled_one_is_told_as_long_as_it_stands_though_its_opportunity_is_lost()
-> Result<()> {
    let world = world("").await?;
    let (id, order, copy) = duplicated(&world).await?;
    world.b1_call("POST", &format!("/Orders({order})/Cancel"), Value::Null).await?;
    until_message(&world, &id, "carries this opportunity's id").await?;
    lose(&world, &id).await?;
    until_message(&world, &id, "carries its id and was not made of it").await?;
    touch(&world, &id, 7_001.0).await?;
    until_message(&world, &id, "carries its id and was not made of it").await?;
    assert_eq!(live(&world, &id).await?.len(), 1, "nobody has cancelled it");
    // Ignored of what is not won, it is asked of what is.
    answer(&world, "ignore").await?;
    world.settled().await?;
    world.win(&id).await?;
    until_message(&world, &id, "carries this opportunity's id").await?;
    lose(&world, &id).await?;
    until_message(&world, &id, "carries its id and was not made of it").await?;
    world.b1_call("POST", &format!("/Orders({copy})/Cancel"), Value::Null).await?;
    sync_now(&world, &id).await?;
    world.until_state(&id, "Synced").await?;
    asks_nothing(&world).await
}

#[tokio::test]
async fn an_order_that_is_linked_in_the_place_of_another_is_compared_with_all_that_it_has() -> Result<()> {
    let world = world("settings = { lines = \"review\" }").await?;
    let id = win(&world, "Synced").await?;
    let own = live(&world, &id).await?.remove(0);
    let order = own["DocEntry"].clone();
    desk(&world, &format!("duplicate/Orders/{order}")).await?;
    let copy = live(&world, &id).await?.into_iter().map(|own| own["DocEntry"].clone()).find(|own| *own != order);
    let dates = json!({ "DocDueDate": own["DocDueDate"] });
    world.b1_patch(&format!("/Orders({})", copy.context("the duplicate")?), dates).await?;
    world.b1_call("POST", &format!("/Orders({order})/Cancel"), Value::Null).await?;
    until_message(&world, &id, "carries this opportunity's id").await?;
    let number = live(&world, &id).await?[0]["DocNum"].to_string();
    answer(&world, &format!("link with order {number}")).await?;
    world.until_state(&id, "Synced").await?;
    asks_nothing(&world).await
}

/// One that a person wanted beside another has its row in the ledger as well as one that nobody was asked about.
#[tokio::test]
async fn a_host_without_memory_knows_its_orders_also_after_a_person_wanted_one_anew() -> Result<()> {
    let mut world = world("").await?;
    let (id, _) = cancelled(&world).await?;
    answer(&world, "create a new order").await?;
    until_live(&world, &id, 1).await?;
    world.until_state(&id, "Synced").await?;
    lose(&world, &id).await?;
    until_live(&world, &id, 0).await?;
    world.win(&id).await?;
    until_live(&world, &id, 1).await?;
    world.until_state(&id, "Synced").await?;
    world.settled().await?;
    world.kill().await?;
    world.database.forget(world.folder())?;
    world.tandem(&["plugin", "grant", "orders", "--yes"]).await?;
    world.up().await?;
    world.change("Opportunity", &id, json!({ "Tandem_PO_Number__c": "PO-1" })).await?;
    let look = async |world: &World| Ok(live(world, &id).await?.pop().filter(|order| order["NumAtCard"] == "PO-1"));
    world.until("the PO number on its order", PATIENCE, look).await?;
    assert_eq!(world.orders_of(&id).await?.len(), 3);
    asks_nothing(&world).await
}

/// A draft says whose the opportunity is, whatever its account carries by now.
#[tokio::test]
async fn an_account_of_another_company_is_asked_about_while_an_approver_has_the_order() -> Result<()> {
    let world = world("settings = { key_prefix = \"de:\", approval_poll_minutes = 0 }").await?;
    for account in world.records("Account").await? {
        if let (Some(id), Some(code)) = (account["Id"].as_str(), account["Tandem_Card_Code__c"].as_str()) {
            world.change("Account", id, json!({ "Tandem_Card_Code__c": format!("de:{code}") })).await?;
        }
    }
    for product in world.records("Product2").await? {
        if let (Some(id), Some(code)) = (product["Id"].as_str(), product["ProductCode"].as_str()) {
            world.change("Product2", id, json!({ "Tandem_Item_Code__c": format!("de:{code}") })).await?;
        }
    }
    world.b1_settings(json!({ "approval_over": 0.01 })).await?;
    let (id, _) = awaited(&world).await?;
    let account = world.opportunity(&id).await?["AccountId"].as_str().context("an account")?.to_owned();
    world.change("Account", &account, json!({ "Tandem_Card_Code__c": "us:C1" })).await?;
    sync_now(&world, &id).await?;
    until_message(&world, &id, "a customer of another company").await?;
    assert_eq!(drafts(&world, &id).await?.len(), 1);
    Ok(())
}

/// The new one is made, also where a clerk has a draft of that opportunity with an approver.
#[tokio::test]
async fn a_clerks_draft_is_not_taken_for_a_new_order_in_the_place_of_a_refused_one() -> Result<()> {
    let world = approvals().await?;
    let (id, draft) = awaited(&world).await?;
    let other = drafted_from(&world, &id, &draft).await?;
    desk(&world, &format!("reject/{draft}")).await?;
    until_message(&world, &id, "refused by its approver").await?;
    answer(&world, "create a new order").await?;
    let new = async |world: &World| {
        let all = drafts(world, &id).await?;
        Ok(all.into_iter().map(|own| own["DocEntry"].clone()).find(|own| *own != draft && *own != other))
    };
    let new = world.until("a new draft", PATIENCE, new).await?;
    desk(&world, &format!("approve/{new}")).await?;
    let number = until_live(&world, &id, 1).await?.remove(0)["DocNum"].to_string();
    until_number(&world, &id, &number).await?;
    lose(&world, &id).await?;
    until_live(&world, &id, 0).await?;
    world.settled().await?;
    assert!(drafts(&world, &id).await?.iter().any(|own| own["DocEntry"] == other), "the clerk's stays");
    Ok(())
}

#[tokio::test]
async fn a_refused_draft_goes_after_its_order_and_a_clerks_draft_beside_it_stays() -> Result<()> {
    let mut world = approvals().await?;
    let (id, draft) = awaited(&world).await?;
    world.stop().await?;
    desk(&world, &format!("reject/{draft}")).await?;
    let other = drafted_from(&world, &id, &draft).await?;
    copied_from(&world, "Drafts", &draft).await?;
    lose(&world, &id).await?;
    world.up().await?;
    until_live(&world, &id, 0).await?;
    let gone = async |world: &World| {
        let all = drafts(world, &id).await?;
        Ok(all.iter().all(|own| own["DocEntry"] != draft).then_some(all.len()))
    };
    assert_eq!(world.until("its own draft is gone", PATIENCE, gone).await?, 1);
    asks_nothing(&world).await?;
    assert_eq!(drafts(&world, &id).await?[0]["DocEntry"], other);
    Ok(())
}

#[tokio::test]
async fn of_several_orders_beside_a_refused_draft_of_a_lost_opportunity_a_person_is_told() -> Result<()> {
    let mut world = approvals().await?;
    let (id, draft) = awaited(&world).await?;
    world.stop().await?;
    desk(&world, &format!("reject/{draft}")).await?;
    for _ in 0..2 {
        copied_from(&world, "Drafts", &draft).await?;
    }
    lose(&world, &id).await?;
    world.up().await?;
    until_message(&world, &id, "several orders that carry its id").await?;
    assert_eq!(live(&world, &id).await?.len(), 2);
    Ok(())
}

#[tokio::test]
async fn a_copy_is_asked_about_until_it_is_answered_though_its_refused_draft_is_removed_or_its_opportunity_lost()
-> Result<()> {
    for is_removed in [true, false] {
        let world = approvals().await?;
        let (id, order, draft) = awaited_anew(&world).await?;
        copied_from(&world, "Orders", &order).await?;
        desk(&world, &format!("reject/{draft}")).await?;
        until_message(&world, &id, "carries this opportunity's id").await?;
        if is_removed {
            world.b1_call("DELETE", &format!("/Drafts({draft})"), Value::Null).await?;
            touch(&world, &id, 7_001.0).await?;
            until_message(&world, &id, "carries this opportunity's id").await?;
        }
        lost_it_is_told(&world, &id).await?;
    }
    Ok(())
}

/// What is left cancelled waits for nothing: an order that a clerk makes later is not what came of it.
#[tokio::test]
async fn a_later_order_of_what_was_left_cancelled_is_asked_about_and_not_cancelled() -> Result<()> {
    let world = approvals().await?;
    let (id, order, draft) = awaited_anew(&world).await?;
    desk(&world, &format!("reject/{draft}")).await?;
    until_message(&world, &id, "refused by its approver").await?;
    answer(&world, "leave it cancelled").await?;
    world.until_state(&id, "Synced").await?;
    copied_from(&world, "Orders", &order).await?;
    touch(&world, &id, 7_001.0).await?;
    until_message(&world, &id, "carries this opportunity's id").await?;
    lost_it_is_told(&world, &id).await?;
    Ok(())
}

/// What was ignored before a clerk's order was there is not that order.
#[tokio::test]
async fn an_order_that_comes_after_a_refusal_was_ignored_is_asked_about_until_it_is_answered() -> Result<()> {
    let world = approvals().await?;
    world.b1_settings(json!({})).await?;
    let id = win(&world, "Synced").await?;
    let order = live(&world, &id).await?.remove(0)["DocEntry"].clone();
    lose(&world, &id).await?;
    until_live(&world, &id, 0).await?;
    world.until_state(&id, "Synced").await?;
    world.b1_settings(json!({ "approval_over": 0.01 })).await?;
    world.win(&id).await?;
    until_message(&world, &id, "awaits approval").await?;
    let draft = drafts(&world, &id).await?[0]["DocEntry"].clone();
    desk(&world, &format!("reject/{draft}")).await?;
    until_message(&world, &id, "refused by its approver").await?;
    answer(&world, "ignore").await?;
    world.settled().await?;
    copied_from(&world, "Orders", &order).await?;
    for amount in [7_001.0, 7_002.0] {
        touch(&world, &id, amount).await?;
        let asked = world.tandem_json(&["review", "list"]).await?;
        assert!(asked.to_string().contains("carries this opportunity's id"), "{asked}");
    }
    answer(&world, "ignore").await?;
    touch(&world, &id, 7_003.0).await?;
    asks_nothing(&world).await
}

/// Nobody here has sent anything that an approver could have.
#[tokio::test]
async fn a_clerks_draft_beside_an_order_in_the_place_of_a_cancelled_one_is_left_alone() -> Result<()> {
    let world = approvals().await?;
    let (id, order) = cancelled(&world).await?;
    let copy = copied_from(&world, "Orders", &order).await?;
    touch(&world, &id, 7_001.0).await?;
    until_message(&world, &id, "carries this opportunity's id").await?;
    world.b1_settings(json!({ "approval_over": 0.01 })).await?;
    let all = world.b1_records("Orders").await?;
    let document = all.into_iter().find(|own| own["DocEntry"] == order).context("what is copied")?;
    // B1 answers that it keeps it.
    let _ = copied(&world, document).await;
    assert_eq!(drafts(&world, &id).await?.len(), 1);
    assert_eq!(lost_it_is_told(&world, &id).await?, copy);
    world.win(&id).await?;
    until_message(&world, &id, "carries this opportunity's id").await?;
    let orders = live(&world, &id).await?;
    assert_eq!((orders.len(), &orders[0]["DocEntry"]), (1, &copy));
    assert_eq!(drafts(&world, &id).await?.len(), 1, "the clerk's draft stays");
    Ok(())
}

/// An order whose answer is lost, and a clerk's duplicate of it.
async fn unanswered_and_duplicated(world: &World) -> Result<(String, Value, Value)> {
    let id = world.opportunities(1).await?.remove(0);
    // B1 is looked through, and then the order is made and nobody is told.
    world.b1_faults(json!([{ "path": "$batch", "kind": { "latency": 1500 } }])).await?;
    world.win(&id).await?;
    tokio::time::sleep(std::time::Duration::from_millis(800)).await;
    let lost = json!([{ "path": "$batch", "kind": "reset-after" }, { "path": "/Orders", "kind": "reset-before" }]);
    world.b1_faults(lost).await?;
    let own = until_live(world, &id, 1).await?.remove(0);
    desk(world, &format!("duplicate/Orders/{}", own["DocEntry"])).await?;
    world.b1_faults(json!([])).await?;
    until_message(world, &id, "several orders").await?;
    let other = live(world, &id).await?.into_iter().find(|order| order["DocEntry"] != own["DocEntry"]);
    Ok((id, own, other.context("the duplicate")?))
}

/// Whoever cancels all but one, as asked, has no second question about that one.
#[tokio::test]
async fn an_order_whose_answer_was_lost_is_its_own_also_after_a_clerks_duplicate_of_it_is_cancelled() -> Result<()> {
    let world = world("").await?;
    let (id, own, other) = unanswered_and_duplicated(&world).await?;
    world.b1_call("POST", &format!("/Orders({})/Cancel", other["DocEntry"]), Value::Null).await?;
    sync_now(&world, &id).await?;
    until_number(&world, &id, &own["DocNum"].to_string()).await?;
    asks_nothing(&world).await?;
    lose(&world, &id).await?;
    until_live(&world, &id, 0).await?;
    asks_nothing(&world).await
}

#[tokio::test]
async fn a_clerks_duplicate_is_not_cancelled_for_an_opportunity_that_is_won_no_more() -> Result<()> {
    let world = world("").await?;
    let (id, own, other) = unanswered_and_duplicated(&world).await?;
    lose(&world, &id).await?;
    until_message(&world, &id, "several orders that carry its id").await?;
    world.b1_call("POST", &format!("/Orders({})/Cancel", own["DocEntry"]), Value::Null).await?;
    sync_now(&world, &id).await?;
    until_message(&world, &id, "carries its id and was not made of it").await?;
    let orders = live(&world, &id).await?;
    assert_eq!((orders.len(), &orders[0]["DocEntry"]), (1, &other["DocEntry"]));
    Ok(())
}

/// What a clerk made and cancelled says nothing of the opportunity's own, which went with it.
#[tokio::test]
async fn an_opportunity_that_is_won_again_gets_an_order_though_a_clerk_has_cancelled_his_duplicate() -> Result<()> {
    let world = world("").await?;
    let (id, _, copy) = duplicated(&world).await?;
    lose(&world, &id).await?;
    until_live(&world, &id, 1).await?;
    world.b1_call("POST", &format!("/Orders({copy})/Cancel"), Value::Null).await?;
    world.settled().await?;
    world.win(&id).await?;
    let own = until_live(&world, &id, 1).await?.remove(0);
    until_number(&world, &id, &own["DocNum"].to_string()).await?;
    asks_nothing(&world).await
}

/// Whoever refused the draft may think better of it: beside the order that a clerk made of it there would be two.
#[tokio::test]
async fn a_refused_draft_goes_when_an_order_that_a_clerk_made_of_it_is_taken_over() -> Result<()> {
    let mut world = approvals().await?;
    let (id, draft) = awaited(&world).await?;
    desk(&world, &format!("reject/{draft}")).await?;
    until_message(&world, &id, "refused by its approver").await?;
    world.stop().await?;
    copied_from(&world, "Drafts", &draft).await?;
    // The removal is lost at first.
    world.b1_faults(json!([{ "path": "$batch", "about": "DELETE", "kind": "reset-before", "times": 2 }])).await?;
    world.up().await?;
    sync_now(&world, &id).await?;
    until_no_draft(&world, &id).await?;
    let own = until_live(&world, &id, 1).await?.remove(0);
    until_number(&world, &id, &own["DocNum"].to_string()).await?;
    asks_nothing(&world).await
}

/// What is delivered cannot be cancelled: whoever is asked about several says which is the opportunity's, or has a new one made.
#[tokio::test]
async fn of_several_orders_that_are_delivered_one_is_linked_or_a_new_one_is_made_as_a_person_says() -> Result<()> {
    let world = world("").await?;
    for makes_new in [true, false] {
        let (id, order, copy) = duplicated(&world).await?;
        desk(&world, &format!("duplicate/Orders/{order}")).await?;
        let others = until_live(&world, &id, 3).await?;
        let others: Vec<&Value> = others.iter().filter(|own| own["DocEntry"] != order).collect();
        for other in &others {
            desk(&world, &format!("deliver/{}", other["DocEntry"])).await?;
        }
        world.b1_call("POST", &format!("/Orders({order})/Cancel"), Value::Null).await?;
        until_message(&world, &id, "has several orders for this opportunity").await?;
        let number = others.iter().find(|own| own["DocEntry"] == copy).context("it")?["DocNum"].to_string();
        if makes_new {
            answer(&world, "create a new order").await?;
            let orders = until_live(&world, &id, 3).await?;
            let new = orders.iter().find(|own| others.iter().all(|other| other["DocEntry"] != own["DocEntry"]));
            until_number(&world, &id, &new.context("the new one")?["DocNum"].to_string()).await?;
            touch(&world, &id, 7_001.0).await?;
            asks_nothing(&world).await?;
        } else {
            answer(&world, &format!("link with order {number}")).await?;
            until_number(&world, &id, &number).await?;
            assert_eq!(live(&world, &id).await?.len(), 2);
        }
    }
    Ok(())
}

/// A clerk's draft is his, refused or not, where the opportunity had an order before.
#[tokio::test]
async fn a_clerks_draft_that_was_refused_is_not_asked_about_when_an_opportunity_is_won_again() -> Result<()> {
    let world = world("settings = { approval_poll_minutes = 0 }").await?;
    let id = win(&world, "Synced").await?;
    let order = live(&world, &id).await?.remove(0);
    world.b1_settings(json!({ "approval_over": 0.01 })).await?;
    copied(&world, order).await.unwrap_err();
    let draft = drafts(&world, &id).await?.remove(0)["DocEntry"].clone();
    desk(&world, &format!("reject/{draft}")).await?;
    lose(&world, &id).await?;
    until_live(&world, &id, 0).await?;
    world.b1_settings(json!({})).await?;
    world.win(&id).await?;
    let own = until_live(&world, &id, 1).await?.remove(0);
    until_number(&world, &id, &own["DocNum"].to_string()).await?;
    asks_nothing(&world).await?;
    assert_eq!(drafts(&world, &id).await?[0]["DocEntry"], draft);
    Ok(())
}

/// The approver thinks better of it before a person has said that a clerk's order is the opportunity's: there would be two.
#[tokio::test]
async fn a_draft_that_is_approved_after_all_goes_when_a_clerks_order_is_linked_in_its_place() -> Result<()> {
    let world = world("settings = { approval_poll_minutes = 15 }").await?;
    world.b1_settings(json!({ "approval_over": 0.01 })).await?;
    let (id, draft) = awaited(&world).await?;
    desk(&world, &format!("reject/{draft}")).await?;
    sync_now(&world, &id).await?;
    until_message(&world, &id, "refused by its approver").await?;
    let first = copied_from(&world, "Drafts", &draft).await?;
    desk(&world, &format!("duplicate/Orders/{first}")).await?;
    sync_now(&world, &id).await?;
    world.settled().await?;
    until_message(&world, &id, "has several orders for this opportunity").await?;
    desk(&world, &format!("approve/{draft}?only")).await?;
    let number = live(&world, &id).await?.remove(0)["DocNum"].to_string();
    answer(&world, &format!("link with order {number}")).await?;
    until_number(&world, &id, &number).await?;
    until_no_draft(&world, &id).await?;
    assert_eq!(live(&world, &id).await?.len(), 2);
    Ok(())
}

/// What was left cancelled may be approved by somebody as long as its refused draft is there.
#[tokio::test]
async fn a_refused_draft_goes_also_after_its_order_was_left_cancelled() -> Result<()> {
    let world = approvals().await?;
    let (id, _, draft) = awaited_anew(&world).await?;
    desk(&world, &format!("reject/{draft}")).await?;
    until_message(&world, &id, "refused by its approver").await?;
    answer(&world, "leave it cancelled").await?;
    world.until_state(&id, "Synced").await?;
    lose(&world, &id).await?;
    until_no_draft(&world, &id).await?;
    asks_nothing(&world).await
}

/// An opportunity whose order is left cancelled, and whose new one was refused by its approver. Opportunity, order, and draft.
async fn left(world: &World) -> Result<(String, Value, Value)> {
    let (id, order, draft) = awaited_anew(world).await?;
    desk(world, &format!("reject/{draft}")).await?;
    until_message(world, &id, "refused by its approver").await?;
    answer(world, "leave it cancelled").await?;
    world.until_state(&id, "Synced").await?;
    world.settled().await?;
    Ok((id, order, draft))
}

#[tokio::test]
async fn a_refused_draft_that_was_left_goes_when_a_clerks_order_is_linked_later() -> Result<()> {
    let world = approvals().await?;
    let (id, order, _) = left(&world).await?;
    copied_from(&world, "Orders", &order).await?;
    until_message(&world, &id, "carries this opportunity's id").await?;
    let number = live(&world, &id).await?[0]["DocNum"].to_string();
    answer(&world, &format!("link with order {number}")).await?;
    until_number(&world, &id, &number).await?;
    until_no_draft(&world, &id).await?;
    asks_nothing(&world).await
}

#[tokio::test]
async fn a_refused_draft_goes_also_after_a_clerks_order_beside_it_was_left_too() -> Result<()> {
    let world = approvals().await?;
    let (id, order, _) = left(&world).await?;
    let copy = copied_from(&world, "Orders", &order).await?;
    until_message(&world, &id, "carries this opportunity's id").await?;
    answer(&world, "leave it cancelled").await?;
    world.until_state(&id, "Synced").await?;
    asks_nothing(&world).await?;
    lose(&world, &id).await?;
    until_no_draft(&world, &id).await?;
    let orders = live(&world, &id).await?;
    assert_eq!((orders.len(), &orders[0]["DocEntry"]), (1, &copy));
    asks_nothing(&world).await
}

/// Somebody may still approve it, and of what is deleted nobody would know.
#[tokio::test]
async fn a_refused_draft_that_was_left_is_asked_about_when_its_opportunity_is_deleted() -> Result<()> {
    let world = approvals().await?;
    let (id, _, _) = left(&world).await?;
    let url = format!("{}/admin/delete/Opportunity/{id}", world.salesforce);
    assert_eq!(world.send("POST", &url, &json!({})).await?.0, 204);
    answer(&world, "cancel the order").await?;
    until_no_draft(&world, &id).await?;
    asks_nothing(&world).await
}

#[tokio::test]
async fn an_order_of_a_refused_draft_that_was_left_is_its_own_when_its_approver_changes_his_mind() -> Result<()> {
    let world = approvals().await?;
    let (id, _, draft) = left(&world).await?;
    touch(&world, &id, 7_001.0).await?;
    asks_nothing(&world).await?;
    desk(&world, &format!("approve/{draft}")).await?;
    let number = until_live(&world, &id, 1).await?.remove(0)["DocNum"].to_string();
    until_number(&world, &id, &number).await?;
    world.until_state(&id, "Synced").await?;
    asks_nothing(&world).await?;
    lose(&world, &id).await?;
    until_live(&world, &id, 0).await?;
    asks_nothing(&world).await
}

/// An opportunity that was won again, and lost before it was known what became of its second order. With the clock, and its first order.
#[cfg(target_os = "linux")]
async fn unanswered_and_lost() -> Result<(World, tandem_e2e::machine::Clock, String, Value)> {
    let clock = tandem_e2e::machine::Clock::new()?;
    let b1 = "poll_seconds = 1\ntime_zone = \"Europe/Berlin\"".into();
    let mut world = World::with(Setup { environment: clock.environment(), b1, ..Setup::default() }).await?;
    world.up().await?;
    let id = win(&world, "Synced").await?;
    let order = live(&world, &id).await?.remove(0)["DocEntry"].clone();
    lose(&world, &id).await?;
    until_live(&world, &id, 0).await?;
    world.settled().await?;
    let lost = json!([{ "path": "$batch", "about": "U_TANDEM", "kind": "reset-before", "times": 100 }]);
    world.b1_faults(lost).await?;
    world.win(&id).await?;
    let is_lost = async |world: &World| {
        let faults = world.get(&format!("{}/admin/faults", world.b1)).await?;
        Ok(faults[0]["times"].as_i64().is_some_and(|times| times <= 96).then_some(()))
    };
    world.until("the answer to be lost", PATIENCE, is_lost).await?;
    lose(&world, &id).await?;
    until_message(&world, &id, "is looked for again in a few minutes").await?;
    let ended = async |world: &World| Ok(world.log().contains("is looked for again in a few minutes").then_some(()));
    world.until("the end of the run", PATIENCE, ended).await?;
    world.b1_faults(json!([])).await?;
    Ok((world, clock, id, order))
}

#[tokio::test]
async fn of_an_approved_order_and_a_clerks_duplicate_the_one_that_is_left_is_linked_when_the_other_is_cancelled()
-> Result<()> {
    let mut world = approvals().await?;
    let (id, draft) = awaited(&world).await?;
    world.settled().await?;
    world.kill().await?;
    desk(&world, &format!("approve/{draft}")).await?;
    let own = until_live(&world, &id, 1).await?.remove(0);
    let copy = copied_from(&world, "Orders", &own["DocEntry"]).await?;
    world.start()?;
    until_message(&world, &id, "has several orders for this opportunity").await?;
    world.b1_call("POST", &format!("/Orders({copy})/Cancel"), Value::Null).await?;
    until_number(&world, &id, &own["DocNum"].to_string()).await?;
    asks_nothing(&world).await
}

/// B1 is slow: what it was at when the answer was lost is there as late as it may be, and an approver has it.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_b1_makes_late_of_an_order_whose_answer_was_lost_goes_at_the_last_look_for_it() -> Result<()> {
    let (world, clock, id, order) = unanswered_and_lost().await?;
    world.b1_settings(json!({ "approval_over": 0.01 })).await?;
    let document = world.b1_records("Orders").await?.into_iter().find(|own| own["DocEntry"] == order);
    // B1 answers that it keeps it.
    let _ = copied(&world, document.context("the first order")?).await;
    assert_eq!(drafts(&world, &id).await?.len(), 1);
    clock.set(301)?;
    until_no_draft(&world, &id).await?;
    asks_nothing(&world).await
}

#[tokio::test]
async fn what_was_left_cancelled_gets_no_order_when_its_opportunity_is_deleted_and_restored() -> Result<()> {
    let world = world("settings = { deleted = \"cancel\", approval_poll_minutes = 0 }").await?;
    let (id, ..) = left(&world).await?;
    put_in_bin(&world, "delete", &id).await?;
    until_no_draft(&world, &id).await?;
    world.settled().await?;
    put_in_bin(&world, "undelete", &id).await?;
    touch(&world, &id, 7_002.0).await?;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    asks_nothing(&world).await?;
    assert!(live(&world, &id).await?.is_empty() && drafts(&world, &id).await?.is_empty(), "a person has left it so");
    Ok(())
}

#[tokio::test]
async fn a_clerks_duplicate_of_an_approved_order_stays_when_that_is_cancelled_as_asked() -> Result<()> {
    let mut world = approvals().await?;
    let (id, _, draft) = left(&world).await?;
    world.kill().await?;
    desk(&world, &format!("approve/{draft}")).await?;
    let own = until_live(&world, &id, 1).await?.remove(0)["DocEntry"].clone();
    let copy = copied_from(&world, "Orders", &own).await?;
    lose(&world, &id).await?;
    world.start()?;
    until_message(&world, &id, "has several orders that carry its id").await?;
    world.b1_call("POST", &format!("/Orders({own})/Cancel"), Value::Null).await?;
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    world.settled().await?;
    let orders = live(&world, &id).await?;
    assert_eq!(orders.iter().map(|order| &order["DocEntry"]).collect::<Vec<_>>(), [&copy]);
    Ok(())
}

/// What B1 does not have after the longest time that it may take it has never made.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_order_that_a_clerk_makes_long_after_an_answer_was_lost_is_not_cancelled() -> Result<()> {
    let (world, clock, id, order) = unanswered_and_lost().await?;
    clock.set(301)?;
    until_message(&world, &id, "neither draft nor order").await?;
    world.settled().await?;
    let copy = copied_from(&world, "Orders", &order).await?;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    world.settled().await?;
    let orders = live(&world, &id).await?;
    assert_eq!(orders.iter().map(|own| &own["DocEntry"]).collect::<Vec<_>>(), [&copy]);
    Ok(())
}

/// An opportunity that was won again beside a clerk's duplicate of its first order, which is asked about. Opportunity and duplicate.
async fn won_again_beside_a_copy(world: &World) -> Result<(String, Value)> {
    let (id, _, copy) = duplicated(world).await?;
    lose(world, &id).await?;
    until_live(world, &id, 1).await?;
    world.until_state(&id, "Synced").await?;
    world.win(&id).await?;
    until_message(world, &id, "carries this opportunity's id").await?;
    Ok((id, copy))
}

#[tokio::test]
async fn a_clerks_order_about_which_a_question_was_ignored_is_asked_about_no_more_whatever_the_clerk_does_with_it()
-> Result<()> {
    let world = world("").await?;
    let (id, copy) = won_again_beside_a_copy(&world).await?;
    answer(&world, "ignore").await?;
    world.settled().await?;
    world.b1_patch(&format!("/Orders({copy})"), json!({ "NumAtCard": "4711" })).await?;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    asks_nothing(&world).await?;
    desk(&world, &format!("deliver/{copy}")).await?;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    asks_nothing(&world).await?;
    assert_eq!(live(&world, &id).await?.len(), 1, "nothing is made of what was ignored");
    // Who wants it all the same is asked.
    sync_now(&world, &id).await?;
    until_message(&world, &id, "carries this opportunity's id").await
}

#[tokio::test]
async fn a_question_about_a_clerks_order_does_not_outlive_that_order() -> Result<()> {
    for choice in ["create a new order", "leave it cancelled"] {
        let world = world("").await?;
        let (id, copy) = won_again_beside_a_copy(&world).await?;
        world.b1_call("POST", &format!("/Orders({copy})/Cancel"), Value::Null).await?;
        until_message(&world, &id, "was cancelled in B1").await?;
        touch(&world, &id, 7_001.0).await?;
        assert_eq!(live(&world, &id).await?.len(), 0, "nothing is made unasked");
        answer(&world, choice).await?;
        world.until_state(&id, "Synced").await?;
        touch(&world, &id, 7_002.0).await?;
        asks_nothing(&world).await?;
        assert_eq!(live(&world, &id).await?.len(), if choice == "create a new order" { 1 } else { 0 });
    }
    Ok(())
}

/// The clerk was faster than the answer.
#[tokio::test]
async fn a_clerks_order_that_is_cancelled_before_it_is_linked_makes_no_new_one_unasked() -> Result<()> {
    let mut world = world("").await?;
    let (id, copy) = won_again_beside_a_copy(&world).await?;
    let number = live(&world, &id).await?[0]["DocNum"].to_string();
    world.settled().await?;
    world.stop().await?;
    world.b1_call("POST", &format!("/Orders({copy})/Cancel"), Value::Null).await?;
    answer(&world, &format!("link with order {number}")).await?;
    world.up().await?;
    until_message(&world, &id, "was cancelled in B1").await?;
    world.settled().await?;
    assert_eq!(live(&world, &id).await?.len(), 0);
    Ok(())
}

/// What was asked was asked about a refused draft, and it is none any more.
#[tokio::test]
async fn a_draft_whose_approver_thinks_better_of_it_is_waited_for_though_its_order_was_to_be_left_cancelled()
-> Result<()> {
    let world = world("settings = { approval_poll_minutes = 15 }").await?;
    let (id, _, draft) = awaited_anew(&world).await?;
    desk(&world, &format!("reject/{draft}")).await?;
    sync_now(&world, &id).await?;
    until_message(&world, &id, "refused by its approver").await?;
    world.settled().await?;
    desk(&world, &format!("approve/{draft}?only")).await?;
    answer(&world, "leave it cancelled").await?;
    until_message(&world, &id, "is still to be added there").await?;
    asks_nothing(&world).await?;
    lose(&world, &id).await?;
    until_no_draft(&world, &id).await
}

/// Goods have left, and somebody might approve a second order.
#[tokio::test]
async fn a_refused_draft_goes_also_where_the_order_made_by_hand_cannot_be_cancelled() -> Result<()> {
    let mut world = approvals().await?;
    let (id, draft) = awaited(&world).await?;
    world.stop().await?;
    desk(&world, &format!("reject/{draft}")).await?;
    let order = copied_from(&world, "Drafts", &draft).await?;
    desk(&world, &format!("deliver/{order}")).await?;
    lose(&world, &id).await?;
    world.up().await?;
    until_message(&world, &id, "does not let order").await?;
    until_no_draft(&world, &id).await?;
    assert_eq!(live(&world, &id).await?.len(), 1);
    Ok(())
}

/// Its refusal was shown: a host that knows nothing of the draft any more makes no second one.
#[tokio::test]
async fn a_refused_draft_is_asked_about_by_a_host_that_was_restored_from_before_it() -> Result<()> {
    let mut world = approvals().await?;
    world.b1_settings(json!({})).await?;
    let id = win(&world, "Synced").await?;
    lose(&world, &id).await?;
    until_live(&world, &id, 0).await?;
    world.settled().await?;
    world.stop().await?;
    world.database.keep()?;
    world.up().await?;
    world.b1_settings(json!({ "approval_over": 0.01 })).await?;
    world.win(&id).await?;
    until_message(&world, &id, "awaits approval").await?;
    let draft = drafts(&world, &id).await?[0]["DocEntry"].clone();
    desk(&world, &format!("reject/{draft}")).await?;
    until_message(&world, &id, "refused by its approver").await?;
    world.settled().await?;
    world.stop().await?;
    world.database.put_back()?;
    world.up().await?;
    sync_now(&world, &id).await?;
    let asked = async |world: &World| {
        Ok(Some(world.tandem_json(&["review", "list"]).await?).filter(|items| items[0].is_object()))
    };
    let items = world.until("a question", PATIENCE, asked).await?;
    assert!(items.to_string().contains("refused by its approver"), "{items}");
    let all = drafts(&world, &id).await?;
    assert_eq!((all.len(), &all[0]["DocEntry"]), (1, &draft));
    Ok(())
}

/// One of them may be made of it.
#[tokio::test]
async fn no_new_order_is_offered_beside_several_while_nobody_knows_what_became_of_the_draft() -> Result<()> {
    let mut world = approvals().await?;
    let (id, draft) = awaited(&world).await?;
    world.stop().await?;
    for _ in 0..2 {
        copied_from(&world, "Drafts", &draft).await?;
    }
    world.b1_call("DELETE", &format!("/Drafts({draft})"), Value::Null).await?;
    world.up().await?;
    sync_now(&world, &id).await?;
    until_message(&world, &id, "has several orders for this opportunity").await?;
    let asked = async |world: &World| {
        Ok(Some(world.tandem_json(&["review", "list"]).await?).filter(|items| items[0].is_object()))
    };
    let choices = world.until("a question", PATIENCE, asked).await?[0]["choices"].clone();
    assert!(!choices.to_string().contains("create a new order"), "{choices}");
    assert_eq!(live(&world, &id).await?.len(), 2);
    Ok(())
}

/// B1 keeps a draft of which an order was made: one that is gone has become none.
#[tokio::test]
async fn an_order_that_a_clerk_makes_after_the_draft_was_removed_is_told_and_not_cancelled() -> Result<()> {
    let mut world = approvals().await?;
    let (id, order, draft) = awaited_anew(&world).await?;
    world.settled().await?;
    world.stop().await?;
    desk(&world, &format!("reject/{draft}")).await?;
    world.b1_call("DELETE", &format!("/Drafts({draft})"), Value::Null).await?;
    copied_from(&world, "Orders", &order).await?;
    lose(&world, &id).await?;
    world.up().await?;
    until_message(&world, &id, "carries its id and was not made of it").await?;
    assert_eq!(live(&world, &id).await?.len(), 1);
    Ok(())
}
