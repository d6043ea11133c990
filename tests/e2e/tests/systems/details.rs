//! What hangs on an account goes with it: invoices and payments are details of their account, in the org and for the host.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

/// What a person does to a record: `delete`, `undelete`, `merge/<object>/<master>`.
async fn person(world: &World, act: &str) -> Result<()> {
    let (status, body) = world.send("POST", &format!("{}/admin/{act}", world.salesforce), &json!({})).await?;
    anyhow::ensure!(status < 300, "{act}: {status} {body}");
    Ok(())
}

async fn one(world: &World, object: &str, id: &str) -> Result<Value> {
    let found = world.records(object).await?.into_iter().find(|record| record["Id"] == id);
    found.with_context(|| format!("{object} {id}"))
}

#[tokio::test]
async fn details_need_an_account_go_and_come_back_with_it_and_move_with_a_merge() -> Result<()> {
    let world = World::with(Setup { plugins: Vec::new(), init: false, ..Setup::default() }).await?;
    let alone = json!({ "Name": "Invoice 1", "Tandem_Key__c": "erp:13:1" });
    let refused = world.create("Tandem_Invoice__c", alone).await.map_err(|error| error.to_string());
    assert!(refused.is_err_and(|why| why.contains("REQUIRED_FIELD_MISSING")));
    let account = world.create("Account", json!({ "Name": "Gone" })).await?;
    let other = world.create("Account", json!({ "Name": "Stays" })).await?;
    let below = json!({ "Name": "Invoice 1", "Tandem_Key__c": "erp:13:1", "Tandem_Account__c": account });
    let invoice = world.create("Tandem_Invoice__c", below).await?;
    let paid = json!({ "Name": "Payment 1", "Tandem_Account__c": account, "Tandem_Invoice__c": invoice });
    let payment = world.create("Tandem_Payment__c", paid).await?;
    let alone = world.change("Tandem_Invoice__c", &invoice, json!({ "Tandem_Account__c": null })).await;
    assert!(alone.is_err_and(|why| why.to_string().contains("REQUIRED_FIELD_MISSING")));

    person(&world, &format!("delete/Account/{account}")).await?;
    for (object, id) in [("Tandem_Invoice__c", &invoice), ("Tandem_Payment__c", &payment)] {
        assert_eq!(one(&world, object, id).await?["IsDeleted"], true, "{object}");
    }
    person(&world, &format!("undelete/Account/{account}")).await?;
    for (object, id) in [("Tandem_Invoice__c", &invoice), ("Tandem_Payment__c", &payment)] {
        assert_eq!(one(&world, object, id).await?["IsDeleted"], false, "{object}");
    }
    assert_eq!(one(&world, "Tandem_Payment__c", &payment).await?["Tandem_Invoice__c"], invoice.as_str());

    person(&world, &format!("merge/Account/{other}/{account}")).await?;
    assert_eq!(one(&world, "Tandem_Invoice__c", &invoice).await?["Tandem_Account__c"], other.as_str());
    Ok(())
}

/// An account that is deleted takes its invoices along; restored, or made anew under another id, it shows them again.
#[tokio::test]
async fn an_account_that_comes_back_has_its_invoices_again_and_nobody_is_asked() -> Result<()> {
    let b1 = "poll_seconds = 1\ntime_zone = \"Europe/Berlin\"".to_owned();
    let mut world = World::with(Setup { plugins: vec!["invoices"], b1, ..Setup::default() }).await?;
    world.up().await?;
    let all = world.records("Account").await?;
    let own = all.into_iter().find(|own| own["Tandem_Card_Code__c"] == "C00033").context("the customer")?;
    let account = own["Id"].as_str().unwrap_or_default().to_owned();
    let line = json!({ "ItemCode": "A00001", "Quantity": 1, "UnitPrice": 100 });
    let made = world.b1_post("/Invoices", json!({ "CardCode": "C00033", "DocumentLines": [line] })).await?;
    let under = |account: String, status: &'static str| {
        move |own: &Value| {
            own["Tandem_Account__c"] == account.as_str()
                && own["Tandem_Status__c"] == status
                && own["IsDeleted"] == false
        }
    };
    world.until_record("Tandem_Invoice__c", "the invoice", under(account.clone(), "Open")).await?;
    world.settled().await?;

    person(&world, &format!("delete/Account/{account}")).await?;
    person(&world, &format!("undelete/Account/{account}")).await?;
    let due = |day: &str| json!({ "DocDueDate": day });
    let looked_at = format!("/Invoices({})", made["DocEntry"]);
    world.b1_patch(&looked_at, due("2099-01-01")).await?;
    let shows = |account: String, day: &'static str| {
        let under = under(account, "Open");
        move |own: &Value| under(own) && own["Tandem_Due_Date__c"] == day
    };
    world.until_record("Tandem_Invoice__c", "followed", shows(account.clone(), "2099-01-01")).await?;

    // The customer's number moves to another account: so do its records.
    world.change("Account", &account, json!({ "Tandem_Card_Code__c": null })).await?;
    let second = world.create("Account", json!({ "Name": "Second", "Tandem_Card_Code__c": "C00033" })).await?;
    world.b1_patch(&looked_at, due("2099-01-02")).await?;
    world.until_record("Tandem_Invoice__c", "moved", shows(second.clone(), "2099-01-02")).await?;

    // Gone for good, it is made anew under another id.
    person(&world, &format!("delete/Account/{second}")).await?;
    let third = world.create("Account", json!({ "Name": "Third", "Tandem_Card_Code__c": "C00033" })).await?;
    world.b1_patch(&looked_at, due("2099-01-03")).await?;
    world.until_record("Tandem_Invoice__c", "made again", shows(third, "2099-01-03")).await?;
    world.settled().await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}
