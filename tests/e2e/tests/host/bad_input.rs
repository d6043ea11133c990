//! Bad input has one clear message that names the thing, the cause and the mend; the rest goes on.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tandem_e2e::root;
use tandem_e2e::{Setup, World};

#[tokio::test]
async fn malformed_events_are_held_for_review_and_the_next_is_done() -> Result<()> {
    let mut world = World::new().await?;
    world.up().await?;
    let publish = format!("{}/admin/publish", world.salesforce);
    // Not Avro, a record id that is none, a field missing, and five megabytes.
    world.send("POST", &publish, &json!({ "text": "not avro" })).await?;
    world
        .send("POST", &publish, &json!({ "fields": { "Record_Id__c": "'; DROP", "Object__c": "Opportunity" } }))
        .await?;
    world.send("POST", &publish, &json!({ "fields": { "Record_Id__c": "0065g000000001jAAA" } })).await?;
    world.send("POST", &publish, &json!({ "text": "x".repeat(5 << 20) })).await?;
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    let held = world.tandem_json(&["events", "list", "--state", "review"]).await?;
    let reasons: Vec<String> = held.as_array().unwrap().iter().map(|e| e["reason"].to_string()).collect();
    assert_eq!(reasons.len(), 4, "{reasons:?}");
    for word in ["does not fit its schema", "not a Salesforce id", "has no Object__c", "bytes"] {
        assert!(reasons.iter().any(|reason| reason.contains(word)), "{word}: {reasons:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_query_that_salesforce_refuses_is_asked_for_each_opportunity_alone() -> Result<()> {
    let mut world = World::new().await?;
    let ids = world.opportunities(3).await?;
    for id in &ids {
        world.win(id).await?;
    }
    // As for an id that is none: whoever asks for several is told so of all.
    let refuse =
        json!({ "refuse": { "status": 400, "code": "INVALID_QUERY_FILTER_OPERATOR", "message": "invalid ID field" } });
    world
        .salesforce_faults(json!([{ "path": "FROM%20Opportunity%20WHERE%20Id%20IN", "kind": refuse, "times": 1 }]))
        .await?;
    world.up().await?;
    for id in &ids {
        world.until_state(id, "Synced").await?;
    }
    world.assert_exactly_once(&ids).await
}

#[tokio::test]
async fn webhook_refuses_what_is_unsigned_too_large_or_no_json() -> Result<()> {
    let mut world = World::new().await?;
    world.up().await?;
    let hook = format!("{}/hooks/salesforce/crm", world.console);
    let (status, body) = world.send("POST", &hook, &json!({})).await?;
    assert_eq!(status, 401);
    assert!(body["error"].as_str().unwrap().contains("X-Tandem-Timestamp"), "{body}");
    assert_eq!(world.webhook(&json!("x".repeat(5 << 20))).await?, 413);
    assert_eq!(world.webhook(&json!(17)).await?, 400);
    assert_eq!(world.send("POST", &format!("{}/hooks/salesforce/nobody", world.console), &json!({})).await?.0, 404);
    // Unknown fields are no harm.
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    let change = json!({ "Record_Id__c": id, "Object__c": "Opportunity", "Event_Id__c": "x", "Unknown__c": 1 });
    assert_eq!(world.webhook(&change).await?, 202);
    assert_eq!(world.webhook(&change).await?, 202, "repeated: taken once");
    world.until_state(&id, "Synced").await?;
    world.assert_exactly_once(&[id]).await
}

#[tokio::test]
async fn webhook_takes_every_change_and_says_what_it_does_not_take() -> Result<()> {
    let mut world = World::with(Setup {
        salesforce:
            "client_secret = { file = \"salesforce.secret\" }\nwebhook_key = { file = \"webhook.key\" }\ntopics = []\n"
                .into(),
        ..Setup::default()
    })
    .await?;
    world.up().await?;
    let ids = world.opportunities(3).await?;
    let change =
        |id: &str, event: &str| json!({ "Object__c": "Opportunity", "Record_Id__c": id, "Event_Id__c": event });
    // Told while open, then won: without an id of its own the second would be taken for the first.
    let nameless = json!({ "Object__c": "Opportunity", "Record_Id__c": ids[0] });
    assert_eq!(world.webhook(&nameless).await?, 400);
    assert_eq!(world.webhook(&json!([change(&ids[0], "a"), change(&ids[0], "")])).await?, 400);
    assert_eq!(world.webhook(&change(&ids[0], "b")).await?, 202);
    for id in &ids {
        world.win(id).await?;
    }
    // One transaction, three records, one of them by its short id and in a hurried hand.
    let hurried = json!({ "Object__c": "opportunity ", "Record_Id__c": ids[2][..15], "Event_Id__c": "c" });
    assert_eq!(world.webhook(&json!([change(&ids[0], "c"), change(&ids[1], "c"), hurried])).await?, 202);
    world.until_all_told(&ids, Duration::from_secs(20)).await?;
    world.assert_exactly_once(&ids).await?;
    let explained = world.tandem(&["explain", &ids[2][..15]]).await?;
    assert!(explained.contains("Orders"), "{explained}");
    // What nobody takes is no secret.
    for event in ["d", "e"] {
        let strange = json!({ "Object__c": "Lead", "Record_Id__c": "00Q000000000001", "Event_Id__c": event });
        assert_eq!(world.webhook(&strange).await?, 202);
    }
    // The log comes behind.
    let told = async |world: &World| Ok(world.log().contains("objects that no flow takes").then_some(()));
    world.until("the log to say so", Duration::from_secs(10), told).await?;
    assert_eq!(world.log().matches("objects that no flow takes").count(), 1, "{}", world.log_tail());
    Ok(())
}

#[tokio::test]
async fn a_file_that_is_no_component_holds_its_flow_and_says_so() -> Result<()> {
    let mut world = World::new().await?;
    std::fs::write(world.folder().join("plugins/broken.wasm"), "this is not wasm")?;
    // A component of a contract this host does not know: it imports what nobody gives.
    let newer = r#"(component (import "tandem:plugin/telepathy@9.0.0" (instance (export "send" (func)))))"#;
    std::fs::write(world.folder().join("plugins/newer.wasm"), newer)?;
    let config = world.folder().join("tandem.toml");
    let text = std::fs::read_to_string(&config)?;
    let flow =
        |name: &str| format!("\n[flows.{name}]\nplugin = \"{name}\"\nconnections = {{ b1 = \"erp\", s = \"crm\" }}\n");
    std::fs::write(&config, format!("{text}{}{}{}", flow("broken"), flow("newer"), flow("missing")))?;
    let (code, output, _) = world.tandem_raw(&["--json", "plugin", "list"]).await?;
    assert_eq!(code, 3);
    assert!(output.contains("is not a WebAssembly component"), "{output}");
    world.start()?;
    let id = world.opportunities(1).await?.remove(0);
    world
        .until("the flow to run", Duration::from_secs(20), async |world: &World| {
            Ok(world.log().contains("\"plugin\":\"orders\"").then_some(()))
        })
        .await?;
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    let log = world.log();
    for word in ["broken.wasm is not a WebAssembly component", "newer.wasm", "missing.wasm"] {
        assert!(log.contains(word), "{word}\n{log}");
    }
    // The file is mended: the flow gets what came in meanwhile.
    std::fs::copy(tandem_e2e::wasm("hostile"), world.folder().join("plugins/hostile.wasm"))?;
    Ok(())
}

#[tokio::test]
async fn a_plugin_file_that_breaks_under_the_host_is_a_warning_until_it_is_mended() -> Result<()> {
    let mut world = World::new().await?;
    world.up().await?;
    let file = world.folder().join("plugins/orders.wasm");
    std::fs::write(&file, "this is not wasm")?;
    let warned = async |world: &World| {
        let told = world.get(&format!("{}/readyz", world.console)).await?;
        Ok(told["warnings"]["orders"].as_str().map(str::to_owned))
    };
    let why = world.until("a warning", Duration::from_secs(20), warned).await?;
    assert!(why.contains("is not a WebAssembly component"), "{why}");
    let shown = |row: &serde_json::Value| {
        let message = row["Tandem_Message__c"].as_str().unwrap_or_default();
        row["Tandem_State__c"] == "Ready" && message.contains("goes on with what it had")
    };
    world.until_record("Tandem_Health__c", "a warning", shown).await?;
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    std::fs::copy(tandem_e2e::wasm("orders"), &file)?;
    let mended = async |world: &World| Ok(warned(world).await?.is_none().then_some(()));
    world.until("no warning", Duration::from_secs(20), mended).await
}

#[tokio::test]
async fn a_typo_in_tandem_toml_is_told_with_its_line() -> Result<()> {
    let world = World::new().await?;
    let config = world.folder().join("tandem.toml");
    let text = std::fs::read_to_string(&config)?;
    std::fs::write(&config, text.replace("company =", "compnay ="))?;
    let (code, _, errors) = world.tandem_raw(&["run"]).await?;
    assert_eq!(code, 2);
    assert!(errors.contains("compnay") && errors.contains("line"), "{errors}");
    let flow = text.replace("plugin = \"orders\"", "plugin = \"orders\"\nsettings = { credit_chek = false }");
    std::fs::write(&config, flow)?;
    let (code, output, _) = world.tandem_raw(&["check"]).await?;
    assert_eq!(code, 3);
    assert!(output.contains("unknown setting `credit_chek`; did you mean `credit_check`? known: "), "{output}");
    let findings = world.tandem_raw(&["--json", "check"]).await?.1;
    assert!(findings.contains("tandem.toml: line "), "{findings}");
    let wrong = "settings = { lines = \"sapp\", look_again = -1, warehouse = 1, currencies = { \"$\" = 5 } }";
    std::fs::write(&config, text.replace("plugin = \"orders\"", &format!("plugin = \"orders\"\n{wrong}")))?;
    let (code, output, _) = world.tandem_raw(&["check"]).await?;
    let output = output.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(code, 3, "{output}");
    for words in [
        "[flows.orders] settings: ",
        "`lines` = \"sapp\" must be one of \"salesforce\", \"b1\", \"review\"",
        "`look_again` = -1 must be ",
        "`warehouse` = 1 must be of type string",
        "`currencies.$` = 5 must be of type string",
    ] {
        assert!(output.contains(words), "{words}: {output}");
    }
    // A secret that is not there has the line of its section.
    std::fs::write(&config, text.replace("b1.password", "nowhere.password"))?;
    let (code, _, errors) = world.tandem_raw(&["check"]).await?;
    assert_eq!(code, 2);
    let line = text.lines().position(|line| line == "[b1.erp]").unwrap() + 1;
    assert!(errors.contains(&format!("line {line})")) && errors.contains("nowhere.password"), "{errors}");
    Ok(())
}

#[tokio::test]
async fn a_wrong_password_is_told_and_not_tried_again_and_again() -> Result<()> {
    let mut world = World::with(Setup::default()).await?;
    std::fs::write(world.folder().join("b1.password"), "wrong")?;
    let (code, output, _) = world.tandem_raw(&["check"]).await?;
    assert_eq!(code, 3);
    assert!(output.contains("password"), "{output}");
    assert!(!output.contains("wrong\""), "the secret itself is never shown");
    let before = world.get(&format!("{}/admin/log", world.b1)).await?["calls"]["LOGIN"].as_u64().unwrap();
    world.start()?;
    let id = world.opportunities(1).await?.remove(0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.win(&id).await?;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let after = world.get(&format!("{}/admin/log", world.b1)).await?["calls"]["LOGIN"].as_u64().unwrap();
    assert!(after - before <= 2, "{} logins: a locked user is worse than a late order", after - before);
    Ok(())
}

#[tokio::test]
async fn a_demo_takes_no_folder_that_is_not_a_demos_and_none_in_which_a_host_runs() -> Result<()> {
    let mut world = World::new().await?;
    world.up().await?;
    let folder = world.folder().display().to_string();
    let root = root();
    let plugins = root.join("plugins/target/wasm32-unknown-unknown/release").display().to_string();
    let package = root.join("salesforce-package/force-app/main/default").display().to_string();
    let demo = ["demo", "--once", "--folder", &folder, "--plugins", &plugins, "--package", &package];
    // A host's own folder, and then one that says that it is a demo's while something runs in it.
    for (mark, why) in [(false, "is not a demo's folder"), (true, "a host runs in")] {
        if mark {
            std::fs::write(world.folder().join(".demo"), "")?;
        }
        let before = std::fs::read_dir(world.folder())?.count();
        let (code, output, errors) = world.tandem_raw(&demo).await?;
        assert!(code == 2 && errors.contains(why), "{code} {output}{errors}");
        assert_eq!(std::fs::read_dir(world.folder())?.count(), before);
    }
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    Ok(())
}
