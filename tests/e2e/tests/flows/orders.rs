//! The orders flow as sales and finance see it.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

async fn won() -> Result<(World, String)> {
    let mut world = World::new().await?;
    world.up().await?;
    let id = world.opportunities(3).await?[2].clone();
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    Ok((world, id))
}

fn num(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

#[tokio::test]
async fn won_opportunity_becomes_one_order_and_shows_its_number() -> Result<()> {
    let (world, id) = won().await?;
    let orders = world.orders_of(&id).await?;
    assert_eq!(orders.len(), 1);
    let (order, opportunity) = (&orders[0], world.opportunity(&id).await?);
    let account = world.records("Account").await?.into_iter().find(|a| a["Id"] == opportunity["AccountId"]).unwrap();
    assert_eq!(order["CardCode"], account["Tandem_Card_Code__c"]);
    assert_eq!(order["DocCurrency"], opportunity["CurrencyIsoCode"]);
    assert_eq!(order["NumAtCard"], opportunity["Tandem_PO_Number__c"]);
    assert_eq!(order["DocDueDate"], "2027-01-29T00:00:00Z");
    let lines = world.lines(&id).await?;
    let made = order["DocumentLines"].as_array().unwrap();
    assert_eq!(made.len(), lines.len());
    for (made, line) in made.iter().zip(&lines) {
        assert_eq!(made["ItemCode"], line["ProductCode"]);
        assert_eq!(num(&made["Quantity"]), num(&line["Quantity"]));
        assert_eq!(made["UnitPrice"], line["UnitPrice"], "the price is copied digit for digit");
    }
    assert_eq!(opportunity["Tandem_Order_Number__c"].as_str().unwrap(), order["DocNum"].to_string());
    assert_eq!(opportunity["Tandem_Order_Status__c"], "Open");
    // Our own write-back is no change to act on.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let events = world.tandem_json(&["events", "list", "--key", &id]).await?;
    assert_eq!(events.as_array().unwrap().len(), 1, "no echo: {events}");
    Ok(())
}

#[tokio::test]
async fn changed_opportunity_changes_its_order() -> Result<()> {
    let (world, id) = won().await?;
    let line = world.lines(&id).await?[0].clone();
    let line_id = line["Id"].as_str().unwrap();
    world.change("OpportunityLineItem", line_id, json!({ "Quantity": 42, "UnitPrice": 3.75 })).await?;
    world.change("Opportunity", &id, json!({ "Tandem_PO_Number__c": "PO-CHANGED" })).await?;
    let changed = async |world: &World| {
        let order = world.orders_of(&id).await?.remove(0);
        let line = &order["DocumentLines"][0];
        let new =
            num(&line["Quantity"]) == 42.0 && num(&line["UnitPrice"]) == 3.75 && order["NumAtCard"] == "PO-CHANGED";
        Ok(new.then_some(order))
    };
    let order = world.until("the order to change", Duration::from_secs(20), changed).await?;
    // A discount given and taken back leaves none behind.
    for discount in [json!(12.5), json!(null)] {
        world.change("OpportunityLineItem", line_id, json!({ "Discount": discount })).await?;
        let wanted = discount.as_f64().unwrap_or(0.0);
        let told = async |world: &World| {
            let line = world.orders_of(&id).await?.remove(0)["DocumentLines"][0].clone();
            Ok((num(&line["DiscountPercent"]) == wanted).then_some(()))
        };
        world.until("the discount to be in the order", Duration::from_secs(20), told).await?;
    }
    assert_eq!(order["DocumentLines"].as_array().unwrap().len(), world.lines(&id).await?.len());
    assert_eq!(world.orders_of(&id).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn an_opportunity_with_more_lines_than_a_page_holds_loses_none() -> Result<()> {
    let mut world = World::new().await?;
    world.up().await?;
    let id = world.opportunities(1).await?.remove(0);
    let lines = world.lines(&id).await?;
    for n in lines.len()..250 {
        let line = json!({
            "OpportunityId": id, "PricebookEntryId": lines[0]["PricebookEntryId"], "Quantity": 1, "UnitPrice": n, "SortOrder": n + 1,
        });
        world.create("OpportunityLineItem", line).await?;
    }
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    assert_eq!(world.orders_of(&id).await?[0]["DocumentLines"].as_array().unwrap().len(), 250);
    // Nor does an order that is there.
    world.change("Opportunity", &id, json!({ "Tandem_PO_Number__c": "PO-CHANGED" })).await?;
    let changed = async |world: &World| {
        let order = world.orders_of(&id).await?.remove(0);
        Ok((order["NumAtCard"] == "PO-CHANGED").then_some(order))
    };
    let order = world.until("the order to change", Duration::from_secs(20), changed).await?;
    assert_eq!(order["DocumentLines"].as_array().unwrap().len(), 250);
    Ok(())
}

#[tokio::test]
async fn removed_line_leaves_the_order_and_reopened_opportunity_cancels_it_and_winning_again_makes_a_new_one()
-> Result<()> {
    let (world, id) = won().await?;
    let lines = world.lines(&id).await?;
    assert!(lines.len() > 1);
    let doomed = lines[1]["Id"].as_str().unwrap();
    let (status, _) = world
        .send("POST", &format!("{}/admin/delete/OpportunityLineItem/{doomed}", world.salesforce), &json!({}))
        .await?;
    assert_eq!(status, 204);
    let fewer = async |world: &World| {
        let order = world.orders_of(&id).await?.remove(0);
        Ok((order["DocumentLines"].as_array().unwrap().len() == lines.len() - 1).then_some(()))
    };
    world.until("the line to leave the order", Duration::from_secs(20), fewer).await?;

    world.change("Opportunity", &id, json!({ "StageName": "Negotiation/Review" })).await?;
    let cancelled = async |world: &World| {
        let order = world.orders_of(&id).await?.remove(0);
        Ok((order["Cancelled"] == "tYES").then_some(()))
    };
    world.until("the order to be cancelled", Duration::from_secs(20), cancelled).await?;
    let status = async |world: &World| {
        Ok((world.opportunity(&id).await?["Tandem_Order_Status__c"] == "Cancelled").then_some(()))
    };
    world.until("the opportunity to say so", Duration::from_secs(20), status).await?;

    world.win(&id).await?;
    let again = async |world: &World| {
        let orders = world.orders_of(&id).await?;
        Ok((orders.len() == 2 && orders.iter().filter(|o| o["Cancelled"] == "tNO").count() == 1).then_some(()))
    };
    world.until("a new order", Duration::from_secs(20), again).await
}

#[tokio::test]
async fn partly_delivered_order_is_not_cancelled_but_goes_to_review_with_b1s_reason() -> Result<()> {
    let (world, id) = won().await?;
    let order = world.orders_of(&id).await?.remove(0);
    world.send("POST", &format!("{}/admin/deliver/{}?partly", world.b1, order["DocEntry"]), &json!({})).await?;
    world.change("Opportunity", &id, json!({ "StageName": "Closed Lost" })).await?;
    let shown = world.until_state(&id, "Review").await?;
    assert!(shown["Tandem_Sync_Message__c"].as_str().unwrap().contains("deliver"), "{shown}");
    assert_eq!(world.orders_of(&id).await?[0]["Cancelled"], "tNO");
    Ok(())
}

/// Each of these is held for review with a reason that names the record, and no order is made.
#[tokio::test]
async fn what_is_missing_goes_to_review_and_never_makes_half_an_order() -> Result<()> {
    let mut world = World::new().await?;
    world.up().await?;
    let ids = world.opportunities(5).await?;
    let accounts = world.records("Account").await?;
    let code = |code: &str| accounts.iter().find(|a| a["Tandem_Card_Code__c"] == code).unwrap()["Id"].clone();
    // No lines.
    let (_, made) = world
        .send("POST", &format!("{}/admin/create/Opportunity", world.salesforce), &json!({
            "Name": "Empty", "StageName": "Prospecting", "CloseDate": "2027-01-31", "AccountId": code("C00001"), "CurrencyIsoCode": "EUR",
        }))
        .await?;
    let empty = made["id"].as_str().unwrap().to_owned();
    // Nobody to sell to: what to do is said, since no choice here could do it.
    let nobody =
        json!({ "Name": "Nobody", "StageName": "Prospecting", "CloseDate": "2027-01-31", "CurrencyIsoCode": "EUR" });
    let nobody = world.create("Opportunity", nobody).await?;
    // Over the credit limit: the simulator's C00007 has a narrow one.
    world.change("Opportunity", &ids[0], json!({ "AccountId": code("C00007") })).await?;
    let line = world.lines(&ids[0]).await?[0]["Id"].as_str().unwrap().to_owned();
    world.change("OpportunityLineItem", &line, json!({ "Quantity": 100_000 })).await?;
    // A customer B1 does not know.
    let (_, account) = world
        .send("POST", &format!("{}/admin/create/Account", world.salesforce), &json!({ "Name": "Stranger AG" }))
        .await?;
    world.change("Opportunity", &ids[1], json!({ "AccountId": account["id"] })).await?;
    // A currency B1 does not know for this customer.
    let currency = json!({ "IsoCode": "XTS", "ConversionRate": 1, "DecimalPlaces": 2, "IsActive": true });
    world.create("CurrencyType", currency).await?;
    world.change("Opportunity", &ids[2], json!({ "CurrencyIsoCode": "XTS" })).await?;
    // An item that is no longer sold.
    let product = world.lines(&ids[3]).await?[0]["Product2Id"].as_str().unwrap().to_owned();
    world.change("Product2", &product, json!({ "Tandem_Item_Code__c": "A00059" })).await?;
    // A warehouse B1 does not know: B1 itself refuses.
    let line = world.lines(&ids[4]).await?[0]["Id"].as_str().unwrap().to_owned();
    world.change("OpportunityLineItem", &line, json!({ "Tandem_Warehouse__c": "99" })).await?;

    for (id, word) in [
        (&empty, "no products"),
        (&nobody, "set the one of the customer on it"),
        (&ids[0], "credit limit"),
        (&ids[1], "Stranger AG"),
        (&ids[2], "XTS"),
        (&ids[3], "A00059"),
        (&ids[4], "99"),
    ] {
        world.win(id).await?;
        let shown = world.until_state(id, "Review").await?;
        let message = shown["Tandem_Sync_Message__c"].as_str().unwrap();
        assert!(message.contains(word), "{word}: {message}");
        assert!(world.orders_of(id).await?.is_empty(), "{word}: an order was made");
    }

    // What to decide by stands beside the question.
    let asked = world.tandem_json(&["events", "list", "--key", &ids[0], "--state", "review"]).await?;
    let event = asked[0]["id"].to_string();
    let detail = world.tandem_json(&["review", "show", &event]).await?["detail"].take();
    assert_eq!(detail["b1"]["CardCode"], "C00007", "{detail}");
    assert!(
        detail["b1"]["CreditLimit"].is_number() && detail["b1"]["line 1"].to_string().contains("Valid tYES"),
        "{detail}"
    );
    assert_eq!(detail["salesforce"]["Id"], ids[0], "{detail}");
    assert!(detail["salesforce"]["line 1"].to_string().contains("100000"), "{detail}");
    let shown = world.tandem(&["review", "show", &event]).await?;
    for word in ["Salesforce", "CreditLimit", "Account.Name", "line 1"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }

    // Mended in Salesforce, the review item ends by itself.
    world.change("OpportunityLineItem", &line, json!({ "Tandem_Warehouse__c": "02" })).await?;
    world.until_state(&ids[4], "Synced").await?;
    let events = world.tandem_json(&["events", "list", "--key", &ids[4], "--state", "review"]).await?;
    assert_eq!(events, json!([]), "superseded");
    Ok(())
}

#[tokio::test]
async fn order_that_needs_approval_is_not_made_again_and_is_found_when_approved() -> Result<()> {
    let setup = Setup { flow: "settings = { approval_poll_minutes = 0 }".into(), ..Setup::default() };
    let mut world = World::with(setup).await?;
    world.b1_settings(json!({ "approval_over": 0.01 })).await?;
    world.up().await?;
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    let waits = async |world: &World| {
        Ok((world.opportunity(&id).await?["Tandem_Order_Status__c"] == "Awaiting approval").then_some(()))
    };
    world.until("approval to be awaited", Duration::from_secs(20), waits).await?;
    world.change("Opportunity", &id, json!({ "Tandem_PO_Number__c": "again" })).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let drafts = world.b1_records("Drafts").await?;
    assert_eq!(drafts.len(), 1, "one draft, however often it is looked at");
    assert!(world.orders_of(&id).await?.is_empty());
    let (status, body) =
        world.send("POST", &format!("{}/admin/approve/{}", world.b1, drafts[0]["DocEntry"]), &json!({})).await?;
    assert_eq!(status, 201, "{body}");
    world.until_all_told(std::slice::from_ref(&id), Duration::from_secs(20)).await?;
    world.assert_exactly_once(&[id]).await
}

#[tokio::test]
async fn mapping_file_fills_user_fields_and_a_broken_one_holds_the_flow_with_the_reason() -> Result<()> {
    let setup = Setup { flow: "mapping = \"orders.mapping.toml\"".into(), ..Setup::default() };
    let mut world = World::with(setup).await?;
    let mapping = world.folder().join("orders.mapping.toml");
    std::fs::write(&mapping, "version = 1\n[header]\nComments = 'source.Name +'\n")?;
    world.start()?;
    let held = async |world: &World| Ok(world.log().contains("orders.mapping.toml").then_some(()));
    world.until("the broken mapping to be told", Duration::from_secs(20), held).await?;
    std::fs::write(
        &mapping,
        "version = 1\n[header]\nU_Region = 'source.Account.BillingCountry == \"DE\" ? \"Inland\" : \"Ausland\"'\nComments = 'source.Name'\n[line]\nU_Line = 'source.SortOrder'\n",
    )?;
    // Mended without a restart.
    world.ready(Duration::from_secs(20)).await?;
    let (status, _) = world.b1_user_field("ORDR", "Region").await?;
    assert_eq!(status, 201);
    let (status, _) = world.b1_user_field("RDR1", "Line").await?;
    assert_eq!(status, 201);
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    let order = world.orders_of(&id).await?.remove(0);
    assert!(["Inland", "Ausland"].contains(&order["U_Region"].as_str().unwrap()), "{order}");
    assert_eq!(order["Comments"], world.opportunity(&id).await?["Name"]);
    assert_eq!(order["DocumentLines"][0]["U_Line"], "0", "an alphanumeric field keeps text");
    Ok(())
}

#[tokio::test]
async fn mapping_plugin_has_the_last_word_on_fields_and_may_send_a_record_to_review() -> Result<()> {
    let flow = "mapping = \"orders.mapping.toml\"\nmapper = \"mappers/region-mapper.wasm\"".into();
    let mut world = World::with(Setup { flow, ..Setup::default() }).await?;
    std::fs::write(
        world.folder().join("orders.mapping.toml"),
        "version = 1\n[header]\nNumAtCard = \"source.Tandem_PO_Number__c\"\n",
    )?;
    std::fs::create_dir(world.folder().join("mappers"))?;
    std::fs::copy(tandem_e2e::wasm("region_mapper"), world.folder().join("mappers/region-mapper.wasm"))?;
    world.tandem(&["plugin", "grant", "region-mapper", "--yes"]).await?;
    world.up().await?;
    let (status, _) = world.b1_user_field("ORDR", "Region").await?;
    assert_eq!(status, 201);
    let ids = world.opportunities(2).await?;
    world.change("Opportunity", &ids[1], json!({ "Tandem_PO_Number__c": null })).await?;
    for id in &ids {
        world.win(id).await?;
    }
    world.until_state(&ids[0], "Synced").await?;
    let order = world.orders_of(&ids[0]).await?.remove(0);
    let opportunity = world.opportunity(&ids[0]).await?;
    let account = world.records("Account").await?.into_iter().find(|a| a["Id"] == opportunity["AccountId"]).unwrap();
    let region = match account["BillingPostalCode"].as_str().unwrap().as_bytes()[0] {
        b'0'..=b'3' => "North",
        b'4'..=b'6' => "West",
        b'7'..=b'9' => "South",
        _ => "Abroad",
    };
    assert_eq!(order["U_Region"], region);
    let held = world.until_state(&ids[1], "Review").await?;
    assert!(held["Tandem_Sync_Message__c"].as_str().unwrap().contains("fill in the PO number"), "{held}");
    assert!(world.orders_of(&ids[1]).await?.is_empty());
    Ok(())
}

/// B1 numbers a new line itself, and may give it the number of one that is gone.
#[tokio::test]
async fn a_line_added_after_another_was_removed_is_the_one_that_later_changes() -> Result<()> {
    let (world, id) = won().await?;
    let lines = world.lines(&id).await?;
    let (first, last) = (&lines[0], lines.last().unwrap());
    assert!(lines.len() > 1);
    let url = format!("{}/admin/delete/OpportunityLineItem/{}", world.salesforce, last["Id"].as_str().unwrap());
    assert_eq!(world.send("POST", &url, &json!({})).await?.0, 204);
    let of = |quantity: f64, count: usize| {
        let id = id.clone();
        async move |world: &World| {
            let order = world.orders_of(&id).await?.remove(0);
            let lines = order["DocumentLines"].as_array().unwrap().clone();
            let there = lines.iter().any(|line| num(&line["Quantity"]) == quantity);
            Ok((lines.len() == count && there).then_some(lines))
        }
    };
    let kept = num(&first["Quantity"]);
    world.until("the line to leave", Duration::from_secs(20), of(kept, lines.len() - 1)).await?;
    let line = json!({
        "OpportunityId": id, "PricebookEntryId": last["PricebookEntryId"], "Quantity": 71, "UnitPrice": 2.5, "SortOrder": 99,
    });
    let create = format!("{}/admin/create/OpportunityLineItem", world.salesforce);
    let (status, made) = world.send("POST", &create, &line).await?;
    assert_eq!(status, 201, "{made}");
    world.until("the new line", Duration::from_secs(20), of(71.0, lines.len())).await?;
    world.change("OpportunityLineItem", made["id"].as_str().unwrap(), json!({ "Quantity": 72 })).await?;
    let made = world.until("the new line to change", Duration::from_secs(20), of(72.0, lines.len())).await?;
    assert!(made.iter().any(|line| num(&line["Quantity"]) == kept), "the other line is what it was: {made:?}");
    assert!(!made.iter().any(|line| num(&line["Quantity"]) == 71.0), "{made:?}");
    Ok(())
}
