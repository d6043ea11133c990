//! Partners and accounts, contact employees and contacts, both ways.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

const FAST: &str = "poll_seconds = 1\ntime_zone = \"Europe/Berlin\"";

async fn world(flow: &'static str) -> Result<World> {
    let setup =
        Setup { plugins: vec!["accounts"], flows: vec![("accounts", flow)], b1: FAST.into(), ..Setup::default() };
    let mut world = World::with(setup).await?;
    world.up().await?;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    Ok(world)
}

async fn partner(world: &World, code: &str) -> Result<Value> {
    let all = world.b1_records("BusinessPartners").await?;
    Ok(all.into_iter().find(|partner| partner["CardCode"] == code).unwrap_or_default())
}

async fn account(world: &World, code: &str) -> Result<Value> {
    let all = world.records("Account").await?;
    let mut own = all.into_iter().filter(|record| record["Tandem_Card_Code__c"] == code && record["IsDeleted"] != true);
    Ok(own.next().unwrap_or_default())
}

async fn until_partner(world: &World, what: &str, code: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
    let look = async |world: &World| Ok(Some(partner(world, code).await?).filter(|partner| holds(partner)));
    world.until(what, Duration::from_secs(20), look).await
}

async fn question(world: &World, words: &str) -> Result<Value> {
    let look = async |world: &World| {
        let items = world.tandem_json(&["review", "list"]).await?;
        let found = items
            .as_array()
            .into_iter()
            .flatten()
            .find(|item| item["reason"].as_str().unwrap_or_default().contains(words));
        Ok(found.cloned())
    };
    world.until(&format!("a question about {words}"), Duration::from_secs(20), look).await
}

/// Calls that changed something, on both sides.
async fn writes(world: &World) -> Result<u64> {
    let mut writes = 0;
    for side in [&world.b1, &world.salesforce] {
        let asked = world.asked(side).await?;
        let changing = |name: &str| {
            name.starts_with("PATCH")
                || name.starts_with("DELETE")
                || name.starts_with("PUT")
                || (name.starts_with("POST") && name.contains("sobjects"))
        };
        writes += asked.iter().filter(|(name, _)| changing(name)).map(|(_, count)| count).sum::<u64>();
    }
    Ok(writes)
}

#[tokio::test]
async fn a_change_on_either_side_reaches_the_other_and_ends_there() -> Result<()> {
    let world = world("").await?;
    world.tandem(&["backfill", "accounts", "--yes"]).await?;
    world.settled().await?;
    let before = account(&world, "C00001").await?;
    let id = before["Id"].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        before["Tandem_Tax_Id__c"],
        partner(&world, "C00001").await?["FederalTaxID"],
        "what was empty is filled"
    );

    world.change("Account", &id, json!({ "Phone": "+49 40 555", "BillingCity": "Bremen" })).await?;
    let changed =
        until_partner(&world, "phone and city in B1", "C00001", |partner| partner["Phone1"] == "+49 40 555").await?;
    let cities: Vec<&Value> = changed["BPAddresses"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|row| row["AddressType"] == "bo_BillTo")
        .map(|row| &row["City"])
        .collect();
    assert_eq!(cities, ["Bremen"]);
    assert_eq!(changed["BPAddresses"].as_array().map(Vec::len), Some(3), "the other addresses stay");

    world
        .b1_patch("/BusinessPartners('C00001')", json!({ "CardName": "Zażółć 株式会社 🏭 Ltd", "Frozen": "tYES" }))
        .await?;
    world
        .until_record("Account", "name and block", |record| {
            record["Id"] == id.as_str()
                && record["Name"] == "Zażółć 株式会社 🏭 Ltd"
                && record["Tandem_Blocked__c"] == true
        })
        .await?;

    // A contact of each side.
    world
        .create(
            "Contact",
            json!({ "LastName": "Новый", "FirstName": "Contact", "Email": "n@c1.example", "AccountId": id }),
        )
        .await?;
    let with = until_partner(&world, "the contact in B1", "C00001", |partner| {
        partner["ContactEmployees"].to_string().contains("Новый")
    })
    .await?;
    let employee = with["ContactEmployees"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|row| row["LastName"] == "Новый")
        .cloned()
        .unwrap_or_default();
    world.b1_patch("/BusinessPartners('C00001')", json!({ "ContactEmployees": [{ "InternalCode": employee["InternalCode"], "Name": employee["Name"], "Position": "CEO" }] })).await?;
    let contact = world
        .until_record("Contact", "title", |record| record["LastName"] == "Новый" && record["Title"] == "CEO")
        .await?;
    world
        .b1_patch(
            "/BusinessPartners('C00001')",
            json!({ "ContactEmployees": [{ "Name": "Only Here", "FirstName": "Only", "LastName": "Here" }] }),
        )
        .await?;
    world
        .until_record("Contact", "the employee", |record| {
            record["LastName"] == "Here" && record["AccountId"] == id.as_str()
        })
        .await?;
    // Deleted there, inactive here.
    let (status, _) = world
        .send(
            "POST",
            &format!("{}/admin/delete/Contact/{}", world.salesforce, contact["Id"].as_str().unwrap_or_default()),
            &json!({}),
        )
        .await?;
    assert!(status < 300);
    until_partner(&world, "inactive", "C00001", |partner| {
        partner["ContactEmployees"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|row| row["InternalCode"] == employee["InternalCode"] && row["Active"] == "tNO")
    })
    .await?;

    world.settled().await?;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    world.settled().await?;
    let before = writes(&world).await?;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(writes(&world).await?, before, "echoes have ended");
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

#[tokio::test]
async fn created_on_both_sides_at_once_is_one_record() -> Result<()> {
    let world = world("settings = { create_in_b1 = \"all\", series = 11 }").await?;
    let count = (world.records("Account").await?.len(), world.b1_records("BusinessPartners").await?.len());
    let address = json!([{ "AddressName": "HQ", "AddressType": "bo_BillTo", "ZipCode": "1010", "City": "Wien", "Country": "AT" }]);
    let there = world.b1_post(
        "/BusinessPartners",
        json!({ "CardCode": "V1", "CardName": "Vöcklabruck Pumpen GmbH", "BPAddresses": address }),
    );
    let here = world.create("Account", json!({ "Name": "VOECKLABRUCK PUMPEN", "BillingPostalCode": "1010" }));
    let (there, here) = tokio::join!(there, here);
    there?;
    let id = here?;
    let record = world.until_record("Account", "its code", |record| record["Tandem_Card_Code__c"] == "V1").await?;
    assert_eq!(record["Id"], id.as_str());
    world.settled().await?;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    world.settled().await?;
    let after = (world.records("Account").await?.len(), world.b1_records("BusinessPartners").await?.len());
    assert_eq!(after, (count.0 + 1, count.1 + 1));
    Ok(())
}

#[tokio::test]
async fn an_order_that_needs_a_customer_gets_one_and_goes_on() -> Result<()> {
    let setup = Setup {
        plugins: vec!["orders", "accounts"],
        flows: vec![("accounts", "settings = { series = 11 }")],
        b1: FAST.into(),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    world.up().await?;
    let account = world.create("Account", json!({ "Name": "Brand New Customer", "BillingStreet": "Weg 1", "BillingCity": "Kiel", "BillingPostalCode": "24103", "BillingCountry": "DE" })).await?;
    world.create("Contact", json!({ "LastName": "Neu", "FirstName": "Nina", "AccountId": account })).await?;
    world.settled().await?;
    let known = world.b1_records("BusinessPartners").await?.len();
    assert!(
        world.b1_records("BusinessPartners").await?.iter().all(|partner| partner["CardName"] != "Brand New Customer"),
        "a prospect is no customer"
    );
    // The answer to the create is lost, twice.
    world.b1_faults(json!([{ "path": "/b1s/v2/$batch", "kind": "reset-after", "times": 2 }])).await?;
    let id = world.opportunities(1).await?.remove(0);
    world.change("Opportunity", &id, json!({ "AccountId": account })).await?;
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    let order = world.orders_of(&id).await?.remove(0);
    let made = partner(&world, order["CardCode"].as_str().unwrap_or_default()).await?;
    assert_eq!((&made["CardName"], &made["U_SF_Id"]), (&json!("Brand New Customer"), &json!(account)));
    assert_eq!(made["BPAddresses"][0]["City"], "Kiel");
    assert_eq!(made["ContactEmployees"][0]["LastName"], "Neu");
    assert_eq!(world.b1_records("BusinessPartners").await?.len(), known + 1, "one partner, whatever was lost");
    Ok(())
}

#[tokio::test]
async fn an_opportunity_whose_customer_is_in_review_says_for_whom_it_waits_and_why() -> Result<()> {
    // Without a series B1 has no code for a new partner: a person is asked.
    let setup = Setup { plugins: vec!["orders", "accounts"], b1: FAST.into(), ..Setup::default() };
    let mut world = World::with(setup).await?;
    world.up().await?;
    let account =
        world.create("Account", json!({ "Name": "Brand New Customer", "Tandem_Tax_Id__c": "ATU 87654321" })).await?;
    let ids = world.opportunities(2).await?;
    // One that is won before anybody was asked about its customer, and one after.
    for id in &ids {
        world.change("Opportunity", id, json!({ "AccountId": account })).await?;
        world.win(id).await?;
        let why = "waits for the customer Brand New Customer, about whom a decision is open: Brand New Customer needs a CardCode";
        let told = world
            .until_record("Opportunity", "why it waits", |record| {
                record["Id"] == id.as_str()
                    && record["Tandem_Sync_Message__c"].as_str().unwrap_or_default().starts_with(why)
            })
            .await?;
        assert_eq!(told["Tandem_Sync_State__c"], "Waiting");
    }
    assert_eq!(world.tandem_json(&["review", "list"]).await?.as_array().map(Vec::len), Some(1), "one question");
    // A clerk makes the partner in B1.
    world.b1_post("/BusinessPartners", json!({ "CardCode": "NEW1", "CardName": "Brand New Customer", "CardType": "cCustomer", "FederalTaxID": "ATU 87654321" })).await?;
    for id in &ids {
        world.until_state(id, "Synced").await?;
    }
    Ok(())
}

/// Nobody is asked about it, or somebody has said that nothing is done.
#[tokio::test]
async fn an_opportunity_that_waits_in_vain_says_so_at_once() -> Result<()> {
    let flows = vec![("accounts", "settings = { create_in_b1 = \"never\" }")];
    let setup = Setup { plugins: vec!["orders", "accounts"], flows, b1: FAST.into(), ..Setup::default() };
    let mut world = World::with(setup).await?;
    world.up().await?;
    let account = world.create("Account", json!({ "Name": "Brand New Customer" })).await?;
    let id = world.opportunities(1).await?.remove(0);
    world.change("Opportunity", &id, json!({ "AccountId": account })).await?;
    world.win(&id).await?;
    let told = world.until_state(&id, "Review").await?;
    let message = told["Tandem_Sync_Message__c"].as_str().unwrap_or_default();
    assert!(message.starts_with("waits for the customer Brand New Customer in vain"), "{message}");
    // A person writes the code.
    world
        .b1_post(
            "/BusinessPartners",
            json!({ "CardCode": "NEW2", "CardName": "Another Name", "CardType": "cCustomer" }),
        )
        .await?;
    world.change("Account", &account, json!({ "Tandem_Card_Code__c": "NEW2" })).await?;
    world.until_state(&id, "Synced").await?;
    assert_eq!(world.orders_of(&id).await?[0]["CardCode"], "NEW2");
    Ok(())
}

#[tokio::test]
async fn an_ambiguous_match_is_asked_and_the_answer_counts() -> Result<()> {
    let world = world("settings = { create_in_b1 = \"all\", series = 11 }").await?;
    // Two partners with one tax id.
    for code in ["T1", "T2"] {
        world.b1_post("/BusinessPartners", json!({ "CardCode": code, "CardName": format!("Tax twin {code}"), "CardType": "cLid", "FederalTaxID": "ATU 12345678" })).await?;
    }
    world.until_record("Account", "both twins", |record| record["Tandem_Card_Code__c"] == "T2").await?;
    world.settled().await?;
    let id = world.create("Account", json!({ "Name": "Somebody", "Tandem_Tax_Id__c": "ATU-12345678" })).await?;
    let item = question(&world, "Somebody may be the same").await?;
    let shown = world.tandem_json(&["review", "show", &item["id"].to_string()]).await?;
    assert_eq!(shown["detail"]["candidates"].as_array().map(Vec::len), Some(2), "{shown}");
    assert_eq!(shown["detail"]["salesforce"]["Id"], id.as_str());
    let number = item["id"].to_string();
    let (code, _, errors) = world.tandem_raw(&["review", "resolve", &number, "--choose", "nonsense"]).await?;
    assert!(code != 0 && errors.contains("create"), "{errors}");
    world.tandem(&["review", "resolve", &number, "--choose", "create"]).await?;
    let record = world
        .until_record("Account", "a partner of its own", |record| {
            record["Id"] == id.as_str() && record["Tandem_Card_Code__c"].is_string()
        })
        .await?;
    assert!(!["T1", "T2"].contains(&record["Tandem_Card_Code__c"].as_str().unwrap_or_default()));
    Ok(())
}

#[tokio::test]
async fn a_lead_that_an_order_needs_becomes_a_customer_and_questions_come_by_setting() -> Result<()> {
    let setup = Setup {
        plugins: vec!["orders", "accounts"],
        flows: vec![("accounts", "settings = { deleted = \"review\" }")],
        b1: FAST.into(),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    world.up().await?;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    world
        .b1_post(
            "/BusinessPartners",
            json!({ "CardCode": "LEAD", "CardName": "Leads to something", "CardType": "cLid", "Currency": "##" }),
        )
        .await?;
    let of = |kind: &'static str| {
        move |record: &Value| record["Tandem_Card_Code__c"] == "LEAD" && record["Tandem_Partner_Type__c"] == kind
    };
    let account = world.until_record("Account", "the lead", of("lead")).await?;
    let id = world.opportunities(1).await?.remove(0);
    world.change("Opportunity", &id, json!({ "AccountId": account["Id"] })).await?;
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    until_partner(&world, "a customer", "LEAD", |partner| partner["CardType"] == "cCustomer").await?;
    world.until_record("Account", "a customer", of("customer")).await?;
    // Deleted here: asked, and the partner stays.
    let gone = account_id(&world, "C00006").await?;
    world.send("POST", &format!("{}/admin/delete/Account/{gone}", world.salesforce), &json!({})).await?;
    let item = question(&world, "was deleted in Salesforce").await?;
    assert!(item["reason"].as_str().unwrap_or_default().contains("C00006"), "{item}");
    // Back from the recycle bin: in step again, and nothing left to ask.
    world.send("POST", &format!("{}/admin/undelete/Account/{gone}", world.salesforce), &json!({})).await?;
    world.b1_patch("/BusinessPartners('C00006')", json!({ "Phone1": "+1 back" })).await?;
    world
        .until_record("Account", "back", |record| record["Id"] == gone.as_str() && record["Phone"] == "+1 back")
        .await?;
    world.settled().await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

async fn account_id(world: &World, code: &str) -> Result<String> {
    Ok(account(world, code).await?["Id"].as_str().unwrap_or_default().to_owned())
}

/// The account's own event has ended before two partners that fit it are there at once: the question can only begin in B1.
async fn account_that_two_partners_fit() -> Result<(World, String)> {
    let mut world = world("").await?;
    let account = world.create("Account", json!({ "Name": "Doppelt AG", "BillingPostalCode": "12345" })).await?;
    let ended = async |world: &World| {
        let events = world.tandem_json(&["events", "list", "--key", &account, "--state", "done"]).await?;
        Ok(events.as_array().is_some_and(|events| !events.is_empty()).then_some(()))
    };
    world.until("the account's own event", Duration::from_secs(20), ended).await?;
    world.stop().await?;
    let address = json!([{ "AddressName": "HQ", "AddressType": "bo_BillTo", "ZipCode": "12345" }]);
    for code in ["D1", "D2"] {
        let body = json!({ "CardCode": code, "CardName": "DOPPELT", "BPAddresses": address });
        world.b1_post("/BusinessPartners", body).await?;
    }
    world.up().await?;
    Ok((world, account))
}

async fn until_account(world: &World, what: &str, id: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
    world.until_record("Account", what, |record| record["Id"] == id && holds(record)).await
}

#[tokio::test]
async fn two_partners_that_fit_one_account_are_asked_about_and_never_share_it() -> Result<()> {
    let (world, account) = account_that_two_partners_fit().await?;
    let item = question(&world, "and so does").await?;
    let asked = until_account(&world, "its question", &account, |record| record["Tandem_Sync_State__c"] == "Review");
    let message = asked.await?["Tandem_Sync_Message__c"].clone();
    assert!(message.as_str().is_some_and(|text| text.contains("and so does")), "{message}");
    assert!(
        world.records("Account").await?.iter().all(|record| record["Tandem_Card_Code__c"] != "D1"),
        "nothing is guessed"
    );
    let number = item["id"].to_string();
    world.tandem(&["review", "resolve", &number, "--choose", &format!("link with {account}")]).await?;
    let code = item["key"].as_str().unwrap_or_default().to_owned();
    until_account(&world, "the answer", &account, |record| {
        record["Tandem_Card_Code__c"] == code.as_str() && record["Tandem_Sync_State__c"] == "Synced"
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn an_account_says_that_it_is_asked_about_until_the_last_question_has_ended() -> Result<()> {
    let (world, account) = account_that_two_partners_fit().await?;
    let both = async |world: &World| {
        let items = world.tandem_json(&["review", "list"]).await?;
        let of = |code: &str| items.as_array().into_iter().flatten().find(|item| item["key"] == code).cloned();
        Ok(of("D1").zip(of("D2")))
    };
    let (first, _) = world.until("a question of each partner", Duration::from_secs(20), both).await?;
    until_account(&world, "its question", &account, |record| record["Tandem_Sync_State__c"] == "Review").await?;
    world.tandem(&["review", "resolve", &first["id"].to_string(), "--choose", "ignore"]).await?;
    world.settled().await?;
    let shown = until_account(&world, "the other question", &account, |_| true).await?;
    assert_eq!(shown["Tandem_Sync_State__c"], "Review", "the second partner still asks: {shown}");
    // A clerk gives both partners other names: nothing fits the account any more, and nobody is asked.
    world.b1_patch("/BusinessPartners('D1')", json!({ "CardName": "Erste GmbH" })).await?;
    world.b1_patch("/BusinessPartners('D2')", json!({ "CardName": "Zweite GmbH" })).await?;
    until_account(&world, "the end of the questions", &account, |record| {
        record["Tandem_Sync_State__c"].is_null() && record["Tandem_Sync_Message__c"].is_null()
    })
    .await?;
    Ok(())
}

/// The open questions about a record.
async fn about(world: &World, key: &str) -> Result<Vec<Value>> {
    let items = world.tandem_json(&["review", "list"]).await?;
    Ok(items.as_array().into_iter().flatten().filter(|item| item["key"] == key).cloned().collect())
}

#[tokio::test]
async fn an_answer_about_one_of_two_accounts_that_fit_a_partner_ends_what_the_other_sides_asked() -> Result<()> {
    let mut world = world("").await?;
    world.settled().await?;
    world.stop().await?;
    let address = json!([{ "AddressName": "HQ", "AddressType": "bo_BillTo", "ZipCode": "12345" }]);
    world
        .b1_post("/BusinessPartners", json!({ "CardCode": "G1", "CardName": "Gemeinsam", "BPAddresses": address }))
        .await?;
    let mut accounts = Vec::new();
    for name in ["Gemeinsam AG", "Gemeinsam"] {
        accounts.push(world.create("Account", json!({ "Name": name, "BillingPostalCode": "12345" })).await?);
    }
    world.up().await?;
    // Each in a batch of its own, where it is told again.
    for account in &accounts {
        world.change("Account", account, json!({ "Phone": "+49 1" })).await?;
    }
    let all = async |world: &World| {
        let mut asked = Vec::new();
        for key in [accounts[0].as_str(), accounts[1].as_str()] {
            asked.push(!about(world, key).await?.is_empty());
        }
        Ok(asked.iter().all(|asked| *asked).then_some(()))
    };
    world.until("a question of each account", Duration::from_secs(20), all).await?;
    let question = about(&world, &accounts[0]).await?.remove(0);
    assert!(question["reason"].as_str().is_some_and(|why| why.contains("Gemeinsam, 001")), "by name: {question}");
    world.tandem(&["review", "resolve", &question["id"].to_string(), "--choose", "link with G1"]).await?;
    until_account(&world, "the answer", &accounts[0], |record| record["Tandem_Card_Code__c"] == "G1").await?;
    let over = async |world: &World| {
        let mine = about(world, &accounts[0]).await?;
        let other = about(world, &accounts[1]).await?;
        let says = |item: &Value| item["reason"].as_str().is_some_and(|why| why.contains("linked with"));
        Ok((mine.is_empty() && other.len() == 1 && other.iter().all(says)).then_some(()))
    };
    world.until("the first to ask nothing, and the second what is left", Duration::from_secs(20), over).await?;
    Ok(())
}

#[tokio::test]
async fn both_sides_changed_goes_by_policy_or_asks() -> Result<()> {
    let setup = Setup {
        plugins: vec!["accounts"],
        flows: vec![("accounts", "mapping = \"accounts.mapping.toml\"")],
        b1: FAST.into(),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    let mapping = "version = 1\n[account]\nCardName = { salesforce = \"Name\", policy = \"b1\" }\n\
                   Phone1 = { salesforce = \"Phone\", policy = \"salesforce\" }\nWebsite = { salesforce = \"Website\", policy = \"review\" }\n";
    std::fs::write(world.folder().join("accounts.mapping.toml"), mapping)?;
    world.up().await?;
    world.tandem(&["backfill", "accounts", "--yes"]).await?;
    world.settled().await?;
    world.kill().await?;
    let id = account(&world, "C00002").await?["Id"].as_str().unwrap_or_default().to_owned();
    world.change("Account", &id, json!({ "Name": "Here", "Phone": "1", "Website": "here.example" })).await?;
    world
        .b1_patch(
            "/BusinessPartners('C00002')",
            json!({ "CardName": "There", "Phone1": "2", "Website": "there.example" }),
        )
        .await?;
    world.up().await?;
    let item = question(&world, "Website").await?;
    let shown = world.tandem_json(&["review", "show", &item["id"].to_string()]).await?;
    assert_eq!(shown["detail"]["b1"]["Website / Website"], "there.example", "{shown}");
    world.tandem(&["review", "resolve", &item["id"].to_string(), "--choose", "keep Salesforce's"]).await?;
    until_partner(&world, "the answer", "C00002", |partner| {
        partner["Website"] == "here.example" && partner["Phone1"] == "1"
    })
    .await?;
    world
        .until_record("Account", "B1's name", |record| record["Id"] == id.as_str() && record["Name"] == "There")
        .await?;
    Ok(())
}

#[tokio::test]
async fn merges_and_deletes_are_followed_and_never_propagated() -> Result<()> {
    let world = world("").await?;
    world.tandem(&["backfill", "accounts", "--yes"]).await?;
    world.settled().await?;
    let loser = account(&world, "C00003").await?["Id"].as_str().unwrap_or_default().to_owned();
    let master = world.create("Account", json!({ "Name": "Master of C00003" })).await?;
    world.settled().await?;
    let (status, body) =
        world.send("POST", &format!("{}/admin/merge/Account/{master}/{loser}", world.salesforce), &json!({})).await?;
    assert!(status < 300, "{body}");
    let record = world
        .until_record("Account", "the code moves", |record| {
            record["Id"] == master.as_str() && record["Tandem_Card_Code__c"] == "C00003"
        })
        .await?;
    assert!(record["IsDeleted"] != true);
    let gone = account(&world, "C00004").await?["Id"].as_str().unwrap_or_default().to_owned();
    world.send("POST", &format!("{}/admin/delete/Account/{gone}", world.salesforce), &json!({})).await?;
    world.settled().await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    world.settled().await?;
    assert_eq!(partner(&world, "C00004").await?["Valid"], "tYES", "the partner stays");
    assert!(account(&world, "C00004").await?.is_null(), "and no new account is made for it");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rehearsal_counts_each_pair_once_whichever_side_it_is_seen_from() -> Result<()> {
    let flows = vec![("accounts", "settings = { series = 11 }")];
    let world = World::with(Setup { plugins: vec!["accounts"], flows, b1: FAST.into(), ..Setup::default() }).await?;
    let report = world.tandem_json(&["backfill", "accounts", "--dry-run"]).await?;
    let partners = world.b1_records("BusinessPartners").await?;
    let contacts: usize = partners.iter().filter_map(|own| own["ContactEmployees"].as_array()).map(Vec::len).sum();
    assert_eq!(report["links"], json!({ "account": partners.len(), "contact": contacts }), "{report:#}");
    assert_eq!(
        report["effects"],
        json!({ "change Account": partners.len(), "change Contact": contacts }),
        "{report:#}"
    );
    // What is looked at is looked at on both sides.
    assert_eq!(report["outcomes"], json!({ "done": 2 * partners.len() }), "{report:#}");
    Ok(())
}

/// A branch that a duplicate rule takes for the account that is there: the question, and the account's id.
async fn twin(world: &World, blocks: bool) -> Result<(Value, String)> {
    let id = world.create("Account", json!({ "Name": "Nordlicht Pumpen", "BillingCity": "Hamburg" })).await?;
    world.settled().await?;
    let rules = json!({ "duplicates": [{ "object": "Account", "fields": ["Name"], "blocks": blocks }] });
    world.send("PUT", &format!("{}/admin/rules", world.salesforce), &rules).await?;
    world
        .b1_post(
            "/BusinessPartners",
            json!({ "CardCode": "N1", "CardName": "Nordlicht Pumpen", "CardType": "cCustomer" }),
        )
        .await?;
    Ok((question(world, "duplicate rule").await?, id))
}

async fn answer(world: &World, asked: &Value, choice: &str) -> Result<()> {
    world.tandem(&["review", "resolve", &asked["id"].to_string(), "--choose", choice]).await?;
    world.settled().await
}

#[tokio::test]
async fn a_duplicate_rule_is_overruled_or_the_account_that_it_names_is_taken() -> Result<()> {
    let alerted = world("").await?;
    let (asked, id) = twin(&alerted, false).await?;
    let link = format!("link with {id}");
    assert_eq!(asked["choices"], json!([link, "create all the same", "ignore"]));
    answer(&alerted, &asked, "create all the same").await?;
    let made = account(&alerted, "N1").await?;
    assert!(made["Name"] == "Nordlicht Pumpen" && made["Id"] != id.as_str(), "{made}");

    let blocked = world("").await?;
    let (asked, id) = twin(&blocked, true).await?;
    answer(&blocked, &asked, "create all the same").await?;
    let asked = question(&blocked, "blocks").await?;
    let link = format!("link with {id}");
    assert_eq!(asked["choices"], json!([link, "ignore"]));
    // As another branch of the same firm.
    answer(&blocked, &asked, &link).await?;
    assert_eq!(account(&blocked, "N1").await?["Id"], id.as_str());
    Ok(())
}

#[tokio::test]
async fn a_contact_that_the_integration_user_no_longer_sees_stays_active_in_b1() -> Result<()> {
    let world = world("").await?;
    world.tandem(&["backfill", "accounts", "--yes"]).await?;
    world.settled().await?;
    let account = account(&world, "C00001").await?["Id"].as_str().unwrap_or_default().to_owned();
    let contacts = world.records("Contact").await?;
    let own = contacts.into_iter().find(|contact| contact["AccountId"] == account.as_str()).unwrap_or_default();
    let url = format!("{}/admin/rules", world.salesforce);
    world.send("PUT", &url, &json!({ "integration": { "unshared": [own["Id"]] } })).await?;
    world.change("Account", &account, json!({ "Phone": "+49 40 1" })).await?;
    until_partner(&world, "the phone", "C00001", |partner| partner["Phone1"] == "+49 40 1").await?;
    world.settled().await?;
    let partner = partner(&world, "C00001").await?;
    let active = partner["ContactEmployees"].as_array().into_iter().flatten().map(|row| row["Active"].clone());
    assert_eq!(active.filter(|active| active == "tNO").count(), 0, "what is not seen is not gone");
    Ok(())
}

/// A partner was made and the rest of the run was refused, or its answer was lost: it is the account's own.
#[tokio::test]
async fn a_partner_made_for_an_account_is_known_again_without_a_question() -> Result<()> {
    let world = world("settings = { series = 1, create_in_b1 = \"all\" }").await?;
    let refuses = "Name = 'Vulkan Fasern' AND Tandem_Card_Code__c != null";
    let rule = json!([{ "object": "Account", "condition": refuses, "message": "no", "field": "Name" }]);
    world.send("PUT", &format!("{}/admin/rules", world.salesforce), &json!({ "validations": rule })).await?;
    let fields = json!({ "Name": "Vulkan Fasern", "Tandem_Email__c": "a@vulkanfasern.example", "Phone": "1" });
    let id = world.create("Account", fields).await?;
    let item = question(&world, "no").await?;
    world.send("PUT", &format!("{}/admin/rules", world.salesforce), &json!({ "validations": [] })).await?;
    // A rep goes on meanwhile; what he says stays.
    world.change("Account", &id, json!({ "Phone": "222" })).await?;
    world.tandem(&["review", "resolve", "--choose", "retry", &item["id"].to_string()]).await?;
    let linked = world
        .until_record("Account", "its code", |own| own["Id"] == id.as_str() && own["Tandem_Card_Code__c"].is_string());
    let linked = linked.await?;
    world.settled().await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    let own = |partner: &Value| partner["U_SF_Id"] == id.as_str();
    let partners: Vec<Value> = world.b1_records("BusinessPartners").await?.into_iter().filter(own).collect();
    assert_eq!(partners.len(), 1, "{partners:?}");
    assert_eq!(linked["Tandem_Card_Code__c"], partners[0]["CardCode"]);
    until_partner(&world, "the phone", linked["Tandem_Card_Code__c"].as_str().unwrap_or_default(), |own| {
        own["Phone1"] == "222"
    })
    .await?;
    Ok(())
}

/// As many as are asked for in several queries: each account says by its code whose it is, and nothing weaker is looked for.
#[tokio::test]
async fn accounts_that_carry_their_codes_are_linked_in_few_calls_and_without_a_question() -> Result<()> {
    const CUSTOMERS: usize = 1_000;
    let many = || vec!["--customers".to_owned(), CUSTOMERS.to_string()];
    let setup = Setup {
        plugins: vec!["accounts"],
        b1: "poll_seconds = 3600".into(),
        b1_arguments: many(),
        salesforce_arguments: many(),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    let before = world.records("Account").await?.len();
    world.up().await?;
    world.settled().await?;
    let calls = async |world: &World| -> Result<u64> {
        let calls = world.calls(&world.salesforce).await?;
        Ok(calls.as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum())
    };
    let begin = calls(&world).await?;
    world.tandem(&["backfill", "accounts", "--yes"]).await?;
    world.settled().await?;
    let used = calls(&world).await? - begin;
    println!("{used} calls for {before} accounts");
    let accounts = world.records("Account").await?;
    assert_eq!(accounts.len(), before, "none is made");
    assert!(accounts.iter().all(|own| own["Tandem_Partner_Type__c"].is_string()), "all are linked");
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    // 20,000 have 400; what a fault strikes is asked again.
    assert!(tandem_e2e::faults_rate().is_some() || used * 50 < CUSTOMERS as u64 * 3 / 2, "{used} calls");
    Ok(())
}

/// The link moves with the first try; what is written behind that may fail and is tried again.
#[tokio::test]
async fn a_merge_whose_answer_is_lost_ends_as_any_other() -> Result<()> {
    let world = world("").await?;
    world.tandem(&["backfill", "accounts", "--yes"]).await?;
    world.settled().await?;
    let loser = account(&world, "C00003").await?["Id"].as_str().unwrap_or_default().to_owned();
    let master = world.create("Account", json!({ "Name": "Master of C00003", "Phone": "+49 40 1" })).await?;
    world.settled().await?;
    let lost = |path: &str| json!({ "path": path, "kind": "reset-after", "times": 1 });
    world.b1_faults(json!([lost("/b1s/v2/$batch"), lost("/b1s/v2/BusinessPartners('C00003')")])).await?;
    let (status, body) =
        world.send("POST", &format!("{}/admin/merge/Account/{master}/{loser}", world.salesforce), &json!({})).await?;
    assert!(status < 300, "{body}");
    let moved = |own: &Value| own["Id"] == master.as_str() && own["Tandem_Card_Code__c"] == "C00003";
    world.until_record("Account", "the code moves", moved).await?;
    world.settled().await?;
    assert!(world.log().contains("the answer was lost"), "{}", world.log());
    assert_eq!(partner(&world, "C00003").await?["Phone1"], "+49 40 1");
    Ok(())
}
