//! Records that are not as they should be: nothing is lost, nothing is made up, and what needs a human says so.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

const FAST: &str = "poll_seconds = 1\nstock_scan_seconds = 1\nprice_scan_seconds = 1\ntime_zone = \"Europe/Berlin\"";

async fn world(plugins: &[&'static str], flows: Vec<(&'static str, &'static str)>) -> Result<World> {
    let setup = Setup { plugins: plugins.to_vec(), flows, b1: FAST.into(), ..Setup::default() };
    let mut world = World::with(setup).await?;
    world.up().await?;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    Ok(world)
}

async fn questions(world: &World, count: usize) -> Result<Vec<Value>> {
    let look = async |world: &World| {
        let items = world.tandem_json(&["review", "list"]).await?;
        let items = items.as_array().cloned().unwrap_or_default();
        Ok((items.len() >= count).then_some(items))
    };
    world.until(&format!("{count} questions"), Duration::from_secs(30), look).await
}

fn reason(item: &Value) -> &str {
    item["reason"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn of_two_hundred_records_three_are_refused_and_the_others_go_through() -> Result<()> {
    let mut world = World::with(Setup { plugins: vec!["catalogue"], ..Setup::default() }).await?;
    let refused = ["A00010", "A00020", "A00030"];
    let condition = format!("ProductCode IN ('{}')", refused.join("','"));
    let rule = json!({ "validations": [{ "object": "Product2", "condition": condition, "message": "Ask the product manager first", "field": "Name" }] });
    let (status, body) = world.send("PUT", &format!("{}/admin/rules", world.salesforce), &rule).await?;
    assert!(status < 300, "{body}");
    world.up().await?;
    world.tandem(&["backfill", "catalogue", "--yes"]).await?;
    let items = questions(&world, 3).await?;
    assert_eq!(items.len(), 3, "{items:?}");
    for item in &items {
        assert!(refused.contains(&item["key"].as_str().unwrap_or_default()));
        assert!(reason(item).contains("Ask the product manager first"), "Salesforce's own words: {item}");
    }
    let told =
        world.records("Product2").await?.iter().filter(|record| record["Tandem_Item_Code__c"].is_string()).count();
    assert_eq!(told, 297);
    // The rule is mended: the same records, again.
    world.send("PUT", &format!("{}/admin/rules", world.salesforce), &json!({})).await?;
    let ids: Vec<String> = items.iter().map(|item| item["id"].to_string()).collect();
    let mut command = vec!["review", "resolve", "--choose", "retry"];
    command.extend(ids.iter().map(String::as_str));
    world.tandem(&command).await?;
    world.settled().await?;
    let told =
        world.records("Product2").await?.iter().filter(|record| record["Tandem_Item_Code__c"].is_string()).count();
    assert_eq!(told, 300);
    Ok(())
}

/// An org that breaks over one record: its neighbours are written, other flows go on, and a person is told of that one.
#[tokio::test]
async fn a_record_over_which_the_org_itself_breaks_holds_up_nobody_else() -> Result<()> {
    let flows = vec![("catalogue", "max_attempts = 3")];
    let mut world =
        World::with(Setup { plugins: vec!["orders", "catalogue"], flows, b1: FAST.into(), ..Setup::default() }).await?;
    world.up().await?;
    world.tandem(&["backfill", "catalogue", "--yes"]).await?;
    world.settled().await?;
    let product = world.records("Product2").await?.into_iter().find(|own| own["ProductCode"] == "A00010");
    let product = product.unwrap_or_default()["Id"].as_str().unwrap_or_default().to_owned();
    let broken = json!({ "refuse": { "status": 500, "code": "UNKNOWN_EXCEPTION", "message": "An unexpected error occurred. ErrorId: 7-8" } });
    world.salesforce_faults(json!([{ "about": product, "method": "PATCH", "kind": broken }, { "about": product, "method": "POST", "kind": broken }])).await?;
    for item in ["A00009", "A00010", "A00011"] {
        world.b1_patch(&format!("/Items('{item}')"), json!({ "ItemName": format!("New name of {item}") })).await?;
    }
    let named = async |world: &World| {
        let all = world.records("Product2").await?;
        Ok((all.iter().filter(|own| own["Name"].as_str().is_some_and(|name| name.starts_with("New name of"))).count()
            == 2)
            .then_some(()))
    };
    world.until("its neighbours", Duration::from_secs(60), named).await?;
    let ids = world.opportunities(1).await?;
    world.win(&ids[0]).await?;
    world.until_state(&ids[0], "Synced").await?;
    let asked = questions(&world, 1).await?;
    assert!(
        asked.len() == 1 && asked[0]["key"] == "A00010" && reason(&asked[0]).contains("UNKNOWN_EXCEPTION"),
        "{asked:?}"
    );
    Ok(())
}

/// Every write breaks in the org's own words while reads go on: that is no record's doing, however long it lasts.
#[tokio::test]
async fn while_all_writes_break_nobody_is_asked_and_work_goes_on_by_itself() -> Result<()> {
    let world = world(&["catalogue"], vec![("catalogue", "max_attempts = 2")]).await?;
    world.tandem(&["backfill", "catalogue", "--yes"]).await?;
    world.settled().await?;
    let broken = json!({ "refuse": { "status": 500, "code": "UNKNOWN_EXCEPTION", "message": "An unexpected error occurred. ErrorId: 7-8" } });
    let writes = ["PATCH", "POST"].map(|method| json!({ "path": "/sobjects", "method": method, "kind": broken }));
    world.salesforce_faults(json!(writes)).await?;
    let items = ["A00009", "A00010", "A00011", "A00012"];
    for item in items {
        world.b1_patch(&format!("/Items('{item}')"), json!({ "ItemName": format!("New name of {item}") })).await?;
    }
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    let rejected = world.tandem_json(&["events", "list", "--flow", "catalogue", "--state", "rejected"]).await?;
    assert_eq!(rejected, json!([]));
    world.salesforce_faults(json!([])).await?;
    let named = async |world: &World| {
        let all = world.records("Product2").await?;
        let named = all.iter().filter(|own| own["Name"].as_str().is_some_and(|name| name.starts_with("New name of")));
        Ok((named.count() == items.len()).then_some(()))
    };
    world.until("their names", Duration::from_secs(60), named).await
}

/// The same of a record that cannot even be read: alone it is asked about, and it runs again when the org is mended.
#[tokio::test]
async fn a_record_over_which_the_org_breaks_when_it_is_read_holds_up_nobody_else() -> Result<()> {
    let mut world = World::with(Setup { flow: "max_attempts = 3".into(), ..Setup::default() }).await?;
    let ids = world.opportunities(4).await?;
    let broken = json!({ "refuse": { "status": 500, "code": "UNKNOWN_EXCEPTION", "message": "An unexpected error occurred. ErrorId: 7-8" } });
    world.salesforce_faults(json!([{ "path": "/query", "about": ids[1], "kind": broken }])).await?;
    for id in &ids {
        world.win(id).await?;
    }
    world.up().await?;
    for id in [&ids[0], &ids[2], &ids[3]] {
        world.until_state(id, "Synced").await?;
    }
    let asked = questions(&world, 1).await?;
    assert!(
        asked.len() == 1 && asked[0]["key"] == ids[1].as_str() && reason(&asked[0]).contains("UNKNOWN_EXCEPTION"),
        "{asked:?}"
    );
    world.salesforce_faults(json!([])).await?;
    world.tandem(&["review", "resolve", "--choose", "retry", &asked[0]["id"].to_string()]).await?;
    world.until_state(&ids[1], "Synced").await?;
    world.assert_exactly_once(&ids).await
}

/// A partner that is called like an item: what becomes of the one ends no question about the other.
#[tokio::test]
async fn what_becomes_of_a_partner_ends_no_question_about_the_item_that_is_called_like_it() -> Result<()> {
    let world = world(&["accounts", "catalogue"], Vec::new()).await?;
    let item = json!({ "ItemCode": "100001", "ItemName": "Bolt", "ItemPrices": [{ "PriceList": 1, "Price": -5.0, "Currency": "EUR" }] });
    world.b1_post("/Items", item).await?;
    let asked = questions(&world, 1).await?;
    assert_eq!((asked.len(), asked[0]["key"].as_str()), (1, Some("100001")), "{asked:?}");
    world.b1_post("/BusinessPartners", json!({ "CardCode": "100001", "CardName": "Bolt & Sons" })).await?;
    world.until_record("Account", "its account", |record| record["Tandem_Card_Code__c"] == "100001").await?;
    let linked = async |world: &World| {
        let events = world.tandem_json(&["events", "list", "--flow", "catalogue", "--key", "100001"]).await?;
        let mut events = events.as_array().into_iter().flatten();
        Ok(events.any(|event| event["topic"] == "account.linked" && event["state"] == "done").then_some(()))
    };
    world.until("catalogue to hear of the account", Duration::from_secs(30), linked).await?;
    assert_eq!(questions(&world, 1).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_locked_record_is_written_when_the_lock_is_gone() -> Result<()> {
    let world = world(&["accounts"], Vec::new()).await?;
    world.tandem(&["backfill", "accounts", "--yes"]).await?;
    let account = world.until_record("Account", "C00005", |record| record["Tandem_Card_Code__c"] == "C00005").await?;
    world.send("PUT", &format!("{}/admin/rules", world.salesforce), &json!({ "locked": [account["Id"]] })).await?;
    world.b1_patch("/BusinessPartners('C00005')", json!({ "Phone1": "+1 locked" })).await?;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]), "a lock passes");
    world.send("PUT", &format!("{}/admin/rules", world.salesforce), &json!({})).await?;
    world
        .until_record("Account", "the phone", |record| record["Id"] == account["Id"] && record["Phone"] == "+1 locked")
        .await?;
    Ok(())
}

#[tokio::test]
async fn partners_with_faults_are_asked_about_and_their_neighbours_go_through() -> Result<()> {
    let world = world(&["accounts"], Vec::new()).await?;
    let contact = |name: &str, last: Value| json!([{ "Name": name, "FirstName": "", "LastName": last }]);
    // Longer than Salesforce's field: its own message, with the field's name.
    world.b1_post("/BusinessPartners", json!({ "CardCode": "L1", "CardName": "Long city", "BPAddresses": [{ "AddressName": "a", "AddressType": "bo_BillTo", "City": "x".repeat(60) }] })).await?;
    // No country, and a contact employee without a last name of its own.
    world.b1_post("/BusinessPartners", json!({ "CardCode": "L2", "CardName": "No country", "BPAddresses": [{ "AddressName": "a", "AddressType": "bo_BillTo", "City": "Kyiv" }], "ContactEmployees": contact("Олена", Value::Null) })).await?;
    // A supplier is nobody's account.
    world
        .b1_post("/BusinessPartners", json!({ "CardCode": "L3", "CardName": "A supplier", "CardType": "cSupplier" }))
        .await?;
    world
        .until_record("Account", "the neighbour", |record| {
            record["Tandem_Card_Code__c"] == "L2" && record["BillingCity"] == "Kyiv"
        })
        .await?;
    world.until_record("Contact", "the last name", |record| record["LastName"] == "Олена").await?;
    let items = questions(&world, 1).await?;
    assert_eq!(items.len(), 1, "{items:?}");
    assert!(items[0]["key"] == "L1" && reason(&items[0]).contains("STRING_TOO_LONG"), "{items:?}");
    let made =
        world.until_record("Account", "without its city", |record| record["Tandem_Card_Code__c"] == "L1").await?;
    assert_eq!((&made["Name"], &made["BillingCity"]), (&json!("Long city"), &Value::Null));
    assert!(world.records("Account").await?.iter().all(|record| record["Tandem_Card_Code__c"] != "L3"));
    world
        .b1_patch(
            "/BusinessPartners('L1')",
            json!({ "BPAddresses": [{ "AddressName": "a", "AddressType": "bo_BillTo", "City": "Short" }] }),
        )
        .await?;
    world
        .until_record("Account", "mended", |record| {
            record["Tandem_Card_Code__c"] == "L1" && record["BillingCity"] == "Short"
        })
        .await?;
    world.settled().await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]), "mending the record answers the question");
    Ok(())
}

#[tokio::test]
async fn one_card_code_on_two_accounts_is_asked_about_by_every_flow() -> Result<()> {
    let world = world(&["accounts", "credit", "invoices"], Vec::new()).await?;
    // The package holds the field unique; an org whose field was made by hand may not.
    let twin = async |name: &str| world.create("Account", json!({ "Name": name })).await;
    let twins = [twin("Twin one").await?, twin("Twin two").await?];
    world.settled().await?;
    let mut snapshot = world.get(&format!("{}/admin/snapshot", world.salesforce)).await?;
    let marked = mark(&mut snapshot, &twins);
    assert_eq!(marked, 2, "both are in the snapshot");
    let (status, body) = world.send("PUT", &format!("{}/admin/snapshot", world.salesforce), &snapshot).await?;
    assert!(status < 300, "{body}");
    let partner = json!({ "CardCode": "W1", "CardName": "Twin", "CreditLimit": 100_000 });
    world.b1_post("/BusinessPartners", partner).await?;
    let line = json!({ "ItemCode": "A00001", "Quantity": 1, "UnitPrice": 5 });
    world.b1_post("/Invoices", json!({ "CardCode": "W1", "DocumentLines": [line] })).await?;
    let asked = async |world: &World| {
        let items = world.tandem_json(&["review", "list"]).await?;
        let mut flows: Vec<String> = items
            .as_array()
            .into_iter()
            .flatten()
            .filter(|item| twins.iter().all(|id| reason(item).contains(id.as_str())))
            .filter_map(|item| item["flow"].as_str().map(str::to_owned))
            .collect();
        flows.sort();
        flows.dedup();
        Ok((flows == ["accounts", "credit", "invoices"]).then_some(()))
    };
    world.until("a question of each flow that names both accounts", Duration::from_secs(30), asked).await?;
    let guessed = |record: &&Value| twins.iter().any(|id| record["Tandem_Account__c"] == id.as_str());
    assert_eq!(world.records("Tandem_Invoice__c").await?.iter().filter(guessed).count(), 0);
    Ok(())
}

/// Writes the same CardCode onto both accounts of a snapshot; how many it found.
fn mark(snapshot: &mut Value, ids: &[String]) -> usize {
    match snapshot {
        Value::Array(rows) => rows.iter_mut().map(|row| mark(row, ids)).sum(),
        Value::Object(fields) => {
            if fields.get("Id").and_then(Value::as_str).is_some_and(|id| ids.iter().any(|own| own == id)) {
                fields.insert("Tandem_Card_Code__c".into(), "W1".into());
                return 1;
            }
            fields.values_mut().map(|value| mark(value, ids)).sum()
        }
        _ => 0,
    }
}

#[tokio::test]
async fn a_currency_the_org_does_not_have_is_asked_about() -> Result<()> {
    let world = world(&["catalogue"], Vec::new()).await?;
    let rule = json!({ "validations": [{ "object": "PricebookEntry", "condition": "CurrencyIsoCode = 'USD' AND UnitPrice = 77", "message": "Currency USD is not active", "field": "CurrencyIsoCode" }] });
    world.send("PUT", &format!("{}/admin/rules", world.salesforce), &rule).await?;
    world
        .b1_patch("/Items('A00001')", json!({ "ItemPrices": [{ "PriceList": 4, "Price": 77, "Currency": "USD" }] }))
        .await?;
    let items = questions(&world, 1).await?;
    assert!(reason(&items[0]).contains("Currency USD is not active"), "{items:?}");
    Ok(())
}

#[tokio::test]
async fn an_item_deleted_between_look_and_write_is_marked() -> Result<()> {
    let mut world = world(&["catalogue"], Vec::new()).await?;
    world.b1_post("/Items", json!({ "ItemCode": "GONE", "ItemName": "Short life", "SalesItem": "tYES" })).await?;
    let product = world.until_record("Product2", "it", |record| record["Tandem_Item_Code__c"] == "GONE").await?;
    // Told while the host is down, gone when it looks.
    world.kill().await?;
    world.b1_patch("/Items('GONE')", json!({ "ItemName": "Shorter life" })).await?;
    world.b1_faults(json!([{ "path": "/b1s/v2/Items", "kind": { "latency": 600 } }])).await?;
    world.start()?;
    tokio::time::sleep(Duration::from_millis(900)).await;
    world.b1_faults(json!([])).await?;
    world.b1_call("DELETE", "/Items('GONE')", Value::Null).await?;
    world.ready(Duration::from_secs(30)).await?;
    let marked = |record: &Value| {
        record["Id"] == product["Id"] && record["Tandem_Discontinued__c"] == true && record["IsActive"] == false
    };
    world.until_record("Product2", "marked", marked).await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

#[tokio::test]
async fn an_order_that_a_stored_procedure_refuses_is_shown_its_words_and_its_neighbours_are_made() -> Result<()> {
    let mut world = World::new().await?;
    // As some versions do: within a change set the balancer answers in place of B1.
    let procedure = json!({ "set": "Orders", "field": "NumAtCard", "is": "PO-X", "number": 1001,
        "words": "The customer reference PO-X is not allowed", "page_in_change_sets": true });
    world.b1_settings(json!({ "procedure": procedure })).await?;
    let ids = world.opportunities(12).await?;
    let (refused, fine) = ids.split_at(3);
    for id in refused {
        world.change("Opportunity", id, json!({ "Tandem_PO_Number__c": "PO-X" })).await?;
    }
    for id in &ids {
        world.win(id).await?;
    }
    world.up().await?;
    world.until_all_told(fine, Duration::from_secs(30)).await?;
    for id in refused {
        let told = world.until_state(id, "Review").await?;
        let message = told["Tandem_Sync_Message__c"].as_str().unwrap_or_default();
        assert!(message.contains("The customer reference PO-X is not allowed"), "{message}");
    }
    let batches = world.calls(&world.b1).await?["POST /$batch"].as_u64().unwrap_or(0);
    assert!(batches < 60, "{batches} batches for twelve orders");
    // Mended, it becomes one order: what was tried left nothing behind.
    for id in refused {
        world.change("Opportunity", id, json!({ "Tandem_PO_Number__c": "PO-Y" })).await?;
    }
    world.until_all_told(refused, Duration::from_secs(30)).await?;
    world.assert_exactly_once(&ids).await?;
    let ledger = world.b1_records("U_TANDEM").await?;
    for id in &ids {
        let own = ledger.iter().filter(|row| row["Code"].as_str().is_some_and(|code| code.contains(id.as_str())));
        assert_eq!(own.count(), 1, "{id} in {ledger:?}");
    }
    Ok(())
}

/// Half of the orders are refused by a procedure, answers are lost, the balancer speaks in between, and the host is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_refused_orders_among_lost_answers_and_kills_leave_nothing_behind() -> Result<()> {
    let seed = fastrand::u64(1..1_000_000);
    println!("TANDEM_SEED={seed}");
    let mut world = World::with(Setup { seed, flow: "max_attempts = 30".into(), ..Setup::default() }).await?;
    let procedure = json!({ "set": "Orders", "field": "NumAtCard", "is": "PO-X", "number": 1001,
        "words": "The customer reference PO-X is not allowed", "page_in_change_sets": true });
    world.b1_settings(json!({ "procedure": procedure })).await?;
    let faults = ["reset-after", "html-after", "reset-before"]
        .map(|kind| json!({ "path": "/b1s/v2", "method": "POST", "kind": kind, "rate": 0.05 }));
    world.b1_faults(json!(faults)).await?;
    let ids = world.opportunities(40).await?;
    let (refused, fine) = ids.split_at(20);
    for id in refused {
        world.change("Opportunity", id, json!({ "Tandem_PO_Number__c": "PO-X" })).await?;
    }
    for id in &ids {
        world.win(id).await?;
    }
    for life in [300, 700, 1_500] {
        world.start()?;
        tokio::time::sleep(Duration::from_millis(life)).await;
        world.kill().await?;
    }
    world.up().await?;
    tokio::time::sleep(Duration::from_secs(4)).await;
    world.b1_faults(json!([])).await?;
    world.until_all_told(fine, Duration::from_secs(90)).await?;
    for id in refused {
        // One whose answer was lost is looked for again in some minutes: B1 might still be at it.
        let told = async |world: &World| {
            let state = world.opportunity(id).await?["Tandem_Sync_State__c"].clone();
            Ok(["Review", "Waiting"].iter().any(|known| state == *known).then_some(()))
        };
        world.until("what the opportunity is told", Duration::from_secs(30), told).await?;
        assert_eq!(world.orders_of(id).await?, Vec::<Value>::new());
    }
    world.assert_exactly_once(fine).await
}

/// Texts pasted from elsewhere hold tabs and line breaks: one of them is nobody else's trouble.
#[tokio::test]
async fn a_control_character_in_one_record_holds_up_none_of_its_batch() -> Result<()> {
    let plugins = vec!["orders", "accounts"];
    let flows = vec![("accounts", "settings = { create_in_b1 = \"all\", series = 11 }")];
    let mut world = World::with(Setup { plugins, flows, b1: FAST.into(), ..Setup::default() }).await?;
    let ids = world.opportunities(12).await?;
    let strange = world.lines(&ids[0]).await?.remove(0);
    let product = strange["Product2Id"].as_str().unwrap_or_default().to_owned();
    let code = json!({ "ProductCode": "A\t1\u{7f}", "Tandem_Item_Code__c": "A\t1\u{7f}" });
    world.change("Product2", &product, code).await?;
    let mut plain = Vec::new();
    for id in &ids[1..] {
        if world.lines(id).await?.iter().all(|line| line["Product2Id"] != strange["Product2Id"]) {
            plain.push(id.clone());
        }
    }
    let mut accounts = Vec::new();
    for (name, code) in [("Foo\tBarwerke GmbH", "53\t111"), ("Quux\nZipwerke", "53112"), ("Goodone GmbH", "10115")] {
        accounts.push(world.create("Account", json!({ "Name": name, "BillingPostalCode": code })).await?);
    }
    for id in ids[..1].iter().chain(&plain) {
        world.win(id).await?;
    }
    // All of it came in while the host was off: it shares a batch.
    world.up().await?;
    world.until_all_told(&plain, Duration::from_secs(30)).await?;
    world.assert_exactly_once(&plain).await?;
    let asked = world.until_state(&ids[0], "Review").await?;
    assert!(!asked["Tandem_Sync_Message__c"].as_str().unwrap_or_default().contains("not allowed"), "{asked}");
    for id in &accounts {
        world
            .until_record("Account", id, |record| {
                record["Id"] == id.as_str() && record["Tandem_Card_Code__c"].is_string()
            })
            .await?;
    }
    Ok(())
}
