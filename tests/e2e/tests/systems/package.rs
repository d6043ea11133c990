//! What the package and the host do together: the outbox, *Sync now*, questions answered in the org, and how the host is.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

const PATIENCE: Duration = Duration::from_secs(20);

async fn world(plugins: &[&'static str]) -> Result<World> {
    let setup = Setup {
        plugins: plugins.to_vec(),
        b1: "poll_seconds = 1\nstock_scan_seconds = 1\nprice_scan_seconds = 1".into(),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    world.up().await?;
    Ok(world)
}

/// A host that looks into the org's outbox every second.
async fn with_outbox() -> Result<World> {
    let sign_in = "client_secret = { file = \"salesforce.secret\" }\noutbox_seconds = 1\n";
    let mut world = World::with(Setup { salesforce: sign_in.into(), ..Setup::default() }).await?;
    world.up().await?;
    Ok(world)
}

async fn emptied(world: &World) -> Result<Option<()>> {
    Ok(outbox(world).await?.is_empty().then_some(()))
}

async fn outbox(world: &World) -> Result<Vec<Value>> {
    let rows = world.records("Tandem_Outbox__c").await?;
    Ok(rows.into_iter().filter(|row| row["IsDeleted"] != true).collect())
}

/// A customer over the credit limit: the order asks before it is made.
async fn over_the_limit(world: &World) -> Result<String> {
    let id = world.opportunities(1).await?.remove(0);
    let accounts = world.records("Account").await?;
    let account = accounts.iter().find(|a| a["Tandem_Card_Code__c"] == "C00007").context("no C00007")?["Id"].clone();
    world.change("Opportunity", &id, json!({ "AccountId": account })).await?;
    let line = world.lines(&id).await?[0]["Id"].as_str().context("no line")?.to_owned();
    world.change("OpportunityLineItem", &line, json!({ "Quantity": 100_000 })).await?;
    world.win(&id).await?;
    world.until_state(&id, "Review").await?;
    Ok(id)
}

async fn question(world: &World, id: &str) -> Result<Value> {
    let asked = |row: &Value| row["Tandem_Record_Id__c"] == id && row["Tandem_State__c"] == "Open";
    world.until_record("Tandem_Review__c", "the question", asked).await
}

#[tokio::test]
async fn an_answer_that_the_orgs_own_job_gives_without_room_for_events_is_taken_once_it_is_there() -> Result<()> {
    let world = world(&["orders"]).await?;
    let id = over_the_limit(&world).await?;
    let review = question(&world, &id).await?["Id"].clone();
    world.settled().await?;
    world.salesforce_settings(json!({ "left": { "statements": 0 } })).await?;
    // Asked for at once, and not to be seen before the transaction is over.
    let answer = json!({
        "ids": [review], "fields": { "Tandem_Answer__c": "send anyway" }, "triggers": true, "commit_after_ms": 4_000,
    });
    let (status, told) =
        world.send("POST", &format!("{}/admin/mass/Tandem_Review__c", world.salesforce), &answer).await?;
    assert_eq!((status, told), (200, json!({ "told": 0, "asked": ["Tandem_Review__c"] })));
    world.until_state(&id, "Synced").await?;
    world.assert_exactly_once(&[id]).await
}

/// Nothing in the org runs on a schedule: the host takes what waits there, also what was refused while it was off.
#[tokio::test]
async fn a_change_that_could_not_be_published_becomes_one_order_and_leaves_the_outbox() -> Result<()> {
    let mut world = with_outbox().await?;
    let mut ids = world.opportunities(3).await?;
    // From here on the host has a place on the bus to go on from.
    let usual = ids.remove(2);
    world.win(&usual).await?;
    world.until_state(&usual, "Synced").await?;
    world.salesforce_settings(json!({ "event_failures": 1 })).await?;
    world.win(&ids[0]).await?;
    world.until_state(&ids[0], "Synced").await?;
    world.until("the outbox to be empty", PATIENCE, emptied).await?;
    world.kill().await?;
    world.salesforce_settings(json!({ "event_failures": 1 })).await?;
    world.win(&ids[1]).await?;
    let rows = outbox(&world).await?;
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(
        (&rows[0]["Tandem_Operation__c"], &rows[0]["Tandem_Object__c"]),
        (&json!("UPDATE"), &json!("Opportunity"))
    );
    world.up().await?;
    world.until_state(&ids[1], "Synced").await?;
    world.until("the outbox to be empty", PATIENCE, emptied).await?;
    world.assert_exactly_once(&ids).await
}

/// Stored by the host, and still in the outbox at the next look.
#[tokio::test]
async fn a_row_of_the_outbox_that_cannot_be_deleted_is_taken_once_and_deleted_later() -> Result<()> {
    let world = with_outbox().await?;
    let id = world.opportunities(1).await?.remove(0);
    let faults = json!([{ "path": "/services/data/v64.0/composite/sobjects", "method": "DELETE", "kind": "server-error", "times": 6 }]);
    world.salesforce_faults(faults).await?;
    world.salesforce_settings(json!({ "event_failures": 1 })).await?;
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    world.until("the outbox to be empty", PATIENCE, emptied).await?;
    let events = world.tandem_json(&["events", "list", "--key", &id]).await?;
    let taken = events.as_array().context("a list")?.iter().filter(|event| event["topic"] == "salesforce.Opportunity");
    assert_eq!(taken.count(), 1, "read more than once, told once: {events}");
    world.assert_exactly_once(&[id]).await
}

/// A row that somebody made by hand or changed: it asks, and holds up none of the others.
#[tokio::test]
async fn a_row_of_the_outbox_that_nobody_can_read_holds_up_no_other() -> Result<()> {
    let mut world = with_outbox().await?;
    world.kill().await?;
    let id = world.opportunities(1).await?.remove(0);
    for bad in [json!("no id"), Value::Null] {
        world.create("Tandem_Outbox__c", json!({ "Tandem_Record_Id__c": bad, "Tandem_Object__c": "Account" })).await?;
    }
    world.salesforce_settings(json!({ "event_failures": 1 })).await?;
    world.win(&id).await?;
    world.up().await?;
    world.until_state(&id, "Synced").await?;
    world.until("the outbox to be empty", PATIENCE, emptied).await?;
    let asked = world.tandem_json(&["review", "list"]).await?;
    assert!(asked.to_string().contains("no id"), "what cannot be read is asked about: {asked}");
    world.assert_exactly_once(&[id]).await
}

#[tokio::test]
async fn sync_now_looks_at_the_record_again() -> Result<()> {
    let world = world(&["orders"]).await?;
    let id = world.opportunities(1).await?.remove(0);
    // The change itself is not told: only the button brings it.
    world.salesforce_settings(json!({ "event_failures": 1 })).await?;
    world.win(&id).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(world.orders_of(&id).await?.is_empty());
    let (status, _) = world.send("POST", &format!("{}/admin/sync/{id}", world.salesforce), &json!({})).await?;
    assert_eq!(status, 204);
    let shown = world.until_state(&id, "Synced").await?;
    assert!(shown["Tandem_Synced_At__c"].is_string(), "{shown}");
    world.assert_exactly_once(&[id]).await
}

#[tokio::test]
async fn a_question_is_answered_in_the_org() -> Result<()> {
    let world = world(&["orders"]).await?;
    let id = over_the_limit(&world).await?;
    let asked = question(&world, &id).await?;
    assert!(asked["Tandem_Reason__c"].as_str().unwrap_or_default().contains("credit limit"), "{asked}");
    let said: Value = serde_json::from_str(asked["Tandem_Said__c"].as_str().unwrap_or_default())?;
    assert_eq!(said[0]["key"], "orders.over_limit", "{said}");
    assert_eq!(said[0]["with"]["limit"], json!({ "amount": "500", "currency": "EUR" }), "{said}");
    assert_eq!(asked["Tandem_Choices__c"], "retry\nsend anyway\nignore");
    assert_eq!(asked["Tandem_Opportunity__c"], id.as_str());
    world.settled().await?;
    let asked = question(&world, &id).await?;
    let all = world.records("Tandem_Review__c").await?;
    let open = all.iter().filter(|row| row["Tandem_State__c"] == "Open").count();
    assert_eq!(open, 1, "however often the record changed, it is one question: {all:?}");
    let review = asked["Id"].as_str().context("no id")?;
    // What is none of the answers is refused in words.
    world.change("Tandem_Review__c", review, json!({ "Tandem_Answer__c": "perhaps" })).await?;
    let refused =
        |row: &Value| row["Tandem_Outcome__c"].as_str().is_some_and(|text| text.contains("none of the answers"));
    let row = world.until_record("Tandem_Review__c", "a refusal", refused).await?;
    assert_eq!((&row["Tandem_State__c"], &row["Tandem_Answer__c"]), (&json!("Open"), &Value::Null));
    world.change("Tandem_Review__c", review, json!({ "Tandem_Answer__c": "send anyway" })).await?;
    world.until_state(&id, "Synced").await?;
    let closed = |row: &Value| row["Tandem_State__c"] == "Closed";
    let row = world.until_record("Tandem_Review__c", "closed", closed).await?;
    assert!(row["Tandem_Outcome__c"].as_str().unwrap_or_default().ends_with(": send anyway"), "{row}");
    world.assert_exactly_once(&[id]).await
}

#[tokio::test]
async fn an_answer_given_while_the_host_was_off_counts_and_one_given_on_the_server_closes_the_question() -> Result<()> {
    let mut world = world(&["orders"]).await?;
    let (first, second) = (over_the_limit(&world).await?, over_the_limit(&world).await?);
    let (one, two) = (question(&world, &first).await?, question(&world, &second).await?);
    world.kill().await?;
    let review = one["Id"].as_str().context("no id")?;
    world.change("Tandem_Review__c", review, json!({ "Tandem_Answer__c": "send anyway" })).await?;
    let number = two["Tandem_Key__c"].as_str().and_then(|key| key.split(':').nth(1)).context("no key")?.to_owned();
    world.tandem(&["review", "resolve", &number, "--choose", "ignore"]).await?;
    let shown = world.tandem(&["events", "show", &number]).await?;
    assert!(shown.contains("was asked") && shown.contains("ignore, 20"), "who decides is told later, too: {shown}");
    world.up().await?;
    world.until_state(&first, "Synced").await?;
    let closed = |row: &Value| row["Id"] == two["Id"] && row["Tandem_State__c"] == "Closed";
    let row = world.until_record("Tandem_Review__c", "closed", closed).await?;
    assert_eq!(row["Tandem_Answer__c"], "ignore", "{row}");
    assert!(row["Tandem_Outcome__c"].as_str().is_some_and(|told| told.starts_with("on the host: ignore")), "{row}");
    assert!(world.orders_of(&second).await?.is_empty());
    world.assert_exactly_once(&[first]).await
}

/// Answered on the server, and asked at once again: the event is the same, the question another.
#[tokio::test]
async fn a_question_that_is_asked_again_for_another_reason_says_so_in_the_org() -> Result<()> {
    let world = world(&["orders"]).await?;
    let id = over_the_limit(&world).await?;
    let asked = question(&world, &id).await?;
    let number = asked["Tandem_Key__c"].as_str().and_then(|key| key.split(':').nth(1)).context("no key")?.to_owned();
    world.b1_patch("/BusinessPartners('C00007')", json!({ "CreditLimit": 600 })).await?;
    world.tandem(&["review", "resolve", &number, "--choose", "retry"]).await?;
    let anew = |row: &Value| {
        let reason = row["Tandem_Reason__c"].as_str().unwrap_or_default();
        row["Id"] == asked["Id"] && row["Tandem_State__c"] == "Open" && reason.contains("limit of 600.00 EUR")
    };
    world.until_record("Tandem_Review__c", "the new question", anew).await?;
    Ok(())
}

/// The host ends before it can tell the org: what stands there is another question, and an answer to it decides nothing.
#[tokio::test]
async fn an_answer_to_what_was_asked_before_does_not_answer_what_is_asked_now() -> Result<()> {
    let mut world = world(&["orders"]).await?;
    let id = over_the_limit(&world).await?;
    let asked = question(&world, &id).await?;
    world.settled().await?;
    let number = asked["Tandem_Key__c"].as_str().and_then(|key| key.split(':').nth(1)).context("no key")?.to_owned();
    world.salesforce_faults(json!([{ "path": "Tandem_Review__c", "method": "PATCH", "kind": "server-error" }])).await?;
    world.b1_patch("/BusinessPartners('C00007')", json!({ "CreditLimit": 600 })).await?;
    world.tandem(&["review", "resolve", &number, "--choose", "retry"]).await?;
    let anew = async |world: &World| {
        let open = world.tandem_json(&["review", "list"]).await?;
        Ok(open.to_string().contains("limit of 600.00 EUR").then_some(()))
    };
    world.until("the new question", PATIENCE, anew).await?;
    world.kill().await?;
    let review = asked["Id"].as_str().context("no id")?;
    world.change("Tandem_Review__c", review, json!({ "Tandem_Answer__c": "send anyway" })).await?;
    world.salesforce_faults(json!([])).await?;
    world.up().await?;
    let shown = |row: &Value| {
        let reason = row["Tandem_Reason__c"].as_str().unwrap_or_default();
        row["Id"] == review && row["Tandem_State__c"] == "Open" && reason.contains("limit of 600.00 EUR")
    };
    let row = world.until_record("Tandem_Review__c", "the new question", shown).await?;
    assert_eq!(row["Tandem_Answer__c"], Value::Null);
    assert!(world.orders_of(&id).await?.is_empty(), "nobody has answered this");
    world.change("Tandem_Review__c", review, json!({ "Tandem_Answer__c": "send anyway" })).await?;
    world.until_state(&id, "Synced").await?;
    world.assert_exactly_once(&[id]).await
}

#[tokio::test]
async fn an_answer_that_was_taken_closes_its_question_also_where_the_org_could_not_be_told_at_once() -> Result<()> {
    let world = world(&["orders"]).await?;
    let id = over_the_limit(&world).await?;
    let asked = question(&world, &id).await?;
    world.settled().await?;
    world
        .salesforce_faults(
            json!([{ "path": "Tandem_Review__c", "method": "PATCH", "kind": "server-error", "times": 4 }]),
        )
        .await?;
    let review = asked["Id"].as_str().context("no id")?;
    world.change("Tandem_Review__c", review, json!({ "Tandem_Answer__c": "send anyway" })).await?;
    world.until_state(&id, "Synced").await?;
    let closed = |row: &Value| row["Id"] == review && row["Tandem_State__c"] == "Closed";
    let row = world.until_record("Tandem_Review__c", "closed", closed).await?;
    assert!(row["Tandem_Outcome__c"].as_str().is_some_and(|told| told.ends_with(": send anyway")), "{row}");
    world.assert_exactly_once(&[id]).await
}

#[tokio::test]
async fn what_a_host_asked_whose_database_was_lost_is_closed_and_an_answer_to_it_told_as_too_late() -> Result<()> {
    let sign_in = "client_secret = { file = \"salesforce.secret\" }\nreport_seconds = 1\n";
    let mut world = World::with(Setup { salesforce: sign_in.into(), ..Setup::default() }).await?;
    world.up().await?;
    let id = over_the_limit(&world).await?;
    let lost = question(&world, &id).await?;
    world.kill().await?;
    world.database.forget(world.folder())?;
    world
        .change("Tandem_Review__c", lost["Id"].as_str().context("no id")?, json!({ "Tandem_Answer__c": "ignore" }))
        .await?;
    world.tandem(&["plugin", "grant", "orders", "--yes"]).await?;
    world.up().await?;
    let closed = |row: &Value| row["Id"] == lost["Id"] && row["Tandem_State__c"] == "Closed";
    let row = world.until_record("Tandem_Review__c", "closed", closed).await?;
    assert!(row["Tandem_Outcome__c"].as_str().unwrap_or_default().starts_with("Too late: "), "{row}");
    let gone = |row: &Value| row["Tandem_State__c"] == "Stopped";
    let row = world.until_record("Tandem_Health__c", "the lost host", gone).await?;
    assert!(row["Tandem_Message__c"].as_str().unwrap_or_default().starts_with("Seen no more"), "{row}");
    assert!(world.log().contains("a host is seen no more"), "{}", world.log_tail());
    // The question itself is asked anew once the record is told again.
    world.change("Opportunity", &id, json!({ "Name": "Told again" })).await?;
    let anew = |row: &Value| row["Id"] != lost["Id"] && row["Tandem_State__c"] == "Open";
    world.until_record("Tandem_Review__c", "asked anew", anew).await?;
    Ok(())
}

#[tokio::test]
async fn the_org_sees_how_the_host_is() -> Result<()> {
    let mut world = world(&["orders"]).await?;
    let is = |state: &'static str| move |row: &Value| row["Tandem_State__c"] == state;
    let row = world.until_record("Tandem_Health__c", "ready", is("Ready")).await?;
    assert_eq!((&row["Name"], row["Tandem_Reviews__c"].as_f64()), (&json!("crm"), Some(0.0)), "{row}");
    assert!(row["Tandem_Compared__c"].is_null() && row["Tandem_Unexplained__c"].is_null(), "not compared yet: {row}");
    world.tandem(&["reconcile"]).await?;
    let compared =
        |row: &Value| row["Tandem_Compared__c"].is_string() && row["Tandem_Unexplained__c"].as_f64() == Some(0.0);
    let row = world.until_record("Tandem_Health__c", "compared", compared).await?;
    assert_eq!(
        (row["Tandem_In_Step__c"].as_f64(), row["Tandem_Differences__c"].as_f64()),
        (Some(0.0), Some(0.0)),
        "{row}"
    );
    over_the_limit(&world).await?;
    let waits = |row: &Value| row["Tandem_Reviews__c"].as_f64() == Some(1.0) && row["Tandem_Last_Event__c"].is_string();
    world.until_record("Tandem_Health__c", "one review", waits).await?;
    // A plugin that may not run says why.
    std::fs::write(world.folder().join("plugins/orders.wasm"), b"no component")?;
    world.kill().await?;
    world.start()?;
    let held = |row: &Value| row["Tandem_Message__c"].as_str().is_some_and(|text| text.contains("flow orders"));
    world.until_record("Tandem_Health__c", "held", held).await?;
    #[cfg(unix)]
    {
        world.stop().await?;
        world.until_record("Tandem_Health__c", "stopped", is("Stopped")).await?;
    }
    assert_eq!(world.records("Tandem_Health__c").await?.len(), 1, "one host, one record");
    Ok(())
}

/// An org whose package is older, or an integration user without the permission set: orders go on.
#[tokio::test]
async fn an_org_that_takes_none_of_it_gets_its_orders_all_the_same() -> Result<()> {
    let mut world = World::new().await?;
    let faults = json!([
        { "path": "Tandem_Health__c", "kind": "lock" },
        { "path": "Tandem_Review__c", "kind": "lock" },
    ]);
    world.salesforce_faults(faults).await?;
    world.up().await?;
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    assert!(world.records("Tandem_Health__c").await?.is_empty());
    world.assert_exactly_once(&[id]).await
}

/// A host that is newer than the package, or an integration user who may not write the field: the question is in English.
#[tokio::test]
async fn a_question_is_shown_in_an_org_that_has_no_field_for_its_translation() -> Result<()> {
    let mut world = World::new().await?;
    let rights = json!({ "integration": { "hidden": ["Tandem_Review__c.Tandem_Said__c"] } });
    world.send("PUT", &format!("{}/admin/rules", world.salesforce), &rights).await?;
    world.up().await?;
    let id = over_the_limit(&world).await?;
    let asked = question(&world, &id).await?;
    assert!(asked["Tandem_Reason__c"].as_str().unwrap_or_default().contains("limit of 500.00 EUR"), "{asked}");
    assert_eq!(asked["Tandem_Said__c"], Value::Null);
    assert_eq!(asked["Tandem_Opportunity__c"], id.as_str(), "what the org does take is there");
    Ok(())
}

/// A host that is newer than the package: how it is stands there, without what the package has no field for.
#[tokio::test]
async fn a_host_says_how_it_is_in_an_org_that_has_no_fields_for_the_comparison() -> Result<()> {
    let mut world = World::new().await?;
    let hidden =
        ["Compared", "In_Step", "Differences", "Unexplained"].map(|own| format!("Tandem_Health__c.Tandem_{own}__c"));
    let rights = json!({ "integration": { "hidden": hidden } });
    world.send("PUT", &format!("{}/admin/rules", world.salesforce), &rights).await?;
    world.up().await?;
    let row = world.until_record("Tandem_Health__c", "ready", |row| row["Tandem_State__c"] == "Ready").await?;
    assert!(row["Tandem_Version__c"].is_string() && row["Tandem_Compared__c"].is_null(), "{row}");
    Ok(())
}

/// A host that is newer than the package: what became of an order stands on the opportunity in English.
#[tokio::test]
async fn an_order_is_made_and_told_in_an_org_that_has_no_field_for_its_translation() -> Result<()> {
    let world = world(&["orders", "accounts"]).await?;
    let hidden = ["Account.Tandem_Sync_Said__c", "Opportunity.Tandem_Sync_Said__c"];
    let rights = json!({ "integration": { "hidden": hidden } });
    world.send("PUT", &format!("{}/admin/rules", world.salesforce), &rights).await?;
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    world.assert_exactly_once(&[id]).await
}

#[tokio::test]
async fn a_case_that_is_linked_later_shows_the_delivery_state_at_once() -> Result<()> {
    let world = world(&["orders", "fulfilment"]).await?;
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    let order = world.orders_of(&id).await?.remove(0);
    world.send("POST", &format!("{}/admin/deliver/{}", world.b1, order["DocEntry"]), &json!({})).await?;
    let shipped = |row: &Value| row["Id"] == id.as_str() && row["Tandem_Delivery_State__c"] == "Shipped";
    world.until_record("Opportunity", "shipped", shipped).await?;
    world.settled().await?;
    let case = world.create("Case", json!({ "Subject": "Where is it?" })).await?;
    world.change("Case", &case, json!({ "Tandem_Opportunity__c": id })).await?;
    let shown = |row: &Value| row["Id"] == case.as_str() && row["Tandem_Delivery_State__c"] == "Shipped";
    world.until_record("Case", "shipped", shown).await?;
    Ok(())
}
