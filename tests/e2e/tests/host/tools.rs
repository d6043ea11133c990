//! Tools for people and agents: what only reads can do nothing else, who may not call is told so, and each call is kept.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tandem_e2e::console::{admin, with_admin};
use tandem_e2e::mcp::Mcp;
use tandem_e2e::{ALL, Setup, World};

/// A flow of the hostile plugin, with little of everything.
fn hostile(more: &str) -> Setup {
    Setup {
        plugins: vec!["orders", "hostile"],
        more: format!(
            "[flows.hostile]\nplugin = \"hostile\"\nconnections = {{ b1 = \"erp\", s = \"crm\" }}\n\
             limits = {{ cpu_ms = 800, memory_mb = 48, run_seconds = 8 }}\n\n[agents]\nmcp = true\n{more}\n"
        ),
        ..Setup::default()
    }
}

async fn asked(setup: Setup) -> Result<(World, Mcp)> {
    let (world, admin) = with_admin(setup).await?;
    let mcp = Mcp::new(&world, &admin, "desk", "reviewer", Value::Null).await?;
    Ok((world, mcp))
}

#[tokio::test]
async fn a_tool_that_only_reads_can_do_nothing_else_whatever_its_plugin_was_granted() -> Result<()> {
    let (world, admin) = with_admin(hostile("")).await?;
    let mcp = Mcp::new(&world, &admin, "desk", "reviewer", Value::Null).await?;
    let act = |act: &str| json!({ "act": act });
    assert_eq!(mcp.got("hostile_look", act("get")).await?, json!({ "says": "done" }));
    assert_eq!(mcp.got("hostile_look", act("storage")).await?, json!({ "says": "kept: false" }));
    for (what, says) in [
        ("post", "nothing is written"),
        ("link", "nothing is written"),
        ("emit", "nothing is written"),
        ("forge", "nothing is written"),
        ("wake", "nothing is written"),
        ("ask", "nothing is written"),
        ("elsewhere", "was not granted to hostile"),
        // What loops has little of a busy machine: then its time from start to end is over first.
        ("loop", "` was broken: more than"),
        ("trap", "trapped"),
        ("flood", "the result of look has"),
        ("smuggle", "does not fit the schema"),
        ("fail", "it is so"),
    ] {
        let why = mcp.refused("hostile_look", act(what)).await?;
        assert!(why.contains(says), "{what}: {why}");
        assert!(!why.contains("nobody knows"), "what it smuggles is not told: {why}");
    }
    let why = mcp.refused("hostile_look", act("escape")).await?;
    assert!(!why.contains('\u{1b}') && !why.contains('\u{202e}'), "{why:?}");
    for bad in
        [json!({}), json!({ "act": 7 }), json!({ "act": "get", "more": 1 }), json!({ "act": "x".repeat(70_000) })]
    {
        let why = mcp.refused("hostile_look", bad).await?;
        assert!(why.contains("argument") || why.contains("of type") || why.contains("bytes"), "{why}");
    }
    // Nothing of it reached either system, nor the queue.
    let calls = world.calls(&world.b1).await?;
    assert!(!calls.to_string().contains("U_NOWHERE"), "{calls}");
    let events = world.tandem_json(&["events", "list", "--flow", "hostile", "--limit", "100"]).await?;
    let kept = events.as_array().cloned().unwrap_or_default();
    assert!(kept.iter().all(|event| event["topic"] == "tandem.tool.look" && event["state"] == "done"), "{events}");
    // What nobody could answer is no error of the host, nothing to look after and nothing to run again.
    let errors = admin.get("/kinds").await?;
    assert_eq!(errors["kinds"].as_array().map_or(0, Vec::len), 0, "{errors}");
    // 15 calls; those whose input did not fit were none.
    assert_eq!(kept.len(), 15, "{events}");
    // A call is told like any other event: who asked what, and what was read for it.
    let first = kept.last().unwrap_or(&Value::Null);
    assert!(first["payload"].as_str().is_some_and(|payload| payload.contains("token desk")), "{first}");
    let told = admin.get(&format!("/events/{}", first["id"])).await?.to_string();
    assert!(told.contains("/Items?$top=1") && told.contains("tool.result"), "{told}");
    Ok(())
}

#[tokio::test]
async fn who_may_not_call_a_tool_neither_sees_it_nor_is_answered() -> Result<()> {
    let rules = "calls_a_minute = 1000\n\
        [[agents.rules]]\nwho = [\"token blind\"]\ntools = [\"hostile_*\"]\nthen = \"refuse\"\n\
        [[agents.rules]]\nwho = [\"token masked\"]\nthen = \"allow\"\nhide = [\"says\", \"phone\"]\n";
    let (world, admin) = with_admin(hostile(rules)).await?;
    let of = async |name: &str, role: &str, flows: Value| Mcp::new(&world, &admin, name, role, flows).await;
    let names = async |mcp: &Mcp| -> Result<Vec<String>> {
        let mut tools = mcp.tools().await?;
        tools.retain(|tool| tool["name"].as_str().is_some_and(|name| name.starts_with("hostile_")));
        Ok(tools.iter().map(|tool| tool["name"].as_str().unwrap_or_default().to_owned()).collect())
    };
    let input = json!({ "act": "get" });
    let desk = of("desk", "reviewer", Value::Null).await?;
    assert_eq!(names(&desk).await?, ["hostile_look", "hostile_do"], "what writes is offered: a person approves it");
    let blind = of("blind", "admin", Value::Null).await?;
    assert_eq!(names(&blind).await?, [""; 0]);
    assert!(blind.refused("hostile_look", input.clone()).await?.contains("rule 1 of [agents]"));
    let viewer = of("viewer", "viewer", Value::Null).await?;
    assert_eq!(viewer.tools().await?, Vec::<Value>::new());
    assert!(viewer.refused("hostile_look", input.clone()).await?.contains("the role viewer"));
    let elsewhere = of("elsewhere", "admin", json!(["orders"])).await?;
    assert_eq!(names(&elsewhere).await?, [""; 0]);
    let call = json!({ "name": "hostile_look", "arguments": input });
    let answer = elsewhere.ask("tools/call", call.clone()).await?;
    assert_eq!(answer["error"]["code"], -32602, "it does not even learn that there is one: {answer}");
    // What is hidden is neither in the answer nor promised by the schema.
    let masked = of("masked", "reviewer", Value::Null).await?;
    let tools = masked.tools().await?;
    let look = tools.iter().find(|tool| tool["name"] == "hostile_look").unwrap_or(&Value::Null);
    assert!(!look["outputSchema"].to_string().contains("says"), "{look}");
    assert_eq!(look["annotations"]["readOnlyHint"], true);
    let answer = masked.call("hostile_look", input.clone()).await?;
    assert_eq!((&answer["structuredContent"], answer["isError"] == true), (&json!({}), false), "{answer}");
    assert!(!answer["content"].to_string().contains("done"), "{answer}");
    // Nobody, somebody else's cookie, and a token that was taken back.
    let nobody = Mcp { token: "tandem_0000".into(), ..desk.clone() };
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }).to_string();
    assert_eq!(nobody.say(body.clone()).await?.0, 401);
    let by_cookie = admin.request(reqwest::Method::POST, "/../../mcp").body(body.clone()).send().await?;
    assert_eq!(by_cookie.status(), 401);
    // A page of another site, whatever it brings; the console's own.
    for (origin, status) in [("http://evil.example", 403), ("null", 403), (world.console.as_str(), 200)] {
        let asked = admin.client.post(format!("{}/mcp", world.console)).bearer_auth(&desk.token).body(body.clone());
        let asked =
            asked.header("content-type", "application/json").header("accept", "application/json, text/event-stream");
        assert_eq!(asked.header("origin", origin).send().await?.status(), status, "{origin}");
    }
    // What programs look for beside it is no page.
    for path in [".well-known/oauth-protected-resource", ".well-known/oauth-authorization-server", "mcp/x", "MCP"] {
        let asked = admin.client.get(format!("{}/{path}", world.console)).send().await?;
        assert_eq!(asked.status(), 404, "{path}");
    }
    // A token of the API does not open it, and one of it not the API, where no rule of [agents] holds.
    let until = chrono::Utc::now() + chrono::TimeDelta::days(1);
    let script = json!({ "name": "script", "role": "admin", "flows": Value::Null, "expires_at": until.to_rfc3339() });
    let script = admin.post("/tokens", script).await?;
    let script = Mcp { token: script["secret"].as_str().unwrap_or_default().to_owned(), ..desk.clone() };
    assert_eq!(script.say(body.clone()).await?.0, 403);
    for (token, status) in [(&script.token, 200), (&desk.token, 403)] {
        let asked = admin.client.get(format!("{}/events", admin.base)).bearer_auth(token).send().await?;
        assert_eq!(asked.status(), status);
    }
    assert!(by_cookie.headers().contains_key("www-authenticate"));
    let tokens = admin.get("/tokens").await?;
    let own = tokens["tokens"].as_array().into_iter().flatten().find(|token| token["name"] == "desk");
    let id = own.and_then(|token| token["id"].as_str()).unwrap_or_default();
    assert_eq!(admin.ask(reqwest::Method::DELETE, &format!("/tokens/{id}"), None).await?.0, 204);
    assert_eq!(desk.say(body).await?.0, 401);
    // Refusals stand in the audit trail.
    let audit = admin.get("/audit?limit=50").await?.to_string();
    assert!(audit.contains("tool.call") && audit.contains("token blind"), "{audit}");
    // A rule that speaks of nothing is found before anybody relies on it.
    let (_, checked, _) = world.tandem_raw(&["check"]).await?;
    assert!(!checked.contains("rule 1") && checked.contains("hides \"phone\""), "{checked}");
    let config = world.folder().join("tandem.toml");
    let text = std::fs::read_to_string(&config)?;
    let vain = "[[agents.rules]]\ntools = [\"hostile_lok\"]\nthen = \"refuse\"\n\
        [[agents.rules]]\ntools = [\"hostile_look\"]\nthen = \"allow\"\nhide = [\"sayz\"]\n\
        [[agents.rules]]\nwho = [\"token dsk\"]\nthen = \"refuse\"\n\
        [[agents.rules]]\nwho = [\"token desk\"]\ntools = [\"hostile_*\"]\nthen = \"allow\"\n\
        [[agents.rules]]\nwho = [\"token desk\"]\nthen = \"approve\"\napprovers = [\"boss\", \"salesforce x\", \"ghost\"]\n\
        [[agents.rules]]\nthen = \"refuse\"\n[[agents.rules]]\nthen = \"allow\"\n";
    std::fs::write(&config, format!("{text}\n{vain}"))?;
    let (code, checked, _) = world.tandem_raw(&["check", "--json"]).await?;
    assert_eq!(code, 3, "{checked}");
    for what in [
        "rule 3",
        "hostile_lok",
        "rule 4",
        "sayz",
        "nobody is called \\\"token dsk\\\"",
        "before anybody has seen what they would do: hostile_do (writes)",
        "calls wait for \\\"ghost\\\" to approve them",
        "rule 9",
        "no call reaches it: rule 8",
    ] {
        assert!(checked.contains(what), "{what}: {checked}");
    }
    std::fs::write(&config, text)?;
    // The same is told beforehand.
    let (code, told, _) = world.tandem_raw(&["agent", "can", "token blind", "hostile_look"]).await?;
    assert!(code == 3 && told.contains("may not call hostile_look, which reads: rule 1"), "{code} {told}");
    let (code, told, _) = world.tandem_raw(&["agent", "can", "token masked", "hostile_look"]).await?;
    assert!(
        code == 0 && told.contains("hidden from them: says") && told.contains("no such field to hide: phone"),
        "{code} {told}"
    );
    let (code, told, _) = world.tandem_raw(&["agent", "can", "boss", "tandem_why"]).await?;
    assert!(code == 0 && told.contains("may call tandem_why, which reads"), "{code} {told}");
    for (who, says) in [("token viewer", "their role is viewer"), ("token elsewhere", "none of theirs")] {
        let (code, told, _) = world.tandem_raw(&["agent", "can", who, "hostile_look"]).await?;
        assert!(code == 3 && told.contains(says), "{code} {told}");
    }
    let (code, _, told) = world.tandem_raw(&["agent", "can", "token blnd", "hostile_look"]).await?;
    assert!(code == 4 && told.contains("token blind"), "{code} {told}");
    let (code, _, told) = world.tandem_raw(&["agent", "can", "boss", "hostile_lok"]).await?;
    assert!(code == 4 && told.contains("look"), "{code} {told}");
    Ok(())
}

#[tokio::test]
async fn too_many_calls_are_refused_until_the_minute_is_over_and_others_go_on() -> Result<()> {
    let (world, admin) = with_admin(hostile("calls_a_minute = 5\n")).await?;
    let eager = Mcp::new(&world, &admin, "eager", "reviewer", Value::Null).await?;
    let other = Mcp::new(&world, &admin, "other", "reviewer", Value::Null).await?;
    let input = || json!({ "act": "nothing" });
    let mut refused = 0;
    for _ in 0..40 {
        let answer = eager.call("hostile_look", input()).await?;
        if answer["isError"] == true {
            let why = answer["content"].to_string();
            assert!(why.contains("more than 5 calls within a minute"), "{why}");
            refused += 1;
        }
    }
    // A minute may have ended meanwhile.
    assert!((30..=35).contains(&refused), "{refused}");
    assert_eq!(other.got("hostile_look", input()).await?, json!({ "says": "done" }));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_an_order_is_held_is_told_to_who_sees_its_flow() -> Result<()> {
    let more =
        "[agents]\nmcp = true\n[[agents.rules]]\nwho = [\"token masked\"]\nthen = \"allow\"\nhide = [\"CardCode\"]\n";
    let setup = Setup { plugins: vec!["orders", "credit"], more: more.into(), ..Setup::default() };
    let (world, admin) = with_admin(setup).await?;
    let ids = world.opportunities(2).await?;
    for line in world.lines(&ids[0]).await? {
        world.change("OpportunityLineItem", line["Id"].as_str().unwrap_or_default(), json!({ "Quantity": 0 })).await?;
    }
    for id in &ids {
        world.win(id).await?;
    }
    world.until_state(&ids[0], "Review").await?;
    world.until_state(&ids[1], "Synced").await?;
    world.settled().await?;
    let desk = Mcp::new(&world, &admin, "desk", "reviewer", Value::Null).await?;
    let held = desk.got("tandem_why", json!({ "record": ids[0] })).await?;
    let events = held["events"].as_array().into_iter().flatten();
    let event = events.into_iter().find(|event| event["state"] == "review").unwrap_or(&Value::Null);
    assert_eq!((&event["state"], &event["flow"]), (&json!("review"), &json!("orders")), "{held}");
    assert!(event["reason"].as_str().is_some_and(|why| !why.is_empty()), "{held}");
    let questions = desk.got("tandem_reviews", json!({})).await?;
    let own = &questions["questions"][0];
    assert_eq!((&own["record"], &own["event"], &questions["more"]), (&json!(ids[0]), &event["event"], &json!(false)));
    // Of the other one: its link, and which call wrote a field.
    let synced = desk.got("tandem_why", json!({ "record": ids[1], "field": "CardCode" })).await?;
    let order = world.orders_of(&ids[1]).await?.remove(0);
    assert_eq!(synced["links"][0]["b1_id"], json!(order["DocEntry"].to_string()), "{synced}");
    let field = &synced["writes"][0]["fields"][0];
    assert_eq!((&field["name"], &field["value"]), (&json!("CardCode"), &order["CardCode"]), "{synced}");
    let masked = Mcp::new(&world, &admin, "masked", "reviewer", Value::Null).await?;
    let told = masked.got("tandem_why", json!({ "record": ids[1] })).await?;
    let code = order["CardCode"].as_str().unwrap_or_default();
    let writes = told["writes"].to_string();
    assert!(!writes.contains(code) && writes.contains("\"CardCode\"") && !writes.contains("\"value\""), "{told}");
    let flows = desk.got("tandem_flows", json!({})).await?;
    assert_eq!(
        (&flows["flows"][0]["flow"], &flows["flows"][1]["events"]["review"]),
        (&json!("credit"), &json!(1)),
        "{flows}"
    );
    // Who sees another flow alone learns nothing of it.
    let elsewhere = Mcp::new(&world, &admin, "elsewhere", "reviewer", json!(["credit"])).await?;
    let flows = elsewhere.got("tandem_flows", json!({})).await?;
    assert_eq!(flows["flows"].as_array().map_or(0, Vec::len), 1, "{flows}");
    assert_eq!(elsewhere.got("tandem_reviews", json!({ "flow": "orders" })).await?["questions"], json!([]));
    let why = elsewhere.call("tandem_why", json!({ "record": ids[0] })).await?;
    assert!(!why.to_string().contains("review"), "{why}");
    assert!(desk.refused("tandem_why", json!({ "record": "no-such-thing" })).await?.contains("knows nothing of"));
    assert!(desk.refused("tandem_why", json!({ "record": "" })).await?.contains("must be"));
    let audit = admin.get("/audit?limit=50").await?.to_string();
    assert!(audit.contains("tool tandem_why"), "{audit}");
    Ok(())
}

#[tokio::test]
async fn without_agents_in_the_file_there_is_no_mcp() -> Result<()> {
    let (world, admin) = with_admin(Setup::default()).await?;
    let mcp = Mcp::new(&world, &admin, "desk", "admin", Value::Null).await?;
    let (status, told) = mcp.say(json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }).to_string()).await?;
    assert!(status == 404 && told["mend"].as_str().is_some_and(|mend| mend.contains("[agents]")), "{status} {told}");
    Ok(())
}

#[tokio::test]
async fn what_passes_is_told_as_passing_with_who_cannot_be_reached() -> Result<()> {
    let (world, mcp) = asked(hostile("")).await?;
    world.b1_faults(json!([{ "path": "/b1s/v2/Items", "kind": "server-error", "times": 20 }])).await?;
    let why = mcp.refused("hostile_look", json!({ "act": "get" })).await?;
    assert!(why.starts_with("not now: "), "{why}");
    Ok(())
}

#[tokio::test]
async fn a_call_that_takes_too_long_ends() -> Result<()> {
    let setup = hostile("");
    let more = setup.more.replace("run_seconds = 8", "run_seconds = 3");
    let (world, mcp) = asked(Setup { more, ..setup }).await?;
    world.b1_faults(json!([{ "path": "/b1s/v2/Items", "kind": { "latency": 12_000 }, "times": 1 }])).await?;
    let begun = std::time::Instant::now();
    let why = mcp.refused("hostile_look", json!({ "act": "get" })).await?;
    assert!(why.contains("run_seconds"), "{why}");
    assert!(begun.elapsed() < Duration::from_secs(11));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_asks_the_same_tools_beside_a_running_host() -> Result<()> {
    let setup = Setup { plugins: ALL.into(), ..Setup::default() };
    let mut world = World::with(setup).await?;
    world.up().await?;
    let _ = admin(&world).await?;
    let listed = world.tandem(&["tool", "list"]).await?;
    assert!(listed.contains("accounts_find-customer") && listed.contains("reads"), "{listed}");
    let shown = world.tandem(&["tool", "show", "inventory_stock-of"]).await?;
    assert!(shown.contains("item_code"), "{shown}");
    let (code, _, told) = world.tandem_raw(&["tool", "call", "inventory_stock-of", "{\"item\": 1}"]).await?;
    assert!(code == 1 && told.contains("item_code"), "{code} {told}");
    let (code, _, told) = world.tandem_raw(&["tool", "call", "inventory_stock-of", "{"]).await?;
    assert!(code == 2 && told.contains("not JSON"), "{code} {told}");
    let (code, _, told) = world.tandem_raw(&["tool", "call", "inventory_stok-of"]).await?;
    assert!(code == 4 && told.contains("stock-of"), "{code} {told}");
    Ok(())
}

/// A `tandem.toml` that is changed cuts off no call that is under way, denies no tool that is there, and counts nobody's calls anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_outlives_a_changed_configuration_and_stays_counted() -> Result<()> {
    let more = "[agents]\nmcp = true\ncalls_a_day = 40\n[[agents.rules]]\ntools = [\"credit_*\"]\nthen = \"refuse\"\n";
    let setup = Setup { plugins: vec!["inventory", "credit"], more: more.into(), ..Setup::default() };
    let (world, admin) = with_admin(setup).await?;
    let desk = Mcp::new(&world, &admin, "desk", "reviewer", Value::Null).await?;
    let item = world.b1_records("Items").await?.remove(0)["ItemCode"].clone();
    desk.got("inventory_stock-of", json!({ "item_code": item })).await?;
    world.b1_faults(json!([{ "path": "/b1s/v2/Items", "kind": { "latency": 9_000 }, "times": 1 }])).await?;
    let config = world.folder().join("tandem.toml");
    let text = std::fs::read_to_string(&config)?;
    let call = desk.got("inventory_stock-of", json!({ "item_code": item }));
    let change = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        std::fs::write(&config, text.replace("calls_a_day = 40", "calls_a_day = 41"))?;
        let mut tries = 0;
        while world.log().matches("tandem is up").count() < 2 {
            let told = desk.call("inventory_stock-of", json!({ "item_code": "none" })).await;
            let told = told.map(|told| told.to_string()).unwrap_or_else(|error| format!("{error:#}"));
            anyhow::ensure!(!told.contains("there is no tool"), "{told}");
            tries += 1;
            anyhow::ensure!(tries < 30, "it is not taken up: {}", world.log_tail());
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        Ok::<_, anyhow::Error>(tries)
    };
    let (called, changed) = tokio::join!(call, change);
    assert_eq!(called.context("the call that was under way")?["item_code"], item);
    let tries = changed?;
    for _ in 0..39 - tries {
        desk.got("inventory_stock-of", json!({ "item_code": item })).await?;
    }
    let why = desk.refused("inventory_stock-of", json!({ "item_code": item })).await?;
    assert!(why.contains("more than 41 calls"), "{why}");
    Ok(())
}
