//! The proof that both sides agree, in the console: asked for, stopped, and looked through down to one difference; each as they may.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};
use tandem_e2e::console::{Caller, Known, account, with_admin};
use tandem_e2e::in_step::text;
use tandem_e2e::{Setup, World};

const PATIENCE: Duration = Duration::from_secs(60);

/// A host that looks into B1 so seldom that what is changed there is not read.
fn setup() -> Setup {
    Setup {
        plugins: vec!["orders", "accounts"],
        b1: "poll_seconds = 900\ntime_zone = \"Europe/Berlin\"".into(),
        more: "[reconcile]\nat = \"off\"\n".into(),
        ..Setup::default()
    }
}

/// The run, once it is over.
async fn over(world: &World, caller: &Caller) -> Result<Value> {
    let ended = async |_: &World| {
        let run = caller.get("/reconcile").await?["run"].clone();
        Ok((run["state"] != "goes-on").then_some(run))
    };
    world.until("the comparison to be over", PATIENCE, ended).await
}

/// A file of a report: status, policy and text.
async fn file(caller: &Caller, report: &str, file: &str) -> Result<(u16, String, String)> {
    let answer = caller.request(Method::GET, &format!("/reconcile/reports/{report}/files/{file}")).send().await?;
    let policy = answer.headers().get("content-security-policy").and_then(|own| own.to_str().ok()).unwrap_or_default();
    Ok((answer.status().as_u16(), policy.to_owned(), answer.text().await?))
}

#[tokio::test]
async fn what_was_changed_in_b1_is_found_with_its_reason_down_to_the_record() -> Result<()> {
    let (world, admin) = with_admin(setup()).await?;
    let operator = account(&admin, "op", "operator", Value::Null).await?;
    let ids = world.opportunities(2).await?;
    for id in &ids {
        world.win(id).await?;
    }
    world.until_all_told(&ids, PATIENCE).await?;
    world.settled().await?;
    let before = operator.get("/reconcile").await?;
    assert_eq!((&before["run"], &before["next"]), (&Value::Null, &Value::Null), "off by schedule");
    assert_eq!(operator.get("/reconcile/reports").await?, json!({ "reports": [], "more": false }));
    let begun = operator.post("/reconcile", json!({ "flows": ["orders"] })).await?;
    assert_eq!((&begun["run"]["by"], &begun["run"]["total"]), (&json!("op"), &json!(1)), "{begun}");
    let run = over(&world, &operator).await?;
    assert_eq!((&run["state"], &run["done"], &run["error"]), (&json!("over"), &json!(1), &Value::Null), "{run}");
    let first = text(&run, "report").to_owned();
    let rows = operator.get("/reconcile/reports").await?["reports"].clone();
    assert_eq!((rows.as_array().map(Vec::len), &rows[0]["name"]), (Some(1), &json!(first)), "{rows}");
    assert_eq!(
        (&rows[0]["verdict"], &rows[0]["in_step"], &rows[0]["differences"]),
        (&json!("partly"), &json!(2), &json!(0)),
        "of orders alone: of the rest nothing is known"
    );
    assert!(text(&rows[0], "words").contains("only of orders"), "{rows}");
    operator.post("/reconcile", json!({})).await?;
    let first = text(&over(&world, &operator).await?, "report").to_owned();
    let all = operator.get(&format!("/reconcile/reports/{first}")).await?;
    assert_eq!((&all["summary"]["verdict"], &all["summary"]["of_all"]), (&json!("agree"), &json!(true)), "{all}");

    // Behind the host's back, and later than all that it has read of it.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let order = world.orders_of(&ids[0]).await?.remove(0);
    let entry = order["DocEntry"].to_string();
    let price = json!({ "DocumentLines": [{ "LineNum": 0, "UnitPrice": 1 }] });
    world.b1_patch(&format!("/Orders({entry})"), price).await?;
    operator.post("/reconcile", json!({ "flows": ["orders"] })).await?;
    let report = text(&over(&world, &operator).await?, "report").to_owned();
    let stated = operator.get(&format!("/reconcile/reports/{report}")).await?;
    let summary = &stated["summary"];
    assert_eq!((&summary["verdict"], &summary["differences"]), (&json!("explained"), &json!(1)), "{stated:#}");
    let own = &stated["flows"][0]["comparisons"][0];
    assert_eq!(
        (&own["differing"], &own["in_step"], &own["differences"], &own["more"]),
        (&json!(1), &json!(1), &json!([]), &json!(1))
    );
    assert_eq!(own["reasons"], json!([{ "reason": "not-read", "count": 1 }]));
    assert!(own["sums"].as_array().is_some_and(|sums| !sums.is_empty()), "{own}");
    let differences = |query: String| format!("/reconcile/reports/{report}/differences{query}");
    let found = operator.get(&differences("?flow=orders&comparison=orders".into())).await?;
    let difference = &found["differences"][0];
    assert_eq!((&difference["salesforce"], &difference["b1"]), (&json!(ids[0]), &json!(entry)), "{found}");
    assert!(text(difference, "reason").starts_with("changed in B1 on 20"), "{difference}");
    assert!(
        text(difference, "label").len() > 3 && difference["fields"][0]["b1"] != difference["fields"][0]["salesforce"]
    );
    let place = &difference["place"];
    let again = operator.get(&differences(format!("?from={place}&limit=1"))).await?;
    assert_eq!(again["differences"], found["differences"], "by its place");
    for none in [
        "?why=unexplained",
        "?flow=accounts",
        "?kind=double-in-b1",
        "?q=nothing-of-that-name",
        "?from=18446744073709551615",
    ] {
        assert_eq!(operator.get(&differences(none.into())).await?["differences"], json!([]), "{none}");
    }
    assert_eq!(operator.ask(Method::GET, &differences("?why=because".into()), None).await?.0, 422);
    // The record's events, by its id.
    let events = operator.get(&format!("/events?flow=orders&q={}", ids[0])).await?;
    assert!(events["events"].as_array().is_some_and(|own| !own.is_empty()), "{events}");
    let listed = operator.get("/reconcile/reports?limit=1").await?;
    assert_eq!((&listed["reports"][0]["name"], &listed["more"]), (&json!(report), &json!(true)));
    let older = operator.get(&format!("/reconcile/reports?before={report}")).await?;
    assert_eq!((&older["reports"][0]["name"], &older["more"]), (&json!(first), &json!(false)));
    assert_eq!(older["reports"].as_array().map(Vec::len), Some(2), "{older}");

    // To be filed.
    let (status, policy, page) = file(&operator, &report, "report.html").await?;
    assert!(status == 200 && page.contains("1 difference, which is explained; only of orders."), "{page}");
    assert!(
        policy.contains("default-src 'none'") && policy.contains("sandbox") && !policy.contains("script"),
        "{policy}"
    );
    let (status, _, table) = file(&operator, &report, "differences.csv").await?;
    assert!(status == 200 && table.contains("changed, not read yet") && table.contains(&ids[0]), "{table}");
    assert_eq!(file(&operator, &report, "..%2Ftandem.db").await?.0, 404);

    // Whoever may only look is told of nobody.
    let viewer = account(&admin, "look-only", "viewer", Value::Null).await?;
    let seen = viewer.get(&differences(String::new())).await?;
    let hidden = &seen["differences"][0];
    assert_eq!(
        (&hidden["label"], &hidden["reason"], &seen["masked"]),
        (&json!(""), &json!("changed, not read yet"), &json!(true))
    );
    assert!(text(&hidden["fields"][0], "b1").starts_with('•'), "{hidden}");
    let masked = viewer.get(&format!("/reconcile/reports/{report}")).await?;
    assert_eq!(masked["flows"][0]["comparisons"][0]["sums"], json!([]), "what was sold is a value, too");
    let letters = |c: &char| c.is_ascii_alphanumeric();
    let label: String = text(difference, "label").chars().take_while(letters).collect();
    let by_label = differences(format!("?q={label}"));
    assert_ne!(operator.get(&by_label).await?["differences"], json!([]), "{label}");
    assert_eq!(viewer.get(&by_label).await?["differences"], json!([]), "nor found by what is hidden");
    assert_eq!(file(&viewer, &report, "differences.csv").await?.0, 403);
    // Nor is who has other flows.
    let other = account(&admin, "sales", "operator", json!(["accounts"])).await?;
    let theirs = other.get("/reconcile/reports").await?["reports"].clone();
    let [theirs] = theirs.as_array().map_or(&[][..], Vec::as_slice) else { panic!("{theirs}") };
    assert_eq!(
        (&theirs["name"], &theirs["flows"]),
        (&json!(first), &json!(["accounts"])),
        "of that of all flows its own part"
    );
    assert_eq!(other.ask(Method::GET, &format!("/reconcile/reports/{report}"), None).await?.0, 404);
    assert_eq!(other.get(&differences(String::new())).await?["differences"], json!([]));
    assert_eq!(file(&other, &report, "report.json").await?.0, 403, "it holds every flow");
    Ok(())
}

#[tokio::test]
async fn it_is_asked_for_by_who_may_one_at_a_time_and_stopped() -> Result<()> {
    let (world, admin) = with_admin(setup()).await?;
    let operator = account(&admin, "op", "operator", Value::Null).await?;
    for role in ["viewer", "reviewer"] {
        let caller = account(&admin, role, role, Value::Null).await?;
        for path in ["/reconcile", "/reconcile/stop"] {
            let (status, answer) = caller.ask(Method::POST, path, Some(json!({}))).await?;
            assert_eq!(status, 403, "{role} {path}: {answer}");
        }
        assert!(caller.get("/reconcile").await?["run"].is_null());
    }
    let Known::Session { cookie, .. } = &operator.known else { unreachable!() };
    let forged = Caller { known: Known::Session { cookie: cookie.clone(), csrf: "x".into() }, ..operator.clone() };
    assert_eq!(forged.ask(Method::POST, "/reconcile", Some(json!({}))).await?.0, 403);
    // Since a day that is still to come nothing was changed, and nothing would be compared.
    for (wrong, field) in [
        (json!({ "flows": ["nothing"] }), "flows"),
        (json!({ "since": "yesterday" }), "since"),
        (json!({ "since": "2999-12-31" }), "since"),
    ] {
        let (status, answer) = operator.ask(Method::POST, "/reconcile", Some(wrong)).await?;
        assert_eq!((status, &answer["field"]), (422, &json!(field)), "{answer}");
    }
    let other = account(&admin, "sales", "operator", json!(["accounts"])).await?;
    let (status, answer) = other.ask(Method::POST, "/reconcile", Some(json!({ "flows": ["orders"] }))).await?;
    assert_eq!(status, 422, "{answer}");

    // B1 answers slowly.
    world.b1_faults(json!([{ "path": "/b1s/v2/", "kind": { "latency": 4000 } }])).await?;
    let begun = operator.post("/reconcile", json!({ "since": "2026-01-31" })).await?;
    assert_eq!((&begun["run"]["state"], &begun["run"]["since"]), (&json!("goes-on"), &json!("2026-01-31")), "{begun}");
    let (status, answer) = admin.ask(Method::POST, "/reconcile", Some(json!({}))).await?;
    assert!(status == 409 && text(&answer, "error").contains("under way"), "one at a time: {status} {answer}");
    let (code, _, errors) = world.tandem_raw(&["reconcile"]).await?;
    assert!(code != 0 && errors.contains("under way"), "nor on the command line: {code} {errors}");
    let (status, answer) = other.ask(Method::POST, "/reconcile/stop", None).await?;
    assert_eq!(status, 403, "it goes through flows of others: {answer}");
    let stopped = operator.post("/reconcile/stop", json!({})).await?;
    let run = &stopped["run"];
    assert_eq!(
        (&run["state"], &run["error"], &run["report"]),
        (&json!("stopped"), &json!("op stopped it"), &Value::Null)
    );
    let (status, answer) = operator.ask(Method::POST, "/reconcile/stop", None).await?;
    assert_eq!(status, 409, "{answer}");
    world.b1_faults(json!([])).await?;
    assert_eq!(
        operator.get("/reconcile/reports").await?["reports"],
        json!([]),
        "of what was stopped there is no report"
    );
    // Those that one may see, where none is named.
    let twice = json!({ "flows": ["accounts", "accounts"] });
    let again = async |_: &World| {
        Ok((other.ask(Method::POST, "/reconcile", Some(twice.clone())).await?.0 == 200).then_some(()))
    };
    world.until("the next to begin", PATIENCE, again).await?;
    let run = over(&world, &other).await?;
    assert_eq!((&run["state"], &run["total"]), (&json!("over"), &json!(1)), "each once: {run}");
    let again =
        async |_: &World| Ok((other.ask(Method::POST, "/reconcile", Some(json!({}))).await?.0 == 200).then_some(()));
    world.until("the next to begin", PATIENCE, again).await?;
    let run = over(&world, &other).await?;
    assert_eq!((&run["state"], &run["total"]), (&json!("over"), &json!(1)), "{run}");
    let report = operator.get(&format!("/reconcile/reports/{}", text(&run, "report"))).await?;
    assert_eq!(report["summary"]["flows"], json!(["accounts"]), "{report}");
    let acts = admin.get("/audit?q=reconcile").await?["acts"].clone();
    let told: Vec<(&str, &str, &str)> = acts
        .as_array()
        .into_iter()
        .flatten()
        .map(|act| (text(act, "act"), text(act, "who"), text(act, "what")))
        .collect();
    assert!(told.contains(&("reconcile.begin", "op", "all flows, since 2026-01-31")), "{told:?}");
    assert!(told.contains(&("reconcile.begin", "sales", "accounts")), "{told:?}");
    assert!(told.iter().any(|(act, who, _)| (*act, *who) == ("reconcile.stop", "op")), "{told:?}");
    Ok(())
}

#[tokio::test]
async fn a_flow_whose_plugin_says_nothing_is_told_apart_from_what_agrees() -> Result<()> {
    let hostile =
        "[flows.hostile]\nplugin = \"hostile\"\nconnections = { b1 = \"erp\" }\nsettings = { reconcile = \"\" }\n";
    let more = format!("{}{hostile}", setup().more);
    let (world, admin) = with_admin(Setup { plugins: vec!["orders", "hostile"], more, ..setup() }).await?;
    admin.post("/reconcile", json!({})).await?;
    let run = over(&world, &admin).await?;
    let report = admin.get(&format!("/reconcile/reports/{}", text(&run, "report"))).await?;
    let summary = &report["summary"];
    assert_eq!((&summary["verdict"], &summary["unsaid"]), (&json!("partly"), &json!(["hostile"])), "{report}");
    let flow = report["flows"].as_array().into_iter().flatten().find(|own| own["flow"] == "hostile");
    assert!(flow.context("it is listed")?["unsaid"].is_string(), "{report}");
    Ok(())
}
