//! What an org has that others lack: state and country picklists, person accounts, several currencies.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

async fn world(settings: Value) -> Result<World> {
    let setup = Setup {
        plugins: vec!["accounts"],
        flows: vec![("accounts", "settings = { series = 11, create_in_b1 = \"all\" }")],
        b1: "poll_seconds = 1".into(),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    world.salesforce_settings(settings).await?;
    world.up().await?;
    // Behind the first look at B1's clock.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    Ok(world)
}

fn partner(code: &str, country: Value, state: Value) -> Value {
    json!({ "CardCode": code, "CardName": format!("Firm {code}"), "CardType": "cCustomer", "BPAddresses": [
        { "AddressName": "Main", "AddressType": "bo_BillTo", "City": "X", "Country": country, "State": state },
    ] })
}

async fn account_of(world: &World, code: &str) -> Result<Value> {
    world.until_record("Account", code, |record| record["Tandem_Card_Code__c"] == code).await
}

async fn partner_of(world: &World, name: &str) -> Result<Value> {
    let look = async |world: &World| {
        let all = world.b1_records("BusinessPartners").await?;
        Ok(all.into_iter().find(|own| own["CardName"] == name))
    };
    world.until(&format!("the partner {name}"), Duration::from_secs(30), look).await
}

fn address(partner: &Value) -> (Value, Value) {
    (partner["BPAddresses"][0]["Country"].clone(), partner["BPAddresses"][0]["State"].clone())
}

async fn questions(world: &World) -> Result<Vec<String>> {
    let events = world.tandem_json(&["events", "list", "--state", "review"]).await?;
    let reason = |event: &Value| event["reason"].as_str().map(str::to_owned);
    Ok(events.as_array().into_iter().flatten().filter_map(reason).collect())
}

async fn used(world: &World) -> Result<String> {
    let findings = world.tandem_json(&["mapping", "check"]).await?;
    let told = findings.as_array().into_iter().flatten().filter_map(|finding| finding["problem"].as_str());
    let told: Vec<&str> = told.filter(|problem| !problem.starts_with("not checked")).collect();
    Ok(told.join("; "))
}

#[tokio::test]
async fn an_org_with_country_picklists_gets_codes_both_ways() -> Result<()> {
    let world = world(json!({ "country_picklists": true })).await?;
    assert!(used(&world).await?.contains("address_codes"), "{}", used(&world).await?);
    world.b1_post("/BusinessPartners", partner("PL1", json!("US"), json!("CA"))).await?;
    let account = account_of(&world, "PL1").await?;
    assert_eq!((&account["BillingCountry"], &account["BillingState"]), (&json!("United States"), &json!("California")));
    world.create("Account", json!({ "Name": "Wortland GmbH", "BillingCountry": "Germany" })).await?;
    assert_eq!(address(&partner_of(&world, "Wortland GmbH").await?).0, "DE");
    let id = account["Id"].as_str().unwrap_or_default();
    world.change("Account", id, json!({ "BillingCountryCode": "AT", "BillingStateCode": null })).await?;
    let moved = async |world: &World| {
        let own = partner_of(world, "Firm PL1").await?;
        Ok((address(&own).0 == "AT").then_some(own))
    };
    world.until("the partner to move", Duration::from_secs(30), moved).await?;
    world.settled().await?;
    // A country whose states the org does not have: B1 keeps them for itself.
    world.b1_post("/BusinessPartners", partner("PL3", json!("DE"), json!("BY"))).await?;
    let account = account_of(&world, "PL3").await?;
    assert_eq!((&account["BillingCountry"], &account["BillingState"]), (&json!("Germany"), &Value::Null));
    world.change("Account", account["Id"].as_str().unwrap_or_default(), json!({ "Website": "pl3.example" })).await?;
    let told = async |world: &World| {
        let own = partner_of(world, "Firm PL3").await?;
        Ok((own["Website"] == "pl3.example").then_some(own))
    };
    let own = world.until("its website", Duration::from_secs(30), told).await?;
    assert_eq!(address(&own), (json!("DE"), json!("BY")));
    // Switched off while the host runs: nobody is asked, and the next change goes as a name.
    world.salesforce_settings(json!({})).await?;
    world.b1_post("/BusinessPartners", partner("PL2", json!("US"), json!("NY"))).await?;
    let account = account_of(&world, "PL2").await?;
    assert_eq!((&account["BillingCountry"], &account["BillingState"]), (&json!("United States"), &json!("New York")));
    assert_eq!(questions(&world).await?, Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn an_org_without_gets_names_both_ways_and_a_persons_spelling_stays() -> Result<()> {
    let world = world(json!({})).await?;
    assert!(used(&world).await?.contains("address_words"), "{}", used(&world).await?);
    world.b1_post("/BusinessPartners", partner("WO1", json!("US"), json!("CA"))).await?;
    world.b1_post("/BusinessPartners", partner("WO2", json!(""), json!(""))).await?;
    let account = account_of(&world, "WO1").await?;
    assert_eq!((&account["BillingCountry"], &account["BillingState"]), (&json!("United States"), &json!("California")));
    assert_eq!(account_of(&world, "WO2").await?["BillingCountry"], Value::Null);
    world.create("Account", json!({ "Name": "Kurz AG", "BillingCountry": "deu" })).await?;
    assert_eq!(address(&partner_of(&world, "Kurz AG").await?).0, "DE");
    // Looked at again, what the person wrote is still there, and later changes go their way.
    world.settled().await?;
    let own = partner_of(&world, "Kurz AG").await?;
    let code = own["CardCode"].as_str().unwrap_or_default();
    world.b1_patch(&format!("/BusinessPartners('{code}')"), json!({ "Website": "kurz.example" })).await?;
    let account = world.until_record("Account", "its website", |record| record["Website"] == "kurz.example").await?;
    assert_eq!(account["BillingCountry"], "deu");
    world.change("Account", account["Id"].as_str().unwrap_or_default(), json!({ "BillingCountry": "France" })).await?;
    let moved = async |world: &World| {
        let own = partner_of(world, "Kurz AG").await?;
        Ok((address(&own).0 == "FR").then_some(()))
    };
    world.until("the partner to move", Duration::from_secs(30), moved).await?;
    world.settled().await?;
    assert_eq!(questions(&world).await?, Vec::<String>::new());

    // What is no country is one question, by name of record and field.
    world.create("Account", json!({ "Name": "Anders GmbH", "BillingCountry": "Schlaraffenland" })).await?;
    world.until("a question", Duration::from_secs(30), async |world: &World| Ok(questions(world).await?.pop())).await?;
    world.settled().await?;
    let asked = questions(&world).await?;
    let words = ["Anders GmbH", "BillingCountry", "BillTo.Country", "Schlaraffenland"];
    assert!(asked.len() == 1 && words.iter().all(|word| asked[0].contains(word)), "{asked:?}");
    Ok(())
}

#[tokio::test]
async fn a_person_account_gets_its_two_names_and_keeps_its_own_contact() -> Result<()> {
    let world = world(json!({ "person_accounts": true })).await?;
    let id = world.create("Account", json!({ "FirstName": "Erika", "LastName": "Muster", "Phone": "1" })).await?;
    let own = partner_of(&world, "Erika Muster").await?;
    world.settled().await?;
    let code = own["CardCode"].as_str().unwrap_or_default();
    let change = json!({ "CardName": "Beispiel, Erika", "Phone1": "+49 40 998877", "Website": "muster.example" });
    world.b1_patch(&format!("/BusinessPartners('{code}')"), change).await?;
    let account = world
        .until_record("Account", "the new name", |record| {
            record["Id"] == id.as_str() && record["LastName"] == "Beispiel"
        })
        .await?;
    assert_eq!((&account["FirstName"], &account["Name"]), (&json!("Erika"), &json!("Erika Beispiel")));
    assert_eq!((&account["Phone"], &account["Website"]), (&json!("+49 40 998877"), &json!("muster.example")));
    // The other way, and the spelling with a comma is no change.
    world.change("Account", &id, json!({ "Phone": "2" })).await?;
    let told = async |world: &World| {
        let all = world.b1_records("BusinessPartners").await?;
        Ok(all.into_iter().find(|own| own["CardCode"] == code && own["Phone1"] == "2"))
    };
    let own = world.until("the phone", Duration::from_secs(30), told).await?;
    assert_eq!(own["CardName"], "Beispiel, Erika");
    world.change("Account", &id, json!({ "LastName": "Vorbild" })).await?;
    partner_of(&world, "Erika Vorbild").await?;
    world.settled().await?;
    assert_eq!(questions(&world).await?, Vec::<String>::new());
    let contacts = world.records("Contact").await?;
    assert_eq!(contacts.iter().filter(|contact| contact["AccountId"] == id.as_str()).count(), 1, "the one behind it");
    Ok(())
}

/// What `tandem check` finds wrong of currencies.
async fn wrong_currencies(world: &World) -> Result<Vec<String>> {
    let (_, checked, _) = world.tandem_raw(&["check"]).await?;
    let wrong = checked.lines().filter(|line| line.contains("currencies of crm") && line.contains("WRONG"));
    Ok(wrong.map(str::to_owned).collect())
}

#[tokio::test]
async fn an_org_with_one_currency_is_told_from_one_with_several_either_way_and_has_its_orders() -> Result<()> {
    let several = World::new().await?;
    assert_eq!(wrong_currencies(&several).await?, Vec::<String>::new());
    several.salesforce_settings(json!({ "one_currency": true })).await?;
    let wrong = wrong_currencies(&several).await?;
    assert!(wrong.len() == 1 && wrong[0].contains("multi_currency = false"), "{wrong:?}");
    let flow = "settings = { multi_currency = false, currency = \"EUR\" }".into();
    let mut one = World::with(Setup { flow, ..Setup::default() }).await?;
    let wrong = wrong_currencies(&one).await?;
    assert!(wrong.len() == 1 && wrong[0].contains("speak of one"), "{wrong:?}");
    let ids = one.opportunities(1).await?;
    one.salesforce_settings(json!({ "one_currency": true })).await?;
    assert_eq!(wrong_currencies(&one).await?, Vec::<String>::new());
    one.up().await?;
    one.win(&ids[0]).await?;
    one.until_all_told(&ids, Duration::from_secs(30)).await?;
    one.assert_exactly_once(&ids).await
}
