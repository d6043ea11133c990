//! What a person ignored is the opportunity as it stood at that moment: whatever comes later makes no second order beside the one that he
//! made by hand. What he changes or wants goes on, and is never lost.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

const PATIENCE: Duration = Duration::from_secs(30);
const NIGHT: &str = "client_secret = { file = \"salesforce.secret\" }\nreport_seconds = 1";

/// Orders alone, with what a night needs.
async fn world(settings: &str) -> Result<World> {
    let b1 = "poll_seconds = 1\ntime_zone = \"Europe/Berlin\"".into();
    let flow = format!("settings = {{ {settings} }}");
    let mut world = World::with(Setup { flow, b1, salesforce: NIGHT.into(), ..Setup::default() }).await?;
    world.up().await?;
    Ok(world)
}

/// Accounts get no partner by themselves: a person links them. The world, and an account without one.
async fn unlinked() -> Result<(World, String)> {
    let setup = Setup {
        plugins: vec!["orders", "accounts"],
        flows: vec![("accounts", "settings = { create_in_b1 = \"never\", create_in_salesforce = false }")],
        flow: "settings = { credit_check = false }".into(),
        b1: "poll_seconds = 1\ntime_zone = \"Europe/Berlin\"".into(),
        salesforce: NIGHT.into(),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    world.up().await?;
    let account = world.create("Account", json!({ "Name": "Nordlicht" })).await?;
    world.settled().await?;
    Ok((world, account))
}

/// The account gets its customer.
async fn link(world: &World, account: &str) -> Result<()> {
    let partner = json!({ "CardCode": "W1", "CardName": "Quarz", "CardType": "cCustomer", "Currency": "##" });
    world.b1_post("/BusinessPartners", partner).await?;
    world.change("Account", account, json!({ "Tandem_Card_Code__c": "W1" })).await
}

async fn won(world: &World, account: &Value) -> Result<String> {
    let id = world.opportunities(1).await?.remove(0);
    world.change("Opportunity", &id, json!({ "AccountId": account })).await?;
    world.settled().await?;
    world.win(&id).await?;
    Ok(id)
}

async fn events(world: &World, id: &str, state: &str) -> Result<usize> {
    let events = world.tandem_json(&["events", "list", "--key", id, "--state", state]).await?;
    Ok(events.as_array().map_or(0, Vec::len))
}

async fn until_events(world: &World, id: &str, state: &str, count: usize) -> Result<()> {
    let look = async |world: &World| Ok((events(world, id, state).await? >= count).then_some(()));
    world.until(&format!("at least {count} events {state}"), PATIENCE, look).await
}

/// What became of one of its events.
async fn told(world: &World, id: &str, words: &str) -> Result<()> {
    let one = async |world: &World| {
        let events = world.tandem_json(&["events", "list", "--key", id]).await?;
        let mut events = events.as_array().into_iter().flatten();
        Ok(events.any(|event| event["reason"].as_str().is_some_and(|reason| reason.contains(words))).then_some(()))
    };
    world.until(words, PATIENCE, one).await
}

async fn question(world: &World, words: &str) -> Result<Value> {
    let look = async |world: &World| {
        let items = world.tandem_json(&["review", "list"]).await?;
        let mut items = items.as_array().into_iter().flatten();
        Ok(items.find(|item| item["reason"].as_str().is_some_and(|reason| reason.contains(words))).cloned())
    };
    world.until(&format!("a question about {words}"), PATIENCE, look).await
}

async fn answer(world: &World, words: &str, choice: &str) -> Result<()> {
    let asked = question(world, words).await?;
    world.tandem(&["review", "resolve", &asked["id"].to_string(), "--choose", choice]).await?;
    let over = async |world: &World| {
        let items = world.tandem_json(&["review", "list"]).await?;
        let mut items = items.as_array().into_iter().flatten();
        Ok((!items.any(|item| item["id"] == asked["id"])).then_some(()))
    };
    world.until("the answer", PATIENCE, over).await
}

async fn set_quantity(world: &World, id: &str, quantity: i64) -> Result<()> {
    let line = world.lines(id).await?.remove(0);
    let line = line["Id"].as_str().context("a line has an id")?;
    world.change("OpportunityLineItem", line, json!({ "Quantity": quantity })).await
}

/// The day passes that an order waits for its customer.
async fn a_day_later(world: &mut World, id: &str) -> Result<()> {
    world.stop().await?;
    let later = format!("UPDATE events SET due_at = 0 WHERE key = '{id}' AND state = 2");
    ensure!(world.database.change(&later)? == 1, "one waits");
    world.up().await?;
    question(world, "waited too long").await?;
    Ok(())
}

async fn admin(world: &World, path: &str) -> Result<()> {
    let (status, body) = world.send("POST", &format!("{}/admin/{path}", world.salesforce), &json!({})).await?;
    ensure!(status < 300, "{path}: {status} {body}");
    Ok(())
}

async fn ordered(world: &World, id: &str) -> Result<()> {
    let made = async |world: &World| Ok((world.orders_of(id).await?.len() == 1).then_some(()));
    world.until("the order", PATIENCE, made).await
}

#[tokio::test]
async fn a_change_that_waited_already_makes_no_order_of_what_was_ignored() -> Result<()> {
    let (mut world, account) = unlinked().await?;
    let id = won(&world, &account.clone().into()).await?;
    until_events(&world, &id, "waiting", 1).await?;
    world.change("Opportunity", &id, json!({ "Tandem_PO_Number__c": "PO-1" })).await?;
    until_events(&world, &id, "ready", 1).await?;
    a_day_later(&mut world, &id).await?;
    until_events(&world, &id, "waiting", 1).await?;
    answer(&world, "waited too long", "ignore").await?;
    link(&world, &account).await?;
    told(&world, &id, "nothing is made until").await?;
    world.settled().await?;
    assert_eq!(world.orders_of(&id).await?, Vec::<Value>::new(), "he has made it by hand");
    set_quantity(&world, &id, 77).await?;
    ordered(&world, &id).await
}

#[tokio::test]
async fn a_change_before_a_question_was_ignored_is_a_part_of_what_was_ignored() -> Result<()> {
    let (world, account) = unlinked().await?;
    let id = won(&world, &Value::Null).await?;
    question(&world, "has no account").await?;
    world.change("Opportunity", &id, json!({ "AccountId": account })).await?;
    until_events(&world, &id, "waiting", 1).await?;
    answer(&world, "has no account", "ignore").await?;
    link(&world, &account).await?;
    told(&world, &id, "nothing is made until").await?;
    world.settled().await?;
    assert_eq!(world.orders_of(&id).await?, Vec::<Value>::new(), "he has made it by hand");
    set_quantity(&world, &id, 77).await?;
    ordered(&world, &id).await
}

/// What a person wants after all is not put aside by the first night that looks at it.
#[tokio::test]
async fn what_a_person_wants_after_he_ignored_it_goes_on_whoever_looks_at_it_meanwhile() -> Result<()> {
    let (mut world, account) = unlinked().await?;
    let id = won(&world, &account.clone().into()).await?;
    until_events(&world, &id, "waiting", 1).await?;
    a_day_later(&mut world, &id).await?;
    answer(&world, "waited too long", "ignore").await?;
    world.settled().await?;
    admin(&world, &format!("sync/{id}")).await?;
    until_events(&world, &id, "waiting", 1).await?;
    world.days_later(1).await?;
    until_events(&world, &id, "ready", 1).await?;
    a_day_later(&mut world, &id).await?;
    // What the night found does not put it aside again.
    until_events(&world, &id, "waiting", 1).await?;
    link(&world, &account).await?;
    ordered(&world, &id).await
}

#[tokio::test]
async fn what_was_ignored_stays_so_while_its_opportunity_is_deleted_by_mistake() -> Result<()> {
    let world = world("credit_check = false").await?;
    let id = world.opportunities(1).await?.remove(0);
    let refuses = json!({ "set": "Orders", "field": "U_SF_Id", "is": id, "number": 1001, "words": "not yet" });
    world.b1_settings(json!({ "procedure": refuses })).await?;
    world.win(&id).await?;
    answer(&world, "not yet", "ignore").await?;
    told(&world, &id, "ignored, as decided in review").await?;
    world.b1_settings(json!({})).await?;
    admin(&world, &format!("delete/Opportunity/{id}")).await?;
    told(&world, &id, "is gone and never had an order").await?;
    admin(&world, &format!("undelete/Opportunity/{id}")).await?;
    told(&world, &id, "nothing is made until").await?;
    world.settled().await?;
    assert_eq!(world.orders_of(&id).await?, Vec::<Value>::new());
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    set_quantity(&world, &id, 77).await?;
    ordered(&world, &id).await
}

/// A re-opened opportunity is a new matter.
#[tokio::test]
async fn what_was_ignored_is_over_when_its_opportunity_is_opened_again() -> Result<()> {
    let world = world("credit_check = false").await?;
    let id = world.opportunities(1).await?.remove(0);
    let refuses = json!({ "set": "Orders", "field": "U_SF_Id", "is": id, "number": 1001, "words": "not yet" });
    world.b1_settings(json!({ "procedure": refuses })).await?;
    world.win(&id).await?;
    answer(&world, "not yet", "ignore").await?;
    world.b1_settings(json!({})).await?;
    world.change("Opportunity", &id, json!({ "StageName": "Prospecting" })).await?;
    told(&world, &id, "nothing to do").await?;
    world.win(&id).await?;
    ordered(&world, &id).await
}

/// A clerk works at an order that carries the opportunity's id: that asks nobody anew.
#[tokio::test]
async fn an_ignored_question_is_not_asked_anew_for_what_a_clerk_does_in_b1() -> Result<()> {
    let world = world("credit_check = false").await?;
    let id = world.opportunities(1).await?.remove(0);
    set_quantity(&world, &id, 0).await?;
    world.win(&id).await?;
    answer(&world, "the quantity is 0", "ignore").await?;
    world.settled().await?;
    let item = world.b1_records("Items").await?.into_iter().find(|own| own["SalesItem"] != "tNO").unwrap_or_default();
    let order = json!({
        "CardCode": "C00001", "DocDueDate": "2031-01-31", "U_SF_Id": id,
        "DocumentLines": [{ "ItemCode": item["ItemCode"], "Quantity": 1, "UnitPrice": 1 }],
    });
    world.b1_post("/Orders", order).await?;
    world.settled().await?;
    told(&world, &id, "nothing is made until").await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

/// The question says so: *set the one of the customer on it, and it runs again*.
#[tokio::test]
async fn an_account_that_is_set_goes_on_also_where_only_the_night_finds_it() -> Result<()> {
    let world = world("credit_check = false").await?;
    let id = world.opportunities(1).await?.remove(0);
    let account = world.opportunity(&id).await?["AccountId"].clone();
    world.change("Opportunity", &id, json!({ "AccountId": null })).await?;
    world.win(&id).await?;
    question(&world, "has no account").await?;
    world.settled().await?;
    let mass = json!({ "ids": [id], "fields": { "AccountId": account } });
    let (status, body) = world.send("POST", &format!("{}/admin/mass/Opportunity", world.salesforce), &mass).await?;
    ensure!(status < 300, "{status} {body}");
    world.night(1).await?;
    ordered(&world, &id).await
}

#[tokio::test]
async fn a_question_keeps_what_it_is_decided_by_through_the_night() -> Result<()> {
    let world = world("").await?;
    let id = world.opportunities(1).await?.remove(0);
    let account = world.opportunity(&id).await?["AccountId"].clone();
    let all = world.records("Account").await?;
    let code = all.into_iter().find(|own| own["Id"] == account).unwrap_or_default()["Tandem_Card_Code__c"].clone();
    let code = code.as_str().context("a customer")?;
    world.b1_patch(&format!("/BusinessPartners('{code}')"), json!({ "CreditLimit": 1 })).await?;
    world.win(&id).await?;
    let asked = question(&world, "would exceed the credit limit").await?;
    let detail = async |world: &World| world.tandem_json(&["review", "show", &asked["id"].to_string()]).await;
    let before = detail(&world).await?["detail"]["b1"].clone();
    assert_eq!(before["CardCode"], code, "{before}");
    world.night(1).await?;
    assert_eq!(detail(&world).await?["detail"]["b1"], before);
    Ok(())
}

/// An opportunity whose order a clerk cancelled in B1, which is asked about; and that order.
async fn cancelled(world: &World) -> Result<(String, Value)> {
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    let order = world.orders_of(&id).await?.remove(0);
    world.b1_call("POST", &format!("/Orders({})/Cancel", order["DocEntry"]), Value::Null).await?;
    question(world, "was cancelled in B1").await?;
    Ok((id, order))
}

/// *Create a new order*, over the limit: *send anyway* sends it.
#[tokio::test]
async fn a_new_order_beside_a_cancelled_one_is_made_over_the_limit_as_decided() -> Result<()> {
    let world = world("").await?;
    let (id, order) = cancelled(&world).await?;
    let code = order["CardCode"].as_str().context("a customer")?;
    world.b1_patch(&format!("/BusinessPartners('{code}')"), json!({ "CreditLimit": 1 })).await?;
    world.settled().await?;
    answer(&world, "was cancelled in B1", "create a new order").await?;
    answer(&world, "would exceed the credit limit", "send anyway").await?;
    let made = async |world: &World| {
        let orders = world.orders_of(&id).await?;
        Ok((orders.iter().filter(|own| own["Cancelled"] == "tNO").count() == 1).then_some(()))
    };
    world.until("the new order", PATIENCE, made).await?;
    world.until_state(&id, "Synced").await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

/// An event that asks nothing else of the opportunity.
async fn touch(world: &World, id: &str) -> Result<()> {
    let amount = world.opportunity(id).await?["Amount"].as_f64().unwrap_or_default();
    world.change("Opportunity", id, json!({ "Amount": amount + 1.0 })).await
}

/// Won, refused by B1 and ignored; B1 would take it by now.
async fn ignored(world: &World) -> Result<String> {
    let id = world.opportunities(1).await?.remove(0);
    let refuses = json!({ "set": "Orders", "field": "U_SF_Id", "is": id, "number": 1001, "words": "not yet" });
    world.b1_settings(json!({ "procedure": refuses })).await?;
    world.win(&id).await?;
    answer(world, "not yet", "ignore").await?;
    told(world, &id, "ignored, as decided in review").await?;
    world.b1_settings(json!({})).await?;
    world.settled().await?;
    Ok(id)
}

/// Another name, another place among the lines: no order is another by that.
#[tokio::test]
async fn what_no_order_is_made_of_lifts_nothing_that_was_ignored() -> Result<()> {
    let world = world("credit_check = false").await?;
    let id = ignored(&world).await?;
    world.change("Opportunity", &id, json!({ "Name": "Another name" })).await?;
    touch(&world, &id).await?;
    told(&world, &id, "nothing is made until").await?;
    world.settled().await?;
    assert_eq!(world.orders_of(&id).await?, Vec::<Value>::new(), "he has made it by hand");
    set_quantity(&world, &id, 77).await?;
    ordered(&world, &id).await
}

/// A mapping that names a field too many, a right that is taken: the answer to that question is no wish to have the order.
#[tokio::test]
async fn a_question_that_came_later_and_its_answer_lift_nothing_that_was_ignored() -> Result<()> {
    let world = world("credit_check = false").await?;
    let id = ignored(&world).await?;
    let refused = json!({ "refuse": { "status": 400, "code": "INVALID_FIELD", "message": "No such column 'X__c' on entity 'Opportunity'" } });
    world.salesforce_faults(json!([{ "path": "OpportunityLineItems", "kind": refused }])).await?;
    touch(&world, &id).await?;
    question(&world, "every field of the mapping").await?;
    world.salesforce_faults(json!([])).await?;
    answer(&world, "every field of the mapping", "retry").await?;
    told(&world, &id, "nothing is made until").await?;
    world.settled().await?;
    assert_eq!(world.orders_of(&id).await?, Vec::<Value>::new(), "he has made it by hand");
    admin(&world, &format!("sync/{id}")).await?;
    ordered(&world, &id).await
}

/// Nobody knows what it was when it was ignored: a change is asked about, and makes nothing by itself.
#[tokio::test]
async fn a_change_of_what_was_ignored_while_it_could_not_be_read_is_asked_about() -> Result<()> {
    let world = world("credit_check = false").await?;
    let ids = world.opportunities(2).await?;
    let refused = json!({ "refuse": { "status": 400, "code": "INVALID_FIELD", "message": "No such column 'X__c' on entity 'Opportunity'" } });
    world.salesforce_faults(json!([{ "path": "OpportunityLineItems", "kind": refused }])).await?;
    for id in &ids {
        world.win(id).await?;
        until_events(&world, id, "review", 1).await?;
    }
    for _ in &ids {
        answer(&world, "every field of the mapping", "ignore").await?;
    }
    for id in &ids {
        told(&world, id, "ignored, as decided in review").await?;
    }
    world.salesforce_faults(json!([])).await?;
    for (id, choice) in ids.iter().zip(["ignore", "retry"]) {
        touch(&world, id).await?;
        question(&world, "while it could not be read").await?;
        assert_eq!(world.opportunity(id).await?["Tandem_Sync_State__c"], "Review");
        // Neither does another change while it is asked.
        touch(&world, id).await?;
        world.settled().await?;
        question(&world, "while it could not be read").await?;
        assert_eq!(world.orders_of(id).await?, Vec::<Value>::new(), "he may have made it by hand");
        answer(&world, "while it could not be read", choice).await?;
    }
    ordered(&world, &ids[1]).await?;
    touch(&world, &ids[0]).await?;
    told(&world, &ids[0], "nothing is made until").await?;
    world.settled().await?;
    assert_eq!(world.orders_of(&ids[0]).await?, Vec::<Value>::new());
    set_quantity(&world, &ids[0], 77).await?;
    ordered(&world, &ids[0]).await
}

/// Whether an order is wanted is asked until a person says so: also where the opportunity is deleted and comes back, or cannot be read meanwhile.
#[tokio::test]
async fn whether_an_order_is_wanted_is_asked_until_a_person_says_so() -> Result<()> {
    let world = world("credit_check = false").await?;
    let id = world.opportunities(1).await?.remove(0);
    let refused = json!({ "refuse": { "status": 400, "code": "INVALID_FIELD", "message": "No such column 'X__c' on entity 'Opportunity'" } });
    let unreadable = json!([{ "path": "OpportunityLineItems", "kind": refused }]);
    world.salesforce_faults(unreadable.clone()).await?;
    world.win(&id).await?;
    answer(&world, "every field of the mapping", "ignore").await?;
    told(&world, &id, "ignored, as decided in review").await?;
    world.salesforce_faults(json!([])).await?;
    touch(&world, &id).await?;
    question(&world, "while it could not be read").await?;
    admin(&world, &format!("delete/Opportunity/{id}")).await?;
    world.settled().await?;
    admin(&world, &format!("undelete/Opportunity/{id}")).await?;
    touch(&world, &id).await?;
    question(&world, "while it could not be read").await?;
    world.salesforce_faults(unreadable).await?;
    touch(&world, &id).await?;
    question(&world, "every field of the mapping").await?;
    world.salesforce_faults(json!([])).await?;
    touch(&world, &id).await?;
    question(&world, "while it could not be read").await?;
    assert_eq!(world.orders_of(&id).await?, Vec::<Value>::new(), "he may have made it by hand");
    answer(&world, "while it could not be read", "retry").await?;
    ordered(&world, &id).await
}

/// Pressed while the order waited, before a person ignored it.
#[tokio::test]
async fn sync_now_of_before_lifts_nothing_that_was_ignored_later() -> Result<()> {
    let (mut world, account) = unlinked().await?;
    let id = won(&world, &account.clone().into()).await?;
    until_events(&world, &id, "waiting", 1).await?;
    admin(&world, &format!("sync/{id}")).await?;
    until_events(&world, &id, "ready", 1).await?;
    a_day_later(&mut world, &id).await?;
    until_events(&world, &id, "waiting", 1).await?;
    answer(&world, "waited too long", "ignore").await?;
    link(&world, &account).await?;
    told(&world, &id, "nothing is made until").await?;
    world.settled().await?;
    assert_eq!(world.orders_of(&id).await?, Vec::<Value>::new(), "he has made it by hand");
    admin(&world, &format!("sync/{id}")).await?;
    ordered(&world, &id).await
}

/// Whoever looks at an opportunity whose order was cancelled is asked still whether it is to have a new one.
#[tokio::test]
async fn a_question_about_a_cancelled_order_is_asked_until_it_is_answered() -> Result<()> {
    let world = world("").await?;
    let (id, _) = cancelled(&world).await?;
    for changes in [false, true] {
        if changes {
            touch(&world, &id).await?
        } else {
            admin(&world, &format!("sync/{id}")).await?
        };
        world.settled().await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.settled().await?;
        question(&world, "was cancelled in B1").await?;
        assert_eq!(world.opportunity(&id).await?["Tandem_Sync_State__c"], "Review");
    }
    answer(&world, "was cancelled in B1", "create a new order").await?;
    world.until_state(&id, "Synced").await?;
    let live = world.orders_of(&id).await?.into_iter().filter(|own| own["Cancelled"] == "tNO").count();
    assert_eq!(live, 1);
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

/// The opportunity goes and comes back: what was decided, or is asked, about its cancelled order stays so.
#[tokio::test]
async fn an_opportunity_that_comes_back_gets_no_order_beside_a_cancelled_one_unasked() -> Result<()> {
    let world = world("").await?;
    let (id, _) = cancelled(&world).await?;
    let comes_back = async |world: &World| -> Result<()> {
        world.settled().await?;
        admin(world, &format!("delete/Opportunity/{id}")).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.settled().await?;
        admin(world, &format!("undelete/Opportunity/{id}")).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.settled().await
    };
    comes_back(&world).await?;
    assert_eq!(world.orders_of(&id).await?.len(), 1, "nobody has asked for another one");
    answer(&world, "was cancelled in B1", "leave it cancelled").await?;
    comes_back(&world).await?;
    assert_eq!(world.orders_of(&id).await?.len(), 1, "it stays cancelled");
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}
