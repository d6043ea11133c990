//! Two B1 companies with the same codes for different things, in one org: nothing mixes.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tandem_e2e::{Setup, World, simulator};

#[tokio::test]
async fn two_companies_with_the_same_codes_share_an_org_and_never_mix() -> Result<()> {
    let setup = Setup {
        plugins: vec!["orders", "accounts", "catalogue", "credit"],
        flow: "settings = { only_field = \"Tandem_Order_Notes__c\", only_value = \"\" }".into(),
        flows: vec![("accounts", "settings = { series = 11, only_field = \"Industry\", only_value = \"EU\" }")],
        b1: "poll_seconds = 1\nprice_scan_seconds = 1".into(),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    world.grant(&["Account.Industry"]).await?;
    let arguments = ["--listen", "127.0.0.1:0", "--seed", "2"].map(str::to_owned);
    let (_us, address) = simulator("tandem-sim-b1", &arguments, &world.folder().join("us.address"), 1).await?;
    let us = address[0].clone();
    let path = world.folder().join("tandem.toml");
    let mut config = std::fs::read_to_string(&path)?;
    config.push_str(&format!(
        "[b1.us]\nurl = \"{us}/b1s/v2\"\ncompany = \"SBODEMO\"\nuser = \"tandem\"\npassword = {{ file = \"b1.password\" }}\npoll_seconds = 1\nprice_scan_seconds = 1\n"
    ));
    for (flow, plugin, more) in [
        ("orders-us", "orders", ", only_field = \"Tandem_Order_Notes__c\", only_value = \"us\""),
        ("accounts-us", "accounts", ", series = 11, only_field = \"Industry\", only_value = \"US\""),
        ("catalogue-us", "catalogue", ""),
        ("credit-us", "credit", ""),
    ] {
        config.push_str(&format!(
            "[flows.{flow}]\nplugin = \"{plugin}\"\nconnections = {{ b1 = \"us\", salesforce = \"crm\" }}\nsettings = {{ key_prefix = \"us:\"{more} }}\n"
        ));
    }
    std::fs::write(&path, config)?;
    world.tandem(&["init"]).await?;
    world.up().await?;
    tokio::time::sleep(Duration::from_millis(1_500)).await;

    // C00001 of each is another customer, A00001 another item.
    let second = Company { world: &world, address: us };
    second.call("PATCH", "/BusinessPartners('C00001')", json!({ "CardName": "Overseas Inc", "FederalTaxID": "US1", "Phone1": "1", "EmailAddress": "x@overseas.example" })).await?;
    second.call("PATCH", "/Items('A00001')", json!({ "ItemName": "Overseas item" })).await?;
    world.b1_patch("/Items('A00001')", json!({ "ItemName": "First item" })).await?;
    let theirs = |record: &Value| record["Tandem_Card_Code__c"] == "us:C00001" && record["Name"] == "Overseas Inc";
    let overseas = world.until_record("Account", "the second company's", theirs).await?;
    let accounts = world.records("Account").await?;
    let first = accounts.iter().find(|record| record["Tandem_Card_Code__c"] == "C00001").expect("the first company's");
    assert_ne!(first["Id"], overseas["Id"]);
    assert_ne!(first["Name"], "Overseas Inc");
    world.b1_patch("/BusinessPartners('C00001')", json!({ "Phone1": "+49 1" })).await?;
    world
        .until_record("Account", "the first company's phone", |record| {
            record["Id"] == first["Id"] && record["Phone"] == "+49 1"
        })
        .await?;
    let account = world.until_record("Account", "still the second's", |record| record["Id"] == overseas["Id"]).await?;
    assert_eq!(account["Phone"], "1");

    // An order goes to the company the opportunity names, and to no other.
    let sell = async |code: &'static str| -> Result<String> {
        let product = world.until_record("Product2", code, |own| own["Tandem_Item_Code__c"] == code).await?;
        let standard = world.until_record("Pricebook2", "the standard book", |own| own["IsStandard"] == true).await?;
        let entry = world
            .until_record("PricebookEntry", code, |own| {
                own["Product2Id"] == product["Id"]
                    && own["CurrencyIsoCode"] == "EUR"
                    && own["Pricebook2Id"] != standard["Id"]
            })
            .await?;
        let fields = json!({ "Name": code, "StageName": "Prospecting", "CloseDate": "2027-03-01", "CurrencyIsoCode": "EUR",
            "AccountId": overseas["Id"], "Pricebook2Id": entry["Pricebook2Id"], "Tandem_Order_Notes__c": "us" });
        let id = world.create("Opportunity", fields).await?;
        let line = json!({ "OpportunityId": id, "PricebookEntryId": entry["Id"], "Quantity": 1, "UnitPrice": 10, "SortOrder": 1 });
        world.create("OpportunityLineItem", line).await?;
        world.win(&id).await?;
        Ok(id)
    };
    // The first company's item of the same code is not taken for the second's.
    let held = world.until_state(&sell("A00001").await?, "Review").await?;
    let message = held["Tandem_Sync_Message__c"].as_str().unwrap_or_default();
    assert!(message.contains("A00001 is an item of another company"), "{message}");
    let id = sell("us:A00001").await?;
    world.until_state(&id, "Synced").await?;
    world.settled().await?;
    assert_eq!(world.orders_of(&id).await?.len(), 0, "not in the first company");
    let orders = world.get(&format!("{}/admin/records/Orders", second.address)).await?;
    let mine: Vec<&Value> =
        orders.as_array().into_iter().flatten().filter(|order| order["U_SF_Id"] == id.as_str()).collect();
    assert_eq!(mine.len(), 1);
    assert_eq!(mine[0]["CardCode"], "C00001");
    Ok(())
}

/// The second company's clerk.
struct Company<'a> {
    world: &'a World,
    address: String,
}

impl Company<'_> {
    async fn call(&self, method: &str, path: &str, body: Value) -> Result<()> {
        self.world.service_layer(&self.address, method, path, body).await.map(|_| ())
    }
}
