//! The console's JSON API over real sockets: who may what, and what the pages show and do.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use reqwest::header::HOST;
use serde_json::{Value, json};
use tandem_e2e::console::{Caller, Known, account, with_admin};
use tandem_e2e::{Setup, World};

const PATIENCE: Duration = Duration::from_secs(30);

/// Each operation of the API, with places filled in.
async fn operations(caller: &Caller) -> Result<Vec<(Method, String)>> {
    let document = caller.get("/openapi.json").await?;
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().context("paths")? {
        let path = path.strip_prefix("/api/v1").context("below /api/v1")?;
        let path = path
            .replace("{id}", "1")
            .replace("{name}", "somebody")
            .replace("{flow}", "orders")
            .replace("{release}", "0");
        for method in item.as_object().into_iter().flatten().map(|(method, _)| method) {
            if let Ok(method) = method.to_uppercase().parse::<Method>() {
                all.push((method, path.clone()));
            }
        }
    }
    ensure!(all.len() > 25, "{all:?}");
    Ok(all)
}

#[tokio::test]
async fn nothing_is_open_before_somebody_signs_in() -> Result<()> {
    let mut world = World::new().await?;
    world.up().await?;
    let nobody = Caller::new(&world)?;
    for (method, path) in operations(&nobody).await? {
        let expected = match (method.as_str(), path.as_str()) {
            ("POST", "/session") => 422,
            ("GET", "/session/ways") => 200,
            // There is no single sign-on here.
            ("GET", "/session/oidc" | "/session/oidc/back") => 404,
            _ => 401,
        };
        let (status, body) = nobody.ask(method.clone(), &path, Some(json!({}))).await?;
        assert_eq!(status, expected, "{method} {path}: {body}");
    }
    for known in [Known::Token("tandem_nothing".into()), Known::Session { cookie: "x".into(), csrf: "x".into() }] {
        let caller = Caller { known, ..nobody.clone() };
        assert_eq!(caller.ask(Method::GET, "/overview", None).await?.0, 401);
    }
    // A page elsewhere whose name was bound to this machine's address.
    let rebound = nobody.client.get(format!("{}/session", nobody.base)).header(HOST, "evil.example").send().await?;
    assert_eq!(rebound.status(), 403);
    let page = nobody.client.get(&world.console).send().await?;
    let policy = page.headers()["content-security-policy"].to_str()?.to_owned();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    Ok(())
}

#[tokio::test]
async fn a_password_is_guessed_slowly_and_a_session_ends_with_what_it_may() -> Result<()> {
    let (world, admin) = with_admin(Setup::default()).await?;
    let nobody = Caller::new(&world)?;
    let me = admin.get("/session").await?;
    assert_eq!((&me["name"], &me["role"], &me["flows"]), (&json!("boss"), &json!("admin"), &Value::Null));
    // What another page sends has the cookie and not the word beside it.
    let Known::Session { cookie, .. } = &admin.known else { unreachable!() };
    let forged = Caller { known: Known::Session { cookie: cookie.clone(), csrf: "x".into() }, ..admin.clone() };
    let (status, body) = forged.ask(Method::DELETE, "/session", None).await?;
    assert_eq!(status, 403, "{body}");
    for weak in ["short", "front-desk-front-desk"] {
        let body = json!({ "role": "viewer", "flows": null, "password": weak });
        let (status, answer) = admin.ask(Method::PUT, "/accounts/front-desk", Some(body)).await?;
        assert_eq!((status, &answer["field"]), (422, &json!("password")), "{answer}");
    }
    let viewer = account(&admin, "front-desk", "viewer", Value::Null).await?;
    assert_eq!(viewer.get("/session").await?["role"], "viewer");
    // Another role: who is signed in with the old one is not any more.
    account(&admin, "front-desk", "reviewer", Value::Null).await?;
    assert_eq!(viewer.ask(Method::GET, "/session", None).await?.0, 401);
    // The first one, of `tandem init`.
    assert_eq!(admin.ask(Method::DELETE, "/accounts/admin", None).await?.0, 204);
    let (status, answer) = admin.ask(Method::DELETE, "/accounts/boss", None).await?;
    assert_eq!(status, 409, "somebody must be left who may give rights: {answer}");
    let wrong = json!({ "name": "front-desk", "password": "lantern orbit gravel!" });
    let mut answers = Vec::new();
    for _ in 0..12 {
        answers.push(nobody.ask(Method::POST, "/session", Some(wrong.clone())).await?.0);
    }
    assert!(answers[0] == 401 && answers.contains(&429), "{answers:?}");
    let trail = admin.get("/audit?q=session").await?;
    let refused = trail["acts"].as_array().into_iter().flatten().filter(|act| act["outcome"] == "refused").count();
    assert!(refused > 0, "{trail}");
    let chain = admin.get("/audit/chain").await?;
    assert!(chain["holds"] == true && chain["last_line"] == chain["lines"] && chain["breaks"] == json!([]), "{chain}");
    admin.ask(Method::DELETE, "/session", None).await?;
    assert_eq!(admin.ask(Method::GET, "/session", None).await?.0, 401, "signed out");
    let database = std::fs::read(world.folder().join("data/tandem.db"))?;
    assert!(!database.windows(cookie.len()).any(|part| part == cookie.as_bytes()), "who reads it signs in as nobody");
    Ok(())
}

#[tokio::test]
async fn a_viewer_changes_nothing_and_who_has_one_flow_sees_one() -> Result<()> {
    let setup = Setup { plugins: vec!["orders", "accounts"], opportunities: 2, ..Setup::default() };
    let (world, admin) = with_admin(setup).await?;
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    world.settled().await?;
    let viewer = account(&admin, "look-only", "viewer", Value::Null).await?;
    let event = viewer.get(&format!("/events?q={id}&flow=orders")).await?["events"][0]["id"].clone();
    let body = json!({
        "act": "retry", "ids": [event], "choice": "retry", "role": "admin", "name": "x", "password": "lantern orbit gravel",
        "expires_at": "2027-01-01T00:00:00Z", "query": "", "shared": false, "old": "x", "new": "y", "permissions": 1, "text": "", "edits": [],
        "question": "x", "input": {}, "section": "header", "way": "to-b1", "records": [], "b1": "U_X", "salesforce": "X__c",
    });
    let company = json!({ "kind": "b1", "url": format!("{}/b1s/v2", world.b1), "company": "SBODEMO", "user": "tandem", "time_zone": "UTC" });
    for (method, path) in operations(&viewer).await?.into_iter().filter(|(method, _)| *method != Method::GET) {
        // What is one's own.
        if path.starts_with("/session") || path.starts_with("/views") {
            continue;
        }
        let path = path.replace("/1", &format!("/{event}"));
        let own = match path.as_str() {
            "/events/act" => json!({ "act": "retry", "ids": [event] }),
            "/tokens" => json!({ "name": "x", "role": "admin", "flows": null, "expires_at": "2027-01-01T00:00:00Z" }),
            "/setup/look" => json!({ "name": "erp", "settings": company, "way": "password" }),
            path if path.starts_with("/setup/connections") => json!({ "settings": company, "way": "password" }),
            path if path.starts_with("/setup/flows") => json!({ "plugin": "orders", "connections": {} }),
            path if path.starts_with("/accounts") => {
                json!({ "role": "admin", "flows": null, "password": "lantern orbit gravel" })
            }
            _ => body.clone(),
        };
        let body = &own;
        let (status, answer) = viewer.ask(method.clone(), &path, Some(body.clone())).await?;
        assert!([403, 404].contains(&status), "{method} {path}: {status} {answer}");
    }
    for path in ["/accounts", "/tokens", "/audit", "/audit.csv", "/audit/chain"] {
        assert_eq!(viewer.ask(Method::GET, path, None).await?.0, 403, "{path}");
    }
    // It sees that there is a payload, and nothing of it.
    let story = viewer.get(&format!("/events/{event}")).await?;
    let open = admin.get(&format!("/events/{event}")).await?;
    assert!(story["masked"] == true && open["masked"] == false);
    let name = world.opportunity(&id).await?["Name"].as_str().context("a name")?.to_owned();
    assert!(open["runs"].to_string().contains(&name) && !story["runs"].to_string().contains(&name));

    let one = account(&admin, "accounts-desk", "operator", json!(["accounts"])).await?;
    let overview = one.get("/overview").await?;
    let flows: Vec<&str> =
        overview["flows"].as_array().into_iter().flatten().filter_map(|own| own["name"].as_str()).collect();
    assert_eq!(flows, ["accounts"]);
    let explained = [format!("/explain?record={id}"), format!("/explain/now?record={id}")];
    for path in [format!("/events/{event}"), format!("/reviews/{event}")].into_iter().chain(explained) {
        assert_eq!(one.ask(Method::GET, &path, None).await?.0, 404, "{path}");
    }
    assert_eq!(one.get(&format!("/events?q={id}")).await?["events"], json!([]));
    let (status, answer) =
        one.ask(Method::POST, "/events/act", Some(json!({ "act": "retry", "ids": [event] }))).await?;
    assert_eq!(status, 404, "{answer}");
    Ok(())
}

#[tokio::test]
async fn an_operator_finds_understands_rehearses_and_mends() -> Result<()> {
    let setup = Setup { opportunities: 3, b1: "poll_seconds = 1".into(), ..Setup::default() };
    let (world, admin) = with_admin(setup).await?;
    let operator = account(&admin, "op-desk", "operator", Value::Null).await?;
    let ids = world.opportunities(2).await?;
    let (good, bad) = (&ids[0], &ids[1]);
    let account_id = world.opportunity(bad).await?["AccountId"].as_str().context("an account")?.to_owned();
    let code =
        world.until_record("Account", "it", |own| own["Id"] == account_id.as_str()).await?["Tandem_Card_Code__c"]
            .clone();
    world.change("Account", &account_id, json!({ "Tandem_Card_Code__c": "NOBODY" })).await?;
    world.win(good).await?;
    world.win(bad).await?;
    world.until_state(good, "Synced").await?;
    world.until_state(bad, "Review").await?;

    // Found by id, by the number in the outcome, by name; not by what is not there.
    let number = world.opportunity(good).await?["Tandem_Order_Number__c"].as_str().context("a number")?.to_owned();
    let name = world.opportunity(good).await?["Name"].as_str().context("a name")?.to_owned();
    let found = async |words: &str| {
        let query = words.replace('&', "%26").replace(' ', "%20");
        let events = operator.get(&format!("/events?q={query}")).await?["events"].clone();
        Ok::<_, anyhow::Error>(
            events.as_array().is_some_and(|all| all.iter().any(|event| event["key"] == good.as_str())),
        )
    };
    assert!(found(good).await?, "by its id");
    assert!(found(&good[..15]).await?, "by the id of 15 letters");
    let started = Instant::now();
    while !found(&number).await? {
        ensure!(started.elapsed() < PATIENCE, "{number} is not found");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(!found("nothingofthekind").await? && !found("\"*(").await?, "{name}");

    // Its story: what was read and sent, and what became of it. The echo of what was written back may be told and done by now, too.
    let calls_of = |story: &Value| {
        let runs = story["runs"].as_array().into_iter().flatten();
        runs.flat_map(|run| run["calls"].as_array().cloned().unwrap_or_default()).collect::<Vec<Value>>()
    };
    let mut told = None;
    for event in operator.get(&format!("/events?q={good}&state=done")).await?["events"].as_array().context("events")? {
        let story = operator.get(&format!("/events/{}", event["id"])).await?;
        let sent = calls_of(&story).into_iter().find(|call| call["effect"] == true && call["connection"] == "b1");
        told = told.or(sent.map(|sent| (event["id"].clone(), story, sent)));
    }
    let (event, story, sent) = told.context("an effect")?;
    assert!(sent["status"].is_u64() && sent["request"].to_string().contains(good.as_str()), "{sent}");
    assert_eq!(story["links"][0]["salesforce_id"], good.as_str());
    let why = operator.get(&format!("/explain?record={good}&field=Tandem_Order_Number__c")).await?;
    assert!(why["writes"][0]["fields"][0]["value"] == number.as_str() && why["writes"][0]["event"].is_u64(), "{why}");

    // Errors by kind, and a question with its answers.
    let kinds = operator.get("/kinds").await?;
    let of = &kinds["kinds"][0];
    assert_eq!((&of["count"], &of["standing"]), (&json!(1), &json!("new")), "{kinds}");
    assert_eq!(of["trend"], json!([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]), "by day, and the last ends now");
    let kind = of["id"].clone();
    let review = operator.get("/reviews").await?["reviews"][0].clone();
    assert!(review["salesforce"].is_object() && review["choices"][0]["does"].is_string(), "{review}");
    let asks = review["event"]["id"].clone();
    let kept = json!({ "assignee": "op-desk", "note": "rings the customer", "due": "2027-01-01T00:00:00Z" });
    let (status, kept) = operator.ask(Method::PATCH, &format!("/reviews/{asks}"), Some(kept)).await?;
    assert_eq!((status, &kept["assignee"]), (200, &json!("op-desk")), "{kept}");
    assert_eq!(operator.get("/reviews?assignee=op-desk").await?["reviews"][0]["event"]["id"], asks);
    assert_eq!(operator.get("/reviews?assignee=").await?["reviews"], json!([]));
    // What the answer would do, before and after the cause is mended.
    let rehearse = async || operator.post(&format!("/events/{asks}/rehearse"), json!({ "choice": "retry" })).await;
    let before = rehearse().await?;
    assert!(before["verdict"]["state"] == "review", "{before}");
    world.change("Account", &account_id, json!({ "Tandem_Card_Code__c": code })).await?;
    let after = rehearse().await?;
    let makes = |row: &Value| row["connection"] == "b1" && row["method"] == "POST";
    assert!(after["effects"].as_array().into_iter().flatten().any(makes), "{after}");
    assert_eq!(world.orders_of(bad).await?.len(), 0, "nothing was sent");
    let (status, wrong) =
        operator.ask(Method::POST, &format!("/events/{asks}/rehearse"), Some(json!({ "choice": "x" }))).await?;
    assert_eq!((status, &wrong["field"]), (422, &json!("choice")), "{wrong}");

    // The whole kind again.
    let job =
        operator.post("/events/act", json!({ "act": "retry", "kind": kind, "why": "the code was wrong" })).await?;
    assert!(job["over"] == true && job["failures"] == 0 && job["total"] == 1, "{job}");
    world.until_state(bad, "Synced").await?;
    assert_eq!(operator.get("/kinds").await?["kinds"], json!([]));
    let job = operator.post("/events/act", json!({ "act": "ignore", "ids": [event] })).await?;
    assert_eq!(job["failed"][0]["event"], event, "it is done, and told apart: {job}");
    assert_eq!(operator.get(&format!("/jobs/{}", job["id"].as_str().context("an id")?)).await?["over"], true);

    let story = operator.get(&format!("/events/{event}")).await?;
    assert!(calls_of(&story).iter().any(|call| call["took_ms"].is_u64()), "{story}");

    let rates = operator.get("/rates?range=hour").await?;
    let done: u64 = rates["flows"]["orders"]["done"].as_array().into_iter().flatten().filter_map(Value::as_u64).sum();
    assert!(done >= 2, "{rates}");
    world
        .tandem(&[
            "release",
            "activate",
            "orders",
            &story["runs"][0]["release"].as_str().unwrap_or_default()[..12],
            "--why",
            "as it is",
        ])
        .await?;
    let trail = admin.get("/audit?q=release.activate").await?;
    assert_eq!((&trail["acts"][0]["via"], &trail["acts"][0]["why"]), (&json!("command-line"), &json!("as it is")));
    let trail = admin.get("/audit?q=events.retry").await?;
    assert_eq!(
        (&trail["acts"][0]["who"], &trail["acts"][0]["why"]),
        (&json!("op-desk"), &json!("the code was wrong")),
        "{trail}"
    );
    Ok(())
}

/// A record of what explain tells, by its system.
fn present<'a>(told: &'a Value, system: &str) -> Result<&'a Value> {
    let mut records = told["records"].as_array().into_iter().flatten();
    records.find(|own| own["system"] == system).with_context(|| format!("no record of {system}: {told}"))
}

/// A field of it.
fn field<'a>(record: &'a Value, name: &str) -> Result<&'a Value> {
    let mut fields = record["fields"].as_array().into_iter().flatten();
    fields.find(|own| own["name"] == name).with_context(|| format!("no field {name}: {record}"))
}

#[tokio::test]
async fn what_both_systems_hold_now_is_told_beside_what_was_written() -> Result<()> {
    let (world, admin) = with_admin(Setup { b1: "poll_seconds = 600".into(), ..Setup::default() }).await?;
    let id = world.opportunities(1).await?.remove(0);
    world.change("Opportunity", &id, json!({ "Tandem_PO_Number__c": "PO 4711" })).await?;
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    world.settled().await?;
    let order = world.orders_of(&id).await?.remove(0);
    let entry = order["DocEntry"].to_string();

    // Found by either side; the field, and what it goes with.
    for (record, name) in [(id.as_str(), "NumAtCard"), (&id[..15], "Tandem_PO_Number__c"), (&entry, "NumAtCard")] {
        let told = admin.get(&format!("/explain/now?record={record}&field={name}")).await?;
        let (in_org, in_b1) = (present(&told, "salesforce")?, present(&told, "b1")?);
        assert_eq!(
            (&in_org["object"], &in_org["id"], &in_org["found"]),
            (&json!("Opportunity"), &json!(id), &json!(true)),
            "{told}"
        );
        assert_eq!(
            (&in_b1["object"], &in_b1["id"], &in_b1["connection"]),
            (&json!("Orders"), &json!(entry), &json!("erp")),
            "{told}"
        );
        let number = field(in_b1, "NumAtCard")?;
        assert_eq!((&number["value"], &number["last_written"]), (&json!("PO 4711"), &json!("PO 4711")), "{told}");
        assert!(number["changed"] == false && number["in_step"] == true, "{told}");
        let source = field(in_org, "Tandem_PO_Number__c")?;
        assert_eq!((&source["value"], &source["with"]), (&json!("PO 4711"), &json!(["NumAtCard"])), "{told}");
        assert_eq!((in_b1["fields"].as_array().map(Vec::len), source["in_step"] == true), (Some(1), true), "{told}");
    }
    // All that was written, on both sides.
    let told = admin.get(&format!("/explain/now?record={id}")).await?;
    let customer = field(present(&told, "b1")?, "CardCode")?;
    assert!(customer["changed"] == false && customer["value"] == order["CardCode"], "{told}");
    let number = field(present(&told, "salesforce")?, "Tandem_Order_Number__c")?;
    assert!(number["changed"] == false && number["value"].is_string(), "{told}");
    field(present(&told, "salesforce")?, "Tandem_PO_Number__c")?;

    // A clerk changes it in B1.
    world.b1_patch(&format!("/Orders({entry})"), json!({ "NumAtCard": "a clerk's" })).await?;
    let path = format!("/explain/now?record={id}&field=NumAtCard");
    let told = admin.get(&path).await?;
    let number = field(present(&told, "b1")?, "NumAtCard")?;
    assert_eq!((&number["value"], &number["last_written"]), (&json!("a clerk's"), &json!("PO 4711")), "{told}");
    assert!(number["changed"] == true && number["in_step"] == false, "{told}");
    let lines = world.tandem(&["explain", &id, "NumAtCard", "--now"]).await?;
    assert!(
        lines.contains(r#"NumAtCard = "a clerk's", changed since, not by Tandem: "PO 4711" was written"#),
        "{lines}"
    );

    // Who sees no texts sees dots, and still what changed.
    let viewer = account(&admin, "look-only", "viewer", Value::Null).await?;
    let told = viewer.get(&path).await?;
    let number = field(present(&told, "b1")?, "NumAtCard")?;
    assert!(told["masked"] == true && number["changed"] == true, "{told}");
    assert!(!told.to_string().contains("PO 4711") && !told.to_string().contains("clerk"), "{told}");
    assert_eq!(number["last_written"], "•••••••");
    // What no flow reads or writes is nobody's to read here.
    for who in [&viewer, &admin] {
        let told = who.get(&format!("/explain/now?record={id}&field=DocTotal")).await?;
        assert_eq!(present(&told, "b1")?["fields"], json!([]), "{told}");
    }

    // One that is gone, and a system that does not answer: each is told, and the other one still shows.
    let url = format!("{}/admin/delete/Opportunity/{id}", world.salesforce);
    assert_eq!(world.send("POST", &url, &json!({})).await?.0, 204);
    let told = admin.get(&path).await?;
    let gone = present(&told, "salesforce")?;
    assert!(gone["found"] == false && gone["why"].is_null() && present(&told, "b1")?["found"] == true, "{told}");
    let refusal = json!({ "refuse": { "status": 400, "code": "-5002", "message": "no right to orders" } });
    world.b1_faults(json!([{ "path": "/b1s/v2/Orders(", "method": "GET", "kind": refusal }])).await?;
    let told = admin.get(&path).await?;
    let unread = present(&told, "b1")?;
    assert!(unread["found"] == false && unread["why"].to_string().contains("no right to orders"), "{told}");
    world.b1_faults(json!([])).await?;

    let trail = admin.get("/audit?q=explain.now").await?;
    let acts: Vec<(&Value, &Value)> =
        trail["acts"].as_array().into_iter().flatten().map(|act| (&act["outcome"], &act["who"])).collect();
    assert_eq!(acts.first(), Some(&(&json!("failed"), &json!("boss"))), "{trail}");
    assert!(acts.contains(&(&json!("done"), &json!("look-only"))), "{trail}");
    Ok(())
}

#[tokio::test]
async fn a_new_kind_of_error_is_told_on_the_first_page_to_who_sees_its_flow() -> Result<()> {
    let setup = Setup { plugins: vec!["orders", "catalogue"], opportunities: 1, ..Setup::default() };
    let (world, admin) = with_admin(setup).await?;
    let desk = account(&admin, "shelf-desk", "operator", json!(["catalogue"])).await?;
    let news = async |who: &Caller| -> Result<Option<Value>> {
        let overview = who.get("/overview").await?;
        let of = |need: &&Value| need["kind"] == "errors" && need["flow"] == "orders";
        Ok(overview["needs"].as_array().into_iter().flatten().find(of).cloned())
    };
    assert_eq!(news(&admin).await?, None);

    let id = world.opportunities(1).await?.remove(0);
    let account_id = world.opportunity(&id).await?["AccountId"].as_str().context("an account")?.to_owned();
    world.change("Account", &account_id, json!({ "Tandem_Card_Code__c": "NOBODY" })).await?;
    world.win(&id).await?;
    world.until_state(&id, "Review").await?;
    // It is reckoned once in 30 s at most.
    let started = Instant::now();
    let told = loop {
        if let Some(told) = news(&admin).await? {
            break told;
        }
        ensure!(started.elapsed() < 2 * PATIENCE, "no kind of error is told");
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    let kinds = admin.get("/kinds?flow=orders").await?;
    assert_eq!((&told["count"], &told["words"][0]), (&json!(1), &kinds["kinds"][0]["words"]), "{told} {kinds}");
    assert_eq!(told["since"], kinds["kinds"][0]["first"]);
    let text = told["text"].as_str().unwrap_or_default();
    assert!(text.starts_with("1 kind of error is new: "), "{text}");
    assert_eq!(news(&desk).await?, None, "it is of another flow");
    Ok(())
}

#[tokio::test]
async fn many_events_are_rehearsed_at_once_and_nothing_of_them_changes() -> Result<()> {
    let setup = Setup { plugins: vec!["orders", "catalogue"], opportunities: 3, ..Setup::default() };
    let (world, admin) = with_admin(setup).await?;
    let operator = account(&admin, "op-desk", "operator", Value::Null).await?;
    let ids = world.opportunities(2).await?;
    let mut codes = Vec::new();
    for id in &ids {
        let account_id = world.opportunity(id).await?["AccountId"].as_str().context("an account")?.to_owned();
        let own = world.until_record("Account", "it", |own| own["Id"] == account_id.as_str()).await?;
        codes.push((account_id, own["Tandem_Card_Code__c"].clone()));
    }
    for (n, (account_id, _)) in codes.iter().enumerate() {
        world.change("Account", account_id, json!({ "Tandem_Card_Code__c": format!("NOBODY{n}") })).await?;
    }
    for id in &ids {
        world.win(id).await?;
    }
    for id in &ids {
        world.until_state(id, "Review").await?;
    }
    world.settled().await?;
    let open = operator.get("/events?flow=orders&state=review").await?["events"].clone();
    let asking: Vec<Value> = open.as_array().into_iter().flatten().map(|event| event["id"].clone()).collect();
    assert_eq!(asking.len(), 2, "{open}");

    let over = async |mut job: Value| -> Result<Value> {
        let started = Instant::now();
        while job["over"] != true {
            ensure!(started.elapsed() < PATIENCE, "{job}");
            tokio::time::sleep(Duration::from_millis(200)).await;
            job = operator.get(&format!("/jobs/{}", job["id"].as_str().context("an id")?)).await?;
        }
        Ok(job)
    };
    let rehearse = async |wanted: Value| -> Result<Value> {
        let mut body = json!({ "act": "rehearse", "why": "would it help?" });
        body.as_object_mut().context("fields")?.extend(wanted.as_object().cloned().unwrap_or_default());
        over(operator.post("/events/act", body).await?).await
    };
    // As it is now both would ask again.
    let job = rehearse(json!({ "ids": asking })).await?;
    assert_eq!(
        (&job["total"], &job["done"], &job["failures"], &job["more"]),
        (&json!(2), &json!(2), &json!(0), &json!(false))
    );
    let outcomes = job["outcomes"].as_array().context("outcomes")?;
    let events: Vec<&Value> = outcomes.iter().map(|own| &own["event"]).collect();
    assert_eq!(events, asking.iter().collect::<Vec<_>>(), "{job}");
    for own in outcomes {
        assert_eq!(own["state"], "review", "{own}");
        assert!(own["words"].as_str().is_some_and(|words| !words.is_empty()) && own["flow"] == "orders", "{own}");
    }
    // With the cause of all mended an order would be made of each, by the filter as well as by the kind.
    for (account_id, code) in &codes {
        world.change("Account", account_id, json!({ "Tandem_Card_Code__c": code })).await?;
    }
    let kind = operator.get("/kinds?flow=orders").await?["kinds"][0]["id"].clone();
    for wanted in [json!({ "kind": kind }), json!({ "filter": { "flow": "orders", "state": "review" } })] {
        let job = rehearse(wanted).await?;
        let outcomes = job["outcomes"].as_array().context("outcomes")?;
        assert!(job["failures"] == 0 && !outcomes.is_empty(), "{job}");
        for own in outcomes {
            assert!(own["state"] != "review" && own["effects"].as_u64() > Some(0), "{own}");
            assert!(own["differences"].as_u64() > Some(0), "it sent no order before: {own}");
        }
    }
    // Nothing was sent, and nothing of the events is otherwise.
    for id in &ids {
        assert_eq!(world.orders_of(id).await?.len(), 0, "nothing was sent");
    }
    assert_eq!(operator.get("/events?flow=orders&state=review").await?["events"], open);
    let trail = admin.get("/audit?q=rehearse").await?;
    let lines = trail["acts"].as_array().context("acts")?;
    assert_eq!(lines.len(), 3, "one for each time, and none for each event: {trail}");
    assert!(lines.iter().all(|own| own["act"] == "events.rehearse" && own["why"] == "would it help?"), "{trail}");
    assert!(lines.iter().any(|own| own["what"].as_str().is_some_and(|what| what.starts_with("2 events, "))), "{trail}");

    // Too many are refused by a word; who may not, and who sees none of the flow, gets nothing.
    let many: Vec<u64> = (1..=201).collect();
    let (status, answer) =
        operator.ask(Method::POST, "/events/act", Some(json!({ "act": "rehearse", "ids": many }))).await?;
    assert!(status == 422 && answer["field"] == "ids" && answer.to_string().contains("200"), "{status} {answer}");
    let reviewer = account(&admin, "reader", "reviewer", Value::Null).await?;
    let elsewhere = account(&admin, "shelf-desk", "operator", json!(["catalogue"])).await?;
    let body = || Some(json!({ "act": "rehearse", "ids": asking }));
    assert_eq!(reviewer.ask(Method::POST, "/events/act", body()).await?.0, 403);
    assert_eq!(elsewhere.ask(Method::POST, "/events/act", body()).await?.0, 404);
    // Whoever may less by now reads no words of it any more.
    let id = job["id"].as_str().context("an id")?;
    assert_eq!(reviewer.ask(Method::GET, &format!("/jobs/{id}"), None).await?.0, 404, "it is another one's");
    let masked = account(&admin, "op-desk", "viewer", Value::Null).await?.get(&format!("/jobs/{id}")).await?;
    assert_eq!(
        (&masked["outcomes"][0]["event"], &masked["outcomes"][0]["words"]),
        (&asking[0], &json!("")),
        "{masked}"
    );
    let limited = account(&admin, "op-desk", "operator", json!(["catalogue"])).await?;
    assert_eq!(limited.get(&format!("/jobs/{id}")).await?["outcomes"], json!([]));
    Ok(())
}

#[tokio::test]
async fn a_script_uses_a_token_until_it_is_taken_back() -> Result<()> {
    let (world, admin) = with_admin(Setup::default()).await?;
    let soon = (chrono::Utc::now() + chrono::Duration::days(1)).to_rfc3339();
    let wanted = json!({ "name": "monitoring", "role": "viewer", "flows": null, "expires_at": soon });
    let made = admin.post("/tokens", wanted.clone()).await?;
    let secret = made["secret"].as_str().context("a secret")?.to_owned();
    let script = Caller { known: Known::Token(secret.clone()), ..admin.clone() };
    assert_eq!(script.get("/session").await?["name"], "token monitoring");
    assert!(script.get("/overview").await?["flows"][0]["name"] == "orders");
    assert_eq!(script.ask(Method::POST, "/tokens", Some(wanted)).await?.0, 403);
    for wrong in ["2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "tomorrow"] {
        let wanted = json!({ "name": "x", "role": "viewer", "flows": null, "expires_at": wrong });
        assert_eq!(admin.ask(Method::POST, "/tokens", Some(wanted)).await?.0, 422, "{wrong}");
    }
    let listed = admin.get("/tokens").await?;
    assert!(!listed.to_string().contains(&secret) && listed["tokens"][0]["last_used"].is_string(), "{listed}");
    let id = listed["tokens"][0]["id"].as_str().context("an id")?;
    let mut stream = script.request(Method::GET, "/live").timeout(Duration::from_secs(120)).send().await?;
    assert_eq!(stream.status(), 200);
    admin.ask(Method::DELETE, &format!("/tokens/{id}"), None).await?;
    // What it listens to ends with it.
    let ended = async {
        while stream.chunk().await?.is_some() {}
        Ok::<_, anyhow::Error>(())
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.context("it goes on listening")??;
    assert_eq!(script.ask(Method::GET, "/overview", None).await?.0, 401);
    let database = std::fs::read(world.folder().join("data/tandem.db"))?;
    assert!(!database.windows(secret.len()).any(|part| part == secret.as_bytes()));
    Ok(())
}

#[tokio::test]
async fn what_changes_is_told_at_once_and_a_stop_waits_for_nobody_who_looks() -> Result<()> {
    let (mut world, admin) = with_admin(Setup { opportunities: 1, ..Setup::default() }).await?;
    let mut stream = admin.request(Method::GET, "/live").timeout(Duration::from_secs(120)).send().await?;
    assert_eq!(stream.status(), 200);
    let mut told = String::new();
    let until = async |stream: &mut reqwest::Response, told: &mut String, words: &[&str]| -> Result<()> {
        let started = Instant::now();
        while !words.iter().any(|word| told.contains(word)) {
            ensure!(started.elapsed() < PATIENCE, "{words:?} is not told: {told}");
            let chunk = tokio::time::timeout(PATIENCE, stream.chunk()).await??;
            told.push_str(&String::from_utf8_lossy(&chunk.context("it ended")?));
        }
        Ok(())
    };
    until(&mut stream, &mut told, &["event: overview"]).await?;
    told.clear();
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    until(&mut stream, &mut told, &["\"done\":1", "\"done\":2"]).await?;
    let started = Instant::now();
    world.stop().await?;
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    Ok(())
}
