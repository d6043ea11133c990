//! The integration user lacks a right on one field of the package: every place that meets it names the field and the permission set.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tandem_e2e::World;

const SET: &str = "Tandem Integration";

async fn lacks(world: &World, rights: Value) -> Result<()> {
    let url = format!("{}/admin/rules", world.salesforce);
    let (status, body) = world.send("PUT", &url, &json!({ "integration": rights })).await?;
    assert_eq!(status, 200, "{body}");
    Ok(())
}

async fn question(world: &World) -> Result<Value> {
    let asked = async |world: &World| {
        let list = world.tandem_json(&["review", "list"]).await?;
        Ok(list.as_array().and_then(|list| list.first().cloned()))
    };
    world.until("a question", Duration::from_secs(30), asked).await
}

async fn answer(world: &World, question: &Value) -> Result<()> {
    world.tandem(&["review", "resolve", "--choose", "retry", &question["id"].to_string()]).await?;
    Ok(())
}

#[tokio::test]
async fn a_field_that_the_integration_user_may_not_see_is_named_with_the_permission_set() -> Result<()> {
    let mut world = World::new().await?;
    world.up().await?;
    let id = world.opportunities(1).await?.remove(0);
    lacks(&world, json!({ "hidden": ["Opportunity.Tandem_PO_Number__c"] })).await?;
    world.win(&id).await?;
    let asked = question(&world).await?;
    let reason = asked["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("Tandem_PO_Number__c") && reason.contains(SET), "{reason}");
    let (code, checked, _) = world.tandem_raw(&["check"]).await?;
    assert_eq!(code, 3);
    let line = checked.lines().find(|line| line.contains("Tandem_PO_Number__c")).unwrap_or_default();
    assert!(line.contains(SET), "{checked}");
    lacks(&world, json!({})).await?;
    answer(&world, &asked).await?;
    world.until_all_told(std::slice::from_ref(&id), Duration::from_secs(30)).await?;
    world.assert_exactly_once(&[id]).await
}

#[tokio::test]
async fn a_field_that_the_integration_user_may_not_write_is_named_and_the_order_stays_one() -> Result<()> {
    let mut world = World::new().await?;
    world.up().await?;
    let ids = world.opportunities(2).await?;
    lacks(&world, json!({ "read_only": ["Opportunity.Tandem_Order_Status__c"] })).await?;
    for id in &ids {
        world.win(id).await?;
    }
    let asked = question(&world).await?;
    let reason = asked["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("Tandem_Order_Status__c") && reason.contains(SET), "{reason}");
    let (code, checked, _) = world.tandem_raw(&["check"]).await?;
    assert_eq!(code, 3);
    let line = checked.lines().find(|line| line.contains("Tandem_Order_Status__c")).unwrap_or_default();
    assert!(line.contains(SET), "{checked}");
    lacks(&world, json!({})).await?;
    for question in world.tandem_json(&["review", "list"]).await?.as_array().into_iter().flatten() {
        answer(&world, question).await?;
    }
    world.until_all_told(&ids, Duration::from_secs(30)).await?;
    world.assert_exactly_once(&ids).await
}

#[tokio::test]
async fn an_opportunity_that_the_integration_user_no_longer_sees_keeps_its_order() -> Result<()> {
    let mut world = World::new().await?;
    world.up().await?;
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    world.until_all_told(std::slice::from_ref(&id), Duration::from_secs(30)).await?;
    // Its owner makes it private; triggers go on telling its changes.
    lacks(&world, json!({ "unshared": [id] })).await?;
    world.change("Opportunity", &id, json!({ "Tandem_PO_Number__c": "PO-UNSEEN" })).await?;
    let asked = question(&world).await?;
    let reason = asked["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("integration user"), "{reason}");
    assert_eq!(world.orders_of(&id).await?[0]["Cancelled"], "tNO", "what is not seen is not gone");
    lacks(&world, json!({})).await?;
    answer(&world, &asked).await?;
    let follows = async |world: &World| {
        let orders = world.orders_of(&id).await?;
        Ok((orders[0]["NumAtCard"] == "PO-UNSEEN" && orders[0]["Cancelled"] == "tNO").then_some(()))
    };
    world.until("the order to follow", Duration::from_secs(20), follows).await?;
    world.assert_exactly_once(&[id]).await
}
