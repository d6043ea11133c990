//! What is the same record, and what is not: codes that differ in capitals only, ids of 15 letters, lists of many ids.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

fn reviews(events: &Value) -> Vec<&str> {
    events.as_array().into_iter().flatten().filter_map(|event| event["reason"].as_str()).collect()
}

async fn held(world: &World) -> Result<Value> {
    world.tandem_json(&["events", "list", "--state", "review"]).await
}

#[tokio::test]
async fn items_whose_codes_differ_in_capitals_only_never_share_a_product() -> Result<()> {
    let setup = Setup { plugins: vec!["catalogue"], b1: "poll_seconds = 1".into(), ..Setup::default() };
    let mut world = World::with(setup).await?;
    for (code, price) in [("PUMP-x1", 10), ("PUMP-X1", 99)] {
        let item = json!({ "ItemCode": code, "ItemName": code, "SalesItem": "tYES", "ItemPrices": [{ "PriceList": 1, "Price": price, "Currency": "EUR" }] });
        world.b1_post("/Items", item).await?;
    }
    world.up().await?;
    world.tandem(&["backfill", "catalogue", "--yes"]).await?;
    world.settled().await?;
    let product =
        |record: &&Value| record["Tandem_Item_Code__c"].as_str().is_some_and(|c| c.eq_ignore_ascii_case("pump-x1"));
    let products = world.records("Product2").await?;
    let products: Vec<&Value> = products.iter().filter(product).collect();
    assert_eq!(products.len(), 1, "{products:?}");
    let (code, price) = if products[0]["Tandem_Item_Code__c"] == "PUMP-x1" { ("PUMP-x1", 10) } else { ("PUMP-X1", 99) };
    assert_eq!(products[0]["Name"], code);
    let entries = world.records("PricebookEntry").await?;
    let of_product = |entry: &&Value| entry["Product2Id"] == products[0]["Id"];
    assert!(entries.iter().filter(of_product).all(|entry| entry["UnitPrice"] == price), "{entries:?}");
    let questions = held(&world).await?;
    let questions = reviews(&questions);
    assert!(
        questions.len() == 1 && questions[0].contains("PUMP-x1") && questions[0].contains("PUMP-X1"),
        "{questions:?}"
    );

    // The other one's later change leaves the product as it is, too.
    let other = if code == "PUMP-x1" { "PUMP-X1" } else { "PUMP-x1" };
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    world.b1_patch(&format!("/Items('{other}')"), json!({ "ItemName": "another thing" })).await?;
    world.b1_patch("/Items('A00001')", json!({ "ItemName": "looked at since" })).await?;
    world.until_record("Product2", "the newest look", |record| record["Name"] == "looked at since").await?;
    world.settled().await?;
    assert!(!world.records("Product2").await?.iter().any(|record| record["Name"] == "another thing"));
    Ok(())
}

#[tokio::test]
async fn partners_whose_codes_differ_in_capitals_only_never_share_an_account() -> Result<()> {
    let setup = Setup { plugins: vec!["accounts"], b1: "poll_seconds = 1".into(), ..Setup::default() };
    let mut world = World::with(setup).await?;
    for (code, name) in [("kn-a", "Kleine Nord GmbH"), ("KN-A", "Andere Firma AG")] {
        world
            .b1_post("/BusinessPartners", json!({ "CardCode": code, "CardName": name, "CardType": "cCustomer" }))
            .await?;
    }
    world.up().await?;
    world.tandem(&["backfill", "accounts", "--yes"]).await?;
    world.settled().await?;
    let accounts = world.records("Account").await?;
    let own = |record: &&Value| record["Tandem_Card_Code__c"].as_str().is_some_and(|c| c.eq_ignore_ascii_case("kn-a"));
    let own: Vec<&Value> = accounts.iter().filter(own).collect();
    assert_eq!(own.len(), 1, "{own:?}");
    let right = if own[0]["Tandem_Card_Code__c"] == "kn-a" { "Kleine Nord GmbH" } else { "Andere Firma AG" };
    assert_eq!(own[0]["Name"], right);
    let questions = held(&world).await?;
    let questions: Vec<&str> = reviews(&questions).into_iter().filter(|reason| reason.contains("kn-a")).collect();
    assert!(questions.len() == 1 && questions[0].contains("KN-A"), "{questions:?}");
    Ok(())
}

#[tokio::test]
async fn an_item_code_that_a_person_spelt_in_other_capitals_is_the_items_own() -> Result<()> {
    let setup = Setup { plugins: vec!["catalogue"], b1: "poll_seconds = 1".into(), ..Setup::default() };
    let mut world = World::with(setup).await?;
    world.b1_post("/Items", json!({ "ItemCode": "Valve-7", "ItemName": "Valve", "SalesItem": "tYES" })).await?;
    let id = world.create("Product2", json!({ "Name": "V", "Tandem_Item_Code__c": "VALVE-7" })).await?;
    world.up().await?;
    world.tandem(&["backfill", "catalogue", "--yes"]).await?;
    let linked = |record: &Value| record["Id"] == id.as_str() && record["Name"] == "Valve";
    let product = world.until_record("Product2", "the item's", linked).await?;
    assert_eq!(product["Tandem_Item_Code__c"], "Valve-7");
    Ok(())
}

#[tokio::test]
async fn a_batch_of_any_size_is_read_in_queries_that_fit() -> Result<()> {
    let setup = Setup { flow: "batch = 2000".into(), opportunities: 900, ..Setup::default() };
    let mut world = World::with(setup).await?;
    // Told at once: one batch.
    world.up().await?;
    let ids: Vec<String> = world
        .records("Opportunity")
        .await?
        .iter()
        .filter(|record| record["IsClosed"] != true)
        .filter_map(|record| record["Id"].as_str().map(str::to_owned))
        .collect();
    world.kill().await?;
    for id in &ids {
        world.win(id).await?;
    }
    world.up().await?;
    // With faults one of them may wait five minutes for an answer that was lost.
    world.until_all_told(&ids, Duration::from_secs(420)).await?;
    world.assert_exactly_once(&ids).await
}

async fn partners_meet_accounts(flows: &'static str) -> Result<World> {
    let setup = Setup {
        plugins: vec!["accounts"],
        flows: vec![("accounts", flows)],
        b1: "poll_seconds = 1".into(),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    world.grant(&["Account.Industry"]).await?;
    world.up().await?;
    // Behind the first look at B1's clock.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    Ok(world)
}

#[tokio::test]
async fn strangers_whose_tax_id_is_a_placeholder_are_not_linked() -> Result<()> {
    let world = partners_meet_accounts("").await?;
    let pairs = [("N/A", "n.a."), ("0", "0"), ("-", "-"), ("000000000", "000 000 000"), ("keine", "Keine")];
    for (place, (theirs, ours)) in pairs.iter().enumerate() {
        let account = json!({ "Name": format!("Brauerei {place}"), "Tandem_Tax_Id__c": theirs, "Phone": "111" });
        world.create("Account", account).await?;
        let partner = json!({ "CardCode": format!("NA{place}"), "CardName": format!("Labor {place}"), "CardType": "cCustomer", "FederalTaxID": ours });
        world.b1_post("/BusinessPartners", partner).await?;
    }
    for place in 0..pairs.len() {
        let own = |record: &Value| record["Tandem_Card_Code__c"] == format!("NA{place}");
        let account = world.until_record("Account", "the partner's own", own).await?;
        assert_eq!(account["Name"], format!("Labor {place}"));
    }
    world.settled().await?;
    let accounts = world.records("Account").await?;
    let theirs: Vec<&Value> =
        accounts.iter().filter(|own| own["Name"].as_str().is_some_and(|name| name.starts_with("Brauerei"))).collect();
    assert!(theirs.len() == pairs.len() && theirs.iter().all(|own| own["Tandem_Card_Code__c"].is_null()), "{theirs:?}");
    Ok(())
}

#[tokio::test]
async fn one_name_and_postcode_with_two_tax_ids_is_a_question() -> Result<()> {
    let world = partners_meet_accounts("").await?;
    let account = json!({ "Name": "Meier GmbH", "Tandem_Tax_Id__c": "DE222222220", "BillingPostalCode": "20095" });
    let id = world.create("Account", account).await?;
    let partner = json!({ "CardCode": "CKG", "CardName": "Meier GmbH & Co. KG", "CardType": "cCustomer", "FederalTaxID": "DE111111110",
        "BPAddresses": [{ "AddressName": "Main", "AddressType": "bo_BillTo", "ZipCode": "20095" }] });
    world.b1_post("/BusinessPartners", partner).await?;
    let look = async |world: &World| {
        let questions = held(world).await?;
        Ok(reviews(&questions).into_iter().find(|reason| reason.contains("Meier")).map(str::to_owned))
    };
    let reason = world.until("a question", Duration::from_secs(30), look).await?;
    // It begins on the side whose event comes first, and names the other's record.
    let names_the_other = reason.contains(&id) || reason.contains("CKG");
    assert!(reason.contains("tax ids differ") && names_the_other, "{reason}");
    let account = world.until_record("Account", "as it was", |record| record["Id"] == id.as_str()).await?;
    assert_eq!(account["Tandem_Card_Code__c"], Value::Null);
    Ok(())
}

#[tokio::test]
async fn two_people_with_one_address_keep_their_own_names_and_phones() -> Result<()> {
    let world = partners_meet_accounts("").await?;
    let id = world.create("Account", json!({ "Name": "Kranbau Zwick", "Tandem_Tax_Id__c": "DE333333331" })).await?;
    for (first, last) in [("Berta", "Busch"), ("Anton", "Adler"), ("Carl", "Celan")] {
        let contact = json!({ "AccountId": id, "FirstName": first, "LastName": last, "Email": "info@zwick.example", "Phone": format!("{first} 1") });
        world.create("Contact", contact).await?;
    }
    let employee = |first: &str, last: &str| json!({ "Name": format!("{first} {last}"), "FirstName": first, "LastName": last, "E_Mail": "info@zwick.example", "MobilePhone": format!("{first} 2"), "Active": "tYES" });
    let partner = json!({ "CardCode": "CZW", "CardName": "Kranbau Zwick", "CardType": "cCustomer", "FederalTaxID": "DE333333331",
        "ContactEmployees": [employee("Dora", "Dahl"), employee("Anton", "Adler"), employee("Berta", "Busch")] });
    world.b1_post("/BusinessPartners", partner).await?;
    world.until_record("Contact", "Dora", |record| record["LastName"] == "Dahl").await?;
    world.settled().await?;
    let contacts = world.records("Contact").await?;
    let mut own: Vec<String> = contacts
        .iter()
        .filter(|contact| contact["AccountId"] == id.as_str())
        .map(|contact| {
            ["FirstName", "LastName", "Phone", "MobilePhone"]
                .map(|field| contact[field].as_str().unwrap_or("-"))
                .join(" ")
        })
        .collect();
    own.sort();
    let right =
        ["Anton Adler Anton 1 Anton 2", "Berta Busch Berta 1 Berta 2", "Carl Celan Carl 1 -", "Dora Dahl - Dora 2"];
    assert_eq!(own, right);
    Ok(())
}

#[tokio::test]
async fn another_companys_account_is_no_candidate() -> Result<()> {
    let world = partners_meet_accounts(
        "settings = { only_field = \"Industry\", only_value = \"US\", key_prefix = \"us:\", series = 11 }",
    )
    .await?;
    let theirs = json!({ "Name": "Global Pumps", "Tandem_Tax_Id__c": "DE121212121", "Industry": "EU" });
    let id = world.create("Account", theirs).await?;
    let partner =
        json!({ "CardCode": "CG", "CardName": "Global Pumps", "CardType": "cCustomer", "FederalTaxID": "DE121212121" });
    world.b1_post("/BusinessPartners", partner).await?;
    let own = world.until_record("Account", "our own", |record| record["Tandem_Card_Code__c"] == "us:CG").await?;
    assert_ne!(own["Id"], id.as_str());
    // Told again, theirs does not find our partner either.
    world.change("Account", &id, json!({ "Phone": "5" })).await?;
    world.settled().await?;
    let account = world.until_record("Account", "theirs", |record| record["Id"] == id.as_str()).await?;
    assert_eq!(account["Tandem_Card_Code__c"], Value::Null);
    Ok(())
}

#[tokio::test]
async fn an_id_of_15_letters_is_the_record_wherever_it_is_told() -> Result<()> {
    let mut world = World::new().await?;
    world.up().await?;
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    world.settled().await?;
    let short = &id[..15];
    for arguments in
        [vec!["explain", short], vec!["explain", short, "CardCode"], vec!["events", "list", "--key", short]]
    {
        let long: Vec<&str> = arguments.iter().map(|word| if *word == short { id.as_str() } else { word }).collect();
        let told = world.tandem_json(&arguments).await?.to_string();
        assert_eq!(told.replace(&id, short), world.tandem_json(&long).await?.to_string().replace(&id, short));
    }
    let shown = world.tandem(&["mapping", "preview", "orders", "header", short]).await?;
    assert_eq!(shown, world.tandem(&["mapping", "preview", "orders", "header", &id]).await?);
    // A Flow of the customer's tells it with a formula's id: one order still.
    let event = json!({ "fields": { "Record_Id__c": short, "Object__c": "Opportunity", "Operation__c": "UPDATE" } });
    world.send("POST", &format!("{}/admin/publish", world.salesforce), &event).await?;
    let told = async |world: &World| {
        let events = world.tandem_json(&["events", "list", "--key", &id]).await?;
        Ok((events.as_array().map_or(0, Vec::len) > 1).then_some(()))
    };
    world.until("its event", Duration::from_secs(30), told).await?;
    world.settled().await?;
    assert_eq!(world.orders_of(&id).await?.len(), 1);
    assert!(reviews(&held(&world).await?).is_empty());
    Ok(())
}

#[tokio::test]
async fn a_price_of_more_than_ten_million_is_the_same_in_b1() -> Result<()> {
    let mut world =
        World::with(Setup { flow: "settings = { credit_check = false }".into(), ..Setup::default() }).await?;
    world.up().await?;
    let id = world.opportunities(1).await?.remove(0);
    for line in world.lines(&id).await? {
        // Sent as 1.250000055E7.
        let price = json!({ "Quantity": 1, "UnitPrice": 12_500_000.55, "Discount": null });
        world.change("OpportunityLineItem", line["Id"].as_str().unwrap_or_default(), price).await?;
    }
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    let orders = world.orders_of(&id).await?;
    let lines = orders[0]["DocumentLines"].as_array().cloned().unwrap_or_default();
    assert!(
        !lines.is_empty() && lines.iter().all(|line| line["UnitPrice"].as_f64() == Some(12_500_000.55)),
        "{lines:?}"
    );
    world.settled().await?;
    assert!(reviews(&held(&world).await?).is_empty());
    Ok(())
}
