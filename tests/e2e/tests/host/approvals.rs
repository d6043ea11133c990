//! Tools that write: what a person approved is what is done, once, whoever is killed; what nobody approved is not done.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tandem_e2e::console::{Caller, account, with_admin};
use tandem_e2e::mcp::Mcp;
use tandem_e2e::{Setup, World};

const MINUTE: Duration = Duration::from_secs(60);

async fn world(rules: &str) -> Result<(World, Caller, Mcp)> {
    let setup = Setup {
        more: format!("[agents]\nmcp = true\ncalls_a_minute = 10000\n{rules}\n"),
        b1: "poll_seconds = 1\ntime_zone = \"Europe/Berlin\"".into(),
        ..Setup::default()
    };
    let (world, admin) = with_admin(setup).await?;
    let mcp = Mcp::new(&world, &admin, "desk", "reviewer", Value::Null).await?;
    Ok((world, admin, mcp))
}

const DESTROYS_TOO: &str = "[[agents.rules]]\ntools = [\"*_cancel-order\"]\nthen = \"approve\"\n";

/// An order that a clerk typed.
async fn typed(world: &World) -> Result<Value> {
    let partner = world.b1_records("BusinessPartners").await?.into_iter().find(|own| own["CardType"] == "cCustomer");
    let code = partner.context("a customer")?["CardCode"].clone();
    let item = world.b1_records("Items").await?.into_iter().find(|own| own["SalesItem"] == "tYES");
    let item = item.context("an item")?["ItemCode"].clone();
    let order = json!({ "CardCode": code, "DocDueDate": "2030-01-31", "NumAtCard": "PO-TYPED", "Comments": "as typed",
        "DocumentLines": [{ "ItemCode": item, "Quantity": 2, "UnitPrice": 10 }] });
    world.b1_post("/Orders", order).await
}

async fn order(world: &World, entry: &Value) -> Result<Value> {
    let all = world.b1_records("Orders").await?;
    all.into_iter().find(|own| own["DocEntry"] == *entry).with_context(|| format!("order {entry}"))
}

/// The number of the call, the choice that approves it, and the question as a person sees it.
async fn waiting(admin: &Caller, told: &Value) -> Result<(i64, String, Value)> {
    ensure!(told["state"] == "waits for approval", "{told}");
    let call = told["call"].as_i64().context("a number")?;
    let review = admin.get(&format!("/reviews/{call}")).await?;
    let choice = review["choices"][0]["choice"].as_str().context("a choice")?.to_owned();
    ensure!(choice.starts_with("approve "), "{review}");
    Ok((call, choice, review))
}

/// Gives an answer: the failures of it.
async fn answer(who: &Caller, call: i64, choice: &str) -> Result<Value> {
    let job = who.post("/reviews/answer", json!({ "ids": [call], "choice": choice })).await?;
    Ok(job["failed"].clone())
}

/// How a call stands once it is neither under way nor waits.
async fn ended(mcp: &Mcp, call: i64) -> Result<Value> {
    let began = std::time::Instant::now();
    loop {
        let told = mcp.got("tandem_call", json!({ "call": call })).await?;
        if !["under way", "waits for approval"].contains(&told["state"].as_str().unwrap_or_default()) {
            return Ok(told);
        }
        ensure!(began.elapsed() < MINUTE, "{told}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_writes_is_seen_field_by_field_before_it_is_done_and_done_once() -> Result<()> {
    let (world, admin, mcp) = world(DESTROYS_TOO).await?;
    let own = typed(&world).await?;
    let entry = &own["DocEntry"];
    let tools = mcp.tools().await?;
    let of = |name: &str| tools.iter().find(|own| own["name"] == name).cloned().unwrap_or_default();
    let hints = |name: &str| {
        (of(name)["annotations"]["readOnlyHint"].clone(), of(name)["annotations"]["destructiveHint"].clone())
    };
    assert_eq!(hints("orders_change-order"), (json!(false), json!(false)));
    assert_eq!(hints("orders_cancel-order"), (json!(false), json!(true)));
    assert_eq!(hints("orders_orders-of").0, json!(true));

    // Rehearsed, and nothing done.
    let input = json!({ "doc_entry": entry, "comments": "as told", "lines": [{ "line_num": 0, "quantity": 5 }] });
    let told = mcp.got("orders_change-order", input.clone()).await?;
    let (call, choice, review) = waiting(&admin, &told).await?;
    assert_eq!(order(&world, entry).await?["Comments"], "as typed");
    let fields = review["plan"][0]["fields"].as_array().context("fields")?;
    let field = |name: &str| fields.iter().find(|own| own["name"] == name).cloned().unwrap_or_default();
    assert_eq!(
        (&field("Comments")["old"], &field("Comments")["new"]),
        (&json!("as typed"), &json!("as told")),
        "{review}"
    );
    let quantity = field("DocumentLines[0].Quantity");
    assert_eq!((quantity["old"].as_f64(), quantity["new"].as_f64()), (Some(2.0), Some(5.0)), "{review}");
    assert!(
        review["event"]["reason"].as_str().is_some_and(|why| why.contains("token desk") && why.contains("as told")),
        "{review}"
    );
    assert_eq!(told["plan"], review["plan"], "who calls is told the same");
    // The same call is the same call.
    assert_eq!(mcp.got("orders_change-order", input).await?["call"], told["call"]);
    // What the command line says of it.
    let shown = world.tandem(&["review", "show", &call.to_string()]).await?;
    assert!(shown.contains("as typed") && shown.contains("as told") && shown.contains("PATCH b1 /Orders("), "{shown}");

    // Who made the token stands behind it.
    let failed = answer(&admin, call, &choice).await?;
    assert!(failed.to_string().contains("somebody else approves it"), "{failed}");
    let berta = account(&admin, "berta", "reviewer", Value::Null).await?;
    let other = answer(&berta, call, "approve 0000000000000000").await?;
    assert!(other.to_string().contains("does not offer"), "{other}");
    assert_eq!(answer(&berta, call, &choice).await?, json!([]));
    let told = ended(&mcp, call).await?;
    assert_eq!((&told["state"], &told["result"]["doc_num"]), (&json!("done"), &own["DocNum"]), "{told}");
    let now = order(&world, entry).await?;
    assert_eq!((&now["Comments"], now["DocumentLines"][0]["Quantity"].as_f64()), (&json!("as told"), Some(5.0)));

    // What destroys is offered because a rule says so; a person may refuse it.
    let cancel = json!({ "doc_entry": entry });
    let told = mcp.got("orders_cancel-order", cancel.clone()).await?;
    let (call, _, review) = waiting(&admin, &told).await?;
    assert_eq!(review["plan"][0]["call"], format!("POST b1 /Orders({entry})/Cancel"));
    // Whose order that is, and what people call it.
    let record = review["plan"][0]["record"].as_str().unwrap_or_default();
    let code = now["CardCode"].as_str().unwrap_or_default();
    for known in [format!("DocNum {}", now["DocNum"]), format!("CardCode {code}"), "DocTotal ".to_owned()] {
        assert!(record.contains(&known), "{known}: {record}");
    }
    assert_eq!(answer(&berta, call, "refuse").await?, json!([]));
    let told = ended(&mcp, call).await?;
    assert!(
        told["state"] == "not done" && told["why"].as_str().is_some_and(|why| why.contains("refused by a person")),
        "{told}"
    );
    assert_eq!(order(&world, entry).await?["Cancelled"], "tNO");
    // What is refused at once bothers nobody, and is no error of the host.
    let told = mcp.got("orders_change-order", json!({ "doc_entry": 999_999, "comments": "x" })).await?;
    assert!(
        told["state"] == "not done" && told["why"].as_str().is_some_and(|why| why.contains("DocEntry 999999")),
        "{told}"
    );
    let errors = admin.get("/kinds").await?;
    assert_eq!(errors["kinds"].as_array().map_or(0, Vec::len), 0, "{errors}");
    // Calls of others are nobody's business.
    let other = Mcp::new(&world, &admin, "other", "reviewer", Value::Null).await?;
    assert!(other.refused("tandem_call", json!({ "call": call })).await?.contains("you made no call"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_is_of_what_was_seen_and_of_nothing_that_came_after() -> Result<()> {
    let (world, admin, mcp) = world("").await?;
    let berta = account(&admin, "berta", "reviewer", Value::Null).await?;
    let own = typed(&world).await?;
    let entry = &own["DocEntry"];
    // A row is put in meanwhile: the change is still the same. The order is closed meanwhile: it is none any more.
    let told = mcp.got("orders_change-order", json!({ "doc_entry": entry, "comments": "late" })).await?;
    let (call, choice, _) = waiting(&admin, &told).await?;
    world.b1_patch(&format!("/Orders({entry})"), json!({ "NumAtCard": "PO-2" })).await?;
    assert_eq!(answer(&berta, call, &choice).await?, json!([]));
    assert_eq!(ended(&mcp, call).await?["state"], "done");
    let told = mcp.got("orders_change-order", json!({ "doc_entry": entry, "comments": "too late" })).await?;
    let (call, choice, _) = waiting(&admin, &told).await?;
    world.b1_call("POST", &format!("/Orders({entry})/Cancel"), json!({})).await?;
    assert_eq!(answer(&berta, call, &choice).await?, json!([]));
    let told = ended(&mcp, call).await?;
    assert!(told["state"] == "not done" && told["why"].as_str().is_some_and(|why| why.contains("cancelled")), "{told}");
    assert_eq!(order(&world, entry).await?["Comments"], "late");
    // An order is made of a customer's number once.
    let lines = json!([{ "item_code": own["DocumentLines"][0]["ItemCode"], "quantity": 3, "unit_price": 7.5 }]);
    let make =
        json!({ "card_code": own["CardCode"], "num_at_card": "PO-77", "doc_due_date": "2030-01-31", "lines": lines });
    let told = mcp.got("orders_create-order", make.clone()).await?;
    let (call, choice, review) = waiting(&admin, &told).await?;
    assert!(review["plan"].to_string().contains("PO-77"), "{review}");
    assert_eq!(answer(&berta, call, &choice).await?, json!([]));
    let told = ended(&mcp, call).await?;
    assert!(told["result"]["doc_entry"].as_i64().is_some_and(|entry| entry > 0), "{told}");
    // The same again is that order, and asks nobody; another one of that number is refused.
    let again = mcp.got("orders_create-order", make.clone()).await?;
    assert_eq!(
        (&again["state"], &again["result"]["doc_entry"]),
        (&json!("done"), &told["result"]["doc_entry"]),
        "{again}"
    );
    let mut other = make;
    other["lines"][0]["quantity"] = json!(4);
    let again = mcp.got("orders_create-order", other).await?;
    assert!(again["why"].as_str().is_some_and(|why| why.contains("is that of order")), "{again}");
    let made = world.b1_records("Orders").await?.into_iter().filter(|own| own["NumAtCard"] == "PO-77").count();
    assert_eq!(made, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_say_what_is_done_at_once_what_waits_and_for_whom() -> Result<()> {
    let rules = "[[agents.rules]]\ntools = [\"orders_create-order\"]\nwhen = \"result.net <= 100.0\"\nthen = \"allow\"\n\
        [[agents.rules]]\ntools = [\"orders_create-order\"]\nthen = \"approve\"\napprovers = [\"carl\"]\nhours = 1\n\
        [[agents.rules]]\ntools = [\"orders_send-again\"]\nthen = \"approve\"\nown = true\n";
    let (world, admin, mcp) = world(rules).await?;
    let own = typed(&world).await?;
    let item = &own["DocumentLines"][0]["ItemCode"];
    let make = |number: &str, price: f64| {
        json!({ "card_code": own["CardCode"], "num_at_card": number, "doc_due_date": "2030-01-31",
            "lines": [{ "item_code": item, "quantity": 1, "unit_price": price }] })
    };
    let told = mcp.got("orders_create-order", make("PO-SMALL", 99.5)).await?;
    assert_eq!(told["state"], "done", "{told}");
    let told = mcp.got("orders_create-order", make("PO-LARGE", 100.5)).await?;
    let (call, choice, review) = waiting(&admin, &told).await?;
    assert!(review["expires"].is_string(), "{review}");
    let berta = account(&admin, "berta", "operator", Value::Null).await?;
    let failed = answer(&berta, call, &choice).await?;
    assert!(failed.to_string().contains("it is approved by: carl"), "{failed}");
    let carl = account(&admin, "carl", "reviewer", Value::Null).await?;
    assert_eq!(answer(&carl, call, &choice).await?, json!([]));
    assert_eq!(ended(&mcp, call).await?["state"], "done");
    // Without a price nobody knows the sum: that is no reason to let it pass.
    let mut unknown = make("PO-UNKNOWN", 0.0);
    unknown["lines"][0]["unit_price"] = Value::Null;
    assert!(mcp.refused("orders_create-order", unknown.clone()).await?.contains("null"), "null is no price");
    unknown["lines"][0].as_object_mut().map(|line| line.remove("unit_price"));
    assert_eq!(mcp.got("orders_create-order", unknown).await?["state"], "waits for approval");
    // Who may approve what they called themselves.
    let id = world.opportunities(1).await?.remove(0);
    let told = mcp.got("orders_send-again", json!({ "opportunity": id })).await?;
    let (call, choice, _) = waiting(&admin, &told).await?;
    assert_eq!(answer(&admin, call, &choice).await?, json!([]));
    assert_eq!(ended(&mcp, call).await?["state"], "done");
    // What stands in a rule is told beforehand.
    let can = ["--json", "agent", "can", "token desk", "orders_create-order"];
    let (code, told, _) = world.tandem_raw(&can).await?;
    assert!(code == 0 && told.contains("result.net <= 100.0") && told.contains("carl"), "{told}");
    let (code, _, why) = world.tandem_raw(&[&can[..], &["{}"]].concat()).await?;
    assert!(code == 2 && why.contains("does not take that") && why.contains("card_code"), "{code} {why}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approved_call_is_made_once_whenever_the_host_is_killed() -> Result<()> {
    let (mut world, admin, mcp) = world("[[agents.rules]]\nthen = \"approve\"\nown = true\n").await?;
    let own = typed(&world).await?;
    let item = own["DocumentLines"][0]["ItemCode"].clone();
    // Answers take their time, so that kills find calls at every point of their way.
    world.b1_faults(json!([{ "path": "/b1s/v2", "kind": { "latency": 150 }, "rate": 1.0 }])).await?;
    for round in 0..8_u64 {
        let number = format!("PO-KILL-{round}");
        let make = json!({ "card_code": own["CardCode"], "num_at_card": number, "doc_due_date": "2030-01-31",
            "lines": [{ "item_code": item, "quantity": 1, "unit_price": 1 }] });
        let told = mcp.got("orders_create-order", make).await?;
        let (call, choice, _) = waiting(&admin, &told).await?;
        assert_eq!(answer(&admin, call, &choice).await?, json!([]));
        tokio::time::sleep(Duration::from_millis(100 * round)).await;
        world.kill().await?;
        world.up().await?;
        let told = ended(&mcp, call).await?;
        assert_eq!(told["state"], "done", "round {round}: {told}");
        let made: Vec<Value> =
            world.b1_records("Orders").await?.into_iter().filter(|own| own["NumAtCard"] == json!(number)).collect();
        assert_eq!(made.len(), 1, "round {round}");
        assert_eq!(told["result"]["doc_entry"], made[0]["DocEntry"], "round {round}: {told}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_plugin_does_otherwise_than_it_showed_is_not_done() -> Result<()> {
    let rules = "[[agents.rules]]\ntools = [\"hostile_*\"]\nwhen = \"result.says == 'done'\"\nthen = \"allow\"\n";
    let setup = Setup {
        plugins: vec!["orders", "hostile"],
        more: format!(
            "[flows.hostile]\nplugin = \"hostile\"\nconnections = {{ b1 = \"erp\", s = \"crm\" }}\n\n[agents]\nmcp = true\n{rules}\n"
        ),
        ..Setup::default()
    };
    let (world, admin) = with_admin(setup).await?;
    let mcp = Mcp::new(&world, &admin, "desk", "reviewer", Value::Null).await?;
    // What it would write it makes up anew each time.
    let told = mcp.got("hostile_do", json!({ "act": "chance" })).await?;
    assert!(
        told["state"] == "held for a person"
            && told["why"].as_str().is_some_and(|why| why.contains("not what was approved")),
        "{told}"
    );
    let calls = world.calls(&world.b1).await?;
    assert!(!calls.to_string().contains("U_NOWHERE"), "{calls}");
    // Retried it is rehearsed anew, and held again: it is never done unseen.
    let call = told["call"].as_i64().context("a number")?;
    assert_eq!(answer(&admin, call, "retry").await?, json!([]));
    tokio::time::sleep(Duration::from_secs(3)).await;
    let calls = world.calls(&world.b1).await?;
    assert!(!calls.to_string().contains("U_NOWHERE"), "{calls}");
    // A trap is told to who called, and holds the flow up for nobody.
    for _ in 0..12 {
        let told = mcp.got("hostile_do", json!({ "act": "trap" })).await?;
        assert!(
            told["state"] == "not done" && told["why"].as_str().is_some_and(|why| why.contains("trapped")),
            "{told}"
        );
    }
    assert!(world.get(&format!("{}/readyz", world.console)).await.is_ok());
    let status = world.tandem_json(&["status"]).await;
    if let Ok(status) = status {
        assert!(!status.to_string().contains("held"), "{status}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_knows_tasks_gets_one_and_may_take_it_back() -> Result<()> {
    let (world, admin, mcp) = world("").await?;
    let own = typed(&world).await?;
    let entry = &own["DocEntry"];
    let call = |comments: &str| json!({ "name": "orders_change-order", "arguments": { "doc_entry": entry, "comments": comments } });
    let begun = mcp.ask_as_task("tools/call", "orders_change-order", call("by task")).await?;
    let task = begun["result"]["taskId"].as_str().with_context(|| begun.to_string())?.to_owned();
    assert_eq!(
        (&begun["result"]["resultType"], &begun["result"]["status"]),
        (&json!("task"), &json!("working")),
        "{begun}"
    );
    let get = async |who: &Mcp| who.ask_as_task("tasks/get", &task, json!({ "taskId": task })).await;
    let told = get(&mcp).await?;
    assert!(told["result"]["statusMessage"].as_str().is_some_and(|own| own.contains("waits for approval")), "{told}");
    // Nobody else has it, also who guesses its id.
    let other = Mcp::new(&world, &admin, "other", "reviewer", Value::Null).await?;
    assert_eq!(get(&other).await?["error"]["code"], -32602);
    let number: i64 = task.trim_start_matches("call-").parse()?;
    let berta = account(&admin, "berta", "reviewer", Value::Null).await?;
    let choice = admin.get(&format!("/reviews/{number}")).await?["choices"][0]["choice"].clone();
    assert_eq!(answer(&berta, number, choice.as_str().unwrap_or_default()).await?, json!([]));
    ended(&mcp, number).await?;
    let told = get(&mcp).await?;
    assert_eq!(
        (&told["result"]["status"], &told["result"]["result"]["structuredContent"]["state"]),
        (&json!("completed"), &json!("done")),
        "{told}"
    );
    assert_eq!(order(&world, entry).await?["Comments"], "by task");
    // Taken back before anybody approved it.
    let begun = mcp.ask_as_task("tools/call", "orders_change-order", call("never")).await?;
    let task = begun["result"]["taskId"].as_str().with_context(|| begun.to_string())?.to_owned();
    let ended_by = mcp.ask_as_task("tasks/cancel", &task, json!({ "taskId": task })).await?;
    assert!(ended_by["error"].is_null(), "{ended_by}");
    let told = ended(&mcp, task.trim_start_matches("call-").parse()?).await?;
    assert_eq!(told["state"], "not done", "{told}");
    assert_eq!(order(&world, entry).await?["Comments"], "by task");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_is_answered_by_a_tool_once_a_person_has_seen_what_comes_of_it() -> Result<()> {
    let (world, admin, mcp) = world("").await?;
    let id = world.opportunities(1).await?.remove(0);
    for line in world.lines(&id).await? {
        world.change("OpportunityLineItem", line["Id"].as_str().unwrap_or_default(), json!({ "Quantity": 0 })).await?;
    }
    world.win(&id).await?;
    world.until_state(&id, "Review").await?;
    let asked = mcp.got("tandem_reviews", json!({})).await?["questions"][0].clone();
    let event = asked["event"].as_i64().context("a question")?;
    for (input, says) in [
        (json!({ "event": event, "choice": "no such" }), "does not offer"),
        (json!({ "event": 999_999, "choice": "ignore" }), "there is no event"),
        (json!({ "event": "x", "choice": "ignore" }), "event"),
    ] {
        let why = mcp.refused("tandem_answer", input).await?;
        assert!(why.contains(says), "{why}");
    }
    let told =
        mcp.got("tandem_answer", json!({ "event": event, "choice": "ignore", "why": "nothing was ordered" })).await?;
    let (call, choice, review) = waiting(&admin, &told).await?;
    assert!(
        review["plan"][0]["call"]
            .as_str()
            .is_some_and(|own| own.contains(&format!("answer event {event}")) && own.ends_with("with ignore")),
        "{review}"
    );
    assert!(
        review["input"]["why"] == "nothing was ordered" && review["plan"][0]["fields"][1]["new"] == "ignore",
        "{review}"
    );
    // No tool approves what waits.
    assert!(
        mcp.refused("tandem_answer", json!({ "event": call, "choice": choice }))
            .await?
            .contains("no tool approves one")
    );
    assert_eq!(admin.get(&format!("/reviews/{event}")).await?["event"]["state"], "review", "not yet");
    let berta = account(&admin, "berta", "reviewer", Value::Null).await?;
    assert_eq!(answer(&berta, call, &choice).await?, json!([]));
    let told = ended(&mcp, call).await?;
    assert_eq!(told["state"], "done", "{told}");
    world.settled().await?;
    assert_eq!(admin.get(&format!("/events/{event}")).await?["event"]["state"], "done");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_approves_nothing_of_its_own_and_what_is_hidden_is_in_no_words() -> Result<()> {
    let rules = "[[agents.rules]]\nwho = [\"token masked\"]\nthen = \"approve\"\nhide = [\"comments\"]\n";
    let (world, admin, mcp) = world(rules).await?;
    let own = typed(&world).await?;
    let change = json!({ "doc_entry": own["DocEntry"], "comments": "by hand" }).to_string();
    let told = world.tandem_json(&["tool", "call", "orders_change-order", &change, "--once", "mine"]).await?;
    let (call, choice, _) = waiting(&admin, &told["result"]).await?;
    let again = world.tandem_json(&["tool", "call", "orders_change-order", &change, "--once", "mine"]).await?;
    assert_eq!(again["result"]["call"], told["result"]["call"], "what has one name is one call");
    let id = call.to_string();
    for arguments in [["review", "resolve", &id, "--choose", &choice], ["events", "retry", &id, "--choose", &choice]] {
        let (code, _, why) = world.tandem_raw(&arguments).await?;
        assert!(code != 0 && why.contains("somebody else approves it"), "{arguments:?}: {code} {why}");
    }
    assert_eq!(order(&world, &own["DocEntry"]).await?["Comments"], "as typed");
    // Run again without an answer it asks anew.
    world.tandem(&["events", "retry", &id]).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(admin.get(&format!("/reviews/{call}")).await?["choices"][0]["choice"], choice.as_str());
    // From whom something is hidden the plan is hidden, however it is told; and nobody is told of another's call.
    let masked = Mcp::new(&world, &admin, "masked", "reviewer", Value::Null).await?;
    let input = json!({ "doc_entry": own["DocEntry"], "comments": "unseen words" });
    let told = masked.got("orders_change-order", input).await?;
    let later = masked.got("tandem_call", json!({ "call": told["call"] })).await?;
    for told in [&told, &later] {
        assert!(told["state"] == "waits for approval" && !told.to_string().contains("as typed"), "{told}");
    }
    let own_words = masked.got("tandem_reviews", json!({})).await?;
    assert_eq!(own_words["questions"][0]["event"], told["call"], "{own_words}");
    assert!(!own_words.to_string().contains("as typed"), "nor as its question: {own_words}");
    let reviews = mcp.got("tandem_reviews", json!({})).await?.to_string();
    assert!(!reviews.contains("unseen words") && !reviews.contains("by hand"), "{reviews}");
    // By its name a token is who calls.
    let second = Mcp::new(&world, &admin, "masked", "reviewer", Value::Null).await;
    assert!(second.is_err_and(|why| why.to_string().contains("There is a token of that name")));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_approve_a_call_may_change_it_and_only_what_they_made_of_it_is_done() -> Result<()> {
    let (world, admin, mcp) = world("").await?;
    let berta = account(&admin, "berta", "reviewer", Value::Null).await?;
    let own = typed(&world).await?;
    let entry = &own["DocEntry"];
    let input = |quantity: f64| json!({ "doc_entry": entry, "lines": [{ "line_num": 0, "quantity": quantity }] });
    let change = async |who: &Caller, call: i64, input: Value| {
        who.ask(
            reqwest::Method::POST,
            &format!("/reviews/{call}/change"),
            Some(json!({ "input": input, "why": "ours" })),
        )
        .await
    };
    let told = mcp.got("orders_change-order", input(50.0)).await?;
    let (call, choice, _) = waiting(&admin, &told).await?;
    // Who stands behind the caller may not, nor who may not answer; and what does not fit its tool is none.
    assert_eq!(change(&admin, call, input(5.0)).await?.0, 403);
    let viewer = account(&admin, "vera", "viewer", Value::Null).await?;
    assert_eq!(change(&viewer, call, input(5.0)).await?.0, 403);
    let (status, why) = change(&berta, call, json!({ "doc_entry": "x" })).await?;
    assert!(status == 422 && why["error"].as_str().is_some_and(|why| why.contains("integer")), "{status} {why}");
    let (status, why) = change(&berta, call, input(50.0)).await?;
    assert!(status == 409 && why.to_string().contains("nothing of it is changed"), "{status} {why}");
    assert_eq!(change(&berta, 999_999, input(5.0)).await?.0, 404);
    assert_eq!(
        admin.get(&format!("/reviews/{call}")).await?["choices"][0]["choice"],
        json!(choice),
        "it waits as before"
    );

    // What its tool refuses leaves the call as it was.
    let (status, why) = change(&berta, call, json!({ "doc_entry": 999_999, "comments": "x" })).await?;
    assert!(status == 409 && why.to_string().contains("DocEntry 999999"), "{status} {why}");
    assert_eq!(admin.get(&format!("/reviews/{call}")).await?["choices"][0]["choice"], json!(choice));

    let (status, changed) = change(&berta, call, input(5.0)).await?;
    ensure!(status == 200, "{status} {changed}");
    let other = changed["call"].as_i64().context("a number")?;
    // The first is over, and says what became of it; its approval is worth nothing any more.
    let told = ended(&mcp, call).await?;
    assert!(told["state"] == "not done" && told["instead"] == json!(other), "{told}");
    assert!(!answer(&berta, call, &choice).await?.as_array().is_none_or(Vec::is_empty));
    assert_eq!(change(&berta, call, input(6.0)).await?.0, 409);
    let told = mcp.got("tandem_call", json!({ "call": other })).await?;
    let (_, choice, review) = waiting(&admin, &told).await?;
    assert_eq!(review["changed"], json!({ "by": "berta", "call": call }), "{review}");
    let fields = review["plan"][0]["fields"].as_array().context("fields")?;
    let quantity = fields.iter().find(|own| own["name"] == "DocumentLines[0].Quantity").context("a quantity")?;
    assert_eq!((quantity["old"].as_f64(), quantity["new"].as_f64()), (Some(2.0), Some(5.0)), "{review}");
    assert_eq!(order(&world, entry).await?["DocumentLines"][0]["Quantity"].as_f64(), Some(2.0));
    // It is still the first one's call: who made the token does not approve it, whoever changed it.
    assert!(answer(&admin, other, &choice).await?.to_string().contains("somebody else approves it"));
    assert_eq!(answer(&berta, other, &choice).await?, json!([]));
    assert_eq!(ended(&mcp, other).await?["state"], "done");
    assert_eq!(order(&world, entry).await?["DocumentLines"][0]["Quantity"].as_f64(), Some(5.0));
    let audit = admin.get("/audit?limit=50").await?.to_string();
    assert!(audit.contains("review.change") && audit.contains(&format!("call {other}")), "{audit}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_answers_and_changes_at_one_moment_one_counts_and_what_was_changed_is_asked_about_whatever_the_rules_say()
-> Result<()> {
    // Small changes are nobody's to approve.
    let rules = "[[agents.rules]]\ntools = [\"orders_change-order\"]\nthen = \"allow\"\nwhen = \"input.lines[0].quantity < 10.0\"\n";
    let (world, admin, mcp) = world(rules).await?;
    let berta = account(&admin, "berta", "reviewer", Value::Null).await?;
    let own = typed(&world).await?;
    let entry = &own["DocEntry"];
    let input = |quantity: f64| json!({ "doc_entry": entry, "lines": [{ "line_num": 0, "quantity": quantity }] });
    let told = mcp.got("orders_change-order", input(50.0)).await?;
    let (call, choice, _) = waiting(&admin, &told).await?;
    let path = format!("/reviews/{call}/change");
    let change =
        async |quantity: f64| berta.ask(reqwest::Method::POST, &path, Some(json!({ "input": input(quantity) }))).await;
    let refuse = async { berta.post("/reviews/answer", json!({ "ids": [call], "choice": "refuse" })).await };
    let (one, other, refused) = tokio::join!(change(5.0), change(6.0), refuse);
    let (one, other, refused) = (one?, other?, refused?);
    let counted = [one.0 == 200, other.0 == 200, refused["failed"] == json!([])];
    assert_eq!(counted.iter().filter(|counts| **counts).count(), 1, "{one:?} {other:?} {refused}");
    assert!(!answer(&berta, call, &choice).await?.as_array().is_none_or(Vec::is_empty));
    for (status, changed) in [one, other].into_iter().filter(|(status, _)| *status == 200) {
        // A rule would let it pass: it was promised that somebody approves it.
        let told = mcp.got("tandem_call", json!({ "call": changed["call"] })).await?;
        assert!(status == 200 && told["state"] == "waits for approval", "{told}");
    }
    assert_eq!(order(&world, entry).await?["DocumentLines"][0]["Quantity"].as_f64(), Some(2.0));
    Ok(())
}
