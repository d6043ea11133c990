//! A company with several branches: every order names one, by a rule of the mapping.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

const RULES: &str = r#"version = 1

[header]
NumAtCard = "source.Tandem_PO_Number__c"
BPL_IDAssignedToInvoice = 'source.Type == "South" ? 2 : 1'

[line]
WarehouseCode = "source.Tandem_Warehouse__c"
"#;

#[tokio::test]
async fn an_order_names_its_branch_by_a_rule_and_without_one_the_question_says_which_rule_to_write() -> Result<()> {
    let flow = "mapping = \"own.toml\"\nsettings = { warehouse = \"01\" }".to_owned();
    let mut world = World::with(Setup { flow, ..Setup::default() }).await?;
    world.grant(&["Opportunity.Type"]).await?;
    let bare = RULES.lines().filter(|line| !line.starts_with("BPL_")).collect::<Vec<_>>().join("\n");
    std::fs::write(world.folder().join("own.toml"), bare)?;
    world.b1_settings(json!({ "branches": true })).await?;
    world.up().await?;
    let ids = world.opportunities(2).await?;
    let south = json!({ "Type": "South" });
    world.change("Opportunity", &ids[1], south).await?;
    for line in world.lines(&ids[1]).await? {
        let id = line["Id"].as_str().unwrap_or_default();
        world.change("OpportunityLineItem", id, json!({ "Tandem_Warehouse__c": "02" })).await?;
    }
    for id in &ids {
        world.win(id).await?;
    }
    for id in &ids {
        let asked = world.until_state(id, "Review").await?;
        let message = asked["Tandem_Sync_Message__c"].as_str().unwrap_or_default();
        assert!(message.contains("active branch"), "B1's own words: {message}");
        assert!(message.contains("BPL_IDAssignedToInvoice") && message.contains("mapping"), "the mend: {message}");
        assert!(world.orders_of(id).await?.is_empty());
    }
    // The rule is written, and the questions are answered.
    world.stop().await?;
    std::fs::write(world.folder().join("own.toml"), RULES)?;
    let problems = world.tandem_json(&["mapping", "check", "orders"]).await?;
    assert!(!problems.to_string().contains("BPL_"), "{problems}");
    world.up().await?;
    for question in world.tandem_json(&["review", "list"]).await?.as_array().into_iter().flatten() {
        let id = question["id"].to_string();
        let (code, _, errors) = world.tandem_raw(&["review", "resolve", "--choose", "retry", &id]).await?;
        // The catch-up of the start may have been told of its opportunity meanwhile.
        assert!(code == 0 || errors.contains("superseded"), "{errors}");
    }
    world.until_all_told(&ids, Duration::from_secs(30)).await?;
    world.assert_exactly_once(&ids).await?;
    let branch = async |world: &World, id: &str| -> Result<Value> {
        Ok(world.orders_of(id).await?.remove(0)["BPL_IDAssignedToInvoice"].clone())
    };
    assert_eq!((branch(&world, &ids[0]).await?, branch(&world, &ids[1]).await?), (json!(1), json!(2)));
    // A later change leaves the branch alone.
    world.change("Opportunity", &ids[1], json!({ "Tandem_PO_Number__c": "PO-SOUTH" })).await?;
    let changed =
        async |world: &World| Ok((world.orders_of(&ids[1]).await?[0]["NumAtCard"] == "PO-SOUTH").then_some(()));
    world.until("the order to follow", Duration::from_secs(20), changed).await?;
    assert_eq!(branch(&world, &ids[1]).await?, 2);
    Ok(())
}
