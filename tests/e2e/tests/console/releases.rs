//! Releases in the console: drafted, compared, allowed, made live and taken back, with the files saying the same.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tandem_e2e::console::{Caller, account, admin, with_admin};
use tandem_e2e::{Setup, World, wasm};

const PATIENCE: Duration = Duration::from_secs(30);

const MAPPING: &str =
    "# What sales agreed.\nversion = 1\n\n[header]\nNumAtCard = \"source.Tandem_PO_Number__c\" # theirs\n";

fn with_remark(remark: &str) -> String {
    format!("{MAPPING}Comments = \"'{remark}'\"\n")
}

/// Makes an opportunity won; the remark of its order.
async fn remark(world: &World) -> Result<String> {
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    let order = world.orders_of(&id).await?.remove(0);
    Ok(order["Comments"].as_str().unwrap_or_default().to_owned())
}

async fn flow(caller: &Caller, name: &str) -> Result<Value> {
    let all = caller.get("/flows").await?;
    let flows = all["flows"].as_array().context("flows")?;
    flows.iter().find(|flow| flow["flow"] == name).cloned().context("the flow")
}

async fn live(caller: &Caller) -> Result<String> {
    Ok(flow(caller, "orders").await?["live"].as_str().context("a live release")?.to_owned())
}

/// A comparison that is over.
async fn compared(caller: &Caller, release: &str) -> Result<Value> {
    let mut told = caller.post(&format!("/flows/orders/releases/{release}/compare"), json!({})).await?;
    let id = told["id"].as_str().context("an id")?.to_owned();
    for _ in 0..100 {
        if told["over"] == true {
            ensure!(told["error"].is_null(), "{told}");
            return Ok(told["found"].clone());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        told = caller.get(&format!("/comparisons/{id}")).await?;
    }
    anyhow::bail!("not over: {told}")
}

fn text(world: &World, file: &str) -> Result<String> {
    std::fs::read_to_string(world.folder().join(file)).with_context(|| file.to_owned())
}

#[tokio::test]
async fn a_mapping_is_drafted_compared_made_live_and_taken_back_and_its_file_says_the_same() -> Result<()> {
    let (world, admin) = with_admin(Setup::default()).await?;
    remark(&world).await?;
    let (operator, viewer) =
        (account(&admin, "ops", "operator", Value::Null).await?, account(&admin, "eyes", "viewer", Value::Null).await?);
    let first = live(&operator).await?;
    let draft = json!({ "mapping": with_remark("second"), "note": "a remark" });
    let (status, _) = viewer.ask(Method::POST, "/flows/orders/drafts", Some(draft.clone())).await?;
    assert_eq!(status, 403);
    let made = operator.post("/flows/orders/drafts", draft).await?;
    let second = made["release"].as_str().context("a release")?.to_owned();
    assert_eq!(made["standing"], "known", "{made}");
    assert_eq!(made["origin"], "drafted in the console by ops: a remark");
    let lines = made["differs"]["mapping"].as_array().context("lines")?;
    assert!(lines.iter().any(|line| line == "+Comments = \"'second'\""), "{lines:?}");
    assert_eq!(viewer.get(&format!("/flows/orders/releases/{second}")).await?["mapping_text"], with_remark("second"));
    // A draft runs nothing.
    assert_eq!(remark(&world).await?, "");

    // Of what was not read then it cannot be told, but by reading it now; nothing is written.
    let begun =
        operator.post(&format!("/flows/orders/releases/{second}/compare"), json!({ "read_now": false })).await?;
    assert!(begun["found"]["untold"].as_u64() >= Some(1) && begun["found"]["read_now"] == 0, "{begun}");
    let found = compared(&operator, &second).await?;
    assert!(found["different"] == 2 && found["untold"] == 0 && found["read_now"].as_u64() > Some(0), "{found}");
    let group = &found["groups"][0];
    assert_eq!((&group["call"], &group["field"]), (&json!("POST b1 /Orders"), &json!("Comments")), "{found}");
    assert_eq!(group["examples"][0]["after"], "second");

    let activate = format!("/flows/orders/releases/{second}/activate");
    let stale = json!({ "instead_of": second, "why": "agreed" });
    assert_eq!(operator.ask(Method::POST, &activate, Some(stale)).await?.0, 409);
    let wish = json!({ "instead_of": first, "why": "agreed" });
    assert_eq!(viewer.ask(Method::POST, &activate, Some(wish.clone())).await?.0, 403);
    let done = operator.post(&activate, wish).await?;
    assert_eq!(done["release"], second.as_str());
    assert!(done["unwritten"].is_null() && done["files"].as_array().map(Vec::len) == Some(2), "{done}");
    assert_eq!(remark(&world).await?, "second");
    assert_eq!(text(&world, "orders.mapping.toml")?, with_remark("second"));
    assert!(text(&world, "tandem.toml")?.contains("mapping = \"orders.mapping.toml\""));
    // The host takes the file up, and finds what it runs.
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(live(&operator).await?, second);
    let acts = world.tandem_json(&["release", "show", "orders"]).await?;
    assert_eq!((&acts["activations"][0]["who"], &acts["activations"][0]["why"]), (&json!("ops"), &json!("agreed")));
    assert_eq!(acts["activations"].as_array().map(Vec::len), Some(1), "{acts}");

    let back = operator.post("/flows/orders/rollback", json!({ "instead_of": second, "why": "wrong" })).await?;
    assert_eq!(back["release"], first.as_str(), "{back}");
    assert_eq!(remark(&world).await?, "");
    assert!(!text(&world, "tandem.toml")?.contains("orders.mapping.toml"));
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(live(&operator).await?, first);
    // What is corrected goes into the file that was left there.
    let made = operator.post("/flows/orders/drafts", json!({ "mapping": with_remark("third") })).await?;
    let path = format!("/flows/orders/releases/{}/activate", made["release"].as_str().context("a release")?);
    let done = operator.post(&path, json!({ "instead_of": first })).await?;
    assert!(done["unwritten"].is_null(), "{done}");
    assert_eq!(text(&world, "orders.mapping.toml")?, with_remark("third"));
    // What somebody works on is not overwritten.
    std::fs::write(world.folder().join("orders.mapping.toml"), "version = 1\n[header\n")?;
    let third = live(&operator).await?;
    let back = operator.post("/flows/orders/rollback", json!({ "instead_of": third })).await?;
    assert_eq!((&back["release"], &back["unwritten"]), (&json!(first), &Value::Null), "{back}");
    let forth = json!({ "instead_of": first });
    let done = operator.post(&path, forth).await?;
    assert!(done["unwritten"].as_str().is_some_and(|why| why.contains("no release has")), "{done}");
    assert_eq!(text(&world, "orders.mapping.toml")?, "version = 1\n[header\n");
    let audit = admin.get("/audit?q=release").await?;
    let acts: Vec<&str> = audit["acts"].as_array().context("acts")?.iter().filter_map(|a| a["act"].as_str()).collect();
    let expected = ["activate", "rollback", "activate", "draft", "rollback", "activate", "compare", "draft"];
    assert_eq!(acts, expected.map(|act| format!("release.{act}")));
    Ok(())
}

#[tokio::test]
async fn a_mapping_file_keeps_its_comments_and_what_cannot_be_used_is_refused_by_its_field() -> Result<()> {
    let setup = Setup { flow: "mapping = \"ours.toml\" # in git\n".into(), ..Setup::default() };
    let mut world = World::with(setup).await?;
    std::fs::write(world.folder().join("ours.toml"), MAPPING)?;
    world.up().await?;
    let admin = admin(&world).await?;
    let before = text(&world, "tandem.toml")?;
    let made = admin.post("/flows/orders/drafts", json!({ "mapping": with_remark("x") })).await?;
    let release = made["release"].as_str().context("a release")?;
    let wish = json!({ "instead_of": live(&admin).await? });
    let done = admin.post(&format!("/flows/orders/releases/{release}/activate"), wish).await?;
    assert_eq!(done["files"].as_array().map(Vec::len), Some(1), "{done}");
    assert_eq!(text(&world, "ours.toml")?, with_remark("x"));
    assert_eq!(text(&world, "tandem.toml")?, before);

    for (body, field) in [
        (json!({ "mapping": "version = 1\n[header]\nComments = \"source.\"\n" }), "mapping"),
        (json!({ "mapping": " " }), "mapping"),
        (json!({ "mapping": "version = 1\n[header]\nDocEntry = \"source.X\"\n" }), "mapping"),
        (json!({ "settings": { "seriess": 7 } }), "settings"),
    ] {
        let (status, told) = admin.ask(Method::POST, "/flows/orders/drafts", Some(body.clone())).await?;
        assert_eq!((status, &told["field"]), (422, &json!(field)), "{body}: {told}");
    }
    // A file that cannot be written leaves all of them as they are, and says so.
    let made = admin.post("/flows/orders/drafts", json!({ "mapping": with_remark("y") })).await?;
    let release = made["release"].as_str().context("a release")?;
    std::fs::remove_file(world.folder().join("ours.toml"))?;
    std::fs::create_dir(world.folder().join("ours.toml"))?;
    let wish = json!({ "instead_of": live(&admin).await? });
    let done = admin.post(&format!("/flows/orders/releases/{release}/activate"), wish).await?;
    assert!(done["unwritten"].as_str().is_some_and(|why| why.contains("ours.toml")), "{done}");
    assert_eq!(remark(&world).await?, "y");
    Ok(())
}

#[tokio::test]
async fn settings_are_changed_in_tandem_toml_beside_its_comments_and_the_host_goes_on_with_them() -> Result<()> {
    let flow = "settings = { warehouse = \"01\" } # as finance says\n".into();
    let (world, admin) = with_admin(Setup { flow, ..Setup::default() }).await?;
    let first = live(&admin).await?;
    let shown = admin.get(&format!("/flows/orders/releases/{first}")).await?;
    assert!(shown["schema"]["properties"]["warehouse"].is_object(), "{shown}");
    let made = admin.post("/flows/orders/drafts", json!({ "settings": { "warehouse": "02" } })).await?;
    let second = made["release"].as_str().context("a release")?.to_owned();
    let parts = &made["differs"]["parts"][0];
    assert_eq!(parts, &json!({ "what": "settings.warehouse", "before": "01", "after": "02" }));
    admin.post(&format!("/flows/orders/releases/{second}/activate"), json!({ "instead_of": first })).await?;
    assert!(text(&world, "tandem.toml")?.contains("settings = { warehouse = \"02\" } # as finance says\n"));
    let taken =
        async |world: &World| Ok(Some(()).filter(|()| world.log().contains("tandem.toml was changed: taken up")));
    world.until("the file to be taken up", PATIENCE, taken).await?;
    world.ready(PATIENCE).await?;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(live(&admin).await?, second);
    let acts = world.tandem_json(&["release", "show", "orders"]).await?;
    assert_eq!(acts["activations"].as_array().map(Vec::len), Some(1), "{acts}");
    Ok(())
}

#[tokio::test]
async fn a_plugin_that_is_sent_is_a_draft_and_waits_for_what_it_asks_for() -> Result<()> {
    let (world, admin) = with_admin(Setup::default()).await?;
    let operator = account(&admin, "ops", "operator", json!(["orders"])).await?;
    let first = live(&admin).await?;
    let send = async |caller: &Caller, plugin: &str, bytes: Vec<u8>| -> Result<(u16, Value)> {
        let request = caller.request(Method::POST, "/flows/orders/plugin").header("content-type", "application/wasm");
        let answer = request.header("x-tandem-file", format!("{plugin}.wasm")).body(bytes).send().await?;
        Ok((answer.status().as_u16(), serde_json::from_str(&answer.text().await?).unwrap_or_default()))
    };
    let bytes = |plugin: &str| std::fs::read(wasm(plugin)).context("a component");
    assert_eq!(send(&operator, "region-mapper", bytes("region_mapper")?).await?.0, 403);
    for (plugin, sent) in [("catalogue", bytes("catalogue")?), ("junk", b"no component".to_vec())] {
        let (status, told) = send(&admin, plugin, sent).await?;
        assert_eq!((status, &told["field"]), (422, &json!("plugin")), "{told}");
    }
    let (status, made) = send(&admin, "region-mapper", bytes("region_mapper")?).await?;
    assert_eq!(status, 200, "{made}");
    let second = made["release"].as_str().context("a release")?.to_owned();
    let missing = made["missing"].as_u64().context("missing")?;
    assert!(missing > 0 && made["mapper"]["name"].is_string(), "{made}");
    let path = format!("/flows/orders/releases/{second}");
    let wish = json!({ "instead_of": first });
    let (status, told) = operator.ask(Method::POST, &format!("{path}/activate"), Some(wish.clone())).await?;
    assert!(status == 409 && told["error"].as_str().is_some_and(|e| e.contains("waits for consent")), "{told}");
    let allow = |count: u64| Some(json!({ "permissions": count, "why": "looked at" }));
    assert_eq!(operator.ask(Method::POST, &format!("{path}/grant"), allow(missing)).await?.0, 403);
    assert_eq!(admin.ask(Method::POST, &format!("{path}/grant"), allow(missing + 1)).await?.0, 409);
    let (status, granted) = admin.ask(Method::POST, &format!("{path}/grant"), allow(missing)).await?;
    assert_eq!((status, &granted["missing"]), (200, &json!(0)), "{granted}");
    let done = operator.post(&format!("{path}/activate"), wish).await?;
    assert!(done["unwritten"].is_null(), "{done}");
    assert!(text(&world, "tandem.toml")?.contains("mapper = \""));
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(live(&admin).await?, second);
    // Who may see one flow sees no other.
    let (status, _) = operator.ask(Method::GET, "/flows/accounts/releases", None).await?;
    assert_eq!(status, 404);
    Ok(())
}
