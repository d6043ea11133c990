//! Mappings checked against both systems, and tried on a record.

use anyhow::Result;
use serde_json::json;
use tandem_e2e::{Setup, World};

async fn world(flows: Vec<(&'static str, &'static str)>) -> Result<World> {
    World::with(Setup { plugins: vec!["orders", "accounts", "catalogue"], flows, ..Setup::default() }).await
}

#[tokio::test]
async fn the_built_in_mappings_fit_both_systems() -> Result<()> {
    let world = world(Vec::new()).await?;
    let findings = world.tandem_json(&["mapping", "check"]).await?;
    let bad: Vec<_> = findings
        .as_array()
        .into_iter()
        .flatten()
        .filter(|finding| {
            let problem = finding["problem"].as_str().unwrap_or_default();
            !["not checked", "in use"].iter().any(|told| problem.starts_with(told))
        })
        .collect();
    assert!(bad.is_empty(), "{bad:?}");
    Ok(())
}

#[tokio::test]
async fn a_field_that_is_not_there_is_told_before_anything_is_sent() -> Result<()> {
    let world = world(vec![("accounts", "mapping = \"own.toml\""), ("catalogue", "mapping = \"items.toml\"")]).await?;
    std::fs::write(
        world.folder().join("own.toml"),
        "version = 1\n[account]\nCardName = { salesforce = \"Name\" }\nU_Nope = { salesforce = \"Phone\" }\nPhone1 = { salesforce = \"Nope__c\" }\n",
    )?;
    std::fs::write(world.folder().join("items.toml"), "version = 1\n[product]\nName = 'source.ItemNane'\n")?;
    let (code, output, _) = world.tandem_raw(&["mapping", "check"]).await?;
    assert_eq!(code, 3);
    for word in ["U_Nope", "Nope__c", "ItemNane"] {
        assert!(output.contains(word), "{word}\n{output}");
    }
    Ok(())
}

#[tokio::test]
async fn a_preview_shows_each_rule_with_its_value() -> Result<()> {
    let world = world(Vec::new()).await?;
    let shown = world.tandem_json(&["mapping", "preview", "catalogue", "product", "A00001"]).await?;
    let name = shown.as_array().into_iter().flatten().find(|row| row["field"] == "Name").cloned().unwrap_or_default();
    assert_eq!(name["rule"], "source.ItemName");
    assert!(name["value"].is_string(), "{shown}");
    let id = world.opportunities(1).await?.remove(0);
    let shown = world.tandem_json(&["mapping", "preview", "orders", "header", &id]).await?;
    assert!(
        shown.as_array().into_iter().flatten().any(|row| row["field"] == "NumAtCard" && row["value"].is_string()),
        "{shown}"
    );
    let accounts = world.records("Account").await?;
    let account = accounts[0]["Id"].as_str().unwrap_or_default();
    for record in ["C00001", account] {
        let shown = world.tandem_json(&["mapping", "preview", "accounts", "account", record]).await?;
        let fields: Vec<_> = shown.as_array().into_iter().flatten().map(|row| row["field"].clone()).collect();
        assert!(fields.contains(&json!("Name")) || fields.contains(&json!("CardName")), "{shown}");
    }
    let (code, _, errors) = world.tandem_raw(&["mapping", "preview", "orders", "nothing", &id]).await?;
    assert!(code != 0 && errors.contains("header, line"), "{errors}");
    Ok(())
}

#[tokio::test]
async fn a_preview_shows_what_the_mapping_plugin_makes_of_it_and_the_default_is_shown_before_any_grant() -> Result<()> {
    let flow = "mapping = \"own.toml\"\nmapper = \"region-mapper.wasm\"".into();
    let world = World::with(Setup { flow, ..Setup::default() }).await?;
    std::fs::copy(tandem_e2e::wasm("region_mapper"), world.folder().join("region-mapper.wasm"))?;
    std::fs::write(
        world.folder().join("own.toml"),
        "version = 1\n[header]\nNumAtCard = \"source.Tandem_PO_Number__c\"\n",
    )?;
    let shown = world.tandem(&["mapping", "show", "orders"]).await?;
    assert!(shown.contains("Tandem_PO_Number__c"), "{shown}");
    let id = world.opportunities(1).await?.remove(0);
    let preview = ["mapping", "preview", "orders", "header", id.as_str()];
    let (code, _, errors) = world.tandem_raw(&preview).await?;
    assert!(code == 1 && errors.contains("tandem plugin grant region-mapper"), "{code} {errors}");
    world.tandem(&["plugin", "grant", "region-mapper", "--yes"]).await?;
    let told = world.tandem_json(&preview).await?;
    let region = told.as_array().into_iter().flatten().find(|row| row["field"] == "U_Region").cloned();
    assert!(region.is_some_and(|row| row["rule"] == "(mapping plugin)" && row["value"].is_string()), "{told}");
    world.change("Opportunity", &id, json!({ "Tandem_PO_Number__c": null })).await?;
    let (code, _, errors) = world.tandem_raw(&preview).await?;
    assert!(code == 1 && errors.contains("fill in the PO number"), "{code} {errors}");
    Ok(())
}

/// Who won an opportunity looks at the opportunity: what holds it up stands there, also where it could not even be read.
#[tokio::test]
async fn a_mapping_that_reads_a_field_that_is_not_there_is_told_on_the_opportunity() -> Result<()> {
    let mut world = World::with(Setup { flow: "mapping = \"own.toml\"".into(), ..Setup::default() }).await?;
    std::fs::write(world.folder().join("own.toml"), "version = 1\n[header]\nComments = \"source.Foo__c\"\n")?;
    world.up().await?;
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    let shown = world.until_state(&id, "Review").await?;
    let words = shown["Tandem_Sync_Message__c"].as_str().unwrap_or_default();
    assert!(words.contains("every field of the mapping") && words.contains("Foo__c"), "{shown}");
    // Mended, it goes on.
    std::fs::write(world.folder().join("own.toml"), "version = 1\n[header]\nComments = \"source.Name\"\n")?;
    let live = async |world: &World| {
        let runs = world.tandem(&["mapping", "show", "orders", "--live"]).await?;
        Ok(runs.contains("source.Name").then_some(()))
    };
    world.until("the mended mapping to be live", std::time::Duration::from_secs(30), live).await?;
    let asked = world.tandem_json(&["review", "list"]).await?;
    world.tandem(&["review", "resolve", &asked[0]["id"].to_string(), "--choose", "retry"]).await?;
    world.until_state(&id, "Synced").await?;
    Ok(())
}

/// A mapping that cannot be read is this company's own business: what is another's, or not won, shows nothing of it.
#[tokio::test]
async fn a_mapping_that_cannot_be_read_is_told_on_this_companys_won_opportunities_alone() -> Result<()> {
    let flow = "mapping = \"own.toml\"\nsettings = { only_field = \"Tandem_PO_Number__c\", only_value = \"EU\" }";
    let mut world = World::with(Setup { flow: flow.into(), ..Setup::default() }).await?;
    std::fs::write(world.folder().join("own.toml"), "version = 1\n[header]\nComments = \"source.Foo__c\"\n")?;
    world.up().await?;
    let ids = world.opportunities(5).await?;
    let [ours, moves, theirs, open, reopened] = ids.as_slice() else { anyhow::bail!("five: {ids:?}") };
    for id in [ours, moves, open, reopened] {
        world.change("Opportunity", id, serde_json::json!({ "Tandem_PO_Number__c": "EU" })).await?;
    }
    world.change("Opportunity", theirs, serde_json::json!({ "Tandem_PO_Number__c": "US" })).await?;
    for id in [theirs, ours, moves, reopened] {
        world.win(id).await?;
    }
    let shown = world.until_state(ours, "Review").await?;
    world.until_state(moves, "Review").await?;
    world.until_state(reopened, "Review").await?;
    world.settled().await?;
    let unmarked = async |world: &World, id: &String| {
        let is = |own: &serde_json::Value| {
            own["Id"] == id.as_str() && own["Tandem_Sync_State__c"].is_null() && own["Tandem_Sync_Message__c"].is_null()
        };
        world.until_record("Opportunity", "no mark", is).await
    };
    // What is not won any more has nothing to ask, though it cannot be read yet.
    world.change("Opportunity", reopened, serde_json::json!({ "StageName": "Negotiation/Review" })).await?;
    unmarked(&world, reopened).await?;
    world.settled().await?;
    let untouched = async |world: &World| -> Result<()> {
        for id in [theirs, open] {
            let shown = world.opportunity(id).await?;
            assert!(shown["Tandem_Sync_State__c"].is_null() && shown["Tandem_Sync_Message__c"].is_null(), "{shown}");
        }
        Ok(())
    };
    untouched(&world).await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?.as_array().map(Vec::len), Some(2));
    std::fs::write(world.folder().join("own.toml"), "version = 1\n[header]\nComments = \"source.Name\"\n")?;
    let live = async |world: &World| {
        let runs = world.tandem(&["mapping", "show", "orders", "--live"]).await?;
        Ok(runs.contains("source.Name").then_some(()))
    };
    world.until("the mended mapping to be live", std::time::Duration::from_secs(30), live).await?;
    // What turns out to be another's keeps no mark of this one.
    world.change("Opportunity", moves, serde_json::json!({ "Tandem_PO_Number__c": "US" })).await?;
    unmarked(&world, moves).await?;
    world.settled().await?;
    // The other asks about it in the same words, and a rep edits it: that mark is the other's.
    let message = &shown["Tandem_Sync_Message__c"];
    let theirs_now = serde_json::json!({ "Tandem_Sync_State__c": "Review", "Tandem_Sync_Message__c": message });
    let seen = async |world: &World| -> Result<usize> {
        Ok(world.tandem(&["events", "list"]).await?.matches("an opportunity of another company").count())
    };
    let before = seen(&world).await?;
    world.change("Opportunity", moves, theirs_now).await?;
    world.change("Opportunity", moves, serde_json::json!({ "CloseDate": "2027-04-01" })).await?;
    let again = async |world: &World| Ok((seen(world).await? > before).then_some(()));
    world.until("it to be looked at", std::time::Duration::from_secs(30), again).await?;
    world.settled().await?;
    assert_eq!(world.opportunity(moves).await?["Tandem_Sync_Message__c"], *message);
    let asked = world.tandem_json(&["review", "list"]).await?;
    assert_eq!(asked.as_array().map(Vec::len), Some(1), "{asked}");
    world.tandem(&["review", "resolve", &asked[0]["id"].to_string(), "--choose", "retry"]).await?;
    world.until_state(ours, "Synced").await?;
    world.settled().await?;
    untouched(&world).await
}
