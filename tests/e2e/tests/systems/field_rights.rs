//! The integration user lacks a right on a field or an object: every place that meets it names what, and the permission set.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tandem_e2e::{ALL, Setup, World};

const SET: &str = "Tandem Integration";

async fn lacks(world: &World, rights: Value) -> Result<()> {
    let url = format!("{}/admin/rules", world.salesforce);
    let (status, body) = world.send("PUT", &url, &json!({ "integration": rights })).await?;
    assert_eq!(status, 200, "{body}");
    Ok(())
}

/// What the host's user does by itself.
struct Integration<'a> {
    world: &'a World,
    client: reqwest::Client,
    token: String,
}

impl<'a> Integration<'a> {
    async fn sign_in(world: &'a World) -> Result<Self> {
        let form = "grant_type=client_credentials&client_id=tandem&client_secret=tandem-secret";
        let client = reqwest::Client::builder().no_proxy().build()?;
        let answer = client.post(format!("{}/services/oauth2/token", world.salesforce)).body(form).send().await?;
        let token: Value = serde_json::from_str(&answer.text().await?)?;
        Ok(Self { world, client, token: token["access_token"].as_str().unwrap_or_default().to_owned() })
    }

    async fn call(&self, method: &str, below: &str, body: Value) -> Result<(u16, Value)> {
        let url = format!("{}/services/data/v64.0{below}", self.world.salesforce);
        let request = self.client.request(method.parse()?, url).bearer_auth(&self.token);
        let answer = request.header("content-type", "application/json").body(body.to_string()).send().await?;
        let status = answer.status().as_u16();
        Ok((status, serde_json::from_str(&answer.text().await?).unwrap_or_default()))
    }
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

/// What is below an account is shared as the account is.
#[tokio::test]
async fn a_detail_of_an_account_that_is_not_shared_is_not_there() -> Result<()> {
    let world = World::with(Setup { plugins: Vec::new(), init: false, ..Setup::default() }).await?;
    let (seen, unseen) = (
        world.create("Account", json!({ "Name": "Seen" })).await?,
        world.create("Account", json!({ "Name": "Unseen" })).await?,
    );
    let mut invoices = Vec::new();
    for (place, account) in [&seen, &unseen].into_iter().enumerate() {
        let fields =
            json!({ "Name": "Invoice", "Tandem_Key__c": format!("erp:13:{place}"), "Tandem_Account__c": account });
        invoices.push(world.create("Tandem_Invoice__c", fields).await?);
    }
    lacks(&world, json!({ "unshared": [unseen] })).await?;
    let org = Integration::sign_in(&world).await?;
    let (_, found) = org.call("GET", "/query?q=SELECT+Id+FROM+Tandem_Invoice__c", Value::Null).await?;
    assert_eq!((&found["totalSize"], &found["records"][0]["Id"]), (&json!(1), &json!(invoices[0])), "{found}");
    let path = format!("/sobjects/Tandem_Invoice__c/{}", invoices[1]);
    let (status, body) = org.call("PATCH", &path, json!({ "Tandem_Number__c": "1" })).await?;
    assert_eq!((status, &body[0]["errorCode"]), (400, &json!("INSUFFICIENT_ACCESS_OR_READONLY")), "{body}");
    let below = json!({ "Name": "Invoice", "Tandem_Account__c": unseen });
    let (_, body) = org.call("POST", "/sobjects/Tandem_Invoice__c", below).await?;
    assert_eq!(body[0]["errorCode"], "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "{body}");
    Ok(())
}

/// A package brings no rights on standard objects, nor on what is below them.
#[tokio::test]
async fn an_org_with_the_package_alone_is_told_which_rights_the_integration_user_lacks() -> Result<()> {
    let sets = |names: &str| vec!["--permission-sets".to_owned(), names.to_owned()];
    let setup = Setup {
        plugins: ALL.to_vec(),
        init: false,
        salesforce_arguments: sets("Tandem_Integration"),
        ..Setup::default()
    };
    let world = World::with(setup).await?;
    let (code, checked, _) = world.tandem_raw(&["check"]).await?;
    assert_eq!(code, 3, "{checked}");
    for object in ["Account", "Contact", "Opportunity", "Case", "Product2", "Pricebook2", "Tandem_Invoice__c"] {
        let named = |line: &&str| line.contains(object) && line.contains("may not read it: permission set");
        let line = checked.lines().find(named).unwrap_or_default();
        assert!(line.contains("Tandem Integration: standard objects"), "{object}: {checked}");
    }
    let world = World::with(Setup { plugins: ALL.to_vec(), ..Setup::default() }).await?;
    let (_, checked, _) = world.tandem_raw(&["check"]).await?;
    assert!(checked.contains("give all that is needed"), "{checked}");
    Ok(())
}

/// The host's user deletes and makes nothing that its sets do not give, whoever asks it to.
#[tokio::test]
async fn the_integration_user_makes_and_deletes_only_what_its_sets_give() -> Result<()> {
    let world = World::with(Setup { plugins: Vec::new(), init: false, ..Setup::default() }).await?;
    let account = world.create("Account", json!({ "Name": "Kept" })).await?;
    let org = Integration::sign_in(&world).await?;
    let (status, body) = org.call("DELETE", &format!("/sobjects/Account/{account}"), Value::Null).await?;
    assert_eq!((status, &body[0]["errorCode"]), (400, &json!("INSUFFICIENT_ACCESS_OR_READONLY")), "{body}");
    let opportunity = json!({ "Name": "x", "StageName": "Prospecting", "CloseDate": "2026-01-31" });
    let (status, body) = org.call("POST", "/sobjects/Opportunity", opportunity).await?;
    assert_eq!((status, &body[0]["errorCode"]), (400, &json!("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY")), "{body}");
    let (status, body) = org.call("GET", "/query?q=SELECT+Id+FROM+Lead", Value::Null).await?;
    assert_eq!((status, &body[0]["errorCode"]), (400, &json!("INVALID_TYPE")), "{body}");
    for (object, field) in [
        ("OpportunityLineItem", "ProductCode"),
        ("OpportunityLineItem", "ListPrice"),
        ("Opportunity", "ExpectedRevenue"),
    ] {
        let (status, body) = org.call("GET", &format!("/query?q=SELECT+{field}+FROM+{object}"), Value::Null).await?;
        assert_eq!((status, &body[0]["errorCode"]), (400, &json!("INVALID_FIELD")), "{body}");
    }
    let (status, _) = org.call("GET", "/sobjects/Lead/describe", Value::Null).await?;
    assert_eq!(status, 404);
    let (status, body) =
        org.call("PATCH", &format!("/sobjects/Account/{account}"), json!({ "Industry": "Energy" })).await?;
    assert_eq!((status, &body[0]["errorCode"]), (400, &json!("INVALID_FIELD")), "{body}");
    let (status, _) = org.call("PATCH", &format!("/sobjects/Account/{account}"), json!({ "Phone": "1" })).await?;
    assert_eq!(status, 204);
    Ok(())
}
